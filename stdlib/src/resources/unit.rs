//! The resource type `unit`.

pub(crate) mod syntax;

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::{Blob, Footprint, Place, Problem, Value};
use stead_engine::{ObserveError, World};

use crate::filesystem;
use crate::init::refuse_without_systemd;
use crate::parts::{Parts, made, resource_of_parts};
use crate::resources::file;
use crate::values::{AbsolutePath, Account, AttributeType as _, Guarded, Many, Mode, SettingValue};
use crate::{Choice, Resource};

/// Sections of a unit file, each with its settings; a list is one line for each of its values.
pub(crate) type Sections = IndexMap<Arc<str>, IndexMap<Arc<str>, Many<SettingValue>>>;

/// A unit file of systemd, or a drop-in that changes a unit of somebody else's.
///
/// The file is given as `sections` or as text. Its form is checked before any machine is looked at: lines that systemd would ignore, a
/// section that a unit of this kind does not have, a service that runs nothing. systemd reads all unit files of an apply again at once, right
/// after they are in place. Whether the unit runs and starts at boot is a `service`'s to say. Compares to Puppet's `systemd::unit_file`,
/// `systemd::manage_unit` and `systemd::dropin_file`, and to a `file` with `daemon_reload` in Salt and Ansible.
///
/// ```stead
/// unit "beat.service" {
///   sections = { Service = { ExecStart = "/usr/local/bin/beat" }, Install = { WantedBy = "multi-user.target" } }
/// }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "unit",
    since = "0.2",
    aliases(
        unit = "name",
        ensure = "state",
        text = "content",
        contents = "content",
        src = "source",
        dropin = "drop_in",
        filename = "drop_in",
        path = "directory",
        user = "owner"
    )
)]
pub struct Unit {
    /// Name of the unit. Without a suffix such as `.timer`, `.service` is meant. Give `name` beside another name of the resource where several drop-ins
    /// change one unit.
    #[key]
    pub name: Arc<str>,
    /// Whether the file is there.
    #[default(State::Present)]
    pub state: State,
    /// The file by its sections: `{ Service = { ExecStart = "/usr/bin/x", Restart = "on-failure" } }`. A list gives one line for each
    /// of its values; an empty text takes earlier values back.
    pub sections: Option<Guarded<Sections>>,
    /// The file as text.
    pub content: Option<Guarded<Arc<str>>>,
    /// The file as a file of the project.
    pub source: Option<Blob>,
    /// The file is a drop-in of this name (`10-limits`), which adds to the unit or changes it, and is read in the order of names.
    pub drop_in: Option<Arc<str>>,
    /// Where the file lies. `/etc/systemd/user` holds the units of users' own service managers.
    #[default("/etc/systemd/system")]
    pub directory: AbsolutePath,
    /// Permission bits.
    #[default(0o644)]
    pub mode: Mode,
    /// The owning user. Left as found when absent; root for a new file.
    pub owner: Option<Account>,
    /// The owning group. Left as found when absent.
    pub group: Option<Account>,
}

/// Whether the file is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The file is there.
    Present,
    /// The file is gone. A unit that runs goes on until it is stopped: say that with a `service`, which then comes first.
    Absent,
}

impl Unit {
    /// The unit's name with its suffix.
    fn unit(&self) -> String {
        let suffixed = syntax::kind(&self.name).is_some();
        if suffixed { self.name.to_string() } else { format!("{}.service", self.name) }
    }

    fn path(&self) -> PathBuf {
        match &self.drop_in {
            None => self.directory.as_path().join(self.unit()),
            Some(name) => {
                let name = name.strip_suffix(".conf").unwrap_or(name);
                self.directory.as_path().join(format!("{}.d", self.unit())).join(format!("{name}.conf"))
            }
        }
    }

