//! Moving over tokens: where pieces end, which brackets are left open.

use super::Recovery;
use super::lex::{Kind, Token, indent_of_line};
use crate::MAX_DEPTH;
use crate::ast::Span;
use crate::build::{Builder, Failure, Node};
use crate::error::SyntaxError;
use crate::keywords::{starts_item, starts_statement};
use crate::syntax::Rule;

/// How far the errors and literals had come, to go back to.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    errors: usize,
    opaque: usize,
}

impl<'s> Recovery<'s, '_> {
    /// Returns the next token, which may be a newline or a comment.
    pub(super) fn token(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    pub(super) fn kind(&self, index: usize) -> Option<Kind> {
        self.tokens.get(index).map(|token| token.kind)
    }

    /// Returns the text of a token, `""` behind the last one.
    pub(super) fn text(&self, index: usize) -> &'s str {
        self.tokens.get(index).map_or("", |token| token.span.text(self.source))
    }

    pub(super) fn text_is(&self, index: usize, text: &str) -> bool {
        self.text(index) == text
    }

    /// Tells whether the next token is `text`.
    pub(super) fn is(&self, text: &str) -> bool {
        self.text(self.at) == text
    }

    /// Takes the next token if it is `text`.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let taken = self.is(text);
        self.at += usize::from(taken);
        taken
    }

    /// Returns where the next token starts, or the end of the source.
    pub(super) fn offset(&self) -> u32 {
        self.start_of(self.at)
    }

    pub(super) fn start_of(&self, index: usize) -> u32 {
        self.tokens.get(index).map_or(self.source.len() as u32, |token| token.span.start)
    }

    /// Returns where the last token before the cursor that is no newline or comment ends.
    pub(super) fn end_of_last(&self) -> u32 {
        self.end_before(self.at)
    }

    /// Returns where the last token before `index` that is no newline or comment ends.
    pub(super) fn end_before(&self, index: usize) -> u32 {
        let before = self.tokens[..index.min(self.tokens.len())].iter().rev();
        before.into_iter().find(|token| !is_gap(token.kind)).map_or(0, |token| token.span.end)
    }

    /// Returns the span from token `start` to the last one before the cursor.
    pub(super) fn span_from(&self, start: usize) -> Span {
        let from = self.start_of(start);
        Span::new(from, self.end_of_last().max(from))
    }

    /// Moves to the first token at or behind `offset`.
    pub(super) fn seek(&mut self, offset: u32) {
        self.at = self.index_at(offset);
    }

    pub(super) fn index_at(&self, offset: u32) -> usize {
        self.tokens.partition_point(|token| token.span.start < offset)
    }

    /// Moves over newlines and comments.
    pub(super) fn skip_gap(&mut self) {
        while self.kind(self.at).is_some_and(is_gap) {
            self.at += 1;
        }
    }

    /// Returns the first token at or behind `index` that is no newline or comment.
    pub(super) fn next_significant(&self, index: usize) -> usize {
        index + self.tokens.iter().skip(index).take_while(|token| is_gap(token.kind)).count()
    }

    /// Returns how far the line that a token stands on is indented.
    pub(super) fn indent(&self, index: usize) -> usize {
        indent_of_line(self.source, self.start_of(index) as usize)
    }

    pub(super) fn is_first_on_line(&self, index: usize) -> bool {
        index == 0 || self.kind(index - 1) == Some(Kind::Newline)
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { errors: self.builder.errors.len(), opaque: self.builder.opaque.len() }
    }

    /// Forgets the errors since `mark`.
    pub(super) fn reset(&mut self, mark: Mark) {
        self.builder.errors.truncate(mark.errors);
        self.builder.opaque.truncate(mark.opaque);
    }

    pub(super) fn error(&mut self, error: SyntaxError) {
        self.builder.errors.push(error);
    }

    /// Matches `rule` from `start` on and builds it.
    pub(super) fn strict<T>(
        &mut self,
        rule: Rule,
        start: u32,
        build: impl Fn(&mut Builder<'s>, Node<'s>) -> T + Copy,
    ) -> Result<(T, u32), Failure> {
        // pest looks at all of its input when it fails, so it is given a few lines first, and more where it came to their end.
        let length = self.source.len() as u32;
        let mut size: u32 = 1024;
        loop {
            let from = self.index_at(start.saturating_add(size).min(length));
            let newline = self.tokens.iter().skip(from).find(|token| token.kind == Kind::Newline);
            let end = newline.map_or(length, |token| token.span.start);
            let mark = self.mark();
            let result = self.strict_in(rule, Span::new(start, end), build);
            let reached = match &result {
                Ok((_, offset)) => *offset,
                Err(failure) => failure.offset,
            };
            let mut next = self.index_at(reached);
            if next > 0 && self.tokens[next - 1].span.end > reached {
                next -= 1;
            }
            let next = self.next_significant(next);
            if end == length || self.tokens.get(next).is_some_and(|token| token.span.end < end) {
                return result;
            }
            self.reset(mark);
            size = size.saturating_mul(8);
        }
    }

    /// Matches `rule` inside `range` and builds it.
    pub(super) fn strict_in<T>(
        &mut self,
        rule: Rule,
        range: Span,
        build: impl FnOnce(&mut Builder<'s>, Node<'s>) -> T,
    ) -> Result<(T, u32), Failure> {
        self.builder.set_depth(self.depth);
        self.builder.parse(rule, range, build)
    }

    /// Tells whether a statement that ends at `offset` is followed by what may follow one.
    pub(super) fn ends_statement(&self, offset: u32) -> bool {
        self.ends_element(offset, "}")
    }

    /// Tells whether `offset` is followed by a separator, by `closer`, or by nothing.
    pub(super) fn ends_element(&self, offset: u32, closer: &str) -> bool {
        let next = self.index_at(offset);
        // A token that `offset` lies inside of belongs to what follows.
        if next > 0 && self.tokens[next - 1].span.end > offset && self.tokens[next - 1].kind != Kind::Newline {
            return false;
        }
        match self.kind(next) {
            None => true,
            Some(kind) => is_gap(kind) || self.text_is(next, ",") || self.text_is(next, closer),
        }
    }

    /// Moves behind the piece that starts here.
    pub(super) fn skip_piece(&mut self, stop_at_comma: bool) {
        self.at = self.piece_end(self.at, stop_at_comma).max(self.at + 1).min(self.tokens.len());
    }

    /// Returns the token before which the piece that starts at `start` ends: a newline, a comma, a bracket that closes something
    /// around it, or a line that shows by its indentation that a bracket was left open.
    pub(super) fn piece_end(&self, start: usize, stop_at_comma: bool) -> usize {
        let mut open: Vec<usize> = Vec::new();
        let indent = self.indent(start);
        let mut index = start;
        while let Some(token) = self.tokens.get(index) {
            match token.kind {
                Kind::Open => open.push(index),
                Kind::Close => match open.iter().rposition(|opener| self.is_pair(*opener, index)) {
                    Some(position) => open.truncate(position),
                    None => return index,
                },
                Kind::Mark if open.is_empty() && stop_at_comma && self.text_is(index, ",") => return index,
                Kind::Newline => {
                    let next = self.next_significant(index);
                    if open.is_empty() {
                        if !self.continues(index, next) {
                            return index;
                        }
                    } else if self.kind(next).is_some_and(|kind| kind != Kind::Close)
                        && self.indent(next) <= indent
                        && !self.closes_well(open[0])
                    {
                        return index;
                    }
                }
                Kind::Comment if open.is_empty() => return index,
                _ => {}
            }
            index += 1;
        }
        index
    }

    /// Tells whether the piece before the newline at `newline` goes on with token `next`.
    fn continues(&self, newline: usize, next: usize) -> bool {
        if next >= self.tokens.len() || self.looks_like_start(next) {
            return false;
        }
        let before = if newline > 0 { self.text(newline - 1) } else { "" };
        let after = self.text(next);
        is_binary_operator(before)
            || matches!(
                after,
                "??" | "||" | "&&" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "." | "?." | "->" | "~>" | "+" | "*" | "else"
            )
    }

    /// Tells whether a statement or an attribute seems to start at `index`.
    pub(super) fn looks_like_start(&self, index: usize) -> bool {
        if self.kind(index) != Some(Kind::Word) {
            return false;
        }
        let word = self.text(index);
        let next = self.text(index + 1);
        next == "="
            || starts_item(word)
            || word == "inventory" && next == "{"
            || starts_statement(word)
            || self.looks_like_resource(index)
    }

    /// Tells whether a resource seems to be declared at `index`: a word and then a name.
    pub(super) fn looks_like_resource(&self, index: usize) -> bool {
        self.kind(index) == Some(Kind::Word)
            && matches!(self.kind(index + 1), Some(Kind::String | Kind::Unterminated | Kind::SingleQuoted))
            && !matches!(self.text(index), "in" | "not" | "if" | "match" | "where" | "else")
    }

    /// Tells whether `opener` and `closer` are brackets of one kind.
    pub(super) fn is_pair(&self, opener: usize, closer: usize) -> bool {
        matches!((self.text(opener), self.text(closer)), ("(", ")") | ("[", "]") | ("{", "}"))
    }

    /// Tells whether a bracket is closed, and at the indentation it was opened at.
    pub(super) fn closes_well(&self, open: usize) -> bool {
        match self.closers.get(open).copied().flatten() {
            None => false,
            Some(closer) => {
                let closer = closer as usize;
                !self.is_first_on_line(closer) || self.indent(closer) == self.indent(open)
            }
        }
    }

    /// Tells whether the next token shows that the brace `open` was not closed where it should have been: a line that stands no further in
    /// than the one with the brace, and cannot be part of what the brace holds.
    pub(super) fn is_left(&self, open: usize, indent: usize, in_body: bool) -> bool {
        let at = self.at;
        if !self.is_first_on_line(at) || self.indent(at) > indent {
            return false;
        }
        let is_word = self.kind(at) == Some(Kind::Word);
        if is_word && self.text_is(at + 1, "=") {
            return false;
        }
        if is_word && starts_item(self.text(at)) {
            return true;
        }
        if in_body {
            let next = self.kind(at + 1);
            let has_name = next == Some(Kind::Word) || next == Some(Kind::Open) && !self.text_is(at + 1, "{");
            return is_word && (starts_statement(self.text(at)) || self.looks_like_resource(at) || has_name);
        }
        !self.closes_well(open)
    }

    /// Reports that the bracket `open` is not closed.
    pub(super) fn unclosed(&mut self, open: usize) {
        let Some(token) = self.tokens.get(open).copied() else { return };
        let at_end = self.token().is_none();
        let place = self.end_of_last();
        if let Some((last, index)) = self.last_unclosed
            && last == place
            && let Some(error) = self.builder.errors.get_mut(index).filter(|error| error.code == "unclosed-delimiter")
        {
            // One end that is missing, not a mistake per bracket.
            error.labels.push((token.span, "this one is still open, too".to_owned()));
            return;
        }
        let text = self.text(open);
        let closer = closing(text);
        let mut error = SyntaxError::new("unclosed-delimiter", token.span, format!("unclosed `{text}`"));
        error.labels.push((token.span, "opened here".to_owned()));
        if !at_end {
            error.labels.push((Span::at(place), format!("`{closer}` is missing here")));
        }
        error.expected.push(format!("`{closer}`"));
        self.last_unclosed = Some((place, self.builder.errors.len()));
        self.error(error);
    }

    /// Returns the token of the `{` that a head from `start` on ends with: on its line, outside of brackets.
    pub(super) fn find_brace(&self, start: usize) -> Option<usize> {
        let mut depth = 0_usize;
        let indent = self.indent(start);
        for (index, token) in self.tokens.iter().enumerate().skip(start) {
            match token.kind {
                Kind::Open if depth == 0 && self.text_is(index, "{") => return Some(index),
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.checked_sub(1)?,
                Kind::Newline if depth == 0 => return None,
                Kind::Newline => {
                    let next = self.next_significant(index);
                    if self.indent(next) <= indent && self.kind(next) != Some(Kind::Close) {
                        return None;
                    }
                }
                _ => {}
            }
        }
        None
    }
}

