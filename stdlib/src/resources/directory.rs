//! The resource type `directory`.

mod below;

use std::path::{Path, PathBuf};

use stead_catalog::{Action, Change, Footprint, Place, Problem, Shown, Value};
use stead_engine::{
    Applied, ApplyError, Difference, FileKind, Known, Machine, ObserveError, Predicted, ResourceType, Stat, World,
};

use self::below::{Below, Rules};
use crate::filesystem::{self, Ownership, Tree};
use crate::values::{AbsolutePath, Account, Mode};
use crate::{Choice, Resource};

/// Permission bits of a new directory that says none.
const NEW_MODE: Mode = Mode(0o755);

/// A directory: its owner and mode, and what may be in it.
///
/// What is in it is left alone, unless `recursive` sets owners and modes below it, or `purge` removes what nobody manages.
/// Neither touches what is declared as a resource of its own, nor what is below a directory that is. Symlinks are never
/// followed. Compares to Salt's `file.directory`, Puppet's `file` with `ensure => directory`, and Ansible's `file` with `state: directory`.
///
/// ```stead
/// directory "/etc/nginx/sites-enabled" { mode = 0755, purge = true }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "directory",
    since = "0.1",
    aliases(
        name = "path",
        dest = "path",
        ensure = "state",
        user = "owner",
        recurse = "recursive",
        makedirs = "parents",
        clean = "purge",
        exclude_pat = "purge_keep",
        ignore = "purge_keep",
        directory_mode = "dir_mode"
    )
)]
pub struct Directory {
    /// Absolute path on the node. Identifies the resource.
    #[key]
    pub path: AbsolutePath,
    /// Whether the directory is there.
    #[default(State::Present)]
    pub state: State,
    /// Permission bits of the directory itself. Left as found when absent; 0755 for a new directory.
    pub mode: Option<Mode>,
    /// The owning user, by name or id. Left as found when absent; the user that Stead runs as for a new directory.
    pub owner: Option<Account>,
    /// The owning group, by name or id. Left as found when absent.
    pub group: Option<Account>,
    /// Create missing directories above it as well, with the same mode, owner and group.
    #[default(false)]
    pub parents: bool,
    /// Give everything below the same owner and group, and `file_mode` and `dir_mode` where they are set.
    ///
    /// What is declared as a resource of its own is left to it.
    #[default(false)]
    pub recursive: bool,
    /// Permission bits of every file below. Needs `recursive`. Left as found when absent.
    pub file_mode: Option<Mode>,
    /// Permission bits of every directory below. Needs `recursive`. Left as found when absent.
    pub dir_mode: Option<Mode>,
    /// Remove what is in it and managed by nobody.
    ///
    /// Goes down into directories that hold something managed. A directory that is declared itself is kept with all that is in it,
    /// so that its own `purge` decides.
    #[default(false)]
    pub purge: bool,
    /// What a purge keeps: globs such as `*.local`, matched with the name, or with the path below the directory when they hold a `/`.
    pub purge_keep: Vec<String>,
    /// Replace a file or a symlink that is in the way.
    #[default(false)]
    pub force: bool,
    /// With `state = absent`: remove it only when nothing is left in it.
    #[default(false)]
    pub only_empty: bool,
}

/// Whether the directory is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The directory is there.
    Present,
    /// The directory is gone, with all that was in it.
    Absent,
}

/// What was found at the path.
#[derive(Clone, Debug)]
pub struct ObservedDirectory {
    stat: Known<Option<Stat>>,
    exists: bool,
    ownership: Ownership,
    /// Directories above it that are missing, outermost first.
    missing_parents: Vec<PathBuf>,
    /// What is below, as far as `recursive`, `purge` or `absent` ask for it.
    below: Known<Below>,
}

