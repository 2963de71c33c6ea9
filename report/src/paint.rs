//! Colour and layout: styled pieces of text, wrapped to a width.

use crate::escape::{char_width, clean};

/// Whether and how text is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// No escape sequence at all.
    #[default]
    Never,
    /// The terminal's own sixteen colours, so that the user's theme decides.
    Ansi,
}

/// The role a piece of text plays. Colour only repeats what the words and signs already say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// Less important: places, counts, unchanged lines.
    Dim,
    /// Names.
    Bold,
    /// Something comes.
    Create,
    /// Something goes.
    Delete,
    /// Something changes.
    Update,
    /// Something is made anew.
    Replace,
    /// A command runs.
    Run,
    /// A service restarts.
    Restart,
    /// An added line.
    Added,
    /// The part of an added line that differs.
    AddedPart,
    /// A removed line.
    Removed,
    /// The part of a removed line that differs.
    RemovedPart,
    /// The header of a hunk.
    Hunk,
    /// Cannot be known or shown.
    Hidden,
    /// A failure.
    Error,
    /// All is well.
    Good,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "2",
            Self::Bold => "1",
            Self::Create | Self::Added | Self::Good => "32",
            Self::Delete | Self::Removed => "31",
            Self::Update => "33",
            Self::Replace => "35",
            Self::Run | Self::Hunk => "36",
            Self::Restart => "34",
            Self::AddedPart => "7;32",
            Self::RemovedPart => "7;31",
            Self::Hidden => "3;35",
            Self::Error => "1;31",
        }
    }
}

/// A piece of text with a role; made safe to print when it is made.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) style: Style,
    pub(crate) text: String,
}

/// Makes a piece of text from anywhere.
pub(crate) fn piece(style: Style, text: impl AsRef<str>) -> Piece {
    Piece { style, text: clean(text.as_ref()).into_owned() }
}

/// Where a line that is too long may be broken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// Anywhere: content of a file, where every character counts.
    Anywhere,
    /// At spaces, where there is one.
    Words,
}

/// Text under construction.
pub(crate) struct Screen {
    pub(crate) out: String,
    color: Color,
    width: Option<usize>,
}

impl Screen {
    pub(crate) fn new(color: Color, width: Option<usize>) -> Self {
        // Below a few dozen columns wrapping does more harm than the terminal's own.
        Self { out: String::new(), color, width: width.filter(|w| *w >= 24) }
    }

    pub(crate) fn width(&self) -> Option<usize> {
        self.width
    }

    pub(crate) fn blank(&mut self) {
        self.out.push('\n');
    }

    /// Writes one line of `pieces` after `indent` spaces; what does not fit goes on below, after `hang` spaces.
    pub(crate) fn line(&mut self, indent: usize, hang: usize, breaks: Break, pieces: &[Piece]) {
        self.spaces(indent);
        let Some(width) = self.width else {
            for piece in pieces {
                self.paint(piece.style, &piece.text);
            }
            self.end_line();
            return;
        };
        let mut column = indent;
        for piece in pieces {
            let mut rest = piece.text.as_str();
            while !rest.is_empty() {
                let (fits, next) = split_at_width(rest, width.saturating_sub(column));
                if next.is_empty() {
                    self.paint(piece.style, fits);
                    column += crate::display_width(fits);
                    break;
                }
                let at_start = column <= hang.max(indent);
                let cut = match breaks {
                    Break::Words => match fits.rfind(' ') {
                        Some(space) => space + 1,
                        None if !at_start => 0,
                        None => fits.len(),
                    },
                    Break::Anywhere => fits.len(),
                };
                // At the start of a line at least one character goes out, however narrow it is.
                let least = if at_start { rest.chars().next().map_or(0, char::len_utf8) } else { 0 };
                let cut = cut.max(least);
                self.paint(piece.style, rest[..cut].trim_end_matches(if breaks == Break::Words { ' ' } else { '\0' }));
                rest = &rest[cut..];
                self.end_line();
                self.spaces(hang);
                column = hang;
            }
        }
        self.end_line();
    }

    /// Writes prose that may hold newlines.
    pub(crate) fn prose(&mut self, indent: usize, style: Style, text: &str) {
        for line in text.trim_end().split('\n') {
            self.line(indent, indent, Break::Words, &[piece(style, line.trim_end_matches('\r'))]);
        }
    }

    pub(crate) fn paint(&mut self, style: Style, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.color == Color::Never || style == Style::Plain {
            self.out.push_str(text);
        } else {
            self.out.push_str("\u{1b}[");
            self.out.push_str(style.code());
            self.out.push('m');
            self.out.push_str(text);
            self.out.push_str("\u{1b}[0m");
        }
    }

    fn spaces(&mut self, count: usize) {
        self.out.extend(std::iter::repeat_n(' ', count));
    }

    fn end_line(&mut self) {
        self.out.push('\n');
    }
}

/// Splits off as many characters as fit into `width` columns.
fn split_at_width(text: &str, width: usize) -> (&str, &str) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += char_width(c);
        if used > width {
            return text.split_at(at);
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(width: usize, breaks: Break, text: &str) -> String {
        let mut screen = Screen::new(Color::Never, Some(width));
        screen.line(0, 4, breaks, &[piece(Style::Plain, text)]);
        screen.out
    }

    #[test]
    fn long_lines_go_on_below() {
        assert_eq!(wrapped(24, Break::Words, "one two three four five six"), "one two three four five\n    six\n");
        assert_eq!(wrapped(24, Break::Anywhere, "abcdefghijklmnopqrstuvwxyz"), "abcdefghijklmnopqrstuvwx\n    yz\n");
        assert_eq!(wrapped(24, Break::Words, "漢字漢字漢字漢字漢字漢字漢字"), "漢字漢字漢字漢字漢字漢字\n    漢字\n");
    }
}
