//! The loop: messages in their order, diagnostics when nothing is waiting, results of background work when they come.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response};
use lsp_types::{ClientCapabilities, InitializeParams, PublishDiagnosticsParams};
use serde_json::{Value, json};

use crate::config::Config;
use crate::text::Encoding;
use crate::transport::{self, Incoming};
use crate::workspace::{Compiled, Key, Workspace};
use crate::{Host, diagnostics, dispatch, uri};

/// A project that takes longer than this to look at is not looked at after each keystroke.
const SLOW: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What the loop reacts to.
enum Event {
    Incoming(Incoming),
    /// `None` where it was stopped.
    Compiled(Key, Option<Compiled>),
    /// A long command is done.
    Done(RequestId, Result<Value, String>),
}

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
pub(crate) type Task = Box<dyn FnOnce() -> Result<Value, String> + Send>;

/// The answer to a request: now, or later.
pub(crate) enum Answer {
    Now(Value),
    Later(&'static str, Task),
}

type Log = Arc<dyn Fn(&str) + Send + Sync>;
type Output = Arc<Mutex<Box<dyn Write + Send>>>;

pub(crate) struct Server {
    pub(crate) workspace: Workspace,
    pub(crate) capabilities: ClientCapabilities,
    can_refresh_diagnostics: bool,
    output: Output,
    log: Log,
    events: Sender<Event>,
    queue: VecDeque<Message>,
    cancelled: HashSet<RequestId>,
    /// Long commands that run, with the tokens of their progress.
    tasks: BTreeMap<RequestId, Option<String>>,
    /// The projects that are being compiled.
    compiling: BTreeSet<Key>,
    /// The requests to the client that wait for an answer, by what they are for.
    asked: BTreeMap<RequestId, &'static str>,
    next_id: i32,
    is_shut_down: bool,
    /// Files whose diagnostics may differ from what was sent.
    is_stale: bool,
    /// The text version of answers to `semanticTokens`, for deltas.
    pub(crate) tokens: crate::features::semantic_tokens::Kept,
}

pub(crate) fn serve(
    host: Arc<dyn Host>,
    mut input: impl BufRead + Send + 'static,
    output: impl Write + Send + 'static,
    log: Log,
) -> bool {
    let (events, receiver) = channel();
    let reader = events.clone();
    std::thread::spawn(move || {
        loop {
            let incoming = transport::read(&mut input);
            let is_end = matches!(incoming, Incoming::Closed);
            if reader.send(Event::Incoming(incoming)).is_err() || is_end {
                break;
            }
        }
    });
    let output: Output = Arc::new(Mutex::new(Box::new(output)));
    let Some(asked) = initialize(&receiver, &output, &log) else { return false };
    let mut server = Server::new(host, asked, output, log, events);
    server.run(&receiver)
}

/// What the client wants to begin with.
struct Asked {
    id: RequestId,
    params: InitializeParams,
    /// The client has a word for this that the types of the protocol spell otherwise.
    can_refresh_diagnostics: bool,
}

/// Waits for `initialize`; what comes before is refused.
fn initialize(receiver: &Receiver<Event>, output: &Output, log: &Log) -> Option<Asked> {
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

impl Server {
    fn new(
        host: Arc<dyn Host>,
        Asked { id, params, can_refresh_diagnostics }: Asked,
        output: Output,
        log: Log,
        events: Sender<Event>,
    ) -> Self {
        let offered = params.capabilities.general.as_ref().and_then(|general| general.position_encodings.as_deref());
        let mut workspace = Workspace::new(host, Encoding::agree(offered));
        workspace.folders = folders(&params);
        let completion = params.capabilities.text_document.as_ref().and_then(|text| text.completion.as_ref());
        let item = completion.and_then(|completion| completion.completion_item.as_ref());
        workspace.takes_snippets = item.and_then(|item| item.snippet_support) == Some(true);
        if let Some(config) = params.initialization_options.as_ref().and_then(Config::from_json) {
            workspace.config = Arc::new(config);
        }
        let server = Self {
            workspace,
            capabilities: params.capabilities,
            can_refresh_diagnostics,
            output,
            log,
            events,
            queue: VecDeque::new(),
            cancelled: HashSet::new(),
            tasks: BTreeMap::new(),
            compiling: BTreeSet::new(),
            asked: BTreeMap::new(),
            next_id: 0,
            is_shut_down: false,
            is_stale: true,
            tokens: crate::features::semantic_tokens::Kept::default(),
        };
        let result = dispatch::initialize_result(&server);
        server.send(Response::new_ok(id, result).into());
        server
    }

    /// Runs until the client is gone. Returns whether it was shut down first.
    fn run(&mut self, receiver: &Receiver<Event>) -> bool {
        loop {
            while let Ok(event) = receiver.try_recv() {
                if self.take(event).is_break() {
                    return self.is_shut_down;
                }
            }
            if let Some(message) = self.queue.pop_front() {
                if self.handle(message).is_break() {
                    return self.is_shut_down;
                }
                continue;
            }
            if self.is_stale {
                // Where looking takes long, a pause in the typing is worth waiting for.
                if let Some(pause) = self.pause()
                    && let Ok(event) = receiver.recv_timeout(pause)
                {
                    if self.take(event).is_break() {
                        return self.is_shut_down;
                    }
                    continue;
                }
                self.is_stale = false;
                self.look_again();
                continue;
            }
            match receiver.recv_timeout(Duration::from_secs(3600)) {
                Ok(event) => {
                    if self.take(event).is_break() {
                        return self.is_shut_down;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.is_shut_down,
            }
        }
    }

    /// Says whether to look at a project takes long enough to be noticed.
    fn is_slow(&self) -> bool {
        self.workspace.took >= SLOW
    }

    /// How long to wait for the next keystroke before the project is looked at.
    fn pause(&self) -> Option<Duration> {
        self.is_slow().then(|| (self.workspace.took / 4).min(LONGEST_PAUSE))
    }

    fn take(&mut self, event: Event) -> std::ops::ControlFlow<()> {
        match event {
            Event::Incoming(Incoming::Message(Message::Notification(one))) if one.method == "$/cancelRequest" => {
                self.cancel(&one)
            }
            Event::Incoming(Incoming::Message(message)) => self.queue.push_back(message),
            Event::Incoming(Incoming::Malformed(reason)) => {
                self.log(&format!("malformed message: {reason}"));
                let _ = transport::write_parse_error(&mut *self.output.lock().unwrap_or_else(PoisonError::into_inner), &reason);
            }
            Event::Incoming(Incoming::Closed) => return std::ops::ControlFlow::Break(()),
            Event::Compiled(key, compiled) => self.compiled(&key, compiled),
            Event::Done(id, result) => self.done(id, result),
        }
        std::ops::ControlFlow::Continue(())
    }

    fn cancel(&mut self, notification: &Notification) {
        let Some(id) = notification.params.get("id").and_then(|id| serde_json::from_value::<RequestId>(id.clone()).ok()) else {
            return;
        };
        let is_waiting = self.queue.iter().any(|message| matches!(message, Message::Request(request) if request.id == id));
        if is_waiting {
            self.cancelled.insert(id);
        } else if let Some(token) = self.tasks.remove(&id) {
            self.end_progress(token);
            self.refuse(id, &Refusal::new(ErrorCode::RequestCanceled, "the request was cancelled"));
        }
    }

    fn handle(&mut self, message: Message) -> std::ops::ControlFlow<()> {
        match message {
            Message::Request(request) => self.request(request),
            Message::Notification(notification) => {
                if notification.method == "exit" {
                    return std::ops::ControlFlow::Break(());
                }
                let method = notification.method.clone();
                let handled = catch_unwind(AssertUnwindSafe(|| dispatch::notification(self, notification)));
                match handled {
                    Ok(Ok(())) => {}
                    Ok(Err(reason)) => self.log(&format!("{method}: {reason}")),
                    Err(_) => self.log(&format!("{method}: internal error")),
                }
            }
            Message::Response(response) => self.response(response),
        }
        std::ops::ControlFlow::Continue(())
    }

    fn request(&mut self, request: Request) {
        let (id, method) = (request.id.clone(), request.method.clone());
        if self.cancelled.remove(&id) {
            return self.refuse(id, &Refusal::new(ErrorCode::RequestCanceled, "the request was cancelled"));
        }
        if self.is_shut_down {
            return self.refuse(id, &Refusal::new(ErrorCode::InvalidRequest, "the server was shut down"));
        }
        if self.is_slow() && is_outdated(&request, &self.queue) {
            return self.refuse(id, &Refusal::new(ErrorCode::ContentModified, "the document was changed meanwhile"));
        }
        if method == "shutdown" {
            self.is_shut_down = true;
            return self.send(Response::new_ok(id, Value::Null).into());
        }
        // The last defence: a mistake in one feature is told and costs no more than its answer.
        match catch_unwind(AssertUnwindSafe(|| dispatch::request(self, request))) {
            Ok(Ok(Answer::Now(value))) => self.send(Response::new_ok(id, value).into()),
            Ok(Ok(Answer::Later(title, task))) => self.start(id, title, task),
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

    fn start(&mut self, id: RequestId, title: &str, task: Task) {
        let token = self.begin_progress(title);
        self.tasks.insert(id.clone(), token);
        let events = self.events.clone();
        std::thread::spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(task)).unwrap_or_else(|_| Err("internal error".to_owned()));
            let _ = events.send(Event::Done(id, result));
        });
    }

    fn done(&mut self, id: RequestId, result: Result<Value, String>) {
        // A cancelled one was answered.
        let Some(token) = self.tasks.remove(&id) else { return };
        self.end_progress(token);
        match result {
            Ok(value) => self.send(Response::new_ok(id, value).into()),
            Err(message) => self.refuse(id, &message.into()),
        }
    }

    /// Brings the projects of open documents and folders up to date and sends what is wrong; compiling goes on in the background.
    fn look_again(&mut self) {
        for (key, state) in self.workspace.forget_unused() {
            for file in &state.published {
                if let Some(uri) = uri::of_path(&key.root.join(&**file)) {
                    self.notify("textDocument/publishDiagnostics", PublishDiagnosticsParams::new(uri, Vec::new(), None));
                }
            }
        }
        let mut keys: BTreeSet<Key> = self.workspace.keys().into_iter().collect();
        keys.extend(self.workspace.documents.iter().filter_map(|(path, _)| Some(self.workspace.locate(path)?.0)));
        let folders = self.workspace.folders.iter().filter(|folder| folder.join("stead.toml").is_file());
        keys.extend(folders.map(|folder| Key { root: folder.clone(), file: None }));
        for key in keys {
            let is_new = self.workspace.state(&key).is_none();
            let token = if is_new { self.begin_progress("Loading") } else { None };
            match catch_unwind(AssertUnwindSafe(|| self.workspace.refresh(&key))) {
                Ok(Ok(_)) => {
                    self.tell_unread(&key);
                    if self.workspace.state_mut(&key).is_some_and(crate::workspace::State::is_news) {
                        self.publish(&key);
                        self.compile(&key);
                    }
                }
                Ok(Err(reason)) => self.log(&format!("{}: {reason}", key.root.display())),
                Err(_) => self.log(&format!("{}: internal error", key.root.display())),
            }
            self.end_progress(token);
        }
    }

    /// Logs which inventories are not known, each once.
    fn tell_unread(&mut self, key: &Key) {
        let unread = self.workspace.state_mut(key).map(crate::workspace::State::unread).unwrap_or_default();
        unread.iter().for_each(|reason| self.log(reason));
    }

    /// Starts to compile a project for the known nodes, unless that runs; then it is started again when it is done. What is out of date
    /// already will be looked at again first.
    fn compile(&mut self, key: &Key) {
        let is_done = self.workspace.state(key).is_none_or(|state| state.is_stale() || state.current().is_some());
        if is_done || self.compiling.contains(key) {
            return;
        }
        let log = self.log.clone();
        let Some(work) = self.workspace.work(key, &*log) else { return };
        self.compiling.insert(key.clone());
        let (events, key) = (self.events.clone(), key.clone());
        std::thread::spawn(move || {
            if let Ok(compiled) = catch_unwind(AssertUnwindSafe(|| work.run())) {
                let _ = events.send(Event::Compiled(key, compiled));
            } else {
                log("compiling: internal error");
                // Tried again when the project is another.
                let _ = events.send(Event::Compiled(key, Some(work.failed())));
            }
        });
    }

    fn compiled(&mut self, key: &Key, compiled: Option<Compiled>) {
        self.compiling.remove(key);
        let Some(state) = self.workspace.state_mut(key) else { return };
        let Some(compiled) = compiled else { return self.compile(key) };
        let is_current = compiled.generation == state.generation && !state.is_stale();
        state.compiled = Some(Arc::new(compiled));
        if is_current {
            self.publish(key);
            self.refresh_client();
        } else {
            self.compile(key);
        }
    }

    /// Sends the diagnostics of a project: all where it was compiled, else those that do not need it.
    fn publish(&mut self, key: &Key) {
        let Ok(snapshot) = self.workspace.whole(key) else { return };
        let Some(state) = self.workspace.state(key) else { return };
        let found = match state.current() {
            Some(compiled) => compiled.diagnostics.clone(),
            None => snapshot.project.diagnostics().to_vec(),
        };
        let mut sorted = diagnostics::by_file(&snapshot, &found);
        if self.pulls() {
            // The client asks for these itself.
            sorted.retain(|file, _| self.workspace.documents.get(&key.root.join(&**file)).is_none());
        }
        let files: BTreeSet<Arc<str>> = sorted.keys().cloned().collect();
        let Some(state) = self.workspace.state_mut(key) else { return };
        let before = std::mem::replace(&mut state.published, files.clone());
        // Open documents are told that nothing is wrong as well.
        let open: Vec<Arc<str>> = match self.pulls() {
            true => Vec::new(),
            false => self
                .workspace
                .documents
                .iter()
                .filter_map(|(path, _)| self.workspace.locate(path).filter(|(own, _)| own == key).map(|(_, name)| name))
                .collect(),
        };
        for file in before.union(&files).cloned().chain(open).collect::<BTreeSet<_>>() {
            let Some(uri) = snapshot.uri(&file) else { continue };
            let version = self.workspace.documents.get(&key.root.join(&*file)).map(|document| document.version);
            let diagnostics = sorted.remove(&file).unwrap_or_default();
            self.notify("textDocument/publishDiagnostics", PublishDiagnosticsParams { uri, diagnostics, version });
        }
    }

    /// Says whether the client asks for the diagnostics of open documents, and again when it is told to: what compiling finds comes later.
    pub(crate) fn pulls(&self) -> bool {
        self.can_refresh_diagnostics && self.capabilities.text_document.as_ref().is_some_and(|text| text.diagnostic.is_some())
    }

    fn refresh_client(&mut self) {
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

    fn response(&mut self, response: Response) {
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

    fn begin_progress(&mut self, title: &str) -> Option<String> {
        let window = self.capabilities.window.as_ref()?;
        if window.work_done_progress != Some(true) {
            return None;
        }
        let token = format!("stead-{}", self.next_id);
        self.ask("window/workDoneProgress/create", json!({ "token": token }));
        self.notify("$/progress", json!({ "token": token, "value": { "kind": "begin", "title": title } }));
        Some(token)
    }

    fn end_progress(&mut self, token: Option<String>) {
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

    fn notify(&self, method: &str, params: impl serde::Serialize) {
        match serde_json::to_value(params) {
            Ok(params) => self.send(Notification { method: method.to_owned(), params }.into()),
            Err(error) => self.log(&format!("{method}: {error}")),
        }
    }

    fn refuse(&self, id: RequestId, refusal: &Refusal) {
        self.send(Response::new_err(id, refusal.code as i32, refusal.message.clone()).into());
    }

    fn send(&self, message: Message) {
        // A client that is gone is noticed when nothing more comes from it.
        let _ = transport::write(&mut *self.output.lock().unwrap_or_else(PoisonError::into_inner), &message);
    }

    pub(crate) fn log(&self, line: &str) {
        (self.log)(line);
    }

    pub(crate) fn logger(&self) -> Log {
        self.log.clone()
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

fn folders(params: &InitializeParams) -> Vec<PathBuf> {
    if let Some(folders) = &params.workspace_folders {
        return folders.iter().filter_map(|folder| uri::to_path(&folder.uri)).collect();
    }
    #[expect(deprecated, reason = "clients of before 3.6 say only this")]
    let root = params.root_uri.as_ref().and_then(uri::to_path);
    root.into_iter().collect()
}

#[cfg(test)]
mod tests {
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
}
