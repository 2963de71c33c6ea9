//! Reading files of a system that may lie in a tree, without being led out of it by a symlink.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

/// Reads a whole file by its path inside the tree; `None` when it is not there.
pub(crate) fn read(root: &Path, path: &str) -> io::Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    match open(root, path) {
        Ok(mut file) => {
            file.read_to_end(&mut content)?;
            Ok(Some(content))
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a file for reading by its path inside the tree: absolute symlinks and `..` stay inside.
pub(crate) fn open(root: &Path, path: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    if root == Path::new("/") {
        return Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?));
    }
    let directory = rustix::fs::openat(CWD, root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let relative = path.trim_start_matches('/');
    Ok(File::from(rustix::fs::openat2(&directory, if relative.is_empty() { "." } else { relative }, flags, Mode::empty(), resolve)?))
}
