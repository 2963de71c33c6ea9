//! From what the journal says of a run to a catalog that takes it back.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;
use stead_catalog::{Action, Attributes, Catalog, Cause, Meta, OutcomeKind, Resource, ResourceId, SourceLocation, Value};

use super::chosen::{Asked, Chosen, chosen};
use super::path::{Fetch, Names, PathState, TYPES};
use super::setting::SettingState;
use super::{Restore, RestoringResource};
use crate::journal::{Before, ChangeRecord, FileState, Journal, JournalError, RunRecord};
use crate::machine::MAX_WRITTEN;
use crate::planner::plan_managed;
use crate::{Managed, ObserveError, Observed, PlanOptions, Planned, Registry};

mod conflicts;
mod order;

pub use conflicts::Conflict;
use conflicts::Now;

/// Why a run cannot be undone at all.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// The journal has no such run.
    #[error("the journal has no run {0}")]
    NoSuchRun(i64),
    /// It is still at work.
    #[error("run {0} has not ended")]
    Running(i64),
    /// It worked on another tree.
    #[error("run {run} worked on {}", root.display())]
    OtherRoot {
        /// The run.
        run: i64,
        /// Its root.
        root: PathBuf,
    },
    /// The selection selects nothing that the run changed.
    #[error("run {0} changed nothing of what is selected")]
    NothingSelected(i64),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl UndoError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchRun(_) => "no-such-run",
            Self::Running(_) => "apply-running",
            Self::OtherRoot { .. } => "other-root",
            Self::NothingSelected(_) => "unknown-selector",
            Self::Journal(error) => error.code(),
        }
    }

    /// The way out.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSuchRun(_) => Some("`stead history` lists the runs that are kept".into()),
            Self::Running(_) => Some("wait until it is done".into()),
            Self::OtherRoot { root, .. } => Some(format!("give --root {}", root.display())),
            Self::NothingSelected(run) => Some(format!("`stead show {run}` lists what it changed")),
            Self::Journal(error) => error.hint(),
        }
    }
}

/// What of a run is to be undone, and how.
#[derive(Clone, Debug, Default)]
pub struct UndoOptions {
    /// What somebody else has changed since is undone as well, and a directory is removed with what others put into it.
    pub force: bool,
    /// What somebody else has changed since stays as it is, and is told among what cannot be undone.
    pub leave_conflicts: bool,
    /// It is no error that a run changed nothing of what is selected: the way back is empty then.
    pub allows_nothing: bool,
}

/// Something that a run did and that cannot be taken back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotUndone {
    /// The resource of the run.
    pub resource: String,
    /// What stays as it is, and why.
    pub why: String,
}

/// The way back from a run: a catalog of its own, to be planned and applied as any other.
pub struct Undo {
    /// The run.
    pub run: RunRecord,
    /// What is to be brought back.
    pub catalog: Catalog,
    /// The types of these resources.
    pub registry: Registry,
    /// What somebody else has changed since the run.
    pub conflicts: Vec<Conflict>,
    /// What stays.
    pub not_undone: Vec<NotUndone>,
    /// The resources of the run that are taken back.
    pub resources: BTreeSet<ResourceId>,
    /// Every resource that the run changed.
    pub changed: BTreeSet<ResourceId>,
    managed: Mutex<Option<Vec<Made>>>,
}

/// What manages a resource, or why nothing does.
type Made = Result<Box<dyn Managed>, ObserveError>;

/// One thing to be brought back.
struct Item {
    id: ResourceId,
    /// The name under which it was recorded.
    name: String,
    attributes: Attributes,
    managed: Made,
    /// When it was first written down: right before it was changed, for what is no path.
    written: i64,
    thing: Thing,
    /// It reacts to what these resources of the run are brought back to.
    reacts_to: Vec<Cause>,
    /// The resources of the run behind it.
    resources: BTreeSet<ResourceId>,
}

enum Thing {
    Path {
        path: PathBuf,
        below: Below,
        /// Nothing is there now, and something was.
        comes: bool,
    },
    /// Restarted only, at the end of what it reacts to.
    Reaction,
    Record {
        kind: String,
    },
}

