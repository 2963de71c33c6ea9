//! What the journal of a machine tells: its runs, and what became of one, for an operator whose connection broke or who looks back.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::RunStatus;
use crate::frames::{Answer, WireDone, WireRun};
use crate::journal::{Journal, JournalError};

/// How long a run that still finishes its last change is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Tells which runs there were.
pub(super) fn history(state: &Path, limit: u32) -> Result<Answer, JournalError> {
    let runs = Journal::look(state)?.map_or(Ok(Vec::new()), |journal| journal.history(limit))?;
    Ok(Answer::Runs { runs: runs.iter().map(WireRun::of).collect() })
}

/// Tells what a run did, the newest one where none is named. `wait` until it is over.
pub(super) fn tell(state: &Path, run: Option<i64>, wait: bool) -> Result<Answer, JournalError> {
    let begun = Instant::now();
    let none = Answer::Report { run: None, changes: Vec::new() };
    loop {
        let Some(journal) = Journal::look(state)? else { return Ok(none) };
        let record = match run {
            Some(run) => journal.run(run)?,
            None => journal.last_run()?,
        };
        let Some(record) = record else { return Ok(none) };
        let is_running = record.status == RunStatus::Running && journal.is_running();
        if wait && is_running && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(100));
            continue;
        }
        let changes = journal.changes(record.id)?.into_iter().map(WireDone::of).collect();
        return Ok(Answer::Report { run: Some(WireRun::of(&record)), changes });
    }
}
