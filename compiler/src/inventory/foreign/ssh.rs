//! The hosts of an ssh configuration. Only their names count: ssh reads the rest itself.

use super::{Reach, Reader, Word, span_of};

impl Reader<'_> {
    /// The names after `Host`; patterns are left out, and what `Match` tells.
    pub(super) fn ssh(&mut self, text: &str) {
        for line in text.lines() {
            let Some((keyword, names)) = directive(line) else { continue };
            if !keyword.eq_ignore_ascii_case("host") {
                continue;
            }
            for name in names.split_whitespace().map(|name| name.trim_matches('"')) {
                let is_pattern = name.contains(['*', '?']) || name.starts_with('!');
                if !is_pattern && Word::Name.fits(name) {
                    self.host(name, span_of(text, name), &Reach::default(), &[], &[]);
                }
            }
        }
    }
}

/// The files that an ssh configuration includes, as they are written there.
pub fn includes(text: &str) -> Vec<&str> {
    let of_line = |line| directive(line).filter(|(keyword, _)| keyword.eq_ignore_ascii_case("include"));
    text.lines().filter_map(of_line).flat_map(|(_, files)| files.split_whitespace().map(|file| file.trim_matches('"'))).collect()
}

/// A line's keyword and what follows it, after blanks or `=`.
fn directive(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=')?;
    let (keyword, rest) = line.split_at(end);
    Some((keyword, rest.trim_start_matches(|c: char| c.is_whitespace() || c == '=')))
}
