//! What is kept here of an apply to many hosts: what was asked, what became of each host, and a log for each. That is what
//! `stead apply --resume` goes on from.
//!
//! One directory a rollout, below `rollouts/` in the state directory: `rollout.json` with one JSON object a line, the first the head,
//! then a host a line as each is done; `HOST.log` beside it. No secret gets there: logs hold what is shown.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::outcome::HostOutcome;
use crate::args::RolloutName;
use crate::failure::Failure;
use crate::machine;

/// Version of the file.
const VERSION: u32 = 1;
/// Version of one that takes runs back.
const VERSION_BACK: u32 = 2;
/// A file longer than this is none of ours.
const MAX_SIZE: u64 = 256 << 20;
/// Rollouts that are kept.
const KEPT: usize = 50;

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    version: u32,
    /// The project or file.
    pub(crate) project: String,
    /// The targets, as they were given.
    pub(crate) on: String,
    /// `only=…`, `except=…`, `tags=…`.
    #[serde(default)]
    pub(crate) selection: Vec<String>,
    /// Every host that was to be worked on, in order.
    pub(crate) hosts: Vec<String>,
    /// How it was to be done.
    #[serde(default)]
    pub(crate) manner: Manner,
    /// The saved plan that hosts were held to.
    #[serde(default)]
    pub(crate) plan: Option<KeptFile>,
    /// What was accepted of the changes.
    #[serde(default)]
    pub(crate) accept: Option<KeptFile>,
    /// What was reviewed, where hosts are held to it.
    #[serde(default)]
    pub(crate) reviewed: Option<KeptFile>,
    /// Hashes of the catalogs that it was accepted for.
    #[serde(default)]
    pub(crate) catalogs: BTreeMap<String, String>,
    /// Hosts on which rollouts before this one have begun to carry the plan out.
    #[serde(default)]
    pub(crate) begun: BTreeSet<String>,
    /// It takes runs back.
    #[serde(default)]
    pub(crate) back: Option<Back>,
}

/// The runs that are taken back, and how much of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Back {
    /// The run of each host.
    pub(crate) runs: BTreeMap<String, i64>,
    /// The run of any other host, as it was named.
    #[serde(default)]
    pub(crate) named: Option<String>,
    #[serde(default)]
    pub(crate) only: Vec<String>,
    #[serde(default)]
    pub(crate) except: Vec<String>,
    #[serde(default)]
    pub(crate) force: bool,
}

/// A file that the rollout hangs on, by its name and the hash of its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptFile {
    pub(crate) path: String,
    pub(crate) hash: String,
}

/// Options of the command line, as they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Manner {
    pub(crate) r#become: Option<String>,
    pub(crate) ask_become_pass: bool,
    pub(crate) ssh_config: Option<String>,
    pub(crate) worker_binary: Vec<String>,
    pub(crate) forks: Option<usize>,
    pub(crate) connect_timeout_ns: Option<u64>,
    pub(crate) connect_retries: Option<u32>,
    pub(crate) host_timeout_ns: Option<u64>,
    pub(crate) batch: Option<String>,
    pub(crate) canary: Option<String>,
    pub(crate) max_failures: Option<String>,
    pub(crate) order: Vec<String>,
    pub(crate) pause_ns: Option<u64>,
    pub(crate) confirm_batches: bool,
    pub(crate) no_fetch: bool,
    pub(crate) audit_exec: bool,
}

impl Head {
    pub(super) fn new(project: String, on: &str, selection: Vec<String>, hosts: Vec<String>) -> Self {
        Self {
            version: VERSION,
            project,
            on: on.to_owned(),
            selection,
            hosts,
            manner: Manner::default(),
            plan: None,
            accept: None,
            reviewed: None,
            catalogs: BTreeMap::new(),
            begun: BTreeSet::new(),
            back: None,
        }
    }

    /// The same, for an undo: whoever does not know of those is not to go on with it.
    pub(super) fn going_back(self, back: Back) -> Self {
        Self { version: VERSION_BACK, back: Some(back), ..self }
    }
}

/// What became of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    host: String,
    outcome: String,
    /// The run on the host.
    #[serde(default)]
    run: Option<i64>,
    #[serde(default)]
    words: String,
}

/// A rollout that is being written down.
pub(super) struct Record {
    pub(super) id: u64,
    directory: PathBuf,
    file: Mutex<File>,
}

/// The log of one host. What cannot be written is not worth ending an apply for.
pub(super) struct HostLog(Mutex<Option<File>>);

