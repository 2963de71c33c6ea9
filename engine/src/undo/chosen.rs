//! Which changes of a run are taken back: those that are asked for, what cannot stay without them, and nothing that is to stay.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use stead_catalog::ResourceId;

use super::plan::NotUndone;
use crate::journal::{Before, ChangeRecord, FileState};

/// What is asked of a resource of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It goes back.
    Back,
    /// It goes back where it cannot stay without what goes back.
    AsNeeded,
    /// It stays, whatever else has to stay with it.
    Stays,
}

/// What of a run is asked for, as a command line says it: resources such as `file["/etc/motd"]`, and types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UndoSelection {
    /// Only these, where there are any, with what cannot stay without them.
    pub only: Vec<String>,
    /// These stay.
    pub except: Vec<String>,
}

/// Says whether a word names a resource: by itself, or by its type.
fn is_named(word: &str, id: &ResourceId) -> bool {
    ResourceId::parse(word).map_or_else(|| *id.type_name == *word, |wanted| wanted == *id)
}

impl UndoSelection {
    /// The words that name none of these resources: most likely they are misspelled, and what they mean to keep would be lost.
    pub fn unnamed(&self, changed: &BTreeSet<ResourceId>) -> Vec<String> {
        self.words().filter(|word| !changed.iter().any(|id| is_named(word, id))).cloned().collect()
    }

    /// All words.
    pub fn words(&self) -> impl Iterator<Item = &String> {
        self.only.iter().chain(&self.except)
    }

    /// What is asked of a resource.
    pub fn asked(&self, id: &ResourceId) -> Asked {
        let names = |words: &[String]| words.iter().any(|word| is_named(word, id));
        if names(&self.except) {
            Asked::Stays
        } else if self.only.is_empty() || names(&self.only) {
            Asked::Back
        } else {
            Asked::AsNeeded
        }
    }
}

/// The changes that are taken back.
pub(super) struct Chosen {
    pub(super) changes: Vec<ChangeRecord>,
    /// What was asked for and stays, because of what is to stay.
    pub(super) kept: Vec<NotUndone>,
}

/// Chooses among the changes of a run, which are in their order.
pub(super) fn chosen(changes: Vec<ChangeRecord>, asked: &dyn Fn(&ResourceId) -> Asked) -> Chosen {
    let asked: Vec<Asked> = changes.iter().map(|change| change.resource.as_ref().map_or(Asked::AsNeeded, asked)).collect();
    if asked.iter().all(|asked| *asked == Asked::Back) {
        return Chosen { changes, kept: Vec::new() };
    }
    let (stays, kept) = staying(&changes, &asked);
    let mut wanted: Vec<bool> = asked.iter().zip(&stays).map(|(asked, stays)| *asked == Asked::Back && !stays).collect();
    loop {
        let going = changes.iter().zip(&wanted).filter(|(_, wanted)| **wanted);
        let mut things: BTreeMap<(&str, &[u8]), u32> = BTreeMap::new();
        let mut emptied: BTreeSet<&Path> = BTreeSet::new();
        for (change, _) in going {
            for before in &change.befores {
                let first = things.entry(key(before)).or_insert(change.sequence);
                *first = (*first).min(change.sequence);
                emptied.extend(made_directory(before));
            }
        }
        let follows = |change: &ChangeRecord| {
            change.befores.iter().any(|before| {
                let same = things.get(&key(before)).is_some_and(|first| change.sequence > *first);
                same || before.path().is_some_and(|path| path.ancestors().skip(1).any(|above| emptied.contains(above)))
            })
        };
        let more: Vec<usize> = (0..changes.len()).filter(|at| !wanted[*at] && !stays[*at] && follows(&changes[*at])).collect();
        if more.is_empty() {
            break;
        }
        for at in more {
            wanted[at] = true;
        }
    }
    let changes = changes.into_iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(change, _)| change).collect();
    Chosen { changes, kept }
}

/// What stays: what is to stay, what it has changed again, and the directories that it is in.
fn staying(changes: &[ChangeRecord], asked: &[Asked]) -> (Vec<bool>, Vec<NotUndone>) {
    let mut stays: Vec<bool> = asked.iter().map(|asked| *asked == Asked::Stays).collect();
    let mut told = Vec::new();
    if !stays.contains(&true) {
        return (stays, told);
    }
    loop {
        let mut things: BTreeMap<(&str, &[u8]), &ChangeRecord> = BTreeMap::new();
        let mut inside: BTreeMap<&Path, &ChangeRecord> = BTreeMap::new();
        for (change, _) in changes.iter().zip(&stays).filter(|(_, stays)| **stays) {
            for before in &change.befores {
                things.insert(key(before), change);
                for above in before.path().iter().flat_map(|path| path.ancestors().skip(1)) {
                    inside.insert(above, change);
                }
            }
        }
        let because = |change: &ChangeRecord| {
            let names = |change: &ChangeRecord| change.resource.as_ref().map(ToString::to_string).unwrap_or_default();
            change.befores.iter().find_map(|before| {
                if let Some(later) = things.get(&key(before)).filter(|later| later.sequence > change.sequence) {
                    return Some(format!("{} changed it again, and is to stay as it is", names(later)));
                }
                let within = made_directory(before).and_then(|path| inside.get(path))?;
                Some(format!("{} is in it, and is to stay as it is", names(within)))
            })
        };
        let more: Vec<(usize, String)> =
            (0..changes.len()).filter(|at| !stays[*at]).filter_map(|at| because(&changes[at]).map(|why| (at, why))).collect();
        if more.is_empty() {
            break;
        }
        for (at, why) in more {
            stays[at] = true;
            if let (Asked::Back, Some(resource)) = (asked[at], &changes[at].resource) {
                told.push(NotUndone { resource: resource.to_string(), why });
            }
        }
    }
    (stays, told)
}

/// The path of what goes with everything in it, because there was no directory.
fn made_directory(before: &Before) -> Option<&Path> {
    match before {
        Before::Path { path, state, .. } if !matches!(state, FileState::Directory { .. }) => Some(path),
        _ => None,
    }
}

fn key(before: &Before) -> (&str, &[u8]) {
    match before {
        Before::Path { path, .. } => ("path", path.as_os_str().as_bytes()),
        Before::Record { kind, name, .. } => (kind, name.as_bytes()),
    }
}
