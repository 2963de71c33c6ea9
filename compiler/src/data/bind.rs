//! Giving data its types: every value that does not fit is reported where it stands.

use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::{Map, RecordType, Span64, Type, Value, closest};
use stead_grammar::ast::Span;

use super::{Entry, Format, Kind, Node};
use crate::Diagnostic;
use crate::diagnostic::path_text;

impl Node {
    /// Turns the data into a value of type `ty`. `key` names it in messages: `web.vhosts`.
    ///
    /// Text may stand for a mode, a duration, a size and an enum member; a plain value becomes secret where the type is.
    ///
    /// # Errors
    /// Every value that does not fit, each with its place in the data file.
    pub fn bind(&self, ty: &Type, key: &str) -> Result<Value, Vec<Diagnostic>> {
        let mut binder = Binder { key, found: Vec::new() };
        let value = binder.bind(self, ty, &mut Vec::new());
        match value {
            Some(value) if binder.found.is_empty() => Ok(value),
            _ => Err(binder.found),
        }
    }
}

struct Binder<'a> {
    key: &'a str,
    found: Vec<Diagnostic>,
}

impl Binder<'_> {
    /// Returns the value, or `None` after telling why there is none.
    fn bind(&mut self, node: &Node, ty: &Type, path: &mut Vec<String>) -> Option<Value> {
        if let Kind::Scalar(Value::String(text)) = &node.kind
            && text.starts_with("ENC[")
            && text.ends_with(']')
        {
            self.found.push(unsupported_secret(&node.file, node.span));
            return None;
        }
        if let Some(value) = read_opened(node, ty) {
            return Some(value);
        }
        match (ty, &node.kind) {
            (Type::Optional(_), Kind::Scalar(Value::None)) => Some(Value::None),
            (Type::Optional(inner), _) => self.bind(node, inner, path),
            (Type::Record(record), Kind::Map(entries)) => self.record(node, record, entries, path),
            (Type::Map(item), Kind::Map(entries)) => {
                let bound: Vec<_> = entries.iter().map(|(k, e)| Some((k.clone(), self.step(&e.node, item, path, k)?))).collect();
                Some(Value::Map(Arc::new(bound.into_iter().collect::<Option<Map>>()?)))
            }
            (Type::List(item, length), Kind::List(items)) => {
                let bound: Vec<_> = items.iter().enumerate().map(|(i, n)| self.step(n, item, path, &format!("[{i}]"))).collect();
                let value = Value::List(Arc::new(bound.into_iter().collect::<Option<Vec<_>>>()?));
                if *length == Span64::FULL {
                    Some(value)
                } else {
                    self.admit(node, &Type::List(Arc::new(Type::Any), *length), &value, path)
                }
            }
            _ => self.admit(node, ty, &node.to_value(), path),
        }
    }

    fn step(&mut self, node: &Node, ty: &Type, path: &mut Vec<String>, step: &str) -> Option<Value> {
        path.push(step.to_owned());
        let value = self.bind(node, ty, path);
        path.pop();
        value
    }

    fn record(
        &mut self,
        node: &Node,
        record: &RecordType,
        entries: &IndexMap<Arc<str>, Entry>,
        path: &mut Vec<String>,
    ) -> Option<Value> {
        let mut good = true;
        let names = || record.fields.iter().map(|field| &*field.name);
        for (key, entry) in entries {
            if !names().any(|name| name == &**key) {
                good = false;
                let of = if record.name.is_empty() { String::new() } else { format!(" of {}", record.name) };
                let message = format!("{}: unknown field `{key}`{of}", self.subject(path));
                let best = closest(key, names());
                let hint = match best {
                    Some(best) => format!("did you mean `{best}`?"),
                    None => format!("the fields are {}", names().collect::<Vec<_>>().join(", ")),
                };
                let file = &entry.node.file;
                let mut diagnostic = Diagnostic::error("unknown-field", message).at(file, entry.key_span, "").hint(hint);
                // One that is there already is not what was meant.
                if let Some(best) = best.filter(|best| !entries.contains_key(*best)) {
                    diagnostic.suggest_in_data(file, entry.key_span, key, best);
                }
                self.found.push(diagnostic);
            }
        }
        let mut out = Map::with_capacity(record.fields.len());
        for field in &record.fields {
            let value = match (entries.get(&field.name), &field.default) {
                (Some(entry), _) => self.step(&entry.node, &field.ty, path, &field.name),
                (None, Some(default)) => Some(default.clone()),
                (None, None) if matches!(field.ty, Type::Optional(_)) => Some(Value::None),
                (None, None) => {
                    let message = format!("{}: field `{}` ({}) is missing", self.subject(path), field.name, field.ty.describe());
                    self.found.push(Diagnostic::error("missing-field", message).at(
                        &node.file,
                        node.span,
                        format!("has no `{}`", field.name),
                    ));
                    None
                }
            };
            match value {
                Some(value) => {
                    out.insert(field.name.clone(), value);
                }
                None => good = false,
            }
        }
        good.then(|| Value::Map(Arc::new(out)))
    }

    fn admit(&mut self, node: &Node, ty: &Type, value: &Value, path: &[String]) -> Option<Value> {
        match ty.admit(value, true) {
            Ok(value) => Some(value),
            Err(mismatch) => {
                let place = node.place_of(&mismatch.path, mismatch.code == "unknown-field");
                let subject = self.subject(path);
                let mut diagnostic = Diagnostic::from_mismatch(&place.file, place.span, &subject, &mismatch);
                if mismatch.hint.is_none()
                    && let Some(hint) = data_hint(ty, value)
                {
                    diagnostic = diagnostic.hint(hint);
                }
                if mismatch.path.is_empty() && !is_secret(ty) {
                    mend(&mut diagnostic, node, ty, value);
                }
                self.found.push(if is_secret(ty) { diagnostic.hidden() } else { diagnostic });
                None
            }
        }
    }

    fn subject(&self, path: &[String]) -> String {
        format!("data key `{}{}`", self.key, path_text(path))
    }
}

