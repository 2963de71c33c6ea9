//! `stead apply`: changes what the plan shows, after asking.

use std::path::PathBuf;
use std::process::ExitCode;

use stead_catalog::Catalog;
use stead_engine::{ApplyOptions, Registry, RootSpec, SavedPlan};
use stead_report::{TextOptions, plan_text};

use crate::args::{ApplyArguments, NetworkArguments, NodeArguments, SelectArguments};
use crate::failure::Failure;
use crate::project;
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
    let cancel = running::cancel_on_signals();
    let options = ApplyOptions { root: task.root, saved: task.saved, cancel, ..ApplyOptions::new(state_dir) };
    let report = running::carry_out(arguments.json, terminal, &catalog, &registry, &planned, &options)?;
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
    let node = loaded.node(&task.node, task.root.path(), terminal)?;
    let catalog = selection::select(loaded.compile(&node, terminal)?, &task.select)?;
    Ok((loaded.into_registry(), catalog))
}
