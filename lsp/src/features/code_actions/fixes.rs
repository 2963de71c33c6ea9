//! What mends a finding: suggestions of the compiler, missing attributes, imports, names that nothing uses.

use std::sync::Arc;

use lsp_types::CodeActionKind;
use stead_catalog::{Mend, Type};
use stead_compiler::Diagnostic;
use stead_grammar::ast::{Expr, ExprKind, LetValue, Literal, Resource, Span, Stmt};

use super::imports::{import_edit_at, remove_import, whole_lines};
use super::{Action, missing};
use crate::features::references::{all, target_at};
use crate::features::rename;
use crate::features::tree::{Node, walk};
use crate::snapshot::Snapshot;

/// The fixes for a range.
pub(super) fn found(snapshot: &Snapshot, range: Span) -> Vec<Action> {
    let all = match snapshot.current() {
        Some(compiled) => &compiled.diagnostics[..],
        None => snapshot.project.diagnostics(),
    };
    let is_own = |one: &&Diagnostic| one.primary().is_some_and(|label| label.file == snapshot.name);
    let touches = |span: Span| span.start <= range.end && range.start <= span.end;
    let mut actions = Vec::new();
    for one in all.iter().filter(is_own).filter(|one| one.primary().is_some_and(|label| touches(label.span))) {
        actions.extend(fixes_of(snapshot, one));
    }
    actions.extend(mode(snapshot, range));
    actions.extend(missing::attributes(snapshot, range));
    actions.extend(missing::arguments(snapshot, all, range));
    actions.extend(missing::cases(snapshot, all, range));
    actions.extend(all_of_file(snapshot, all));
    actions
}

fn fixes_of(snapshot: &Snapshot, found: &Diagnostic) -> Vec<Action> {
    let mut actions = Vec::new();
    for suggestion in &found.suggestions {
        let title = match &*suggestion.replacement {
            "" => {
                let text = snapshot.text_of(&suggestion.file);
                let removed = text.as_ref().map_or("", |text| suggestion.span.text(text.as_str())).trim();
                if removed.is_empty() { "Remove the blank".to_owned() } else { format!("Remove `{removed}`") }
            }
            text if suggestion.span.is_empty() => format!("Insert `{text}`"),
            text => format!("Replace with `{}`", text.trim()),
        };
        let mut action =
            Action::new(title, CodeActionKind::QUICKFIX).edit(&suggestion.file, suggestion.span, &*suggestion.replacement);
        action.mends = Some(found.code);
        action.is_preferred = true;
        actions.push(action);
    }
    let Some(span) = found.primary().map(|label| label.span) else { return actions };
    actions.extend(attribute_of(snapshot, found, span));
    actions.extend(silence(snapshot, found, span));
    let name = span.text(snapshot.text.as_str());
    let mend = |mut action: Action| {
        action.mends = Some(found.code);
        action
    };
    match found.code {
        "unused-import" => actions.extend(remove_import(snapshot, span).map(|(at, text)| {
            let action = Action::new("Remove the unused import", CodeActionKind::QUICKFIX).edit(&snapshot.name, at, text);
            Action { is_preferred: true, ..mend(action) }
        })),
        "duplicate-definition" if found.message.ends_with("imported twice") => {
            actions.extend(remove_import(snapshot, span).map(|(at, text)| {
                let action = Action::new("Remove the second import", CodeActionKind::QUICKFIX).edit(&snapshot.name, at, text);
                Action { is_preferred: true, ..mend(action) }
            }));
        }
        "empty-block" => actions.extend(empty_statement(snapshot, span).map(|(at, word)| {
            let action = Action::new(format!("Remove the `{word}`"), CodeActionKind::QUICKFIX).edit(&snapshot.name, at, "");
            Action { is_preferred: true, ..mend(action) }
        })),
        "needless-attribute" => actions.extend(attribute_at(snapshot, span).map(|at| {
            let action = Action::new(format!("Leave `{name}` out"), CodeActionKind::QUICKFIX).edit(&snapshot.name, at, "");
            Action { is_preferred: true, ..mend(action) }
        })),
        "unused-allow" => actions.extend(comment_at(snapshot, span).map(|at| {
            let action = Action::new("Remove the comment", CodeActionKind::QUICKFIX).edit(&snapshot.name, at, "");
            Action { is_preferred: true, ..mend(action) }
        })),
        "unused-variable" | "unused-parameter" | "unused-definition" if !name.is_empty() => {
            if let Some(unbound) = resource_of(snapshot, span) {
                let action = Action::new(format!("Leave out `let {name} =`"), CodeActionKind::QUICKFIX);
                let action = mend(action.edit(&snapshot.name, unbound, ""));
                actions.push(Action { is_preferred: true, ..action });
            }
            actions.extend(underscored(snapshot, span, name).map(mend));
        }
        "unknown-name" | "unknown-state" | "unknown-type" => {
            let modules = snapshot.project.importable(&snapshot.name);
            for definition in snapshot.project.definitions().iter().filter(|one| &*one.name == name) {
                let Some((path, _)) = modules.iter().find(|(_, directory)| *directory == definition.module) else { continue };
                let Some((at, text)) = import_edit_at(snapshot, path, name) else { continue };
                let action = Action::new(format!("Import `{name}` from `{path}`"), CodeActionKind::QUICKFIX);
                actions.push(mend(action.edit(&snapshot.name, at, text)));
            }
        }
        _ => {}
    }
    actions
}

