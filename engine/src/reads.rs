//! Remembers what was looked at, so that a look taken early can be trusted later.
//!
//! All resources observe the machine at once, before anything is predicted. When its turn in the graph comes, a resource
//! whose reads no prediction touches keeps its early observation; the others look again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::downloads::Fetched;
use crate::joint::JointForecast;
use crate::managed_paths::ManagedPaths;
use crate::net::{NoAnswer, Reply, Request};
use crate::system::accounts::Ages;
use crate::system::archive::{Contents, Control};
use crate::{
    FileKind, Forecast, Group, Known, Look, Output, PackageChange, PackageState, PackageWish, Probe, ProbeOutcome, Stat,
    UnitState, User, World,
};

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Path(Box<Path>),
    List(Box<Path>),
    User(Arc<str>),
    Group(Arc<str>),
    /// A user of this id, where there is none.
    Uid(u32),
    /// A group of this id, where there is none.
    Gid(u32),
    Package(Arc<str>),
    Forecast,
    Unit(Arc<str>),
    Probe,
}

/// More reads than this are not kept for a single plan: the resource simply looks again.
const MAX_READS: usize = 4096;

/// What one resource looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    reads: Vec<Read>,
}

impl Reads {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Read> {
        self.reads.iter()
    }

    /// Says whether too much was read to remember it.
    pub(crate) fn overflowed(&self) -> bool {
        self.reads.len() >= MAX_READS
    }
}

/// Passes every look on to the machine and remembers it.
pub(crate) struct Recorder<'a> {
    base: &'a dyn World,
    /// What all wishes together come to; the machine is asked itself where there is none.
    joint: Option<&'a JointForecast<'a>>,
    managed: &'a ManagedPaths,
    limit: usize,
    reads: Mutex<Reads>,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(base: &'a dyn World, joint: &'a JointForecast<'a>, managed: &'a ManagedPaths) -> Self {
        Self { base, joint: Some(joint), managed, limit: MAX_READS, reads: Mutex::default() }
    }

    /// For a look at the predicted machine, which knows what the wishes come to.
    pub(crate) fn again(predicted: &'a dyn World, managed: &'a ManagedPaths) -> Self {
        Self { base: predicted, joint: None, managed, limit: MAX_READS, reads: Mutex::default() }
    }

    /// Keeps everything, for those who want to know when any of it changes.
    pub(crate) fn keeping_all(mut self) -> Self {
        self.limit = usize::MAX;
        self
    }

    pub(crate) fn into_reads(self) -> Reads {
        self.reads.into_inner().unwrap_or_default()
    }

    fn note(&self, read: Read) {
        if let Ok(mut reads) = self.reads.lock()
            && reads.reads.len() < self.limit
            && reads.reads.last() != Some(&read)
        {
            reads.reads.push(read);
        }
    }

    fn note_path(&self, path: &Path) {
        self.note(Read::Path(path.into()));
    }
}

impl World for Recorder<'_> {
    fn holds_secret(&self, path: &Path) -> bool {
        self.base.holds_secret(path)
    }

    fn stat(&self, path: &Path) -> Look<Option<Stat>> {
        self.note_path(path);
        self.base.stat(path)
    }

    fn read(&self, path: &Path) -> Look<Option<Arc<[u8]>>> {
        self.note_path(path);
        self.base.read(path)
    }

    fn holds(&self, path: &Path, content: &[u8]) -> Look<bool> {
        self.note_path(path);
        self.base.holds(path, content)
    }

    fn digest(&self, path: &Path) -> Look<Option<([u8; 32], u64)>> {
        self.note_path(path);
        self.base.digest(path)
    }

    fn xattrs(&self, path: &Path) -> Look<BTreeMap<String, String>> {
        self.note_path(path);
        self.base.xattrs(path)
    }

    fn list(&self, path: &Path) -> Look<Option<Vec<(OsString, FileKind)>>> {
        self.note(Read::List(PathBuf::from(path).into()));
        self.base.list(path)
    }

    fn user(&self, name: &str) -> Look<Option<User>> {
        self.note(Read::User(name.into()));
        self.base.user(name)
    }

    fn group(&self, name: &str) -> Look<Option<Group>> {
        self.note(Read::Group(name.into()));
        self.base.group(name)
    }

    fn user_name(&self, uid: u32) -> Option<Arc<str>> {
        let Some(name) = self.base.user_name(uid) else {
            // One may be planned to come.
            self.note(Read::Uid(uid));
            return None;
        };
        // Whoever has the id may be planned to go.
        self.note(Read::User(name.clone()));
        Some(name)
    }

    fn group_name(&self, gid: u32) -> Option<Arc<str>> {
        let Some(name) = self.base.group_name(gid) else {
            self.note(Read::Gid(gid));
            return None;
        };
        self.note(Read::Group(name.clone()));
        Some(name)
    }

    fn password_hash(&self, user: &str) -> Look<Option<Arc<str>>> {
        self.note(Read::User(user.into()));
        self.base.password_hash(user)
    }

    fn account_ages(&self, user: &str) -> Look<Ages> {
        self.note(Read::User(user.into()));
        self.base.account_ages(user)
    }

    fn package(&self, name: &str) -> Look<PackageState> {
        self.note(Read::Package(name.into()));
        self.base.package(name)
    }

    fn forecast(&self, wishes: &[PackageWish]) -> Look<Forecast> {
        self.note(Read::Forecast);
        match self.joint {
            Some(joint) if joint.is_deferred() => Ok(Known::Unknown("what can be installed is looked at later".into())),
            Some(joint) => joint.forecast(wishes, None),
            None => self.base.forecast(wishes),
        }
    }

    fn contents(&self, change: &PackageChange) -> Look<Arc<Contents>> {
        self.base.contents(change)
    }

    fn package_file(&self, path: &Path) -> Look<Option<Control>> {
        self.note_path(path);
        self.base.package_file(path)
    }

    fn connects(&self, host: &str, port: u16, timeout: Duration) -> Look<Result<(), NoAnswer>> {
        self.note(Read::Probe);
        self.base.connects(host, port, timeout)
    }

    fn fetch(&self, request: &Request, most: u64) -> Look<Result<Reply, NoAnswer>> {
        self.note(Read::Probe);
        self.base.fetch(request, most)
    }

    fn fetched(&self, path: &Path) -> Option<Fetched> {
        self.base.fetched(path)
    }

    fn query(&self, probe: &Probe) -> Look<Output> {
        self.note(Read::Probe);
        self.base.query(probe)
    }

    fn read_through(&self, path: &Path, take: &mut dyn FnMut(&[u8])) -> Look<Option<u64>> {
        self.note_path(path);
        self.base.read_through(path, take)
    }

    fn unit(&self, name: &str) -> Look<UnitState> {
        self.note(Read::Unit(name.into()));
        self.base.unit(name)
    }

    fn probe(&self, probe: &Probe) -> Look<ProbeOutcome> {
        self.note(Read::Probe);
        self.base.probe(probe)
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

    fn exists(&self, path: &Path) -> Look<bool> {
        self.note_path(path);
        self.base.exists(path)
    }

    fn is_live(&self) -> bool {
        self.base.is_live()
    }

    fn identity(&self) -> (u32, u32) {
        self.base.identity()
    }
}
