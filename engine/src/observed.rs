//! The machine as it is, or the tree of `--root DIR`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use stead_catalog::Command;

use crate::cancel::Cancel;
use crate::downloads::{Downloads, Fetched};
use crate::machine::xattrs;
use crate::net::{self, NoAnswer, Reply, Request};
use crate::process::{Ended, Finished, RunAs, Spawn};
use crate::root::{Entry, Root, RootSpec, failed};
use crate::system::System;
use crate::system::accounts::Ages;
use crate::system::apt::SourcesAhead;
use crate::system::archive::Contents;
use crate::world::no_network;
use crate::{
    FileKind, Forecast, Group, Known, Look, ManagedPaths, ObserveError, Output, Owner, PackageChange, PackageState, PackageWish,
    Probe, ProbeOutcome, Stat, UnitState, User, World,
};

/// Longest time a probe may take that says nothing about it.
const PROBE_TIMEOUT: Duration = Duration::from_secs(60);

thread_local! {
    /// Where a file's content passes through on its way to a comparison or a hash.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; 128 << 10].into());
}

/// The machine as it is. Looks, never touches.
pub struct Observed {
    root: Root,
    system: System,
    managed: Arc<ManagedPaths>,
    cancel: Arc<Cancel>,
    downloads: Option<Downloads>,
    /// The user and group that the engine works as.
    identity: (u32, u32),
}

