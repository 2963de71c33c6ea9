//! The one thing that writes. It keeps the journal itself, so that no resource type can forget to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stead_catalog::Command;

use crate::system::System;
use crate::{ApplyError, World};

/// New content of a file, with everything that the file will have.
#[derive(Clone, Debug)]
pub struct FileWrite {
    /// Where it goes.
    pub path: PathBuf,
    /// All of it.
    pub content: Arc<[u8]>,
    /// Permission bits of the new file.
    pub mode: u32,
    /// Owning user's id; the engine's own when `None`.
    pub uid: Option<u32>,
    /// Owning group's id; the engine's own when `None`.
    pub gid: Option<u32>,
    /// Run on the temporary file before it is put in place; `%s` stands for its path.
    pub validate: Option<Command>,
    /// The content is secret: it is kept out of the journal's readable parts and out of messages.
    pub sensitive: bool,
}

/// A file written beside its destination, to be synced and renamed.
#[derive(Debug)]
pub struct Staged {
    pub(crate) temporary: PathBuf,
    pub(crate) destination: PathBuf,
}

/// A command to be run for its effect.
#[derive(Clone, Debug)]
pub struct Run {
    /// What to run.
    pub command: Command,
    /// As whom; the engine's own user when `None`.
    pub user: Option<Arc<str>>,
    /// Working directory; `/` when `None`.
    pub cwd: Option<Arc<str>>,
    /// Environment added to a small fixed one.
    pub env: Vec<(Arc<str>, Arc<str>)>,
    /// Longest time it may take.
    pub timeout: Option<Duration>,
    /// Given on standard input: the way for secrets.
    pub stdin: Option<Arc<[u8]>>,
    /// Texts that must not appear in messages.
    pub secrets: Vec<Arc<str>>,
    /// umask of the command, when given.
    pub umask: Option<u32>,
}

/// What a command did.
#[derive(Clone, Debug)]
pub struct Output {
    /// Exit status, or 128 + signal.
    pub status: i32,
    /// Standard output, at most 1 MiB of it.
    pub stdout: Vec<u8>,
    /// Standard error, at most 1 MiB of it.
    pub stderr: Vec<u8>,
}

/// A machine that may be changed.
pub struct Machine {
    world: Box<dyn World + Send + Sync>,
    system: Arc<System>,
}

impl Machine {
    /// The machine as it is now.
    pub fn world(&self) -> &dyn World {
        &*self.world
    }

    /// The parts of the operating system that change accounts, packages and units.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// Writes a file's new content beside its destination. Nothing is visible at the destination before the engine commits it.
    ///
    /// # Errors
    /// What the operating system refused, or the validation command.
    pub fn stage_file(&self, _write: &FileWrite) -> Result<Staged, ApplyError> {
        Err(ApplyError::Cancelled)
    }

    /// Makes a directory. Its parent must exist.
    ///
    /// # Errors
    /// What the operating system refused.
    pub fn make_directory(&self, _path: &Path, _mode: u32, _uid: Option<u32>, _gid: Option<u32>) -> Result<(), ApplyError> {
        Err(ApplyError::Cancelled)
    }

    /// Makes a symlink, or replaces one in a single step.
    ///
    /// # Errors
    /// What the operating system refused.
    pub fn make_symlink(&self, _path: &Path, _target: &Path, _uid: Option<u32>, _gid: Option<u32>) -> Result<(), ApplyError> {
        Err(ApplyError::Cancelled)
    }

    /// Removes a file or a symlink, keeping what it was in the journal.
    ///
    /// # Errors
    /// What the operating system refused.
    pub fn remove_file(&self, _path: &Path) -> Result<(), ApplyError> {
        Err(ApplyError::Cancelled)
    }

    /// Removes a directory and everything below it, never following a symlink or crossing into another file system.
    ///
    /// # Errors
    /// What the operating system refused.
    pub fn remove_tree(&self, _path: &Path) -> Result<(), ApplyError> {
        Err(ApplyError::Cancelled)
    }

    /// Sets owner and then mode of what is at the path; of a symlink the owner only. Never widens a mode in between.
    ///
    /// # Errors
    /// What the operating system refused.
    pub fn set_attributes(
        &self,
        _path: &Path,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
    ) -> Result<(), ApplyError> {
        Err(ApplyError::Cancelled)
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it cannot be started or takes too long. Its exit status is the caller's to judge.
    pub fn run(&self, _run: &Run) -> Result<Output, ApplyError> {
        Err(ApplyError::Cancelled)
    }

    /// Writes to the journal what was there before a change that is none of the above: an account, a package, a unit.
    ///
    /// # Errors
    /// [`ApplyError::Journal`]; nothing may be changed then.
    pub fn record(&self, _kind: &'static str, _name: &str, _before: serde_json::Value) -> Result<(), ApplyError> {
        Err(ApplyError::Cancelled)
    }
}
