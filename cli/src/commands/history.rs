//! `stead history`: what earlier runs did.

use std::fmt::Write as _;
use std::process::ExitCode;

use stead_engine::{Journal, RunRecord};
use stead_report::clean;
use stead_report::json::{HistoryDocument, RunDocument, pretty};

use crate::args::HistoryArguments;
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::times::timestamp;
use crate::{machine, many};

pub(crate) fn run(arguments: &HistoryArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if let Some(on) = &arguments.past.on {
        return many::history(on, arguments, terminal);
    }
    if arguments.rollouts {
        return many::rollouts(arguments, terminal);
    }
    let root = machine::root(&arguments.machine)?;
    let state_dir = machine::state_dir(arguments.machine.state_dir.as_deref(), &root);
    let journal = Journal::look(&state_dir).map_err(Failure::Journal)?;
    let runs = journal.map_or(Ok(Vec::new()), |journal| journal.history(arguments.limit)).map_err(Failure::Journal)?;
    let text = if arguments.json {
        pretty(&HistoryDocument::new(runs.iter().map(document).collect())).map_err(|error| Failure::Output(error.into()))?
    } else {
        runs.iter().map(line).collect()
    };
    terminal.print(&text)?;
    if runs.is_empty() && !arguments.json {
        terminal.note("no runs are kept\n");
    }
    Ok(ExitCode::SUCCESS)
}

/// A run as JSON has it.
pub(crate) fn document(run: &RunRecord) -> RunDocument {
    RunDocument {
        run: run.id.to_string(),
        node: run.node.clone(),
        root: run.root.to_string_lossy().into_owned(),
        started: timestamp(run.started),
        finished: run.finished.map(timestamp),
        status: run.status.name().to_owned(),
        undoes: run.undoes.map(|run| run.to_string()),
        changed: run.counts.0,
        failed: run.counts.1,
        unfinished: run.unfinished.clone(),
    }
}

/// A run in one line.
pub(crate) fn line(run: &RunRecord) -> String {
    let mut line = format!("{:>4}  {}  {:11}  {}", run.id, timestamp(run.started), run.status.name(), clean(&run.node));
    if run.root.as_os_str() != "/" {
        let _ = write!(line, "  {}", clean(&run.root.to_string_lossy()));
    }
    let (changed, failed) = run.counts;
    let _ = write!(line, "  {changed} changed");
    if failed > 0 {
        let _ = write!(line, ", {failed} failed");
    }
    if let Some(undone) = run.undoes {
        let _ = write!(line, "  undid run {undone}");
    }
    if !run.unfinished.is_empty() {
        let _ = write!(line, "  while it changed {}", clean(&run.unfinished.join(", ")));
    }
    line + "\n"
}
