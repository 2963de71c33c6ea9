//! Everything that can be known of a machine, through one trait.
//!
//! There are two layers: the machine as it is, and above it the predicted effects of the resources
//! planned so far. A resource type is handed a `&dyn World` and cannot tell which it looks at.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stead_catalog::Command;

use crate::downloads::Fetched;
use crate::net::{NoAnswer, Reply, Request};
use crate::system::accounts::Ages;
use crate::system::apt::SourcesAhead;
use crate::system::archive::{Contents, Control};
use crate::{ObserveError, Output};

/// Something known, or something that will be known only after another resource is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// Known now.
    Is(T),
    /// Known after what the words name: `package["nginx"]`.
    Unknown(Arc<str>),
}

impl<T> Known<T> {
    /// Returns the value, or the error that tells the planner why it is not known.
    ///
    /// # Errors
    /// [`ObserveError::Unknown`] with the reason.
    pub fn known(self) -> Result<T, ObserveError> {
        match self {
            Self::Is(value) => Ok(value),
            Self::Unknown(because) => Err(ObserveError::Unknown { because }),
        }
    }

    /// Returns the value if it is known.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// Applies a function to the value, if it is known.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Self::Is(value) => Known::Is(f(value)),
            Self::Unknown(because) => Known::Unknown(because),
        }
    }
}

/// The answer to a look: known, known later, or a failure to look.
pub type Look<T> = Result<Known<T>, ObserveError>;

/// What kind of file a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, socket or pipe.
    Other,
}

/// Who a file belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A numeric id.
    Id(u32),
    /// The account (or group) of this name, whose id is given out when it is created.
    Pending(Arc<str>),
}

/// A file's metadata; of a symlink itself, never of what it points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
    /// The owning user.
    pub uid: Owner,
    /// The owning group.
    pub gid: Owner,
    /// Bytes of a regular file, 0 for others.
    pub size: u64,
    /// What a symlink holds.
    pub target: Option<PathBuf>,
}

/// A user account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: Arc<str>,
    /// Its id; unknown when it is given out at creation.
    pub uid: Known<u32>,
    /// Its primary group's id.
    pub gid: Known<u32>,
    /// Its primary group's name, where it resolves.
    pub group: Option<Arc<str>>,
    /// The GECOS field.
    pub comment: Arc<str>,
    /// Home directory.
    pub home: Arc<str>,
    /// Login shell.
    pub shell: Arc<str>,
    /// Supplementary groups, sorted.
    pub groups: Vec<Arc<str>>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Arc<str>,
    /// Its id; unknown when it is given out at creation.
    pub gid: Known<u32>,
    /// Members listed in the group database, sorted.
    pub members: Vec<Arc<str>>,
}

/// What the package database says of one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageState {
    /// The installed version.
    pub version: Option<Arc<str>>,
    /// It is removed and its configuration files are left.
    pub config_files: bool,
    /// It is held at its version.
    pub held: bool,
    /// It was left half installed or unconfigured by an interrupted run.
    pub broken: bool,
    /// It is not installed itself, and this installed package provides it (a virtual package).
    pub provided_by: Option<Arc<str>>,
}

/// The state wished for a package.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WishedState {
    /// Any version.
    Installed,
    /// A version that matches this pattern (`1.22.*`), the newest of those that do.
    Version(Arc<str>),
    /// The newest version on offer.
    Latest,
    /// The version that the archive at this path has.
    File(Arc<str>),
    /// Gone, configuration files left.
    Removed,
    /// Gone with its configuration files.
    Purged,
}

/// One wish handed to the package manager.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PackageWish {
    /// Package name, with `:arch` where given.
    pub name: Arc<str>,
    /// What is wished.
    pub state: WishedState,
    /// The release of the distribution, by suite or code name, that its version is from (`bookworm-backports`).
    pub release: Option<Arc<str>>,
    /// Install what it recommends as well; `None`: as the machine's own package manager is configured.
    pub recommends: Option<bool>,
    /// The package index is refreshed first when it is older than this; `None`: only when the wish cannot be met without.
    pub max_index_age: Option<Duration>,
}

