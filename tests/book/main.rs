//! Every `stead` example in the book and the README compiles against the real resource types, without a warning; one
//! that is marked `fails=CODE` gives exactly that error.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_compiler::lints::PackageLists;
use stead_compiler::{Input, MemorySources, NodeContext, Project, Schemas, Severity};
use stead_tests::transcript::{Block, blocks};

/// The facts of the node that examples are compiled for.
const FACTS: &str = r#"{
  "hostname": "web-1", "arch": "x86_64", "init": "systemd", "virtualization": null, "timezone": "Etc/UTC", "machine_id": null,
  "os": { "id": "debian", "family": "debian", "name": "Debian GNU/Linux 13 (trixie)", "version": "13", "codename": "trixie" },
  "kernel": { "name": "Linux", "release": "6.12.0", "version": "1" },
  "cpu": { "count": 4, "model": null },
  "memory": { "total": "8GiB", "swap": "0B" },
  "network": { "interfaces": {}, "ipv4": ["10.0.0.7"], "ipv6": [] },
  "user": { "name": "root", "uid": 0, "home": "/root" }
}"#;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

fn pages(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            // The pages of codes are examples of mistakes, and tests of the compiler.
            if path.file_name().is_some_and(|name| name != "errors") {
                pages(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found.sort();
}

/// What compiling says: `error[code]: message`, one a line.
fn compile(input: Input) -> Vec<(Severity, String, String)> {
    compile_where(input, None)
}

/// The same on a machine whose package manager knows this.
fn compile_where(input: Input, packages: Option<Arc<dyn PackageLists>>) -> Vec<(Severity, String, String)> {
    let project = Project::load(input);
    let (facts, wrong) = stead_compiler::facts::from_json(&"facts.json".into(), FACTS.as_bytes(), project.facts_type());
    assert_eq!(wrong, [], "the facts are facts");
    let mut found = project.diagnostics().to_vec();
    if !project.has_errors() {
        found.extend(
            stead_compiler::compile(&project, &NodeContext { name: "web-1".into(), facts, packages, ..NodeContext::default() }).1,
        );
    }
    found.into_iter().map(|d| (d.severity, d.code.to_owned(), d.to_string())).collect()
}

/// Compiles one block with the files of the page so far.
fn check(block: &Block, files: &MemorySources, is_project: bool) -> Result<(), String> {
    let schemas = Arc::new(Schemas::new(stead_stdlib::registry().schemas()));
    let input = match block.option("file") {
        Some(_) if is_project => Input::directory(Arc::new(files.clone()), schemas),
        Some(name) => Input::file(Arc::new(files.clone()), schemas, name),
        None => Input::file(Arc::new(files.clone().with("example.stead", &block.text)), schemas, "example.stead"),
    };
    let found = compile(input);
    let said = || found.iter().map(|(_, _, text)| format!("  {text}\n")).collect::<String>();
    match block.option("fails") {
        Some(code) => {
            let errors: Vec<&str> =
                found.iter().filter(|(severity, ..)| *severity == Severity::Error).map(|(_, code, _)| code.as_str()).collect();
            if errors == [code] { Ok(()) } else { Err(format!("expected error[{code}], found\n{}", said())) }
        }
        None if found.iter().all(|(severity, ..)| *severity == Severity::Hint) => Ok(()),
        None => Err(said()),
    }
}

#[test]
fn examples_compile() {
    let mut all = vec![root().join("README.md")];
    pages(&root().join("book/src"), &mut all);
    pages(&root().join("cli/errors"), &mut all);
    pages(&root().join("stdlib/errors"), &mut all);
    let mut problems = String::new();
    let mut checked = 0;
    for page in all {
        let text = fs::read_to_string(&page).expect("a page can be read");
        let mut files = MemorySources::new();
        let mut is_project = false;
        let blocks = blocks(&text);
        // What sources name may stand further down the page.
        for block in &blocks {
            if let Some(name) = block.option("file").filter(|name| name.starts_with("files/") || name.starts_with("templates/")) {
                files.insert(name, &block.text);
            }
        }
        for block in blocks {
            if let Some(name) = block.option("file") {
                files.insert(name, &block.text);
                is_project |= name == "stead.toml";
            }
            // What counts on files that the page's commands make is held to what they print.
            if block.is("stead") && block.option("check") != Some("console") {
                checked += 1;
                if let Err(said) = check(&block, &files, is_project) {
                    problems.push_str(&format!("{}:{}\n{said}", page.display(), block.line));
                }
            }
        }
    }
    assert!(checked > 10, "the book has examples");
    assert!(problems.is_empty(), "{problems}");
}

/// The blocks of a page that are marked `kind`, as a project.
fn project_of(page: &str, kind: &str) -> Input {
    let mut files = MemorySources::new();
    let mut names = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let text: String = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        let mut words = info.split(' ').skip(1);
        if words.next() == Some(kind) {
            let name = words.next().unwrap_or("site.stead").to_owned();
            files.insert(name.as_str(), &text);
            names.push(name);
        }
    }
    assert!(!names.is_empty(), "the page has an example marked {kind}");
    let schemas = Arc::new(Schemas::new(stead_stdlib::registry().schemas()));
    Input::file(Arc::new(files), schemas, "site.stead")
}

/// A package manager that is offered everything but a name that is often written wrong.
#[derive(Debug)]
struct Offers;

impl PackageLists for Offers {
    fn has(&self, name: &str) -> Option<bool> {
        Some(name != "ngnix")
    }
}

#[test]
fn lints_of_resource_types_keep_the_word_of_their_pages() {
    let mut problems = String::new();
    let mut checked = 0;
    for lint in stead_compiler::lints::LINTS.iter().filter(|lint| lint.stage == stead_compiler::lints::Stage::Node) {
        let page = stead_compiler::codes::explain(lint.code).unwrap_or_default();
        for (kind, expected) in [("fail", vec![lint.code.to_owned()]), ("ok", Vec::new())] {
            let mut found: Vec<String> =
                compile_where(project_of(page, kind), Some(Arc::new(Offers))).into_iter().map(|(_, code, _)| code).collect();
            found.dedup();
            checked += 1;
            if found != expected {
                problems.push_str(&format!("{}: the example marked {kind} gives {found:?}\n", lint.code));
            }
        }
    }
    assert!(checked >= 14, "there are lints of resources");
    assert!(problems.is_empty(), "{problems}");
}
