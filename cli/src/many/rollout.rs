//! `stead apply --on`: one plan to approve, then batch after batch, each looked at before the next.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use stead_catalog::{Action, Target};
use stead_engine::ssh::{self, SshOptions};
use stead_engine::{Cancel, Remote, RemoteApply, RemoteError, Retention, RootSpec, SavedPlans};
use stead_report::{TextOptions, json};

use super::batches::RolloutPlan;
use super::outcome::HostOutcome;
use super::plan::{Asking, overview, plans_text, refuse_alone, show_failures};
use super::progress::{Bar, Bars, HostProgress, Stage};
use super::record::{self, HostLog, Record, Recorded};
use super::{Asked, HostFailure, Ready, Resolved, health, pool, resume, summary};
use crate::accept::Acceptance;
use crate::args::{ApplyArguments, By};
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::{machine, running, selection, stored};

/// Why hosts are not tried.
const TOO_MANY: &str = "too many hosts failed before";
const ENDED: &str = "the rollout was ended before";
const CANARY: &str = "the canary failed";

/// How long a host whose connection broke is tried again, to ask what became of its run.
const SEARCH: Duration = Duration::from_secs(30);

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
        let withheld = acceptance.withheld(&ready.catalog, &ready.planned.plan)?;
        ready.withheld = withheld.iter().map(|at| ready.catalog.resources[*at].id.clone()).collect();
        let ids: HashSet<_> = ready.withheld.iter().collect();
        for entry in ready.planned.plan.resources.iter_mut().filter(|entry| ids.contains(&entry.id)) {
            entry.held = Some("not accepted".into());
        }
    }
    Ok(())
}

fn refuse(task: &Task<'_>, arguments: &ApplyArguments) -> Result<(), Failure> {
    refuse_alone(task.on, &arguments.node, &[(arguments.machine.root.is_some(), "--root")])?;
    let given = [
        (arguments.watch, "--watch"),
        (arguments.confirm_within.is_some(), "--confirm-within"),
        (arguments.rollback_on_failure, "--rollback-on-failure"),
    ];
    match given.iter().find(|(given, _)| *given) {
        Some((_, option)) => Err(Failure::OnlyHere { option, on: task.on.to_owned() }),
        None => Ok(()),
    }
}

