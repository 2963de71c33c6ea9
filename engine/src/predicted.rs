//! The machine as it will be: predicted effects above the observed machine.
//!
//! Effects are kept by place. A look finds the effect at the place itself or above it, and otherwise
//! falls through to the observed machine. What a package brings is read from its archive where that is at hand
//! (`brought.rs`); otherwise, after a planned install, an absent thing that packages may bring is `Unknown`, never guessed.

pub(crate) mod brought;
mod looks;
mod plain;
mod resolve;
mod sources;
mod unit_files;
mod writers;

pub(crate) use sources::is_source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use self::plain::Plain;
use self::resolve::Found;
use self::writers::{Name, Writers};
use crate::joint::JointForecast;
use crate::managed_paths::ManagedPaths;
use crate::path_map::PathMap;
use crate::reads::{Read, Reads};
use crate::system::accounts::Shadow;
use crate::units::UnitFile;
use crate::{FileKind, Group, Known, PackageState, Stat, UnitState, User, World};

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

/// A world with the effects of the resources planned so far.
pub struct Predicted<'a> {
    base: &'a dyn World,
    managed: Option<&'a ManagedPaths>,
    joint: Option<&'a JointForecast<'a>>,
    files: PathMap<Entry>,
    users: BTreeMap<Arc<str>, Option<User>>,
    groups: BTreeMap<Arc<str>, Option<Group>>,
    shadow: BTreeMap<Arc<str>, Shadow>,
    packages: BTreeMap<Arc<str>, PackageState>,
    units: BTreeMap<Arc<str>, UnitState>,
    /// Directories with the symlinks in them resolved; dropped when a symlink may have changed.
    resolved: Mutex<BTreeMap<PathBuf, PathBuf>>,
    /// What comes before the resource that is looking and may bring things nobody can foresee.
    bringers: Arc<[Arc<str>]>,
    /// Directories below which things may appear that cannot be named, with what brings them.
    filled: Vec<(PathBuf, Arc<str>)>,
    /// Files of package sources whose index is fetched together with them.
    refreshed: BTreeSet<PathBuf>,
    /// By what brings them: the packages whose archives were read, with what is not understood of their scripts.
    archives: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// The same, of packages whose archives were not read: why what they bring is not known.
    unread: BTreeMap<Arc<str>, Arc<str>>,
    /// What the resource that is being predicted may bring.
    brought: Vec<Arc<str>>,
    /// A change that comes before the resource that is looking, which a guard's answer may depend on.
    unsettled: Option<Arc<str>>,
    writers: Writers,
    plain: Plain,
}

impl<'a> Predicted<'a> {
    /// A world like `base`, with no effects yet.
    pub fn new(base: &'a dyn World) -> Self {
        Self {
            base,
            managed: None,
            joint: None,
            files: PathMap::default(),
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            shadow: BTreeMap::new(),
            packages: BTreeMap::new(),
            units: BTreeMap::new(),
            resolved: Mutex::default(),
            bringers: Arc::default(),
            archives: BTreeMap::new(),
            filled: Vec::new(),
            refreshed: BTreeSet::new(),
            unread: BTreeMap::new(),
            brought: Vec::new(),
            unsettled: None,
            writers: Writers::default(),
            plain: Plain::default(),
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
        self.enter(&path);
        self.files.insert(path, Entry::Present { stat, content, kept: false, fresh: !stays_below });
    }

    /// The resource that is being predicted has an effect at a path.
    fn enter(&mut self, path: &Path) {
        self.writers.path(path);
        self.plain.enter(path);
    }

    /// What is here stays, content and all, with these attributes.
    pub fn change(&mut self, path: &Path, changed: Stat) {
        let path = self.resolve(path);
        self.enter(&path);
        if let Some(Entry::Present { stat, .. }) = self.files.get_mut(&path) {
            *stat = changed;
        } else {
            self.files.insert(path, Entry::Present { stat: changed, content: None, kept: true, fresh: false });
        }
    }

    /// Nothing will be here, nor below.
    pub fn remove(&mut self, path: &Path) {
        let path = self.resolve(path);
        self.files.remove_tree(&path);
        self.resolved().clear();
        self.enter(&path);
        self.files.insert(path.clone(), Entry::Removed);
        if let Some(unit) = UnitFile::of(&path) {
            self.remove_unit_file(&unit);
        }
    }

    /// What is here, or whether anything is, is known only after `because`.
    pub fn obscure(&mut self, path: &Path, because: &str) {
        let path = self.resolve(path);
        self.resolved().clear();
        self.enter(&path);
        self.files.insert(path, Entry::Obscured(because.into()));
    }

    /// Something will be here; what it is, and what is below it, is known only after `because`.
    pub fn appear(&mut self, path: &Path, because: &str) {
        let path = self.resolve(path);
        self.resolved().clear();
        self.enter(&path);
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

    /// The package index of the sources in this file, which was predicted before, will be fetched with it.
    pub fn refresh_source(&mut self, path: &Path) {
        self.refreshed.insert(path.to_owned());
    }

    /// Anything may be below this directory that is not there so far: it is `Unknown(because)`.
    pub fn bring_below(&mut self, directory: &Path, because: &str) {
        let directory = self.resolve_directory(directory, resolve::MAX_SYMLINKS);
        self.writers.path(&directory);
        self.filled.push((directory, because.into()));
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
                // Who it is once it is there is a look of its own.
                Read::Uid(_) | Read::Gid(_) | Read::Forecast | Read::Probe => {}
            }
        }
        found
    }

