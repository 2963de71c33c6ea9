//! What the server says to the client by itself: settings, registrations, progress, and how it is said.

use std::sync::{Arc, PoisonError};

use lsp_server::{Message, Notification, Request, RequestId, Response};
use serde_json::{Value, json};

use super::{Refusal, Server};
use crate::config::Config;
use crate::transport;

impl Server {
    /// Says whether the client asks for the diagnostics of open documents, and again when it is told to: what compiling finds comes later.
    pub(crate) fn pulls(&self) -> bool {
        self.can_refresh_diagnostics && self.capabilities.text_document.as_ref().is_some_and(|text| text.diagnostic.is_some())
    }

    pub(super) fn refresh_client(&mut self) {
        let Some(workspace) = self.capabilities.workspace.clone() else { return };
        if self.pulls() {
            self.ask("workspace/diagnostic/refresh", Value::Null);
        }
        if workspace.inlay_hint.and_then(|one| one.refresh_support) == Some(true) {
            self.ask("workspace/inlayHint/refresh", Value::Null);
        }
        if workspace.code_lens.and_then(|one| one.refresh_support) == Some(true) {
            self.ask("workspace/codeLens/refresh", Value::Null);
        }
    }

    /// Says that documents or files are not what they were.
    pub(crate) fn stale(&mut self) {
        self.is_stale = true;
    }

    /// Registers for what the client does not tell by itself, and asks for the settings.
    pub(crate) fn initialized(&mut self) {
        let workspace = self.capabilities.workspace.clone().unwrap_or_default();
        let mut registrations = Vec::new();
        if workspace.did_change_watched_files.and_then(|one| one.dynamic_registration) == Some(true) {
            let watchers = json!({ "watchers": [{ "globPattern": "**/*" }] });
            registrations
                .push(json!({ "id": "files", "method": "workspace/didChangeWatchedFiles", "registerOptions": watchers }));
        }
        if workspace.did_change_configuration.and_then(|one| one.dynamic_registration) == Some(true) {
            let section = json!({ "section": "stead" });
            registrations
                .push(json!({ "id": "settings", "method": "workspace/didChangeConfiguration", "registerOptions": section }));
        }
        if !registrations.is_empty() {
            self.ask("client/registerCapability", json!({ "registrations": registrations }));
        }
        self.ask_for_settings();
    }

    pub(crate) fn ask_for_settings(&mut self) {
        if self.capabilities.workspace.as_ref().and_then(|one| one.configuration) == Some(true) {
            self.ask("workspace/configuration", json!({ "items": [{ "section": "stead" }] }));
        }
    }

    /// Takes settings over.
    pub(crate) fn configure(&mut self, value: &Value) {
        match Config::from_json(value) {
            Some(config) if config == *self.workspace.config => {}
            Some(config) => {
                self.workspace.config = Arc::new(config);
                self.workspace.reconfigured();
                self.stale();
                self.refresh_client();
            }
            None => self.log("the settings are not understood and were left as they are"),
        }
    }

    pub(super) fn response(&mut self, response: Response) {
        let Some(method) = self.asked.remove(&response.id) else { return };
        match response.response_result {
            Ok(value) if method == "workspace/configuration" => {
                if let Some(settings) = value.get(0) {
                    self.configure(settings);
                }
            }
            Ok(_) => {}
            Err(error) => self.log(&format!("{method}: the client says: {}", error.message)),
        }
    }

    /// Tells that something takes long, and whether a person can end it before.
    pub(super) fn begin_progress(&mut self, title: &str, is_cancellable: bool) -> Option<String> {
        let window = self.capabilities.window.as_ref()?;
        if window.work_done_progress != Some(true) {
            return None;
        }
        let token = format!("stead-{}", self.next_id);
        self.ask("window/workDoneProgress/create", json!({ "token": token }));
        self.notify(
            "$/progress",
            json!({ "token": token, "value": { "kind": "begin", "title": title, "cancellable": is_cancellable } }),
        );
        Some(token)
    }

    pub(super) fn end_progress(&mut self, token: Option<String>) {
        if let Some(token) = token {
            self.notify("$/progress", json!({ "token": token, "value": { "kind": "end" } }));
        }
    }

    fn ask(&mut self, method: &'static str, params: Value) {
        self.next_id += 1;
        let id = RequestId::from(self.next_id);
        self.asked.insert(id.clone(), method);
        self.send(Request { id, method: method.to_owned(), params }.into());
    }

    pub(super) fn notify(&self, method: &str, params: impl serde::Serialize) {
        match serde_json::to_value(params) {
            Ok(params) => self.send(Notification { method: method.to_owned(), params }.into()),
            Err(error) => self.log(&format!("{method}: {error}")),
        }
    }

    pub(super) fn refuse(&self, id: RequestId, refusal: &Refusal) {
        self.send(Response::new_err(id, refusal.code as i32, refusal.message.clone()).into());
    }

    pub(super) fn send(&self, message: Message) {
        // A client that is gone is noticed when nothing more comes from it.
        let _ = transport::write(&mut *self.output.lock().unwrap_or_else(PoisonError::into_inner), &message);
    }
}
