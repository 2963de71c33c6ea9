//! A crontab as lines: entries that are named by a comment above them, jobs, variables, and what is nobody's.

use crate::edit::Flaw;
use crate::edit::lines::{body, split};

use super::schedule;

/// What the comment above an entry begins with, and how other tools begin theirs.
const MARK: &str = "# stead: ";
const OTHERS: [&str; 4] = ["#Ansible: ", "# Puppet Name: ", "# SALT_CRON_IDENTIFIER:", "# Chef Name: "];

/// What a line of a crontab is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Empty, or a comment that names no entry.
    Remark,
    /// A comment that names the entry below it.
    Name(String),
    /// `NAME=value`.
    Variable,
    /// When and what.
    Job { schedule: String, rest: String },
}

/// The comment that names an entry.
pub(super) fn mark(name: &str) -> String {
    format!("{MARK}{name}")
}

/// Reads a crontab, line by line.
///
/// # Errors
/// The first line that cron would not take, for then it takes none of them.
pub(super) fn read(text: &[u8], has_user: bool) -> Result<Vec<(Line, Vec<u8>)>, Flaw> {
    let lines = split(text).into_iter().enumerate();
    lines
        .map(|(number, line)| {
            let content = String::from_utf8_lossy(body(line)).into_owned();
            let kind = kind(&content, has_user).map_err(|reason| {
                let hint = "mend the line by hand: cron reads nothing of a crontab with a line that it does not understand";
                Flaw::malformed(number + 1, reason, hint)
            })?;
            Ok((kind, line.to_vec()))
        })
        .collect()
}

fn kind(line: &str, has_user: bool) -> Result<Line, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        let name = [MARK].iter().chain(&OTHERS).find_map(|mark| line.strip_prefix(mark)).map(str::trim);
        // Salt writes what the job is for in front of its identifier.
        let name = name.or_else(|| line.split_once("SALT_CRON_IDENTIFIER:").map(|(_, name)| name.trim()));
        return Ok(name.filter(|name| !name.is_empty()).map_or(Line::Remark, |name| Line::Name(name.to_owned())));
    }
    if is_variable(line) {
        return Ok(Line::Variable);
    }
    let count = if line.starts_with('@') { 1 } else { 5 };
    let (schedule, rest) = fields(line, count).ok_or_else(|| format!("`{line}` is neither a job nor a variable"))?;
    if let Some(reason) = schedule::mistake(&schedule) {
        return Err(reason);
    }
    let least = if has_user { 2 } else { 1 };
    if rest.split_ascii_whitespace().count() < least {
        return Err(format!("the job `{line}` has no {}", if has_user { "user and command" } else { "command" }));
    }
    Ok(Line::Job { schedule, rest })
}

/// The first fields of a line, one blank between them, and the rest of it.
fn fields(line: &str, count: usize) -> Option<(String, String)> {
    let mut rest = line.trim_start();
    let mut found = Vec::new();
    for _ in 0..count {
        let end = rest.find([' ', '\t'])?;
        found.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    Some((found.join(" "), rest.to_owned()))
}

/// Says whether cron reads a line as a variable: a name, or one in quotes, and `=`.
fn is_variable(line: &str) -> bool {
    let Some((name, _)) = line.split_once('=') else { return false };
    let name = name.trim();
    let quoted =
        name.len() >= 2 && (name.starts_with('"') && name.ends_with('"') || name.starts_with('\'') && name.ends_with('\''));
    quoted
        || (!name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.as_bytes()[0].is_ascii_digit())
}

/// Says whether a line is a job that is switched off.
pub(super) fn is_switched_off(line: &[u8], has_user: bool) -> bool {
    let line = String::from_utf8_lossy(body(line));
    line.trim().strip_prefix('#').is_some_and(|job| matches!(kind(job.trim(), has_user), Ok(Line::Job { .. })))
}
