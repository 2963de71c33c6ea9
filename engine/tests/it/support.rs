//! Small resource types, catalogs of them, and what a test does with those.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use stead_catalog::{
    Action, AttributeError, AttributeSchema, Attributes, Catalog, Change, Command, Edge, EdgeKind, Footprint, Meta, Place,
    Resource, ResourceId, Schema, Shown, SourceLocation, Type, Value,
};
use stead_engine::{
    Applied, ApplyError, ApplyOptions, Described, Difference, Event, Events, FileKind, FileWrite, Journal, Machine, ObserveError,
    Observed, OutcomeKind, PlanOptions, Planned, Predicted, ReactionKind, Registry, ResourceType, RootSpec, Run, RunReport, Stat,
    TypeEntry, World, apply, plan,
};

fn schema(name: &str, key: &str, attributes: &[&str], footprint: fn(&Attributes) -> Footprint, reacts: bool) -> Schema {
    let attribute = |name: &&str| AttributeSchema {
        name: (*name).into(),
        ty: Type::STRING,
        required: false,
        default: None,
        docs: "".into(),
        sensitive: false,
        deprecated: None,
    };
    Schema {
        name: name.into(),
        since: "0".into(),
        docs: "".into(),
        key: key.into(),
        attributes: attributes.iter().map(attribute).collect(),
        aliases: Vec::new(),
        footprint,
        check: |_| Vec::new(),
        lint: |_, _| Vec::new(),
        deprecated: None,
        reacts,
    }
}

fn owns_path(attributes: &Attributes) -> Footprint {
    let path = attributes.str("path").unwrap_or_default();
    Footprint { owns: vec![Place::path(path)], removes: attributes.bool("absent") == Some(true), ..Footprint::default() }
}

/// A file with content, mode, and what a test wants to go wrong.
#[derive(Debug)]
pub(crate) struct Text {
    path: PathBuf,
    content: Vec<u8>,
    mode: u32,
    absent: bool,
    secret: bool,
    validate: Option<Command>,
}

impl Described for Text {
    fn schema() -> Schema {
        schema("text", "path", &["path", "content", "mode", "absent", "validate"], owns_path, false)
    }

    fn read(attributes: &Attributes) -> Result<Self, AttributeError> {
        Ok(Self {
            path: attributes.str("path").unwrap_or_default().into(),
            content: attributes.str("content").unwrap_or_default().as_bytes().to_vec(),
            mode: attributes.int("mode").map_or(0o644, |mode| mode as u32),
            absent: attributes.bool("absent") == Some(true),
            secret: attributes.get("content").is_some_and(Value::is_sensitive),
            validate: attributes.str("validate").map(|line| Command::Shell(line.into())),
        })
    }
}

impl ResourceType for Text {
    type Observed = Option<(u32, bool)>;

    fn observe(&self, world: &dyn World) -> Result<Self::Observed, ObserveError> {
        match world.stat(&self.path)?.known()? {
            Some(stat) if stat.kind == FileKind::File => Ok(Some((stat.mode, world.holds(&self.path, &self.content)?.known()?))),
            Some(_) => Ok(Some((u32::MAX, false))),
            None => Ok(None),
        }
    }

    fn diff(&self, observed: &Self::Observed) -> Difference {
        let shown = |content: &[u8]| Shown::Text(String::from_utf8_lossy(content).into());
        let change = |attribute: &str, before, after| {
            let change = Change::value(attribute, before, after);
            if self.secret { change.hidden() } else { change }
        };
        match observed {
            None if self.absent => Difference::NONE,
            None => Difference {
                action: Action::Create,
                changes: vec![change("content", Shown::Absent, shown(&self.content))],
                unknown: None,
            },
            Some(_) if self.absent => Difference {
                action: Action::Delete,
                changes: vec![change("path", shown(b"there"), Shown::Absent)],
                unknown: None,
            },
            Some((mode, same)) => {
                let mut changes = Vec::new();
                if !same {
                    changes.push(change("content", shown(b"other"), shown(&self.content)));
                }
                if *mode != self.mode {
                    changes.push(change("mode", Shown::Value(Value::Mode(*mode)), Shown::Value(Value::Mode(self.mode))));
                }
                Difference::update(changes)
            }
        }
    }

