//! Runs a command and sees what it changes on the file system: `apply --audit-exec`.
//!
//! The command and everything it starts are traced by ptrace(2). Each system call that names a path to be changed is looked at
//! before it is made, and what is there is kept; when the command has ended, what is there then tells what was changed. A call
//! that failed, a file that was opened and left alone, a temporary file that is gone again: none of them is a change.
//! The command itself notices nothing: no call is altered, none is refused. See the design page in the book.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Child;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus};

mod calls;

use calls::Argument;

/// What became of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It was not there before.
    Created,
    /// Its content, mode, owner or attributes are others.
    Changed,
    /// It is not there any more.
    Removed,
}

impl Effect {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

/// A path that a command has changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Written {
    /// Which, as the command sees it.
    pub path: PathBuf,
    /// How.
    pub effect: Effect,
}

/// Where nothing lasts, or nothing is kept: what a command does there is no effect to be declared.
const PASSING: [&str; 8] = ["/proc", "/sys", "/dev", "/run", "/var/run", "/tmp", "/var/tmp", "/var/lock"];

/// Stops that are told with this signal are stops at a system call.
const SYSCALL_STOP: i32 = libc::SIGTRAP | 0x80;

/// Follow everything that the command starts, and tell system calls apart from traps.
const OPTIONS: i32 = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC;

/// Children of this thread alone: others of the run have threads, and children, of their own.
const OWN: WaitOptions = WaitOptions::from_bits_retain((libc::__WALL | libc::__WNOTHREAD).cast_unsigned());

/// How a traced command ended.
pub(super) struct Traced {
    /// Exit status, or 128 + signal.
    pub(super) status: i32,
    pub(super) written: Vec<Written>,
}

/// What is remembered of a path: enough to see that it is another by now. `None` when nothing is there.
type Seen = Option<Signs>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Signs {
    mode: u32,
    owner: (u32, u32),
    inode: (u64, u64),
    /// Size and times of content and inode; not of a directory, where every entry made in it shows.
    content: Option<(u64, i64, i64, i64, i64)>,
}

/// Asks to be traced by the thread that starts the command. Called between fork and exec.
pub(super) fn trace_me() -> io::Result<()> {
    request(libc::PTRACE_TRACEME, None, 0)
}

