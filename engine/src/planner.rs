//! From a catalog and a world to a plan. Handed no means to write, so that a dry run cannot change anything.
//!
//! Three steps. All resources observe the machine at once, in parallel. Then the graph is walked in the order of
//! application: a resource whose reads no earlier prediction touches keeps its observation, the others look again at the
//! predicted world; requisites, guards and reactions are decided; the change's effects are predicted. A catalog
//! with `prereq` is walked until what the prerequisites know of their targets no longer changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use stead_catalog::{Action, Catalog, Cause, EdgeKind, Place, PlaceKind, Plan, PlanError, PlannedResource, ResourceId, Secrets};

use crate::discreet::discreet_among;
use crate::graph::Graph;
use crate::joint::JointForecast;
use crate::managed_paths::ManagedPaths;
use crate::reads::{Read, Reads, Recorder};
use crate::{Difference, FileKind, Forecast, Known, Managed, Observation, ObserveError, Predicted, Registry, World};

/// A reaction that an earlier run owed and did not get to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingReaction {
    /// The resource that is to react.
    pub resource: ResourceId,
    /// The resource whose change caused it.
    pub cause: Cause,
}

/// What to plan.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// Reactions still due from earlier runs.
    pub pending: Vec<PendingReaction>,
    /// Plan a part of the catalog, as a run does that stays with the machine. All of it when `None`.
    pub part: Option<Part>,
}

/// A part of a catalog, by the positions of its resources. Everything else is taken to be as it shall be, and is managed all
/// the same: a purge leaves it alone.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// What is planned.
    pub resources: BTreeSet<usize>,
    /// What of it does not act by itself, though it may react, with the reason.
    pub held: BTreeMap<usize, Arc<str>>,
    /// The paths that the whole catalog manages.
    pub paths: Arc<ManagedPaths>,
    /// BLAKE3 of the whole catalog.
    pub catalog_hash: [u8; 32],
}

impl PlanOptions {
    /// Plans everything, with these reactions still due.
    pub fn owing(pending: Vec<PendingReaction>) -> Self {
        Self { pending, part: None }
    }

    fn covers(&self, resource: usize) -> bool {
        self.part.as_ref().is_none_or(|part| part.resources.contains(&resource))
    }
}

/// A plan with what carrying it out needs.
pub struct Planned {
    /// The plan, in the order of application.
    pub plan: Plan,
    /// For each entry of the plan, the position of its resource in the catalog.
    pub order: Vec<usize>,
    /// For each resource of the catalog, what manages it; `None` when its attributes could not be read.
    pub managed: Vec<Option<Box<dyn Managed>>>,
    /// For each entry of the plan, what the resource would do by itself, before requisites and guards have their say.
    pub(crate) wanted: Vec<Action>,
    /// For each entry of the plan, whether a reaction is due besides or instead of the difference.
    pub reactions: Vec<bool>,
    /// Every package change that was simulated, by whichever wish; `None` where nothing was, or nothing could be known.
    pub forecast: Option<Forecast>,
    /// The paths that the catalog manages.
    pub paths: Arc<ManagedPaths>,
    /// The catalog's edges by index.
    pub graph: Graph,
    /// The secrets of all resources.
    pub(crate) secrets: Arc<Secrets>,
    /// For each resource of the catalog, what it looked at on the machine; kept only of a part.
    pub(crate) reads: Vec<Reads>,
}

/// Plans a catalog against a world.
pub fn plan(catalog: &Catalog, registry: &Registry, world: &dyn World, options: &PlanOptions) -> Planned {
    let read: Vec<Result<Box<dyn Managed>, ObserveError>> = catalog
        .resources
        .par_iter()
        .enumerate()
        .map(|(index, resource)| {
            if !options.covers(index) {
                return Err(impossible("it is not in the part that is planned".into()));
            }
            let entry = registry
                .get(&resource.id.type_name)
                .ok_or_else(|| impossible(format!("there is no resource type `{}`", resource.id.type_name)))?;
            entry.read(&resource.attributes).map_err(|error| impossible(error.to_string()))
        })
        .collect();
    plan_managed(catalog, registry, read, world, options)
}

