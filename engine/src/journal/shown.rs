//! The changes of a resource as the journal keeps them: what a plan shows. Texts go beside them as blobs.
//!
//! These types are what is stored: a field is only ever added, with a default, so that an older row stays readable.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stead_catalog::{Attributes, Cause, Change, EdgeKind, ResourceId, Shown, SourceLocation, Stretch, Value};

use super::{hex, unhex};

/// What was shown of a change before it was made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Detail {
    pub(crate) changes: Vec<Change>,
    pub(crate) because: Vec<Cause>,
    /// The resource has secrets.
    pub(crate) sensitive: bool,
    /// Where it was declared.
    pub(crate) source: Option<SourceLocation>,
    /// Nothing declared it any more.
    pub(crate) orphan: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredDetail {
    #[serde(default)]
    changes: Vec<StoredChange>,
    #[serde(default)]
    because: Vec<(String, String)>,
    #[serde(default)]
    source: Option<(String, u32, u32)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    orphan: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredChange {
    attribute: String,
    before: Side,
    after: Side,
    #[serde(default)]
    sensitive: bool,
    /// Of each stretch where it is and how long, before and after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stretches: Vec<[u32; 4]>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    Absent,
    Value(Stored),
    /// BLAKE3 of the text, which is a blob.
    Text(String),
    Digest(String, u64),
    Unknown(String),
    Sensitive,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stored {
    Bool(bool),
    Int(i64),
    Member(String),
    Mode(u32),
    Duration(u64),
    Size(u64),
    Float(f64),
    List(Vec<Stored>),
    Map(Vec<(String, Stored)>),
    Text(String),
}

impl Detail {
    /// Writes it down. Texts are handed to `keep`, which stores them under the digest it is given.
    pub(crate) fn store(&self, mut keep: impl FnMut([u8; 32], &Arc<str>)) -> String {
        let mut side = |shown: &Shown, hidden: bool| match shown {
            Shown::Absent => Side::Absent,
            Shown::Unknown(because) => Side::Unknown(because.to_string()),
            _ if hidden => Side::Sensitive,
            Shown::Value(value) => Side::Value(stored(value)),
            Shown::Text(text) => {
                let hash = *blake3::hash(text.as_bytes()).as_bytes();
                keep(hash, text);
                Side::Text(hex(&hash))
            }
            Shown::Digest { hash, size } => Side::Digest(hash.to_string(), *size),
            Shown::Sensitive => Side::Sensitive,
        };
        let changes = self.changes.iter().map(|change| StoredChange {
            attribute: change.attribute.to_string(),
            before: side(&change.before, change.sensitive),
            after: side(&change.after, change.sensitive),
            sensitive: change.sensitive,
            stretches: change.stretches.iter().map(|one| [one.old_start, one.old_len, one.new_start, one.new_len]).collect(),
        });
        let source = self.source.as_ref().map(|source| (source.file.to_string(), source.line, source.column));
        let detail = StoredDetail { changes: changes.collect(), because: causes(&self.because), source, orphan: self.orphan };
        serde_json::to_string(&detail).unwrap_or_default()
    }

    /// Reads it back; a text that is not kept any more is told by its hash.
    pub(crate) fn read(stored: &str, mut text: impl FnMut(&[u8; 32]) -> Option<Vec<u8>>) -> Self {
        let Ok(detail) = serde_json::from_str::<StoredDetail>(stored) else { return Self::default() };
        let mut side = |side: Side| match side {
            Side::Absent => Shown::Absent,
            Side::Value(value) => Shown::Value(value.read()),
            Side::Text(hash) => {
                let found = unhex(&hash).and_then(|hash| text(&hash.try_into().ok()?));
                match found.and_then(|bytes| String::from_utf8(bytes).ok()) {
                    Some(found) => Shown::Text(found.into()),
                    None => Shown::Digest { hash: hash.into(), size: 0 },
                }
            }
            Side::Digest(hash, size) => Shown::Digest { hash: hash.into(), size },
            Side::Unknown(because) => Shown::Unknown(because.into()),
            Side::Sensitive => Shown::Sensitive,
        };
        let changes = detail.changes.into_iter().map(|change| Change {
            attribute: change.attribute.into(),
            before: side(change.before),
            after: side(change.after),
            sensitive: change.sensitive,
            stretches: change
                .stretches
                .into_iter()
                .map(|[old_start, old_len, new_start, new_len]| Stretch { old_start, old_len, new_start, new_len })
                .collect(),
        });
        let source =
            detail.source.map(|(file, line, column)| SourceLocation { file: file.into(), start: 0, end: 0, line, column });
        Self { changes: changes.collect(), because: read_causes(detail.because), sensitive: false, source, orphan: detail.orphan }
    }
}

/// Causes as they are stored.
pub(crate) fn causes(causes: &[Cause]) -> Vec<(String, String)> {
    causes.iter().map(|cause| (cause.kind.name().to_owned(), cause.resource.to_string())).collect()
}

/// Reads causes back.
pub(crate) fn read_causes(stored: Vec<(String, String)>) -> Vec<Cause> {
    const KINDS: [EdgeKind; 5] = [EdgeKind::Watch, EdgeKind::Listen, EdgeKind::OnChanges, EdgeKind::OnFail, EdgeKind::Prereq];
    let cause = |(kind, resource): (String, String)| {
        let kind = KINDS.into_iter().find(|known| known.name() == kind)?;
        Some(Cause { kind, resource: ResourceId::parse(&resource)? })
    };
    stored.into_iter().filter_map(cause).collect()
}

/// Values by name as one text.
pub(super) fn values(attributes: &Attributes) -> String {
    let values: Vec<(String, Stored)> = attributes.iter().map(|(name, value)| (name.to_string(), stored(value))).collect();
    serde_json::to_string(&values).unwrap_or_default()
}

/// Reads values by name back; `None` when they cannot be.
pub(super) fn read_values(text: &str) -> Option<Attributes> {
    let values: Vec<(String, Stored)> = serde_json::from_str(text).ok()?;
    Some(values.into_iter().map(|(name, value)| (Arc::from(name), value.read())).collect())
}

fn stored(value: &Value) -> Stored {
    match value {
        Value::Bool(value) => Stored::Bool(*value),
        Value::Int(value) => Stored::Int(*value),
        Value::Member(word) => Stored::Member(word.to_string()),
        Value::Mode(mode) => Stored::Mode(*mode),
        Value::Duration(nanos) => Stored::Duration(*nanos),
        Value::Size(bytes) => Stored::Size(*bytes),
        Value::Float(value) => Stored::Float(*value),
        Value::List(items) => Stored::List(items.iter().map(stored).collect()),
        Value::Map(map) => Stored::Map(map.iter().map(|(key, value)| (key.to_string(), stored(value))).collect()),
        Value::String(text) => Stored::Text(text.to_string()),
        // A secret shows itself as `(sensitive)`.
        other => Stored::Member(other.to_string()),
    }
}

impl Stored {
    fn read(self) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Member(word) => Value::Member(word.into()),
            Self::Mode(mode) => Value::Mode(mode),
            Self::Duration(nanos) => Value::Duration(nanos),
            Self::Size(bytes) => Value::Size(bytes),
            Self::Float(value) => Value::Float(value),
            Self::List(items) => Value::list(items.into_iter().map(Self::read)),
            Self::Map(entries) => Value::map(entries.into_iter().map(|(key, value)| (key.into(), value.read()))),
            Self::Text(text) => Value::string(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_reads_back_without_secrets() {
        let value = |value| Shown::Value(value);
        let detail = Detail {
            changes: vec![
                Change::value("content", Shown::Absent, Shown::Text("a\n".into())),
                Change::value("mode", value(Value::Mode(0o644)), value(Value::list([Value::Int(1), Value::Bool(true)]))),
                Change::value("owner", Shown::Unknown("x".into()), Shown::Digest { hash: "00".into(), size: 3 }),
                Change { sensitive: true, ..Change::value("password", value(Value::string("hunter2")), Shown::Absent) },
            ],
            because: vec![Cause { kind: EdgeKind::Watch, resource: ResourceId::new("file", "/a") }],
            sensitive: true,
            source: Some(SourceLocation { file: "a.stead".into(), start: 0, end: 0, line: 3, column: 1 }),
            orphan: true,
        };
        let mut kept = Vec::new();
        let stored = detail.store(|hash, text| kept.push((hash, text.clone())));
        assert!(!stored.contains("hunter2"), "{stored}");
        let read =
            Detail::read(&stored, |hash| kept.iter().find(|(known, _)| known == hash).map(|(_, text)| text.as_bytes().to_vec()));
        let mut expected = detail.changes;
        expected[3].before = Shown::Sensitive;
        assert_eq!(read.changes, expected);
        assert_eq!((read.because, read.source, read.orphan), (detail.because, detail.source, true));
    }
}
