//! Many plans as one: what nodes have in common is told once, with the nodes it concerns.
//!
//! A plan is taken apart into its changes; equal changes of many nodes become one [`SharedChange`]. Two changes are equal when
//! they read alike: the same resource, action, causes and attributes, and for texts the same hunks, wherever in the file these
//! stand. So ten thousand files that each hold their host's name still give one hunk. The work is linear in the number of changes,
//! and memory in the number of different ones.

mod compare;
mod key;
mod markdown;
pub(crate) mod order;
pub(crate) mod text;

use std::collections::HashMap;
use std::sync::Arc;

use stead_catalog::{Action, Plan, PlannedResource, ResourceId, Summary};

use crate::json::UndoDocument;
use crate::lines::Diff;
use crate::nodes::{natural_order, node_line, node_patterns};
use crate::value::text_sides;

pub use compare::{CatalogDifference, SourceLine, SourceLines, Types, compare, wanted};
pub use markdown::{overview_markdown, overview_markdown_within};
pub use text::overview_text;

/// What the changes of an overview are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverviewKind {
    /// What would change on machines.
    #[default]
    Plan,
    /// What is wanted, for machines that nobody looked at.
    Wanted,
    /// How catalogs of two revisions differ; no machine was looked at.
    Review,
}

impl OverviewKind {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Wanted => "wanted",
            Self::Review => "review",
        }
    }

    /// What an action is called. A review speaks of declarations: what one no longer declares stays on the machine as it is.
    pub fn word(self, action: Action) -> &'static str {
        match (self, action) {
            (_, Action::None) => "unchanged",
            (Self::Review, Action::Create) => "add",
            (Self::Review, Action::Update) => "change",
            (Self::Review, Action::Delete) => "drop",
            (Self::Wanted, Action::Create) => "want",
            (_, action) => action.name(),
        }
    }
}

/// How an overview is put in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupBy {
    /// By what changes: each change with its nodes.
    #[default]
    Change,
    /// By nodes: those that change alike together.
    Node,
    /// By the state of the language that a resource comes from.
    State,
}

/// The changes of one node, taken out of its plan: made in parallel, put together by [`Overview::add`].
#[derive(Clone, Debug)]
pub struct NodeChanges {
    name: Arc<str>,
    catalog_hash: [u8; 32],
    summary: Summary,
    failure: Option<(Arc<str>, Arc<str>)>,
    undo: Option<Box<UndoDocument>>,
    changes: Vec<Candidate>,
}

#[derive(Clone, Debug)]
struct Candidate {
    exact: [u8; 32],
    resource: PlannedResource,
    states: Vec<Arc<str>>,
    lines: Vec<SourceLine>,
}

impl NodeChanges {
    /// Takes the changes out of a plan. `states` tells which states led to a resource, outermost first.
    pub fn of(plan: Plan, mut states: impl FnMut(&ResourceId) -> Vec<Arc<str>>) -> Self {
        let summary = plan.summary();
        let Plan { node, catalog_hash, resources } = plan;
        let changes = resources.into_iter().filter(|resource| !is_quiet(resource)).map(|resource| {
            let states = states(&resource.id);
            Candidate { exact: key::exact(&resource, &states), resource, states, lines: Vec::new() }
        });
        Self { name: node, catalog_hash, summary, failure: None, undo: None, changes: changes.collect() }
    }

    /// Takes over how two catalogs of a node differ.
    pub fn of_difference(difference: CatalogDifference) -> Self {
        let CatalogDifference { plan, mut states, mut lines } = difference;
        let mut changes = Self::of(plan, |id| states.remove(id).unwrap_or_default());
        for candidate in &mut changes.changes {
            candidate.lines = lines.remove(&candidate.resource.id).unwrap_or_default();
        }
        changes
    }

    /// A node without a plan: it cannot be reached, or its sources have mistakes.
    pub fn failed(name: impl Into<Arc<str>>, code: impl Into<Arc<str>>, message: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            catalog_hash: [0; 32],
            summary: Summary::default(),
            failure: Some((code.into(), message.into())),
            undo: None,
            changes: Vec::new(),
        }
    }

    /// The same, for a plan that takes a run back.
    pub fn undoing(self, undo: UndoDocument) -> Self {
        Self { undo: Some(Box::new(undo)), ..self }
    }
}

/// Says whether there is nothing to tell about a resource.
fn is_quiet(resource: &PlannedResource) -> bool {
    resource.action == Action::None && resource.error.is_none() && resource.held.is_none() && resource.unknown.is_none()
}

