//! Numbers: integers, modes, floats, durations and sizes.

use crate::ast::{Literal, Span};
use crate::error::SyntaxError;

const SECOND: u64 = 1_000_000_000;

/// Units of time in nanoseconds, longest first.
const TIME_UNITS: &[(&str, u64)] = &[
    ("w", 7 * 24 * 3600 * SECOND),
    ("d", 24 * 3600 * SECOND),
    ("h", 3600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Units of size in bytes.
const SIZE_UNITS: &[(&str, u64)] = &[
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

const UNITS_HINT: &str = "time: `w` `d` `h` `m` `s` `ms` `us` `ns`; size: `B` `KB` `MB` `GB` `TB` `KiB` `MiB` `GiB` `TiB`";

/// The digits of `i64::MIN`, which has no positive counterpart: `-` in front of them is part of the literal.
pub(crate) const MIN_DIGITS: &str = "9223372036854775808";

/// Returns the value of a number as it was written.
pub(crate) fn decode(text: &str, span: Span) -> Result<Literal, SyntaxError> {
    let bytes = text.as_bytes();
    if bytes.first() == Some(&b'0') && bytes.len() > 1 {
        match bytes[1] {
            b'x' | b'X' => return radix(&text[2..], 16, "hexadecimal", text, span),
            b'b' if bytes.len() > 2 => return radix(&text[2..], 2, "binary", text, span),
            b'o' | b'O' => return mode(&text[2..], text, span),
            b'0'..=b'9' if bytes.iter().all(u8::is_ascii_digit) => return mode(&text[1..], text, span),
            _ => {}
        }
    }
    if bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b'_') {
        return integer(text, 10, span);
    }
    if is_float(text) {
        return float(text, span);
    }
    with_units(text, span)
}

fn integer(digits: &str, base: u32, span: Span) -> Result<Literal, SyntaxError> {
    let mut value: i64 = 0;
    for digit in digits.chars().filter_map(|c| c.to_digit(base)) {
        value = value
            .checked_mul(i64::from(base))
            .and_then(|value| value.checked_add(i64::from(digit)))
            .ok_or_else(|| too_large(span, "an integer is at most 9223372036854775807"))?;
    }
    Ok(Literal::Int(value))
}

fn too_large(span: Span, hint: &str) -> SyntaxError {
    SyntaxError::new("number-too-large", span, "this number is too large").with_hint(hint)
}

fn radix(digits: &str, base: u32, name: &str, text: &str, span: Span) -> Result<Literal, SyntaxError> {
    match digits.chars().find(|c| *c != '_' && c.to_digit(base).is_none()) {
        Some(bad) => Err(SyntaxError::new("bad-number", span, format!("`{bad}` is not a {name} digit in `{text}`"))),
        None if !digits.bytes().any(|byte| byte != b'_') => {
            Err(SyntaxError::new("bad-number", span, format!("`{text}` has no digits")))
        }
        None => integer(digits, base, span),
    }
}

fn mode(digits: &str, text: &str, span: Span) -> Result<Literal, SyntaxError> {
    let hint = "a mode is octal: a zero and two to four digits from 0 to 7, as in `0644`; other numbers have no leading zero";
    if let Some(bad) = digits.chars().find(|c| !('0'..='7').contains(c)) {
        let message = format!("`{bad}` is not an octal digit in the mode `{text}`");
        return Err(SyntaxError::new("bad-mode", span, message).with_hint(hint));
    }
    let leading_zero = !text.contains(['o', 'O']);
    if digits.len() > 4 || digits.is_empty() || (leading_zero && digits.len() < 2) {
        return Err(SyntaxError::new("bad-mode", span, format!("`{text}` is not a mode")).with_hint(hint));
    }
    Ok(Literal::Mode(digits.bytes().fold(0, |value, digit| value * 8 + u32::from(digit - b'0'))))
}

/// Tells whether the text has the form of a float, with nothing behind it.
fn is_float(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_');
    let rest = match rest.strip_prefix('.') {
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_'),
        None => rest,
    };
    match rest.strip_prefix(['e', 'E']) {
        Some(exponent) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            digits.starts_with(|c: char| c.is_ascii_digit()) && digits.bytes().all(|b| b.is_ascii_digit() || b == b'_')
        }
        None => rest.is_empty(),
    }
}

fn float(text: &str, span: Span) -> Result<Literal, SyntaxError> {
    match text.replace('_', "").parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Literal::Float(value)),
        _ => Err(too_large(span, "a float is at most 1.8e308")),
    }
}

