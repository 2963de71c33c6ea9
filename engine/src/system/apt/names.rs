//! The names of packages that are there or on offer, read from the files of apt and dpkg. No process is started.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use super::index;

/// Longest line that is looked at; a name is never in one that is longer.
const MAX_LINE: usize = 64 << 10;

/// Every name that the package database or the package index of the system at `root` has, of real packages and of virtual ones. `None` where that
/// cannot be told: there is no index, it is older than its sources, or it is kept in a form that is not read here.
pub fn known_names(root: &Path) -> Option<HashSet<Box<str>>> {
    if index::stale(root, &[], false).is_some() {
        return None;
    }
    let mut names = HashSet::new();
    let mut has_index = false;
    for entry in std::fs::read_dir(root.join("var/lib/apt/lists")).ok()? {
        let entry = entry.ok()?;
        let name = entry.file_name();
        let name = name.to_str()?;
        if name.ends_with("_Packages") {
            read(&entry.path(), &mut names).ok()?;
            has_index = true;
        } else if name.contains("_Packages.") {
            // apt can keep its lists compressed.
            return None;
        }
    }
    if !has_index {
        return None;
    }
    read(&root.join("var/lib/dpkg/status"), &mut names).ok()?;
    Some(names)
}

/// Takes the names out of the stanzas of a file.
fn read(path: &Path, names: &mut HashSet<Box<str>>) -> io::Result<()> {
    let mut file = BufReader::with_capacity(256 << 10, File::open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let Some(text) = std::str::from_utf8(&line).ok().filter(|text| text.len() <= MAX_LINE) else { continue };
        if let Some(name) = text.strip_prefix("Package:") {
            names.insert(name.trim().into());
        } else if let Some(list) = text.strip_prefix("Provides:") {
            names.extend(list.split(',').filter_map(|one| one.split_whitespace().next()).map(Box::from));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::known_names;

    #[test]
    fn names_come_from_the_index_and_the_database() {
        let root = tempfile::tempdir().expect("a directory");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        };
        write("var/lib/dpkg/status", "Package: own\nStatus: install ok installed\n");
        assert_eq!(known_names(root.path()), None, "there is no index");
        write(
            "var/lib/apt/lists/x_Packages",
            "Package: exim4\nProvides: mail-transport-agent, mta (= 1)\nDescription: x\n Package: no\n",
        );
        let names = known_names(root.path()).expect("an index");
        let mut names: Vec<&str> = names.iter().map(|name| &**name).collect();
        names.sort_unstable();
        assert_eq!(names, ["exim4", "mail-transport-agent", "mta", "own"]);
        write("var/lib/apt/lists/y_Packages.lz4", "");
        assert_eq!(known_names(root.path()), None, "one is not read");
    }

    #[test]
    fn an_index_that_is_older_than_its_sources_tells_nothing() {
        let root = tempfile::tempdir().expect("a directory");
        for directory in ["var/lib/apt/lists/partial", "var/lib/dpkg", "etc/apt/sources.list.d"] {
            fs::create_dir_all(root.path().join(directory)).expect("made");
        }
        fs::write(root.path().join("var/lib/dpkg/status"), "").expect("written");
        fs::write(root.path().join("var/lib/apt/lists/x_Packages"), "Package: a\n").expect("written");
        let sources = root.path().join("etc/apt/sources.list.d/x.sources");
        fs::write(&sources, "Types: deb\n").expect("written");
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
        fs::File::options().write(true).open(&sources).expect("open").set_modified(later).expect("aged");
        assert_eq!(known_names(root.path()), None);
    }
}