/// A rollout as it was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) head: Head,
    /// Hosts that are as they are wanted.
    pub(crate) good: Vec<String>,
    /// Hosts on which something was begun, by this rollout or one that it went on with.
    pub(crate) begun: BTreeSet<String>,
    /// Hosts on which this one began something, with the run there where that is known.
    pub(crate) runs: BTreeMap<String, Option<i64>>,
    /// Hosts on which this one began something that did not end well.
    doubtful: BTreeSet<String>,
}

fn rollouts(state: &Path) -> PathBuf {
    state.join("rollouts")
}

impl Record {
    /// Begins to write.
    ///
    /// # Errors
    /// When the state directory cannot be written.
    pub(super) fn begin(state: &Path, head: &Head) -> io::Result<Self> {
        let all = rollouts(state);
        DirBuilder::new().recursive(true).mode(0o700).create(&all)?;
        let mut known: Vec<u64> =
            fs::read_dir(&all)?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        known.sort_unstable();
        let mut id = known.last().map_or(1, |last| last + 1);
        // Another one may begin at the same time.
        while let Err(error) = DirBuilder::new().mode(0o700).create(all.join(id.to_string())) {
            if error.kind() != io::ErrorKind::AlreadyExists {
                return Err(error);
            }
            id += 1;
        }
        for old in known.iter().rev().skip(KEPT.saturating_sub(1)) {
            let _ = fs::remove_dir_all(all.join(old.to_string()));
        }
        let directory = all.join(id.to_string());
        let mut file = private(&directory.join("rollout.json"))?;
        file.write_all(format!("{}\n", serde_json::to_string(head).map_err(io::Error::other)?).as_bytes())?;
        Ok(Self { id, directory, file: Mutex::new(file) })
    }

    /// Writes down what became of a host.
    pub(super) fn host(&self, name: &str, outcome: &HostOutcome) {
        let line = Line { host: name.to_owned(), outcome: outcome.name().to_owned(), run: outcome.run(), words: outcome.words() };
        if let Ok(text) = serde_json::to_string(&line) {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            // A host that is not written down is asked again by a resume, which does no harm.
            let _ = file.write_all(format!("{text}\n").as_bytes()).and_then(|()| file.sync_data());
        }
    }

    /// Opens the log of a host.
    pub(super) fn log(&self, name: &str) -> HostLog {
        let path = self.directory.join(format!("{}.log", machine::escaped(Path::new(name))));
        HostLog(Mutex::new(private(&path).ok()))
    }

    /// Where the logs are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl HostLog {
    /// Writes a line.
    pub(super) fn line(&self, text: &str) {
        self.text(&format!("{}\n", stead_report::clean(text)));
    }

