//! The resource type `pip`.

mod before;
mod foreign;
mod installed;
mod requirement;
mod tool;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stead_catalog::{Action, Change, Footprint, Place, Problem, Shown, Value};
use stead_engine::{Applied, ApplyError, Difference, Known, Machine, ObserveError, Predicted, ResourceType, SecretsGo, World};

pub(crate) use self::before::PIP;
use self::installed::{Home, Installed};
use self::requirement::Requirement;
use self::tool::Tool;
use crate::filesystem::Holder;
use crate::problems::Problems;
use crate::values::{AbsolutePath, Account, Guarded, Many};
use crate::{Choice, Resource};

/// A package of Python, in a virtual environment or of the system.
///
/// What is installed is read from the `*.dist-info` directories: no process is started while everything is as wanted. A list of names
/// declares several; `requirements` names a file that lists them. Where the distribution keeps Python to itself (PEP 668), a package
/// outside a virtual environment is refused unless `break_system_packages` says otherwise. Compares to Salt's `pip.installed`,
/// Puppet's `python::pip` and `package { provider => pip }`, and Ansible's `pip`.
///
/// ```stead
/// pip "requests" { venv = "/opt/app/venv", version = "2.31.0" }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "pip",
    since = "0.1",
    aliases(
        pkg = "name",
        pkgname = "name",
        ensure = "state",
        bin_env = "venv",
        virtualenv = "venv",
        executable = "python",
        index = "index_url",
        runas = "user",
        owner = "user",
        requirement = "requirements",
        umask = "options",
        extra_args = "options",
        install_args = "options",
        extra_index_urls = "extra_index_url"
    )
)]
pub struct Pip {
    /// The package, as the index calls it; capitals, `-`, `_` and `.` make no difference. With `requirements`, any name.
    #[key]
    pub name: Arc<str>,
    /// Whether it is installed.
    #[default(State::Installed)]
    pub state: State,
    /// The version: one, or conditions such as `">=2.31,<3"`.
    pub version: Option<Arc<str>>,
    /// Parts of the package that bring more: `"standard"`.
    pub extras: Many<String>,
    /// A file of requirements on the node, all of which are to be installed.
    pub requirements: Option<AbsolutePath>,
    /// The virtual environment; the system's own Python when absent.
    pub venv: Option<AbsolutePath>,
    /// The interpreter, where there is no `venv`: the system's, or another that is called `python3.N` behind its links.
    #[default("/usr/bin/python3")]
    pub python: AbsolutePath,
    /// The index that packages come from. A user and password in it are shown nowhere.
    pub index_url: Option<Guarded<Arc<str>>>,
    /// Indexes that are asked as well.
    pub extra_index_url: Many<Guarded<Arc<str>>>,
    /// A directory or page with packages that is looked at.
    pub find_links: Option<Arc<str>>,
    /// Ask no index: only `find_links`.
    #[default(false)]
    pub no_index: bool,
    /// A file of constraints on the node.
    pub constraints: Option<AbsolutePath>,
    /// Further options of `pip install`.
    pub options: Vec<Arc<str>>,
    /// The user that pip runs as. The user that Stead runs as when absent; an environment of somebody else is refused.
    pub user: Option<Arc<str>>,
    /// Install where the distribution says that only its own packages belong.
    #[default(false)]
    pub break_system_packages: bool,
    /// `http://host:port` of a proxy.
    pub proxy: Option<Guarded<Arc<str>>>,
    /// The longest wait for the index.
    #[default(Duration::from_secs(30))]
    pub wait: Duration,
}

/// Whether a package is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// It is installed, in a version that `version` allows.
    Installed,
    /// It is installed, in the newest version on offer: pip is asked in every apply.
    Latest,
    /// It is not installed.
    Absent,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct ObservedPip {
    /// Each requirement with the version that is there.
    found: Vec<(Requirement, Known<Option<Arc<str>>>)>,
    /// The file of requirements is known later.
    later: Option<Arc<str>>,
    /// Where packages are, where that is known.
    home: Option<Home>,
}

