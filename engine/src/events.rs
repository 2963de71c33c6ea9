//! What a run tells while it runs, and at its end.

use std::time::Duration;

use stead_catalog::{Cause, Change, OutcomeKind, PlannedResource};

use crate::{ApplyError, PendingReaction, Written};

/// How applying one resource ended, with what there is to say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub kind: OutcomeKind,
    /// Stable code of the failure, or of why it was skipped: `dependency-failed`, `held`, `cancelled`.
    pub code: Option<String>,
    /// Why it failed or was skipped.
    pub message: Option<String>,
    /// The way out, where one is known.
    pub hint: Option<String>,
    /// How long it took.
    pub duration: Duration,
    /// Tries it took, 0 when it was not tried.
    pub attempts: u32,
    /// What a second look still found to be different.
    pub remaining: Vec<Change>,
}

impl Outcome {
    /// An outcome with nothing more to say.
    pub fn new(kind: OutcomeKind) -> Self {
        Self { kind, code: None, message: None, hint: None, duration: Duration::ZERO, attempts: 0, remaining: Vec::new() }
    }

    /// A resource that was not tried.
    pub(crate) fn skipped(code: &str, message: impl Into<String>) -> Self {
        Self { code: Some(code.into()), message: Some(message.into()), ..Self::new(OutcomeKind::Skipped) }
    }

    /// A failure, in its own words.
    pub(crate) fn failure(error: &ApplyError) -> Self {
        let kind = if matches!(error, ApplyError::NotConverged { .. }) { OutcomeKind::NotConverged } else { OutcomeKind::Failed };
        Self { code: Some(error.code().into()), message: Some(error.to_string()), hint: error.hint(), ..Self::new(kind) }
    }
}

/// One thing that happened in a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Something that does not stop the run: the journal was lost, the last run was killed.
    Warning {
        /// Stable code: `journal-moved-aside`, `run-interrupted`, `temporary-left`.
        code: &'a str,
        /// In words.
        message: String,
    },
    /// The lock is held and the journal open.
    RunStarted {
        /// The run's number in the journal, where there is one.
        run: Option<i64>,
        /// How many resources are in the plan.
        resources: usize,
    },
    /// A change begins. Not told of resources with nothing to do.
    ResourceStarted {
        /// What was planned.
        resource: &'a PlannedResource,
    },
    /// A try failed and there will be another.
    ResourceRetried {
        /// What was planned.
        resource: &'a PlannedResource,
        /// The failed try, from 1.
        attempt: u32,
        /// Tries in all.
        attempts: u32,
        /// What went wrong.
        message: String,
    },
    /// A resource is done with, whatever became of it.
    ResourceFinished {
        /// What was planned; action and changes are the real ones where the plan could not know them.
        resource: &'a PlannedResource,
        /// How it ended.
        outcome: &'a Outcome,
    },
    /// A resource reacts to the changes it watches.
    ReactionStarted {
        /// What was planned.
        resource: &'a PlannedResource,
        /// What it reacts to.
        because: &'a [Cause],
    },
    /// A reaction is over.
    ReactionFinished {
        /// What was planned.
        resource: &'a PlannedResource,
        /// What it reacted to.
        because: &'a [Cause],
        /// The failure's code and message.
        failure: Option<(&'a str, &'a str)>,
        /// How long it took.
        duration: Duration,
    },
    /// A command has written something that it does not declare. Told before the resource is finished.
    UndeclaredWrite {
        /// What was planned.
        resource: &'a PlannedResource,
        /// What it wrote.
        written: &'a Written,
    },
    /// Nothing more will happen.
    RunFinished {
        /// Everything that happened.
        report: &'a RunReport,
    },
}

/// Takes the events of a run, one at a time and in order.
pub trait Events: Sync {
    /// Takes one event.
    fn event(&self, event: &Event<'_>);

    /// The run waits for something: what was held back for others to go with it is to be told now. Comes several times
    /// a second at the least, and at the end.
    fn rest(&self) {}
}

/// Nobody listens.
impl Events for () {
    fn event(&self, _event: &Event<'_>) {}
}

/// How many resources ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// There was nothing to do.
    pub unchanged: u32,
    /// Changed.
    pub changed: u32,
    /// Failed.
    pub failed: u32,
    /// Not tried.
    pub skipped: u32,
    /// Changed, and still different.
    pub not_converged: u32,
}

/// What a run did.
#[derive(Clone, Debug, PartialEq)]
pub struct RunReport {
    /// The run's number in the journal, where there is one.
    pub run: Option<i64>,
    /// Every resource of the plan, in the order of the plan, with its outcome.
    pub results: Vec<(PlannedResource, Outcome)>,
    /// Reactions that are still due, and will be in the next run's plan.
    pub pending: Vec<PendingReaction>,
    /// The run was asked to end early.
    pub cancelled: bool,
    /// How long it took.
    pub duration: Duration,
}

impl RunReport {
    /// Counts the outcomes.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, outcome) in &self.results {
            *match outcome.kind {
                OutcomeKind::Unchanged => &mut counts.unchanged,
                OutcomeKind::Changed => &mut counts.changed,
                OutcomeKind::Failed => &mut counts.failed,
                OutcomeKind::Skipped => &mut counts.skipped,
                OutcomeKind::NotConverged => &mut counts.not_converged,
            } += 1;
        }
        counts
    }

    /// Says whether nothing failed, nothing was left undone and nobody ended it early.
    pub fn is_success(&self) -> bool {
        let counts = self.counts();
        counts.failed == 0 && counts.not_converged == 0 && !self.cancelled
    }
}
