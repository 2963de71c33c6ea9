//! Reading the journal: what runs there were and what each did.

use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{OptionalExtension, Row, params};
use stead_catalog::{Action, Cause, Change, PlannedResource, ResourceId, SourceLocation};

use super::shown::read_causes;
use super::{Before, Detail, Journal, JournalError};
use crate::{Outcome, OutcomeKind};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// It has not ended.
    Running,
    /// Everything was done.
    Done,
    /// Something failed.
    Failed,
    /// It was asked to end early.
    Cancelled,
    /// It was killed, or the machine went down.
    Interrupted,
}

impl RunStatus {
    /// The word used in the journal.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// Reads the word used in the journal. What is none of them was not ended.
    pub fn from_name(name: &str) -> Self {
        [Self::Running, Self::Done, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|status| status.name() == name)
            .unwrap_or(Self::Interrupted)
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// Its number; later runs have higher ones, whatever the clock says.
    pub id: i64,
    /// When it began, by the machine's clock.
    pub started: SystemTime,
    /// When it ended.
    pub finished: Option<SystemTime>,
    /// The node it was for.
    pub node: String,
    /// The root directory it worked on.
    pub root: PathBuf,
    /// The catalog's hash.
    pub catalog_hash: Vec<u8>,
    /// How it ended.
    pub status: RunStatus,
    /// Resources whose change had begun and not ended: where a killed run stood.
    pub unfinished: Vec<String>,
    /// The run that this one undid.
    pub undoes: Option<i64>,
    /// How many changes it made, and how many failed.
    pub counts: (u32, u32),
    pub(crate) token: u32,
}

/// One change of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRecord {
    /// Its place in the run.
    pub sequence: u32,
    /// The resource; `None` when its name cannot be read any more.
    pub resource: Option<ResourceId>,
    /// What was done.
    pub action: Option<Action>,
    /// How it ended; `None` when it did not.
    pub outcome: Option<OutcomeKind>,
    /// The failure's code.
    pub code: Option<String>,
    /// The failure in words.
    pub message: Option<String>,
    /// Attribute by attribute, as it was shown. Texts that are not kept any more are told by their hash.
    pub changes: Vec<Change>,
    /// What caused it, and what it reacted to.
    pub because: Vec<Cause>,
    /// It reacted to what it watches.
    pub reacted: Vec<Cause>,
    /// The resource has secrets.
    pub sensitive: bool,
    /// Where it was declared, when it was changed.
    pub source: Option<SourceLocation>,
    /// Nothing declared it any more.
    pub orphan: bool,
    /// When it began, by the machine's clock.
    pub started: SystemTime,
    /// When it ended.
    pub finished: Option<SystemTime>,
    /// What was there before, the earliest first. Several entries for one path complete each other.
    pub befores: Vec<Before>,
    /// When each of these was written down, as a number that grows: right before what is no path was changed.
    pub(crate) written: Vec<i64>,
}

impl ChangeRecord {
    /// The change in the words of a plan and its outcome. What was not ended failed with the code `run-interrupted`.
    pub fn told(self) -> (PlannedResource, Outcome) {
        let nowhere = || SourceLocation { file: "".into(), start: 0, end: 0, line: 0, column: 0 };
        let mut because = self.because;
        because.extend(self.reacted.into_iter().filter(|cause| !because.contains(cause)).collect::<Vec<_>>());
        let resource = PlannedResource {
            id: self.resource.unwrap_or_else(|| ResourceId::new("unknown", "")),
            action: self.action.unwrap_or(Action::None),
            because,
            source: self.source.unwrap_or_else(nowhere),
            changes: self.changes,
            unknown: None,
            held: None,
            error: None,
            digest: None,
            orphan: self.orphan,
        };
        let interrupted = "it was not ended: the run was killed, or the machine went down";
        let duration = self.finished.and_then(|finished| finished.duration_since(self.started).ok());
        let outcome = Outcome {
            code: self.code.or_else(|| self.outcome.is_none().then(|| INTERRUPTED.to_owned())),
            message: self.message.or_else(|| self.outcome.is_none().then(|| interrupted.to_owned())),
            // How often it was tried is not written down.
            attempts: u32::from(duration.is_some()),
            duration: duration.unwrap_or_default(),
            ..Outcome::new(self.outcome.unwrap_or(OutcomeKind::Failed))
        };
        (resource, outcome)
    }
}

