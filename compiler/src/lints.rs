//! What is told though it keeps no catalog from being made: every lint, and how bad it is where a project says nothing else.
//!
//! The table `[lints]` of `stead.toml` sets another severity; `# stead: allow(CODE) reason` silences one line (`allow`).

pub(crate) mod allow;
pub(crate) mod code;
pub(crate) mod deprecated;
pub(crate) mod packages;
pub(crate) mod units;

use crate::config::LintLevel;

pub use packages::PackageLists;

/// When it is known whether a lint has something to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Whatever the node: when the project is loaded.
    Load,
    /// For each node, from its resources.
    Node,
}

/// One lint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lint {
    /// Its code, which has a page.
    pub code: &'static str,
    /// How bad it is where the project says nothing else.
    pub level: LintLevel,
    /// When it speaks.
    pub stage: Stage,
}

const fn lint(code: &'static str, level: LintLevel, stage: Stage) -> Lint {
    Lint { code, level, stage }
}

/// Every lint, in alphabetical order.
pub const LINTS: &[Lint] = &[
    lint("allow-without-reason", LintLevel::Warning, Stage::Load),
    lint("ambiguous-scalar", LintLevel::Warning, Stage::Load),
    lint("constant-condition", LintLevel::Warning, Stage::Load),
    lint("deprecated-attribute", LintLevel::Warning, Stage::Load),
    lint("deprecated-name", LintLevel::Warning, Stage::Load),
    lint("deprecated-type", LintLevel::Warning, Stage::Load),
    lint("empty-block", LintLevel::Warning, Stage::Load),
    lint("idle-exec", LintLevel::Warning, Stage::Node),
    lint("needless-attribute", LintLevel::Off, Stage::Load),
    lint("needless-comparison", LintLevel::Warning, Stage::Load),
    lint("needless-default", LintLevel::Warning, Stage::Load),
    lint("needless-shell", LintLevel::Hint, Stage::Node),
    lint("readable-secret", LintLevel::Warning, Stage::Node),
    lint("secret-argument", LintLevel::Warning, Stage::Node),
    lint("service-not-enabled", LintLevel::Hint, Stage::Node),
    lint("shadowed-name", LintLevel::Hint, Stage::Load),
    lint("unbrought-unit", LintLevel::Warning, Stage::Node),
    lint("unguarded-exec", LintLevel::Hint, Stage::Node),
    lint("unmatched-pattern", LintLevel::Warning, Stage::Load),
    lint("unoffered-package", LintLevel::Warning, Stage::Node),
    lint("unordered-overlap", LintLevel::Warning, Stage::Node),
    lint("unreachable-arm", LintLevel::Warning, Stage::Load),
    lint("unreachable-data", LintLevel::Warning, Stage::Load),
    lint("unread-variable", LintLevel::Warning, Stage::Load),
    lint("unread-vault", LintLevel::Warning, Stage::Load),
    lint("unused-allow", LintLevel::Warning, Stage::Load),
    lint("unused-definition", LintLevel::Warning, Stage::Load),
    lint("unused-import", LintLevel::Warning, Stage::Load),
    lint("unused-parameter", LintLevel::Warning, Stage::Load),
    lint("unused-template-variable", LintLevel::Warning, Stage::Load),
    lint("unused-variable", LintLevel::Warning, Stage::Load),
    lint("world-writable", LintLevel::Warning, Stage::Node),
];

/// Returns the lint of a code.
pub fn get(code: &str) -> Option<&'static Lint> {
    LINTS.binary_search_by_key(&code, |lint| lint.code).ok().map(|at| &LINTS[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lint_is_found_and_has_a_page() {
        assert!(LINTS.is_sorted_by_key(|lint| lint.code));
        for lint in LINTS {
            assert_eq!(get(lint.code), Some(lint));
            assert!(crate::codes::explain(lint.code).is_some(), "{}", lint.code);
        }
        assert_eq!(get("unknown-attribute"), None);
    }
}
