//! Requisites by name become edges between resources of the catalog.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use stead_catalog::{EdgeKind, ResourceId, Suggestions};

use super::{Extension, Found};
use crate::defs::index;
use crate::issue::{Issue, Loc};
use crate::lower::Lowered;

/// An edge that was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Explicit {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) kind: EdgeKind,
    pub(crate) at: Loc,
}

/// Finds resources by name, and where that fails by alias and by key.
struct Resolver<'a> {
    found: &'a Found,
    others: HashMap<ResourceId, u32>,
    gone: HashSet<&'a ResourceId>,
}

impl<'a> Resolver<'a> {
    fn new(found: &'a Found, all: &'a Lowered) -> Self {
        let mut others = HashMap::new();
        for (i, one) in found.resources.iter().enumerate() {
            let mut add = |name: &Arc<str>| {
                others.entry(ResourceId { type_name: one.id.type_name.clone(), name: name.clone() }).or_insert(index(i));
            };
            one.aliases.iter().for_each(&mut add);
            if let Some((_, value)) = one.attributes.iter().next()
                && let Some(key) = value.as_shared_str()
                && *key != one.id.name
            {
                add(key);
            }
        }
        Self { found, others, gone: all.absent.iter().chain(&all.failed).collect() }
    }

    fn get(&self, id: &ResourceId) -> Option<u32> {
        self.found.by_id.get(id).or_else(|| self.others.get(id)).copied()
    }
}

/// Turns requisites into edges. A requisite onto a resource that `when` switched off is dropped.
pub(super) fn resolve(found: &Found, all: &Lowered, issues: &mut Vec<Issue>) -> Vec<Explicit> {
    let resolver = Resolver::new(found, all);
    let mut edges = Vec::with_capacity(all.requisites.len());
    let mut hints = Hints::new(found);
    let mut seen: HashSet<(u32, u32, EdgeKind)> = HashSet::with_capacity(all.requisites.len());
    for requisite in &all.requisites {
        let ends = [&requisite.from, &requisite.to].map(|id| (id, resolver.get(id)));
        if let [(_, Some(from)), (_, Some(to))] = ends {
            if seen.insert((from, to, requisite.kind)) {
                edges.push(Explicit { from, to, kind: requisite.kind, at: requisite.at });
            }
            continue;
        }
        for (id, place) in ends {
            if place.is_none() && !resolver.gone.contains(id) && !all.is_incomplete {
                issues.push(hints.unresolved(id, requisite.at));
            }
        }
    }
    edges
}

/// Reports `extend` statements whose resource is nowhere.
pub(super) fn unresolved_extensions(
    extensions: &HashMap<ResourceId, Vec<Extension>>,
    found: &Found,
    all: &Lowered,
    issues: &mut Vec<Issue>,
) {
    let gone: HashSet<&ResourceId> = all.absent.iter().chain(&all.failed).collect();
    let mut missing: Vec<&Extension> = extensions
        .values()
        .flatten()
        .filter(|one| !found.by_id.contains_key(&one.target) && !gone.contains(&one.target))
        .collect();
    missing.sort_by_key(|one| one.at);
    if !all.is_incomplete {
        let mut hints = Hints::new(found);
        issues.extend(missing.into_iter().map(|one| hints.unresolved(&one.target, one.at)));
    }
}

/// What to say of resources that are not there. Each is looked for once, however many refer to it.
struct Hints<'a> {
    found: &'a Found,
    known: HashMap<ResourceId, String>,
    suggestions: Suggestions,
}

impl<'a> Hints<'a> {
    fn new(found: &'a Found) -> Self {
        Self { found, known: HashMap::new(), suggestions: Suggestions::default() }
    }

    fn unresolved(&mut self, id: &ResourceId, at: Loc) -> Issue {
        let issue = Issue::error("unresolved-reference", at, format!("there is no `{id}` on this node"));
        if let Some(hint) = self.known.get(id) {
            return issue.hint(hint.clone());
        }
        let hint = self.hint(id);
        self.known.insert(id.clone(), hint.clone());
        issue.hint(hint)
    }

    fn hint(&mut self, id: &ResourceId) -> String {
        let same_type = self.found.resources.iter().filter(|one| one.id.type_name == id.type_name).take(10_000);
        if let Some(best) = self.suggestions.closest(&id.name, same_type.map(|one| &*one.id.name)) {
            return format!("did you mean `{}`?", ResourceId::new(id.type_name.clone(), best));
        }
        let other = |one: &&super::Finished| one.id.name == id.name;
        if let Some(other) = self.found.resources.iter().find(other) {
            return format!("there is `{}`", other.id);
        }
        "declare it; one that is there only on some nodes is declared with `when = …`, so that references to it hold".into()
    }
}
