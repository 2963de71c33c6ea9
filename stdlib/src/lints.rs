//! Lints of resource types: what works and is most likely not what was meant. Each code has its page in `compiler/errors`.

mod secrets;

use stead_catalog::{Attributes, Mend, Problem, Value};

/// Makes what a lint says.
pub(crate) fn problem(
    code: &'static str,
    attribute: Option<&str>,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Problem {
    Problem {
        code,
        attribute: attribute.map(Into::into),
        other: None,
        message: message.into(),
        hint: Some(hint.into()),
        mend: None,
    }
}

/// The same, mended by an attribute that is written so.
pub(crate) fn mended(problem: Problem, attribute: &str, value: impl Into<String>) -> Problem {
    Problem { mend: Some(Mend { attribute: attribute.to_owned(), value: value.into() }), ..problem }
}

/// What there is to say about resources of any type: permission bits that let everybody in, secrets that everybody can read.
pub fn of_any_type(type_name: &str, attributes: &Attributes) -> Vec<Problem> {
    let mut found = secrets::of(type_name, attributes);
    for (name, value) in attributes.iter() {
        // A umask takes bits away.
        let Value::Mode(mode) = value else { continue };
        if &**name == "umask" {
            continue;
        }
        if mode & 0o002 != 0 && mode & 0o1000 == 0 {
            let less = mode & !0o002;
            let hint = format!("take the right to write away: {less:04o}; a directory that all share has the sticky bit: 01777");
            let problem = problem("world-writable", Some(name), format!("`{name} = {mode:04o}` lets everybody write"), hint);
            found.push(mended(problem, name, format!("{less:04o}")));
        }
        if &**name == "mode" && mode & 0o004 != 0 && secrets::are_in_content(attributes) {
            let less = format!("{:04o}", mode & !0o007);
            let message = format!("the file holds a secret, and `mode = {mode:04o}` lets everybody read it");
            let problem = problem("readable-secret", Some(name), message, format!("write `mode = {less}`"));
            found.push(mended(problem, name, less));
        }
    }
    found
}

/// What makes a line more than a program and its words to the shell.
const SHELL_CHARACTERS: &str = "|&;<>()$`\\\"'*?[]#~={}!\n";

/// Words that only the shell knows.
const SHELL_WORDS: [&str; 27] = [
    ".", ":", "alias", "bg", "cd", "command", "eval", "exec", "exit", "export", "fg", "getopts", "hash", "if", "jobs", "read",
    "readonly", "return", "set", "shift", "source", "times", "trap", "type", "ulimit", "umask", "wait",
];

/// Returns the words of a line for the shell that needs no shell.
pub(crate) fn plain_words(line: &str) -> Option<Vec<&str>> {
    let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    let first = *words.first()?;
    let needs_shell = line.contains(|c| SHELL_CHARACTERS.contains(c)) || SHELL_WORDS.contains(&first);
    (!needs_shell).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_shell() {
        assert_eq!(plain_words("systemctl  daemon-reload"), Some(vec!["systemctl", "daemon-reload"]));
        assert_eq!(plain_words("a | b"), None);
        assert_eq!(plain_words("echo $HOME"), None);
        assert_eq!(plain_words("LANG=C ls"), None);
        assert_eq!(plain_words("cd /tmp"), None);
        assert_eq!(plain_words("echo a\\ b"), None);
        assert_eq!(plain_words(" "), None);
    }
}
