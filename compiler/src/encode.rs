//! Values as JSON, YAML and TOML text: for the functions of the language and the filters of templates.
//!
//! Types that these formats lack are written as the language writes them, as text: a mode `"0644"`, a duration `"30s"`, a size `"10MiB"`. The
//! caller decides about secrets: here they are written in the clear.

use std::fmt::Write as _;

use stead_catalog::Value;

/// Why a value has no form in the format asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// TOML has no null; it can only be left out of a table.
    #[error("TOML has no form for `none` in a list")]
    NoneInList,
    /// A TOML document is a table.
    #[error("a TOML document is a map, found {0}")]
    NotAMap(&'static str),
    /// TOML's own serialiser refused it.
    #[error("the value has no form in TOML: {0}")]
    Toml(String),
}

/// Returns the text that stands for a value in formats that lack its type.
fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) | Value::Member(text) => text.to_string(),
        Value::Blob(blob) => String::from_utf8_lossy(&blob.bytes).into_owned(),
        other => other.to_string(),
    }
}

/// Turns a value into JSON.
pub fn to_json_value(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::None => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(n) => Json::from(*n),
        Value::Float(x) => Json::from(*x),
        Value::List(items) => Json::Array(items.iter().map(to_json_value).collect()),
        Value::Map(map) => Json::Object(map.iter().map(|(k, v)| (k.to_string(), to_json_value(v))).collect()),
        Value::Secret(inner) => to_json_value(inner),
        other => Json::String(plain_text(other)),
    }
}

/// Writes JSON: on one line, or with `indent` spaces a level.
pub fn to_json(value: &Value, indent: Option<usize>) -> String {
    let json = to_json_value(value);
    let Some(indent) = indent else { return json.to_string() };
    let margin = " ".repeat(indent.min(16));
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(margin.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    match serde::Serialize::serialize(&json, &mut serializer) {
        Ok(()) => String::from_utf8(out).unwrap_or_default(),
        Err(_) => json.to_string(),
    }
}

/// Writes a YAML document in block form, ending in a newline.
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    yaml_block(&mut out, value, 0, false);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// Writes a TOML document. Entries that are `none` are left out.
///
/// # Errors
/// The value is not a map, or a list holds `none`.
pub fn to_toml(value: &Value) -> Result<String, EncodeError> {
    match to_toml_value(value)? {
        Some(table @ toml::Value::Table(_)) => toml::to_string(&table).map_err(|error| EncodeError::Toml(error.to_string())),
        _ => Err(EncodeError::NotAMap(value.reveal().kind())),
    }
}

fn to_toml_value(value: &Value) -> Result<Option<toml::Value>, EncodeError> {
    use toml::Value as Toml;
    Ok(Some(match value {
        Value::None => return Ok(None),
        Value::Bool(b) => Toml::Boolean(*b),
        Value::Int(n) => Toml::Integer(*n),
        Value::Float(x) => Toml::Float(*x),
        Value::List(items) => {
            let items: Result<Vec<_>, _> = items.iter().map(|item| to_toml_value(item)?.ok_or(EncodeError::NoneInList)).collect();
            Toml::Array(items?)
        }
        Value::Map(map) => {
            let mut table = toml::Table::new();
            for (key, value) in map.iter() {
                if let Some(value) = to_toml_value(value)? {
                    table.insert(key.to_string(), value);
                }
            }
            Toml::Table(table)
        }
        Value::Secret(inner) => return to_toml_value(inner),
        other => Toml::String(plain_text(other)),
    }))
}

/// Writes a value at a depth; `after_dash` says that the cursor is behind `- `.
fn yaml_block(out: &mut String, value: &Value, depth: usize, after_dash: bool) {
    let margin = "  ".repeat(depth);
    match value.reveal() {
        Value::List(items) if !items.is_empty() => {
            for (i, item) in items.iter().enumerate() {
                if i > 0 || !after_dash {
                    out.push_str(&margin);
                }
                out.push_str("- ");
                yaml_block(out, item, depth + 1, true);
            }
        }
        Value::Map(map) if !map.is_empty() => {
            for (i, (key, value)) in map.iter().enumerate() {
                if i > 0 || !after_dash {
                    out.push_str(&margin);
                }
                out.push_str(&yaml_text(key));
                out.push(':');
                match value.reveal() {
                    Value::List(items) if !items.is_empty() => {
                        out.push('\n');
                        yaml_block(out, value, depth + 1, false);
                    }
                    Value::Map(map) if !map.is_empty() => {
                        out.push('\n');
                        yaml_block(out, value, depth + 1, false);
                    }
                    scalar => {
                        out.push(' ');
                        yaml_scalar(out, scalar, depth + 1);
                    }
                }
            }
        }
        scalar => yaml_scalar(out, scalar, depth),
    }
}

fn yaml_scalar(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::None => out.push_str("null"),
        Value::List(_) => out.push_str("[]"),
        Value::Map(_) => out.push_str("{}"),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
            let _ = write!(out, "{value}");
        }
        other => {
            let text = plain_text(other);
            if is_block_text(&text) {
                let margin = "  ".repeat(depth.max(1));
                out.push_str(if text.ends_with('\n') { "|\n" } else { "|-\n" });
                for line in text.trim_end_matches('\n').split('\n') {
                    if !line.is_empty() {
                        out.push_str(&margin);
                        out.push_str(line);
                    }
                    out.push('\n');
                }
                return;
            }
            out.push_str(&yaml_text(&text));
        }
    }
    out.push('\n');
}

