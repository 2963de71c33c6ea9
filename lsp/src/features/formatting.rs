//! Formatting: the document, a range, and what was closed while typing. Only lines that differ are sent.

use lsp_types::{DocumentFormattingParams, DocumentOnTypeFormattingParams, DocumentRangeFormattingParams, TextEdit};
use stead_grammar::ast::Span;

use super::tree::{Node, walk};
use crate::snapshot::Snapshot;

/// Formats the document. What does not parse stays as it is.
pub(crate) fn document(snapshot: &Snapshot, _: DocumentFormattingParams) -> Option<Vec<TextEdit>> {
    edits(snapshot)
}

/// Formats the lines that touch a range, and as many around them as belong to the same change.
pub(crate) fn range(snapshot: &Snapshot, params: DocumentRangeFormattingParams) -> Option<Vec<TextEdit>> {
    let (first, last) = (params.range.start.line, params.range.end.line);
    let all = Changes::of(snapshot)?;
    let touches = |(first, last): (u32, u32)| {
        all.hunks.iter().filter(|hunk| hunk.first_line <= last && first <= hunk.last_line).collect::<Vec<_>>()
    };
    let mut around = lines_around(snapshot, first, last)?;
    around.push((0, u32::MAX));
    let chosen = std::iter::once((first, last)).chain(around).map(touches).find(|chosen| all.keeps_meaning(chosen))?;
    Some(text_edits(snapshot, &chosen))
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
    let all = Changes::of(snapshot)?;
    let inside = |(first, last): (u32, u32)| {
        all.hunks.iter().filter(|hunk| hunk.first_line >= first && hunk.last_line <= last).collect::<Vec<_>>()
    };
    let around = if params.ch == "\n" { Vec::new() } else { lines_around(snapshot, first, last)? };
    let chosen = std::iter::once((first, last)).chain(around).map(inside).find(|chosen| all.keeps_meaning(chosen))?;
    Some(text_edits(snapshot, &chosen))
}

/// A run of lines that formatting changes.
#[derive(Debug)]
struct Hunk {
    /// Where it stands before.
    span: Span,
    /// Its text after.
    text: String,
    /// The lines it stands on; what is put between two lines stands on both.
    first_line: u32,
    last_line: u32,
}

/// The lines of the statements and items around some lines, the innermost first.
fn lines_around(snapshot: &Snapshot, first: u32, last: u32) -> Option<Vec<(u32, u32)>> {
    let mut around = Vec::new();
    walk(&snapshot.source()?.tree.items, &mut |node| {
        let lines = snapshot.range(node.span());
        let lines = (lines.start.line, lines.end.line);
        if matches!(node, Node::Item(_) | Node::Stmt(_)) && lines.0 <= first && last <= lines.1 {
            around.push(lines);
        }
    });
    around.reverse();
    Some(around)
}

/// What formatting changes.
struct Changes<'s> {
    before: &'s str,
    formatted: String,
    hunks: Vec<Hunk>,
}

impl<'s> Changes<'s> {
    fn of(snapshot: &'s Snapshot) -> Option<Self> {
        snapshot.source()?;
        let before = snapshot.text.as_str();
        let formatted = stead_grammar::format(before).ok()?;
        let uses_crlf = before.contains("\r\n");
        let after = if uses_crlf && !formatted.contains("\r\n") { formatted.replace('\n', "\r\n") } else { formatted.clone() };
        let hunk = |(span, text): (Span, String)| {
            let range = snapshot.range(span);
            let is_whole = range.end.character == 0 && range.end.line > range.start.line;
            let first_line = if span.is_empty() { range.start.line.saturating_sub(1) } else { range.start.line };
            Hunk { span, text, first_line, last_line: range.end.line - u32::from(is_whole) }
        };
        Some(Self { before, formatted, hunks: changed_lines(before, &after).into_iter().map(hunk).collect() })
    }

    /// Says whether the text still says the same when only these hunks are taken. One change can be two hunks, lines that come and lines
    /// that go: one of them alone would lose code or double it.
    fn keeps_meaning(&self, chosen: &[&Hunk]) -> bool {
        if chosen.is_empty() || chosen.len() == self.hunks.len() {
            return true;
        }
        let mut after = self.before.to_owned();
        for hunk in chosen.iter().rev() {
            after.replace_range(hunk.span.range(), &hunk.text);
        }
        stead_grammar::format(&after).is_ok_and(|after| after == self.formatted)
    }
}

/// The edits of some hunks, in their order; what stands side by side is one edit.
fn text_edits(snapshot: &Snapshot, chosen: &[&Hunk]) -> Vec<TextEdit> {
    let mut joined: Vec<(Span, String)> = Vec::new();
    for hunk in chosen {
        match joined.last_mut() {
            Some((span, text)) if span.end == hunk.span.start => {
                *span = span.to(hunk.span);
                text.push_str(&hunk.text);
            }
            _ => joined.push((hunk.span, hunk.text.clone())),
        }
    }
    joined.into_iter().map(|(span, new_text)| TextEdit { range: snapshot.range(span), new_text }).collect()
}

/// The edits that format the document, line by line.
fn edits(snapshot: &Snapshot) -> Option<Vec<TextEdit>> {
    let changes = Changes::of(snapshot)?;
    Some(text_edits(snapshot, &changes.hunks.iter().collect::<Vec<_>>()))
}

