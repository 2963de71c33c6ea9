//! What is certain about states and node blocks before anything runs them.
//!
//! Compiling for a node finds what is wrong with the resources that this node gets. A state that nobody calls, a node block
//! that no known node matches and a branch that is not taken give no resources, and their mistakes would wait for the day
//! they do. So each resource that is written is looked at here as far as its attributes are constant; for every other
//! attribute all that it could be is tried, and only a problem that is there in each case is told.
//!
//! Values of `let` count where the code certainly runs once its state does: not below an `if`, `match` or `for`, whose
//! condition may be what keeps them right. There, only what is written out counts.

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;
use stead_catalog::{Blob, Meta, ResourceId, Schema, Type, Value};

use crate::assemble::finish;
use crate::check::TopDefaults;
use crate::data;
use crate::eval::{Budget, Evaluator, World};
use crate::hir::{Block, Expr, Kind, Settings, Stmt};
use crate::issue::{Issue, Loc, Place};
use crate::lower::{Draft, Given};
use crate::project::Project;
use crate::provenance::Used;

/// Most combinations of what unknown attributes could be that are tried for one resource.
const MAX_COMBINATIONS: usize = 256;

/// Steps of evaluation for one state: what takes more is left to when it runs.
const STEPS: u64 = 100_000;

/// Returns the problems that are certain. The project has no errors.
pub(crate) fn check(project: &Project) -> Vec<Issue> {
    let code = &project.code;
    let nothing = data::Node::new(data::Kind::Map(Arc::default()), &"".into(), stead_grammar::ast::Span::at(0));
    let world =
        World { project, facts: Value::None, data: Value::None, node: Value::None, data_tree: nothing, is_wanted: &|| true };
    let extended = Extended::of(project);
    let constants = constants(project);
    let states = code.states.iter().map(|state| (state.file, state.body.slots, &state.body.stmts, state.inherited, 0));
    let nodes = code.nodes.iter().map(|node| (node.at.file, node.body.slots, &node.body.stmts, node.inherited, 0));
    // The top level runs for every node; only what stands below a condition may not.
    let tops = code.tops.iter().zip(0..).map(|(body, file)| (file, body.slots, &body.stmts, 0, 1));
    let parts: Vec<_> = states.chain(nodes).chain(tops).collect();
    let found: Vec<Vec<Issue>> = parts
        .into_par_iter()
        .map(|(file, slots, stmts, inherited, depth)| {
            let mut looking = Looking {
                eval: Evaluator::new(&world, file),
                extended: &extended,
                constants: &constants,
                known: vec![false; slots as usize],
                defaults: Vec::new(),
                depth,
                issues: Vec::new(),
            };
            looking.eval.budget = Budget::with_steps(STEPS);
            looking.inherit(&code.top_defaults[file as usize], inherited);
            let kept = looking.eval.push_frame(file, slots);
            let is_top = depth > 0;
            looking.block(stmts, is_top);
            looking.eval.pop_frame(kept);
            if !looking.eval.budget.is_spent {
                looking.issues.append(&mut looking.eval.issues);
            }
            looking.issues
        })
        .collect();
    found.into_iter().flatten().collect()
}

/// The resources that some `extend` may give other attributes.
#[derive(Debug, Default)]
struct Extended {
    ids: HashSet<ResourceId>,
    /// An `extend` whose target is not written out: it could be any.
    is_open: bool,
}

impl Extended {
    fn of(project: &Project) -> Self {
        let mut extended = Self::default();
        let code = &project.code;
        let bodies = code
            .states
            .iter()
            .map(|state| &state.body)
            .chain(code.nodes.iter().map(|node| &node.body))
            .chain(code.tops.iter().map(|top| &**top));
        for body in bodies {
            extended.gather(&body.stmts);
        }
        extended
    }

    fn gather(&mut self, block: &[Stmt]) {
        for stmt in block {
            match stmt {
                Stmt::Extend(extend) => match &extend.target.kind {
                    Kind::Reference(type_name, name) => match name.constant().and_then(Value::as_shared_str) {
                        Some(name) => {
                            self.ids.insert(ResourceId { type_name: type_name.clone(), name: name.clone() });
                        }
                        None => self.is_open = true,
                    },
                    _ => self.is_open = true,
                },
                Stmt::For(each) => self.gather(&each.body),
                Stmt::If(branches, otherwise) => {
                    branches.iter().map(|(_, body)| body).chain(otherwise).for_each(|body| self.gather(body));
                }
                Stmt::Match(matched) => matched.arms.iter().for_each(|(_, body)| self.gather(body)),
                Stmt::Resource(_) | Stmt::Let(..) | Stmt::Call(_) | Stmt::Defaults(_) | Stmt::Arrow(_) => {}
            }
        }
    }

