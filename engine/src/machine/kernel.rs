//! Live settings of the kernel: files that are written in place, since they stand for a variable and cannot be replaced.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};

use rustix::fs::OFlags;
use serde_json::json;

use super::Machine;
use crate::{ApplyError, ObserveError, Restore, Restorer, World};

/// The trees in which a file is a variable of the kernel (proc_sys(5), sysfs(5)).
const TREES: [&str; 2] = ["/proc/sys", "/sys"];

/// Longest value that is read back for the journal, in bytes: the kernel gives a page at most (sysfs(5)).
const LONGEST: u64 = 64 << 10;

/// A setting is brought back by writing what it held. One that could not be read has no way back.
pub(crate) static KERNEL: Restorer = Restorer {
    kind: "kernel",
    is_tree: false,
    look,
    restore: |_, before| match before.get("value") {
        Some(serde_json::Value::String(_)) => Restore::Setting(set),
        _ => Restore::Impossible("the setting could not be read before it was written".into()),
    },
};

fn look(world: &dyn World, name: &str) -> Result<serde_json::Value, ObserveError> {
    let bytes = world.read(Path::new(name))?.known()?;
    Ok(match bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()) {
        Some(value) => json!({ "value": value }),
        None => serde_json::Value::Null,
    })
}

fn set(machine: &Machine, name: &str, before: &serde_json::Value) -> Result<(), ApplyError> {
    match before.get("value").and_then(serde_json::Value::as_str) {
        Some(value) => write(machine, Path::new(name), value.as_bytes()),
        None => Ok(()),
    }
}

pub(super) fn write(machine: &Machine, path: &Path, value: &[u8]) -> Result<(), ApplyError> {
    if !machine.world().is_live() {
        let message = format!("{} is a setting of a running kernel, and a tree has none", path.display());
        return Err(ObserveError::Unavailable { service: "the kernel", message }.into());
    }
    let is_plain = path.components().all(|part| !matches!(part, Component::ParentDir | Component::CurDir));
    if !is_plain || !TREES.iter().any(|tree| path.starts_with(tree)) {
        let message = format!("{} is no setting of the kernel: those lie below /proc/sys and /sys", path.display());
        return Err(ObserveError::Unavailable { service: "the kernel", message }.into());
    }
    let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed();
    let failed = |operation| move |error: std::io::Error| ApplyError::io(operation, path, &error);
    let mut before = Vec::new();
    // A setting that can only be written has no value to go back to.
    let readable = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path);
    let was = match readable.and_then(|file| file.take(LONGEST).read_to_end(&mut before)) {
        Ok(_) => String::from_utf8(before).ok(),
        Err(_) => None,
    };
    let name = path.to_string_lossy();
    let mut file = std::fs::OpenOptions::new().write(true).custom_flags(flags).open(path).map_err(failed("open"))?;
    machine.record(&KERNEL, &name, json!({ "value": was }))?;
    // One call: the kernel takes each write as a whole value.
    let written = file.write(value).map_err(failed("write"))?;
    if written != value.len() {
        let message = format!("{} took {written} of {} bytes", path.display(), value.len());
        return Err(ObserveError::Unavailable { service: "the kernel", message }.into());
    }
    Ok(())
}
