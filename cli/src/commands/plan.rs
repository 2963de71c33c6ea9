//! `stead plan`: exactly what would change. Changes nothing.

use std::path::Path;
use std::process::ExitCode;

use stead_catalog::Plan;
use stead_engine::SavedPlan;
use stead_report::json::{self, PlanDocument};
use stead_report::{TextOptions, markdown, plan_text};

use crate::args::PlanArguments;
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::{ledger, machine, many, project, selection};

/// What `--detailed-exitcode` says when something would change.
const PENDING: u8 = 2;

pub(crate) fn run(arguments: &PlanArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if let Some(on) = &arguments.on {
        return many::plan(on, arguments, terminal);
    }
    let root = machine::root(&arguments.machine)?;
    let state_dir = machine::state_dir(arguments.machine.state_dir.as_deref(), &root);
    let loaded = project::load(&arguments.source.path, arguments.source.network)?;
    let node = loaded.node(&arguments.source.node, root.path(), terminal)?;
    let catalog = loaded.compile(&node, terminal)?;
    let catalog = ledger::with_orphans(catalog, &loaded, &arguments.select, &state_dir, terminal);
    let catalog = selection::select(catalog, &arguments.select)?;
    let registry = loaded.into_registry();
    let cache = machine::cache_dir(&arguments.machine, &arguments.fetch, &root);
    let planned = machine::plan(&catalog, &registry, &root, &state_dir, cache.as_deref(), terminal)?;
    let plan = &planned.plan;
    if let Some(file) = &arguments.output {
        let project = std::path::absolute(&arguments.source.path).unwrap_or_else(|_| arguments.source.path.clone());
        let selection = selection::to_words(&arguments.select);
        let saved = SavedPlan::of(&planned, &project.to_string_lossy(), root.path(), selection);
        saved.write(file).map_err(|source| Failure::SavedPlan { path: file.clone(), source })?;
    }
    let text = if arguments.json {
        json::pretty(&PlanDocument::new([plan])).map_err(|error| Failure::Output(error.into()))?
    } else if arguments.markdown {
        markdown(&[plan])
    } else {
        plan_text(plan, &TextOptions { brief: arguments.brief, ..terminal.text_options() })
    };
    terminal.print(&text)?;
    if let Some(file) = &arguments.output {
        say_saved(file, plan, terminal);
    }
    Ok(exit_code(plan, arguments.detailed_exitcode))
}

fn say_saved(file: &Path, plan: &Plan, terminal: &Terminal) {
    let file = stead_report::clean(&file.to_string_lossy()).into_owned();
    let what_next = if plan.is_empty() { String::new() } else { format!("; `stead apply {file}` carries it out, once") };
    terminal.note(&format!("\nsaved to {file}{what_next}\n"));
}

/// 1 when something could not be planned, 2 when something would change and the caller wants to know.
fn exit_code(plan: &Plan, detailed: bool) -> ExitCode {
    if plan.resources.iter().any(|resource| resource.error.is_some()) {
        ExitCode::FAILURE
    } else if detailed && !plan.is_empty() {
        ExitCode::from(PENDING)
    } else {
        ExitCode::SUCCESS
    }
}
