//! From what stands at a place to the items that are offered.

use std::collections::BTreeSet;
use std::sync::Arc;

use lsp_types::{
    CompletionItem, CompletionItemKind as Kind, CompletionItemLabelDetails, CompletionItemTag, CompletionTextEdit, Documentation,
    InsertTextFormat, MarkupContent, MarkupKind, TextEdit,
};
use stead_catalog::{Type, Value, deprecation};
use stead_compiler::builtins;
use stead_compiler::index::{Callee, ContextKind, DefinitionKind, Target};
use stead_grammar::ast::Span;

use super::Place;
use super::entry::{Entry, before_first_stop, call_snippet};
use crate::features::code_actions::import_edit;
use crate::features::describe;
use crate::snapshot::Snapshot;

/// Words that begin a statement.
const STATEMENTS: [(&str, &str); 6] = [
    ("let", "let ${1:name} = $0"),
    ("for", "for ${1:item} in ${2:items} {\n  $0\n}"),
    ("if", "if ${1:condition} {\n  $0\n}"),
    ("match", "match ${1:value} {\n  ${2:_} => { $0 }\n}"),
    ("extend", "extend ${1:type}[\"${2:name}\"] {\n  $0\n}"),
    ("defaults", "defaults ${1:type} {\n  $0\n}"),
];

/// Words that begin an item.
const ITEMS: [(&str, &str); 7] = [
    ("state", "state ${1:name}($2) {\n  $0\n}"),
    ("node", "node \"${1:name}\" {\n  $0\n}"),
    ("fn", "fn ${1:name}($2) -> ${3:String} = $0"),
    ("type", "type ${1:Name} {\n  $0\n}"),
    ("enum", "enum ${1:Name} { $0 }"),
    ("use", "use ${0:module}"),
    ("fact", "fact ${1:name}: ${0:String}"),
];

/// As many resources are offered.
const MANY: usize = 500;

/// What is added to the rank of what is deprecated.
const LAST: u8 = 50;

/// Gathers items; each name once, the first counts.
pub(super) struct Items<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) replaced: Span,
    pub(super) list: Vec<CompletionItem>,
    pub(super) seen: BTreeSet<String>,
}

/// What could stand at a place.
pub(crate) fn of(snapshot: &Snapshot, place: &Place) -> Vec<CompletionItem> {
    let mut items = Items { snapshot, replaced: place.replaced, list: Vec::new(), seen: BTreeSet::new() };
    match &place.context.kind {
        ContextKind::Value { expected } => {
            items.arguments(place);
            items.values(place, expected.as_ref());
        }
        ContextKind::Member { receiver, is_optional, path } => items.members(receiver, *is_optional, path.as_deref()),
        ContextKind::ModuleMember { module, is_statement, is_type } => items.module_members(module, *is_statement, *is_type),
        ContextKind::EnumMember(ty) | ContextKind::Pattern(ty) => {
            items.members_of_enum(ty, 0);
            if matches!(place.context.kind, ContextKind::Pattern(_)) {
                items.add(Entry::new("_", Kind::KEYWORD, 5));
                items.literals(ty);
            }
        }
        ContextKind::Statement => items.statements(place),
        ContextKind::Attribute { type_name, given, is_declaration } => items.attributes(type_name, given, *is_declaration),
        ContextKind::RecordField { record, given } => {
            for (i, field) in record.fields.iter().enumerate().filter(|(_, field)| !given.contains(&field.name)) {
                let needed = field.default.is_none() && !matches!(field.ty, Type::Optional(_));
                let rank = if needed { 0 } else { 2 } + u8::from(i > 20);
                let entry = Entry::new(&field.name, Kind::FIELD, rank).detail(field.ty.to_string());
                let docs = Some(field.docs.to_string()).filter(|docs| !docs.is_empty());
                let is_deprecated = deprecation(&field.docs).is_some();
                items.add(entry.docs(docs).snippet(format!("{} = $0", field.name)).deprecated(is_deprecated));
            }
        }
        ContextKind::TypeName => items.types(),
        ContextKind::ResourceType => items.type_names(place.needs_block),
        ContextKind::TemplateVariable { template, given } => items.template_variables(place, template.as_deref(), given),
        ContextKind::ModulePath(before) => items.module_path(before),
        ContextKind::ImportMember(module) => items.module_members(module, false, false),
        ContextKind::Text { role, expected, text } => items.texts(role, expected.as_ref(), text),
    }
    items.list
}

