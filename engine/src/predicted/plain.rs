//! Which directories no prediction reaches: the answer for nearly every look of a plan that changes little.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Entry, Predicted};
use crate::{FileKind, Known};

/// What is remembered of directories and predicted paths.
#[derive(Default)]
pub(super) struct Plain {
    /// Directories by name: what is in them is found on the observed machine by that name, unless an entry of its own says
    /// otherwise. A directory is in here only together with all those above it.
    directories: Mutex<HashMap<PathBuf, bool>>,
    /// Hashes of all paths that ever had an entry of their own.
    entries: HashSet<u64>,
    hasher: RandomState,
}

impl Plain {
    fn directories(&self) -> MutexGuard<'_, HashMap<PathBuf, bool>> {
        self.directories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A path gets an entry, or another one.
    pub(super) fn enter(&mut self, path: &Path) {
        self.entries.insert(self.hasher.hash_one(path));
        let directories = self.directories.get_mut().unwrap_or_else(PoisonError::into_inner);
        // What was said of anything below it was said of it as well.
        if directories.contains_key(path) {
            directories.clear();
        }
    }

    fn may_have_entry(&self, path: &Path) -> bool {
        self.entries.contains(&self.hasher.hash_one(path))
    }
}

impl Predicted<'_> {
    /// Says whether a look at the path is certain to find what the observed machine has at this very path. `false` says nothing.
    pub(super) fn is_plain(&self, path: &Path) -> bool {
        let (Some(parent), Some(_)) = (path.parent(), path.file_name()) else { return false };
        self.is_plain_directory(parent) && !self.plain.may_have_entry(path)
    }

    fn is_plain_directory(&self, directory: &Path) -> bool {
        if let Some(known) = self.plain.directories().get(directory) {
            return *known;
        }
        let is_plain = match (directory.parent(), directory.file_name()) {
            (None, _) => self.files.get(directory).is_none_or(|entry| matches!(entry, Entry::Present { fresh: false, .. })),
            // `..` at the end.
            (Some(_), None) => false,
            (Some(parent), Some(_)) => self.is_plain_directory(parent) && self.is_plain_itself(directory),
        };
        self.plain.directories().insert(directory.to_owned(), is_plain);
        is_plain
    }

    /// Says so of a directory in a plain one.
    fn is_plain_itself(&self, directory: &Path) -> bool {
        match self.files.get(directory) {
            Some(Entry::Present { stat, fresh, .. }) => stat.kind == FileKind::Directory && !fresh,
            Some(_) => false,
            None => match self.base.stat(directory) {
                Ok(Known::Is(stat)) => stat.is_none_or(|stat| stat.kind != FileKind::Symlink),
                _ => false,
            },
        }
    }
}