/// A node of an overview.
#[derive(Clone, Debug)]
pub struct NodeEntry {
    /// Its name.
    pub name: Arc<str>,
    /// BLAKE3 of its catalog.
    pub catalog_hash: [u8; 32],
    /// How many resources take which action.
    pub summary: Summary,
    /// Why there is no plan for it: code and message.
    pub failure: Option<(Arc<str>, Arc<str>)>,
    /// What the plan says besides, where it takes a run back.
    pub undo: Option<Box<UndoDocument>>,
    /// Its changes in the order of application, as indices of [`Overview::exact`].
    pub changes: Vec<u32>,
}

/// A change as one or more nodes have it to the byte.
#[derive(Clone, Debug)]
pub struct ExactChange {
    /// Index of the shared change it is shown as.
    pub shared: u32,
    /// The change itself; `None` where only what is shown was kept.
    pub resource: Option<Arc<PlannedResource>>,
}

/// A change that one or more nodes have in common.
#[derive(Clone, Debug)]
pub struct SharedChange {
    /// The change, as the first of its nodes has it.
    pub resource: Arc<PlannedResource>,
    /// The states that led to the resource, outermost first.
    pub states: Vec<Arc<str>>,
    /// The lines of source that caused it, where that is known.
    pub lines: Vec<SourceLine>,
    /// Indices of its nodes, ascending.
    pub nodes: Vec<u32>,
    /// How large it is: `1 line`, `mode, owner`.
    pub extent: String,
}

/// The plans of many nodes, put together.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    kind: OverviewKind,
    keeps_all: bool,
    nodes: Vec<NodeEntry>,
    exact: Vec<ExactChange>,
    shared: Vec<SharedChange>,
    by_exact: HashMap<[u8; 32], u32>,
    by_look: HashMap<[u8; 32], u32>,
}

impl Overview {
    /// An overview without nodes.
    pub fn new(kind: OverviewKind) -> Self {
        Self { kind, ..Self::default() }
    }

    /// Keeps every change to the byte, for [`crate::json::write_overview`]. Without that, of changes that read alike only one is kept.
    #[must_use]
    pub fn keeping_all(mut self) -> Self {
        self.keeps_all = true;
        self
    }

    /// Adds a node. Nodes are to be added in the order in which they shall be named.
    pub fn add(&mut self, node: NodeChanges) {
        let number = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let mut changes = Vec::with_capacity(node.changes.len());
        for candidate in node.changes {
            let exact = match self.by_exact.get(&candidate.exact) {
                Some(known) => *known,
                None => self.insert(candidate),
            };
            let shared = &mut self.shared[self.exact[exact as usize].shared as usize];
            if shared.nodes.last() != Some(&number) {
                shared.nodes.push(number);
            }
            changes.push(exact);
        }
        let NodeChanges { name, catalog_hash, summary, failure, undo, .. } = node;
        self.nodes.push(NodeEntry { name, catalog_hash, summary, failure, undo, changes });
    }

    fn insert(&mut self, candidate: Candidate) -> u32 {
        let Candidate { exact, resource, states, lines } = candidate;
        let resource = Arc::new(resource);
        let look = key::look(&resource, &states);
        let next = u32::try_from(self.shared.len()).unwrap_or(u32::MAX);
        let shared = *self.by_look.entry(look).or_insert(next);
        if shared == next {
            let extent = extent(&resource);
            self.shared.push(SharedChange { resource: resource.clone(), states, lines, nodes: Vec::new(), extent });
        }
        let number = u32::try_from(self.exact.len()).unwrap_or(u32::MAX);
        self.exact.push(ExactChange { shared, resource: self.keeps_all.then_some(resource) });
        self.by_exact.insert(exact, number);
        number
    }

    /// What the changes are.
    pub fn kind(&self) -> OverviewKind {
        self.kind
    }

    /// The nodes, in the order they were added.
    pub fn nodes(&self) -> &[NodeEntry] {
        &self.nodes
    }

    /// What nodes have to the byte.
    pub fn exact(&self) -> &[ExactChange] {
        &self.exact
    }

    /// What nodes have in common, in the order in which it was first seen.
    pub fn shared(&self) -> &[SharedChange] {
        &self.shared
    }

    /// The change that a node's entry stands for, to the byte where that was kept.
    pub fn change_of(&self, exact: u32) -> &PlannedResource {
        let exact = &self.exact[exact as usize];
        exact.resource.as_deref().unwrap_or(&self.shared[exact.shared as usize].resource)
    }

