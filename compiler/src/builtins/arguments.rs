//! Reading arguments and limiting results, for the implementations.

use std::sync::Arc;

use stead_catalog::{Map, Value};

use super::{BuiltinError, MAX_ITEMS, MAX_TEXT};

pub(super) type Outcome = Result<Value, BuiltinError>;

/// Makes an error about the argument `at`.
pub(super) fn invalid(at: usize, message: impl Into<String>) -> BuiltinError {
    BuiltinError { code: "invalid-argument", message: message.into(), hint: None, argument: Some(at) }
}

/// Makes an error about a number that has no place in 64 bits.
pub(super) fn overflow(message: impl Into<String>) -> BuiltinError {
    BuiltinError { code: "arithmetic-overflow", message: message.into(), hint: None, argument: None }
}

fn mismatch(args: &[Value], at: usize, expected: &str) -> BuiltinError {
    let found = args.get(at).map_or("nothing", Value::kind);
    BuiltinError { code: "type-mismatch", message: format!("found {found}, expected {expected}"), hint: None, argument: Some(at) }
}

/// Returns the text of the argument `at`.
pub(super) fn text(args: &[Value], at: usize) -> Result<&str, BuiltinError> {
    args.get(at).and_then(Value::as_str).ok_or_else(|| mismatch(args, at, "a string"))
}

/// Returns the text of an optional argument.
pub(super) fn text_or<'a>(args: &'a [Value], at: usize, default: &'a str) -> Result<&'a str, BuiltinError> {
    if is_given(args, at) { text(args, at) } else { Ok(default) }
}

/// Returns the integer of the argument `at`.
pub(super) fn int(args: &[Value], at: usize) -> Result<i64, BuiltinError> {
    match args.get(at).map(Value::reveal) {
        Some(Value::Int(n)) => Ok(*n),
        _ => Err(mismatch(args, at, "an integer")),
    }
}

/// Returns the integer of an optional argument.
pub(super) fn int_or(args: &[Value], at: usize, default: i64) -> Result<i64, BuiltinError> {
    if is_given(args, at) { int(args, at) } else { Ok(default) }
}

/// Returns a count: an integer from 0.
pub(super) fn count(args: &[Value], at: usize) -> Result<usize, BuiltinError> {
    let n = int(args, at)?;
    usize::try_from(n).map_err(|_| invalid(at, format!("found {n}, expected a number from 0")))
}

/// Returns the float of the argument `at`.
pub(super) fn float(args: &[Value], at: usize) -> Result<f64, BuiltinError> {
    match args.get(at).map(Value::reveal) {
        Some(Value::Float(x)) => Ok(*x),
        _ => Err(mismatch(args, at, "a float")),
    }
}

/// Returns the elements of the argument `at`.
pub(super) fn list(args: &[Value], at: usize) -> Result<&Arc<Vec<Value>>, BuiltinError> {
    match args.get(at).map(Value::reveal) {
        Some(Value::List(items)) => Ok(items),
        _ => Err(mismatch(args, at, "a list")),
    }
}

/// Returns the strings of a list of strings.
pub(super) fn texts(args: &[Value], at: usize) -> Result<Vec<&str>, BuiltinError> {
    let items = list(args, at)?;
    items.iter().map(|item| item.as_str().ok_or_else(|| mismatch(args, at, "a list of strings"))).collect()
}

/// Returns the entries of the argument `at`.
pub(super) fn map(args: &[Value], at: usize) -> Result<&Arc<Map>, BuiltinError> {
    match args.get(at).map(Value::reveal) {
        Some(Value::Map(map)) => Ok(map),
        _ => Err(mismatch(args, at, "a map")),
    }
}

/// Returns the argument `at` as it is.
pub(super) fn any(args: &[Value], at: usize) -> &Value {
    args.get(at).unwrap_or(&Value::None)
}

/// Says whether an optional argument was given.
pub(super) fn is_given(args: &[Value], at: usize) -> bool {
    !matches!(any(args, at), Value::None)
}

/// Makes a string of limited length.
pub(super) fn string(text: impl Into<Arc<str>> + AsRef<str>) -> Outcome {
    fits(text.as_ref().len(), MAX_TEXT, "bytes")?;
    Ok(Value::string(text))
}

/// Makes a list of strings.
pub(super) fn strings<'a>(items: impl IntoIterator<Item = &'a str>) -> Outcome {
    items_of(items.into_iter().map(Value::string))
}

/// Makes a list of limited length.
pub(super) fn items_of(items: impl IntoIterator<Item = Value>) -> Outcome {
    let items: Vec<Value> = items.into_iter().take(MAX_ITEMS + 1).collect();
    fits(items.len(), MAX_ITEMS, "elements")?;
    Ok(Value::List(Arc::new(items)))
}

/// Refuses a result of `size` when it is more than `limit`.
pub(super) fn fits(size: usize, limit: usize, what: &str) -> Result<(), BuiltinError> {
    if size <= limit {
        return Ok(());
    }
    Err(BuiltinError {
        code: "result-too-large",
        message: format!("the result would have more than {limit} {what}"),
        hint: None,
        argument: None,
    })
}

/// Turns a length into an integer of the language.
pub(super) fn length(n: usize) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}
