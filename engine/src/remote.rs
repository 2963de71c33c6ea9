//! A machine that a worker works on: plans catalogs there and carries plans out, as the engine does here.
//!
//! What comes from the worker is not trusted: a plan has to be one of the catalog that was sent, events have to be about its
//! resources, and a worker that is silent for too long is given up.

use std::collections::{BTreeSet, HashMap};
use std::io::{Read, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use stead_catalog::{Blob, Catalog, Map, Plan, ResourceId, Value};

use crate::facts::FactProgram;
use crate::frames::{
    self, Answer, CheckKind, Frame, FrameError, PIECE, PlanRequest, Problem, Request, Wanted, WireCatalog, WireLedgerEntry,
    WireProgram, WireRun,
};
use crate::journal::unhex;
use crate::{Cancel, LedgerEntry, RunRecord, SavedPlan};

mod error;
mod past;
mod run;

pub use error::{Refusal, RemoteError, SshProblem};
pub use past::{UndoRequest, WayBack};
pub use run::{RemoteApply, Story};

/// How often the worker is told that somebody is there.
const BEAT: Duration = Duration::from_secs(5);
/// How long a worker may be silent; it says that it is there every few seconds.
const SILENCE: Duration = Duration::from_secs(45);
/// Frames that wait to be sent.
const QUEUE: usize = 8;
/// Answers that wait to be taken; a worker that talks on waits then.
const ANSWERS: usize = 64;

/// A worker on a machine, and the way to it.
pub struct Remote {
    to: SyncSender<Vec<u8>>,
    from: Receiver<Result<Answer, FrameError>>,
    shared: Arc<Shared>,
    /// How long it may take until one question is answered, whatever comes meanwhile.
    limit: Duration,
    /// Nobody waits for answers any more.
    cancel: Arc<Cancel>,
    /// The version of the worker's program.
    pub version: String,
    /// The machine's architecture.
    pub arch: String,
    /// The user that the worker works as.
    pub uid: u32,
    /// The newest run in the machine's journal.
    pub last_run: Option<RunRecord>,
    /// What the machine tells about itself; its types are still to be checked.
    pub facts: Map,
    /// What the machine could not tell, in its words.
    pub problems: Vec<String>,
}

/// What a machine is asked after its greeting.
#[derive(Clone, Debug, Default)]
pub struct Questions {
    /// Programs that tell a fact each.
    pub programs: Vec<FactProgram>,
    /// The project whose ledger is asked for.
    pub ledger: Option<String>,
}

/// What a machine answers to that.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// What the programs told; its types are still to be checked.
    pub facts: Map,
    /// What they did not tell, in the machine's words.
    pub problems: Vec<String>,
    /// What the project made there and did not take away again.
    pub ledger: Vec<LedgerEntry>,
}

struct Shared {
    heard: Mutex<Instant>,
    /// Ends the way to the worker.
    hang_up: Box<dyn Fn() + Send + Sync>,
}

/// A plan that a worker has made.
#[derive(Clone, Debug)]
pub struct RemotePlan {
    /// The plan.
    pub plan: Plan,
    /// The same as a saved plan, to hold a later run to it.
    pub saved: SavedPlan,
}

/// What is looked at on a machine, to see whether something works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthCheck {
    /// A command that has to succeed.
    Exec(Vec<Arc<str>>),
    /// A service that has to be active.
    Service(Arc<str>),
}

impl Remote {
    /// Talks to a worker that has written its first line. Waits for its greeting and its facts. A worker that takes longer than `limit`
    /// with an answer is given up, but for a run that goes on.
    ///
    /// # Errors
    /// When it is gone, says something else, or cannot tell its facts.
    pub fn greet(
        input: Box<dyn Read + Send>,
        output: Box<dyn Write + Send>,
        hang_up: Box<dyn Fn() + Send + Sync>,
        limit: Duration,
    ) -> Result<Self, RemoteError> {
        Self::greet_until(input, output, hang_up, limit, Arc::default())
    }