impl Observed {
    /// Opens the machine, or the tree.
    ///
    /// # Errors
    /// When the tree's directory is not there or may not be entered.
    pub fn new(root: &RootSpec) -> Result<Self, ObserveError> {
        Ok(Self {
            root: Root::new(root)?,
            system: System::new(root.path()),
            managed: Arc::default(),
            cancel: Arc::default(),
            downloads: None,
            identity: (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
        })
    }

    /// The same machine, with the paths that a catalog manages.
    #[must_use]
    pub fn managing(mut self, paths: Arc<ManagedPaths>) -> Self {
        self.managed = paths;
        self
    }

    /// The same machine, whose probes and questions end when `cancel` is asked twice.
    #[must_use]
    pub fn cancelled_by(mut self, cancel: Arc<Cancel>) -> Self {
        self.system.cancelled_by(&cancel);
        self.cancel = cancel;
        self
    }

    /// The same machine. What a plan wants to know of packages is fetched into this cache.
    #[must_use]
    pub fn reading_ahead(mut self, cache: &Path) -> Self {
        self.system.apt.set_cache(cache, true);
        self
    }

    /// The same machine. Packages are installed from the archives in this cache where they are the right ones.
    #[must_use]
    pub fn taking_from(mut self, cache: &Path) -> Self {
        self.system.apt.set_cache(cache, false);
        self
    }

    /// The same machine, with what earlier runs of this state directory know of downloads.
    #[must_use]
    pub fn remembering(mut self, state: &Path) -> Self {
        self.downloads = Some(Downloads::new(state));
        self
    }

    pub(crate) fn downloads(&self) -> Option<&Downloads> {
        self.downloads.as_ref()
    }

    /// Forgets everything that is kept between looks: after something changed the machine in ways that are not known.
    pub fn forget(&self) {
        self.root.forget();
        self.system.forget();
    }

    /// Accounts, packages and units.
    pub fn system(&self) -> &System {
        &self.system
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// Returns the account that a command is to run under.
    ///
    /// # Errors
    /// When there is no such account.
    pub(crate) fn run_as(&self, name: &str) -> Result<RunAs, ObserveError> {
        let missing = || ObserveError::Impossible {
            code: "unknown-user",
            message: format!("there is no user `{name}` to run a command as"),
            hint: format!("declare user[\"{name}\"] and require it"),
        };
        let user = self.user(name)?.known()?.ok_or_else(missing)?;
        let (uid, gid) = (user.uid.known()?, user.gid.known()?);
        let mut groups = vec![gid];
        for group in &user.groups {
            if let Known::Is(Some(Group { gid: Known::Is(gid), .. })) = self.group(group)? {
                groups.push(gid);
            }
        }
        Ok(RunAs { name: user.name, uid, gid, groups, home: user.home, shell: user.shell })
    }

    /// Returns the directory that commands get as their root; `None` on the machine itself.
    ///
    /// # Errors
    /// In a tree, when this user may not change the root directory.
    pub(crate) fn command_root(&self) -> Result<Option<PathBuf>, ObserveError> {
        match self.root.spec() {
            RootSpec::Machine => Ok(None),
            RootSpec::Tree(path) if rustix::process::geteuid().is_root() => Ok(Some(path.clone())),
            RootSpec::Tree(path) => Err(ObserveError::Unavailable {
                service: "commands",
                message: format!("only root can run a command inside {}", path.display()),
            }),
        }
    }

    /// Finds the entry of a path and does something with it. Looks again, in a directory opened anew, when nothing is found in
    /// one that was open and has been removed since.
    fn at<T>(
        &self,
        path: &Path,
        look: impl Fn(&Entry<'_>) -> Result<Option<T>, ObserveError>,
    ) -> Result<Option<T>, ObserveError> {
        let Some(entry) = self.root.parent(path)? else { return Ok(None) };
        match look(&entry)? {
            None if entry.directory.is_gone() => {
                let parent = path.parent().unwrap_or(path);
                match self.root.reopen(parent)? {
                    Some(directory) => look(&Entry { directory, name: entry.name }),
                    None => Ok(None),
                }
            }
            found => Ok(found),
        }
    }

    /// Opens a regular file for reading, with its size. `None` when nothing is there.
    pub(crate) fn open_file(&self, path: &Path) -> Result<Option<(File, u64)>, ObserveError> {
        self.at(path, |entry| open_regular(entry, path))
    }
}

impl Observed {
    /// Runs a command that only asks.
    fn asked(&self, probe: &Probe, quiet: bool) -> Result<Finished, ObserveError> {
        let spawn = Spawn {
            command: &probe.command,
            user: probe.user.as_deref().map(|name| self.run_as(name)).transpose()?,
            cwd: probe.cwd.as_deref(),
            env: &probe.env,
            stdin: None,
            umask: None,
            chroot: self.command_root()?,
            timeout: Some(probe.timeout.unwrap_or(PROBE_TIMEOUT)),
            quiet,
        };
        let started = spawn.run(&self.cancel);
        started.map_err(|error| guard_failed(&probe.command, &format!("cannot be started: {error}")))
    }
}

fn guard_failed(command: &Command, message: &str) -> ObserveError {
    ObserveError::Impossible {
        code: "guard-failed",
        message: format!("`{}` {message}", shown(command)),
        hint: "a guard is a command that exists and ends with status 0 or another".into(),
    }
}

/// Opens a regular file. Never waits for the other end of a pipe.
pub(crate) fn open_regular(entry: &Entry<'_>, path: &Path) -> Result<Option<(File, u64)>, ObserveError> {
    let wrong = |kind| ObserveError::WrongKind { path: path.to_owned(), found: words(kind), expected: "a regular file" };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let open = |flags| rustix::fs::openat(&*entry.directory, entry.name, flags, Mode::empty());
    // A look leaves no trace, not even in the time of the last access; only the owner and root may ask for that.
    let opened = match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open(flags),
        opened => opened,
    };
    let fd = match opened {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(wrong(FileKind::Symlink)),
        Err(Errno::NXIO) => return Err(wrong(FileKind::Other)),
        Err(error) => return Err(failed(path, error)),
    };
    let stat = rustix::fs::fstat(&fd).map_err(|error| failed(path, error))?;
    match kind(FileType::from_raw_mode(stat.st_mode)) {
        FileKind::File => Ok(Some((File::from(fd), u64::try_from(stat.st_size).unwrap_or(0)))),
        other => Err(wrong(other)),
    }
}

/// Looks at an entry, the entry itself and not what a symlink points to.
pub(crate) fn stat_entry(entry: &Entry<'_>, path: &Path) -> Result<Option<Stat>, ObserveError> {
    let stat = match rustix::fs::statat(&*entry.directory, entry.name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(failed(path, error)),
    };
    let kind = kind(FileType::from_raw_mode(stat.st_mode));
    let target = if kind == FileKind::Symlink {
        match rustix::fs::readlinkat(&*entry.directory, entry.name, Vec::new()) {
            Ok(target) => Some(PathBuf::from(OsString::from_vec(target.into_bytes()))),
            // Taken away or exchanged between the two calls.
            Err(Errno::NOENT | Errno::INVAL) => return Ok(None),
            Err(error) => return Err(failed(path, error)),
        }
    } else {
        None
    };
    Ok(Some(Stat {
        kind,
        mode: stat.st_mode & 0o7777,
        uid: Owner::Id(stat.st_uid),
        gid: Owner::Id(stat.st_gid),
        size: if kind == FileKind::File { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 },
        target,
    }))
}

/// Returns the entries of an open directory, sorted by name.
pub(crate) fn list_directory(directory: &Entry<'_>, path: &Path) -> Result<Option<Vec<(OsString, FileKind)>>, ObserveError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match rustix::fs::openat(&*directory.directory, directory.name, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::NOTDIR | Errno::LOOP) => {
            let found = "not a directory";
            return Err(ObserveError::WrongKind { path: path.to_owned(), found, expected: "a directory" });
        }
        Err(error) => return Err(failed(path, error)),
    };
    let mut entries = Vec::new();
    for entry in Dir::read_from(&fd).map_err(|error| failed(path, error))? {
        let entry = entry.map_err(|error| failed(path, error))?;
        let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
        if name == OsStr::new(".") || name == OsStr::new("..") {
            continue;
        }
        let file_type = match entry.file_type() {
            FileType::Unknown => match rustix::fs::statat(&fd, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(failed(&path.join(&name), error)),
            },
            known => known,
        };
        entries.push((name, kind(file_type)));
    }
    entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(Some(entries))
}

