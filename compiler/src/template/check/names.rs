//! What names of templates are bound to, and which of them a condition has looked at.

use std::collections::BTreeMap;

use minijinja::machinery::ast::Expr;
use stead_catalog::Type;

/// Returns the type under `T?` and `Secret<T>`.
pub(super) fn unwrapped(ty: &Type) -> &Type {
    match ty {
        Type::Optional(inner) | Type::Secret(inner) => unwrapped(inner),
        other => other,
    }
}

/// Returns the type of what a loop over `ty` gives.
pub(super) fn item_type(ty: &Type) -> Type {
    match unwrapped(ty) {
        Type::List(item, _) => (**item).clone(),
        Type::Map(_) | Type::Record(_) => Type::STRING,
        _ => Type::Any,
    }
}

/// Says whether an expression gives pairs of key and value.
pub(super) fn is_pairs(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Filter(filter) => matches!(filter.name, "items" | "dictsort"),
        Expr::Call(call) => matches!(&call.expr, Expr::GetAttr(attr) if attr.name == "items"),
        _ => false,
    }
}

/// Gives the names of a loop's target their types.
pub(super) fn bind_item(target: &Expr<'_>, iter: &Type, pairs: bool, names: &mut BTreeMap<String, Type>) {
    match (target, pairs) {
        (Expr::List(list), true) if list.items.len() == 2 => {
            bind(&list.items[0], &Type::STRING, names);
            let value = match unwrapped(iter) {
                Type::Map(item) => (**item).clone(),
                _ => Type::Any,
            };
            bind(&list.items[1], &value, names);
        }
        (_, true) => bind(target, &Type::Any, names),
        (Expr::List(_), false) => bind(target, &item_type(iter), names),
        (_, false) => bind(target, &item_type(iter), names),
    }
}

pub(super) fn bind(target: &Expr<'_>, ty: &Type, names: &mut BTreeMap<String, Type>) {
    match target {
        Expr::Var(var) => {
            names.insert(var.id.to_owned(), ty.clone());
        }
        Expr::List(list) => {
            let item = match ty {
                Type::List(item, _) => (**item).clone(),
                _ => Type::Any,
            };
            list.items.iter().for_each(|part| bind(part, &item, names));
        }
        _ => {}
    }
}

/// Returns the text that stands in quotes in an expression. Nothing is computed: what a template computes is bounded when it is rendered.
pub(super) fn written<'e>(expr: &'e Expr<'_>) -> Option<&'e str> {
    match expr {
        Expr::Const(constant) => constant.value.as_str(),
        _ => None,
    }
}

/// Returns an expression of names and attributes as a path: `vhost.tls.cert`.
pub(super) fn path_of(expr: &Expr<'_>) -> Option<String> {
    match expr {
        Expr::Var(var) => Some(var.id.to_owned()),
        Expr::GetAttr(attr) => Some(format!("{}.{}", path_of(&attr.expr)?, attr.name)),
        Expr::GetItem(item) => Some(format!("{}.{}", path_of(&item.expr)?, written(&item.subscript_expr)?)),
        _ => None,
    }
}

/// Collects what a condition asks to be defined.
pub(super) fn collect_guards(expr: &Expr<'_>, guards: &mut Vec<String>) {
    match expr {
        Expr::Test(test) if matches!(test.name, "defined" | "undefined") => guards.extend(path_of(&test.expr)),
        Expr::UnaryOp(op) => collect_guards(&op.expr, guards),
        Expr::BinOp(op) => {
            collect_guards(&op.left, guards);
            collect_guards(&op.right, guards);
        }
        Expr::Compare(compare) => match (written(&compare.expr), compare.ops.as_slice()) {
            // `"key" in map`
            (Some(key), [op]) => {
                if let Some(path) = path_of(&op.expr) {
                    guards.push(format!("{path}.{key}"));
                }
            }
            _ => collect_guards(&compare.expr, guards),
        },
        _ => {}
    }
}
