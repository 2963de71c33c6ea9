//! A setting as it was: compared key by key with what was recorded.

use std::fmt;

use serde_json::Value as Json;
use stead_catalog::{Action, AttributeError, Attributes, Change, Schema, Shown, Value};

use super::path::unreadable;
use super::{Restorer, SetBack};
use crate::{Applied, ApplyError, Described, Difference, Known, Machine, ObserveError, Predicted, ResourceType, World};

/// A setting that is to be what it was.
pub(super) struct SettingState {
    pub(super) restorer: &'static Restorer,
    pub(super) name: String,
    pub(super) before: Json,
    pub(super) set: SetBack,
}

impl fmt::Debug for SettingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettingState").field("kind", &self.restorer.kind).field("name", &self.name).finish_non_exhaustive()
    }
}

/// The schema of these resources: the kind of a record stands for the type.
pub(super) fn schema() -> Schema {
    super::path::schema("setting")
}

/// A recorded value as it is shown.
pub(super) fn shown(value: Option<&Json>) -> Shown {
    fn of(value: &Json) -> Value {
        match value {
            Json::Null => Value::None,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => number.as_i64().map_or_else(|| Value::string(number.to_string()), Value::Int),
            Json::String(text) => Value::string(text.as_str()),
            Json::Array(items) => Value::list(items.iter().map(of)),
            Json::Object(entries) => Value::map(entries.iter().map(|(key, value)| (key.as_str().into(), of(value)))),
        }
    }
    match value {
        None | Some(Json::Null) => Shown::Absent,
        Some(value) => Shown::Value(of(value)),
    }
}

/// What of a record says how it is brought back, such as by whom: neither compared nor shown.
const HOW: &str = "how";

/// Key by key; what is itself a set of named things, name by name.
fn differences(found: &Json, before: &Json) -> Vec<Change> {
    let object = before.as_object().or_else(|| found.as_object());
    let mut changes = Vec::new();
    for key in object.into_iter().flat_map(|object| object.keys()).filter(|key| *key != HOW) {
        let (found, before) = (found.get(key.as_str()), before.get(key.as_str()));
        match (found, before) {
            _ if found == before => {}
            (Some(Json::Object(has)), Some(Json::Object(had))) => {
                let names: std::collections::BTreeSet<&String> = has.keys().chain(had.keys()).collect();
                let differing = names.into_iter().filter(|name| has.get(*name) != had.get(*name));
                changes.extend(differing.map(|name| Change::value(name, shown(has.get(name)), shown(had.get(name)))));
            }
            _ => changes.push(Change::value(key, shown(found), shown(before))),
        }
    }
    changes
}

impl Described for SettingState {
    fn schema() -> Schema {
        schema()
    }

    fn read(_attributes: &Attributes) -> Result<Self, AttributeError> {
        Err(unreadable())
    }
}

impl ResourceType for SettingState {
    type Observed = Known<Json>;

    fn observe(&self, world: &dyn World) -> Result<Known<Json>, ObserveError> {
        match (self.restorer.look)(world, &self.name) {
            Err(ObserveError::Unknown { because }) => Ok(Known::Unknown(because)),
            found => Ok(Known::Is(found?)),
        }
    }

    fn diff(&self, observed: &Known<Json>) -> Difference {
        let found = match observed {
            Known::Is(found) => found,
            Known::Unknown(because) => {
                let changes = vec![Change::value("value", Shown::Unknown(because.clone()), shown(Some(&self.before)))];
                return Difference { action: Action::Update, changes, unknown: Some(because.clone()) };
            }
        };
        let action = match (found, &self.before) {
            (Json::Null, Json::Null) => return Difference::NONE,
            (Json::Null, _) => Action::Create,
            (_, Json::Null) => Action::Delete,
            _ => Action::Update,
        };
        let changes = differences(found, &self.before);
        if changes.is_empty() && action == Action::Update {
            Difference::NONE
        } else {
            Difference { action, changes, unknown: None }
        }
    }

    fn digest(&self, observed: &Known<Json>, hasher: &mut blake3::Hasher) -> bool {
        observed.value().is_some_and(|found| {
            hasher.update(found.to_string().as_bytes());
            true
        })
    }

    fn predict(&self, _observed: &Known<Json>, _difference: &Difference, _effects: &mut Predicted<'_>) {}

    fn apply(&self, observed: &Known<Json>, _difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let mut found = observed.clone().known()?;
        if let (Some(found), Some(how)) = (found.as_object_mut(), self.before.get(HOW)) {
            found.insert(HOW.to_owned(), how.clone());
        }
        machine.record(self.restorer, &self.name, found)?;
        (self.set)(machine, &self.name, &self.before)?;
        Ok(Applied::Done)
    }
}
