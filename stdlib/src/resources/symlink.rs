//! The resource type `symlink`.

use std::path::Path;
use std::sync::Arc;

use stead_catalog::{Action, Change, Footprint, Place, Problem, Shown, Value};
use stead_engine::{
    Applied, ApplyError, Difference, FileKind, Known, Machine, ObserveError, Predicted, ResourceType, Stat, World,
};

use crate::filesystem::{self, Ownership, Tree};
use crate::values::{AbsolutePath, Account};
use crate::{Choice, Resource};

/// A symbolic link: where it points, and whom it belongs to.
///
/// The target is stored as it is given: it may be relative to the link's directory, and need not exist. Whatever the
/// link points to is left alone. An existing link is replaced in one step, so that the path always leads somewhere.
/// Compares to Salt's `file.symlink`, Puppet's `file` with `ensure => link`, and Ansible's `file` with `state: link`.
///
/// ```stead
/// symlink "/srv/app/current" { target = "releases/1.4.2" }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "symlink",
    since = "0.1",
    aliases(name = "path", dest = "path", ensure = "state", src = "target", to = "target", user = "owner")
)]
pub struct Symlink {
    /// Absolute path of the link itself. Identifies the resource.
    #[key]
    pub path: AbsolutePath,
    /// Whether the link is there.
    #[default(State::Present)]
    pub state: State,
    /// Where it points: an absolute path, or one relative to the link's directory. Required unless `state = absent`.
    pub target: Option<Arc<str>>,
    /// The user whom the link itself belongs to. Left as found when absent; the user that Stead runs as for a new link.
    pub owner: Option<Account>,
    /// The group that the link itself belongs to. Left as found when absent.
    pub group: Option<Account>,
    /// Replace a file, or a directory with all that is in it, that is in the way.
    #[default(false)]
    pub force: bool,
}

/// Whether the link is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The link is there and points to `target`.
    Present,
    /// The link is gone. What it points to stays. A file or directory at the path is removed only with `force`.
    Absent,
}

/// What was found at the path.
#[derive(Clone, Debug)]
pub struct ObservedSymlink {
    stat: Known<Option<Stat>>,
    exists: bool,
    ownership: Ownership,
    /// What a directory in the way holds, where it would be removed.
    tree: Tree,
}

impl Symlink {
    fn footprint(&self) -> Footprint {
        let own = Place::path(self.path.shared().clone());
        if self.state == State::Absent {
            return Footprint { gone_before: vec![own.clone()], owns: vec![own], removes: true, ..Footprint::default() };
        }
        let needs = filesystem::needed_places(self.path.as_path(), self.owner.as_ref(), self.group.as_ref());
        Footprint { owns: vec![own], needs, ..Footprint::default() }
    }

    fn check(&self) -> Vec<Problem> {
        let problem = |code, attribute: Option<&str>, message: &str, hint: &str| Problem {
            code,
            attribute: attribute.map(Into::into),
            other: None,
            message: message.into(),
            hint: Some(hint.into()),
            mend: None,
        };
        let mut problems = Vec::new();
        match (&self.target, self.state) {
            (None, State::Present) => {
                let hint = "say where it points: `target = \"/srv/app\"`";
                problems.push(problem("missing-attribute", None, "a symlink points somewhere: `target` is missing", hint));
            }
            (Some(target), State::Present) if target.is_empty() || target.contains('\0') => {
                let message = "a symlink cannot point to this";
                problems.push(problem("invalid-value", Some("target"), message, "name a path, absolute or relative"));
            }
            (Some(target), State::Present) if **target == *self.path.as_str() => {
                let message = "a symlink that points to itself leads nowhere";
                problems.push(problem("invalid-value", Some("target"), message, "name another path"));
            }
            _ => {}
        }
        if filesystem::is_root(self.path.as_path()) {
            problems.push(problem("invalid-value", Some("path"), "`/` is a directory", "name the path of a symlink"));
        }
        problems
    }

    fn target(&self) -> &str {
        self.target.as_deref().unwrap_or_default()
    }

    /// What is there and stays: a thing of another kind that is replaced does not.
    fn found(&self, observed: &ObservedSymlink) -> Known<Option<Stat>> {
        observed.stat.clone().map(|stat| stat.filter(|stat| stat.kind == FileKind::Symlink))
    }

    fn diff_absent(&self, observed: &ObservedSymlink) -> Difference {
        let mut changes = Vec::new();
        match &observed.stat {
            Known::Is(None) => return Difference::NONE,
            Known::Unknown(because) => {
                changes.push(Change::value("target", Shown::Unknown(because.clone()), Shown::Absent));
                let unknown = (!observed.exists).then(|| because.clone());
                return Difference { action: Action::Delete, changes, unknown };
            }
            Known::Is(Some(stat)) if stat.kind == FileKind::Symlink => {
                changes.push(Change::value("target", filesystem::shown_target(stat), Shown::Absent));
            }
            Known::Is(Some(stat)) => {
                let mut change = filesystem::kind_change(stat.kind, FileKind::Symlink);
                change.after = Shown::Absent;
                changes.push(change);
                filesystem::removals(observed.tree.entries.iter().map(|(path, _)| path.as_path()), &mut changes);
            }
        }
        Difference { action: Action::Delete, changes, unknown: None }
    }

