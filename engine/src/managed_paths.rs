//! The paths and other things that a catalog manages: a purge leaves them alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use stead_catalog::{Catalog, Place, PlaceKind, Resource};

use crate::Registry;
use crate::path_map::PathMap;

/// The paths that some resource of a catalog owns or brings, and what else they own by a name of its own.
#[derive(Clone, Debug, Default)]
pub struct ManagedPaths {
    paths: PathMap<()>,
    others: BTreeSet<Arc<str>>,
}

impl ManagedPaths {
    /// Collects the paths from the footprints of a catalog's resources; a resource that removes its path does not manage it.
    pub fn of(catalog: &Catalog, registry: &Registry) -> Self {
        let places_of = |resource: &Resource| -> Vec<Place> {
            let Some(schema) = registry.schema(&resource.id.type_name) else { return Vec::new() };
            let footprint = (schema.footprint)(&resource.attributes);
            if footprint.removes {
                return Vec::new();
            }
            let brings = footprint.brings.into_iter().filter(|place| place.kind == PlaceKind::Path);
            let owns = footprint.owns.into_iter();
            owns.filter(|place| matches!(place.kind, PlaceKind::Path | PlaceKind::Other)).chain(brings).collect()
        };
        let mut managed = Self::default();
        for place in catalog.resources.par_iter().flat_map_iter(places_of).collect::<Vec<_>>() {
            match place.kind {
                PlaceKind::Path => {
                    managed.paths.insert(PathBuf::from(&*place.name), ());
                }
                _ => drop(managed.others.insert(place.name)),
            }
        }
        managed
    }

    /// Says whether a resource owns what is no path and has this name, such as `cron:/etc/cron.d/app backup`.
    pub fn owns(&self, name: &str) -> bool {
        self.others.contains(name)
    }

    /// Says whether the path, or something below it, is managed.
    pub fn covers(&self, path: &Path) -> bool {
        self.paths.contains(path) || self.paths.below(path).next().is_some()
    }

    /// Says whether exactly this path is managed.
    pub fn declares(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }
}

impl FromIterator<PathBuf> for ManagedPaths {
    fn from_iter<I: IntoIterator<Item = PathBuf>>(paths: I) -> Self {
        let mut managed = Self::default();
        for path in paths {
            managed.paths.insert(path, ());
        }
        managed
    }
}
