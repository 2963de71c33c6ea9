//! Carrying a plan out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use stead_catalog::{Action, Catalog, EdgeKind, OutcomeKind, PlannedResource, ResourceId};

use crate::drift::wanted;
use crate::journal::{Before, Blobs, FileState, Journal, JournalError, NewAfter, NewEntry, NewRun, Op, RunStatus, Writer};
use crate::ledger::thing;
use crate::lock::{Holder, Lock, LockError};
use crate::machine::{Shared, look_now, random, sweep};
use crate::observed::Observed;
use crate::root::Root;
use crate::{
    Cancel, Event, Events, ObserveError, Outcome, PendingReaction, Planned, Registry, Restorer, RootSpec, RunReport, SavedPlan,
};

mod expect;
mod pool;
mod reactions;
mod scheduler;
mod work;

use pool::Pool;
use reactions::Reactions;
use scheduler::Scheduler;
use work::Work;

/// How a plan is carried out.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Where the journal and the lock are: `/var/lib/stead`, or a user's `$XDG_STATE_HOME/stead`.
    pub state: PathBuf,
    /// The machine, or the tree, that was planned for.
    pub root: RootSpec,
    /// How many changes are made at a time; 0 for a number that suits the machine.
    pub jobs: usize,
    /// Ends the run early.
    pub cancel: Arc<Cancel>,
    /// What is left as it is although it would change, by position in the catalog: nobody accepted it.
    pub withheld: BTreeSet<usize>,
    /// The saved plan that is carried out: what is not as it says is stopped.
    pub saved: Option<SavedPlan>,
    /// Commands are traced, and what they write without having declared it is told.
    pub audit: bool,
    /// The run that is undone by this one.
    pub undoes: Option<i64>,
    /// The resources of that run that are undone; what they made is not in the ledger any more.
    pub undone: BTreeSet<ResourceId>,
    /// Where archives that were fetched for the plan are.
    pub cache: Option<PathBuf>,
    /// The project in whose ledger it is noted what was made; `None` when nothing is.
    pub ledger: Option<String>,
}

impl ApplyOptions {
    /// Carries plans for this machine out, with state in this directory.
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self {
            state: state.into(),
            root: RootSpec::Machine,
            jobs: 0,
            cancel: Arc::default(),
            withheld: BTreeSet::new(),
            saved: None,
            audit: false,
            undoes: None,
            undone: BTreeSet::new(),
            cache: None,
            ledger: None,
        }
    }
}

/// Why a run did not begin. Nothing has been changed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another apply is running on this machine.
    #[error("another apply is running{}", .holder.as_ref().map(|h| format!(": process {}, `{}`", h.pid, h.command)).unwrap_or_default())]
    Locked {
        /// Who holds the lock, where it says.
        holder: Option<Holder>,
    },
    /// The state directory cannot be used.
    #[error("the state directory {path} cannot be used: {message}")]
    State {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        message: String,
    },
    /// A newer version of Stead keeps its journal there.
    #[error(
        "the journal in {path} was written by a newer version of stead: it is of version {version}, which this one does not know"
    )]
    NewerJournal {
        /// The state directory.
        path: PathBuf,
        /// The journal's version.
        version: i64,
    },
    /// The root cannot be used.
    #[error(transparent)]
    Root(#[from] ObserveError),
    /// The saved plan was applied before.
    #[error("this saved plan was applied before; a saved plan is used once")]
    PlanUsed,
    /// The saved plan is for something else.
    #[error("the saved plan is for another {what}")]
    PlanMismatch {
        /// `catalog`, `node`, `root`.
        what: &'static str,
    },
}

impl RunError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "apply-running",
            Self::State { .. } => "state-unusable",
            Self::NewerJournal { .. } => "journal-too-new",
            Self::Root(error) => error.code(),
            Self::PlanUsed => "plan-used",
            Self::PlanMismatch { .. } => "plan-outdated",
        }
    }

    /// The way out.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Locked { .. } => Some("wait until it is done".into()),
            Self::State { .. } => Some("free some space, or name another directory with --state-dir".into()),
            Self::NewerJournal { .. } => Some("use the version of stead that applied last, or a later one".into()),
            Self::Root(error) => error.hint(),
            Self::PlanUsed | Self::PlanMismatch { .. } => Some("plan again".into()),
        }
    }
}

