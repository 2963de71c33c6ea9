//! The evaluated body of a resource, an `extend` or a `defaults`.

use std::sync::Arc;

use stead_catalog::{Command, DriftPolicy, EdgeKind, Meta as CatalogMeta, Origin, ResourceId, Retry, Schema, Value};

use super::{Given, Lowering};
use crate::eval::Halt;
use crate::hir::{Expr, Kind, Meta, Settings};
use crate::issue::{Issue, Loc};
use crate::project::Project;

/// What a body sets, evaluated.
#[derive(Clone, Debug, Default)]
pub(crate) struct GivenSettings {
    pub(crate) given: Vec<Given>,
    pub(crate) meta: CatalogMeta,
    /// Which meta-attributes were written, so that `defaults` does not overrule them.
    pub(crate) written: Vec<Meta>,
    pub(crate) aliases: Vec<Arc<str>>,
    /// `when` came out false.
    pub(crate) is_off: bool,
    /// Kind, `_in` form, target, place.
    pub(crate) requisites: Vec<(EdgeKind, bool, ResourceId, Loc)>,
}

impl GivenSettings {
    /// Takes over what `defaults` gives and the resource does not.
    pub(super) fn fill_from(&mut self, defaults: &Self, schema: &Schema, project: &Project, origins: &mut Vec<Origin>) {
        for given in &defaults.given {
            if self.given.iter().all(|own| own.attribute != given.attribute) {
                origins.push(Origin {
                    attribute: schema.attributes[given.attribute as usize].name.clone(),
                    step: format!("set by `defaults {}`", schema.name),
                    location: Some(project.location(given.at)),
                });
                self.given.push(given.clone());
            }
        }
        for meta in &defaults.written {
            if !self.written.contains(meta) {
                self.written.push(*meta);
                self.take_meta(*meta, defaults);
            }
        }
    }

    /// Takes one meta-attribute over from `other`.
    pub(crate) fn take_meta(&mut self, meta: Meta, other: &Self) {
        match meta {
            Meta::Requisite(kind, inverted) => {
                let same = other.requisites.iter().filter(|(k, i, ..)| *k == kind && *i == inverted);
                self.requisites.extend(same.cloned());
            }
            Meta::OnlyIf => self.meta.only_if.clone_from(&other.meta.only_if),
            Meta::Unless => self.meta.unless.clone_from(&other.meta.unless),
            Meta::When => self.is_off |= other.is_off,
            Meta::Retry => self.meta.retry = other.meta.retry,
            Meta::Timeout => self.meta.timeout_ns = other.meta.timeout_ns,
            Meta::Tags => self.meta.tags.extend(other.meta.tags.iter().cloned()),
            Meta::Noop => self.meta.noop = other.meta.noop,
            Meta::OnDrift => self.meta.on_drift = other.meta.on_drift,
            Meta::Alias => {}
        }
    }
}

