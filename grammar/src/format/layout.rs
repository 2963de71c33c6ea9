//! Brackets with elements in them: on one line, or an element a line; and runs of lines that are aligned.

use super::{Printer, WIDTH, is_blank};
use crate::ast::{Expr, ExprKind, Span};

/// A pair of brackets and how elements are set in them.
#[derive(Clone, Copy)]
pub(super) struct Brackets {
    pub(super) open: &'static str,
    pub(super) close: &'static str,
    /// Whether blanks stand inside the brackets on one line.
    pub(super) is_padded: bool,
    /// Whether commas stand behind elements that have their own lines.
    pub(super) has_commas: bool,
}

pub(super) const PARENS: Brackets = Brackets { open: "(", close: ")", is_padded: false, has_commas: true };
pub(super) const SQUARES: Brackets = Brackets { open: "[", close: "]", is_padded: false, has_commas: true };
pub(super) const BRACES: Brackets = Brackets { open: "{", close: "}", is_padded: true, has_commas: false };

/// Where the brackets stand in the source: the offsets of the opening and of the closing one.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) open: u32,
    pub(super) close: u32,
}

impl Place {
    /// Returns the place of brackets that `span` starts and ends with.
    pub(super) fn around(span: Span) -> Place {
        Place { open: span.start, close: span.end.saturating_sub(1) }
    }
}

impl Printer<'_> {
    /// Writes brackets with elements in them. `write` is also told how wide the part before the `=` or `:` of the element
    /// should be, as worked out by `align` for elements on lines of their own.
    pub(super) fn bracketed<T>(
        &mut self,
        brackets: Brackets,
        place: Place,
        items: &[T],
        span: impl Fn(&T) -> Span + Copy,
        align: impl FnOnce(&mut Self, &[T]) -> Vec<usize>,
        write: impl Fn(&mut Self, &T, usize) + Copy,
    ) {
        let is_broken = self.was_broken(place, items, span);
        if items.is_empty() && !is_broken {
            self.push(brackets.open);
            self.push(brackets.close);
            self.last_end = place.close + 1;
            return;
        }
        if !is_broken {
            let mark = self.mark();
            let was_flat = std::mem::replace(&mut self.is_flat, true);
            self.on_one_line(brackets, items, write);
            self.is_flat = was_flat;
            self.last_end = place.close + 1;
            if was_flat || self.fits(mark) {
                return;
            }
            self.reset(mark);
        }
        let was_flat = std::mem::replace(&mut self.is_flat, false);
        self.is_misplaced |= self.comments.get(self.next_comment).is_some_and(|comment| comment.span.start < place.open);
        self.push(brackets.open);
        self.last_end = place.open + 1;
        self.trailing_comment(false);
        self.indent += 1;
        let widths = align(self, items);
        for (index, item) in items.iter().enumerate() {
            let span = span(item);
            self.line_for(span.start, index == 0);
            self.with_comments(span, |this| write(this, item, widths.get(index).copied().unwrap_or(0)));
            if brackets.has_commas {
                self.push(",");
            }
            self.trailing_comment(true);
        }
        self.comments_before(place.close, items.is_empty());
        self.indent -= 1;
        self.newline();
        self.push(brackets.close);
        self.last_end = place.close + 1;
        self.is_flat = was_flat;
    }

    fn on_one_line<T>(&mut self, brackets: Brackets, items: &[T], write: impl Fn(&mut Self, &T, usize)) {
        self.push(brackets.open);
        for (index, item) in items.iter().enumerate() {
            self.push(match (index, brackets.is_padded) {
                (0, true) => " ",
                (0, false) => "",
                _ => ", ",
            });
            write(self, item, 0);
        }
        if brackets.is_padded {
            self.push(" ");
        }
        self.push(brackets.close);
    }

    /// Tells whether a line ends somewhere between the elements.
    fn was_broken<T>(&self, place: Place, items: &[T], span: impl Fn(&T) -> Span) -> bool {
        let mut from = place.open;
        for item in items {
            let span = span(item);
            if self.has_newline(from, span.start) {
                return true;
            }
            from = span.end;
        }
        self.has_newline(from, place.close)
    }

    /// Returns how many columns a value takes on one line; `None` where it has several lines, or does not fit behind
    /// `before` columns and could be broken.
    pub(super) fn width_on_one_line(&mut self, value: &Expr, before: usize) -> Option<usize> {
        let mark = self.mark();
        let was_flat = std::mem::replace(&mut self.is_flat, true);
        self.expr(value);
        self.is_flat = was_flat;
        let text = &self.out[mark.out..];
        let width = (!text.contains('\n')).then(|| text.chars().count());
        self.reset(mark);
        let has_comments = self
            .comments
            .get(self.next_comment..)
            .unwrap_or(&[])
            .iter()
            .take_while(|comment| comment.span.start < value.span.end)
            .any(|comment| comment.span.start > value.span.start);
        width.filter(|width| !has_comments && (is_atom(value) || before + width <= WIDTH))
    }

    /// Works out how wide the part before `=` is made for each of the elements: those of a run of lines that follow each other,
    /// each element on one line, are aligned. `measure` gives the width of the part before and of the rest, or nothing for
    /// an element that takes no part.
    pub(super) fn runs<T>(
        &mut self,
        items: &[T],
        span: impl Fn(&T) -> Span,
        measure: impl Fn(&mut Self, &T) -> Option<(usize, usize)>,
    ) -> Vec<usize> {
        let mut widths = vec![0; items.len()];
        let mut run: Vec<(usize, usize, usize)> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let follows = index > 0 && self.follows(span(&items[index - 1]).end, span(item).start);
            if !follows {
                self.close_run(&mut run, &mut widths);
            }
            match measure(self, item) {
                Some((before, after)) => run.push((index, before, after)),
                None => self.close_run(&mut run, &mut widths),
            }
        }
        self.close_run(&mut run, &mut widths);
        widths
    }

    /// Tells whether what starts at `start` stands on the line after what ends at `end`, or on the same one.
    fn follows(&self, end: u32, start: u32) -> bool {
        let gap = Span::new(end, start).text(self.source);
        let mut lines = gap.split('\n');
        // The rest of the first line may hold a comment; between the lines nothing may stand.
        lines.next();
        let between: Vec<&str> = lines.collect();
        between.len() <= 1 && between.iter().all(|line| is_blank(line.trim_end()))
    }

    fn close_run(&self, run: &mut Vec<(usize, usize, usize)>, widths: &mut [usize]) {
        let indent = self.indent * 2;
        loop {
            let widest = run.iter().map(|(_, before, _)| *before).max().unwrap_or(0);
            // What would not fit any more stays out.
            let kept = run.len();
            run.retain(|(_, before, after)| *before == widest || indent + widest + 3 + after <= WIDTH);
            if run.len() == kept {
                for (index, _, _) in run.drain(..) {
                    widths[index] = widest;
                }
                return;
            }
        }
    }

    /// Pads the line from `start` in the output to `width` columns.
    pub(super) fn pad(&mut self, start: usize, width: usize) {
        let written = self.out[start..].chars().count();
        self.out.extend(std::iter::repeat_n(' ', width.saturating_sub(written)));
    }
}

/// Tells whether a value cannot be broken into lines.
fn is_atom(value: &Expr) -> bool {
    matches!(value.kind, ExprKind::Literal(_) | ExprKind::Template(_) | ExprKind::Name(_))
}
