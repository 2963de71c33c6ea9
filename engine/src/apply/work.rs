//! What the threads do: look, change, put in place, react. None of it decides about other resources.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use stead_catalog::{Action, Catalog, Meta, PlaceKind, Resource};

use super::expect::{as_planned, remaining};
use crate::joint::JointForecast;
use crate::journal::NewBefore;
use crate::ledger::{completed, thing};
use crate::machine::{Group, Scope, Secrecy, Shared, Staged, afters, commit, survey};
use crate::{
    Applied, ApplyError, Difference, FileKind, Forecast, Known, Machine, Managed, Observation, ObserveError, PackageWish,
    Planned, Predicted, Registry, Unmet, World,
};

/// A task for the threads. Resources are named by their position in the catalog.
pub(super) enum Task {
    /// Look at resources, one after the other, and decide whether they act.
    Check { resources: Vec<(usize, bool)> },
    /// The same for packages, with one simulation for all.
    CheckPackages { resources: Vec<(usize, bool)> },
    /// Make changes, one after the other.
    Act { resources: Vec<(usize, Ready)> },
    /// Make the changes of several packages in one transaction.
    ActPackages { resources: Vec<(usize, Ready)> },
    /// Put staged files in place and make what was done durable.
    Commit { groups: Vec<(usize, Group, u32)> },
    /// React to a watched change.
    React { resource: usize, scope: Arc<Scope> },
}

/// A resource that was looked at and is to be changed.
pub(super) struct Ready {
    pub(super) observed: Observation,
    pub(super) difference: Difference,
    pub(super) scope: Arc<Scope>,
    /// The first try's number.
    pub(super) attempt: u32,
}

/// What a look found.
pub(super) enum Verdict {
    /// There is something to do, or a reaction to be considered.
    Open { observed: Observation, difference: Difference, befores: Vec<NewBefore>, scope: Arc<Scope> },
    /// A guard holds it.
    Held(String),
    /// It cannot be looked at, or is not as it was planned.
    Failed(ApplyError),
}

/// How far a change has come.
pub(super) enum Progress {
    /// Made and verified; durable once its file systems are synced.
    Done,
    /// To be put in place.
    Staged(Vec<Staged>),
}

/// What a thread has to say.
pub(super) enum Message {
    Checked(Vec<(usize, Verdict)>),
    /// The journal's rows of these changes are on the disk, or could not be written.
    Begun {
        resources: Vec<usize>,
        result: Result<(), ApplyError>,
    },
    Retrying {
        resource: usize,
        attempt: u32,
        message: String,
    },
    Acted(Vec<Acted>),
    /// A commit task is over: what became of each of its resources, and the number of its last try.
    Committed(Vec<(usize, Result<(), ApplyError>, u32)>),
    Reacted {
        resource: usize,
        result: Result<(), ApplyError>,
        duration: Duration,
    },
}

/// A change that was made, or tried.
pub(super) struct Acted {
    pub(super) resource: usize,
    pub(super) result: Result<Progress, ApplyError>,
    pub(super) attempts: u32,
    pub(super) scope: Arc<Scope>,
}

/// What the threads share.
pub(super) struct Work<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) registry: &'a Registry,
    pub(super) planned: &'a Planned,
    /// How many threads do the work.
    pub(super) threads: usize,
    /// By position in the catalog: the position in the plan.
    pub(super) entries: &'a [Option<usize>],
    pub(super) shared: &'a Arc<Shared>,
    /// Whether what is made is noted.
    pub(super) notes: bool,
    /// What was not there when it was looked at, right before it was made.
    pub(super) new: Mutex<BTreeSet<usize>>,
    /// Numbers the changes in the order they were looked at, which is after all that come before them.
    pub(super) sequence: AtomicU32,
}

