//! Commands: a plan, the catalog and the graph of a node, as Markdown.

use std::fmt::Write as _;
use std::sync::Arc;

use lsp_server::ErrorCode;
use lsp_types::{ExecuteCommandParams, Uri};
use serde_json::Value;
use stead_catalog::Catalog;
use stead_compiler::Severity;

use crate::dispatch::parse;
use crate::server::{Answer, Refusal, Server, Task};
use crate::uri;

/// The commands. Each takes the address of a file of the project and the name of a node; without a name, this machine.
pub(crate) const NAMES: [&str; 3] = ["stead.plan", "stead.catalog", "stead.graph"];

/// Runs a command on a thread of its own.
pub(crate) fn execute(server: &mut Server, params: ExecuteCommandParams) -> Result<Answer, Refusal> {
    if !NAMES.contains(&&*params.command) {
        return Err(Refusal::new(ErrorCode::InvalidParams, format!("there is no command `{}`", params.command)));
    }
    let mut arguments = params.arguments.into_iter();
    let file: Uri = parse(arguments.next().unwrap_or_default())?;
    let name: Option<String> = parse(arguments.next().unwrap_or_default())?;
    let path = uri::to_path(&file).ok_or_else(|| "the first argument is not the address of a file".to_owned())?;
    let (key, _) = server.workspace.locate(&path).ok_or_else(|| "the file belongs to no project".to_owned())?;
    server.workspace.refresh(&key)?;
    let log = server.logger();
    let current = server.workspace.state(&key).and_then(|state| state.current().cloned());
    let work = server.workspace.work(&key, &*log).ok_or_else(|| "the project is gone".to_owned())?;
    let stop = work.cancelled.clone();
    let this = server.workspace.this_node();
    let host = server.workspace.host.clone();
    let title = if params.command == "stead.plan" { "Planning" } else { "Compiling" };
    let run = move || -> Result<Value, String> {
        let compiled = match current {
            Some(compiled) => compiled,
            None => Arc::new(work.run().ok_or("it was cancelled, or the project changed meanwhile: ask again")?),
        };
        let this = this?;
        let wanted: Arc<str> = name.map_or_else(|| this.name.clone(), Into::into);
        let found = compiled.nodes.iter().find(|(node, _)| node.name == wanted);
        let catalog = match found {
            Some((_, Some(catalog))) => catalog.clone(),
            Some((_, None)) | None if compiled.diagnostics.iter().any(|one| one.severity == Severity::Error) => {
                return Err("the project has mistakes".to_owned());
            }
            _ => return Err(format!("the facts of `{wanted}` are not known")),
        };
        let text = match &*params.command {
            "stead.plan" if wanted == this.name => host.plan(&catalog)?,
            "stead.plan" => host.wanted(&catalog)?,
            "stead.catalog" => catalog_text(&catalog),
            _ => graph_text(&catalog),
        };
        Ok(Value::String(text))
    };
    Ok(Answer::Later(Task { title, run: Box::new(run), stop }))
}

/// Every resource with its attributes.
fn catalog_text(catalog: &Catalog) -> String {
    let mut text = format!("### Catalog of `{}`\n\n", catalog.node);
    for resource in &catalog.resources {
        let _ = writeln!(text, "- `{}` ({})", resource.id, resource.source);
        for (name, value) in resource.attributes.iter() {
            let _ = writeln!(text, "  - `{name}`: `{}`", super::describe::short(value));
        }
    }
    text
}

/// The edges, for Mermaid and Graphviz.
fn graph_text(catalog: &Catalog) -> String {
    format!("### Graph of `{}`\n\n```dot\n{}```\n", catalog.node, stead_report::dot(catalog))
}
