//! Removing files and trees.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::before::{Keep, Need, Withhold, look};
use super::{Machine, refused};
use crate::journal::{NewBefore, Op};
use crate::observed::list_directory;
use crate::root::{Directory, Entry};
use crate::{ApplyError, FileKind};

/// Rows handed to the journal at a time.
const GROUP: usize = 256;

pub(super) fn remove_file(machine: &Machine, path: &Path) -> Result<(), ApplyError> {
    let entry = machine.entry("remove", path)?;
    machine.keep(path, Need::Content)?;
    match rustix::fs::unlinkat(&*entry.directory, entry.name, AtFlags::empty()) {
        Ok(()) => {
            machine.touched(path);
            machine.shared.observed.root().forget();
            Ok(())
        }
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(refused("remove", path, error)),
    }
}

pub(super) fn remove_directory(machine: &Machine, path: &Path) -> Result<(), ApplyError> {
    let entry = machine.entry("remove", path)?;
    machine.keep(path, Need::Content)?;
    match rustix::fs::unlinkat(&*entry.directory, entry.name, AtFlags::REMOVEDIR) {
        Ok(()) => {
            machine.touched(path);
            machine.shared.observed.root().forget();
            Ok(())
        }
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Err(ApplyError::Io {
            operation: "remove",
            path: path.to_owned(),
            message: "it is not empty".into(),
            code: "directory-not-empty",
        }),
        Err(error) => Err(refused("remove", path, error)),
    }
}

/// Writes down what is at a path and below it.
pub(super) fn keep_tree(machine: &Machine, path: &Path) -> Result<(), ApplyError> {
    match machine.entry("look at", path) {
        Ok(entry) => match open_below(&entry.directory, entry.name, path)? {
            Some(directory) => survey(machine, &entry, &directory, path),
            None => machine.keep(path, Need::Content),
        },
        Err(_) => machine.keep(path, Need::Content),
    }
}

fn survey(machine: &Machine, entry: &Entry<'_>, directory: &Arc<Directory>, path: &Path) -> Result<(), ApplyError> {
    let mut survey = Survey { machine, rows: Vec::new() };
    survey.row(entry, path)?;
    survey.walk(directory, path)?;
    survey.write()?;
    machine.recorded(path, Need::Content);
    Ok(())
}

pub(super) fn remove_tree(machine: &Machine, path: &Path) -> Result<(), ApplyError> {
    let entry = machine.entry("remove", path)?;
    let Some(directory) = open_below(&entry.directory, entry.name, path)? else {
        return remove_file(machine, path);
    };
    survey(machine, &entry, &directory, path)?;
    remove_below(machine, &directory, path)?;
    match rustix::fs::unlinkat(&*entry.directory, entry.name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(refused("remove", path, error)),
    }
    machine.touched(path);
    machine.shared.observed.root().forget();
    Ok(())
}

/// Writes a whole tree down before any of it is removed, and refuses where it leads into another file system.
struct Survey<'a> {
    machine: &'a Machine,
    rows: Vec<NewBefore>,
}

impl Survey<'_> {
    fn walk(&mut self, directory: &Arc<Directory>, path: &Path) -> Result<(), ApplyError> {
        for (name, kind) in entries(directory, path)? {
            let path = path.join(&name);
            let entry = Entry { directory: directory.clone(), name: &name };
            self.row(&entry, &path)?;
            if kind == FileKind::Directory
                && let Some(below) = open_below(directory, &name, &path)?
            {
                self.walk(&below, &path)?;
            }
        }
        Ok(())
    }

    fn row(&mut self, entry: &Entry<'_>, path: &Path) -> Result<(), ApplyError> {
        let keep = Keep::Content(Withhold::As(&self.machine.scope.secrecy));
        self.rows.push(look(entry, path, keep, &self.machine.shared.blobs)?);
        if self.rows.len() >= GROUP { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), ApplyError> {
        let sequence = self.machine.scope.sequence;
        let ops = self.rows.drain(..).map(|before| Op::Before { sequence, before }).collect();
        self.machine.shared.journal.write(ops)
    }
}

/// Removes a tree that nobody else has seen: one that was being made. Never follows a symlink.
pub(super) fn discard(parent: &Directory, name: &OsStr) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = Directory::new(rustix::fs::openat(parent, name, flags, Mode::empty())?)?;
    // Whatever mode it was given already: its owner may not be allowed to empty it.
    let _ = rustix::fs::fchmod(&directory, Mode::RWXU);
    let entries = rustix::fs::Dir::read_from(&directory)?.collect::<Result<Vec<_>, _>>()?;
    for entry in entries {
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        match rustix::fs::unlinkat(&directory, name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => discard(&directory, name)?,
            other => other?,
        }
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

fn remove_below(machine: &Machine, directory: &Arc<Directory>, path: &Path) -> Result<(), ApplyError> {
    for (name, kind) in entries(directory, path)? {
        machine.may_change()?;
        let path = path.join(&name);
        let flags = match kind {
            FileKind::Directory => {
                if let Some(below) = open_below(directory, &name, &path)? {
                    remove_below(machine, &below, &path)?;
                    AtFlags::REMOVEDIR
                } else {
                    AtFlags::empty()
                }
            }
            _ => AtFlags::empty(),
        };
        match rustix::fs::unlinkat(&**directory, &name, flags) {
            Ok(()) => machine.touched(&path),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(refused("remove", &path, error)),
        }
    }
    Ok(())
}

fn entries(directory: &Arc<Directory>, path: &Path) -> Result<Vec<(OsString, FileKind)>, ApplyError> {
    let here = Entry { directory: directory.clone(), name: OsStr::new(".") };
    Ok(list_directory(&here, path)?.unwrap_or_default())
}

/// Opens a directory that is to be emptied: never through a symlink, never into another file system. `None` when it is no directory.
fn open_below(parent: &Arc<Directory>, name: &OsStr, path: &Path) -> Result<Option<Arc<Directory>>, ApplyError> {
    match open(parent.as_fd(), name).and_then(Directory::new) {
        Ok(directory) if directory.identity.0 == parent.identity.0 => Ok(Some(Arc::new(directory))),
        Ok(_) | Err(Errno::XDEV) => Err(ApplyError::Io {
            operation: "remove",
            path: path.to_owned(),
            message: "another file system is mounted there".into(),
            code: "mount-point",
        }),
        Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => Ok(None),
        Err(error) => Err(refused("open", path, error)),
    }
}

fn open(parent: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let inside = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(&parent, name, flags, Mode::empty(), inside) {
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(&parent, name, flags, Mode::empty()),
        opened => opened,
    }
}
