//! The projects that the open documents belong to, each loaded once and kept up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_catalog::Catalog;
use stead_compiler::{Diagnostic, Input, NodeContext, Project, Schemas, Sources as _, diagnostic};

use crate::Host;
use crate::config::Config;
use crate::documents::Documents;
use crate::overlay::Overlay;
use crate::snapshot::Snapshot;
use crate::text::{Encoding, Text};

/// Which project: a directory with `stead.toml`, or a file alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) root: PathBuf,
    pub(crate) file: Option<Arc<str>>,
}

/// What compiling for the known nodes gave.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    /// The version of the project that was compiled.
    pub(crate) generation: u64,
    /// Everything there is to say, in order.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The nodes, with their catalogs where there are any.
    pub(crate) nodes: Vec<(NodeContext, Option<Arc<Catalog>>)>,
}

/// A project and its state.
pub(crate) struct State {
    pub(crate) overlay: Arc<Overlay>,
    dependencies: BTreeMap<Arc<str>, Arc<str>>,
    elsewhere: Arc<BTreeMap<Arc<str>, PathBuf>>,
    project: Option<Arc<Project>>,
    changed: BTreeSet<Arc<str>>,
    pub(crate) generation: u64,
    pub(crate) compiled: Option<Arc<Compiled>>,
    /// The files that diagnostics were sent for.
    pub(crate) published: BTreeSet<Arc<str>>,
    /// The version whose diagnostics were sent.
    told: u64,
}

impl State {
    /// Says whether something changed that was not looked at.
    pub(crate) fn is_stale(&self) -> bool {
        self.project.is_none() || !self.changed.is_empty()
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

/// Everything the server knows.
pub(crate) struct Workspace {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) schemas: Arc<Schemas>,
    pub(crate) documents: Documents,
    pub(crate) encoding: Encoding,
    pub(crate) config: Arc<Config>,
    pub(crate) folders: Vec<PathBuf>,
    projects: BTreeMap<Key, State>,
    this_node: Option<Result<NodeContext, String>>,
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
            config,
            folders: Vec::new(),
            projects: BTreeMap::new(),
            this_node: None,
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
        for (key, state) in &mut self.projects {
            if let Some(name) = name_in(&key.root, path) {
                state.changed.insert(name);
            }
        }
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
                    state.elsewhere = Arc::new(opened.elsewhere);
                    state.changed.extend(names);
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

    /// Opens a project, where it is not open.
    pub(crate) fn ensure(&mut self, key: &Key) -> Result<(), String> {
        if self.projects.contains_key(key) {
            return Ok(());
        }
        let opened = self.host.open(&key.root)?;
        let state = State {
            overlay: Arc::new(Overlay::new(opened.sources)),
            dependencies: opened.dependencies,
            elsewhere: Arc::new(opened.elsewhere),
            project: None,
            changed: BTreeSet::new(),
            generation: 0,
            compiled: None,
            published: BTreeSet::new(),
            told: 0,
        };
        self.projects.insert(key.clone(), state);
        Ok(())
    }

    /// Brings a project up to date with the documents and the disk, and gives it.
    pub(crate) fn refresh(&mut self, key: &Key) -> Result<Arc<Project>, String> {
        self.ensure(key)?;
        let buffers: BTreeMap<Arc<str>, Arc<[u8]>> = self
            .documents
            .iter()
            .filter_map(|(path, document)| Some((name_in(&key.root, path)?, document.text.as_str().as_bytes().into())))
            .collect();
        let Some(state) = self.projects.get_mut(key) else { return Err("the project is gone".into()) };
        if let Some(project) = state.project.as_ref().filter(|_| state.changed.is_empty()) {
            return Ok(project.clone());
        }
        state.overlay = Arc::new(state.overlay.with_buffers(buffers));
        let mut input = match &key.file {
            Some(file) => Input::file(state.overlay.clone(), self.schemas.clone(), file.clone()),
            None => Input::directory(state.overlay.clone(), self.schemas.clone()),
        };
        input.dependencies = state.dependencies.clone();
        // An editor looks at types, and opens nothing.
        input.secrets = Arc::new(stead_compiler::secrets::Locked);
        let changed = std::mem::take(&mut state.changed);
        let project = match &state.project {
            Some(earlier) => earlier.reload(input, &changed),
            None => Project::load(input),
        };
        let project = Arc::new(project);
        state.project = Some(project.clone());
        state.generation += 1;
        Ok(project)
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

    /// What to compile in the background.
    pub(crate) fn work(&mut self, key: &Key, log: &dyn Fn(&str)) -> Option<Work> {
        let this = match self.this_node() {
            Ok(node) => Some(node),
            Err(reason) => {
                log(&format!("the facts of this machine are not known: {reason}"));
                None
            }
        };
        let this = this.filter(|_| self.config.check_nodes);
        let state = self.projects.get(key)?;
        let (project, overlay) = (state.project.clone()?, state.overlay.clone());
        Some(Work { project, overlay, this, generation: state.generation, with_nodes: self.config.check_nodes })
    }
}

/// A version of a project to compile for the known nodes.
pub(crate) struct Work {
    project: Arc<Project>,
    overlay: Arc<Overlay>,
    this: Option<NodeContext>,
    generation: u64,
    with_nodes: bool,
}

impl Work {
    /// Compiles for this machine and every node whose facts lie in the project, as `stead check` does.
    pub(crate) fn run(&self) -> Compiled {
        let mut diagnostics = self.project.diagnostics().to_vec();
        let mut nodes = Vec::new();
        if !self.project.has_errors() {
            for node in self.nodes(&mut diagnostics) {
                let (catalog, found) = stead_compiler::compile(&self.project, &node);
                diagnostics.extend(found);
                nodes.push((node, catalog.map(Arc::new)));
            }
            diagnostics.extend(self.project.unused_allows());
            diagnostic::arrange(&mut diagnostics);
        }
        Compiled { generation: self.generation, diagnostics, nodes }
    }

    fn nodes(&self, diagnostics: &mut Vec<Diagnostic>) -> Vec<NodeContext> {
        let this = self.this.iter().map(|node| self.project.node(node.name.clone(), node.facts.clone()));
        let mut nodes: Vec<NodeContext> = this.collect();
        if !self.with_nodes {
            return nodes;
        }
        let directory = &*self.project.config().facts.directory;
        for file in self.overlay.files(directory, &["json"]) {
            let Some(name) = file.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/')) else { continue };
            let Some(name) = name.strip_suffix(".json").filter(|name| !name.contains('/')) else { continue };
            let Ok(bytes) = self.overlay.read(&file) else { continue };
            nodes.retain(|node| *node.name != *name);
            let (facts, found) = stead_compiler::facts::from_json(&file, &bytes, self.project.facts_type());
            if !found.iter().any(Diagnostic::is_error) {
                nodes.push(self.project.node(Arc::from(name), facts));
            }
            diagnostics.extend(found);
        }
        nodes
    }
}

/// The name of a file in the project at `root`.
pub(crate) fn name_in(root: &Path, path: &Path) -> Option<Arc<str>> {
    let below = path.strip_prefix(root).ok()?;
    let name = below.to_str().filter(|name| !name.is_empty())?;
    Some(name.into())
}