    fn may_reach(&self, id: &ResourceId) -> bool {
        self.is_open || self.ids.contains(id)
    }

    /// Says whether it may reach some resource of a type.
    fn may_reach_any(&self, type_name: &str) -> bool {
        self.is_open || self.ids.iter().any(|id| *id.type_name == *type_name)
    }
}

/// An attribute that is given: its value, where it is certain.
#[derive(Clone, Debug)]
struct Known {
    attribute: u32,
    value: Option<Value>,
    /// Whether it could be `none`, as if it were not given.
    may_be_none: bool,
    at: Loc,
}

/// Goes through the code of one state.
struct Looking<'a> {
    eval: Evaluator<'a>,
    extended: &'a Extended,
    /// Which constants of the files have a value that is certain.
    constants: &'a [bool],
    /// The slots that hold the value they certainly have.
    known: Vec<bool>,
    /// `defaults` in scope, innermost last.
    defaults: Vec<(u32, Vec<Known>)>,
    /// How many conditions and loops stand around.
    depth: u32,
    issues: Vec<Issue>,
}

impl Looking<'_> {
    /// Takes in the `defaults` of the file that stand before.
    fn inherit(&mut self, defaults: &[TopDefaults], count: usize) {
        for one in defaults.iter().take(count) {
            let kept = self.eval.push_frame(self.eval.file, one.slots);
            self.depth += 1;
            let known = self.settings(&one.defaults.settings);
            self.depth -= 1;
            self.eval.pop_frame(kept);
            self.defaults.push((one.defaults.schema, known.unwrap_or_default()));
        }
    }

    /// Looks at the statements of a block; at the top level of a file only at what stands deeper.
    fn block(&mut self, block: &Block, is_top: bool) {
        let defaults = self.defaults.len();
        for stmt in block {
            self.stmt(stmt, is_top);
        }
        self.defaults.truncate(defaults);
    }

    fn deeper(&mut self, block: &Block) {
        self.depth += 1;
        self.block(block, false);
        self.depth -= 1;
    }

    fn stmt(&mut self, stmt: &Stmt, is_top: bool) {
        match stmt {
            Stmt::Resource(resource) if !is_top => {
                self.resource(resource);
            }
            Stmt::Let(slot, value) if !is_top => {
                if let Some(value) = self.value(value) {
                    self.eval.set(*slot, value);
                    self.known[*slot as usize] = true;
                }
            }
            Stmt::If(branches, otherwise) => {
                for (condition, body) in branches {
                    match self.value(condition).filter(|_| !is_top) {
                        Some(Value::Bool(true)) => return self.block(body, false),
                        Some(Value::Bool(false)) => {}
                        _ => {
                            // Which of the rest is taken is not certain any more.
                            self.depth += 1;
                            self.block(body, false);
                            let rest = branches.iter().map(|(_, body)| body).chain(otherwise);
                            for body in rest.skip_while(|other| !std::ptr::eq(*other, body)).skip(1) {
                                self.block(body, false);
                            }
                            self.depth -= 1;
                            return;
                        }
                    }
                }
                if let Some(body) = otherwise {
                    self.block(body, false);
                }
            }
            Stmt::For(each) => self.deeper(&each.body),
            Stmt::Match(matched) => matched.arms.iter().for_each(|(_, body)| self.deeper(body)),
            Stmt::Defaults(defaults) => {
                let known = self.settings(&defaults.settings).unwrap_or_default();
                self.defaults.push((defaults.schema, known));
            }
            Stmt::Resource(_) | Stmt::Let(..) | Stmt::Call(_) | Stmt::Extend(_) | Stmt::Arrow(_) => {}
        }
    }

    /// The attributes of a body; nothing where evaluating one of them certainly fails, which was told then.
    fn settings(&mut self, settings: &Settings) -> Option<Vec<Known>> {
        let told = self.eval.issues.len();
        let known: Vec<Known> = settings
            .attributes
            .iter()
            .map(|setting| {
                let at = self.eval.loc(setting.value.span);
                let may_be_none = !is_something(&setting.value);
                Known { attribute: setting.attribute, value: self.value(&setting.value), may_be_none, at }
            })
            .collect();
        (self.eval.issues.len() == told).then_some(known)
    }

    fn resource(&mut self, resource: &crate::hir::Resource) -> Option<()> {
        let project = self.eval.world.project;
        let schema = project.program.schemas.at(resource.schema);
        let told = self.eval.issues.len();
        let name = self.value(&resource.name);
        if self.eval.issues.len() > told {
            return None;
        }
        let mut given = self.settings(&resource.settings)?;
        for (_, defaults) in self.defaults.iter().rev().filter(|(of, _)| *of == resource.schema) {
            for default in defaults {
                if given.iter().all(|own| own.attribute != default.attribute) {
                    given.push(default.clone());
                }
            }
        }
        let at = self.eval.loc(resource.head);
        let cases = cases(schema, &given)?;
        let mut sampled: Vec<Place> = given.iter().filter(|one| one.value.is_none()).map(|one| one.at.into()).collect();
        let Some(name) = name else {
            if self.extended.may_reach_any(&schema.name) {
                return None;
            }
            sampled.push(at.into());
            let names: Vec<ResourceId> = ids(schema, &samples(&schema.attributes.first()?.ty));
            let every = names.iter().flat_map(|id| cases.iter().map(move |case| (id, case)));
            self.issues.extend(certain(project, resource.schema, at, every, &sampled));
            return Some(());
        };
        let names = match &name {
            Value::List(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        for id in ids(schema, names) {
            if !self.extended.may_reach(&id) {
                let every = cases.iter().map(|case| (&id, case));
                self.issues.extend(certain(project, resource.schema, at, every, &sampled));
            }
        }
        Some(())
    }

    /// The value of an expression, where it is certain. A failure that is certain was told then.
    fn value(&mut self, expr: &Expr) -> Option<Value> {
        if let Some(value) = expr.constant() {
            return Some(value.clone());
        }
        if self.depth > 0 || self.eval.budget.is_spent || !self.is_certain(expr) {
            return None;
        }
        self.eval.eval(expr).ok()
    }

    /// Says whether an expression uses nothing but what is certain.
    fn is_certain(&self, expr: &Expr) -> bool {
        let mut used = Used::default();
        used.visit(expr);
        let is_known = |slot: &u32| used.bound.contains(slot) || self.known.get(*slot as usize).copied().unwrap_or(false);
        !used.is_open && used.slots.iter().all(is_known) && used.globals.iter().all(|id| self.constants[*id as usize])
    }
}

fn ids(schema: &Schema, names: &[Value]) -> Vec<ResourceId> {
    let names = names.iter().filter_map(Value::as_shared_str);
    names.map(|name| ResourceId { type_name: schema.name.clone(), name: name.clone() }).collect()
}

/// The problems that a resource has in every case. `sampled` are the places of what is not certain: of those it is not told
/// that their values are wrong, since the values are made up.
fn certain<'c>(
    project: &Project,
    schema: u32,
    at: Loc,
    mut cases: impl Iterator<Item = (&'c ResourceId, &'c Vec<Given>)>,
    sampled: &[Place],
) -> Vec<Issue> {
    let problems = |(id, given): (&ResourceId, &Vec<Given>)| {
        let draft = Draft {
            id: id.clone(),
            schema,
            given: given.clone(),
            meta: Meta::default(),
            aliases: Vec::new(),
            at,
            path: Arc::new([]),
            calls: Arc::new([]),
            origins: Vec::new(),
        };
        finish(project, draft, &[]).1
    };
    let mut certain = cases.next().map(problems).unwrap_or_default();
    certain.retain(|issue| match issue.labels.as_slice() {
        [(place, _)] => !sampled.contains(place),
        [(place, _), ..] => *place != Place::Source(at) || !sampled.contains(place),
        [] => true,
    });
    for case in cases {
        if certain.is_empty() {
            break;
        }
        let here = problems(case);
        certain.retain(|one| here.iter().any(|other| is_same(one, other)));
    }
    certain
}

