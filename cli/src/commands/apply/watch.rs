//! `stead apply --watch`: stays, and puts right what somebody else changes.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use stead_catalog::{Catalog, DriftPolicy, PlannedResource};
use stead_engine::{Alarm, ApplyOptions, Notice, Planned, Registry, Retention, RunError, RunReport, Watch, WatchOptions};
use stead_report::{TextOptions, clean, json, resource_text};

use crate::args::ApplyArguments;
use crate::failure::Failure;
use crate::running;
use crate::terminal::Terminal;

/// How often the journal of a watch that has something to do is cut to its size.
const COLLECT: Duration = Duration::from_secs(3600);

/// What is watched, and how it is told.
pub(super) struct Watching<'a> {
    pub(super) arguments: &'a ApplyArguments,
    pub(super) terminal: &'a Terminal,
    pub(super) registry: &'a Registry,
    pub(super) catalog: &'a Catalog,
    pub(super) options: &'a ApplyOptions,
    pub(super) retention: &'a Retention,
}

/// Applies what is planned, then watches until it is asked to end.
///
/// `whole` is the catalog that is planned: what is watched, and what is taken away once.
pub(super) fn run(watching: &Watching<'_>, whole: &Catalog, planned: &Planned, alarm: Alarm) -> Result<ExitCode, Failure> {
    let report = if planned.plan.is_empty() { None } else { Some(watching.apply(whole, planned)?) };
    let options = WatchOptions {
        state: watching.options.state.clone(),
        root: watching.options.root.clone(),
        cancel: watching.options.cancel.clone(),
        alarm,
    };
    let mut watch = Watch::begin(watching.catalog, watching.registry, options, report.as_ref()).map_err(Failure::Watch)?;
    watching.started(&watch);
    let mut collected = watching.collect();
    let mut waits = false;
    while let Some(turn) = watch.next_turn() {
        for notice in &turn.notices {
            watching.tell(notice);
        }
        let Some(planned) = turn.planned else { continue };
        match watching.apply(watching.catalog, &planned) {
            Ok(report) => {
                waits = false;
                watch.applied(&report);
                if collected.elapsed() > COLLECT {
                    collected = watching.collect();
                }
            }
            // The lock is free again in a moment: whoever holds it may be putting the same thing right.
            Err(Failure::Run(RunError::Locked { .. })) => {
                if !waits {
                    watching.warn("apply-running", "another apply is running: what drifted is looked at again when it is done");
                }
                waits = true;
                watch.postpone(&planned);
            }
            // The disk of the journal is full, or its directory is gone: what is watched stays watched.
            Err(Failure::Run(error @ RunError::State { .. })) => {
                watching.warn(error.code(), &error.to_string());
                watch.postpone(&planned);
                std::thread::sleep(Duration::from_secs(1));
            }
            Err(error) => return Err(error),
        }
    }
    watching.event(&json::Event::WatchEnded {});
    watching.say("no longer watching\n");
    Ok(ExitCode::SUCCESS)
}

impl Watching<'_> {
    fn apply(&self, catalog: &Catalog, planned: &Planned) -> Result<RunReport, Failure> {
        running::carry_out(self.arguments.json, self.terminal, catalog, self.registry, planned, self.options)
    }

    fn collect(&self) -> Instant {
        super::collect(&self.options.state, self.retention, self.terminal);
        Instant::now()
    }

    fn started(&self, watch: &Watch<'_>) {
        let (resources, directories) = (watch.resources(), watch.directories());
        self.event(&json::Event::WatchStarted { resources, directories });
        let mut text = String::new();
        for id in watch.restless() {
            text.push_str(&clean(&format!("{id} runs in every apply; it is not run again while watching")));
            text.push('\n');
        }
        let (a, b) = (plural(resources, "resource", "resources"), plural(directories, "directory", "directories"));
        text.push_str(&format!("\nwatching {a} in {b}; Ctrl-C ends it\n"));
        self.say(&text);
    }

    fn tell(&self, notice: &Notice) {
        match notice {
            Notice::Drifted { resource, policy } => {
                self.event(&json::Event::drift_found(resource, policy.name(), None));
                let what = match policy {
                    DriftPolicy::Fix => "drifted",
                    DriftPolicy::Report => "drifted, and is left as it is (on_drift = report)",
                };
                self.say(&self.drift(resource, what));
            }
            Notice::Cleared { resource } => {
                self.event(&json::Event::DriftCleared { id: resource.id.to_string() });
                self.say(&format!("\n{} is as it shall be again\n", clean(&resource.id.to_string())));
            }
            Notice::Fought { resource, corrections, pause } => {
                self.event(&json::Event::drift_found(resource, "pause", Some(*pause)));
                let id = resource.id.to_string();
                let message = format!(
                    "{id} was put right {corrections} times within a minute and is changed back each time: another program \
                     manages it as well; it is left alone for {} s",
                    pause.as_secs()
                );
                self.warn("drift-fought", &message);
                self.say(&self.drift(resource, "drifted, and is left alone for a time"));
            }
            Notice::Warning { code, message } => self.warn(code, message),
        }
    }

    /// A resource with what was found of it.
    fn drift(&self, resource: &PlannedResource, what: &str) -> String {
        let options = TextOptions { brief: self.arguments.brief, ..self.terminal.text_options() };
        let shown = PlannedResource { held: None, because: Vec::new(), ..resource.clone() };
        format!("\n{} {what}\n{}", clean(&resource.id.to_string()), resource_text(&shown, None, &options))
    }

    fn warn(&self, code: &str, message: &str) {
        self.event(&json::Event::Warning { code: code.to_owned(), message: message.to_owned() });
        self.terminal.note(&self.terminal.warning_line(code, message));
    }

    fn event(&self, event: &json::Event) {
        if self.arguments.json
            && let Ok(line) = serde_json::to_string(event)
        {
            // A reader that is gone does not end the watch.
            let _ = self.terminal.print(&(line + "\n"));
        }
    }

    fn say(&self, text: &str) {
        if !self.arguments.json {
            let _ = self.terminal.print(text);
        }
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
