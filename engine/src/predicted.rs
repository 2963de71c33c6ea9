//! The machine as it will be: predicted effects above the observed machine.
//!
//! Effects are kept by place. A look finds the effect at the place itself or above it, and otherwise
//! falls through to the observed machine. What a package brings is read from its archive where that is at hand
//! (`brought.rs`); otherwise, after a planned install, an absent thing that packages may bring is `Unknown`, never guessed.

mod brought;
mod writers;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::writers::{Name, Writers};
use crate::foreseen;
use crate::joint::JointForecast;
use crate::managed_paths::ManagedPaths;
use crate::reads::{Read, Reads};
use crate::system::accounts::Shadow;
use crate::system::archive::Contents;
use crate::units::{self, UnitFile};
use crate::{
    ActiveState, FileKind, Forecast, Group, Known, Look, ObserveError, PackageState, PackageWish, Probe, ProbeOutcome, Stat,
    UnitState, User, World,
};

/// What is predicted of one path.
#[derive(Clone, Debug)]
enum Entry {
    /// Something will be here.
    Present {
        stat: Stat,
        /// Content of a regular file, when it is known.
        content: Option<Arc<[u8]>>,
        /// The content is the one that the observed machine has here.
        kept: bool,
        /// Nothing that the observed machine has below this path will be there.
        fresh: bool,
    },
    /// Nothing will be here, nor below.
    Removed,
    /// Known only later.
    Obscured(Arc<str>),
    /// Something will be here; what, and what is below it, is known only later.
    Appearing(Arc<str>),
}

/// Where a path leads in the predicted world.
enum Found<'e> {
    Entry(&'e Entry),
    /// Nothing is predicted for it or above it: ask the machine for this path.
    Base(PathBuf),
    /// Above it is something new without it.
    Absent,
    Unknown(&'e Arc<str>),
}

/// Symlinks followed for one path before it counts as a loop, as in Linux (path_resolution(7)).
const MAX_SYMLINKS: usize = 40;

/// A world with the effects of the resources planned so far.
pub struct Predicted<'a> {
    base: &'a dyn World,
    managed: Option<&'a ManagedPaths>,
    joint: Option<&'a JointForecast<'a>>,
    files: BTreeMap<PathBuf, Entry>,
    users: BTreeMap<Arc<str>, Option<User>>,
    groups: BTreeMap<Arc<str>, Option<Group>>,
    shadow: BTreeMap<Arc<str>, Shadow>,
    packages: BTreeMap<Arc<str>, PackageState>,
    units: BTreeMap<Arc<str>, UnitState>,
    /// Directories with the symlinks in them resolved; dropped when a symlink may have changed.
    resolved: Mutex<BTreeMap<PathBuf, PathBuf>>,
    /// What comes before the resource that is looking and may bring things nobody can foresee.
    bringers: Arc<[Arc<str>]>,
    /// By what brings them: the packages whose archives were read, so that what they bring is known.
    archives: BTreeMap<Arc<str>, Vec<Arc<Contents>>>,
    /// What the resource that is being predicted may bring.
    brought: Vec<Arc<str>>,
    /// A change that comes before the resource that is looking, which a guard's answer may depend on.
    unsettled: Option<Arc<str>>,
    writers: Writers,
}

impl<'a> Predicted<'a> {
    /// A world like `base`, with no effects yet.
    pub fn new(base: &'a dyn World) -> Self {
        Self {
            base,
            managed: None,
            joint: None,
            files: BTreeMap::new(),
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            shadow: BTreeMap::new(),
            packages: BTreeMap::new(),
            units: BTreeMap::new(),
            resolved: Mutex::default(),
            bringers: Arc::default(),
            archives: BTreeMap::new(),
            brought: Vec::new(),
            unsettled: None,
            writers: Writers::default(),
        }
    }

    /// The same world in which a purge keeps these paths, and all package wishes are simulated together.
    pub(crate) fn planning(mut self, managed: &'a ManagedPaths, joint: &'a JointForecast<'a>) -> Self {
        self.managed = Some(managed);
        self.joint = Some(joint);
        self
    }

