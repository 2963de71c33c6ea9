//! Laws of compiling: the same inputs give the same catalog, and no source makes it panic.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "language/registry.rs"]
mod registry;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use stead_catalog::{Catalog, Map, Value};
use stead_compiler::{Diagnostic, Input, MemorySources, NodeContext, Project, Schemas};

static SCHEMAS: LazyLock<Arc<Schemas>> = LazyLock::new(|| Arc::new(registry::schemas()));

/// The source blocks of the language pages, without those that are slow on purpose.
static SAMPLES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/language");
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut samples = Vec::new();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|e| e == "md") && !path.ends_with("limits.md")) {
        let page = std::fs::read_to_string(path).unwrap();
        let blocks = page.split("\n```stead").skip(1).filter_map(|rest| rest.split_once('\n')?.1.split_once("\n```"));
        samples.extend(blocks.map(|(block, _)| format!("{block}\n")));
    }
    samples
});

/// Pieces that mutations put in: what the language is made of, and what it is not.
const PIECES: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "${",
    "=",
    ":",
    ",",
    "\n",
    "#",
    "##",
    "file ",
    "\"/x\"",
    "if ",
    "else ",
    "for x in ",
    "match ",
    "=>",
    "->",
    "~>",
    "state s() { }",
    "fn f() -> Int = ",
    "type T = ",
    "enum E { a }",
    "let x = ",
    "none",
    "true",
    "0644",
    "30s",
    "..",
    "?.",
    "??",
    "facts.os",
    "data.x",
    "Secret<",
    "é\u{0}",
    "node where ",
];

fn node() -> NodeContext {
    let cpu = Value::map([("count".into(), Value::Int(4)), ("model".into(), Value::None)]);
    let facts: Map = [("cpu".into(), cpu), ("hostname".into(), Value::string("n"))].into_iter().collect();
    NodeContext { name: "n".into(), facts, ..NodeContext::default() }
}

fn compile(files: &[(&str, &str)]) -> (Option<Catalog>, Vec<Diagnostic>) {
    let mut sources = MemorySources::new();
    for (name, text) in files {
        sources.insert(*name, text);
    }
    let sources = Arc::new(sources);
    let input = match files {
        [(name, _)] => Input::file(sources, SCHEMAS.clone(), *name),
        _ => Input::directory(sources, SCHEMAS.clone()),
    };
    let project = Project::load(input);
    let (catalog, mut found) = stead_compiler::compile(&project, &node());
    if !project.has_errors() {
        found.extend(project.diagnostics().iter().cloned());
    }
    (catalog, found)
}

fn shown(result: &(Option<Catalog>, Vec<Diagnostic>)) -> String {
    let mut text = String::new();
    if let Some(catalog) = &result.0 {
        write!(text, "{} {catalog:?}", catalog.hash()).unwrap();
    }
    write!(text, "{:?}", result.1).unwrap();
    text
}