    fn footprint(&self) -> Footprint {
        let path = self.path();
        let own = Place::path(path.to_string_lossy());
        let unit = Place::unit(self.unit());
        let fills = vec![own.name.clone()];
        if self.state == State::Absent {
            let is_all = self.drop_in.is_none();
            return Footprint {
                gone_before: std::iter::once(own.clone()).chain(is_all.then_some(unit)).collect(),
                fills,
                owns: vec![own],
                removes: true,
                ..Footprint::default()
            };
        }
        let directory = self.drop_in.as_ref().and(path.parent()).map(|parent| Place::path(parent.to_string_lossy()));
        Footprint {
            fills,
            brings: std::iter::once(unit).chain(directory).collect(),
            needs: filesystem::needed_places(&path, self.owner.as_ref(), self.group.as_ref()),
            owns: vec![own],
            ..Footprint::default()
        }
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
        if !syntax::is_name(&self.unit()) {
            let hint = "a unit is named by letters, digits and `:-_.\\@`";
            problem("invalid-value", "name", None, format!("`{}` is no name of a unit", self.name), hint);
        }
        if let Some(name) = &self.drop_in
            && (name.is_empty() || name.starts_with('.') || name.contains(['/', '\n', '\0']))
        {
            let hint = "it is the name of a file, such as `10-limits`";
            problem("invalid-value", "drop_in", None, format!("`{name}` is no name of a drop-in"), hint);
        }
        let given: Vec<&str> =
            [("sections", self.sections.is_some()), ("content", self.content.is_some()), ("source", self.source.is_some())]
                .into_iter()
                .filter_map(|(name, given)| given.then_some(name))
                .collect();
        match (&given[..], self.state) {
            ([], State::Present) => {
                let hint = "give `sections`, `content` or `source`, or `state = absent`";
                problem("missing-attribute", "sections", None, "what is in the file is not said".into(), hint);
            }
            ([first, second, ..], _) => {
                problem("conflicting-attributes", second, Some(first), "the file is given twice".into(), "keep one of the two");
            }
            ([one], State::Absent) => {
                let hint = format!("take `{one}` away, or `state = absent`");
                problem("conflicting-attributes", one, Some("state"), "a file that is absent holds nothing".into(), &hint);
            }
            ([one], State::Present) => {
                let (text, is_secret) = self.text();
                for flaw in self.misplaced().into_iter().chain(syntax::check(&text, &self.unit(), self.drop_in.is_some())) {
                    // What a secret looks like is nobody's business, and what is wrong with it is told without it.
                    let message = if is_secret { "the file does not have the form of a unit file".into() } else { flaw.message };
                    problem("invalid-value", one, None, message, flaw.hint);
                }
            }
            _ => {}
        }
        problems
    }

    /// Names and values that would become something else in the file.
    fn misplaced(&self) -> Option<syntax::Misfit> {
        let settings = self.sections.as_ref()?.reveal().values().flatten();
        let breaks = |text: &str| text.contains(['\n', '\r', '\0']);
        let mut flawed = settings.filter(|(_, values)| values.iter().any(|value| breaks(&value.to_string())));
        flawed.next().map(|(name, _)| syntax::Misfit {
            message: format!("the value of `{name}` is more than one line"),
            hint: "give a list for several lines, and `\\n` as systemd reads it",
        })
    }

    /// The content, and whether it is secret.
    fn text(&self) -> (String, bool) {
        if let Some(sections) = &self.sections {
            return (syntax::render(sections.reveal()), sections.is_sensitive());
        }
        match (&self.content, &self.source) {
            (Some(content), _) => (content.reveal().to_string(), content.is_sensitive()),
            (None, Some(source)) => (String::from_utf8_lossy(&source.bytes).into_owned(), false),
            (None, None) => (String::new(), false),
        }
    }

    fn parts(&self, world: &dyn World) -> Result<Parts, ObserveError> {
        let mut parts = Parts::default();
        let path = self.path();
        let path_value = |path: &std::path::Path| Value::string(path.to_string_lossy().into_owned());
        if self.state == State::Absent {
            let gone = [("path", path_value(&path)), ("state", Value::Member("absent".into()))];
            parts.push_file("content", made::<file::File>(gone));
            return Ok(parts);
        }
        refuse_without_systemd(world, "a unit file")?;
        if let (Some(_), Some(parent)) = (&self.drop_in, path.parent()) {
            parts.push_directory(parent.to_string_lossy());
        }
        let (text, is_secret) = self.text();
        let content = if is_secret { Value::string(text).secret() } else { Value::string(text) };
        let owners = [("owner", self.owner.to_value()), ("group", self.group.to_value())];
        let attributes = [("path", path_value(&path)), ("content", content), ("mode", self.mode.to_value())];
        parts.push_file("content", made::<file::File>(attributes.into_iter().chain(owners)));
        Ok(parts)
    }
}

resource_of_parts!(Unit {
    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&["drop_in", "directory"]))
    }
});
