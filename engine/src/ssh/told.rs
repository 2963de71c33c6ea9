//! What ssh, sudo and the shell have said, made out.

use super::stead_clean;
use crate::remote::{RemoteError, SshProblem};

/// What is said, and what that means. The first that fits counts.
const SIGNS: [(&str, SshProblem); 20] = [
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", SshProblem::HostKeyChanged),
    ("Host key verification failed", SshProblem::HostKeyUnknown),
    ("No matching host key", SshProblem::HostKeyUnknown),
    ("Could not resolve hostname", SshProblem::UnknownHost),
    ("Permission denied (", SshProblem::Refused),
    ("Too many authentication failures", SshProblem::Refused),
    ("no such identity", SshProblem::Refused),
    ("Connection refused", SshProblem::Unreachable),
    ("Connection timed out", SshProblem::Unreachable),
    ("Operation timed out", SshProblem::Unreachable),
    ("No route to host", SshProblem::Unreachable),
    ("Network is unreachable", SshProblem::Unreachable),
    ("banner exchange", SshProblem::Unreachable),
    ("kex_exchange_identification", SshProblem::Unreachable),
    ("Connection closed by", SshProblem::Unreachable),
    ("Connection reset by", SshProblem::Unreachable),
    ("sudo: not found", SshProblem::SudoMissing),
    ("\u{2018}sudo\u{2019}: No such file", SshProblem::SudoMissing),
    ("'sudo': No such file", SshProblem::SudoMissing),
    ("sudo: command not found", SshProblem::SudoMissing),
];

/// What sudo says.
const SUDO_SIGNS: [(&str, SshProblem); 8] = [
    ("a password is required", SshProblem::SudoPasswordNeeded),
    ("no password was provided", SshProblem::SudoPasswordNeeded),
    ("incorrect password attempt", SshProblem::SudoPasswordWrong),
    ("is not in the sudoers file", SshProblem::SudoRefused),
    ("is not allowed to", SshProblem::SudoRefused),
    ("may not run sudo", SshProblem::SudoRefused),
    ("unknown user", SshProblem::SudoRefused),
    ("a terminal is required", SshProblem::SudoPasswordNeeded),
];

/// Why ssh has ended before the worker was there.
pub(super) fn why(told: &str, status: Option<i32>, is_sudo: bool) -> RemoteError {
    let last = last_line(told);
    let found = SIGNS.iter().chain(SUDO_SIGNS.iter().filter(|_| is_sudo)).find(|(sign, _)| told.contains(sign));
    let Some((sign, problem)) = found else {
        // 255 is ssh's own; anything else is the shell's at the other end, or what it became.
        if status == Some(255) {
            return RemoteError::connect(SshProblem::Other, format!("ssh: {last}"), hint(SshProblem::Other));
        }
        return not_started(told);
    };
    let line = told.lines().find(|line| line.contains(sign)).map_or(last, |line| stead_clean(line.trim()));
    let message = match problem {
        SshProblem::HostKeyChanged => changed_key(told),
        SshProblem::HostKeyUnknown => "the host's key is not known".to_owned(),
        SshProblem::Refused => format!("the host refused to log in: {line}"),
        SshProblem::Unreachable => format!("the host cannot be reached: {line}"),
        SshProblem::UnknownHost => format!("there is no such host: {line}"),
        SshProblem::SudoMissing => "there is no sudo on the host".to_owned(),
        _ => line,
    };
    RemoteError::connect(*problem, message, hint(*problem))
}

/// Which key is known, and which one came: somebody has to compare them.
fn changed_key(told: &str) -> String {
    let lines = || told.lines().map(str::trim);
    let place = lines().find_map(|line| Some(line.strip_prefix("Offending ")?.split_once(" key in ")?.1));
    let place = place.map(|place| format!(" ({})", stead_clean(place))).unwrap_or_default();
    let came = lines().find(|line| line.starts_with("SHA256:")).map(|print| stead_clean(print.trim_end_matches('.')));
    let came = came.map(|print| format!("; what it shows is {print}")).unwrap_or_default();
    format!("the host has another key than the one that is known{place}{came}")
}

