//! Looking at the entries of open directories: nothing here follows a symlink, waits for a pipe or leaves a trace.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::root::{Entry, failed};
use crate::{FileKind, ObserveError, Owner, Stat};

/// Opens a regular file. Never waits for the other end of a pipe.
pub(crate) fn open_regular(entry: &Entry<'_>, path: &Path) -> Result<Option<(File, u64)>, ObserveError> {
    let wrong = |kind| ObserveError::WrongKind { path: path.to_owned(), found: words(kind), expected: "a regular file" };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let open = |flags| rustix::fs::openat(&*entry.directory, entry.name, flags, Mode::empty());
    // A look leaves no trace, not even in the time of the last access; only the owner and root may ask for that.
    let opened = match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open(flags),
        opened => opened,
    };
    let fd = match opened {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(wrong(FileKind::Symlink)),
        Err(Errno::NXIO) => return Err(wrong(FileKind::Other)),
        Err(error) => return Err(failed(path, error)),
    };
    let stat = rustix::fs::fstat(&fd).map_err(|error| failed(path, error))?;
    match kind(FileType::from_raw_mode(stat.st_mode)) {
        FileKind::File => Ok(Some((File::from(fd), u64::try_from(stat.st_size).unwrap_or(0)))),
        other => Err(wrong(other)),
    }
}

/// Looks at an entry, the entry itself and not what a symlink points to.
pub(crate) fn stat_entry(entry: &Entry<'_>, path: &Path) -> Result<Option<Stat>, ObserveError> {
    let stat = match rustix::fs::statat(&*entry.directory, entry.name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(failed(path, error)),
    };
    let kind = kind(FileType::from_raw_mode(stat.st_mode));
    let target = if kind == FileKind::Symlink {
        match rustix::fs::readlinkat(&*entry.directory, entry.name, Vec::new()) {
            Ok(target) => Some(PathBuf::from(OsString::from_vec(target.into_bytes()))),
            // Taken away or exchanged between the two calls.
            Err(Errno::NOENT | Errno::INVAL) => return Ok(None),
            Err(error) => return Err(failed(path, error)),
        }
    } else {
        None
    };
    Ok(Some(Stat {
        kind,
        mode: stat.st_mode & 0o7777,
        uid: Owner::Id(stat.st_uid),
        gid: Owner::Id(stat.st_gid),
        size: if kind == FileKind::File { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 },
        target,
    }))
}

/// Returns the entries of an open directory, sorted by name.
pub(crate) fn list_directory(directory: &Entry<'_>, path: &Path) -> Result<Option<Vec<(OsString, FileKind)>>, ObserveError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match rustix::fs::openat(&*directory.directory, directory.name, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::NOTDIR | Errno::LOOP) => {
            let found = "something else";
            return Err(ObserveError::WrongKind { path: path.to_owned(), found, expected: "a directory" });
        }
        Err(error) => return Err(failed(path, error)),
    };
    let mut entries = Vec::new();
    for entry in Dir::read_from(&fd).map_err(|error| failed(path, error))? {
        let entry = entry.map_err(|error| failed(path, error))?;
        let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
        if name == OsStr::new(".") || name == OsStr::new("..") {
            continue;
        }
        let file_type = match entry.file_type() {
            FileType::Unknown => match rustix::fs::statat(&fd, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(failed(&path.join(&name), error)),
            },
            known => known,
        };
        entries.push((name, kind(file_type)));
    }
    entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(Some(entries))
}

fn kind(file_type: FileType) -> FileKind {
    match file_type {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Other,
    }
}

fn words(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "a regular file",
        FileKind::Directory => "a directory",
        FileKind::Symlink => "a symlink",
        FileKind::Other => "a device, socket or pipe",
    }
}
