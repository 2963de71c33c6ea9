//! A machine that a worker works on: plans catalogs there and carries plans out, as the engine does here.
//!
//! What comes from the worker is not trusted: a plan has to be one of the catalog that was sent, events have to be about its
//! resources, and a worker that is silent for too long is given up.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Read, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use stead_catalog::{Blob, Catalog, Map, OutcomeKind, Plan, PlannedResource, ResourceId, Value};

use crate::facts::FactProgram;
use crate::frames::{
    self, Answer, CheckKind, Frame, FrameError, PIECE, PlanRequest, Problem, Request, Wanted, WireCatalog, WireEvent,
    WireLedgerEntry, WireProgram, WireRun,
};
use crate::journal::{hex, unhex};
use crate::{Cancel, Counts, Event, Events, LedgerEntry, Outcome, Retention, RunReport, SavedPlan};

mod error;

pub use error::{Refusal, RemoteError, SshProblem};

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
    pub last_run: Option<RemoteRun>,
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

/// A run in the journal of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteRun {
    /// Its number there.
    pub id: i64,
    /// The node it was for.
    pub node: String,
    /// `running done failed cancelled interrupted`.
    pub status: String,
    /// Resources whose change had begun and not ended.
    pub unfinished: Vec<String>,
    /// How many changes it made.
    pub changes: u32,
    /// How many of them failed.
    pub failures: u32,
}

/// What the journal of a machine tells about a run.
#[derive(Clone, Debug)]
pub struct Story {
    /// The run.
    pub run: RemoteRun,
    /// What became of each resource that it touched.
    pub changes: Vec<StoryChange>,
}

/// What became of a resource, as the journal of its machine has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryChange {
    /// The resource.
    pub resource: ResourceId,
    /// How it ended; `None` when it did not.
    pub outcome: Option<OutcomeKind>,
    /// The failure's code.
    pub code: Option<String>,
    /// The failure in words.
    pub message: Option<String>,
}

/// What is looked at on a machine, to see whether something works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthCheck {
    /// A command that has to succeed.
    Exec(Vec<Arc<str>>),
    /// A service that has to be active.
    Service(Arc<str>),
}

