//! The tree that paths are resolved in: the machine's own `/`, or the directory of `--root DIR`.
//!
//! Everything below works relative to directory descriptors, so that a path is resolved once and nobody can exchange a
//! directory between a look and a change. Symlinks on the way are followed only when root or the engine's own user planted
//! them, and never lead out of the tree.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::ObserveError;

mod walk;

/// How long an opened directory is trusted to be what its path names. Only costs system calls when it is short.
const FRESH: Duration = Duration::from_secs(2);

/// Directories kept open at a time, well below the usual limit of 1024 descriptors.
const MAX_OPEN: usize = 256;

/// Where the paths of a catalog lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RootSpec {
    /// This machine.
    #[default]
    Machine,
    /// A tree, such as an image: its directory stands for `/`.
    Tree(PathBuf),
}

impl RootSpec {
    /// The path of the root directory.
    pub fn path(&self) -> &Path {
        match self {
            Self::Machine => Path::new("/"),
            Self::Tree(path) => path,
        }
    }
}

/// An open directory. Everything in it is named relative to it.
#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
    /// Device and inode: its identity while it is open.
    pub(crate) identity: (u64, u64),
}

impl Directory {
    pub(crate) fn new(fd: OwnedFd) -> Result<Self, Errno> {
        let stat = rustix::fs::fstat(&fd)?;
        Ok(Self { fd, identity: (stat.st_dev, stat.st_ino) })
    }

    /// Opens the directory itself for reading: what `fsync`, `syncfs` and `getdents` need.
    pub(crate) fn readable(&self) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(&self.fd, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    }

    /// Says whether the directory has been removed since it was opened.
    pub(crate) fn is_gone(&self) -> bool {
        rustix::fs::fstat(&self.fd).is_ok_and(|stat| stat.st_nlink == 0)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A directory with the name of an entry in it.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'p> {
    pub(crate) directory: Arc<Directory>,
    pub(crate) name: &'p OsStr,
}

/// The root directory, and the directories below it that are open.
#[derive(Debug)]
pub(crate) struct Root {
    fd: OwnedFd,
    spec: RootSpec,
    euid: u32,
    /// The kernel knows openat2 and lets us call it.
    openat2: bool,
    open: Mutex<HashMap<OsString, (Instant, Arc<Directory>)>>,
}

impl Root {
    /// Opens the root.
    ///
    /// # Errors
    /// When the directory is not there or cannot be opened.
    pub(crate) fn new(spec: &RootSpec) -> Result<Self, ObserveError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |path: &Path| rustix::fs::openat(CWD, path, flags, Mode::empty());
        let fd = open(spec.path()).map_err(|error| ObserveError::io(spec.path(), &error.into()))?;
        let probe = rustix::fs::openat2(&fd, ".", flags, Mode::empty(), ResolveFlags::NO_SYMLINKS);
        Ok(Self {
            fd,
            spec: spec.clone(),
            euid: rustix::process::geteuid().as_raw(),
            openat2: probe.is_ok(),
            open: Mutex::default(),
        })
    }

    /// What the root is.
    pub(crate) fn spec(&self) -> &RootSpec {
        &self.spec
    }

    /// Closes the directories that are kept open: after something may have moved them.
    pub(crate) fn forget(&self) {
        self.opened().clear();
    }

    /// Opens the directory that holds `path`. `None` when there is none.
    ///
    /// # Errors
    /// When something on the way is no directory, may not be passed, or is a symlink that is not to be trusted.
    pub(crate) fn parent<'p>(&self, path: &'p Path) -> Result<Option<Entry<'p>>, ObserveError> {
        let (directory, name) = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => (self.directory(parent)?, name),
            _ => (self.directory(path)?, OsStr::new(".")),
        };
        Ok(directory.map(|directory| Entry { directory, name }))
    }

    /// Opens a directory by its path, following trusted symlinks. `None` when there is none.
    ///
    /// # Errors
    /// As [`Root::parent`].
    pub(crate) fn directory(&self, path: &Path) -> Result<Option<Arc<Directory>>, ObserveError> {
        if let Some((opened, directory)) = self.opened().get(path.as_os_str())
            && opened.elapsed() < FRESH
        {
            return Ok(Some(directory.clone()));
        }
        let Some(directory) = self.resolve(path)? else { return Ok(None) };
        let directory = Arc::new(directory);
        let mut open = self.opened();
        if open.len() >= MAX_OPEN {
            open.clear();
        }
        open.insert(path.into(), (Instant::now(), directory.clone()));
        Ok(Some(directory))
    }

    /// Opens a directory anew, whatever is kept.
    ///
    /// # Errors
    /// As [`Root::parent`].
    pub(crate) fn reopen(&self, path: &Path) -> Result<Option<Arc<Directory>>, ObserveError> {
        self.opened().remove(path.as_os_str());
        self.directory(path)
    }

    fn resolve(&self, path: &Path) -> Result<Option<Directory>, ObserveError> {
        if self.openat2 {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let inside = match self.spec {
                RootSpec::Machine => ResolveFlags::NO_SYMLINKS,
                RootSpec::Tree(_) => ResolveFlags::NO_SYMLINKS | ResolveFlags::IN_ROOT,
            };
            let opened = rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), inside).and_then(Directory::new);
            match opened {
                Ok(directory) => return Ok(Some(directory)),
                Err(Errno::NOENT) => return Ok(None),
                // A symlink, or a failure whose place is wanted for the message: step by step.
                Err(_) => {}
            }
        }
        walk::resolve(&self.fd, path, self.euid)
    }

    fn opened(&self) -> MutexGuard<'_, HashMap<OsString, (Instant, Arc<Directory>)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the error of a system call about a path.
pub(crate) fn failed(path: &Path, error: Errno) -> ObserveError {
    ObserveError::io(path, &io::Error::from(error))
}
