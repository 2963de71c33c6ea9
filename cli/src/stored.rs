//! The nodes whose facts lie in the project, and their catalogs: compiled in parallel, no machine looked at.
//!
//! Sources are read and checked once, whatever the number of nodes. Nodes are worked on a few hundred at a time, and what is made
//! of a catalog is handed over in the order of their names, so that memory does not grow with catalogs that nobody needs any more.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use stead_catalog::{Catalog, Value};
use stead_compiler::{Diagnostic, Project, Severity};
use stead_engine::Registry;
use stead_report::Types;

use crate::args::SourceArguments;
use crate::failure::Failure;
use crate::project::Loaded;
use crate::terminal::Terminal;

/// Nodes that are compiled before what came of them is put together.
const AT_ONCE: usize = 256;
/// Different diagnostics that are kept to be shown.
const MOST_DIAGNOSTICS: usize = 1000;

/// A node whose facts are stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredNode {
    pub(crate) name: Arc<str>,
    path: PathBuf,
}

impl StoredNode {
    /// Says whether the facts lie below a directory, and are no link to somewhere else.
    pub(crate) fn lies_below(&self, root: &Path) -> bool {
        match (root.canonicalize(), self.path.canonicalize()) {
            (Ok(root), Ok(path)) => path.starts_with(root),
            _ => false,
        }
    }
}

/// Why a node has no catalog: code and message.
pub(crate) type NoCatalog = (Arc<str>, Arc<str>);

/// What is to be said about the sources of a node.
#[derive(Default)]
pub(crate) struct Remarks {
    /// What was found.
    pub(crate) found: Vec<Diagnostic>,
    /// The file with its facts, where that is what something was found in.
    pub(crate) facts: Option<(Arc<str>, Arc<str>)>,
}

/// The nodes of a project with stored facts, in natural order.
///
/// # Errors
/// [`Failure::NoStoredFacts`] where there is none.
pub(crate) fn nodes(loaded: &Loaded) -> Result<Vec<StoredNode>, Failure> {
    let nodes = nodes_if_any(loaded);
    if nodes.is_empty() {
        let directory = loaded.root.join(&*loaded.project.config().facts.directory);
        return Err(Failure::NoStoredFacts(directory));
    }
    Ok(nodes)
}

/// Loads a project without mistakes, with its nodes of stored facts: those that `on` names, else all.
///
/// # Errors
/// When it cannot be loaded or has mistakes, when no facts are stored, and those of `on`.
pub(crate) fn load(
    source: &SourceArguments,
    on: Option<&str>,
    terminal: &Terminal,
) -> Result<(Loaded, Vec<StoredNode>), Failure> {
    let loaded = crate::project::load(&source.path, source.network)?;
    stop_at_mistakes(&loaded, terminal)?;
    let mut nodes = nodes(&loaded)?;
    if let Some(on) = on {
        crate::many::retain_stored(on, &loaded, &mut nodes)?;
    }
    Ok((loaded, nodes))
}

/// The nodes of a project with stored facts, in natural order; there may be none.
pub(crate) fn nodes_if_any(loaded: &Loaded) -> Vec<StoredNode> {
    nodes_in(&loaded.root.join(&*loaded.project.config().facts.directory))
}

/// The nodes whose facts lie in a directory, in natural order.
pub(crate) fn nodes_in(directory: &Path) -> Vec<StoredNode> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut nodes: Vec<StoredNode> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter_map(|path| Some(StoredNode { name: path.file_stem()?.to_str()?.into(), path }))
        .collect();
    stead_report::sort_nodes(&mut nodes, |node| &node.name);
    nodes
}

/// Says that the sources have mistakes, whatever the node.
///
/// # Errors
/// [`Failure::Diagnosed`] where they have.
pub(crate) fn stop_at_mistakes(loaded: &Loaded, terminal: &Terminal) -> Result<(), Failure> {
    if !loaded.project.has_errors() {
        return Ok(());
    }
    let diagnostics = loaded.project.diagnostics().to_vec();
    let texts = loaded.texts(&diagnostics);
    terminal.show_diagnostics(diagnostics, &texts);
    Err(Failure::Diagnosed)
}

