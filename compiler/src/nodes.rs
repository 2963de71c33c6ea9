//! Which node blocks apply to a node.

use std::collections::BTreeSet;
use std::sync::Arc;

use rayon::prelude::*;
use stead_catalog::{Map, Type, Value};
use stead_grammar::ast::{Item, NodePattern, NodeSelector, Span};

use crate::Outcome;
use crate::check::{NameTest, Selector};
use crate::defs::index;
use crate::diagnostic::Diagnostic;
use crate::eval::{Evaluator, Wanted, World};
use crate::issue::{Issue, Loc};
use crate::lints::PackageLists;
use crate::lower::{self, Lowered, Part};
use crate::project::Project;

/// The node a catalog is made for.
#[derive(Clone, Debug, Default)]
pub struct NodeContext {
    /// Its name: what globs and regular expressions of node blocks look at.
    pub name: Arc<str>,
    /// What it tells about itself, by the names of the facts; a map.
    pub facts: stead_catalog::Map,
    /// Labels from the inventory.
    pub tags: Vec<Arc<str>>,
    /// Groups from the inventory; the data hierarchy may use them.
    pub groups: Vec<Arc<str>>,
    /// What its package manager knows, where who compiles can tell.
    pub packages: Option<Arc<dyn PackageLists>>,
}

/// The node patterns that are plain names, sorted.
pub(crate) fn plain_names(project: &Project) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    for item in project.program.files.iter().flat_map(|file| &file.tree.items) {
        let Item::Node(node) = item else { continue };
        let NodeSelector::Names(patterns) = &node.selector else { continue };
        for pattern in patterns {
            if let NodePattern::Glob(glob, _) = pattern
                && !glob.contains(['*', '?', '[', '{'])
            {
                names.push(glob.clone());
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

/// Compiles the project for one node; `None` where that is not wanted any more.
pub(crate) fn compile(project: &Project, node: &NodeContext, is_wanted: Wanted<'_>) -> Option<Outcome> {
    let mut issues = Vec::new();
    let mut diagnostics = Vec::new();
    let mut states = BTreeSet::new();
    let mut world = world(project, node, &mut issues, &mut diagnostics);
    world.is_wanted = is_wanted;
    let catalog = if issues.iter().any(|issue: &Issue| issue.is_error) || diagnostics.iter().any(Diagnostic::is_error) {
        None
    } else {
        let parts = parts(&world, node, &mut issues);
        let lowered: Vec<Lowered> = parts.into_par_iter().map(|part| lower::lower(&world, part)).collect();
        if !is_wanted() {
            return None;
        }
        let called: BTreeSet<u32> = lowered.iter().flat_map(|part| &part.states).copied().collect();
        states.extend(called.into_iter().map(|state| project.program.callable_place(&project.program.states[state as usize])));
        crate::assemble::assemble(&world, node, lowered, &mut issues, &mut diagnostics)
    };
    if !is_wanted() {
        return None;
    }
    diagnostics.extend(issues.into_iter().map(|issue| issue.into_diagnostic(&project.program.files)));
    crate::lints::allow::silence(&project.program.files, &mut diagnostics);
    project.config().apply_lints(&mut diagnostics);
    crate::diagnostic::arrange(&mut diagnostics);
    let catalog = catalog.filter(|_| !diagnostics.iter().any(Diagnostic::is_error));
    Some(Outcome { catalog, diagnostics, states })
}

/// The data of a node, merged.
pub(crate) fn data_tree(project: &Project, node: &NodeContext) -> crate::data::Node {
    world(project, node, &mut Vec::new(), &mut Vec::new()).data_tree
}

/// The facts of a node as code sees them: with the defaults of those that it does not tell. What is wrong with them is told by a compile.
pub(crate) fn completed_facts(project: &Project, node: &NodeContext) -> Map {
    let world = without_data(project, node);
    match facts(&world, node, &mut Vec::new()) {
        Value::Map(facts) => Arc::unwrap_or_clone(facts),
        _ => Map::new(),
    }
}

/// What code can look at: facts, data and the node itself.
fn world<'a>(project: &'a Project, node: &NodeContext, issues: &mut Vec<Issue>, diagnostics: &mut Vec<Diagnostic>) -> World<'a> {
    let mut world = without_data(project, node);
    world.facts = facts(&world, node, issues);
    let levels = project.hierarchy.levels(&|path| fact_at(&world, path));
    world.data_tree = project.data.merged(&levels, &project.merge_rules);
    if project.data.has_secrets {
        world.data_tree = crate::secrets::unseal(project, world.data_tree, diagnostics);
    }
    world.data = world.data_tree.to_value();
    world
}

/// A world that knows the node itself, and neither facts nor data.
fn without_data<'a>(project: &'a Project, node: &NodeContext) -> World<'a> {
    let words = |words: &[Arc<str>]| Value::list(words.iter().map(|word| Value::String(word.clone())));
    let about = Value::map([
        ("name".into(), Value::String(node.name.clone())),
        ("tags".into(), words(&node.tags)),
        ("groups".into(), words(&node.groups)),
    ]);
    let nothing = crate::data::Node::new(crate::data::Kind::Map(Arc::default()), &"".into(), Span::at(0));
    World { project, facts: Value::None, data: Value::map([]), node: about, data_tree: nothing, is_wanted: &|| true }
}