/// A place in a text that is at the start of a character.
fn boundary(text: &str, at: usize) -> usize {
    (at % (text.len() + 1)..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn mutated(sample: &str, changes: &[(u8, usize, usize)]) -> String {
    let mut text = sample.to_owned();
    for (kind, at, with) in changes {
        let start = boundary(&text, *at);
        let end = boundary(&text, start + with % 12).max(start);
        match kind % 4 {
            0 => text.replace_range(start..end, ""),
            1 => text.insert_str(start, PIECES[with % PIECES.len()]),
            2 => text.replace_range(start..end, PIECES[with % PIECES.len()]),
            _ => {
                let copy = text[start..end].to_owned();
                text.insert_str(boundary(&text, with.wrapping_mul(31)), &copy);
            }
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Spoilt sources give diagnostics or a catalog, the same each time, and each place is inside its file.
    #[test]
    fn nothing_panics_and_everything_is_repeatable(
        sample in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<u8>(), any::<usize>(), any::<usize>()), 1..6),
    ) {
        let sample: &String = sample.get(SAMPLES.as_slice());
        let text = mutated(sample, &changes);
        let first = compile(&[("site.stead", &text)]);
        prop_assert_eq!(first.0.is_none(), first.1.iter().any(Diagnostic::is_error));
        for label in first.1.iter().flat_map(|diagnostic| &diagnostic.labels) {
            prop_assert!(label.span.end as usize <= text.len() && label.span.start <= label.span.end, "{:?}", first.1);
            prop_assert!(text.is_char_boundary(label.span.start as usize), "{:?}", first.1);
        }
        prop_assert_eq!(shown(&first), shown(&compile(&[("site.stead", &text)])));
    }

    /// How resources are spread over files changes their order, never what they are.
    #[test]
    fn files_may_be_split(count in 1usize..40, cut in any::<prop::sample::Index>()) {
        let resource = |i: usize| format!("directory \"/d{}\" {{ mode = 0{}55 }}\nfile \"/d{0}/f{i}\"\n", i % 5, 7);
        let resources: Vec<String> = (0..count).map(resource).collect();
        let at = cut.index(count + 1);
        let whole = compile(&[("a.stead", &resources.concat()), ("b.stead", "")]);
        let split = compile(&[("a.stead", &resources[..at].concat()), ("b.stead", &resources[at..].concat())]);
        let ids = |result: &(Option<Catalog>, Vec<Diagnostic>)| {
            let catalog = result.0.as_ref().unwrap();
            let edges = catalog.edges.iter().map(|edge| {
                let id = |i: u32| catalog.resources[i as usize].id.clone();
                (id(edge.from), id(edge.to), edge.kind)
            });
            (catalog.hash(), edges.collect::<Vec<_>>())
        };
        prop_assert_eq!(ids(&whole), ids(&split));
    }
}

/// A project of several modules with data and templates, so that edits of one file matter to others.
fn project_files() -> BTreeMap<Arc<str>, String> {
    let file = |name: &str, text: &str| (Arc::from(name), text.to_owned());
    [
        file("stead.toml", "name = \"p\"\n"),
        file("site.stead", "use web\nuse web.parts { conf, Site }\nnode \"n\" { web.serve(port = 80)\n let s: Site = { name = \"a\" }\n file conf(s) { content = template(\"a.j2\", { s }) } }\n"),
        file("web/web.stead", "use web.parts { Site, conf }\n## Serves.\nstate serve(sites: List<Site> = [], port: Int) {\n  for s in sites { file conf(s) { content = template(\"a.j2\", { s }) } }\n  file \"/p\" { content = \"${port} ${limit}\" }\n}\nlet limit = 3\n"),
        file("web/parts/parts.stead", "type Site { name: String, port: Port = 80 }\nfn conf(s: Site) -> Path = \"/etc/${s.name}\"\n"),
        file("top.stead", "let base = \"/srv\"\ndirectory base { mode = 0755 }\nfile \"${base}/x\" { source = \"x.txt\" }\n"),
        file("templates/a.j2", "{% include 'b.j2' %}{{ s.name }}\n"),
        file("templates/b.j2", "b\n"),
        file("files/x.txt", "x\n"),
        file("data/common.yaml", "serve:\n  sites:\n    - name: one\n"),
    ]
    .into()
}

fn input_of(files: &BTreeMap<Arc<str>, String>) -> Input {
    let mut sources = MemorySources::new();
    files.iter().for_each(|(name, text)| sources.insert(name.clone(), text));
    Input::directory(Arc::new(sources), SCHEMAS.clone())
}

fn shown_project(project: &Project) -> String {
    let bindings: Vec<_> = project.binding_types().map(|(at, ty)| format!("{at} {ty}")).collect();
    let compiled = stead_compiler::compile(project, &node());
    format!("{:?} {bindings:?} {}", project.diagnostics(), shown(&compiled))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// A project that is loaded again from its earlier version is the project that is loaded anew, whatever was edited between, and an
    /// index can be made of everything on the way.
    #[test]
    fn a_reload_is_a_load(
        edits in prop::collection::vec((any::<u8>(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::collection::vec((any::<u8>(), any::<usize>(), any::<usize>()), 1..3)), 1..12),
    ) {
        let mut files = project_files();
        let original = files.clone();
        let mut project = Project::load(input_of(&files));
        prop_assert!(!project.has_errors(), "{:?}", project.diagnostics());
        for (kind, which, sample, changes) in &edits {
            let names: Vec<Arc<str>> = original.keys().filter(|name| &***name != "stead.toml" || kind % 16 == 0).cloned().collect();
            let name = which.get(&names).clone();
            match kind % 8 {
                // Back to what it was.
                0..=2 => { files.insert(name.clone(), original[&name].clone()); }
                3 => { files.remove(&name); }
                4 if name.ends_with(".stead") => { files.insert(name.clone(), sample.get(SAMPLES.as_slice()).clone()); }
                _ => {
                    let text = mutated(files.get(&name).map_or("", |text| text), changes);
                    files.insert(name.clone(), text);
                }
            }
            project = project.reload(input_of(&files), &BTreeSet::from([name.clone()]));
            let fresh = Project::load(input_of(&files));
            prop_assert_eq!(shown_project(&project), shown_project(&fresh), "after an edit of {}", name);
            for ((file, index), (_, anew)) in project.indexes().into_iter().zip(fresh.indexes()) {
                let text = project.text(&file).unwrap();
                prop_assert_eq!(format!("{:?}", index), format!("{:?}", anew), "the index of {}", &file);
                for one in &index.uses {
                    prop_assert!(text.get(one.span.range()).is_some(), "{:?} of {}", one, file);
                }
            }
        }
    }
}

/// Long chains of definitions end in an error or a catalog, not in an overflow of the stack.
#[test]
fn long_chains_are_no_danger() {
    let chain = |n: usize, first: &str, each: fn(usize) -> String| {
        let mut text = format!("{first}\n");
        (1..n).for_each(|i| text.push_str(&each(i)));
        text
    };
    let functions = chain(20_000, "fn f0() -> Int = 1", |i| format!("fn f{i}() -> Int = 1 + f{}()\n", i - 1));
    let functions = format!("{functions}file \"/x\" {{ content = \"${{f19999()}}\" }}\n");
    let types = chain(20_000, "type T0 = Int", |i| format!("type T{i} {{ x: T{} }}\n", i - 1));
    let lists = chain(2_000, "let a0 = 1", |i| format!("let a{i} = [a{}]\n", i - 1));
    let states = chain(2_000, "state s0() { }", |i| format!("state s{i}() {{ s{}() }}\n", i - 1));
    let states = format!("{states}s1999()\n");
    for (text, code) in [
        (functions, Some("evaluation-too-large")),
        (types, Some("nesting-too-deep")),
        (lists, Some("nesting-too-deep")),
        (states, Some("evaluation-too-large")),
        ("file \"/x\"\n".to_owned(), None),
    ] {
        let (_, found) = compile(&[("site.stead", &text)]);
        let errors: Vec<&str> = found.iter().filter(|d| d.is_error()).map(|d| d.code).collect();
        match code {
            Some(code) => assert!(!errors.is_empty() && errors.iter().all(|found| *found == code), "{errors:?}"),
            None => assert!(errors.is_empty(), "{errors:?}"),
        }
    }
}
