//! Order and equality of values, for sorting and for sets.

use std::cmp::Ordering;

use stead_catalog::Value;

use super::BuiltinError;
use super::arguments::invalid;

/// Orders two values of the same kind.
///
/// # Errors
/// `invalid-argument` when they are of different kinds or of one without an order.
pub fn compare(a: &Value, b: &Value) -> Result<Ordering, BuiltinError> {
    let mut failure = None;
    let ordering = total(a, b, &mut failure);
    failure.map_or(Ok(ordering), Err)
}

/// Orders any two values, as a sort needs it, and notes the first two that have no order in the language.
fn total(a: &Value, b: &Value, failure: &mut Option<BuiltinError>) -> Ordering {
    match (a.reveal(), b.reveal()) {
        (Value::Int(x), Value::Int(y)) => x.cmp(y),
        (Value::Float(x), Value::Float(y)) => x.total_cmp(y),
        (Value::Bool(x), Value::Bool(y)) => x.cmp(y),
        (Value::String(x) | Value::Member(x), Value::String(y) | Value::Member(y)) => x.cmp(y),
        (Value::Mode(x), Value::Mode(y)) => x.cmp(y),
        (Value::Duration(x), Value::Duration(y)) | (Value::Size(x), Value::Size(y)) => x.cmp(y),
        (Value::List(x), Value::List(y)) => {
            let unequal = x.iter().zip(y.iter()).map(|(p, q)| total(p, q, failure)).find(|o| *o != Ordering::Equal);
            unequal.unwrap_or_else(|| x.len().cmp(&y.len()))
        }
        (x, y) => {
            failure.get_or_insert_with(|| invalid(0, format!("{} and {} have no order", x.kind(), y.kind())));
            x.kind().cmp(y.kind()).then_with(|| key_of(x).cmp(&key_of(y)))
        }
    }
}

/// Sorts by the first of each pair and returns the second; equal keys keep their order.
pub(super) fn sorted(mut keyed: Vec<(Value, Value)>) -> Result<Vec<Value>, BuiltinError> {
    let mut failure = None;
    keyed.sort_by(|a, b| total(&a.0, &b.0, &mut failure));
    failure.map_or_else(|| Ok(keyed.into_iter().map(|(_, value)| value).collect()), Err)
}

/// Returns a key that is the same for equal values.
pub(super) fn key_of(value: &Value) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    value.hash_into(&mut hasher);
    *hasher.finalize().as_bytes()
}
