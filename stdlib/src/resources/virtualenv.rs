//! The resource type `virtualenv`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_catalog::{Action, Change, Command, Footprint, Place, Problem, Shown, Value};
use stead_engine::{
    Applied, ApplyError, Difference, FileKind, Known, Machine, ObserveError, Owner, Predicted, ResourceType, Restore, Restorer,
    Run, Stat, World,
};

use crate::filesystem::{self, Holder};
use crate::problems::Problems;
use crate::values::{AbsolutePath, Account};
use crate::{Choice, Resource};

/// A virtual environment of Python: a directory with an interpreter and packages of its own.
///
/// It is made by the interpreter's own `venv` module. One that is there is read from its `pyvenv.cfg`; when its interpreter is
/// gone, it is broken and made anew. What is installed in it is said by `pip`. Compares to Salt's `virtualenv.managed`,
/// Puppet's `python::pyvenv`, and the `virtualenv` of Ansible's `pip`.
///
/// ```stead
/// virtualenv "/opt/app/venv" { user = "app" }
/// pip "gunicorn" { venv = "/opt/app/venv", version = "22.0.0", user = "app" }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "virtualenv",
    since = "0.1",
    aliases(
        venv_dir = "path",
        ensure = "state",
        owner = "user",
        runas = "user",
        systempkgs = "system_site_packages",
        virtualenv_site_packages = "system_site_packages",
        virtualenv_python = "python"
    )
)]
pub struct Virtualenv {
    /// The directory. Identifies the resource.
    #[key]
    pub path: AbsolutePath,
    /// Whether it is there.
    #[default(State::Present)]
    pub state: State,
    /// The interpreter that it is made for. An environment of another one is made anew, and what was installed in it is gone.
    #[default("/usr/bin/python3")]
    pub python: AbsolutePath,
    /// Packages of the system can be imported in it.
    #[default(false)]
    pub system_site_packages: bool,
    /// Copy the interpreter instead of linking to it.
    #[default(false)]
    pub copies: bool,
    /// It gets a `pip` of its own. Only a new one asks.
    #[default(true)]
    pub with_pip: bool,
    /// What a shell shows when it is activated. Only a new one asks.
    pub prompt: Option<Arc<str>>,
    /// The user that it belongs to and is made by. The user that Stead runs as when absent.
    pub user: Option<Arc<str>>,
}

/// Whether it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// It is there and has its interpreter.
    Present,
    /// It is gone, with everything installed in it.
    Absent,
}

/// An environment that a run has made goes as a whole. One that was there is brought back by its files.
pub(crate) static VENV: Restorer = Restorer {
    kind: "virtualenv",
    is_tree: true,
    look: |world, name| match world.stat(&Path::new(name).join("pyvenv.cfg"))?.known()? {
        Some(_) => Ok(serde_json::json!({})),
        None => Ok(serde_json::Value::Null),
    },
    restore: |name, before| {
        if before.is_null() {
            return Restore::resource("virtualenv", "path", name).with("state", "absent").into();
        }
        Restore::Nothing
    },
};

/// What `pyvenv.cfg` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Settings {
    /// The directory of the interpreter it was made by.
    home: String,
    system_site_packages: bool,
    /// Its interpreter is there.
    works: bool,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct ObservedVirtualenv {
    found: Known<Option<Settings>>,
}

impl Virtualenv {
    fn id(&self) -> String {
        filesystem::id("virtualenv", self.path.as_path())
    }

    fn footprint(&self) -> Footprint {
        let own = Place::path(self.path.shared().clone());
        if self.state == State::Absent {
            return Footprint { gone_before: vec![own.clone()], owns: vec![own], removes: true, ..Footprint::default() };
        }
        let user = self.user.clone().map(Account::Name);
        let mut needs = filesystem::needed_places(self.path.as_path(), user.as_ref(), None);
        needs.push(Place::path(self.python.shared().clone()));
        needs.extend(["python3", "python3-venv"].map(Place::package));
        Footprint { owns: vec![own], needs, brings_below: vec![self.path.shared().clone()], ..Footprint::default() }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        if filesystem::is_root(self.path.as_path()) {
            problems.invalid("path", "`/` cannot be a virtual environment", "name a directory");
        }
        if self.state == State::Absent {
            problems.of_absent("an environment", &[(self.prompt.is_some(), "prompt"), (self.user.is_some(), "user")]);
        }
        problems.finish()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.as_path().join(name)
    }

