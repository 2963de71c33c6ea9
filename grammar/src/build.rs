//! From the pairs that pest matched to the tree.
//!
//! The grammar is loose about words, numbers and escapes, so this is also where a good part of the mistakes is told:
//! those that leave the shape of the source clear.

mod access;
mod expr;
mod item;
mod number;
mod stmt;
mod strings;
mod types;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use pest::Parser as _;
use pest::iterators::{Pair, Pairs};

use crate::MAX_DEPTH;
use crate::ast::{Doc, Ident, MaybeDoc, Span};
use crate::error::SyntaxError;
use crate::keywords::is_keyword;
use crate::syntax::{Rule, SteadParser};

pub(crate) type Node<'s> = Pair<'s, Rule>;
pub(crate) use expr::hole;
pub(crate) use types::FieldsOf;

pub(crate) type Nodes<'s> = Pairs<'s, Rule>;

/// Makes the tree of one file, from one match of the whole or from matches of pieces of it.
pub(crate) struct Builder<'s> {
    source: &'s str,
    /// Where the text that pest was given begins in the source.
    base: usize,
    /// How many nodes lie above the one that is being built.
    depth: usize,
    pub(crate) errors: Vec<SyntaxError>,
    /// Literals in which a `#` is no comment, in the order of the source.
    pub(crate) opaque: Vec<Span>,
    names: HashMap<&'s str, Arc<str>, BuildHasherDefault<NameHasher>>,
}

impl<'s> Builder<'s> {
    pub(crate) fn new(source: &'s str) -> Builder<'s> {
        Builder { source, base: 0, depth: 0, errors: Vec::new(), opaque: Vec::new(), names: HashMap::default() }
    }

    /// Matches `rule` at the start of `range`, which need not be used up, and hands what matched to `build`
    /// together with the offset behind it. When it does not match, returns what was expected where.
    pub(crate) fn parse<T>(
        &mut self,
        rule: Rule,
        range: Span,
        build: impl FnOnce(&mut Builder<'s>, Node<'s>) -> T,
    ) -> Result<(T, u32), Failure> {
        let text = self.source.get(range.range()).unwrap_or("");
        match SteadParser::parse(rule, text) {
            Ok(mut nodes) => {
                let Some(node) = nodes.next() else { return Err(Failure { offset: range.start, deep: false }) };
                self.base = range.start as usize;
                let end = self.span(&node).end;
                let tree = build(self, node);
                Ok((tree, end))
            }
            Err(error) => {
                let offset = match error.location {
                    pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _)) => at,
                };
                // pest refuses to go on when little of the native stack is left.
                let deep = matches!(error.variant, pest::error::ErrorVariant::CustomError { .. });
                Err(Failure { offset: range.start + offset as u32, deep })
            }
        }
    }

    /// Sets how many nodes lie above what is built next.
    pub(crate) fn set_depth(&mut self, depth: usize) {
        self.depth = depth;
    }

    fn span(&self, node: &Node<'s>) -> Span {
        let span = node.as_span();
        Span::new((self.base + span.start()) as u32, (self.base + span.end()) as u32)
    }

    fn intern(&mut self, text: &'s str) -> Arc<str> {
        if let Some(name) = self.names.get(text) {
            return Arc::clone(name);
        }
        let name: Arc<str> = Arc::from(text);
        self.names.insert(text, Arc::clone(&name));
        name
    }

    /// Builds a name that may be a keyword: an attribute, a field, a key.
    fn label(&mut self, node: &Node<'s>) -> Ident {
        Ident { name: self.intern(node.as_str()), span: self.span(node) }
    }

    /// Builds a name that is bound or referred to, so that it cannot be a keyword.
    fn ident(&mut self, node: &Node<'s>) -> Ident {
        let ident = self.label(node);
        if is_keyword(&ident.name) {
            self.keyword_as_name(&ident);
        }
        ident
    }

    pub(crate) fn keyword_as_name(&mut self, ident: &Ident) {
        self.errors.push(
            SyntaxError::new("keyword-as-name", ident.span, format!("`{}` is a keyword and cannot be a name here", ident.name))
                .with_hint(format!("choose another name, such as `{}_`", ident.name))
                .with_replacement(ident.span, format!("{}_", ident.name)),
        );
    }

    /// Runs `build` one level further down, unless that is too deep.
    fn deeper<T>(&mut self, levels: usize, span: Span, build: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth + levels > MAX_DEPTH {
            self.errors.push(too_deep(span));
            return None;
        }
        self.depth += levels;
        let tree = build(self);
        self.depth -= levels;
        Some(tree)
    }

    /// Returns the documentation above what starts at `start`.
    fn doc(&self, start: u32) -> MaybeDoc {
        let before = self.source.get(..start as usize)?;
        let mut line_start = before.trim_end_matches([' ', '\t']).strip_suffix('\n')?.len();
        let floor = self.opaque.last().map_or(0, |span| span.end as usize);
        let mut lines: Vec<&str> = Vec::new();
        let mut first = 0;
        let mut last = 0;
        loop {
            let text = &before[..line_start];
            let begin = text.rfind('\n').map_or(0, |at| at + 1);
            let line = text[begin..].trim_start_matches([' ', '\t', '\u{FEFF}']);
            if begin < floor || !line.starts_with("##") {
                break;
            }
            let line_end = line_start - (text[begin..].len() - text[begin..].trim_end().len());
            first = line_start - line.len();
            if lines.is_empty() {
                last = line_end;
            }
            let body = line.trim_end().trim_start_matches("##");
            lines.push(body.strip_prefix(' ').unwrap_or(body));
            match begin.checked_sub(1) {
                Some(end) => line_start = end,
                None => break,
            }
        }
        if lines.is_empty() {
            return None;
        }
        lines.reverse();
        let text: Arc<str> = Arc::from(lines.join("\n"));
        Some(Box::new(Doc { text, span: Span::new(first as u32, last as u32) }))
    }
}

/// Where pest stopped, and whether for want of stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) offset: u32,
    pub(crate) deep: bool,
}

pub(crate) fn too_deep(span: Span) -> SyntaxError {
    SyntaxError::new("nesting-too-deep", span, format!("this is nested more than {MAX_DEPTH} levels deep"))
        .with_hint("give parts of it a name with `let` or `fn`")
}

/// The multiply-and-rotate hash of rustc: names are short, and nobody gains from making them collide.
#[derive(Default)]
pub(crate) struct NameHasher(u64);

impl Hasher for NameHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }
}
