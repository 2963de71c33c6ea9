//! The projects that the open documents belong to, each loaded once and kept up to date.

mod state;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stead_compiler::{Input, NodeContext, Project, Schemas};

use crate::Host;
use crate::config::Config;
use crate::documents::{Document, Documents};
use crate::overlay::Overlay;
use crate::snapshot::Snapshot;
use crate::text::{Encoding, Text};
pub(crate) use state::State;
pub(crate) use work::{Compiled, Load, Loaded, Work};

/// Which project: a directory with `stead.toml`, or a file alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) root: PathBuf,
    pub(crate) file: Option<Arc<str>>,
}

/// A document of more bytes is not loaded at every keystroke but in the background, when the typing pauses.
const LARGE: usize = 1 << 20;

/// Everything the server knows.
pub(crate) struct Workspace {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) schemas: Arc<Schemas>,
    pub(crate) documents: Documents,
    pub(crate) encoding: Encoding,
    pub(crate) takes_snippets: bool,
    pub(crate) config: Arc<Config>,
    pub(crate) folders: Vec<PathBuf>,
    projects: BTreeMap<Key, State>,
    this_node: Option<Result<NodeContext, String>>,
    /// How long the project that was loaded last took.
    pub(crate) took: Duration,
}

impl Workspace {
    pub(crate) fn new(host: Arc<dyn Host>, encoding: Encoding) -> Self {
        let schemas = host.schemas();
        let config = Arc::default();
        Self {
            host,
            schemas,
            documents: Documents::default(),
            encoding,
            takes_snippets: false,
            config,
            folders: Vec::new(),
            projects: BTreeMap::new(),
            this_node: None,
            took: Duration::ZERO,
        }
    }

    /// This machine as a node, asked once.
    pub(crate) fn this_node(&mut self) -> Result<NodeContext, String> {
        let host = &self.host;
        self.this_node.get_or_insert_with(|| host.this_node()).clone()
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        self.projects.keys().cloned().collect()
    }

    pub(crate) fn state(&self, key: &Key) -> Option<&State> {
        self.projects.get(key)
    }

    pub(crate) fn state_mut(&mut self, key: &Key) -> Option<&mut State> {
        self.projects.get_mut(key)
    }

    /// The project that a file belongs to, and its name there.
    pub(crate) fn locate(&self, path: &Path) -> Option<(Key, Arc<str>)> {
        let root = path.ancestors().skip(1).find(|directory| directory.join("stead.toml").is_file());
        if let Some(root) = root {
            return Some((Key { root: root.to_owned(), file: None }, name_in(root, path)?));
        }
        let root = path.parent()?;
        let name = name_in(root, path)?;
        if name.ends_with(".stead") {
            return Some((Key { root: root.to_owned(), file: Some(name.clone()) }, name));
        }
        // A template or data file beside a file that stands alone.
        let key = self.projects.keys().find(|key| path.starts_with(&key.root))?;
        Some((key.clone(), name_in(&key.root, path)?))
    }

    /// Says that a file is not what it was: in the editor, or on disk.
    pub(crate) fn touch(&mut self, path: &Path) {
        let is_large = self.documents.get(path).is_some_and(|document| document.text.as_str().len() > LARGE);
        for (key, state) in &mut self.projects {
            match name_in(&key.root, path) {
                Some(name) if is_large => state.changed_late(name),
                Some(name) => state.changed(name),
                None => {}
            }
        }
    }

    /// Says whether the project has a document as it was.
    pub(crate) fn is_late(&self, path: &Path) -> bool {
        let Some((key, name)) = self.locate(path) else { return false };
        self.projects.get(&key).is_some_and(|state| state.late.contains(&name))
    }

    /// Says whether the project of a file has any document as it was.
    pub(crate) fn is_project_late(&self, path: &Path) -> bool {
        let Some((key, _)) = self.locate(path) else { return false };
        self.projects.get(&key).is_some_and(|state| !state.late.is_empty())
    }

    /// Says whether large files are to be loaded.
    pub(crate) fn wants_to_load(&self) -> bool {
        self.projects.values().any(State::wants_to_load)
    }

