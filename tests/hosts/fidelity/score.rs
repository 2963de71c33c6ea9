//! What a scenario comes to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use stead_tests::host::Host;
use stead_tests::output::{Finished, Output, Planned, pending};
use stead_tests::snapshot::Snapshot;

use super::scenario::{Content, Scenario};

/// The score of one scenario.
#[derive(Default)]
pub(super) struct Score {
    pub(super) name: &'static str,
    pub(super) completes: bool,
    /// Resources whose status was said right, and all.
    pub(super) status: (usize, usize),
    /// Content changes that can be read in the plan, those whose diff is the one that happens, and all.
    pub(super) content: (usize, usize, usize),
    /// Changes told in the plan in the words of the apply, and all.
    pub(super) words: (usize, usize),
    pub(super) side_effects: usize,
    pub(super) unannounced: usize,
    pub(super) wrong_end: usize,
    /// Resources that are not idle in a second plan or a second apply.
    pub(super) again: usize,
    pub(super) took: Duration,
    pub(super) faults: Vec<String>,
}

/// A resource that did nothing: as it should be, or held back by its own guard.
fn is_idle(resource: &Finished) -> bool {
    resource.outcome == "unchanged" || (resource.outcome == "skipped" && resource.raw["error"].is_null())
}

impl Score {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// Says whether the dry run holds in every point.
    pub(super) fn is_true(&self) -> bool {
        self.completes && self.faults.is_empty()
    }

    /// Every status and every change record of the plan is that of the apply.
    pub(super) fn statuses(&mut self, scenario: &Scenario, plan: &[Planned], applied: &Output) {
        let finished: BTreeMap<String, Finished> =
            applied.finished().into_iter().map(|resource| (resource.id.clone(), resource)).collect();
        for resource in plan {
            self.status.1 += 1;
            let Some(real) = finished.get(&resource.id) else {
                self.faults.push(format!("{}: planned as {}, and the apply says nothing of it", resource.id, resource.action));
                continue;
            };
            let is_as_said = if resource.action == "none" { is_idle(real) } else { real.outcome == "changed" };
            if is_as_said {
                self.status.0 += 1;
            } else {
                let fault = format!("{}: planned as {}, really {}: {}", resource.id, resource.action, real.outcome, real.raw);
                self.faults.push(fault);
            }
            if real.outcome != "changed" {
                continue;
            }
            self.words.1 += 1;
            if real.changes == resource.changes {
                self.words.0 += 1;
            } else {
                let (said, did) = (serde_json::json!(resource.changes), serde_json::json!(real.changes));
                self.faults.push(format!("{}: the plan says {said}\n  and the apply {did}", resource.id));
            }
        }
        for id in finished.keys().filter(|id| !plan.iter().any(|resource| &resource.id == *id)) {
            self.status.1 += 1;
            self.faults.push(format!("{id}: done without a plan"));
        }
        for (ids, action) in [(scenario.restarted, "restart"), (scenario.idle, "none")] {
            for resource in plan.iter().filter(|resource| ids.contains(&resource.id.as_str()) && resource.action != action) {
                self.faults.push(format!("{}: planned as {}, in truth {action}", resource.id, resource.action));
            }
        }
    }

    /// Every line that comes or goes is in the plan's diff, and no other is.
    pub(super) fn contents(&mut self, scenario: &Scenario, plan: &[Planned]) {
        for content in &scenario.content {
            self.content.2 += 1;
            let Some(resource) = plan.iter().find(|resource| resource.id == content.id) else {
                self.faults.push(format!("{} is not in the plan", content.id));
                continue;
            };
            let (is_shown, is_exact) = if content.is_entry { entry(content, resource) } else { lines(content, resource) };
            self.content.0 += usize::from(is_shown);
            self.content.1 += usize::from(is_shown && is_exact);
            if !is_shown || !is_exact {
                self.faults.push(format!("{}: the diff is not the one that happens: {}", content.id, resource.raw));
            }
        }
    }

