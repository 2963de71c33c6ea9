//! Byte offsets to lines and columns, and back.

/// Where the lines of a source start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineIndex {
    /// The offset of the first byte of each line; the first is 0.
    starts: Vec<u32>,
    length: u32,
}

/// A place in a source as people count: both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl LineIndex {
    /// Finds the lines of `source`, of which 4 GiB count.
    pub fn new(source: &str) -> LineIndex {
        let newlines = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at as u64 + 1);
        let starts = std::iter::once(0).chain(newlines.filter_map(|at| u32::try_from(at).ok())).collect();
        LineIndex { starts, length: u32::try_from(source.len()).unwrap_or(u32::MAX) }
    }

    /// Returns the number of lines; a newline at the end of the file starts one more.
    pub fn line_count(&self) -> u32 {
        self.starts.len() as u32
    }

    /// Returns the line of an offset, from 1. Offsets behind the end count as the end.
    pub fn line(&self, offset: u32) -> u32 {
        self.starts.partition_point(|start| *start <= offset) as u32
    }

    /// Returns the offset where a line starts, counted from 1.
    pub fn line_start(&self, line: u32) -> Option<u32> {
        self.starts.get((line as usize).checked_sub(1)?).copied()
    }

    /// Returns the text of a line, counted from 1, without its end.
    pub fn line_text<'s>(&self, source: &'s str, line: u32) -> &'s str {
        let Some(start) = self.line_start(line) else { return "" };
        let end = self.line_start(line + 1).unwrap_or(self.length);
        source.get(start as usize..end as usize).unwrap_or("").trim_end_matches(['\n', '\r'])
    }

    /// Returns line and column of an offset; one inside a character counts as its start.
    pub fn position(&self, source: &str, offset: u32) -> Position {
        let mut offset = offset.min(self.length) as usize;
        while !source.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line(offset as u32);
        let start = self.line_start(line).unwrap_or(0) as usize;
        let column = source.get(start..offset).map_or(0, |text| text.chars().count());
        Position { line, column: column as u32 + 1 }
    }

    /// Returns the offset of a line and column; a column behind the end of its line counts as that end.
    pub fn offset(&self, source: &str, position: Position) -> Option<u32> {
        let start = self.line_start(position.line)?;
        let text = self.line_text(source, position.line);
        let column = (position.column as usize).saturating_sub(1);
        let length = text.char_indices().nth(column).map_or(text.len(), |(at, _)| at);
        Some(start + length as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let source = "a\nüß🦀x\r\n\nend";
        let lines = LineIndex::new(source);
        assert_eq!(lines.line_count(), 4);
        for (offset, _) in source.char_indices().filter(|(_, c)| !matches!(c, '\n' | '\r')) {
            let position = lines.position(source, offset as u32);
            assert_eq!(lines.offset(source, position), Some(offset as u32));
        }
        assert_eq!(lines.position(source, 6), Position { line: 2, column: 3 });
        assert_eq!(lines.position(source, 7), Position { line: 2, column: 3 });
        assert_eq!(lines.position(source, 999), Position { line: 4, column: 4 });
        assert_eq!(lines.line_text(source, 2), "üß🦀x");
        assert_eq!(lines.offset(source, Position { line: 9, column: 1 }), None);
        assert_eq!(LineIndex::new("").position("", 0), Position { line: 1, column: 1 });
    }
}
