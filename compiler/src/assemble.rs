//! Claims become a catalog: extended, completed, checked, merged, ordered.

mod conflicts;
mod cycles;
mod edges;
mod finish;
pub(crate) mod requisites;

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;
use stead_catalog::{Attributes, Catalog, Edge, EdgeKind, Footprint, Meta, Origin, Resource, ResourceId, Secrets, Surroundings};

use crate::diagnostic::Diagnostic;
use crate::eval::World;
use crate::issue::{Issue, Loc};
use crate::lints::{allow, packages, units};
use crate::lower::{Draft, Extension, Given, Lowered};
use crate::nodes::NodeContext;
use crate::project::Project;

pub(crate) use finish::finish;

/// A resource with everything filled in, before it is put into the catalog.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) id: ResourceId,
    pub(crate) schema: u32,
    pub(crate) attributes: Attributes,
    pub(crate) given: Vec<Given>,
    pub(crate) meta: Meta,
    pub(crate) aliases: Vec<Arc<str>>,
    pub(crate) footprint: Footprint,
    pub(crate) at: Loc,
    pub(crate) path: Arc<[Arc<str>]>,
    pub(crate) calls: Arc<[(Arc<str>, Loc)]>,
    pub(crate) origins: Vec<Origin>,
}

impl Finished {
    /// Where it and its attributes are written.
    fn places(&self) -> impl Iterator<Item = Loc> {
        std::iter::once(self.at).chain(self.given.iter().map(|given| given.at))
    }

    /// Adds the calls that led to the resource.
    pub(crate) fn told(&self, mut issue: Issue) -> Issue {
        for (name, at) in self.calls.iter().take(8) {
            issue = issue.label(*at, format!("in `{name}`, called here"));
        }
        issue
    }

    /// Where an attribute is written; the resource itself where it is not.
    fn place_of(&self, project: &Project, attribute: Option<&str>) -> Loc {
        let schema = project.program.schemas.at(self.schema);
        let given = self
            .given
            .iter()
            .find(|given| attribute.is_some_and(|name| *schema.attributes[given.attribute as usize].name == *name));
        given.map_or(self.at, |given| given.at)
    }
}

/// Merged resources and how to find them.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) resources: Vec<Finished>,
    pub(crate) by_id: HashMap<ResourceId, u32>,
}

