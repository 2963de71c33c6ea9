//! The worker: what runs on a machine that an operator elsewhere works on. Reads requests from one pipe and answers on another.
//!
//! It tells its facts unasked, plans the catalog it is sent, and carries that plan out when it is told to. Contents it does not
//! have are asked for by their hash and kept in a cache. When the connection breaks in the middle of a run, the change in hand is
//! finished, nothing more is started, and the journal keeps the story until somebody asks for it.
//!
//! Nothing that is sent is written anywhere but where the catalog says, the journal, and the cache of contents, which never
//! holds a secret.

use std::collections::{BTreeSet, HashMap};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use stead_catalog::{Catalog, Map, Plan, PlannedResource, ResourceId};

use crate::frames::{
    self, Answer, CheckKind, Frame, FrameError, Problem, Request, WireEvent, WireLedgerEntry, WireMap, WireOutcome, WirePlanned,
    WireProgram, WireRun, WireValue,
};
use crate::journal::unhex;
use crate::remote::Refusal;
use crate::undo::Undo;
use crate::{
    ActiveState, ApplyOptions, Cancel, Event, Events, Journal, JournalError, Known, Observed, Planned, Probe, Registry,
    Retention, RootSpec, SavedPlan, World, apply, facts,
};

mod contents;
mod planning;
mod story;

use contents::Contents;

/// How often the worker says that it is there.
const BEAT: Duration = Duration::from_secs(5);
/// How long an operator may be silent before the connection counts as broken.
const SILENCE: Duration = Duration::from_secs(60);
/// How long the last words may take to get out.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Where a worker keeps what it needs, and what may stand in the way of a run.
pub struct WorkerOptions {
    /// The version of the program, for the operator to read.
    pub version: String,
    /// Where the journal and the lock are.
    pub state: PathBuf,
    /// Where contents and packages are kept; nowhere when `None`.
    pub cache: Option<PathBuf>,
    /// Asked to end the run, by a signal for instance.
    pub cancel: Arc<Cancel>,
    /// Says what stands in the way of a run on the machine with this state directory.
    pub hindrance: fn(&Path) -> Option<Refusal>,
}

/// The line that a worker begins with, with the version of the frames: whatever came before it on the pipe was somebody else's.
pub(crate) fn preamble(nonce: &str) -> String {
    format!("\nstead-{nonce} worker-frames 3\n")
}

/// Serves one operator until it says goodbye, or is gone.
///
/// # Errors
/// When what came is no frame. An operator that is gone is no error.
pub fn serve(
    input: Box<dyn Read + Send>,
    output: Box<dyn Write + Send>,
    nonce: &str,
    registry: &Registry,
    options: &WorkerOptions,
) -> Result<(), FrameError> {
    let (line, requests) = Line::open(input, output, nonce, options.cancel.clone());
    let contents = Contents::new(options.cache.as_deref());
    let mut worker = Worker { line, requests, registry, options, contents, held: None };
    let served = worker.serve();
    worker.line.flush(LAST_WORDS);
    match served {
        Err(FrameError::Closed | FrameError::Io(_)) => Ok(()),
        other => other,
    }
}

/// The pipe to the operator. Nobody waits for it: frames are written by a thread of its own.
#[derive(Clone)]
struct Line {
    out: Sender<Outgoing>,
    state: Arc<LineState>,
}

struct LineState {
    is_lost: AtomicBool,
    heard: Mutex<Instant>,
    cancel: Arc<Cancel>,
}

enum Outgoing {
    Frame(Vec<u8>),
    /// Everything before it has been written.
    Mark(Sender<()>),
}

enum Incoming {
    Request(Request),
    Piece { hash: [u8; 32], offset: u64, bytes: Vec<u8> },
    Broken(FrameError),
}

impl LineState {
    /// The operator is gone: the run finishes what it has in hand.
    fn lose(&self) {
        if !self.is_lost.swap(true, Ordering::SeqCst) && !self.cancel.is_cancelled() {
            self.cancel.ask();
        }
    }

