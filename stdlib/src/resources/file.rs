//! The resource type `file`.

mod content;

use std::sync::Arc;

use stead_catalog::{Action, Attributes, Blob, Change, Command, Footprint, Place, Problem, Shown, Surroundings, Value};
use stead_engine::{
    Applied, ApplyError, Difference, FileKind, FileWrite, Known, Machine, ObserveError, Predicted, ResourceType, Stat, World,
};

use self::content::Content;
use crate::filesystem::{self, Ownership, Tree};
use crate::values::{AbsolutePath, Account, Guarded, Mode, Size};
use crate::{Choice, Resource, lints};

/// Permission bits of a new file that says none.
const NEW_MODE: Mode = Mode(0o644);

/// A regular file: its content, owner and mode.
///
/// Content is given as text (`content`), made from a template (`content = template("x.j2", { … })`), or copied from
/// a file of the project (`source`). It is replaced in one step: the new content is written beside the file, checked by
/// `validate`, synced and renamed, so that nobody ever reads half of it. Owner, group and mode that are not given stay as found; a new file
/// gets 0644 and belongs to the user that Stead runs as (`root`, as a rule).
///
/// Without `content` and `source` only the attributes of an existing file are managed, and a missing one is created empty.
/// The directory it is in has to exist or to be declared. Compares to Salt's `file.managed` and `file.absent`,
/// Puppet's `file`, and Ansible's `copy`, `template` and `file`.
///
/// ```stead
/// file "/etc/motd" { content = "welcome\n", mode = 0644 }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "file",
    since = "0.1",
    lint = Self::lint,
    aliases(
        name = "path",
        dest = "path",
        ensure = "state",
        contents = "content",
        text = "content",
        src = "source",
        user = "owner",
        permissions = "mode",
        check_cmd = "validate",
        validate_cmd = "validate",
        replace = "create_only"
    )
)]
pub struct File {
    /// Absolute path on the node. Identifies the resource.
    #[key]
    pub path: AbsolutePath,
    /// Whether the file is there.
    #[default(State::Present)]
    pub state: State,
    /// The whole content, as text. Shown as `(sensitive)` when it holds a secret.
    pub content: Option<Guarded<Arc<str>>>,
    /// A file of the project whose bytes are the content.
    pub source: Option<Blob>,
    /// Permission bits. The umask is not applied. Left as found when absent; 0644 for a new file.
    pub mode: Option<Mode>,
    /// The owning user, by name or id. Left as found when absent; the user that Stead runs as for a new file.
    pub owner: Option<Account>,
    /// The owning group, by name or id.
    ///
    /// Left as found when absent. A new file gets the group that Stead runs as, or the directory's when that has the set-group-ID bit.
    pub group: Option<Account>,
    /// A command that has to accept new content before it is put in place.
    ///
    /// `%s` stands for the path of the temporary file with the new content: `"visudo -c -f %s"`. When the command fails,
    /// the old content stays and the resource fails with what the command said.
    pub validate: Option<Command>,
    /// Write the content only when the file is missing; later edits of it are kept. Mode and owner are always managed.
    #[default(false)]
    pub create_only: bool,
    /// Replace a symlink, a directory with all that is in it, or a special file that is in the way.
    #[default(false)]
    pub force: bool,
    /// Largest content that is shown as a text diff; larger content is told by size and hash.
    #[default(1 << 20)]
    pub diff_limit: Size,
}

/// Whether the file is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The file is there, with the content and attributes given.
    Present,
    /// Nothing is there. A directory is removed only with `force`.
    Absent,
}

/// What was found at the path.
#[derive(Clone, Debug)]
pub struct ObservedFile {
    stat: Known<Option<Stat>>,
    /// Something is there, also when nothing else is known of it.
    exists: bool,
    content: Content,
    ownership: Ownership,
    /// What a directory in the way holds, where it would be removed.
    tree: Tree,
}

impl File {
    /// A file of a certain form, which is its owner's alone; absent without a content.
    pub(crate) fn of_form(
        path: AbsolutePath,
        content: Option<Guarded<Arc<str>>>,
        mode: Mode,
        owner: Account,
        validate: Option<Command>,
    ) -> Self {
        let is_present = content.is_some();
        Self {
            path,
            state: if is_present { State::Present } else { State::Absent },
            content,
            source: None,
            mode: is_present.then_some(mode),
            owner: is_present.then(|| owner.clone()),
            group: is_present.then_some(owner),
            validate: validate.filter(|_| is_present),
            create_only: false,
            force: false,
            diff_limit: Size(1 << 20),
        }
    }

