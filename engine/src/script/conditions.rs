//! Commands that only ask.

use std::path::Path;
use std::sync::Arc;

use stead_catalog::Command;

use super::run::{Interpreter, Status};
use super::words::Field;
use crate::system::dpkg::compare_versions;
use crate::{Probe, World, foreseen};

impl Interpreter<'_, '_> {
    /// `test` and `[`.
    pub(super) fn test(&self, fields: &[Field]) -> Status {
        let words: Vec<&str> = fields.iter().map(|field| field.text.as_deref()).collect::<Option<_>>()?;
        let number = |text: &str| text.parse::<i64>().ok();
        let is = |a: &str, operator: &str, b: &str| {
            let (a, b) = (number(a)?, number(b)?);
            Some(match operator {
                "-eq" => a == b,
                "-ne" => a != b,
                "-gt" => a > b,
                "-ge" => a >= b,
                "-lt" => a < b,
                "-le" => a <= b,
                _ => return None,
            })
        };
        let inner: Vec<&str> = words.iter().skip(1).copied().filter(|word| *word != "]").collect();
        match inner.as_slice() {
            [a, operator @ ("-eq" | "-ne" | "-gt" | "-ge" | "-lt" | "-le"), b] => return is(a, operator, b),
            [] => return Some(false),
            // For root everything that is there can be read; what is executable is there to be run.
            _ => {}
        }
        let same = |word: &str| if matches!(word, "-x" | "-r" | "-w") { "-e".to_owned() } else { word.to_owned() };
        self.ask(words.iter().map(|word| same(word)).collect())
    }

    /// A command that guards are made of as well.
    pub(super) fn ask(&self, words: Vec<String>) -> Status {
        let argv = words.into_iter().map(Arc::from).collect();
        let probe = Probe { command: Command::Argv(argv), user: None, cwd: None, env: Vec::new(), timeout: None };
        foreseen::answer(&*self.world, &probe)
    }

    pub(super) fn ask_fields(&self, fields: &[Field]) -> Status {
        let words: Option<Vec<String>> = fields.iter().map(|field| field.text.clone()).collect();
        self.ask(words?)
    }

    /// `dpkg --compare-versions A lt B`, `dpkg --validate-…`; everything else of dpkg is not known.
    pub(super) fn dpkg(&self, fields: &[Field]) -> Status {
        let words: Vec<&str> = fields.iter().map(|field| field.text.as_deref()).collect::<Option<_>>()?;
        let [_, "--compare-versions", a, operator, b] = words.as_slice() else { return None };
        let is_nl = operator.ends_with("-nl");
        match (a.is_empty(), b.is_empty()) {
            (false, false) => {}
            // No version is lower than any, and with `-nl` higher.
            (true, true) => return Some(matches!(*operator, "le" | "eq" | "ge" | "le-nl" | "ge-nl")),
            (true, false) => return Some(operator.starts_with('l') != is_nl || *operator == "ne"),
            (false, true) => return Some(operator.starts_with('g') != is_nl || *operator == "ne"),
        }
        let order = compare_versions(a, b);
        Some(match *operator {
            "lt" | "lt-nl" | "<<" => order.is_lt(),
            "le" | "le-nl" | "<=" | "<" => order.is_le(),
            "eq" | "=" => order.is_eq(),
            "ne" => order.is_ne(),
            "ge" | "ge-nl" | ">=" | ">" => order.is_ge(),
            "gt" | "gt-nl" | ">>" => order.is_gt(),
            _ => return None,
        })
    }

    /// Says whether `dpkg-statoverride` has an entry for a path.
    pub(super) fn has_override(&self, path: &str) -> Status {
        let text = match self.world.read(Path::new("/var/lib/dpkg/statoverride")).ok()?.value().cloned()? {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => return Some(false),
        };
        Some(text.lines().any(|line| line.splitn(4, ' ').nth(3) == Some(path)))
    }
}
