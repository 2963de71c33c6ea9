//! The way to a machine: the user's own `ssh`, with its configuration, keys and jump hosts.
//!
//! One ssh a machine. Its command is a line of shell that looks whether this very worker is kept on the machine, takes it from
//! standard input where it is not, and becomes it. Nothing else is put there. A password for sudo goes over standard input when sudo
//! asks for it, and nowhere else.

use std::io::{self, Cursor, Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use stead_catalog::Target;

use crate::Cancel;
use crate::frames::VERSION;
use crate::machine::random;
use crate::remote::{Remote, RemoteError, SshProblem};

mod binary;
mod bootstrap;
mod told;

pub use binary::{WorkerBinaries, WorkerBinary};

use bootstrap::Bootstrap;

/// How long a login may take, from when the connection stands to the first word of the other side: a key may have to be touched.
const LOGIN: Duration = Duration::from_secs(60);
/// Bytes of banners and other noise that are read before the other side has to have said who it is.
const NOISE: usize = 256 << 10;
/// A host that answers within this time is nearby.
const NEARBY: Duration = Duration::from_millis(15);
/// Bytes of standard error that are kept.
const TOLD: usize = 64 << 10;
/// How long a host that is sent the worker may take nothing of it.
const STALLED: Duration = Duration::from_secs(60);

/// How machines are reached.
#[derive(Clone, Debug)]
pub struct SshOptions {
    /// The program.
    pub program: PathBuf,
    /// A configuration to be used instead of the user's own.
    pub config: Option<PathBuf>,
    /// How long it may take until a connection stands.
    pub connect_timeout: Duration,
    /// How often a machine that does not answer is tried again.
    pub retries: u32,
    /// How long it may take from the first word of a host until its worker has told its facts, and until it has planned.
    pub limit: Duration,
    /// Asked to give up hosts that have not answered.
    pub cancel: Arc<Cancel>,
    /// The password for sudo.
    pub password: Option<Password>,
    /// The workers that can be put on a machine.
    pub binaries: Arc<WorkerBinaries>,
}

/// A password. Never shown.
#[derive(Clone)]
pub struct Password(Arc<str>);

impl Password {
    /// Takes a password.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(sensitive)")
    }
}

/// What happened on the way to a machine, for whoever looks into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// ssh has logged in and a shell has answered.
    pub shell: bool,
    /// The machine's architecture.
    pub arch: Option<String>,
    /// The worker had to be sent.
    pub sent: bool,
    /// The worker that was kept there was not the one it should have been, and was replaced.
    pub replaced: bool,
    /// How long it took until the shell answered.
    pub login: Duration,
    /// How long all of it took.
    pub total: Duration,
}

/// Starts a worker on a machine and greets it. A machine that does not answer is tried again.
///
/// # Errors
/// [`RemoteError`], with what happened in its words.
pub fn connect(target: &Target, options: &SshOptions) -> (Result<Remote, RemoteError>, Contact) {
    let mut tries = 0;
    loop {
        let mut contact = Contact::default();
        let begun = Instant::now();
        let remote = try_connect(target, options, &mut contact, begun);
        contact.total = begun.elapsed();
        match remote {
            Err(error) if error.is_worth_a_try() && tries < options.retries => {
                tries += 1;
                thread::sleep(Duration::from_millis(500) * tries);
            }
            remote => return (remote, contact),
        }
    }
}

/// Removes every worker and every content that is kept on a machine. Nothing needs to be there for it but a shell.
///
/// # Errors
/// As [`connect`].
pub fn clean(target: &Target, options: &SshOptions) -> Result<(), RemoteError> {
    let bootstrap = Bootstrap::new(nonce());
    let script = bootstrap.clean_script();
    let mut contact = Contact::default();
    let mut way = Way::open(target, options, &bootstrap, &script)?;
    loop {
        match way.next_line(options, LOGIN + options.connect_timeout)? {
            Line::Cleaned => return Ok(()),
            line => take_note(&line, &mut contact, options)?,
        }
    }
}