    /// The machine below.
    pub fn base(&self) -> &'a dyn World {
        self.base
    }

    /// A file, directory or symlink will be here. `content` is a regular file's, `None` when it is not known
    /// (`stat.size` is then without meaning). What is below an existing directory stays.
    pub fn put(&mut self, path: &Path, stat: Stat, content: Option<Arc<[u8]>>) {
        let path = self.resolve(path);
        let stays_below = stat.kind == FileKind::Directory
            && match self.find(&path) {
                Found::Entry(Entry::Present { stat, fresh, .. }) => stat.kind == FileKind::Directory && !fresh,
                Found::Base(path) => {
                    matches!(self.base.stat(&path), Ok(Known::Is(Some(stat))) if stat.kind == FileKind::Directory)
                }
                _ => false,
            };
        if stat.kind == FileKind::Symlink {
            self.resolved().clear();
        }
        if let Some(unit) = UnitFile::of(&path) {
            self.put_unit_file(&unit, content.as_deref());
        }
        self.writers.path(&path);
        self.files.insert(path, Entry::Present { stat, content, kept: false, fresh: !stays_below });
    }

    /// What is here stays, content and all, with these attributes.
    pub fn change(&mut self, path: &Path, changed: Stat) {
        let path = self.resolve(path);
        self.writers.path(&path);
        if let Some(Entry::Present { stat, .. }) = self.files.get_mut(&path) {
            *stat = changed;
        } else {
            self.files.insert(path, Entry::Present { stat: changed, content: None, kept: true, fresh: false });
        }
    }

    /// Nothing will be here, nor below.
    pub fn remove(&mut self, path: &Path) {
        let path = self.resolve(path);
        let below: Vec<PathBuf> =
            self.files.range(path.clone()..).take_while(|(p, _)| p.starts_with(&path)).map(|(p, _)| p.clone()).collect();
        for gone in below {
            self.files.remove(&gone);
        }
        self.resolved().clear();
        self.writers.path(&path);
        self.files.insert(path.clone(), Entry::Removed);
        if let Some(unit) = UnitFile::of(&path) {
            self.remove_unit_file(&unit);
        }
    }

    /// What is here, or whether anything is, is known only after `because`.
    pub fn obscure(&mut self, path: &Path, because: &str) {
        let path = self.resolve(path);
        self.resolved().clear();
        self.writers.path(&path);
        self.files.insert(path, Entry::Obscured(because.into()));
    }

    /// Something will be here; what it is, and what is below it, is known only after `because`.
    pub fn appear(&mut self, path: &Path, because: &str) {
        let path = self.resolve(path);
        self.resolved().clear();
        self.writers.path(&path);
        self.files.insert(path, Entry::Appearing(because.into()));
    }

    /// A user account will be like this.
    pub fn put_user(&mut self, user: User) {
        self.writers.name(Name::User, &user.name);
        self.users.insert(user.name.clone(), Some(user));
    }

    /// A user account will be gone.
    pub fn remove_user(&mut self, name: &str) {
        self.writers.name(Name::User, name);
        self.users.insert(name.into(), None);
    }

    /// A user's line of the shadow database will be this.
    pub fn put_shadow(&mut self, user: &str, shadow: Shadow) {
        self.writers.name(Name::User, user);
        self.shadow.insert(user.into(), shadow);
    }

    /// A group will be like this.
    pub fn put_group(&mut self, group: Group) {
        self.writers.name(Name::Group, &group.name);
        self.groups.insert(group.name.clone(), Some(group));
    }

    /// A group will be gone.
    pub fn remove_group(&mut self, name: &str) {
        self.writers.name(Name::Group, name);
        self.groups.insert(name.into(), None);
    }

    /// A package will be in this state.
    pub fn put_package(&mut self, name: &str, state: PackageState) {
        self.writers.name(Name::Package, name);
        self.packages.insert(name.into(), state);
    }

    /// A unit will be in this state.
    pub fn put_unit(&mut self, name: &str, state: UnitState) {
        self.writers.name(Name::Unit, name);
        self.units.insert(name.into(), state);
    }

    /// From here on, resources that come after the current one by a requisite find that absent paths, users, groups and units may
    /// have been brought by it: they are `Unknown(because)`.
    pub fn may_bring(&mut self, because: &str) {
        self.brought.push(because.into());
    }

    /// Says through whose eyes the next looks are: what may have been brought before it, and the last change before it.
    pub(crate) fn look_as(&mut self, bringers: Arc<[Arc<str>]>, unsettled: Option<Arc<str>>) {
        self.bringers = bringers;
        self.unsettled = unsettled;
    }

    /// Says whose effects are predicted next.
    pub(crate) fn predict_as(&mut self, resource: usize) {
        self.writers.begin(resource);
    }

    /// Returns the resources whose effects decide what these looks find.
    pub(crate) fn writers_of(&self, reads: &Reads) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for read in reads.iter() {
            match read {
                Read::Path(path) => found.extend(self.writers.of_path(&self.resolve(path))),
                Read::List(path) => self.writers.of_list(&self.resolve(path), &mut found),
                Read::User(name) => found.extend(self.writers.of_name(Name::User, name)),
                Read::Group(name) => found.extend(self.writers.of_name(Name::Group, name)),
                Read::Package(name) => found.extend(self.writers.of_name(Name::Package, name)),
                Read::Unit(name) => found.extend(self.writers.of_name(Name::Unit, name)),
                Read::Forecast | Read::Probe => {}
            }
        }
        found
    }

    /// Returns what was announced by [`Predicted::may_bring`] since the last call.
    pub(crate) fn take_brought(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.brought)
    }

    /// Says whether looks that found these things on the observed machine may find others here.
    pub(crate) fn affects(&self, reads: &Reads) -> bool {
        if !self.bringers.is_empty() || reads.overflowed() {
            return !self.is_untouched();
        }
        if self.is_untouched() {
            return false;
        }
        reads.iter().any(|read| match read {
            Read::Path(path) => !matches!(self.find(&self.resolve(path)), Found::Base(found) if found == **path),
            Read::List(path) => {
                let path = self.resolve(path);
                !matches!(self.find(&path), Found::Base(_)) || self.below(&path).next().is_some()
            }
            Read::User(name) => self.users.contains_key(name),
            Read::Group(name) => self.groups.contains_key(name),
            Read::Package(name) => self.packages.contains_key(name),
            Read::Forecast => !self.packages.is_empty() || self.changed_source().is_some(),
            Read::Unit(name) => self.units.contains_key(name),
            Read::Probe => self.unsettled.is_some(),
        })
    }

    fn is_untouched(&self) -> bool {
        self.files.is_empty()
            && self.users.is_empty()
            && self.groups.is_empty()
            && self.packages.is_empty()
            && self.units.is_empty()
            && self.bringers.is_empty()
            && self.unsettled.is_none()
    }

    /// Returns the path with the symlinks of its directories resolved, as the predicted world has them.
    fn resolve(&self, path: &Path) -> PathBuf {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return path.to_owned();
        };
        self.resolve_directory(parent, MAX_SYMLINKS).join(name)
    }

    fn resolved(&self) -> MutexGuard<'_, BTreeMap<PathBuf, PathBuf>> {
        self.resolved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resolve_directory(&self, directory: &Path, links_left: usize) -> PathBuf {
        if let Some(known) = self.resolved().get(directory) {
            return known.clone();
        }
        let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
            return directory.to_owned();
        };
        let path = self.resolve_directory(parent, links_left).join(name);
        let target = match self.find(&path) {
            Found::Entry(Entry::Present { stat, .. }) => stat.target.clone(),
            Found::Base(path) => {
                self.base.stat(&path).ok().and_then(|look| look.value().cloned().flatten()).and_then(|stat| stat.target)
            }
            _ => None,
        };
        let resolved = match target {
            Some(target) if links_left > 0 => {
                let joined = normalize(&path.parent().unwrap_or(Path::new("/")).join(target));
                self.resolve_directory(&joined, links_left - 1)
            }
            _ => path,
        };
        self.resolved().insert(directory.to_owned(), resolved.clone());
        resolved
    }

    /// Finds what is predicted for a resolved path: at it, or decided by something above it.
    fn find(&self, path: &Path) -> Found<'_> {
        if self.files.is_empty() {
            return Found::Base(path.to_owned());
        }
        for (depth, above) in path.ancestors().enumerate() {
            match self.files.get(above) {
                None => {}
                Some(entry) if depth == 0 => return Found::Entry(entry),
                Some(Entry::Removed) => return Found::Absent,
                Some(Entry::Obscured(because) | Entry::Appearing(because)) => return Found::Unknown(because),
                Some(Entry::Present { fresh: true, .. }) => return Found::Absent,
                Some(Entry::Present { fresh: false, .. }) => return Found::Base(path.to_owned()),
            }
        }
        Found::Base(path.to_owned())
    }

    /// Predicted entries below a resolved directory, at any depth.
    fn below<'s>(&'s self, directory: &'s Path) -> impl Iterator<Item = (&'s PathBuf, &'s Entry)> {
        let from = (std::ops::Bound::Excluded(directory.to_owned()), std::ops::Bound::Unbounded);
        self.files.range(from).take_while(move |(path, _)| path.starts_with(directory))
    }

    /// The file through which what can be installed will have changed, in words.
    fn changed_source(&self) -> Option<Arc<str>> {
        let below = Path::new("/etc/apt/sources.list.d");
        let mut sources =
            self.files.range(PathBuf::from("/etc/apt/sources.list")..).take_while(|(path, _)| path.starts_with("/etc/apt"));
        let is_source = |path: &Path| path == Path::new("/etc/apt/sources.list") || (path.starts_with(below) && path != below);
        let (path, _) =
            sources.find(|(path, entry)| is_source(path) && matches!(entry, Entry::Present { .. } | Entry::Obscured(_)))?;
        Some(format!("the package index is refreshed for {}", path.display()).into())
    }

    fn put_unit_file(&mut self, file: &UnitFile, content: Option<&[u8]>) {
        let state = match self.unit(&file.unit) {
            Ok(Known::Is(mut state)) if state.exists => {
                state.needs_daemon_reload = true;
                state
            }
            Ok(Known::Unknown(_)) => return,
            _ if file.drop_in => return,
            _ => units::unloaded(content),
        };
        self.writers.name(Name::Unit, &file.unit);
        self.units.insert(file.unit.clone(), state);
    }

    fn remove_unit_file(&mut self, file: &UnitFile) {
        if file.drop_in {
            return;
        }
        let elsewhere = units::DIRECTORIES
            .iter()
            .any(|directory| matches!(self.stat(&Path::new(directory).join(&*file.unit)), Ok(Known::Is(Some(_)))));
        if let (false, Ok(Known::Is(mut state))) = (elsewhere, self.unit(&file.unit)) {
            // A running service goes on without its unit file; nothing is enabled that cannot be found.
            state.exists = matches!(state.active, Known::Is(ActiveState::Active));
            state.needs_daemon_reload = true;
            self.writers.name(Name::Unit, &file.unit);
            self.units.insert(file.unit.clone(), state);
        }
    }
}

