//! JSON, YAML, TOML, base64 and the like.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use stead_catalog::Value;

use super::arguments::{Outcome, any, count, fits, invalid, is_given, map, string, text};
use super::{BuiltinError, Entry, MAX_TEXT, plain};
use crate::data::{self, Format};
use crate::encode;

pub(super) const ENTRIES: &[Entry] = &[
    plain(
        "Any.to_json(indent?: Int) -> String",
        "Writes the value as JSON, on one line or with so many spaces a level.",
        &[("{ a = [1, none] }.to_json()", "\"{\\\"a\\\":[1,null]}\"")],
        |a| {
            let indent = if is_given(a, 1) { Some(count(a, 1)?) } else { None };
            string(encode::to_json(any(a, 0), indent))
        },
    ),
    plain(
        "Any.to_yaml() -> String",
        "Writes the value as YAML, ending in a newline.",
        &[("{ a = [1, 2] }.to_yaml()", "\"a:\\n  - 1\\n  - 2\\n\"")],
        |a| string(encode::to_yaml(any(a, 0))),
    ),
    plain(
        "Map<T>.to_toml() -> String",
        "Writes the map as TOML. Entries that are `none` are left out.",
        &[("{ a = 1 }.to_toml()", "\"a = 1\\n\"")],
        |a| match encode::to_toml(any(a, 0)) {
            Ok(text) => string(text),
            Err(error) => Err(invalid(0, error.to_string())),
        },
    ),
    plain(
        "Map<T>.to_ini() -> String",
        "Writes the map as INI: maps become sections, lists repeat their key, `none` is left out.",
        &[("{ a = 1, s = { b = [\"x\", \"y\"] } }.to_ini()", "\"a=1\\n\\n[s]\\nb=x\\nb=y\\n\"")],
        |a| {
            let mut out = String::new();
            let map = map(a, 0)?;
            for (key, value) in map.iter().filter(|(_, value)| !matches!(value, Value::Map(_))) {
                ini_entry(&mut out, key, value)?;
            }
            for (section, value) in map.iter() {
                let Value::Map(entries) = value else { continue };
                out.push_str(if out.is_empty() { "" } else { "\n" });
                out.push_str(&format!("[{section}]\n"));
                for (key, value) in entries.iter() {
                    ini_entry(&mut out, key, value)?;
                }
            }
            string(out)
        },
    ),
    plain(
        "Map<T>.to_env(quote?: Bool) -> String",
        "Writes one `KEY=value` a line, as an environment file has them; values are quoted for a shell unless `quote` is false.",
        &[("{ PATH = \"/a b\", N = 1 }.to_env()", "\"PATH='/a b'\\nN=1\\n\"")],
        |a| {
            let quoted = !matches!(any(a, 1), Value::Bool(false));
            let mut out = String::new();
            for (key, value) in map(a, 0)?.iter().filter(|(_, value)| **value != Value::None) {
                let shown = super::strings::shown(value);
                if shown.contains('\0') || (!quoted && shown.contains('\n')) {
                    return Err(invalid(0, format!("the value of `{key}` has no form in an environment file")));
                }
                let shown = if quoted { shlex::try_quote(&shown).map(|s| s.into_owned()).unwrap_or_default() } else { shown };
                out.push_str(&format!("{key}={shown}\n"));
                fits(out.len(), MAX_TEXT, "bytes")?;
            }
            string(out)
        },
    ),
    plain("String.parse_json() -> Any", "Reads JSON.", &[("\"[1, {}]\".parse_json()", "[1, {}]")], |a| {
        parse(text(a, 0)?, Format::Json)
    }),
    plain("String.parse_yaml() -> Any", "Reads a YAML document.", &[("\"a: [1, x]\".parse_yaml()", "{ a = [1, \"x\"] }")], |a| {
        parse(text(a, 0)?, Format::Yaml)
    }),
    plain("String.parse_toml() -> Any", "Reads a TOML document.", &[("\"a = 1\".parse_toml()", "{ a = 1 }")], |a| {
        parse(text(a, 0)?, Format::Toml)
    }),
    plain(
        "String.base64() -> String",
        "Encodes the bytes of the text in base64.",
        &[("\"stead\".base64()", "\"c3RlYWQ=\"")],
        |a| {
            let text = text(a, 0)?;
            fits(text.len().saturating_mul(4) / 3, MAX_TEXT, "bytes")?;
            string(STANDARD.encode(text))
        },
    ),
    plain(
        "String.base64_url() -> String",
        "Encodes the bytes of the text in the URL-safe base64 without padding.",
        &[("\"a?b\".base64_url()", "\"YT9i\"")],
        |a| {
            let text = text(a, 0)?;
            fits(text.len().saturating_mul(4) / 3, MAX_TEXT, "bytes")?;
            string(URL_SAFE_NO_PAD.encode(text))
        },
    ),
    plain(
        "String.base64_decode() -> String",
        "Decodes base64, with or without padding, of either alphabet; the bytes must be UTF-8.",
        &[("\"c3RlYWQ=\".base64_decode()", "\"stead\"")],
        |a| {
            let clean: String = text(a, 0)?
                .chars()
                .filter(|c| !c.is_whitespace() && *c != '=')
                .map(|c| match c {
                    '+' => '-',
                    '/' => '_',
                    c => c,
                })
                .collect();
            match URL_SAFE_NO_PAD.decode(clean) {
                Ok(bytes) => utf8(bytes),
                Err(_) => Err(invalid(0, "the text is not base64")),
            }
        },
    ),
    plain(
        "String.hex() -> String",
        "Writes the bytes of the text in hexadecimal digits.",
        &[("\"az\".hex()", "\"617a\"")],
        |a| {
            let text = text(a, 0)?;
            fits(text.len().saturating_mul(2), MAX_TEXT, "bytes")?;
            string(hex::encode(text))
        },
    ),
    plain(
        "String.hex_decode() -> String",
        "Reads hexadecimal digits; the bytes must be UTF-8.",
        &[("\"617a\".hex_decode()", "\"az\"")],
        |a| match hex::decode(text(a, 0)?.trim()) {
            Ok(bytes) => utf8(bytes),
            Err(_) => Err(invalid(0, "the text is not pairs of hexadecimal digits")),
        },
    ),
    plain(
        "String.url_encode() -> String",
        "Escapes everything but letters, digits, `-`, `.`, `_` and `~`.",
        &[("\"a b/ñ\".url_encode()", "\"a%20b%2F%C3%B1\"")],
        |a| {
            let text = text(a, 0)?;
            fits(text.len().saturating_mul(3), MAX_TEXT * 3, "bytes")?;
            let mut out = String::with_capacity(text.len());
            for byte in text.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    out.push(char::from(byte))
                } else {
                    out.push_str(&format!("%{byte:02X}"))
                }
            }
            string(out)
        },
    ),
    plain(
        "String.url_decode() -> String",
        "Reads `%XX` escapes; the bytes must be UTF-8.",
        &[("\"a%20b\".url_decode()", "\"a b\"")],
        |a| {
            let mut bytes = Vec::new();
            let mut rest = text(a, 0)?.bytes();
            while let Some(byte) = rest.next() {
                bytes.push(if byte == b'%' {
                    let pair = [rest.next().unwrap_or(b' '), rest.next().unwrap_or(b' ')];
                    let mut out = [0];
                    hex::decode_to_slice(pair, &mut out)
                        .map_err(|_| invalid(0, "a `%` is not followed by two hexadecimal digits"))?;
                    out[0]
                } else {
                    byte
                });
            }
            utf8(bytes)
        },
    ),
    plain(
        "String.xml_escape() -> String",
        "Escapes `<`, `>`, `&`, `\"` and `'` for XML and HTML.",
        &[("\"a<b>\".xml_escape()", "\"a&lt;b&gt;\"")],
        |a| {
            let mut out = String::new();
            for c in text(a, 0)?.chars() {
                match c {
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    '&' => out.push_str("&amp;"),
                    '"' => out.push_str("&quot;"),
                    '\'' => out.push_str("&#39;"),
                    c => out.push(c),
                }
            }
            string(out)
        },
    ),
    plain(
        "String.json_quote() -> String",
        "Writes the text as a JSON string with its quotes.",
        &[("\"a\\\"b\".json_quote()", "\"\\\"a\\\\\\\"b\\\"\"")],
        |a| string(encode::to_json(&Value::string(text(a, 0)?), None)),
    ),
];

