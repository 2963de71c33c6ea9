//! Catalogs as changes: what is wanted where nothing is known, and how the catalogs of two revisions differ.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use stead_catalog::{
    Action, Catalog, Cause, Change, Command, EdgeKind, Meta, Plan, PlannedResource, Resource, ResourceId, Shown, SourceLocation,
    Value,
};

use crate::lines::{Diff, LineKind};

/// A line of source that a change came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceLine {
    /// The file, relative to the project.
    pub file: Arc<str>,
    /// Its line, from 1.
    pub line: u32,
    /// Whether it stands in the new revision.
    pub is_new: bool,
    /// Its text.
    pub text: Arc<str>,
}

/// The lines of source that differ between two revisions.
#[derive(Clone, Debug, Default)]
pub struct SourceLines {
    files: BTreeMap<Arc<str>, Changed>,
}

/// What differs in one file.
#[derive(Clone, Debug)]
struct Changed {
    lines: Vec<SourceLine>,
    /// Where each line begins, before and after, in bytes.
    starts: [Vec<u32>; 2],
}

impl Changed {
    /// The line that a byte is in, from 1.
    fn line_at(&self, byte: u32, is_new: bool) -> u32 {
        u32::try_from(self.starts[usize::from(is_new)].partition_point(|start| *start <= byte)).unwrap_or(u32::MAX)
    }
}

/// Most lines that are named as the cause of one change.
const MOST_LINES: usize = 6;

impl SourceLines {
    /// No file differs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file that differs; an absent one is empty.
    pub fn add(&mut self, file: &Arc<str>, old: &str, new: &str) {
        let mut lines = Vec::new();
        for hunk in &Diff::new(old, new).hunks {
            let (mut before, mut after) = (hunk.old_start, hunk.new_start);
            for line in &hunk.lines {
                let (is_old, is_new) = (line.kind != LineKind::Added, line.kind != LineKind::Removed);
                if line.kind != LineKind::Context {
                    let number = u32::try_from(if is_new { after } else { before }).unwrap_or(u32::MAX);
                    lines.push(SourceLine { file: file.clone(), line: number, is_new, text: line.text.into() });
                }
                before += usize::from(is_old);
                after += usize::from(is_new);
            }
        }
        if !lines.is_empty() {
            let starts = [old, new].map(|text| {
                let mut at = 0_u32;
                text.split_inclusive('\n')
                    .map(|line| {
                        let start = at;
                        at = at.saturating_add(u32::try_from(line.len()).unwrap_or(u32::MAX));
                        start
                    })
                    .collect()
            });
            self.files.insert(file.clone(), Changed { lines, starts });
        }
    }

    /// Changed lines of a file.
    fn of(&self, file: &str) -> &[SourceLine] {
        self.files.get(file).map(|changed| &*changed.lines).unwrap_or_default()
    }

    /// Changed lines that a place covers.
    fn covered(&self, place: &SourceLocation, is_new: bool) -> impl Iterator<Item = &SourceLine> {
        let changed = self.files.get(&place.file);
        let last = changed.map_or(0, |changed| changed.line_at(place.end.saturating_sub(1).max(place.start), is_new));
        let first = place.line;
        self.of(&place.file).iter().filter(move |line| line.is_new == is_new && (first..=last.max(first)).contains(&line.line))
    }

    /// Changed lines, on either side, next to changed lines of the other one: a line that was rewritten.
    fn with_other_side<'a>(&'a self, found: &[&'a SourceLine]) -> Vec<&'a SourceLine> {
        let mut all: Vec<&SourceLine> = Vec::new();
        for line in found {
            let lines = self.of(&line.file);
            let Some(at) = lines.iter().position(|other| other == *line) else { continue };
            // Removed lines stand before the added ones that take their place.
            let is_run = |from: usize, to: usize| lines[from].line.abs_diff(lines[to].line) <= 1;
            let mut start = at;
            while start > 0 && (lines[start - 1].is_new == lines[at].is_new) && is_run(start - 1, start) {
                start -= 1;
            }
            if lines[at].is_new {
                all.extend(lines[..start].iter().rev().take_while(|other| !other.is_new).take(1));
            }
            all.push(line);
        }
        all
    }
}

/// What has to be known of resource types.
#[derive(Clone, Copy)]
pub struct Types<'a> {
    /// Whether a `watch` makes a type react.
    pub reacts: &'a (dyn Fn(&str) -> bool + Sync),
    /// Whether an attribute of a type has the value that it has anyway.
    pub is_default: &'a (dyn Fn(&str, &str, &Value) -> bool + Sync),
}

