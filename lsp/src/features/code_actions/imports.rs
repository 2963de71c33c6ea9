//! Imports: added, removed, put in order.

use std::collections::BTreeMap;

use lsp_types::{CodeActionKind, TextEdit};
use stead_grammar::ast::{Item, Span, Use, UseBinding};

use super::Action;
use crate::snapshot::Snapshot;

/// The edit that imports a name of a module.
pub(crate) fn import_edit(snapshot: &Snapshot, path: &str, name: &str) -> Option<TextEdit> {
    let (at, new_text) = import_edit_at(snapshot, path, name)?;
    Some(TextEdit { range: snapshot.range(at), new_text })
}

pub(super) fn import_edit_at(snapshot: &Snapshot, path: &str, name: &str) -> Option<(Span, String)> {
    let source = snapshot.source()?;
    let imports: Vec<&Use> = uses(&source.tree.items).collect();
    for import in &imports {
        if let UseBinding::Members(members) = &import.binding
            && import.path.to_string() == path
            && let Some(last) = members.last()
        {
            if members.iter().any(|member| member.name.as_str() == name) {
                return None;
            }
            return Some((Span::at(last.span.end), format!(", {name}")));
        }
    }
    if let Some(last) = imports.last() {
        return Some((Span::at(last.span.end), format!("\nuse {path} {{ {name} }}")));
    }
    // Before the first item, below the comment at the top of the file.
    let first = source.tree.items.first().map_or(0, |item| item.span().start);
    let before = source.comments.iter().filter(|comment| comment.span.end <= first && !comment.is_doc);
    let at = before.map(|comment| snapshot.text.position(comment.span.end).line + 1).max().unwrap_or(0);
    Some((Span::at(snapshot.text.line(at).start.min(first)), format!("use {path} {{ {name} }}\n\n")))
}

fn uses(items: &[Item]) -> impl Iterator<Item = &Use> {
    items.iter().filter_map(|item| match item {
        Item::Use(import) => Some(&**import),
        _ => None,
    })
}

/// The edit that removes the import of the name at a place: the name, or the whole line where it is the only one.
pub(super) fn remove_import(snapshot: &Snapshot, name: Span) -> Option<(Span, String)> {
    let source = snapshot.source()?;
    let import = uses(&source.tree.items).find(|import| import.span.contains(name))?;
    if let UseBinding::Members(members) = &import.binding
        && members.len() > 1
        && let Some(at) = members.iter().position(|member| member.span.contains(name))
    {
        let span = match members.get(at + 1) {
            Some(next) => Span::new(members[at].span.start, next.span.start),
            None => Span::new(members[at - 1].span.end, members[at].span.end),
        };
        return Some((span, String::new()));
    }
    Some((whole_lines(snapshot, import.span), String::new()))
}

/// The lines of a span with the end of the last, where nothing else stands on them.
pub(super) fn whole_lines(snapshot: &Snapshot, span: Span) -> Span {
    let text = snapshot.text.as_str();
    let (first, last) = (snapshot.text.position(span.start).line, snapshot.text.position(span.end).line);
    let (start, end) = (snapshot.text.line(first).start, snapshot.text.line(last).end);
    let is_alone =
        Span::new(start, span.start).text(text).trim().is_empty() && Span::new(span.end, end).text(text).trim().is_empty();
    if !is_alone {
        return span;
    }
    let next = if last + 1 < snapshot.text.line_count() { snapshot.text.line(last + 1).start } else { end };
    Span::new(start, next)
}

/// Sorts the imports, joins those of one module, and leaves out what nothing uses. Only where they stand together.
pub(super) fn organize(snapshot: &Snapshot) -> Option<Action> {
    let source = snapshot.source()?;
    let text = snapshot.text.as_str();
    let imports: Vec<&Use> = uses(&source.tree.items).collect();
    let (first, last) = (imports.first()?, imports.last()?);
    let whole = first.span.to(last.span);
    let stands_between = |span: Span| whole.start < span.start && span.start < whole.end;
    let is_mixed = source.tree.items.iter().any(|item| !matches!(item, Item::Use(_)) && stands_between(item.span()))
        || source.comments.iter().any(|comment| stands_between(comment.span));
    // A comment behind the last one is about that one.
    let end_of_line = snapshot.text.line(snapshot.text.position(whole.end).line).end;
    let is_mixed = is_mixed
        || imports.len() > 1
            && source.comments.iter().any(|comment| whole.end <= comment.span.start && comment.span.start < end_of_line);
    if is_mixed {
        return None;
    }
    let unused: Vec<Span> = snapshot
        .project
        .diagnostics()
        .iter()
        .filter(|one| one.code == "unused-import")
        .filter_map(|one| one.primary())
        .filter(|label| label.file == snapshot.name)
        .map(|label| label.span)
        .collect();
    let is_unused = |span: Span| unused.iter().any(|one| span.contains(*one));
    let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut lines: Vec<String> = Vec::new();
    for import in imports {
        let path = import.path.to_string();
        match &import.binding {
            UseBinding::Members(members) => {
                let kept =
                    members.iter().filter(|member| !is_unused(member.span)).map(|member| member.span.text(text).to_owned());
                lists.entry(path).or_default().extend(kept);
            }
            UseBinding::Module | UseBinding::Alias(_) if is_unused(import.span) => {}
            UseBinding::Module | UseBinding::Alias(_) => lines.push(import.span.text(text).to_owned()),
        }
    }
    for (path, mut members) in lists {
        members.sort();
        members.dedup();
        if !members.is_empty() {
            lines.push(format!("use {path} {{ {} }}", members.join(", ")));
        }
    }
    lines.sort();
    lines.dedup();
    let new = lines.join("\n");
    let at = if new.is_empty() { whole_lines(snapshot, whole) } else { whole };
    if at.text(text) == new {
        return None;
    }
    Some(Action::new("Organize imports", CodeActionKind::SOURCE_ORGANIZE_IMPORTS).edit(&snapshot.name, at, new))
}