/// Says of each constant of the files whether its value is certain.
fn constants(project: &Project) -> Vec<bool> {
    let mut certain: Vec<bool> = Vec::with_capacity(project.code.globals.len());
    for code in &project.code.globals {
        let mut used = Used::default();
        used.visit(&code.expr);
        // A constant uses only those before it.
        let is_certain = !used.is_open
            && used.slots.iter().all(|slot| used.bound.contains(slot))
            && used.globals.iter().all(|id| certain.get(*id as usize).copied().unwrap_or(false));
        certain.push(is_certain);
    }
    certain
}

/// Says whether two problems are one: they say the same about the same places.
fn is_same(one: &Issue, other: &Issue) -> bool {
    one.code == other.code && one.message == other.message && one.labels == other.labels
}

/// Says whether an expression has a value that is not `none`, whatever it is.
fn is_something(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Template(_)
        | Kind::List(_)
        | Kind::Map(_)
        | Kind::ListFor(_)
        | Kind::MapFor(_)
        | Kind::Not(_)
        | Kind::Negate(_)
        | Kind::Range(_)
        | Kind::Render(_)
        | Kind::RenderText(_)
        | Kind::ReadFile(..)
        | Kind::ListFiles(..)
        | Kind::Reference(..) => true,
        Kind::Admit(admit) => is_something(&admit.0),
        Kind::Conceal(inner) => is_something(inner),
        Kind::If(branches, otherwise) => branches.iter().all(|(_, value)| is_something(value)) && is_something(otherwise),
        Kind::Const(value) => *value != Value::None,
        _ => false,
    }
}

