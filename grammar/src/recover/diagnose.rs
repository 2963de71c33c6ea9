//! What to say about a piece that the strict grammar does not take.

use super::Recovery;
use super::cursor::{closing, is_binary_operator, is_gap};
use super::lex::Kind;
use crate::ast::Span;
use crate::build::{Failure, too_deep};
use crate::error::SyntaxError;
use crate::keywords::is_keyword;

impl Recovery<'_, '_> {
    /// Says what is wrong with the expression (or reference, or pattern) in `piece`, where pest came as far as `failure`.
    /// `None` where it was said already.
    pub(super) fn diagnose(&self, piece: Span, failure: Failure, what: &str) -> Option<SyntaxError> {
        if failure.deep {
            return Some(too_deep(Span::at(failure.offset)));
        }
        let first = self.index_at(piece.start);
        let end = self.index_at(piece.end);
        let mut index = self.index_at(failure.offset).max(first);
        // pest stops at the start of a token that it cannot match to its end.
        if index > first && self.tokens[index - 1].span.end > failure.offset {
            index -= 1;
        }
        if self.kind(index) == Some(Kind::String) && self.start_of(index) < failure.offset {
            return Some(self.in_string(index, failure.offset));
        }
        if self.kind(index) == Some(Kind::SlashComment) {
            return None;
        }
        let at = self.next_significant(index);
        // pest never goes past a string that is not closed, though it looks into it.
        if let Some(string) = (first..=at.min(end)).find(|index| *index < end && self.kind(*index) == Some(Kind::Unterminated)) {
            return self.lexical(string);
        }
        let opener = self.innermost_open(first, at.min(end));
        if at >= end {
            return Some(self.unfinished(end, opener, what));
        }
        if self.is_lexical(at) {
            return self.lexical(at);
        }
        if let Some(opener) = opener
            && self.kind(at) == Some(Kind::Close)
            && !self.is_pair(opener, at)
        {
            return Some(self.mismatched(opener, at));
        }
        Some(self.wrong_token(at, first, opener, what))
    }

    /// Says what is wrong with the type in `piece`.
    pub(super) fn diagnose_type(&self, piece: Span, failure: Failure) -> Option<SyntaxError> {
        if failure.deep {
            return Some(too_deep(Span::at(failure.offset)));
        }
        let first = self.index_at(piece.start);
        let end = self.index_at(piece.end);
        let at = self.next_significant(self.index_at(failure.offset).max(first));
        if at < end && self.is_lexical(at) {
            return self.lexical(at);
        }
        let angles = |text: &str| (first..end).filter(|index| self.text_is(*index, text)).count();
        if at >= end
            && angles("<") > angles(">")
            && let Some(open) = (first..end).rev().find(|index| self.text_is(*index, "<"))
        {
            let span = self.tokens[open].span;
            let mut error = SyntaxError::new("unclosed-delimiter", span, "unclosed `<`").with_label(span, "opened here");
            error.expected.push("`>`".to_owned());
            return Some(error);
        }
        let mut error = if at == first && at >= end {
            let place = Span::at(self.end_before(at));
            SyntaxError::new("missing-type", place, "expected a type")
        } else if at >= end {
            match self.innermost_open(first, end) {
                Some(opener) => self.unclosed_in_piece(opener, end),
                None => SyntaxError::new(
                    "missing-type",
                    Span::at(self.end_before(end)),
                    format!("expected a type after `{}`", self.text(end.saturating_sub(1))),
                ),
            }
        } else {
            let error = SyntaxError::new(
                "unexpected-token",
                self.tokens[at].span,
                format!("expected a type, found {}", self.describe(at)),
            );
            match self.text(at) {
                "<" => error.with_hint("type arguments look like `List<Int>`"),
                "[" => error.with_hint("a list type is `List<T>`"),
                "(" => error.with_hint("a refinement is a range or a regular expression: `Int(1..=64)`, `String(/re/)`"),
                _ => error,
            }
        };
        error.expected.push("a type".to_owned());
        Some(error)
    }

