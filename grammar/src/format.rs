//! `stead fmt`: one style, no options, every comment kept.
//!
//! Brackets that stood on one line stay on one line where they fit; others get an element a line. Literals, comments and
//! what has comments in unusual places are copied as they are. Formatting twice changes nothing more, and never what
//! the source means.

mod expr;
mod item;
mod layout;
mod stmt;
mod types;

use crate::ast::Span;
use crate::error::SyntaxError;
use crate::parse::{Comment, Parsed, parse};

/// Lines are kept within this many columns where they can be broken.
const WIDTH: usize = 100;

/// Formats a file.
///
/// # Errors
///
/// The syntax errors, where there are any: only a file without mistakes can be formatted.
pub fn format(source: &str) -> Result<String, Vec<SyntaxError>> {
    let parsed = parse(source);
    if !parsed.errors.is_empty() {
        return Err(parsed.errors);
    }
    let formatted = print(source, &parsed);
    // Nothing a user wrote may be lost to a fault here: such a file is left as it is.
    let again = parse(&formatted);
    let is_same = again.errors.is_empty()
        && again.comments.len() == parsed.comments.len()
        && crate::dump(&again.file) == crate::dump(&parsed.file);
    Ok(if is_same { formatted } else { source.to_owned() })
}

/// Formats without looking whether the result means the same, for tests that hold the printer itself to that.
#[doc(hidden)]
pub fn print_unchecked(source: &str) -> String {
    print(source, &parse(source))
}

/// Prints a file without mistakes.
fn print(source: &str, parsed: &Parsed) -> String {
    let mut printer = Printer {
        source,
        comments: &parsed.comments,
        next_comment: 0,
        out: String::with_capacity(source.len() + source.len() / 8),
        indent: 0,
        is_flat: false,
        last_end: 0,
        is_misplaced: false,
        trailing: Vec::new(),
    };
    printer.file(&parsed.file);
    printer.finish()
}

/// Where the printer stood, to go back to.
#[derive(Clone, Copy)]
struct Mark {
    out: usize,
    next_comment: usize,
    last_end: u32,
    is_misplaced: bool,
    trailing: usize,
}

/// Writes a tree with its comments.
struct Printer<'a> {
    source: &'a str,
    comments: &'a [Comment],
    /// The first comment that is not written yet.
    next_comment: usize,
    out: String,
    /// In levels of two blanks.
    indent: usize,
    /// Whether brackets may not be broken for want of room, since something around them is tried on one line.
    is_flat: bool,
    /// Where in the source ends what was written last.
    last_end: u32,
    /// Whether a comment would come to stand inside brackets that it stands before.
    is_misplaced: bool,
    /// Where in the output stand comments that share their line with code, to be aligned.
    trailing: Vec<usize>,
}

impl<'a> Printer<'a> {
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Copies a piece of the source.
    fn copy(&mut self, span: Span) {
        self.out.push_str(span.text(self.source));
        self.last_end = span.end;
    }

    fn mark(&self) -> Mark {
        Mark {
            out: self.out.len(),
            next_comment: self.next_comment,
            last_end: self.last_end,
            is_misplaced: self.is_misplaced,
            trailing: self.trailing.len(),
        }
    }

    fn reset(&mut self, mark: Mark) {
        self.out.truncate(mark.out);
        self.next_comment = mark.next_comment;
        self.last_end = mark.last_end;
        self.is_misplaced = mark.is_misplaced;
        self.trailing.truncate(mark.trailing);
    }

    /// Starts a line at the indentation.
    fn newline(&mut self) {
        let kept = self.out.trim_end_matches(' ').len();
        self.out.truncate(kept);
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        for _ in 0..self.indent {
            self.out.push_str("  ");
        }
    }

    /// Returns the width of the line that is being written.
    fn column(&self) -> usize {
        let line = self.out.rfind('\n').map_or(0, |newline| newline + 1);
        self.out[line..].chars().count()
    }

    /// Tells whether what was written since `mark` stays within the width on its first and on its last line.
    fn fits(&self, mark: Mark) -> bool {
        let start = self.out[..mark.out].rfind('\n').map_or(0, |newline| newline + 1);
        let first = self.out[start..].split('\n').next().unwrap_or("");
        first.chars().count() <= WIDTH && self.column() <= WIDTH
    }

    fn has_newline(&self, from: u32, to: u32) -> bool {
        Span::new(from, to).text(self.source).contains('\n')
    }

