//! References, and the same names highlighted in one document.

use std::sync::Arc;

use lsp_types::{DocumentHighlight, DocumentHighlightKind, Location, ReferenceParams};
use stead_compiler::index::{Place, Target};
use stead_grammar::ast::Span;

use crate::snapshot::Snapshot;

/// A place where something is named.
pub(crate) struct Reference {
    pub(crate) place: Place,
    pub(crate) is_declaration: bool,
    pub(crate) is_shorthand: bool,
    /// It is a key of the data, or a path to one: not a use by the name itself.
    pub(crate) is_data: bool,
}

impl Reference {
    fn of_data(file: Arc<str>, span: Span) -> Self {
        Self { place: Place { file, span }, is_declaration: false, is_shorthand: false, is_data: true }
    }
}

/// What stands at an offset, for looking where else it is named.
pub(crate) fn target_at(snapshot: &Snapshot, offset: u32) -> Option<(Target, Place)> {
    let here = |span| Place { file: snapshot.name.clone(), span };
    if snapshot.is_data() {
        if let Some((field, key)) = snapshot.project.field_of_data(&snapshot.name, offset) {
            return Some((Target::Field(field), here(key)));
        }
        let (path, key) = snapshot.project.data_path_at(&snapshot.name, offset)?;
        return match snapshot.project.parameter_of_data(&path) {
            Some((place, _)) if path.len() == 2 => Some((Target::Variable(place), here(key))),
            _ => Some((Target::Data(path), here(key))),
        };
    }
    if snapshot.is_template() {
        let index = snapshot.project.template_index(&snapshot.name)?;
        let name = index.at(offset)?;
        let place = snapshot.project.field_place(name.owner.as_ref()?, &name.name)?;
        return Some((Target::Field(place), here(name.span)));
    }
    let index = snapshot.index()?;
    // Of several, what is declared in the project comes first, so that a shorthand entry is its variable.
    let used = index.at(offset);
    let one = used.iter().find(|one| one.is_shorthand).or_else(|| used.first())?;
    Some((one.target.clone(), here(one.span)))
}

/// Everywhere that something is named, in the order of files and places.
pub(crate) fn all(snapshot: &Snapshot, target: &Target) -> Vec<Reference> {
    let project = &snapshot.project;
    let mut found: Vec<Reference> = Vec::new();
    for (file, index) in project.indexes() {
        // In `data.web.port` each name is a use by itself, so `data.web` is found there as well.
        found.extend(index.uses.iter().filter(|one| one.target == *target).map(|one| Reference {
            place: Place { file: file.clone(), span: one.span },
            is_declaration: one.is_declaration,
            is_shorthand: one.is_shorthand,
            is_data: false,
        }));
    }
    let data = match target {
        Target::Data(path) => Some(path.clone()),
        Target::Variable(place) => project.data_key_of(place),
        Target::State(place) => project.definition_at(place).map(|one| vec![one.name]),
        _ => None,
    };
    // What a state is given by the data can be read there as well: `data.serve.port`.
    let reads = |path: &[Arc<str>]| match target {
        Target::Field(place) => project.field_of_path(path).as_ref() == Some(place),
        _ => data.as_deref() == Some(path),
    };
    for (file, index) in project.indexes() {
        let uses = index.uses.iter().filter(|one| matches!(&one.target, Target::Data(path) if reads(path)));
        found.extend(uses.map(|one| Reference::of_data(file.clone(), one.span)));
    }
    let in_data = data.map(|path| project.data_places(&path)).unwrap_or_default();
    found.extend(in_data.into_iter().map(|one| Reference::of_data(one.file, one.key)));
    if let Target::Field(place) = target {
        found.extend(project.data_places_of_field(place).into_iter().map(|one| Reference::of_data(one.file, one.key)));
        for file in templates(snapshot) {
            let Some(index) = project.template_index(&file) else { continue };
            let fields = index.uses.iter().filter(|name| {
                name.owner.as_ref().and_then(|record| project.field_place(record, &name.name)).as_ref() == Some(place)
            });
            found.extend(fields.map(|name| Reference {
                place: Place { file: file.clone(), span: name.span },
                is_declaration: false,
                is_shorthand: false,
                is_data: false,
            }));
        }
    }
    found.sort_by(|a, b| a.place.cmp(&b.place));
    found.dedup_by(|later, first| later.place == first.place);
    found
}

/// The templates that the project renders.
pub(crate) fn templates(snapshot: &Snapshot) -> Vec<Arc<str>> {
    let indexes = snapshot.project.indexes();
    let mut names: Vec<Arc<str>> =
        indexes.iter().flat_map(|(_, index)| index.templates.iter().map(|one| one.template.clone())).collect();
    names.sort();
    names.dedup();
    names
}

/// Everywhere that what stands at a place is named.
pub(crate) fn references(snapshot: &Snapshot, params: ReferenceParams) -> Option<Vec<Location>> {
    let offset = snapshot.offset(params.text_document_position.position);
    let (target, _) = target_at(snapshot, offset)?;
    let with_declaration = params.context.include_declaration;
    let found = all(snapshot, &target).into_iter().filter(|one| with_declaration || !one.is_declaration);
    Some(found.filter_map(|one| snapshot.location(&one.place)).collect())
}

