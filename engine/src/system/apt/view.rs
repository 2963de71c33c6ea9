//! A package index of one's own: what would be on offer with other sources, or with the machine's own after a refresh.
//!
//! apt is pointed at a copy of its configuration and lists; what it writes goes there. Hooks that the machine has
//! for its own refreshes are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::cache::Cache;
use super::{Apt, INDEXING};

/// An index that was fetched this long ago is used as it is: for a plan and the apply that follows it.
const FRESH: Duration = Duration::from_secs(120);

/// Files and directories of apt's configuration that say what is on offer and what is trusted, and apt's names for them.
const PARTS: [(&str, &str); 6] = [
    ("sources.list", "sourcelist"),
    ("sources.list.d", "sourceparts"),
    ("trusted.gpg", "trusted"),
    ("trusted.gpg.d", "trustedparts"),
    ("preferences", "preferences"),
    ("preferences.d", "preferencesparts"),
];

/// Files that decide what is on offer, as they will be: by path, `None` where one will be gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourcesAhead {
    /// Sources, preferences and keys below `/etc/apt`, and keys elsewhere.
    pub files: BTreeMap<PathBuf, Option<Arc<[u8]>>>,
    /// Sources among them whose index is fetched together with them.
    pub refreshed: BTreeSet<PathBuf>,
}

impl SourcesAhead {
    /// Says whether a file that names repositories is among them: the index is refreshed then.
    pub(super) fn changes_repositories(&self) -> bool {
        self.files.keys().any(|path| crate::predicted::is_source(path) && !self.refreshed.contains(path))
    }

    /// Tells one set of files from another.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for (path, content) in &self.files {
            hasher.update(path.as_os_str().as_encoded_bytes()).update(&[0]);
            match content {
                Some(content) => hasher.update(&(content.len() as u64 + 1).to_le_bytes()).update(content),
                None => hasher.update(&[0; 8]),
            };
        }
        *hasher.finalize().as_bytes()
    }
}

/// An index that apt is pointed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// A configuration file for `apt-get -c`.
    pub(super) configuration: PathBuf,
}

impl View {
    /// The index in a directory.
    fn at(directory: &Path) -> Self {
        Self { configuration: directory.join("apt.conf") }
    }
}

impl Apt {
    /// Fetches the index that the machine would have after a refresh, with these changes to its sources.
    pub(super) fn view(&self, ahead: Option<&SourcesAhead>) -> Result<View, Arc<str>> {
        let directory = self.cache.as_deref().filter(|_| self.reads_ahead).ok_or("it is not fetched")?;
        let unusable = |error: io::Error| Arc::from(format!("{} cannot be written: {error}", directory.display()));
        let cache = Cache::open(directory).map_err(unusable)?;
        let index = cache.index();
        let files = self.configuration(ahead).map_err(|error| Arc::from(format!("apt's sources cannot be read: {error}")))?;
        let digest = blake3::Hash::from(SourcesAhead { files: files.clone(), ..SourcesAhead::default() }.digest()).to_hex();
        if is_fresh(&index.join("stamp"), &digest) {
            return Ok(View::at(&index));
        }
        let _ = fs::remove_file(index.join("stamp"));
        self.seed(&index.join("lists")).map_err(unusable)?;
        let view = self.lay_out(&index, &files).map_err(unusable)?;
        let argv =
            ["apt-get", "-q", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=15", "-o", "Acquire::https::Timeout=15"];
        let argv = [&argv[..], &["-o", "APT::Update::Error-Mode=any", "update"]].concat();
        let output = self.ask_with(&argv, Some(&view), None, INDEXING).map_err(|error| Arc::from(error.to_string()))?;
        if output.status != 0 {
            let said = String::from_utf8_lossy(&output.stderr);
            let first = said
                .lines()
                .find_map(|line| line.strip_prefix("E: ").or_else(|| line.strip_prefix("W: ")))
                .unwrap_or("apt-get failed");
            return Err(format!("it cannot be fetched: {}", first.trim()).into());
        }
        fs::write(index.join("stamp"), digest.as_bytes()).map_err(unusable)?;
        cache.collect();
        Ok(view)
    }

    /// apt's configuration as it will be, by path inside the system.
    pub(super) fn configuration(&self, ahead: Option<&SourcesAhead>) -> io::Result<BTreeMap<PathBuf, Option<Arc<[u8]>>>> {
        let mut files = BTreeMap::new();
        for (name, _) in PARTS {
            let path = Path::new("/etc/apt").join(name);
            let inside = self.root.join("etc/apt").join(name);
            if name.ends_with(".d") {
                for entry in fs::read_dir(&inside).into_iter().flatten().flatten().filter(|entry| entry.path().is_file()) {
                    files.insert(path.join(entry.file_name()), Some(fs::read(entry.path())?.into()));
                }
            } else if inside.is_file() {
                files.insert(path, Some(fs::read(&inside)?.into()));
            }
        }
        if let Some(ahead) = ahead {
            files.extend(ahead.files.clone());
        }
        files.retain(|_, content| content.is_some());
        Ok(files)
    }

    /// Writes the configuration below a directory; the lists are beside it.
    pub(super) fn lay_out(&self, index: &Path, files: &BTreeMap<PathBuf, Option<Arc<[u8]>>>) -> io::Result<View> {
        let etc = index.join("etc");
        match fs::remove_dir_all(&etc) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for (name, _) in PARTS.iter().filter(|(name, _)| name.ends_with(".d")) {
            fs::create_dir_all(etc.join(name))?;
        }
        fs::create_dir_all(etc.join("keys"))?;
        // A key that is not there yet is where the copy is, and the sources have to say so.
        let mut moved: Vec<(String, String)> = Vec::new();
        let mut inside: Vec<(PathBuf, &[u8])> = Vec::new();
        for (path, content) in files {
            let content = content.as_deref().unwrap_or_default();
            let relative = path.strip_prefix("/etc/apt").ok().filter(|relative| is_part(relative));
            if let Some(relative) = relative {
                inside.push((etc.join(relative), content));
            } else {
                let place =
                    etc.join("keys").join(format!("{}-{}", moved.len(), path.file_name().unwrap_or_default().to_string_lossy()));
                moved.push((path.to_string_lossy().into_owned(), place.to_string_lossy().into_owned()));
                fs::write(&place, content)?;
            }
        }
        for (path, content) in inside {
            let is_source = path.extension().is_some_and(|suffix| suffix == "list" || suffix == "sources");
            let mut content = content.to_vec();
            if is_source && !moved.is_empty() {
                let mut text = String::from_utf8_lossy(&content).into_owned();
                for (from, to) in &moved {
                    text = text.replace(from, to);
                }
                content = text.into_bytes();
            }
            if is_source { write_private(&path, &content)? } else { fs::write(path, content)? }
        }
        let mut text = String::new();
        for (name, word) in PARTS {
            text.push_str(&format!("Dir::Etc::{word} {};\n", quoted(&etc.join(name))));
        }
        for (word, place) in
            [("State::lists", "lists"), ("Cache::pkgcache", "pkgcache.bin"), ("Cache::srcpkgcache", "srcpkgcache.bin")]
        {
            text.push_str(&format!("Dir::{word} {};\n", quoted(&index.join(place))));
        }
        text.push_str("Debug::NoLocking \"1\";\n#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n");
        text.push_str("#clear APT::Update::Post-Invoke-Success;\n");
        let view = View::at(index);
        fs::write(&view.configuration, text)?;
        Ok(view)
    }

    /// Copies the machine's lists, so that what has not changed is not fetched again.
    fn seed(&self, lists: &Path) -> io::Result<()> {
        if lists.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(lists.join("partial"))?;
        let from = self.root.join("var/lib/apt/lists");
        for entry in fs::read_dir(from).into_iter().flatten().flatten() {
            let is_list = entry.file_type().is_ok_and(|kind| kind.is_file()) && entry.file_name() != "lock";
            if !is_list {
                continue;
            }
            let to = lists.join(entry.file_name());
            fs::copy(entry.path(), &to)?;
            // apt asks for what is newer than this.
            let modified = entry.metadata()?.modified()?;
            fs::File::options().write(true).open(&to)?.set_modified(modified)?;
        }
        Ok(())
    }
}

/// Writes a copy of a source, which may have a password in it: apt reads it before it becomes a user of its own.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)
}

