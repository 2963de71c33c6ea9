//! Writing the journal: one thread, which commits what has gathered as one transaction.
//!
//! Whoever needs a row to be on the disk waits for the answer. While one commit is being written the next group gathers,
//! so that ten thousand changes cost a handful of commits and a single one does not wait.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use stead_catalog::{Action, Attributes, Cause};

use super::blobs::INLINE;
use super::{Before, Blobs, Content, Detail, Journal, JournalError, NewEntry, RunStatus, now_ns, shown};
use crate::{ApplyError, OutcomeKind, PendingReaction};

/// Requests taken together at most.
const GROUP: usize = 4096;

/// What was there before, with content that the journal is to keep.
#[derive(Clone, Debug)]
pub(crate) struct NewBefore {
    pub(crate) before: Before,
    /// Size and content behind the hash in `before`.
    pub(crate) content: Option<(u64, Content)>,
}

/// What is there after a change.
#[derive(Clone, Debug)]
pub(crate) struct NewAfter {
    pub(crate) after: Before,
    /// Whether the content is a secret from now on; as it was where that is not said.
    pub(crate) is_secret: Option<bool>,
}

/// One thing to be written.
#[derive(Debug)]
pub(crate) enum Op {
    /// A change begins.
    Begin { sequence: u32, resource: Arc<str>, action: Action, detail: Detail },
    /// What was there before it.
    Before { sequence: u32, before: NewBefore },
    /// What is there after it.
    After { sequence: u32, after: NewAfter },
    /// A resource has reacted.
    Reacted { sequence: u32, because: Vec<Cause> },
    /// These resources are as they are wanted: a digest of what that is, and whether this run made them so.
    Applied(Vec<(String, [u8; 32], bool)>),
    /// The resources that a run changed are not any more as they were wanted.
    Unapplied { run: i64 },
    /// What was made is remembered.
    Made(NewEntry),
    /// What was remembered is not there any more, or nobody's business: all of these resources, or one thing of that name.
    Gone { project: String, resource: String, thing: Option<Attributes> },
    /// What a run made of these resources is gone, and what it took away is there again.
    Unmade { run: i64, resources: Vec<String> },
    /// A change is over.
    Finish { sequence: u32, outcome: OutcomeKind, code: Option<String>, message: Option<String> },
    /// A reaction is due.
    Due(PendingReaction),
    /// A reaction is not due any more.
    NotDue(PendingReaction),
}

/// What becomes of a request.
type Answer = Box<dyn FnOnce(Result<(), ApplyError>) + Send>;

struct Request {
    ops: Vec<Op>,
    answer: Answer,
}

/// What a run is known by.
#[derive(Clone, Debug)]
pub(crate) struct NewRun {
    pub(crate) node: Arc<str>,
    pub(crate) root: String,
    pub(crate) catalog_hash: [u8; 32],
    /// The saved plan it carries out.
    pub(crate) plan_id: Option<[u8; 32]>,
    pub(crate) token: u32,
    /// The run that it undoes.
    pub(crate) undoes: Option<i64>,
}

/// The writing end of the journal during one run.
#[derive(Debug)]
pub(crate) struct Writer {
    run: i64,
    sender: Option<Sender<Request>>,
    thread: Option<JoinHandle<Connection>>,
}

impl Journal {
    /// Marks runs that were killed, and returns them. The caller holds the lock, so that no run can be running.
    pub(crate) fn mark_interrupted(&self) -> Result<Vec<super::RunRecord>, JournalError> {
        let mut statement = self.connection.prepare("SELECT id FROM runs WHERE status = 'running' ORDER BY id")?;
        let ids: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let runs = ids.into_iter().filter_map(|id| self.run(id).transpose()).collect::<Result<Vec<_>, _>>()?;
        self.connection.execute("UPDATE runs SET status = 'interrupted' WHERE status = 'running'", [])?;
        Ok(runs.into_iter().map(|run| super::RunRecord { status: RunStatus::Interrupted, ..run }).collect())
    }

    /// Begins a run. With a saved plan, uses it up in the same transaction: `None` when it was used before.
    pub(crate) fn begin(mut self, run: &NewRun) -> Result<Option<Writer>, JournalError> {
        let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
        transaction.execute(
            "INSERT INTO runs (started_ns, node, root, catalog_hash, plan_id, status, token, pid, boot_id, process_start, version, undoes)
             VALUES (?1, ?2, ?3, ?4, ?5, 'running', ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                now_ns(),
                &*run.node,
                run.root,
                run.catalog_hash.as_slice(),
                run.plan_id.as_ref().map(<[u8; 32]>::as_slice),
                run.token,
                std::process::id(),
                boot_id(),
                process_start(),
                env!("CARGO_PKG_VERSION"),
                run.undoes,
            ],
        )?;
        let id = transaction.last_insert_rowid();
        if let Some(plan) = &run.plan_id {
            let used = transaction
                .execute("INSERT OR IGNORE INTO used_plans (id, run) VALUES (?1, ?2)", params![plan.as_slice(), id])?;
            if used == 0 {
                return Ok(None);
            }
        }
        transaction.commit()?;
        let (sender, receiver) = channel();
        let connection = self.connection;
        let blobs = Blobs::new(&self.state);
        let thread = thread::Builder::new().name("journal".into()).spawn(move || write(connection, &blobs, id, &receiver))?;
        Ok(Some(Writer { run: id, sender: Some(sender), thread: Some(thread) }))
    }
}

