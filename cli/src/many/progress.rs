//! What is seen while many hosts are worked on: on a terminal a line for each that is busy and one for all, elsewhere plain lines.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use stead_catalog::{OutcomeKind, Plan};
use stead_engine::{self as engine, Events};
use stead_report::{RunSummary, TextOptions, clean, json, resource_text};

use super::record::{HostLog, Record};
use crate::progress::outcome_of;
use crate::terminal::Terminal;

/// Lines for busy hosts at most; more than fit on a screen help nobody.
const SHOWN: usize = 20;

/// The bars of all hosts; nothing where there is no terminal.
pub(super) struct Bars {
    all: Option<MultiProgress>,
    total: Mutex<ProgressBar>,
    shown: Mutex<usize>,
}

/// The bar of one host.
pub(super) struct Bar(Option<ProgressBar>);

impl Bars {
    /// Makes bars where standard error is a terminal and `wanted` says so.
    pub(super) fn new(wanted: bool) -> Self {
        let all = (wanted && io::stderr().is_terminal())
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        Self { all, total: Mutex::new(ProgressBar::hidden()), shown: Mutex::new(0) }
    }

    /// Begins to count so many hosts.
    pub(super) fn begin(&self, hosts: usize, word: &str) {
        let Some(all) = &self.all else { return };
        let total = all.add(ProgressBar::new(hosts as u64));
        let template = format!("{{spinner}} {{pos}}/{{len}} hosts {word}  {{elapsed}}{{left}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            // How long the rest takes is not known before the first host is done.
            let left = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                if state.pos() > 0 {
                    let _ = write!(out, ", {:#} left", HumanDuration(state.eta()));
                }
            };
            total.set_style(style.with_key("left", left));
        }
        total.enable_steady_tick(Duration::from_millis(200));
        *self.total.lock().unwrap_or_else(PoisonError::into_inner) = total;
    }

    /// A host begins.
    pub(super) fn host(&self, name: &str) -> Bar {
        let Some(all) = &self.all else { return Bar(None) };
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if *shown >= SHOWN {
            return Bar(None);
        }
        *shown += 1;
        let bar = all.insert(0, ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("  {prefix}  {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(clean(name).into_owned());
        Bar(Some(bar))
    }

    /// A host is done.
    pub(super) fn done(&self, bar: Bar) {
        if let (Bar(Some(bar)), Some(all)) = (bar, &self.all) {
            bar.finish_and_clear();
            all.remove(&bar);
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            *shown = shown.saturating_sub(1);
        }
        self.total.lock().unwrap_or_else(PoisonError::into_inner).inc(1);
    }

    /// Everything is done.
    pub(super) fn finish(&self) {
        self.total.lock().unwrap_or_else(PoisonError::into_inner).finish_and_clear();
    }

    /// Writes while the bars are out of the way.
    fn aside(&self, write: impl FnOnce()) {
        match &self.all {
            Some(all) => all.suspend(write),
            None => write(),
        }
    }
}

impl Bar {
    /// Tells what the host is doing.
    pub(super) fn doing(&self, what: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(clean(what).into_owned());
        }
    }
}

/// Where everything about a rollout is told.
pub(super) struct Stage<'a> {
    pub(super) terminal: &'a Terminal,
    pub(super) bars: Bars,
    pub(super) json: bool,
    /// One line at a time.
    lock: Mutex<()>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(terminal: &'a Terminal, json: bool) -> Self {
        Self { terminal, bars: Bars::new(!json), json, lock: Mutex::new(()) }
    }

    /// Tells people something.
    pub(super) fn say(&self, text: &str) {
        if !self.json {
            let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            // A reader that goes away does not stop an apply half-way.
            self.bars.aside(|| {
                let _ = self.terminal.print(text);
            });
        }
    }

    /// Tells people something that is no result.
    pub(super) fn note(&self, text: &str) {
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.bars.aside(|| self.terminal.note(text));
    }

    /// Tells programs something.
    pub(super) fn tell(&self, event: &json::Event) {
        if let (true, Ok(event)) = (self.json, serde_json::to_value(event)) {
            self.tell_value(&event);
        }
    }

    fn tell_value(&self, event: &serde_json::Value) {
        if self.json {
            let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = self.terminal.print(&format!("{event}\n"));
        }
    }
}

/// Takes the events of one host's run.
pub(super) struct HostProgress<'a> {
    stage: &'a Stage<'a>,
    plan: &'a Plan,
    bar: &'a Bar,
    log: &'a HostLog,
    record: &'a Record,
    options: TextOptions,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    summary: RunSummary,
    running: BTreeSet<String>,
    done: usize,
    /// The run on the host, once it has begun.
    run: Option<i64>,
}

