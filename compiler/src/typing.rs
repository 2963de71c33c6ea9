//! How types relate: which fit where, what two have in common, what is left when `none` is excluded.

use std::sync::Arc;

use stead_catalog::{EnumType, RecordType, Span64, Type};

/// Whether values of one type may stand where another is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// Always, as they are.
    Same,
    /// Each value has to be looked at, or takes another form.
    Admit,
    /// Never.
    No,
}

/// Says whether values of `from` may stand where `to` is expected.
pub(crate) fn fit(from: &Type, to: &Type) -> Fit {
    match (from, to) {
        (_, Type::Any) => Fit::Same,
        (Type::Any, _) => Fit::Admit,
        (Type::Secret(a), Type::Secret(b)) => fit(a, b),
        (Type::Optional(a), Type::Optional(b)) => fit(a, b),
        (Type::None, Type::Optional(_)) => Fit::Same,
        (Type::Union(options), _) => options.iter().map(|option| fit(option, to)).max().unwrap_or(Fit::Same),
        (_, Type::Union(options)) => options.iter().map(|option| fit(from, option)).min().unwrap_or(Fit::No),
        (_, Type::Optional(b)) => fit(from, b),
        (Type::Optional(_), _) => Fit::No,
        (Type::Secret(a), _) => fit(a, to),
        (_, Type::Secret(b)) => fit(from, b).max(Fit::Admit),
        (Type::Literal(a), Type::Literal(b)) if a == b => Fit::Same,
        (Type::Literal(value), _) => match to.admit(value, false) {
            Ok(admitted) if admitted == *value => Fit::Same,
            Ok(_) => Fit::Admit,
            Err(_) => Fit::No,
        },
        (_, Type::Literal(value)) => {
            if fit(&of_value(value), &widen(from)) == Fit::No {
                Fit::No
            } else {
                Fit::Admit
            }
        }
        (Type::Int(_) | Type::Port, Type::Int(_) | Type::Port) => {
            let (a, b) = (int_range(from), int_range(to));
            if b.covers(a) { Fit::Same } else { Fit::Admit }
        }
        (Type::Float(_), Type::Float(None)) => Fit::Same,
        (Type::Float(a), Type::Float(b)) => {
            if a == b {
                Fit::Same
            } else {
                Fit::Admit
            }
        }
        (Type::List(a, length_a), Type::List(b, length_b)) => {
            let length = if length_b.covers(*length_a) { Fit::Same } else { Fit::Admit };
            fit(a, b).max(length)
        }
        (Type::Map(a), Type::Map(b)) => fit(a, b),
        (Type::Record(record), Type::Map(item)) => {
            record.fields.iter().map(|field| fit(&field.ty, item)).max().unwrap_or(Fit::Same)
        }
        (Type::Record(a), Type::Record(b)) => fit_records(a, b),
        (Type::Enum(a), Type::Enum(b)) => {
            if a == b || a.members.iter().all(|member| b.members.contains(member)) {
                Fit::Same
            } else {
                Fit::No
            }
        }
        (Type::Ref(_), Type::Ref(None)) => Fit::Same,
        (Type::Ref(None), Type::Ref(Some(_))) => Fit::Admit,
        (Type::List(item, _), Type::Command) => fit(item, &Type::STRING).max(Fit::Admit),
        (Type::Source, Type::Source) | (Type::Command, Type::Command) => Fit::Same,
        (_, Type::Command | Type::Source) if is_text(from) => Fit::Admit,
        _ if is_text(from) && is_text(to) => fit_text(from, to),
        _ if from == to => Fit::Same,
        _ => Fit::No,
    }
}

fn fit_text(from: &Type, to: &Type) -> Fit {
    match (from, to) {
        (_, Type::String(None, Span64::FULL)) => Fit::Same,
        _ if from == to => Fit::Same,
        (_, Type::String(..)) | (Type::String(..), _) | (Type::Ip, Type::Hostname) => Fit::Admit,
        _ => Fit::No,
    }
}

fn fit_records(a: &Arc<RecordType>, b: &Arc<RecordType>) -> Fit {
    if Arc::ptr_eq(a, b) {
        return Fit::Same;
    }
    if a.fields.iter().any(|field| !b.fields.iter().any(|other| other.name == field.name)) {
        return Fit::No;
    }
    let same_shape = a.fields.len() == b.fields.len() && a.fields.iter().zip(&b.fields).all(|(x, y)| x.name == y.name);
    b.fields.iter().fold(if same_shape { Fit::Same } else { Fit::Admit }, |so_far, field| {
        so_far.max(match a.fields.iter().find(|other| other.name == field.name) {
            Some(other) => fit(&other.ty, &field.ty),
            None if field.default.is_some() || matches!(field.ty, Type::Optional(_)) => Fit::Admit,
            None => Fit::No,
        })
    })
}

