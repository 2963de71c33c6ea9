//! `stead check --on`: what is wrong with the source for hosts as they are, from facts that they tell now.

use std::process::ExitCode;

use stead_catalog::Catalog;
use stead_engine::RootSpec;

use super::plan::{Asking, refuse_alone};
use super::progress::Bars;
use super::{HostFailure, summary};
use crate::args::{CheckArguments, SelectArguments};
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::{machine, stored};

/// Compiles for each host.
pub(crate) fn check(on: &str, arguments: &CheckArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    refuse_alone(on, &arguments.source.node, &[(arguments.json, "--json"), (arguments.sarif, "--sarif")])?;
    let loaded = crate::project::load_with(&arguments.source.path, arguments.source.network, crate::project::Secrets::WhereOpen)?;
    stored::stop_at_mistakes(&loaded, terminal)?;
    let state = machine::state_dir(None, &RootSpec::Machine);
    let resolved = super::resolve(on, Some(&loaded), &state, &arguments.many, terminal)?;
    let everything = SelectArguments::default();
    let asking = Asking::new(&loaded, &everything, &resolved.ssh, &state);
    let count = |_: &_, catalog: Result<&Catalog, &HostFailure>| {
        catalog.map(|catalog| catalog.resources.len()).map_err(HostFailure::clone)
    };
    let mut counted = asking.compile_all(resolved.targets, arguments.many.ssh.forks(), &Bars::new(true), count);
    counted.extend(resolved.unknown.into_iter().map(|(target, failure)| (target.name, Err(failure))));
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
