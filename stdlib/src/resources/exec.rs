//! The resource type `exec`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::{Action, Attributes, Change, Command, Footprint, Place, Problem, ResourceId, Shown, Surroundings, Value};
use stead_engine::{
    Applied, ApplyError, Described, Difference, FileKind, Known, Machine, ObserveError, Predicted, Probe, ReactionKind,
    ResourceType, Run, SecretsGo, Unmet, World,
};

use crate::Resource;
use crate::filesystem::Holder;
use crate::values::{AbsolutePath, Account, AttributeType, Guarded, Many, Mode};
use crate::{commands, lints};

/// A command that is run for its effect, when it is needed.
///
/// Say what makes it needed, or it runs in every apply: `creates` names what it makes, the guards `unless` and `only_if` ask,
/// `refresh_only` waits for a watched change. Say what it does, and later resources are planned with it: `creates` and `writes`.
/// A command is a list of words, or one string for `/bin/sh -c`. It runs as Stead's own user in `/`, with a small fixed environment
/// and nothing on its standard input. `timeout` and `retry` work as on every resource.
/// Compares to Salt's `cmd.run`, Puppet's `exec`, and Ansible's `command` and `shell`.
///
/// ```stead
/// exec "make-dhparam" {
///   command = ["openssl", "dhparam", "-out", "/etc/ssl/dhparam.pem", "2048"]
///   creates = "/etc/ssl/dhparam.pem"
/// }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "exec",
    since = "0.1",
    reacts,
    lint = Self::lint,
    aliases(
        cmd = "command",
        argv = "command",
        environment = "env",
        runas = "user",
        chdir = "cwd",
        dir = "cwd",
        refreshonly = "refresh_only",
        success_retcodes = "returns",
        hide_output = "sensitive_output",
        outputs = "writes"
    )
)]
pub struct Exec {
    /// What it is for. Identifies the resource, and is the command itself when `command` is not given.
    #[key]
    pub name: Arc<str>,
    /// What to run: a list of words, or one line for the shell.
    pub command: Option<Guarded<Command>>,
    /// A path, or several, that are there once the command has run. It runs only while one of them is missing.
    pub creates: Many<AbsolutePath>,
    /// Paths that the command writes to, whether they are there before or not. What a file there holds is kept for an undo.
    pub writes: Many<AbsolutePath>,
    /// Paths that the command reads: it comes after the resources that make them.
    pub reads: Many<AbsolutePath>,
    /// The directory it runs in; `/` when absent.
    pub cwd: Option<AbsolutePath>,
    /// The user it runs as, also its guards; the user that Stead runs as when absent.
    pub user: Option<Arc<str>>,
    /// Environment variables, added to a small fixed set. Secret values are taken out of everything that is shown.
    pub env: IndexMap<Arc<str>, Guarded<Arc<str>>>,
    /// The umask it runs with; Stead's own when absent.
    pub umask: Option<Mode>,
    /// Text for its standard input: the way to hand over a secret, which an argument or the environment would show to others.
    pub stdin: Option<Guarded<Arc<str>>>,
    /// Run only when something it watches has changed.
    #[default(false)]
    pub refresh_only: bool,
    /// Exit statuses that mean success.
    #[default(vec![0])]
    pub returns: Vec<i64>,
    /// Keep what it writes out of messages, also when it fails.
    #[default(false)]
    pub sensitive_output: bool,
}

/// What was found of what the command creates.
#[derive(Clone, Debug)]
pub struct ObservedExec {
    /// Whether each path of `creates` is there.
    created: Vec<Known<bool>>,
}

impl Exec {
    fn footprint(&self) -> Footprint {
        let place = |path: &AbsolutePath| Place::path(path.shared().clone());
        let parent = |path: &AbsolutePath| path.parent().and_then(Path::to_str).map(Place::path);
        let made = || self.creates.iter().chain(&self.writes);
        let mut needs: Vec<Place> = self.reads.iter().map(place).chain(made().filter_map(parent)).collect();
        needs.extend(self.cwd.iter().map(place));
        needs.extend(self.program().map(Place::path));
        needs.extend(self.user.iter().map(|user| Place::user(user.clone())));
        // What is read and written is there before.
        let brings = made().filter(|path| !self.reads.iter().any(|read| read == *path)).map(place).collect();
        Footprint { brings, needs, ..Footprint::default() }
    }

