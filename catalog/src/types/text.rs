//! Values that are written as text: modes, units, paths, addresses, names.

use std::net::IpAddr;

use super::Mismatch;
use crate::Value;

/// Reads a mode of three to five octal digits.
pub(crate) fn parse_mode(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = (3..=5).contains(&digits.len()) && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
    u32::from_str_radix(digits, 8).ok().filter(|mode| octal && *mode <= 0o7777)
}

fn parse_units(text: &str, units: &[(&str, u64)], compound: bool) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = units.iter().find(|(name, _)| *name == &rest[..letters])?.1;
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[letters..];
        if !compound && !rest.is_empty() {
            return None;
        }
    }
    Some(total)
}

/// Reads `30s`, `1h30m`, `500ms` into nanoseconds.
pub(crate) fn parse_duration(text: &str) -> Option<u64> {
    const S: u64 = 1_000_000_000;
    let units = [
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", S),
        ("m", 60 * S),
        ("h", 3600 * S),
        ("d", 86_400 * S),
        ("w", 604_800 * S),
    ];
    parse_units(text, &units, true)
}

/// Reads `10MiB`, `512B` into bytes.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let units = [
        ("B", 1),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];
    parse_units(text, &units, false)
}

/// Checks that a path is absolute and without NUL or `..`; returns the normal form when it differs
/// (no doubled or trailing slashes, no `.`).
pub(super) fn normalize_path(text: &str) -> Result<Option<String>, Mismatch> {
    let wrong = |hint: &str| {
        Err(Mismatch::new("invalid-value", "an absolute path", format!("the string {}", Value::string(text))).hint(hint))
    };
    if !text.starts_with('/') {
        return wrong("a path starts with `/`");
    }
    if text.contains('\0') {
        return wrong("a path cannot hold a NUL character");
    }
    if text.split('/').any(|part| part == "..") {
        return wrong("write the path without `..`");
    }
    let normal = text == "/" || !(text.contains("//") || text.ends_with('/') || text.contains("/./") || text.ends_with("/."));
    if normal {
        return Ok(None);
    }
    let mut path = String::with_capacity(text.len());
    for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
        path.push('/');
        path.push_str(part);
    }
    Ok(Some(if path.is_empty() { "/".into() } else { path }))
}

pub(super) fn is_cidr(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, prefix)| {
        let width = match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        !prefix.starts_with('+') && prefix.parse::<u8>().is_ok_and(|n| n <= width)
    })
}

/// RFC 1123: labels of 1 to 63 letters, digits and inner hyphens, 253 characters in all.
pub(super) fn is_hostname(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

pub(super) fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| {
        scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            && !rest.is_empty()
            && !text.chars().any(|c| c.is_whitespace() || c.is_control())
    })
}
