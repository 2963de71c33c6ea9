//! The page of every code that a failure on a machine has: what `stead explain CODE` prints. Mistakes in the source are the compiler's.

macro_rules! pages {
    ($($code:literal,)*) => {
        &[$(($code, include_str!(concat!("../errors/", $code, ".md"))),)*]
    };
}

/// Every code with its page, in alphabetical order.
const PAGES: &[(&str, &str)] = pages![
    "accounts-locked",
    "ambiguous-match",
    "apply-running",
    "archive-too-large",
    "audit-unavailable",
    "built-in-module",
    "cancelled",
    "catalog-mismatch",
    "command-failed",
    "content-not-kept",
    "damaged-archive",
    "dependency-failed",
    "directory-not-empty",
    "disk-full",
    "drift-fought",
    "edit-refused",
    "edit-too-large",
    "externally-managed",
    "fetch-failed",
    "foreign-architecture",
    "foreign-environment",
    "foreign-repository",
    "gid-in-use",
    "git-failed",
    "group-in-use",
    "guard-failed",
    "hard-linked",
    "held",
    "home-failed",
    "invalid-group",
    "invalid-unit",
    "invalid-user",
    "journal-failed",
    "journal-moved-aside",
    "journal-too-new",
    "local-changes",
    "machine-changed",
    "malformed-file",
    "missing-directory",
    "missing-interpreter",
    "missing-mount-point",
    "missing-parent",
    "missing-source",
    "missing-unit",
    "mount-point",
    "no-answer",
    "no-cron",
    "no-home",
    "no-matching-line",
    "no-password",
    "no-such-file",
    "no-such-run",
    "no-swap-file",
    "no-systemd",
    "not-a-package",
    "not-a-plan",
    "not-converged",
    "not-healthy",
    "other-root",
    "overridden-setting",
    "package-conflict",
    "package-downgrade",
    "package-held",
    "packages-locked",
    "permission-denied",
    "pip-failed",
    "plan-damaged",
    "plan-file-unusable",
    "plan-outdated",
    "plan-too-new",
    "plan-used",
    "read-failed",
    "read-only-file-system",
    "read-only-setting",
    "repository-unusable",
    "run-interrupted",
    "service-failed",
    "service-unavailable",
    "state-unusable",
    "temporary-left",
    "timed-out",
    "uid-in-use",
    "undeclared-write",
    "unfit-for-swap",
    "unit-does-not-stay",
    "unit-failed",
    "unit-masked",
    "unit-not-maskable",
    "unit-static",
    "units-unheard",
    "unknown-alternative",
    "unknown-device",
    "unknown-group",
    "unknown-kernel-setting",
    "unknown-locale",
    "unknown-module",
    "unknown-package",
    "unknown-release",
    "unknown-shell",
    "unknown-timezone",
    "unknown-user",
    "unknown-version",
    "unlisted-checksum",
    "unsafe-archive",
    "unsupported-attribute",
    "untrusted-symlink",
    "user-logged-in",
    "validation-failed",
    "venv-failed",
    "watch-incomplete",
    "watch-overflow",
    "watch-refused",
    "write-failed",
    "wrong-checksum",
    "wrong-key",
    "wrong-kind",
    "wrong-package",
    "wrong-shape",
];

/// Returns the page of a code.
pub fn explain(code: &str) -> Option<&'static str> {
    PAGES.binary_search_by_key(&code, |(known, _)| known).ok().map(|at| PAGES[at].1)
}

/// Iterates over all codes, in alphabetical order.
pub fn all_codes() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|(code, _)| *code)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Codes of mistakes and lints that a resource type finds in its attributes: the compiler has their pages.
    const OF_THE_COMPILER: [&str; 10] = [
        "conflicting-attributes",
        "idle-exec",
        "invalid-value",
        "missing-attribute",
        "needless-shell",
        "readable-secret",
        "secret-argument",
        "service-not-enabled",
        "unguarded-exec",
        "world-writable",
    ];

    #[test]
    fn every_page_is_listed_in_order_and_names_its_code() {
        let mut files: Vec<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/errors"))
            .expect("the folder is there")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        files.sort();
        assert_eq!(files, all_codes().map(|code| format!("{code}.md")).collect::<Vec<_>>());
        for code in all_codes() {
            let page = explain(code).expect("the list is in order");
            assert!(page.starts_with(&format!("# {code}\n\n")), "{code}");
        }
    }

    #[test]
    fn every_code_of_a_failure_has_a_page() {
        let mut codes = BTreeSet::new();
        for folder in ["/src", "/../engine/src"] {
            scan(&Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder[1..]), &mut codes);
        }
        assert!(codes.contains("missing-parent") && codes.contains("permission-denied"), "{codes:?}");
        // What goes wrong on the way to other machines is the command line's to explain.
        let is_of_cli = |code: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../cli/errors/{code}.md")).is_file();
        let is_elsewhere = |code: &str| OF_THE_COMPILER.contains(&code) || is_of_cli(code);
        let missing: Vec<_> = codes.iter().filter(|code| explain(code).is_none() && !is_elsewhere(code)).collect();
        assert!(missing.is_empty(), "write errors/CODE.md and list it above: {missing:?}");
    }

    /// Finds the literals that stand where a code does.
    fn scan(folder: &Path, codes: &mut BTreeSet<String>) {
        let pattern = r#"(?:\bcode: |\bcode = |\b(?:impossible|fail|skipped|problem)\(\s*|=> )"([a-z]+(?:-[a-z]+)+)""#;
        let pattern = regex::Regex::new(pattern).expect("the pattern is well formed");
        for entry in std::fs::read_dir(folder).expect("the folder is there").flatten() {
            let path = entry.path();
            if path.is_dir() {
                scan(&path, codes);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let is_failure = |name: &str| path.ends_with(name);
                let names_codes_only = is_failure("failure.rs") || is_failure("apply.rs") || is_failure("saved.rs");
                for found in pattern.captures_iter(&text) {
                    let is_arm = found[0].starts_with("=>");
                    if !is_arm || names_codes_only {
                        codes.insert(found[1].to_owned());
                    }
                }
            }
        }
    }
}
