//! Resolving a path component by component, deciding about every symlink.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{Directory, failed};
use crate::ObserveError;

/// Symlinks followed for one path before it counts as a loop, as in Linux (path_resolution(7)).
const MAX_SYMLINKS: usize = 40;

/// Resolves a directory's path below `root`. The directories passed are held open, so that `..` leads back to where the
/// path came from even when somebody moves a directory meanwhile, and never above `root`.
pub(super) fn resolve(root: &OwnedFd, path: &Path, euid: u32) -> Result<Option<Directory>, ObserveError> {
    let mut passed: Vec<(OwnedFd, OsString)> = Vec::new();
    let mut ahead: VecDeque<OsString> = VecDeque::new();
    let mut symlinks = 0;
    push_front(&mut ahead, path);
    while let Some(component) = ahead.pop_front() {
        if component == OsStr::new("..") {
            passed.pop();
            continue;
        }
        let here = passed.last().map_or_else(|| root.as_fd(), |(fd, _)| fd.as_fd());
        let name = || so_far(&passed, &component);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(here, &component, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(failed(&name(), error)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|error| failed(&name(), error))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => passed.push((fd, component)),
            FileType::Symlink => {
                let parent = rustix::fs::fstat(here).map_err(|error| failed(&name(), error))?;
                if !is_trusted(stat.st_uid, parent.st_uid, parent.st_mode, euid) {
                    return Err(ObserveError::UntrustedSymlink { path: name(), owner: stat.st_uid });
                }
                symlinks += 1;
                if symlinks > MAX_SYMLINKS {
                    return Err(failed(&name(), Errno::LOOP));
                }
                let target = rustix::fs::readlinkat(&fd, "", Vec::new()).map_err(|error| failed(&name(), error))?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if target.is_absolute() {
                    passed.clear();
                }
                push_front(&mut ahead, &target);
            }
            _ => return Err(ObserveError::WrongKind { path: name(), found: "something else", expected: "a directory" }),
        }
    }
    let directory = match passed.pop() {
        Some((fd, _)) => Directory::new(fd),
        None => rustix::fs::openat(root, ".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .and_then(Directory::new),
    };
    directory.map(Some).map_err(|error| failed(path, error))
}

/// Says whether a symlink may be followed: root or this user planted it, and in a directory where anybody can plant one
/// (sticky and writable by all) it belongs to this user or to the directory's owner, as with `fs.protected_symlinks`.
fn is_trusted(owner: u32, parent_owner: u32, parent_mode: u32, euid: u32) -> bool {
    let anybodys = parent_mode & 0o1002 == 0o1002;
    (owner == 0 || owner == euid) && (!anybodys || owner == euid || owner == parent_owner)
}

fn push_front(ahead: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => ahead.push_front(name.to_owned()),
            Component::ParentDir => ahead.push_front("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

fn so_far(passed: &[(OwnedFd, OsString)], component: &OsStr) -> PathBuf {
    let mut path = PathBuf::from("/");
    path.extend(passed.iter().map(|(_, name)| name));
    path.push(component);
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn open(path: &Path) -> OwnedFd {
        rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    #[test]
    fn nothing_leads_out_of_the_tree() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("etc/deep")).unwrap();
        symlink("/etc", tree.path().join("absolute")).unwrap();
        symlink("../../../../etc", tree.path().join("etc/deep/up")).unwrap();
        symlink("loop", tree.path().join("loop")).unwrap();
        let root = open(tree.path());
        let euid = rustix::process::geteuid().as_raw();
        let inside = Directory::new(open(&tree.path().join("etc"))).unwrap().identity;
        for path in ["/absolute", "/etc/deep/up", "/../../etc", "/absolute/deep/.."] {
            let found = resolve(&root, Path::new(path), euid).unwrap().unwrap();
            assert_eq!(found.identity, inside, "{path}");
        }
        assert!(resolve(&root, Path::new("/nowhere/x"), euid).unwrap().is_none());
        let looping = resolve(&root, Path::new("/loop"), euid).unwrap_err();
        assert_eq!(looping.code(), "read-failed");
    }

    #[test]
    fn symlinks_are_trusted_by_owner_and_place() {
        assert!(is_trusted(0, 0, 0o755, 1000));
        assert!(is_trusted(1000, 0, 0o1777, 1000));
        assert!(is_trusted(0, 0, 0o1777, 1000));
        assert!(!is_trusted(0, 5, 0o1777, 1000));
        assert!(!is_trusted(5, 5, 0o755, 1000));
        assert!(!is_trusted(1000, 0, 0o755, 0));
    }
}