/// The code of a change that was not ended.
pub(crate) const INTERRUPTED: &str = "run-interrupted";

impl Journal {
    /// Returns the latest runs, the newest first.
    ///
    /// # Errors
    /// What the database says.
    pub fn history(&self, limit: u32) -> Result<Vec<RunRecord>, JournalError> {
        let mut statement = self.connection.prepare(&format!("{RUNS} ORDER BY id DESC LIMIT ?1"))?;
        let runs: Vec<RunRecord> = statement.query_map([limit], run)?.collect::<Result<_, _>>()?;
        runs.into_iter().map(|run| self.completed(run)).collect()
    }

    /// Returns one run.
    ///
    /// # Errors
    /// What the database says.
    pub fn run(&self, id: i64) -> Result<Option<RunRecord>, JournalError> {
        let found = self.connection.query_row(&format!("{RUNS} WHERE id = ?1"), [id], run).optional()?;
        found.map(|run| self.completed(run)).transpose()
    }

    /// Returns the newest run: when it was killed, with the resources it was changing.
    ///
    /// # Errors
    /// What the database says.
    pub fn last_run(&self) -> Result<Option<RunRecord>, JournalError> {
        Ok(self.history(1)?.pop())
    }

    /// Returns what a run changed, in the order it began the changes.
    ///
    /// # Errors
    /// What the database says.
    pub fn changes(&self, run: i64) -> Result<Vec<ChangeRecord>, JournalError> {
        self.read_changes(run, |stored| Detail::read(stored, |hash| self.blob(hash).ok().flatten()))
    }

