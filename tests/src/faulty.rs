//! A program of which one system call fails: the n-th of its kind, with EIO, as of a disk that is worn out.
//!
//! The program is traced by ptrace(2). Calls are counted over all of its threads, where they are about a path below some directories;
//! what it starts, and what is started before it, is left alone.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus};

use crate::output::Output;

/// What a system call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Opens a file or a directory.
    Open,
    /// Reads a file.
    Read,
    /// Lists a directory.
    List,
    /// Looks at what something is.
    Look,
    /// Writes to a file, or cuts it off.
    Write,
    /// Brings what was written to the disk.
    Sync,
    /// Gives something another name.
    Rename,
    /// Removes a file or a directory.
    Remove,
    /// Makes a directory.
    MakeDirectory,
    /// Makes a link.
    Link,
    /// Changes permission bits.
    Mode,
    /// Changes owner and group.
    Owner,
}

impl Kind {
    /// Those that change something.
    pub const CHANGING: [Self; 8] =
        [Self::Write, Self::Sync, Self::Rename, Self::Remove, Self::MakeDirectory, Self::Link, Self::Mode, Self::Owner];
    /// Those that do not.
    pub const LOOKING: [Self; 4] = [Self::Open, Self::Read, Self::List, Self::Look];

    /// The kind of a call, and what it is about.
    fn of(number: i64) -> Option<(Self, About)> {
        use About::{At, Fd, Path};
        Some(match number {
            libc::SYS_openat | libc::SYS_openat2 => (Self::Open, At(0, 1)),
            libc::SYS_open => (Self::Open, Path(0)),
            libc::SYS_read | libc::SYS_pread64 => (Self::Read, Fd(0)),
            libc::SYS_getdents64 => (Self::List, Fd(0)),
            libc::SYS_newfstatat | libc::SYS_statx => (Self::Look, At(0, 1)),
            libc::SYS_fstat => (Self::Look, Fd(0)),
            libc::SYS_stat | libc::SYS_lstat => (Self::Look, Path(0)),
            libc::SYS_readlinkat => (Self::Look, At(0, 1)),
            libc::SYS_write | libc::SYS_pwrite64 | libc::SYS_writev | libc::SYS_ftruncate => (Self::Write, Fd(0)),
            libc::SYS_fsync | libc::SYS_fdatasync | libc::SYS_syncfs => (Self::Sync, Fd(0)),
            libc::SYS_renameat | libc::SYS_renameat2 => (Self::Rename, At(0, 1)),
            libc::SYS_rename => (Self::Rename, Path(0)),
            libc::SYS_unlinkat => (Self::Remove, At(0, 1)),
            libc::SYS_unlink | libc::SYS_rmdir => (Self::Remove, Path(0)),
            libc::SYS_mkdirat => (Self::MakeDirectory, At(0, 1)),
            libc::SYS_mkdir => (Self::MakeDirectory, Path(0)),
            libc::SYS_symlinkat => (Self::Link, At(1, 2)),
            libc::SYS_linkat => (Self::Link, At(2, 3)),
            libc::SYS_fchmod => (Self::Mode, Fd(0)),
            libc::SYS_fchmodat => (Self::Mode, At(0, 1)),
            libc::SYS_chmod => (Self::Mode, Path(0)),
            libc::SYS_fchown => (Self::Owner, Fd(0)),
            libc::SYS_fchownat => (Self::Owner, At(0, 1)),
            _ => return None,
        })
    }
}

/// Which arguments of a call name what it is about.
enum About {
    /// An open file.
    Fd(usize),
    /// A path, from an open directory.
    At(usize, usize),
    /// A path.
    Path(usize),
}

/// Which call fails.
#[derive(Clone, Copy, Debug)]
pub struct Fault<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Which of its kind, from 1; 0 for none, which counts them.
    pub nth: u64,
    /// Only calls about a path below one of these count.
    pub below: &'a [&'a str],
}

