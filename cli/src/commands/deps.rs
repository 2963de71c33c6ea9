//! `stead deps`: the repositories that a project depends on.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use stead_report::clean;

use crate::args::{DepsArguments, DepsCommand};
use crate::dependencies::{self, Cache, DependencyError, LOCK_FILE, Lock, Pinned, Pinning, masked, read_config, reference_text};
use crate::failure::Failure;
use crate::project;
use crate::terminal::Terminal;

/// How much of a commit is shown, in digits.
const SHOWN: usize = 10;

pub(crate) fn run(arguments: &DepsArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    match &arguments.command {
        DepsCommand::List(arguments) => list(&project::root_of(&arguments.path)?, terminal),
        DepsCommand::Fetch(arguments) => {
            change(&project::root_of(&arguments.path)?, &Pinning::Completed, arguments.offline, terminal)
        }
        DepsCommand::Update(arguments) => {
            let names: BTreeSet<String> = arguments.only.iter().cloned().collect();
            change(&project::root_of(&arguments.path)?, &Pinning::Renewed(names), false, terminal)
        }
    }
}

/// Shows what is pinned, and whether it is there.
fn list(root: &Path, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let lock = Lock::read(root)?;
    let cache = Cache::of_user(true);
    let mut rows: Vec<[String; 4]> = Vec::new();
    for (name, pinned) in lock.iter() {
        let is_there = if cache.has_tree(&pinned.url, &pinned.commit) { "fetched" } else { "not fetched" };
        let from = format!("{} {}", masked(&pinned.url), reference_text(&pinned.reference));
        rows.push([name.to_string(), short(&pinned.commit), is_there.to_owned(), from]);
    }
    let missing = read_config(root).dependencies;
    for name in missing.iter().filter(|(name, dependency)| {
        lock.get(name).is_none() && matches!(dependency.source, stead_compiler::config::DependencySource::Git { .. })
    }) {
        rows.push([name.0.to_string(), "-".to_owned(), "not pinned".to_owned(), String::new()]);
    }
    rows.sort();
    terminal.print(&table(&rows))?;
    Ok(ExitCode::SUCCESS)
}

/// Changes the lock, fetches what it pins, and shows what is different.
fn change(root: &Path, pinning: &Pinning, is_offline: bool, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let before = Lock::read(root)?;
    let config = read_config(root);
    if let Pinning::Renewed(names) = pinning {
        let known = || config.dependencies.keys().chain(before.iter().map(|(name, _)| name)).map(|name| &**name);
        if let Some(name) = names.iter().find(|name| known().all(|known| known != name.as_str())) {
            let closest = stead_catalog::closest(name, known()).map(str::to_owned);
            return Err(DependencyError::Unknown { name: name.clone(), closest }.into());
        }
    }
    let found = dependencies::find(&config, &before, pinning, &Cache::of_user(is_offline))?;
    if found.lock != before {
        let path = root.join(LOCK_FILE);
        found.lock.write(root).map_err(|source| Failure::Unwritable { path, source })?;
    }
    let rows = differences(&before, &found.lock);
    let verdict = match (rows.is_empty(), found.lock.iter().count()) {
        (true, 0) => "the project depends on no repository\n".to_owned(),
        (true, _) => format!("{LOCK_FILE} is as it was\n"),
        (false, _) => format!("{LOCK_FILE} is written\n"),
    };
    terminal.print(&(table(&rows) + &verdict))?;
    Ok(ExitCode::SUCCESS)
}

fn differences(before: &Lock, after: &Lock) -> Vec<[String; 4]> {
    let from = |pinned: &Pinned| format!("{} {}", masked(&pinned.url), reference_text(&pinned.reference));
    let mut rows = Vec::new();
    for (name, pinned) in after.iter() {
        match before.get(name) {
            Some(same) if same == pinned => {}
            Some(other) => {
                let commits = format!("{} -> {}", short(&other.commit), short(&pinned.commit));
                rows.push(["updated".to_owned(), name.to_string(), commits, from(pinned)]);
            }
            None => rows.push(["added".to_owned(), name.to_string(), short(&pinned.commit), from(pinned)]),
        }
    }
    for (name, pinned) in before.iter().filter(|(name, _)| after.get(name).is_none()) {
        rows.push(["removed".to_owned(), name.to_string(), short(&pinned.commit), from(pinned)]);
    }
    rows
}

fn short(commit: &str) -> String {
    commit.chars().take(SHOWN).collect()
}

/// Rows with their columns aligned.
fn table(rows: &[[String; 4]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for [a, b, c, d] in rows {
        let line = format!("{a:0$}  {b:1$}  {c:2$}  {d}", widths[0], widths[1], widths[2]);
        text.push_str(&clean(line.trim_end()));
        text.push('\n');
    }
    text
}