    fn lint(attributes: &Attributes, around: Surroundings) -> Vec<Problem> {
        let mut found = Vec::new();
        let Ok(exec) = Self::read(attributes) else { return found };
        if exec.creates.is_empty() && !exec.refresh_only && !around.is_guarded {
            let hint = "say what makes it needed: `creates`, `unless`, `only_if`, `on_changes`, or `refresh_only = true`";
            found.push(lints::problem("unguarded-exec", None, "the command runs in every apply", hint));
        }
        if exec.refresh_only && !around.is_watching {
            let hint = if around.is_guarded {
                "leave `refresh_only` out: `on_changes` and guards decide when it runs; or `watch` what it reacts to"
            } else {
                "give what it reacts to: `watch = …`"
            };
            let message = "the command never runs: it waits for a change, and watches nothing";
            found.push(lints::problem("idle-exec", Some("refresh_only"), message, hint));
        }
        if let Some(command) = &exec.command
            && let Command::Shell(line) = command.reveal()
            && !command.is_sensitive()
            && let Some(words) = lints::plain_words(line)
        {
            let list = Value::list(words.iter().map(|word| Value::string(*word))).to_string();
            let hint = format!("write `command = {list}`");
            let message = "the command needs no shell: a list of words is run as it is";
            found.push(lints::mended(lints::problem("needless-shell", Some("command"), message, hint), "command", list));
        }
        found
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |attribute: &str, other: Option<&str>, message: String, hint: &str| {
            problems.push(Problem {
                code: if other.is_some() { "conflicting-attributes" } else { "invalid-value" },
                attribute: Some(attribute.into()),
                other: other.map(Into::into),
                message,
                hint: Some(hint.into()),
                mend: None,
            });
        };
        if self.refresh_only && !self.creates.is_empty() {
            let message = "a command that only reacts to a change is not run because something is missing".into();
            problem(
                "creates",
                Some("refresh_only"),
                message,
                "keep one; `writes` tells what it makes without deciding whether it runs",
            );
        }
        if self.returns.is_empty() {
            problem("returns", None, "no exit status means success".into(), "list at least one, such as `[0]`");
        }
        if let Some(status) = self.returns.iter().find(|status| !(0..=255).contains(*status)) {
            problem("returns", None, format!("{status} is no exit status"), "an exit status is in 0..=255");
        }
        for name in self.env.keys().filter(|name| name.is_empty() || name.contains(['=', '\0'])) {
            problem(
                "env",
                None,
                format!("`{name}` cannot be the name of an environment variable"),
                "take the `=` out of the name",
            );
        }
        if self.command.is_none() && self.name.trim().is_empty() {
            problem("name", None, "there is no command to run".into(), "give `command`");
        }
        problems
    }

    fn command(&self) -> Command {
        self.command.as_ref().map_or_else(|| Command::Shell(self.name.clone()), |command| command.reveal().clone())
    }

    fn is_sensitive(&self) -> bool {
        self.command.as_ref().is_some_and(Guarded::is_sensitive)
    }

    /// The program, where it is named by an absolute path: it may be managed itself.
    fn program(&self) -> Option<Arc<str>> {
        let word = match self.command() {
            Command::Argv(words) => words.first().cloned(),
            Command::Shell(line) => shlex::split(&line).and_then(|words| words.first().map(|word| word.as_str().into())),
        };
        word.filter(|word| word.len() > 1 && word.starts_with('/') && !word.split('/').any(|part| part == ".."))
    }

    fn id(&self) -> String {
        ResourceId::new("exec", self.name.clone()).to_string()
    }

    /// Texts that must not get into a message.
    fn secrets(&self) -> Vec<Arc<str>> {
        let mut secrets: Vec<Arc<str>> = Vec::new();
        if self.is_sensitive() {
            match self.command() {
                Command::Argv(words) => secrets.extend(words),
                Command::Shell(line) => secrets.push(line),
            }
        }
        let texts = self.env.values().chain(&self.stdin).filter(|text| text.is_sensitive());
        secrets.extend(texts.map(|text| text.reveal().clone()));
        secrets
    }

    fn run(&self, machine: &Machine) -> Result<(), ApplyError> {
        let writes: Vec<&Path> = self.creates.iter().chain(&self.writes).map(AbsolutePath::as_path).collect();
        let run = Run {
            command: self.command(),
            user: self.user.clone(),
            cwd: self.cwd.as_ref().map(|cwd| cwd.shared().clone()),
            env: self.env.iter().map(|(name, value)| (name.clone(), value.reveal().clone())).collect(),
            timeout: None,
            stdin: self.stdin.as_ref().map(|text| text.reveal().clone().into()),
            secrets: self.secrets(),
            umask: self.umask.map(|umask| umask.0),
        };
        let output = machine.run_declared(&run, &writes)?;
        if self.returns.contains(&i64::from(output.status)) {
            return Ok(());
        }
        let command = if self.is_sensitive() { "(sensitive)".into() } else { self.command().to_string() };
        let said = if self.sensitive_output { String::new() } else { commands::last_lines(&output) };
        Err(commands::failed(command, output.status, said))
    }

    fn changes(&self, observed: &ObservedExec) -> Vec<Change> {
        let command = Change::value("command", Shown::Absent, Shown::Value(self.command().to_value()));
        let mut changes = vec![if self.is_sensitive() { command.hidden() } else { command }];
        for (path, created) in self.creates.iter().zip(&observed.created) {
            let before = match created {
                Known::Is(true) => continue,
                Known::Is(false) => Shown::Absent,
                Known::Unknown(because) => Shown::Unknown(because.clone()),
            };
            changes.push(Change::value("creates", before, Shown::Value(Value::string(path.shared().clone()))));
        }
        changes
    }
}

