//! `stead apply`: changes what the plan shows, after asking.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use stead_catalog::{Catalog, Value};
use stead_engine::{
    Alarm, ApplyOptions, CollectError, Journal, Planned, Registry, Retention, RootSpec, SavedPlan, SavedPlans, WatchError,
};
use stead_report::{NodeChanges, Overview, OverviewKind, TextOptions, plan_text};

use crate::accept::Acceptance;
use crate::args::{ApplyArguments, NetworkArguments, NodeArguments, SelectArguments};
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::{guard, ledger, machine, many, reviewed, running, selection, signatures};

use super::{roll_back, undo};

mod watch;

/// What is to be applied, and where.
struct Task {
    path: PathBuf,
    node: NodeArguments,
    network: NetworkArguments,
    select: SelectArguments,
    root: RootSpec,
    saved: Option<SavedPlan>,
    /// What was reviewed, where nothing else is to be applied.
    reviewed: Option<PathBuf>,
}

pub(crate) fn run(arguments: &ApplyArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if let Some(name) = &arguments.resume {
        return many::resume(name, arguments, terminal);
    }
    if arguments.path.is_file() && SavedPlans::is_one(&arguments.path) {
        return many::apply_saved(&arguments.path, arguments, terminal);
    }
    if let Some(on) = &arguments.on {
        return many::apply(on, arguments, terminal);
    }
    let task = task(arguments)?;
    if let Some(saved) = task.saved.as_ref().filter(|saved| saved.undoes.is_some()) {
        return undo::apply_saved(arguments, saved, task.root.clone(), terminal);
    }
    let state_dir = machine::state_dir(arguments.machine.state_dir.as_deref(), &task.root);
    if guard::is_waiting(&state_dir) {
        return Err(Failure::ConfirmationPending);
    }
    if guard::is_orphaned(&state_dir) {
        let text =
            "the last run was never confirmed, and the machine was restarted since: it stays; `stead confirm` takes note of that";
        terminal.note(&terminal.warning_line("not-confirmed", text));
    }
    let Compiled { registry, catalog, retention, ledger } = compile(&task, &arguments.path, &state_dir, terminal)?;
    let cache = machine::cache_dir(&arguments.machine, &arguments.fetch, &task.root);
    let mut planned = machine::plan(&catalog, &registry, &task.root, &state_dir, cache.as_deref(), terminal)?;
    let withheld = match &arguments.accept {
        Some(file) => withhold(file, &catalog, &mut planned)?,
        None => BTreeSet::new(),
    };
    let options = TextOptions { brief: arguments.brief, ..terminal.text_options() };
    if !arguments.json {
        running::show(&plan_text(&planned.plan, &options), arguments.yes || task.saved.is_some(), terminal)?;
        running::say_when_nothing_is_declared(&planned.plan, terminal);
        if planned.plan.is_empty() && task.saved.is_none() && !arguments.watch {
            Journal::remember(&state_dir, &catalog);
            return Ok(ExitCode::SUCCESS);
        }
    }
    if !arguments.yes && task.saved.is_none() {
        let verb = if arguments.watch { "Stay, put right what somebody changes later, and apply" } else { "Apply" };
        running::approve(verb, running::SAVING, &planned.plan, arguments.json, terminal)?;
    }
    let alarm = Alarm::new().map_err(|error| Failure::Watch(WatchError::Refused(error)))?;
    let cancel = running::cancel_on_signals(Some(alarm.clone()));
    if let Some(within) = arguments.confirm_within.map(Duration::from_nanos) {
        guard::start(&state_dir, &task.root, within).map_err(|source| Failure::Guard { path: state_dir.clone(), source })?;
    }
    let root = task.root.clone();
    let audit = arguments.audit_exec;
    let options = ApplyOptions {
        root: task.root,
        saved: task.saved,
        withheld,
        cancel,
        audit,
        cache,
        ledger,
        ..ApplyOptions::new(state_dir.clone())
    };
    if arguments.watch {
        let (registry, whole, options) = (&registry, &catalog, &options);
        // What is taken away once is not watched for: whoever makes it again means it.
        let catalog = &selection::keeping(catalog.clone(), |resource| resource.meta.orphan.is_none());
        let watching = watch::Watching { arguments, terminal, registry, catalog, options, retention: &retention };
        return watch::run(&watching, whole, &planned, alarm);
    }
    let report = running::carry_out(arguments.json, terminal, &catalog, &registry, &planned, &options)?;
    let counts = report.counts();
    if let (true, Some(run), true) = (arguments.rollback_on_failure, report.run, counts.failed + counts.not_converged > 0) {
        terminal.note(&format!("\nrun {run} failed and is undone\n"));
        roll_back(run, &root, &state_dir, arguments.json, terminal)?;
        // It is undone, or its undo is to be looked at: there is nothing left to be confirmed.
        let _ = guard::confirm(&state_dir);
    } else if let Some(within) = arguments.confirm_within {
        let within = Value::Duration(within);
        terminal.note(&format!("\nundone in {within}, unless `stead confirm` comes first\n"));
    }
    collect(&state_dir, &retention, terminal);
    Ok(if report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Drops from the journal what is too old or too much. An apply that began meanwhile does it in its turn.
pub(super) fn collect(state_dir: &Path, retention: &Retention, terminal: &Terminal) {
    if let Err(error) = Journal::collect(state_dir, retention, false)
        && !matches!(error, CollectError::Running)
    {
        terminal.note(&terminal.warning_line("journal-failed", &error.to_string()));
    }
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
            reviewed: arguments.reviewed.clone(),
        });
    }
    let saved = SavedPlan::read(path).map_err(|source| Failure::SavedPlan { path: path.clone(), source })?;
    if arguments.watch
        || arguments.machine.root.is_some()
        || !selection::to_words(&arguments.select).is_empty()
        || arguments.node.node.is_some()
    {
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
        reviewed: arguments.reviewed.clone(),
    })
}

