//! Lists, records, maps and comprehensions.

use std::sync::Arc;

use stead_catalog::{Field, Map, RecordType, Type, Value, closest};
use stead_grammar::ast::{Expr, ExprKind, ForBinding, ForClause, ListFor, Literal, MapFor, RecordEntry, RecordKey, Span};

use super::expr::describe;
use super::scope::Checker;
use super::unused::What;
use crate::hir::{self, Key, Kind, Loop};
use crate::index::{ContextKind, MARKER, Target};
use crate::issue::Issue;
use crate::typing;

/// A `for` head, checked: slots, what it goes over, the filter.
pub(crate) struct Head {
    pub(crate) first: u32,
    pub(crate) second: Option<u32>,
    pub(crate) iterable: hir::Expr,
    pub(crate) filter: Option<hir::Expr>,
}

impl Checker<'_> {
    pub(crate) fn infer_list(&mut self, items: &[Expr], span: Span) -> (hir::Expr, Type) {
        let mut checked = Vec::with_capacity(items.len());
        let mut item_type: Option<Type> = None;
        for item in items {
            let (value, ty) = self.infer(item);
            item_type = Some(item_type.map_or(ty.clone(), |so_far| typing::join(&so_far, &ty)));
            checked.push(value);
        }
        (list(checked, span), Type::list(item_type.unwrap_or(Type::Any)))
    }

    pub(crate) fn check_list(&mut self, items: &[Expr], item: &Type, span: Span) -> hir::Expr {
        let checked: Vec<hir::Expr> = items.iter().map(|expr| self.check(expr, item)).collect();
        list(checked, span)
    }

    pub(crate) fn infer_record(&mut self, entries: &[RecordEntry], span: Span) -> (hir::Expr, Type) {
        let is_record = entries.iter().all(|entry| matches!(entry.key, RecordKey::Name(_)));
        let mut checked = Vec::with_capacity(entries.len());
        let mut fields: Vec<Field> = Vec::with_capacity(entries.len());
        let mut types = Vec::new();
        for (entry, key) in self.keys(entries) {
            let (value, ty) = self.entry(entry, None);
            if let Key::Name(name) = &key {
                fields.push(Field { name: name.clone(), ty: ty.clone(), default: None, docs: "".into() });
            }
            types.push(ty);
            checked.push((key, value));
        }
        let ty = if is_record {
            Type::Record(Arc::new(RecordType { name: "".into(), fields }))
        } else {
            Type::Map(Arc::new(typing::join_all(types)))
        };
        (map(checked, span), ty)
    }

    pub(crate) fn check_map(&mut self, entries: &[RecordEntry], item: &Type, span: Span) -> hir::Expr {
        let mut checked = Vec::with_capacity(entries.len());
        for (entry, key) in self.keys(entries) {
            let (value, _) = self.entry(entry, Some(item));
            checked.push((key, value));
        }
        map(checked, span)
    }

    /// The value of an entry; a shorthand stands for the name.
    fn entry(&mut self, entry: &RecordEntry, want: Option<&Type>) -> (hir::Expr, Type) {
        match (&entry.value, &entry.key) {
            (Some(value), _) => self.branch(value, want),
            (None, RecordKey::Name(name)) => {
                let expr = Expr { kind: ExprKind::Name(name.name.clone()), span: name.span };
                self.set_shorthand(true);
                let checked = self.branch(&expr, want);
                self.set_shorthand(false);
                checked
            }
            (None, RecordKey::String(key)) => (hir::Expr::error(key.span), Type::Any),
        }
    }

    /// Entries with their keys; a key that is there twice is reported and left out.
    fn keys<'e>(&mut self, entries: &'e [RecordEntry]) -> Vec<(&'e RecordEntry, Key)> {
        let mut seen: Vec<(Arc<str>, Span)> = Vec::with_capacity(entries.len());
        let mut result = Vec::with_capacity(entries.len());
        for entry in entries {
            let (name, key_span) = match &entry.key {
                RecordKey::Name(name) => (Some(name.name.clone()), name.span),
                RecordKey::String(Expr { kind: ExprKind::Literal(Literal::String(text)), span }) => (Some(text.clone()), *span),
                RecordKey::String(expr) => (None, expr.span),
            };
            let Some(name) = name else {
                if let RecordKey::String(expr) = &entry.key {
                    let key = self.check(expr, &Type::STRING);
                    result.push((entry, Key::Computed(key)));
                }
                continue;
            };
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == name) {
                let issue = Issue::error("duplicate-field", self.loc(key_span), format!("`{name}` is there twice"));
                let issue = issue.label(self.loc(*first), "first written here");
                self.report(issue);
                continue;
            }
            seen.push((name.clone(), key_span));
            result.push((entry, Key::Name(name)));
        }
        result
    }

    fn set_shorthand(&mut self, is_shorthand: bool) {
        if let Some(notes) = &mut self.notes {
            notes.shorthand = is_shorthand;
        }
    }

    fn note_record_keys(&mut self, entries: &[RecordEntry], record: &Arc<RecordType>) {
        if self.notes.is_none() {
            return;
        }
        let name_of = |entry: &RecordEntry| match &entry.key {
            RecordKey::Name(name) => Some(name.clone()),
            RecordKey::String(_) => None,
        };
        for name in entries.iter().filter_map(name_of) {
            self.note_marker(name.as_str(), name.span, || ContextKind::RecordField {
                record: record.clone(),
                given: entries.iter().filter_map(name_of).map(|name| name.name).filter(|name| **name != *MARKER).collect(),
            });
            self.note(name.span, |program| program.field_place(record, name.as_str()).map(Target::Field));
        }
    }

    /// A literal held to a record type: every field in the order of the type, defaults filled in.
    pub(crate) fn check_record(&mut self, entries: &[RecordEntry], record: &Arc<RecordType>, span: Span) -> hir::Expr {
        let mut given: Vec<(Arc<str>, hir::Expr)> = Vec::with_capacity(entries.len());
        let mut is_broken = false;
        self.note_record_keys(entries, record);
        for (entry, key) in self.keys(entries) {
            let Key::Name(name) = key else {
                self.error("unknown-field", entry.span, "a record has fixed fields, found a computed key");
                is_broken = true;
                continue;
            };
            match record.fields.iter().find(|field| field.name == name) {
                Some(field) => {
                    let key_span = match &entry.key {
                        RecordKey::Name(name) => name.span,
                        RecordKey::String(expr) => expr.span,
                    };
                    self.lint_deprecated_field(key_span, "field", field);
                    let ty = field.ty.clone();
                    let (value, _) = self.entry(entry, Some(&ty));
                    given.push((name, value));
                }
                None => {
                    is_broken = true;
                    let key_span = match &entry.key {
                        RecordKey::Name(name) => name.span,
                        RecordKey::String(expr) => expr.span,
                    };
                    let names = record.fields.iter().map(|field| &*field.name);
                    let best = closest(&name, names.clone()).map(str::to_owned);
                    let issue = Issue::error(
                        "unknown-field",
                        self.loc(key_span),
                        format!("{} has no field `{name}`", record_name(record)),
                    );
                    let known = names.collect::<Vec<_>>().join(", ");
                    self.report(match best {
                        Some(best) => issue.suggest(Some(&best)),
                        None => issue.hint(format!("its fields are {known}")),
                    });
                    if let Some(value) = &entry.value {
                        self.infer(value);
                    }
                }
            }
        }
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            if let Some(at) = given.iter().position(|(name, _)| *name == field.name) {
                fields.push((Key::Name(field.name.clone()), given.swap_remove(at).1));
                continue;
            }
            match (&field.default, &field.ty) {
                (Some(default), _) => {
                    fields.push((Key::Name(field.name.clone()), hir::Expr::new(Kind::Const(default.clone()), span)));
                }
                (None, Type::Optional(_)) => {
                    fields.push((Key::Name(field.name.clone()), hir::Expr::new(Kind::Const(Value::None), span)));
                }
                (None, ty) => {
                    is_broken = true;
                    let message = format!("{} needs the field `{}`", record_name(record), field.name);
                    self.error_hint("missing-field", span, message, format!("add `{} = …` ({})", field.name, ty.describe()));
                }
            }
        }
        if is_broken { hir::Expr::error(span) } else { map(fields, span) }
    }

    /// Checks the head of a `for` and binds its names; the caller has opened a scope.
    pub(crate) fn head(&mut self, binding: &ForBinding, iterable: &Expr, filter: Option<&Expr>) -> Head {
        let (iterable_expr, ty) = self.infer(iterable);
        let (plain, secret) = typing::without_secret(&ty);
        let wrap = |ty: Type| if secret { typing::secret(ty) } else { ty };
        let (first_type, second_type) = match (&plain, &binding.second) {
            (Type::Any, _) => (Type::Any, Type::Any),
            (Type::List(item, _), None) => (wrap((**item).clone()), Type::Any),
            (Type::List(item, _), Some(_)) => (Type::INT, wrap((**item).clone())),
            (Type::Map(item), Some(_)) => (Type::STRING, wrap((**item).clone())),
            (Type::Record(record), Some(_)) => {
                (Type::STRING, wrap(typing::join_all(record.fields.iter().map(|field| field.ty.clone()))))
            }
            (Type::Map(_) | Type::Record(_), None) => {
                let hint = "name both: `for key, value in …`, or go over `.keys()` or `.values()`";
                self.error_hint("not-iterable", binding.first.span, "a map has keys and values", hint);
                (Type::Any, Type::Any)
            }
            (Type::Optional(_), _) => {
                let hint = "give a value for that case: `… ?? []`";
                self.error_hint("optional-value", iterable.span, "the list may be none", hint);
                (Type::Any, Type::Any)
            }
            (other, _) => {
                let message = format!("found {}, expected a list, a map or a range", describe(other));
                self.error("not-iterable", iterable.span, message);
                (Type::Any, Type::Any)
            }
        };
        let first = self.bind(&binding.first, first_type, What::Each);
        let second = binding.second.as_ref().map(|second| self.bind(second, second_type, What::Each));
        let filter = filter.map(|condition| {
            let checked = self.condition(condition);
            self.lint_condition(&checked, condition.span);
            self.assume(condition, true);
            checked
        });
        Head { first, second, iterable: iterable_expr, filter }
    }

    fn clause(&mut self, clause: &ForClause) -> Head {
        self.head(&clause.binding, &clause.iterable, clause.filter.as_ref())
    }

    pub(crate) fn list_for(&mut self, list: &ListFor, want: Option<&Type>, span: Span) -> (hir::Expr, Type) {
        self.scoped(|this| {
            let head = this.clause(&list.clause);
            let (element, ty) = this.branch(&list.element, want);
            let Head { first, second, iterable, filter } = head;
            let kind = Kind::ListFor(Box::new(Loop { first, second, iterable, filter, key: None, element }));
            (hir::Expr::new(kind, span), Type::list(ty))
        })
    }

    pub(crate) fn map_for(&mut self, map: &MapFor, want: Option<&Type>, span: Span) -> (hir::Expr, Type) {
        self.scoped(|this| {
            let head = this.clause(&map.clause);
            let key = this.check(&map.key, &Type::STRING);
            let (element, ty) = this.branch(&map.value, want);
            let Head { first, second, iterable, filter } = head;
            let kind = Kind::MapFor(Box::new(Loop { first, second, iterable, filter, key: Some(key), element }));
            (hir::Expr::new(kind, span), Type::Map(Arc::new(ty)))
        })
    }
}

