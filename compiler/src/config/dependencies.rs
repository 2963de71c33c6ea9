//! The table `[dependencies]`: other projects whose modules this one uses.

use std::collections::BTreeMap;
use std::sync::Arc;

use stead_grammar::ast::Span;

use super::Reader;
use crate::data::{Kind, Node};

/// A project that this one depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Where it comes from.
    pub source: DependencySource,
    /// Where `stead.toml` says so.
    pub span: Span,
}

/// Where a dependency comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DependencySource {
    /// A git repository.
    Git {
        /// Its URL.
        url: Arc<str>,
        /// Which commit of it.
        reference: GitReference,
    },
    /// A directory, relative to the project.
    Path(Arc<str>),
}

/// Which commit of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitReference {
    /// What the repository's default branch points at.
    Default,
    /// A commit.
    Rev(Arc<str>),
    /// A tag.
    Tag(Arc<str>),
    /// A branch.
    Branch(Arc<str>),
}

impl Reader {
    /// Reads the table; what is wrong in it is left out.
    pub(super) fn dependencies(&mut self, root: &Node) -> BTreeMap<Arc<str>, Dependency> {
        let mut out = BTreeMap::new();
        let Some(table) = self.table(root, "dependencies") else { return out };
        let Kind::Map(entries) = &table.kind else { return out };
        for (name, entry) in entries.iter() {
            let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !valid {
                let hint = format!("name it `{}`", name.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
                self.error("invalid-setting", entry.key_span, format!("`{name}` is no name that `use` can write"))
                    .hints
                    .push(hint);
                continue;
            }
            if !matches!(entry.node.kind, Kind::Map(_)) {
                self.wrong_kind(&entry.node, name, "a table such as { git = \"https://…\", tag = \"v1\" }");
                continue;
            }
            if let Some(source) = self.dependency(name, &entry.node, entry.key_span) {
                out.insert(name.clone(), Dependency { source, span: entry.key_span });
            }
        }
        out
    }

    fn dependency(&mut self, name: &str, table: &Node, key_span: Span) -> Option<DependencySource> {
        self.known_keys(table, &["git", "rev", "tag", "branch", "path"], &format!("dependencies.{name}"));
        let given: Vec<&str> = ["rev", "tag", "branch"].into_iter().filter(|key| table.get(key).is_some()).collect();
        match (self.text(table, "git"), self.text(table, "path")) {
            (Some(_), Some(_)) => {
                self.error("invalid-setting", key_span, format!("`{name}` has both `git` and `path`"));
                None
            }
            (None, Some(path)) => {
                if let Some(key) = given.first() {
                    let span = table.get(key).map_or(key_span, |entry| entry.key_span);
                    self.error("invalid-setting", span, format!("`{key}` is for a git repository, and `{name}` is a directory"));
                }
                Some(DependencySource::Path(path))
            }
            (Some(url), None) => {
                if let [_, second, ..] = given[..] {
                    let span = table.get(second).map_or(key_span, |entry| entry.key_span);
                    self.error("invalid-setting", span, format!("`{name}` has more than one of `rev`, `tag` and `branch`"));
                }
                if url.starts_with('-') {
                    let span = table.get("git").map_or(key_span, |entry| entry.node.span);
                    self.error("invalid-setting", span, format!("`{url}` is not a URL"));
                    return None;
                }
                let reference = match given.first() {
                    Some(&"rev") => self.text(table, "rev").map(GitReference::Rev),
                    Some(&"tag") => self.text(table, "tag").map(GitReference::Tag),
                    Some(_) => self.text(table, "branch").map(GitReference::Branch),
                    None => None,
                };
                Some(DependencySource::Git { url, reference: reference.unwrap_or(GitReference::Default) })
            }
            (None, None) => {
                if table.get("git").is_none() && table.get("path").is_none() {
                    self.error("invalid-setting", key_span, format!("`{name}` says neither `git` nor `path`"))
                        .hints
                        .push("write { git = \"https://…\", tag = \"v1\" }".into());
                }
                None
            }
        }
    }
}
