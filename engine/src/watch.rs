//! Staying with a machine: what somebody else changes is noticed as it happens, planned and put right.
//!
//! Nothing is polled. What each resource looked at, which the planner remembers anyway, says what is to be watched: directories by
//! inotify, mounts and the live hostname by poll, units by the signals of the service manager, accounts and packages by the files of their databases. What happens
//! names the resources that are to be looked at again; they and what reacts to them are planned as a part of the
//! catalog, and the plan is carried out as any other, by the caller. The lock is held only then.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::io::Errno;
use stead_catalog::{Action, Catalog, Change, DriftPolicy, EdgeKind, OutcomeKind, PlannedResource};

use crate::{
    Cancel, Graph, Journal, ManagedPaths, ObserveError, Observed, Part, PlanOptions, Planned, Registry, RootSpec, RunReport,
};

mod alarm;
mod kernel;
mod notify;
mod patience;
mod places;
mod units;

pub use alarm::Alarm;
use notify::{NotWatched, Notify};
use patience::{Patience, Verdict};
use places::{Places, Source};
use units::Listener;

/// What happens within so short a time is looked at together: an editor that writes a file does several things to it.
const QUIET: Duration = Duration::from_millis(8);

/// The longest that is waited for quiet.
const RESTLESS: Duration = Duration::from_millis(40);

/// When a resource that could not be put right is tried again; twice as long each time after.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The longest time between two tries.
const LONGEST_RETRY: Duration = Duration::from_secs(3600);

/// How long another apply, or a package manager at work, is waited for at a time.
const BUSY: Duration = Duration::from_millis(250);

/// How the machine is watched.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// Where the journal is, which knows the reactions that are still due.
    pub state: PathBuf,
    /// The machine, or the tree.
    pub root: RootSpec,
    /// Ends the watch.
    pub cancel: Arc<Cancel>,
    /// Rung by whoever asks `cancel`.
    pub alarm: Alarm,
}

/// Why a machine cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The root cannot be looked at.
    #[error(transparent)]
    Root(#[from] ObserveError),
    /// The kernel refuses.
    #[error("the machine cannot be watched: {0}")]
    Refused(std::io::Error),
    /// There are more directories than may be watched.
    #[error("{path} cannot be watched: this system lets a user watch no more directories", path = .path.display())]
    Limit {
        /// The first that is too many.
        path: PathBuf,
    },
}

impl WatchError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Root(error) => error.code(),
            Self::Refused(_) | Self::Limit { .. } => "watch-refused",
        }
    }

    /// The way out.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Root(error) => error.hint(),
            Self::Refused(_) => Some("raise it: sysctl fs.inotify.max_user_instances=1024".into()),
            Self::Limit { .. } => Some("raise it: sysctl fs.inotify.max_user_watches=1048576".into()),
        }
    }
}

/// Something to be told while watching.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A resource has drifted. Where its policy is to fix, the plan beside puts it right.
    Drifted {
        /// What would bring it back.
        resource: PlannedResource,
        /// What is done about it.
        policy: DriftPolicy,
    },
    /// A resource that was reported is as it shall be again.
    Cleared {
        /// As it is now.
        resource: PlannedResource,
    },
    /// Somebody changes a resource back again and again: it is left alone for a time.
    Fought {
        /// What would bring it back.
        resource: PlannedResource,
        /// How often it has been put right within a minute.
        corrections: usize,
        /// How long it is left alone.
        pause: Duration,
    },
    /// Something that does not stop the watch.
    Warning {
        /// Stable code: `watch-incomplete`, `watch-overflow`, `units-unheard`.
        code: &'static str,
        /// In words.
        message: String,
    },
}

/// What is to be done next.
pub struct Turn {
    /// What is to be told first.
    pub notices: Vec<Notice>,
    /// The plan that puts right what drifted, of the resources concerned; `None` when nothing is to be changed.
    pub planned: Option<Planned>,
}

/// What is known of one resource.
#[derive(Default)]
struct Place {
    /// What it looked at.
    sources: BTreeSet<Source>,
    patience: Patience,
    /// What was told of its drift, while it lasts.
    told: Option<Vec<Change>>,
    /// How often in a row it could not be put right.
    failures: u32,
    /// When to look at it though nothing happened.
    later: Option<Instant>,
    /// It runs whenever it is asked: nothing that happens asks it.
    is_restless: bool,
}

