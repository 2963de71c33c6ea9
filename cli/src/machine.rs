//! The machine a command works on: this one, or a tree.

use std::path::{Path, PathBuf};

use stead_catalog::Catalog;
use stead_engine::{Observed, PlanOptions, Planned, Registry, RootSpec};

use crate::args::MachineArguments;
use crate::failure::Failure;

/// Where the paths of a catalog lead.
pub(crate) fn root(arguments: &MachineArguments) -> Result<RootSpec, Failure> {
    match &arguments.root {
        None => Ok(RootSpec::Machine),
        Some(directory) if directory.is_dir() => {
            let full = directory.canonicalize().map_err(|source| Failure::Unreadable { path: directory.clone(), source })?;
            Ok(if full == Path::new("/") { RootSpec::Machine } else { RootSpec::Tree(full) })
        }
        Some(directory) => Err(Failure::NoSuchPath(directory.clone())),
    }
}

/// Where the journal is kept: as given by the flag or STEAD_STATE_DIR, else the system's for root, else the user's own.
pub(crate) fn state_dir(arguments: &MachineArguments) -> PathBuf {
    if let Some(directory) = &arguments.state_dir {
        return directory.clone();
    }
    if let Some(directory) = std::env::var_os("STEAD_STATE_DIR").filter(|directory| !directory.is_empty()) {
        return PathBuf::from(directory);
    }
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/stead");
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    state
        .unwrap_or_else(|| PathBuf::from("/var/tmp").join(format!("stead-{}", rustix::process::geteuid().as_raw())))
        .join("stead")
}

/// Plans a catalog against the machine as it is.
pub(crate) fn plan(catalog: &Catalog, registry: &Registry, root: &RootSpec, _state_dir: &Path) -> Result<Planned, Failure> {
    let world = Observed::new(root).map_err(Failure::Machine)?;
    Ok(stead_engine::plan(catalog, registry, &world, &PlanOptions::default()))
}
