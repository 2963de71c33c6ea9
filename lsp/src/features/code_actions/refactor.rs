//! Changes of form that keep the meaning: extract, inline, an order that is written down.

use std::collections::BTreeMap;
use std::sync::Arc;

use lsp_types::CodeActionKind;
use stead_catalog::{EdgeKind, Type};
use stead_compiler::index::{FileIndex, Target, Use};
use stead_grammar::ast::{Attribute, Block, Expr, ExprKind, Item, Let, LetValue, Span, Stmt};

use super::Action;
use super::fixes::insertion;
use super::imports::whole_lines;
use crate::features::tree::{Node, walk};
use crate::snapshot::Snapshot;

/// The refactorings for a range.
pub(super) fn found(snapshot: &Snapshot, range: Span) -> Vec<Action> {
    let mut actions = Vec::new();
    if !range.is_empty() {
        actions.extend(extract_let(snapshot, range));
        actions.extend(extract_state(snapshot, range));
    }
    actions.extend(inline(snapshot, range));
    actions.extend(explicit_order(snapshot, range));
    actions
}

fn indent_of(snapshot: &Snapshot, offset: u32) -> String {
    let line = snapshot.text.line(snapshot.text.position(offset).line);
    line.text(snapshot.text.as_str()).chars().take_while(|c| c.is_whitespace()).collect()
}

/// A name that nothing in the file has.
fn free_name(snapshot: &Snapshot, wanted: &str) -> String {
    let words = |name: &str| {
        let mut words = snapshot.text.as_str().split(|c: char| !c.is_alphanumeric() && c != '_');
        words.any(|word| word == name)
    };
    let mut names = std::iter::once(wanted.to_owned()).chain((2..).map(|i| format!("{wanted}{i}")));
    names.find(|name| !words(name)).unwrap_or_default()
}

/// The selected expression, bound before the statement it stands in.
fn extract_let(snapshot: &Snapshot, range: Span) -> Option<Action> {
    let source = snapshot.source()?;
    let index = snapshot.index()?;
    let mut expr: Option<&Expr> = None;
    let mut stmt: Option<Span> = None;
    let mut binders: Vec<Span> = Vec::new();
    walk(&source.tree.items, &mut |node| match node {
        Node::Expr(one) if one.span == range => {
            expr.get_or_insert(one);
        }
        Node::Stmt(one) if one.span().contains(range) => stmt = Some(one.span()),
        Node::Expr(one) if matches!(one.kind, ExprKind::Lambda(_) | ExprKind::ListFor(_) | ExprKind::MapFor(_)) => {
            binders.push(one.span)
        }
        _ => {}
    });
    let (expr, stmt) = (expr?, stmt?);
    if matches!(expr.kind, ExprKind::Name(_) | ExprKind::Lambda(_) | ExprKind::Error) {
        return None;
    }
    // What a lambda or comprehension binds is not there outside of it.
    let bound_inside = index.uses.iter().any(|one| {
        let Target::Variable(place) = &one.target else { return false };
        range.contains(one.span) && stmt.contains(place.span) && !range.contains(place.span)
    });
    if bound_inside {
        return None;
    }
    // A bare member has no type outside of where it is expected.
    let has_type = index.type_of(range).is_some_and(|ty| !matches!(ty, Type::Any)) || index.value_of(range).is_some();
    if !has_type {
        return None;
    }
    let name = free_name(snapshot, "value");
    let text = range.text(snapshot.text.as_str());
    let indent = indent_of(snapshot, stmt.start);
    let action = Action::new("Extract to a `let`", CodeActionKind::REFACTOR_EXTRACT)
        .edit(&snapshot.name, Span::at(stmt.start), format!("let {name} = {text}\n{indent}"))
        .edit(&snapshot.name, range, name);
    Some(action)
}

/// The selected statements, in a state of their own with the variables they use as parameters.
fn extract_state(snapshot: &Snapshot, range: Span) -> Option<Action> {
    let source = snapshot.source()?;
    let index = snapshot.index()?;
    let text = snapshot.text.as_str();
    let item = source.tree.items.iter().find(|item| item.span().contains(range))?;
    let mut block: Option<&Block> = None;
    walk(std::slice::from_ref(item), &mut |node| {
        if let Node::Block(one) = node
            && one.span.contains(range)
        {
            block = Some(one);
        }
    });
    let selected: Vec<&Stmt> = block?.stmts.iter().filter(|stmt| range.contains(stmt.span())).collect();
    let (first, last) = (selected.first()?, selected.last()?);
    let span = first.span().to(last.span());
    // The selection is whole statements and white space.
    let around = [Span::new(range.start, span.start), Span::new(span.end, range.end)];
    if around.iter().any(|part| !part.text(text).trim().is_empty()) || selected.iter().any(|stmt| matches!(stmt, Stmt::Error(_)))
    {
        return None;
    }
    if escapes(snapshot, &index, span) {
        return None;
    }
    let params = outer_variables(snapshot, &index, span)?;
    let name = free_name(snapshot, "extracted");
    let indent = indent_of(snapshot, span.start);
    let body: Vec<String> =
        span.text(text).lines().map(|line| line.strip_prefix(&*indent).unwrap_or(line).trim_end().to_owned()).collect();
    let body: String = body.iter().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect();
    let declared: Vec<String> = params.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
    let given: Vec<String> = params.keys().map(|name| format!("{name} = {name}")).collect();
    let state = format!("\n\nstate {name}({}) {{\n{body}}}", declared.join(", "));
    let action = Action::new("Extract to a state", CodeActionKind::REFACTOR_EXTRACT)
        .edit(&snapshot.name, span, format!("{name}({})", given.join(", ")))
        .edit(&snapshot.name, Span::at(item.span().end), state);
    Some(action)
}

