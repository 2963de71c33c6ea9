//! Small catalogs for unit tests.

use stead_catalog::{Attributes, Edge, EdgeKind, Meta, Resource, ResourceId, SourceLocation};

/// Returns `count` resources `test["0"]`, `test["1"]` and so on.
pub(crate) fn resources(count: usize) -> Vec<Resource> {
    (0..count).map(|index| resource("test", &index.to_string(), Attributes::new())).collect()
}

/// Returns one resource.
pub(crate) fn resource(type_name: &str, name: &str, attributes: Attributes) -> Resource {
    Resource {
        id: ResourceId::new(type_name, name),
        attributes,
        meta: Meta::default(),
        source: SourceLocation { file: "test.stead".into(), start: 0, end: 0, line: 1, column: 1 },
        path: Vec::new(),
        origins: Vec::new(),
    }
}

/// Returns an edge.
pub(crate) fn edge(from: u32, to: u32, kind: EdgeKind) -> Edge {
    Edge { from, to, kind, reason: "".into(), source: None }
}
