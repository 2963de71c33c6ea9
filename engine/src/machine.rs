//! The one thing that writes. It keeps the journal itself, so that no resource type can forget to.
//!
//! A [`Machine`] is made for one change of one resource. Everything it does is relative to open directories, so that
//! nobody can exchange a directory between the look and the change; nothing is changed before the journal
//! holds what was there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stead_catalog::{Change, Command};

use crate::cancel::Cancel;
use crate::downloads::Downloads;
use crate::journal::{Before, Blobs, FileAttributes, NewAfter, NewBefore, Op, Writer};
use crate::observed::Observed;
use crate::process::{Ended, Finished, Spawn, Written};
use crate::root::Entry;
use crate::system::System;
use crate::{ApplyError, Restorer, World};

mod attributes;
mod before;
mod build;
mod commit;
mod kernel;
mod secrecy;
mod stage;
mod sweep;
mod temporary;
mod tree;

pub(crate) use before::{MAX_WRITTEN, afters, look_now, survey, xattrs};
pub use build::{NewTree, TreeEntry};
pub(crate) use commit::{Group, commit};
pub(crate) use kernel::KERNEL;
pub(crate) use secrecy::Secrecy;
pub use stage::Staged;
pub(crate) use sweep::sweep;
pub(crate) use temporary::random;

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
    /// What is there is a part of it.
    pub keeps: bool,
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

/// What was recorded, by kind and name: how it is brought back, and the last change that recorded it.
pub(crate) type Records = BTreeMap<(&'static str, String), (&'static Restorer, u32)>;

/// What all changes of a run share.
pub(crate) struct Shared {
    pub(crate) observed: Arc<Observed>,
    pub(crate) journal: Arc<Writer>,
    pub(crate) blobs: Blobs,
    pub(crate) cancel: Arc<Cancel>,
    /// Commands with declared effects are traced.
    pub(crate) audit: bool,
    /// Part of the name of every temporary file of this run.
    pub(crate) token: u32,
    /// What besides paths was recorded in this run, with the last change that did.
    pub(crate) records: Mutex<Records>,
    /// What changes have left at paths, where a package may go or come with files of its own afterwards.
    pub(crate) left: Option<Mutex<Vec<(u32, Before)>>>,
}

/// What is known of one change while it is made.
pub(crate) struct Scope {
    /// The change's row in the journal, which is on the disk.
    pub(crate) sequence: u32,
    /// Which contents are not kept, since they may hold secrets.
    pub(crate) secrecy: Secrecy,
    /// Paths whose state before the change is in the journal; `true` with their content.
    pub(crate) recorded: Mutex<BTreeMap<PathBuf, bool>>,
    /// Something has been changed.
    pub(crate) touched: AtomicBool,
    /// What is at paths after the change, as far as it is known without another look.
    pub(crate) placed: Mutex<BTreeMap<PathBuf, Before>>,
    /// What the change has left, to be written to the journal with its end.
    pub(crate) afters: Mutex<Vec<NewAfter>>,
    /// Directories with changed entries, to be synced before the change is reported.
    pub(crate) unsynced: Mutex<Vec<PathBuf>>,
    /// When the current try has to end.
    pub(crate) deadline: Mutex<Option<Instant>>,
    /// What a second look found to be left.
    pub(crate) remaining: Mutex<Vec<Change>>,
    /// What its commands wrote and did not declare, or why that is not known.
    pub(crate) undeclared: Mutex<Vec<Result<Written, String>>>,
}

impl Scope {
    pub(crate) fn new(sequence: u32, secrecy: Secrecy) -> Self {
        Self {
            sequence,
            secrecy,
            recorded: Mutex::default(),
            touched: AtomicBool::new(false),
            placed: Mutex::default(),
            afters: Mutex::default(),
            unsynced: Mutex::default(),
            deadline: Mutex::default(),
            remaining: Mutex::default(),
            undeclared: Mutex::default(),
        }
    }

