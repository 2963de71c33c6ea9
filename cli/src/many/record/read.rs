//! What was written down of rollouts, read again.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use super::{BEGUN, Head, Line, NOT_BEGUN, VERSION, VERSION_BACK, rollouts};
use crate::args::RolloutName;
use crate::failure::Failure;

/// A file longer than this is none of ours.
const MAX_SIZE: u64 = 256 << 20;

/// A rollout as it was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) id: u64,
    pub(crate) head: Head,
    /// Hosts that are as they are wanted.
    pub(crate) good: Vec<String>,
    /// Hosts on which something was begun, by this rollout or one that it went on with.
    pub(crate) begun: BTreeSet<String>,
    /// Hosts on which this one began something, with the run there where that is known.
    pub(crate) runs: BTreeMap<String, Option<i64>>,
    /// The last word about each host.
    pub(crate) outcomes: BTreeMap<String, String>,
    /// Hosts that this one has left in a state that nobody has seen to work.
    doubtful: BTreeSet<String>,
}

/// A rollout and those that it went on with: together they did what was asked.
pub(crate) struct Chain {
    /// The newest first.
    pub(crate) rollouts: Vec<Recorded>,
    /// One that they went on with, and that is not kept any more.
    pub(crate) lost: Option<u64>,
}

impl Recorded {
    fn of(id: u64, head: Head) -> Self {
        let begun = head.begun.clone();
        let (runs, outcomes, doubtful) = Default::default();
        Self { id, head, good: Vec::new(), begun, runs, outcomes, doubtful }
    }

    /// Takes in a line. The last word about a host counts.
    fn add(&mut self, Line { host, outcome, run, .. }: Line) {
        if !self.head.hosts.contains(&host) {
            return;
        }
        let is_good = matches!(outcome.as_str(), "unchanged" | "changed");
        self.good.retain(|known| *known != host);
        if outcome == NOT_BEGUN {
            self.runs.remove(&host);
            self.doubtful.remove(&host);
            self.outcomes.remove(&host);
            if !self.head.begun.contains(&host) {
                self.begun.remove(&host);
            }
            return;
        }
        // Before there were lines for what is begun, a run alone told that something was.
        if outcome == BEGUN || run.is_some() {
            self.begun.insert(host.clone());
            let known = self.runs.entry(host.clone()).or_default();
            *known = run.or(*known);
        } else if outcome == "unchanged" {
            self.runs.remove(&host);
        }
        if is_good {
            self.doubtful.remove(&host);
            self.good.push(host.clone());
        } else if self.runs.contains_key(&host) || outcome == "unhealthy" {
            self.doubtful.insert(host.clone());
        }
        self.outcomes.insert(host, outcome);
    }
}

impl Chain {
    /// The newest run of each host; `None` where something was begun of which that is not known.
    pub(crate) fn runs(&self) -> BTreeMap<String, Option<i64>> {
        let mut runs = BTreeMap::new();
        for rollout in self.rollouts.iter().rev() {
            runs.extend(rollout.runs.clone());
        }
        runs
    }

    /// Every host, in the order in which they were to be worked on.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let mut known = HashSet::new();
        let all = self.rollouts.iter().rev().flat_map(|rollout| &rollout.head.hosts);
        all.filter(|host| known.insert(*host)).cloned().collect()
    }

    /// Hosts that an older one changed before a newer one did so, with the older one.
    pub(crate) fn again(&self) -> Vec<(u64, Vec<&str>)> {
        let mut again = Vec::new();
        for (at, older) in self.rollouts.iter().enumerate() {
            let newer = &self.rollouts[..at];
            let is_again = |host: &&String| newer.iter().any(|rollout| rollout.runs.contains_key(*host));
            let hosts: Vec<&str> = older.runs.keys().filter(is_again).map(String::as_str).collect();
            if !hosts.is_empty() {
                again.push((older.id, hosts));
            }
        }
        again
    }
}

/// The numbers of the rollouts that are kept, the oldest first.
pub(super) fn numbers(state: &Path) -> Vec<u64> {
    let mut numbers: Vec<u64> = fs::read_dir(rollouts(state))
        .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
        .unwrap_or_default();
    numbers.sort_unstable();
    numbers
}

