//! A command that runs on a host while the test goes on, and can be killed in the middle.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::output::Output;

/// How long any command on a host may take.
pub const LIMIT: Duration = Duration::from_secs(300);

/// Gives everything that came out of a pipe, once it has ended.
type Reader = Receiver<Vec<u8>>;

/// A running command on a host. Dropping it kills it.
#[derive(Debug)]
pub struct HostProcess {
    child: Child,
    readers: Option<(Reader, Reader)>,
}

impl HostProcess {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("nsenter runs");
        let out = collect(child.stdout.take().expect("stdout is piped"));
        let err = collect(child.stderr.take().expect("stderr is piped"));
        Self { child, readers: Some((out, err)) }
    }

    /// The process inside the host, as this machine numbers it; `None` once it has ended.
    ///
    /// `nsenter` forks to enter the pid namespace, so the command is its child.
    pub fn inner_pid(&self) -> Option<Pid> {
        let outer = self.child.id();
        let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).ok()?;
        Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
    }

    /// Waits until the command itself runs, and no longer `nsenter` or `env` on its behalf.
    pub fn await_exec(&self, name: &str) -> bool {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            match self.inner_pid() {
                Some(pid) => {
                    let comm = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero())).unwrap_or_default();
                    if comm.trim() == name {
                        return true;
                    }
                }
                None if self.has_ended() => return false,
                None => {}
            }
            std::thread::yield_now();
        }
        false
    }

    fn has_ended(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        stat.rsplit(')').next().is_none_or(|rest| rest.trim_start().starts_with('Z'))
    }

    /// Sends a signal to the process inside; `false` if it had ended.
    pub fn signal(&self, signal: Signal) -> bool {
        if signal == Signal::CONT {
            // `nsenter` stops when its child is stopped, and is not woken with it.
            let _ = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).map(|pid| kill_process(pid, signal));
        }
        self.inner_pid().is_some_and(|pid| kill_process(pid, signal).is_ok())
    }

    /// Kills the process inside, and with `children` everything that it has started as well.
    pub fn kill(&self, children: bool) -> bool {
        let Some(pid) = self.inner_pid() else {
            return false;
        };
        let mut family = if children { descendants(pid) } else { Vec::new() };
        family.insert(0, pid);
        let killed: Vec<bool> = family.iter().map(|pid| kill_process(*pid, Signal::KILL).is_ok()).collect();
        // Whether a descendant had ended by itself meanwhile makes no difference.
        killed[0]
    }

    /// Waits for the end and returns what was printed.
    ///
    /// # Panics
    ///
    /// When it does not end within [`LIMIT`].
    #[must_use]
    pub fn wait(mut self) -> Output {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            assert!(start.elapsed() < LIMIT, "a command on a host did not end within {LIMIT:?}");
            std::thread::sleep(Duration::from_millis(1));
        };
        let (out, err) = self.readers.take().expect("only `wait` takes the readers");
        // A process that was left behind may hold the pipe open: what it prints is not waited for.
        let grace = Duration::from_secs(2);
        Output::of(&std::process::Output {
            status,
            stdout: out.recv_timeout(grace).unwrap_or_default(),
            stderr: err.recv_timeout(grace).unwrap_or_default(),
        })
    }
}

/// Reads a pipe to its end beside the test. A reader that fails ends early: the test then shows what is missing.
fn collect(mut pipe: impl Read + Send + 'static) -> Reader {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        if self.readers.is_some() {
            self.kill(true);
            let _ = self.child.wait();
        }
    }
}

fn descendants(pid: Pid) -> Vec<Pid> {
    let raw = pid.as_raw_nonzero();
    let mut all = Vec::new();
    for task in fs::read_dir(format!("/proc/{raw}/task")).into_iter().flatten().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|number| Pid::from_raw(number.parse().ok()?)) {
            all.push(child);
            all.extend(descendants(child));
        }
    }
    all
}
