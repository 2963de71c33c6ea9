//! Asking hosts what would change: facts from each, a catalog compiled here for each, a plan made there.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use stead_catalog::{Catalog, Map, Plan, Target, Value};
use stead_compiler::{Diagnostic, NodeContext, Project, Severity};
use stead_engine::ssh::SshOptions;
use stead_engine::{LedgerEntry, Registry, SavedPlan, SavedPlans};
use stead_report::{NodeChanges, Overview, OverviewKind, TextOptions, json, overview_text, sort_nodes};

use super::progress::Bars;
use super::telling::{Reached, Telling};
use super::{Asked, HostFailure, Ready, Resolved, Wanted, pool};
use crate::args::{By, NodeArguments, PlanArguments, SelectArguments};
use crate::failure::Failure;
use crate::project::Loaded;
use crate::reviewed::{Demand, NOT_REVIEWED, NotReviewed};
use crate::stored::{Remarks, Said};
use crate::terminal::Terminal;
use crate::{machine, selection, stored};

/// Hosts whose workers are kept between the plan and the apply. Of more hosts, each is asked again.
const KEPT: usize = 64;

/// What every host is asked with.
pub(super) struct Asking<'a> {
    pub(super) project: &'a Project,
    pub(super) select: &'a SelectArguments,
    pub(super) ssh: &'a SshOptions,
    pub(super) fetch: bool,
    /// Hosts with nothing to do note that in their journals.
    pub(super) remember: bool,
    /// What every host is asked when it is reached.
    pub(super) telling: Telling,
    registry: &'a Registry,
    /// Workers stay for what comes next.
    pub(super) keep: bool,
    /// No host gets another catalog than was reviewed.
    pub(super) demand: Option<Demand>,
    said: Mutex<Said>,
}

impl<'a> Asking<'a> {
    pub(super) fn new(loaded: &'a Loaded, select: &'a SelectArguments, ssh: &'a SshOptions, state: &Path) -> Self {
        let telling = Telling::new(Some(loaded), state).with_ledger(loaded);
        let Loaded { project, registry, .. } = loaded;
        Self {
            project,
            registry,
            telling,
            select,
            ssh,
            fetch: true,
            remember: false,
            keep: false,
            demand: None,
            said: Mutex::default(),
        }
    }

    /// Asks every host, `forks` at a time.
    pub(super) fn all(&self, targets: Vec<Target>, forks: usize, bars: &Bars) -> Vec<Asked> {
        let keep = self.keep && targets.len() <= KEPT;
        bars.begin(targets.len(), "planned");
        let asked = pool::each(targets, pool::width(forks), |_, target| {
            let bar = bars.host(&target.name);
            bar.doing("connecting");
            let result = self.one(&target, keep, &|what| bar.doing(what));
            bars.done(bar);
            Asked { target, result }
        });
        bars.finish();
        asked
    }

    /// Compiles for every host. Returns what `then` makes of each catalog: those of all need not be kept.
    pub(super) fn compile_all<T: Send>(
        &self,
        targets: Vec<Target>,
        forks: usize,
        bars: &Bars,
        then: impl Fn(&Arc<str>, Result<&Catalog, &HostFailure>) -> T + Sync,
    ) -> Vec<(Arc<str>, T)> {
        bars.begin(targets.len(), "compiled");
        let made = pool::each(targets, pool::width(forks), |_, target| {
            let bar = bars.host(&target.name);
            let reached = self.telling.reach(&target, self.ssh);
            let catalog = reached.and_then(|reached| self.compile(&target, &reached.facts, &[]));
            let made = then(&target.name, catalog.as_ref());
            bars.done(bar);
            (target.name, made)
        });
        bars.finish();
        made
    }

    /// Asks one host.
    pub(super) fn one(&self, target: &Target, keep: bool, doing: &dyn Fn(&str)) -> Result<Ready, HostFailure> {
        let Reached { mut remote, facts, ledger } = self.telling.reach(target, self.ssh)?;
        doing("compiling");
        let catalog = self.compile(target, &facts, &ledger)?;
        doing("planning");
        let planned = remote.plan(&catalog, self.fetch, self.remember)?;
        let wanted = Wanted::Catalog(Arc::new(catalog));
        Ok(Ready { remote: keep.then_some(remote), wanted, planned, withheld: Vec::new() })
    }

