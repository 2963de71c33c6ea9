//! Values of the language, as they stand in a catalog.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::ResourceId;

/// A record or a map: keys in the order of the source. Two maps with the same entries are equal
/// in whatever order they were written.
pub type Map = IndexMap<Arc<str>, Value>;

/// Bytes that came from a file of the project, with their BLAKE3 hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob {
    /// The bytes themselves.
    pub bytes: Arc<[u8]>,
    /// BLAKE3 of `bytes`.
    pub hash: [u8; 32],
    /// The file in the project they came from, for messages.
    pub origin: Arc<str>,
}

impl Blob {
    /// Wraps `bytes` read from the project file `origin`.
    pub fn new(origin: impl Into<Arc<str>>, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        let hash = *blake3::hash(&bytes).as_bytes();
        Self { bytes, hash, origin: origin.into() }
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({}, {} bytes)", self.origin, self.bytes.len())
    }
}

/// A value of the language. Cheap to clone: everything large is shared.
///
/// `Path`, `Ip`, `Cidr`, `Hostname`, `Url`, `Regex` and `Version` are strings that a type has checked.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// An absent optional (`none`).
    None,
    /// `true` or `false`.
    Bool(bool),
    /// A signed 64-bit integer; a port is one as well.
    Int(i64),
    /// A finite double.
    Float(f64),
    /// Text, and every type that is checked text.
    String(Arc<str>),
    /// A bare word of an enum.
    Member(Arc<str>),
    /// Permission bits, 0 to 0o7777.
    Mode(u32),
    /// A length of time in nanoseconds.
    Duration(u64),
    /// A number of bytes.
    Size(u64),
    /// Bytes of a project file. Shared, so that every other value stays small.
    Blob(Arc<Blob>),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A record or a map with string keys.
    Map(Arc<Map>),
    /// A reference to a resource of the same catalog.
    Ref(ResourceId),
    /// A value that must never be shown: `Secret<T>`.
    Secret(Arc<Value>),
    /// A secret that was not opened: a hash of what it is made of, by which one is told from another. It always stands in a
    /// [`Value::Secret`], every type admits it, and who plans has none.
    Locked([u8; 32]),
}

impl Value {
    /// Makes a string value.
    pub fn string(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// Makes a list value.
    pub fn list(items: impl IntoIterator<Item = Value>) -> Self {
        Self::List(Arc::new(items.into_iter().collect()))
    }

    /// Makes a map value.
    pub fn map(entries: impl IntoIterator<Item = (Arc<str>, Value)>) -> Self {
        Self::Map(Arc::new(entries.into_iter().collect()))
    }

    /// Wraps a value as secret; a secret stays one layer deep.
    #[must_use]
    pub fn secret(self) -> Self {
        match self {
            Self::Secret(_) => self,
            other => Self::Secret(Arc::new(other)),
        }
    }

    /// Returns the value under a secret wrapper, or the value itself.
    pub fn reveal(&self) -> &Value {
        match self {
            Self::Secret(inner) => inner.reveal(),
            other => other,
        }
    }

    /// Says whether the value is secret, or holds a secret anywhere inside.
    pub fn is_sensitive(&self) -> bool {
        match self {
            Self::Secret(_) | Self::Locked(_) => true,
            Self::List(items) => items.iter().any(Self::is_sensitive),
            Self::Map(map) => map.values().any(Self::is_sensitive),
            _ => false,
        }
    }

    /// Says whether the value is a secret that was not opened.
    pub fn is_locked(&self) -> bool {
        matches!(self.reveal(), Self::Locked(_))
    }

    /// Says whether the value is a secret that was not opened, or holds one anywhere inside.
    pub fn has_locked(&self) -> bool {
        match self {
            Self::Locked(_) => true,
            Self::Secret(inner) => inner.has_locked(),
            Self::List(items) => items.iter().any(Self::has_locked),
            Self::Map(map) => map.values().any(Self::has_locked),
            _ => false,
        }
    }

    /// Returns the text of a string, an enum member or a secret string.
    pub fn as_str(&self) -> Option<&str> {
        match self.reveal() {
            Self::String(s) | Self::Member(s) => Some(s),
            _ => None,
        }
    }

    /// Returns the shared text of a string or member without copying it.
    pub fn as_shared_str(&self) -> Option<&Arc<str>> {
        match self.reveal() {
            Self::String(s) | Self::Member(s) => Some(s),
            _ => None,
        }
    }

    /// Names the kind of value for messages: `a string`, `an integer`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::String(_) => "a string",
            Self::Member(_) => "an enum member",
            Self::Mode(_) => "a mode",
            Self::Duration(_) => "a duration",
            Self::Size(_) => "a size",
            Self::Blob(_) => "a file's content",
            Self::List(_) => "a list",
            Self::Map(_) => "a record",
            Self::Ref(_) => "a reference",
            Self::Secret(_) | Self::Locked(_) => "a secret",
        }
    }

    /// Feeds the value into a hash so that equal values hash equally and unequal ones do not
    /// collide by concatenation: every variant is tagged and every length written.
    pub fn hash_into(&self, hasher: &mut blake3::Hasher) {
        let tag = |h: &mut blake3::Hasher, t: u8, len: usize| {
            h.update(&[t]);
            h.update(&(len as u64).to_le_bytes());
        };
        match self {
            Self::None => tag(hasher, 0, 0),
            Self::Bool(b) => tag(hasher, 1, usize::from(*b)),
            Self::Int(i) => {
                tag(hasher, 2, 8);
                hasher.update(&i.to_le_bytes());
            }
            Self::Float(f) => {
                tag(hasher, 3, 8);
                hasher.update(&f.to_bits().to_le_bytes());
            }
            Self::String(s) => {
                tag(hasher, 4, s.len());
                hasher.update(s.as_bytes());
            }
            Self::Member(s) => {
                tag(hasher, 5, s.len());
                hasher.update(s.as_bytes());
            }
            Self::Mode(m) => {
                tag(hasher, 6, 4);
                hasher.update(&m.to_le_bytes());
            }
            Self::Duration(n) => {
                tag(hasher, 7, 8);
                hasher.update(&n.to_le_bytes());
            }
            Self::Size(n) => {
                tag(hasher, 8, 8);
                hasher.update(&n.to_le_bytes());
            }
            Self::Blob(blob) => {
                tag(hasher, 9, blob.bytes.len());
                hasher.update(&blob.hash);
            }
            Self::List(items) => {
                tag(hasher, 10, items.len());
                items.iter().for_each(|item| item.hash_into(hasher));
            }
            Self::Map(map) => {
                tag(hasher, 11, map.len());
                let mut keys: Vec<_> = map.iter().collect();
                keys.sort_by(|a, b| a.0.cmp(b.0));
                for (key, value) in keys {
                    tag(hasher, 12, key.len());
                    hasher.update(key.as_bytes());
                    value.hash_into(hasher);
                }
            }
            Self::Ref(id) => {
                let text = id.to_string();
                tag(hasher, 13, text.len());
                hasher.update(text.as_bytes());
            }
            Self::Secret(inner) => {
                tag(hasher, 14, 0);
                inner.hash_into(hasher);
            }
            Self::Locked(hash) => {
                tag(hasher, 15, hash.len());
                hasher.update(hash);
            }
        }
    }
}