/// Carries out a plan that was made of `catalog` with `registry`.
///
/// Only one apply runs on a machine at a time. Resources fail one by one: see the report. Events come one at a time.
///
/// # Errors
/// Each of [`RunError`]; nothing was changed then.
pub fn apply(
    catalog: &Catalog,
    registry: &Registry,
    planned: &Planned,
    options: &ApplyOptions,
    events: &dyn Events,
) -> Result<RunReport, RunError> {
    let begun = Instant::now();
    if let Some(saved) = &options.saved {
        is_for(saved, planned, &options.root)?;
    }
    let _lock = Lock::take(&options.state).map_err(|error| match error {
        LockError::Held(holder) => RunError::Locked { holder },
        LockError::Io(error) => unusable(&options.state, &JournalError::Io(error)),
    })?;
    let mut observed = Observed::new(&options.root)?
        .managing(planned.paths.clone())
        .cancelled_by(options.cancel.clone())
        .remembering(&options.state);
    if let Some(cache) = &options.cache {
        observed = observed.taking_from(cache);
    }
    let (journal, warning) = Journal::open(&options.state).map_err(|error| unusable(&options.state, &error))?;
    if let Some(message) = warning {
        events.event(&Event::Warning { code: "journal-moved-aside", message });
    }
    clear_up(&journal, &observed, options, events).map_err(|error| unusable(&options.state, &error))?;
    let pending = journal.pending().map_err(|error| unusable(&options.state, &error))?;
    let token = u32::try_from(random() & u64::from(u32::MAX)).unwrap_or(0);
    let run = NewRun {
        node: catalog.node.clone(),
        root: options.root.path().to_string_lossy().into_owned(),
        catalog_hash: planned.plan.catalog_hash,
        plan_id: options.saved.as_ref().map(|saved| saved.id),
        token,
        undoes: options.undoes,
    };
    let writer = journal.begin(&run).map_err(|error| unusable(&options.state, &error))?.ok_or(RunError::PlanUsed)?;
    let run = writer.run();
    events.event(&Event::RunStarted { run: Some(run), resources: planned.order.len() });

    let shared = Arc::new(Shared {
        observed: Arc::new(observed),
        journal: Arc::new(writer),
        blobs: Blobs::new(&options.state),
        cancel: options.cancel.clone(),
        audit: options.audit,
        token,
        records: Mutex::default(),
        left: planned.plan.resources.iter().any(is_of_package).then(Mutex::default),
    });
    let Carried { results, pending, new } = carry_out(catalog, registry, planned, options, events, &shared, pending);
    // What was removed is not put in place with others.
    shared.observed.system().systemd.read_links();
    look_at_records(&shared);
    look_again(&shared);
    remember(&shared, catalog, planned, &results, options);
    if let Some(project) = &options.ledger {
        note(&shared, catalog, registry, planned, &results, &new, project);
    }
    let report =
        RunReport { run: Some(run), results, pending, cancelled: options.cancel.is_cancelled(), duration: begun.elapsed() };
    let status = if report.cancelled {
        RunStatus::Cancelled
    } else if report.is_success() {
        RunStatus::Done
    } else {
        RunStatus::Failed
    };
    finish(shared, status, events);
    events.event(&Event::RunFinished { report: &report });
    Ok(report)
}

/// What a plan that was carried out leaves.
struct Carried {
    /// What became of each resource.
    results: Vec<(PlannedResource, Outcome)>,
    /// Reactions that are still due.
    pending: Vec<PendingReaction>,
    /// By position in the catalog: what was not there before.
    new: BTreeSet<usize>,
}

/// Runs the scheduler here and the work on other threads.
fn carry_out(
    catalog: &Catalog,
    registry: &Registry,
    planned: &Planned,
    options: &ApplyOptions,
    events: &dyn Events,
    shared: &Arc<Shared>,
    pending: Vec<PendingReaction>,
) -> Carried {
    let mut entries = vec![None; catalog.resources.len()];
    for (entry, resource) in planned.order.iter().enumerate() {
        entries[*resource] = Some(entry);
    }
    let pool = Pool::new();
    let (tell, messages) = channel();
    let processors = thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let jobs = if options.jobs == 0 { (processors * 4).clamp(8, 64) } else { options.jobs };
    let threads = jobs.min(planned.order.len()).max(1);
    let work = Work {
        catalog,
        registry,
        planned,
        entries: &entries,
        shared,
        threads,
        notes: options.ledger.is_some(),
        new: Mutex::default(),
        sequence: AtomicU32::new(0),
    };
    let (results, pending) = thread::scope(|scope| {
        for _ in 0..threads {
            let tell = tell.clone();
            scope.spawn(|| {
                let tell = tell;
                pool.work(|task| work.run(task, &tell));
            });
        }
        let reactions = Reactions::new(catalog, planned, pending);
        let scheduler = Scheduler::new(&work, &pool, events, options, tell, reactions);
        let results = scheduler.run(&messages);
        pool.close();
        results
    });
    Carried { results, pending, new: work.new.into_inner().unwrap_or_else(PoisonError::into_inner) }
}

