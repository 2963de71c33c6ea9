//! Lines and columns of byte offsets.

use std::sync::Arc;

use stead_catalog::SourceLocation;
use stead_grammar::ast::Span;

/// A place in a text, both numbers from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

/// Where the lines of a text start; made once per text.
///
/// A line ends at `\n`; a `\r` before it belongs to the line's end.
#[derive(Clone, Debug)]
pub struct LineIndex {
    starts: Vec<u32>,
}

impl LineIndex {
    /// Indexes `text`.
    pub fn new(text: &str) -> Self {
        let mut starts = vec![0];
        starts.extend(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| offset_u32(i + 1)));
        Self { starts }
    }

    /// Returns the number of lines, at least 1.
    pub fn line_count(&self) -> usize {
        self.starts.len()
    }

    /// Returns the line that holds `offset`, from 0. An offset past the end is on the last line.
    pub fn line_of(&self, offset: u32) -> usize {
        self.starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// Returns the bytes of the line `line` (from 0) without its line end.
    pub fn line_range(&self, text: &str, line: usize) -> std::ops::Range<usize> {
        let start = self.starts.get(line).map_or(text.len(), |s| *s as usize).min(text.len());
        let end = self.starts.get(line + 1).map_or(text.len(), |s| (*s as usize).saturating_sub(1)).clamp(start, text.len());
        let end = if text.as_bytes()[start..end].last() == Some(&b'\r') { end - 1 } else { end };
        start..end
    }

    /// Returns line and column of `offset`. Inside a character or a line end, and past the end, it is the place before it.
    pub fn position(&self, text: &str, offset: u32) -> Position {
        let line = self.line_of(offset);
        let range = self.line_range(text, line);
        let end = floor_char_boundary(text, (offset as usize).clamp(range.start, range.end));
        Position { line: offset_u32(line + 1), column: offset_u32(text[range.start..end].chars().count() + 1) }
    }

    /// Returns the place of `span` in `file`, for a catalog.
    pub fn location(&self, file: &Arc<str>, text: &str, span: Span) -> SourceLocation {
        let Position { line, column } = self.position(text, span.start);
        SourceLocation { file: file.clone(), start: span.start, end: span.end, line, column }
    }
}

/// Turns a byte offset into the width spans have. Files are limited to 4 GiB before they come here.
pub(crate) fn offset_u32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// Returns the last character boundary at or before `offset`.
pub(crate) fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, offset: u32, expected: (u32, u32)) {
        let position = LineIndex::new(text).position(text, offset);
        assert_eq!((position.line, position.column), expected, "{text:?} at {offset}");
    }

    #[test]
    fn offsets_become_lines_and_columns() {
        check("", 0, (1, 1));
        check("", 99, (1, 1));
        check("ab\ncd", 4, (2, 2));
        check("ab\r\ncd", 2, (1, 3));
        check("ab\r\ncd", 3, (1, 3));
        check("ab\r\ncd", 4, (2, 1));
        check("😀x", 4, (1, 2));
        check("😀x", 2, (1, 1));
        check("ab\n", 3, (2, 1));
        check("ab\n", 999, (2, 1));
    }
}
