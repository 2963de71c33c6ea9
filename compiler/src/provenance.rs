//! Where values came from: state parameters, file constants, data keys.

use std::collections::HashSet;
use std::sync::Arc;

use stead_catalog::{SourceLocation, Value};

use crate::defs::Param;
use crate::diagnostic::Diagnostic;
use crate::eval::World;
use crate::hir::{Argument, Expr, Key, Kind, Loop, Part, Test};
use crate::lower::ParamSource;

/// A step in words and its place.
pub(crate) type Step = (String, Option<SourceLocation>);

/// A value that data binds, and the steps that led to it.
pub(crate) type Bound = (Value, Vec<Step>);

/// The steps behind an expression of a state whose parameters came from `sources`: `derived` tells which parameters each
/// slot of the frame was made from.
pub(crate) fn steps(expr: &Expr, sources: &[ParamSource], derived: &Derived, world: &World<'_>) -> Vec<Step> {
    let project = world.project;
    let mut used = Used::default();
    used.visit(expr);
    let mut steps = Vec::new();
    let mut seen = HashSet::new();
    for slot in used.slots {
        for param in derived.params_of(slot) {
            if seen.insert(param)
                && let Some(source) = sources.get(param as usize)
            {
                steps.extend(source.steps.iter().cloned());
            }
        }
    }
    let mut seen_globals = HashSet::new();
    for global in used.globals {
        if seen_globals.insert(global) {
            let code = &project.code.globals[global as usize];
            let location = project.location(crate::issue::Loc::new(code.file, code.expr.span));
            steps.push(("constant of the file".to_owned(), Some(location)));
        }
    }
    for path in used.data {
        if let Some(node) = world.data_tree.lookup(path.iter().map(|key| &**key)) {
            let history = node.history(&path.join(".")).into_iter();
            steps.extend(history.map(|(step, place)| (step, world.data_location(&place))));
        }
    }
    steps
}

/// The key that an expression such as `data.web.vhosts` reads.
pub(crate) fn data_path(expr: &Expr) -> Option<Vec<Arc<str>>> {
    match &expr.kind {
        Kind::Data => Some(Vec::new()),
        Kind::Field(field) => {
            let mut path = data_path(&field.object)?;
            path.push(field.name.clone());
            Some(path)
        }
        Kind::Index(index) => {
            let key = index.1.constant()?.as_shared_str()?.clone();
            let mut path = data_path(&index.0)?;
            path.push(key);
            Some(path)
        }
        _ => None,
    }
}

/// The value that the data binds to a parameter, with the steps that led to it.
pub(crate) fn from_data(world: &World<'_>, state: &str, param: &Param) -> Option<Result<Bound, Vec<Diagnostic>>> {
    let key = format!("{state}.{}", param.name);
    let node = world.data_tree.lookup([state, &*param.name])?;
    Some(node.bind(&param.ty, &key).map(|value| {
        let steps = node.history(&key).into_iter();
        (value, steps.map(|(step, place)| (step, world.data_location(&place))).collect())
    }))
}

/// Which parameters the slots of a frame were made from. Parameters come first and stand for themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Derived {
    params: u32,
    slots: Vec<(u32, Vec<u32>)>,
}

impl Derived {
    pub(crate) fn new(params: usize) -> Self {
        Self { params: crate::defs::index(params), slots: Vec::new() }
    }

    fn params_of(&self, slot: u32) -> Vec<u32> {
        if slot < self.params {
            return vec![slot];
        }
        self.slots.iter().rev().find(|(known, _)| *known == slot).map(|(_, params)| params.clone()).unwrap_or_default()
    }

    /// Notes that a slot is made from an expression: a `let`, or the element of a `for`.
    pub(crate) fn bind(&mut self, slot: u32, expr: &Expr) {
        if self.params == 0 || self.slots.iter().any(|(known, _)| *known == slot) {
            return;
        }
        let mut used = Used::default();
        used.visit(expr);
        let mut params: Vec<u32> = used.slots.into_iter().flat_map(|slot| self.params_of(slot)).collect();
        params.sort_unstable();
        params.dedup();
        self.slots.push((slot, params));
    }
}

