//! What an editor asks about definitions, modules and data.

use std::collections::HashSet;
use std::sync::Arc;

use stead_catalog::{Type, Value};
use stead_grammar::ast::{Field, Ident, Item, MaybeDoc, Span, TypeDefBody};

use super::Place;
use crate::data;
use crate::defs::Def;
use crate::issue::Loc;
use crate::nodes::NodeContext;
use crate::project::Project;

/// The kinds of definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DefinitionKind {
    /// A record type.
    Record,
    /// A name for a type.
    Alias,
    /// An enum.
    Enum,
    /// A function.
    Function,
    /// A state.
    State,
    /// A fact of the project.
    Fact,
}

/// Something that the project defines at the top level of a file.
#[derive(Clone, Debug)]
pub struct Definition {
    /// What it is.
    pub kind: DefinitionKind,
    /// Its name.
    pub name: Arc<str>,
    /// Where its name stands.
    pub place: Place,
    /// The whole item.
    pub span: Span,
    /// Its documentation.
    pub docs: Arc<str>,
    /// How it is written, without its body.
    pub signature: String,
    /// The directory of its module.
    pub module: Arc<str>,
    /// The parameters of a function or state.
    pub params: Vec<Parameter>,
    /// What it stands for; the result of a function.
    pub ty: Type,
    /// Why not to use it any more, and what to use.
    pub deprecated: Option<Arc<str>>,
}

/// A parameter of a function or state.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Type,
    /// It may be left out.
    pub has_default: bool,
    /// Its documentation.
    pub docs: Arc<str>,
    /// Where its name stands.
    pub place: Place,
    /// Why not to give it any more, and what to give.
    pub deprecated: Option<Arc<str>>,
}

/// Where a key of the data is.
#[derive(Clone, Debug)]
pub struct DataPlace {
    /// The data file.
    pub file: Arc<str>,
    /// Where the key stands.
    pub key: Span,
    /// Where its value stands.
    pub span: Span,
    /// Its value in that file.
    pub value: Value,
}

impl Project {
    /// Everything that the project and its dependencies define, in the order of files and places.
    pub fn definitions(&self) -> Vec<Definition> {
        let program = &self.program;
        let mut found: Vec<Definition> = Vec::new();
        for (info, id) in program.types.iter().zip(0..) {
            found.extend(self.define(info.at, Def::Type(id)));
        }
        for (callable, id) in program.fns.iter().zip(0..) {
            found.extend(self.define(callable.at, Def::Fn(id)));
        }
        for (callable, id) in program.states.iter().zip(0..) {
            found.extend(self.define(callable.at, Def::State(id)));
        }
        for fact in &program.custom_facts {
            let Item::Fact(def) = program.item(fact.at) else { continue };
            let file = &program.files[fact.at.file as usize];
            found.push(Definition {
                kind: DefinitionKind::Fact,
                name: fact.name.name.clone(),
                place: program.place(Loc::new(fact.at.file, fact.name.span)),
                span: def.span,
                docs: doc(&def.doc),
                signature: format!("fact {}: {}", fact.name.name, def.ty.span.text(&file.text)),
                module: program.modules[file.module as usize].directory.clone(),
                params: Vec::new(),
                ty: fact.ty.clone(),
                deprecated: crate::defs::deprecation(&def.doc),
            });
        }
        found.retain(|one| !one.name.is_empty());
        found.sort_by(|a, b| a.place.cmp(&b.place));
        found
    }

    /// The names that are declared and not to be used any more.
    pub fn deprecated_places(&self) -> HashSet<Place> {
        let program = &self.program;
        let mut found = HashSet::new();
        let mut note = |file: u32, name: &Ident, doc: &MaybeDoc| {
            if crate::defs::deprecation(doc).is_some() {
                found.insert(program.place(Loc::new(file, name.span)));
            }
        };
        for (source, file) in program.files.iter().zip(0..) {
            for item in &source.tree.items {
                let (name, doc, fields): (_, _, &[Field]) = match item {
                    Item::Type(def) => match &def.body {
                        TypeDefBody::Record(fields) => (&def.name, &def.doc, fields),
                        TypeDefBody::Alias(_) => (&def.name, &def.doc, &[]),
                    },
                    Item::Enum(def) => {
                        def.members.iter().for_each(|member| note(file, &member.name, &member.doc));
                        (&def.name, &def.doc, &[])
                    }
                    Item::Fn(def) => (&def.name, &def.doc, &def.params),
                    Item::State(def) => (&def.name, &def.doc, &def.params),
                    Item::Fact(def) => (&def.name, &def.doc, &[]),
                    _ => continue,
                };
                note(file, name, doc);
                fields.iter().for_each(|field| note(file, &field.name, &field.doc));
            }
        }
        found
    }