impl Lowering<'_> {
    /// Evaluates every expression of a body; the first failure of each attribute is reported, then it halts.
    pub(super) fn evaluate(&mut self, settings: &Settings) -> Result<GivenSettings, Halt> {
        let mut result = GivenSettings { given: Vec::with_capacity(settings.attributes.len()), ..GivenSettings::default() };
        let mut halted = false;
        for setting in &settings.attributes {
            let value = self.eval.eval(&setting.value);
            // Whoever plans and shows it walks through it.
            match value.and_then(|value| self.eval.walk(&value, setting.value.span).map(|()| value)) {
                Ok(value) => {
                    let at = self.eval.loc(setting.value.span);
                    result.given.push(Given { attribute: setting.attribute, value, at });
                }
                Err(Halt) if self.eval.budget.is_spent => return Err(Halt),
                Err(Halt) => halted = true,
            }
        }
        for (meta, value) in &settings.metas {
            match self.meta(*meta, value, &mut result) {
                Ok(()) => result.written.push(*meta),
                Err(Halt) if self.eval.budget.is_spent => return Err(Halt),
                Err(Halt) => halted = true,
            }
        }
        if halted { Err(Halt) } else { Ok(result) }
    }

    fn meta(&mut self, meta: Meta, expr: &Expr, into: &mut GivenSettings) -> Result<(), Halt> {
        match meta {
            Meta::Requisite(kind, inverted) => {
                // Each element of a list that is written out has a place of its own.
                let parts: Vec<&Expr> = match &expr.kind {
                    Kind::List(items) => items.iter().collect(),
                    _ => vec![expr],
                };
                for part in parts {
                    let at = self.eval.loc(part.span);
                    let targets = self.targets(part)?;
                    // Each is an edge to keep: dearer than a step of evaluation.
                    self.eval.spend(10 * targets.len() as u64, part.span)?;
                    into.requisites.extend(targets.into_iter().map(|target| (kind, inverted, target, at)));
                }
            }
            Meta::When => into.is_off = self.eval.decide_statement(expr)? != Some(true),
            Meta::OnlyIf => into.meta.only_if = self.commands(expr)?,
            Meta::Unless => into.meta.unless = self.commands(expr)?,
            Meta::Noop => into.meta.noop = self.eval.decide_statement(expr)? == Some(true),
            Meta::OnDrift => {
                let report = self.words(expr)?.iter().any(|word| **word == *DriftPolicy::Report.name());
                into.meta.on_drift = if report { DriftPolicy::Report } else { DriftPolicy::Fix };
            }
            Meta::Tags => into.meta.tags = self.words(expr)?,
            Meta::Alias => into.aliases = self.words(expr)?,
            Meta::Timeout => match self.shown(expr)? {
                Value::Duration(0) => return Err(self.eval.error("out-of-range", expr.span, "a timeout is longer than nothing")),
                Value::Duration(nanos) => into.meta.timeout_ns = Some(nanos),
                _ => {}
            },
            Meta::Retry => into.meta.retry = self.retry(expr)?,
        }
        Ok(())
    }

    fn retry(&mut self, expr: &Expr) -> Result<Option<Retry>, Halt> {
        let attempts = |n: &Value| match n {
            Value::Int(n) => u32::try_from(*n).unwrap_or(1).max(1),
            _ => 1,
        };
        Ok(match &self.shown(expr)? {
            value @ Value::Int(_) => Some(Retry { attempts: attempts(value), delay_ns: 0 }),
            Value::Map(map) => {
                let delay_ns = match map.get("delay") {
                    Some(Value::Duration(nanos)) => *nanos,
                    _ => 0,
                };
                Some(Retry { attempts: map.get("attempts").map_or(1, attempts), delay_ns })
            }
            _ => None,
        })
    }

    /// A value that plans and catalogs show.
    fn shown(&mut self, expr: &Expr) -> Result<Value, Halt> {
        let value = self.eval.eval(expr)?;
        if value.is_sensitive() {
            return Err(self.eval.error("secret-exposed", expr.span, "this is shown and cannot be secret"));
        }
        Ok(value)
    }

    /// A word or a list of words.
    fn words(&mut self, expr: &Expr) -> Result<Vec<Arc<str>>, Halt> {
        Ok(match &self.shown(expr)? {
            Value::List(items) => items.iter().filter_map(|item| item.as_shared_str().cloned()).collect(),
            other => other.as_shared_str().cloned().into_iter().collect(),
        })
    }

    /// A command, or a list of commands that are lists of words; none for `none`.
    fn commands(&mut self, expr: &Expr) -> Result<Vec<Command>, Halt> {
        let value = self.eval.eval(expr)?;
        if value.is_sensitive() {
            let issue = Issue::error("secret-exposed", self.eval.loc(expr.span), "a guard is shown and cannot be secret");
            return Err(self.eval.fail(issue.hint("let the command read the secret from a file")));
        }
        let argv = |items: &[Value]| Command::Argv(items.iter().filter_map(|item| item.as_shared_str().cloned()).collect());
        Ok(match &value {
            Value::String(line) => vec![Command::Shell(line.clone())],
            Value::List(items) if items.iter().any(|item| matches!(item, Value::List(_))) => items
                .iter()
                .filter_map(|item| match item {
                    Value::List(words) => Some(argv(words)),
                    Value::String(line) => Some(Command::Shell(line.clone())),
                    _ => None,
                })
                .collect(),
            Value::List(items) => vec![argv(items)],
            _ => Vec::new(),
        })
    }

    /// The resources that an expression refers to, in order.
    pub(super) fn targets(&mut self, expr: &Expr) -> Result<Vec<ResourceId>, Halt> {
        let value = self.eval.eval(expr)?;
        let mut targets = Vec::new();
        let mut queue = vec![&value];
        while let Some(value) = queue.pop() {
            match value.reveal() {
                Value::Ref(id) => targets.push(id.clone()),
                Value::List(items) => queue.extend(items.iter().rev()),
                Value::None => {}
                other => {
                    let message = format!("found {}, expected a resource or a list of resources", other.kind());
                    return Err(self.eval.error("type-mismatch", expr.span, message));
                }
            }
        }
        Ok(targets)
    }
}
