//! A path as it was: what was there, byte for byte, with owner, mode and extended attributes.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use stead_catalog::{Action, AttributeError, AttributeSchema, Attributes, Change, Footprint, Place, Schema, Shown, Type, Value};

use crate::content::{Private, content_change, is_private};
use crate::journal::{FileAttributes, FileState, hex};
use crate::{
    Applied, ApplyError, Described, Difference, FileKind, Known, Machine, ObserveError, Owner, Predicted, ResourceType, Stat,
    TypeEntry, World,
};

/// Largest content that is shown as a text diff.
const SHOWN: u64 = 1 << 20;

/// Fetches a content of the journal.
pub(super) type Fetch = Arc<dyn Fn(&[u8; 32]) -> Option<Arc<[u8]>> + Send + Sync>;

/// A path that is to be what it was.
pub(super) struct PathState {
    pub(super) path: PathBuf,
    pub(super) target: FileState,
    /// BLAKE3 of the content that a regular file had, where that is to be brought back.
    pub(super) blob: Option<[u8; 32]>,
    pub(super) fetch: Fetch,
    /// That content as text, once it was asked for.
    pub(super) text: OnceLock<Option<Arc<str>>>,
    pub(super) names: Arc<Names>,
    /// What was there, or is there, is secret.
    pub(super) sensitive: bool,
    /// A directory goes with all that somebody else has put into it.
    pub(super) force: bool,
}

/// Accounts by name, each as it was first looked up: it may be gone or come while the run brings accounts back.
#[derive(Default)]
pub(super) struct Names(Mutex<BTreeMap<(bool, u32), Value>>);

impl Names {
    fn of(&self, world: &dyn World, is_group: bool, id: Option<u32>) -> Value {
        let Some(id) = id else { return Value::None };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let look = || {
            let name = if is_group { world.group_name(id) } else { world.user_name(id) };
            name.map_or(Value::Int(i64::from(id)), Value::String)
        };
        known.entry((is_group, id)).or_insert_with(look).clone()
    }
}

/// What is at the path now.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    stat: Known<Option<Stat>>,
    /// Digest and size of a regular file, where its content matters, with its text where that can be shown.
    content: Known<Option<SeenContent>>,
    xattrs: Known<BTreeMap<String, String>>,
    /// Owner and group by name, as found and as wished.
    names: [Value; 4],
}

/// Digest, size, and the text where that can be shown.
type SeenContent = ([u8; 32], u64, Option<Arc<str>>);

/// The types of these resources: a file, a directory, a symlink.
pub(super) const TYPES: [TypeEntry; 3] =
    [TypeEntry::internal(file_schema), TypeEntry::internal(directory_schema), TypeEntry::internal(symlink_schema)];

fn file_schema() -> Schema {
    schema("file")
}

fn directory_schema() -> Schema {
    schema("directory")
}

fn symlink_schema() -> Schema {
    schema("symlink")
}

pub(super) fn schema(name: &str) -> Schema {
    let attribute = |name: &str| AttributeSchema {
        name: name.into(),
        ty: Type::Path,
        required: false,
        default: None,
        docs: "".into(),
        sensitive: false,
        deprecated: None,
    };
    Schema {
        name: name.into(),
        since: "0.1".into(),
        docs: "".into(),
        key: "path".into(),
        attributes: vec![attribute("path"), attribute("was")],
        aliases: Vec::new(),
        footprint: |attributes| match attributes.str("path") {
            Some(path) => Footprint { owns: vec![Place::path(path)], ..Footprint::default() },
            None => Footprint::default(),
        },
        check: |_| Vec::new(),
        lint: |_, _| Vec::new(),
        deprecated: None,
        reacts: false,
    }
}