impl Directory {
    fn footprint(&self) -> Footprint {
        let own = Place::path(self.path.shared().clone());
        if self.state == State::Absent {
            return Footprint { gone_before: vec![own.clone()], owns: vec![own], removes: true, ..Footprint::default() };
        }
        Footprint {
            owns: vec![own],
            needs: filesystem::needed_places(self.path.as_path(), self.owner.as_ref(), self.group.as_ref()),
            sweeps: if self.purge { vec![self.path.shared().clone()] } else { Vec::new() },
            ..Footprint::default()
        }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |code, attribute: &str, other: Option<&str>, message: String, hint: String| {
            let (attribute, other) = (Some(attribute.to_owned()), other.map(str::to_owned));
            problems.push(Problem { code, attribute, other, message, hint: Some(hint), mend: None });
        };
        let absent = self.state == State::Absent;
        for (given, name) in [(self.recursive, "recursive"), (self.purge, "purge"), (self.parents, "parents")] {
            if given && absent {
                let message = format!("a directory that is absent has no use for `{name}`");
                problem(
                    "conflicting-attributes",
                    name,
                    Some("state"),
                    message,
                    format!("take `{name}` away, or `state = absent`"),
                );
            }
        }
        if self.only_empty && !absent {
            let (message, hint) = ("`only_empty` speaks of a directory that goes", "add `state = absent`, or take it away");
            problem("conflicting-attributes", "only_empty", Some("state"), message.into(), hint.into());
        }
        for (given, name, needs) in [
            (self.file_mode.is_some(), "file_mode", "recursive"),
            (self.dir_mode.is_some(), "dir_mode", "recursive"),
            (!self.purge_keep.is_empty(), "purge_keep", "purge"),
        ] {
            let has = if needs == "purge" { self.purge } else { self.recursive };
            if given && !has && !absent {
                let message = format!("`{name}` does nothing without `{needs} = true`");
                problem("conflicting-attributes", name, None, message, format!("add `{needs} = true`, or take `{name}` away"));
            }
        }
        let nothing = self.owner.is_none() && self.group.is_none() && self.file_mode.is_none() && self.dir_mode.is_none();
        if self.recursive && nothing && !absent {
            let hint = "give `owner`, `group`, `file_mode` or `dir_mode`".into();
            problem("conflicting-attributes", "recursive", None, "there is nothing to set on what is below".into(), hint);
        }
        for glob in &self.purge_keep {
            if let Err(error) = below::glob(glob) {
                let message = format!("`{glob}` is no glob: {}", error.kind());
                problem("invalid-value", "purge_keep", None, message, "write it like `*.local` or `conf.d/**`".into());
            }
        }
        if filesystem::is_root(self.path.as_path()) && (absent || self.purge) {
            let attribute = if absent { "state" } else { "purge" };
            problem("invalid-value", attribute, Some("path"), "`/` cannot be emptied".into(), "name a directory below it".into());
        }
        problems
    }

    /// What is there and stays: a thing of another kind that is replaced does not.
    fn found(&self, observed: &ObservedDirectory) -> Known<Option<Stat>> {
        observed.stat.clone().map(|stat| stat.filter(|stat| stat.kind == FileKind::Directory))
    }

    fn diff_absent(&self, observed: &ObservedDirectory) -> Difference {
        let mut changes = Vec::new();
        match (&observed.stat, &observed.below) {
            (Known::Is(None), _) => return Difference::NONE,
            (Known::Unknown(because), _) => {
                changes.push(Change::value("entries", Shown::Unknown(because.clone()), Shown::Absent));
                let unknown = (!observed.exists).then(|| because.clone());
                return Difference { action: Action::Delete, changes, unknown };
            }
            (Known::Is(Some(stat)), _) if stat.kind != FileKind::Directory => {
                let mut change = filesystem::kind_change(stat.kind, FileKind::Directory);
                change.after = Shown::Absent;
                changes.push(change);
            }
            (Known::Is(Some(_)), Known::Is(below)) if self.only_empty && !below.tree.entries.is_empty() => {
                return Difference::NONE;
            }
            (Known::Is(Some(_)), Known::Is(below)) => {
                let count = i64::try_from(below.tree.entries.len()).unwrap_or(i64::MAX);
                changes.push(Change::value("entries", Shown::Value(Value::Int(count)), Shown::Absent));
                filesystem::removals(below.tree.entries.iter().map(|(path, _)| path.as_path()), &mut changes);
            }
            (Known::Is(Some(_)), Known::Unknown(because)) => {
                changes.push(Change::value("entries", Shown::Unknown(because.clone()), Shown::Absent));
            }
        }
        Difference { action: Action::Delete, changes, unknown: None }
    }

