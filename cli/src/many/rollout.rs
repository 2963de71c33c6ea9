//! `stead apply --on`: one plan to approve, and what hosts are held to; then the course that a rollout takes.

mod course;

pub(super) use course::Course;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicUsize;

use stead_catalog::Target;
use stead_engine::ssh::SshOptions;
use stead_engine::{RootSpec, SavedPlans};
use stead_report::TextOptions;

use super::batches::RolloutPlan;
use super::plan::{Asking, overview, plans_text, refuse_alone, show_failures};
use super::progress::{Bars, Stage};
use super::record::{self, Record, Recorded};
use super::{Asked, HostFailure, Ready, Resolved, Wanted, resume, summary};
use crate::accept::Acceptance;
use crate::args::{ApplyArguments, By};
use crate::failure::Failure;
use crate::project::Loaded;
use crate::terminal::Terminal;
use crate::{machine, running, selection, stored};
/// What a rollout is about.
pub(super) struct Task<'a> {
    /// The targets, as they were given.
    pub(super) on: &'a str,
    /// These hosts, and no other that the targets name by now.
    pub(super) hosts: Option<&'a [String]>,
    /// The file that hosts are held to, and what is in it.
    pub(super) saved: Option<(&'a Path, &'a SavedPlans)>,
    /// The rollout that this one goes on with.
    pub(super) before: Option<&'a Recorded>,
}

/// Applies to many hosts.
pub(crate) fn apply(on: &str, arguments: &ApplyArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    run(&Task { on, hosts: None, saved: None, before: None }, arguments, terminal)
}

/// Applies what `stead plan --on … -o FILE` has saved: to those hosts, what was planned there and nothing else.
pub(crate) fn apply_saved(file: &Path, arguments: &ApplyArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if arguments.on.is_some() || !selection::to_words(&arguments.select).is_empty() || arguments.node.node.is_some() {
        return Err(Failure::PlanIsFixed);
    }
    let saved = SavedPlans::read(file).map_err(|source| Failure::SavedPlan { path: file.to_owned(), source })?;
    let mut arguments = arguments.clone();
    arguments.path = PathBuf::from(&saved.project);
    arguments.select = selection::from_words(&saved.selection);
    // What was saved was looked at.
    arguments.yes = true;
    let hosts: Vec<String> = saved.plans.iter().map(|plan| plan.node.clone()).collect();
    run(&Task { on: &saved.on, hosts: Some(&hosts), saved: Some((file, &saved)), before: None }, &arguments, terminal)
}

/// Holds each host to the plan that was saved for it. What an earlier rollout has begun of it is gone on with.
fn hold(asked: &mut [Asked], saved: &SavedPlans, before: Option<&Recorded>) {
    for asked in asked {
        if let Ok(ready) = &mut asked.result {
            let is_begun = before.is_some_and(|before| before.begun.contains(&*asked.target.name));
            match saved.of(&asked.target.name) {
                Some(saved) if is_begun => ready.planned.saved = saved.renewed(),
                Some(saved) => ready.planned.saved = saved.clone(),
                None => asked.result = Err(HostFailure::new("plan-damaged", "the saved plan does not have it", None)),
            }
        }
    }
}

/// Holds back on each host what nobody accepted.
fn withhold(file: &Path, asked: &mut [Asked], before: Option<&Recorded>) -> Result<(), Failure> {
    let acceptance = Acceptance::read(file)?;
    match before {
        None => acceptance.check_plan(&overview(asked, false).hash())?,
        // It was accepted for the catalogs of then.
        Some(before) => {
            for asked in asked.iter_mut() {
                let accepted = before.head.catalogs.get(&*asked.target.name);
                if asked.result.as_ref().is_ok_and(|ready| accepted != Some(&ready.hash())) {
                    let hint = Some("look at the plan as it is now, and accept again".to_owned());
                    let message = "its changes were accepted for another catalog than it has now";
                    asked.result = Err(HostFailure::new("acceptance-stale", message, hint));
                }
            }
        }
    }
    for ready in asked.iter_mut().filter_map(|asked| asked.result.as_mut().ok()) {
        let Wanted::Catalog(catalog) = &ready.wanted else { continue };
        let withheld = acceptance.withheld(catalog, &ready.planned.plan)?;
        ready.withheld = withheld.iter().map(|at| catalog.resources[*at].id.clone()).collect();
        let ids: HashSet<_> = ready.withheld.iter().collect();
        for entry in ready.planned.plan.resources.iter_mut().filter(|entry| ids.contains(&entry.id)) {
            entry.held = Some("not accepted".into());
        }
    }
    Ok(())
}

fn refuse(task: &Task<'_>, arguments: &ApplyArguments) -> Result<(), Failure> {
    let others = [
        (arguments.machine.root.is_some(), "--root"),
        (arguments.watch, "--watch"),
        (arguments.confirm_within.is_some(), "--confirm-within"),
        (arguments.rollback_on_failure, "--rollback-on-failure"),
    ];
    refuse_alone(task.on, &arguments.node, &others)
}