impl Pip {
    fn id(&self) -> String {
        format!("pip[\"{}\"]", self.name)
    }

    fn python(&self) -> String {
        self.venv.as_ref().map_or_else(|| self.python.to_string(), |venv| format!("{venv}/bin/python3"))
    }

    fn footprint(&self) -> Footprint {
        let place = |path: &AbsolutePath| Place::path(path.shared().clone());
        let mut needs: Vec<Place> =
            [&self.venv, &self.requirements, &self.constraints].into_iter().flatten().map(place).collect();
        needs.extend(self.user.iter().map(|user| Place::user(user.clone())));
        if self.venv.is_none() {
            needs.extend(["python3", "python3-pip"].map(Place::package));
        }
        let of = self.venv.as_ref().map_or_else(|| self.python.as_str(), |venv| venv.as_str());
        let own = Place::other(format!("pip:{of}:{}", requirement::normal(&self.name)));
        if self.state == State::Absent {
            return Footprint { owns: vec![own], needs, removes: true, ..Footprint::default() };
        }
        let brings_below = self.venv.iter().map(|venv| venv.shared().clone()).collect();
        Footprint { owns: vec![own], needs, brings_below, ..Footprint::default() }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        if self.requirements.is_none() && !requirement::is_name(&self.name) {
            let hint = "write its name alone; `version` and `extras` have places of their own";
            problems.invalid("name", format!("`{}` is no name of a package", self.name), hint);
        }
        if let Some(version) = &self.version
            && requirement::conditions(version).is_none()
        {
            problems.invalid(
                "version",
                format!("`{version}` is no version"),
                "write `2.31.0`, or conditions such as `>=2.31,<3`",
            );
        }
        if self.state == State::Latest && self.version.is_some() {
            problems.conflict(
                "version",
                Some("state"),
                "the newest version and a certain one are asked for",
                "keep one of the two",
            );
        }
        if self.state == State::Absent {
            problems
                .of_absent("a package", &[(self.version.is_some(), "version"), (self.requirements.is_some(), "requirements")]);
        }
        if self.requirements.is_some() && (self.version.is_some() || self.extras.iter().next().is_some()) {
            let message = "the file says which versions are wanted";
            problems.conflict("version", Some("requirements"), message, "leave `version` and `extras` out");
        }
        if self.no_index && self.find_links.is_none() {
            problems.missing("no_index", "there is nothing that packages could come from", "give `find_links`");
        }
        problems.finish()
    }

    /// What has to be installed.
    fn wanted(&self, world: &dyn World) -> Result<Known<Vec<Requirement>>, ObserveError> {
        let Some(path) = &self.requirements else {
            let conditions = self.version.as_deref().and_then(requirement::conditions).unwrap_or_default();
            return Ok(Known::Is(vec![Requirement { name: requirement::normal(&self.name), conditions }]));
        };
        let text = match world.read(path.as_path())? {
            Known::Is(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Known::Is(None) => {
                return Err(ObserveError::Impossible {
                    code: "missing-source",
                    message: format!("there is no file of requirements {path}"),
                    hint: "declare the file, or require what brings it".into(),
                });
            }
            Known::Unknown(because) => return Ok(Known::Unknown(because)),
        };
        match requirement::file(&text) {
            Ok(all) => Ok(Known::Is(all)),
            Err((line, what)) => Err(ObserveError::Impossible {
                code: "malformed-file",
                message: format!("{path}, line {line}: `{what}` cannot be compared with what is installed"),
                hint: "name packages with versions there; install others by an `exec` that says what it `creates`".into(),
            }),
        }
    }

    fn is_met(&self, requirement: &Requirement, version: Option<&str>) -> bool {
        match self.state {
            State::Absent => version.is_none(),
            _ => version.is_some_and(|version| requirement.allows(version)),
        }
    }

    /// How pip is run for it.
    fn tool(&self) -> Tool {
        let mut tool = Tool::default();
        tool.python = self.python().into();
        tool.user.clone_from(&self.user);
        tool.break_system_packages = self.break_system_packages && self.venv.is_none();
        tool.no_index = self.no_index;
        tool.options.clone_from(&self.options);
        tool.find_links.clone_from(&self.find_links);
        tool.wait = self.wait;
        tool.place("PIP_INDEX_URL", &self.index_url.iter().collect::<Vec<_>>());
        tool.place("PIP_EXTRA_INDEX_URL", &self.extra_index_url.iter().collect::<Vec<_>>());
        tool.place("PIP_PROXY", &self.proxy.iter().collect::<Vec<_>>());
        tool
    }

    /// Where its packages are.
    fn home(&self, world: &dyn World) -> Result<Known<Home>, ObserveError> {
        match &self.venv {
            Some(venv) => Ok(Known::Is(Home::Venv(venv.as_path().to_owned()))),
            None => Home::of(world, self.python.as_path()),
        }
    }

    /// `name[extra]>=1,<2`
    fn specification(&self) -> String {
        let extras: Vec<&str> = self.extras.iter().map(String::as_str).collect();
        let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
        let version = match self.version.as_deref().map(str::trim) {
            None => String::new(),
            Some(version) if version.starts_with(|c: char| c.is_ascii_alphanumeric()) => format!("=={version}"),
            Some(version) => version.to_owned(),
        };
        format!("{}{extras}{version}", self.name)
    }
}

impl ResourceType for Pip {
    type Observed = ObservedPip;

