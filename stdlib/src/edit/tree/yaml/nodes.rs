//! A YAML document as nodes that know where they stand.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use serde_json::{Map, Value as Json};

use super::super::Step;
use super::scalars;
use crate::edit::Flaw;

/// Deeper nesting is nobody's configuration.
const MAX_DEPTH: usize = 200;

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Scalar(Json),
    List {
        items: Vec<Node>,
        is_flow: bool,
    },
    Map {
        entries: Vec<Entry>,
        is_flow: bool,
    },
    /// Another node by its name, and what that says.
    Alias {
        data: Json,
    },
}

/// A node, from its first to behind its last byte.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: Kind,
    /// A tag says what the node is, so that another value could be another thing.
    pub(super) is_tagged: bool,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) start: usize,
    pub(super) key_end: usize,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn data(&self) -> Json {
        match &self.kind {
            Kind::Scalar(data) | Kind::Alias { data } => data.clone(),
            Kind::List { items, .. } => Json::Array(items.iter().map(Self::data).collect()),
            Kind::Map { entries, .. } => {
                entries.iter().map(|entry| (entry.key.clone(), entry.value.data())).collect::<Map<_, _>>().into()
            }
        }
    }

    pub(super) fn child(&self, step: &Step) -> Option<&Self> {
        match (&self.kind, step) {
            (Kind::Map { entries, .. }, Step::Key(key)) => {
                entries.iter().find(|entry| *entry.key == **key).map(|entry| &entry.value)
            }
            (Kind::List { items, .. }, Step::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    pub(super) fn is_flow(&self) -> bool {
        matches!(self.kind, Kind::List { is_flow: true, .. } | Kind::Map { is_flow: true, .. })
    }

    pub(super) fn is_block(&self) -> bool {
        matches!(self.kind, Kind::List { is_flow: false, .. } | Kind::Map { is_flow: false, .. })
    }

    /// Nothing is written: `key:`.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end && matches!(self.kind, Kind::Scalar(Json::Null))
    }

    pub(super) fn is_single_line(&self, text: &str) -> bool {
        !text[self.start..self.content_end(text)].contains('\n')
    }

    /// Where its last character is, without the blank lines that follow.
    pub(super) fn content_end(&self, text: &str) -> usize {
        let end = match &self.kind {
            Kind::List { items, is_flow: false } => items.last().map_or(self.end, |last| last.content_end(text).max(last.start)),
            Kind::Map { entries, is_flow: false } => entries.last().map_or(self.end, |last| {
                let value = last.value.content_end(text);
                if last.value.is_empty() { colon_end(text, last.key_end) } else { value }
            }),
            _ => self.end,
        };
        let end = end.min(text.len());
        let kept = text[..end].trim_end().len();
        if self.is_empty() { end } else { kept.max(self.start) }
    }
}

/// The end of the `:` behind a key.
fn colon_end(text: &str, key_end: usize) -> usize {
    text[key_end..].find(':').map_or(key_end, |colon| key_end + colon + 1)
}

/// Reads a document; `None` of a text of comments and blanks.
///
/// # Errors
/// What the parser refuses, a second document, and keys that are no scalars or are there twice.
pub(super) fn parse(text: &str) -> Result<Option<Node>, Flaw> {
    let bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let offset = |marker: Marker| bytes.get(marker.index()).copied().unwrap_or(text.len());
    let flaw = |line: usize, message: String| Flaw::malformed(line, message, "mend it by hand");
    let mut reader = Reader { text, stack: Vec::new(), root: None, anchors: HashMap::new() };
    let mut documents = 0;
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| flaw(error.marker().line(), error.info().to_owned()))?;
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                return Err(flaw(span.start.line(), "a second document begins here, expected one in the file".into()));
            }
        }
        if matches!(event, Event::StreamEnd) {
            break;
        }
        reader.take(event, offset(span.start), offset(span.end)).map_err(|message| flaw(span.start.line(), message))?;
    }
    // A file of comments alone is read as one empty scalar.
    Ok(reader.root.filter(|root| !root.is_empty()))
}

struct Open {
    node: Node,
    anchor: usize,
    /// A key whose value is still to come.
    key: Option<(String, usize, usize)>,
}

