//! Runs the user's own `git`, so that their settings, keys and credential helpers count.

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// What makes git work on another repository than it is told to; a hook that runs stead sets some of them.
const STRAY: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
];

/// How git ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Well: what it printed.
    Well(String),
    /// Not well: what it said.
    Badly(String),
}

/// A bare repository.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Git<'a> {
    pub(crate) repository: &'a Path,
}

/// Runs git where it finds a repository by itself.
///
/// # Errors
///
/// The system's, where it cannot be started: `NotFound` where there is no git.
pub(crate) fn plain(arguments: &[&OsStr]) -> io::Result<Ended> {
    let mut command = Command::new("git");
    command.args(arguments).stdin(Stdio::null());
    ended(command.output()?)
}

fn ended(output: std::process::Output) -> io::Result<Ended> {
    Ok(match output.status.success() {
        true => Ended::Well(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Ended::Badly(last_words(&String::from_utf8_lossy(&output.stderr))),
    })
}

impl Git<'_> {
    /// Runs git on the repository.
    ///
    /// # Errors
    ///
    /// The system's, where it cannot be started: `NotFound` where there is no git.
    pub(crate) fn run(self, arguments: &[&OsStr]) -> io::Result<Ended> {
        self.run_with(arguments, &[])
    }

    /// Runs git on the repository with variables in its environment.
    pub(crate) fn run_with(self, arguments: &[&OsStr], variables: &[(&str, &OsStr)]) -> io::Result<Ended> {
        let mut command = Command::new("git");
        // No hook and no watcher of the user's is meant for a cache.
        command.args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0"]);
        command.arg("--git-dir").arg(self.repository).args(arguments);
        STRAY.iter().for_each(|name| {
            command.env_remove(name);
        });
        command.envs(variables.iter().copied());
        let is_attended = io::stdin().is_terminal() && io::stderr().is_terminal();
        if !is_attended {
            command.env("GIT_TERMINAL_PROMPT", "0");
        }
        command.stdin(if is_attended { Stdio::inherit() } else { Stdio::null() });
        ended(command.output()?)
    }
}

/// What matters of what git says: its errors, at most a few lines.
fn last_words(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let errors = ["fatal: ", "error: ", "ERROR: ", "remote: ", "ssh: "];
    let mut words: Vec<&str> = lines.iter().copied().filter(|line| errors.iter().any(|start| line.starts_with(start))).collect();
    if words.is_empty() {
        words = lines;
    }
    words.truncate(4);
    words.join("; ")
}
