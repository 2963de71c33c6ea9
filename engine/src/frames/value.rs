//! Values on the wire.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stead_catalog::{Blob, Map, ResourceId, Value};

use super::FrameError;
use crate::journal::{hex, unhex};

/// Blobs up to this many bytes travel with the value: asking for them would take longer.
const INLINE: usize = 2 << 10;

/// Keys and values, in order.
pub(crate) type WireMap = Vec<(Arc<str>, WireValue)>;

/// A value, with everything that its hash depends on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WireValue {
    None,
    Bool(bool),
    Int(i64),
    /// The bits of a double, which JSON would round.
    Float(u64),
    #[serde(rename = "s")]
    String(Arc<str>),
    Member(Arc<str>),
    Mode(u32),
    Duration(u64),
    Size(u64),
    /// Content that is asked for by its BLAKE3 where it is not known.
    Blob {
        hash: String,
        size: u64,
        origin: Arc<str>,
    },
    /// Content that comes along, in base64.
    Inline {
        bytes: String,
        origin: Arc<str>,
    },
    List(Vec<WireValue>),
    Map(WireMap),
    Ref(Arc<str>, Arc<str>),
    Secret(Box<WireValue>),
}

/// Content by its BLAKE3, where it is at hand.
pub(crate) type Contents<'a> = dyn Fn(&[u8; 32]) -> Option<Arc<[u8]>> + 'a;

impl WireValue {
    /// Writes a value down. Within a secret, and where `whole` says so, blobs come along whatever their size.
    pub(crate) fn of(value: &Value, whole: bool) -> Self {
        match value {
            Value::None => Self::None,
            Value::Bool(b) => Self::Bool(*b),
            Value::Int(i) => Self::Int(*i),
            Value::Float(f) => Self::Float(f.to_bits()),
            Value::String(s) => Self::String(s.clone()),
            Value::Member(s) => Self::Member(s.clone()),
            Value::Mode(m) => Self::Mode(*m),
            Value::Duration(n) => Self::Duration(*n),
            Value::Size(n) => Self::Size(*n),
            Value::Blob(blob) if whole || blob.bytes.len() <= INLINE => {
                Self::Inline { bytes: base64(&blob.bytes), origin: blob.origin.clone() }
            }
            Value::Blob(blob) => Self::Blob { hash: hex(&blob.hash), size: blob.bytes.len() as u64, origin: blob.origin.clone() },
            Value::List(items) => Self::List(items.iter().map(|item| Self::of(item, whole)).collect()),
            Value::Map(map) => Self::Map(map.iter().map(|(key, value)| (key.clone(), Self::of(value, whole))).collect()),
            Value::Ref(id) => Self::Ref(id.type_name.clone(), id.name.clone()),
            // No secret is ever in a cache of contents.
            Value::Secret(inner) => Self::Secret(Box::new(Self::of(inner, true))),
            // Nobody plans with one: who does opens secrets. No type takes what comes of it at the other end.
            Value::Locked(_) => Self::None,
        }
    }

    /// Writes down what may be shown: a secret anywhere in it makes all of it `None`, and contents are told by name.
    pub(crate) fn shown(value: &Value) -> Option<Self> {
        if value.is_sensitive() {
            return None;
        }
        Some(match value {
            Value::Blob(blob) => Self::String(value_text(blob)),
            Value::List(items) => Self::List(items.iter().filter_map(Self::shown).collect()),
            Value::Map(map) => {
                Self::Map(map.iter().filter_map(|(key, value)| Some((key.clone(), Self::shown(value)?))).collect())
            }
            other => Self::of(other, false),
        })
    }

    /// Reads it back. Content that is not at hand is an error: it was to be asked for before.
    pub(crate) fn read(self, contents: &Contents<'_>) -> Result<Value, FrameError> {
        Ok(match self {
            Self::None => Value::None,
            Self::Bool(b) => Value::Bool(b),
            Self::Int(i) => Value::Int(i),
            Self::Float(bits) => {
                let float = f64::from_bits(bits);
                if !float.is_finite() {
                    return Err(FrameError::malformed("a number that is none"));
                }
                Value::Float(float)
            }
            Self::String(s) => Value::String(s),
            Self::Member(s) => Value::Member(s),
            Self::Mode(m) if m <= 0o7777 => Value::Mode(m),
            Self::Mode(_) => return Err(FrameError::malformed("a mode of more than 07777")),
            Self::Duration(n) => Value::Duration(n),
            Self::Size(n) => Value::Size(n),
            Self::Blob { hash, origin, .. } => {
                let hash = content_hash(&hash)?;
                let bytes = contents(&hash).ok_or_else(|| FrameError::malformed("a content that was never sent"))?;
                // Whoever handed the content out has compared it with its hash.
                Value::Blob(Arc::new(Blob { bytes, hash, origin }))
            }
            Self::Inline { bytes, origin } => Value::Blob(Arc::new(Blob::new(origin, unbase64(&bytes)?))),
            Self::List(items) => {
                Value::List(Arc::new(items.into_iter().map(|item| item.read(contents)).collect::<Result<_, _>>()?))
            }
            Self::Map(entries) => Value::Map(Arc::new(read_map(entries, contents)?)),
            Self::Ref(type_name, name) => Value::Ref(ResourceId { type_name, name }),
            Self::Secret(inner) => inner.read(contents)?.secret(),
        })
    }

    /// Collects the contents that are named in it, with their sizes.
    pub(crate) fn contents(&self, found: &mut Vec<([u8; 32], u64)>) -> Result<(), FrameError> {
        match self {
            Self::Blob { hash, size, .. } => found.push((content_hash(hash)?, *size)),
            Self::List(items) => items.iter().try_for_each(|item| item.contents(found))?,
            Self::Map(entries) => entries.iter().try_for_each(|(_, value)| value.contents(found))?,
            Self::Secret(inner) => inner.contents(found)?,
            _ => {}
        }
        Ok(())
    }
}

fn value_text(blob: &Blob) -> Arc<str> {
    format!("(file {}, {} bytes)", blob.origin, blob.bytes.len()).into()
}

pub(crate) fn read_map(entries: WireMap, contents: &Contents<'_>) -> Result<Map, FrameError> {
    entries.into_iter().map(|(key, value)| Ok((key, value.read(contents)?))).collect()
}

/// Reads facts. They hold no contents and no secrets.
pub(crate) fn facts(entries: WireMap) -> Result<Map, FrameError> {
    read_map(entries, &|_| None)
}

pub(crate) fn content_hash(text: &str) -> Result<[u8; 32], FrameError> {
    unhex(text).and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| FrameError::malformed("a hash of another length"))
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn unbase64(text: &str) -> Result<Vec<u8>, FrameError> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| FrameError::malformed("a content that is not base64"))
}
