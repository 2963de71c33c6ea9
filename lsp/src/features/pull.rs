//! Diagnostics that the client asks for.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use lsp_types::{
    Diagnostic, DocumentDiagnosticParams, DocumentDiagnosticReport, DocumentDiagnosticReportResult, FullDocumentDiagnosticReport,
    RelatedFullDocumentDiagnosticReport, RelatedUnchangedDocumentDiagnosticReport, UnchangedDocumentDiagnosticReport,
    WorkspaceDiagnosticParams, WorkspaceDiagnosticReport, WorkspaceDocumentDiagnosticReport,
    WorkspaceFullDocumentDiagnosticReport, WorkspaceUnchangedDocumentDiagnosticReport,
};

use crate::dispatch::{json, snapshot};
use crate::server::{Answer, Refusal, Server};
use crate::workspace::Key;
use crate::{diagnostics, uri};

/// Compiles the project now, where that was not done yet.
fn compiled(server: &mut Server, key: &Key) -> Result<Vec<stead_compiler::Diagnostic>, Refusal> {
    server.workspace.refresh(key)?;
    if let Some(current) = server.workspace.state(key).and_then(|state| state.current()) {
        return Ok(current.diagnostics.clone());
    }
    let log = server.logger();
    let Some(work) = server.workspace.work(key, &*log) else { return Ok(Vec::new()) };
    let compiled = Arc::new(work.run());
    if let Some(state) = server.workspace.state_mut(key) {
        state.compiled = Some(compiled.clone());
    }
    Ok(compiled.diagnostics.clone())
}

fn fingerprint(found: &[Diagnostic]) -> String {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(found).unwrap_or_default().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The diagnostics of one document.
pub(crate) fn document(server: &mut Server, params: DocumentDiagnosticParams) -> Result<Answer, Refusal> {
    let view = snapshot(server, &params.text_document.uri)?;
    let path = uri::to_path(&params.text_document.uri).ok_or_else(|| "not a file".to_owned())?;
    let (key, _) = server.workspace.locate(&path).ok_or_else(|| "the file belongs to no project".to_owned())?;
    let found = compiled(server, &key)?;
    let items = diagnostics::of_file(&view, &found);
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

/// The diagnostics of every file of every project.
pub(crate) fn workspace(server: &mut Server, params: WorkspaceDiagnosticParams) -> Result<Answer, Refusal> {
    let mut items = Vec::new();
    for key in server.workspace.keys() {
        let found = compiled(server, &key)?;
        let view = server.workspace.whole(&key)?;
        let mut sorted = diagnostics::by_file(&view, &found);
        for file in view.project.files() {
            sorted.entry(file.name.clone()).or_default();
        }
        for (file, diagnostics) in sorted {
            let Some(uri) = view.uri(&file) else { continue };
            let version = server.workspace.documents.get(&key.root.join(&*file)).map(|document| i64::from(document.version));
            let result_id = fingerprint(&diagnostics);
            let is_known = params.previous_result_ids.iter().any(|known| known.uri == uri && known.value == result_id);
            items.push(if is_known {
                WorkspaceDocumentDiagnosticReport::Unchanged(WorkspaceUnchangedDocumentDiagnosticReport {
                    uri,
                    version,
                    unchanged_document_diagnostic_report: UnchangedDocumentDiagnosticReport { result_id },
                })
            } else {
                WorkspaceDocumentDiagnosticReport::Full(WorkspaceFullDocumentDiagnosticReport {
                    uri,
                    version,
                    full_document_diagnostic_report: FullDocumentDiagnosticReport {
                        result_id: Some(result_id),
                        items: diagnostics,
                    },
                })
            });
        }
    }
    json(WorkspaceDiagnosticReport { items })
}
