//! Statements to resources: what the source declares for one node, before claims are merged and edges drawn.

mod calls;
mod settings;

use std::collections::BTreeSet;
use std::sync::Arc;

use stead_catalog::{EdgeKind, Meta, Origin, ResourceId, Value};

use crate::check::{NodeCode, TopDefaults};
use crate::diagnostic::Diagnostic;
use crate::eval::{Evaluator, Halt, MAX_RESOURCES, World};
use crate::hir::{self, Stmt};
use crate::issue::{Issue, Loc};
use crate::provenance::Derived;

pub(crate) use calls::ParamSource;
pub(crate) use settings::GivenSettings;

/// The value of an attribute and where it is written.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// Position in the schema.
    pub(crate) attribute: u32,
    pub(crate) value: Value,
    pub(crate) at: Loc,
}

/// A claim on a resource: one evaluated declaration.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) id: ResourceId,
    pub(crate) schema: u32,
    pub(crate) given: Vec<Given>,
    pub(crate) meta: Meta,
    pub(crate) aliases: Vec<Arc<str>>,
    /// Type and name in the source.
    pub(crate) at: Loc,
    /// The states that led here, outermost first.
    pub(crate) path: Arc<[Arc<str>]>,
    /// Where they were called, innermost first.
    pub(crate) calls: Arc<[(Arc<str>, Loc)]>,
    pub(crate) origins: Vec<Origin>,
}

/// A requisite between two resources by their names.
#[derive(Clone, Debug)]
pub(crate) struct Requisite {
    pub(crate) from: ResourceId,
    pub(crate) to: ResourceId,
    pub(crate) kind: EdgeKind,
    pub(crate) at: Loc,
}

/// An evaluated `extend`.
#[derive(Clone, Debug)]
pub(crate) struct Extension {
    pub(crate) target: ResourceId,
    pub(crate) settings: GivenSettings,
    pub(crate) at: Loc,
}

/// What one part of the source declares.
#[derive(Debug, Default)]
pub(crate) struct Lowered {
    pub(crate) drafts: Vec<Draft>,
    pub(crate) requisites: Vec<Requisite>,
    pub(crate) extensions: Vec<Extension>,
    /// Resources that `when` switched off.
    pub(crate) absent: Vec<ResourceId>,
    /// Resources whose evaluation failed: declared, but not lowered.
    pub(crate) failed: Vec<ResourceId>,
    /// The states that were called.
    pub(crate) states: BTreeSet<u32>,
    /// Something stopped that could have declared more.
    pub(crate) is_incomplete: bool,
    pub(crate) issues: Vec<Issue>,
    /// Findings in other files: data, templates.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// A part of the source that declares resources: the top level of a file, or a node block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) file: u32,
    pub(crate) body: &'a hir::Body,
    /// `defaults` of the file's top level that reach into it.
    pub(crate) inherited: &'a [TopDefaults],
}

impl<'a> Part<'a> {
    pub(crate) fn node(node: &'a NodeCode, defaults: &'a [TopDefaults]) -> Self {
        Self { file: node.at.file, body: &node.body, inherited: &defaults[..node.inherited.min(defaults.len())] }
    }
}

/// Evaluates one part.
pub(crate) fn lower(world: &World<'_>, part: Part<'_>) -> Lowered {
    let mut lowering = Lowering {
        eval: Evaluator::new(world, part.file),
        out: Lowered::default(),
        defaults: Vec::new(),
        path: Arc::new([]),
        calls: Arc::new([]),
        sources: Vec::new(),
        derived: Derived::default(),
    };
    let result = lowering.inherit(part.file, part.inherited).and_then(|()| {
        let slots = part.body.slots;
        lowering.enter(part.file, slots, |this| this.run(&part.body.stmts))
    });
    lowering.out.is_incomplete |= result.is_err();
    lowering.out.issues = lowering.eval.issues;
    lowering.out.diagnostics = lowering.eval.diagnostics;
    lowering.out
}

/// Most issues of one part: past them, more of the same are of no help.
const MAX_ISSUES: usize = 100;

pub(crate) struct Lowering<'a> {
    eval: Evaluator<'a>,
    out: Lowered,
    /// `defaults` in scope, innermost last.
    defaults: Vec<(u32, Arc<GivenSettings>)>,
    path: Arc<[Arc<str>]>,
    calls: Arc<[(Arc<str>, Loc)]>,
    /// Where the parameters of the state that runs came from.
    sources: Vec<calls::ParamSource>,
    /// Which of them each slot was made from.
    derived: Derived,
}

