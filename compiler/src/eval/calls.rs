//! Calls, templates, files and references.

use std::sync::Arc;

use stead_catalog::{ResourceId, Value};
use stead_grammar::ast::Span;

use super::budget::MAX_NESTING;
use super::{CallSite, Evaluator, Halt, Outcome};
use crate::builtins::{self, CallError, Stopped};
use crate::files::RenderProblem;
use crate::hir::{Argument, Builtin, Expr};
use crate::issue::Issue;

impl Evaluator<'_> {
    pub(super) fn function(&mut self, id: u32, args: &[Expr], span: Span) -> Outcome {
        let world = self.world;
        let code = &world.project.code.fns[id as usize];
        let function = &world.project.program.fns[id as usize];
        let mut values = Vec::with_capacity(args.len());
        for (arg, default) in args.iter().zip(&code.defaults) {
            // A missing argument is a hole with the span of the call.
            values.push(match (&arg.kind, default) {
                (crate::hir::Kind::Error, _) => None,
                _ => Some(self.eval(arg)?),
            });
        }
        self.trace.push(CallSite { name: function.name.name.clone(), at: self.loc(span) });
        let result = self.in_frame(code.file, code.slots, |this| {
            for (i, value) in values.into_iter().enumerate() {
                let value = match (value, &code.defaults[i]) {
                    (Some(value), _) => value,
                    (None, Some(default)) => this.eval(default)?,
                    (None, None) => Value::None,
                };
                this.set(crate::defs::index(i), value);
            }
            this.eval(&code.body)
        });
        self.trace.pop();
        result
    }

    pub(super) fn builtin(&mut self, call: &Builtin, span: Span) -> Outcome {
        let mut values = Vec::with_capacity(call.args.len());
        for (i, arg) in call.args.iter().enumerate() {
            let value = match arg {
                Argument::Value(expr) => self.eval(expr)?,
                Argument::Lambda(_) | Argument::Absent => Value::None,
            };
            if i == 0 && call.optional && *value.reveal() == Value::None {
                return Ok(Value::None);
            }
            values.push(value);
        }
        if values.iter().any(Value::is_locked) {
            return self.any_call(call, &values);
        }
        let function = match call.function {
            Some(function) => function,
            None => self.late_method(call, &mut values)?,
        };
        let extents: Vec<_> = values.iter().map(|value| self.extents.of(value)).collect();
        let has_locked = extents.iter().any(|extent| extent.has_locked);
        if function.walks() {
            self.spend(extents.iter().fold(0, |sum: u64, extent| sum.saturating_add(extent.size)), span)?;
        }
        if has_locked && function.looks_inside() {
            return self.any_call(call, &values);
        }
        let kept = (self.issues.len(), self.diagnostics.len());
        let mut callback = |argument: usize, args: &[Value]| -> Result<Value, Stopped> {
            let Some(Argument::Lambda(lambda)) = call.args.get(argument) else { return Err(Stopped) };
            for (slot, value) in lambda.params.iter().zip(args) {
                self.set(*slot, value.clone());
            }
            self.eval(&lambda.body).map_err(|Halt| Stopped)
        };
        match function.call(&values, &mut callback) {
            Ok(value) => {
                self.charge(&value, span)?;
                Ok(value)
            }
            // What it met is known to nobody, such as the condition of a filter.
            Err(_) if has_locked && !self.budget.is_spent => {
                self.forget(kept);
                self.any_call(call, &values)
            }
            Err(CallError::Stopped) => Err(Halt),
            Err(CallError::Failed(error)) => {
                let at = error.argument.and_then(|i| match call.args.get(i) {
                    Some(Argument::Value(expr)) => Some(expr.span),
                    Some(Argument::Lambda(lambda)) => Some(lambda.body.span),
                    _ => None,
                });
                let mut issue = Issue::error(error.code, self.loc(at.unwrap_or(span)), error.message);
                issue.hint = error.hint;
                Err(self.fail(issue))
            }
        }
    }

    /// Counts what a function made.
    fn charge(&mut self, value: &Value, span: Span) -> Result<(), Halt> {
        let (steps, bytes) = match value.reveal() {
            Value::String(text) => (1, text.len()),
            Value::List(items) => (items.len() as u64, items.len() * 24),
            Value::Map(map) => (map.len() as u64, map.len() * 64),
            _ => return Ok(()),
        };
        self.spend(steps, span)?;
        if self.extents.of(value).depth > MAX_NESTING {
            return Err(self.too_large(&format!("{MAX_NESTING} levels of lists and maps"), span));
        }
        match self.budget.allocate(bytes) {
            Ok(()) => Ok(()),
            Err(limit) => Err(self.too_large(limit, span)),
        }
    }

    /// Finds the method of a value whose type was not known before.
    fn late_method(&mut self, call: &Builtin, values: &mut Vec<Value>) -> Result<&'static builtins::Builtin, Halt> {
        let receiver = &values[0];
        let Some(builtin) = builtins::method_of(receiver, &call.name) else {
            let message = format!("{} has no method `{}`", receiver.reveal().kind(), call.name);
            return Err(self.error("unknown-method", call.name_span, message));
        };
        let params = &builtin.signature.params;
        if values.len() > params.len() + 1 {
            let message = format!("`{}` takes {} argument(s)", call.name, params.len());
            return Err(self.error("too-many-arguments", call.name_span, message));
        }
        for (i, param) in params.iter().enumerate() {
            let given = call.args.get(i + 1);
            if given.is_none() && !param.optional {
                let message = format!("`{}` needs the argument `{}`", call.name, param.name);
                let issue = Issue::error("missing-argument", self.loc(call.name_span), message);
                return Err(self.fail(issue.hint(format!("its form is `{}`", builtin.signature))));
            }
            if let Some(argument) = given {
                let span = match argument {
                    Argument::Value(expr) => expr.span,
                    Argument::Lambda(lambda) => lambda.body.span,
                    Argument::Absent => call.name_span,
                };
                let wants_lambda = param.shape.lambda_params(&builtins::Bindings::default());
                let good = match (argument, &wants_lambda) {
                    (Argument::Lambda(lambda), Some(params)) => params.len() == lambda.params.len(),
                    (Argument::Lambda(_), None) => false,
                    (_, Some(_)) => false,
                    (Argument::Value(_), None) => param.shape.takes_value(&values[i + 1]),
                    (Argument::Absent, None) => true,
                };
                if !good {
                    let message = format!("the argument `{}` does not fit", param.name);
                    let issue = Issue::error("type-mismatch", self.loc(span), message);
                    return Err(self.fail(issue.hint(format!("the form is `{}`", builtin.signature))));
                }
            }
        }
        values.resize(params.len() + 1, Value::None);
        Ok(builtin)
    }

    pub(super) fn read_file(&mut self, path: &Expr, as_bytes: bool) -> Outcome {
        let value = self.eval(path)?;
        let Some(name) = value.as_shared_str() else {
            return match value {
                Value::None | Value::Blob(_) => Ok(value),
                other => Err(self.error("type-mismatch", path.span, format!("found {}, expected a path", other.kind()))),
            };
        };
        if matches!(value, Value::Secret(_)) {
            return Err(self.error("secret-exposed", path.span, "the path of a file is shown and cannot be secret"));
        }
        let sources = &*self.world.project.input.sources;
        let from = &self.world.project.program.files[self.file as usize].name;
        crate::files::read(sources, from, name, as_bytes).map_err(|problem| {
            let issue = problem.issue(self.loc(path.span));
            self.fail(issue)
        })
    }

    pub(super) fn list_files(&mut self, path: &Expr, directories: bool) -> Outcome {
        let value = self.eval(path)?;
        let Some(name) = value.as_shared_str() else {
            let message = format!("found {}, expected a path", value.kind());
            return Err(self.error("type-mismatch", path.span, message));
        };
        if matches!(value, Value::Secret(_)) {
            return Err(self.error("secret-exposed", path.span, "the path of a directory is shown and cannot be secret"));
        }
        let sources = &*self.world.project.input.sources;
        let from = &self.world.project.program.files[self.file as usize].name;
        let found = match crate::files::list(sources, from, name, directories) {
            Ok(found) => found,
            Err(problem) => {
                let issue = problem.issue(self.loc(path.span));
                return Err(self.fail(issue));
            }
        };
        if let Err(limit) = self.budget.allocate(found.iter().map(|name| name.len() + 24).sum()) {
            return Err(self.too_large(limit, path.span));
        }
        Ok(Value::list(found.into_iter().map(Value::String)))
    }

    pub(super) fn render(&mut self, path: &Expr, variables: &Expr, span: Span) -> Outcome {
        let name = self.eval(path)?;
        let values = self.eval(variables)?;
        if name.is_sensitive() {
            return Err(self.error("secret-exposed", path.span, "the path of a template is shown and cannot be secret"));
        }
        self.walk(&values, variables.span)?;
        let Some(name) = name.as_shared_str().cloned() else {
            return Err(self.error("type-mismatch", path.span, format!("found {}, expected a path", name.kind())));
        };
        let from = self.world.project.program.files[self.file as usize].name.clone();
        match crate::files::render(self.world.project, &from, &name, &values) {
            Ok(text) => {
                if let Err(limit) = self.budget.allocate(text.as_str().map_or(0, str::len)) {
                    return Err(self.too_large(limit, span));
                }
                Ok(text)
            }
            Err(RenderProblem::File(problem)) => {
                let issue = problem.issue(self.loc(path.span));
                Err(self.fail(issue))
            }
            Err(RenderProblem::Template(diagnostic)) => {
                self.diagnostics.push(diagnostic.also(&from, path.span, "rendered here"));
                Err(Halt)
            }
        }
    }

    pub(super) fn render_text(&mut self, text: &Expr, variables: &Expr, span: Span) -> Outcome {
        let template = self.eval(text)?;
        let values = self.eval(variables)?;
        self.walk(&values, variables.span)?;
        let Some(source) = template.as_shared_str().cloned() else {
            return Err(self.error("type-mismatch", text.span, format!("found {}, expected text", template.kind())));
        };
        match crate::files::render_text(self.world.project, &source, &values, template.is_sensitive()) {
            Ok(rendered) => {
                if let Err(limit) = self.budget.allocate(rendered.as_str().map_or(0, str::len)) {
                    return Err(self.too_large(limit, span));
                }
                Ok(rendered)
            }
            Err(problem) => {
                let file = &self.world.project.program.files[self.file as usize];
                let at = crate::files::place_in_text(&file.text, text.span, &source, problem.span);
                let issue = problem.issue(self.loc(at));
                Err(self.fail(issue))
            }
        }
    }

    pub(super) fn reference(&mut self, type_name: &Arc<str>, name: &Expr) -> Outcome {
        match self.eval(name)? {
            Value::String(text) | Value::Member(text) => Ok(Value::Ref(ResourceId { type_name: type_name.clone(), name: text })),
            Value::Secret(_) => {
                Err(self.error("secret-exposed", name.span, "the name of a resource is shown and cannot be secret"))
            }
            other => Err(self.error("type-mismatch", name.span, format!("found {}, expected a string", other.kind()))),
        }
    }
}