    fn observe(&self, world: &dyn World) -> Result<ObservedPip, ObserveError> {
        if let Some(user) = &self.user {
            Holder::user(world, &Account::Name(user.clone()))?;
        }
        let wanted = match self.wanted(world)? {
            Known::Is(wanted) => wanted,
            Known::Unknown(because) => return Ok(ObservedPip { found: Vec::new(), later: Some(because), home: None }),
        };
        let home = self.home(world)?;
        let installed = match &home {
            Known::Is(home) => Installed::look(world, home)?,
            Known::Unknown(because) => Known::Unknown(because.clone()),
        };
        let found: Vec<_> = wanted
            .into_iter()
            .map(|requirement| {
                let version = match &installed {
                    Known::Is(installed) => Known::Is(installed.version(&requirement.name)),
                    Known::Unknown(because) => Known::Unknown(because.clone()),
                };
                (requirement, version)
            })
            .collect();
        let is_open = found
            .iter()
            .any(|(requirement, version)| !matches!(version, Known::Is(version) if self.is_met(requirement, version.as_deref())));
        if is_open || self.state == State::Latest {
            self.refuse(world, home.value())?;
        }
        Ok(ObservedPip { found, later: None, home: home.value().cloned() })
    }

    fn diff(&self, observed: &ObservedPip) -> Difference {
        let mut changes = Vec::new();
        let mut unknown = None;
        if let Some(because) = &observed.later {
            let after =
                self.requirements.as_ref().map_or(Shown::Absent, |path| Shown::Value(Value::string(path.shared().clone())));
            changes.push(Change::value("requirements", Shown::Unknown(because.clone()), after));
            unknown = Some(because.clone());
        }
        let is_file = self.requirements.is_some();
        let text = |text: &str| Shown::Value(Value::string(text));
        let mut any_missing = false;
        let mut is_certain = false;
        for (requirement, version) in &observed.found {
            let attribute = if is_file { format!("version of {}", requirement.name) } else { "version".into() };
            let after = || {
                if self.state == State::Absent {
                    Shown::Absent
                } else {
                    requirement.exactly().map_or_else(|| Shown::Unknown(self.id().into()), text)
                }
            };
            match version {
                Known::Is(version) if self.is_met(requirement, version.as_deref()) => {
                    if self.state == State::Latest {
                        let newest = Shown::Unknown(self.id().into());
                        changes.push(Change::value(&attribute, version.as_deref().map_or(Shown::Absent, text), newest));
                        unknown.get_or_insert_with(|| self.id().into());
                    }
                }
                Known::Is(version) => {
                    any_missing |= version.is_none();
                    is_certain = true;
                    changes.push(Change::value(&attribute, version.as_deref().map_or(Shown::Absent, text), after()));
                }
                Known::Unknown(because) => {
                    changes.push(Change::value(&attribute, Shown::Unknown(because.clone()), after()));
                    unknown.get_or_insert_with(|| because.clone());
                }
            }
        }
        if changes.is_empty() {
            return Difference::NONE;
        }
        let action = match self.state {
            State::Absent => Action::Delete,
            _ if any_missing && !is_file => Action::Create,
            _ => Action::Update,
        };
        Difference { action, changes, unknown: unknown.filter(|_| !is_certain) }
    }

