//! The form of unit files (systemd.syntax(7), systemd.unit(5)).

use std::fmt::Write as _;

use super::Sections;

/// Kinds of units that have files, by suffix, with the section that only they have.
const KINDS: [(&str, Option<&str>); 11] = [
    (".service", Some("Service")),
    (".socket", Some("Socket")),
    (".timer", Some("Timer")),
    (".path", Some("Path")),
    (".mount", Some("Mount")),
    (".automount", Some("Automount")),
    (".swap", Some("Swap")),
    (".slice", Some("Slice")),
    (".scope", Some("Scope")),
    (".target", None),
    (".device", None),
];

/// What does not fit, and the way out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// What is wrong, with its line in the file.
    pub(crate) message: String,
    /// The way out.
    pub(crate) hint: &'static str,
}

/// The suffix and the own section of a unit's kind; `None` of a name without a suffix.
pub(crate) fn kind(name: &str) -> Option<(&'static str, Option<&'static str>)> {
    KINDS.iter().copied().find(|(suffix, _)| name.ends_with(suffix))
}

/// Says whether this can be the name of a unit, so that it can never be a path.
pub(crate) fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    let is_more = kind(name).is_some_and(|(suffix, _)| name.len() > suffix.len());
    is_more && name.len() <= 255 && name.bytes().all(legal) && !name.starts_with('.')
}

/// The text of a file with these sections.
pub(crate) fn render(sections: &Sections) -> String {
    let mut text = String::new();
    for (name, settings) in sections {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "[{name}]");
        for (key, values) in settings {
            if values.is_empty() {
                let _ = writeln!(text, "{key}=");
            }
            for value in values {
                let _ = writeln!(text, "{key}={value}");
            }
        }
    }
    text
}

/// Finds what systemd would ignore or refuse in a unit file.
pub(crate) fn check(text: &str, unit: &str, is_drop_in: bool) -> Vec<Misfit> {
    let (suffix, own) = kind(unit).unwrap_or((".service", Some("Service")));
    let mut misfits = Vec::new();
    let mut section: Option<&str> = None;
    let mut seen: Vec<(String, String, String)> = Vec::new();
    let lines = logical_lines(text);
    for (number, line) in &lines {
        let mut misfit = |message: String, hint| misfits.push(Misfit { message: format!("line {number}: {message}"), hint });
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let Some(name) = header.strip_suffix(']').filter(|name| !name.is_empty() && !name.contains(['[', ']'])) else {
                misfit(format!("`{line}` is no header of a section"), "a header is a name in brackets: `[Service]`");
                section = None;
                continue;
            };
            let known = matches!(name, "Unit" | "Install") || Some(name) == own || name.starts_with("X-");
            if !known {
                let message = format!("a unit of the kind `{suffix}` has no section `{name}`: systemd would ignore it");
                misfit(message, "sections are `Unit`, `Install` and the one of the unit's kind; names are case-sensitive");
            }
            section = Some(name);
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            misfit(format!("`{line}` sets nothing"), "a line is `Name=value`, a header, a comment or blank");
            continue;
        };
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            misfit(format!("`{key}` is no name of a setting"), "a name is made of letters and digits");
        }
        match section {
            None => misfit(format!("`{key}` stands before any section"), "begin with a header such as `[Unit]`"),
            Some(name) => seen.push((name.to_owned(), key.to_owned(), value.trim().to_owned())),
        }
        if let Some(options) = choices(section, key)
            && !value.trim().is_empty()
            && !options.contains(&value.trim())
        {
            misfit(format!("`{key}` cannot be `{}`", value.trim()), "see systemd.service(5) for the values it takes");
        }
    }
    if !is_drop_in && misfits.is_empty() {
        misfits.extend(incomplete(suffix, &seen));
    }
    misfits
}

