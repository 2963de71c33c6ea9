//! What words stand for.

use super::parse::{Node, Part, Word};
use super::run::Interpreter;
use crate::glob;

/// One word of a command after all expansions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Field {
    /// The word; `None` when it is not known.
    pub(super) text: Option<String>,
    /// What of it is written in the script or known otherwise.
    pub(super) literal: String,
}

impl Field {
    pub(super) fn known(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { literal: text.clone(), text: Some(text) }
    }
}

impl Interpreter<'_, '_> {
    /// Expands words to fields: one word may become none, one or several.
    pub(super) fn fields(&mut self, words: &[Word]) -> Vec<Field> {
        words.iter().flat_map(|word| self.split(word)).collect()
    }

    /// Expands a word without splitting it, as in an assignment.
    pub(super) fn text(&mut self, word: &Word) -> Option<String> {
        let mut text = String::new();
        for part in &word.0 {
            text.push_str(&self.part(part)?);
        }
        Some(text)
    }

    fn split(&mut self, word: &Word) -> Vec<Field> {
        if let [Part::Parameter { name, operation: None, quoted }] = word.0.as_slice()
            && matches!(name.as_str(), "@" | "*")
            && (*quoted || name == "@")
        {
            let known = |text: &Option<String>| Field { text: text.clone(), literal: text.clone().unwrap_or_default() };
            return self.arguments.iter().map(known).collect();
        }
        let mut fields: Vec<Field> = Vec::new();
        let mut current: Option<Field> = None;
        for part in &word.0 {
            let (value, quoted) = match part {
                Part::Text { text, quoted } => (Some(text.clone()), *quoted || !text.contains(['*', '?', '['])),
                Part::Parameter { quoted, .. } | Part::Output { quoted, .. } => (self.part(part), *quoted),
                Part::Number => (None, true),
            };
            let is_pattern = matches!(part, Part::Text { quoted: false, text } if text.contains(['*', '?', '[']) && text != "[" && text != "?");
            match value {
                Some(text) if is_pattern => {
                    let field = current.get_or_insert_with(|| Field::known(""));
                    field.literal.push_str(&text);
                    field.text = None;
                }
                Some(text) if quoted || matches!(part, Part::Text { .. }) => {
                    let field = current.get_or_insert_with(|| Field::known(""));
                    field.literal.push_str(&text);
                    if let Some(known) = &mut field.text {
                        known.push_str(&text);
                    }
                }
                Some(text) => {
                    // Not quoted: blanks part it.
                    let starts = text.starts_with(char::is_whitespace);
                    let ends = text.ends_with(char::is_whitespace);
                    if starts {
                        fields.extend(current.take());
                    }
                    for (index, piece) in text.split_whitespace().enumerate() {
                        if index > 0 {
                            fields.extend(current.take());
                        }
                        let field = current.get_or_insert_with(|| Field::known(""));
                        field.literal.push_str(piece);
                        if let Some(known) = &mut field.text {
                            known.push_str(piece);
                        }
                    }
                    if ends {
                        fields.extend(current.take());
                    }
                }
                None => current.get_or_insert_with(|| Field::known("")).text = None,
            }
        }
        fields.extend(current);
        fields
    }

    fn part(&mut self, part: &Part) -> Option<String> {
        match part {
            Part::Text { text, .. } => Some(text.clone()),
            Part::Number => None,
            Part::Output { commands, .. } => self.output(commands),
            Part::Parameter { name, operation, .. } => {
                let value = self.parameter(name);
                let Some((operator, word)) = operation else { return value.map(Option::unwrap_or_default) };
                self.operate(value, operator, word)
            }
        }
    }

