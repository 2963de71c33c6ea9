//! What was done, what was there before, and what is still owed.
//!
//! SQLite holds the runs, their changes, what was there before each, reactions that are still due and plans that are used up;
//! contents of files go beside it, named by their BLAKE3. Nothing is changed on a machine before the row that
//! says so is on the disk. A journal that is lost or damaged never stops a run: it is moved aside and a new one begun.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use stead_catalog::{Catalog, Cause, EdgeKind, ResourceId};

use crate::PendingReaction;
use crate::drift::{Applied, wanted};
use crate::lock::Lock;
use crate::state_dir::make_state_dir;

mod before;
mod blobs;
mod history;
mod ledger;
mod retention;
mod schema;
mod secret_paths;
mod shown;
mod writer;

pub use before::{Before, FileAttributes, FileState};
pub(crate) use before::{hex, unhex};
pub(crate) use blobs::{Blobs, Content};
pub(crate) use history::INTERRUPTED;
pub use history::{ChangeRecord, RunRecord, RunStatus};
pub(crate) use ledger::NewEntry;
pub use retention::{CollectError, Collected, Retention};
pub(crate) use secret_paths::SecretPaths;
pub(crate) use shown::Detail;
pub(crate) use writer::{NewAfter, NewBefore, NewRun, Op, Writer};

/// The database's file in the state directory.
const FILE: &str = "journal.db";

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The database refused.
    #[error("the journal's database: {0}")]
    Database(#[from] rusqlite::Error),
    /// The state directory cannot be used.
    #[error("the journal cannot be written: {0}")]
    Io(#[from] io::Error),
    /// A newer version of Stead wrote it.
    #[error("the journal is of version {version}, which this version of stead does not know")]
    Newer {
        /// Its version.
        version: i64,
    },
}

impl JournalError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Newer { .. } => "journal-too-new",
            Self::Database(_) | Self::Io(_) => "journal-unreadable",
        }
    }

    /// The way out.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Newer { .. } => Some("use the version of stead that applied last, or a later one".into()),
            Self::Database(_) | Self::Io(_) => {
                Some("look at the permissions of the state directory; the next apply moves a damaged journal aside".into())
            }
        }
    }

    /// Says whether the journal itself is at fault, so that a new one would do.
    fn is_damage(&self) -> bool {
        match self {
            Self::Database(rusqlite::Error::SqliteFailure(error, _)) => {
                matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
            }
            Self::Database(error) => !matches!(error, rusqlite::Error::SqliteFailure(..)),
            // What a newer version keeps there, undo and what is owed, is not thrown away for an older one.
            Self::Newer { .. } | Self::Io(_) => false,
        }
    }
}

/// The journal of a machine (or of a user on it), open for reading.
#[derive(Debug)]
pub struct Journal {
    connection: Connection,
    state: PathBuf,
}

