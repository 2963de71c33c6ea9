//! The page of every diagnostic code.
//!
//! A page says what the code means, shows an example that gives it and the same example mended. It is what
//! `stead explain CODE` prints, a chapter of the book, and a test.

macro_rules! pages {
    ($($code:literal,)*) => {
        &[$(($code, include_str!(concat!("../errors/", $code, ".md"))),)*]
    };
}

/// Every code with its page, in alphabetical order.
const PAGES: &[(&str, &str)] = pages![
    "allow-without-reason",
    "ambiguous-scalar",
    "arithmetic-overflow",
    "arrow-after-body",
    "bad-escape",
    "bad-index",
    "bad-interpolation",
    "bad-lambda",
    "bad-mode",
    "bad-name",
    "bad-number",
    "bad-refinement",
    "chained-operators",
    "conflicting-attributes",
    "conflicting-resources",
    "constant-condition",
    "damaged-secret",
    "data-not-a-map",
    "data-too-large",
    "decimal-mode",
    "dependency-cycle",
    "deprecated-attribute",
    "deprecated-name",
    "deprecated-type",
    "division-by-zero",
    "duplicate-argument",
    "duplicate-attribute",
    "duplicate-data-file",
    "duplicate-data-key",
    "duplicate-definition",
    "duplicate-field",
    "empty-block",
    "empty-enum",
    "evaluation-too-large",
    "expected-equals",
    "explicit-failure",
    "facts-of-many",
    "file-too-large",
    "group-cycle",
    "hidden-character",
    "idle-exec",
    "incomplete-statement",
    "index-out-of-range",
    "invalid-argument",
    "invalid-data-key",
    "invalid-glob",
    "invalid-operands",
    "invalid-pattern",
    "invalid-refinement",
    "invalid-regex",
    "invalid-setting",
    "invalid-target",
    "invalid-utf8",
    "invalid-value",
    "inventory-needs-node",
    "key-attribute",
    "keyword-as-name",
    "locked-condition",
    "locked-secret",
    "mismatched-delimiter",
    "misplaced-else",
    "misplaced-item",
    "misplaced-lambda",
    "misplaced-state-call",
    "misplaced-statement",
    "missing-argument",
    "missing-attribute",
    "missing-data",
    "missing-delimiter",
    "missing-dependency",
    "missing-else",
    "missing-fact",
    "missing-field",
    "missing-file",
    "missing-key",
    "missing-let",
    "missing-name",
    "missing-separator",
    "missing-type",
    "missing-value",
    "module-cycle",
    "needless-attribute",
    "needless-comparison",
    "needless-default",
    "needless-shell",
    "nesting-too-deep",
    "no-identity",
    "no-target",
    "non-exhaustive-match",
    "not-a-value",
    "not-callable",
    "not-constant",
    "not-indexable",
    "not-iterable",
    "not-text",
    "number-out-of-range",
    "number-too-large",
    "optional-value",
    "out-of-range",
    "quoted-mode",
    "readable-secret",
    "recursive-definition",
    "result-too-large",
    "secret-argument",
    "secret-command-failed",
    "secret-exposed",
    "service-not-enabled",
    "several-documents",
    "shadowed-name",
    "single-quoted-string",
    "slash-comment",
    "statement-in-body",
    "syntax-error",
    "template-failed",
    "template-not-found",
    "template-syntax-error",
    "template-too-large",
    "too-many-arguments",
    "type-arguments",
    "type-mismatch",
    "unbrought-unit",
    "unclosed-delimiter",
    "undefined-template-variable",
    "unexpected-character",
    "unexpected-regex",
    "unexpected-token",
    "unguarded-exec",
    "unknown-argument",
    "unknown-attribute",
    "unknown-fact",
    "unknown-field",
    "unknown-host",
    "unknown-lint",
    "unknown-member",
    "unknown-method",
    "unknown-name",
    "unknown-resource-type",
    "unknown-secret",
    "unknown-setting",
    "unknown-state",
    "unknown-target",
    "unknown-template-filter",
    "unknown-template-function",
    "unknown-template-test",
    "unknown-type",
    "unknown-unit",
    "unknown-yaml-tag",
    "unmatched-delimiter",
    "unmatched-pattern",
    "unoffered-package",
    "unordered-overlap",
    "unreachable-arm",
    "unreachable-data",
    "unread-variable",
    "unread-vault",
    "unreadable-file",
    "unresolved-import",
    "unresolved-reference",
    "unsupported-secret",
    "unterminated-string",
    "unused-allow",
    "unused-definition",
    "unused-import",
    "unused-parameter",
    "unused-template-variable",
    "unused-value",
    "unused-variable",
    "withheld-inventory",
    "world-writable",
];

/// Returns the page of `code` in Markdown.
pub fn explain(code: &str) -> Option<&'static str> {
    PAGES.binary_search_by_key(&code, |(name, _)| name).ok().map(|at| PAGES[at].1)
}

/// Returns a page as it is read: without the blocks marked `hidden`, which set the stage for its example in a test.
pub fn for_readers(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let mut marks = line.strip_prefix("```").unwrap_or_default().split(',').skip(1);
        if marks.any(|mark| mark == "hidden") {
            // The empty line below goes with it.
            let _ = lines.by_ref().find(|line| *line == "```");
            let _ = lines.next();
            continue;
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Returns every code, in alphabetical order.
pub fn all_codes() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|(code, _)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sets_the_stage_is_not_read() {
        let page = "# x\n\na\n\n```console,hidden\n$ b\n```\n\n```console\n$ c\n```\n";
        assert_eq!(for_readers(page), "# x\n\na\n\n```console\n$ c\n```\n");
    }
}