/// Says whether values of the type are text that no enum restricts.
pub(crate) fn is_text(ty: &Type) -> bool {
    matches!(ty, Type::String(..) | Type::Path | Type::Ip | Type::Cidr | Type::Hostname | Type::Url | Type::Regex | Type::Version)
}

fn int_range(ty: &Type) -> Span64 {
    match ty {
        Type::Int(range) => *range,
        _ => Span64 { min: Some(1), max: Some(65535) },
    }
}

/// The type without its refinement: `Int(1..=9)` is `Int`, a path is a string.
pub(crate) fn widen(ty: &Type) -> Type {
    match ty {
        Type::Int(_) | Type::Port => Type::INT,
        Type::Float(_) => Type::Float(None),
        text if is_text(text) => Type::STRING,
        Type::Optional(inner) => Type::optional(widen(inner)),
        Type::Secret(inner) => widen(inner),
        Type::List(item, _) => Type::list(widen(item)),
        other => other.clone(),
    }
}

/// The type of a value that has no better one.
pub(crate) fn of_value(value: &stead_catalog::Value) -> Type {
    use stead_catalog::Value;
    match value {
        Value::None => Type::None,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::INT,
        Value::Float(_) => Type::Float(None),
        Value::String(_) => Type::STRING,
        Value::Member(name) => {
            Type::Enum(Arc::new(EnumType { name: "".into(), members: vec![name.clone()], deprecated: Vec::new() }))
        }
        Value::Mode(_) => Type::Mode,
        Value::Duration(_) => Type::Duration,
        Value::Size(_) => Type::Size,
        Value::Blob(_) => Type::Source,
        Value::List(items) => Type::list(join_all(items.iter().map(of_value))),
        Value::Map(map) => Type::Map(Arc::new(join_all(map.values().map(of_value)))),
        Value::Ref(id) => Type::Ref(Some(id.type_name.clone())),
        Value::Secret(inner) => Type::Secret(Arc::new(of_value(inner))),
        Value::Locked(_) => Type::Any,
    }
}

/// The smallest common type of several; `Any` for none at all.
pub(crate) fn join_all(types: impl IntoIterator<Item = Type>) -> Type {
    types.into_iter().reduce(|a, b| join(&a, &b)).unwrap_or(Type::Any)
}

/// The smallest type that both fit.
pub(crate) fn join(a: &Type, b: &Type) -> Type {
    match (a, b) {
        _ if a == b => a.clone(),
        (Type::Any, _) | (_, Type::Any) => Type::Any,
        (Type::None, other) | (other, Type::None) => Type::optional(other.clone()),
        (Type::Optional(x), Type::Optional(y)) => Type::optional(join(x, y)),
        (Type::Optional(x), y) | (y, Type::Optional(x)) => Type::optional(join(x, y)),
        (Type::Secret(x), y) | (y, Type::Secret(x)) => secret(join(x, &without_secret(y).0)),
        (Type::Int(_) | Type::Port, Type::Int(_) | Type::Port) => {
            let (x, y) = (int_range(a), int_range(b));
            Type::Int(Span64 { min: x.min.zip(y.min).map(|(p, q)| p.min(q)), max: x.max.zip(y.max).map(|(p, q)| p.max(q)) })
        }
        (Type::Float(_), Type::Float(_)) => Type::Float(None),
        _ if is_text(a) && is_text(b) => Type::STRING,
        (Type::List(x, _), Type::List(y, _)) => Type::list(join(x, y)),
        (Type::Map(x), Type::Map(y)) => Type::Map(Arc::new(join(x, y))),
        (Type::Ref(_), Type::Ref(_)) => Type::Ref(None),
        _ if fit(a, b) == Fit::Same => b.clone(),
        _ if fit(b, a) == Fit::Same => a.clone(),
        _ => union([a.clone(), b.clone()]),
    }
}

