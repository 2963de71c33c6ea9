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
    run_command(machine, command, None, umask, good)
}

/// Runs a command of any form, with something to read.
///
/// # Errors
/// As [`run`], for a status that is not `good`.
pub(crate) fn run_command(
    machine: &Machine,
    command: Command,
    stdin: Option<Arc<[u8]>>,
    umask: Option<u32>,
    good: impl FnOnce(i32) -> bool,
) -> Result<Output, ApplyError> {
    let run = Run {
        command,
        user: None,
        cwd: None,
        env: vec![("LC_ALL".into(), "C.UTF-8".into())],
        timeout: None,
        stdin,
        secrets: Vec::new(),
        umask,
    };
    let output = machine.run(&run)?;
    if good(output.status) {
        return Ok(output);
    }
    let said = last_lines(&output);
    Err(failed(run.command.to_string(), output.status, said))
}

/// The failure of a command that ended with a status, or by a signal, and what it said.
pub(crate) fn failed(command: String, status: i32, output: String) -> ApplyError {
    let status = match status {
        signal @ 129..=192 => format!("signal {}", signal - 128),
        status => format!("exit status {status}"),
    };
    ApplyError::Command { command, status, output }
}

/// The end of what a command wrote, its errors last: most messages need no more.
pub(crate) fn last_lines(output: &Output) -> String {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = stdout.lines().chain(stderr.lines()).filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LAST)..].join("\n")
}