    /// Returns what a run changed, without what was shown of it: what an undo needs.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) fn bare_changes(&self, run: i64) -> Result<Vec<ChangeRecord>, JournalError> {
        self.read_changes(run, |_| Detail::default())
    }

    fn read_changes(&self, run: i64, read: impl Fn(&str) -> Detail) -> Result<Vec<ChangeRecord>, JournalError> {
        let query =
            "SELECT sequence, resource, action, outcome, code, message, detail, reacted, sensitive, started_ns, finished_ns
             FROM changes WHERE run = ?1 ORDER BY sequence";
        let mut statement = self.connection.prepare(query)?;
        let rows = statement.query_map([run], |row| {
            let (resource, action): (String, String) = (row.get(1)?, row.get(2)?);
            let outcome: Option<String> = row.get(3)?;
            let stored: Option<String> = row.get(6)?;
            let detail = read(&stored.unwrap_or_default());
            let reacted: Option<String> = row.get(7)?;
            Ok(ChangeRecord {
                sequence: row.get(0)?,
                resource: ResourceId::parse(&resource),
                action: Action::from_name(&action),
                outcome: outcome.and_then(|name| OutcomeKind::from_name(&name)),
                code: row.get(4)?,
                message: row.get(5)?,
                changes: detail.changes,
                because: detail.because,
                source: detail.source,
                orphan: detail.orphan,
                reacted: read_causes(reacted.and_then(|stored| serde_json::from_str(&stored).ok()).unwrap_or_default()),
                sensitive: row.get(8)?,
                started: time(row.get(9)?),
                finished: row.get::<_, Option<i64>>(10)?.map(time),
                befores: Vec::new(),
                written: Vec::new(),
            })
        })?;
        let mut changes: Vec<ChangeRecord> = rows.collect::<Result<_, _>>()?;
        let query = "SELECT sequence, kind, name, state, blob, id FROM befores WHERE run = ?1 ORDER BY id";
        for (sequence, before, written) in self.things(query, run)? {
            if let Ok(at) = changes.binary_search_by_key(&sequence, |change| change.sequence) {
                changes[at].befores.push(before);
                changes[at].written.push(written);
            }
        }
        Ok(changes)
    }

    /// Returns what a run left, the earliest first, each with the number of its change.
    ///
    /// # Errors
    /// What the database says.
    pub fn afters(&self, run: i64) -> Result<Vec<(u32, Before)>, JournalError> {
        let things = self.things("SELECT sequence, kind, name, state, digest, id FROM afters WHERE run = ?1 ORDER BY id", run)?;
        Ok(things.into_iter().map(|(sequence, after, _)| (sequence, after)).collect())
    }

    fn things(&self, query: &str, run: i64) -> Result<Vec<(u32, Before, i64)>, JournalError> {
        let mut statement = self.connection.prepare_cached(query)?;
        let rows = statement.query_map([run], |row| {
            let state: String = row.get(3)?;
            let blob: Option<Vec<u8>> = row.get(4)?;
            Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?, row.get::<_, Vec<u8>>(2)?, state, blob, row.get::<_, i64>(5)?))
        })?;
        let mut things = Vec::new();
        for row in rows {
            let (sequence, kind, name, state, blob, id) = row?;
            if kind == "path" {
                let Ok(state) = serde_json::from_str(&state) else { continue };
                let path = PathBuf::from(std::ffi::OsString::from_vec(name));
                things.push((sequence, Before::Path { path, state, blob: blob.and_then(|blob| blob.try_into().ok()) }, id));
            } else {
                let Ok(state) = serde_json::from_str(&state) else { continue };
                let name = String::from_utf8_lossy(&name).into_owned();
                things.push((sequence, Before::Record { kind, name, state }, id));
            }
        }
        Ok(things)
    }

    /// Returns the runs after `run` that changed a thing: `path` with the path's bytes, or another kind with its name.
    ///
    /// # Errors
    /// What the database says.
    pub fn later_runs(&self, run: i64, kind: &str, name: &[u8]) -> Result<Vec<i64>, JournalError> {
        let query = "SELECT DISTINCT run FROM afters WHERE run > ?1 AND kind = ?2 AND name = ?3 ORDER BY run";
        let mut statement = self.connection.prepare_cached(query)?;
        Ok(statement.query_map(params![run, kind, name], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    fn completed(&self, mut run: RunRecord) -> Result<RunRecord, JournalError> {
        let query =
            "SELECT count(*) FILTER (WHERE outcome = 'changed'), count(*) FILTER (WHERE outcome IN ('failed', 'not_converged'))
             FROM changes WHERE run = ?1";
        run.counts = self.connection.prepare_cached(query)?.query_row([run.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if run.status == RunStatus::Running && !self.is_running() {
            run.status = RunStatus::Interrupted;
        }
        if matches!(run.status, RunStatus::Running | RunStatus::Interrupted) {
            let query = "SELECT resource FROM changes WHERE run = ?1 AND outcome IS NULL ORDER BY sequence";
            let mut statement = self.connection.prepare_cached(query)?;
            run.unfinished = statement.query_map([run.id], |row| row.get(0))?.collect::<Result<_, _>>()?;
        }
        Ok(run)
    }

    /// Returns the paths that unfinished changes of a run were about, for clearing up behind it.
    pub(crate) fn unfinished_paths(&self, run: i64) -> Result<Vec<PathBuf>, JournalError> {
        let query = "SELECT DISTINCT b.name FROM befores b JOIN changes c ON c.run = b.run AND c.sequence = b.sequence
             WHERE b.run = ?1 AND b.kind = 'path' AND c.outcome IS NULL";
        let mut statement = self.connection.prepare(query)?;
        let rows = statement.query_map([run], |row| row.get::<_, Vec<u8>>(0))?;
        rows.map(|name| Ok(PathBuf::from(std::ffi::OsString::from_vec(name?)))).collect()
    }
}

const RUNS: &str = "SELECT id, started_ns, finished_ns, node, root, catalog_hash, status, token, undoes FROM runs";

fn run(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let status: String = row.get(6)?;
    Ok(RunRecord {
        id: row.get(0)?,
        started: time(row.get(1)?),
        finished: row.get::<_, Option<i64>>(2)?.map(time),
        node: row.get(3)?,
        root: row.get::<_, String>(4)?.into(),
        catalog_hash: row.get(5)?,
        status: RunStatus::from_name(&status),
        unfinished: Vec::new(),
        token: row.get(7)?,
        undoes: row.get(8)?,
        counts: (0, 0),
    })
}

fn time(ns: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(u64::try_from(ns).unwrap_or(0))
}
