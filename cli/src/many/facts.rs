//! What hosts tell about themselves: asked in one round, checked, and kept with their age.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use stead_catalog::{Map, Target, Value};
use stead_engine::ssh::SshOptions;
use stead_report::json;

use super::telling::Telling;
use super::{HostFailure, pool};
use crate::args::FactsArguments;
use crate::failure::Failure;
use crate::machine;
use crate::project::Loaded;
use crate::terminal::Terminal;

/// Keeps what a host has told. What cannot be kept is asked again.
pub(super) fn keep(state: &Path, node: &str, facts: &Map) {
    let _ = crate::told::keep(&place(state, node), facts);
}

pub(super) fn place(state: &Path, node: &str) -> PathBuf {
    state.join("facts").join(format!("{}.json", machine::escaped(Path::new(node))))
}

/// What a host has told before, as JSON, unless that is too long ago.
pub(crate) fn kept(state: &Path, node: &str, max_age: Duration) -> Option<(Duration, serde_json::Value)> {
    let place = place(state, node);
    let modified = fs::metadata(&place).and_then(|metadata| metadata.modified()).ok()?;
    let age = SystemTime::now().duration_since(modified).unwrap_or_default();
    if age > max_age {
        return None;
    }
    let text = fs::read_to_string(place).ok()?;
    Some((age, serde_json::from_str::<serde_json::Value>(&text).ok()?))
}

