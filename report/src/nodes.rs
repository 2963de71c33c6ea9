//! Names of many nodes on one line: `web-[01-12], db-1`, and whether a name is meant by such a pattern.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A name cut at its last number: what stands before, the digits, what stands after.
fn cut(name: &str) -> Option<(&str, &str, &str)> {
    let end = name.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start =
        name[..end].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + name[at..].chars().next().map_or(1, char::len_utf8));
    // A number that does not fit is part of the name.
    (end - start <= 18).then(|| (&name[..start], &name[start..end], &name[end..]))
}

/// Compares names as people do: numbers in them by their value.
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    while let (Some(x), Some(y)) = (left.chars().next(), right.chars().next()) {
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (first, second) = (&left[..digits(left)], &right[..digits(right)]);
            let (bare_first, bare_second) = (first.trim_start_matches('0'), second.trim_start_matches('0'));
            let by_value = bare_first.len().cmp(&bare_second.len()).then_with(|| bare_first.cmp(bare_second));
            if by_value != Ordering::Equal {
                return by_value;
            }
            left = &left[first.len()..];
            right = &right[second.len()..];
        } else {
            if x != y {
                return x.cmp(&y);
            }
            left = &left[x.len_utf8()..];
            right = &right[y.len_utf8()..];
        }
    }
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

/// Numbers of one family of names: what stands before and after, and the width that zeros fill up to.
type Family<'a> = (&'a str, &'a str, usize);

/// Writes names as few patterns: each stands for a family of names with its numbers. In natural order; names that occur
/// more than once count once.
pub fn node_patterns<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<NodePattern> {
    let mut single: Vec<&str> = Vec::new();
    let mut numbered: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for name in names {
        match cut(name) {
            Some((before, digits, after)) => numbered.entry((before, after)).or_default().push(digits),
            None => single.push(name),
        }
    }
    let mut families: BTreeMap<Family<'_>, Vec<u64>> = BTreeMap::new();
    for ((before, after), digits) in numbered {
        let is_padded = |digits: &str| digits.len() > 1 && digits.starts_with('0');
        let mut widths: Vec<usize> = digits.iter().filter(|d| is_padded(d)).map(|d| d.len()).collect();
        widths.sort_unstable();
        widths.dedup();
        for number in digits {
            // `10` belongs to `09`, where the names are filled up to two digits.
            let width = if widths.binary_search(&number.len()).is_ok() { number.len() } else { 0 };
            families.entry((before, after, width)).or_default().push(number.parse().unwrap_or(u64::MAX));
        }
    }
    single.sort_unstable();
    single.dedup();
    let mut patterns: Vec<NodePattern> = single.into_iter().map(|name| NodePattern { text: name.to_owned(), count: 1 }).collect();
    patterns.extend(families.into_iter().map(|(family, numbers)| pattern(family, numbers)));
    patterns.sort_by(|a, b| natural_order(&a.text, &b.text));
    patterns
}

/// A pattern and how many names it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePattern {
    /// `web-[01-12,15]`.
    pub text: String,
    /// Names it stands for.
    pub count: usize,
}

fn pattern((before, after, width): Family<'_>, mut numbers: Vec<u64>) -> NodePattern {
    numbers.sort_unstable();
    numbers.dedup();
    let count = numbers.len();
    if let [only] = numbers.as_slice() {
        return NodePattern { text: format!("{before}{only:0width$}{after}"), count };
    }
    let runs = numbers.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [first, .., last] => format!("{first:0width$}-{last:0width$}"),
        run => run.iter().map(|only| format!("{only:0width$}")).collect(),
    });
    NodePattern { text: format!("{before}[{}]{after}", runs.collect::<Vec<_>>().join(",")), count }
}

/// Writes patterns on one line of at most about `limit` characters; what does not fit is counted: `and 400 more`.
pub fn node_line(patterns: &[NodePattern], limit: usize) -> String {
    let mut line = String::new();
    let mut left: usize = patterns.iter().map(|pattern| pattern.count).sum();
    for (at, pattern) in patterns.iter().enumerate() {
        if at > 0 && line.len() + pattern.text.len() > limit {
            line.push_str(&format!(" and {left} more"));
            break;
        }
        if at > 0 {
            line.push_str(", ");
        }
        line.push_str(&pattern.text);
        left -= pattern.count;
    }
    line
}

