//! Pages of codes that only a machine of its own can show: a package manager, an init system, accounts. The transcripts of each are run
//! on a host, in a directory that was empty.

use std::path::{Path, PathBuf};

use stead_tests::host::Host;
use stead_tests::transcript::{OnHost, run_page_at, wanted_host};

/// The pages that want a host of this kind. `PAGES` in the environment takes those with the word in their names.
fn pages(kind: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let only = std::env::var("PAGES").unwrap_or_default();
    let mut pages: Vec<PathBuf> = ["compiler/errors", "stdlib/errors", "cli/errors"]
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("the folder is there"))
        .map(|entry| entry.expect("a page").path())
        .filter(|path| path.to_string_lossy().contains(&only))
        .filter(|path| wanted_host(&std::fs::read_to_string(path).expect("a page is text")).as_deref() == Some(kind))
        .collect();
    pages.sort();
    pages
}

fn check(host: &Host, kind: &str) {
    let pages = pages(kind);
    assert!(!pages.is_empty() || std::env::var_os("PAGES").is_some(), "there are pages");
    let problems: Vec<String> = pages.iter().filter_map(|page| run_page_at(page, &OnHost::new(host)).err()).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn codes_of_a_machine_are_given_as_their_pages_say() {
    let Some(host) = Host::boot() else { return };
    check(&host, "");
}

#[test]
fn codes_of_tools_are_given_as_their_pages_say() {
    let Some(host) = Host::boot_with_tools() else { return };
    check(&host, "tools");
}