/// What is below a path and goes back as well.
enum Below {
    /// Needs the directory that is made here.
    Needs,
    /// Goes away before the directory that is here.
    GoesFirst,
    /// Does not care: there is a directory now and afterwards, or none at all.
    Free,
}

impl Undo {
    /// Works out what takes a run back: all of it, or what is asked of each of its resources, with the later changes of the run to the same
    /// things and to what is inside them.
    ///
    /// # Errors
    /// Each of [`UndoError`].
    pub fn of(
        journal: Journal,
        run: i64,
        registry: &Registry,
        observed: &Observed,
        asked: &dyn Fn(&ResourceId) -> Asked,
        options: &UndoOptions,
    ) -> Result<Self, UndoError> {
        let record = journal.run(run)?.ok_or(UndoError::NoSuchRun(run))?;
        if record.status == crate::RunStatus::Running {
            return Err(UndoError::Running(run));
        }
        if record.root != observed.root().spec().path() {
            return Err(UndoError::OtherRoot { run, root: record.root });
        }
        let changes = journal.bare_changes(run)?;
        let changed = changes.iter().filter_map(|change| change.resource.clone()).collect();
        let Chosen { changes, kept } = chosen(changes, asked);
        if changes.is_empty() && kept.is_empty() && record.counts != (0, 0) && !options.allows_nothing {
            return Err(UndoError::NothingSelected(run));
        }
        let afters = journal.afters(run)?;
        // What is there is by a later run, for all that this one knows.
        let secrets = journal.secret_paths()?;
        let journal = Arc::new(Mutex::new(journal));
        let mut gathered = Gathered {
            journal: journal.clone(),
            registry,
            options,
            secrets,
            not_undone: kept.into_iter().collect(),
            items: Vec::new(),
        };
        let states = paths(&changes);
        let whole = trees(&changes, registry);
        let (mut conflicts, now) = conflicts::of_paths(&states, &afters, &record, &changes, observed, &whole);
        gathered.add_paths(&states, &now);
        gathered.add_records(&changes);
        gathered.tell_lost(&changes);
        let records = records(&changes);
        conflicts.extend(conflicts::of_records(&records, &afters, registry, observed));
        let locked = journal.lock().unwrap_or_else(PoisonError::into_inner);
        conflicts.iter_mut().for_each(|conflict| conflict.name_run(&locked, run));
        drop(locked);
        if options.leave_conflicts {
            for conflict in conflicts.drain(..) {
                gathered.leave(&conflict);
            }
        }
        let Gathered { mut items, not_undone, .. } = gathered;
        order::places_before_times(&mut items);
        order::units_after_their_files(&mut items);
        items.sort_by(|a, b| b.written.cmp(&a.written).then_with(|| a.id.cmp(&b.id)));
        let edges = order::edges(&items);
        let undone = items.iter().flat_map(|item| item.resources.iter().cloned()).collect();
        let source = SourceLocation { file: format!("run {run}").into(), start: 0, end: 0, line: 0, column: 0 };
        let mut managed = Vec::with_capacity(items.len());
        let mut resources = Vec::with_capacity(items.len());
        for item in items {
            managed.push(item.managed);
            resources.push(Resource {
                id: item.id,
                attributes: item.attributes,
                meta: Meta::default(),
                source: source.clone(),
                path: Vec::new(),
                origins: Vec::new(),
            });
        }
        let catalog = Catalog { node: record.node.as_str().into(), resources, edges };
        Ok(Self {
            run: record,
            catalog,
            registry: registry.clone().overlaid(&TYPES),
            conflicts,
            not_undone: not_undone.into_iter().collect(),
            resources: undone,
            changed,
            managed: Mutex::new(Some(managed)),
        })
    }

    /// Plans it. May be called once.
    ///
    /// # Panics
    /// When it is called again.
    pub fn plan(&self, observed: &Observed) -> Planned {
        let managed = self.managed.lock().unwrap_or_else(PoisonError::into_inner).take().expect("an undo is planned once");
        let planned = plan_managed(&self.catalog, &self.registry, managed, observed, &PlanOptions::default());
        // What is kept open could not be unmounted by the run.
        observed.root().forget();
        planned
    }
}