    fn look(&self, world: &dyn World) -> Result<Known<Option<Settings>>, ObserveError> {
        let path = self.path.as_path();
        match filesystem::stat(world, path, self.state == State::Present)? {
            Known::Is(None) => return Ok(Known::Is(None)),
            Known::Unknown(because) => return Ok(Known::Unknown(because)),
            Known::Is(Some(stat)) if stat.kind == FileKind::Directory => {}
            Known::Is(Some(stat)) => {
                return Err(filesystem::wrong_kind(
                    path,
                    stat.kind,
                    FileKind::Directory,
                    "remove what is there, or name another path",
                ));
            }
        }
        let text = match world.read(&self.file("pyvenv.cfg"))? {
            Known::Is(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Known::Unknown(because) => return Ok(Known::Unknown(because)),
            Known::Is(None) => {
                return match world.list(path)? {
                    // An empty directory is as good as none; one that a killed run left half made has `bin` and no settings.
                    Known::Is(entries)
                        if entries
                            .iter()
                            .flatten()
                            .all(|(name, _)| ["bin", "include", "lib", "lib64"].iter().any(|own| name == own)) =>
                    {
                        Ok(Known::Is(None))
                    }
                    Known::Is(_) => Err(ObserveError::Impossible {
                        code: "wrong-kind",
                        message: format!("{} is a directory with something in it, and no virtual environment", self.path),
                        hint: "remove it, or name another path".into(),
                    }),
                    Known::Unknown(because) => Ok(Known::Unknown(because)),
                };
            }
        };
        let mut settings = Settings::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match key.trim() {
                "home" => value.trim().clone_into(&mut settings.home),
                "include-system-site-packages" => settings.system_site_packages = value.trim().eq_ignore_ascii_case("true"),
                _ => {}
            }
        }
        settings.works = match self.interpreter(world)? {
            Known::Is(works) => works,
            Known::Unknown(because) => return Ok(Known::Unknown(because)),
        };
        Ok(Known::Is(Some(settings)))
    }

    /// Follows `bin/python3` to the interpreter.
    fn interpreter(&self, world: &dyn World) -> Result<Known<bool>, ObserveError> {
        let mut at = self.file("bin/python3");
        for _ in 0..10 {
            match world.stat(&at)? {
                Known::Is(None) => return Ok(Known::Is(false)),
                Known::Unknown(because) => return Ok(Known::Unknown(because)),
                Known::Is(Some(stat)) => match stat.target {
                    Some(target) => at = at.parent().unwrap_or(Path::new("/")).join(target),
                    None => return Ok(Known::Is(stat.kind == FileKind::File)),
                },
            }
        }
        Ok(Known::Is(false))
    }

    /// Where the interpreter lies, as `pyvenv.cfg` tells it.
    fn home(&self) -> String {
        self.python.parent().map(|parent| parent.display().to_string()).unwrap_or_default()
    }
}

impl ResourceType for Virtualenv {
    type Observed = ObservedVirtualenv;

    fn observe(&self, world: &dyn World) -> Result<ObservedVirtualenv, ObserveError> {
        let found = self.look(world)?;
        if self.state == State::Present && !matches!(&found, Known::Is(Some(settings)) if settings.works) {
            if let Some(user) = &self.user {
                Holder::user(world, &Account::Name(user.clone()))?;
            }
            if matches!(found, Known::Is(None)) {
                filesystem::parent(world, self.path.as_path())?;
            }
            if matches!(world.stat(self.python.as_path())?, Known::Is(None)) {
                return Err(ObserveError::Impossible {
                    code: "missing-interpreter",
                    message: format!("there is no interpreter {}", self.python),
                    hint: "require the package that brings it: package \"python3-venv\"".into(),
                });
            }
        }
        Ok(ObservedVirtualenv { found })
    }

    fn diff(&self, observed: &ObservedVirtualenv) -> Difference {
        let text = |text: &str| Shown::Value(Value::string(text));
        let found = match &observed.found {
            Known::Is(found) => found.as_ref(),
            Known::Unknown(because) => {
                let after = if self.state == State::Present { text(self.python.as_str()) } else { Shown::Absent };
                let changes = vec![Change::value("python", Shown::Unknown(because.clone()), after)];
                return Difference { action: Action::Update, changes, unknown: Some(because.clone()) };
            }
        };
        let mut changes = Vec::new();
        match (self.state, found) {
            (State::Absent, None) => return Difference::NONE,
            (State::Absent, Some(settings)) => {
                changes.push(Change::value("python", text(&settings.home), Shown::Absent));
                return Difference { action: Action::Delete, changes, unknown: None };
            }
            (State::Present, None) => {
                changes.push(Change::value("python", Shown::Absent, text(self.python.as_str())));
                let system = Shown::Value(Value::Bool(self.system_site_packages));
                changes.push(Change::value("system_site_packages", Shown::Absent, system));
                changes.extend(self.user.as_deref().map(|user| Change::value("user", Shown::Absent, text(user))));
                return Difference { action: Action::Create, changes, unknown: None };
            }
            (State::Present, Some(settings)) => {
                if !settings.works {
                    changes.push(Change::value("python", text("gone"), text(self.python.as_str())));
                } else if settings.home != self.home() {
                    changes.push(Change::value("python", text(&settings.home), text(self.python.as_str())));
                }
                if settings.system_site_packages != self.system_site_packages {
                    let shown = |is| Shown::Value(Value::Bool(is));
                    let (before, after) = (shown(settings.system_site_packages), shown(self.system_site_packages));
                    changes.push(Change::value("system_site_packages", before, after));
                }
            }
        }
        let is_new = changes.iter().any(|change| &*change.attribute == "python");
        let difference = Difference::update(changes);
        if is_new { Difference { action: Action::Replace, ..difference } } else { difference }
    }

