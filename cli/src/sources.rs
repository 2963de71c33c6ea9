//! The files of a project on disk, for the compiler.
//!
//! Every path is resolved below the project's directory: a symlink is followed as long as it stays in there, and one
//! that leads out is refused, because what a project means must not depend on what lies beside it. Hidden directories and
//! symlinked directories are not searched for sources, so that a search ends. Each file is read once.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use stead_compiler::{SourceError, Sources};

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 256 << 20;
/// Deepest directory that is searched.
const MAX_DEPTH: usize = 32;

type Read = Result<Arc<[u8]>, SourceError>;

/// A project's directory.
#[derive(Debug)]
pub(crate) struct DirectorySources {
    root: PathBuf,
    fd: OwnedFd,
    read: Mutex<HashMap<Arc<str>, Read>>,
}

impl DirectorySources {
    /// Opens the directory.
    pub(crate) fn open(root: &Path) -> std::io::Result<Self> {
        let fd = rustix::fs::openat(CWD, root, OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { root: root.to_owned(), fd, read: Mutex::default() })
    }

    fn read_file(&self, path: &str) -> Read {
        let failed = |error: std::io::Error| SourceError::Failed(error.to_string());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let opened = match rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), inside) {
            Err(Errno::NOSYS | Errno::PERM) => self.open_by_name(path),
            opened => opened.map_err(|error| match error {
                Errno::NOENT | Errno::NOTDIR => SourceError::NotFound,
                Errno::XDEV => SourceError::Refused("the path leads out of the project".into()),
                Errno::LOOP => SourceError::Refused("its symlinks lead in a circle, or through the machine's own files".into()),
                error => failed(error.into()),
            }),
        }?;
        let mut file = File::from(opened);
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(SourceError::Refused("it is not a regular file".into()));
        }
        if metadata.len() > MAX_FILE {
            return Err(SourceError::TooLarge { bytes: metadata.len(), limit: MAX_FILE });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        file.by_ref().take(MAX_FILE).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes.into())
    }

    /// Where openat2 is not to be had: resolves by name and compares, which a project that changes meanwhile could
    /// deceive, but not one that lies still.
    fn open_by_name(&self, path: &str) -> Result<OwnedFd, SourceError> {
        let sorted = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => SourceError::NotFound,
            _ => SourceError::Failed(error.to_string()),
        };
        let root = self.root.canonicalize().map_err(sorted)?;
        let full = self.root.join(path).canonicalize().map_err(sorted)?;
        if !full.starts_with(&root) {
            return Err(SourceError::Refused("the path leads out of the project".into()));
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
        rustix::fs::openat(CWD, &full, flags, Mode::empty()).map_err(|error| sorted(error.into()))
    }

    /// Searches one directory; names are collected relative to the root.
    fn search(&self, under: &str, extensions: &[&str], depth: usize, found: &mut Vec<Arc<str>>) {
        let Ok(entries) = std::fs::read_dir(self.root.join(under)) else { return };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(kind) = entry.file_type() else { continue };
            let path = if under.is_empty() { name.clone() } else { format!("{under}/{name}") };
            if kind.is_dir() {
                if depth < MAX_DEPTH && (extensions.is_empty() || !name.starts_with('.')) {
                    self.search(&path, extensions, depth + 1, found);
                }
                continue;
            }
            let has = |(stem, extension): (&str, &str)| !stem.is_empty() && extensions.contains(&extension);
            let fits = extensions.is_empty() || name.rsplit_once('.').is_some_and(has);
            if fits && (kind.is_file() || (kind.is_symlink() && self.is_file(&path))) {
                found.push(path.into());
            }
        }
    }

    /// Says whether a symlink stands for a file; one that leads out of the project counts, so that it is told.
    fn is_file(&self, path: &str) -> bool {
        rustix::fs::stat(self.root.join(path)).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    }
}

impl Sources for DirectorySources {
    fn files(&self, under: &str, extensions: &[&str]) -> Vec<Arc<str>> {
        let mut found = Vec::new();
        let under = under.trim_end_matches('/');
        let is_inside = !under.starts_with('/') && !under.split('/').any(|part| part == "..");
        if is_inside {
            self.search(under, extensions, 0, &mut found);
        }
        found.sort();
        found
    }

    fn read(&self, path: &str) -> Read {
        let known = |files: &HashMap<Arc<str>, Read>| files.get(path).cloned();
        if let Some(known) = known(&self.read.lock().unwrap_or_else(PoisonError::into_inner)) {
            return known;
        }
        let read = self.read_file(path);
        // Two threads may have read it at once: the first one counts, so that everyone sees the same bytes.
        let mut files = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        files.entry(path.into()).or_insert(read).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn project() -> (tempfile::TempDir, DirectorySources) {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("project");
        fs::create_dir_all(root.join("modules/.hidden")).expect("directories");
        fs::write(root.join("site.stead"), "a").expect("write");
        fs::write(root.join("modules/web.stead"), "b").expect("write");
        fs::write(root.join("modules/.hidden/x.stead"), "c").expect("write");
        fs::write(directory.path().join("outside"), "secret").expect("write");
        let sources = DirectorySources::open(&root).expect("opens");
        (directory, sources)
    }

    #[test]
    fn sources_are_found_in_order_and_read() {
        let (_directory, sources) = project();
        assert_eq!(sources.files("", &["stead"]), ["modules/web.stead".into(), "site.stead".into()] as [Arc<str>; 2]);
        assert_eq!(sources.files("modules", &["stead"]), ["modules/web.stead".into()] as [Arc<str>; 1]);
        let all = ["modules/.hidden/x.stead".into(), "modules/web.stead".into()] as [Arc<str>; 2];
        assert_eq!(sources.files("modules", &[]), all, "a tree of files has hidden ones as well");
        assert_eq!(sources.read("site.stead").as_deref(), Ok(&b"a"[..]));
        assert_eq!(sources.read("missing.stead"), Err(SourceError::NotFound));
    }

    #[test]
    fn a_symlink_may_not_lead_out() {
        let (directory, sources) = project();
        let root = directory.path().join("project");
        symlink("../outside", root.join("out.stead")).expect("symlink");
        symlink(directory.path().join("outside"), root.join("absolute.stead")).expect("symlink");
        symlink("site.stead", root.join("in.stead")).expect("symlink");
        symlink("loop.stead", root.join("loop.stead")).expect("symlink");
        for path in ["out.stead", "absolute.stead", "../outside", "loop.stead"] {
            assert!(matches!(sources.read(path), Err(SourceError::Refused(_))), "{path}: {:?}", sources.read(path));
        }
        assert_eq!(sources.read("in.stead").as_deref(), Ok(&b"a"[..]));
        for (path, by_name) in [("out.stead", false), ("in.stead", true)] {
            assert_eq!(sources.open_by_name(path).is_ok(), by_name, "{path}");
        }
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let (directory, sources) = project();
        rustix::fs::mknodat(CWD, directory.path().join("project/pipe.stead"), FileType::Fifo, Mode::RUSR, 0).expect("a pipe");
        assert!(matches!(sources.read("pipe.stead"), Err(SourceError::Refused(_))));
        assert!(matches!(sources.read("modules"), Err(SourceError::Refused(_))));
    }
}