    /// As [`Remote::greet`]; it is not waited for any longer when that is cancelled.
    pub(crate) fn greet_until(
        input: Box<dyn Read + Send>,
        output: Box<dyn Write + Send>,
        hang_up: Box<dyn Fn() + Send + Sync>,
        limit: Duration,
        cancel: Arc<Cancel>,
    ) -> Result<Self, RemoteError> {
        let shared = Arc::new(Shared { heard: Mutex::new(Instant::now()), hang_up });
        let (to, outgoing) = mpsc::sync_channel(QUEUE);
        let (tell, from) = mpsc::sync_channel(ANSWERS);
        let reading = shared.clone();
        thread::spawn(move || read_all(input, &tell, &reading));
        thread::spawn(move || write_all(output, &outgoing));
        let mut remote = Self {
            to,
            from,
            shared,
            limit,
            cancel,
            version: String::new(),
            arch: String::new(),
            uid: 0,
            last_run: None,
            facts: Map::new(),
            problems: Vec::new(),
        };
        let until = Instant::now() + limit;
        match remote.next(until)? {
            Answer::Hello { version, arch, uid, last_run } => {
                (remote.version, remote.arch, remote.uid) = (version, arch, uid);
                remote.last_run = last_run.map(WireRun::read).transpose()?;
            }
            other => return Err(unexpected(other)),
        }
        match remote.next(until)? {
            Answer::Facts { facts, problems } => (remote.facts, remote.problems) = (frames::facts(facts)?, problems),
            other => return Err(unexpected(other)),
        }
        Ok(remote)
    }

    /// Asks programs there for facts, and what a project has made there.
    ///
    /// # Errors
    /// When the worker is gone or the journal cannot be read.
    pub fn ask(&mut self, questions: &Questions) -> Result<Answers, RemoteError> {
        let program = |program: &FactProgram| WireProgram {
            name: program.name.clone(),
            argv: program.argv.clone(),
            timeout_ns: frames::nanoseconds(program.timeout),
        };
        let programs = questions.programs.iter().map(program).collect();
        let until = self.send(&Request::Tell { programs, ledger: questions.ledger.clone() })?;
        // They run side by side, for as long as the project allows.
        let longest = questions.programs.iter().map(|program| program.timeout).max().unwrap_or_default();
        match self.next(until + longest)? {
            Answer::Told { facts, problems, ledger } => {
                let mut facts = frames::facts(facts)?;
                // Nothing counts that was not asked for.
                facts.retain(|name, _| questions.programs.iter().any(|program| program.name == *name));
                let ledger = ledger.into_iter().map(WireLedgerEntry::read).collect::<Result<_, _>>()?;
                Ok(Answers { facts, problems, ledger })
            }
            other => Err(unexpected(other)),
        }
    }

    /// Sends a request. Returns until when its answer has to be there.
    fn send(&self, request: &Request) -> Result<Instant, RemoteError> {
        let until = Instant::now() + self.limit;
        self.send_frame(frames::encode(request)?, until)?;
        Ok(until)
    }