/// Shows a secret as `(sensitive)`, so that a value can be logged without care.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes the value as the language would: `"text"`, `0644`, `30s`, `10MiB`, `[1, 2]`,
/// `{ a = 1 }`, `file["/x"]`; a secret is `(sensitive)`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(i) => write!(f, "{i}"),
            Self::Float(x) => write!(f, "{x:?}"),
            Self::String(s) => write_quoted(f, s),
            Self::Member(s) => f.write_str(s),
            Self::Mode(m) => write!(f, "{m:04o}"),
            Self::Duration(n) => write_duration(f, *n),
            Self::Size(n) => write_size(f, *n),
            Self::Blob(blob) => write!(f, "(file {}, {} bytes)", blob.origin, blob.bytes.len()),
            Self::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    fmt::Display::fmt(item, f)?;
                }
                f.write_str("]")
            }
            Self::Map(map) if map.is_empty() => f.write_str("{}"),
            Self::Map(map) => {
                f.write_str("{ ")?;
                for (i, (key, value)) in map.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    if is_identifier(key) {
                        f.write_str(key)?;
                    } else {
                        write_quoted(f, key)?;
                    }
                    write!(f, " = {value}")?;
                }
                f.write_str(" }")
            }
            Self::Ref(id) => fmt::Display::fmt(id, f),
            Self::Secret(_) | Self::Locked(_) => f.write_str("(sensitive)"),
        }
    }
}

fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Writes `text` as a string literal of the language, with its escapes.
pub(crate) fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '$' => f.write_str("$")?,
            c if c.is_control() => write!(f, "\\u{{{:x}}}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

fn write_duration(f: &mut fmt::Formatter<'_>, nanos: u64) -> fmt::Result {
    if nanos == 0 {
        return f.write_str("0s");
    }
    let units: [(u64, &str); 6] = [
        (86_400_000_000_000, "d"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1, "ns"),
    ];
    let mut rest = nanos;
    for (unit, name) in units {
        if rest >= unit {
            write!(f, "{}{name}", rest / unit)?;
            rest %= unit;
        }
    }
    Ok(())
}

fn write_size(f: &mut fmt::Formatter<'_>, bytes: u64) -> fmt::Result {
    for (shift, name) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >= 1 << shift && bytes.is_multiple_of(1 << shift) {
            return write!(f, "{}{name}", bytes >> shift);
        }
    }
    write!(f, "{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_like_the_language() {
        let cases = [
            (Value::Mode(0o644), "0644"),
            (Value::Duration(5_400_000_000_000), "1h30m"),
            (Value::Size(10 << 20), "10MiB"),
            (Value::string("a\"b\n"), "\"a\\\"b\\n\""),
            (Value::list([Value::Int(1), Value::None]), "[1, none]"),
            (Value::map([("a b".into(), Value::Bool(true))]), "{ \"a b\" = true }"),
            (Value::string("hunter2").secret(), "(sensitive)"),
        ];
        for (value, shown) in cases {
            assert_eq!(value.to_string(), shown);
        }
    }

    #[test]
    fn maps_hash_alike_in_any_order() {
        let hash = |value: &Value| {
            let mut hasher = blake3::Hasher::new();
            value.hash_into(&mut hasher);
            hasher.finalize()
        };
        let a = Value::map([("a".into(), Value::Int(1)), ("b".into(), Value::Int(2))]);
        let b = Value::map([("b".into(), Value::Int(2)), ("a".into(), Value::Int(1))]);
        assert_eq!(a, b);
        assert_eq!(hash(&a), hash(&b));
        assert_ne!(hash(&a), hash(&a.clone().secret()));
    }
}
