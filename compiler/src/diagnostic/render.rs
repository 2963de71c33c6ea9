//! Diagnostics for people: header, one snippet for each place, the ways out.
//!
//! miette draws the snippets. What it is given is an `excerpt` of the source that is safe to draw:
//! a few lines, cut to the width, with control characters made visible.

mod excerpt;

use std::fmt::Write as _;

use miette::{GraphicalReportHandler, GraphicalTheme};

use self::excerpt::{Excerpt, visible};
use super::{Diagnostic, Label, Severity};
use crate::position::LineIndex;

/// Gives the text of the files that diagnostics point into.
pub trait SourceText {
    /// Returns the text of `file`, where it is known and is text.
    fn text(&self, file: &str) -> Option<&str>;
}

impl SourceText for Vec<(String, String)> {
    fn text(&self, file: &str) -> Option<&str> {
        self.iter().find(|(name, _)| name == file).map(|(_, text)| &**text)
    }
}

/// How to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Use ANSI colours.
    pub color: bool,
    /// Draw lines with box characters instead of ASCII.
    pub unicode: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Style {
    /// No colour, box characters, 100 columns.
    pub const PLAIN: Self = Self { color: false, unicode: true, width: 100 };
}

const RESET: &str = "\u{1b}[0m";
const BOLD: &str = "\u{1b}[1m";
/// A longer line of source than this is always cut, however wide the terminal is.
const WIDEST: usize = 400;

/// Draws one diagnostic, ending in a newline.
pub fn render(diagnostic: &Diagnostic, sources: &dyn SourceText, style: Style) -> String {
    let mut out = String::new();
    write_header(&mut out, diagnostic, style);
    for file in files_in_order(diagnostic) {
        let labels: Vec<&Label> = diagnostic.labels.iter().filter(|label| &*label.file == file).collect();
        match sources.text(file) {
            Some(text) => draw_file(&mut out, file, text, &labels, style),
            None => {
                let _ = writeln!(out, "  at {}", visible(file));
            }
        }
    }
    for note in &diagnostic.notes {
        write_remark(&mut out, "note", "\u{1b}[1;34m", note, style);
    }
    for hint in &diagnostic.hints {
        write_remark(&mut out, "hint", "\u{1b}[1;36m", hint, style);
    }
    out
}

/// Draws all of them with an empty line between, and once at the end where to read more.
///
/// `left_out` is how many [`cap`](super::cap) took away.
pub fn render_all(diagnostics: &[Diagnostic], left_out: usize, sources: &dyn SourceText, style: Style) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&render(diagnostic, sources, style));
        out.push('\n');
    }
    if left_out > 0 {
        let _ = writeln!(out, "and {left_out} more\n");
    }
    let mut codes: Vec<&str> = Vec::new();
    for code in diagnostics.iter().filter(|d| d.severity != Severity::Hint).map(|d| d.code) {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    match codes[..] {
        [] => {}
        [code] => {
            let _ = writeln!(out, "`stead explain {code}` tells more");
        }
        [first, ..] => {
            let _ = writeln!(out, "`stead explain CODE` tells more about a code, as in `stead explain {first}`");
        }
    }
    out
}

fn write_header(out: &mut String, diagnostic: &Diagnostic, style: Style) {
    let (severity, code, message) = (diagnostic.severity, diagnostic.code, visible(&diagnostic.message));
    let _ = if style.color {
        let color = match severity {
            Severity::Error => "\u{1b}[1;31m",
            Severity::Warning => "\u{1b}[1;33m",
            Severity::Hint => "\u{1b}[1;36m",
        };
        writeln!(out, "{color}{severity}[{code}]{RESET}{BOLD}: {message}{RESET}")
    } else {
        writeln!(out, "{severity}[{code}]: {message}")
    };
}

fn write_remark(out: &mut String, word: &str, color: &str, text: &str, style: Style) {
    for (i, line) in text.lines().enumerate() {
        let line = visible(line);
        let _ = match (i, style.color) {
            (0, true) => writeln!(out, "{color}{word}{RESET}: {line}"),
            (0, false) => writeln!(out, "{word}: {line}"),
            _ => writeln!(out, "      {line}"),
        };
    }
}

