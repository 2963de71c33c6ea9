//! The documents and events that `--json` writes, as types of their own: a format does not change
//! because a working type did. Every document starts with [`FORMAT_VERSION`]; readers accept keys they do not know.
//!
//! The JSON Schemas of these types are in `report/schema`; tests hold the two to each other.

mod catalog;
mod events;
mod graph;
mod history;
mod overview;
mod plan;
mod value;

use serde::{Deserialize, Serialize};

pub use catalog::{
    CatalogDocument, CatalogEdge, CatalogResource, CatalogsDocument, MetaDocument, NodeCatalogDocument, OriginDocument,
};
pub use events::{ErrorDocument, Event, SummaryDocument};
pub use graph::{GraphDocument, GraphNode};
pub use history::{
    ConflictDocument, DriftDocument, DriftedDocument, HistoryDocument, NodeAnswer, NodeDrift, NodeRun, NodeRuns, NodesDocument,
    NotUndoneDocument, RolloutDocument, RolloutsDocument, RunDocument, ShownRunDocument, UndoDocument, UndoneDocument,
};
pub use overview::write_overview;
pub use plan::{CauseDocument, ChangeDocument, CountsDocument, NodePlan, PlanDocument, ResourceDocument};
pub use value::{facts_json, value_json};

/// Version of every document here. The second number grows with an addition, the first with a break.
pub const FORMAT_VERSION: &str = "1.0";

/// JSON Schema (draft 2020-12) of the plan document.
pub const PLAN_SCHEMA: &str = include_str!("../schema/plan.schema.json");
/// JSON Schema of one line of the event stream of an apply.
pub const EVENTS_SCHEMA: &str = include_str!("../schema/events.schema.json");
/// JSON Schema of the catalog document.
pub const CATALOG_SCHEMA: &str = include_str!("../schema/catalog.schema.json");
/// JSON Schema of the catalogs of several nodes.
pub const CATALOGS_SCHEMA: &str = include_str!("../schema/catalogs.schema.json");
/// JSON Schema of the history, and of one run that is shown.
pub const HISTORY_SCHEMA: &str = include_str!("../schema/history.schema.json");
/// JSON Schema of what has drifted.
pub const DRIFT_SCHEMA: &str = include_str!("../schema/drift.schema.json");
/// JSON Schema of the order of resources.
pub const GRAPH_SCHEMA: &str = include_str!("../schema/graph.schema.json");
/// JSON Schema of what a machine tells about itself.
pub const FACTS_SCHEMA: &str = include_str!("../schema/facts.schema.json");
/// JSON Schema of the machines that a project knows.
pub const INVENTORY_SCHEMA: &str = include_str!("../schema/inventory.schema.json");
/// JSON Schema of what works on the way to hosts.
pub const SSH_CHECK_SCHEMA: &str = include_str!("../schema/ssh-check.schema.json");
/// JSON Schema of where values came from.
pub const WHY_SCHEMA: &str = include_str!("../schema/why.schema.json");
/// JSON Schema of what a project made on a machine.
pub const LEDGER_SCHEMA: &str = include_str!("../schema/ledger.schema.json");
/// JSON Schema of which secrets can be opened.
pub const SECRETS_SCHEMA: &str = include_str!("../schema/secrets.schema.json");
/// JSON Schema of the documentation of resource types.
pub const DOCS_SCHEMA: &str = include_str!("../schema/docs.schema.json");
/// JSON Schema of which catalogs were reviewed.
pub const REVIEWED_SCHEMA: &str = include_str!("../schema/reviewed.schema.json");
/// JSON Schema of one line of diagnostics.
pub const DIAGNOSTICS_SCHEMA: &str = include_str!("../schema/diagnostics.schema.json");

/// Writes fields as a document, with the version in front.
///
/// # Errors
/// Where they cannot be written as JSON.
pub fn document(fields: serde_json::Value) -> serde_json::Result<String> {
    let mut document = serde_json::Map::new();
    document.insert("format_version".into(), FORMAT_VERSION.into());
    if let serde_json::Value::Object(fields) = fields {
        document.extend(fields);
    }
    pretty(&document)
}

/// A document that is not of this format.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The text is not JSON, or lacks what the format requires.
    #[error("not a plan document: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A later major version.
    #[error("the document has format version `{found}`, this program reads `{FORMAT_VERSION}`")]
    Version {
        /// The version in the document.
        found: String,
    },
}

/// A place in the user's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceDocument {
    /// The file's name, relative to the project.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl From<&stead_catalog::SourceLocation> for PlaceDocument {
    fn from(source: &stead_catalog::SourceLocation) -> Self {
        Self { file: source.file.to_string(), line: source.line, column: source.column }
    }
}

/// Writes a document as indented JSON with a newline at the end.
///
/// # Errors
/// Those of the serializer; the types here have none of their own.
pub fn pretty<T: Serialize>(document: &T) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    Ok(text)
}

pub(crate) fn check_version(found: &str) -> Result<(), ReadError> {
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    if major(found) == major(FORMAT_VERSION) { Ok(()) } else { Err(ReadError::Version { found: found.to_owned() }) }
}

#[cfg(test)]
mod tests;