    /// Returns the resource that makes the directory at this path, which is not there so far.
    pub(crate) fn maker_of(&self, path: &Path) -> Option<usize> {
        let resolved = self.resolve(path);
        let is_made = match self.files.get(&resolved)? {
            Entry::Present { stat, kept, .. } => stat.kind == FileKind::Directory && !kept,
            Entry::Appearing(_) => true,
            Entry::Removed | Entry::Obscured(_) => false,
        };
        let is_new = is_made && matches!(self.base.stat(path), Ok(Known::Is(None)));
        is_new.then(|| self.writers.of_path(&resolved)).flatten()
    }

    /// Returns what was announced by [`Predicted::may_bring`] since the last call.
    pub(crate) fn take_brought(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.brought)
    }

    /// Says whether looks that found these things on the observed machine may find others here.
    pub(crate) fn affects(&self, reads: &Reads) -> bool {
        if self.joint.is_some_and(JointForecast::is_deferred) && reads.iter().any(|read| *read == Read::Forecast) {
            return true;
        }
        if !self.bringers.is_empty() || reads.overflowed() {
            return !self.is_untouched();
        }
        if self.is_untouched() {
            return false;
        }
        reads.iter().any(|read| match read {
            Read::Path(path) if self.filled.is_empty() && self.is_plain(path) => false,
            Read::Path(path) => {
                let path_resolved = self.resolve(path);
                self.filler_of(&path_resolved).is_some()
                    || !matches!(self.find(&path_resolved), Found::Base(found) if found == **path)
            }
            Read::List(path) => {
                let path = self.resolve(path);
                self.filled.iter().any(|(directory, _)| path.starts_with(directory))
                    || !matches!(self.find(&path), Found::Base(_))
                    || self.below(&path).next().is_some()
            }
            Read::User(name) => self.users.contains_key(name),
            Read::Group(name) => self.groups.contains_key(name),
            Read::Uid(uid) => self.users.values().flatten().any(|user| user.uid == Known::Is(*uid)),
            Read::Gid(gid) => self.groups.values().flatten().any(|group| group.gid == Known::Is(*gid)),
            Read::Package(name) => self.packages.contains_key(name),
            Read::Forecast => !self.packages.is_empty() || !matches!(self.sources_ahead(), Ok(None)),
            Read::Unit(name) => self.units.contains_key(name),
            Read::Probe => self.unsettled.is_some(),
        })
    }

    /// What may put something at this path, which is below a directory that is filled.
    fn filler_of(&self, path: &Path) -> Option<&Arc<str>> {
        let (_, because) = self.filled.iter().rev().find(|(directory, _)| path != directory && path.starts_with(directory))?;
        Some(because)
    }

    fn is_untouched(&self) -> bool {
        self.files.is_empty()
            && self.users.is_empty()
            && self.groups.is_empty()
            && self.packages.is_empty()
            && self.units.is_empty()
            && self.filled.is_empty()
            && self.bringers.is_empty()
            && self.unsettled.is_none()
    }
}

/// Says whether a distribution's package may own the path (Filesystem Hierarchy Standard 3.0; Debian Policy 9.1.1
/// keeps packages out of `/usr/local`, `/home`, `/srv` and the like).
fn may_be_packaged(path: &Path) -> bool {
    const LOCAL: [&str; 10] = ["/usr/local", "/home", "/root", "/srv", "/tmp", "/mnt", "/media", "/var/tmp", "/proc", "/sys"];
    !LOCAL.iter().any(|local| path.starts_with(local))
}