/// Makes the catalog of a node from what its parts declare.
pub(crate) fn assemble(
    world: &World<'_>,
    node: &NodeContext,
    parts: Vec<Lowered>,
    issues: &mut Vec<Issue>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Catalog> {
    let project = world.project;
    let mut all = Lowered::default();
    for mut part in parts {
        all.drafts.append(&mut part.drafts);
        all.requisites.append(&mut part.requisites);
        all.extensions.append(&mut part.extensions);
        all.absent.append(&mut part.absent);
        all.failed.append(&mut part.failed);
        all.is_incomplete |= part.is_incomplete;
        issues.append(&mut part.issues);
        diagnostics.append(&mut part.diagnostics);
    }
    let extensions = by_target(std::mem::take(&mut all.extensions));
    let drafts = std::mem::take(&mut all.drafts);
    let finished: Vec<(Finished, Vec<Issue>)> = drafts
        .into_par_iter()
        .map(|draft: Draft| {
            let extensions = extensions.get(&draft.id).map_or(&[][..], Vec::as_slice);
            finish::finish(project, draft, extensions)
        })
        .collect();
    let found = conflicts::merge(project, finished, issues);
    if !(world.is_wanted)() {
        return None;
    }
    requisites::unresolved_extensions(&extensions, &found, &all, issues);
    conflicts::places(&found, issues);
    conflicts::contents(&found, issues);
    let explicit = requisites::resolve(&found, &all, issues);
    edges::overlaps(&found, &explicit, issues);
    lint(project, &found, &explicit, issues);
    packages::check(node.packages.as_deref(), &found, &explicit, issues);
    if issues.iter().any(|issue| issue.is_error) || diagnostics.iter().any(Diagnostic::is_error) {
        // The edges of what could be resolved may still close a circle.
        cycles::explicit(&found, &explicit, issues);
        return None;
    }
    if !(world.is_wanted)() {
        return None;
    }
    let automatic = edges::automatic(&found, &explicit);
    if !cycles::explicit(&found, &explicit, issues) {
        return None;
    }
    let edges = cycles::without_contradictions(found.resources.len(), &explicit, automatic);
    Some(catalog(project, &node.name, found, explicit, edges))
}

/// What there is to say about resources that are right and could be better.
fn lint(project: &Project, found: &Found, explicit: &[requisites::Explicit], issues: &mut Vec<Issue>) {
    allow::reach(&project.program.files, found.resources.iter().flat_map(Finished::places));
    let mut is_guarded: Vec<bool> =
        found.resources.iter().map(|one| !one.meta.only_if.is_empty() || !one.meta.unless.is_empty()).collect();
    for edge in explicit.iter().filter(|edge| matches!(edge.kind, EdgeKind::OnChanges | EdgeKind::OnFail | EdgeKind::Prereq)) {
        is_guarded[edge.to as usize] = true;
        // A prereq acts only when what it comes before will change.
        is_guarded[edge.from as usize] |= edge.kind == EdgeKind::Prereq;
    }
    let mut is_watching = vec![false; found.resources.len()];
    for edge in explicit.iter().filter(|edge| matches!(edge.kind, EdgeKind::Watch | EdgeKind::Listen)) {
        is_watching[edge.to as usize] = true;
    }
    let around = is_guarded.into_par_iter().zip(is_watching);
    let linted = found.resources.par_iter().zip(around).flat_map_iter(|(one, (is_guarded, is_watching))| {
        let schema = project.program.schemas.at(one.schema);
        let (known, stood_in) = finish::with_stand_ins(schema, &one.attributes);
        let mut problems = (schema.lint)(&known, Surroundings { is_guarded, is_watching });
        problems.retain(|problem| problem.attribute.as_deref().is_none_or(|name| !stood_in.contains(&name)));
        let secrets = Secrets::of(&one.attributes);
        problems.into_iter().map(move |problem| {
            let problem = finish::discreet(problem, &secrets);
            let at = one.place_of(project, problem.attribute.as_deref());
            let issue = one.told(Issue::warning(problem.code, at, problem.message));
            Issue { hint: problem.hint, mend: problem.mend.map(Box::new), ..issue }
        })
    });
    issues.extend(linted.collect::<Vec<_>>());
    units::check(found, issues);
}

fn by_target(extensions: Vec<Extension>) -> HashMap<ResourceId, Vec<Extension>> {
    let mut map: HashMap<ResourceId, Vec<Extension>> = HashMap::new();
    for extension in extensions {
        map.entry(extension.target.clone()).or_default().push(extension);
    }
    map
}

fn catalog(
    project: &Project,
    node: &Arc<str>,
    found: Found,
    explicit: Vec<requisites::Explicit>,
    automatic: Vec<edges::Automatic>,
) -> Catalog {
    let nothing: Arc<str> = "".into();
    let mut last: Option<(Loc, stead_catalog::SourceLocation)> = None;
    let mut edges: Vec<Edge> = Vec::with_capacity(explicit.len() + automatic.len());
    for edge in explicit {
        let location = match &last {
            Some((at, location)) if *at == edge.at => location.clone(),
            _ => project.location(edge.at),
        };
        last = Some((edge.at, location.clone()));
        edges.push(Edge { from: edge.from, to: edge.to, kind: edge.kind, reason: nothing.clone(), source: Some(location) });
    }
    edges.extend(automatic.into_iter().map(|edge| Edge {
        from: edge.from,
        to: edge.to,
        kind: edge.kind,
        reason: edge.reason,
        source: None,
    }));
    edges.sort_by_key(|edge| (edge.to, edge.from, edge.kind));
    let resources = found
        .resources
        .into_par_iter()
        .map(|one| Resource {
            id: one.id,
            attributes: one.attributes,
            meta: one.meta,
            source: project.location(one.at),
            path: one.path.to_vec(),
            origins: one.origins,
        })
        .collect();
    Catalog { node: node.clone(), resources, edges }
}
