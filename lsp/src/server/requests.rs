//! Requests: answered in their order, cancelled, or kept until the file they are about is loaded.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response};
use lsp_types::Uri;
use serde_json::Value;

use super::{Event, Server};
use crate::{dispatch, uri};

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self::new(ErrorCode::RequestFailed, message)
    }
}

/// A long command: runs on a thread of its own.
pub(crate) struct Task {
    /// What it does, in a word.
    pub(crate) title: &'static str,
    pub(crate) run: Box<dyn FnOnce() -> Result<Value, String> + Send>,
    /// Set when nobody waits for it any more.
    pub(crate) stop: Arc<AtomicBool>,
}

/// A long command that runs.
pub(super) struct Running {
    /// That of its progress.
    token: Option<String>,
    stop: Arc<AtomicBool>,
}

/// The answer to a request: now, or later.
pub(crate) enum Answer {
    Now(Value),
    Later(Task),
}

impl Server {
    pub(super) fn cancel(&mut self, notification: &Notification) {
        let Some(id) = notification.params.get("id").and_then(|id| serde_json::from_value::<RequestId>(id.clone()).ok()) else {
            return;
        };
        let is_queued = self.queue.iter().any(|message| matches!(message, Message::Request(request) if request.id == id));
        if is_queued {
            self.cancelled.insert(id);
        } else if let Some(at) = self.waiting.iter().position(|request| request.id == id) {
            self.waiting.remove(at);
            self.refuse_cancelled(id);
        } else {
            self.cancel_task(id);
        }
    }

    /// A person pressed the button beside the progress of a command.
    pub(super) fn cancel_progress(&mut self, notification: &Notification) {
        let token = notification.params.get("token").and_then(Value::as_str);
        let of_token = |(_, task): &(&RequestId, &Running)| task.token.is_some() && task.token.as_deref() == token;
        if let Some(id) = self.tasks.iter().find(of_token).map(|(id, _)| id.clone()) {
            self.cancel_task(id);
        }
    }

    fn cancel_task(&mut self, id: RequestId) {
        if let Some(task) = self.tasks.remove(&id) {
            task.stop.store(true, Ordering::Relaxed);
            self.end_progress(task.token);
            self.refuse_cancelled(id);
        }
    }

    fn refuse_cancelled(&self, id: RequestId) {
        self.refuse(id, &Refusal::new(ErrorCode::RequestCanceled, "the request was cancelled"));
    }

    pub(super) fn request(&mut self, request: Request) {
        let (id, method) = (request.id.clone(), request.method.clone());
        if self.cancelled.remove(&id) {
            return self.refuse_cancelled(id);
        }
        if self.is_shut_down {
            return self.refuse(id, &Refusal::new(ErrorCode::InvalidRequest, "the server was shut down"));
        }
        if self.is_slow() && is_outdated(&request, &self.queue) {
            return self.refuse(id, &Refusal::new(ErrorCode::ContentModified, "the document was changed meanwhile"));
        }
        if method == "shutdown" {
            self.is_shut_down = true;
            for request in std::mem::take(&mut self.waiting) {
                self.refuse(request.id, &Refusal::new(ErrorCode::RequestCanceled, "the server was shut down"));
            }
            return self.send(Response::new_ok(id, Value::Null).into());
        }
        if self.has_to_wait(&request) {
            return self.waiting.push(request);
        }
        // The last defence: a mistake in one feature is told and costs no more than its answer.
        match catch_unwind(AssertUnwindSafe(|| dispatch::request(self, request))) {
            Ok(Ok(Answer::Now(value))) => self.send(Response::new_ok(id, value).into()),
            Ok(Ok(Answer::Later(task))) => self.start(id, task),
            Ok(Err(refusal)) => {
                self.log(&format!("{method}: {}", refusal.message));
                self.refuse(id, &refusal);
            }
            Err(_) => {
                self.log(&format!("{method}: internal error"));
                self.refuse(id, &Refusal::new(ErrorCode::InternalError, "internal error"));
            }
        }
    }

