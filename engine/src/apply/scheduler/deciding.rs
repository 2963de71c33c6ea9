//! What is decided of a resource without a look at it: whether it acts.

use stead_catalog::{Action, EdgeKind, PlanError};

use super::Scheduler;
use crate::{ApplyError, Outcome, OutcomeKind};

impl Scheduler<'_> {
    /// Decides what can be decided without a look: the outcome of a resource that does not act.
    pub(super) fn before_look(&mut self, index: usize) -> Option<Outcome> {
        if let Some(blocked) = self.blocked(index) {
            return Some(blocked);
        }
        if self.work.shared.cancel.is_cancelled() {
            return Some(Outcome::skipped("cancelled", "the run was cancelled before its turn"));
        }
        if self.withheld.contains(&index) {
            return Some(Outcome::skipped("not-accepted", "it is not among the changes that were accepted"));
        }
        let entry = self.entry(index);
        if let Some(PlanError { code, message, hint }) = &entry.error {
            let (message, hint) = (Some(message.to_string()), hint.as_ref().map(ToString::to_string));
            return Some(Outcome { code: Some(code.to_string()), message, hint, ..Outcome::new(OutcomeKind::Failed) });
        }
        if let Some(what) = self.saved.and_then(|saved| saved.moved(entry)) {
            return Some(Outcome::failure(&ApplyError::Moved { what }));
        }
        let held = entry.held.clone();
        let hold = |reason: &str| Some(Outcome::skipped("held", reason));
        let graph = &self.work.planned.graph;
        let tied = |kind: EdgeKind| graph.before(index).filter(move |(_, tie)| *tie == kind).map(|(from, _)| from);
        let meta = &self.work.catalog.resources[index].meta;
        let has_failed = |from: usize| self.places[from].outcome.as_ref().is_some_and(|outcome| outcome.kind.is_bad());
        let (on_fail, on_changes) = (tied(EdgeKind::OnFail).next().is_some(), tied(EdgeKind::OnChanges).next().is_some());
        if meta.noop {
            return held.map_or_else(|| Some(Outcome::new(OutcomeKind::Unchanged)), |held| hold(&held));
        }
        if on_fail {
            if !tied(EdgeKind::OnFail).any(has_failed) {
                return held.map_or_else(|| Some(Outcome::new(OutcomeKind::Unchanged)), |held| hold(&held));
            }
        } else if on_changes && !tied(EdgeKind::OnChanges).any(|from| self.reactions.is_changed(from)) {
            let reason = held.as_deref().unwrap_or("on_changes: nothing it names changed").to_owned();
            return if entry.action == Action::None && held.is_none() {
                Some(Outcome::new(OutcomeKind::Unchanged))
            } else {
                hold(&reason)
            };
        }
        let gated = on_fail || on_changes;
        if let Some(held) = &held
            && !gated
        {
            return hold(held);
        }
        let reacts = !self.reactions.causes(index).is_empty();
        if entry.action == Action::None && entry.unknown.is_none() && !reacts && held.is_none() {
            return Some(Outcome::new(OutcomeKind::Unchanged));
        }
        // A reaction comes with a look at the resource's own state, which the plan found to be as wished.
        self.places[index].unplanned = held.is_some() || on_fail;
        None
    }

    /// Why a resource is not tried: something it depends on failed, or was not tried for that reason.
    fn blocked(&self, index: usize) -> Option<Outcome> {
        let graph = &self.work.planned.graph;
        let needed =
            graph.before(index).filter(|(_, kind)| !matches!(kind, EdgeKind::OnFail | EdgeKind::Listen | EdgeKind::After));
        let mut blockers: Vec<usize> = needed.map(|(from, _)| from).collect();
        blockers.sort_unstable();
        for from in blockers {
            let Some(outcome) = &self.places[from].outcome else { continue };
            let code = outcome.code.as_deref();
            if outcome.kind.is_bad() {
                let id = &self.work.catalog.resources[from].id;
                return Some(Outcome::skipped("dependency-failed", format!("{id}, which it needs, failed")));
            }
            if outcome.kind == OutcomeKind::Skipped && code == Some("dependency-failed") {
                return Some(outcome.clone());
            }
            if outcome.kind == OutcomeKind::Skipped && code == Some("cancelled") {
                return Some(Outcome::skipped("cancelled", "the run was cancelled before its turn"));
            }
        }
        None
    }
}
