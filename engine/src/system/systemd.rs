//! systemd over D-Bus; in a tree, its unit files and their links.
//!
//! Nothing is kept but the connection, which all looks share: units change by themselves. A look is one call.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::units;
use crate::{ApplyError, Machine, ObserveError, Restore, Restorer, UnitState};

mod bus;
mod links;
mod sysv;

use bus::Bus;
pub(crate) use bus::{MANAGER, MANAGER_PATH, SYSTEMD, unit_path};

/// How long a job is waited for when the resource says nothing: systemd's own limits on starting and stopping come first.
const JOB_LIMIT: Duration = Duration::from_secs(300);

/// systemd on one system. Connects when the first unit is asked for.
#[derive(Debug)]
pub struct Systemd {
    root: PathBuf,
    bus: Mutex<Option<Arc<Bus>>>,
    /// Files that it reads have changed since it was last told.
    changed: AtomicBool,
    /// Units were enabled since then.
    linked: AtomicBool,
}

/// What is done to a unit that is or is not running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Stop it if it runs, and start it.
    Restart,
    /// Let it read its configuration again.
    Reload,
    /// Reload it where it can, else restart it.
    ReloadOrRestart,
}

impl Job {
    /// systemctl's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::ReloadOrRestart => "reload-or-restart",
        }
    }
}

/// What is done to the files of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// Make its install links.
    Enable,
    /// Remove its install links.
    Disable,
    /// Link it to /dev/null.
    Mask,
    /// Remove that link.
    Unmask,
}

/// A unit is brought back by a `service`: running or not, started at boot or not, masked or not. Whether systemd has read
/// the unit files again is nothing to be undone.
pub static UNIT: Restorer = Restorer {
    kind: "unit",
    is_tree: false,
    // Whether it runs changes by itself.
    look: |world, name| match name {
        "" => Ok(serde_json::Value::Null),
        _ => Ok(serde_json::json!({ "enabled": world.unit(name)?.known()?.enabled.value().map(|state| state.name()) })),
    },
    restore: |name, before| {
        let word = |key: &str| before.get(key).and_then(serde_json::Value::as_str);
        let mut service = Restore::resource("service", "name", name);
        let only_reloaded = word("restarts") == Some("reload");
        match word("active") {
            Some("active" | "activating") => service = service.with("state", "running"),
            Some("inactive" | "failed") => service = service.with("state", "stopped"),
            _ => {}
        }
        match word("enabled") {
            Some("enabled") => service = service.with("masked", false).with("enabled", true),
            Some("disabled") => service = service.with("masked", false).with("enabled", false),
            Some("masked") => service = service.with("masked", true),
            Some("static" | "indirect") => service = service.with("masked", false),
            _ => {}
        }
        if service.attributes.len() == 1 {
            return Restore::Nothing;
        }
        if only_reloaded { service.with("reload", true).into() } else { service.into() }
    },
};