fn kind(file_type: FileType) -> FileKind {
    match file_type {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Other,
    }
}

fn words(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "a regular file",
        FileKind::Directory => "a directory",
        FileKind::Symlink => "a symlink",
        FileKind::Other => "a device, socket or pipe",
    }
}

impl World for Observed {
    fn stat(&self, path: &Path) -> Look<Option<Stat>> {
        self.at(path, |entry| stat_entry(entry, path)).map(Known::Is)
    }

    fn read(&self, path: &Path) -> Look<Option<Arc<[u8]>>> {
        let Some((mut file, size)) = self.open_file(path)? else { return Ok(Known::Is(None)) };
        let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(1).min(1 << 30));
        file.read_to_end(&mut content).map_err(|error| ObserveError::io(path, &error))?;
        Ok(Known::Is(Some(content.into())))
    }

    fn holds(&self, path: &Path, content: &[u8]) -> Look<bool> {
        let Some((mut file, size)) = self.open_file(path)? else { return Ok(Known::Is(false)) };
        if size != content.len() as u64 {
            return Ok(Known::Is(false));
        }
        BUFFER.with_borrow_mut(|buffer| {
            let mut rest = content;
            while !rest.is_empty() {
                let length = rest.len().min(buffer.len());
                match file.read(&mut buffer[..length]) {
                    Ok(0) => return Ok(Known::Is(false)),
                    Ok(count) if buffer[..count] == rest[..count] => rest = &rest[count..],
                    Ok(_) => return Ok(Known::Is(false)),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(ObserveError::io(path, &error)),
                }
            }
            Ok(Known::Is(true))
        })
    }

    fn digest(&self, path: &Path) -> Look<Option<([u8; 32], u64)>> {
        let Some((mut file, _)) = self.open_file(path)? else { return Ok(Known::Is(None)) };
        BUFFER.with_borrow_mut(|buffer| {
            let mut hasher = blake3::Hasher::new();
            loop {
                match file.read(buffer) {
                    Ok(0) => return Ok(Known::Is(Some((*hasher.finalize().as_bytes(), hasher.count())))),
                    Ok(count) => drop(hasher.update(&buffer[..count])),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(ObserveError::io(path, &error)),
                }
            }
        })
    }

    fn xattrs(&self, path: &Path) -> Look<BTreeMap<String, String>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let look = |entry: &Entry<'_>| match rustix::fs::openat(&*entry.directory, entry.name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(xattrs(&fd))),
            // A symlink or a special file: nothing that is managed.
            Err(Errno::LOOP | Errno::NXIO | Errno::NOENT) => Ok(None),
            Err(error) => Err(failed(path, error)),
        };
        Ok(Known::Is(self.at(path, look)?.unwrap_or_default()))
    }

    fn list(&self, path: &Path) -> Look<Option<Vec<(OsString, FileKind)>>> {
        self.at(path, |entry| list_directory(entry, path)).map(Known::Is)
    }

    fn user(&self, name: &str) -> Look<Option<User>> {
        self.system.accounts.user(name).map(Known::Is)
    }

    fn group(&self, name: &str) -> Look<Option<Group>> {
        self.system.accounts.group(name).map(Known::Is)
    }

    fn user_name(&self, uid: u32) -> Option<Arc<str>> {
        self.system.accounts.user_name(uid)
    }

    fn group_name(&self, gid: u32) -> Option<Arc<str>> {
        self.system.accounts.group_name(gid)
    }

    fn password_hash(&self, user: &str) -> Look<Option<Arc<str>>> {
        self.system.accounts.password_hash(user).map(Known::Is)
    }

    fn account_ages(&self, user: &str) -> Look<Ages> {
        Ok(Known::Is(self.system.accounts.shadow(user)?.map(|shadow| shadow.ages).unwrap_or_default()))
    }

    fn package(&self, name: &str) -> Look<PackageState> {
        self.system.dpkg.package(name).map(Known::Is)
    }

    fn forecast(&self, wishes: &[PackageWish]) -> Look<Forecast> {
        self.system.apt.forecast(wishes, None).map(Known::Is)
    }

    fn forecast_with(&self, wishes: &[PackageWish], ahead: &SourcesAhead) -> Look<Forecast> {
        self.system.apt.forecast(wishes, Some(ahead)).map(Known::Is)
    }

    fn read_through(&self, path: &Path, take: &mut dyn FnMut(&[u8])) -> Look<Option<u64>> {
        let Some((mut file, _)) = self.open_file(path)? else { return Ok(Known::Is(None)) };
        BUFFER.with_borrow_mut(|buffer| {
            let mut size = 0;
            loop {
                match file.read(buffer) {
                    Ok(0) => return Ok(Known::Is(Some(size))),
                    Ok(count) => {
                        take(&buffer[..count]);
                        size += count as u64;
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(ObserveError::io(path, &error)),
                }
            }
        })
    }

    fn connects(&self, host: &str, port: u16, timeout: Duration) -> Look<Result<(), NoAnswer>> {
        if self.system.is_tree() { Err(no_network()) } else { Ok(Known::Is(net::connect(host, port, timeout))) }
    }

    fn fetch(&self, request: &Request, most: u64) -> Look<Result<Reply, NoAnswer>> {
        if self.system.is_tree() { Err(no_network()) } else { Ok(Known::Is(net::ask(request, most))) }
    }

    fn fetched(&self, path: &Path) -> Option<Fetched> {
        self.downloads.as_ref()?.fetched(path)
    }

    fn query(&self, probe: &Probe) -> Look<Output> {
        let finished = self.asked(probe, false)?;
        let status = match finished.ended {
            Ended::Status(status) => status,
            Ended::TimedOut => 124,
            Ended::Aborted => 130,
        };
        Ok(Known::Is(Output { status, stdout: finished.stdout.into_bytes(), stderr: finished.stderr.into_bytes() }))
    }

    fn contents(&self, change: &PackageChange) -> Look<Arc<Contents>> {
        if self.system.is_tree() {
            return Ok(Known::Unknown("archives are not read for a tree".into()));
        }
        Ok(match self.system.apt.contents(change) {
            Ok(contents) => Known::Is(contents),
            Err(because) => Known::Unknown(because),
        })
    }

    fn unit(&self, name: &str) -> Look<UnitState> {
        self.system.systemd.unit(name).map(Known::Is)
    }

    fn probe(&self, probe: &Probe) -> Look<ProbeOutcome> {
        let finished = self.asked(probe, true)?;
        let failure = |message: String| guard_failed(&probe.command, &message);
        match finished.ended {
            Ended::Status(status) => Ok(Known::Is(ProbeOutcome { success: status == 0, status })),
            Ended::TimedOut => {
                Err(failure(format!("took longer than {} s", probe.timeout.unwrap_or(PROBE_TIMEOUT).as_secs_f64())))
            }
            Ended::Aborted => Err(failure("was stopped with the run".into())),
        }
    }

    fn is_live(&self) -> bool {
        !self.system.is_tree()
    }

    fn is_managed(&self, path: &Path) -> bool {
        self.managed.covers(path)
    }

    fn is_owned(&self, name: &str) -> bool {
        self.managed.owns(name)
    }

    fn is_declared(&self, path: &Path) -> bool {
        self.managed.declares(path)
    }

    fn identity(&self) -> (u32, u32) {
        self.identity
    }
}

