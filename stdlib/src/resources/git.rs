//! The resource type `git`.

mod before;
mod checkout;
mod look;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_catalog::{Action, Change, Footprint, Place, Problem, Shown, Value};
use stead_engine::{Applied, ApplyError, Difference, FileKind, Known, Machine, ObserveError, Predicted, ResourceType, World};

pub(crate) use self::before::GIT;
use self::look::Head;
use crate::filesystem::{self, Holder};
use crate::problems::Problems;
use crate::values::{AbsolutePath, Account, Guarded, Secret};
use crate::{Choice, Resource};

/// A working tree of a git repository, or a bare copy of one.
///
/// What is there is read from the repository's own files. A branch is checked out when the tree is made; what it points to at the remote
/// is asked in every plan only with `update = true`. A tag or a commit says for itself whether it is there. Local changes are never lost
/// without `force`. Git runs as `user`, and credentials reach it through its environment, never through an argument. Compares
/// to Salt's `git.latest` and `git.detached`, Puppet's `vcsrepo`, and Ansible's `git`.
///
/// ```stead
/// git "/srv/app" { url = "https://git.example.com/app.git", rev = "v1.4.2", user = "app" }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "git",
    since = "0.1",
    aliases(
        dest = "path",
        target = "path",
        repo = "url",
        source = "url",
        ensure = "state",
        version = "rev",
        revision = "rev",
        branch = "rev",
        tag = "rev",
        runas = "user",
        identity = "ssh_key",
        key_file = "ssh_key",
        recursive = "submodules",
        force_reset = "force",
        force_checkout = "force",
        accept_hostkey = "accept_host_key"
    )
)]
pub struct Git {
    /// The directory of the working tree, or of the bare repository. Identifies the resource.
    #[key]
    pub path: AbsolutePath,
    /// Whether it is there.
    #[default(State::Present)]
    pub state: State,
    /// Where it is cloned from: `https://…`, `ssh://…`, `user@host:path`, `file:///…`, or a path.
    pub url: Option<Guarded<Arc<str>>>,
    /// A branch, a tag, or a commit by all of its digits. The remote's default branch when absent.
    pub rev: Option<Arc<str>>,
    /// Ask the remote in every plan what `rev` points to, and follow.
    #[default(false)]
    pub update: bool,
    /// What the remote is called.
    #[default("origin")]
    pub remote: Arc<str>,
    /// Fetch only so many commits of the history.
    pub depth: Option<u32>,
    /// Check submodules out as well, and theirs.
    #[default(false)]
    pub submodules: bool,
    /// A repository without a working tree.
    #[default(false)]
    pub bare: bool,
    /// Throw local changes away, and what git does not know, where they are in the way of a checkout; in every plan look for them.
    #[default(false)]
    pub force: bool,
    /// The user that git runs as, and that everything belongs to. The user that Stead runs as when absent.
    pub user: Option<Arc<str>>,
    /// A private key on the node for ssh.
    pub ssh_key: Option<AbsolutePath>,
    /// Take a host's key as it is when ssh has none for it. One that has changed is refused anyway.
    #[default(false)]
    pub accept_host_key: bool,
    /// The user name for a server with http.
    pub username: Option<Arc<str>>,
    /// The password or token that goes with it.
    pub password: Option<Secret<Arc<str>>>,
}

/// Whether it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// It is there.
    Present,
    /// Nothing is there. A working tree with local changes is removed only with `force`.
    Absent,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct ObservedGit {
    /// What is there.
    head: Known<Option<Head>>,
    /// The commit to be at, where it is told.
    wanted: Known<Option<Arc<str>>>,
    /// Local changes that git tells, where it was asked.
    dirty: usize,
}

impl Git {
    fn path(&self) -> &Path {
        self.path.as_path()
    }

    fn id(&self) -> String {
        filesystem::id("git", self.path())
    }

    fn shown_url(&self) -> Arc<str> {
        match &self.url {
            Some(url) if url.is_sensitive() => "(sensitive)".into(),
            Some(url) => stead_engine::net::without_credentials(url.reveal()).into(),
            None => "".into(),
        }
    }

    /// Where git keeps what it knows.
    fn directory(&self) -> PathBuf {
        if self.bare { self.path().to_owned() } else { self.path().join(".git") }
    }

