//! A file with mistakes, piece by piece: every item, statement, attribute and field is matched on its own, so that one
//! mistake costs no more than the piece it stands in.
//!
//! Each piece is first given to the strict grammar. Only where that fails do tokens, brackets and indentation decide how far
//! the broken piece goes, and what to say about it.

mod body;
mod cursor;
mod diagnose;
mod item;
pub(crate) mod lex;
mod stmt;

use crate::MAX_DEPTH;
use crate::ast::{Item, Span, Stmt};
use crate::build::{Builder, too_deep};
use crate::error::SyntaxError;
use crate::keywords::starts_item;
use crate::syntax::Rule;
use lex::{Kind, Token};

/// Walks over the tokens of a file with mistakes.
pub(crate) struct Recovery<'s, 'b> {
    source: &'s str,
    tokens: Vec<Token>,
    /// For each opening bracket, the token that closes it.
    closers: Vec<Option<u32>>,
    /// The brackets that are nested deeper than any tree may be, as far as nothing tells that one further out was left open.
    too_deep: Vec<usize>,
    /// The token that comes next.
    at: usize,
    /// How many nodes lie above what is parsed next.
    depth: usize,
    builder: &'b mut Builder<'s>,
    /// The place of the last closing bracket that was reported as missing, and where that error stands among the errors.
    last_unclosed: Option<(u32, usize)>,
}

/// What a statement turned out to be.
enum Parsed {
    Item(Item),
    /// Too deep, or nothing that can be saved; the error was reported and the cursor stands behind it.
    Nothing(Span),
}

impl<'s, 'b> Recovery<'s, 'b> {
    pub(crate) fn new(source: &'s str, builder: &'b mut Builder<'s>) -> Recovery<'s, 'b> {
        let tokens = lex::lex(source);
        let closers = cursor::match_brackets(source, &tokens);
        for token in tokens.iter().filter(|token| token.kind == Kind::SlashComment) {
            let error = SyntaxError::new("slash-comment", token.span, "a comment starts with `#`");
            let slashes = token.span.text(source).bytes().take_while(|byte| *byte == b'/').count() as u32;
            let error = error.with_hint("write `# …`");
            builder.errors.push(match slashes {
                2.. => error.with_replacement(Span::new(token.span.start, token.span.start + slashes), "#"),
                _ => error,
            });
        }
        let too_deep = cursor::deep_brackets(&tokens);
        Recovery { source, tokens, closers, too_deep, at: 0, depth: 0, builder, last_unclosed: None }
    }

    /// Returns the comments, as far as they can be told in a file with mistakes.
    pub(crate) fn comments(&self) -> Vec<Span> {
        self.tokens.iter().filter(|token| token.kind == Kind::Comment).map(|token| token.span).collect()
    }

    /// Parses the whole file.
    pub(crate) fn file(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        loop {
            self.skip_gap();
            if self.token().is_none() {
                return items;
            }
            let before = self.at;
            let errors = self.builder.errors.len();
            match self.statement(true) {
                Parsed::Item(item) => items.push(item),
                Parsed::Nothing(span) => items.push(Item::Error(span)),
            }
            self.after_statement(self.builder.errors.len() > errors);
            self.at = self.at.max(before + 1);
        }
    }

    /// Parses statements up to the brace that closes the block opened by token `open`, or to where the block is left unclosed.
    /// Returns them and the end of the block.
    fn block(&mut self, open: usize) -> (Vec<Stmt>, u32) {
        let indent = self.indent(open);
        self.at = open + 1;
        self.statements(indent, Some(open))
    }

    /// Parses the statements of a block on a line indented by `indent`. Without the brace that opens it, which was reported to be
    /// missing, the block ends where the lines stand no further in.
    fn statements(&mut self, indent: usize, open: Option<usize>) -> (Vec<Stmt>, u32) {
        let mut stmts = Vec::new();
        self.depth += 1;
        loop {
            self.skip_gap();
            if self.is("}") {
                self.at += 1;
                break;
            }
            match open {
                Some(open) if self.token().is_none() || self.is_left(open, indent, false) => {
                    self.unclosed(open);
                    break;
                }
                None if self.token().is_none() || self.indent(self.at) <= indent => break,
                _ => {}
            }
            let before = self.at;
            let errors = self.builder.errors.len();
            match self.statement(false) {
                Parsed::Item(Item::Stmt(stmt)) => stmts.push(stmt),
                Parsed::Item(item) => stmts.push(Stmt::Error(item.span())),
                Parsed::Nothing(span) => stmts.push(Stmt::Error(span)),
            }
            self.after_statement(self.builder.errors.len() > errors);
            self.at = self.at.max(before + 1);
        }
        self.depth -= 1;
        (stmts, self.end_of_last())
    }

