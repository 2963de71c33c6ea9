//! Who predicted what: a resource that counts on an effect has to come after the one that has it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::path_map::PathMap;

/// Places that are known by name rather than by path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    User,
    Group,
    Package,
    Unit,
}

/// By place: the resource whose effect was predicted there last.
#[derive(Default)]
pub(super) struct Writers {
    current: usize,
    paths: PathMap<usize>,
    names: BTreeMap<(Name, Arc<str>), usize>,
}

impl Writers {
    /// The effects that follow are this resource's.
    pub(super) fn begin(&mut self, resource: usize) {
        self.current = resource;
    }

    pub(super) fn path(&mut self, path: &Path) {
        self.paths.insert(path.to_owned(), self.current);
    }

    pub(super) fn name(&mut self, kind: Name, name: &str) {
        self.names.insert((kind, name.into()), self.current);
    }

    /// Who decides what is found at a path: the last to have an effect on it, or else on the nearest directory above it.
    pub(super) fn of_path(&self, path: &Path) -> Option<usize> {
        path.ancestors().find_map(|above| self.paths.get(above).copied())
    }

    /// Who decides what is found in a directory.
    pub(super) fn of_list(&self, directory: &Path, found: &mut BTreeSet<usize>) {
        found.extend(self.of_path(directory));
        found.extend(self.paths.below(directory).filter(|(path, _)| path.parent() == Some(directory)).map(|(_, writer)| *writer));
    }

    pub(super) fn of_name(&self, kind: Name, name: &Arc<str>) -> Option<usize> {
        self.names.get(&(kind, name.clone())).copied()
    }
}
