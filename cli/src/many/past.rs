//! What hosts tell of their past: `stead history`, `stead show` and `stead drift` with `--on`.

use std::process::ExitCode;

use serde::Serialize;
use stead_catalog::Target;
use stead_engine::ssh;
use stead_engine::{Remote, RootSpec};
use stead_report::clean;
use stead_report::json::{
    self, DriftDocument, ErrorDocument, NodeAnswer, NodeDrift, NodeRun, NodeRuns, NodesDocument, ShownRunDocument,
};
use stead_report::{TextOptions, sort_nodes};

use super::plan::{Asking, refuse_alone};
use super::progress::Bars;
use super::telling::Reached;
use super::{HostFailure, Resolved, pool, summary};
use crate::args::{DriftArguments, HistoryArguments, PastArguments, ShowArguments};
use crate::commands::{drift, history, show};
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::{machine, stored};

/// What each host has told, in the order of their names.
type Answers<T> = Vec<(Target, Result<T, HostFailure>)>;

/// The hosts that are asked about their past.
pub(super) fn resolve(on: &str, past: &PastArguments, terminal: &Terminal) -> Result<Resolved, Failure> {
    let loaded = super::project(&past.project, terminal)?;
    let state = machine::state_dir(None, &RootSpec::Machine);
    super::resolve(on, loaded.as_ref(), &state, &past.many, terminal)
}

/// Reaches every host, and asks it.
pub(super) fn ask_all<T: Send>(
    resolved: Resolved,
    forks: usize,
    bars: &Bars,
    ask: impl Fn(&Target, Remote) -> Result<T, HostFailure> + Sync,
) -> Answers<T> {
    let Resolved { targets, unknown, mut ssh } = resolved;
    ssh.cancel = crate::running::give_up_on_signals();
    bars.begin(targets.len(), "asked");
    let mut answers = pool::each(targets, pool::width(forks), |_, target| {
        let bar = bars.host(&target.name);
        bar.doing("connecting");
        let (remote, _) = ssh::connect(&target, &ssh);
        bar.doing("asking");
        let answer = remote.map_err(HostFailure::from).and_then(|remote| ask(&target, remote));
        bars.done(bar);
        (target, answer)
    });
    bars.finish();
    answers.extend(unknown.into_iter().map(|(target, failure)| (target, Err(failure))));
    sort_nodes(&mut answers, |(target, _)| &target.name);
    answers
}

/// The way out of a failure is on the host, and not on this machine.
pub(super) fn there(target: &Target, failure: HostFailure) -> HostFailure {
    match failure.code.as_str() {
        "no-such-run" => HostFailure {
            hint: Some(format!("`stead history --on {}` lists the runs that are kept there", target.name)),
            ..failure
        },
        _ => failure,
    }
}