fn record_name(record: &RecordType) -> String {
    if record.name.is_empty() { "the record".into() } else { format!("`{}`", record.name) }
}

fn list(items: Vec<hir::Expr>, span: Span) -> hir::Expr {
    if items.iter().any(|item| matches!(item.kind, Kind::Error)) {
        return hir::Expr::error(span);
    }
    if items.iter().all(|item| item.constant().is_some()) {
        let values = items.iter().filter_map(|item| item.constant().cloned());
        return hir::Expr::new(Kind::Const(Value::list(values)), span);
    }
    hir::Expr::new(Kind::List(items.into()), span)
}

fn map(entries: Vec<(Key, hir::Expr)>, span: Span) -> hir::Expr {
    if entries.iter().any(|(_, value)| matches!(value.kind, Kind::Error)) {
        return hir::Expr::error(span);
    }
    let is_constant = entries.iter().all(|(key, value)| matches!(key, Key::Name(_)) && value.constant().is_some());
    if is_constant {
        let entries = entries.iter().filter_map(|(key, value)| match (key, value.constant()) {
            (Key::Name(name), Some(value)) => Some((name.clone(), value.clone())),
            _ => None,
        });
        return hir::Expr::new(Kind::Const(Value::Map(Arc::new(entries.collect::<Map>()))), span);
    }
    hir::Expr::new(Kind::Map(entries.into()), span)
}
