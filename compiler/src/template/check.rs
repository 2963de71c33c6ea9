//! Walks a template's syntax with the types of what it is given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use minijinja::machinery::ast::{Call, CallArg, Expr, Macro, Stmt};
use minijinja::machinery::parse;
use stead_catalog::{Field, RecordType, Type, closest};
use stead_grammar::ast::Span;

use super::{Checked, Problem, Templates, filters, join, methods, problem_of, read, too_complex};

/// Most templates that one may include, directly or not.
const MAX_TEMPLATES: usize = 500;

/// Checks `text`, the template `file`, and what it includes.
pub(super) fn check(templates: &Templates, file: &Arc<str>, text: &str, variables: &[(Arc<str>, Type)]) -> Checked<Problem> {
    let globals = variables.iter().map(|(name, ty)| (name.to_string(), ty.clone())).collect();
    let mut walker = Walker {
        templates,
        given: variables,
        scopes: vec![globals],
        guarded: Vec::new(),
        used: BTreeSet::new(),
        problems: Vec::new(),
        visited: BTreeSet::new(),
        opaque: false,
    };
    walker.template(file, text);
    let mut problems: Vec<Problem> = Vec::new();
    for problem in walker.problems {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    problems.sort_by(|a, b| (&a.file, a.span).cmp(&(&b.file, b.span)));
    let unused = if walker.opaque || !problems.is_empty() {
        Vec::new()
    } else {
        variables.iter().map(|(name, _)| name.clone()).filter(|name| !walker.used.contains(&**name)).collect()
    };
    Checked { problems, unused }
}

struct Walker<'t> {
    templates: &'t Templates,
    given: &'t [(Arc<str>, Type)],
    scopes: Vec<BTreeMap<String, Type>>,
    /// Names and paths that a surrounding `if … is defined` asks for.
    guarded: Vec<String>,
    used: BTreeSet<String>,
    problems: Vec<Problem>,
    visited: BTreeSet<Arc<str>>,
    /// Names a template that is computed, so not everything can be seen.
    opaque: bool,
}

/// The template being walked.
#[derive(Clone, Copy)]
struct Here<'a> {
    file: &'a Arc<str>,
    text: &'a str,
}

impl Here<'_> {
    /// Returns where `name` stands last in an expression: the attribute in `vhost.port`.
    fn name_span(self, span: minijinja::machinery::Span, name: &str) -> Span {
        let whole = span_of(span);
        match whole.text(self.text).rfind(name) {
            Some(at) if !name.is_empty() => {
                let start = whole.start + crate::position::offset_u32(at);
                Span::new(start, start + crate::position::offset_u32(name.len()))
            }
            _ => whole,
        }
    }
}

fn span_of(span: minijinja::machinery::Span) -> Span {
    Span::new(span.start_offset, span.end_offset.max(span.start_offset))
}

static LOOP: LazyLock<Type> = LazyLock::new(|| {
    let names = [
        "index",
        "index0",
        "revindex",
        "revindex0",
        "first",
        "last",
        "length",
        "depth",
        "depth0",
        "previtem",
        "nextitem",
        "cycle",
        "changed",
    ];
    let field = |name: &str| Field { name: name.into(), ty: Type::Any, default: None, docs: "".into() };
    Type::Record(Arc::new(RecordType { name: "loop".into(), fields: names.map(field).to_vec() }))
});