    /// A second plan and a second apply find nothing to do.
    pub(super) fn again(&mut self, host: &Host, after: &Snapshot) {
        let again = host.stead(&["plan", "/root/site.stead", "--json", "--detailed-exitcode"]);
        if again.code != 0 || !pending(&again.plan()).is_empty() {
            self.again += 1;
            self.faults.push(format!("a plan after the apply is not empty: {:?} {}", pending(&again.plan()), again.stderr));
        }
        let twice = host.stead(&["apply", "/root/site.stead", "--yes", "--json"]);
        if twice.code != 0 || twice.finished().iter().any(|resource| !is_idle(resource)) {
            self.again += 1;
            self.faults.push(format!("a second apply is not idle\n{twice}"));
        }
        for change in after.changes(&host.snapshot()) {
            self.again += 1;
            self.faults.push(format!("a second apply changed the host: {change}"));
        }
    }
}

/// The values of an entry are told one by one: its layout is the program's.
fn entry(content: &Content, resource: &Planned) -> (bool, bool) {
    let text = serde_json::json!(resource.changes).to_string();
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let has = |value: &str| {
        text.match_indices(value).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + value.len()..].chars().next();
            before.is_none_or(|c| !is_part(c) && c != '.') && after.is_none_or(|c| !is_part(c))
        })
    };
    let all = |lines: &[String]| lines.iter().all(|line| line.split_whitespace().all(has));
    (all(&content.added), all(&content.removed))
}

fn lines(content: &Content, resource: &Planned) -> (bool, bool) {
    let diff = resource.diff("content");
    let side = |sign: char, header: &str| {
        let mut lines: Vec<String> = diff
            .lines()
            .filter(|line| line.starts_with(sign) && !line.starts_with(header) && !line[1..].trim().is_empty())
            .map(|line| line[1..].trim().to_owned())
            .collect();
        lines.sort_unstable();
        lines
    };
    let wanted = |lines: &[String]| {
        let mut lines: Vec<String> = lines.iter().map(|line| line.trim().to_owned()).collect();
        lines.sort_unstable();
        lines
    };
    let (plus, minus) = (side('+', "+++"), side('-', "---"));
    let is_shown = wanted(&content.added).iter().all(|line| plus.contains(line));
    (is_shown, plus == wanted(&content.added) && minus == wanted(&content.removed))
}

/// The table, in the columns of the study.
pub(super) fn table(scores: &[Score]) -> String {
    let mut text = String::from(
        "| scenario | completes | status | content | exact | same words | empty afterwards | side effects | unannounced | end state | plan |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let yes = |is: bool| if is { "yes" } else { "NO" };
    for score in scores {
        let _ = writeln!(
            text,
            "| {} | {} | {}/{} | {}/{} | {}/{} | {}/{} | {} | {} | {} | {} | {} ms |",
            score.name,
            yes(score.completes),
            score.status.0,
            score.status.1,
            score.content.0,
            score.content.2,
            score.content.1,
            score.content.2,
            score.words.0,
            score.words.1,
            yes(score.again == 0 && score.completes),
            score.side_effects,
            score.unannounced,
            if score.wrong_end == 0 { "ok" } else { "WRONG" },
            score.took.as_millis(),
        );
    }
    let sum = |count: fn(&Score) -> usize| scores.iter().map(count).sum::<usize>();
    let _ = writeln!(
        text,
        "wholly true: {}/{}; statuses {}/{}; content diffs {}/{}; same words {}/{}",
        scores.iter().filter(|score| score.is_true()).count(),
        scores.len(),
        sum(|score| score.status.0),
        sum(|score| score.status.1),
        sum(|score| score.content.1),
        sum(|score| score.content.2),
        sum(|score| score.words.0),
        sum(|score| score.words.1),
    );
    text
}
