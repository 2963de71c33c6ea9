//! Which data files a node reads, the most specific first.

use std::fmt;

use stead_catalog::{Type, Value, closest};
use stead_grammar::ast::Span;

use crate::Diagnostic;
use crate::position::offset_u32;

/// The hierarchy of `stead.toml`: patterns of levels, the highest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Hierarchy {
    patterns: Vec<Pattern>,
}

/// A level's name with the values of a node to put in: `os/${facts.os.family}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    source: String,
    parts: Vec<Part>,
    /// Where the text stands in `stead.toml`, if it stands there.
    at: Option<u32>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    /// A path such as `facts.os.family`, and where it starts in the text.
    Value(Vec<String>, usize),
}

/// A level of one node: `os/debian`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Level(String);

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PatternError {
    /// What is wrong.
    pub message: String,
    /// Where in the text.
    pub span: Span,
}

/// Most levels that one pattern with lists in it makes.
const MAX_LEVELS: usize = 1000;

impl Default for Hierarchy {
    /// The node itself, its groups, its family of systems, all.
    fn default() -> Self {
        let patterns = ["node/${node.name}", "group/${node.groups}", "os/${facts.os.family}", "common"];
        Self::new(patterns.iter().filter_map(|p| Pattern::parse(p).ok()).collect())
    }
}

impl Hierarchy {
    /// Makes a hierarchy.
    pub fn new(patterns: Vec<Pattern>) -> Self {
        Self { patterns }
    }

    /// Returns the levels of a node, the highest first. `value` gives what a path such as `["facts", "os", "family"]` stands for; a level
    /// with a value that is not known, or that is not a name, is left out. A list makes one level for each element.
    pub fn levels(&self, value: &dyn Fn(&[String]) -> Option<Value>) -> Vec<Level> {
        let mut levels: Vec<Level> = Vec::new();
        for level in self.patterns.iter().flat_map(|pattern| pattern.levels(value)) {
            if !levels.contains(&level) {
                levels.push(level);
            }
        }
        levels
    }

    /// Says whether some node may have a level that holds the file `name` (its path below `data/` without the extension).
    pub(super) fn may_name(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.may_name(name))
    }

    /// Reports the facts and fields of the node that a level of `stead.toml` names and that are not there: no node would have the level.
    pub(crate) fn check(&self, facts: &Type, node: &Type) -> Vec<Diagnostic> {
        let file = crate::config::FILE_NAME.into();
        let roots = [("facts", facts.clone()), ("node", node.clone())];
        let mistakes = self.patterns.iter().flat_map(|pattern| pattern.mistakes(&roots));
        mistakes
            .map(|mistake| {
                let (code, what) = match &*mistake.owner {
                    "node" => ("unknown-field", "the node has no field".to_owned()),
                    "facts" => ("unknown-fact", "there is no fact".to_owned()),
                    owner => ("unknown-field", format!("`{owner}` has no field")),
                };
                let diagnostic = Diagnostic::error(code, format!("{what} `{}`", mistake.name)).at(
                    &file,
                    mistake.span,
                    "no node has this level",
                );
                match closest(&mistake.name, mistake.fields.iter().map(|field| &**field)) {
                    Some(best) => diagnostic.hint(format!("did you mean `{best}`?")).suggest(&file, mistake.span, best),
                    None if mistake.fields.is_empty() => diagnostic.hint(format!("end the path at `{}`", mistake.owner)),
                    None => diagnostic.hint(format!("`{}` has {}", mistake.owner, mistake.fields.join(", "))),
                }
            })
            .collect()
    }

    /// Lists the patterns for a message.
    pub(super) fn describe(&self) -> String {
        self.patterns.iter().map(|pattern| format!("\"{}\"", pattern.source)).collect::<Vec<_>>().join(", ")
    }
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A `${` that is not closed or holds something other than a path that starts with `node` or `facts`; an absolute path or one with `..`.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let fail = |message: &str, start: usize, end: usize| {
            Err(PatternError { message: message.to_owned(), span: Span::new(offset_u32(start), offset_u32(end)) })
        };
        if text.is_empty() || text.starts_with('/') || text.split('/').any(|part| part == "..") {
            return fail("a level is a path below the data directory", 0, text.len());
        }
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(found) = text[at..].find("${") {
            let start = at + found;
            if found > 0 {
                parts.push(Part::Text(text[at..start].to_owned()));
            }
            let Some(length) = text[start..].find('}') else { return fail("this `${` is not closed", start, text.len()) };
            let end = start + length;
            let path: Vec<String> = text[start + 2..end].trim().split('.').map(str::to_owned).collect();
            let is_name = |s: &String| !s.is_empty() && s.chars().all(|c| c.is_alphanumeric() || c == '_');
            if path.len() < 2 || !path.iter().all(is_name) || !matches!(&*path[0], "node" | "facts") {
                return fail("expected a path that starts with `node.` or `facts.`, such as `node.name`", start, end + 1);
            }
            let inside = &text[start + 2..end];
            parts.push(Part::Value(path, start + 2 + (inside.len() - inside.trim_start().len())));
            at = end + 1;
        }
        if at < text.len() {
            parts.push(Part::Text(text[at..].to_owned()));
        }
        Ok(Self { source: text.to_owned(), parts, at: None })
    }

    /// The same pattern, whose text starts at a byte of `stead.toml`.
    pub(crate) fn standing_at(self, at: u32) -> Self {
        Self { at: Some(at), ..self }
    }

    /// Looks whether the facts and fields of the node are there that the pattern names. A pattern that does not stand in a file is ours.
    fn mistakes(&self, roots: &[(&str, Type)]) -> Vec<Mistake> {
        let Some(at) = self.at else { return Vec::new() };
        let mut found = Vec::new();
        for part in &self.parts {
            let Part::Value(path, start) = part else { continue };
            let mut ty = roots.iter().find(|(name, _)| *name == path[0]).map(|(_, ty)| ty.clone()).unwrap_or(Type::Any);
            let mut start = start + path[0].len() + 1;
            for (i, name) in path.iter().enumerate().skip(1) {
                let span = Span::new(at + offset_u32(start), at + offset_u32(start + name.len()));
                start += name.len() + 1;
                match step(&ty, name) {
                    Ok(inner) => ty = inner,
                    Err(fields) => {
                        found.push(Mistake { owner: path[..i].join("."), name: name.clone(), fields, span });
                        break;
                    }
                }
            }
        }
        found
    }

    fn levels(&self, value: &dyn Fn(&[String]) -> Option<Value>) -> Vec<Level> {
        let mut names = vec![String::new()];
        for part in &self.parts {
            let choices: Vec<String> = match part {
                Part::Text(text) => vec![text.clone()],
                Part::Value(path, _) => value(path).map(|value| names_of(&value)).unwrap_or_default(),
            };
            names = names
                .iter()
                .flat_map(|name| choices.iter().map(move |choice| format!("{name}{choice}")))
                .take(MAX_LEVELS)
                .collect();
        }
        names.into_iter().map(Level).collect()
    }

    fn may_name(&self, name: &str) -> bool {
        let mut pattern = String::from("^");
        for part in &self.parts {
            match part {
                Part::Text(text) => pattern.push_str(&regex::escape(text)),
                Part::Value(..) => pattern.push_str("[^/]+"),
            }
        }
        pattern.push_str("(/.*)?$");
        regex::Regex::new(&pattern).is_ok_and(|regex| regex.is_match(name))
    }
}