impl Systemd {
    /// systemd of the system at `root`. Connects to nothing yet.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), bus: Mutex::default(), changed: AtomicBool::new(false), linked: AtomicBool::new(false) }
    }

    /// Returns what systemd says of a unit, by name with suffix.
    ///
    /// # Errors
    /// [`ObserveError::Unavailable`] when there is no systemd to ask; `invalid-unit` for a name that cannot be one.
    pub fn unit(&self, name: &str) -> Result<UnitState, ObserveError> {
        check_name(name)?;
        if self.is_tree() {
            return links::unit(&self.root, name);
        }
        self.bus()?.unit(&self.root, name, self.linked.load(Ordering::Relaxed))
    }

    /// Does something to a unit and waits for the outcome; a simple service that has just been started is watched
    /// for a moment, for one that dies right away. Unit files that changed are read first.
    ///
    /// # Errors
    /// `missing-unit`, `unit-masked`; `unit-failed` with what the unit says of its end; a timeout.
    pub fn run(&self, machine: &Machine, name: &str, job: Job, limit: Option<Duration>) -> Result<(), ApplyError> {
        check_name(name)?;
        if self.is_tree() {
            // Nothing runs in a tree; what is to run there is started when it boots.
            return Ok(());
        }
        let bus = self.bus()?;
        let before = bus.unit(&self.root, name, false)?;
        let restarts = match job {
            Job::Reload | Job::ReloadOrRestart => serde_json::json!("reload"),
            job => serde_json::json!(matches!(job, Job::Restart)),
        };
        machine.record(
            &UNIT,
            name,
            serde_json::json!({ "active": before.active.value().map(|state| state.name()), "restarts": restarts }),
        )?;
        let limit = [limit, machine.time_left()].into_iter().flatten().min().unwrap_or(JOB_LIMIT);
        bus.run(name, job, limit, &|| machine.is_aborted())
    }

    /// Enables, disables, masks or unmasks a unit. What systemd has to know now it reads at once, and the rest when the run ends.
    ///
    /// # Errors
    /// `missing-unit`, `unit-static`; what systemd refused.
    pub fn change_files(&self, machine: &Machine, name: &str, change: FileChange) -> Result<(), ApplyError> {
        check_name(name)?;
        let before = self.unit(name)?;
        machine.record(&UNIT, name, serde_json::json!({ "enabled": before.enabled.value().map(|state| state.name()) }))?;
        if self.is_tree() {
            return links::change(&self.root, machine, name, change);
        }
        if sysv::is_script(&self.root, name) && matches!(change, FileChange::Enable | FileChange::Disable) {
            sysv::change(machine, name, change)?;
            return Ok(self.bus()?.reload()?);
        }
        self.bus()?.change_files(name, change)?;
        if change == FileChange::Enable {
            self.linked.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Lets systemd read its unit files again.
    ///
    /// # Errors
    /// What systemd refused.
    pub fn reload_units(&self, machine: &Machine) -> Result<(), ApplyError> {
        if self.is_tree() {
            return Ok(());
        }
        machine.record(&UNIT, "", serde_json::json!({ "daemon_reload": true }))?;
        Ok(self.bus()?.reload()?)
    }

    /// Notes that a file was changed; one that systemd reads is read again at the next [`Systemd::read_changed`].
    pub(crate) fn note_change(&self, path: &Path) {
        if units::is_read_by_systemd(path) {
            self.changed.store(true, Ordering::Relaxed);
        }
    }

    /// Lets systemd read its unit files again, if any of them has changed since it last did: once for all of them. Where that cannot be,
    /// each unit still says that its file is newer, and is read before it is started.
    pub(crate) fn read_changed(&self) {
        if self.changed.swap(false, Ordering::Relaxed) && !self.is_tree() && Path::new("/run/systemd/system").is_dir() {
            let _ = self.bus().and_then(|bus| bus.reload());
        }
    }

    /// As [`Systemd::read_changed`], and for units that were enabled as well: at the end of a run, once for all of them.
    pub(crate) fn read_links(&self) {
        if self.linked.swap(false, Ordering::Relaxed) {
            self.changed.store(true, Ordering::Relaxed);
        }
        self.read_changed();
    }

    fn is_tree(&self) -> bool {
        self.root != Path::new("/")
    }

    /// The connection; a lost one is made anew.
    fn bus(&self) -> Result<Arc<Bus>, ObserveError> {
        let mut bus = self.bus.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bus) = bus.as_ref().filter(|bus| bus.is_open()) {
            return Ok(bus.clone());
        }
        let opened = Arc::new(Bus::open()?);
        *bus = Some(opened.clone());
        Ok(opened)
    }
}

/// Suffixes of units.
const SUFFIXES: [&str; 10] =
    [".service", ".socket", ".timer", ".path", ".mount", ".automount", ".target", ".slice", ".swap", ".scope"];

/// Checks that a name can be a unit's (systemd.unit(5)), so that it can never be a path.
fn check_name(name: &str) -> Result<(), ObserveError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    let suffixed = SUFFIXES.iter().any(|suffix| name.len() > suffix.len() && name.ends_with(suffix));
    if suffixed && name.len() <= 255 && name.bytes().all(legal) {
        return Ok(());
    }
    Err(ObserveError::Impossible {
        code: "invalid-unit",
        message: format!("`{name}` is no name of a unit"),
        hint: "a unit is named by letters, digits and `:-_.\\@`, with a suffix such as `.service`".into(),
    })
}

/// A unit whose own file is where the mask would be.
fn not_maskable(name: &str, file: &str) -> ObserveError {
    impossible(
        "unit-not-maskable",
        format!("`{name}` cannot be masked: {file} is a file"),
        "remove the file, or move it to /usr/local/lib/systemd/system".into(),
    )
}

/// A failure that the user can mend.
fn impossible(code: &'static str, message: String, hint: String) -> ObserveError {
    ObserveError::Impossible { code, message, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_be_paths() {
        for good in ["nginx.service", "getty@tty1.service", "a-b_c:d.timer", "dev-sda\\x2d1.swap"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["nginx", ".service", "../x.service", "a b.service", "a/b.service", "é.service", ""] {
            assert_eq!(check_name(bad).unwrap_err().code(), "invalid-unit", "{bad}");
        }
        let error = check_name("web 1.service").unwrap_err();
        let shown = format!("\nerror[invalid-unit]: {error}\nhint: {}\n", error.hint().unwrap());
        assert!(include_str!("../../../stdlib/errors/invalid-unit.md").contains(&shown), "{shown}");
    }
}