/// What a path of the hierarchy stands for: `facts.os.family`, `node.name`.
fn fact_at(world: &World<'_>, path: &[String]) -> Option<Value> {
    let (root, fields) = path.split_first()?;
    let root = match root.as_str() {
        "facts" => &world.facts,
        "node" => &world.node,
        _ => return None,
    };
    fields
        .iter()
        .try_fold(root, |value, field| match value {
            Value::Map(map) => map.get(field.as_str()),
            _ => None,
        })
        .cloned()
}

/// The facts of the node, held to their types; facts of the project get their defaults.
fn facts(world: &World<'_>, node: &NodeContext, issues: &mut Vec<Issue>) -> Value {
    let project = world.project;
    let Type::Record(record) = &project.program.facts else { return Value::Map(Arc::new(node.facts.clone())) };
    let mut facts = Map::with_capacity(record.fields.len());
    for field in &record.fields {
        let custom = project.program.custom_facts.iter().position(|fact| fact.name.name == field.name);
        match node.facts.get(&field.name) {
            Some(value) => match field.ty.admit(value, true) {
                Ok(value) => {
                    facts.insert(field.name.clone(), value);
                }
                // A fact of another kind than it should be is as good as none: who uses it is told.
                Err(mismatch) => {
                    if let Some(custom) = custom {
                        let fact = &project.program.custom_facts[custom];
                        let at = Loc::new(fact.at.file, fact.name.span);
                        let issue = Issue::mismatch(at, &mismatch);
                        issues.push(issue.primary(format!("what node `{}` tells for this fact", node.name)));
                    } else {
                        facts.insert(field.name.clone(), value.clone());
                    }
                }
            },
            None => {
                let default = custom.and_then(|i| project.code.fact_defaults.get(i)).and_then(Option::as_ref);
                if let Some((expr, slots)) = default.map(|default| &**default) {
                    let file = custom.map_or(0, |i| project.program.custom_facts[i].at.file);
                    let mut evaluator = Evaluator::new(world, file);
                    let value = evaluator.in_frame(file, *slots, |this| this.eval(expr));
                    issues.append(&mut evaluator.issues);
                    facts.extend(value.ok().map(|value| (field.name.clone(), value)));
                } else if matches!(field.ty, Type::Optional(_)) {
                    facts.insert(field.name.clone(), Value::None);
                }
            }
        }
    }
    Value::Map(Arc::new(facts))
}

/// What applies to the node: the top level of every file, and the node blocks that match.
fn parts<'a>(world: &World<'a>, node: &NodeContext, issues: &mut Vec<Issue>) -> Vec<Part<'a>> {
    let project = world.project;
    let code = &project.code;
    let mut parts: Vec<Part<'a>> = code
        .tops
        .iter()
        .enumerate()
        .filter(|(file, body)| !body.stmts.is_empty() && !project.program.files[*file].is_dependency)
        .map(|(file, body)| Part { file: index(file), body, inherited: &[] })
        .collect();
    for block in &code.nodes {
        let applies = matches(world, block, node, issues);
        if applies {
            parts.push(Part::node(block, &code.top_defaults[block.at.file as usize]));
        }
    }
    parts
}

/// Says whether a block is for a node.
fn matches(world: &World<'_>, block: &crate::check::NodeCode, node: &NodeContext, issues: &mut Vec<Issue>) -> bool {
    match &block.selector {
        Selector::Names(tests) => tests.iter().any(|test| match test {
            NameTest::Glob(glob) => glob.is_match(&*node.name),
            NameTest::Regex(pattern) => pattern.is_match(&node.name),
        }),
        Selector::Where(condition) => {
            let mut evaluator = Evaluator::new(world, block.at.file);
            let slots = block.body.slots;
            let applies = evaluator.in_frame(block.at.file, slots, |this| this.condition(condition));
            issues.append(&mut evaluator.issues);
            applies.unwrap_or(false)
        }
    }
}

/// Says whether a block is for a node, without saying what is wrong.
pub(crate) fn applies(project: &Project, block: &crate::check::NodeCode, node: &NodeContext) -> bool {
    let mut issues = Vec::new();
    let world = world(project, node, &mut issues, &mut Vec::new());
    matches(&world, block, node, &mut issues)
}
