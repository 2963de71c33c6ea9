//! `stead plan`: exactly what would change. Changes nothing.

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use stead_catalog::{Catalog, Plan, ResourceId};
use stead_engine::SavedPlan;
use stead_report::json::{self, PlanDocument};
use stead_report::{NodeChanges, OverviewKind, TextOptions, markdown, plan_text, wanted};

use crate::args::PlanArguments;
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::{ledger, machine, many, overview, project, running, selection, stored};

/// What `--detailed-exitcode` says when something would change.
const PENDING: u8 = 2;

pub(crate) fn run(arguments: &PlanArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if arguments.from_facts {
        return from_facts(arguments, terminal);
    }
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
    if let Some(file) = &arguments.overview.html {
        let mut page = stead_report::Overview::new(OverviewKind::Plan);
        page.add(NodeChanges::of(plan.clone(), states_of(&catalog)));
        let title = format!("Plan for {}", plan.node);
        overview::write_page(
            file,
            &stead_report::overview_html(&page, &stead_report::HtmlPage { title: &title, can_accept: true }),
        )?;
    }
    let text = if arguments.overview.json {
        json::pretty(&PlanDocument::new([plan])).map_err(|error| Failure::Output(error.into()))?
    } else if arguments.overview.markdown {
        markdown(&[plan])
    } else {
        plan_text(plan, &TextOptions { brief: arguments.overview.brief, ..terminal.text_options() })
    };
    terminal.print(&text)?;
    if !arguments.overview.json && !arguments.overview.markdown {
        running::say_when_nothing_is_declared(plan, terminal);
    }
    if let Some(file) = &arguments.output {
        say_saved(file, plan, terminal);
    }
    Ok(exit_code(plan, arguments.detailed_exitcode))
}

/// The states that led to the resources of a catalog.
pub(super) fn states_of(catalog: &Catalog) -> impl FnMut(&ResourceId) -> Vec<Arc<str>> + use<> {
    let mut paths: HashMap<ResourceId, Vec<Arc<str>>> =
        catalog.resources.iter().map(|resource| (resource.id.clone(), resource.path.clone())).collect();
    move |id| paths.remove(id).unwrap_or_default()
}

/// What is wanted on every node whose facts are stored.
fn from_facts(arguments: &PlanArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let (loaded, nodes) = stored::load(&arguments.source, arguments.on.as_deref(), terminal)?;
    let mut overview = overview::new(OverviewKind::Wanted, &arguments.overview);
    let mut said = stored::Said::default();
    let (project, registry) = (&loaded.project, &loaded.registry);
    let one = |node: &stored::StoredNode| {
        let (catalog, remarks) = stored::compile(project, node);
        let catalog = catalog.and_then(|catalog| {
            let unselected = |failure: Failure| (failure.code().into(), failure.to_string().into());
            selection::select(catalog, &arguments.select).map_err(unselected)
        });
        let changes = match catalog {
            Ok(catalog) => {
                let plan = stored::with_types(registry, |types| wanted(&catalog, types));
                NodeChanges::of(plan, states_of(&catalog))
            }
            Err((code, message)) => NodeChanges::failed(node.name.clone(), code, message),
        };
        (changes, remarks)
    };
    stored::each(&nodes, one, |(changes, remarks)| {
        said.take(remarks);
        overview.add(changes);
    });
    said.with_project(project).show(&loaded, terminal);
    overview::show(&overview, &arguments.overview, "What is wanted", false, terminal)?;
    Ok(match (overview.has_errors(), overview.is_empty()) {
        (true, _) => ExitCode::FAILURE,
        (false, false) if arguments.detailed_exitcode => ExitCode::from(PENDING),
        _ => ExitCode::SUCCESS,
    })
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
