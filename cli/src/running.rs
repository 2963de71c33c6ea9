//! Carrying a plan out from the command line: asking, signals, and the last lines.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::Arc;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use stead_catalog::{Action, Catalog, Plan};
use stead_engine::{Alarm, ApplyOptions, Cancel, Planned, Registry, Retention, RunReport};
use stead_report::{RunSummary, apply_summary, clean};

use crate::failure::Failure;
use crate::progress::{Manner, Progress};
use crate::project::Loaded;
use crate::signals;
use crate::terminal::Terminal;

/// What the journal keeps, as `[journal]` of stead.toml says.
pub(crate) fn retention(loaded: &Loaded) -> Retention {
    let journal = loaded.project.config().journal;
    let default = Retention::default();
    Retention {
        max_size: journal.max_size.unwrap_or(default.max_size),
        max_age: journal.max_age_ns.map(Duration::from_nanos).or(default.max_age),
    }
}

/// The command that saves what `stead apply` would do.
pub(crate) const SAVING: &str = "stead plan -o FILE";

/// Shows the plan. Where nobody has to approve it, a reader that is gone (`| head`) does not stop the run.
pub(crate) fn show(text: &str, is_approved: bool, terminal: &Terminal) -> Result<(), Failure> {
    match terminal.print(text) {
        Err(Failure::BrokenPipe) if is_approved => Ok(()),
        shown => shown,
    }
}

/// Says so where the sources declare nothing at all for the node: a plan without changes looks the same when all is as it is to be.
pub(crate) fn say_when_nothing_is_declared(plan: &Plan, terminal: &Terminal) {
    if plan.resources.is_empty() {
        let node = stead_report::clean(&plan.node);
        terminal.note(&format!("nothing is declared for {node}; --node NAME takes another\n"));
    }
}

/// Asks on the terminal. `saving` is the command that saves such a plan, for those whom nobody can ask.
pub(crate) fn approve(verb: &str, saving: &'static str, plan: &Plan, json: bool, terminal: &Terminal) -> Result<(), Failure> {
    attended(Some(saving), json, terminal)?;
    let changes = plan.resources.iter().filter(|resource| resource.action != Action::None).count();
    let what = if changes == 1 { "this change".to_owned() } else { format!("these {changes} changes") };
    terminal.note(&format!("\n{verb} {what}? [y/N] "));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|_| Failure::NotApproved)?;
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") { Ok(()) } else { Err(Failure::NotApproved) }
}

/// Asks whether changes on other machines are to be made. `saving` is the command that saves such a plan, where one does.
pub(crate) fn approve_many(
    verb: &str,
    saving: Option<&'static str>,
    changes: usize,
    hosts: &str,
    json: bool,
    terminal: &Terminal,
) -> Result<(), Failure> {
    attended(saving, json, terminal)?;
    let what = if changes == 1 { "this change".to_owned() } else { format!("these {changes} changes") };
    if ask(&format!("{verb} {what} on {hosts}?"), terminal) { Ok(()) } else { Err(Failure::NotApproved) }
}

/// Fails where nobody is there to be asked.
fn attended(saving: Option<&'static str>, json: bool, terminal: &Terminal) -> Result<(), Failure> {
    if !json && io::stdin().is_terminal() && io::stderr().is_terminal() {
        return Ok(());
    }
    if !json {
        terminal.note("\n");
    }
    Err(Failure::ApprovalNeeded { saving })
}

/// Asks a question that is answered with yes or no. Nobody there to answer means no.
pub(crate) fn ask(question: &str, terminal: &Terminal) -> bool {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return false;
    }
    terminal.note(&format!("\n{question} [y/N] "));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// As [`cancel_on_signals`], without a word: standard error is somebody else's.
pub(crate) fn cancel_silently() -> Arc<Cancel> {
    let cancel = Arc::new(Cancel::new());
    signals::take(&[SIGINT, SIGTERM, SIGHUP]);
    if let Ok(mut coming) = Signals::new([SIGINT, SIGTERM, SIGHUP]) {
        let asked = cancel.clone();
        std::thread::spawn(move || {
            for signal in coming.forever() {
                // That a terminal or a connection is gone may be told many times, and never means more than that.
                if signal != SIGHUP || !asked.is_cancelled() {
                    asked.ask();
                }
            }
        });
    }
    cancel
}

/// The first signal gives up what nobody has heard of yet, the next one ends everything.
pub(crate) fn give_up_on_signals() -> Arc<Cancel> {
    let cancel = Arc::new(Cancel::new());
    signals::take(&[SIGINT, SIGTERM]);
    if let Ok(mut coming) = Signals::new([SIGINT, SIGTERM]) {
        let asked = cancel.clone();
        std::thread::spawn(move || {
            for signal in coming.forever() {
                if asked.is_cancelled() {
                    let _ = signal_hook::low_level::emulate_default_handler(signal);
                }
                asked.ask();
                let text = "\nhosts that have not answered are given up; once more ends it\n";
                let _ = io::Write::write_all(&mut io::stderr(), text.as_bytes());
            }
        });
    }
    cancel
}

/// The first signal finishes what runs, the second ends it. Each rings the alarm.
pub(crate) fn cancel_on_signals(alarm: Option<Alarm>) -> Arc<Cancel> {
    let cancel = Arc::new(Cancel::new());
    signals::take(&[SIGINT, SIGTERM, SIGHUP]);
    if let Ok(mut coming) = Signals::new([SIGINT, SIGTERM, SIGHUP]) {
        let asked = cancel.clone();
        std::thread::spawn(move || {
            for _ in coming.forever() {
                let text =
                    if asked.is_cancelled() { "\nending what runs\n" } else { "\nfinishing what runs; once more ends it\n" };
                asked.ask();
                if let Some(alarm) = &alarm {
                    alarm.ring();
                }
                let _ = io::Write::write_all(&mut io::stderr(), text.as_bytes());
            }
        });
    }
    cancel
}

/// Carries a plan out, and tells while it does.
pub(crate) fn carry_out(
    json: bool,
    terminal: &Terminal,
    catalog: &Catalog,
    registry: &Registry,
    planned: &Planned,
    options: &ApplyOptions,
) -> Result<RunReport, Failure> {
    let manner = match json {
        true => Manner::Json,
        false if io::stderr().is_terminal() => Manner::Bar,
        false => Manner::Lines,
    };
    if !json {
        let _ = terminal.print("\n");
    }
    let progress = Progress::new(terminal, &planned.plan, manner);
    let report = stead_engine::apply(catalog, registry, planned, options, &progress).map_err(Failure::Run)?;
    if !json {
        let _ = terminal.print(&closing(&report, &progress.summary(), terminal));
    }
    Ok(report)
}

/// The last lines: what was done, what is still due.
fn closing(report: &RunReport, summary: &RunSummary, terminal: &Terminal) -> String {
    let mut text = String::from("\n");
    text.push_str(&apply_summary(summary, terminal.text_options().color));
    for pending in &report.pending {
        let cause = &pending.cause;
        let line = format!("still due: {} because {} changed ({})\n", pending.resource, cause.resource, cause.kind.name());
        text.push_str(&clean(line.trim_end()));
        text.push('\n');
    }
    if report.cancelled {
        text.push_str("stopped before the end\n");
    }
    text
}
