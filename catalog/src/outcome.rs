//! How applying one resource ends.

/// How applying one resource ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OutcomeKind {
    /// There was nothing to do.
    Unchanged,
    /// Done, and seen to be done.
    Changed,
    /// The change could not be made.
    Failed,
    /// Not tried: something it depends on failed, the run was stopped, or it is held.
    Skipped,
    /// Done without an error, and a second look still finds a difference.
    NotConverged,
}

impl OutcomeKind {
    /// The word used in JSON and in the journal.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Changed => "changed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::NotConverged => "not_converged",
        }
    }

    /// Reads the word back.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Unchanged, Self::Changed, Self::Failed, Self::Skipped, Self::NotConverged]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    /// Says whether the run cannot be called a success.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::NotConverged)
    }
}