    /// Says that something other than `what` stands at a token.
    pub(super) fn unexpected(&self, index: usize, what: &str) -> SyntaxError {
        if self.is_lexical(index)
            && let Some(error) = self.lexical(index)
        {
            return error;
        }
        let Some(token) = self.tokens.get(index) else {
            return SyntaxError::new(
                "unexpected-token",
                Span::at(self.end_before(index)),
                format!("expected {what}, found the end of the file"),
            );
        };
        let span = if is_gap(token.kind) { Span::at(self.end_before(index)) } else { token.span };
        let mut error = SyntaxError::new("unexpected-token", span, format!("expected {what}, found {}", self.describe(index)));
        error.expected.push(what.to_owned());
        error
    }

    /// Says that `what` is missing before a token.
    pub(super) fn missing(&self, index: usize, what: &str) -> SyntaxError {
        let before = if index > 0 { self.text(index - 1) } else { "" };
        let message =
            if before.trim().is_empty() { format!("expected {what}") } else { format!("expected {what} after `{before}`") };
        let mut error = SyntaxError::new("missing-value", Span::at(self.end_before(index)), message);
        error.expected.push(what.to_owned());
        if before == "="
            && self.kind(index).is_some_and(is_gap)
            && self.kind(self.next_significant(index)).is_some_and(|kind| kind != Kind::Close)
            && !self.looks_like_start(self.next_significant(index))
        {
            error.hint = Some("a value starts on the line of its `=`".into());
        }
        error
    }

    /// Says what stands behind a whole statement, where only a newline or a comma can.
    pub(super) fn unexpected_after_statement(&self, token: super::Token) -> SyntaxError {
        let index = self.index_at(token.span.start);
        match self.text(index) {
            "->" | "~>" => {
                SyntaxError::new("arrow-after-body", token.span, "arrows stand between references, not between declarations")
                    .with_hint("give the resource a name first, `let a = …`, then write `a -> b`")
            }
            ";" => SyntaxError::new("unexpected-token", token.span, "unexpected `;`")
                .with_hint("a newline or a comma separates; `;` is not needed"),
            _ => self.unexpected(index, "a newline"),
        }
    }

    /// Returns how a message names a token.
    pub(super) fn describe(&self, index: usize) -> String {
        let text = self.text(index);
        match self.kind(index) {
            None => "the end of the file".to_owned(),
            Some(kind) if is_gap(kind) => "the end of the line".to_owned(),
            Some(Kind::String | Kind::Unterminated | Kind::SingleQuoted) if text.len() > 24 => "a string".to_owned(),
            Some(_) if is_keyword(text) && !matches!(text, "true" | "false" | "none") => format!("the keyword `{text}`"),
            Some(_) if text.chars().count() > 32 => format!("`{}…`", text.chars().take(24).collect::<String>()),
            Some(_) => format!("`{text}`"),
        }
    }

    pub(super) fn is_lexical(&self, index: usize) -> bool {
        match self.kind(index) {
            Some(Kind::Unterminated | Kind::SingleQuoted | Kind::Unknown | Kind::SlashComment | Kind::Regex) => true,
            Some(Kind::Mark) => matches!(self.text(index), ";" | "::"),
            _ => false,
        }
    }

