//! What a thing is, in Markdown: one text for hover, completion and signature help.

use stead_catalog::{AttributeSchema, Schema, Type, Value};
use stead_compiler::builtins::Builtin;
use stead_compiler::index::{Definition, DefinitionKind, Place, Target};
use stead_grammar::ast::{Item, LetValue};

use super::tree::{Node, walk};
use crate::snapshot::Snapshot;

/// A piece of source.
pub(crate) fn code(text: &str) -> String {
    format!("```stead\n{text}\n```")
}

/// Source, and what there is to say about it.
fn with_docs(source: &str, docs: &str) -> String {
    if docs.trim().is_empty() { code(source) } else { format!("{}\n\n---\n\n{}", code(source), docs.trim()) }
}

/// Describes what a name stands for.
pub(crate) fn target(snapshot: &Snapshot, target: &Target) -> Option<String> {
    Some(match target {
        Target::Variable(place) => variable(snapshot, place)?,
        Target::Function(place) | Target::State(place) | Target::Type(place) => {
            definition(&snapshot.project.definition_at(place)?)
        }
        Target::Member(place) | Target::Field(place) => member(snapshot, place)?,
        Target::Module(directory) => {
            let (name, _) = snapshot.project.importable(&snapshot.name).into_iter().find(|(_, known)| known == directory)?;
            let defined = snapshot.project.definitions();
            let list: String = defined
                .iter()
                .filter(|one| one.module == *directory)
                .map(|one| format!("- `{}`\n", one.signature.lines().next().unwrap_or_default()))
                .collect();
            format!("{}\n\n{list}", code(&format!("use {name}")))
        }
        Target::ResourceType(name) => resource_type(snapshot.project.schemas().get(name)?),
        Target::Attribute(type_name, name) => {
            let schema = snapshot.project.schemas().get(type_name)?;
            attribute(schema, schema.attribute(name)?)
        }
        Target::Meta(name) => {
            let (_, docs) = snapshot.project.meta_attributes().find(|(known, _)| *known == &**name)?;
            with_docs(name, docs)
        }
        Target::Resource(id) => {
            let schema = snapshot.project.schemas().get(&id.type_name)?;
            let mut text = format!("{}\n\n{}", code(&id.to_string()), schema.summary());
            for compiled in snapshot.compiled.iter() {
                let with =
                    compiled.nodes.iter().filter(|(_, catalog)| catalog.as_ref().is_some_and(|c| c.position(id).is_some()));
                let names: Vec<String> = with.map(|(node, _)| format!("`{}`", node.name)).collect();
                if !names.is_empty() {
                    text.push_str(&format!("\n\nOn {}", names.join(", ")));
                }
            }
            text
        }
        Target::Builtin(builtin) => self::builtin(builtin),
        Target::Special(name) => special(name)?,
        Target::BuiltinType(name) => code(&format!("type {name}")),
        Target::Fact(path) => fact(snapshot, path)?,
        Target::Data(path) => data(snapshot, path),
        Target::Node(path) => {
            let path: String = path.iter().map(|field| format!(".{field}")).collect();
            with_docs(&format!("node{path}"), "The node the catalog is made for.")
        }
        Target::File(name) => format!("`{name}`"),
    })
}

/// Describes a definition of the project.
pub(crate) fn definition(one: &Definition) -> String {
    let mut docs = one.docs.to_string();
    for param in one.params.iter().filter(|param| !param.docs.is_empty()) {
        docs.push_str(&format!("\n\n`{}`: {}", param.name, param.docs));
    }
    let place = if one.kind == DefinitionKind::State && !one.params.is_empty() {
        format!("\n\nIn the data: `{}.…`", one.name)
    } else {
        String::new()
    };
    with_docs(&one.signature, &format!("{docs}{place}"))
}

pub(crate) fn builtin(builtin: &Builtin) -> String {
    let examples: Vec<String> = builtin.examples.iter().map(|(call, value)| format!("{call}   # {value}")).collect();
    let mut text = with_docs(&builtin.signature.to_string(), builtin.docs);
    if !examples.is_empty() {
        text.push_str(&format!("\n\n{}", code(&examples.join("\n"))));
    }
    text
}