/// Plans a catalog whose resources have been read.
pub(crate) fn plan_managed(
    catalog: &Catalog,
    registry: &Registry,
    read: Vec<Result<Box<dyn Managed>, ObserveError>>,
    world: &dyn World,
    options: &PlanOptions,
) -> Planned {
    let secrets = Arc::new(Secrets::of_all(catalog.resources.iter().map(|resource| &resource.attributes)));
    let read: Vec<_> = read.into_iter().map(|managed| managed.map(|managed| discreet_among(managed, &secrets))).collect();
    let mut graph = Graph::of(catalog);
    let mut order = graph.order();
    order.retain(|resource| options.covers(*resource));
    let paths = match &options.part {
        Some(part) => part.paths.clone(),
        None => Arc::new(ManagedPaths::of(catalog, registry)),
    };
    let wishes = read.iter().flatten().filter_map(|managed| managed.package_wish()).collect();
    let joint = JointForecast::new(world, wishes).deferred(changes_sources(catalog, registry));
    let early: Vec<(Result<Observation, ObserveError>, Reads)> = read
        .par_iter()
        .map(|managed| match managed {
            Ok(managed) => {
                let mut recorder = Recorder::new(world, &joint, &paths);
                if options.part.is_some() {
                    recorder = recorder.keeping_all();
                }
                let observed = managed.observe(&recorder);
                (observed, recorder.into_reads())
            }
            Err(error) => (Err(error.clone()), Reads::default()),
        })
        .collect();

    let mut prerequisites = BTreeSet::new();
    let has_prereq = catalog.edges.iter().any(|edge| edge.kind == EdgeKind::Prereq);
    // Each round can only settle more of the prerequisites; one round a prerequisite is the most it can take.
    let rounds = if has_prereq { catalog.edges.iter().filter(|edge| edge.kind == EdgeKind::Prereq).count() + 1 } else { 1 };
    let mut walk = Walk::run(catalog, registry, world, options, &graph, &order, &read, &early, &joint, &paths, &prerequisites);
    for _ in 1..rounds {
        let active: BTreeSet<usize> = (0..catalog.resources.len())
            .filter(|resource| graph.after(*resource).any(|(to, kind)| kind == EdgeKind::Prereq && walk.acts[to]))
            .collect();
        if active == prerequisites {
            break;
        }
        prerequisites = active;
        walk = Walk::run(catalog, registry, world, options, &graph, &order, &read, &early, &joint, &paths, &prerequisites);
    }

    walk.tell_bringers(&order, &early);
    let Walk { planned, wanted, reactions, counts_on, .. } = walk;
    for (from, to) in counts_on {
        graph.put_after(from, to);
    }
    let forecast = joint.announced();
    drop(joint);
    let catalog_hash = options.part.as_ref().map_or_else(|| *catalog.hash().as_bytes(), |part| part.catalog_hash);
    Planned {
        plan: Plan { node: catalog.node.clone(), catalog_hash, resources: planned },
        order,
        managed: read.into_iter().map(Result::ok).collect(),
        wanted,
        reactions,
        forecast,
        paths,
        graph,
        secrets,
        reads: if options.part.is_some() { early.into_iter().map(|(_, reads)| reads).collect() } else { Vec::new() },
    }
}

/// Says whether a resource owns or brings something that decides which packages are on offer.
fn changes_sources(catalog: &Catalog, registry: &Registry) -> bool {
    let decides = |place: &Place| match place.kind {
        PlaceKind::Repository => true,
        PlaceKind::Path => Path::new(&*place.name).starts_with("/etc/apt"),
        _ => false,
    };
    catalog.resources.iter().any(|resource| {
        let Some(schema) = registry.schema(&resource.id.type_name) else { return false };
        let footprint = (schema.footprint)(&resource.attributes);
        footprint.owns.iter().chain(&footprint.brings).any(decides)
    })
}

