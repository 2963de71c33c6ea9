//! What hosts tell about themselves: asked in one round, checked, and kept with their age.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use stead_catalog::{Map, Target, Value};
use stead_engine::ssh::{self, SshOptions};
use stead_report::json;

use super::{HostFailure, pool};
use crate::args::FactsArguments;
use crate::failure::Failure;
use crate::machine;
use crate::terminal::Terminal;

/// Keeps what a host has told. What cannot be kept is asked again.
pub(super) fn keep(state: &Path, node: &str, facts: &Map) {
    let _ = try_keep(state, node, facts);
}

fn try_keep(state: &Path, node: &str, facts: &Map) -> io::Result<()> {
    let place = place(state, node);
    if let Some(directory) = place.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let text = json::pretty(&json::facts_json(&Value::Map(Arc::new(facts.clone())))).map_err(io::Error::other)?;
    let new = place.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    fs::rename(new, place)
}

fn place(state: &Path, node: &str) -> PathBuf {
    state.join("facts").join(format!("{}.json", machine::escaped(Path::new(node))))
}

/// What a host has told before, as JSON, unless that is too long ago.
fn kept(state: &Path, node: &str, max_age: Duration) -> Option<(Duration, serde_json::Value)> {
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
    let targets = super::resolve(on, &super::inventory(&arguments.project)?, &arguments.many)?;
    let options = super::ssh_options(&arguments.many.ssh, terminal)?;
    let state = machine::state_dir(None, &stead_engine::RootSpec::Machine);
    let max_age = arguments.max_age.map(Duration::from_nanos);
    let width = pool::width(arguments.many.ssh.forks);
    let told = pool::each(targets, width, |_, target| {
        let told = tell(&target, &options, &state, max_age);
        (target, told)
    });
    let mut failed = false;
    let mut nodes = serde_json::Map::new();
    let store = arguments.store.then(|| crate::project::root_of(&arguments.project)).transpose()?;
    let store = store.map(|root| root.join(&*crate::dependencies::read_config(&root).facts.directory));
    for (target, told) in told {
        match told {
            Err(failure) => {
                failed = true;
                terminal.note(&terminal.host_line(&target.name, &failure));
            }
            Ok((_, facts)) if store.is_some() => {
                let Some(directory) = &store else { continue };
                let file = store_facts(directory, &target.name, &facts)?;
                terminal.print(&format!("{}: stored in {}\n", stead_report::clean(&target.name), file.display()))?;
            }
            Ok((age, facts)) if arguments.json => {
                let age = age.map(|age| age.as_secs());
                let node = serde_json::json!({ "age_s": age.unwrap_or(0), "facts": facts["facts"] });
                nodes.insert(target.name.to_string(), node);
            }
            Ok((age, facts)) => {
                let age = age.map_or_else(String::new, |age| format!("  (told {} s ago)", age.as_secs()));
                let text = format!("{}{age}\n{}\n", stead_report::clean(&target.name), facts_text(&facts["facts"]));
                terminal.print(&text)?;
            }
        }
    }
    if arguments.json && store.is_none() {
        let document = serde_json::json!({ "format_version": json::FORMAT_VERSION, "nodes": nodes });
        terminal.print(&json::pretty(&document).map_err(|error| Failure::Output(error.into()))?)?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Stores what a host tells as `NODE.json`: written beside, and put in its place.
fn store_facts(directory: &Path, node: &str, facts: &serde_json::Value) -> Result<PathBuf, Failure> {
    let file = directory.join(format!("{node}.json"));
    let unwritable = |source| Failure::Unwritable { path: file.clone(), source };
    // What would lie elsewhere, or be hidden, is never found again.
    if node.contains('/') || node.starts_with('.') {
        return Err(unwritable(io::Error::other("the name of the node is no name of a file")));
    }
    fs::create_dir_all(directory).map_err(unwritable)?;
    let text = json::document(serde_json::json!({ "facts": facts["facts"] })).map_err(|error| unwritable(error.into()))?;
    let mut beside =
        tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o644)).tempfile_in(directory).map_err(unwritable)?;
    beside.write_all(text.as_bytes()).map_err(unwritable)?;
    beside.persist(&file).map_err(|error| unwritable(error.error))?;
    Ok(file)
}

/// One line a value, named as the language names it.
fn facts_text(facts: &serde_json::Value) -> String {
    fn write(text: &mut String, name: &str, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(map) if !map.is_empty() => {
                for (key, value) in map {
                    let is_word = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                        && !key.starts_with(|c: char| c.is_ascii_digit());
                    let step = if is_word { format!(".{key}") } else { format!("[{}]", Value::string(key.as_str())) };
                    write(text, &format!("{name}{step}"), value);
                }
            }
            serde_json::Value::Null => {
                let _ = writeln!(text, "{} = none", stead_report::clean(name));
            }
            value => {
                let _ = writeln!(text, "{} = {}", stead_report::clean(name), stead_report::clean(&value.to_string()));
            }
        }
    }
    let mut text = String::new();
    write(&mut text, "facts", facts);
    text
}

type Told = (Option<Duration>, serde_json::Value);

fn tell(target: &Target, options: &SshOptions, state: &Path, max_age: Option<Duration>) -> Result<Told, HostFailure> {
    if let Some((age, facts)) = max_age.and_then(|max_age| kept(state, &target.name, max_age)) {
        return Ok((Some(age), facts));
    }
    let (remote, _) = ssh::connect(target, options);
    let remote = remote?;
    keep(state, &target.name, &remote.facts);
    Ok((None, json::facts_json(&Value::Map(Arc::new(remote.facts.clone())))))
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
}
