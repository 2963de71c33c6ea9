//! Operators on values: nothing wraps around, nothing converts.

use std::cmp::Ordering;
use std::sync::Arc;

use stead_catalog::Value;
use stead_grammar::ast::{BinaryOp, Span};

use super::{Evaluator, Halt, Outcome, budget, locked};
use crate::hir::{Binary, Expr};
use crate::issue::Issue;

impl Evaluator<'_> {
    pub(super) fn negate(&mut self, operand: &Expr, span: Span) -> Outcome {
        let value = self.eval(operand)?;
        if value.is_locked() {
            return Ok(locked::made_of("-", [&value]));
        }
        let secret = matches!(value, Value::Secret(_));
        let result = match value.reveal() {
            Value::Int(n) => n.checked_neg().map(Value::Int).ok_or_else(|| self.overflow(span))?,
            Value::Float(x) => Value::Float(-x),
            other => return Err(self.error("invalid-operands", span, format!("`-` takes a number, found {}", other.kind()))),
        };
        Ok(if secret { result.secret() } else { result })
    }

    pub(super) fn binary(&mut self, binary: &Binary, span: Span) -> Outcome {
        match binary.op {
            BinaryOp::And => return self.both(&binary.left, &binary.right, true),
            BinaryOp::Or => return self.both(&binary.left, &binary.right, false),
            BinaryOp::Coalesce => {
                let left = self.eval(&binary.left)?;
                return if *left.reveal() == Value::None { self.eval(&binary.right) } else { Ok(left) };
            }
            _ => {}
        }
        let left = self.eval(&binary.left)?;
        let right = self.eval(&binary.right)?;
        let looks_inside = matches!(binary.op, BinaryOp::Eq | BinaryOp::Ne | BinaryOp::In | BinaryOp::NotIn);
        let mut is_unknown = left.is_locked() || right.is_locked();
        if looks_inside {
            let (a, b) = (self.extents.of(&left), self.extents.of(&right));
            is_unknown |= a.has_locked || b.has_locked;
            // Comparing stops at the end of the smaller one; looking for something goes through all.
            let is_equality = matches!(binary.op, BinaryOp::Eq | BinaryOp::Ne);
            self.spend(if is_equality { a.size.min(b.size) } else { b.size }, binary.op_span)?;
        }
        if is_unknown {
            return Ok(locked::made_of(binary.op.as_str(), [&left, &right]));
        }
        let secret = matches!(left, Value::Secret(_)) || matches!(right, Value::Secret(_));
        let (a, b) = (left.reveal(), right.reveal());
        let result = match binary.op {
            BinaryOp::Eq => Value::Bool(equal(a, b, binary.versions)),
            BinaryOp::Ne => Value::Bool(!equal(a, b, binary.versions)),
            BinaryOp::In => Value::Bool(self.contains(a, b, binary)?),
            BinaryOp::NotIn => Value::Bool(!self.contains(a, b, binary)?),
            BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
                let Some(ordering) = compare(a, b, binary.versions) else { return Err(self.operands(binary, a, b)) };
                Value::Bool(match binary.op {
                    BinaryOp::Lt => ordering == Ordering::Less,
                    BinaryOp::Le => ordering != Ordering::Greater,
                    BinaryOp::Gt => ordering == Ordering::Greater,
                    _ => ordering != Ordering::Less,
                })
            }
            _ => self.arithmetic(binary, a, b, span)?,
        };
        Ok(if secret { result.secret() } else { result })
    }

    /// Both ends of a range, the second one not in it; or the value that nobody knows.
    pub(super) fn range_bounds(&mut self, start: &Expr, end: &Expr, inclusive: bool) -> Result<Result<(i64, i64), Value>, Halt> {
        let (first, last) = (self.eval(start)?, self.eval(end)?);
        if first.is_locked() || last.is_locked() {
            return Ok(Err(locked::made_of("range", [&first, &last, &Value::Bool(inclusive)])));
        }
        let mut bound = |value: &Value, expr: &Expr| match value.reveal() {
            Value::Int(n) => Ok(*n),
            other => {
                let message = format!("found {}, expected an integer", other.kind());
                Err(self.error("type-mismatch", expr.span, message))
            }
        };
        let (from, to) = (bound(&first, start)?, bound(&last, end)?);
        Ok(Ok((from, if inclusive { to.saturating_add(1) } else { to })))
    }

    pub(super) fn range(&mut self, start: &Expr, end: &Expr, inclusive: bool, span: Span) -> Outcome {
        let (from, to) = match self.range_bounds(start, end, inclusive)? {
            Ok(bounds) => bounds,
            Err(unknown) => return Ok(unknown),
        };
        let count = usize::try_from(to.saturating_sub(from).max(0)).unwrap_or(usize::MAX);
        if count > budget::MAX_ITEMS {
            return Err(self.too_large(&format!("{} elements", budget::MAX_ITEMS), span));
        }
        self.spend(count as u64, span)?;
        match self.budget.allocate(count * 24) {
            Ok(()) => Ok(Value::List(Arc::new((from..to).map(Value::Int).collect()))),
            Err(limit) => Err(self.too_large(limit, span)),
        }
    }

    /// `and`, which goes on while what is left holds; `or`, which goes on while it does not.
    fn both(&mut self, left: &Expr, right: &Expr, goes_on_if: bool) -> Outcome {
        match self.decide(left)? {
            Ok(holds) if holds != goes_on_if => Ok(Value::Bool(holds)),
            Ok(_) => Ok(self.decide(right)?.map_or_else(|unknown| unknown, Value::Bool)),
            Err(unknown) => self.any_branch(unknown, &[right]),
        }
    }

    fn contains(&mut self, item: &Value, container: &Value, binary: &Binary) -> Result<bool, Halt> {
        match (item, container) {
            (_, Value::List(items)) => Ok(items.iter().any(|other| equal(item, other.reveal(), false))),
            (Value::String(key) | Value::Member(key), Value::Map(map)) => Ok(map.contains_key(key)),
            (Value::String(part) | Value::Member(part), Value::String(text)) => Ok(text.contains(&**part)),
            (Value::None, _) => Ok(false),
            _ => Err(self.operands(binary, item, container)),
        }
    }

    fn operands(&mut self, binary: &Binary, a: &Value, b: &Value) -> Halt {
        let message = format!("`{}` does not go with {} and {}", binary.op.as_str(), a.kind(), b.kind());
        let issue = Issue::error("invalid-operands", self.loc(binary.op_span), message);
        let issue = issue.label(self.loc(binary.left.span), a.kind()).label(self.loc(binary.right.span), b.kind());
        self.fail(issue)
    }

    fn overflow(&mut self, span: Span) -> Halt {
        self.error("arithmetic-overflow", span, "the result does not fit: integers have 64 bits")
    }

    /// Why an operator on values of these kinds has no result.
    fn no_result(&mut self, op: BinaryOp, a: &Value, b: &Value, span: Span) -> Halt {
        let (message, hint) = match (a, b) {
            (Value::Float(_), _) => ("the result does not fit: a float is less than 1.8e308", "compute with smaller numbers"),
            (Value::Duration(_), Value::Duration(_)) if op == BinaryOp::Sub => {
                ("the result is less than nothing: a duration is never negative", "take the shorter from the longer one")
            }
            (Value::Size(_), Value::Size(_)) if op == BinaryOp::Sub => {
                ("the result is less than nothing: a size is never negative", "take the smaller from the larger one")
            }
            (Value::Duration(_) | Value::Size(_), Value::Int(n)) | (Value::Int(n), Value::Duration(_) | Value::Size(_))
                if *n < 0 =>
            {
                ("the result is less than nothing: durations and sizes are never negative", "use a number that is not negative")
            }
            (Value::Duration(_), _) | (_, Value::Duration(_)) => {
                ("the result does not fit: the longest duration is about 584 years", "use a shorter duration")
            }
            (Value::Size(_), _) | (_, Value::Size(_)) => {
                ("the result does not fit: the largest size is 16 EiB", "use a smaller size")
            }
            _ => return self.overflow(span),
        };
        let issue = Issue::error("arithmetic-overflow", self.loc(span), message);
        self.fail(issue.hint(hint))
    }

    fn arithmetic(&mut self, binary: &Binary, a: &Value, b: &Value, span: Span) -> Outcome {
        use BinaryOp::{Add, Div, Mul, Rem, Sub};
        let op = binary.op;
        if matches!(op, Div | Rem) && is_zero(b) {
            let issue = Issue::error("division-by-zero", self.loc(binary.right.span), "the divisor is zero");
            return Err(self.fail(issue.hint("look at it first: `if n == 0 { … } else { … }`")));
        }
        let made = match (a, b) {
            (Value::Int(x), Value::Int(y)) => {
                let result = match op {
                    Add => x.checked_add(*y),
                    Sub => x.checked_sub(*y),
                    Mul => x.checked_mul(*y),
                    Div => x.checked_div(*y),
                    _ => x.checked_rem(*y),
                };
                result.map(Value::Int)
            }
            (Value::Float(x), Value::Float(y)) => {
                let result = match op {
                    Add => x + y,
                    Sub => x - y,
                    Mul => x * y,
                    Div => x / y,
                    _ => x % y,
                };
                Some(result).filter(|x| x.is_finite()).map(Value::Float)
            }
            (Value::Duration(x), Value::Duration(y)) | (Value::Size(x), Value::Size(y)) if op == Div => {
                i64::try_from(x / y).ok().map(Value::Int)
            }
            (Value::Duration(x), Value::Duration(y)) => unsigned(op, *x, *y).map(Value::Duration),
            (Value::Size(x), Value::Size(y)) => unsigned(op, *x, *y).map(Value::Size),
            (Value::Duration(x), Value::Int(y)) if matches!(op, Mul | Div) => scaled(op, *x, *y).map(Value::Duration),
            (Value::Size(x), Value::Int(y)) if matches!(op, Mul | Div) => scaled(op, *x, *y).map(Value::Size),
            (Value::Int(y), Value::Duration(x)) if op == Mul => scaled(op, *x, *y).map(Value::Duration),
            (Value::Int(y), Value::Size(x)) if op == Mul => scaled(op, *x, *y).map(Value::Size),
            (Value::String(x) | Value::Member(x), Value::String(y) | Value::Member(y)) if op == Add => {
                if let Err(limit) = self.budget.allocate(x.len() + y.len()) {
                    return Err(self.too_large(limit, span));
                }
                Some(Value::string(format!("{x}{y}")))
            }
            (Value::List(x), Value::List(y)) if op == Add => {
                self.room(x.len() + y.len(), span)?;
                if let Err(limit) = self.budget.allocate((x.len() + y.len()) * 24) {
                    return Err(self.too_large(limit, span));
                }
                Some(Value::List(Arc::new(x.iter().chain(y.iter()).cloned().collect())))
            }
            _ => return Err(self.operands(binary, a, b)),
        };
        made.ok_or_else(|| self.no_result(op, a, b, span))
    }
}

