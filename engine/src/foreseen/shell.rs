//! The part of the shell's language that guards are made of: quoted words, `&&`, `||` and `!`.

use super::NotUnderstood;

/// How a command follows the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joint {
    First,
    And,
    Or,
}

/// One command of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Simple {
    /// `!` stands before it.
    pub(super) negated: bool,
    /// Name and arguments.
    pub(super) words: Vec<String>,
}

/// Redirections that change nothing, each written as one word.
const SILENT: [&str; 5] = [">/dev/null", "1>/dev/null", "2>/dev/null", "2>&1", "&>/dev/null"];

enum Token {
    /// Free of anything that a shell gives a meaning, or quoted.
    Word(String),
    /// As it was written.
    Special(String),
}

/// Splits a line into its commands.
pub(super) fn parse(line: &str) -> Result<Vec<(Joint, Simple)>, NotUnderstood> {
    let mut commands = vec![(Joint::First, Simple { negated: false, words: Vec::new() })];
    for token in tokens(line)? {
        let (_, current) = commands.last_mut().ok_or(NotUnderstood)?;
        match token {
            Token::Word(word) if current.words.is_empty() && word.contains('=') => return Err(NotUnderstood),
            Token::Word(word) => current.words.push(word),
            Token::Special(text) => match text.as_str() {
                "!" if current.words.is_empty() => current.negated = !current.negated,
                "!" | "[" | "]" => current.words.push(text),
                "&&" | "||" if !current.words.is_empty() => {
                    let joint = if text == "&&" { Joint::And } else { Joint::Or };
                    commands.push((joint, Simple { negated: false, words: Vec::new() }));
                }
                silent if SILENT.contains(&silent) && !current.words.is_empty() => {}
                _ => return Err(NotUnderstood),
            },
        }
    }
    if commands.iter().any(|(_, command)| command.words.is_empty()) { Err(NotUnderstood) } else { Ok(commands) }
}

fn tokens(line: &str) -> Result<Vec<Token>, NotUnderstood> {
    let mut tokens = Vec::new();
    let mut chars = line.trim().chars().peekable();
    while let Some(first) = chars.peek().copied() {
        if first == '\n' {
            return Err(NotUnderstood);
        }
        if first.is_whitespace() {
            chars.next();
            continue;
        }
        let (mut text, mut is_special, mut is_quoted) = (String::new(), false, false);
        while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
            match c {
                '\'' => {
                    is_quoted = true;
                    loop {
                        match chars.next().ok_or(NotUnderstood)? {
                            '\'' => break,
                            c => text.push(c),
                        }
                    }
                }
                '"' => {
                    is_quoted = true;
                    loop {
                        match chars.next().ok_or(NotUnderstood)? {
                            '"' => break,
                            '$' | '`' | '\\' => return Err(NotUnderstood),
                            c => text.push(c),
                        }
                    }
                }
                '$' | '`' | '\\' | '*' | '?' | '~' | '#' | '(' | ')' | '{' | '}' | ';' => return Err(NotUnderstood),
                '!' | '[' | ']' | '<' | '>' | '|' | '&' => {
                    is_special = true;
                    text.push(c);
                }
                c => text.push(c),
            }
        }
        match (is_special, is_quoted) {
            (true, true) => return Err(NotUnderstood),
            (true, false) => tokens.push(Token::Special(text)),
            (false, _) => tokens.push(Token::Word(text)),
        }
    }
    Ok(tokens)
}