/// The runs of lines that differ: where they stand before, and their text after. A line that only has other blanks is a run by itself.
fn changed_lines(before: &str, after: &str) -> Vec<(Span, String)> {
    let squeezed = |line: &str| line.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let lines = |text: &str| text.split_inclusive('\n').map(squeezed).collect::<Vec<_>>();
    let (old_words, new_words) = (lines(before), lines(after));
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let mut found = Vec::new();
    let (mut i, mut j, mut at) = (0, 0, 0);
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && (old[i] == new[j] || !old_words[i].is_empty() && old_words[i] == new_words[j]) {
            if old[i] != new[j] {
                found.push((Span::new(offset(at), offset(at + old[i].len())), new[j].to_owned()));
            }
            at += old[i].len();
            (i, j) = (i + 1, j + 1);
            continue;
        }
        // The next pair of lines that are equal again, the nearest first.
        let (skip_old, skip_new) = next_equal(&old_words[i..], &new_words[j..]);
        let removed: usize = old[i..i + skip_old].iter().map(|line| line.len()).sum();
        let text: String = new[j..j + skip_new].concat();
        found.push((Span::new(offset(at), offset(at + removed)), text));
        (i, j, at) = (i + skip_old, j + skip_new, at + removed);
    }
    found
}

fn next_equal(old: &[String], new: &[String]) -> (usize, usize) {
    const WINDOW: usize = 64;
    for distance in 1..=2 * WINDOW {
        for skip_old in 0..=distance.min(old.len()) {
            let skip_new = distance - skip_old;
            if skip_new > new.len() {
                continue;
            }
            let both_end = skip_old == old.len() && skip_new == new.len();
            let is_equal = old.get(skip_old).zip(new.get(skip_new)).is_some_and(|(a, b)| a == b && !a.is_empty());
            if both_end || is_equal {
                return (skip_old, skip_new);
            }
        }
    }
    (old.len(), new.len())
}

#[cfg(test)]
mod tests {
    use lsp_types::{
        FormattingOptions, Position, Range, TextDocumentIdentifier, TextDocumentPositionParams, WorkDoneProgressParams,
    };

    use super::*;
    use crate::testing::Fixture;

    fn document_id(snapshot: &Snapshot) -> TextDocumentIdentifier {
        TextDocumentIdentifier { uri: snapshot.uri("site.stead").expect("an address") }
    }

    fn after_range(snapshot: &Snapshot, first: u32, last: u32) -> String {
        let params = DocumentRangeFormattingParams {
            text_document: document_id(snapshot),
            range: Range::new(Position::new(first, 0), Position::new(last, 0)),
            options: FormattingOptions::default(),
            work_done_progress_params: WorkDoneProgressParams::default(),
        };
        applied(snapshot, range(snapshot, params))
    }

    fn after_typing(snapshot: &Snapshot, position: Position, ch: &str) -> String {
        let params = DocumentOnTypeFormattingParams {
            text_document_position: TextDocumentPositionParams { text_document: document_id(snapshot), position },
            ch: ch.to_owned(),
            options: FormattingOptions::default(),
        };
        applied(snapshot, on_type(snapshot, params))
    }

    fn applied(snapshot: &Snapshot, edits: Option<Vec<TextEdit>>) -> String {
        let mut text = snapshot.text.as_str().to_owned();
        for edit in edits.unwrap_or_default().into_iter().rev() {
            text.replace_range(snapshot.text.span(edit.range).range(), &edit.new_text);
        }
        text
    }

    /// Texts that are written in no good style: the samples of the grammar, and each with its `else` on a line of its own and without blanks.
    #[expect(clippy::disallowed_methods, reason = "a test reads its samples")]
    fn samples() -> Vec<String> {
        let mut found = Vec::new();
        for folder in ["ok", "format"] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../grammar/samples").join(folder);
            for entry in std::fs::read_dir(folder).expect("samples") {
                let path = entry.expect("a sample").path();
                if path.extension().is_some_and(|extension| extension == "stead") {
                    let text = std::fs::read_to_string(path).expect("a text");
                    found.push(text.replace("} else", "}\nelse").replace(" = ", "="));
                    found.push(text);
                }
            }
        }
        found.retain(|text| stead_grammar::format(text).is_ok_and(|formatted| formatted != *text));
        assert!(found.len() > 8, "{}", found.len());
        found
    }

    #[test]
    fn lines_that_are_formatted_alone_say_the_same() {
        for text in samples() {
            let snapshot = Fixture::new(&text).snapshot();
            let formatted = stead_grammar::format(&text).expect("no mistakes");
            let count = snapshot.text.line_count();
            for first in (0..count).step_by(2) {
                for last in [first, first + 3] {
                    let after = after_range(&snapshot, first, last);
                    assert_eq!(stead_grammar::format(&after).as_ref(), Ok(&formatted), "lines {first} to {last} of\n{text}");
                }
                let after = after_typing(&snapshot, Position::new(first, 0), "\n");
                assert_eq!(stead_grammar::format(&after).as_ref(), Ok(&formatted), "a line before {first} of\n{text}");
            }
            for (at, _) in text.match_indices('}') {
                let position = snapshot.text.position(u32::try_from(at + 1).expect("short"));
                let after = after_typing(&snapshot, position, "}");
                assert_eq!(stead_grammar::format(&after).as_ref(), Ok(&formatted), "{position:?} of\n{text}");
            }
        }
    }

    #[test]
    fn a_brace_that_closes_an_else_formats_the_whole_statement() {
        let text = "let c = true\nif c {\n    file \"/a\"\n  }\n  else {\n    file \"/b\"\n  }\nlet  d = 1\n";
        let snapshot = Fixture::new(text).snapshot();
        let expected = "let c = true\nif c {\n  file \"/a\"\n} else {\n  file \"/b\"\n}\nlet  d = 1\n";
        assert_eq!(after_typing(&snapshot, Position::new(6, 3), "}"), expected);
        assert_eq!(after_range(&snapshot, 4, 4), expected);
    }

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
