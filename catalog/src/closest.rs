//! What a name that does not exist was most likely meant to be.

/// Returns the candidate that `name` was most likely meant to be: at most a third of its letters away. A name of one or two letters
/// is near to every other one: there only case and order may differ, or one letter of three is missing.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut search = Search::new(name);
    let mut best = None;
    for candidate in candidates.into_iter().filter(|candidate| !candidate.is_empty()) {
        if let Some(distance) = search.distance(candidate) {
            best = Some(candidate);
            // Only a closer one is of interest from here on.
            match distance.checked_sub(1) {
                Some(closer) => search.limit = closer,
                None => break,
            }
        }
    }
    best
}

/// Finds closest names for many mistakes, as long as that takes little time: a project with thousands of mistakes is not told a
/// suggestion for each.
#[derive(Clone, Debug, Default)]
pub struct Suggestions {
    compared: usize,
}

impl Suggestions {
    /// Most pairs of names that are compared.
    const MOST: usize = 1_000_000;

    /// Returns what [`closest`] does, or nothing when enough was compared already.
    pub fn closest<'a>(&mut self, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        if self.compared >= Self::MOST {
            return None;
        }
        let compared = &mut self.compared;
        closest(name, candidates.into_iter().inspect(|_| *compared += 1))
    }
}

/// The letters of a name, and room for the rows of the table of distances.
struct Search {
    name: Vec<char>,
    other: Vec<char>,
    rows: [Vec<usize>; 3],
    /// The largest distance that is of interest.
    limit: usize,
}

impl Search {
    fn new(name: &str) -> Self {
        let name: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
        let limit = if name.len() == 2 { 1 } else { name.len() / 3 };
        Self { name, other: Vec::new(), rows: Default::default(), limit }
    }

    /// Edit distance with transpositions (optimal string alignment), ignoring case; `None` when it is more than the limit.
    fn distance(&mut self, candidate: &str) -> Option<usize> {
        // No letter is longer than four bytes, so that most candidates are not looked at.
        if candidate.len() > (self.name.len() + self.limit) * 4 || candidate.len() + self.limit < self.name.len() {
            return None;
        }
        self.other.clear();
        self.other.extend(candidate.chars().flat_map(char::to_lowercase));
        let (a, b, limit) = (&self.name, &self.other, self.limit);
        if a.len().abs_diff(b.len()) > limit {
            return None;
        }
        if let [x, y] = a[..]
            && b.len() <= 2
        {
            let is_turned = b[..] == [y, x];
            return if b == a { Some(0) } else { is_turned.then_some(1).filter(|_| limit >= 1) };
        }
        let [before, last, row] = &mut self.rows;
        last.clear();
        last.extend(0..=b.len());
        before.clone_from(last);
        let mut last_least = 0;
        for i in 1..=a.len() {
            row.clear();
            row.push(i);
            let mut least = i;
            for j in 1..=b.len() {
                let cost = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (row[j - 1] + 1).min(last[j] + 1).min(last[j - 1] + cost);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(before[j - 2] + 1);
                }
                row.push(best);
                least = least.min(best);
            }
            // What comes later is no less than this row, or one more than the row before.
            if least > limit && last_least >= limit {
                return None;
            }
            last_least = least;
            std::mem::swap(before, last);
            std::mem::swap(last, row);
        }
        Some(last[b.len()]).filter(|distance| *distance <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_few_letters_away_are_found() {
        let names = ["content", "mode", "owner", "", "group", "x", "ab", "uid", "Größe"];
        let cases = [
            ("contnet", Some("content")),
            ("Mode", Some("mode")),
            ("onwer", Some("owner")),
            ("gruop", Some("group")),
            ("größe", Some("Größe")),
            ("grösse", Some("Größe")),
            ("nothing", None),
            // One or two letters: only their order and case, or a third letter is missing.
            ("ui", Some("uid")),
            ("y", None),
            ("X", Some("x")),
            ("ba", Some("ab")),
            ("ac", None),
            ("a", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(closest(name, names), expected, "{name}");
        }
    }

    #[test]
    fn the_first_of_the_closest_is_taken() {
        assert_eq!(closest("aaaaaa", ["aaaabb", "aaaaab", "aaaaac"]), Some("aaaaab"));
        assert_eq!(closest("/etc/app/missing", ["/etc/app/conf1", "/etc/app/missng"]), Some("/etc/app/missng"));
    }

    #[test]
    fn thousands_of_mistakes_stop_to_be_compared() {
        let names: Vec<String> = (0..1000).map(|i| format!("name-{i}")).collect();
        let mut suggestions = Suggestions::default();
        let found =
            (0..2000).filter(|i| suggestions.closest(&format!("nmae-{}", i % 1000), names.iter().map(String::as_str)).is_some());
        assert!(found.count() < 2000);
        assert!(suggestions.compared <= Suggestions::MOST + 1000);
    }
}
