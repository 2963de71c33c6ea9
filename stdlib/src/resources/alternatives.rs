//! The resource type `alternatives`.

mod choice;
mod group;

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::{Footprint, Place, Problem};
use stead_engine::{Known, ObserveError, World};

use self::choice::{Link, Selection, Tool};
use crate::parts::{Parts, resource_of_parts};
use crate::values::AbsolutePath;
use crate::{Choice, Resource};

/// Which of several programs goes by a name: a group of alternatives, as Debian's update-alternatives and Fedora's alternatives keep them.
///
/// A group knows where each of its programs is, and which of them the name leads to: one that somebody chose, or with `auto = true` the one of the
/// highest priority. With `link` and `priority` a program is entered in the group first. Compares to Salt's `alternatives.install` and `.set`, Puppet's
/// `alternatives` and `alternative_entry`, and Ansible's `community.general.alternatives`.
///
/// ```stead
/// alternatives "editor" { path = "/usr/bin/vim.basic" }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "alternatives",
    since = "0.2",
    aliases(
        alternative = "path",
        ensure = "state",
        target = "path",
        altlink = "link",
        altname = "name",
        mode = "auto",
        subcommands = "slaves",
        family = "name"
    )
)]
pub struct Alternatives {
    /// The name of the group: `editor`.
    #[key]
    pub name: Arc<str>,
    /// Whether the group, or with `path` one of its programs, is there.
    #[default(State::Present)]
    pub state: State,
    /// The program that the name leads to; with `state = absent` the one that is taken out of the group.
    pub path: Option<AbsolutePath>,
    /// Let the name lead to the program of the highest priority.
    #[default(false)]
    pub auto: bool,
    /// The path that leads to the chosen program, such as `/usr/bin/editor`. With it the program is entered in the group.
    pub link: Option<AbsolutePath>,
    /// Its priority in the group, with `link`.
    pub priority: Option<i64>,
    /// Further links that go along with the program, by name: `{ "editor.1.gz" = { link = "/usr/share/man/man1/editor.1.gz", path = "/usr/share/man/man1/vim.1.gz" } }`.
    pub slaves: IndexMap<Arc<str>, IndexMap<Arc<str>, AbsolutePath>>,
    /// Choose the program. Otherwise it is only entered in the group.
    #[default(true)]
    pub selected: bool,
}

/// Whether the group, or one of its programs, is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// It is there.
    Present,
    /// The program is not in the group; without `path`: the group is gone.
    Absent,
}

