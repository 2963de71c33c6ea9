//! The plan cases in the pages beside the resource types, and in those of codes.
//!
//! A case is a fenced block ` ```plan ` of three parts divided by `---`: resources as the language writes them, the machine as
//! `fake_world` reads it, and what is planned. Every resource comes after those above it. `UPDATE_EXPECT=1` writes what is planned into the page.
//!
//! What is planned is one line for the action, and one for each change below it. With several resources, each action follows
//! its resource's name. After the plan the law is checked: what is planned, once it is predicted, leaves nothing to do.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use stead_catalog::{
    Action, Attributes, Catalog, Change, Command, Edge, EdgeKind, Map, Meta, Resource, ResourceId, Shown, SourceLocation, Value,
};
use stead_engine::{PlanOptions, Predicted, Registry, plan};
use stead_stdlib::registry;
use stead_stdlib::values::AttributeType as _;

use crate::fake_world::FakeWorld;
use crate::literal::Reader;

#[test]
fn every_case_is_planned_as_its_page_says() {
    let only = std::env::var("CASES").unwrap_or_default();
    let mut failures = String::new();
    for page in pages().iter().filter(|page| page.to_string_lossy().contains(&only)) {
        check_page(page, &mut failures);
    }
    assert!(failures.is_empty(), "{failures}\nrun with UPDATE_EXPECT=1 to take what was found into the pages");
}

fn pages() -> Vec<PathBuf> {
    let folders = [concat!(env!("CARGO_MANIFEST_DIR"), "/src/resources"), concat!(env!("CARGO_MANIFEST_DIR"), "/errors")];
    let mut pages: Vec<PathBuf> = folders
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(folder).expect("the folder is there"))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    pages
}

/// All cases of all pages, each with its place: resources, machine, and what is planned.
pub(crate) fn cases() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("the page is text");
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            if line.trim_end() == "```plan" {
                let block: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim_end() != "```").collect();
                let parts = block.split(|line| line.trim() == "---").map(|lines| lines.join("\n")).collect();
                found.push((format!("{}:{}", page.display(), number + 1), parts));
            }
        }
    }
    found
}

/// Runs the cases of one page, and rewrites it when that is asked for.
fn check_page(page: &Path, failures: &mut String) {
    let text = std::fs::read_to_string(page).expect("the page is text");
    let mut updated = String::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        updated.push_str(line);
        updated.push('\n');
        if line.trim_end() != "```plan" {
            continue;
        }
        let block: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim_end() != "```").collect();
        let mut parts: Vec<String> = block.split(|line| line.trim() == "---").map(|lines| lines.join("\n")).collect();
        assert!(parts.len() == 3, "{}:{}: a case has three parts", page.display(), number + 1);
        let at = format!("{}:{}", page.display(), number + 1);
        let found = std::panic::catch_unwind(|| outcome(&parts[0], &parts[1])).unwrap_or_else(|_| format!("panicked at {at}\n"));
        if found.trim_end() != parts[2].trim_end() {
            let _ = writeln!(failures, "{at}: found\n{found}expected\n{}\n", parts[2]);
        }
        parts[2] = found.trim_end().to_owned();
        let parts: Vec<String> = parts.iter().map(|part| part.lines().map(|line| format!("{line}\n")).collect()).collect();
        updated.push_str(&parts.join("---\n"));
        updated.push_str("```\n");
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() && updated != text {
        std::fs::write(page, updated).expect("the page can be written");
    }
}

/// Plans the resources of a case on its machine and writes down what is planned.
fn outcome(resources: &str, world: &str) -> String {
    let registry = registry();
    let world = FakeWorld::parse(world);
    let (catalog, problems) = read_catalog(resources, &registry);
    if !problems.is_empty() {
        return problems;
    }
    let planned = plan(&catalog, &registry, &world, &PlanOptions::default()).plan;
    let mut text = String::new();
    for entry in &planned.resources {
        if catalog.resources.len() > 1 {
            let _ = write!(text, "{}: ", entry.id);
        }
        match &entry.error {
            Some(error) => {
                let _ = writeln!(text, "error {}: {error}", error.code);
            }
            None => {
                let _ = writeln!(text, "{}", entry.action.name());
            }
        }
        for change in &entry.changes {
            let _ = writeln!(text, "  {}", shown_change(change));
        }
        for (word, reason) in [("unknown", &entry.unknown), ("held", &entry.held)] {
            if let Some(reason) = reason {
                let _ = writeln!(text, "  {word}: {reason}");
            }
        }
        for cause in &entry.because {
            let _ = writeln!(text, "  because: {} {}", cause.kind.name(), cause.resource);
        }
    }
    let settled = planned.resources.iter().all(|entry| entry.error.is_none() && entry.held.is_none() && entry.unknown.is_none());
    if settled {
        check_law(&catalog, &registry, &world, &mut text);
    }
    text
}

