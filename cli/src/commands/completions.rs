//! `stead completions`: the completions of a shell.

use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::args::{Arguments, CompletionsArguments};
use crate::failure::Failure;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &CompletionsArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "stead", &mut script);
    terminal.print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
