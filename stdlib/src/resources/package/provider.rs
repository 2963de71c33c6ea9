//! What a package manager is to the resource type.

use std::path::Path;

use stead_engine::{ApplyError, Known, Machine, ObserveError, PackageChange, PackageWish, World};

use super::apt::Apt;
use super::removal::Removal;
use super::{Package, State};

/// A package manager. Another one is another implementation, in a file of its own beside `apt.rs`, and a line in [`PROVIDERS`].
pub(super) trait Provider: Sync {
    /// What users call it.
    fn name(&self) -> &'static str;

    /// What it can do besides installing and removing.
    fn abilities(&self) -> Abilities;

    /// A path that is there where it manages the packages.
    fn mark(&self) -> &'static str;

    /// What is lost when a package is removed, as far as its files and scripts tell.
    ///
    /// # Errors
    /// When the package database cannot be read.
    fn removal(&self, world: &dyn World, step: &PackageChange) -> Result<Removal, ObserveError>;

    /// The architectures that packages may be made for, the node's own first.
    ///
    /// # Errors
    /// When the package database cannot be read.
    fn architectures(&self, world: &dyn World) -> Result<Vec<String>, ObserveError>;

    /// Carries out a wish where it is not met, and then holds the package or lets it go.
    ///
    /// # Errors
    /// What cannot be met, and the package manager's own failure.
    fn apply(&self, machine: &Machine, wish: &PackageWish, hold: Option<bool>) -> Result<(), ApplyError>;
}

/// What not every package manager can do. What it cannot is refused, not left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Abilities {
    /// Install the version that is asked for.
    pub(super) versions: bool,
    /// Keep a version while others move on.
    pub(super) holds: bool,
    /// Leave out what a package only recommends.
    pub(super) recommends: bool,
    /// Take configuration away with a package, or leave it there.
    pub(super) purges: bool,
    /// Install a package from a file.
    pub(super) files: bool,
    /// Choose from which release a package comes.
    pub(super) releases: bool,
}

/// Every package manager, the one that is taken where none can be told first.
const PROVIDERS: [&dyn Provider; 1] = [&Apt];

/// The package manager of a machine.
pub(super) fn of(world: &dyn World) -> &'static dyn Provider {
    let is_here = |provider: &&&dyn Provider| matches!(world.stat(Path::new(provider.mark())), Ok(Known::Is(Some(_))));
    PROVIDERS.iter().find(is_here).copied().unwrap_or(PROVIDERS[0])
}

/// Refuses what a package manager cannot do.
///
/// # Errors
/// `unsupported-attribute`.
pub(super) fn refuse(provider: &dyn Provider, package: &Package) -> Result<(), ObserveError> {
    let Abilities { versions, holds, recommends, purges, files, releases } = provider.abilities();
    let wanted = [
        (versions, package.version.is_some(), "version"),
        (holds, package.hold.is_some(), "hold"),
        (recommends, package.recommends.is_some(), "recommends"),
        (purges, package.state == State::Purged, "state = purged"),
        (files, package.from.is_some(), "from"),
        (releases, package.release.is_some(), "release"),
    ];
    let Some((.., attribute)) = wanted.into_iter().find(|(can, is_wanted, _)| *is_wanted && !can) else { return Ok(()) };
    Err(ObserveError::Impossible {
        code: "unsupported-attribute",
        message: format!("`{attribute}` of package `{}` is nothing that {} can do", package.name, provider.name()),
        hint: "leave it out on this machine: a fact tells which it is, such as `facts.os.family`".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::AbsolutePath;

    /// A package manager that can only install and remove.
    struct Plain;

    impl Provider for Plain {
        fn name(&self) -> &'static str {
            "plain"
        }

        fn abilities(&self) -> Abilities {
            Abilities::default()
        }

        fn mark(&self) -> &'static str {
            "/etc/plain"
        }

        fn removal(&self, _: &dyn World, step: &PackageChange) -> Result<Removal, ObserveError> {
            Ok(Removal { package: step.name.clone(), ..Removal::default() })
        }

        fn architectures(&self, _: &dyn World) -> Result<Vec<String>, ObserveError> {
            Ok(Vec::new())
        }

        fn apply(&self, _: &Machine, _: &PackageWish, _: Option<bool>) -> Result<(), ApplyError> {
            Ok(())
        }
    }

    #[test]
    fn what_a_package_manager_cannot_do_is_refused() {
        let package = |version: Option<&str>, hold, state| Package {
            name: "app".into(),
            state,
            version: version.map(Into::into),
            release: None,
            from: None,
            checksum: None,
            downgrade: false,
            hold,
            recommends: None,
            refresh: None,
        };
        let told = |package: &Package| refuse(&Plain, package).err().map(|error| format!("{}: {error}", error.code()));
        assert_eq!(told(&package(None, None, State::Latest)), None);
        let all = [
            (package(Some("1.*"), None, State::Installed), "version"),
            (package(None, Some(false), State::Installed), "hold"),
            (package(None, None, State::Purged), "state = purged"),
            (Package { from: AbsolutePath::new("/app.deb"), ..package(None, None, State::Installed) }, "from"),
            (Package { release: Some("testing".into()), ..package(None, None, State::Installed) }, "release"),
        ];
        for (package, attribute) in &all {
            let expected = format!("unsupported-attribute: `{attribute}` of package `app` is nothing that plain can do");
            assert_eq!(told(package), Some(expected));
            assert!(refuse(&Apt, package).is_ok(), "apt can {attribute}");
        }
    }
}
