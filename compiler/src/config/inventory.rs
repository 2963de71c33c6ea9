//! The table `[inventory]`: inventories of other tools.

use std::sync::Arc;

use stead_catalog::{Type, Value};
use stead_grammar::ast::Span;

use super::Reader;
use crate::data::{Kind, Node};
use crate::inventory::InventoryFormat;

/// The table `[inventory]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InventoryConfig {
    /// Inventories of other tools, in order.
    pub files: Vec<InventoryFile>,
    /// How long a program that prints an inventory may take, in nanoseconds; 30 seconds when absent.
    pub timeout_ns: Option<u64>,
}

/// An inventory of another tool: a file, or a program that prints one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryFile {
    /// Its path: below the project, absolute, or below the user's home with `~/`.
    pub path: Arc<str>,
    /// A file of the project that holds what it lists, for who must not run or read it: a review.
    pub listing: Option<Arc<str>>,
    /// Its form, where it cannot be told by its name.
    pub format: Option<InventoryFormat>,
    /// Where `stead.toml` says so.
    pub span: Span,
}

impl InventoryConfig {
    pub(super) fn read(table: &Node, reader: &mut Reader) -> Self {
        reader.known_keys(table, &["files", "timeout"], "inventory");
        Self {
            files: reader.inventory_files(table),
            timeout_ns: reader.quantity(table, "timeout", &Type::Duration, "a duration such as \"30s\""),
        }
    }
}

impl Reader {
    /// Paths, or `{ path = "…", format = "…" }`.
    fn inventory_files(&mut self, table: &Node) -> Vec<InventoryFile> {
        let Some(entry) = table.get("files") else { return Vec::new() };
        let Kind::List(items) = &entry.node.kind else {
            self.wrong_kind(&entry.node, "files", "a list of paths");
            return Vec::new();
        };
        let mut files = Vec::with_capacity(items.len());
        for item in items.iter() {
            match &item.kind {
                Kind::Scalar(Value::String(path)) => {
                    files.push(InventoryFile { path: path.clone(), listing: None, format: None, span: item.span })
                }
                Kind::Map(_) => {
                    self.known_keys(item, &["path", "format", "listing"], "inventory.files");
                    let Some(path) = self.text(item, "path") else {
                        self.error("invalid-setting", item.span, "an inventory needs a `path`".into());
                        continue;
                    };
                    let name = self.text(item, "format");
                    let format = name.as_ref().and_then(|name| InventoryFormat::named(name, &path));
                    if let (Some(name), None) = (&name, format) {
                        let span = item.get("format").map_or(item.span, |entry| entry.node.span);
                        let hint = format!("the forms are {}", InventoryFormat::NAMES.join(", "));
                        self.error("invalid-setting", span, format!("there is no form of inventory `{name}`")).hints.push(hint);
                    }
                    let listing = self.directory(item, "listing");
                    files.push(InventoryFile { path, listing, format, span: item.span });
                }
                _ => self.wrong_kind(item, "files", "a list of paths"),
            }
        }
        files
    }
}