fn impossible(message: String) -> ObserveError {
    ObserveError::Impossible {
        code: "catalog-mismatch",
        message,
        hint: "compile and apply with the same version of stead".into(),
    }
}

/// One walk along the graph.
struct Walk<'a> {
    catalog: &'a Catalog,
    registry: &'a Registry,
    graph: &'a Graph,
    options: &'a PlanOptions,
    prerequisites: &'a BTreeSet<usize>,
    predicted: Predicted<'a>,
    paths: &'a ManagedPaths,
    /// By resource: it will change, run or react; `acts` is also set where that is known only later.
    acts: Vec<bool>,
    /// By resource: it cannot be planned, or needs one that cannot.
    failed: Vec<Option<usize>>,
    /// By resource: what may have been brought once it is applied.
    bringers: Vec<Arc<[Arc<str>]>>,
    /// By resource: the last change at or before it.
    unsettled: Vec<Option<usize>>,
    /// By resource: its id in words, where another one asked for it.
    words: HashMap<usize, Arc<str>>,
    planned: Vec<PlannedResource>,
    wanted: Vec<Action>,
    reactions: Vec<bool>,
    /// Pairs of resources with no edge between them of which the second was planned with what the first will have done:
    /// the order of the walk is then the order of the apply.
    counts_on: Vec<(usize, usize)>,
}

