//! What somebody else has changed since a run: an undo would lose it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rayon::prelude::*;
use serde_json::Value as Json;

use super::{Was, nanoseconds};
use crate::journal::{Before, ChangeRecord, FileAttributes, FileState, Journal, RunRecord};
use crate::machine::look_now;
use crate::{Known, Observed, Registry, World};

/// The kind of record of what is mounted at a directory: `{"mounted": false}` where nothing was.
const MOUNT: &str = "mount";

/// Something that is not as the run left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The path, or the kind and name of something else.
    pub what: String,
    /// What differs from what the run left.
    pub differs: String,
    /// When it was changed, where the file system tells.
    pub changed: Option<SystemTime>,
    /// The later run that changed it.
    pub by_run: Option<i64>,
    /// The kind of thing in the journal, and its name there; empty in what another machine has told.
    pub(crate) kind: String,
    pub(crate) name: Vec<u8>,
}

impl Conflict {
    /// Finds the later run that changed it.
    pub(super) fn name_run(&mut self, journal: &Journal, run: i64) {
        let last = journal.later_runs(run, &self.kind, &self.name).ok().and_then(|runs| runs.last().copied());
        let record = last.and_then(|last| journal.run(last).ok().flatten());
        // What is newer than that run was changed by somebody else after it.
        let is_its_own = |record: &RunRecord| match (self.changed, record.finished) {
            (Some(changed), Some(finished)) => changed <= finished,
            _ => true,
        };
        self.by_run = record.filter(is_its_own).map(|record| record.id);
    }

    fn of_path(path: &Path, differs: impl Into<String>, now: Option<&FileAttributes>) -> Self {
        let changed = now.and_then(|now| u64::try_from(now.modified_ns).ok()).map(|ns| UNIX_EPOCH + Duration::from_nanos(ns));
        let (what, differs) = (path.display().to_string(), differs.into());
        Self { what, differs, changed, by_run: None, kind: "path".into(), name: path.as_os_str().as_bytes().to_vec() }
    }
}

/// What is at a path: its state, and the digest of a content.
type At = (FileState, Option<[u8; 32]>);

/// What is at the paths now.
pub(super) type Now = BTreeMap<PathBuf, At>;

/// Looks at every path, and finds those that are neither as the run left them nor as they were before.
pub(super) fn of_paths(
    states: &BTreeMap<PathBuf, Was>,
    afters: &[(u32, Before)],
    run: &RunRecord,
    changes: &[ChangeRecord],
    observed: &Observed,
    whole: &BTreeSet<PathBuf>,
) -> (Vec<Conflict>, Now) {
    let mut left: BTreeMap<&Path, (&FileState, Option<[u8; 32]>)> = BTreeMap::new();
    for (_, after) in afters {
        if let Before::Path { path, state, blob } = after {
            left.insert(path, (state, *blob));
        }
    }
    let ended = run.finished.or_else(|| changes.iter().filter_map(|change| change.finished).max());
    let ended = nanoseconds(ended.unwrap_or(run.started));
    let expected = |path: &Path| {
        left.get(path).copied().or_else(|| {
            let above = path.ancestors().skip(1).find_map(|above| left.get(above))?;
            (!matches!(above.0, FileState::Directory { .. })).then_some((&FileState::Absent, None))
        })
    };
    let unmounted: BTreeSet<&Path> = changes
        .iter()
        .flat_map(|change| &change.befores)
        .filter_map(|before| match before {
            Before::Record { kind, name, state } if kind == MOUNT && state["mounted"] == false => Some(Path::new(name)),
            _ => None,
        })
        .collect();
    let looked: Vec<(&PathBuf, At, Option<Conflict>)> = states
        .par_iter()
        .filter_map(|(path, was)| {
            let expected = expected(path);
            let digest = was.blob.is_some() || expected.is_some_and(|(_, digest)| digest.is_some());
            // What cannot be looked at fails in the plan, in its own words.
            let now = look_now(observed, path, digest).ok()?;
            // What is mounted there goes first, and takes what is seen there along.
            let is_seen = !unmounted.contains(path.as_path());
            // What a record stands for is looked at as a whole.
            let foreign = || if whole.contains(path) { None } else { foreign(path, was, states, &now, observed) };
            let conflict = conflict(path, was, expected, &now, ended).or_else(foreign).filter(|_| is_seen);
            Some((path, now, conflict))
        })
        .collect();
    let mut conflicts = Vec::new();
    let mut found = Now::new();
    for (path, now, conflict) in looked {
        conflicts.extend(conflict);
        found.insert(path.clone(), now);
    }
    (conflicts, found)
}

