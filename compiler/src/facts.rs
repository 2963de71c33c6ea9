//! Facts that come as a file: those of a node that is not asked, such as `facts/web-1.json`.

use std::sync::Arc;

use stead_catalog::{Map, Type};
use stead_grammar::ast::Span;

use crate::data::{self, Format, Kind};
use crate::diagnostic::Diagnostic;

/// Reads facts from JSON, as `stead facts --json` writes them or as a bare object, and checks them against the project's type of facts
/// ([`Project::facts_type`](crate::Project::facts_type)). Facts of no known name are kept as they are; those that do not fit are left out.
pub fn from_json(file: &Arc<str>, bytes: &[u8], facts_type: &Type) -> (Map, Vec<Diagnostic>) {
    let mut facts = Map::new();
    let (root, mut found) = data::parse(file, bytes, Format::Json);
    let Some(root) = root else { return (facts, found) };
    if root.get("facts").is_none() && root.get("format_version").is_some() && root.get("nodes").is_some() {
        let message = "the file holds the facts of several nodes, expected those of one";
        let hint = "`stead facts --on TARGETS --store` writes a file for each node";
        found.push(Diagnostic::error("facts-of-many", message).at(file, Span::at(root.span.start), "").hint(hint));
        return (facts, found);
    }
    let root = match root.get("facts") {
        Some(entry) if root.get("format_version").is_some() => &entry.node,
        _ => &root,
    };
    let Kind::Map(entries) = &root.kind else {
        let message = format!("the file holds {}, expected an object of facts", root.to_value().kind());
        found.push(Diagnostic::error("data-not-a-map", message).at(file, Span::at(root.span.start), ""));
        return (facts, found);
    };
    let fields = match facts_type {
        Type::Record(record) => &record.fields[..],
        _ => &[],
    };
    for (name, entry) in entries.iter() {
        match fields.iter().find(|field| field.name == *name) {
            Some(field) => match entry.node.bind(&field.ty, &format!("facts.{name}")) {
                Ok(value) => {
                    facts.insert(name.clone(), value);
                }
                Err(wrong) => found.extend(wrong.into_iter().map(rename_subject)),
            },
            None => {
                facts.insert(name.clone(), entry.node.to_value());
            }
        }
    }
    (facts, found)
}

fn rename_subject(mut diagnostic: Diagnostic) -> Diagnostic {
    if let Some(rest) = diagnostic.message.strip_prefix("data key ") {
        diagnostic.message = format!("fact {rest}");
    }
    diagnostic
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_catalog::Value;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let (facts, found) = from_json(&"facts/a.json".into(), text.as_bytes(), &stead_catalog::facts_type());
        let mut shown = vec![Value::Map(Arc::new(facts)).to_string()];
        shown.extend(found.iter().map(|d| format!("{d} @{:?}", d.labels[0].span.text(text))));
        assert_eq!(shown.join("\n"), expected);
    }

    #[test]
    fn facts_take_their_types() {
        check(
            "{\"format_version\": \"1.0\", \"facts\": {\"hostname\": \"a\", \"memory\": {\"total\": \"1GiB\", \"swap\": \"0B\"}, \"rack\": \"r1\"}}",
            "{ hostname = \"a\", memory = { total = 1GiB, swap = 0B }, rack = \"r1\" }",
        );
    }

    #[test]
    fn what_does_not_fit_is_told() {
        check(
            "{\"hostname\": 1, \"cpu\": {\"count\": 0}}",
            "{}\nerror[type-mismatch]: fact `facts.hostname`: found the integer 1, expected a string @\"1\"\n\
             error[out-of-range]: fact `facts.cpu.count`: found 0, expected an integer in 1.. @\"0\"",
        );
        check(
            "{\"format_version\": \"1.0\", \"nodes\": {\"web-1\": {\"age_s\": 0, \"facts\": {}}}}",
            "{}\nerror[facts-of-many]: the file holds the facts of several nodes, expected those of one @\"\"",
        );
        check("[1]", "{}\nerror[data-not-a-map]: the file holds a list, expected an object of facts @\"\"");
    }
}
