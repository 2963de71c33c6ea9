//! The parts of an operating system that are neither files nor commands: accounts, packages, units.
//!
//! Each part reads with `&self` and keeps what it read until it is told to forget. What changes the machine takes a
//! [`Machine`](crate::Machine), so that only `apply` can call it, and forgets by itself. One [`System`] is shared by the
//! observed world and the machine of a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cancel::Cancel;

pub mod accounts;
pub mod apt;
pub mod archive;
mod asking;
pub mod dpkg;
mod kept;
pub mod systemd;
mod tree;

pub use accounts::Accounts;
pub use apt::Apt;
pub use dpkg::Dpkg;
pub use systemd::Systemd;

/// Accounts, packages and units of one machine, or of a tree that is not booted (`--root DIR`).
#[derive(Debug)]
pub struct System {
    root: PathBuf,
    /// passwd, group, shadow.
    pub accounts: Accounts,
    /// The package database.
    pub dpkg: Arc<Dpkg>,
    /// What can be installed.
    pub apt: Apt,
    /// The service manager.
    pub systemd: Systemd,
}

impl System {
    /// The system at `root`; `/` is the running machine. Reads nothing yet.
    pub fn new(root: &Path) -> Self {
        let dpkg = Arc::new(Dpkg::new(root));
        Self {
            root: root.to_owned(),
            accounts: Accounts::new(root),
            apt: Apt::new(root, dpkg.clone()),
            dpkg,
            systemd: Systemd::new(root),
        }
    }

    /// Ends what is asked of it when the run is aborted.
    pub(crate) fn cancelled_by(&mut self, cancel: &Arc<Cancel>) {
        self.accounts.asking.cancelled_by(cancel);
        self.apt.asking.cancelled_by(cancel);
    }

    /// Where the system lies.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Says whether it is a tree and not the running machine.
    pub fn is_tree(&self) -> bool {
        self.root != Path::new("/")
    }

    /// Forgets everything that was read: after a command whose effects are not known.
    pub fn forget(&self) {
        self.accounts.forget();
        self.dpkg.forget();
        self.apt.forget();
    }
}