impl Level {
    /// Makes a level.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Says whether the level holds the file `name`: `common` and `common/web`.
    pub(super) fn holds(&self, name: &str) -> bool {
        name.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name in a pattern that stands for nothing.
struct Mistake {
    owner: String,
    name: String,
    /// The names that are there.
    fields: Vec<String>,
    span: Span,
}

/// The type of a field, or the fields that are there. What has an unknown type has every field.
fn step(ty: &Type, name: &str) -> Result<Type, Vec<String>> {
    match ty {
        Type::Any => Ok(Type::Any),
        Type::Optional(inner) | Type::Secret(inner) => step(inner, name),
        Type::Map(item) => Ok((**item).clone()),
        Type::Record(record) => match record.fields.iter().find(|field| *field.name == *name) {
            Some(field) => Ok(field.ty.clone()),
            None => Err(record.fields.iter().map(|field| field.name.to_string()).collect()),
        },
        _ => Err(Vec::new()),
    }
}

/// Returns the names that a value gives a level; those that could leave the directory are none.
fn names_of(value: &Value) -> Vec<String> {
    match value.reveal() {
        Value::List(items) => items.iter().flat_map(names_of).collect(),
        Value::Int(n) => vec![n.to_string()],
        Value::Bool(b) => vec![b.to_string()],
        other => other
            .as_str()
            .filter(|text| !text.is_empty() && !text.contains(['/', '\\', '\0']) && *text != "." && *text != "..")
            .map(str::to_owned)
            .into_iter()
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, expected: &[&str]) {
        let values = |path: &[String]| match &*path.join(".") {
            "node.name" => Some(Value::string("web-1")),
            "node.groups" => Some(Value::list([Value::string("web"), Value::string("eu")])),
            "facts.bad" => Some(Value::string("../etc")),
            _ => None,
        };
        let levels = Pattern::parse(pattern).unwrap().levels(&values);
        assert_eq!(levels.iter().map(Level::to_string).collect::<Vec<_>>(), expected, "{pattern}");
    }

    #[test]
    fn patterns_become_levels() {
        check("common", &["common"]);
        check("node/${node.name}", &["node/web-1"]);
        check("group/${node.groups}/x", &["group/web/x", "group/eu/x"]);
        check("os/${facts.os.family}", &[]);
        check("x/${facts.bad}", &[]);
    }

    #[test]
    fn patterns_are_checked() {
        let fail = |text: &str| Pattern::parse(text).unwrap_err().span.text(text).to_owned();
        assert_eq!(fail("a/${node.name"), "${node.name");
        assert_eq!(fail("a/${name}"), "${name}");
        assert_eq!(fail("../x"), "../x");
        assert_eq!(fail("${node.a+b}"), "${node.a+b}");
    }
}
