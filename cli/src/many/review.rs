//! `stead review --live`: both revisions planned on the hosts, and what the new one changes there that the old one would not.

use std::process::ExitCode;
use std::sync::Arc;

use stead_catalog::{Plan, PlannedResource, Target};
use stead_report::{NodeChanges, Overview, OverviewKind, sort_nodes};

use super::plan::Asking;
use super::progress::Bars;
use super::telling::Reached;
use super::{HostFailure, Resolved, pool};
use crate::args::{ReviewArguments, SelectArguments};
use crate::failure::Failure;
use crate::project::{self, Loaded};
use crate::review::Tree;
use crate::terminal::Terminal;
use crate::{machine, overview, stored};

/// What `--detailed-exitcode` says when something differs.
const DIFFERS: u8 = 2;

/// What a host gets of the new revision.
struct Compared {
    plan: Plan,
    states: Vec<(stead_catalog::ResourceId, Vec<Arc<str>>)>,
    /// How many of its changes are due with the old revision as well, and left out.
    due: usize,
    /// The old revision is there, and has no catalog for the host.
    lacks_base: bool,
}

/// Plans both revisions on the hosts, and shows how they differ there. Changes nothing.
pub(crate) fn review(base: &Tree, head: &Tree, arguments: &ReviewArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let new = load(head, arguments, terminal)?;
    stored::stop_at_mistakes(&new, terminal)?;
    let old = load_base(base, arguments, terminal);
    let on = arguments.on.as_deref().unwrap_or("*");
    let state = machine::state_dir(None, &stead_engine::RootSpec::Machine);
    let everything = SelectArguments::default();
    let Resolved { targets, unknown, ssh } = super::resolve(on, Some(&new), &state, &arguments.many, terminal)?;
    let asking = Asking::new(&new, &everything, &ssh, &state);
    let before = old.as_ref().map(|old| Asking::new(old, &everything, &ssh, &state));
    let bars = Bars::new(!arguments.overview.json);
    bars.begin(targets.len(), "planned");
    let mut compared = pool::each(targets, pool::width(arguments.many.ssh.forks()), |_, target| {
        let bar = bars.host(&target.name);
        let compared = one(&target, &asking, before.as_ref(), &|what| bar.doing(what));
        bars.done(bar);
        (target, compared)
    });
    bars.finish();
    compared.extend(unknown.into_iter().map(|(target, failure)| (target, Err(failure))));
    asking.show_diagnostics(&new, terminal);
    sort_nodes(&mut compared, |(target, _)| &target.name);
    let mut overview = overview::new(OverviewKind::Plan, &arguments.overview);
    tell_without_base(&compared, base, terminal);
    let due = add_all(&mut overview, compared, terminal);
    overview::show(&overview, &arguments.overview, &arguments.range, false, terminal)?;
    if due > 0 {
        let changes = if due == 1 { "1 change is".to_owned() } else { format!("{due} changes are") };
        terminal.note(&format!("{changes} due with {} as well, and not shown\n", stead_report::clean(base.name())));
    }
    Ok(match (overview.has_errors(), overview.is_empty()) {
        (true, _) => ExitCode::FAILURE,
        (false, false) if arguments.detailed_exitcode => ExitCode::from(DIFFERS),
        _ => ExitCode::SUCCESS,
    })
}

/// The old revision, where it can be loaded: what is wrong with it does not stop the review of its mend.
fn load_base(base: &Tree, arguments: &ReviewArguments, terminal: &Terminal) -> Option<Loaded> {
    if !base.has_project() {
        return None;
    }
    let why = match load(base, arguments, terminal) {
        Ok(old) if !old.project.has_errors() => return Some(old),
        Ok(_) => "has mistakes".to_owned(),
        Err(failure) => format!("cannot be loaded ({failure})"),
    };
    let text = format!("{} {why}: all that is due on the hosts is shown", base.name());
    terminal.note(&format!("{}\n", stead_report::clean(&text)));
    None
}

/// Names the hosts for which the old revision has no catalog.
fn tell_without_base(compared: &[(Target, Result<Compared, HostFailure>)], base: &Tree, terminal: &Terminal) {
    let lacks = |(target, compared): &'_ (Target, Result<Compared, HostFailure>)| {
        compared.as_ref().is_ok_and(|compared| compared.lacks_base).then(|| target.name.clone())
    };
    let names: Vec<Arc<str>> = compared.iter().filter_map(lacks).collect();
    if !names.is_empty() {
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        let names = crate::inventories::shortened(&names);
        let text = format!("{} has mistakes for {names}: all that is due there is shown", base.name());
        terminal.note(&format!("{}\n", stead_report::clean(&text)));
    }
}

fn load(tree: &Tree, arguments: &ReviewArguments, terminal: &Terminal) -> Result<Loaded, Failure> {
    let loaded = project::load(tree.path(), arguments.network)?;
    if loaded.project.has_errors() {
        terminal.note(&format!("in {}:\n", stead_report::clean(tree.name())));
    }
    Ok(loaded)
}

/// Puts the hosts together. Returns how many changes were left out.
fn add_all(overview: &mut Overview, compared: Vec<(Target, Result<Compared, HostFailure>)>, terminal: &Terminal) -> usize {
    let mut due = 0;
    for (target, compared) in compared {
        match compared {
            Ok(compared) => {
                due += compared.due;
                let mut states: std::collections::HashMap<_, _> = compared.states.into_iter().collect();
                overview.add(NodeChanges::of(compared.plan, |id| states.remove(id).unwrap_or_default()));
            }
            Err(failure) => {
                terminal.note(&terminal.host_line(&target.name, &failure));
                overview.add(NodeChanges::failed(target.name, failure.code.as_str(), failure.message.as_str()));
            }
        }
    }
    due
}

/// Asks one host, over one connection.
fn one(target: &Target, new: &Asking<'_>, old: Option<&Asking<'_>>, doing: &dyn Fn(&str)) -> Result<Compared, HostFailure> {
    doing("connecting");
    let Reached { mut remote, facts, ledger } = new.telling.reach(target, new.ssh)?;
    doing("planning");
    let catalog = new.compile(target, &facts, &ledger)?;
    let mut plan = remote.plan(&catalog, new.fetch, false)?.plan;
    // As the old revision knows the host; one that only ssh knows is the same to both.
    let known = old.map(|old| (old, old.project.inventory().target(&target.name).unwrap_or(target)));
    let before = known.map(|(old, target)| old.compile(target, &facts, &ledger));
    let lacks_base = matches!(before, Some(Err(_)));
    let before = match before {
        Some(Ok(catalog)) => remote.plan(&catalog, new.fetch, false)?.plan.resources,
        _ => Vec::new(),
    };
    let all = plan.resources.len();
    plan.resources.retain(|resource| !is_due(resource, &before));
    let states = catalog.resources.iter().map(|resource| (resource.id.clone(), resource.path.clone())).collect();
    Ok(Compared { due: all - plan.resources.len(), states, plan, lacks_base })
}

/// Says whether the old revision would do the very same.
fn is_due(resource: &PlannedResource, before: &[PlannedResource]) -> bool {
    let is_change = resource.action != stead_catalog::Action::None;
    is_change
        && before
            .iter()
            .any(|other| other.id == resource.id && other.action == resource.action && other.changes == resource.changes)
}
