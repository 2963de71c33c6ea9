//! The file of the database. The facts of a machine tell how many packages there are, before anything is looked at: what was read for
//! them is handed on, and the file is read once by a process that plans once.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::{STATUS, tree};

/// What tells one version of the file from another. dpkg writes a new file and renames it, so that the inode is new as well.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// What was read for the facts, until it is taken.
static READ: Mutex<Option<(Version, Vec<u8>)>> = Mutex::new(None);

/// Counts the packages that are installed, without parsing what else is said of them. `None` where there is no such database.
pub(crate) fn count_installed(root: &Path) -> Option<usize> {
    let (version, content) = read(root).ok().flatten()?;
    let is_installed = |line: &&[u8]| matches!(*line, b"Status: install ok installed" | b"Status: hold ok installed");
    let count = content.split(|byte| *byte == b'\n').filter(is_installed).count();
    *READ.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, content));
    Some(count)
}

/// The content of the file: what was read for the facts where it is still that, else read now. `None` where there is no file.
pub(super) fn take(root: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some((version, content)) = READ.lock().unwrap_or_else(PoisonError::into_inner).take() else {
        return Ok(read(root)?.map(|(_, content)| content));
    };
    let is_same = match root == Path::new("/") {
        true => std::fs::metadata(STATUS).is_ok_and(|now| Version::of(&now) == version),
        false => match tree::open_if_there(root, STATUS)? {
            Some(file) => Version::of(&file.metadata()?) == version,
            None => false,
        },
    };
    if is_same { Ok(Some(content)) } else { Ok(read(root)?.map(|(_, content)| content)) }
}

fn read(root: &Path) -> io::Result<Option<(Version, Vec<u8>)>> {
    tree::open_if_there(root, STATUS)?.map(read_all).transpose()
}

fn read_all(mut file: File) -> io::Result<(Version, Vec<u8>)> {
    let metadata = file.metadata()?;
    // One byte more, so that the end is found without growing.
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default().saturating_add(1));
    file.read_to_end(&mut content)?;
    Ok((Version::of(&metadata), content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_handed_on_unless_it_changed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("var/lib/dpkg/status");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert_eq!(count_installed(root.path()), None);
        let entry = |name: &str| format!("Package: {name}\nStatus: install ok installed\n\n");
        std::fs::write(&path, entry("a")).unwrap();
        assert_eq!(count_installed(root.path()), Some(1));
        assert_eq!(take(root.path()).unwrap(), Some(entry("a").into_bytes()));
        // A new file in its place, as dpkg makes it.
        assert_eq!(count_installed(root.path()), Some(1));
        let new = path.with_extension("new");
        std::fs::write(&new, entry("a") + &entry("b")).unwrap();
        std::fs::rename(&new, &path).unwrap();
        assert_eq!(take(root.path()).unwrap(), Some((entry("a") + &entry("b")).into_bytes()));
    }
}
