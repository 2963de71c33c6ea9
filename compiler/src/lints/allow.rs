//! Comments that silence a lint on one line: `# stead: allow(CODE) reason`.
//!
//! At the end of a line it is for that line; alone on a line, for the next one that is neither blank nor a comment. Errors are
//! never silenced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stead_catalog::closest;
use stead_grammar::Comment;
use stead_grammar::ast::Span;

use super::{LINTS, Stage};
use crate::diagnostic::Diagnostic;
use crate::position::LineIndex;
use crate::project::SourceFile;

/// One code that a comment names.
#[derive(Debug)]
pub(crate) struct Allow {
    code: Arc<str>,
    /// Where the code stands.
    span: Span,
    /// The line it is for, from 0.
    line: usize,
    /// It silenced something.
    is_used: AtomicBool,
    /// A node has a resource on the line.
    is_reached: AtomicBool,
}

/// A copy, for the next version of a project: it has silenced nothing yet.
impl Clone for Allow {
    fn clone(&self) -> Self {
        let (is_used, is_reached) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { code: self.code.clone(), span: self.span, line: self.line, is_used, is_reached }
    }
}

/// Finds the comments of a file that silence something, and what is wrong with them.
pub(crate) fn read(name: &Arc<str>, text: &str, lines: &LineIndex, comments: &[Comment]) -> (Vec<Allow>, Vec<Diagnostic>) {
    let mut allows = Vec::new();
    let mut found = Vec::new();
    for (i, comment) in comments.iter().enumerate() {
        let body = comment.span.text(text);
        let Some((codes, reason)) = parts(body) else { continue };
        let line = lines.line_of(comment.span.start);
        let start = lines.line_range(text, line).start;
        let is_alone = text[start..comment.span.start as usize].trim().is_empty();
        let line = if is_alone { next_line(text, lines, line, &comments[i + 1..]) } else { line };
        if reason.trim().is_empty() {
            let diagnostic =
                Diagnostic::warning("allow-without-reason", "the comment does not say why").at(name, comment.span, "");
            found.push(diagnostic.hint("write the reason behind it: `# stead: allow(…) what makes it right here`"));
        }
        for code in codes.split(',') {
            let code_start = comment.span.start + offset(body, code);
            let lead = code.len() - code.trim_start().len();
            let code = code.trim();
            let start = code_start + u32::try_from(lead).unwrap_or(0);
            let span = Span::new(start, start + u32::try_from(code.len()).unwrap_or(0));
            if super::get(code).is_none() {
                found.push(unknown(code).at(name, if code.is_empty() { comment.span } else { span }, ""));
                continue;
            }
            let (is_used, is_reached) = (AtomicBool::new(false), AtomicBool::new(false));
            allows.push(Allow { code: code.into(), span, line, is_used, is_reached });
        }
    }
    (allows, found)
}

/// Says that there is no such lint.
pub(crate) fn unknown(code: &str) -> Diagnostic {
    if crate::codes::explain(code).is_some() {
        let message = format!("`{code}` is no lint but a mistake, which is always an error");
        return Diagnostic::error("unknown-lint", message);
    }
    let best = closest(code, LINTS.iter().map(|lint| lint.code)).map(|best| format!("did you mean `{best}`?"));
    Diagnostic::error("unknown-lint", format!("there is no lint `{code}`")).hint_opt(best)
}

/// The codes and the reason of a comment that silences something.
fn parts(comment: &str) -> Option<(&str, &str)> {
    let rest = comment.trim_start_matches('#').trim_start().strip_prefix("stead:")?.trim_start();
    let (codes, reason) = rest.strip_prefix("allow")?.trim_start().strip_prefix('(')?.split_once(')')?;
    Some((codes, reason))
}

/// Where a part of a text begins in it.
fn offset(whole: &str, part: &str) -> u32 {
    u32::try_from((part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)).unwrap_or(0)
}

