//! What happens in a run, on the wire. A resource is named by its place in the plan, and told again only where it is not as it was planned.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stead_catalog::{OutcomeKind, ResourceId};

use super::plan::{WireCause, WireChange, WirePlanned, cause, read_cause};
use super::{FrameError, WireCode};
use crate::process::Effect;
use crate::{Outcome, PendingReaction};

/// One event.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WireEvent {
    Warning {
        code: WireCode,
        message: String,
    },
    RunStarted {
        run: Option<i64>,
        resources: usize,
    },
    Started {
        at: usize,
    },
    Retried {
        at: usize,
        attempt: u32,
        attempts: u32,
        message: String,
    },
    Finished {
        at: usize,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resource: Option<Box<WirePlanned>>,
        outcome: WireOutcome,
    },
    Reacting {
        at: usize,
        because: Vec<WireCause>,
    },
    Reacted {
        at: usize,
        because: Vec<WireCause>,
        failure: Option<(WireCode, String)>,
        duration_ns: u64,
    },
    Undeclared {
        at: usize,
        path: String,
        effect: String,
    },
    /// The last one.
    RunFinished {
        run: Option<i64>,
        /// The resource that is to react, and the cause.
        pending: Vec<(Arc<str>, Arc<str>, WireCause)>,
        cancelled: bool,
        duration_ns: u64,
    },
}

/// How a resource ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WireOutcome {
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<WireCode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(default)]
    duration_ns: u64,
    #[serde(default)]
    attempts: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    remaining: Vec<WireChange>,
}

impl WireOutcome {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        Self {
            kind: outcome.kind.name().to_owned(),
            code: outcome.code.as_deref().map(WireCode::from),
            message: outcome.message.clone(),
            hint: outcome.hint.clone(),
            duration_ns: nanoseconds(outcome.duration),
            attempts: outcome.attempts,
            remaining: outcome.remaining.iter().map(WireChange::of).collect(),
        }
    }

    pub(crate) fn read(self) -> Result<Outcome, FrameError> {
        Ok(Outcome {
            kind: outcome_kind(&self.kind)?,
            code: self.code.map(String::from),
            message: self.message,
            hint: self.hint,
            duration: Duration::from_nanos(self.duration_ns),
            attempts: self.attempts,
            remaining: self.remaining.into_iter().map(WireChange::read).collect::<Result<_, _>>()?,
        })
    }
}

pub(crate) fn outcome_kind(name: &str) -> Result<OutcomeKind, FrameError> {
    OutcomeKind::from_name(name).ok_or_else(|| FrameError::malformed(format!("an outcome `{name}`")))
}

pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn pending(reaction: &PendingReaction) -> (Arc<str>, Arc<str>, WireCause) {
    (reaction.resource.type_name.clone(), reaction.resource.name.clone(), cause(&reaction.cause))
}

pub(crate) fn read_pending((type_name, name, cause): (Arc<str>, Arc<str>, WireCause)) -> Result<PendingReaction, FrameError> {
    Ok(PendingReaction { resource: ResourceId { type_name, name }, cause: read_cause(cause)? })
}

/// What a command wrote without declaring it.
pub(crate) fn written(path: String, effect: &str) -> Result<crate::Written, FrameError> {
    let known = [Effect::Created, Effect::Changed, Effect::Removed];
    let effect = known.into_iter().find(|known| known.name() == effect);
    let effect = effect.ok_or_else(|| FrameError::malformed("an unknown effect of a command"))?;
    Ok(crate::Written { path: PathBuf::from(path), effect })
}
