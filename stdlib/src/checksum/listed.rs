//! Files of checksums, as `sha256sum` and its kin write them and projects publish them.

use std::path::Path;
use std::sync::Arc;

use stead_engine::net::{self, UrlParts};
use stead_engine::{Known, ObserveError, World};

use super::{Algorithm, Checksum};
use crate::web::{Fetching, Origin, status_words};

/// A longer file of checksums is none.
const MOST: u64 = 4 << 20;

/// How many names a message tells of those that are there.
const MAX_NAMED: usize = 5;

/// A checksum that stands in a file: where that is, and which of several kinds is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) algorithm: Option<Algorithm>,
    from: Arc<str>,
}

/// One line of such a file.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'t> {
    checksum: Checksum,
    /// `None` where the digits stand alone.
    name: Option<&'t str>,
}

impl Listed {
    /// Reads `sha256:https://…`, or the place alone; `None` when it is no place.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let known = text.split_once(':').and_then(|(name, from)| Some((Algorithm::named(name)?, from)));
        let (algorithm, from) = known.map_or((None, text), |(algorithm, from)| (Some(algorithm), from));
        Origin::of(from).map(|_| Self { algorithm, from: from.into() })
    }

    /// Where the file is.
    pub(crate) fn origin(&self) -> Option<Origin<'_>> {
        Origin::of(&self.from)
    }

    fn shown(&self) -> String {
        net::without_credentials(&self.from)
    }

    /// Looks the checksum of `name` up. `source` is where the thing itself comes from: what is sent to its server is sent to no other.
    ///
    /// # Errors
    /// `fetch-failed`, `missing-source`, and `unlisted-checksum` when nothing, or more than one thing, is said of the name.
    pub(crate) fn look_up(
        &self,
        world: &dyn World,
        name: &str,
        source: Option<Origin<'_>>,
        fetching: &Fetching<'_>,
    ) -> Result<Known<Checksum>, ObserveError> {
        let failed = |why: &str| ObserveError::Impossible {
            code: "fetch-failed",
            message: format!("the checksums {} could not be fetched: {why}", self.shown()),
            hint: "look whether the node can reach them, or give the checksum itself".into(),
        };
        let bytes = match self.origin() {
            Some(Origin::Path(path)) => match world.read(path)? {
                Known::Is(Some(bytes)) => bytes,
                Known::Is(None) => return Err(missing(path)),
                Known::Unknown(because) => return Ok(Known::Unknown(because)),
            },
            Some(Origin::Url(url)) => {
                let server = |url| UrlParts::of(url).map(|parts| (parts.scheme, parts.authority));
                let is_same = matches!(source, Some(Origin::Url(source)) if server(source) == server(url));
                let fetching = if is_same { *fetching } else { fetching.without_secrets() };
                match world.fetch(&fetching.request(url), MOST)? {
                    Known::Unknown(because) => return Ok(Known::Unknown(because)),
                    Known::Is(Err(why)) => return Err(failed(&why.to_string())),
                    Known::Is(Ok(reply)) if reply.status != 200 => {
                        return Err(failed(&format!("the server answered {}", status_words(reply.status))));
                    }
                    Known::Is(Ok(reply)) => reply.body,
                }
            }
            _ => return Err(failed("it is not said where they are")),
        };
        self.find(&String::from_utf8_lossy(&bytes), name).map(Known::Is)
    }

    /// Finds the checksum of a name in the text of such a file.
    fn find(&self, text: &str, name: &str) -> Result<Checksum, ObserveError> {
        let refused = |message: String, hint: String| ObserveError::Impossible { code: "unlisted-checksum", message, hint };
        let mut entries: Vec<Entry<'_>> = text.lines().filter_map(entry).collect();
        entries.retain(|entry| self.algorithm.is_none_or(|algorithm| entry.checksum.algorithm == algorithm));
        let base = |path: &'_ str| path.rsplit('/').next().map(str::to_owned);
        let exact = |entry: &&Entry<'_>| entry.name == Some(name);
        let same_base = |entry: &&Entry<'_>| entry.name.is_some_and(|listed| base(listed) == base(name));
        let mut fitting: Vec<&Entry<'_>> = entries.iter().filter(exact).collect();
        if fitting.is_empty() {
            fitting = entries.iter().filter(same_base).collect();
        }
        if fitting.is_empty() && entries.iter().all(|entry| entry.name.is_none()) {
            fitting = entries.iter().collect();
        }
        // Where several kinds are published, the longest says most.
        let longest = fitting.iter().map(|entry| entry.checksum.digits.len()).max().unwrap_or(0);
        let mut found: Vec<&Checksum> = fitting.iter().map(|entry| &entry.checksum).collect();
        found.retain(|checksum| checksum.digits.len() == longest);
        found.sort_by(|one, other| one.digits.cmp(&other.digits));
        found.dedup();
        match found[..] {
            [only] => Ok(only.clone()),
            [] => {
                let kind = self.algorithm.map_or(String::new(), |algorithm| format!("{} ", algorithm.name()));
                let mut names: Vec<&str> = entries.iter().filter_map(|entry| entry.name).collect();
                let more = names.len().saturating_sub(MAX_NAMED);
                names.truncate(MAX_NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let hint = if names.is_empty() {
                    "look at what it is: there is no line in it with a checksum".to_owned()
                } else {
                    format!("it has {}{more}: name one of them with `checksum_name`", names.join(", "))
                };
                Err(refused(format!("{} has no {kind}checksum of `{name}`", self.shown()), hint))
            }
            _ => Err(refused(
                format!("{} has {} different checksums of `{name}`", self.shown(), found.len()),
                "give the whole path that it stands with as `checksum_name`, or the checksum itself".into(),
            )),
        }
    }
}

