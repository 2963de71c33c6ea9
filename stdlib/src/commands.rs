//! Tools of the system that a change has to be left to.

use std::sync::Arc;

use stead_catalog::Command;
use stead_engine::{ApplyError, Machine, Output, Run};

/// Lines of what a tool wrote that are told.
const LAST: usize = 20;

/// Runs a tool with its arguments.
///
/// # Errors
/// `command-failed` with what it wrote when it ends with another status than 0, and what starting it fails with.
pub(crate) fn run<'w>(machine: &Machine, words: impl IntoIterator<Item = &'w str>) -> Result<Output, ApplyError> {
    run_as(machine, words, None, |status| status == 0)
}

/// Runs a tool that may also end with another status, with a umask.
///
/// # Errors
/// As [`run`], for a status that is not `good`.
pub(crate) fn run_as<'w>(
    machine: &Machine,
    words: impl IntoIterator<Item = &'w str>,
    umask: Option<u32>,
    good: impl FnOnce(i32) -> bool,
) -> Result<Output, ApplyError> {
    let command = Command::Argv(words.into_iter().map(Arc::from).collect());
    let run = Run {
        command: command.clone(),
        user: None,
        cwd: None,
        env: vec![("LC_ALL".into(), "C.UTF-8".into())],
        timeout: None,
        stdin: None,
        secrets: Vec::new(),
        umask,
    };
    let output = machine.run(&run)?;
    if good(output.status) {
        return Ok(output);
    }
    let text = [&*output.stdout, &*output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    Err(ApplyError::Command {
        command: command.to_string(),
        status: format!("exit status {}", output.status),
        output: lines[lines.len().saturating_sub(LAST)..].join("\n"),
    })
}
