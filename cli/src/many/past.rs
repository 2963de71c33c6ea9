//! What hosts tell of their past: `stead history` and `stead show` with `--on`.

use std::process::ExitCode;

use serde::Serialize;
use stead_catalog::Target;
use stead_engine::ssh;
use stead_engine::{Remote, RootSpec};
use stead_report::clean;
use stead_report::json::{self, ErrorDocument, NodeAnswer, NodeRun, NodeRuns, NodesDocument, ShownRunDocument};
use stead_report::{TextOptions, sort_nodes};

use super::plan::refuse_given;
use super::progress::Bars;
use super::{HostFailure, Resolved, pool};
use crate::args::{HistoryArguments, PastArguments, ShowArguments};
use crate::commands::{history, show};
use crate::failure::Failure;
use crate::machine;
use crate::terminal::Terminal;

/// What each host has told, in the order of their names.
pub(super) type Answers<T> = Vec<(Target, Result<T, HostFailure>)>;

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
    each_host(targets, unknown, forks, (bars, "asked"), |target, doing| {
        let (remote, _) = ssh::connect(target, &ssh);
        doing("asking");
        ask(target, remote?)
    })
}

/// Does something with every host, `forks` at a time. `bars` has the word for what is done, and `doing` says how far it is.
pub(super) fn each_host<T: Send>(
    targets: Vec<Target>,
    unknown: Vec<(Target, HostFailure)>,
    forks: usize,
    (bars, word): (&Bars, &str),
    look: impl Fn(&Target, &dyn Fn(&str)) -> Result<T, HostFailure> + Sync,
) -> Answers<T> {
    bars.begin(targets.len(), word);
    let mut answers = pool::each(targets, pool::width(forks), |_, target| {
        let bar = bars.host(&target.name);
        bar.doing("connecting");
        let answer = look(&target, &|what| bar.doing(what));
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
pub(super) fn tell<T, D: Serialize>(
    answers: &Answers<T>,
    as_json: bool,
    document: impl Fn(&T) -> D,
    text: impl FnOnce(&Answers<T>) -> String,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    if as_json {
        let nodes = answers.iter().map(|(target, answer)| NodeAnswer {
            node: target.name.to_string(),
            told: answer.as_ref().ok().map(&document),
            error: answer.as_ref().err().cloned().map(ErrorDocument::from),
        });
        let document = NodesDocument::new(nodes.collect());
        terminal.print(&json::pretty(&document).map_err(|error| Failure::Output(error.into()))?)?;
    } else {
        terminal.page(&text(answers))?;
    }
    let failures = answers.iter().filter_map(|(target, answer)| Some((target, answer.as_ref().err()?)));
    let lines: Vec<String> = failures.map(|(target, failure)| terminal.host_line(&target.name, failure)).collect();
    terminal.note(&lines.concat());
    Ok(if lines.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What each host has told, one after another.
fn each<T>(answers: &Answers<T>, text: impl Fn(&str, &T) -> String) -> String {
    let mut all = String::new();
    for (target, told) in answers.iter().filter_map(|(target, answer)| Some((target, answer.as_ref().ok()?))) {
        let text = text(&clean(&target.name), told);
        // Hosts of which there is a line each stand together.
        if !all.is_empty() && (text.lines().nth(1).is_some() || all.ends_with("\n\n")) {
            all.push('\n');
        }
        all.push_str(&text);
    }
    all
}

/// Options that are about this machine make no sense for others.
pub(super) fn refuse_local(on: &str, machine: &crate::args::MachineArguments) -> Result<(), Failure> {
    refuse_given(on, &[(machine.root.is_some(), "--root"), (machine.state_dir.is_some(), "--state-dir")])
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
    tell(&answers, arguments.json, document, |answers| each(answers, text), terminal)
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
    tell(&answers, arguments.json, document, |answers| each(answers, text), terminal)
}