    fn is_commit(rev: &str) -> bool {
        matches!(rev.len(), 40 | 64) && rev.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    fn footprint(&self) -> Footprint {
        let own = Place::path(self.path.shared().clone());
        if self.state == State::Absent {
            return Footprint { gone_before: vec![own.clone()], owns: vec![own], removes: true, ..Footprint::default() };
        }
        let user = self.user.clone().map(Account::Name);
        let mut needs = filesystem::needed_places(self.path(), user.as_ref(), None);
        needs.extend(self.ssh_key.iter().map(|key| Place::path(key.shared().clone())));
        if let Some(url) = &self.url {
            let path = url.reveal().strip_prefix("file://").unwrap_or(url.reveal());
            if path.starts_with('/') && path.len() > 1 {
                needs.push(Place::path(path.trim_end_matches('/')));
            }
        }
        needs.push(Place::package("git"));
        Footprint { owns: vec![own], needs, ..Footprint::default() }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        if filesystem::is_root(self.path()) {
            problems.invalid("path", "`/` cannot be a working tree", "name a directory");
        }
        if self.state == State::Absent {
            problems.of_absent("a working tree", &[(self.rev.is_some(), "rev"), (self.update, "update")]);
            return problems.finish();
        }
        match self.url.as_ref().map(|url| url.reveal()) {
            None => problems.missing("url", "it is not said where it is cloned from", "give `url`"),
            Some(url) if url.trim().is_empty() || url.starts_with('-') || url.contains(char::is_control) => {
                problems.invalid(
                    "url",
                    "git would not take this for an address",
                    "write one such as `https://git.example.com/app.git`",
                );
            }
            Some(url) if url.starts_with("ext::") => {
                problems.invalid("url", "this would run a command", "write an address with https, ssh or file");
            }
            _ => {}
        }
        let is_name = |name: &str| {
            !name.is_empty()
                && !name.starts_with('-')
                && !name.contains([' ', '~', '^', ':', '?', '*', '[', '\\'])
                && !name.contains("..")
        };
        if let Some(rev) = self.rev.as_deref().filter(|rev| !is_name(rev)) {
            problems.invalid("rev", format!("`{rev}` is no branch, tag or commit"), "write a name, or all digits of a commit");
        }
        if !is_name(&self.remote) || self.remote.contains('/') {
            problems.invalid("remote", format!("`{}` is no name of a remote", self.remote), "write one such as `origin`");
        }
        if self.depth == Some(0) {
            problems.invalid("depth", "nothing would be fetched", "write 1 or more");
        }
        if self.bare && self.submodules {
            problems.conflict(
                "submodules",
                Some("bare"),
                "a bare repository has no submodules checked out",
                "keep one of the two",
            );
        }
        if self.update && self.rev.as_deref().is_some_and(Self::is_commit) {
            problems.conflict("update", Some("rev"), "a commit does not change", "leave `update` out");
        }
        if self.password.is_some() && self.username.is_none() {
            problems.missing(
                "password",
                "a password is given, and no user",
                "give `username`; with a token often any name will do",
            );
        }
        problems.finish()
    }

    /// Says whether what is there is what is wanted.
    fn is_settled(&self, head: &Head, wanted: Option<&str>) -> bool {
        if head.commit.is_none() {
            return false;
        }
        match (wanted, &self.rev) {
            (Some(wanted), _) => head.commit.as_deref() == Some(wanted),
            (None, None) => true,
            (None, Some(rev)) => head.branch.as_deref() == Some(rev) || self.bare,
        }
    }
}

impl ResourceType for Git {
    type Observed = ObservedGit;

    fn observe(&self, world: &dyn World) -> Result<ObservedGit, ObserveError> {
        let mut observed = ObservedGit { head: self.look(world)?, wanted: Known::Is(None), dirty: 0 };
        if let Some(user) = &self.user {
            Holder::user(world, &Account::Name(user.clone()))?;
        }
        if self.state == State::Absent {
            if matches!(&observed.head, Known::Is(Some(head)) if head.is_repository) && !self.force && !self.bare {
                observed.dirty = self.count_changes(world)?;
                if observed.dirty > 0 {
                    return Err(self.dirty_error(observed.dirty));
                }
            }
            return Ok(observed);
        }
        match &observed.head {
            Known::Is(Some(head)) => {
                observed.wanted = self.wanted_commit(world, head)?;
                let settled = match &observed.wanted {
                    Known::Is(wanted) => self.is_settled(head, wanted.as_deref()),
                    Known::Unknown(_) => true,
                };
                if self.force || !settled {
                    self.refuse_foreign(world)?;
                }
                if !self.bare && head.commit.is_some() && (self.force || !settled) {
                    observed.dirty = self.count_changes(world)?;
                    if observed.dirty > 0 && !self.force {
                        return Err(self.dirty_error(observed.dirty));
                    }
                }
            }
            Known::Is(None) => {
                filesystem::parent(world, self.path())?;
                self.refuse_foreign(world)?;
            }
            Known::Unknown(_) => {}
        }
        Ok(observed)
    }