/// The places of the document that name what stands at an offset.
pub(crate) fn highlight(snapshot: &Snapshot, offset: u32) -> Option<Vec<DocumentHighlight>> {
    let (target, _) = target_at(snapshot, offset)?;
    if snapshot.index().is_none() {
        let own = all(snapshot, &target).into_iter().filter(|one| one.place.file == snapshot.name);
        return Some(own.map(|one| DocumentHighlight { range: snapshot.range(one.place.span), kind: None }).collect());
    }
    let index = snapshot.index()?;
    let own = index.uses.iter().filter(|one| one.target == target);
    let highlight = own.map(|one| DocumentHighlight {
        range: snapshot.range(one.span),
        kind: Some(if one.is_declaration { DocumentHighlightKind::WRITE } else { DocumentHighlightKind::READ }),
    });
    Some(highlight.collect())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let fixture = Fixture::new(text);
        let (snapshot, offset) = fixture.at_cursor();
        let (target, _) = super::target_at(&snapshot, offset).expect("something is named there");
        let found: Vec<String> = super::all(&snapshot, &target)
            .iter()
            .map(|one| {
                let text = snapshot.text_of(&one.place.file).expect("a text");
                let position = text.position(one.place.span.start);
                format!("{}:{}:{}", one.place.file, position.line + 1, position.character + 1)
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn keys_of_toml_are_found_wherever_their_table_is_written() {
        let site = "state a(b: Int, c: Map<Any>) { file \"/${b}\" { content = c.d ?? \"\" } }\nnode \"n\" { a() }\n";
        let with = |toml: &str| format!("//- site.stead\n{site}//- data/common.toml\n{toml}");
        check(&with("[a]\nb$0 = 1\n"), &["data/common.toml:2:1", "site.stead:1:9", "site.stead:1:41"]);
        check(&with("a.b$0 = 1\n"), &["data/common.toml:1:3", "site.stead:1:9", "site.stead:1:41"]);
        check(&with("a = { b$0 = 1 }\n"), &["data/common.toml:1:7", "site.stead:1:9", "site.stead:1:41"]);
        check(&with("[x]\ny = 1\n[a.c$0]\nd = \"\"\n"), &["data/common.toml:3:4", "site.stead:1:17", "site.stead:1:57"]);
        check(&with("[a]\nb = 1\n[a.c]\nd$0 = \"\"\n"), &["data/common.toml:4:1"]);
        check(&with("[[a.b$0]]\nx = 1\n[[a.b]]\nx = 2\n"), &["data/common.toml:1:5", "site.stead:1:9", "site.stead:1:41"]);
    }

    #[test]
    fn what_data_gives_is_found_where_it_is_read() {
        let site = |cursor: &str| {
            let text = "//- site.stead\ntype V { name: String }\nstate s(v: V) { file \"/${v.name}\" }\nnode \"n\" { s() }\nfile \"/x\" { content = data.s.v.name }\n//- data/common.yaml\ns:\n  v: { name: a }\n";
            text.replacen(cursor, &format!("{cursor}$0"), 1)
        };
        check(&site("type V { name"), &["data/common.yaml:2:8", "site.stead:1:10", "site.stead:2:28", "site.stead:4:32"]);
        check(&site("state s(v"), &["data/common.yaml:2:3", "site.stead:2:9", "site.stead:2:26", "site.stead:4:30"]);
        check(&site("state s"), &["data/common.yaml:1:1", "site.stead:2:7", "site.stead:3:12", "site.stead:4:28"]);
    }

    #[test]
    fn uses_are_found_across_files() {
        check(
            "//- site.stead\nuse web { serve }\nnode \"n\" { ser$0ve(port = 1) }\n//- web/a.stead\nstate serve(port: Port) { file \"/x\" { content = \"${port}\" } }\n",
            &["site.stead:1:11", "site.stead:2:12", "web/a.stead:1:7"],
        );
        check(
            "//- site.stead\nuse web { serve }\nnode \"n\" { serve(po$0rt = 1) }\n//- web/a.stead\nstate serve(port: Port) { file \"/x\" { content = \"${port}\" } }\n//- data/common.yaml\nserve:\n  port: 2\n",
            &["data/common.yaml:2:3", "site.stead:2:18", "web/a.stead:1:13", "web/a.stead:1:52"],
        );
        check(
            "//- site.stead\nfile \"/x\" { content = \"${data.web.port}${data.w$0eb}\" }\n//- data/common.yaml\nweb:\n  port: 2\n",
            &["data/common.yaml:1:1", "site.stead:1:31", "site.stead:1:47"],
        );
        check(
            "//- site.stead\ntype V { po$0rt: Port }\nlet v: V = { port = 1 }\nfile \"/x\" { content = template(\"a.j2\", { v }) }\n//- templates/a.j2\n{{ v.port }}\n",
            &["site.stead:1:10", "site.stead:2:14", "templates/a.j2:1:6"],
        );
    }
}