    /// What it owns, brings and needs, for a type that is a file of a certain form.
    pub(crate) fn places(&self) -> Footprint {
        self.footprint()
    }

    fn footprint(&self) -> Footprint {
        let own = Place::path(self.path.shared().clone());
        let unit = stead_engine::unit_of(self.path.as_path()).map(Place::unit);
        if self.state == State::Absent {
            return Footprint {
                gone_before: std::iter::once(own.clone()).chain(unit).collect(),
                fills: vec![self.path.shared().clone()],
                owns: vec![own],
                removes: true,
                ..Footprint::default()
            };
        }
        let fills = (self.content.is_some() || self.source.is_some()) && !self.create_only;
        Footprint {
            owns: vec![own],
            fills: if fills { vec![self.path.shared().clone()] } else { Vec::new() },
            brings: filesystem::brought_with(self.path.as_path()),
            needs: filesystem::needed_places(self.path.as_path(), self.owner.as_ref(), self.group.as_ref()),
            ..Footprint::default()
        }
    }

    fn lint(attributes: &Attributes, _around: Surroundings) -> Vec<Problem> {
        let holds_secret = attributes.get("content").is_some_and(Value::is_sensitive);
        if !holds_secret || attributes.get("mode").is_some() {
            return Vec::new();
        }
        let message = format!("the file holds a secret, and everybody may read a new file: it gets {:04o}", NEW_MODE.0);
        let problem = lints::problem("readable-secret", None, message, "add `mode = 0600`, or 0640 with a `group`");
        vec![lints::mended(problem, "mode", "0600")]
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |code, attribute: &str, other: Option<&str>, message: &str, hint: &str| {
            problems.push(Problem {
                code,
                attribute: Some(attribute.into()),
                other: other.map(Into::into),
                message: message.into(),
                hint: Some(hint.into()),
                mend: None,
            });
        };
        if self.content.is_some() && self.source.is_some() {
            let hint = "keep one: `content` for text, `source` for a file of the project";
            problem("conflicting-attributes", "source", Some("content"), "a file has one content, and two are given", hint);
        }
        if self.state == State::Absent {
            for (given, name) in [
                (self.content.is_some(), "content"),
                (self.source.is_some(), "source"),
                (self.validate.is_some(), "validate"),
                (self.create_only, "create_only"),
            ] {
                if given {
                    let hint = format!("take `{name}` away, or `state = absent`");
                    problem("conflicting-attributes", name, Some("state"), "a file that is absent has no content", &hint);
                }
            }
        } else {
            if self.create_only && self.content.is_none() && self.source.is_none() {
                let hint = "take it away: an existing file's content is kept anyway";
                problem("conflicting-attributes", "create_only", None, "there is no content to be written once", hint);
            }
            if let Some(validate) = &self.validate {
                if self.content.is_none() && self.source.is_none() {
                    let hint = "give `content` or `source`, or take `validate` away";
                    problem("conflicting-attributes", "validate", None, "there is no new content to validate", hint);
                } else if !validate.to_string().contains("%s") {
                    let hint = "write `%s` where the path of the temporary file goes";
                    problem("invalid-value", "validate", None, "the command does not look at the new content", hint);
                }
            }
        }
        if filesystem::is_root(self.path.as_path()) {
            problem("invalid-value", "path", None, "`/` is a directory", "name a file");
        }
        problems
    }

    fn diff_absent(&self, observed: &ObservedFile) -> Difference {
        let stat = match &observed.stat {
            Known::Unknown(because) => {
                let changes = vec![Change::value("content", Shown::Unknown(because.clone()), Shown::Absent)];
                let unknown = (!observed.exists).then(|| because.clone());
                return Difference { action: Action::Delete, changes, unknown };
            }
            Known::Is(None) => return Difference::NONE,
            Known::Is(Some(stat)) => stat,
        };
        let mut changes = Vec::new();
        match stat.kind {
            FileKind::File => {
                changes.push(self.content_change(&observed.content, Some(stat)));
            }
            FileKind::Symlink => changes.push(Change::value("target", filesystem::shown_target(stat), Shown::Absent)),
            FileKind::Directory | FileKind::Other => {
                let mut change = filesystem::kind_change(stat.kind, FileKind::File);
                change.after = Shown::Absent;
                changes.push(change);
            }
        }
        filesystem::removals(observed.tree.entries.iter().map(|(path, _)| path.as_path()), &mut changes);
        Difference { action: Action::Delete, changes, unknown: None }
    }

