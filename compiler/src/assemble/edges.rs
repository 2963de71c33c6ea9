//! Automatic edges, from what resources own, bring, need and remove. Linear in the places they name.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use stead_catalog::{EdgeKind, Footprint, Place, PlaceKind};

use super::requisites::Explicit;
use super::{Finished, Found};
use crate::defs::index;
use crate::issue::Issue;

/// A derived edge and why it is there.
#[derive(Clone, Debug)]
pub(crate) struct Automatic {
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// `automatic`, or `after` where only the order matters.
    pub(crate) kind: EdgeKind,
    pub(crate) reason: Arc<str>,
}

/// Who owns, brings and takes away each place.
#[derive(Default)]
struct Places<'a> {
    owners: HashMap<PlaceRef<'a>, u32>,
    bringers: HashMap<PlaceRef<'a>, Vec<u32>>,
    removers: HashMap<PlaceRef<'a>, Vec<u32>>,
    /// Who decides a part of a path.
    editors: HashSet<(&'a str, u32)>,
    fillers: HashMap<&'a str, Vec<u32>>,
}

type PlaceRef<'a> = (PlaceKind, &'a str);

fn key(place: &Place) -> PlaceRef<'_> {
    (place.kind, &place.name)
}

/// The directory above a path; none above `/`.
fn parent(path: &str) -> Option<&str> {
    match path.rfind('/') {
        Some(0) if path.len() > 1 => Some("/"),
        Some(at) if at > 0 => Some(&path[..at]),
        _ => None,
    }
}

/// Derives the edges. Where a requisite says the same, or the opposite, there is none.
pub(super) fn automatic(found: &Found, explicit: &[Explicit]) -> Vec<Automatic> {
    let mut places = Places { owners: HashMap::with_capacity(found.resources.len()), ..Places::default() };
    for (i, one) in found.resources.iter().enumerate() {
        for place in &one.footprint.owns {
            places.owners.entry(key(place)).or_insert(index(i));
        }
        for place in &one.footprint.brings {
            places.bringers.entry(key(place)).or_default().push(index(i));
        }
        places.editors.extend(one.footprint.edits.iter().map(|path| (&**path, index(i))));
        for place in &one.footprint.gone_before {
            places.removers.entry(key(place)).or_default().push(index(i));
        }
        for directory in &one.footprint.brings_below {
            places.fillers.entry(directory).or_default().push(index(i));
        }
    }
    let written: HashSet<(u32, u32)> = explicit.iter().flat_map(|edge| [(edge.from, edge.to), (edge.to, edge.from)]).collect();
    let mut reasons = Reasons::default();
    let mut edges = Edges { list: Vec::new(), written, seen: HashSet::with_capacity(found.resources.len()) };
    for (i, one) in found.resources.iter().enumerate() {
        let this = index(i);
        for place in &one.footprint.needs {
            needs(found, &places, this, one, place, &mut reasons, &mut edges);
        }
        for place in &one.footprint.follows {
            let bringers = places.bringers.get(&key(place)).map_or(&[][..], Vec::as_slice);
            for from in bringers.iter().copied().filter(|from| !found.resources[*from as usize].footprint.removes) {
                let reason = reasons.of(&one.footprint, place.kind, &place.name, false);
                edges.add_kind(from, this, EdgeKind::After, &reason);
            }
        }
        if one.footprint.removes && !places.removers.is_empty() {
            removal(&places, this, one, &mut reasons, &mut edges);
        }
    }
    below_mounts(found, &mut reasons, &mut edges);
    edges.list
}

/// What is below a place where something is mounted comes after the mount; what is removed there goes before it is unmounted.
fn below_mounts(found: &Found, reasons: &mut Reasons, edges: &mut Edges) {
    let mut covers: HashMap<&str, u32> = HashMap::new();
    for (i, one) in found.resources.iter().enumerate() {
        for path in &one.footprint.covers {
            covers.entry(path).or_insert(index(i));
        }
    }
    if covers.is_empty() {
        return;
    }
    for (i, one) in found.resources.iter().enumerate() {
        let footprint = &one.footprint;
        let places = footprint.owns.iter().chain(&footprint.brings).chain(&footprint.needs);
        let paths = places.filter(|place| place.kind == PlaceKind::Path).map(|place| &*place.name);
        for path in paths.chain(footprint.covers.iter().map(|path| &**path)) {
            let mut above = parent(path);
            while let Some(name) = above {
                if let Some(mount) = covers.get(name).copied() {
                    let unmounts = found.resources[mount as usize].footprint.removes;
                    match (unmounts, footprint.removes) {
                        (false, _) => edges.add(mount, index(i), &reasons.text("below what is mounted")),
                        (true, true) => edges.add(index(i), mount, &reasons.text("removed first")),
                        (true, false) => {}
                    }
                }
                above = parent(name);
            }
        }
    }
}