/// Lists the files of the labels, the primary one first.
fn files_in_order(diagnostic: &Diagnostic) -> Vec<&str> {
    let mut files: Vec<&str> = diagnostic.primary().map(|label| &*label.file).into_iter().collect();
    for label in &diagnostic.labels {
        if !files.contains(&&*label.file) {
            files.push(&label.file);
        }
    }
    files
}

/// Draws the snippets of one file: places that are close together share one.
fn draw_file(out: &mut String, file: &str, text: &str, labels: &[&Label], style: Style) {
    let index = LineIndex::new(text);
    let mut sorted: Vec<(usize, &Label)> = labels.iter().map(|label| (index.line_of(label.span.start), *label)).collect();
    sorted.sort_by_key(|(line, label)| (*line, label.span.start));
    let mut clusters: Vec<Vec<(usize, &Label)>> = Vec::new();
    for (line, label) in sorted {
        match clusters.last_mut() {
            Some(cluster) if cluster.last().is_some_and(|(last, _)| line - last <= 3) => cluster.push((line, label)),
            _ => clusters.push(vec![(line, label)]),
        }
    }
    // The snippet with the primary place comes first.
    clusters.sort_by_key(|cluster| !cluster.iter().any(|(_, label)| label.primary));
    for cluster in clusters {
        if cluster.iter().any(|(_, label)| label.hidden) {
            for (_, label) in cluster {
                let place = index.position(text, label.span.start);
                let words = label.message.as_deref().map(|m| format!(": {}", visible(m))).unwrap_or_default();
                let _ = writeln!(
                    out,
                    "  at {}:{}:{}{words} (not shown, as it may hold a secret)",
                    visible(file),
                    place.line,
                    place.column
                );
            }
            continue;
        }
        draw_cluster(out, &Excerpt::new(file, text, &index, &cluster, style.width.clamp(40, WIDEST)), style);
    }
}

