//! What became of a run, from the journal: for an operator whose connection broke.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::frames::{Answer, WireChangeRecord, WireCode, WireRun};
use crate::journal::{Journal, JournalError, hex};
use crate::{ChangeRecord, RunRecord, RunStatus};

/// How long a run that still finishes its last change is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Tells what a run did, once it is over.
pub(super) fn tell(state: &Path, run: i64) -> Result<Answer, JournalError> {
    let begun = Instant::now();
    loop {
        let Some(journal) = Journal::look(state)? else { return Ok(Answer::Report { run: None, changes: Vec::new() }) };
        let Some(record) = journal.run(run)? else { return Ok(Answer::Report { run: None, changes: Vec::new() }) };
        let is_running = record.status == RunStatus::Running && journal.is_running();
        if is_running && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(100));
            continue;
        }
        let changes = journal.changes(run)?.iter().map(change).collect();
        return Ok(Answer::Report { run: Some(self::run(&record)), changes });
    }
}

/// A run as it goes over the wire.
pub(super) fn run(record: &RunRecord) -> WireRun {
    WireRun {
        id: record.id,
        node: record.node.clone(),
        status: record.status.name().to_owned(),
        catalog_hash: hex(&record.catalog_hash),
        unfinished: record.unfinished.clone(),
        changes: record.counts.0,
        failures: record.counts.1,
    }
}

fn change(record: &ChangeRecord) -> WireChangeRecord {
    WireChangeRecord {
        resource: record.resource.as_ref().map(|id| (id.type_name.clone(), id.name.clone())),
        action: record.action.map(|action| action.name().to_owned()),
        outcome: record.outcome.map(|outcome| outcome.name().to_owned()),
        code: record.code.as_deref().map(WireCode::from),
        message: record.message.clone(),
    }
}
