//! Completion in Jinja2 templates: what the template is given, fields, filters and tests.

use lsp_types::{
    CompletionItem, CompletionItemKind as Kind, CompletionTextEdit, Documentation, MarkupContent, MarkupKind, TextEdit,
};
use stead_catalog::Type;
use stead_compiler::index::{MARKER, TemplateContext};

use crate::features::describe;
use crate::snapshot::Snapshot;

/// What could stand at a place of a template.
pub(super) fn found(snapshot: &Snapshot, offset: u32) -> Option<Vec<CompletionItem>> {
    let word = snapshot.text.word(offset);
    let text = snapshot.text.replaced(word, MARKER);
    // A tag that has no end yet gets one.
    let closed = |end: &str| snapshot.text.replaced(word, &format!("{MARKER}{end}"));
    let texts = [text, closed(" }}"), closed(" %}"), closed(" %}{% endif %}"), closed(" %}{% endfor %}")];
    let context = texts.iter().find_map(|text| snapshot.project.probe_template(&snapshot.name, text))?;
    let range = snapshot.range(word);
    let item = |label: &str, kind: Kind, detail: Option<String>| CompletionItem {
        label: label.to_owned(),
        kind: Some(kind),
        detail,
        sort_text: Some(label.to_owned()),
        text_edit: Some(CompletionTextEdit::Edit(TextEdit { range, new_text: label.to_owned() })),
        ..CompletionItem::default()
    };
    Some(match context {
        TemplateContext::Name(names) => {
            names.iter().map(|(name, ty)| item(name, Kind::VARIABLE, Some(snapshot.shown_type(ty)))).collect()
        }
        TemplateContext::Member(ty) => {
            let mut items = Vec::new();
            if let Type::Record(record) = &ty {
                items.extend(record.fields.iter().map(|field| {
                    let docs = Some(field.docs.to_string()).filter(|docs| !docs.is_empty());
                    with_docs(item(&field.name, Kind::FIELD, Some(snapshot.shown_type(&field.ty))), docs)
                }));
            }
            let methods = stead_compiler::template::methods_of_type(&ty).into_iter();
            items.extend(methods.map(|(name, builtin)| {
                let detail = builtin.map(|builtin| builtin.signature.to_string());
                let method = with_docs(item(name, Kind::METHOD, detail), builtin.map(describe::builtin));
                // Fields come first.
                CompletionItem { sort_text: Some(format!("~{name}")), ..method }
            }));
            items
        }
        TemplateContext::Filter(names) | TemplateContext::Test(names) => {
            let mut names = names;
            names.sort_unstable();
            names.dedup();
            names.iter().map(|name| item(name, Kind::FUNCTION, None)).collect()
        }
    })
}

fn with_docs(item: CompletionItem, docs: Option<String>) -> CompletionItem {
    let markdown = |value| Documentation::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value });
    CompletionItem { documentation: docs.map(markdown), ..item }
}