/// Says whether something that is bound inside is used outside.
fn escapes(snapshot: &Snapshot, index: &FileIndex, span: Span) -> bool {
    index.uses.iter().any(|one| match &one.target {
        Target::Variable(place) => place.file == snapshot.name && span.contains(place.span) && !span.contains(one.span),
        _ => false,
    })
}

/// The variables of around that are used inside, with their types as they are written; `None` where a type cannot be written.
fn outer_variables(snapshot: &Snapshot, index: &FileIndex, span: Span) -> Option<BTreeMap<Arc<str>, String>> {
    let globals: Vec<Span> = snapshot
        .source()?
        .tree
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Stmt(Stmt::Let(binding)) => Some(binding.name.span),
            _ => None,
        })
        .collect();
    let mut found = BTreeMap::new();
    for one in index.uses.iter().filter(|one| span.contains(one.span)) {
        let Target::Variable(place) = &one.target else { continue };
        // A named argument is a parameter of another state; constants of the file are seen everywhere.
        let own = index.variables.iter().find(|(declared, ..)| *declared == place.span);
        let Some((_, ty, _)) = own.filter(|_| place.file == snapshot.name) else { continue };
        let is_argument_name =
            index.calls.iter().flat_map(|call| &call.args).any(|arg| arg.is_named && arg.span.start == one.span.start);
        if span.contains(place.span) || globals.contains(&place.span) || is_argument_name {
            continue;
        }
        found.insert(Arc::from(place.span.text(snapshot.text.as_str())), written_type(ty)?);
    }
    Some(found)
}

/// A type as source, where it can be written.
fn written_type(ty: &Type) -> Option<String> {
    match ty {
        Type::Record(record) if record.name.is_empty() => None,
        Type::Enum(choice) if choice.name.is_empty() => None,
        Type::List(inner, _) => Some(format!("List<{}>", written_type(inner)?)),
        Type::Map(inner) => Some(format!("Map<{}>", written_type(inner)?)),
        Type::Optional(inner) => Some(format!("{}?", written_type(inner)?)),
        Type::Secret(inner) => Some(format!("Secret<{}>", written_type(inner)?)),
        Type::Ref(Some(name)) => Some(format!("Ref<{name}>")),
        Type::Ref(None) | Type::None => None,
        other => Some(other.to_string()),
    }
}

/// The value of a `let` in the place of its uses.
fn inline(snapshot: &Snapshot, range: Span) -> Option<Action> {
    let source = snapshot.source()?;
    let index = snapshot.index()?;
    let text = snapshot.text.as_str();
    let used = index.at(range.start);
    let Target::Variable(place) = &used.iter().find(|one| matches!(one.target, Target::Variable(_)))?.target else { return None };
    if place.file != snapshot.name {
        return None;
    }
    let mut binding: Option<&Let> = None;
    walk(&source.tree.items, &mut |node| {
        if let Node::Stmt(Stmt::Let(one)) = node
            && one.name.span == place.span
        {
            binding = Some(one);
        }
    });
    let binding = binding?;
    let LetValue::Expr(value) = &binding.value else { return None };
    if binding.ty.is_some() || value.is_error() {
        return None;
    }
    // A state is called once, whatever refers to what it made.
    if index.calls.iter().any(|call| call.is_state && call.span == value.span) {
        return None;
    }
    let written = value.span.text(text);
    let is_simple = matches!(
        value.kind,
        ExprKind::Literal(_)
            | ExprKind::Name(_)
            | ExprKind::List(_)
            | ExprKind::Record(_)
            | ExprKind::Call(_)
            | ExprKind::Field(_)
            | ExprKind::Index(_)
            | ExprKind::Paren(_)
            | ExprKind::Template(_)
    );
    let name = binding.name.as_str();
    let mut action = Action::new(format!("Inline `{name}`"), CodeActionKind::REFACTOR_INLINE);
    let target = Target::Variable(place.clone());
    for one in index.uses.iter().filter(|one| one.target == target && !one.is_declaration) {
        let value = if is_simple { written.to_owned() } else { format!("({written})") };
        let new = if one.is_shorthand { format!("{name} = {value}") } else { value };
        action = action.edit(&snapshot.name, one.span, new);
    }
    if action.edits.is_empty() {
        return None;
    }
    let action = action.edit(&snapshot.name, whole_lines(snapshot, binding.span), "");
    keeps_names(snapshot, &index, value.span, &action).then_some(action)
}

