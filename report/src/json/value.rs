//! Values of the language as JSON.

use serde_json::{Map, Value as Json};
use stead_catalog::Value;

/// Returns a value as JSON; a secret is `null`, wherever it stands.
///
/// What JSON has no type for is text as the language writes it: `"0644"`, `"30s"`, `"10MiB"`, `"file[\"/x\"]"`.
/// Content of a project file is told by hash and size.
pub fn value_json(value: &Value) -> Json {
    match value {
        Value::None | Value::Secret(_) | Value::Locked(_) => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(i) => Json::from(*i),
        Value::Float(x) => Json::from(*x),
        Value::String(text) | Value::Member(text) => Json::from(&**text),
        Value::Mode(_) | Value::Duration(_) | Value::Size(_) | Value::Ref(_) => Json::from(value.to_string()),
        Value::Blob(blob) => digest_json(&hex::encode(blob.hash), blob.bytes.len() as u64),
        Value::List(items) => items.iter().map(value_json).collect(),
        Value::Map(map) => Json::Object(map.iter().map(|(key, value)| (key.to_string(), value_json(value))).collect()),
    }
}

/// Content that is not shown.
pub(crate) fn digest_json(hash: &str, size: u64) -> Json {
    Json::Object(Map::from_iter([("blake3".to_owned(), Json::from(hash)), ("size".to_owned(), Json::from(size))]))
}

/// Returns the facts of a node as a document.
pub fn facts_json(facts: &Value) -> Json {
    Json::Object(Map::from_iter([
        ("format_version".to_owned(), Json::from(super::FORMAT_VERSION)),
        ("facts".to_owned(), value_json(facts)),
    ]))
}