    /// Says that files changed on disk.
    pub(crate) fn changed_on_disk(&mut self, paths: &[PathBuf], log: &dyn Fn(&str)) {
        for key in self.keys() {
            let names: Vec<Arc<str>> = paths.iter().filter_map(|path| name_in(&key.root, path)).collect();
            if names.is_empty() {
                continue;
            }
            match self.host.open(&key.root) {
                Ok(opened) => {
                    let Some(state) = self.projects.get_mut(&key) else { continue };
                    state.overlay = Arc::new(state.overlay.with_disk(opened.sources));
                    state.dependencies = opened.dependencies;
                    state.inventories = None;
                    state.elsewhere = Arc::new(opened.elsewhere);
                    names.into_iter().for_each(|name| state.changed(name));
                }
                Err(reason) => {
                    log(&format!("{}: {reason}", key.root.display()));
                    self.projects.remove(&key);
                }
            }
        }
    }

    /// Forgets projects that have neither an open document nor a folder of the workspace.
    pub(crate) fn forget_unused(&mut self) -> Vec<(Key, State)> {
        let open: Vec<Key> = self.documents.iter().filter_map(|(path, _)| Some(self.locate(path)?.0)).collect();
        let is_wanted = |key: &Key| open.contains(key) || (key.file.is_none() && self.folders.contains(&key.root));
        let unused: Vec<Key> = self.projects.keys().filter(|key| !is_wanted(key)).cloned().collect();
        unused.into_iter().filter_map(|key| self.projects.remove_entry(&key)).collect()
    }

    /// Says that the settings of the editor changed.
    pub(crate) fn reconfigured(&mut self) {
        for state in self.projects.values_mut() {
            state.inventories = None;
            state.changed(".settings".into());
        }
    }

    /// Opens a project, where it is not open.
    pub(crate) fn ensure(&mut self, key: &Key) -> Result<(), String> {
        if self.projects.contains_key(key) {
            return Ok(());
        }
        let opened = self.host.open(&key.root)?;
        let state = State {
            overlay: Arc::new(Overlay::new(opened.sources)),
            dependencies: opened.dependencies,
            inventories: None,
            elsewhere: Arc::new(opened.elsewhere),
            project: None,
            changed: BTreeSet::new(),
            late: BTreeSet::new(),
            edits: 0,
            tried: None,
            is_loading: false,
            generation: 0,
            compiled: None,
            published: BTreeSet::new(),
            told: 0,
            stop: Arc::default(),
            unread: Vec::new(),
        };
        self.projects.insert(key.clone(), state);
        Ok(())
    }

    /// Brings a project up to date with the documents and the disk, and gives it. Large files that changed are left as they were.
    pub(crate) fn refresh(&mut self, key: &Key) -> Result<Arc<Project>, String> {
        self.ensure(key)?;
        let Some(state) = self.projects.get_mut(key) else { return Err("the project is gone".into()) };
        if let Some(project) = state.project.as_ref().filter(|_| state.changed.is_empty()) {
            return Ok(project.clone());
        }
        let changed = std::mem::take(&mut state.changed);
        let late = state.late.clone();
        let Some((overlay, input)) = self.input(key, &changed, &late) else { return Err("the project is gone".into()) };
        let Some(state) = self.projects.get_mut(key) else { return Err("the project is gone".into()) };
        state.overlay = overlay;
        let begun = Instant::now();
        let project = match &state.project {
            Some(earlier) => earlier.reload(input, &changed),
            None => Project::load(input),
        };
        self.took = begun.elapsed();
        Ok(state.adopt(project))
    }

    /// What the project is made of now; the files of `late` are as it has them.
    fn input(&mut self, key: &Key, changed: &BTreeSet<Arc<str>>, late: &BTreeSet<Arc<str>>) -> Option<(Arc<Overlay>, Input)> {
        let state = self.projects.get_mut(key)?;
        let text = |path: &Path, document: &Document| {
            let name = name_in(&key.root, path)?;
            let bytes = match late.contains(&name) {
                true => state.overlay.buffer(&name)?,
                false => document.text.as_str().as_bytes().into(),
            };
            Some((name, bytes))
        };
        let buffers: BTreeMap<Arc<str>, Arc<[u8]>> =
            self.documents.iter().filter_map(|(path, document)| text(path, document)).collect();
        let overlay = Arc::new(state.overlay.with_buffers(buffers));
        let mut input = match &key.file {
            Some(file) => Input::file(overlay.clone(), self.schemas.clone(), file.clone()),
            None => Input::directory(overlay.clone(), self.schemas.clone()),
        };
        input.dependencies = state.dependencies.clone();
        let inventories = state.inventories(&overlay, changed, &*self.host, key, self.config.run_programs);
        input.inventories = inventories.texts.clone();
        input.has_unread_inventories = !inventories.unread.is_empty();
        input.secrets = self.host.secrets();
        Some((overlay, input))
    }

