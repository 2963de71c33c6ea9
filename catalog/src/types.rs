//! Types of the language and the values they admit.

mod admit;
mod text;

use std::fmt;
use std::sync::Arc;

use crate::Value;

pub use admit::{Mismatch, Replacement};

/// A range of integers or lengths; both ends are part of it and may be open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span64 {
    /// Smallest value, `None` when open.
    pub min: Option<i64>,
    /// Largest value, `None` when open.
    pub max: Option<i64>,
}

impl Span64 {
    /// Everything.
    pub const FULL: Self = Self { min: None, max: None };

    /// Says whether `n` is in the range.
    pub fn contains(self, n: i64) -> bool {
        self.min.is_none_or(|min| n >= min) && self.max.is_none_or(|max| n <= max)
    }

    /// Says whether every value of `other` is in the range.
    pub fn covers(self, other: Self) -> bool {
        self.min.is_none_or(|min| other.min.is_some_and(|o| o >= min))
            && self.max.is_none_or(|max| other.max.is_some_and(|o| o <= max))
    }
}

impl fmt::Display for Span64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (None, None) => f.write_str(".."),
            (Some(min), None) => write!(f, "{min}.."),
            (None, Some(max)) => write!(f, "..={max}"),
            (Some(min), Some(max)) => write!(f, "{min}..={max}"),
        }
    }
}

/// A regular expression that a whole string must match.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As it was written.
    pub source: Arc<str>,
    regex: Arc<regex::Regex>,
}

impl Pattern {
    /// Compiles a pattern; it is anchored at both ends.
    ///
    /// # Errors
    /// The regular expression's own error, when it is not well formed or too large.
    pub fn new(source: &str) -> Result<Self, regex::Error> {
        let regex = regex::RegexBuilder::new(&format!("^(?:{source})$")).size_limit(1 << 20).build()?;
        Ok(Self { source: source.into(), regex: Arc::new(regex) })
    }

    /// Says whether all of `text` matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// A field of a record type.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: Arc<str>,
    /// What it takes.
    pub ty: Type,
    /// Its value when it is not given.
    pub default: Option<Value>,
    /// Documentation, empty when there is none.
    pub docs: Arc<str>,
}

/// A record type. Two are the same when their names and fields are.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordType {
    /// Its name; empty for an inline record.
    pub name: Arc<str>,
    /// Fields in the order of declaration.
    pub fields: Vec<Field>,
}

/// An enum type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnumType {
    /// Its name; empty for an attribute's own choice.
    pub name: Arc<str>,
    /// Its members in the order of declaration.
    pub members: Vec<Arc<str>>,
    /// The members that are not to be used any more, each with what to use.
    pub deprecated: Vec<(Arc<str>, Arc<str>)>,
}

impl EnumType {
    /// Says why a member is not to be used any more, and what to use.
    pub fn deprecation(&self, member: &str) -> Option<&Arc<str>> {
        self.deprecated.iter().find(|(name, _)| **name == *member).map(|(_, reason)| reason)
    }
}

/// A type of the language.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Fits everything and is fitted by everything: what an error left behind, or data of no known shape.
    Any,
    /// The type of `none`.
    None,
    /// `true` or `false`.
    Bool,
    /// An integer in a range.
    Int(Span64),
    /// A float, in a range where one is given.
    Float(Option<(f64, f64)>),
    /// Text with a pattern and a length in characters, where given.
    String(Option<Pattern>, Span64),
    /// An absolute path, normalised.
    Path,
    /// Permission bits.
    Mode,
    /// A length of time.
    Duration,
    /// A number of bytes.
    Size,
    /// 1 to 65535.
    Port,
    /// An IPv4 or IPv6 address.
    Ip,
    /// An address with a prefix length.
    Cidr,
    /// A host name by RFC 1123.
    Hostname,
    /// An absolute URL with a scheme.
    Url,
    /// A regular expression.
    Regex,
    /// A version, or a version pattern with `*` where a resource type says so.
    Version,
    /// A file of the project, given by its path there and read by the compiler.
    Source,
    /// A command: a string for the shell or a list of strings.
    Command,
    /// A list with a length.
    List(Arc<Type>, Span64),
    /// A map with string keys.
    Map(Arc<Type>),
    /// The type, or `none`.
    Optional(Arc<Type>),
    /// A record.
    Record(Arc<RecordType>),
    /// An enum.
    Enum(Arc<EnumType>),
    /// Exactly this value.
    Literal(Value),
    /// Any of these.
    Union(Arc<Vec<Type>>),
    /// A value that must not be shown.
    Secret(Arc<Type>),
    /// A reference to a resource, of this type where one is named.
    Ref(Option<Arc<str>>),
}

impl Type {
    /// Any integer.
    pub const INT: Self = Self::Int(Span64::FULL);
    /// Any string.
    pub const STRING: Self = Self::String(None, Span64::FULL);

    /// A list of `item` of any length.
    pub fn list(item: Type) -> Self {
        Self::List(Arc::new(item), Span64::FULL)
    }

    /// `T?`.
    pub fn optional(inner: Type) -> Self {
        match inner {
            Self::Optional(_) | Self::None | Self::Any => inner,
            other => Self::Optional(Arc::new(other)),
        }
    }