/// One step of a package transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageChange {
    /// Package name.
    pub name: Arc<str>,
    /// Version there now.
    pub from: Option<Arc<str>>,
    /// Version there afterwards.
    pub to: Option<Arc<str>>,
    /// Configuration files are removed as well.
    pub purge: bool,
    /// The wish it follows from, by package name: the package itself, or the one that needs or displaces it. Where
    /// several wishes share a change, the first in the order of the wishes.
    pub wish: Option<Arc<str>>,
}

/// What the package manager would do for some wishes, by its own simulation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// Every package that would change, wished or not, sorted by name.
    pub changes: Vec<PackageChange>,
    /// Wishes that cannot be met: package and the package manager's reason.
    pub unmet: Vec<(Arc<str>, Arc<str>)>,
    /// The package index is refreshed first, and why.
    pub refresh: Option<Arc<str>>,
    /// What the refreshed index offers is not known: what is installed or upgraded is known only then.
    pub unseen: Option<Arc<str>>,
}

impl Forecast {
    /// Returns the part that follows from the wish for `name`, so that a change shared by several wishes shows up once.
    #[must_use]
    pub fn of_wish(&self, name: &str) -> Self {
        let follows = |change: &&PackageChange| change.wish.as_deref().map_or(&*change.name == name, |wish| wish == name);
        Self {
            changes: self.changes.iter().filter(follows).cloned().collect(),
            unmet: self.unmet.iter().filter(|(wish, _)| &**wish == name).cloned().collect(),
            refresh: self.refresh.clone(),
            unseen: self.unseen.clone(),
        }
    }
}

/// Whether a unit runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActiveState {
    /// Running, or done in the case of a oneshot unit that remains.
    Active,
    /// Being started or reloaded.
    Activating,
    /// Not running.
    Inactive,
    /// Not running because it failed.
    Failed,
    /// The system is a tree that is not booted: nothing runs in it, and nothing can be started.
    Offline,
}

/// Whether a unit starts at boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EnableState {
    /// Its install links are there.
    Enabled,
    /// Its install links are not there.
    Disabled,
    /// It has no install section: cannot be enabled or disabled.
    Static,
    /// Its install links are in /run only.
    Runtime,
    /// It is linked to /dev/null.
    Masked,
    /// It is started by other means (made by a generator, or for another unit): neither enabled nor disabled by itself.
    Indirect,
}

impl ActiveState {
    /// The word used in the journal.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Activating => "activating",
            Self::Inactive => "inactive",
            Self::Failed => "failed",
            Self::Offline => "offline",
        }
    }
}

impl EnableState {
    /// The word used in the journal.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Static => "static",
            Self::Runtime => "runtime",
            Self::Masked => "masked",
            Self::Indirect => "indirect",
        }
    }
}

/// What the service manager says of one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitState {
    /// A unit file (or generated unit) of that name exists.
    pub exists: bool,
    /// Whether it runs; unknown for a unit that a package brings and may start.
    pub active: Known<ActiveState>,
    /// Whether it starts at boot.
    pub enabled: Known<EnableState>,
    /// It can reload its configuration without a restart.
    pub can_reload: bool,
    /// Its unit file changed since the service manager read it.
    pub needs_daemon_reload: bool,
}

/// A command that only asks: a guard. It must not change anything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Probe {
    /// What to run.
    pub command: Command,
    /// As whom; the engine's own user when `None`.
    pub user: Option<Arc<str>>,
    /// Working directory; `/` when `None`.
    pub cwd: Option<Arc<str>>,
    /// Environment added to a small fixed one.
    pub env: Vec<(Arc<str>, Arc<str>)>,
    /// Longest time it may take.
    pub timeout: Option<Duration>,
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeOutcome {
    /// The exit status was 0.
    pub success: bool,
    /// Exit status, or 128 + signal.
    pub status: i32,
}

