//! What hosts are asked when they are reached: facts, the programs of the project that tell some, and what the project made there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stead_catalog::{Map, Target, Type};
use stead_engine::ssh::{self, SshOptions};
use stead_engine::{LedgerEntry, Questions, Remote};

use super::HostFailure;
use crate::project::Loaded;
use crate::terminal::Terminal;
use crate::{ledger, told};

/// What every host is asked, and what could not be told.
pub(super) struct Telling {
    questions: Questions,
    /// How long counts what programs told; they are asked each time without it.
    max_age: Option<Duration>,
    /// The types of facts.
    types: Type,
    /// Where facts are kept here.
    state: PathBuf,
    /// Problems, with the hosts that have them.
    problems: Mutex<BTreeMap<String, Vec<Arc<str>>>>,
}

/// A host that was reached.
pub(super) struct Reached {
    pub(super) remote: Remote,
    /// What it tells about itself; its types are still to be checked.
    pub(super) facts: Map,
    /// What the project made there.
    pub(super) ledger: Vec<LedgerEntry>,
}

impl Telling {
    /// Asks for facts.
    pub(super) fn new(loaded: Option<&Loaded>, state: &Path) -> Self {
        let project = loaded.map(|loaded| &loaded.project);
        let programs = project.map(|project| told::programs(project.config())).unwrap_or_default();
        Self {
            questions: Questions { programs, ledger: None },
            max_age: project.and_then(|project| told::max_age(project.config())),
            types: project.map_or_else(stead_catalog::facts_type, |project| project.facts_type().clone()),
            state: state.to_owned(),
            problems: Mutex::default(),
        }
    }

    /// Asks for what the project made as well, where it keeps a ledger.
    pub(super) fn with_ledger(mut self, loaded: &Loaded) -> Self {
        self.questions.ledger = ledger::project(loaded);
        self
    }

    /// The project in whose ledger it is noted what is made.
    pub(super) fn ledger(&self) -> Option<&str> {
        self.questions.ledger.as_deref()
    }

    /// Reaches a host and asks it. What it tells is kept.
    pub(super) fn reach(&self, target: &Target, ssh: &SshOptions) -> Result<Reached, HostFailure> {
        let (remote, _) = ssh::connect(target, ssh);
        let mut remote = remote?;
        let mut facts = std::mem::take(&mut remote.facts);
        self.take_note(&target.name, std::mem::take(&mut remote.problems));
        let place = self.max_age.map(|max_age| (self.place(target, &facts), max_age));
        let kept = place.as_ref().and_then(|(place, max_age)| told::kept(place, *max_age, &self.types));
        let mut questions = self.questions.clone();
        if let Some(kept) = kept {
            questions.programs.clear();
            facts.extend(kept);
        }
        let mut ledger = Vec::new();
        if !questions.programs.is_empty() || questions.ledger.is_some() {
            let answers = remote.ask(&questions)?;
            if let Some((place, _)) = place.filter(|_| !questions.programs.is_empty() && answers.problems.is_empty()) {
                // Without it they are asked again the next time.
                let _ = told::keep(&place, &answers.facts);
            }
            facts.extend(answers.facts);
            self.take_note(&target.name, answers.problems);
            ledger = answers.ledger;
        }
        super::facts::keep(&self.state, &target.name, &facts);
        Ok(Reached { remote, facts, ledger })
    }

    /// Where it is kept what the programs told on a host: on this machine and for this operator, for nothing but the worker is put on hosts. Another
    /// machine behind the same name, and another user there, is another answer.
    fn place(&self, target: &Target, facts: &Map) -> PathBuf {
        let machine = facts.get("machine_id").map(ToString::to_string).unwrap_or_default();
        let words = [&*target.name, target.address(), target.user.as_deref().unwrap_or_default()];
        let r#become = target.r#become.as_deref().unwrap_or_default();
        let port = target.port.unwrap_or_default().to_le_bytes();
        let mut words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        words.extend([r#become.as_bytes(), &port, machine.as_bytes()]);
        self.state.join("told").join(told::key(&self.questions.programs, &words))
    }

    fn take_note(&self, name: &Arc<str>, problems: Vec<String>) {
        let mut noted = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        for problem in problems {
            noted.entry(problem).or_default().push(name.clone());
        }
    }

    /// Tells what could not be told, each once, with the hosts.
    pub(super) fn show_problems(&self, terminal: &Terminal) {
        let noted = std::mem::take(&mut *self.problems.lock().unwrap_or_else(PoisonError::into_inner));
        for (problem, mut names) in noted {
            stead_report::sort_nodes(&mut names, |name| name);
            let names: Vec<&str> = names.iter().map(|name| &**name).collect();
            let text = format!("{}: {problem}", crate::inventories::shortened(&names));
            terminal.note(&terminal.warning_line("invalid-facts", &stead_report::clean(&text)));
        }
    }
}
