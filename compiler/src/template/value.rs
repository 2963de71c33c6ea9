//! Values of the language as values of minijinja, and back.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value as Jinja, ValueKind};
use stead_catalog::{Map, Value};

/// A list that templates read without copying.
#[derive(Debug)]
struct ListObject(Arc<Vec<Value>>);

/// A map or record that templates read without copying.
#[derive(Debug)]
struct MapObject(Arc<Map>);

impl Object for ListObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.0.get(key.as_usize()?).map(to_template)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }
}

impl Object for MapObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.0.get(key.as_str()?).map(to_template)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|key| Jinja::from(key.clone())).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

/// Returns the elements of a list of ours.
pub(super) fn as_list(value: &Jinja) -> Option<&Arc<Vec<Value>>> {
    value.downcast_object_ref::<ListObject>().map(|list| &list.0)
}

/// Returns the entries of a map of ours.
pub(super) fn as_map(value: &Jinja) -> Option<&Arc<Map>> {
    value.downcast_object_ref::<MapObject>().map(|map| &map.0)
}

/// What stands in text for a secret that was not opened.
pub(crate) fn locked_text(hash: &[u8; 32]) -> String {
    format!("(locked {})", blake3::Hash::from_bytes(*hash).to_hex())
}

/// Turns a value into one for a template. Secrets are opened: the caller makes the result secret.
pub(super) fn to_template(value: &Value) -> Jinja {
    match value {
        Value::None => Jinja::from(()),
        Value::Bool(b) => Jinja::from(*b),
        Value::Int(n) => Jinja::from(*n),
        Value::Float(x) => Jinja::from(*x),
        Value::String(text) | Value::Member(text) => Jinja::from(text.clone()),
        Value::Blob(blob) => Jinja::from(String::from_utf8_lossy(&blob.bytes).into_owned()),
        Value::List(items) => Jinja::from_object(ListObject(items.clone())),
        Value::Map(map) => Jinja::from_object(MapObject(map.clone())),
        Value::Secret(inner) => to_template(inner),
        // Stands for it in what is rendered, which is known to nobody then: see `files::render`.
        Value::Locked(hash) => Jinja::from(locked_text(hash)),
        Value::Mode(_) | Value::Duration(_) | Value::Size(_) | Value::Ref(_) => Jinja::from(value.to_string()),
    }
}

/// Turns what a template computed into a value. `None` for what the language has no form for.
pub(super) fn from_template(value: &Jinja) -> Option<Value> {
    if let Some(items) = as_list(value) {
        return Some(Value::List(items.clone()));
    }
    if let Some(map) = as_map(value) {
        return Some(Value::Map(map.clone()));
    }
    Some(match value.kind() {
        ValueKind::Undefined | ValueKind::None => Value::None,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number if value.is_integer() => Value::Int(i64::try_from(value.clone()).ok()?),
        ValueKind::Number => Value::Float(f64::try_from(value.clone()).ok().filter(|x| x.is_finite())?),
        ValueKind::String => Value::string(value.as_str()?),
        ValueKind::Bytes => Value::string(String::from_utf8_lossy(value.as_bytes()?).into_owned()),
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Option<Vec<Value>> = value.try_iter().ok()?.map(|item| from_template(&item)).collect();
            Value::List(Arc::new(items?))
        }
        ValueKind::Map => {
            let mut map = Map::new();
            for key in value.try_iter().ok()? {
                let item = from_template(&value.get_item(&key).ok()?)?;
                map.insert(key.to_string().into(), item);
            }
            Value::Map(Arc::new(map))
        }
        _ => return None,
    })
}
