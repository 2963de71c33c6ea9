//! Values as YAML writes them, so that readers of YAML 1.1 and 1.2 take them for the same.

use serde_json::Value as Json;

/// Reads a plain scalar by the core schema of YAML 1.2.
pub(super) fn read(text: &str) -> Json {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Json::Null,
        "true" | "True" | "TRUE" => return Json::Bool(true),
        "false" | "False" | "FALSE" => return Json::Bool(false),
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let radix = |digits: Option<&str>, radix| digits.and_then(|digits| i64::from_str_radix(digits, radix).ok()).map(Json::from);
    if let Some(number) = radix(text.strip_prefix("0x"), 16).or_else(|| radix(text.strip_prefix("0o"), 8)) {
        return number;
    }
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits(unsigned) {
        // `0755` is a number of its own kind, which must not become another one.
        if unsigned.len() > 1 && unsigned.starts_with('0') {
            return Json::String(text.to_owned());
        }
        return text.trim_start_matches('+').parse::<i64>().map_or_else(|_| Json::String(text.to_owned()), Json::from);
    }
    let is_float = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte))
        && unsigned.bytes().any(|byte| byte.is_ascii_digit());
    match text.parse::<f64>() {
        Ok(number) if is_float => {
            serde_json::Number::from_f64(number).map_or_else(|| Json::String(text.to_owned()), Json::Number)
        }
        _ => Json::String(text.to_owned()),
    }
}

/// Says whether a text stands for itself without quotes, also where YAML 1.1 is read.
fn is_plain(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let words = ["", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "<<", "="];
    let starts = text.chars().next().is_some_and(|c| c.is_alphanumeric() || matches!(c, '/' | '_' | '.' | '$' | '(' | '+' | '-'));
    let is_number_like = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.:_eExXoOabcdefABCDEF".contains(&byte));
    let is_dash = text == "-" || text.starts_with("- ") || text.starts_with("--");
    let is_special = matches!(&*lower, ".inf" | "-.inf" | "+.inf" | ".nan");
    starts
        && !words.contains(&&*lower)
        && !is_number_like
        && !is_special
        && !is_dash
        && text.trim() == text
        && !text.contains(": ")
        && !text.ends_with(':')
        && !text.contains(" #")
        && !text.contains(|c: char| c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}'))
}

/// A text in quotes where it needs them.
fn string(text: &str, is_flow: bool) -> String {
    let in_brackets = is_flow && text.contains([',', '[', ']', '{', '}', ':', '#', '"', '\'']);
    if is_plain(text) && !in_brackets { text.to_owned() } else { Json::String(text.to_owned()).to_string() }
}

/// A key.
pub(super) fn key(text: &str) -> String {
    string(text, true)
}

/// A value in one line, outside of brackets.
pub(super) fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => string(text, false),
        Json::Array(_) | Json::Object(_) => flow(value),
        other => other.to_string(),
    }
}

/// A value in one line, lists and maps in brackets.
pub(super) fn flow(value: &Json) -> String {
    match value {
        Json::String(text) => string(text, true),
        Json::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(name, value)| format!("{}: {}", key(name), flow(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

/// Says whether a value is a text of several lines that stands as it is below its key.
pub(super) fn is_literal(value: &Json) -> bool {
    let Json::String(text) = value else { return false };
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\n', '\t'])
        && !text.contains(|c: char| (c.is_control() && c != '\n') || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}'))
        && body.lines().all(|line| line.trim_end() == line)
}

/// What stands behind a key or a dash of this column: a blank and one line, or the lines below.
pub(super) fn block(value: &Json, indent: usize) -> String {
    let inner = indent + 2;
    let pad = " ".repeat(inner);
    match value {
        Json::Object(map) if !map.is_empty() => {
            map.iter().map(|(name, value)| format!("\n{pad}{}:{}", key(name), block(value, inner))).collect()
        }
        Json::Array(items) if !items.is_empty() => items.iter().map(|value| format!("\n{pad}{}", item(value, inner))).collect(),
        value if is_literal(value) => {
            let text = value.as_str().unwrap_or_default();
            let (body, mark) = text.strip_suffix('\n').map_or((text, "|-"), |body| (body, "|"));
            let lines: String =
                body.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("\n{pad}{line}") }).collect();
            format!(" {mark}{lines}")
        }
        value => format!(" {}", plain(value)),
    }
}

/// The whole of a document.
pub(super) fn document(value: &Json) -> String {
    match value {
        Json::Object(map) if !map.is_empty() => {
            map.iter().map(|(name, value)| format!("{}:{}", key(name), block(value, 0))).collect::<Vec<_>>().join("\n")
        }
        Json::Array(items) if !items.is_empty() => items.iter().map(|value| item(value, 0)).collect::<Vec<_>>().join("\n"),
        value => plain(value),
    }
}

/// An item of a list whose dash is in this column.
pub(super) fn item(value: &Json, indent: usize) -> String {
    match value {
        Json::Object(map) if !map.is_empty() => {
            let pad = " ".repeat(indent + 2);
            let entries: Vec<String> =
                map.iter().map(|(name, value)| format!("{}:{}", key(name), block(value, indent + 2))).collect();
            format!("- {}", entries.join(&format!("\n{pad}")))
        }
        Json::Array(_) => format!("- {}", flow(value)),
        value => format!("-{}", block(value, indent)),
    }
}
