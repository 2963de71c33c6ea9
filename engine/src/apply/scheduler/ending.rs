//! The end of a resource's turn: what is told, what the journal gets, and who may go on.

use std::time::Duration;

use super::Scheduler;
use crate::journal::{Detail, Op};
use crate::{Event, Outcome, OutcomeKind};

impl Scheduler<'_> {
    /// A resource's turn is over: those after it may be ready now.
    pub(super) fn finish(&mut self, resource: usize, outcome: Outcome) {
        if self.places[resource].outcome.is_some() {
            return;
        }
        if outcome.kind == OutcomeKind::Changed {
            self.reactions.changed(resource);
        } else if !self.is_touched(resource) {
            let ops = self.reactions.not_changed(resource);
            self.finish.extend(ops);
        }
        let listens = !self.places[resource].listen.is_empty();
        if listens {
            self.places[resource].outcome = Some(outcome);
        } else {
            self.tell_finished(resource, outcome);
        }
        self.open -= 1;
        let after: Vec<usize> = self.work.planned.graph.after(resource).map(|(to, _)| to).collect();
        for to in after {
            let place = &mut self.places[to];
            place.waiting = place.waiting.saturating_sub(1);
            if place.waiting == 0
                && let Some(entry) = self.work.entries[to]
            {
                self.ready.insert((entry, to));
            }
        }
    }

    pub(super) fn tell_finished(&mut self, resource: usize, mut outcome: Outcome) {
        self.tell_undeclared(resource);
        let place = &mut self.places[resource];
        outcome.duration = place.begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        outcome.attempts = if place.acted { place.attempts.max(1) } else { 0 };
        if outcome.kind == OutcomeKind::NotConverged
            && let Some(scope) = &place.scope
        {
            outcome.remaining = std::mem::take(&mut scope.remaining.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        }
        if place.acted
            && let Some(scope) = &place.scope
        {
            let (code, message) = (outcome.code.clone(), outcome.message.clone());
            let sequence = scope.sequence;
            let afters = std::mem::take(&mut *scope.afters.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
            if let Some(left) = &self.work.shared.left {
                let paths = afters.iter().filter(|new| new.after.path().is_some()).map(|new| (sequence, new.after.clone()));
                left.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(paths);
            }
            self.finish.extend(afters.into_iter().map(|after| Op::After { sequence, after }));
            self.finish.push(Op::Finish { sequence: scope.sequence, outcome: outcome.kind, code, message });
        } else if outcome.kind.is_bad() {
            self.tell_journal(resource, &outcome);
        }
        let place = &mut self.places[resource];
        place.outcome = Some(outcome);
        if let (Some(entry), Some(outcome)) = (self.work.entries[resource], &self.places[resource].outcome) {
            self.events.event(&Event::ResourceFinished { resource: &self.entries[entry], outcome });
        }
    }

    /// Tells what the resource's commands wrote without having declared it.
    fn tell_undeclared(&self, resource: usize) {
        let Some(scope) = &self.places[resource].scope else { return };
        let undeclared = std::mem::take(&mut *scope.undeclared.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for found in &undeclared {
            match found {
                Ok(written) => self.events.event(&Event::UndeclaredWrite { resource: self.entry(resource), written }),
                Err(why) => {
                    let id = &self.entry(resource).id;
                    let message = format!("what {id} writes is not known: it could not be traced: {why}");
                    self.events.event(&Event::Warning { code: "audit-unavailable", message });
                }
            }
        }
    }

    /// Puts a failure that came before any change into the journal.
    fn tell_journal(&mut self, resource: usize, outcome: &Outcome) {
        let sequence = self.work.sequence.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let entry = self.entry(resource);
        let (id, action) = (entry.id.to_string(), entry.action);
        let (code, message) = (outcome.code.clone(), outcome.message.clone());
        let source = Some(entry.source.clone());
        let detail = Detail {
            changes: entry.changes.clone(),
            because: entry.because.clone(),
            sensitive: false,
            source,
            orphan: entry.orphan,
        };
        self.finish.push(Op::Begin { sequence, resource: id.into(), action, detail });
        self.finish.push(Op::Finish { sequence, outcome: outcome.kind, code, message });
    }

    /// Hands what has gathered for the journal over. Nothing waits for it.
    pub(super) fn flush(&mut self) {
        if !self.finish.is_empty() {
            self.work.shared.journal.send(std::mem::take(&mut self.finish), |_| {});
        }
    }
}
