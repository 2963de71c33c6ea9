//! What Stead made and is no longer declared.
//!
//! A run of a project with `ledger = true` notes in the journal what it made: what was not there before it, not what it only adjusted. What is
//! noted and no longer declared is an orphan: it becomes a resource of the catalog that takes the thing away, planned and applied as
//! any other. What nothing notes is left alone; a ledger that is lost makes no orphans.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use stead_catalog::{
    Attributes, Catalog, Edge, EdgeKind, Footprint, Meta, Orphan, Place, PlaceKind, Resource, ResourceId, Schema, SourceLocation,
    Value,
};

use crate::{Managed, Registry};

/// How a resource of a type is taken away.
#[derive(Clone, Debug, PartialEq)]
pub struct Removal {
    /// The attributes that, besides the key, say which thing is meant.
    pub keep: &'static [&'static str],
    /// What the others are set to: `state = absent`.
    pub set: Vec<(&'static str, Value)>,
    /// It is only worth taking away together with this place, which something else that goes has: a service with its unit.
    pub along_with: Option<Place>,
}

impl Removal {
    /// `state = absent`, and which thing is meant.
    pub fn absent(keep: &'static [&'static str]) -> Self {
        Self { keep, set: vec![("state", Value::Member("absent".into()))], along_with: None }
    }
}

/// One thing that Stead made.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerEntry {
    /// What it was declared as.
    pub resource: ResourceId,
    /// What takes it away.
    pub thing: Attributes,
    /// The node it was made for.
    pub node: String,
    /// Where it was declared.
    pub source: String,
    /// What it came after.
    pub needs: Vec<ResourceId>,
    /// The run that made it, and its place in that run's plan.
    pub made: (i64, i64),
}

/// Returns the attributes that take a resource away; `None` for what is not made, or would be told by a secret.
pub(crate) fn thing(resource: &Resource, managed: &dyn Managed, schema: &Schema) -> Option<Attributes> {
    let removal = managed.removal()?;
    let mut thing = Attributes::new();
    for name in std::iter::once(&*schema.key).chain(removal.keep.iter().copied()) {
        let Some(value) = resource.attributes.get(name) else { continue };
        if value.is_sensitive() || schema.attribute(name).is_none_or(|attribute| attribute.sensitive) {
            return None;
        }
        thing.set(name, value.clone());
    }
    for (name, value) in removal.set {
        thing.set(name, value);
    }
    Some(thing)
}

/// Fills in what the type says of attributes that are not given; `None` when a value is none for its attribute.
pub(crate) fn completed(thing: &Attributes, schema: &Schema) -> Option<Attributes> {
    let mut attributes = Attributes::new();
    for attribute in &schema.attributes {
        let value = match thing.get(&attribute.name) {
            Some(value) => attribute.ty.admit(value, true).ok()?,
            None => attribute.default.clone().unwrap_or(Value::None),
        };
        attributes.set(attribute.name.clone(), value);
    }
    Some(attributes)
}

/// Something that may be an orphan.
struct Candidate<'a> {
    entry: &'a LedgerEntry,
    attributes: Attributes,
    footprint: Footprint,
    along_with: Option<Place>,
}