/// Predicts every resource's change and looks again: nothing may be left to do.
fn check_law(catalog: &Catalog, registry: &Registry, world: &FakeWorld, text: &mut String) {
    let mut predicted = Predicted::new(world);
    for resource in &catalog.resources {
        let managed =
            registry.get(&resource.id.type_name).expect("it is known").read(&resource.attributes).expect("it was admitted");
        let Ok(observed) = managed.observe(&predicted) else { return };
        let difference = managed.diff(&observed);
        assert_eq!(difference.is_none(), difference.changes.is_empty() && difference.action == Action::None);
        let is_unknown =
            |change: &Change| matches!(change.before, Shown::Unknown(_)) || matches!(change.after, Shown::Unknown(_));
        // A command that nothing guards is run again each time.
        let runs_always =
            difference.action == Action::Run && !difference.changes.iter().any(|change| &*change.attribute == "creates");
        if difference.is_none() || runs_always || difference.unknown.is_some() || difference.changes.iter().any(is_unknown) {
            continue;
        }
        managed.predict(&observed, &difference, &mut predicted);
        let again = managed.observe(&predicted).map(|observed| managed.diff(&observed));
        match again {
            Ok(again) if again.is_none() || again.unknown.is_some() => {}
            again => {
                let _ = writeln!(text, "law broken: {} after its own prediction: {again:?}", resource.id);
            }
        }
    }
}

/// Reads resources with their defaults, checked as the compiler does; the mistakes found by the types themselves are the second part.
pub(crate) fn read_catalog(text: &str, registry: &Registry) -> (Catalog, String) {
    let mut catalog = Catalog { node: "node".into(), ..Catalog::default() };
    let mut problems = String::new();
    let mut reader = Reader::new(text);
    while reader.skip() {
        let type_name = reader.word();
        let name = reader.string();
        let mut body = reader.body();
        let schema = registry.get(type_name).unwrap_or_else(|| panic!("no type `{type_name}`")).schema();
        body.entry(schema.key.clone()).or_insert_with(|| Value::string(name.as_str()));
        let (meta, edges) = take_meta(&mut body, &catalog);
        let mut attributes = Attributes::new();
        for attribute in &schema.attributes {
            let value = body.shift_remove(&attribute.name).or_else(|| attribute.default.clone()).unwrap_or(Value::None);
            assert!(value != Value::None || !attribute.required, "{type_name} \"{name}\" needs `{}`", attribute.name);
            if value != Value::None {
                let value = attribute.ty.admit(&value, false).unwrap_or_else(|error| panic!("`{}`: {error:?}", attribute.name));
                attributes.set(attribute.name.clone(), if attribute.sensitive { value.secret() } else { value });
            }
        }
        assert!(body.is_empty(), "no attributes of {type_name}: {:?}", body.keys());
        for problem in (schema.check)(&attributes) {
            let places: Vec<String> = [problem.attribute, problem.other].into_iter().flatten().collect();
            let _ = writeln!(problems, "problem {} ({}): {}", problem.code, places.join(", "), problem.message);
            if let Some(hint) = problem.hint {
                let _ = writeln!(problems, "hint: {hint}");
            }
        }
        let index = u32::try_from(catalog.resources.len()).expect("few resources");
        catalog.edges.extend(edges);
        if let Some(before) = index.checked_sub(1)
            && !catalog.edges.iter().any(|edge| (edge.from, edge.to) == (before, index))
        {
            catalog.edges.push(Edge { from: before, to: index, kind: EdgeKind::Require, reason: "".into(), source: None });
        }
        catalog.resources.push(Resource {
            id: ResourceId::new(type_name, name),
            attributes,
            meta,
            source: SourceLocation { file: "case.stead".into(), start: 0, end: 0, line: 1, column: 1 },
            path: Vec::new(),
            origins: Vec::new(),
        });
    }
    (catalog, problems)
}

/// Takes the attributes out of a body that every resource has: guards, and requisites to resources above it.
fn take_meta(body: &mut Map, catalog: &Catalog) -> (Meta, Vec<Edge>) {
    let command = |value: Value| vec![Command::from_value(&value).expect("a command")];
    let mut meta = Meta::default();
    if let Some(guard) = body.shift_remove("unless") {
        meta.unless = command(guard);
    }
    if let Some(guard) = body.shift_remove("only_if") {
        meta.only_if = command(guard);
    }
    let to = u32::try_from(catalog.resources.len()).expect("few resources");
    let mut edges = Vec::new();
    for kind in [EdgeKind::Require, EdgeKind::Watch, EdgeKind::OnChanges, EdgeKind::Listen] {
        let targets = match body.shift_remove(kind.name()) {
            Some(Value::List(targets)) => targets.to_vec(),
            Some(target) => vec![target],
            None => Vec::new(),
        };
        for target in targets {
            let Value::Ref(id) = &target else { panic!("no reference: {target}") };
            let from = catalog.position(id).unwrap_or_else(|| panic!("{id} is not above"));
            edges.push(Edge { from: u32::try_from(from).expect("few"), to, kind, reason: "".into(), source: None });
        }
    }
    (meta, edges)
}

fn shown_change(change: &Change) -> String {
    format!("{}: {} -> {}", change.attribute, shown(&change.before), shown(&change.after))
}

fn shown(side: &Shown) -> String {
    match side {
        Shown::Absent => "absent".into(),
        Shown::Value(value) => value.to_string(),
        Shown::Text(text) => Value::String(text.clone()).to_string(),
        Shown::Digest { hash, size } => format!("({}, {})", &hash[..8], Value::Size(*size)),
        Shown::Unknown(because) => format!("(known after {because})"),
        Shown::Sensitive => "(sensitive)".into(),
    }
}
