//! The files whose content is a secret that a run wrote: what they hold is not shown and not kept when something else is to be there, by a
//! plan, an apply or an undo, whether or not the resource at hand knows of secrets.
//!
//! A file is one of them until a run writes all of it anew from what is no secret, or removes it. What somebody else writes there meanwhile
//! may hold the secret still.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use rusqlite::Transaction;

use super::{Journal, JournalError, schema};

/// The version of the journal since which they are kept.
const SINCE: usize = 4;

impl Journal {
    /// Returns the paths whose content is a secret.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) fn secret_paths(&self) -> Result<HashSet<PathBuf>, JournalError> {
        // An older journal gets them when the next run begins; until then they are worked out.
        let query = match schema::version(&self.connection)? {
            SINCE.. => "SELECT name FROM secret_paths",
            _ => schema::SECRET_PATHS_OF_OLD,
        };
        let mut statement = self.connection.prepare(query)?;
        let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        rows.map(|name| Ok(PathBuf::from(OsString::from_vec(name?)))).collect()
    }
}

/// Takes note of what a run has left at a path.
pub(super) fn put(to: &Transaction<'_>, path: &Path, is_secret: bool) -> Result<(), JournalError> {
    let query = match is_secret {
        true => "INSERT OR IGNORE INTO secret_paths (name) VALUES (?1)",
        false => "DELETE FROM secret_paths WHERE name = ?1",
    };
    to.prepare_cached(query)?.execute([path.as_os_str().as_bytes()])?;
    Ok(())
}

/// The same for whoever looks at the machine: read from the journal when it is first asked for.
#[derive(Debug)]
pub(crate) struct SecretPaths {
    state: PathBuf,
    known: OnceLock<Mutex<HashSet<PathBuf>>>,
}

impl SecretPaths {
    /// Those of this state directory.
    pub(crate) fn new(state: &Path) -> Self {
        Self { state: state.to_owned(), known: OnceLock::new() }
    }

    fn known(&self) -> &Mutex<HashSet<PathBuf>> {
        let read = || {
            let journal = Journal::look(&self.state).ok().flatten();
            // What cannot be read is told by whoever needs the journal for more than this.
            Mutex::new(journal.and_then(|journal| journal.secret_paths().ok()).unwrap_or_default())
        };
        self.known.get_or_init(read)
    }

    /// Says whether what is at a path is a secret.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.known().lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    /// Takes note of what is at a path from now on.
    pub(crate) fn note(&self, path: &Path, is_secret: bool) {
        let mut known = self.known().lock().unwrap_or_else(PoisonError::into_inner);
        match is_secret {
            true => drop(known.insert(path.to_owned())),
            false => drop(known.remove(path)),
        }
    }
}
