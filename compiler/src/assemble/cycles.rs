//! Circles of requisites, told edge by edge; automatic edges that would close one give way.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};

use petgraph::graph::{DiGraph, NodeIndex};
use stead_catalog::EdgeKind;

use super::Found;
use super::edges::Automatic;
use super::requisites::Explicit;
use crate::defs::index;
use crate::issue::Issue;

/// Most edges of a circle that are told one by one.
const MAX_TOLD: usize = 10;

/// The groups of resources that reach one another, largest index last; single resources are left out.
fn groups(count: usize, edges: impl Iterator<Item = (u32, u32)>) -> Vec<Vec<u32>> {
    let (nodes, edges_hint) = (count, edges.size_hint().0);
    let mut graph: DiGraph<(), (), u32> = DiGraph::with_capacity(nodes, edges_hint);
    for _ in 0..nodes {
        graph.add_node(());
    }
    for (from, to) in edges {
        graph.add_edge(NodeIndex::from(from), NodeIndex::from(to), ());
    }
    // Kosaraju's algorithm in petgraph keeps its own stack; Tarjan's recurses.
    let found = petgraph::algo::kosaraju_scc(&graph);
    let mut groups: Vec<Vec<u32>> = found
        .into_iter()
        .filter(|group| group.len() > 1)
        .map(|group| {
            let mut members: Vec<u32> = group.into_iter().map(|node| index(node.index())).collect();
            members.sort_unstable();
            members
        })
        .collect();
    groups.sort();
    groups
}

/// Reports circles of written requisites; true when there are none.
pub(super) fn explicit(found: &Found, edges: &[Explicit], issues: &mut Vec<Issue>) -> bool {
    let mut good = true;
    for edge in edges.iter().filter(|edge| edge.from == edge.to) {
        good = false;
        issues.push(tell(found, &[edge]));
    }
    let groups = groups(found.resources.len(), edges.iter().filter(|edge| edge.from != edge.to).map(|edge| (edge.from, edge.to)));
    if groups.is_empty() {
        return good;
    }
    let mut by_from: HashMap<u32, Vec<&Explicit>> = HashMap::new();
    for edge in edges.iter().filter(|edge| edge.from != edge.to) {
        by_from.entry(edge.from).or_default().push(edge);
    }
    for group in groups {
        let circle = shortest_circle(&group, &by_from);
        issues.push(tell(found, &circle));
    }
    false
}

/// The shortest circle through the first member of a group.
fn shortest_circle<'e>(group: &[u32], by_from: &HashMap<u32, Vec<&'e Explicit>>) -> Vec<&'e Explicit> {
    let members: BTreeSet<u32> = group.iter().copied().collect();
    let start = group[0];
    let mut came_by: HashMap<u32, &Explicit> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for edge in by_from.get(&at).into_iter().flatten().filter(|edge| members.contains(&edge.to)) {
            if edge.to == start {
                let mut circle = vec![*edge];
                let mut at = edge.from;
                while at != start {
                    let edge = came_by[&at];
                    circle.push(edge);
                    at = edge.from;
                }
                circle.reverse();
                return circle;
            }
            if let Entry::Vacant(entry) = came_by.entry(edge.to) {
                entry.insert(edge);
                queue.push_back(edge.to);
            }
        }
    }
    Vec::new()
}

/// The edges of a circle that are told: all of a short one; of a long one the first, how many are left out, and the last.
fn folded<'c, 'e>(circle: &'c [&'e Explicit]) -> (&'c [&'e Explicit], usize, &'c [&'e Explicit]) {
    if circle.len() <= MAX_TOLD {
        return (circle, 0, &[]);
    }
    let (head, rest) = circle.split_at(MAX_TOLD / 2);
    let (left_out, tail) = rest.split_at(rest.len() - MAX_TOLD / 2);
    (head, left_out.len(), tail)
}