/// Says whether the names of a value mean the same wherever an action writes it: a loop there may have a name of its own.
fn keeps_names(snapshot: &Snapshot, index: &FileIndex, value: Span, action: &Action) -> bool {
    let mut edits: Vec<(Span, &str)> = action.edits.iter().map(|(_, span, text)| (*span, &**text)).collect();
    edits.sort_by_key(|(span, _)| *span);
    let mut text = snapshot.text.as_str().to_owned();
    for (span, new) in edits.iter().rev() {
        text.replace_range(span.range(), new);
    }
    let Some(after) = snapshot.project.probe(&snapshot.name, &text) else { return false };
    let length = |text: &str| u32::try_from(text.len()).unwrap_or(0);
    let moved = |offset: u32| {
        let before = edits.iter().filter(|(span, _)| span.end <= offset);
        before.fold(offset, |at, (span, new)| (at + length(new)).saturating_sub(span.len()))
    };
    let same = |old: &Target, new: &Target| match (old.place(), new.place()) {
        (Some(old), Some(new)) if old.file == snapshot.name => new.file == old.file && new.span.start == moved(old.span.start),
        _ => old == new,
    };
    // A parameter's name in the arguments of a call is a use as well, and keeps its place in the value.
    let inside: Vec<&Use> = index.uses.iter().filter(|one| value.contains(one.span)).collect();
    let written = value.text(snapshot.text.as_str());
    edits.iter().filter(|(_, new)| !new.is_empty()).all(|(span, new)| {
        let lead = new.find(written).map_or(0, |at| length(&new[..at]));
        let start = moved(span.end).saturating_sub(length(new)) + lead;
        inside.iter().all(|one| {
            let at = start + (one.span.start - value.start);
            let mut uses = after.index.uses.iter().filter(|new| new.span.start == at && new.span.len() == one.span.len());
            uses.any(|new| same(&one.target, &new.target))
        })
    })
}

/// An automatic edge, written as `require`.
fn explicit_order(snapshot: &Snapshot, range: Span) -> Vec<Action> {
    let (Some(index), Some(compiled)) = (snapshot.index(), snapshot.current()) else { return Vec::new() };
    let body = index.bodies.iter().find(|body| body.head.is_some_and(|head| head.start <= range.end && range.start <= head.end));
    let Some((body, head)) = body.and_then(|body| Some((body, body.head?))) else { return Vec::new() };
    let mut before: Vec<String> = Vec::new();
    for (_, catalog) in &compiled.nodes {
        let Some(catalog) = catalog else { continue };
        for edge in catalog.edges.iter().filter(|edge| edge.kind == EdgeKind::Automatic) {
            let (Some(from), Some(to)) = (catalog.resources.get(edge.from as usize), catalog.resources.get(edge.to as usize))
            else {
                continue;
            };
            if to.source.file == snapshot.name && to.source.start == head.start && !before.contains(&from.id.to_string()) {
                before.push(from.id.to_string());
            }
        }
    }
    let require = require_of(snapshot, body.span);
    let mut actions = Vec::new();
    for id in before {
        let edit = match &require {
            Some(list) if list.is_empty() => None,
            Some(list) => Some((Span::at(list.start), format!("{id}, "))),
            None => insertion(snapshot, body.span, &[format!("require = [{id}]")]),
        };
        if let Some((at, text)) = edit {
            let title = format!("Make the order after `{id}` explicit");
            actions.push(Action::new(title, CodeActionKind::REFACTOR_REWRITE).edit(&snapshot.name, at, text));
        }
    }
    actions
}

/// The inside of the list of `require`; an empty span where it is no list with elements.
fn require_of(snapshot: &Snapshot, body: Span) -> Option<Span> {
    let source = snapshot.source()?;
    let mut found: Option<&Attribute> = None;
    walk(&source.tree.items, &mut |node| {
        if let Node::Attribute(attribute) = node
            && body.contains(attribute.span)
            && attribute.name.as_str() == "require"
        {
            found.get_or_insert(attribute);
        }
    });
    match &found?.value.unparen().kind {
        ExprKind::List(items) => Some(items.first().map_or(Span::at(body.start), |first| first.span)),
        _ => Some(Span::at(body.start)),
    }
}
