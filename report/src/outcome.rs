//! What became of a planned resource when it was applied.

use std::time::Duration;

use stead_catalog::{Action, Change, OutcomeKind, PlannedResource};

/// How applying one resource ended, with what there is to say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub kind: OutcomeKind,
    /// Stable code of the failure, where there is one.
    pub code: Option<String>,
    /// Why it failed or was skipped.
    pub message: Option<String>,
    /// The way out, where one is known.
    pub hint: Option<String>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// What a second look still found to be different.
    pub remaining: Vec<Change>,
}

impl Outcome {
    /// An outcome with nothing more to say.
    pub fn new(kind: OutcomeKind) -> Self {
        Self { kind, code: None, message: None, hint: None, duration: None, remaining: Vec::new() }
    }
}

/// What a run did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunSummary {
    /// Made.
    pub created: u32,
    /// Changed in place.
    pub updated: u32,
    /// Taken away.
    pub deleted: u32,
    /// Made anew.
    pub replaced: u32,
    /// Commands run.
    pub ran: u32,
    /// Services restarted or reloaded.
    pub restarted: u32,
    /// As they should be already.
    pub unchanged: u32,
    /// Could not be changed.
    pub failed: u32,
    /// Not tried.
    pub skipped: u32,
    /// Changed, and still different.
    pub not_converged: u32,
}

impl RunSummary {
    /// Counts one resource.
    pub fn add(&mut self, resource: &PlannedResource, outcome: OutcomeKind) {
        let count = match (outcome, resource.action) {
            (OutcomeKind::Unchanged, _) | (OutcomeKind::Changed, Action::None) => &mut self.unchanged,
            (OutcomeKind::Failed, _) => &mut self.failed,
            (OutcomeKind::Skipped, _) => &mut self.skipped,
            (OutcomeKind::NotConverged, _) => &mut self.not_converged,
            (OutcomeKind::Changed, Action::Create) => &mut self.created,
            (OutcomeKind::Changed, Action::Update) => &mut self.updated,
            (OutcomeKind::Changed, Action::Delete) => &mut self.deleted,
            (OutcomeKind::Changed, Action::Replace) => &mut self.replaced,
            (OutcomeKind::Changed, Action::Run) => &mut self.ran,
            (OutcomeKind::Changed, Action::Restart) => &mut self.restarted,
        };
        *count += 1;
    }

    /// How many resources were changed.
    pub fn changed(&self) -> u32 {
        self.created + self.updated + self.deleted + self.replaced + self.ran + self.restarted
    }

    /// Says whether nothing failed and nothing was left undone.
    pub fn is_success(&self) -> bool {
        self.failed == 0 && self.not_converged == 0
    }
}