impl<'a> HostProgress<'a> {
    pub(super) fn new(stage: &'a Stage<'a>, plan: &'a Plan, bar: &'a Bar, log: &'a HostLog, record: &'a Record) -> Self {
        let options = TextOptions { brief: true, width: None, ..stage.terminal.text_options() };
        Self { stage, plan, bar, log, record, options, state: Mutex::default() }
    }

    /// The run on the host, once it has begun.
    pub(super) fn run(&self) -> Option<i64> {
        self.state().run
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: &json::Event) {
        if let (true, Ok(mut event)) = (self.stage.json, serde_json::to_value(event)) {
            event["node"] = (&*self.plan.node).into();
            self.stage.tell_value(&event);
        }
    }

    fn say(&self, text: &str) {
        let name = clean(&self.plan.node);
        let lines: String = text.lines().map(|line| format!("{name}  {}\n", line.trim_start())).collect();
        self.stage.say(&lines);
    }

    fn warn(&self, code: &str, message: &str) {
        self.log.line(&format!("warning[{code}]: {message}"));
        self.stage.note(&self.stage.terminal.warning_line(code, &format!("{}: {message}", self.plan.node)));
    }

    fn show(&self, state: &State) {
        let running: Vec<&str> = state.running.iter().map(String::as_str).take(3).collect();
        self.bar.doing(&format!("{}/{}  {}", state.done, self.plan.resources.len(), running.join("  ")));
    }
}

impl Events for HostProgress<'_> {
    fn event(&self, event: &engine::Event<'_>) {
        match event {
            engine::Event::Warning { code, message } => {
                self.tell(&json::Event::Warning { code: (*code).to_owned(), message: message.clone() });
                self.warn(code, message);
            }
            engine::Event::RunStarted { run, .. } => {
                self.state().run = *run;
                // That it was asked to begin is written down already.
                let _ = self.record.begun(&self.plan.node, *run);
                self.log
                    .line(&format!("run {} began", run.map_or_else(|| "without a journal".to_owned(), |run| run.to_string())));
                self.tell(&json::Event::run_started(self.plan, run.map(|run| run.to_string())));
            }
            engine::Event::ResourceStarted { resource } | engine::Event::ReactionStarted { resource, .. } => {
                let mut state = self.state();
                if state.running.insert(resource.id.to_string()) {
                    self.tell(&json::Event::resource_started(resource));
                }
                self.show(&state);
            }
            engine::Event::ResourceRetried { resource, attempt, attempts, message } => {
                let id = resource.id.to_string();
                self.log.line(&format!("{id}: try {attempt} of {attempts} failed: {message}"));
                let retried =
                    json::Event::ResourceRetried { id, attempt: *attempt, attempts: *attempts, message: message.clone() };
                self.tell(&retried);
            }
            engine::Event::ResourceFinished { resource, outcome } => {
                let outcome = outcome_of(outcome);
                self.tell(&json::Event::resource_finished(resource, &outcome));
                let mut state = self.state();
                state.summary.add(resource, outcome.kind);
                state.running.remove(&resource.id.to_string());
                state.done += 1;
                self.show(&state);
                drop(state);
                if outcome.kind != OutcomeKind::Unchanged {
                    let whole = TextOptions { brief: false, color: stead_report::Color::Never, ..self.options };
                    self.log.text(&resource_text(resource, Some(&outcome), &whole));
                    self.say(&resource_text(resource, Some(&outcome), &self.options));
                }
            }
            engine::Event::ReactionFinished { resource, because, failure, duration } => {
                self.tell(&json::Event::reaction_finished(resource, because, *failure, *duration));
                let mut state = self.state();
                state.running.remove(&resource.id.to_string());
                self.show(&state);
            }
            engine::Event::UndeclaredWrite { resource, written } => {
                let (id, path) = (resource.id.to_string(), written.path.to_string_lossy().into_owned());
                let effect = written.effect.name();
                self.warn("undeclared-write", &format!("{id} {effect} {path}, which it does not declare"));
                self.tell(&json::Event::UndeclaredWrite { id, path, effect: effect.to_owned() });
            }
            engine::Event::RunFinished { report } => {
                let summary = self.state().summary;
                self.tell(&json::Event::run_finished(report.run.map(|run| run.to_string()), report.cancelled, &summary));
            }
            _ => {}
        }
    }
}