/// What the functions are that need the project.
pub(crate) fn special(name: &str) -> Option<String> {
    let (signature, docs) = SPECIAL.iter().find(|(known, ..)| *known == name).map(|(_, signature, docs)| (signature, docs))?;
    Some(with_docs(signature, docs))
}

/// The functions that need the project: name, signature, documentation.
pub(crate) const SPECIAL: [(&str, &str, &str); 7] = [
    (
        "template",
        "template(path: String, variables: Record?) -> String",
        "Renders a Jinja2 template of the project. The path is looked for in `templates/` beside the file, beside it, in `templates/` of the project, \
         and from its root.",
    ),
    ("render", "render(text: String, variables: Record?) -> String", "Renders a Jinja2 template that stands in the source."),
    ("source", "source(path: String) -> Source", "A file of the project, as bytes."),
    ("read", "read(path: String) -> String", "A file of the project, as text."),
    (
        "files",
        "files(path: String) -> List<String>",
        "The files below a directory of the project, at any depth, by their paths from there. The directory is looked for as a file is.",
    ),
    (
        "directories",
        "directories(path: String) -> List<String>",
        "The directories below a directory of the project that hold files, by their paths from there, outer ones first.",
    ),
    ("secret", "secret(value: T) -> Secret<T>", "The value, not to be shown anywhere."),
];

/// Describes a resource type.
pub(crate) fn resource_type(schema: &Schema) -> String {
    let attributes = schema.attributes.iter().map(|one| {
        let needed = if one.required && one.default.is_none() { " (required)" } else { "" };
        format!("- `{}`: `{}`{needed}", one.name, one.ty)
    });
    let list: Vec<String> = attributes.collect();
    let deprecated = schema.deprecated.as_ref().map(|reason| format!("\n\n**Deprecated**: {reason}")).unwrap_or_default();
    format!("{}\n\n{}{deprecated}\n\nAttributes:\n\n{}", code(&schema.name), schema.docs.trim(), list.join("\n"))
}

/// Describes an attribute.
pub(crate) fn attribute(schema: &Schema, attribute: &AttributeSchema) -> String {
    let default = stead_report::attribute_default(attribute).map(|default| format!(" = {default}")).unwrap_or_default();
    let mut docs = attribute.docs.to_string();
    if let Some(reason) = &attribute.deprecated {
        docs.push_str(&format!("\n\n**Deprecated**: {reason}"));
    }
    if attribute.required && attribute.default.is_none() {
        docs.push_str("\n\nRequired.");
    }
    with_docs(&format!("{}.{}: {}{default}", schema.name, attribute.name, attribute.ty), &docs)
}

/// A variable: its type, its value where that is constant, its documentation, and the data that feeds it.
fn variable(snapshot: &Snapshot, place: &Place) -> Option<String> {
    let index = snapshot.project.index(&place.file)?;
    let (_, ty, _) = index.variables.iter().find(|(span, ..)| *span == place.span)?;
    let file = snapshot.project.files().iter().find(|file| file.name == place.file)?;
    let name = place.span.text(&file.text);
    let mut docs = String::new();
    let mut word = "";
    let mut value = String::new();
    walk(&file.tree.items, &mut |node| match node {
        Node::Stmt(stead_grammar::ast::Stmt::Let(binding)) if binding.name.span == place.span => {
            word = "let ";
            docs = binding.doc.as_ref().map(|doc| doc.text.to_string()).unwrap_or_default();
            if let LetValue::Expr(expr) = &binding.value
                && let Some(constant) = index.value_of(expr.span)
            {
                value = format!(" = {}", shown(constant));
            }
        }
        Node::Field(field) if field.name.span == place.span => {
            docs = field.doc.as_ref().map(|doc| doc.text.to_string()).unwrap_or_default();
            value = field.default.as_ref().map(|default| format!(" = {}", default.span.text(&file.text))).unwrap_or_default();
        }
        _ => {}
    });
    if let Some(path) = snapshot.project.data_key_of(place) {
        let known = values_of(snapshot, &path);
        if !known.is_empty() {
            docs.push_str(&format!("\n\nFrom `data.{}`:\n\n{known}", path.join(".")));
        }
    }
    Some(with_docs(&format!("{word}{name}: {}{value}", snapshot.shown_type(ty)), &docs))
}

