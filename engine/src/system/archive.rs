//! What a package will bring, read from its archive (deb(5)): the files it ships, and what its scripts speak of.
//!
//! The archive has to be at hand: nothing is fetched. What the scripts of a package do cannot be foreseen, so
//! that [`Contents::may_touch`] is asked before anything is concluded from a path, account or unit not being shipped.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::{FileKind, Owner, Stat};

mod tar;

/// Archives beyond this size are not opened for a plan.
const MAX_ARCHIVE_BYTES: u64 = 32 << 20;

/// What one package brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Everything it ships, in the order of the archive.
    pub files: Vec<Shipped>,
    /// The scripts that run when it is installed (`preinst`, `postinst`) and the triggers' one, by name.
    pub scripts: Vec<(Arc<str>, Arc<str>)>,
}

/// One path that a package ships.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// Where it will be.
    pub path: PathBuf,
    /// What it will be.
    pub stat: Stat,
    /// Content of a regular file, `None` of a large one.
    pub content: Option<Arc<[u8]>>,
}

/// Why an archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It could not be opened, or `dpkg-deb` not started.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The archive.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// It is larger than a plan opens.
    #[error("{path} has {bytes} bytes, at most {MAX_ARCHIVE_BYTES} are read for a plan")]
    TooLarge {
        /// The archive.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// It is not what dpkg calls an archive.
    #[error("{path} is not a package archive: {message}")]
    Malformed {
        /// The archive.
        path: PathBuf,
        /// What dpkg or the reader says.
        message: String,
    },
}

impl Contents {
    /// Reads an archive.
    ///
    /// # Errors
    /// When it is missing, larger than a plan opens, or damaged.
    pub fn read(archive: &Path) -> Result<Self, ArchiveError> {
        let io = |source| ArchiveError::Io { path: archive.to_owned(), source };
        let bytes = std::fs::metadata(archive).map_err(io)?.len();
        if bytes > MAX_ARCHIVE_BYTES {
            return Err(ArchiveError::TooLarge { path: archive.to_owned(), bytes });
        }
        let malformed = |message: String| ArchiveError::Malformed { path: archive.to_owned(), message };
        let parse = |option: &str| tar::parse(&unpack(archive, option)?).map_err(malformed);
        let files = parse("--fsys-tarfile")?.into_iter().filter_map(Shipped::of).collect();
        let scripts = parse("--ctrl-tarfile")?.into_iter().filter_map(script).collect();
        Ok(Self { files, scripts })
    }

    /// Returns what is shipped at a path.
    pub fn at(&self, path: &Path) -> Option<&Shipped> {
        self.files.iter().find(|shipped| shipped.path == path)
    }

    /// Says whether a script speaks of this name (of a file, an account, a unit) and so may make or change it.
    pub fn may_touch(&self, name: &str) -> bool {
        self.scripts.iter().any(|(_, text)| has_word(text, name))
    }

    /// Says whether a script starts this unit by one of the tools that packages use for it.
    pub fn starts(&self, unit: &str) -> bool {
        // debhelper's snippet starts at the first installation and restarts in an upgrade: `$_dh_action`.
        let is_start = |line: &str| has_word(line, "start") || line.contains("$_dh_action");
        self.has_line(unit, |line| (line.contains("deb-systemd-invoke") || line.contains("invoke-rc.d")) && is_start(line))
    }

    /// Says whether a script enables this unit by the tool that packages use for it.
    pub fn enables(&self, unit: &str) -> bool {
        self.has_line(unit, |line| line.contains("deb-systemd-helper") && has_word(line, "enable"))
    }

    fn has_line(&self, unit: &str, test: impl Fn(&str) -> bool) -> bool {
        let bare = unit.strip_suffix(".service").unwrap_or(unit);
        let lines = self.scripts.iter().flat_map(|(_, text)| text.lines()).map(str::trim);
        lines.filter(|line| !line.starts_with('#')).any(|line| (has_word(line, unit) || has_word(line, bare)) && test(line))
    }
}

