//! Rename: across files, templates and data keys, and checked. What would mean something else afterwards is refused, with the reason.

use std::collections::BTreeMap;
use std::sync::Arc;

use lsp_types::{PrepareRenameResponse, RenameParams, WorkspaceEdit};
use stead_catalog::ResourceId;
use stead_compiler::index::{Place, Target};
use stead_compiler::{Diagnostic, Project};
use stead_grammar::ast::Span;

use super::references::{Reference, all, target_at};
use crate::snapshot::Snapshot;
use crate::text::Text;

/// Says whether what stands at an offset can be renamed, and what of it is its name.
pub(crate) fn prepare(snapshot: &Snapshot, offset: u32) -> Result<Option<PrepareRenameResponse>, String> {
    let Some((target, place)) = target_at(snapshot, offset) else { return Ok(None) };
    can_rename(snapshot, &target)?;
    let span = name_span(snapshot, &place);
    let placeholder = span.text(snapshot.text.as_str()).to_owned();
    Ok(Some(PrepareRenameResponse::RangeWithPlaceholder { range: snapshot.range(span), placeholder }))
}

fn can_rename(snapshot: &Snapshot, target: &Target) -> Result<(), String> {
    let what = match target {
        Target::Variable(_) | Target::Function(_) | Target::State(_) | Target::Type(_) | Target::Member(_) | Target::Field(_) => {
            let is_own = target.place().is_some_and(|place| !place.file.starts_with('@'));
            return if is_own { Ok(()) } else { Err("it is defined in a dependency".into()) };
        }
        Target::Resource(_) => return Ok(()),
        Target::Fact(path) if path.len() == 1 => {
            let declared = snapshot.project.definitions();
            let is_own =
                declared.iter().any(|one| one.kind == stead_compiler::index::DefinitionKind::Fact && one.name == path[0]);
            return if is_own { Ok(()) } else { Err("it is a fact that every node tells".into()) };
        }
        Target::Module(_) => "a module is renamed by renaming its directory",
        Target::ResourceType(_) | Target::Attribute(..) | Target::Meta(_) => "it belongs to the resource types",
        Target::Builtin(_) | Target::Special(_) | Target::BuiltinType(_) | Target::Node(_) => "it belongs to the language",
        Target::Fact(_) => "it is a fact that every node tells",
        Target::Data(_) => "a path of the data is renamed where a state declares it, or in the files that use it",
        Target::File(_) => "a file is renamed in the project's directory",
    };
    Err(what.to_owned())
}

/// The name inside its place: without the quotes of a text.
fn name_span(snapshot: &Snapshot, place: &Place) -> Span {
    let Some(text) = snapshot.text_of(&place.file) else { return place.span };
    let written = place.span.text(text.as_str());
    match written.as_bytes() {
        [b'"', .., b'"'] | [b'\'', .., b'\''] if written.len() >= 2 => Span::new(place.span.start + 1, place.span.end - 1),
        _ => place.span,
    }
}

/// Renames what stands at a place.
pub(crate) fn rename(snapshot: &Snapshot, params: RenameParams) -> Result<Option<WorkspaceEdit>, String> {
    let offset = snapshot.offset(params.text_document_position.position);
    let Some(edits) = edits(snapshot, offset, &params.new_name)? else { return Ok(None) };
    let list = edits.iter().flat_map(|(file, list)| list.iter().map(move |(span, text)| (file, *span, &**text)));
    Ok(Some(snapshot.edit(list)))
}

/// What to write where, by files.
pub(crate) type Edits = BTreeMap<Arc<str>, Vec<(Span, String)>>;