/// What was at a path before the run.
#[derive(Clone)]
struct Was {
    state: FileState,
    blob: Option<[u8; 32]>,
    sequence: u32,
    written: i64,
    sensitive: bool,
    resources: BTreeSet<ResourceId>,
}

/// What was at each path before the first of these changes. Entries of one change complete each other.
fn paths(changes: &[ChangeRecord]) -> BTreeMap<PathBuf, Was> {
    let mut found: BTreeMap<PathBuf, Was> = BTreeMap::new();
    for change in changes {
        for (before, written) in change.befores.iter().zip(&change.written) {
            let Before::Path { path, state, blob } = before else { continue };
            let was = found.entry(path.clone()).or_insert_with(|| Was {
                state: state.clone(),
                blob: *blob,
                sequence: change.sequence,
                written: *written,
                sensitive: false,
                resources: BTreeSet::new(),
            });
            was.sensitive |= change.sensitive;
            was.resources.extend(change.resource.clone());
            if was.sequence == change.sequence && was.blob.is_none() && blob.is_some() {
                (was.state, was.blob) = (state.clone(), *blob);
            }
        }
    }
    // What was in a directory that was not there before the run was made by it, and taken away again: a clone that failed.
    let is_made = |(path, was): (&PathBuf, &Was)| {
        let above = path.ancestors().skip(1).filter_map(|above| found.get(above));
        above.into_iter().any(|above| above.state == FileState::Absent && above.written < was.written).then(|| path.clone())
    };
    let made: Vec<PathBuf> = found.iter().filter(|(_, was)| was.state != FileState::Absent).filter_map(is_made).collect();
    for path in made {
        if let Some(was) = found.get_mut(&path) {
            (was.state, was.blob) = (FileState::Absent, None);
        }
    }
    found
}

/// Directories that the run has made with everything in them, of which one record tells.
fn trees(changes: &[ChangeRecord], registry: &Registry) -> BTreeSet<PathBuf> {
    let is_tree = |kind: &str| registry.restorer(kind).is_some_and(|restorer| restorer.is_tree);
    let made = records(changes).into_iter().filter(|((kind, _), (before, _))| before.is_null() && is_tree(kind));
    made.map(|((_, name), _)| PathBuf::from(name)).collect()
}

/// What was recorded of everything else, the earliest value of a key first, and when it was written down.
fn records(changes: &[ChangeRecord]) -> BTreeMap<(String, String), (Json, i64)> {
    let mut found: BTreeMap<(String, String), (Json, i64)> = BTreeMap::new();
    for change in changes {
        for (before, written) in change.befores.iter().zip(&change.written) {
            let Before::Record { kind, name, state } = before else { continue };
            match found.get_mut(&(kind.clone(), name.clone())) {
                None => drop(found.insert((kind.clone(), name.clone()), (state.clone(), *written))),
                Some((Json::Object(known), _)) => {
                    for (key, value) in state.as_object().into_iter().flatten() {
                        known.entry(key.clone()).or_insert_with(|| value.clone());
                    }
                }
                Some(_) => {}
            }
        }
    }
    found
}

struct Gathered<'a> {
    journal: Arc<Mutex<Journal>>,
    registry: &'a Registry,
    options: &'a UndoOptions,
    /// Paths whose content is a secret by now.
    secrets: HashSet<PathBuf>,
    not_undone: BTreeSet<NotUndone>,
    items: Vec<Item>,
}

