//! An INI file as a list of items that keep their text: headers, settings with their continuation lines, comments and blank lines.

use crate::edit::Flaw;
use crate::edit::lines::{self, body, split};

/// How a file writes its sections and settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style<'s> {
    /// What stands between a key and its value, with blanks around it as a new line gets it.
    pub(super) separator: &'s str,
    /// What a comment begins with.
    pub(super) comments: &'s [std::sync::Arc<str>],
    /// What stands before and after the name of a section.
    pub(super) brackets: (&'s str, &'s str),
}

/// What an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Blank,
    Comment,
    Header(Vec<u8>),
    /// A setting; a bare key has no value.
    Setting {
        key: Vec<u8>,
        value: Option<Vec<u8>>,
    },
}

/// Some lines of the file.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) text: Vec<u8>,
}

/// The file.
#[derive(Clone, Debug)]
pub(super) struct Document<'s> {
    pub(super) items: Vec<Item>,
    style: Style<'s>,
    ending: &'static [u8],
}

impl<'s> Style<'s> {
    /// The separator as it is looked for; `None` when blanks separate.
    fn mark(&self) -> Option<&'s [u8]> {
        let mark = self.separator.trim();
        (!mark.is_empty()).then_some(mark.as_bytes())
    }

    /// Splits a trimmed line into key and value.
    fn halves<'l>(&self, line: &'l [u8]) -> (&'l [u8], Option<&'l [u8]>) {
        let at = match self.mark() {
            Some(mark) => line.windows(mark.len()).position(|part| part == mark).map(|at| (at, at + mark.len())),
            None => line.iter().position(u8::is_ascii_whitespace).map(|at| (at, at)),
        };
        match at {
            Some((end, start)) => (line[..end].trim_ascii_end(), Some(line[start..].trim_ascii())),
            None => (line, None),
        }
    }

    fn is_comment(&self, line: &[u8]) -> bool {
        self.comments.iter().any(|mark| line.starts_with(mark.as_bytes()))
    }
}

impl<'s> Document<'s> {
    /// Reads a file.
    ///
    /// # Errors
    /// A section header without its end, a setting without a key, a last line that is to go on.
    pub(super) fn parse(text: &[u8], style: Style<'s>) -> Result<Self, Flaw> {
        let mut items: Vec<Item> = Vec::new();
        let mut indent = 0;
        for (number, line) in split(text).into_iter().enumerate() {
            let content = body(line);
            let trimmed = content.trim_ascii();
            let own = content.len() - content.trim_ascii_start().len();
            if let Some(last) = items.last_mut()
                && continues(&last.kind, &last.text, trimmed, own > indent, &style)
            {
                last.text.extend_from_slice(line);
                continue;
            }
            let kind = if trimmed.is_empty() {
                Kind::Blank
            } else if style.is_comment(trimmed) {
                Kind::Comment
            } else if let Some(rest) = trimmed.strip_prefix(style.brackets.0.as_bytes()) {
                Kind::Header(header(rest, number + 1, &style)?)
            } else {
                indent = own;
                let (key, value) = style.halves(trimmed);
                if key.is_empty() {
                    let hint = "mend the line by hand, or declare the whole file with `file`";
                    return Err(Flaw::malformed(number + 1, "a setting without a name", hint));
                }
                Kind::Setting { key: key.to_vec(), value: value.map(<[u8]>::to_vec) }
            };
            if matches!(kind, Kind::Header(_)) {
                indent = own;
            }
            items.push(Item { kind, text: line.to_vec() });
        }
        if let Some(last) = items.last().filter(|last| matches!(last.kind, Kind::Setting { .. }))
            && split(&last.text).last().is_some_and(|line| body(line).ends_with(b"\\"))
        {
            let hint = "take the `\\` at its end away, or say what follows";
            return Err(Flaw::malformed(split(text).len(), "a value that goes on in the next line, and there is none", hint));
        }
        // The value of a setting over several lines is what all of them say.
        for item in &mut items {
            if let Kind::Setting { value: Some(value), .. } = &mut item.kind {
                let more: Vec<&[u8]> = split(&item.text).into_iter().skip(1).map(body).collect();
                for line in more {
                    value.push(b'\n');
                    value.extend_from_slice(line.trim_ascii());
                }
            }
        }
        Ok(Self { items, style, ending: lines::ending(text) })
    }

