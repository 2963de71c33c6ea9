//! Services that have only a script in /etc/init.d: systemd runs them, and `update-rc.d` links them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stead_catalog::Command;

use super::FileChange;
use crate::{ApplyError, EnableState, Machine, Run};

/// Run levels in which a script that is enabled is started.
const LEVELS: [&str; 4] = ["rc2.d", "rc3.d", "rc4.d", "rc5.d"];

/// Says whether a unit is a script of /etc/init.d with no unit file of its own.
pub(super) fn is_script(root: &Path, unit: &str) -> bool {
    let Some(name) = unit.strip_suffix(".service") else { return false };
    let own = crate::units::DIRECTORIES
        .iter()
        .any(|directory| root.join(directory.trim_start_matches('/')).join(unit).symlink_metadata().is_ok());
    !own && root.join("etc/init.d").join(name).is_file()
}

/// Says whether a script is started at boot.
pub(super) fn state(root: &Path, unit: &str) -> EnableState {
    let name = unit.strip_suffix(".service").unwrap_or(unit);
    let started = |level: &&str| {
        let entries = std::fs::read_dir(root.join("etc").join(level)).into_iter().flatten().filter_map(Result::ok);
        entries.filter_map(|entry| entry.file_name().into_string().ok()).any(|link| {
            let bytes = link.as_bytes();
            bytes.len() > 3 && bytes[0] == b'S' && bytes[1..3].iter().all(u8::is_ascii_digit) && link.get(3..) == Some(name)
        })
    };
    if LEVELS.iter().any(started) { EnableState::Enabled } else { EnableState::Disabled }
}

/// Enables or disables a script.
pub(super) fn change(machine: &Machine, unit: &str, change: FileChange) -> Result<(), ApplyError> {
    let name = unit.strip_suffix(".service").unwrap_or(unit);
    let word = if change == FileChange::Enable { "enable" } else { "disable" };
    let steps: &[&[&str]] = if change == FileChange::Enable { &[&["defaults"], &["enable"]] } else { &[&["disable"]] };
    for step in steps {
        let argv = ["update-rc.d", name].iter().chain(*step).map(|argument| Arc::from(*argument)).collect();
        let output = machine.run(&Run {
            command: Command::Argv(argv),
            user: None,
            cwd: None,
            env: Vec::new(),
            timeout: Some(Duration::from_secs(60)),
            stdin: None,
            secrets: Vec::new(),
            umask: None,
        })?;
        if output.status != 0 {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(ApplyError::Service { service: "update-rc.d", message: format!("cannot {word} `{name}`: {said}") });
        }
    }
    Ok(())
}