fn hint(problem: SshProblem) -> &'static str {
    match problem {
        SshProblem::HostKeyChanged => {
            "find out why before anything else; if the host was made anew, `ssh-keygen -R HOST` forgets the old key"
        }
        SshProblem::HostKeyUnknown => {
            "compare the key and accept it once with `ssh HOST`, or list it in known_hosts; it is never accepted unseen"
        }
        SshProblem::Refused => "does `ssh HOST true` work? the user, the key and the agent are those of ssh's own configuration",
        SshProblem::UnknownHost => "name its address in the inventory, or in ~/.ssh/config",
        SshProblem::Unreachable => "is it up, and are the address and the port right?",
        SshProblem::SudoMissing => "install sudo there, or log in as the user that may do the work",
        SshProblem::SudoRefused => "allow the user to become it in sudoers, or log in as another one",
        SshProblem::SudoPasswordNeeded => "give the password with --ask-become-pass, or allow NOPASSWD in sudoers",
        SshProblem::Other => "does `ssh HOST true` work?",
        _ => "",
    }
}

/// The password was asked for again.
pub(super) fn wrong_password() -> RemoteError {
    RemoteError::connect(
        SshProblem::SudoPasswordWrong,
        "sudo did not take the password",
        "give the password of the user that logs in",
    )
}

/// A word that sudo is not given: what a shell would make of it is another matter than what it says.
pub(super) fn no_user(user: &str) -> RemoteError {
    RemoteError::connect(
        SshProblem::UserName,
        format!("`{}` is no name of a user that the work can be done as", stead_clean(user)),
        "a name has letters, digits and any of . _ - @ + $ #; a uid is written #1000",
    )
}

/// The worker was started and is gone.
pub(super) fn not_started(told: &str) -> RemoteError {
    if let Some(message) = unfit_libc(told) {
        let hint =
            "name a stead that is linked statically with --worker-binary FILE: it needs nothing of the host but its kernel";
        return RemoteError::connect(SshProblem::Libc, message, hint);
    }
    let last = last_line(told);
    let hint = if told.trim().is_empty() {
        "does the login shell run a command? nologin does not, nor does one whose start-up files say `exit`"
    } else if told.contains("ermission denied") {
        "is the file system that holds the cache mounted noexec?"
    } else {
        "log in and look: the worker lies in bin/ below /var/cache/stead, or below ~/.cache/stead for a user"
    };
    RemoteError::connect(SshProblem::NotStarted, format!("the worker does not start: {last}"), hint)
}

/// What is wrong with the C library of the host, in the words of its loader or its shell.
fn unfit_libc(told: &str) -> Option<String> {
    // libc.so.6: version `GLIBC_2.34' not found (required by …): a line for each version.
    let versions = told.split("GLIBC_").skip(1).filter(|_| told.contains("not found"));
    let version = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let numbers: Option<Vec<u32>> = text[..end].split('.').map(|part| part.parse().ok()).collect();
        numbers
    };
    if let Some(newest) = versions.filter_map(version).max() {
        let newest: Vec<String> = newest.iter().map(u32::to_string).collect();
        return Some(format!("the host's C library is too old for the worker, which needs glibc {}", newest.join(".")));
    }
    if let Some((_, library)) = told.split_once("error while loading shared libraries: ") {
        let library = library.split(':').next().unwrap_or_default();
        return Some(format!("the host lacks a library that the worker needs: {}", stead_clean(library)));
    }
    // The file is there, for it was compared before: it is the loader that it names which is not.
    let is_missing = |line: &str| {
        let line = line.trim_end();
        line.contains("exec")
            && line.contains("/bin/")
            && (line.ends_with(": not found") || line.ends_with("o such file or directory"))
    };
    told.lines().any(is_missing).then(|| "the host has no glibc, which the worker needs".to_owned())
}

/// No worker has answered.
pub(super) fn silent(what: &str, told: &str) -> RemoteError {
    let last = if told.trim().is_empty() { String::new() } else { format!("; the last that was told: {}", last_line(told)) };
    RemoteError::connect(
        SshProblem::Silent,
        format!("no worker answers: {what}{last}"),
        "does the login shell run /bin/sh, and do its start-up files come to an end and read nothing?",
    )
}

