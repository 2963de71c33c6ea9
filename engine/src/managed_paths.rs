//! The paths that a catalog manages: a purge leaves them alone.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use stead_catalog::{Catalog, PlaceKind, Resource};

use crate::Registry;
use crate::path_map::PathMap;

/// The paths that some resource of a catalog owns or brings.
#[derive(Clone, Debug, Default)]
pub struct ManagedPaths {
    paths: PathMap<()>,
}

impl ManagedPaths {
    /// Collects the paths from the footprints of a catalog's resources; a resource that removes its path does not manage it.
    pub fn of(catalog: &Catalog, registry: &Registry) -> Self {
        let paths_of = |resource: &Resource| -> Vec<PathBuf> {
            let Some(schema) = registry.schema(&resource.id.type_name) else { return Vec::new() };
            let footprint = (schema.footprint)(&resource.attributes);
            if footprint.removes {
                return Vec::new();
            }
            let places = footprint.owns.iter().chain(&footprint.brings);
            places.filter(|place| place.kind == PlaceKind::Path).map(|place| PathBuf::from(&*place.name)).collect()
        };
        catalog.resources.par_iter().flat_map_iter(paths_of).collect::<Vec<_>>().into_iter().collect()
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