/// Offers what was meant by a value of a data file, where there is no doubt.
fn mend(diagnostic: &mut Diagnostic, node: &Node, ty: &Type, value: &Value) {
    match (ty, value) {
        (Type::Mode, Value::Int(n)) if diagnostic.code == "decimal-mode" => {
            let written = n.to_string();
            // JSON has no numbers that start with a zero.
            let mode = if node.file.ends_with(".json") { format!("\"0{n:0>3}\"") } else { format!("0{n:0>3}") };
            diagnostic.suggest_in_data(&node.file, node.span, &written, &mode);
        }
        (Type::Enum(choice), Value::String(text)) => {
            if let Some(best) = closest(text, choice.members.iter().map(|member| &**member)) {
                diagnostic.suggest_in_data(&node.file, node.span, text, best);
            }
        }
        _ => {}
    }
}

/// Reads the text of a secret as YAML, where it is wanted as something else than text: a number, a list, a record. `None` where it does not
/// fit, or fits as it is; what is wrong with it is told without any of it.
fn read_opened(node: &Node, ty: &Type) -> Option<Value> {
    let Kind::Scalar(value @ Value::Secret(inner)) = &node.kind else { return None };
    let Value::String(text) = &**inner else { return None };
    if ty.admit(value, true).is_ok() {
        return None;
    }
    let (read, found) = super::parse(&node.file, text.as_bytes(), Format::Yaml);
    if found.iter().any(Diagnostic::is_error) {
        return None;
    }
    match read?.bind(ty, "").ok()? {
        Value::None => Some(Value::None),
        value => Some(value.secret()),
    }
}

/// Says whether a value of the type may be secret.
fn is_secret(ty: &Type) -> bool {
    match ty {
        Type::Secret(_) => true,
        Type::Optional(inner) => is_secret(inner),
        Type::Union(options) => options.iter().any(is_secret),
        _ => false,
    }
}

/// Says how a data file writes what is wanted.
fn data_hint(ty: &Type, value: &Value) -> Option<String> {
    match (ty, value) {
        (Type::Secret(inner), _) => data_hint(inner, value),
        (
            Type::Int(_) | Type::Port | Type::Float(_) | Type::Bool | Type::List(..) | Type::Map(_) | Type::Record(_),
            Value::Secret(_),
        ) => Some("the text of a secret is read as YAML where it is to be no text: `8080`, `true`, `[a, b]`".into()),
        (
            Type::String(..) | Type::Version | Type::Hostname,
            Value::Int(_) | Value::Float(_) | Value::Bool(_) | Value::Mode(_),
        ) => Some("put it in quotes if it is text".into()),
        (Type::Int(_) | Type::Port | Type::Float(_) | Type::Bool, Value::String(text))
            if text.parse::<f64>().is_ok() || matches!(&**text, "true" | "false") =>
        {
            Some("write it without quotes".into())
        }
        (Type::Bool, Value::String(text)) if matches!(&*text.to_lowercase(), "yes" | "on") => Some("write `true`".into()),
        (Type::Bool, Value::String(text)) if matches!(&*text.to_lowercase(), "no" | "off") => Some("write `false`".into()),
        (Type::List(..), Value::String(_) | Value::Int(_)) => Some("write a list: `[…]`, or one `- …` a line in YAML".into()),
        _ => None,
    }
}

