//! What is missing, written with a value to begin with: attributes of a resource, arguments of a call, cases of a `match`.

use lsp_types::CodeActionKind;
use stead_catalog::Type;
use stead_compiler::Diagnostic;
use stead_compiler::index::Callee;
use stead_grammar::ast::{ExprKind, Span, Stmt};

use super::Action;
use super::fixes::insertion;
use crate::features::tree::{Node, walk};
use crate::snapshot::Snapshot;

/// The attributes that the resource needs and that nothing gives.
pub(super) fn attributes(snapshot: &Snapshot, range: Span) -> Option<Action> {
    let index = snapshot.index()?;
    let around = index.bodies.iter().filter(|body| body.head.is_some_and(|head| head.to(body.span).contains(range)));
    let body = around.min_by_key(|body| body.span.len())?;
    // The compiler says what is missing; `defaults` may give it.
    let head = body.head?;
    let told = snapshot.project.diagnostics().iter().any(|one| {
        one.code == "missing-attribute" && one.primary().is_some_and(|label| label.file == snapshot.name && label.span == head)
    });
    if !told {
        return None;
    }
    let schema = snapshot.project.schemas().get(&body.type_name)?;
    let messages: Vec<&str> = snapshot.project.diagnostics().iter().map(|one| &*one.message).collect();
    let missing = schema.attributes.iter().skip(1).filter(|attribute| {
        let message = format!("`{}` needs the attribute `{}`", schema.name, attribute.name);
        !body.given.contains(&attribute.name) && messages.contains(&&*message)
    });
    let written: Vec<String> = missing.map(|attribute| format!("{} = {}", attribute.name, placeholder(&attribute.ty))).collect();
    let (at, text) = insertion(snapshot, body.span, &written)?;
    Some(fix("Add the missing attributes", "missing-attribute").edit(&snapshot.name, at, text))
}

/// The arguments that a function or state of the project needs and is not given. They are told one by one, and added at once.
pub(super) fn arguments(snapshot: &Snapshot, all: &[Diagnostic], range: Span) -> Option<Action> {
    let at = first(snapshot, all, "missing-argument", range)?.primary()?.span;
    let index = snapshot.index()?;
    let call = index.calls.iter().filter(|call| call.span.contains(at)).min_by_key(|call| call.span.len())?;
    let Callee::Defined(place) = &call.callee else { return None };
    let params = snapshot.project.definition_at(place)?.params;
    // What the data gives need not be written.
    let told = |name: &str| {
        all.iter().any(|one| {
            one.code == "missing-argument"
                && one.message.ends_with(&format!("needs the argument `{name}`"))
                && one.primary().is_some_and(|label| label.file == snapshot.name && label.span == at)
        })
    };
    let missing = params.iter().filter(|param| told(&param.name));
    let written: Vec<String> = missing.map(|param| format!("{} = {}", param.name, placeholder(&param.ty))).collect();
    let text = snapshot.text.as_str();
    if written.is_empty() || !call.span.text(text).ends_with(')') {
        return None;
    }
    let (at, text) = match call.args.last() {
        Some(last) => {
            let before = separator(snapshot, last.span, call.span.end);
            (Span::at(last.span.end), written.iter().map(|one| format!("{before}{one}")).collect())
        }
        None => (Span::at(call.span.end - 1), written.join(", ")),
    };
    Some(fix("Add the missing arguments", "missing-argument").edit(&snapshot.name, at, text))
}

/// The cases of a `match` that the compiler misses.
pub(super) fn cases(snapshot: &Snapshot, all: &[Diagnostic], range: Span) -> Option<Action> {
    let found = first(snapshot, all, "non-exhaustive-match", range)?;
    let at = found.primary()?.span;
    let index = snapshot.index()?;
    // The last case, where the whole ends, and what a new case gives.
    let mut matched: Option<(Span, Span, String)> = None;
    walk(&snapshot.source()?.tree.items, &mut |node| match node {
        Node::Stmt(Stmt::Match(one)) if one.subject.span == at => {
            matched = one.arms.last().map(|arm| (arm.span, one.span, "{ }".to_owned()));
        }
        Node::Expr(expr) => {
            if let ExprKind::Match(one) = &expr.kind
                && one.subject.span == at
                && let Some(arm) = one.arms.last()
            {
                let expected = |span: Span| index.expected.iter().find(|(at, _)| *at == span).map(|(_, ty)| ty);
                let of = |span: Span| expected(span).or_else(|| index.type_of(span));
                let ty = of(expr.span).or_else(|| of(arm.value.span));
                matched = Some((arm.span, expr.span, ty.map_or_else(|| "none".to_owned(), placeholder)));
            }
        }
        _ => {}
    });
    let (last, whole, value) = matched?;
    // The compiler names them in backticks, where they can be written.
    let mut named: Vec<&str> = found.message.split('`').skip(1).step_by(2).collect();
    if named.is_empty() || !found.message.ends_with("not covered") {
        named = vec!["_"];
    }
    let before = separator(snapshot, last, whole.end);
    let text: String = named.iter().map(|case| format!("{before}{case} => {value}")).collect();
    let action = fix("Add the missing cases", "non-exhaustive-match").edit(&snapshot.name, Span::at(last.end), text);
    Some(action)
}

fn fix(title: &str, mends: &'static str) -> Action {
    Action { mends: Some(mends), is_preferred: true, ..Action::new(title, CodeActionKind::QUICKFIX) }
}

/// The first finding of a code that touches a range.
fn first<'d>(snapshot: &Snapshot, all: &'d [Diagnostic], code: &str, range: Span) -> Option<&'d Diagnostic> {
    let touches = |span: Span| span.start <= range.end && range.start <= span.end;
    all.iter()
        .filter(|one| one.code == code)
        .find(|one| one.primary().is_some_and(|label| label.file == snapshot.name && touches(label.span)))
}

/// What stands between the last of some things in brackets and one more: a line each where the closing bracket has a line of its own.
fn separator(snapshot: &Snapshot, last: Span, end: u32) -> String {
    let text = snapshot.text.as_str();
    if !Span::new(last.end, end).text(text).contains('\n') {
        return ", ".to_owned();
    }
    let line = snapshot.text.line(snapshot.text.position(last.start).line).text(text);
    let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
    format!(",\n{indent}")
}

/// A value to begin with.
fn placeholder(ty: &Type) -> String {
    match ty {
        Type::Bool => "false".into(),
        Type::Int(_) | Type::Port => "0".into(),
        Type::Float(_) => "0.0".into(),
        Type::Mode => "0644".into(),
        Type::Duration => "0s".into(),
        Type::Size => "0B".into(),
        Type::List(..) => "[]".into(),
        Type::Map(_) | Type::Record(_) => "{ }".into(),
        Type::Enum(choice) => choice.members.first().map_or_else(|| "none".into(), ToString::to_string),
        Type::Literal(value) => value.to_string(),
        Type::Optional(inner) | Type::Secret(inner) => placeholder(inner),
        Type::Union(options) => options.first().map_or_else(|| "none".into(), placeholder),
        _ => "\"\"".into(),
    }
}
