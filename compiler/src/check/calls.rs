//! Calls of functions, built-in functions and methods.

use stead_catalog::Type;
use stead_grammar::ast::{Arg, Call, Expr, ExprKind, FieldAccess, Ident, Lambda, Span};

use super::expr::describe;
use super::scope::{Checker, User};
use super::special::SPECIAL;
use super::unused::What;
use crate::builtins::{self, Bindings, Builtin, Shape};
use crate::defs::{Callable, Def};
use crate::hir::{self, Argument, Kind};
use crate::index::{BuiltinRef, Callee, ContextKind, Target};
use crate::issue::Issue;
use crate::typing;

impl Checker<'_> {
    pub(crate) fn call(&mut self, call: &Call, span: Span) -> (hir::Expr, Type) {
        match self.definition(&call.callee) {
            Some(Def::Fn(id)) => return self.function(id, call, span),
            Some(Def::State(id)) => {
                self.note_definition(&call.callee, Def::State(id));
                let hint = "a state is called as a statement, or bound: `let x = state(…)`";
                self.error_hint("misplaced-state-call", span, "a state call is not a value", hint);
                return self.failed_call(call, span);
            }
            Some(Def::Type(_)) => {
                let hint = "write the record itself: `{ field = value }`";
                self.error_hint("not-callable", call.callee.span, "a type cannot be called", hint);
                return self.failed_call(call, span);
            }
            _ => {}
        }
        match &call.callee.unparen().kind {
            ExprKind::Name(name) if self.local(name).is_none() && self.global(name).is_none() => {
                self.free_function(name, call, span)
            }
            ExprKind::Field(access) => {
                if let Some(module) = self.module_of(&access.object) {
                    self.note_module(&access.object, module);
                    let module = &self.program.modules[module as usize];
                    let at = self.loc(access.name.span);
                    let issue = crate::imports::missing_member(module, &module.name, &access.name, at, &mut self.suggestions);
                    if !access.name.is_missing() {
                        self.report(issue);
                    }
                    return self.failed_call(call, span);
                }
                self.method(access, call, span)
            }
            ExprKind::Error => self.failed_call(call, span),
            _ => {
                self.error("not-callable", call.callee.span, "only functions and methods can be called");
                self.failed_call(call, span)
            }
        }
    }

    /// Looks at the arguments of a call that is wrong, so that their own mistakes are told.
    pub(super) fn failed_call(&mut self, call: &Call, span: Span) -> (hir::Expr, Type) {
        for arg in &call.args {
            match &arg.value.unparen().kind {
                ExprKind::Name(name) => self.note_marker(name, arg.value.span, || ContextKind::Value { expected: None }),
                ExprKind::Lambda(_) => {}
                _ => {
                    self.infer(&arg.value);
                }
            }
        }
        (hir::Expr::error(span), Type::Any)
    }

    fn function(&mut self, id: u32, call: &Call, span: Span) -> (hir::Expr, Type) {
        self.note_use(User::Fn(id), call.callee.span);
        self.note_definition(&call.callee, Def::Fn(id));
        let function = &self.program.fns[id as usize];
        self.note_callable(function, call, false);
        self.lint_deprecated_call(crate::resolve::last_name(&call.callee), "function", function);
        let (args, is_complete) = self.arguments(function, &call.args, span, true);
        let ty = function.result.clone();
        if !is_complete {
            return (hir::Expr::error(span), ty);
        }
        let args = args.into_iter().map(|arg| arg.unwrap_or_else(|| hir::Expr::error(span))).collect::<Vec<_>>();
        (hir::Expr::new(Kind::Function(id, args.into()), span), ty)
    }

    /// Sorts arguments to the parameters of a function or state and checks them. A missing one without a default is reported when
    /// `all_needed`. The flag says that nothing is wrong.
    pub(crate) fn arguments(
        &mut self,
        callable: &Callable,
        args: &[Arg],
        span: Span,
        all_needed: bool,
    ) -> (Vec<Option<hir::Expr>>, bool) {
        let defined = crate::issue::Loc::new(callable.at.file, callable.name.span);
        let mut given: Vec<Option<hir::Expr>> = callable.params.iter().map(|_| None).collect();
        let mut is_complete = true;
        for (i, arg) in args.iter().enumerate() {
            let at = match &arg.name {
                Some(name) => callable.params.iter().position(|param| param.name == name.name),
                None => Some(i).filter(|i| *i < callable.params.len()),
            };
            let Some(at) = at else {
                is_complete = false;
                self.surplus_argument(callable, arg);
                self.infer_unless_name(&arg.value);
                continue;
            };
            let param = &callable.params[at];
            if let Some(name) = &arg.name {
                let declared = crate::issue::Loc::new(callable.at.file, param.span);
                self.note(name.span, |program| Some(Target::Variable(program.place(declared))));
            }
            self.lint_deprecated_parameter(arg.name.as_ref().map_or(arg.span, |name| name.span), callable, param);
            let value = self.check(&arg.value, &param.ty);
            is_complete &= !matches!(value.kind, Kind::Error);
            if given[at].is_some() {
                is_complete = false;
                let message = format!("the argument `{}` is given twice", param.name);
                self.error("duplicate-argument", arg.span, message);
            }
            given[at] = Some(value);
        }
        if all_needed {
            for (param, value) in callable.params.iter().zip(&given) {
                if value.is_none() && !param.has_default && !matches!(param.ty, Type::Optional(_)) && !param.name.is_empty() {
                    is_complete = false;
                    let message = format!("`{}` needs the argument `{}`", callable.name.name, param.name);
                    let issue = Issue::error("missing-argument", self.loc(span), message)
                        .label(defined, "defined here")
                        .hint(format!("add `{} = …` ({})", param.name, param.ty.describe()));
                    self.report(issue);
                }
            }
        }
        (given, is_complete)
    }

    fn surplus_argument(&mut self, callable: &Callable, arg: &Arg) {
        let defined = crate::issue::Loc::new(callable.at.file, callable.name.span);
        let issue = match &arg.name {
            Some(name) if name.is_missing() => return,
            Some(name) => {
                let names: Vec<&str> = callable.params.iter().map(|param| &*param.name).collect();
                let message = format!("`{}` has no parameter `{}`", callable.name.name, name.name);
                let issue = Issue::error("unknown-argument", self.loc(name.span), message);
                match self.suggestions.closest(&name.name, names.iter().copied()) {
                    Some(best) => issue.suggest(Some(best)),
                    None if names.is_empty() => issue.hint("it takes no arguments"),
                    None => issue.hint(format!("its parameters are {}", names.join(", "))),
                }
            }
            None => {
                let n = callable.params.len();
                let plural = if n == 1 { "" } else { "s" };
                let message = format!("`{}` takes {n} argument{plural}", callable.name.name);
                Issue::error("too-many-arguments", self.loc(arg.span), message)
            }
        };
        self.report(issue.label(defined, "defined here"));
    }

    /// Notes a call of something that the project defines.
    pub(crate) fn note_callable(&mut self, callable: &Callable, call: &Call, is_state: bool) {
        if self.notes.is_none() {
            return;
        }
        let place = self.program.place(crate::issue::Loc::new(callable.at.file, callable.name.span));
        let position = |name: &str| callable.params.iter().position(|param| &*param.name == name);
        self.note_call(call, Callee::Defined(place), is_state, callable.params.len(), &position);
    }

    pub(super) fn infer_unless_name(&mut self, expr: &Expr) {
        if let ExprKind::Name(name) = &expr.unparen().kind {
            self.note_marker(name, expr.span, || ContextKind::Value { expected: None });
        }
        if !matches!(expr.unparen().kind, ExprKind::Name(_) | ExprKind::Lambda(_)) {
            self.infer(expr);
        }
    }

    fn free_function(&mut self, name: &str, call: &Call, span: Span) -> (hir::Expr, Type) {
        if SPECIAL.contains(&name) {
            self.note(call.callee.span, |_| Some(Target::Special(name.into())));
            self.note_call(call, Callee::Special(name.into()), false, call.args.len(), &|_| None);
        }
        match name {
            "template" => return self.render(call, span, true),
            "render" => return self.render(call, span, false),
            "source" => return self.file_function(call, span, true),
            "read" => return self.file_function(call, span, false),
            "files" => return self.list_function(call, span, false),
            "directories" => return self.list_function(call, span, true),
            "secret" => return self.conceal(call, span),
            _ => {}
        }
        if let Some(builtin) = builtins::function(name) {
            return self.builtin(builtin, None, call, span);
        }
        if name.is_empty() {
            return self.failed_call(call, span);
        }
        let mut known: Vec<&str> = self.program.visible(self.file);
        known.retain(|name| matches!(self.program.lookup(self.file, name), Some(Def::Fn(_) | Def::State(_))));
        known.extend(SPECIAL);
        for builtin in builtins::function_names() {
            known.push(builtin);
        }
        let best = self.suggestions.closest(name, known).map(str::to_owned);
        let issue = Issue::error("unknown-name", self.loc(call.callee.span), format!("there is no function `{name}`"));
        let issue = match best {
            Some(best) => issue.suggest(Some(&best)),
            None if builtins::is_method(name) => {
                let written = self.as_method(name, call);
                match written {
                    Some(text) => issue.hint(format!("it is a method: `{text}`")).replacement(Some(call.span), text),
                    None => issue.hint(format!("it is a method: `x.{name}()`")),
                }
            }
            None => issue,
        };
        self.report(issue);
        self.failed_call(call, span)
    }

    /// The call of a method that is written as one of a function: `len(x)`.
    fn as_method(&self, name: &str, call: &Call) -> Option<String> {
        let (first, rest) = call.args.split_first().filter(|(first, _)| first.name.is_none())?;
        let receiver = self.short(&first.value)?;
        let text = &self.program.files[self.file as usize].text;
        let rest: Vec<&str> = rest.iter().map(|arg| arg.span.text(text)).collect();
        Some(format!("{receiver}.{name}({})", rest.join(", ")))
    }

    fn method(&mut self, access: &FieldAccess, call: &Call, span: Span) -> (hir::Expr, Type) {
        let (object, object_type) = self.infer(&access.object);
        let name = access.name.as_str();
        if access.name.is_missing() {
            return self.failed_call(call, span);
        }
        let (plain, secret) = typing::without_secret(&object_type);
        let (inner, is_optional) = match &plain {
            Type::Optional(inner) => ((**inner).clone(), true),
            other => (other.clone(), false),
        };
        self.note_marker(name, access.name.span, || ContextKind::Member {
            receiver: inner.clone(),
            is_optional,
            path: crate::index::notes::dotted(&access.object),
        });
        if matches!(inner, Type::Any) {
            if !builtins::is_method(name) {
                self.error("unknown-method", access.name.span, format!("there is no method `{name}`"));
                return self.failed_call(call, span);
            }
            return self.late_method(object, access, call, span);
        }
        let found = if is_optional && !access.optional { builtins::method(&plain, name) } else { None };
        if is_optional && !access.optional && found.is_none() {
            let hint = format!("write `?.{name}(…)`, or look first with `if … != none`");
            let message = "the value may be none and has no methods then";
            let dot = Span::new(access.object.span.end, access.name.span.start);
            let issue = Issue::error("optional-value", self.loc(access.object.span), message);
            self.report(issue.hint(hint).replacement(Some(dot), "?."));
            return self.failed_call(call, span);
        }
        let receiver = if found.is_some() { &plain } else { &inner };
        let Some(builtin) = found.or_else(|| builtins::method(&inner, name)) else {
            self.unknown_method(&inner, &access.name, call);
            return self.failed_call(call, span);
        };
        let receiver = if secret { typing::secret(receiver.clone()) } else { receiver.clone() };
        let (expr, ty) = self.builtin(builtin, Some((object, receiver, access.optional)), call, span);
        let ty = if is_optional && access.optional { Type::optional(ty) } else { ty };
        (expr, ty)
    }

    fn unknown_method(&mut self, receiver: &Type, name: &Ident, call: &Call) {
        let issue =
            Issue::error("unknown-method", self.loc(name.span), format!("{} has no method `{}`", describe(receiver), name.name));
        let is_field = matches!(receiver, Type::Record(record) if record.fields.iter().any(|field| field.name == name.name));
        let issue = match builtins::closest_method(receiver, name.as_str()) {
            _ if is_field => {
                let issue = issue.hint(format!("`{}` is a field: leave the parentheses out", name.name));
                match call.args.is_empty() {
                    true => issue.replacement(Some(Span::new(name.span.end, call.span.end)), ""),
                    false => issue,
                }
            }
            Some(best) => issue.suggest(Some(best)),
            None if matches!(self.program.lookup(self.file, name.as_str()), Some(Def::Fn(_))) => {
                issue.hint(format!("it is a function: `{}(…)`", name.name))
            }
            None => issue,
        };
        self.report(issue);
    }

    /// A method of a value whose type is not known before it is evaluated.
    fn late_method(&mut self, object: hir::Expr, access: &FieldAccess, call: &Call, span: Span) -> (hir::Expr, Type) {
        let mut args = vec![Argument::Value(object)];
        for arg in &call.args {
            if let Some(name) = &arg.name {
                self.error("unknown-argument", name.span, "arguments of a method are given by position here");
            }
            args.push(match &arg.value.unparen().kind {
                ExprKind::Lambda(lambda) => {
                    let types = vec![Type::Any; lambda.params.len()];
                    Argument::Lambda(self.lambda(lambda, &types, None).0)
                }
                _ => Argument::Value(self.infer(&arg.value).0),
            });
        }
        let call = hir::Builtin {
            function: None,
            name: access.name.name.clone(),
            name_span: access.name.span,
            optional: access.optional,
            args: args.into(),
        };
        (hir::Expr::new(Kind::Builtin(Box::new(call)), span), Type::Any)
    }

    /// The receiver of a method comes with its type and whether the call is `?.`.
    fn builtin(
        &mut self,
        builtin: &'static Builtin,
        receiver: Option<(hir::Expr, Type, bool)>,
        call: &Call,
        span: Span,
    ) -> (hir::Expr, Type) {
        let signature = &builtin.signature;
        self.note_builtin(builtin, call);
        self.lint_deprecated_builtin(crate::resolve::last_name(&call.callee), builtin);
        let mut bindings = Bindings::default();
        let mut any_secret = false;
        let mut args = Vec::with_capacity(signature.params.len() + 1);
        let mut optional = false;
        if let Some((object, ty, is_optional)) = receiver {
            any_secret |= ty.is_secret();
            if let Some(shape) = &signature.receiver {
                shape.fits(&ty, &mut bindings);
            }
            optional = is_optional;
            args.push(Argument::Value(object));
        }
        let first = args.len();
        args.extend(signature.params.iter().map(|_| Argument::Absent));
        let mut is_given = vec![false; signature.params.len()];
        let mut is_broken = false;
        // Lambdas come after the other arguments, which tell what the type variables stand for.
        let is_lambda = |arg: &Arg| matches!(arg.value.unparen().kind, ExprKind::Lambda(_));
        let in_order = (0..call.args.len()).filter(|i| !is_lambda(&call.args[*i]));
        let in_order: Vec<usize> = in_order.chain((0..call.args.len()).filter(|i| is_lambda(&call.args[*i]))).collect();
        for i in in_order {
            let arg = &call.args[i];
            let at = match &arg.name {
                Some(name) => signature.params.iter().position(|param| *param.name == *name.name),
                None => Some(i).filter(|i| *i < signature.params.len()),
            };
            let Some(at) = at else {
                is_broken = true;
                self.surplus_builtin_argument(builtin, arg);
                continue;
            };
            if is_given[at] {
                is_broken = true;
                self.error(
                    "duplicate-argument",
                    arg.span,
                    format!("the argument `{}` is given twice", signature.params[at].name),
                );
            }
            is_given[at] = true;
            match self.builtin_argument(builtin, at, &arg.value, &mut bindings, &mut any_secret) {
                Some(argument) => args[first + at] = argument,
                None => is_broken = true,
            }
        }
        for (param, given) in signature.params.iter().zip(&is_given) {
            if !given && !param.optional {
                is_broken = true;
                let message = format!("`{}` needs the argument `{}`", signature.name, param.name);
                self.error_hint("missing-argument", span, message, format!("its form is `{signature}`"));
            }
        }
        let ty = signature.result_type(&bindings, any_secret);
        if is_broken {
            return (hir::Expr::error(span), ty);
        }
        let name_span = crate::resolve::last_name(&call.callee);
        let call = hir::Builtin { function: Some(builtin), name: signature.name.into(), name_span, optional, args: args.into() };
        (hir::Expr::new(Kind::Builtin(Box::new(call)), span), ty)
    }

    fn note_builtin(&mut self, builtin: &'static Builtin, call: &Call) {
        if self.notes.is_none() {
            return;
        }
        let name = crate::resolve::last_name(&call.callee);
        self.note(name, |_| Some(Target::Builtin(builtin)));
        let position = |name: &str| builtin.signature.params.iter().position(|param| param.name == name);
        let count = builtin.signature.params.len();
        let what = Callee::Builtin(builtin.signature.name, BuiltinRef(builtin));
        self.note_call(call, what, false, count, &position);
    }

    fn builtin_argument(
        &mut self,
        builtin: &'static Builtin,
        at: usize,
        value: &Expr,
        bindings: &mut Bindings,
        any_secret: &mut bool,
    ) -> Option<Argument> {
        let param = &builtin.signature.params[at];
        if let Some(types) = param.shape.lambda_params(bindings) {
            let ExprKind::Lambda(lambda) = &value.unparen().kind else {
                if value.is_error() {
                    return None;
                }
                let hint = format!("write `x => …`; the form is `{}`", builtin.signature);
                self.error_hint("type-mismatch", value.span, format!("`{}` is a lambda", param.name), hint);
                return None;
            };
            let (lambda, ty) = self.lambda(lambda, &types, Some(value.span)).into_checked()?;
            *any_secret |= ty.is_secret();
            if !param.shape.lambda_result_fits(&ty, bindings) {
                let expected = param.shape.lambda_result().map(ToString::to_string).unwrap_or_default();
                let message = format!("the lambda gives {}, expected `{expected}`", describe(&ty));
                self.error("type-mismatch", lambda.body.span, message);
                return None;
            }
            return Some(Argument::Lambda(lambda));
        }
        if let ExprKind::Lambda(_) = &value.unparen().kind {
            let message = format!("`{}` takes no lambda for `{}`", builtin.signature.name, param.name);
            self.error("misplaced-lambda", value.span, message);
            return None;
        }
        let expected = param.shape.resolve(bindings);
        let is_word = crate::resolve::bare_name(value).is_some_and(|name| !self.is_bound(name));
        let wants_member = {
            let mut enums = Vec::new();
            typing::enums_of(&expected, &mut enums);
            !enums.is_empty()
        };
        let (checked, ty) = if is_word && wants_member {
            (self.check(value, &typing::widen(&expected)), expected.clone())
        } else {
            self.infer(value)
        };
        if matches!(checked.kind, Kind::Error) {
            return None;
        }
        let (plain, secret) = typing::without_secret(&ty);
        *any_secret |= secret;
        if !param.shape.fits(&plain, bindings) {
            if let Type::Optional(_) = plain {
                let hint = "give a value for that case with `??`";
                let message = format!("`{}` may be none, expected {}", param.name, shape_text(&param.shape, &expected));
                self.error_hint("optional-value", value.span, message, hint);
            } else {
                let message = format!("found {}, expected {}", describe(&plain), shape_text(&param.shape, &expected));
                self.error_hint("type-mismatch", value.span, message, format!("the form is `{}`", builtin.signature));
            }
            return None;
        }
        Some(Argument::Value(checked))
    }

    fn surplus_builtin_argument(&mut self, builtin: &Builtin, arg: &Arg) {
        let signature = &builtin.signature;
        let hint = format!("its form is `{signature}`");
        match &arg.name {
            Some(name) => {
                let message = format!("`{}` has no parameter `{}`", signature.name, name.name);
                self.error_hint("unknown-argument", name.span, message, hint);
            }
            None => {
                let message = format!("`{}` takes {} argument(s)", signature.name, signature.params.len());
                self.error_hint("too-many-arguments", arg.span, message, hint);
            }
        }
    }

    /// A lambda with the types of its parameters. With `expected_at`, a wrong number of them is reported there.
    fn lambda(&mut self, lambda: &Lambda, types: &[Type], expected_at: Option<Span>) -> LambdaOutcome {
        if let Some(span) = expected_at
            && types.len() != lambda.params.len()
        {
            let message = format!("the lambda has {} parameter(s), expected {}", lambda.params.len(), types.len());
            self.error("type-mismatch", span, message);
            return LambdaOutcome(hir::Lambda { params: [].into(), body: hir::Expr::error(span) }, Type::Any);
        }
        self.scoped(|this| {
            let params: Vec<u32> =
                lambda.params.iter().zip(types).map(|(param, ty)| this.bind(param, ty.clone(), What::Each)).collect();
            let (body, ty) = this.infer(&lambda.body);
            LambdaOutcome(hir::Lambda { params: params.into(), body }, ty)
        })
    }
}

/// A checked lambda and the type of its body.
struct LambdaOutcome(hir::Lambda, Type);

impl LambdaOutcome {
    /// `None` when a mistake in it was reported.
    fn into_checked(self) -> Option<(hir::Lambda, Type)> {
        if matches!(self.0.body.kind, Kind::Error) { None } else { Some((self.0, self.1)) }
    }
}

fn shape_text(shape: &Shape, expected: &Type) -> String {
    match shape {
        Shape::Type(_) | Shape::Optional(_) => expected.describe(),
        other => format!("`{other}`"),
    }
}
