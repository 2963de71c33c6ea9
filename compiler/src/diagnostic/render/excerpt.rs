//! The few lines of a source around some places, made safe to draw.

use std::fmt;

use miette::{LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use super::super::Label;
use crate::data::Format;
use crate::position::{LineIndex, floor_char_boundary};

/// Neighbouring lines of a file with places in them: the diagnostic that miette is given to draw.
///
/// Offsets are into `shown`, where every line ends in `\n`, `\r` is gone and control characters are replaced.
#[derive(Debug)]
pub(super) struct Excerpt {
    file: String,
    shown: String,
    first_line: usize,
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    start: usize,
    end: usize,
    message: Option<String>,
    primary: bool,
    line: usize,
    column: usize,
}

impl Excerpt {
    /// Takes the lines of `labels` (each with the line it starts on) and one more on each side.
    pub(super) fn new(file: &str, text: &str, index: &LineIndex, labels: &[(usize, &Label)], width: usize) -> Self {
        // The neighbours of a line in a data file may hold secrets, and they rarely help.
        let around = usize::from(Format::of(file).is_none());
        let first = labels.iter().map(|(line, _)| *line).min().unwrap_or(0).saturating_sub(around);
        let last_line = index.line_count() - 1;
        let last_label = labels.iter().map(|(line, _)| *line).max().unwrap_or(0);
        let mut last = (last_label + around).min(last_line);
        // The empty line after the last newline is only worth showing when it is pointed at.
        if last > last_label && index.line_range(text, last).is_empty() {
            last = last_label;
        }
        let room = width.saturating_sub(8 + (last + 1).to_string().len());
        let mut excerpt = Self { file: visible(file), shown: String::new(), first_line: first, places: Vec::new() };
        for line in first..=last {
            let here: Vec<&Label> = labels.iter().filter(|(l, _)| *l == line).map(|(_, label)| *label).collect();
            excerpt.push_line(text, index, line, &here, room);
        }
        excerpt
    }

    fn push_line(&mut self, text: &str, index: &LineIndex, line: usize, labels: &[&Label], room: usize) {
        let range = index.line_range(text, line);
        let full = &text[range.clone()];
        // Spans are cut at the end of the line they start on, and brought to character boundaries.
        let local = |offset: u32| floor_char_boundary(full, (offset as usize).saturating_sub(range.start));
        let spans: Vec<(usize, usize)> =
            labels.iter().map(|l| (local(l.span.start), local(l.span.end.max(l.span.start)))).collect();
        let window = window(full, spans.iter().map(|(start, _)| *start).min().unwrap_or(0), room);
        let base = self.shown.len();
        if window.start > 0 {
            self.shown.push('…');
        }
        let mut offsets = Vec::with_capacity(window.len() + 1);
        for (at, c) in full[window.clone()].char_indices() {
            offsets.push((window.start + at, self.shown.len()));
            self.shown.push(visible_char(c));
        }
        offsets.push((window.end, self.shown.len()));
        if window.end < full.len() {
            self.shown.push('…');
        }
        self.shown.push('\n');
        let to_shown = |local: usize| match offsets.binary_search_by_key(&local, |(at, _)| *at) {
            Ok(found) => offsets[found].1,
            Err(0) => base,
            Err(_) => offsets[offsets.len() - 1].1,
        };
        for (label, (start, end)) in labels.iter().zip(spans) {
            self.places.push(Place {
                start: to_shown(start),
                end: to_shown(end),
                message: label.message.as_deref().map(|m| visible(m).replace('\n', " ")),
                primary: label.primary,
                line,
                column: full[..start].chars().count(),
            });
        }
    }
}

/// Chooses what to show of a line that is longer than `room` characters: the start, or what lies around `place`.
fn window(line: &str, place: usize, room: usize) -> std::ops::Range<usize> {
    if line.len() <= room || line.chars().count() <= room {
        return 0..line.len();
    }
    let before = line[..place].chars().count();
    let skip = if before + 8 < room { 0 } else { before - room / 3 };
    let at = |n: usize| line.char_indices().nth(n).map_or(line.len(), |(i, _)| i);
    at(skip)..at(skip + room)
}

/// Replaces characters that would move the cursor, change colours or reorder the line.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { c } else { visible_char(c) }).collect()
}

fn visible_char(c: char) -> char {
    match c {
        '\t' => '\t',
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        c if c.is_control() => '\u{fffd}',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => '\u{fffd}',
        c => c,
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Excerpt {}

impl miette::Diagnostic for Excerpt {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.places.iter().map(|place| {
            let (message, span) = (place.message.clone(), (place.start, place.end - place.start));
            if place.primary {
                LabeledSpan::new_primary_with_span(message, span)
            } else {
                LabeledSpan::new_with_span(message, span)
            }
        })))
    }
}

impl SourceCode for Excerpt {
    /// Always returns all lines, so that all places are drawn into one snippet; without context it is asked for the position of `span`.
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let place = self.places.iter().find(|p| p.start == span.offset() && p.end - p.start == span.len());
        let (line, column) = match place {
            Some(place) if before == 0 => (place.line, place.column),
            _ => (self.first_line, 0),
        };
        let all = SourceSpan::new(0.into(), self.shown.len());
        let lines = self.shown.matches('\n').count();
        Ok(Box::new(MietteSpanContents::new_named(self.file.clone(), self.shown.as_bytes(), all, line, column, lines)))
    }
}