/// The lines of the `for`, or of the `if` of one branch, that has an empty block; looking at a condition does nothing.
fn empty_statement(snapshot: &Snapshot, block: Span) -> Option<(Span, &'static str)> {
    let mut found = None;
    walk(&snapshot.source()?.tree.items, &mut |node| match node {
        Node::Stmt(Stmt::For(each)) if each.body.span == block => found = Some((each.span, "for")),
        Node::Stmt(Stmt::If(one)) if one.otherwise.is_none() && one.branches.len() == 1 && one.branches[0].body.span == block => {
            found = Some((one.span, "if"));
        }
        _ => {}
    });
    let (span, word) = found?;
    Some((whole_lines(snapshot, span), word))
}

/// Another name for what nothing uses: callers and data may name it all the same.
fn underscored(snapshot: &Snapshot, span: Span, name: &str) -> Option<Action> {
    let new_name = format!("_{name}");
    let (target, _) = target_at(snapshot, span.start)?;
    let mut action = Action::new(format!("Name it `{new_name}`"), CodeActionKind::QUICKFIX);
    if all(snapshot, &target).len() <= 1 {
        return Some(action.edit(&snapshot.name, Span::at(span.start), "_"));
    }
    for (file, list) in rename::edits(snapshot, span.start, &new_name).ok()?? {
        for (at, text) in list {
            action = action.edit(&file, at, text);
        }
    }
    Some(action)
}

/// The `let x =` before a resource or the call of a state: both are there without it.
fn resource_of(snapshot: &Snapshot, name: Span) -> Option<Span> {
    let source = snapshot.source()?;
    let index = snapshot.index()?;
    let mut found = None;
    walk(&source.tree.items, &mut |node| {
        if let Node::Stmt(Stmt::Let(binding)) = node
            && binding.name.span == name
        {
            let start = match &binding.value {
                LetValue::Resource(resource) => Some(resource.span.start),
                LetValue::Expr(expr) => {
                    index.calls.iter().any(|call| call.is_state && call.span == expr.span).then_some(expr.span.start)
                }
            };
            found = start.map(|start| Span::new(binding.span.start, start));
        }
    });
    found
}

