//! How an attribute is written in Rust: the types a field may have, and what each is in the language.
//!
//! | Rust | language |
//! | --- | --- |
//! | `String`, `Arc<str>` | `String` |
//! | `bool`, `i64`, `u32`, `f64` | `Bool`, `Int`, `Int(0..=4294967295)`, `Float` |
//! | [`AbsolutePath`], [`Mode`], [`Size`], [`Port`], `std::time::Duration` | `Path`, `Mode`, `Size`, `Port`, `Duration` |
//! | [`Pattern`] | `Regex` |
//! | [`Scalar`], [`Scalars`] | `String`, `Int`, `Float` or `Bool`; a list of them as well |
//! | [`Data`] | anything but a reference or a file |
//! | [`Address`], [`HostName`] | `Ip`, `Hostname` |
//! | [`Scalar`] | any single value, for a setting whose type only its program knows |
//! | [`SettingValue`] | any single value, for a setting whose type only its program knows |
//! | [`Account`] | `String` or `Int`: a user or group by name or id |
//! | `stead_catalog::Command`, `stead_catalog::Blob` | a command; a file of the project |
//! | `Option<T>` | `T`, left as found when absent |
//! | `Vec<T>`, [`Many<T>`] | `List<T>`; one `T` or a list of them; empty when absent |
//! | `BTreeMap<String, T>`, `IndexMap<Arc<str>, T>` | `Map<T>`, empty when absent |
//! | [`Secret<T>`] | `Secret<T>`: never shown |
//! | [`Guarded<T>`] | `T`, and remembers whether it came from a secret |
//! | an enum with `#[derive(Choice)]` | a choice of bare words |

mod collections;
mod network;
mod newtypes;
mod scalars;
mod setting;

use std::sync::Arc;
use std::time::Duration;

use stead_catalog::{AttributeError, Attributes, Blob, Command, Footprint, Problem, Span64, Type, Value};

pub use collections::Many;
pub use network::{Address, HostName};
pub use newtypes::{AbsolutePath, Account, Guarded, Mode, Pattern, Port, Secret, Size};
pub use scalars::{Data, Scalar, Scalars};
pub use setting::SettingValue;

/// A type that an attribute's field may have.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no type of an attribute",
    label = "see `stead_stdlib::values` for the types a field may have",
    note = "derive `Choice` for an enum of bare words"
)]
pub trait AttributeType: Sized {
    /// The type in the language.
    fn ty() -> Type;

    /// Reads a value that the type in the language admits; `None` when it does not.
    fn from_value(value: &Value) -> Option<Self>;

    /// Writes it as a value of the language.
    fn to_value(&self) -> Value;

    /// What the field is when the attribute is not given; `None` when it has to be given.
    fn absent() -> Option<Self> {
        None
    }

    /// The members of a choice with their documentation; empty for other types.
    fn members() -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

/// What may stand in `#[default(…)]` of a field of this type: a plain Rust literal or expression.
#[diagnostic::on_unimplemented(message = "a `{Self}` cannot have the default `{T}`")]
pub trait FromLiteral<T> {
    /// Makes the value.
    fn from_literal(literal: T) -> Self;
}

/// `footprint` and `check` of a resource type that declares none of its own.
pub trait Undeclared {
    /// Owns, brings and needs nothing.
    fn footprint(&self) -> Footprint {
        Footprint::default()
    }

