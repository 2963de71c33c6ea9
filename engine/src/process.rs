//! Running a command to its end: in a session of its own, with a small fixed environment, a time limit and bounded output.
//!
//! A command has no controlling terminal and reads nothing but what it is given. When it takes too long, or the run is
//! aborted, everything in its process group ends with it; what it leaves behind after a normal end (a daemon) is let be.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command as StdCommand, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal};
use stead_catalog::Command;

use crate::cancel::Cancel;

mod capture;
mod child;
mod trace;

pub(crate) use capture::Captured;
pub use trace::{Effect, Written};

/// Where commands are looked for: also for a user whose own PATH is another, so that a plan does not depend on who makes it.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a process group has to end after it was asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// How long output is still read after the command ended, when something it left behind holds the pipes.
const LINGER: Duration = Duration::from_millis(100);

/// How often a waiting run looks whether it has been aborted.
const TICK: Duration = Duration::from_millis(50);

/// The account a command runs under.
#[derive(Clone, Debug)]
pub(crate) struct RunAs {
    pub(crate) name: Arc<str>,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) home: Arc<str>,
    pub(crate) shell: Arc<str>,
}

/// A command, ready to be started.
#[derive(Debug)]
pub(crate) struct Spawn<'a> {
    pub(crate) command: &'a Command,
    /// The engine's own user when `None`.
    pub(crate) user: Option<RunAs>,
    pub(crate) cwd: Option<&'a str>,
    pub(crate) env: &'a [(Arc<str>, Arc<str>)],
    pub(crate) stdin: Option<&'a [u8]>,
    pub(crate) umask: Option<u32>,
    /// Made the command's root directory.
    pub(crate) chroot: Option<PathBuf>,
    pub(crate) timeout: Option<Duration>,
    /// Output is thrown away unread.
    pub(crate) quiet: bool,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// By itself: exit status, or 128 + signal.
    Status(i32),
    /// It was stopped because its time was up.
    TimedOut,
    /// It was stopped because the run is aborted.
    Aborted,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) ended: Ended,
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
}

impl Spawn<'_> {
    /// Runs the command to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn run(&self, cancel: &Cancel) -> io::Result<Finished> {
        let mut child = self.start(false)?;
        let mut running = Running::take(&mut child)?;
        let stopped = self.await_end(&mut running, cancel);
        let status = child.wait()?;
        Ok(running.watch.finish(stopped, status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))))
    }

    /// Runs the command to its end, and returns as well what it changed on the file system, as it sees it.
    ///
    /// # Errors
    /// When it cannot be started, or not be traced: `PermissionDenied` where the system lets nobody trace. It has not run then.
    pub(crate) fn run_traced(&self, cancel: &Cancel) -> io::Result<(Finished, Vec<Written>)> {
        let root = self.chroot.clone().unwrap_or_else(|| PathBuf::from("/"));
        thread::scope(|scope| {
            let (hand_over, started) = std::sync::mpsc::channel();
            // Whoever starts a traced command is the one to follow it. When the thread ends, what the command left behind runs on.
            let tracer = scope.spawn(move || {
                let mut child = self.start(true)?;
                let running = Running::take(&mut child)?;
                // The receiver waits for it.
                let _ = hand_over.send(running);
                trace::follow(&child, &root)
            });
            let lost = |_| io::Error::other("the thread that follows the command has ended");
            let Ok(mut running) = started.recv() else {
                return tracer.join().map_err(lost)?.and_then(|_| Err(io::Error::other("the command was not handed over")));
            };
            let stopped = self.await_end(&mut running, cancel);
            let traced = tracer.join().map_err(lost)??;
            Ok((running.watch.finish(stopped, traced.status), traced.written))
        })
    }

    /// Feeds the command and reads from it until it ends. Returns why it was stopped, where it was.
    fn await_end(&self, running: &mut Running, cancel: &Cancel) -> Option<Ended> {
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        if let (Some(input), Some(mut pipe)) = (self.stdin, running.stdin.take()) {
            // A thread of its own: the command may write before it has read everything. A command that
            // does not read its input closes the pipe, which is not a failure.
            let input = input.to_vec();
            thread::spawn(move || pipe.write_all(&input));
        }
        let stopped = running.watch.until_ended(deadline, cancel);
        if stopped.is_some() {
            running.watch.stop();
        }
        stopped
    }

    fn start(&self, traced: bool) -> io::Result<Child> {
        let mut command = match self.command {
            Command::Argv(words) => {
                let (program, arguments) = words.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
                let mut command = StdCommand::new(&**program);
                command.args(arguments.iter().map(|word| &**word));
                command
            }
            Command::Shell(line) => {
                let mut command = StdCommand::new("/bin/sh");
                command.arg("-c").arg(&**line);
                command
            }
        };
        command.env_clear().env("PATH", PATH).env("LANG", "C.UTF-8").env("LC_ALL", "C.UTF-8");
        match &self.user {
            Some(user) => {
                command.env("HOME", &*user.home).env("USER", &*user.name).env("LOGNAME", &*user.name).env("SHELL", &*user.shell)
            }
            None => command.envs(["HOME", "USER", "LOGNAME"].iter().filter_map(|key| Some((key, std::env::var_os(key)?)))),
        };
        command.envs(self.env.iter().map(|(key, value)| (&**key, &**value)));
        let output = || if self.quiet { Stdio::null() } else { Stdio::piped() };
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() }).stdout(output()).stderr(output());
        child::prepare(&mut command, self, traced)?;
        command.spawn()
    }
}

