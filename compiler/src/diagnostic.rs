//! What the compiler has to say about the user's source: a value with a code, spans and a way out.
//!
//! Diagnostics are collected, never thrown: every pass returns what it could make together with what it found.
//! [`render`] shows them to people, [`json`] to programs. Neither decides where the text goes.

pub mod json;
pub mod render;
pub mod sarif;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use stead_catalog::{Mend, Mismatch};
use stead_grammar::SyntaxError;
use stead_grammar::ast::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is compiled for the nodes it concerns.
    Error,
    /// Most likely not what was meant.
    Warning,
    /// Could be written better.
    Hint,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Hint => "hint",
        })
    }
}

/// A place in a source file with a few words on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// The file's name as the project knows it: `site.stead`, `data/common.yaml`.
    pub file: Arc<str>,
    /// Bytes of the file; empty at a place where something is missing.
    pub span: Span,
    /// What is to be seen there; `None` where the message already says it.
    pub message: Option<String>,
    /// The place the diagnostic is about. The first label of a diagnostic; the others give context.
    pub primary: bool,
    /// The text there may be secret: the place is named, the source is not shown.
    pub hidden: bool,
}

/// A message about the user's source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable kebab-case name with a page of its own (see [`crate::codes::explain`]).
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence: lower-case first letter, no full stop, names in backticks, what was found before what was expected.
    pub message: String,
    /// The places it concerns, the primary one first. Empty when it concerns no place.
    pub labels: Vec<Label>,
    /// Ways out, each a sentence.
    pub hints: Vec<String>,
    /// Background that helps to understand the message.
    pub notes: Vec<String>,
    /// What would mend it, where a hint has one obvious fix.
    pub suggestions: Vec<Suggestion>,
    /// The attribute of the resource at its first place that would mend it.
    pub mend: Option<Mend>,
}

/// A piece of text to write in the place of another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Suggestion {
    /// The file, by its name in the project.
    pub file: Arc<str>,
    /// What to replace.
    pub span: Span,
    /// What to write there.
    pub replacement: String,
}

impl Diagnostic {
    /// Makes a diagnostic without places.
    pub fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            labels: Vec::new(),
            hints: Vec::new(),
            notes: Vec::new(),
            suggestions: Vec::new(),
            mend: None,
        }
    }

    /// Makes an error.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// Makes a warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Makes a hint.
    pub fn hint_level(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Hint, code, message)
    }

    /// Sets the place it is about. An empty `label` leaves the place without words.
    #[must_use]
    pub fn at(mut self, file: &Arc<str>, span: Span, label: impl Into<String>) -> Self {
        let label = Label {
            file: file.clone(),
            span,
            message: Some(label.into()).filter(|m| !m.is_empty()),
            primary: true,
            hidden: false,
        };
        if self.labels.first().is_some_and(|first| first.primary) {
            self.labels[0] = label;
        } else {
            self.labels.insert(0, label);
        }
        self
    }

    /// Adds another place that matters.
    #[must_use]
    pub fn also(mut self, file: &Arc<str>, span: Span, label: impl Into<String>) -> Self {
        let message = Some(label.into()).filter(|m| !m.is_empty());
        self.labels.push(Label { file: file.clone(), span, message, primary: false, hidden: false });
        self
    }

    /// Keeps the source of all its places from being shown: it may hold a secret.
    #[must_use]
    pub fn hidden(mut self) -> Self {
        self.labels.iter_mut().for_each(|label| label.hidden = true);
        self
    }

    /// Adds a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a way out where one is known.
    #[must_use]
    pub fn hint_opt(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hints.extend(hint.map(Into::into));
        self
    }

    /// Adds what to write instead of the text at a place.
    #[must_use]
    pub fn suggest(mut self, file: &Arc<str>, span: Span, replacement: impl Into<String>) -> Self {
        self.suggestions.push(Suggestion { file: file.clone(), span, replacement: replacement.into() });
        self
    }

    /// Adds background.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Turns a mistake in the syntax of `file` into a diagnostic.
    pub fn from_syntax(file: &Arc<str>, error: &SyntaxError) -> Self {
        let mut diagnostic = Self::error(error.code, error.message.clone()).at(file, error.span, "");
        for (span, text) in &error.labels {
            diagnostic = diagnostic.also(file, *span, text.clone());
        }
        if let Some((span, text)) = error.replacement.as_deref() {
            diagnostic = diagnostic.suggest(file, *span, text.clone());
        }
        diagnostic.hint_opt(error.hint.clone())
    }

    /// Says that a value at `span` does not fit its type: `subject` names what it was given for, as in "attribute `mode`".
    pub fn from_mismatch(file: &Arc<str>, span: Span, subject: &str, mismatch: &Mismatch) -> Self {
        let place = path_text(&mismatch.path);
        let message = match mismatch.code {
            "missing-field" => format!("{subject}{place}: missing {}", mismatch.expected),
            "unknown-field" => format!("{subject}{place}: unknown {}", mismatch.found),
            _ => format!("{subject}{place}: found {}, expected {}", mismatch.found, mismatch.expected),
        };
        let label = match mismatch.code {
            "missing-field" => format!("{} is missing here", first_word_pair(&mismatch.expected)),
            "unknown-field" => format!("expected {}", mismatch.expected),
            // The message has said it.
            _ => String::new(),
        };
        Self::error(mismatch.code, message).at(file, span, label).hint_opt(mismatch.hint.clone())
    }

    /// Offers `replacement` for what is `written` at `span` in a data file: inside the quotes, where it has some. Where escapes are written, the
    /// place of the text is not known, and nothing is offered.
    pub(crate) fn suggest_in_data(&mut self, file: &Arc<str>, span: Span, written: &str, replacement: &str) {
        let quotes = (span.len() as usize).checked_sub(written.len());
        let inner = match quotes {
            Some(0) => span,
            Some(2) => Span::new(span.start + 1, span.end - 1),
            _ => return,
        };
        self.suggestions.push(Suggestion { file: file.clone(), span: inner, replacement: replacement.to_owned() });
    }

    /// Returns the place it is about.
    pub fn primary(&self) -> Option<&Label> {
        self.labels.iter().find(|label| label.primary).or(self.labels.first())
    }

    /// Says whether it keeps a catalog from being made.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    fn sort_key(&self) -> (&str, u32, u32, Severity, &str, &str) {
        let (file, span) = self.primary().map_or(("", Span::default()), |label| (&*label.file, label.span));
        (file, span.start, span.end, self.severity, self.code, &self.message)
    }
}