impl Work<'_> {
    /// Does a task and tells what came of it.
    pub(super) fn run(&self, task: Task, tell: &Sender<Message>) {
        // The receiver is there until all threads have ended.
        let say = |message| drop(tell.send(message));
        match task {
            Task::Check { resources } => {
                let verdicts = resources.into_iter().map(|(resource, as_planned)| {
                    let verdict = contained(|| Ok(self.check(resource, &*self.shared.observed, as_planned)));
                    (resource, verdict.unwrap_or_else(Verdict::Failed))
                });
                say(Message::Checked(verdicts.collect()));
            }
            Task::CheckPackages { resources } => self.check_packages(&resources, &say),
            Task::Act { resources } => {
                let acted = resources.into_iter().map(|(resource, ready)| {
                    let scope = ready.scope.clone();
                    let (result, attempts) = self.act(resource, ready, &say);
                    self.look_after(&result, &scope);
                    Acted { resource, result, attempts, scope }
                });
                say(Message::Acted(acted.collect()));
            }
            Task::ActPackages { resources } => self.act_packages(resources, &say),
            Task::Commit { groups } => say(Message::Committed(self.commit(groups))),
            Task::React { resource, scope } => {
                let begun = Instant::now();
                let result = contained(|| self.react(resource, scope));
                say(Message::Reacted { resource, result, duration: begun.elapsed() });
            }
        }
    }

    fn managed(&self, resource: usize) -> Result<&dyn Managed, ApplyError> {
        let missing = || ObserveError::Impossible {
            code: "catalog-mismatch",
            message: "its attributes cannot be read".into(),
            hint: "compile and apply with the same version of stead".into(),
        };
        Ok(self.planned.managed.get(resource).and_then(Option::as_deref).ok_or_else(missing)?)
    }

    fn check(&self, resource: usize, world: &dyn World, expected: bool) -> Verdict {
        self.look(resource, world, expected).unwrap_or_else(Verdict::Failed)
    }

    fn look(&self, index: usize, world: &dyn World, expected: bool) -> Result<Verdict, ApplyError> {
        let resource = &self.catalog.resources[index];
        let managed = self.managed(index)?;
        if let Some(held) = held(&resource.meta, managed, world)? {
            return Ok(Verdict::Held(held));
        }
        let observed = managed.observe(world)?;
        let difference = managed.diff(&observed);
        if let (true, Some(entry)) = (expected, self.entries[index]) {
            as_planned(&self.planned.plan.resources[entry], managed, &observed, &difference)?;
        }
        if self.notes && resource.meta.orphan.is_none() && self.is_new(resource, managed, &difference, world) {
            self.new.lock().unwrap_or_else(PoisonError::into_inner).insert(index);
        }
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let scope = Arc::new(Scope::new(sequence, self.secrecy(resource, managed)));
        let befores = if difference.is_none() {
            Vec::new()
        } else {
            self.survey(resource, managed, &scope, difference.action == Action::Delete)?
        };
        Ok(Verdict::Open { observed, difference, befores, scope })
    }

    /// Says whether a change makes something: taking it away, there would be nothing to do yet.
    fn is_new(&self, resource: &Resource, managed: &dyn Managed, difference: &Difference, world: &dyn World) -> bool {
        match difference.action {
            Action::Create => true,
            Action::Update => {
                let gone = || {
                    let schema = self.registry.schema(&resource.id.type_name)?;
                    let thing = completed(&thing(resource, managed, schema)?, schema)?;
                    // What is at a path of its own is made by a creation alone.
                    let is_path = (schema.footprint)(&thing).owns.iter().any(|place| place.kind == PlaceKind::Path);
                    let removal = self.registry.get(&resource.id.type_name).filter(|_| !is_path)?.read(&thing).ok()?;
                    Some(removal.diff(&removal.observe(world).ok()?))
                };
                gone().is_some_and(|difference| difference.is_none())
            }
            _ => false,
        }
    }

    /// Looks at what the resource owns and what it says to write besides, for the journal.
    fn survey(
        &self,
        resource: &Resource,
        managed: &dyn Managed,
        scope: &Scope,
        goes: bool,
    ) -> Result<Vec<NewBefore>, ApplyError> {
        let Some(schema) = self.registry.schema(&resource.id.type_name) else { return Ok(Vec::new()) };
        let footprint = (schema.footprint)(&resource.attributes);
        let written = managed.writes();
        let owned = footprint.owns.iter().filter(|place| place.kind == PlaceKind::Path).map(|place| Path::new(&*place.name));
        let mut paths: Vec<&Path> = owned.collect();
        for path in &written {
            // Only what is a file, or is not there, can be brought back from what is kept.
            let is_plain = match self.shared.observed.stat(path)? {
                Known::Is(found) => found.is_none_or(|stat| stat.kind == FileKind::File),
                Known::Unknown(_) => false,
            };
            if is_plain && !paths.contains(&path.as_path()) {
                paths.push(path);
            }
        }
        survey(&self.shared.observed, &self.shared.blobs, &paths, scope, goes)
    }

    fn secrecy(&self, resource: &Resource, managed: &dyn Managed) -> Secrecy {
        let all = &self.planned.secrets;
        if self.is_sensitive(resource) {
            Secrecy::of(&resource.attributes, managed.secrets_go(), all)
        } else {
            Secrecy::none(all)
        }
    }

    fn is_sensitive(&self, resource: &Resource) -> bool {
        let schema = self.registry.schema(&resource.id.type_name);
        let declared = |name: &str| schema.and_then(|schema| schema.attribute(name)).is_some_and(|attribute| attribute.sensitive);
        resource.attributes.iter().any(|(name, value)| value.is_sensitive() || declared(name))
    }

    fn check_packages(&self, resources: &[(usize, bool)], say: &impl Fn(Message)) {
        let wishes = resources.iter().filter_map(|(resource, _)| self.managed(*resource).ok()?.package_wish()).collect();
        let observed: &dyn World = &*self.shared.observed;
        let joint = JointForecast::new(observed, wishes);
        let world = Predicted::new(observed).planning(&self.planned.paths, &joint);
        for (resource, expected) in resources {
            let verdict = contained(|| Ok(self.check(*resource, &world, *expected)));
            say(Message::Checked(vec![(*resource, verdict.unwrap_or_else(Verdict::Failed))]));
        }
    }

    /// Makes a change, trying again where the resource says so. Returns the result and the number of the last try.
    fn act(&self, resource: usize, mut ready: Ready, say: &impl Fn(Message)) -> (Result<Progress, ApplyError>, u32) {
        let meta = &self.catalog.resources[resource].meta;
        let attempts = meta.retry.map_or(1, |retry| retry.attempts.max(1));
        loop {
            let result = contained(|| self.try_once(resource, &ready));
            let attempt = ready.attempt;
            match result {
                Err(error) if attempt < attempts && !matches!(error, ApplyError::Cancelled | ApplyError::Journal { .. }) => {
                    say(Message::Retrying { resource, attempt, message: error.to_string() });
                    self.pause(meta.retry.map_or(0, |retry| retry.delay_ns));
                    if self.shared.cancel.is_cancelled() {
                        return (Err(error), attempt);
                    }
                    match contained(|| self.again(resource)) {
                        Ok((_, difference)) if difference.is_none() => return (Ok(Progress::Done), attempt),
                        Ok((observed, difference)) => {
                            ready = Ready { observed, difference, scope: ready.scope, attempt: attempt + 1 };
                        }
                        Err(error) => return (Err(error), attempt),
                    }
                }
                result => return (result, attempt),
            }
        }
    }

    fn try_once(&self, resource: usize, ready: &Ready) -> Result<Progress, ApplyError> {
        let managed = self.managed(resource)?;
        let machine = self.machine(resource, &ready.scope);
        let applied = managed.apply(&ready.observed, &ready.difference, &machine);
        match applied.map_err(|error| self.in_time(resource, &machine, error))? {
            Applied::Done => {
                self.verify(resource, &ready.scope)?;
                Ok(Progress::Done)
            }
            Applied::Staged(staged) => Ok(Progress::Staged(staged)),
        }
    }

    /// How long one try of a resource may take.
    fn limit(&self, resource: usize) -> Option<Duration> {
        self.catalog.resources[resource].meta.timeout_ns.map(Duration::from_nanos)
    }

    /// A command that took all that was left of this time is told by the limit as it was given.
    fn in_time(&self, resource: usize, machine: &Machine, error: ApplyError) -> ApplyError {
        match (error, self.limit(resource)) {
            (ApplyError::Timeout { command, .. }, Some(limit)) if machine.time_left() == Some(Duration::ZERO) => {
                ApplyError::Timeout { command, limit }
            }
            (error, _) => error,
        }
    }

    /// A machine for one try, with its time limit.
    fn machine(&self, resource: usize, scope: &Arc<Scope>) -> Machine {
        let timeout = self.limit(resource);
        *scope.deadline.lock().unwrap_or_else(PoisonError::into_inner) =
            timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Machine::new(self.shared.clone(), scope.clone())
    }

    /// Looks again after a change: nothing may be left to do.
    fn verify(&self, resource: usize, scope: &Scope) -> Result<(), ApplyError> {
        let (_, difference) = self.again(resource)?;
        let settles = self.managed(resource)?.settles(&difference);
        if difference.is_none() || !settles {
            return Ok(());
        }
        let error = match self.managed(resource)?.unmet(&difference) {
            Some(Unmet { what, way_out }) => ApplyError::NotConverged { what, way_out: Some(way_out) },
            None => ApplyError::NotConverged { what: remaining(&difference), way_out: None },
        };
        *scope.remaining.lock().unwrap_or_else(PoisonError::into_inner) = difference.changes;
        Err(error)
    }

    fn again(&self, resource: usize) -> Result<(Observation, Difference), ApplyError> {
        let managed = self.managed(resource)?;
        let observed = managed.observe(&*self.shared.observed)?;
        let difference = managed.diff(&observed);
        Ok((observed, difference))
    }

    /// Waits, unless the run is asked to end.
    fn pause(&self, nanos: u64) {
        let until = Instant::now().checked_add(Duration::from_nanos(nanos));
        while until.is_none_or(|until| Instant::now() < until) && !self.shared.cancel.is_cancelled() {
            let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    fn act_packages(&self, resources: Vec<(usize, Ready)>, say: &impl Fn(Message)) {
        if resources.len() > 1 {
            let wishes: Vec<PackageWish> =
                resources.iter().filter_map(|(resource, _)| self.managed(*resource).ok()?.package_wish()).collect();
            let machine = Machine::new(self.shared.clone(), resources[0].1.scope.clone());
            // What fails here is tried package by package below, and told there by the one that is to blame.
            let _ = contained(|| machine.system().apt.transact(&machine, &wishes, self.announced()));
        }
        for (resource, mut ready) in resources {
            let scope = ready.scope.clone();
            let left = contained(|| self.again(resource));
            let (result, attempts) = match left {
                Ok((_, difference)) if difference.is_none() => (Ok(Progress::Done), ready.attempt),
                Ok((observed, difference)) => {
                    (ready.observed, ready.difference) = (observed, difference);
                    self.act(resource, ready, say)
                }
                Err(error) => (Err(error), ready.attempt),
            };
            self.look_after(&result, &scope);
            say(Message::Acted(vec![Acted { resource, result, attempts, scope }]));
        }
    }

    /// Notes what a change that is over has left. One that is still to be put in place is not.
    fn look_after(&self, result: &Result<Progress, ApplyError>, scope: &Scope) {
        if !matches!(result, Ok(Progress::Staged(staged)) if !staged.is_empty()) && scope.is_touched() {
            *scope.afters.lock().unwrap_or_else(PoisonError::into_inner) = afters(&self.shared.observed, scope);
        }
    }

    /// Every package change that the plan announced; `None` where it could not know them.
    fn announced(&self) -> Option<&Forecast> {
        self.planned.forecast.as_ref().filter(|forecast| forecast.unseen.is_none())
    }

    fn commit(&self, groups: Vec<(usize, Group, u32)>) -> Vec<(usize, Result<(), ApplyError>, u32)> {
        let mut resources = Vec::with_capacity(groups.len());
        let mut work = Vec::with_capacity(groups.len());
        for (resource, group, attempts) in groups {
            resources.push((resource, attempts));
            work.push(group);
        }
        let committed = contained(|| {
            commit(self.shared, &mut work);
            Ok(())
        });
        let results: Vec<Result<(), ApplyError>> = work
            .into_par_iter()
            .zip(&resources)
            .map(|(group, (resource, _))| {
                let was_staged = !group.staged.is_empty();
                drop(group.staged);
                if was_staged {
                    self.look_after(&Ok(Progress::Done), &group.scope);
                }
                group.result?;
                committed.clone()?;
                if !was_staged {
                    return Ok(());
                }
                contained(|| self.verify(*resource, &group.scope))
            })
            .collect();
        resources.into_iter().zip(results).map(|((resource, attempts), result)| (resource, result, attempts)).collect()
    }

    fn react(&self, resource: usize, scope: Arc<Scope>) -> Result<(), ApplyError> {
        let machine = self.machine(resource, &scope);
        let managed = self.managed(resource)?;
        let reacted = managed.react(&machine);
        if !managed.writes().is_empty() && scope.is_touched() {
            // Its own change may have been looked at before, and looked different.
            let left = afters(&self.shared.observed, &scope);
            let mut known = scope.afters.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|old| !left.iter().any(|new| new.after.path() == old.after.path()));
            known.extend(left);
        }
        reacted.map_err(|error| self.in_time(resource, &machine, error))?;
        self.verify(resource, &scope)
    }
}

/// Asks the guards. Returns why the resource does not act.
fn held(meta: &Meta, managed: &dyn Managed, world: &dyn World) -> Result<Option<String>, ApplyError> {
    let guards = meta.only_if.iter().map(|guard| (guard, true)).chain(meta.unless.iter().map(|guard| (guard, false)));
    for (command, wanted) in guards {
        if let Known::Is(outcome) = world.probe(&managed.guard(command))?
            && outcome.success != wanted
        {
            let (word, how) = if wanted { ("only_if", "fails") } else { ("unless", "succeeds") };
            return Ok(Some(format!("{word}: `{command}` {how}")));
        }
    }
    Ok(None)
}

/// Turns a panic in a resource type into a failure of its resource: the rest of the run goes on.
fn contained<T>(work: impl FnOnce() -> Result<T, ApplyError>) -> Result<T, ApplyError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said =
            panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
        let message = format!("internal error, please report it: {}", said.unwrap_or_default());
        Err(ApplyError::Service { service: "stead", message })
    })
}