/// A machine under watch.
pub struct Watch<'a> {
    catalog: &'a Catalog,
    registry: &'a Registry,
    options: WatchOptions,
    graph: Graph,
    paths: Arc<ManagedPaths>,
    hash: [u8; 32],
    world: Observed,
    notify: Notify,
    listener: Option<Listener>,
    /// When to try to reach the service manager again, and how long that was waited for.
    relisten: Option<(Instant, Duration)>,
    /// Object paths of units to their names.
    units: HashMap<String, String>,
    places: Vec<Place>,
    /// To be looked at.
    dirty: BTreeSet<usize>,
    /// Directories may be elsewhere.
    is_moved: bool,
    notices: Vec<Notice>,
    /// Directories that were told not to be watched.
    unwatched: BTreeSet<PathBuf>,
}

impl<'a> Watch<'a> {
    /// Begins to watch what a run has just left behind, which `report` tells. What happened since is found in the first turn.
    ///
    /// # Errors
    /// Each of [`WatchError`].
    pub fn begin(
        catalog: &'a Catalog,
        registry: &'a Registry,
        options: WatchOptions,
        report: Option<&RunReport>,
    ) -> Result<Self, WatchError> {
        let paths = Arc::new(ManagedPaths::of(catalog, registry));
        let mut watch = Self {
            catalog,
            registry,
            graph: Graph::of(catalog),
            hash: *catalog.hash().as_bytes(),
            world: Observed::new(&options.root)?
                .managing(paths.clone())
                .cancelled_by(options.cancel.clone())
                .remembering(&options.state),
            paths,
            notify: Notify::new().map_err(|error| WatchError::Refused(error.into()))?,
            options,
            listener: None,
            relisten: None,
            units: HashMap::new(),
            places: (0..catalog.resources.len()).map(|_| Place::default()).collect(),
            dirty: BTreeSet::new(),
            is_moved: false,
            notices: Vec::new(),
            unwatched: BTreeSet::new(),
        };
        if let Some(report) = report {
            // What the first run did is no correction of anybody.
            watch.note(report, false);
        }
        watch.settle()?;
        Ok(watch)
    }

    /// How many resources have something that is watched.
    pub fn resources(&self) -> usize {
        self.places.iter().filter(|place| !place.sources.is_empty()).count()
    }

    /// How many directories are watched.
    pub fn directories(&self) -> usize {
        self.notify.directories()
    }

    /// Resources that would run in every apply, and are therefore not asked again.
    pub fn restless(&self) -> impl Iterator<Item = &'a stead_catalog::ResourceId> + '_ {
        let restless = self.places.iter().zip(&self.catalog.resources).filter(|(place, _)| place.is_restless);
        restless.map(|(_, resource)| &resource.id)
    }

    /// Waits until there is something to tell or to do; `None` when the watch was asked to end.
    pub fn next_turn(&mut self) -> Option<Turn> {
        loop {
            if self.options.cancel.is_cancelled() {
                return None;
            }
            self.hear();
            self.call_back();
            if self.dirty.is_empty() && self.notices.is_empty() {
                let until = self.deadline();
                self.sleep(until);
                continue;
            }
            self.await_quiet();
            let planned = self.look();
            let notices = std::mem::take(&mut self.notices);
            if planned.is_some() || !notices.is_empty() {
                return Some(Turn { notices, planned });
            }
        }
    }

    /// Takes note of what a run has come to: what it put right counts, what failed is tried again later.
    pub fn applied(&mut self, report: &RunReport) {
        self.note(report, true);
    }