    /// The text of the file.
    pub(super) fn text(&self) -> Vec<u8> {
        lines::join(self.items.iter().map(|item| &*item.text), self.ending)
    }

    /// The places of a section's items, headers included; of `None`: what stands before the first header.
    pub(super) fn section(&self, name: Option<&str>) -> Vec<usize> {
        let mut current: Option<&[u8]> = None;
        let mut found = Vec::new();
        for (at, item) in self.items.iter().enumerate() {
            if let Kind::Header(header) = &item.kind {
                current = Some(header);
            }
            if current == name.map(str::as_bytes) {
                found.push(at);
            }
        }
        found
    }

    /// The places of a key's settings in a section.
    pub(super) fn settings(&self, section: Option<&str>, key: &str) -> Vec<usize> {
        let is_it = |at: &usize| matches!(&self.items[*at].kind, Kind::Setting { key: found, .. } if found == key.as_bytes());
        self.section(section).into_iter().filter(is_it).collect()
    }

    /// The value at a place; `None` of a bare key.
    pub(super) fn value(&self, at: usize) -> Option<&[u8]> {
        match &self.items[at].kind {
            Kind::Setting { value, .. } => value.as_deref(),
            _ => None,
        }
    }

    /// Gives the setting at a place another value; its indentation and the form of its separator stay.
    pub(super) fn rewrite(&mut self, at: usize, value: Option<&str>) {
        let Kind::Setting { key, value: old } = &self.items[at].kind else { return };
        let line = split(&self.items[at].text)[0].to_vec();
        let content = body(&line);
        let indent = content.len() - content.trim_ascii_start().len();
        let kept = match (old, value) {
            (Some(old), Some(_)) if !old.is_empty() && !old.starts_with(b"\n") => {
                // What stands before the value in the first line: the key, the separator and the blanks around them.
                let rest = style_value(&self.style, content);
                content[..content.len() - rest].to_vec()
            }
            (_, Some(_)) => [&content[..indent], key, self.style.separator.as_bytes()].concat(),
            (_, None) => [&content[..indent], key].concat(),
        };
        let ending = if line.len() > content.len() { &line[content.len()..] } else { &b""[..] };
        let text = [&kept, value.unwrap_or_default().as_bytes(), ending].concat();
        let kind = Kind::Setting { key: key.clone(), value: value.map(|value| value.as_bytes().to_vec()) };
        self.items[at] = Item { kind, text };
    }

    /// Adds a setting after its namesakes, in the place of the commented one where that is wanted, or at the end of its section.
    pub(super) fn add(&mut self, section: Option<&str>, key: &str, value: Option<&str>, uncomment: bool) {
        let places = self.section(section);
        let settings: Vec<usize> =
            places.iter().copied().filter(|at| matches!(self.items[*at].kind, Kind::Setting { .. })).collect();
        let commented = uncomment.then(|| places.iter().copied().find(|at| self.is_commented(*at, key))).flatten();
        let neighbour = settings.last().or(commented.as_ref()).copied();
        let indent: Vec<u8> = neighbour.map_or_else(Vec::new, |at| {
            let text = &self.items[at].text;
            text.iter().copied().take_while(|byte| matches!(byte, b' ' | b'\t')).collect()
        });
        let mut text = [&indent, key.as_bytes()].concat();
        if let Some(value) = value {
            text.extend_from_slice(self.style.separator.as_bytes());
            text.extend_from_slice(value.as_bytes());
        }
        text.extend_from_slice(self.ending);
        let kind = Kind::Setting { key: key.as_bytes().to_vec(), value: value.map(|value| value.as_bytes().to_vec()) };
        let new = Item { kind, text };
        if let Some(at) = commented {
            self.items[at] = new;
            return;
        }
        let namesake = self.settings(section, key).last().copied();
        let at = match (namesake.or(settings.last().copied()), section) {
            (Some(last), _) => last + 1,
            (None, Some(_)) => places.last().map_or(self.items.len(), |_| self.last_header(&places) + 1),
            // Before the first header, after what is said at the top of the file.
            (None, None) => places.iter().rev().find(|at| self.items[**at].kind != Kind::Blank).map_or(0, |at| at + 1),
        };
        self.items.insert(at, new);
    }

    fn last_header(&self, places: &[usize]) -> usize {
        places.iter().rev().copied().find(|at| matches!(self.items[*at].kind, Kind::Header(_))).unwrap_or(0)
    }

