//! The graph document: resources and edges without attributes.

use serde::{Deserialize, Serialize};
use stead_catalog::Catalog;

use super::{CatalogEdge, FORMAT_VERSION, PlaceDocument, catalog::edges};

/// The graph of a catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphDocument {
    /// Version of the format.
    pub format_version: String,
    /// The node's name.
    pub node: String,
    /// The resources, in the order of the source.
    pub resources: Vec<GraphNode>,
    /// The edges.
    pub edges: Vec<CatalogEdge>,
}

/// A resource in a graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphNode {
    /// `type["name"]`.
    pub id: String,
    /// Where it is declared.
    pub source: PlaceDocument,
}

impl From<&Catalog> for GraphDocument {
    fn from(catalog: &Catalog) -> Self {
        let node =
            |resource: &stead_catalog::Resource| GraphNode { id: resource.id.to_string(), source: (&resource.source).into() };
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            node: catalog.node.to_string(),
            resources: catalog.resources.iter().map(node).collect(),
            edges: edges(catalog),
        }
    }
}