    fn note(&mut self, report: &RunReport, counts: bool) {
        let now = Instant::now();
        let positions: HashMap<_, _> =
            self.catalog.resources.iter().enumerate().map(|(at, resource)| (&resource.id, at)).collect();
        for (entry, outcome) in &report.results {
            let Some(place) = positions.get(&entry.id).and_then(|at| self.places.get_mut(*at)) else { continue };
            if outcome.kind.is_bad() {
                let delay = FIRST_RETRY.saturating_mul(1 << place.failures.min(12)).min(LONGEST_RETRY);
                place.failures += 1;
                place.later = Some(now + delay);
                continue;
            }
            place.failures = 0;
            // A reaction follows from a change that is counted itself.
            if counts && outcome.kind == OutcomeKind::Changed && !matches!(entry.action, Action::Run | Action::Restart) {
                place.patience.corrected(now);
            }
        }
        // What depends on a failure waits for it and is looked at with it.
        for pending in &report.pending {
            if let Some(place) = positions.get(&pending.resource).and_then(|at| self.places.get_mut(*at)) {
                place.later.get_or_insert(now + FIRST_RETRY);
            }
        }
    }

    /// Another apply holds the lock: the plan is made anew when it may be over.
    pub fn postpone(&mut self, planned: &Planned) {
        let until = Instant::now() + BUSY;
        for at in &planned.order {
            self.places[*at].later = Some(until);
        }
    }

    // ------------------------------------------------------------------ what to watch

    /// Looks at everything until nothing escapes: what is watched follows from a look, and what happens between the look and the
    /// watch is seen by the next look.
    fn settle(&mut self) -> Result<(), WatchError> {
        let all: BTreeSet<usize> = (0..self.places.len()).collect();
        for round in 0..4 {
            let planned = self.plan(all.clone());
            let is_new = self.take_sources(&planned);
            if let Some(limit) = self.rewatch().iter().find(|refused| matches!(refused.error, Errno::NOSPC | Errno::MFILE)) {
                return Err(WatchError::Limit { path: limit.path.clone() });
            }
            if is_new.is_empty() || round == 3 {
                for (entry, at) in planned.plan.resources.iter().zip(&planned.order) {
                    let place = &mut self.places[*at];
                    // A run has just done it, and it would be done again: that is no drift.
                    place.is_restless = entry.action == Action::Run && entry.because.is_empty() && place.later.is_none();
                    if entry.action != Action::None && !place.is_restless && place.later.is_none() {
                        self.dirty.insert(*at);
                    }
                }
                break;
            }
        }
        if self.options.root == RootSpec::Machine && !self.notify.units().is_empty() && units::is_here() {
            self.listen(FIRST_RETRY);
        }
        Ok(())
    }

    /// Takes over what the resources of a plan looked at. Returns those that looked at something else than before.
    fn take_sources(&mut self, planned: &Planned) -> BTreeSet<usize> {
        let mut changed = BTreeSet::new();
        for at in &planned.order {
            let sources = places::sources(&planned.reads[*at]);
            let known = &mut self.places[*at].sources;
            if *known != sources {
                *known = sources;
                changed.insert(*at);
            }
        }
        changed
    }

    /// Watches what the resources looked at, where it is now.
    fn rewatch(&mut self) -> Vec<NotWatched> {
        self.is_moved = false;
        let sources = (0..).zip(self.places.iter().map(|place| &place.sources));
        let refused = self.notify.watch(Places::find(self.options.root.path(), sources));
        self.units = self.notify.units().keys().map(|name| (units::path_of(name), name.clone())).collect();
        for NotWatched { path, error } in &refused {
            if self.unwatched.insert(path.clone()) {
                let message = format!(
                    "{} cannot be watched: {}; what changes there is not noticed",
                    path.display(),
                    std::io::Error::from(*error)
                );
                self.notices.push(Notice::Warning { code: "watch-incomplete", message });
            }
        }
        refused
    }

    /// Listens to the service manager; tries again later, where that fails.
    fn listen(&mut self, patience: Duration) {
        match Listener::start(&self.options.alarm) {
            Ok(listener) => {
                self.listener = Some(listener);
                self.relisten = None;
                // What happened before is seen by a look.
                let units: Vec<u32> = self.notify.units().values().flatten().copied().collect();
                self.stir(units);
            }
            Err(message) => {
                if self.relisten.is_none() {
                    let message = format!("the service manager is not heard: {message}; it is tried again");
                    self.notices.push(Notice::Warning { code: "units-unheard", message });
                }
                self.listener = None;
                self.relisten = Some((Instant::now() + patience, patience));
            }
        }
    }

    // ------------------------------------------------------------------ what happens

