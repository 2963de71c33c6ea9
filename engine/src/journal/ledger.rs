//! The ledger's table: what the runs of a project made.

use rusqlite::{Transaction, params};
use stead_catalog::{Attributes, ResourceId};

use super::shown::{read_values, values};
use super::{Journal, JournalError, now_ns};
use crate::LedgerEntry;

/// Something that a run has made.
#[derive(Debug)]
pub(crate) struct NewEntry {
    pub(crate) project: String,
    pub(crate) resource: String,
    pub(crate) thing: Attributes,
    pub(crate) node: String,
    pub(crate) source: String,
    pub(crate) needs: Vec<String>,
    /// Its place in the plan.
    pub(crate) turn: i64,
}

impl Journal {
    /// Returns what the runs of a project made and did not take away again, the earliest first.
    ///
    /// # Errors
    /// What the database says.
    pub fn ledger(&self, project: &str) -> Result<Vec<LedgerEntry>, JournalError> {
        let mut statement = self.connection.prepare(
            "SELECT resource, thing, node, source, needs, run, turn FROM ledger WHERE project = ?1 AND gone IS NULL ORDER BY run, turn, resource, thing",
        )?;
        let rows = statement.query_map([project], |row| {
            let text = |at: usize| row.get::<_, String>(at);
            Ok(((text(0)?, text(1)?, text(2)?, text(3)?, text(4)?), (row.get(5)?, row.get(6)?)))
        })?;
        let mut entries = Vec::new();
        for row in rows {
            let ((resource, thing, node, source, needs), made) = row?;
            // What a later version has written is nothing to act upon.
            let (Some(resource), Some(thing)) = (ResourceId::parse(&resource), read_values(&thing)) else { continue };
            let needs: Vec<String> = serde_json::from_str(&needs).unwrap_or_default();
            let needs = needs.iter().filter_map(|need| ResourceId::parse(need)).collect();
            entries.push(LedgerEntry { resource, thing, node, source, needs, made });
        }
        Ok(entries)
    }

    /// Forgets that these resources of a project were made: they stay, and belong to nobody. Returns how many there were.
    /// The caller's user may write the journal.
    ///
    /// # Errors
    /// [`super::CollectError::Running`] while an apply is running; what the database says.
    pub fn forget(state: &std::path::Path, project: &str, resources: &[ResourceId]) -> Result<usize, super::CollectError> {
        Self::locked(state, |journal| {
            let mut forgotten = 0;
            for resource in resources {
                let query = "DELETE FROM ledger WHERE project = ?1 AND resource = ?2 AND gone IS NULL";
                forgotten += journal.connection.execute(query, params![project, resource.to_string()])?;
            }
            Ok(forgotten)
        })
    }
}

pub(super) fn put(to: &Transaction<'_>, run: i64, entry: &NewEntry) -> Result<(), JournalError> {
    let needs = serde_json::to_string(&entry.needs).unwrap_or_default();
    to.prepare_cached(
        "INSERT OR REPLACE INTO ledger (project, resource, thing, node, source, needs, run, turn, at_ns, gone)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL)",
    )?
    .execute(params![
        entry.project,
        entry.resource,
        values(&entry.thing),
        entry.node,
        entry.source,
        needs,
        run,
        entry.turn,
        now_ns()
    ])?;
    Ok(())
}

/// What is gone is kept for an undo of the run that took it away.
pub(super) fn end(
    to: &Transaction<'_>,
    run: i64,
    project: &str,
    resource: &str,
    thing: Option<&Attributes>,
) -> Result<(), JournalError> {
    to.prepare_cached(
        "UPDATE ledger SET gone = ?1 WHERE project = ?2 AND resource = ?3 AND (?4 IS NULL OR thing = ?4) AND gone IS NULL",
    )?
    .execute(params![run, project, resource, thing.map(values)])?;
    Ok(())
}

pub(super) fn undo(to: &Transaction<'_>, run: i64, resources: &[String]) -> Result<(), JournalError> {
    let mut unmade = to.prepare_cached("DELETE FROM ledger WHERE run = ?1 AND resource = ?2 AND gone IS NULL")?;
    let mut back = to.prepare_cached("UPDATE ledger SET gone = NULL WHERE gone = ?1 AND resource = ?2")?;
    for resource in resources {
        unmade.execute(params![run, resource])?;
        back.execute(params![run, resource])?;
    }
    Ok(())
}