fn is_zero(value: &Value) -> bool {
    matches!(value, Value::Int(0) | Value::Duration(0) | Value::Size(0)) || matches!(value, Value::Float(x) if *x == 0.0)
}

fn unsigned(op: BinaryOp, x: u64, y: u64) -> Option<u64> {
    match op {
        BinaryOp::Add => x.checked_add(y),
        BinaryOp::Sub => x.checked_sub(y),
        BinaryOp::Rem => x.checked_rem(y),
        _ => None,
    }
}

fn scaled(op: BinaryOp, x: u64, y: i64) -> Option<u64> {
    let y = u64::try_from(y).ok()?;
    if op == BinaryOp::Mul { x.checked_mul(y) } else { x.checked_div(y) }
}

fn equal(a: &Value, b: &Value, versions: bool) -> bool {
    match (a, b) {
        // Data holds members as text.
        (Value::Member(x), Value::String(y)) | (Value::String(x), Value::Member(y)) => x == y,
        (Value::String(x), Value::String(y)) if versions => x == y || compare_versions(x, y) == Ordering::Equal,
        _ => a == b,
    }
}

fn compare(a: &Value, b: &Value, versions: bool) -> Option<Ordering> {
    match (a, b) {
        (Value::Int(x), Value::Int(y)) => Some(x.cmp(y)),
        (Value::Float(x), Value::Float(y)) => x.partial_cmp(y),
        (Value::String(x), Value::String(y)) if versions => Some(compare_versions(x, y)),
        (Value::String(x), Value::String(y)) => Some(x.cmp(y)),
        (Value::Duration(x), Value::Duration(y)) | (Value::Size(x), Value::Size(y)) => Some(x.cmp(y)),
        (Value::Mode(x), Value::Mode(y)) => Some(x.cmp(y)),
        _ => None,
    }
}