/// The host name or address that ssh would connect to: its configuration may call it otherwise. The target's own word where ssh does not say.
pub fn address(target: &Target, options: &SshOptions) -> String {
    let mut command = Command::new(&options.program);
    command.arg("-G");
    if let Some(config) = &options.config {
        command.arg("-F").arg(config);
    }
    command.arg("--").arg(target.address()).stdin(Stdio::null()).stderr(Stdio::null());
    let told = command.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let name = told.lines().find_map(|line| line.strip_prefix("hostname "));
    name.map_or_else(|| target.address().to_owned(), |name| name.trim().to_owned())
}

fn try_connect(target: &Target, options: &SshOptions, contact: &mut Contact, begun: Instant) -> Result<Remote, RemoteError> {
    let bootstrap = Bootstrap::new(nonce());
    let script = bootstrap.script(&options.binaries);
    let mut way = Way::open(target, options, &bootstrap, &script)?;
    let patience = LOGIN + options.connect_timeout;
    loop {
        let line = way.next_line(options, patience)?;
        if !contact.shell {
            contact.shell = true;
            contact.login = begun.elapsed();
        }
        match line {
            Line::Need { arch, packed, plain, can_unpack } => {
                contact.sent = true;
                let binary = options.binaries.of(&arch).ok_or_else(|| other_architecture(&arch, options))?;
                let asked = Instant::now();
                way.send(b"ping\n");
                loop {
                    match way.next_line(options, patience)? {
                        Line::Here => break,
                        line => take_note(&line, contact, options)?,
                    }
                }
                // Nearby, packing takes longer than sending.
                let is_far = asked.elapsed() > NEARBY;
                let packs = can_unpack && (packed > 0 || (is_far && plain == 0));
                way.send_binary(binary, if packs { packed } else { plain }, packs, options)?;
            }
            Line::Worker(VERSION) => return way.greet(options),
            Line::Worker(version) => {
                let what = if version < VERSION { "an older" } else { "a newer" };
                let message = format!("the worker speaks {what} version of the frames: {version}, where {VERSION} was expected");
                return Err(RemoteError::connect(
                    SshProblem::Version,
                    message,
                    "give a --worker-binary of this version of stead",
                ));
            }
            line => take_note(&line, contact, options)?,
        }
    }
}

/// Takes in what needs no answer.
fn take_note(line: &Line, contact: &mut Contact, options: &SshOptions) -> Result<(), RemoteError> {
    match line {
        Line::Start(arch) => contact.arch = Some(arch.clone()),
        Line::Changed => contact.replaced = true,
        Line::Architecture(arch) => return Err(other_architecture(arch, options)),
        Line::Fail(what) => return Err(told::failure(what)),
        Line::Need { .. } | Line::Here | Line::Worker(_) | Line::Cleaned => {}
    }
    Ok(())
}

fn other_architecture(arch: &str, options: &SshOptions) -> RemoteError {
    let known = options.binaries.architectures().join(", ");
    RemoteError::connect(
        SshProblem::OtherArchitecture,
        format!("the host is {arch}, and there is a worker for {known} only"),
        format!("build stead for {arch}, and name it with --worker-binary FILE"),
    )
}

/// A word that nobody else can have written: it tells the other side's lines from banners.
fn nonce() -> String {
    format!("{:016x}", random())
}

/// What the other side says while it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    /// The worker has to be sent. So much of it is there, packed and plain, of a transfer that broke off.
    Need { arch: String, packed: u64, plain: u64, can_unpack: bool },
    /// An answer to nothing but the question.
    Here,
    /// The worker that was there was another one, and is gone.
    Changed,
    /// There is no worker for the architecture.
    Architecture(String),
    /// It cannot be done.
    Fail(String),
    /// The worker is about to start.
    Start(String),
    /// The worker is there, and speaks this version.
    Worker(u32),
    /// Everything was removed.
    Cleaned,
}

/// A running ssh.
struct Way {
    child: Arc<Mutex<Child>>,
    stdin: ChildStdin,
    stdout: ChildStdout,
    /// Gone when it has ended.
    stderr: Option<ChildStderr>,
    /// What came on standard output and is not yet understood.
    buffer: Vec<u8>,
    /// Bytes that nobody here has written.
    noise: usize,
    told: Vec<u8>,
    prompt: String,
    marker: String,
    /// How many prompts have been answered.
    answered: usize,
    is_sudo: bool,
    begun: Instant,
}