/// One output of a command.
struct Stream {
    pipe: Option<File>,
    captured: Captured,
}

impl Stream {
    fn new(pipe: Option<OwnedFd>) -> Self {
        let pipe = pipe.filter(|pipe| rustix::io::ioctl_fionbio(pipe, true).is_ok()).map(File::from);
        Self { pipe, captured: Captured::default() }
    }

    /// Reads what is there; lets go of the pipe at its end.
    fn read(&mut self) {
        let mut buffer = [0; 16 << 10];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => self.captured.push(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.pipe = None,
            }
        }
    }
}

/// A command that has been started.
struct Running {
    stdin: Option<ChildStdin>,
    watch: Watch,
}

impl Running {
    /// Takes the ends of the pipes. The command has not been waited for.
    fn take(child: &mut Child) -> io::Result<Self> {
        let pid = Pid::from_child(child);
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
        let stdout = Stream::new(child.stdout.take().map(OwnedFd::from));
        let stderr = Stream::new(child.stderr.take().map(OwnedFd::from));
        Ok(Self { stdin: child.stdin.take(), watch: Watch { pidfd, pid, stdout, stderr } })
    }
}

/// A running command that is being waited for.
struct Watch {
    pidfd: OwnedFd,
    pid: Pid,
    stdout: Stream,
    stderr: Stream,
}

impl Watch {
    /// Reads output until the command has ended by itself (`None`), its time is up or the run is aborted.
    fn until_ended(&mut self, deadline: Option<Instant>, cancel: &Cancel) -> Option<Ended> {
        loop {
            if cancel.is_aborted() {
                return Some(Ended::Aborted);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Some(Ended::TimedOut);
            }
            if self.wait(left.map_or(TICK, |left| left.min(TICK))) {
                return None;
            }
        }
    }

    /// Waits for output or the end, at most so long. Says whether the command has ended.
    fn wait(&mut self, longest: Duration) -> bool {
        let mut fds: Vec<PollFd<'_>> = vec![PollFd::new(&self.pidfd, PollFlags::IN)];
        fds.extend([&self.stdout, &self.stderr].iter().filter_map(|s| s.pipe.as_ref()).map(|p| PollFd::new(p, PollFlags::IN)));
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(longest.subsec_nanos()) };
        // An interrupted poll is a wake-up like any other.
        let _ = poll(&mut fds, Some(&timeout));
        let ended = !fds[0].revents().is_empty();
        drop(fds);
        self.stdout.read();
        self.stderr.read();
        ended
    }

    /// Ends everything in the command's process group. The command has not been waited for, so that its id is still its own.
    fn stop(&mut self) {
        let _ = rustix::process::kill_process_group(self.pid, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && !self.wait(TICK) {}
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
    }

    /// Reads to the end of what it wrote.
    fn finish(mut self, stopped: Option<Ended>, status: i32) -> Finished {
        self.drain();
        let ended = stopped.unwrap_or(Ended::Status(status));
        Finished { ended, stdout: self.stdout.captured, stderr: self.stderr.captured }
    }

    /// Reads what is left in the pipes.
    fn drain(&mut self) {
        let deadline = Instant::now() + LINGER;
        while (self.stdout.pipe.is_some() || self.stderr.pipe.is_some()) && Instant::now() < deadline {
            self.stdout.read();
            self.stderr.read();
            if self.stdout.pipe.is_some() || self.stderr.pipe.is_some() {
                thread::sleep(Duration::from_millis(2));
            }
        }
    }
}
