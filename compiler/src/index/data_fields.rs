//! Where data files give values to the fields of record types: the keys below a parameter, followed by its type.

use std::sync::Arc;

use stead_catalog::Type;
use stead_grammar::ast::Span;

use super::{DataPlace, Place};
use crate::data::{Entry, Kind, Node};
use crate::project::Project;

impl DataPlace {
    pub(super) fn of(entry: &Entry) -> Self {
        Self { file: entry.node.file.clone(), key: entry.key_span, span: entry.node.span, value: entry.node.to_value() }
    }
}

/// The key that an offset stands at, with those around it, innermost first: the key itself, or that of the innermost value there. What is
/// below a key of TOML need not stand within its place: `[web.tls]` is far from `[web]`. Keys of lists' items have no path.
pub(super) fn key_at(node: &Node, offset: u32) -> Option<(Vec<Arc<str>>, Span)> {
    let Kind::Map(entries) = &node.kind else { return None };
    let within = || {
        entries.iter().find_map(|(name, entry)| {
            let (mut path, key) = key_at(&entry.node, offset)?;
            path.push(name.clone());
            Some((path, key))
        })
    };
    let own = |touches: &dyn Fn(&Entry) -> bool| {
        entries.iter().find(|(_, entry)| touches(entry)).map(|(name, entry)| (vec![name.clone()], entry.key_span))
    };
    own(&|entry| entry.key_span.touches(offset))
        .or_else(within)
        .or_else(|| own(&|entry| entry.key_span.to(entry.node.span).touches(offset)))
}

impl Project {
    /// Every key of the data files that gives a value to the field that is declared at a place.
    pub fn data_places_of_field(&self, field: &Place) -> Vec<DataPlace> {
        let mut found = Vec::new();
        self.each_field(&mut |place, entry| {
            if place == *field {
                found.push(DataPlace::of(entry));
            }
        });
        found
    }

    /// The field that a key of a data file gives a value to, and where the key stands.
    pub fn field_of_data(&self, file: &str, offset: u32) -> Option<(Place, Span)> {
        let mut found = None;
        self.each_field(&mut |place, entry| {
            if *entry.node.file == *file && entry.key_span.touches(offset) {
                found = Some((place, entry.key_span));
            }
        });
        found
    }

    /// The field that a path of the data gives a value to: `serve.site.name`.
    pub fn field_of_path(&self, path: &[Arc<str>]) -> Option<Place> {
        let (_, mut ty) = self.parameter_of_data(path)?;
        let mut place = None;
        for key in path.get(2..)? {
            let inner = loop {
                match ty {
                    Type::Optional(inner) | Type::Secret(inner) => ty = Type::clone(&inner),
                    other => break other,
                }
            };
            (place, ty) = match inner {
                Type::Record(record) => {
                    let field = record.fields.iter().find(|field| field.name == *key)?;
                    (self.program.field_place(&record, key), field.ty.clone())
                }
                Type::Map(item) => (None, Type::clone(&item)),
                _ => return None,
            };
        }
        place
    }

    /// Hands over every key of the data that is a field of a record type of the project.
    fn each_field(&self, take: &mut dyn FnMut(Place, &Entry)) {
        for callable in &self.program.states {
            for param in &callable.params {
                let path = [&*callable.name.name, &*param.name];
                for node in self.data.roots().filter_map(|root| root.lookup(path)) {
                    self.fields_of(node, &param.ty, take);
                }
            }
        }
    }

    /// Data is nested no deeper than `data::MAX_DEPTH`. Which record of a union a map is cannot be told by looking at its keys.
    fn fields_of(&self, node: &Node, ty: &Type, take: &mut dyn FnMut(Place, &Entry)) {
        match (ty, &node.kind) {
            (Type::Optional(inner) | Type::Secret(inner), _) => self.fields_of(node, inner, take),
            (Type::Record(record), Kind::Map(entries)) => {
                for (name, entry) in entries.iter() {
                    if let Some(place) = self.program.field_place(record, name) {
                        take(place, entry);
                    }
                    if let Some(field) = record.fields.iter().find(|field| field.name == *name) {
                        self.fields_of(&entry.node, &field.ty, take);
                    }
                }
            }
            (Type::Map(item), Kind::Map(entries)) => {
                entries.values().for_each(|entry| self.fields_of(&entry.node, item, take));
            }
            (Type::List(item, _), Kind::List(items)) => items.iter().for_each(|node| self.fields_of(node, item, take)),
            _ => {}
        }
    }
}
