//! What a machine tells of its past: runs, what has drifted since, and the way back from one.

use std::collections::BTreeSet;

use stead_catalog::{Catalog, Plan, ResourceId};

use super::{Remote, RemoteError, RemotePlan, unexpected};
use crate::drift::Drift;
use crate::frames::{Answer, FrameError, PlanRequest, Request, WireCatalog, WireConflict, WireRun, WireUndo, read_not_undone};
use crate::journal::unhex;
use crate::undo::{Conflict, NotUndone, UndoSelection};
use crate::{RunRecord, SavedPlan};

/// Which run of a machine is to be taken back, and how much of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UndoRequest {
    /// Its number there; the newest one where there is none.
    pub run: Option<i64>,
    /// How much of it.
    pub selection: UndoSelection,
    /// What somebody else has changed since is undone as well.
    pub force: bool,
}

/// The way back from a run of a machine.
#[derive(Clone, Debug)]
pub struct WayBack {
    /// The run.
    pub run: RunRecord,
    /// What would change.
    pub planned: RemotePlan,
    /// What somebody else has changed since, and would lose.
    pub conflicts: Vec<Conflict>,
    /// What stays as it is.
    pub not_undone: Vec<NotUndone>,
    /// Words of the selection that name nothing that the run changed.
    pub unnamed: Vec<String>,
}

impl Remote {
    /// Asks which runs the machine's journal has, the newest first.
    ///
    /// # Errors
    /// When the worker is gone or the journal cannot be read.
    pub fn history(&mut self, limit: u32) -> Result<Vec<RunRecord>, RemoteError> {
        let until = self.send(&Request::History { limit })?;
        match self.next(until)? {
            Answer::Runs { runs } => Ok(runs.into_iter().map(WireRun::read).collect::<Result<_, _>>()?),
            other => Err(unexpected(other)),
        }
    }

    /// Plans the way back from a run. [`Remote::apply`] carries it out.
    ///
    /// # Errors
    /// When the worker is gone, or there is no way back.
    pub fn way_back(&mut self, request: &UndoRequest) -> Result<WayBack, RemoteError> {
        let UndoRequest { run, selection: UndoSelection { only, except }, force } = request.clone();
        let until = self.send(&Request::Undo(WireUndo { run, only, except, force }))?;
        match self.next(until)? {
            Answer::WayBack { run, plan, saved, conflicts, not_undone, unnamed } => {
                let (run, plan) = (run.read()?, plan.read()?);
                let saved = saved_of(&saved, &plan, &run, request)?;
                Ok(WayBack {
                    run,
                    planned: RemotePlan { plan, saved },
                    conflicts: conflicts.into_iter().map(WireConflict::read).collect(),
                    not_undone: not_undone.into_iter().map(read_not_undone).collect(),
                    // Only what was asked can have named nothing.
                    unnamed: unnamed.into_iter().filter(|word| request.selection.words().any(|own| own == word)).collect(),
                })
            }
            other => Err(unexpected(other)),
        }
    }

    /// Asks what of a catalog has changed on the machine since the last apply.
    ///
    /// # Errors
    /// When the worker is gone, or the machine cannot be looked at.
    pub fn drift(&mut self, catalog: &Catalog) -> Result<Drift, RemoteError> {
        let request = PlanRequest { catalog: WireCatalog::of(catalog), fetch: false, remember: false };
        match self.ask_about(catalog, &Request::Drift(Box::new(request)))? {
            Answer::Drifted(drift) => {
                let drift = drift.read()?;
                let known: BTreeSet<&ResourceId> = catalog.resources.iter().map(|resource| &resource.id).collect();
                let told = drift.drifted.iter().map(|drifted| &drifted.resource).chain(&drift.pending);
                if !told.map(|resource| &resource.id).all(|id| known.contains(id)) {
                    return Err(FrameError::malformed("drift of another catalog").into());
                }
                Ok(drift)
            }
            other => Err(unexpected(other)),
        }
    }
}

/// A way back is that of the run that was asked for, on the machine itself, and has each resource once.
fn saved_of(saved: &str, plan: &Plan, run: &RunRecord, request: &UndoRequest) -> Result<SavedPlan, FrameError> {
    let saved = unhex(saved).and_then(|bytes| SavedPlan::decode(&bytes).ok());
    let saved = saved.ok_or_else(|| FrameError::malformed("a plan without its saved form"))?;
    let ids: BTreeSet<&ResourceId> = plan.resources.iter().map(|entry| &entry.id).collect();
    let is_of_run = request.run.is_none_or(|asked| asked == run.id) && saved.undoes == Some((run.id, request.force));
    let is_of_plan = saved.root == "/" && saved.node == *plan.node && saved.catalog_hash == plan.catalog_hash;
    if !is_of_run || !is_of_plan || ids.len() != plan.resources.len() {
        return Err(FrameError::malformed("the way back from another run"));
    }
    Ok(SavedPlan { project: String::new(), selection: Vec::new(), ..saved })
}