    pub(crate) fn recorded(&self) -> MutexGuard<'_, BTreeMap<PathBuf, bool>> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the directories that are to be synced.
    pub(crate) fn take_unsynced(&self) -> Vec<PathBuf> {
        std::mem::take(&mut self.unsynced.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn is_touched(&self) -> bool {
        self.touched.load(Ordering::Relaxed)
    }
}

/// A machine that may be changed, for one change.
pub struct Machine {
    shared: Arc<Shared>,
    scope: Arc<Scope>,
}

impl Machine {
    pub(crate) fn new(shared: Arc<Shared>, scope: Arc<Scope>) -> Self {
        Self { shared, scope }
    }

    /// The machine as it is now.
    pub fn world(&self) -> &dyn World {
        &*self.shared.observed
    }

    /// The parts of the operating system that change accounts, packages and units.
    pub fn system(&self) -> &System {
        self.shared.observed.system()
    }

    /// Where the parts of what is fetched are kept until it is whole; `None` where nothing is kept.
    pub fn downloads(&self) -> Option<&Downloads> {
        self.shared.observed.downloads()
    }

    /// How long the change may still take; `None` when there is no limit.
    pub fn time_left(&self) -> Option<Duration> {
        let deadline = *self.scope.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Says whether the run is being ended: what waits for something gives up.
    pub fn is_aborted(&self) -> bool {
        self.shared.cancel.is_aborted()
    }

    /// Writes a file's new content beside its destination. Nothing is visible at the destination before the engine commits it.
    ///
    /// Extended attributes and ACLs of a regular file that is replaced are kept, except those that speak of its
    /// content (`security.capability`, `security.ima`, `security.evm`). Other hard links to it keep the old content.
    ///
    /// # Errors
    /// What the operating system refused, or the validation command.
    pub fn stage_file(&self, write: &FileWrite) -> Result<Staged, ApplyError> {
        self.may_change()?;
        stage::stage(self, write)
    }

    /// Writes a file as the journal has it beside its destination, with exactly these attributes and the time of its last change.
    ///
    /// # Errors
    /// What the operating system refused.
    pub(crate) fn stage_restored(
        &self,
        path: &Path,
        content: &[u8],
        attributes: &FileAttributes,
        sensitive: bool,
    ) -> Result<Staged, ApplyError> {
        self.may_change()?;
        stage::restore(self, path, content, attributes, sensitive)
    }

    /// Gives a directory these extended attributes. It was made by this change, so that there is nothing to keep.
    ///
    /// # Errors
    /// What the operating system refused.
    pub(crate) fn set_xattrs(&self, path: &Path, xattrs: &BTreeMap<String, String>) -> Result<(), ApplyError> {
        self.may_change()?;
        attributes::set_xattrs(self, path, xattrs)
    }

    /// Removes a directory that is empty.
    ///
    /// # Errors
    /// `directory-not-empty`; what the operating system refused.
    pub(crate) fn remove_directory(&self, path: &Path) -> Result<(), ApplyError> {
        self.may_change()?;
        tree::remove_directory(self, path)
    }

    /// Puts staged files in place at once, for a change that goes on after them: a service that is started with its new unit file.
    /// A change that ends with its files leaves that to the engine, which does it for many changes together.
    ///
    /// # Errors
    /// What the operating system refused.
    pub fn commit(&self, staged: Vec<Staged>) -> Result<(), ApplyError> {
        if staged.is_empty() {
            return Ok(());
        }
        self.may_change()?;
        let mut groups = [Group { scope: self.scope.clone(), staged, result: Ok(()) }];
        commit(&self.shared, &mut groups);
        let [group] = groups;
        group.result
    }

    /// Makes a directory. Its parent must exist.
    ///
    /// # Errors
    /// What the operating system refused.
    pub fn make_directory(&self, path: &Path, mode: u32, uid: Option<u32>, gid: Option<u32>) -> Result<(), ApplyError> {
        self.may_change()?;
        attributes::make_directory(self, path, mode, uid, gid)
    }

    /// As [`Machine::stage_file`], for content that comes piece by piece: `fill` writes it, in place of the content of `write`. Where it
    /// fails, nothing is left.
    ///
    /// # Errors
    /// What the operating system refused, the validation command, and what `fill` fails with.
    pub fn stage_stream(
        &self,
        write: &FileWrite,
        fill: &mut dyn FnMut(&mut dyn std::io::Write) -> Result<(), ApplyError>,
    ) -> Result<Staged, ApplyError> {
        self.may_change()?;
        stage::stage_with(self, write, fill)
    }

    /// Begins a tree that is made beside its place and renamed when it is whole: see [`NewTree`]. Nothing may be at `path`.
    ///
    /// # Errors
    /// What the operating system refused.
    pub fn new_tree(&self, path: &Path) -> Result<NewTree<'_>, ApplyError> {
        self.may_change()?;
        NewTree::begin(self, path)
    }

    /// Makes a symlink, or replaces one (or a file) in a single step.
    ///
    /// # Errors
    /// What the operating system refused.
    pub fn make_symlink(&self, path: &Path, target: &Path, uid: Option<u32>, gid: Option<u32>) -> Result<(), ApplyError> {
        self.may_change()?;
        attributes::make_symlink(self, path, target, uid, gid)
    }

    /// Removes a file or a symlink, keeping what it was in the journal. Nothing there is fine.
    ///
    /// # Errors
    /// What the operating system refused.
    pub fn remove_file(&self, path: &Path) -> Result<(), ApplyError> {
        self.may_change()?;
        tree::remove_file(self, path)
    }

    /// Removes a directory and everything below it, never following a symlink or crossing into another file system.
    /// A mount point below it is refused before anything is removed.
    ///
    /// # Errors
    /// What the operating system refused.
    pub fn remove_tree(&self, path: &Path) -> Result<(), ApplyError> {
        self.may_change()?;
        tree::remove_tree(self, path)
    }

    /// Sets owner and mode of what is at the path; of a symlink the owner only. Nobody may do more in between than
    /// before and after.
    ///
    /// # Errors
    /// What the operating system refused.
    pub fn set_attributes(&self, path: &Path, mode: Option<u32>, uid: Option<u32>, gid: Option<u32>) -> Result<(), ApplyError> {
        self.may_change()?;
        attributes::set_attributes(self, path, mode, uid, gid)
    }

    /// Runs a command to its end: inside the tree of `--root DIR`, where there is one.
    ///
    /// # Errors
    /// When it cannot be started or takes too long. Its exit status is the caller's to judge.
    pub fn run(&self, run: &Run) -> Result<Output, ApplyError> {
        let root = self.shared.observed.command_root()?;
        self.spawn(run, root, None)
    }

    /// As [`Machine::run`], of a command that says which paths it writes, or what lies below them. What files among them hold goes into the
    /// journal first, but for large ones. In a run that audits, everything else that it writes is told.
    ///
    /// # Errors
    /// As there, [`ApplyError::Journal`], and what looking at a path fails with.
    pub fn run_declared(&self, run: &Run, writes: &[&Path]) -> Result<Output, ApplyError> {
        self.may_change()?;
        before::keep_written(self, writes)?;
        let root = self.shared.observed.command_root()?;
        self.spawn(run, root, Some(writes).filter(|_| self.shared.audit))
    }

    /// Writes a live setting of the kernel, in place: a file below `/proc/sys` or `/sys`. What it held goes into the journal as a
    /// record of the kind `kernel`, named by the path.
    ///
    /// # Errors
    /// What the kernel refused, and on the tree of `--root DIR`, which has no kernel.
    pub fn write_kernel(&self, path: &Path, value: &[u8]) -> Result<(), ApplyError> {
        self.may_change()?;
        kernel::write(self, path, value)
    }

    /// Writes to the journal what was there before a change that is none of the above: an account, a package, a unit.
    /// The restorer says how an undo brings it back; its documentation says what `before` holds.
    ///
    /// # Errors
    /// [`ApplyError::Journal`]; nothing may be changed then.
    pub fn record(&self, restorer: &'static Restorer, name: &str, before: serde_json::Value) -> Result<(), ApplyError> {
        self.may_change()?;
        let before = Before::Record { kind: restorer.kind.to_owned(), name: name.to_owned(), state: before };
        let mut records = self.shared.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.insert((restorer.kind, name.to_owned()), (restorer, self.scope.sequence));
        drop(records);
        self.shared
            .journal
            .write(vec![Op::Before { sequence: self.scope.sequence, before: NewBefore { before, content: None } }])?;
        self.scope.touched.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Writes to the journal what is at paths that a tool is about to make, change or remove: contents and all. Nothing
    /// there is kept as well, so that an undo removes what the tool makes.
    ///
    /// # Errors
    /// [`ApplyError::Journal`], and what looking at a path fails with; nothing may be changed then.
    pub fn keep_before<'p>(&self, paths: impl IntoIterator<Item = &'p Path>) -> Result<(), ApplyError> {
        self.may_change()?;
        before::keep_all(self, paths)
    }

    /// Writes to the journal what is at a path and everything below it, before a tool removes or changes it.
    ///
    /// # Errors
    /// As [`Machine::keep_before`]; a mount point below it is refused.
    pub fn keep_tree(&self, path: &Path) -> Result<(), ApplyError> {
        self.may_change()?;
        tree::keep_tree(self, path)
    }

    fn spawn(&self, run: &Run, chroot: Option<PathBuf>, audited: Option<&[&Path]>) -> Result<Output, ApplyError> {
        self.may_change()?;
        let timeout = match (run.timeout, self.time_left()) {
            (Some(own), Some(left)) => Some(own.min(left)),
            (own, left) => own.or(left),
        };
        let spawn = Spawn {
            command: &run.command,
            user: run.user.as_deref().map(|name| self.shared.observed.run_as(name)).transpose()?,
            cwd: run.cwd.as_deref(),
            env: &run.env,
            stdin: run.stdin.as_deref(),
            umask: run.umask,
            chroot,
            timeout,
            quiet: false,
        };
        let scrubbed = || scrub(run.command.to_string().into_bytes(), &run.secrets);
        let command = || String::from_utf8_lossy(&scrubbed()).into_owned();
        self.scope.touched.store(true, Ordering::Relaxed);
        // A directory that is kept open keeps what it is in from being unmounted.
        self.shared.observed.root().forget();
        let finished = match audited {
            None => spawn.run(&self.shared.cancel),
            Some(declared) => self.audit(&spawn, declared),
        };
        self.shared.observed.forget();
        let finished =
            finished.map_err(|error| ApplyError::NotStarted { command: command(), reason: crate::net::words(&error) })?;
        match finished.ended {
            Ended::Status(status) => Ok(Output {
                status,
                stdout: scrub(finished.stdout.into_bytes(), &run.secrets),
                stderr: scrub(finished.stderr.into_bytes(), &run.secrets),
            }),
            Ended::TimedOut => Err(ApplyError::Timeout { command: command(), limit: timeout.unwrap_or_default() }),
            Ended::Aborted => Err(ApplyError::Cancelled),
        }
    }

    /// Runs a command and notes what it writes besides what it declares.
    fn audit(&self, spawn: &Spawn<'_>, declared: &[&Path]) -> std::io::Result<Finished> {
        let note = |found| self.scope.undeclared.lock().unwrap_or_else(PoisonError::into_inner).extend::<Vec<_>>(found);
        match spawn.run_traced(&self.shared.cancel) {
            Ok((finished, written)) => {
                let is_declared = |written: &Written| declared.iter().any(|path| written.path.starts_with(path));
                note(written.into_iter().filter(|written| !is_declared(written)).map(Ok).collect());
                Ok(finished)
            }
            // It has not run: nobody may trace here. What it does is not known then, and done all the same.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS)) => {
                note(vec![Err(error.to_string())]);
                spawn.run(&self.shared.cancel)
            }
            Err(error) => Err(error),
        }
    }

    fn may_change(&self) -> Result<(), ApplyError> {
        if self.is_aborted() { Err(ApplyError::Cancelled) } else { Ok(()) }
    }

    /// Finds the directory and the name of a path that is to be changed.
    fn entry<'p>(&self, operation: &'static str, path: &'p Path) -> Result<Entry<'p>, ApplyError> {
        let missing = || ApplyError::io(operation, path, &std::io::Error::from(std::io::ErrorKind::NotFound));
        let entry = self.shared.observed.root().parent(path)?.ok_or_else(missing)?;
        if !entry.directory.is_gone() {
            return Ok(entry);
        }
        let parent = path.parent().unwrap_or(path);
        let directory = self.shared.observed.root().reopen(parent)?.ok_or_else(missing)?;
        Ok(Entry { directory, name: entry.name })
    }

    /// Notes that an entry of a directory was changed.
    fn touched(&self, path: &Path) {
        self.scope.touched.store(true, Ordering::Relaxed);
        self.system().systemd.note_change(path);
        let directory = path.parent().unwrap_or(path);
        let mut unsynced = self.scope.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        if unsynced.last().is_none_or(|last| last != directory) {
            unsynced.push(directory.to_owned());
        }
    }
}

/// Replaces every secret in the bytes.
fn scrub(bytes: Vec<u8>, secrets: &[Arc<str>]) -> Vec<u8> {
    let mut secrets: Vec<&[u8]> = secrets.iter().map(|secret| secret.as_bytes()).filter(|secret| !secret.is_empty()).collect();
    // The longest first: one secret may be a part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    if secrets.is_empty() {
        return bytes;
    }
    let mut clean = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match secrets.iter().find(|secret| bytes[at..].starts_with(secret)) {
            Some(secret) => {
                clean.extend_from_slice(b"(sensitive)");
                at += secret.len();
            }
            None => {
                clean.push(bytes[at]);
                at += 1;
            }
        }
    }
    clean
}

/// Makes the error of a system call that was to change something.
fn refused(operation: &'static str, path: &Path, error: rustix::io::Errno) -> ApplyError {
    ApplyError::io(operation, path, &std::io::Error::from(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_scrubbed() {
        let clean = |text: &str| {
            let secrets = ["hunter2".into(), "hunter".into(), "".into()];
            String::from_utf8(scrub(text.as_bytes().to_vec(), &secrets)).unwrap()
        };
        assert_eq!(clean("a hunter2 b hunter"), "a (sensitive) b (sensitive)");
        assert_eq!(clean("nothing"), "nothing");
    }
}
