//! What the scripts of a Debian package do when it is removed, as far as it is written out.
//!
//! Only what cannot be read otherwise is concluded: `rm` of a literal path under nothing but `purge` and a test for that path.
//! Everything else that removes or moves a literal path is doubtful.

use std::path::PathBuf;

/// Paths that a script removes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Purged {
    /// It does.
    pub(super) certain: Vec<PathBuf>,
    /// It may.
    pub(super) doubtful: Vec<PathBuf>,
}

/// Why a statement is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// In a purge.
    Purge,
    /// When something is there, which what removes it needs anyway.
    Exists,
    /// For another reason.
    Other,
}

/// Reads a `postrm` (deb-postrm(5)): what it removes when it is called with `purge`.
pub(super) fn purged_paths(script: &str) -> Purged {
    let mut purged = Purged::default();
    let mut frames: Vec<Frame> = Vec::new();
    for statement in statements(script) {
        let words: Vec<&str> = statement.split_whitespace().collect();
        match words.first().copied() {
            Some("if") => frames.push(condition(&statement)),
            Some("else" | "elif") => {
                if let Some(frame) = frames.last_mut() {
                    *frame = if words[0] == "elif" { condition(&statement) } else { Frame::Other };
                }
            }
            Some("for" | "while" | "until" | "case") => frames.push(Frame::Other),
            Some("fi" | "done" | "esac") => {
                frames.pop();
            }
            Some(";;") => {
                if let Some(frame) = frames.last_mut() {
                    *frame = Frame::Other;
                }
            }
            Some(word) if word.ends_with(')') && words.len() == 1 && !word.contains('(') => {
                if let Some(frame) = frames.last_mut() {
                    let arm = word.trim_end_matches(')').split('|').any(|arm| unquote(arm) == "purge");
                    *frame = if arm { Frame::Purge } else { Frame::Other };
                }
            }
            _ => command(&words, &frames, &mut purged),
        }
    }
    purged
}

/// Reads a `prerm`: the units that it stops with the tools that packages use for it.
pub(super) fn stopped_units(script: &str) -> Vec<String> {
    let tools = ["deb-systemd-invoke", "invoke-rc.d"];
    let mut units = Vec::new();
    for statement in statements(script) {
        let words: Vec<&str> = statement.split_whitespace().map(unquote).collect();
        if !words.iter().any(|word| tools.contains(word)) || !words.contains(&"stop") {
            continue;
        }
        for word in
            words.iter().filter(|word| !tools.contains(word) && **word != "stop" && !word.starts_with(['-', '>', '|', '$', '/']))
        {
            let unit = if word.contains('.') { (*word).to_owned() } else { format!("{word}.service") };
            if !units.contains(&unit) {
                units.push(unit);
            }
        }
    }
    units
}

/// Splits a script into simple statements; `then` and `do` are dropped, `;;` and arms of a case stand alone.
fn statements(script: &str) -> Vec<String> {
    let joined = script.replace("\\\n", " ").replace(";;", "\n;;\n").replace("&&", "\n&& ").replace("||", "\n|| ");
    let mut statements = Vec::new();
    for line in joined.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if line == ";;" {
            statements.push(line.to_owned());
            continue;
        }
        for part in line.split(';') {
            let mut part = part.trim();
            for word in ["then", "do"] {
                part = part.strip_prefix(word).filter(|rest| rest.is_empty() || rest.starts_with(' ')).unwrap_or(part).trim();
            }
            if let Some(rest) = part.strip_prefix("else ") {
                statements.push("else".to_owned());
                part = rest.trim();
            }
            // `purge) rm -rf /x` is an arm and a statement.
            match part.split_once(')') {
                Some((arm, rest)) if !arm.contains([' ', '(', '=']) && !arm.is_empty() => {
                    statements.push(format!("{arm})"));
                    statements.push(rest.trim().to_owned());
                }
                _ => statements.push(part.to_owned()),
            }
        }
    }
    statements.retain(|statement| !statement.is_empty());
    statements
}

fn condition(statement: &str) -> Frame {
    let words: Vec<&str> = statement.split_whitespace().map(unquote).collect();
    let purge = words.windows(3).any(|window| window[0] == "$1" && matches!(window[1], "=" | "==") && window[2] == "purge");
    let test = words.windows(2).any(|window| matches!(window[0], "-d" | "-e" | "-f" | "-L" | "-h") && window[1].starts_with('/'));
    match (purge, test) {
        (true, _) => Frame::Purge,
        (false, true) if !words.contains(&"!") => Frame::Exists,
        _ => Frame::Other,
    }
}