    fn silence(&self) -> Duration {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

impl Line {
    fn open(
        mut input: Box<dyn Read + Send>,
        mut output: Box<dyn Write + Send>,
        nonce: &str,
        cancel: Arc<Cancel>,
    ) -> (Self, Receiver<Incoming>) {
        let state = Arc::new(LineState { is_lost: AtomicBool::new(false), heard: Mutex::new(Instant::now()), cancel });
        let (out, outgoing) = mpsc::channel();
        let (tell, incoming) = mpsc::channel();
        // The first line is out before anything is read: whoever spoke wrongly still learns to whom. It fits any pipe.
        if frames::write(&mut *output, preamble(nonce).as_bytes()).is_err() {
            state.lose();
        }
        let (reading, writing) = (state.clone(), state.clone());
        thread::spawn(move || write_all(&mut *output, &outgoing, &writing));
        thread::spawn(move || read_all(&mut *input, &tell, &reading));
        (Self { out, state }, incoming)
    }

    fn send(&self, answer: &Answer) {
        let frame = frames::encode(answer).or_else(|error| {
            frames::encode(&Answer::Failed(Problem {
                code: "worker-garbled".into(),
                message: format!("the answer cannot be sent: {error}"),
                hint: None,
            }))
        });
        if let Ok(frame) = frame {
            // The thread at the other end ends with the process.
            let _ = self.out.send(Outgoing::Frame(frame));
        }
    }

    fn flush(&self, limit: Duration) {
        let (done, marked) = mpsc::channel();
        if self.out.send(Outgoing::Mark(done)).is_ok() && !self.state.is_lost.load(Ordering::SeqCst) {
            let _ = marked.recv_timeout(limit);
        }
    }
}

fn write_all(output: &mut dyn Write, outgoing: &Receiver<Outgoing>, state: &LineState) {
    let mut next: Option<Vec<u8>> = None;
    loop {
        if let Some(frame) = next.take()
            && !state.is_lost.load(Ordering::SeqCst)
            && frames::write(output, &frame).is_err()
        {
            state.lose();
        }
        if state.silence() > SILENCE {
            state.lose();
        }
        match outgoing.recv_timeout(BEAT) {
            Ok(Outgoing::Frame(frame)) => next = Some(frame),
            Ok(Outgoing::Mark(done)) => {
                let _ = done.send(());
            }
            Err(RecvTimeoutError::Timeout) => next = frames::encode(&Answer::Beat {}).ok(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn read_all(input: &mut dyn Read, tell: &Sender<Incoming>, state: &LineState) {
    loop {
        let incoming = match frames::read(input) {
            Ok(Frame::Message(body)) => frames::decode(&body).map_or_else(Incoming::Broken, Incoming::Request),
            Ok(Frame::Piece { hash, offset, bytes }) => Incoming::Piece { hash, offset, bytes },
            Err(error) => Incoming::Broken(error),
        };
        *state.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        match incoming {
            Incoming::Request(Request::Beat {}) => {}
            Incoming::Request(Request::Cancel {}) => state.cancel.ask(),
            Incoming::Broken(error) => {
                state.lose();
                let _ = tell.send(Incoming::Broken(error));
                return;
            }
            other => {
                if tell.send(other).is_err() {
                    return;
                }
            }
        }
    }
}

/// A plan that waits to be carried out.
struct Held {
    catalog: Catalog,
    planned: Planned,
    /// It takes a run back.
    undo: Option<Box<Undo>>,
}

struct Worker<'a> {
    line: Line,
    requests: Receiver<Incoming>,
    registry: &'a Registry,
    options: &'a WorkerOptions,
    contents: Contents,
    held: Option<Held>,
}

impl Worker<'_> {
    fn serve(&mut self) -> Result<(), FrameError> {
        self.greet();
        loop {
            match self.next()? {
                Incoming::Request(request) => {
                    if !self.answer(request)? {
                        return Ok(());
                    }
                }
                // A piece of something that nobody waits for any more.
                Incoming::Piece { .. } => {}
                Incoming::Broken(error) => return Err(error),
            }
        }
    }

    /// Waits for the next request, and not for an operator that is gone.
    fn next(&self) -> Result<Incoming, FrameError> {
        loop {
            match self.requests.recv_timeout(BEAT) {
                Ok(incoming) => return Ok(incoming),
                Err(RecvTimeoutError::Timeout) if !self.line.state.is_lost.load(Ordering::SeqCst) => {}
                Err(_) => return Err(FrameError::Closed),
            }
        }
    }

    fn greet(&self) {
        let last_run = Journal::look(&self.options.state).ok().flatten().and_then(|journal| journal.last_run().ok().flatten());
        self.line.send(&Answer::Hello {
            version: self.options.version.clone(),
            arch: std::env::consts::ARCH.to_owned(),
            uid: rustix::process::geteuid().as_raw(),
            last_run: last_run.as_ref().map(WireRun::of),
        });
        let (facts, problems) = facts::tell(Path::new("/"));
        self.line.send(&Answer::Facts { facts: wire_facts(&facts), problems: words(&problems) });
    }

    /// Asks the operator's programs, as the user that the worker is, and looks into the ledger of its project.
    fn tell(&self, programs: Vec<WireProgram>, ledger: Option<&str>) {
        let of_project =
            |project: &str| Journal::look(&self.options.state)?.map_or(Ok(Vec::new()), |journal| journal.ledger(project));
        let ledger = match ledger.map_or(Ok(Vec::new()), of_project) {
            Ok(entries) => entries,
            Err(error) => return self.fail("journal-unreadable", error.to_string(), None),
        };
        let program =
            |WireProgram { name, argv, timeout_ns }| facts::FactProgram { name, argv, timeout: Duration::from_nanos(timeout_ns) };
        let programs: Vec<_> = programs.into_iter().map(program).collect();
        let (facts, problems) = facts::ask(&programs, Path::new("/"));
        let ledger = ledger.iter().map(WireLedgerEntry::of).collect();
        self.line.send(&Answer::Told { facts: wire_facts(&facts), problems: words(&problems), ledger });
    }

    /// Answers with what is in the journal.
    fn look_up(&self, found: Result<Answer, JournalError>) {
        match found {
            Ok(answer) => self.line.send(&answer),
            Err(error) => self.fail(error.code(), error.to_string(), error.hint()),
        }
    }

    fn fail(&self, code: &str, message: impl Into<String>, hint: Option<String>) {
        self.line.send(&Answer::Failed(Problem { code: code.into(), message: message.into(), hint }));
    }

    /// Answers a request. `false` when it was the last one.
    fn answer(&mut self, request: Request) -> Result<bool, FrameError> {
        match request {
            Request::Plan(request) => self.plan(*request)?,
            Request::Tell { programs, ledger } => self.tell(programs, ledger.as_deref()),
            Request::Apply { saved, audit, max_size, max_age_ns, withheld, ledger } => {
                let retention = Retention {
                    max_size: max_size.unwrap_or(Retention::default().max_size),
                    max_age: max_age_ns.map(Duration::from_nanos).or(Retention::default().max_age),
                };
                self.apply(saved.as_deref(), &withheld, audit, &retention, ledger);
            }
            Request::Undo(request) => self.undo(request),
            Request::Drift(request) => self.drift(*request)?,
            Request::History { limit } => self.look_up(story::history(&self.options.state, limit)),
            Request::Report { run, wait } => self.look_up(story::tell(&self.options.state, run, wait)),
            Request::Check { kind, timeout_ns } => {
                let (is_good, message) = check(&kind, Duration::from_nanos(timeout_ns), &self.options.cancel);
                self.line.send(&Answer::Checked { is_good, message });
            }
            Request::Bye {} => return Ok(false),
            Request::Beat {} | Request::Cancel {} => {}
        }
        Ok(true)
    }

    fn apply(
        &mut self,
        saved: Option<&str>,
        withheld: &[(Arc<str>, Arc<str>)],
        audit: bool,
        retention: &Retention,
        ledger: Option<String>,
    ) {
        let Some(Held { catalog, planned, undo }) = self.held.take() else {
            return self.fail("worker-garbled", "there is no plan to be carried out", None);
        };
        let state = &self.options.state;
        if let Some(Refusal { code, message, hint }) = (self.options.hindrance)(state) {
            return self.fail(&code, message, hint);
        }
        let saved = match saved.map(|text| unhex(text).ok_or(()).and_then(|bytes| SavedPlan::decode(&bytes).map_err(|_| ()))) {
            None => None,
            Some(Ok(saved)) => Some(saved),
            Some(Err(())) => return self.fail("plan-damaged", "the saved plan cannot be read", None),
        };
        let place = |(type_name, name): &(Arc<str>, Arc<str>)| {
            catalog.resources.iter().position(|resource| resource.id.type_name == *type_name && resource.id.name == *name)
        };
        let Some(withheld) = withheld.iter().map(place).collect::<Option<BTreeSet<usize>>>() else {
            return self.fail("worker-garbled", "what is not to be touched is not in the catalog", None);
        };
        let options = ApplyOptions {
            saved,
            withheld,
            cancel: self.options.cancel.clone(),
            audit,
            cache: self.options.cache.clone(),
            ledger,
            undoes: undo.as_ref().map(|undo| undo.run.id),
            undone: undo.as_ref().map(|undo| undo.resources.clone()).unwrap_or_default(),
            ..ApplyOptions::new(state.clone())
        };
        let registry = undo.as_ref().map_or(self.registry, |undo| &undo.registry);
        let teller = Teller::new(&self.line, &planned.plan);
        if let Err(error) = apply(&catalog, registry, &planned, &options, &teller) {
            return self.fail(error.code(), error.to_string(), error.hint());
        }
        // What is too much is dropped by the next run otherwise.
        let _ = Journal::collect(state, retention, false);
    }
}

fn wire_facts(facts: &Map) -> WireMap {
    facts.iter().map(|(key, value)| (key.clone(), WireValue::of(value, false))).collect()
}

fn words(problems: &[facts::FactsError]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// Looks whether something works. Returns why not, in words.
fn check(kind: &CheckKind, timeout: Duration, cancel: &Arc<Cancel>) -> (bool, String) {
    let world = match Observed::new(&RootSpec::Machine) {
        Ok(world) => world.cancelled_by(cancel.clone()),
        Err(error) => return (false, error.to_string()),
    };
    match kind {
        CheckKind::Exec { argv } => {
            let command = stead_catalog::Command::Argv(argv.clone());
            let probe = Probe { command, user: None, cwd: None, env: Vec::new(), timeout: Some(timeout) };
            match world.probe(&probe).and_then(Known::known) {
                Ok(outcome) if outcome.success => (true, String::new()),
                Ok(outcome) => (false, format!("`{}` ended with exit status {}", argv.join(" "), outcome.status)),
                Err(error) => (false, error.to_string()),
            }
        }
        CheckKind::Service { unit } => {
            let is_plain = !unit.contains('.');
            let name = if is_plain { format!("{unit}.service") } else { unit.to_string() };
            match world.unit(&name).and_then(Known::known) {
                Ok(state) if state.active == Known::Is(ActiveState::Active) => (true, String::new()),
                Ok(state) if !state.exists => (false, format!("there is no service {unit}")),
                Ok(_) => (false, format!("{unit} is not running")),
                Err(error) => (false, error.to_string()),
            }
        }
    }
}

/// Sends what happens in a run.
struct Teller<'a> {
    line: &'a Line,
    plan: &'a Plan,
    places: HashMap<&'a ResourceId, usize>,
}

impl<'a> Teller<'a> {
    fn new(line: &'a Line, plan: &'a Plan) -> Self {
        let places = plan.resources.iter().enumerate().map(|(at, entry)| (&entry.id, at)).collect();
        Self { line, plan, places }
    }

    fn at(&self, resource: &PlannedResource) -> usize {
        self.places.get(&resource.id).copied().unwrap_or(usize::MAX)
    }
}

impl Events for Teller<'_> {
    fn event(&self, event: &Event<'_>) {
        let event = match event {
            Event::Warning { code, message } => WireEvent::Warning { code: (*code).into(), message: message.clone() },
            Event::RunStarted { run, resources } => WireEvent::RunStarted { run: *run, resources: *resources },
            Event::ResourceStarted { resource } => WireEvent::Started { at: self.at(resource) },
            Event::ResourceRetried { resource, attempt, attempts, message } => {
                WireEvent::Retried { at: self.at(resource), attempt: *attempt, attempts: *attempts, message: message.clone() }
            }
            Event::ResourceFinished { resource, outcome } => {
                let at = self.at(resource);
                let is_as_planned = self.plan.resources.get(at).is_some_and(|planned| planned == *resource);
                let told = (!is_as_planned).then(|| Box::new(WirePlanned::of(resource)));
                WireEvent::Finished { at, resource: told, outcome: WireOutcome::of(outcome) }
            }
            Event::ReactionStarted { resource, because } => {
                WireEvent::Reacting { at: self.at(resource), because: because.iter().map(frames::cause).collect() }
            }
            Event::ReactionFinished { resource, because, failure, duration } => WireEvent::Reacted {
                at: self.at(resource),
                because: because.iter().map(frames::cause).collect(),
                failure: failure.map(|(code, message)| (code.into(), message.to_owned())),
                duration_ns: frames::nanoseconds(*duration),
            },
            Event::UndeclaredWrite { resource, written } => WireEvent::Undeclared {
                at: self.at(resource),
                path: written.path.to_string_lossy().into_owned(),
                effect: written.effect.name().to_owned(),
            },
            Event::RunFinished { report } => WireEvent::RunFinished {
                run: report.run,
                pending: report.pending.iter().map(frames::pending).collect(),
                cancelled: report.cancelled,
                duration_ns: frames::nanoseconds(report.duration),
            },
        };
        self.line.send(&Answer::Event(event));
    }
}