impl Way {
    fn open(target: &Target, options: &SshOptions, bootstrap: &Bootstrap, script: &str) -> Result<Self, RemoteError> {
        if let Some(user) = target.r#become.as_ref().filter(|user| !bootstrap::is_user(user)) {
            return Err(told::no_user(user));
        }
        if target.is_local {
            // The machine itself is reached by its shell.
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(bootstrap.command(script, target.r#become.as_deref(), options.password.is_some()));
            return Self::start(command, target, options, bootstrap);
        }
        let mut command = Command::new(&options.program);
        command.arg("-T").args(["-o", "BatchMode=yes", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"]);
        command.arg("-o").arg(format!("ConnectTimeout={}", options.connect_timeout.as_secs().max(1)));
        if let Some(config) = &options.config {
            command.arg("-F").arg(config);
        }
        if let Some(port) = target.port {
            command.arg("-p").arg(port.to_string());
        }
        if let Some(user) = &target.user {
            command.arg("-l").arg(&**user);
        }
        if let Some(identity) = &target.identity {
            command.arg("-i").arg(&**identity);
        }
        // No address is taken for an option.
        command.arg("--").arg(target.address());
        command.arg(bootstrap.command(script, target.r#become.as_deref(), options.password.is_some()));
        Self::start(command, target, options, bootstrap)
    }

    fn start(mut command: Command, target: &Target, options: &SshOptions, bootstrap: &Bootstrap) -> Result<Self, RemoteError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let missing = |error: &std::io::Error| {
            let message = format!("`{}` cannot be started: {error}", options.program.display());
            RemoteError::connect(SshProblem::Missing, message, "install the OpenSSH client")
        };
        // Ctrl-C is for this process: it ends what runs in good order, which needs the connection.
        use std::os::unix::process::CommandExt as _;
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| missing(&error))?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(missing(&std::io::ErrorKind::BrokenPipe.into()));
        };
        Ok(Self {
            child: Arc::new(Mutex::new(child)),
            stdin,
            stdout,
            stderr: Some(stderr),
            buffer: Vec::new(),
            noise: 0,
            told: Vec::new(),
            prompt: bootstrap.prompt(),
            marker: bootstrap.marker(),
            answered: 0,
            is_sudo: target.r#become.is_some(),
            begun: Instant::now(),
        })
    }

    /// The next line that the other side has written for us. Everything else is passed over.
    fn next_line(&mut self, options: &SshOptions, patience: Duration) -> Result<Line, RemoteError> {
        let until = Instant::now() + patience;
        loop {
            self.give_up_when_late(options)?;
            if let Some(line) = self.take_line()? {
                return Ok(line);
            }
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                self.hang_up();
                return Err(self.silent(&format!("nothing was heard of the worker for {} s", patience.as_secs())));
            };
            let (out, err) = self.await_either(left.min(Duration::from_secs(1)))?;
            if err {
                self.read_told();
                self.answer_prompt(options)?;
            }
            if out && !self.read_out()? {
                return Err(self.ended());
            }
        }
    }

    /// Whatever it says: at some time it has to be done.
    fn give_up_when_late(&self, options: &SshOptions) -> Result<(), RemoteError> {
        let error = if options.cancel.is_cancelled() {
            RemoteError::given_up()
        } else if self.begun.elapsed() >= options.limit {
            RemoteError::too_slow(options.limit)
        } else {
            return Ok(());
        };
        self.hang_up();
        Err(error)
    }

    /// Waits until one of the two pipes has something.
    fn await_either(&self, limit: Duration) -> Result<(bool, bool), RemoteError> {
        let mut fds = vec![PollFd::new(&self.stdout, PollFlags::IN)];
        if let Some(stderr) = &self.stderr {
            fds.push(PollFd::from_borrowed_fd(stderr.as_fd(), PollFlags::IN));
        }
        wait(&mut fds, limit)?;
        let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        Ok((ready(0), ready(1)))
    }

    fn read_told(&mut self) {
        let mut chunk = [0; 4096];
        let got = self.stderr.as_mut().map_or(0, |stderr| stderr.read(&mut chunk).unwrap_or(0));
        if got == 0 {
            self.stderr = None;
        }
        keep(&mut self.told, &chunk[..got]);
    }

    /// `false` at the end.
    fn read_out(&mut self) -> Result<bool, RemoteError> {
        let mut chunk = [0; 16 << 10];
        let got = self.stdout.read(&mut chunk).unwrap_or(0);
        self.buffer.extend_from_slice(&chunk[..got]);
        Ok(got > 0)
    }

    /// sudo asks once; that it asks again means that the answer was wrong.
    fn answer_prompt(&mut self, options: &SshOptions) -> Result<(), RemoteError> {
        let told = String::from_utf8_lossy(&self.told);
        let asked = told.matches(self.prompt.as_str()).count();
        if asked <= self.answered {
            return Ok(());
        }
        let Some(password) = options.password.as_ref().filter(|_| self.answered == 0) else {
            self.hang_up();
            return Err(told::wrong_password());
        };
        self.answered = asked;
        // A sudo that is gone by now says why on standard error.
        let _ = self.stdin.write_all(format!("{}\n", password.0).as_bytes()).and_then(|()| self.stdin.flush());
        Ok(())
    }

    fn take_line(&mut self) -> Result<Option<Line>, RemoteError> {
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let text = String::from_utf8_lossy(&line[..end]);
            let Some((_, words)) = text.split_once(self.marker.as_str()) else {
                self.noise += line.len();
                continue;
            };
            return match bootstrap::parse(words.trim_end_matches('\r')) {
                Some(line) => Ok(Some(line)),
                None => Err(self.silent(&format!("the shell answered `{}`", stead_clean(words)))),
            };
        }
        if self.noise + self.buffer.len() > NOISE {
            self.hang_up();
            return Err(self.silent(&format!("{} KiB came, and nothing of it from the worker", NOISE >> 10)));
        }
        Ok(None)
    }

