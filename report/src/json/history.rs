//! What earlier runs did, and what of one is undone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ErrorDocument, Event, FORMAT_VERSION, ResourceDocument};

/// What `stead history --json` writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryDocument {
    /// Version of the format.
    pub format_version: String,
    /// The newest first.
    pub runs: Vec<RunDocument>,
}

/// What `stead show RUN --json` writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShownRunDocument {
    /// Version of the format.
    pub format_version: String,
    /// The run.
    pub run: RunDocument,
    /// What it did to each resource, as the `resource_finished` events that it wrote while it ran.
    pub resources: Vec<Event>,
}

/// What `history`, `show` and `drift` write of many nodes with `--on … --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodesDocument<T> {
    /// Version of the format.
    pub format_version: String,
    /// In the order of their names.
    pub nodes: Vec<NodeAnswer<T>>,
}

/// What one node told, or why it did not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeAnswer<T> {
    /// Its name.
    pub node: String,
    /// What it told.
    #[serde(flatten)]
    pub told: Option<T>,
    /// Why it told nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDocument>,
}

/// The runs of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeRuns {
    /// The newest first.
    pub runs: Vec<RunDocument>,
}

/// A run of a node, and what it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeRun {
    /// The run.
    pub run: RunDocument,
    /// What it did to each resource.
    pub resources: Vec<Event>,
}

/// What has drifted on a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeDrift {
    /// Changed since the last apply.
    pub drifted: Vec<DriftedDocument>,
    /// Ids of resources that are not as wanted, and were never left so.
    pub pending: Vec<String>,
    /// How many are as the last apply left them.
    pub as_left: usize,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunDocument {
    /// Its number in the journal.
    pub run: String,
    /// The node it was for.
    pub node: String,
    /// The root directory it worked on.
    pub root: String,
    /// When it began: RFC 3339 in UTC.
    pub started: String,
    /// When it ended.
    pub finished: Option<String>,
    /// `running done failed cancelled interrupted`.
    pub status: String,
    /// The run that it undid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// How many resources it changed.
    pub changed: u32,
    /// How many it could not change.
    pub failed: u32,
    /// Resources whose change had begun and not ended: where a killed run stood.
    pub unfinished: Vec<String>,
}

/// What `stead history --rollouts --json` writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutsDocument {
    /// Version of the format.
    pub format_version: String,
    /// The newest first.
    pub rollouts: Vec<RolloutDocument>,
}

/// One apply to many hosts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutDocument {
    /// Its number, for `--resume` and `undo --rollout`.
    pub rollout: String,
    /// When it began: RFC 3339 in UTC.
    pub started: Option<String>,
    /// The project; none where hosts were known to ssh alone.
    pub project: Option<String>,
    /// The targets, as they were given.
    pub on: String,
    /// How many hosts were to be worked on.
    pub hosts: usize,
    /// How many hosts there are of each outcome; `begun` are those of which nothing more was written down.
    pub outcomes: BTreeMap<String, usize>,
    /// The rollout that it went on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
    /// What it took back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<UndoneDocument>,
}

/// What was taken back on many hosts: what a rollout did, or a run of each host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UndoneDocument {
    /// The rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// The run of each host, as it was named: its number, or `last`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// What a plan that undoes a run says besides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UndoDocument {
    /// The run that is undone.
    pub run: String,
    /// What somebody else has changed since, and the undo would lose.
    pub conflicts: Vec<ConflictDocument>,
    /// What stays as it is.
    pub not_undone: Vec<NotUndoneDocument>,
}

/// Something that is not as a run left it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConflictDocument {
    /// The path, or the kind and name of something else.
    pub what: String,
    /// What differs.
    pub differs: String,
    /// When it was changed, where the file system tells.
    pub changed: Option<String>,
    /// The later run that changed it.
    pub by_run: Option<String>,
}

/// Something that a run did and that cannot be taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotUndoneDocument {
    /// The resource of the run.
    pub resource: String,
    /// What stays, and why.
    pub why: String,
}

/// What `stead drift --json` writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftDocument {
    /// Version of the format.
    pub format_version: String,
    /// The node's name.
    pub node: String,
    /// Changed since the last apply.
    pub drifted: Vec<DriftedDocument>,
    /// Ids of resources that are not as wanted, and were never left so.
    pub pending: Vec<String>,
    /// How many are as the last apply left them.
    pub as_left: usize,
}

/// One resource that has drifted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftedDocument {
    /// What differs: from what is there to what the last apply left.
    #[serde(flatten)]
    pub resource: ResourceDocument,
    /// When it was last known to be as wanted.
    pub since: String,
    /// The run that left it so.
    pub run: Option<String>,
    /// When it was changed, where the file system tells.
    pub changed: Option<String>,
    /// Who changed it, where the audit log tells.
    pub by: Option<String>,
}

impl<T> NodesDocument<T> {
    /// Makes the document.
    pub fn new(nodes: Vec<NodeAnswer<T>>) -> Self {
        Self { format_version: FORMAT_VERSION.to_owned(), nodes }
    }
}

impl HistoryDocument {
    /// Makes the document.
    pub fn new(runs: Vec<RunDocument>) -> Self {
        Self { format_version: FORMAT_VERSION.to_owned(), runs }
    }
}

impl RolloutsDocument {
    /// Makes the document.
    pub fn new(rollouts: Vec<RolloutDocument>) -> Self {
        Self { format_version: FORMAT_VERSION.to_owned(), rollouts }
    }
}

impl ShownRunDocument {
    /// Makes the document.
    pub fn new(run: RunDocument, resources: Vec<Event>) -> Self {
        Self { format_version: FORMAT_VERSION.to_owned(), run, resources }
    }
}
