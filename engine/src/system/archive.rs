//! What a package will bring, read from its archive (deb(5)): the files it ships, which of them are configuration, and the
//! scripts that its maintainer wrote.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::{FileKind, Owner, Stat};

mod control;
mod tar;

pub use control::Control;

/// Archives beyond this size are not opened for a plan.
pub(crate) const MAX_ARCHIVE_BYTES: u64 = 64 << 20;

/// What one package brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Everything it ships, in the order of the archive.
    pub files: Vec<Shipped>,
    /// The files among them that dpkg treats as configuration.
    pub conffiles: Vec<PathBuf>,
    /// The scripts that run when it is installed or upgraded (`preinst`, `postinst`), by name.
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
        let control = unpack(archive, "--ctrl-tarfile", archive, Stdio::null())?;
        let files = unpack(archive, "--fsys-tarfile", archive, Stdio::null())?.into_iter().filter_map(Shipped::of).collect();
        let mut contents = Self { files, ..Self::default() };
        for entry in control {
            let name = entry.path.trim_start_matches("./");
            let Some(text) = entry.content.as_deref().map(String::from_utf8_lossy) else { continue };
            match name {
                "conffiles" => {
                    // `remove-on-upgrade /path` asks for the opposite (deb-conffiles(5)).
                    contents.conffiles =
                        text.lines().map(str::trim_end).filter(|line| line.starts_with('/')).map(PathBuf::from).collect();
                }
                "preinst" | "postinst" => contents.scripts.push((name.into(), text.into_owned().into())),
                _ => {}
            }
        }
        Ok(contents)
    }

    /// Returns what is shipped at a path.
    pub fn at(&self, path: &Path) -> Option<&Shipped> {
        self.files.iter().find(|shipped| shipped.path == path)
    }

    /// Returns the text of a script.
    pub fn script(&self, name: &str) -> Option<&str> {
        self.scripts.iter().find(|(known, _)| **known == *name).map(|(_, text)| &**text)
    }
}

impl Shipped {
    fn of(entry: tar::Entry) -> Option<Self> {
        let path = absolute(&entry.path)?;
        let kind = match entry.kind {
            tar::Kind::File | tar::Kind::Hardlink => FileKind::File,
            tar::Kind::Directory => FileKind::Directory,
            tar::Kind::Symlink => FileKind::Symlink,
            tar::Kind::Other => FileKind::Other,
        };
        let stat = Stat {
            kind,
            mode: if kind == FileKind::Symlink { 0o777 } else { entry.mode },
            uid: Owner::Id(entry.uid),
            gid: Owner::Id(entry.gid),
            size: entry.size,
            target: (kind == FileKind::Symlink).then(|| PathBuf::from(entry.link)),
        };
        Some(Self { path, stat, content: entry.content.map(Arc::from) })
    }
}

/// The path on the machine of a name in an archive; `None` of the root and of what would lead out of it.
fn absolute(name: &str) -> Option<PathBuf> {
    let relative = name.trim_start_matches("./").trim_matches('/');
    let is_inside = !relative.is_empty() && !relative.split('/').any(|part| part == "..");
    is_inside.then(|| Path::new("/").join(relative))
}

/// Says whether a text has this name in it, and not as a part of a longer one.
pub(crate) fn has_word(text: &str, name: &str) -> bool {
    let joins = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !name.is_empty()
        && text.match_indices(name).any(|(at, _)| {
            let before = text[..at].chars().next_back().is_none_or(|c| !joins(c));
            before && text[at + name.len()..].chars().next().is_none_or(|c| !joins(c))
        })
}

/// One of the two tar files in an archive, read while dpkg-deb unpacks it: that knows the compressions, and only reads. It is told to read
/// from `place`, which is `-` for its input.
fn unpack(archive: &Path, option: &str, place: &Path, input: Stdio) -> Result<Vec<tar::Entry>, ArchiveError> {
    let io = |source| ArchiveError::Io { path: archive.to_owned(), source };
    let malformed = |message: String| ArchiveError::Malformed { path: archive.to_owned(), message };
    let mut command = Command::new("dpkg-deb");
    command.arg(option).arg(place).env("LC_ALL", "C.UTF-8");
    let mut child = command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(io)?;
    let parsed = match child.stdout.take() {
        Some(stdout) => tar::parse(stdout),
        None => Err("dpkg-deb gives nothing out".to_owned()),
    };
    // What dpkg-deb says is shorter than a pipe holds.
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        let _ = stderr.take(8192).read_to_string(&mut said);
    }
    let status = child.wait().map_err(io)?;
    match parsed {
        Ok(entries) if status.success() => Ok(entries),
        _ if !said.trim().is_empty() => Err(malformed(said.trim().to_owned())),
        Ok(_) => Err(malformed(format!("dpkg-deb ended with {status}"))),
        Err(message) => Err(malformed(message)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_name_is_found_as_a_whole_only() {
        let text = "adduser --system demo-web\nln -s x /etc/nginx/sites-enabled/default\n";
        assert!(has_word(text, "demo-web") && has_word(text, "default"));
        assert!(!has_word(text, "demo") && !has_word(text, "limits.conf"));
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
        put("usr/share/demo/a", "linked\n");
        put("DEBIAN/control", "Package: demo\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.com>\nDescription: x\n");
        put("DEBIAN/conffiles", "/etc/demo/demo.conf\n");
        std::os::unix::fs::symlink("demo.conf", tree.join("etc/demo/link")).expect("a link");
        std::fs::hard_link(tree.join("usr/share/demo/a"), tree.join("usr/share/demo/b")).expect("a link");
        let archive = directory.path().join("demo.deb");
        let made = Command::new("dpkg-deb").args(["--root-owner-group", "-b"]).arg(&tree).arg(&archive).output();
        let Ok(made) = made else { return };
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

        let contents = Contents::read(&archive).expect("the archive is whole");
        let conf = contents.at(Path::new("/etc/demo/demo.conf")).expect("it is shipped");
        assert_eq!(conf.content.as_deref(), Some(&b"listen = 80\n"[..]));
        assert_eq!((conf.stat.kind, conf.stat.uid.clone()), (FileKind::File, Owner::Id(0)));
        assert_eq!(contents.at(Path::new("/etc/demo")).map(|shipped| shipped.stat.kind), Some(FileKind::Directory));
        assert_eq!(contents.conffiles, [Path::new("/etc/demo/demo.conf")]);
        let link = contents.at(Path::new("/etc/demo/link")).expect("it is shipped");
        assert_eq!(link.stat.target.as_deref(), Some(Path::new("demo.conf")));
        assert!(contents.at(Path::new(&format!("/{long}"))).is_some(), "a long name");
        for hard in ["/usr/share/demo/a", "/usr/share/demo/b"] {
            let shipped = contents.at(Path::new(hard)).expect("it is shipped");
            assert_eq!((shipped.stat.size, shipped.content.as_deref()), (7, Some(&b"linked\n"[..])), "{hard}");
        }

        let told = Control::read(&archive, File::open(&archive).expect("it is there")).expect("the archive is whole");
        assert_eq!((&*told.name, &*told.version, &*told.architecture), ("demo", "1", "all"));
        let bytes = std::fs::read(&archive).expect("it is there");
        assert_eq!(Control::of(&archive, &bytes).expect("the archive is whole"), told);
        let cut = Control::of(&archive, &bytes[..100]).expect_err("it is cut off");
        assert_eq!(cut.code(), "not-a-package");

        std::fs::write(&archive, b"!<arch>\nnot really").expect("a file");
        assert!(matches!(Contents::read(&archive), Err(ArchiveError::Malformed { .. })));
    }
}
