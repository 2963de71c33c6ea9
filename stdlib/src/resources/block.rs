//! The resource type `block`.

use std::sync::Arc;

use stead_catalog::{Command, Footprint, Problem};

use crate::edit::lines::{self, body, split};
use crate::edit::{Edited, EditedFile, Edits, Flaw, edits_a_file};
use crate::problems::Problems;
use crate::values::{AbsolutePath, Account, Guarded, Mode, Pattern};
use crate::{Choice, Resource};

/// Some lines of a text file between two marker lines, the rest of which is somebody else's.
///
/// The markers are comments that name the block: `# BEGIN stead NAME` and `# END stead NAME`. What stands between them is replaced; where
/// they are missing, the block is added: at the end, or where `after`, `before` or `at` say. The other lines stay as they are, byte
/// for byte, and new lines get the file's own line ending. Compares to Salt's `file.blockreplace`, Ansible's
/// `blockinfile`, and Puppet's `concat::fragment` in a file of somebody else's.
///
/// ```stead
/// block "mirrors" { path = "/etc/hosts", content = "10.0.0.7 mirror\n10.0.0.8 cache\n" }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "block",
    since = "0.1",
    aliases(
        marker = "name",
        title = "name",
        dest = "path",
        file = "path",
        block = "content",
        text = "content",
        lines = "content",
        ensure = "state",
        insertafter = "after",
        insertbefore = "before",
        insert_after_match = "after",
        insert_before_match = "before",
        marker_begin = "begin",
        marker_start = "begin",
        marker_end = "end",
        append_if_not_found = "add",
        user = "owner"
    )
)]
pub struct Block {
    /// What the markers call the block. Identifies the resource; give `name` beside another name where two files get the same block.
    #[key]
    pub name: Arc<str>,
    /// The file.
    pub path: AbsolutePath,
    /// Whether the block is there.
    #[default(State::Present)]
    pub state: State,
    /// What stands between the markers, of any number of lines; the last one gets its line ending. Shown as `(sensitive)` when it holds a secret.
    pub content: Option<Guarded<Arc<str>>>,
    /// What a comment begins with in this file: `#`, `;`, `//`, `--`, `<!--`.
    #[default("#")]
    pub comment: Arc<str>,
    /// What a comment ends with, where it has to: `-->`, `*/`.
    #[default("")]
    pub comment_end: Arc<str>,
    /// The whole line that begins the block, in place of the one made of `comment` and the name: to take over a block that another tool made.
    pub begin: Option<Arc<str>>,
    /// The whole line that ends the block, likewise.
    pub end: Option<Arc<str>>,
    /// Add the block where it is missing. Otherwise only one that is there is replaced.
    #[default(true)]
    pub add: bool,
    /// A missing block is added after the last line that this regular expression matches.
    pub after: Option<Pattern>,
    /// A missing block is added before the first line that this regular expression matches.
    pub before: Option<Pattern>,
    /// Where a missing block is added that has neither `after` nor `before`.
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

/// Whether the block is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The block is there, with this content.
    Present,
    /// The block is not there: neither its markers nor what was between them.
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

impl Block {
    fn begin(&self) -> Arc<str> {
        self.begin.clone().unwrap_or_else(|| self.marker("BEGIN"))
    }

    fn end(&self) -> Arc<str> {
        self.end.clone().unwrap_or_else(|| self.marker("END"))
    }

    fn marker(&self, word: &str) -> Arc<str> {
        let end = if self.comment_end.is_empty() { String::new() } else { format!(" {}", self.comment_end) };
        format!("{} {word} stead {}{end}", self.comment, self.name).into()
    }

    fn footprint(&self) -> Footprint {
        self.file().footprint([format!("block:{} {}", self.path, self.begin())])
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        self.file().check(problems.list());
        let markers = [("begin", self.begin()), ("end", self.end())];
        if let Some((attribute, _)) = markers.iter().find(|(_, line)| line.contains(['\n', '\r'])) {
            let attribute = if self.begin.is_some() || self.end.is_some() { attribute } else { "name" };
            problems.invalid(attribute, "a marker is one line", "take the line break away");
        }
        if markers[0].1 == markers[1].1 {
            problems.invalid("end", "the two markers are the same line", "tell them apart: `begin` and `end`");
        }
        if self.name.trim().is_empty() && (self.begin.is_none() || self.end.is_none()) {
            problems.invalid("name", "the markers need a name", "name what the block is for");
        }
        match (&self.content, self.state) {
            (None, State::Present) => {
                problems.missing("content", "the block has no content", "give `content`, or set `state = absent`");
            }
            (Some(content), State::Present) => {
                if let Some((attribute, _)) =
                    markers.iter().find(|(_, marker)| content.reveal().lines().any(|line| line == &**marker))
                {
                    let hint = "take the line out of `content`: the markers are put around it";
                    problems.invalid("content", format!("the content holds the line of the marker `{attribute}`"), hint);
                }
            }
            (_, State::Absent) => problems.of_absent(
                "a block",
                &[
                    (self.content.is_some(), "content"),
                    (self.after.is_some(), "after"),
                    (self.before.is_some(), "before"),
                    (self.create, "create"),
                    (!self.add, "add"),
                ],
            ),
        }
        if self.after.is_some() && self.before.is_some() {
            problems.conflict("before", Some("after"), "a block is added in one place", "keep one of the two");
        }
        problems.finish()
    }

