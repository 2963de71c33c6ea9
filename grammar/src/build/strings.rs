//! Strings: escapes, interpolation, and the indentation of `"""` blocks.

use std::sync::Arc;

use super::{Builder, Node};
use crate::ast::{Expr, ExprKind, Literal, Regex, Span, Template, TemplatePart};
use crate::error::SyntaxError;
use crate::syntax::Rule;

/// A piece of a string before its escapes are replaced.
enum Piece {
    Text(Span),
    Expr(Expr),
}

impl<'s> Builder<'s> {
    /// Builds any string.
    pub(super) fn string(&mut self, node: Node<'s>) -> Expr {
        let span = self.span(&node);
        let kind = match node.as_rule() {
            Rule::plain_string => ExprKind::Literal(Literal::String(self.plain_string(&node, span))),
            Rule::raw_string => {
                self.opaque.push(span);
                let text = node.as_str();
                let hashes = text.bytes().skip(1).take_while(|byte| *byte == b'#').count();
                ExprKind::Literal(Literal::String(Arc::from(&text[hashes + 2..text.len() - hashes - 1])))
            }
            Rule::plain_block => {
                self.opaque.push(span);
                let inner = Span::new(span.start + 3, span.end - 3);
                self.finish(dedent(self.source, vec![Piece::Text(inner)]))
            }
            Rule::block_template => {
                let pieces = self.pieces(node);
                self.finish(dedent(self.source, pieces))
            }
            _ => {
                let pieces = self.pieces(node);
                let pieces = pieces.into_iter().map(|piece| match piece {
                    Piece::Text(span) => Cut::Text(vec![span], span),
                    Piece::Expr(expr) => Cut::Expr(expr),
                });
                self.finish(pieces.collect())
            }
        };
        Expr { kind, span }
    }

    /// Builds a string that cannot be interpolated.
    pub(super) fn plain(&mut self, node: Node<'s>) -> (Arc<str>, Span) {
        let expr = self.string(node);
        match expr.kind {
            ExprKind::Literal(Literal::String(text)) => (text, expr.span),
            _ => {
                let message = "a string cannot be interpolated here";
                self.errors.push(SyntaxError::new("bad-interpolation", expr.span, message));
                (Arc::from(""), expr.span)
            }
        }
    }

    /// Builds `/re/`.
    pub(super) fn regex(&mut self, node: &Node<'s>) -> Regex {
        let span = self.span(node);
        self.opaque.push(span);
        let text = node.as_str();
        let inner = &text[1..text.len() - 1];
        let pattern = if inner.contains("\\/") { Arc::from(inner.replace("\\/", "/")) } else { Arc::from(inner) };
        Regex { pattern, span }
    }

    fn plain_string(&mut self, node: &Node<'s>, span: Span) -> Arc<str> {
        self.opaque.push(span);
        let text = node.as_str();
        let inner = &text[1..text.len() - 1];
        if inner.contains('\\') {
            let mut out = String::with_capacity(inner.len());
            self.unescape(Span::new(span.start + 1, span.end - 1), &mut out);
            Arc::from(out)
        } else {
            Arc::from(inner)
        }
    }

    fn pieces(&mut self, node: Node<'s>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for part in node.into_inner() {
            let span = self.span(&part);
            if part.as_rule() == Rule::interpolation {
                // An interpolation holds exactly one expression.
                let expr = part.into_inner().next().map(|inner| self.expr(inner));
                pieces.push(Piece::Expr(expr.unwrap_or(Expr { kind: ExprKind::Error, span })));
            } else {
                self.opaque.push(span);
                pieces.push(Piece::Text(span));
            }
        }
        pieces
    }

    /// Replaces the escapes, and makes a literal of what has no expression in it.
    fn finish(&mut self, cuts: Vec<Cut>) -> ExprKind {
        let mut parts = Vec::with_capacity(cuts.len());
        for cut in cuts {
            match cut {
                Cut::Expr(expr) => parts.push(TemplatePart::Expr(expr)),
                Cut::Text(spans, whole) => {
                    let mut text = String::new();
                    for span in spans {
                        self.unescape(span, &mut text);
                    }
                    if !text.is_empty() {
                        parts.push(TemplatePart::Text(Arc::from(text), whole));
                    }
                }
            }
        }
        match parts.as_mut_slice() {
            [] => ExprKind::Literal(Literal::String(Arc::from(""))),
            [TemplatePart::Text(text, _)] => ExprKind::Literal(Literal::String(Arc::clone(text))),
            _ => ExprKind::Template(Box::new(Template { parts })),
        }
    }

    /// Appends the text of `span` with its escapes replaced.
    fn unescape(&mut self, span: Span, out: &mut String) {
        let source = self.source;
        let mut rest = span.text(source);
        while let Some(at) = rest.find('\\') {
            push_normalized(&rest[..at], out);
            let escape = &rest[at..];
            let offset = span.end - escape.len() as u32;
            let (length, replacement) = decode_escape(escape);
            match replacement {
                Ok(c) => out.push(c),
                Err((message, hint)) => {
                    let span = Span::new(offset, offset + length as u32);
                    self.errors.push(SyntaxError::new("bad-escape", span, message).with_hint(hint));
                }
            }
            rest = &escape[length..];
        }
        push_normalized(rest, out);
    }
}

