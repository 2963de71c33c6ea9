//! `stead catalog`: every resource wanted on the node, typed and complete; or on each of several.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use stead_catalog::Catalog;
use stead_report::json::{self, CatalogDocument, CatalogsDocument, NodeCatalogDocument};
use stead_report::{clean, counted};

use crate::args::CatalogArguments;
use crate::failure::Failure;
use crate::many::HostFailure;
use crate::terminal::Terminal;
use crate::{many, project, selection, stored};

pub(crate) fn run(arguments: &CatalogArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if arguments.from_facts {
        return from_facts(arguments, terminal);
    }
    if let Some(on) = &arguments.on {
        return many::catalogs(on, arguments, terminal);
    }
    let (_, catalog) = project::compile(&arguments.source, terminal)?;
    let catalog = selection::select(catalog, &arguments.select)?;
    let text = match arguments.json {
        true => json::pretty(&CatalogDocument::from(&catalog)).map_err(|error| Failure::Output(error.into()))?,
        false => text(&catalog),
    };
    terminal.print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The catalogs of the nodes whose facts are stored.
fn from_facts(arguments: &CatalogArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let (loaded, nodes) = stored::load(&arguments.source, arguments.on.as_deref(), terminal)?;
    let mut all = stored::Said::default();
    let mut shown = Shown::new(arguments.json);
    let one = |node: &stored::StoredNode| {
        let (catalog, said) = stored::compile(&loaded.project, node);
        let catalog = catalog
            .map_err(|(code, message)| HostFailure::new(&*code, &*message, None))
            .and_then(|catalog| Ok(selection::select(catalog, &arguments.select)?));
        (shown_of(arguments.json, &node.name, catalog.as_ref()), said)
    };
    stored::each(&nodes, one, |(node, said)| {
        all.take(said);
        shown.add(node);
    });
    all.with_project(&loaded.project).show(&loaded, terminal);
    shown.print(terminal)
}

/// One node as it is shown: done where it is compiled, for a catalog is larger than its text.
pub(crate) enum NodeShown {
    Text { text: String, failure: Option<(Arc<str>, HostFailure)> },
    Document(Box<NodeCatalogDocument>, Option<(Arc<str>, HostFailure)>),
}

/// Makes what is shown of a node.
pub(crate) fn shown_of(json: bool, name: &Arc<str>, catalog: Result<&Catalog, &HostFailure>) -> NodeShown {
    let failure = catalog.err().map(|failure| (name.clone(), failure.clone()));
    match (json, catalog) {
        (true, Ok(catalog)) => NodeShown::Document(Box::new(catalog.into()), failure),
        (true, Err(error)) => {
            NodeShown::Document(Box::new(NodeCatalogDocument::failed(name, &error.code, &error.message)), failure)
        }
        (false, Ok(catalog)) => {
            let resources = counted(catalog.resources.len(), "resource");
            NodeShown::Text { text: format!("# {}: {resources}\n{}", clean(name), text(catalog)), failure }
        }
        (false, Err(_)) => NodeShown::Text { text: String::new(), failure },
    }
}

/// What is shown of nodes, in the order in which they are added.
pub(crate) struct Shown {
    json: bool,
    text: String,
    documents: Vec<NodeCatalogDocument>,
    failures: Vec<(Arc<str>, HostFailure)>,
}

impl Shown {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, text: String::new(), documents: Vec::new(), failures: Vec::new() }
    }

    pub(crate) fn add(&mut self, node: NodeShown) {
        let failure = match node {
            NodeShown::Document(document, failure) => {
                self.documents.push(*document);
                failure
            }
            NodeShown::Text { text, failure } => {
                if !self.text.is_empty() && !text.is_empty() {
                    self.text.push('\n');
                }
                self.text.push_str(&text);
                failure
            }
        };
        self.failures.extend(failure);
    }

    /// Prints what there is, and names the nodes that have no catalog.
    pub(crate) fn print(self, terminal: &Terminal) -> Result<ExitCode, Failure> {
        let text = match self.json {
            true => json::pretty(&CatalogsDocument::new(self.documents)).map_err(|error| Failure::Output(error.into()))?,
            false => self.text,
        };
        terminal.print(&text)?;
        for (name, failure) in &self.failures {
            terminal.note(&terminal.host_line(name, failure));
        }
        Ok(if self.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The resources of a catalog with their attributes.
fn text(catalog: &Catalog) -> String {
    let mut text = String::new();
    for resource in &catalog.resources {
        let _ = writeln!(text, "{}  {}", clean(&resource.id.to_string()), clean(&resource.source.to_string()));
        for (name, value) in resource.attributes.iter() {
            let _ = writeln!(text, "    {name} = {}", clean(&value.to_string()));
        }
    }
    text
}
