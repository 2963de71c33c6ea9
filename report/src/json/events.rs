//! What `apply --json` writes while it runs: one event a line.

use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use stead_catalog::{Cause, Plan, PlanError, PlannedResource};

use super::{CauseDocument, ChangeDocument, FORMAT_VERSION, PlaceDocument};
use crate::outcome::{Outcome, RunSummary};

/// One line of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first line.
    RunStarted {
        /// Version of the format.
        format_version: String,
        /// The run's name in the journal, where there is one.
        run: Option<String>,
        /// The node's name.
        node: String,
        /// BLAKE3 of the catalog, in hex.
        catalog_hash: String,
        /// How many resources there are.
        resources: usize,
    },
    /// A change begins.
    ResourceStarted {
        /// `type["name"]`.
        id: String,
        /// What is done.
        action: String,
    },
    /// A resource is done, failed or was passed over.
    ResourceFinished {
        /// `type["name"]`.
        id: String,
        /// What was to be done.
        action: String,
        /// `unchanged changed failed skipped not_converged`.
        outcome: String,
        /// What caused it.
        because: Vec<CauseDocument>,
        /// Where it is declared.
        source: PlaceDocument,
        /// What was changed, or was to be.
        changes: Vec<ChangeDocument>,
        /// What a second look still found.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        remaining: Vec<ChangeDocument>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<ErrorDocument>,
        /// Why it was skipped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The code of that, where it has one: `dependency-failed`, `cancelled`, `held`, `not-accepted`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// How long it took.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
    },
    /// A try failed and there will be another.
    ResourceRetried {
        /// `type["name"]`.
        id: String,
        /// The failed try, from 1.
        attempt: u32,
        /// Tries in all.
        attempts: u32,
        /// What went wrong.
        message: String,
    },
    /// A resource has reacted to what it watches, besides a change of its own.
    ReactionFinished {
        /// `type["name"]`.
        id: String,
        /// What it reacted to.
        because: Vec<CauseDocument>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<ErrorDocument>,
        /// How long it took.
        duration_ms: u64,
    },
    /// Something that does not stop the run.
    Warning {
        /// Stable kebab-case code.
        code: String,
        /// In words.
        message: String,
    },
    /// A command has written something that it does not declare.
    UndeclaredWrite {
        /// `type["name"]`.
        id: String,
        /// What it wrote.
        path: String,
        /// `created changed removed`.
        effect: String,
    },
    /// The machine is watched from here on: what follows are findings, and a run for each that is put right.
    WatchStarted {
        /// How many resources have something that is watched.
        resources: usize,
        /// How many directories are watched for them.
        directories: usize,
    },
    /// Somebody has changed a resource.
    DriftFound {
        /// `type["name"]`.
        id: String,
        /// What is done about it: `fix`, `report`, or `pause` for one that is left alone for a time.
        policy: String,
        /// What would bring it back.
        action: String,
        /// Where it is declared.
        source: PlaceDocument,
        /// Attribute by attribute, from what was found to what is wanted.
        changes: Vec<ChangeDocument>,
        /// How long it is left alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pause_ms: Option<u64>,
    },
    /// A resource that was reported is as it shall be again.
    DriftCleared {
        /// `type["name"]`.
        id: String,
    },
    /// Some hosts of an apply to many begin. The events of each host's run carry its name as `node`.
    BatchStarted {
        /// Which batch, from 1.
        batch: usize,
        /// Batches in all.
        batches: usize,
        /// The hosts.
        nodes: Vec<String>,
    },
    /// A host of an apply to many is done with, whatever became of it.
    NodeFinished {
        /// The host.
        node: String,
        /// `unchanged changed failed unhealthy unreachable lost cancelled not_tried`.
        outcome: String,
        /// The run's name in the journal of the host, where there is one.
        run: Option<String>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<ErrorDocument>,
    },
    /// The last line of an apply to many hosts.
    RolloutFinished {
        /// Version of the format.
        format_version: String,
        /// The rollout's name, for `--resume`; none where nothing was done, which is not kept.
        rollout: Option<String>,
        /// What became of each host.
        nodes: IndexMap<String, String>,
    },
    /// The watch was asked to end.
    WatchEnded {},
    /// The last line of a run.
    RunFinished {
        /// The run's name in the journal, where there is one.
        run: Option<String>,
        /// The run was stopped before it was done.
        cancelled: bool,
        /// What it did, in numbers.
        summary: SummaryDocument,
    },
}

