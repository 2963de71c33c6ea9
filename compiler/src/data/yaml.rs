//! YAML 1.2 into nodes: one document, the core schema, anchors and aliases, merge keys.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use stead_catalog::Value;
use stead_grammar::ast::Span;

use super::scalar::{BadScalar, Doubt, Scalar, read_plain};
use super::{Entry, Kind, MAX_DEPTH, MAX_NODES, Node};
use crate::Diagnostic;
use crate::position::offset_u32;

/// Reads a YAML file.
pub(super) fn parse(file: &Arc<str>, text: &str, found: &mut Vec<Diagnostic>) -> Option<Node> {
    let content = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        file,
        offsets: Offsets::new(text, content.len() < text.len()),
        text,
        found,
        stack: Vec::new(),
        anchors: HashMap::new(),
        count: 0,
        root: None,
        documents: 0,
    };
    let mut parser = Parser::new_from_str(content);
    loop {
        match parser.next_event() {
            None | Some(Ok((Event::StreamEnd, _))) => break,
            Some(Ok((event, span))) => {
                let span = Span::new(reader.offsets.at(span.start), reader.offsets.at(span.end));
                if reader.event(event, span).is_err() {
                    return None;
                }
            }
            Some(Err(error)) => {
                reader.scan_error(error.marker(), error.info());
                return None;
            }
        }
    }
    Some(reader.root.unwrap_or_else(|| Node::new(Kind::Map(Arc::default()), file, Span::at(0))))
}

/// Turns the parser's character positions into bytes.
struct Offsets {
    /// Byte of each character; empty when every character is one byte.
    bytes: Vec<u32>,
    len: u32,
    /// Characters that the parser does not see: a byte order mark.
    skipped: u32,
}

impl Offsets {
    fn new(text: &str, has_mark: bool) -> Self {
        let bytes = if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| offset_u32(at)).collect() };
        Self { bytes, len: offset_u32(text.len()), skipped: u32::from(has_mark) }
    }

    fn at(&self, marker: Marker) -> u32 {
        let index = offset_u32(marker.index()) + self.skipped;
        if self.bytes.is_empty() { index.min(self.len) } else { self.bytes.get(index as usize).copied().unwrap_or(self.len) }
    }
}

/// Reading cannot go on; why is among the diagnostics.
struct GiveUp;

enum Open {
    List { items: Vec<Node>, start: Span, anchor: usize, before: usize },
    Map { entries: IndexMap<Arc<str>, Entry>, key: Option<Key>, merges: Vec<Node>, start: Span, anchor: usize, before: usize },
}

enum Key {
    Name(Arc<str>, Span),
    /// `<<`: the value's entries are taken in.
    Merge(Span),
    /// A key that is an error; its value is read and dropped.
    Wrong,
}