/// A machine to look at: as it is, or as it will be.
///
/// Paths are absolute and as the user wrote them; an implementation for `--root DIR` resolves them inside
/// the tree. Intermediate symlinks are followed only when root or the engine's own user planted them.
pub trait World: Sync {
    /// Returns what is at a path, the last component not followed; `None` when nothing is.
    ///
    /// # Errors
    /// When the path cannot be looked at: no permission, a file in the place of a directory, an untrusted symlink.
    fn stat(&self, path: &Path) -> Look<Option<Stat>>;

    /// Returns the content of a regular file; `None` when there is none.
    ///
    /// # Errors
    /// As [`World::stat`], and when the path is no regular file.
    fn read(&self, path: &Path) -> Look<Option<Arc<[u8]>>>;

    /// Says whether a regular file holds exactly `content`, without keeping what it holds.
    ///
    /// # Errors
    /// As [`World::read`].
    fn holds(&self, path: &Path, content: &[u8]) -> Look<bool>;

    /// Says whether what a path holds is a secret that an earlier run wrote: it is not shown, whatever is to be there now.
    fn holds_secret(&self, path: &Path) -> bool {
        let _ = path;
        false
    }

    /// Returns BLAKE3 and size of a regular file of any size.
    ///
    /// # Errors
    /// As [`World::read`].
    fn digest(&self, path: &Path) -> Look<Option<([u8; 32], u64)>>;

    /// Returns the extended attributes of a regular file or directory, values in hex: those that this user may read.
    ///
    /// # Errors
    /// As [`World::stat`].
    fn xattrs(&self, path: &Path) -> Look<BTreeMap<String, String>> {
        let _ = path;
        Ok(Known::Is(BTreeMap::new()))
    }

    /// Returns the entries of a directory, sorted by name; `None` when there is no such directory.
    ///
    /// # Errors
    /// As [`World::stat`].
    fn list(&self, path: &Path) -> Look<Option<Vec<(OsString, FileKind)>>>;

    /// Returns a user account by name.
    ///
    /// # Errors
    /// When the account database cannot be read.
    fn user(&self, name: &str) -> Look<Option<User>>;

    /// Returns a group by name.
    ///
    /// # Errors
    /// When the account database cannot be read.
    fn group(&self, name: &str) -> Look<Option<Group>>;

    /// Returns the name of a user id, where it has one.
    fn user_name(&self, uid: u32) -> Option<Arc<str>>;

    /// Returns the name of a group id, where it has one.
    fn group_name(&self, gid: u32) -> Option<Arc<str>>;

    /// Returns a user's password field from the shadow database.
    ///
    /// # Errors
    /// [`ObserveError::Permission`] when this user may not read it.
    fn password_hash(&self, user: &str) -> Look<Option<Arc<str>>>;

    /// Returns how old a user's password and account may become.
    ///
    /// # Errors
    /// [`ObserveError::Permission`] when this user may not read the shadow database.
    fn account_ages(&self, user: &str) -> Look<Ages> {
        let _ = user;
        Ok(Known::Is(Ages::default()))
    }

    /// Returns what the package database says of a package.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn package(&self, name: &str) -> Look<PackageState>;

    /// Returns what the package manager would do for these wishes together.
    ///
    /// # Errors
    /// When there is no package manager, or its simulation fails.
    fn forecast(&self, wishes: &[PackageWish]) -> Look<Forecast>;

    /// The same on a machine whose package sources will be others.
    ///
    /// # Errors
    /// As [`World::forecast`].
    fn forecast_with(&self, wishes: &[PackageWish], ahead: &SourcesAhead) -> Look<Forecast> {
        let _ = (wishes, ahead);
        Ok(Known::Unknown("the package index is refreshed".into()))
    }

