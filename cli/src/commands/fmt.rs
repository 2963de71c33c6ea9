//! `stead fmt`: source files in the one style there is.

use std::process::ExitCode;

use crate::args::FmtArguments;
use crate::failure::Failure;
use crate::terminal::Terminal;

pub(crate) fn run(_arguments: &FmtArguments, _terminal: &Terminal) -> Result<ExitCode, Failure> {
    Ok(ExitCode::SUCCESS)
}
