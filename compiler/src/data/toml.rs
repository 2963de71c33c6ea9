//! TOML into nodes.

use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::Value;
use stead_grammar::ast::Span;
use toml::de::{DeTable, DeValue};

use super::scalar::{BadScalar, read_number};
use super::yaml::bad_number;
use super::{Entry, Kind, MAX_DEPTH, MAX_NODES, Node};
use crate::Diagnostic;
use crate::position::offset_u32;

/// Reads a TOML file.
pub(super) fn parse(file: &Arc<str>, text: &str, found: &mut Vec<Diagnostic>) -> Option<Node> {
    if let Some(at) = too_many_dots(text) {
        let message = format!("a key with more than {MAX_DEPTH} parts");
        found.push(Diagnostic::error("nesting-too-deep", message).at(file, Span::at(at), ""));
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut told: Option<usize> = None;
    for error in &errors {
        let is_duplicate = error.message().trim_start().starts_with("duplicate key");
        let start = error.span().map_or(0, |range| range.start);
        // One mistake leads to others until the next table.
        if !is_duplicate {
            let follows = |told: usize| !text.get(told..start).is_some_and(|between| between.contains("\n["));
            if told.is_some_and(follows) {
                continue;
            }
            told = Some(start);
        }
        let span =
            error.span().map_or(Span::at(0), |range| Span::new(offset_u32(range.start), offset_u32(range.end.max(range.start))));
        let message = error.message().trim().replace('\n', ", ");
        found.push(if is_duplicate {
            Diagnostic::error("duplicate-data-key", "this key stands twice")
                .at(file, span, "the second one")
                .hint("remove one of them")
        } else {
            Diagnostic::error("syntax-error", format!("not valid TOML: {message}")).at(file, span, "")
        });
    }
    if !errors.is_empty() {
        return None;
    }
    let mut reader = Reader { file, text, found, count: 0 };
    let span = span_of(&table.span());
    reader.table(table.get_ref(), span, 0)
}

/// Finds a dotted key that would nest too deep: the parser itself does not limit it.
fn too_many_dots(text: &str) -> Option<u32> {
    let (mut parts, mut in_part) = (0, false);
    for (at, b) in text.bytes().enumerate() {
        match b {
            b'.' if in_part => {
                parts += 1;
                in_part = false;
                if parts > MAX_DEPTH {
                    return Some(offset_u32(at));
                }
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'"' | b'\'' | 0x80.. => in_part = true,
            b' ' | b'\t' => {}
            _ => (parts, in_part) = (0, false),
        }
    }
    None
}

fn span_of(range: &std::ops::Range<usize>) -> Span {
    Span::new(offset_u32(range.start), offset_u32(range.end))
}

struct Reader<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    found: &'a mut Vec<Diagnostic>,
    count: usize,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>, span: Span, depth: usize) -> Option<Node> {
        // The parser orders keys by name; the file's order is that of their places.
        let mut sorted: Vec<_> = table.iter().collect();
        sorted.sort_by_key(|(key, _)| key.span().start);
        let mut entries = IndexMap::with_capacity(sorted.len());
        for (key, value) in sorted {
            let node = self.value(value.get_ref(), span_of(&value.span()), depth + 1)?;
            entries.insert(Arc::from(&**key.get_ref()), Entry { key_span: span_of(&key.span()), node });
        }
        Some(Node::new(Kind::Map(Arc::new(entries)), self.file, span))
    }

    fn value(&mut self, value: &DeValue<'_>, span: Span, depth: usize) -> Option<Node> {
        self.count += 1;
        if depth > MAX_DEPTH || self.count > MAX_NODES {
            let (code, message) = if depth > MAX_DEPTH {
                ("nesting-too-deep", format!("more than {MAX_DEPTH} lists and tables inside one another"))
            } else {
                ("data-too-large", format!("the file has more than {MAX_NODES} values"))
            };
            self.found.push(Diagnostic::error(code, message).at(self.file, span, ""));
            return None;
        }
        let scalar = match value {
            DeValue::Table(table) => return self.table(table, span, depth),
            DeValue::Array(items) => {
                let items: Option<Vec<Node>> =
                    items.iter().map(|item| self.value(item.get_ref(), span_of(&item.span()), depth + 1)).collect();
                return Some(Node::new(Kind::List(Arc::new(items?)), self.file, span));
            }
            DeValue::String(text) => Value::string(&**text),
            DeValue::Boolean(yes) => Value::Bool(*yes),
            DeValue::Datetime(time) => Value::string(time.to_string()),
            DeValue::Integer(n) => {
                self.number(&n.to_string(), span, i64::from_str_radix(n.as_str(), n.radix()).ok().map(Value::Int))
            }
            DeValue::Float(x) => {
                self.number(x.as_str(), span, x.as_str().parse().ok().filter(|x: &f64| x.is_finite()).map(Value::Float))
            }
        };
        Some(Node::new(Kind::Scalar(scalar), self.file, span))
    }

    /// Takes the parser's number, or the mode that its text is.
    fn number(&mut self, shown: &str, span: Span, number: Option<Value>) -> Value {
        match read_number(span.text(self.text)) {
            Some(Ok(scalar)) if matches!(scalar.value, Value::Mode(_)) => scalar.value,
            _ => number.unwrap_or_else(|| {
                let integer = shown.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit());
                let bad = if integer { BadScalar::TooLarge } else { BadScalar::NotFinite };
                self.found.push(bad_number(self.file, shown, bad, span));
                Value::None
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut found = Vec::new();
        let node = parse(&"x.toml".into(), text, &mut found);
        let mut shown: Vec<String> = node.map(|n| n.to_value().to_string()).into_iter().collect();
        for d in &found {
            shown.push(format!("{} @{:?}", d.code, d.labels[0].span.text(text)));
        }
        assert_eq!(shown.join("\n"), expected, "{found:?}");
    }

    #[test]
    fn tables_keep_the_order_of_the_file() {
        check(
            "z = 1\na = \"x\"\n[web]\nmode = 0o644\nwhen = 1979-05-27\n[[web.vhosts]]\nname = 'a'\n[[web.vhosts]]\nname = 'b'\n",
            "{ z = 1, a = \"x\", web = { mode = 0644, when = \"1979-05-27\", vhosts = [{ name = \"a\" }, { name = \"b\" }] } }",
        );
    }

    #[test]
    fn mistakes_have_their_place() {
        check("a = 1\na = 2\n", "duplicate-data-key @\"a\"");
        check("a = inf\n", "{ a = none }\nnumber-out-of-range @\"inf\"");
        check("a = 99999999999999999999\n", "{ a = none }\nnumber-out-of-range @\"99999999999999999999\"");
        check(&format!("{}x = 1\n", "a.".repeat(100)), "nesting-too-deep @\"\"");
    }
}
