//! How the change of a file's content is told. A file that not everybody may read holds what is nobody's business: of it only the lines
//! that change are told, and nothing of it where it comes or goes as a whole.

use std::collections::HashMap;
use std::sync::Arc;

use similar::{Algorithm, DiffOp, capture_diff_slices};
use stead_catalog::{Change, Shown, Stretch};

use crate::Stat;

/// Lines, both sides together, that are matched exactly.
const EXACT_LINES: usize = 4_000;

/// Which side of a change is a file that not everybody may read. What a user writes down for a file is not one: that is read in the project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Private {
    /// What is there.
    pub found: bool,
    /// What was kept and is brought back.
    pub kept: bool,
}

impl Private {
    /// As what is there says; a file that is not there keeps nothing from anybody.
    pub fn found(stat: Option<&Stat>) -> Self {
        Self { found: stat.is_some_and(|stat| is_private(stat.mode)), kept: false }
    }
}

/// Says whether a file with these permission bits is for some only.
pub fn is_private(mode: u32) -> bool {
    mode & 0o004 == 0
}

/// The change of a content, with what may be told of it.
pub fn content_change(before: Shown, after: Shown, private: Private) -> Change {
    let change = Change::value("content", before, after);
    match (&change.before, &change.after) {
        (Shown::Text(old), Shown::Text(new)) if private.found || private.kept => {
            let Changed { old, new, stretches } = changed_lines(old, new);
            Change { stretches, ..Change::value("content", Shown::Text(old), Shown::Text(new)) }
        }
        (before, after) => {
            let shows_found = private.found && !matches!(before, Shown::Absent | Shown::Unknown(_) | Shown::Digest { .. });
            let shows_kept = private.kept && !matches!(after, Shown::Absent | Shown::Unknown(_) | Shown::Digest { .. });
            let goes = private.found && *after == Shown::Absent;
            if shows_found || shows_kept || goes { change.hidden() } else { change }
        }
    }
}

/// The lines in which two texts differ, and where they are.
struct Changed {
    old: Arc<str>,
    new: Arc<str>,
    stretches: Vec<Stretch>,
}

fn changed_lines(old: &str, new: &str) -> Changed {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - start;
    let end = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[start..old.len() - end], &new[start..new.len() - end]);
    let stretch = |old_at: usize, old_len: usize, new_at: usize, new_len: usize| {
        let count = |lines| u32::try_from(lines).unwrap_or(u32::MAX);
        Stretch {
            old_start: count(start + old_at),
            old_len: count(old_len),
            new_start: count(start + new_at),
            new_len: count(new_len),
        }
    };
    if old.len() + new.len() > EXACT_LINES {
        // Which of them stands where is not worked out; where they begin is known.
        let (gone, come) = (missing_lines(old, new), missing_lines(new, old));
        let stretches = vec![stretch(0, gone.split_inclusive('\n').count(), 0, come.split_inclusive('\n').count())];
        return Changed { old: gone, new: come, stretches };
    }
    let (mut gone, mut come, mut stretches) = (String::new(), String::new(), Vec::new());
    for op in capture_diff_slices(Algorithm::Myers, old, new) {
        if !matches!(op, DiffOp::Equal { .. }) {
            let (old_range, new_range) = (op.old_range(), op.new_range());
            stretches.push(stretch(old_range.start, old_range.len(), new_range.start, new_range.len()));
            gone.extend(old[old_range].iter().copied());
            come.extend(new[new_range].iter().copied());
        }
    }
    Changed { old: gone.into(), new: come.into(), stretches }
}

/// The lines that the other text does not have, or not as often.
fn missing_lines(lines: &[&str], others: &[&str]) -> Arc<str> {
    let mut left: HashMap<&str, usize> = HashMap::new();
    for line in others {
        *left.entry(line).or_default() += 1;
    }
    let is_missing = |line: &&&str| match left.get_mut(**line) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    lines.iter().filter(is_missing).copied().collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(old: &str, new: &str) -> (String, String) {
        let Changed { old, new, stretches } = changed_lines(old, new);
        let lines = |text: &str| text.split_inclusive('\n').count();
        let told = |len: fn(&Stretch) -> u32| stretches.iter().map(len).sum::<u32>() as usize;
        assert_eq!((told(|one| one.old_len), told(|one| one.new_len)), (lines(&old), lines(&new)));
        (old.to_string(), new.to_string())
    }

    #[test]
    fn lines_are_told_where_they_are() {
        let stretches = changed_lines("a\nb\nc\nd\n", "a\nx\nc\ny\nz\n").stretches;
        let numbers: Vec<[u32; 4]> =
            stretches.iter().map(|one| [one.old_start, one.old_len, one.new_start, one.new_len]).collect();
        assert_eq!(numbers, [[1, 1, 1, 1], [3, 1, 3, 2]]);
    }

    #[test]
    fn only_what_differs_is_told() {
        assert_eq!(changed("a\nb\nc\n", "a\nx\nc\n"), ("b\n".into(), "x\n".into()));
        assert_eq!(changed("a\n", "a\na\n"), (String::new(), "a\n".into()));
        assert_eq!(changed("a\na\n", "a\n"), ("a\n".into(), String::new()));
        assert_eq!(changed("a\n", "a\n"), (String::new(), String::new()));
        assert_eq!(changed("a\nkept\nb\nc\n", "x\nkept\ny\nc\n"), ("a\nb\n".into(), "x\ny\n".into()));
    }

    #[test]
    fn a_long_text_shows_no_line_that_stays() {
        let long = |first: &str, last: &str| format!("{first}\n{}{last}\n", "kept\nkept too\n".repeat(3_000));
        assert_eq!(changed(&long("a", "b"), &long("c", "d")), ("a\nb\n".into(), "c\nd\n".into()));
    }

    #[test]
    fn a_private_file_is_told_by_what_changes() {
        let text = |text: &str| Shown::Text(text.into());
        let found = Private { found: true, kept: false };
        let kept = Private { found: false, kept: true };
        assert_eq!(content_change(text("k\na\n"), text("k\nb\n"), found).before, text("a\n"));
        assert_eq!(content_change(text("k\na\n"), text("k\nb\n"), kept).after, text("b\n"));
        assert_eq!(content_change(text("k\na\n"), text("k\nb\n"), Private::default()).after, text("k\nb\n"));
        let goes = content_change(text("a\n"), Shown::Absent, found);
        assert_eq!((goes.before, goes.after), (Shown::Sensitive, Shown::Absent));
        let comes = content_change(Shown::Absent, text("a\n"), kept);
        assert_eq!((comes.before, comes.after), (Shown::Absent, Shown::Sensitive));
        // What the project says is told.
        assert_eq!(content_change(Shown::Absent, text("a\n"), found).after, text("a\n"));
    }
}