/// How a remote run is carried out.
#[derive(Clone, Debug, Default)]
pub struct RemoteApply {
    /// What is not as it says is stopped.
    pub saved: Option<SavedPlan>,
    /// What is left as it is, whatever the plan says.
    pub withheld: Vec<ResourceId>,
    /// Commands are traced.
    pub audit: bool,
    /// What the machine's journal keeps.
    pub retention: Retention,
    /// The project in whose ledger it is noted what is made.
    pub ledger: Option<String>,
    /// Ends the run early.
    pub cancel: Arc<Cancel>,
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
                remote.last_run = last_run.map(RemoteRun::from);
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
        let until = self.send(&Request::Plan(Box::new(request)))?;
        let mut contents = None;
        loop {
            match self.next(until)? {
                Answer::Need { contents: wanted } if !wanted.is_empty() => {
                    let contents = contents.get_or_insert_with(|| contents_of(catalog));
                    for wanted in wanted {
                        self.send_content(contents, &wanted, until)?;
                    }
                }
                Answer::Planned { plan, saved } => {
                    let plan = plan.read()?;
                    is_of(&plan, catalog)?;
                    let saved = saved_of(&saved, catalog)?;
                    return Ok(RemotePlan { plan, saved });
                }
                Answer::Failed(problem) => return Err(RemoteError::Refused(problem.into())),
                other => return Err(unexpected(other)),
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

    /// Carries out the plan that was made last. Events come as they come from a run on this machine.
    ///
    /// # Errors
    /// When the run did not begin, or the worker is gone: [`RemoteError::Lost`] names the run then, whose story the worker's machine keeps.
    pub fn apply(&mut self, plan: &Plan, options: &RemoteApply, events: &dyn Events) -> Result<RunReport, RemoteError> {
        let begun = Instant::now();
        self.send(&Request::Apply {
            saved: options.saved.as_ref().and_then(|saved| saved.encode().ok()).map(|bytes| hex(&bytes)),
            audit: options.audit,
            max_size: Some(options.retention.max_size),
            max_age_ns: options.retention.max_age.map(frames::nanoseconds),
            withheld: options.withheld.iter().map(|id| (id.type_name.clone(), id.name.clone())).collect(),
            ledger: options.ledger.clone(),
        })?;
        let mut run = Following { plan, run: None, results: BTreeMap::new() };
        let mut asked = 0;
        loop {
            let wanted = u8::from(options.cancel.is_cancelled()) + u8::from(options.cancel.is_aborted());
            while asked < wanted {
                self.send(&Request::Cancel {})?;
                asked += 1;
            }
            let lost = |error: RemoteError| match error {
                RemoteError::Lost { .. } => RemoteError::Lost { run: run.run },
                other => other,
            };
            match self.next_within(Duration::from_millis(200)).map_err(lost)? {
                None => events.rest(),
                Some(Answer::Event(event)) => {
                    if let Some(report) = run.take(event, events, begun)? {
                        return Ok(report);
                    }
                }
                Some(Answer::Failed(problem)) => return Err(RemoteError::Refused(problem.into())),
                Some(other) => return Err(unexpected(other)),
            }
        }
    }

    /// Asks what became of a run. Waits for one that still finishes what it has in hand. `None` when the journal has no such run.
    ///
    /// # Errors
    /// When the worker is gone or the journal cannot be read.
    pub fn story(&mut self, run: i64) -> Result<Option<Story>, RemoteError> {
        let until = self.send(&Request::Report { run })?;
        match self.next(until)? {
            Answer::Report { run: None, .. } => Ok(None),
            Answer::Report { run: Some(run), changes } => {
                let change = |change: frames::WireChangeRecord| {
                    let (type_name, name) = change.resource?;
                    let outcome = change.outcome.as_deref().and_then(OutcomeKind::from_name);
                    let resource = ResourceId { type_name, name };
                    Some(StoryChange { resource, outcome, code: change.code.map(String::from), message: change.message })
                };
                Ok(Some(Story { run: run.into(), changes: changes.into_iter().filter_map(change).collect() }))
            }
            other => Err(unexpected(other)),
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

/// A run that is followed by its events.
struct Following<'a> {
    plan: &'a Plan,
    run: Option<i64>,
    results: BTreeMap<usize, (PlannedResource, Outcome)>,
}

impl Following<'_> {
    fn planned(&self, at: usize) -> Result<&PlannedResource, FrameError> {
        self.plan.resources.get(at).ok_or_else(|| FrameError::malformed("an event about a resource that is not in the plan"))
    }

    /// Passes an event on. The last one gives the report.
    fn take(&mut self, event: WireEvent, events: &dyn Events, begun: Instant) -> Result<Option<RunReport>, RemoteError> {
        match event {
            WireEvent::Warning { code, message } => events.event(&Event::Warning { code: code.as_str(), message }),
            WireEvent::RunStarted { run, resources } => {
                self.run = run;
                events.event(&Event::RunStarted { run, resources });
            }
            WireEvent::Started { at } => events.event(&Event::ResourceStarted { resource: self.planned(at)? }),
            WireEvent::Retried { at, attempt, attempts, message } => {
                events.event(&Event::ResourceRetried { resource: self.planned(at)?, attempt, attempts, message });
            }
            WireEvent::Finished { at, resource, outcome } => {
                let planned = self.planned(at)?;
                let resource = match resource {
                    None => planned.clone(),
                    // What is declared where is known here.
                    Some(told) => PlannedResource { id: planned.id.clone(), source: planned.source.clone(), ..told.read()? },
                };
                let outcome = outcome.read()?;
                events.event(&Event::ResourceFinished { resource: &resource, outcome: &outcome });
                self.results.insert(at, (resource, outcome));
            }
            WireEvent::Reacting { at, because } => {
                let because = because.into_iter().map(frames::read_cause).collect::<Result<Vec<_>, _>>()?;
                events.event(&Event::ReactionStarted { resource: self.planned(at)?, because: &because });
            }
            WireEvent::Reacted { at, because, failure, duration_ns } => {
                let because = because.into_iter().map(frames::read_cause).collect::<Result<Vec<_>, _>>()?;
                let failure = failure.as_ref().map(|(code, message)| (code.as_str(), message.as_str()));
                let duration = Duration::from_nanos(duration_ns);
                events.event(&Event::ReactionFinished { resource: self.planned(at)?, because: &because, failure, duration });
            }
            WireEvent::Undeclared { at, path, effect } => {
                let written = frames::written(path, &effect)?;
                events.event(&Event::UndeclaredWrite { resource: self.planned(at)?, written: &written });
            }
            WireEvent::RunFinished { run, pending, cancelled, .. } => {
                if self.results.len() != self.plan.resources.len() {
                    return Err(FrameError::malformed("a run that ended without telling of every resource").into());
                }
                let pending = pending.into_iter().map(frames::read_pending).collect::<Result<Vec<_>, _>>()?;
                let results = std::mem::take(&mut self.results).into_values().collect();
                let report = RunReport { run, results, pending, cancelled, duration: begun.elapsed() };
                events.event(&Event::RunFinished { report: &report });
                return Ok(Some(report));
            }
        }
        Ok(None)
    }
}

impl From<WireRun> for RemoteRun {
    fn from(run: WireRun) -> Self {
        let WireRun { id, node, status, unfinished, changes, failures, .. } = run;
        Self { id, node, status, unfinished, changes, failures }
    }
}

impl Story {
    /// Counts the outcomes of what the run touched.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for change in &self.changes {
            match change.outcome {
                Some(OutcomeKind::Unchanged) => counts.unchanged += 1,
                Some(OutcomeKind::Changed) => counts.changed += 1,
                Some(OutcomeKind::Failed) => counts.failed += 1,
                Some(OutcomeKind::NotConverged) => counts.not_converged += 1,
                Some(OutcomeKind::Skipped) | None => counts.skipped += 1,
            }
        }
        counts
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { code: problem.code.into(), message: problem.message, hint: problem.hint }
    }
}

#[cfg(test)]
mod tests;
