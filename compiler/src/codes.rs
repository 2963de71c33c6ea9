//! The page of every diagnostic code.
//!
//! A page says what the code means, shows an example that gives it and the same example mended. It is what
//! `stead explain CODE` prints, a chapter of the book, and a test.

/// Every code with its page, in alphabetical order.
const PAGES: &[(&str, &str)] = &[];

/// Returns the page of `code` in Markdown.
pub fn explain(code: &str) -> Option<&'static str> {
    PAGES.binary_search_by_key(&code, |(name, _)| name).ok().map(|at| PAGES[at].1)
}

/// Returns every code, in alphabetical order.
pub fn all_codes() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|(code, _)| *code)
}