/// What to write where, so that what stands at an offset has another name.
///
/// # Errors
///
/// Why that is no good.
pub(crate) fn edits(snapshot: &Snapshot, offset: u32, new_name: &str) -> Result<Option<Edits>, String> {
    let Some((target, here)) = target_at(snapshot, offset) else { return Ok(None) };
    can_rename(snapshot, &target)?;
    let found = all(snapshot, &target);
    let old_name = name_span(snapshot, &here).text(snapshot.text.as_str()).to_owned();
    let is_text = matches!(target, Target::Resource(_));
    if !is_text && !is_name(new_name) {
        return Err(format!("`{new_name}` is not a name"));
    }
    if is_text && (new_name.contains(['"', '\\', '\n']) || new_name.contains("${") || new_name.is_empty()) {
        return Err(format!("`{new_name}` cannot be the name of a resource"));
    }
    if old_name == new_name {
        return Ok(Some(Edits::new()));
    }
    if found.iter().any(|one| one.place.file.starts_with('@')) {
        return Err("a dependency names it".into());
    }
    if let Target::Resource(id) = &target {
        computed_names(snapshot, id)?;
    }
    let mut edits = Edits::new();
    for one in &found {
        let span = name_span(snapshot, &one.place);
        let text = snapshot.text_of(&one.place.file).ok_or_else(|| format!("`{}` is not text", one.place.file))?;
        // An alias of an import keeps its name.
        if span.text(text.as_str()) == old_name {
            edits.entry(one.place.file.clone()).or_default().push((span, written(snapshot, &target, one, &old_name, new_name)));
        }
    }
    verify(snapshot, &target, &edits, &found, new_name)?;
    Ok(Some(edits))
}

/// What to write in the place of a name: an entry that is key and value at once becomes two.
fn written(snapshot: &Snapshot, target: &Target, one: &Reference, old: &str, new: &str) -> String {
    if one.is_shorthand {
        return format!("{old} = {new}");
    }
    if let (Target::Field(_), Some(index)) = (target, snapshot.project.index(&one.place.file)) {
        let is_shorthand = index.uses.iter().any(|used| used.span == one.place.span && used.is_shorthand);
        if is_shorthand {
            return format!("{new} = {old}");
        }
    }
    new.to_owned()
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    let starts = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    starts && chars.all(|c| c.is_alphanumeric() || c == '_') && !stead_grammar::is_keyword(text)
}

/// A resource whose name is computed somewhere cannot be renamed safely.
fn computed_names(snapshot: &Snapshot, id: &ResourceId) -> Result<(), String> {
    let catalogs = snapshot.compiled.iter().flat_map(|compiled| &compiled.nodes).filter_map(|(_, catalog)| catalog.as_ref());
    for catalog in catalogs {
        let Some(resource) = catalog.position(id).map(|at| &catalog.resources[at]) else { continue };
        let index = snapshot.project.index(&resource.source.file);
        let is_written = index.is_some_and(|index| {
            let within = |span: Span| resource.source.start <= span.start && span.end <= resource.source.end;
            index.uses.iter().any(|one| within(one.span) && one.target == Target::Resource(id.clone()))
        });
        if !is_written {
            return Err(format!("the name of `{id}` is computed at {}", resource.source));
        }
    }
    Ok(())
}

/// Looks whether the project means the same after the edits: no error that was not there, and as many uses of what was renamed.
fn verify(snapshot: &Snapshot, target: &Target, edits: &Edits, found: &[Reference], new_name: &str) -> Result<(), String> {
    let mut files = BTreeMap::new();
    for (file, list) in edits {
        let Some(text) = snapshot.text_of(file) else { continue };
        let mut new = text.as_str().to_owned();
        let mut list: Vec<&(Span, String)> = list.iter().collect();
        list.sort_by_key(|(span, _)| *span);
        for (span, replacement) in list.into_iter().rev() {
            new.replace_range(span.range(), replacement);
        }
        files.insert(file.clone(), Arc::from(new));
    }
    let after = snapshot.project.edited(files);
    let errors = |found: &[Diagnostic]| found.iter().filter(|one| one.is_error()).count();
    if errors(after.diagnostics()) > errors(snapshot.project.diagnostics()) {
        let before = snapshot.project.diagnostics();
        let new = after.diagnostics().iter().find(|one| one.is_error() && !before.iter().any(|old| old.message == one.message));
        let reason = new.map_or_else(|| "it would be a mistake".to_owned(), |one| one.message.clone());
        return Err(format!("`{new_name}` cannot be the name: {reason}"));
    }
    // What else is called so must still be what it was.
    if let Some(place) = target.place() {
        let shift = |place: &Place| -> u32 {
            let own = edits.get(&place.file).into_iter().flatten().filter(|(span, _)| span.start < place.span.start);
            let moved: i64 = own.map(|(span, new)| new.len() as i64 - i64::from(span.len())).sum();
            u32::try_from(i64::from(place.span.start) + moved).unwrap_or(0)
        };
        let start = shift(place);
        let moved =
            Place { file: place.file.clone(), span: Span::new(start, start + u32::try_from(new_name.len()).unwrap_or(0)) };
        let is_moved = |used: &Target| used.place() == Some(&moved);
        let uses: usize =
            after.indexes().iter().map(|(_, index)| index.uses.iter().filter(|one| is_moved(&one.target)).count()).sum();
        let sources = found.iter().filter(|one| one.place.file.ends_with(".stead") && !one.is_data).count();
        if uses != sources {
            return Err(format!(
                "`{new_name}` has a meaning where `{}` is used",
                place.span.text(snapshot.text_of(&place.file).as_ref().map_or("", |text| text.as_str()))
            ));
        }
        if let Target::Field(_) = target
            && after.data_places_of_field(&moved).len() != snapshot.project.data_places_of_field(place).len()
        {
            return Err("a key of the data is written in more than one place".into());
        }
    }
    if found.iter().any(|one| one.is_data) { verify_data(snapshot, target, &after, new_name) } else { Ok(()) }
}

