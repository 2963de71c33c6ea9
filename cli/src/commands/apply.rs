//! `stead apply`: changes what the plan shows, after asking.

use std::path::PathBuf;
use std::process::ExitCode;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use stead_catalog::{Action, Catalog, Plan};
use stead_engine::{ApplyOptions, Cancel, Planned, Registry, RootSpec, RunReport, SavedPlan};
use stead_report::{TextOptions, apply_summary, clean, plan_text};

use crate::args::{ApplyArguments, NetworkArguments, NodeArguments, SelectArguments};
use crate::failure::Failure;
use crate::progress::{Manner, Progress};
use crate::project;
use stead_catalog::Catalog;
use stead_engine::{ApplyOptions, RootSpec, SavedPlan};
use stead_report::{TextOptions, plan_text};
use crate::project::{self, Loaded};
use crate::terminal::Terminal;
use crate::{machine, running, selection};

use super::undo;

/// What is to be applied, and where.
struct Task {
    path: PathBuf,
    node: NodeArguments,
    network: NetworkArguments,
    select: SelectArguments,
    root: RootSpec,
    saved: Option<SavedPlan>,
}

pub(crate) fn run(arguments: &ApplyArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let task = task(arguments)?;
    if let Some(saved) = task.saved.as_ref().filter(|saved| saved.undoes.is_some()) {
        return undo::apply_saved(arguments, saved, task.root.clone(), terminal);
    }
    let state_dir = machine::state_dir(arguments.machine.state_dir.as_deref(), &task.root);
    let (registry, catalog) = compile(&task, terminal)?;
    let planned = machine::plan(&catalog, &registry, &task.root, &state_dir, terminal)?;
    let options = TextOptions { brief: arguments.brief, ..terminal.text_options() };
    if !arguments.json {
        running::show(&plan_text(&planned.plan, &options), arguments.yes || task.saved.is_some(), terminal)?;
        if planned.plan.is_empty() && task.saved.is_none() {
            return Ok(ExitCode::SUCCESS);
        }
    }
    if !arguments.yes && task.saved.is_none() {
        running::approve("Apply", &planned.plan, arguments.json, terminal)?;
    }
    let options =
        ApplyOptions { root: task.root, saved: task.saved, cancel: cancel_on_signals(), ..ApplyOptions::new(state_dir) };
    let (report, summary) = carry_out(arguments, terminal, &registry, &catalog, &planned, &options)?;
    if !arguments.json {
        let _ = terminal.print(&closing(&report, &summary, terminal));
    }
        ApplyOptions { root: task.root, saved: task.saved, cancel: running::cancel_on_signals(), ..ApplyOptions::new(state_dir) };
    let report = running::carry_out(arguments.json, terminal, &catalog, &loaded.registry, &planned, &options)?;
    Ok(if report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads what a saved plan says, where the path is one.
fn task(arguments: &ApplyArguments) -> Result<Task, Failure> {
    let path = &arguments.path;
    let is_source = path.is_dir() || path.extension().is_some_and(|extension| extension == "stead");
    if is_source || !path.exists() {
        let node = NodeArguments { node: arguments.node.node.clone(), facts: arguments.node.facts.clone() };
        let root = machine::root(&arguments.machine)?;
        return Ok(Task {
            path: path.clone(),
            node,
            network: arguments.network,
            select: arguments.select.clone(),
            root,
            saved: None,
        });
    }
    let saved = SavedPlan::read(path).map_err(|source| Failure::SavedPlan { path: path.clone(), source })?;
    if arguments.machine.root.is_some() || !selection::to_words(&arguments.select).is_empty() || arguments.node.node.is_some() {
        return Err(Failure::PlanIsFixed);
    }
    let root = match saved.root.as_str() {
        "/" => RootSpec::Machine,
        tree => RootSpec::Tree(PathBuf::from(tree)),
    };
    Ok(Task {
        path: PathBuf::from(&saved.project),
        node: NodeArguments { node: Some(saved.node.clone()), facts: arguments.node.facts.clone() },
        network: arguments.network,
        select: selection::from_words(&saved.selection),
        root,
        saved: Some(saved),
    })
}

fn compile(task: &Task, terminal: &Terminal) -> Result<(Registry, Catalog), Failure> {
    let loaded = project::load(&task.path, task.network)?;
    let node = project::node(&task.node, task.root.path())?;
    let catalog = selection::select(loaded.compile(&node, terminal)?, &task.select)?;
    Ok((loaded.into_registry(), catalog))
}

/// Shows the plan. Where nobody has to approve it, a reader that is gone (`| head`) does not stop the run.
fn show(text: &str, is_approved: bool, terminal: &Terminal) -> Result<(), Failure> {
    match terminal.print(text) {
        Err(Failure::BrokenPipe) if is_approved => Ok(()),
        shown => shown,
    }
}

/// Asks on the terminal.
fn approve(plan: &Plan, json: bool, terminal: &Terminal) -> Result<(), Failure> {
    if json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::ApprovalNeeded);
    }
    let changes = plan.resources.iter().filter(|resource| resource.action != Action::None).count();
    let what = if changes == 1 { "this change".to_owned() } else { format!("these {changes} changes") };
    terminal.note(&format!("\nApply {what}? [y/N] "));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|_| Failure::NotApproved)?;
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") { Ok(()) } else { Err(Failure::NotApproved) }
}

/// The first signal finishes what runs, the second ends it.
fn cancel_on_signals() -> Arc<Cancel> {
    let cancel = Arc::new(Cancel::new());
    if let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) {
        let asked = cancel.clone();
        std::thread::spawn(move || {
            for _ in signals.forever() {
                let text =
                    if asked.is_cancelled() { "\nending what runs\n" } else { "\nfinishing what runs; once more ends it\n" };
                asked.ask();
                let _ = io::Write::write_all(&mut io::stderr(), text.as_bytes());
            }
        });
    }
    cancel
}

fn carry_out(
    arguments: &ApplyArguments,
    terminal: &Terminal,
    registry: &Registry,
    catalog: &Catalog,
    planned: &Planned,
    options: &ApplyOptions,
) -> Result<(RunReport, stead_report::RunSummary), Failure> {
    let manner = match arguments.json {
        true => Manner::Json,
        false if io::stderr().is_terminal() => Manner::Bar,
        false => Manner::Lines,
    };
    if !arguments.json {
        let _ = terminal.print("\n");
    }
    let progress = Progress::new(terminal, &planned.plan, manner);
    let report = stead_engine::apply(catalog, registry, planned, options, &progress).map_err(Failure::Run)?;
    let summary = progress.summary();
    Ok((report, summary))
}

/// The last lines: what was done, what is still due.
fn closing(report: &RunReport, summary: &stead_report::RunSummary, terminal: &Terminal) -> String {
    let mut text = String::from("\n");
    text.push_str(&apply_summary(summary, terminal.text_options().color));
    for pending in &report.pending {
        let cause = &pending.cause;
        let line = format!("still due: {} because {} changed ({})\n", pending.resource, cause.resource, cause.kind.name());
        text.push_str(&clean(line.trim_end()));
        text.push('\n');
    }
    if report.cancelled {
        text.push_str("stopped before the end\n");
    }
    text
}