fn member(snapshot: &Snapshot, place: &Place) -> Option<String> {
    let file = snapshot.project.files().iter().find(|file| file.name == place.file)?;
    for item in &file.tree.items {
        match item {
            Item::Enum(def) => {
                if let Some(member) = def.members.iter().find(|member| member.name.span == place.span) {
                    let docs = member.doc.as_ref().map(|doc| &*doc.text).unwrap_or_default();
                    return Some(with_docs(&format!("{}.{}", def.name.name, member.name.name), docs));
                }
            }
            Item::Type(def) => {
                if let stead_grammar::ast::TypeDefBody::Record(fields) = &def.body
                    && let Some(field) = fields.iter().find(|field| field.name.span == place.span)
                {
                    let docs = field.doc.as_ref().map(|doc| &*doc.text).unwrap_or_default();
                    return Some(with_docs(&format!("{}.{}", def.name.name, field.span.text(&file.text)), docs));
                }
            }
            _ => {}
        }
    }
    None
}

fn fact(snapshot: &Snapshot, path: &[std::sync::Arc<str>]) -> Option<String> {
    let mut ty = snapshot.project.facts_type().clone();
    let mut docs: std::sync::Arc<str> = "".into();
    for name in path {
        let inner = match &ty {
            Type::Optional(inner) => (**inner).clone(),
            other => other.clone(),
        };
        let Type::Record(record) = inner else { return None };
        let field = record.fields.iter().find(|field| field.name == *name)?;
        (ty, docs) = (field.ty.clone(), field.docs.clone());
    }
    let shown: String = path.iter().map(|name| format!(".{name}")).collect();
    let mut text = with_docs(&format!("facts{shown}: {}", snapshot.shown_type(&ty)), &docs);
    if !path.is_empty() {
        for (node, _) in snapshot.compiled.iter().flat_map(|compiled| &compiled.nodes) {
            let mut value = Some(&Value::None);
            for (i, name) in path.iter().enumerate() {
                let map = match value {
                    _ if i == 0 => Some(&node.facts),
                    Some(Value::Map(map)) => Some(&**map),
                    _ => None,
                };
                value = map.and_then(|map| map.get(name));
            }
            if let Some(value) = value {
                text.push_str(&format!("\n- `{}`: `{}`", node.name, short(value)));
            }
        }
    }
    Some(text)
}

/// A path of the data: what it is for each node.
pub(crate) fn data(snapshot: &Snapshot, path: &[std::sync::Arc<str>]) -> String {
    let shown: String = path.iter().map(|name| format!(".{name}")).collect();
    let head = match snapshot.project.parameter_of_data(path) {
        Some((_, ty)) if path.len() == 2 => format!("data{shown}: {}", snapshot.shown_type(&ty)),
        _ => format!("data{shown}"),
    };
    with_docs(&head, &values_of(snapshot, path))
}

/// The values of a path of the data: for the known nodes, else in the files that have it.
fn values_of(snapshot: &Snapshot, path: &[std::sync::Arc<str>]) -> String {
    let nodes: Vec<_> = snapshot.compiled.iter().flat_map(|compiled| &compiled.nodes).collect();
    let mut lines = Vec::new();
    for (node, _) in &nodes {
        if let Some((value, place)) = snapshot.project.data_for(node, path) {
            lines.push(format!("- `{}`: `{}` ({})", node.name, short(&value), place.file));
        }
    }
    if lines.is_empty() {
        let places = snapshot.project.data_places(path);
        lines.extend(places.iter().map(|one| format!("- {}: `{}`", one.file, short(&one.value))));
    }
    lines.join("\n")
}

/// A value on one line. A secret shows as what every report shows.
fn shown(value: &Value) -> String {
    short(value)
}

pub(crate) fn short(value: &Value) -> String {
    let text = value.to_string().replace('\n', "\\n").replace('`', "'");
    if text.chars().count() > 80 { text.chars().take(77).chain("...".chars()).collect() } else { text }
}