/// Follows a command that was started with [`trace_me`] by this very thread, to its end. What it leaves behind runs on, untraced.
/// `root` is the directory that is `/` for it.
pub(super) fn follow(child: &Child, root: &Path) -> io::Result<Traced> {
    let main = Pid::from_child(child);
    let mut follower = Follower { root: root.to_owned(), known: HashSet::new(), before: BTreeMap::new() };
    let mut is_followed = false;
    loop {
        let (pid, status) = match rustix::process::wait(OWN) {
            Ok(Some(stopped)) => stopped,
            Ok(None) | Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let ended = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
        match ended {
            Some(status) if pid == main => return Ok(Traced { status, written: follower.written() }),
            Some(_) => {}
            None => {
                if pid == main && !is_followed {
                    request(libc::PTRACE_SETOPTIONS, Some(pid), OPTIONS)?;
                    is_followed = true;
                }
                let signal = follower.stopped(pid, status);
                // One that was killed meanwhile is not there any more.
                let _ = request(libc::PTRACE_SYSCALL, Some(pid), signal);
            }
        }
    }
}

struct Follower {
    root: PathBuf,
    /// Processes and threads that have been seen.
    known: HashSet<Pid>,
    /// Paths that were to be changed, with what was there before.
    before: BTreeMap<PathBuf, Seen>,
}

impl Follower {
    /// Looks at one that is stopped. Returns the signal that it is to get.
    fn stopped(&mut self, pid: Pid, status: WaitStatus) -> i32 {
        let is_new = self.known.insert(pid);
        match status.stopping_signal() {
            Some(SYSCALL_STOP) => {
                self.call(pid);
                0
            }
            // A fork, a clone, an exec: no signal of the command's own.
            _ if status.as_raw() >> 16 != 0 => 0,
            // The first stop of the command is that of its exec, the first of a child or thread the stop it is born with.
            Some(libc::SIGTRAP | libc::SIGSTOP) if is_new => 0,
            Some(signal) => signal,
            None => 0,
        }
    }

    /// Keeps what is at the paths that a system call is about to change. It is asked at the call's end as well, where everything
    /// is known already.
    fn call(&mut self, pid: Pid) {
        let Some((number, arguments)) = current_call(pid) else { return };
        let memory = Memory::of(pid);
        for argument in calls::changed(number, &arguments, &memory) {
            let Some(path) = self.locate(pid, &argument, &memory) else { continue };
            let kept = self.before.entry(path);
            kept.or_insert_with_key(|path| signs(path));
        }
    }

    /// Finds the path that an argument means, on this machine, with every symlink on the way followed.
    fn locate(&self, pid: Pid, argument: &Argument, memory: &Memory) -> Option<PathBuf> {
        let process = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
        let path = match argument {
            Argument::Open(fd) => {
                let path = fs::read_link(process.join("fd").join(fd.to_string())).ok()?;
                // A pipe, a socket, a file that has no name any more.
                return path.is_absolute().then_some(path).filter(|path| !path.to_string_lossy().ends_with(" (deleted)"));
            }
            Argument::Path { directory, address, .. } => {
                let path = memory.path(*address)?;
                match (path.strip_prefix("/"), directory) {
                    (Ok(inside), _) => process.join("root").join(inside),
                    (Err(_), None) => process.join("cwd").join(path),
                    (Err(_), Some(fd)) => process.join("fd").join(fd.to_string()).join(path),
                }
            }
        };
        if let Argument::Path { follows: true, .. } = argument
            && let Ok(target) = fs::canonicalize(&path)
        {
            return Some(target);
        }
        let name = path.file_name()?.to_owned();
        Some(fs::canonicalize(path.parent()?).ok()?.join(name))
    }

    /// What has become of all that was to be changed: the topmost of what was made or removed with everything in it.
    fn written(&self) -> Vec<Written> {
        let mut written: Vec<Written> = Vec::new();
        for (path, before) in &self.before {
            let effect = match (before, signs(path)) {
                (None, None) => continue,
                (None, Some(_)) => Effect::Created,
                (Some(_), None) => Effect::Removed,
                (Some(before), Some(now)) if *before == now => continue,
                (Some(_), Some(_)) => Effect::Changed,
            };
            // The command's own root, where it is another.
            let inside = path.strip_prefix(&self.root).map_or_else(|_| path.clone(), |inside| Path::new("/").join(inside));
            let is_within =
                |above: &Written| above.effect == effect && effect != Effect::Changed && inside.starts_with(&above.path);
            if !PASSING.iter().any(|place| inside.starts_with(place)) && !written.iter().any(is_within) {
                written.push(Written { path: inside, effect });
            }
        }
        written
    }
}

fn signs(path: &Path) -> Seen {
    let stat = fs::symlink_metadata(path).ok()?;
    let times = (stat.mtime(), stat.mtime_nsec(), stat.ctime(), stat.ctime_nsec());
    let content = (!stat.is_dir()).then_some((stat.size(), times.0, times.1, times.2, times.3));
    Some(Signs { mode: stat.mode(), owner: (stat.uid(), stat.gid()), inode: (stat.dev(), stat.ino()), content })
}

/// The system call that a stopped process is in: its number and six arguments.
fn current_call(pid: Pid) -> Option<(i64, [u64; 6])> {
    let line = fs::read_to_string(format!("/proc/{}/syscall", pid.as_raw_nonzero())).ok()?;
    let mut words = line.split_whitespace();
    let number = words.next()?.parse().ok()?;
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        *argument = u64::from_str_radix(words.next()?.trim_start_matches("0x"), 16).ok()?;
    }
    Some((number, arguments))
}

/// The memory of a stopped process.
struct Memory {
    file: Option<File>,
}

impl Memory {
    fn of(pid: Pid) -> Self {
        Self { file: File::open(format!("/proc/{}/mem", pid.as_raw_nonzero())).ok() }
    }

    /// Reads a path: up to its NUL, which may be the last byte before memory that is not there.
    fn path(&self, address: u64) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt as _;
        let file = self.file.as_ref().filter(|_| address != 0)?;
        let mut bytes = Vec::new();
        let mut buffer = [0; 256];
        while bytes.len() < libc::PATH_MAX as usize {
            let at = address + bytes.len() as u64;
            // Never across a page: the next one may not be there.
            let longest = (256 - at % 256) as usize;
            let count = file.read_at(&mut buffer[..longest], at).ok().filter(|count| *count > 0)?;
            match buffer[..count].iter().position(|byte| *byte == 0) {
                Some(end) => {
                    bytes.extend_from_slice(&buffer[..end]);
                    let path = PathBuf::from(std::ffi::OsString::from_vec(bytes));
                    return (!path.as_os_str().is_empty()).then_some(path);
                }
                None => bytes.extend_from_slice(&buffer[..count]),
            }
        }
        None
    }

    /// Reads a number of eight bytes.
    fn number(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.file.as_ref()?.read_exact_at(&mut bytes, address).ok()?;
        Some(u64::from_ne_bytes(bytes))
    }
}

/// Makes a request of ptrace(2) that takes a number and returns nothing.
#[expect(unsafe_code, reason = "the safe wrappers there are cannot pass on real-time signals, which the C library itself uses")]
fn request(request: libc::c_uint, pid: Option<Pid>, data: i32) -> io::Result<()> {
    let pid = pid.map_or(0, |pid| pid.as_raw_nonzero().get());
    let data = libc::c_long::from(data);
    // SAFETY: TRACEME, SETOPTIONS and SYSCALL, the requests made in this file, take numbers only: no memory of this process is
    // read or written, whatever they are.
    let result = unsafe { libc::ptrace(request, pid, std::ptr::null_mut::<libc::c_void>(), data) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
