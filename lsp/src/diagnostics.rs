//! What the compiler found, in the protocol's form.

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::sync::Arc;

use lsp_types::{
    CodeDescription, Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag, Location, NumberOrString, Uri,
};
use stead_compiler::Severity;

use crate::snapshot::Snapshot;
use crate::text::Text;

/// Where the pages of codes are.
const PAGES: &str = "https://stead-lang.org/book/reference/errors";

/// Sorts diagnostics by their files. What concerns no place is told at the start of `stead.toml`.
pub(crate) fn by_file(snapshot: &Snapshot, found: &[stead_compiler::Diagnostic]) -> BTreeMap<Arc<str>, Vec<Diagnostic>> {
    let mut texts: BTreeMap<Arc<str>, Option<Text>> = BTreeMap::new();
    let mut sorted: BTreeMap<Arc<str>, Vec<Diagnostic>> = BTreeMap::new();
    for one in found {
        let file = one.primary().map_or_else(|| "stead.toml".into(), |label| label.file.clone());
        let diagnostic = convert(snapshot, one, &mut texts);
        sorted.entry(file).or_default().push(diagnostic);
    }
    sorted
}

/// The diagnostics of one file.
pub(crate) fn of_file(snapshot: &Snapshot, found: &[stead_compiler::Diagnostic]) -> Vec<Diagnostic> {
    let mut texts = BTreeMap::new();
    let own = found.iter().filter(|one| one.primary().is_some_and(|label| label.file == snapshot.name));
    own.map(|one| convert(snapshot, one, &mut texts)).collect()
}

fn convert(snapshot: &Snapshot, found: &stead_compiler::Diagnostic, texts: &mut BTreeMap<Arc<str>, Option<Text>>) -> Diagnostic {
    let mut range_of = |label: &stead_compiler::Label| {
        let text = texts.entry(label.file.clone()).or_insert_with(|| snapshot.text_of(&label.file));
        text.as_ref().map_or_else(Default::default, |text| text.range(label.span))
    };
    let primary = found.primary();
    let range = primary.map_or_else(Default::default, &mut range_of);
    let mut message = found.message.clone();
    if let Some(label) = primary.and_then(|label| label.message.as_ref()) {
        message.push_str(&format!(": {label}"));
    }
    found.hints.iter().for_each(|hint| message.push_str(&format!("\nhint: {hint}")));
    found.notes.iter().for_each(|note| message.push_str(&format!("\nnote: {note}")));
    let others = found.labels.iter().filter(|label| primary.is_none_or(|primary| !std::ptr::eq(*label, primary)));
    let related: Vec<DiagnosticRelatedInformation> = others
        .filter_map(|label| {
            let location = Location { uri: snapshot.uri(&label.file)?, range: range_of(label) };
            Some(DiagnosticRelatedInformation { location, message: label.message.clone().unwrap_or_default() })
        })
        .collect();
    Diagnostic {
        range,
        severity: Some(match found.severity {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
            Severity::Hint => DiagnosticSeverity::HINT,
        }),
        code: Some(NumberOrString::String(found.code.to_owned())),
        code_description: Uri::from_str(&format!("{PAGES}/{}.html", found.code)).ok().map(|href| CodeDescription { href }),
        source: Some("stead".to_owned()),
        message,
        related_information: Some(related).filter(|related| !related.is_empty()),
        tags: tags(found.code),
        data: None,
    }
}

fn tags(code: &str) -> Option<Vec<DiagnosticTag>> {
    if code.starts_with("unused-") || code == "unreachable-arm" {
        Some(vec![DiagnosticTag::UNNECESSARY])
    } else if code.starts_with("deprecated-") {
        Some(vec![DiagnosticTag::DEPRECATED])
    } else {
        None
    }
}