/// The first line below `line` that is neither blank nor a comment; `line` itself where there is none.
fn next_line(text: &str, lines: &LineIndex, line: usize, comments: &[Comment]) -> usize {
    let mut comments = comments.iter().peekable();
    for next in line + 1..lines.line_count() {
        let range = lines.line_range(text, next);
        let content = &text[range.clone()];
        let start = range.start + (content.len() - content.trim_start().len());
        while comments.next_if(|comment| (comment.span.start as usize) < start).is_some() {}
        let is_comment = comments.peek().is_some_and(|comment| comment.span.start as usize == start);
        if !content.trim().is_empty() && !is_comment {
            return next;
        }
    }
    line
}

/// Drops what a comment silences.
pub(crate) fn silence(files: &[SourceFile], diagnostics: &mut Vec<Diagnostic>) {
    if files.iter().all(|file| file.allows.is_empty()) {
        return;
    }
    diagnostics.retain(|diagnostic| {
        let Some(label) = diagnostic.primary().filter(|_| !diagnostic.is_error()) else { return true };
        let Ok(at) = files.binary_search_by(|file| file.name.cmp(&label.file)) else { return true };
        let file = &files[at];
        let line = file.lines.line_of(label.span.start);
        let mut silenced = false;
        for allow in file.allows.iter().filter(|allow| allow.line == line && *allow.code == *diagnostic.code) {
            allow.is_used.store(true, Ordering::Relaxed);
            silenced = true;
        }
        !silenced
    });
}

/// Notes the places of a node's resources: a comment for one of them that silences nothing is not needed.
pub(crate) fn reach(files: &[SourceFile], places: impl Iterator<Item = crate::issue::Loc>) {
    if files.iter().all(|file| file.allows.is_empty()) {
        return;
    }
    for place in places {
        let Some(file) = files.get(place.file as usize).filter(|file| !file.allows.is_empty()) else { continue };
        let line = file.lines.line_of(place.span.start);
        for allow in file.allows.iter().filter(|allow| allow.line == line) {
            allow.is_reached.store(true, Ordering::Relaxed);
        }
    }
}

/// Tells of comments that silence nothing; for lints of `stage` only.
pub(crate) fn unused(files: &[SourceFile], stage: Stage) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !file.is_dependency) {
        for allow in &file.allows {
            let is_due = super::get(&allow.code).is_some_and(|lint| lint.stage == stage)
                && (stage == Stage::Load || allow.is_reached.load(Ordering::Relaxed));
            if is_due && !allow.is_used.load(Ordering::Relaxed) {
                let message = format!("there is nothing here that `{}` would tell of", allow.code);
                found
                    .push(Diagnostic::warning("unused-allow", message).at(&file.name, allow.span, "").hint("remove the comment"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, usize)], codes: &[&str]) {
        let parsed = stead_grammar::parse(text);
        let lines = LineIndex::new(text);
        let (allows, found) = read(&"a.stead".into(), text, &lines, &parsed.comments);
        let read: Vec<(&str, usize)> = allows.iter().map(|allow| (allow.span.text(text), allow.line)).collect();
        assert_eq!(read, expected);
        assert_eq!(found.iter().map(|d| d.code).collect::<Vec<_>>(), codes);
    }

    #[test]
    fn a_comment_is_for_its_line_or_the_next() {
        check("let a = 1 # stead: allow(unused-variable) kept\n", &[("unused-variable", 0)], &[]);
        check("# stead: allow(unused-variable) kept\n\n# more\nlet a = 1\n", &[("unused-variable", 3)], &[]);
        let two = "# stead: allow(unused-variable, shadowed-name) kept\nlet a = 1\n";
        check(two, &[("unused-variable", 1), ("shadowed-name", 1)], &[]);
    }

    #[test]
    fn what_is_wrong_with_a_comment() {
        check("# stead: allow(unused-variable)\nlet a = 1\n", &[("unused-variable", 1)], &["allow-without-reason"]);
        check("# stead: allow(unused-varable) x\nlet a = 1\n", &[], &["unknown-lint"]);
        check("# stead: allow(type-mismatch) x\nlet a = 1\n", &[], &["unknown-lint"]);
        check("# stead: allow() x\nlet a = 1\n", &[], &["unknown-lint"]);
        check("# instead: allow(x)\nlet a = \"# stead: allow(x)\"\n", &[], &[]);
    }
}
