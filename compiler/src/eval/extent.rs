//! How much there is in a value, without walking it again and again.
//!
//! Values are shared, so a list that holds a list ten times is small, and a walk through it is not. What is known of a list or map is
//! kept, so that a walk is paid for before it is made.

use std::collections::HashMap;
use std::sync::Arc;

use stead_catalog::Value;

/// Shorter lists and maps with nothing but plain values in them are looked at anew.
const SHORT: usize = 16;

/// What is known of a value and everything in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The values in it, each counted wherever it stands; long text counts for more than one.
    pub(crate) size: u64,
    /// How deep lists and maps nest in it.
    pub(crate) depth: u32,
    /// A secret that was not opened is in it.
    pub(crate) has_locked: bool,
}

/// What is known of lists and maps. Each is kept, so that no other one takes its place in memory.
#[derive(Debug, Default)]
pub(crate) struct Extents(HashMap<usize, (Value, Extent)>);

impl Extents {
    pub(crate) fn of(&mut self, value: &Value) -> Extent {
        let one = Extent { size: 1, depth: 0, has_locked: false };
        match value {
            Value::Locked(_) => Extent { has_locked: true, ..one },
            Value::Secret(inner) => self.of(inner),
            Value::String(text) => Extent { size: 1 + text.len() as u64 / 256, ..one },
            Value::Blob(blob) => Extent { size: 1 + blob.bytes.len() as u64 / 256, ..one },
            Value::List(items) => self.inside(value, Arc::as_ptr(items) as usize, items.len(), items.iter()),
            Value::Map(map) => self.inside(value, Arc::as_ptr(map) as usize, map.len(), map.values()),
            _ => one,
        }
    }

    fn inside<'v>(&mut self, whole: &Value, at: usize, length: usize, parts: impl Iterator<Item = &'v Value>) -> Extent {
        if let Some((_, known)) = self.0.get(&at) {
            return *known;
        }
        let mut extent = Extent { size: 1, depth: 1, has_locked: false };
        for part in parts {
            let inner = self.of(part);
            extent.size = extent.size.saturating_add(inner.size);
            extent.depth = extent.depth.max(inner.depth.saturating_add(1));
            extent.has_locked |= inner.has_locked;
        }
        if length > SHORT || extent.depth > 1 {
            self.0.insert(at, (whole.clone(), extent));
        }
        extent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_values_are_walked_once() {
        let mut value = Value::list((0..10).map(Value::Int));
        for _ in 0..30 {
            value = Value::list(vec![value; 10]);
        }
        let mut extents = Extents::default();
        assert_eq!(extents.of(&value), Extent { size: u64::MAX, depth: 31, has_locked: false });
        assert_eq!(extents.0.len(), 30);
        let locked = Value::list([value, Value::Locked([0; 32]).secret()]).secret();
        assert!(extents.of(&locked).has_locked);
    }
}
