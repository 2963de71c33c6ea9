//! What is done with a project in the background: compiling for the known nodes, and loading what is too large for each keystroke.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stead_catalog::Catalog;
use stead_compiler::index::Place;
use stead_compiler::{Diagnostic, Input, NodeContext, Project, Sources as _, diagnostic};

use crate::Host;
use crate::overlay::Overlay;

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
    /// How many of the nodes each state is for, by the place of its name.
    pub(crate) reached: BTreeMap<Place, usize>,
    /// How long it took.
    pub(crate) took: Duration,
}

/// A project whose large files changed.
pub(crate) struct Load {
    pub(super) earlier: Arc<Project>,
    pub(super) input: Input,
    pub(super) changed: BTreeSet<Arc<str>>,
    pub(super) overlay: Arc<Overlay>,
    pub(super) edits: u64,
}

impl Load {
    pub(crate) fn run(self) -> Loaded {
        let project = self.earlier.reload_in_background(self.input, &self.changed);
        Loaded { overlay: self.overlay, project, edits: self.edits }
    }
}

/// A project with its large files as they were when loading began.
pub(crate) struct Loaded {
    pub(super) overlay: Arc<Overlay>,
    pub(super) project: Project,
    pub(super) edits: u64,
}

/// A version of a project to compile for the known nodes.
pub(crate) struct Work {
    pub(super) stop: Arc<AtomicBool>,
    /// Set when nobody waits for it any more.
    pub(crate) cancelled: Arc<AtomicBool>,
    pub(super) host: Arc<dyn Host>,
    pub(super) root: PathBuf,
    pub(super) project: Arc<Project>,
    pub(super) overlay: Arc<Overlay>,
    pub(super) this: Option<NodeContext>,
    pub(super) generation: u64,
    pub(super) with_nodes: bool,
    pub(super) may_run: bool,
    pub(super) has_unread: bool,
}

impl Work {
    /// Compiles for this machine and every node whose facts lie in the project, as `stead check` does. `None` where the project changed meanwhile.
    pub(crate) fn run(&self) -> Option<Compiled> {
        let begun = Instant::now();
        let mut reached: BTreeMap<Place, usize> = BTreeMap::new();
        let mut diagnostics = self.project.diagnostics().to_vec();
        let mut nodes = Vec::new();
        if !self.project.has_errors() {
            let mut is_all_known = true;
            for (node, is_known) in self.nodes(&mut diagnostics) {
                let is_wanted = || !self.stop.load(Ordering::Relaxed) && !self.cancelled.load(Ordering::Relaxed);
                let outcome = stead_compiler::compile_while(&self.project, &node, &is_wanted)?;
                outcome.states.into_iter().for_each(|state| *reached.entry(state).or_default() += 1);
                // What is wrong with half a node may not be wrong with the whole.
                if is_known && !self.has_unread {
                    diagnostics.extend(outcome.diagnostics);
                } else {
                    is_all_known = false;
                }
                nodes.push((node, outcome.catalog.map(Arc::new)));
            }
            if is_all_known {
                diagnostics.extend(self.project.unused_allows());
            }
            diagnostic::arrange(&mut diagnostics);
        }
        let (generation, this, took) = (self.generation, self.this_name(), begun.elapsed());
        Some(Compiled { generation, diagnostics, nodes, this, reached, took })
    }

    /// What there is to say where compiling failed for no fault of the project.
    pub(crate) fn failed(&self) -> Compiled {
        Compiled {
            generation: self.generation,
            diagnostics: self.project.diagnostics().to_vec(),
            nodes: Vec::new(),
            this: self.this_name(),
            reached: BTreeMap::new(),
            took: Duration::ZERO,
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
