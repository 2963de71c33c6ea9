//! How what apt refuses, and what it fails at, is told.

use crate::{ApplyError, ObserveError, Output};

/// How many lines of a failure are kept.
const KEPT_LINES: usize = 20;

/// What stands before the name that was probably meant, in the reason of an unmet wish.
pub(super) const ALIKE: &str = ", but one named ";

/// What stands behind the reason where nothing is on offer at all.
pub(super) const EMPTY: &str = ", for nothing is";

/// What stands before the reason why a file of a package cannot be read.
pub(super) const UNREADABLE: &str = "its file: ";

pub(super) fn is_unknown(reason: &str) -> bool {
    reason.contains("Unable to locate package") || reason.contains("no package of this name")
}

/// Makes the failure of a wish that cannot be met from the reason in a [`Forecast`](crate::Forecast): `unknown-package`, `unknown-version`
/// or `package-conflict`.
pub fn unmet(name: &str, reason: &str) -> ObserveError {
    let impossible = |code, message, hint: String| ObserveError::Impossible { code, message, hint };
    if is_unknown(reason) {
        let repository = "declare the repository that has it before this package";
        let hint = match reason.split_once(ALIKE) {
            Some((_, like)) => format!("did you mean `{like}`? if not, {repository}"),
            None if reason.ends_with(EMPTY) => "the package index is empty: declare a repository".to_owned(),
            None => repository.to_owned(),
        };
        return impossible("unknown-package", format!("no package named `{name}` is on offer"), hint);
    }
    if let Some(release) = reason.strip_prefix("Release '").and_then(|rest| rest.split('\'').next()) {
        let message = format!("no repository offers package `{name}` in the release `{release}`");
        let hint =
            format!("declare the repository of that release before this package; `apt-cache policy {name}` tells what each has");
        return impossible("unknown-release", message, hint);
    }
    let message = format!("package `{name}`: {reason}");
    if let Some(said) = reason.strip_prefix(UNREADABLE) {
        let hint = "declare the resource that brings it, or name the path that it has";
        return impossible("not-a-package", format!("package `{name}`: {said}"), hint.to_owned());
    }
    if reason.starts_with("no version") || reason.starts_with("Version '") {
        let hint = "name one of the versions on offer, or a pattern such as `1.2.*`; `apt-cache madison` lists them";
        return impossible("unknown-version", message, hint.to_owned());
    }
    let hint = "`apt-get -s install` shows all of apt's reasoning, `apt-mark showhold` what is held".to_owned();
    impossible("package-conflict", message, hint)
}

/// apt's failure with its last lines, standard error after standard output.
pub(super) fn failed(command: String, output: &Output) -> ApplyError {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    // What a progress display overwrites is not there for a reader.
    let shown = |line: &'_ str| line.trim_end().rsplit('\r').next().unwrap_or_default().trim_end().to_owned();
    let lines: Vec<String> = stdout.lines().chain(stderr.lines()).map(shown).filter(|line| says_something(line)).collect();
    let kept = lines[lines.len().saturating_sub(KEPT_LINES)..].join("\n");
    // Who holds it is told where apt begins to wait: `Waiting for cache lock: Could not get lock FILE. It is held by process 7 (x)...`
    if let Some((_, told)) = kept.split_once("Could not get lock") {
        let holder = told.lines().next().unwrap_or_default().trim_end_matches('.');
        let message = format!("apt: Could not get lock{holder}");
        let hint = "wait until the other package manager is done, then run again".to_owned();
        return ObserveError::Impossible { code: "packages-locked", message, hint }.into();
    }
    ApplyError::Command { command, status: format!("exit status {}", output.status), output: kept }
}

/// Says whether a line of apt or dpkg can help to understand a failure.
fn says_something(line: &str) -> bool {
    const IDLE: [&str; 12] = [
        "(Reading database",
        "Reading package lists",
        "Reading state information",
        "Building dependency tree",
        "Selecting previously unselected",
        "Preparing to unpack",
        "Get:",
        "Hit:",
        "Need to get",
        "After this operation",
        "Fetched ",
        "debconf: delaying package configuration",
    ];
    !line.trim().is_empty() && !IDLE.iter().any(|idle| line.starts_with(idle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_keep_their_last_lines() {
        let output = Output {
            status: 100,
            stdout: (0..40).map(|n| format!("line {n}\n")).collect::<String>().into_bytes(),
            stderr: b"E: it failed\n".to_vec(),
        };
        let ApplyError::Command { output: kept, .. } = failed("apt-get".into(), &output) else { panic!("another failure") };
        assert!(kept.starts_with("line 21\n") && kept.ends_with("E: it failed"));
    }
}
