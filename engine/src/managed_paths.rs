//! The paths that a catalog manages: a purge leaves them alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use stead_catalog::{Catalog, PlaceKind};

use crate::Registry;

/// The paths that some resource of a catalog owns or brings.
#[derive(Clone, Debug, Default)]
pub struct ManagedPaths {
    paths: BTreeSet<PathBuf>,
}

impl ManagedPaths {
    /// Collects the paths from the footprints of a catalog's resources; a resource that removes its path does not manage it.
    pub fn of(catalog: &Catalog, registry: &Registry) -> Self {
        let mut paths = BTreeSet::new();
        for resource in &catalog.resources {
            let Some(schema) = registry.schema(&resource.id.type_name) else { continue };
            let footprint = (schema.footprint)(&resource.attributes);
            if footprint.removes {
                continue;
            }
            let places = footprint.owns.iter().chain(&footprint.brings);
            paths.extend(places.filter(|place| place.kind == PlaceKind::Path).map(|place| PathBuf::from(&*place.name)));
        }
        Self { paths }
    }

    /// Says whether the path, or something below it, is managed.
    pub fn covers(&self, path: &Path) -> bool {
        self.paths.range(path.to_owned()..).next().is_some_and(|next| next.starts_with(path))
    }

    /// Says whether exactly this path is managed.
    pub fn declares(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }
}

impl FromIterator<PathBuf> for ManagedPaths {
    fn from_iter<I: IntoIterator<Item = PathBuf>>(paths: I) -> Self {
        Self { paths: paths.into_iter().collect() }
    }
}
