//! Commands that start, stop, enable and disable units.

use std::path::Path;

use super::commands::Arguments;
use super::run::{Interpreter, Status};
use super::words::Field;
use crate::units::DIRECTORIES;
use crate::{ActiveState, EnableState, Known, UnitState, World};

impl Interpreter<'_, '_> {
    pub(super) fn service(&mut self, tool: &str, fields: &[Field]) -> Status {
        let Some(arguments) = Arguments::of(fields, &[]) else { return self.not_understood(fields) };
        if arguments.has(&["--user", "--global"]) {
            // Units of users are none that resources look at.
            return None;
        }
        let mut operands = arguments.operands.clone();
        if matches!(tool, "invoke-rc.d" | "service") && operands.len() >= 2 {
            operands.swap(0, 1);
            operands.truncate(2);
        }
        let (action, units) = operands.split_first()?;
        let units: Vec<String> = units.iter().map(|unit| unit_name(unit)).collect();
        match (tool, *action) {
            // The links of System V are made for every script; systemd looks at its own.
            ("update-rc.d", _) => {
                for level in ["0", "1", "2", "3", "4", "5", "6", "S"] {
                    self.speak(&[Field::known(format!("/etc/rc{level}.d"))]);
                }
                Some(true)
            }
            ("systemctl", "daemon-reload" | "daemon-reexec") => {
                if !self.is_doubtful() {
                    self.world.daemon_reload();
                }
                Some(true)
            }
            ("deb-systemd-helper", "was-enabled") => units.first().and_then(|unit| self.was_enabled(unit)),
            ("deb-systemd-helper", "debian-installed") => Some(true),
            ("systemctl", "is-active") => {
                self.is(&units, |state| state.active.value().map(|active| *active == ActiveState::Active))
            }
            ("systemctl", "is-enabled") => self.is(&units, |state| {
                state.enabled.value().map(|enabled| !matches!(enabled, EnableState::Disabled | EnableState::Masked))
            }),
            ("deb-systemd-helper", "purge") => {
                for unit in &units {
                    self.unit_action("purge", unit, false, false);
                    self.unlink(unit);
                }
                Some(true)
            }
            (_, action) => {
                let careful = matches!(tool, "deb-systemd-invoke" | "invoke-rc.d");
                for unit in &units {
                    self.unit_action(action, unit, careful, arguments.has(&["--now"]));
                }
                Some(true)
            }
        }
    }

    /// The install links of a unit go, and with them every directory for such links that is empty then.
    fn unlink(&mut self, unit: &str) {
        let above = Path::new("/etc/systemd/system");
        let Ok(Known::Is(Some(entries))) = self.world.list(above) else { return };
        for (name, _) in entries {
            let is_wants = name.to_str().is_some_and(|name| name.ends_with(".wants") || name.ends_with(".requires"));
            let directory = above.join(&name);
            if !is_wants {
                continue;
            }
            self.remove(&directory.join(unit));
            if matches!(self.world.list(&directory), Ok(Known::Is(Some(left))) if left.is_empty()) {
                self.remove(&directory);
            }
        }
    }

    fn is(&self, units: &[String], test: impl Fn(&UnitState) -> Option<bool>) -> Status {
        let state = self.world.unit(units.first()?).ok()?;
        let state = state.value()?;
        if state.exists { test(state) } else { Some(false) }
    }

    /// A unit that is new counts as enabled, so that it is enabled then.
    fn was_enabled(&self, unit: &str) -> Status {
        match self.exists(&format!("/var/lib/systemd/deb-systemd-helper-enabled/{unit}.dsh-also")) {
            Some(false) => Some(true),
            Some(true) => {
                self.is(&[unit.to_owned()], |state| state.enabled.value().map(|enabled| *enabled == EnableState::Enabled))
            }
            None => None,
        }
    }

    fn unit_action(&mut self, action: &str, unit: &str, careful: bool, now: bool) {
        let mut state = match self.world.unit(unit) {
            Ok(Known::Is(state)) if state.exists => state,
            Ok(Known::Is(_)) => return,
            _ => return self.speak(&[Field::known(unit)]),
        };
        let before = state.clone();
        match action {
            "start" | "restart" | "reload-or-restart" => state.active = self.started(unit, &state, careful),
            "try-restart" | "force-reload" | "reload" | "condrestart" => {}
            "stop" => state.active = Known::Is(ActiveState::Inactive),
            "enable" | "reenable" | "preset" => {
                if state.enabled == Known::Is(EnableState::Disabled) {
                    state.enabled = Known::Is(EnableState::Enabled);
                }
                if now {
                    state.active = self.started(unit, &state, false);
                }
            }
            "disable" | "purge" | "remove" => {
                if state.enabled == Known::Is(EnableState::Enabled) {
                    state.enabled = Known::Is(EnableState::Disabled);
                }
                if now {
                    state.active = Known::Is(ActiveState::Inactive);
                }
            }
            "mask" => state.enabled = Known::Is(EnableState::Masked),
            "unmask" => {
                if state.enabled == Known::Is(EnableState::Masked) {
                    state.enabled = Known::Unknown(self.because.clone());
                }
            }
            "update-state" | "is-failed" | "reset-failed" | "status" | "show" | "cat" => {}
            _ => state.active = Known::Unknown(self.because.clone()),
        }
        if state == before {
            return;
        }
        if self.is_doubtful() {
            if state.active != before.active {
                state.active = Known::Unknown(self.because.clone());
            }
            if state.enabled != before.enabled {
                state.enabled = Known::Unknown(self.because.clone());
            }
        }
        self.world.put_unit(unit, state);
    }

    /// Whether a unit runs after it was started.
    fn started(&self, unit: &str, state: &UnitState, careful: bool) -> Known<ActiveState> {
        let unknown = || Known::Unknown(self.because.clone());
        if self.exists("/run/systemd/system") != Some(true) {
            return state.active.clone();
        }
        if careful {
            // A policy may forbid it (invoke-rc.d(8)).
            if self.exists("/usr/sbin/policy-rc.d") != Some(false) {
                return unknown();
            }
            let runs = matches!(state.active, Known::Is(ActiveState::Active));
            match &state.enabled {
                _ if runs => {}
                Known::Is(EnableState::Disabled | EnableState::Static | EnableState::Masked) => return state.active.clone(),
                Known::Is(_) => {}
                Known::Unknown(_) => return unknown(),
            }
        }
        let Some(text) = DIRECTORIES.iter().find_map(|directory| self.world_text(&format!("{directory}/{unit}"))) else {
            return unknown();
        };
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let says =
            |key: &str, value: &str| lines.iter().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.trim() == value));
        if lines.iter().any(|line| line.starts_with("Condition") || line.starts_with("Assert")) {
            return unknown();
        }
        let is_brief = says("Type=", "oneshot") && !["yes", "true", "1", "on"].iter().any(|yes| says("RemainAfterExit=", yes));
        Known::Is(if is_brief { ActiveState::Inactive } else { ActiveState::Active })
    }
}

fn unit_name(name: &str) -> String {
    const SUFFIXES: [&str; 8] = [".service", ".socket", ".timer", ".path", ".mount", ".target", ".slice", ".automount"];
    if SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) { name.to_owned() } else { format!("{name}.service") }
}