impl std::fmt::Debug for Types<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Types")
    }
}

/// How the catalogs of a node differ.
#[derive(Clone, Debug)]
pub struct CatalogDifference {
    pub(super) plan: Plan,
    pub(super) states: HashMap<ResourceId, Vec<Arc<str>>>,
    pub(super) lines: HashMap<ResourceId, Vec<SourceLine>>,
}

impl CatalogDifference {
    /// The difference as a plan: what comes is created, what is no longer declared is deleted.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// What a catalog wants, as the plan of a node of which nothing is known.
pub fn wanted(catalog: &Catalog, types: Types<'_>) -> Plan {
    let written = written_edges(catalog);
    let resources = catalog.resources.iter().enumerate().map(|(at, resource)| {
        let mut planned = planned(resource, Action::Create);
        planned.changes = differences(None, Some((resource, edges_of(&written, at))), types);
        planned
    });
    Plan { node: catalog.node.clone(), catalog_hash: *catalog.hash().as_bytes(), resources: resources.collect() }
}

/// Compares the catalogs of a node; one is absent where the node is new or gone. `lines` are the lines of source that differ.
pub fn compare(base: Option<&Catalog>, head: Option<&Catalog>, types: Types<'_>, lines: &SourceLines) -> CatalogDifference {
    let empty = Catalog::default();
    let (old, new) = (base.unwrap_or(&empty), head.unwrap_or(&empty));
    let node = head.or(base).map_or_else(|| "".into(), |catalog| catalog.node.clone());
    let (old_edges, new_edges) = (written_edges(old), written_edges(new));
    let before: HashMap<&ResourceId, usize> = old.resources.iter().enumerate().map(|(at, resource)| (&resource.id, at)).collect();
    let mut difference = CatalogDifference {
        plan: Plan { node, catalog_hash: *new.hash().as_bytes(), resources: Vec::new() },
        states: HashMap::new(),
        lines: HashMap::new(),
    };
    let mut acts = vec![false; new.resources.len()];
    for (at, resource) in new.resources.iter().enumerate() {
        let was = before.get(&resource.id).map(|at| (&old.resources[*at], edges_of(&old_edges, *at)));
        let action = if was.is_some() { Action::Update } else { Action::Create };
        let changes = if was.as_ref().is_some_and(|(was, edges)| same(was, resource) && *edges == edges_of(&new_edges, at)) {
            Vec::new()
        } else {
            differences(was, Some((resource, edges_of(&new_edges, at))), types)
        };
        let mut planned = planned(resource, if changes.is_empty() && action == Action::Update { Action::None } else { action });
        acts[at] = planned.action != Action::None;
        if acts[at] {
            let old_resource = before.get(&resource.id).map(|at| &old.resources[*at]);
            difference.lines.insert(
                resource.id.clone(),
                causes(&new.node, Sides { old: old_resource, new: Some(resource) }, &changes, lines),
            );
            difference.states.insert(resource.id.clone(), resource.path.clone());
        }
        planned.changes = changes;
        difference.plan.resources.push(planned);
    }
    react(new, &mut acts, &mut difference, types.reacts);
    let kept: std::collections::HashSet<&ResourceId> = new.resources.iter().map(|resource| &resource.id).collect();
    for (at, resource) in old.resources.iter().enumerate().filter(|(_, resource)| !kept.contains(&resource.id)) {
        let mut planned = planned(resource, Action::Delete);
        planned.changes = differences(Some((resource, edges_of(&old_edges, at))), None, types);
        difference
            .lines
            .insert(resource.id.clone(), causes(&old.node, Sides { old: Some(resource), new: None }, &planned.changes, lines));
        difference.states.insert(resource.id.clone(), resource.path.clone());
        difference.plan.resources.push(planned);
    }
    difference
}

/// What does not differ by itself, and reacts to what does.
fn react(catalog: &Catalog, acts: &mut [bool], difference: &mut CatalogDifference, reacts: &dyn Fn(&str) -> bool) {
    for edge in &catalog.edges {
        let (from, to) = (edge.from as usize, edge.to as usize);
        let (Some(cause), Some(resource)) = (catalog.resources.get(from), catalog.resources.get(to)) else { continue };
        let is_reaction = match edge.kind {
            EdgeKind::Watch | EdgeKind::Listen => reacts(&resource.id.type_name),
            EdgeKind::OnChanges => true,
            _ => false,
        };
        if !is_reaction || !acts[from] {
            continue;
        }
        let planned = &mut difference.plan.resources[to];
        if planned.action == Action::None {
            planned.action = if &*resource.id.type_name == "exec" { Action::Run } else { Action::Restart };
            difference.states.insert(resource.id.clone(), resource.path.clone());
        }
        if matches!(planned.action, Action::Run | Action::Restart) {
            planned.because.push(Cause { kind: edge.kind, resource: cause.id.clone() });
        }
    }
}

fn planned(resource: &Resource, action: Action) -> PlannedResource {
    PlannedResource {
        id: resource.id.clone(),
        action,
        because: Vec::new(),
        source: resource.source.clone(),
        changes: Vec::new(),
        unknown: None,
        held: None,
        error: None,
        digest: None,
        orphan: resource.meta.orphan.is_some(),
    }
}

fn same(a: &Resource, b: &Resource) -> bool {
    a.attributes == b.attributes && a.meta == b.meta
}

/// The requisites that were written, by the resource that waits: kind and the other's id.
type Written<'a> = BTreeMap<usize, Vec<(EdgeKind, &'a ResourceId)>>;