/// Shows what hosts have told: as text, or as one document with a node for each. Failures go to standard error.
fn tell<T, D: Serialize>(
    answers: &Answers<T>,
    as_json: bool,
    document: impl Fn(&T) -> D,
    text: impl Fn(&str, &T) -> String,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    if as_json {
        let error = |HostFailure { code, message, hint, .. }: HostFailure| ErrorDocument { code, message, hint };
        let nodes = answers.iter().map(|(target, answer)| NodeAnswer {
            node: target.name.to_string(),
            told: answer.as_ref().ok().map(&document),
            error: answer.as_ref().err().cloned().map(error),
        });
        let document = NodesDocument::new(nodes.collect());
        terminal.print(&json::pretty(&document).map_err(|error| Failure::Output(error.into()))?)?;
    } else {
        let mut all = String::new();
        for (target, told) in answers.iter().filter_map(|(target, answer)| Some((target, answer.as_ref().ok()?))) {
            let text = text(&clean(&target.name), told);
            // Hosts of which there is a line each stand together.
            if !all.is_empty() && (text.lines().nth(1).is_some() || all.ends_with("\n\n")) {
                all.push('\n');
            }
            all.push_str(&text);
        }
        terminal.page(&all)?;
    }
    let failures = answers.iter().filter_map(|(target, answer)| Some((target, answer.as_ref().err()?)));
    let lines: Vec<String> = failures.map(|(target, failure)| terminal.host_line(&target.name, failure)).collect();
    terminal.note(&lines.concat());
    Ok(if lines.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Options that are about this machine make no sense for others.
pub(super) fn refuse_local(on: &str, machine: &crate::args::MachineArguments) -> Result<(), Failure> {
    let given = [(machine.root.is_some(), "--root"), (machine.state_dir.is_some(), "--state-dir")];
    match given.iter().find(|(given, _)| *given) {
        Some((_, option)) => Err(Failure::OnlyHere { option, on: on.to_owned() }),
        None => Ok(()),
    }
}

/// `stead history --on`.
pub(crate) fn history(on: &str, arguments: &HistoryArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    refuse_local(on, &arguments.machine)?;
    let resolved = resolve(on, &arguments.past, terminal)?;
    let (forks, bars) = (arguments.past.many.ssh.forks(), Bars::new(!arguments.json));
    let answers = ask_all(resolved, forks, &bars, |_, mut remote| Ok(remote.history(arguments.limit)?));
    let document = |runs: &Vec<_>| NodeRuns { runs: runs.iter().map(history::document).collect() };
    let text = |name: &str, runs: &Vec<_>| match runs.as_slice() {
        [] => format!("{name}: no runs are kept\n"),
        runs => format!("{name}:\n{}", runs.iter().map(history::line).collect::<String>()),
    };
    tell(&answers, arguments.json, document, text, terminal)
}

/// `stead show RUN --on`.
pub(crate) fn show(on: &str, arguments: &ShowArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    refuse_local(on, &arguments.machine)?;
    let resolved = resolve(on, &arguments.past, terminal)?;
    let (forks, bars) = (arguments.past.many.ssh.forks(), Bars::new(!arguments.json));
    let answers = ask_all(resolved, forks, &bars, |target, mut remote| {
        let story = remote.story(arguments.run.given(), false)?;
        story.ok_or_else(|| there(target, Failure::NoSuchRun(arguments.run.to_string()).into()))
    });
    let options = TextOptions { brief: arguments.brief, ..terminal.text_options() };
    let document = |story: &stead_engine::Story| {
        let ShownRunDocument { run, resources, .. } = show::document(&story.run, &story.changes);
        NodeRun { run, resources }
    };
    let text = |name: &str, story: &stead_engine::Story| format!("{name}:\n{}", show::text(&story.run, &story.changes, &options));
    tell(&answers, arguments.json, document, text, terminal)
}

/// `stead drift --on`.
pub(crate) fn drift(on: &str, arguments: &DriftArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    refuse_alone(on, &arguments.source.node, &[])?;
    refuse_local(on, &arguments.machine)?;
    let loaded = crate::project::load(&arguments.source.path, arguments.source.network)?;
    stored::stop_at_mistakes(&loaded, terminal)?;
    let state = machine::state_dir(None, &RootSpec::Machine);
    let Resolved { targets, unknown, mut ssh } = super::resolve(on, Some(&loaded), &state, &arguments.many, terminal)?;
    ssh.cancel = crate::running::give_up_on_signals();
    let asking = Asking::new(&loaded, &arguments.select, &ssh, &state);
    let bars = Bars::new(!arguments.json);
    bars.begin(targets.len(), "looked at");
    let mut answers = pool::each(targets, pool::width(arguments.many.ssh.forks()), |_, target| {
        let bar = bars.host(&target.name);
        bar.doing("connecting");
        let look = || {
            let Reached { mut remote, facts, ledger } = asking.telling.reach(&target, &ssh)?;
            let catalog = asking.compile(&target, &facts, &ledger)?;
            bar.doing("looking");
            Ok(remote.drift(&catalog)?)
        };
        let found = look();
        bars.done(bar);
        (target, found)
    });
    bars.finish();
    answers.extend(unknown.into_iter().map(|(target, failure)| (target, Err(failure))));
    sort_nodes(&mut answers, |(target, _)| &target.name);
    asking.show_diagnostics(&loaded, terminal);
    let options = TextOptions { brief: arguments.brief, ..terminal.text_options() };
    let document = |found: &stead_engine::drift::Drift| {
        let DriftDocument { drifted, pending, as_left, .. } = drift::document("", found);
        NodeDrift { drifted, pending, as_left }
    };
    let text = |name: &str, found: &stead_engine::drift::Drift| format!("{name}: {}", drift::text(found, &options));
    let is_drifted = |(_, found): &(Target, Result<stead_engine::drift::Drift, HostFailure>)| {
        found.as_ref().is_ok_and(|found| !found.drifted.is_empty())
    };
    let code = tell(&answers, arguments.json, document, text, terminal)?;
    if !arguments.json && answers.len() > 1 {
        let drifted = answers.iter().filter(|answer| is_drifted(answer)).count();
        terminal.note(&format!("\n{drifted} of {} have drifted\n", summary::hosts(answers.len())));
    }
    let is_whole = answers.iter().all(|(_, found)| found.is_ok());
    let says_so = arguments.detailed_exitcode && is_whole && answers.iter().any(is_drifted);
    Ok(if says_so { ExitCode::from(drift::DRIFTED) } else { code })
}
