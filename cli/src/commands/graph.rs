//! `stead graph`: what comes before what, and why.

use std::fmt::Write as _;
use std::process::ExitCode;

use stead_catalog::Catalog;
use stead_engine::Graph;
use stead_report::clean;
use stead_report::json::{self, GraphDocument};

use crate::args::GraphArguments;
use crate::failure::Failure;
use crate::project;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &GraphArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let (_, catalog) = project::compile(&arguments.source, terminal)?;
    let text = if arguments.dot {
        stead_report::dot(&catalog)
    } else if arguments.json {
        json::pretty(&GraphDocument::from(&catalog)).map_err(|error| Failure::Output(error.into()))?
    } else {
        in_order(&catalog)
    };
    terminal.print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Every resource in the order of application, with what it comes after.
fn in_order(catalog: &Catalog) -> String {
    let mut incoming: Vec<Vec<&stead_catalog::Edge>> = vec![Vec::new(); catalog.resources.len()];
    for edge in &catalog.edges {
        if let Some(edges) = usize::try_from(edge.to).ok().and_then(|to| incoming.get_mut(to)) {
            edges.push(edge);
        }
    }
    let mut text = String::new();
    for at in Graph::of(catalog).order() {
        let _ = writeln!(text, "{}", clean(&catalog.resources[at].id.to_string()));
        for edge in &incoming[at] {
            let Some(from) = usize::try_from(edge.from).ok().and_then(|from| catalog.resources.get(from)) else { continue };
            let why = if edge.reason.is_empty() { edge.kind.name() } else { &*edge.reason };
            let _ = writeln!(text, "    after {} ({})", clean(&from.id.to_string()), clean(why));
        }
    }
    text
}
