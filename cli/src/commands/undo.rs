//! `stead undo RUN`: back to what was there before a run. Itself a plan first, and a run that can be undone.

use std::path::Path;
use std::process::ExitCode;

use stead_catalog::{Plan, ResourceId};
use stead_engine::undo::{Asked, Conflict, NotUndone, Undo, UndoOptions, UndoSelection};
use stead_engine::{ApplyOptions, Journal, Observed, Retention, RootSpec, RunRecord, SavedPlan};
use stead_report::json::{self, ConflictDocument, NotUndoneDocument, PlanDocument, UndoDocument};
use stead_report::{TextOptions, clean, plan_text};

use super::apply::collect;
use crate::args::{ApplyArguments, MachineArguments, RunName, SelectArguments, UndoArguments};
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::times::timestamp;
use crate::{machine, many, running, selection};

/// How a plan that undoes something is shown and approved.
struct Manner {
    yes: bool,
    json: bool,
    brief: bool,
}

pub(crate) fn run(arguments: &UndoArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if arguments.past.on.is_some() || arguments.rollout.is_some() {
        return many::undo(arguments, terminal);
    }
    let run = arguments.run.as_ref().unwrap_or(&RunName::Last);
    let root = machine::root(&arguments.machine)?;
    let select = SelectArguments { only: arguments.only.clone(), except: arguments.except.clone(), ..SelectArguments::default() };
    let (undo, observed) = way_back(run, &select, arguments.force, &root, &arguments.machine)?;
    let planned = undo.plan(&observed);
    let manner = Manner { yes: arguments.yes, json: arguments.json, brief: arguments.brief };
    if let Some(file) = &arguments.output {
        let mut saved = SavedPlan::of(&planned, "", root.path(), selection::to_words(&select));
        saved.undoes = Some((undo.run.id, arguments.force));
        tell(&undo, &planned.plan, &manner, terminal)?;
        refuse(&undo, arguments.force)?;
        saved.write(file).map_err(|source| Failure::SavedPlan { path: file.clone(), source })?;
        let file = clean(&file.to_string_lossy()).into_owned();
        terminal.note(&format!("\nsaved to {file}; `stead apply {file}` carries it out, once\n"));
        return Ok(ExitCode::SUCCESS);
    }
    if !(arguments.json && arguments.yes) {
        tell(&undo, &planned.plan, &manner, terminal)?;
    }
    refuse(&undo, arguments.force)?;
    if planned.plan.is_empty() || (arguments.json && !arguments.yes) {
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.yes {
        running::approve("Make", "stead undo RUN -o FILE", &planned.plan, false, terminal)?;
    }
    let state_dir = machine::state_dir(arguments.machine.state_dir.as_deref(), &root);
    let options = ApplyOptions {
        root,
        cancel: running::cancel_on_signals(None),
        undoes: Some(undo.run.id),
        undone: undo.resources.clone(),
        ..ApplyOptions::new(state_dir)
    };
    let report = running::carry_out(arguments.json, terminal, &undo.catalog, &undo.registry, &planned, &options)?;
    collect(&options.state, &Retention::default(), terminal);
    Ok(if report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Carries out a saved plan that undoes a run.
pub(super) fn apply_saved(
    arguments: &ApplyArguments,
    saved: &SavedPlan,
    root: RootSpec,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    let (run, force) = saved.undoes.unwrap_or_default();
    let select = selection::from_words(&saved.selection);
    let (undo, observed) = way_back(&RunName::Number(run), &select, force, &root, &arguments.machine)?;
    let planned = undo.plan(&observed);
    let manner = Manner { yes: true, json: arguments.json, brief: arguments.brief };
    if !arguments.json {
        tell(&undo, &planned.plan, &manner, terminal)?;
    }
    refuse(&undo, force)?;
    let state_dir = machine::state_dir(arguments.machine.state_dir.as_deref(), &root);
    let options = ApplyOptions {
        root,
        cancel: running::cancel_on_signals(None),
        undoes: Some(run),
        undone: undo.resources.clone(),
        saved: Some(saved.clone()),
        ..ApplyOptions::new(state_dir)
    };
    let report = running::carry_out(arguments.json, terminal, &undo.catalog, &undo.registry, &planned, &options)?;
    collect(&options.state, &Retention::default(), terminal);
    Ok(if report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Takes a run back without asking, for one that failed or was not confirmed. What somebody else has changed since stays.
pub(crate) fn roll_back(
    run: i64,
    root: &RootSpec,
    state_dir: &Path,
    json: bool,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    let missing = || Failure::NoSuchRun(run.to_string());
    let journal = Journal::look(state_dir).map_err(Failure::Journal)?.ok_or_else(missing)?;
    let observed = Observed::new(root).map_err(Failure::Machine)?.remembering(state_dir);
    let options = UndoOptions { leave_conflicts: true, ..UndoOptions::default() };
    let undo = Undo::of(journal, run, &stead_stdlib::registry(), &observed, &|_| Asked::Back, &options).map_err(Failure::Undo)?;
    let planned = undo.plan(&observed);
    if !json {
        tell(&undo, &planned.plan, &Manner { yes: true, json: false, brief: true }, terminal)?;
    }
    let options = ApplyOptions {
        root: root.clone(),
        cancel: running::cancel_on_signals(None),
        undoes: Some(run),
        undone: undo.resources.clone(),
        ..ApplyOptions::new(state_dir)
    };
    let report = running::carry_out(json, terminal, &undo.catalog, &undo.registry, &planned, &options)?;
    Ok(if report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Works out the way back.
fn way_back(
    run: &RunName,
    select: &SelectArguments,
    force: bool,
    root: &RootSpec,
    arguments: &MachineArguments,
) -> Result<(Undo, Observed), Failure> {
    let state_dir = machine::state_dir(arguments.state_dir.as_deref(), root);
    let missing = || Failure::NoSuchRun(run.to_string());
    let journal = Journal::look(&state_dir).map_err(Failure::Journal)?.ok_or_else(missing)?;
    let number = run.number(&journal)?.ok_or_else(missing)?;
    let observed = Observed::new(root).map_err(Failure::Machine)?.remembering(&state_dir);
    let registry = stead_stdlib::registry();
    let selection = UndoSelection { only: select.only.clone(), except: select.except.clone() };
    let asked = |id: &ResourceId| selection.asked(id);
    let undo = Undo::of(journal, number, &registry, &observed, &asked, &UndoOptions { force, ..UndoOptions::default() })
        .map_err(Failure::Undo)?;
    match selection.unnamed(&undo.changed) {
        words if words.is_empty() => Ok((undo, observed)),
        words => Err(Failure::NotInRun { run: Some(number), words }),
    }
}

/// Shows the plan, what somebody changed since, and what stays.
fn tell(undo: &Undo, plan: &Plan, manner: &Manner, terminal: &Terminal) -> Result<(), Failure> {
    if manner.json {
        let document =
            PlanDocument { undo: Some(document(&undo.run, &undo.conflicts, &undo.not_undone)), ..PlanDocument::new([plan]) };
        return terminal.print(&json::pretty(&document).map_err(|error| Failure::Output(error.into()))?);
    }
    let mut text = plan_text(plan, &TextOptions { brief: manner.brief, ..terminal.text_options() });
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            text.push_str(&format!("\n{title}\n"));
            lines.iter().for_each(|line| text.push_str(&format!("  {}\n", clean(line))));
        }
    };
    let conflicts = undo.conflicts.iter().map(|conflict| conflict_words(&conflict_document(conflict)));
    section(&format!("changed since run {}, and lost by this:", undo.run.id), conflicts.collect());
    let left = undo.not_undone.iter().map(|left| format!("{}: {}", left.resource, left.why));
    section("cannot be undone:", left.collect());
    running::show(&text, manner.yes, terminal)
}

/// What an undo says besides its plan, as JSON has it.
pub(crate) fn document(run: &RunRecord, conflicts: &[Conflict], not_undone: &[NotUndone]) -> UndoDocument {
    UndoDocument {
        run: run.id.to_string(),
        conflicts: conflicts.iter().map(conflict_document).collect(),
        not_undone: not_undone
            .iter()
            .map(|left| NotUndoneDocument { resource: left.resource.clone(), why: left.why.clone() })
            .collect(),
    }
}

fn conflict_document(conflict: &Conflict) -> ConflictDocument {
    ConflictDocument {
        what: conflict.what.clone(),
        differs: conflict.differs.clone(),
        changed: conflict.changed.map(timestamp),
        by_run: conflict.by_run.map(|run| run.to_string()),
    }
}

/// What somebody has changed since, in one line: what, when, and by which run.
pub(crate) fn conflict_words(conflict: &ConflictDocument) -> String {
    let when = conflict.changed.as_ref().map(|time| format!(", {time}")).unwrap_or_default();
    let who = conflict.by_run.as_ref().map(|run| format!(", by run {run}")).unwrap_or_default();
    format!("{}: {}{when}{who}", conflict.what, conflict.differs)
}

/// Stops before somebody's later edit is lost.
fn refuse(undo: &Undo, force: bool) -> Result<(), Failure> {
    match undo.conflicts.len() {
        0 => Ok(()),
        _ if force => Ok(()),
        count => Err(Failure::ChangedSince { run: undo.run.id, count }),
    }
}