/// Adds to a catalog what the ledger has and the catalog does not declare.
///
/// What something else of the catalog owns or fills by now is no orphan; what something else still counts on stays, and is told. The
/// orphans go in the reverse of the order in which they were made, and after everything that is declared and once came after them.
#[must_use]
pub fn with_orphans(mut catalog: Catalog, entries: &[LedgerEntry], registry: &Registry) -> Catalog {
    let positions: HashMap<ResourceId, usize> =
        catalog.resources.iter().enumerate().map(|(at, resource)| (resource.id.clone(), at)).collect();
    let mut candidates: Vec<Candidate<'_>> = entries
        .iter()
        .filter(|entry| {
            let declared = positions.get(&entry.resource).map(|at| &catalog.resources[*at]);
            declared.is_none_or(|declared| of_declared(declared, registry).is_some_and(|thing| thing != entry.thing))
        })
        .filter_map(|entry| candidate(entry, registry))
        .collect();
    if candidates.is_empty() {
        return catalog;
    }
    let claims = Claims::of(&catalog, registry);
    candidates.retain(|candidate| !claims.supersede(&candidate.footprint));
    let needed: Vec<Option<ResourceId>> = candidates
        .iter()
        .map(|candidate| claims.needing(&candidate.footprint).map(|at| catalog.resources[at].id.clone()))
        .collect();
    let goes: HashSet<&Place> = candidates
        .iter()
        .zip(&needed)
        .filter(|(_, needed)| needed.is_none())
        .flat_map(|(candidate, _)| &candidate.footprint.gone_before)
        .collect();
    let is_worth = |candidate: &Candidate<'_>| candidate.along_with.as_ref().is_none_or(|place| goes.contains(place));
    let kept: Vec<bool> = candidates.iter().map(is_worth).collect();

    let mut orphans: BTreeMap<&ResourceId, (u32, (i64, i64))> = BTreeMap::new();
    let mut names: HashSet<ResourceId> = positions.keys().cloned().collect();
    let mut added: Vec<(usize, u32)> = Vec::new();
    for (index, (candidate, needed_by)) in candidates.iter().zip(needed).enumerate() {
        if !kept[index] {
            continue;
        }
        let at = u32::try_from(catalog.resources.len()).unwrap_or(u32::MAX);
        let id = free(&candidate.entry.resource, &mut names);
        catalog.resources.push(Resource {
            id,
            attributes: candidate.attributes.clone(),
            meta: Meta { orphan: Some(Orphan { declared_as: candidate.entry.resource.clone(), needed_by }), ..Meta::default() },
            source: SourceLocation { file: candidate.entry.source.as_str().into(), start: 0, end: 0, line: 0, column: 0 },
            path: Vec::new(),
            origins: Vec::new(),
        });
        orphans.insert(&candidate.entry.resource, (at, candidate.entry.made));
        added.push((index, at));
    }
    let mut edges = BTreeSet::new();
    for (index, from) in added {
        let entry = candidates[index].entry;
        // Only what was made later came after it: what the ledger says of several runs has no cycle then.
        let earlier = entry.needs.iter().filter_map(|need| orphans.get(need)).filter(|(_, made)| *made < entry.made);
        edges.extend(earlier.map(|(to, _)| (*to, from, EdgeKind::Require)));
    }
    for entry in entries {
        if let Some(from) = positions.get(&entry.resource) {
            let from = u32::try_from(*from).unwrap_or(u32::MAX);
            edges.extend(entry.needs.iter().filter_map(|need| orphans.get(need)).map(|(to, _)| (*to, from, EdgeKind::After)));
        }
    }
    let reason: Arc<str> = "no longer declared".into();
    let edge = |(to, from, kind)| Edge { from, to, kind, reason: reason.clone(), source: None };
    // They all lead to what was added at the end: the order by `to` stays.
    catalog.edges.extend(edges.into_iter().map(edge));
    catalog
}

/// What would take a declared resource away.
fn of_declared(resource: &Resource, registry: &Registry) -> Option<Attributes> {
    let managed = registry.get(&resource.id.type_name)?.read(&resource.attributes).ok()?;
    thing(resource, &*managed, registry.schema(&resource.id.type_name)?)
}

fn candidate<'a>(entry: &'a LedgerEntry, registry: &Registry) -> Option<Candidate<'a>> {
    let schema = registry.schema(&entry.resource.type_name)?;
    let attributes = completed(&entry.thing, schema)?;
    let managed = registry.get(&entry.resource.type_name)?.read(&attributes).ok()?;
    let footprint = (schema.footprint)(&attributes);
    Some(Candidate { entry, attributes, footprint, along_with: managed.removal()?.along_with })
}

/// The id of an orphan: its own, unless that is declared as something else by now.
fn free(id: &ResourceId, taken: &mut HashSet<ResourceId>) -> ResourceId {
    let mut free = id.clone();
    let mut number = 1;
    while !taken.insert(free.clone()) {
        number += 1;
        free = ResourceId::new(id.type_name.clone(), format!("{} ({number})", id.name));
    }
    free
}

/// What the declared resources own, fill and count on.
struct Claims {
    owned: HashSet<Place>,
    filled: HashSet<Arc<str>>,
    /// By place: the first resource that counts on it. A path stands for each directory above it as well.
    needed: HashMap<Place, usize>,
}

impl Claims {
    fn of(catalog: &Catalog, registry: &Registry) -> Self {
        let mut claims = Self { owned: HashSet::new(), filled: HashSet::new(), needed: HashMap::new() };
        for (at, resource) in catalog.resources.iter().enumerate() {
            let Some(schema) = registry.schema(&resource.id.type_name) else { continue };
            let footprint = (schema.footprint)(&resource.attributes);
            if !footprint.removes {
                for place in &footprint.needs {
                    claims.needed.entry(place.clone()).or_insert(at);
                }
                let paths = footprint.owns.iter().chain(&footprint.needs).filter(|place| place.kind == PlaceKind::Path);
                for place in paths.map(|place| &*place.name).chain(footprint.edits.iter().map(|path| &**path)) {
                    let above = place.match_indices('/').map(|(end, _)| &place[..end]).filter(|above| !above.is_empty());
                    for above in above {
                        claims.needed.entry(Place::path(above)).or_insert(at);
                    }
                }
            }
            claims.owned.extend(footprint.owns);
            claims.filled.extend(footprint.fills);
        }
        claims
    }

    /// Says whether somebody else decides about the thing by now.
    fn supersede(&self, footprint: &Footprint) -> bool {
        footprint.owns.iter().any(|place| self.owned.contains(place))
            || footprint.edits.iter().any(|path| self.filled.contains(path))
    }

    /// The first resource that counts on the thing.
    fn needing(&self, footprint: &Footprint) -> Option<usize> {
        footprint.owns.iter().chain(&footprint.gone_before).filter_map(|place| self.needed.get(place)).min().copied()
    }
}
