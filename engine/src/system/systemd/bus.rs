//! The service manager's D-Bus interface (org.freedesktop.systemd1(5)).

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use zbus::Message;
use zbus::blocking::{Connection, MessageIterator, connection};
use zbus::zvariant::{DynamicType, OwnedObjectPath, OwnedValue, Str, Type, Value};

use super::{FileChange, Job, impossible, not_maskable, sysv};
use crate::{ActiveState, ApplyError, EnableState, Known, ObserveError, UnitState};

pub(crate) const SYSTEMD: &str = "org.freedesktop.systemd1";
pub(crate) const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
pub(crate) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SERVICE: &str = "org.freedesktop.systemd1.Service";

/// How long one answer is waited for. Reading all unit files again can take long on a busy machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(90);

/// How long a service of a type that does not tell when it is ready is watched after its start.
const SETTLE: Duration = Duration::from_millis(300);

/// A connection to the service manager.
pub(super) struct Bus {
    connection: Connection,
    finished: Mutex<Option<Arc<Finished>>>,
}

/// Results of the jobs that have ended, by object path.
#[derive(Default)]
struct Finished {
    results: Mutex<HashMap<String, String>>,
    arrived: Condvar,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").finish_non_exhaustive()
    }
}

/// What is read of a unit's properties, of more than a hundred that come.
const READ: [&str; 13] = [
    "ActiveState",
    "CanReload",
    "ConditionResult",
    "ExecMainCode",
    "ExecMainStatus",
    "LoadError",
    "LoadState",
    "NeedDaemonReload",
    "Result",
    "StatusText",
    "SubState",
    "Type",
    "UnitFileState",
];

/// Those properties of a unit.
struct Properties(HashMap<&'static str, OwnedValue>);

impl Properties {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(|value| value.downcast_ref::<&str>().ok()).unwrap_or_default()
    }

    fn bool(&self, name: &str) -> bool {
        self.0.get(name).and_then(|value| value.downcast_ref::<bool>().ok()).unwrap_or_default()
    }

    fn int(&self, name: &str) -> i32 {
        self.0.get(name).and_then(|value| value.downcast_ref::<i32>().ok()).unwrap_or_default()
    }
}

impl Bus {
    /// Connects to the system bus.
    pub(super) fn open() -> Result<Self, ObserveError> {
        if !Path::new("/run/systemd/system").is_dir() {
            return Err(unavailable("this system was not booted by systemd"));
        }
        let connection = connection::Builder::system()
            .map(|builder| builder.method_timeout(ANSWER_LIMIT))
            .and_then(connection::Builder::build)
            .map_err(|error| unavailable(&format!("the system bus does not answer: {error}")))?;
        Ok(Self { connection, finished: Mutex::default() })
    }

    pub(super) fn is_open(&self) -> bool {
        !self.connection.is_closed()
    }

    /// Asks for a unit. Asking for an object of a unit loads the unit: one call does for both. What it says of its links is what it has read
    /// last; they are looked up anew where they may have changed since.
    pub(super) fn unit(&self, root: &Path, name: &str, links_changed: bool) -> Result<UnitState, ObserveError> {
        let mut properties = self.properties(&unit_path(name), UNIT).map_err(refused)?;
        if links_changed && let Ok(word) = self.manager::<String>("GetUnitFileState", &(name,)) {
            properties.0.insert("UnitFileState", Str::from(word).into());
        }
        Ok(properties.state(root, name))
    }

