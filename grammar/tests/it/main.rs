//! Tests of the grammar: samples, mistakes, half-typed lines, laws.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod deep;
mod laws;
mod mistakes;
mod samples;
mod tree;

/// Every file of this folder is a module of this binary.
#[test]
fn no_test_file_is_forgotten() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let main = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.strip_suffix(".rs").unwrap();
        assert!(module == "main" || main.contains(&format!("mod {module};")), "`{name}` is not part of the tests");
    }
}