    /// Says whether no node changes and none failed.
    pub fn is_empty(&self) -> bool {
        self.nodes.iter().all(|node| node.failure.is_none() && node.changes.is_empty())
    }

    /// Says whether a node has no plan, or a resource could not be planned.
    pub fn has_errors(&self) -> bool {
        self.nodes.iter().any(|node| node.failure.is_some()) || self.shared.iter().any(|change| change.resource.error.is_some())
    }

    /// A hash over what was compiled for every node: equal for equal catalogs, in whatever order the nodes came.
    pub fn hash(&self) -> [u8; 32] {
        let mut nodes: Vec<(&str, &[u8; 32], bool)> =
            self.nodes.iter().map(|node| (&*node.name, &node.catalog_hash, node.failure.is_some())).collect();
        nodes.sort_unstable();
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"stead-overview-1");
        for (name, hash, is_failed) in nodes {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.update(hash);
            hasher.update(&[u8::from(is_failed)]);
        }
        *hasher.finalize().as_bytes()
    }

    /// Names nodes on one line of about `limit` characters: all, all but a few, or as ranges.
    pub fn name_nodes(&self, nodes: &[u32], limit: usize) -> String {
        let all = self.nodes.len();
        let name = |node: &u32| &*self.nodes[*node as usize].name;
        if nodes.len() == all && all > 1 {
            return format!("all {all} nodes");
        }
        let others = all - nodes.len();
        if all >= 10 && others <= 3 {
            let inside: std::collections::HashSet<u32> = nodes.iter().copied().collect();
            let outside = (0..u32::try_from(all).unwrap_or(u32::MAX)).filter(|node| !inside.contains(node)).collect::<Vec<_>>();
            let line = node_line(&node_patterns(outside.iter().map(name)), limit);
            return format!("all nodes but {line}");
        }
        node_line(&node_patterns(nodes.iter().map(name)), limit)
    }

    /// Nodes that have no plan, by code and message, the largest group first.
    pub fn failures(&self) -> Vec<(&str, &str, Vec<u32>)> {
        let mut groups: std::collections::BTreeMap<(&str, &str), Vec<u32>> = std::collections::BTreeMap::new();
        for (number, node) in (0_u32..).zip(&self.nodes) {
            if let Some((code, message)) = &node.failure {
                groups.entry((code, message)).or_default().push(number);
            }
        }
        let mut groups: Vec<_> = groups.into_iter().map(|((code, message), nodes)| (code, message, nodes)).collect();
        groups.sort_by(|a, b| b.2.len().cmp(&a.2.len()).then_with(|| (a.0, a.1).cmp(&(b.0, b.1))));
        groups
    }

    /// The first words of every form: `412 of 500 nodes would change; 88 unchanged`.
    pub fn headline(&self) -> String {
        text::summary(self).into_iter().take(1).flatten().map(|piece| piece.text).collect()
    }

    /// Nodes that change, and nodes that do not: what is held back changes nothing.
    pub fn counts(&self) -> (usize, usize) {
        let changes = |node: &&NodeEntry| node.changes.iter().any(|change| self.change_of(*change).held.is_none());
        let changing = self.nodes.iter().filter(changes).count();
        let quiet = self.nodes.iter().filter(|node| node.failure.is_none() && !changes(node)).count();
        (changing, quiet)
    }
}

/// Sorts names of nodes as an overview wants them.
pub fn sort_nodes<T>(nodes: &mut [T], name: impl Fn(&T) -> &str) {
    nodes.sort_by(|a, b| natural_order(name(a), name(b)));
}

/// How large a change is, in a few words.
fn extent(resource: &PlannedResource) -> String {
    let mut lines = 0;
    let mut names: Vec<&str> = Vec::new();
    for change in &resource.changes {
        match text_sides(change) {
            Some((old, new)) => {
                let (added, removed) = Diff::of(change, &old, &new).counts();
                lines += added.max(removed);
            }
            None => names.push(&change.attribute),
        }
    }
    let mut parts = Vec::new();
    if lines > 0 {
        parts.push(if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") });
    }
    match names.as_slice() {
        // What comes new has most attributes; how many is enough.
        [_, _, _, _, ..] => parts.push(format!("{} attributes", names.len())),
        names => parts.extend(names.iter().map(|name| (*name).to_owned())),
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests;
