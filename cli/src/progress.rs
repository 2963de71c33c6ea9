//! What a run tells while it runs: events as JSON, or a line for each resource, on a terminal with a bar below.
//!
//! A reader that goes away must not stop an apply half-way: failed writes are ignored here.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use stead_catalog::{Cause, OutcomeKind, Plan, PlannedResource};
use stead_engine::{self as engine, Events};
use stead_report::{Outcome, RunSummary, TextOptions, clean, json, resource_text};

use crate::terminal::Terminal;

/// Text held back at most, in bytes.
const HELD: usize = 64 << 10;

/// Running resources that the bar names.
const SHOWN: usize = 4;

/// How to tell.
pub(crate) enum Manner {
    /// One JSON object a line.
    Json,
    /// One line a resource.
    Lines,
    /// The same, with a bar below.
    Bar,
}

/// Takes the events of a run.
pub(crate) struct Progress<'a> {
    terminal: &'a Terminal,
    plan: &'a Plan,
    manner: Manner,
    options: TextOptions,
    state: Mutex<State>,
}

struct State {
    summary: RunSummary,
    running: BTreeSet<String>,
    started: HashSet<String>,
    bar: ProgressBar,
    /// Lines that wait for the run's next rest: ten thousand changes are then told in a few writes.
    held: String,
}

impl<'a> Progress<'a> {
    /// Begins to take the events of this plan's run.
    pub(crate) fn new(terminal: &'a Terminal, plan: &'a Plan, manner: Manner) -> Self {
        let bar = match manner {
            Manner::Bar => {
                ProgressBar::with_draw_target(Some(plan.resources.len() as u64), ProgressDrawTarget::stderr_with_hz(10))
            }
            Manner::Json | Manner::Lines => ProgressBar::hidden(),
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos}/{len} {wide_msg}") {
            bar.set_style(style);
        }
        // Without its attributes: they stand in the plan above.
        let options = TextOptions { brief: true, ..terminal.text_options() };
        Self {
            terminal,
            plan,
            manner,
            options,
            state: Mutex::new(State {
                summary: RunSummary::default(),
                running: BTreeSet::new(),
                started: HashSet::new(),
                bar,
                held: String::new(),
            }),
        }
    }

    /// What the run did, in numbers.
    pub(crate) fn summary(&self) -> RunSummary {
        self.state().summary
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_json(&self) -> bool {
        matches!(self.manner, Manner::Json)
    }

    /// Tells an event, which is only made where it is asked for: it holds the whole difference.
    fn json(&self, state: &mut State, event: impl FnOnce() -> json::Event) {
        if self.is_json()
            && let Ok(line) = serde_json::to_string(&event())
        {
            self.hold(state, &(line + "\n"));
        }
    }

    /// Tells lines above the bar.
    fn say(&self, state: &mut State, text: &str) {
        if !self.is_json() {
            self.hold(state, text);
        }
    }

    fn hold(&self, state: &mut State, text: &str) {
        state.held.push_str(text);
        if state.held.len() >= HELD {
            self.release(state);
        }
    }

    /// Writes what is held back.
    fn release(&self, state: &mut State) {
        if !state.held.is_empty() {
            state.bar.suspend(|| {
                let _ = self.terminal.print(&state.held);
            });
            state.held.clear();
        }
    }

    /// A resource begins to change or to react; it is told once.
    fn started(&self, resource: &PlannedResource) {
        let mut state = self.state();
        if !state.bar.is_hidden() {
            state.running.insert(resource.id.to_string());
            state.show_running();
        }
        if self.is_json() && state.started.insert(resource.id.to_string()) {
            self.json(&mut state, || json::Event::resource_started(resource));
        }
    }

    fn finished(&self, resource: &PlannedResource, outcome: &engine::Outcome) {
        let outcome = outcome_of(outcome);
        let mut state = self.state();
        self.json(&mut state, || json::Event::resource_finished(resource, &outcome));
        state.summary.add(resource, outcome.kind);
        state.ended(resource);
        state.bar.inc(1);
        if outcome.kind != OutcomeKind::Unchanged {
            let text = resource_text(resource, Some(&outcome), &self.options);
            self.say(&mut state, &text);
        }
    }

    /// What became of it is told when the resource is finished.
    fn reacted(&self, resource: &PlannedResource, because: &[Cause], failure: Option<(&str, &str)>, duration: Duration) {
        let mut state = self.state();
        self.json(&mut state, || json::Event::reaction_finished(resource, because, failure, duration));
        state.ended(resource);
    }
}