    fn diff_present(&self, observed: &ObservedSymlink) -> Difference {
        let mut changes = Vec::new();
        let wanted = Shown::Value(Value::string(self.target()));
        let mut action = Action::Update;
        match &observed.stat {
            Known::Is(None) => {
                action = Action::Create;
                changes.push(Change::value("target", Shown::Absent, wanted));
            }
            Known::Unknown(because) => changes.push(Change::value("target", Shown::Unknown(because.clone()), wanted)),
            Known::Is(Some(stat)) if stat.kind != FileKind::Symlink => {
                action = Action::Replace;
                changes.push(filesystem::kind_change(stat.kind, FileKind::Symlink));
                filesystem::removals(observed.tree.entries.iter().map(|(path, _)| path.as_path()), &mut changes);
                changes.push(Change::value("target", Shown::Absent, wanted));
            }
            Known::Is(Some(stat)) if stat.target.as_deref() != Some(Path::new(self.target())) => {
                changes.push(Change::value("target", filesystem::shown_target(stat), wanted));
            }
            Known::Is(Some(_)) => {}
        }
        observed.ownership.changes(&self.found(observed), &mut changes);
        if changes.is_empty() { Difference::NONE } else { Difference { action, changes, unknown: None } }
    }
}

impl ResourceType for Symlink {
    type Observed = ObservedSymlink;

    fn observe(&self, world: &dyn World) -> Result<ObservedSymlink, ObserveError> {
        let path = self.path.as_path();
        let stat = filesystem::stat(world, path, self.state == State::Present)?;
        let exists = match &stat {
            Known::Is(stat) => stat.is_some(),
            Known::Unknown(_) => world.exists(path)? == Known::Is(true),
        };
        let mut tree = Tree::default();
        let mut parent = None;
        match &stat {
            Known::Is(Some(found)) if found.kind != FileKind::Symlink => {
                if !self.force {
                    let hint = match self.state {
                        State::Present => "set `force = true` to put the symlink in its place",
                        State::Absent => "set `force = true` to remove it, or declare it with its own resource type",
                    };
                    return Err(filesystem::wrong_kind(path, found.kind, FileKind::Symlink, hint));
                }
                if found.kind == FileKind::Directory {
                    tree = Tree::observe(world, path)?;
                }
                parent = filesystem::parent(world, path)?;
            }
            Known::Is(None) if self.state == State::Present => parent = filesystem::parent(world, path)?,
            _ => {}
        }
        let found = stat.clone().map(|stat| stat.filter(|stat| stat.kind == FileKind::Symlink));
        let ownership = match self.state {
            State::Present => Ownership::observe(world, self.owner.as_ref(), self.group.as_ref(), &found, parent.as_ref())?,
            State::Absent => Ownership::NONE,
        };
        Ok(ObservedSymlink { stat, exists, ownership, tree })
    }

    fn diff(&self, observed: &ObservedSymlink) -> Difference {
        match self.state {
            State::Present => self.diff_present(observed),
            State::Absent => self.diff_absent(observed),
        }
    }

    fn digest(&self, observed: &ObservedSymlink, hasher: &mut blake3::Hasher) -> bool {
        observed.tree.digest(hasher);
        filesystem::digest_stat(&observed.stat, hasher)
    }

    fn predict(&self, observed: &ObservedSymlink, difference: &Difference, effects: &mut Predicted<'_>) {
        let path = self.path.as_path();
        if let Some(because) = &difference.unknown {
            return effects.obscure(path, because);
        }
        if self.state == State::Absent {
            return effects.remove(path);
        }
        let found = self.found(observed);
        let stat = found.value().and_then(Option::as_ref);
        let Some((uid, gid)) = observed.ownership.predicted(stat) else {
            return effects.appear(path, &filesystem::id("symlink", path));
        };
        if difference.action == Action::Replace {
            effects.remove(path);
        }
        let target = Some(self.target().into());
        effects.put(path, Stat { kind: FileKind::Symlink, mode: 0o777, uid, gid, size: 0, target }, None);
    }

    fn is_brief(&self) -> bool {
        !self.force
    }

    fn apply(&self, observed: &ObservedSymlink, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let path = self.path.as_path();
        let stat = observed.stat.clone().known()?;
        let is_directory = stat.as_ref().is_some_and(|stat| stat.kind == FileKind::Directory);
        if difference.action == Action::Delete {
            if is_directory {
                machine.remove_tree(path)?
            } else {
                machine.remove_file(path)?
            }
            return Ok(Applied::Done);
        }
        let found = stat.as_ref().filter(|stat| stat.kind == FileKind::Symlink);
        let (uid, gid) = observed.ownership.settled(found)?;
        if difference.changes.iter().any(|change| &*change.attribute == "target") {
            if is_directory {
                machine.remove_tree(path)?;
            }
            machine.make_symlink(path, Path::new(self.target()), uid, gid)?;
        } else {
            machine.set_attributes(path, None, uid, gid)?;
        }
        Ok(Applied::Done)
    }

    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&[]))
    }
}
