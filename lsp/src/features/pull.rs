//! Diagnostics that the client asks for: at once those that the document has by itself, and all where the project was compiled. When that
//! ends later, the client is told to ask again. Those of files that are not open are sent unasked.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use lsp_types::{
    Diagnostic, DocumentDiagnosticParams, DocumentDiagnosticReport, DocumentDiagnosticReportResult, FullDocumentDiagnosticReport,
    RelatedFullDocumentDiagnosticReport, RelatedUnchangedDocumentDiagnosticReport, UnchangedDocumentDiagnosticReport,
};

use crate::diagnostics;
use crate::dispatch::{json, snapshot};
use crate::server::{Answer, Refusal, Server};

fn fingerprint(found: &[Diagnostic]) -> String {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(found).unwrap_or_default().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The diagnostics of one document.
pub(crate) fn document(server: &mut Server, params: DocumentDiagnosticParams) -> Result<Answer, Refusal> {
    let view = snapshot(server, &params.text_document.uri)?;
    let found = match view.current() {
        Some(compiled) => &compiled.diagnostics[..],
        None => view.project.diagnostics(),
    };
    let items = diagnostics::of_file(&view, found);
    let result_id = fingerprint(&items);
    let report = if params.previous_result_id.as_ref() == Some(&result_id) {
        DocumentDiagnosticReport::Unchanged(RelatedUnchangedDocumentDiagnosticReport {
            related_documents: None,
            unchanged_document_diagnostic_report: UnchangedDocumentDiagnosticReport { result_id },
        })
    } else {
        DocumentDiagnosticReport::Full(RelatedFullDocumentDiagnosticReport {
            related_documents: None,
            full_document_diagnostic_report: FullDocumentDiagnosticReport { result_id: Some(result_id), items },
        })
    };
    json(DocumentDiagnosticReportResult::Report(report))
}