struct Reader<'t> {
    text: &'t str,
    stack: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Json>,
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, start: usize, end: usize) -> Result<(), String> {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let data = match (style, &tag) {
                    (ScalarStyle::Plain, None) => scalars::read(&value),
                    _ => Json::String(value.to_string()),
                };
                // The parser places what is not written where the next token is.
                let (start, end) = match style {
                    ScalarStyle::Plain if value.is_empty() => (start, start),
                    ScalarStyle::Literal => (self.header(start, '|'), end),
                    ScalarStyle::Folded => (self.header(start, '>'), end),
                    _ => (start, end),
                };
                self.put(
                    Node { start, end, kind: Kind::Scalar(data), is_tagged: tag.is_some() },
                    anchor,
                    Some(value.into_owned()),
                )
            }
            Event::Alias(anchor) => {
                let data = self.anchors.get(&anchor).cloned().ok_or("an alias stands inside of what it names")?;
                self.put(Node { start, end, kind: Kind::Alias { data }, is_tagged: false }, 0, None)
            }
            Event::SequenceStart(anchor, tag) => {
                let is_flow = self.text[start..].starts_with('[');
                self.open(Node { start, end, kind: Kind::List { items: Vec::new(), is_flow }, is_tagged: tag.is_some() }, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                let is_flow = self.text[start..].starts_with('{');
                self.open(Node { start, end, kind: Kind::Map { entries: Vec::new(), is_flow }, is_tagged: tag.is_some() }, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(mut open) = self.stack.pop() else { return Ok(()) };
                open.node.end = end;
                self.put(open.node, open.anchor, None)
            }
            _ => Ok(()),
        }
    }

    /// Where the text of a block scalar begins: at the mark in the line above its first one.
    fn header(&self, start: usize, mark: char) -> usize {
        let above = self.text[..start].trim_end();
        let line = above.rfind('\n').map_or(0, |end| end + 1);
        let is_header = |at: usize| {
            let rest = above[at + 1..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '+' || c == '-');
            (rest.is_empty() || rest.starts_with([' ', '\t'])) && above[line..at].ends_with([' ', '\t'])
        };
        above[line..].match_indices(mark).map(|(at, _)| line + at).find(|at| is_header(*at)).unwrap_or(start)
    }

    fn open(&mut self, node: Node, anchor: usize) -> Result<(), String> {
        let expects_key = matches!(self.stack.last(), Some(Open { node: Node { kind: Kind::Map { .. }, .. }, key: None, .. }));
        if expects_key {
            return Err("a key that is a list or a map, expected text".into());
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} levels of lists and maps"));
        }
        self.stack.push(Open { node, anchor, key: None });
        Ok(())
    }

    fn put(&mut self, node: Node, anchor: usize, text: Option<String>) -> Result<(), String> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.data());
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.kind {
            Kind::List { items, .. } => items.push(node),
            Kind::Map { entries, .. } => match open.key.take() {
                None => {
                    let key = text.ok_or("a key that is an alias, expected text")?;
                    if entries.iter().any(|entry| entry.key == key) {
                        return Err(format!("the key `{key}` is there twice"));
                    }
                    open.key = Some((key, node.start, node.end));
                }
                Some((key, start, key_end)) => {
                    let mut value = node;
                    if value.is_empty() {
                        // Behind the `:` of its key, wherever the parser came to know of it.
                        let at = colon_end(self.text, key_end);
                        (value.start, value.end) = (at, at);
                    }
                    entries.push(Entry { key, start, key_end, value });
                }
            },
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_stand_where_they_are_written() {
        let text = "a: |\n  old\n  text\nb: >-\n  folded\n  text\nc: 'é'\nd: \"x\"\ne: plain\n";
        let root = parse(text).expect("it is YAML").expect("there is something");
        let Kind::Map { entries, .. } = &root.kind else { panic!("a map: {root:?}") };
        let found: Vec<&str> = entries.iter().map(|entry| &text[entry.value.start..entry.value.content_end(text)]).collect();
        assert_eq!(found, ["|\n  old\n  text", ">-\n  folded\n  text", "'é'", "\"x\"", "plain"]);
    }
}
