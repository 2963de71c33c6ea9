//! The choice of a group of alternatives as a part of a resource.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_catalog::{Action, Change, Shown, Value};
use stead_engine::{Applied, ApplyError, Difference, FileKind, Known, Machine, ObserveError, Owner, Predicted, Stat, World};

use super::group::Group;
use crate::parts::{Part, Seen, own};
use crate::{commands, filesystem};

/// Where the links of groups are that lead to the chosen programs.
const LINKS: &str = "/etc/alternatives";

/// The program that keeps the groups of a distribution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tool {
    /// Where it keeps their records.
    records: &'static str,
    /// What it is called.
    command: &'static str,
}

/// By distribution; the first that is there.
const TOOLS: [Tool; 2] = [
    Tool { records: "/var/lib/dpkg/alternatives", command: "update-alternatives" },
    Tool { records: "/var/lib/alternatives", command: "alternatives" },
];

impl Tool {
    /// The tool of this machine: Debian's, unless only the other one is there.
    pub(super) fn of<E>(is_there: impl Fn(&str) -> Result<bool, E>) -> Result<Self, E> {
        let [debian, fedora] = TOOLS;
        Ok(if !is_there(debian.records)? && is_there(fedora.records)? { fedora } else { debian })
    }
}

/// A link that goes along with a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) link: String,
    pub(super) path: String,
}

/// What is wanted of a group.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) tool: Tool,
    pub(super) name: String,
    pub(super) wanted: bool,
    pub(super) path: Option<String>,
    pub(super) auto: bool,
    /// The program is entered with this link.
    pub(super) link: Option<String>,
    pub(super) priority: i64,
    pub(super) slaves: Vec<Link>,
    /// The program is chosen.
    pub(super) selected: bool,
}

/// What was found.
#[derive(Debug)]
struct Found {
    group: Known<Option<Group>>,
    /// Where the name leads.
    leads: Option<String>,
    /// Where the group's own link leads; `None` where there is none.
    link: Known<Option<String>>,
}

/// Says whether this can be a name of a group or a slave, so that it can never be a path or an option.
pub(super) fn is_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    !name.is_empty() && name.len() <= 200 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(legal)
}

impl Selection {
    fn record(&self) -> PathBuf {
        Path::new(self.tool.records).join(&self.name)
    }

    fn own_link(&self) -> PathBuf {
        Path::new(LINKS).join(&self.name)
    }

    /// What the tool would refuse.
    fn refuse(&self, world: &dyn World, group: Option<&Group>) -> Result<(), ObserveError> {
        let fail = |code, message, hint: String| Err(ObserveError::Impossible { code, message, hint });
        let Some(group) = group else {
            return if self.link.is_some() {
                self.refuse_missing(world)
            } else {
                let message = format!("there is no group of alternatives `{}`", self.name);
                let hint = "check the name with `update-alternatives --get-selections`; declare the package that brings it; or give `link` and `priority`";
                fail("unknown-alternative", message, hint.into())
            };
        };
        match &self.path {
            Some(_) if self.link.is_some() => self.refuse_missing(world),
            Some(path) if group.program(path).is_none() => {
                let known: Vec<&str> = group.programs.iter().map(|program| &*program.path).collect();
                let message = format!("{path} is none of the alternatives of `{}`", self.name);
                let hint = format!("those are {}; to enter another one give `link` and `priority`", known.join(", "));
                fail("unknown-alternative", message, hint)
            }
            _ => Ok(()),
        }
    }

    fn refuse_missing(&self, world: &dyn World) -> Result<(), ObserveError> {
        let paths = self.path.iter().chain(self.slaves.iter().map(|slave| &slave.path));
        for path in paths.filter(|path| !path.contains("/man/")) {
            if matches!(world.stat(Path::new(path))?, Known::Is(None)) {
                return Err(ObserveError::Impossible {
                    code: "unknown-alternative",
                    message: format!("{path} is not there, and nothing planned before brings it"),
                    hint: "declare the package or the file that brings it".into(),
                });
            }
        }
        Ok(())
    }

    /// The group as it will be, and where its name will lead.
    fn target(&self, found: &Found) -> Option<(Option<Group>, Option<String>)> {
        let Known::Is(group) = &found.group else { return None };
        let path = self.path.as_deref();
        let mut group = match (group, self.wanted) {
            (None, false) => return Some((None, found.leads.clone())),
            (group, true) => group.clone().unwrap_or(Group { auto: true, ..Group::default() }),
            (Some(group), false) => group.clone(),
        };
        if !self.wanted {
            match path {
                None => group.programs.clear(),
                Some(path) => group.programs.retain(|program| program.path != path),
            }
            if group.programs.is_empty() {
                return Some((None, None));
            }
            if found.leads.as_deref() == path && path.is_some() {
                group.auto = true;
            }
        } else if let (Some(path), Some(link)) = (path, &self.link) {
            group.enter(path, link, self.priority, &self.slaves);
        }
        if self.wanted && self.selected {
            group.auto = false;
            return Some((Some(group), path.map(str::to_owned)));
        }
        group.auto |= self.auto;
        let leads = if group.auto { group.best().map(|program| program.path.clone()) } else { found.leads.clone() };
        Some((Some(group), leads))
    }