/// The attribute that mends what is said of a resource: written anew where its value stands there, else added.
fn attribute_of(snapshot: &Snapshot, found: &Diagnostic, at: Span) -> Option<Action> {
    let Mend { attribute, value } = found.mend.as_ref()?;
    let mut own: Option<(&Resource, Option<&Expr>)> = None;
    walk(&snapshot.source()?.tree.items, &mut |node| {
        if let Node::Resource(resource) = node
            && resource.span.contains(at)
        {
            let given = resource.attributes().iter().find(|one| *one.name.name == **attribute).map(|one| &one.value);
            own = Some((resource, given));
        }
    });
    let (resource, given) = own?;
    let (at, text, title) = match given {
        // What a name stands for may be meant for others as well.
        Some(expr) if matches!(expr.kind, ExprKind::Literal(_)) => (expr.span, value.clone(), "Write"),
        Some(_) => return None,
        None => {
            let body = resource.body.as_ref().map_or(Span::at(resource.span.end), |body| body.span);
            let (at, text) = insertion(snapshot, body, &[format!("{attribute} = {value}")])?;
            (at, text, "Add")
        }
    };
    let action = Action::new(format!("{title} `{attribute} = {value}`"), CodeActionKind::QUICKFIX).edit(&snapshot.name, at, text);
    Some(Action { mends: Some(found.code), is_preferred: true, ..action })
}

/// The attribute whose name stands at a place, with what parts it from its neighbours.
fn attribute_at(snapshot: &Snapshot, name: Span) -> Option<Span> {
    let source = snapshot.source()?;
    let text = snapshot.text.as_str();
    let mut found = None;
    walk(&source.tree.items, &mut |node| {
        if let Node::Attribute(attribute) = node
            && attribute.name.span == name
        {
            found = Some(attribute.span);
        }
    });
    let span = found?;
    let length = |text: &str| u32::try_from(text.len()).unwrap_or(0);
    let rest = &text[span.end as usize..];
    let after = rest.trim_start_matches([' ', '\t']);
    let line = snapshot.text.line(snapshot.text.position(span.start).line);
    let is_first = text[line.start as usize..span.start as usize].trim().is_empty();
    if is_first && after.strip_prefix(',').unwrap_or(after).trim_start_matches([' ', '\t']).starts_with(['\n', '\r']) {
        return Some(whole_lines(snapshot, span));
    }
    // With the comma behind it, else with that before it.
    if let Some(after) = after.strip_prefix(',') {
        let end = span.end + length(rest) - length(after.trim_start_matches([' ', '\t']));
        return Some(Span::new(span.start, end));
    }
    let before = text[..span.start as usize].trim_end_matches([' ', '\t']);
    let before = before.strip_suffix(',').unwrap_or(before);
    Some(Span::new(length(before), span.end))
}

/// The comment around a place, where it names one code only: its line, or what stands behind the code.
fn comment_at(snapshot: &Snapshot, span: Span) -> Option<Span> {
    let source = snapshot.source()?;
    let text = snapshot.text.as_str();
    let comment = source.comments.iter().find(|one| one.span.contains(span))?.span;
    if comment.text(text).split_once(')').is_some_and(|(codes, _)| codes.contains(',')) {
        return None;
    }
    let line = snapshot.text.line(snapshot.text.position(comment.start).line);
    let before = text[line.start as usize..comment.start as usize].trim_end();
    if before.is_empty() {
        return Some(whole_lines(snapshot, comment));
    }
    Some(Span::new(line.start + u32::try_from(before.len()).unwrap_or(0), comment.end))
}

/// A comment that silences a lint on its line; the reason is for the user to write.
fn silence(snapshot: &Snapshot, found: &Diagnostic, span: Span) -> Option<Action> {
    if found.is_error() || stead_compiler::lints::get(found.code).is_none() || snapshot.source().is_none() {
        return None;
    }
    let line = snapshot.text.line(snapshot.text.position(span.start).line);
    // In the middle of a text a comment would be text.
    let mut is_in_text = false;
    walk(&snapshot.source()?.tree.items, &mut |node| {
        if let Node::Expr(expr) = node
            && matches!(expr.kind, ExprKind::Literal(Literal::String(_)) | ExprKind::Template(_))
        {
            is_in_text |= expr.span.start < line.start && line.start < expr.span.end;
        }
    });
    if is_in_text {
        return None;
    }
    let indent: String = line.text(snapshot.text.as_str()).chars().take_while(|c| c.is_whitespace()).collect();
    let comment = format!("{indent}# stead: allow({}) \n", found.code);
    let action = Action::new(format!("Allow `{}` here, with a reason", found.code), CodeActionKind::QUICKFIX);
    Some(Action { mends: Some(found.code), ..action.edit(&snapshot.name, Span::at(line.start), comment) })
}

