//! In which order an overview is read: what is taken away first, then what restarts, then what hits most nodes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use stead_catalog::{Action, PlannedResource, ResourceId};

use super::{Overview, SharedChange};

/// What one resource does on different nodes, the most common first.
pub(crate) struct Subject {
    /// Indices of [`Overview::shared`].
    pub(crate) variants: Vec<usize>,
    /// Nodes of all variants together.
    pub(crate) nodes: usize,
}

/// Nodes that change alike.
pub(crate) struct Alike {
    /// Indices of nodes.
    pub(crate) nodes: Vec<u32>,
    /// Indices of [`Overview::shared`], the gravest first.
    pub(crate) changes: Vec<usize>,
}

pub(crate) fn rank(resource: &PlannedResource) -> u8 {
    match (resource.error.is_some(), resource.held.is_some(), resource.action) {
        (true, ..) => 4,
        (_, true, _) => 3,
        (_, _, Action::Delete | Action::Replace) => 0,
        (_, _, Action::Restart) => 1,
        _ => 2,
    }
}

/// Says whether a variant is one of few nodes among many that do otherwise.
pub(crate) fn is_outlier(variant: &SharedChange, all: usize) -> bool {
    variant.nodes.len() * 5 <= all
}

/// Puts changes in order: by rank, then resources that change on most nodes, each with its variants.
pub(crate) fn subjects(overview: &Overview, changes: impl IntoIterator<Item = usize>) -> Vec<Subject> {
    let mut by_resource: HashMap<(u8, &ResourceId), usize> = HashMap::new();
    let mut subjects: Vec<(u8, usize, Subject)> = Vec::new();
    for index in changes {
        let change = &overview.shared()[index];
        let rank = rank(&change.resource);
        let at = *by_resource.entry((rank, &change.resource.id)).or_insert_with(|| {
            subjects.push((rank, index, Subject { variants: Vec::new(), nodes: 0 }));
            subjects.len() - 1
        });
        let subject = &mut subjects[at].2;
        subject.nodes += change.nodes.len();
        subject.variants.push(index);
    }
    for (_, _, subject) in &mut subjects {
        subject.variants.sort_by_key(|index| (Reverse(overview.shared()[*index].nodes.len()), *index));
    }
    // What was seen first stays first among equals: the order of application on the first node.
    subjects.sort_by_key(|(rank, first, subject)| (*rank, Reverse(subject.nodes), *first));
    subjects.into_iter().map(|(_, _, subject)| subject).collect()
}

/// Puts nodes with the same changes together, those of most nodes first.
pub(crate) fn alike(overview: &Overview) -> Vec<Alike> {
    let mut groups: BTreeMap<Vec<u32>, Vec<u32>> = BTreeMap::new();
    for (number, node) in (0_u32..).zip(overview.nodes()) {
        if !node.changes.is_empty() {
            let shared = node.changes.iter().map(|exact| overview.exact()[*exact as usize].shared).collect();
            groups.entry(shared).or_default().push(number);
        }
    }
    let mut groups: Vec<Alike> = groups
        .into_iter()
        .map(|(changes, nodes)| {
            let mut changes: Vec<usize> = changes.into_iter().map(|index| index as usize).collect();
            changes.sort_by_key(|index| rank(&overview.shared()[*index].resource));
            Alike { nodes, changes }
        })
        .collect();
    groups.sort_by_key(|group| (Reverse(group.nodes.len()), group.nodes.first().copied()));
    groups
}

/// Changes by the states they come from, in the order of their first change; without a state last.
pub(crate) fn by_state(overview: &Overview) -> Vec<(String, Vec<usize>)> {
    let mut found: HashMap<String, usize> = HashMap::new();
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for (index, change) in overview.shared().iter().enumerate() {
        let name = change.states.iter().map(|state| &**state).collect::<Vec<_>>().join(" > ");
        let at = *found.entry(name.clone()).or_insert_with(|| {
            groups.push((name, Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(index);
    }
    groups.sort_by_key(|(name, _)| name.is_empty());
    groups
}
