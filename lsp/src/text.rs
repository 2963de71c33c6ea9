//! Byte offsets and the positions of the protocol: lines, and units of the encoding that was agreed on.

use std::sync::Arc;

use lsp_types::{Position, PositionEncodingKind, Range};
use stead_grammar::ast::Span;

/// How the client counts inside a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Bytes.
    Utf8,
    /// Code units, as JavaScript counts.
    #[default]
    Utf16,
    /// Characters.
    Utf32,
}

impl Encoding {
    /// Takes the first of the client's that is cheap: bytes where it knows them.
    pub(crate) fn agree(offered: Option<&[PositionEncodingKind]>) -> Self {
        let offered = offered.unwrap_or_default();
        if offered.contains(&PositionEncodingKind::UTF8) {
            Self::Utf8
        } else if offered.contains(&PositionEncodingKind::UTF16) || !offered.contains(&PositionEncodingKind::UTF32) {
            Self::Utf16
        } else {
            Self::Utf32
        }
    }

    pub(crate) fn kind(self) -> PositionEncodingKind {
        match self {
            Self::Utf8 => PositionEncodingKind::UTF8,
            Self::Utf16 => PositionEncodingKind::UTF16,
            Self::Utf32 => PositionEncodingKind::UTF32,
        }
    }

    fn width(self, c: char) -> u32 {
        let width = match self {
            Self::Utf8 => c.len_utf8(),
            Self::Utf16 => c.len_utf16(),
            Self::Utf32 => 1,
        };
        u32::try_from(width).unwrap_or(1)
    }

    /// The length of a text in units.
    pub(crate) fn length(self, text: &str) -> u32 {
        match self {
            Self::Utf8 => u32::try_from(text.len()).unwrap_or(u32::MAX),
            _ => text.chars().map(|c| self.width(c)).sum(),
        }
    }
}

/// A text with its lines. A line ends at `\n`, `\r\n` or `\r`, as the protocol has it.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    text: Arc<str>,
    starts: Arc<[u32]>,
    encoding: Encoding,
}

impl Text {
    pub(crate) fn new(text: Arc<str>, encoding: Encoding) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for (i, byte) in bytes.iter().enumerate() {
            let ends = match byte {
                b'\n' => true,
                b'\r' => bytes.get(i + 1) != Some(&b'\n'),
                _ => false,
            };
            if ends {
                starts.push(u32::try_from(i + 1).unwrap_or(u32::MAX));
            }
        }
        Self { text, starts: starts.into(), encoding }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The number of lines.
    pub(crate) fn line_count(&self) -> u32 {
        u32::try_from(self.starts.len()).unwrap_or(u32::MAX)
    }

    /// The bytes of a line, from 0, without its end.
    pub(crate) fn line(&self, line: u32) -> Span {
        let length = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        let start = self.starts.get(line as usize).copied().unwrap_or(length);
        let end = self.starts.get(line as usize + 1).copied().unwrap_or(length);
        let text = self.text.get(start as usize..end as usize).unwrap_or("");
        let kept = text.trim_end_matches(['\n', '\r']).len();
        Span::new(start, start + u32::try_from(kept).unwrap_or(0))
    }

    /// The offset of a position; one past the end of its line is that end, one past the last line the end of the text.
    pub(crate) fn offset(&self, position: Position) -> u32 {
        let line = self.line(position.line);
        let mut units = 0;
        let mut at = line.start;
        for c in line.text(&self.text).chars() {
            let width = self.encoding.width(c);
            if units + width > position.character {
                break;
            }
            units += width;
            at += u32::try_from(c.len_utf8()).unwrap_or(1);
        }
        at
    }

    /// The position of an offset; one inside a character is its start.
    pub(crate) fn position(&self, offset: u32) -> Position {
        let mut offset = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|start| *start as usize <= offset).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0) as usize;
        let character = self.encoding.length(self.text.get(start..offset).unwrap_or(""));
        Position { line: u32::try_from(line).unwrap_or(u32::MAX), character }
    }

    pub(crate) fn range(&self, span: Span) -> Range {
        Range { start: self.position(span.start), end: self.position(span.end) }
    }

    pub(crate) fn span(&self, range: Range) -> Span {
        let (start, end) = (self.offset(range.start), self.offset(range.end));
        Span::new(start.min(end), start.max(end))
    }

    /// The text with a piece replaced.
    pub(crate) fn replaced(&self, span: Span, with: &str) -> Arc<str> {
        let (start, end) = (span.start as usize, span.end as usize);
        let before = self.text.get(..start).unwrap_or(&self.text);
        let after = self.text.get(end..).unwrap_or("");
        [before, with, after].concat().into()
    }

    /// The identifier around an offset; empty at the offset where there is none.
    pub(crate) fn word(&self, offset: u32) -> Span {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let at = offset as usize;
        let before = self.text.get(..at).unwrap_or("");
        let start = before.char_indices().rev().take_while(|(_, c)| is_word(*c)).last().map_or(at, |(i, _)| i);
        let after = self.text.get(at..).unwrap_or("");
        let length = after.char_indices().find(|(_, c)| !is_word(*c)).map_or(after.len(), |(i, _)| i);
        Span::new(u32::try_from(start).unwrap_or(offset), offset + u32::try_from(length).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_exact_in_every_encoding() {
        let source = "a\t🦀é\r\nx\ry\n\n🦀";
        for encoding in [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32] {
            let text = Text::new(source.into(), encoding);
            assert_eq!(text.line_count(), 5);
            for (offset, c) in source.char_indices().filter(|(_, c)| !matches!(c, '\r' | '\n')) {
                let offset = u32::try_from(offset).expect("short");
                assert_eq!(text.offset(text.position(offset)), offset, "{c:?} {encoding:?}");
            }
        }
        let utf16 = Text::new(source.into(), Encoding::Utf16);
        assert_eq!(utf16.position(6), Position::new(0, 4));
        assert_eq!(utf16.offset(Position::new(0, 3)), 2, "inside of a pair is its start");
        assert_eq!(utf16.offset(Position::new(0, 99)), 8);
        assert_eq!(utf16.offset(Position::new(99, 0)), u32::try_from(source.len()).expect("short"));
    }
}
