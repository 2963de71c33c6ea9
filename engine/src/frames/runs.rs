//! What a journal tells, on the wire: runs, what each did, the way back from one, and what has drifted since.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::event::WireOutcome;
use super::plan::WirePlanned;
use super::{FrameError, nanoseconds};
use crate::drift::{Drift, Drifted};
use crate::journal::{hex, unhex};
use crate::undo::{Conflict, NotUndone};
use crate::{ChangeRecord, RunRecord, RunStatus};

/// Nanoseconds since 1970.
type WireTime = u64;

fn time(time: SystemTime) -> WireTime {
    nanoseconds(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn read_time(time: WireTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(time)
}

/// A run in the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WireRun {
    id: i64,
    node: String,
    root: String,
    started: WireTime,
    finished: Option<WireTime>,
    status: String,
    catalog_hash: String,
    unfinished: Vec<String>,
    undoes: Option<i64>,
    changed: u32,
    failed: u32,
}

impl WireRun {
    pub(crate) fn of(record: &RunRecord) -> Self {
        Self {
            id: record.id,
            node: record.node.clone(),
            root: record.root.to_string_lossy().into_owned(),
            started: time(record.started),
            finished: record.finished.map(time),
            status: record.status.name().to_owned(),
            catalog_hash: hex(&record.catalog_hash),
            unfinished: record.unfinished.clone(),
            undoes: record.undoes,
            changed: record.counts.0,
            failed: record.counts.1,
        }
    }

    pub(crate) fn read(self) -> Result<RunRecord, FrameError> {
        Ok(RunRecord {
            id: self.id,
            node: self.node,
            root: PathBuf::from(self.root),
            started: read_time(self.started),
            finished: self.finished.map(read_time),
            status: RunStatus::from_name(&self.status),
            catalog_hash: unhex(&self.catalog_hash).ok_or_else(|| FrameError::malformed("a run without its catalog's hash"))?,
            unfinished: self.unfinished,
            undoes: self.undoes,
            counts: (self.changed, self.failed),
            token: 0,
        })
    }
}

/// One change of a run in the journal: what was shown of it, and how it ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WireDone {
    resource: WirePlanned,
    outcome: WireOutcome,
}

impl WireDone {
    pub(crate) fn of(record: ChangeRecord) -> Self {
        let (resource, outcome) = record.told();
        Self { resource: WirePlanned::of(&resource), outcome: WireOutcome::of(&outcome) }
    }

    pub(crate) fn read(self) -> Result<(stead_catalog::PlannedResource, crate::Outcome), FrameError> {
        Ok((self.resource.read()?, self.outcome.read()?))
    }
}

/// Which run is to be taken back, and how much of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WireUndo {
    /// The newest one where none is named.
    pub(crate) run: Option<i64>,
    #[serde(default)]
    pub(crate) only: Vec<String>,
    #[serde(default)]
    pub(crate) except: Vec<String>,
    #[serde(default)]
    pub(crate) force: bool,
}

/// Something that is not as the run left it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WireConflict {
    what: String,
    differs: String,
    changed: Option<WireTime>,
    by_run: Option<i64>,
}

impl WireConflict {
    pub(crate) fn of(conflict: &Conflict) -> Self {
        Self {
            what: conflict.what.clone(),
            differs: conflict.differs.clone(),
            changed: conflict.changed.map(time),
            by_run: conflict.by_run,
        }
    }

    pub(crate) fn read(self) -> Conflict {
        let Self { what, differs, changed, by_run } = self;
        Conflict { what, differs, changed: changed.map(read_time), by_run, kind: String::new(), name: Vec::new() }
    }
}

/// A resource of the run, and what of it stays as it is.
pub(crate) type WireNotUndone = (String, String);

pub(crate) fn not_undone(left: &NotUndone) -> WireNotUndone {
    (left.resource.clone(), left.why.clone())
}

pub(crate) fn read_not_undone((resource, why): WireNotUndone) -> NotUndone {
    NotUndone { resource, why }
}

/// What has changed since the last apply.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WireDrift {
    drifted: Vec<WireDrifted>,
    pending: Vec<WirePlanned>,
    as_left: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct WireDrifted {
    resource: WirePlanned,
    run: Option<i64>,
    since: WireTime,
    changed: Option<WireTime>,
    by: Option<Arc<str>>,
}

impl WireDrift {
    pub(crate) fn of(drift: &Drift) -> Self {
        let drifted = |drifted: &Drifted| WireDrifted {
            resource: WirePlanned::of(&drifted.resource),
            run: drifted.run,
            since: time(drifted.since),
            changed: drifted.changed.map(time),
            by: drifted.by.as_deref().map(Arc::from),
        };
        Self {
            drifted: drift.drifted.iter().map(drifted).collect(),
            pending: drift.pending.iter().map(WirePlanned::of).collect(),
            as_left: drift.as_left,
        }
    }

    pub(crate) fn read(self) -> Result<Drift, FrameError> {
        let drifted = |drifted: WireDrifted| {
            Ok::<_, FrameError>(Drifted {
                resource: drifted.resource.read()?,
                run: drifted.run,
                since: read_time(drifted.since),
                changed: drifted.changed.map(read_time),
                by: drifted.by.map(|by| by.to_string()),
            })
        };
        Ok(Drift {
            drifted: self.drifted.into_iter().map(drifted).collect::<Result<_, _>>()?,
            pending: self.pending.into_iter().map(WirePlanned::read).collect::<Result<_, _>>()?,
            as_left: self.as_left,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_catalog::{Action, Change, PlannedResource, ResourceId, Shown, SourceLocation, Value};

    #[test]
    fn a_run_and_what_drifted_since_come_through_whole() {
        let run = RunRecord {
            id: 7,
            node: "web-1".into(),
            root: "/".into(),
            started: read_time(1_700_000_000_000_000_001),
            finished: None,
            status: RunStatus::Interrupted,
            catalog_hash: vec![1, 2],
            unfinished: vec!["file[\"/a\"]".into()],
            undoes: Some(3),
            counts: (2, 1),
            token: 0,
        };
        assert_eq!(WireRun::of(&run).read().expect("read back"), run);
        let resource = PlannedResource {
            id: ResourceId::new("file", "/a"),
            action: Action::Update,
            because: Vec::new(),
            source: SourceLocation { file: "site.stead".into(), start: 1, end: 9, line: 1, column: 2 },
            changes: vec![Change::value("mode", Shown::Value(Value::Mode(0o600)), Shown::Value(Value::Mode(0o644)))],
            unknown: None,
            held: None,
            error: None,
            digest: None,
            orphan: false,
        };
        let (since, by) = (read_time(5), Some("uid 0 with /usr/bin/vim".to_owned()));
        let drifted = Drifted { resource: resource.clone(), run: Some(7), since, changed: Some(read_time(9)), by };
        let drift = Drift { drifted: vec![drifted], pending: vec![resource], as_left: 4 };
        assert_eq!(WireDrift::of(&drift).read().expect("read back"), drift);
    }
}