/// Appends text with its line ends as `\n`.
fn push_normalized(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find("\r\n") {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// Returns the length of the escape that `text` starts with, and what it stands for.
fn decode_escape(text: &str) -> (usize, Result<char, (String, &'static str)>) {
    const KNOWN: &str = r#"escapes are `\n` `\t` `\r` `\\` `\"` `\$` `\0` `\e` `\u{1F600}`; a backslash itself is `\\`, or use a raw string r"…""#;
    let Some(c) = text.chars().nth(1) else {
        return (1, Err(("a backslash needs a character after it".to_owned(), KNOWN)));
    };
    let length = 1 + c.len_utf8();
    let replacement = match c {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        '0' => '\0',
        'e' => '\u{1b}',
        '\\' | '"' | '$' => c,
        'u' => {
            let digits = text[2..].strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(digits, _)| digits);
            let Some(digits) = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())) else {
                return (length, Err(("`\\u` needs a code point in braces".to_owned(), "write it as `\\u{1F600}`")));
            };
            let length = length + digits.len() + 2;
            return match u32::from_str_radix(digits, 16).ok().and_then(char::from_u32) {
                Some(c) => (length, Ok(c)),
                None => (
                    length,
                    Err((format!("`\\u{{{digits}}}` is not a character"), "code points go up to 10FFFF, without D800 to DFFF")),
                ),
            };
        }
        '\n' => return (1, Err(("a backslash at the end of a line does not join lines".to_owned(), KNOWN))),
        other => return (length, Err((format!("unknown escape `\\{}`", other.escape_debug()), KNOWN))),
    };
    (length, Ok(replacement))
}

/// A piece of a block without the indentation: text as the spans that are left of it.
enum Cut {
    Text(Vec<Span>, Span),
    Expr(Expr),
}

/// Takes the first newline and the common indentation off a block. The closing line counts where only blanks stand before the quotes.
fn dedent(source: &str, pieces: Vec<Piece>) -> Vec<Cut> {
    let indent = common_indent(source, &pieces);
    let last = pieces.len().saturating_sub(1);
    let mut cuts = Vec::with_capacity(pieces.len());
    for (index, piece) in pieces.into_iter().enumerate() {
        match piece {
            Piece::Expr(expr) => cuts.push(Cut::Expr(expr)),
            Piece::Text(span) => {
                let text = span.text(source);
                let mut spans = Vec::new();
                let mut offset = span.start;
                for (number, line) in text.split_inclusive('\n').enumerate() {
                    let opening = index == 0 && number == 0;
                    let end = offset + line.len() as u32;
                    if opening && line.ends_with('\n') && line.trim_end().is_empty() {
                        offset = end;
                        continue;
                    }
                    let starts_line = number > 0;
                    let strip = if starts_line { shared_prefix(line, indent) } else { 0 };
                    let is_blank = line.trim_end_matches(['\r', '\n']).trim_matches([' ', '\t']).is_empty();
                    let closing = index == last && !line.ends_with('\n');
                    if starts_line && is_blank && (line.ends_with('\n') || closing) {
                        // Of a line of blanks only its end is left.
                        let content = line.trim_end_matches(['\r', '\n']).len() as u32;
                        spans.push(Span::new(offset + content, end));
                    } else {
                        spans.push(Span::new(offset + strip as u32, end));
                    }
                    offset = end;
                }
                cuts.push(Cut::Text(spans, span));
            }
        }
    }
    cuts
}

fn common_indent<'s>(source: &'s str, pieces: &[Piece]) -> &'s str {
    let mut indent: Option<&str> = None;
    for piece in pieces {
        let Piece::Text(span) = piece else { continue };
        let text = span.text(source);
        for line in text.split_inclusive('\n').skip(1) {
            let content = line.trim_start_matches([' ', '\t']);
            let blanks = &line[..line.len() - content.len()];
            if content == "\n" || content == "\r\n" {
                continue;
            }
            indent = Some(indent.map_or(blanks, |indent| &indent[..shared_prefix(blanks, indent)]));
        }
        // `split_inclusive` leaves out an empty last line: the quotes or the expression stand at the margin.
        if text.ends_with('\n') {
            indent = Some("");
        }
    }
    indent.unwrap_or("")
}

/// Returns how many leading bytes of `line` agree with `indent`.
fn shared_prefix(line: &str, indent: &str) -> usize {
    line.bytes().zip(indent.bytes()).take_while(|(a, b)| a == b).count()
}