/// Reads what was written down of a rollout; `None` when there is no such rollout, or it was cut off before anything began. A line that was
/// cut off counts for nothing.
///
/// # Errors
/// When it cannot be read, or is of another version.
fn read(state: &Path, id: u64) -> io::Result<Option<Recorded>> {
    let file = match File::open(rollouts(state).join(id.to_string()).join("rollout.json")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let changed = file.metadata().and_then(|metadata| metadata.modified()).ok();
    let mut text = BufReader::new(file.take(MAX_SIZE));
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut head = String::new();
    text.read_line(&mut head)?;
    if !head.ends_with('\n') {
        return Ok(None);
    }
    let mut head: Head = serde_json::from_str(&head).map_err(|_| invalid("its first line is none of ours"))?;
    if head.version != if head.back.is_some() { VERSION_BACK } else { VERSION } {
        return Err(invalid("it is of another version of stead"));
    }
    head.started = head.started.or_else(|| changed.map(crate::times::timestamp));
    let mut recorded = Recorded::of(id, head);
    for line in text.lines() {
        if let Ok(line) = serde_json::from_str::<Line>(&line?) {
            recorded.add(line);
        }
    }
    Ok(Some(recorded))
}

/// Every rollout that is kept and can be read, the newest first.
pub(in crate::many) fn all(state: &Path) -> impl Iterator<Item = Recorded> {
    numbers(state).into_iter().rev().filter_map(move |id| read(state, id).ok().flatten())
}

/// Hosts that the rollouts of a project have left changed or half changed, and that nobody has seen to work since.
pub(in crate::many) fn doubtful(state: &Path, project: &str) -> HashSet<String> {
    let mut doubtful = HashSet::new();
    // What cannot be read says nothing.
    let known = numbers(state).into_iter().filter_map(|id| read(state, id).ok().flatten());
    for recorded in known.filter(|known| known.head.project == project) {
        doubtful.retain(|host| !recorded.good.contains(host));
        doubtful.extend(recorded.doubtful);
    }
    doubtful
}

/// Finds a rollout by its name.
///
/// # Errors
/// When there is none, or it cannot be read.
pub(crate) fn find(name: &RolloutName, state: &Path) -> Result<Recorded, Failure> {
    let id = match name {
        RolloutName::Number(id) => Some(*id),
        RolloutName::Last => numbers(state).pop(),
    };
    let recorded = id.map(|id| read(state, id)).transpose().map_err(|source| unreadable(state, source))?.flatten();
    recorded.ok_or_else(|| Failure::NoSuchRollout(name.to_string()))
}

fn unreadable(state: &Path, source: io::Error) -> Failure {
    Failure::Unreadable { path: rollouts(state), source }
}

/// Finds what is to be taken back, with the rollouts that it went on with. The last one is the newest apply that has begun something: an
/// undo that is taken back by accident brings back what was wrong.
///
/// # Errors
/// As [`find`].
pub(crate) fn for_undo(name: &RolloutName, state: &Path) -> Result<Chain, Failure> {
    let newest = match name {
        RolloutName::Number(_) => find(name, state)?,
        RolloutName::Last => {
            let mut newest = None;
            for id in numbers(state).into_iter().rev() {
                let Some(known) = read(state, id).map_err(|source| unreadable(state, source))? else { continue };
                if known.head.back.is_some() {
                    continue;
                }
                let has_begun = !known.runs.is_empty();
                if has_begun || newest.is_none() {
                    newest = Some(known);
                }
                if has_begun {
                    break;
                }
            }
            newest.ok_or_else(|| Failure::NoSuchRollout(name.to_string()))?
        }
    };
    let mut chain = Chain { rollouts: vec![newest], lost: None };
    // Each goes on with an older one, so this ends.
    while let Some(last) = chain.rollouts.last()
        && let Some(id) = last.head.continues.filter(|id| *id < last.id)
    {
        match read(state, id).map_err(|source| unreadable(state, source))? {
            Some(older) => chain.rollouts.push(older),
            None => {
                chain.lost = Some(id);
                break;
            }
        }
    }
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use super::super::{Back, Record};
    use super::*;
    use crate::many::HostFailure;
    use crate::many::outcome::HostOutcome;
    use stead_engine::Counts;

    fn head() -> Head {
        let hosts = ["a", "b", "c"].map(str::to_owned).to_vec();
        Head::new("/srv/site".into(), "a,b,c", vec!["only=file".into()], hosts)
    }

    fn recorded(state: &Path, id: u64) -> Recorded {
        read(state, id).expect("readable").expect("there")
    }

    fn changed(run: i64) -> HostOutcome {
        HostOutcome::Changed { run: Some(run), counts: Counts::default() }
    }

    fn back() -> Back {
        let runs = BTreeMap::from([("a".to_owned(), 7)]);
        Back { rollout: None, runs, named: Some("last".into()), only: Vec::new(), except: vec!["file".into()], force: true }
    }

    #[test]
    fn a_rollout_reads_back_and_its_last_word_counts() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path();
        assert_eq!((read(state, 1).expect("readable"), numbers(state)), (None, Vec::new()));
        let record = Record::begin(state, &head()).expect("begun");
        record.host("a", &HostOutcome::Unchanged);
        record.host("b", &HostOutcome::Unchanged);
        record.host("b", &HostOutcome::NotTried("the canary failed"));
        record.host("elsewhere", &HostOutcome::Unchanged);
        let path = record.directory().join("rollout.json");
        fs::write(&path, fs::read_to_string(&path).expect("text") + "{\"host\": \"c\", \"outc").expect("cut off");
        let recorded = recorded(state, record.id);
        let started = recorded.head.started.clone();
        assert!(started.is_some());
        assert_eq!((recorded.head, recorded.good), (Head { started, ..head() }, vec!["a".to_owned()]));
        let words: Vec<(&str, &str)> = recorded.outcomes.iter().map(|(host, word)| (host.as_str(), word.as_str())).collect();
        assert_eq!(words, [("a", "unchanged"), ("b", "not_tried")]);
        let second = Record::begin(state, &head()).expect("begun");
        assert_eq!((second.id, numbers(state)), (2, vec![1, 2]));
        second.drop_it();
        assert_eq!(numbers(state), [1]);
    }

    #[test]
    fn the_runs_that_a_rollout_made_are_known() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path();
        let record = Record::begin(state, &head()).expect("begun");
        record.begun("a", None).expect("written");
        record.begun("a", Some(7)).expect("written");
        record.host("a", &changed(7));
        record.begun("b", None).expect("written");
        record.host("b", &HostOutcome::Lost { run: None, story: None });
        record.host("c", &HostOutcome::Unchanged);
        let known = find(&RolloutName::Last, state).expect("there");
        assert_eq!(known.runs, BTreeMap::from([("a".to_owned(), Some(7)), ("b".to_owned(), None)]));
        assert_eq!(find(&RolloutName::Number(9), state).expect_err("no such rollout").code(), "no-such-rollout");
        let record = Record::begin(state, &head().going_back(back())).expect("begun");
        assert_eq!(find(&RolloutName::Number(record.id), state).expect("there").head.back, Some(back()));
    }

    #[test]
    fn who_is_killed_leaves_no_host_that_nobody_knows_of() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path();
        let record = Record::begin(state, &head()).expect("begun");
        record.begun("a", None).expect("written");
        record.begun("b", None).expect("written");
        record.begun("b", Some(3)).expect("written");
        // Here it is killed.
        let known = recorded(state, record.id);
        assert_eq!(known.runs, BTreeMap::from([("a".to_owned(), None), ("b".to_owned(), Some(3))]));
        assert_eq!(known.begun.iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((known.good, doubtful(state, "/srv/site").len()), (Vec::new(), 2));
    }

    #[test]
    fn a_host_that_was_never_touched_is_not_taken_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path();
        let failed = || HostOutcome::not_begun(HostFailure::new("apply-running", "another run is at work", None));
        let record = Record::begin(state, &head()).expect("begun");
        record.begun("a", None).expect("written");
        record.not_begun("a");
        record.host("a", &failed());
        record.host("b", &failed());
        record.host("c", &HostOutcome::Unhealthy { run: None, why: "it does not answer".into() });
        let known = recorded(state, record.id);
        assert_eq!((known.runs, known.begun), (BTreeMap::new(), BTreeSet::new()));
        let names: Vec<String> = doubtful(state, "/srv/site").into_iter().collect();
        assert_eq!(names, ["c"], "who was seen not to work is looked at again");
    }

    #[test]
    fn a_host_is_in_doubt_until_it_was_seen_to_work() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path();
        let names = |project: &str| doubtful(state, project).into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
        let unhealthy = HostOutcome::Unhealthy { run: Some(1), why: "it does not answer".into() };
        let record = Record::begin(state, &head()).expect("begun");
        record.host("a", &unhealthy);
        record.begun("b", None).expect("written");
        record.host("b", &HostOutcome::Lost { run: None, story: None });
        record.host("c", &HostOutcome::Unchanged);
        assert_eq!(names("/srv/site"), ["a", "b"]);
        assert_eq!(names("/srv/other"), [""; 0]);
        let again = Head { begun: recorded(state, 1).begun, ..head() };
        let record = Record::begin(state, &again).expect("begun");
        record.host("a", &HostOutcome::NotTried("the canary failed"));
        record.host("b", &HostOutcome::Unchanged);
        assert_eq!(names("/srv/site"), ["a"], "who was not tried is still in doubt");
        let begun = recorded(state, 2).begun;
        assert_eq!(begun.into_iter().collect::<Vec<_>>(), ["a", "b"], "what an earlier one has begun is known");
    }

    #[test]
    fn what_went_on_with_another_one_is_one_with_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path();
        let first = Record::begin(state, &head()).expect("begun");
        first.host("a", &changed(7));
        first.host("b", &HostOutcome::Failed { run: Some(4), counts: Counts::default(), first: None });
        let second = Head { continues: Some(first.id), hosts: vec!["b".into(), "c".into()], ..head() };
        let second = Record::begin(state, &second).expect("begun");
        second.host("b", &changed(5));
        second.host("c", &changed(9));
        let chain = for_undo(&RolloutName::Number(2), state).expect("there");
        let runs = [("a", 7), ("b", 5), ("c", 9)].map(|(host, run)| (host.to_owned(), Some(run)));
        assert_eq!(chain.runs(), BTreeMap::from(runs));
        assert_eq!((chain.hosts(), chain.again()), (["a", "b", "c"].map(str::to_owned).to_vec(), vec![(1, vec!["b"])]));
        assert_eq!(for_undo(&RolloutName::Number(1), state).expect("there").rollouts.len(), 1);
        fs::remove_dir_all(rollouts(state).join("1")).expect("removed");
        let chain = for_undo(&RolloutName::Number(2), state).expect("there");
        assert_eq!((chain.rollouts.len(), chain.lost), (1, Some(1)));
    }

    #[test]
    fn the_last_one_to_take_back_is_an_apply_that_began_something() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path();
        let last = || for_undo(&RolloutName::Last, state).map(|chain| chain.rollouts[0].id).map_err(|failure| failure.code());
        assert_eq!(last(), Err("no-such-rollout"));
        let record = Record::begin(state, &head()).expect("begun");
        assert_eq!(last(), Ok(1), "there is one, and nothing to take back");
        record.host("a", &changed(7));
        let record = Record::begin(state, &head().going_back(back())).expect("begun");
        record.host("a", &changed(8));
        let record = Record::begin(state, &head()).expect("begun");
        record.host("a", &HostOutcome::not_begun(HostFailure::new("plan-stale", "it has moved", None)));
        assert_eq!(last(), Ok(1));
        assert_eq!(for_undo(&RolloutName::Number(2), state).expect("there").rollouts[0].id, 2);
    }

    #[test]
    fn what_is_no_rollout_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(directory.path().join("rollouts/7")).expect("a directory");
        fs::write(directory.path().join("rollouts/7/rollout.json"), "nonsense\n").expect("write");
        assert!(read(directory.path(), 7).is_err());
        // Here it was killed before anything began.
        fs::write(directory.path().join("rollouts/7/rollout.json"), "{\"version\":").expect("write");
        assert_eq!(read(directory.path(), 7).expect("readable"), None);
    }
}
