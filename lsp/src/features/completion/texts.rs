//! What stands inside a text: names of resources, paths of files, values of the expected type.

use std::collections::BTreeSet;
use std::sync::Arc;

use lsp_types::{CompletionItem, CompletionItemKind as Kind, CompletionTextEdit, TextEdit};
use stead_catalog::{Type, Value};
use stead_compiler::index::{Target, TextRole};

use super::items::Items;

impl Items<'_> {
    /// What a text could be: names of resources, paths of files, values of the expected type.
    pub(super) fn texts(&mut self, role: &TextRole, expected: Option<&Type>, text: &str) {
        let project = self.snapshot.project.clone();
        let before = text.split(stead_compiler::index::MARKER).next().unwrap_or_default();
        match role {
            TextRole::Reference(type_name) | TextRole::ResourceName(type_name) => {
                let wanted = |id: &stead_catalog::ResourceId| id.type_name == *type_name;
                let mut names: BTreeSet<Arc<str>> = BTreeSet::new();
                for (_, index) in project.indexes() {
                    let declared = index.uses.iter().filter_map(|one| match &one.target {
                        Target::Resource(id) if one.is_declaration && wanted(id) => Some(id.name.clone()),
                        _ => None,
                    });
                    names.extend(declared);
                }
                let compiled = self.snapshot.compiled.clone();
                let catalogs = compiled.iter().flat_map(|one| &one.nodes).filter_map(|(_, catalog)| catalog.as_ref());
                names.extend(
                    catalogs.flat_map(|one| &one.resources).map(|one| &one.id).filter(|id| wanted(id)).map(|id| id.name.clone()),
                );
                let is_new = matches!(role, TextRole::ResourceName(_));
                for name in names {
                    self.text_item(&name, before, if is_new { 5 } else { 0 }, Kind::REFERENCE);
                }
            }
            TextRole::Template => self.files(before, &["j2", "jinja", "jinja2", "tmpl"], "templates"),
            TextRole::File => {
                let files: Vec<Arc<str>> = project.readable_files();
                for name in files {
                    if let Some(short) = short_path(&self.snapshot.name, &name, "files") {
                        self.text_item(&short, before, 0, Kind::FILE);
                    }
                }
            }
            TextRole::Plain => {}
        }
        if let Some(Type::Literal(_) | Type::Union(_) | Type::Optional(_)) = expected {
            let mut values = Vec::new();
            literal_texts(expected.unwrap_or(&Type::Any), &mut values);
            for value in values {
                self.text_item(&value, before, 0, Kind::VALUE);
            }
        }
    }

    fn files(&mut self, before: &str, extensions: &[&str], folder: &str) {
        for name in self.snapshot.project.other_files(extensions) {
            if let Some(short) = short_path(&self.snapshot.name, &name, folder) {
                self.text_item(&short, before, 0, Kind::FILE);
            }
        }
    }

    /// An item inside a text: what is written before the word is kept.
    fn text_item(&mut self, whole: &str, before: &str, rank: u8, kind: Kind) {
        let Some(rest) = whole.strip_prefix(before) else { return };
        let escaped = rest.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${");
        if !whole.is_empty() && self.seen.insert(whole.to_owned()) {
            let range = self.snapshot.range(self.replaced);
            self.list.push(CompletionItem {
                label: whole.to_owned(),
                kind: Some(kind),
                filter_text: Some(rest.to_owned()),
                sort_text: Some(format!("{rank:02}{whole}")),
                text_edit: Some(CompletionTextEdit::Edit(TextEdit { range, new_text: escaped })),
                ..CompletionItem::default()
            });
        }
    }
}

/// The path that a source file names another by: the shorter, the better.
fn short_path(from: &str, name: &str, folder: &str) -> Option<String> {
    let beside = from.rsplit_once('/').map(|(directory, _)| format!("{directory}/"));
    if let Some(rest) = beside.as_deref().and_then(|beside| name.strip_prefix(beside)) {
        return Some(rest.strip_prefix(&format!("{folder}/")).unwrap_or(rest).to_owned());
    }
    if name.split('/').any(|part| part.starts_with('.')) {
        return None;
    }
    Some(name.strip_prefix(&format!("{folder}/")).unwrap_or(name).to_owned())
}

fn literal_texts(ty: &Type, found: &mut Vec<Arc<str>>) {
    match ty {
        Type::Literal(Value::String(text)) => found.push(text.clone()),
        Type::Optional(inner) | Type::Secret(inner) => literal_texts(inner, found),
        Type::Union(options) => options.iter().for_each(|option| literal_texts(option, found)),
        _ => {}
    }
}
