//! How the catalogs of two revisions of a project differ, for every node whose facts are stored. No machine is looked at.

mod git;
mod trees;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use stead_catalog::Catalog;
use stead_compiler::diagnostic::render::SourceText as _;
use stead_compiler::{Diagnostic, Project};
use stead_engine::Registry;
use stead_report::{NodeChanges, Overview, SourceLines, compare};

use crate::args::NetworkArguments;
use crate::dependencies;
use crate::failure::Failure;
use crate::forge::Note;
use crate::project::{self, Loaded, Secrets};
use crate::reviewed::{Digests, Reviewed};
use crate::stored::{self, NoCatalog, Remarks, Said, StoredNode};
use crate::terminal::Terminal;

pub(crate) use git::{Repository, ReviewError};
pub(crate) use trees::{Range, Tree};

/// What came of comparing two trees.
pub(crate) struct Found {
    /// What is wrong at which line of the new one.
    pub(crate) notes: Vec<Note>,
    /// Why there is no catalog at all in the new one.
    pub(crate) broken: Option<String>,
    /// Why there is nothing to compare with.
    pub(crate) without_base: Option<String>,
    /// The catalogs of the new one, where they are recorded.
    pub(crate) reviewed: Reviewed,
}

/// How sources are compiled that somebody else wrote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) network: NetworkArguments,
    /// Encrypted values are opened, and told apart by what they are.
    pub(crate) opens_secrets: bool,
    /// The catalogs of the new revision are kept, as digests.
    pub(crate) records: bool,
}

/// Compares two trees of a project, and fills `overview` with what differs. No program of either runs.
///
/// What is wrong with the new one is a finding, and what is wrong with the old one is told and does not stop the review of its mend.
///
/// # Errors
/// [`Failure::NoStoredFacts`] where no side has stored facts.
pub(crate) fn review(
    base: &Tree,
    head: &Tree,
    reading: Reading,
    overview: &mut Overview,
    terminal: &Terminal,
) -> Result<Found, Failure> {
    let changed = trees::changed(base.path(), head.path());
    let mut lines = SourceLines::new();
    for (name, old, new) in &changed {
        lines.add(name, old, new);
    }
    let (old, without_base) = load_base(base, reading, terminal);
    let (without_base, broken_base) = without_base.unzip();
    let new = match load(head, reading, terminal) {
        Ok(new) => new,
        Err(broken) => {
            let nodes = old.as_ref().map(stored::nodes_if_any).or(broken_base.map(|base| base.nodes)).unwrap_or_default();
            return Ok(Found { without_base, ..broken.told(nodes, overview) });
        }
    };
    let pairs = pairs((old.as_ref(), base.path()), (&new, head.path()))?;
    let reviewer = Reviewer {
        old: old.as_ref().map(|old| &old.project),
        new: &new.project,
        records: reading.records,
        same: Same::of(&changed, &new.project, old.is_some()),
        registry: &new.registry,
        lines: &lines,
    };
    let (mut said_of_base, mut said_of_head) = (Said::default(), Said::default());
    let mut recorded = Reviewed::default();
    stored::each(
        &pairs,
        |pair| reviewer.one(pair),
        |reviewed| {
            said_of_base.take(reviewed.base);
            said_of_head.take(reviewed.head);
            if let Some((node, digests)) = reviewed.digests {
                recorded.add(node, digests);
            }
            overview.add(reviewed.changes);
        },
    );
    if let Some(old) = &old {
        show_base(said_of_base, base, old, terminal);
    }
    let said = said_of_head.with_project(&new.project);
    let notes = notes(said.diagnostics(), &new);
    said.show(&new, terminal);
    Ok(Found { notes, broken: None, without_base, reviewed: recorded })
}

/// Loads the old side; with why there is nothing to compare with.
fn load_base(base: &Tree, reading: Reading, terminal: &Terminal) -> (Option<Loaded>, Option<(String, Broken)>) {
    match base.has_project().then(|| load(base, reading, terminal)) {
        Some(Ok(loaded)) => (Some(loaded), None),
        Some(Err(broken)) => {
            let name = stead_report::clean(base.name());
            let why = format!("{name} has mistakes: it is compared with nothing, and all counts as new");
            terminal.note(&format!("{why}\n\n"));
            (None, Some((why, broken)))
        }
        None => (None, None),
    }
}

