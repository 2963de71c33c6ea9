//! YAML, edited in the text: each step replaces, adds or takes away exactly the characters of its node, as the parser's events place
//! them. Libraries that keep comments were looked at and found too young; what they would do here is proven by reading the result again.

mod nodes;
mod scalars;

use serde_json::Value as Json;

use self::nodes::{Entry, Kind, Node};
use super::{Format, Operation, Step, refused};
use crate::edit::Flaw;

/// YAML.
#[derive(Clone, Copy, Debug)]
pub(crate) struct YamlFormat;

impl Format for YamlFormat {
    fn empty(&self) -> &'static str {
        ""
    }

    fn read(&self, text: &str) -> Result<Json, Flaw> {
        Ok(nodes::parse(text)?.map_or(Json::Null, |root| root.data()))
    }

    fn change(&self, text: &str, operation: &Operation) -> Result<String, Flaw> {
        let (Operation::Set(at, _) | Operation::Insert(at, _) | Operation::Remove(at)) = operation;
        let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let Some(root) = nodes::parse(text)? else {
            // Nothing but comments: the document begins after them.
            let new = match (operation, &at[..]) {
                (Operation::Set(_, value), []) => Some(value.clone()),
                (Operation::Insert(_, value), [Step::Key(key)]) => {
                    Some(Json::Object([(key.to_string(), value.clone())].into_iter().collect()))
                }
                _ => None,
            };
            let new = new.ok_or_else(|| refused(at, "there is nothing in the file"))?;
            let line = if text.is_empty() || text.ends_with('\n') { "" } else { ending };
            return Ok(format!("{text}{line}{}{ending}", scalars::document(&new).replace('\n', ending)));
        };
        let editor = Editor { text, root: &root, ending };
        editor.make(at, operation).ok_or_else(|| refused(at, "it is written in a way that only a person can change"))
    }
}

/// A text with what stands where in it.
struct Editor<'t> {
    text: &'t str,
    root: &'t Node,
    ending: &'static str,
}

