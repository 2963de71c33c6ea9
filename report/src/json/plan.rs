//! The plan document.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use stead_catalog::{Cause, Change, Plan, PlannedResource, Shown, Summary};

use super::value::{digest_json, value_json};
use super::{ErrorDocument, FORMAT_VERSION, PlaceDocument, ReadError, UndoDocument, check_version};
use crate::lines::Diff;
use crate::value::{is_hidden, text_sides};

/// The plans of one or more nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanDocument {
    /// Version of the format.
    pub format_version: String,
    /// One plan a node.
    pub nodes: Vec<NodePlan>,
    /// The run that the plan undoes, and what is to be said of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<UndoDocument>,
}

/// The plan of one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodePlan {
    /// The node's name.
    pub node: String,
    /// BLAKE3 of the catalog, in hex.
    pub catalog_hash: String,
    /// In the order of application.
    pub resources: Vec<ResourceDocument>,
    /// How many resources take which action.
    pub summary: CountsDocument,
}

/// The plan of one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceDocument {
    /// `type["name"]`.
    pub id: String,
    /// The resource type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its name among its type.
    pub name: String,
    /// `none create update delete replace run restart`.
    pub action: String,
    /// What caused it, besides a difference of its own.
    pub because: Vec<CauseDocument>,
    /// Where it is declared.
    pub source: PlaceDocument,
    /// Attribute by attribute.
    pub changes: Vec<ChangeDocument>,
    /// Whether it acts is known only later: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// Why it does not act although it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// Why it could not be planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDocument>,
    /// Nothing declares it any more: Stead made it, and takes it away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub orphan: bool,
}

/// A requisite that made a resource act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseDocument {
    /// `watch`, `listen`, `on_changes` …
    pub requisite: String,
    /// The id of the resource it reacts to.
    pub resource: String,
}

/// One attribute that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeDocument {
    /// The attribute's name.
    pub attribute: String,
    /// The value before; null when absent, unknown or sensitive.
    pub before: Json,
    /// The value after; null when absent, unknown or sensitive.
    pub after: Json,
    /// The unified diff of two texts.
    pub diff: Option<String>,
    /// The value is known only after this.
    pub unknown: Option<String>,
    /// The values are secret.
    pub sensitive: bool,
}

/// How many resources take which action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsDocument {
    /// Nothing to do.
    pub unchanged: u32,
    /// To be created.
    pub create: u32,
    /// To be changed in place.
    pub update: u32,
    /// To be taken away.
    pub delete: u32,
    /// To be made anew.
    pub replace: u32,
    /// Commands to be run.
    pub run: u32,
    /// Services to be restarted or reloaded.
    pub restart: u32,
    /// Not planned, for a failure.
    #[serde(default)]
    pub failed: u32,
    /// Held back by a requisite or a guard.
    #[serde(default)]
    pub held: u32,
}

impl PlanDocument {
    /// Makes the document of some plans.
    pub fn new<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> Self {
        Self { format_version: FORMAT_VERSION.to_owned(), nodes: plans.into_iter().map(NodePlan::from).collect(), undo: None }
    }

    /// Reads a document back.
    ///
    /// # Errors
    /// [`ReadError::Malformed`] when it is not a plan document, [`ReadError::Version`] when it is of a later major version.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        #[derive(Deserialize)]
        struct Head {
            format_version: String,
        }
        let head: Head = serde_json::from_str(text)?;
        check_version(&head.format_version)?;
        Ok(serde_json::from_str(text)?)
    }
}

impl From<&Plan> for NodePlan {
    fn from(plan: &Plan) -> Self {
        Self {
            node: plan.node.to_string(),
            catalog_hash: hex::encode(plan.catalog_hash),
            resources: plan.resources.iter().map(ResourceDocument::from).collect(),
            summary: plan.summary().into(),
        }
    }
}

impl From<&PlannedResource> for ResourceDocument {
    fn from(resource: &PlannedResource) -> Self {
        Self {
            id: resource.id.to_string(),
            type_name: resource.id.type_name.to_string(),
            name: resource.id.name.to_string(),
            action: resource.action.name().to_owned(),
            because: resource.because.iter().map(CauseDocument::from).collect(),
            source: (&resource.source).into(),
            changes: resource.changes.iter().map(ChangeDocument::from).collect(),
            unknown: resource.unknown.as_deref().map(str::to_owned),
            held: resource.held.as_deref().map(str::to_owned),
            error: resource.error.as_ref().map(ErrorDocument::from),
            orphan: resource.orphan,
        }
    }
}

impl From<&Cause> for CauseDocument {
    fn from(cause: &Cause) -> Self {
        Self { requisite: cause.kind.name().to_owned(), resource: cause.resource.to_string() }
    }
}

impl From<&Change> for ChangeDocument {
    fn from(change: &Change) -> Self {
        let sensitive = is_hidden(change);
        let side = |side: &Shown| match side {
            Shown::Absent | Shown::Unknown(_) | Shown::Sensitive => Json::Null,
            _ if sensitive => Json::Null,
            Shown::Value(value) => value_json(value),
            Shown::Text(text) => Json::from(&**text),
            Shown::Digest { hash, size } => digest_json(hash, *size),
        };
        let because = |side: &Shown| match side {
            Shown::Unknown(because) => Some(because.to_string()),
            _ => None,
        };
        Self {
            attribute: change.attribute.to_string(),
            before: side(&change.before),
            after: side(&change.after),
            diff: text_sides(change).map(|(old, new)| Diff::of(change, &old, &new).unified()),
            unknown: because(&change.after).or_else(|| because(&change.before)),
            sensitive,
        }
    }
}

impl From<Summary> for CountsDocument {
    fn from(summary: Summary) -> Self {
        let Summary { unchanged, create, update, delete, replace, run, restart, failed, held } = summary;
        Self { unchanged, create, update, delete, replace, run, restart, failed, held }
    }
}