    fn send_frame(&self, mut frame: Vec<u8>, until: Instant) -> Result<(), RemoteError> {
        loop {
            match self.to.try_send(frame) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => return Err(RemoteError::Lost { run: None }),
                Err(TrySendError::Full(back)) => {
                    frame = back;
                    self.give_up_when_silent()?;
                    self.give_up_when_late(until)?;
                    thread::sleep(Duration::from_millis(2));
                }
            }
        }
    }

    fn give_up_when_silent(&self) -> Result<(), RemoteError> {
        if self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < SILENCE {
            return Ok(());
        }
        (self.shared.hang_up)();
        Err(RemoteError::Lost { run: None })
    }

    /// A worker that says again and again that it is there, and nothing else, does not hold up everybody.
    fn give_up_when_late(&self, until: Instant) -> Result<(), RemoteError> {
        let error = if self.cancel.is_cancelled() {
            RemoteError::given_up()
        } else if Instant::now() >= until {
            RemoteError::too_slow(self.limit)
        } else {
            return Ok(());
        };
        (self.shared.hang_up)();
        Err(error)
    }

    /// The next answer that says something; `None` when none came in time.
    fn next_within(&self, limit: Duration) -> Result<Option<Answer>, RemoteError> {
        match self.from.recv_timeout(limit) {
            Ok(Ok(answer)) => Ok(Some(answer)),
            Ok(Err(error)) => Err(error.into()),
            Err(RecvTimeoutError::Disconnected) => Err(RemoteError::Lost { run: None }),
            Err(RecvTimeoutError::Timeout) => {
                self.give_up_when_silent()?;
                Ok(None)
            }
        }
    }

    fn next(&self, until: Instant) -> Result<Answer, RemoteError> {
        loop {
            if let Some(answer) = self.next_within(Duration::from_millis(250))? {
                return Ok(answer);
            }
            self.give_up_when_late(until)?;
        }
    }

    /// Sends a catalog, with what the machine does not have of its contents, and returns what would change.
    /// `remember` notes in the machine's journal what is as it shall be, when nothing is to be done.
    ///
    /// # Errors
    /// When the worker is gone, cannot plan, or answers with something else than a plan of this catalog.
    pub fn plan(&mut self, catalog: &Catalog, fetch: bool, remember: bool) -> Result<RemotePlan, RemoteError> {
        let request = PlanRequest { catalog: WireCatalog::of(catalog), fetch, remember };
        match self.ask_about(catalog, &Request::Plan(Box::new(request)))? {
            Answer::Planned { plan, saved } => {
                let plan = plan.read()?;
                is_of(&plan, catalog)?;
                let saved = saved_of(&saved, catalog)?;
                Ok(RemotePlan { plan, saved })
            }
            other => Err(unexpected(other)),
        }
    }

    /// Asks something about a catalog that goes with the question; sends what the machine does not have of its contents.
    fn ask_about(&mut self, catalog: &Catalog, request: &Request) -> Result<Answer, RemoteError> {
        let until = self.send(request)?;
        let mut contents = None;
        loop {
            match self.next(until)? {
                Answer::Need { contents: wanted } if !wanted.is_empty() => {
                    let contents = contents.get_or_insert_with(|| contents_of(catalog));
                    for wanted in wanted {
                        self.send_content(contents, &wanted, until)?;
                    }
                }
                answer => return Ok(answer),
            }
        }
    }

    fn send_content(
        &self,
        contents: &mut HashMap<[u8; 32], Arc<Blob>>,
        wanted: &Wanted,
        until: Instant,
    ) -> Result<(), RemoteError> {
        let hash = frames::content_hash(&wanted.hash)?;
        // Only what is in this catalog is handed out, and once: who asks again asks for ever.
        let blob = contents
            .remove(&hash)
            .ok_or_else(|| FrameError::malformed("a content was asked for that is not in the catalog, or again"))?;
        let mut offset = usize::try_from(wanted.offset).unwrap_or(usize::MAX);
        if offset > blob.bytes.len() {
            return Err(FrameError::malformed("a content was asked for beyond its end").into());
        }
        // An empty piece ends a content that was all there but for its last word.
        loop {
            let end = (offset + PIECE).min(blob.bytes.len());
            self.send_frame(frames::encode_piece(&hash, offset as u64, &blob.bytes[offset..end])?, until)?;
            offset = end;
            if offset == blob.bytes.len() {
                return Ok(());
            }
        }
    }

    /// Looks whether something works on the machine. `Err` of the inner result says why not, in words.
    ///
    /// # Errors
    /// When the worker is gone.
    pub fn check(&mut self, check: &HealthCheck, timeout: Duration) -> Result<Result<(), String>, RemoteError> {
        let kind = match check {
            HealthCheck::Exec(argv) => CheckKind::Exec { argv: argv.clone() },
            HealthCheck::Service(unit) => CheckKind::Service { unit: unit.clone() },
        };
        let until = self.send(&Request::Check { kind, timeout_ns: frames::nanoseconds(timeout) })?;
        match self.next(until)? {
            Answer::Checked { is_good: true, .. } => Ok(Ok(())),
            Answer::Checked { message, .. } => Ok(Err(message)),
            other => Err(unexpected(other)),
        }
    }

    /// Says whether the worker is still there, as far as can be told without asking.
    pub fn is_there(&self) -> bool {
        match self.from.try_recv() {
            Ok(_) | Err(mpsc::TryRecvError::Disconnected) => false,
            Err(mpsc::TryRecvError::Empty) => self.give_up_when_silent().is_ok(),
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if let Ok(frame) = frames::encode(&Request::Bye {}) {
            let _ = self.to.try_send(frame);
        }
    }
}