impl Writer {
    /// The run's number.
    pub(crate) fn run(&self) -> i64 {
        self.run
    }

    /// Writes some things together; the answer comes when they are on the disk.
    pub(crate) fn send(&self, ops: Vec<Op>, answer: impl FnOnce(Result<(), ApplyError>) + Send + 'static) {
        let request = Request { ops, answer: Box::new(answer) };
        let refused = match &self.sender {
            Some(sender) => sender.send(request).err().map(|refused| refused.0),
            None => Some(request),
        };
        if let Some(request) = refused {
            (request.answer)(Err(ApplyError::Journal { message: "its writer has ended".into() }));
        }
    }

    /// Writes some things together and waits until they are on the disk.
    ///
    /// # Errors
    /// [`ApplyError::Journal`].
    pub(crate) fn write(&self, ops: Vec<Op>) -> Result<(), ApplyError> {
        let (sender, receiver) = sync_channel(1);
        self.send(ops, move |result| drop(sender.send(result)));
        receiver.recv().unwrap_or_else(|_| Err(ApplyError::Journal { message: "its writer has ended".into() }))
    }

    /// Ends the run.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) fn finish(mut self, status: RunStatus) -> Result<(), JournalError> {
        drop(self.sender.take());
        let Some(connection) = self.thread.take().and_then(|thread| thread.join().ok()) else { return Ok(()) };
        let values = params![now_ns(), status.name(), self.run];
        connection.execute("UPDATE runs SET finished_ns = ?1, status = ?2 WHERE id = ?3", values)?;
        Ok(())
    }
}

/// The thread.
fn write(mut connection: Connection, blobs: &Blobs, run: i64, receiver: &Receiver<Request>) -> Connection {
    while let Ok(first) = receiver.recv() {
        let mut group = vec![first];
        group.extend(receiver.try_iter().take(GROUP));
        let result = commit(&mut connection, blobs, run, &group);
        for request in group {
            let result = match &result {
                Ok(()) => Ok(()),
                Err(error) => Err(ApplyError::Journal { message: error.to_string() }),
            };
            (request.answer)(result);
        }
    }
    connection
}

fn commit(connection: &mut Connection, blobs: &Blobs, run: i64, group: &[Request]) -> Result<(), JournalError> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let ops = || group.iter().flat_map(|request| &request.ops);
    let mut details = contents(&transaction, blobs, ops())?.into_iter();
    for op in ops() {
        put(&transaction, run, op, &mut details)?;
    }
    transaction.commit()?;
    Ok(())
}

/// What was shown of a change, as it is stored, and the hashes of its texts.
type StoredDetail = (String, Vec<u8>);

/// Keeps the contents that these hold, each once and in the order of their hashes: thousands that come as they like would
/// have the database turn to another page for each. Returns what is stored of each change that begins.
fn contents<'o>(
    to: &Transaction<'_>,
    blobs: &Blobs,
    ops: impl Iterator<Item = &'o Op>,
) -> Result<Vec<StoredDetail>, JournalError> {
    let mut contents: BTreeMap<[u8; 32], (u64, Content)> = BTreeMap::new();
    let mut details = Vec::new();
    for op in ops {
        match op {
            Op::Begin { detail, .. } => {
                let mut texts = Vec::new();
                let mut kept = Ok(());
                let stored = detail.store(|hash, text| {
                    texts.extend_from_slice(&hash);
                    let size = text.len() as u64;
                    if size <= INLINE {
                        contents.entry(hash).or_insert((size, Content::Inline(text.clone().into())));
                    } else if kept.is_ok() {
                        kept = blobs.keep_bytes(&hash, text.as_bytes());
                        contents.entry(hash).or_insert((size, Content::File));
                    }
                });
                kept?;
                details.push((stored, texts));
            }
            Op::Before {
                before: NewBefore { before: Before::Path { blob: Some(hash), .. }, content: Some((size, content)) },
                ..
            } => {
                contents.entry(*hash).or_insert_with(|| (*size, content.clone()));
            }
            _ => {}
        }
    }
    let mut statement = to.prepare_cached("INSERT OR IGNORE INTO blobs (hash, size, content) VALUES (?1, ?2, ?3)")?;
    for (hash, (size, content)) in contents {
        let content = match &content {
            Content::Inline(bytes) => Some(&**bytes),
            Content::File => None,
        };
        statement.execute(params![hash.as_slice(), i64::try_from(size).unwrap_or(i64::MAX), content])?;
    }
    Ok(details)
}