    /// Does something to a unit and waits for it.
    pub(super) fn run(&self, name: &str, job: Job, limit: Duration, is_aborted: &dyn Fn() -> bool) -> Result<(), ApplyError> {
        let (path, properties) = self.fresh(name)?;
        let starts = matches!(job, Job::Start | Job::Restart | Job::ReloadOrRestart);
        match properties.text("LoadState") {
            "not-found" if job == Job::Stop => return Ok(()),
            "not-found" => return Err(unknown_unit(name).into()),
            "masked" if starts => {
                return Err(impossible(
                    "unit-masked",
                    format!("`{name}` is masked and cannot be started"),
                    "unmask it: `masked = false`".into(),
                )
                .into());
            }
            _ => {}
        }
        if starts && properties.text("ActiveState") == "failed" {
            // A unit that failed too often is started only after its count is taken back.
            self.manager::<()>("ResetFailedUnit", &(name,)).map_err(refused)?;
        }
        let finished = self.listen()?;
        let method = match job {
            Job::Start => "StartUnit",
            Job::Stop => "StopUnit",
            Job::Restart => "RestartUnit",
            Job::Reload => "ReloadUnit",
            Job::ReloadOrRestart => "ReloadOrRestartUnit",
        };
        let queued: OwnedObjectPath = self.manager(method, &(name, "replace")).map_err(|error| refused_job(name, job, error))?;
        let Some(result) = finished.wait(queued.as_str(), limit, is_aborted) else {
            if is_aborted() {
                return Err(ApplyError::Cancelled);
            }
            return Err(ApplyError::Timeout { command: format!("systemctl {} {name}", job.name()), limit });
        };
        if result != "done" {
            return Err(self.failed(name, job, &result, &path));
        }
        if starts { self.settle(name, job, &path) } else { Ok(()) }
    }

    /// Makes or removes links of a unit. They are read at once, but for new ones of what starts it: with the next [`Bus::reload`].
    pub(super) fn change_files(&self, name: &str, change: FileChange) -> Result<(), ApplyError> {
        type Links = Vec<(String, String, String)>;
        let failed = |error: zbus::Error| match error_name(&error) {
            Some("org.freedesktop.systemd1.NoSuchUnit" | "org.freedesktop.DBus.Error.FileNotFound") => unknown_unit(name),
            _ => refused(error),
        };
        match change {
            FileChange::Enable => {
                let (installable, _): (bool, Links) =
                    self.manager("EnableUnitFiles", &(&[name][..], false, true)).map_err(failed)?;
                if !installable {
                    return Err(static_unit(name).into());
                }
            }
            FileChange::Disable => {
                let _: Links = self.manager("DisableUnitFiles", &(&[name][..], false)).map_err(failed)?;
                // A link in /run outlives the one in /etc.
                let _: Links = self.manager("DisableUnitFiles", &(&[name][..], true)).map_err(failed)?;
            }
            FileChange::Mask => {
                let refused = |error: zbus::Error| match error_name(&error) {
                    Some("org.freedesktop.systemd1.UnitExists" | "org.freedesktop.DBus.Error.FileExists") => {
                        not_maskable(name, &format!("/etc/systemd/system/{name}"))
                    }
                    _ => failed(error),
                };
                let _: Links = self.manager("MaskUnitFiles", &(&[name][..], false, true)).map_err(refused)?;
            }
            FileChange::Unmask => {
                let _: Links = self.manager("UnmaskUnitFiles", &(&[name][..], false)).map_err(failed)?;
                let _: Links = self.manager("UnmaskUnitFiles", &(&[name][..], true)).map_err(failed)?;
            }
        }
        if change != FileChange::Enable {
            self.reload()?;
        }
        Ok(())
    }

    /// Lets the service manager read its unit files again.
    pub(super) fn reload(&self) -> Result<(), ObserveError> {
        self.manager::<()>("Reload", &()).map_err(refused)
    }

    /// Returns a unit as its files are now, reading them again where they changed.
    fn fresh(&self, name: &str) -> Result<(OwnedObjectPath, Properties), ObserveError> {
        let (path, properties) = self.unit_properties(name)?;
        if !properties.bool("NeedDaemonReload") && properties.text("LoadState") != "not-found" {
            return Ok((path, properties));
        }
        self.reload()?;
        self.unit_properties(name)
    }