/// Shows code and message on one line, without places: for logs and tests.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: {}", self.severity, self.code, self.message)
    }
}

/// Orders diagnostics by file and position and drops repetitions: the same code at the same place, said in the same words.
pub fn arrange(diagnostics: &mut Vec<Diagnostic>) {
    let mut seen = HashSet::with_capacity(diagnostics.len());
    diagnostics.retain(|d| seen.insert((d.code, d.message.clone(), d.primary().map(|label| (label.file.clone(), label.span)))));
    diagnostics.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
}

/// Keeps the first `limit` diagnostics, errors before others, in their order. Returns how many were left out.
pub fn cap(diagnostics: &mut Vec<Diagnostic>, limit: usize) -> usize {
    let left_out = diagnostics.len().saturating_sub(limit);
    if left_out > 0 {
        let mut spare = limit.saturating_sub(diagnostics.iter().filter(|d| d.is_error()).count());
        let mut errors = limit;
        diagnostics.retain(|d| {
            let room = if d.is_error() { &mut errors } else { &mut spare };
            let keep = *room > 0;
            *room = room.saturating_sub(1);
            keep
        });
    }
    left_out
}

/// Writes a path into a value as the language would: `.vhosts[2].name`, empty at the top.
pub(crate) fn path_text(path: &[String]) -> String {
    path.iter().map(|step| if step.starts_with('[') { step.clone() } else { format!(".{step}") }).collect()
}

fn first_word_pair(text: &str) -> &str {
    text.split_once(" (").map_or(text, |(first, _)| first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &'static str, file: &str, start: u32) -> Diagnostic {
        Diagnostic::error(code, "m").at(&file.into(), Span::new(start, start + 1), "")
    }

    #[test]
    fn diagnostics_are_ordered_and_said_once() {
        let mut list =
            vec![error("b", "b.stead", 3), error("a", "a.stead", 9), error("b", "b.stead", 3), error("c", "a.stead", 1)];
        arrange(&mut list);
        let shown: Vec<_> = list.iter().map(|d| d.code).collect();
        assert_eq!(shown, ["c", "a", "b"]);
    }

    #[test]
    fn errors_are_kept_before_warnings() {
        let mut list = vec![Diagnostic::warning("w", "m"), error("a", "a", 1), Diagnostic::warning("w", "n"), error("b", "a", 2)];
        assert_eq!(cap(&mut list, 3), 1);
        assert_eq!(list.iter().map(|d| d.code).collect::<Vec<_>>(), ["w", "a", "b"]);
    }

    #[test]
    fn the_primary_place_comes_first() {
        let file: Arc<str> = "a".into();
        let d = Diagnostic::error("x", "m").also(&file, Span::new(1, 2), "other").at(&file, Span::new(3, 4), "here");
        assert!(d.labels[0].primary);
        assert_eq!(d.primary().map(|l| l.span), Some(Span::new(3, 4)));
    }
}
