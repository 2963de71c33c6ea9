//! What dpkg itself is told on a machine: paths that are left out, diversions, overrides, hashes of configuration files.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::glob;
use crate::predicted::Predicted;
use crate::system::archive::Shipped;
use crate::{Known, Owner, World};

/// How packages are unpacked on this machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Configuration {
    /// Patterns of paths: left out (`true`), or not after all.
    filters: Vec<(bool, String)>,
    /// From, to, and the package that is not diverted.
    diversions: Vec<(PathBuf, PathBuf, String)>,
    overrides: BTreeMap<PathBuf, (Owner, Owner, u32)>,
}

impl Configuration {
    pub(super) fn of(world: &Predicted<'_>) -> Self {
        let text = |path: &Path| -> String {
            let bytes = world.read(path).ok().and_then(|seen| seen.value().cloned().flatten());
            bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
        };
        let parts = Path::new("/etc/dpkg/dpkg.cfg.d");
        let mut settings = String::new();
        if let Ok(Known::Is(Some(entries))) = world.list(parts) {
            for (name, _) in entries {
                settings.push_str(&text(&parts.join(name)));
                settings.push('\n');
            }
        }
        settings.push_str(&text(Path::new("/etc/dpkg/dpkg.cfg")));
        let mut configuration = Self { filters: filters(&settings), ..Self::default() };
        let diversions = text(Path::new("/var/lib/dpkg/diversions"));
        let lines: Vec<&str> = diversions.lines().collect();
        configuration.diversions =
            lines.chunks_exact(3).map(|lines| (PathBuf::from(lines[0]), PathBuf::from(lines[1]), lines[2].to_owned())).collect();
        for line in text(Path::new("/var/lib/dpkg/statoverride")).lines() {
            let [user, group, mode, path] = line.splitn(4, ' ').collect::<Vec<_>>()[..] else { continue };
            let Ok(mode) = u32::from_str_radix(mode, 8) else { continue };
            let user = match world.user(user) {
                Ok(Known::Is(Some(crate::User { uid: Known::Is(uid), .. }))) => Owner::Id(uid),
                _ => user.strip_prefix('#').and_then(|id| id.parse().ok()).map_or_else(|| Owner::Pending(user.into()), Owner::Id),
            };
            let group = match world.group(group) {
                Ok(Known::Is(Some(crate::Group { gid: Known::Is(gid), .. }))) => Owner::Id(gid),
                _ => {
                    group.strip_prefix('#').and_then(|id| id.parse().ok()).map_or_else(|| Owner::Pending(group.into()), Owner::Id)
                }
            };
            configuration.overrides.insert(path.into(), (user, group, mode));
        }
        configuration
    }

    /// Says whether dpkg leaves a path out: the last pattern that matches decides.
    pub(super) fn excludes(&self, path: &Path) -> bool {
        let path = path.as_os_str().as_bytes();
        let decides = |(_, pattern): &&(bool, String)| glob::matches(pattern.as_bytes(), path);
        self.filters.iter().rev().find(decides).is_some_and(|(excluded, _)| *excluded)
    }

    /// Where a path of a package goes, and as whose.
    pub(super) fn adjust(&self, package: &str, shipped: &mut Shipped) {
        let bare = package.split(':').next().unwrap_or(package);
        if let Some((_, to, _)) = self.diversions.iter().find(|(from, _, whose)| *from == shipped.path && whose != bare) {
            shipped.path.clone_from(to);
        }
        if let Some((user, group, mode)) = self.overrides.get(&shipped.path) {
            (shipped.stat.uid, shipped.stat.gid, shipped.stat.mode) = (user.clone(), group.clone(), *mode);
        }
    }
}

/// `path-exclude=PATTERN` and `path-include=PATTERN` (dpkg(1)).
fn filters(settings: &str) -> Vec<(bool, String)> {
    let parse = |line: &str| {
        let (name, pattern) = line.trim().split_once(['=', ' '])?;
        let pattern = pattern.trim().trim_matches('"').to_owned();
        match name.trim() {
            "path-exclude" => Some((true, pattern)),
            "path-include" => Some((false, pattern)),
            _ => None,
        }
    };
    settings.lines().filter_map(parse).collect()
}

/// The hashes of a package's configuration files as dpkg recorded them: those of the files that the package shipped.
pub(super) fn conffiles(status: &str, package: &str) -> BTreeMap<PathBuf, String> {
    let bare = package.split(':').next().unwrap_or(package);
    let header = format!("Package: {bare}");
    let mut found = BTreeMap::new();
    for stanza in status.split("\n\n").filter(|stanza| stanza.lines().any(|line| line == header)) {
        let lines = stanza.lines().skip_while(|line| !line.starts_with("Conffiles:")).skip(1);
        for line in lines.take_while(|line| line.starts_with(' ')) {
            let mut fields = line.split_whitespace();
            // `newconffile` stands where one is unpacked and not in place.
            if let (Some(path), Some(hash)) = (fields.next(), fields.next().filter(|hash| *hash != "newconffile")) {
                found.insert(path.into(), hash.to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_filter_that_matches_decides() {
        let text =
            "# docs\npath-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\npath-exclude /usr/share/man/*\n";
        let configuration = Configuration { filters: filters(text), ..Configuration::default() };
        let is_out = |path: &str| configuration.excludes(Path::new(path));
        assert!(is_out("/usr/share/doc/demo/changelog.gz") && is_out("/usr/share/man/man1/x.1.gz"));
        assert!(!is_out("/usr/share/doc/demo/copyright") && !is_out("/etc/demo.conf"));
    }

    #[test]
    fn recorded_hashes_are_found() {
        let status = "Package: demo-x\nStatus: x\n\nPackage: demo\nConffiles:\n /etc/demo.conf 0123\n /etc/old.conf 4567 obsolete\n /etc/new newconffile\nDescription: x\n\nPackage: other\nConffiles:\n /etc/o 89\n";
        let found = conffiles(status, "demo:amd64");
        let found: Vec<_> = found.iter().map(|(path, hash)| (path.to_string_lossy().into_owned(), hash.as_str())).collect();
        assert_eq!(found, [("/etc/demo.conf".to_owned(), "0123"), ("/etc/old.conf".to_owned(), "4567")]);
    }
}
