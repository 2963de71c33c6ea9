//! `stead check`: everything that is wrong with a project, without looking at any machine but for its facts.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use stead_compiler::{Diagnostic, NodeContext, diagnostic};
use stead_report::counted;

use crate::args::CheckArguments;
use crate::failure::Failure;
use crate::project::{self, Loaded, Secrets};
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &CheckArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if let Some(on) = &arguments.on {
        return crate::many::check(on, arguments, terminal);
    }
    let loaded = project::load_with(&arguments.source.path, arguments.source.network, Secrets::WhereOpen)?;
    let mut diagnostics = loaded.project.diagnostics().to_vec();
    let mut compiled = Vec::new();
    if !loaded.project.has_errors() {
        for node in nodes(arguments, &loaded, &mut diagnostics, terminal)? {
            let (catalog, found) = stead_compiler::compile(&loaded.project, &node);
            diagnostics.extend(found);
            compiled.extend(catalog.map(|catalog| (node.name, catalog.resources.len())));
        }
        diagnostics.extend(loaded.project.unused_allows());
        diagnostic::arrange(&mut diagnostics);
    }
    let failed = diagnostics.iter().any(Diagnostic::is_error);
    let texts = loaded.texts(&diagnostics);
    if arguments.json {
        let lines: String = diagnostics.iter().map(|diagnostic| diagnostic::json::to_json(diagnostic, &texts) + "\n").collect();
        terminal.print(&lines)?;
    } else if arguments.sarif {
        let prefix = crate::review::Repository::of(&loaded.root).map(|repository| repository.prefix).unwrap_or_default();
        terminal.print(&diagnostic::sarif::to_sarif(&diagnostics, &texts, env!("CARGO_PKG_VERSION"), &prefix))?;
    } else {
        let counts = counts(&diagnostics);
        terminal.show_diagnostics(diagnostics, &texts);
        if failed {
            terminal.note(&format!("{counts}\n"));
        } else {
            terminal.print(&format!("{}\n", verdict(&counts, &loaded, &compiled)))?;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The node that is asked for; else this machine, and every node whose facts lie in the project.
fn nodes(
    arguments: &CheckArguments,
    loaded: &Loaded,
    diagnostics: &mut Vec<Diagnostic>,
    terminal: &Terminal,
) -> Result<Vec<NodeContext>, Failure> {
    let mut here = loaded.node(&arguments.source.node, Path::new("/"), terminal)?;
    if arguments.source.node.facts.is_none() {
        here.packages = Some(Arc::new(crate::packages::OfThisMachine::default()));
    }
    let mut nodes = vec![here];
    if arguments.source.node.node.is_some() || arguments.source.node.facts.is_some() {
        return Ok(nodes);
    }
    let directory = &*loaded.project.config().facts.directory;
    let entries = std::fs::read_dir(loaded.root.join(directory));
    let mut paths: Vec<_> = entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        let name: Arc<str> = name.into();
        nodes.retain(|node| node.name != name);
        let (facts, found) = loaded.read_facts(path, &format!("{directory}/{name}.json"))?;
        // What the others know is checked nevertheless.
        if !found.iter().any(Diagnostic::is_error) {
            nodes.push(loaded.project.node(name, facts));
        }
        diagnostics.extend(found);
    }
    Ok(nodes)
}

fn counts(diagnostics: &[Diagnostic]) -> String {
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let words = [
        (stead_compiler::Severity::Error, "error"),
        (stead_compiler::Severity::Warning, "warning"),
        (stead_compiler::Severity::Hint, "hint"),
    ];
    let parts: Vec<String> = words
        .into_iter()
        .map(|(severity, word)| (count(severity), word))
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| counted(n, word))
        .collect();
    if parts.is_empty() { "no mistakes".to_owned() } else { parts.join(", ") }
}

fn verdict(counts: &str, loaded: &Loaded, compiled: &[(Arc<str>, usize)]) -> String {
    let files = counted(loaded.project.files().len(), "file");
    let nodes: Vec<String> =
        compiled.iter().map(|(name, resources)| format!("{} for {name}", counted(*resources, "resource"))).collect();
    format!("{counts} in {files}; {}", nodes.join(", "))
}