impl Gathered<'_> {
    fn lose(&mut self, resources: &BTreeSet<ResourceId>, why: &str) {
        let resource = resources.iter().next().map(ToString::to_string).unwrap_or_default();
        self.not_undone.insert(NotUndone { resource, why: why.to_owned() });
    }

    /// Leaves what somebody else has changed as it is.
    fn leave(&mut self, conflict: &Conflict) {
        let is_its = |item: &Item| match &item.thing {
            Thing::Path { path, .. } => path.display().to_string() == conflict.what,
            Thing::Record { kind } => format!("{kind} {}", item.name) == conflict.what,
            Thing::Reaction => false,
        };
        let Some(at) = self.items.iter().position(is_its) else { return };
        let item = self.items.remove(at);
        self.lose(&item.resources, &format!("{} has changed since: {}", conflict.what, conflict.differs));
    }

    fn add_paths(&mut self, states: &BTreeMap<PathBuf, Was>, now: &Now) {
        let journal = self.journal.clone();
        let fetch: Fetch = Arc::new(move |hash| {
            let journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
            journal.blob(hash).ok().flatten().map(Arc::from)
        });
        let names = Arc::new(Names::default());
        for (path, was) in states {
            let shown = path.display();
            match &was.state {
                FileState::File { withheld: true, .. } => {
                    self.lose(&was.resources, &format!("what {shown} held was not kept, because it may hold secrets"));
                    continue;
                }
                FileState::Other { .. } => {
                    self.lose(&was.resources, &format!("{shown} was a device, socket or pipe, which is not made again"));
                    continue;
                }
                FileState::File { .. } if was.blob.is_some_and(|blob| !self.has_blob(&blob)) => {
                    self.lose(&was.resources, &format!("what {shown} held is not in the journal any more"));
                    continue;
                }
                _ => {}
            }
            let state = PathState {
                path: path.clone(),
                target: was.state.clone(),
                blob: was.blob,
                fetch: fetch.clone(),
                text: OnceLock::new(),
                names: names.clone(),
                sensitive: was.sensitive || self.secrets.contains(path),
                force: self.options.force,
            };
            let now = now.get(path).map(|(state, _)| state);
            let type_name = PathState::type_name(&was.state, now);
            let is_directory = |state: &FileState| matches!(state, FileState::Directory { .. });
            let is_there = |state: &FileState| !matches!(state, FileState::Absent);
            let comes = is_there(&was.state) && !now.is_some_and(is_there);
            let below = match (is_directory(&was.state), now.is_some_and(is_directory)) {
                (true, false) => Below::Needs,
                (false, true) => Below::GoesFirst,
                _ => Below::Free,
            };
            self.items.push(Item {
                id: ResourceId::new(type_name, path.to_string_lossy().as_ref()),
                name: path.display().to_string(),
                attributes: state.attributes(),
                managed: Ok(Box::new(state)),
                written: was.written,
                thing: Thing::Path { path: path.clone(), below, comes },
                reacts_to: Vec::new(),
                resources: was.resources.clone(),
            });
        }
    }

    fn has_blob(&self, hash: &[u8; 32]) -> bool {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).has_blob(hash).unwrap_or(false)
    }

    fn add_records(&mut self, changes: &[ChangeRecord]) {
        for ((kind, name), (before, written)) in records(changes) {
            let touches = |change: &&ChangeRecord| {
                change
                    .befores
                    .iter()
                    .any(|thing| matches!(thing, Before::Record { kind: k, name: n, .. } if *k == kind && *n == name))
            };
            let behind: Vec<&ChangeRecord> = changes.iter().filter(touches).collect();
            let resources: BTreeSet<ResourceId> = behind.iter().filter_map(|change| change.resource.clone()).collect();
            let Some(restorer) = self.registry.restorer(&kind) else {
                self.lose(&resources, &format!("this version of stead does not know how to bring back the {kind} `{name}`"));
                continue;
            };
            let reacts_to: Vec<Cause> = behind.iter().flat_map(|change| change.reacted.iter().cloned()).collect();
            let mut restore = (restorer.restore)(&name, &before);
            if let Restore::SettingWithout(set, lost) = restore {
                self.lose(&resources, &lost);
                restore = Restore::Setting(set);
            }
            let (id, attributes, managed) = match restore {
                Restore::Nothing | Restore::SettingWithout(..) => continue,
                Restore::Impossible(why) => {
                    self.lose(&resources, &why);
                    continue;
                }
                Restore::Setting(set) => {
                    let id = ResourceId::new(restorer.kind, name.as_str());
                    let mut attributes = Attributes::new();
                    attributes.set("was", Value::string(before.to_string()));
                    let state = SettingState { restorer, name: name.clone(), before: before.clone(), set };
                    (id, attributes, Ok(Box::new(state) as Box<dyn Managed>))
                }
                Restore::Resource(resource) => {
                    for lost in &resource.lost {
                        self.lose(&resources, lost);
                    }
                    let id = ResourceId::new(resource.type_name, resource.name.as_str());
                    let (attributes, managed) = self.read(resource);
                    (id, attributes, managed)
                }
            };
            let only_reacts = !reacts_to.is_empty() && before.get("active").and_then(Json::as_str) == Some("active");
            let thing = if only_reacts { Thing::Reaction } else { Thing::Record { kind } };
            self.items.push(Item { id, name, attributes, managed, written, thing, reacts_to, resources });
        }
    }

    /// Makes the resource that brings something back, with the defaults of its type.
    fn read(&self, resource: RestoringResource) -> (Attributes, Made) {
        let impossible = |message: String| ObserveError::Impossible {
            code: "catalog-mismatch",
            message,
            hint: "undo with the version of stead that made the run".into(),
        };
        let (Some(schema), Some(entry)) = (self.registry.schema(resource.type_name), self.registry.get(resource.type_name))
        else {
            let message = format!("there is no resource type `{}`", resource.type_name);
            return (Attributes::new(), Err(impossible(message)));
        };
        let mut attributes = Attributes::new();
        for attribute in &schema.attributes {
            let given = resource.attributes.iter().rev().find(|(name, _)| *name == &*attribute.name).map(|(_, value)| value);
            let value = match given {
                Some(value) => attribute.ty.admit(value, true).ok(),
                None => attribute.default.clone(),
            };
            if let Some(value) = value {
                attributes.set(attribute.name.clone(), value);
            } else if given.is_some() {
                let message = format!("what was recorded as `{}` of {} is no value for it", attribute.name, resource.name);
                return (attributes, Err(impossible(message)));
            }
        }
        let managed = entry.read(&attributes).map_err(|error| impossible(error.to_string()));
        (attributes, managed)
    }

    /// Tells of changes that left nothing in the journal to go back to.
    fn tell_lost(&mut self, changes: &[ChangeRecord]) {
        for change in changes {
            let Some(resource) = &change.resource else { continue };
            if matches!(change.outcome, Some(OutcomeKind::Skipped | OutcomeKind::Unchanged)) {
                continue;
            }
            let is_command = change.action == Some(Action::Run);
            let reacted = !change.reacted.is_empty() || change.action == Some(Action::Restart);
            let resource = BTreeSet::from([resource.clone()]);
            if is_command {
                self.lose(&resource, "what a command did besides what it declares is not known");
            } else if reacted && change.befores.is_empty() {
                self.lose(&resource, "a reaction happened, and leaves nothing to go back to");
            } else if reacted && !change.befores.iter().any(|before| matches!(before, Before::Record { .. })) {
                self.lose(&resource, "what a reaction did besides what it declares is not known");
            }
            if is_command || reacted {
                self.tell_large(&resource, change);
            }
        }
    }

    /// Tells of files that were too large to be kept before a command wrote to them.
    fn tell_large(&mut self, resource: &BTreeSet<ResourceId>, change: &ChangeRecord) {
        let is_kept = |path: &Path| {
            change.befores.iter().any(|before| matches!(before, Before::Path { path: known, blob: Some(_), .. } if known == path))
        };
        for before in &change.befores {
            if let Before::Path { path, state: FileState::File { size, withheld: false, .. }, blob: None } = before
                && *size > MAX_WRITTEN
                && !is_kept(path)
            {
                let (size, most) = (Value::Size(*size), Value::Size(MAX_WRITTEN));
                let why = format!(
                    "what {} held was not kept: it had {size}, and {most} are kept of what a command writes",
                    path.display()
                );
                self.lose(resource, &why);
            }
        }
    }
}

/// Nanoseconds since 1970.
fn nanoseconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}