fn read_all(mut input: Box<dyn Read + Send>, tell: &SyncSender<Result<Answer, FrameError>>, shared: &Shared) {
    loop {
        let answer = match frames::read(&mut *input) {
            Ok(Frame::Message(body)) => frames::decode::<Answer>(&body),
            Ok(Frame::Piece { .. }) => Err(FrameError::malformed("a piece of a content from a worker")),
            Err(error) => Err(error),
        };
        *shared.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        if let Ok(Answer::Beat {}) = answer {
            continue;
        }
        let is_over = answer.is_err();
        if tell.send(answer).is_err() || is_over {
            return;
        }
    }
}

fn write_all(mut output: Box<dyn Write + Send>, outgoing: &Receiver<Vec<u8>>) {
    loop {
        let frame = match outgoing.recv_timeout(BEAT) {
            Ok(frame) => frame,
            Err(RecvTimeoutError::Timeout) => match frames::encode(&Request::Beat {}) {
                Ok(frame) => frame,
                Err(_) => return,
            },
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if frames::write(&mut *output, &frame).is_err() {
            return;
        }
    }
}

/// Every content in a catalog that may be asked for.
fn contents_of(catalog: &Catalog) -> HashMap<[u8; 32], Arc<Blob>> {
    fn collect(value: &Value, found: &mut HashMap<[u8; 32], Arc<Blob>>) {
        match value {
            Value::Blob(blob) => {
                found.insert(blob.hash, blob.clone());
            }
            Value::List(items) => items.iter().for_each(|item| collect(item, found)),
            Value::Map(map) => map.values().for_each(|value| collect(value, found)),
            // What is secret went with the catalog, and is handed out to no question.
            _ => {}
        }
    }
    let mut found = HashMap::new();
    for (_, value) in catalog.resources.iter().flat_map(|resource| resource.attributes.iter()) {
        collect(value, &mut found);
    }
    found
}

/// A plan has each resource of its catalog once, and no other.
fn is_of(plan: &Plan, catalog: &Catalog) -> Result<(), FrameError> {
    let wanted: BTreeSet<&ResourceId> = catalog.resources.iter().map(|resource| &resource.id).collect();
    let planned: BTreeSet<&ResourceId> = plan.resources.iter().map(|entry| &entry.id).collect();
    let is_whole = wanted == planned && plan.resources.len() == catalog.resources.len();
    if !is_whole || plan.node != catalog.node || plan.catalog_hash != *catalog.hash().as_bytes() {
        return Err(FrameError::malformed("a plan of another catalog"));
    }
    Ok(())
}

/// A saved plan is for the catalog that was sent, on the machine itself. It goes into a file with those of other nodes, where it must not
/// stand for one of them.
fn saved_of(saved: &str, catalog: &Catalog) -> Result<SavedPlan, FrameError> {
    let saved = unhex(saved).and_then(|bytes| SavedPlan::decode(&bytes).ok());
    let saved = saved.ok_or_else(|| FrameError::malformed("a plan without its saved form"))?;
    let is_whole_machine = saved.root == "/" && saved.undoes.is_none();
    if saved.node != *catalog.node || saved.catalog_hash != *catalog.hash().as_bytes() || !is_whole_machine {
        return Err(FrameError::malformed("a saved plan of another catalog"));
    }
    // Where it was compiled from is known here, and the file says it once.
    Ok(SavedPlan { project: String::new(), selection: Vec::new(), ..saved })
}

fn unexpected(answer: Answer) -> RemoteError {
    match answer {
        Answer::Failed(problem) => RemoteError::Refused(problem.into()),
        _ => FrameError::malformed("an answer to something else").into(),
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { code: problem.code.into(), message: problem.message, hint: problem.hint }
    }
}

#[cfg(test)]
mod tests;
