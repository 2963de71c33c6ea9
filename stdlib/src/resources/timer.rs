//! The resource type `timer`.

mod calendar;
mod render;

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use stead_catalog::{Command, Footprint, Place, Problem, Value};
use stead_engine::{ObserveError, World};

use crate::init::refuse_without_systemd;
use crate::parts::{Parts, made, resource_of_parts};
use crate::resources::unit::syntax;
use crate::resources::{file, service};
use crate::values::{AbsolutePath, AttributeType as _, Guarded, Many, SettingValue};
use crate::{Choice, Resource};

/// Settings of one section.
type Settings = IndexMap<Arc<str>, Many<SettingValue>>;

/// A timer of systemd, and the command that it runs.
///
/// Writes `NAME.timer` and, where there is a `command`, `NAME.service` to `/etc/systemd/system`, and starts and enables the timer. It does what a
/// cron job does, and catches up with what a machine that was off has missed (`persistent`), spreads many machines (`randomized_delay`) and
/// keeps what the command says in the journal of the service. Compares to Puppet's `systemd::timer` and `systemd::timer_wrapper`; Salt and Ansible
/// write the two files and manage the service.
///
/// ```stead
/// timer "backup" { on_calendar = "daily", command = "/usr/local/bin/backup", user = "backup", persistent = true }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "timer",
    since = "0.2",
    aliases(
        ensure = "state",
        calendar = "on_calendar",
        schedule = "on_calendar",
        on_boot_sec = "on_boot",
        on_active_sec = "on_active",
        on_start_up_sec = "on_startup",
        on_unit_active_sec = "on_unit_active",
        on_unit_inactive_sec = "on_unit_inactive",
        randomized_delay_sec = "randomized_delay",
        accuracy_sec = "accuracy",
        exec = "command",
        run_as = "user",
        working_directory = "cwd",
        env = "environment",
        enable = "enabled",
        active = "running",
        service_overrides = "service_settings",
        timer_overrides = "timer_settings"
    )
)]
pub struct Timer {
    /// Name of the timer, without a suffix.
    #[key]
    pub name: Arc<str>,
    /// Whether the timer is there.
    #[default(State::Present)]
    pub state: State,
    /// What it is for; shown by `systemctl`.
    pub description: Option<Arc<str>>,
    /// When it elapses, by the calendar (systemd.time(7)): `daily`, `Mon..Fri 03:30`, `*-*-01 04:00:00`, `*:0/15`.
    pub on_calendar: Many<Arc<str>>,
    /// So long after the timer was started.
    pub on_active: Option<Duration>,
    /// So long after the machine was booted.
    pub on_boot: Option<Duration>,
    /// So long after systemd was started.
    pub on_startup: Option<Duration>,
    /// So long after the command was last started.
    pub on_unit_active: Option<Duration>,
    /// So long after the command last ended.
    pub on_unit_inactive: Option<Duration>,
    /// Run at once what was missed by `on_calendar` while the machine was off.
    #[default(false)]
    pub persistent: bool,
    /// Wait up to so long, by chance, so that many machines do not act at once.
    pub randomized_delay: Option<Duration>,
    /// Let that chance be the same each time on one machine.
    #[default(false)]
    pub fixed_random_delay: bool,
    /// How exact it is; systemd's own default is one minute.
    pub accuracy: Option<Duration>,
    /// Wake the machine from sleep.
    #[default(false)]
    pub wake_system: bool,
    /// The command. A text is run by `/bin/sh`, a list is run as it is.
    pub command: Option<Guarded<Command>>,
    /// A unit that is there already and that the timer starts instead of a command. It is left alone, also by a timer that goes.
    pub unit: Option<Arc<str>>,
    /// The user the command runs as; root otherwise.
    pub user: Option<Arc<str>>,
    /// The group the command runs as; the user's own otherwise.
    pub group: Option<Arc<str>>,
    /// The directory the command runs in.
    pub cwd: Option<AbsolutePath>,
    /// Variables of the command. With a secret among them only root can read the unit file.
    pub environment: Option<Guarded<IndexMap<Arc<str>, SettingValue>>>,
    /// More settings of the service's section `Service`, such as `{ Nice = 10, TimeoutStartSec = 1h }`.
    pub service_settings: Option<Guarded<Settings>>,
    /// More settings of the timer's section `Timer`.
    pub timer_settings: Option<Guarded<Settings>>,
    /// Start the timer at boot.
    #[default(true)]
    pub enabled: bool,
    /// Have the timer running.
    #[default(true)]
    pub running: bool,
}