    fn diff_present(&self, observed: &ObservedDirectory) -> Difference {
        let mut changes = Vec::new();
        let mut action = Action::Update;
        match &observed.stat {
            Known::Is(None) => {
                action = Action::Create;
                for parent in &observed.missing_parents {
                    let parent = Value::string(parent.to_string_lossy().into_owned());
                    changes.push(Change::value("parents", Shown::Absent, Shown::Value(parent)));
                }
            }
            Known::Is(Some(stat)) if stat.kind != FileKind::Directory => {
                action = Action::Replace;
                changes.push(filesystem::kind_change(stat.kind, FileKind::Directory));
            }
            _ => {}
        }
        let found = self.found(observed);
        filesystem::mode_change(&found, self.mode, NEW_MODE, &mut changes);
        observed.ownership.changes(&found, &mut changes);
        let certain = !changes.is_empty();
        match &observed.below {
            Known::Is(below) => below.changes(self.dir_mode, self.file_mode, &observed.ownership, &mut changes),
            Known::Unknown(because) => {
                let attribute = if self.purge { "removes" } else { "entries" };
                let unknown = Shown::Unknown(because.clone());
                changes.push(Change::value(attribute, unknown.clone(), if self.purge { Shown::Absent } else { unknown }));
                if !certain {
                    return filesystem::perhaps(action, changes, because);
                }
            }
        }
        match &observed.stat {
            // Nothing but its being there is asked for, and whether it is there comes out later.
            Known::Unknown(because) if changes.is_empty() && !observed.exists => filesystem::perhaps(action, changes, because),
            _ if changes.is_empty() => Difference::NONE,
            _ => Difference { action, changes, unknown: None },
        }
    }

    fn observe_below(&self, world: &dyn World, ownership: &Ownership) -> Result<Known<Below>, ObserveError> {
        let asked = match self.state {
            State::Present => self.recursive || self.purge,
            State::Absent => true,
        };
        if !asked {
            return Ok(Known::Is(Below::default()));
        }
        let below = match self.state {
            State::Absent => Tree::observe(world, self.path.as_path()).map(Below::of_tree),
            State::Present => {
                let rules = Rules::new(self.recursive, self.purge, &self.purge_keep);
                Below::observe(world, self.path.as_path(), &rules, ownership)
            }
        };
        match below {
            Ok(below) => Ok(Known::Is(below)),
            Err(ObserveError::Unknown { because }) => Ok(Known::Unknown(because)),
            Err(error) => Err(error),
        }
    }

