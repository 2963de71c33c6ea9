//! `stead drift --on`: what has changed on hosts since the last apply. What has drifted alike is shown once.

use std::collections::BTreeMap;
use std::process::ExitCode;

use stead_catalog::Target;
use stead_engine::RootSpec;
use stead_engine::drift::Drift;
use stead_report::json::{DriftDocument, NodeDrift};
use stead_report::{TextOptions, clean, node_line, node_patterns};

use super::past::{Answers, each_host, refuse_local, tell};
use super::plan::{Asking, refuse_alone};
use super::progress::Bars;
use super::telling::Reached;
use super::{HostFailure, Resolved, summary};
use crate::args::DriftArguments;
use crate::commands::drift;
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::{machine, stored};

/// How long names get on a line, about, in characters.
const NAMES: usize = 60;

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
    let answers = each_host(targets, unknown, arguments.many.ssh.forks(), (&bars, "looked at"), |target, doing| {
        let Reached { mut remote, facts, ledger } = asking.telling.reach(target, &ssh)?;
        let catalog = asking.compile(target, &facts, &ledger)?;
        doing("looking");
        Ok(remote.drift(&catalog)?)
    });
    asking.show_diagnostics(&loaded, terminal);
    let options = TextOptions { brief: arguments.brief, ..terminal.text_options() };
    let document = |found: &Drift| {
        let DriftDocument { drifted, pending, as_left, .. } = drift::document("", found);
        NodeDrift { drifted, pending, as_left }
    };
    let is_drifted =
        |(_, found): &(Target, Result<Drift, HostFailure>)| found.as_ref().is_ok_and(|found| !found.drifted.is_empty());
    let code = tell(&answers, arguments.json, document, |answers| text(answers, &options), terminal)?;
    if !arguments.json && answers.len() > 1 {
        let drifted = answers.iter().filter(|answer| is_drifted(answer)).count();
        terminal.note(&format!("\n{drifted} of {} have drifted\n", summary::hosts(answers.len())));
    }
    let is_whole = answers.iter().all(|(_, found)| found.is_ok());
    let says_so = arguments.detailed_exitcode && is_whole && answers.iter().any(is_drifted);
    Ok(if says_so { ExitCode::from(drift::DRIFTED) } else { code })
}

/// The drift of all hosts: those that have drifted alike together, with the times of each; those that have not in as few lines as there are
/// different ones.
fn text(answers: &Answers<Drift>, options: &TextOptions) -> String {
    let found = answers.iter().filter_map(|(target, found)| Some((&*target.name, found.as_ref().ok()?)));
    let mut groups: Vec<(String, Vec<(&str, &Drift)>)> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for (name, found) in found {
        let parts = found.drifted.iter().map(|drifted| drift::differences(drifted, options));
        let alike = drift::counts(found) + &parts.collect::<String>();
        let at = *known.entry(alike.clone()).or_insert(groups.len());
        if at == groups.len() {
            groups.push((alike, Vec::new()));
        }
        groups[at].1.push((name, found));
    }
    let (drifted, quiet): (Vec<_>, Vec<_>) = groups.into_iter().partition(|(_, hosts)| !hosts[0].1.drifted.is_empty());
    let mut all = String::new();
    for (counts, hosts) in quiet {
        all.push_str(&format!("{}: {counts}", names(&hosts)));
    }
    for (_, hosts) in drifted {
        if !all.is_empty() {
            all.push('\n');
        }
        let (_, first) = hosts[0];
        all.push_str(&format!("{}: {}", names(&hosts), drift::counts(first)));
        for (at, one) in first.drifted.iter().enumerate() {
            all.push_str(&drift::differences(one, options));
            let mut times: Vec<(String, Vec<(&str, &Drift)>)> = Vec::new();
            for (name, found) in &hosts {
                let when = drift::when(&found.drifted[at]);
                match times.iter_mut().find(|(known, _)| *known == when) {
                    Some((_, hosts)) => hosts.push((name, found)),
                    None => times.push((when, vec![(name, found)])),
                }
            }
            let is_same = times.len() == 1;
            for (when, hosts) in times {
                let who = if is_same { String::new() } else { format!("{}: ", names(&hosts)) };
                all.push_str(&format!("    {who}{when}\n"));
            }
        }
    }
    all
}

/// The names of hosts in a few words: with their number, where they are more than a few.
fn names(hosts: &[(&str, &Drift)]) -> String {
    let line = clean(&node_line(&node_patterns(hosts.iter().map(|(name, _)| *name)), NAMES)).into_owned();
    if hosts.len() > 3 { format!("{} ({line})", summary::hosts(hosts.len())) } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    use stead_catalog::{Action, Change, PlannedResource, ResourceId, Shown, SourceLocation, Value};
    use stead_engine::drift::Drifted;

    fn found(drifted: bool, seconds: u64) -> Drift {
        let resource = PlannedResource {
            id: ResourceId::new("file", "/a"),
            action: Action::Update,
            because: Vec::new(),
            source: SourceLocation { file: "site.stead".into(), start: 1, end: 9, line: 1, column: 2 },
            changes: vec![Change::value("mode", Shown::Value(Value::Mode(0o600)), Shown::Value(Value::Mode(0o644)))],
            unknown: None,
            held: None,
            error: None,
            digest: None,
            orphan: false,
        };
        let since = SystemTime::UNIX_EPOCH;
        let changed = Some(since + Duration::from_secs(seconds));
        let one = Drifted { resource, run: Some(1), since, changed, by: None };
        Drift { drifted: if drifted { vec![one] } else { Vec::new() }, pending: Vec::new(), as_left: 4 }
    }

    #[test]
    fn what_has_drifted_alike_is_shown_once() {
        let drifts = [("db-1", false, 0), ("web-1", true, 1), ("web-2", true, 1), ("web-3", true, 2), ("web-4", false, 0)];
        let answers = drifts.map(|(name, drifted, seconds)| (Target::named(name), Ok(found(drifted, seconds))));
        let shown = text(&answers.into(), &TextOptions::default());
        let expected = "db-1, web-4: nothing has drifted; 4 as the last apply left them\n\n\
             web-[1-3]: 1 drifted; 4 as the last apply left them\n\n\
             ~ update    file[\"/a\"]  site.stead:1:2\n    mode: 0600 → 0644\n    \
             web-[1-2]: changed 1970-01-01T00:00:01Z; run 1 left it otherwise at 1970-01-01T00:00:00Z\n    \
             web-3: changed 1970-01-01T00:00:02Z; run 1 left it otherwise at 1970-01-01T00:00:00Z\n";
        assert_eq!(shown, expected);
    }
}
