//! The language server from outside: driven through every feature by a client that is not ours, and held to `stead check` over random edits.
//!
//! The client is pygls, which tests/setup puts into a directory of its own. STEAD_TEST_EDITORS=off leaves these tests out.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Rounds of random edits where nothing else is asked for.
const EDITS: &str = "150";

fn is_off() -> bool {
    std::env::var("STEAD_TEST_EDITORS").is_ok_and(|value| ["off", "0", "no"].contains(&&*value))
}

fn drive(arguments: &[&str]) {
    if is_off() {
        return;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let stead = std::env::var_os("STEAD_BIN").map_or_else(|| here.join("../target/debug/stead"), PathBuf::from);
    let client =
        std::env::var_os("STEAD_TEST_CLIENT").map_or_else(|| PathBuf::from("/var/cache/stead-tests/lsp-client"), PathBuf::from);
    let python = client.join("bin/python");
    assert!(python.is_file(), "there is no {}: run tests/setup, or set STEAD_TEST_EDITORS=off", python.display());
    assert!(stead.is_file(), "there is no {}: build it, or set STEAD_BIN", stead.display());
    let output =
        Command::new(python).arg(here.join("lsp/features.py")).arg(stead).args(arguments).output().expect("the client starts");
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_feature_answers() {
    drive(&[]);
}

/// STEAD_TEST_EDITS says how many, STEAD_TEST_SEED which.
#[test]
fn diagnostics_are_those_of_a_check() {
    let rounds = std::env::var("STEAD_TEST_EDITS").unwrap_or_else(|_| EDITS.to_owned());
    drive(&["edits", &rounds]);
}
