//! Runs `tests/language/*.md`: prose, sources, and what the compiler has to say on the line it says it about.
//!
//! Each section of a page with a source block is a case. A block is a file, named by `file=` in its info string (`site.stead`
//! where there is none). `# error: [code] "part of the message"` (or `# warning:`) at the end of a line, or alone on the line
//! before (or `# hint:`), expects a diagnostic whose first place is on that line; every diagnostic must be expected. `# reveal: Type` on a
//! `let` expects its type. A `catalog` block holds the whole catalog; with `UPDATE=1` it is rewritten. A `node` block names
//! the node and its tags. An `inventory` block holds the machines and groups, and is rewritten in the same way. What is unused is told only in the cases that expect some of it: almost every small example leaves something.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "language/error_pages.rs"]
mod error_pages;
#[path = "language/locked.rs"]
mod locked;
#[path = "language/registry.rs"]
mod registry;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_catalog::{Catalog, DriftPolicy, Inventory, Map, Value};
use stead_compiler::{Diagnostic, Input, MemorySources, NodeContext, Project, Severity};

/// What names that nothing uses are told as.
const UNUSED: [&str; 4] = ["unused-definition", "unused-import", "unused-parameter", "unused-variable"];

/// Lints of style: small examples are full of what they tell of, so each is told only in the cases that expect it.
const STYLE: [&str; 3] = ["constant-condition", "empty-block", "shadowed-name"];

#[derive(Debug, Default)]
struct Case {
    title: String,
    line: usize,
    files: Vec<Block>,
    node: NodeContext,
    catalog: Option<Block>,
    inventory: Option<Block>,
}

#[derive(Clone, Debug)]
struct Block {
    name: String,
    text: String,
    /// Lines of the text in the page, from 0: first and one past the last.
    lines: (usize, usize),
}

fn pages() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/language");
    let mut pages: Vec<PathBuf> = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    pages
}

fn cases(page: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(title) = line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim()) {
            let node = NodeContext { name: "web-1".into(), facts: facts(), ..NodeContext::default() };
            cases.push(Case { title: title.to_owned(), line: number + 1, node, ..Case::default() });
            continue;
        }
        let Some(info) = line.strip_prefix("```") else { continue };
        let first = number + 1;
        let mut text = String::new();
        let mut end = first;
        for (number, line) in lines.by_ref() {
            end = number;
            if line == "```" {
                break;
            }
            text.push_str(line);
            text.push('\n');
        }
        let kind = info.split(' ').next().unwrap_or_default().to_owned();
        let name = info.split(' ').find_map(|word| word.strip_prefix("file=")).unwrap_or("site.stead").to_owned();
        let case = cases.last_mut().expect("a page starts with a title");
        let block = Block { name, text, lines: (first, end) };
        match kind.as_str() {
            "catalog" => case.catalog = Some(block),
            "inventory" => case.inventory = Some(block),
            "node" => read_node(&block.text, &mut case.node),
            "text" | "console" => {}
            _ => case.files.push(block),
        }
    }
    cases.retain(|case| !case.files.is_empty());
    cases
}

fn read_node(text: &str, node: &mut NodeContext) {
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        let words = || value.split(',').map(|word| Arc::from(word.trim())).collect::<Vec<Arc<str>>>();
        match key.trim() {
            "name" => node.name = value.trim().into(),
            "tags" => node.tags = words(),
            "groups" => node.groups = words(),
            "family" => {
                if let Some(Value::Map(os)) = node.facts.get_mut("os") {
                    Arc::make_mut(os).insert("family".into(), Value::Member(value.trim().into()));
                }
            }
            fact => {
                node.facts.insert(fact.into(), Value::string(value.trim()));
            }
        }
    }
}

fn facts() -> Map {
    let text = |text: &str| Value::string(text);
    let map = |entries: &[(&str, Value)]| Value::map(entries.iter().map(|(key, value)| (Arc::from(*key), value.clone())));
    let os = map(&[
        ("id", text("debian")),
        ("family", Value::Member("debian".into())),
        ("name", text("Debian GNU/Linux 13 (trixie)")),
        ("version", text("13")),
        ("codename", text("trixie")),
    ]);
    let cpu = map(&[("count", Value::Int(4)), ("model", Value::None)]);
    [("os".into(), os), ("cpu".into(), cpu), ("hostname".into(), text("web-1"))].into_iter().collect()
}

fn project(case: &Case) -> Project {
    let mut sources = MemorySources::new();
    for block in &case.files {
        sources.insert(&*block.name, &block.text);
    }
    let stead_files = case.files.iter().filter(|block| block.name.ends_with(".stead")).count();
    let is_single = stead_files == 1
        && case.files.iter().all(|block| block.name != "stead.toml")
        && case.files.iter().any(|block| block.name == "site.stead");
    let schemas = Arc::new(registry::schemas());
    let input = match is_single {
        true => Input::file(Arc::new(sources), schemas, "site.stead"),
        false => Input::directory(Arc::new(sources), schemas),
    };
    Project::load(input)
}

