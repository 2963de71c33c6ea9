//! How the catalogs of two revisions of a project differ, for every node whose facts are stored. No machine is looked at.

mod git;
mod trees;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use stead_catalog::Catalog;
use stead_compiler::diagnostic::render::SourceText as _;
use stead_compiler::{Diagnostic, Project};
use stead_engine::Registry;
use stead_report::{NodeChanges, Overview, SourceLines, compare};

use crate::args::NetworkArguments;
use crate::failure::Failure;
use crate::forge::Note;
use crate::project::{self, Loaded};
use crate::stored::{self, NoCatalog, Remarks, Said, StoredNode};
use crate::terminal::Terminal;

pub(crate) use git::{Repository, ReviewError};
pub(crate) use trees::{Range, Tree};

/// Compares two trees of a project, and fills `overview` with what differs. Returns what is wrong at which line of the new one.
///
/// # Errors
/// [`Failure::Diagnosed`] where the sources of a side have mistakes that concern every node; [`Failure::NoStoredFacts`] where no
/// side has stored facts.
pub(crate) fn review(
    base: &Tree,
    head: &Tree,
    network: NetworkArguments,
    overview: &mut Overview,
    terminal: &Terminal,
) -> Result<Vec<Note>, Failure> {
    let changed = trees::changed(base.path(), head.path());
    let mut lines = SourceLines::new();
    for (name, old, new) in &changed {
        lines.add(name, old, new);
    }
    let old = base.has_project().then(|| load(base, network, terminal)).transpose()?;
    let new = load(head, network, terminal)?;
    let pairs = pairs(old.as_ref(), &new)?;
    let reviewer = Reviewer {
        old: old.as_ref().map(|old| &old.project),
        new: &new.project,
        base: base.name(),
        same: Same::of(&changed, &new.project, old.is_some()),
        registry: &new.registry,
        lines: &lines,
    };
    let (mut said_of_base, mut said_of_head) = (Said::default(), Said::default());
    stored::each(
        &pairs,
        |pair| reviewer.one(pair),
        |reviewed| {
            said_of_base.take(reviewed.base);
            said_of_head.take(reviewed.head);
            overview.add(reviewed.changes);
        },
    );
    if let Some(old) = &old {
        // What is no mistake there is nobody's concern any more.
        let said = said_of_base.errors_alone();
        if !said.is_empty() {
            terminal.note(&format!("in {}:\n", stead_report::clean(base.name())));
            said.show(old, terminal);
        }
    }
    let said = said_of_head.with_project(&new.project);
    let notes = notes(said.diagnostics(), &new);
    said.show(&new, terminal);
    Ok(notes)
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

/// Loads one side, and stops where it has mistakes that concern every node.
fn load(tree: &Tree, network: NetworkArguments, terminal: &Terminal) -> Result<Loaded, Failure> {
    let loaded = project::load(tree.path(), network)?;
    if loaded.project.has_errors() {
        terminal.note(&format!("in {}:\n", stead_report::clean(tree.name())));
    }
    stored::stop_at_mistakes(&loaded, terminal)?;
    Ok(loaded)
}

/// A node in the two revisions.
struct Pair {
    name: Arc<str>,
    base: Option<StoredNode>,
    head: Option<StoredNode>,
}

/// The nodes of both sides, in natural order.
fn pairs(old: Option<&Loaded>, new: &Loaded) -> Result<Vec<Pair>, Failure> {
    let mut pairs: BTreeMap<Arc<str>, Pair> = BTreeMap::new();
    let mut add = |node: StoredNode, is_head: bool| {
        let name = node.name.clone();
        let pair = pairs.entry(name.clone()).or_insert_with(|| Pair { name, base: None, head: None });
        *(if is_head { &mut pair.head } else { &mut pair.base }) = Some(node);
    };
    old.map(stored::nodes_if_any).into_iter().flatten().for_each(|node| add(node, false));
    stored::nodes_if_any(new).into_iter().for_each(|node| add(node, true));
    if pairs.is_empty() {
        stored::nodes(new)?;
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
    base: &'a str,
    same: Same,
    registry: &'a Registry,
    lines: &'a SourceLines,
}

/// What came of a node.
struct Reviewed {
    changes: NodeChanges,
    base: Remarks,
    head: Remarks,
}

impl Reviewer<'_> {
    fn one(&self, pair: &Pair) -> Reviewed {
        let compiled = |project: Option<&Project>, node: &Option<StoredNode>| match (project, node) {
            (Some(project), Some(node)) => {
                let (catalog, remarks) = stored::compile(project, node);
                (Some(catalog), remarks)
            }
            _ => (None, Remarks::default()),
        };
        let (new, head) = compiled(Some(self.new), &pair.head);
        if self.same.has(&pair.name) {
            let changes = self.changes(pair, new.as_ref().map(|new| new.as_ref()), new.as_ref().map(|new| new.as_ref()));
            return Reviewed { changes, base: Remarks::default(), head };
        }
        let (old, base) = compiled(self.old, &pair.base);
        let changes = self.changes(pair, old.as_ref().map(|old| old.as_ref()), new.as_ref().map(|new| new.as_ref()));
        Reviewed { changes, base, head }
    }

    fn changes(
        &self,
        pair: &Pair,
        old: Option<Result<&Catalog, &NoCatalog>>,
        new: Option<Result<&Catalog, &NoCatalog>>,
    ) -> NodeChanges {
        match (old.transpose(), new.transpose()) {
            (_, Err((code, message))) => NodeChanges::failed(pair.name.clone(), code.clone(), message.clone()),
            (Err((code, message)), _) => {
                NodeChanges::failed(pair.name.clone(), code.clone(), format!("in {}: {message}", self.base))
            }
            (Ok(old), Ok(new)) => {
                NodeChanges::of_difference(stored::with_types(self.registry, |types| compare(old, new, types, self.lines)))
            }
        }
    }
}
