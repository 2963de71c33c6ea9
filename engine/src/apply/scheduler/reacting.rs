//! When a resource reacts: after its own change, or at the end of the run.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stead_catalog::Action;

use super::{Next, Scheduler};
use crate::apply::work::Task;
use crate::journal::{Detail, Op};
use crate::machine::{Scope, Secrecy};
use crate::{ApplyError, Event, Outcome, OutcomeKind};

impl Scheduler<'_> {
    /// After its own change a resource reacts, or is done.
    pub(super) fn finish_own(&mut self, resource: usize, outcome: Outcome) {
        let place = &mut self.places[resource];
        if place.react.is_empty() {
            if place.listen.is_empty() {
                let ops = self.reactions.settled(resource);
                self.finish.extend(ops);
            }
            return self.finish(resource, outcome);
        }
        // The rows of the change cover the reaction as well.
        let class = self.class(resource);
        self.waiting_for.entry(class).or_default().push_back(Next::React(resource));
    }

    pub(super) fn start_reaction(&mut self, resource: usize) {
        let place = &self.places[resource];
        let because = if place.react.is_empty() { &place.listen } else { &place.react };
        self.events.event(&Event::ReactionStarted { resource: self.entry(resource), because });
        let sequence = self.work.sequence.load(Ordering::Relaxed);
        let scope = place.scope.clone().unwrap_or_else(|| Arc::new(Scope::new(sequence, Secrecy::unknown())));
        self.pool.push(Task::React { resource, scope });
    }

    pub(super) fn reacted(&mut self, resource: usize, result: Result<(), ApplyError>, duration: Duration) {
        let place = &mut self.places[resource];
        let (react, listen) = (std::mem::take(&mut place.react), std::mem::take(&mut place.listen));
        let because = if react.is_empty() { listen } else { react };
        let told = result.as_ref().err().map(|error| (error.code(), error.to_string()));
        let failure = told.as_ref().map(|(code, message)| (*code, &**message));
        self.events.event(&Event::ReactionFinished { resource: self.entry(resource), because: &because, failure, duration });
        let outcome = match result {
            Ok(()) => {
                let ops = self.reactions.settled(resource);
                self.finish.extend(ops);
                if let Some(scope) = &self.places[resource].scope {
                    self.finish.push(Op::Reacted { sequence: scope.sequence, because: because.clone() });
                }
                Outcome::new(OutcomeKind::Changed)
            }
            Err(ApplyError::Cancelled) if !self.is_touched(resource) => Outcome::skipped("cancelled", "the run was aborted"),
            Err(error) => Outcome::failure(&error),
        };
        if let Some(entry) = self.work.entries[resource]
            && !self.entries[entry].because.iter().any(|cause| because.contains(cause))
        {
            self.entries[entry].because.extend(because);
        }
        if self.listening {
            self.tell_finished(resource, outcome);
        } else {
            self.finish(resource, outcome);
        }
    }

    /// Starts the reactions that wait for the end of the run. Says whether there is something to wait for.
    pub(super) fn listen(&mut self) -> bool {
        if self.listening {
            return self.waiting_for.values().any(|queue| !queue.is_empty()) || self.acting > 0;
        }
        self.listening = true;
        let listeners: Vec<usize> =
            self.work.planned.order.iter().copied().filter(|resource| !self.places[*resource].listen.is_empty()).collect();
        for resource in listeners {
            let is_fine =
                self.places[resource].outcome.as_ref().is_some_and(|o| !o.kind.is_bad() && o.kind != OutcomeKind::Skipped);
            if is_fine && !self.work.shared.cancel.is_cancelled() {
                if let Err(error) = self.begin_reaction(resource) {
                    self.tell_finished(resource, Outcome::failure(&error));
                    continue;
                }
                let class = self.class(resource);
                self.waiting_for.entry(class).or_default().push_back(Next::React(resource));
            } else if let Some(outcome) = self.places[resource].outcome.take() {
                self.tell_finished(resource, outcome);
            }
        }
        self.waiting_for.values().any(|queue| !queue.is_empty())
    }

    /// Writes to the journal that a resource that only reacts begins to.
    fn begin_reaction(&mut self, resource: usize) -> Result<(), ApplyError> {
        if self.places[resource].acted {
            return Ok(());
        }
        let sequence = self.places[resource].scope.as_ref().map_or(0, |scope| scope.sequence);
        let id = self.entry(resource).id.to_string();
        let because = self.places[resource].listen.clone();
        let source = Some(self.entry(resource).source.clone());
        let detail = Detail { because, source, ..Detail::default() };
        self.work.shared.journal.write(vec![Op::Begin { sequence, resource: id.into(), action: Action::Restart, detail }])?;
        self.places[resource].acted = true;
        Ok(())
    }
}