/// Says that a value was encrypted by another tool.
pub(super) fn unsupported_secret(file: &Arc<str>, span: Span) -> Diagnostic {
    Diagnostic::error("unsupported-secret", "this value was encrypted by another tool, and Stead opens those of age alone")
        .at(file, span, "")
        .hint("set it anew, encrypted by age: `stead secret set FILE KEY`; or let that tool tell it: [secrets.commands]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_catalog::Field;

    fn vhosts() -> Type {
        let field = |name: &str, ty, default| Field { name: name.into(), ty, default, docs: "".into() };
        Type::list(Type::Record(Arc::new(RecordType {
            name: "Vhost".into(),
            fields: vec![
                field("name", Type::Hostname, None),
                field("port", Type::Port, Some(Value::Int(80))),
                field("mode", Type::optional(Type::Mode), None),
                field("key", Type::optional(Type::Secret(Arc::new(Type::STRING))), None),
            ],
        })))
    }

    #[track_caller]
    fn check(yaml: &str, ty: &Type, expected: &str) {
        let (node, found) = super::super::parse(&"x.yaml".into(), yaml.as_bytes(), super::super::Format::Yaml);
        assert_eq!(found, []);
        let shown = match node.unwrap().get("v").unwrap().node.bind(ty, "v") {
            Ok(value) => value.to_string(),
            Err(found) => found.iter().map(|d| format!("{d} @{:?}", d.labels[0].span.text(yaml))).collect::<Vec<_>>().join("\n"),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn data_takes_the_form_of_its_type() {
        check(
            "v: [{name: a.b, mode: \"0600\", key: x}]",
            &vhosts(),
            "[{ name = \"a.b\", port = 80, mode = 0600, key = (sensitive) }]",
        );
        check("v: 30s", &Type::Duration, "30s");
        check("v: debian", &Type::choice(&["debian", "redhat"]), "debian");
        check("v: 0644", &Type::Mode, "0644");
    }

    #[test]
    fn every_mistake_is_told_where_it_stands() {
        check(
            "v:\n  - name: a.b\n    prot: 81\n    port: 80000\n  - port: x\n",
            &vhosts(),
            "error[unknown-field]: data key `v[0]`: unknown field `prot` of Vhost @\"prot\"\n\
             error[out-of-range]: data key `v[0].port`: found 80000, expected a port in 1..=65535 @\"80000\"\n\
             error[missing-field]: data key `v[1]`: field `name` (a host name) is missing @\"port: x\"\n\
             error[type-mismatch]: data key `v[1].port`: found the string \"x\", expected a port @\"x\"",
        );
        check("v: 0644", &Type::STRING, "error[type-mismatch]: data key `v`: found the mode 0644, expected a string @\"0644\"");
        check(
            "v: \"1\"",
            &Type::INT,
            "error[type-mismatch]: data key `v`: found the string \"1\", expected an integer @\"\\\"1\\\"\"",
        );
        check(
            "v: ENC[abc]",
            &Type::STRING,
            "error[unsupported-secret]: this value was encrypted by another tool, and Stead opens those of age alone @\"ENC[abc]\"",
        );
    }

    #[test]
    fn a_secret_is_read_as_what_is_wanted() {
        let bind = |text: &str, ty: &Type| {
            let node = Node::new(Kind::Scalar(Value::string(text).secret()), &"x.yaml".into(), Span::at(0));
            match node.bind(ty, "v") {
                Ok(value) => {
                    assert!(value.is_sensitive() || value == Value::None, "{text} stays secret");
                    value.reveal().to_string()
                }
                Err(found) => found.iter().map(|one| format!("{one} {}", one.hints.join(" "))).collect::<Vec<_>>().join("\n"),
            }
        };
        let secret = |ty: Type| Type::Secret(Arc::new(ty));
        assert_eq!(bind("8080", &secret(Type::Port)), "8080");
        assert_eq!(bind("8080", &Type::Port), "8080");
        assert_eq!(bind("8080\n", &secret(Type::INT)), "8080");
        assert_eq!(bind("true", &Type::optional(secret(Type::Bool))), "true");
        assert_eq!(bind("1.5", &secret(Type::Float(None))), "1.5");
        assert_eq!(bind("30s", &secret(Type::Duration)), "30s");
        assert_eq!(bind("[a, b]", &secret(Type::list(Type::STRING))), "[\"a\", \"b\"]");
        assert_eq!(bind("{\"a\": 1}", &secret(Type::Map(Arc::new(Type::INT)))), "{ a = 1 }");
        assert_eq!(
            bind("- name: a.b\n  key: k\n", &secret(vhosts())),
            "[{ name = \"a.b\", port = 80, mode = none, key = (sensitive) }]"
        );
        // Text stays what it is.
        assert_eq!(bind("8080", &secret(Type::STRING)), "\"8080\"");
        assert_eq!(bind("[a, b]", &Type::Any), "\"[a, b]\"");
        // What does not fit is told without a word of it.
        for (text, ty) in [
            ("canary", Type::Port),
            ("70000", Type::Port),
            ("{canary: 1}", Type::list(Type::STRING)),
            ("[canary", Type::list(Type::STRING)),
            ("- canary: 1", vhosts()),
        ] {
            let told = bind(text, &secret(ty));
            assert!(told.starts_with("error[type-mismatch]: data key `v`: found a secret value of another kind"), "{told}");
            assert!(told.contains("read as YAML") && !told.contains("canary") && !told.contains("70000"), "{told}");
        }
    }

    #[test]
    fn secrets_are_not_told() {
        let ty = Type::Secret(Arc::new(Type::INT));
        check("v: hunter2", &ty, "error[type-mismatch]: data key `v`: found a string, expected an integer @\"hunter2\"");
    }
}