impl PathState {
    /// The resource type that a plan names it by.
    pub(super) fn type_name(target: &FileState, left: Option<&FileState>) -> &'static str {
        let of = |state: &FileState| match state {
            FileState::Absent => None,
            FileState::Directory { .. } => Some("directory"),
            FileState::Symlink { .. } => Some("symlink"),
            FileState::File { .. } | FileState::Other { .. } => Some("file"),
        };
        of(target).or_else(|| left.and_then(of)).unwrap_or("file")
    }

    /// The attributes that stand for it in a catalog.
    pub(super) fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::new();
        // A path that is no text is owned by nothing that a catalog could name.
        if let Some(path) = self.path.to_str() {
            attributes.set("path", Value::string(path));
        }
        let was = format!("{:?} {:?}", self.target, self.blob);
        let was = Value::string(blake3::hash(was.as_bytes()).to_hex().as_str());
        attributes.set("was", if self.sensitive { Value::Secret(Arc::new(was)) } else { was });
        attributes
    }

    /// The attributes that are to be brought back; `None` where nothing was there.
    fn wanted(&self) -> Option<&FileAttributes> {
        match &self.target {
            FileState::Absent => None,
            FileState::File { attributes, .. }
            | FileState::Directory { attributes }
            | FileState::Symlink { attributes, .. }
            | FileState::Other { attributes, .. } => Some(attributes),
        }
    }

    fn kind(&self) -> Option<FileKind> {
        match self.target {
            FileState::Absent => None,
            FileState::File { .. } => Some(FileKind::File),
            FileState::Directory { .. } => Some(FileKind::Directory),
            FileState::Symlink { .. } => Some(FileKind::Symlink),
            FileState::Other { .. } => Some(FileKind::Other),
        }
    }

    fn look(&self, world: &dyn World) -> Result<Seen, ObserveError> {
        let stat = match world.stat(&self.path) {
            // Below something that is no directory there is nothing.
            Err(ObserveError::WrongKind { .. }) => Known::Is(None),
            stat => stat?,
        };
        let mut seen = Seen {
            content: Known::Is(None),
            xattrs: Known::Is(BTreeMap::new()),
            names: [Value::None, Value::None, Value::None, Value::None],
            stat,
        };
        let found = seen.stat.value().cloned().flatten();
        let matters = self.blob.is_some() || self.target == FileState::Absent;
        if let Some(stat) = found.as_ref().filter(|stat| stat.kind == FileKind::File && matters) {
            seen.content = if stat.size > SHOWN || self.sensitive {
                world.digest(&self.path)?.map(|found| found.map(|(hash, size)| (hash, size, None)))
            } else {
                world.read(&self.path)?.map(|found| {
                    found.map(|bytes| {
                        let hash = *blake3::hash(&bytes).as_bytes();
                        let text = if Some(hash) == self.blob { None } else { shown_text(&bytes) };
                        (hash, bytes.len() as u64, text)
                    })
                })
            };
            if self.blob.is_some() {
                seen.xattrs = world.xattrs(&self.path)?;
            }
        }
        let id = |owner: &Owner| if let Owner::Id(id) = owner { Some(*id) } else { None };
        let found = found.map(|stat| (id(&stat.uid), id(&stat.gid))).unwrap_or_default();
        let wanted = self.wanted().map(|wanted| (Some(wanted.uid), Some(wanted.gid))).unwrap_or_default();
        if found != wanted {
            let user = |id| self.names.of(world, false, id);
            let group = |id| self.names.of(world, true, id);
            seen.names = [user(found.0), group(found.1), user(wanted.0), group(wanted.1)];
        }
        Ok(seen)
    }

    /// The content as it was, where it can be shown. Fetched once, for the plan and for the change itself.
    fn text(&self, blob: &[u8; 32], size: u64) -> Option<Arc<str>> {
        let fetch = || (self.fetch)(blob).and_then(|bytes| shown_text(&bytes));
        if size > SHOWN || self.sensitive { None } else { self.text.get_or_init(fetch).clone() }
    }

    /// The content as it was; `None` where the journal does not have it any more.
    fn bytes(&self, blob: &[u8; 32]) -> Option<Arc<[u8]>> {
        match self.text.get() {
            Some(Some(text)) => Some(text.clone().into()),
            _ => (self.fetch)(blob),
        }
    }

    fn content_change(&self, seen: &Seen) -> Option<Change> {
        let digest = |hash: &[u8; 32], size: u64| Shown::Digest { hash: hex(hash).into(), size };
        let found = match &seen.content {
            Known::Is(Some((hash, ..))) if Some(*hash) == self.blob => return None,
            Known::Is(Some((hash, size, text))) => Some((digest(hash, *size), text)),
            _ => None,
        };
        let is_text = found.as_ref().is_none_or(|(_, text)| text.is_some());
        let after = match (&self.target, self.blob) {
            (FileState::File { size, .. }, Some(blob)) => {
                let text = if is_text { self.text(&blob, *size) } else { None };
                text.map_or_else(|| digest(&blob, *size), Shown::Text)
            }
            _ => Shown::Absent,
        };
        let before = match (found, &seen.content) {
            (Some((_, Some(text))), _) if !matches!(after, Shown::Digest { .. }) => Shown::Text(text.clone()),
            (Some((digest, _)), _) => digest,
            (None, Known::Unknown(because)) => Shown::Unknown(because.clone()),
            (None, _) => Shown::Absent,
        };
        if before == Shown::Absent && after == Shown::Absent {
            return None;
        }
        let found = seen.stat.value().and_then(Option::as_ref).filter(|stat| stat.kind == FileKind::File);
        let kept = self.wanted().is_some_and(|wanted| is_private(wanted.mode));
        let change = content_change(before, after, Private { kept, ..Private::found(found) });
        Some(if self.sensitive { change.hidden() } else { change })
    }

    fn removal(&self, seen: &Seen, stat: &Stat) -> Difference {
        let changes = match stat.kind {
            FileKind::File => self.content_change(seen).into_iter().collect(),
            FileKind::Symlink => vec![Change::value("target", shown_target(stat.target.as_deref()), Shown::Absent)],
            kind => vec![Change::value("kind", Shown::Value(Value::Member(kind_name(kind).into())), Shown::Absent)],
        };
        Difference { action: Action::Delete, changes, unknown: None }
    }

    fn attribute_changes(&self, seen: &Seen, found: Option<&Stat>, changes: &mut Vec<Change>) {
        let Some(wanted) = self.wanted() else { return };
        let is_link = matches!(self.target, FileState::Symlink { .. });
        if !is_link && found.is_none_or(|stat| stat.mode != wanted.mode) {
            let before = found.map_or(Shown::Absent, |stat| Shown::Value(Value::Mode(stat.mode)));
            changes.push(Change::value("mode", before, Shown::Value(Value::Mode(wanted.mode))));
        }
        let mut owner = |name: &str, found: Option<&Owner>, wanted: u32, names: [&Value; 2]| {
            if found != Some(&Owner::Id(wanted)) {
                let side = |value: &Value| if *value == Value::None { Shown::Absent } else { Shown::Value(value.clone()) };
                changes.push(Change::value(name, side(names[0]), side(names[1])));
            }
        };
        let [user, group, wanted_user, wanted_group] = &seen.names;
        owner("owner", found.map(|stat| &stat.uid), wanted.uid, [user, wanted_user]);
        owner("group", found.map(|stat| &stat.gid), wanted.gid, [group, wanted_group]);
        if let (true, Some(_), Known::Is(xattrs)) = (self.blob.is_some(), found, &seen.xattrs)
            && *xattrs != wanted.xattrs
        {
            let names = |xattrs: &BTreeMap<String, String>| {
                if xattrs.is_empty() {
                    Shown::Absent
                } else {
                    Shown::Value(Value::list(xattrs.keys().map(|name| Value::string(name.as_str()))))
                }
            };
            changes.push(Change::value("xattrs", names(xattrs), names(&wanted.xattrs)));
        }
    }
}

