//! Making a whole tree beside its place.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::Errno;

use super::{Machine, before, refused, temporary, tree};
use crate::ApplyError;
use crate::root::Directory;

/// Owner, mode and time of one thing in a new tree.
#[derive(Clone, Copy, Debug, Default)]
pub struct TreeEntry {
    /// Permission bits, 0 to 0o7777; of no meaning for a symlink.
    pub mode: u32,
    /// Owning user's id; the engine's own when `None`.
    pub uid: Option<u32>,
    /// Owning group's id; the engine's own when `None`.
    pub gid: Option<u32>,
    /// When it was changed last, in seconds since 1970; now when `None`.
    pub modified: Option<i64>,
}

/// A tree that is being made beside its place. Nobody but its maker can look into it, and nothing is at its place, before
/// [`NewTree::place`]. What is dropped before that is removed; what a kill leaves is removed by the next run.
pub struct NewTree<'m> {
    machine: &'m Machine,
    /// The directory it will be in.
    parent: Arc<Directory>,
    temporary: OsString,
    destination: PathBuf,
    root: OwnedFd,
    /// Relative paths with what they will have, in the order they were made: given at the end, for a directory that may not be
    /// written to cannot be filled.
    directories: Vec<(PathBuf, TreeEntry)>,
    /// Every path in it.
    paths: Vec<PathBuf>,
    placed: bool,
}

impl fmt::Debug for NewTree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewTree").field("destination", &self.destination).finish_non_exhaustive()
    }
}

impl<'m> NewTree<'m> {
    pub(super) fn begin(machine: &'m Machine, path: &Path) -> Result<Self, ApplyError> {
        let entry = machine.entry("create the directory", path)?;
        let name = temporary::name(machine.shared.token);
        let failed = |error| refused("create the directory", path, error);
        // The journal names the place before anything is beside it: that is where the next run looks for leftovers.
        machine.keep(path, before::Need::State)?;
        rustix::fs::mkdirat(&*entry.directory, &name, Mode::RWXU).map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::openat(&*entry.directory, &name, flags, Mode::empty()).map_err(failed)?;
        Ok(Self {
            machine,
            parent: entry.directory,
            temporary: name,
            destination: path.to_owned(),
            root,
            directories: Vec::new(),
            paths: Vec::new(),
            placed: false,
        })
    }

    /// Where it will be.
    pub fn destination(&self) -> &Path {
        &self.destination
    }

    /// Makes a directory in it; an empty path gives the tree itself its owner and mode.
    ///
    /// # Errors
    /// What the operating system refused.
    pub fn directory(&mut self, relative: &Path, entry: TreeEntry) -> Result<(), ApplyError> {
        if !relative.as_os_str().is_empty() {
            let (parent, name) = self.open_parent(relative, "create the directory")?;
            rustix::fs::mkdirat(&parent, name, Mode::RWXU)
                .map_err(|error| self.refused("create the directory", relative, error))?;
            self.paths.push(relative.to_owned());
        }
        self.directories.push((relative.to_owned(), entry));
        Ok(())
    }

