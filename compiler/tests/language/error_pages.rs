//! Holds every page of `compiler/errors` to what it says: its failing example gives exactly its code, the mended one nothing.
//!
//! The blocks of a page marked `fail` are one project, those marked `ok` another; a path in the info string names the file.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use stead_compiler::lints::PackageLists;
use stead_compiler::{NodeContext, codes, lints};

use super::{Block, Case, STYLE, UNUSED, facts, project};

/// Literals in the sources that look like codes and are none.
const NO_CODES: &[&str] =
    &["db-1", "else-if", "wbe-1", "web-1", "web-12", "web-2", "nginx-full", "stead-catalog-1", "agent-forwarding"];

fn blocks(page: &str, kind: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let text: String = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        let mut words = info.split(' ').skip(1);
        if words.next() == Some(kind) {
            let name = words.next().unwrap_or("site.stead").to_owned();
            blocks.push(Block { name, text, lines: (0, 0) });
        }
    }
    blocks
}

/// A machine that has every package but the one that the page of its lint misspells.
#[derive(Debug)]
struct AllButOne;

impl PackageLists for AllButOne {
    fn has(&self, name: &str) -> Option<bool> {
        Some(name != "ngnix")
    }
}

fn found(files: Vec<Block>) -> Vec<String> {
    let packages: Option<Arc<dyn PackageLists>> = Some(Arc::new(AllButOne));
    let node = NodeContext { name: "web-1".into(), facts: facts(), packages, ..NodeContext::default() };
    let case = Case { files, ..Case::default() };
    let project = project(&case);
    let (_, mut found) = stead_compiler::compile(&project, &node);
    if !project.has_errors() {
        found.extend(project.diagnostics().iter().cloned());
    }
    found.iter().map(ToString::to_string).collect()
}

/// Where the catalog may bring more packages than the machine knows, nothing is certain.
#[test]
fn a_package_that_something_may_bring_is_not_told_of() {
    let told = |text: &str| {
        let files = vec![Block { name: "site.stead".into(), text: text.into(), lines: (0, 0) }];
        found(files).iter().filter(|shown| code_of(shown) == "unoffered-package").count()
    };
    assert_eq!(told("package [\"ngnix\", \"nginx\"]\n"), 1);
    assert_eq!(told("package \"ngnix:i386\"\n"), 1);
    assert_eq!(told("package \"nginx\"\npackage \"ngnix\" { require = [package[\"nginx\"]] }\n"), 1);
    assert_eq!(told("package \"ngnix\" { state = absent }\n"), 0);
    assert_eq!(told("file \"/x\" { content = \"x\" }\npackage \"ngnix\" { require = [file[\"/x\"]] }\n"), 0);
    assert_eq!(told("package \"ngnix\" { only_if = \"true\" }\n"), 0);
    assert_eq!(told("repository \"own\"\npackage \"ngnix\"\n"), 0);
    assert_eq!(told("package \"ngnix\"  # stead: allow(unoffered-package) it comes with the image\n"), 0);
}

fn code_of(shown: &str) -> &str {
    shown.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(code, _)| code)
}

#[test]
fn every_page_keeps_its_word() {
    let mut wrong = Vec::new();
    for code in codes::all_codes() {
        let page = codes::explain(code).unwrap();
        if !page.starts_with(&format!("# {code}\n")) {
            wrong.push(format!("{code}: the page has another title"));
        }
        let (fail, ok) = (blocks(page, "fail"), blocks(page, "ok"));
        // Lints of resource types are held to their pages where the types are: `tests/book`.
        if FROM_SCHEMAS.contains(&code) && lints::get(code).is_some() {
            continue;
        }
        if fail.is_empty() || ok.is_empty() {
            // What the command line shows is a transcript, which `tests/cli` runs: huge files, keys, targets.
            if !page.contains("\n```console") {
                wrong.push(format!("{code}: no example"));
            }
            continue;
        }
        // Small examples leave names unused; only the pages about that tell of it.
        let found = |files| {
            let mut told = found(files);
            told.retain(|shown| UNUSED.contains(&code) || !UNUSED.contains(&code_of(shown)));
            told.retain(|shown| code_of(shown) == code || !STYLE.contains(&code_of(shown)));
            told
        };
        let told = found(fail);
        let codes: BTreeSet<&str> = told.iter().map(|shown| code_of(shown)).collect();
        if codes != BTreeSet::from([code]) {
            wrong.push(format!("{code}: the failing example gives {told:#?}"));
        }
        let told = found(ok);
        if !told.is_empty() {
            wrong.push(format!("{code}: the mended example gives {told:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_of_the_sources_has_a_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut used: BTreeSet<String> = stead_grammar::CODES.iter().map(|code| (*code).to_owned()).collect();
    for directory in ["compiler/src", "grammar/src", "catalog/src/types.rs", "catalog/src/types"] {
        read_codes(&root.join(directory), &mut used);
    }
    let missing: Vec<_> = used.iter().filter(|code| codes::explain(code).is_none() && !NO_CODES.contains(&&***code)).collect();
    assert!(missing.is_empty(), "codes without a page in compiler/errors: {missing:?}");
    let stale: Vec<_> = codes::all_codes().filter(|code| !used.contains(*code) && !FROM_SCHEMAS.contains(code)).collect();
    assert!(stale.is_empty(), "pages of codes that nothing gives: {stale:?}");
}

/// Codes that resource types give for how attributes go together, and those of who opens secrets.
const FROM_SCHEMAS: &[&str] = &[
    "conflicting-attributes",
    "damaged-secret",
    "idle-exec",
    "needless-shell",
    "readable-secret",
    "secret-argument",
    "secret-command-failed",
    "service-not-enabled",
    "unguarded-exec",
    "world-writable",
];

/// Collects the kebab-case string literals of a file, or of all files below a directory, before their tests.
fn read_codes(path: &Path, used: &mut BTreeSet<String>) {
    if path.is_dir() {
        let mut entries: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        entries.iter().for_each(|entry| read_codes(entry, used));
        return;
    }
    if path.extension().is_none_or(|extension| extension != "rs") || path.ends_with("codes.rs") {
        return;
    }
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for literal in line.split('"').skip(1).step_by(2) {
            let kebab = literal.contains('-')
                && literal
                    .split('-')
                    .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
            if kebab && literal.starts_with(|c: char| c.is_ascii_lowercase()) {
                used.insert(literal.to_owned());
            }
        }
    }
}

#[test]
fn an_unknown_code_has_no_page() {
    assert!(codes::explain("unknown-attribute").is_some_and(|page| page.contains("```stead ok")));
    assert_eq!(codes::explain("nothing-like-this"), None);
}