    /// Adds an empty section at the end, set off by a blank line.
    pub(super) fn add_section(&mut self, name: &str) {
        if self.items.last().is_some_and(|last| last.kind != Kind::Blank) {
            self.items.push(Item { kind: Kind::Blank, text: self.ending.to_vec() });
        }
        let text = [self.style.brackets.0.as_bytes(), name.as_bytes(), self.style.brackets.1.as_bytes(), self.ending].concat();
        self.items.push(Item { kind: Kind::Header(name.as_bytes().to_vec()), text });
    }

    /// Takes a section away with all that is in it. The comments right above the next header belong to that one.
    pub(super) fn remove_section(&mut self, name: Option<&str>) {
        let places = self.section(name);
        let mut gone = vec![false; self.items.len()];
        for at in &places {
            gone[*at] = true;
        }
        for at in 0..self.items.len() {
            let is_next = matches!(self.items[at].kind, Kind::Header(_)) && !gone[at];
            if is_next {
                for above in (0..at).rev().take_while(|above| self.items[*above].kind == Kind::Comment) {
                    gone[above] = false;
                }
            }
        }
        // The blank line that set a section at the end of the file off from what stood before it.
        let end = gone.iter().rposition(|gone| !gone).filter(|last| last + 1 < gone.len());
        if let Some(last) = end.filter(|last| self.items[*last].kind == Kind::Blank) {
            gone[last] = true;
        }
        let mut at = 0;
        self.items.retain(|_| {
            at += 1;
            !gone[at - 1]
        });
    }

    /// Says whether an item is this setting, commented out.
    fn is_commented(&self, at: usize, key: &str) -> bool {
        let item = &self.items[at];
        if item.kind != Kind::Comment {
            return false;
        }
        let line = body(&item.text).trim_ascii();
        let Some(mark) = self.style.comments.iter().find(|mark| line.starts_with(mark.as_bytes())) else { return false };
        let (found, value) = self.style.halves(line[mark.len()..].trim_ascii());
        found == key.as_bytes() && (value.is_some() || self.style.mark().is_some())
    }
}

/// How many bytes of a line are its value.
fn style_value(style: &Style<'_>, content: &[u8]) -> usize {
    let trimmed = content.trim_ascii_start();
    let tail = trimmed.len() - trimmed.trim_ascii_end().len();
    style.halves(trimmed.trim_ascii_end()).1.map_or(0, |value| value.len() + tail)
}

/// Reads a header behind its opening bracket.
fn header(rest: &[u8], number: usize, style: &Style<'_>) -> Result<Vec<u8>, Flaw> {
    let (open, close) = style.brackets;
    let close = close.as_bytes();
    let found = rest.windows(close.len().max(1)).rposition(|part| part == close);
    if let Some(at) = found {
        let behind = rest[at + close.len()..].trim_ascii();
        if behind.is_empty() || style.is_comment(behind) {
            return Ok(rest[..at].trim_ascii().to_vec());
        }
    }
    // A comment may hold the bracket that closes: `[a] # see [b]`.
    let first = rest.windows(close.len().max(1)).position(|part| part == close);
    if let Some(at) = first
        && style.is_comment(rest[at + close.len()..].trim_ascii())
    {
        return Ok(rest[..at].trim_ascii().to_vec());
    }
    let message = format!("a section header that begins with `{open}` and does not end with `{}`", style.brackets.1);
    Err(Flaw::malformed(number, message, "mend the line by hand, or declare the whole file with `file`"))
}

/// Says whether a line goes on with the item before it.
fn continues(last: &Kind, text: &[u8], trimmed: &[u8], is_deeper: bool, style: &Style<'_>) -> bool {
    let Kind::Setting { value, .. } = last else { return false };
    let lines = split(text);
    if lines.last().is_some_and(|line| body(line).ends_with(b"\\")) {
        return true;
    }
    if trimmed.is_empty() || !is_deeper || style.is_comment(trimmed) || value.is_none() {
        return false;
    }
    // As configparser reads it: a line that is indented deeper and says nothing of its own belongs to the value above.
    let is_empty = value.as_ref().is_some_and(Vec::is_empty);
    let is_header = trimmed.starts_with(style.brackets.0.as_bytes());
    is_empty || (!is_header && style.halves(trimmed).1.is_none())
}