    /// Makes a regular file in it, of everything that `content` gives.
    ///
    /// # Errors
    /// What the operating system refused, and what reading the content failed with.
    pub fn file(&mut self, relative: &Path, entry: TreeEntry, content: &mut dyn Read) -> Result<(), ApplyError> {
        self.machine.may_change()?;
        let (parent, name) = self.open_parent(relative, "write")?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&parent, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| self.refused("write", relative, error))?;
        let mut file = File::from(fd);
        io::copy(content, &mut file).map_err(|error| ApplyError::io("write", self.destination.join(relative), &error))?;
        self.finish(&file, relative, entry)?;
        self.paths.push(relative.to_owned());
        Ok(())
    }

    /// Makes a symlink in it.
    ///
    /// # Errors
    /// What the operating system refused.
    pub fn symlink(&mut self, relative: &Path, target: &Path, entry: TreeEntry) -> Result<(), ApplyError> {
        let (parent, name) = self.open_parent(relative, "create the symlink")?;
        rustix::fs::symlinkat(target, &parent, name).map_err(|error| self.refused("create the symlink", relative, error))?;
        if entry.uid.is_some() || entry.gid.is_some() {
            let (uid, gid) = (entry.uid.map(Uid::from_raw), entry.gid.map(Gid::from_raw));
            rustix::fs::chownat(&parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| self.refused("set the owner of", relative, error))?;
        }
        self.paths.push(relative.to_owned());
        Ok(())
    }

    /// Puts the tree in its place: journal, sync, rename. Something that has appeared there meanwhile is not replaced.
    ///
    /// # Errors
    /// What the operating system refused; [`ApplyError::Moved`] when something is there.
    pub fn place(mut self) -> Result<(), ApplyError> {
        self.machine.may_change()?;
        for (relative, entry) in std::mem::take(&mut self.directories).into_iter().rev() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = if relative.as_os_str().is_empty() {
                rustix::fs::openat(&self.root, ".", flags, Mode::empty())
            } else {
                let (parent, name) = self.open_parent(&relative, "open the new directory")?;
                rustix::fs::openat(&parent, name, flags, Mode::empty())
            };
            let directory = opened.map_err(|error| self.refused("open the new directory", &relative, error))?;
            self.finish(&directory, &relative, entry)?;
        }
        let inside: Vec<PathBuf> = self.paths.iter().map(|relative| self.destination.join(relative)).collect();
        before::keep_absent(self.machine, &inside)?;
        rustix::fs::syncfs(&self.root).map_err(|error| refused("sync", &self.destination, error))?;
        let name = self.destination.file_name().ok_or_else(|| refused("rename", &self.destination, Errno::INVAL))?;
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(&*self.parent, &self.temporary, &*self.parent, name, flags) {
            Ok(()) => {}
            // A file system that cannot promise it: an empty directory is all that a plain rename would replace.
            Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(&*self.parent, &self.temporary, &*self.parent, name)
                .map_err(|error| refused("rename", &self.destination, error))?,
            Err(Errno::EXIST) => {
                return Err(ApplyError::Moved { what: format!("{} has appeared", self.destination.display()) });
            }
            Err(error) => return Err(refused("rename", &self.destination, error)),
        }
        self.placed = true;
        self.machine.touched(&self.destination);
        self.machine.shared.observed.root().forget();
        Ok(())
    }

    /// Gives an open thing its owner, mode and time.
    fn finish(&self, fd: impl AsFd, relative: &Path, entry: TreeEntry) -> Result<(), ApplyError> {
        if entry.uid.is_some() || entry.gid.is_some() {
            // Before the mode: a change of owner takes setuid and setgid bits away.
            rustix::fs::fchown(&fd, entry.uid.map(Uid::from_raw), entry.gid.map(Gid::from_raw))
                .map_err(|error| self.refused("set the owner of", relative, error))?;
        }
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(entry.mode & 0o7777))
            .map_err(|error| self.refused("set the mode of", relative, error))?;
        if let Some(seconds) = entry.modified {
            let times = Timestamps {
                last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
                last_modification: Timespec { tv_sec: seconds, tv_nsec: 0 },
            };
            rustix::fs::futimens(&fd, &times).map_err(|error| self.refused("set the time of", relative, error))?;
        }
        Ok(())
    }

    /// Opens the directory in the tree that a relative path is in; never through a symlink, never out of the tree.
    fn open_parent<'p>(&self, relative: &'p Path, operation: &'static str) -> Result<(OwnedFd, &'p std::ffi::OsStr), ApplyError> {
        let name = relative.file_name().ok_or_else(|| self.refused(operation, relative, Errno::INVAL))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let parent = relative.parent().filter(|parent| !parent.as_os_str().is_empty());
        let opened = match parent {
            None => rustix::fs::openat(&self.root, ".", flags, Mode::empty()),
            Some(parent) => {
                let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
                match rustix::fs::openat2(&self.root, parent, flags, Mode::empty(), inside) {
                    Err(Errno::NOSYS | Errno::PERM) => self.step_down(parent, flags),
                    opened => opened,
                }
            }
        };
        Ok((opened.map_err(|error| self.refused(operation, relative, error))?, name))
    }

    /// The same on a kernel without openat2, one name after the other.
    fn step_down(&self, relative: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut at = rustix::fs::openat(&self.root, ".", flags, Mode::empty())?;
        for component in relative.components() {
            let std::path::Component::Normal(name) = component else { return Err(Errno::INVAL) };
            at = rustix::fs::openat(&at, name, flags, Mode::empty())?;
        }
        Ok(at)
    }

    fn refused(&self, operation: &'static str, relative: &Path, error: Errno) -> ApplyError {
        refused(operation, &self.destination.join(relative), error)
    }
}

impl Drop for NewTree<'_> {
    fn drop(&mut self) {
        if !self.placed {
            // What cannot be removed now is removed by the next run, as after a kill.
            let _ = tree::discard(&self.parent, &self.temporary);
        }
    }
}
