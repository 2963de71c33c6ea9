//! What an item is made of, before it has the protocol's form.

use lsp_types::CompletionItemKind as Kind;
use stead_catalog::Type;
use stead_compiler::index::{Definition, DefinitionKind};

/// What an item is made of.
pub(super) struct Entry<'t> {
    pub(super) label: &'t str,
    pub(super) kind: Kind,
    /// Smaller comes first.
    pub(super) rank: u8,
    pub(super) detail: String,
    pub(super) docs: Option<String>,
    /// A snippet, where more than the label is written.
    pub(super) snippet: Option<String>,
    /// It is not to be used any more, and comes last.
    pub(super) is_deprecated: bool,
}

impl<'t> Entry<'t> {
    pub(super) fn new(label: &'t str, kind: Kind, rank: u8) -> Self {
        Self { label, kind, rank, detail: String::new(), docs: None, snippet: None, is_deprecated: false }
    }

    pub(super) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    pub(super) fn docs(self, docs: Option<String>) -> Self {
        Self { docs, ..self }
    }

    pub(super) fn snippet(self, snippet: impl Into<String>) -> Self {
        Self { snippet: Some(snippet.into()), ..self }
    }

    pub(super) fn deprecated(self, is_deprecated: bool) -> Self {
        Self { is_deprecated, ..self }
    }
}

/// A call with a place for each argument that is needed.
pub(super) fn call_snippet(name: &str, definition: &Definition) -> String {
    let needed = definition.params.iter().filter(|param| !param.has_default && !matches!(param.ty, Type::Optional(_)));
    let is_state = definition.kind == DefinitionKind::State;
    let args: Vec<String> = needed
        .zip(1..)
        .map(|(param, i)| if is_state { format!("{} = ${{{i}}}", param.name) } else { format!("${{{i}:{}}}", param.name) })
        .collect();
    format!("{name}({})$0", args.join(", "))
}

/// What a snippet writes before the place where the cursor goes first: for editors that know no snippets, and go on there.
pub(super) fn before_first_stop(snippet: &str) -> String {
    let mut text = String::new();
    let mut chars = snippet.chars();
    while let Some(c) = chars.next() {
        match c {
            '$' => break,
            '\\' => text.extend(chars.next()),
            c => text.push(c),
        }
    }
    text
}
