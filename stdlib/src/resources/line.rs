//! The resource type `line`.

use std::sync::Arc;

use stead_catalog::{Command, Footprint, Problem};

use crate::edit::lines::{self, body, split};
use crate::edit::{Edited, EditedFile, Edits, Flaw, edits_a_file};
use crate::values::{AbsolutePath, Account, Guarded, Mode, Pattern};
use crate::{Choice, Resource};

/// One line of a text file, the rest of which is somebody else's.
///
/// With `match`, the line that matches becomes this one; without it, or where nothing matches, the line is added: at the end, or
/// where `after`, `before` or `at` say. A line that is there already is left where it is. The other lines stay as they are, byte for
/// byte, and new lines get the file's own line ending. Several resources may edit one file; they do so one after the other.
/// Compares to Salt's `file.replace`, `file.line` and `file.append`, Puppet's `file_line`, and Ansible's `lineinfile`.
///
/// ```stead
/// line "DEMO_ENV=production" { path = "/etc/environment", match = r"^DEMO_ENV=" }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "line",
    since = "0.1",
    aliases(
        text = "line",
        content = "line",
        dest = "path",
        file = "path",
        ensure = "state",
        regexp = "match",
        pattern = "match",
        insertafter = "after",
        insertbefore = "before",
        multiple = "every",
        append_on_no_match = "add",
        user = "owner"
    )
)]
pub struct Line {
    /// The line, without its ending. Identifies the resource; give `line` beside another name where two files get the same line.
    #[key]
    pub line: Guarded<Arc<str>>,
    /// The file.
    pub path: AbsolutePath,
    /// Whether the line is there.
    #[default(State::Present)]
    pub state: State,
    /// The line that is replaced, or with `state = absent` the lines that are removed, by a regular expression that matches in them.
    pub r#match: Option<Pattern>,
    /// Replace every line that matches. Otherwise several that match are an error: nobody can tell which is meant.
    #[default(false)]
    pub every: bool,
    /// Let `$1` or `$name` in `line` stand for what the groups of `match` found, as Ansible's `backrefs`. Nothing is added then where nothing matches.
    #[default(false)]
    pub expand: bool,
    /// Add the line where it is missing. Otherwise only a line that matches is replaced.
    #[default(true)]
    pub add: bool,
    /// A missing line is added after the last line that this regular expression matches.
    pub after: Option<Pattern>,
    /// A missing line is added before the first line that this regular expression matches.
    pub before: Option<Pattern>,
    /// Where a missing line is added that has neither `after` nor `before`.
    #[default(Place::End)]
    pub at: Place,
    /// Make the file when it is missing.
    #[default(false)]
    pub create: bool,
    /// Permission bits of the file. Left as found when absent; 0644 for a new file.
    pub mode: Option<Mode>,
    /// The user the file belongs to. Left as found when absent.
    pub owner: Option<Account>,
    /// The group the file belongs to. Left as found when absent.
    pub group: Option<Account>,
    /// A command that has to accept the new content before it is put in place; `%s` stands for the path of the temporary file.
    pub validate: Option<Command>,
}

/// Whether the line is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The line is there.
    Present,
    /// No line matches `match`, or is this one where there is no `match`.
    Absent,
}

/// An end of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum Place {
    /// Before the first line.
    Start,
    /// After the last line.
    End,
}

