//! Many machines at a time: facts, plans and applies over SSH.
//!
//! Each host is worked on by itself: what goes wrong with one is told at its name, and the others go on. What a host is sent is its
//! own catalog, with its own secrets; everything is compiled here.

mod batches;
mod catalogs;
mod check;
mod contact;
mod drifted;
mod facts;
mod health;
mod outcome;
mod past;
mod plan;
mod pool;
mod progress;
mod reach;
mod record;
mod resume;
mod review;
mod rollout;
mod rollouts;
mod summary;
mod targets;
mod telling;
mod undo;

use std::sync::Arc;

pub(crate) use catalogs::catalogs;
pub(crate) use check::check;
pub(crate) use contact::check_hosts;
pub(crate) use drifted::drift;
pub(crate) use facts::{facts, kept as kept_facts};
pub(crate) use past::{history, show};
pub(crate) use plan::plan;
pub(crate) use reach::{clean, ssh_options};
pub(crate) use resume::resume;
pub(crate) use review::review as review_live;
pub(crate) use rollout::{apply, apply_saved};
pub(crate) use rollouts::rollouts;
pub(crate) use targets::{Resolved, project, resolve, retain_stored};
pub(crate) use undo::undo;

use stead_catalog::{Action, Catalog, ResourceId, Target};
use stead_engine::{Remote, RemoteError, RemotePlan, UndoRequest};
use stead_report::json::{ErrorDocument, UndoDocument};

use crate::failure::Failure;

/// Why a host could not be worked on, in the words of whoever found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostFailure {
    /// Stable code.
    pub(crate) code: String,
    /// What happened.
    pub(crate) message: String,
    /// The way out.
    pub(crate) hint: Option<String>,
    /// There was no worker to talk to.
    pub(crate) is_contact: bool,
}

impl HostFailure {
    /// A failure of a host that was reached.
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>, hint: Option<String>) -> Self {
        Self { code: code.into(), message: message.into(), hint, is_contact: false }
    }
}

impl From<Failure> for HostFailure {
    fn from(failure: Failure) -> Self {
        Self::new(failure.code(), failure.to_string(), failure.hint())
    }
}

impl From<HostFailure> for ErrorDocument {
    fn from(HostFailure { code, message, hint, .. }: HostFailure) -> Self {
        Self { code, message, hint }
    }
}

impl From<RemoteError> for HostFailure {
    fn from(error: RemoteError) -> Self {
        let is_contact = matches!(error, RemoteError::Connect { .. } | RemoteError::Lost { run: None });
        Self { code: error.code().to_owned(), message: error.to_string(), hint: error.hint(), is_contact }
    }
}

/// A host that has a plan.
pub(crate) struct Ready {
    /// The worker there; gone where there are too many hosts to keep them all.
    pub(crate) remote: Option<Remote>,
    /// What is wanted there.
    pub(crate) wanted: Wanted,
    /// What would change.
    pub(crate) planned: RemotePlan,
    /// What of it nobody has accepted.
    pub(crate) withheld: Vec<ResourceId>,
}

impl Ready {
    /// How many resources are to be changed, or cannot be planned.
    pub(crate) fn changes(&self) -> usize {
        let entries = self.planned.plan.resources.iter().filter(|entry| entry.held.is_none());
        entries.filter(|entry| entry.action != Action::None || entry.error.is_some()).count()
    }

    /// What tells the catalog from any other, in words.
    pub(crate) fn hash(&self) -> String {
        blake3::Hash::from_bytes(self.planned.plan.catalog_hash).to_hex().to_string()
    }
}

/// What is wanted of a host.
pub(crate) enum Wanted {
    /// To be as this catalog says.
    Catalog(Arc<Catalog>),
    /// To be what it was before a run.
    Back(Box<Back>),
}

/// The way back from a run of a host.
pub(crate) struct Back {
    /// What it was asked, with the number of the run.
    pub(crate) request: UndoRequest,
    /// What it says besides its plan.
    pub(crate) undo: UndoDocument,
    /// Words of the selection that name nothing that the run changed.
    pub(crate) unnamed: Vec<String>,
}

impl Wanted {
    /// The catalog, where that is what is wanted.
    pub(crate) fn catalog(&self) -> Option<&Catalog> {
        match self {
            Self::Catalog(catalog) => Some(catalog),
            Self::Back(_) => None,
        }
    }
}

/// A host, and what came of asking it.
pub(crate) struct Asked {
    pub(crate) target: Target,
    pub(crate) result: Result<Ready, HostFailure>,
}

impl From<(Target, HostFailure)> for Asked {
    fn from((target, failure): (Target, HostFailure)) -> Self {
        Self { target, result: Err(failure) }
    }
}