impl Shipped {
    fn of(entry: tar::Entry) -> Option<Self> {
        let relative = entry.path.trim_start_matches("./").trim_end_matches('/');
        if relative.is_empty() || relative.split('/').any(|part| part == "..") {
            return None;
        }
        let kind = match entry.kind {
            tar::Kind::File => FileKind::File,
            tar::Kind::Directory => FileKind::Directory,
            tar::Kind::Symlink => FileKind::Symlink,
            tar::Kind::Other => FileKind::Other,
        };
        let stat = Stat {
            kind,
            mode: entry.mode,
            uid: Owner::Id(entry.uid),
            gid: Owner::Id(entry.gid),
            size: entry.size,
            target: (kind == FileKind::Symlink).then(|| PathBuf::from(entry.link)),
        };
        Some(Self { path: Path::new("/").join(relative), stat, content: entry.content.map(Arc::from) })
    }
}

fn script(entry: tar::Entry) -> Option<(Arc<str>, Arc<str>)> {
    let name = entry.path.trim_start_matches("./");
    let runs = ["preinst", "postinst", "triggers"].contains(&name);
    let text = String::from_utf8_lossy(entry.content.as_deref()?).into_owned();
    runs.then(|| (name.into(), text.into()))
}

/// Says whether a text has this name in it, and not as a part of a longer one.
fn has_word(text: &str, name: &str) -> bool {
    let joins = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !name.is_empty()
        && text.match_indices(name).any(|(at, _)| {
            let before = text[..at].chars().next_back().is_none_or(|c| !joins(c));
            before && text[at + name.len()..].chars().next().is_none_or(|c| !joins(c))
        })
}

/// One of the two tar files in an archive. dpkg-deb knows the compressions; it only reads.
fn unpack(archive: &Path, option: &str) -> Result<Vec<u8>, ArchiveError> {
    let output = Command::new("dpkg-deb").arg(option).arg(archive).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8").output();
    let output = output.map_err(|source| ArchiveError::Io { path: archive.to_owned(), source })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ArchiveError::Malformed { path: archive.to_owned(), message })
}

/// Finds the archive of one version of a package: fetched already, or in a repository that is a directory of this machine.
/// `config` is a configuration of apt with other sources than now. Asks no network and takes no lock.
pub fn locate(name: &str, version: &str, config: Option<&Path>) -> Option<PathBuf> {
    let bare = name.split(':').next().unwrap_or(name);
    let stem = format!("{bare}_{}_", version.replace(':', "%3a"));
    let fetched = std::fs::read_dir("/var/cache/apt/archives").into_iter().flatten().flatten().map(|entry| entry.path());
    let is_it = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&stem));
    if let Some(path) = fetched.into_iter().find(|path| is_it(path) && path.extension().is_some_and(|suffix| suffix == "deb")) {
        return Some(path);
    }
    if config.is_none() && !has_directory_source() {
        return None;
    }
    let wish = format!("{name}={version}");
    let arguments = ["-q", "-o", "Debug::NoLocking=1", "download", "--print-uris", &wish];
    let mut command = Command::new("apt-get");
    command.args(arguments).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    if let Some(config) = config {
        command.env("APT_CONFIG", config);
    }
    let output = command.output().ok()?;
    // 'file:/srv/repo/./demo_1.0_all.deb' demo_1.0_all.deb 1234 SHA256:…
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let uri = text.lines().find_map(|line| line.strip_prefix('\'')?.split_once('\'').map(|(uri, _)| uri))?;
    let path = uri.strip_prefix("file:").or_else(|| uri.strip_prefix("copy:"))?;
    Some(PathBuf::from(decoded(path.strip_prefix("//").unwrap_or(path))))
}

