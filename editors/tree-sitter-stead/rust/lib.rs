//! The tree-sitter grammar of the Stead language, for programs written in Rust.
//!
//! Editors use `src/parser.c`, `src/scanner.c` and the queries themselves.

use tree_sitter_language::LanguageFn;

#[expect(unsafe_code, reason = "the parser is C")]
// SAFETY: `src/parser.c` defines it so.
unsafe extern "C" {
    fn tree_sitter_stead() -> *const ();
}

/// The language, to be given to a parser.
#[expect(unsafe_code, reason = "the parser is C")]
// SAFETY: the function is the one of a parser that tree-sitter generated.
pub const LANGUAGE: LanguageFn = unsafe { LanguageFn::from_raw(tree_sitter_stead) };

/// What has which colour.
pub const HIGHLIGHTS_QUERY: &str = include_str!("../queries/highlights.scm");

/// Where other languages stand.
pub const INJECTIONS_QUERY: &str = include_str!("../queries/injections.scm");

/// What can be folded.
pub const FOLDS_QUERY: &str = include_str!("../queries/folds.scm");

/// Which names are defined and used where.
pub const LOCALS_QUERY: &str = include_str!("../queries/locals.scm");
