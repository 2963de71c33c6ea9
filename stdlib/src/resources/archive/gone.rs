//! What is taken away of an archive that is not wanted any more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_catalog::{Action, Change, Shown};
use stead_engine::{Applied, ApplyError, Difference, FileKind, Known, Machine, ObserveError, Predicted, World};

use super::Archive;
use super::compare::Source;
use crate::filesystem::{self, Tree};
use crate::web::Origin;

/// What is removed.
#[derive(Clone, Debug, Default)]
pub(super) struct Removals {
    /// Paths that go, with what they are; a directory before what is in it.
    paths: Vec<(PathBuf, FileKind)>,
    /// Whole trees go, and not only what is named.
    whole: bool,
    /// What is there is known only later.
    unknown: Option<Arc<str>>,
}

impl Archive {
    pub(super) fn observe_removals(&self, world: &dyn World) -> Result<Removals, ObserveError> {
        let mut removals = Removals::default();
        if self.creates.iter().next().is_some() {
            removals.whole = true;
            for created in &self.creates {
                let path = created.as_path();
                match filesystem::stat(world, path, false)? {
                    Known::Is(None) => {}
                    Known::Is(Some(stat)) => {
                        removals.paths.push((path.to_owned(), stat.kind));
                        if stat.kind == FileKind::Directory {
                            let below = Tree::observe(world, path)?.entries;
                            removals.paths.extend(below.into_iter().map(|(relative, kind)| (path.join(relative), kind)));
                        }
                    }
                    Known::Unknown(because) => removals.unknown = Some(because),
                }
            }
            return Ok(removals);
        }
        // Without the archive nobody knows what came from it, and nothing of it is wanted.
        if let Some(Origin::Path(path)) = self.origin()
            && world.stat(path)? == Known::Is(None)
        {
            return Ok(removals);
        }
        let index = match self.observe_source(world)? {
            Source::Read { index, .. } => index,
            Source::Later(because) => return Ok(Removals { unknown: Some(because), ..removals }),
            Source::Remote | Source::Unasked => return Ok(removals),
        };
        let mut going: BTreeSet<PathBuf> = BTreeSet::new();
        // From the deepest up: a directory goes when all that is in it goes.
        for (relative, member) in index.members.iter().rev() {
            let path = self.destination().join(relative);
            let stat = match filesystem::stat(world, &path, false)? {
                Known::Is(Some(stat)) if stat.kind == member.kind && !world.is_declared(&path) => stat,
                Known::Is(_) => continue,
                Known::Unknown(because) => {
                    removals.unknown = Some(because);
                    continue;
                }
            };
            if stat.kind == FileKind::Directory {
                let entries = match world.list(&path)? {
                    Known::Is(entries) => entries.unwrap_or_default(),
                    Known::Unknown(because) => {
                        removals.unknown = Some(because);
                        continue;
                    }
                };
                if entries.iter().any(|(name, _)| !going.contains(&path.join(name))) {
                    continue;
                }
            }
            going.insert(path.clone());
            removals.paths.push((path, stat.kind));
        }
        removals.paths.reverse();
        Ok(removals)
    }
}

impl Removals {
    pub(super) fn difference(&self) -> Difference {
        let mut changes = Vec::new();
        filesystem::removals(self.paths.iter().map(|(path, _)| path.as_path()), &mut changes);
        let unknown = self.unknown.clone().filter(|_| self.paths.is_empty());
        if let Some(because) = &unknown {
            changes.push(Change::value("removes", Shown::Unknown(because.clone()), Shown::Absent));
        }
        if changes.is_empty() { Difference::NONE } else { Difference { action: Action::Delete, changes, unknown } }
    }

    pub(super) fn digest(&self, hasher: &mut blake3::Hasher) -> bool {
        for (path, kind) in &self.paths {
            hasher.update(path.as_os_str().as_encoded_bytes());
            hasher.update(filesystem::kind_words(*kind).as_bytes());
        }
        self.unknown.is_none()
    }

    pub(super) fn predict(&self, effects: &mut Predicted<'_>) {
        for (path, _) in self.paths.iter().rev() {
            effects.remove(path);
        }
    }

    pub(super) fn apply(&self, machine: &Machine) -> Result<Applied, ApplyError> {
        for (path, kind) in self.tops() {
            if kind == FileKind::Directory { machine.remove_tree(path)? } else { machine.remove_file(path)? }
        }
        Ok(Applied::Done)
    }

    /// The paths that are not below another that goes; without whole trees each directory is looked at once more.
    fn tops(&self) -> Vec<(&Path, FileKind)> {
        let mut tops: Vec<(&Path, FileKind)> = Vec::new();
        for (path, kind) in &self.paths {
            if !tops.iter().rev().any(|(top, _)| path.starts_with(top)) {
                tops.push((path, *kind));
            }
        }
        tops
    }
}
