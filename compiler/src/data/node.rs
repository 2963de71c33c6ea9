//! The tree that every data format is read into.

use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::{Map, Value};
use stead_grammar::ast::Span;

/// A value of a data file with its place. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The file it stands in, by its name in the project.
    pub file: Arc<str>,
    /// Where it stands there.
    pub span: Span,
    /// How merging made it: empty when only one file has it.
    pub steps: Option<Arc<Vec<Step>>>,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `none`, a bool, a number, text or a mode.
    Scalar(Value),
    /// A list.
    List(Arc<Vec<Node>>),
    /// Keys with values, in the order of the file.
    Map(Arc<IndexMap<Arc<str>, Entry>>),
}

/// The value of a key.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where the key stands; in the file of `node`.
    pub key_span: Span,
    /// The value.
    pub node: Node,
}

/// A place in a data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, by its name in the project.
    pub file: Arc<str>,
    /// Where in it.
    pub span: Span,
}

/// One step of a merge that touched a value, for `stead why`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happened.
    pub kind: StepKind,
    /// The value of the lower level that it happened to.
    pub place: Place,
}

/// What a merge did with a value of a lower level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// It stands on a higher level as well, which won.
    Overridden,
    /// Its elements were added.
    Added,
}

impl Node {
    /// Makes a node.
    pub fn new(kind: Kind, file: &Arc<str>, span: Span) -> Self {
        Self { kind, file: file.clone(), span, steps: None }
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(entries) => entries.get(key),
            _ => None,
        }
    }

    /// Goes down by keys: `["web", "vhosts"]`.
    pub fn lookup<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Node> {
        path.into_iter().try_fold(self, |node, key| node.get(key).map(|entry| &entry.node))
    }

    /// Returns the keys of a map.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        match &self.kind {
            Kind::Map(entries) => Some(entries.keys().map(|key| &**key)),
            _ => None,
        }
        .into_iter()
        .flatten()
    }

    /// Returns the place of the node.
    pub fn place(&self) -> Place {
        Place { file: self.file.clone(), span: self.span }
    }

    /// Follows the path of a [`Mismatch`](stead_catalog::Mismatch) as far as it goes. With `at_key`, the place is that of the last key rather
    /// than its value.
    pub fn place_of(&self, path: &[String], at_key: bool) -> Place {
        let Some((step, rest)) = path.split_first() else { return self.place() };
        let index = step.strip_prefix('[').and_then(|s| s.strip_suffix(']')).and_then(|s| s.parse::<usize>().ok());
        match (&self.kind, index) {
            (Kind::List(items), Some(index)) => items.get(index).map_or_else(|| self.place(), |item| item.place_of(rest, at_key)),
            (Kind::Map(entries), _) => match entries.get(&**step) {
                Some(entry) if rest.is_empty() && at_key => Place { file: entry.node.file.clone(), span: entry.key_span },
                Some(entry) => entry.node.place_of(rest, at_key),
                None => self.place(),
            },
            _ => self.place(),
        }
    }

    /// Returns the plain value: types that data has no form for stay text until it is bound.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => Value::list(items.iter().map(Self::to_value)),
            Kind::Map(entries) => {
                Value::Map(Arc::new(entries.iter().map(|(key, entry)| (key.clone(), entry.node.to_value())).collect::<Map>()))
            }
        }
    }

    /// Tells how the value came about, in order of time: what it overrode or took in, then where it stands. `key` names it: `web.vhosts`.
    pub fn history(&self, key: &str) -> Vec<(String, Place)> {
        let steps = self.steps.iter().flat_map(|steps| steps.iter().rev()).map(|step| {
            let what = match step.kind {
                StepKind::Overridden => "overridden",
                StepKind::Added => "merged in",
            };
            (format!("data key {key} ({}), {what}", step.place.file), step.place.clone())
        });
        steps.chain([(format!("data key {key} ({})", self.file), self.place())]).collect()
    }
}