/// A command for a message: its first line, and not all of a long one.
fn shown(command: &Command) -> String {
    let text = command.to_string();
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree() -> (tempfile::TempDir, Observed) {
        let directory = tempfile::tempdir().unwrap();
        let observed = Observed::new(&RootSpec::Tree(directory.path().to_owned())).unwrap();
        (directory, observed)
    }

    #[test]
    fn a_file_is_read_held_and_hashed() {
        let (directory, world) = tree();
        std::fs::write(directory.path().join("a"), b"hello").unwrap();
        let path = Path::new("/a");
        assert_eq!(world.read(path).unwrap(), Known::Is(Some(b"hello".as_slice().into())));
        assert_eq!(world.holds(path, b"hello").unwrap(), Known::Is(true));
        assert_eq!(world.holds(path, b"hellO").unwrap(), Known::Is(false));
        assert_eq!(world.holds(path, b"hello!").unwrap(), Known::Is(false));
        assert_eq!(world.digest(path).unwrap(), Known::Is(Some((*blake3::hash(b"hello").as_bytes(), 5))));
        assert_eq!(world.read(Path::new("/no/such")).unwrap(), Known::Is(None));
        assert_eq!(world.read(Path::new("/")).unwrap_err().code(), "wrong-kind");
        assert_eq!(world.read(Path::new("/a/b")).unwrap_err().code(), "wrong-kind");
    }

    #[test]
    fn a_look_leaves_no_trace() {
        let (directory, world) = tree();
        let path = directory.path().join("a");
        std::fs::write(&path, b"hello").unwrap();
        // Older than the last change: the next read would be noted, also where only the first one is.
        let times = std::fs::FileTimes::new().set_accessed(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
        assert_eq!(world.holds(Path::new("/a"), b"hello").unwrap(), Known::Is(true));
        let accessed = std::fs::metadata(&path).unwrap().accessed().unwrap();
        assert_eq!(accessed, std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let (directory, world) = tree();
        let status = std::process::Command::new("mkfifo").arg(directory.path().join("p")).status().unwrap();
        assert!(status.success());
        assert_eq!(world.read(Path::new("/p")).unwrap_err().code(), "wrong-kind");
        assert_eq!(world.stat(Path::new("/p")).unwrap().known().unwrap().unwrap().kind, FileKind::Other);
    }

    #[test]
    fn a_symlink_is_told_and_not_followed_at_the_end() {
        let (directory, world) = tree();
        symlink("/etc/passwd", directory.path().join("link")).unwrap();
        let stat = world.stat(Path::new("/link")).unwrap().known().unwrap().unwrap();
        assert_eq!((stat.kind, stat.target.as_deref()), (FileKind::Symlink, Some(Path::new("/etc/passwd"))));
        assert_eq!(world.read(Path::new("/link")).unwrap_err().code(), "wrong-kind");
    }

    #[test]
    fn a_directory_made_anew_is_seen() {
        let (directory, world) = tree();
        let inside = directory.path().join("d");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(inside.join("f"), b"1").unwrap();
        assert_eq!(world.holds(Path::new("/d/f"), b"1").unwrap(), Known::Is(true));
        std::fs::remove_dir_all(&inside).unwrap();
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(inside.join("f"), b"2").unwrap();
        assert_eq!(world.holds(Path::new("/d/f"), b"2").unwrap(), Known::Is(true));
    }

    #[test]
    fn probes_answer_and_end_in_time() {
        let world = Observed::new(&RootSpec::Machine).unwrap();
        let probe = |line: &str, timeout| Probe {
            command: Command::Shell(line.into()),
            user: None,
            cwd: None,
            env: vec![("WORD".into(), "x".into())],
            timeout: Some(Duration::from_millis(timeout)),
        };
        let ask = |line: &str| world.probe(&probe(line, 5000)).unwrap().known().unwrap();
        assert!(ask("test $WORD = x").success);
        assert_eq!(ask("exit 3"), ProbeOutcome { success: false, status: 3 });
        assert_eq!(ask("kill -9 $$").status, 137);
        assert!(!ask("test -t 0").success);
        let before = std::time::Instant::now();
        let error = world.probe(&probe("sleep 30 & sleep 30", 50)).unwrap_err();
        assert_eq!(error.code(), "guard-failed");
        assert!(before.elapsed() < Duration::from_secs(5));
        let missing = Probe { command: Command::Argv(vec!["/no/such/program".into()]), ..probe("", 50) };
        assert_eq!(world.probe(&missing).unwrap_err().code(), "guard-failed");
    }
}
