//! What comes before everything else: `initialize`.

use std::path::PathBuf;
use std::sync::PoisonError;
use std::sync::mpsc::Receiver;

use lsp_server::{ErrorCode, Message, RequestId, Response};
use lsp_types::InitializeParams;
use serde_json::Value;

use super::{Event, Log, Output};
use crate::transport::{self, Incoming};
use crate::uri;

/// What the client wants to begin with.
pub(super) struct Asked {
    pub(super) id: RequestId,
    pub(super) params: InitializeParams,
    /// The client has a word for this that the types of the protocol spell otherwise.
    pub(super) can_refresh_diagnostics: bool,
}

/// Waits for `initialize`; what comes before is refused.
pub(super) fn initialize(receiver: &Receiver<Event>, output: &Output, log: &Log) -> Option<Asked> {
    let send = |message: Message| {
        let _ = transport::write(&mut *output.lock().unwrap_or_else(PoisonError::into_inner), &message);
    };
    loop {
        match receiver.recv().ok()? {
            Event::Incoming(Incoming::Message(Message::Request(request))) if request.method == "initialize" => {
                let can_refresh = request.params.pointer("/capabilities/workspace/diagnostics/refreshSupport");
                let can_refresh_diagnostics = can_refresh == Some(&Value::Bool(true));
                match serde_json::from_value(request.params) {
                    Ok(params) => return Some(Asked { id: request.id, params, can_refresh_diagnostics }),
                    Err(error) => {
                        let response = Response::new_err(request.id, ErrorCode::InvalidParams as i32, error.to_string());
                        send(response.into());
                    }
                }
            }
            Event::Incoming(Incoming::Message(Message::Request(request))) => {
                let code = ErrorCode::ServerNotInitialized as i32;
                send(Response::new_err(request.id, code, "`initialize` comes first".to_owned()).into());
            }
            Event::Incoming(Incoming::Message(Message::Notification(one))) if one.method == "exit" => return None,
            Event::Incoming(Incoming::Malformed(reason)) => {
                log(&format!("malformed message: {reason}"));
                let _ = transport::write_parse_error(&mut *output.lock().unwrap_or_else(PoisonError::into_inner), &reason);
            }
            Event::Incoming(Incoming::Closed) => return None,
            _ => {}
        }
    }
}

/// The folders that are open.
pub(super) fn folders(params: &InitializeParams) -> Vec<PathBuf> {
    if let Some(folders) = &params.workspace_folders {
        return folders.iter().filter_map(|folder| uri::to_path(&folder.uri)).collect();
    }
    #[expect(deprecated, reason = "clients of before 3.6 say only this")]
    let root = params.root_uri.as_ref().and_then(uri::to_path);
    root.into_iter().collect()
}
