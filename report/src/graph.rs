//! The graph of a catalog for Graphviz.

use std::fmt::Write as _;

use stead_catalog::{Catalog, EdgeKind};

use crate::escape::clean;

/// Returns the catalog's graph in the DOT language. Automatic edges are dashed and carry their reason.
pub fn dot(catalog: &Catalog) -> String {
    let mut out = String::from("digraph stead {\n  rankdir = LR\n  node [shape = box, fontname = \"monospace\"]\n");
    for (at, resource) in catalog.resources.iter().enumerate() {
        let _ = writeln!(out, "  r{at} [label = {}]", quoted(&resource.id.to_string()));
    }
    for edge in &catalog.edges {
        let label = if edge.reason.is_empty() { edge.kind.name() } else { &*edge.reason };
        let style = match edge.kind {
            EdgeKind::Automatic | EdgeKind::After => ", style = dashed",
            EdgeKind::Watch | EdgeKind::Listen | EdgeKind::OnChanges => ", color = blue",
            EdgeKind::OnFail => ", color = red",
            EdgeKind::Require | EdgeKind::Prereq => "",
        };
        let _ = writeln!(out, "  r{} -> r{} [label = {}{style}]", edge.from, edge.to, quoted(label));
    }
    out.push_str("}\n");
    out
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", clean(text).replace('\\', "\\\\").replace('"', "\\\""))
}