/// Tells which nodes have no catalog in the old side. What is no mistake there is nobody's concern any more.
fn show_base(said: Said, base: &Tree, old: &Loaded, terminal: &Terminal) {
    let said = said.errors_alone();
    if !said.is_empty() {
        let name = stead_report::clean(base.name());
        terminal.note(&format!("in {name}, where it counts as if nothing were there:\n"));
        said.show(old, terminal);
    }
}

/// What is wrong at which line, for a forge.
fn notes(diagnostics: &[Diagnostic], loaded: &Loaded) -> Vec<Note> {
    let texts = loaded.texts(diagnostics);
    let note = |diagnostic: &Diagnostic| {
        let label = diagnostic.primary()?;
        let text = texts.text(&label.file)?;
        let line = text.get(..label.span.start as usize)?.matches('\n').count() + 1;
        let mut words = diagnostic.message.clone();
        diagnostic.hints.iter().for_each(|hint| words.push_str(&format!("\nhint: {hint}")));
        Some(Note {
            file: label.file.to_string(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            is_error: diagnostic.is_error(),
            title: diagnostic.code.to_owned(),
            text: words,
        })
    };
    diagnostics.iter().filter_map(note).collect()
}

/// A side that no catalog can be made of, whatever the node.
struct Broken {
    /// The code and the words of its first mistake.
    first: NoCatalog,
    notes: Vec<Note>,
    /// Its nodes, which have no catalog.
    nodes: Vec<StoredNode>,
}

impl Broken {
    /// Tells of every node that it has no catalog: those of the other side as well.
    fn told(self, others: Vec<StoredNode>, overview: &mut Overview) -> Found {
        let names: BTreeSet<Arc<str>> = self.nodes.into_iter().chain(others).map(|node| node.name).collect();
        let mut names: Vec<Arc<str>> = names.into_iter().collect();
        stead_report::sort_nodes(&mut names, |name| name);
        let (code, message) = &self.first;
        names.into_iter().for_each(|name| overview.add(NodeChanges::failed(name, code.clone(), message.clone())));
        Found {
            notes: self.notes,
            broken: Some(format!("no catalog can be made: {message}")),
            without_base: None,
            reviewed: Reviewed::default(),
        }
    }
}

/// Loads one side, and shows the mistakes that concern every node.
fn load(tree: &Tree, reading: Reading, terminal: &Terminal) -> Result<Loaded, Broken> {
    let with = if reading.opens_secrets { Secrets::KeysAlone } else { Secrets::Sealed };
    let heading = || terminal.note(&format!("in {}:\n", stead_report::clean(tree.name())));
    let loaded = match project::load_with(tree.path(), reading.network, with) {
        Ok(loaded) => loaded,
        Err(failure) => {
            heading();
            terminal.note(&terminal.failure_text(&failure));
            let directory = dependencies::read_config(tree.path()).facts.directory;
            return Err(Broken {
                first: (failure.code().into(), failure.to_string().into()),
                notes: Vec::new(),
                nodes: stored::nodes_in(&tree.path().join(&*directory)),
            });
        }
    };
    let Some(first) = loaded.project.diagnostics().iter().find(|diagnostic| diagnostic.is_error()) else { return Ok(loaded) };
    heading();
    let broken = Broken {
        first: (first.code.into(), first.message.as_str().into()),
        notes: notes(loaded.project.diagnostics(), &loaded),
        nodes: stored::nodes_if_any(&loaded),
    };
    // The failure it gives is this very one.
    let _ = stored::stop_at_mistakes(&loaded, terminal);
    Err(broken)
}

/// A node in the two revisions.
struct Pair {
    name: Arc<str>,
    base: Option<StoredNode>,
    head: Option<StoredNode>,
}

/// The nodes of both sides, in natural order. What a link names that leads out of a revision is no part of it.
fn pairs(old: (Option<&Loaded>, &Path), new: (&Loaded, &Path)) -> Result<Vec<Pair>, Failure> {
    let mut pairs: BTreeMap<Arc<str>, Pair> = BTreeMap::new();
    let mut add = |node: StoredNode, is_head: bool| {
        let name = node.name.clone();
        let pair = pairs.entry(name.clone()).or_insert_with(|| Pair { name, base: None, head: None });
        *(if is_head { &mut pair.head } else { &mut pair.base }) = Some(node);
    };
    let nodes = |loaded, root| stored::nodes_if_any(loaded).into_iter().filter(move |node: &StoredNode| node.lies_below(root));
    old.0.into_iter().flat_map(|loaded| nodes(loaded, old.1)).for_each(|node| add(node, false));
    nodes(new.0, new.1).for_each(|node| add(node, true));
    if pairs.is_empty() {
        return Err(Failure::NoStoredFacts(new.0.root.join(&*new.0.project.config().facts.directory)));
    }
    let mut pairs: Vec<Pair> = pairs.into_values().collect();
    stead_report::sort_nodes(&mut pairs, |pair| &pair.name);
    Ok(pairs)
}

/// Whose catalog cannot differ: where nothing but facts does, a node with the same facts has the same catalog.
struct Same {
    is_same_source: bool,
    changed_facts: HashSet<String>,
}

impl Same {
    fn of(changed: &[trees::Changed], project: &Project, has_base: bool) -> Self {
        let directory = format!("{}/", project.config().facts.directory);
        let facts = |name: &str| Some(name.strip_prefix(&directory)?.strip_suffix(".json")?.to_owned());
        Self {
            is_same_source: has_base && changed.iter().all(|(name, ..)| facts(name).is_some()),
            changed_facts: changed.iter().filter_map(|(name, ..)| facts(name)).collect(),
        }
    }

    fn has(&self, node: &str) -> bool {
        self.is_same_source && !self.changed_facts.contains(node)
    }
}

struct Reviewer<'a> {
    old: Option<&'a Project>,
    new: &'a Project,
    records: bool,
    same: Same,
    registry: &'a Registry,
    lines: &'a SourceLines,
}

