//! Settings in files that are trees: JSON, YAML, TOML. What is wanted is decided on plain data; the steps that lead there are made in
//! the text, each where its setting stands; and the text that comes out is read again and has to hold exactly what was decided.

pub(crate) mod json;
pub(crate) mod resource;
pub(crate) mod toml;
pub(crate) mod yaml;

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use stead_catalog::Value;

use super::{Edited, Flaw};

/// One step into a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into a map.
    Key(Arc<str>),
    /// Into a list, from 0.
    Index(usize),
}

/// A step of the way from one tree to another, in the order in which they are made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operation {
    /// Gives what is there another value.
    Set(Vec<Step>, Json),
    /// Adds a key that its map does not have, or an item at the end of its list.
    Insert(Vec<Step>, Json),
    /// Takes a key or an item away.
    Remove(Vec<Step>),
}

/// A format.
pub(crate) trait Format {
    /// What a new file holds before anything is set in it.
    fn empty(&self) -> &'static str;

    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with it, with its line.
    fn read(&self, text: &str) -> Result<Json, Flaw>;

    /// Makes one step in the text.
    ///
    /// # Errors
    /// Why it cannot be made without touching more.
    fn change(&self, text: &str, operation: &Operation) -> Result<String, Flaw>;
}

/// What is wanted of one place in a tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// The place.
    pub(crate) at: Vec<Step>,
    /// It is not there at all.
    pub(crate) absent: bool,
    /// All of it.
    pub(crate) value: Option<Json>,
    /// Keys of the map there; maps among them say what is in those.
    pub(crate) settings: Map<String, Json>,
    /// The map there has no other keys.
    pub(crate) purge: bool,
    /// Keys of the map that are not there.
    pub(crate) without: Vec<Arc<str>>,
    /// Items that the list there has.
    pub(crate) add: Vec<Json>,
    /// Items that the list does not have.
    pub(crate) remove: Vec<Json>,
}

/// Shows a place as it is written: `server.tls[0]`.
pub(crate) struct Place<'s>(pub(crate) &'s [Step]);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the whole");
        }
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Edits a text of this format.
pub(crate) fn edit(format: &dyn Format, wish: &Wish, text: &[u8]) -> Edited {
    let text = std::str::from_utf8(text).map_err(|error| {
        let line = text[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
        Flaw::malformed(line, "the text is not UTF-8", "convert the file, or declare it as a whole with `file`")
    })?;
    let is_empty = text.trim_start_matches('\u{feff}').trim().is_empty();
    if is_empty && wish.absent {
        return Ok(None);
    }
    let mut new = if is_empty { format.empty().to_owned() } else { text.to_owned() };
    let current = format.read(&new)?;
    let wanted = wanted(&current, wish)?;
    let mut operations = Vec::new();
    difference(&current, &wanted, &mut Vec::new(), &mut operations);
    if operations.is_empty() {
        return Ok(None);
    }
    for operation in &operations {
        new = format.change(&new, operation)?;
    }
    match format.read(&new) {
        Ok(found) if found == wanted => Ok(Some(new.into_bytes())),
        _ => Err(refused(&wish.at, "more than that would change with it")),
    }
}

/// Gives the text at a place of a JSON, YAML or TOML file a value, and touches nothing else. The format is told by the name of the file. Maps on the
/// way that are missing are made. Returns `None` where the value is there already.
///
/// # Errors
/// In words: what is wrong with the file, or why the place cannot be changed alone.
pub fn set_text(file: &str, text: &[u8], at: &[KeyStep], value: &str) -> Result<Option<Vec<u8>>, String> {
    let extension = file.rsplit('.').next().unwrap_or_default();
    let format: &dyn Format = match extension {
        "yaml" | "yml" => &yaml::YamlFormat,
        "toml" => &toml::TomlFormat,
        _ => &json::JsonFormat { comments: false },
    };
    let at = at.iter().map(|step| match step {
        KeyStep::Key(key) => Step::Key(key.clone()),
        KeyStep::Index(index) => Step::Index(*index),
    });
    let wish = Wish { at: at.collect(), value: Some(Json::String(value.to_owned())), ..Wish::default() };
    edit(format, &wish, text).map_err(|flaw| flaw.message)
}

/// One step to a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyStep {
    /// Into a map.
    Key(Arc<str>),
    /// Into a list, from 0.
    Index(usize),
}

