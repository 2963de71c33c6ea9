//! `stead inventory`: the machines that a project knows.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value as Json, json};
use stead_catalog::{Inventory, Target};
use stead_engine::RootSpec;
use stead_report::clean;

use super::document;
use crate::args::{InventoryArguments, InventoryCommand, InventorySource};
use crate::failure::Failure;
use crate::project::{self, Loaded};
use crate::terminal::Terminal;
use crate::{inventories, machine, many};

pub(crate) fn run(arguments: &InventoryArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    match &arguments.command {
        InventoryCommand::List(list) => {
            let loaded = load(&list.source, terminal)?;
            let state = machine::state_dir(None, &RootSpec::Machine);
            let selected = inventories::select(&loaded, list.on.as_deref(), &state)?;
            if !selected.unknown.is_empty() {
                let names: Vec<&str> = selected.unknown.iter().map(|target| &*target.name).collect();
                let message =
                    format!("no facts of {}: whether the target means them is not known", inventories::shortened(&names));
                terminal.note(&format!(
                    "{}hint: `stead facts --on TARGETS` asks them\n",
                    terminal.warning_line("missing-fact", &message)
                ));
            }
            let text = match list.source.json {
                true => {
                    document(json!({ "hosts": selected.targets.iter().map(|target| host_json(target)).collect::<Vec<_>>() }))?
                }
                false => table(&selected.targets),
            };
            terminal.print(&text)?;
        }
        InventoryCommand::Show(show) => {
            let loaded = load(&show.source, terminal)?;
            let target = inventories::host(&loaded, &show.host)?;
            let text = match show.source.json {
                true => document(host_json(target))?,
                false => details(target),
            };
            terminal.print(&text)?;
        }
        InventoryCommand::Clean(arguments) => return many::clean(&arguments.on, &arguments.path, &arguments.many, terminal),
        InventoryCommand::Graph(source) => {
            let loaded = load(source, terminal)?;
            let inventory = loaded.project.inventory();
            let text = if source.json { document(graph_json(inventory))? } else { tree(inventory) };
            terminal.print(&text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Loads the project and shows what is wrong with it; with an error there is no inventory to speak of.
fn load(source: &InventorySource, terminal: &Terminal) -> Result<Loaded, Failure> {
    let loaded = project::load(&source.path, source.network)?;
    let mut diagnostics = loaded.project.diagnostics().to_vec();
    let is_about_machines = |code| matches!(code, "unread-variable" | "unread-vault" | "unmatched-pattern");
    diagnostics.retain(|diagnostic| diagnostic.is_error() || is_about_machines(diagnostic.code));
    let texts = loaded.texts(&diagnostics);
    terminal.show_diagnostics(diagnostics, &texts);
    if loaded.project.has_errors() { Err(Failure::Diagnosed) } else { Ok(loaded) }
}

fn host_json(target: &Target) -> Json {
    json!({
        "name": &*target.name,
        "address": target.address(),
        "user": target.user.as_deref(),
        "port": target.port,
        "identity": target.identity.as_deref(),
        "become": target.r#become.as_deref(),
        "local": target.is_local,
        "tags": target.tags.iter().map(|tag| &**tag).collect::<Vec<_>>(),
        "groups": target.groups.iter().map(|group| &**group).collect::<Vec<_>>(),
        "source": target.source.as_ref().map(|at| json!({ "file": &*at.file, "line": at.line, "column": at.column })),
    })
}

fn graph_json(inventory: &Inventory) -> Json {
    let words = |words: &[std::sync::Arc<str>]| words.iter().map(|word| word.to_string()).collect::<Vec<_>>();
    let groups = inventory.groups().iter().map(|group| {
        json!({ "name": &*group.name, "members": words(&group.members), "children": words(&group.children), "tags": words(&group.tags) })
    });
    json!({
        "hosts": inventory.targets().iter().map(host_json).collect::<Vec<_>>(),
        "groups": groups.collect::<Vec<_>>(),
    })
}

/// How a machine is reached: `deploy@10.0.0.1:2222`.
fn reach(target: &Target) -> String {
    if target.is_local {
        return "this machine".into();
    }
    let user = target.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let address = target.address();
    match target.port {
        Some(port) if address.contains(':') => format!("{user}[{address}]:{port}"),
        Some(port) => format!("{user}{address}:{port}"),
        None => format!("{user}{address}"),
    }
}

fn table(targets: &[&Target]) -> String {
    let mut rows = vec![["HOST".to_owned(), "REACHED AS".into(), "GROUPS".into(), "TAGS".into()]];
    rows.extend(
        targets.iter().map(|target| [target.name.to_string(), reach(target), target.groups.join(","), target.tags.join(",")]),
    );
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for [name, reach, groups, tags] in &rows {
        let line = format!("{name:0$}  {reach:1$}  {groups:2$}  {tags}", widths[0], widths[1], widths[2]);
        let _ = writeln!(text, "{}", clean(line.trim_end()));
    }
    let _ = match targets.len() {
        1 => writeln!(text, "1 host"),
        n => writeln!(text, "{n} hosts"),
    };
    text
}

fn details(target: &Target) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<11} {}", clean(value));
    };
    line("host", &target.name);
    line("reached as", &reach(target));
    if let Some(identity) = &target.identity {
        line("identity", identity);
    }
    line("works as", target.r#become.as_deref().unwrap_or("the user that logs in"));
    if !target.groups.is_empty() {
        line("groups", &target.groups.join(", "));
    }
    if !target.tags.is_empty() {
        line("tags", &target.tags.join(", "));
    }
    if let Some(source) = &target.source {
        line("declared at", &source.to_string());
    }
    text
}

/// The groups with what is in them, those outside of any other first.
fn tree(inventory: &Inventory) -> String {
    let inner: BTreeSet<&str> = inventory.groups().iter().flat_map(|group| group.children.iter().map(|child| &**child)).collect();
    let mut text = String::from("all\n");
    for group in inventory.groups().iter().filter(|group| !inner.contains(&*group.name)) {
        branch(inventory, &group.name, 1, &mut text);
    }
    for target in inventory.targets().iter().filter(|target| target.groups.is_empty()) {
        let _ = writeln!(text, "  {}", clean(&target.name));
    }
    text
}

/// There are no circles: they are mistakes of the inventory.
fn branch(inventory: &Inventory, name: &str, depth: usize, text: &mut String) {
    let Some(group) = inventory.group(name) else { return };
    let _ = writeln!(text, "{:1$}@{2}", "", depth * 2, clean(name));
    let of_children: BTreeSet<&str> = group
        .children
        .iter()
        .filter_map(|child| inventory.group(child))
        .flat_map(|child| child.members.iter().map(|member| &**member))
        .collect();
    for child in &group.children {
        branch(inventory, child, depth + 1, text);
    }
    for member in group.members.iter().filter(|member| !of_children.contains(&***member)) {
        let _ = writeln!(text, "{:1$}{2}", "", depth * 2 + 2, clean(member));
    }
}