    /// Says what is wrong with a token that can stand nowhere. `None` where it was said already.
    pub(super) fn lexical(&self, index: usize) -> Option<SyntaxError> {
        let token = self.tokens.get(index)?;
        let text = self.text(index);
        let opening = |length: u32| Span::new(token.span.start, token.span.start + length);
        Some(match token.kind {
            Kind::SlashComment => return None,
            Kind::Unterminated if text.starts_with("\"\"\"") => {
                SyntaxError::new("unterminated-string", opening(3), "this `\"\"\"` block is not closed")
                    .with_hint("close it with `\"\"\"`")
            }
            Kind::Unterminated if text.starts_with('r') => {
                SyntaxError::new("unterminated-string", opening(2), "this raw string is not closed")
                    .with_hint("a raw string `r\"…\"` ends on its line; `r#\"…\"#` may span several, and a `\"\"\"` block, too")
            }
            Kind::Unterminated if text.len() > 1 && text.ends_with('"') && text.contains("${") => {
                let start = token.span.start + text.find("${").unwrap_or(0) as u32;
                SyntaxError::new("bad-interpolation", Span::new(start, start + 2), "this interpolation is not closed")
                    .with_hint("`${…}` holds one expression; a plain `${` is written `\\${`")
            }
            Kind::Unterminated if text.ends_with("\\\"") => {
                SyntaxError::new("unterminated-string", opening(1), "this string is not closed on its line")
                    .with_hint("`\\\"` is a quote in the text; a backslash at the end is written `\\\\`")
            }
            Kind::Unterminated => SyntaxError::new("unterminated-string", opening(1), "this string is not closed on its line")
                .with_hint("close it with `\"`; for a text of several lines use a `\"\"\"` block"),
            Kind::SingleQuoted => {
                let quoted = format!("\"{}\"", text.trim_matches('\'').replace('"', "\\\""));
                let error = SyntaxError::new("single-quoted-string", token.span, "strings stand in double quotes")
                    .with_hint(format!("write `{quoted}`"));
                // In double quotes a backslash and `${` are no plain text.
                let is_plain = text.len() > 1 && text.ends_with('\'') && !text.contains('\\') && !text.contains("${");
                if is_plain { error.with_replacement(token.span, quoted) } else { error }
            }
            Kind::Regex => SyntaxError::new("unexpected-regex", token.span, "a regular expression cannot stand here").with_hint(
                "they stand in types `String(/re/)`, after `node`, and in patterns of `match`; elsewhere use a string r\"…\"",
            ),
            _ if text == ";" => SyntaxError::new("unexpected-token", token.span, "unexpected `;`")
                .with_hint("a newline or a comma separates; `;` is not needed"),
            _ if text == "::" => SyntaxError::new("unexpected-token", token.span, "unexpected `::`")
                .with_hint("members of modules are reached with `.`"),
            _ => self.unknown_character(token.span, text),
        })
    }

    /// Says that an interpolation of a string is wrong.
    fn in_string(&self, index: usize, offset: u32) -> SyntaxError {
        let token = self.tokens[index];
        let before = &self.source[token.span.start as usize..offset.min(token.span.end) as usize];
        let start = before.rfind("${").map_or(token.span.start, |at| token.span.start + at as u32);
        let span = Span::new(start, offset.max(start + 1));
        SyntaxError::new("bad-interpolation", span, "this interpolation is not an expression")
            .with_hint("`${…}` holds one expression; a plain `${` is written `\\${`")
    }