/// Compares versions: runs of digits as numbers, everything else as text, `~` before nothing (Debian Policy 5.6.12).
fn compare_versions(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let text = |s: &[u8]| s.iter().position(u8::is_ascii_digit).unwrap_or(s.len());
        let ((text_a, rest_a), (text_b, rest_b)) = (a.split_at(text(a)), b.split_at(text(b)));
        let weight = |c: Option<&u8>| match c {
            Some(b'~') => -1,
            None => 0,
            Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
            Some(c) => i32::from(*c) + 256,
        };
        for i in 0..text_a.len().max(text_b.len()) {
            match weight(text_a.get(i)).cmp(&weight(text_b.get(i))) {
                Ordering::Equal => {}
                other => return other,
            }
        }
        let digits = |s: &[u8]| s.iter().position(|c| !c.is_ascii_digit()).unwrap_or(s.len());
        let ((num_a, next_a), (num_b, next_b)) = (rest_a.split_at(digits(rest_a)), rest_b.split_at(digits(rest_b)));
        let strip = |s: &[u8]| s.iter().position(|c| *c != b'0').unwrap_or(s.len());
        let (num_a, num_b) = (&num_a[strip(num_a)..], &num_b[strip(num_b)..]);
        match num_a.len().cmp(&num_b.len()).then_with(|| num_a.cmp(num_b)) {
            Ordering::Equal => {}
            other => return other,
        }
        (a, b) = (next_a, next_b);
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_versions() {
        let cases = [
            ("1.10", "1.9", Ordering::Greater),
            ("12", "12", Ordering::Equal),
            ("1.0~rc1", "1.0", Ordering::Less),
            ("1.0-2", "1.0-10", Ordering::Less),
            ("9", "12", Ordering::Less),
            ("1.01", "1.1", Ordering::Equal),
        ];
        for (a, b, expected) in cases {
            assert_eq!(compare_versions(a, b), expected, "{a} and {b}");
        }
    }
}
