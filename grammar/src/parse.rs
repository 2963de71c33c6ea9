//! From text to tree: the whole file at once where it has no mistakes, piece by piece where it has.

use rayon::prelude::*;

use crate::ast::{File, Item, Span};
use crate::build::Builder;
use crate::error::SyntaxError;
use crate::recover::Recovery;
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
    let (items, comments) = match builder.parse(Rule::file, whole, Builder::file) {
        Ok((items, _)) => (items, comments(source, &builder.opaque)),
        Err(_) => {
            let mut recovery = Recovery::new(source, &mut builder);
            let items = recovery.file();
            let comments = recovery.comments().into_iter().map(|span| comment(source, span)).collect();
            (items, comments)
        }
    };
    let mut errors = builder.errors;
    errors.iter_mut().for_each(SyntaxError::complete);
    hidden_characters(source, &mut errors);
    one_depth_error_per_item(&items, &mut errors);
    errors.sort_by_key(|error| (error.span.start, error.span.end));
    Parsed { file: File { items, span: whole }, errors, comments }
}

/// Keeps the first of the errors about depth in each item: the rest of them are the same mistake.
fn one_depth_error_per_item(items: &[Item], errors: &mut Vec<SyntaxError>) {
    let mut last = None;
    errors.retain(|error| {
        if error.code != "nesting-too-deep" {
            return true;
        }
        let item = items.partition_point(|item| item.span().end <= error.span.start);
        last.replace(item) != Some(item)
    });
}

/// Reports characters that a reader cannot see, at most one per line: control characters, and those that turn the direction of text.
fn hidden_characters(source: &str, errors: &mut Vec<SyntaxError>) {
    let bytes = source.as_bytes();
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| is_suspicious(*byte)).map(|at| from + at) {
        from = at + 1;
        let Some(c) = source.get(at..).and_then(|rest| rest.chars().next()) else { continue };
        let message = match c {
            '\t' | '\n' => continue,
            '\r' if bytes.get(at + 1) == Some(&b'\n') => continue,
            '\r' => "a carriage return without a newline".to_owned(),
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
                format!("the invisible character U+{:04X} changes the order in which this line is shown", u32::from(c))
            }
            '\u{FEFF}' if at > 0 => "a byte order mark inside the file".to_owned(),
            c if c.is_ascii() => format!("the control character U+{:04X}", u32::from(c)),
            _ => continue,
        };
        let span = Span::new(at as u32, (at + c.len_utf8()) as u32);
        errors.retain(|error| error.span != span);
        let error = SyntaxError::new("hidden-character", span, message);
        errors.push(error.with_hint(format!("remove it; inside a string write it as `\\u{{{:X}}}`", u32::from(c))));
        from = source[at..].find('\n').map_or(source.len(), |length| at + length);
    }
}

/// Tells whether a byte is a control character, or starts one of the characters that are looked for.
fn is_suspicious(byte: u8) -> bool {
    byte < 0x20 && byte != b'\n' || byte == 0x7F || byte == 0xE2 || byte == 0xEF
}

fn comment(source: &str, span: Span) -> Comment {
    Comment { span, is_doc: span.text(source).starts_with("##") }
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
        comments.push(comment(source, Span::new(at as u32, (at + line.len()) as u32)));
        from = at + line.len();
    }
    comments
}
