//! The files of a revision, and in which files two of them differ.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::git::{Repository, ReviewError};

/// Largest file whose lines are looked at.
const MAX_TEXT: u64 = 4 << 20;
/// Deepest directory that is searched.
const MAX_DEPTH: usize = 32;

/// The two revisions of a review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    base: String,
    /// The user's files as they are where it is `None`.
    head: Option<String>,
    from_parting: bool,
}

impl Range {
    /// Reads `BASE..HEAD`, `BASE...HEAD` or `BASE`; a side that is left out is `HEAD`.
    ///
    /// # Errors
    /// [`ReviewError::NotARange`].
    pub(crate) fn parse(text: &str) -> Result<Self, ReviewError> {
        let wrong = || ReviewError::NotARange(text.to_owned());
        let (base, head, from_parting) = match (text.split_once("..."), text.split_once("..")) {
            (Some((base, head)), _) => (base, Some(head), true),
            (None, Some((base, head))) => (base, Some(head), false),
            (None, None) => (text, None, false),
        };
        let side = |name: &str| if name.is_empty() { "HEAD".to_owned() } else { name.to_owned() };
        let is_odd = |name: &str| name.starts_with('-') || name.contains("..") || name.contains(char::is_whitespace);
        if text.is_empty() || is_odd(base) || head.is_some_and(is_odd) || (base.is_empty() && head.is_none_or(str::is_empty)) {
            return Err(wrong());
        }
        Ok(Self { base: side(base), head: head.map(side), from_parting })
    }

    /// Makes the files of both sides readable.
    ///
    /// # Errors
    /// Each of [`ReviewError`] that git may give.
    pub(crate) fn trees(&self, repository: &Repository, project: &Path) -> Result<(Tree, Tree), ReviewError> {
        let base = match (&self.head, self.from_parting) {
            (Some(head), true) => repository.merge_base(&self.base, head)?,
            _ => repository.commit(&self.base)?,
        };
        let base = Tree::of_commit(repository, &self.base, base)?;
        let head = match &self.head {
            Some(name) => Tree::of_commit(repository, name, repository.commit(name)?)?,
            None => Tree { name: "your files".to_owned(), path: project.to_owned(), commit: None, _directory: None },
        };
        Ok((base, head))
    }
}

/// The project's files in a revision.
#[derive(Debug)]
pub(crate) struct Tree {
    name: String,
    path: PathBuf,
    commit: Option<String>,
    /// Goes away with its files.
    _directory: Option<TempDir>,
}

impl Tree {
    fn of_commit(repository: &Repository, name: &str, commit: String) -> Result<Self, ReviewError> {
        let failed = |error: std::io::Error| ReviewError::Checkout { revision: name.to_owned(), said: error.to_string() };
        let directory = tempfile::Builder::new().prefix("stead-review-").tempdir().map_err(failed)?;
        let path = repository.check_out(name, &commit, directory.path())?;
        Ok(Self { name: name.to_owned(), path, commit: Some(commit), _directory: Some(directory) })
    }

    /// What the user calls it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The project's directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The commit; `None` for the user's files.
    pub(crate) fn commit(&self) -> Option<&str> {
        self.commit.as_deref()
    }

    /// Says whether the project was there already.
    pub(crate) fn has_project(&self) -> bool {
        self.path.join("stead.toml").is_file()
    }
}

/// A file that differs, with its text on both sides; empty where it is absent or no text.
pub(crate) type Changed = (Arc<str>, String, String);

/// The files that differ between two directories, by name.
pub(crate) fn changed(base: &Path, head: &Path) -> Vec<Changed> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    search(base, "", 0, &mut old);
    search(head, "", 0, &mut new);
    let mut names: Vec<&Arc<str>> = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))).collect();
    names.sort();
    let differs = |name: &&&Arc<str>| {
        let size = |side: &BTreeMap<Arc<str>, u64>| side.get(**name).copied();
        size(&old) != size(&new) || fs::read(base.join(&****name)).ok() != fs::read(head.join(&****name)).ok()
    };
    names.iter().filter(differs).map(|name| ((*name).clone(), text(base, name, &old), text(head, name, &new))).collect()
}

fn text(root: &Path, name: &Arc<str>, sizes: &BTreeMap<Arc<str>, u64>) -> String {
    if sizes.get(name).is_none_or(|size| *size > MAX_TEXT) {
        return String::new();
    }
    fs::read(root.join(&**name)).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// Collects the files below a directory with their sizes; what is hidden is left out, as it is for sources.
fn search(root: &Path, under: &str, depth: usize, found: &mut BTreeMap<Arc<str>, u64>) {
    for entry in fs::read_dir(root.join(under)).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Ok(kind) = entry.file_type() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let path = if under.is_empty() { name } else { format!("{under}/{name}") };
        if kind.is_dir() {
            if depth < MAX_DEPTH {
                search(root, &path, depth + 1, found);
            }
        } else if let Ok(metadata) = fs::metadata(entry.path())
            && metadata.is_file()
            && (kind.is_file() || lies_below(root, &entry.path()))
        {
            found.insert(path.into(), metadata.len());
        }
    }
}

/// Says whether a link stays below a directory: what lies elsewhere is no part of a revision, and nobody's to see.
fn lies_below(root: &Path, path: &Path) -> bool {
    match (root.canonicalize(), path.canonicalize()) {
        (Ok(root), Ok(path)) => path.starts_with(root),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, Option<&str>, bool)>) {
        let parsed = Range::parse(text).ok();
        let expected = expected.map(|(base, head, from_parting)| Range {
            base: base.to_owned(),
            head: head.map(str::to_owned),
            from_parting,
        });
        assert_eq!(parsed, expected, "{text}");
    }

    #[test]
    fn ranges_are_those_of_git() {
        check("main..topic", Some(("main", Some("topic"), false)));
        check("main...topic", Some(("main", Some("topic"), true)));
        check("main..", Some(("main", Some("HEAD"), false)));
        check("..topic", Some(("HEAD", Some("topic"), false)));
        check("v1.2..v1.3", Some(("v1.2", Some("v1.3"), false)));
        check("main", Some(("main", None, false)));
        for wrong in ["", "..", "--upload-pack=x..y", "a b", "a..b..c"] {
            check(wrong, None);
        }
    }
}