/// `stead facts --on`.
pub(crate) fn facts(on: &str, arguments: &FactsArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let loaded = super::project(&arguments.project, terminal)?;
    let state = machine::state_dir(None, &stead_engine::RootSpec::Machine);
    let resolved = super::resolve(on, loaded.as_ref(), &state, &arguments.many, terminal)?;
    let telling = Telling::new(loaded.as_ref(), &state);
    let max_age = arguments.max_age.map(Duration::from_nanos);
    let width = pool::width(arguments.many.ssh.forks());
    let told = pool::each(resolved.targets, width, |_, target| {
        let told = tell(&target, &resolved.ssh, &telling, &state, max_age);
        (target, told)
    });
    telling.show_problems(terminal);
    let told = told.into_iter().chain(resolved.unknown.into_iter().map(|(target, failure)| (target, Err(failure))));
    let project = loaded.as_ref();
    let store = match (arguments.store, project) {
        (false, _) => None,
        (true, Some(loaded)) => Some(loaded.root.join(&*loaded.project.config().facts.directory)),
        (true, None) => return Err(Failure::NotAProject { path: arguments.project.clone(), suggestion: None }),
    };
    let mut failed = false;
    let mut nodes = serde_json::Map::new();
    for (target, told) in told {
        let shown = told.and_then(|(age, facts)| match &store {
            Some(directory) => store_one(directory, &target.name, &facts).map(Some),
            None if arguments.json => {
                let age = age.map_or(0, |age| age.as_secs());
                nodes.insert(target.name.to_string(), serde_json::json!({ "age_s": age, "facts": facts["facts"] }));
                Ok(None)
            }
            None => Ok(Some(text(&target.name, age, &facts, project))),
        });
        match shown {
            Ok(text) => terminal.print(&text.unwrap_or_default())?,
            Err(failure) => {
                failed = true;
                terminal.note(&terminal.host_line(&target.name, &failure));
                let error = json::ErrorDocument::from(failure);
                nodes.insert(target.name.to_string(), serde_json::json!({ "error": error }));
            }
        }
    }
    if arguments.json && store.is_none() {
        let document = serde_json::json!({ "format_version": json::FORMAT_VERSION, "nodes": nodes });
        terminal.print(&json::pretty(&document).map_err(|error| Failure::Output(error.into()))?)?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The facts of a host as a local `stead facts` shows them, with their age.
fn text(name: &str, age: Option<Duration>, told: &serde_json::Value, project: Option<&Loaded>) -> String {
    let built_in = stead_catalog::facts_type();
    let facts_type = project.map_or(&built_in, |loaded| loaded.project.facts_type());
    let file: Arc<str> = format!("facts of {name}").into();
    let (facts, _) = stead_compiler::facts::from_json(&file, told.to_string().as_bytes(), facts_type);
    let age = age.map_or_else(String::new, |age| format!("  (told {} s ago)", age.as_secs()));
    format!("{}{age}\n{}\n", stead_report::clean(name), crate::commands::facts_text(facts))
}

/// Writes what a node told into the project, where it differs from what is there; says what it did.
fn store_one(directory: &Path, name: &str, told: &serde_json::Value) -> Result<String, HostFailure> {
    let cannot = |why: String| HostFailure::new("unwritable-file", format!("its facts cannot be stored: {why}"), None);
    if name.contains('/') || name.starts_with('.') {
        return Err(cannot("its name is no name of a file".into()));
    }
    let path = directory.join(format!("{name}.json"));
    let text = json::pretty(told).map_err(|error| cannot(error.to_string()))?;
    let is_new = replace(&path, &text).map_err(|error| cannot(format!("{}: {error}", path.display())))?;
    let what = if is_new { "stored in" } else { "unchanged in" };
    Ok(format!("{}: {what} {}\n", stead_report::clean(name), stead_report::clean(&path.to_string_lossy())))
}

/// Writes a file beside itself and renames it into place, with the mode it had. A link in its place is replaced, and not followed.
fn replace(path: &Path, text: &str) -> io::Result<bool> {
    let old = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file);
    if old.is_some() && fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mode = old.map_or(0o644, |old| old.mode() & 0o777);
    crate::beside::write(path, text.as_bytes(), mode).map(|()| true)
}

type Told = (Option<Duration>, serde_json::Value);

fn tell(
    target: &Target,
    options: &SshOptions,
    telling: &Telling,
    state: &Path,
    max_age: Option<Duration>,
) -> Result<Told, HostFailure> {
    if let Some((age, facts)) = max_age.and_then(|max_age| kept(state, &target.name, max_age)) {
        return Ok((Some(age), facts));
    }
    let reached = telling.reach(target, options)?;
    Ok((None, json::facts_json(&Value::Map(Arc::new(reached.facts)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_kept_until_they_are_too_old() {
        let directory = tempfile::tempdir().expect("a directory");
        let facts: Map = [(Arc::from("hostname"), Value::string("web-1"))].into_iter().collect();
        keep(directory.path(), "../web/1", &facts);
        let (_, told) = kept(directory.path(), "../web/1", Duration::from_secs(60)).expect("kept");
        assert_eq!(told["facts"]["hostname"], "web-1");
        assert!(kept(directory.path(), "../web/1", Duration::ZERO).is_none());
        assert!(kept(directory.path(), "web-2", Duration::from_secs(60)).is_none());
        assert_eq!(fs::read_dir(directory.path().join("facts")).expect("a directory").count(), 1, "no name leads out");
    }

    #[test]
    fn facts_are_stored_where_they_differ_and_through_no_link() {
        let directory = tempfile::tempdir().expect("a directory");
        let facts = directory.path().join("facts");
        let told = serde_json::json!({ "format_version": "1.0", "facts": { "hostname": "web-1" } });
        let path = facts.join("web-1.json");
        assert!(store_one(&facts, "web-1", &told).expect("stored").contains("stored in"));
        assert!(store_one(&facts, "web-1", &told).expect("stored").contains("unchanged in"));
        fs::remove_file(&path).expect("removed");
        let other = directory.path().join("other");
        fs::write(&other, "mine").expect("written");
        std::os::unix::fs::symlink(&other, &path).expect("a link");
        assert!(store_one(&facts, "web-1", &told).expect("stored").contains("stored in"));
        assert_eq!(fs::read_to_string(&other).expect("read"), "mine");
        assert!(fs::symlink_metadata(&path).expect("there").is_file());
        for name in ["../web-1", "a/b", ".hidden"] {
            assert_eq!(store_one(&facts, name, &told).expect_err("no name of a file").code, "unwritable-file");
        }
        assert_eq!(fs::read_dir(&facts).expect("a directory").count(), 1, "nothing is left beside it");
    }
}