/// What is expected on a line of a file: severity, code, part of the message.
#[derive(Debug)]
struct Expected {
    file: String,
    line: usize,
    severity: &'static str,
    code: String,
    part: String,
}

fn expectations(case: &Case) -> (Vec<Expected>, Vec<(String, usize, String)>) {
    let mut expected = Vec::new();
    let mut reveals = Vec::new();
    for block in &case.files {
        let mut pending: Vec<(&'static str, String, String)> = Vec::new();
        for (number, line) in block.text.lines().enumerate() {
            let mut found = Vec::new();
            for (mark, severity) in
                [("# error: ", "error"), ("# warning: ", "warning"), ("# hint: ", "hint"), ("{# error: ", "error")]
            {
                for piece in line.split(mark).skip(1) {
                    let Some((code, rest)) = piece.strip_prefix('[').and_then(|rest| rest.split_once(']')) else { continue };
                    let quoted = rest.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"'));
                    let part = quoted.map(|(part, _)| part.replace("\\\"", "\"")).unwrap_or_default();
                    if !found.iter().any(|(s, c, p)| *s == severity && *c == code && *p == part) {
                        found.push((severity, code.to_owned(), part));
                    }
                }
            }
            if let Some((_, ty)) = line.split_once("# reveal: ") {
                reveals.push((block.name.clone(), number + 1, ty.trim().to_owned()));
            }
            if line.trim_start().starts_with('#') {
                pending.append(&mut found);
                continue;
            }
            for (severity, code, part) in pending.drain(..).chain(found) {
                expected.push(Expected { file: block.name.clone(), line: number + 1, severity, code, part });
            }
        }
    }
    (expected, reveals)
}

fn line_of(case: &Case, diagnostic: &Diagnostic) -> (String, usize) {
    let Some(label) = diagnostic.primary() else { return (String::new(), 0) };
    let block = case.files.iter().find(|block| *block.name == *label.file);
    let line = block.map_or(0, |block| {
        let end = (label.span.start as usize).min(block.text.len());
        block.text.as_bytes()[..end].iter().filter(|b| **b == b'\n').count() + 1
    });
    (label.file.to_string(), line)
}

/// Writes a catalog in the form of the pages.
fn shown(catalog: &Catalog) -> String {
    let mut text = String::new();
    for resource in &catalog.resources {
        write!(text, "{}", resource.id).unwrap();
        for (name, value) in resource.attributes.iter() {
            if value.as_str() != Some(&*resource.id.name) {
                write!(text, " {name}={value}").unwrap();
            }
        }
        let meta = &resource.meta;
        for (name, commands) in [("only_if", &meta.only_if), ("unless", &meta.unless)] {
            for command in commands {
                write!(text, " {name}=`{command}`").unwrap();
            }
        }
        if let Some(retry) = meta.retry {
            write!(text, " retry={}x{}", retry.attempts, Value::Duration(retry.delay_ns)).unwrap();
        }
        if let Some(timeout) = meta.timeout_ns {
            write!(text, " timeout={}", Value::Duration(timeout)).unwrap();
        }
        if !meta.tags.is_empty() {
            write!(text, " tags={}", meta.tags.join(",")).unwrap();
        }
        if meta.noop {
            text.push_str(" noop");
        }
        if meta.on_drift != DriftPolicy::default() {
            write!(text, " on_drift={}", meta.on_drift.name()).unwrap();
        }
        text.push('\n');
        for origin in &resource.origins {
            write!(text, "  {}: {}", origin.attribute, origin.step).unwrap();
            if let Some(location) = &origin.location {
                write!(text, " ({location})").unwrap();
            }
            text.push('\n');
        }
    }
    for edge in &catalog.edges {
        let id = |i: u32| &catalog.resources[i as usize].id;
        let why = if edge.reason.is_empty() { edge.kind.name() } else { &*edge.reason };
        writeln!(text, "{} -> {} ({why})", id(edge.from), id(edge.to)).unwrap();
    }
    text
}

/// Writes an inventory in the form of the pages.
fn shown_inventory(inventory: &Inventory) -> String {
    let mut text = String::new();
    for target in inventory.targets() {
        write!(text, "{}", target.name).unwrap();
        let attributes =
            [("address", &target.address), ("user", &target.user), ("identity", &target.identity), ("become", &target.r#become)];
        for (name, value) in attributes {
            if let Some(value) = value {
                write!(text, " {name}={value}").unwrap();
            }
        }
        if let Some(port) = target.port {
            write!(text, " port={port}").unwrap();
        }
        if target.is_local {
            text.push_str(" local");
        }
        for (name, words) in [("tags", &target.tags), ("groups", &target.groups)] {
            if !words.is_empty() {
                write!(text, " {name}={}", words.join(",")).unwrap();
            }
        }
        text.push('\n');
    }
    for group in inventory.groups() {
        writeln!(text, "group {}: {}", group.name, group.members.join(" ")).unwrap();
    }
    text
}

/// What a case came to.
struct Ran {
    problems: Vec<String>,
    catalog: String,
    inventory: String,
}

/// Runs a case; the problems in words, and the catalog where one was made.
fn run(case: &Case) -> Ran {
    let project = project(case);
    let mut diagnostics = stead_compiler::check(&project);
    let mut catalog_text = String::new();
    if !project.has_errors() {
        let (catalog, found) = stead_compiler::compile(&project, &case.node);
        assert_eq!(catalog.is_none(), found.iter().any(Diagnostic::is_error), "{}: no catalog, no error", case.title);
        diagnostics.extend(found);
        diagnostics.extend(project.unused_allows());
        catalog_text = catalog.map(|catalog| shown(&catalog)).unwrap_or_default();
    }
    let (mut expected, reveals) = expectations(case);
    if !expected.iter().any(|one| UNUSED.contains(&&*one.code)) {
        diagnostics.retain(|diagnostic| !UNUSED.contains(&diagnostic.code));
    }
    let is_expected = |code: &str| expected.iter().any(|one| *one.code == *code);
    diagnostics.retain(|diagnostic| !STYLE.contains(&diagnostic.code) || is_expected(diagnostic.code));
    let mut problems = Vec::new();
    for diagnostic in &diagnostics {
        let (file, line) = line_of(case, diagnostic);
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Hint => "hint",
        };
        let fits = |one: &Expected| {
            one.file == file
                && one.line == line
                && one.severity == severity
                && one.code == diagnostic.code
                && (diagnostic.message.contains(&one.part)
                    || diagnostic.hints.iter().any(|hint| hint.contains(&one.part))
                    || diagnostic.labels.iter().any(|label| label.message.as_ref().is_some_and(|m| m.contains(&one.part))))
        };
        match expected.iter().position(fits) {
            Some(at) => {
                expected.remove(at);
            }
            None => problems.push(format!(
                "unexpected at {file}:{line}: {diagnostic} {:?}{}",
                diagnostic.hints,
                diagnostic.labels.iter().filter_map(|l| l.message.as_ref()).map(|m| format!(" [{m}]")).collect::<String>()
            )),
        }
    }
    problems.extend(expected.iter().map(|one| format!("missing: {one:?}")));
    for (file, line, ty) in reveals {
        let found = project.binding_types().find(|(location, _)| *location.file == *file && location.line as usize == line);
        match found {
            Some((_, found)) if found.to_string() == ty => {}
            Some((_, found)) => problems.push(format!("{file}:{line}: the type is {found}, expected {ty}")),
            None => problems.push(format!("{file}:{line}: no `let` here")),
        }
    }
    Ran { problems, catalog: catalog_text, inventory: shown_inventory(project.inventory()) }
}

#[test]
fn the_pages_hold() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut failures = String::new();
    let mut count = 0;
    for path in pages() {
        let page = std::fs::read_to_string(&path).unwrap();
        let mut replaced: Vec<(Block, String)> = Vec::new();
        for case in cases(&page) {
            count += 1;
            let Ran { mut problems, catalog, inventory } = run(&case);
            for (block, found) in [(&case.catalog, catalog), (&case.inventory, inventory)] {
                let Some(block) = block.as_ref().filter(|block| block.text != found) else { continue };
                if update {
                    replaced.push((block.clone(), found));
                } else {
                    problems.push(format!("found:\n{found}expected:\n{}", block.text));
                }
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            for problem in problems {
                writeln!(failures, "{name}:{} {}: {problem}", case.line, case.title).unwrap();
            }
        }
        if !replaced.is_empty() {
            std::fs::write(&path, updated(&page, replaced)).unwrap();
        }
    }
    assert!(count >= 1, "no cases");
    assert!(failures.is_empty(), "\n{failures}");
}

fn updated(page: &str, mut replaced: Vec<(Block, String)>) -> String {
    let mut lines: Vec<String> = page.lines().map(|line| format!("{line}\n")).collect();
    replaced.sort_by_key(|(block, _)| std::cmp::Reverse(block.lines.0));
    for (block, text) in replaced {
        lines.splice(block.lines.0..block.lines.1, text.lines().map(|line| format!("{line}\n")));
    }
    lines.concat()
}
