//! `stead ledger`: what a project made on this machine, and what it is to forget.

use std::process::ExitCode;

use serde_json::json;
use stead_catalog::ResourceId;
use stead_engine::Journal;
use stead_report::{clean, counted};

use super::document;
use crate::args::LedgerArguments;
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::{ledger, machine, project};

pub(crate) fn run(arguments: &LedgerArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let root = machine::root(&arguments.machine)?;
    let state_dir = machine::state_dir(arguments.machine.state_dir.as_deref(), &root);
    let loaded = project::load(&arguments.path, arguments.network)?;
    let Some(project) = ledger::project(&loaded) else {
        if arguments.json {
            terminal.print(&document(json!({ "project": null, "entries": [] }))?)?;
        } else {
            terminal.print("this project keeps no ledger: stead.toml does not say `ledger = true`\n")?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let entries = ledger::entries(&project, &state_dir).map_err(Failure::Journal)?;
    if arguments.forget.is_empty() && arguments.json {
        let entry = |entry: &stead_engine::LedgerEntry| json!({ "id": entry.resource.to_string(), "run": entry.made.0.to_string(), "source": entry.source });
        terminal.print(&document(json!({ "project": project, "entries": entries.iter().map(entry).collect::<Vec<_>>() }))?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.forget.is_empty() {
        let line = |entry: &stead_engine::LedgerEntry| {
            clean(&format!("{}  made by run {}, declared at {}", entry.resource, entry.made.0, entry.source)).into_owned() + "\n"
        };
        let text: String = entries.iter().map(line).collect();
        terminal.print(if text.is_empty() { "nothing was made\n" } else { &text })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut forgotten = Vec::with_capacity(arguments.forget.len());
    for word in &arguments.forget {
        let known = |id: &ResourceId| entries.iter().any(|entry| entry.resource == *id);
        forgotten.push(ResourceId::parse(word).filter(known).ok_or_else(|| Failure::UnknownSelector(word.clone()))?);
    }
    let count = Journal::forget(&state_dir, &project, &forgotten).map_err(Failure::Collect)?;
    if arguments.json {
        let forgotten: Vec<String> = forgotten.iter().map(ToString::to_string).collect();
        terminal.print(&document(json!({ "project": project, "forgotten": forgotten }))?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let what = counted(count, "thing");
    terminal.print(&format!("forgot {what}: stead will not take them away\n"))?;
    Ok(ExitCode::SUCCESS)
}
