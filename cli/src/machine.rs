//! The machine a command works on: this one, or a tree; and where its journal is.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use stead_catalog::Catalog;
use stead_engine::{Journal, Observed, PlanOptions, Planned, Registry, RootSpec};

use crate::args::{FetchArguments, MachineArguments};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// Where the paths of a catalog lead.
pub(crate) fn root(arguments: &MachineArguments) -> Result<RootSpec, Failure> {
    match &arguments.root {
        None => Ok(RootSpec::Machine),
        Some(directory) if directory.is_dir() => {
            let full = directory.canonicalize().map_err(|source| Failure::Unreadable { path: directory.clone(), source })?;
            Ok(if full == Path::new("/") { RootSpec::Machine } else { RootSpec::Tree(full) })
        }
        Some(other) if other.exists() => Err(Failure::NoDirectory(other.clone())),
        Some(nothing) => Err(Failure::NoSuchPath(nothing.clone())),
    }
}

/// Where the journal is kept: as given by the flag; else below the place of the system (for root) or of the user, where each
/// tree has a directory of its own, so that what one tree is owed is not paid by another.
pub(crate) fn state_dir(given: Option<&Path>, root: &RootSpec) -> PathBuf {
    match (given, root) {
        (Some(directory), _) => directory.to_owned(),
        (None, RootSpec::Machine) => state_home(),
        (None, RootSpec::Tree(tree)) => state_home().join("roots").join(escaped(tree)),
    }
}

fn state_home() -> PathBuf {
    if let Some(directory) = std::env::var_os("STEAD_STATE_DIR").filter(|directory| !directory.is_empty()) {
        return PathBuf::from(directory);
    }
    let uid = rustix::process::geteuid();
    if uid.is_root() {
        return PathBuf::from("/var/lib/stead");
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    state.unwrap_or_else(|| PathBuf::from("/var/tmp").join(format!("stead-{}", uid.as_raw()))).join("stead")
}

/// Where what is fetched for plans is kept, where anything is: beside a state directory that was given, else in the cache of the
/// system (for root) or of the user.
pub(crate) fn cache_dir(arguments: &MachineArguments, fetch: &FetchArguments, root: &RootSpec) -> Option<PathBuf> {
    if fetch.no_fetch || *root != RootSpec::Machine {
        return None;
    }
    let given = arguments
        .state_dir
        .clone()
        .or_else(|| std::env::var_os("STEAD_STATE_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from));
    if let Some(state) = given {
        // apt is told an absolute path.
        return std::path::absolute(state.join("cache")).ok();
    }
    user_cache()
}

/// Where an operator keeps what can be made again: beside a state directory that was given, else as [`user_cache`].
pub(crate) fn operator_cache() -> Option<PathBuf> {
    let given = std::env::var_os("STEAD_STATE_DIR").filter(|directory| !directory.is_empty());
    given.map(|state| PathBuf::from(state).join("cache")).or_else(user_cache)
}

/// The cache of the system (for root) or of the user, where there is a place for one.
pub(crate) fn user_cache() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/var/cache/stead"));
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("stead"))
}

/// A path as one name: `/srv/image` is `-srv-image`; what could be mistaken is written in hexadecimal.
pub(crate) fn escaped(path: &Path) -> String {
    let mut name = String::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' => name.push('-'),
            byte if byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'.' => name.push(char::from(*byte)),
            byte => {
                let _ = write!(name, "%{byte:02x}");
            }
        }
    }
    name
}

/// Plans a catalog against the machine as it is, with the reactions that earlier runs owe.
pub(crate) fn plan(
    catalog: &Catalog,
    registry: &Registry,
    root: &RootSpec,
    state_dir: &Path,
    cache_dir: Option<&Path>,
    terminal: &Terminal,
) -> Result<Planned, Failure> {
    let mut world = Observed::new(root).map_err(Failure::Machine)?.remembering(state_dir);
    if let Some(cache) = cache_dir {
        world = world.reading_ahead(cache);
    }
    let owed = Journal::look(state_dir).and_then(|journal| journal.map_or(Ok(Vec::new()), |journal| journal.pending()));
    let pending = owed.unwrap_or_else(|error| {
        terminal.note(&terminal.warning_line(error.code(), &format!("{error}; reactions that earlier runs owe are not known")));
        Vec::new()
    });
    Ok(stead_engine::plan(catalog, registry, &world, &PlanOptions::owing(pending)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_trees_share_a_name() {
        assert_eq!(escaped(Path::new("/srv/image")), "-srv-image");
        assert_eq!(escaped(Path::new("/srv-image")), "-srv%2dimage");
    }
}
