//! Reading files of a system that may lie in a tree, without being led out of it by a symlink.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

/// Reads a whole file by its path inside the tree; `None` when it is not there.
pub(crate) fn read(root: &Path, path: &str) -> io::Result<Option<Vec<u8>>> {
    let Some(mut file) = open_if_there(root, path)? else { return Ok(None) };
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(Some(content))
}

/// Opens a file as [`open`] does. `None` when there is none.
pub(crate) fn open_if_there(root: &Path, path: &str) -> io::Result<Option<File>> {
    match open(root, path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a file for reading by its path inside the tree: absolute symlinks and `..` stay inside.
pub(crate) fn open(root: &Path, path: &str) -> io::Result<File> {
    open_with(root, path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY)
}

/// Opens a regular file as [`open`] does, and waits for nobody who would have to write to it.
pub(crate) fn open_regular(root: &Path, path: &str) -> io::Result<File> {
    let file = open_with(root, path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")) }
}

fn open_with(root: &Path, path: &str, flags: OFlags) -> io::Result<File> {
    if root == Path::new("/") {
        return Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?));
    }
    let directory = rustix::fs::openat(CWD, root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let relative = path.trim_start_matches('/');
    Ok(File::from(rustix::fs::openat2(
        &directory,
        if relative.is_empty() { "." } else { relative },
        flags,
        Mode::empty(),
        resolve,
    )?))
}

/// What a path inside the tree is, the last component not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// A symlink and what it holds.
    Link(String),
    /// A directory.
    Directory,
    /// Anything else.
    Other,
}

/// Looks at a path inside the tree; `None` when nothing is there.
pub(crate) fn node(root: &Path, path: &str) -> io::Result<Option<Node>> {
    let file = match open_with(root, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(error),
    };
    let kind = file.metadata()?.file_type();
    if kind.is_symlink() {
        let target = rustix::fs::readlinkat(&file, "", Vec::new())?;
        return Ok(Some(Node::Link(target.to_string_lossy().into_owned())));
    }
    Ok(Some(if kind.is_dir() { Node::Directory } else { Node::Other }))
}

/// Returns the names in a directory inside the tree, sorted; empty when there is none. Names that are no UTF-8 are left out.
pub(crate) fn names(root: &Path, path: &str) -> io::Result<Vec<String>> {
    let directory = match open_with(root, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC) {
        Ok(directory) => directory,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(&directory)? {
        let entry = entry?;
        names.extend(entry.file_name().to_str().ok().filter(|name| !matches!(*name, "." | "..")).map(str::to_owned));
    }
    names.sort_unstable();
    Ok(names)
}