impl Editor<'_> {
    fn make(&self, at: &[Step], operation: &Operation) -> Option<String> {
        match operation {
            Operation::Set(_, value) => self.set(at, value),
            Operation::Insert(_, value) => self.insert(at, value),
            Operation::Remove(_) => self.remove(at),
        }
    }

    fn node(&self, at: &[Step]) -> Option<&Node> {
        at.iter().try_fold(self.root, |node, step| node.child(step))
    }

    fn entry(&self, at: &[Step]) -> Option<&Entry> {
        let (Step::Key(key), above) = at.split_last()? else { return None };
        match &self.node(above)?.kind {
            Kind::Map { entries, .. } => entries.iter().find(|entry| *entry.key == **key),
            _ => None,
        }
    }

    /// Says whether a node stands within brackets, where lines mean nothing.
    fn is_flow(&self, at: &[Step]) -> bool {
        (0..=at.len()).any(|depth| self.node(&at[..depth]).is_some_and(Node::is_flow))
    }

    fn splice(&self, start: usize, end: usize, new: &str) -> Option<String> {
        let new = new.replace('\n', self.ending);
        Some(format!("{}{new}{}", self.text.get(..start)?, self.text.get(end..)?))
    }

    /// The end of the line that a position is in, its ending excluded.
    fn line_end(&self, at: usize) -> usize {
        let rest = &self.text[at..];
        let end = rest.find('\n').map_or(self.text.len(), |end| at + end);
        if self.text[..end].ends_with('\r') { end - 1 } else { end }
    }

    fn next_line(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |end| at + end + 1)
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |end| end + 1)
    }

    fn column(&self, at: usize) -> usize {
        self.text[self.line_start(at)..at].chars().count()
    }

    /// The column below which a node's own lines are: that of the key or dash it belongs to.
    fn indent_of(&self, at: &[Step]) -> Option<usize> {
        match at.split_last() {
            None => Some(0),
            Some((Step::Key(_), _)) => self.entry(at).map(|entry| self.column(entry.start)),
            Some((Step::Index(_), above)) => self.node(above).map(|list| self.column(list.start)),
        }
    }

    fn set(&self, at: &[Step], value: &Json) -> Option<String> {
        let node = self.node(at)?;
        if node.is_tagged || matches!(node.kind, Kind::Alias { .. }) {
            return None;
        }
        let above = at.split_last().map_or(&[][..], |(_, above)| above);
        if !at.is_empty() && self.is_flow(above) {
            return self.splice(node.start, node.end, &scalars::flow(value));
        }
        let is_nested = |value: &Json| match value {
            Json::Object(map) => !map.is_empty(),
            Json::Array(items) => !items.is_empty(),
            _ => false,
        };
        if at.is_empty() {
            return self.splice(node.start, node.content_end(self.text), &scalars::document(value));
        }
        let indent = self.indent_of(at)?;
        if node.is_block() || is_nested(value) || scalars::is_literal(value) {
            // What stands behind the key or dash, but for a comment there, and the lines below it.
            let mark = self.mark_end(at, node)?;
            let new = scalars::block(value, indent);
            let (first, below) = new.split_once('\n').map_or((&*new, None), |(first, below)| (first, Some(below)));
            let own_line = self.line_end(mark);
            let inline_end = if node.is_block() || node.start > own_line { mark } else { node.content_end(self.text).max(mark) };
            let end = node.content_end(self.text).max(inline_end);
            let comment = if node.is_block() { &self.text[mark..own_line] } else { "" };
            let comment = if comment.trim_start().starts_with('#') { comment } else { "" };
            let below = below.map(|below| format!("\n{below}")).unwrap_or_default();
            if !node.is_block() && node.is_single_line(self.text) {
                let rest = &self.text[end..self.line_end(end)];
                return self.splice(mark, self.line_end(end), &format!("{first}{rest}{below}"));
            }
            return self.splice(mark, end, &format!("{first}{comment}{below}"));
        }
        if node.is_empty() {
            let mark = self.mark_end(at, node)?;
            return self.splice(mark, mark, &format!(" {}", scalars::plain(value)));
        }
        let quote = self.text[node.start..].chars().next();
        let new = match (value, quote) {
            (Json::String(text), Some('\'')) if !text.contains('\n') => format!("'{}'", text.replace('\'', "''")),
            (Json::String(_), Some('"')) => value.to_string(),
            _ => scalars::plain(value),
        };
        self.splice(node.start, node.content_end(self.text), &new)
    }

    /// The end of the `:` or `-` that a node stands behind.
    fn mark_end(&self, at: &[Step], node: &Node) -> Option<usize> {
        match at.last()? {
            Step::Key(_) => {
                let entry = self.entry(at)?;
                let colon = self.text[entry.key_end..].find(':')?;
                self.text[entry.key_end..entry.key_end + colon].trim().is_empty().then_some(entry.key_end + colon + 1)
            }
            Step::Index(_) => {
                let dash = self.text[..node.start].rfind('-')?;
                self.text[dash + 1..node.start].trim().is_empty().then_some(dash + 1)
            }
        }
    }

    fn insert(&self, at: &[Step], value: &Json) -> Option<String> {
        let (last, above) = at.split_last()?;
        let parent = self.node(above)?;
        let wrapped = || match last {
            Step::Key(key) => Json::Object([(key.to_string(), value.clone())].into_iter().collect()),
            Step::Index(_) => Json::Array(vec![value.clone()]),
        };
        match (&parent.kind, last) {
            (Kind::Scalar(Json::Null), _) => self.set(above, &wrapped()),
            (Kind::Map { entries, is_flow: true }, Step::Key(_))
                if entries.is_empty() && !self.is_flow(above.split_last().map_or(&[][..], |(_, above)| above)) =>
            {
                self.set(above, &wrapped())
            }
            (Kind::List { items, is_flow: true }, _) if items.is_empty() => {
                self.splice(parent.start, parent.end, &scalars::flow(&wrapped()))
            }
            (Kind::Map { entries, is_flow: true }, Step::Key(key)) => {
                let new = format!("{}: {}", scalars::key(key), scalars::flow(value));
                match entries.last() {
                    Some(last) => self.splice(last.value.end, last.value.end, &format!(", {new}")),
                    None => self.splice(parent.start, parent.end, &format!("{{{new}}}")),
                }
            }
            (Kind::List { items, is_flow: true }, _) => {
                let last = items.last()?;
                self.splice(last.end, last.end, &format!(", {}", scalars::flow(value)))
            }
            (Kind::Map { entries, .. }, Step::Key(key)) => {
                let indent = self.column(entries.first()?.start);
                let new = format!("{}{}:{}", " ".repeat(indent), scalars::key(key), scalars::block(value, indent));
                self.add_lines(parent, &new)
            }
            (Kind::List { .. }, _) => {
                let indent = self.column(parent.start);
                let new = format!("{}{}", " ".repeat(indent), scalars::item(value, indent));
                self.add_lines(parent, &new)
            }
            _ => None,
        }
    }

    /// Adds lines after the last one of a node.
    fn add_lines(&self, parent: &Node, new: &str) -> Option<String> {
        let end = parent.content_end(self.text);
        let at = self.next_line(end);
        if self.text[..at].ends_with('\n') {
            self.splice(at, at, &format!("{new}\n"))
        } else {
            self.splice(at, at, &format!("\n{new}\n"))
        }
    }

    fn remove(&self, at: &[Step]) -> Option<String> {
        let (last, above) = at.split_last()?;
        let parent = self.node(above)?;
        match (&parent.kind, last) {
            (Kind::Map { entries, .. }, Step::Key(key)) => {
                let index = entries.iter().position(|entry| *entry.key == **key)?;
                if entries.len() == 1 {
                    return self.set(above, &Json::Object(serde_json::Map::new()));
                }
                let ranges: Vec<(usize, &Node)> = entries.iter().map(|entry| (entry.start, &entry.value)).collect();
                self.take(parent, &ranges, index)
            }
            (Kind::List { items, is_flow }, Step::Index(index)) => {
                if items.len() == 1 {
                    return self.set(above, &Json::Array(Vec::new()));
                }
                let start = |item: &Node| if *is_flow { Some(item.start) } else { self.text[..item.start].rfind('-') };
                let ranges: Option<Vec<(usize, &Node)>> = items.iter().map(|item| Some((start(item)?, item))).collect();
                self.take(parent, &ranges?, *index)
            }
            _ => None,
        }
    }

    /// The end of the lines from here on that are comments deeper than this column.
    fn after_remarks(&self, mut at: usize, column: usize) -> usize {
        let is_deeper = |line: &str| {
            let remark = line.trim_start_matches(' ');
            remark.starts_with('#') && line.len() - remark.len() > column
        };
        while at < self.text.len() && is_deeper(&self.text[at..]) {
            at = self.next_line(at);
        }
        at
    }

    /// Takes one of several parts of a node away. Comments above it stay; those below that stand deeper than it were its own, and
    /// would become lines of a text above.
    fn take(&self, parent: &Node, parts: &[(usize, &Node)], index: usize) -> Option<String> {
        let (start, node) = parts[index];
        if parent.is_flow() {
            return match parts.get(index + 1) {
                Some((next, _)) => self.splice(start, *next, ""),
                None => self.splice(parts.get(index.checked_sub(1)?)?.1.end, node.end, ""),
            };
        }
        let end = node.content_end(self.text).max(start);
        let first = self.line_start(start);
        if self.text[first..start].trim().is_empty() {
            return self.splice(first, self.after_remarks(self.next_line(end), self.column(start)), "");
        }
        // It stands behind a dash: the next part takes its place there.
        let (next, _) = parts.get(index + 1)?;
        self.splice(start, *next, "")
    }
}
