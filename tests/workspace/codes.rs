//! Every code has a page, and every page shows what gives its code, in a form that a test runs.

use std::collections::BTreeMap;
use std::fs;

use stead_tests::transcript::{Block, blocks};

use super::{root, rust_files};

/// Where the pages are.
const FOLDERS: [&str; 3] = ["compiler/errors", "stdlib/errors", "cli/errors"];

/// The pages of a folder by their code.
fn pages(folder: &str) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for entry in fs::read_dir(root().join(folder)).expect("the folder is there").flatten() {
        let path = entry.path();
        let code = path.file_stem().and_then(|stem| stem.to_str()).expect("a page is named by its code").to_owned();
        pages.insert(code, fs::read_to_string(&path).expect("a page is text"));
    }
    assert!(pages.len() > 50, "there are pages");
    pages
}

/// Says whether a test runs this block and compares what comes of it, the code among it: a transcript (`tests/cli`, `tests/hosts`), or
/// a plan case (`stdlib/tests/cases.rs`).
fn shows(block: &Block, code: &str) -> bool {
    let word = regex::Regex::new(&format!("(^|[^a-z-]){code}($|[^a-z-])")).expect("a code is kebab-case");
    let is_shown = block.text.lines().any(|line| !line.starts_with("$ ") && word.is_match(line));
    is_shown && (block.is("plan") || (block.is("console") && block.option("test").is_none()) || is_held_by_a_test(block, code))
}

/// Says whether the test that the block names includes the page.
fn is_held_by_a_test(block: &Block, code: &str) -> bool {
    let test = block.option("test").and_then(|file| fs::read_to_string(root().join(file)).ok());
    test.is_some_and(|text| text.contains(&format!("/errors/{code}.md\"")))
}

/// The compiler's pages hold an example that fails and the same one mended, which `compiler/tests` compiles, or a transcript.
fn is_example_of_the_compiler(page: &str) -> bool {
    let has = |kind: &str| blocks(page).iter().any(|block| block.info.get(1).is_some_and(|word| word == kind));
    has("fail") && has("ok")
}

/// A code that no test provokes may be one that nothing gives.
#[test]
fn every_code_is_given_in_a_test() {
    let mut missing = Vec::new();
    for folder in FOLDERS {
        for (code, page) in pages(folder) {
            let is_shown = blocks(&page).iter().any(|block| shows(block, &code));
            let is_checked = is_shown || folder == "compiler/errors" && is_example_of_the_compiler(&page);
            if !is_checked {
                missing.push(format!("{folder}/{code}.md"));
            }
        }
    }
    assert!(missing.is_empty(), "these pages have no `console` or `plan` block that gives their code: {missing:#?}");
}

/// `explain` and the book show one page for a code.
#[test]
fn no_code_has_two_pages() {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for folder in FOLDERS {
        for code in pages(folder).into_keys() {
            if let Some(other) = seen.insert(code.clone(), folder) {
                panic!("{code} has a page in {other} and in {folder}");
            }
        }
    }
}

/// Strings in the form of codes that are none: names of tools and of states of units.
const NO_CODES: [&str; 31] = [
    "apt-config",
    "apt-get",
    "auto-restart",
    "availability-zone",
    "cloud-name",
    "content-length",
    "content-range",
    "content-type",
    "deb-systemd-helper",
    "deb-systemd-invoke",
    "dpkg-deb",
    "dpkg-divert",
    "dpkg-statoverride",
    "find-principals",
    "instance-id",
    "last-modified",
    "locale-archive",
    "package-index",
    "packed-refs",
    "private-token",
    "reload-or-restart",
    "rev-parse",
    "site-packages",
    "ssh-keygen",
    "systemd-jobs",
    "systemd-sysusers",
    "systemd-tmpfiles",
    "tzdata-legacy",
    "update-alternatives",
    "user-agent",
    "x-github-api-version",
];

/// Every code that a machine or the command line can come up with has a page that `stead explain` shows.
#[test]
fn every_code_has_a_page() {
    let code = regex::Regex::new(
        r#"(?:code: |(?:impossible|problem|fail|failure|skipped|warning_line)?\(\s*|=> )"([a-z]+(?:-[a-z]+)+)""#,
    )
    .expect("a regex");
    let mut missing = Vec::new();
    for crate_name in ["engine", "stdlib", "cli"] {
        for file in rust_files(&root().join(crate_name).join("src")) {
            let is_test = file.components().any(|part| {
                let name = part.as_os_str().to_string_lossy();
                name == "tests" || name == "tests.rs" || name.ends_with("_tests.rs")
            });
            let text = fs::read_to_string(&file).expect("a source file");
            let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            for found in code.captures_iter(if is_test { "" } else { text }) {
                let code = &found[1];
                let page = |folder: &str| root().join(folder).join(format!("{code}.md")).is_file();
                if !NO_CODES.contains(&code) && !FOLDERS.into_iter().any(page) {
                    missing.push(format!("{code} ({})", file.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "codes without a page in stdlib/errors or cli/errors: {missing:#?}");
}
