//! The command line, as transcripts: every page beside this file, the README and every page of the book.

use std::path::{Path, PathBuf};

use stead_tests::host::stead_binary;
use stead_tests::transcript::run_page;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

fn pages(directory: &Path) -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            pages.extend(self::pages(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    pages
}

fn check(pages: &[PathBuf]) {
    assert!(!pages.is_empty(), "there are pages");
    let stead = stead_binary();
    let problems: Vec<String> = pages.iter().filter_map(|page| run_page(page, stead).err()).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn transcripts() {
    check(&pages(&root().join("tests/cli")));
}

#[test]
fn the_readme() {
    check(&[root().join("README.md")]);
}

#[test]
fn the_book() {
    check(&pages(&root().join("book/src")));
}
