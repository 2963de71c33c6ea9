//! One project: its version, and what changed since.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stead_compiler::inventory::VARIABLE_FOLDERS;
use stead_compiler::{Project, Sources as _, config};

use super::{Compiled, Key, name_in};
use crate::overlay::Overlay;
use crate::{Host, Inventories};

/// A project and its state.
pub(crate) struct State {
    pub(crate) overlay: Arc<Overlay>,
    pub(super) dependencies: BTreeMap<Arc<str>, Arc<str>>,
    /// The inventories of other tools, read when they are needed.
    pub(super) inventories: Option<Arc<Inventories>>,
    pub(super) elsewhere: Arc<BTreeMap<Arc<str>, PathBuf>>,
    pub(super) project: Option<Arc<Project>>,
    pub(super) changed: BTreeSet<Arc<str>>,
    /// Large files that changed: the project has them as they were.
    pub(super) late: BTreeSet<Arc<str>>,
    /// Counts what changed.
    pub(super) edits: u64,
    /// The count when the large files were loaded last.
    pub(super) tried: Option<u64>,
    pub(super) is_loading: bool,
    pub(crate) generation: u64,
    pub(crate) compiled: Option<Arc<Compiled>>,
    /// The files that diagnostics were sent for.
    pub(crate) published: BTreeSet<Arc<str>>,
    /// The version whose diagnostics were sent.
    pub(super) told: u64,
    /// Stops the compiling that was begun last.
    pub(super) stop: Arc<AtomicBool>,
    /// The inventories that were not read, as they were told.
    pub(super) unread: Vec<String>,
}

impl State {
    /// Notes that a file changed. What is being compiled is of no use any more.
    pub(super) fn changed(&mut self, name: Arc<str>) {
        self.late.remove(&name);
        self.changed.insert(name);
        self.edits += 1;
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Notes that a large file changed.
    pub(super) fn changed_late(&mut self, name: Arc<str>) {
        if self.project.is_none() || self.changed.contains(&name) {
            return self.changed(name);
        }
        self.late.insert(name);
        self.edits += 1;
        self.stop.store(true, Ordering::Relaxed);
    }

    /// The files that the project has as they were.
    pub(crate) fn late(&self) -> &BTreeSet<Arc<str>> {
        &self.late
    }

    pub(super) fn wants_to_load(&self) -> bool {
        !self.late.is_empty() && !self.is_loading && self.tried != Some(self.edits)
    }

    /// Says whether something changed that was not looked at.
    pub(crate) fn is_stale(&self) -> bool {
        self.project.is_none() || !self.changed.is_empty() || !self.late.is_empty()
    }

    /// The inventories that the project names, read anew where its settings or one of them changed.
    pub(super) fn inventories(
        &mut self,
        overlay: &Overlay,
        changed: &BTreeSet<Arc<str>>,
        host: &dyn Host,
        key: &Key,
        may_run: bool,
    ) -> Arc<Inventories> {
        let is_changed = |project: &Arc<Project>| {
            let files = &project.config().inventory.files;
            changed.iter().any(|name| {
                let below = |path: &str| name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
                **name == *config::FILE_NAME
                    || files.iter().any(|file| below(&file.path))
                    || name.split('/').any(|part| VARIABLE_FOLDERS.contains(&part))
            })
        };
        if let Some(known) = self.inventories.as_ref().filter(|_| !self.project.as_ref().is_some_and(is_changed)) {
            return known.clone();
        }
        let name: Arc<str> = config::FILE_NAME.into();
        let settings = overlay.read(&name).map(|bytes| config::Config::parse(&name, &bytes).0).unwrap_or_default();
        let buffer = |path: &Path| overlay.buffer(&name_in(&key.root, path)?);
        let read = match key.file {
            // A file that stands alone has no settings.
            Some(_) => Inventories::default(),
            None => host.inventories(&key.root, &settings, &buffer, may_run),
        };
        self.inventories.insert(Arc::new(read)).clone()
    }

    /// What was not read of the inventories, where that was not told.
    pub(crate) fn unread(&mut self) -> Vec<String> {
        let unread = self.inventories.as_ref().map(|inventories| inventories.unread.clone()).unwrap_or_default();
        if unread == self.unread {
            return Vec::new();
        }
        self.unread.clone_from(&unread);
        unread
    }

    /// Makes this the project.
    pub(super) fn adopt(&mut self, project: Project) -> Arc<Project> {
        let project = Arc::new(project);
        self.project = Some(project.clone());
        self.generation += 1;
        self.stop = Arc::default();
        project
    }

    /// Says whether there is a version whose diagnostics were not sent, and takes it as sent. A request may have loaded it first.
    pub(crate) fn is_news(&mut self) -> bool {
        std::mem::replace(&mut self.told, self.generation) != self.generation
    }

    /// What compiling gave, where it was this version that was compiled.
    pub(crate) fn current(&self) -> Option<&Arc<Compiled>> {
        self.compiled.as_ref().filter(|compiled| compiled.generation == self.generation)
    }
}
