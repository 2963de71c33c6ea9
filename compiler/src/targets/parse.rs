//! From text to a target.

use stead_grammar::ast::Span;

use super::term::Term;
use super::{Expr, MAX_DEPTH, TargetError};
use crate::position::offset_u32;

/// A word, a parenthesis, or a regular expression between slashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token<'t> {
    text: &'t str,
    start: usize,
}

impl Token<'_> {
    fn span(&self) -> Span {
        Span::new(offset_u32(self.start), offset_u32(self.start + self.text.len()))
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token<'t>>,
    at: usize,
}

pub(super) fn parse(text: &str) -> Result<Expr, TargetError> {
    let mut parser = Parser { text, tokens: tokens(text), at: 0 };
    if parser.tokens.is_empty() {
        let error = TargetError::new("invalid-target", Span::at(0), "the target is empty");
        return Err(error.hint("`*` means every machine of the inventory"));
    }
    let expr = parser.any(0)?;
    match parser.peek() {
        None => Ok(expr),
        Some(token) if token.text == ")" => Err(TargetError::new("invalid-target", token.span(), "this `)` closes nothing")),
        Some(token) => {
            let message = format!("expected `and` or `or` before `{}`", token.text.escape_debug());
            Err(TargetError::new("invalid-target", token.span(), message)
                .hint("a list of names is written with commas: `web-1,web-2`"))
        }
    }
}

/// Splits at blanks and parentheses; a parenthesis inside a word, as regular expressions have them, belongs to the word when it is closed there.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let length = match c {
            '(' | ')' => 1,
            '/' => regex_length(&text[at..]),
            _ => word_length(&text[at..]),
        };
        tokens.push(Token { text: &text[at..at + length], start: at });
        at += length;
    }
    tokens
}

/// `/…/`, a slash inside escaped; to the end where it is not closed.
fn regex_length(text: &str) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            '/' if !escaped => return i + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn word_length(text: &str) -> usize {
    let mut open = 0_usize;
    for (i, c) in text.char_indices() {
        match c {
            '(' => open += 1,
            ')' if open == 0 => return i,
            ')' => open -= 1,
            c if c.is_whitespace() => return i,
            _ => {}
        }
    }
    text.len()
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at).copied()
    }

    /// Takes the word `and`, `or` or `not`.
    fn take(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.text.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn any(&mut self, depth: usize) -> Result<Expr, TargetError> {
        let mut parts = vec![self.all(depth)?];
        while self.take("or") {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Or(parts) })
    }

    fn all(&mut self, depth: usize) -> Result<Expr, TargetError> {
        let mut parts = vec![self.one(depth)?];
        while self.take("and") {
            parts.push(self.one(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) })
    }

    fn one(&mut self, depth: usize) -> Result<Expr, TargetError> {
        let end = Span::at(offset_u32(self.text.len()));
        let Some(token) = self.peek() else {
            return Err(TargetError::new("invalid-target", end, "a target is missing at the end"));
        };
        if depth > MAX_DEPTH {
            return Err(TargetError::new("invalid-target", token.span(), format!("nested deeper than {MAX_DEPTH}")));
        }
        self.at += 1;
        match token.text {
            "(" => {
                let inner = self.any(depth + 1)?;
                match self.peek() {
                    Some(next) if next.text == ")" => {
                        self.at += 1;
                        Ok(inner)
                    }
                    Some(next) => {
                        let message = format!("expected `and`, `or` or `)` before `{}`", next.text.escape_debug());
                        Err(TargetError::new("invalid-target", next.span(), message))
                    }
                    None => Err(TargetError::new("invalid-target", token.span(), "this `(` is not closed")),
                }
            }
            ")" => Err(TargetError::new("invalid-target", token.span(), "a target is missing before `)`")),
            word if word.eq_ignore_ascii_case("not") => Ok(Expr::Not(Box::new(self.one(depth + 1)?))),
            word if word.eq_ignore_ascii_case("and") || word.eq_ignore_ascii_case("or") => {
                Err(TargetError::new("invalid-target", token.span(), format!("a target is missing before `{word}`")))
            }
            word => Ok(Expr::Term(Term::parse(word, token.span())?, token.span())),
        }
    }
}
