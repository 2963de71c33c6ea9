//! Laws of compiling: the same inputs give the same catalog, and no source makes it panic.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "language/registry.rs"]
mod registry;

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
