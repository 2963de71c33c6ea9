//! Tokens of a source that has mistakes: what the recovery and its messages look at.
//!
//! Never fails, never looks at what tokens mean together. Strings that do not end are cut at the end of their line.

use crate::ast::Span;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Word,
    Number,
    /// A string of any form, closed.
    String,
    /// A string that does not end on its line; a block or raw string that does not end at all.
    Unterminated,
    /// `'text'`
    SingleQuoted,
    Regex,
    /// `(`, `[`, `{`
    Open,
    /// `)`, `]`, `}`
    Close,
    /// An operator or another mark that the language or its neighbours know.
    Mark,
    /// A character that nothing starts with.
    Unknown,
    Comment,
    /// `// ...` or `/* ... */`
    SlashComment,
    Newline,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// Longest first.
const MARKS: &[&str] = &[
    "..=", "??", "?.", "||", "&&", "==", "=>", "!=", "<=", ">=", "..", "->", "~>", "+=", ":=", "::", "=", "!", "<", ">", "+",
    "-", "*", "/", "%", ".", ",", ":", "?", "|", "&", "~", ";",
];

/// How deep strings inside interpolations inside strings are followed.
const DEEPEST: usize = 32;

/// Returns the tokens of a source.
pub(crate) fn lex(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { source, bytes: source.as_bytes(), tokens: Vec::with_capacity(source.len() / 5) };
    let mut at = if source.starts_with('\u{FEFF}') { 3 } else { 0 };
    while at < source.len() {
        at = lexer.token(at);
    }
    lexer.tokens
}

