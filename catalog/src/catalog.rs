//! Every resource wanted on one node, with the edges between them.

use std::sync::Arc;

use crate::{Resource, ResourceId, SourceLocation};

/// What an edge means. All of them order `from` before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EdgeKind {
    /// `to` comes after `from` and is skipped when `from` fails.
    Require,
    /// As require; `to` also reacts when `from` changed.
    Watch,
    /// As require; `to` acts only when at least one such `from` changed.
    OnChanges,
    /// `to` acts only when at least one such `from` failed.
    OnFail,
    /// `from` acts only when `to` would change, and before it does. (`from` is the resource that wrote `prereq`.)
    Prereq,
    /// `to` reacts once, at the end of the run, when `from` changed.
    Listen,
    /// Derived from footprints; as require.
    Automatic,
    /// `to` comes after `from`, whatever becomes of that.
    After,
}

impl EdgeKind {
    /// The requisite's name in the language.
    pub fn name(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::Watch => "watch",
            Self::OnChanges => "on_changes",
            Self::OnFail => "on_fail",
            Self::Prereq => "prereq",
            Self::Listen => "listen",
            Self::Automatic => "automatic",
            Self::After => "after",
        }
    }

    /// Reads the name back.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Require, Self::Watch, Self::OnChanges, Self::OnFail, Self::Prereq, Self::Listen, Self::Automatic, Self::After]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// An edge of the catalog: `from` is applied before `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Index of the earlier resource in [`Catalog::resources`].
    pub from: u32,
    /// Index of the later resource.
    pub to: u32,
    /// What it means.
    pub kind: EdgeKind,
    /// Why an automatic edge is there: `parent directory`, `owner`. Empty for a written requisite.
    pub reason: Arc<str>,
    /// Where the requisite was written.
    pub source: Option<SourceLocation>,
}

/// Every resource wanted on one node: a directed acyclic graph.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// The node's name.
    pub node: Arc<str>,
    /// In the order of the source, which breaks ties in the order of application.
    pub resources: Vec<Resource>,
    /// Sorted by `to`, then `from`, then kind. Acyclic: the compiler has refused cycles.
    pub edges: Vec<Edge>,
}

impl Catalog {
    /// Returns the position of a resource.
    pub fn position(&self, id: &ResourceId) -> Option<usize> {
        self.resources.iter().position(|resource| resource.id == *id)
    }

    /// Returns a BLAKE3 hash over everything that matters on the node: resources, attribute values, edges.
    /// Source locations and documentation are left out, so that a comment does not change it.
    pub fn hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"stead-catalog-1");
        hasher.update(&(self.node.len() as u64).to_le_bytes());
        hasher.update(self.node.as_bytes());
        hasher.update(&(self.resources.len() as u64).to_le_bytes());
        for resource in &self.resources {
            resource.hash_into(&mut hasher);
        }
        hasher.update(&(self.edges.len() as u64).to_le_bytes());
        for edge in &self.edges {
            hasher.update(&edge.from.to_le_bytes());
            hasher.update(&edge.to.to_le_bytes());
            hasher.update(edge.kind.name().as_bytes());
        }
        hasher.finalize()
    }
}
