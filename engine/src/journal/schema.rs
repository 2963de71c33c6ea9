//! The journal's tables, and how an older journal becomes a current one.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::JournalError;

/// One step a version. A released step is never edited; a change is a new step.
const STEPS: &[&str] = &[
    "
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        started_ns INTEGER NOT NULL,
        finished_ns INTEGER,
        node TEXT NOT NULL,
        root TEXT NOT NULL,
        catalog_hash BLOB NOT NULL,
        plan_id BLOB,
        status TEXT NOT NULL,
        token INTEGER NOT NULL,
        pid INTEGER NOT NULL,
        boot_id TEXT NOT NULL,
        process_start INTEGER NOT NULL,
        version TEXT NOT NULL
    );
    CREATE TABLE changes (
        run INTEGER NOT NULL REFERENCES runs (id),
        sequence INTEGER NOT NULL,
        resource TEXT NOT NULL,
        action TEXT NOT NULL,
        started_ns INTEGER NOT NULL,
        finished_ns INTEGER,
        outcome TEXT,
        code TEXT,
        message TEXT,
        PRIMARY KEY (run, sequence)
    ) WITHOUT ROWID;
    CREATE TABLE befores (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        kind TEXT NOT NULL,
        name BLOB NOT NULL,
        state TEXT NOT NULL,
        blob BLOB
    );
    CREATE INDEX befores_of_change ON befores (run, sequence);
    CREATE TABLE blobs (
        hash BLOB PRIMARY KEY,
        size INTEGER NOT NULL,
        content BLOB
    ) WITHOUT ROWID;
    CREATE TABLE pending (
        resource TEXT NOT NULL,
        requisite TEXT NOT NULL,
        cause TEXT NOT NULL,
        run INTEGER NOT NULL,
        PRIMARY KEY (resource, requisite, cause)
    ) WITHOUT ROWID;
    CREATE TABLE used_plans (
        id BLOB PRIMARY KEY,
        run INTEGER NOT NULL
    ) WITHOUT ROWID;
",
    "
    ALTER TABLE changes ADD COLUMN detail TEXT;
    ALTER TABLE changes ADD COLUMN texts BLOB;
    ALTER TABLE changes ADD COLUMN reacted TEXT;
    ALTER TABLE changes ADD COLUMN sensitive INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE runs ADD COLUMN undoes INTEGER;
    CREATE TABLE afters (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        kind TEXT NOT NULL,
        name BLOB NOT NULL,
        state TEXT NOT NULL,
        digest BLOB
    );
    CREATE INDEX afters_of_run ON afters (run);
    CREATE TABLE applied (
        resource TEXT PRIMARY KEY,
        wanted BLOB NOT NULL,
        run INTEGER,
        at_ns INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE ledger (
        resource TEXT NOT NULL,
        kind TEXT NOT NULL,
        name BLOB NOT NULL,
        node TEXT NOT NULL,
        run INTEGER NOT NULL,
        at_ns INTEGER NOT NULL,
        PRIMARY KEY (kind, name)
    ) WITHOUT ROWID;
",
    "
    DROP TABLE ledger;
    CREATE TABLE ledger (
        project TEXT NOT NULL,
        resource TEXT NOT NULL,
        thing TEXT NOT NULL,
        node TEXT NOT NULL,
        source TEXT NOT NULL,
        needs TEXT NOT NULL,
        run INTEGER NOT NULL,
        turn INTEGER NOT NULL,
        at_ns INTEGER NOT NULL,
        gone INTEGER,
        PRIMARY KEY (project, resource, thing)
    ) WITHOUT ROWID;
",
    // The paths whose content a run wrote as a secret, and nobody has replaced or removed since.
    "
    CREATE TABLE secret_paths (name BLOB PRIMARY KEY) WITHOUT ROWID;
    INSERT INTO secret_paths SELECT a.name FROM afters a
        JOIN (SELECT max(id) AS id FROM afters WHERE kind = 'path' GROUP BY name) last ON last.id = a.id
        WHERE a.state LIKE '%\"withheld\":true%';
",
];

/// The paths whose content is a secret, in a journal that is older than their table.
pub(super) const SECRET_PATHS_OF_OLD: &str = "SELECT a.name FROM afters a
     JOIN (SELECT max(id) AS id FROM afters WHERE kind = 'path' GROUP BY name) last ON last.id = a.id
     WHERE a.state LIKE '%\"withheld\":true%'";

/// The version of the tables that this version of Stead writes.
pub(super) const CURRENT: usize = STEPS.len();

/// Sets the connection up: nothing that was committed is lost with the power.
pub(super) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", false)?;
    // Pages that go from the log to the database together: a large run writes most of them several times before that.
    connection.pragma_update(None, "wal_autocheckpoint", 8192)?;
    // KiB of pages in memory: enough that a large run does not write out and read back those it changes again and again.
    connection.pragma_update(None, "cache_size", -16384)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// Brings the tables up to date.
///
/// # Errors
/// [`JournalError::Newer`] when a newer version of Stead wrote them; what SQLite says otherwise.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), JournalError> {
    let version = version(connection)?;
    if version == STEPS.len() {
        return Ok(());
    }
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    for (done, step) in STEPS.iter().enumerate().skip(version) {
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", i64::try_from(done + 1).unwrap_or(i64::MAX))?;
    }
    transaction.commit()?;
    Ok(())
}

/// The version of the tables, 0 when there are none.
///
/// # Errors
/// As [`migrate`].
pub(super) fn version(connection: &Connection) -> Result<usize, JournalError> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match usize::try_from(version) {
        Ok(version) if version <= STEPS.len() => Ok(version),
        _ => Err(JournalError::Newer { version }),
    }
}
