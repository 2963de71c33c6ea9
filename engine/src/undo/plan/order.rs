//! What goes back before what: the reverse of what was done, and no more order than that needs.
//!
//! Paths wait for the directory they are in, and never for one another. Everything else goes back level by level, the last change
//! first; the paths that were changed between two levels go back between them. That is an edge or two a path, and all paths
//! of one span go back at once. Where something is counts for more than when it was changed: a tree that went away is written down
//! from the top, with other changes in between, and comes back from the top as well.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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

/// What was written down in another order than the one in which it can go back is counted as written where it can.
pub(super) fn places_before_times(items: &mut [Item]) {
    let places = places(items);
    // A name sorts behind the directory it is in, so that what is above is settled before what is below.
    for (path, at) in &places {
        if let Some(above) = above(&places, path)
            && matches!(&items[above].thing, Thing::Path { below: Below::Needs, .. })
        {
            items[*at].written = items[*at].written.min(items[above].written - 1);
        }
    }
    for (path, at) in places.iter().rev() {
        if let Some(above) = above(&places, path)
            && matches!(&items[above].thing, Thing::Path { below: Below::GoesFirst, .. })
        {
            items[above].written = items[above].written.min(items[*at].written - 1);
        }
    }
}

/// The edges between items, which are sorted by the change that touched them, the last one first. They lead from earlier items to later
/// ones, so that there is no cycle; but for reactions, for which nothing waits.
pub(super) fn edges(items: &[Item]) -> Vec<Edge> {
    let mut edges = Edges(Vec::new());
    in_directories(items, &mut edges);
    reactions(items, &mut edges);
    in_time(items, &mut edges);
    let mut found = edges.0;
    found.sort_by_key(|edge| (edge.to, edge.from, edge.kind));
    found.dedup_by(|a, b| (a.to, a.from, a.kind) == (b.to, b.from, b.kind));
    found
}

/// The items that are paths, sorted by them.
fn places(items: &[Item]) -> BTreeMap<PathBuf, usize> {
    let path = |(at, item): (usize, &Item)| match &item.thing {
        Thing::Path { path, .. } => Some((path.clone(), at)),
        _ => None,
    };
    items.iter().enumerate().filter_map(path).collect()
}

/// The nearest item above a path.
fn above(places: &BTreeMap<PathBuf, usize>, path: &Path) -> Option<usize> {
    path.ancestors().skip(1).find_map(|above| places.get(above)).copied()
}

fn in_directories(items: &[Item], edges: &mut Edges) {
    let places = places(items);
    for (path, at) in &places {
        let Some(above) = above(&places, path) else { continue };
        match &items[above].thing {
            Thing::Path { below: Below::Needs, .. } => edges.add(above, *at, EdgeKind::Automatic, "directory above"),
            Thing::Path { below: Below::GoesFirst, .. } => edges.add(*at, above, EdgeKind::Automatic, "emptied first"),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use stead_catalog::Attributes;

    use super::*;
    use crate::ObserveError;

    fn item(name: &str, written: i64, thing: Thing) -> Item {
        let unused = ObserveError::Impossible { code: "unused", message: String::new(), hint: String::new() };
        Item {
            id: ResourceId::new("thing", name),
            name: name.into(),
            attributes: Attributes::new(),
            managed: Err(unused),
            written,
            thing,
            reacts_to: Vec::new(),
            resources: BTreeSet::new(),
        }
    }

    fn path(name: &str, written: i64, below: Below) -> Item {
        let comes = matches!(below, Below::Needs);
        item(name, written, Thing::Path { path: name.into(), below, comes })
    }

    fn ordered(mut items: Vec<Item>) -> Vec<(String, String)> {
        places_before_times(&mut items);
        items.sort_by(|a, b| b.written.cmp(&a.written).then_with(|| a.id.cmp(&b.id)));
        let name = |at: u32| items.get(at as usize).map(|item| item.name.clone()).unwrap_or_default();
        let edges = edges(&items);
        assert!(edges.iter().all(|edge| edge.from < edge.to), "an edge leads back");
        edges.iter().map(|edge| (name(edge.from), name(edge.to))).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    }

    #[test]
    fn a_tree_that_was_written_down_from_the_top_keeps_the_order_of_everything_else() {
        // A purge wrote the directory down, a service was stopped meanwhile, the file followed, a unit's file went.
        let service = || Thing::Record { kind: "unit".into() };
        let edges = ordered(vec![
            path("/srv/tree", 1, Below::Needs),
            item("web.service", 2, service()),
            path("/srv/tree/note", 3, Below::Free),
            path("/etc/web.service", 4, Below::Free),
        ]);
        assert_eq!(
            edges,
            pairs(&[
                ("/etc/web.service", "web.service"),
                ("web.service", "/srv/tree"),
                ("web.service", "/srv/tree/note"),
                ("/srv/tree", "/srv/tree/note")
            ])
        );
    }

    #[test]
    fn a_directory_goes_after_what_is_in_it_however_late_it_was_written_down() {
        let user = || Thing::Record { kind: "user".into() };
        let edges =
            ordered(vec![path("/srv/new/note", 1, Below::Free), item("web", 2, user()), path("/srv/new", 3, Below::GoesFirst)]);
        assert_eq!(edges, pairs(&[("web", "/srv/new/note"), ("web", "/srv/new"), ("/srv/new/note", "/srv/new")]));
    }
}