struct Edges {
    list: Vec<Automatic>,
    written: HashSet<(u32, u32)>,
    seen: HashSet<(u32, u32)>,
}

impl Edges {
    fn add(&mut self, from: u32, to: u32, reason: &Arc<str>) {
        self.add_kind(from, to, EdgeKind::Automatic, reason);
    }

    fn add_kind(&mut self, from: u32, to: u32, kind: EdgeKind, reason: &Arc<str>) {
        let fresh = from != to && !self.written.contains(&(from, to)) && self.seen.insert((from, to));
        if fresh {
            self.list.push(Automatic { from, to, kind, reason: reason.clone() });
        }
    }
}

fn needs(found: &Found, places: &Places<'_>, this: u32, one: &Finished, place: &Place, reasons: &mut Reasons, edges: &mut Edges) {
    let mut at: Option<&str> = Some(&place.name);
    while let Some(name) = at {
        let key = (place.kind, name);
        let removes = |id: u32| found.resources[id as usize].footprint.removes;
        let owner = places.owners.get(&key).copied().filter(|owner| *owner != this && !removes(*owner));
        let bringers = places.bringers.get(&key).map_or(&[][..], Vec::as_slice);
        // The editors of one path come one after the other in any order: none of them needs another, and its owner needs none.
        let is_theirs = places.editors.contains(&(name, this)) || places.owners.get(&key) == Some(&this);
        let comes_first = |id: &u32| *id != this && !removes(*id) && !(is_theirs && places.editors.contains(&(name, *id)));
        let mut is_found = false;
        for from in owner.into_iter().chain(bringers.iter().copied().filter(comes_first)) {
            is_found = true;
            let reason = reasons.of(&one.footprint, place.kind, name, owner == Some(from));
            edges.add(from, this, &reason);
        }
        if place.kind == PlaceKind::Path && name != &*place.name {
            let fillers = places.fillers.get(name).map_or(&[][..], Vec::as_slice);
            for from in fillers.iter().copied().filter(|from| !uses(&found.resources[*from as usize].footprint, &one.footprint)) {
                let reason = reasons.of(&one.footprint, place.kind, name, false);
                edges.add(from, this, &reason);
            }
        }
        if is_found || place.kind != PlaceKind::Path {
            return;
        }
        at = parent(name);
    }
}

/// Says whether a resource needs what another one owns or brings.
fn uses(one: &Footprint, other: &Footprint) -> bool {
    let made = || other.owns.iter().chain(&other.brings);
    let reaches = |need: &Place, made: &Place| {
        need.kind == made.kind && (need.name == made.name || (need.kind == PlaceKind::Path && is_below(&need.name, &made.name)))
    };
    one.needs.iter().any(|need| made().any(|made| reaches(need, made)))
}

/// What a removed thing lies in, or uses, is taken away after it.
fn removal(places: &Places<'_>, this: u32, one: &Finished, reasons: &mut Reasons, edges: &mut Edges) {
    for place in one.footprint.owns.iter().chain(&one.footprint.needs) {
        let mut at: Option<&str> = Some(&place.name);
        while let Some(name) = at {
            let removers = places.removers.get(&(place.kind, name)).map_or(&[][..], Vec::as_slice);
            let mut is_found = false;
            for remover in removers.iter().filter(|remover| **remover != this) {
                is_found = true;
                edges.add(this, *remover, &reasons.text("removed first"));
            }
            if is_found || place.kind != PlaceKind::Path {
                break;
            }
            at = parent(name);
        }
    }
}

/// The texts of reasons, each made once.
#[derive(Default)]
struct Reasons {
    fixed: HashMap<&'static str, Arc<str>>,
    paths: HashMap<String, Arc<str>>,
}

impl Reasons {
    fn text(&mut self, text: &'static str) -> Arc<str> {
        self.fixed.entry(text).or_insert_with(|| text.into()).clone()
    }