impl Lowering<'_> {
    /// Runs `inside` in a new frame.
    fn enter<T>(&mut self, file: u32, slots: u32, inside: impl FnOnce(&mut Self) -> T) -> T {
        let kept = self.eval.push_frame(file, slots);
        let result = inside(self);
        self.eval.pop_frame(kept);
        result
    }

    /// Evaluates `defaults` of the top level of a file for code that stands after them.
    fn inherit(&mut self, file: u32, inherited: &[TopDefaults]) -> Result<(), Halt> {
        for one in inherited {
            let settings = self.enter(file, one.slots, |this| this.evaluate(&one.defaults.settings))?;
            self.defaults.push((one.defaults.schema, Arc::new(settings)));
        }
        Ok(())
    }

    fn block(&mut self, block: &hir::Block) -> Result<(), Halt> {
        let defaults = self.defaults.len();
        let result = self.run(block);
        self.defaults.truncate(defaults);
        result
    }

    fn run(&mut self, stmts: &[Stmt]) -> Result<(), Halt> {
        for stmt in stmts {
            self.stmt(stmt)?;
        }
        Ok(())
    }

    fn stmt(&mut self, stmt: &Stmt) -> Result<(), Halt> {
        match stmt {
            Stmt::Resource(resource) => self.resource(resource),
            Stmt::Let(slot, value) => {
                self.derived.bind(*slot, value);
                let value = self.eval.eval(value)?;
                self.eval.set(*slot, value);
                Ok(())
            }
            Stmt::Call(call) => self.call(call),
            Stmt::For(each) => self.each(each),
            Stmt::If(branches, otherwise) => {
                for (condition, body) in branches {
                    match self.eval.decide_statement(condition)? {
                        Some(true) => return self.block(body),
                        Some(false) => {}
                        None => return Ok(()),
                    }
                }
                otherwise.as_ref().map_or(Ok(()), |body| self.block(body))
            }
            Stmt::Match(matched) => {
                let subject = self.eval.eval(&matched.subject)?;
                if subject.is_locked() {
                    return self.eval.left_out(matched.subject.span);
                }
                for (tests, body) in &matched.arms {
                    if self.eval.matches(tests, &subject) {
                        return self.block(body);
                    }
                }
                Err(self.eval.error("non-exhaustive-match", matched.subject.span, "no case covers the value"))
            }
            Stmt::Extend(extend) => self.extend(extend),
            Stmt::Defaults(defaults) => {
                let settings = self.evaluate(&defaults.settings)?;
                self.defaults.push((defaults.schema, Arc::new(settings)));
                Ok(())
            }
            Stmt::Arrow(arrow) => self.arrow(arrow),
        }
    }

    /// Going over a list: the elements are held while statements run, so the loop is written out here.
    fn each(&mut self, each: &hir::For) -> Result<(), Halt> {
        for slot in [Some(each.first), each.second].into_iter().flatten() {
            self.derived.bind(slot, &each.iterable);
        }
        let Some(items) = self.eval.elements(&each.iterable, each.second.is_some())? else { return Ok(()) };
        let one = |this: &mut Self, key: Option<Value>, item: Value| -> Result<(), Halt> {
            match (each.second, key) {
                (Some(second), Some(key)) => {
                    this.eval.set(each.first, key);
                    this.eval.set(second, item);
                }
                _ => this.eval.set(each.first, item),
            }
            this.eval.spend(1, each.iterable.span)?;
            if let Some(filter) = &each.filter
                && this.eval.decide_statement(filter)? != Some(true)
            {
                return Ok(());
            }
            this.block(&each.body)
        };
        for (key, item) in items {
            one(self, key, item)?;
        }
        Ok(())
    }

    fn extend(&mut self, extend: &hir::Extend) -> Result<(), Halt> {
        let target = self.eval.eval(&extend.target)?;
        let settings = self.evaluate(&extend.settings)?;
        let Value::Ref(target) = target else {
            return Err(self.eval.error(
                "type-mismatch",
                extend.target.span,
                format!("found {}, expected a resource", target.kind()),
            ));
        };
        let at = self.eval.loc(extend.target.span);
        self.requisites(&target, &settings);
        self.out.extensions.push(Extension { target, settings, at });
        Ok(())
    }

    fn arrow(&mut self, arrow: &hir::Arrow) -> Result<(), Halt> {
        let mut left = self.targets(&arrow.operands[0])?;
        for (operand, (kind, span)) in arrow.operands[1..].iter().zip(&arrow.arrows) {
            let right = self.targets(operand)?;
            let at = self.eval.loc(*span);
            self.eval.spend(10 * left.len() as u64 * right.len() as u64, *span)?;
            for from in &left {
                for to in &right {
                    self.out.requisites.push(Requisite { from: from.clone(), to: to.clone(), kind: *kind, at });
                }
            }
            left = right;
        }
        Ok(())
    }

    fn resource(&mut self, resource: &hir::Resource) -> Result<(), Halt> {
        let project = self.eval.world.project;
        let schema = project.program.schemas.at(resource.schema);
        let name = self.eval.eval(&resource.name)?;
        let names = self.names(&name, resource)?;
        let id = |name: &Arc<str>| ResourceId { type_name: schema.name.clone(), name: name.clone() };
        if let Some(slot) = resource.slot {
            let value = match (&names[..], name.reveal()) {
                ([one], Value::String(_) | Value::Member(_)) => Value::Ref(id(one)),
                _ => Value::list(names.iter().map(|name| Value::Ref(id(name)))),
            };
            self.eval.set(slot, value);
        }
        let settings = match self.evaluate(&resource.settings) {
            Ok(settings) => settings,
            Err(Halt) if self.eval.budget.is_spent || self.eval.issues.len() > MAX_ISSUES => return Err(Halt),
            Err(Halt) => {
                self.out.failed.extend(names.iter().map(id));
                return Ok(());
            }
        };
        let origins = self.origins(&resource.settings, schema);
        for name in &names {
            self.declare(id(name), resource, settings.clone(), origins.clone())?;
        }
        Ok(())
    }

    fn names(&mut self, name: &Value, resource: &hir::Resource) -> Result<Vec<Arc<str>>, Halt> {
        let project = self.eval.world.project;
        let span = resource.name.span;
        let Some(key) = project.program.schemas.at(resource.schema).attributes.first() else { return Err(Halt) };
        let key_given = resource.settings.attributes.iter().any(|setting| setting.attribute == 0);
        let mut names = Vec::new();
        let mut one = |this: &mut Self, value: &Value| -> Result<(), Halt> {
            let value = match crate::check::admit_names(&key.ty, value) {
                Ok(value) => value,
                Err(_) if key_given => value.clone(),
                Err(mismatch) => {
                    let issue = Issue::mismatch(this.eval.loc(span), &mismatch);
                    return Err(this.eval.fail(issue));
                }
            };
            match value {
                Value::String(text) | Value::Member(text) if !text.is_empty() => {
                    names.push(text);
                    Ok(())
                }
                Value::String(_) => Err(this.eval.error("invalid-value", span, "the name of a resource is empty")),
                Value::Secret(_) => {
                    Err(this.eval.error("secret-exposed", span, "the name of a resource is shown and cannot be secret"))
                }
                other => Err(this.eval.error("type-mismatch", span, format!("found {}, expected a name", other.kind()))),
            }
        };
        match name {
            Value::List(items) => items.iter().try_for_each(|item| one(self, item))?,
            other => one(self, other)?,
        }
        Ok(names)
    }

    fn declare(
        &mut self,
        id: ResourceId,
        resource: &hir::Resource,
        settings: GivenSettings,
        mut origins: Vec<Origin>,
    ) -> Result<(), Halt> {
        let mut settings = settings;
        for (schema, defaults) in self.defaults.iter().rev().filter(|(schema, _)| *schema == resource.schema) {
            let schema = self.eval.world.project.program.schemas.at(*schema);
            settings.fill_from(defaults, schema, self.eval.world.project, &mut origins);
        }
        if settings.is_off {
            self.out.absent.push(id);
            return Ok(());
        }
        if self.out.drafts.len() >= MAX_RESOURCES {
            self.eval.budget.is_spent = true;
            return Err(self.eval.too_large(&format!("{MAX_RESOURCES} resources"), resource.head));
        }
        if !(self.eval.world.is_wanted)() {
            self.eval.budget.is_spent = true;
            return Err(Halt);
        }
        self.requisites(&id, &settings);
        self.out.drafts.push(Draft {
            id,
            schema: resource.schema,
            given: settings.given,
            meta: settings.meta,
            aliases: settings.aliases,
            at: self.eval.loc(resource.head),
            path: self.path.clone(),
            calls: self.calls.clone(),
            origins,
        });
        Ok(())
    }

    /// Notes what the settings of `owner` require, as edges in the direction of time.
    fn requisites(&mut self, owner: &ResourceId, settings: &GivenSettings) {
        for (kind, inverted, target, at) in &settings.requisites {
            // `require` looks back, `require_in` forward; a prereq acts before the resource it names.
            let owner_first = *inverted != (*kind == EdgeKind::Prereq);
            let (from, to) = if owner_first { (owner.clone(), target.clone()) } else { (target.clone(), owner.clone()) };
            self.out.requisites.push(Requisite { from, to, kind: *kind, at: *at });
        }
    }
}
