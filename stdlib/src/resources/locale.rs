//! The resource type `locale`.

mod archive;
mod generated;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::{Footprint, Place, Problem};
use stead_engine::{FileKind, Known, ObserveError, World};

pub(crate) use self::generated::LOCALE;
use self::generated::{Generated, Names};
use crate::edit::lines::{self, body, split};
use crate::edit::{Edited, variables};
use crate::filesystem;
use crate::parts::{EditPart, Parts, resource_of_parts};
use crate::values::{AbsolutePath, FromLiteral as _};
use crate::{Choice, Resource};

/// A locale that programs can use, and the one they use by default.
///
/// A locale is compiled from its source (`/usr/share/i18n`, in Debian's package `locales`) and entered in `/etc/locale.gen`, so that
/// the next upgrade of the C library compiles it again. With `default = true` it is the one that sessions and services start with. Compares to Salt's
/// `locale.present` and `locale.system`, and Ansible's `community.general.locale_gen`.
///
/// ```stead
/// locale "en_US.UTF-8" { default = true }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "locale",
    since = "0.2",
    aliases(ensure = "state", lang = "name", system = "default", environment = "variables")
)]
pub struct Locale {
    /// The locale: `de_DE.UTF-8`, `de_DE@euro`, `C.UTF-8`.
    #[key]
    pub name: Arc<str>,
    /// Whether programs can use it.
    #[default(State::Present)]
    pub state: State,
    /// Let it be the one that sessions and services start with (`LANG`).
    #[default(false)]
    pub default: bool,
    /// More variables of the sessions' start, such as `{ LC_TIME = "de_DE.UTF-8", LANGUAGE = "de:en" }`. An empty text takes one away. Only with `default`.
    pub variables: IndexMap<Arc<str>, Arc<str>>,
}

/// Whether programs can use a locale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// They can.
    Present,
    /// They cannot: it is taken out of `/etc/locale.gen` and of the archive of compiled ones.
    Absent,
}

/// Files with the variables that sessions start with.
const DEFAULTS: [&str; 2] = ["/etc/default/locale", "/etc/locale.conf"];

/// The locales to be compiled.
const LIST: &str = "/etc/locale.gen";

impl Locale {
    fn footprint(&self) -> Footprint {
        let names = Names::of(&self.name);
        let mut owns = vec![Place::other(format!("locale:{}", names.normal()))];
        let mut edits: Vec<Arc<str>> = vec![LIST.into()];
        if self.default {
            owns.push(Place::other("default locale"));
            edits.extend(DEFAULTS.map(Arc::from));
        }
        let mut needs: Vec<Place> =
            edits.iter().flat_map(|path| filesystem::needed_places(Path::new(&**path), None, None)).collect();
        needs.extend(["locales", "locales-all"].map(Place::package));
        Footprint { owns, needs, edits, removes: self.state == State::Absent, ..Footprint::default() }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |code, attribute: &str, other: Option<&str>, message: String, hint: &str| {
            problems.push(Problem {
                code,
                attribute: Some(attribute.into()),
                other: other.map(Into::into),
                message,
                hint: Some(hint.into()),
                mend: None,
            });
        };
        if !is_locale(&self.name) {
            let hint = "a locale is a language with its territory and its encoding: `de_DE.UTF-8`";
            problem("invalid-value", "name", None, format!("`{}` is no locale", self.name), hint);
        }
        if self.state == State::Absent {
            if self.default {
                let hint = "take one of the two away, or make another locale the default";
                problem(
                    "conflicting-attributes",
                    "default",
                    Some("state"),
                    "nothing can start with a locale that is absent".into(),
                    hint,
                );
            }
            if Names::of(&self.name).is_built_in() {
                let hint = "take the resource away";
                problem("invalid-value", "state", None, format!("`{}` is built into the C library", self.name), hint);
            }
        }
        for (name, value) in &self.variables {
            let known = (name.starts_with("LC_") && &**name != "LC_ALL") || &**name == "LANGUAGE";
            if !known || value.contains(|c: char| c.is_control()) {
                let hint = "variables are `LANGUAGE` and those that begin with `LC_`, but for `LC_ALL`";
                problem("invalid-value", "variables", None, format!("`{name}` cannot be set so"), hint);
            }
        }
        if !self.variables.is_empty() && !self.default {
            let hint = "set `default = true`, or take `variables` away";
            problem("conflicting-attributes", "variables", Some("default"), "the variables belong to the default".into(), hint);
        }
        problems
    }