/// Runs a command in which a program of this name is started, to the end. Returns what it said, and how many calls there were.
///
/// # Panics
///
/// When it cannot be started or traced.
pub fn run(mut command: Command, program: &str, fault: Fault<'_>) -> (Output, u64) {
    let file = || tempfile::tempfile().expect("a temporary file");
    let (mut stdout, mut stderr) = (file(), file());
    command.stdout(stdout.try_clone().expect("a descriptor")).stderr(stderr.try_clone().expect("a descriptor"));
    traced(&mut command);
    #[expect(clippy::zombie_processes, reason = "the tracer waits for it, as for all that it starts")]
    let child = command.spawn().expect("it can be started");
    let mut tracer = Tracer { program, fault, main: None, leaders: HashMap::new(), known: Vec::new(), failing: None, count: 0 };
    let status = tracer.follow(&child).expect("it can be traced");
    let read = |file: &mut File| {
        let mut text = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut text)).expect("what it said can be read");
        text
    };
    let output = std::process::Output { status, stdout: read(&mut stdout), stderr: read(&mut stderr) };
    (Output::of(&output), tracer.count)
}

struct Tracer<'a> {
    program: &'a str,
    fault: Fault<'a>,
    /// The program, once it runs.
    main: Option<i32>,
    /// Of each thread the process that it is of.
    leaders: HashMap<Pid, i32>,
    known: Vec<Pid>,
    /// The thread whose call is failing.
    failing: Option<Pid>,
    count: u64,
}

/// Stops that are told with this signal are stops at a system call.
const SYSCALL_STOP: i32 = libc::SIGTRAP | 0x80;

const OPTIONS: i32 = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_EXITKILL;

/// Children of this thread alone: other tests have children of their own.
const OWN: WaitOptions = WaitOptions::from_bits_retain((libc::__WALL | libc::__WNOTHREAD).cast_unsigned());

impl Tracer<'_> {
    fn follow(&mut self, child: &Child) -> io::Result<ExitStatus> {
        let first = Pid::from_child(child);
        let mut is_followed = false;
        loop {
            let (pid, status) = match rustix::process::wait(OWN) {
                Ok(Some(stopped)) => stopped,
                Ok(None) | Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if status.exited() || status.signaled() {
                if pid == first {
                    return Ok(ExitStatus::from_raw(status.as_raw()));
                }
                continue;
            }
            if pid == first && !is_followed {
                request(libc::PTRACE_SETOPTIONS, Some(pid), OPTIONS)?;
                is_followed = true;
            }
            let signal = self.stopped(pid, status);
            // One that was killed meanwhile is not there any more.
            let _ = request(libc::PTRACE_SYSCALL, Some(pid), signal);
        }
    }

    /// Looks at one that is stopped. Returns the signal that it is to get.
    fn stopped(&mut self, pid: Pid, status: WaitStatus) -> i32 {
        let is_new = !self.known.contains(&pid);
        if is_new {
            self.known.push(pid);
        }
        match status.stopping_signal() {
            Some(SYSCALL_STOP) => {
                self.call(pid);
                0
            }
            _ if status.as_raw() >> 16 == libc::PTRACE_EVENT_EXEC => {
                let name = fs::read_to_string(process(pid).join("comm")).unwrap_or_default();
                if self.main.is_none() && name.trim() == self.program {
                    self.main = Some(pid.as_raw_nonzero().get());
                }
                0
            }
            // A fork or a clone: no signal of its own.
            _ if status.as_raw() >> 16 != 0 => 0,
            Some(libc::SIGTRAP | libc::SIGSTOP) if is_new => 0,
            Some(signal) => signal,
            None => 0,
        }
    }

    fn call(&mut self, pid: Pid) {
        let Some(main) = self.main else { return };
        let leader = *self.leaders.entry(pid).or_insert_with(|| leader(pid).unwrap_or(0));
        if leader != main {
            return;
        }
        let Ok(mut registers) = registers(pid) else { return };
        if self.failing == Some(pid) {
            self.failing = None;
            registers.rax = i64::from(-libc::EIO).cast_unsigned();
            set_registers(pid, &registers).expect("a stopped thread's registers can be set");
            return;
        }
        // Nothing has an answer yet where a call begins.
        let begins = registers.rax.cast_signed() == i64::from(-libc::ENOSYS);
        let Some((kind, about)) = Kind::of(registers.orig_rax.cast_signed()).filter(|_| begins) else { return };
        let arguments = [registers.rdi, registers.rsi, registers.rdx, registers.r10];
        if kind != self.fault.kind || !self.fault.below.iter().any(|place| path(pid, &about, arguments).starts_with(place)) {
            return;
        }
        self.count += 1;
        if self.count == self.fault.nth {
            // There is no such call: the kernel makes none.
            registers.orig_rax = u64::MAX;
            set_registers(pid, &registers).expect("a stopped thread's registers can be set");
            self.failing = Some(pid);
        }
    }
}