impl Line {
    fn footprint(&self) -> Footprint {
        // Two resources that replace what the same expression finds would take turns for ever.
        let part = match (&self.r#match, self.state) {
            (Some(pattern), State::Present) => Some(format!("line:{} matching {pattern}", self.path)),
            _ => None,
        };
        self.file().footprint(part)
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.file().check(&mut problems);
        let mut problem = |code, attribute: &str, other: Option<&str>, message: &str, hint: &str| {
            problems.push(Problem {
                code,
                attribute: Some(attribute.into()),
                other: other.map(Into::into),
                message: message.into(),
                hint: Some(hint.into()),
                mend: None,
            });
        };
        if self.line.reveal().contains(['\n', '\r']) {
            problem("invalid-value", "line", None, "this is more than one line", "declare a `line` for each, or a `block`");
        }
        if self.after.is_some() && self.before.is_some() {
            problem("conflicting-attributes", "before", Some("after"), "a line is added in one place", "keep one of the two");
        }
        if self.r#match.is_none() {
            for (given, name) in [(self.every, "every"), (self.expand, "expand"), (!self.add, "add")] {
                if given {
                    let message = format!("`{name}` speaks of the lines that `match` finds, and there is no `match`");
                    problem("conflicting-attributes", name, None, &message, "give `match`, or take it away");
                }
            }
        }
        if self.state == State::Absent {
            let placed = [(self.after.is_some(), "after"), (self.before.is_some(), "before"), (self.create, "create")];
            for (_, name) in placed.into_iter().filter(|(given, _)| *given) {
                let hint = format!("take `{name}` away, or `state = absent`");
                problem("conflicting-attributes", name, Some("state"), "a line that is absent is not added anywhere", &hint);
            }
        }
        problems
    }

    fn is_unwanted(&self, line: &[u8]) -> bool {
        match &self.r#match {
            Some(pattern) => pattern.is_match(line),
            None => line == self.line.reveal().as_bytes(),
        }
    }

    fn edit_present(&self, text: &[u8], all: &[&[u8]]) -> Edited {
        let wanted = self.line.reveal().as_bytes();
        let matching: Vec<usize> = match &self.r#match {
            Some(pattern) => (0..all.len()).filter(|at| pattern.is_match(body(all[*at]))).collect(),
            None => Vec::new(),
        };
        if matching.len() > 1 && !self.every {
            // The line itself is the one that is meant, wherever else the expression matches.
            if !self.expand && matching.iter().any(|at| body(all[*at]) == wanted) {
                return Ok(None);
            }
            return Err(self.ambiguous(&matching));
        }
        if !matching.is_empty() {
            let mut edited: Vec<Vec<u8>> = all.iter().map(|line| line.to_vec()).collect();
            for at in matching {
                let old = body(all[at]);
                let ending = all[at][old.len()..].to_vec();
                edited[at] = [self.replacement(old), ending].concat();
            }
            let edited = edited.concat();
            return Ok((edited != text).then_some(edited));
        }
        if !self.add || self.expand || all.iter().any(|line| body(line) == wanted) {
            return Ok(None);
        }
        let at = self.place(all)?;
        let ending = lines::ending(text);
        let new = lines::line(wanted, ending);
        let edited = all[..at].iter().copied().chain([&new[..]]).chain(all[at..].iter().copied());
        Ok(Some(lines::join(edited, ending)))
    }

    fn replacement(&self, old: &[u8]) -> Vec<u8> {
        let wanted = self.line.reveal().as_bytes();
        match self.r#match.as_ref().filter(|_| self.expand).and_then(|pattern| pattern.regex().captures(old)) {
            Some(captures) => {
                let mut replaced = Vec::new();
                captures.expand(wanted, &mut replaced);
                replaced
            }
            None => wanted.to_vec(),
        }
    }

    /// The line before which a new one is put.
    fn place(&self, all: &[&[u8]]) -> Result<usize, Flaw> {
        let found = |pattern: &Pattern, attribute: &str, at: Option<usize>| {
            at.ok_or_else(|| Flaw {
                code: "no-matching-line",
                line: None,
                message: format!("no line matches `{pattern}`, which `{attribute}` names as the place of the new one"),
                hint: format!("check the expression, or take `{attribute}` away to add the line at the end"),
            })
        };
        match (&self.after, &self.before) {
            (Some(after), _) => found(after, "after", all.iter().rposition(|line| after.is_match(body(line)))).map(|at| at + 1),
            (None, Some(before)) => found(before, "before", all.iter().position(|line| before.is_match(body(line)))),
            (None, None) if self.at == Place::Start => Ok(0),
            (None, None) => Ok(all.len()),
        }
    }

    fn ambiguous(&self, matching: &[usize]) -> Flaw {
        let numbers: Vec<String> = matching.iter().take(5).map(|at| (at + 1).to_string()).collect();
        let more = if matching.len() > 5 { ", …" } else { "" };
        let pattern = self.r#match.as_ref().map(ToString::to_string).unwrap_or_default();
        Flaw {
            code: "ambiguous-match",
            line: None,
            message: format!("{} lines match `{pattern}`: {}{more}", matching.len(), numbers.join(", ")),
            hint: "make the expression say which one is meant, or set `every = true` to replace them all".into(),
        }
    }
}

impl Edits for Line {
    fn file(&self) -> EditedFile<'_> {
        EditedFile {
            create: self.create,
            mode: self.mode,
            owner: self.owner.as_ref(),
            group: self.group.as_ref(),
            validate: self.validate.as_ref(),
            sensitive: self.line.is_sensitive(),
            ..EditedFile::new(&self.path, self.state == State::Present)
        }
    }

    fn edit(&self, text: &[u8]) -> Edited {
        let all = split(text);
        match self.state {
            State::Absent => {
                let kept: Vec<&[u8]> = all.iter().copied().filter(|line| !self.is_unwanted(body(line))).collect();
                Ok((kept.len() < all.len()).then(|| kept.concat()))
            }
            State::Present => self.edit_present(text, &all),
        }
    }
}

edits_a_file!(Line, removal: ["path"]);
