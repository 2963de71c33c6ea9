//! Which method is answered by which feature.

use std::path::PathBuf;

use lsp_server::{ErrorCode, Notification, Request};
use lsp_types::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::features;
use crate::server::{Answer, Refusal, Server};
use crate::snapshot::Snapshot;
use crate::uri;

type Answered = Result<Answer, Refusal>;

/// What the server tells about itself.
pub(crate) fn initialize_result(server: &Server) -> InitializeResult {
    InitializeResult {
        capabilities: capabilities(server),
        server_info: Some(ServerInfo { name: "stead".into(), version: Some(env!("CARGO_PKG_VERSION").into()) }),
    }
}

fn capabilities(server: &Server) -> ServerCapabilities {
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    let folders = WorkspaceFoldersServerCapabilities { supported: Some(true), change_notifications: Some(OneOf::Left(true)) };
    ServerCapabilities {
        position_encoding: Some(server.workspace.encoding.kind()),
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::INCREMENTAL),
            save: Some(TextDocumentSyncSaveOptions::Supported(true)),
            ..TextDocumentSyncOptions::default()
        })),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        declaration_provider: Some(DeclarationCapability::Simple(true)),
        type_definition_provider: Some(TypeDefinitionProviderCapability::Simple(true)),
        references_provider: Some(OneOf::Left(true)),
        document_highlight_provider: Some(OneOf::Left(true)),
        document_symbol_provider: Some(OneOf::Left(true)),
        workspace_symbol_provider: Some(OneOf::Left(true)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: words(&[".", "\"", "/", "[", "{", "|", ":", "="]),
            ..CompletionOptions::default()
        }),
        signature_help_provider: Some(SignatureHelpOptions {
            trigger_characters: words(&["(", ","]),
            retrigger_characters: words(&[","]),
            ..SignatureHelpOptions::default()
        }),
        document_formatting_provider: Some(OneOf::Left(true)),
        document_range_formatting_provider: Some(OneOf::Left(true)),
        document_on_type_formatting_provider: Some(DocumentOnTypeFormattingOptions {
            first_trigger_character: "}".into(),
            more_trigger_character: words(&["\n"]),
        }),
        rename_provider: Some(OneOf::Right(RenameOptions {
            prepare_provider: Some(true),
            work_done_progress_options: WorkDoneProgressOptions::default(),
        })),
        inlay_hint_provider: Some(OneOf::Left(true)),
        folding_range_provider: Some(FoldingRangeProviderCapability::Simple(true)),
        selection_range_provider: Some(SelectionRangeProviderCapability::Simple(true)),
        document_link_provider: Some(DocumentLinkOptions {
            resolve_provider: Some(false),
            work_done_progress_options: WorkDoneProgressOptions::default(),
        }),
        call_hierarchy_provider: Some(CallHierarchyServerCapability::Simple(true)),
        code_lens_provider: Some(CodeLensOptions { resolve_provider: Some(false) }),
        code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
            code_action_kinds: Some(features::code_actions::kinds()),
            ..CodeActionOptions::default()
        })),
        linked_editing_range_provider: Some(LinkedEditingRangeServerCapabilities::Simple(true)),
        semantic_tokens_provider: Some(SemanticTokensServerCapabilities::SemanticTokensOptions(SemanticTokensOptions {
            legend: features::semantic_tokens::legend(),
            range: Some(true),
            full: Some(SemanticTokensFullOptions::Delta { delta: Some(true) }),
            ..SemanticTokensOptions::default()
        })),
        diagnostic_provider: server.pulls().then(|| {
            DiagnosticServerCapabilities::Options(DiagnosticOptions {
                identifier: Some("stead".into()),
                inter_file_dependencies: true,
                workspace_diagnostics: false,
                ..DiagnosticOptions::default()
            })
        }),
        execute_command_provider: Some(ExecuteCommandOptions {
            commands: features::commands::NAMES.iter().map(|name| (*name).to_owned()).collect(),
            ..ExecuteCommandOptions::default()
        }),
        workspace: Some(WorkspaceServerCapabilities { workspace_folders: Some(folders), file_operations: None }),
        ..ServerCapabilities::default()
    }
}

