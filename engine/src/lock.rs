//! One apply at a time on a machine.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::process::Pid;

use crate::state_dir::make_state_dir;

/// Who holds the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its command line.
    pub command: String,
    /// When it took the lock.
    pub since: SystemTime,
}

impl Holder {
    fn is_alive(&self) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| !matches!(rustix::process::test_kill_process(pid), Err(Errno::SRCH)))
    }
}

/// How long a lock whose holder is gone is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the lock could not be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error("another apply is running")]
    Held(Option<Holder>),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The lock, held until it is dropped or the process ends in whatever way: the kernel lets go of it then.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that another thread has just forked holds the file as well until it is another program.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

impl Lock {
    /// Takes the lock in a state directory, which is made if need be. Does not wait for a holder that is alive.
    ///
    /// One that was killed may have left a child that holds the file until it is another program, and somebody who asks
    /// [`Lock::is_held`] holds it while asking: both let go within moments.
    pub(crate) fn take(state: &Path) -> Result<Self, LockError> {
        make_state_dir(state)?;
        let mut file = open(state, true)?;
        let start = Instant::now();
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) => {}
                Err(error) => return Err(LockError::Io(error.into())),
            }
            file.rewind()?;
            let holder = read(&mut file);
            if start.elapsed() > PATIENCE || holder.as_ref().is_some_and(Holder::is_alive) {
                return Err(LockError::Held(holder));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let command: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().replace('\n', " ")).collect();
        file.set_len(0)?;
        file.rewind()?;
        // For people only; what counts is the lock itself.
        let _ = write!(file, "{}\n{}\n{}\n", std::process::id(), since.as_secs(), command.join(" "));
        Ok(Self { file })
    }

    /// Says whether somebody holds the lock now.
    pub(crate) fn is_held(state: &Path) -> bool {
        let Ok(file) = open(state, false) else { return false };
        matches!(rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared), Err(Errno::WOULDBLOCK))
    }
}

fn open(state: &Path, create: bool) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new().read(true).write(create).create(create).mode(0o600).custom_flags(flags).open(state.join("lock"))
}

fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.take(64 << 10).read_to_string(&mut text).ok()?;
    let mut lines = text.lines();
    let pid = lines.next()?.parse().ok()?;
    let since = UNIX_EPOCH.checked_add(Duration::from_secs(lines.next()?.parse().ok()?))?;
    Some(Holder { pid, command: lines.next()?.to_owned(), since })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_whose_holder_is_gone_is_waited_for() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("lock"), "2147483646\n0\nstead apply\n").unwrap();
        let left = open(state.path(), false).unwrap();
        rustix::fs::flock(&left, FlockOperation::NonBlockingLockExclusive).unwrap();
        let child = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            drop(left);
        });
        assert!(Lock::take(state.path()).is_ok());
        child.join().unwrap();
    }

    #[test]
    fn the_second_is_told_about_the_first() {
        let state = tempfile::tempdir().unwrap();
        assert!(!Lock::is_held(state.path()));
        let lock = Lock::take(state.path()).unwrap();
        assert!(Lock::is_held(state.path()));
        match Lock::take(state.path()) {
            Err(LockError::Held(Some(holder))) => assert_eq!(holder.pid, std::process::id()),
            other => panic!("{other:?}"),
        }
        drop(lock);
        assert!(!Lock::is_held(state.path()));
        Lock::take(state.path()).unwrap();
    }
}