impl Journal {
    /// Opens the journal for reading. `None` when there is none yet; nothing is created.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn look(state: &Path) -> Result<Option<Self>, JournalError> {
        let path = state.join(FILE);
        if !path.try_exists()? {
            return Ok(None);
        }
        let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        match schema::version(&connection) {
            Ok(0) => return Ok(None),
            // Written by an earlier version: brought up to date first, which takes a user who may.
            Ok(version) if version < schema::CURRENT => return Self::try_open(state).map(Some),
            // Its maker was killed before its first transaction was over: there is nothing in it yet, and only a writer may clean it up.
            Err(error) if is_unfinished(&error) => return Ok(None),
            version => version?,
        };
        Ok(Some(Self { connection, state: state.to_owned() }))
    }

    /// Opens the journal for writing, making it if need be. The caller holds the lock. A damaged one is moved aside; the second value tells so.
    ///
    /// # Errors
    /// When the state directory cannot be written.
    pub(crate) fn open(state: &Path) -> Result<(Self, Option<String>), JournalError> {
        make_state_dir(state)?;
        match Self::try_open(state) {
            Ok(journal) => Ok((journal, None)),
            Err(error) if error.is_damage() => {
                let aside = move_aside(state)?;
                let warning = format!("{error}; it was moved to {} and a new one was begun", aside.display());
                Ok((Self::try_open(state)?, Some(warning)))
            }
            Err(error) => Err(error),
        }
    }

    fn try_open(state: &Path) -> Result<Self, JournalError> {
        let path = state.join(FILE);
        // SQLite gives its further files the mode of this one.
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags)?;
        schema::configure(&connection)?;
        schema::migrate(&mut connection)?;
        let journal = Self { connection, state: state.to_owned() };
        // Reads every table once, so that damage shows here and not in the middle of a run.
        journal.pending()?;
        journal.last_run()?;
        Ok(journal)
    }

    /// Returns the reactions that earlier runs owe.
    ///
    /// # Errors
    /// What the database says.
    pub fn pending(&self) -> Result<Vec<PendingReaction>, JournalError> {
        let mut statement =
            self.connection.prepare("SELECT resource, requisite, cause FROM pending ORDER BY run, resource, cause")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let mut pending = Vec::new();
        for row in rows {
            let (resource, requisite, cause): (String, String, String) = row?;
            let (Some(resource), Some(cause)) = (ResourceId::parse(&resource), ResourceId::parse(&cause)) else { continue };
            let kind = if requisite == EdgeKind::Listen.name() { EdgeKind::Listen } else { EdgeKind::Watch };
            pending.push(PendingReaction { resource, cause: Cause { kind, resource: cause } });
        }
        Ok(pending)
    }

    /// Returns the content of a blob; `None` when it is not kept, or damaged.
    ///
    /// # Errors
    /// What the database or the file system says.
    pub fn blob(&self, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, JournalError> {
        let mut statement = self.connection.prepare_cached("SELECT content FROM blobs WHERE hash = ?1")?;
        let row: Option<Option<Vec<u8>>> = statement.query_row([hash.as_slice()], |row| row.get(0)).optional()?;
        let content = match row {
            None => None,
            Some(Some(inline)) => Some(inline),
            Some(None) => Blobs::new(&self.state).read(hash)?,
        };
        Ok(content.filter(|content| blake3::hash(content).as_bytes() == hash))
    }

    /// Returns what each resource was wanted to be when it was last found, or made, to be so.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) fn applied(&self) -> Result<BTreeMap<String, Applied>, JournalError> {
        let mut statement = self.connection.prepare("SELECT resource, wanted, run, at_ns FROM applied")?;
        let rows = statement.query_map([], |row| {
            let wanted: Vec<u8> = row.get(1)?;
            Ok((row.get::<_, String>(0)?, wanted, row.get(2)?, row.get::<_, i64>(3)?))
        })?;
        let mut applied = BTreeMap::new();
        for row in rows {
            let (resource, wanted, run, at) = row?;
            let Ok(wanted) = wanted.try_into() else { continue };
            let at = UNIX_EPOCH + Duration::from_nanos(u64::try_from(at).unwrap_or(0));
            applied.insert(resource, Applied { wanted, run, at });
        }
        Ok(applied)
    }

    /// Remembers what resources were found to be as they are wanted, without a run: nothing had to be changed. What is remembered already is not written again.
    /// Nobody may wait for it: a journal in use is left alone.
    pub fn remember(state: &Path, catalog: &Catalog) {
        let known = Self::look(state).ok().flatten().and_then(|journal| journal.applied().ok()).unwrap_or_default();
        let wanted = catalog.resources.iter().map(|resource| (resource.id.to_string(), wanted(resource)));
        let new: Vec<_> = wanted.filter(|(id, wanted)| known.get(id).is_none_or(|known| known.wanted != *wanted)).collect();
        if new.is_empty() {
            return;
        }
        let Ok(_lock) = Lock::take(state) else { return };
        let Ok((mut journal, _)) = Self::open(state) else { return };
        // What cannot be remembered is found to be pending later, not drifted.
        let _ = writer::remember(&mut journal.connection, &new);
    }

    /// Says whether a content is kept.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) fn has_blob(&self, hash: &[u8; 32]) -> Result<bool, JournalError> {
        let mut statement = self.connection.prepare_cached("SELECT 1 FROM blobs WHERE hash = ?1")?;
        Ok(statement.exists([hash.as_slice()])?)
    }

    /// Says whether a saved plan has been used.
    ///
    /// # Errors
    /// What the database says.
    pub fn is_used(&self, plan: &[u8; 32]) -> Result<bool, JournalError> {
        let found =
            self.connection.query_row("SELECT 1 FROM used_plans WHERE id = ?1", [plan.as_slice()], |_| Ok(())).optional()?;
        Ok(found.is_some())
    }

    /// Says whether an apply is running now.
    pub fn is_running(&self) -> bool {
        Lock::is_held(&self.state)
    }
}

/// Says whether a database was left in the middle of a transaction of the time before it had a write-ahead log
/// (SQLITE_READONLY_ROLLBACK): that is, while it was being made.
fn is_unfinished(error: &JournalError) -> bool {
    matches!(error, JournalError::Database(rusqlite::Error::SqliteFailure(error, _)) if error.extended_code == rusqlite::ffi::SQLITE_READONLY_ROLLBACK)
}

/// Gives a damaged journal another name, with what belongs to it.
fn move_aside(state: &Path) -> io::Result<PathBuf> {
    let free = |number: &u32| !state.join(format!("{FILE}.damaged-{number}")).exists();
    let number = (1..10_000).find(free).unwrap_or(10_000);
    let name = |suffix: &str| format!("{FILE}.damaged-{number}{suffix}");
    for suffix in ["-wal", "-shm"] {
        match std::fs::rename(state.join(format!("{FILE}{suffix}")), state.join(name(suffix))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let aside = state.join(name(""));
    std::fs::rename(state.join(FILE), &aside)?;
    Ok(aside)
}

/// Nanoseconds since 1970 by the machine's clock: for people, never for order.
pub(crate) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_whose_making_was_killed_is_empty() {
        let (made, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let connection = Connection::open(made.path().join(FILE)).unwrap();
        connection.execute_batch("CREATE TABLE a(b); INSERT INTO a VALUES (zeroblob(100000));").unwrap();
        // A transaction that has begun to change the file, as a kill leaves it.
        connection.execute_batch("PRAGMA cache_size = 1; BEGIN; UPDATE a SET b = randomblob(100000); CREATE TABLE c(d); INSERT INTO c VALUES (zeroblob(200000));").unwrap();
        for entry in std::fs::read_dir(made.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), killed.path().join(entry.file_name())).unwrap();
        }
        assert!(killed.path().join(format!("{FILE}-journal")).exists());
        assert!(Journal::look(killed.path()).unwrap().is_none());
    }
}