    /// Writes to the shell. One that is gone has said why before.
    fn send(&mut self, bytes: &[u8]) {
        let _ = self.stdin.write_all(bytes).and_then(|()| self.stdin.flush());
    }

    /// Writes more than a pipe holds, as fast as the other side takes it, and not for ever: a host that keeps the connection and reads
    /// nothing is given up. One that is gone, or says something instead, is heard by whoever reads next.
    fn send_long(&mut self, mut bytes: &[u8], options: &SshOptions) -> Result<(), RemoteError> {
        let failed = |error: io::Error| RemoteError::connect(SshProblem::Other, format!("ssh cannot be written to: {error}"), "");
        rustix::io::ioctl_fionbio(&self.stdin, true).map_err(|error| failed(error.into()))?;
        let mut taken = Instant::now();
        while !bytes.is_empty() && self.buffer.len() <= NOISE {
            self.give_up_when_late(options)?;
            match self.stdin.write(bytes) {
                Ok(count) => (bytes, taken) = (&bytes[count..], Instant::now()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if taken.elapsed() > STALLED {
                        self.hang_up();
                        return Err(self.silent(&format!("the host took nothing of it for {} s", STALLED.as_secs())));
                    }
                    if self.await_room()? && !self.read_out()? {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        rustix::io::ioctl_fionbio(&self.stdin, false).map_err(|error| failed(error.into()))
    }

    /// Waits until ssh takes more. Says whether it has something to tell meanwhile.
    fn await_room(&mut self) -> Result<bool, RemoteError> {
        let mut fds = vec![PollFd::new(&self.stdin, PollFlags::OUT), PollFd::new(&self.stdout, PollFlags::IN)];
        if let Some(stderr) = &self.stderr {
            fds.push(PollFd::from_borrowed_fd(stderr.as_fd(), PollFlags::IN));
        }
        wait(&mut fds, Duration::from_secs(1))?;
        let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        let (out, err) = (ready(1), ready(2));
        if err {
            self.read_told();
        }
        Ok(out)
    }

    fn send_binary(&mut self, binary: &WorkerBinary, offset: u64, gzip: bool, options: &SshOptions) -> Result<(), RemoteError> {
        let content = binary.content(gzip).map_err(|error| {
            let message = format!("{}: {error}", binary.path().display());
            RemoteError::connect(SshProblem::Binary, message, "name a file that can be read with --worker-binary")
        })?;
        // What is there of another transfer is gone on with; what is longer than it can be is not of this file.
        let from = usize::try_from(offset).ok().filter(|from| *from <= content.len()).unwrap_or(0);
        let rest = &content[from..];
        let manner = if gzip { "gzip" } else { "plain" };
        self.send(format!("{manner} {from} {}\n", rest.len()).as_bytes());
        self.send_long(rest, options)
    }

    /// From here on there are frames.
    fn greet(self, options: &SshOptions) -> Result<Remote, RemoteError> {
        let Self { child, stdin, stdout, stderr, buffer, told, .. } = self;
        let told = Arc::new(Mutex::new(told));
        let (reaped, keeps) = (child.clone(), told.clone());
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            if let Some(mut stderr) = stderr {
                while let Ok(got @ 1..) = stderr.read(&mut chunk) {
                    keep(&mut keeps.lock().unwrap_or_else(PoisonError::into_inner), &chunk[..got]);
                }
            }
            let _ = reaped.lock().unwrap_or_else(PoisonError::into_inner).wait();
        });
        let hang_up = Box::new(move || end(&child));
        let input = Box::new(Cursor::new(buffer).chain(stdout));
        let greeted = Remote::greet_until(input, Box::new(stdin), hang_up, options.limit, options.cancel.clone());
        greeted.map_err(|error| match error {
            RemoteError::Lost { .. } => {
                // What it says about its end may still be on the way.
                thread::sleep(Duration::from_millis(200));
                let told = told.lock().unwrap_or_else(PoisonError::into_inner);
                told::not_started(&String::from_utf8_lossy(&told))
            }
            other => other,
        })
    }

    fn hang_up(&self) {
        end(&self.child);
    }

    fn silent(&self, what: &str) -> RemoteError {
        told::silent(what, &String::from_utf8_lossy(&self.told))
    }

    /// Standard output is over before the worker was there: what ssh, sudo or the shell have to say decides.
    fn ended(&mut self) -> RemoteError {
        let until = Instant::now() + Duration::from_secs(2);
        while self.stderr.is_some() && Instant::now() < until {
            match self.await_either(Duration::from_secs(1)) {
                Ok((_, true)) => self.read_told(),
                Ok((true, false)) => {
                    // The end of standard output is ready for ever; what is left of the other comes within moments.
                    thread::sleep(Duration::from_millis(20));
                    let is_over =
                        self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().is_ok_and(|ended| ended.is_some());
                    if is_over && !self.has_told() {
                        break;
                    }
                }
                _ => break,
            }
        }
        self.hang_up();
        let status = self.child.lock().unwrap_or_else(PoisonError::into_inner).wait().ok().and_then(|status| status.code());
        // sudo goes on behind its own question.
        let told = String::from_utf8_lossy(&self.told).replace(&self.prompt, "\n");
        told::why(&told, status, self.is_sudo)
    }

    fn has_told(&self) -> bool {
        let Some(stderr) = &self.stderr else { return false };
        let mut fds = [PollFd::from_borrowed_fd(stderr.as_fd(), PollFlags::IN)];
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
    }
}

/// Waits for any of these, a second at least.
fn wait(fds: &mut [PollFd<'_>], limit: Duration) -> Result<(), RemoteError> {
    let limit = rustix::event::Timespec { tv_sec: limit.as_secs().clamp(1, 3600).try_into().unwrap_or(3600), tv_nsec: 0 };
    match poll(fds, Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(RemoteError::connect(SshProblem::Other, format!("ssh cannot be read: {error}"), "")),
    }
}

fn end(child: &Mutex<Child>) {
    // A child that has ended by itself needs no ending.
    let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
}

/// Keeps the last of what was told.
fn keep(told: &mut Vec<u8>, chunk: &[u8]) {
    told.extend_from_slice(chunk);
    if told.len() > TOLD {
        told.drain(..told.len() - TOLD / 2);
    }
}

/// The first words, without controls: text from elsewhere that is told within a message.
fn stead_clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests;
