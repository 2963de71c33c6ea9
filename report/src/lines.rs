//! The difference of two texts as hunks of lines, with the parts inside a line that differ.
//!
//! Deterministic: `similar` does the matching, but never with its deadline, which would make the
//! output depend on the machine's speed. Long inputs are cut at lines that occur once on both sides
//! (as patience diff does), so that the cost stays bounded.

use std::collections::HashMap;
use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};
use stead_catalog::{Change, Stretch};

/// Unchanged lines shown around a change.
const CONTEXT: usize = 3;
/// Lines of one stretch, both sides together, that are matched exactly.
const EXACT_LINES: usize = 4_000;
/// Words of a line, beyond which the whole line is marked.
const EXACT_WORDS: usize = 400;

/// What a line of a diff says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// On both sides.
    Context,
    /// Only before.
    Removed,
    /// Only after.
    Added,
}

impl LineKind {
    /// The sign in front of the line.
    pub fn sign(self) -> char {
        match self {
            Self::Context => ' ',
            Self::Removed => '-',
            Self::Added => '+',
        }
    }
}

/// One line of a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// What it says.
    pub kind: LineKind,
    /// The text without its newline; not cleaned.
    pub text: &'a str,
    /// The line ends with a newline: only a file's last line may not.
    pub newline: bool,
    /// Byte ranges that differ from the line it replaces; empty when there is none or it differs as a whole.
    pub parts: Vec<Range<usize>>,
}

/// A run of changed lines with the unchanged ones around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk<'a> {
    /// First line before, from 1; 0 when there is none.
    pub old_start: usize,
    /// Lines before.
    pub old_len: usize,
    /// First line after, from 1; 0 when there is none.
    pub new_start: usize,
    /// Lines after.
    pub new_len: usize,
    /// The lines.
    pub lines: Vec<Line<'a>>,
}

impl Hunk<'_> {
    /// The header of a unified diff: `@@ -1,3 +1,4 @@`.
    pub fn header(&self) -> String {
        let side = |start: usize, len: usize| if len == 1 { start.to_string() } else { format!("{start},{len}") };
        format!("@@ -{} +{} @@", side(self.old_start, self.old_len), side(self.new_start, self.new_len))
    }
}

/// The difference of two texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff<'a> {
    /// Hunks in the order of the text; empty when the texts are equal.
    pub hunks: Vec<Hunk<'a>>,
    /// Unchanged lines after the last hunk.
    pub tail: usize,
}

impl<'a> Diff<'a> {
    /// Compares two texts line by line.
    pub fn new(old: &'a str, new: &'a str) -> Self {
        let old_lines = split_lines(old);
        let new_lines = split_lines(new);
        let matches = match_lines(&old_lines, &new_lines);
        let script = script(&old_lines, &new_lines, &matches);
        hunks(script)
    }

    /// The difference of the texts of a change, which may have only the lines that change.
    pub(crate) fn of(change: &Change, old: &'a str, new: &'a str) -> Self {
        Self::of_stretches(&change.stretches, old, new).unwrap_or_else(|| Self::new(old, new))
    }

    /// The hunks of two texts that have only the lines that change; `None` where these are not all of them.
    fn of_stretches(stretches: &[Stretch], old: &'a str, new: &'a str) -> Option<Self> {
        let (old_lines, new_lines) = (split_lines(old), split_lines(new));
        let (mut old_rest, mut new_rest) = (&old_lines[..], &new_lines[..]);
        let mut hunks = Vec::with_capacity(stretches.len());
        for stretch in stretches {
            let (old_len, new_len) = (stretch.old_len as usize, stretch.new_len as usize);
            let (removed, added) = (old_rest.get(..old_len)?, new_rest.get(..new_len)?);
            (old_rest, new_rest) = (&old_rest[old_len..], &new_rest[new_len..]);
            // An empty side is numbered by the line before it, as `diff -u` does.
            hunks.push(Hunk {
                old_start: stretch.old_start as usize + usize::from(old_len > 0),
                old_len,
                new_start: stretch.new_start as usize + usize::from(new_len > 0),
                new_len,
                lines: script(removed, added, &[]),
            });
        }
        (!hunks.is_empty() && old_rest.is_empty() && new_rest.is_empty()).then_some(Self { hunks, tail: 0 })
    }

    /// The diff without file names, as `diff -u` writes it.
    pub(crate) fn unified(&self) -> String {
        let mut out = String::new();
        for hunk in &self.hunks {
            out.push_str(&hunk.header());
            out.push('\n');
            for line in &hunk.lines {
                out.push(line.kind.sign());
                out.push_str(line.text);
                out.push('\n');
                if !line.newline {
                    out.push_str("\\ No newline at end of file\n");
                }
            }
        }
        out
    }

