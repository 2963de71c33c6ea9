//! Optional values, lists and maps.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::{Map, Type, Value};

use super::{AttributeType, FromLiteral};

/// Absent means: left as found.
impl<T: AttributeType> AttributeType for Option<T> {
    fn ty() -> Type {
        T::ty()
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::None => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::None, T::to_value)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
    fn members() -> &'static [(&'static str, &'static str)] {
        T::members()
    }
}

impl<T: AttributeType> AttributeType for Vec<T> {
    fn ty() -> Type {
        Type::list(T::ty())
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value.reveal() {
            Value::List(items) => items.iter().map(T::from_value).collect(),
            _ => None,
        }
    }
    fn to_value(&self) -> Value {
        Value::list(self.iter().map(T::to_value))
    }
    fn absent() -> Option<Self> {
        Some(Self::new())
    }
    fn members() -> &'static [(&'static str, &'static str)] {
        T::members()
    }
}

impl<T> FromLiteral<Vec<T>> for Vec<T> {
    fn from_literal(literal: Vec<T>) -> Self {
        literal
    }
}

/// One value or a list of them: `creates = "/a"` and `creates = ["/a", "/b"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Many<T>(pub Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> FromLiteral<Many<T>> for Many<T> {
    fn from_literal(literal: Many<T>) -> Self {
        literal
    }
}

impl<T> Many<T> {
    /// Iterates over the values.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// Says whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a, T> IntoIterator for &'a Many<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: AttributeType> AttributeType for Many<T> {
    fn ty() -> Type {
        Type::Union(Arc::new(vec![T::ty(), Type::list(T::ty())]))
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value.reveal() {
            Value::List(items) => items.iter().map(T::from_value).collect::<Option<_>>().map(Self),
            one => T::from_value(one).map(|one| Self(vec![one])),
        }
    }
    fn to_value(&self) -> Value {
        match &*self.0 {
            [one] => one.to_value(),
            all => Value::list(all.iter().map(T::to_value)),
        }
    }
    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

impl<T: AttributeType> AttributeType for BTreeMap<String, T> {
    fn ty() -> Type {
        Type::Map(Arc::new(T::ty()))
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value.reveal() {
            Value::Map(map) => map.iter().map(|(key, value)| Some((key.to_string(), T::from_value(value)?))).collect(),
            _ => None,
        }
    }
    fn to_value(&self) -> Value {
        Value::map(self.iter().map(|(key, value)| (key.as_str().into(), value.to_value())))
    }
    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl<T: AttributeType> AttributeType for IndexMap<Arc<str>, T> {
    fn ty() -> Type {
        Type::Map(Arc::new(T::ty()))
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value.reveal() {
            Value::Map(map) => map.iter().map(|(key, value)| Some((key.clone(), T::from_value(value)?))).collect(),
            _ => None,
        }
    }
    fn to_value(&self) -> Value {
        let map: Map = self.iter().map(|(key, value)| (key.clone(), value.to_value())).collect();
        Value::Map(Arc::new(map))
    }
    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}
