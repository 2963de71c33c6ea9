//! Methods of lists, and ranges.

use std::collections::HashSet;
use std::sync::Arc;

use stead_catalog::{Map, Value};

use super::arguments::{
    Outcome, any, count, fits, int, int_or, invalid, is_given, items_of, length, list, overflow, string, text,
};
use super::strings::{shown, slice_range};
use super::{BuiltinError, Entry, MAX_ITEMS, MAX_TEXT, higher_order, plain, structural};
use crate::builtins::order::{compare, key_of, sorted};

pub(super) const ENTRIES: &[Entry] = &[
    structural("List<T>.len() -> Int", "Counts the elements.", &[("[1, 2].len()", "2")], |a| Ok(length(list(a, 0)?.len()))),
    structural("List<T>.is_empty() -> Bool", "Says whether there is no element.", &[("[].is_empty()", "true")], |a| {
        Ok(Value::Bool(list(a, 0)?.is_empty()))
    }),
    structural(
        "List<T>.first() -> T?",
        "Returns the first element; `none` when there is none.",
        &[("[1, 2].first()", "1")],
        |a| Ok(list(a, 0)?.first().cloned().unwrap_or(Value::None)),
    ),
    structural("List<T>.last() -> T?", "Returns the last element; `none` when there is none.", &[("[1, 2].last()", "2")], |a| {
        Ok(list(a, 0)?.last().cloned().unwrap_or(Value::None))
    }),
    structural(
        "List<T>.get(index: Int, default?: T) -> T?",
        "Returns the element at `index`, counted from 0 or from the end when negative; otherwise the default or `none`.",
        &[("[1, 2].get(-1)", "2"), ("[1, 2].get(5, 0)", "0")],
        |a| {
            let (items, index) = (list(a, 0)?, int(a, 1)?);
            let at = if index < 0 { i64::try_from(items.len()).unwrap_or(i64::MAX).checked_add(index) } else { Some(index) };
            let found = at.and_then(|at| usize::try_from(at).ok()).and_then(|at| items.get(at));
            Ok(found.unwrap_or(any(a, 2)).clone())
        },
    ),
    structural("List<T>.take(count: Int) -> List<T>", "Returns the first elements.", &[("[1, 2, 3].take(2)", "[1, 2]")], |a| {
        let n = count(a, 1)?;
        items_of(list(a, 0)?.iter().take(n).cloned())
    }),
    structural("List<T>.skip(count: Int) -> List<T>", "Leaves out the first elements.", &[("[1, 2, 3].skip(2)", "[3]")], |a| {
        let n = count(a, 1)?;
        items_of(list(a, 0)?.iter().skip(n).cloned())
    }),
    structural(
        "List<T>.slice(start: Int, end?: Int) -> List<T>",
        "Returns the elements from `start` to before `end`. Negative positions count from the end.",
        &[("[1, 2, 3, 4].slice(1, -1)", "[2, 3]")],
        |a| {
            let items = list(a, 0)?;
            items_of(items[slice_range(a, items.len())?].iter().cloned())
        },
    ),
    structural(
        "List<T>.push(item: T) -> List<T>",
        "Returns the list with the element after its last.",
        &[("[1].push(2)", "[1, 2]")],
        |a| items_of(list(a, 0)?.iter().chain([any(a, 1)]).cloned()),
    ),
    structural(
        "List<T>.concat(other: List<T>) -> List<T>",
        "Returns both lists in one.",
        &[("[1].concat([2])", "[1, 2]")],
        |a| items_of(list(a, 0)?.iter().chain(list(a, 1)?.iter()).cloned()),
    ),
    structural("List<T>.reverse() -> List<T>", "Turns the order round.", &[("[1, 2].reverse()", "[2, 1]")], |a| {
        items_of(list(a, 0)?.iter().rev().cloned())
    }),
    structural("List<T>.compact() -> List<Any>", "Leaves out every `none`.", &[("[1, none, 2].compact()", "[1, 2]")], |a| {
        items_of(list(a, 0)?.iter().filter(|item| **item != Value::None).cloned())
    }),
    structural(
        "List<List<T>>.flatten() -> List<T>",
        "Puts the elements of all lists into one, one level deep.",
        &[("[[1], [2, 3]].flatten()", "[1, 2, 3]")],
        |a| {
            let mut out = Vec::new();
            for item in list(a, 0)?.iter() {
                match item {
                    Value::List(inner) => out.extend(inner.iter().cloned()),
                    other => out.push(other.clone()),
                }
                fits(out.len(), MAX_ITEMS, "elements")?;
            }
            items_of(out)
        },
    ),
    structural(
        "List<T>.chunks(size: Int) -> List<List<T>>",
        "Cuts the list into lists of `size` elements; the last may be shorter.",
        &[("[1, 2, 3].chunks(2)", "[[1, 2], [3]]")],
        |a| match count(a, 1)? {
            0 => Err(invalid(1, "a chunk has at least one element")),
            size => items_of(list(a, 0)?.chunks(size).map(|chunk| Value::list(chunk.iter().cloned()))),
        },
    ),
    structural(
        "List<T>.zip(other: List<T>) -> List<List<T>>",
        "Pairs the elements at the same positions; the longer list is cut.",
        &[("[1, 2].zip([\"a\", \"b\"])", "[[1, \"a\"], [2, \"b\"]]")],
        |a| items_of(list(a, 0)?.iter().zip(list(a, 1)?.iter()).map(|(x, y)| Value::list([x.clone(), y.clone()]))),
    ),
    structural(
        "List<T>.product(other: List<T>) -> List<List<T>>",
        "Pairs every element with every element of the other list.",
        &[("[1, 2].product([3, 4])", "[[1, 3], [1, 4], [2, 3], [2, 4]]")],
        |a| {
            let (x, y) = (list(a, 0)?, list(a, 1)?);
            fits(x.len().saturating_mul(y.len()), MAX_ITEMS, "elements")?;
            items_of(x.iter().flat_map(|p| y.iter().map(move |q| Value::list([p.clone(), q.clone()]))))
        },
    ),
    structural(
        "List<T>.enumerate(start?: Int) -> List<Map<Any>>",
        "Returns each element with its position, counted from 0 or from `start`.",
        &[("[\"a\"].enumerate(1)", "[{ index = 1, item = \"a\" }]")],
        |a| {
            let start = int_or(a, 1, 0)?;
            items_of(list(a, 0)?.iter().enumerate().map(|(i, item)| {
                let index = Value::Int(start.saturating_add(i64::try_from(i).unwrap_or(i64::MAX)));
                Value::map([("index".into(), index), ("item".into(), item.clone())])
            }))
        },
    ),
    plain(
        "List<T>.contains(item: T) -> Bool",
        "Says whether an element equals `item`.",
        &[("[1, 2].contains(2)", "true")],
        |a| Ok(Value::Bool(list(a, 0)?.contains(any(a, 1)))),
    ),
    plain(
        "List<T>.position(item: T) -> Int?",
        "Returns where the first element that equals `item` stands, from 0.",
        &[("[5, 7].position(7)", "1"), ("[5].position(7)", "none")],
        |a| Ok(list(a, 0)?.iter().position(|item| item == any(a, 1)).map_or(Value::None, length)),
    ),
    plain(
        "List<T>.unique() -> List<T>",
        "Leaves out elements that equal an earlier one.",
        &[("[2, 1, 2].unique()", "[2, 1]")],
        |a| {
            let mut seen = HashSet::new();
            items_of(list(a, 0)?.iter().filter(|item| seen.insert(key_of(item))).cloned())
        },
    ),
    plain(
        "List<T>.duplicates() -> List<T>",
        "Returns each element that stands more than once, once.",
        &[("[1, 2, 1, 1].duplicates()", "[1]")],
        |a| {
            let (mut seen, mut told) = (HashSet::new(), HashSet::new());
            items_of(list(a, 0)?.iter().filter(|item| !seen.insert(key_of(item)) && told.insert(key_of(item))).cloned())
        },
    ),
    plain(
        "List<T>.without(other: List<T>) -> List<T>",
        "Leaves out the elements of the other list.",
        &[("[1, 2, 3].without([2])", "[1, 3]")],
        |a| {
            let other: HashSet<_> = list(a, 1)?.iter().map(key_of).collect();
            items_of(list(a, 0)?.iter().filter(|item| !other.contains(&key_of(item))).cloned())
        },
    ),
    plain(
        "List<T>.intersect(other: List<T>) -> List<T>",
        "Keeps the elements that the other list has too.",
        &[("[1, 2, 3].intersect([3, 2])", "[2, 3]")],
        |a| {
            let other: HashSet<_> = list(a, 1)?.iter().map(key_of).collect();
            items_of(list(a, 0)?.iter().filter(|item| other.contains(&key_of(item))).cloned())
        },
    ),
    plain(
        "List<T>.union(other: List<T>) -> List<T>",
        "Returns the elements of both lists, each once.",
        &[("[1, 2].union([2, 3])", "[1, 2, 3]")],
        |a| {
            let mut seen = HashSet::new();
            items_of(list(a, 0)?.iter().chain(list(a, 1)?.iter()).filter(|item| seen.insert(key_of(item))).cloned())
        },
    ),
    plain(
        "List<T>.is_subset(other: List<T>) -> Bool",
        "Says whether the other list has every element.",
        &[("[1].is_subset([1, 2])", "true")],
        |a| {
            let other: HashSet<_> = list(a, 1)?.iter().map(key_of).collect();
            Ok(Value::Bool(list(a, 0)?.iter().all(|item| other.contains(&key_of(item)))))
        },
    ),
    plain(
        "List<T>.sort() -> List<T>",
        "Orders numbers, strings, sizes, durations or modes from small to large; equal ones keep their order.",
        &[("[3, 1, 2].sort()", "[1, 2, 3]")],
        |a| items_of(sorted(list(a, 0)?.iter().map(|item| (item.clone(), item.clone())).collect())?),
    ),
    plain("List<T>.min() -> T?", "Returns the smallest element; `none` of an empty list.", &[("[3, 1].min()", "1")], |a| {
        best(list(a, 0)?, std::cmp::Ordering::Less)
    }),
    plain("List<T>.max() -> T?", "Returns the largest element; `none` of an empty list.", &[("[3, 1].max()", "3")], |a| {
        best(list(a, 0)?, std::cmp::Ordering::Greater)
    }),
    plain(
        "List<T>.sum() -> T",
        "Adds up integers, floats, sizes or durations; 0 for an empty list.",
        &[("[1, 2].sum()", "3"), ("[1KiB, 1KiB].sum()", "2KiB")],
        |a| {
            let mut items = list(a, 0)?.iter();
            let Some(first) = items.next() else { return Ok(Value::Int(0)) };
            items.try_fold(first.clone(), |total, item| {
                let too_large = || overflow("the sum is too large");
                match (&total, item) {
                    (Value::Int(x), Value::Int(y)) => x.checked_add(*y).map(Value::Int).ok_or_else(too_large),
                    (Value::Float(x), Value::Float(y)) => {
                        Some(x + y).filter(|s| s.is_finite()).map(Value::Float).ok_or_else(too_large)
                    }
                    (Value::Size(x), Value::Size(y)) => x.checked_add(*y).map(Value::Size).ok_or_else(too_large),
                    (Value::Duration(x), Value::Duration(y)) => x.checked_add(*y).map(Value::Duration).ok_or_else(too_large),
                    (x, y) => Err(invalid(0, format!("cannot add {} and {}", x.kind(), y.kind()))),
                }
            })
        },
    ),
    plain(
        "List<T>.join(separator?: String) -> String",
        "Writes the elements one after another, with the separator between.",
        &[("[\"a\", \"b\"].join(\", \")", "\"a, b\""), ("[1, 2].join(\"-\")", "\"1-2\"")],
        |a| {
            let separator = if is_given(a, 1) { text(a, 1)? } else { "" };
            let mut out = String::new();
            for (i, item) in list(a, 0)?.iter().enumerate() {
                if i > 0 {
                    out.push_str(separator);
                }
                out.push_str(&shown(item));
                fits(out.len(), MAX_TEXT, "bytes")?;
            }
            string(out)
        },
    ),
    structural(
        "range(start: Int, end: Int, step?: Int) -> List<Int>",
        "Counts from `start` to before `end`, in steps of 1 or of `step`, which may be negative.",
        &[("range(0, 3)", "[0, 1, 2]"), ("range(10, 0, -5)", "[10, 5]")],
        |a| {
            let (start, end, step) = (int(a, 0)?, int(a, 1)?, int_or(a, 2, 1)?);
            if step == 0 {
                return Err(invalid(2, "a step of 0 never arrives"));
            }
            let next = |n: &i64| n.checked_add(step);
            items_of(
                std::iter::successors(Some(start), next)
                    .take_while(|n| if step > 0 { *n < end } else { *n > end })
                    .map(Value::Int),
            )
        },
    ),
    higher_order(
        "List<T>.map(f: (T) => U) -> List<U>",
        "Returns what `f` makes of each element.",
        &[("[1, 2].map(x => x * 2)", "[2, 4]")],
        |a, f| {
            let items: Result<Vec<_>, _> = list(a, 0)?.iter().map(|item| f(1, std::slice::from_ref(item))).collect();
            Ok(Value::List(Arc::new(items?)))
        },
    ),
    higher_order(
        "List<T>.flat_map(f: (T) => List<U>) -> List<U>",
        "Puts the lists that `f` makes of each element into one.",
        &[("[1, 2].flat_map(x => [x, x])", "[1, 1, 2, 2]")],
        |a, f| {
            let mut out = Vec::new();
            for item in list(a, 0)?.iter() {
                let made = [f(1, std::slice::from_ref(item))?];
                out.extend(list(&made, 0).map_err(|error| BuiltinError { argument: Some(1), ..error })?.iter().cloned());
                fits(out.len(), MAX_ITEMS, "elements")?;
            }
            Ok(Value::List(Arc::new(out)))
        },
    ),
    higher_order(
        "List<T>.filter(f: (T) => Bool) -> List<T>",
        "Keeps the elements for which `f` is true.",
        &[("[1, 2, 3].filter(x => x > 1)", "[2, 3]")],
        |a, f| {
            let mut test = Test::default();
            let mut out = Vec::new();
            for item in list(a, 0)?.iter() {
                if test.read(f(1, std::slice::from_ref(item))?)? {
                    out.push(item.clone());
                }
            }
            Ok(test.told(Value::List(Arc::new(out))))
        },
    ),
    higher_order(
        "List<T>.any(f: (T) => Bool) -> Bool",
        "Says whether `f` is true for an element.",
        &[("[1, 2].any(x => x > 1)", "true")],
        |a, f| {
            let mut test = Test::default();
            for item in list(a, 0)?.iter() {
                if test.read(f(1, std::slice::from_ref(item))?)? {
                    return Ok(test.told(Value::Bool(true)));
                }
            }
            Ok(test.told(Value::Bool(false)))
        },
    ),
    higher_order(
        "List<T>.all(f: (T) => Bool) -> Bool",
        "Says whether `f` is true for every element.",
        &[("[1, 2].all(x => x > 1)", "false")],
        |a, f| {
            let mut test = Test::default();
            for item in list(a, 0)?.iter() {
                if !test.read(f(1, std::slice::from_ref(item))?)? {
                    return Ok(test.told(Value::Bool(false)));
                }
            }
            Ok(test.told(Value::Bool(true)))
        },
    ),
    higher_order(
        "List<T>.find(f: (T) => Bool) -> T?",
        "Returns the first element for which `f` is true.",
        &[("[1, 2, 3].find(x => x > 1)", "2")],
        |a, f| {
            let mut test = Test::default();
            for item in list(a, 0)?.iter() {
                if test.read(f(1, std::slice::from_ref(item))?)? {
                    return Ok(test.told(item.clone()));
                }
            }
            Ok(test.told(Value::None))
        },
    ),
    higher_order(
        "List<T>.count(f: (T) => Bool) -> Int",
        "Counts the elements for which `f` is true.",
        &[("[1, 2, 3].count(x => x > 1)", "2")],
        |a, f| {
            let mut test = Test::default();
            let mut n = 0;
            for item in list(a, 0)?.iter() {
                n += usize::from(test.read(f(1, std::slice::from_ref(item))?)?);
            }
            Ok(test.told(length(n)))
        },
    ),
    higher_order(
        "List<T>.partition(f: (T) => Bool) -> List<List<T>>",
        "Returns two lists: the elements for which `f` is true, and the others.",
        &[("[1, 2, 3].partition(x => x > 1)", "[[2, 3], [1]]")],
        |a, f| {
            let mut test = Test::default();
            let (mut yes, mut no) = (Vec::new(), Vec::new());
            for item in list(a, 0)?.iter() {
                if test.read(f(1, std::slice::from_ref(item))?)? { yes.push(item.clone()) } else { no.push(item.clone()) }
            }
            Ok(test.told(Value::list([Value::list(yes), Value::list(no)])))
        },
    ),
    higher_order(
        "List<T>.fold(start: U, f: (U, T) => U) -> U",
        "Starts with `start` and lets `f` take in one element after another.",
        &[("[1, 2, 3].fold(0, (sum, x) => sum + x)", "6")],
        |a, f| {
            let mut total = any(a, 1).clone();
            for item in list(a, 0)?.iter() {
                total = f(2, &[total, item.clone()])?;
            }
            Ok(total)
        },
    ),
    higher_order(
        "List<T>.sort_by(f: (T) => U) -> List<T>",
        "Orders by what `f` makes of each element; equal ones keep their order.",
        &[("[\"ccc\", \"a\", \"bb\"].sort_by(s => s.len())", "[\"a\", \"bb\", \"ccc\"]")],
        |a, f| {
            let mut secret = false;
            let mut keyed = Vec::new();
            for item in list(a, 0)?.iter() {
                keyed.push((open(f(1, std::slice::from_ref(item))?, &mut secret), item.clone()));
            }
            let sorted = Value::List(Arc::new(sorted(keyed)?));
            Ok(if secret { sorted.secret() } else { sorted })
        },
    ),
    higher_order(
        "List<T>.min_by(f: (T) => U) -> T?",
        "Returns the element of which `f` makes the smallest value.",
        &[("[\"ccc\", \"a\"].min_by(s => s.len())", "\"a\"")],
        |a, f| best_by(list(a, 0)?, f, std::cmp::Ordering::Less),
    ),
    higher_order(
        "List<T>.max_by(f: (T) => U) -> T?",
        "Returns the element of which `f` makes the largest value.",
        &[("[\"ccc\", \"a\"].max_by(s => s.len())", "\"ccc\"")],
        |a, f| best_by(list(a, 0)?, f, std::cmp::Ordering::Greater),
    ),
    higher_order(
        "List<T>.unique_by(f: (T) => U) -> List<T>",
        "Leaves out elements of which `f` makes the same as of an earlier one.",
        &[("[\"a\", \"bb\", \"c\"].unique_by(s => s.len())", "[\"a\", \"bb\"]")],
        |a, f| {
            let (mut secret, mut seen, mut out) = (false, HashSet::new(), Vec::new());
            for item in list(a, 0)?.iter() {
                if seen.insert(key_of(&open(f(1, std::slice::from_ref(item))?, &mut secret))) {
                    out.push(item.clone());
                }
            }
            let unique = Value::List(Arc::new(out));
            Ok(if secret { unique.secret() } else { unique })
        },
    ),
    higher_order(
        "List<T>.group_by(f: (T) => String) -> Map<List<T>>",
        "Puts the elements into lists by the key that `f` makes of each.",
        &[("[\"a1\", \"b1\", \"a2\"].group_by(s => s.slice(0, 1))", "{ a = [\"a1\", \"a2\"], b = [\"b1\"] }")],
        |a, f| {
            let mut secret = false;
            let mut groups: indexmap::IndexMap<Arc<str>, Vec<Value>> = indexmap::IndexMap::new();
            for item in list(a, 0)?.iter() {
                let key = key_text(open(f(1, std::slice::from_ref(item))?, &mut secret), 1)?;
                groups.entry(key).or_default().push(item.clone());
            }
            let groups = Value::map(groups.into_iter().map(|(key, items)| (key, Value::list(items))));
            Ok(if secret { groups.secret() } else { groups })
        },
    ),
    higher_order(
        "List<T>.to_map(key: (T) => String, value?: (T) => U) -> Map<U>",
        "Makes a map: `key` and `value` make an entry of each element. Without `value` it is the element itself. Two elements with one key are an error.",
        &[("[\"a\", \"bb\"].to_map(s => s, s => s.len())", "{ a = 1, bb = 2 }")],
        |a, f| {
            let mut secret = false;
            let mut out = Map::new();
            for item in list(a, 0)?.iter() {
                let key = key_text(open(f(1, std::slice::from_ref(item))?, &mut secret), 1)?;
                let value = f(2, std::slice::from_ref(item))?;
                if out.insert(key.clone(), value).is_some() {
                    return Err(invalid(1, format!("two elements have the key `{key}`")).into());
                }
            }
            let map = Value::Map(Arc::new(out));
            Ok(if secret { map.secret() } else { map })
        },
    ),
];

