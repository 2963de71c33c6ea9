//! What goes back before what: the reverse of what was done, and no more order than that needs.
//!
//! Paths wait for the directory they are in, and never for one another. Everything else goes back level by level, the last change
//! first; the paths that were changed between two levels go back between them. That is an edge or two a path, and all paths
//! of one span go back at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use stead_catalog::{Edge, EdgeKind, ResourceId};

use super::{Below, Item, Thing};
use crate::system::systemd::UNIT;

/// More edges than this between two neighbours: the members of a level then go back one after the other instead.
const MANY: usize = 20_000;

struct Edges(Vec<Edge>);

impl Edges {
    fn add(&mut self, from: usize, to: usize, kind: EdgeKind, reason: &str) {
        if let (Ok(from), Ok(to)) = (u32::try_from(from), u32::try_from(to)) {
            self.0.push(Edge { from, to, kind, reason: reason.into(), source: None });
        }
    }

    /// Puts all of some items before all of others.
    fn between(&mut self, before: &[usize], after: &[usize]) {
        let is_many = before.len() * after.len() > MANY;
        let (before, after) = match (is_many, before, after) {
            (true, [.., last], after) if before.len() <= after.len() => {
                before.windows(2).for_each(|pair| self.add(pair[0], pair[1], EdgeKind::After, "changed later"));
                (std::slice::from_ref(last), after)
            }
            (true, before, [first, ..]) => {
                after.windows(2).for_each(|pair| self.add(pair[0], pair[1], EdgeKind::After, "changed later"));
                (before, std::slice::from_ref(first))
            }
            _ => (before, after),
        };
        for from in before {
            after.iter().for_each(|to| self.add(*from, *to, EdgeKind::After, "changed later"));
        }
    }
}

/// A unit is brought back after its files: those were looked at before it was stopped, and taken away after it.
pub(super) fn units_after_their_files(items: &mut [Item]) {
    let mut files: BTreeMap<Arc<str>, i64> = BTreeMap::new();
    for item in items.iter() {
        if let Thing::Path { path, comes: true, .. } = &item.thing
            && let Some(unit) = crate::unit_of(path)
        {
            let first = files.entry(unit).or_insert(item.written);
            *first = (*first).min(item.written);
        }
    }
    for item in items.iter_mut().filter(|item| matches!(&item.thing, Thing::Record { kind } if kind == UNIT.kind)) {
        if let Some(first) = files.get(item.name.as_str()) {
            item.written = item.written.min(first - 1);
        }
    }
}

/// The edges between items, which are sorted by the change that touched them, the last one first.
pub(super) fn edges(items: &[Item]) -> Vec<Edge> {
    let mut edges = Edges(Vec::new());
    in_directories(items, &mut edges);
    reactions(items, &mut edges);
    let needed = edges.0.len();
    in_time(items, &mut edges);
    let mut found = edges.0;
    if is_cyclic(items.len(), &found) {
        // A directory that was changed twice, with something else in between: where things are counts for more than when.
        found.truncate(needed);
    }
    found.sort_by_key(|edge| (edge.to, edge.from, edge.kind));
    found.dedup_by(|a, b| (a.to, a.from, a.kind) == (b.to, b.from, b.kind));
    found
}

fn in_directories(items: &[Item], edges: &mut Edges) {
    let path = |(at, item): (usize, &Item)| match &item.thing {
        Thing::Path { path, .. } => Some((path.clone(), at)),
        _ => None,
    };
    let places: BTreeMap<_, usize> = items.iter().enumerate().filter_map(path).collect();
    for (path, at) in &places {
        let Some(above) = path.ancestors().skip(1).find_map(|above: &Path| places.get(above)) else { continue };
        match &items[*above].thing {
            Thing::Path { below: Below::Needs, .. } => edges.add(*above, *at, EdgeKind::Automatic, "directory above"),
            Thing::Path { below: Below::GoesFirst, .. } => edges.add(*at, *above, EdgeKind::Automatic, "emptied first"),
            _ => {}
        }
    }
}

fn reactions(items: &[Item], edges: &mut Edges) {
    let mut of_resource: BTreeMap<&ResourceId, Vec<usize>> = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        item.resources.iter().for_each(|resource| of_resource.entry(resource).or_default().push(at));
    }
    for (at, item) in items.iter().enumerate().filter(|(_, item)| matches!(item.thing, Thing::Reaction)) {
        let causes = item.reacts_to.iter().filter_map(|cause| of_resource.get(&cause.resource)).flatten();
        causes.filter(|from| **from != at).for_each(|from| edges.add(*from, at, EdgeKind::Watch, ""));
    }
}

fn in_time(items: &[Item], edges: &mut Edges) {
    // Neighbours in time: items of one kind, or paths.
    let mut groups: Vec<(Option<&str>, Vec<usize>)> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let kind = match &item.thing {
            Thing::Path { .. } => None,
            Thing::Record { kind } => Some(kind.as_str()),
            Thing::Reaction => continue,
        };
        match groups.last_mut() {
            Some((last, members)) if *last == kind => members.push(at),
            _ => groups.push((kind, vec![at])),
        }
    }
    for pair in groups.windows(2) {
        edges.between(&pair[0].1, &pair[1].1);
    }
}

fn is_cyclic(count: usize, edges: &[Edge]) -> bool {
    let mut graph = petgraph::graph::DiGraph::<(), (), u32>::with_capacity(count, edges.len());
    for _ in 0..count {
        graph.add_node(());
    }
    for edge in edges {
        graph.add_edge(edge.from.into(), edge.to.into(), ());
    }
    petgraph::algo::toposort(&graph, None).is_err()
}
