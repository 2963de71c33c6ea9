//! `stead.lock`: the commit of every repository that the project depends on.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use stead_compiler::config::GitReference;

use super::DependencyError;

/// The name of the file.
pub(crate) const FILE: &str = "stead.lock";

/// The format that is written; others are refused.
const VERSION: u32 = 1;

/// Largest lock that is read, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// The commit a dependency is pinned to, and what it was found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pinned {
    /// The repository.
    pub(crate) url: Arc<str>,
    /// What `stead.toml` asked for.
    pub(crate) reference: GitReference,
    /// The hash of the commit, in full.
    pub(crate) commit: Arc<str>,
}

/// Every pinned dependency by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lock(BTreeMap<Arc<str>, Pinned>);

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    #[serde(default)]
    dependency: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Arc<str>,
    git: Arc<str>,
    rev: Option<Arc<str>>,
    tag: Option<Arc<str>>,
    branch: Option<Arc<str>>,
    commit: Arc<str>,
}

impl Lock {
    pub(crate) fn get(&self, name: &str) -> Option<&Pinned> {
        self.0.get(name)
    }

    pub(crate) fn insert(&mut self, name: Arc<str>, pinned: Pinned) {
        self.0.insert(name, pinned);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Pinned)> {
        self.0.iter()
    }

    /// Reads the lock of a project; an empty one where there is none.
    ///
    /// # Errors
    ///
    /// [`DependencyError::LockUnreadable`] where it cannot be read, or is not a lock of this format.
    pub(crate) fn read(root: &Path) -> Result<Self, DependencyError> {
        let path = root.join(FILE);
        let wrong = |text: String| DependencyError::LockUnreadable { path: path.clone(), text };
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(wrong(error.to_string())),
            Ok(metadata) if !metadata.is_file() => return Err(wrong("it is not a regular file".into())),
            Ok(metadata) if metadata.len() > MAX_BYTES => return Err(wrong(format!("it is longer than {MAX_BYTES} bytes"))),
            Ok(_) => {}
        }
        let text = fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let document: Document = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        if document.version != VERSION {
            return Err(format!("it has version {}, and this stead knows version {VERSION}", document.version));
        }
        let mut lock = Self::default();
        for entry in document.dependency {
            let is_hash = matches!(entry.commit.len(), 40 | 64)
                && entry.commit.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if !is_hash {
                return Err(format!("`{}` of `{}` is not the hash of a commit", entry.commit, entry.name));
            }
            let reference = match (entry.rev, entry.tag, entry.branch) {
                (None, None, None) => GitReference::Default,
                (Some(rev), None, None) => GitReference::Rev(rev),
                (None, Some(tag), None) => GitReference::Tag(tag),
                (None, None, Some(branch)) => GitReference::Branch(branch),
                _ => return Err(format!("`{}` has more than one of `rev`, `tag` and `branch`", entry.name)),
            };
            let pinned = Pinned { url: entry.git, reference, commit: entry.commit };
            if lock.0.insert(entry.name.clone(), pinned).is_some() {
                return Err(format!("`{}` is there twice", entry.name));
            }
        }
        Ok(lock)
    }

    fn to_text(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let mut text = format!("# Written by `stead deps`; keep it under version control.\nversion = {VERSION}\n");
        for (name, pinned) in &self.0 {
            let _ = write!(text, "\n[[dependency]]\nname = {}\ngit = {}\n", quoted(name), quoted(&pinned.url));
            let _ = match &pinned.reference {
                GitReference::Default => Ok(()),
                GitReference::Rev(rev) => writeln!(text, "rev = {}", quoted(rev)),
                GitReference::Tag(tag) => writeln!(text, "tag = {}", quoted(tag)),
                GitReference::Branch(branch) => writeln!(text, "branch = {}", quoted(branch)),
            };
            let _ = writeln!(text, "commit = {}", quoted(&pinned.commit));
        }
        text
    }

    /// Writes the lock of a project beside the old one and renames it into its place.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn write(&self, root: &Path) -> io::Result<()> {
        let temporary = root.join(format!(".{FILE}.{}", std::process::id()));
        let written = OpenOptions::new().write(true).create_new(true).open(&temporary).and_then(|mut file| {
            file.write_all(self.to_text().as_bytes())?;
            file.sync_all()
        });
        let placed = written.and_then(|()| fs::rename(&temporary, root.join(FILE)));
        if placed.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let mut lock = Lock::default();
        let mut add = |name: &str, reference: GitReference| {
            let pinned =
                Pinned { url: "file:///srv/\"x\"".into(), reference, commit: "0123456789abcdef0123456789abcdef01234567".into() };
            lock.insert(name.into(), pinned);
        };
        add("a", GitReference::Default);
        add("b", GitReference::Tag("v1".into()));
        add("c", GitReference::Branch("main\n".into()));
        add("d", GitReference::Rev("0123456".into()));
        lock
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(Lock::parse(&lock().to_text()), Ok(lock()));
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(Lock::read(directory.path()).expect("none is an empty one"), Lock::default());
        lock().write(directory.path()).expect("written");
        assert_eq!(Lock::read(directory.path()).expect("read"), lock());
        let names: Vec<_> = fs::read_dir(directory.path()).expect("listed").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, [FILE], "nothing else is left");
    }

    #[test]
    fn what_is_no_lock_is_refused() {
        let check = |text: &str, expected: &str| {
            let error = Lock::parse(text).expect_err(text);
            assert!(error.contains(expected), "{text:?}: {error}");
        };
        check("", "version");
        check("version = 2\n", "version 2");
        check("version = 1\nother = 1\n", "other");
        check("version = 1\n[[dependency]]\nname = \"a\"\ngit = \"u\"\ncommit = \"--upload-pack=x\"\n", "not the hash");
        let twice = "[[dependency]]\nname = \"a\"\ngit = \"u\"\ncommit = \"0123456789abcdef0123456789abcdef01234567\"\n";
        check(&format!("version = 1\n{twice}{twice}"), "twice");
        check(&format!("version = 1\n{twice}tag = \"a\"\nrev = \"b\"\n"), "more than one");
    }
}