impl Walker<'_> {
    fn template(&mut self, file: &Arc<str>, text: &str) {
        if let Some(problem) = too_complex(text, self.templates.whitespace) {
            self.problems.push(problem.in_file(file));
            return;
        }
        let here = Here { file, text };
        match parse(text, file, Default::default(), self.templates.whitespace.config()) {
            Ok(root) => self.stmt(&root, here),
            Err(error) => {
                let mut problem = problem_of(&error, false, Some(text));
                problem.file = None;
                if text.contains("{% else if") {
                    problem = problem.hint("write `elif`");
                } else if problem.message.contains("unknown statement") {
                    problem = problem.hint("known are for, if, set, with, macro, call, filter, block, extends, include, import, from, raw, do, break and continue");
                }
                self.problems.push(problem.in_file(file));
            }
        }
    }

    fn body(&mut self, body: &[Stmt<'_>], here: Here<'_>) {
        body.iter().for_each(|stmt| self.stmt(stmt, here));
    }

    /// Walks statements that have names of their own.
    fn scoped(&mut self, names: BTreeMap<String, Type>, body: &[Stmt<'_>], here: Here<'_>) {
        self.scopes.push(names);
        self.body(body, here);
        self.scopes.pop();
    }

    fn stmt(&mut self, stmt: &Stmt<'_>, here: Here<'_>) {
        match stmt {
            Stmt::Template(template) => self.body(&template.children, here),
            Stmt::EmitExpr(emit) => {
                self.expr(&emit.expr, here);
            }
            Stmt::EmitRaw(_) | Stmt::Continue(_) | Stmt::Break(_) => {}
            Stmt::ForLoop(each) => {
                let iter = self.expr(&each.iter, here);
                let mut names = BTreeMap::new();
                bind_item(&each.target, &iter, is_pairs(&each.iter), &mut names);
                self.scopes.push(names.clone());
                if let Some(filter) = &each.filter_expr {
                    self.expr(filter, here);
                }
                self.scopes.pop();
                names.insert("loop".into(), LOOP.clone());
                self.scoped(names, &each.body, here);
                self.scoped(BTreeMap::new(), &each.else_body, here);
            }
            Stmt::IfCond(cond) => {
                let guards = self.guarded.len();
                collect_guards(&cond.expr, &mut self.guarded);
                self.expr(&cond.expr, here);
                self.body(&cond.true_body, here);
                self.body(&cond.false_body, here);
                self.guarded.truncate(guards);
            }
            Stmt::WithBlock(with) => {
                let mut names = BTreeMap::new();
                for (target, value) in &with.assignments {
                    let ty = self.expr(value, here);
                    bind(target, &ty, &mut names);
                }
                self.scoped(names, &with.body, here);
            }
            Stmt::Set(set) => {
                let ty = self.expr(&set.expr, here);
                self.assign(&set.target, &ty, here);
            }
            Stmt::SetBlock(set) => {
                if let Some(filter) = &set.filter {
                    self.expr(filter, here);
                }
                self.scoped(BTreeMap::new(), &set.body, here);
                self.assign(&set.target, &Type::STRING, here);
            }
            Stmt::AutoEscape(escape) => self.body(&escape.body, here),
            Stmt::FilterBlock(block) => {
                self.expr(&block.filter, here);
                self.scoped(BTreeMap::new(), &block.body, here);
            }
            Stmt::Block(block) => {
                let names = BTreeMap::from([("super".to_owned(), Type::Any), ("self".to_owned(), Type::Any)]);
                self.scoped(names, &block.body, here);
            }
            Stmt::Import(import) => {
                self.other_template(&import.expr, here, false);
                self.assign(&import.name, &Type::Any, here);
            }
            Stmt::FromImport(import) => {
                self.other_template(&import.expr, here, false);
                for (name, alias) in &import.names {
                    self.assign(alias.as_ref().unwrap_or(name), &Type::Any, here);
                }
            }
            Stmt::Extends(extends) => self.other_template(&extends.name, here, false),
            Stmt::Include(include) => self.other_template(&include.name, here, include.ignore_missing),
            Stmt::Macro(declared) => {
                self.macro_body(declared, here);
                self.declare(declared.name, Type::Any);
            }
            Stmt::CallBlock(block) => {
                self.call(&block.call, here);
                self.macro_body(&block.macro_decl, here);
            }
            Stmt::Do(run) => {
                self.call(&run.call, here);
            }
        }
    }

    fn macro_body(&mut self, declared: &Macro<'_>, here: Here<'_>) {
        declared.defaults.iter().for_each(|default| {
            self.expr(default, here);
        });
        let mut names = BTreeMap::from([("caller".to_owned(), Type::Any), (declared.name.to_owned(), Type::Any)]);
        declared.args.iter().for_each(|arg| bind(arg, &Type::Any, &mut names));
        self.scoped(names, &declared.body, here);
    }

    fn other_template(&mut self, name: &Expr<'_>, here: Here<'_>, may_miss: bool) {
        let names: Vec<String> = match name.as_const() {
            Some(constant) => match constant.as_str() {
                Some(one) => vec![one.to_owned()],
                // A list: the first that exists is taken.
                None => constant.try_iter().map(|items| items.map(|item| item.to_string()).collect()).unwrap_or_default(),
            },
            None => {
                self.opaque = true;
                self.expr(name, here);
                return;
            }
        };
        let sources = &*self.templates.sources;
        let paths: Vec<String> = names.iter().map(|name| join(sources, name, here.file)).collect();
        let Some(path) = paths.iter().find(|path| sources.read(path).is_ok()) else {
            if let (false, Some(first)) = (may_miss, names.first()) {
                let span = here.name_span(name.span(), first);
                let problem = Problem::new("template-not-found", span, format!("there is no template `{first}`"));
                let hint = "names are looked up beside this template and from the root of the project";
                self.problems.push(problem.hint(hint).in_file(here.file));
            }
            return;
        };
        let file: Arc<str> = path.as_str().into();
        if self.visited.len() >= MAX_TEMPLATES || !self.visited.insert(file.clone()) {
            return;
        }
        match read(sources, path) {
            Ok(text) => self.template(&file, &text),
            Err(error) => {
                let message = format!("the template `{path}` cannot be read: {error}");
                self.problems.push(Problem::new("template-not-found", span_of(name.span()), message).in_file(here.file));
            }
        }
    }

    fn declare(&mut self, name: &str, ty: Type) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), ty);
        }
    }

    fn assign(&mut self, target: &Expr<'_>, ty: &Type, here: Here<'_>) {
        match target {
            // An attribute of a namespace.
            Expr::GetAttr(attr) => {
                self.expr(&attr.expr, here);
            }
            _ => {
                let mut names = BTreeMap::new();
                bind(target, ty, &mut names);
                names.into_iter().for_each(|(name, ty)| self.declare(&name, ty));
            }
        }
    }

    /// Checks an expression and returns its type as far as it is known.
    fn expr(&mut self, expr: &Expr<'_>, here: Here<'_>) -> Type {
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
                match item.subscript_expr.as_const() {
                    Some(key) if key.as_str().is_some() => {
                        let key = key.as_str().unwrap_or_default().to_owned();
                        let span = here.name_span(item.span(), &key);
                        self.attribute(&base, &item.expr, &key, here, span, path_of(expr))
                    }
                    _ => item_type(&base),
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
                if !filters::test_names().contains(&test.name) {
                    let best = closest(test.name, filters::test_names());
                    let span = here.name_span(test.span(), test.name);
                    let problem = Problem::new("unknown-template-test", span, format!("there is no test `{}`", test.name));
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

    fn args(&mut self, args: &[CallArg<'_>], here: Here<'_>) {
        for arg in args {
            match arg {
                CallArg::Pos(expr) | CallArg::Kwarg(_, expr) | CallArg::PosSplat(expr) | CallArg::KwargSplat(expr) => {
                    self.expr(expr, here);
                }
            }
        }
    }

    /// Looks at an expression that may be undefined: names count as used and nothing is told about it.
    fn quietly(&mut self, expr: &Expr<'_>, here: Here<'_>) {
        let told = self.problems.len();
        self.expr(expr, here);
        self.problems.truncate(told);
    }

    fn filter(&mut self, name: &str, expr: Option<&Expr<'_>>, args: &[CallArg<'_>], here: Here<'_>, span: Span) -> Type {
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
        if !filters::filter_names().contains(&name) {
            let best = closest(name, filters::filter_names());
            let problem = Problem::new("unknown-template-filter", span, format!("there is no filter `{name}`"));
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

    fn call(&mut self, call: &Call<'_>, here: Here<'_>) -> Type {
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

    fn is_known(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| scope.contains_key(name))
    }

    fn is_guarded(&self, path: Option<&String>) -> bool {
        path.is_some_and(|path| {
            self.guarded
                .iter()
                .any(|guard| path == guard || path.strip_prefix(&**guard).is_some_and(|rest| rest.starts_with('.')))
        })
    }

    fn variable(&mut self, name: &str, here: Here<'_>, span: Span) -> Type {
        self.used.insert(name.to_owned());
        if let Some(ty) = self.scopes.iter().rev().find_map(|scope| scope.get(name)) {
            return ty.clone();
        }
        if filters::FUNCTIONS.contains(&name) || name == "self" || self.is_guarded(Some(&name.to_owned())) {
            return Type::Any;
        }
        let names: Vec<&str> = self.scopes.iter().flat_map(|scope| scope.keys().map(String::as_str)).collect();
        let problem = Problem::new("undefined-template-variable", span, format!("`{name}` is not defined in this template"));
        let given = || self.given.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(", ");
        let hint = match (closest(name, names.iter().copied()), name) {
            (Some(best), _) => format!("did you mean `{best}`?"),
            (None, "grains" | "ansible_facts") => "pass the facts along: { grains = facts }".into(),
            (None, "pillar" | "hostvars" | "vars") => "pass the data along: { pillar = data.KEY }".into(),
            (None, "salt") => "compute it in the state and pass it as a variable".into(),
            (None, _) if self.given.is_empty() => format!("the template is given no variables; pass it: {{ {name} = … }}"),
            (None, _) => format!("the template is given {}; add it to the argument: {{ {name} = … }}", given()),
        };
        self.problems.push(problem.hint(hint).in_file(here.file));
        Type::Any
    }

    fn attribute(&mut self, base: &Type, owner: &Expr<'_>, name: &str, here: Here<'_>, span: Span, path: Option<String>) -> Type {
        let owner = path_of(owner).unwrap_or_else(|| "the value".into());
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
                let problem = Problem::new("undefined-template-variable", span, format!("`{owner}` has no `{name}`"));
                let hint = match closest(name, names()) {
                    Some(best) => format!("did you mean `{owner}.{best}`?"),
                    None => format!("`{owner}` has {}", names().collect::<Vec<_>>().join(", ")),
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
                let message = format!("`{owner}` is {}, which has no `{name}`", base.describe());
                self.problems.push(Problem::new("undefined-template-variable", span, message).in_file(here.file));
                Type::Any
            }
            _ => Type::Any,
        }
    }
}

/// Returns the type under `T?` and `Secret<T>`.
fn unwrapped(ty: &Type) -> &Type {
    match ty {
        Type::Optional(inner) | Type::Secret(inner) => unwrapped(inner),
        other => other,
    }
}

/// Returns the type of what a loop over `ty` gives.
fn item_type(ty: &Type) -> Type {
    match unwrapped(ty) {
        Type::List(item, _) => (**item).clone(),
        Type::Map(_) | Type::Record(_) => Type::STRING,
        _ => Type::Any,
    }
}

/// Says whether an expression gives pairs of key and value.
fn is_pairs(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Filter(filter) => matches!(filter.name, "items" | "dictsort"),
        Expr::Call(call) => matches!(&call.expr, Expr::GetAttr(attr) if attr.name == "items"),
        _ => false,
    }
}

/// Gives the names of a loop's target their types.
fn bind_item(target: &Expr<'_>, iter: &Type, pairs: bool, names: &mut BTreeMap<String, Type>) {
    match (target, pairs) {
        (Expr::List(list), true) if list.items.len() == 2 => {
            bind(&list.items[0], &Type::STRING, names);
            let value = match unwrapped(iter) {
                Type::Map(item) => (**item).clone(),
                _ => Type::Any,
            };
            bind(&list.items[1], &value, names);
        }
        (_, true) => bind(target, &Type::Any, names),
        (Expr::List(_), false) => bind(target, &item_type(iter), names),
        (_, false) => bind(target, &item_type(iter), names),
    }
}

fn bind(target: &Expr<'_>, ty: &Type, names: &mut BTreeMap<String, Type>) {
    match target {
        Expr::Var(var) => {
            names.insert(var.id.to_owned(), ty.clone());
        }
        Expr::List(list) => {
            let item = match ty {
                Type::List(item, _) => (**item).clone(),
                _ => Type::Any,
            };
            list.items.iter().for_each(|part| bind(part, &item, names));
        }
        _ => {}
    }
}

/// Returns an expression of names and attributes as a path: `vhost.tls.cert`.
fn path_of(expr: &Expr<'_>) -> Option<String> {
    match expr {
        Expr::Var(var) => Some(var.id.to_owned()),
        Expr::GetAttr(attr) => Some(format!("{}.{}", path_of(&attr.expr)?, attr.name)),
        Expr::GetItem(item) => Some(format!("{}.{}", path_of(&item.expr)?, item.subscript_expr.as_const()?.as_str()?)),
        _ => None,
    }
}

/// Collects what a condition asks to be defined.
fn collect_guards(expr: &Expr<'_>, guards: &mut Vec<String>) {
    match expr {
        Expr::Test(test) if matches!(test.name, "defined" | "undefined") => guards.extend(path_of(&test.expr)),
        Expr::UnaryOp(op) => collect_guards(&op.expr, guards),
        Expr::BinOp(op) => {
            collect_guards(&op.left, guards);
            collect_guards(&op.right, guards);
        }
        Expr::Compare(compare) => match (compare.expr.as_const(), compare.ops.as_slice()) {
            // `"key" in map`
            (Some(key), [op]) => {
                if let (Some(key), Some(path)) = (key.as_str(), path_of(&op.expr)) {
                    guards.push(format!("{path}.{key}"));
                }
            }
            _ => collect_guards(&compare.expr, guards),
        },
        _ => {}
    }
}

fn suggest(problem: Problem, best: Option<&str>) -> Problem {
    match best {
        Some(best) => problem.hint(format!("did you mean `{best}`?")),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::templates;
    use super::*;

    fn vhost() -> Type {
        let field = |name: &str, ty| Field { name: name.into(), ty, default: None, docs: "".into() };
        let tls = Type::Record(Arc::new(RecordType { name: "Tls".into(), fields: vec![field("cert", Type::Path)] }));
        let fields = vec![field("name", Type::Hostname), field("port", Type::Port), field("tls", Type::optional(tls))];
        Type::Record(Arc::new(RecordType { name: "Vhost".into(), fields }))
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let variables =
            [("vhost".into(), vhost()), ("vhosts".into(), Type::list(vhost())), ("extra".into(), Type::Map(Arc::new(Type::INT)))];
        let set = templates(&[("part.j2", "{{ vhost.nmae }}"), ("m.j2", "{% macro f(x) %}{{ x }}{% endmacro %}")]);
        let checked = set.check_text(text, &variables);
        let shown: Vec<String> = checked
            .problems
            .iter()
            .map(|p| {
                let place = match &p.file {
                    Some(file) if !file.is_empty() => file.to_string(),
                    _ => format!("{:?}", p.span.text(text)),
                };
                format!("{}: {} @{place} {}", p.code, p.message, p.hint.as_deref().unwrap_or("-"))
            })
            .collect();
        assert_eq!(shown.join("\n"), expected, "{text}");
    }

    #[test]
    fn good_templates_pass() {
        check("{{ vhost.name }}{% if vhost.tls %}{{ vhost.tls.cert }}{% endif %}", "");
        check(
            "{% for v in vhosts if v.port > 1 %}{{ loop.index }} {{ v.name | upper }}{% else %}{{ vhost.port }}{% endfor %}",
            "",
        );
        check(
            "{% for k, v in extra.items() %}{{ k }}{{ v }}{% endfor %}{% for k, v in extra | dictsort %}{{ v }}{% endfor %}",
            "",
        );
        check("{% set x = vhosts | first %}{{ x.name }}{% macro m(a, b=1) %}{{ a }}{{ caller() }}{% endmacro %}{{ m(x) }}", "");
        check("{{ nope | default('x') }}{% if nope is defined %}{{ nope.x }}{% endif %}{{ nope if nope is defined else 1 }}", "");
        check("{% set ns = namespace(n=1) %}{% set ns.n = 2 %}{{ ns.n }}{% import 'm.j2' as m %}{{ m.f(1) }}", "");
        check("{{ extra.anything }}{{ extra['any key'] }}{{ vhost['port'] }}{{ vhost.name.split('.')[0] }}", "");
        check("{% raw %}{{ x }}{% endraw %}{# {{ y }} #}", "");
    }

    #[test]
    fn names_that_do_not_exist_are_told() {
        check(
            "a {{ vhots.name }}",
            "undefined-template-variable: `vhots` is not defined in this template @\"vhots\" did you mean `vhost`?",
        );
        check("{{ vhost.prot }}", "undefined-template-variable: `vhost` has no `prot` @\"prot\" did you mean `vhost.port`?");
        check("{{ vhost.tls.key }}", "undefined-template-variable: `vhost.tls` has no `key` @\"key\" `vhost.tls` has cert");
        check(
            "{% for v in vhosts %}{{ v.prot }}{% endfor %}",
            "undefined-template-variable: `v` has no `prot` @\"prot\" did you mean `v.port`?",
        );
        check("{{ vhost['prot'] }}", "undefined-template-variable: `vhost` has no `prot` @\"prot\" did you mean `vhost.port`?");
        check("{{ vhost.port.x }}", "undefined-template-variable: `vhost.port` is a port, which has no `x` @\"x\" -");
        check(
            "{% for v in vhosts %}{{ loop.idnex }}{% endfor %}",
            "undefined-template-variable: `loop` has no `idnex` @\"idnex\" did you mean `loop.index`?",
        );
        check(
            "{{ grains.os }}",
            "undefined-template-variable: `grains` is not defined in this template @\"grains\" pass the facts along: { grains = facts }",
        );
        check(
            "{% for v in vhosts %}{% endfor %}{{ v }}",
            "undefined-template-variable: `v` is not defined in this template @\"v\" the template is given vhost, vhosts, extra; add it to the argument: { v = … }",
        );
        check(
            "{% include 'part.j2' %}",
            "undefined-template-variable: `vhost` has no `nmae` @part.j2 did you mean `vhost.name`?",
        );
    }

    #[test]
    fn filters_tests_and_functions_are_known() {
        check("{{ 1 | to_jsn }}", "unknown-template-filter: there is no filter `to_jsn` @\"to_jsn\" did you mean `to_json`?");
        check("{{ 1 is evn }}", "unknown-template-test: there is no test `evn` @\"evn\" did you mean `even`?");
        check("{{ rnage(3) }}", "unknown-template-function: there is no function `rnage` @\"rnage\" did you mean `range`?");
        check(
            "{{ lookup('env', 'X') }}",
            "unknown-template-function: there is no function `lookup` @\"lookup\" templates see only what they are given: compute it in the state and pass it as a variable",
        );
        check(
            "{% include 'x.j2' %}",
            "template-not-found: there is no template `x.j2` @\"x.j2\" names are looked up beside this template and from the root of the project",
        );
        check("{% if vhost %}", "template-syntax-error: unexpected end of input, expected end of block @\"%}\" -");
    }

    #[test]
    fn variables_that_are_never_named_are_known() {
        let set = templates(&[]);
        let unused = |text: &str| set.check_text(text, &[("a".into(), Type::Any), ("b".into(), Type::Any)]).unused;
        assert_eq!(unused("{{ a }}"), ["b".into()]);
        assert_eq!(unused("{% if b is defined %}{{ a | default(1) }}{% endif %}"), Vec::<Arc<str>>::new());
        assert_eq!(unused("{% include a %}"), Vec::<Arc<str>>::new());
    }
}