    fn of(&mut self, footprint: &Footprint, kind: PlaceKind, name: &str, is_owned: bool) -> Arc<str> {
        let owns = |kind: PlaceKind| footprint.owns.iter().any(|place| place.kind == kind);
        match kind {
            PlaceKind::Path => {
                let below = |place: &Place| place.kind == PlaceKind::Path && is_below(&place.name, name);
                if footprint.owns.iter().any(below) {
                    return self.text(if is_owned { "parent directory" } else { "parent directory is made" });
                }
                let text = if is_owned { format!("uses {name}") } else { format!("uses {name}, which is made") };
                self.paths.entry(text).or_insert_with_key(|text| text.as_str().into()).clone()
            }
            PlaceKind::User if owns(PlaceKind::Path) => self.text("owner"),
            PlaceKind::User => self.text("user"),
            PlaceKind::Group if owns(PlaceKind::User) => self.text("user's group"),
            PlaceKind::Group => self.text("group"),
            PlaceKind::Package => self.text("package"),
            PlaceKind::Repository => self.text("package repository"),
            PlaceKind::Unit => self.text("unit file"),
            PlaceKind::Other => self.paths.entry(format!("uses {name}")).or_insert_with_key(|text| text.as_str().into()).clone(),
        }
    }
}

fn is_below(path: &str, directory: &str) -> bool {
    directory == "/" && path.len() > 1 || path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// Warns of things that something makes below a directory that another resource empties: what is managed there is kept, what
/// is only made would go.
pub(super) fn overlaps(found: &Found, explicit: &[Explicit], issues: &mut Vec<Issue>) {
    written_twice(found, explicit, issues);
    let mut sweepers: HashMap<&str, u32> = HashMap::new();
    for (i, one) in found.resources.iter().enumerate() {
        for directory in &one.footprint.sweeps {
            sweepers.entry(directory).or_insert(index(i));
        }
    }
    if sweepers.is_empty() {
        return;
    }
    let owned: HashSet<&str> = found
        .resources
        .iter()
        .flat_map(|one| &one.footprint.owns)
        .filter(|place| place.kind == PlaceKind::Path)
        .map(|place| &*place.name)
        .collect();
    let ordered: HashSet<(u32, u32)> = explicit.iter().flat_map(|edge| [(edge.from, edge.to), (edge.to, edge.from)]).collect();
    for (i, one) in found.resources.iter().enumerate() {
        for place in one.footprint.brings.iter().filter(|place| place.kind == PlaceKind::Path) {
            if owned.contains(&*place.name) || one.footprint.edits.contains(&place.name) {
                continue;
            }
            let mut at = parent(&place.name);
            while let Some(directory) = at {
                if let Some(sweeper) = sweepers.get(directory).filter(|s| **s != index(i) && !ordered.contains(&(**s, index(i))))
                {
                    let sweeper = &found.resources[*sweeper as usize];
                    let message =
                        format!("`{}` makes `{}`, which `{}` would remove as unmanaged", one.id, place.name, sweeper.id);
                    let issue = Issue::warning("unordered-overlap", one.at, message).label(sweeper.at, "emptied here");
                    issues.push(issue.hint("manage it as a resource of its own, or order the two with a requisite"));
                    break;
                }
                at = parent(directory);
            }
        }
    }
}

/// Warns of paths that one resource makes and of which another one decides the content, with no order: which of them has the last
/// word is left to chance.
fn written_twice(found: &Found, explicit: &[Explicit], issues: &mut Vec<Issue>) {
    let mut fillers: HashMap<&str, u32> = HashMap::new();
    for (i, one) in found.resources.iter().enumerate().filter(|(_, one)| !one.footprint.removes) {
        fillers.extend(one.footprint.fills.iter().map(|path| (&**path, index(i))));
    }
    if fillers.is_empty() {
        return;
    }
    let is_path = |place: &&Place| place.kind == PlaceKind::Path;
    for (i, one) in found.resources.iter().enumerate() {
        for place in one.footprint.brings.iter().filter(is_path) {
            // Who decides a part of it is told by `conflicts`.
            if one.footprint.edits.contains(&place.name) {
                continue;
            }
            let Some(filler) = fillers.get(&*place.name).copied().filter(|filler| *filler != index(i)) else { continue };
            let ends = [(filler, index(i)), (index(i), filler)];
            if explicit.iter().any(|edge| ends.contains(&(edge.from, edge.to))) {
                continue;
            }
            let filler = &found.resources[filler as usize];
            let message = format!("`{}` makes `{}`, of which `{}` decides the content", one.id, place.name, filler.id);
            let issue = Issue::warning("unordered-overlap", one.at, message).label(filler.at, "its content is decided here");
            issues.push(issue.hint("let one of the two have it, or order them with a requisite"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_end_at_the_root() {
        assert_eq!(parent("/a/b"), Some("/a"));
        assert_eq!(parent("/a"), Some("/"));
        assert_eq!(parent("/"), None);
        assert_eq!(parent("a"), None);
        assert!(is_below("/a/b", "/a") && is_below("/a", "/") && !is_below("/ab", "/a") && !is_below("/a", "/a"));
    }
}
