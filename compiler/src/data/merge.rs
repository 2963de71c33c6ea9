//! Laying the data of several levels over one another.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::{Entry, Kind, Node, Step, StepKind};
use stead_catalog::Value;
use stead_grammar::ast::Span;

/// What to do with a key that several levels have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The highest level's value, whole.
    First,
    /// Lists of all levels in one, each element once.
    Unique,
    /// Maps key by key at every depth, and lists as with `Unique`.
    Deep,
}

impl Strategy {
    /// Names of all strategies, as `stead.toml` writes them.
    pub const NAMES: [&str; 3] = ["first", "unique", "deep"];

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "first" => Some(Self::First),
            "unique" => Some(Self::Unique),
            "deep" => Some(Self::Deep),
            _ => None,
        }
    }
}

/// Strategies by key. Without one, maps are merged key by key and for everything else the highest level wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergeRules {
    by_key: BTreeMap<String, Strategy>,
}

impl MergeRules {
    /// Makes rules from keys as they are written (`web.vhosts`). A rule also holds for what lies below its key, unless a longer key has another.
    pub fn new(rules: impl IntoIterator<Item = (String, Strategy)>) -> Self {
        Self { by_key: rules.into_iter().collect() }
    }

    fn at(&self, path: &str, inherited: Option<Strategy>) -> Option<Strategy> {
        self.by_key.get(path).copied().or(inherited)
    }
}

/// Merges maps, the first on top.
pub(super) fn merge<'a>(layers: impl Iterator<Item = &'a Node>, rules: &MergeRules) -> Node {
    let merged = layers.fold(None, |over: Option<Node>, under| {
        Some(match over {
            None => under.clone(),
            Some(over) => merge_node(over, under, rules, "", None),
        })
    });
    merged.unwrap_or_else(|| Node::new(Kind::Map(Arc::default()), &"data".into(), Span::at(0)))
}

fn merge_node(mut over: Node, under: &Node, rules: &MergeRules, path: &str, inherited: Option<Strategy>) -> Node {
    let strategy = rules.at(path, inherited);
    match (&mut over.kind, &under.kind, strategy) {
        (Kind::Map(entries), Kind::Map(below), None | Some(Strategy::Deep | Strategy::Unique)) => {
            merge_map(Arc::make_mut(entries), below, rules, path, strategy);
        }
        (Kind::List(items), Kind::List(below), Some(Strategy::Unique | Strategy::Deep)) => {
            let items = Arc::make_mut(items);
            let mut seen: Vec<Value> = items.iter().map(Node::to_value).collect();
            for item in below.iter() {
                let value = item.to_value();
                if !seen.contains(&value) {
                    seen.push(value);
                    items.push(item.clone());
                }
            }
            note(&mut over, StepKind::Added, under);
        }
        _ => note(&mut over, StepKind::Overridden, under),
    }
    over
}

fn merge_map(
    entries: &mut IndexMap<Arc<str>, Entry>,
    below: &IndexMap<Arc<str>, Entry>,
    rules: &MergeRules,
    path: &str,
    strategy: Option<Strategy>,
) {
    for (key, entry) in below {
        match entries.get_mut(key) {
            None => {
                entries.insert(key.clone(), entry.clone());
            }
            Some(own) => {
                let path = if path.is_empty() { (**key).to_owned() } else { format!("{path}.{key}") };
                own.node = merge_node(own.node.clone(), &entry.node, rules, &path, strategy);
            }
        }
    }
}

fn note(over: &mut Node, kind: StepKind, under: &Node) {
    let steps = over.steps.get_or_insert_default();
    let steps = Arc::make_mut(steps);
    steps.push(Step { kind, place: under.place() });
    if let Some(earlier) = &under.steps {
        steps.extend(earlier.iter().cloned());
    }
}