    fn digest(&self, observed: &Self::Observed, hasher: &mut blake3::Hasher) -> bool {
        hasher.update(format!("{observed:?}").as_bytes());
        true
    }

    fn predict(&self, _observed: &Self::Observed, _difference: &Difference, effects: &mut Predicted<'_>) {
        if self.absent {
            return effects.remove(&self.path);
        }
        let (uid, gid) = effects.base().identity();
        let stat = Stat {
            kind: FileKind::File,
            mode: self.mode,
            uid: stead_engine::Owner::Id(uid),
            gid: stead_engine::Owner::Id(gid),
            size: self.content.len() as u64,
            target: None,
        };
        effects.put(&self.path, stat, Some(self.content.clone().into()));
    }

    fn apply(&self, observed: &Self::Observed, _difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        if self.absent {
            machine.remove_tree(&self.path)?;
            return Ok(Applied::Done);
        }
        if *observed == Some((u32::MAX, false)) {
            machine.remove_tree(&self.path)?;
        }
        if let Some((mode, true)) = observed
            && *mode != u32::MAX
        {
            machine.set_attributes(&self.path, Some(self.mode), None, None)?;
            return Ok(Applied::Done);
        }
        Ok(Applied::Staged(vec![machine.stage_file(&FileWrite {
            path: self.path.clone(),
            content: self.content.clone().into(),
            mode: self.mode,
            uid: None,
            gid: None,
            validate: self.validate.clone(),
            sensitive: self.secret,
            keeps: false,
        })?]))
    }
}

/// A directory.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    mode: u32,
}

impl Described for Folder {
    fn schema() -> Schema {
        schema("folder", "path", &["path", "mode"], owns_path, false)
    }

    fn read(attributes: &Attributes) -> Result<Self, AttributeError> {
        let mode = attributes.int("mode").map_or(0o755, |mode| mode as u32);
        Ok(Self { path: attributes.str("path").unwrap_or_default().into(), mode })
    }
}

impl ResourceType for Folder {
    type Observed = Option<u32>;

    fn observe(&self, world: &dyn World) -> Result<Self::Observed, ObserveError> {
        Ok(world.stat(&self.path)?.known()?.map(|stat| stat.mode))
    }

    fn diff(&self, observed: &Self::Observed) -> Difference {
        let mode = |mode| Shown::Value(Value::Mode(mode));
        match observed {
            None => Difference {
                action: Action::Create,
                changes: vec![Change::value("mode", Shown::Absent, mode(self.mode))],
                unknown: None,
            },
            Some(found) if *found == self.mode => Difference::NONE,
            Some(found) => Difference::update(vec![Change::value("mode", mode(*found), mode(self.mode))]),
        }
    }

    fn digest(&self, observed: &Self::Observed, hasher: &mut blake3::Hasher) -> bool {
        hasher.update(format!("{observed:?}").as_bytes());
        true
    }

    fn predict(&self, _observed: &Self::Observed, _difference: &Difference, effects: &mut Predicted<'_>) {
        let (uid, gid) = effects.base().identity();
        let stat = Stat {
            kind: FileKind::Directory,
            mode: self.mode,
            uid: stead_engine::Owner::Id(uid),
            gid: stead_engine::Owner::Id(gid),
            size: 0,
            target: None,
        };
        effects.put(&self.path, stat, None);
    }

    fn apply(&self, observed: &Self::Observed, _difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        match observed {
            None => machine.make_directory(&self.path, self.mode, None, None)?,
            Some(_) => machine.set_attributes(&self.path, Some(self.mode), None, None)?,
        }
        Ok(Applied::Done)
    }
}

/// A shell line: run when `creates` is not there (or always, without it), and again as a reaction.
#[derive(Debug)]
pub(crate) struct Line {
    line: Option<Command>,
    creates: Option<PathBuf>,
    react: Option<Command>,
    secrets: Vec<std::sync::Arc<str>>,
}