/// Looks whether the data still gives all that is read of it: what is behind an index or a loop is known for a node only.
fn verify_data(snapshot: &Snapshot, target: &Target, after: &Project, new_name: &str) -> Result<(), String> {
    let before = &snapshot.project;
    let path = match target {
        Target::Variable(place) => before.data_key_of(place),
        Target::State(place) => before.definition_at(place).map(|one| vec![one.name]),
        _ => None,
    };
    // A table of TOML may be written under several headings, of which the first is known.
    if let Some(place) = path.and_then(|path| after.data_places(&path).into_iter().next()) {
        let position = snapshot.text_of(&place.file).map_or(0, |text| text.position(place.key.start).line + 1);
        return Err(format!("the key is written once more in `{}`, near line {position}", place.file));
    }
    let nodes = snapshot.compiled.iter().flat_map(|compiled| &compiled.nodes);
    for (node, _) in nodes {
        let errors = |project: &Project| {
            let outcome = stead_compiler::compile_while(project, node, &|| true);
            let found = outcome.map(|outcome| outcome.diagnostics).unwrap_or_default();
            found.into_iter().filter(Diagnostic::is_error).collect::<Vec<_>>()
        };
        let (old, new) = (errors(before), errors(after));
        if let Some(one) = new.iter().find(|one| !old.iter().any(|other| other.message == one.message)) {
            let place = one.primary().map_or_else(String::new, |label| {
                let line = after.text(&label.file).map(|text| Text::new(text, snapshot.encoding).position(label.span.start).line);
                format!(" ({}:{})", label.file, line.unwrap_or(0) + 1)
            });
            return Err(format!("`{new_name}` cannot be the name: {}{place}", one.message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[track_caller]
    fn check(text: &str, new_name: &str, expected: Result<&str, &str>) {
        let fixture = Fixture::new(text);
        let (snapshot, offset) = fixture.at_cursor();
        let result = super::edits(&snapshot, offset, new_name).map(|edits| fixture.apply(&edits.unwrap_or_default()));
        match expected {
            Ok(expected) => assert_eq!(result.as_deref(), Ok(expected)),
            Err(part) => {
                let error = result.expect_err("refused");
                assert!(error.contains(part), "{error}");
            }
        }
    }

    #[test]
    fn names_change_everywhere() {
        check(
            "let a$0 = 1\nfile \"/${a}\" { content = template(\"t.j2\", { a }) }\n//- t.j2\n{{ a }}\n",
            "b",
            Ok("let b = 1\nfile \"/${b}\" { content = template(\"t.j2\", { a = b }) }\n"),
        );
        check(
            "//- site.stead\nstate w(po$0rt: Port) { file \"/${port}\" }\nnode \"n\" { w() }\n//- data/common.yaml\nw:\n  port: 1\n",
            "listen",
            Ok(
                "//- data/common.yaml\nw:\n  listen: 1\n//- site.stead\nstate w(listen: Port) { file \"/${listen}\" }\nnode \"n\" { w() }\n",
            ),
        );
        // A field is a key of the data as well, wherever the type says so: in lists, in quotes, from either end.
        let site = |field: &str| {
            format!(
                "type V {{ {field}: Port }}\nstate w(vs: List<V>, other: Map<Int>) {{ for v in vs {{ file \"/${{v.{field}}}\" }} }}\nnode \"n\" {{ w() }}\n"
            )
        };
        let data = |field: &str| format!("w:\n  vs:\n    - {field}: 1\n    - {{\"{field}\": 2}}\n  other:\n    port: 3\n");
        let renamed = format!("//- data/common.yaml\n{}//- site.stead\n{}", data("listen"), site("listen"));
        check(
            &format!("//- site.stead\n{}//- data/common.yaml\n{}", site("po$0rt").replace("v.po$0rt", "v.port"), data("port")),
            "listen",
            Ok(&renamed),
        );
        let from_data = data("port").replacen("port", "po$0rt", 1);
        check(&format!("//- site.stead\n{}//- data/common.yaml\n{from_data}", site("port")), "listen", Ok(&renamed));
        check(
            "file \"/$0x\"\nfile \"/y\" { require = [file[\"/x\"]] }\n",
            "/z",
            Ok("file \"/z\"\nfile \"/y\" { require = [file[\"/z\"]] }\n"),
        );
    }

    /// What the data gives a state is read by its path as well.
    #[test]
    fn paths_of_the_data_follow() {
        let site = |state: &str, param: &str, field: &str, content: &str| {
            format!(
                "//- site.stead\ntype V {{ {field}: String }}\nstate {state}({param}: V, sites: List<V>) {{ for s in [{param}] + sites {{ file \"/${{s.{field}}}\" }} }}\nnode \"*\" {{ {state}() }}\nfile \"/p\" {{ content = {content} }}\n"
            )
        };
        let data = |state: &str, param: &str, field: &str| {
            format!("//- data/common.yaml\n{state}:\n  {param}: {{ {field}: a }}\n  sites: [{{ {field}: b }}]\n")
        };
        let before = |content: &str, cursor: &str| {
            let text = format!("{}{}", site("serve", "main", "name", content), data("serve", "main", "name"));
            text.replacen(cursor, &format!("{cursor}$0"), 1)
        };
        let after =
            |state, param, field, content: &str| format!("{}{}", data(state, param, field), site(state, param, field, content));
        let path = "data.serve.main.name";
        check(&before(path, "state serve"), "web", Ok(&after("web", "main", "name", "data.web.main.name")));
        check(&before(path, "serve(main"), "first", Ok(&after("serve", "first", "name", "data.serve.first.name")));
        check(&before(path, "V { name"), "host", Ok(&after("serve", "main", "host", "data.serve.main.host")));
        // What is behind an index is not known to be the field.
        check(&before("data.serve.sites[0].name", "V { name"), "host", Err("(site.stead:4)"));
        check(
            &before("data.serve.sites[0].name", "serve(main: V, sites"),
            "all",
            Ok(&after("serve", "main", "name", "data.serve.all[0].name").replace("sites", "all")),
        );
        let toml = "state s(a: Int, b: Map<Int>) { file \"/${a}\" { content = \"${b}\" } }\nnode \"*\" { s$0() }\n//- data/common.toml\n[s]\na = 1\n[s.b]\nc = 1\n";
        check(&format!("//- site.stead\n{toml}"), "t", Err("once more in `data/common.toml`"));
    }

    #[test]
    fn what_would_change_its_meaning_is_refused() {
        check("let a$0 = 1\nlet b = 2\nfile \"/${a}${b}\"\n", "b", Err("`b`"));
        check("let a$0 = 1\nfile \"/${a}\"\n", "for", Err("not a name"));
        check("fi$0le \"/x\"\n", "y", Err("resource types"));
        check("let a$0 = 1\nstate s(b: Int) { file \"/${a}${b}\" }\ns(b = 1)\n", "b", Err("`b`"));
        check("file \"/x\" { content = facts.host$0name }\n", "y", Err("every node"));
    }
}
