//! What became of each host.

use stead_engine::{Counts, RunReport, RunStatus, Story};

use super::HostFailure;

/// What became of a host.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum HostOutcome {
    /// There was nothing to do.
    Unchanged,
    /// Everything was done.
    Changed { run: Option<i64>, counts: Counts },
    /// Something failed.
    Failed { run: Option<i64>, counts: Counts, first: Option<HostFailure> },
    /// The changes were made, and a health check says that the host does not work.
    Unhealthy { run: Option<i64>, why: String },
    /// It could not be worked on: nothing was changed.
    Unreachable(HostFailure),
    /// The connection broke; the host's own journal tells how far it came, where it could be asked.
    Lost { run: Option<i64>, story: Option<Box<Told>> },
    /// The run was ended early.
    Cancelled { run: Option<i64>, counts: Counts },
    /// It was not its turn yet.
    NotTried(&'static str),
}

/// What a host's journal tells about a run whose connection broke.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    /// How the run ended: `done failed cancelled interrupted`.
    pub(crate) status: String,
    /// What it did.
    pub(crate) counts: Counts,
    /// Resources whose change was cut off.
    pub(crate) unfinished: Vec<String>,
}

impl HostOutcome {
    /// The outcome of a run that was followed to its end.
    pub(crate) fn of(report: &RunReport) -> Self {
        let (run, counts) = (report.run, report.counts());
        if counts.failed + counts.not_converged > 0 {
            let bad = report.results.iter().find(|(_, outcome)| outcome.kind.is_bad());
            let first = bad.map(|(resource, outcome)| {
                let code = outcome.code.clone().unwrap_or_else(|| outcome.kind.name().replace('_', "-"));
                let message = format!("{}: {}", resource.id, outcome.message.clone().unwrap_or_default());
                HostFailure::new(code, message, outcome.hint.clone())
            });
            return Self::Failed { run, counts, first };
        }
        if report.cancelled {
            return Self::Cancelled { run, counts };
        }
        if counts.changed > 0 { Self::Changed { run, counts } } else { Self::Unchanged }
    }

    /// The outcome of a host whose run did not begin.
    pub(crate) fn not_begun(failure: HostFailure) -> Self {
        match failure.is_contact {
            true => Self::Unreachable(failure),
            false => Self::Failed { run: None, counts: Counts::default(), first: Some(failure) },
        }
    }

    /// The outcome of a run whose connection broke, with what the host's journal says.
    pub(crate) fn lost(run: Option<i64>, story: Option<Story>) -> Self {
        let Some(story) = story else { return Self::Lost { run, story: None } };
        let counts = story.counts();
        if story.run.status == RunStatus::Done {
            return Self::Changed { run, counts };
        }
        let told = Told { status: story.run.status.name().to_owned(), counts, unfinished: story.run.unfinished.clone() };
        Self::Lost { run, story: Some(Box::new(told)) }
    }

    /// The word for it, in text and in JSON.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Changed { .. } => "changed",
            Self::Failed { .. } => "failed",
            Self::Unhealthy { .. } => "unhealthy",
            Self::Unreachable(_) => "unreachable",
            Self::Lost { .. } => "lost",
            Self::Cancelled { .. } => "cancelled",
            Self::NotTried(_) => "not_tried",
        }
    }

    /// Says whether the host is as it is wanted.
    pub(crate) fn is_good(&self) -> bool {
        matches!(self, Self::Unchanged | Self::Changed { .. })
    }

    /// Says whether it counts against `--max-failures`.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Unhealthy { .. } | Self::Unreachable(_) | Self::Lost { .. })
    }

    /// The number of the run on the host.
    pub(crate) fn run(&self) -> Option<i64> {
        match self {
            Self::Changed { run, .. }
            | Self::Failed { run, .. }
            | Self::Unhealthy { run, .. }
            | Self::Lost { run, .. }
            | Self::Cancelled { run, .. } => *run,
            Self::Unchanged | Self::Unreachable(_) | Self::NotTried(_) => None,
        }
    }

    /// What there is to say about it, in a few words.
    pub(crate) fn words(&self) -> String {
        let run = self.run().map(|run| format!(", run {run}")).unwrap_or_default();
        match self {
            Self::Unchanged => "nothing to do".to_owned(),
            Self::Changed { counts, .. } | Self::Cancelled { counts, .. } => format!("{}{run}", words(*counts)),
            Self::Failed { counts, first, .. } => {
                let first = first.as_ref().map(|first| format!(": {} [{}]", first.message, first.code)).unwrap_or_default();
                format!("{}{run}{first}", words(*counts))
            }
            Self::Unhealthy { why, .. } => format!("{why}{run} [unhealthy]"),
            Self::Unreachable(failure) => format!("{} [{}]", failure.message, failure.code),
            Self::Lost { story: None, .. } => {
                format!("the connection broke{run}, and the host cannot be asked what became of it [connection-lost]")
            }
            Self::Lost { story: Some(told), .. } => {
                let cut = match told.unfinished.as_slice() {
                    [] => String::new(),
                    [one] => format!(", while it changed {one}"),
                    [first, rest @ ..] => format!(", while it changed {first} and {} more", rest.len()),
                };
                format!("the connection broke{run}: {}, {}{cut} [connection-lost]", told.status, words(told.counts))
            }
            Self::NotTried(why) => (*why).to_owned(),
        }
    }
}

fn words(counts: Counts) -> String {
    let parts = [
        (counts.changed, "changed"),
        (counts.failed, "failed"),
        (counts.not_converged, "not converged"),
        (counts.skipped, "not done"),
        (counts.unchanged, "unchanged"),
    ];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if parts.is_empty() { "nothing done".to_owned() } else { parts.join(", ") }
}
