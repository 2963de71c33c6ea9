//! Where a path leads in the predicted world.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};

use super::{Entry, Predicted};

/// Symlinks followed for one path before it counts as a loop, as in Linux (path_resolution(7)).
pub(super) const MAX_SYMLINKS: usize = 40;

/// Where a path leads in the predicted world.
pub(super) enum Found<'e> {
    Entry(&'e Entry),
    /// Nothing is predicted for it or above it: ask the machine for this path.
    Base(PathBuf),
    /// Above it is something new without it.
    Absent,
    Unknown(&'e Arc<str>),
}

impl Predicted<'_> {
    /// Returns the path with the symlinks of its directories resolved, as the predicted world has them.
    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return path.to_owned();
        };
        self.resolve_directory(parent, MAX_SYMLINKS).join(name)
    }

    pub(super) fn resolved(&self) -> MutexGuard<'_, BTreeMap<PathBuf, PathBuf>> {
        self.resolved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn resolve_directory(&self, directory: &Path, links_left: usize) -> PathBuf {
        if let Some(known) = self.resolved().get(directory) {
            return known.clone();
        }
        let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
            return directory.to_owned();
        };
        let path = self.resolve_directory(parent, links_left).join(name);
        let target = match self.find(&path) {
            Found::Entry(Entry::Present { stat, .. }) => stat.target.clone(),
            Found::Base(path) => {
                self.base.stat(&path).ok().and_then(|look| look.value().cloned().flatten()).and_then(|stat| stat.target)
            }
            _ => None,
        };
        let resolved = match target {
            Some(target) if links_left > 0 => {
                let joined = normalize(&path.parent().unwrap_or(Path::new("/")).join(target));
                self.resolve_directory(&joined, links_left - 1)
            }
            _ => path,
        };
        self.resolved().insert(directory.to_owned(), resolved.clone());
        resolved
    }

    /// Finds what is predicted for a resolved path: at it, or decided by something above it.
    pub(super) fn find(&self, path: &Path) -> Found<'_> {
        if self.files.is_empty() {
            return Found::Base(path.to_owned());
        }
        for (depth, above) in path.ancestors().enumerate() {
            match self.files.get(above) {
                None => {}
                Some(entry) if depth == 0 => return Found::Entry(entry),
                Some(Entry::Removed) => return Found::Absent,
                Some(Entry::Obscured(because) | Entry::Appearing(because)) => return Found::Unknown(because),
                Some(Entry::Present { fresh: true, .. }) => return Found::Absent,
                Some(Entry::Present { fresh: false, .. }) => return Found::Base(path.to_owned()),
            }
        }
        Found::Base(path.to_owned())
    }

    /// Predicted entries below a resolved directory, at any depth.
    pub(super) fn below(&self, directory: &Path) -> impl Iterator<Item = (&Path, &Entry)> {
        self.files.below(directory)
    }
}

/// Takes `.` and `..` out of an absolute path without looking at the machine.
fn normalize(path: &Path) -> PathBuf {
    let mut normal = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            _ => {}
        }
    }
    normal
}
