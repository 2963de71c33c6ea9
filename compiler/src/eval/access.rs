//! What is inside of a value: fields of records, elements of lists and maps.

use stead_catalog::{Map, Value};
use stead_grammar::ast::Span;

use super::{Evaluator, Halt, Outcome, locked};
use crate::hir::{Expr, Field, Kind};
use crate::issue::Issue;

impl Evaluator<'_> {
    pub(super) fn field(&mut self, field: &Field) -> Outcome {
        let object = self.eval(&field.object)?;
        if object.is_locked() {
            return Ok(locked::made_of("field", [&object, &Value::String(field.name.clone())]));
        }
        let secret = matches!(object, Value::Secret(_));
        match object.reveal() {
            Value::Map(map) => match map.get(&field.name) {
                Some(value) => Ok(if secret { value.clone().secret() } else { value.clone() }),
                None => Err(self.missing_key(&field.name, &field.object, map, field.name_span)),
            },
            Value::None if field.optional => Ok(Value::None),
            Value::None => {
                let issue = Issue::error("optional-value", self.loc(field.object.span), "the value is none and has no fields");
                Err(self.fail(issue.hint(format!("write `?.{}`", field.name))))
            }
            other => {
                let message = format!("{} has no field `{}`", other.kind(), field.name);
                let issue = Issue::error("unknown-field", self.loc(field.name_span), message);
                Err(self.fail(self.data_says(issue, &field.object, other)))
            }
        }
    }

    fn missing_key(&mut self, name: &str, object: &Expr, map: &Map, span: Span) -> Halt {
        let (code, what) = match object.kind {
            Kind::Facts => ("missing-fact", "the node does not tell the fact"),
            _ if is_data(object) => ("missing-data", "the data has no key"),
            _ => ("missing-key", "the map has no key"),
        };
        let issue = Issue::error(code, self.loc(span), format!("{what} `{name}`"));
        let best = stead_catalog::closest(name, map.keys().map(|key| &**key)).map(str::to_owned);
        let issue = match (best, code) {
            (Some(best), _) => issue.hint(format!("did you mean `{best}`?")),
            (None, "missing-data") => issue.hint("add it to a file under `data/`, or look with `.get(\"key\") ?? default`"),
            (None, "missing-key") => issue.hint("look with `.get(\"key\") ?? default`"),
            (None, _) => issue,
        };
        self.fail(issue)
    }

    /// Points at the place in the data that gave a value, where it is data.
    fn data_says(&self, issue: Issue, expr: &Expr, value: &Value) -> Issue {
        let node = crate::provenance::data_path(expr)
            .filter(|path| !path.is_empty())
            .and_then(|path| self.world.data_tree.lookup(path.iter().map(|key| &**key)));
        match node.and_then(|node| self.world.data_location(&node.place())) {
            Some(location) => issue.label(location, format!("{} stands here", value.kind())),
            None => issue,
        }
    }

    pub(super) fn index(&mut self, object: &Expr, index: &Expr, span: Span) -> Outcome {
        let container = self.eval(object)?;
        let position = self.eval(index)?;
        if container.is_locked() || position.is_locked() {
            return Ok(locked::made_of("index", [&container, &position]));
        }
        let secret = matches!(container, Value::Secret(_));
        let wrap = |value: &Value| if secret { value.clone().secret() } else { value.clone() };
        match (container.reveal(), position.reveal()) {
            (Value::List(items), Value::Int(n)) => {
                let len = items.len();
                // A negative index counts from the end.
                let at = if *n < 0 { i64::try_from(len).unwrap_or(i64::MAX).saturating_add(*n) } else { *n };
                match usize::try_from(at).ok().and_then(|at| items.get(at)) {
                    Some(value) => Ok(wrap(value)),
                    None => {
                        let message = match container.is_sensitive() || position.is_sensitive() {
                            true => "the list has no such element".to_owned(),
                            false => format!("the list has {len} elements, there is none at {n}"),
                        };
                        let issue = Issue::error("index-out-of-range", self.loc(index.span), message);
                        Err(self.fail(issue.hint("look with `.get(i)`, which gives none")))
                    }
                }
            }
            (Value::Map(map), Value::String(key) | Value::Member(key)) => match map.get(key) {
                Some(value) => Ok(wrap(value)),
                None if matches!(position, Value::Secret(_)) => {
                    Err(self.error("missing-key", index.span, "the map has no such key"))
                }
                None => Err(self.missing_key(key, object, map, index.span)),
            },
            (container, position) => {
                let message = format!("{} has no element at {}", container.kind(), position.kind());
                let issue = Issue::error("not-indexable", self.loc(span), message);
                Err(self.fail(self.data_says(issue, object, container)))
            }
        }
    }
}

fn is_data(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Data => true,
        Kind::Field(field) => is_data(&field.object),
        Kind::Index(index) => is_data(&index.0),
        _ => false,
    }
}
