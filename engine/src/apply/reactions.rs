//! Which reactions are due, from this run and from earlier ones.

use std::collections::{BTreeMap, BTreeSet};

use stead_catalog::{Catalog, Cause, EdgeKind, ResourceId};

use crate::journal::Op;
use crate::{PendingReaction, Planned};

/// The reactions that are due, in step with the journal.
pub(super) struct Reactions<'a> {
    catalog: &'a Catalog,
    planned: &'a Planned,
    /// From earlier runs, by the resource that is to react.
    earlier: BTreeMap<ResourceId, BTreeSet<(EdgeKind, ResourceId)>>,
    /// Written to the journal in this run: who reacts, how tied, to whom.
    written: BTreeSet<(usize, EdgeKind, usize)>,
    /// The same by cause: to whom, how tied, who reacts.
    by_cause: BTreeSet<(usize, EdgeKind, usize)>,
    /// What this run has changed.
    changed: Vec<bool>,
}

impl<'a> Reactions<'a> {
    pub(super) fn new(catalog: &'a Catalog, planned: &'a Planned, pending: Vec<PendingReaction>) -> Self {
        let mut earlier: BTreeMap<ResourceId, BTreeSet<_>> = BTreeMap::new();
        for PendingReaction { resource, cause } in pending {
            earlier.entry(resource).or_default().insert((cause.kind, cause.resource));
        }
        Self {
            catalog,
            planned,
            earlier,
            written: BTreeSet::new(),
            by_cause: BTreeSet::new(),
            changed: vec![false; catalog.resources.len()],
        }
    }

    /// What the journal has to know before `cause` changes.
    pub(super) fn before_change(&mut self, cause: usize) -> Vec<Op> {
        let mut ops = Vec::new();
        for (to, kind) in self.planned.graph.after(cause) {
            let reacts = self.planned.managed[to].as_deref().is_some_and(|managed| managed.reaction().is_some());
            let is_tied = matches!(kind, EdgeKind::Watch | EdgeKind::Listen);
            if is_tied && reacts && !self.catalog.resources[to].meta.noop && self.written.insert((to, kind, cause)) {
                self.by_cause.insert((cause, kind, to));
                ops.push(Op::Due(self.pending(to, kind, cause)));
            }
        }
        ops
    }

    /// Notes that a resource was changed.
    pub(super) fn changed(&mut self, resource: usize) {
        self.changed[resource] = true;
    }

    /// Says whether this run changed a resource.
    pub(super) fn is_changed(&self, resource: usize) -> bool {
        self.changed[resource]
    }

    /// What the journal has to forget when `cause` was, after all, not touched.
    pub(super) fn not_changed(&mut self, cause: usize) -> Vec<Op> {
        let mut ops = Vec::new();
        for (from, kind, to) in of(&self.by_cause, cause) {
            self.forget(to, kind, from);
            let earlier = self.earlier.get(&self.catalog.resources[to].id);
            if earlier.is_none_or(|causes| !causes.contains(&(kind, self.catalog.resources[from].id.clone()))) {
                ops.push(Op::NotDue(self.pending(to, kind, from)));
            }
        }
        ops
    }

    /// What a resource is to react to now: changes of this run and what earlier ones owe.
    pub(super) fn causes(&self, resource: usize) -> Vec<Cause> {
        let tied = self.planned.graph.before(resource).filter(|(_, kind)| matches!(kind, EdgeKind::Watch | EdgeKind::Listen));
        let mut causes: BTreeSet<(EdgeKind, ResourceId)> = tied
            .filter(|(from, _)| self.changed[*from])
            .map(|(from, kind)| (kind, self.catalog.resources[from].id.clone()))
            .collect();
        causes.extend(self.earlier.get(&self.catalog.resources[resource].id).into_iter().flatten().cloned());
        causes.into_iter().map(|(kind, resource)| Cause { kind, resource }).collect()
    }

    /// What the journal has to forget when a resource has reacted, or need not any more.
    pub(super) fn settled(&mut self, resource: usize) -> Vec<Op> {
        let id = &self.catalog.resources[resource].id;
        let earlier = self.earlier.remove(id).unwrap_or_default();
        let mut ops: Vec<Op> = earlier
            .into_iter()
            .map(|(kind, cause)| Op::NotDue(PendingReaction { resource: id.clone(), cause: Cause { kind, resource: cause } }))
            .collect();
        for (to, kind, from) in of(&self.written, resource) {
            self.forget(to, kind, from);
            ops.push(Op::NotDue(self.pending(to, kind, from)));
        }
        ops
    }

    /// The reactions that are still due, for the report.
    pub(super) fn left(&self) -> Vec<PendingReaction> {
        let earlier = self.earlier.iter().flat_map(|(resource, causes)| {
            let pending = |(kind, cause): &(EdgeKind, ResourceId)| PendingReaction {
                resource: resource.clone(),
                cause: Cause { kind: *kind, resource: cause.clone() },
            };
            causes.iter().map(pending)
        });
        let mut left: Vec<PendingReaction> = earlier.collect();
        for (to, kind, from) in &self.written {
            let pending = self.pending(*to, *kind, *from);
            if !left.contains(&pending) {
                left.push(pending);
            }
        }
        left
    }

    fn forget(&mut self, to: usize, kind: EdgeKind, from: usize) {
        self.written.remove(&(to, kind, from));
        self.by_cause.remove(&(from, kind, to));
    }

    fn pending(&self, to: usize, kind: EdgeKind, from: usize) -> PendingReaction {
        let id = |index: usize| self.catalog.resources[index].id.clone();
        PendingReaction { resource: id(to), cause: Cause { kind, resource: id(from) } }
    }
}

/// The entries that begin with `first`.
fn of(set: &BTreeSet<(usize, EdgeKind, usize)>, first: usize) -> Vec<(usize, EdgeKind, usize)> {
    set.range((first, EdgeKind::Require, 0)..).take_while(|(key, ..)| *key == first).copied().collect()
}
