//! The two unit files of a timer.

use std::fmt::Write as _;

use stead_catalog::Command;

use super::{Settings, Timer, with_suffix};
use crate::values::{Guarded, SettingValue};

impl Timer {
    pub(super) fn render_timer(&self) -> String {
        let mut text = String::from("[Unit]\n");
        let description = self.description.as_deref().map_or_else(|| format!("Timer of {}", self.stem()), str::to_owned);
        set(&mut text, "Description", &literal(&description));
        text.push_str("\n[Timer]\n");
        for expression in &self.on_calendar {
            set(&mut text, "OnCalendar", expression);
        }
        let spans = [
            ("OnActiveSec", self.on_active),
            ("OnBootSec", self.on_boot),
            ("OnStartupSec", self.on_startup),
            ("OnUnitActiveSec", self.on_unit_active),
            ("OnUnitInactiveSec", self.on_unit_inactive),
            ("RandomizedDelaySec", self.randomized_delay),
            ("AccuracySec", self.accuracy),
        ];
        for (name, length) in spans {
            if let Some(length) = length {
                set(&mut text, name, &SettingValue::Duration(length).to_string());
            }
        }
        let switches =
            [("FixedRandomDelay", self.fixed_random_delay), ("Persistent", self.persistent), ("WakeSystem", self.wake_system)];
        for (name, _) in switches.into_iter().filter(|(_, on)| *on) {
            set(&mut text, name, "true");
        }
        if let Some(unit) = &self.unit {
            set(&mut text, "Unit", &with_suffix(unit));
        }
        more(&mut text, self.timer_settings.as_ref());
        text.push_str("\n[Install]\nWantedBy=timers.target\n");
        text
    }

    pub(super) fn render_service(&self, command: &Command) -> String {
        let mut text = String::from("[Unit]\n");
        let description = self.description.as_deref().unwrap_or_else(|| self.stem());
        set(&mut text, "Description", &literal(description));
        text.push_str("\n[Service]\nType=oneshot\n");
        set(&mut text, "ExecStart", &exec(command));
        if let Some(user) = &self.user {
            set(&mut text, "User", &literal(user));
        }
        if let Some(group) = &self.group {
            set(&mut text, "Group", &literal(group));
        }
        if let Some(cwd) = &self.cwd {
            set(&mut text, "WorkingDirectory", &literal(cwd.as_str()));
        }
        for (name, value) in self.environment.iter().flat_map(|environment| environment.reveal()) {
            set(&mut text, "Environment", &quoted(&format!("{name}={value}"), false));
        }
        more(&mut text, self.service_settings.as_ref());
        text
    }
}

fn set(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name}={value}");
}

fn more(text: &mut String, settings: Option<&Guarded<Settings>>) {
    for (name, values) in settings.into_iter().flat_map(|settings| settings.reveal()) {
        if values.is_empty() {
            set(text, name, "");
        }
        for value in values {
            set(text, name, &value.to_string());
        }
    }
}

/// A text as it is, where systemd would expand specifiers.
fn literal(text: &str) -> String {
    text.replace('%', "%%")
}

/// A command as `ExecStart` takes it: nothing in it is expanded by systemd.
fn exec(command: &Command) -> String {
    match command {
        Command::Shell(line) => format!("/bin/sh -c {}", quoted(line, true)),
        Command::Argv(words) => words.iter().map(|word| quoted(word, true)).collect::<Vec<_>>().join(" "),
    }
}

/// A word with the quoting of systemd.service(5). Variables are expanded in commands only.
fn quoted(word: &str, is_command: bool) -> String {
    let mut text = String::with_capacity(word.len() + 2);
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,=@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    text.push('"');
    for c in word.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '%' => text.push_str("%%"),
            '$' if is_command => text.push_str("$$"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_themselves() {
        assert_eq!(exec(&Command::Argv(vec!["/bin/a".into(), "b c".into(), "50%".into()])), "/bin/a \"b c\" \"50%%\"");
        assert_eq!(exec(&Command::Shell("echo \"$HOME\" > /x".into())), "/bin/sh -c \"echo \\\"$$HOME\\\" > /x\"");
        assert_eq!(quoted("A=$b", false), "\"A=$b\"");
        assert_eq!(quoted("", true), "\"\"");
    }
}
