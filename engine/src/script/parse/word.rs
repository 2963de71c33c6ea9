//! Words: quoting, and what is put in for `$` and backquotes.

use super::{NotUnderstood, Parsed, Parser, Part, Word};

/// Characters that end a word.
pub(super) fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, ';' | '&' | '|' | '<' | '>' | '(' | ')')
}

impl Parser {
    pub(super) fn word(&mut self) -> Parsed<Word> {
        self.deeper(|parser| {
            let mut parts = Vec::new();
            let mut text = String::new();
            let flush = |parts: &mut Vec<Part>, text: &mut String| {
                if !text.is_empty() {
                    parts.push(Part::Text { text: std::mem::take(text), quoted: false });
                }
            };
            while let Some(c) = parser.peek().filter(|c| !ends_word(*c)) {
                match c {
                    '\'' => {
                        flush(&mut parts, &mut text);
                        parser.at += 1;
                        let quoted: String = parser.chars[parser.at..].iter().take_while(|c| **c != '\'').collect();
                        parser.at += quoted.chars().count();
                        parser.expect("'")?;
                        parts.push(Part::Text { text: quoted, quoted: true });
                    }
                    '"' => {
                        flush(&mut parts, &mut text);
                        parser.at += 1;
                        parser.quoted(&mut parts)?;
                    }
                    '\\' => {
                        flush(&mut parts, &mut text);
                        let escaped = *parser.chars.get(parser.at + 1).ok_or(NotUnderstood)?;
                        parser.at += 2;
                        if escaped != '\n' {
                            parts.push(Part::Text { text: escaped.to_string(), quoted: true });
                        }
                    }
                    '$' | '`' => {
                        flush(&mut parts, &mut text);
                        parts.push(parser.expansion(false)?);
                    }
                    c => {
                        text.push(c);
                        parser.at += 1;
                    }
                }
            }
            flush(&mut parts, &mut text);
            if parts.is_empty() { Err(NotUnderstood) } else { Ok(Word(parts)) }
        })
    }

    /// What is between double quotes; the first one is behind.
    fn quoted(&mut self, parts: &mut Vec<Part>) -> Parsed<()> {
        let mut text = String::new();
        // Empty quotes are a word as well.
        let mut is_empty = true;
        loop {
            match self.peek().ok_or(NotUnderstood)? {
                '"' => {
                    self.at += 1;
                    if !text.is_empty() || is_empty {
                        parts.push(Part::Text { text, quoted: true });
                    }
                    return Ok(());
                }
                '\\' => {
                    let escaped = *self.chars.get(self.at + 1).ok_or(NotUnderstood)?;
                    self.at += 2;
                    match escaped {
                        '$' | '`' | '"' | '\\' => text.push(escaped),
                        '\n' => {}
                        other => {
                            text.push('\\');
                            text.push(other);
                        }
                    }
                }
                '$' | '`' => {
                    if !text.is_empty() {
                        parts.push(Part::Text { text: std::mem::take(&mut text), quoted: true });
                    }
                    parts.push(self.expansion(true)?);
                    is_empty = false;
                }
                c => {
                    text.push(c);
                    self.at += 1;
                }
            }
        }
    }

    /// `$name`, `${…}`, `$(…)`, `$((…))`, `` `…` ``.
    fn expansion(&mut self, quoted: bool) -> Parsed<Part> {
        if self.eat("`") {
            let inner: String = self.chars[self.at..].iter().take_while(|c| **c != '`').collect();
            self.at += inner.chars().count();
            self.expect("`")?;
            let mut parser = Parser {
                chars: inner.replace("\\`", "`").replace("\\$", "$").chars().collect(),
                at: 0,
                depth: self.depth + 1,
                pending: Vec::new(),
                documents: std::mem::take(&mut self.documents),
            };
            let commands = parser.list(&[])?;
            self.documents = parser.documents;
            return Ok(Part::Output { commands, quoted });
        }
        self.expect("$")?;
        if self.eat("((") {
            let mut open = 2;
            while open > 0 {
                match self.peek().ok_or(NotUnderstood)? {
                    '(' => open += 1,
                    ')' => open -= 1,
                    _ => {}
                }
                self.at += 1;
            }
            return Ok(Part::Number);
        }
        if self.eat("(") {
            let commands = self.list(&[])?;
            self.expect(")")?;
            return Ok(Part::Output { commands, quoted });
        }
        if self.eat("{") {
            return self.parameter(quoted);
        }
        let name: String = match self.peek() {
            Some(c) if c.is_ascii_digit() || matches!(c, '@' | '*' | '#' | '?' | '$' | '!' | '-') => c.to_string(),
            _ => self.chars[self.at..].iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').collect(),
        };
        if name.is_empty() {
            return Ok(Part::Text { text: "$".into(), quoted: true });
        }
        self.at += name.chars().count();
        Ok(Part::Parameter { name, operation: None, quoted })
    }

    /// `${name}`, `${name:-word}` and the like; the brace is behind.
    fn parameter(&mut self, quoted: bool) -> Parsed<Part> {
        let is_length = self.starts("#") && !self.starts("#}");
        if is_length {
            self.at += 1;
        }
        let mut name: String = self.chars[self.at..].iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').collect();
        if name.is_empty() {
            name = self.peek().filter(|c| matches!(c, '@' | '*' | '#' | '?')).ok_or(NotUnderstood)?.to_string();
        }
        self.at += name.chars().count();
        if self.eat("}") {
            let operation = is_length.then(|| ("length".to_owned(), Word::default()));
            return Ok(Part::Parameter { name, operation, quoted });
        }
        let operators = [":-", ":+", ":=", ":?", "-", "+", "=", "?", "##", "#", "%%", "%"];
        let operator = operators.into_iter().find(|operator| self.starts(operator)).ok_or(NotUnderstood)?;
        self.eat(operator);
        let word = self.deeper(|parser| parser.until_brace())?;
        Ok(Part::Parameter { name, operation: Some((operator.to_owned(), word)), quoted })
    }

    /// A word up to `}`; blanks belong to it.
    fn until_brace(&mut self) -> Parsed<Word> {
        let mut parts = Vec::new();
        loop {
            match self.peek().ok_or(NotUnderstood)? {
                '}' => {
                    self.at += 1;
                    return Ok(Word(parts));
                }
                '"' => {
                    self.at += 1;
                    self.quoted(&mut parts)?;
                }
                '\'' => {
                    self.at += 1;
                    let text: String = self.chars[self.at..].iter().take_while(|c| **c != '\'').collect();
                    self.at += text.chars().count();
                    self.expect("'")?;
                    parts.push(Part::Text { text, quoted: true });
                }
                '$' | '`' => parts.push(self.expansion(false)?),
                '\\' => {
                    let escaped = *self.chars.get(self.at + 1).ok_or(NotUnderstood)?;
                    self.at += 2;
                    parts.push(Part::Text { text: escaped.to_string(), quoted: true });
                }
                c => {
                    self.at += 1;
                    parts.push(Part::Text { text: c.to_string(), quoted: false });
                }
            }
        }
    }
}