/// A number with a unit, or several in a row: `1h30m`.
fn with_units(text: &str, span: Span) -> Result<Literal, SyntaxError> {
    if text.contains('.') {
        let hint = "use a smaller unit or two units, as in `1h30m`; a version or an address is a string, in quotes";
        return Err(SyntaxError::new("bad-number", span, format!("`{text}` is not a number")).with_hint(hint));
    }
    let mut total: u64 = 0;
    let mut is_time: Option<bool> = None;
    let mut last_unit = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = &rest[..rest.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(rest.len())];
        let tail = &rest[digits.len()..];
        let unit = &tail[..tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len())];
        rest = &tail[unit.len()..];
        let time = TIME_UNITS.iter().find(|(name, _)| *name == unit);
        let size = SIZE_UNITS.iter().find(|(name, _)| *name == unit);
        let Some((_, factor)) = time.or(size) else { return Err(unknown_unit(unit, text, span)) };
        if is_time.is_some_and(|is_time| !is_time || time.is_none()) || *factor >= last_unit {
            let hint = "only durations have several units, each once and longest first, as in `1h30m`";
            return Err(SyntaxError::new("bad-number", span, format!("`{text}` mixes its units")).with_hint(hint));
        }
        is_time = Some(time.is_some());
        last_unit = *factor;
        total = digits
            .replace('_', "")
            .parse::<u64>()
            .ok()
            .and_then(|count| count.checked_mul(*factor))
            .and_then(|value| total.checked_add(value))
            .ok_or_else(|| too_large(span, "a duration is at most 584 years, a size at most 16 EiB"))?;
    }
    Ok(if is_time == Some(true) { Literal::Duration(total) } else { Literal::Size(total) })
}

fn unknown_unit(unit: &str, text: &str, span: Span) -> SyntaxError {
    let written = format!("unknown unit `{unit}` in `{text}`");
    let similar = SIZE_UNITS.iter().chain(TIME_UNITS).find(|(name, _)| {
        name.eq_ignore_ascii_case(unit)
            || name.strip_suffix('B').is_some_and(|short| !short.is_empty() && short.eq_ignore_ascii_case(unit))
    });
    let long = match unit {
        "sec" | "secs" | "second" | "seconds" => Some("s"),
        "min" | "mins" | "minute" | "minutes" => Some("m"),
        "hr" | "hrs" | "hour" | "hours" => Some("h"),
        "day" | "days" => Some("d"),
        "week" | "weeks" => Some("w"),
        _ => None,
    };
    let hint = match similar.map(|(name, _)| *name).or(long) {
        Some(name) => format!("did you mean `{}`?", text.replacen(unit, name, 1)),
        None => UNITS_HINT.to_owned(),
    };
    SyntaxError::new("unknown-unit", span, written).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Literal, &str>) {
        assert_eq!(decode(text, Span::default()).map_err(|error| error.code), expected, "{text}");
    }

    #[test]
    fn values() {
        check("0", Ok(Literal::Int(0)));
        check("1_000", Ok(Literal::Int(1000)));
        check("0x1f", Ok(Literal::Int(31)));
        check("0b11", Ok(Literal::Int(3)));
        check("0644", Ok(Literal::Mode(0o644)));
        check("04755", Ok(Literal::Mode(0o4755)));
        check("0o755", Ok(Literal::Mode(0o755)));
        check("1.5", Ok(Literal::Float(1.5)));
        check("1e3", Ok(Literal::Float(1000.0)));
        check("1.5e-3", Ok(Literal::Float(0.0015)));
        check("30s", Ok(Literal::Duration(30 * SECOND)));
        check("500ms", Ok(Literal::Duration(SECOND / 2)));
        check("1h30m", Ok(Literal::Duration(5400 * SECOND)));
        check("10MiB", Ok(Literal::Size(10 << 20)));
        check("0B", Ok(Literal::Size(0)));
        check("10KB", Ok(Literal::Size(10_000)));
    }

    #[test]
    fn mistakes() {
        check("9223372036854775808", Err("number-too-large"));
        check("1e999", Err("number-too-large"));
        check("99999999999w", Err("number-too-large"));
        check("0o9", Err("bad-mode"));
        check("0899", Err("bad-mode"));
        check("00", Err("bad-mode"));
        check("077777", Err("bad-mode"));
        check("0xfg", Err("bad-number"));
        check("0x", Err("bad-number"));
        check("30m1h", Err("bad-number"));
        check("1h1h", Err("bad-number"));
        check("1h5MiB", Err("bad-number"));
        check("1.5h", Err("bad-number"));
        check("10mb", Err("unknown-unit"));
        check("5parsecs", Err("unknown-unit"));
        check("1__", Ok(Literal::Int(1)));
    }
}