/// All suggestions of the file at once.
fn all_of_file(snapshot: &Snapshot, all: &[Diagnostic]) -> Option<Action> {
    let mut action = Action::new("Apply all suggestions", CodeActionKind::SOURCE_FIX_ALL);
    for suggestion in all.iter().flat_map(|one| one.suggestions.first()) {
        let overlaps = |span: Span| span.start < suggestion.span.end && suggestion.span.start < span.end;
        if suggestion.file == snapshot.name && !action.edits.iter().any(|(_, span, _)| overlaps(*span)) {
            action = action.edit(&suggestion.file, suggestion.span, &*suggestion.replacement);
        }
    }
    if action.edits.is_empty() { None } else { Some(action) }
}

/// `"0644"` or `644` where a mode is expected.
fn mode(snapshot: &Snapshot, range: Span) -> Option<Action> {
    let index = snapshot.index()?;
    let source = snapshot.source()?;
    let mut text: Option<(Span, Arc<str>, &'static str)> = None;
    walk(&source.tree.items, &mut |node| {
        if let Node::Expr(expr) = node
            && let Some((written, code)) = match &expr.kind {
                ExprKind::Literal(Literal::String(written)) => Some((written.clone(), "quoted-mode")),
                ExprKind::Literal(Literal::Int(number)) => Some((number.to_string().into(), "decimal-mode")),
                _ => None,
            }
            && expr.span.start <= range.end
            && range.start <= expr.span.end
        {
            text = Some((expr.span, written, code));
        }
    });
    let (span, written, code) = text?;
    let wants_mode = index.expected.iter().any(|(at, ty)| *at == span && is_mode(ty));
    let digits = written.trim_start_matches("0o").trim_start_matches('0');
    let is_octal = (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    if !wants_mode || !is_octal {
        return None;
    }
    let action = Action::new("Write as a mode", CodeActionKind::QUICKFIX).edit(&snapshot.name, span, format!("0{digits:0>3}"));
    Some(Action { is_preferred: true, mends: Some(code), ..action })
}

fn is_mode(ty: &Type) -> bool {
    match ty {
        Type::Mode => true,
        Type::Optional(inner) | Type::Secret(inner) => is_mode(inner),
        Type::Union(options) => options.iter().any(is_mode),
        _ => false,
    }
}

/// Where attributes are added to a body, and how.
pub(super) fn insertion(snapshot: &Snapshot, body: Span, written: &[String]) -> Option<(Span, String)> {
    if written.is_empty() {
        return None;
    }
    let text = snapshot.text.as_str();
    let source = body.text(text);
    if body.is_empty() {
        return Some((body, format!(" {{ {} }}", written.join(", "))));
    }
    let inside = source.strip_prefix('{')?.strip_suffix('}')?;
    let kept = inside.trim_end();
    let end = body.start + 1 + u32::try_from(kept.len()).ok()?;
    let close = Span::new(end, body.end - 1);
    if inside.contains('\n') {
        let line = snapshot.text.position(body.end).line;
        let indent: String = text[snapshot.text.line(line).start as usize..].chars().take_while(|c| c.is_whitespace()).collect();
        let lines: String = written.iter().map(|one| format!("\n{indent}  {one}")).collect();
        return Some((Span::at(end), lines));
    }
    let comma = if kept.trim().is_empty() || kept.ends_with(',') { " " } else { ", " };
    let start = if kept.trim().is_empty() { body.start + 1 } else { close.start };
    Some((Span::new(start, close.end), format!("{comma}{} ", written.join(", "))))
}