/// Undoes the escapes of a URI: `%2b` is `+`.
fn decoded(uri: &str) -> String {
    let mut bytes = Vec::with_capacity(uri.len());
    let mut rest = uri.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = if *first == b'%' { after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()) } else { None };
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Says whether one of apt's sources is a directory of this machine, so that asking apt is worth a process.
fn has_directory_source() -> bool {
    let listed = std::fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let names = |text: String| {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        lines.into_iter().any(|line| line.contains("file:/") || line.contains("copy:/"))
    };
    std::iter::once(PathBuf::from("/etc/apt/sources.list"))
        .chain(listed)
        .any(|path| std::fs::read_to_string(path).is_ok_and(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_as_a_whole_only() {
        let contents = Contents {
            files: Vec::new(),
            scripts: vec![("postinst".into(), "adduser --system demo-web\nln -s x /etc/nginx/sites-enabled/default\n".into())],
        };
        assert!(contents.may_touch("demo-web"));
        assert!(contents.may_touch("default"));
        assert!(!contents.may_touch("demo"));
        assert!(!contents.may_touch("limits.conf"));
    }

    #[test]
    fn escapes_of_a_uri_are_undone() {
        assert_eq!(decoded("/srv/./nginx_1.22.1-9%2bdeb12u9_amd64.deb"), "/srv/./nginx_1.22.1-9+deb12u9_amd64.deb");
        assert_eq!(decoded("/srv/100%"), "/srv/100%");
    }

    #[test]
    fn what_debhelper_writes_is_understood() {
        let text = "# deb-systemd-invoke start other.service\n\
            if deb-systemd-helper --quiet was-enabled 'demo.service'; then\n\
            \tdeb-systemd-helper enable 'demo.service' >/dev/null || true\nfi\n\
            _dh_action=start\ndeb-systemd-invoke $_dh_action 'demo.service' >/dev/null || true\n";
        let contents = Contents { files: Vec::new(), scripts: vec![("postinst".into(), text.into())] };
        assert!(contents.starts("demo.service") && contents.enables("demo.service"));
        assert!(!contents.starts("other.service") && !contents.enables("other.service"));
        assert!(!contents.starts("emo.service"));
    }

    #[test]
    fn a_package_made_by_dpkg_deb_is_read() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let tree = directory.path().join("tree");
        let put = |path: &str, text: &str| {
            let path = tree.join(path);
            std::fs::create_dir_all(path.parent().expect("below the tree")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        };
        let long = format!("usr/share/demo/{}/{}", "d".repeat(90), "f".repeat(90));
        put("etc/demo/demo.conf", "listen = 80\n");
        put(&long, "deep\n");
        put("DEBIAN/control", "Package: demo\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.com>\nDescription: x\n");
        std::os::unix::fs::symlink("demo.conf", tree.join("etc/demo/link")).expect("a link");
        let archive = directory.path().join("demo.deb");
        let made = Command::new("dpkg-deb").args(["--root-owner-group", "-b"]).arg(&tree).arg(&archive).output();
        let Ok(made) = made else { return };
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

        let contents = Contents::read(&archive).expect("the archive is whole");
        let conf = contents.at(Path::new("/etc/demo/demo.conf")).expect("it is shipped");
        assert_eq!(conf.content.as_deref(), Some(&b"listen = 80\n"[..]));
        assert_eq!((conf.stat.kind, conf.stat.uid.clone()), (FileKind::File, Owner::Id(0)));
        assert_eq!(contents.at(Path::new("/etc/demo")).map(|shipped| shipped.stat.kind), Some(FileKind::Directory));
        let link = contents.at(Path::new("/etc/demo/link")).expect("it is shipped");
        assert_eq!(link.stat.target.as_deref(), Some(Path::new("demo.conf")));
        assert!(contents.at(Path::new(&format!("/{long}"))).is_some(), "a long name");

        std::fs::write(&archive, b"!<arch>\nnot really").expect("a file");
        assert!(matches!(Contents::read(&archive), Err(ArchiveError::Malformed { .. })));
    }
}
