//! Formatting: the document, a range, and what was closed while typing. Only lines that differ are sent.

use lsp_types::{DocumentFormattingParams, DocumentOnTypeFormattingParams, DocumentRangeFormattingParams, Range, TextEdit};
use stead_grammar::ast::Span;

use super::tree::{Node, walk};
use crate::snapshot::Snapshot;

/// Formats the document. What does not parse stays as it is.
pub(crate) fn document(snapshot: &Snapshot, _: DocumentFormattingParams) -> Option<Vec<TextEdit>> {
    edits(snapshot)
}

/// Formats the lines that touch a range.
pub(crate) fn range(snapshot: &Snapshot, params: DocumentRangeFormattingParams) -> Option<Vec<TextEdit>> {
    let wanted = params.range;
    let touches = |range: &Range| range.start.line <= wanted.end.line && wanted.start.line <= range.end.line;
    Some(edits(snapshot)?.into_iter().filter(|edit| touches(&edit.range)).collect())
}

/// Formats the block that a brace closes, or the line before a new one.
pub(crate) fn on_type(snapshot: &Snapshot, params: DocumentOnTypeFormattingParams) -> Option<Vec<TextEdit>> {
    let position = params.text_document_position.position;
    let offset = snapshot.offset(position);
    let first = match params.ch.as_str() {
        "}" => {
            let source = snapshot.source()?;
            let mut start = None;
            walk(&source.tree.items, &mut |node| {
                if matches!(node, Node::Block(_) | Node::Body(_) | Node::Expr(_)) && node.span().end == offset {
                    start.get_or_insert(node.span().start);
                }
            });
            snapshot.text.position(start?).line
        }
        _ => position.line.checked_sub(1)?,
    };
    let last = if params.ch == "\n" { first } else { position.line };
    // The line the cursor is on keeps its indentation while it is empty.
    let inside = |range: &Range| range.start.line >= first && range.end.line <= last + u32::from(range.end.character == 0);
    Some(edits(snapshot)?.into_iter().filter(|edit| inside(&edit.range)).collect())
}

/// The edits that format the document, line by line.
fn edits(snapshot: &Snapshot) -> Option<Vec<TextEdit>> {
    snapshot.source()?;
    let before = snapshot.text.as_str();
    let after = stead_grammar::format(before).ok()?;
    let uses_crlf = before.contains("\r\n");
    let after = if uses_crlf && !after.contains("\r\n") { after.replace('\n', "\r\n") } else { after };
    Some(
        changed_lines(before, &after)
            .into_iter()
            .map(|(span, text)| TextEdit { range: snapshot.range(span), new_text: text })
            .collect(),
    )
}

/// The runs of lines that differ: where they stand before, and their text after.
fn changed_lines(before: &str, after: &str) -> Vec<(Span, String)> {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let mut found = Vec::new();
    let (mut i, mut j, mut at) = (0, 0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            at += old[i].len();
            (i, j) = (i + 1, j + 1);
            continue;
        }
        // The next pair of lines that are equal again, the nearest first.
        let (skip_old, skip_new) = next_equal(&old[i..], &new[j..]);
        let removed: usize = old[i..i + skip_old].iter().map(|line| line.len()).sum();
        let text: String = new[j..j + skip_new].concat();
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        found.push((Span::new(offset(at), offset(at + removed)), text));
        (i, j, at) = (i + skip_old, j + skip_new, at + removed);
    }
    found
}

fn next_equal(old: &[&str], new: &[&str]) -> (usize, usize) {
    const WINDOW: usize = 64;
    for distance in 1..=2 * WINDOW {
        for skip_old in 0..=distance.min(old.len()) {
            let skip_new = distance - skip_old;
            if skip_new > new.len() {
                continue;
            }
            let both_end = skip_old == old.len() && skip_new == new.len();
            let is_equal = old.get(skip_old).zip(new.get(skip_new)).is_some_and(|(a, b)| a == b && !a.trim().is_empty());
            if both_end || is_equal {
                return (skip_old, skip_new);
            }
        }
    }
    (old.len(), new.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_differ_are_replaced() {
        let before = "a\nb  \nc\n\n\nd\n";
        let after = "a\nb\nc\n\nd\n";
        let mut text = before.to_owned();
        let edits = changed_lines(before, after);
        assert!(edits.iter().all(|(span, _)| span.len() < 6), "{edits:?}");
        for (span, new) in edits.into_iter().rev() {
            text.replace_range(span.range(), &new);
        }
        assert_eq!(text, after);
    }
}
