//! Looks at a machine, plans exactly what would change on it, and changes only that.
//!
//! The engine knows resource types through [`ResourceType`] and the wanted state through
//! [`stead_catalog::Catalog`]; it knows no syntax. All looking goes through [`World`]; only
//! `apply` is handed the thing that writes.

mod apply;
mod cancel;
mod content;
mod discreet;
mod downloads;
pub mod drift;
mod events;
pub mod facts;
mod failure;
mod foreseen;
mod frames;
mod glob;
mod graph;
mod joint;
mod journal;
mod ledger;
mod lock;
mod machine;
mod managed_paths;
pub mod net;
mod observed;
mod path_map;
mod planner;
#[cfg(test)]
mod planner_tests;
mod predicted;
mod process;
mod program;
mod reads;
mod remote;
mod resource_type;
mod root;
mod saved;
mod script;
pub mod ssh;
mod state_dir;
pub mod system;
#[cfg(test)]
mod test_support;
pub mod undo;
mod units;
mod watch;
mod worker;
mod world;

pub use apply::{ApplyOptions, RunError, apply};
pub use cancel::Cancel;
pub use content::{Private, content_change, is_private};
pub use downloads::{Downloads, Fetched, Part as DownloadPart, Version as WebVersion};
pub use events::{Counts, Event, Events, Outcome, RunReport};
pub use failure::{ApplyError, ObserveError};
pub use frames::{FrameError, seeds as frame_seeds, try_decoding as try_frames};
pub use graph::Graph;
pub use journal::{
    Before, ChangeRecord, CollectError, Collected, FileAttributes, FileState, Journal, JournalError, Retention, RunRecord,
    RunStatus,
};
pub use ledger::{LedgerEntry, Removal, with_orphans};
pub use lock::Holder;
pub use machine::{FileWrite, Machine, NewTree, Output, Run, Staged, TreeEntry};
pub use managed_paths::ManagedPaths;
pub use observed::Observed;
pub use planner::{Part, PendingReaction, PlanOptions, Planned, plan};
pub use predicted::Predicted;
pub use predicted::brought::{Brought, Lost};
pub use process::{Effect, Written};
pub use program::{ProgramError, run_program};
pub use remote::{
    Answers, HealthCheck, Questions, Refusal, Remote, RemoteApply, RemoteError, RemotePlan, SshProblem, Story, UndoRequest,
    WayBack,
};
pub use resource_type::{
    Applied, Described, Difference, LockClass, Managed, Observation, ReactionKind, Registry, ResourceType, SecretsGo, TypeEntry,
    Unmet,
};
pub use root::RootSpec;
pub use saved::{SavedChange, SavedPlan, SavedPlanError, SavedPlans};
pub use script::Told;
pub use state_dir::make_state_dir;
pub use stead_catalog::OutcomeKind;
pub use system::accounts::{Ages, Shadow};
pub use undo::{Restore, Restorer, RestoringResource};
pub use units::unit_of;
pub use watch::{Alarm, Notice, Turn, Watch, WatchError, WatchOptions};
pub use worker::{WorkerOptions, serve};
pub use world::{
    ActiveState, EnableState, FileKind, Forecast, Group, Known, Look, Owner, PackageChange, PackageState, PackageWish, Probe,
    ProbeOutcome, Stat, UnitState, User, WishedState, World,
};