    /// It decides where the name leads.
    fn chooses(&self) -> bool {
        self.wanted && (self.selected || self.auto)
    }

    /// Looks where the link of the group leads, which may be another one than the tool has made.
    fn look_at_link(&self, world: &dyn World, link: &Path) -> Result<Known<Option<String>>, ObserveError> {
        Ok(match world.stat(link)? {
            Known::Unknown(because) => Known::Unknown(because),
            Known::Is(None) => Known::Is(None),
            Known::Is(Some(Stat { target: Some(target), .. })) => Known::Is(Some(target.to_string_lossy().into_owned())),
            // The tool leaves it, and the program that is chosen is not the one that runs.
            Known::Is(Some(stat)) => {
                let hint = "move away what is there: the tool puts its link in the place";
                return Err(filesystem::wrong_kind(link, stat.kind, FileKind::Symlink, hint));
            }
        })
    }

    fn run<const N: usize>(&self, machine: &Machine, words: [&str; N]) -> Result<(), ApplyError> {
        commands::run(machine, std::iter::once(self.tool.command).chain(words)).map(drop)
    }
}

impl Part for Selection {
    fn observe(&self, world: &dyn World) -> Result<Seen, ObserveError> {
        let record = self.record();
        let text = world.read(&record)?;
        let group = match text {
            Known::Unknown(because) => Known::Unknown(because),
            Known::Is(None) => Known::Is(None),
            Known::Is(Some(bytes)) => match Group::read(&String::from_utf8_lossy(&bytes)) {
                Ok(group) => Known::Is(Some(group)),
                Err(line) => {
                    return Err(ObserveError::Impossible {
                        code: "malformed-file",
                        message: format!(
                            "{}:{line}: the record of a group of alternatives is not as it should be",
                            record.display()
                        ),
                        hint: "remove the record and install the packages of the group again".into(),
                    });
                }
            },
        };
        let leads = match world.stat(&self.own_link())? {
            Known::Is(Some(stat)) => stat.target.map(|target| target.to_string_lossy().into_owned()),
            _ => None,
        };
        if let (Known::Is(group), true) = (&group, self.wanted) {
            self.refuse(world, group.as_ref())?;
        }
        let link = match &group {
            Known::Is(Some(group)) if self.chooses() => self.look_at_link(world, Path::new(&group.link))?,
            _ => Known::Is(None),
        };
        Ok(Arc::new(Found { group, leads, link }))
    }

    fn diff(&self, seen: &Seen) -> Difference {
        let found = own::<Found>(seen);
        let text = |text: Option<&String>| text.map_or(Shown::Absent, |text| Shown::Value(Value::string(text.as_str())));
        let before = match &found.group {
            Known::Is(before) => before,
            Known::Unknown(because) => {
                let wanted = if self.wanted { text(self.path.as_ref()) } else { Shown::Absent };
                let change = Change::value("path", Shown::Unknown(because.clone()), wanted);
                return filesystem::perhaps(Action::Update, vec![change], because);
            }
        };
        let Some((after, leads)) = self.target(found) else { return Difference::NONE };
        let mut changes = Vec::new();
        let programs = |group: &Option<Group>| -> Vec<(String, i64)> {
            let programs = group.iter().flat_map(|group| &group.programs);
            programs.map(|program| (program.path.clone(), program.priority)).collect()
        };
        let shown = |programs: Vec<(String, i64)>| {
            if programs.is_empty() {
                return Shown::Absent;
            }
            Shown::Value(Value::list(programs.iter().map(|(path, priority)| Value::string(format!("{path} ({priority})")))))
        };
        let entered = match (&self.path, &self.link, before) {
            (Some(path), Some(link), Some(group)) if self.wanted => !group.has(path, link, self.priority, &self.slaves),
            (Some(_), Some(_), None) => self.wanted,
            _ => programs(before) != programs(&after),
        };
        if entered {
            changes.push(Change::value("programs", shown(programs(before)), shown(programs(&after))));
        }
        let mode = |group: &Option<Group>| group.as_ref().map(|group| group.auto);
        if let (true, Some(auto)) = (mode(before) != mode(&after), mode(&after)) {
            let bool = |value: Option<bool>| value.map_or(Shown::Absent, |value| Shown::Value(Value::Bool(value)));
            changes.push(Change::value("auto", bool(mode(before)), bool(Some(auto))));
        }
        if found.leads != leads && (after.is_some() || before.is_some()) {
            changes.push(Change::value("path", text(found.leads.as_ref()), text(leads.as_ref())));
        }
        if let (true, Known::Is(link), Some(before), Some(after)) = (self.chooses(), &found.link, before, &after)
            && before.link == after.link
        {
            let own = self.own_link().to_string_lossy().into_owned();
            if link.as_ref() != Some(&own) {
                changes.push(Change::value("link", text(link.as_ref()), text(Some(&own))));
            }
        }
        if changes.is_empty() {
            return Difference::NONE;
        }
        let action = match (before, &after) {
            (None, _) => Action::Create,
            (_, None) => Action::Delete,
            _ => Action::Update,
        };
        Difference { action, changes, unknown: None }
    }

