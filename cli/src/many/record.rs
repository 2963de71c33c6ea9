//! What is kept here of an apply to many hosts: what was asked, what became of each host, and a log for each. That is what
//! `stead apply --resume` goes on from.
//!
//! One directory a rollout, below `rollouts/` in the state directory: `rollout.json` with one JSON object a line, the first the head,
//! then for each host a line when its run is asked for, one when that has begun, and one when it is done; `HOST.log` beside it. So whoever
//! is killed in the middle leaves no host that nobody knows of. No secret gets there: logs hold what is shown.

mod read;

pub(crate) use read::{Chain, Recorded, find, for_undo};
pub(super) use read::{all, doubtful};

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::outcome::HostOutcome;
use crate::machine;
use crate::times::timestamp;

/// Version of the file.
const VERSION: u32 = 1;
/// Version of one that takes runs back.
const VERSION_BACK: u32 = 2;
/// Rollouts that are kept.
const KEPT: usize = 50;
/// The word of a line about a host that is asked to begin, or has begun.
const BEGUN: &str = "begun";
/// The word of a line about a host that was asked to begin, and has refused.
const NOT_BEGUN: &str = "not_begun";

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    version: u32,
    /// When it began: RFC 3339 in UTC.
    #[serde(default)]
    pub(crate) started: Option<String>,
    /// The rollout that it goes on with.
    #[serde(default)]
    pub(crate) continues: Option<u64>,
    /// The project or file; empty where hosts are known to ssh alone.
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
    /// The rollout that made them, where they are those of one.
    #[serde(default)]
    pub(crate) rollout: Option<u64>,
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
            started: None,
            continues: None,
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
        let known = read::numbers(state);
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
        let head = Head { started: Some(timestamp(SystemTime::now())), ..head.clone() };
        file.write_all(format!("{}\n", serde_json::to_string(&head).map_err(io::Error::other)?).as_bytes())?;
        file.sync_data()?;
        // What is begun is to be found after a loss of power as well.
        for directory in [&directory, &all] {
            File::open(directory)?.sync_all()?;
        }
        Ok(Self { id, directory, file: Mutex::new(file) })
    }

    /// Writes down that a host is asked to begin; with its run, that it has begun.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn begun(&self, name: &str, run: Option<i64>) -> io::Result<()> {
        self.write(&Line { host: name.to_owned(), outcome: BEGUN.to_owned(), run, words: String::new() })
    }

    /// Writes down that a host which was asked to begin has not.
    pub(super) fn not_begun(&self, name: &str) {
        let line = Line { host: name.to_owned(), outcome: NOT_BEGUN.to_owned(), run: None, words: String::new() };
        // Who is taken to have begun is looked at once more, which does no harm.
        let _ = self.write(&line);
    }

    /// Writes down what became of a host.
    pub(super) fn host(&self, name: &str, outcome: &HostOutcome) {
        let line = Line { host: name.to_owned(), outcome: outcome.name().to_owned(), run: outcome.run(), words: outcome.words() };
        // A host that is not written down is asked again by a resume, which does no harm.
        let _ = self.write(&line);
    }

    fn write(&self, line: &Line) -> io::Result<()> {
        let text = serde_json::to_string(line).map_err(io::Error::other)?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(format!("{text}\n").as_bytes())?;
        file.sync_data()
    }

    /// Forgets it: nothing was done on any host.
    pub(super) fn drop_it(&self) {
        let _ = fs::remove_dir_all(&self.directory);
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
