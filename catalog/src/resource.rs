//! One managed thing on a node, as the catalog wants it.

use std::fmt;
use std::sync::Arc;

use crate::value::write_quoted;
use crate::{Attributes, Value};

/// The identity of a resource: written `type["name"]` everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceId {
    /// The resource type: `file`.
    pub type_name: Arc<str>,
    /// Its name among its type: `/etc/motd`.
    pub name: Arc<str>,
}

impl ResourceId {
    /// Makes an id.
    pub fn new(type_name: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { type_name: type_name.into(), name: name.into() }
    }

    /// Reads `type["name"]`, with the escapes of a string literal. `None` when it has another form.
    pub fn parse(text: &str) -> Option<Self> {
        let (type_name, rest) = text.trim().split_once('[')?;
        let quoted = rest.trim_end().strip_suffix(']')?;
        let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
        let mut name = String::with_capacity(inner.len());
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next()? {
                    'n' => name.push('\n'),
                    'r' => name.push('\r'),
                    't' => name.push('\t'),
                    'u' => {
                        let digits: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                        name.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                    }
                    other => name.push(other),
                },
                c => name.push(c),
            }
        }
        Some(Self::new(type_name.trim(), name))
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[", self.type_name)?;
        write_quoted(f, &self.name)?;
        f.write_str("]")
    }
}

/// A place in the user's own files.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceLocation {
    /// The file's name as the user gave it, relative to the project.
    pub file: Arc<str>,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Line of `start`, from 1; 0 when `file` names something that is no file.
    pub line: u32,
    /// Column of `start` in characters, from 1.
    pub column: u32,
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What stands in no file, such as `run 12`, has no line.
        if self.line == 0 { f.write_str(&self.file) } else { write!(f, "{}:{}:{}", self.file, self.line, self.column) }
    }
}

/// Where a value came from, one step of the answer to `stead why`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The attribute whose value it explains.
    pub attribute: Arc<str>,
    /// The step in words: `set in the resource`, `default of file`, `data key web.vhosts (data/common.yaml)`.
    pub step: String,
    /// The place, where there is one.
    pub location: Option<SourceLocation>,
}

/// A command: an argument vector, or a line for `/bin/sh -c`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Run as it is; no shell takes part.
    Argv(Vec<Arc<str>>),
    /// Given to `/bin/sh -c`.
    Shell(Arc<str>),
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argv(words) => f.write_str(&words.join(" ")),
            Self::Shell(line) => f.write_str(line),
        }
    }
}

/// How often to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all, 1 or more.
    pub attempts: u32,
    /// Nanoseconds between two tries.
    pub delay_ns: u64,
}

/// What a watching run does when somebody else has changed a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriftPolicy {
    /// Put it right.
    #[default]
    Fix,
    /// Tell about it, and leave it for a person to decide.
    Report,
}

impl DriftPolicy {
    /// The word that the language has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fix => "fix",
            Self::Report => "report",
        }
    }
}

/// What every resource takes besides its own attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// The resource acts only when each of these commands succeeds.
    pub only_if: Vec<Command>,
    /// The resource does not act when one of these commands succeeds.
    pub unless: Vec<Command>,
    /// How often to try again after a failure.
    pub retry: Option<Retry>,
    /// Longest time one try may take, in nanoseconds.
    pub timeout_ns: Option<u64>,
    /// Labels that `--tags` and `--only` select by.
    pub tags: Vec<Arc<str>>,
    /// Planned and shown, never applied.
    pub noop: bool,
    /// What `apply --watch` does when the resource drifts. A plain apply puts right what it finds.
    pub on_drift: DriftPolicy,
    /// Nothing declares it any more: Stead made it, and takes it away.
    pub orphan: Option<Orphan>,
}

/// Something that Stead made and that is no longer declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// What it was declared as when it was made.
    pub declared_as: ResourceId,
    /// It stays for as long as this resource counts on it.
    pub needed_by: Option<ResourceId>,
}

/// One managed thing on a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its identity in the catalog.
    pub id: ResourceId,
    /// Typed and checked attribute values, defaults filled in, the key among them.
    pub attributes: Attributes,
    /// Guards, retry, tags.
    pub meta: Meta,
    /// Where it is declared; the first of several equal claims.
    pub source: SourceLocation,
    /// The states that led to it, outermost first: `web`, `tls`.
    pub path: Vec<Arc<str>>,
    /// Where each value came from, steps in order of time. Empty for values written in the resource itself at `source`.
    pub origins: Vec<Origin>,
}

impl Resource {
    /// Feeds identity, attributes and meta into a hash; where it stands in the source is left out.
    pub fn hash_into(&self, hasher: &mut blake3::Hasher) {
        Value::string(self.id.to_string()).hash_into(hasher);
        let mut entries: Vec<_> = self.attributes.iter().collect();
        entries.sort_by(|a, b| a.0.cmp(b.0));
        hasher.update(&(entries.len() as u64).to_le_bytes());
        for (name, value) in entries {
            Value::String(name.clone()).hash_into(hasher);
            value.hash_into(hasher);
        }
        if self.meta != Meta::default() {
            let meta = format!("{:?}", self.meta);
            hasher.update(&(meta.len() as u64).to_le_bytes());
            hasher.update(meta.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_reads_back(type_name in "[a-z_]{1,8}", name in "\\PC*") {
            let id = ResourceId::new(type_name, name);
            prop_assert_eq!(ResourceId::parse(&id.to_string()), Some(id));
        }
    }
}