impl Alternatives {
    fn footprint(&self) -> Footprint {
        let entry = |path: &AbsolutePath| Place::other(format!("alternative:{}:{path}", self.name));
        let whole = Place::other(format!("alternative:{}", self.name));
        let is_whole = self.auto || (self.state == State::Present && self.selected) || self.path.is_none();
        let mut owns = if is_whole { vec![whole.clone()] } else { Vec::new() };
        owns.extend(self.path.as_ref().filter(|_| self.link.is_some() || self.state == State::Absent).map(entry));
        let paths = self.path.iter().chain(self.slaves.values().flat_map(IndexMap::values));
        let is_absent = self.state == State::Absent;
        let entered = self.path.as_ref().filter(|_| !is_absent && self.link.is_some());
        let mut needs: Vec<Place> = paths.map(|path| Place::path(path.shared().clone())).collect();
        // Whoever chooses comes after those who enter.
        needs.extend(self.path.as_ref().filter(|_| self.link.is_none()).map(entry));
        if self.auto {
            needs.push(Place::other(format!("alternative entered:{}", self.name)));
        }
        Footprint {
            owns,
            brings: entered.into_iter().map(|_| Place::other(format!("alternative entered:{}", self.name))).collect(),
            needs: if is_absent { Vec::new() } else { needs },
            removes: is_absent,
            ..Footprint::default()
        }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |code, attribute: &str, other: Option<&str>, message: &str, hint: &str| {
            problems.push(Problem {
                code,
                attribute: Some(attribute.into()),
                other: other.map(Into::into),
                message: message.into(),
                hint: Some(hint.into()),
                mend: None,
            });
        };
        if !choice::is_name(&self.name) {
            problem(
                "invalid-value",
                "name",
                None,
                "this is no name of a group",
                "a group is named as `editor` or `x-www-browser`",
            );
        }
        let paths = [self.path.as_ref(), self.link.as_ref()];
        let all = paths.into_iter().flatten().chain(self.slaves.values().flat_map(IndexMap::values));
        if all.clone().any(|path| path.as_str().contains(char::is_control)) {
            problem("invalid-value", "path", None, "a path here is one line", "name another path");
        }
        match self.state {
            State::Present => {
                if self.path.is_none() && !self.auto {
                    let hint = "give `path`, or `auto = true`";
                    problem("missing-attribute", "path", None, "it is not said which program is chosen", hint);
                }
                if self.path.is_none() && self.link.is_some() {
                    problem("missing-attribute", "path", None, "it is not said which program is entered", "give `path`");
                }
                if self.link.is_some() != self.priority.is_some() {
                    let (given, missing) = if self.link.is_some() { ("link", "priority") } else { ("priority", "link") };
                    problem(
                        "missing-attribute",
                        missing,
                        Some(given),
                        "a program is entered with its link and its priority",
                        "give both",
                    );
                }
                if self.auto && self.path.is_some() && self.link.is_none() {
                    let hint = "take one of the two away";
                    problem(
                        "conflicting-attributes",
                        "auto",
                        Some("path"),
                        "either somebody chooses, or the priority does",
                        hint,
                    );
                }
                if !self.selected && self.link.is_none() {
                    let hint = "give `link` and `priority`, or take it away";
                    problem("conflicting-attributes", "selected", None, "nothing is left to be done", hint);
                }
            }
            State::Absent => {
                let given = [(self.auto, "auto"), (self.link.is_some(), "link"), (self.priority.is_some(), "priority")];
                for (_, name) in given.into_iter().filter(|(given, _)| *given) {
                    let hint = format!("take `{name}` away, or `state = absent`");
                    problem("conflicting-attributes", name, Some("state"), "what is absent is neither chosen nor entered", &hint);
                }
            }
        }
        for (name, slave) in &self.slaves {
            let mut keys: Vec<&str> = slave.keys().map(|key| &**key).collect();
            keys.sort_unstable();
            if keys != ["link", "path"] || !choice::is_name(name) {
                let hint = "a slave is a name with its `link` and its `path`";
                problem("invalid-value", "slaves", None, &format!("`{name}` cannot go along"), hint);
            }
        }
        if !self.slaves.is_empty() && self.link.is_none() {
            problem("conflicting-attributes", "slaves", None, "slaves are entered with a program", "give `link` and `priority`");
        }
        problems
    }

    fn parts(&self, world: &dyn World) -> Result<Parts, ObserveError> {
        let slaves = self.slaves.iter().filter_map(|(name, slave)| {
            let (link, path) = (slave.get("link")?, slave.get("path")?);
            Some(Link { name: name.to_string(), link: link.to_string(), path: path.to_string() })
        });
        let mut parts = Parts::default();
        parts.push(Selection {
            tool: Tool::of(|path| Ok::<_, ObserveError>(matches!(world.stat(Path::new(path))?, Known::Is(Some(_)))))?,
            name: self.name.to_string(),
            wanted: self.state == State::Present,
            path: self.path.as_ref().map(ToString::to_string),
            auto: self.auto,
            link: self.link.as_ref().map(ToString::to_string),
            priority: self.priority.unwrap_or_default(),
            slaves: slaves.collect(),
            selected: self.selected && !self.auto,
        });
        Ok(parts)
    }
}

resource_of_parts!(Alternatives {
    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&["path"]))
    }
});