fn command(words: &[&str], frames: &[Frame], purged: &mut Purged) {
    let chained = matches!(words.first(), Some(&("&&" | "||")));
    let words = if chained { &words[1..] } else { words };
    let Some(name) = words.first() else { return };
    if !matches!(*name, "rm" | "rmdir" | "mv" | "unlink") {
        return;
    }
    let options: Vec<&str> = words[1..].iter().copied().filter(|word| word.starts_with('-')).collect();
    let is_forced = options.iter().any(|option| !option.starts_with("--") && option.contains('f') || *option == "--force");
    let in_purge = frames.contains(&Frame::Purge) && !frames.contains(&Frame::Other);
    for word in words[1..].iter().map(|word| unquote(word)).filter(|word| word.starts_with('/')) {
        let is_literal = !word.contains(['$', '*', '?', '[', '`', '{']) && !word.split('/').any(|part| part == "..");
        if !is_literal {
            continue;
        }
        let path = PathBuf::from(word.trim_end_matches('/'));
        if path.components().count() < 3 {
            continue;
        }
        if *name == "rm" && is_forced && in_purge && !chained {
            purged.certain.push(path);
        } else {
            purged.doubtful.push(path);
        }
    }
}

fn unquote(word: &str) -> &str {
    word.trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certain(script: &str) -> Vec<String> {
        purged_paths(script).certain.iter().map(|path| path.display().to_string()).collect()
    }

    fn doubtful(script: &str) -> Vec<String> {
        purged_paths(script).doubtful.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn what_a_purge_removes_is_read() {
        let script = "#!/bin/sh\nset -e\nif [ \"$1\" = purge ]; then rm -rf /var/lib/demo-old; deb-systemd-helper purge demo-old.service >/dev/null || true; fi\n[ -d /run/systemd/system ] && systemctl --system daemon-reload || true\n";
        assert_eq!(certain(script), ["/var/lib/demo-old"]);
        assert_eq!(doubtful(script), Vec::<String>::new());
        let script = "case \"$1\" in\n  remove|upgrade)\n    rm -f /run/x/lock\n  ;;\n  purge)\n    # all of it\n    if [ -d /var/log/x ]; then\n      rm -rf \"/var/log/x/\" \\\n        /var/cache/x\n    fi\n    ;;\nesac\n";
        assert_eq!(certain(script), ["/var/log/x", "/var/cache/x"]);
        assert_eq!(doubtful(script), ["/run/x/lock"]);
    }

    #[test]
    fn what_depends_on_more_is_doubtful() {
        for script in [
            "if [ \"$1\" = purge ]; then if [ \"$RET\" = true ]; then rm -rf /var/lib/x; fi; fi\n",
            "if [ \"$1\" = purge ]; then rmdir /var/lib/x; fi\n",
            "if [ \"$1\" = purge ]; then test \"$Y\" && rm -rf /var/lib/x; fi\n",
            "if [ \"$1\" != purge ]; then :; else rm -rf /var/lib/x; fi\n",
            "rm -rf /var/lib/x\n",
        ] {
            assert_eq!((certain(script), doubtful(script)), (Vec::new(), vec!["/var/lib/x".to_owned()]), "{script}");
        }
    }

    #[test]
    fn paths_that_are_not_written_out_say_nothing() {
        for script in
            ["rm -rf $DIR/x /var/lib/$NAME /var/lib/*.db\n", "rm -rf / /etc /../etc/x/y\n", "", "fi\nesac\n;;\n)\n", "if\nrm"]
        {
            assert_eq!(purged_paths(script), Purged::default(), "{script}");
        }
    }

    #[test]
    fn stopped_units_are_read() {
        let script = "if [ -z \"${DPKG_ROOT:-}\" ] && [ \"$1\" = remove ] && [ -d /run/systemd/system ] ; then\n\tdeb-systemd-invoke stop 'nginx.service' >/dev/null || true\nfi\ninvoke-rc.d cron stop || exit $?\n";
        assert_eq!(stopped_units(script), ["nginx.service", "cron.service"]);
    }
}
