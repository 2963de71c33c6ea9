//! Diagnostics for programs: one JSON object a line.
//!
//! ```json
//! {"format_version":"1.1","code":"unknown-attribute","severity":"error","message":"…",
//!  "labels":[{"file":"site.stead","primary":true,"message":"…","start":8,"end":12,
//!             "line":1,"column":9,"end_line":1,"end_column":13}],
//!  "hints":["did you mean `mode`?"],"notes":[],
//!  "suggestions":[{"file":"site.stead","start":8,"end":12,"replacement":"mode"}]}
//! ```
//!
//! `start` and `end` are byte offsets, `end` exclusive. Lines and columns count from 1, columns in characters;
//! they are `null` where the file's text is not at hand. `suggestions`, since 1.1, is there where a hint has one obvious fix. Readers must accept keys they do not know.

use serde::Serialize;

use super::render::SourceText;
use super::{Diagnostic, Label};
use crate::position::LineIndex;

/// Version of the JSON form: grows in its second number when keys are added, in its first when one changes.
pub const FORMAT_VERSION: &str = "1.1";

#[derive(Serialize)]
struct JsonDiagnostic<'a> {
    format_version: &'static str,
    code: &'a str,
    severity: String,
    message: &'a str,
    labels: Vec<JsonLabel<'a>>,
    hints: &'a [String],
    notes: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suggestions: Vec<JsonSuggestion<'a>>,
}

#[derive(Serialize)]
struct JsonSuggestion<'a> {
    file: &'a str,
    start: u32,
    end: u32,
    replacement: &'a str,
}

#[derive(Serialize)]
struct JsonLabel<'a> {
    file: &'a str,
    primary: bool,
    message: Option<&'a str>,
    start: u32,
    end: u32,
    line: Option<u32>,
    column: Option<u32>,
    end_line: Option<u32>,
    end_column: Option<u32>,
}

/// Returns the diagnostic as one line of JSON, without the newline.
pub fn to_json(diagnostic: &Diagnostic, sources: &dyn SourceText) -> String {
    let json = JsonDiagnostic {
        format_version: FORMAT_VERSION,
        code: diagnostic.code,
        severity: diagnostic.severity.to_string(),
        message: &diagnostic.message,
        labels: diagnostic.labels.iter().map(|label| json_label(label, sources)).collect(),
        hints: &diagnostic.hints,
        notes: &diagnostic.notes,
        suggestions: diagnostic
            .suggestions
            .iter()
            .map(|one| JsonSuggestion {
                file: &one.file,
                start: one.span.start,
                end: one.span.end,
                replacement: &one.replacement,
            })
            .collect(),
    };
    serde_json::to_string(&json).expect("plain strings and numbers always serialise")
}

fn json_label<'a>(label: &'a Label, sources: &dyn SourceText) -> JsonLabel<'a> {
    let ends = sources.text(&label.file).map(|text| {
        let index = LineIndex::new(text);
        (index.position(text, label.span.start), index.position(text, label.span.end))
    });
    JsonLabel {
        file: &label.file,
        primary: label.primary,
        message: label.message.as_deref(),
        start: label.span.start,
        end: label.span.end,
        line: ends.map(|(start, _)| start.line),
        column: ends.map(|(start, _)| start.column),
        end_line: ends.map(|(_, end)| end.line),
        end_column: ends.map(|(_, end)| end.column),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_grammar::ast::Span;

    #[test]
    fn one_object_a_line_with_both_ends() {
        let sources = vec![("a.stead".to_owned(), "x\r\n😀 = 1\n".to_owned())];
        let file = "a.stead".into();
        let d = Diagnostic::error("unknown-name", "no `😀`").at(&file, Span::new(3, 7), "here").hint("h");
        assert_eq!(
            to_json(&d, &sources),
            "{\"format_version\":\"1.1\",\"code\":\"unknown-name\",\"severity\":\"error\",\"message\":\"no `😀`\",\
             \"labels\":[{\"file\":\"a.stead\",\"primary\":true,\"message\":\"here\",\"start\":3,\"end\":7,\
             \"line\":2,\"column\":1,\"end_line\":2,\"end_column\":2}],\"hints\":[\"h\"],\"notes\":[]}"
        );
    }
}
