//! What a package manager is to the resource type.

use stead_engine::{ApplyError, Machine, ObserveError, PackageChange, PackageWish, World};

use super::removal::Removal;

/// A package manager. Another one is another implementation, in a file of its own beside `apt.rs`.
pub(super) trait Provider {
    /// What is lost when a package is removed, as far as its files and scripts tell.
    ///
    /// # Errors
    /// When the package database cannot be read.
    fn removal(&self, world: &dyn World, step: &PackageChange) -> Result<Removal, ObserveError>;

    /// Carries out a wish where it is not met, and then holds the package or lets it go.
    ///
    /// # Errors
    /// What cannot be met, and the package manager's own failure.
    fn apply(&self, machine: &Machine, wish: &PackageWish, hold: Option<bool>) -> Result<(), ApplyError>;
}
