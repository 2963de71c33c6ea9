//! The resource type `limits`.

use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::{Footprint, Place, Problem};

use crate::edit::lines::{self, body, split};
use crate::edit::{Edited, EditedFile, Edits, Flaw, edits_a_file};
use crate::problems::Problems;
use crate::values::{AbsolutePath, FromLiteral as _, Mode, Scalar};
use crate::{Choice, Resource};

/// What can be limited (limits.conf(5)).
const ITEMS: [&str; 19] = [
    "as",
    "chroot",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "maxlogins",
    "maxsyslogins",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nonewprivs",
    "nproc",
    "priority",
    "rss",
    "rtprio",
    "stack",
];

/// What is limited that `sigpending` is, apart from the rest for its length.
const SIGPENDING: &str = "sigpending";

/// Limits of the sessions of a user or a group: lines of a file in `/etc/security/limits.d`.
///
/// They hold for sessions that begin afterwards, and not for services of systemd, which have `LimitNOFILE=` and its like in their units. A
/// limit that is there gets its value; other lines stay. Compares to Ansible's `pam_limits`, Puppet's `limits::limits`, and files in Salt.
///
/// ```stead
/// limits "postgres" { hard = { nofile = 65536 }, soft = { nofile = 16384 }, both = { memlock = "unlimited" } }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "limits",
    since = "0.1",
    aliases(
        user = "domain",
        name = "domain",
        dest = "path",
        ensure = "state",
        limit_item = "hard",
        value = "hard",
        limit_type = "both"
    )
)]
pub struct Limits {
    /// Whose: a user, `@group`, `%group` for the group as a whole, `*` for everybody else, or a range of ids `1000:2000`. Identifies the resource.
    #[key]
    pub domain: Arc<str>,
    /// Whether the limits are there.
    #[default(State::Present)]
    pub state: State,
    /// Limits that the user may not pass: `nofile`, `nproc`, `memlock`, … with a number, or `unlimited`.
    pub hard: IndexMap<Arc<str>, Scalar>,
    /// Limits that a session begins with.
    pub soft: IndexMap<Arc<str>, Scalar>,
    /// Limits of both kinds in one line.
    pub both: IndexMap<Arc<str>, Scalar>,
    /// Remove other limits of the same domain from the file.
    #[default(false)]
    pub purge: bool,
    /// The file, or its name in `/etc/security/limits.d` without `.conf`. When absent, one that is called as the domain. A file there in which nothing is left goes.
    pub path: Option<Arc<str>>,
}

/// Whether the limits are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The limits are there.
    Present,
    /// The limits that are named are not there; where none is named, the domain has none in the file.
    Absent,
}

/// A line that limits something.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    domain: String,
    kind: String,
    item: String,
    value: String,
}

impl Entry {
    /// Reads a line; `None` of a comment or a blank one.
    fn parse(line: &str) -> Result<Option<Self>, String> {
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_ascii_whitespace().collect();
        match words[..] {
            [] => Ok(None),
            [domain, "-"] => {
                Ok(Some(Self { domain: domain.into(), kind: "-".into(), item: String::new(), value: String::new() }))
            }
            [domain, kind @ ("hard" | "soft" | "-"), item, value] => {
                Ok(Some(Self { domain: domain.into(), kind: kind.into(), item: item.into(), value: value.into() }))
            }
            [_, kind, _, _] => Err(format!("`{kind}` is none of `hard`, `soft` and `-`")),
            _ => Err(format!(
                "`{}` has {} words, expected a domain, `hard`, `soft` or `-`, an item and a value",
                line.trim(),
                words.len()
            )),
        }
    }

    fn line(&self) -> String {
        format!("{} {} {} {}", self.domain, self.kind, self.item, self.value)
    }
}

impl Limits {
    fn place(&self) -> AbsolutePath {
        let named = |name: &str| AbsolutePath::new(&format!("/etc/security/limits.d/{name}.conf"));
        let path = match self.path.as_deref() {
            Some(path) if path.starts_with('/') => AbsolutePath::new(path),
            Some(name) => named(name),
            None => named(&self.domain.replace(['@', '%'], "group-").replace('*', "everybody").replace([':', '/'], "-")),
        };
        path.unwrap_or_else(|| AbsolutePath::from_literal("/etc/security/limits.conf"))
    }

    fn wanted(&self) -> Vec<Entry> {
        let kinds = [("hard", &self.hard), ("soft", &self.soft), ("-", &self.both)];
        let entries = kinds.into_iter().flat_map(|(kind, limits)| limits.iter().map(move |(item, value)| (kind, item, value)));
        entries
            .map(|(kind, item, value)| {
                let value = value.to_string();
                let value = if value == "-1" || value == "infinity" { "unlimited".to_owned() } else { value };
                Entry { domain: self.domain.to_string(), kind: kind.to_owned(), item: item.to_string(), value }
            })
            .collect()
    }