/// Holds back in a plan what nobody accepted.
fn withhold(file: &Path, catalog: &Catalog, planned: &mut Planned) -> Result<BTreeSet<usize>, Failure> {
    let acceptance = Acceptance::read(file)?;
    let mut overview = Overview::new(OverviewKind::Plan);
    overview.add(NodeChanges::of(planned.plan.clone(), |_| Vec::new()));
    acceptance.check_plan(&overview.hash())?;
    let withheld = acceptance.withheld(catalog, &planned.plan)?;
    let ids: HashSet<_> = withheld.iter().map(|at| &catalog.resources[*at].id).collect();
    for entry in planned.plan.resources.iter_mut().filter(|entry| ids.contains(&entry.id)) {
        entry.held = Some("not accepted".into());
    }
    Ok(withheld)
}

/// What a project says.
struct Compiled {
    registry: Registry,
    catalog: Catalog,
    retention: Retention,
    /// What the project is called in the ledger, where it keeps one.
    ledger: Option<String>,
}

fn compile(task: &Task, path: &Path, state_dir: &Path, terminal: &Terminal) -> Result<Compiled, Failure> {
    let (loaded, demand) = reviewed::load(&task.path, task.network, task.reviewed.as_deref())?;
    signatures::demand_for(&loaded, task.saved.is_some().then_some(path), terminal)?;
    let node = loaded.node(&task.node, task.root.path(), terminal)?;
    if let Some(demand) = &demand {
        demand.check(&node).map_err(|found| Failure::NotReviewed { node: node.name.to_string(), found })?;
    }
    let catalog = loaded.compile(&node, terminal)?;
    let catalog = ledger::with_orphans(catalog, &loaded, &task.select, state_dir, terminal);
    let catalog = selection::select(catalog, &task.select)?;
    let ledger = ledger::project(&loaded);
    let retention = running::retention(&loaded);
    Ok(Compiled { registry: loaded.into_registry(), catalog, retention, ledger })
}