struct Reader<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    offsets: Offsets,
    found: &'a mut Vec<Diagnostic>,
    stack: Vec<Open>,
    /// Finished anchored nodes with the number of values they stand for.
    anchors: HashMap<usize, (Node, usize)>,
    /// Values so far, those behind aliases counted again at each use.
    count: usize,
    root: Option<Node>,
    documents: usize,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), GiveUp> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.error("several-documents", "a second YAML document starts here, expected one in a file", span, "");
                    return Err(GiveUp);
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.counted(1, span)?;
                let text = text.into_owned();
                if self.expects_key() {
                    self.key(text, style, anchor, span);
                } else {
                    let value = self.scalar(&text, style, tag.as_deref(), span);
                    let node = Node::new(Kind::Scalar(value), self.file, span);
                    self.anchored(anchor, &node, 1);
                    self.push(node);
                }
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    self.error("syntax-error", "the alias stands inside of what it names", span, "");
                    return Err(GiveUp);
                };
                self.counted(size, span)?;
                if self.expects_key() {
                    match &node.kind {
                        Kind::Scalar(value) if value.as_str().is_some() => {
                            self.key(value.as_str().unwrap_or_default().to_owned(), ScalarStyle::DoubleQuoted, 0, span);
                        }
                        _ => self.wrong_key(span),
                    }
                } else {
                    self.push(node);
                }
            }
            Event::SequenceStart(anchor, tag) => {
                self.opens(span, tag.as_deref())?;
                let before = self.count;
                self.stack.push(Open::List { items: Vec::new(), start: span, anchor, before });
            }
            Event::MappingStart(anchor, tag) => {
                self.opens(span, tag.as_deref())?;
                let before = self.count;
                self.stack.push(Open::Map {
                    entries: IndexMap::new(),
                    key: None,
                    merges: Vec::new(),
                    start: span,
                    anchor,
                    before,
                });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn opens(&mut self, span: Span, tag: Option<&Tag>) -> Result<(), GiveUp> {
        self.counted(1, span)?;
        if self.stack.len() >= MAX_DEPTH {
            self.error("nesting-too-deep", format!("more than {MAX_DEPTH} lists and maps inside one another"), span, "");
            return Err(GiveUp);
        }
        if self.expects_key() {
            self.wrong_key(span);
        }
        if let Some(tag) = tag
            && !(tag.is_yaml_core_schema() && matches!(&*tag.suffix, "seq" | "map"))
        {
            self.unknown_tag(tag, span);
        }
        Ok(())
    }

    fn close(&mut self, end: Span) {
        let (mut node, anchor, before) = match self.stack.pop() {
            Some(Open::List { items, start, anchor, before }) => {
                let last = items.last().filter(|item| *item.file == **self.file).map_or(start.end, |item| item.span.end);
                let span = Span::new(start.start, self.flow_end(start, end).unwrap_or(last.max(start.end)));
                (Node::new(Kind::List(Arc::new(items)), self.file, span), anchor, before)
            }
            Some(Open::Map { mut entries, merges, start, anchor, before, .. }) => {
                let last = entries.values().map(|e| e.node.span.end.max(e.key_span.end)).max().unwrap_or(start.end);
                let first = entries.values().map(|e| e.key_span.start).min().unwrap_or(start.start);
                for merged in merges {
                    if let Kind::Map(under) = &merged.kind {
                        for (key, entry) in under.iter() {
                            entries.entry(key.clone()).or_insert_with(|| entry.clone());
                        }
                    }
                }
                let flow = self.flow_end(start, end);
                let from = if flow.is_some() { start.start } else { first };
                let span = Span::new(from, flow.unwrap_or(last).max(from));
                (Node::new(Kind::Map(Arc::new(entries)), self.file, span), anchor, before)
            }
            None => return,
        };
        if node.span.end < node.span.start {
            node.span.end = node.span.start;
        }
        let size = self.count - before + 1;
        self.anchored(anchor, &node, size);
        self.push(node);
    }

    /// Returns where a list or map in brackets ends; `None` for one in block form.
    fn flow_end(&self, start: Span, end: Span) -> Option<u32> {
        let opening = self.text.as_bytes().get(start.start as usize);
        matches!(opening, Some(b'[' | b'{')).then(|| end.end.max(start.end))
    }

    fn anchored(&mut self, anchor: usize, node: &Node, size: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
    }

    fn counted(&mut self, more: usize, span: Span) -> Result<(), GiveUp> {
        self.count = self.count.saturating_add(more);
        if self.count <= MAX_NODES {
            return Ok(());
        }
        let message = format!("the file stands for more than {MAX_NODES} values, with each use of an alias counted in full");
        self.error("data-too-large", message, span, "the limit is passed here");
        Err(GiveUp)
    }

    fn expects_key(&self) -> bool {
        matches!(self.stack.last(), Some(Open::Map { key: None, .. }))
    }

    fn key(&mut self, text: String, style: ScalarStyle, anchor: usize, span: Span) {
        let name: Arc<str> = text.into();
        if anchor > 0 {
            let node = Node::new(Kind::Scalar(Value::String(name.clone())), self.file, span);
            self.anchors.insert(anchor, (node, 1));
        }
        let merge = &*name == "<<" && style == ScalarStyle::Plain;
        let Some(Open::Map { entries, key, .. }) = self.stack.last_mut() else { return };
        if merge {
            *key = Some(Key::Merge(span));
            return;
        }
        let earlier = entries.get(&name).map(|entry| entry.key_span);
        *key = Some(if earlier.is_some() { Key::Wrong } else { Key::Name(name.clone(), span) });
        if let Some(earlier) = earlier {
            self.found.push(duplicate_key(self.file, &name, earlier, span));
        }
    }

    fn wrong_key(&mut self, span: Span) {
        self.error("invalid-data-key", "a key is a list or a map, expected text", span, "");
        if let Some(Open::Map { key, .. }) = self.stack.last_mut() {
            *key = Some(Key::Wrong);
        }
    }

    fn push(&mut self, node: Node) {
        let mut bad_merge = None;
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, merges, .. }) => match key.take() {
                Some(Key::Name(name, key_span)) => {
                    entries.insert(name, Entry { key_span, node });
                }
                Some(Key::Merge(key_span)) => match &node.kind {
                    Kind::Map(_) => merges.push(node),
                    Kind::List(items) if items.iter().all(|item| matches!(item.kind, Kind::Map(_))) => {
                        merges.extend(items.iter().cloned());
                    }
                    _ => bad_merge = Some(key_span),
                },
                // A list or map that stood where a key was expected: what follows is its value.
                Some(Key::Wrong) | None => {}
            },
        }
        if let Some(span) = bad_merge {
            self.error("invalid-data-key", "`<<` takes a map or a list of maps", span, "");
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Value {
        if let Some(tag) = tag {
            return self.tagged(text, tag, span);
        }
        if style != ScalarStyle::Plain {
            return Value::string(text);
        }
        match read_plain(text) {
            Ok(Scalar { value, doubt }) => {
                if let Some(doubt) = doubt {
                    self.found.push(doubtful(self.file, text, doubt, span));
                }
                value
            }
            Err(bad) => {
                self.found.push(bad_number(self.file, text, bad, span));
                Value::None
            }
        }
    }

    fn tagged(&mut self, text: &str, tag: &Tag, span: Span) -> Value {
        if tag.handle == "!" && matches!(&*tag.suffix, "secret" | "vault" | "encrypted") {
            self.found.push(super::bind::unsupported_secret(self.file, span));
            return Value::None;
        }
        if !tag.is_yaml_core_schema() && tag.handle != "!" && tag.handle != "!!" {
            self.unknown_tag(tag, span);
            return Value::string(text);
        }
        let plain = read_plain(text).map(|scalar| scalar.value);
        match (&*tag.suffix, plain) {
            ("" | "str", _) => Value::string(text),
            ("int", Ok(value @ (Value::Int(_) | Value::Mode(_)))) => value,
            ("float", Ok(value @ Value::Float(_))) => value,
            ("float", Ok(Value::Int(n))) => Value::Float(n as f64),
            ("bool", Ok(value @ Value::Bool(_))) => value,
            ("null", Ok(Value::None)) => Value::None,
            ("int" | "float" | "bool" | "null", _) => {
                let shown = Value::string(text);
                self.error("invalid-value", format!("{shown} is not what the tag `!!{}` says", tag.suffix), span, "");
                Value::None
            }
            _ => {
                self.unknown_tag(tag, span);
                Value::string(text)
            }
        }
    }

    fn unknown_tag(&mut self, tag: &Tag, span: Span) {
        let shown = if tag.is_yaml_core_schema() { format!("!!{}", tag.suffix) } else { tag.to_string() };
        let message = format!("unknown tag `{shown}`");
        let diagnostic = Diagnostic::error("unknown-yaml-tag", message).at(self.file, self.tag_before(span), "");
        self.found.push(diagnostic.hint("known are `!!str`, `!!int`, `!!float`, `!!bool` and `!!null`"));
    }

    /// Where the tag of a value stands: before it, with nothing between but an anchor. The value itself where that is not so.
    fn tag_before(&self, value: Span) -> Span {
        let mut before = self.text.get(..value.start as usize).unwrap_or_default().trim_end();
        loop {
            let start = before.rfind(|c: char| c.is_whitespace() || matches!(c, '[' | '{' | ',')).map_or(0, |at| at + 1);
            match before.get(start..start + 1) {
                Some("!") => return Span::new(offset_u32(start), offset_u32(before.len())),
                Some("&") => before = before[..start].trim_end(),
                _ => return value,
            }
        }
    }

    fn error(&mut self, code: &'static str, message: impl Into<String>, span: Span, label: &str) {
        self.found.push(Diagnostic::error(code, message).at(self.file, span, label));
    }

    fn scan_error(&mut self, marker: &Marker, info: &str) {
        let at = self.offsets.at(*marker);
        let end = self.text[at as usize..].chars().next().map_or(at, |c| at + offset_u32(c.len_utf8()));
        let line = &self.text[..at as usize];
        let line = &line[line.rfind('\n').map_or(0, |n| n + 1)..];
        let mut diagnostic =
            Diagnostic::error("syntax-error", format!("not valid YAML: {info}")).at(self.file, Span::new(at, end), "");
        if self.text[at as usize..].starts_with('\t') || line.contains('\t') {
            diagnostic = diagnostic.hint("YAML does not allow tabs in its indentation: use spaces");
        } else if self.text.contains("{{") || self.text.contains("{%") {
            diagnostic = diagnostic.hint("data files are not templates: `{{ … }}` and `{% … %}` are not expanded here");
        } else if info.contains("did not find expected") {
            diagnostic = diagnostic
                .hint("look at how far this line and those before it are indented, and whether all brackets are closed");
        } else if info.contains("mapping values") {
            diagnostic = diagnostic.hint("quote text that holds `: `");
        }
        self.found.push(diagnostic);
    }
}