/// A failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDocument {
    /// Stable kebab-case code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// The way out, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What a run did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryDocument {
    /// As it should be already.
    pub unchanged: u32,
    /// Changed, all kinds together.
    pub changed: u32,
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
    /// Restarted or reloaded.
    pub restarted: u32,
    /// Could not be changed.
    pub failed: u32,
    /// Not tried.
    pub skipped: u32,
    /// Changed, and still different.
    pub not_converged: u32,
}

impl ErrorDocument {
    /// Makes one without a way out.
    pub fn new(code: &str, message: &str) -> Self {
        Self { code: code.to_owned(), message: message.to_owned(), hint: None }
    }
}

impl From<&PlanError> for ErrorDocument {
    fn from(error: &PlanError) -> Self {
        let hint = error.hint.as_ref().map(ToString::to_string);
        Self { code: error.code.to_string(), message: error.message.to_string(), hint }
    }
}

impl Event {
    /// The first event of a run.
    pub fn run_started(plan: &Plan, run: Option<String>) -> Self {
        Self::RunStarted {
            format_version: FORMAT_VERSION.to_owned(),
            run,
            node: plan.node.to_string(),
            catalog_hash: hex::encode(plan.catalog_hash),
            resources: plan.resources.len(),
        }
    }

    /// A change begins.
    pub fn resource_started(resource: &PlannedResource) -> Self {
        Self::ResourceStarted { id: resource.id.to_string(), action: resource.action.name().to_owned() }
    }

    /// A resource is done.
    pub fn resource_finished(resource: &PlannedResource, outcome: &Outcome) -> Self {
        let message = outcome.message.clone();
        let is_bad = outcome.kind.is_bad();
        Self::ResourceFinished {
            id: resource.id.to_string(),
            action: resource.action.name().to_owned(),
            outcome: outcome.kind.name().to_owned(),
            because: resource.because.iter().map(CauseDocument::from).collect(),
            source: (&resource.source).into(),
            changes: resource.changes.iter().map(ChangeDocument::from).collect(),
            remaining: outcome.remaining.iter().map(ChangeDocument::from).collect(),
            error: is_bad.then(|| ErrorDocument {
                code: outcome.code.clone().unwrap_or_else(|| outcome.kind.name().replace('_', "-")),
                message: message.clone().unwrap_or_default(),
                hint: outcome.hint.clone(),
            }),
            reason: if is_bad { None } else { message },
            code: outcome.code.as_deref().filter(|_| !is_bad).map(str::to_owned),
            duration_ms: outcome.duration.map(milliseconds),
        }
    }

    /// A resource has drifted; `policy` says what is done about it.
    pub fn drift_found(resource: &PlannedResource, policy: &str, pause: Option<Duration>) -> Self {
        Self::DriftFound {
            id: resource.id.to_string(),
            policy: policy.to_owned(),
            action: resource.action.name().to_owned(),
            source: (&resource.source).into(),
            changes: resource.changes.iter().map(ChangeDocument::from).collect(),
            pause_ms: pause.map(milliseconds),
        }
    }

    /// A resource has reacted.
    pub fn reaction_finished(
        resource: &PlannedResource,
        because: &[Cause],
        failure: Option<(&str, &str)>,
        duration: Duration,
    ) -> Self {
        Self::ReactionFinished {
            id: resource.id.to_string(),
            because: because.iter().map(CauseDocument::from).collect(),
            error: failure.map(|(code, message)| ErrorDocument::new(code, message)),
            duration_ms: milliseconds(duration),
        }
    }

    /// The last event of an apply to many hosts.
    pub fn rollout_finished(rollout: Option<String>, nodes: IndexMap<String, String>) -> Self {
        Self::RolloutFinished { format_version: FORMAT_VERSION.to_owned(), rollout, nodes }
    }

    /// The last event of a run.
    pub fn run_finished(run: Option<String>, cancelled: bool, summary: &RunSummary) -> Self {
        Self::RunFinished { run, cancelled, summary: summary.into() }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl From<&RunSummary> for SummaryDocument {
    fn from(summary: &RunSummary) -> Self {
        let RunSummary { created, updated, deleted, replaced, ran, restarted, unchanged, failed, skipped, not_converged } =
            *summary;
        let changed = summary.changed();
        Self { unchanged, changed, created, updated, deleted, replaced, ran, restarted, failed, skipped, not_converged }
    }
}
