//! What was installed before a run, and how it is brought back.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;
use stead_engine::{ApplyError, FileKind, Known, Machine, ObserveError, Restore, Restorer, World};

use super::foreign;
use super::installed::{Home, Installed};
use super::tool::Tool;

/// All packages of an environment as they were: what a run brought goes, with its dependencies, and what it changed is as before. The
/// name is the environment's directory, or the interpreter.
pub(crate) static PIP: Restorer = Restorer {
    kind: "pip",
    is_tree: false,
    look: |world, name| Ok(serde_json::json!({ "installed": of(world, Path::new(name))? })),
    restore: |_, before| {
        let recorded = before.get("installed").is_some_and(Json::is_object);
        match before.get("how").and_then(Tool::from_record) {
            Some(tool) if recorded && tool.was_secret() => Restore::SettingWithout(
                put_back,
                "versions that would have to be fetched again: the address of their index is secret and was not kept".into(),
            ),
            Some(_) if recorded => Restore::Setting(put_back),
            _ => Restore::Impossible("what was installed before is not known".into()),
        }
    },
};

/// What to record before pip is run for an environment.
///
/// # Errors
/// What looking fails with.
pub(super) fn record(machine: &Machine, place: &str, tool: &Tool) -> Result<(), ApplyError> {
    let installed = of(machine.world(), Path::new(place))?;
    machine.record(&PIP, place, serde_json::json!({ "installed": installed, "how": tool.recorded() }))
}

/// What pip has installed in an environment, or for an interpreter.
fn of(world: &dyn World, place: &Path) -> Result<BTreeMap<String, Arc<str>>, ObserveError> {
    Ok(Installed::look(world, &home_of(world, place)?.of_pip())?.known()?.into_versions())
}

/// Where the packages of an environment are, or those of an interpreter.
fn home_of(world: &dyn World, place: &Path) -> Result<Home, ObserveError> {
    let is_directory = matches!(world.stat(place)?, Known::Is(Some(stat)) if stat.kind == FileKind::Directory);
    if is_directory { Ok(Home::Venv(place.to_owned())) } else { Home::of(world, place)?.known() }
}

fn put_back(machine: &Machine, name: &str, before: &Json) -> Result<(), ApplyError> {
    let Some(tool) = before.get("how").and_then(Tool::from_record) else { return Ok(()) };
    let wanted: BTreeMap<&str, &str> = before
        .get("installed")
        .and_then(Json::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, version)| Some((name.as_str(), version.as_str()?)))
        .collect();
    let found = of(machine.world(), Path::new(name))?;
    // It may have changed hands since.
    foreign::refuse(machine.world(), &home_of(machine.world(), Path::new(name))?, Path::new(&*tool.python), tool.user.as_ref())?;
    let gone: Vec<Arc<str>> =
        found.keys().filter(|name| !wanted.contains_key(name.as_str())).map(|name| Arc::from(name.as_str())).collect();
    let missing: Vec<String> = wanted
        .iter()
        .filter(|(name, version)| found.get(**name).is_none_or(|found| &**found != **version))
        .map(|(name, version)| format!("{name}=={version}"))
        .collect();
    if !missing.is_empty() && tool.was_secret() {
        return Err(ObserveError::Impossible {
            code: "pip-failed",
            message: format!(
                "{} cannot be installed again: the address of the index is secret and was not kept",
                missing.join(", ")
            ),
            hint: format!("apply a source that names these versions for {name}, with the index"),
        }
        .into());
    }
    if !gone.is_empty() {
        tool.uninstall(machine, name, gone)?;
    }
    if missing.is_empty() {
        return Ok(());
    }
    // All that was there is named, each by its version: nothing else is to come.
    let mut words: Vec<Arc<str>> = vec!["--no-deps".into(), "--".into()];
    words.extend(missing.into_iter().map(Arc::from));
    tool.install(machine, name, words)
}
