//! What a package manager is to the sources of its packages.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_engine::{ApplyError, Known, Machine, ObserveError, World};

use super::apt::Apt;
use super::{Format, Kind, Repository};

/// One file: what it is for a plan, where it is, and what is in it; `None`: it is not there.
#[derive(Clone, Debug)]
pub(super) struct WantedFile {
    pub(super) what: &'static str,
    pub(super) path: PathBuf,
    pub(super) content: Option<Known<Arc<[u8]>>>,
}

/// What not every package manager knows of sources. What it does not is refused, not left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Abilities {
    /// Sources of packages.
    pub(super) sources: bool,
    /// A priority for a source.
    pub(super) priorities: bool,
    /// Several ways to write the file.
    pub(super) formats: bool,
    /// Components of a suite.
    pub(super) components: bool,
}

/// A package manager. Another one is another implementation, in a file of its own beside `apt.rs`, and a line in [`PROVIDERS`].
pub(super) trait Provider: Sync {
    /// What users call it.
    fn name(&self) -> &'static str;

    /// What it knows of sources.
    fn abilities(&self) -> Abilities;

    /// A path that is there where it manages the packages.
    fn mark(&self) -> &'static str;

    /// All files that a repository of this name can have.
    fn all_paths(&self, repository: &Repository) -> Vec<PathBuf>;

    /// Where its key may be.
    fn key_paths(&self, repository: &Repository) -> Vec<PathBuf>;

    /// The directory of the keys, which need not be there.
    fn keyrings(&self) -> &'static Path;

    /// All files with what they are to hold: the key first, for the source names it.
    fn files(&self, repository: &Repository, key: Option<&Known<Arc<[u8]>>>) -> Vec<WantedFile>;

    /// Asks the package manager whether it takes these files, before anything is written.
    ///
    /// # Errors
    /// `repository-unusable`.
    fn try_files(&self, machine: &Machine, files: Vec<(PathBuf, Option<Arc<[u8]>>)>) -> Result<(), ApplyError>;

    /// Files of the index that the machine lacks while it has those of others: fetching it failed or was cut short.
    ///
    /// # Errors
    /// When it cannot be looked at.
    fn unfetched(&self, repository: &Repository, world: &dyn World) -> Result<Vec<PathBuf>, ObserveError>;

    /// Fetches the index of the source in this file.
    ///
    /// # Errors
    /// `repository-unusable`, and the package manager's own failure.
    fn refresh(&self, machine: &Machine, source: &Path) -> Result<(), ApplyError>;
}

/// Every package manager, the one that is taken where none can be told first. What a repository owns is said before a machine is
/// known, and says so for all of them.
pub(super) const PROVIDERS: [&dyn Provider; 1] = [&Apt];

/// The package manager of a machine.
pub(super) fn of(world: &dyn World) -> &'static dyn Provider {
    let is_here = |provider: &&&dyn Provider| matches!(world.stat(Path::new(provider.mark())), Ok(Known::Is(Some(_))));
    PROVIDERS.iter().find(is_here).copied().unwrap_or(PROVIDERS[0])
}

/// Refuses what a package manager does not know.
///
/// # Errors
/// `unsupported-attribute`.
pub(super) fn refuse(abilities: Abilities, name: &str, repository: &Repository) -> Result<(), ObserveError> {
    let Abilities { sources, priorities, formats, components } = abilities;
    let wanted = [
        (sources, repository.types.iter().any(|kind| *kind == Kind::DebSrc), "types"),
        (priorities, repository.priority.is_some(), "priority"),
        (formats, repository.format != Format::Deb822, "format"),
        (components, repository.components.iter().next().is_some(), "components"),
    ];
    let Some((.., attribute)) = wanted.into_iter().find(|(can, is_wanted, _)| *is_wanted && !can) else { return Ok(()) };
    Err(ObserveError::Impossible {
        code: "unsupported-attribute",
        message: format!("`{attribute}` of repository `{}` is nothing that {name} knows", repository.name),
        hint: "leave it out on this machine: a fact tells which it is, such as `facts.os.family`".into(),
    })
}