/// Writes one row. `details` has what is stored of the changes that begin, in their order.
fn put(to: &Transaction<'_>, run: i64, op: &Op, details: &mut impl Iterator<Item = StoredDetail>) -> Result<(), JournalError> {
    match op {
        Op::Begin { sequence, resource, action, detail } => {
            let (stored, texts) = details.next().unwrap_or_default();
            to.prepare_cached(
                "INSERT INTO changes (run, sequence, resource, action, started_ns, detail, texts, sensitive)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                run,
                sequence,
                &**resource,
                action.name(),
                now_ns(),
                stored,
                texts,
                detail.sensitive
            ])?;
        }
        Op::After { sequence, after } => {
            let (kind, name, state, digest) = row(&after.after)?;
            to.prepare_cached("INSERT INTO afters (run, sequence, kind, name, state, digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![run, sequence, kind, name, state, digest])?;
            if let (Before::Path { path, .. }, Some(is_secret)) = (&after.after, after.is_secret) {
                super::secret_paths::put(to, path, is_secret)?;
            }
        }
        Op::Reacted { sequence, because } => {
            let because = serde_json::to_string(&shown::causes(because)).unwrap_or_default();
            to.prepare_cached("UPDATE changes SET reacted = ?1 WHERE run = ?2 AND sequence = ?3")?
                .execute(params![because, run, sequence])?;
        }
        Op::Before { sequence, before } => put_before(to, run, *sequence, before)?,
        Op::Finish { sequence, outcome, code, message } => {
            to.prepare_cached(
                "UPDATE changes SET finished_ns = ?1, outcome = ?2, code = ?3, message = ?4 WHERE run = ?5 AND sequence = ?6",
            )?
            .execute(params![now_ns(), outcome.name(), code, message, run, sequence])?;
        }
        Op::Applied(resources) => {
            let mut statement = to.prepare_cached(
                "INSERT INTO applied (resource, wanted, run, at_ns) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (resource)
                 DO UPDATE SET wanted = ?2, run = ?3, at_ns = ?4 WHERE ?5 OR wanted <> ?2",
            )?;
            for (resource, wanted, changed) in resources {
                statement.execute(params![resource, wanted.as_slice(), changed.then_some(run), now_ns(), changed])?;
            }
        }
        Op::Unapplied { run } => {
            to.execute("DELETE FROM applied WHERE resource IN (SELECT resource FROM changes WHERE run = ?1)", [run])?;
        }
        Op::Made(entry) => super::ledger::put(to, run, entry)?,
        Op::Gone { project, resource, thing } => super::ledger::end(to, run, project, resource, thing.as_ref())?,
        Op::Unmade { run, resources } => super::ledger::undo(to, *run, resources)?,
        Op::Due(pending) => {
            to.prepare_cached("INSERT OR IGNORE INTO pending (resource, requisite, cause, run) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![
                    pending.resource.to_string(),
                    pending.cause.kind.name(),
                    pending.cause.resource.to_string(),
                    run
                ])?;
        }
        Op::NotDue(pending) => {
            to.prepare_cached("DELETE FROM pending WHERE resource = ?1 AND requisite = ?2 AND cause = ?3")?.execute(params![
                pending.resource.to_string(),
                pending.cause.kind.name(),
                pending.cause.resource.to_string()
            ])?;
        }
    }
    Ok(())
}

/// Remembers resources that were found to be as they are wanted.
pub(super) fn remember(connection: &mut Connection, resources: &[(String, [u8; 32])]) -> Result<(), JournalError> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    {
        let mut statement =
            transaction.prepare("INSERT OR REPLACE INTO applied (resource, wanted, run, at_ns) VALUES (?1, ?2, NULL, ?3)")?;
        for (resource, wanted) in resources {
            statement.execute(params![resource, wanted.as_slice(), now_ns()])?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn put_before(to: &Transaction<'_>, run: i64, sequence: u32, new: &NewBefore) -> Result<(), JournalError> {
    let (kind, name, state, blob) = row(&new.before)?;
    to.prepare_cached("INSERT INTO befores (run, sequence, kind, name, state, blob) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![run, sequence, kind, name, state, blob])?;
    Ok(())
}

/// Kind, name, state, digest of a content.
type Row<'a> = (&'a str, &'a [u8], String, Option<&'a [u8]>);

/// What stands in a row for something that was there.
fn row(thing: &Before) -> Result<Row<'_>, JournalError> {
    let failed = |error: serde_json::Error| JournalError::Io(error.into());
    Ok(match thing {
        Before::Path { path, state, blob } => {
            let state = serde_json::to_string(state).map_err(failed)?;
            ("path", path.as_os_str().as_bytes(), state, blob.as_ref().map(<[u8; 32]>::as_slice))
        }
        Before::Record { kind, name, state } => (kind, name.as_bytes(), state.to_string(), None),
    })
}

/// Tells this start of the machine from others; empty where the kernel does not say.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// When this process began, in clock ticks since the machine's start: with the pid, its identity.
fn process_start() -> i64 {
    let stat = std::fs::read_to_string(Path::new("/proc/self/stat")).unwrap_or_default();
    // The second field is the command in parentheses and may hold anything; the 22nd is the start time (proc(5)).
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after.split_whitespace().nth(19).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}
