//! `stead apply --on`: one plan to approve, then batch after batch, each looked at before the next.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use stead_catalog::{Action, Target};
use stead_compiler::config::{RolloutConfig, Share};
use stead_engine::ssh::{self, SshOptions};
use stead_engine::{Cancel, Remote, RemoteApply, RemoteError, Retention, RootSpec, SavedPlan, SavedPlans};
use stead_report::{TextOptions, json};

use super::outcome::HostOutcome;
use super::plan::{Asking, plans_text, refuse_alone, show_failures, stop_at_mistakes};
use super::progress::{Bar, Bars, HostProgress, Stage};
use super::record::{self, Head, HostLog, Record};
use super::{Asked, HostFailure, Ready, health, pool, summary};
use crate::args::{ApplyArguments, By, RolloutName};
use crate::failure::Failure;
use crate::project::Loaded;
use crate::terminal::Terminal;
use crate::{machine, running, selection};

/// How long a host whose connection broke is tried again, to ask what became of its run.
const SEARCH: Duration = Duration::from_secs(30);

/// `stead apply --resume`: the hosts of an earlier rollout that are not as they are wanted.
pub(crate) fn resume(name: &RolloutName, arguments: &ApplyArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let state = machine::state_dir(arguments.machine.state_dir.as_deref(), &RootSpec::Machine);
    let id = match name {
        RolloutName::Number(id) => Some(*id),
        RolloutName::Last => record::last(&state),
    };
    let unreadable = |source| Failure::Unreadable { path: state.join("rollouts"), source };
    let recorded = id.map(|id| record::read(&state, id)).transpose().map_err(unreadable)?.flatten();
    let recorded = recorded.ok_or_else(|| Failure::NoSuchRollout(name.to_string()))?;
    let left: Vec<&String> = recorded.head.hosts.iter().filter(|host| !recorded.good.contains(host)).collect();
    if left.is_empty() {
        terminal.print("every host of it is done\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut arguments = arguments.clone();
    arguments.path = PathBuf::from(&recorded.head.project);
    arguments.select = selection::from_words(&recorded.head.selection);
    let only: Vec<String> = left.into_iter().cloned().collect();
    run(&recorded.head.on, Some(&only), &arguments, None, terminal)
}

/// Applies to many hosts.
pub(crate) fn apply(on: &str, arguments: &ApplyArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    run(on, None, arguments, None, terminal)
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
    let only: Vec<String> = saved.plans.iter().map(|plan| plan.node.clone()).collect();
    run(&saved.on, Some(&only), &arguments, Some((file, &saved)), terminal)
}

/// Holds each host to the plan that was saved for it.
fn hold(asked: &mut [Asked], saved: &SavedPlans) {
    for asked in asked {
        if let Ok(ready) = &mut asked.result {
            ready.planned.saved = saved.of(&asked.target.name).cloned();
        }
    }
}

fn run(
    on: &str,
    only: Option<&[String]>,
    arguments: &ApplyArguments,
    saved: Option<(&Path, &SavedPlans)>,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    refuse_alone(on, arguments.machine.root.as_deref())?;
    for (given, option) in [
        (arguments.watch, "--watch"),
        (arguments.accept.is_some(), "--accept"),
        (arguments.confirm_within.is_some(), "--confirm-within"),
        (arguments.rollback_on_failure, "--rollback-on-failure"),
    ] {
        if given {
            return Err(Failure::OnlyHere { option, on: on.to_owned() });
        }
    }
    let loaded = crate::project::load(&arguments.path, arguments.network)?;
    stop_at_mistakes(&loaded, terminal)?;
    crate::signatures::demand_for(&loaded, saved.map(|(file, _)| file), terminal)?;
    let plan = RolloutPlan::of(arguments, &loaded.project.config().rollout);
    let mut targets = super::resolve(on, loaded.project.inventory(), &arguments.many)?;
    if let Some(gone) =
        only.filter(|_| saved.is_some()).into_iter().flatten().find(|name| !targets.iter().any(|target| *target.name == ***name))
    {
        return Err(Failure::NoTargets(gone.clone()));
    }
    targets.retain(|target| only.is_none_or(|only| only.iter().any(|name| **name == *target.name)));
    plan.sort(&mut targets);
    let ssh = super::ssh_options(&arguments.many.ssh, terminal)?;
    let state = machine::state_dir(arguments.machine.state_dir.as_deref(), &RootSpec::Machine);

    let mut asking = Asking::new(&loaded.project, &arguments.select, &ssh, state.clone());
    asking.fetch = !arguments.fetch.no_fetch;
    (asking.remember, asking.keep) = (true, true);
    let mut asked = asking.all(targets, arguments.many.ssh.forks, &Bars::new(!arguments.json));
    asking.show_diagnostics(&loaded, terminal);
    if let Some((_, saved)) = saved {
        hold(&mut asked, saved);
    }
    if !arguments.json {
        let options = TextOptions { brief: arguments.brief, ..terminal.text_options() };
        running::show(&plans_text(&asked, By::default(), &options), arguments.yes, terminal)?;
    }
    let unreachable = show_failures(&asked, terminal);
    let changes = changes(&asked);
    if changes > 0 && !arguments.yes {
        let busy = asked.iter().filter(|asked| is_busy(asked)).count();
        running::approve_many("Apply", changes, &summary::hosts(busy), arguments.json, terminal)?;
    }

    let project = std::path::absolute(&arguments.path).unwrap_or_else(|_| arguments.path.clone());
    let hosts = asked.iter().map(|asked| asked.target.name.to_string()).collect();
    let words = selection::to_words(&arguments.select);
    let head = Head::new(project.to_string_lossy().into_owned(), on, words, hosts);
    let record = Record::begin(&state, &head).map_err(|source| Failure::Unwritable { path: state.join("rollouts"), source })?;
    let rollout = Rollout {
        plan,
        asking: &asking,
        ssh: &ssh,
        stage: Stage::new(terminal, arguments.json),
        record,
        cancel: running::cancel_on_signals(None),
        forks: arguments.many.ssh.forks,
        audit: arguments.audit_exec,
        retention: retention(&loaded),
        is_held: saved.is_some(),
        failures: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
    };
    let outcomes = rollout.run(asked);
    let is_good = outcomes.iter().all(|(_, outcome)| outcome.is_good());
    if changes > 0 || unreachable > 0 || arguments.json {
        rollout.tell_end(&outcomes);
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn retention(loaded: &Loaded) -> Retention {
    let journal = loaded.project.config().journal;
    let default = Retention::default();
    Retention {
        max_size: journal.max_size.unwrap_or(default.max_size),
        max_age: journal.max_age_ns.map(Duration::from_nanos).or(default.max_age),
    }
}

fn is_busy(asked: &Asked) -> bool {
    asked.result.as_ref().is_ok_and(|ready| !ready.planned.plan.is_empty())
}

fn changes(asked: &[Asked]) -> usize {
    let ready = asked.iter().filter_map(|asked| asked.result.as_ref().ok());
    ready.flat_map(|ready| &ready.planned.plan.resources).filter(|r| r.action != Action::None || r.error.is_some()).count()
}

/// How a rollout goes through its hosts: the command line, else stead.toml.
struct RolloutPlan {
    config: RolloutConfig,
    confirm: bool,
}

impl RolloutPlan {
    fn of(arguments: &ApplyArguments, config: &RolloutConfig) -> Self {
        let given = &arguments.rollout;
        let mut config = config.clone();
        config.batch = given.batch.or(config.batch);
        config.canary = given.canary.or(config.canary);
        config.max_failures = given.max_failures.or(config.max_failures);
        config.pause_ns = given.pause.or(config.pause_ns);
        if !given.order.is_empty() {
            config.order = given.order.iter().map(|group| group.as_str().into()).collect();
        }
        Self { config, confirm: given.confirm_batches }
    }

    /// Hosts of the groups that are named come in their order, the rest after them; within a group they stay as they are.
    fn sort(&self, targets: &mut [Target]) {
        let rank = |target: &Target| {
            let first = self.config.order.iter().position(|group| target.groups.contains(group));
            first.unwrap_or(self.config.order.len())
        };
        targets.sort_by_key(rank);
    }

    /// Cuts hosts into the canary and batches.
    fn batches<T>(&self, hosts: Vec<T>) -> Vec<Vec<T>> {
        let all = hosts.len();
        let canary = self.config.canary.map_or(0, |share| share.of(all));
        let size = self.config.batch.map_or(all, |share| share.of(all)).max(1);
        let mut batches = Vec::new();
        let mut hosts = hosts.into_iter();
        let first: Vec<T> = hosts.by_ref().take(canary).collect();
        if !first.is_empty() {
            batches.push(first);
        }
        loop {
            let batch: Vec<T> = hosts.by_ref().take(size).collect();
            if batch.is_empty() {
                return batches;
            }
            batches.push(batch);
        }
    }

    fn has_canary(&self) -> bool {
        self.config.canary.is_some_and(|canary| canary != Share::Count(0))
    }
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

impl Rollout<'_> {
    /// Goes through all hosts. The outcomes come in the order of the hosts.
    fn run(&self, asked: Vec<Asked>) -> Vec<(String, HostOutcome)> {
        let names: Vec<String> = asked.iter().map(|asked| asked.target.name.to_string()).collect();
        let mut outcomes: Vec<Option<HostOutcome>> = names.iter().map(|_| None).collect();
        let mut jobs = Vec::new();
        for (at, Asked { target, result }) in asked.into_iter().enumerate() {
            match result {
                Err(failure) => outcomes[at] = Some(HostOutcome::not_begun(failure)),
                Ok(ready) if ready.planned.plan.is_empty() => outcomes[at] = Some(HostOutcome::Unchanged),
                Ok(ready) => jobs.push(Job { at, target, ready }),
            }
            if let Some(outcome) = &outcomes[at] {
                self.record.host(&names[at], outcome);
                self.tell_host(&names[at], outcome);
            }
        }
        let all = jobs.len();
        let limit = self.plan.config.max_failures.map(|share| share.of(all));
        let batches = self.plan.batches(jobs);
        let count = batches.len();
        self.stage.bars.begin(all, "done");
        let mut stopped: Option<&'static str> = None;
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
            for (at, outcome) in self.batch(batch, all, limit) {
                outcomes[at] = Some(outcome);
            }
            let failed = self.failures.load(Ordering::SeqCst);
            stopped = if self.cancel.is_cancelled() {
                Some("the rollout was ended before")
            } else if number == 0 && self.plan.has_canary() && failed > 0 {
                Some("the canary failed")
            } else if limit.is_some_and(|limit| failed > limit) {
                Some("too many hosts failed before")
            } else {
                None
            };
        }
        self.stage.bars.finish();
        names
            .into_iter()
            .zip(outcomes)
            .map(|(name, outcome)| (name, outcome.unwrap_or(HostOutcome::NotTried("it was left out"))))
            .collect()
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
        self.cancel.is_cancelled().then_some("the rollout was ended before")
    }

    fn batch(&self, batch: Vec<Job>, all: usize, limit: Option<usize>) -> Vec<(usize, HostOutcome)> {
        pool::each(batch, pool::width(self.forks), |_, job| {
            let at = job.at;
            let name = job.target.name.to_string();
            let too_many = limit.is_some_and(|limit| self.failures.load(Ordering::SeqCst) > limit);
            if self.cancel.is_cancelled() || too_many {
                let why = if too_many { "too many hosts failed before" } else { "the rollout was ended before" };
                return (at, HostOutcome::NotTried(why));
            }
            let bar = self.stage.bars.host(&name);
            let log = self.record.log(&name);
            let outcome = self.host(job, &bar, &log);
            self.stage.bars.done(bar);
            if outcome.is_failure() {
                self.failures.fetch_add(1, Ordering::SeqCst);
            }
            log.line(&format!("{}: {}", outcome.name(), outcome.words()));
            let done = self.done.fetch_add(1, Ordering::SeqCst) + 1;
            let line = format!("{name}  {}: {}  ({done} of {all})", outcome.name().replace('_', " "), outcome.words());
            self.stage.say(&format!("{}\n", stead_report::clean(&line)));
            self.record.host(&name, &outcome);
            self.tell_host(&name, &outcome);
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
            Some(remote) => (remote, ready.planned.saved.clone().filter(|_| self.is_held)),
            None => match self.again(&target, &ready, bar) {
                Ok((remote, saved)) => (remote, saved),
                Err(failure) => return HostOutcome::not_begun(failure),
            },
        };
        let progress = HostProgress::new(&self.stage, &ready.planned.plan, bar, log);
        let options = RemoteApply { saved, audit: self.audit, retention: self.retention, cancel: self.cancel.clone() };
        let outcome = match remote.apply(&ready.planned.plan, &options, &progress) {
            Ok(report) => HostOutcome::of(&report),
            Err(RemoteError::Lost { run }) => return self.search(&target, run, bar),
            Err(error) => return HostOutcome::not_begun(error.into()),
        };
        let checks = &self.plan.config.checks;
        if outcome.is_good() && !checks.is_empty() {
            bar.doing("checking");
            if let Err(why) = health::check(&target, self.ssh, Some(&mut remote), checks) {
                return HostOutcome::Unhealthy { run: outcome.run(), why };
            }
        }
        outcome
    }

    /// Starts a worker anew, and gives it the catalog that was planned.
    fn again(&self, target: &Target, ready: &Ready, bar: &Bar) -> Result<(Remote, Option<SavedPlan>), HostFailure> {
        bar.doing("connecting");
        let (remote, _) = ssh::connect(target, self.ssh);
        let mut remote = remote?;
        bar.doing("planning");
        remote.plan(&ready.catalog, self.asking.fetch, true)?;
        Ok((remote, ready.planned.saved.clone()))
    }

    /// Asks a host whose connection broke what became of its run.
    fn search(&self, target: &Target, run: Option<i64>, bar: &Bar) -> HostOutcome {
        let Some(number) = run else { return HostOutcome::lost(None, None) };
        bar.doing("the connection broke: asking again");
        let begun = Instant::now();
        loop {
            if let (Ok(mut remote), _) = ssh::connect(target, self.ssh)
                && let Ok(story) = remote.story(number)
            {
                return HostOutcome::lost(run, story);
            }
            if begun.elapsed() > SEARCH || self.cancel.is_cancelled() {
                return HostOutcome::lost(run, None);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(batch: Option<&str>, canary: Option<&str>, order: &[&str]) -> RolloutPlan {
        let share = |text: Option<&str>| text.and_then(Share::parse);
        let order = order.iter().map(|group| (*group).into()).collect();
        let config = RolloutConfig { batch: share(batch), canary: share(canary), order, ..RolloutConfig::default() };
        RolloutPlan { config, confirm: false }
    }

    #[test]
    fn hosts_are_cut_into_batches() {
        let sizes = |batch, canary, hosts: usize| -> Vec<usize> {
            plan(batch, canary, &[]).batches((0..hosts).collect()).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(None, None, 10), [10]);
        assert_eq!(sizes(Some("10%"), None, 15), [2, 2, 2, 2, 2, 2, 2, 1]);
        assert_eq!(sizes(Some("4"), Some("1"), 10), [1, 4, 4, 1]);
        assert_eq!(sizes(None, Some("2"), 10), [2, 8]);
        assert_eq!(sizes(Some("0%"), None, 3), [1, 1, 1]);
        assert_eq!(sizes(Some("3"), Some("5"), 0), [0; 0]);
    }

    #[test]
    fn groups_come_in_their_order() {
        let target = |name: &str, group: &str| Target { groups: vec![group.into()], ..Target::named(name) };
        let mut targets = vec![target("w1", "web"), target("x", "other"), target("d1", "db"), target("w2", "web")];
        plan(None, None, &["db", "web"]).sort(&mut targets);
        let names: Vec<&str> = targets.iter().map(|target| &*target.name).collect();
        assert_eq!(names, ["d1", "w1", "w2", "x"]);
    }
}