/// Compiles for one node.
pub(crate) fn compile(project: &Project, node: &StoredNode) -> (Result<Catalog, NoCatalog>, Remarks) {
    let file: Arc<str> = format!("{}/{}.json", project.config().facts.directory, node.name).into();
    let bytes = match std::fs::read(&node.path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let message = format!("cannot read {}: {error}", node.path.display());
            return (Err(("unreadable-file".into(), message.into())), Remarks::default());
        }
    };
    let (facts, mut found) = stead_compiler::facts::from_json(&file, &bytes, project.facts_type());
    let text = || Some((file.clone(), String::from_utf8_lossy(&bytes).into()));
    // What is wrong with facts is shown in their file, which is not kept otherwise.
    let facts_text = if found.is_empty() { None } else { text() };
    let mut catalog = None;
    if !found.iter().any(Diagnostic::is_error) {
        let (compiled, more) = stead_compiler::compile(project, &project.node(node.name.clone(), facts));
        found.extend(more);
        catalog = compiled;
    }
    let first = found.iter().find(|diagnostic| diagnostic.is_error());
    let catalog = catalog.ok_or_else(|| {
        let error = first.expect("there is an error where there is no catalog");
        (error.code.into(), error.message.as_str().into())
    });
    found.retain(|diagnostic| diagnostic.severity != Severity::Hint);
    (catalog, Remarks { found, facts: facts_text })
}

/// Hands over what overviews have to know of resource types.
pub(crate) fn with_types<T>(registry: &Registry, then: impl FnOnce(Types<'_>) -> T) -> T {
    let reacts = |name: &str| registry.schema(name).is_some_and(|schema| schema.reacts);
    let is_default = |name: &str, attribute: &str, value: &Value| {
        let schema = registry.schema(name);
        schema.and_then(|schema| schema.attribute(attribute)?.default.as_ref()) == Some(value)
    };
    then(Types { reacts: &reacts, is_default: &is_default })
}

/// Works on items in parallel, some hundred at a time, and hands what came of each over in order.
pub(crate) fn each<I: Sync, T: Send>(items: &[I], make: impl Fn(&I) -> T + Sync, mut take: impl FnMut(T)) {
    for some in items.chunks(AT_ONCE) {
        let made: Vec<T> = some.par_iter().map(&make).collect();
        made.into_iter().for_each(&mut take);
    }
}

/// What tells one diagnostic from another: code, message, and the place it is about.
type Known = (&'static str, String, Option<(Arc<str>, u32)>);

/// What there is to say about the sources, once, however many nodes it concerns.
#[derive(Default)]
pub(crate) struct Said {
    known: HashSet<Known>,
    diagnostics: Vec<Diagnostic>,
    facts: BTreeMap<Arc<str>, Arc<str>>,
}

impl Said {
    /// Takes note of what came with a catalog.
    pub(crate) fn take(&mut self, remarks: Remarks) {
        for diagnostic in remarks.found {
            let place = diagnostic.primary().map(|label| (label.file.clone(), label.span.start));
            let is_new = self.diagnostics.len() < MOST_DIAGNOSTICS
                && self.known.insert((diagnostic.code, diagnostic.message.clone(), place));
            if is_new {
                self.diagnostics.push(diagnostic);
                self.facts.extend(remarks.facts.clone());
            }
        }
    }

    /// Forgets what is no error.
    pub(crate) fn errors_alone(mut self) -> Self {
        self.diagnostics.retain(Diagnostic::is_error);
        self
    }

    /// Says whether there is nothing to be said.
    pub(crate) fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// Adds what is to be said whatever the node.
    pub(crate) fn with_project(mut self, project: &Project) -> Self {
        let own = project.diagnostics().iter().filter(|diagnostic| diagnostic.severity != Severity::Hint);
        self.diagnostics.splice(0..0, own.cloned());
        self
    }

    /// What there is to say, in order.
    pub(crate) fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Shows it.
    pub(crate) fn show(mut self, loaded: &Loaded, terminal: &Terminal) {
        stead_compiler::diagnostic::arrange(&mut self.diagnostics);
        loaded.remember_facts(self.facts);
        let texts = loaded.texts(&self.diagnostics);
        terminal.show_diagnostics(self.diagnostics, &texts);
    }
}
