//! Directories, symlinks, owners and modes.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid, XattrFlags};
use rustix::io::Errno;

use super::before::Need;
use super::{Machine, refused, temporary};
use crate::ApplyError;
use crate::journal::unhex;

pub(super) fn make_directory(
    machine: &Machine,
    path: &Path,
    mode: u32,
    uid: Option<u32>,
    gid: Option<u32>,
) -> Result<(), ApplyError> {
    let entry = machine.entry("create the directory", path)?;
    machine.keep(path, Need::State)?;
    // Private until owner and mode are as wished.
    rustix::fs::mkdirat(&*entry.directory, entry.name, Mode::RWXU)
        .map_err(|error| refused("create the directory", path, error))?;
    machine.touched(path);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(&*entry.directory, entry.name, flags, Mode::empty())
        .map_err(|error| refused("open the new directory", path, error))?;
    if uid.is_some() || gid.is_some() {
        rustix::fs::fchown(&fd, uid.map(Uid::from_raw), gid.map(Gid::from_raw))
            .map_err(|error| refused("set the owner of", path, error))?;
    }
    rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode & 0o7777)).map_err(|error| refused("set the mode of", path, error))
}

pub(super) fn make_symlink(
    machine: &Machine,
    path: &Path,
    target: &Path,
    uid: Option<u32>,
    gid: Option<u32>,
) -> Result<(), ApplyError> {
    let entry = machine.entry("create the symlink", path)?;
    machine.keep(path, Need::Content)?;
    let name = temporary::name(machine.shared.token);
    rustix::fs::symlinkat(target, &*entry.directory, &name).map_err(|error| refused("create the symlink", path, error))?;
    let placed = own_link(&entry.directory, &name, uid, gid)
        .and_then(|()| rustix::fs::renameat(&*entry.directory, &name, &*entry.directory, entry.name));
    if let Err(error) = placed {
        let _ = rustix::fs::unlinkat(&*entry.directory, &name, AtFlags::empty());
        return Err(refused("create the symlink", path, error));
    }
    machine.touched(path);
    // Directories that are open may have been reached through what was here.
    machine.shared.observed.root().forget();
    Ok(())
}

fn own_link(directory: impl AsFd, name: &std::ffi::OsStr, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
    if uid.is_none() && gid.is_none() {
        return Ok(());
    }
    let stat = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let uid = uid.filter(|uid| *uid != stat.st_uid).map(Uid::from_raw);
    let gid = gid.filter(|gid| *gid != stat.st_gid).map(Gid::from_raw);
    if uid.is_none() && gid.is_none() {
        return Ok(());
    }
    rustix::fs::chownat(directory, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
}

pub(super) fn set_attributes(
    machine: &Machine,
    path: &Path,
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
) -> Result<(), ApplyError> {
    let entry = machine.entry("set the attributes of", path)?;
    machine.keep(path, Need::State)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(&*entry.directory, entry.name, flags, Mode::empty())
        .map_err(|error| refused("set the attributes of", path, error))?;
    let stat = rustix::fs::fstat(&fd).map_err(|error| refused("set the attributes of", path, error))?;
    refuse_planted(&entry.directory, &stat, path)?;
    let old = stat.st_mode & 0o7777;
    let uid = uid.filter(|uid| *uid != stat.st_uid);
    let gid = gid.filter(|gid| *gid != stat.st_gid);
    let is_symlink = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
    let wished = mode.map_or(old, |mode| mode & 0o7777);
    let set_mode = |mode: u32| change_mode(&fd, mode).map_err(|error| refused("set the mode of", path, error));
    machine.touched(path);
    if uid.is_some() || gid.is_some() {
        // While the owner changes, nobody may do more than both before and after.
        let narrow = old & wished & 0o777;
        if !is_symlink && narrow != old {
            set_mode(narrow)?;
        }
        rustix::fs::chownat(&fd, "", uid.map(Uid::from_raw), gid.map(Gid::from_raw), AtFlags::EMPTY_PATH)
            .map_err(|error| refused("set the owner of", path, error))?;
        if !is_symlink && wished != narrow {
            set_mode(wished)?;
        }
    } else if !is_symlink && wished != old {
        set_mode(wished)?;
    }
    Ok(())
}

/// Refuses a file that has several names where somebody else may have given it this one: the link of a user to a file of root would hand that
/// file over. Whoever owns the file already, and nobody else writes to the directory, gains nothing by it.
fn refuse_planted(directory: impl AsFd, stat: &Stat, path: &Path) -> Result<(), ApplyError> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink < 2 {
        return Ok(());
    }
    let around = rustix::fs::fstat(directory).map_err(|error| refused("look at the directory of", path, error))?;
    let trusted = [0, rustix::process::geteuid().as_raw()];
    let is_shared = around.st_mode & 0o002 != 0 || (around.st_mode & 0o020 != 0 && around.st_gid != 0);
    if !is_shared && (trusted.contains(&around.st_uid) || around.st_uid == stat.st_uid) {
        return Ok(());
    }
    Err(ApplyError::Io {
        operation: "set the attributes of",
        path: path.to_owned(),
        message: format!("the file has {} names, and another user may have given it this one", stat.st_nlink),
        code: "hard-linked",
    })
}

pub(super) fn set_xattrs(machine: &Machine, path: &Path, xattrs: &BTreeMap<String, String>) -> Result<(), ApplyError> {
    if xattrs.is_empty() {
        return Ok(());
    }
    let failed = |error| refused("set the extended attributes of", path, error);
    let entry = machine.entry("set the extended attributes of", path)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(&*entry.directory, entry.name, flags, Mode::empty()).map_err(failed)?;
    put_xattrs(&fd, xattrs).map_err(failed)
}

/// Sets extended attributes as the journal has them.
pub(super) fn put_xattrs(fd: impl AsFd, xattrs: &BTreeMap<String, String>) -> Result<(), Errno> {
    for (name, value) in xattrs {
        let value = unhex(value).unwrap_or_default();
        match rustix::fs::fsetxattr(&fd, name.as_str(), &value, XattrFlags::empty()) {
            // Attributes of the system's own (labels, trusted ones) are not this user's to set.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::ACCESS) if !name.starts_with("system.posix_acl") => {}
            Err(error) => return Err(error),
            Ok(()) => {}
        }
    }
    Ok(())
}

/// Changes the mode of what an `O_PATH` descriptor stands for: by its name in /proc, since neither fchmod nor fchmodat
/// takes such a descriptor on every kernel.
fn change_mode(fd: &OwnedFd, mode: u32) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(mode);
    let name = format!("/proc/self/fd/{}", fd.as_raw_fd());
    match rustix::fs::chmodat(CWD, &name, mode, AtFlags::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR) => {
            // Without /proc the thing has to be opened.
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let stat = rustix::fs::fstat(fd)?;
            let opened = match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => rustix::fs::openat(fd, ".", flags, Mode::empty())?,
                _ => return Err(Errno::OPNOTSUPP),
            };
            rustix::fs::fchmod(&opened, mode)
        }
        result => result,
    }
}
