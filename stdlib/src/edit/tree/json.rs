//! JSON, with comments where they are allowed. The concrete syntax tree of `jsonc-parser` keeps every blank.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstNode, CstRootNode};
use serde_json::Value as Json;

use super::{Format, Operation, Step, refused};
use crate::edit::Flaw;

/// JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonFormat {
    /// Comments and commas after the last item are taken, as editors and linters do.
    pub(crate) comments: bool,
}

impl JsonFormat {
    fn options(self) -> ParseOptions {
        ParseOptions {
            allow_comments: self.comments,
            allow_trailing_commas: self.comments,
            allow_loose_object_property_names: false,
            allow_missing_commas: false,
            allow_single_quoted_strings: false,
            allow_hexadecimal_numbers: false,
            allow_unary_plus_numbers: false,
            allow_bare_decimal_point_numbers: false,
            allow_non_finite_numbers: false,
            allow_extended_string_escapes: false,
        }
    }

    fn parse(self, text: &str) -> Result<CstRootNode, Flaw> {
        if !self.comments
            && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text.trim_start_matches('\u{feff}'))
        {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default().to_owned();
            let hint = "mend it by hand; `comments = true` takes comments and commas after the last item";
            // What ends too early is noticed at the line break behind it.
            let behind = usize::from(error.column() == 0);
            return Err(Flaw::malformed(error.line().saturating_sub(behind).max(1), message, hint));
        }
        CstRootNode::parse(text, &self.options()).map_err(|error| {
            let mut message = error.kind().to_string();
            if let Some(first) = message.get_mut(..1) {
                first.make_ascii_lowercase();
            }
            Flaw::malformed(error.line_display(), message, "mend it by hand")
        })
    }
}

impl Format for JsonFormat {
    fn empty(&self) -> &'static str {
        "{}\n"
    }

    fn read(&self, text: &str) -> Result<Json, Flaw> {
        let root = self.parse(text)?;
        let value = root.value();
        value.as_ref().map_or(Ok(Json::Null), |value| read(value, text))
    }

    fn change(&self, text: &str, operation: &Operation) -> Result<String, Flaw> {
        let root = self.parse(text)?;
        let (Operation::Set(at, _) | Operation::Insert(at, _) | Operation::Remove(at)) = operation;
        let lost = || refused(at, "it is not where it was");
        let Some((last, above)) = at.split_last() else {
            if let Operation::Set(_, value) = operation {
                root.set_value(input(value));
            }
            return Ok(root.to_string());
        };
        let parent = above.iter().try_fold(root.value().ok_or_else(lost)?, |node, step| child(&node, step)).ok_or_else(lost);
        let parent = parent?;
        match (operation, last) {
            (Operation::Insert(_, value), Step::Key(key)) => {
                parent.as_object().ok_or_else(lost)?.append(key, input(value));
            }
            (Operation::Insert(_, value), Step::Index(_)) => {
                parent.as_array().ok_or_else(lost)?.append(input(value));
            }
            (Operation::Set(_, value), Step::Key(key)) => {
                let property = parent.as_object().and_then(|object| object.get(key)).ok_or_else(lost)?;
                property.set_value(input(value));
            }
            (Operation::Set(_, value), step) => replace(child(&parent, step).ok_or_else(lost)?, input(value)),
            (Operation::Remove(_), step) => {
                let before = blanks(&parent);
                match step {
                    Step::Key(key) => parent.as_object().and_then(|object| object.get(key)).ok_or_else(lost)?.remove(),
                    Step::Index(_) => child(&parent, step).ok_or_else(lost)?.remove(),
                }
                close_up(&parent, before);
            }
        }
        Ok(root.to_string())
    }
}

/// The blanks behind the opening bracket of a node and before the closing one.
fn blanks(node: &CstNode) -> [Vec<CstNode>; 2] {
    let children = node.children();
    let is_blank = |child: &&CstNode| child.is_newline() || child.is_whitespace();
    let inner = children.get(1..children.len().saturating_sub(1)).unwrap_or_default();
    let first = inner.iter().take_while(is_blank).cloned().collect();
    [first, inner.iter().rev().take_while(is_blank).cloned().collect()]
}

/// Takes away what set a part off that is gone, at either end: there were no blank lines there before.
fn close_up(node: &CstNode, before: [Vec<CstNode>; 2]) {
    let lines = |blanks: &[CstNode]| blanks.iter().filter(|blank| blank.is_newline()).count();
    for (now, before) in blanks(node).into_iter().zip(before) {
        let mut surplus = lines(&now).saturating_sub(lines(&before).max(1));
        for blank in &now {
            if before.is_empty() && blank.is_whitespace() && lines(&now) == 0 {
                blank.clone().remove();
            } else if surplus > 0 && blank.is_newline() {
                blank.clone().remove();
                surplus -= 1;
            }
        }
    }
}

fn child(node: &CstNode, step: &Step) -> Option<CstNode> {
    match step {
        Step::Key(key) => node.as_object()?.get(key)?.value(),
        Step::Index(index) => node.as_array()?.elements().into_iter().nth(*index),
    }
}

fn replace(node: CstNode, value: CstInputValue) {
    if let Some(it) = node.as_object() {
        it.replace_with(value);
    } else if let Some(it) = node.as_array() {
        it.replace_with(value);
    } else if let Some(it) = node.as_string_lit() {
        it.replace_with(value);
    } else if let Some(it) = node.as_number_lit() {
        it.replace_with(value);
    } else if let Some(it) = node.as_boolean_lit() {
        it.replace_with(value);
    } else if let Some(it) = node.as_null_keyword() {
        it.replace_with(value);
    }
}

/// What a node says. A key that is there twice cannot be told apart.
fn read(node: &CstNode, text: &str) -> Result<Json, Flaw> {
    if let Some(object) = node.as_object() {
        let mut map = serde_json::Map::new();
        for property in object.properties() {
            let name = property.decoded_name().unwrap_or_default();
            let value = property.value().map_or(Ok(Json::Null), |value| read(&value, text))?;
            if map.insert(name.clone(), value).is_some() {
                let quoted = Json::String(name).to_string();
                let line = text.rfind(&quoted).map_or(1, |at| text[..at].lines().count().max(1));
                return Err(Flaw::malformed(line, format!("the key {quoted} is there twice"), "take one of them away by hand"));
            }
        }
        return Ok(Json::Object(map));
    }
    if let Some(array) = node.as_array() {
        return array.elements().iter().map(|element| read(element, text)).collect::<Result<_, _>>().map(Json::Array);
    }
    if let Some(string) = node.as_string_lit() {
        return Ok(string.decoded_value().map_or(Json::Null, Json::String));
    }
    Ok(serde_json::from_str(&node.to_string()).unwrap_or(Json::Null))
}

fn input(value: &Json) -> CstInputValue {
    match value {
        Json::Null => CstInputValue::Null,
        Json::Bool(it) => CstInputValue::Bool(*it),
        Json::Number(it) => CstInputValue::Number(it.to_string()),
        Json::String(it) => CstInputValue::String(it.clone()),
        Json::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Json::Object(map) => CstInputValue::Object(map.iter().map(|(key, value)| (key.clone(), input(value))).collect()),
    }
}
