//! The dead man's switch of `apply --confirm-within`: a process of its own that undoes the run unless `stead confirm` comes in time.
//!
//! It is started before the apply, in a session of its own, so that neither a lost connection nor a terminal that is gone ends it. It
//! waits until the apply has ended, in whatever way, and then for the confirmation. It holds a lock on the file that says what
//! is waited for: whoever finds the file without the lock knows that the guardian is gone, as after a restart of the machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use stead_engine::{Journal, RootSpec, RunRecord, RunStatus, make_state_dir};

use crate::commands::roll_back;
use crate::failure::Failure;
use crate::terminal::Terminal;

/// What is waited for, in the state directory. Taken away by whoever confirms.
const WAITING: &str = "confirm-within";
/// The same, once the guardian has begun to undo.
const CLAIMED: &str = "confirm-within.undoing";
/// What the guardian said.
const LOG: &str = "confirm-within.log";
/// How often the guardian looks.
const PAUSE: Duration = Duration::from_millis(100);
/// How often it looks whether somebody has undone the run.
const LOOK: Duration = Duration::from_secs(1);
/// More runs than these there are not while one waits.
const LATEST: u32 = 100;

/// What became of a confirmation.
pub(crate) enum Confirmed {
    /// In time.
    Kept,
    /// The guardian is gone; what was applied was not undone.
    KeptWithoutGuardian,
    /// It is being undone, or was.
    TooLate,
    /// Nothing is waited for.
    Nothing,
}

/// Says whether an apply waits for its confirmation, with a guardian that is there.
pub(crate) fn is_waiting(state_dir: &Path) -> bool {
    File::open(state_dir.join(WAITING)).is_ok_and(|file| is_held(&file))
}

/// Says whether an apply was never confirmed and its guardian is gone.
pub(crate) fn is_orphaned(state_dir: &Path) -> bool {
    File::open(state_dir.join(WAITING)).is_ok_and(|file| !is_held(&file))
}

fn is_held(file: &File) -> bool {
    rustix::fs::flock(file, FlockOperation::NonBlockingLockShared).is_err()
}

/// Starts the guardian. Returns when it is there.
pub(crate) fn start(state_dir: &Path, root: &RootSpec, within: Duration) -> io::Result<()> {
    make_state_dir(state_dir)?;
    let _ = fs::remove_file(state_dir.join(CLAIMED));
    let last = Journal::look(state_dir).ok().flatten().and_then(|journal| journal.last_run().ok().flatten());
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(state_dir.join(WAITING))?;
    writeln!(file, "{} {}", std::process::id(), last.map_or(0, |run| run.id))?;
    file.sync_all()?;
    let log = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(state_dir.join(LOG))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("guard").arg("--within").arg(format!("{}ns", within.as_nanos())).arg("--state-dir").arg(state_dir);
    if let RootSpec::Tree(tree) = root {
        command.arg("--root").arg(tree);
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut child = command.spawn()?;
    let begun = Instant::now();
    while !is_waiting(state_dir) {
        if child.try_wait()?.is_some() || begun.elapsed() > Duration::from_secs(10) {
            let _ = fs::remove_file(state_dir.join(WAITING));
            return Err(io::Error::other(format!("the guardian did not start: see {}", state_dir.join(LOG).display())));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Takes a confirmation.
pub(crate) fn confirm(state_dir: &Path) -> io::Result<Confirmed> {
    let waiting = state_dir.join(WAITING);
    let is_there = is_waiting(state_dir);
    match fs::remove_file(&waiting) {
        Ok(()) if is_there => Ok(Confirmed::Kept),
        Ok(()) => Ok(Confirmed::KeptWithoutGuardian),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(if state_dir.join(CLAIMED).exists() { Confirmed::TooLate } else { Confirmed::Nothing })
        }
        Err(error) => Err(error),
    }
}

/// Waits for the end of the apply, then for the confirmation, and undoes the run without one.
pub(crate) fn watch(state_dir: &Path, root: &RootSpec, within: Duration, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |source| Failure::Guard { path, source }
    };
    // A session of its own: no terminal that is gone takes this process along.
    let _ = rustix::process::setsid();
    ignore_hangups();
    let waiting = state_dir.join(WAITING);
    let mut file = File::open(&waiting).map_err(unusable(&waiting))?;
    // Whoever asks whether it is held holds it for a moment.
    rustix::fs::flock(&file, FlockOperation::LockExclusive).map_err(|error| unusable(&waiting)(error.into()))?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unusable(&waiting))?;
    let mut words = text.split_whitespace().map(|word| word.parse::<i64>().unwrap_or(0));
    let (apply, before) = (words.next().unwrap_or(0), words.next().unwrap_or(0));
    while is_running(apply, state_dir) {
        std::thread::sleep(PAUSE);
    }
    // The apply did nothing, or somebody has undone it already: there is nothing to confirm, and an undo is not to be undone.
    let settled = || {
        let _ = fs::remove_file(&waiting);
        Ok(ExitCode::SUCCESS)
    };
    let Some(run) = runs_since(state_dir, before).into_iter().rfind(|run| run.undoes.is_none()) else { return settled() };
    let is_undone = || {
        let undoing = |other: &RunRecord| other.undoes == Some(run.id) && other.status != RunStatus::Running;
        runs_since(state_dir, before).iter().any(undoing)
    };
    let end = Instant::now().checked_add(within);
    let mut looked = Instant::now();
    while end.is_none_or(|end| Instant::now() < end) {
        if !waiting.exists() {
            return Ok(ExitCode::SUCCESS);
        }
        if looked.elapsed() > LOOK {
            if is_undone() {
                return settled();
            }
            looked = Instant::now();
        }
        std::thread::sleep(PAUSE);
    }
    if is_undone() {
        return settled();
    }
    // One step: a confirmation comes before it, or too late.
    if fs::rename(&waiting, state_dir.join(CLAIMED)).is_err() {
        return Ok(ExitCode::SUCCESS);
    }
    terminal.note(&format!("run {} was not confirmed in time and is undone\n", run.id));
    roll_back(run.id, root, state_dir, false, terminal)
}

/// The runs after this one, the newest first.
fn runs_since(state_dir: &Path, before: i64) -> Vec<RunRecord> {
    let runs = Journal::look(state_dir).ok().flatten().and_then(|journal| journal.history(LATEST).ok()).unwrap_or_default();
    runs.into_iter().filter(|run| run.id > before).collect()
}

/// Says whether the apply is still at work: its process is there, or holds the machine's lock.
fn is_running(pid: i64, state_dir: &Path) -> bool {
    let stat = fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat"))).unwrap_or_default();
    // A zombie has ended (proc(5)): its state follows the name in parentheses.
    let is_alive = stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'));
    is_alive || Journal::look(state_dir).ok().flatten().is_some_and(|journal| journal.is_running())
}

/// Hang-ups of a terminal are nothing to this process.
fn ignore_hangups() {
    crate::signals::take(&[signal_hook::consts::SIGHUP]);
    if let Ok(mut signals) = signal_hook::iterator::Signals::new([signal_hook::consts::SIGHUP]) {
        std::thread::spawn(move || signals.forever().count());
    }
}