    /// What to load in the background: the large files that changed. `None` where there are none, and while that goes on.
    pub(crate) fn load(&mut self, key: &Key) -> Option<Load> {
        let state = self.projects.get_mut(key).filter(|state| state.wants_to_load())?;
        let earlier = state.project.clone()?;
        state.is_loading = true;
        state.tried = Some(state.edits);
        let edits = state.edits;
        let changed: BTreeSet<Arc<str>> = state.changed.union(&state.late).cloned().collect();
        let (overlay, input) = self.input(key, &changed, &BTreeSet::new())?;
        Some(Load { earlier, input, changed, overlay, edits })
    }

    /// Takes over what was loaded in the background. Says whether it is of use: nothing changed since.
    pub(crate) fn loaded(&mut self, key: &Key, loaded: Option<Loaded>) -> bool {
        let Some(state) = self.projects.get_mut(key) else { return false };
        state.is_loading = false;
        let Some(loaded) = loaded.filter(|loaded| loaded.edits == state.edits) else { return false };
        state.overlay = loaded.overlay;
        state.changed.clear();
        state.late.clear();
        state.adopt(loaded.project);
        true
    }

    /// The view of a file that a request is answered from.
    pub(crate) fn snapshot(&mut self, path: &Path) -> Result<Snapshot, String> {
        let (key, name) = self.locate(path).ok_or_else(|| format!("{} belongs to no project", path.display()))?;
        let project = self.refresh(&key)?;
        let text = match self.documents.get(path) {
            Some(document) => document.text.clone(),
            None => {
                let text = project.text(&name).ok_or_else(|| format!("there is no file {}", path.display()))?;
                Text::new(text, self.encoding)
            }
        };
        self.view(&key, project, name, text)
    }

    fn view(&self, key: &Key, project: Arc<Project>, name: Arc<str>, text: Text) -> Result<Snapshot, String> {
        let state = self.projects.get(key).ok_or("the project is gone")?;
        Ok(Snapshot {
            project,
            name,
            text,
            root: key.root.clone(),
            elsewhere: state.elsewhere.clone(),
            encoding: self.encoding,
            takes_snippets: self.takes_snippets,
            compiled: state.compiled.clone(),
            generation: state.generation,
            config: self.config.clone(),
        })
    }

    /// Any file of a project, for what concerns it as a whole.
    pub(crate) fn whole(&mut self, key: &Key) -> Result<Snapshot, String> {
        let project = self.refresh(key)?;
        let text = Text::new("".into(), self.encoding);
        self.view(key, project, "".into(), text)
    }

    /// What to compile in the background. It ends when the project changes.
    pub(crate) fn work(&mut self, key: &Key, log: &dyn Fn(&str)) -> Option<Work> {
        let this = match self.this_node() {
            Ok(node) => Some(node),
            Err(reason) => {
                log(&format!("the facts of this machine are not known: {reason}"));
                None
            }
        };
        let this = this.filter(|_| self.config.check_nodes);
        let state = self.projects.get_mut(key)?;
        let (project, overlay) = (state.project.clone()?, state.overlay.clone());
        Some(Work {
            stop: state.stop.clone(),
            cancelled: Arc::default(),
            host: self.host.clone(),
            root: key.root.clone(),
            project,
            overlay,
            this,
            generation: state.generation,
            with_nodes: self.config.check_nodes,
            may_run: self.config.run_programs,
            has_unread: state.inventories.as_ref().is_some_and(|inventories| !inventories.unread.is_empty()),
        })
    }
}

/// The name of a file in the project at `root`.
pub(crate) fn name_in(root: &Path, path: &Path) -> Option<Arc<str>> {
    let below = path.strip_prefix(root).ok()?;
    let name = below.to_str().filter(|name| !name.is_empty())?;
    Some(name.into())
}