    /// The value of a parameter: `None` when it is not known, `Some(None)` when it is not set.
    fn parameter(&self, name: &str) -> Option<Option<String>> {
        match name {
            "@" | "*" => self.arguments.iter().cloned().collect::<Option<Vec<_>>>().map(|all| Some(all.join(" "))),
            "#" => Some(Some(self.arguments.len().to_string())),
            "0" => Some(Some("script".into())),
            "?" | "$" | "!" | "-" => None,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let position: usize = digits.parse().ok()?;
                match self.arguments.get(position - 1) {
                    Some(known) => known.clone().map(Some),
                    None => Some(None),
                }
            }
            name => match self.variables.get(name) {
                Some(known) => known.clone().map(Some),
                // dpkg sets some for the scripts, and the caller's environment is small.
                None => Some(None),
            },
        }
    }

    fn operate(&mut self, value: Option<Option<String>>, operator: &str, word: &Word) -> Option<String> {
        let is_set = |value: &Option<String>| match operator.starts_with(':') {
            true => value.as_deref().is_some_and(|text| !text.is_empty()),
            false => value.is_some(),
        };
        match operator {
            "length" => Some(value?.unwrap_or_default().chars().count().to_string()),
            ":-" | "-" | ":=" | "=" => {
                let value = value?;
                if is_set(&value) { value } else { self.text(word) }
            }
            ":+" | "+" => {
                if is_set(&value?) {
                    self.text(word)
                } else {
                    Some(String::new())
                }
            }
            ":?" | "?" => Some(value?.unwrap_or_default()),
            _ => {
                let (value, pattern) = (value?.unwrap_or_default(), self.text(word)?);
                trimmed(&value, operator, &pattern)
            }
        }
    }

    /// What commands print, of those that only print.
    fn output(&mut self, commands: &[Node]) -> Option<String> {
        let [Node::Simple(simple)] = commands else {
            self.look_at(commands);
            return None;
        };
        if !simple.assignments.is_empty() || simple.words.is_empty() {
            return None;
        }
        let fields = self.fields(&simple.words);
        let words: Option<Vec<&str>> = fields.iter().map(|field| field.text.as_deref()).collect();
        let words = words?;
        match words.split_first()? {
            (&"echo", rest) if rest.first().is_none_or(|first| !first.starts_with('-')) && !rest.concat().contains('\\') => {
                Some(rest.join(" "))
            }
            (&"printf", ["%s" | "%s\\n", text]) => Some((*text).to_owned()),
            (&"basename", [path]) => Some(path.trim_end_matches('/').rsplit('/').next()?.to_owned()),
            (&"dirname", [path]) => Some(
                path.trim_end_matches('/')
                    .rsplit_once('/')
                    .map_or(".", |(above, _)| if above.is_empty() { "/" } else { above })
                    .to_owned(),
            ),
            (&"dpkg", ["--print-architecture"]) => {
                self.world_text("/var/lib/dpkg/arch").map(|text| text.lines().next().unwrap_or_default().to_owned())
            }
            (&"cat", [path]) if path.starts_with('/') => self.world_text(path).map(|text| text.trim_end_matches('\n').to_owned()),
            (&"uname", ["-s"]) => Some("Linux".into()),
            (&"command", ["-v", program]) | (&"which", [program]) => {
                self.program(program).and_then(|found| if found { None } else { Some(String::new()) })
            }
            _ => {
                self.look_at(commands);
                None
            }
        }
    }
}

/// Takes a literal prefix or suffix off; a pattern that begins or ends with `*` up to the first or last of what follows.
fn trimmed(value: &str, operator: &str, pattern: &str) -> Option<String> {
    let is_literal = |text: &str| !text.contains(['*', '?', '[', '\\']);
    if is_literal(pattern) {
        let cut = if operator.starts_with('#') { value.strip_prefix(pattern) } else { value.strip_suffix(pattern) };
        return Some(cut.unwrap_or(value).to_owned());
    }
    let cut = match operator {
        "#" => pattern
            .strip_prefix('*')
            .filter(|rest| is_literal(rest))
            .and_then(|rest| value.split_once(rest))
            .map(|(_, rest)| rest),
        "##" => pattern
            .strip_prefix('*')
            .filter(|rest| is_literal(rest))
            .and_then(|rest| value.rsplit_once(rest))
            .map(|(_, rest)| rest),
        "%" => pattern
            .strip_suffix('*')
            .filter(|rest| is_literal(rest))
            .and_then(|rest| value.rsplit_once(rest))
            .map(|(rest, _)| rest),
        _ => pattern
            .strip_suffix('*')
            .filter(|rest| is_literal(rest))
            .and_then(|rest| value.split_once(rest))
            .map(|(rest, _)| rest),
    };
    let inner = pattern.trim_matches('*');
    match cut {
        Some(cut) => Some(cut.to_owned()),
        None if is_literal(inner) && !value.contains(inner) => Some(value.to_owned()),
        None => None,
    }
}

/// Says whether a text matches a pattern of `case`; `None` where the pattern is beyond `*` and `?`.
pub(super) fn matches(pattern: &str, text: &str) -> Option<bool> {
    if pattern.contains(['[', '\\']) {
        return None;
    }
    Some(glob::matches(pattern.as_bytes(), text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, text, expected) in [
            ("configure", "configure", Some(true)),
            ("abort-*", "abort-upgrade", Some(true)),
            ("abort-*", "upgrade", Some(false)),
            ("*", "", Some(true)),
            ("a?c*e", "abcde", Some(true)),
            ("*b*d", "abcd", Some(true)),
            ("*b*d", "abcde", Some(false)),
            ("[a-z]", "a", None),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn parts_of_a_value_are_taken_off() {
        for (value, operator, pattern, expected) in [
            ("demo.service", "%", ".service", Some("demo")),
            ("/a/b/c", "##", "*/", Some("c")),
            ("/a/b/c", "#", "*/", Some("a/b/c")),
            ("/a/b/c", "%", "/*", Some("/a/b")),
            ("/a/b/c", "%%", "/*", Some("")),
            ("abc", "%", "/*", Some("abc")),
            ("abc", "#", "[a]", None),
        ] {
            assert_eq!(trimmed(value, operator, pattern).as_deref(), expected, "{value} {operator} {pattern}");
        }
    }
}