    /// Parses the statement (or item) that starts here.
    fn statement(&mut self, top: bool) -> Parsed {
        let start = self.offset();
        if self.depth >= MAX_DEPTH {
            return self.refuse_depth(start);
        }
        let deep = self.too_deep.partition_point(|index| *index < self.at);
        if let Some(deep) = self.too_deep.get(deep).copied()
            && deep < self.piece_end(self.at, false)
        {
            return self.refuse_depth(self.start_of(deep));
        }
        let rule = if top { Rule::item } else { Rule::stmt };
        let mark = self.mark();
        match self.strict(rule, start, Builder::item) {
            Ok((item, end)) if self.ends_statement(end) => {
                self.seek(end);
                return Parsed::Item(self.with_missing_brace(item));
            }
            Ok(_) => self.reset(mark),
            Err(failure) if failure.deep => return self.refuse_depth(failure.offset),
            Err(_) => {}
        }
        self.broken_statement(top)
    }

    /// Looks whether attributes follow a resource that has no body: then its brace is missing.
    fn with_missing_brace(&mut self, item: Item) -> Item {
        let (Item::Stmt(Stmt::Resource(mut resource)), Some(before)) = (item.clone(), self.at.checked_sub(1)) else {
            return item;
        };
        let next = self.next_significant(self.at);
        let indent = self.indent(before);
        let is_attribute =
            self.kind(next) == Some(Kind::Word) && matches!(self.text(next + 1), "=" | ":" | "=>") && self.indent(next) > indent;
        if resource.body.is_some() || next == self.at || !is_attribute {
            return item;
        }
        let place = Span::at(self.end_of_last());
        let mut error = SyntaxError::new("missing-delimiter", place, "expected `{` before the attributes");
        error.expected.push("`{`".to_owned());
        self.error(error);
        let errors = self.builder.errors.len();
        let body = self.attributes(indent, None, place.start);
        // How an attribute would be written goes without saying where even the brace is missing.
        self.builder.errors.truncate(errors);
        resource.span.end = body.span.end;
        resource.body = Some(body);
        Item::Stmt(Stmt::Resource(resource))
    }

    /// Parses what the strict grammar did not take.
    fn broken_statement(&mut self, top: bool) -> Parsed {
        let Some(token) = self.token() else { return Parsed::Nothing(Span::at(self.offset())) };
        let word = self.text(self.at);
        match token.kind {
            Kind::Close => {
                self.at += 1;
                let error = SyntaxError::new("unmatched-delimiter", token.span, format!("unmatched `{word}`"));
                self.error(error.with_hint("nothing that it could close is open here"));
                Parsed::Nothing(token.span)
            }
            Kind::Word if self.starts_item(word) => {
                if !top {
                    let hint = "move it to the top level of the file";
                    let message = format!("`{word}` cannot stand inside a block");
                    self.error(SyntaxError::new("misplaced-item", token.span, message).with_hint(hint));
                    let start = self.at;
                    let errors = self.builder.errors.len();
                    self.broken_item(word);
                    self.builder.errors.truncate(errors);
                    return Parsed::Nothing(self.span_from(start));
                }
                self.broken_item(word)
            }
            Kind::Word => self.broken_stmt(word, top),
            _ => self.leaf(top),
        }
    }

    /// Tells whether the word here starts an item of its own.
    fn starts_item(&self, word: &str) -> bool {
        match word {
            "inventory" => self.text_is(self.at + 1, "{"),
            word => starts_item(word) && !self.text_is(self.at + 1, "="),
        }
    }

    /// Refuses what starts here for its depth.
    fn refuse_depth(&mut self, offset: u32) -> Parsed {
        let start = self.at;
        self.error(too_deep(Span::at(offset)));
        self.skip_piece(false);
        Parsed::Nothing(self.span_from(start))
    }

    /// After a statement: something must separate it from the next one.
    fn after_statement(&mut self, is_reported: bool) {
        if self.is(",") {
            self.at += 1;
            return;
        }
        match self.token() {
            None => {}
            Some(token) if cursor::is_gap(token.kind) || self.is("}") && self.depth > 0 => {}
            Some(_) if self.at > 0 && self.is_first_on_line(self.at) => {}
            // What closes a brace that was reported as missing, or swallowed by a string.
            Some(token) if token.kind == Kind::Close && self.depth == 0 && is_reported => self.at += 1,
            Some(token) => {
                let error = self.unexpected_after_statement(token);
                self.error(error);
                self.skip_piece(false);
            }
        }
    }
}