fn missing(path: &Path) -> ObserveError {
    ObserveError::Impossible {
        code: "missing-source",
        message: format!("there is no file {}", path.display()),
        hint: "declare the resource that brings it, or name the path it has".into(),
    }
}

/// A name without the directory that everything is in.
fn plain(name: &str) -> &str {
    name.trim_start_matches("./")
}

/// Reads a line: `DIGITS  NAME`, `DIGITS *NAME`, `SHA256 (NAME) = DIGITS`, or digits alone.
fn entry(line: &str) -> Option<Entry<'_>> {
    let line = line.trim().trim_start_matches('\\');
    if let Some((head, digits)) = line.rsplit_once(") = ") {
        let (kind, name) = head.split_once(" (")?;
        let checksum = Checksum::of_digits(digits.trim())?;
        return (Algorithm::named(kind)? == checksum.algorithm).then(|| Entry { checksum, name: Some(plain(name)) });
    }
    let (digits, name) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let name = name.trim_start();
    let name = plain(name.strip_prefix('*').unwrap_or(name));
    Some(Entry { checksum: Checksum::of_digits(digits)?, name: (!name.is_empty()).then_some(name) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digits that a checksum of `length` digits has here.
    fn digits(digit: char, length: usize) -> String {
        digit.to_string().repeat(length)
    }

    #[track_caller]
    fn check(algorithm: Option<Algorithm>, text: &str, name: &str, expected: &str) {
        let listed = Listed { algorithm, from: "https://u:secret@example.com/SUMS".into() };
        let found = match listed.find(text, name) {
            Ok(checksum) => format!("{}:{}{}", checksum.algorithm.name(), &checksum.digits[..1], checksum.digits.len()),
            Err(error) => format!("{}: {error}; {}", error.code(), error.hint().unwrap_or_default()),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_name_is_found_in_all_usual_forms() {
        let (a, b) = (digits('a', 64), digits('b', 64));
        for line in [
            format!("{a}  tool-1.2"),
            format!("{a} *tool-1.2"),
            format!("{a}\t./tool-1.2\r"),
            format!("{}  build/tool-1.2", a.to_uppercase()),
            format!("SHA256 (tool-1.2) = {a}"),
            a.clone(),
        ] {
            check(None, &format!("# sums\n\n{line}\n"), "tool-1.2", "sha256:a64");
        }
        check(None, &format!("{a}  x\n{b}  tool-1.2\n"), "tool-1.2", "sha256:b64");
        check(None, &format!("{a}  old/tool\n{b}  new/tool\n"), "new/tool", "sha256:b64");
        check(None, &format!("{a}  tool\n{a}  dist/tool\n"), "tool", "sha256:a64");
    }

    #[test]
    fn of_several_kinds_the_one_that_is_asked_for_counts_and_else_the_longest() {
        let text = format!("{}  tool\n{}  tool\n{}  tool\n", digits('a', 32), digits('b', 64), digits('c', 40));
        check(None, &text, "tool", "sha256:b64");
        check(Some(Algorithm::Md5), &text, "tool", "md5:a32");
        check(
            Some(Algorithm::Sha512),
            &text,
            "tool",
            "unlisted-checksum: https://example.com/SUMS has no sha512 checksum of `tool`; look at what it is: there is no line in it with a checksum",
        );
    }

    #[test]
    fn what_is_not_there_or_there_twice_is_told() {
        let (a, b) = (digits('a', 64), digits('b', 64));
        check(
            None,
            &format!("{a}  one\n{b}  two\n"),
            "tool",
            "unlisted-checksum: https://example.com/SUMS has no checksum of `tool`; it has one, two: name one of them with `checksum_name`",
        );
        check(
            None,
            &format!("{a}  old/tool\n{b}  new/tool\n"),
            "tool",
            "unlisted-checksum: https://example.com/SUMS has 2 different checksums of `tool`; give the whole path that it stands with as `checksum_name`, or the checksum itself",
        );
        check(
            None,
            "<html>\n",
            "tool",
            "unlisted-checksum: https://example.com/SUMS has no checksum of `tool`; look at what it is: there is no line in it with a checksum",
        );
    }
}
