//! Expressions of templates: their types, as far as these are known, and the names in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::machinery::ast::{Call, CallArg, Expr};
use stead_catalog::{Type, closest};
use stead_grammar::ast::Span;

use super::super::{Problem, filters, methods};
use super::names::{collect_guards, item_type, path_of, unwrapped, written};
use super::{Here, Walker, span_of};
use crate::index::{MARKER, TemplateContext, TemplateName};

impl Walker<'_> {
    /// Checks an expression and returns its type as far as it is known.
    pub(super) fn expr(&mut self, expr: &Expr<'_>, here: Here<'_>) -> Type {
        match expr {
            Expr::Const(constant) => match constant.value.kind() {
                minijinja::value::ValueKind::String => Type::STRING,
                _ => Type::Any,
            },
            Expr::Var(var) => self.variable(var.id, here, span_of(var.span())),
            Expr::GetAttr(attr) => {
                let base = self.expr(&attr.expr, here);
                self.attribute(&base, &attr.expr, attr.name, here, here.name_span(attr.span(), attr.name), path_of(expr))
            }
            Expr::GetItem(item) => {
                let base = self.expr(&item.expr, here);
                self.expr(&item.subscript_expr, here);
                match written(&item.subscript_expr) {
                    Some(key) => {
                        let span = here.name_span(item.span(), key);
                        self.attribute(&base, &item.expr, key, here, span, path_of(expr))
                    }
                    None => item_type(&base),
                }
            }
            Expr::Slice(slice) => {
                for part in [&slice.start, &slice.stop, &slice.step].into_iter().flatten() {
                    self.expr(part, here);
                }
                self.expr(&slice.expr, here)
            }
            Expr::UnaryOp(op) => {
                self.expr(&op.expr, here);
                Type::Any
            }
            Expr::BinOp(op) => {
                // `a is defined and a.b`: what the left side asks for holds on the right.
                let guards = self.guarded.len();
                collect_guards(&op.left, &mut self.guarded);
                self.expr(&op.left, here);
                self.expr(&op.right, here);
                self.guarded.truncate(guards);
                Type::Any
            }
            Expr::Compare(compare) => {
                self.expr(&compare.expr, here);
                compare.ops.iter().for_each(|op| {
                    self.expr(&op.expr, here);
                });
                Type::Bool
            }
            Expr::IfExpr(cond) => {
                let guards = self.guarded.len();
                collect_guards(&cond.test_expr, &mut self.guarded);
                self.expr(&cond.test_expr, here);
                let yes = self.expr(&cond.true_expr, here);
                let no = cond.false_expr.as_ref().map(|no| self.expr(no, here));
                self.guarded.truncate(guards);
                if no.is_none_or(|no| no == yes) { yes } else { Type::Any }
            }
            Expr::Filter(filter) => {
                self.filter(filter.name, filter.expr.as_ref(), &filter.args, here, here.name_span(filter.span(), filter.name))
            }
            Expr::Test(test) => {
                self.args(&test.args, here);
                if matches!(test.name, "defined" | "undefined") {
                    self.quietly(&test.expr, here);
                } else {
                    self.expr(&test.expr, here);
                }
                self.note_word(test.name, TemplateContext::Test(filters::test_names()));
                if !filters::test_names().contains(&test.name) {
                    let best = closest(test.name, filters::test_names());
                    let span = here.name_span(test.span(), test.name);
                    let problem = Problem::new("unknown-template-test", span, format!("there is no test `{}`", test.name));
                    let problem =
                        problem.hint("tests are those of Jinja2, and `match`, `search`, `version`, `subset` of Ansible");
                    self.problems.push(suggest(problem, best).in_file(here.file));
                }
                Type::Bool
            }
            Expr::Call(call) => self.call(call, here),
            Expr::List(list) => {
                let types: Vec<Type> = list.items.iter().map(|item| self.expr(item, here)).collect();
                Type::list(types.into_iter().reduce(|a, b| if a == b { a } else { Type::Any }).unwrap_or(Type::Any))
            }
            Expr::Map(map) => {
                map.keys.iter().chain(&map.values).for_each(|part| {
                    self.expr(part, here);
                });
                Type::Map(Arc::new(Type::Any))
            }
        }
    }

    pub(super) fn args(&mut self, args: &[CallArg<'_>], here: Here<'_>) {
        for arg in args {
            match arg {
                CallArg::Pos(expr) | CallArg::Kwarg(_, expr) | CallArg::PosSplat(expr) | CallArg::KwargSplat(expr) => {
                    self.expr(expr, here);
                }
            }
        }
    }

    /// Looks at an expression that may be undefined: names count as used and nothing is told about it.
    pub(super) fn quietly(&mut self, expr: &Expr<'_>, here: Here<'_>) {
        let told = self.problems.len();
        self.expr(expr, here);
        self.problems.truncate(told);
    }

    pub(super) fn filter(
        &mut self,
        name: &str,
        expr: Option<&Expr<'_>>,
        args: &[CallArg<'_>],
        here: Here<'_>,
        span: Span,
    ) -> Type {
        self.args(args, here);
        let base = match expr {
            Some(expr) if matches!(name, "default" | "d") => {
                let told = self.problems.len();
                let base = self.expr(expr, here);
                self.problems.truncate(told);
                base
            }
            Some(expr) => self.expr(expr, here),
            None => Type::STRING,
        };
        self.note_word(name, TemplateContext::Filter(filters::filter_names()));
        if !filters::filter_names().contains(&name) {
            let best = closest(name, filters::filter_names());
            let problem = Problem::new("unknown-template-filter", span, format!("there is no filter `{name}`"));
            let problem = problem.hint("filters are those of Jinja2, and every method of the language: `x | to_json`");
            self.problems.push(suggest(problem, best).in_file(here.file));
            return Type::Any;
        }
        match name {
            "sort" | "reverse" | "unique" | "list" | "select" | "reject" | "selectattr" | "rejectattr" | "compact" | "take"
            | "skip" => base,
            "first" | "last" | "min" | "max" => item_type(&base),
            "upper" | "lower" | "trim" | "title" | "capitalize" | "string" | "join" | "quote" | "to_json" | "to_yaml"
            | "indent" => Type::STRING,
            _ => Type::Any,
        }
    }

    pub(super) fn call(&mut self, call: &Call<'_>, here: Here<'_>) -> Type {
        self.args(&call.args, here);
        match &call.expr {
            Expr::GetAttr(attr) => {
                let base = self.expr(&attr.expr, here);
                let is_field =
                    matches!(&base, Type::Record(record) if record.fields.iter().any(|field| &*field.name == attr.name));
                let plain = !matches!(unwrapped(&base), Type::Any | Type::Record(_) | Type::Map(_));
                if plain && !is_field && !methods::is_known(attr.name) {
                    let span = here.name_span(call.expr.span(), attr.name);
                    let problem =
                        Problem::new("unknown-template-function", span, format!("{} has no method `{}`", base, attr.name));
                    self.problems.push(problem.hint("use a filter: `value | name`").in_file(here.file));
                }
                match (attr.name, unwrapped(&base)) {
                    ("get", Type::Map(item)) => (**item).clone(),
                    ("values", Type::Map(item)) => Type::List(item.clone(), stead_catalog::Span64::FULL),
                    ("items", inner @ (Type::Map(_) | Type::Record(_))) => inner.clone(),
                    _ => Type::Any,
                }
            }
            Expr::Var(var) if !self.is_known(var.id) && !filters::FUNCTIONS.contains(&var.id) => {
                let best = closest(var.id, filters::FUNCTIONS.iter().copied());
                let span = span_of(var.span());
                let mut problem = Problem::new("unknown-template-function", span, format!("there is no function `{}`", var.id));
                problem = match var.id {
                    "lookup" | "query" | "now" | "include" | "salt" => {
                        problem.hint("templates see only what they are given: compute it in the state and pass it as a variable")
                    }
                    _ => suggest(problem, best),
                };
                self.problems.push(problem.in_file(here.file));
                Type::Any
            }
            other => {
                self.expr(other, here);
                Type::Any
            }
        }
    }

    /// Notes what a name stands for, and what can be named where the marker is.
    fn note_variable(&mut self, name: &str, here: Here<'_>, span: Span) {
        let Some(notes) = self.notes.as_deref_mut().filter(|_| !self.visited.contains(here.file)) else { return };
        if name == MARKER {
            let mut names: BTreeMap<String, Type> = BTreeMap::new();
            for scope in &self.scopes {
                names.extend(scope.iter().map(|(name, ty)| (name.clone(), ty.clone())));
            }
            notes.context.get_or_insert(TemplateContext::Name(names.into_iter().map(|(name, ty)| (name.into(), ty)).collect()));
        }
        if let Some(at) = self.scopes.iter().rposition(|scope| scope.contains_key(name)) {
            let ty = self.scopes[at][name].clone();
            notes.index.uses.push(TemplateName { span, name: name.into(), ty, is_given: at == 0, owner: None });
        }
    }

    fn note_attribute(&mut self, base: &Type, name: &str, here: Here<'_>, span: Span) {
        let Some(notes) = self.notes.as_deref_mut().filter(|_| !self.visited.contains(here.file)) else { return };
        if name == MARKER {
            notes.context.get_or_insert(TemplateContext::Member(unwrapped(base).clone()));
        }
        let (ty, owner) = match unwrapped(base) {
            Type::Record(record) => {
                let field = record.fields.iter().find(|field| &*field.name == name);
                (field.map_or(Type::Any, |field| field.ty.clone()), Some(record.clone()))
            }
            Type::Map(item) => ((**item).clone(), None),
            _ => (Type::Any, None),
        };
        notes.index.uses.push(TemplateName { span, name: name.into(), ty, is_given: false, owner });
    }

    fn note_word(&mut self, name: &str, context: TemplateContext) {
        if let Some(notes) = self.notes.as_deref_mut()
            && name == MARKER
        {
            notes.context.get_or_insert(context);
        }
    }

    pub(super) fn is_known(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| scope.contains_key(name))
    }

    pub(super) fn is_guarded(&self, path: Option<&String>) -> bool {
        path.is_some_and(|path| {
            self.guarded
                .iter()
                .any(|guard| path == guard || path.strip_prefix(&**guard).is_some_and(|rest| rest.starts_with('.')))
        })
    }

    pub(super) fn variable(&mut self, name: &str, here: Here<'_>, span: Span) -> Type {
        self.used.insert(name.to_owned());
        self.note_variable(name, here, span);
        if let Some(ty) = self.scopes.iter().rev().find_map(|scope| scope.get(name)) {
            return ty.clone();
        }
        if filters::FUNCTIONS.contains(&name) || name == "self" || self.is_guarded(Some(&name.to_owned())) {
            return Type::Any;
        }
        let names: Vec<&str> = self.scopes.iter().flat_map(|scope| scope.keys().map(String::as_str)).collect();
        let problem = Problem::new("undefined-template-variable", span, format!("`{name}` is not defined in this template"));
        if let Some(best) = closest(name, names.iter().copied()) {
            self.problems.push(problem.suggest(best).in_file(here.file));
            return Type::Any;
        }
        let given = || self.given.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(", ");
        let hint = match name {
            "grains" | "ansible_facts" => "pass the facts along: { grains = facts }".into(),
            "pillar" | "hostvars" | "vars" => "pass the data along: { pillar = data.KEY }".into(),
            "salt" => "compute it in the state and pass it as a variable".into(),
            _ if self.given.is_empty() => format!("the template is given no variables; pass it: {{ {name} = … }}"),
            _ => format!("the template is given {}; add it to the argument: {{ {name} = … }}", given()),
        };
        self.problems.push(problem.hint(hint).in_file(here.file));
        Type::Any
    }

    pub(super) fn attribute(
        &mut self,
        base: &Type,
        owner: &Expr<'_>,
        name: &str,
        here: Here<'_>,
        span: Span,
        path: Option<String>,
    ) -> Type {
        let (owner, shown) = match path_of(owner) {
            Some(path) => (format!("{path}."), format!("`{path}`")),
            None => (String::new(), "the value".into()),
        };
        self.note_attribute(base, name, here, span);
        match unwrapped(base) {
            Type::Map(item) => (**item).clone(),
            Type::Record(record) => {
                if let Some(field) = record.fields.iter().find(|field| &*field.name == name) {
                    return field.ty.clone();
                }
                if self.is_guarded(path.as_ref()) {
                    return Type::Any;
                }
                let names = || record.fields.iter().map(|field| &*field.name);
                let problem = Problem::new("undefined-template-variable", span, format!("{shown} has no `{name}`"));
                let best = closest(name, names());
                let problem = Problem { replacement: best.map(str::to_owned), ..problem };
                let hint = match best {
                    Some(best) => format!("did you mean `{owner}{best}`?"),
                    None => format!("{shown} has {}", names().collect::<Vec<_>>().join(", ")),
                };
                self.problems.push(problem.hint(hint).in_file(here.file));
                Type::Any
            }
            Type::Bool
            | Type::Int(_)
            | Type::Float(_)
            | Type::String(..)
            | Type::Port
            | Type::Path
            | Type::Mode
            | Type::Duration
            | Type::Size
            | Type::Enum(_)
                if !self.is_guarded(path.as_ref()) =>
            {
                let message = format!("{shown} is {}, which has no `{name}`", base.describe());
                self.problems.push(Problem::new("undefined-template-variable", span, message).in_file(here.file));
                Type::Any
            }
            _ => Type::Any,
        }
    }
}

fn suggest(problem: Problem, best: Option<&str>) -> Problem {
    match best {
        Some(best) => problem.suggest(best),
        None => problem,
    }
}
