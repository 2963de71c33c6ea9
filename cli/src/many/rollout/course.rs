//! The course of a rollout: batch after batch, each looked at before the next.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use stead_catalog::Target;
use stead_engine::ssh::{self, SshOptions};
use stead_engine::{Cancel, Counts, Remote, RemoteApply, RemoteError, Retention};
use stead_report::{TextOptions, json};

use crate::many::batches::RolloutPlan;
use crate::many::outcome::HostOutcome;
use crate::many::progress::{Bar, HostProgress, Stage};
use crate::many::record::{HostLog, Record};
use crate::many::{Asked, HostFailure, Ready, Wanted, health, pool, summary};
use crate::running;

/// Why hosts are not tried.
const TOO_MANY: &str = "too many hosts failed before";
const ENDED: &str = "the rollout was ended before";
const CANARY: &str = "the canary failed";

/// How long a host whose connection broke is tried again, to ask what became of its run.
const SEARCH: Duration = Duration::from_secs(30);

/// A rollout that runs.
pub(in crate::many) struct Course<'a> {
    pub(in crate::many) plan: RolloutPlan,
    /// Packages that would be installed are fetched for a plan.
    pub(in crate::many) fetch: bool,
    /// The project in whose ledger it is noted what is made.
    pub(in crate::many) ledger: Option<String>,
    pub(in crate::many) ssh: &'a SshOptions,
    pub(in crate::many) stage: Stage<'a>,
    pub(in crate::many) record: Record,
    /// What is written down of it stays.
    pub(in crate::many) is_kept: bool,
    pub(in crate::many) cancel: Arc<Cancel>,
    pub(in crate::many) forks: usize,
    pub(in crate::many) audit: bool,
    pub(in crate::many) retention: Retention,
    /// Hosts are held to what was saved for them.
    pub(in crate::many) is_held: bool,
    /// Hosts that were left in a state that no check has passed.
    pub(in crate::many) doubtful: HashSet<String>,
    pub(in crate::many) failures: AtomicUsize,
    /// Hosts that are done, of those that have something to do.
    pub(in crate::many) done: AtomicUsize,
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

impl Course<'_> {
    /// Goes through all hosts. The outcomes come in the order of the hosts.
    pub(in crate::many) fn run(&self, asked: Vec<Asked>) -> Vec<(String, HostOutcome)> {
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
        } else {
            self.stage.say("\n");
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
        let progress = HostProgress::new(&self.stage, &ready.planned.plan, bar, log, &self.record);
        let options = RemoteApply {
            saved,
            withheld: std::mem::take(&mut ready.withheld),
            audit: self.audit,
            retention: self.retention,
            ledger: self.ledger.clone(),
            cancel: self.cancel.clone(),
        };
        // Whoever ends this command from here on leaves a host that is known to be changed.
        if let Err(error) = self.record.begun(&target.name, None) {
            let hint = Some("what is begun has to be known: free some space, or make the directory writable".to_owned());
            let place = self.record.directory().display();
            let message = format!("it is not begun, for that cannot be written down in {place}: {error}");
            return HostOutcome::not_begun(HostFailure::new("unwritable-file", message, hint));
        }
        let (outcome, mut remote) = match remote.apply(&ready.planned.plan, &options, &progress) {
            Ok(report) => (HostOutcome::of(&report), Some(remote)),
            // What its journal tells is that it was changed, and not that it works.
            Err(RemoteError::Lost { run }) => self.search(&target, run, bar),
            Err(error) => return self.ended_by(&target, progress.run(), error),
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

    /// The outcome of a host whose worker would not begin, or said something else than what becomes of its run.
    fn ended_by(&self, target: &Target, run: Option<i64>, error: RemoteError) -> HostOutcome {
        if run.is_some() {
            return HostOutcome::Failed { run, counts: Counts::default(), first: Some(error.into()) };
        }
        // Who says no has not begun; of anything else that is not known.
        if matches!(error, RemoteError::Refused(_)) {
            self.record.not_begun(&target.name);
        }
        HostOutcome::not_begun(error.into())
    }

    /// Starts a worker anew, and lets it plan again what was planned.
    fn again(&self, target: &Target, ready: &Ready, bar: &Bar) -> Result<Remote, HostFailure> {
        bar.doing("connecting");
        let (remote, _) = ssh::connect(target, self.ssh);
        let mut remote = remote?;
        bar.doing("planning");
        match &ready.wanted {
            Wanted::Catalog(catalog) => drop(remote.plan(catalog, self.fetch, true)?),
            Wanted::Back(back) => drop(remote.way_back(&back.request)?),
        }
        Ok(remote)
    }

    /// Asks a host whose connection broke what became of its run. Whoever has told is there for more.
    fn search(&self, target: &Target, run: Option<i64>, bar: &Bar) -> (HostOutcome, Option<Remote>) {
        let Some(number) = run else { return (HostOutcome::lost(None, None), None) };
        bar.doing("the connection broke: asking again");
        let begun = Instant::now();
        loop {
            if let (Ok(mut remote), _) = ssh::connect(target, self.ssh)
                && let Ok(story) = remote.story(Some(number), true)
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
            error: failure.map(json::ErrorDocument::from),
        });
    }

    /// Forgets the rollout where it was none: nothing was done on any host, and none was in doubt.
    pub(in crate::many) fn forget_nothing(&mut self, outcomes: &[(String, HostOutcome)]) {
        let is_nothing = |(name, outcome): &(String, HostOutcome)| {
            *outcome == HostOutcome::Unchanged && !self.doubtful.contains(name.as_str())
        };
        if outcomes.iter().all(is_nothing) {
            self.record.drop_it();
            self.is_kept = false;
        }
    }

    /// Tells what became of all hosts.
    pub(in crate::many) fn tell_end(&self, outcomes: &[(String, HostOutcome)]) {
        for (name, outcome) in outcomes {
            if let HostOutcome::NotTried(_) = outcome {
                self.record.host(name, outcome);
                self.tell_host(name, outcome);
            }
        }
        let nodes = outcomes.iter().map(|(name, outcome)| (name.clone(), outcome.name().to_owned())).collect();
        let id = self.record.id;
        self.stage.tell(&json::Event::rollout_finished(self.is_kept.then(|| id.to_string()), nodes));
        self.stage.say(&format!("\n{}", summary::summary(outcomes)));
        if !self.is_kept {
            return;
        }
        let logs = stead_report::clean(&self.record.directory().to_string_lossy()).into_owned();
        self.stage.say(&format!("rollout {id}, logs in {logs}\n"));
        if outcomes.iter().any(|(_, outcome)| !outcome.is_good()) {
            self.stage.note(&format!("`stead apply --resume {id}` goes on with the hosts that are not done\n"));
            if outcomes.iter().any(|(_, outcome)| outcome.run().is_some()) {
                self.stage.note(&format!("`stead undo --rollout {id}` takes back what it did\n"));
            }
        }
    }
}