    /// Takes what has happened, without waiting. Says whether anything has.
    fn hear(&mut self) -> bool {
        let before = self.dirty.len();
        self.options.alarm.hush();
        let news = self.notify.news();
        let mut is_news = !news.resources.is_empty();
        self.is_moved |= news.is_moved;
        self.stir(news.resources);
        if news.is_overflow {
            let message = "more happened than the kernel could tell: everything is looked at again".to_owned();
            self.notices.push(Notice::Warning { code: "watch-overflow", message });
            self.is_moved = true;
            let all = 0..u32::try_from(self.places.len()).unwrap_or(u32::MAX);
            self.stir(all);
            is_news = true;
        }
        if let Some(listener) = &self.listener {
            let heard = listener.take();
            let units = self.notify.units();
            let mut concerned: Vec<u32> = Vec::new();
            if heard.is_any || heard.is_lost {
                concerned.extend(units.values().flatten());
            }
            let named = heard.units.iter().filter_map(|path| units.get(self.units.get(path)?));
            concerned.extend(named.flatten());
            if heard.is_lost {
                self.listener = None;
                self.relisten = Some((Instant::now() + FIRST_RETRY, FIRST_RETRY));
            }
            is_news |= !concerned.is_empty();
            self.stir(concerned);
        }
        is_news || self.dirty.len() != before
    }

    /// Notes that resources are to be looked at.
    fn stir(&mut self, resources: impl IntoIterator<Item = u32>) {
        for resource in resources {
            let at = resource as usize;
            if self.places.get(at).is_some_and(|place| !place.is_restless) {
                self.dirty.insert(at);
            }
        }
    }

    /// Looks at what was put off and is due now.
    fn call_back(&mut self) {
        let now = Instant::now();
        for (at, place) in self.places.iter_mut().enumerate() {
            if place.later.is_some_and(|later| later <= now) {
                place.later = None;
                self.dirty.insert(at);
            }
        }
        if let Some((at, patience)) = self.relisten
            && at <= now
        {
            self.listen((patience * 2).min(Duration::from_secs(60)));
        }
    }

    /// When the next thing that was put off is due.
    fn deadline(&self) -> Option<Instant> {
        let later = self.places.iter().filter_map(|place| place.later);
        later.chain(self.relisten.map(|(at, _)| at)).min()
    }

