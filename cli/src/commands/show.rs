//! `stead show RUN`: what a run did, as its plan showed it. From the journal.

use std::process::ExitCode;

use stead_catalog::{Action, OutcomeKind, PlannedResource, SourceLocation};
use stead_engine::{ChangeRecord, Journal};
use stead_report::json::{Event, ShownRunDocument, pretty};
use stead_report::{Outcome, RunSummary, TextOptions, apply_summary, resource_text};

use super::history::{document, line};
use crate::args::ShowArguments;
use crate::failure::Failure;
use crate::machine;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &ShowArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let root = machine::root(&arguments.machine)?;
    let state_dir = machine::state_dir(arguments.machine.state_dir.as_deref(), &root);
    let journal = Journal::look(&state_dir).map_err(Failure::Journal)?;
    let missing = || Failure::NoSuchRun(arguments.run.to_string());
    let journal = journal.ok_or_else(missing)?;
    let number = arguments.run.number(&journal)?.ok_or_else(missing)?;
    let record = journal.run(number).map_err(Failure::Journal)?.ok_or_else(missing)?;
    let changes = journal.changes(number).map_err(Failure::Journal)?;
    let resources: Vec<(PlannedResource, Outcome)> = changes.into_iter().map(told).collect();
    let text = if arguments.json {
        let events = resources.iter().map(|(resource, outcome)| Event::resource_finished(resource, outcome)).collect();
        pretty(&ShownRunDocument::new(document(&record), events)).map_err(|error| Failure::Output(error.into()))?
    } else {
        let options = TextOptions { brief: arguments.brief, ..terminal.text_options() };
        let mut summary = RunSummary::default();
        let mut text = line(&record);
        for (resource, outcome) in &resources {
            summary.add(resource, outcome.kind);
            if !arguments.brief {
                text.push('\n');
            }
            text.push_str(&resource_text(resource, Some(outcome), &options));
        }
        text.push('\n');
        text + &apply_summary(&summary, options.color)
    };
    terminal.print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A change of the journal in the words of a plan and its outcome.
fn told(change: ChangeRecord) -> (PlannedResource, Outcome) {
    let nowhere = || SourceLocation { file: "".into(), start: 0, end: 0, line: 0, column: 0 };
    let mut because = change.because;
    because.extend(change.reacted.into_iter().filter(|cause| !because.contains(cause)).collect::<Vec<_>>());
    let resource = PlannedResource {
        id: change.resource.unwrap_or_else(|| stead_catalog::ResourceId::new("unknown", "")),
        action: change.action.unwrap_or(Action::None),
        because,
        source: change.source.unwrap_or_else(nowhere),
        changes: change.changes,
        unknown: None,
        held: None,
        error: None,
        digest: None,
        orphan: change.orphan,
    };
    let interrupted = "it was not ended: the run was killed, or the machine went down";
    let outcome = Outcome {
        code: change.code.or_else(|| change.outcome.is_none().then(|| "run-interrupted".to_owned())),
        message: change.message.or_else(|| change.outcome.is_none().then(|| interrupted.to_owned())),
        duration: change.finished.and_then(|finished| finished.duration_since(change.started).ok()),
        ..Outcome::new(change.outcome.unwrap_or(OutcomeKind::Failed))
    };
    (resource, outcome)
}