/// Every way to complete what is given: first without the attributes that are not certain, then with all that they could be.
/// Nothing where there are too many, or where it cannot be told what an attribute could be.
fn cases(schema: &Schema, given: &[Known]) -> Option<Vec<Vec<Given>>> {
    let mut cases: Vec<Vec<Given>> = vec![Vec::new()];
    for one in given {
        let mut values = match &one.value {
            Some(value) => vec![value.clone()],
            None => {
                let could_be = samples(&schema.attributes.get(one.attribute as usize)?.ty);
                if could_be.is_empty() {
                    return None;
                }
                could_be
            }
        };
        if one.value.is_none() && one.may_be_none {
            values.insert(0, Value::None);
        }
        if cases.len() * values.len() > MAX_COMBINATIONS {
            return None;
        }
        let with = |value: &Value| {
            let given = Given { attribute: one.attribute, value: value.clone(), at: one.at };
            cases.iter().map(move |case| case.iter().cloned().chain([given.clone()]).collect::<Vec<Given>>())
        };
        cases = values.iter().flat_map(with).collect();
    }
    Some(cases)
}

/// Values of a type that stand for all of them: each member of what has few, some of what has many, so that a message that
/// holds one of them is not the same in each case. Empty where none is known.
pub(crate) fn samples(ty: &Type) -> Vec<Value> {
    let fits = |values: Vec<Value>| -> Vec<Value> {
        let mut fitting: Vec<Value> = values.iter().filter_map(|value| ty.admit(value, true).ok()).collect();
        fitting.dedup();
        fitting.truncate(2);
        fitting
    };
    match ty {
        Type::None => vec![Value::None],
        Type::Bool => vec![Value::Bool(false), Value::Bool(true)],
        Type::Literal(value) => vec![value.clone()],
        Type::Enum(choice) => choice.members.iter().map(|member| Value::Member(member.clone())).collect(),
        Type::Optional(inner) => samples(inner),
        Type::Union(options) => options.iter().flat_map(samples).collect(),
        Type::Secret(inner) => samples(inner).into_iter().map(Value::secret).collect(),
        Type::Int(range) => fits([range.min, Some(1), Some(2), range.max].into_iter().flatten().map(Value::Int).collect()),
        Type::Float(_) => fits(vec![Value::Float(1.0), Value::Float(2.0)]),
        // One that is empty says nothing of those that are not.
        Type::Map(item) => match samples(item).into_iter().next() {
            Some(value) => vec![Value::map([]), Value::map([("sample".into(), value)])],
            None => Vec::new(),
        },
        Type::List(item, _) => fits(vec![Value::list(samples(item).first().cloned()), Value::list([])]),
        Type::Source => SAMPLES[..2].iter().map(|text| Value::Blob(Blob::new(*text, text.as_bytes()).into())).collect(),
        Type::Any | Type::Record(_) | Type::Ref(_) => Vec::new(),
        _ => fits(SAMPLES.iter().map(|text| Value::string(*text)).collect()),
    }
}

/// Something of every type that is written as text, two of each.
const SAMPLES: [&str; 16] = [
    "/stead/sample",
    "/stead/other",
    "sample",
    "other",
    "1",
    "2",
    "0644",
    "0600",
    "1s",
    "2s",
    "1MiB",
    "2MiB",
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.0/24",
    "https://sample.example/",
];