fn written_edges(catalog: &Catalog) -> Written<'_> {
    let mut edges: Written<'_> = BTreeMap::new();
    for edge in catalog.edges.iter().filter(|edge| edge.kind != EdgeKind::Automatic) {
        if let Some(from) = catalog.resources.get(edge.from as usize) {
            edges.entry(edge.to as usize).or_default().push((edge.kind, &from.id));
        }
    }
    for list in edges.values_mut() {
        list.sort();
        list.dedup();
    }
    edges
}

fn edges_of<'a, 'b>(edges: &'b Written<'a>, at: usize) -> &'b [(EdgeKind, &'a ResourceId)] {
    edges.get(&at).map(Vec::as_slice).unwrap_or_default()
}

type Side<'a, 'b> = (&'a Resource, &'b [(EdgeKind, &'a ResourceId)]);

/// Attribute by attribute, then the requisites, then guards and the like.
fn differences(old: Option<Side<'_, '_>>, new: Option<Side<'_, '_>>, types: Types<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    let (before, after) = (old.map(|(resource, _)| &resource.attributes), new.map(|(resource, _)| &resource.attributes));
    let is_plain = |name: &str, value: &Value| {
        // The name of a resource stands in its id already, and what is so anyway need not be told.
        new.or(old).is_some_and(|(resource, _)| {
            (matches!(name, "path" | "name") && value.as_str() == Some(&*resource.id.name))
                || (types.is_default)(&resource.id.type_name, name, value)
        })
    };
    let mut names: Vec<&Arc<str>> = after.iter().flat_map(|attributes| attributes.iter().map(|(name, _)| name)).collect();
    for (name, _) in before.iter().flat_map(|attributes| attributes.iter()) {
        if after.is_none_or(|after| after.get(name).is_none()) {
            names.push(name);
        }
    }
    for name in names {
        let (a, b) = (before.and_then(|side| side.get(name)), after.and_then(|side| side.get(name)));
        if a == b || b.or(a).is_some_and(|value| (old.is_none() || new.is_none()) && is_plain(name, value)) {
            continue;
        }
        let is_content = &**name == "content";
        changes.push(hide(Change::value(name, shown(a, is_content), shown(b, is_content))));
    }
    for kind in [
        EdgeKind::Require,
        EdgeKind::Watch,
        EdgeKind::OnChanges,
        EdgeKind::OnFail,
        EdgeKind::Prereq,
        EdgeKind::Listen,
        EdgeKind::After,
    ] {
        let list = |side: &Option<Side<'_, '_>>| {
            let (_, edges) = (*side)?;
            let ids: Vec<Value> =
                edges.iter().filter(|(other, _)| *other == kind).map(|(_, id)| Value::Ref((*id).clone())).collect();
            (!ids.is_empty()).then(|| Value::list(ids))
        };
        let (a, b) = (list(&old), list(&new));
        if a != b {
            changes.push(Change::value(kind.name(), shown(a.as_ref(), false), shown(b.as_ref(), false)));
        }
    }
    let meta = |side: &Option<Side<'_, '_>>| side.map(|(resource, _)| meta_values(&resource.meta)).unwrap_or_default();
    let (a, b) = (meta(&old), meta(&new));
    for (name, before) in &a {
        let after = b.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        if after != Some(before) {
            changes.push(Change::value(name, Shown::Value(before.clone()), shown(after, false)));
        }
    }
    for (name, after) in b.iter().filter(|(name, _)| !a.iter().any(|(other, _)| other == name)) {
        changes.push(Change::value(name, Shown::Absent, Shown::Value(after.clone())));
    }
    changes
}

fn shown(value: Option<&Value>, is_content: bool) -> Shown {
    match value {
        None => Shown::Absent,
        Some(value) if value.is_sensitive() => Shown::Sensitive,
        Some(Value::String(text)) if is_content || text.contains('\n') => Shown::Text(text.clone()),
        Some(Value::Blob(blob)) => match std::str::from_utf8(&blob.bytes) {
            Ok(text) if text.len() <= SHOWN_BYTES && !text.contains('\0') => Shown::Text(text.into()),
            _ => Shown::Digest { hash: hex::encode(blob.hash).into(), size: blob.bytes.len() as u64 },
        },
        Some(value) => Shown::Value(value.clone()),
    }
}

/// Longest file of the project that is shown as text.
const SHOWN_BYTES: usize = 1 << 20;

fn hide(change: Change) -> Change {
    if matches!(change.before, Shown::Sensitive) || matches!(change.after, Shown::Sensitive) { change.hidden() } else { change }
}

fn meta_values(meta: &Meta) -> Vec<(&'static str, Value)> {
    let commands = |commands: &[Command]| Value::list(commands.iter().map(|command| Value::string(command.to_string())));
    let mut values = Vec::new();
    let mut add = |name, is_given: bool, value: Value| {
        if is_given {
            values.push((name, value));
        }
    };
    add("only_if", !meta.only_if.is_empty(), commands(&meta.only_if));
    add("unless", !meta.unless.is_empty(), commands(&meta.unless));
    if let Some(retry) = meta.retry {
        add("retry.attempts", true, Value::Int(i64::from(retry.attempts)));
        add("retry.delay", true, Value::Duration(retry.delay_ns));
    }
    if let Some(timeout) = meta.timeout_ns {
        add("timeout", true, Value::Duration(timeout));
    }
    add("tags", !meta.tags.is_empty(), Value::list(meta.tags.iter().map(|tag| Value::String(tag.clone()))));
    add("noop", meta.noop, Value::Bool(true));
    add("on_drift", meta.on_drift != stead_catalog::DriftPolicy::Fix, Value::Member(meta.on_drift.name().into()));
    values
}

/// The changed lines of source that a change came from: those of the declaration and of the values that changed; else those
/// that call a state it was made from, or of a template whose text is in it; else none.
fn causes(node: &str, sides: Sides<'_>, changes: &[Change], lines: &SourceLines) -> Vec<SourceLine> {
    let Sides { old, new } = sides;
    let mut found: Vec<&SourceLine> = Vec::new();
    for (resource, is_new) in old.map(|resource| (resource, false)).into_iter().chain(new.map(|resource| (resource, true))) {
        found.extend(lines.covered(&resource.source, is_new));
        for origin in &resource.origins {
            let matters = new.is_none() || old.is_none() || changes.iter().any(|change| change.attribute == origin.attribute);
            if let (true, Some(place)) = (matters, &origin.location) {
                found.extend(lines.covered(place, is_new));
            }
        }
        for value in resource.attributes.iter().map(|(_, value)| value.reveal()) {
            if let Value::Blob(blob) = value {
                found.extend(lines.of(&blob.origin).iter().filter(|line| line.is_new == is_new));
            }
        }
    }
    if found.is_empty() {
        found = calls(sides, lines);
    }
    if found.is_empty() {
        found = texts(node, changes, lines);
    }
    let mut found = lines.with_other_side(&found).into_iter().cloned().collect::<Vec<_>>();
    found.sort();
    found.dedup();
    found.truncate(MOST_LINES);
    found
}

#[derive(Clone, Copy)]
struct Sides<'a> {
    old: Option<&'a Resource>,
    new: Option<&'a Resource>,
}

/// Changed lines that call a state the resource came from.
fn calls<'a>(sides: Sides<'_>, lines: &'a SourceLines) -> Vec<&'a SourceLine> {
    let resources = sides.old.into_iter().chain(sides.new);
    let states: Vec<String> = resources
        .flat_map(|resource| &resource.path)
        .map(|state| format!("{}(", state.rsplit('.').next().unwrap_or(state)))
        .collect();
    let sources = lines.files.iter().filter(|(file, _)| file.ends_with(".stead"));
    let lines = sources.flat_map(|(_, changed)| &changed.lines);
    lines.filter(|line| states.iter().any(|state| line.text.contains(state.as_str()))).collect()
}

/// Changed lines of other files: those whose words are in a text that changed, and the facts of the node.
fn texts<'a>(node: &str, changes: &[Change], lines: &'a SourceLines) -> Vec<&'a SourceLine> {
    let is_in = |line: &SourceLine| {
        let words = literal(&line.text);
        let side = |change: &'_ Change| match if line.is_new { &change.after } else { &change.before } {
            Shown::Text(text) => text.contains(words),
            Shown::Value(Value::String(text)) => text.contains(words),
            _ => false,
        };
        words.len() >= 3 && changes.iter().any(side)
    };
    let facts = format!("/{node}.json");
    let others = lines.files.iter().filter(|(file, _)| !file.ends_with(".stead") && !file.ends_with(".json"));
    let mut found: Vec<&SourceLine> = others.flat_map(|(_, changed)| &changed.lines).filter(|line| is_in(line)).collect();
    if found.is_empty() {
        found = lines.files.iter().filter(|(file, _)| file.ends_with(&facts)).flat_map(|(_, changed)| &changed.lines).collect();
    }
    found
}

/// The longest part of a template's line that is no expression and no statement.
fn literal(line: &str) -> &str {
    let mut longest = "";
    let mut rest = line;
    loop {
        let open = ["{{", "{%", "{#"].iter().filter_map(|open| rest.find(open)).min();
        let words = rest[..open.unwrap_or(rest.len())].trim();
        if words.len() > longest.len() {
            longest = words;
        }
        let Some(open) = open else { return longest };
        let Some(close) = ["}}", "%}", "#}"].iter().filter_map(|close| rest[open..].find(close)).min() else { return longest };
        rest = &rest[open + close + 2..];
    }
}