fn utf8(bytes: Vec<u8>) -> Outcome {
    match String::from_utf8(bytes) {
        Ok(text) => string(text),
        Err(_) => Err(invalid(0, "the bytes are not UTF-8 text")),
    }
}

fn parse(text: &str, format: Format) -> Outcome {
    let file: Arc<str> = "text".into();
    let (node, found) = data::parse(&file, text.as_bytes(), format);
    match (found.into_iter().find(crate::Diagnostic::is_error), node) {
        (None, Some(node)) => Ok(node.to_value()),
        (Some(error), _) => {
            let line = error.primary().map_or(1, |label| {
                text.as_bytes()[..(label.span.start as usize).min(text.len())].iter().filter(|b| **b == b'\n').count() + 1
            });
            Err(BuiltinError { hint: error.hints.first().cloned(), ..invalid(0, format!("{} (line {line})", error.message)) })
        }
        (None, None) => Err(invalid(0, "the text holds no value")),
    }
}

fn ini_entry(out: &mut String, key: &str, value: &Value) -> Result<(), BuiltinError> {
    match value {
        Value::None => {}
        Value::List(items) => items.iter().try_for_each(|item| ini_entry(out, key, item))?,
        Value::Map(_) => return Err(invalid(0, format!("`{key}` is a map inside a section; INI has one level of sections"))),
        other => {
            let shown = super::strings::shown(other);
            if shown.contains(['\n', '\r']) {
                return Err(invalid(0, format!("the value of `{key}` has more than one line")));
            }
            out.push_str(&format!("{key}={shown}\n"));
        }
    }
    fits(out.len(), MAX_TEXT, "bytes")
}