    /// The type, function or state whose name stands at a place.
    pub fn definition_at(&self, place: &Place) -> Option<Definition> {
        let program = &self.program;
        let file = crate::defs::index(program.files.iter().position(|file| file.name == place.file)?);
        let is_it = |at: crate::defs::ItemAt, span: Span| at.file == file && span == place.span;
        let ty = || program.types.iter().zip(0..).find(|(info, _)| is_it(info.at, info.name.span));
        let function = || program.fns.iter().zip(0..).find(|(callable, _)| is_it(callable.at, callable.name.span));
        let state = || program.states.iter().zip(0..).find(|(callable, _)| is_it(callable.at, callable.name.span));
        let (at, def) = ty()
            .map(|(info, id)| (info.at, Def::Type(id)))
            .or_else(|| function().map(|(callable, id)| (callable.at, Def::Fn(id))))
            .or_else(|| state().map(|(callable, id)| (callable.at, Def::State(id))))?;
        self.define(at, def)
    }

    fn define(&self, at: crate::defs::ItemAt, def: Def) -> Option<Definition> {
        let program = &self.program;
        let file = &program.files[at.file as usize];
        let text = &*file.text;
        let written = |fields: &[Field]| fields.iter().map(|field| field.span.text(text)).collect::<Vec<_>>().join(", ");
        let (kind, name, docs, span, signature, fields): (_, _, _, _, String, &[Field]) = match program.item(at) {
            Item::Type(item) => match &item.body {
                TypeDefBody::Record(fields) => {
                    let lines: String = fields.iter().map(|field| format!("\n  {}", field.span.text(text))).collect();
                    let signature = format!("type {} {{{lines}\n}}", item.name.name);
                    (DefinitionKind::Record, &item.name, doc(&item.doc), item.span, signature, &[])
                }
                TypeDefBody::Alias(ty) => {
                    let signature = format!("type {} = {}", item.name.name, ty.span.text(text));
                    (DefinitionKind::Alias, &item.name, doc(&item.doc), item.span, signature, &[])
                }
            },
            Item::Enum(item) => {
                let members: Vec<&str> = item.members.iter().map(|member| member.name.as_str()).collect();
                let signature = format!("enum {} {{ {} }}", item.name.name, members.join(", "));
                (DefinitionKind::Enum, &item.name, doc(&item.doc), item.span, signature, &[])
            }
            Item::Fn(item) => {
                let result = item.result.as_ref().map_or("", |ty| ty.span.text(text));
                let signature = format!("fn {}({}) -> {result}", item.name.name, written(&item.params));
                (DefinitionKind::Function, &item.name, doc(&item.doc), item.span, signature, &item.params)
            }
            Item::State(item) => {
                let signature = format!("state {}({})", item.name.name, written(&item.params));
                (DefinitionKind::State, &item.name, doc(&item.doc), item.span, signature, &item.params)
            }
            _ => return None,
        };
        let (params, ty, deprecated): (&[crate::defs::Param], Type, _) = match def {
            Def::Fn(id) => {
                let function = &program.fns[id as usize];
                (&function.params, function.result.clone(), function.deprecated.clone())
            }
            Def::State(id) => (&program.states[id as usize].params, Type::None, program.states[id as usize].deprecated.clone()),
            Def::Type(id) => (&[], program.types[id as usize].ty.clone(), program.types[id as usize].deprecated.clone()),
            Def::Module(_) => (&[], Type::Any, None),
        };
        let params = params.iter().zip(fields).map(|(param, field)| Parameter {
            name: param.name.clone(),
            ty: param.ty.clone(),
            has_default: param.has_default,
            docs: doc(&field.doc),
            place: program.place(Loc::new(at.file, param.span)),
            deprecated: param.deprecated.clone(),
        });
        Some(Definition {
            kind,
            name: name.name.clone(),
            place: program.place(Loc::new(at.file, name.span)),
            span,
            docs,
            signature,
            module: program.modules[file.module as usize].directory.clone(),
            params: params.collect(),
            ty,
            deprecated,
        })
    }