impl fmt::Debug for PathState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PathState").field("path", &self.path).field("target", &self.target).finish_non_exhaustive()
    }
}

impl Described for PathState {
    fn schema() -> Schema {
        file_schema()
    }

    fn read(_attributes: &Attributes) -> Result<Self, AttributeError> {
        Err(unreadable())
    }
}

impl ResourceType for PathState {
    type Observed = Seen;

    fn observe(&self, world: &dyn World) -> Result<Seen, ObserveError> {
        self.look(world)
    }

    fn diff(&self, seen: &Seen) -> Difference {
        let stat = match &seen.stat {
            Known::Is(stat) => stat.as_ref(),
            Known::Unknown(because) => {
                let changes = vec![Change::value("content", Shown::Unknown(because.clone()), Shown::Absent)];
                return Difference { action: Action::Update, changes, unknown: Some(because.clone()) };
            }
        };
        let Some(kind) = self.kind() else {
            return stat.map_or(Difference::NONE, |stat| self.removal(seen, stat));
        };
        let mut changes = Vec::new();
        let same = stat.filter(|stat| stat.kind == kind);
        let action = match (stat, same) {
            (None, _) => Action::Create,
            (Some(_), Some(_)) => Action::Update,
            (Some(stat), None) => {
                let word = |kind| Shown::Value(Value::Member(kind_name(kind).into()));
                changes.push(Change::value("kind", word(stat.kind), word(kind)));
                Action::Replace
            }
        };
        if self.blob.is_some() {
            changes.extend(self.content_change(seen));
        }
        if let FileState::Symlink { .. } = &self.target {
            let (found, wanted) = (same.and_then(|stat| stat.target.as_deref()), self.target.target());
            if found != wanted.as_deref() {
                changes.push(Change::value("target", shown_target(found), shown_target(wanted.as_deref())));
            }
        }
        self.attribute_changes(seen, same, &mut changes);
        if changes.is_empty() { Difference::NONE } else { Difference { action, changes, unknown: None } }
    }