impl Items<'_> {
    fn add(&mut self, entry: Entry<'_>) {
        self.add_item(entry, None);
    }

    fn add_item(&mut self, entry: Entry<'_>, additional: Option<Vec<TextEdit>>) {
        if entry.label.is_empty() || !self.seen.insert(entry.label.to_owned()) {
            return;
        }
        let range = self.snapshot.range(self.replaced);
        let can_jump = self.snapshot.takes_snippets;
        let is_snippet = can_jump && entry.snippet.is_some();
        let new_text = match entry.snippet {
            Some(snippet) if can_jump => snippet,
            Some(snippet) => before_first_stop(&snippet),
            None => entry.label.to_owned(),
        };
        self.list.push(CompletionItem {
            label: entry.label.to_owned(),
            label_details: None,
            kind: Some(entry.kind),
            detail: Some(entry.detail).filter(|detail| !detail.is_empty()),
            documentation: entry
                .docs
                .map(|value| Documentation::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value })),
            sort_text: Some(format!("{:02}{}", entry.rank + if entry.is_deprecated { LAST } else { 0 }, entry.label)),
            tags: entry.is_deprecated.then(|| vec![CompletionItemTag::DEPRECATED]),
            insert_text_format: is_snippet.then_some(InsertTextFormat::SNIPPET),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit { range, new_text })),
            additional_text_edits: additional,
            ..CompletionItem::default()
        });
    }

    /// The parameters that the call around the place was not given.
    fn arguments(&mut self, place: &Place) {
        let Some(call) = place.index.call_at(place.at) else { return };
        let Some(argument) = call.args.iter().find(|arg| arg.span.touches(place.at)) else { return };
        if argument.is_named {
            return;
        }
        let given: Vec<usize> =
            call.args.iter().filter(|arg| !arg.span.touches(place.at)).filter_map(|arg| arg.parameter).collect();
        if let Callee::Defined(callee) = &call.callee
            && let Some(definition) = self.snapshot.project.definition_at(callee)
        {
            for (_, param) in definition.params.iter().enumerate().filter(|(i, _)| !given.contains(i)) {
                let docs = Some(param.docs.to_string()).filter(|docs| !docs.is_empty());
                let label = format!("{} =", param.name);
                let entry =
                    Entry::new(&label, Kind::PROPERTY, u8::from(param.has_default)).detail(param.ty.to_string()).docs(docs);
                self.add(entry.snippet(format!("{} = $0", param.name)).deprecated(param.deprecated.is_some()));
            }
        }
    }

    fn values(&mut self, place: &Place, expected: Option<&Type>) {
        if let Some(expected) = expected {
            self.members_of_enum(expected, 0);
            self.literals(expected);
        }
        let wants_resource = matches!(expected, Some(Type::Ref(_)));
        if let Some(Type::Ref(of)) = expected {
            self.existing(of.as_deref());
        }
        let fits = |ty: &Type| match (expected, ty) {
            (Some(Type::Ref(None)), Type::Ref(_)) => true,
            (Some(expected), ty) => expected == ty && !matches!(ty, Type::Any),
            (None, _) => false,
        };
        for (i, variable) in place.context.variables.iter().enumerate() {
            let rank = if fits(&variable.ty) {
                1
            } else if wants_resource {
                9
            } else if i < 50 {
                2
            } else {
                3
            };
            self.add(Entry::new(&variable.name, Kind::VARIABLE, rank).detail(self.snapshot.shown_type(&variable.ty)));
        }
        for (name, target) in self.snapshot.project.visible_names(&self.snapshot.name) {
            match &target {
                Target::Function(at) => self.defined(&name, at, Kind::FUNCTION, 4),
                Target::Module(_) => self.add(Entry::new(&name, Kind::MODULE, 6).detail("module")),
                Target::Type(at) => {
                    let is_enum = self.snapshot.project.definition_at(at).is_some_and(|one| one.kind == DefinitionKind::Enum);
                    if is_enum {
                        self.defined(&name, at, Kind::ENUM, 7);
                    }
                }
                _ => {}
            }
        }
        for (name, docs) in [
            ("facts", "What the node tells about itself."),
            ("data", "What the operator provides."),
            ("node", "The node itself."),
        ] {
            self.add(Entry::new(name, Kind::VARIABLE, 5).docs(Some(docs.to_owned())));
        }
        for (name, signature, _) in describe::SPECIAL {
            self.add(
                Entry::new(name, Kind::FUNCTION, 6)
                    .detail(signature)
                    .docs(describe::special(name))
                    .snippet(format!("{name}($0)")),
            );
        }
        for builtin in builtins::all().iter().filter(|one| one.signature.receiver.is_none()) {
            let name = builtin.signature.name;
            let entry = Entry::new(name, Kind::FUNCTION, 6).detail(builtin.signature.to_string());
            let entry = entry.deprecated(builtin.deprecated.is_some());
            self.add(entry.docs(Some(describe::builtin(builtin))).snippet(format!("{name}($0)")));
        }
        let wants_reference = expected.is_none_or(|ty| matches!(ty, Type::Ref(_) | Type::Any));
        if wants_reference {
            self.resource_types(if wants_resource { 2 } else { 8 }, true);
        }
        for word in ["if", "match", "none", "true", "false"] {
            self.add(Entry::new(word, Kind::KEYWORD, 9));
        }
        self.importable(&[DefinitionKind::Function], Kind::FUNCTION);
    }

    fn defined(&mut self, name: &str, at: &stead_compiler::index::Place, kind: Kind, rank: u8) {
        let Some(definition) = self.snapshot.project.definition_at(at) else { return };
        let entry = Entry::new(name, kind, rank)
            .detail(definition.signature.lines().next().unwrap_or_default().to_owned())
            .docs(Some(describe::definition(&definition)))
            .deprecated(definition.deprecated.is_some());
        let snippet = call_snippet(name, &definition);
        self.add(match kind {
            Kind::FUNCTION | Kind::METHOD => entry.snippet(snippet),
            _ => entry,
        });
    }

    /// What other modules define and this file could import.
    fn importable(&mut self, kinds: &[DefinitionKind], kind: Kind) {
        let project = &self.snapshot.project;
        let modules = project.importable(&self.snapshot.name);
        for definition in project.definitions().into_iter().filter(|one| kinds.contains(&one.kind)) {
            let Some((path, _)) = modules.iter().find(|(_, directory)| *directory == definition.module) else { continue };
            let Some(edit) = import_edit(self.snapshot, path, &definition.name) else { continue };
            let is_call = matches!(definition.kind, DefinitionKind::Function | DefinitionKind::State);
            let mut entry = Entry::new(&definition.name, kind, 12)
                .detail(format!("use {path} {{ {} }}", definition.name))
                .docs(Some(describe::definition(&definition)))
                .deprecated(definition.deprecated.is_some());
            if is_call {
                entry = entry.snippet(call_snippet(&definition.name, &definition));
            }
            let before = self.list.len();
            self.add_item(entry, Some(vec![edit]));
            if let Some(item) = self.list.get_mut(before) {
                item.label_details = Some(CompletionItemLabelDetails { detail: None, description: Some(path.clone()) });
            }
        }
    }

    fn members_of_enum(&mut self, ty: &Type, rank: u8) {
        match ty {
            Type::Enum(choice) => {
                for member in &choice.members {
                    let docs = self.snapshot.project.member_docs(choice, member).filter(|docs| !docs.is_empty());
                    let entry = Entry::new(member, Kind::ENUM_MEMBER, rank).detail(choice.name.to_string()).docs(docs);
                    self.add(entry.deprecated(choice.deprecation(member).is_some()));
                }
            }
            Type::Optional(inner) | Type::Secret(inner) => self.members_of_enum(inner, rank),
            Type::Union(options) => options.iter().for_each(|option| self.members_of_enum(option, rank)),
            _ => {}
        }
    }

    /// The values that a type has, where they can be written out.
    fn literals(&mut self, ty: &Type) {
        match ty {
            Type::Bool => ["false", "true"].into_iter().for_each(|word| self.add(Entry::new(word, Kind::VALUE, 0))),
            Type::Literal(value) => self.add(Entry::new(&value.to_string(), Kind::VALUE, 0)),
            Type::Optional(inner) => {
                self.literals(inner);
                // It is what is there when nothing is written.
                self.add(Entry::new("none", Kind::VALUE, 10));
            }
            Type::Secret(inner) => self.literals(inner),
            Type::Union(options) => options.iter().for_each(|option| self.literals(option)),
            Type::Mode => {
                for mode in ["0644", "0600", "0755", "0640"] {
                    self.add(Entry::new(mode, Kind::VALUE, 0));
                }
            }
            _ => {}
        }
    }

    fn members(&mut self, receiver: &Type, is_optional: bool, path: Option<&[Arc<str>]>) {
        if let Some([root, below @ ..]) = path
            && &**root == "data"
            && matches!(receiver, Type::Any)
        {
            for (key, value) in self.snapshot.project.data_keys(below) {
                let is_name = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_');
                if is_name {
                    let mut full = below.to_vec();
                    full.push(key.clone());
                    let docs = Some(describe::data(self.snapshot, &full));
                    self.add(Entry::new(&key, Kind::FIELD, 0).detail(kind_of(&value)).docs(docs));
                }
            }
        }
        if let Type::Record(record) = receiver {
            for field in &record.fields {
                let docs = Some(field.docs.to_string()).filter(|docs| !docs.is_empty());
                let entry = Entry::new(&field.name, Kind::FIELD, 0).detail(self.snapshot.shown_type(&field.ty)).docs(docs);
                self.add(entry.deprecated(deprecation(&field.docs).is_some()));
            }
        }
        let of_optional = is_optional.then(|| Type::optional(receiver.clone()));
        let methods: Vec<_> = match receiver {
            Type::Any => Vec::new(),
            receiver => {
                builtins::methods_of_type(receiver).chain(of_optional.iter().flat_map(builtins::methods_of_type)).collect()
            }
        };
        for builtin in methods {
            let name = builtin.signature.name;
            let entry = Entry::new(name, Kind::METHOD, 3).detail(builtin.signature.to_string());
            let entry = entry.deprecated(builtin.deprecated.is_some());
            let snippet = if builtin.signature.params.is_empty() { format!("{name}()") } else { format!("{name}($0)") };
            self.add(entry.docs(Some(describe::builtin(builtin))).snippet(snippet));
        }
    }

    fn module_members(&mut self, module: &str, is_statement: bool, is_type: bool) {
        let project = &self.snapshot.project;
        let is_list = !is_statement && !is_type;
        for definition in project.definitions().into_iter().filter(|one| &*one.module == module) {
            let kind = kind_of_definition(definition.kind);
            let fits = match definition.kind {
                DefinitionKind::State => is_statement || is_list,
                DefinitionKind::Function | DefinitionKind::Fact => is_list,
                _ => is_type || is_list,
            };
            if fits && definition.kind != DefinitionKind::Fact {
                let mut entry = Entry::new(&definition.name, kind, 0)
                    .detail(definition.signature.lines().next().unwrap_or_default().to_owned())
                    .docs(Some(describe::definition(&definition)))
                    .deprecated(definition.deprecated.is_some());
                if is_statement {
                    entry = entry.snippet(call_snippet(&definition.name, &definition));
                }
                self.add(entry);
            }
        }
    }

    fn statements(&mut self, place: &Place) {
        for (name, target) in self.snapshot.project.visible_names(&self.snapshot.name) {
            match &target {
                Target::State(at) => self.defined(&name, at, Kind::METHOD, 0),
                Target::Module(_) => self.add(Entry::new(&name, Kind::MODULE, 3).detail("module")),
                _ => {}
            }
        }
        self.resource_types(1, false);
        for (word, snippet) in STATEMENTS {
            self.add(Entry::new(word, Kind::KEYWORD, 4).snippet(snippet));
        }
        let is_top = place.context.variables.iter().all(|variable| variable.is_global) && !place.context.in_state;
        if is_top && self.snapshot.text.range(self.replaced).start.character == 0 {
            for (word, snippet) in ITEMS {
                self.add(Entry::new(word, Kind::KEYWORD, 4).snippet(snippet));
            }
        }
        for variable in &place.context.variables {
            self.add(Entry::new(&variable.name, Kind::VARIABLE, 6).detail(self.snapshot.shown_type(&variable.ty)));
        }
        self.importable(&[DefinitionKind::State], Kind::METHOD);
    }

    /// The resources that there are.
    fn existing(&mut self, of: Option<&str>) {
        let project = self.snapshot.project.clone();
        let mut ids: BTreeSet<String> = BTreeSet::new();
        let wanted = |id: &stead_catalog::ResourceId| !id.name.is_empty() && of.is_none_or(|of| *id.type_name == *of);
        for (_, index) in project.indexes() {
            ids.extend(index.uses.iter().filter_map(|one| match &one.target {
                Target::Resource(id) if one.is_declaration && wanted(id) => Some(id.to_string()),
                _ => None,
            }));
        }
        let compiled = self.snapshot.compiled.clone();
        let catalogs = compiled.iter().flat_map(|one| &one.nodes).filter_map(|(_, catalog)| catalog.as_ref());
        ids.extend(catalogs.flat_map(|one| &one.resources).map(|one| &one.id).filter(|id| wanted(id)).map(ToString::to_string));
        for id in ids.iter().take(MANY) {
            self.add(Entry::new(id, Kind::REFERENCE, 0));
        }
    }

    /// The names that a template needs, then what could be handed on by its own name.
    fn template_variables(&mut self, place: &Place, template: Option<&str>, given: &[Arc<str>]) {
        let missing = template.map(|template| self.snapshot.project.missing_in_template(template, given)).unwrap_or_default();
        for name in &missing {
            let known = place.context.variables.iter().find(|variable| variable.name == *name);
            let entry = Entry::new(name, Kind::FIELD, 0).detail("a variable of the template");
            self.add(if known.is_some() { entry } else { entry.snippet(format!("{name} = $0")) });
        }
        for variable in place.context.variables.iter().filter(|variable| !given.contains(&variable.name)) {
            self.add(Entry::new(&variable.name, Kind::VARIABLE, 2).detail(self.snapshot.shown_type(&variable.ty)));
        }
    }

    /// Resource types by name: what follows is there, but for a block that is needed.
    fn type_names(&mut self, needs_block: bool) {
        let schemas = self.snapshot.project.schemas().clone();
        for schema in schemas.iter() {
            let entry = Entry::new(&schema.name, Kind::CLASS, 0).detail(schema.summary().to_owned());
            let entry = entry.deprecated(schema.deprecated.is_some()).docs(Some(describe::resource_type(schema)));
            self.add(if needs_block { entry.snippet(format!("{} {{\n  $0\n}}", schema.name)) } else { entry });
        }
    }

    fn resource_types(&mut self, rank: u8, is_reference: bool) {
        let schemas = self.snapshot.project.schemas().clone();
        for schema in schemas.iter() {
            let needed: Vec<&str> = schema
                .attributes
                .iter()
                .skip(1)
                .filter(|one| one.required && one.default.is_none())
                .map(|one| &*one.name)
                .collect();
            let snippet = if is_reference {
                format!("{}[\"$0\"]", schema.name)
            } else if needed.is_empty() {
                format!("{} \"${{1:{}}}\" {{\n  $0\n}}", schema.name, schema.key)
            } else {
                let lines: String = needed.iter().zip(2..).map(|(name, i)| format!("\n  {name} = ${i}")).collect();
                format!("{} \"${{1:{}}}\" {{{lines}$0\n}}", schema.name, schema.key)
            };
            let entry = Entry::new(&schema.name, Kind::CLASS, rank).detail(schema.summary().to_owned());
            let entry = entry.deprecated(schema.deprecated.is_some());
            self.add(entry.docs(Some(describe::resource_type(schema))).snippet(snippet));
        }
    }

    fn attributes(&mut self, type_name: &str, given: &[Arc<str>], is_declaration: bool) {
        let schemas = self.snapshot.project.schemas().clone();
        let Some(schema) = schemas.get(type_name) else { return };
        for (i, attribute) in schema.attributes.iter().enumerate() {
            if given.contains(&attribute.name) || (i == 0 && !is_declaration) {
                continue;
            }
            let needed = attribute.required && attribute.default.is_none();
            let rank = match i {
                0 => 4,
                _ if needed => 0,
                _ => 1,
            };
            let entry = Entry::new(&attribute.name, Kind::PROPERTY, rank)
                .detail(attribute.ty.to_string())
                .docs(Some(describe::attribute(schema, attribute)))
                .snippet(format!("{} = $0", attribute.name));
            self.add(entry.deprecated(attribute.deprecated.is_some()));
        }
        let metas: Vec<_> = self.snapshot.project.meta_attributes().collect();
        for (name, docs) in metas.into_iter().filter(|(name, _)| !given.iter().any(|known| &**known == *name)) {
            self.add(Entry::new(name, Kind::PROPERTY, 5).docs(Some(docs.to_owned())).snippet(format!("{name} = $0")));
        }
    }

    fn types(&mut self) {
        for (name, target) in self.snapshot.project.visible_names(&self.snapshot.name) {
            match &target {
                Target::Type(at) => self.defined(&name, at, Kind::STRUCT, 0),
                Target::Module(_) => self.add(Entry::new(&name, Kind::MODULE, 3).detail("module")),
                _ => {}
            }
        }
        for name in self.snapshot.project.builtin_types() {
            let entry = Entry::new(name, Kind::STRUCT, 1);
            self.add(match *name {
                "List" | "Map" | "Secret" | "Optional" | "Ref" => entry.snippet(format!("{name}<$0>")),
                _ => entry,
            });
        }
        self.importable(&[DefinitionKind::Record, DefinitionKind::Alias, DefinitionKind::Enum], Kind::STRUCT);
    }

    fn module_path(&mut self, before: &[Arc<str>]) {
        let before: String = before.iter().map(|name| format!("{name}.")).collect();
        for (path, _) in self.snapshot.project.importable(&self.snapshot.name) {
            if let Some(rest) = path.strip_prefix(&*before) {
                self.add(Entry::new(rest, Kind::MODULE, u8::from(rest.contains('.'))));
            }
        }
    }
}

pub(crate) fn kind_of_definition(kind: DefinitionKind) -> Kind {
    match kind {
        DefinitionKind::Record | DefinitionKind::Alias => Kind::STRUCT,
        DefinitionKind::Enum => Kind::ENUM,
        DefinitionKind::Function => Kind::FUNCTION,
        DefinitionKind::State => Kind::METHOD,
        DefinitionKind::Fact => Kind::VARIABLE,
    }
}

fn kind_of(value: &Value) -> String {
    value.kind().to_owned()
}
