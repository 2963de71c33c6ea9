//! The secrets in a data file: finding them, and setting one without touching anything else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_catalog::Value;
use stead_compiler::data::{self, Format, Kind, Node};
use stead_compiler::diagnostic::render::SourceText;
use stead_compiler::secrets::{PREFIX, Sealed};
use stead_stdlib::edit::{KeyStep, set_text};

use crate::failure::Failure;
use crate::terminal::Terminal;

/// A data file with its text.
pub(crate) struct DataFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    root: Node,
}

/// A place in a data file: `db.users[0].password`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyPath(pub(crate) Vec<KeyStep>);

impl KeyPath {
    /// Reads `db.users[0].password`; a key that holds dots or brackets stands in double quotes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        let mut rest = text;
        loop {
            if let Some(quoted) = rest.strip_prefix('"') {
                let (key, behind) = quoted.split_once('"')?;
                steps.push(KeyStep::Key(key.into()));
                rest = behind;
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                let (key, behind) = rest.split_at(end);
                if key.is_empty() || key.contains([']', '"']) {
                    return None;
                }
                steps.push(KeyStep::Key(key.into()));
                rest = behind;
            }
            while let Some(inside) = rest.strip_prefix('[') {
                let (index, behind) = inside.split_once(']')?;
                steps.push(KeyStep::Index(index.parse().ok()?));
                rest = behind;
            }
            match rest.strip_prefix('.') {
                Some(behind) => rest = behind,
                None if rest.is_empty() => return Some(Self(steps)),
                None => return None,
            }
        }
    }
}

impl std::fmt::Display for KeyPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                KeyStep::Key(key) => {
                    if i > 0 {
                        f.write_char('.')?;
                    }
                    let is_plain = !key.is_empty() && !key.contains(['.', '[', ']', '"']);
                    if is_plain { f.write_str(key)? } else { write!(f, "\"{key}\"")? }
                }
                KeyStep::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// The texts of one file, for showing what is wrong in it.
struct One<'a>(&'a str, &'a str);

impl SourceText for One<'_> {
    fn text(&self, file: &str) -> Option<&str> {
        (file == self.0).then_some(self.1)
    }
}

impl DataFile {
    /// Reads a data file; one that is not there yet is empty.
    ///
    /// # Errors
    /// When it cannot be read, is no data file by its name, or has mistakes: they were shown.
    pub(crate) fn read(path: &Path, terminal: &Terminal) -> Result<Self, Failure> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(Failure::Unreadable { path: path.to_owned(), source }),
        };
        let name: Arc<str> = path.to_string_lossy().into();
        let Some(format) = Format::of(&name) else { return Err(Failure::NoDataFile(path.to_owned())) };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (root, found) = if text.trim().is_empty() { (None, Vec::new()) } else { data::parse(&name, &bytes, format) };
        if found.iter().any(stead_compiler::Diagnostic::is_error) {
            terminal.show_diagnostics(found, &One(&name, &text));
            return Err(Failure::Diagnosed);
        }
        let root = root.unwrap_or_else(|| Node::new(Kind::Map(Arc::default()), &name, stead_grammar::ast::Span::at(0)));
        Ok(Self { path: path.to_owned(), text, root })
    }

    /// The encrypted values with their places, in the order of the file.
    pub(crate) fn sealed(&self) -> Vec<(KeyPath, String)> {
        let mut found = Vec::new();
        collect(&self.root, &mut Vec::new(), &mut found);
        found
    }

    /// Gives a place a value, and keeps everything else as it stands.
    ///
    /// # Errors
    /// Where the place cannot be changed without touching more.
    pub(crate) fn set(&mut self, key: &KeyPath, value: &str) -> Result<(), Failure> {
        let name = self.path.to_string_lossy().into_owned();
        let failed = |message: String| Failure::NotSet { path: self.path.clone(), message };
        if let Some(new) = set_text(&name, self.text.as_bytes(), &key.0, value).map_err(failed)? {
            self.text = String::from_utf8_lossy(&new).into_owned();
        }
        Ok(())
    }

    /// Writes the file anew, at once.
    pub(crate) fn write(&self) -> Result<(), Failure> {
        let unwritable = |source| Failure::Unwritable { path: self.path.clone(), source };
        if self.path.exists() {
            return crate::commands::replace_file(&self.path, &self.text).map_err(unwritable);
        }
        if let Some(parent) = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(unwritable)?;
        }
        std::fs::write(&self.path, &self.text).map_err(unwritable)
    }
}

fn collect(node: &Node, path: &mut Vec<KeyStep>, found: &mut Vec<(KeyPath, String)>) {
    match &node.kind {
        Kind::Scalar(Value::String(text)) => {
            if let Some(Sealed::Age(base64)) = Sealed::of(text) {
                found.push((KeyPath(path.clone()), base64.to_owned()));
            }
        }
        Kind::Scalar(_) => {}
        Kind::List(items) => {
            for (i, item) in items.iter().enumerate() {
                path.push(KeyStep::Index(i));
                collect(item, path, found);
                path.pop();
            }
        }
        Kind::Map(entries) => {
            for (key, entry) in entries.iter() {
                path.push(KeyStep::Key(key.clone()));
                collect(&entry.node, path, found);
                path.pop();
            }
        }
    }
}

/// How many keys a sealed value is for, by the head of what age wrote; `None` when it has none.
pub(crate) fn recipients_of(base64: &str) -> Option<usize> {
    use base64::Engine as _;
    debug_assert!(!base64.starts_with(PREFIX));
    let sealed = base64::engine::general_purpose::STANDARD.decode(base64).ok()?;
    let head = sealed.split(|byte| *byte == b'\n').take_while(|line| !line.starts_with(b"---"));
    Some(head.filter(|line| line.starts_with(b"-> X25519 ") || line.starts_with(b"-> ssh-ed25519 ")).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_written_alike() {
        for text in ["a", "a.b", "db.users[0].password", "a.\"b.c\"[1][2]"] {
            assert_eq!(KeyPath::parse(text).expect(text).to_string(), text);
        }
        for text in ["", ".a", "a.", "a[x]", "a[1", "a]b", "a\"b", "[0]"] {
            assert_eq!(KeyPath::parse(text), None, "{text}");
        }
    }
}
