//! The shell language (POSIX.1-2017, XCU 2) as far as maintainer scripts use it, as a tree.

use std::sync::Arc;

mod word;

use word::ends_word;

/// Lists, words and substitutions lie in each other this deep at most.
const MAX_DEPTH: u32 = 48;

/// A script longer than this is not read.
const MAX_LENGTH: usize = 256 << 10;

/// The script is none that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotUnderstood;

type Parsed<T> = Result<T, NotUnderstood>;

/// A whole script.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) body: Arc<[Node]>,
    /// Bodies of here-documents; `None` of one with something to be expanded in it.
    pub(super) documents: Vec<Option<String>>,
}

/// A command of any kind.
#[derive(Debug)]
pub(super) enum Node {
    Simple(Simple),
    Pipeline(Vec<Node>),
    Not(Box<Node>),
    /// The first, and those behind `&&` (`true`) or `||`.
    Chain(Box<Node>, Vec<(bool, Node)>),
    /// Condition and body of each arm, and what is behind `else`.
    If(Vec<(Vec<Node>, Vec<Node>)>, Vec<Node>),
    For(String, Vec<Word>, Vec<Node>),
    /// Condition and body of `while` and `until`.
    Loop(Vec<Node>, Vec<Node>),
    Case(Word, Vec<(Vec<Word>, Vec<Node>)>),
    Group(Vec<Node>, Vec<Redirect>),
    Function(String, Arc<[Node]>),
}

/// Assignments, words and redirections.
#[derive(Debug, Default)]
pub(super) struct Simple {
    pub(super) assignments: Vec<(String, Word)>,
    pub(super) words: Vec<Word>,
    pub(super) redirects: Vec<Redirect>,
}

/// Where output goes, or input comes from.
#[derive(Debug)]
pub(super) enum Redirect {
    /// Standard output to a file.
    Out(Word),
    /// The same, at its end.
    Append(Word),
    /// A here-document, by its position.
    Document(usize),
    /// Anything that changes nothing: input, other descriptors.
    Silent,
    /// Another descriptor to a file.
    Other(Word),
}

/// A word: its parts stand side by side.
#[derive(Debug, Default)]
pub(super) struct Word(pub(super) Vec<Part>);

/// A part of a word.
#[derive(Debug)]
pub(super) enum Part {
    Text {
        text: String,
        quoted: bool,
    },
    Parameter {
        name: String,
        operation: Option<(String, Word)>,
        quoted: bool,
    },
    /// The output of commands.
    Output {
        commands: Vec<Node>,
        quoted: bool,
    },
    /// An arithmetic expression.
    Number,
}

