//! `stead check --on`: what is wrong with the source for hosts as they are, from facts that they tell now.

use std::process::ExitCode;

use stead_engine::RootSpec;

use super::plan::{Asking, stop_at_mistakes};
use super::progress::Bars;
use super::summary;
use crate::args::{CheckArguments, SelectArguments};
use crate::failure::Failure;
use crate::machine;
use crate::terminal::Terminal;

/// Compiles for each host.
pub(crate) fn check(on: &str, arguments: &CheckArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if arguments.json {
        return Err(Failure::OnlyHere { option: "--json", on: on.to_owned() });
    }
    let loaded = crate::project::load_with(&arguments.source.path, arguments.source.network, crate::project::Secrets::WhereOpen)?;
    stop_at_mistakes(&loaded, terminal)?;
    let targets = super::resolve(on, loaded.project.inventory(), &arguments.many)?;
    let ssh = super::ssh_options(&arguments.many.ssh, terminal)?;
    let everything = SelectArguments::default();
    let asking = Asking::new(&loaded.project, &everything, &ssh, machine::state_dir(None, &RootSpec::Machine));
    let counted = asking.compile_all(targets, arguments.many.ssh.forks, &Bars::new(true));
    asking.show_diagnostics(&loaded, terminal);
    let mut failed = false;
    let mut resources = 0;
    for (name, count) in &counted {
        match count {
            Ok(count) => resources += count,
            Err(failure) => {
                failed = true;
                terminal.note(&terminal.host_line(name, failure));
            }
        }
    }
    if failed {
        return Ok(ExitCode::FAILURE);
    }
    terminal.print(&format!("no mistakes; {resources} resources for {}\n", summary::hosts(counted.len())))?;
    Ok(ExitCode::SUCCESS)
}