/// Notes which resources are now as they are wanted, so that what somebody changes later can be told.
fn remember(
    shared: &Shared,
    catalog: &Catalog,
    planned: &Planned,
    results: &[(PlannedResource, Outcome)],
    options: &ApplyOptions,
) {
    let ops = match options.undoes {
        Some(run) => {
            let resources = options.undone.iter().map(ToString::to_string).collect();
            vec![Op::Unapplied { run }, Op::Unmade { run, resources }]
        }
        None => {
            let settled = results.iter().zip(&planned.order).filter_map(|((entry, outcome), position)| {
                let is_held = entry.held.is_some() || entry.error.is_some();
                let changed = outcome.kind == OutcomeKind::Changed;
                let is_settled = changed || (outcome.kind == OutcomeKind::Unchanged && !is_held);
                is_settled.then(|| (entry.id.to_string(), wanted(&catalog.resources[*position]), changed))
            });
            let mut settled: Vec<_> = settled.collect();
            // In the order of the table, so that neighbours are written together.
            settled.sort_unstable();
            vec![Op::Applied(settled)]
        }
    };
    // What is not remembered is found to be pending later, not drifted.
    let _ = shared.journal.write(ops);
}

/// Notes what was made and what was taken away in the ledger of a project.
fn note(
    shared: &Shared,
    catalog: &Catalog,
    registry: &Registry,
    planned: &Planned,
    results: &[(PlannedResource, Outcome)],
    new: &BTreeSet<usize>,
    project: &str,
) {
    let mut ops = Vec::new();
    for (turn, ((entry, outcome), position)) in results.iter().zip(&planned.order).enumerate() {
        let resource = &catalog.resources[*position];
        let is_done = outcome.kind == OutcomeKind::Changed;
        let is_gone = is_done || (outcome.kind == OutcomeKind::Unchanged && entry.held.is_none() && entry.error.is_none());
        let managed = planned.managed[*position].as_deref();
        let schema = registry.schema(&resource.id.type_name);
        let thing = || managed.zip(schema).and_then(|(managed, schema)| thing(resource, managed, schema));
        match &resource.meta.orphan {
            // What stays because something counts on it was not looked for.
            Some(orphan) if is_gone && orphan.needed_by.is_none() => {
                let resource = orphan.declared_as.to_string();
                ops.push(Op::Gone { project: project.to_owned(), resource, thing: thing() });
            }
            Some(_) => {}
            None if is_done && entry.action == Action::Delete => {
                ops.push(Op::Gone { project: project.to_owned(), resource: entry.id.to_string(), thing: None });
            }
            None if is_done && new.contains(position) => {
                let Some(thing) = thing() else { continue };
                let ordered = |kind| !matches!(kind, EdgeKind::OnFail | EdgeKind::After);
                let mut needs: Vec<String> = planned
                    .graph
                    .before(*position)
                    .filter(|(_, kind)| ordered(*kind))
                    .map(|(from, _)| catalog.resources[from].id.to_string())
                    .collect();
                needs.sort();
                needs.dedup();
                ops.push(Op::Made(NewEntry {
                    project: project.to_owned(),
                    resource: entry.id.to_string(),
                    thing,
                    node: catalog.node.to_string(),
                    source: entry.source.to_string(),
                    needs,
                    turn: i64::try_from(turn).unwrap_or(i64::MAX),
                }));
            }
            None => {}
        }
    }
    if !ops.is_empty() {
        // What is not noted is nobody's, and stays where it is.
        let _ = shared.journal.write(ops);
    }
}