    fn parts(&self, world: &dyn World) -> Result<Parts, ObserveError> {
        let names = Names::of(&self.name);
        let wanted = self.state == State::Present;
        let mut parts = Parts::default();
        if !names.is_built_in() {
            if lists(world, wanted)? {
                let entry = format!("{} {}", self.name, names.charset());
                let edit = move |content: &[u8]| Ok(list(content, &entry, wanted));
                parts.push_file("list", EditPart::new(AbsolutePath::from_literal(LIST), wanted, edit));
            }
            parts.push(Generated { names, wanted });
        }
        if self.default {
            let mut all = vec![("LANG".to_owned(), Some(self.name.to_string()))];
            let given = self.variables.iter();
            all.extend(given.map(|(name, value)| (name.to_string(), Some(value.to_string()).filter(|value| !value.is_empty()))));
            let path = AbsolutePath::from_literal(&*defaults(world)?.to_string_lossy());
            let edit = move |content: &[u8]| -> Edited { variables::set(content, &all) };
            parts.push_file("default", EditPart::new(path, true, edit));
        }
        Ok(parts)
    }
}

/// Says whether this distribution keeps a list of locales to be compiled, in which this one has a place.
fn lists(world: &dyn World, wanted: bool) -> Result<bool, ObserveError> {
    let is_there = |path: &str| Ok::<_, ObserveError>(!matches!(world.stat(Path::new(path))?, Known::Is(None)));
    Ok(is_there(LIST)? || (wanted && (is_there("/usr/sbin/locale-gen")? || is_there("/usr/bin/locale-gen")?)))
}

/// The file with the variables: Debian's own where it is a file, else the one that systemd reads.
fn defaults(world: &dyn World) -> Result<PathBuf, ObserveError> {
    let [own, shared] = DEFAULTS.map(Path::new);
    match world.stat(own)? {
        Known::Is(Some(stat)) if stat.kind == FileKind::File => Ok(own.to_owned()),
        // Since Debian 13 it is a link to the other one.
        Known::Is(Some(_)) => Ok(shared.to_owned()),
        _ if matches!(world.stat(shared)?, Known::Is(Some(_))) => Ok(shared.to_owned()),
        _ if matches!(world.stat(Path::new("/etc/debian_version"))?, Known::Is(Some(_))) => Ok(own.to_owned()),
        _ => Ok(shared.to_owned()),
    }
}

/// The list with the entry, or without it: a line that is commented out is used where there is one.
fn list(content: &[u8], entry: &str, wanted: bool) -> Option<Vec<u8>> {
    let all = split(content);
    let words = |line: &[u8]| {
        let text = String::from_utf8_lossy(line);
        text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    };
    let is_entry = |line: &&[u8]| words(body(line)) == entry;
    let is_comment = |line: &&[u8]| words(body(line)).strip_prefix('#').is_some_and(|rest| rest.trim_start() == entry);
    let new = lines::line(entry.as_bytes(), lines::ending(content));
    if !wanted {
        let off = lines::line(format!("# {entry}").as_bytes(), lines::ending(content));
        let edited: Vec<&[u8]> = all.iter().map(|line| if is_entry(line) { &off[..] } else { line }).collect();
        return all.iter().any(&is_entry).then(|| edited.concat());
    }
    if all.iter().any(is_entry) {
        return None;
    }
    Some(match all.iter().position(is_comment) {
        Some(at) => lines::join(all[..at].iter().copied().chain([&new[..]]).chain(all[at + 1..].iter().copied()), b"\n"),
        None => lines::join(all.iter().copied().chain([&new[..]]), b"\n"),
    })
}

/// Says whether this can be a locale's name, so that it can never be a path or an option.
fn is_locale(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte);
    name.len() >= 2 - usize::from(name == "C")
        && name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(legal)
        && !name.contains("..")
}

resource_of_parts!(Locale {
    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&[]))
    }
});
