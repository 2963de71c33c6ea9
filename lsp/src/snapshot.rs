//! One version of a project, seen from one of its files: what a request is answered from.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use lsp_types::{Location, Position, Range, TextEdit, Uri, WorkspaceEdit};
use stead_catalog::{SourceLocation, Type};
use stead_compiler::index::{FileIndex, Place};
use stead_compiler::{Project, SourceFile};
use stead_grammar::ast::Span;

use crate::config::Config;
use crate::text::{Encoding, Text};
use crate::uri;
use crate::workspace::Compiled;

/// The view of a file.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) project: Arc<Project>,
    /// The file's name in the project.
    pub(crate) name: Arc<str>,
    pub(crate) text: Text,
    pub(crate) root: PathBuf,
    /// Where directories of the project really are that do not lie in it.
    pub(crate) elsewhere: Arc<BTreeMap<Arc<str>, PathBuf>>,
    pub(crate) encoding: Encoding,
    /// The client knows snippets.
    pub(crate) takes_snippets: bool,
    /// What compiling for the known nodes gave, maybe for an earlier version.
    pub(crate) compiled: Option<Arc<Compiled>>,
    pub(crate) generation: u64,
    pub(crate) config: Arc<Config>,
}

impl Snapshot {
    /// The index of the file, when it is a source.
    pub(crate) fn index(&self) -> Option<Arc<FileIndex>> {
        self.project.index(&self.name)
    }

    /// The file with its syntax tree, when it is a source.
    pub(crate) fn source(&self) -> Option<&SourceFile> {
        self.project.files().iter().find(|file| file.name == self.name)
    }

    /// Says whether the file is a template: what the project renders is one, whatever its name.
    pub(crate) fn is_template(&self) -> bool {
        let is_called_so =
            || ["j2", "jinja", "jinja2", "tmpl"].iter().any(|extension| self.name.ends_with(&format!(".{extension}")));
        let is_rendered =
            || self.project.indexes().iter().any(|(_, index)| index.templates.iter().any(|one| one.template == self.name));
        self.source().is_none() && (is_called_so() || is_rendered())
    }

    pub(crate) fn is_data(&self) -> bool {
        let directory = &*self.project.config().data.directory;
        self.name.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
    }

    pub(crate) fn offset(&self, position: Position) -> u32 {
        self.text.offset(position)
    }

    pub(crate) fn range(&self, span: Span) -> Range {
        self.text.range(span)
    }

    /// The text of a file of the project.
    pub(crate) fn text_of(&self, name: &str) -> Option<Text> {
        if *name == *self.name {
            return Some(self.text.clone());
        }
        Some(Text::new(self.project.text(name)?, self.encoding))
    }

    /// The address of a file of the project.
    pub(crate) fn uri(&self, name: &str) -> Option<Uri> {
        let path = match name.split_once('/') {
            Some((first, rest)) if self.elsewhere.contains_key(first) => self.elsewhere.get(first)?.join(rest),
            _ => self.root.join(name),
        };
        uri::of_path(&path)
    }

    pub(crate) fn location(&self, place: &Place) -> Option<Location> {
        let range = self.text_of(&place.file)?.range(place.span);
        Some(Location { uri: self.uri(&place.file)?, range })
    }

    /// Edits of files of the project, in the protocol's form. Those of one file do not overlap.
    #[expect(clippy::mutable_key_type, reason = "the protocol's own type; nobody changes an address")]
    pub(crate) fn edit<'e>(&self, edits: impl Iterator<Item = (&'e Arc<str>, Span, &'e str)>) -> WorkspaceEdit {
        let mut changes: HashMap<Uri, Vec<TextEdit>> = HashMap::new();
        for (file, span, new) in edits {
            let (Some(uri), Some(text)) = (self.uri(file), self.text_of(file)) else { continue };
            changes.entry(uri).or_default().push(TextEdit { range: text.range(span), new_text: new.to_owned() });
        }
        WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() }
    }

    /// The place of something in a catalog.
    pub(crate) fn place_of(&self, location: &SourceLocation) -> Place {
        Place { file: location.file.clone(), span: Span::new(location.start, location.end) }
    }

    /// What compiling gave for this very version.
    pub(crate) fn current(&self) -> Option<&Compiled> {
        self.compiled.as_deref().filter(|compiled| compiled.generation == self.generation)
    }

    /// A type as it is shown: the type itself, and what it is made of where that helps.
    pub(crate) fn shown_type(&self, ty: &Type) -> String {
        let text = ty.to_string();
        if text.chars().count() > 160 { text.chars().take(157).chain("...".chars()).collect() } else { text }
    }
}
