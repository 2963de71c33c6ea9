//! Running pip: where packages come from, as whom, and how the same is done again by an undo.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use stead_catalog::Command;
use stead_engine::net::UrlParts;
use stead_engine::undo::recorded_strings;
use stead_engine::{ApplyError, Machine, ObserveError, Run};

use crate::values::Guarded;

/// How pip is run for one environment.
#[derive(Clone, Debug, Default)]
pub(super) struct Tool {
    /// The interpreter.
    pub(super) python: Arc<str>,
    /// As whom.
    pub(super) user: Option<Arc<str>>,
    /// Where the distribution says that only its own packages belong.
    pub(super) break_system_packages: bool,
    /// Ask no index.
    pub(super) no_index: bool,
    /// Further options of `pip install`.
    pub(super) options: Vec<Arc<str>>,
    /// A directory or page with packages.
    pub(super) find_links: Option<Arc<str>>,
    /// The longest wait for the index.
    pub(super) wait: Duration,
    /// Indexes and proxy, by pip's own variables: what may hold a password is no argument.
    places: Vec<(&'static str, Arc<str>)>,
    /// Texts that must not be told.
    secrets: Vec<Arc<str>>,
    /// A place that is secret was left out of what was recorded.
    was_secret: bool,
}

/// Variables of pip that say where packages come from.
const PLACES: [&str; 3] = ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_PROXY"];

impl Tool {
    /// Sets one of the variables, where there are values for it.
    pub(super) fn place(&mut self, name: &'static str, values: &[&Guarded<Arc<str>>]) {
        if values.is_empty() {
            return;
        }
        let joined: Vec<&str> = values.iter().map(|value| &**value.reveal()).collect();
        self.places.push((name, joined.join(" ").into()));
        for value in values {
            let parts = UrlParts::of(value.reveal());
            self.secrets.extend(parts.and_then(|parts| parts.credentials).map(Arc::from));
            self.secrets.extend(value.is_sensitive().then(|| value.reveal().clone()));
        }
    }

    /// What an undo has to know. A place with a secret in it is not kept.
    pub(super) fn recorded(&self) -> Json {
        let is_secret = |value: &str| self.secrets.iter().any(|secret| value.contains(&**secret));
        let kept = self.places.iter().filter(|(_, value)| !is_secret(value));
        let places: serde_json::Map<String, Json> =
            kept.map(|(name, value)| ((*name).to_owned(), Json::String(value.to_string()))).collect();
        let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
        serde_json::json!({
            "python": &*self.python,
            "user": text(&self.user),
            "break_system_packages": self.break_system_packages,
            "no_index": self.no_index,
            "options": self.options.iter().map(|option| &**option).collect::<Vec<_>>(),
            "find_links": text(&self.find_links),
            "wait": self.wait.as_secs(),
            "secret": self.was_secret || places.len() < self.places.len(),
            "places": places,
        })
    }

    /// Reads it again; `None` where it is none.
    pub(super) fn from_record(record: &Json) -> Option<Self> {
        let text = |key: &str| record.get(key).and_then(Json::as_str).map(Arc::<str>::from);
        let is = |key: &str| record.get(key).and_then(Json::as_bool).unwrap_or(false);
        let place = |name: &'static str| Some((name, Arc::from(record.get("places")?.get(name)?.as_str()?)));
        Some(Self {
            python: text("python")?,
            user: text("user"),
            break_system_packages: is("break_system_packages"),
            no_index: is("no_index"),
            options: recorded_strings(record, "options").unwrap_or_default().into_iter().map(Arc::from).collect(),
            find_links: text("find_links"),
            wait: Duration::from_secs(record.get("wait").and_then(Json::as_u64).unwrap_or(30)),
            places: PLACES.into_iter().filter_map(place).collect(),
            secrets: Vec::new(),
            was_secret: is("secret"),
        })
    }

    /// Says whether a place that packages came from was left out of what was recorded.
    pub(super) fn was_secret(&self) -> bool {
        self.was_secret
    }

    /// Installs what `wanted` names: its options, files and specifications.
    ///
    /// # Errors
    /// `pip-failed`, and what starting it fails with.
    pub(super) fn install(&self, machine: &Machine, what: &str, wanted: Vec<Arc<str>>) -> Result<(), ApplyError> {
        let mut words = self.words("install");
        if self.no_index {
            words.push("--no-index".into());
        }
        words.extend(self.options.iter().cloned());
        words.extend(self.find_links.iter().flat_map(|links| ["--find-links".into(), links.clone()]));
        words.extend(wanted);
        self.run(machine, what, words)
    }

    /// Takes packages away.
    ///
    /// # Errors
    /// As [`Self::install`].
    pub(super) fn uninstall(&self, machine: &Machine, what: &str, names: Vec<Arc<str>>) -> Result<(), ApplyError> {
        let mut words = self.words("uninstall");
        words.extend(["--yes".into(), "--".into()]);
        words.extend(names);
        self.run(machine, what, words)
    }

    fn words(&self, verb: &str) -> Vec<Arc<str>> {
        let mut words: Vec<Arc<str>> = vec![self.python.clone(), "-m".into(), "pip".into(), verb.into()];
        words.extend(["--disable-pip-version-check", "--no-input", "--quiet"].map(Arc::from));
        if self.break_system_packages {
            words.push("--break-system-packages".into());
        }
        words
    }

    fn run(&self, machine: &Machine, what: &str, words: Vec<Arc<str>>) -> Result<(), ApplyError> {
        let mut env: Vec<(Arc<str>, Arc<str>)> = vec![
            ("PIP_DEFAULT_TIMEOUT".into(), self.wait.as_secs().max(1).to_string().into()),
            ("LC_ALL".into(), "C.UTF-8".into()),
        ];
        env.extend(self.places.iter().map(|(name, value)| (Arc::from(*name), value.clone())));
        let output = machine.run(&Run {
            command: Command::Argv(words),
            user: self.user.clone(),
            cwd: None,
            env,
            timeout: None,
            stdin: None,
            secrets: self.secrets.clone(),
            umask: None,
        })?;
        if output.status == 0 {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let line = said.lines().find(|line| line.contains("ERROR:")).or_else(|| said.lines().last()).unwrap_or_default();
        let hint = if said.contains("No module named pip") {
            "require package \"python3-pip\", or make the environment with its own pip"
        } else {
            "look whether the index can be reached, and whether it has that version"
        };
        Err(ObserveError::Impossible {
            code: "pip-failed",
            message: format!("{what}: {}", line.trim_start_matches("ERROR: ")),
            hint: format!("{hint}\npip wrote:\n{said}"),
        }
        .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_read_again_without_secrets() {
        let mut tool = Tool {
            python: "/opt/venv/bin/python3".into(),
            user: Some("app".into()),
            options: vec!["--pre".into()],
            wait: Duration::from_secs(7),
            ..Tool::default()
        };
        tool.place("PIP_INDEX_URL", &[&Guarded::plain("https://index.example.com/simple".into())]);
        let record = tool.recorded();
        let read = Tool::from_record(&record).expect("it is one");
        assert_eq!(read.recorded(), record);
        assert!(!read.was_secret());
        tool.place("PIP_EXTRA_INDEX_URL", &[&Guarded::plain("https://u:hunter2@index.example.com/simple".into())]);
        let record = tool.recorded();
        assert!(!record.to_string().contains("hunter2"), "{record}");
        let read = Tool::from_record(&record).expect("it is one");
        assert!(read.was_secret() && read.recorded() == record);
        assert!(Tool::from_record(&Json::Null).is_none());
    }
}