/// What a unit of its kind cannot be without.
fn incomplete(suffix: &str, seen: &[(String, String, String)]) -> Option<Misfit> {
    let has = |section: &str, test: &dyn Fn(&str) -> bool| {
        seen.iter().any(|(of, key, value)| of == section && test(key) && !value.is_empty())
    };
    let (is_complete, message, hint) = match suffix {
        ".service" => {
            let runs = |key: &str| matches!(key, "ExecStart" | "ExecStop" | "SuccessAction" | "BusName");
            (has("Service", &runs), "the service runs nothing", "give `ExecStart` in the section `Service`")
        }
        ".timer" => {
            let fires = |key: &str| key.starts_with("On") && key != "OnFailure" && key != "OnSuccess";
            (has("Timer", &fires), "the timer never elapses", "give `OnCalendar` or another time in the section `Timer`")
        }
        ".socket" => {
            let listens = |key: &str| key.starts_with("Listen");
            (has("Socket", &listens), "the socket listens on nothing", "give `ListenStream` in the section `Socket`")
        }
        ".path" => {
            let watches = |key: &str| key.starts_with("Path") || key == "DirectoryNotEmpty";
            (has("Path", &watches), "the unit watches no path", "give `PathChanged` in the section `Path`")
        }
        ".mount" => {
            let (what, place) = (has("Mount", &|key| key == "What"), has("Mount", &|key| key == "Where"));
            (what && place, "it is not said what is mounted where", "give `What` and `Where` in the section `Mount`")
        }
        _ => return None,
    };
    (!is_complete).then(|| Misfit { message: message.into(), hint })
}

/// The values of the settings that take one of a few.
fn choices(section: Option<&str>, key: &str) -> Option<&'static [&'static str]> {
    match (section, key) {
        (Some("Service"), "Type") => Some(&["simple", "exec", "forking", "oneshot", "dbus", "notify", "notify-reload", "idle"]),
        (Some("Service"), "Restart") => {
            Some(&["no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always"])
        }
        (Some("Service"), "KillMode") => Some(&["control-group", "mixed", "process", "none"]),
        _ => None,
    }
}

/// Lines with their continuations put together, each with the number of its first, without comments and blank ones.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (at, line) in text.lines().enumerate() {
        let is_comment = line.trim_start().starts_with(['#', ';']);
        if is_comment || (line.trim().is_empty() && !continues) {
            // A comment between a line and its continuation is left out, and the line goes on.
            continue;
        }
        let (body, goes_on) = match line.strip_suffix('\\') {
            Some(body) => (body, true),
            None => (line, false),
        };
        match lines.last_mut().filter(|_| continues) {
            Some((_, last)) => {
                last.push(' ');
                last.push_str(body);
            }
            None => lines.push((at + 1, body.to_owned())),
        }
        continues = goes_on;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str, unit: &str, is_drop_in: bool) -> Vec<String> {
        check(text, unit, is_drop_in).into_iter().map(|misfit| misfit.message).collect()
    }

    #[test]
    fn what_systemd_would_ignore_is_found() {
        let good = "# x\n[Unit]\nDescription=a\n[Service]\nExecStart=/bin/a \\\n# between\n  b=c\nRestart=always\n";
        assert_eq!(messages(good, "a.service", false), [""; 0]);
        assert_eq!(messages("[Service]\nLimitNOFILE=4096\n", "a.service", true), [""; 0]);
        assert_eq!(messages("[Service]\n", "a.service", false), ["the service runs nothing"]);
        assert_eq!(messages("[Timer]\nOnFailure=x\n", "a.timer", false), ["the timer never elapses"]);
        assert_eq!(
            messages("A=b\n[Service\n[service]\nx\n[Service]\nRestart=on-fail\n", "a.service", true),
            [
                "line 1: `A` stands before any section",
                "line 2: `[Service` is no header of a section",
                "line 3: a unit of the kind `.service` has no section `service`: systemd would ignore it",
                "line 4: `x` sets nothing",
                "line 6: `Restart` cannot be `on-fail`",
            ]
        );
    }

    #[test]
    fn names_cannot_be_paths() {
        assert!(is_name("a@b.service") && is_name("dev-sda\\x2d1.swap"));
        assert!(!is_name(".service") && !is_name("../a.service") && !is_name("a b.service") && !is_name("a"));
    }
}