    fn digest(&self, observed: &ObservedVirtualenv, hasher: &mut blake3::Hasher) -> bool {
        hasher.update(format!("{:?}", observed.found).as_bytes());
        matches!(observed.found, Known::Is(_))
    }

    fn predict(&self, _: &ObservedVirtualenv, difference: &Difference, effects: &mut Predicted<'_>) {
        let path = self.path.as_path();
        if difference.unknown.is_some() {
            return effects.obscure(path, &self.id());
        }
        match difference.action {
            Action::Delete => effects.remove(path),
            Action::Update => effects.obscure(&self.file("pyvenv.cfg"), &self.id()),
            _ => {
                effects.remove(path);
                let owner = |name: &Option<Arc<str>>| name.clone().map_or(Owner::Id(0), Owner::Pending);
                let (uid, gid) = (owner(&self.user), owner(&self.user));
                let stat = |kind, mode| Stat { kind, mode, uid: uid.clone(), gid: gid.clone(), size: 0, target: None };
                effects.put(path, stat(FileKind::Directory, 0o755), None);
                effects.bring_below(path, &self.id());
                effects.appear(&self.file("pyvenv.cfg"), &self.id());
                effects.appear(&self.file("bin"), &self.id());
            }
        }
    }

    fn apply(&self, _: &ObservedVirtualenv, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let path = self.path.as_path();
        if matches!(difference.action, Action::Delete | Action::Replace) {
            machine.remove_tree(path)?;
        }
        if difference.action == Action::Delete {
            return Ok(Applied::Done);
        }
        if difference.action == Action::Update {
            machine.keep_before([&*self.file("pyvenv.cfg")])?;
        } else if matches!(machine.world().stat(path)?, Known::Is(None)) {
            machine.record(&VENV, self.path.as_str(), serde_json::Value::Null)?;
            let (uid, gid) = match &self.user {
                Some(user) => {
                    let uid = Holder::user(machine.world(), &Account::Name(user.clone()))?.settled()?;
                    (Some(uid), machine.world().user(user)?.known()?.and_then(|user| user.gid.value().copied()))
                }
                None => (None, None),
            };
            machine.make_directory(path, 0o755, uid, gid)?;
        }
        let mut words: Vec<Arc<str>> = vec![self.python.shared().clone(), "-m".into(), "venv".into()];
        let options = [
            (self.system_site_packages, "--system-site-packages"),
            (self.copies, "--copies"),
            (!self.with_pip, "--without-pip"),
            (difference.action == Action::Update, "--upgrade"),
        ];
        words.extend(options.iter().filter(|(is, _)| *is).map(|(_, option)| Arc::from(*option)));
        if let Some(prompt) = &self.prompt {
            words.extend(["--prompt".into(), prompt.clone()]);
        }
        words.extend(["--".into(), self.path.shared().clone()]);
        let output = machine.run(&Run {
            command: Command::Argv(words),
            user: self.user.clone(),
            cwd: None,
            env: vec![("LC_ALL".into(), "C.UTF-8".into())],
            timeout: None,
            stdin: None,
            secrets: Vec::new(),
            umask: None,
        })?;
        if output.status == 0 {
            return Ok(Applied::Done);
        }
        if difference.action == Action::Create {
            // What could not be made leaves nothing behind.
            machine.remove_tree(path)?;
        }
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        let hint = if said.contains("ensurepip") {
            "require package \"python3-venv\", or say `with_pip = false`"
        } else {
            "look at what it wrote"
        };
        Err(ObserveError::Impossible {
            code: "venv-failed",
            message: format!("{} could not make {}", self.python, self.path),
            hint: format!("{hint}\nit wrote:\n{}", said.trim()),
        }
        .into())
    }

    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&[]))
    }
}