    /// The directory of the module that a source file belongs to.
    pub fn module_of(&self, file: &str) -> Option<Arc<str>> {
        let file = self.program.files.iter().find(|source| &*source.name == file)?;
        Some(self.program.modules[file.module as usize].directory.clone())
    }

    /// The modules that a file of `from` can import: the names to write, and the directory.
    pub fn importable(&self, from: &str) -> Vec<(String, Arc<str>)> {
        let Some(file) = self.program.files.iter().find(|source| &*source.name == from) else { return Vec::new() };
        let own = &self.program.modules[file.module as usize];
        let mut found: Vec<(String, Arc<str>)> = Vec::new();
        for module in &self.program.modules {
            if module.root == own.root && !module.name.is_empty() && module.directory != own.directory {
                found.push((module.name.to_string(), module.directory.clone()));
            }
        }
        for (name, root) in &self.input.dependencies {
            for module in self.program.modules.iter().filter(|module| module.root == *root && own.root != *root) {
                let path = if module.name.is_empty() { name.to_string() } else { format!("{name}.{}", module.name) };
                found.push((path, module.directory.clone()));
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// The names that a file can use without a module before them: its module's, and what it imports.
    pub fn visible_names(&self, file: &str) -> Vec<(Arc<str>, super::Target)> {
        let Some(id) = self.program.files.iter().position(|source| &*source.name == file) else { return Vec::new() };
        let module = self.program.files[id].module as usize;
        let own = self.program.modules[module].names.iter().map(|(name, (def, _))| (name.clone(), self.program.target(*def)));
        let imported = self.program.imports[id].iter().map(|(name, import)| (name.clone(), self.program.target(import.def)));
        let mut names: Vec<_> = own.chain(imported).collect();
        names.sort_by(|a, b| a.0.cmp(&b.0));
        names
    }

    /// Says whether the node block at a place is for a node.
    pub fn applies_to(&self, file: &str, block: Span, node: &NodeContext) -> bool {
        let Some(id) = self.program.files.iter().position(|source| &*source.name == file) else { return false };
        let at = Loc::new(crate::defs::index(id), block);
        let Some(code) = self.code.nodes.iter().find(|code| code.at == at) else { return false };
        crate::stack::with_room(|| crate::nodes::applies(self, code, node))
    }

    /// The value of a path of the data for a node, with its place: what `data.a.b` is there.
    pub fn data_for(&self, node: &NodeContext, path: &[Arc<str>]) -> Option<(Value, Place)> {
        let tree = crate::nodes::data_tree(self, node);
        let found = tree.lookup(path.iter().map(|key| &**key))?;
        Some((found.to_value(), Place { file: found.file.clone(), span: found.span }))
    }

    /// Every place in the data files that gives a value to a path.
    pub fn data_places(&self, path: &[Arc<str>]) -> Vec<DataPlace> {
        let Some((last, before)) = path.split_last() else { return Vec::new() };
        let roots = self.data.roots();
        let holders = roots.filter_map(|root| root.lookup(before.iter().map(|key| &**key)));
        let entries = holders.filter_map(|node| node.get(last));
        entries.map(DataPlace::of).collect()
    }

    /// The keys below a path of the data, in any file, each with one of its values.
    pub fn data_keys(&self, path: &[Arc<str>]) -> Vec<(Arc<str>, Value)> {
        let mut found: Vec<(Arc<str>, Value)> = Vec::new();
        for root in self.data.roots() {
            let Some(node) = root.lookup(path.iter().map(|key| &**key)) else { continue };
            let data::Kind::Map(entries) = &node.kind else { continue };
            for (name, entry) in entries.iter() {
                if !found.iter().any(|(known, _)| known == name) {
                    found.push((name.clone(), entry.node.to_value()));
                }
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    /// The path of keys at an offset of a data file, outermost first, and where the innermost key stands.
    pub fn data_path_at(&self, file: &str, offset: u32) -> Option<(Vec<Arc<str>>, Span)> {
        let root = self.data.roots().find(|root| &*root.file == file)?;
        let (mut path, key) = super::data_fields::key_at(root, offset)?;
        path.reverse();
        Some((path, key))
    }

    /// The parameter of a state that the data gives a value under `state.parameter`.
    pub fn parameter_of_data(&self, path: &[Arc<str>]) -> Option<(Place, Type)> {
        let [state, name, ..] = path else { return None };
        let callable = self.program.states.iter().find(|one| one.name.name == *state)?;
        let param = callable.params.iter().find(|param| param.name == *name)?;
        Some((self.program.place(Loc::new(callable.at.file, param.span)), param.ty.clone()))
    }

    /// The state and parameter whose name stands at a place: the data key that gives it a value.
    pub fn data_key_of(&self, place: &Place) -> Option<Vec<Arc<str>>> {
        self.program.states.iter().find_map(|callable| {
            let file = &self.program.files[callable.at.file as usize].name;
            let param = callable.params.iter().find(|param| param.span == place.span && *file == place.file)?;
            Some(vec![callable.name.name.clone(), param.name.clone()])
        })
    }

    /// Where a record type or enum of the project is declared.
    pub fn type_place(&self, ty: &Type) -> Option<Place> {
        let inner = match ty {
            Type::Optional(inner) | Type::Secret(inner) | Type::List(inner, _) | Type::Map(inner) => {
                return self.type_place(inner);
            }
            other => other,
        };
        let info = self.program.types.iter().find(|info| match (&info.ty, inner) {
            (Type::Record(a), Type::Record(b)) => Arc::ptr_eq(a, b) || (!a.name.is_empty() && a == b),
            (Type::Enum(a), Type::Enum(b)) => Arc::ptr_eq(a, b) || (!a.name.is_empty() && a == b),
            _ => false,
        })?;
        Some(self.program.place(Loc::new(info.at.file, info.name.span)))
    }

    /// Where a field of a record type of the project is declared.
    pub fn field_place(&self, record: &Arc<stead_catalog::RecordType>, name: &str) -> Option<Place> {
        self.program.field_place(record, name)
    }

    /// The schemas of the resource types.
    pub fn schemas(&self) -> &Arc<crate::project::Schemas> {
        &self.program.schemas
    }

    /// The names of the attributes that every resource takes, each with a sentence.
    pub fn meta_attributes(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        crate::check::meta_names()
    }

    /// The names of the types of the language.
    pub fn builtin_types(&self) -> &'static [&'static str] {
        crate::resolve::builtin_types()
    }

    /// The files of the project whose names end in one of `extensions`.
    pub fn other_files(&self, extensions: &[&str]) -> Vec<Arc<str>> {
        self.sources.files("", extensions)
    }

    /// The files that code can read: those below a directory `files`.
    pub fn readable_files(&self) -> Vec<Arc<str>> {
        const EXTENSIONS: [&str; 40] = [
            "asc", "bash", "cfg", "cnf", "conf", "crt", "css", "csv", "deb", "env", "gpg", "gz", "html", "ini", "js", "json",
            "key", "list", "lua", "md", "mount", "pem", "pl", "pub", "py", "rb", "rules", "service", "sh", "socket", "sql",
            "tar", "timer", "toml", "txt", "xml", "xz", "yaml", "yml", "zip",
        ];
        let mut files = self.sources.files("", &EXTENSIONS);
        files.retain(|name| name.starts_with("files/") || name.contains("/files/"));
        files
    }

    /// The documentation of a member of an enum of the project.
    pub fn member_docs(&self, choice: &Arc<stead_catalog::EnumType>, name: &str) -> Option<String> {
        let place = self.program.member_place(choice, name)?;
        let file = self.program.files.iter().find(|file| file.name == place.file)?;
        let members = file.tree.items.iter().filter_map(|item| match item {
            Item::Enum(def) => Some(&def.members),
            _ => None,
        });
        let member = members.flatten().find(|member| member.name.span == place.span)?;
        member.doc.as_ref().map(|doc| doc.text.to_string())
    }

    /// The project as it would be with other texts for some of its files. It is loaded anew and shares nothing with this one.
    pub fn edited(&self, files: std::collections::BTreeMap<Arc<str>, Arc<str>>) -> Self {
        let sources = Arc::new(crate::sources::Edited { inner: self.sources.clone(), files });
        Self::load(crate::project::Input { sources, ..self.input.clone() })
    }

    /// Finds the file that a path names, seen from a source file.
    pub fn find_file(&self, from: &str, path: &str) -> Option<Arc<str>> {
        crate::files::found(&*self.sources, from, path)
    }
}

fn doc(doc: &MaybeDoc) -> Arc<str> {
    doc.as_ref().map_or_else(|| "".into(), |doc| doc.text.clone())
}