    fn diff_present(&self, observed: &ObservedFile) -> Difference {
        let mut changes = Vec::new();
        let mut action = Action::Update;
        let mut unknown = None;
        match &observed.stat {
            Known::Is(None) => {
                action = Action::Create;
                if self.wanted().is_some() {
                    changes.push(self.content_change(&Content::Unasked, None));
                }
            }
            Known::Is(Some(stat)) if stat.kind != FileKind::File => {
                action = Action::Replace;
                changes.push(filesystem::kind_change(stat.kind, FileKind::File));
                filesystem::removals(observed.tree.entries.iter().map(|(path, _)| path.as_path()), &mut changes);
                if self.wanted().is_some() {
                    changes.push(self.content_change(&Content::Unasked, None));
                }
            }
            Known::Is(Some(stat)) => {
                if !matches!(observed.content, Content::Wanted | Content::Unasked) {
                    changes.push(self.content_change(&observed.content, Some(stat)));
                }
            }
            Known::Unknown(because) => {
                let written = self.wanted().is_some() && !(self.create_only && observed.exists);
                if written {
                    changes.push(self.content_change(&Content::Unknown(because.clone()), None));
                }
                // With content to write, or attributes to set on something that is there, there will be something to do.
                let certain = (written && !self.create_only) || observed.exists || self.has_attributes();
                unknown = (!certain).then(|| because.clone());
            }
        }
        let found = self.found(observed);
        filesystem::mode_change(&found, self.mode, NEW_MODE, &mut changes);
        observed.ownership.changes(&found, &mut changes);
        match unknown {
            Some(because) => filesystem::perhaps(action, changes, &because),
            None if changes.is_empty() => Difference::NONE,
            None => Difference { action, changes, unknown: None },
        }
    }

    const fn has_attributes(&self) -> bool {
        self.mode.is_some() || self.owner.is_some() || self.group.is_some()
    }

    /// What is there and stays: a thing of another kind that is replaced does not.
    fn found(&self, observed: &ObservedFile) -> Known<Option<Stat>> {
        observed.stat.clone().map(|stat| stat.filter(|stat| stat.kind == FileKind::File))
    }
}

impl ResourceType for File {
    type Observed = ObservedFile;

    fn observe(&self, world: &dyn World) -> Result<ObservedFile, ObserveError> {
        let path = self.path.as_path();
        let stat = filesystem::stat(world, path, self.state == State::Present)?;
        let exists = match &stat {
            Known::Is(stat) => stat.is_some(),
            Known::Unknown(_) => world.exists(path)? == Known::Is(true),
        };
        let mut content = Content::Unasked;
        let mut tree = Tree::default();
        let mut parent = None;
        match &stat {
            Known::Is(Some(found)) if found.kind == FileKind::File => content = self.observe_content(world, found)?,
            Known::Is(Some(found)) => {
                let in_the_way = self.state == State::Present || found.kind == FileKind::Directory;
                if in_the_way && !self.force {
                    return Err(filesystem::wrong_kind(path, found.kind, FileKind::File, &self.force_hint(found.kind)));
                }
                if found.kind == FileKind::Directory {
                    tree = Tree::observe(world, path)?;
                }
                parent = filesystem::parent(world, path)?;
            }
            Known::Is(None) if self.state == State::Present => parent = filesystem::parent(world, path)?,
            _ => {}
        }
        let found = stat.clone().map(|stat| stat.filter(|stat| stat.kind == FileKind::File));
        let ownership = if self.state == State::Present {
            Ownership::observe(world, self.owner.as_ref(), self.group.as_ref(), &found, parent.as_ref())?
        } else {
            Ownership::NONE
        };
        Ok(ObservedFile { stat, exists, content, ownership, tree })
    }

    fn diff(&self, observed: &ObservedFile) -> Difference {
        match self.state {
            State::Present => self.diff_present(observed),
            State::Absent => self.diff_absent(observed),
        }
    }

