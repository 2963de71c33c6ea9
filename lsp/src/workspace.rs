//! The projects that the open documents belong to, each loaded once and kept up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stead_catalog::Catalog;
use stead_compiler::config;
use stead_compiler::inventory::VARIABLE_FOLDERS;
use stead_compiler::{Diagnostic, Input, NodeContext, Project, Schemas, Sources as _, diagnostic};

use crate::config::Config;
use crate::documents::Documents;
use crate::overlay::Overlay;
use crate::snapshot::Snapshot;
use crate::text::{Encoding, Text};
use crate::{Host, Inventories};

/// Which project: a directory with `stead.toml`, or a file alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) root: PathBuf,
    pub(crate) file: Option<Arc<str>>,
}

/// What compiling for the known nodes gave.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// The version of the project that was compiled.
    pub(crate) generation: u64,
    /// Everything there is to say, in order.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The nodes, with their catalogs where there are any.
    pub(crate) nodes: Vec<(NodeContext, Option<Arc<Catalog>>)>,
    /// The name of this machine, where that is known.
    pub(crate) this: Option<Arc<str>>,
}

/// A project and its state.
pub(crate) struct State {
    pub(crate) overlay: Arc<Overlay>,
    dependencies: BTreeMap<Arc<str>, Arc<str>>,
    /// The inventories of other tools, read when they are needed.
    inventories: Option<Arc<Inventories>>,
    elsewhere: Arc<BTreeMap<Arc<str>, PathBuf>>,
    project: Option<Arc<Project>>,
    changed: BTreeSet<Arc<str>>,
    pub(crate) generation: u64,
    pub(crate) compiled: Option<Arc<Compiled>>,
    /// The files that diagnostics were sent for.
    pub(crate) published: BTreeSet<Arc<str>>,
    /// The version whose diagnostics were sent.
    told: u64,
    /// Stops the compiling that was begun last.
    stop: Arc<AtomicBool>,
    /// The inventories that were not read, as they were told.
    unread: Vec<String>,
}

impl State {
    /// Notes that a file changed. What is being compiled is of no use any more.
    fn changed(&mut self, name: Arc<str>) {
        self.changed.insert(name);
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Says whether something changed that was not looked at.
    pub(crate) fn is_stale(&self) -> bool {
        self.project.is_none() || !self.changed.is_empty()
    }

    /// The inventories that the project names, read anew where its settings or one of them changed.
    fn inventories(&mut self, host: &dyn Host, key: &Key, may_run: bool) -> Arc<Inventories> {
        let is_changed = |project: &Arc<Project>| {
            let files = &project.config().inventory.files;
            self.changed.iter().any(|name| {
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
        let settings = self.overlay.read(&name).map(|bytes| config::Config::parse(&name, &bytes).0).unwrap_or_default();
        let buffer = |path: &Path| self.overlay.buffer(&name_in(&key.root, path)?);
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
        for (key, state) in &mut self.projects {
            if let Some(name) = name_in(&key.root, path) {
                state.changed(name);
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
        let inventories = state.inventories(&*self.host, key, self.config.run_programs);
        input.inventories = inventories.texts.clone();
        input.has_unread_inventories = !inventories.unread.is_empty();
        input.secrets = self.host.secrets();
        let changed = std::mem::take(&mut state.changed);
        let begun = Instant::now();
        let project = match &state.project {
            Some(earlier) => earlier.reload(input, &changed),
            None => Project::load(input),
        };
        self.took = begun.elapsed();
        let project = Arc::new(project);
        state.project = Some(project.clone());
        state.generation += 1;
        state.stop = Arc::default();
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

/// A version of a project to compile for the known nodes.
pub(crate) struct Work {
    stop: Arc<AtomicBool>,
    host: Arc<dyn Host>,
    root: PathBuf,
    project: Arc<Project>,
    overlay: Arc<Overlay>,
    this: Option<NodeContext>,
    generation: u64,
    with_nodes: bool,
    may_run: bool,
    has_unread: bool,
}

impl Work {
    /// Compiles for this machine and every node whose facts lie in the project, as `stead check` does. `None` where the project changed meanwhile.
    pub(crate) fn run(&self) -> Option<Compiled> {
        let mut diagnostics = self.project.diagnostics().to_vec();
        let mut nodes = Vec::new();
        if !self.project.has_errors() {
            let mut is_all_known = true;
            for (node, is_known) in self.nodes(&mut diagnostics) {
                let is_wanted = || !self.stop.load(Ordering::Relaxed);
                let (catalog, found) = stead_compiler::compile_while(&self.project, &node, &is_wanted)?;
                // What is wrong with half a node may not be wrong with the whole.
                if is_known && !self.has_unread {
                    diagnostics.extend(found);
                } else {
                    is_all_known = false;
                }
                nodes.push((node, catalog.map(Arc::new)));
            }
            if is_all_known {
                diagnostics.extend(self.project.unused_allows());
            }
            diagnostic::arrange(&mut diagnostics);
        }
        Some(Compiled { generation: self.generation, diagnostics, nodes, this: self.this_name() })
    }

    /// What there is to say where compiling failed for no fault of the project.
    pub(crate) fn failed(&self) -> Compiled {
        Compiled {
            generation: self.generation,
            diagnostics: self.project.diagnostics().to_vec(),
            nodes: Vec::new(),
            this: self.this_name(),
        }
    }

    fn this_name(&self) -> Option<Arc<str>> {
        self.this.as_ref().map(|node| node.name.clone())
    }

    /// This machine, with what the project's programs tell of it.
    fn this(&self) -> Option<(NodeContext, bool)> {
        let this = self.this.as_ref()?;
        let told = self.host.told(&self.root, &self.project, self.may_run);
        let is_known = told.is_some();
        let mut facts = this.facts.clone();
        facts.extend(told.unwrap_or_default());
        let mut node = self.project.node(this.name.clone(), facts);
        node.packages.clone_from(&this.packages);
        Some((node, is_known))
    }

    /// The nodes that are known, and whether all of their facts are.
    fn nodes(&self, diagnostics: &mut Vec<Diagnostic>) -> Vec<(NodeContext, bool)> {
        let mut nodes: Vec<(NodeContext, bool)> = self.this().into_iter().collect();
        if !self.with_nodes {
            return nodes;
        }
        let directory = &*self.project.config().facts.directory;
        for file in self.overlay.files(directory, &["json"]) {
            let Some(name) = file.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/')) else { continue };
            let Some(name) = name.strip_suffix(".json").filter(|name| !name.contains('/')) else { continue };
            let Ok(bytes) = self.overlay.read(&file) else { continue };
            nodes.retain(|(node, _)| *node.name != *name);
            let (facts, found) = stead_compiler::facts::from_json(&file, &bytes, self.project.facts_type());
            if !found.iter().any(Diagnostic::is_error) {
                nodes.push((self.project.node(Arc::from(name), facts), true));
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