/// Says that a key stands twice.
pub(super) fn duplicate_key(file: &Arc<str>, name: &str, earlier: Span, span: Span) -> Diagnostic {
    Diagnostic::error("duplicate-data-key", format!("the key `{name}` stands twice"))
        .at(file, span, "the second one")
        .also(file, earlier, "the first one")
        .hint("remove one of them, or merge their values")
}

fn doubtful(file: &Arc<str>, text: &str, doubt: Doubt, span: Span) -> Diagnostic {
    match doubt {
        Doubt::OldBool(yes) => {
            Diagnostic::warning("ambiguous-scalar", format!("`{text}` is text in YAML 1.2, a bool in older YAML"))
                .at(file, span, "read as text")
                .hint(format!("write `{yes}` for a bool, or quote it: \"{text}\""))
        }
        Doubt::LeadingZero => Diagnostic::warning("ambiguous-scalar", format!("`{text}` starts with a zero and is not a mode"))
            .at(file, span, "read as text")
            .hint(format!("write it without the zero for a number, or quote it: \"{text}\"")),
    }
}

/// Says that a number cannot be represented.
pub(super) fn bad_number(file: &Arc<str>, text: &str, bad: BadScalar, span: Span) -> Diagnostic {
    let message = match bad {
        BadScalar::TooLarge => format!("the integer `{text}` does not fit into 64 bits"),
        BadScalar::NotFinite => format!("`{text}` is not a finite number"),
    };
    Diagnostic::error("number-out-of-range", message).at(file, span, "").hint("quote it if it is text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut found = Vec::new();
        let node = parse(&"x.yaml".into(), text, &mut found);
        let mut shown: Vec<String> = node.map(|n| n.to_value().to_string()).into_iter().collect();
        for d in &found {
            shown.push(format!("{} @{:?}", d.code, d.labels[0].span.text(text)));
        }
        assert_eq!(shown.join("\n"), expected, "{found:?}");
    }

    #[test]
    fn the_usual_forms_are_read() {
        check(
            "a: 1\nb: [x, 'y', \"z\\n\"]\nc:\n  - d: 0644\n    e: |\n      text\n    f:\n",
            "{ a = 1, b = [\"x\", \"y\", \"z\\n\"], c = [{ d = 0644, e = \"text\\n\", f = none }] }",
        );
        check("", "{}");
        check("# nothing\n---\n", "none");
        check("\u{feff}a: é\n", "{ a = \"é\" }");
        check("\u{feff}é: 'b\n", "syntax-error @\"'\"");
        check("1: a\ntrue: b\n", "{ \"1\" = \"a\", true = \"b\" }");
        check("a: !!str 1\nb: !!float 1\n", "{ a = \"1\", b = 1.0 }");
    }

    #[test]
    fn aliases_and_merge_keys_are_followed() {
        check("base: &b {x: 1, y: 2}\nweb:\n  <<: *b\n  y: 3\n", "{ base = { x = 1, y = 2 }, web = { y = 3, x = 1 } }");
        check("a: &x [1]\nb: *x\n", "{ a = [1], b = [1] }");
        check("a: &x [*x]\n", "syntax-error @\"*x\"");
        check("a: *nothing\n", "syntax-error @\"*\"");
        check("<<: 1\n", "{}\ninvalid-data-key @\"<<\"");
    }

    #[test]
    fn alias_bombs_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..10 {
            let uses = vec![format!("*a{}", i - 1); 10].join(", ");
            text.push_str(&format!("a{i}: &a{i} [{uses}]\n"));
        }
        let mut found = Vec::new();
        assert!(parse(&"x.yaml".into(), &text, &mut found).is_none());
        assert_eq!(found[0].code, "data-too-large");
    }

    #[test]
    fn mistakes_have_their_place() {
        check("a: 1\nb: 2\na: 3\n", "{ a = 1, b = 2 }\nduplicate-data-key @\"a\"");
        check("country: no\n", "{ country = \"no\" }\nambiguous-scalar @\"no\"");
        check("a: 1\n---\nb: 2\n", "several-documents @\"---\"");
        check("a: !!binary aGk=\n", "{ a = \"aGk=\" }\nunknown-yaml-tag @\"!!binary\"");
        check("a: [!x &b {c: 1}]\n", "{ a = [{ c = 1 }] }\nunknown-yaml-tag @\"!x\"");
        check("a: !x\n  - 1\n", "{ a = [1] }\nunknown-yaml-tag @\"!x\"");
        check("a: !secret x\n", "{ a = none }\nunsupported-secret @\"x\"");
        check("? [a]\n: b\n", "{}\ninvalid-data-key @\"[\"");
        check("é: 99999999999999999999\n", "{ \"é\" = none }\nnumber-out-of-range @\"99999999999999999999\"");
        check("a: {b\n", "syntax-error @\"\"");
    }

    #[test]
    fn deep_nesting_is_refused() {
        let mut found = Vec::new();
        assert!(parse(&"x.yaml".into(), &"[".repeat(10_000), &mut found).is_none());
        assert!(parse(&"x.yaml".into(), &"- ".repeat(10_000), &mut found).is_none());
        assert!(found.iter().all(|d| matches!(d.code, "nesting-too-deep" | "syntax-error")), "{found:?}");
    }

    #[test]
    fn nodes_know_their_places() {
        let text = "web:\n  vhosts:\n    - name: a\n      port: 80\n    - {name: é, port: x}\n";
        let node = parse(&"x.yaml".into(), text, &mut Vec::new()).unwrap();
        let place = |path: &[&str], key| {
            let path: Vec<String> = path.iter().map(|s| (*s).to_owned()).collect();
            node.place_of(&path, key).span.text(text).to_owned()
        };
        assert_eq!(place(&["web", "vhosts", "[1]", "port"], false), "x");
        assert_eq!(place(&["web", "vhosts", "[1]", "port"], true), "port");
        assert_eq!(place(&["web", "vhosts", "[1]"], false), "{name: é, port: x}");
        assert_eq!(place(&["web", "vhosts", "[0]"], false), "name: a\n      port: 80");
        assert_eq!(place(&["web", "vhosts", "[0]", "name"], false), "a");
    }
}