pub(super) fn is_gap(kind: Kind) -> bool {
    matches!(kind, Kind::Newline | Kind::Comment | Kind::SlashComment)
}

pub(super) fn is_binary_operator(text: &str) -> bool {
    matches!(
        text,
        "??" | "||" | "&&" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "+" | "-" | "*" | "/" | "%" | ".." | "..=" | "->" | "~>"
    )
}

pub(super) fn closing(opener: &str) -> &'static str {
    match opener {
        "(" => ")",
        "[" => "]",
        _ => "}",
    }
}

/// Returns the opening brackets that have as many open before them as a tree may be deep.
pub(super) fn deep_brackets(tokens: &[Token]) -> Vec<usize> {
    let mut depth = 0_usize;
    let mut deep = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => {
                depth += 1;
                if depth == MAX_DEPTH + 1 {
                    deep.push(index);
                }
            }
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deep
}

/// Returns for each token the one that closes it. A closing bracket of another kind closes what it matches further out.
pub(super) fn match_brackets(source: &str, tokens: &[Token]) -> Vec<Option<u32>> {
    let mut closers = vec![None; tokens.len()];
    let mut open: Vec<usize> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let text = token.span.text(source);
        match token.kind {
            Kind::Open => open.push(index),
            Kind::Close => {
                // Further out than this a mismatch is not looked for: a file of nothing but brackets must not take long.
                let found = open.iter().rev().take(64).position(|opener| closing(tokens[*opener].span.text(source)) == text);
                if let Some(position) = found {
                    let opener = open.len() - 1 - position;
                    closers[open[opener]] = Some(index as u32);
                    open.truncate(opener);
                }
            }
            _ => {}
        }
    }
    closers
}
