//! Go to definition and type definition.

use lsp_types::{GotoDefinitionResponse, Location, Position, Range};
use stead_compiler::index::{Place, Target};

use crate::snapshot::Snapshot;

/// Where what stands at an offset is defined. From a declaration that the data gives a value to, it is the data.
pub(crate) fn definition(snapshot: &Snapshot, offset: u32) -> Option<GotoDefinitionResponse> {
    let locations = places(snapshot, offset).into_iter().filter_map(|place| location(snapshot, &place));
    respond(locations.collect())
}

fn respond(mut locations: Vec<Location>) -> Option<GotoDefinitionResponse> {
    locations.dedup();
    if locations.is_empty() { None } else { Some(GotoDefinitionResponse::Array(locations)) }
}

fn location(snapshot: &Snapshot, place: &Place) -> Option<Location> {
    snapshot.location(place).or_else(|| {
        // A file that is no text.
        let start = Position::default();
        Some(Location { uri: snapshot.uri(&place.file)?, range: Range { start, end: start } })
    })
}

fn start_of(file: &std::sync::Arc<str>) -> Place {
    Place { file: file.clone(), span: stead_grammar::ast::Span::at(0) }
}

pub(crate) fn places(snapshot: &Snapshot, offset: u32) -> Vec<Place> {
    let project = &snapshot.project;
    if snapshot.is_template() {
        let Some(index) = project.template_index(&snapshot.name) else { return Vec::new() };
        let Some(name) = index.at(offset) else { return Vec::new() };
        if let Some(record) = &name.owner {
            return project.field_place(record, &name.name).into_iter().collect();
        }
        let given = index.rendered.iter().filter(|_| name.is_given).flat_map(|(file, one)| {
            let own = one.variables.iter().filter(|(known, ..)| *known == name.name);
            own.map(|(_, _, span)| Place { file: file.clone(), span: *span })
        });
        return given.collect();
    }
    if snapshot.is_data() {
        let Some((path, _)) = project.data_path_at(&snapshot.name, offset) else { return Vec::new() };
        return project.parameter_of_data(&path).map(|(place, _)| place).into_iter().collect();
    }
    let Some(index) = snapshot.index() else { return Vec::new() };
    for one in index.at(offset) {
        let found = of_target(snapshot, &one.target, one.is_declaration);
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

fn of_target(snapshot: &Snapshot, target: &Target, is_declaration: bool) -> Vec<Place> {
    let project = &snapshot.project;
    match target {
        Target::Variable(place) if is_declaration => {
            let data = project.data_key_of(place).map(|path| project.data_places(&path)).unwrap_or_default();
            let places: Vec<Place> = data.into_iter().map(|one| Place { file: one.file, span: one.key }).collect();
            if places.is_empty() { vec![place.clone()] } else { places }
        }
        Target::Module(directory) => {
            let own = project.files().iter().filter(|file| project.module_of(&file.name).as_deref() == Some(&**directory));
            own.map(|file| start_of(&file.name)).collect()
        }
        Target::Resource(_) => {
            let mut found = Vec::new();
            for (file, index) in project.indexes() {
                let declared = index.uses.iter().filter(|one| one.is_declaration && one.target == *target);
                found.extend(declared.map(|one| Place { file: file.clone(), span: one.span }));
            }
            if found.is_empty()
                && let Target::Resource(id) = target
            {
                // A name that is computed: the catalogs know where it comes from.
                let catalogs =
                    snapshot.compiled.iter().flat_map(|compiled| &compiled.nodes).filter_map(|(_, catalog)| catalog.as_ref());
                let declared = catalogs.filter_map(|catalog| Some(&catalog.resources[catalog.position(id)?]));
                found.extend(declared.map(|resource| snapshot.place_of(&resource.source)));
                found.dedup();
            }
            found
        }
        Target::File(file) => vec![start_of(file)],
        Target::Fact(path) if path.len() == 1 => {
            let name = &path[0];
            let facts = project.definitions().into_iter();
            facts
                .filter(|one| one.kind == stead_compiler::index::DefinitionKind::Fact && one.name == *name)
                .map(|one| one.place)
                .collect()
        }
        Target::Data(path) => project.data_places(path).into_iter().map(|one| Place { file: one.file, span: one.key }).collect(),
        other => other.place().cloned().into_iter().collect(),
    }
}

/// Where the type of what stands at an offset is defined.
pub(crate) fn type_definition(snapshot: &Snapshot, offset: u32) -> Option<GotoDefinitionResponse> {
    let project = &snapshot.project;
    if snapshot.is_template() {
        let index = project.template_index(&snapshot.name)?;
        let place = project.type_place(&index.at(offset)?.ty)?;
        return respond(vec![snapshot.location(&place)?]);
    }
    let index = snapshot.index()?;
    let used = index.at(offset);
    let declared = used.iter().find_map(|one| match &one.target {
        Target::Variable(place) => {
            let index = project.index(&place.file)?;
            let (_, ty, _) = index.variables.iter().find(|(span, ..)| *span == place.span)?;
            project.type_place(ty)
        }
        Target::Type(place) => Some(place.clone()),
        _ => None,
    });
    let place = declared
        .or_else(|| project.type_place(index.type_at(offset)?.1))
        .or_else(|| project.type_place(index.expected_at(offset)?.1))?;
    respond(vec![snapshot.location(&place)?])
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    /// The text at each place that is found, with its file.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let fixture = Fixture::new(text);
        let (snapshot, offset) = fixture.at_cursor();
        let found: Vec<String> = super::places(&snapshot, offset)
            .iter()
            .map(|place| {
                let text = snapshot.text_of(&place.file).expect("a text");
                format!("{}:{} {}", place.file, text.position(place.span.start).line + 1, place.span.text(text.as_str()))
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn everything_named_is_reachable() {
        check("let limit = 3\nfile \"/x\" { content = \"${lim$0it}\" }\n", &["site.stead:1 limit"]);
        check("file \"/x\"\nfile \"/y\" { require = [file[\"/$0x\"]] }\n", &["site.stead:1 \"/x\""]);
        check("type V { port: Port }\nfn f(v: V) -> Port = v.po$0rt\nfile \"/${f({ port = 1 })}\"\n", &["site.stead:1 port"]);
        check(
            "//- site.stead\nuse web\nnode \"n\" { web.ser$0ve() }\n//- web/a.stead\nstate serve() { }\n",
            &["web/a.stead:1 serve"],
        );
        check("//- site.stead\nuse we$0b\nnode \"n\" { web.serve() }\n//- web/a.stead\nstate serve() { }\n", &["web/a.stead:1 "]);
        check(
            "//- site.stead\nfile \"/x\" { content = template(\"a$0.j2\", { }) }\n//- templates/a.j2\nx\n",
            &["templates/a.j2:1 "],
        );
    }

    #[test]
    fn data_templates_and_parameters_lead_to_one_another() {
        let files = |stead: &str, data: &str, template: &str| {
            format!(
                "//- site.stead\n{stead}\nnode \"n\" {{ web() }}\n//- data/common.yaml\n{data}\n//- templates/a.j2\n{template}\n"
            )
        };
        let state = "state web(port: Port) { file \"/x\" { content = template(\"a.j2\", { port }) } }";
        check(&files(&state.replacen("port", "po$0rt", 1), "web:\n  port: 80", "{{ port }}"), &["data/common.yaml:2 port"]);
        check(&files(state, "web:\n  po$0rt: 80", "{{ port }}"), &["site.stead:1 port"]);
        check(&files(state, "web:\n  port: 80", "{{ po$0rt }}"), &["site.stead:1 port"]);
    }
}
