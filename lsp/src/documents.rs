//! The documents that the client has open.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsp_types::TextDocumentContentChangeEvent;

use crate::text::{Encoding, Text};

/// An open document.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) text: Text,
    pub(crate) version: i32,
}

/// All open documents, by their paths.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    open: HashMap<PathBuf, Document>,
}

impl Documents {
    pub(crate) fn open(&mut self, path: PathBuf, text: &str, version: i32, encoding: Encoding) {
        self.open.insert(path, Document { text: Text::new(text.into(), encoding), version });
    }

    /// Applies changes in their order. Returns false for a document that is not open.
    pub(crate) fn change(&mut self, path: &Path, version: i32, changes: Vec<TextDocumentContentChangeEvent>) -> bool {
        let Some(document) = self.open.get_mut(path) else { return false };
        document.version = version;
        for change in changes {
            let encoding = document.text.encoding();
            let text: Arc<str> = match change.range {
                Some(range) => document.text.replaced(document.text.span(range), &change.text),
                None => change.text.into(),
            };
            document.text = Text::new(text, encoding);
        }
        true
    }

    pub(crate) fn close(&mut self, path: &Path) -> bool {
        self.open.remove(path).is_some()
    }

    pub(crate) fn get(&self, path: &Path) -> Option<&Document> {
        self.open.get(path)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PathBuf, &Document)> {
        self.open.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lsp_types::{Position, Range};

    #[test]
    fn changes_apply_in_order() {
        let mut documents = Documents::default();
        let path = Path::new("/a.stead");
        documents.open(path.into(), "a🦀b\r\nc", 1, Encoding::Utf16);
        let change =
            |range: Option<Range>, text: &str| TextDocumentContentChangeEvent { range, range_length: None, text: text.into() };
        let range = |a, b, c, d| Some(Range::new(Position::new(a, b), Position::new(c, d)));
        assert!(documents.change(path, 2, vec![change(range(0, 1, 0, 3), "x"), change(range(0, 2, 1, 0), "\t")]));
        assert_eq!(documents.get(path).map(|one| (one.text.as_str(), one.version)), Some(("ax\tc", 2)));
        assert!(!documents.change(Path::new("/b"), 1, Vec::new()));
    }
}
