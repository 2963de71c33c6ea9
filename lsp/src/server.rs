//! The loop: messages in their order, diagnostics when nothing is waiting, results of background work when they come.

mod client;
mod projects;
mod requests;
mod start;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lsp_server::{Message, Request, RequestId, Response};
use lsp_types::ClientCapabilities;
use serde_json::Value;

use crate::config::Config;
use crate::text::Encoding;
use crate::transport::{self, Incoming};
use crate::workspace::{Compiled, Key, Loaded, Workspace};
use crate::{Host, dispatch};
use requests::Running;
pub(crate) use requests::{Answer, Refusal, Task};
use start::{Asked, folders, initialize};

/// A project that takes longer than this to look at is not looked at after each keystroke.
const SLOW: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How long nothing is typed before a large file is loaded.
const PAUSE_FOR_LARGE: Duration = Duration::from_millis(300);

/// What the loop reacts to.
enum Event {
    Incoming(Incoming),
    /// `None` where it was stopped.
    Compiled(Key, Option<Compiled>),
    /// A project whose large files changed; `None` where that failed for no fault of the project.
    Loaded(Key, Option<Box<Loaded>>),
    /// A long command is done.
    Done(RequestId, Result<Value, String>),
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
    /// Requests about files that are being loaded.
    waiting: Vec<Request>,
    /// Long commands that run.
    tasks: BTreeMap<RequestId, Running>,
    /// The projects that are being compiled, with the tokens of their progress.
    compiling: BTreeMap<Key, Option<String>>,
    /// The projects that are being loaded, as well.
    loading: BTreeMap<Key, Option<String>>,
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
            waiting: Vec::new(),
            tasks: BTreeMap::new(),
            compiling: BTreeMap::new(),
            loading: BTreeMap::new(),
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
        if self.workspace.wants_to_load() {
            return Some(PAUSE_FOR_LARGE);
        }
        self.is_slow().then(|| (self.workspace.took / 4).min(LONGEST_PAUSE))
    }

    fn take(&mut self, event: Event) -> std::ops::ControlFlow<()> {
        match event {
            Event::Incoming(Incoming::Message(Message::Notification(one))) if one.method == "$/cancelRequest" => {
                self.cancel(&one)
            }
            Event::Incoming(Incoming::Message(Message::Notification(one))) if one.method == "window/workDoneProgress/cancel" => {
                self.cancel_progress(&one)
            }
            Event::Incoming(Incoming::Message(message)) => self.queue.push_back(message),
            Event::Incoming(Incoming::Malformed(reason)) => {
                self.log(&format!("malformed message: {reason}"));
                let _ = transport::write_parse_error(&mut *self.output.lock().unwrap_or_else(PoisonError::into_inner), &reason);
            }
            Event::Incoming(Incoming::Closed) => return std::ops::ControlFlow::Break(()),
            Event::Compiled(key, compiled) => self.compiled(&key, compiled),
            Event::Loaded(key, loaded) => self.loaded(&key, loaded.map(|loaded| *loaded)),
            Event::Done(id, result) => self.done(id, result),
        }
        std::ops::ControlFlow::Continue(())
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

    pub(crate) fn log(&self, line: &str) {
        (self.log)(line);
    }

    pub(crate) fn logger(&self) -> Log {
        self.log.clone()
    }
}