/// Says whether `name` is meant by a pattern: the name itself, numbers `web-[01-12,15]`, or `*` for any text.
pub fn matches_node(pattern: &str, name: &str) -> bool {
    match (pattern.find('['), pattern.rfind(']')) {
        (Some(open), Some(close)) if open < close => {
            let (before, numbers, after) = (&pattern[..open], &pattern[open + 1..close], &pattern[close + 1..]);
            let rest = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            rest.is_some_and(|digits| numbers.split(',').any(|range| is_in(range.trim(), digits)))
        }
        _ => glob(pattern, name),
    }
}

fn is_in(range: &str, digits: &str) -> bool {
    if digits.is_empty() || digits.len() > 18 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let (low, high) = range.split_once('-').unwrap_or((range, range));
    let width = if low.len() > 1 && low.starts_with('0') { Some(low.len()) } else { None };
    let fits_width = match width {
        Some(width) => digits.len() == width,
        None => digits.len() == 1 || !digits.starts_with('0'),
    };
    let number = |text: &str| text.parse::<u64>().ok();
    match (number(low), number(high), number(digits)) {
        (Some(low), Some(high), Some(number)) => fits_width && (low..=high).contains(&number),
        _ => false,
    }
}

/// `*` stands for any text; every other character for itself.
fn glob(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    if !pattern.contains('*') {
        return rest.is_empty();
    }
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(names: &[&str], expected: &str) {
        let patterns = node_patterns(names.iter().copied());
        assert_eq!(node_line(&patterns, 1000), expected);
        for name in names {
            assert!(patterns.iter().any(|pattern| matches_node(&pattern.text, name)), "{name}");
        }
    }

    #[test]
    fn names_become_ranges() {
        check(&["web-03", "web-01", "web-02"], "web-[01-03]");
        check(&["web-9", "web-10", "web-11"], "web-[9-11]");
        check(&["web-09", "web-10", "web-12"], "web-[09-10,12]");
        check(&["a", "web-1", "db2.example.com", "db1.example.com"], "a, db[1-2].example.com, web-1");
        check(&["n1", "n01", "n001", "n2"], "n001, n01, n[1-2]");
        check(&["x", "x", "x1"], "x, x1");
        check(&["r1-n1", "r1-n2", "r2-n1"], "r1-n[1-2], r2-n1");
        check(&["ä1", "ä2"], "ä[1-2]");
        check(&["n99999999999999999999", "n1"], "n1, n99999999999999999999");
    }

    #[test]
    fn a_long_line_says_what_it_leaves_out() {
        let names: Vec<String> = (0..50).map(|i| format!("{}x{i}", char::from(b'a' + i % 26))).collect();
        let line = node_line(&node_patterns(names.iter().map(String::as_str)), 20);
        assert_eq!(line, "ax[0,26], bx[1,27] and 46 more");
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, name, expected) in [
            ("*", "web-1", true),
            ("web-*", "web-1", true),
            ("*-1", "web-1", true),
            ("w*b-*1", "web-11", true),
            ("web", "web-1", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("web-[1-3]", "web-03", false),
            ("web-[08-12]", "web-9", false),
        ] {
            assert_eq!(matches_node(pattern, name), expected, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn patterns_stand_for_exactly_their_names(
            names in proptest::collection::btree_set("[a-c]{0,2}[0-9]{0,3}[a-c]{0,1}", 1..30),
            others in proptest::collection::vec("[a-c]{0,2}[0-9]{0,3}[a-c]{0,1}", 0..30),
        ) {
            let patterns = node_patterns(names.iter().map(String::as_str));
            let total: usize = patterns.iter().map(|pattern| pattern.count).sum();
            prop_assert_eq!(total, names.len());
            for name in names.iter().chain(&others) {
                let found = patterns.iter().filter(|pattern| matches_node(&pattern.text, name)).count();
                prop_assert_eq!(found, usize::from(names.contains(name)), "{} {:?}", name, &patterns);
            }
        }
    }
}