    /// Counts added and removed lines.
    pub fn counts(&self) -> (usize, usize) {
        let count = |kind| self.hunks.iter().flat_map(|h| &h.lines).filter(|l| l.kind == kind).count();
        (count(LineKind::Added), count(LineKind::Removed))
    }
}

/// Returns the unified diff of two texts without file names, as `diff -u` writes it.
///
/// ```
/// assert_eq!(stead_report::unified("a\nb\n", "a\nc"), "@@ -1,2 +1,2 @@\n a\n-b\n+c\n\\ No newline at end of file\n");
/// ```
pub fn unified(old: &str, new: &str) -> String {
    Diff::new(old, new).unified()
}

/// Cuts after each newline; the text's own newlines stay with their lines.
fn split_lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Returns pairs of equal lines, ascending on both sides.
fn match_lines(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    let mut numbers: HashMap<&str, u32> = HashMap::with_capacity(old.len());
    let mut number = |line| {
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        *numbers.entry(line).or_insert(next)
    };
    let old: Vec<u32> = old.iter().map(|line| number(line)).collect();
    let new: Vec<u32> = new.iter().map(|line| number(line)).collect();
    let mut pairs = Vec::new();
    match_stretch(&old, 0..old.len(), &new, 0..new.len(), &mut pairs);
    pairs
}

fn match_stretch(old: &[u32], mut a: Range<usize>, new: &[u32], mut b: Range<usize>, pairs: &mut Vec<(usize, usize)>) {
    while !a.is_empty() && !b.is_empty() && old[a.start] == new[b.start] {
        pairs.push((a.start, b.start));
        a.start += 1;
        b.start += 1;
    }
    let mut suffix = 0;
    while a.len() > suffix && b.len() > suffix && old[a.end - suffix - 1] == new[b.end - suffix - 1] {
        suffix += 1;
    }
    let (a_end, b_end) = (a.end - suffix, b.end - suffix);
    if a.start < a_end && b.start < b_end {
        if (a_end - a.start) + (b_end - b.start) <= EXACT_LINES {
            match_exactly(old, a.start..a_end, new, b.start..b_end, pairs);
        } else {
            match_at_anchors(old, a.start..a_end, new, b.start..b_end, pairs);
        }
    }
    pairs.extend((0..suffix).map(|i| (a_end + i, b_end + i)));
}

fn match_exactly(old: &[u32], a: Range<usize>, new: &[u32], b: Range<usize>, pairs: &mut Vec<(usize, usize)>) {
    for op in capture_diff_slices(Algorithm::Myers, &old[a.clone()], &new[b.clone()]) {
        if let DiffOp::Equal { old_index, new_index, len } = op {
            pairs.extend((0..len).map(|i| (a.start + old_index + i, b.start + new_index + i)));
        }
    }
}

/// Cuts the stretch at lines that occur once on both sides. Without any, nothing in it is matched:
/// all of it is shown as removed and added, which is exact, if longer than it could be.
fn match_at_anchors(old: &[u32], a: Range<usize>, new: &[u32], b: Range<usize>, pairs: &mut Vec<(usize, usize)>) {
    let once = |side: &[u32], range: Range<usize>| {
        let mut seen: HashMap<u32, Option<usize>> = HashMap::with_capacity(range.len());
        for at in range {
            seen.entry(side[at]).and_modify(|place| *place = None).or_insert(Some(at));
        }
        seen
    };
    let in_new = once(new, b.clone());
    let in_old = once(old, a.clone());
    let candidates = a.clone().filter_map(|at| {
        in_old.get(&old[at]).copied().flatten()?;
        Some((at, in_new.get(&old[at]).copied().flatten()?))
    });
    let anchors = longest_ascending(candidates.collect());
    if anchors.is_empty() {
        return;
    }
    let (mut from_a, mut from_b) = (a.start, b.start);
    for (at_a, at_b) in anchors {
        match_stretch(old, from_a..at_a, new, from_b..at_b, pairs);
        pairs.push((at_a, at_b));
        (from_a, from_b) = (at_a + 1, at_b + 1);
    }
    match_stretch(old, from_a..a.end, new, from_b..b.end, pairs);
}

/// Returns the longest subsequence that ascends in the second number; the first one ascends already.
fn longest_ascending(candidates: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    let mut piles: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = Vec::with_capacity(candidates.len());
    for (index, candidate) in candidates.iter().enumerate() {
        let pile = piles.partition_point(|top| candidates[*top].1 < candidate.1);
        previous.push(pile.checked_sub(1).map(|below| piles[below]));
        if pile == piles.len() {
            piles.push(index);
        } else {
            piles[pile] = index;
        }
    }
    let mut chain = Vec::with_capacity(piles.len());
    let mut at = piles.last().copied();
    while let Some(index) = at {
        chain.push(candidates[index]);
        at = previous[index];
    }
    chain.reverse();
    chain
}

