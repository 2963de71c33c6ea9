//! Methods with regular expressions.

use super::arguments::{fits, invalid, items_of, string, strings, text};
use super::{BuiltinError, Entry, MAX_TEXT, plain};
use stead_catalog::Value;

pub(super) const ENTRIES: &[Entry] = &[
    plain(
        "String.matches(pattern: Regex) -> Bool",
        "Says whether the pattern is found in the text. `^` and `$` anchor it.",
        &[(r#""web-12".matches("^web-\\d+$")"#, "true"), (r#""db-1".matches("web")"#, "false")],
        |a| Ok(Value::Bool(regex(a, 1)?.is_match(text(a, 0)?))),
    ),
    plain(
        "String.captures(pattern: Regex) -> List<String?>?",
        "Returns the first match and its groups; `none` when there is no match. A group that took no part is `none`.",
        &[(r#""web-12".captures("([a-z]+)-(\\d+)")"#, r#"["web-12", "web", "12"]"#)],
        |a| match regex(a, 1)?.captures(text(a, 0)?) {
            Some(found) => items_of(found.iter().map(|group| group.map_or(Value::None, |m| Value::string(m.as_str())))),
            None => Ok(Value::None),
        },
    ),
    plain(
        "String.named_captures(pattern: Regex) -> Map<String?>?",
        "Returns the named groups of the first match; `none` when there is no match.",
        &[(r#""web-12".named_captures("(?<role>[a-z]+)-(?<number>\\d+)")"#, r#"{ role = "web", number = "12" }"#)],
        |a| {
            let regex = regex(a, 1)?;
            let Some(found) = regex.captures(text(a, 0)?) else { return Ok(Value::None) };
            Ok(Value::map(
                regex
                    .capture_names()
                    .flatten()
                    .map(|name| (name.into(), found.name(name).map_or(Value::None, |m| Value::string(m.as_str())))),
            ))
        },
    ),
    plain(
        "String.find_all(pattern: Regex) -> List<String>",
        "Returns every match, from left to right, without overlaps.",
        &[(r#""a1b22".find_all("\\d+")"#, r#"["1", "22"]"#)],
        |a| {
            let regex = regex(a, 1)?;
            strings(regex.find_iter(text(a, 0)?).map(|m| m.as_str()))
        },
    ),
    plain(
        "String.replace_all(pattern: Regex, with: String) -> String",
        "Replaces every match. In `with`, `$1` and `${name}` stand for groups and `$$` for a dollar sign.",
        &[(r##""a1b22".replace_all("\\d+", "#")"##, r##""a#b#""##), (r#""k=v".replace_all("(\\w)=(\\w)", "$2=$1")"#, "\"v=k\"")],
        |a| {
            let (whole, with) = (text(a, 0)?, text(a, 2)?);
            let regex = regex(a, 1)?;
            let mut out = String::new();
            let mut last = 0;
            for found in regex.captures_iter(whole) {
                let Some(all) = found.get(0) else { continue };
                out.push_str(&whole[last..all.start()]);
                found.expand(with, &mut out);
                last = all.end();
                fits(out.len(), MAX_TEXT, "bytes")?;
            }
            out.push_str(&whole[last..]);
            string(out)
        },
    ),
    plain(
        "String.split_at(pattern: Regex) -> List<String>",
        "Cuts the text at every match of the pattern.",
        &[(r#""a, b;c".split_at("[,;]\\s*")"#, r#"["a", "b", "c"]"#)],
        |a| {
            let regex = regex(a, 1)?;
            strings(regex.split(text(a, 0)?))
        },
    ),
    plain(
        "String.escape_regex() -> String",
        "Writes the text as a pattern that matches exactly it.",
        &[(r#""a.b".escape_regex()"#, r#""a\\.b""#)],
        |a| string(regex::escape(text(a, 0)?)),
    ),
    plain(
        "String.glob_matches(pattern: String) -> Bool",
        "Says whether a shell pattern with `*`, `?`, `[…]` and `{a,b}` matches all of the text. `*` also matches `/`.",
        &[(r#""web-12".glob_matches("web-*")"#, "true")],
        |a| {
            let pattern = text(a, 1)?;
            match globset::Glob::new(pattern) {
                Ok(glob) => Ok(Value::Bool(glob.compile_matcher().is_match(text(a, 0)?))),
                Err(error) => Err(invalid(1, format!("not a shell pattern: {}", error.kind()))),
            }
        },
    ),
    plain(
        "String.remove_lines(pattern: Regex) -> String",
        "Leaves out the lines in which the pattern is found.",
        &[(r##""a\n# b\nc\n".remove_lines("^#")"##, r#""a\nc\n""#)],
        |a| filter_lines(text(a, 0)?, &regex(a, 1)?, false),
    ),
    plain(
        "String.keep_lines(pattern: Regex) -> String",
        "Keeps only the lines in which the pattern is found.",
        &[(r##""a\n# b\nc\n".keep_lines("^#")"##, r##""# b\n""##)],
        |a| filter_lines(text(a, 0)?, &regex(a, 1)?, true),
    ),
];

fn filter_lines(text: &str, regex: &regex::Regex, keep: bool) -> Result<Value, BuiltinError> {
    string(
        text.split_inclusive('\n').filter(|line| regex.is_match(line.trim_end_matches(['\r', '\n'])) == keep).collect::<String>(),
    )
}

std::thread_local! {
    /// The patterns used last: a pattern in a loop is compiled once.
    static LAST: std::cell::RefCell<Vec<(Box<str>, regex::Regex)>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn regex(args: &[Value], at: usize) -> Result<regex::Regex, BuiltinError> {
    let pattern = text(args, at)?;
    LAST.with_borrow_mut(|last| {
        if let Some((_, found)) = last.iter().find(|(source, _)| **source == *pattern) {
            return Ok(found.clone());
        }
        let regex = regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|error| {
            let reason = error.to_string();
            invalid(
                at,
                format!("not a regular expression: {}", reason.lines().last().unwrap_or_default().trim_start_matches("error: ")),
            )
        })?;
        if last.len() >= 16 {
            last.remove(0);
        }
        last.push((pattern.into(), regex.clone()));
        Ok(regex)
    })
}
