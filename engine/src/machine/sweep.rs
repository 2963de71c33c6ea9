//! Clearing up behind a run that was killed.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::AtFlags;

use super::{temporary, tree};
use crate::FileKind;
use crate::observed::list_directory;
use crate::root::{Entry, Root};

/// Removes the temporary files of the run with this token beside `paths`. Returns those that could not be removed.
pub(crate) fn sweep(root: &Root, token: u32, paths: &[PathBuf]) -> Vec<PathBuf> {
    let prefix = temporary::of_run(token);
    let parents: BTreeSet<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
    let mut left = Vec::new();
    for parent in parents {
        let Ok(Some(directory)) = root.directory(parent) else { continue };
        let here = Entry { directory: directory.clone(), name: ".".as_ref() };
        let Ok(Some(entries)) = list_directory(&here, parent) else { continue };
        for (name, kind) in entries.iter().filter(|(name, _)| name.as_bytes().starts_with(prefix.as_bytes())) {
            let removed = match kind {
                FileKind::Directory => tree::discard(&directory, name),
                _ => rustix::fs::unlinkat(&*directory, name, AtFlags::empty()),
            };
            if removed.is_err() {
                left.push(parent.join(name));
            }
        }
    }
    left
}