/// Says whether a path below `/etc/apt` is one of the parts that are copied.
fn is_part(relative: &Path) -> bool {
    let mut names = relative.components().map(|part| part.as_os_str());
    let first = names.next();
    PARTS.iter().any(|(name, _)| first.is_some_and(|first| first == *name)) && names.count() <= 1
}

/// A path as a value of apt.conf(5).
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

fn is_fresh(stamp: &Path, digest: &str) -> bool {
    let written = fs::metadata(stamp).and_then(|metadata| metadata.modified());
    let age = written.ok().and_then(|written| SystemTime::now().duration_since(written).ok());
    age.is_some_and(|age| age < FRESH) && fs::read(stamp).is_ok_and(|text| text == digest.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_that_is_not_there_yet_is_found_by_its_source() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/apt/sources.list.d")).unwrap();
        fs::write(root.path().join("etc/apt/sources.list.d/old.list"), "deb http://x ./\n").unwrap();
        let apt = Apt::new(root.path(), Arc::new(crate::system::Dpkg::new(root.path())));
        let source = "Types: deb\nURIs: http://y\nSuites: ./\nSigned-By: /etc/apt/keyrings/y.asc\n";
        let files = [("/etc/apt/sources.list.d/y.sources", source), ("/etc/apt/keyrings/y.asc", "key")];
        let known = |(path, text): &(&str, &str)| (PathBuf::from(path), Some(text.as_bytes().into()));
        let mut ahead = SourcesAhead { files: files.iter().map(known).collect(), ..SourcesAhead::default() };
        ahead.files.insert("/etc/apt/sources.list.d/old.list".into(), None);
        let index = tempfile::tempdir().unwrap();
        let all = apt.configuration(Some(&ahead)).unwrap();
        apt.lay_out(index.path(), &all).unwrap();
        assert!(!index.path().join("etc/sources.list.d/old.list").exists());
        let written = fs::read_to_string(index.path().join("etc/sources.list.d/y.sources")).unwrap();
        let key = index.path().join("etc/keys/0-y.asc");
        assert_eq!(written, source.replace("/etc/apt/keyrings/y.asc", &key.to_string_lossy()));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&index.path().join("etc/sources.list.d/y.sources")), 0o600, "it may have a password in it");
        assert_eq!(mode(&key) & 0o004, 0o004, "apt checks signatures as a user of its own");
        assert_eq!(fs::read_to_string(key).unwrap(), "key");
    }
}