    fn digest(&self, observed: &ObservedFile, hasher: &mut blake3::Hasher) -> bool {
        observed.tree.digest(hasher);
        self.digest_content(&observed.content, hasher) && filesystem::digest_stat(&observed.stat, hasher)
    }

    fn predict(&self, observed: &ObservedFile, difference: &Difference, effects: &mut Predicted<'_>) {
        let path = self.path.as_path();
        if let Some(because) = &difference.unknown {
            return effects.obscure(path, because);
        }
        if self.state == State::Absent {
            return effects.remove(path);
        }
        let found = match self.found(observed) {
            Known::Is(found) => found,
            Known::Unknown(because) => return self.predict_unknown(observed, &because, effects),
        };
        let Some((uid, gid)) = observed.ownership.predicted(found.as_ref()) else {
            return effects.appear(path, &filesystem::id("file", path));
        };
        let mode = self.mode.or_else(|| found.as_ref().map(|found| Mode(found.mode))).unwrap_or(NEW_MODE);
        let stat = |size| Stat { kind: FileKind::File, mode: mode.0, uid, gid, size, target: None };
        let written = difference.changes.iter().any(|change| &*change.attribute == "content");
        if let (Some(found), false) = (&found, written) {
            return effects.change(path, stat(found.size));
        }
        if difference.action == Action::Replace {
            effects.remove(path);
        }
        let content = self.wanted_bytes();
        effects.put(path, stat(content.len() as u64), Some(content));
    }

    fn is_brief(&self) -> bool {
        self.validate.is_none() && !self.force
    }

    fn apply(&self, observed: &ObservedFile, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let path = self.path.as_path();
        let stat = observed.stat.clone().known()?;
        if difference.action == Action::Delete {
            match stat.as_ref().map(|stat| stat.kind) {
                Some(FileKind::Directory) => machine.remove_tree(path)?,
                _ => machine.remove_file(path)?,
            }
            return Ok(Applied::Done);
        }
        let found = stat.as_ref().filter(|stat| stat.kind == FileKind::File);
        let (uid, gid) = observed.ownership.settled(found)?;
        let written = difference.changes.iter().any(|change| &*change.attribute == "content");
        if found.is_some() && !written {
            // A change of owner takes the set-user-ID bit away (chown(2)), so that the mode is always set again.
            let mode = self.mode.or_else(|| found.map(|found| Mode(found.mode)));
            machine.set_attributes(path, mode.map(|mode| mode.0), uid, gid)?;
            return Ok(Applied::Done);
        }
        if stat.as_ref().is_some_and(|stat| stat.kind == FileKind::Directory) {
            machine.remove_tree(path)?;
        }
        let mode = self.mode.or_else(|| found.map(|found| Mode(found.mode))).unwrap_or(NEW_MODE);
        let staged = machine.stage_file(&FileWrite {
            path: path.to_owned(),
            content: self.wanted_bytes(),
            mode: mode.0,
            uid,
            gid,
            validate: self.validate.clone(),
            sensitive: self.is_sensitive(),
            keeps: false,
        })?;
        Ok(Applied::Staged(vec![staged]))
    }

    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&[]))
    }
}

impl File {
    fn force_hint(&self, kind: FileKind) -> String {
        match (self.state, kind) {
            (State::Absent, _) => format!("to remove a directory, declare directory \"{}\" {{ state = absent }}", self.path),
            (State::Present, FileKind::Directory) => "set `force = true` to remove the directory with all that is in it".into(),
            (State::Present, _) => "set `force = true` to put the file in its place".into(),
        }
    }

    /// Predicts a file of which nothing but the wanted attributes is known.
    fn predict_unknown(&self, observed: &ObservedFile, because: &str, effects: &mut Predicted<'_>) {
        let path = self.path.as_path();
        match (self.mode, observed.ownership.predicted(None)) {
            (Some(mode), Some((uid, gid))) => {
                let content = (self.wanted().is_some() && !self.create_only).then(|| self.wanted_bytes());
                let size = content.as_ref().map_or(0, |content| content.len() as u64);
                effects.put(path, Stat { kind: FileKind::File, mode: mode.0, uid, gid, size, target: None }, content);
            }
            _ => effects.appear(path, because),
        }
    }
}