/// Puts both sides into one list: removed before added, in each gap between matched lines.
fn script<'a>(old: &[&'a str], new: &[&'a str], matches: &[(usize, usize)]) -> Vec<Line<'a>> {
    let mut lines = Vec::with_capacity(old.len().max(new.len()));
    let (mut i, mut j) = (0, 0);
    for &(at_old, at_new) in matches.iter().chain([&(old.len(), new.len())]) {
        let parts = inner_parts(&old[i..at_old], &new[j..at_new]);
        let (mut removed_parts, mut added_parts) = parts;
        removed_parts.resize(at_old - i, Vec::new());
        added_parts.resize(at_new - j, Vec::new());
        lines.extend(old[i..at_old].iter().zip(removed_parts).map(|(text, parts)| line(LineKind::Removed, text, parts)));
        lines.extend(new[j..at_new].iter().zip(added_parts).map(|(text, parts)| line(LineKind::Added, text, parts)));
        if at_new < new.len() && at_old < old.len() {
            lines.push(line(LineKind::Context, new[at_new], Vec::new()));
        }
        (i, j) = (at_old + 1, at_new + 1);
    }
    lines
}

fn line(kind: LineKind, text: &str, parts: Vec<Range<usize>>) -> Line<'_> {
    let bare = text.strip_suffix('\n');
    Line { kind, text: bare.unwrap_or(text), newline: bare.is_some(), parts }
}

type Parts = Vec<Vec<Range<usize>>>;

/// Compares the lines of one gap pair by pair, word by word.
fn inner_parts(old: &[&str], new: &[&str]) -> (Parts, Parts) {
    old.iter().zip(new).map(|(old, new)| pair_parts(old.trim_end_matches('\n'), new.trim_end_matches('\n'))).unzip()
}

fn pair_parts(old: &str, new: &str) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    let (old_words, new_words) = (words(old), words(new));
    if old_words.len() > EXACT_WORDS || new_words.len() > EXACT_WORDS {
        return Default::default();
    }
    let texts = |text: &'_ str, words: &[Range<usize>]| words.iter().map(|w| text[w.clone()].to_owned()).collect::<Vec<_>>();
    let ops = capture_diff_slices(Algorithm::Myers, &texts(old, &old_words), &texts(new, &new_words));
    let (mut removed, mut added, mut kept) = (Vec::new(), Vec::new(), 0);
    for op in ops {
        match op {
            DiffOp::Equal { old_index, len, .. } => {
                kept += old_words[old_index..old_index + len]
                    .iter()
                    .filter(|w| !old[(*w).clone()].trim().is_empty())
                    .map(Range::len)
                    .sum::<usize>();
            }
            DiffOp::Delete { old_index, old_len, .. } => removed.push(cover(&old_words, old_index, old_len)),
            DiffOp::Insert { new_index, new_len, .. } => added.push(cover(&new_words, new_index, new_len)),
            DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                removed.push(cover(&old_words, old_index, old_len));
                added.push(cover(&new_words, new_index, new_len));
            }
        }
    }
    // Lines that have little in common are two lines, not one that changed.
    let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace()).map(char::len_utf8).sum::<usize>();
    if kept * 5 < solid(old).max(solid(new)) * 2 { Default::default() } else { (removed, added) }
}

fn cover(words: &[Range<usize>], at: usize, len: usize) -> Range<usize> {
    words[at].start..words[at + len - 1].end
}

/// Cuts a line into words, runs of blanks, and single other characters.
fn words(text: &str) -> Vec<Range<usize>> {
    let class = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' => 1,
        c if c.is_whitespace() => 2,
        _ => 0,
    };
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut last = 0;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        match words.last_mut() {
            Some(word) if class(c) != 0 && class(c) == last => word.end = end,
            _ => words.push(at..end),
        }
        last = class(c);
    }
    words
}