    /// Looks a moment at a unit that has been started, and fails when it is down again.
    fn settle(&self, name: &str, job: Job, path: &OwnedObjectPath) -> Result<(), ApplyError> {
        let service = name.ends_with(".service");
        let kind = if service {
            self.properties(path.as_str(), SERVICE).map_err(refused)?.text("Type").to_owned()
        } else {
            String::new()
        };
        let end = Instant::now() + if matches!(&*kind, "simple" | "exec" | "idle" | "forking") { SETTLE } else { Duration::ZERO };
        loop {
            let properties = self.properties(path.as_str(), UNIT).map_err(refused)?;
            let (active, sub) = (properties.text("ActiveState"), properties.text("SubState"));
            if active == "failed" || sub.starts_with("auto-restart") {
                return Err(self.failed(name, job, "failed", path));
            }
            if active == "inactive" && kind == "oneshot" {
                return Err(impossible(
                    "unit-does-not-stay",
                    format!("`{name}` has run and is done: it is a oneshot that does not remain active"),
                    "set RemainAfterExit=yes in the unit, or leave `state` out and run it by its timer or an exec".into(),
                )
                .into());
            }
            if active == "inactive" {
                return Err(self.failed(name, job, "done, and it ended at once", path));
            }
            if Instant::now() >= end {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(25));
        }
    }

    /// What the unit says of its end.
    fn failed(&self, name: &str, job: Job, result: &str, path: &OwnedObjectPath) -> ApplyError {
        let unit = self.properties(path.as_str(), UNIT).unwrap_or(Properties(HashMap::new()));
        let service = self.properties(path.as_str(), SERVICE).unwrap_or(Properties(HashMap::new()));
        let mut reasons: Vec<String> = match result {
            "failed" => None,
            "dependency" => Some("a unit that it requires failed".to_owned()),
            "timeout" => Some("the job took longer than systemd allows".to_owned()),
            "canceled" => Some("another job took its place".to_owned()),
            "skipped" if !unit.bool("ConditionResult") => Some("a condition of the unit is not met".to_owned()),
            other => Some(format!("the job ended with `{other}`")),
        }
        .into_iter()
        .collect();
        let status = service.int("ExecMainStatus");
        match (service.int("ExecMainCode"), status) {
            // Exit statuses from 200 on are systemd's own (systemd.exec(5)).
            (1, 203) => reasons.push("its program cannot be run".into()),
            (1, 217) => reasons.push("its user does not exist".into()),
            (1, 1..) => reasons.push(format!("its main process ended with exit status {status}")),
            (2 | 3, 1..) => reasons.push(format!("its main process was killed by signal {status}")),
            _ => {}
        }
        let why = service.text("Result");
        if !matches!(why, "" | "success" | "exit-code") {
            reasons.push(format!("result `{why}`"));
        }
        for text in [service.text("StatusText"), unit.text("LoadError")] {
            if !text.is_empty() {
                reasons.push(format!("it says `{text}`"));
            }
        }
        if let Some(error) = unit.0.get("LoadError").and_then(|value| value.downcast_ref::<zbus::zvariant::Structure<'_>>().ok())
        {
            let text = error.fields().get(1).and_then(|field| field.downcast_ref::<&str>().ok()).unwrap_or_default();
            if !text.is_empty() {
                reasons.push(text.to_owned());
            }
        }
        if reasons.is_empty() {
            reasons.push("systemd gives no reason".into());
        }
        let message = format!("`{name}` could not be {}: {}", past(job), reasons.join("; "));
        impossible("unit-failed", message, format!("its journal tells more: journalctl -u {name} -n 30 --no-pager")).into()
    }

    /// Loads a unit and returns its properties.
    fn unit_properties(&self, name: &str) -> Result<(OwnedObjectPath, Properties), ObserveError> {
        let path: OwnedObjectPath = self.manager("LoadUnit", &(name,)).map_err(refused)?;
        let properties = self.properties(path.as_str(), UNIT).map_err(refused)?;
        Ok((path, properties))
    }

    fn properties(&self, path: &str, interface: &str) -> zbus::Result<Properties> {
        let reply = self.message(path, "org.freedesktop.DBus.Properties", "GetAll", &(interface,))?;
        // Text is borrowed from the message until what is wanted of it is known.
        let body = reply.body();
        let all: HashMap<&str, Value<'_>> = body.deserialize()?;
        let wanted = READ.iter().filter_map(|name| Some((*name, all.get(name)?)));
        Ok(Properties(wanted.map(|(name, value)| Ok((name, value.try_to_owned()?))).collect::<zbus::Result<_>>()?))
    }

    fn manager<R: DeserializeOwned + Type>(&self, method: &str, body: &(impl Serialize + DynamicType)) -> zbus::Result<R> {
        self.call(MANAGER_PATH, MANAGER, method, body)
    }

    fn call<R: DeserializeOwned + Type>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &(impl Serialize + DynamicType),
    ) -> zbus::Result<R> {
        self.message(path, interface, method, body)?.body().deserialize()
    }

