//! The attributes of a resource: names and values in schema order.

use std::sync::Arc;

use crate::{Map, Value};

/// An attribute that a resource type could not read. The compiler has checked the types, so this
/// means that a catalog was not made by this version's compiler.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attribute `{attribute}`: expected {expected}, found {found}")]
pub struct AttributeError {
    /// The attribute's name.
    pub attribute: String,
    /// What the resource type takes.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

/// Attribute values by name. Small, ordered as the schema lists them; an absent attribute is not in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes {
    entries: Vec<(Arc<str>, Value)>,
}

impl Attributes {
    /// Makes an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the value of `name`, if it was given or has a default.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entries.iter().find(|(key, _)| &**key == name).map(|(_, value)| value)
    }

    /// Sets `name`, replacing an earlier value in place. `Value::None` removes it.
    pub fn set(&mut self, name: impl Into<Arc<str>>, value: Value) {
        let name = name.into();
        let found = self.entries.iter().position(|(key, _)| *key == name);
        match (found, value) {
            (Some(at), Value::None) => {
                self.entries.remove(at);
            }
            (None, Value::None) => {}
            (Some(at), value) => self.entries[at].1 = value,
            (None, value) => self.entries.push((name, value)),
        }
    }

    /// Iterates over names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// How many attributes have a value.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Says whether no attribute has a value.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns a string (or enum member, or secret string).
    pub fn str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Returns a bool.
    pub fn bool(&self, name: &str) -> Option<bool> {
        match self.get(name).map(Value::reveal) {
            Some(Value::Bool(b)) => Some(*b),
            _ => None,
        }
    }

    /// Returns an integer.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name).map(Value::reveal) {
            Some(Value::Int(i)) => Some(*i),
            _ => None,
        }
    }

    /// Returns the strings of a list of strings; empty when absent.
    pub fn strings(&self, name: &str) -> Vec<&str> {
        match self.get(name).map(Value::reveal) {
            Some(Value::List(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(one)) => vec![one],
            _ => Vec::new(),
        }
    }

    /// Returns a map.
    pub fn map(&self, name: &str) -> Option<&Map> {
        match self.get(name).map(Value::reveal) {
            Some(Value::Map(map)) => Some(map),
            _ => None,
        }
    }
}

impl FromIterator<(Arc<str>, Value)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Value)>>(iter: I) -> Self {
        let mut attributes = Self::new();
        for (name, value) in iter {
            attributes.set(name, value);
        }
        attributes
    }
}