/// Says whether text of several lines reads well, and back, as a `|` block.
fn is_block_text(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\n', '\t'])
        && body
            .chars()
            .all(|c| c == '\n' || c == '\t' || !(c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')))
        && body.lines().all(|line| line.trim() == line || !line.trim().is_empty())
}

/// Writes text plain where it reads back as text, else in double quotes.
fn yaml_text(text: &str) -> String {
    let plain_start =
        text.chars().next().is_some_and(|c| c.is_alphanumeric() || matches!(c, '/' | '_' | '.' | '$' | '^' | '(' | '+'));
    let plain_inside = !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with([':', ' '])
        && !text.chars().any(|c| c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}'));
    let looks_else = matches!(
        &*text.to_ascii_lowercase(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "null" | "~" | ".nan" | ".inf" | "+.inf"
    ) || text.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '+')
        && !text.starts_with("./")
        && !text.starts_with("../");
    if plain_start && plain_inside && !looks_else {
        return text.to_owned();
    }
    // JSON strings are YAML strings in double quotes.
    serde_json::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Value {
        Value::map([
            ("a".into(), Value::list([Value::Int(1), Value::Mode(0o644), Value::string("no")])),
            ("b".into(), Value::map([("c".into(), Value::None), ("d".into(), Value::string("x: y\n"))])),
            ("e".into(), Value::list([Value::map([("f".into(), Value::Bool(true)), ("g".into(), Value::list([]))])])),
            ("h".into(), Value::string("line\n  more\n")),
        ])
    }

    #[test]
    fn json_is_written() {
        assert_eq!(
            to_json(&sample(), None),
            r#"{"a":[1,"0644","no"],"b":{"c":null,"d":"x: y\n"},"e":[{"f":true,"g":[]}],"h":"line\n  more\n"}"#
        );
        assert_eq!(to_json(&Value::list([Value::Int(1)]), Some(2)), "[\n  1\n]");
    }

    #[test]
    fn yaml_is_written() {
        let expected = "a:\n  - 1\n  - \"0644\"\n  - \"no\"\nb:\n  c: null\n  d: \"x: y\\n\"\ne:\n  - f: true\n    g: []\nh: |\n  line\n    more\n";
        assert_eq!(to_yaml(&sample()), expected);
    }

    #[test]
    fn toml_is_written() {
        let value = Value::map([
            ("a".into(), Value::Int(1)),
            ("n".into(), Value::None),
            ("t".into(), Value::map([("x".into(), Value::Float(1.5))])),
        ]);
        assert_eq!(to_toml(&value), Ok("a = 1\n\n[t]\nx = 1.5\n".into()));
        assert_eq!(to_toml(&Value::Int(1)), Err(EncodeError::NotAMap("an integer")));
        assert_eq!(to_toml(&Value::map([("a".into(), Value::list([Value::None]))])), Err(EncodeError::NoneInList));
    }

    fn arbitrary_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::None),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (-1e9..1e9f64).prop_map(Value::Float),
            "[a-z0:#\\-\\[\\]{}&*!|>'\"%@`,? \n\té~.]{0,12}".prop_map(Value::string),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::list),
                proptest::collection::vec(("[a-z0:# \n-]{0,6}", inner), 0..4)
                    .prop_map(|entries| Value::map(entries.into_iter().map(|(k, v)| (k.into(), v)))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in arbitrary_value()) {
            for (text, format) in [(to_json(&value, None), crate::data::Format::Json), (to_yaml(&value), crate::data::Format::Yaml)] {
                let (node, found) = crate::data::parse(&"x".into(), text.as_bytes(), format);
                prop_assert_eq!(&found, &[], "{}", &text);
                prop_assert_eq!(&node.map(|n| n.to_value()), &Some(value.clone()), "{}", &text);
            }
        }
    }
}
