//! JSON (RFC 8259) into nodes. Strict: no comments, no trailing commas.

use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::Value;
use stead_grammar::ast::Span;

use super::scalar::{BadScalar, read_number};
use super::yaml::{bad_number, duplicate_key};
use super::{Entry, Kind, MAX_DEPTH, MAX_NODES, Node};
use crate::Diagnostic;
use crate::position::offset_u32;

/// Reads a JSON file.
pub(super) fn parse(file: &Arc<str>, text: &str, found: &mut Vec<Diagnostic>) -> Option<Node> {
    // Other systems' editors put a byte order mark first.
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut reader = Reader { file, text, at, found, count: 0 };
    reader.space();
    let result = reader.value(0).and_then(|node| {
        reader.space();
        if reader.at < text.len() { Err(reader.wrong("the end of the file")) } else { Ok(node) }
    });
    match result {
        Ok(node) => Some(node),
        Err(diagnostic) => {
            reader.found.push(*diagnostic);
            None
        }
    }
}

type Read<T> = Result<T, Box<Diagnostic>>;

struct Reader<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    at: usize,
    found: &'a mut Vec<Diagnostic>,
    count: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn span(&self, start: usize) -> Span {
        Span::new(offset_u32(start), offset_u32(self.at))
    }

    /// Says what stands here instead of `expected`.
    fn wrong(&self, expected: &str) -> Box<Diagnostic> {
        let rest = &self.text[self.at..];
        let end = self.at + rest.chars().next().map_or(0, char::len_utf8);
        let found = match rest.chars().next() {
            None => "the end of the file".to_owned(),
            Some(c) => format!("`{}`", c.escape_debug()),
        };
        let span = Span::new(offset_u32(self.at), offset_u32(end));
        let diagnostic = Diagnostic::error("syntax-error", format!("not valid JSON: found {found}, expected {expected}"))
            .at(self.file, span, "");
        Box::new(match rest.as_bytes() {
            [b'/', b'/' | b'*', ..] | [b'#', ..] => diagnostic.hint("JSON has no comments"),
            [b'\'', ..] => diagnostic.hint("JSON has double quotes only"),
            [b'}' | b']', ..] if self.text[..self.at].trim_end().ends_with(',') => diagnostic.hint("remove the comma before it"),
            _ => diagnostic,
        })
    }

    fn value(&mut self, depth: usize) -> Read<Node> {
        let start = self.at;
        self.count += 1;
        if depth > MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} arrays and objects inside one another");
            return Err(Box::new(Diagnostic::error("nesting-too-deep", message).at(self.file, self.span(start), "")));
        }
        if self.count > MAX_NODES {
            let message = format!("the file has more than {MAX_NODES} values");
            return Err(Box::new(Diagnostic::error("data-too-large", message).at(self.file, self.span(start), "")));
        }
        let kind = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Kind::Scalar(Value::string(self.string()?)),
            Some(b'-' | b'0'..=b'9') => Kind::Scalar(self.number()?),
            Some(b'a'..=b'z') => {
                let rest = &self.text[self.at..];
                let word = &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len())];
                let value = match word {
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    "null" => Value::None,
                    _ => return Err(self.wrong("a value")),
                };
                self.at += word.len();
                Kind::Scalar(value)
            }
            _ => return Err(self.wrong("a value")),
        };
        Ok(Node::new(kind, self.file, self.span(start)))
    }

    fn object(&mut self, depth: usize) -> Read<Kind> {
        self.at += 1;
        let mut entries: IndexMap<Arc<str>, Entry> = IndexMap::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Kind::Map(Arc::new(entries)));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a key in double quotes"));
            }
            let start = self.at;
            let key: Arc<str> = self.string()?.into();
            let key_span = self.span(start);
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.wrong("`:`"));
            }
            self.at += 1;
            self.space();
            let node = self.value(depth + 1)?;
            match entries.get(&key) {
                Some(earlier) => self.found.push(duplicate_key(self.file, &key, earlier.key_span, key_span)),
                None => {
                    entries.insert(key, Entry { key_span, node });
                }
            }
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Kind::Map(Arc::new(entries)));
                }
                _ => return Err(self.wrong("`,` or `}`")),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Read<Kind> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Kind::List(Arc::new(items)));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Kind::List(Arc::new(items)));
                }
                _ => return Err(self.wrong("`,` or `]`")),
            }
        }
    }

    fn string(&mut self) -> Read<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            out.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                _ => return Err(self.wrong("the closing `\"`")),
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        let c = match self.peek() {
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(self.wrong("an escape")),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode(&mut self) -> Read<char> {
        let first = self.hex()?;
        if (0xd800..0xdc00).contains(&first) {
            if !self.text[self.at..].starts_with("\\u") {
                return Err(self.wrong("the second half of a surrogate pair"));
            }
            self.at += 2;
            let second = self.hex()?;
            let pair = (0x10000 + ((first - 0xd800) << 10)).wrapping_add(second.wrapping_sub(0xdc00));
            return char::from_u32(pair)
                .filter(|_| (0xdc00..0xe000).contains(&second))
                .ok_or_else(|| self.wrong("the second half of a surrogate pair before this"));
        }
        char::from_u32(first).ok_or_else(|| self.wrong("the first half of a surrogate pair before this"))
    }

    fn hex(&mut self) -> Read<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let number = digits.and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| u32::from_str_radix(d, 16).ok());
        match number {
            Some(n) => {
                self.at += 4;
                Ok(n)
            }
            None => Err(self.wrong("four hexadecimal digits")),
        }
    }

    fn number(&mut self) -> Read<Value> {
        let start = self.at;
        let rest = &self.text[start..];
        let len = rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(rest.len());
        let text = &rest[..len];
        let digits = text.strip_prefix('-').unwrap_or(text);
        let leading_zero = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
        let ends_well = text.ends_with(|c: char| c.is_ascii_digit());
        let point_well = !digits.starts_with('.') && !digits.contains(".e") && !digits.contains(".E");
        let number = if leading_zero || !ends_well || !point_well || text.starts_with('+') { None } else { read_number(text) };
        match number {
            Some(Ok(scalar)) => {
                self.at += len;
                Ok(scalar.value)
            }
            Some(Err(bad)) => {
                self.at += len;
                let bad = if text.contains(['.', 'e', 'E']) { BadScalar::NotFinite } else { bad };
                self.found.push(bad_number(self.file, text, bad, self.span(start)));
                Ok(Value::None)
            }
            None => {
                let diagnostic = self.wrong("a number");
                Err(if leading_zero {
                    Box::new(diagnostic.hint("JSON numbers do not start with a zero; quote a mode: \"0644\""))
                } else {
                    diagnostic
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut found = Vec::new();
        let node = parse(&"x.json".into(), text, &mut found);
        let mut shown: Vec<String> = node.map(|n| n.to_value().to_string()).into_iter().collect();
        for d in &found {
            shown.push(format!("{} @{:?}", d, d.labels[0].span.text(text)));
        }
        assert_eq!(shown.join("\n"), expected);
    }

    #[test]
    fn values_are_read() {
        check(
            r#"{"a": [1, -2.5e1, true, null, "\u00e9\ud83d\ude00\n"], "b": {}}"#,
            "{ a = [1, -25.0, true, none, \"é😀\\n\"], b = {} }",
        );
    }

    #[test]
    fn mistakes_have_their_place() {
        check("\u{feff}[1, é]", "error[syntax-error]: not valid JSON: found `é`, expected a value @\"é\"");
        check("{\"a\": 1,}", "error[syntax-error]: not valid JSON: found `}`, expected a key in double quotes @\"}\"");
        check("[1 2]", "error[syntax-error]: not valid JSON: found `2`, expected `,` or `]` @\"2\"");
        check("{\"a\": 0644}", "error[syntax-error]: not valid JSON: found `0`, expected a number @\"0\"");
        check("\"abc", "error[syntax-error]: not valid JSON: found the end of the file, expected the closing `\"` @\"\"");
        check(
            "\"\\ud800x\"",
            "error[syntax-error]: not valid JSON: found `x`, expected the second half of a surrogate pair @\"x\"",
        );
        check("", "error[syntax-error]: not valid JSON: found the end of the file, expected a value @\"\"");
        check("{\"a\": 1, \"a\": 2}", "{ a = 1 }\nerror[duplicate-data-key]: the key `a` stands twice @\"\\\"a\\\"\"");
        check(&"[".repeat(1000), "error[nesting-too-deep]: more than 64 arrays and objects inside one another @\"\"");
    }

    proptest! {
        #[test]
        fn what_serde_json_reads_is_read_alike(text in "[\\[\\]{}:,\"a0-9.eE+\\-\\\\nu \t]{0,24}") {
            let ours = parse(&"x".into(), &text, &mut Vec::new()).is_some();
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            // Numbers without a place in 64 bits are told in another way.
            let out_of_range = theirs.as_ref().is_err_and(|e| e.to_string().contains("out of range"));
            prop_assert!(ours == theirs.is_ok() || out_of_range, "{:?}: {}", text, ours);
        }
    }
}
