//! Who is next: a ready queue over the catalog's graph.
//!
//! One thread (the caller's) decides and tells; the others look and change. A resource goes through
//! waiting → looked at → in the journal → changed → in place and durable → done; what has gathered at the journal
//! and at the disk goes on together, so that ten thousand files cost a handful of commits while a slow command holds up nobody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use stead_catalog::{Action, Cause, EdgeKind, PlannedResource};

use super::pool::Pool;
use super::reactions::Reactions;
use super::work::{Acted, Message, Progress, Ready, Task, Verdict, Work};
use crate::journal::{Detail, NewBefore, Op};
use crate::machine::{Group, Scope};
use crate::{ApplyError, Event, Events, LockClass, Outcome, OutcomeKind, PendingReaction, SavedPlan};

mod deciding;
mod ending;
mod reacting;

/// How long what is ready waits for more to go with it, while something quick may still come.
const GATHER: Duration = Duration::from_millis(25);

/// Changes that go together at most.
const GROUP: usize = 4096;

/// Brief tasks that a thread takes at a time at most.
const PART: usize = 100;

/// One resource on its way.
#[derive(Default)]
struct Place {
    /// How many resources it still waits for.
    waiting: usize,
    begun: Option<Instant>,
    /// The looks agree with the plan only where the plan let it act.
    unplanned: bool,
    scope: Option<Arc<Scope>>,
    attempts: u32,
    /// It reacts once its own change is made.
    react: Vec<Cause>,
    /// It reacts at the end of the run.
    listen: Vec<Cause>,
    acted: bool,
    outcome: Option<Outcome>,
}

/// A change that has been looked at and waits for the journal.
struct Checked {
    resource: usize,
    ready: Ready,
    befores: Vec<NewBefore>,
}

pub(super) struct Scheduler<'a> {
    pub(super) work: &'a Work<'a>,
    pub(super) pool: &'a Pool<Task>,
    pub(super) events: &'a dyn Events,
    pub(super) saved: Option<&'a SavedPlan>,
    /// What nobody accepted, by position in the catalog.
    pub(super) withheld: &'a BTreeSet<usize>,
    pub(super) tell: Sender<Message>,
    entries: Vec<PlannedResource>,
    places: Vec<Place>,
    ready: BTreeSet<(usize, usize)>,
    reactions: Reactions<'a>,
    checks: usize,
    checked: Vec<Checked>,
    gathered: Option<Instant>,
    beginning: usize,
    begun: BTreeMap<usize, Ready>,
    waiting_for: BTreeMap<LockClass, VecDeque<Next>>,
    /// How many changes of each exclusive class are under way: several packages go in one transaction.
    busy: BTreeMap<LockClass, usize>,
    /// Since when packages wait for others to go with them.
    packages: Option<Instant>,
    acting: usize,
    /// Brief changes that are handed to the threads next.
    brief: Vec<(usize, Ready)>,
    groups: Vec<(usize, Group, u32)>,
    staged: Option<Instant>,
    committing: bool,
    listening: bool,
    open: usize,
    finish: Vec<Op>,
}

/// What waits for its lock class.
enum Next {
    Act(usize, Ready),
    React(usize),
}

impl<'a> Scheduler<'a> {
    pub(super) fn new(
        work: &'a Work<'a>,
        pool: &'a Pool<Task>,
        events: &'a dyn Events,
        options: &'a crate::ApplyOptions,
        tell: Sender<Message>,
        reactions: Reactions<'a>,
    ) -> Self {
        let graph = &work.planned.graph;
        let is_planned = |resource: &usize| work.entries[*resource].is_some();
        let places: Vec<Place> = (0..work.catalog.resources.len())
            .map(|resource| {
                let waiting = graph.before(resource).filter(|(from, _)| is_planned(from)).count();
                Place { waiting, ..Place::default() }
            })
            .collect();
        let ready = work.planned.order.iter().filter(|resource| places[**resource].waiting == 0);
        Self {
            ready: ready.filter_map(|resource| Some((work.entries[*resource]?, *resource))).collect(),
            entries: work.planned.plan.resources.clone(),
            open: work.planned.order.len(),
            work,
            pool,
            events,
            saved: options.saved.as_ref(),
            withheld: &options.withheld,
            tell,
            places,
            reactions,
            checks: 0,
            checked: Vec::new(),
            gathered: None,
            beginning: 0,
            begun: BTreeMap::new(),
            waiting_for: BTreeMap::new(),
            busy: BTreeMap::new(),
            packages: None,
            acting: 0,
            brief: Vec::new(),
            groups: Vec::new(),
            staged: None,
            committing: false,
            listening: false,
            finish: Vec::new(),
        }
    }