/// The slots and constants that an expression reads, in order.
#[derive(Default)]
pub(crate) struct Used {
    pub(crate) slots: Vec<u32>,
    pub(crate) globals: Vec<u32>,
    data: Vec<Vec<Arc<str>>>,
    /// The slots that the expression binds itself.
    pub(crate) bound: Vec<u32>,
    /// Whether it also looks at the node, at data or files, or calls functions of the project.
    pub(crate) is_open: bool,
}

impl Used {
    pub(crate) fn visit(&mut self, expr: &Expr) {
        self.is_open |= matches!(
            expr.kind,
            Kind::Facts
                | Kind::Data
                | Kind::Node
                | Kind::Function(..)
                | Kind::Render(_)
                | Kind::RenderText(_)
                | Kind::ReadFile(..)
                | Kind::ListFiles(..)
                | Kind::Error
        );
        match &expr.kind {
            Kind::Const(_) | Kind::Facts | Kind::Data | Kind::Node | Kind::Error => {}
            Kind::Local(slot) => self.slots.push(*slot),
            Kind::Global(id) => self.globals.push(*id),
            Kind::Template(parts) => parts.iter().for_each(|part| {
                if let Part::Expr(expr) = part {
                    self.visit(expr);
                }
            }),
            Kind::List(items) | Kind::Function(_, items) => items.iter().for_each(|item| self.visit(item)),
            Kind::Map(entries) => entries.iter().for_each(|(key, value)| {
                if let Key::Computed(key) = key {
                    self.visit(key);
                }
                self.visit(value);
            }),
            Kind::ListFor(clause) | Kind::MapFor(clause) => self.clause(clause),
            Kind::Not(inner) | Kind::Negate(inner) | Kind::Conceal(inner) => self.visit(inner),
            Kind::Admit(admit) => self.visit(&admit.0),
            Kind::ReadFile(inner, _) | Kind::ListFiles(inner, _) | Kind::Reference(_, inner) => self.visit(inner),
            Kind::Binary(binary) => {
                self.visit(&binary.left);
                self.visit(&binary.right);
            }
            Kind::Range(range) => {
                self.visit(&range.0);
                self.visit(&range.1);
            }
            Kind::Field(_) | Kind::Index(_) if data_path(expr).is_some() => {
                self.data.extend(data_path(expr));
                self.is_open = true;
            }
            Kind::Field(field) => self.visit(&field.object),
            Kind::Index(pair) | Kind::Render(pair) | Kind::RenderText(pair) => {
                self.visit(&pair.0);
                self.visit(&pair.1);
            }
            Kind::Builtin(call) => call.args.iter().for_each(|arg| match arg {
                Argument::Value(value) => self.visit(value),
                Argument::Lambda(lambda) => {
                    self.bound.extend(&lambda.params);
                    self.visit(&lambda.body);
                }
                Argument::Absent => {}
            }),
            Kind::If(branches, otherwise) => {
                for (condition, value) in branches {
                    self.visit(condition);
                    self.visit(value);
                }
                self.visit(otherwise);
            }
            Kind::Match(matched) => {
                self.visit(&matched.subject);
                for (tests, value) in &matched.arms {
                    self.bound.extend(tests.iter().filter_map(|test| match test {
                        Test::Bind(slot) => Some(*slot),
                        _ => None,
                    }));
                    self.visit(value);
                }
            }
        }
    }

    fn clause(&mut self, clause: &Loop) {
        self.bound.push(clause.first);
        self.bound.extend(clause.second);
        self.visit(&clause.iterable);
        clause.filter.iter().for_each(|filter| self.visit(filter));
        clause.key.iter().for_each(|key| self.visit(key));
        self.visit(&clause.element);
    }
}
