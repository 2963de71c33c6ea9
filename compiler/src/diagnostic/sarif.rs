//! Diagnostics as SARIF 2.1.0, which forges and editors show at the lines they are about.
//!
//! One run with one result a diagnostic; each code is a rule with its page. Columns count UTF-16 code units, as SARIF wants
//! by default; `columnKind` says so.

use serde_json::{Value as Json, json};

use super::render::SourceText;
use super::{Diagnostic, Label, Severity};
use crate::codes;
use crate::position::LineIndex;

/// The schema that the document names.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Returns the diagnostics as one SARIF document. `version` is that of the program; `prefix` is where the project lies in its
/// repository, empty at its root or with a `/` at its end.
pub fn to_sarif(diagnostics: &[Diagnostic], sources: &dyn SourceText, version: &str, prefix: &str) -> String {
    let mut rules: Vec<&'static str> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    rules.sort_unstable();
    rules.dedup();
    let results: Vec<Json> = diagnostics.iter().map(|diagnostic| result(diagnostic, &rules, sources, prefix)).collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "stead",
                "semanticVersion": version,
                "rules": rules.iter().map(|code| rule(code)).collect::<Vec<_>>(),
            }},
            "columnKind": "utf16CodeUnits",
            "results": results,
        }],
    });
    let mut text = serde_json::to_string_pretty(&document).expect("plain strings and numbers always serialise");
    text.push('\n');
    text
}

fn rule(code: &str) -> Json {
    let mut rule = json!({ "id": code });
    if let Some(page) = codes::explain(code) {
        // The heading repeats the code; the first paragraph says what it means.
        let mut parts = page.split("\n\n").filter(|part| !part.starts_with('#'));
        let first = parts.next().unwrap_or_default().replace('\n', " ");
        rule["shortDescription"] = json!({ "text": first });
        rule["help"] = json!({ "text": page, "markdown": page });
    }
    rule
}

fn result(diagnostic: &Diagnostic, rules: &[&'static str], sources: &dyn SourceText, prefix: &str) -> Json {
    let mut text = diagnostic.message.clone();
    for hint in &diagnostic.hints {
        text.push_str("\nhint: ");
        text.push_str(hint);
    }
    let mut result = json!({
        "ruleId": diagnostic.code,
        "ruleIndex": rules.binary_search(&diagnostic.code).unwrap_or_default(),
        "level": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Hint => "note",
        },
        "message": { "text": text },
    });
    let primary = diagnostic.primary();
    result["locations"] = primary.iter().map(|label| location(label, sources, prefix)).collect();
    let others: Vec<Json> = diagnostic
        .labels
        .iter()
        .filter(|label| !primary.is_some_and(|primary| std::ptr::eq(primary, *label)))
        .map(|label| location(label, sources, prefix))
        .collect();
    if !others.is_empty() {
        result["relatedLocations"] = Json::Array(others);
    }
    result
}

fn location(label: &Label, sources: &dyn SourceText, prefix: &str) -> Json {
    let mut physical = json!({ "artifactLocation": { "uri": uri(&format!("{prefix}{}", label.file)) } });
    if let Some(text) = sources.text(&label.file) {
        let index = LineIndex::new(text);
        let end = |byte: u32| {
            let position = index.position(text, byte);
            let line = text.split_inclusive('\n').nth(position.line.saturating_sub(1) as usize).unwrap_or_default();
            let before = line.chars().take(position.column.saturating_sub(1) as usize);
            (position.line, 1 + before.map(char::len_utf16).sum::<usize>())
        };
        let ((line, column), (end_line, end_column)) = (end(label.span.start), end(label.span.end));
        physical["region"] = json!({ "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column });
    }
    let mut location = json!({ "physicalLocation": physical });
    if let Some(message) = &label.message {
        location["message"] = json!({ "text": message });
    }
    location
}

/// A relative path as a URI.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~@+,=".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_grammar::ast::Span;

    #[test]
    fn each_diagnostic_is_a_result_at_its_place() {
        let sources = vec![("a b.stead".to_owned(), "x\n😀 = 1\n".to_owned())];
        let file = "a b.stead".into();
        let list = [
            Diagnostic::error("unknown-attribute", "no `😀`")
                .at(&file, Span::new(7, 8), "here")
                .also(&file, Span::new(0, 1), "")
                .hint("h"),
            Diagnostic::warning("ambiguous-scalar", "w"),
        ];
        let document: Json = serde_json::from_str(&to_sarif(&list, &sources, "0.1.0", "site/")).unwrap();
        let run = &document["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "ambiguous-scalar");
        assert!(run["tool"]["driver"]["rules"][1]["help"]["markdown"].as_str().unwrap().starts_with("# unknown-attribute"));
        let first = &run["results"][0];
        assert_eq!((&first["ruleIndex"], &first["level"]), (&json!(1), &json!("error")));
        assert_eq!(first["message"]["text"], "no `😀`\nhint: h");
        let physical = &first["locations"][0]["physicalLocation"];
        assert_eq!(physical["artifactLocation"]["uri"], "site/a%20b.stead");
        assert_eq!(physical["region"], json!({ "startLine": 2, "startColumn": 4, "endLine": 2, "endColumn": 5 }));
        assert_eq!(first["relatedLocations"].as_array().unwrap().len(), 1);
        assert_eq!(run["results"][1]["locations"], json!([]));
    }
}