    fn diff(&self, observed: &ObservedGit) -> Difference {
        let text = |text: &str| Shown::Value(Value::string(text));
        let head = match &observed.head {
            Known::Is(head) => head.as_ref(),
            Known::Unknown(because) => {
                let after = if self.state == State::Absent { Shown::Absent } else { text(&self.shown_url()) };
                let changes = vec![Change::value("url", Shown::Unknown(because.clone()), after)];
                return Difference { action: Action::Update, changes, unknown: Some(because.clone()) };
            }
        };
        if self.state == State::Absent {
            return match head {
                None => Difference::NONE,
                Some(head) => {
                    let before = head.commit.as_deref().unwrap_or("nothing checked out");
                    let changes = vec![Change::value("commit", text(before), Shown::Absent)];
                    Difference { action: Action::Delete, changes, unknown: None }
                }
            };
        }
        let Some(head) = head else {
            let url = Change::value("url", Shown::Absent, text(&self.shown_url()));
            let mut changes = vec![if self.url.as_ref().is_some_and(Guarded::is_sensitive) { url.hidden() } else { url }];
            changes.extend(self.rev.as_deref().map(|rev| Change::value("rev", Shown::Absent, text(rev))));
            changes.extend(self.user.as_deref().map(|user| Change::value("user", Shown::Absent, text(user))));
            return Difference { action: Action::Create, changes, unknown: None };
        };
        let mut changes = Vec::new();
        let mut unknown = None;
        let wanted_url = self.url.as_ref().map(|url| stead_engine::net::without_credentials(url.reveal()));
        if head.url.as_deref().map(stead_engine::net::without_credentials) != wanted_url {
            let before = head.url.as_deref().map_or(Shown::Absent, |url| text(&stead_engine::net::without_credentials(url)));
            let change = Change::value("url", before, text(&self.shown_url()));
            changes.push(if self.url.as_ref().is_some_and(Guarded::is_sensitive) { change.hidden() } else { change });
        }
        let before = head.commit.as_deref().map_or(Shown::Absent, text);
        match &observed.wanted {
            Known::Is(wanted) if !self.is_settled(head, wanted.as_deref()) => match (wanted, &self.rev) {
                (Some(wanted), _) => changes.push(Change::value("commit", before, text(wanted))),
                (None, Some(rev)) => {
                    let at = head.branch.as_deref().map_or(before, text);
                    changes.push(Change::value("rev", at, text(rev)));
                }
                (None, None) => changes.push(Change::value("commit", before, Shown::Unknown(self.id().into()))),
            },
            Known::Is(_) => {}
            Known::Unknown(because) => {
                changes.push(Change::value("commit", before, Shown::Unknown(because.clone())));
                unknown = Some(because.clone());
            }
        }
        if observed.dirty > 0 {
            changes.push(Change::value(
                "local_changes",
                Shown::Value(Value::Int(i64::try_from(observed.dirty).unwrap_or(i64::MAX))),
                Shown::Absent,
            ));
            unknown = None;
        }
        Difference { unknown, ..Difference::update(changes) }
    }

    fn digest(&self, observed: &ObservedGit, hasher: &mut blake3::Hasher) -> bool {
        match &observed.head {
            Known::Is(head) => {
                hasher.update(format!("{head:?} {}", observed.dirty).as_bytes());
                true
            }
            Known::Unknown(_) => false,
        }
    }

    fn predict(&self, _: &ObservedGit, difference: &Difference, effects: &mut Predicted<'_>) {
        let path = self.path();
        if self.state == State::Absent {
            return effects.remove(path);
        }
        if difference.unknown.is_none() { effects.appear(path, &self.id()) } else { effects.obscure(path, &self.id()) }
    }

    fn apply(&self, observed: &ObservedGit, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let head = observed.head.clone().known()?;
        if self.state == State::Absent {
            machine.remove_tree(self.path())?;
            return Ok(Applied::Done);
        }
        self.check_out(machine, head.as_ref(), observed)?;
        Ok(Applied::Done)
    }

    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&[]))
    }
}

impl Git {
    fn dirty_error(&self, count: usize) -> ObserveError {
        let files = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        ObserveError::Impossible {
            code: "local-changes",
            message: format!("{} has local changes in {files}", self.path),
            hint: "commit or stash them there, or say `force = true` to throw them away".into(),
        }
    }

    /// Says what is at the path.
    fn look(&self, world: &dyn World) -> Result<Known<Option<Head>>, ObserveError> {
        let path = self.path();
        match filesystem::stat(world, path, self.state == State::Present)? {
            Known::Is(None) => Ok(Known::Is(None)),
            Known::Unknown(because) => Ok(Known::Unknown(because)),
            Known::Is(Some(stat)) if stat.kind == FileKind::Directory => {
                let mut head = look::head(world, &self.directory(), &self.remote)?;
                if self.state == State::Absent && head.value().is_some_and(|head| !head.is_repository) {
                    // What is to go may be of either kind.
                    let other = if self.bare { path.join(".git") } else { path.to_owned() };
                    head = look::head(world, &other, &self.remote)?;
                }
                match head {
                    Known::Is(head) if head.is_repository => Ok(Known::Is(Some(head))),
                    Known::Unknown(because) => Ok(Known::Unknown(because)),
                    Known::Is(_) => match world.list(path)? {
                        Known::Is(entries) if entries.as_ref().is_none_or(Vec::is_empty) => Ok(Known::Is(None)),
                        Known::Is(_) => Err(ObserveError::Impossible {
                            code: "wrong-kind",
                            message: format!("{} is a directory with something in it, and no git repository", path.display()),
                            hint: "remove it, or name another path".into(),
                        }),
                        Known::Unknown(because) => Ok(Known::Unknown(because)),
                    },
                }
            }
            Known::Is(Some(stat)) => {
                Err(filesystem::wrong_kind(path, stat.kind, FileKind::Directory, "remove what is there, or name another path"))
            }
        }
    }
}
