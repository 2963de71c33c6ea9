//! `stead catalog --on`: what is wanted on hosts as they are, from facts that they tell now.

use std::process::ExitCode;
use std::sync::Arc;

use stead_catalog::Catalog;
use stead_engine::RootSpec;

use super::HostFailure;
use super::plan::{Asking, refuse_alone};
use super::progress::Bars;
use crate::args::CatalogArguments;
use crate::commands::catalog::{Shown, shown_of};
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::{machine, stored};

/// Compiles for each host, and shows what came of it.
pub(crate) fn catalogs(on: &str, arguments: &CatalogArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    refuse_alone(on, &arguments.source.node, &[])?;
    let loaded = crate::project::load(&arguments.source.path, arguments.source.network)?;
    stored::stop_at_mistakes(&loaded, terminal)?;
    let state = machine::state_dir(None, &RootSpec::Machine);
    let resolved = super::resolve(on, Some(&loaded), &state, &arguments.many, terminal)?;
    let asking = Asking::new(&loaded, &arguments.select, &resolved.ssh, &state);
    let show = |name: &Arc<str>, catalog: Result<&Catalog, &HostFailure>| shown_of(arguments.json, name, catalog);
    let mut nodes = asking.compile_all(resolved.targets, arguments.many.ssh.forks(), &Bars::new(!arguments.json), show);
    let unknown = resolved.unknown.iter();
    nodes.extend(unknown.map(|(target, failure)| (target.name.clone(), shown_of(arguments.json, &target.name, Err(failure)))));
    stead_report::sort_nodes(&mut nodes, |(name, _)| name);
    asking.show_diagnostics(&loaded, terminal);
    let mut shown = Shown::new(arguments.json);
    nodes.into_iter().for_each(|(_, node)| shown.add(node));
    shown.print(terminal)
}
