//! `stead drift`: what has changed on this machine since the last apply, and when.

use std::process::ExitCode;

use stead_engine::drift::{Drift, Drifted};
use stead_engine::{Journal, Observed, PlanOptions};
use stead_report::json::{self, DriftDocument, DriftedDocument};
use stead_report::{TextOptions, clean, resource_text};

use crate::args::DriftArguments;
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::times::timestamp;
use crate::{ledger, machine, many, project, selection};

/// What `--detailed-exitcode` says when something has drifted.
pub(crate) const DRIFTED: u8 = 2;

pub(crate) fn run(arguments: &DriftArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if let Some(on) = &arguments.on {
        return many::drift(on, arguments, terminal);
    }
    let root = machine::root(&arguments.machine)?;
    let state_dir = machine::state_dir(arguments.machine.state_dir.as_deref(), &root);
    let loaded = project::load(&arguments.source.path, arguments.source.network)?;
    let node = loaded.node(&arguments.source.node, root.path(), terminal)?;
    let catalog = loaded.compile(&node, terminal)?;
    let catalog = ledger::with_orphans(catalog, &loaded, &arguments.select, &state_dir, terminal);
    let catalog = selection::select(catalog, &arguments.select)?;
    let registry = loaded.into_registry();
    let world = Observed::new(&root).map_err(Failure::Machine)?.remembering(&state_dir);
    // A reaction that is still due is nobody's change.
    let planned = stead_engine::plan(&catalog, &registry, &world, &PlanOptions::default());
    let journal = Journal::look(&state_dir).map_err(Failure::Journal)?;
    let drift = Drift::of(&catalog, &registry, &planned, journal.as_ref(), &root).map_err(Failure::Journal)?;
    let text = if arguments.json {
        json::pretty(&document(&catalog.node, &drift)).map_err(|error| Failure::Output(error.into()))?
    } else {
        text(&drift, &TextOptions { brief: arguments.brief, ..terminal.text_options() })
    };
    terminal.print(&text)?;
    let code = if arguments.detailed_exitcode && !drift.drifted.is_empty() { DRIFTED } else { 0 };
    Ok(ExitCode::from(code))
}

/// What has drifted as JSON has it.
pub(crate) fn document(node: &str, drift: &Drift) -> DriftDocument {
    DriftDocument {
        format_version: json::FORMAT_VERSION.to_owned(),
        node: node.to_owned(),
        drifted: drift.drifted.iter().map(drifted).collect(),
        pending: drift.pending.iter().map(|resource| resource.id.to_string()).collect(),
        as_left: drift.as_left,
    }
}

fn drifted(drifted: &Drifted) -> DriftedDocument {
    DriftedDocument {
        resource: (&drifted.resource).into(),
        since: timestamp(drifted.since),
        run: drifted.run.map(|run| run.to_string()),
        changed: drifted.changed.map(timestamp),
        by: drifted.by.clone(),
    }
}

/// What has drifted as text.
pub(crate) fn text(drift: &Drift, options: &TextOptions) -> String {
    let mut text = counts(drift);
    for drifted in &drift.drifted {
        text.push_str(&differences(drifted, options));
        text.push_str(&format!("    {}\n", when(drifted)));
    }
    text
}

/// How much has drifted, in one line.
pub(crate) fn counts(drift: &Drift) -> String {
    let mut text = match drift.drifted.len() {
        0 => "nothing has drifted".to_owned(),
        count => format!("{count} drifted"),
    };
    if !drift.pending.is_empty() {
        text.push_str(&format!(", {} not applied yet (see stead plan)", drift.pending.len()));
    }
    text.push_str(&format!("; {} as the last apply left them\n", drift.as_left));
    text
}

/// What differs of one resource.
pub(crate) fn differences(drifted: &Drifted, options: &TextOptions) -> String {
    let apart = if options.brief { "" } else { "\n" };
    format!("{apart}{}", resource_text(&drifted.resource, None, options))
}

/// When it was changed, by whom, and since when that can be said.
pub(crate) fn when(drifted: &Drifted) -> String {
    let when = drifted.changed.map(timestamp).unwrap_or_else(|| "since then".to_owned());
    let by = drifted.by.as_ref().map(|by| format!(" by {}", clean(by))).unwrap_or_default();
    let left = match drifted.run {
        Some(run) => format!("run {run} left it otherwise at {}", timestamp(drifted.since)),
        None => format!("it was as wanted at {}", timestamp(drifted.since)),
    };
    format!("changed {when}{by}; {left}")
}