    fn footprint(&self) -> Footprint {
        let place = self.place();
        let mut parts: Vec<String> =
            self.wanted().iter().map(|entry| format!("limits:{place} {} {} {}", entry.domain, entry.kind, entry.item)).collect();
        if self.purge || parts.is_empty() {
            parts.push(format!("limits:{place} {}", self.domain));
        }
        let mut footprint = self.file().footprint(parts);
        match self.domain.strip_prefix(['@', '%']) {
            Some(group) => footprint.needs.push(Place::group(group)),
            None => footprint.needs.push(Place::user(self.domain.clone())),
        }
        footprint
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        self.file().check(problems.list());
        if self.domain.is_empty() || self.domain.contains(|c: char| c.is_whitespace() || c == '#' || c.is_control()) {
            problems.invalid(
                "domain",
                format!("`{}` is no domain of a limit", self.domain.escape_debug()),
                "a user, `@group`, `*`, or a range of ids",
            );
        }
        if let Some(path) = self
            .path
            .as_deref()
            .filter(|path| path.is_empty() || path.contains(['\0', '\n']) || (!path.starts_with('/') && path.contains('/')))
        {
            problems.invalid(
                "path",
                format!("`{path}` is no name of a file"),
                "an absolute path, or a name in /etc/security/limits.d",
            );
        }
        for (attribute, limits) in [("hard", &self.hard), ("soft", &self.soft), ("both", &self.both)] {
            for (item, value) in limits {
                if !ITEMS.contains(&&**item) && **item != *SIGPENDING {
                    problems.invalid(
                        attribute,
                        format!("`{item}` is nothing that can be limited"),
                        format!("one of {}, {SIGPENDING}", ITEMS.join(", ")),
                    );
                } else if !is_value(item, &value.to_string()) {
                    problems.invalid(attribute, format!("`{value}` is no limit of `{item}`"), limit_hint(item));
                }
            }
        }
        for (item, soft) in &self.soft {
            let number = |value: &Scalar| value.to_string().parse::<i64>().ok().filter(|number| *number >= 0);
            if let (Some(soft), Some(hard)) = (number(soft), self.hard.get(item).and_then(number))
                && soft > hard
                && !matches!(&**item, "nice" | "priority")
            {
                problems.conflict(
                    "soft",
                    Some("hard"),
                    format!("the soft limit of `{item}`, {soft}, is above the hard one, {hard}"),
                    "lower it, or raise the hard one",
                );
            }
        }
        if let Some(item) = self.both.keys().find(|item| self.hard.contains_key(*item) || self.soft.contains_key(*item)) {
            problems.conflict("both", None, format!("`{item}` is said twice"), "keep it in `both`, or in `hard` and `soft`");
        }
        match self.state {
            State::Present if self.wanted().is_empty() && !self.purge => {
                problems.missing("domain", "nothing is limited", "give `hard`, `soft` or `both`, or set `state = absent`");
            }
            State::Absent if self.purge => problems.of_absent("a limit", &[(true, "purge")]),
            _ => {}
        }
        problems.finish()
    }
}

/// Says whether a text is a limit of this item.
fn is_value(item: &str, value: &str) -> bool {
    let number = value.parse::<i64>().ok();
    match item {
        "nice" | "priority" => number.is_some_and(|number| (-20..=19).contains(&number)),
        "chroot" => value.starts_with('/') && !value.contains(char::is_whitespace),
        "nonewprivs" => matches!(value, "0" | "1"),
        _ => matches!(value, "unlimited" | "infinity") || number.is_some_and(|number| number >= -1),
    }
}

fn limit_hint(item: &str) -> &'static str {
    match item {
        "nice" | "priority" => "a number from -20 to 19",
        "chroot" => "an absolute path",
        "nonewprivs" => "0 or 1",
        _ => "a number, or `unlimited`",
    }
}

impl Edits for Limits {
    fn file(&self) -> EditedFile<'_> {
        let place = self.place();
        EditedFile {
            create: true,
            new_mode: Mode(0o644),
            remove_empty: place.as_path().starts_with("/etc/security/limits.d"),
            ..EditedFile::new(&place, self.state == State::Present)
        }
    }

    fn edit(&self, text: &[u8]) -> Edited {
        let ending = lines::ending(text);
        let wanted = self.wanted();
        let mut met = vec![false; wanted.len()];
        let mut edited: Vec<Vec<u8>> = Vec::new();
        for (number, line) in split(text).into_iter().enumerate() {
            let hint = "mend the line by hand: PAM skips it";
            let content = String::from_utf8_lossy(body(line)).into_owned();
            let found = Entry::parse(&content).map_err(|reason| Flaw::malformed(number + 1, reason, hint))?;
            let Some(found) = found.filter(|found| *found.domain == *self.domain) else {
                edited.push(line.to_vec());
                continue;
            };
            let this = wanted.iter().position(|wish| wish.kind == found.kind && wish.item == found.item);
            match (self.state, this) {
                // The last line that speaks of a limit counts: a second one could undo the first.
                (State::Present, Some(this)) if std::mem::replace(&mut met[this], true) => {}
                (State::Present, Some(this)) if wanted[this] == found => edited.push(line.to_vec()),
                (State::Present, Some(this)) => {
                    let comment = content.find('#').map(|at| format!(" {}", content[at..].trim_end())).unwrap_or_default();
                    let new = format!("{}{comment}", wanted[this].line());
                    edited.push(lines::line(new.as_bytes(), &line[body(line).len()..]));
                }
                (State::Present, None) if self.purge => {}
                (State::Absent, this) if this.is_some() || wanted.is_empty() => {}
                _ => edited.push(line.to_vec()),
            }
        }
        if self.state == State::Present {
            let missing = wanted.iter().zip(&met).filter(|(_, met)| !**met);
            edited.extend(missing.map(|(wish, _)| lines::line(wish.line().as_bytes(), ending)));
        }
        let edited = lines::join(edited.iter().map(Vec::as_slice), ending);
        Ok((edited != text).then_some(edited))
    }
}

edits_a_file!(Limits, removal: ["hard", "soft", "both", "path"]);
