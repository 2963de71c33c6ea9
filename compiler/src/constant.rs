//! Values that stand in the source as they are: literals, enum members, lists and records of them.

use std::sync::Arc;

use stead_catalog::{Map, Value};
use stead_grammar::ast::{Expr, ExprKind, Literal, RecordKey, Span, UnaryOp};

/// The value of a literal.
pub(crate) fn literal(literal: &Literal) -> Value {
    match literal {
        Literal::None => Value::None,
        Literal::Bool(b) => Value::Bool(*b),
        Literal::Int(n) => Value::Int(*n),
        Literal::Float(x) => Value::Float(*x),
        Literal::Mode(mode) => Value::Mode(*mode),
        Literal::Duration(nanos) => Value::Duration(*nanos),
        Literal::Size(bytes) => Value::Size(*bytes),
        Literal::String(text) => Value::String(text.clone()),
    }
}

/// Evaluates a constant. The error is the place that is not constant, `None` when a mistake was reported there.
pub(crate) fn evaluate(expr: &Expr) -> Result<Value, Option<Span>> {
    match &expr.kind {
        ExprKind::Literal(value) => Ok(literal(value)),
        ExprKind::Name(name) => Ok(Value::Member(name.clone())),
        ExprKind::Paren(inner) => evaluate(inner),
        ExprKind::List(items) => Ok(Value::list(items.iter().map(evaluate).collect::<Result<Vec<_>, _>>()?)),
        ExprKind::Unary(unary) if unary.op == UnaryOp::Neg => match evaluate(&unary.operand)? {
            Value::Int(n) => n.checked_neg().map(Value::Int).ok_or(Some(expr.span)),
            Value::Float(x) => Ok(Value::Float(-x)),
            _ => Err(Some(expr.span)),
        },
        ExprKind::Record(entries) => {
            let mut map = Map::with_capacity(entries.len());
            for entry in entries {
                let key = match &entry.key {
                    RecordKey::Name(name) => name.name.clone(),
                    RecordKey::String(Expr { kind: ExprKind::Literal(Literal::String(text)), .. }) => text.clone(),
                    RecordKey::String(other) => return Err(Some(other.span)),
                };
                let value = entry.value.as_ref().map(evaluate).ok_or(Some(entry.span))??;
                map.insert(key, value);
            }
            Ok(Value::Map(Arc::new(map)))
        }
        ExprKind::Field(access) if matches!(access.object.kind, ExprKind::Name(_)) => Ok(Value::Member(access.name.name.clone())),
        ExprKind::Error => Err(None),
        _ => Err(Some(expr.span)),
    }
}