/// The shell at the other end cannot go on.
pub(super) fn failure(what: &str) -> RemoteError {
    let (message, hint) = match what {
        "directory" => ("the directory for it cannot be made", "is the disk full, or the file system read-only?"),
        "owner" => (
            "the directory for it belongs to somebody else",
            "/var/cache/stead (or ~/.cache/stead of a user) has to belong to the user that does the work",
        ),
        "write" => ("it cannot be written", "free some space in /var/cache, or in the home directory of a user"),
        "sha256sum" => ("there is no sha256sum to compare it with", "install coreutils or busybox there"),
        "transfer" => ("the transfer broke off", "try again: it goes on where it broke off"),
        "damaged" => ("what arrived is not what was sent", "try again; it was removed"),
        other => return silent(&format!("the shell failed: {}", stead_clean(other)), ""),
    };
    RemoteError::connect(SshProblem::NotStored, format!("the worker cannot be stored: {message}"), hint)
}

fn last_line(told: &str) -> String {
    let line = told.lines().rev().map(str::trim).find(|line| !line.is_empty());
    line.map_or_else(|| "it said nothing".to_owned(), stead_clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_key_is_told_with_the_place_of_the_old_one() {
        let told = "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\nThe fingerprint for the ED25519 key sent by the remote host is\r\n\
                    SHA256:abc.\r\nOffending ED25519 key in /root/.ssh/known_hosts:7\r\nHost key verification failed.\r\n";
        let message =
            "the host has another key than the one that is known (/root/.ssh/known_hosts:7); what it shows is SHA256:abc";
        assert_eq!(why(told, Some(255), false).to_string(), message);
    }

    #[test]
    fn what_ssh_says_is_made_out() {
        let cases = [
            (
                "@@@\r\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\nHost key verification failed.\r\n",
                255,
                "host-key-changed",
            ),
            ("Host key verification failed.\r\n", 255, "host-key-unknown"),
            ("ssh: Could not resolve hostname nowhere: Name or service not known\r\n", 255, "host-unknown"),
            ("ssh: connect to host 10.0.0.1 port 22: Connection refused\r\n", 255, "host-unreachable"),
            ("root@10.0.0.1: Permission denied (publickey).\r\n", 255, "ssh-refused"),
            ("Bad configuration option: frobnicate\r\n", 255, "ssh-failed"),
            ("sudo: a password is required\n", 1, "sudo-password-needed"),
            ("ann is not in the sudoers file.\n", 1, "sudo-refused"),
            ("env: \u{2018}sudo\u{2019}: No such file or directory\n", 127, "sudo-missing"),
            ("/bin/sh: 1: exec: /root/x: Permission denied\n", 126, "worker-not-started"),
            ("/bin/sh: 1: exec: /root/.cache/stead/bin/0a: not found\n", 127, "worker-libc"),
            ("/bin/sh: exec: line 0: /root/.cache/stead/bin/0a: No such file or directory\n", 127, "worker-libc"),
            ("/bin/sh: 1: stat: not found\n", 127, "worker-not-started"),
            ("/x/bin/0a: error while loading shared libraries: libgcc_s.so.1: cannot open\n", 127, "worker-libc"),
        ];
        for (told, status, code) in cases {
            assert_eq!(why(told, Some(status), true).code(), code, "{told}");
        }
    }

    #[test]
    fn a_shell_that_says_nothing_is_asked_about() {
        let hint = |told: &str| not_started(told).hint().unwrap_or_default();
        assert!(hint("\r\n").contains("nologin"));
        assert!(hint("/bin/sh: 1: stat: not found\n").contains("log in and look"));
    }

    #[test]
    fn the_newest_library_that_is_missed_is_named() {
        let line = |version: &str| {
            format!("/x/bin/0a: /lib/libc.so.6: version `GLIBC_{version}\u{27} not found (required by /x/bin/0a)\r\n")
        };
        let told = [line("2.9"), line("2.34"), line("2.33"), line("PRIVATE")].concat();
        let error = not_started(&told);
        assert_eq!(error.to_string(), "the host's C library is too old for the worker, which needs glibc 2.34");
        assert!(error.hint().is_some_and(|hint| hint.contains("--worker-binary")));
        assert_eq!(
            not_started("error while loading shared libraries: \u{1b}[2Jx.so: cannot\n").to_string(),
            "the host lacks a library that the worker needs: [2Jx.so"
        );
        assert_eq!(not_started("exec: /x/bin/0a: not found\n").to_string(), "the host has no glibc, which the worker needs");
    }

    #[test]
    fn what_is_told_cannot_draw_on_the_terminal() {
        assert_eq!(why("ssh: \u{1b}[2Jhello\n", Some(255), false).to_string(), "ssh: ssh: [2Jhello");
    }
}