/// What came of a node.
struct One {
    changes: NodeChanges,
    digests: Option<(Arc<str>, Digests)>,
    base: Remarks,
    head: Remarks,
}

impl Reviewer<'_> {
    fn one(&self, pair: &Pair) -> One {
        let compiled = |project: Option<&Project>, node: &Option<StoredNode>| match (project, node) {
            (Some(project), Some(node)) => {
                let (catalog, remarks) = stored::compile(project, node);
                (Some(catalog), remarks)
            }
            _ => (None, Remarks::default()),
        };
        let (new, head) = compiled(Some(self.new), &pair.head);
        let catalog = new.as_ref().and_then(|new| new.as_ref().ok()).filter(|_| self.records);
        let digests = catalog.map(|catalog| (pair.name.clone(), Digests::of(catalog)));
        if self.same.has(&pair.name) {
            let changes = self.changes(pair, new.as_ref().map(|new| new.as_ref()), new.as_ref().map(|new| new.as_ref()));
            return One { changes, digests, base: Remarks::default(), head };
        }
        let (old, base) = compiled(self.old, &pair.base);
        let changes = self.changes(pair, old.as_ref().map(|old| old.as_ref()), new.as_ref().map(|new| new.as_ref()));
        One { changes, digests, base, head }
    }

    fn changes(
        &self,
        pair: &Pair,
        old: Option<Result<&Catalog, &NoCatalog>>,
        new: Option<Result<&Catalog, &NoCatalog>>,
    ) -> NodeChanges {
        match new.transpose() {
            Err((code, message)) => NodeChanges::failed(pair.name.clone(), code.clone(), message.clone()),
            // What has no catalog there is compared with nothing: its mend is to be seen.
            Ok(new) => {
                let old = old.and_then(Result::ok);
                NodeChanges::of_difference(stored::with_types(self.registry, |types| compare(old, new, types, self.lines)))
            }
        }
    }
}