fn conflict(path: &Path, was: &Was, expected: Option<(&FileState, Option<[u8; 32]>)>, now: &At, ended: i64) -> Option<Conflict> {
    difference((&now.0, now.1), (&was.state, was.blob))?;
    let attributes = attributes(&now.0);
    match expected {
        Some(expected) => {
            let differs = difference((&now.0, now.1), expected)?;
            Some(Conflict::of_path(path, differs, attributes))
        }
        None if attributes.is_some_and(|now| now.modified_ns > ended) => Some(Conflict::of_path(path, "it is newer", attributes)),
        None => None,
    }
}

/// A directory that is to go, with something in it that the run did not put there.
fn foreign(path: &Path, was: &Was, states: &BTreeMap<PathBuf, Was>, now: &At, observed: &Observed) -> Option<Conflict> {
    let goes = !matches!(was.state, FileState::Directory { .. }) && matches!(now.0, FileState::Directory { .. });
    if !goes {
        return None;
    }
    let Ok(Known::Is(Some(entries))) = observed.list(path) else { return None };
    let (name, _) = entries.iter().find(|(name, _)| !states.contains_key(&path.join(name)))?;
    let differs = format!("it holds `{}`, which the run did not put there", name.to_string_lossy());
    Some(Conflict::of_path(path, differs, attributes(&now.0)))
}

fn attributes(state: &FileState) -> Option<&FileAttributes> {
    match state {
        FileState::Absent => None,
        FileState::File { attributes, .. }
        | FileState::Directory { attributes }
        | FileState::Symlink { attributes, .. }
        | FileState::Other { attributes, .. } => Some(attributes),
    }
}

/// Says in what two states differ, times apart; a content counts where both digests are known.
pub(super) fn difference(a: (&FileState, Option<[u8; 32]>), b: (&FileState, Option<[u8; 32]>)) -> Option<String> {
    let word = |state: &FileState| match state {
        FileState::Absent => "nothing",
        FileState::File { .. } => "a file",
        FileState::Directory { .. } => "a directory",
        FileState::Symlink { .. } => "a symlink",
        FileState::Other { .. } => "something special",
    };
    if word(a.0) != word(b.0) {
        return Some(format!("there is {} where {} was", word(a.0), word(b.0)));
    }
    let mut differs = BTreeSet::new();
    if let (Some(a), Some(b)) = (attributes(a.0), attributes(b.0)) {
        let is_link = a.mode == 0o777 && b.mode == 0o777;
        differs.extend((a.mode != b.mode && !is_link).then_some("mode"));
        differs.extend((a.uid != b.uid).then_some("owner"));
        differs.extend((a.gid != b.gid).then_some("group"));
    }
    if let (Some(a), Some(b)) = (a.1, b.1) {
        differs.extend((a != b).then_some("content"));
    }
    differs.extend((a.0.target() != b.0.target()).then_some("target"));
    (!differs.is_empty()).then(|| differs.into_iter().collect::<Vec<_>>().join(", "))
}

/// Says whether something is what a record says, as far as that goes.
fn is_as(now: &Json, recorded: &Json) -> bool {
    match (now.as_object(), recorded.as_object()) {
        (Some(now), Some(recorded)) => {
            let mut known = recorded.iter().filter_map(|(key, value)| Some((now.get(key)?, value))).peekable();
            known.peek().is_some() && known.all(|(now, was)| now == was)
        }
        _ => now == recorded,
    }
}

/// Finds what is no path and not as the run left it.
pub(super) fn of_records(
    records: &BTreeMap<(String, String), (Json, i64)>,
    afters: &[(u32, Before)],
    registry: &Registry,
    observed: &Observed,
) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    for ((kind, name), (before, _)) in records {
        let left = afters.iter().rev().find_map(|(_, after)| match after {
            Before::Record { kind: k, name: n, state } if k == kind && n == name => Some(state),
            _ => None,
        });
        let (Some(left), Some(restorer)) = (left, registry.restorer(kind)) else { continue };
        let Ok(now) = (restorer.look)(observed, name) else { continue };
        // Back to what it was before the run it may have come by another undo.
        if now == *left || is_as(&now, before) {
            continue;
        }
        let differs = match (now.as_object(), left.as_object()) {
            (Some(now), Some(left)) => {
                let keys: Vec<&str> = left.keys().filter(|key| now.get(*key) != left.get(*key)).map(String::as_str).collect();
                if keys.is_empty() {
                    continue;
                }
                keys.join(", ")
            }
            (None, _) => "it is gone".to_owned(),
            (_, None) => "it is there again".to_owned(),
        };
        let (kind, name) = (kind.clone(), name.as_bytes().to_vec());
        let what = format!("{kind} {}", String::from_utf8_lossy(&name));
        conflicts.push(Conflict { what, differs, changed: None, by_run: None, kind, name });
    }
    conflicts
}