/// Whether the timer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// Its files are there.
    Present,
    /// It is stopped and disabled, and its files are gone. A command that is running goes on.
    Absent,
}

/// Where the files lie.
const DIRECTORY: &str = "/etc/systemd/system";

impl Timer {
    fn timer(&self) -> String {
        format!("{}.timer", self.stem())
    }

    fn stem(&self) -> &str {
        self.name.strip_suffix(".timer").unwrap_or(&self.name)
    }

    fn service(&self) -> String {
        format!("{}.service", self.stem())
    }

    /// Says whether the service is the timer's own. Of one that goes it is not said any more: a service of that name goes with it.
    fn has_service(&self) -> bool {
        self.unit.is_none()
    }

    fn is_secret(&self) -> bool {
        let settings = [&self.service_settings, &self.timer_settings];
        self.command.as_ref().is_some_and(Guarded::is_sensitive)
            || self.environment.as_ref().is_some_and(Guarded::is_sensitive)
            || settings.into_iter().flatten().any(Guarded::is_sensitive)
    }

    fn footprint(&self) -> Footprint {
        let units: Vec<String> = std::iter::once(self.timer()).chain(self.has_service().then(|| self.service())).collect();
        let owns: Vec<Place> =
            units.iter().map(|unit| Place::path(format!("{DIRECTORY}/{unit}"))).chain([Place::unit(self.timer())]).collect();
        let fills = units.iter().map(|unit| format!("{DIRECTORY}/{unit}").into()).collect();
        if self.state == State::Absent {
            return Footprint { gone_before: owns.clone(), owns, fills, removes: true, ..Footprint::default() };
        }
        let mut needs: Vec<Place> = units.iter().map(|unit| Place::path(format!("{DIRECTORY}/{unit}"))).collect();
        needs.extend(self.user.clone().map(Place::user));
        needs.extend(self.group.clone().map(Place::group));
        needs.extend(self.cwd.as_ref().map(|cwd| Place::path(cwd.shared().clone())));
        needs.extend(self.unit.as_deref().map(|unit| Place::unit(with_suffix(unit))));
        needs.extend(self.program().map(Place::path));
        Footprint {
            owns,
            fills,
            brings: self.has_service().then(|| Place::unit(self.service())).into_iter().collect(),
            needs,
            ..Footprint::default()
        }
    }