    fn message(&self, path: &str, interface: &str, method: &str, body: &(impl Serialize + DynamicType)) -> zbus::Result<Message> {
        self.connection.call_method(Some(SYSTEMD), path, Some(interface), method, body)
    }

    /// Starts to collect the results of jobs.
    fn listen(&self) -> Result<Arc<Finished>, ObserveError> {
        let mut listening = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(finished) = &*listening {
            return Ok(finished.clone());
        }
        let rule = zbus::MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .sender(SYSTEMD)
            .and_then(|rule| rule.interface(MANAGER))
            .and_then(|rule| rule.member("JobRemoved"))
            .map_err(refused)?
            .build();
        let messages = MessageIterator::for_match_rule(rule, &self.connection, Some(1024)).map_err(refused)?;
        self.manager::<()>("Subscribe", &()).map_err(refused)?;
        let finished = Arc::new(Finished::default());
        let collected = Arc::downgrade(&finished);
        let collect = move || {
            for message in messages.flatten() {
                let Some(finished) = collected.upgrade() else { break };
                if let Ok((_, job, _, result)) = message.body().deserialize::<(u32, OwnedObjectPath, String, String)>() {
                    finished.results.lock().unwrap_or_else(PoisonError::into_inner).insert(job.as_str().to_owned(), result);
                    finished.arrived.notify_all();
                }
            }
        };
        std::thread::Builder::new()
            .name("systemd-jobs".into())
            .spawn(collect)
            .map_err(|error| unavailable(&format!("no thread to listen on: {error}")))?;
        *listening = Some(finished.clone());
        Ok(finished)
    }
}

impl Finished {
    /// Waits for the end of a job and returns its result; `None` when it takes too long or the run is aborted.
    fn wait(&self, job: &str, limit: Duration, is_aborted: &dyn Fn() -> bool) -> Option<String> {
        let end = Instant::now() + limit;
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        while !results.contains_key(job) && Instant::now() < end && !is_aborted() {
            let step = end.saturating_duration_since(Instant::now()).min(Duration::from_millis(200));
            (results, _) = self.arrived.wait_timeout(results, step).unwrap_or_else(PoisonError::into_inner);
        }
        results.remove(job)
    }
}

impl Properties {
    fn state(&self, root: &Path, name: &str) -> UnitState {
        let load = self.text("LoadState");
        let active = match self.text("ActiveState") {
            "active" | "reloading" | "refreshing" | "deactivating" => ActiveState::Active,
            // A service that keeps dying is between two starts.
            "activating" if self.text("SubState").starts_with("auto-restart") => ActiveState::Failed,
            "activating" => ActiveState::Activating,
            "failed" => ActiveState::Failed,
            _ => ActiveState::Inactive,
        };
        let enabled = match self.text("UnitFileState") {
            "enabled" => EnableState::Enabled,
            "enabled-runtime" => EnableState::Runtime,
            "masked" | "masked-runtime" => EnableState::Masked,
            "generated" if sysv::is_script(root, name) => sysv::state(root, name),
            "generated" | "indirect" | "transient" | "alias" => EnableState::Indirect,
            "static" => EnableState::Static,
            _ if load == "masked" => EnableState::Masked,
            _ => EnableState::Disabled,
        };
        UnitState {
            exists: load != "not-found" || active == ActiveState::Active,
            active: Known::Is(active),
            enabled: Known::Is(enabled),
            can_reload: self.bool("CanReload"),
            needs_daemon_reload: self.bool("NeedDaemonReload"),
        }
    }
}