fn tell(found: &Found, circle: &[&Explicit]) -> Issue {
    let id = |i: u32| &found.resources[i as usize].id;
    let Some(first) = circle.first() else {
        return Issue::error("dependency-cycle", crate::issue::Loc::new(0, stead_grammar::ast::Span::default()), "a circle");
    };
    let message = match circle {
        [one] => format!("`{}` comes before itself", id(one.from)),
        _ => {
            let name = |edge: &&Explicit| format!("`{}`", id(edge.from));
            let (head, left_out, tail) = folded(circle);
            let mut path: Vec<String> = head.iter().map(name).collect();
            path.extend((left_out > 0).then(|| format!("({left_out} more)")));
            path.extend(tail.iter().map(name));
            format!("these resources wait for one another: {} -> `{}`", path.join(" -> "), id(first.from))
        }
    };
    let mut issue = Issue::error("dependency-cycle", first.at, message);
    issue.labels.clear();
    let (head, _, tail) = folded(circle);
    for edge in head.iter().chain(tail) {
        let (from, to) = (id(edge.from), id(edge.to));
        let text = match edge.kind {
            EdgeKind::Require => format!("`{to}` requires `{from}`"),
            EdgeKind::Watch => format!("`{to}` watches `{from}`"),
            EdgeKind::OnChanges => format!("`{to}` acts on changes of `{from}`"),
            EdgeKind::OnFail => format!("`{to}` acts on a failure of `{from}`"),
            EdgeKind::Prereq => format!("`{from}` acts before `{to}` changes"),
            EdgeKind::Listen => format!("`{to}` listens to `{from}`"),
            EdgeKind::Automatic | EdgeKind::After => format!("`{to}` comes after `{from}`"),
        };
        issue = issue.label(edge.at, text);
    }
    issue.hint("remove one of these requisites")
}

/// Drops the automatic edges that close a circle with requisites or with one another.
pub(super) fn without_contradictions(count: usize, explicit: &[Explicit], automatic: Vec<Automatic>) -> Vec<Automatic> {
    let written = explicit.iter().map(|edge| (edge.from, edge.to));
    let groups = groups(count, written.clone().chain(automatic.iter().map(|edge| (edge.from, edge.to))));
    if groups.is_empty() {
        return automatic;
    }
    let mut group_of: HashMap<u32, usize> = HashMap::new();
    for (i, group) in groups.iter().enumerate() {
        group_of.extend(group.iter().map(|member| (*member, i)));
    }
    let inside = |from: u32, to: u32| group_of.get(&from).is_some_and(|group| group_of.get(&to) == Some(group));
    let written: Vec<(u32, u32)> = written.filter(|(from, to)| inside(*from, *to)).collect();
    let derived: Vec<(u32, u32)> =
        automatic.iter().map(|edge| (edge.from, edge.to)).filter(|(from, to)| inside(*from, *to)).collect();
    let position = order(&group_of, &written, &derived);
    automatic.into_iter().filter(|edge| !inside(edge.from, edge.to) || position[&edge.from] < position[&edge.to]).collect()
}

/// An order of the members that keeps every written edge, and as many derived ones as a greedy choice does.
fn order(members: &HashMap<u32, usize>, written: &[(u32, u32)], derived: &[(u32, u32)]) -> HashMap<u32, usize> {
    let mut waits: HashMap<u32, (usize, usize)> = members.keys().map(|member| (*member, (0, 0))).collect();
    let mut next: HashMap<u32, Vec<(u32, bool)>> = HashMap::new();
    for (edges, is_written) in [(written, true), (derived, false)] {
        for (from, to) in edges {
            next.entry(*from).or_default().push((*to, is_written));
            if let Some(wait) = waits.get_mut(to) {
                if is_written { wait.0 += 1 } else { wait.1 += 1 }
            }
        }
    }
    let mut ready: BTreeSet<(usize, usize, u32)> = waits.iter().map(|(member, wait)| (wait.0, wait.1, *member)).collect();
    let mut position = HashMap::with_capacity(members.len());
    // Written edges have no circle, so the least entry always waits for no written edge.
    while let Some((_, _, member)) = ready.pop_first() {
        position.insert(member, position.len());
        for (to, is_written) in next.get(&member).into_iter().flatten() {
            let Some(wait) = waits.get_mut(to) else { continue };
            if ready.remove(&(wait.0, wait.1, *to)) {
                if *is_written {
                    wait.0 -= 1
                } else {
                    wait.1 -= 1
                }
                ready.insert((wait.0, wait.1, *to));
            }
        }
    }
    position
}
