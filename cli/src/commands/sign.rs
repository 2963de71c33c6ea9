//! `stead sign`: a signature over a saved plan.

use std::path::PathBuf;
use std::process::ExitCode;

use stead_engine::{SavedPlan, SavedPlans};
use stead_report::counted;

use crate::args::SignArguments;
use crate::failure::Failure;
use crate::signatures;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &SignArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    // What is no plan, or a damaged one, is not signed.
    let failed = |source| Failure::SavedPlan { path: arguments.plan.clone(), source };
    let plans = match SavedPlans::is_one(&arguments.plan) {
        true => SavedPlans::read(&arguments.plan).map_err(failed)?.plans,
        false => vec![SavedPlan::read(&arguments.plan).map_err(failed)?],
    };
    let home = || std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let key = arguments.key.clone().unwrap_or_else(|| home().join(".ssh/id_ed25519"));
    let path = signatures::sign(&arguments.plan, &key)?;
    let changes: usize = plans.iter().map(|plan| plan.changes.len()).sum();
    let what = counted(changes, "change");
    let node = match plans.as_slice() {
        [plan] => stead_report::clean(&plan.node).into_owned(),
        plans => format!("{} nodes", plans.len()),
    };
    terminal.print(&format!("signed {what} on {node}: {}\n", stead_report::clean(&path.to_string_lossy())))?;
    Ok(ExitCode::SUCCESS)
}
