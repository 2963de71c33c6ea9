//! How long the journal keeps what: runs go, the oldest first, and with them the contents that no run that stays needs.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Transaction, TransactionBehavior, params};

use super::{Blobs, Journal, JournalError, now_ns};
use crate::downloads::Downloads;
use crate::lock::{Lock, LockError};

/// What the journal keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Bytes that it may take. The newest run stays, whatever it takes.
    pub max_size: u64,
    /// Runs that began longer ago go.
    pub max_age: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { max_size: 1 << 30, max_age: None }
    }
}

/// What was dropped, and what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Runs that were dropped.
    pub runs: u64,
    /// Contents that were dropped.
    pub contents: u64,
    /// Bytes that the journal takes now.
    pub size: u64,
}

/// Why nothing was collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// An apply is running.
    #[error("an apply is running")]
    Running,
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What a row takes besides its texts, about.
const ROW: i64 = 120;

impl Journal {
    /// Drops what is not to be kept any longer. With `compact` the database file becomes as small as it can be. Nothing is there: nothing happens.
    ///
    /// # Errors
    /// Each of [`CollectError`].
    pub fn collect(state: &Path, retention: &Retention, compact: bool) -> Result<Collected, CollectError> {
        if !state.join(super::FILE).exists() {
            return Ok(Collected::default());
        }
        Self::locked(state, |journal| {
            Downloads::new(state).collect().map_err(JournalError::Io)?;
            journal.prune(retention, compact)
        })
    }

    /// Works on the journal while no apply can run.
    pub(super) fn locked<T>(state: &Path, work: impl FnOnce(&mut Self) -> Result<T, JournalError>) -> Result<T, CollectError> {
        let _lock = Lock::take(state).map_err(|error| match error {
            LockError::Held(_) => CollectError::Running,
            LockError::Io(error) => CollectError::Journal(error.into()),
        })?;
        Ok(work(&mut Self::try_open(state)?)?)
    }

    fn prune(&mut self, retention: &Retention, compact: bool) -> Result<Collected, JournalError> {
        let runs = self.sizes()?;
        let needed = self.last_needed()?;
        let mut sizes: HashMap<i64, u64> = HashMap::new();
        let mut unneeded: Vec<Vec<u8>> = Vec::new();
        {
            let mut statement = self.connection.prepare("SELECT hash, size FROM blobs")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (hash, size): (Vec<u8>, i64) = (row.get(0)?, row.get(1)?);
                match needed.get(&hash) {
                    Some(run) => *sizes.entry(*run).or_default() += u64::try_from(size + ROW).unwrap_or(0),
                    None => unneeded.push(hash),
                }
            }
        }
        let oldest = retention.max_age.map(|age| now_ns().saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX)));
        // From the newest back: what is kept is a row of runs without a gap.
        let mut total = 0_u64;
        let mut first_kept = i64::MAX;
        for (at, (run, started, rows)) in runs.iter().enumerate() {
            total = total.saturating_add(*rows).saturating_add(sizes.get(run).copied().unwrap_or(0));
            let is_too_old = oldest.is_some_and(|oldest| *started < oldest);
            if at > 0 && (total > retention.max_size || is_too_old) {
                break;
            }
            first_kept = *run;
        }
        unneeded.extend(needed.into_iter().filter(|(_, run)| *run < first_kept).map(|(hash, _)| hash));
        let dropped = runs.iter().filter(|(run, ..)| *run < first_kept).count() as u64;
        let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
        for table in ["changes", "befores", "afters"] {
            transaction.execute(&format!("DELETE FROM {table} WHERE run < ?1"), [first_kept])?;
        }
        transaction.execute("DELETE FROM runs WHERE id < ?1", [first_kept])?;
        // A run that is not kept cannot be undone: what it took away does not come back.
        transaction.execute("DELETE FROM ledger WHERE gone < ?1", [first_kept])?;
        let mut contents = 0;
        {
            let mut statement = transaction.prepare("DELETE FROM blobs WHERE hash = ?1")?;
            for hash in &unneeded {
                contents += statement.execute(params![hash])? as u64;
            }
        }
        transaction.commit()?;
        // Only now: a content without its row is swept later, a row without its content would be a loss.
        let blobs = Blobs::new(&self.state);
        for hash in unneeded {
            if let Ok(hash) = hash.try_into() {
                blobs.remove(&hash);
            }
        }
        if compact {
            self.connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?;
        }
        Ok(Collected { runs: dropped, contents, size: self.size()? })
    }

    /// Bytes that the journal takes: pages of the database in use, and large contents.
    ///
    /// # Errors
    /// What the database says.
    pub fn size(&self) -> Result<u64, JournalError> {
        let pragma = |name: &str| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let pages = (pragma("page_count")? - pragma("freelist_count")?).saturating_mul(pragma("page_size")?);
        let query = "SELECT coalesce(sum(size), 0) FROM blobs WHERE content IS NULL";
        let large: i64 = self.connection.query_row(query, [], |row| row.get(0))?;
        Ok(u64::try_from(pages.saturating_add(large)).unwrap_or(0))
    }

    /// Each run with its beginning and the bytes of its rows, the newest first.
    fn sizes(&self) -> Result<Vec<(i64, i64, u64)>, JournalError> {
        let query = "SELECT id, started_ns,
                (SELECT coalesce(sum(length(resource) + coalesce(length(detail), 0) + ?1), 0) FROM changes WHERE run = runs.id)
              + (SELECT coalesce(sum(length(name) + length(state) + ?1), 0) FROM befores WHERE run = runs.id)
              + (SELECT coalesce(sum(length(name) + length(state) + ?1), 0) FROM afters WHERE run = runs.id)
             FROM runs ORDER BY id DESC";
        let mut statement = self.connection.prepare(query)?;
        let rows = statement
            .query_map([ROW], |row| Ok((row.get(0)?, row.get(1)?, u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The newest run that needs each content.
    fn last_needed(&self) -> Result<HashMap<Vec<u8>, i64>, JournalError> {
        let mut needed: HashMap<Vec<u8>, i64> = HashMap::new();
        let mut note = |hash: &[u8], run: i64| {
            let last = needed.entry(hash.to_vec()).or_insert(run);
            *last = (*last).max(run);
        };
        let mut statement = self.connection.prepare("SELECT blob, run FROM befores WHERE blob IS NOT NULL")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            note(&row.get::<_, Vec<u8>>(0)?, row.get(1)?);
        }
        let mut statement = self.connection.prepare("SELECT texts, run FROM changes WHERE length(texts) > 0")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let run = row.get(1)?;
            row.get::<_, Vec<u8>>(0)?.chunks_exact(32).for_each(|hash| note(hash, run));
        }
        Ok(needed)
    }
}