fn process(pid: Pid) -> PathBuf {
    PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()))
}

fn leader(pid: Pid) -> Option<i32> {
    let status = fs::read_to_string(process(pid).join("status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

/// What a call is about, as the program sees it; empty where that is nothing with a path.
fn path(pid: Pid, about: &About, arguments: [u64; 4]) -> PathBuf {
    let open = |fd: u64| {
        let fd = (fd as u32).cast_signed();
        let link = if fd == libc::AT_FDCWD { "cwd".to_owned() } else { format!("fd/{fd}") };
        fs::read_link(process(pid).join(link)).unwrap_or_default()
    };
    match *about {
        About::Fd(fd) => open(arguments[fd]),
        About::Path(path) => text(pid, arguments[path]),
        About::At(directory, path) => open(arguments[directory]).join(text(pid, arguments[path])),
    }
}

/// The text that ends with a NUL at an address.
fn text(pid: Pid, address: u64) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    let Ok(memory) = File::open(process(pid).join("mem")) else { return PathBuf::new() };
    let mut bytes = Vec::new();
    let mut byte = [0];
    while bytes.len() < 4096 && memory.read_exact_at(&mut byte, address + bytes.len() as u64).is_ok() && byte[0] != 0 {
        bytes.push(byte[0]);
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// Makes a command ask to be traced by the thread that starts it.
#[expect(unsafe_code, reason = "what happens between fork and exec is for the caller to answer for")]
fn traced(command: &mut Command) {
    // SAFETY: ptrace(2) alone is called there: it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| request(libc::PTRACE_TRACEME, None, 0));
    }
}

/// Makes a request of ptrace(2) that takes a number and returns nothing.
#[expect(unsafe_code, reason = "there is no safe wrapper for ptrace(2)")]
fn request(request: libc::c_uint, pid: Option<Pid>, data: i32) -> io::Result<()> {
    let pid = pid.map_or(0, |pid| pid.as_raw_nonzero().get());
    // SAFETY: TRACEME, SETOPTIONS and SYSCALL take numbers only: no memory of this process is read or written.
    let result = unsafe { libc::ptrace(request, pid, std::ptr::null_mut::<libc::c_void>(), libc::c_long::from(data)) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[expect(unsafe_code, reason = "there is no safe wrapper for ptrace(2)")]
fn registers(pid: Pid) -> io::Result<libc::user_regs_struct> {
    let mut registers = std::mem::MaybeUninit::<libc::user_regs_struct>::zeroed();
    // SAFETY: GETREGS writes one `user_regs_struct`, which is what is there; all of its fields are numbers.
    unsafe {
        let pid = pid.as_raw_nonzero().get();
        if libc::ptrace(libc::PTRACE_GETREGS, pid, std::ptr::null_mut::<libc::c_void>(), registers.as_mut_ptr()) == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(registers.assume_init())
    }
}

#[expect(unsafe_code, reason = "there is no safe wrapper for ptrace(2)")]
fn set_registers(pid: Pid, registers: &libc::user_regs_struct) -> io::Result<()> {
    let pid = pid.as_raw_nonzero().get();
    // SAFETY: SETREGS reads one `user_regs_struct`, which is what is there.
    let result =
        unsafe { libc::ptrace(libc::PTRACE_SETREGS, pid, std::ptr::null_mut::<libc::c_void>(), std::ptr::from_ref(registers)) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
