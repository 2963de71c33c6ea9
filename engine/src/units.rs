//! What a unit file says about its unit before the service manager has read it.

use std::path::Path;
use std::sync::Arc;

use crate::{ActiveState, EnableState, Known, UnitState};

/// Where the service manager looks for units (systemd.unit(5)), first found first.
pub(crate) const DIRECTORIES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Suffixes of units that a service resource can manage.
const SUFFIXES: [&str; 9] = [".service", ".socket", ".timer", ".path", ".mount", ".automount", ".swap", ".target", ".slice"];

/// A path that defines a unit, or adds to one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnitFile {
    /// The unit's name with its suffix.
    pub(crate) unit: Arc<str>,
    /// The path is a drop-in (`x.service.d/y.conf`), not the unit's own file.
    pub(crate) drop_in: bool,
}

impl UnitFile {
    /// Reads a path; `None` when it defines no unit.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let parent = path.parent()?;
        let name = path.file_name()?.to_str()?;
        let is_unit = |name: &str| SUFFIXES.iter().any(|suffix| name.len() > suffix.len() && name.ends_with(suffix));
        let in_units = |directory: &Path| DIRECTORIES.iter().any(|known| directory == Path::new(known));
        if in_units(parent) && is_unit(name) {
            return Some(Self { unit: name.into(), drop_in: false });
        }
        let unit = parent.file_name()?.to_str()?.strip_suffix(".d")?;
        let drop_in = in_units(parent.parent()?) && is_unit(unit) && name.ends_with(".conf");
        drop_in.then(|| Self { unit: unit.into(), drop_in: true })
    }
}

/// Returns the unit that a path defines, or adds to by a drop-in (systemd.unit(5)); `None` of any other path.
pub fn unit_of(path: &Path) -> Option<Arc<str>> {
    UnitFile::of(path).map(|file| file.unit)
}

/// Says whether systemd makes units of what is at a path: unit files, drop-ins and links, and the tables that its generators read.
pub(crate) fn is_read_by_systemd(path: &Path) -> bool {
    const TABLES: [&str; 2] = ["/etc/fstab", "/etc/crypttab"];
    DIRECTORIES.iter().any(|directory| path.starts_with(directory)) || TABLES.iter().any(|table| path == Path::new(table))
}

/// The state of a unit whose file has just been written: not running, and enabled only if somebody enables it.
pub(crate) fn unloaded(content: Option<&[u8]>) -> UnitState {
    let text = content.map(String::from_utf8_lossy);
    let enabled = match &text {
        Some(text) if has_install_section(text) => Known::Is(EnableState::Disabled),
        Some(_) => Known::Is(EnableState::Static),
        None => Known::Unknown("the unit file is written".into()),
    };
    let can_reload = text.as_ref().is_some_and(|text| text.lines().any(|line| line.trim_start().starts_with("ExecReload=")));
    UnitState { exists: true, active: Known::Is(ActiveState::Inactive), enabled, can_reload, needs_daemon_reload: true }
}

/// Says whether `[Install]` has anything that enabling could act on (systemd.unit(5)).
fn has_install_section(text: &str) -> bool {
    let mut inside = false;
    text.lines().map(str::trim).any(|line| {
        if line.starts_with('[') {
            inside = line == "[Install]";
        }
        inside && ["WantedBy=", "RequiredBy=", "UpheldBy=", "Alias=", "Also="].iter().any(|key| line.starts_with(key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_files_and_drop_ins_are_told_apart() {
        let unit = |path: &str| UnitFile::of(Path::new(path)).map(|u| (u.unit.to_string(), u.drop_in));
        assert_eq!(unit("/etc/systemd/system/a.service"), Some(("a.service".into(), false)));
        assert_eq!(unit("/etc/systemd/system/a.service.d/10-x.conf"), Some(("a.service".into(), true)));
        assert_eq!(unit("/etc/systemd/system/multi-user.target.wants/a.service"), None);
        assert_eq!(unit("/etc/systemd/system/.service"), None);
        assert_eq!(unit("/srv/a.service"), None);
    }

    #[test]
    fn a_unit_without_install_is_static() {
        let state = |text: &str| unloaded(Some(text.as_bytes())).enabled;
        assert_eq!(state("[Service]\nExecStart=/bin/true\n"), Known::Is(EnableState::Static));
        assert_eq!(
            state("[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"),
            Known::Is(EnableState::Disabled)
        );
    }
}