/// A union, flattened and without repetitions.
pub(crate) fn union(types: impl IntoIterator<Item = Type>) -> Type {
    let mut options: Vec<Type> = Vec::new();
    let mut optional = false;
    let mut queue: Vec<Type> = types.into_iter().collect();
    queue.reverse();
    while let Some(ty) = queue.pop() {
        match ty {
            Type::Union(inner) => queue.extend(inner.iter().rev().cloned()),
            Type::Optional(inner) => {
                optional = true;
                queue.push((*inner).clone());
            }
            Type::None => optional = true,
            other if options.contains(&other) => {}
            other => options.push(other),
        }
    }
    let joined = match options.len() {
        0 => return Type::None,
        1 => options.remove(0),
        _ => Type::Union(Arc::new(options)),
    };
    if optional { Type::optional(joined) } else { joined }
}

/// Wraps as secret, one layer deep, `none` outside.
pub(crate) fn secret(ty: Type) -> Type {
    match ty {
        Type::Secret(_) => ty,
        Type::Optional(inner) => Type::optional(secret((*inner).clone())),
        Type::Any | Type::None => Type::Secret(Arc::new(Type::Any)),
        other => Type::Secret(Arc::new(other)),
    }
}

/// Takes the secret wrapper off and says whether there was one. `Secret<T>?` becomes `T?`.
pub(crate) fn without_secret(ty: &Type) -> (Type, bool) {
    match ty {
        Type::Secret(inner) => ((**inner).clone(), true),
        Type::Optional(inner) => match &**inner {
            Type::Secret(secret) => (Type::optional((**secret).clone()), true),
            _ => (ty.clone(), false),
        },
        _ => (ty.clone(), false),
    }
}

/// The type when it is known not to be `none`.
pub(crate) fn without_none(ty: &Type) -> Type {
    match ty {
        Type::Optional(inner) => (**inner).clone(),
        other => other.clone(),
    }
}

/// The enums whose members may be written as bare words where the type is expected.
pub(crate) fn enums_of<'a>(ty: &'a Type, found: &mut Vec<&'a Arc<EnumType>>) {
    match ty {
        Type::Enum(choice) => found.push(choice),
        Type::Optional(inner) | Type::Secret(inner) => enums_of(inner, found),
        Type::Union(options) => options.iter().for_each(|option| enums_of(option, found)),
        _ => {}
    }
}

/// The record that a literal `{ … }` makes where the type is expected, when exactly one is possible.
pub(crate) fn record_of(ty: &Type) -> Option<&Arc<RecordType>> {
    match ty {
        Type::Record(record) => Some(record),
        Type::Optional(inner) | Type::Secret(inner) => record_of(inner),
        Type::Union(options) => {
            let mut records = options.iter().filter_map(record_of);
            records.next().filter(|_| records.next().is_none())
        }
        _ => None,
    }
}

/// What the elements of a list literal are expected to be.
pub(crate) fn item_of(ty: &Type) -> Option<Type> {
    match ty {
        Type::List(item, _) => Some((**item).clone()),
        Type::Optional(inner) | Type::Secret(inner) => item_of(inner),
        Type::Union(options) => {
            let mut items = options.iter().filter_map(item_of);
            items.next().filter(|_| items.next().is_none())
        }
        Type::Command => Some(Type::STRING),
        _ => None,
    }
}

/// What the values of a map literal are expected to be.
pub(crate) fn map_item_of(ty: &Type) -> Option<Type> {
    match ty {
        Type::Map(item) => Some((**item).clone()),
        Type::Optional(inner) | Type::Secret(inner) => map_item_of(inner),
        Type::Union(options) => {
            let mut items = options.iter().filter_map(map_item_of);
            items.next().filter(|_| items.next().is_none())
        }
        _ => None,
    }
}

/// Says whether part of the type is not known before it is evaluated.
pub(crate) fn has_any(ty: &Type) -> bool {
    match ty {
        Type::Any => true,
        Type::List(item, _) | Type::Map(item) | Type::Optional(item) | Type::Secret(item) => has_any(item),
        Type::Union(options) => options.iter().any(has_any),
        Type::Record(record) => record.fields.iter().any(|field| has_any(&field.ty)),
        _ => false,
    }
}

/// Says whether the type is nested more than `limit` deep.
pub(crate) fn is_deeper(ty: &Type, limit: usize) -> bool {
    let Some(limit) = limit.checked_sub(1) else { return true };
    match ty {
        Type::List(item, _) | Type::Map(item) | Type::Optional(item) | Type::Secret(item) => is_deeper(item, limit),
        // Named records are limited where they are defined.
        Type::Record(record) if record.name.is_empty() => record.fields.iter().any(|field| is_deeper(&field.ty, limit)),
        Type::Union(options) => options.iter().any(|option| is_deeper(option, limit)),
        _ => false,
    }
}
