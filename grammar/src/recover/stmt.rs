//! Statements that the strict grammar did not take.

use super::cursor::is_gap;
use super::lex::Kind;
use super::{Parsed, Recovery};
use crate::ast::{
    Block, Defaults, Expr, ExprKind, Extend, For, ForBinding, ForClause, Ident, If, IfBranch, Item, Let, LetValue, Match,
    MatchArm, Resource, Span, Stmt,
};
use crate::build::{Builder, hole};
use crate::error::SyntaxError;
use crate::keywords::is_keyword;
use crate::syntax::Rule;

impl<'s> Recovery<'s, '_> {
    /// Parses a statement that starts with a word.
    pub(super) fn broken_stmt(&mut self, word: &str, top: bool) -> Parsed {
        let start = self.at;
        let next = self.text(start + 1);
        if matches!(next, "=" | ":=") && !is_keyword(word) {
            let token = self.tokens[start + 1];
            let error = SyntaxError::new("missing-let", token.span, format!("unexpected `{next}` after `{word}`"));
            self.error(error.with_hint(format!("bind a name with `let {word} = …`")));
            self.skip_piece(false);
            return Parsed::Nothing(self.span_from(start));
        }
        let stmt = match word {
            "let" => self.broken_let(),
            "for" => self.broken_for(),
            "if" => self.broken_if(),
            "match" => self.broken_match(),
            "extend" => self.broken_extend(),
            "defaults" => self.broken_defaults(),
            "else" => {
                let span = self.tokens[start].span;
                self.error(SyntaxError::new("misplaced-else", span, "`else` without an `if` before it"));
                self.skip_piece(false);
                None
            }
            _ => match self.broken_resource(start) {
                Some(resource) => Some(Stmt::Resource(Box::new(resource))),
                None => return self.leaf(top),
            },
        };
        match stmt {
            Some(stmt) => Parsed::Item(Item::Stmt(stmt)),
            None => Parsed::Nothing(self.span_from(start)),
        }
    }

    /// Reports what is wrong with a statement that has no parts to save.
    pub(super) fn leaf(&mut self, top: bool) -> Parsed {
        let start = self.at;
        let from = self.offset();
        if matches!(self.text(start), "," | ";") {
            let span = self.tokens[start].span;
            self.stray_separator(span, self.text(start));
            self.at += 1;
            let is_last = self.token().is_none_or(|token| is_gap(token.kind) || token.kind == Kind::Close);
            return if is_last { Parsed::Nothing(span) } else { self.statement(top) };
        }
        let end = self.piece_end(start, false).max(start + 1).min(self.tokens.len());
        let piece = Span::new(from, self.start_of(end));
        let (only, rule) = if top { (Rule::only_item, Rule::item) } else { (Rule::only_stmt, Rule::stmt) };
        let mark = self.mark();
        let failure = match self.strict_in(only, piece, Builder::item) {
            Ok((item, _)) => {
                self.at = end;
                return Parsed::Item(item);
            }
            Err(failure) => failure,
        };
        self.reset(mark);
        // What stands before the mistake is kept where it is a whole statement.
        let prefix = self.strict_in(rule, piece, Builder::item).ok();
        let kept = prefix.filter(|(item, after)| {
            failure.offset >= *after
                && !matches!(item, Item::Stmt(Stmt::Error(_)))
                && self.kind(self.index_at(*after)) != Some(Kind::Open)
        });
        if kept.is_none() {
            self.reset(mark);
        }
        let error = match self.kind(start) {
            Some(Kind::Word) if start + 1 == end || failure.offset <= from => self.diagnose_word(start, end),
            Some(Kind::Word) => self.diagnose_statement(start, piece, failure),
            _ => Some(self.unexpected(start, if top { "an item or a statement" } else { "a statement" })),
        };
        self.builder.errors.extend(error);
        self.at = end;
        if self.text_is(end - 1, ":") {
            // The lines below are the attributes, as YAML would have them: that was said.
            let errors = self.builder.errors.len();
            self.attributes(self.indent(start), None, from);
            self.builder.errors.truncate(errors);
        }
        match kept {
            Some((item, _)) => Parsed::Item(item),
            None => Parsed::Nothing(self.span_from(start)),
        }
    }

    /// Says what is wrong with a statement of one word, or one that goes wrong at its second token.
    fn diagnose_word(&self, start: usize, end: usize) -> Option<SyntaxError> {
        let word = self.text(start);
        let span = self.tokens[start].span;
        if start + 1 < end && self.is_lexical(start + 1) {
            return self.lexical(start + 1);
        }
        if start + 1 < end {
            let mut error = self.unexpected(start + 1, &format!("a name, arguments or an arrow after `{word}`"));
            match self.text(start + 1) {
                ":" => error.hint = Some("YAML's `key: value` is `key = value` here, inside the body of a resource".into()),
                "-" => error.hint = Some("a name has no `-` in it; use `_`".into()),
                _ => {}
            }
            return Some(error);
        }
        Some(
            SyntaxError::new("incomplete-statement", span, format!("`{word}` alone declares nothing"))
                .with_hint(format!("a resource needs a name, `{word} \"name\" {{ … }}`; a state is called, `{word}()`")),
        )
    }

    fn diagnose_statement(&self, start: usize, piece: Span, failure: crate::build::Failure) -> Option<SyntaxError> {
        let next = start + 1;
        let named = matches!(self.kind(next), Some(Kind::String));
        let after = self.index_at(failure.offset);
        // `file "/etc/x" mode = 0644 }`: the brace is missing.
        if named && self.kind(next + 1) == Some(Kind::Word) && self.text_is(next + 2, "=") {
            let place = Span::at(self.tokens[next].span.end);
            let mut error = SyntaxError::new("missing-delimiter", place, "expected `{` before the attributes");
            error.expected.push("`{`".to_owned());
            return Some(error);
        }
        if named && after == next + 1 && !self.is_lexical(after) {
            let mut error = self.unexpected(after, "`{` or the end of the statement");
            if matches!(self.text(after), "+" | ".") {
                error.hint =
                    Some("a computed name stands in parentheses: `file (dir + \"/x\") { … }`; or use interpolation".into());
            }
            if matches!(self.text(after), ":" | "=>") {
                error.hint = Some("a resource is written `type \"name\" { attribute = value }`".into());
            }
            return Some(error);
        }
        self.diagnose(piece, failure, "a value")
    }

    /// Parses a resource with a body, from token `start` on; nothing where none seems to be declared.
    fn broken_resource(&mut self, start: usize) -> Option<Resource> {
        let open = self.find_brace(start + 1)?;
        let doc = None;
        let word = self.tokens[start];
        let type_name = Ident { name: self.text(start).into(), span: word.span };
        if self.text_is(open + 1, "}") && open == start + 1 || self.kind(start + 1) == Some(Kind::Mark) {
            return None;
        }
        let name = self.resource_name(start + 1, open, &type_name);
        let body = self.body(open);
        let span = Span::new(word.span.start, self.end_of_last());
        Some(Resource { doc, type_name, name, body: Some(body), span })
    }

    /// Parses the name between tokens `first` and `open`, the brace.
    fn resource_name(&mut self, first: usize, open: usize, type_name: &Ident) -> Expr {
        let range = Span::new(self.start_of(first), self.start_of(open));
        if first == open {
            let place = Span::at(type_name.span.end);
            self.error(SyntaxError::nameless(place, &type_name.name));
            return hole(place);
        }
        let mark = self.mark();
        match self.strict_in(Rule::only_expr, range, Builder::expr) {
            Ok((expr, _)) => {
                if matches!(expr.kind, ExprKind::Binary(_) | ExprKind::Range(_) | ExprKind::Unary(_) | ExprKind::Lambda(_)) {
                    let text = range.text(self.source).trim();
                    let error = SyntaxError::new(
                        "unexpected-token",
                        expr.span,
                        "the name of a resource cannot be computed without parentheses",
                    );
                    let quoted = self.dashed_name(first).map(|_| format!("a name stands in quotes: `\"{text}\"`"));
                    self.error(error.with_hint(quoted.unwrap_or_else(|| format!("write `({text})`, or use interpolation"))));
                }
                expr
            }
            Err(failure) => {
                self.reset(mark);
                let error = self.diagnose(range, failure, "a name");
                self.builder.errors.extend(error);
                hole(range)
            }
        }
    }

    fn broken_let(&mut self) -> Option<Stmt> {
        let start = self.at;
        self.at += 1;
        let name = self.name("a name", "let")?;
        let mut ty = None;
        if self.take(":") {
            ty = self.type_piece();
            if ty.is_none() {
                self.at = self.piece_end(start, false).max(self.at);
                return None;
            }
        }
        if !self.take("=") {
            match self.dashed_name(self.at - 1) {
                Some(error) if ty.is_none() => self.error(error),
                _ => self.expected_equals(),
            }
            self.at = self.piece_end(start, false).max(self.at);
            return None;
        }
        let value_at = self.at;
        let is_resource = self.kind(value_at) == Some(Kind::Word)
            && !is_keyword(self.text(value_at))
            && matches!(
                self.kind(value_at + 1),
                Some(Kind::String | Kind::Unterminated | Kind::SingleQuoted | Kind::Word | Kind::Open)
            )
            && !matches!(self.text(value_at + 1), "in" | "not");
        let value = match if is_resource { self.broken_resource(value_at) } else { None } {
            Some(resource) => LetValue::Resource(resource),
            None => {
                self.at = value_at;
                self.let_value(value_at)
            }
        };
        let span = self.span_from(start);
        Some(Stmt::Let(Box::new(Let { doc: None, name, ty, value, span })))
    }

    fn let_value(&mut self, value_at: usize) -> LetValue {
        // A resource without a body, with something wrong in its name.
        if self.looks_like_resource(value_at) {
            let end = self.piece_end(value_at, false);
            let word = self.tokens[value_at];
            let type_name = Ident { name: self.text(value_at).into(), span: word.span };
            let name = self.resource_name(value_at + 1, end, &type_name);
            self.at = end;
            let span = self.span_from(value_at);
            return LetValue::Resource(Resource { doc: None, type_name, name, body: None, span });
        }
        LetValue::Expr(self.value_piece("a value", false))
    }

    /// Reports that `=` is missing here.
    pub(super) fn expected_equals(&mut self) {
        let found = self.text(self.at);
        if matches!(found, ":" | "=>" | "==" | ":=" | "+=") {
            self.wrong_equals(self.at);
            return;
        }
        let error = match self.token() {
            Some(token) if !is_gap(token.kind) && !self.is_lexical(self.at) => {
                let message = format!("expected `=`, found {}", self.describe(self.at));
                SyntaxError::new("expected-equals", token.span, message)
            }
            Some(token) if !is_gap(token.kind) => self.unexpected(self.at, "`=`"),
            _ => SyntaxError::new("expected-equals", Span::at(self.end_of_last()), "expected `=` and a value"),
        };
        let mut error = error;
        error.expected.push("`=`".to_owned());
        self.error(error);
    }

    /// Parses a name that is bound; reports and skips the piece where there is none.
    pub(super) fn name(&mut self, what: &str, after: &str) -> Option<Ident> {
        let start = self.at;
        match self.token() {
            Some(token) if token.kind == Kind::Word => {
                let name = Ident { name: self.text(start).into(), span: token.span };
                if is_keyword(&name.name) {
                    self.builder.keyword_as_name(&name);
                    self.at = self.piece_end(start, false).max(start + 1);
                    return None;
                }
                self.at += 1;
                Some(name)
            }
            Some(token) if !is_gap(token.kind) => {
                let error = self.unexpected(start, &format!("{what} after `{after}`"));
                self.error(error);
                self.at = self.piece_end(start, false).max(start);
                None
            }
            _ => {
                let mut error =
                    SyntaxError::new("missing-name", Span::at(self.end_of_last()), format!("expected {what} after `{after}`"));
                error.expected.push(what.to_owned());
                self.error(error);
                None
            }
        }
    }

    /// Parses the head between the cursor and the `{` of its block with `rule`. Moves to the brace and returns it; when there is
    /// none, reports that, too, unless the head is wrong already.
    fn head<T>(
        &mut self,
        rule: Rule,
        only: Rule,
        what: &str,
        build: fn(&mut Builder<'s>, crate::build::Node<'s>) -> T,
    ) -> (Option<T>, Option<usize>) {
        let start = self.at;
        let from = self.offset();
        let mark = self.mark();
        if let Ok((head, end)) = self.strict(rule, from, build) {
            let next = self.index_at(end);
            if self.text_is(next, "{") {
                self.at = next;
                return (Some(head), Some(next));
            }
            if self.kind(next).is_none_or(is_gap) {
                self.at = next;
                self.missing_block();
                return (Some(head), None);
            }
            let is_next = self.kind(next) == Some(Kind::Word) && !matches!(self.text(next), "and" | "or" | "of");
            if is_next && self.find_brace(start).is_none_or(|brace| brace > self.piece_end(start, false)) {
                self.at = next;
                self.missing_block();
                self.at = self.piece_end(next, false);
                return (Some(head), None);
            }
        }
        self.reset(mark);
        let open = self.find_brace(start);
        let end = open.unwrap_or_else(|| self.piece_end(start, false));
        let piece = Span::new(from, self.start_of(end));
        if start == end {
            let error = self.missing(start, what);
            self.error(error);
        } else if rule == Rule::for_clause && self.kind(start) == Some(Kind::Word) && !self.has_in(start) {
            let mut error = self.unexpected(start + 1, &format!("`in` after `{}`", self.text(start)));
            error.code = "unexpected-token";
            self.error(error);
        } else {
            match self.strict_in(only, piece, build) {
                Ok((head, _)) => {
                    self.at = end;
                    if open.is_none() {
                        self.missing_block();
                    }
                    return (Some(head), open);
                }
                Err(failure) => {
                    self.reset(mark);
                    let error = self.diagnose(piece, failure, what);
                    self.builder.errors.extend(error);
                }
            }
        }
        self.at = end;
        (None, open)
    }

    /// Tells whether `in` follows the names of a `for`.
    fn has_in(&self, start: usize) -> bool {
        let names = if self.text_is(start + 1, ",") { 3 } else { 1 };
        self.text_is(start + names, "in")
    }

    /// Reports that a block is missing here.
    pub(super) fn missing_block(&mut self) {
        let mut error = SyntaxError::new("missing-delimiter", Span::at(self.end_of_last()), "expected `{` and a block");
        error.expected.push("`{`".to_owned());
        self.error(error);
    }

    /// Parses the block that opens at `open`.
    pub(super) fn block_at(&mut self, open: usize) -> Block {
        let start = self.start_of(open);
        let (stmts, end) = self.block(open);
        Block { stmts, span: Span::new(start, end) }
    }

    /// Parses the block behind a head on the line of token `start`: from its brace on or, where that is missing and was reported, as
    /// far as the lines stand further in.
    pub(super) fn block_after(&mut self, open: Option<usize>, start: usize) -> Block {
        match open {
            Some(open) => self.block_at(open),
            None => {
                let from = self.end_of_last();
                let indent = self.indent(start);
                let next = self.next_significant(self.at);
                if next < self.tokens.len() && next > self.at && self.indent(next) > indent {
                    let (stmts, end) = self.statements(indent, None);
                    return Block { stmts, span: Span::new(from, end) };
                }
                Block { stmts: Vec::new(), span: Span::at(from) }
            }
        }
    }

    fn broken_for(&mut self) -> Option<Stmt> {
        let start = self.at;
        self.at += 1;
        let (clause, open) = self.head(Rule::for_clause, Rule::only_clause, "`x in xs`", Builder::for_clause);
        let body = self.block_after(open, start);
        let span = self.span_from(start);
        let clause = clause.unwrap_or_else(|| {
            let place = Span::at(self.tokens[start].span.end);
            // The names are known all the same, so that using them in the body is no second mistake.
            let first = self.bound_name(start + 1);
            let second = first.as_ref().filter(|_| self.text_is(start + 2, ",")).and_then(|_| self.bound_name(start + 3));
            let first = first.unwrap_or(Ident { name: "".into(), span: place });
            ForClause { binding: ForBinding { first, second }, iterable: hole(place), filter: None, span: place }
        });
        Some(Stmt::For(Box::new(For { binding: clause.binding, iterable: clause.iterable, filter: clause.filter, body, span })))
    }

    /// The name that a token is, if it may be bound.
    fn bound_name(&self, index: usize) -> Option<Ident> {
        let name = self.text(index);
        let is_name = self.kind(index) == Some(Kind::Word) && !is_keyword(name);
        is_name.then(|| Ident { name: name.into(), span: self.tokens[index].span })
    }

    fn broken_if(&mut self) -> Option<Stmt> {
        let start = self.at;
        let mut branches = Vec::new();
        let mut otherwise = None;
        loop {
            // At `if`.
            let place = self.tokens.get(self.at).map_or(Span::default(), |token| token.span);
            self.at += 1;
            let (condition, open) = self.head(Rule::expr, Rule::only_expr, "a condition", Builder::expr);
            let condition = condition.unwrap_or(hole(place));
            let body = self.block_after(open, start);
            branches.push(IfBranch { condition, body });
            let next = self.next_significant(self.at);
            if !self.text_is(next, "else") || open.is_none() {
                break;
            }
            self.at = next + 1;
            if self.is("if") {
                continue;
            }
            if self.is("{") {
                otherwise = Some(self.block_at(self.at));
            } else {
                let mut error = self.unexpected(self.at, "`if` or `{` after `else`");
                error.code = "missing-delimiter";
                self.error(error);
                self.at = self.piece_end(self.at, false);
            }
            break;
        }
        if branches.is_empty() {
            return None;
        }
        let span = self.span_from(start);
        Some(Stmt::If(Box::new(If { branches, otherwise, span })))
    }

    fn broken_match(&mut self) -> Option<Stmt> {
        let start = self.at;
        self.at += 1;
        let (subject, open) = self.head(Rule::expr, Rule::only_expr, "a value", Builder::expr);
        let open = open?;
        let indent = self.indent(open);
        let mut arms = Vec::new();
        self.at = open + 1;
        self.depth += 1;
        loop {
            self.skip_gap();
            if self.take("}") {
                break;
            }
            let left = self.is_first_on_line(self.at) && self.looks_like_start(self.at) && self.indent(self.at) <= indent;
            if self.token().is_none() || left {
                self.unclosed(open);
                break;
            }
            let before = self.at;
            let errors = self.builder.errors.len();
            arms.extend(self.match_arm());
            self.after_statement(self.builder.errors.len() > errors);
            self.at = self.at.max(before + 1);
        }
        self.depth -= 1;
        let span = self.span_from(start);
        let subject = subject.unwrap_or(hole(Span::at(self.tokens[start].span.end)));
        Some(Stmt::Match(Box::new(Match { subject, arms, span })))
    }

    fn match_arm(&mut self) -> Option<MatchArm> {
        let start = self.at;
        let from = self.offset();
        let mark = self.mark();
        let parsed = self.strict(Rule::patterns, from, Builder::patterns);
        let patterns = match parsed {
            Ok((patterns, end)) if self.text_is(self.index_at(end), "=>") => {
                self.seek(end);
                patterns
            }
            other => {
                self.reset(mark);
                let end = self.piece_end(start, true).max(start + 1);
                let arrow = (start..end).find(|index| self.text_is(*index, "=>"));
                match (arrow, other) {
                    (Some(arrow), _) => {
                        let piece = Span::new(from, self.start_of(arrow));
                        let failure = self.strict_in(Rule::only_patterns, piece, Builder::patterns).err();
                        self.reset(mark);
                        let error = failure.and_then(|failure| self.diagnose(piece, failure, "a pattern"));
                        self.builder.errors.extend(error);
                        self.at = arrow;
                        Vec::new()
                    }
                    (None, Ok((_, after))) => {
                        self.seek(after);
                        let error = self.unexpected(self.at, "`=>` and a block");
                        self.error(error);
                        self.at = end;
                        return None;
                    }
                    (None, Err(_)) => {
                        let error = self.unexpected(start, "a pattern");
                        self.error(error);
                        self.at = end;
                        return None;
                    }
                }
            }
        };
        self.at += 1;
        if !self.is("{") {
            let error = self.unexpected(self.at, "`{` and a block after `=>`");
            self.error(error);
            self.at = self.piece_end(start, true).max(self.at);
            return None;
        }
        let body = self.block_at(self.at);
        Some(MatchArm { patterns, body, span: self.span_from(start) })
    }

    fn broken_extend(&mut self) -> Option<Stmt> {
        let start = self.at;
        self.at += 1;
        let (target, open) =
            self.head(Rule::reference, Rule::only_reference, "a reference such as `file[\"/etc/x\"]`", Builder::reference);
        let body = self.body(open?);
        let span = self.span_from(start);
        let target = target.unwrap_or(hole(Span::at(self.tokens[start].span.end)));
        Some(Stmt::Extend(Box::new(Extend { target, body, span })))
    }

    fn broken_defaults(&mut self) -> Option<Stmt> {
        let start = self.at;
        self.at += 1;
        let type_name = self.name("a resource type", "defaults")?;
        if !self.is("{") {
            let mut error = self.unexpected(self.at, "`{`");
            error.code = "missing-delimiter";
            self.error(error);
            self.at = self.piece_end(start, false).max(self.at);
            return None;
        }
        let body = self.body(self.at);
        let span = self.span_from(start);
        Some(Stmt::Defaults(Box::new(Defaults { type_name, body, span })))
    }
}