    /// Returns what a package brings that a forecast speaks of; unknown, with the reason where there is more to say, where its
    /// archive is not at hand.
    ///
    /// # Errors
    /// When there is no package manager to ask.
    fn contents(&self, change: &PackageChange) -> Look<Arc<Contents>> {
        let _ = change;
        Ok(Known::Unknown("".into()))
    }

    /// Returns what the archive of a package, a file on the machine, says of itself; `None` when there is no file.
    ///
    /// # Errors
    /// As [`World::read`]; `not-a-package` when it is something else.
    fn package_file(&self, path: &Path) -> Look<Option<Control>> {
        Ok(match self.read(path)? {
            Known::Is(Some(content)) => Known::Is(Some(Control::of(path, &content)?)),
            Known::Is(None) => Known::Is(None),
            Known::Unknown(because) => Known::Unknown(because),
        })
    }

    /// Hands out a regular file piece by piece, and returns its size; `None` when there is none.
    ///
    /// # Errors
    /// As [`World::read`].
    fn read_through(&self, path: &Path, take: &mut dyn FnMut(&[u8])) -> Look<Option<u64>> {
        Ok(self.read(path)?.map(|content| {
            content.map(|bytes| {
                take(&bytes);
                bytes.len() as u64
            })
        }))
    }

    /// Says whether something takes connections at a TCP port. Known only later where a change comes before.
    ///
    /// # Errors
    /// When there is nothing to ask.
    fn connects(&self, host: &str, port: u16, timeout: Duration) -> Look<Result<(), NoAnswer>> {
        let _ = (host, port, timeout);
        Err(no_network())
    }

    /// Asks a web server, for at most `most` bytes of its answer. Known only later where a change comes before.
    ///
    /// # Errors
    /// When there is nothing to ask.
    fn fetch(&self, request: &Request, most: u64) -> Look<Result<Reply, NoAnswer>> {
        let _ = (request, most);
        Err(no_network())
    }

    /// What an earlier run fetched for a path, and what the server called it; `None` where that is not known.
    fn fetched(&self, path: &Path) -> Option<Fetched> {
        let _ = path;
        None
    }

    /// Runs a command that only asks, and returns what it says. Known only later where a change comes before.
    ///
    /// # Errors
    /// When it cannot be started.
    fn query(&self, probe: &Probe) -> Look<Output> {
        let _ = probe;
        Err(no_network())
    }

    /// Returns what the service manager says of a unit.
    ///
    /// # Errors
    /// When there is no service manager to ask.
    fn unit(&self, name: &str) -> Look<UnitState>;

    /// Runs a command that only asks.
    ///
    /// # Errors
    /// When it cannot be started, or takes longer than it may.
    fn probe(&self, probe: &Probe) -> Look<ProbeOutcome>;

    /// Says whether the catalog manages this path, or something below it: a purge keeps it.
    fn is_managed(&self, path: &Path) -> bool;

    /// Says whether a resource of the catalog owns or brings exactly this path.
    fn is_declared(&self, path: &Path) -> bool {
        self.is_managed(path)
    }

    /// Says whether a resource of the catalog owns what is no path and has this name: a purge keeps it.
    fn is_owned(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// Says whether anything is at a path. It may be known where [`World::stat`] is not: of what a command is said to create.
    ///
    /// # Errors
    /// As [`World::stat`].
    fn exists(&self, path: &Path) -> Look<bool> {
        Ok(self.stat(path)?.map(|stat| stat.is_some()))
    }

    /// Says whether this is a machine that runs, not the tree of `--root DIR`: a tree has no kernel, no mounts and no live settings.
    fn is_live(&self) -> bool {
        true
    }

    /// Returns the ids of the user and group that the engine works as: what it creates is theirs.
    fn identity(&self) -> (u32, u32) {
        (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
    }
}

/// There is no network in a tree, nor in a test.
pub(crate) fn no_network() -> ObserveError {
    ObserveError::Unavailable { service: "the network", message: "there is nothing to be asked here".into() }
}