    /// Finds the lines of the two markers.
    fn find(&self, all: &[&[u8]]) -> Result<Option<(usize, usize)>, Flaw> {
        let (begin, end) = (self.begin(), self.end());
        let places = |marker: &str| -> Vec<usize> {
            (0..all.len()).filter(|at| body(all[*at]).trim_ascii_end() == marker.trim_end().as_bytes()).collect()
        };
        let (begins, ends) = (places(&begin), places(&end));
        let flaw = |at: usize, message: String| Flaw::malformed(at + 1, message, "mend or remove the marker by hand");
        match (&begins[..], &ends[..]) {
            ([], []) => Ok(None),
            ([first], [last]) if first < last => Ok(Some((*first, *last))),
            ([first], []) => Err(flaw(*first, format!("the block begins here, and no `{end}` ends it"))),
            ([], [last, ..]) => Err(flaw(*last, format!("a block ends here that no `{begin}` begins"))),
            ([first], [last]) => Err(flaw(*last, format!("the block ends before it begins in line {}", first + 1))),
            ([first, second, ..], _) => {
                Err(flaw(*second, format!("the block begins here a second time, after line {}", first + 1)))
            }
            ([_], [first, second, ..]) => {
                Err(flaw(*second, format!("the block ends here a second time, after line {}", first + 1)))
            }
        }
    }

    /// The block with its markers.
    fn lines(&self, ending: &[u8]) -> Vec<u8> {
        let content = self.content.as_ref().map(|content| content.reveal().clone()).unwrap_or_default();
        let (begin, end) = (self.begin(), self.end());
        let lines = [&*begin].into_iter().chain(content.lines()).chain([&*end]);
        lines.flat_map(|line| lines::line(line.as_bytes(), ending)).collect()
    }

    /// The line before which a new block is put.
    fn place(&self, all: &[&[u8]]) -> Result<usize, Flaw> {
        match (&self.after, &self.before) {
            (Some(after), _) => {
                let at = all.iter().rposition(|line| after.is_match(body(line)));
                at.map(|at| at + 1).ok_or_else(|| nowhere(after, "after"))
            }
            (None, Some(before)) => {
                all.iter().position(|line| before.is_match(body(line))).ok_or_else(|| nowhere(before, "before"))
            }
            (None, None) if self.at == Place::Start => Ok(0),
            (None, None) => Ok(all.len()),
        }
    }
}

fn nowhere(pattern: &Pattern, attribute: &str) -> Flaw {
    Flaw {
        code: "no-matching-line",
        line: None,
        message: format!("no line matches `{pattern}`, which `{attribute}` names as the place of the new block"),
        hint: format!("check the expression, or take `{attribute}` away to add the block at the end"),
    }
}

impl Edits for Block {
    fn file(&self) -> EditedFile<'_> {
        EditedFile {
            create: self.create,
            mode: self.mode,
            owner: self.owner.as_ref(),
            group: self.group.as_ref(),
            validate: self.validate.as_ref(),
            sensitive: self.content.as_ref().is_some_and(Guarded::is_sensitive),
            ..EditedFile::new(&self.path, self.state == State::Present)
        }
    }

    fn edit(&self, text: &[u8]) -> Edited {
        let all = split(text);
        let ending = lines::ending(text);
        let found = self.find(&all)?;
        let (start, end, new) = match (found, self.state) {
            (None, State::Absent) => return Ok(None),
            (None, State::Present) if !self.add => return Ok(None),
            (None, State::Present) => {
                let at = self.place(&all)?;
                (at, at, self.lines(ending))
            }
            (Some((first, last)), State::Absent) => (first, last + 1, Vec::new()),
            (Some((first, last)), State::Present) => {
                // The marker at the end of a file may lack its ending, and keeps that.
                let mut new = self.lines(ending);
                if !all[last].ends_with(b"\n") {
                    new.truncate(new.len() - ending.len());
                }
                (first, last + 1, new)
            }
        };
        let edited = lines::join(all[..start].iter().copied().chain([&new[..]]).chain(all[end..].iter().copied()), ending);
        Ok((edited != text).then_some(edited))
    }
}

edits_a_file!(Block, removal: ["path", "comment", "comment_end", "begin", "end"]);