struct Lexer<'s> {
    source: &'s str,
    bytes: &'s [u8],
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    /// Takes one token, or blanks, and returns the offset behind it.
    fn token(&mut self, at: usize) -> usize {
        let rest = &self.source[at..];
        let byte = self.bytes[at];
        let (kind, end) = match byte {
            b' ' | b'\t' | b'\r' => return at + 1,
            b'\n' => (Kind::Newline, at + 1),
            b'#' => (Kind::Comment, self.line_end(at)),
            b'"' => self.string(at),
            b'r' if raw_hashes(rest).is_some() => self.raw_string(at),
            b'\'' => self.single_quoted(at),
            b'(' | b'[' | b'{' => (Kind::Open, at + 1),
            b')' | b']' | b'}' => (Kind::Close, at + 1),
            b'0'..=b'9' => (Kind::Number, self.number_end(at)),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => (Kind::Word, self.word_end(at)),
            b'/' if rest.starts_with("//") => (Kind::SlashComment, self.line_end(at)),
            b'/' if rest.starts_with("/*") => {
                let end = rest.find("*/").map_or_else(|| self.line_end(at), |length| at + length + 2);
                (Kind::SlashComment, end)
            }
            b'/' if self.regex_end(at).is_some() => (Kind::Regex, self.regex_end(at).unwrap_or(at + 1)),
            _ => match MARKS.iter().find(|mark| rest.starts_with(**mark)) {
                Some(mark) => (Kind::Mark, at + mark.len()),
                None => (Kind::Unknown, at + rest.chars().next().map_or(1, char::len_utf8)),
            },
        };
        self.tokens.push(Token { kind, span: Span::new(at as u32, end as u32) });
        end
    }

    fn line_end(&self, at: usize) -> usize {
        let line = self.source[at..].split_once('\n').map_or(&self.source[at..], |(line, _)| line);
        at + line.trim_end_matches('\r').len()
    }

    fn word_end(&self, at: usize) -> usize {
        at + self.bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count()
    }

    fn number_end(&self, at: usize) -> usize {
        let end = self.word_end(at);
        let is_float = self.bytes.get(end) == Some(&b'.') && self.bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        if is_float { self.word_end(end + 1) } else { end }
    }

    fn single_quoted(&self, at: usize) -> (Kind, usize) {
        let line = &self.source[at..self.line_end(at)];
        match line[1..].find('\'') {
            Some(length) => (Kind::SingleQuoted, at + length + 2),
            None => (Kind::Unknown, at + 1),
        }
    }

    /// Returns the end of a regular expression, if one can stand here.
    fn regex_end(&self, at: usize) -> Option<usize> {
        let after_value = self.tokens.last().is_some_and(|last| match last.kind {
            Kind::Number | Kind::String | Kind::Close => true,
            Kind::Word => !matches!(last.span.text(self.source), "node" | "where" | "in"),
            _ => false,
        });
        if after_value {
            return None;
        }
        let line = &self.bytes[at..self.line_end(at)];
        let mut index = 1;
        while let Some(byte) = line.get(index) {
            match byte {
                b'\\' => index += 2,
                b'/' if index > 1 => return Some(at + index + 1),
                _ => index += 1,
            }
        }
        None
    }

    fn raw_string(&self, at: usize) -> (Kind, usize) {
        let rest = &self.source[at..];
        let hashes = raw_hashes(rest).unwrap_or(0);
        let closing = format!("\"{}", "#".repeat(hashes));
        let limit = if hashes == 0 { self.line_end(at) - at } else { rest.len() };
        match rest[hashes + 2..limit.max(hashes + 2)].find(&closing) {
            Some(length) => (Kind::String, at + hashes + 2 + length + closing.len()),
            None => (Kind::Unterminated, self.cut(at)),
        }
    }

    fn string(&self, at: usize) -> (Kind, usize) {
        if self.source[at..].starts_with("\"\"\"") {
            return match self.block_end(at, 0) {
                Some(end) if !self.leaves_block(at, end) => (Kind::String, end),
                _ => (Kind::Unterminated, self.block_cut(at)),
            };
        }
        match (self.string_end(at, 0), self.quote_end(at)) {
            (Some(end), _) => (Kind::String, end),
            // Closed, but for an interpolation in it.
            (None, Some(end)) => (Kind::Unterminated, end),
            (None, None) => (Kind::Unterminated, self.cut(at)),
        }
    }

    /// Returns the end of a one-line string, if it has one.
    fn string_end(&self, at: usize, depth: usize) -> Option<usize> {
        let mut index = at + 1;
        loop {
            match self.bytes.get(index)? {
                b'"' => return Some(index + 1),
                b'\n' => return None,
                b'\\' if matches!(self.bytes.get(index + 1), Some(b'\n' | b'\r')) => return None,
                b'\\' => index += 2,
                b'$' if self.bytes.get(index + 1) == Some(&b'{') => index = self.interpolation_end(index + 2, depth + 1)?,
                _ => index += 1,
            }
        }
    }

    /// Returns the end of a string with an interpolation, were it plain text.
    fn quote_end(&self, at: usize) -> Option<usize> {
        let line = &self.source[at + 1..self.line_end(at)];
        let interpolation = line.find("${")?;
        line[interpolation..].find('"').map(|length| at + 1 + interpolation + length + 1)
    }

    fn block_end(&self, at: usize, depth: usize) -> Option<usize> {
        let mut index = at + 3;
        loop {
            match self.bytes.get(index)? {
                b'"' if self.bytes[index..].starts_with(b"\"\"\"") => return Some(index + 3),
                b'\\' => index += 2,
                b'$' if self.bytes.get(index + 1) == Some(&b'{') => index = self.interpolation_end(index + 2, depth + 1)?,
                _ => index += 1,
            }
        }
    }

    /// Returns the offset behind the `}` of an interpolation whose expression starts at `at`.
    fn interpolation_end(&self, at: usize, depth: usize) -> Option<usize> {
        if depth > DEEPEST {
            return None;
        }
        let mut braces = 0;
        let mut index = at;
        loop {
            match self.bytes.get(index)? {
                b'"' if self.bytes[index..].starts_with(b"\"\"\"") => index = self.block_end(index, depth)?,
                b'"' => index = self.string_end(index, depth)?,
                b'\n' if braces == 0 => return None,
                b'{' => {
                    braces += 1;
                    index += 1;
                }
                b'}' if braces == 0 => return Some(index + 1),
                b'}' => {
                    braces -= 1;
                    index += 1;
                }
                _ => index += 1,
            }
        }
    }

    /// Returns where an unterminated string is taken to end: at the end of the line, without brackets and commas before it.
    fn cut(&self, at: usize) -> usize {
        let mut kept = self.source[at..self.line_end(at)].trim_end();
        while let Some(last) = kept.chars().next_back() {
            let opener = match last {
                ')' => '(',
                ']' => '[',
                '}' => '{',
                '(' | '[' | '{' | ',' | ' ' | '\t' => {
                    kept = &kept[..kept.len() - 1];
                    continue;
                }
                _ => break,
            };
            // What the string seems to open itself, it closes.
            if kept.matches(opener).count() >= kept.matches(last).count() {
                break;
            }
            kept = &kept[..kept.len() - 1];
        }
        at + kept.len().max(1)
    }

    /// Returns where an unterminated block is taken to end: before the first line that is indented no deeper than the one it starts on.
    fn block_cut(&self, at: usize) -> usize {
        let indent = indent_of_line(self.source, at);
        let mut end = self.line_end(at);
        while let Some(start) = self.source[end..].find('\n').map(|length| end + length + 1) {
            let line_end = self.line_end(start);
            let line = &self.source[start..line_end];
            let content = line.trim_start_matches([' ', '\t']);
            if !content.is_empty() && line.len() - content.len() <= indent {
                break;
            }
            end = line_end;
        }
        end
    }

    /// Tells whether the code goes on before the quotes that seem to close a block: a closing brace or an item stands further out
    /// than the line the block starts on.
    fn leaves_block(&self, at: usize, end: usize) -> bool {
        let indent = indent_of_line(self.source, at);
        self.source[at..end].lines().skip(1).any(|line| {
            let content = line.trim_start_matches([' ', '\t']);
            let word = content.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("");
            line.len() - content.len() < indent && (content.starts_with('}') || crate::keywords::starts_item(word))
        })
    }
}

/// Returns the number of hashes of a raw string, if `text` starts with one.
fn raw_hashes(text: &str) -> Option<usize> {
    let hashes = text.bytes().skip(1).take_while(|byte| *byte == b'#').count();
    (text.as_bytes().get(hashes + 1) == Some(&b'"') && hashes <= 3).then_some(hashes)
}

/// Returns the number of bytes of blanks at the start of the line that `at` stands on.
pub(crate) fn indent_of_line(source: &str, at: usize) -> usize {
    let start = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
    source[start..].bytes().take_while(|byte| *byte == b' ' || *byte == b'\t').count()
}