/// Takes `.` and `..` out of an absolute path without looking at the machine.
fn normalize(path: &Path) -> PathBuf {
    let mut normal = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            _ => {}
        }
    }
    normal
}

/// Says whether a distribution's package may own the path (Filesystem Hierarchy Standard 3.0; Debian Policy 9.1.1
/// keeps packages out of `/usr/local`, `/home`, `/srv` and the like).
fn may_be_packaged(path: &Path) -> bool {
    const LOCAL: [&str; 10] = ["/usr/local", "/home", "/root", "/srv", "/tmp", "/mnt", "/media", "/var/tmp", "/proc", "/sys"];
    !LOCAL.iter().any(|local| path.starts_with(local))
}

impl World for Predicted<'_> {
    fn stat(&self, path: &Path) -> Look<Option<Stat>> {
        match self.find(&self.resolve(path)) {
            Found::Entry(Entry::Present { stat, .. }) => Ok(Known::Is(Some(stat.clone()))),
            Found::Entry(Entry::Removed) => Ok(Known::Is(None)),
            Found::Entry(Entry::Obscured(because) | Entry::Appearing(because)) | Found::Unknown(because) => {
                Ok(Known::Unknown(because.clone()))
            }
            Found::Absent => Ok(self.maybe_brought_path(path)),
            Found::Base(found) => match self.base.stat(&found)? {
                Known::Is(None) => Ok(self.maybe_brought_path(path)),
                seen => Ok(seen),
            },
        }
    }

    fn read(&self, path: &Path) -> Look<Option<Arc<[u8]>>> {
        match self.find(&self.resolve(path)) {
            Found::Entry(Entry::Present { stat, kept: true, .. }) if stat.kind == FileKind::File => {
                self.base.read(&self.resolve(path))
            }
            Found::Entry(Entry::Present { stat, content, .. }) if stat.kind == FileKind::File => Ok(match content {
                Some(content) => Known::Is(Some(content.clone())),
                None => Known::Unknown(format!("the content of {} is made", path.display()).into()),
            }),
            Found::Entry(Entry::Present { .. }) => {
                Err(ObserveError::WrongKind { path: path.to_owned(), found: "something else", expected: "a regular file" })
            }
            Found::Entry(Entry::Removed) => Ok(Known::Is(None)),
            Found::Entry(Entry::Obscured(because) | Entry::Appearing(because)) | Found::Unknown(because) => {
                Ok(Known::Unknown(because.clone()))
            }
            Found::Absent => Ok(self.maybe_brought_path(path)),
            Found::Base(found) => match self.base.read(&found)? {
                Known::Is(None) => Ok(self.maybe_brought_path(path)),
                seen => Ok(seen),
            },
        }
    }

    fn holds(&self, path: &Path, content: &[u8]) -> Look<bool> {
        match self.find(&self.resolve(path)) {
            Found::Base(found) if self.bringers.is_empty() => self.base.holds(&found, content),
            Found::Entry(Entry::Present { stat, kept: true, .. }) if stat.kind == FileKind::File => {
                self.base.holds(&self.resolve(path), content)
            }
            _ => Ok(self.read(path)?.map(|seen| seen.is_some_and(|seen| *seen == *content))),
        }
    }

    fn digest(&self, path: &Path) -> Look<Option<([u8; 32], u64)>> {
        match self.find(&self.resolve(path)) {
            Found::Base(found) => match self.base.digest(&found)? {
                Known::Is(None) => Ok(self.maybe_brought_path(path)),
                seen => Ok(seen),
            },
            Found::Entry(Entry::Present { stat, kept: true, .. }) if stat.kind == FileKind::File => {
                self.base.digest(&self.resolve(path))
            }
            _ => Ok(self.read(path)?.map(|seen| seen.map(|bytes| (*blake3::hash(&bytes).as_bytes(), bytes.len() as u64)))),
        }
    }

    fn list(&self, path: &Path) -> Look<Option<Vec<(OsString, FileKind)>>> {
        if let Some(because) = self.spoken_of(path) {
            return Ok(Known::Unknown(because.clone()));
        }
        let directory = match self.find(&self.resolve(path)) {
            Found::Entry(Entry::Present { stat, .. }) if stat.kind != FileKind::Directory => {
                return Err(ObserveError::WrongKind { path: path.to_owned(), found: "no directory", expected: "a directory" });
            }
            Found::Entry(Entry::Removed) => return Ok(Known::Is(None)),
            Found::Entry(Entry::Obscured(because) | Entry::Appearing(because)) | Found::Unknown(because) => {
                return Ok(Known::Unknown(because.clone()));
            }
            Found::Absent => return Ok(self.maybe_brought_path(path)),
            Found::Entry(Entry::Present { fresh: true, .. }) => Some(Vec::new()),
            Found::Entry(Entry::Present { .. }) => match self.base.list(&self.resolve(path))? {
                Known::Is(entries) => Some(entries.unwrap_or_default()),
                Known::Unknown(because) => return Ok(Known::Unknown(because)),
            },
            Found::Base(found) => match self.base.list(&found)? {
                Known::Is(entries) => entries,
                Known::Unknown(because) => return Ok(Known::Unknown(because)),
            },
        };
        let Some(entries) = directory else {
            return Ok(self.maybe_brought_path(path));
        };
        let mut merged: BTreeMap<OsString, FileKind> = entries.into_iter().collect();
        let resolved = self.resolve(path);
        for (child, entry) in self.below(&resolved) {
            let (Some(name), true) = (child.file_name(), child.parent() == Some(&resolved)) else { continue };
            match entry {
                Entry::Present { stat, .. } => {
                    merged.insert(name.to_owned(), stat.kind);
                }
                Entry::Removed => {
                    merged.remove(name);
                }
                Entry::Obscured(because) | Entry::Appearing(because) => return Ok(Known::Unknown(because.clone())),
            }
        }
        Ok(Known::Is(Some(merged.into_iter().collect())))
    }

    fn user(&self, name: &str) -> Look<Option<User>> {
        match self.users.get(name) {
            Some(user) => Ok(Known::Is(user.clone())),
            None => match self.base.user(name)? {
                Known::Is(None) => Ok(self.maybe_brought(true, name)),
                seen => Ok(seen),
            },
        }
    }

    fn group(&self, name: &str) -> Look<Option<Group>> {
        match self.groups.get(name) {
            Some(group) => Ok(Known::Is(group.clone())),
            None => match self.base.group(name)? {
                Known::Is(None) => Ok(self.maybe_brought(true, name)),
                seen => Ok(seen),
            },
        }
    }

    fn user_name(&self, uid: u32) -> Option<Arc<str>> {
        let predicted = self.users.values().flatten().find(|user| user.uid == Known::Is(uid)).map(|user| user.name.clone());
        predicted.or_else(|| self.base.user_name(uid).filter(|name| !matches!(self.users.get(name), Some(None))))
    }

    fn group_name(&self, gid: u32) -> Option<Arc<str>> {
        let predicted = self.groups.values().flatten().find(|group| group.gid == Known::Is(gid)).map(|group| group.name.clone());
        predicted.or_else(|| self.base.group_name(gid).filter(|name| !matches!(self.groups.get(name), Some(None))))
    }

    fn password_hash(&self, user: &str) -> Look<Option<Arc<str>>> {
        match (self.shadow.get(user), self.users.get(user)) {
            (_, Some(None)) => Ok(Known::Is(None)),
            (Some(shadow), _) => Ok(Known::Is(Some(shadow.hash.clone()))),
            (None, Some(Some(_))) if matches!(self.base.user(user), Ok(Known::Is(None))) => Ok(Known::Is(None)),
            _ => self.base.password_hash(user),
        }
    }

    fn account_expires(&self, user: &str) -> Look<Option<i64>> {
        match (self.shadow.get(user), self.users.get(user)) {
            (_, Some(None)) => Ok(Known::Is(None)),
            (Some(shadow), _) => Ok(Known::Is(shadow.expires)),
            (None, Some(Some(_))) if matches!(self.base.user(user), Ok(Known::Is(None))) => Ok(Known::Is(None)),
            _ => self.base.account_expires(user),
        }
    }

    fn package(&self, name: &str) -> Look<PackageState> {
        match self.packages.get(name) {
            Some(state) => Ok(Known::Is(state.clone())),
            None => self.base.package(name),
        }
    }

    fn forecast(&self, wishes: &[PackageWish]) -> Look<Forecast> {
        if let Some(because) = self.changed_source() {
            return Ok(Known::Unknown(because));
        }
        match self.joint {
            Some(joint) => joint.forecast(wishes),
            None => self.base.forecast(wishes),
        }
    }

    fn unit(&self, name: &str) -> Look<UnitState> {
        match self.units.get(name) {
            Some(state) => Ok(Known::Is(state.clone())),
            None => match self.base.unit(name)? {
                Known::Is(state) if !state.exists => Ok(match self.maybe_brought::<()>(true, name) {
                    Known::Is(_) => Known::Is(state),
                    Known::Unknown(because) => Known::Unknown(because),
                }),
                seen => Ok(seen),
            },
        }
    }

    fn probe(&self, probe: &Probe) -> Look<ProbeOutcome> {
        match &self.unsettled {
            // What the command would say depends on things that are not there yet.
            Some(because) => Ok(match foreseen::answer(self, probe) {
                Some(success) => Known::Is(ProbeOutcome { success, status: i32::from(!success) }),
                None => Known::Unknown(because.clone()),
            }),
            None => self.base.probe(probe),
        }
    }

    fn is_managed(&self, path: &Path) -> bool {
        self.managed.map_or_else(|| self.base.is_managed(path), |managed| managed.covers(path))
    }

    fn is_declared(&self, path: &Path) -> bool {
        self.managed.map_or_else(|| self.base.is_declared(path), |managed| managed.declares(path))
    }

    fn exists(&self, path: &Path) -> Look<bool> {
        match self.find(&self.resolve(path)) {
            Found::Entry(Entry::Appearing(_)) => Ok(Known::Is(true)),
            _ => Ok(self.stat(path)?.map(|stat| stat.is_some())),
        }
    }

    fn identity(&self) -> (u32, u32) {
        self.base.identity()
    }
}
