//! How what a type changes besides paths is brought back.

use std::sync::Arc;

use serde_json::Value as Json;
use stead_catalog::Value;

use crate::{ApplyError, Machine, ObserveError, World};

/// How one kind of thing is brought back: an account, a package, a unit, a kernel setting.
///
/// # For a new resource type
///
/// * What changes files through the [`Machine`] needs nothing here: every path is in the journal, byte for byte.
/// * What lets a tool change files says which before it does: [`Machine::keep_before`], [`Machine::keep_tree`].
/// * What changes anything else calls [`Machine::record`] before the change, with a `Restorer` that stands next to that call:
///
/// ```
/// use stead_engine::{Restore, Restorer};
///
/// /// How an alarm is set again.
/// pub static ALARM: Restorer = Restorer {
///     kind: "alarm",
///     is_tree: false,
///     look: |world, name| {
///         let set = world.read(&std::path::Path::new("/etc/alarms").join(name))?.known()?;
///         let minutes = set.and_then(|text| String::from_utf8_lossy(&text).trim().parse::<i64>().ok());
///         Ok(minutes.map_or(serde_json::Value::Null, |minutes| serde_json::json!({ "minutes": minutes })))
///     },
///     restore: |name, before| match before.get("minutes").and_then(serde_json::Value::as_i64) {
///         // It was not there: the resource that takes it away.
///         None if before.is_null() => Restore::resource("alarm", "name", name).with("state", "absent").into(),
///         None => Restore::Impossible("what it was is not known".into()),
///         Some(minutes) => Restore::resource("alarm", "name", name).with("minutes", minutes).into(),
///     },
/// };
/// ```
///
/// and lists it in `stdlib/src/resources.rs` (a test finds those that are missing). `before` is what the earliest record of the run said:
/// `null` for a thing that was not there, else an object. Objects that several changes of a run recorded for one name are
/// put together; the earliest value of a key counts. A secret is never recorded: record `{"password": {"withheld": true}}`
/// in its place, and the undo says that it cannot bring it back.
#[derive(Debug)]
pub struct Restorer {
    /// The kind, as it stands in the journal: `user`.
    pub kind: &'static str,
    /// It is named by the path of a directory, and everything below that came with it: an undo that takes it away takes all of it.
    pub is_tree: bool,
    /// Looks at the thing as it is now, in the terms of the record: what somebody else's change of it would change. It is asked at the end of
    /// a run and again before an undo, which is refused where the two differ. Leave out what changes by itself.
    pub look: fn(world: &dyn World, name: &str) -> Result<Json, ObserveError>,
    /// Says what brings the thing of this name back to what was recorded. Pure.
    pub restore: fn(name: &str, before: &Json) -> Restore,
}

/// What brings a thing back.
pub enum Restore {
    /// A resource of the library: it is planned, shown and applied as any other.
    Resource(RestoringResource),
    /// A setting that no resource manages alone: what [`Restorer::look`] finds is compared key by key with what was recorded, and set.
    /// A key `how` of the record, which only says how that is done, is not compared.
    Setting(SetBack),
    /// The same, and what of it cannot be brought back.
    SettingWithout(SetBack, String),
    /// Nothing is left to be undone.
    Nothing,
    /// It cannot be brought back: why, in words that go on `cannot be undone: `.
    Impossible(String),
}

/// A resource that brings something back.
#[derive(Clone, Debug)]
pub struct RestoringResource {
    /// The resource type.
    pub type_name: &'static str,
    /// The name, and the attribute that takes it.
    pub name: String,
    /// The attributes, the key first. Those with a default in the schema may be left out.
    pub attributes: Vec<(&'static str, Value)>,
    /// What of the thing cannot be brought back, and why: `its password, which was not kept`.
    pub lost: Vec<String>,
}

/// Brings a setting back to what was recorded. The engine has recorded what it was until then.
pub type SetBack = fn(machine: &Machine, name: &str, before: &Json) -> Result<(), ApplyError>;

impl Restore {
    /// Begins to describe a resource of a type, with its key attribute.
    pub fn resource(type_name: &'static str, key: &'static str, name: &str) -> RestoringResource {
        RestoringResource { type_name, name: name.to_owned(), attributes: vec![(key, Value::string(name))], lost: Vec::new() }
    }
}

impl RestoringResource {
    /// Sets an attribute.
    #[must_use]
    pub fn with(mut self, attribute: &'static str, value: impl IntoValue) -> Self {
        self.attributes.push((attribute, value.into_value()));
        self
    }

    /// Sets an attribute where there is a value for it.
    #[must_use]
    pub fn with_some(self, attribute: &'static str, value: Option<impl IntoValue>) -> Self {
        match value {
            Some(value) => self.with(attribute, value),
            None => self,
        }
    }
}

impl RestoringResource {
    /// Says what of the thing cannot be brought back, and why, where that is so.
    #[must_use]
    pub fn without(mut self, is_lost: bool, what: &str) -> Self {
        self.lost.extend(is_lost.then(|| what.to_owned()));
        self
    }
}

impl From<RestoringResource> for Restore {
    fn from(resource: RestoringResource) -> Self {
        Self::Resource(resource)
    }
}

/// What can stand for a value of an attribute.
pub trait IntoValue {
    /// Makes the value.
    fn into_value(self) -> Value;
}

impl IntoValue for Value {
    fn into_value(self) -> Value {
        self
    }
}

impl IntoValue for &str {
    fn into_value(self) -> Value {
        Value::string(self)
    }
}

impl IntoValue for String {
    fn into_value(self) -> Value {
        Value::string(self)
    }
}

impl IntoValue for bool {
    fn into_value(self) -> Value {
        Value::Bool(self)
    }
}

impl IntoValue for i64 {
    fn into_value(self) -> Value {
        Value::Int(self)
    }
}

impl IntoValue for Vec<String> {
    fn into_value(self) -> Value {
        Value::list(self.into_iter().map(|item| Value::String(Arc::from(item))))
    }
}

/// The strings of a recorded list.
pub fn recorded_strings(record: &Json, key: &str) -> Option<Vec<String>> {
    Some(record.get(key)?.as_array()?.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
}