fn best(items: &[Value], wanted: std::cmp::Ordering) -> Outcome {
    let mut items = items.iter();
    let Some(mut found) = items.next() else { return Ok(Value::None) };
    for item in items {
        if compare(item, found)? == wanted {
            found = item;
        }
    }
    Ok(found.clone())
}

fn best_by(items: &[Value], f: &mut super::Callback<'_>, wanted: std::cmp::Ordering) -> Result<Value, super::CallError> {
    let mut secret = false;
    let mut found: Option<(Value, &Value)> = None;
    for item in items {
        let key = open(f(1, std::slice::from_ref(item))?, &mut secret);
        let better = match &found {
            Some((best, _)) => compare(&key, best)? == wanted,
            None => true,
        };
        if better {
            found = Some((key, item));
        }
    }
    let value = found.map_or(Value::None, |(_, item)| item.clone());
    Ok(if secret { value.secret() } else { value })
}

/// Takes a secret wrapper off a value that decides about the result, and remembers it.
fn open(value: Value, secret: &mut bool) -> Value {
    *secret |= value.is_sensitive();
    super::reveal_all(&value)
}

fn key_text(value: Value, argument: usize) -> Result<Arc<str>, BuiltinError> {
    value.as_shared_str().cloned().ok_or_else(|| BuiltinError {
        code: "type-mismatch",
        message: format!("the key is {}, expected a string", value.kind()),
        hint: Some("write it with `to_string()`".into()),
        argument: Some(argument),
    })
}

/// Reads what predicates return, and remembers whether a secret decided.
#[derive(Default)]
pub(super) struct Test {
    secret: bool,
}

impl Test {
    pub(super) fn read(&mut self, value: Value) -> Result<bool, BuiltinError> {
        match open(value, &mut self.secret) {
            Value::Bool(yes) => Ok(yes),
            other => Err(BuiltinError {
                code: "type-mismatch",
                message: format!("the function returned {}, expected a bool", other.kind()),
                hint: None,
                argument: Some(1),
            }),
        }
    }

    pub(super) fn told(&self, value: Value) -> Value {
        if self.secret { value.secret() } else { value }
    }
}
