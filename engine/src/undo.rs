//! Back to what was there before a run.

mod chosen;
mod path;
mod plan;
mod restorer;
mod setting;

pub use chosen::{Asked, UndoSelection};
pub use plan::{Conflict, NotUndone, Undo, UndoError, UndoOptions};
pub use restorer::{IntoValue, Restore, Restorer, RestoringResource, SetBack, recorded_strings};

use crate::{machine, system};

/// What the engine itself records, besides paths.
pub(crate) static OWN: [&Restorer; 4] = [&machine::KERNEL, &system::systemd::UNIT, &system::apt::PACKAGE, &system::apt::INDEX];
