//! What a project made on a machine, where it wants that to be remembered.

use std::path::Path;

use stead_catalog::Catalog;
use stead_engine::{Journal, JournalError, LedgerEntry};

use crate::args::SelectArguments;
use crate::project::Loaded;
use crate::terminal::Terminal;

/// What a project is called in the ledger: its name, else its directory. `None` where it keeps none.
pub(crate) fn project(loaded: &Loaded) -> Option<String> {
    let config = loaded.project.config();
    if !config.ledger {
        return None;
    }
    let directory = || loaded.root.canonicalize().unwrap_or_else(|_| loaded.root.clone()).to_string_lossy().into_owned();
    Some(config.name.as_ref().map_or_else(directory, |name| name.to_string()))
}

/// What a project made on a machine and did not take away again.
///
/// # Errors
/// What the journal says.
pub(crate) fn entries(project: &str, state_dir: &Path) -> Result<Vec<LedgerEntry>, JournalError> {
    Journal::look(state_dir)?.map_or(Ok(Vec::new()), |journal| journal.ledger(project))
}

/// Adds to a catalog what its project made and does not declare any more. A ledger that cannot be read stops nothing.
pub(crate) fn with_orphans(
    catalog: Catalog,
    loaded: &Loaded,
    select: &SelectArguments,
    state_dir: &Path,
    terminal: &Terminal,
) -> Catalog {
    let Some(project) = project(loaded).filter(|_| !select.keep_orphans) else { return catalog };
    match entries(&project, state_dir) {
        Ok(entries) => stead_engine::with_orphans(catalog, &entries, &loaded.registry),
        Err(error) => {
            let text = format!("{error}; what is no longer declared is not known, and stays");
            terminal.note(&terminal.warning_line(error.code(), &text));
            catalog
        }
    }
}