/// Carries a rollout out.
pub(super) fn run(task: &Task<'_>, arguments: &ApplyArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    refuse(task, arguments)?;
    let (loaded, demand) = crate::reviewed::load(&arguments.path, arguments.network, arguments.reviewed.as_deref())?;
    stored::stop_at_mistakes(&loaded, terminal)?;
    crate::signatures::demand_for(&loaded, task.saved.map(|(file, _)| file), terminal)?;
    let plan = RolloutPlan::of(&arguments.rollout, &loaded.project.config().rollout);
    let state = machine::state_dir(arguments.machine.state_dir.as_deref(), &RootSpec::Machine);
    let (Resolved { mut targets, unknown, ssh }, gone) = match task.hosts {
        // Which hosts are meant was found out before, and facts may have changed since.
        Some(hosts) => super::targets::named(hosts, &loaded, &arguments.many, terminal)?,
        None => (super::resolve(task.on, Some(&loaded), &state, &arguments.many, terminal)?, Vec::new()),
    };
    if let (Some(gone), None) = (gone.first(), task.before) {
        return Err(Failure::NoTargets(gone.clone()));
    }
    plan.sort(&mut targets);

    let mut asking = Asking::new(&loaded, &arguments.select, &ssh, &state);
    asking.fetch = !arguments.fetch.no_fetch;
    (asking.remember, asking.keep, asking.demand) = (true, true, demand);
    let mut asked = asking.all(targets, arguments.many.ssh.forks, &Bars::new(!arguments.json));
    asked.extend(gone.into_iter().map(|name| {
        let hint = Some("apply with --on to the hosts that are left, and this one is not asked for any more".to_owned());
        let failure = HostFailure::new("no-targets", "the inventory does not have it any more", hint);
        Asked { target: Target::named(name.as_str()), result: Err(failure) }
    }));
    asked.extend(unknown.into_iter().map(Asked::from));
    asking.show_diagnostics(&loaded, terminal);
    if let Some((_, saved)) = task.saved {
        hold(&mut asked, saved, task.before);
    }
    if let Some(file) = &arguments.accept {
        withhold(file, &mut asked, task.before)?;
    }
    if !arguments.json {
        // Hosts without a plan are told with the way out below, and in the last lines.
        let options = TextOptions { brief: arguments.brief, count_failures: true, ..terminal.text_options() };
        running::show(&plans_text(&asked, By::default(), &options), arguments.yes, terminal)?;
    }
    let unreachable = show_failures(&asked, terminal);
    let changes = changes(&asked);
    if changes > 0 && !arguments.yes {
        let busy = asked.iter().filter(|asked| is_busy(asked)).count();
        running::approve_many("Apply", changes, &summary::hosts(busy), arguments.json, terminal)?;
    }

    let head = resume::head(task, arguments, &asked)?;
    let unwritable = |source| Failure::Unwritable { path: state.join("rollouts"), source };
    let doubtful = if plan.config.checks.is_empty() { HashSet::new() } else { record::doubtful(&state, &head.project) };
    let record = Record::begin(&state, &head).map_err(unwritable)?;
    let rollout = Rollout {
        plan,
        asking: &asking,
        ssh: &ssh,
        stage: Stage::new(terminal, arguments.json),
        record,
        cancel: running::cancel_on_signals(None),
        forks: arguments.many.ssh.forks,
        audit: arguments.audit_exec,
        retention: running::retention(&loaded),
        is_held: task.saved.is_some(),
        doubtful,
        failures: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
    };
    let outcomes = rollout.run(asked);
    let is_good = outcomes.iter().all(|(_, outcome)| outcome.is_good());
    if changes > 0 || unreachable > 0 || arguments.json || !is_good {
        rollout.tell_end(&outcomes);
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_busy(asked: &Asked) -> bool {
    asked.result.as_ref().is_ok_and(|ready| !ready.planned.plan.is_empty())
}

fn changes(asked: &[Asked]) -> usize {
    let ready = asked.iter().filter_map(|asked| asked.result.as_ref().ok());
    let entries = ready.flat_map(|ready| &ready.planned.plan.resources).filter(|entry| entry.held.is_none());
    entries.filter(|entry| entry.action != Action::None || entry.error.is_some()).count()
}

/// A rollout that runs.
struct Rollout<'a> {
    plan: RolloutPlan,
    asking: &'a Asking<'a>,
    ssh: &'a SshOptions,
    stage: Stage<'a>,
    record: Record,
    cancel: Arc<Cancel>,
    forks: usize,
    audit: bool,
    retention: Retention,
    /// Hosts are held to what was saved for them.
    is_held: bool,
    /// Hosts that were left in a state that no check has passed.
    doubtful: HashSet<String>,
    failures: AtomicUsize,
    /// Hosts that are done, of those that have something to do.
    done: AtomicUsize,
}

/// A host that is to be changed.
struct Job {
    at: usize,
    target: Target,
    ready: Ready,
}

/// Hosts, by what is to be done with them.
#[derive(Default)]
struct Sorted {
    /// They are to be changed.
    jobs: Vec<Job>,
    /// They are as they are wanted, and have to show that they work; whether as canaries.
    looks: Vec<(bool, Job)>,
    /// Nothing is to be done.
    decided: Vec<(usize, HostOutcome)>,
}

impl Rollout<'_> {
    /// Goes through all hosts. The outcomes come in the order of the hosts.
    fn run(&self, asked: Vec<Asked>) -> Vec<(String, HostOutcome)> {
        let names: Vec<String> = asked.iter().map(|asked| asked.target.name.to_string()).collect();
        let limit = self.plan.most_failures(names.len());
        let mut outcomes: Vec<Option<HostOutcome>> = names.iter().map(|_| None).collect();
        let Sorted { jobs, looks, decided } = self.sort(asked);
        for (at, outcome) in decided {
            self.note(&names[at], &outcome);
            outcomes[at] = Some(outcome);
        }
        let mut stopped = self.is_too_much(limit).then_some(TOO_MANY);
        if stopped.is_none() {
            stopped = self.look_again(looks, limit, &mut outcomes);
        }
        let all = jobs.len();
        let batches = self.plan.batches(jobs);
        let count = batches.len();
        self.stage.bars.begin(all, "done");
        for (number, batch) in batches.into_iter().enumerate() {
            if number > 0 && stopped.is_none() {
                stopped = self.rest(number, count);
            }
            if let Some(why) = stopped {
                for job in batch {
                    outcomes[job.at] = Some(HostOutcome::NotTried(why));
                }
                continue;
            }
            self.begin_batch(number, count, &batch);
            let before = self.failures.load(Ordering::SeqCst);
            for (at, outcome) in self.batch(batch, all, limit) {
                outcomes[at] = Some(outcome);
            }
            stopped = if self.cancel.is_cancelled() {
                Some(ENDED)
            } else if number == 0 && self.plan.has_canary() && self.failures.load(Ordering::SeqCst) > before {
                Some(CANARY)
            } else {
                self.is_too_much(limit).then_some(TOO_MANY)
            };
        }
        self.stage.bars.finish();
        names
            .into_iter()
            .zip(outcomes)
            .map(|(name, outcome)| (name, outcome.unwrap_or(HostOutcome::NotTried("it was left out"))))
            .collect()
    }

    /// Sorts hosts by what is to be done with them.
    fn sort(&self, asked: Vec<Asked>) -> Sorted {
        let canaries = self.plan.canaries(asked.len());
        let mut sorted = Sorted::default();
        let mut reached = 0;
        for (at, Asked { target, result }) in asked.into_iter().enumerate() {
            let ready = match result {
                Ok(ready) => ready,
                Err(failure) => {
                    sorted.decided.push((at, HostOutcome::not_begun(failure)));
                    continue;
                }
            };
            reached += 1;
            // A canary that was changed before still has to sing, and so has a host that was left in doubt.
            let is_canary = reached <= canaries;
            let is_doubtful = is_canary || self.doubtful.contains(&*target.name);
            if !ready.planned.plan.is_empty() {
                sorted.jobs.push(Job { at, target, ready });
            } else if is_doubtful && !self.plan.config.checks.is_empty() {
                sorted.looks.push((is_canary, Job { at, target, ready }));
            } else {
                sorted.decided.push((at, HostOutcome::Unchanged));
            }
        }
        sorted
    }

    /// Looks whether hosts with nothing to do work. Returns why nothing else is begun.
    fn look_again(
        &self,
        looks: Vec<(bool, Job)>,
        limit: Option<usize>,
        outcomes: &mut [Option<HostOutcome>],
    ) -> Option<&'static str> {
        let looked = pool::each(looks, pool::width(self.forks), |_, (is_canary, mut job)| {
            let name = job.target.name.to_string();
            let bar = self.stage.bars.host(&name);
            bar.doing("checking");
            let mut remote = job.ready.remote.take().filter(Remote::is_there);
            if remote.is_none() {
                remote = ssh::connect(&job.target, self.ssh).0.ok();
            }
            let outcome = match health::check(&job.target, self.ssh, remote.as_mut(), &self.plan.config.checks) {
                Ok(()) => HostOutcome::Unchanged,
                Err(why) => HostOutcome::Unhealthy { run: None, why },
            };
            self.stage.bars.done(bar);
            self.note(&name, &outcome);
            (is_canary, job.at, outcome)
        });
        let has_failed = looked.iter().any(|(is_canary, _, outcome)| *is_canary && outcome.is_failure());
        for (_, at, outcome) in looked {
            outcomes[at] = Some(outcome);
        }
        if self.cancel.is_cancelled() {
            Some(ENDED)
        } else if has_failed {
            Some(CANARY)
        } else {
            self.is_too_much(limit).then_some(TOO_MANY)
        }
    }

    fn is_too_much(&self, limit: Option<usize>) -> bool {
        limit.is_some_and(|limit| self.failures.load(Ordering::SeqCst) > limit)
    }

    /// Takes note of what became of a host.
    fn note(&self, name: &str, outcome: &HostOutcome) {
        if outcome.is_failure() {
            self.failures.fetch_add(1, Ordering::SeqCst);
        }
        self.record.host(name, outcome);
        self.tell_host(name, outcome);
    }

    fn begin_batch(&self, number: usize, count: usize, batch: &[Job]) {
        let names: Vec<&str> = batch.iter().map(|job| &*job.target.name).collect();
        let nodes = names.iter().map(|name| (*name).to_owned()).collect();
        self.stage.tell(&json::Event::BatchStarted { batch: number + 1, batches: count, nodes });
        if count > 1 {
            let what = if number == 0 && self.plan.has_canary() {
                "canary".to_owned()
            } else {
                format!("batch {} of {count}", number + 1)
            };
            self.stage.say(&format!("\n{what}: {}\n", stead_report::clean(&names.join(", "))));
        }
    }

    /// Rests between two batches, and asks where that is wanted. Returns why it does not go on.
    fn rest(&self, done: usize, count: usize) -> Option<&'static str> {
        if self.plan.confirm {
            let question = format!("{done} of {count} batches done. Go on?");
            if !running::ask(&question, self.stage.terminal) {
                return Some("the rollout was not confirmed");
            }
        }
        let until = Instant::now() + Duration::from_nanos(self.plan.config.pause_ns.unwrap_or(0));
        while Instant::now() < until && !self.cancel.is_cancelled() {
            std::thread::sleep(Duration::from_millis(50).min(until.saturating_duration_since(Instant::now())));
        }
        self.cancel.is_cancelled().then_some(ENDED)
    }

    fn batch(&self, batch: Vec<Job>, all: usize, limit: Option<usize>) -> Vec<(usize, HostOutcome)> {
        pool::each(batch, pool::width(self.forks), |_, job| {
            let at = job.at;
            let name = job.target.name.to_string();
            let too_many = self.is_too_much(limit);
            if self.cancel.is_cancelled() || too_many {
                return (at, HostOutcome::NotTried(if too_many { TOO_MANY } else { ENDED }));
            }
            let bar = self.stage.bars.host(&name);
            let log = self.record.log(&name);
            let outcome = self.host(job, &bar, &log);
            self.stage.bars.done(bar);
            log.line(&format!("{}: {}", outcome.name(), outcome.words()));
            let done = self.done.fetch_add(1, Ordering::SeqCst) + 1;
            let line = format!("{name}  {}: {}  ({done} of {all})", outcome.name().replace('_', " "), outcome.words());
            self.stage.say(&format!("{}\n", stead_report::clean(&line)));
            self.note(&name, &outcome);
            (at, outcome)
        })
    }

    /// Changes one host, and looks whether it works then.
    fn host(&self, job: Job, bar: &Bar, log: &HostLog) -> HostOutcome {
        let Job { target, mut ready, .. } = job;
        let options = TextOptions { color: stead_report::Color::Never, width: None, ..self.stage.terminal.text_options() };
        log.text(&stead_report::plan_text(&ready.planned.plan, &options));
        // A worker that waited too long may be gone; a new one is held to the plan that was shown.
        let kept = ready.remote.take().filter(Remote::is_there);
        let (mut remote, saved) = match kept {
            Some(remote) => (remote, self.is_held.then(|| ready.planned.saved.clone())),
            None => match self.again(&target, &ready, bar) {
                Ok(remote) => (remote, Some(ready.planned.saved.clone())),
                Err(failure) => return HostOutcome::not_begun(failure),
            },
        };
        let progress = HostProgress::new(&self.stage, &ready.planned.plan, bar, log);
        let options = RemoteApply {
            saved,
            withheld: std::mem::take(&mut ready.withheld),
            audit: self.audit,
            retention: self.retention,
            ledger: self.asking.telling.ledger().map(str::to_owned),
            cancel: self.cancel.clone(),
        };
        let (outcome, mut remote) = match remote.apply(&ready.planned.plan, &options, &progress) {
            Ok(report) => (HostOutcome::of(&report), Some(remote)),
            // What its journal tells is that it was changed, and not that it works.
            Err(RemoteError::Lost { run }) => self.search(&target, run, bar),
            Err(error) => return HostOutcome::not_begun(error.into()),
        };
        let checks = &self.plan.config.checks;
        if outcome.is_good() && !checks.is_empty() {
            bar.doing("checking");
            if let Err(why) = health::check(&target, self.ssh, remote.as_mut(), checks) {
                return HostOutcome::Unhealthy { run: outcome.run(), why };
            }
        }
        outcome
    }

    /// Starts a worker anew, and gives it the catalog that was planned.
    fn again(&self, target: &Target, ready: &Ready, bar: &Bar) -> Result<Remote, HostFailure> {
        bar.doing("connecting");
        let (remote, _) = ssh::connect(target, self.ssh);
        let mut remote = remote?;
        bar.doing("planning");
        remote.plan(&ready.catalog, self.asking.fetch, true)?;
        Ok(remote)
    }

    /// Asks a host whose connection broke what became of its run. Whoever has told is there for more.
    fn search(&self, target: &Target, run: Option<i64>, bar: &Bar) -> (HostOutcome, Option<Remote>) {
        let Some(number) = run else { return (HostOutcome::lost(None, None), None) };
        bar.doing("the connection broke: asking again");
        let begun = Instant::now();
        loop {
            if let (Ok(mut remote), _) = ssh::connect(target, self.ssh)
                && let Ok(story) = remote.story(number)
            {
                return (HostOutcome::lost(run, story), Some(remote));
            }
            if begun.elapsed() > SEARCH || self.cancel.is_cancelled() {
                return (HostOutcome::lost(run, None), None);
            }
            std::thread::sleep(Duration::from_secs(2));
        }
    }

    fn tell_host(&self, name: &str, outcome: &HostOutcome) {
        let failure = match outcome {
            HostOutcome::Unreachable(failure) => Some(failure.clone()),
            HostOutcome::Failed { first, .. } => first.clone(),
            HostOutcome::Unhealthy { why, .. } => Some(HostFailure::new("unhealthy", why.clone(), None)),
            HostOutcome::Lost { .. } => Some(HostFailure::new("connection-lost", outcome.words(), None)),
            _ => None,
        };
        self.stage.tell(&json::Event::NodeFinished {
            node: name.to_owned(),
            outcome: outcome.name().to_owned(),
            run: outcome.run().map(|run| run.to_string()),
            error: failure.map(|HostFailure { code, message, hint, .. }| json::ErrorDocument { code, message, hint }),
        });
    }

    fn tell_end(&self, outcomes: &[(String, HostOutcome)]) {
        for (name, outcome) in outcomes {
            if let HostOutcome::NotTried(_) = outcome {
                self.record.host(name, outcome);
                self.tell_host(name, outcome);
            }
        }
        let nodes = outcomes.iter().map(|(name, outcome)| (name.clone(), outcome.name().to_owned())).collect();
        let id = self.record.id;
        self.stage.tell(&json::Event::rollout_finished(id.to_string(), nodes));
        self.stage.say(&format!("\n{}", summary::summary(outcomes)));
        let logs = stead_report::clean(&self.record.directory().to_string_lossy()).into_owned();
        self.stage.say(&format!("logs in {logs}\n"));
        if outcomes.iter().any(|(_, outcome)| !outcome.is_good()) {
            self.stage.note(&format!("`stead apply --resume {id}` goes on with the hosts that are not done\n"));
        }
    }
}
