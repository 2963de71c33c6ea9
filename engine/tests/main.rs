//! The engine against a real machine, in directories of its own and with resource types of its own.

#[path = "it/support.rs"]
mod support;

#[path = "it/apply.rs"]
mod apply;
#[path = "it/files.rs"]
mod files;
#[path = "it/journal.rs"]
mod journal;
#[path = "it/kill.rs"]
mod kill;
#[path = "it/laws.rs"]
mod laws;
#[path = "it/reactions.rs"]
mod reactions;
#[path = "it/saved.rs"]
mod saved;
#[path = "it/tree.rs"]
mod tree;
#[path = "it/undo.rs"]
mod undo;

/// A test file that nobody names above would never run.
#[test]
fn no_test_file_is_forgotten() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let source = include_str!("main.rs");
    for entry in std::fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(source.contains(&format!("it/{name}\"")), "tests/it/{name} is not in main.rs");
    }
}