    fn digest(&self, seen: &Seen, hasher: &mut blake3::Hasher) -> bool {
        let (Known::Is(stat), Known::Is(content), Known::Is(xattrs)) = (&seen.stat, &seen.content, &seen.xattrs) else {
            return false;
        };
        let content = content.as_ref().map(|(hash, size, _)| (hash, size));
        hasher.update(format!("{stat:?} {content:?} {xattrs:?}").as_bytes());
        true
    }

    fn predict(&self, seen: &Seen, difference: &Difference, effects: &mut Predicted<'_>) {
        if difference.is_none() {
            return;
        }
        let (Some(wanted), Some(kind)) = (self.wanted(), self.kind()) else { return effects.remove(&self.path) };
        let size = if let FileState::File { size, .. } = self.target { size } else { 0 };
        let (uid, gid) = (Owner::Id(wanted.uid), Owner::Id(wanted.gid));
        let stat = Stat { kind, mode: wanted.mode, uid, gid, size, target: self.target.target() };
        let is_there = seen.stat.value().and_then(Option::as_ref).is_some_and(|found| found.kind == kind);
        match self.blob {
            None if is_there => effects.change(&self.path, stat),
            blob => effects.put(&self.path, stat, blob.and_then(|blob| self.bytes(&blob))),
        }
    }

    fn apply(&self, seen: &Seen, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let path = &*self.path;
        let stat = seen.stat.clone().known()?;
        let clear = || match stat.as_ref().map(|stat| stat.kind) {
            Some(FileKind::Directory) if self.force => machine.remove_tree(path),
            Some(FileKind::Directory) => machine.remove_directory(path),
            _ => Ok(()),
        };
        let is_same = stat.as_ref().map(|stat| stat.kind) == self.kind();
        match &self.target {
            FileState::Absent => match stat.as_ref().map(|stat| stat.kind) {
                Some(FileKind::Directory) => clear()?,
                _ => machine.remove_file(path)?,
            },
            FileState::File { attributes, .. } => {
                let written = difference.changes.iter().any(|change| matches!(&*change.attribute, "content" | "xattrs" | "kind"));
                if let (true, Some(blob)) = (written || !is_same, self.blob) {
                    let content = self.bytes(&blob).ok_or_else(|| lost(path))?;
                    if !is_same {
                        clear()?;
                    }
                    let staged = machine.stage_restored(path, &content, attributes, self.sensitive)?;
                    return Ok(Applied::Staged(vec![staged]));
                }
                if !is_same {
                    return Err(lost(path).into());
                }
                machine.set_attributes(path, Some(attributes.mode), Some(attributes.uid), Some(attributes.gid))?;
            }
            FileState::Directory { attributes } => {
                let (mode, uid, gid) = (attributes.mode, attributes.uid, attributes.gid);
                if is_same {
                    machine.set_attributes(path, Some(mode), Some(uid), Some(gid))?;
                } else {
                    if stat.is_some() {
                        machine.remove_file(path)?;
                    }
                    machine.make_directory(path, mode, Some(uid), Some(gid))?;
                    machine.set_xattrs(path, &attributes.xattrs)?;
                }
            }
            FileState::Symlink { attributes, .. } => {
                if !is_same {
                    clear()?;
                }
                let target = self.target.target().unwrap_or_default();
                machine.make_symlink(path, &target, Some(attributes.uid), Some(attributes.gid))?;
            }
            FileState::Other { .. } => return Err(lost(path).into()),
        }
        Ok(Applied::Done)
    }
}

/// Nobody reads one from attributes: the engine makes it.
pub(super) fn unreadable() -> AttributeError {
    AttributeError { attribute: "name".into(), expected: "a resource that the engine made".into(), found: "attributes".into() }
}

fn lost(path: &Path) -> ObserveError {
    ObserveError::Impossible {
        code: "content-not-kept",
        message: format!("what {} held is not in the journal any more", path.display()),
        hint: "undo the rest with --except, and bring this back from elsewhere".into(),
    }
}

fn kind_name(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symlink",
        FileKind::Other => "special",
    }
}

fn shown_target(target: Option<&Path>) -> Shown {
    target.map_or(Shown::Absent, |target| Shown::Value(Value::string(target.to_string_lossy().as_ref())))
}

fn shown_text(bytes: &[u8]) -> Option<Arc<str>> {
    if bytes.len() as u64 > SHOWN || bytes.contains(&0) {
        return None;
    }
    std::str::from_utf8(bytes).ok().map(Arc::from)
}
