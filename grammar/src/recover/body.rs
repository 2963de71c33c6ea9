//! Resource bodies attribute by attribute, record types and parameters field by field.

use super::Recovery;
use super::cursor::is_gap;
use super::lex::Kind;
use crate::ast::{Attribute, Body, Expr, Field, Ident, Span, TypeExpr, TypeExprKind};
use crate::build::{Builder, FieldsOf, hole};
use crate::error::SyntaxError;
use crate::keywords::{is_keyword, starts_statement};
use crate::syntax::Rule;

impl<'s> Recovery<'s, '_> {
    /// Parses the attributes between the brace `open` and the one that closes it.
    pub(super) fn body(&mut self, open: usize) -> Body {
        let indent = self.indent(open);
        self.at = open + 1;
        self.attributes(indent, Some(open), self.start_of(open))
    }

    /// Parses the attributes of a body on a line indented by `indent`. Without the brace that opens it, which was reported to be
    /// missing, the body ends where the lines stand no further in.
    pub(super) fn attributes(&mut self, indent: usize, open: Option<usize>, start: u32) -> Body {
        let mut attributes = Vec::new();
        loop {
            self.skip_gap();
            if self.take("}") {
                break;
            }
            match open {
                Some(open) if self.token().is_none() || self.is_left(open, indent, true) => {
                    self.unclosed(open);
                    break;
                }
                None if self.token().is_none() || self.indent(self.at) <= indent => break,
                _ => {}
            }
            let before = self.at;
            let at = self.offset();
            let mark = self.mark();
            match self.strict(Rule::attribute, at, Builder::attribute) {
                Ok((attribute, end)) if self.ends_element(end, "}") => {
                    attributes.push(attribute);
                    self.seek(end);
                }
                _ => {
                    self.reset(mark);
                    attributes.extend(self.broken_attribute());
                }
            }
            self.skip_gap();
            self.take(",");
            self.at = self.at.max(before + 1);
        }
        Body { attributes, span: Span::new(start, self.end_of_last()) }
    }

    /// Parses what the strict grammar did not take as an attribute, and moves behind it.
    fn broken_attribute(&mut self) -> Option<Attribute> {
        let start = self.at;
        let token = self.token()?;
        let word = self.text(start);
        let next = self.text(start + 1);
        match token.kind {
            Kind::Word if next == "=" => return Some(self.attribute_value(start, start + 2)),
            Kind::Word if matches!(next, ":" | "=>" | "==" | ":=" | "+=" | "->") => {
                self.wrong_equals(start + 1);
                let errors = self.builder.errors.len();
                let attribute = self.attribute_value(start, start + 2);
                self.builder.errors.truncate(errors);
                return Some(attribute);
            }
            Kind::Word if self.is_statement_here(start) => {
                let error = SyntaxError::new("statement-in-body", token.span, format!("expected an attribute, found `{word}`"));
                let hint = match word {
                    "if" | "match" => {
                        "give an attribute a conditional value: `mode = if p { 0644 } else { none }`; `none` leaves it out"
                    }
                    _ => "resources and other statements stand beside a resource, not inside it",
                };
                self.error(error.with_hint(hint));
                self.skip_piece(true);
                return None;
            }
            Kind::Word => self.attribute_without_equals(start),
            Kind::String if matches!(next, "=" | ":" | "=>") => {
                let error = SyntaxError::new("bad-name", token.span, "the name of an attribute stands without quotes");
                let text = word.trim_matches('"');
                self.error(error.with_hint(format!("write `{text} = …`")));
            }
            Kind::Mark if matches!(word, "," | ";") => self.stray_separator(token.span, word),
            Kind::Close => {
                let error = SyntaxError::new("unmatched-delimiter", token.span, format!("unmatched `{word}`"));
                self.error(error.with_hint("nothing that it could close is open here"));
                self.at += 1;
                return None;
            }
            _ => {
                let error = self.unexpected(start, "an attribute");
                self.error(error);
            }
        }
        self.skip_piece(true);
        None
    }

    fn is_statement_here(&self, start: usize) -> bool {
        let word = self.text(start);
        if !(starts_statement(word) || self.looks_like_resource(start)) {
            return false;
        }
        // `mode "0644"` is an attribute without `=`, `file "/x" { … }` is a resource.
        starts_statement(word) || self.find_brace(start).is_some()
    }

    fn attribute_without_equals(&mut self, start: usize) {
        let word = self.text(start);
        let end = self.tokens[start].span.end;
        let next = self.kind(start + 1);
        if let Some(error) = self.dashed_name(start) {
            self.error(error);
            return;
        }
        let error = match next {
            Some(kind) if !is_gap(kind) && !matches!(self.text(start + 1), "," | "}") => {
                let found = self.describe(start + 1);
                let error = SyntaxError::new(
                    "expected-equals",
                    self.tokens[start + 1].span,
                    format!("expected `=` after `{word}`, found {found}"),
                );
                if self.text_is(start + 1, "{") {
                    error.with_hint(format!("a nested block is a record: `{word} = {{ … }}`"))
                } else {
                    error.with_hint(format!("an attribute is written `{word} = value`"))
                }
            }
            _ => SyntaxError::new("expected-equals", Span::at(end), format!("expected `=` and a value after `{word}`")),
        };
        let mut error = error;
        error.expected.push("`=`".to_owned());
        self.error(error);
    }

    /// Says that a name has no `-` in it, if one at `start` has.
    pub(super) fn dashed_name(&self, start: usize) -> Option<SyntaxError> {
        let mut last = start;
        while self.text_is(last + 1, "-") && self.kind(last + 2) == Some(Kind::Word) {
            last += 2;
        }
        let span = Span::new(self.start_of(start), self.tokens.get(last)?.span.end);
        let name = span.text(self.source).replace('-', "_");
        let error = SyntaxError::new("bad-name", span, "a name has no `-` in it");
        (last > start).then(|| error.with_hint(format!("did you mean `{name}`?")).with_replacement(span, name))
    }

    /// A mark in the place of another, with a blank on either side.
    pub(super) fn spaced(&self, at: Span, mark: &str) -> String {
        let touches = |c: Option<char>| c.is_some_and(|c| !c.is_whitespace());
        let before = if touches(self.source[..at.start as usize].chars().next_back()) { " " } else { "" };
        let after = if touches(self.source[at.end as usize..].chars().next()) { " " } else { "" };
        format!("{before}{mark}{after}")
    }

    /// Reports another mark where `=` should stand.
    pub(super) fn wrong_equals(&mut self, mark: usize) {
        let found = self.text(mark);
        let hint = match found {
            ":" => "`=` says what value something has; `:` says what type",
            "=>" => "Puppet's `=>` is `=` here",
            "==" => "`==` compares; `=` gives a value",
            "+=" => "an attribute is given its whole value; to add to one elsewhere use `extend`",
            _ => "a value is given with `=`",
        };
        let Some(token) = self.tokens.get(mark).copied() else { return };
        let mut error = SyntaxError::new("expected-equals", token.span, format!("expected `=`, found `{found}`")).with_hint(hint);
        if matches!(found, ":" | "=>" | "==") {
            error = error.with_replacement(token.span, self.spaced(token.span, "="));
        }
        error.expected.push("`=`".to_owned());
        self.error(error);
    }

    /// Parses the value of the attribute `name`, which starts at token `value` and cannot be right.
    fn attribute_value(&mut self, name: usize, value: usize) -> Attribute {
        let name_span = self.tokens[name].span;
        self.at = value;
        let expr = self.value_piece("a value", true);
        let span = name_span.to(expr.span);
        let name = Ident { name: self.text(name).into(), span: name_span };
        Attribute { doc: None, name, value: expr, span }
    }

    /// Parses the expression that starts here and goes to the end of its piece, reports what is wrong with it, and returns what
    /// could be saved.
    pub(super) fn value_piece(&mut self, what: &str, stop_at_comma: bool) -> Expr {
        let start = self.at;
        let from = self.offset();
        if self.kind(start).is_none_or(is_gap) || matches!(self.text(start), "," | "}" | ")" | "]") {
            let error = self.missing(start, what);
            self.error(error);
            return hole(Span::at(self.end_of_last()));
        }
        let end = self.piece_end(start, stop_at_comma);
        let piece = Span::new(from, self.start_of(end));
        let mark = self.mark();
        let failure = match self.strict_in(Rule::only_expr, piece, Builder::expr) {
            Ok((expr, _)) => {
                self.at = end;
                return expr;
            }
            Err(failure) => failure,
        };
        self.reset(mark);
        let errors = self.builder.errors.len();
        if let Ok((expr, after)) = self.strict_in(Rule::expr, piece, Builder::expr)
            && self.builder.errors.len() == errors
        {
            let next = self.index_at(after);
            // A whole value, and then something that starts the next element: only what separates them is missing.
            if self.text_is(next + 1, "=") && self.kind(next) == Some(Kind::Word) && next < end {
                let mut error =
                    SyntaxError::new("missing-separator", Span::at(after), "expected `,` or a newline between attributes");
                error.expected.push("`,`".to_owned());
                self.error(error);
                self.at = next;
                return expr;
            }
            if failure.offset >= self.start_of(next) && !matches!(self.text(next), "(" | "[" | "." | "{") {
                let error = self.diagnose(piece, failure, what);
                self.builder.errors.extend(error);
                self.at = end.max(start + 1);
                return expr;
            }
        }
        self.reset(mark);
        let error = self.diagnose(piece, failure, what);
        self.builder.errors.extend(error);
        self.at = end.max(start + 1);
        hole(Span::new(from, self.end_of_last().max(from)))
    }

    /// Reports a comma or semicolon that separates nothing.
    pub(super) fn stray_separator(&mut self, span: Span, text: &str) {
        let error = SyntaxError::new("unexpected-token", span, format!("unexpected `{text}`"));
        let hint =
            if text == ";" { "a newline or a comma separates; `;` is not needed" } else { "there is nothing to separate here" };
        self.error(error.with_hint(hint));
    }

    /// Parses the fields between the bracket `open` and the one that closes it.
    pub(super) fn fields(&mut self, open: usize, of: FieldsOf) -> Vec<Field> {
        let closer = if of == FieldsOf::Record { "}" } else { ")" };
        let mut fields = Vec::new();
        self.at = open + 1;
        loop {
            let line_end = self.at;
            self.skip_gap();
            if self.take(closer) {
                break;
            }
            let left = self.is_first_on_line(self.at)
                && self.indent(self.at) <= self.indent(open)
                && self.text_is(self.at + 1, ":").eq(&false);
            if self.token().is_none() || left || self.kind(self.at) == Some(Kind::Close) || self.is("{") {
                self.unclosed(open);
                self.at = line_end;
                break;
            }
            let before = self.at;
            let at = self.offset();
            let mark = self.mark();
            match self.strict(Rule::field, at, |builder, node| builder.field(node, of)) {
                Ok((field, end)) if self.ends_element(end, closer) => {
                    fields.push(field);
                    self.seek(end);
                }
                _ => {
                    self.reset(mark);
                    fields.extend(self.broken_field());
                }
            }
            let next = self.next_significant(self.at);
            if self.text_is(next, ",") {
                self.at = next + 1;
            }
            self.at = self.at.max(before + 1);
        }
        fields
    }

    /// Parses what the strict grammar did not take as a field, and moves behind it.
    fn broken_field(&mut self) -> Option<Field> {
        let start = self.at;
        let token = self.token()?;
        let end = self.piece_end(start, true).max(start + 1);
        if token.kind != Kind::Word {
            let error = self.unexpected(start, "a name");
            self.error(error);
            self.at = end;
            return None;
        }
        let name = Ident { name: self.text(start).into(), span: token.span };
        if is_keyword(&name.name) && !self.text_is(start + 1, ":") {
            self.builder.keyword_as_name(&name);
            self.at = end;
            return None;
        }
        self.at = start + 1;
        let ty = if self.take(":") {
            self.type_piece()
        } else {
            let found = if self.at < end { format!(", found {}", self.describe(self.at)) } else { String::new() };
            let error = SyntaxError::new(
                "missing-type",
                Span::at(token.span.end),
                format!("expected `:` and a type after `{}`{found}", name.name),
            );
            self.error(error.with_hint(format!("`:` says what type something has, `=` what value: `{}: Int = 1`", name.name)));
            None
        };
        let mut default = None;
        let complete = ty.is_some();
        if complete && self.is("=") {
            self.at += 1;
            default = Some(self.value_piece("a value", true));
        } else if complete && self.at < end {
            let mut error = self.unexpected(self.at, "`=`, `,` or a newline");
            if self.text_is(self.at + 1, ":") {
                error.code = "missing-separator";
                self.error(error);
                return Some(self.field_of(name, ty, default));
            }
            self.error(error);
        }
        self.at = self.at.max(end);
        Some(self.field_of(name, ty, default))
    }

    fn field_of(&self, name: Ident, ty: Option<TypeExpr>, default: Option<Expr>) -> Field {
        let ty = ty.unwrap_or(TypeExpr { kind: TypeExprKind::Error, span: Span::at(name.span.end) });
        let span = Span::new(name.span.start, self.end_of_last());
        Field { doc: None, name, ty, default, span }
    }

    /// Parses the type that starts here; reports and returns nothing when there is none.
    pub(super) fn type_piece(&mut self) -> Option<TypeExpr> {
        let at = self.offset();
        let mark = self.mark();
        match self.strict(Rule::type_expr, at, Builder::type_expr) {
            Ok((ty, end)) if !matches!(self.text(self.index_at(end)), "<" | "(" | "|") => {
                self.seek(end);
                Some(ty)
            }
            other => {
                self.reset(mark);
                let start = self.at;
                let failure = match other {
                    Err(failure) => failure,
                    Ok(_) => {
                        let piece = Span::new(at, self.start_of(self.piece_end(start, false)));
                        match self.strict_in(Rule::only_type, piece, Builder::type_expr) {
                            Err(failure) => failure,
                            Ok((ty, end)) => {
                                self.seek(end);
                                return Some(ty);
                            }
                        }
                    }
                };
                self.reset(mark);
                let piece = Span::new(at, self.start_of(self.piece_end(start, true)));
                let error = self.diagnose_type(piece, failure);
                self.builder.errors.extend(error);
                None
            }
        }
    }
}