    fn digest(&self, observed: &ObservedPip, hasher: &mut blake3::Hasher) -> bool {
        observed.later.is_none()
            && observed.found.iter().all(|(requirement, version)| {
                hasher.update(requirement.name.as_bytes());
                match version {
                    Known::Is(version) => {
                        hasher.update(version.as_deref().unwrap_or_default().as_bytes());
                        true
                    }
                    Known::Unknown(_) => false,
                }
            })
    }

    fn predict(&self, observed: &ObservedPip, _: &Difference, effects: &mut Predicted<'_>) {
        // What a package brings is known once it is there.
        let home = observed.home.clone().or_else(|| self.venv.as_ref().map(|venv| Home::Venv(venv.as_path().to_owned())));
        for root in home.unwrap_or(Home::Distribution(None)).roots() {
            effects.bring_below(&root, &self.id());
        }
    }

    fn apply(&self, _: &ObservedPip, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let place = self.venv.as_ref().map_or_else(|| self.python.as_str(), AbsolutePath::as_str);
        let tool = self.tool();
        before::record(machine, place, &tool)?;
        if self.state == State::Absent {
            tool.uninstall(machine, &self.name, vec![self.name.clone()])?;
            return Ok(Applied::Done);
        }
        let mut words: Vec<Arc<str>> = Vec::new();
        if self.state == State::Latest {
            words.push("--upgrade".into());
        }
        words.extend(self.constraints.iter().flat_map(|path| ["--constraint".into(), path.shared().clone()]));
        match &self.requirements {
            Some(path) => words.extend(["--requirement".into(), path.shared().clone()]),
            None => words.extend(["--".into(), self.specification().into()]),
        }
        tool.install(machine, &self.name, words)?;
        Ok(Applied::Done)
    }

    /// Whether something newer is on offer shows only when pip is asked.
    fn settles(&self, _: &Difference) -> bool {
        true
    }

    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&["venv", "python", "break_system_packages", "user"]))
    }

    // Credentials are for the index: what is installed does not hold them.
    fn secrets_go(&self) -> SecretsGo {
        SecretsGo::ToServer
    }
}

impl Pip {
    /// Refuses what pip would not do.
    fn refuse(&self, world: &dyn World, home: Option<&Home>) -> Result<(), ObserveError> {
        let python = self.python();
        if matches!(world.exists(Path::new(&python))?, Known::Is(false))
            && !matches!(world.stat(Path::new(&python))?, Known::Is(Some(_)))
        {
            let declare = self
                .venv
                .as_ref()
                .map_or_else(|| "require package \"python3-pip\"".to_owned(), |venv| format!("declare virtualenv \"{venv}\""));
            return Err(ObserveError::Impossible {
                code: "missing-interpreter",
                message: format!("there is no interpreter {python}"),
                hint: declare,
            });
        }
        if let Some(home) = home {
            foreign::refuse(world, home, Path::new(&python), self.user.as_ref())?;
        }
        if let Some(home) = home
            && !self.break_system_packages
            && home.is_managed(world)?
        {
            return Err(ObserveError::Impossible {
                code: "externally-managed",
                message: format!("the distribution keeps {} to its own packages (PEP 668)", self.python),
                hint: "install into a virtual environment: `venv = \"/opt/app/venv\"`; or take the distribution's package; \
                       `break_system_packages = true` does it anyway"
                    .into(),
            });
        }
        Ok(())
    }
}