/// A step that cannot be made in the text.
pub(crate) fn refused(at: &[Step], reason: &str) -> Flaw {
    Flaw {
        code: "edit-refused",
        line: None,
        message: format!("`{}` cannot be changed in place: {reason}", Place(at)),
        hint: "change it by hand, or declare the whole file with `file`".into(),
    }
}

/// What the tree is to be.
fn wanted(current: &Json, wish: &Wish) -> Result<Json, Flaw> {
    let mut tree = current.clone();
    if wish.absent {
        remove(&mut tree, &wish.at);
        return Ok(tree);
    }
    let place = descend(&mut tree, &wish.at)?;
    if let Some(value) = &wish.value {
        *place = value.clone();
    }
    if !wish.settings.is_empty() || wish.purge || !wish.without.is_empty() {
        if !(place.is_object() || place.is_null()) {
            return Err(wrong_shape(&wish.at, place, "a map"));
        }
        merge(place, &wish.settings, wish.purge);
        if let Json::Object(map) = place {
            map.retain(|key, _| !wish.without.iter().any(|gone| **gone == **key));
        }
    }
    if !wish.add.is_empty() || !wish.remove.is_empty() {
        if place.is_null() {
            *place = Json::Array(Vec::new());
        }
        let Json::Array(items) = place else { return Err(wrong_shape(&wish.at, place, "a list")) };
        items.retain(|item| !wish.remove.contains(item));
        for item in &wish.add {
            if !items.contains(item) {
                items.push(item.clone());
            }
        }
    }
    Ok(tree)
}

/// Goes to a place, and makes the maps on the way that are missing.
fn descend<'t>(tree: &'t mut Json, at: &[Step]) -> Result<&'t mut Json, Flaw> {
    let mut place = tree;
    for (depth, step) in at.iter().enumerate() {
        match step {
            Step::Key(key) => {
                if place.is_null() {
                    *place = Json::Object(Map::new());
                }
                let Json::Object(map) = place else { return Err(wrong_shape(&at[..depth], place, "a map")) };
                place = map.entry(&**key).or_insert(Json::Null);
            }
            Step::Index(index) => {
                let Json::Array(items) = place else { return Err(wrong_shape(&at[..depth], place, "a list")) };
                let count = items.len();
                place = items.get_mut(*index).ok_or_else(|| Flaw {
                    code: "wrong-shape",
                    line: None,
                    message: format!("the list `{}` has {count} items, and no item {index}", Place(&at[..depth])),
                    hint: "items are counted from 0; one that is missing is added with `add`".into(),
                })?;
            }
        }
    }
    Ok(place)
}

fn wrong_shape(at: &[Step], found: &Json, expected: &str) -> Flaw {
    let found = match found {
        Json::Null => "nothing",
        Json::Bool(_) => "a bool",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    };
    Flaw {
        code: "wrong-shape",
        line: None,
        message: format!("`{}` is {found}, expected {expected}", Place(at)),
        hint: "check the path, or set all of it: `value = …`".into(),
    }
}

fn remove(tree: &mut Json, at: &[Step]) {
    match (at, tree) {
        ([], tree) => *tree = Json::Null,
        ([Step::Key(key)], Json::Object(map)) => {
            map.shift_remove(&**key);
        }
        ([Step::Index(index)], Json::Array(items)) if *index < items.len() => {
            items.remove(*index);
        }
        ([Step::Key(key), rest @ ..], Json::Object(map)) => {
            if let Some(inner) = map.get_mut(&**key) {
                remove(inner, rest);
            }
        }
        ([Step::Index(index), rest @ ..], Json::Array(items)) => {
            if let Some(inner) = items.get_mut(*index) {
                remove(inner, rest);
            }
        }
        _ => {}
    }
}

