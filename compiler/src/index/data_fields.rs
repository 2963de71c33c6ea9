//! Where data files give values to the fields of record types: the keys below a parameter, followed by its type.

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