    /// Compiles for one host, with what the project made there and declares no longer; what there is to say is kept for later.
    pub(super) fn compile(&self, target: &Target, facts: &Map, made: &[LedgerEntry]) -> Result<Catalog, HostFailure> {
        let name: Arc<str> = format!("facts of {}", target.name).into();
        let text = json::pretty(&json::facts_json(&Value::Map(Arc::new(facts.clone())))).unwrap_or_default();
        let (facts, mut found) = stead_compiler::facts::from_json(&name, text.as_bytes(), self.project.facts_type());
        let mut catalog = None;
        if !found.iter().any(Diagnostic::is_error) {
            let node = NodeContext {
                name: target.name.clone(),
                facts,
                tags: target.tags.clone(),
                groups: target.groups.clone(),
                packages: None,
            };
            if let Some(demand) = &self.demand {
                let refused = |found: NotReviewed| HostFailure::new(NOT_REVIEWED, found.message, Some(found.hint));
                demand.check(&node).map_err(refused)?;
            }
            let (compiled, more) = stead_compiler::compile(self.project, &node);
            found.extend(more);
            catalog = compiled;
        }
        found.retain(|diagnostic| diagnostic.severity != Severity::Hint);
        let first = found.iter().find(|diagnostic| diagnostic.is_error()).map(|diagnostic| {
            HostFailure::new(diagnostic.code, format!("its catalog cannot be made: {}", diagnostic.message), None)
        });
        let names_facts = found.iter().flat_map(|diagnostic| &diagnostic.labels).any(|label| label.file == name);
        let facts = names_facts.then(|| (name, text.into()));
        self.said.lock().unwrap_or_else(PoisonError::into_inner).take(Remarks { found, facts });
        let catalog = catalog.ok_or_else(|| first.expect("there is an error where there is no catalog"))?;
        let catalog = match self.select.keep_orphans {
            true => catalog,
            false => stead_engine::with_orphans(catalog, made, self.registry),
        };
        selection::select(catalog, self.select).map_err(HostFailure::from)
    }

    /// Shows what there is to say about the source.
    pub(super) fn show_diagnostics(&self, loaded: &Loaded, terminal: &Terminal) {
        self.telling.show_problems(terminal);
        let said = std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner));
        // Mistakes of the sources are those of every catalog already.
        let said = if self.project.has_errors() { said } else { said.with_project(self.project) };
        said.show(loaded, terminal);
    }
}

/// Tells which hosts have no plan, and why.
pub(super) fn show_failures(asked: &[Asked], terminal: &Terminal) -> usize {
    let failed = asked.iter().filter_map(|asked| Some((&asked.target.name, asked.result.as_ref().err()?)));
    let mut hinted = HashSet::new();
    let line = |(name, failure): (&Arc<str>, &HostFailure)| {
        // A hundred hosts with one reason need its way out once.
        let hint = failure.hint.clone().filter(|_| hinted.insert(failure.code.clone()));
        terminal.host_line(name, &HostFailure { hint, ..failure.clone() })
    };
    let lines: Vec<String> = failed.map(line).collect();
    terminal.note(&lines.concat());
    lines.len()
}

/// The plans of hosts as one.
pub(super) fn overview(asked: &[Asked], keeps_all: bool) -> Overview {
    let mut overview = Overview::new(OverviewKind::Plan);
    if keeps_all {
        overview = overview.keeping_all();
    }
    let mut nodes: Vec<&Asked> = asked.iter().collect();
    sort_nodes(&mut nodes, |asked| &asked.target.name);
    for Asked { target, result } in nodes {
        overview.add(match result {
            Ok(ready) => {
                let resources = ready.wanted.catalog().into_iter().flat_map(|catalog| &catalog.resources);
                let mut states: HashMap<_, _> = resources.map(|resource| (&resource.id, &resource.path)).collect();
                NodeChanges::of(ready.planned.plan.clone(), |id| states.remove(id).cloned().unwrap_or_default())
            }
            Err(failure) => NodeChanges::failed(target.name.clone(), failure.code.as_str(), failure.message.as_str()),
        });
    }
    overview
}