    fn start(&mut self, id: RequestId, task: Task) {
        let token = self.begin_progress(task.title, true);
        self.tasks.insert(id.clone(), Running { token, stop: task.stop });
        let (events, run) = (self.events.clone(), task.run);
        std::thread::spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("internal error".to_owned()));
            let _ = events.send(Event::Done(id, result));
        });
    }

    pub(super) fn done(&mut self, id: RequestId, result: Result<Value, String>) {
        // A cancelled one was answered.
        let Some(task) = self.tasks.remove(&id) else { return };
        self.end_progress(task.token);
        match result {
            Ok(value) => self.send(Response::new_ok(id, value).into()),
            Err(message) => self.refuse(id, &message.into()),
        }
    }

    /// Says whether a request is about a file whose text is not loaded yet, or about a project that has one.
    fn has_to_wait(&self, request: &Request) -> bool {
        let path = |pointer: &str| {
            let uri = serde_json::from_value(request.params.pointer(pointer)?.clone()).ok()?;
            uri::to_path(&uri)
        };
        match &*request.method {
            "workspace/executeCommand" => path("/arguments/0").is_some_and(|path| self.workspace.is_project_late(&path)),
            _ => ["/textDocument/uri", "/item/uri"]
                .iter()
                .filter_map(|pointer| path(pointer))
                .any(|path| self.workspace.is_late(&path)),
        }
    }

    /// Goes on with the requests that have waited long enough.
    pub(super) fn wake(&mut self) {
        let (still, ready): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|request| self.has_to_wait(request));
        self.waiting = still;
        ready.into_iter().rev().for_each(|request| self.queue.push_front(request.into()));
    }

    /// Refuses the requests that wait for the text of a document, which is another now.
    pub(crate) fn changed(&mut self, document: &Uri) {
        let is_about = |request: &Request| {
            let uri = request.params.pointer("/textDocument/uri");
            uri.and_then(Value::as_str) == Some(document.as_str())
        };
        let (outdated, still): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting).into_iter().partition(is_about);
        self.waiting = still;
        for request in outdated {
            self.refuse(request.id, &Refusal::new(ErrorCode::ContentModified, "the document was changed meanwhile"));
        }
    }

    /// Refuses everything that waits, where loading failed.
    pub(super) fn give_up_waiting(&mut self) {
        for request in std::mem::take(&mut self.waiting) {
            self.refuse(request.id, &Refusal::new(ErrorCode::InternalError, "internal error"));
        }
    }
}

/// Says whether a request is about a text that what waits behind it changes.
fn is_outdated(request: &Request, behind: &VecDeque<Message>) -> bool {
    let uri = |params: &Value| params.pointer("/textDocument/uri").cloned();
    let Some(asked) = uri(&request.params) else { return false };
    behind.iter().any(|message| match message {
        Message::Notification(one) => one.method == "textDocument/didChange" && uri(&one.params).as_ref() == Some(&asked),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write as _};
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_about_a_text_that_will_be_another_is_outdated() {
        let params = |uri: &str| json!({ "textDocument": { "uri": uri } });
        let request = |method: &str, params| Request { id: 1.into(), method: method.to_owned(), params };
        let notification = |method: &str, params| Message::from(Notification { method: method.to_owned(), params });
        let hover = request("textDocument/hover", params("file:///a"));
        let change = |uri: &str| VecDeque::from([notification("textDocument/didChange", params(uri))]);
        assert!(is_outdated(&hover, &change("file:///a")));
        assert!(!is_outdated(&hover, &change("file:///b")));
        assert!(!is_outdated(&hover, &VecDeque::from([notification("textDocument/didSave", params("file:///a"))])));
        assert!(!is_outdated(&request("workspace/symbol", json!({ "query": "" })), &change("file:///a")));
    }

    /// What a person does who has waited long enough for a plan.
    #[test]
    fn a_command_ends_where_its_progress_is_cancelled() {
        let (let_go, held) = channel();
        let host = Arc::new(crate::testing::Patient(Mutex::new(held)));
        let (input, mut client) = std::io::pipe().expect("a pipe");
        let (answers, output) = std::io::pipe().expect("a pipe");
        let server = std::thread::spawn(move || super::super::serve(host, BufReader::new(input), output, Arc::new(|_: &str| {})));
        let mut answers = BufReader::new(answers);
        let mut send = |message: Value| {
            let text = message.to_string();
            write!(client, "Content-Length: {}\r\n\r\n{text}", text.len()).expect("the server reads");
        };
        let mut until = |wanted: &dyn Fn(&Message) -> Option<Value>| loop {
            match crate::transport::read(&mut answers) {
                crate::transport::Incoming::Message(message) => {
                    if let Some(found) = wanted(&message) {
                        return found;
                    }
                }
                other => panic!("{other:?}"),
            }
        };
        let code_of = |id: i32| {
            move |message: &Message| match message {
                Message::Response(response) if response.id == id.into() => Some(match &response.response_result {
                    Ok(_) => Value::Null,
                    Err(error) => json!(error.code),
                }),
                _ => None,
            }
        };
        let capabilities = json!({ "window": { "workDoneProgress": true } });
        send(json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "capabilities": capabilities } }));
        send(json!({ "jsonrpc": "2.0", "method": "initialized", "params": {} }));
        let plan = json!({ "command": "stead.plan", "arguments": ["file:///alone/site.stead"] });
        send(json!({ "jsonrpc": "2.0", "id": 2, "method": "workspace/executeCommand", "params": plan }));
        let token = until(&|message| match message {
            Message::Notification(one) if one.params.pointer("/value/cancellable") == Some(&json!(true)) => {
                one.params.get("token").cloned()
            }
            _ => None,
        });
        send(json!({ "jsonrpc": "2.0", "method": "window/workDoneProgress/cancel", "params": { "token": token } }));
        assert_eq!(until(&code_of(2)), json!(-32800));
        let_go.send(()).expect("the plan waits");
        // The server goes on.
        send(json!({ "jsonrpc": "2.0", "id": 3, "method": "shutdown" }));
        assert_eq!(until(&code_of(3)), Value::Null);
        send(json!({ "jsonrpc": "2.0", "method": "exit" }));
        assert!(server.join().expect("the server ends"));
    }
}