impl State {
    fn ended(&mut self, resource: &PlannedResource) {
        if !self.bar.is_hidden() {
            self.running.remove(&resource.id.to_string());
            self.show_running();
        }
    }

    fn show_running(&self) {
        let mut message: Vec<&str> = self.running.iter().take(SHOWN).map(String::as_str).collect();
        let more = format!("and {} more", self.running.len().saturating_sub(SHOWN));
        if self.running.len() > SHOWN {
            message.push(&more);
        }
        self.bar.set_message(clean(&message.join("  ")).into_owned());
    }
}

impl Events for Progress<'_> {
    fn event(&self, event: &engine::Event<'_>) {
        match event {
            engine::Event::Warning { code, message } => {
                let text = self.terminal.warning_line(code, message);
                let mut state = self.state();
                self.json(&mut state, || json::Event::Warning { code: (*code).to_owned(), message: message.clone() });
                self.release(&mut state);
                state.bar.suspend(|| self.terminal.note(&text));
            }
            engine::Event::RunStarted { run, .. } => {
                self.json(&mut self.state(), || json::Event::run_started(self.plan, run.map(|run| run.to_string())));
            }
            engine::Event::ResourceStarted { resource } | engine::Event::ReactionStarted { resource, .. } => {
                self.started(resource)
            }
            engine::Event::ResourceRetried { resource, attempt, attempts, message } => {
                let id = resource.id.to_string();
                let text = format!("  try {attempt} of {attempts} failed  {}: {}\n", clean(&id), clean(message));
                let mut state = self.state();
                let (attempt, attempts, message) = (*attempt, *attempts, message.clone());
                self.json(&mut state, || json::Event::ResourceRetried { id, attempt, attempts, message });
                self.say(&mut state, &text);
            }
            engine::Event::ResourceFinished { resource, outcome } => self.finished(resource, outcome),
            engine::Event::ReactionFinished { resource, because, failure, duration } => {
                self.reacted(resource, because, *failure, *duration);
            }
            engine::Event::UndeclaredWrite { resource, written } => {
                let (id, path) = (resource.id.to_string(), written.path.to_string_lossy().into_owned());
                let effect = written.effect.name();
                let text =
                    self.terminal.warning_line("undeclared-write", &format!("{id} {effect} {path}, which it does not declare"));
                let mut state = self.state();
                self.json(&mut state, || json::Event::UndeclaredWrite { id, path, effect: effect.to_owned() });
                self.release(&mut state);
                state.bar.suspend(|| self.terminal.note(&text));
            }
            engine::Event::RunFinished { report } => {
                let mut state = self.state();
                state.bar.finish_and_clear();
                let (run, summary) = (report.run.map(|run| run.to_string()), state.summary);
                self.json(&mut state, || json::Event::run_finished(run, report.cancelled, &summary));
                self.release(&mut state);
            }
            _ => {}
        }
    }

    fn rest(&self) {
        self.release(&mut self.state());
    }
}

/// The engine's outcome in the words of the report.
pub(crate) fn outcome_of(outcome: &engine::Outcome) -> Outcome {
    Outcome {
        kind: outcome.kind,
        code: outcome.code.clone(),
        message: outcome.message.clone(),
        hint: outcome.hint.clone(),
        duration: Some(outcome.duration).filter(|_| outcome.attempts > 0),
        remaining: outcome.remaining.clone(),
    }
}
