//! A finding of the compiler before it is told: places as file numbers, turned into a diagnostic at the end.

use stead_catalog::{Mend, Mismatch, SourceLocation};
use stead_grammar::ast::Span;

use crate::diagnostic::{Diagnostic, Severity};
use crate::project::SourceFile;

/// A place in a file of the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Loc {
    /// Index of the source file.
    pub(crate) file: u32,
    /// Where in it.
    pub(crate) span: Span,
}

impl Loc {
    pub(crate) fn new(file: u32, span: Span) -> Self {
        Self { file, span }
    }
}

/// A place that a label points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a source file.
    Source(Loc),
    /// In another file of the project, such as a data file.
    Named(SourceLocation),
}

impl From<Loc> for Place {
    fn from(loc: Loc) -> Self {
        Self::Source(loc)
    }
}

impl From<SourceLocation> for Place {
    fn from(location: SourceLocation) -> Self {
        Self::Named(location)
    }
}

/// A finding: the first label is where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issue {
    pub(crate) code: &'static str,
    pub(crate) is_error: bool,
    pub(crate) message: String,
    pub(crate) labels: Vec<(Place, String)>,
    pub(crate) hint: Option<String>,
    /// What to write instead: at a place of its own, else at the first label.
    pub(crate) replacement: Option<Box<(Option<Span>, String)>>,
    /// The attribute that mends it.
    pub(crate) mend: Option<Box<Mend>>,
}

impl Issue {
    pub(crate) fn error(code: &'static str, at: impl Into<Place>, message: impl Into<String>) -> Self {
        Self {
            code,
            is_error: true,
            message: message.into(),
            labels: vec![(at.into(), String::new())],
            hint: None,
            replacement: None,
            mend: None,
        }
    }

    pub(crate) fn warning(code: &'static str, at: impl Into<Place>, message: impl Into<String>) -> Self {
        Self { is_error: false, ..Self::error(code, at, message) }
    }

    /// A value that does not fit a type.
    pub(crate) fn mismatch(at: impl Into<Place>, mismatch: &Mismatch) -> Self {
        let place = match mismatch.path.as_slice() {
            [] => String::new(),
            steps => format!(" at `{}`", join_path(steps)),
        };
        let message = match mismatch.code {
            "missing-field" => format!("missing {}{place}", mismatch.expected),
            "unknown-field" => format!("unknown {}{place}", mismatch.found),
            _ => format!("found {}, expected {}{place}", mismatch.found, mismatch.expected),
        };
        Self { hint: mismatch.hint.clone(), ..Self::error(mismatch.code, at, message) }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the hint `did you mean`, where there is a candidate.
    #[must_use]
    pub(crate) fn suggest(self, candidate: Option<&str>) -> Self {
        match candidate {
            Some(name) => self.hint(format!("did you mean `{name}`?")).replacement(None, name),
            None => self,
        }
    }

    /// As [`Issue::suggest`], where less than the first label is to be replaced.
    #[must_use]
    pub(crate) fn suggest_at(self, span: Span, candidate: Option<&str>) -> Self {
        match candidate {
            Some(name) => self.suggest(candidate).replacement(Some(span), name),
            None => self,
        }
    }

    /// Says what to write instead.
    #[must_use]
    pub(crate) fn replacement(mut self, span: Option<Span>, text: impl Into<String>) -> Self {
        self.replacement = Some(Box::new((span, text.into())));
        self
    }

    #[must_use]
    pub(crate) fn label(mut self, at: impl Into<Place>, text: impl Into<String>) -> Self {
        self.labels.push((at.into(), text.into()));
        self
    }

    /// Sets the text of the first label.
    #[must_use]
    pub(crate) fn primary(mut self, text: impl Into<String>) -> Self {
        if let Some(first) = self.labels.first_mut() {
            first.1 = text.into();
        }
        self
    }

    /// Says whether it is about a place within `span` of a file.
    pub(crate) fn is_at(&self, file: u32, span: Span) -> bool {
        let within = |loc: &Loc| loc.file == file && span.start <= loc.span.start && loc.span.end <= span.end;
        matches!(self.labels.first(), Some((Place::Source(loc), _)) if within(loc))
    }

    /// Makes the diagnostic, with the names of the files.
    pub(crate) fn into_diagnostic(self, files: &[SourceFile]) -> Diagnostic {
        let severity = if self.is_error { Severity::Error } else { Severity::Warning };
        let mut diagnostic = Diagnostic::new(severity, self.code, self.message);
        for (i, (place, text)) in self.labels.into_iter().enumerate() {
            let (file, span) = match place {
                Place::Source(loc) => match files.get(loc.file as usize) {
                    Some(file) => (file.name.clone(), loc.span),
                    None => continue,
                },
                Place::Named(location) => (location.file.clone(), Span::new(location.start, location.end)),
            };
            diagnostic = if i == 0 { diagnostic.at(&file, span, text) } else { diagnostic.also(&file, span, text) };
        }
        let at = self.replacement.as_ref().and_then(|_| diagnostic.primary().map(|label| (label.file.clone(), label.span)));
        if let (Some(replacement), Some((file, span))) = (self.replacement, at) {
            let (own, text) = *replacement;
            diagnostic = diagnostic.suggest(&file, own.unwrap_or(span), text);
        }
        diagnostic.mend = self.mend.map(|mend| *mend);
        diagnostic.hint_opt(self.hint)
    }
}

/// Joins the steps of a path into a value: `vhosts[2].port`.
pub(crate) fn join_path(steps: &[String]) -> String {
    let mut text = String::new();
    for step in steps {
        if !step.starts_with('[') && !text.is_empty() {
            text.push('.');
        }
        text.push_str(step);
    }
    text
}