/// Notes what the run has left of everything that is no path, so that somebody else's later change can be told from its own.
fn look_at_records(shared: &Shared) {
    let records = std::mem::take(&mut *shared.records.lock().unwrap_or_else(PoisonError::into_inner));
    let look = |((kind, name), (restorer, sequence)): ((&str, String), (&Restorer, u32))| {
        let state = (restorer.look)(&*shared.observed, &name).ok()?;
        let after = NewAfter { after: Before::Record { kind: kind.to_owned(), name, state }, is_secret: None };
        Some(Op::After { sequence, after })
    };
    let ops: Vec<Op> = records.into_iter().filter_map(look).collect();
    if !ops.is_empty() {
        // What is not written is not compared; the run itself is over.
        let _ = shared.journal.write(ops);
    }
}

/// Says whether a package comes or goes, with files that others write as well.
fn is_of_package(entry: &PlannedResource) -> bool {
    entry.id.type_name.as_ref() == "package" && entry.action != Action::None
}

/// Notes what has become of paths since their own change: a package that went has taken its files along, and what is gone then was
/// removed by the run and by nobody else.
fn look_again(shared: &Shared) {
    let Some(left) = &shared.left else { return };
    let left = std::mem::take(&mut *left.lock().unwrap_or_else(PoisonError::into_inner));
    let look = |(sequence, before): (u32, Before)| {
        let Before::Path { path, state, blob } = before else { return None };
        let (mut now, digest) = look_now(&shared.observed, &path, blob.is_some()).ok()?;
        if let (FileState::File { withheld, .. }, FileState::File { withheld: was, .. }) = (&mut now, &state) {
            *withheld = *was;
        }
        if (&now, digest) == (&state, blob) {
            return None;
        }
        let after = Before::Path { path, state: now, blob: digest };
        Some(Op::After { sequence, after: NewAfter { after, is_secret: None } })
    };
    let ops: Vec<Op> = left.into_iter().filter_map(look).collect();
    if !ops.is_empty() {
        // What is not written is not compared; the run itself is over.
        let _ = shared.journal.write(ops);
    }
}

/// Says whether a saved plan is for what is about to be applied.
fn is_for(saved: &SavedPlan, planned: &Planned, root: &RootSpec) -> Result<(), RunError> {
    let mismatch = |what| Err(RunError::PlanMismatch { what });
    if saved.node != *planned.plan.node {
        return mismatch("node");
    }
    if Path::new(&saved.root) != root.path() {
        return mismatch("root");
    }
    if saved.catalog_hash != planned.plan.catalog_hash { mismatch("catalog") } else { Ok(()) }
}

/// Tells about runs that were killed, and removes what they left.
fn clear_up(journal: &Journal, observed: &Observed, options: &ApplyOptions, events: &dyn Events) -> Result<(), JournalError> {
    Blobs::new(&options.state).sweep();
    for run in journal.mark_interrupted()? {
        let at = match run.unfinished.as_slice() {
            [] => String::new(),
            [one] => format!(" while it changed {one}"),
            [first, rest @ ..] => format!(" while it changed {first} and {} more", rest.len()),
        };
        let message = format!("run {} was interrupted{at}", run.id);
        events.event(&Event::Warning { code: "run-interrupted", message });
        let paths = journal.unfinished_paths(run.id)?;
        let left = if run.root == options.root.path() {
            sweep(observed.root(), run.token, &paths)
        } else {
            let spec = if run.root == Path::new("/") { RootSpec::Machine } else { RootSpec::Tree(run.root.clone()) };
            // A tree that is gone has taken everything with it.
            Root::new(&spec).map(|root| sweep(&root, run.token, &paths)).unwrap_or_default()
        };
        for left in left {
            let message = format!("{} was left by an interrupted run and cannot be removed", left.display());
            events.event(&Event::Warning { code: "temporary-left", message });
        }
    }
    Ok(())
}

/// Closes the journal. Everything is done by now; a failure only costs the run its last line there.
fn finish(shared: Arc<Shared>, status: RunStatus, events: &dyn Events) {
    let journal = Arc::into_inner(shared).and_then(|shared| Arc::into_inner(shared.journal));
    if let Some(Err(error)) = journal.map(|writer: Writer| writer.finish(status)) {
        events.event(&Event::Warning { code: "journal-failed", message: error.to_string() });
    }
}

fn unusable(path: &Path, error: &JournalError) -> RunError {
    match error {
        JournalError::Newer { version } => RunError::NewerJournal { path: path.to_owned(), version: *version },
        error => RunError::State { path: path.to_owned(), message: error.to_string() },
    }
}
