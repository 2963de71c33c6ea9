//! `stead show RUN`: what a run did, as its plan showed it. From the journal.

use std::process::ExitCode;

use stead_catalog::PlannedResource;
use stead_engine::{ChangeRecord, Journal, Outcome, RunRecord};
use stead_report::json::{Event, ShownRunDocument, pretty};
use stead_report::{RunSummary, TextOptions, apply_summary, resource_text};

use super::history;
use crate::args::ShowArguments;
use crate::failure::Failure;
use crate::progress::outcome_of;
use crate::terminal::Terminal;
use crate::{machine, many};

pub(crate) fn run(arguments: &ShowArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if let Some(on) = &arguments.past.on {
        return many::show(on, arguments, terminal);
    }
    let root = machine::root(&arguments.machine)?;
    let state_dir = machine::state_dir(arguments.machine.state_dir.as_deref(), &root);
    let journal = Journal::look(&state_dir).map_err(Failure::Journal)?;
    let missing = || Failure::NoSuchRun(arguments.run.to_string());
    let journal = journal.ok_or_else(missing)?;
    let number = arguments.run.number(&journal)?.ok_or_else(missing)?;
    let record = journal.run(number).map_err(Failure::Journal)?.ok_or_else(missing)?;
    let changes = journal.changes(number).map_err(Failure::Journal)?;
    let changes: Vec<_> = changes.into_iter().map(ChangeRecord::told).collect();
    let text = if arguments.json {
        pretty(&document(&record, &changes)).map_err(|error| Failure::Output(error.into()))?
    } else {
        text(&record, &changes, &TextOptions { brief: arguments.brief, ..terminal.text_options() })
    };
    terminal.print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A run and its changes as JSON has them.
pub(crate) fn document(record: &RunRecord, changes: &[(PlannedResource, Outcome)]) -> ShownRunDocument {
    let events = changes.iter().map(|(resource, outcome)| Event::resource_finished(resource, &outcome_of(outcome)));
    ShownRunDocument::new(history::document(record), events.collect())
}

/// A run and its changes as text.
pub(crate) fn text(record: &RunRecord, changes: &[(PlannedResource, Outcome)], options: &TextOptions) -> String {
    let mut summary = RunSummary::default();
    let mut text = history::line(record);
    for (resource, outcome) in changes {
        summary.add(resource, outcome.kind);
        if !options.brief {
            text.push('\n');
        }
        text.push_str(&resource_text(resource, Some(&outcome_of(outcome)), options));
    }
    text.push('\n');
    text + &apply_summary(&summary, options.color)
}