/// Answers a request.
pub(crate) fn request(server: &mut Server, request: Request) -> Answered {
    use features as f;
    let Request { method, params, .. } = request;
    match method.as_str() {
        "textDocument/hover" => at(server, params, f::hover::hover),
        "textDocument/definition" | "textDocument/declaration" => at(server, params, f::definition::definition),
        "textDocument/typeDefinition" => at(server, params, f::definition::type_definition),
        "textDocument/references" => with(server, params, f::references::references),
        "textDocument/documentHighlight" => at(server, params, f::references::highlight),
        "textDocument/completion" => with(server, params, f::completion::completion),
        "textDocument/signatureHelp" => with(server, params, f::signature::signature_help),
        "textDocument/documentSymbol" => with(server, params, f::symbols::document_symbols),
        "textDocument/formatting" => with(server, params, f::formatting::document),
        "textDocument/rangeFormatting" => with(server, params, f::formatting::range),
        "textDocument/onTypeFormatting" => with(server, params, f::formatting::on_type),
        "textDocument/prepareRename" => at_or(server, params, f::rename::prepare),
        "textDocument/rename" => with_or(server, params, f::rename::rename),
        "textDocument/inlayHint" => with(server, params, f::inlay_hints::inlay_hints),
        "textDocument/foldingRange" => with(server, params, f::structure::folding),
        "textDocument/selectionRange" => with(server, params, f::structure::selection),
        "textDocument/documentLink" => with(server, params, f::links::links),
        "textDocument/linkedEditingRange" => at(server, params, f::links::linked_editing),
        "textDocument/prepareCallHierarchy" => at(server, params, f::call_hierarchy::prepare),
        "callHierarchy/incomingCalls" => with(server, params, f::call_hierarchy::incoming),
        "callHierarchy/outgoingCalls" => with(server, params, f::call_hierarchy::outgoing),
        "textDocument/codeLens" => with(server, params, f::code_lens::code_lens),
        "textDocument/codeAction" => with(server, params, f::code_actions::code_actions),
        "textDocument/semanticTokens/full" => {
            let params: SemanticTokensParams = parse(params)?;
            let snapshot = snapshot(server, &params.text_document.uri)?;
            json(f::semantic_tokens::full(&snapshot, &mut server.tokens))
        }
        "textDocument/semanticTokens/full/delta" => {
            let params: SemanticTokensDeltaParams = parse(params)?;
            let snapshot = snapshot(server, &params.text_document.uri)?;
            json(f::semantic_tokens::delta(&snapshot, &params.previous_result_id, &mut server.tokens))
        }
        "textDocument/semanticTokens/range" => with(server, params, f::semantic_tokens::range),
        "textDocument/diagnostic" => f::pull::document(server, parse(params)?),
        "workspace/symbol" => f::symbols::workspace_symbols(server, parse(params)?),
        "workspace/executeCommand" => f::commands::execute(server, parse(params)?),
        _ => Err(Refusal::new(ErrorCode::MethodNotFound, format!("there is no method `{method}`"))),
    }
}

/// Takes a notification.
pub(crate) fn notification(server: &mut Server, notification: Notification) -> Result<(), String> {
    let Notification { method, params } = notification;
    let wrong = |error: serde_json::Error| error.to_string();
    match method.as_str() {
        "initialized" => server.initialized(),
        "textDocument/didOpen" => {
            let params: DidOpenTextDocumentParams = serde_json::from_value(params).map_err(wrong)?;
            let path = path_of(&params.text_document.uri)?;
            let encoding = server.workspace.encoding;
            server.workspace.documents.open(path.clone(), &params.text_document.text, params.text_document.version, encoding);
            server.workspace.touch(&path);
            server.stale();
        }
        "textDocument/didChange" => {
            let params: DidChangeTextDocumentParams = serde_json::from_value(params).map_err(wrong)?;
            let path = path_of(&params.text_document.uri)?;
            if !server.workspace.documents.change(&path, params.text_document.version, params.content_changes) {
                return Err(format!("{} is not open", path.display()));
            }
            server.workspace.touch(&path);
            server.changed(&params.text_document.uri);
            server.stale();
        }
        "textDocument/didClose" => {
            let params: DidCloseTextDocumentParams = serde_json::from_value(params).map_err(wrong)?;
            let path = path_of(&params.text_document.uri)?;
            server.workspace.documents.close(&path);
            let log = server.logger();
            server.workspace.changed_on_disk(&[path], &*log);
            server.stale();
        }
        "textDocument/didSave" => {
            let params: DidSaveTextDocumentParams = serde_json::from_value(params).map_err(wrong)?;
            let path = path_of(&params.text_document.uri)?;
            let log = server.logger();
            server.workspace.changed_on_disk(&[path], &*log);
            server.stale();
        }
        "workspace/didChangeWatchedFiles" => {
            let params: DidChangeWatchedFilesParams = serde_json::from_value(params).map_err(wrong)?;
            let paths: Vec<PathBuf> = params.changes.iter().filter_map(|change| uri::to_path(&change.uri)).collect();
            let log = server.logger();
            server.workspace.changed_on_disk(&paths, &*log);
            server.stale();
        }
        "workspace/didChangeWorkspaceFolders" => {
            let params: DidChangeWorkspaceFoldersParams = serde_json::from_value(params).map_err(wrong)?;
            let removed: Vec<PathBuf> = params.event.removed.iter().filter_map(|folder| uri::to_path(&folder.uri)).collect();
            server.workspace.folders.retain(|folder| !removed.contains(folder));
            server.workspace.folders.extend(params.event.added.iter().filter_map(|folder| uri::to_path(&folder.uri)));
            server.stale();
        }
        "workspace/didChangeConfiguration" => {
            let params: DidChangeConfigurationParams = serde_json::from_value(params).map_err(wrong)?;
            if params.settings.is_null() {
                server.ask_for_settings();
            } else {
                server.configure(&params.settings);
            }
        }
        // Those that begin so may be passed over.
        method if method.starts_with("$/") => {}
        _ => return Err("there is no such notification".to_owned()),
    }
    Ok(())
}