fn draw_cluster(out: &mut String, excerpt: &Excerpt, style: Style) {
    let theme = match (style.color, style.unicode) {
        (true, true) => GraphicalTheme::unicode(),
        (true, false) => GraphicalTheme::ascii(),
        (false, true) => GraphicalTheme::unicode_nocolor(),
        (false, false) => GraphicalTheme::none(),
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(style.width.clamp(40, WIDEST))
        .with_context_lines(1)
        .with_links(false)
        .tab_width(4)
        .with_wrap_lines(false)
        .without_syntax_highlighting();
    let mut drawn = String::new();
    if handler.render_report(&mut drawn, excerpt).is_err() {
        return;
    }
    // The first line is miette's own, empty, header.
    let snippet = drawn.split_once('\n').map_or("", |(_, rest)| rest);
    for line in snippet.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stead_grammar::ast::Span;

    #[track_caller]
    fn check(text: &str, labels: &[(u32, u32, &str)], expected: &str) {
        let sources = vec![("site.stead".to_owned(), text.to_owned())];
        let file = "site.stead".into();
        let mut d = Diagnostic::error("unknown-attribute", "no such attribute").hint("did you mean `mode`?");
        for (i, (start, end, message)) in labels.iter().enumerate() {
            let span = Span::new(*start, *end);
            d = if i == 0 { d.at(&file, span, *message) } else { d.also(&file, span, *message) };
        }
        let shown = render(&d, &sources, Style { color: false, unicode: true, width: 60 });
        assert_eq!(shown.trim_end(), expected.trim(), "\n{shown}");
    }

    #[test]
    fn a_place_is_underlined() {
        check(
            "file \"/x\" {\n  moed = 0644\n}\n",
            &[(14, 18, "not an attribute of `file`")],
            r#"
error[unknown-attribute]: no such attribute
   ╭─[site.stead:2:3]
 1 │ file "/x" {
 2 │   moed = 0644
   ·   ──┬─
   ·     ╰── not an attribute of `file`
 3 │ }
   ╰────
hint: did you mean `mode`?"#,
        );
    }

    #[test]
    fn distant_places_have_snippets_of_their_own() {
        check(
            "a\nb\nc\nd\ne\nf\ng\nh\n",
            &[(14, 15, "here"), (0, 1, "and here")],
            "
error[unknown-attribute]: no such attribute
   ╭─[site.stead:8:1]
 7 │ g
 8 │ h
   · ┬
   · ╰── here
   ╰────
   ╭─[site.stead:1:1]
 1 │ a
   · ┬
   · ╰── and here
 2 │ b
   ╰────
hint: did you mean `mode`?",
        );
    }

    #[test]
    fn the_end_of_a_file_can_be_pointed_at() {
        check(
            "x {\r\n",
            &[(5, 5, "missing `}`"), (2, 3, "opened here")],
            "
error[unknown-attribute]: no such attribute
   ╭─[site.stead:2:1]
 1 │ x {
   ·   ┬
   ·   ╰── opened here
 2 │
   · ▲
   · ╰── missing `}`
   ╰────
hint: did you mean `mode`?",
        );
    }

    #[test]
    fn an_empty_file_can_be_pointed_at() {
        check(
            "",
            &[(0, 0, "nothing here")],
            "
error[unknown-attribute]: no such attribute
   ╭─[site.stead:1:1]
 1 │
   · ▲
   · ╰── nothing here
   ╰────
hint: did you mean `mode`?",
        );
    }

    #[test]
    fn tabs_wide_and_control_characters_keep_their_columns() {
        check(
            "\t😀\u{1b}[31m = x\n",
            &[(13, 14, "this")],
            "
error[unknown-attribute]: no such attribute
   ╭─[site.stead:1:11]
 1 │     😀␛[31m = x
   ·               ┬
   ·               ╰── this
   ╰────
hint: did you mean `mode`?",
        );
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = format!("{}BAD{}", "x".repeat(500), "y".repeat(500));
        check(
            &text,
            &[(500, 503, "this")],
            "
error[unknown-attribute]: no such attribute
   ╭─[site.stead:1:501]
 1 │ …xxxxxxxxxxxxxxxxxBADyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy…
   ·                   ─┬─
   ·                    ╰── this
   ╰────
hint: did you mean `mode`?",
        );
    }

    #[test]
    fn ascii_and_unknown_sources() {
        let sources = vec![("b".to_owned(), "x = 1\n".to_owned())];
        let (a, b) = ("a".into(), "b".into());
        let d = Diagnostic::warning("w", "m").at(&a, Span::new(5, 6), "x").also(&b, Span::new(0, 1), "y").note("one\ntwo");
        let shown = render(&d, &sources, Style { color: false, unicode: false, width: 80 });
        assert!(shown.is_ascii(), "{shown}");
        assert!(shown.starts_with("warning[w]: m\n  at a\n"), "{shown}");
        assert!(shown.ends_with("note: one\n      two\n"), "{shown}");
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let sources = vec![("data/common.yaml".to_owned(), "a: 1\npassword: hunter2\nport: x\n".to_owned())];
        let file = "data/common.yaml".into();
        let d = Diagnostic::error("x", "m").at(&file, Span::new(15, 22), "expected an integer").hidden();
        assert_eq!(
            render(&d, &sources, Style::PLAIN),
            "error[x]: m\n  at data/common.yaml:2:11: expected an integer (not shown, as it may hold a secret)\n"
        );
        let d = Diagnostic::error("x", "m").at(&file, Span::new(29, 30), "expected an integer");
        assert!(!render(&d, &sources, Style::PLAIN).contains("hunter2"));
    }

    #[test]
    fn where_to_read_more_is_said_once() {
        let list = [Diagnostic::error("a", "m"), Diagnostic::error("b", "n")];
        let shown = render_all(&list, 2, &Vec::new(), Style::PLAIN);
        assert_eq!(
            shown,
            "error[a]: m\n\nerror[b]: n\n\nand 2 more\n\n`stead explain CODE` tells more about a code, as in `stead explain a`\n"
        );
    }

    proptest! {
        #[test]
        fn any_span_of_any_text_can_be_drawn(
            text in "(?s)[a\t\r\n 😀é\u{1b}\u{301}]{0,200}",
            spans in proptest::collection::vec((0u32..220, 0u32..220, "[ab\n]{0,3}"), 1..5),
            color: bool, unicode: bool, width in 0usize..200,
        ) {
            let sources = vec![("f".to_owned(), text)];
            let file = "f".into();
            let mut d = Diagnostic::error("x", "m");
            for (start, end, message) in spans {
                d = d.also(&file, Span::new(start, end), message);
            }
            let shown = render(&d, &sources, Style { color, unicode, width });
            let start = if color { "\u{1b}" } else { "error[x]: m\n" };
            prop_assert!(shown.starts_with(start));
        }
    }
}
