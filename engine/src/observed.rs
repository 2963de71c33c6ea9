//! The machine as it is, or the tree of `--root DIR`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use stead_catalog::Command;

use crate::cancel::Cancel;
use crate::downloads::{Downloads, Fetched};
use crate::journal::SecretPaths;
use crate::machine::xattrs;
use crate::net::{self, NoAnswer, Reply, Request};
use crate::process::{Ended, Finished, RunAs, Spawn};
use crate::root::{Entry, Root, RootSpec, failed};
use crate::system::System;
use crate::system::accounts::Ages;
use crate::system::apt::SourcesAhead;
use crate::system::archive::{Contents, Control};
use crate::world::no_network;
use crate::{
    FileKind, Forecast, Group, Known, Look, ManagedPaths, ObserveError, Output, PackageChange, PackageState, PackageWish, Probe,
    ProbeOutcome, Stat, UnitState, User, World,
};

mod entry;

pub(crate) use entry::{list_directory, open_regular, stat_entry};

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
    secrets: Option<SecretPaths>,
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
            secrets: None,
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

    /// The same machine, with what earlier runs of this state directory know of downloads, and of files that hold secrets.
    #[must_use]
    pub fn remembering(mut self, state: &Path) -> Self {
        self.downloads = Some(Downloads::new(state));
        self.secrets = Some(SecretPaths::new(state));
        self
    }

    /// Takes note whether a file holds a secret from now on.
    pub(crate) fn note_secret(&self, path: &Path, is_secret: bool) {
        if let Some(secrets) = &self.secrets {
            secrets.note(path, is_secret);
        }
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

impl World for Observed {
    fn holds_secret(&self, path: &Path) -> bool {
        self.secrets.as_ref().is_some_and(|secrets| secrets.has(path))
    }

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

    fn package_file(&self, path: &Path) -> Look<Option<Control>> {
        let Some((file, _)) = self.open_file(path)? else { return Ok(Known::Is(None)) };
        Ok(Known::Is(Some(Control::read(path, file)?)))
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
mod tests;