    /// Finds no mistake.
    fn check(&self) -> Vec<Problem> {
        Vec::new()
    }
}

impl<T: stead_engine::Described> Undeclared for T {}

/// Reads the attribute `name`.
///
/// # Errors
/// When its value is of another type, or it is missing and may not be.
pub fn read_attribute<T: AttributeType>(attributes: &Attributes, name: &str) -> Result<T, AttributeError> {
    match attributes.get(name) {
        Some(value) => T::from_value(value).ok_or_else(|| unfit::<T>(name, value.kind())),
        None => T::absent().ok_or_else(|| unfit::<T>(name, "nothing")),
    }
}

/// Reads the attribute `name`, or takes its default.
///
/// # Errors
/// When its value is of another type.
pub fn read_attribute_or<T: AttributeType>(
    attributes: &Attributes,
    name: &str,
    default: impl FnOnce() -> T,
) -> Result<T, AttributeError> {
    match attributes.get(name) {
        Some(value) => T::from_value(value).ok_or_else(|| unfit::<T>(name, value.kind())),
        None => Ok(default()),
    }
}

fn unfit<T: AttributeType>(name: &str, found: &str) -> AttributeError {
    AttributeError { attribute: name.to_owned(), expected: T::ty().describe(), found: found.to_owned() }
}

/// Returns an attribute's documentation with the members of a choice listed below it.
pub fn attribute_docs<T: AttributeType>(docs: &str) -> Arc<str> {
    if T::members().is_empty() {
        return docs.into();
    }
    let mut text = format!("{docs}\n");
    for (name, member) in T::members() {
        let member: Vec<&str> = member.split_whitespace().collect();
        text.push_str(&format!("\n* `{name}`: {}", member.join(" ")));
    }
    text.into()
}

impl AttributeType for bool {
    fn ty() -> Type {
        Type::Bool
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value.reveal() {
            Value::Bool(it) => Some(*it),
            _ => None,
        }
    }
    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }
}

impl AttributeType for i64 {
    fn ty() -> Type {
        Type::INT
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value.reveal() {
            Value::Int(it) => Some(*it),
            _ => None,
        }
    }
    fn to_value(&self) -> Value {
        Value::Int(*self)
    }
}

impl AttributeType for u32 {
    fn ty() -> Type {
        Type::Int(Span64 { min: Some(0), max: Some(i64::from(u32::MAX)) })
    }
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value).and_then(|it| it.try_into().ok())
    }
    fn to_value(&self) -> Value {
        Value::Int(i64::from(*self))
    }
}

impl AttributeType for f64 {
    fn ty() -> Type {
        Type::Float(None)
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value.reveal() {
            Value::Float(it) => Some(*it),
            _ => None,
        }
    }
    fn to_value(&self) -> Value {
        Value::Float(*self)
    }
}

impl AttributeType for String {
    fn ty() -> Type {
        Type::STRING
    }
    fn from_value(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
    fn to_value(&self) -> Value {
        Value::string(self.as_str())
    }
}

impl AttributeType for Arc<str> {
    fn ty() -> Type {
        Type::STRING
    }
    fn from_value(value: &Value) -> Option<Self> {
        value.as_shared_str().cloned()
    }
    fn to_value(&self) -> Value {
        Value::String(self.clone())
    }
}

impl AttributeType for Duration {
    fn ty() -> Type {
        Type::Duration
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value.reveal() {
            Value::Duration(nanos) => Some(Self::from_nanos(*nanos)),
            _ => None,
        }
    }
    fn to_value(&self) -> Value {
        Value::Duration(u64::try_from(self.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl AttributeType for Blob {
    fn ty() -> Type {
        Type::Source
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value.reveal() {
            Value::Blob(blob) => Some(Self::clone(blob)),
            _ => None,
        }
    }
    fn to_value(&self) -> Value {
        Value::Blob(self.clone().into())
    }
}

/// A string is a line for the shell, a list of strings an argument vector.
impl AttributeType for Command {
    fn ty() -> Type {
        Type::Command
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value.reveal() {
            Value::String(line) => Some(Self::Shell(line.clone())),
            Value::List(words) => {
                let words: Option<Vec<_>> = words.iter().map(|word| word.as_shared_str().cloned()).collect();
                words.filter(|words| !words.is_empty()).map(Self::Argv)
            }
            _ => None,
        }
    }
    fn to_value(&self) -> Value {
        match self {
            Self::Shell(line) => Value::String(line.clone()),
            Self::Argv(words) => Value::list(words.iter().cloned().map(Value::String)),
        }
    }
}

/// Implements `FromLiteral` for a type from itself.
macro_rules! literal_of_itself {
    ($($ty:ty),*) => {
        $(impl FromLiteral<$ty> for $ty {
            fn from_literal(literal: $ty) -> Self {
                literal
            }
        })*
    };
}

literal_of_itself!(bool, i64, u32, f64, Duration, Command);

impl FromLiteral<&str> for String {
    fn from_literal(literal: &str) -> Self {
        literal.to_owned()
    }
}

impl FromLiteral<&str> for Arc<str> {
    fn from_literal(literal: &str) -> Self {
        literal.into()
    }
}
