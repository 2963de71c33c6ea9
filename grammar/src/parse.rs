//! From text to tree: the whole file at once where it has no mistakes, piece by piece where it has.

use rayon::prelude::*;

use crate::ast::{File, Item, Span};
use crate::build::Builder;
use crate::error::SyntaxError;
use crate::syntax::Rule;

/// What [`parse`] returns.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The tree; complete where there are no errors.
    pub file: File,
    /// The mistakes, in the order of the source.
    pub errors: Vec<SyntaxError>,
    /// Every comment, in the order of the source.
    pub comments: Vec<Comment>,
}

/// A comment, from its `#` to before the end of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Where it stands.
    pub span: Span,
    /// Whether it starts with `##`: documentation of what follows.
    pub is_doc: bool,
}

/// Parses a file. Always returns a tree.
pub fn parse(source: &str) -> Parsed {
    let Ok(length) = u32::try_from(source.len()) else {
        let error = SyntaxError::new("file-too-large", Span::default(), "a file is at most 4 GiB");
        return Parsed { file: File { items: Vec::new(), span: Span::default() }, errors: vec![error], comments: Vec::new() };
    };
    let whole = Span::new(0, length);
    let mut builder = Builder::new(source);
    let items: Vec<Item> = match builder.parse(Rule::file, whole, Builder::file) {
        Ok((items, _)) => items,
        Err(failure) => {
            let span = Span::at(failure.offset);
            builder.errors.push(SyntaxError::new("unexpected-token", span, "this is not understood"));
            vec![Item::Error(whole)]
        }
    };
    let comments = comments(source, &builder.opaque);
    Parsed { file: File { items, span: whole }, errors: builder.errors, comments }
}

/// Parses files in parallel; the results are in the order of the sources.
pub fn parse_all<S: AsRef<str> + Sync>(sources: &[S]) -> Vec<Parsed> {
    sources.par_iter().map(|source| parse(source.as_ref())).collect()
}

/// Finds the comments: from each `#` that does not stand in a literal to the end of its line.
fn comments(source: &str, opaque: &[Span]) -> Vec<Comment> {
    let mut comments = Vec::new();
    let mut literals = opaque.iter().peekable();
    let mut from = 0;
    while let Some(at) = source[from..].find('#').map(|at| from + at) {
        while literals.next_if(|span| span.end as usize <= at).is_some() {}
        if let Some(literal) = literals.peek()
            && (literal.start as usize) <= at
        {
            from = literal.end as usize;
            continue;
        }
        let line = &source[at..];
        let line = line.split_once('\n').map_or(line, |(line, _)| line).trim_end_matches('\r');
        comments.push(Comment { span: Span::new(at as u32, (at + line.len()) as u32), is_doc: line.starts_with("##") });
        from = at + line.len();
    }
    comments
}