/// The object path of a unit, escaped as sd_bus_path_encode(3) does.
pub(crate) fn unit_path(name: &str) -> String {
    let mut path = String::from("/org/freedesktop/systemd1/unit/");
    for (at, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (byte.is_ascii_digit() && at > 0) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("_{byte:02x}"));
        }
    }
    path
}

fn past(job: Job) -> &'static str {
    match job {
        Job::Start => "started",
        Job::Stop => "stopped",
        Job::Restart => "restarted",
        Job::Reload | Job::ReloadOrRestart => "reloaded",
    }
}

/// There is nobody to ask.
pub(super) fn unavailable(message: &str) -> ObserveError {
    ObserveError::Unavailable { service: "systemd", message: message.to_owned() }
}

pub(super) fn unknown_unit(name: &str) -> ObserveError {
    impossible(
        "missing-unit",
        format!("there is no unit `{name}`"),
        "check the name, or declare the package or the unit file that brings it".into(),
    )
}

pub(super) fn static_unit(name: &str) -> ObserveError {
    impossible(
        "unit-static",
        format!("`{name}` has no [Install] section and can be neither enabled nor disabled"),
        "leave `enabled` out, or add `WantedBy=multi-user.target` under [Install]".into(),
    )
}

fn error_name(error: &zbus::Error) -> Option<&str> {
    match error {
        zbus::Error::MethodError(name, _, _) => Some(name.as_str()),
        _ => None,
    }
}

/// What the service manager refused.
fn refused(error: zbus::Error) -> ObserveError {
    match &error {
        zbus::Error::MethodError(name, text, _) => match name.as_str() {
            "org.freedesktop.DBus.Error.AccessDenied" | "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired" => {
                ObserveError::Permission { what: "what systemd guards".into() }
            }
            name => unavailable(text.as_deref().unwrap_or(name)),
        },
        other => unavailable(&other.to_string()),
    }
}

fn refused_job(name: &str, job: Job, error: zbus::Error) -> ApplyError {
    match error_name(&error) {
        Some("org.freedesktop.systemd1.NoSuchUnit") => unknown_unit(name).into(),
        Some("org.freedesktop.systemd1.JobTypeNotApplicable") => impossible(
            "unit-failed",
            format!("`{name}` cannot be {}: a unit of this kind never is", past(job)),
            "leave `state` and `watch` out".into(),
        )
        .into(),
        Some("org.freedesktop.systemd1.OnlyByDependency") => impossible(
            "unit-failed",
            format!("`{name}` may only be started or stopped by another unit"),
            "leave `state` out".into(),
        )
        .into(),
        Some(other) if other.starts_with("org.freedesktop.systemd1.") => {
            let reason = match &error {
                zbus::Error::MethodError(_, Some(text), _) => text.trim_end_matches('.').to_owned(),
                other => other.to_string(),
            };
            let message = format!("`{name}` could not be {}: {reason}", past(job));
            impossible("unit-failed", message, format!("look at its files: systemd-analyze verify {name}")).into()
        }
        _ => refused(error).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_units_are_escaped() {
        assert_eq!(unit_path("cron.service"), "/org/freedesktop/systemd1/unit/cron_2eservice");
        assert_eq!(unit_path("7up@a-b.service"), "/org/freedesktop/systemd1/unit/_37up_40a_2db_2eservice");
    }
}
