//! Values with a meaning of their own, so that the compiler tells two of them apart.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use stead_catalog::{Span64, Type, Value};

use super::{AttributeType, FromLiteral};

/// An absolute path, normalised: no `.`, no `..`, no doubled or trailing slash.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AbsolutePath(Arc<str>);

impl AbsolutePath {
    /// Makes a path of a text, normalised; `None` of one that is not absolute, or leads above `/`.
    pub fn new(text: &str) -> Option<Self> {
        Type::Path.admit(&Value::string(text), false).ok().and_then(|path| Self::from_value(&path))
    }

    /// As a path of the file system.
    pub fn as_path(&self) -> &Path {
        Path::new(&*self.0)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As shared text.
    pub fn shared(&self) -> &Arc<str> {
        &self.0
    }

    /// The directory it is in; `None` of `/`.
    pub fn parent(&self) -> Option<&Path> {
        self.as_path().parent()
    }
}

impl fmt::Debug for AbsolutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for AbsolutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AttributeType for AbsolutePath {
    fn ty() -> Type {
        Type::Path
    }
    fn from_value(value: &Value) -> Option<Self> {
        value.as_shared_str().filter(|text| text.starts_with('/')).cloned().map(Self)
    }
    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

impl FromLiteral<&str> for AbsolutePath {
    fn from_literal(literal: &str) -> Self {
        Self(literal.into())
    }
}

/// Permission bits, 0 to 0o7777.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mode(pub u32);

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl AttributeType for Mode {
    fn ty() -> Type {
        Type::Mode
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value.reveal() {
            Value::Mode(bits) => Some(Self(*bits)),
            _ => None,
        }
    }
    fn to_value(&self) -> Value {
        Value::Mode(self.0)
    }
}

impl FromLiteral<u32> for Mode {
    fn from_literal(literal: u32) -> Self {
        Self(literal)
    }
}

/// A regular expression over the bytes of a file.
#[derive(Clone, Debug)]
pub struct Pattern(regex::bytes::Regex);

impl Pattern {
    /// Makes a pattern; `None` when the expression cannot be read.
    pub fn new(source: &str) -> Option<Self> {
        regex::bytes::RegexBuilder::new(source).size_limit(1 << 20).build().ok().map(Self)
    }

    /// The compiled expression.
    pub const fn regex(&self) -> &regex::bytes::Regex {
        &self.0
    }

    /// Says whether it matches somewhere in the text.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl AttributeType for Pattern {
    fn ty() -> Type {
        Type::Regex
    }
    fn from_value(value: &Value) -> Option<Self> {
        value.as_str().and_then(Self::new)
    }
    fn to_value(&self) -> Value {
        Value::string(self.0.as_str())
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Size(pub u64);

impl AttributeType for Size {
    fn ty() -> Type {
        Type::Size
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value.reveal() {
            Value::Size(bytes) => Some(Self(*bytes)),
            _ => None,
        }
    }
    fn to_value(&self) -> Value {
        Value::Size(self.0)
    }
}

impl FromLiteral<u64> for Size {
    fn from_literal(literal: u64) -> Self {
        Self(literal)
    }
}

/// A TCP or UDP port, 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port(pub u16);

impl AttributeType for Port {
    fn ty() -> Type {
        Type::Port
    }
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value).and_then(|port| port.try_into().ok()).filter(|port| *port > 0).map(Self)
    }
    fn to_value(&self) -> Value {
        Value::Int(i64::from(self.0))
    }
}

impl FromLiteral<u16> for Port {
    fn from_literal(literal: u16) -> Self {
        Self(literal)
    }
}

/// A user or a group, by name or by id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Account {
    /// By name; it is looked up on the machine.
    Name(Arc<str>),
    /// By id; it need not have a name.
    Id(u32),
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Id(id) => write!(f, "{id}"),
        }
    }
}

impl AttributeType for Account {
    fn ty() -> Type {
        // The largest id means "leave it" to chown.
        let ids = Span64 { min: Some(0), max: Some(i64::from(u32::MAX) - 1) };
        Type::Union(Arc::new(vec![Type::String(None, Span64 { min: Some(1), max: None }), Type::Int(ids)]))
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value.reveal() {
            Value::String(name) if !name.is_empty() => Some(Self::Name(name.clone())),
            Value::Int(id) => u32::try_from(*id).ok().filter(|id| *id != u32::MAX).map(Self::Id),
            _ => None,
        }
    }
    fn to_value(&self) -> Value {
        match self {
            Self::Name(name) => Value::String(name.clone()),
            Self::Id(id) => Value::Int(i64::from(*id)),
        }
    }
}

impl FromLiteral<&str> for Account {
    fn from_literal(literal: &str) -> Self {
        Self::Name(literal.into())
    }
}

/// A value that is always secret: it can be used, and is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that needs it. It must not get into a message.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(sensitive)")
    }
}

impl<T: AttributeType> AttributeType for Secret<T> {
    fn ty() -> Type {
        Type::Secret(Arc::new(T::ty()))
    }
    fn from_value(value: &Value) -> Option<Self> {
        T::from_value(value).map(Self)
    }
    fn to_value(&self) -> Value {
        self.0.to_value().secret()
    }
}

/// A value that may have come from a secret, and knows whether it did. `Debug` shows it only when it did not.
#[derive(Clone, PartialEq, Eq)]
pub struct Guarded<T> {
    value: T,
    sensitive: bool,
}

impl<T> Guarded<T> {
    /// A value that may be shown.
    pub const fn plain(value: T) -> Self {
        Self { value, sensitive: false }
    }

    /// The value. Ask [`Guarded::is_sensitive`] before it gets into a message.
    pub const fn reveal(&self) -> &T {
        &self.value
    }

    /// Another value, as secret as this one.
    pub const fn with<U>(&self, value: U) -> Guarded<U> {
        Guarded { value, sensitive: self.sensitive }
    }

    /// Says whether the value came from a secret.
    pub const fn is_sensitive(&self) -> bool {
        self.sensitive
    }
}

impl<T: fmt::Debug> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sensitive { f.write_str("(sensitive)") } else { self.value.fmt(f) }
    }
}

impl<T: AttributeType> AttributeType for Guarded<T> {
    fn ty() -> Type {
        T::ty()
    }
    fn from_value(value: &Value) -> Option<Self> {
        T::from_value(value).map(|inner| Self { value: inner, sensitive: value.is_sensitive() })
    }
    fn to_value(&self) -> Value {
        let value = self.value.to_value();
        if self.sensitive { value.secret() } else { value }
    }
    fn absent() -> Option<Self> {
        T::absent().map(Self::plain)
    }
}
