//! What a plain word of YAML is: the core schema of YAML 1.2, with modes as the language has them.

use stead_catalog::Value;

/// A scalar, with a doubt worth a warning.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scalar {
    pub(super) value: Value,
    pub(super) doubt: Option<Doubt>,
}

/// Why a plain scalar may not be what was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// `yes`, `no`, `on`, `off`: a bool in YAML 1.1, text in YAML 1.2 and here.
    OldBool(bool),
    /// `007` or `0899`: neither a mode nor clearly a number; kept as text.
    LeadingZero,
}

/// Why a plain scalar has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadScalar {
    /// An integer of more than 64 bits.
    TooLarge,
    /// `.inf` and `.nan`.
    NotFinite,
}

/// Reads a plain (unquoted) scalar.
pub(super) fn read_plain(text: &str) -> Result<Scalar, BadScalar> {
    let plain = |value| Ok(Scalar { value, doubt: None });
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return plain(Value::None),
        "true" | "True" | "TRUE" => return plain(Value::Bool(true)),
        "false" | "False" | "FALSE" => return plain(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Err(BadScalar::NotFinite),
        _ => {}
    }
    if matches!(text.trim_start_matches(['+', '-']), ".inf" | ".Inf" | ".INF") {
        return Err(BadScalar::NotFinite);
    }
    let string = |doubt| Ok(Scalar { value: Value::string(text), doubt });
    match &*text.to_ascii_lowercase() {
        "yes" | "on" | "y" if text.len() > 1 => return string(Some(Doubt::OldBool(true))),
        "no" | "off" if text.len() > 1 => return string(Some(Doubt::OldBool(false))),
        _ => {}
    }
    read_number(text).unwrap_or_else(|| string(None))
}

/// Reads a number or a mode. `None` when the text is neither.
pub(super) fn read_number(text: &str) -> Option<Result<Scalar, BadScalar>> {
    let ok = |value| Some(Ok(Scalar { value, doubt: None }));
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.bytes().next().is_some_and(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    if let Some(digits) = unsigned.strip_prefix("0x").filter(|d| is_digits(d, 16)) {
        return Some(int(text, digits, 16));
    }
    if let Some(digits) = unsigned.strip_prefix("0o").filter(|d| is_digits(d, 8)) {
        return match mode(digits) {
            Some(mode) if unsigned.len() == text.len() => ok(mode),
            _ => Some(int(text, digits, 8)),
        };
    }
    if is_digits(unsigned, 10) {
        if unsigned.len() > 1 && unsigned.starts_with('0') {
            return match mode(text) {
                Some(mode) => ok(mode),
                None => Some(Ok(Scalar { value: Value::string(text), doubt: Some(Doubt::LeadingZero) })),
            };
        }
        return Some(int(text, unsigned, 10));
    }
    if !is_float(unsigned) {
        return None;
    }
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() => ok(Value::Float(x)),
        _ => Some(Err(BadScalar::NotFinite)),
    }
}

/// Reads a mode written with a leading zero or after `0o`: three to five octal digits.
fn mode(digits: &str) -> Option<Value> {
    if !(3..=5).contains(&digits.len()) || !is_digits(digits, 8) {
        return None;
    }
    u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o7777).map(Value::Mode)
}

fn int(text: &str, digits: &str, radix: u32) -> Result<Scalar, BadScalar> {
    let signed = if text.starts_with('-') { format!("-{digits}") } else { digits.to_owned() };
    match i64::from_str_radix(&signed, radix) {
        Ok(n) => Ok(Scalar { value: Value::Int(n), doubt: None }),
        Err(_) => Err(BadScalar::TooLarge),
    }
}

fn is_digits(text: &str, radix: u32) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_digit(radix))
}

/// `[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?` or with the digits only after the point, and with a point or an exponent.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let exponent_good = exponent.is_none_or(|e| is_digits(e.strip_prefix(['+', '-']).unwrap_or(e), 10));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    exponent_good
        && (exponent.is_some() || mantissa.contains('.'))
        && all_digits(whole)
        && all_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = match read_plain(text) {
            Ok(Scalar { value, doubt: None }) => value.to_string(),
            Ok(Scalar { value, doubt: Some(doubt) }) => format!("{value} {doubt:?}"),
            Err(bad) => format!("{bad:?}"),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn plain_words_have_the_core_schema() {
        check("", "none");
        check("null", "none");
        check("True", "true");
        check("12", "12");
        check("-0x1F", "-31");
        check("+7", "7");
        check("1.50", "1.5");
        check(".5", "0.5");
        check("1e3", "1000.0");
        check("1_000", "\"1_000\"");
        check("12:30", "\"12:30\"");
        check("1.2.3", "\"1.2.3\"");
        check("2024-01-01", "\"2024-01-01\"");
        check("30s", "\"30s\"");
        check("-", "\"-\"");
        check(".", "\".\"");
        check("99999999999999999999", "TooLarge");
        check("-.inf", "NotFinite");
        check("1e999", "NotFinite");
    }

    #[test]
    fn modes_are_octal_and_countries_are_text() {
        check("0644", "0644");
        check("0o755", "0755");
        check("0899", "\"0899\" LeadingZero");
        check("007", "0007");
        check("000123456", "\"000123456\" LeadingZero");
        check("no", "\"no\" OldBool(false)");
        check("Yes", "\"Yes\" OldBool(true)");
        check("NO", "\"NO\" OldBool(false)");
        check("n", "\"n\"");
    }
}