impl Line {
    fn run(&self, command: &Command, machine: &Machine) -> Result<(), ApplyError> {
        let output = machine.run(&Run {
            command: command.clone(),
            user: None,
            cwd: None,
            env: Vec::new(),
            timeout: None,
            stdin: None,
            secrets: self.secrets.clone(),
            umask: None,
        })?;
        if output.status == 0 {
            return Ok(());
        }
        Err(ApplyError::Command {
            command: "line".into(),
            status: format!("exit status {}", output.status),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

impl Described for Line {
    fn schema() -> Schema {
        schema("line", "name", &["name", "line", "creates", "react", "secret"], |_| Footprint::default(), true)
    }

    fn read(attributes: &Attributes) -> Result<Self, AttributeError> {
        let command = |name: &str| attributes.str(name).map(|line| Command::Shell(line.into()));
        Ok(Self {
            line: command("line"),
            creates: attributes.str("creates").map(PathBuf::from),
            react: command("react"),
            secrets: attributes.str("secret").map(Into::into).into_iter().collect(),
        })
    }
}

impl ResourceType for Line {
    type Observed = bool;

    fn observe(&self, world: &dyn World) -> Result<bool, ObserveError> {
        match &self.creates {
            Some(path) => Ok(world.stat(path)?.known()?.is_some()),
            None => Ok(false),
        }
    }

    fn diff(&self, observed: &bool) -> Difference {
        if *observed || self.line.is_none() {
            return Difference::NONE;
        }
        Difference { action: Action::Run, changes: Vec::new(), unknown: None }
    }

    fn digest(&self, observed: &bool, hasher: &mut blake3::Hasher) -> bool {
        hasher.update(&[u8::from(*observed)]);
        true
    }

    fn predict(&self, _observed: &bool, _difference: &Difference, effects: &mut Predicted<'_>) {
        if let Some(path) = &self.creates {
            effects.obscure(path, "line");
        }
    }

    fn apply(&self, _observed: &bool, _difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        match &self.line {
            Some(line) => self.run(line, machine).map(|()| Applied::Done),
            None => Ok(Applied::Done),
        }
    }

    fn reaction(&self) -> Option<ReactionKind> {
        self.react.as_ref().map(|_| ReactionKind::Run)
    }

    fn react(&self, machine: &Machine) -> Result<(), ApplyError> {
        self.react.as_ref().map_or(Ok(()), |line| self.run(line, machine))
    }

    fn settles(&self, _left: &Difference) -> bool {
        self.creates.is_some()
    }
}

pub(crate) fn registry() -> Registry {
    Registry::new(&[TypeEntry::of::<Text>(), TypeEntry::of::<Folder>(), TypeEntry::of::<Line>()])
}

/// A resource with its attributes.
pub(crate) fn resource(type_name: &str, name: &str, attributes: &[(&str, Value)]) -> Resource {
    let key = if type_name == "line" { "name" } else { "path" };
    let mut all = Attributes::new();
    all.set(key, Value::string(name));
    for (name, value) in attributes {
        all.set(*name, value.clone());
    }
    Resource {
        id: ResourceId::new(type_name, name),
        attributes: all,
        meta: Meta::default(),
        source: SourceLocation { file: "test.stead".into(), start: 0, end: 0, line: 1, column: 1 },
        path: Vec::new(),
        origins: Vec::new(),
    }
}

pub(crate) fn text(path: &Path, content: &str) -> Resource {
    resource("text", path.to_str().unwrap(), &[("content", Value::string(content))])
}

pub(crate) fn folder(path: &Path) -> Resource {
    resource("folder", path.to_str().unwrap(), &[])
}

pub(crate) fn line(name: &str, line: &str) -> Resource {
    resource("line", name, &[("line", Value::string(line))])
}

pub(crate) fn edge(from: usize, to: usize, kind: EdgeKind) -> Edge {
    Edge { from: from as u32, to: to as u32, kind, reason: "".into(), source: None }
}

/// A catalog; a path comes after the folder it is in.
pub(crate) fn catalog(resources: Vec<Resource>, edges: &[(usize, usize, EdgeKind)]) -> Catalog {
    let mut all: Vec<Edge> = edges.iter().map(|(from, to, kind)| edge(*from, *to, *kind)).collect();
    let folders: std::collections::HashMap<&str, usize> =
        resources.iter().enumerate().filter(|(_, r)| &*r.id.type_name == "folder").map(|(i, r)| (&*r.id.name, i)).collect();
    for (index, resource) in resources.iter().enumerate().filter(|(_, resource)| &*resource.id.type_name != "line") {
        let parent = Path::new(&*resource.id.name).parent().and_then(Path::to_str);
        if let Some(from) = parent.and_then(|parent| folders.get(parent)) {
            all.push(edge(*from, index, EdgeKind::Automatic));
        }
    }
    all.sort_by_key(|edge| (edge.to, edge.from, edge.kind));
    Catalog { node: "n".into(), resources, edges: all }
}

/// A directory to work in, with a state directory of its own.
pub(crate) struct Scene {
    pub(crate) directory: PathBuf,
    _owned: Option<tempfile::TempDir>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let owned = tempfile::tempdir().unwrap();
        Self { directory: owned.path().to_owned(), _owned: Some(owned) }
    }

    /// A scene in a directory of another process.
    pub(crate) fn at(directory: PathBuf) -> Self {
        Self { directory, _owned: None }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path(".state")
    }

    pub(crate) fn options(&self) -> ApplyOptions {
        ApplyOptions::new(self.state())
    }

    pub(crate) fn plan(&self, catalog: &Catalog) -> Planned {
        let world = Observed::new(&RootSpec::Machine).unwrap();
        let pending = Journal::look(&self.state()).unwrap().map(|journal| journal.pending().unwrap()).unwrap_or_default();
        plan(catalog, &registry(), &world, &PlanOptions::owing(pending))
    }

    pub(crate) fn apply(&self, catalog: &Catalog) -> RunReport {
        let planned = self.plan(catalog);
        self.apply_planned(catalog, &planned)
    }

    pub(crate) fn apply_planned(&self, catalog: &Catalog, planned: &Planned) -> RunReport {
        apply(catalog, &registry(), planned, &self.options(), &()).unwrap()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Everything in the directory but the state: names, modes, contents.
    pub(crate) fn tree(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.directory, &mut found);
        found.sort();
        found
    }

    pub(crate) fn journal(&self) -> Journal {
        Journal::look(&self.state()).unwrap().unwrap()
    }
}

fn walk(directory: &Path, found: &mut Vec<String>) {
    use std::os::unix::fs::MetadataExt;
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() == ".state" {
            continue;
        }
        let stat = entry.path().symlink_metadata().unwrap();
        let content = if stat.is_file() { std::fs::read_to_string(entry.path()).unwrap_or_default() } else { String::new() };
        found.push(format!("{} {:o} {content}", entry.path().display(), stat.mode()));
        if stat.is_dir() {
            walk(&entry.path(), found);
        }
    }
}

/// `id outcome code` of every resource, the ids without the directory.
pub(crate) fn story(place: &Scene, report: &RunReport) -> Vec<String> {
    let directory = format!("{}/", place.directory.display());
    let line = |(entry, outcome): &(stead_catalog::PlannedResource, stead_engine::Outcome)| {
        let code = outcome.code.as_deref().map(|code| format!(" {code}")).unwrap_or_default();
        format!("{} {}{code}", entry.id, outcome.kind.name()).replace(&directory, "")
    };
    report.results.iter().map(line).collect()
}

/// Keeps the names of events.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) events: Mutex<Vec<String>>,
}

impl Events for Recorder {
    fn event(&self, event: &Event<'_>) {
        let text = match event {
            Event::Warning { code, .. } => format!("warning {code}"),
            Event::RunStarted { .. } => "run started".into(),
            Event::ResourceStarted { resource } => format!("started {}", resource.id),
            Event::ResourceRetried { attempt, .. } => format!("retried {attempt}"),
            Event::ResourceFinished { resource, outcome } => format!("finished {} {}", resource.id, outcome.kind.name()),
            Event::ReactionStarted { resource, because } => format!("reacting {} to {}", resource.id, because.len()),
            Event::ReactionFinished { failure, .. } => format!("reacted {:?}", failure.map(|(code, _)| code)),
            Event::RunFinished { .. } => "run finished".into(),
            _ => "other".into(),
        };
        self.events.lock().unwrap().push(text);
    }
}

pub(crate) fn outcome(report: &RunReport, index: usize) -> OutcomeKind {
    report.results[index].1.kind
}

pub(crate) fn soon(mut done: impl FnMut() -> bool) -> bool {
    for _ in 0..1000 {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}
