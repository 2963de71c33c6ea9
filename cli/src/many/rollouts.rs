//! `stead history --rollouts`: the applies to many hosts that were made from here, and what became of their hosts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use stead_engine::RootSpec;
use stead_report::clean;
use stead_report::json::{self, RolloutDocument, RolloutsDocument, UndoneDocument};

use super::record::{self, Recorded};
use crate::args::HistoryArguments;
use crate::failure::Failure;
use crate::machine;
use crate::terminal::Terminal;

/// What became of hosts, in the order in which it is told, in words.
const WORDS: [(&str, &str); 9] = [
    ("changed", "changed"),
    ("failed", "failed"),
    ("unhealthy", "unhealthy"),
    ("lost", "lost"),
    ("cancelled", "cancelled"),
    (BEGUN, "begun and not ended"),
    ("unreachable", "unreachable"),
    (NOT_TRIED, "not tried"),
    ("unchanged", "unchanged"),
];
const BEGUN: &str = "begun";
const NOT_TRIED: &str = "not_tried";

/// Lists the rollouts, the newest first.
pub(crate) fn rollouts(arguments: &HistoryArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let state = machine::state_dir(arguments.machine.state_dir.as_deref(), &RootSpec::Machine);
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let known: Vec<Recorded> = record::all(&state).take(limit).collect();
    let text = if arguments.json {
        let document = RolloutsDocument::new(known.iter().map(document).collect());
        json::pretty(&document).map_err(|error| Failure::Output(error.into()))?
    } else {
        known.iter().map(line).collect()
    };
    terminal.print(&text)?;
    if known.is_empty() && !arguments.json {
        terminal.note("no rollouts are kept\n");
    }
    Ok(ExitCode::SUCCESS)
}

/// How many hosts there are of each outcome. Of whom nothing was written down, nothing was tried.
fn outcomes(recorded: &Recorded) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    for host in &recorded.head.hosts {
        let outcome = recorded.outcomes.get(host).map_or(NOT_TRIED, String::as_str);
        *outcomes.entry(outcome.to_owned()).or_default() += 1;
    }
    outcomes
}

fn document(recorded: &Recorded) -> RolloutDocument {
    let head = &recorded.head;
    RolloutDocument {
        rollout: recorded.id.to_string(),
        started: head.started.clone(),
        project: Some(head.project.clone()).filter(|project| !project.is_empty()),
        on: head.on.clone(),
        hosts: head.hosts.len(),
        outcomes: outcomes(recorded),
        continues: head.continues.map(|id| id.to_string()),
        undoes: head.back.as_ref().map(|back| UndoneDocument {
            rollout: back.rollout.map(|id| id.to_string()),
            run: back.named.clone().filter(|_| back.rollout.is_none()),
        }),
    }
}

/// A rollout in one line.
fn line(recorded: &Recorded) -> String {
    let head = &recorded.head;
    let mut line = format!("{:>4}  {}  on {}", recorded.id, head.started.as_deref().unwrap_or("?"), clean(&head.on));
    let mut counts = outcomes(recorded);
    let known = WORDS.iter().filter_map(|(name, word)| Some((*word, counts.remove(*name)?)));
    let counts: Vec<String> = known.map(|(word, count)| format!("{count} {word}")).collect();
    let _ = write!(line, "  {}", counts.join(", "));
    if let Some(back) = &head.back {
        let _ = match (back.rollout, &back.named) {
            (Some(id), _) => write!(line, "  undo of rollout {id}"),
            (None, Some(run)) => write!(line, "  undo of run {}", clean(run)),
            (None, None) => write!(line, "  undo"),
        };
    }
    if let Some(id) = head.continues {
        let _ = write!(line, "  went on with {id}");
    }
    line + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::outcome::HostOutcome;
    use super::super::record::{Back, Head, Record};
    use super::*;
    use stead_engine::Counts;

    #[test]
    fn a_rollout_is_told_in_one_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path();
        let hosts = || ["a", "b", "c"].map(str::to_owned).to_vec();
        let head = || Head::new("/srv/site".into(), "web-*", Vec::new(), hosts());
        let record = Record::begin(state, &head()).expect("begun");
        record.host("a", &HostOutcome::Changed { run: Some(3), counts: Counts::default() });
        record.begun("b", None).expect("written");
        let back = Back {
            rollout: Some(1),
            runs: [("a".to_owned(), 3)].into(),
            named: None,
            only: Vec::new(),
            except: Vec::new(),
            force: false,
        };
        let mut again = head().going_back(back);
        again.continues = Some(1);
        let _ = Record::begin(state, &again).expect("begun");
        let shown: Vec<String> =
            record::all(state).map(|one| line(&one).replace(one.head.started.as_deref().unwrap(), "TIME")).collect();
        assert_eq!(
            shown,
            [
                "   2  TIME  on web-*  3 not tried  undo of rollout 1  went on with 1\n",
                "   1  TIME  on web-*  1 changed, 1 begun and not ended, 1 not tried\n",
            ]
        );
        let documents: Vec<RolloutDocument> = record::all(state).map(|one| document(&one)).collect();
        let undone = UndoneDocument { rollout: Some("1".into()), run: None };
        assert_eq!((&documents[0].undoes, documents[0].continues.as_deref()), (&Some(undone), Some("1")));
        let counts = [("begun", 1), ("changed", 1), ("not_tried", 1)].map(|(word, count)| (word.to_owned(), count));
        assert_eq!(documents[1].outcomes, counts.into());
    }
}