    fn unknown_character(&self, span: Span, text: &str) -> SyntaxError {
        let shown = text.escape_debug();
        let error = SyntaxError::new("unexpected-character", span, format!("unexpected character `{shown}`"));
        let after = span.end as usize;
        let before_word = self.source[after..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        match text {
            "$" if before_word => error.with_hint("names stand without `$`"),
            "\u{a0}" => error.with_hint("this is a no-break space; type a plain one"),
            "“" | "”" | "„" | "‘" | "’" => error.with_hint("use the plain quote `\"`"),
            "'" => error.with_hint("strings stand in double quotes"),
            "\\" => error.with_hint("a line goes on after an operator, or inside brackets; `\\` is not needed"),
            "@" => error.with_hint("there are no annotations; write the attribute in the body"),
            "`" => error.with_hint("strings stand in double quotes"),
            _ if text.chars().all(char::is_alphanumeric) => {
                error.with_hint("names are made of the letters a to z, digits and `_`")
            }
            _ => error,
        }
    }

    /// Returns the innermost bracket that is open before `end`, of those from `first` on.
    fn innermost_open(&self, first: usize, end: usize) -> Option<usize> {
        let mut open: Vec<usize> = Vec::new();
        for index in first..end {
            match self.kind(index) {
                Some(Kind::Open) => open.push(index),
                Some(Kind::Close) => {
                    if let Some(position) = open.iter().rposition(|opener| self.is_pair(*opener, index)) {
                        open.truncate(position);
                    }
                }
                _ => {}
            }
        }
        open.pop()
    }

    /// Says what is missing where a piece ends too early.
    fn unfinished(&self, end: usize, opener: Option<usize>, what: &str) -> SyntaxError {
        let last = (0..end).rev().find(|index| self.kind(*index).is_some_and(|kind| !is_gap(kind)));
        let text = last.map_or("", |last| self.text(last));
        let is_operator = is_binary_operator(text)
            || matches!(text, "=" | "!" | "=>" | "," | ":" | "|")
            || is_keyword(text) && !matches!(text, "true" | "false" | "none" | "node");
        if let Some(opener) = opener.filter(|_| !is_operator || text == ",") {
            return self.unclosed_in_piece(opener, end);
        }
        let place = Span::at(self.end_before(end));
        let (code, message) = match text {
            "." | "?." => ("missing-name", format!("expected a name after `{text}`")),
            _ if is_operator => ("missing-value", format!("expected {what} after `{text}`")),
            _ => ("unexpected-token", format!("expected more after `{text}`")),
        };
        let mut error = SyntaxError::new(code, place, message);
        error.expected.push(if code == "missing-name" { "a name".to_owned() } else { what.to_owned() });
        error
    }

    /// Says that a bracket is still open where its piece ends.
    fn unclosed_in_piece(&self, opener: usize, end: usize) -> SyntaxError {
        let text = self.text(opener);
        let closer = closing(text);
        let span = self.tokens[opener].span;
        let mut error =
            SyntaxError::new("unclosed-delimiter", span, format!("unclosed `{text}`")).with_label(span, "opened here");
        if end < self.tokens.len() {
            error = error.with_label(Span::at(self.end_before(end)), format!("`{closer}` is missing here"));
        }
        error.expected.push(format!("`{closer}`"));
        error
    }

    /// Says that `1.22.3` or `10.0.0.0/8` is no number, if that stands around token `at`.
    fn dotted_number(&self, first: usize, at: usize) -> Option<SyntaxError> {
        let is_part = |index: usize| self.kind(index) == Some(Kind::Number) || matches!(self.text(index), "." | "/" | "-");
        let touches = |index: usize| index > first && self.tokens[index - 1].span.end == self.start_of(index);
        let mut start = at;
        while start > first && touches(start) && is_part(start - 1) {
            start -= 1;
        }
        let mut end = at;
        while is_part(end + 1) && touches(end + 1) {
            end += 1;
        }
        let parts = (start..=end).filter(|index| self.text_is(*index, ".")).count();
        if self.kind(start) != Some(Kind::Number) || parts == 0 {
            return None;
        }
        let span = Span::new(self.start_of(start), self.tokens.get(end)?.span.end);
        let text = span.text(self.source);
        let error = SyntaxError::new("bad-number", span, format!("`{text}` is not a number"));
        Some(error.with_hint(format!("a version, an address or a date is a string: `\"{text}\"`")))
    }

    fn mismatched(&self, opener: usize, at: usize) -> SyntaxError {
        let closer = closing(self.text(opener));
        let mut error = SyntaxError::new(
            "mismatched-delimiter",
            self.tokens[at].span,
            format!("expected `{closer}`, found `{}`", self.text(at)),
        )
        .with_label(self.tokens[opener].span, "opened here");
        error.expected.push(format!("`{closer}`"));
        error
    }

    /// Says what is wrong with a token inside an expression.
    fn wrong_token(&self, at: usize, first: usize, opener: Option<usize>, what: &str) -> SyntaxError {
        let text = self.text(at);
        let found = self.describe(at);
        let span = self.tokens[at].span;
        let before = (first..at).rev().find(|index| self.kind(*index).is_some_and(|kind| !is_gap(kind)));
        let before_text = before.map_or("", |before| self.text(before));
        let wants_value = before.is_none()
            || is_binary_operator(before_text)
            || matches!(before_text, "=" | "!" | "=>" | "," | "(" | "[" | "{" | ":")
            || is_keyword(before_text) && !matches!(before_text, "true" | "false" | "none" | "node");
        if let Some(number) = self.dotted_number(first, at) {
            return number;
        }
        if matches!(before_text, "." | "?.") {
            let mut error =
                SyntaxError::new("missing-name", span, format!("expected a name after `{before_text}`, found {found}"));
            error.expected.push("a name".to_owned());
            if self.kind(at) == Some(Kind::Number) {
                error.hint = Some("an element of a list is `list[0]`".into());
            }
            return error;
        }
        if wants_value && !matches!(text, "&" | "|" | "?") {
            let message = if before_text.is_empty() || matches!(before_text, "(" | "[" | "{" | ",") {
                format!("expected {what}, found {found}")
            } else {
                format!("expected {what} after `{before_text}`, found {found}")
            };
            let mut error = SyntaxError::new("missing-value", span, message);
            error.expected.push(what.to_owned());
            return error;
        }
        let in_brackets = opener.map(|opener| self.text(opener));
        if let Some(before) = before
            && before > first
            && (self.text_is(before - 1, "for") || before > first + 2 && self.text_is(before - 3, "for"))
        {
            let mut error =
                SyntaxError::new("unexpected-token", span, format!("expected `in` after `{before_text}`, found {found}"));
            error.expected.push("`in`".to_owned());
            return error;
        }
        let starts_value = matches!(self.kind(at), Some(Kind::Word | Kind::Number | Kind::String)) || text == "{";
        let error = SyntaxError::new("unexpected-token", span, format!("unexpected {found} after `{}`", short(before_text)));
        match text {
            "&" | "and" => error.with_hint("both conditions: `&&`").with_replacement(span, "&&"),
            "|" | "or" => error.with_hint("either condition: `||`").with_replacement(span, "||"),
            "then" => error.with_hint("braces hold what an `if` gives: `if c { a } else { b }`"),
            "elif" | "elsif" | "elseif" => error.with_hint("another condition is `else if`").with_replacement(span, "else if"),
            "?" => error.with_hint("choose between two values with `if c { a } else { b }`, replace `none` with `a ?? b`"),
            "=>" => error.with_hint("`=` gives a value; `=>` stands in functions `x => …` and in `match`"),
            _ if before_text == "not" => {
                let error = error.with_hint("negation is `!`");
                // `!` binds tighter than `not` does elsewhere: what is compared would need parentheses.
                let is_name = self.kind(at) == Some(Kind::Word);
                let is_all = matches!(self.text(at + 1), "{" | "}" | ")" | "]" | "," | "&&" | "||" | "and" | "or")
                    || self.kind(at + 1).is_none_or(is_gap);
                match before.map(|before| self.start_of(before)) {
                    Some(start) if is_name && is_all => error.with_replacement(Span::new(start, span.start), "!"),
                    _ => error,
                }
            }
            ":" if matches!(in_brackets, Some("{" | "(")) => {
                let mut error = SyntaxError::new("expected-equals", span, "expected `=`, found `:`");
                error.expected.push("`=`".to_owned());
                error
                    .with_hint("`=` says what value something has; `:` says what type")
                    .with_replacement(span, self.spaced(span, "="))
            }
            "=" if opener.is_none() => error.with_hint("`==` compares").with_replacement(span, "=="),
            "=" => error.with_hint("`==` compares"),
            _ if starts_value && in_brackets.is_some() => {
                let place = Span::at(self.end_before(at));
                let mut error = SyntaxError::new("missing-separator", place, format!("expected `,` or a newline before {found}"));
                error.expected.push("`,`".to_owned());
                error
            }
            _ if self.kind(at) == Some(Kind::Word) && before.is_some_and(|before| self.kind(before) == Some(Kind::Number)) => {
                let error = error.with_hint("a unit stands right behind its number, as in `30s` or `10MiB`");
                let number = before.and_then(|before| self.tokens.get(before));
                number.map_or(error.clone(), |number| error.with_replacement(Span::new(number.span.end, span.start), ""))
            }
            _ if self.kind(at) == Some(Kind::Number) || before.is_some_and(|before| self.kind(before) == Some(Kind::Number)) => {
                error.with_hint("a version, an address or a date is a string, in quotes")
            }
            _ => error,
        }
    }
}

fn short(text: &str) -> String {
    if text.chars().count() > 24 { format!("{}…", text.chars().take(20).collect::<String>()) } else { text.to_owned() }
}
