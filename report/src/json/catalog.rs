//! The catalog document.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use stead_catalog::{Catalog, DriftPolicy, Edge, Meta, Origin, Resource};

use super::{ErrorDocument, FORMAT_VERSION, PlaceDocument, value_json};

/// Every resource wanted on a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogDocument {
    /// Version of the format.
    pub format_version: String,
    /// The node's name.
    pub node: String,
    /// BLAKE3 of the catalog, in hex.
    pub hash: String,
    /// In the order of the source.
    pub resources: Vec<CatalogResource>,
    /// What comes before what, and why.
    pub edges: Vec<CatalogEdge>,
}

/// The catalogs of several nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogsDocument {
    /// Version of the format.
    pub format_version: String,
    /// One catalog a node.
    pub nodes: Vec<NodeCatalogDocument>,
}

/// The catalog of one of several nodes, or why it has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeCatalogDocument {
    /// The node's name.
    pub node: String,
    /// BLAKE3 of the catalog, in hex; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// In the order of the source.
    pub resources: Vec<CatalogResource>,
    /// What comes before what, and why.
    pub edges: Vec<CatalogEdge>,
    /// Why there is no catalog for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDocument>,
}

impl CatalogsDocument {
    /// Puts catalogs together.
    pub fn new(nodes: Vec<NodeCatalogDocument>) -> Self {
        Self { format_version: FORMAT_VERSION.to_owned(), nodes }
    }
}

impl NodeCatalogDocument {
    /// A node that has no catalog: code and message.
    pub fn failed(node: &str, code: &str, message: &str) -> Self {
        let error = Some(ErrorDocument::new(code, message));
        Self { node: node.to_owned(), hash: None, resources: Vec::new(), edges: Vec::new(), error }
    }
}

impl From<&Catalog> for NodeCatalogDocument {
    fn from(catalog: &Catalog) -> Self {
        let CatalogDocument { node, hash, resources, edges, .. } = CatalogDocument::from(catalog);
        Self { node, hash: Some(hash), resources, edges, error: None }
    }
}

/// One resource as it is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogResource {
    /// `type["name"]`.
    pub id: String,
    /// The resource type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its name among its type.
    pub name: String,
    /// Attribute values, defaults filled in; a secret is null.
    pub attributes: Map<String, Json>,
    /// Attributes whose value is or holds a secret.
    pub sensitive: Vec<String>,
    /// Guards, retry, tags.
    pub meta: MetaDocument,
    /// Where it is declared.
    pub source: PlaceDocument,
    /// The states that led to it, outermost first.
    pub path: Vec<String>,
    /// Where values came from that were not written in the resource itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<OriginDocument>,
}

/// Guards, retry, tags; what is not given is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetaDocument {
    /// Commands that must succeed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only_if: Vec<Json>,
    /// Commands of which none may succeed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<Json>,
    /// Tries in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_attempts: Option<u32>,
    /// Nanoseconds between two tries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_delay_ns: Option<u64>,
    /// Longest time one try may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ns: Option<u64>,
    /// Labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Shown, never applied.
    #[serde(default)]
    pub noop: bool,
    /// `fix` or `report`; left out where it is `fix`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_drift: Option<String>,
}

/// One step of where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginDocument {
    /// The attribute.
    pub attribute: String,
    /// The step in words.
    pub step: String,
    /// The place, where there is one.
    pub source: Option<PlaceDocument>,
}

/// One edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogEdge {
    /// The earlier resource.
    pub from: String,
    /// The later resource.
    pub to: String,
    /// `require watch on_changes on_fail prereq listen automatic`.
    pub kind: String,
    /// Why an automatic edge is there; empty for a written one.
    pub reason: String,
    /// Where the requisite is written.
    pub source: Option<PlaceDocument>,
}

impl From<&Catalog> for CatalogDocument {
    fn from(catalog: &Catalog) -> Self {
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            node: catalog.node.to_string(),
            hash: catalog.hash().to_hex().to_string(),
            resources: catalog.resources.iter().map(CatalogResource::from).collect(),
            edges: edges(catalog),
        }
    }
}

/// The edges of a catalog by id; one that points nowhere is left out.
pub(super) fn edges(catalog: &Catalog) -> Vec<CatalogEdge> {
    catalog.edges.iter().filter_map(|edge| edge_document(catalog, edge)).collect()
}

fn edge_document(catalog: &Catalog, edge: &Edge) -> Option<CatalogEdge> {
    let id = |at: u32| catalog.resources.get(usize::try_from(at).ok()?).map(|resource| resource.id.to_string());
    Some(CatalogEdge {
        from: id(edge.from)?,
        to: id(edge.to)?,
        kind: edge.kind.name().to_owned(),
        reason: edge.reason.to_string(),
        source: edge.source.as_ref().map(PlaceDocument::from),
    })
}

impl From<&Resource> for CatalogResource {
    fn from(resource: &Resource) -> Self {
        let sensitive = resource.attributes.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.to_string());
        Self {
            id: resource.id.to_string(),
            type_name: resource.id.type_name.to_string(),
            name: resource.id.name.to_string(),
            attributes: resource.attributes.iter().map(|(name, value)| (name.to_string(), value_json(value))).collect(),
            sensitive: sensitive.collect(),
            meta: (&resource.meta).into(),
            source: (&resource.source).into(),
            path: resource.path.iter().map(ToString::to_string).collect(),
            origins: resource.origins.iter().map(OriginDocument::from).collect(),
        }
    }
}

impl From<&Origin> for OriginDocument {
    fn from(origin: &Origin) -> Self {
        Self {
            attribute: origin.attribute.to_string(),
            step: origin.step.clone(),
            source: origin.location.as_ref().map(PlaceDocument::from),
        }
    }
}

impl From<&Meta> for MetaDocument {
    fn from(meta: &Meta) -> Self {
        let command = |command: &stead_catalog::Command| match command {
            stead_catalog::Command::Argv(words) => words.iter().map(|word| Json::from(&**word)).collect(),
            stead_catalog::Command::Shell(line) => Json::from(&**line),
        };
        Self {
            only_if: meta.only_if.iter().map(command).collect(),
            unless: meta.unless.iter().map(command).collect(),
            retry_attempts: meta.retry.map(|retry| retry.attempts),
            retry_delay_ns: meta.retry.map(|retry| retry.delay_ns),
            timeout_ns: meta.timeout_ns,
            tags: meta.tags.iter().map(ToString::to_string).collect(),
            noop: meta.noop,
            on_drift: (meta.on_drift != DriftPolicy::Fix).then(|| meta.on_drift.name().to_owned()),
        }
    }
}
