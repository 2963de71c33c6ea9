//! The workspace's own rules, held by a tool: who may know whom, and what the pure crates may not do.

mod codes;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Each crate with the crates of the workspace it may depend on (development dependencies aside).
const ARROWS: &[(&str, &[&str])] = &[
    ("stead-grammar", &[]),
    ("stead-catalog", &[]),
    ("stead-compiler", &["stead-grammar", "stead-catalog"]),
    ("stead-engine", &["stead-catalog"]),
    ("stead-stdlib-macros", &[]),
    ("stead-stdlib", &["stead-catalog", "stead-engine", "stead-stdlib-macros"]),
    ("stead-report", &["stead-catalog"]),
    ("stead-lsp", &["stead-grammar", "stead-catalog", "stead-compiler", "stead-report"]),
    ("stead", &["stead-grammar", "stead-catalog", "stead-compiler", "stead-engine", "stead-stdlib", "stead-report", "stead-lsp"]),
    ("stead-tests", &[]),
    ("tree-sitter-stead", &[]),
    ("stead-benches", &["stead-catalog", "stead-compiler", "stead-engine", "stead-stdlib"]),
    ("xtask", &["stead-catalog", "stead-compiler", "stead-stdlib", "stead-report"]),
];

/// Crates without clock, environment, files, network or processes.
const PURE: [&str; 4] = ["grammar", "catalog", "compiler", "report"];

/// Packages that must not be below a pure crate: they would let it do what the lint forbids.
const IMPURE_PACKAGES: [&str; 8] = ["tokio", "async-io", "rustix", "zbus", "rusqlite", "signal-hook", "indicatif", "tempfile"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

#[test]
fn arrows_run_one_way() {
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata");
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let members: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let allowed = allowed.get(name).unwrap_or_else(|| panic!("{name} is new: say in ARROWS what it may know"));
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development) {
            let to = dependency.name.as_str();
            assert!(!members.contains(&to) || allowed.contains(&to), "{name} must not depend on {to}");
            let is_pure = PURE.iter().any(|pure| name == format!("stead-{pure}"));
            assert!(!is_pure || !IMPURE_PACKAGES.contains(&to), "{name} is pure and must not depend on {to}");
        }
    }
}

#[test]
fn pure_crates_switch_the_lint_on() {
    for name in PURE {
        let lib = fs::read_to_string(root().join(name).join("src/lib.rs")).expect("a crate has a lib.rs");
        assert!(
            lib.contains("warn(clippy::disallowed_methods)"),
            "{name}/src/lib.rs does not switch clippy::disallowed_methods on"
        );
        for file in rust_files(&root().join(name).join("src")) {
            let text = fs::read_to_string(&file).expect("a source file");
            assert!(!text.contains("allow(clippy::disallowed_methods"), "{} switches the lint off", file.display());
        }
    }
}

/// `(file, why)` of what is missing.
#[test]
fn every_module_says_what_it_is_for() {
    let mut missing = Vec::new();
    for name in ["grammar", "catalog", "compiler", "engine", "stdlib", "report", "lsp", "cli", "benches", "xtask"] {
        for file in rust_files(&root().join(name).join("src")) {
            let text = fs::read_to_string(&file).expect("a source file");
            let is_test = file.file_stem().is_some_and(|stem| stem == "tests" || stem.to_string_lossy().ends_with("_tests"));
            if !is_test && !text.starts_with("//!") {
                missing.push(file);
            }
        }
    }
    assert!(missing.is_empty(), "these modules do not open with `//!`: {missing:?}");
}

fn rust_files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
