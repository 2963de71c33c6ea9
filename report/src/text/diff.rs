//! A diff of lines on the screen.

use std::ops::Range;

use super::TextOptions;
use crate::lines::{Diff, Line, LineKind};
use crate::paint::{Break, Piece, Screen, Style, piece};

/// Writes the difference of two texts, hunk by hunk, each line with its sign.
pub(super) fn write(screen: &mut Screen, options: &TextOptions, indent: usize, diff: &Diff<'_>, is_whole: bool) {
    if is_whole {
        // All of it comes or goes: line numbers would say nothing.
        for line in diff.hunks.iter().flat_map(|h| &h.lines) {
            write_line(screen, options, indent, line);
        }
        return;
    }
    for hunk in &diff.hunks {
        screen.line(indent, indent, Break::Anywhere, &[piece(Style::Hunk, hunk.header())]);
        for line in &hunk.lines {
            write_line(screen, options, indent, line);
        }
    }
    if diff.tail > 0 {
        let lines = if diff.tail == 1 { "line" } else { "lines" };
        let text = format!("{} {} more unchanged {lines}", options.ellipsis(), diff.tail);
        screen.line(indent, indent, Break::Anywhere, &[piece(Style::Dim, text)]);
    }
}

fn write_line(screen: &mut Screen, options: &TextOptions, indent: usize, line: &Line<'_>) {
    let (whole, part) = match line.kind {
        LineKind::Context => (Style::Dim, Style::Dim),
        LineKind::Removed => (Style::Removed, Style::RemovedPart),
        LineKind::Added => (Style::Added, Style::AddedPart),
    };
    let mut pieces = vec![piece(whole, line.kind.sign().to_string())];
    split(line.text, &line.parts, |text, differs| {
        pieces.push(if differs { marked(part, text, options.ascii) } else { piece(whole, text) });
    });
    screen.line(indent, indent + 1, Break::Anywhere, &pieces);
    if !line.newline {
        screen.line(indent, indent + 1, Break::Anywhere, &[piece(Style::Dim, "\\ no newline at end of file")]);
    }
}

/// Blanks that differ are made visible: without colour nobody would see them.
fn marked(style: Style, text: &str, ascii: bool) -> Piece {
    if ascii || !text.chars().all(|c| c == ' ' || c == '\t') {
        return piece(style, text);
    }
    piece(style, text.replace(' ', "·").replace('\t', "⇥"))
}

/// Cuts `text` at the ends of `parts`.
fn split(text: &str, parts: &[Range<usize>], mut each: impl FnMut(&str, bool)) {
    let mut at = 0;
    for part in parts {
        if at < part.start {
            each(&text[at..part.start], false);
        }
        each(&text[part.clone()], true);
        at = part.end;
    }
    if at < text.len() {
        each(&text[at..], false);
    }
}
