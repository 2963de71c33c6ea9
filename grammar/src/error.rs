//! What the parser has to say about a source.

use crate::ast::Span;

/// A mistake in the syntax of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Stable kebab-case name: `unclosed-brace`. One of [`CODES`](crate::CODES).
    pub code: &'static str,
    /// What is wrong: lower-case first letter, no full stop, names in backticks.
    pub message: String,
    /// Where: the shortest piece of source to look at; empty at a place where something is missing.
    pub span: Span,
    /// Other places that matter, each with what it is: `opened here`.
    pub labels: Vec<(Span, String)>,
    /// The way out.
    pub hint: Option<Box<str>>,
    /// What could have stood at the start of `span`, as in "a value", "`}`"; for completion in editors. May be empty.
    pub expected: Vec<String>,
    /// What to write instead, and where; where the hint has one obvious fix.
    pub replacement: Option<Box<(Span, String)>>,
}

impl SyntaxError {
    /// Makes an error without labels or hint.
    pub fn new(code: &'static str, span: Span, message: impl Into<String>) -> SyntaxError {
        debug_assert!(CODES.contains(&code), "`{code}` is missing in `CODES`");
        SyntaxError {
            code,
            message: message.into(),
            span,
            labels: Vec::new(),
            hint: None,
            expected: Vec::new(),
            replacement: None,
        }
    }

    /// A resource without a name.
    pub(crate) fn nameless(at: Span, type_name: &str) -> SyntaxError {
        SyntaxError::new("missing-name", at, format!("expected a name after `{type_name}`"))
            .with_hint(format!("a resource has a name, `{type_name} \"name\" {{ … }}`"))
    }

    /// Adds the way out.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> SyntaxError {
        self.hint = Some(hint.into().into());
        self
    }

    /// Says what to write instead.
    #[must_use]
    pub(crate) fn with_replacement(mut self, span: Span, text: impl Into<String>) -> SyntaxError {
        self.replacement = Some(Box::new((span, text.into())));
        self
    }

    /// Gives the way out that every mistake of its code has, where no better one is known.
    pub(crate) fn complete(&mut self) {
        if self.hint.is_some() {
            return;
        }
        self.hint = match (self.code, self.expected.first()) {
            ("missing-value", Some(what)) => Some(format!("write {what} here, or take out what asks for it").into()),
            ("missing-separator", _) => Some("put a comma or a newline here".into()),
            _ => None,
        };
    }

    /// Adds another place that matters.
    #[must_use]
    pub fn with_label(mut self, span: Span, text: impl Into<String>) -> SyntaxError {
        self.labels.push((span, text.into()));
        self
    }
}

/// Every code a [`SyntaxError`] may have, sorted.
pub const CODES: &[&str] = &[
    "arrow-after-body",
    "bad-escape",
    "bad-index",
    "bad-interpolation",
    "bad-lambda",
    "bad-mode",
    "bad-name",
    "bad-number",
    "bad-refinement",
    "chained-operators",
    "expected-equals",
    "file-too-large",
    "hidden-character",
    "incomplete-statement",
    "keyword-as-name",
    "mismatched-delimiter",
    "misplaced-else",
    "misplaced-item",
    "missing-delimiter",
    "missing-else",
    "missing-let",
    "missing-name",
    "missing-separator",
    "missing-type",
    "missing-value",
    "nesting-too-deep",
    "number-too-large",
    "single-quoted-string",
    "slash-comment",
    "statement-in-body",
    "unclosed-delimiter",
    "unexpected-character",
    "unexpected-regex",
    "unexpected-token",
    "unknown-unit",
    "unmatched-delimiter",
    "unterminated-string",
];
