//! The plan document of many nodes, written piece by piece: ten thousand nodes need not be in memory as JSON.

use std::io::{self, Write};

use serde::Serialize;

use super::{CountsDocument, ErrorDocument, FORMAT_VERSION, PlaceDocument, ResourceDocument, UndoDocument};
use crate::many::{NodeEntry, Overview, SharedChange, SourceLine};

/// A node: what changes on it. Unchanged resources are counted.
#[derive(Serialize)]
struct NodeDocument<'a> {
    node: &'a str,
    catalog_hash: String,
    resources: Vec<ResourceDocument>,
    summary: CountsDocument,
    #[serde(skip_serializing_if = "Option::is_none")]
    undo: Option<&'a UndoDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorDocument>,
}

/// A change that nodes have in common.
#[derive(Serialize)]
struct GroupDocument<'a> {
    nodes: Vec<&'a str>,
    states: Vec<&'a str>,
    lines: Vec<LineDocument<'a>>,
    resource: ResourceDocument,
}

/// A line of source that caused a change.
#[derive(Serialize)]
struct LineDocument<'a> {
    #[serde(flatten)]
    place: PlaceDocument,
    side: &'static str,
    text: &'a str,
}

/// Writes an overview as a plan document. `nodes` holds each node with its changes, `groups` each change with its nodes, `kind`
/// says `plan`, `wanted` or `review`. For an overview that was made with [`Overview::keeping_all`].
///
/// # Errors
/// Those of the writer.
pub fn write_overview(overview: &Overview, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{{\"format_version\":\"{FORMAT_VERSION}\",\"kind\":\"{}\",\"hash\":\"", overview.kind().name())?;
    write!(out, "{}\",\"nodes\":[", hex::encode(overview.hash()))?;
    for (at, node) in overview.nodes().iter().enumerate() {
        out.write_all(if at == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &node_document(overview, node))?;
    }
    out.write_all(b"],\"groups\":[")?;
    for (at, change) in overview.shared().iter().enumerate() {
        out.write_all(if at == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &group_document(overview, change))?;
    }
    out.write_all(b"]}\n")
}

fn node_document<'a>(overview: &Overview, node: &'a NodeEntry) -> NodeDocument<'a> {
    NodeDocument {
        node: &node.name,
        catalog_hash: hex::encode(node.catalog_hash),
        resources: node.changes.iter().map(|exact| ResourceDocument::from(overview.change_of(*exact))).collect(),
        summary: node.summary.into(),
        undo: node.undo.as_deref(),
        error: node.failure.as_ref().map(|(code, message)| ErrorDocument::new(code, message)),
    }
}

fn group_document<'a>(overview: &'a Overview, change: &'a SharedChange) -> GroupDocument<'a> {
    let line = |line: &'a SourceLine| LineDocument {
        place: PlaceDocument { file: line.file.to_string(), line: line.line, column: 1 },
        side: if line.is_new { "head" } else { "base" },
        text: &line.text,
    };
    GroupDocument {
        nodes: change.nodes.iter().map(|node| &*overview.nodes()[*node as usize].name).collect(),
        states: change.states.iter().map(|state| &**state).collect(),
        lines: change.lines.iter().map(line).collect(),
        resource: ResourceDocument::from(&*change.resource),
    }
}
