//! The catalog as a graph: neighbours by index, and the order of application.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use stead_catalog::{Catalog, Edge, EdgeKind};

/// A catalog's edges, both ways, by resource index.
pub struct Graph {
    graph: DiGraph<(), EdgeKind, u32>,
}

impl Graph {
    /// Builds the graph of a catalog. Edges to resources that are not there are left out.
    pub fn of(catalog: &Catalog) -> Self {
        let mut graph = DiGraph::with_capacity(catalog.resources.len(), catalog.edges.len());
        for _ in &catalog.resources {
            graph.add_node(());
        }
        let count = catalog.resources.len();
        let inside = |edge: &&Edge| (edge.from as usize) < count && (edge.to as usize) < count;
        for edge in catalog.edges.iter().filter(inside) {
            graph.add_edge(NodeIndex::new(edge.from as usize), NodeIndex::new(edge.to as usize), edge.kind);
        }
        Self { graph }
    }

    /// Puts a resource after another one, which it counts on without an edge of the catalog.
    pub(crate) fn put_after(&mut self, from: usize, to: usize) {
        self.graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), EdgeKind::Automatic);
    }

    /// How many resources there are.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Says whether there are no resources.
    pub fn is_empty(&self) -> bool {
        self.graph.node_count() == 0
    }

    /// What comes before a resource, with the kind of each edge.
    pub fn before(&self, resource: usize) -> impl Iterator<Item = (usize, EdgeKind)> + '_ {
        self.neighbours(resource, Direction::Incoming)
    }

    /// What comes after a resource, with the kind of each edge.
    pub fn after(&self, resource: usize) -> impl Iterator<Item = (usize, EdgeKind)> + '_ {
        self.neighbours(resource, Direction::Outgoing)
    }

    fn neighbours(&self, resource: usize, direction: Direction) -> impl Iterator<Item = (usize, EdgeKind)> + '_ {
        use petgraph::visit::EdgeRef;
        self.graph.edges_directed(NodeIndex::new(resource), direction).map(move |edge| {
            let other = if direction == Direction::Incoming { edge.source() } else { edge.target() };
            (other.index(), *edge.weight())
        })
    }

    /// Returns the order of application: every resource after all that come before it, and otherwise as in the source.
    /// Resources on a cycle, which the compiler has refused, are missing from it.
    pub fn order(&self) -> Vec<usize> {
        let mut waiting: Vec<usize> = (0..self.len()).map(|resource| self.before(resource).count()).collect();
        let mut ready: BinaryHeap<Reverse<usize>> =
            (0..self.len()).filter(|resource| waiting[*resource] == 0).map(Reverse).collect();
        let mut order = Vec::with_capacity(self.len());
        while let Some(Reverse(resource)) = ready.pop() {
            order.push(resource);
            for (next, _) in self.after(resource) {
                waiting[next] -= 1;
                if waiting[next] == 0 {
                    ready.push(Reverse(next));
                }
            }
        }
        order
    }

    /// Returns the resources that `roots` need, or with `backwards` false those that need them, by whatever requisite, themselves among
    /// them. What has a `prereq` comes before the resource that it names and needs it all the same: without it nothing would hold it back.
    pub fn closure(&self, roots: impl IntoIterator<Item = usize>, backwards: bool) -> Vec<bool> {
        let is_prereq = |(_, kind): &(usize, EdgeKind)| *kind == EdgeKind::Prereq;
        let mut reached = vec![false; self.len()];
        let mut open: Vec<usize> = roots.into_iter().collect();
        while let Some(resource) = open.pop() {
            if std::mem::replace(&mut reached[resource], true) {
                continue;
            }
            if backwards {
                open.extend(self.before(resource).chain(self.after(resource).filter(is_prereq)).map(|(other, _)| other));
            } else {
                open.extend(self.after(resource).chain(self.before(resource).filter(is_prereq)).map(|(other, _)| other));
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(resources: usize, edges: &[(u32, u32)]) -> Catalog {
        Catalog {
            node: "n".into(),
            resources: crate::test_support::resources(resources),
            edges: edges.iter().map(|(from, to)| crate::test_support::edge(*from, *to, EdgeKind::Require)).collect(),
        }
    }

    #[test]
    fn the_source_breaks_ties() {
        assert_eq!(Graph::of(&catalog(4, &[(3, 0)])).order(), [1, 2, 3, 0]);
        assert_eq!(Graph::of(&catalog(3, &[])).order(), [0, 1, 2]);
    }

    #[test]
    fn a_cycle_is_left_out() {
        assert_eq!(Graph::of(&catalog(3, &[(1, 2), (2, 1)])).order(), [0]);
    }

    #[test]
    fn a_hundred_thousand_resources_are_ordered() {
        let edges: Vec<(u32, u32)> = (1..100_000_u32).flat_map(|i| [(i - 1, i), (i / 2, i), (i / 3, i)]).collect();
        assert_eq!(Graph::of(&catalog(100_000, &edges)).order().len(), 100_000);
    }
}