    /// Returns the first offset at or behind `offset` that is no blank, newline, comma or comment.
    fn skip_trivia(&self, offset: u32) -> u32 {
        let bytes = self.source.as_bytes();
        let mut at = offset as usize;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => at += 1,
                b'#' => at = self.source[at..].find('\n').map_or(self.source.len(), |length| at + length),
                _ => break,
            }
        }
        at as u32
    }

    /// Writes the comments before `offset`, each on a line, and then starts the line for what stands at `offset`. Keeps a blank
    /// line where there was one, except at the start of a block (`is_first`).
    fn line_for(&mut self, offset: u32, is_first: bool) {
        let mut is_first = is_first;
        while let Some(comment) = self.comments.get(self.next_comment).filter(|comment| comment.span.start < offset) {
            let span = comment.span;
            self.separate(span.start, is_first);
            self.push(span.text(self.source).trim_end());
            self.last_end = span.end;
            self.next_comment += 1;
            is_first = false;
        }
        self.separate(offset, is_first);
    }

    /// Writes the comments before `offset`, where a block ends.
    fn comments_before(&mut self, offset: u32, is_first: bool) {
        let mut is_first = is_first;
        while let Some(comment) = self.comments.get(self.next_comment).filter(|comment| comment.span.start < offset) {
            let span = comment.span;
            self.separate(span.start, is_first);
            self.push(span.text(self.source).trim_end());
            self.last_end = span.end;
            self.next_comment += 1;
            is_first = false;
        }
    }

    fn separate(&mut self, offset: u32, is_first: bool) {
        let gap = Span::new(self.last_end, offset.max(self.last_end)).text(self.source);
        let is_blank = gap.bytes().filter(|byte| *byte == b'\n').count() > 1;
        if is_blank && !is_first {
            let kept = self.out.trim_end_matches(' ').len();
            self.out.truncate(kept);
            self.out.push('\n');
        }
        self.newline();
    }

    /// Writes the comment that shares its line with what ended at `last_end`; aligned with those on the lines around it, or not.
    fn trailing_comment(&mut self, is_aligned: bool) {
        let Some(comment) = self.comments.get(self.next_comment) else { return };
        let span = comment.span;
        if span.start >= self.last_end && is_blank(Span::new(self.last_end, span.start).text(self.source)) {
            self.push("  ");
            if is_aligned {
                self.trailing.push(self.out.len());
            }
            self.push(span.text(self.source).trim_end());
            self.last_end = span.end;
            self.next_comment += 1;
        }
    }

    /// Writes what `span` covers by `write`; where that leaves out a comment inside, or puts one elsewhere, copies the source
    /// instead.
    fn with_comments(&mut self, span: Span, write: impl FnOnce(&mut Self)) {
        let mark = self.mark();
        let was_misplaced = std::mem::replace(&mut self.is_misplaced, false);
        write(self);
        let is_misplaced = std::mem::replace(&mut self.is_misplaced, was_misplaced);
        let is_left = |comment: &Comment| comment.span.start < span.end;
        if is_misplaced || self.comments.get(self.next_comment).is_some_and(is_left) {
            self.reset(mark);
            self.copy(span);
            while self.comments.get(self.next_comment).is_some_and(is_left) {
                self.next_comment += 1;
            }
        }
        self.last_end = span.end;
    }

    /// Aligns the comments that share their lines with code, where such lines follow each other, and ends the file.
    fn finish(mut self) -> String {
        let kept = self.out.trim_end().len();
        self.out.truncate(kept);
        if self.out.is_empty() {
            return self.out;
        }
        self.out.push('\n');
        let mut result = String::with_capacity(self.out.len());
        let mut copied = 0;
        let mut index = 0;
        while index < self.trailing.len() {
            let mut group = vec![self.trailing[index]];
            while let (Some(last), Some(next)) = (group.last().copied(), self.trailing.get(index + group.len()).copied()) {
                if self.out[last..next].matches('\n').count() != 1 {
                    break;
                }
                group.push(next);
            }
            index += group.len();
            let width = |at: usize| {
                let line = self.out[..at].rfind('\n').map_or(0, |newline| newline + 1);
                self.out[line..at].chars().count()
            };
            let widest = group.iter().map(|at| width(*at)).max().unwrap_or(0);
            for at in group {
                result.push_str(&self.out[copied..at]);
                if widest <= WIDTH {
                    result.extend(std::iter::repeat_n(' ', widest - width(at)));
                }
                copied = at;
            }
        }
        result.push_str(&self.out[copied..]);
        result
    }
}

/// Tells whether nothing stands in a piece of a line but blanks and commas.
fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b','))
}