    /// Looks at the directory above, and for missing ones where they are to be created.
    fn observe_parents(&self, world: &dyn World) -> Result<(Option<Stat>, Vec<PathBuf>), ObserveError> {
        let mut missing = Vec::new();
        let mut child = self.path.as_path();
        loop {
            match filesystem::parent(world, child) {
                Ok(parent) => {
                    missing.reverse();
                    return Ok((parent, missing));
                }
                Err(ObserveError::Impossible { code: "missing-parent", .. }) if self.parents => {
                    child = child.parent().unwrap_or(Path::new("/"));
                    missing.push(child.to_owned());
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl ResourceType for Directory {
    type Observed = ObservedDirectory;

    fn observe(&self, world: &dyn World) -> Result<ObservedDirectory, ObserveError> {
        let path = self.path.as_path();
        let stat = filesystem::stat(world, path, self.state == State::Present)?;
        let exists = match &stat {
            Known::Is(stat) => stat.is_some(),
            Known::Unknown(_) => world.exists(path)? == Known::Is(true),
        };
        if let Known::Is(Some(found)) = &stat
            && found.kind != FileKind::Directory
            && !self.force
        {
            let hint = match self.state {
                State::Present => "set `force = true` to put the directory in its place",
                State::Absent => "set `force = true` to remove it, or declare it with its own resource type",
            };
            return Err(filesystem::wrong_kind(path, found.kind, FileKind::Directory, hint));
        }
        let found = stat.clone().map(|stat| stat.filter(|stat| stat.kind == FileKind::Directory));
        let (mut ownership, mut missing_parents) = (Ownership::NONE, Vec::new());
        if self.state == State::Present {
            let mut parent = None;
            if found == Known::Is(None) {
                (parent, missing_parents) = self.observe_parents(world)?;
            }
            ownership = Ownership::observe(world, self.owner.as_ref(), self.group.as_ref(), &found, parent.as_ref())?;
        }
        let below = match &found {
            Known::Is(Some(_)) => self.observe_below(world, &ownership)?,
            Known::Is(None) => Known::Is(Below::default()),
            Known::Unknown(because) if self.recursive || self.purge => Known::Unknown(because.clone()),
            Known::Unknown(_) => Known::Is(Below::default()),
        };
        Ok(ObservedDirectory { stat, exists, ownership, missing_parents, below })
    }

    fn diff(&self, observed: &ObservedDirectory) -> Difference {
        match self.state {
            State::Present => self.diff_present(observed),
            State::Absent => self.diff_absent(observed),
        }
    }

    fn digest(&self, observed: &ObservedDirectory, hasher: &mut blake3::Hasher) -> bool {
        let Known::Is(below) = &observed.below else { return false };
        below.digest(hasher) && filesystem::digest_stat(&observed.stat, hasher)
    }

    fn predict(&self, observed: &ObservedDirectory, difference: &Difference, effects: &mut Predicted<'_>) {
        let path = self.path.as_path();
        if let Some(because) = &difference.unknown {
            let is_there = matches!(self.found(observed), Known::Is(Some(_))) && self.state == State::Present;
            // What a purge takes that cannot look yet is managed by nobody: what is managed stays as it is.
            if !(is_there && self.purge && !self.recursive) {
                effects.obscure(path, because);
            }
            return;
        }
        if self.state == State::Absent {
            return effects.remove(path);
        }
        let found = self.found(observed);
        let stat = found.value().and_then(Option::as_ref);
        let mode = self.mode.or_else(|| stat.map(|stat| Mode(stat.mode))).or((found == Known::Is(None)).then_some(NEW_MODE));
        let (Some(mode), Some((uid, gid)), Known::Is(below)) = (mode, observed.ownership.predicted(stat), &observed.below) else {
            return effects.appear(path, &filesystem::id("directory", path));
        };
        if difference.action == Action::Replace {
            effects.remove(path);
        }
        let stat = Stat { kind: FileKind::Directory, mode: mode.0, uid, gid, size: 0, target: None };
        for parent in &observed.missing_parents {
            effects.put(parent, stat.clone(), None);
        }
        effects.put(path, stat, None);
        below.predict(path, self.dir_mode, self.file_mode, &observed.ownership, effects);
    }

    fn is_brief(&self) -> bool {
        self.state == State::Present && !self.recursive && !self.purge && !self.force
    }

    fn apply(&self, observed: &ObservedDirectory, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
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
        let found = stat.as_ref().filter(|_| is_directory);
        let (uid, gid) = observed.ownership.settled(found)?;
        let mode = self.mode.or_else(|| found.map(|found| Mode(found.mode))).unwrap_or(NEW_MODE);
        if found.is_none() {
            if stat.is_some() {
                machine.remove_file(path)?;
            }
            for parent in &observed.missing_parents {
                machine.make_directory(parent, mode.0, uid, gid)?;
            }
            machine.make_directory(path, mode.0, uid, gid)?;
            return Ok(Applied::Done);
        }
        observed.below.clone().known()?.apply(path, self.dir_mode, self.file_mode, &observed.ownership, machine)?;
        if difference.changes.iter().any(|change| matches!(&*change.attribute, "mode" | "owner" | "group")) {
            machine.set_attributes(path, Some(mode.0), uid, gid)?;
        }
        Ok(Applied::Done)
    }

    /// With nothing of others in it.
    fn removal(&self) -> Option<stead_engine::Removal> {
        let mut removal = stead_engine::Removal::absent(&[]);
        removal.set.push(("only_empty", stead_catalog::Value::Bool(true)));
        Some(removal)
    }
}