    /// The path of the program, where the command names one: it is there before the timer runs it.
    fn program(&self) -> Option<Arc<str>> {
        let first = match self.command.as_ref()?.reveal() {
            Command::Argv(words) => words.first()?.clone(),
            Command::Shell(line) => line.split_whitespace().next()?.into(),
        };
        let is_path = first.starts_with('/') && !first.contains(['$', '"', '\'', ';', '|', '&']) && !first.contains("/../");
        is_path.then_some(first)
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |code, attribute: &str, other: Option<&str>, message: String, hint: &str| {
            problems.push(Problem {
                code,
                attribute: Some(attribute.into()),
                other: other.map(Into::into),
                message,
                hint: Some(hint.into()),
                mend: None,
            });
        };
        if !syntax::is_name(&self.timer()) {
            let hint = "a unit is named by letters, digits and `:-_.\\@`";
            problem("invalid-value", "name", None, format!("`{}` is no name of a timer", self.name), hint);
        }
        let times = [self.on_active, self.on_boot, self.on_startup, self.on_unit_active, self.on_unit_inactive];
        let own_time = |settings: &Guarded<Settings>| settings.reveal().keys().any(|key| key.starts_with("On"));
        let has_time = !self.on_calendar.is_empty()
            || times.iter().any(Option::is_some)
            || self.timer_settings.as_ref().is_some_and(own_time);
        if self.state == State::Present {
            if !has_time {
                let hint = "give `on_calendar`, `on_boot` or another time, or `state = absent`";
                problem("missing-attribute", "on_calendar", None, "it is not said when the timer elapses".into(), hint);
            }
            if self.command.is_none() && self.unit.is_none() {
                let hint = "give `command`, or `unit` for one that is there already";
                problem("missing-attribute", "command", None, "it is not said what the timer runs".into(), hint);
            }
        }
        for expression in &self.on_calendar {
            if !calendar::is_calendar(expression) {
                let hint = "such as `daily`, `Mon..Fri 03:30` or `*-*-01 04:00:00`: see systemd.time(7)";
                problem("invalid-value", "on_calendar", None, format!("`{expression}` is no time of a calendar"), hint);
            }
        }
        if self.persistent && self.on_calendar.is_empty() {
            let hint = "give `on_calendar`, or take `persistent` away";
            let message = "what was missed is known for times of the calendar only".into();
            problem("conflicting-attributes", "persistent", None, message, hint);
        }
        if self.unit.is_some() {
            let own = [
                ("command", self.command.is_some()),
                ("user", self.user.is_some()),
                ("group", self.group.is_some()),
                ("cwd", self.cwd.is_some()),
                ("environment", self.environment.is_some()),
                ("service_settings", self.service_settings.is_some()),
            ];
            for (name, _) in own.into_iter().filter(|(_, given)| *given) {
                let message = format!("`{name}` is of a command, and the timer starts a unit that is there already");
                problem("conflicting-attributes", name, Some("unit"), message, "keep one of the two");
            }
        }
        let settings = [("service_settings", &self.service_settings), ("timer_settings", &self.timer_settings)];
        for (name, settings) in settings {
            for (key, values) in settings.iter().flat_map(|settings| settings.reveal()) {
                let legal = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                if !legal || values.iter().any(|value| value.to_string().contains(['\n', '\r', '\0'])) {
                    let hint = "a setting is a name of letters and digits with a value of one line; a list gives several lines";
                    problem("invalid-value", name, None, format!("`{}` cannot be set so", key.escape_debug()), hint);
                }
            }
        }
        for (key, _) in self.environment.iter().flat_map(|environment| environment.reveal()) {
            let starts = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if !starts || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                let message = format!("`{}` is no name of a variable", key.escape_debug());
                problem("invalid-value", "environment", None, message, "a name is made of letters, digits and `_`");
            }
        }
        let texts = [("description", &self.description), ("user", &self.user), ("group", &self.group), ("unit", &self.unit)];
        for (name, text) in texts {
            if text.as_ref().is_some_and(|text| text.is_empty() || text.contains(['\n', '\r', '\0'])) {
                problem("invalid-value", name, None, format!("`{name}` is one line of text"), "write it on one line");
            }
        }
        problems
    }

    fn parts(&self, world: &dyn World) -> Result<Parts, ObserveError> {
        let mut parts = Parts::default();
        let path = |unit: &str| Value::string(format!("{DIRECTORY}/{unit}"));
        let member = |word: &str| Value::Member(word.into());
        if self.state == State::Absent {
            let off = [("name", Value::string(self.timer())), ("state", member("stopped")), ("enabled", Value::Bool(false))];
            parts.push_unit(made::<service::Service>(off));
            parts.push_file("timer_unit", made::<file::File>([("path", path(&self.timer())), ("state", member("absent"))]));
            if self.has_service() {
                let gone = [("path", path(&self.service())), ("state", member("absent"))];
                parts.push_file("service_unit", made::<file::File>(gone));
            }
            return Ok(parts);
        }
        refuse_without_systemd(world, "a timer")?;
        let is_secret = self.is_secret();
        let unit = |name: &str, text: String| {
            let content = if is_secret { Value::string(text).secret() } else { Value::string(text) };
            let mode = crate::values::Mode(if is_secret { 0o600 } else { 0o644 });
            made::<file::File>([("path", path(name)), ("content", content), ("mode", mode.to_value())])
        };
        if let Some(command) = &self.command {
            parts.push_file("service_unit", unit(&self.service(), self.render_service(command.reveal())));
        }
        parts.push_file("timer_unit", unit(&self.timer(), self.render_timer()));
        let state = if self.running { "running" } else { "stopped" };
        parts.push_unit(made::<service::Service>([
            ("name", Value::string(self.timer())),
            ("state", member(state)),
            ("enabled", Value::Bool(self.enabled)),
        ]));
        Ok(parts)
    }
}

fn with_suffix(unit: &str) -> String {
    if syntax::kind(unit).is_some() { unit.to_owned() } else { format!("{unit}.service") }
}

resource_of_parts!(Timer {
    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&["unit"]))
    }
});
