//! Reads values as the language writes them, for cases that are data.

use std::sync::Arc;

use stead_catalog::{Blob, Map, ResourceId, Type, Value};

/// Reads words, values and punctuation from a text.
pub(crate) struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    /// Starts at the beginning of a text.
    pub(crate) fn new(text: &'t str) -> Self {
        Self { rest: text }
    }

    /// Skips blanks, newlines, commas and comments; says whether anything is left.
    pub(crate) fn skip(&mut self) -> bool {
        loop {
            self.rest = self.rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            match self.rest.strip_prefix('#') {
                Some(comment) => self.rest = comment.split_once('\n').map_or("", |(_, rest)| rest),
                None => return !self.rest.is_empty(),
            }
        }
    }

    /// Takes this punctuation if it comes next.
    pub(crate) fn take(&mut self, token: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes this punctuation, which has to come next.
    pub(crate) fn expect(&mut self, token: &str) {
        assert!(self.take(token), "expected `{token}` before: {}", self.rest);
    }

    /// Takes an identifier.
    pub(crate) fn word(&mut self) -> &'t str {
        self.skip();
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        assert!(end > 0, "expected a word before: {}", self.rest);
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// Takes a string literal.
    pub(crate) fn string(&mut self) -> String {
        self.expect("\"");
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return text;
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    Some('0') => text.push('\0'),
                    Some('u') => {
                        let digits: String = chars.by_ref().map(|(_, c)| c).skip(1).take_while(|c| *c != '}').collect();
                        let code = u32::from_str_radix(&digits, 16).expect("hexadecimal digits");
                        text.push(char::from_u32(code).expect("a character"));
                    }
                    Some(other) => text.push(other),
                    None => break,
                },
                c => text.push(c),
            }
        }
        panic!("a string is not closed: {}", self.rest)
    }

    /// Takes a map or the body of a resource: `{ name = value … }`.
    pub(crate) fn body(&mut self) -> Map {
        self.expect("{");
        let mut map = Map::new();
        while !self.take("}") {
            let key = if self.rest.starts_with('"') { self.string() } else { self.word().to_owned() };
            self.expect("=");
            map.insert(key.into(), self.value());
        }
        map
    }

    /// Takes a value. `secret("x")` is a secret, `source("text")` and `source_of(2MiB)` are files of the project.
    pub(crate) fn value(&mut self) -> Value {
        self.skip();
        if self.rest.starts_with('"') {
            return Value::string(self.string());
        }
        if let Some(raw) = self.rest.strip_prefix("r\"") {
            let (text, rest) = raw.split_once('"').expect("a raw string is closed");
            self.rest = rest;
            return Value::string(text);
        }
        if self.rest.starts_with('{') {
            return Value::Map(Arc::new(self.body()));
        }
        if self.take("[") {
            let mut items = Vec::new();
            while !self.take("]") {
                items.push(self.value());
            }
            return Value::list(items);
        }
        let negative = self.take("-");
        let word = self.word();
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return number(word, negative);
        }
        match word {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "none" => Value::None,
            "secret" if self.take("(") => self.close(|inner| inner.secret()),
            "source" if self.take("(") => self.close(|inner| {
                let text = inner.as_str().expect("a string").as_bytes().to_vec();
                Value::Blob(Blob::new("files/source", text).into())
            }),
            "source_of" if self.take("(") => self.close(|inner| match inner {
                Value::Size(size) => Value::Blob(Blob::new("files/source", filler(size)).into()),
                other => panic!("expected a size, found {other}"),
            }),
            word if self.rest.starts_with('[') => {
                self.expect("[");
                let name = self.string();
                self.expect("]");
                Value::Ref(ResourceId::new(word, name))
            }
            member => Value::Member(member.into()),
        }
    }

    fn close(&mut self, wrap: impl FnOnce(Value) -> Value) -> Value {
        let inner = self.value();
        self.expect(")");
        wrap(inner)
    }
}

/// Returns as many bytes as asked for.
pub(crate) fn filler(size: u64) -> Vec<u8> {
    vec![b'x'; usize::try_from(size).expect("a small size")]
}

fn number(word: &str, negative: bool) -> Value {
    if let Ok(number) = word.parse::<i64>()
        && (word == "0" || !word.starts_with('0'))
    {
        return Value::Int(if negative { -number } else { number });
    }
    for ty in [Type::Mode, Type::Size, Type::Duration] {
        if let Ok(value) = ty.admit(&Value::string(word), true) {
            return value;
        }
    }
    panic!("no value: {word}")
}