/// Carries a rollout out.
pub(super) fn run(task: &Task<'_>, arguments: &ApplyArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    refuse(task, arguments)?;
    let (loaded, demand) = crate::reviewed::load(&arguments.path, arguments.network, arguments.reviewed.as_deref())?;
    stored::stop_at_mistakes(&loaded, terminal)?;
    crate::signatures::demand_for(&loaded, task.saved.map(|(file, _)| file), terminal)?;
    let plan = RolloutPlan::of(&arguments.rollout, &loaded.project.config().rollout);
    let state = machine::state_dir(arguments.machine.state_dir.as_deref(), &RootSpec::Machine);
    let Meant { mut targets, failed, ssh } = hosts(task, arguments, &loaded, &state, terminal)?;
    plan.sort(&mut targets);
    if !arguments.json {
        for said in plan.mistaken(loaded.project.inventory()) {
            terminal.note(&terminal.warning_line("unknown-target", &said));
        }
    }

    let mut asking = Asking::new(&loaded, &arguments.select, &ssh, &state);
    asking.fetch = !arguments.fetch.no_fetch;
    (asking.remember, asking.keep, asking.demand) = (true, true, demand);
    let mut asked = asking.all(targets, arguments.many.ssh.forks(), &Bars::new(!arguments.json));
    asked.extend(failed);
    asking.show_diagnostics(&loaded, terminal);
    if let Some((_, saved)) = task.saved {
        hold(&mut asked, saved, task.before);
    }
    if let Some(file) = &arguments.accept {
        withhold(file, &mut asked, task.before)?;
    }
    let unreachable = show(&asked, arguments, terminal)?;
    let changes = approve(&asked, arguments, terminal)?;
    let head = resume::head(task, arguments, &asked)?;
    let doubtful = if plan.config.checks.is_empty() { HashSet::new() } else { record::doubtful(&state, &head.project) };
    let record = Record::begin(&state, &head).map_err(|source| Failure::Unwritable { path: state.join("rollouts"), source })?;
    let mut course = Course {
        plan,
        fetch: asking.fetch,
        ledger: asking.telling.ledger().map(str::to_owned),
        ssh: &ssh,
        stage: Stage::new(terminal, arguments.json),
        record,
        is_kept: true,
        cancel: running::cancel_on_signals(None),
        forks: arguments.many.ssh.forks(),
        audit: arguments.audit_exec,
        retention: running::retention(&loaded),
        is_held: task.saved.is_some(),
        doubtful,
        failures: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
    };
    let outcomes = course.run(asked);
    if changes == 0 && task.before.is_none() {
        course.forget_nothing(&outcomes);
    }
    let is_good = outcomes.iter().all(|(_, outcome)| outcome.is_good());
    if changes > 0 || unreachable > 0 || arguments.json || !is_good {
        course.tell_end(&outcomes);
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The hosts of a rollout.
struct Meant {
    targets: Vec<Target>,
    /// Those that are not asked, each with the reason.
    failed: Vec<Asked>,
    ssh: SshOptions,
}

fn hosts(
    task: &Task<'_>,
    arguments: &ApplyArguments,
    loaded: &Loaded,
    state: &Path,
    terminal: &Terminal,
) -> Result<Meant, Failure> {
    let (Resolved { targets, unknown, ssh }, gone) = match task.hosts {
        // Which hosts are meant was found out before, and facts may have changed since.
        Some(hosts) => super::targets::named(hosts, Some(loaded), &arguments.many, terminal)?,
        None => (super::resolve(task.on, Some(loaded), state, &arguments.many, terminal)?, Vec::new()),
    };
    if let (Some(gone), None) = (gone.first(), task.before) {
        return Err(Failure::NoSuchHost { name: gone.clone(), closest: None });
    }
    let gone = gone.into_iter().map(|name| {
        let hint = Some("apply with --on to the hosts that are left, and this one is not asked for any more".to_owned());
        let failure = HostFailure::new("no-targets", "the inventory does not have it any more", hint);
        Asked { target: Target::named(name.as_str()), result: Err(failure) }
    });
    Ok(Meant { targets, failed: gone.chain(unknown.into_iter().map(Asked::from)).collect(), ssh })
}

/// Shows the plans, and names the hosts without one. Returns how many these are.
fn show(asked: &[Asked], arguments: &ApplyArguments, terminal: &Terminal) -> Result<usize, Failure> {
    if !arguments.json {
        // Hosts without a plan are told with the way out below, and in the last lines.
        let options = TextOptions { brief: arguments.brief, count_failures: true, ..terminal.text_options() };
        running::show(&plans_text(asked, By::default(), &options), arguments.yes, terminal)?;
    }
    Ok(show_failures(asked, terminal))
}

/// Asks whether the changes are to be made, where there are some. Returns how many there are.
fn approve(asked: &[Asked], arguments: &ApplyArguments, terminal: &Terminal) -> Result<usize, Failure> {
    let changes: usize = asked.iter().filter_map(|asked| asked.result.as_ref().ok()).map(Ready::changes).sum();
    if changes > 0 && !arguments.yes {
        let busy = asked.iter().filter(|asked| is_busy(asked)).count();
        running::approve_many("Apply", Some(running::SAVING), changes, &summary::hosts(busy), arguments.json, terminal)?;
    }
    Ok(changes)
}

fn is_busy(asked: &Asked) -> bool {
    asked.result.as_ref().is_ok_and(|ready| !ready.planned.plan.is_empty())
}