    /// Runs everything. Returns the plan's entries with their outcomes.
    pub(super) fn run(mut self, messages: &Receiver<Message>) -> (Vec<(PlannedResource, Outcome)>, Vec<PendingReaction>) {
        loop {
            while let Ok(message) = messages.try_recv() {
                self.take(message);
            }
            self.start_ready();
            self.begin_checked();
            self.start_begun();
            self.commit_staged();
            self.flush();
            if self.open == 0 && self.acting == 0 && !self.listen() {
                break;
            }
            let next = messages.try_recv().or_else(|_| {
                self.events.rest();
                messages.recv_timeout(GATHER / 5)
            });
            match next {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.flush();
        let outcomes = self.work.planned.order.iter().map(|resource| self.places[*resource].outcome.take());
        let outcomes: Vec<Option<Outcome>> = outcomes.collect();
        let never = || Outcome::skipped("cancelled", "the run ended before its turn");
        let results = self.entries.into_iter().zip(outcomes).map(|(entry, outcome)| (entry, outcome.unwrap_or_else(never)));
        (results.collect(), self.reactions.left())
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Checked(verdicts) => {
                for (resource, verdict) in verdicts {
                    self.checked(resource, verdict);
                }
            }
            Message::Begun { resources, result } => {
                self.beginning -= resources.len();
                self.begun(resources, &result);
            }
            Message::Retrying { resource, attempt, message } => {
                let attempts = self.work.catalog.resources[resource].meta.retry.map_or(1, |retry| retry.attempts);
                let resource = self.entry(resource);
                self.events.event(&Event::ResourceRetried { resource, attempt, attempts, message });
            }
            Message::Acted(acted) => {
                for Acted { resource, result, attempts, scope } in acted {
                    self.acting -= 1;
                    self.release(resource);
                    self.acted(resource, result, attempts, scope);
                }
            }
            Message::Committed(committed) => {
                self.committing = false;
                for (resource, result, attempts) in committed {
                    self.acting -= 1;
                    self.places[resource].attempts = attempts;
                    self.changed(resource, result);
                }
            }
            Message::Reacted { resource, result, duration } => {
                self.acting -= 1;
                self.release(resource);
                self.reacted(resource, result, duration);
            }
        }
    }

    // ------------------------------------------------------------------ waiting → looked at

    fn start_ready(&mut self) {
        let mut packages = Vec::new();
        let mut brief = Vec::new();
        while let Some((_, resource)) = self.ready.pop_first() {
            self.places[resource].begun = Some(Instant::now());
            match self.before_look(resource) {
                Some(outcome) => self.finish(resource, outcome),
                None => {
                    self.checks += 1;
                    let as_planned = !self.places[resource].unplanned;
                    let managed = self.work.planned.managed[resource].as_deref();
                    if managed.is_some_and(|managed| managed.package_wish().is_some()) {
                        packages.push((resource, as_planned));
                    } else if self.is_brief(resource) {
                        brief.push((resource, as_planned));
                    } else {
                        self.pool.push(Task::Check { resources: vec![(resource, as_planned)] });
                    }
                }
            }
        }
        if !packages.is_empty() {
            self.pool.push(Task::CheckPackages { resources: packages });
        }
        for resources in self.parts(brief) {
            self.pool.push(Task::Check { resources });
        }
    }

    /// Says whether a resource takes no time to speak of, so that others may wait for it.
    fn is_brief(&self, resource: usize) -> bool {
        let meta = &self.work.catalog.resources[resource].meta;
        let asks = !meta.only_if.is_empty() || !meta.unless.is_empty() || meta.retry.is_some();
        !asks && self.work.planned.managed[resource].as_deref().is_some_and(|managed| managed.is_brief())
    }

    /// Cuts brief tasks into a few parts for each thread. Neighbours stay together: they are in one directory, mostly, and
    /// two threads would wait for each other there.
    fn parts<T>(&self, brief: Vec<T>) -> impl Iterator<Item = Vec<T>> + use<T> {
        let size = (brief.len() / (self.work.threads * 4)).clamp(1, PART);
        let mut brief = brief.into_iter();
        std::iter::from_fn(move || {
            let part: Vec<T> = brief.by_ref().take(size).collect();
            (!part.is_empty()).then_some(part)
        })
    }

    // ------------------------------------------------------------------ looked at → in the journal

    fn checked(&mut self, resource: usize, verdict: Verdict) {
        self.checks -= 1;
        match verdict {
            Verdict::Failed(error) => self.finish(resource, Outcome::failure(&error)),
            Verdict::Held(reason) => {
                let ops = self.reactions.settled(resource);
                self.finish.extend(ops);
                self.finish(resource, Outcome::skipped("held", reason));
            }
            Verdict::Open { observed, difference, befores, scope } => {
                let managed = self.work.planned.managed[resource].as_deref();
                let causes = self.reactions.causes(resource);
                let reacts = !causes.is_empty()
                    && managed.is_some_and(|managed| managed.reaction().is_some() && !managed.absorbs_reaction(&difference));
                if reacts {
                    // At the end of the run it would be too late for those that react to this one.
                    let tied = |kind| matches!(kind, EdgeKind::Watch | EdgeKind::Listen | EdgeKind::OnChanges);
                    let at_once = causes.iter().any(|cause| cause.kind == EdgeKind::Watch)
                        || self.work.planned.graph.after(resource).any(|(_, kind)| tied(kind));
                    let place = &mut self.places[resource];
                    *(if at_once { &mut place.react } else { &mut place.listen }) = causes;
                }
                let place = &mut self.places[resource];
                place.scope = Some(scope.clone());
                if difference.is_none() && place.react.is_empty() {
                    return self.finish_own(resource, Outcome::new(OutcomeKind::Unchanged));
                }
                let entry = self.work.entries[resource];
                let unplanned = place.unplanned;
                if let Some(entry) = entry.map(|entry| &mut self.entries[entry])
                    && (unplanned || entry.unknown.is_some())
                {
                    // What the plan could not say is known now.
                    entry.action = if difference.is_none() { entry.action } else { difference.action };
                    entry.changes.clone_from(&difference.changes);
                    entry.unknown = None;
                    entry.held = None;
                }
                self.gathered.get_or_insert_with(Instant::now);
                self.checked.push(Checked { resource, ready: Ready { observed, difference, scope, attempt: 1 }, befores });
            }
        }
    }

    fn begin_checked(&mut self) {
        let waited = self.gathered.is_some_and(|since| since.elapsed() >= GATHER);
        if self.checked.is_empty() || !(self.checks == 0 || waited || self.checked.len() >= GROUP) {
            return;
        }
        self.gathered = None;
        let mut ops = Vec::new();
        let mut resources = Vec::new();
        for Checked { resource, ready, befores } in std::mem::take(&mut self.checked) {
            if self.work.shared.cancel.is_cancelled() {
                self.finish(resource, Outcome::skipped("cancelled", "the run was cancelled before its turn"));
                continue;
            }
            let sequence = ready.scope.sequence;
            let entry = self.entry(resource);
            let action = if ready.difference.is_none() { Action::Restart } else { entry.action };
            let (changes, because) = (entry.changes.clone(), entry.because.clone());
            let source = Some(entry.source.clone());
            let detail = Detail { changes, because, sensitive: ready.scope.secrecy.is_sensitive(), source, orphan: entry.orphan };
            ops.push(Op::Begin { sequence, resource: entry.id.to_string().into(), action, detail });
            ops.extend(befores.into_iter().map(|before| Op::Before { sequence, before }));
            ops.extend(self.reactions.before_change(resource));
            resources.push(resource);
            self.begun.insert(resource, ready);
        }
        if resources.is_empty() {
            return;
        }
        self.beginning += resources.len();
        let tell = self.tell.clone();
        self.work.shared.journal.send(ops, move |result| drop(tell.send(Message::Begun { resources, result })));
    }

    // ------------------------------------------------------------------ in the journal → changed

    fn begun(&mut self, resources: Vec<usize>, result: &Result<(), ApplyError>) {
        for resource in resources {
            let Some(ready) = self.begun.remove(&resource) else { continue };
            if let Err(error) = result {
                self.finish(resource, Outcome::failure(error));
                continue;
            }
            self.places[resource].acted = true;
            let next = if ready.difference.is_none() {
                Next::React(resource)
            } else {
                self.events.event(&Event::ResourceStarted { resource: self.entry(resource) });
                Next::Act(resource, ready)
            };
            let class = self.class(resource);
            self.waiting_for.entry(class).or_default().push_back(next);
        }
    }

    /// Starts what waits for a lock class that is free.
    fn start_begun(&mut self) {
        let classes: Vec<LockClass> = self.waiting_for.keys().copied().collect();
        for class in classes {
            while let Some(next) = self.next_of(class) {
                if self.work.shared.cancel.is_cancelled() {
                    let (Next::Act(resource, _) | Next::React(resource)) = next;
                    self.not_begun(resource);
                } else {
                    self.start(class, next);
                }
            }
        }
        let brief = std::mem::take(&mut self.brief);
        for resources in self.parts(brief) {
            self.pool.push(Task::Act { resources });
        }
    }

    /// Takes the next one that may start now. Packages wait for others that are about to be ready, to go in one transaction.
    fn next_of(&mut self, class: LockClass) -> Option<Next> {
        let exclusive = class != LockClass::Free;
        if self.waiting_for.get(&class)?.is_empty() || (exclusive && self.busy.contains_key(&class)) {
            return None;
        }
        if class == LockClass::Packages && self.checks + self.checked.len() + self.beginning > 0 {
            let since = *self.packages.get_or_insert_with(Instant::now);
            if since.elapsed() < GATHER * 4 {
                return None;
            }
        }
        self.waiting_for.get_mut(&class)?.pop_front()
    }

    fn start(&mut self, class: LockClass, next: Next) {
        self.acting += 1;
        let mut under_way = 1;
        self.packages = None;
        match next {
            Next::React(resource) => self.start_reaction(resource),
            Next::Act(resource, ready) => {
                let mut together = vec![(resource, ready)];
                let is_package =
                    |resource: usize| self.work.planned.managed[resource].as_deref().is_some_and(|m| m.package_wish().is_some());
                if is_package(resource)
                    && let Some(queue) = self.waiting_for.get_mut(&class)
                {
                    let (with, others) = std::mem::take(queue)
                        .into_iter()
                        .partition::<VecDeque<_>, _>(|next| matches!(next, Next::Act(other, _) if is_package(*other)));
                    *queue = others;
                    together.extend(with.into_iter().filter_map(|next| match next {
                        Next::Act(resource, ready) => Some((resource, ready)),
                        Next::React(_) => None,
                    }));
                }
                if together.len() > 1 {
                    under_way = together.len();
                    self.acting += under_way - 1;
                    self.pool.push(Task::ActPackages { resources: together });
                } else if let Some((resource, ready)) = together.pop() {
                    if self.is_brief(resource) {
                        self.brief.push((resource, ready));
                    } else {
                        self.pool.push(Task::Act { resources: vec![(resource, ready)] });
                    }
                }
            }
        }
        if class != LockClass::Free {
            self.busy.insert(class, under_way);
        }
    }

    fn release(&mut self, resource: usize) {
        let class = self.class(resource);
        if let Some(under_way) = self.busy.get_mut(&class) {
            *under_way -= 1;
            if *under_way == 0 {
                self.busy.remove(&class);
            }
        }
    }

    fn class(&self, resource: usize) -> LockClass {
        self.work.planned.managed[resource].as_deref().map_or(LockClass::Free, |managed| managed.lock_class())
    }

    /// The journal says that it begins, and it does not: the run was cancelled meanwhile.
    fn not_begun(&mut self, resource: usize) {
        if let (true, Some(outcome)) = (self.listening, self.places[resource].outcome.take()) {
            return self.tell_finished(resource, outcome);
        }
        let ops = self.reactions.not_changed(resource);
        self.finish.extend(ops);
        self.finish(resource, Outcome::skipped("cancelled", "the run was cancelled before its turn"));
    }

    // ------------------------------------------------------------------ changed → in place and durable

    fn acted(&mut self, resource: usize, result: Result<Progress, ApplyError>, attempts: u32, scope: Arc<Scope>) {
        self.places[resource].attempts = attempts;
        let staged = match result {
            Ok(Progress::Staged(staged)) => staged,
            Ok(Progress::Done) => Vec::new(),
            Err(error) => return self.changed(resource, Err(error)),
        };
        let has_paths = !scope.unsynced.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_empty();
        if staged.is_empty() && !has_paths {
            return self.changed(resource, Ok(()));
        }
        self.staged.get_or_insert_with(Instant::now);
        self.groups.push((resource, Group { scope, staged, result: Ok(()) }, attempts));
    }

    fn commit_staged(&mut self) {
        let waited = self.staged.is_some_and(|since| since.elapsed() >= GATHER);
        let quiet = self.acting + self.checks + self.checked.len() + self.beginning == 0;
        if self.groups.is_empty() || self.committing || !(quiet || waited || self.groups.len() >= GROUP) {
            return;
        }
        self.staged = None;
        self.committing = true;
        let groups = std::mem::take(&mut self.groups);
        self.acting += groups.len();
        self.pool.push(Task::Commit { groups });
    }

    /// A resource's own change is over.
    fn changed(&mut self, resource: usize, result: Result<(), ApplyError>) {
        match result {
            Ok(()) => self.finish_own(resource, Outcome::new(OutcomeKind::Changed)),
            Err(ApplyError::Cancelled) if !self.is_touched(resource) => {
                self.finish(resource, Outcome::skipped("cancelled", "the run was aborted"));
            }
            Err(error) => self.finish(resource, Outcome::failure(&error)),
        }
    }

    fn is_touched(&self, resource: usize) -> bool {
        self.places[resource].scope.as_ref().is_some_and(|scope| scope.is_touched())
    }

    fn entry(&self, resource: usize) -> &PlannedResource {
        let entry = self.work.entries[resource].expect("only resources of the plan are scheduled");
        &self.entries[entry]
    }
}