fn path_of(uri: &Uri) -> Result<PathBuf, String> {
    uri::to_path(uri).ok_or_else(|| format!("`{}` is not the address of a file", uri.as_str()))
}

pub(crate) fn parse<P: DeserializeOwned>(params: Value) -> Result<P, Refusal> {
    serde_json::from_value(params).map_err(|error| Refusal::new(ErrorCode::InvalidParams, error.to_string()))
}

pub(crate) fn json(result: impl Serialize) -> Answered {
    let value = serde_json::to_value(result).map_err(|error| Refusal::new(ErrorCode::InternalError, error.to_string()))?;
    Ok(Answer::Now(value))
}

pub(crate) fn snapshot(server: &mut Server, uri: &Uri) -> Result<Snapshot, Refusal> {
    let path = path_of(uri).map_err(|message| Refusal::new(ErrorCode::InvalidParams, message))?;
    Ok(server.workspace.snapshot(&path)?)
}

/// The address in the parameters of a request about a document, wherever the protocol puts it.
fn document_of(params: &Value) -> Result<Uri, Refusal> {
    let holders = [params.get("textDocument"), params.get("item")];
    let uri = holders.into_iter().flatten().find_map(|holder| holder.get("uri")).cloned().unwrap_or_default();
    parse(uri)
}

/// Answers a request about a document.
fn with<P: DeserializeOwned, R: Serialize>(server: &mut Server, params: Value, answer: fn(&Snapshot, P) -> R) -> Answered {
    let uri = document_of(&params)?;
    let params = parse(params)?;
    let snapshot = snapshot(server, &uri)?;
    json(answer(&snapshot, params))
}

/// Answers a request about a document that can be refused.
fn with_or<P: DeserializeOwned, R: Serialize>(
    server: &mut Server,
    params: Value,
    answer: fn(&Snapshot, P) -> Result<R, String>,
) -> Answered {
    let uri = document_of(&params)?;
    let params = parse(params)?;
    let snapshot = snapshot(server, &uri)?;
    json(answer(&snapshot, params)?)
}

/// Answers a request about a place.
fn at<R: Serialize>(server: &mut Server, params: Value, answer: fn(&Snapshot, u32) -> R) -> Answered {
    let params: TextDocumentPositionParams = parse(params)?;
    let snapshot = snapshot(server, &params.text_document.uri)?;
    let offset = snapshot.offset(params.position);
    json(answer(&snapshot, offset))
}

/// Answers a request about a place that can be refused.
fn at_or<R: Serialize>(server: &mut Server, params: Value, answer: fn(&Snapshot, u32) -> Result<R, String>) -> Answered {
    let params: TextDocumentPositionParams = parse(params)?;
    let snapshot = snapshot(server, &params.text_document.uri)?;
    let offset = snapshot.offset(params.position);
    json(answer(&snapshot, offset)?)
}