/// The plans of hosts as text.
pub(super) fn plans_text(asked: &[Asked], by: By, options: &TextOptions) -> String {
    overview_text(&overview(asked, false), by.into(), options)
}

/// `stead plan --on`.
pub(crate) fn plan(on: &str, arguments: &PlanArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    refuse_alone(on, &arguments.source.node, &[(arguments.machine.root.is_some(), "--root")])?;
    let loaded = crate::project::load(&arguments.source.path, arguments.source.network)?;
    stored::stop_at_mistakes(&loaded, terminal)?;
    let state = machine::state_dir(arguments.machine.state_dir.as_deref(), &stead_engine::RootSpec::Machine);
    let Resolved { targets, unknown, mut ssh } = super::resolve(on, Some(&loaded), &state, &arguments.many, terminal)?;
    ssh.cancel = crate::running::give_up_on_signals();
    let mut asking = Asking::new(&loaded, &arguments.select, &ssh, &state);
    asking.fetch = !arguments.fetch.no_fetch;
    let mut asked = asking.all(targets, arguments.many.ssh.forks(), &Bars::new(!arguments.overview.json));
    asked.extend(unknown.into_iter().map(Asked::from));
    asking.show_diagnostics(&loaded, terminal);
    let plans: Vec<&Plan> = asked.iter().filter_map(|asked| Some(&asked.result.as_ref().ok()?.planned.plan)).collect();
    let overview = overview(&asked, arguments.overview.json);
    crate::overview::show(&overview, &arguments.overview, &format!("Plan for {on}"), true, terminal)?;
    if let Some(file) = &arguments.output {
        save(file, on, &asked, arguments, terminal)?;
    }
    let failed = show_failures(&asked, terminal);
    let is_incomplete = plans.iter().any(|plan| plan.resources.iter().any(|resource| resource.error.is_some()));
    let is_pending = plans.iter().any(|plan| !plan.is_empty());
    Ok(if failed > 0 || is_incomplete {
        ExitCode::FAILURE
    } else if is_pending && arguments.detailed_exitcode {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    })
}

/// Options that are about this machine, or about one node, make no sense for others.
pub(super) fn refuse_alone(on: &str, node: &NodeArguments, others: &[(bool, &'static str)]) -> Result<(), Failure> {
    refuse_given(on, &[(node.node.is_some(), "--node"), (node.facts.is_some(), "--facts")])?;
    refuse_given(on, others)
}

/// Fails for the first option that is given and that makes no sense for other machines.
pub(super) fn refuse_given(on: &str, options: &[(bool, &'static str)]) -> Result<(), Failure> {
    match options.iter().find(|(given, _)| *given) {
        Some((_, option)) => Err(Failure::OnlyHere { option, on: on.to_owned() }),
        None => Ok(()),
    }
}

/// Saves the plan of every host that has one, for `stead apply FILE`.
fn save(file: &Path, on: &str, asked: &[Asked], arguments: &PlanArguments, terminal: &Terminal) -> Result<(), Failure> {
    let plans: Vec<SavedPlan> =
        asked.iter().filter_map(|asked| Some(asked.result.as_ref().ok()?.planned.saved.clone())).collect();
    let project = std::path::absolute(&arguments.source.path).unwrap_or_else(|_| arguments.source.path.clone());
    let hosts = super::summary::hosts(plans.len());
    let saved = SavedPlans::new(&project.to_string_lossy(), on, selection::to_words(&arguments.select), plans);
    saved.write(file).map_err(|source| Failure::SavedPlan { path: file.to_owned(), source })?;
    let file = stead_report::clean(&file.to_string_lossy()).into_owned();
    terminal.note(&format!("\nsaved to {file} for {hosts}; `stead apply {file}` carries it out, once\n"));
    Ok(())
}
