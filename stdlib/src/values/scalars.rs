//! Plain values that configuration files hold: text, numbers, switches, and lists of them.

use std::fmt;
use std::sync::Arc;

use stead_catalog::{Type, Value};

use super::AttributeType;

/// One plain value, as a configuration file writes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Text, as it is.
    Text(Arc<str>),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Bool(switch) => write!(f, "{switch}"),
        }
    }
}

fn scalar_types() -> Vec<Type> {
    vec![Type::STRING, Type::INT, Type::Float(None), Type::Bool]
}

impl AttributeType for Scalar {
    fn ty() -> Type {
        Type::Union(Arc::new(scalar_types()))
    }
    fn from_value(value: &Value) -> Option<Self> {
        Some(match value.reveal() {
            Value::String(text) | Value::Member(text) => Self::Text(text.clone()),
            Value::Int(number) => Self::Int(*number),
            Value::Float(number) => Self::Float(*number),
            Value::Bool(switch) => Self::Bool(*switch),
            _ => return None,
        })
    }
    fn to_value(&self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.clone()),
            Self::Int(number) => Value::Int(*number),
            Self::Float(number) => Value::Float(*number),
            Self::Bool(switch) => Value::Bool(*switch),
        }
    }
}

/// One plain value, or a list of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalars(pub Vec<Scalar>);

impl AttributeType for Scalars {
    fn ty() -> Type {
        let mut types = scalar_types();
        types.push(Type::list(Scalar::ty()));
        Type::Union(Arc::new(types))
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value.reveal() {
            Value::List(items) => items.iter().map(Scalar::from_value).collect::<Option<_>>().map(Self),
            one => Scalar::from_value(one).map(|one| Self(vec![one])),
        }
    }
    fn to_value(&self) -> Value {
        match &*self.0 {
            [one] => one.to_value(),
            all => Value::list(all.iter().map(Scalar::to_value)),
        }
    }
}

/// Any value of the language, as data for a file that is a tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Data(pub Value);

impl AttributeType for Data {
    fn ty() -> Type {
        Type::Any
    }
    fn from_value(value: &Value) -> Option<Self> {
        (!matches!(value.reveal(), Value::Blob(_) | Value::Ref(_))).then(|| Self(value.clone()))
    }
    fn to_value(&self) -> Value {
        self.0.clone()
    }
}
