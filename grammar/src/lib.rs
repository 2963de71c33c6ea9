//! Text to syntax tree with spans, the formatter, and what editors need to know about the language.
//!
//! The language is defined by `stead.pest`. [`parse`] always returns a tree, with holes where it recovered from mistakes;
//! it never panics and never overflows the stack. Nothing here knows what a name means: that is the compiler's.
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod ast;
mod build;
mod dump;
mod error;
mod format;
mod keywords;
mod line_index;
mod parse;
mod recover;
mod syntax;

pub use dump::dump;
pub use error::{CODES, SyntaxError};
pub use format::format;
#[doc(hidden)]
pub use format::print_unchecked;
pub use keywords::{is_keyword, keywords};
pub use line_index::{LineIndex, Position};
pub use parse::{Comment, Parsed, parse, parse_all};

/// The longest path through a tree, in nodes. Deeper sources are refused with `nesting-too-deep`.
pub const MAX_DEPTH: usize = 200;
