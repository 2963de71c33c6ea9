//! A run on a machine that a worker works on: carried out, followed by its events, and looked up in the machine's journal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stead_catalog::{OutcomeKind, Plan, PlannedResource, ResourceId};

use super::{Remote, RemoteError, unexpected};
use crate::frames::{self, Answer, FrameError, Request, WireDone, WireEvent};
use crate::journal::{INTERRUPTED, hex};
use crate::{Cancel, Counts, Event, Events, Outcome, Retention, RunRecord, RunReport, SavedPlan};

/// What the journal of a machine tells about a run.
#[derive(Clone, Debug)]
pub struct Story {
    /// The run.
    pub run: RunRecord,
    /// What it changed, as its plan showed it, and what became of that.
    pub changes: Vec<(PlannedResource, Outcome)>,
}

/// How a remote run is carried out.
#[derive(Clone, Debug, Default)]
pub struct RemoteApply {
    /// What is not as it says is stopped.
    pub saved: Option<SavedPlan>,
    /// What is left as it is, whatever the plan says.
    pub withheld: Vec<ResourceId>,
    /// Commands are traced.
    pub audit: bool,
    /// What the machine's journal keeps.
    pub retention: Retention,
    /// The project in whose ledger it is noted what is made.
    pub ledger: Option<String>,
    /// Ends the run early.
    pub cancel: Arc<Cancel>,
}

impl Remote {
    /// Carries out the plan that was made last. Events come as they come from a run on this machine.
    ///
    /// # Errors
    /// When the run did not begin, or the worker is gone: [`RemoteError::Lost`] names the run then, whose story the worker's machine keeps.
    pub fn apply(&mut self, plan: &Plan, options: &RemoteApply, events: &dyn Events) -> Result<RunReport, RemoteError> {
        let begun = Instant::now();
        self.send(&Request::Apply {
            saved: options.saved.as_ref().and_then(|saved| saved.encode().ok()).map(|bytes| hex(&bytes)),
            audit: options.audit,
            max_size: Some(options.retention.max_size),
            max_age_ns: options.retention.max_age.map(frames::nanoseconds),
            withheld: options.withheld.iter().map(|id| (id.type_name.clone(), id.name.clone())).collect(),
            ledger: options.ledger.clone(),
        })?;
        let mut run = Following { plan, run: None, results: BTreeMap::new() };
        let mut asked = 0;
        loop {
            let wanted = u8::from(options.cancel.is_cancelled()) + u8::from(options.cancel.is_aborted());
            while asked < wanted {
                self.send(&Request::Cancel {})?;
                asked += 1;
            }
            let lost = |error: RemoteError| match error {
                RemoteError::Lost { .. } => RemoteError::Lost { run: run.run },
                other => other,
            };
            match self.next_within(Duration::from_millis(200)).map_err(lost)? {
                None => events.rest(),
                Some(Answer::Event(event)) => {
                    if let Some(report) = run.take(event, events, begun)? {
                        return Ok(report);
                    }
                }
                Some(Answer::Failed(problem)) => return Err(RemoteError::Refused(problem.into())),
                Some(other) => return Err(unexpected(other)),
            }
        }
    }

    /// Asks what became of a run, the newest one where none is named, and waits for one that still finishes what it has in hand when that is
    /// wanted. `None` when the journal has no such run.
    ///
    /// # Errors
    /// When the worker is gone or the journal cannot be read.
    pub fn story(&mut self, run: Option<i64>, wait: bool) -> Result<Option<Story>, RemoteError> {
        let until = self.send(&Request::Report { run, wait })?;
        match self.next(until)? {
            Answer::Report { run: None, .. } => Ok(None),
            Answer::Report { run: Some(run), changes } => {
                let changes = changes.into_iter().map(WireDone::read).collect::<Result<_, _>>()?;
                Ok(Some(Story { run: run.read()?, changes }))
            }
            other => Err(unexpected(other)),
        }
    }
}

/// A run that is followed by its events.
struct Following<'a> {
    plan: &'a Plan,
    run: Option<i64>,
    results: BTreeMap<usize, (PlannedResource, Outcome)>,
}

impl Following<'_> {
    fn planned(&self, at: usize) -> Result<&PlannedResource, FrameError> {
        self.plan.resources.get(at).ok_or_else(|| FrameError::malformed("an event about a resource that is not in the plan"))
    }

    /// Passes an event on. The last one gives the report.
    fn take(&mut self, event: WireEvent, events: &dyn Events, begun: Instant) -> Result<Option<RunReport>, RemoteError> {
        match event {
            WireEvent::Warning { code, message } => events.event(&Event::Warning { code: code.as_str(), message }),
            WireEvent::RunStarted { run, resources } => {
                self.run = run;
                events.event(&Event::RunStarted { run, resources });
            }
            WireEvent::Started { at } => events.event(&Event::ResourceStarted { resource: self.planned(at)? }),
            WireEvent::Retried { at, attempt, attempts, message } => {
                events.event(&Event::ResourceRetried { resource: self.planned(at)?, attempt, attempts, message });
            }
            WireEvent::Finished { at, resource, outcome } => {
                let planned = self.planned(at)?;
                let resource = match resource {
                    None => planned.clone(),
                    // What is declared where is known here.
                    Some(told) => PlannedResource { id: planned.id.clone(), source: planned.source.clone(), ..told.read()? },
                };
                let outcome = outcome.read()?;
                events.event(&Event::ResourceFinished { resource: &resource, outcome: &outcome });
                self.results.insert(at, (resource, outcome));
            }
            WireEvent::Reacting { at, because } => {
                let because = because.into_iter().map(frames::read_cause).collect::<Result<Vec<_>, _>>()?;
                events.event(&Event::ReactionStarted { resource: self.planned(at)?, because: &because });
            }
            WireEvent::Reacted { at, because, failure, duration_ns } => {
                let because = because.into_iter().map(frames::read_cause).collect::<Result<Vec<_>, _>>()?;
                let failure = failure.as_ref().map(|(code, message)| (code.as_str(), message.as_str()));
                let duration = Duration::from_nanos(duration_ns);
                events.event(&Event::ReactionFinished { resource: self.planned(at)?, because: &because, failure, duration });
            }
            WireEvent::Undeclared { at, path, effect } => {
                let written = frames::written(path, &effect)?;
                events.event(&Event::UndeclaredWrite { resource: self.planned(at)?, written: &written });
            }
            WireEvent::RunFinished { run, pending, cancelled, .. } => {
                if self.results.len() != self.plan.resources.len() {
                    return Err(FrameError::malformed("a run that ended without telling of every resource").into());
                }
                let pending = pending.into_iter().map(frames::read_pending).collect::<Result<Vec<_>, _>>()?;
                let results = std::mem::take(&mut self.results).into_values().collect();
                let report = RunReport { run, results, pending, cancelled, duration: begun.elapsed() };
                events.event(&Event::RunFinished { report: &report });
                return Ok(Some(report));
            }
        }
        Ok(None)
    }
}

impl Story {
    /// Counts the outcomes of what the run touched.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, outcome) in &self.changes {
            match outcome.kind {
                // It was cut off.
                _ if outcome.code.as_deref() == Some(INTERRUPTED) => counts.skipped += 1,
                OutcomeKind::Unchanged => counts.unchanged += 1,
                OutcomeKind::Changed => counts.changed += 1,
                OutcomeKind::Failed => counts.failed += 1,
                OutcomeKind::NotConverged => counts.not_converged += 1,
                OutcomeKind::Skipped => counts.skipped += 1,
            }
        }
        counts
    }
}
