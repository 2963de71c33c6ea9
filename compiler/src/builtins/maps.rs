//! Methods of maps and records.

use std::sync::Arc;

use stead_catalog::{Map, Value};

use super::arguments::{Outcome, any, fits, items_of, length, list, map, text, texts};
use super::lists::Test;
use super::{CallError, Callback, Entry, MAX_ITEMS, higher_order, plain, structural};

pub(super) const ENTRIES: &[Entry] = &[
    structural("Map<T>.len() -> Int", "Counts the entries.", &[("{ a = 1 }.len()", "1")], |a| Ok(length(map(a, 0)?.len()))),
    structural("Map<T>.is_empty() -> Bool", "Says whether there is no entry.", &[("{ a = 1 }.is_empty()", "false")], |a| {
        Ok(Value::Bool(map(a, 0)?.is_empty()))
    }),
    structural(
        "Map<T>.keys() -> List<String>",
        "Returns the keys in order.",
        &[("{ b = 1, a = 2 }.keys()", "[\"b\", \"a\"]")],
        |a| items_of(map(a, 0)?.keys().map(|key| Value::String(key.clone()))),
    ),
    structural("Map<T>.values() -> List<T>", "Returns the values in order.", &[("{ b = 1, a = 2 }.values()", "[1, 2]")], |a| {
        items_of(map(a, 0)?.values().cloned())
    }),
    structural(
        "Map<T>.entries() -> List<Map<Any>>",
        "Returns each entry as a record of `key` and `value`.",
        &[("{ a = 1 }.entries()", "[{ key = \"a\", value = 1 }]")],
        |a| {
            items_of(
                map(a, 0)?.iter().map(|(key, value)| {
                    Value::map([("key".into(), Value::String(key.clone())), ("value".into(), value.clone())])
                }),
            )
        },
    ),
    structural(
        "Map<T>.get(key: String, default?: T) -> T?",
        "Returns the value of the key; otherwise the default or `none`.",
        &[("{ a = 1 }.get(\"a\")", "1"), ("{ a = 1 }.get(\"b\", 0)", "0")],
        |a| Ok(map(a, 0)?.get(text(a, 1)?).unwrap_or(any(a, 2)).clone()),
    ),
    structural(
        "Map<T>.has_key(key: String) -> Bool",
        "Says whether the key is there.",
        &[("{ a = 1 }.has_key(\"a\")", "true")],
        |a| Ok(Value::Bool(map(a, 0)?.contains_key(text(a, 1)?))),
    ),
    structural(
        "Map<T>.set(key: String, value: T) -> Map<T>",
        "Returns the map with this entry added or replaced.",
        &[("{ a = 1 }.set(\"b\", 2)", "{ a = 1, b = 2 }")],
        |a| {
            let mut out = (**map(a, 0)?).clone();
            out.insert(text(a, 1)?.into(), any(a, 2).clone());
            limited(out)
        },
    ),
    structural(
        "Map<T>.merge(other: Map<T>) -> Map<T>",
        "Returns the entries of both; where both have a key, the other's value.",
        &[("{ a = 1, b = 1 }.merge({ b = 2 })", "{ a = 1, b = 2 }")],
        |a| {
            let mut out = (**map(a, 0)?).clone();
            out.extend(map(a, 1)?.iter().map(|(k, v)| (k.clone(), v.clone())));
            limited(out)
        },
    ),
    structural(
        "Map<T>.deep_merge(other: Map<T>) -> Map<T>",
        "Merges like `merge`, and maps inside maps the same way.",
        &[("{ a = { x = 1 } }.deep_merge({ a = { y = 2 } })", "{ a = { x = 1, y = 2 } }")],
        |a| limited(deep_merge(map(a, 0)?, map(a, 1)?)),
    ),
    structural(
        "Map<T>.pick(keys: List<String>) -> Map<T>",
        "Keeps only these keys.",
        &[("{ a = 1, b = 2 }.pick([\"b\"])", "{ b = 2 }")],
        |a| {
            let keys = texts(a, 1)?;
            Ok(Value::map(map(a, 0)?.iter().filter(|(k, _)| keys.contains(&&***k)).map(|(k, v)| (k.clone(), v.clone()))))
        },
    ),
    structural(
        "Map<T>.omit(keys: List<String>) -> Map<T>",
        "Leaves out these keys.",
        &[("{ a = 1, b = 2 }.omit([\"b\"])", "{ a = 1 }")],
        |a| {
            let keys = texts(a, 1)?;
            Ok(Value::map(map(a, 0)?.iter().filter(|(k, _)| !keys.contains(&&***k)).map(|(k, v)| (k.clone(), v.clone()))))
        },
    ),
    structural(
        "Map<T>.compact() -> Map<Any>",
        "Leaves out every entry whose value is `none`.",
        &[("{ a = 1, b = none }.compact()", "{ a = 1 }")],
        |a| Ok(Value::map(map(a, 0)?.iter().filter(|(_, v)| **v != Value::None).map(|(k, v)| (k.clone(), v.clone())))),
    ),
    structural(
        "Map<T>.sort_keys() -> Map<T>",
        "Orders the entries by key.",
        &[("{ b = 1, a = 2 }.sort_keys()", "{ a = 2, b = 1 }")],
        |a| {
            let mut out = (**map(a, 0)?).clone();
            out.sort_keys();
            limited(out)
        },
    ),
    plain(
        "Map<String>.invert() -> Map<String>",
        "Makes the values keys and the keys values. Two equal values are an error.",
        &[("{ a = \"x\" }.invert()", "{ x = \"a\" }")],
        |a| {
            let mut out = Map::new();
            for (key, value) in map(a, 0)?.iter() {
                let Some(text) = value.as_shared_str() else {
                    return Err(super::arguments::invalid(
                        0,
                        format!("the value of `{key}` is {}, expected a string", value.kind()),
                    ));
                };
                if out.insert(text.clone(), Value::String(key.clone())).is_some() {
                    return Err(super::arguments::invalid(0, format!("the value `{text}` stands more than once")));
                }
            }
            limited(out)
        },
    ),
    structural(
        "List<Map<T>>.merge_all() -> Map<T>",
        "Merges the maps of a list; later ones win.",
        &[("[{ a = 1 }, { a = 2, b = 3 }].merge_all()", "{ a = 2, b = 3 }")],
        |a| {
            let mut out = Map::new();
            for item in list(a, 0)?.iter() {
                match item {
                    Value::Map(entries) => out.extend(entries.iter().map(|(k, v)| (k.clone(), v.clone()))),
                    other => return Err(super::arguments::invalid(0, format!("an element is {}, expected a map", other.kind()))),
                }
                fits(out.len(), MAX_ITEMS, "entries")?;
            }
            limited(out)
        },
    ),
    higher_order(
        "Map<T>.map(f: (String, T) => U) -> List<U>",
        "Returns what `f` makes of each key and value.",
        &[("{ a = 1 }.map((k, v) => \"${k}=${v}\")", "[\"a=1\"]")],
        |a, f| {
            let items: Result<Vec<_>, _> = map(a, 0)?.iter().map(|(k, v)| f(1, &[Value::String(k.clone()), v.clone()])).collect();
            Ok(Value::List(Arc::new(items?)))
        },
    ),
    higher_order(
        "Map<T>.map_values(f: (T) => U) -> Map<U>",
        "Returns the map with what `f` makes of each value.",
        &[("{ a = 1 }.map_values(v => v + 1)", "{ a = 2 }")],
        |a, f| {
            let mut out = Map::new();
            for (key, value) in map(a, 0)?.iter() {
                out.insert(key.clone(), f(1, std::slice::from_ref(value))?);
            }
            Ok(Value::Map(Arc::new(out)))
        },
    ),
    higher_order(
        "Map<T>.filter(f: (String, T) => Bool) -> Map<T>",
        "Keeps the entries for which `f` is true.",
        &[("{ a = 1, b = 2 }.filter((k, v) => v > 1)", "{ b = 2 }")],
        |a, f| {
            let mut test = Test::default();
            let mut out = Map::new();
            for (key, value) in map(a, 0)?.iter() {
                if test.read(f(1, &[Value::String(key.clone()), value.clone()])?)? {
                    out.insert(key.clone(), value.clone());
                }
            }
            Ok(test.told(Value::Map(Arc::new(out))))
        },
    ),
    higher_order(
        "Map<T>.any(f: (String, T) => Bool) -> Bool",
        "Says whether `f` is true for an entry.",
        &[("{ a = 1 }.any((k, v) => v == 1)", "true")],
        |a, f| decide(a, f, true),
    ),
    higher_order(
        "Map<T>.all(f: (String, T) => Bool) -> Bool",
        "Says whether `f` is true for every entry.",
        &[("{ a = 1 }.all((k, v) => v == 2)", "false")],
        |a, f| decide(a, f, false),
    ),
];

/// Looks for an entry on which the predicate answers `wanted`; returns `wanted` where there is one.
fn decide(args: &[Value], f: &mut Callback<'_>, wanted: bool) -> Result<Value, CallError> {
    let mut test = Test::default();
    for (key, value) in map(args, 0)?.iter() {
        if test.read(f(1, &[Value::String(key.clone()), value.clone()])?)? == wanted {
            return Ok(test.told(Value::Bool(wanted)));
        }
    }
    Ok(test.told(Value::Bool(!wanted)))
}

fn deep_merge(under: &Map, over: &Map) -> Map {
    let mut out = under.clone();
    for (key, value) in over {
        let merged = match (out.get(key), value) {
            (Some(Value::Map(a)), Value::Map(b)) => Value::Map(Arc::new(deep_merge(a, b))),
            _ => value.clone(),
        };
        out.insert(key.clone(), merged);
    }
    out
}

fn limited(map: Map) -> Outcome {
    fits(map.len(), MAX_ITEMS, "entries")?;
    Ok(Value::Map(Arc::new(map)))
}
