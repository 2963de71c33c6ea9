//! `stead confirm`: keeps what an `apply --confirm-within` did. And the guardian that undoes it when nobody does.

use std::process::ExitCode;

use crate::args::{ConfirmArguments, GuardArguments};
use crate::failure::Failure;
use crate::guard::{self, Confirmed};
use crate::machine;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &ConfirmArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let root = machine::root(&arguments.machine)?;
    let state_dir = machine::state_dir(arguments.machine.state_dir.as_deref(), &root);
    match guard::confirm(&state_dir).map_err(|source| Failure::Guard { path: state_dir.clone(), source })? {
        Confirmed::Kept => terminal.print("confirmed: what was applied stays\n")?,
        Confirmed::KeptWithoutGuardian => {
            terminal.print("confirmed: nobody was waiting any more, and what was applied is still there\n")?;
        }
        Confirmed::TooLate => return Err(Failure::ConfirmedTooLate),
        Confirmed::Nothing => return Err(Failure::NothingToConfirm),
    }
    Ok(ExitCode::SUCCESS)
}

/// The guardian: waits, and undoes.
pub(crate) fn guard(arguments: &GuardArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let root = machine::root(&arguments.machine)?;
    let state_dir = machine::state_dir(arguments.machine.state_dir.as_deref(), &root);
    guard::watch(&state_dir, &root, std::time::Duration::from_nanos(arguments.within), terminal)
}