    /// A choice of bare words without a name.
    pub fn choice(members: &[&str]) -> Self {
        let members = members.iter().map(|m| Arc::from(*m)).collect();
        Self::Enum(Arc::new(EnumType { name: "".into(), members, deprecated: Vec::new() }))
    }

    /// A choice of bare words without a name, each with its documentation, which says whether it is [deprecated](crate::deprecation).
    pub fn documented_choice(members: &[(&str, &str)]) -> Self {
        let reason = |docs: &str| crate::deprecation(docs).map(Arc::from);
        let deprecated = members.iter().filter_map(|(name, docs)| Some((Arc::from(*name), reason(docs)?))).collect();
        let members = members.iter().map(|(name, _)| Arc::from(*name)).collect();
        Self::Enum(Arc::new(EnumType { name: "".into(), members, deprecated }))
    }

    /// Says whether values of the type are secret.
    pub fn is_secret(&self) -> bool {
        match self {
            Self::Secret(_) => true,
            Self::Optional(inner) => inner.is_secret(),
            _ => false,
        }
    }

    /// Describes the type for an error message: `a string`, `one of running, stopped`, `a list of ports`.
    pub fn describe(&self) -> String {
        match self {
            Self::Any => "any value".into(),
            Self::None => "none".into(),
            Self::Bool => "a bool".into(),
            Self::Int(Span64::FULL) => "an integer".into(),
            Self::Int(range) => format!("an integer in {range}"),
            Self::Float(_) => "a float".into(),
            Self::String(Some(pattern), _) => format!("a string matching /{}/", pattern.source),
            Self::String(None, Span64::FULL) => "a string".into(),
            Self::String(None, length) => format!("a string of {length} characters"),
            Self::Path => "an absolute path".into(),
            Self::Mode => "a mode such as 0644".into(),
            Self::Duration => "a duration such as 30s".into(),
            Self::Size => "a size such as 10MiB".into(),
            Self::Port => "a port".into(),
            Self::Ip => "an IP address".into(),
            Self::Cidr => "a network such as 10.0.0.0/8".into(),
            Self::Hostname => "a host name".into(),
            Self::Url => "a URL".into(),
            Self::Regex => "a regular expression".into(),
            Self::Version => "a version".into(),
            Self::Source => "a file of the project".into(),
            Self::Command => "a command (a string for the shell, or a list of words)".into(),
            Self::Enum(choice) => {
                let members = choice.members.join(", ");
                format!("one of {members}")
            }
            Self::Union(options) => options.iter().map(Self::describe).collect::<Vec<_>>().join(" or "),
            Self::Secret(inner) => format!("a secret ({})", inner.describe()),
            Self::Optional(inner) => format!("{} or none", inner.describe()),
            other => other.to_string(),
        }
    }
}

/// Writes the type as the language does: `List<Port>`, `Int(1..=64)`, `Vhost?`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("Any"),
            Self::None => f.write_str("none"),
            Self::Bool => f.write_str("Bool"),
            Self::Int(Span64::FULL) => f.write_str("Int"),
            Self::Int(range) => write!(f, "Int({range})"),
            Self::Float(None) => f.write_str("Float"),
            Self::Float(Some((min, max))) => write!(f, "Float({min:?}..={max:?})"),
            Self::String(Some(pattern), _) => write!(f, "String(/{}/)", pattern.source),
            Self::String(None, Span64::FULL) => f.write_str("String"),
            Self::String(None, length) => write!(f, "String({length})"),
            Self::Path => f.write_str("Path"),
            Self::Mode => f.write_str("Mode"),
            Self::Duration => f.write_str("Duration"),
            Self::Size => f.write_str("Size"),
            Self::Port => f.write_str("Port"),
            Self::Ip => f.write_str("Ip"),
            Self::Cidr => f.write_str("Cidr"),
            Self::Hostname => f.write_str("Hostname"),
            Self::Url => f.write_str("Url"),
            Self::Regex => f.write_str("Regex"),
            Self::Version => f.write_str("Version"),
            Self::Source => f.write_str("Source"),
            Self::Command => f.write_str("Command"),
            Self::List(item, Span64::FULL) => write!(f, "List<{item}>"),
            Self::List(item, length) => write!(f, "List<{item}>({length})"),
            Self::Map(item) => write!(f, "Map<{item}>"),
            Self::Optional(inner) => write!(f, "{inner}?"),
            Self::Record(record) if record.name.is_empty() => {
                f.write_str("{ ")?;
                for (i, field) in record.fields.iter().enumerate() {
                    write!(f, "{}{}: {}", if i > 0 { ", " } else { "" }, field.name, field.ty)?;
                }
                f.write_str(" }")
            }
            Self::Record(record) => f.write_str(&record.name),
            Self::Enum(choice) if choice.name.is_empty() => f.write_str(&choice.members.join(" | ")),
            Self::Enum(choice) => f.write_str(&choice.name),
            Self::Literal(value) => write!(f, "{value}"),
            Self::Union(options) => {
                for (i, option) in options.iter().enumerate() {
                    write!(f, "{}{option}", if i > 0 { " | " } else { "" })?;
                }
                Ok(())
            }
            Self::Secret(inner) => write!(f, "Secret<{inner}>"),
            Self::Ref(None) => f.write_str("Ref"),
            Self::Ref(Some(name)) => write!(f, "Ref<{name}>"),
        }
    }
}