    fn digest(&self, seen: &Seen, hasher: &mut blake3::Hasher) -> bool {
        let found = own::<Found>(seen);
        let Known::Is(group) = &found.group else { return false };
        hasher.update(group.as_ref().map(Group::text).unwrap_or_default().as_bytes());
        hasher.update(found.leads.as_deref().unwrap_or_default().as_bytes());
        let Known::Is(link) = &found.link else { return false };
        hasher.update(b"\0").update(link.as_deref().unwrap_or_default().as_bytes());
        true
    }

    fn predict(&self, seen: &Seen, difference: &Difference, effects: &mut Predicted<'_>) {
        let found = own::<Found>(seen);
        let (record, own_link) = (self.record(), self.own_link());
        if let Some(because) = &difference.unknown {
            effects.obscure(&record, because);
            return effects.obscure(&own_link, because);
        }
        let Some((group, leads)) = self.target(found) else { return };
        let root = Owner::Id(0);
        let stat = |kind, mode, size, target| Stat { kind, mode, uid: root.clone(), gid: root.clone(), size, target };
        match group {
            None => {
                for path in [&record, &own_link] {
                    effects.remove(path);
                }
                if let Known::Is(Some(before)) = &found.group {
                    effects.remove(Path::new(&before.link));
                }
            }
            Some(group) => {
                let text = group.text();
                effects.put(&record, stat(FileKind::File, 0o644, text.len() as u64, None), Some(text.into_bytes().into()));
                effects.put(Path::new(&group.link), stat(FileKind::Symlink, 0o777, 0, Some(own_link.clone())), None);
                if let Some(leads) = leads {
                    effects.put(&own_link, stat(FileKind::Symlink, 0o777, 0, Some(leads.into())), None);
                }
            }
        }
    }

    fn apply(&self, seen: &Seen, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let found = own::<Found>(seen);
        let group = found.group.clone().known()?;
        // Everything that the tool may change is a path: an undo brings them back.
        let mut paths = vec![self.record(), self.own_link()];
        let links = group
            .iter()
            .flat_map(|group| std::iter::once((&*self.name, &group.link)).chain(group.slaves.iter().map(|(n, l)| (&**n, l))));
        let new =
            self.slaves.iter().map(|slave| (&*slave.name, &slave.link)).chain(self.link.iter().map(|link| (&*self.name, link)));
        for (name, link) in links.chain(new) {
            paths.push(Path::new(LINKS).join(name));
            paths.push(PathBuf::from(link));
        }
        paths.sort();
        paths.dedup();
        machine.keep_before(paths.iter().map(PathBuf::as_path))?;
        let changes = |name: &str| difference.changes.iter().any(|change| &*change.attribute == name);
        match (&self.path, self.wanted) {
            (None, false) => self.run(machine, ["--remove-all", &self.name])?,
            (Some(path), false) => self.run(machine, ["--remove", &self.name, path])?,
            (Some(path), true) => {
                if let (Some(link), true) = (&self.link, changes("programs")) {
                    let priority = self.priority.to_string();
                    let mut words = vec![self.tool.command, "--install", link, &self.name, path, &priority];
                    for slave in &self.slaves {
                        words.extend(["--slave", &slave.link, &slave.name, &slave.path]);
                    }
                    commands::run(machine, words)?;
                }
                if self.auto {
                    self.run(machine, ["--auto", &self.name])?;
                } else if self.selected {
                    self.run(machine, ["--set", &self.name, path])?;
                }
            }
            (None, true) => self.run(machine, ["--auto", &self.name])?,
        }
        Ok(Applied::Done)
    }
}