/// Reads a script.
pub(super) fn parse(text: &str) -> Parsed<Script> {
    if text.len() > MAX_LENGTH {
        return Err(NotUnderstood);
    }
    if let Some(interpreter) = text.strip_prefix("#!").and_then(|rest| rest.lines().next()) {
        let program = interpreter.split_whitespace().next().unwrap_or_default();
        if !["sh", "dash", "bash"].contains(&program.rsplit('/').next().unwrap_or_default()) {
            return Err(NotUnderstood);
        }
    }
    let mut parser = Parser { chars: text.chars().collect(), at: 0, depth: 0, pending: Vec::new(), documents: Vec::new() };
    let body = parser.list(&[])?;
    if parser.peek().is_some() { Err(NotUnderstood) } else { Ok(Script { body: body.into(), documents: parser.documents }) }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    depth: u32,
    /// Here-documents whose bodies come after the line: delimiter, tabs are taken off, is literal, position.
    pending: Vec<(String, bool, bool, usize)>,
    documents: Vec<Option<String>>,
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_') && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn starts(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(offset, c)| self.chars.get(self.at + offset) == Some(&c))
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.starts(text);
        if found {
            self.at += text.chars().count();
        }
        found
    }

    fn expect(&mut self, text: &str) -> Parsed<()> {
        if self.eat(text) { Ok(()) } else { Err(NotUnderstood) }
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        let parsed = if self.depth > MAX_DEPTH { Err(NotUnderstood) } else { parse(self) };
        self.depth -= 1;
        parsed
    }

    /// Skips blanks, joined lines and comments, but no line break.
    fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some('\\') if self.chars.get(self.at + 1) == Some(&'\n') => self.at += 2,
                Some(c) if c != '\n' && c.is_whitespace() => self.at += 1,
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// Skips blanks and line breaks.
    fn lines(&mut self) -> Parsed<()> {
        loop {
            self.blanks();
            if !self.eat("\n") {
                return Ok(());
            }
            self.read_documents()?;
        }
    }

    fn read_documents(&mut self) -> Parsed<()> {
        for (delimiter, strips, is_literal, position) in std::mem::take(&mut self.pending) {
            let mut body = String::new();
            loop {
                let line: String = self.chars[self.at..].iter().take_while(|c| **c != '\n').collect();
                let is_last = self.at + line.chars().count() >= self.chars.len();
                self.at = (self.at + line.chars().count() + 1).min(self.chars.len());
                let line = if strips { line.trim_start_matches('\t') } else { &line };
                if line == delimiter {
                    break;
                }
                if is_last {
                    return Err(NotUnderstood);
                }
                body.push_str(line);
                body.push('\n');
            }
            self.documents[position] = (is_literal || !body.contains(['$', '`', '\\'])).then_some(body);
        }
        Ok(())
    }

    /// The word at this place, when it is nothing but letters and such.
    fn plain(&self) -> String {
        self.chars[self.at..].iter().take_while(|c| !ends_word(**c)).collect()
    }

    fn eat_plain(&mut self, word: &str) -> bool {
        let found = self.plain() == word;
        if found {
            self.at += word.chars().count();
        }
        found
    }

    fn expect_plain(&mut self, word: &str) -> Parsed<()> {
        self.lines()?;
        if self.eat_plain(word) { Ok(()) } else { Err(NotUnderstood) }
    }

    /// Commands up to one of these reserved words, `)`, `;;` or the end.
    fn list(&mut self, stops: &[&str]) -> Parsed<Vec<Node>> {
        self.deeper(|parser| {
            let mut nodes = Vec::new();
            loop {
                parser.lines()?;
                let is_over = parser.peek().is_none_or(|c| c == ')') || parser.starts(";;");
                if is_over || stops.contains(&parser.plain().as_str()) {
                    return Ok(nodes);
                }
                nodes.push(parser.chain()?);
                parser.blanks();
                if parser.starts(";;") {
                    continue;
                }
                let separated = parser.eat(";") || (!parser.starts("&&") && parser.eat("&"));
                let ends = parser.peek().is_none_or(|c| matches!(c, '\n' | ')'));
                // `}` and `fi` may follow a compound command at once.
                if !separated && !ends && !stops.contains(&parser.plain().as_str()) {
                    return Err(NotUnderstood);
                }
            }
        })
    }

    fn chain(&mut self) -> Parsed<Node> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.blanks();
            let and = self.eat("&&");
            if !and && !self.eat("||") {
                break;
            }
            self.lines()?;
            rest.push((and, self.pipeline()?));
        }
        Ok(if rest.is_empty() { first } else { Node::Chain(Box::new(first), rest) })
    }

    fn pipeline(&mut self) -> Parsed<Node> {
        self.blanks();
        let mut negated = false;
        while self.eat_plain("!") {
            negated = !negated;
            self.blanks();
        }
        let first = self.command()?;
        let mut all = vec![first];
        loop {
            self.blanks();
            if self.starts("||") || !self.eat("|") {
                break;
            }
            self.lines()?;
            all.push(self.command()?);
        }
        let node = if all.len() == 1 { all.remove(0) } else { Node::Pipeline(all) };
        Ok(if negated { Node::Not(Box::new(node)) } else { node })
    }

    fn command(&mut self) -> Parsed<Node> {
        self.deeper(|parser| {
            let word = parser.plain();
            let node = match word.as_str() {
                "if" => parser.conditional()?,
                "for" => parser.repeat()?,
                "while" | "until" => {
                    parser.eat_plain(&word);
                    let condition = parser.list(&["do"])?;
                    parser.expect_plain("do")?;
                    let body = parser.list(&["done"])?;
                    parser.expect_plain("done")?;
                    Node::Loop(condition, body)
                }
                "case" => parser.case()?,
                "{" => {
                    parser.eat("{");
                    let body = parser.list(&["}"])?;
                    parser.expect_plain("}")?;
                    Node::Group(body, Vec::new())
                }
                "" if parser.peek() == Some('(') => {
                    parser.eat("(");
                    let body = parser.list(&[])?;
                    parser.expect(")")?;
                    // A shell of its own, as the parts of a pipeline have.
                    Node::Pipeline(vec![Node::Group(body, Vec::new())])
                }
                "then" | "else" | "elif" | "fi" | "do" | "done" | "esac" | "}" | "function" => return Err(NotUnderstood),
                name if is_name(name) && parser.is_function(name) => return parser.function(),
                _ => return parser.simple(),
            };
            let redirects = parser.redirects()?;
            Ok(if redirects.is_empty() { node } else { Node::Group(vec![node], redirects) })
        })
    }

    /// Redirections behind a compound command.
    fn redirects(&mut self) -> Parsed<Vec<Redirect>> {
        let mut all = Vec::new();
        loop {
            self.blanks();
            match self.redirect()? {
                Some(redirect) => all.push(redirect),
                None => return Ok(all),
            }
        }
    }

    fn is_function(&self, name: &str) -> bool {
        let rest: String = self.chars[self.at + name.chars().count()..].iter().take(8).filter(|c| **c != ' ').collect();
        rest.starts_with("()")
    }

    fn function(&mut self) -> Parsed<Node> {
        let name = self.plain();
        self.at += name.chars().count();
        self.blanks();
        self.expect("(")?;
        self.blanks();
        self.expect(")")?;
        self.lines()?;
        let body = self.command()?;
        Ok(Node::Function(name, vec![body].into()))
    }

    fn conditional(&mut self) -> Parsed<Node> {
        self.eat_plain("if");
        let mut arms = Vec::new();
        loop {
            let condition = self.list(&["then"])?;
            self.expect_plain("then")?;
            let body = self.list(&["elif", "else", "fi"])?;
            arms.push((condition, body));
            if !self.eat_plain("elif") {
                break;
            }
        }
        let otherwise = if self.eat_plain("else") { self.list(&["fi"])? } else { Vec::new() };
        self.expect_plain("fi")?;
        Ok(Node::If(arms, otherwise))
    }

    fn repeat(&mut self) -> Parsed<Node> {
        self.eat_plain("for");
        self.blanks();
        let name = self.plain();
        self.at += name.chars().count();
        self.lines()?;
        let mut words = Vec::new();
        if self.eat_plain("in") {
            loop {
                self.blanks();
                if self.peek().is_none_or(|c| matches!(c, ';' | '\n')) {
                    break;
                }
                words.push(self.word()?);
            }
        } else {
            words.push(Word(vec![Part::Parameter { name: "@".into(), operation: None, quoted: true }]));
        }
        self.blanks();
        self.eat(";");
        self.expect_plain("do")?;
        let body = self.list(&["done"])?;
        self.expect_plain("done")?;
        Ok(Node::For(name, words, body))
    }

    fn case(&mut self) -> Parsed<Node> {
        self.eat_plain("case");
        self.blanks();
        let subject = self.word()?;
        self.expect_plain("in")?;
        let mut arms = Vec::new();
        loop {
            self.lines()?;
            if self.eat_plain("esac") {
                return Ok(Node::Case(subject, arms));
            }
            self.eat("(");
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                patterns.push(self.word()?);
                self.blanks();
                if !self.eat("|") {
                    break;
                }
            }
            self.expect(")")?;
            let body = self.list(&["esac"])?;
            self.eat(";;");
            arms.push((patterns, body));
        }
    }

    fn simple(&mut self) -> Parsed<Node> {
        let mut simple = Simple::default();
        loop {
            self.blanks();
            if let Some(redirect) = self.redirect()? {
                simple.redirects.push(redirect);
                continue;
            }
            match self.peek() {
                None | Some('\n' | ';' | '&' | '|' | ')') => break,
                Some('(') => return Err(NotUnderstood),
                _ => {}
            }
            let plain = self.plain();
            let assigned = plain.split_once('=').map(|(name, _)| name.to_owned()).filter(|name| is_name(name));
            if let (true, Some(name)) = (simple.words.is_empty(), assigned) {
                self.at += name.chars().count() + 1;
                let is_empty = self.peek().is_none_or(ends_word);
                let value = if is_empty { Word::default() } else { self.word()? };
                simple.assignments.push((name, value));
            } else {
                simple.words.push(self.word()?);
            }
        }
        let is_nothing = simple.words.is_empty() && simple.assignments.is_empty() && simple.redirects.is_empty();
        if is_nothing { Err(NotUnderstood) } else { Ok(Node::Simple(simple)) }
    }

    fn redirect(&mut self) -> Parsed<Option<Redirect>> {
        let digits = self.chars[self.at..].iter().take_while(|c| c.is_ascii_digit()).count();
        let descriptor: String = self.chars[self.at..self.at + digits].iter().collect();
        if !matches!(self.chars.get(self.at + digits), Some('<' | '>')) {
            return Ok(None);
        }
        self.at += digits;
        if self.eat("<<") {
            let strips = self.eat("-");
            self.blanks();
            let raw = self.plain();
            self.at += raw.chars().count();
            let delimiter: String = raw.chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
            self.documents.push(None);
            let position = self.documents.len() - 1;
            self.pending.push((delimiter.clone(), strips, delimiter != raw, position));
            return Ok(Some(Redirect::Document(position)));
        }
        let is_input = self.eat("<");
        let is_append = !is_input && self.eat(">>");
        if !is_input && !is_append {
            self.expect(">")?;
            self.eat("|");
        }
        let is_copy = self.eat("&");
        self.blanks();
        let target = self.word()?;
        let is_stdout = matches!(descriptor.as_str(), "" | "1");
        Ok(Some(match (is_input || is_copy, is_append, is_stdout) {
            (true, ..) => Redirect::Silent,
            (_, true, true) => Redirect::Append(target),
            (_, false, true) => Redirect::Out(target),
            (_, _, false) => Redirect::Other(target),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_all_shapes_are_read() {
        for script in [
            "",
            "#!/bin/sh\nset -e\n# a comment\n\nif [ \"$1\" = configure ]; then\n\techo x\nfi\n",
            "case \"$1\" in\n  configure|reconfigure)\n   true ;;\n  abort-*) ;;\n  (*) exit 1\nesac\n",
            "f() { local a; a=\"$(dpkg -L x | grep y)\"; return 0; }\nf a b || true\n",
            "for f in a b \"c d\"; do rm -f /x/$f; done >/dev/null 2>&1\n",
            "while read -r a; do :; done <<EOF\n$a `b`\nEOF\necho ${A:-x y} ${B#*/} ${#C} $((1 + (2)))\n",
            "( cd /tmp && ls ) | sed -e 's/a/b/' || exit $?\n",
            "a='it'\"'\"'s' b=`id -u` \\\n  command\n",
            "if ! getent passwd x >/dev/null; then adduser x; elif true; then :; else false; fi",
            "cat > /etc/x <<'E'\n$not expanded\nE\n[ -z \"$2\" ] || echo y",
        ] {
            assert!(parse(script).is_ok(), "{script}");
        }
    }

    #[test]
    fn what_is_no_shell_script_is_told() {
        for script in [
            "#!/usr/bin/perl\nprint 1;\n",
            "if true; then",
            "fi",
            "case x in",
            "echo 'x",
            "a() ",
            "x=(a b)",
            "cat <<EOF\nno end",
            "echo $(",
            "${",
            ")",
            &"$(".repeat(10_000),
            &"(".repeat(10_000),
        ] {
            assert!(parse(script).is_err(), "{script}");
        }
    }
}