    /// Sleeps until something happens.
    fn sleep(&mut self, until: Option<Instant>) {
        let timeout = until.map(|until| {
            // Rounded up: a wake-up that is too early would come again and again.
            let left = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(left.subsec_nanos()) }
        });
        self.notify.wait(&self.options.alarm, timeout.as_ref());
    }

    /// Waits until nothing more happens, for a moment at the most.
    fn await_quiet(&mut self) {
        let start = Instant::now();
        while start.elapsed() < RESTLESS && !self.options.cancel.is_cancelled() {
            self.sleep(Some(Instant::now() + QUIET));
            if !self.hear() {
                break;
            }
        }
    }

    // ------------------------------------------------------------------ what to do

    /// Looks at what is to be looked at. Returns the plan, where something is to be changed.
    fn look(&mut self) -> Option<Planned> {
        if self.is_moved {
            self.rewatch();
        }
        let stirred = std::mem::take(&mut self.dirty);
        let dirty = self.without_busy_packages(stirred);
        if dirty.is_empty() {
            return None;
        }
        let part = self.with_reactions(&dirty);
        let mut planned = self.plan(part.clone());
        let changed = self.take_sources(&planned);
        if !changed.is_empty() {
            self.rewatch();
            // What happened before these were watched is seen by another look, at the same time at the latest.
            self.dirty.extend(changed.into_iter().filter(|at| !self.places[*at].is_restless));
        }
        if self.give_up(&planned) {
            planned = self.plan(part);
        }
        self.tell(&planned);
        let acts = |entry: &PlannedResource| entry.action != Action::None || entry.error.is_some();
        planned.plan.resources.iter().any(acts).then_some(planned)
    }

    /// Puts off what needs a package manager that is at work: its own changes are not over.
    fn without_busy_packages(&mut self, mut dirty: BTreeSet<usize>) -> BTreeSet<usize> {
        let is_package = |place: &Place| place.sources.contains(&Source::Path("/var/lib/dpkg/status".into()));
        let packages: Vec<usize> = dirty.iter().copied().filter(|at| is_package(&self.places[*at])).collect();
        if packages.is_empty() || !self.world.system().dpkg.is_locked() {
            return dirty;
        }
        let until = Instant::now() + BUSY;
        for at in packages {
            dirty.remove(&at);
            self.places[at].later = Some(until);
        }
        dirty
    }

    /// The resources with everything that reacts to them, and what is to happen before they change.
    fn with_reactions(&self, dirty: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut part = BTreeSet::new();
        let mut open: Vec<usize> = dirty.iter().copied().collect();
        while let Some(at) = open.pop() {
            if !part.insert(at) {
                continue;
            }
            let reacts =
                |kind: EdgeKind| matches!(kind, EdgeKind::Watch | EdgeKind::Listen | EdgeKind::OnChanges | EdgeKind::OnFail);
            open.extend(self.graph.after(at).filter(|(_, kind)| reacts(*kind)).map(|(to, _)| to));
            open.extend(self.graph.before(at).filter(|(_, kind)| *kind == EdgeKind::Prereq).map(|(from, _)| from));
        }
        part
    }

    fn plan(&self, resources: BTreeSet<usize>) -> Planned {
        let now = Instant::now();
        let held = |at: &usize| {
            let place = &self.places[*at];
            let is_reported = self.catalog.resources[*at].meta.on_drift == DriftPolicy::Report;
            let why = if place.is_restless {
                "it runs in every apply, and not because something drifted"
            } else if is_reported {
                "on_drift: drift is reported and not put right"
            } else if place.patience.paused_until(now).is_some() {
                "somebody changes it back again and again: it is left alone for a time"
            } else {
                return None;
            };
            Some((*at, why.into()))
        };
        let held: BTreeMap<usize, Arc<str>> = resources.iter().filter_map(held).collect();
        let part = Part { resources, held, paths: self.paths.clone(), catalog_hash: self.hash };
        // A journal that cannot be read is told by the run that wants to write to it.
        let pending =
            Journal::look(&self.options.state).and_then(|journal| journal.map_or(Ok(Vec::new()), |journal| journal.pending()));
        self.world.forget();
        let options = PlanOptions { pending: pending.unwrap_or_default(), part: Some(part) };
        let planned = crate::plan(self.catalog, self.registry, &self.world, &options);
        // What is kept open could not be unmounted by the run.
        self.world.root().forget();
        planned
    }

    /// Leaves alone for a time what has been put right too often. Says whether that is anything new.
    fn give_up(&mut self, planned: &Planned) -> bool {
        let now = Instant::now();
        let mut gave_up = false;
        for ((entry, wanted), at) in planned.plan.resources.iter().zip(&planned.wanted).zip(&planned.order) {
            if entry.action == Action::None || *wanted == Action::None {
                continue;
            }
            let place = &mut self.places[*at];
            if let Verdict::Pause(pause) = place.patience.ask(now) {
                place.later = Some(now + pause);
                self.notices.push(Notice::Fought { resource: entry.clone(), corrections: patience::LIMIT, pause });
                gave_up = true;
            }
        }
        gave_up
    }

    /// Tells what has drifted, once for each way in which it has.
    fn tell(&mut self, planned: &Planned) {
        for ((entry, wanted), at) in planned.plan.resources.iter().zip(&planned.wanted).zip(&planned.order) {
            let policy = self.catalog.resources[*at].meta.on_drift;
            let place = &mut self.places[*at];
            if *wanted == Action::None {
                if place.told.take().is_some() && policy == DriftPolicy::Report {
                    self.notices.push(Notice::Cleared { resource: entry.clone() });
                }
                continue;
            }
            if policy == DriftPolicy::Report && !place.is_restless && place.told.as_ref() != Some(&entry.changes) {
                place.told = Some(entry.changes.clone());
                let resource = PlannedResource { action: *wanted, ..entry.clone() };
                self.notices.push(Notice::Drifted { resource, policy });
            } else if policy == DriftPolicy::Fix && entry.action != Action::None {
                self.notices.push(Notice::Drifted { resource: entry.clone(), policy });
            }
        }
    }
}