/// Groups a script into hunks with their context.
fn hunks(script: Vec<Line<'_>>) -> Diff<'_> {
    let mut keep = vec![false; script.len()];
    for (at, line) in script.iter().enumerate() {
        if line.kind != LineKind::Context {
            let from = at.saturating_sub(CONTEXT);
            let to = (at + CONTEXT + 1).min(script.len());
            keep[from..to].fill(true);
        }
    }
    let mut diff = Diff::default();
    let (mut old_at, mut new_at) = (0, 0);
    let mut open = false;
    for (line, keep) in script.into_iter().zip(keep) {
        let (in_old, in_new) = (line.kind != LineKind::Added, line.kind != LineKind::Removed);
        if keep {
            if !open {
                diff.hunks.push(Hunk { old_start: old_at, old_len: 0, new_start: new_at, new_len: 0, lines: Vec::new() });
                diff.tail = 0;
            }
            let hunk = diff.hunks.last_mut().expect("a hunk is open");
            hunk.old_len += usize::from(in_old);
            hunk.new_len += usize::from(in_new);
            hunk.lines.push(line);
        } else {
            diff.tail += 1;
        }
        open = keep;
        old_at += usize::from(in_old);
        new_at += usize::from(in_new);
    }
    // An empty side is numbered by the line before it, as `diff -u` does.
    for hunk in &mut diff.hunks {
        hunk.old_start += usize::from(hunk.old_len > 0);
        hunk.new_start += usize::from(hunk.new_len > 0);
    }
    diff
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stead_catalog::Shown;

    use super::*;

    #[test]
    fn lines_that_change_stand_where_they_are() {
        let stretch = |old_start, old_len, new_start, new_len| Stretch { old_start, old_len, new_start, new_len };
        let stretches = vec![stretch(4, 1, 4, 1), stretch(9, 0, 9, 1)];
        let change = Change { stretches, ..Change::value("content", Shown::Absent, Shown::Absent) };
        assert_eq!(Diff::of(&change, "a\n", "b\nc\n").unified(), "@@ -5 +5 @@\n-a\n+b\n@@ -9,0 +10 @@\n+c\n");
        // What does not fit is compared as whole texts are.
        assert_eq!(Diff::of(&change, "a\n", "b\n").unified(), "@@ -1 +1 @@\n-a\n+b\n");
    }

    /// Applies a unified diff as `patch` would, trusting only its lines and positions.
    fn patch(old: &str, diff: &Diff<'_>) -> String {
        let old = split_lines(old);
        let mut out = String::new();
        let mut at = 0;
        for hunk in &diff.hunks {
            let start = if hunk.old_len > 0 { hunk.old_start - 1 } else { hunk.old_start };
            out.extend(old[at..start].iter().copied());
            at = start;
            for line in &hunk.lines {
                if line.kind != LineKind::Added {
                    assert_eq!(old[at].trim_end_matches('\n'), line.text);
                    at += 1;
                }
                if line.kind != LineKind::Removed {
                    out.push_str(line.text);
                    if line.newline {
                        out.push('\n');
                    }
                }
            }
        }
        out.extend(old[at..].iter().copied());
        out
    }

    #[test]
    fn a_missing_newline_is_told() {
        assert_eq!(unified("", "a"), "@@ -0,0 +1 @@\n+a\n\\ No newline at end of file\n");
        assert_eq!(unified("a", "a\n"), "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
        assert_eq!(unified("a\n", ""), "@@ -1 +0,0 @@\n-a\n");
    }

    #[test]
    fn the_part_that_differs_is_marked() {
        let diff = Diff::new("worker_processes 2;\n", "worker_processes 4;\n");
        let parts: Vec<_> = diff.hunks[0].lines.iter().map(|l| &l.text[l.parts[0].clone()]).collect();
        assert_eq!(parts, ["2", "4"]);
        assert!(Diff::new("listen 80;\n", "root /srv;\n").hunks[0].lines.iter().all(|l| l.parts.is_empty()));
    }

    #[test]
    fn distant_changes_are_two_hunks() {
        let old: String = (0..40).map(|i| format!("{i}\n")).collect();
        let new = old.replace("\n5\n", "\nfive\n").replace("\n30\n", "\n");
        let diff = Diff::new(&old, &new);
        let headers: Vec<_> = diff.hunks.iter().map(Hunk::header).collect();
        assert_eq!(headers, ["@@ -3,7 +3,7 @@", "@@ -28,7 +28,6 @@"]);
        assert_eq!(diff.tail, 6);
    }

    #[test]
    fn a_shuffled_giant_ends() {
        let old: String = (0..40_000).map(|i| format!("{}\n", i * 7 % 13)).collect();
        let new: String = (0..40_000).map(|i| format!("{}\n", i * 5 % 11)).collect();
        let diff = Diff::new(&old, &new);
        assert_eq!(patch(&old, &diff), new);
    }

    proptest! {
        #[test]
        fn a_diff_leads_from_one_side_to_the_other(old in "[ab\n]{0,40}", new in "[ab\n]{0,40}") {
            prop_assert_eq!(patch(&old, &Diff::new(&old, &new)), new);
        }

        #[test]
        fn anchors_lead_there_as_well(old in proptest::collection::vec(0u32..30, 0..60), new in proptest::collection::vec(0u32..30, 0..60)) {
            let mut pairs = Vec::new();
            match_at_anchors(&old, 0..old.len(), &new, 0..new.len(), &mut pairs);
            prop_assert!(pairs.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1));
            prop_assert!(pairs.iter().all(|(i, j)| old[*i] == new[*j]));
        }
    }
}