/// Puts settings into a map, maps into those that are there already.
fn merge(place: &mut Json, settings: &Map<String, Json>, purge: bool) {
    if !place.is_object() {
        *place = Json::Object(Map::new());
    }
    let Json::Object(map) = place else { return };
    if purge {
        map.retain(|key, _| settings.contains_key(key));
    }
    for (key, value) in settings {
        match (map.get_mut(key), value) {
            (Some(found @ Json::Object(_)), Json::Object(inner)) => merge(found, inner, purge),
            (Some(found), value) => *found = value.clone(),
            (None, value) => {
                map.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The steps from one tree to another. What is the same stays untouched.
fn difference(current: &Json, wanted: &Json, at: &mut Vec<Step>, steps: &mut Vec<Operation>) {
    if current == wanted {
        return;
    }
    match (current, wanted) {
        (Json::Object(old), Json::Object(new)) if !old.is_empty() && !new.is_empty() => {
            if !old.keys().any(|key| new.contains_key(key)) {
                // Nothing of it stays.
                return steps.push(Operation::Set(at.clone(), wanted.clone()));
            }
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                steps.push(Operation::Remove(below(at, Step::Key(key.as_str().into()))));
            }
            for (key, value) in new {
                at.push(Step::Key(key.as_str().into()));
                match old.get(key) {
                    Some(found) => difference(found, value, at, steps),
                    None => steps.push(Operation::Insert(at.clone(), value.clone())),
                }
                at.pop();
            }
        }
        (Json::Object(old), Json::Object(new)) if old.is_empty() => {
            for (key, value) in new {
                steps.push(Operation::Insert(below(at, Step::Key(key.as_str().into())), value.clone()));
            }
        }
        (Json::Array(old), Json::Array(new)) => list_difference(old, new, at, steps),
        _ => steps.push(Operation::Set(at.clone(), wanted.clone())),
    }
}

fn list_difference(old: &[Json], new: &[Json], at: &mut Vec<Step>, steps: &mut Vec<Operation>) {
    let kept: Vec<usize> = {
        let mut rest = new.iter().peekable();
        let mut kept = Vec::new();
        for (index, item) in old.iter().enumerate() {
            if rest.next_if(|next| *next == item).is_some() {
                kept.push(index);
            }
        }
        kept
    };
    // Items that stay where they are keep what is written beside them.
    let in_place = old.iter().zip(new).filter(|(old, new)| old == new).count();
    let is_tail =
        !(old.len() == new.len() && in_place >= kept.len()) && kept.iter().zip(new).all(|(index, item)| old[*index] == *item);
    if is_tail && !kept.is_empty() {
        for index in (0..old.len()).rev().filter(|index| !kept.contains(index)) {
            steps.push(Operation::Remove(below(at, Step::Index(index))));
        }
        for (index, item) in new.iter().enumerate().skip(kept.len()) {
            steps.push(Operation::Insert(below(at, Step::Index(index)), item.clone()));
        }
        return;
    }
    if old.len() == new.len() {
        for (index, (old, new)) in old.iter().zip(new).enumerate() {
            at.push(Step::Index(index));
            difference(old, new, at, steps);
            at.pop();
        }
        return;
    }
    steps.push(Operation::Set(at.clone(), Json::Array(new.to_vec())));
}

fn below(at: &[Step], step: Step) -> Vec<Step> {
    at.iter().cloned().chain([step]).collect()
}

/// A value of the language as data. Modes, sizes and durations are the text that they are written as.
pub(crate) fn data(value: &Value) -> Json {
    match value.reveal() {
        Value::None => Json::Null,
        Value::Bool(it) => Json::Bool(*it),
        Value::Int(it) => Json::from(*it),
        Value::Float(it) => Json::from(*it),
        Value::String(text) | Value::Member(text) => Json::String(text.to_string()),
        Value::List(items) => Json::Array(items.iter().map(data).collect()),
        Value::Map(map) => Json::Object(map.iter().map(|(key, value)| (key.to_string(), data(value))).collect()),
        other => Json::String(other.to_string()),
    }
}