impl ResourceType for Exec {
    type Observed = ObservedExec;

    fn observe(&self, world: &dyn World) -> Result<ObservedExec, ObserveError> {
        let created: Vec<Known<bool>> = self.creates.iter().map(|path| world.exists(path.as_path())).collect::<Result<_, _>>()?;
        let is_settled = !created.is_empty() && created.iter().all(|created| *created == Known::Is(true));
        if !is_settled {
            if let Some(user) = &self.user {
                Holder::user(world, &Account::Name(user.clone()))?;
            }
            if let Some(cwd) = &self.cwd {
                check_directory(world, cwd)?;
            }
        }
        Ok(ObservedExec { created })
    }

    fn diff(&self, observed: &ObservedExec) -> Difference {
        if self.refresh_only {
            return Difference::NONE;
        }
        let is_missing = observed.created.is_empty() || observed.created.contains(&Known::Is(false));
        let unknown = observed.created.iter().find_map(|created| match created {
            Known::Unknown(because) => Some(because.clone()),
            Known::Is(_) => None,
        });
        match unknown {
            _ if is_missing => Difference { action: Action::Run, changes: self.changes(observed), unknown: None },
            Some(because) => Difference { action: Action::Run, changes: self.changes(observed), unknown: Some(because) },
            None => Difference::NONE,
        }
    }

    fn digest(&self, observed: &ObservedExec, hasher: &mut blake3::Hasher) -> bool {
        observed.created.iter().all(|created| match created {
            Known::Is(created) => {
                hasher.update(&[u8::from(*created)]);
                true
            }
            Known::Unknown(_) => false,
        })
    }

    fn predict(&self, _: &ObservedExec, difference: &Difference, effects: &mut Predicted<'_>) {
        let because = self.id();
        let runs = difference.unknown.is_none();
        for path in &self.creates {
            if runs || effects.exists(path.as_path()).is_ok_and(|exists| exists == Known::Is(true)) {
                effects.appear(path.as_path(), &because);
            } else {
                effects.obscure(path.as_path(), &because);
            }
        }
        for path in &self.writes {
            if effects.exists(path.as_path()).is_ok_and(|exists| exists == Known::Is(true)) {
                effects.appear(path.as_path(), &because);
            } else {
                effects.obscure(path.as_path(), &because);
            }
        }
    }

    fn apply(&self, _: &ObservedExec, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        self.run(machine)?;
        Ok(Applied::Done)
    }

    /// With `creates`, what is there decides, also after a watched change.
    fn reaction(&self) -> Option<ReactionKind> {
        self.creates.is_empty().then_some(ReactionKind::Run)
    }

    fn react(&self, machine: &Machine) -> Result<(), ApplyError> {
        self.run(machine)
    }

    /// What it declares to make or write is kept for an undo.
    fn writes(&self) -> Vec<PathBuf> {
        self.creates.iter().chain(&self.writes).map(|path| PathBuf::from(path.as_str())).collect()
    }

    /// What it is said to create has to be there afterwards.
    fn settles(&self, left: &Difference) -> bool {
        left.action != Action::Run || !self.creates.is_empty()
    }

    fn unmet(&self, left: &Difference) -> Option<Unmet> {
        let missing = crate::filesystem::missing_of_creates(left)?;
        Some(Unmet {
            what: format!("the command ended well, and {missing} is not there"),
            way_out: "correct `creates`, or let the command make it".into(),
        })
    }

    /// Its guards run where and as whom the command does.
    fn guard(&self, command: &Command) -> Probe {
        Probe {
            command: command.clone(),
            user: self.user.clone(),
            cwd: self.cwd.as_ref().map(|cwd| cwd.shared().clone()),
            env: self.env.iter().map(|(name, value)| (name.clone(), value.reveal().clone())).collect(),
            timeout: None,
        }
    }

    // What the command writes is its own affair.
    fn secrets_go(&self) -> SecretsGo {
        SecretsGo::ToCommand
    }
}

fn check_directory(world: &dyn World, path: &AbsolutePath) -> Result<(), ObserveError> {
    let problem = |code, message, hint: String| Err(ObserveError::Impossible { code, message, hint });
    match world.stat(path.as_path())? {
        Known::Is(None) => problem(
            "missing-directory",
            format!("the command cannot run in {path}: there is no such directory"),
            format!("declare directory \"{path}\", or say `creates` on the exec that makes it"),
        ),
        Known::Is(Some(stat)) if !matches!(stat.kind, FileKind::Directory | FileKind::Symlink) => {
            problem("wrong-kind", format!("the command cannot run in {path}: it is no directory"), "name a directory".into())
        }
        _ => Ok(()),
    }
}
