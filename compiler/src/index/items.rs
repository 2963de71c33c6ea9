//! The declarations of a file, its imports and the types it writes: what the checker of bodies does not look at.

use std::sync::Arc;

use stead_grammar::ast::{self, Field, Item, TypeDefBody, TypeExpr, TypeExprKind, UseBinding};

use super::notes::Notes;
use super::probe::{Context, ContextKind, MARKER};
use super::{FileIndex, Target};
use crate::defs::Program;
use crate::issue::Loc;
use crate::project::{Input, Project};

impl Project {
    /// What is known about the places of a source file; made when it is first asked for.
    pub fn index(&self, file: &str) -> Option<Arc<FileIndex>> {
        let id = self.program.files.iter().position(|source| &*source.name == file)?;
        let index = self.indexes[id].get_or_init(|| {
            crate::stack::with_room(|| {
                let id = crate::defs::index(id);
                let notes = self.notes_of(&self.program, id);
                Arc::new(notes.finish().0)
            })
        });
        Some(index.clone())
    }

    /// The indexes of all source files, by their names; made in parallel.
    pub fn indexes(&self) -> Vec<(Arc<str>, Arc<FileIndex>)> {
        use rayon::prelude::*;
        let names: Vec<Arc<str>> = self.program.files.iter().map(|file| file.name.clone()).collect();
        names.into_par_iter().filter_map(|name| self.index(&name).map(|index| (name, index))).collect()
    }

    pub(super) fn probe_notes(&self, file: &str, text: &str) -> Option<Notes> {
        let id = self.program.files.iter().position(|source| &*source.name == file)?;
        let mut files = self.program.files.clone();
        let old = &files[id];
        files[id] = crate::project::parse_file(old.name.clone(), text.into(), old.is_dependency);
        let mut issues = Vec::new();
        let input = Input { sources: self.sources.clone(), ..self.input.clone() };
        let mut program = crate::defs::collect(files, &input, &mut issues);
        crate::resolve::resolve(&mut program, &mut issues);
        Some(self.notes_of(&program, crate::defs::index(id)))
    }

    /// Checks one file with a recorder.
    fn notes_of(&self, program: &Program, file: u32) -> Notes {
        let (bases, _) = crate::check::constant_bases(program);
        let base = bases.get(file as usize).copied().unwrap_or(0);
        let notes = Some(Box::default());
        let (_, notes) = crate::check::check_file(program, &*self.watched, &self.templates, file, base, notes);
        let mut notes = notes.map_or_else(Notes::default, |notes| *notes);
        let input = Input { sources: self.sources.clone(), ..self.input.clone() };
        Noting { program, file, input: &input, notes: &mut notes }.items();
        notes
    }
}

struct Noting<'a> {
    program: &'a Program,
    file: u32,
    input: &'a Input,
    notes: &'a mut Notes,
}

impl Noting<'_> {
    fn items(&mut self) {
        let tree = self.program.files[self.file as usize].tree.clone();
        for item in &tree.items {
            match item {
                Item::Use(import) => self.import(import),
                Item::Type(def) => {
                    self.declare(&def.name, Target::Type);
                    match &def.body {
                        TypeDefBody::Record(fields) => self.fields(fields, true),
                        TypeDefBody::Alias(ty) => self.written_type(ty),
                    }
                }
                Item::Enum(def) => {
                    self.declare(&def.name, Target::Type);
                    for member in &def.members {
                        self.declare(&member.name, Target::Member);
                    }
                }
                Item::Fn(def) => {
                    self.declare(&def.name, Target::Function);
                    self.fields(&def.params, false);
                    def.result.iter().for_each(|ty| self.written_type(ty));
                }
                Item::State(def) => {
                    self.declare(&def.name, Target::State);
                    self.fields(&def.params, false);
                }
                Item::Fact(def) => {
                    if !def.name.is_missing() {
                        self.notes.add(def.name.span, Target::Fact(vec![def.name.name.clone()]), true);
                    }
                    self.written_type(&def.ty);
                }
                Item::Node(_) | Item::Inventory(_) | Item::Stmt(_) | Item::Error(_) => {}
            }
        }
    }

    fn declare(&mut self, name: &ast::Ident, target: fn(super::Place) -> Target) {
        if !name.is_missing() {
            let place = self.program.place(Loc::new(self.file, name.span));
            self.notes.add(name.span, target(place), true);
        }
    }

    /// The fields of a record, or parameters, whose names the checker notes.
    fn fields(&mut self, fields: &[Field], is_record: bool) {
        for field in fields {
            if is_record {
                self.declare(&field.name, Target::Field);
            }
            self.written_type(&field.ty);
        }
    }

    /// Notes the names in a type. What is wrong in it was told when the definitions were resolved.
    fn written_type(&mut self, ty: &TypeExpr) {
        if let TypeExprKind::Record(fields) = &ty.kind {
            self.fields(fields, false);
            return;
        }
        let mut issues = Vec::new();
        crate::resolve::resolve_type_expr(self.program, self.file, ty, &mut issues, Some(self.notes));
    }

    fn import(&mut self, import: &ast::Use) {
        let program = self.program;
        let context = |kind, span| Context { kind, span, variables: Vec::new(), in_state: false };
        if let Some(at) = import.path.segments.iter().position(|segment| segment.as_str() == MARKER) {
            let before = import.path.segments[..at].iter().map(|segment| segment.name.clone()).collect();
            self.notes.context = Some(context(ContextKind::ModulePath(before), import.path.segments[at].span));
            return;
        }
        let root = &program.modules[program.files[self.file as usize].module as usize].root;
        let Some(module) = crate::imports::find_module(program, root, &import.path, &program.by_dir, self.input) else { return };
        let directory = program.modules[module as usize].directory.clone();
        self.notes.add(import.path.span, Target::Module(directory.clone()), false);
        match &import.binding {
            UseBinding::Module => {}
            UseBinding::Alias(alias) => self.notes.add(alias.span, Target::Module(directory), false),
            UseBinding::Members(members) => {
                for member in members {
                    if member.name.as_str() == MARKER {
                        let kind = ContextKind::ImportMember(directory.clone());
                        self.notes.context = Some(context(kind, member.name.span));
                    }
                    if let Some((def, _)) = program.modules[module as usize].names.get(&member.name.name) {
                        self.notes.add(member.name.span, program.target(*def), false);
                        if let Some(alias) = &member.alias {
                            self.notes.add(alias.span, program.target(*def), false);
                        }
                    }
                }
            }
        }
    }
}