    /// Writes lines that are clean already.
    pub(super) fn text(&self, text: &str) {
        if let Some(file) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            let _ = file.write_all(text.as_bytes());
        }
    }
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Reads what was written down of a rollout; `None` when there is no such rollout. A line that was cut off counts for nothing.
///
/// # Errors
/// When it cannot be read, or is of another version.
fn read(state: &Path, id: u64) -> io::Result<Option<Recorded>> {
    let file = match File::open(rollouts(state).join(id.to_string()).join("rollout.json")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut lines = BufReader::new(file.take(MAX_SIZE)).lines();
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let head = lines.next().ok_or_else(|| invalid("it is empty"))??;
    let head: Head = serde_json::from_str(&head).map_err(|_| invalid("its first line is none of ours"))?;
    if head.version != if head.back.is_some() { VERSION_BACK } else { VERSION } {
        return Err(invalid("it is of another version of stead"));
    }
    let mut good: Vec<String> = Vec::new();
    let (mut begun, mut doubtful, mut runs) = (head.begun.clone(), BTreeSet::new(), BTreeMap::new());
    for line in lines {
        let Ok(line) = serde_json::from_str::<Line>(&line?) else { continue };
        let is_good = matches!(line.outcome.as_str(), "unchanged" | "changed");
        good.retain(|known| *known != line.host);
        let is_begun = !matches!(line.outcome.as_str(), "unchanged" | "not_tried" | "unreachable");
        if is_begun && head.hosts.contains(&line.host) {
            begun.insert(line.host.clone());
            runs.insert(line.host.clone(), line.run);
            if !is_good {
                doubtful.insert(line.host.clone());
            }
        }
        if is_good && head.hosts.contains(&line.host) {
            good.push(line.host);
        }
    }
    Ok(Some(Recorded { head, good, begun, runs, doubtful }))
}

/// Hosts that the rollouts of a project have left changed or half changed, and that nobody has seen to work since.
pub(super) fn doubtful(state: &Path, project: &str) -> HashSet<String> {
    let mut ids: Vec<u64> = fs::read_dir(rollouts(state))
        .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
        .unwrap_or_default();
    ids.sort_unstable();
    let mut doubtful = HashSet::new();
    // What cannot be read says nothing.
    for recorded in ids.iter().filter_map(|id| read(state, *id).ok().flatten()).filter(|known| known.head.project == project) {
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
        RolloutName::Last => last(state),
    };
    let unreadable = |source| Failure::Unreadable { path: state.join("rollouts"), source };
    let recorded = id.map(|id| read(state, id)).transpose().map_err(unreadable)?.flatten();
    recorded.ok_or_else(|| Failure::NoSuchRollout(name.to_string()))
}

/// The newest rollout.
fn last(state: &Path) -> Option<u64> {
    let entries = fs::read_dir(rollouts(state)).ok()?;
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let hosts = ["a", "b", "c"].map(str::to_owned).to_vec();
        Head::new("/srv/site".into(), "a,b,c", vec!["only=file".into()], hosts)
    }

    #[test]
    fn a_rollout_reads_back_and_its_last_word_counts() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path();
        assert_eq!((read(state, 1).expect("readable"), last(state)), (None, None));
        let record = Record::begin(state, &head()).expect("begun");
        record.host("a", &HostOutcome::Unchanged);
        record.host("b", &HostOutcome::Unchanged);
        record.host("b", &HostOutcome::NotTried("the canary failed"));
        record.host("elsewhere", &HostOutcome::Unchanged);
        let path = record.directory().join("rollout.json");
        fs::write(&path, fs::read_to_string(&path).expect("text") + "{\"host\": \"c\", \"outc").expect("cut off");
        let recorded = read(state, record.id).expect("readable").expect("there");
        assert_eq!((recorded.head, recorded.good), (head(), vec!["a".to_owned()]));
        assert_eq!(Record::begin(state, &head()).expect("begun").id, 2);
        assert_eq!(last(state), Some(2));
    }

    #[test]
    fn the_runs_that_a_rollout_made_are_known() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path();
        let record = Record::begin(state, &head()).expect("begun");
        record.host("a", &HostOutcome::Changed { run: Some(7), counts: stead_engine::Counts::default() });
        record.host("b", &HostOutcome::Lost { run: None, story: None });
        record.host("c", &HostOutcome::Unchanged);
        let recorded = find(&RolloutName::Last, state).expect("there");
        assert_eq!(recorded.runs, BTreeMap::from([("a".to_owned(), Some(7)), ("b".to_owned(), None)]));
        assert_eq!(find(&RolloutName::Number(9), state).expect_err("no such rollout").code(), "no-such-rollout");
        let runs = BTreeMap::from([("a".to_owned(), 7)]);
        let back = Back { runs, named: Some("last".into()), only: Vec::new(), except: vec!["file".into()], force: true };
        let record = Record::begin(state, &head().going_back(back.clone())).expect("begun");
        assert_eq!(find(&RolloutName::Number(record.id), state).expect("there").head.back, Some(back));
    }

    #[test]
    fn a_host_is_in_doubt_until_it_was_seen_to_work() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path();
        let names = |project: &str| doubtful(state, project).into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
        let unhealthy = HostOutcome::Unhealthy { run: Some(1), why: "it does not answer".into() };
        let record = Record::begin(state, &head()).expect("begun");
        record.host("a", &unhealthy);
        record.host("b", &HostOutcome::Lost { run: None, story: None });
        record.host("c", &HostOutcome::Unchanged);
        assert_eq!(names("/srv/site"), ["a", "b"]);
        assert_eq!(names("/srv/other"), [""; 0]);
        let again = Head { begun: read(state, 1).expect("readable").expect("there").begun, ..head() };
        let record = Record::begin(state, &again).expect("begun");
        record.host("a", &HostOutcome::NotTried("the canary failed"));
        record.host("b", &HostOutcome::Unchanged);
        assert_eq!(names("/srv/site"), ["a"], "who was not tried is still in doubt");
        let recorded = read(state, 2).expect("readable").expect("there");
        assert_eq!(recorded.begun.into_iter().collect::<Vec<_>>(), ["a", "b"], "what an earlier one has begun is known");
    }

    #[test]
    fn what_is_no_rollout_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(directory.path().join("rollouts/7")).expect("a directory");
        fs::write(directory.path().join("rollouts/7/rollout.json"), "nonsense\n").expect("write");
        assert!(read(directory.path(), 7).is_err());
    }
}
