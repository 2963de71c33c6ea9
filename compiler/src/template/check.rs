//! Walks a template's syntax with the types of what it is given.

mod expr;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use minijinja::machinery::ast::{Expr, Macro, Stmt};
use minijinja::machinery::parse;
use stead_catalog::{Field, RecordType, Type};
use stead_grammar::ast::Span;

use names::{bind, bind_item, collect_guards, is_pairs, written};

use super::{Checked, Problem, Templates, join, problem_of, read, too_complex};
use crate::index::notes::TemplateNotes;

/// Most templates that one may include, directly or not.
const MAX_TEMPLATES: usize = 500;

/// Checks `text`, the template `file`, and what it includes.
pub(super) fn check(templates: &Templates, file: &Arc<str>, text: &str, variables: &[(Arc<str>, Type)]) -> Checked<Problem> {
    check_noting(templates, file, text, variables, None)
}

/// Checks as [`check`] does, and writes what names of the template itself stand for to `notes`.
pub(super) fn check_noting(
    templates: &Templates,
    file: &Arc<str>,
    text: &str,
    variables: &[(Arc<str>, Type)],
    notes: Option<&mut TemplateNotes>,
) -> Checked<Problem> {
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
        notes,
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
    /// What names stand for is noted here, where an index is asked for.
    notes: Option<&'t mut TemplateNotes>,
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
                let mut problem = problem_of(&error, false, Some(text), &|_, start, end| (start, end));
                problem.file = None;
                if text.contains("{% else if") {
                    problem = problem.hint("write `elif`");
                } else if problem.message.contains("unexpected end of input") {
                    problem = problem
                        .hint("something is not closed: `}}`, `%}`, or a tag such as `{% endif %}` or `{% endfor %}` is missing");
                } else if !problem.message.contains("unknown statement") {
                    problem = problem.hint("text that only looks like a template stands between `{% raw %}` and `{% endraw %}`");
                } else {
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
        let written = match name {
            // The first that exists is taken.
            Expr::List(list) => list.items.iter().map(written).collect::<Option<Vec<_>>>(),
            one => written(one).map(|one| vec![one]),
        };
        let names: Vec<String> = match written {
            Some(names) => names.into_iter().map(str::to_owned).collect(),
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
        check(
            "{% if vhost %}",
            "template-syntax-error: unexpected end of input, expected end of block @\"%}\" something is not closed: `}}`, `%}`, or a tag such as `{% endif %}` or `{% endfor %}` is missing",
        );
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