impl<'a> Walk<'a> {
    #[expect(clippy::too_many_arguments, reason = "the walk borrows what the planner has prepared, once, from one caller")]
    fn run(
        catalog: &'a Catalog,
        registry: &'a Registry,
        world: &'a dyn World,
        options: &'a PlanOptions,
        graph: &'a Graph,
        order: &[usize],
        read: &[Result<Box<dyn Managed>, ObserveError>],
        early: &[(Result<Observation, ObserveError>, Reads)],
        joint: &'a JointForecast<'a>,
        paths: &'a ManagedPaths,
        prerequisites: &'a BTreeSet<usize>,
    ) -> Walk<'a> {
        let count = catalog.resources.len();
        let mut walk = Walk {
            catalog,
            registry,
            graph,
            options,
            prerequisites,
            predicted: Predicted::new(world).planning(paths, joint),
            paths,
            acts: vec![false; count],
            failed: vec![None; count],
            bringers: vec![Arc::default(); count],
            unsettled: vec![None; count],
            words: HashMap::new(),
            planned: Vec::with_capacity(count),
            wanted: Vec::with_capacity(count),
            reactions: Vec::with_capacity(count),
            counts_on: Vec::new(),
        };
        for &resource in order {
            walk.step(resource, read[resource].as_deref().ok(), &early[resource]);
        }
        walk
    }

    /// Plans one resource; everything before it has been planned.
    fn step(&mut self, index: usize, managed: Option<&dyn Managed>, early: &(Result<Observation, ObserveError>, Reads)) {
        let resource = &self.catalog.resources[index];
        let mut entry = PlannedResource {
            id: resource.id.clone(),
            action: Action::None,
            because: Vec::new(),
            source: resource.source.clone(),
            changes: Vec::new(),
            unknown: None,
            held: None,
            error: None,
            digest: None,
            orphan: resource.meta.orphan.is_some(),
        };
        self.inherit(index);
        let cause = self
            .graph
            .before(index)
            .filter(|(_, kind)| !matches!(kind, EdgeKind::OnFail | EdgeKind::After))
            .find_map(|(from, _)| self.failed[from]);
        if let Some(cause) = cause {
            self.failed[index] = Some(cause);
            entry.held = Some(format!("needs {}, which cannot be planned", self.catalog.resources[cause].id).into());
            return self.finish(entry, Action::None, false);
        }

        let again;
        let observed = if self.predicted.affects(&early.1) && managed.is_some() {
            let recorder = Recorder::again(&self.predicted, self.paths);
            again = managed.map_or_else(|| early.0.clone(), |managed| managed.observe(&recorder));
            // What is looked at may depend on what is found: a user who is there has a crontab.
            let reads = recorder.into_reads();
            let tied: Vec<usize> = self.graph.before(index).map(|(from, _)| from).collect();
            let mut writers = self.predicted.writers_of(&early.1);
            writers.extend(self.predicted.writers_of(&reads));
            self.counts_on.extend(writers.into_iter().filter(|writer| !tied.contains(writer)).map(|writer| (writer, index)));
            &again
        } else {
            &early.0
        };
        let mut difference = match (managed, observed) {
            (Some(managed), Ok(observed)) => managed.diff(observed),
            (_, Err(ObserveError::Unknown { because })) => {
                Difference { action: Action::Update, changes: Vec::new(), unknown: Some(because.clone()) }
            }
            // What nobody declares fails nobody's plan.
            (_, Err(error)) if entry.orphan => {
                entry.held = Some(format!("no longer declared, and left alone: {error}").into());
                return self.finish(entry, Action::None, false);
            }
            (_, Err(error)) => {
                self.failed[index] = Some(index);
                entry.error = Some(error.into());
                return self.finish(entry, Action::None, false);
            }
            (None, Ok(_)) => Difference::NONE,
        };

        entry.unknown = difference.unknown.clone();
        // A part of a file that goes is a deletion, whatever becomes of the file.
        let is_taken = entry.orphan && difference.action == Action::Update;
        entry.action = if is_taken { Action::Delete } else { difference.action };
        let reaction = self.decide(index, managed, &difference, &mut entry);
        if entry.orphan && entry.action == Action::None && entry.held.is_none() && self.is_occupied(index) {
            entry.held = Some("no longer declared, and left alone: it is not empty".into());
        }
        if let (Some(managed), Ok(observed)) = (managed, observed) {
            if entry.action != Action::None {
                entry.digest = managed.digest(observed);
            }
            self.predict(index, managed, observed, &mut difference, &entry);
        } else if entry.action != Action::None {
            self.obscure(index);
        }
        self.acts[index] = entry.action != Action::None;
        if self.acts[index] {
            self.unsettled[index] = Some(index);
        }
        entry.changes = difference.changes;
        self.finish(entry, difference.action, reaction);
    }

    /// What lacks a directory that another resource brings later is told to require it: what comes with a package is no edge.
    fn tell_bringers(&mut self, order: &[usize], early: &[(Result<Observation, ObserveError>, Reads)]) {
        for (entry, index) in self.planned.iter_mut().zip(order) {
            let Some(error) = entry.error.as_mut().filter(|error| &*error.code == "missing-parent") else { continue };
            let paths = early[*index].1.iter().filter_map(|read| match read {
                Read::Path(path) => Some(&**path),
                _ => None,
            });
            if let Some(from) = paths.filter_map(|path| self.predicted.maker_of(path)).find(|from| from != index) {
                let bringer = &self.catalog.resources[from].id;
                error.hint = Some(format!("{bringer} brings that directory: require it, `require = [{bringer}]`").into());
            }
        }
    }

    fn finish(&mut self, entry: PlannedResource, wanted: Action, reaction: bool) {
        self.planned.push(entry);
        self.wanted.push(wanted);
        self.reactions.push(reaction);
    }

    /// Takes over from what comes before: what may have been brought, and the last change.
    fn inherit(&mut self, index: usize) {
        let mut bringers: Vec<Arc<str>> = Vec::new();
        let mut shared: Option<Arc<[Arc<str>]>> = None;
        let mut unsettled = None;
        for (from, _) in self.graph.before(index) {
            unsettled = unsettled.max(self.unsettled[from]);
            if self.bringers[from].is_empty() {
                continue;
            }
            if shared.as_ref().is_none_or(|known| Arc::ptr_eq(known, &self.bringers[from])) {
                shared = Some(self.bringers[from].clone());
                continue;
            }
            bringers.extend(self.bringers[from].iter().cloned());
        }
        self.bringers[index] = match shared {
            Some(shared) if bringers.is_empty() => shared,
            shared => {
                bringers.extend(shared.iter().flat_map(|shared| shared.iter().cloned()));
                bringers.sort();
                bringers.dedup();
                bringers.into()
            }
        };
        self.unsettled[index] = unsettled;
        let because = unsettled.map(|last| self.words_of(last));
        self.predicted.look_as(self.bringers[index].clone(), because);
    }

    /// A resource's id in words, made once for all that come after it.
    fn words_of(&mut self, resource: usize) -> Arc<str> {
        let id = &self.catalog.resources[resource].id;
        self.words.entry(resource).or_insert_with(|| id.to_string().into()).clone()
    }

    /// Applies requisites, guards and reactions to what the resource would do by itself. Returns whether it reacts.
    fn decide(
        &mut self,
        index: usize,
        managed: Option<&dyn Managed>,
        difference: &Difference,
        entry: &mut PlannedResource,
    ) -> bool {
        let mut causes = self.causes(index);
        let reacts = !causes.is_empty()
            && managed.is_some_and(|managed| managed.reaction().is_some() && !managed.absorbs_reaction(difference));
        if entry.action == Action::None && !reacts {
            return false;
        }
        let held = self.options.part.as_ref().filter(|_| !reacts).and_then(|part| part.held.get(&index).cloned());
        if let Some(held) = held.or_else(|| self.held(index, managed, entry)) {
            entry.held = Some(held);
            entry.action = Action::None;
            return false;
        }
        if reacts {
            entry.because.append(&mut causes);
            entry.action = match managed.and_then(Managed::reaction) {
                Some(crate::ReactionKind::Run) => Action::Run,
                _ => Action::Restart,
            };
        } else {
            let decisive = |kind| matches!(kind, EdgeKind::OnChanges | EdgeKind::Prereq);
            entry.because = self.changing(index, decisive);
        }
        reacts
    }

    /// The changes a resource reacts to, and reactions that an earlier run owed.
    fn causes(&self, index: usize) -> Vec<Cause> {
        let mut causes = self.changing(index, |kind| matches!(kind, EdgeKind::Watch | EdgeKind::Listen));
        let id = &self.catalog.resources[index].id;
        for pending in self.options.pending.iter().filter(|pending| pending.resource == *id) {
            if !causes.contains(&pending.cause) {
                causes.push(pending.cause.clone());
            }
        }
        causes
    }

    /// The resources that act among those tied to this one by edges of some kinds.
    fn changing(&self, index: usize, wanted: impl Fn(EdgeKind) -> bool) -> Vec<Cause> {
        let before = self.graph.before(index).filter(|(_, kind)| wanted(*kind) && *kind != EdgeKind::Prereq);
        let after = self.graph.after(index).filter(|(_, kind)| wanted(*kind) && *kind == EdgeKind::Prereq);
        let mut tied: Vec<(usize, EdgeKind)> =
            before.filter(|(from, _)| self.acts[*from]).chain(after.filter(|_| self.prerequisites.contains(&index))).collect();
        tied.sort_unstable();
        tied.dedup();
        tied.into_iter().map(|(resource, kind)| Cause { kind, resource: self.catalog.resources[resource].id.clone() }).collect()
    }

    /// Why a resource that differs does not act; `None` when it does. A guard that cannot be asked yet marks the entry.
    fn held(&self, index: usize, managed: Option<&dyn Managed>, entry: &mut PlannedResource) -> Option<Arc<str>> {
        let resource = &self.catalog.resources[index];
        let has = |kind| self.graph.before(index).any(|(_, k)| k == kind);
        if resource.meta.noop {
            return Some("noop".into());
        }
        if let Some(by) = resource.meta.orphan.as_ref().and_then(|orphan| orphan.needed_by.as_ref()) {
            return Some(format!("no longer declared, and still needed by {by}").into());
        }
        if has(EdgeKind::OnFail) {
            return Some("on_fail: acts only when what it names fails".into());
        }
        if has(EdgeKind::OnChanges) && self.changing(index, |kind| kind == EdgeKind::OnChanges).is_empty() {
            return Some("on_changes: nothing it names changes".into());
        }
        let is_prerequisite = self.graph.after(index).any(|(_, kind)| kind == EdgeKind::Prereq);
        if is_prerequisite && !self.prerequisites.contains(&index) {
            return Some("prereq: what it precedes does not change".into());
        }
        let guards = resource
            .meta
            .only_if
            .iter()
            .map(|guard| (guard, true))
            .chain(resource.meta.unless.iter().map(|guard| (guard, false)));
        for (command, wanted) in guards {
            let word = if wanted { "only_if" } else { "unless" };
            let Some(managed) = managed else { continue };
            match self.predicted.probe(&managed.guard(command)) {
                Ok(Known::Is(outcome)) if outcome.success != wanted => {
                    let how = if outcome.success { "succeeds" } else { "fails" };
                    return Some(format!("{word}: `{command}` {how}").into());
                }
                Ok(Known::Is(_)) => {}
                Ok(Known::Unknown(because)) => {
                    entry.unknown.get_or_insert_with(|| format!("{word} `{command}` is asked after {because}").into());
                }
                Err(error) => {
                    entry.error = Some(PlanError { message: format!("{word}: {error}").into(), ..PlanError::from(&error) });
                    return Some(format!("{word}: `{command}` could not be asked").into());
                }
            }
        }
        None
    }

    /// Tells the predicted world what the resource will have done.
    fn predict(
        &mut self,
        index: usize,
        managed: &dyn Managed,
        observed: &Observation,
        difference: &mut Difference,
        entry: &PlannedResource,
    ) {
        if entry.action == Action::None {
            return;
        }
        if entry.unknown.is_some() && difference.unknown.is_none() {
            // It may not act at all: what it owns or brings can be either way.
            return self.obscure(index);
        }
        if !entry.orphan {
            difference.action = entry.action;
        }
        self.predicted.predict_as(index);
        managed.predict(observed, difference, &mut self.predicted);
        let brought = self.predicted.take_brought();
        if !brought.is_empty() {
            let mut all: Vec<Arc<str>> = self.bringers[index].iter().cloned().chain(brought).collect();
            all.sort();
            all.dedup();
            self.bringers[index] = all.into();
        }
    }

    /// Says whether an orphan is a directory that stays, for what is in it.
    fn is_occupied(&self, index: usize) -> bool {
        let resource = &self.catalog.resources[index];
        let Some(schema) = self.registry.schema(&resource.id.type_name) else { return false };
        let owns = (schema.footprint)(&resource.attributes).owns;
        owns.iter().filter(|place| place.kind == PlaceKind::Path).any(|place| {
            let seen = self.predicted.stat(Path::new(&*place.name));
            matches!(seen, Ok(Known::Is(Some(stat))) if stat.kind == FileKind::Directory)
        })
    }

    /// What the resource owns and brings is known only after it.
    fn obscure(&mut self, index: usize) {
        self.predicted.predict_as(index);
        let resource = &self.catalog.resources[index];
        let Some(schema) = self.registry.schema(&resource.id.type_name) else { return };
        let footprint = (schema.footprint)(&resource.attributes);
        let because = resource.id.to_string();
        for place in footprint.owns.iter().chain(&footprint.brings).filter(|place| place.kind == PlaceKind::Path) {
            self.predicted.obscure(Path::new(&*place.name), &because);
        }
    }
}
