//! Versions, ordered as Debian and RPM users expect: numbers by value, `~` before everything.

use std::cmp::Ordering;

use stead_catalog::Value;

use super::arguments::{string, strings, text};
use super::{Entry, plain};

pub(super) const ENTRIES: &[Entry] = &[
    plain(
        "Version.compare_version(other: Version) -> Int",
        "Orders two versions: -1, 0 or 1. Numbers count by value, a `~` sorts before everything (Debian's rules, also for the epoch).",
        &[
            ("\"1.10\".compare_version(\"1.9\")", "1"),
            ("\"1.0~rc1\".compare_version(\"1.0\")", "-1"),
            ("\"1:0.1\".compare_version(\"2\")", "1"),
        ],
        |a| Ok(Value::Int(compare(text(a, 0)?, text(a, 1)?) as i64)),
    ),
    plain(
        "Version.at_least(other: Version) -> Bool",
        "Says whether it is the same version or a newer one.",
        &[("\"1.22.1\".at_least(\"1.22\")", "true")],
        |a| Ok(Value::Bool(compare(text(a, 0)?, text(a, 1)?).is_ge())),
    ),
    plain(
        "Version.newer_than(other: Version) -> Bool",
        "Says whether it is a newer version.",
        &[("\"1.10\".newer_than(\"1.9\")", "true")],
        |a| Ok(Value::Bool(compare(text(a, 0)?, text(a, 1)?).is_gt())),
    ),
    plain(
        "Version.older_than(other: Version) -> Bool",
        "Says whether it is an older version.",
        &[("\"12\".older_than(\"12.1\")", "true")],
        |a| Ok(Value::Bool(compare(text(a, 0)?, text(a, 1)?).is_lt())),
    ),
    plain("Version.major() -> String", "Returns the first part.", &[("\"22.04\".major()", "\"22\"")], |a| {
        string(parts(text(a, 0)?).next().unwrap_or_default())
    }),
    plain(
        "Version.minor() -> String?",
        "Returns the second part; `none` when there is none.",
        &[("\"22.04\".minor()", "\"04\"")],
        |a| parts(text(a, 0)?).nth(1).map_or(Ok(Value::None), string),
    ),
    plain(
        "Version.version_parts() -> List<String>",
        "Returns the parts between dots, without epoch and revision.",
        &[("\"1:1.22.0-9\".version_parts()", "[\"1\", \"22\", \"0\"]")],
        |a| strings(parts(text(a, 0)?)),
    ),
];

fn parts(version: &str) -> impl Iterator<Item = &str> {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    let upstream = upstream.split(['-', '+', '~']).next().unwrap_or_default();
    upstream.split('.')
}

/// Compares as deb-version(7) tells: epoch, upstream version, revision.
fn compare(a: &str, b: &str) -> Ordering {
    let cut = |text: &str| -> (String, String, String) {
        let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        (epoch.into(), upstream.into(), revision.into())
    };
    let (x, y) = (cut(a), cut(b));
    compare_part(&x.0, &y.0).then_with(|| compare_part(&x.1, &y.1)).then_with(|| compare_part(&x.2, &y.2))
}

fn compare_part(mut a: &str, mut b: &str) -> Ordering {
    loop {
        let text = |s: &str| s.find(|c: char| c.is_ascii_digit()).unwrap_or(s.len());
        let (x, rest_a) = a.split_at(text(a));
        let (y, rest_b) = b.split_at(text(b));
        let order = compare_text(x, y);
        if order.is_ne() {
            return order;
        }
        let digits = |s: &str| s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
        let (x, next_a) = rest_a.split_at(digits(rest_a));
        let (y, next_b) = rest_b.split_at(digits(rest_b));
        let (x, y) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
        let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
        if order.is_ne() || (next_a.is_empty() && next_b.is_empty()) {
            return order;
        }
        (a, b) = (next_a, next_b);
    }
}

/// Letters sort before other characters, the end before letters, `~` before the end.
fn compare_text(a: &str, b: &str) -> Ordering {
    let rank = |c: Option<char>| match c {
        Some('~') => (0, 0),
        None => (1, 0),
        Some(c) if c.is_ascii_alphabetic() => (2, u32::from(c)),
        Some(c) => (3, u32::from(c)),
    };
    let (mut x, mut y) = (a.chars(), b.chars());
    loop {
        let (p, q) = (x.next(), y.next());
        match rank(p).cmp(&rank(q)) {
            Ordering::Equal if p.is_none() => return Ordering::Equal,
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(a: &str, b: &str, expected: Ordering) {
        assert_eq!(compare(a, b), expected, "{a} {b}");
        assert_eq!(compare(b, a), expected.reverse(), "{b} {a}");
    }

    #[test]
    fn versions_are_ordered_as_dpkg_does() {
        check("1.0", "1.0", Ordering::Equal);
        check("1.0", "1.00", Ordering::Equal);
        check("1.0-1", "1.0-2", Ordering::Less);
        check("1.0~rc1-1", "1.0-1", Ordering::Less);
        check("1.0", "1.0+dfsg", Ordering::Less);
        check("1.0a", "1.0+", Ordering::Less);
        check("9", "10", Ordering::Less);
        check("1:1", "9", Ordering::Greater);
        check("1.22.1-9+deb12u1", "1.22.1-9", Ordering::Greater);
        check("1.0~~", "1.0~", Ordering::Less);
    }
}
