//! The resource type `sudoers`.

use std::path::Path;
use std::sync::Arc;

use stead_catalog::{Command, Footprint, Place, Problem};
use stead_engine::{Applied, ApplyError, Difference, Known, Machine, ObserveError, Predicted, ResourceType, World};

use crate::problems::Problems;
use crate::resources::file::{File, ObservedFile};
use crate::values::{AbsolutePath, Account, Guarded, Many, Mode};
use crate::{Choice, Resource};

/// Where visudo is on the systems that have sudo.
const VISUDO: [&str; 2] = ["/usr/sbin/visudo", "/usr/local/sbin/visudo"];

/// What some users may do by sudo: a file of its own in `/etc/sudoers.d`.
///
/// The rule is made of typed attributes, or given as text. It belongs to root with mode 0440, as sudo asks for, and is checked by
/// `visudo` before it is put in place, on every machine that has it: a mistake never locks anybody out. Compares to Ansible's
/// `sudoers`, Puppet's `sudo::conf`, and a `file.managed` with `check_cmd` in Salt.
///
/// ```stead
/// sudoers "deploy" { users = "deploy", runas = "root", commands = "/usr/bin/systemctl restart app", nopasswd = true }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "sudoers",
    since = "0.1",
    aliases(
        user = "users",
        group = "groups",
        host = "hosts",
        runas_user = "runas",
        command = "commands",
        nopassword = "nopasswd",
        ensure = "state",
        rules = "content",
        noexec = "tags"
    )
)]
pub struct Sudoers {
    /// The name of the file in `/etc/sudoers.d`. Identifies the resource. Sudo does not read names with a `.` in them.
    #[key]
    pub name: Arc<str>,
    /// Whether the file is there.
    #[default(State::Present)]
    pub state: State,
    /// The whole file as text, in place of the attributes below.
    pub content: Option<Guarded<Arc<str>>>,
    /// Who may: users by name, `#1000` by id, or an alias of sudoers.
    pub users: Many<Arc<str>>,
    /// Who may: groups by name.
    pub groups: Many<Arc<str>>,
    /// On which hosts.
    #[default(Many(vec!["ALL".into()]))]
    pub hosts: Many<Arc<str>>,
    /// As which users; root when absent and no `runas_group` is given. `ALL` for anybody.
    pub runas: Many<Arc<str>>,
    /// As which groups.
    pub runas_group: Many<Arc<str>>,
    /// What: commands with their full path and arguments, `ALL`, or with `!` what may not. `:`, `,`, `=` and `\` in arguments are escaped.
    pub commands: Many<Arc<str>>,
    /// No password is asked for.
    #[default(false)]
    pub nopasswd: bool,
    /// Variables may be set on the command line, and kept by `-E`.
    #[default(false)]
    pub setenv: bool,
    /// Further tags of sudoers(5): `NOEXEC`, `LOG_INPUT`, `MAIL`.
    pub tags: Vec<Arc<str>>,
    /// Settings for these users, or for everybody where no users are given: `"env_keep += \"SSH_AUTH_SOCK\""`, `"!requiretty"`.
    pub defaults: Many<Arc<str>>,
    /// A comment at the head of the file.
    pub comment: Option<Arc<str>>,
    /// The file, where it is not in `/etc/sudoers.d`.
    pub path: Option<AbsolutePath>,
    /// Permission bits.
    #[default(0o440)]
    pub mode: Mode,
    /// Check the file by `visudo`, where the machine has it.
    #[default(true)]
    pub validate: bool,
}

/// Whether the file is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The file is there, with this rule.
    Present,
    /// The file is not there.
    Absent,
}

impl Sudoers {
    fn path(&self) -> AbsolutePath {
        let named = || AbsolutePath::new(&format!("/etc/sudoers.d/{}", self.name));
        let fallback = || crate::values::FromLiteral::from_literal("/etc/sudoers.d/stead");
        self.path.clone().or_else(named).unwrap_or_else(fallback)
    }

    fn footprint(&self) -> Footprint {
        let mut footprint = self.file(None).places();
        if self.state == State::Present {
            let is_account = |name: &&Arc<str>| {
                !name.is_empty() && !name.starts_with(['#', '%', '!', '+']) && name.bytes().any(|byte| byte.is_ascii_lowercase())
            };
            footprint.needs.extend(self.users.iter().chain(&self.runas).filter(is_account).map(|name| Place::user(name.clone())));
            footprint
                .needs
                .extend(self.groups.iter().chain(&self.runas_group).filter(is_account).map(|name| Place::group(name.clone())));
        }
        footprint
    }

    fn has_rule(&self) -> bool {
        !(self.users.is_empty() && self.groups.is_empty() && self.commands.is_empty())
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        if self.path.is_none() && (self.name.is_empty() || self.name.contains(['.', '/', '\0', '\n']) || self.name.ends_with('~'))
        {
            let hint = "leave `.`, `/` and a `~` at the end out: sudo skips files with such names";
            problems.invalid("name", format!("`{}` is no name of a file in /etc/sudoers.d", self.name), hint);
        }
        if self.mode.0 & 0o022 != 0 {
            problems.invalid("mode", "others could write the file, and sudo would not read it", "0440, or 0400");
        }
        if self.state == State::Absent {
            let given = [
                (self.content.is_some(), "content"),
                (!self.users.is_empty(), "users"),
                (!self.groups.is_empty(), "groups"),
                (!self.commands.is_empty(), "commands"),
                (!self.defaults.is_empty(), "defaults"),
                (self.comment.is_some(), "comment"),
            ];
            problems.of_absent("a file", &given);
            return problems.finish();
        }
        if self.content.is_some() && (self.has_rule() || !self.defaults.is_empty()) {
            problems.conflict("content", None, "the rule is said twice", "keep `content`, or the typed attributes");
        }
        if self.content.is_none() && !self.has_rule() && self.defaults.is_empty() {
            problems.missing(
                "commands",
                "nothing is said of what may be done",
                "give `users` and `commands`, `defaults`, or `content`",
            );
        }
        if self.has_rule() {
            if self.users.is_empty() && self.groups.is_empty() {
                problems.missing("commands", "nobody is said to be allowed this", "give `users` or `groups`");
            }
            if self.commands.is_empty() {
                problems.missing("users", "nothing is said of what they may do", "give `commands`; `\"ALL\"` for everything");
            }
        }
        self.check_words(&mut problems);
        problems.finish()
    }

    fn check_words(&self, problems: &mut Problems) {
        let lists = [
            ("users", &self.users),
            ("groups", &self.groups),
            ("hosts", &self.hosts),
            ("runas", &self.runas),
            ("runas_group", &self.runas_group),
        ];
        for (attribute, words) in lists {
            for word in words.iter().filter(|word| !is_word(word)) {
                problems.invalid(
                    attribute,
                    format!("`{}` is no name in a rule of sudo", word.escape_debug()),
                    "one name; several as a list. A blank in a name is escaped: `\"domain\\\\ admins\"`",
                );
            }
        }
        if let Some(group) = self.groups.iter().find(|group| group.starts_with('%')) {
            problems.invalid(
                "groups",
                format!("`{group}` has the mark of a group already"),
                format!("write `{}`", group.trim_start_matches('%')),
            );
        }
        for command in &self.commands {
            let bare = command.trim_start_matches('!').trim_start();
            let is_alias =
                !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
            let is_known = bare.starts_with('/')
                || is_alias
                || bare.starts_with("sudoedit ")
                || bare == "list"
                || (bare.starts_with("sha") && bare.contains(':'));
            if command.contains(['\n', '\r', '\0']) || !is_known {
                let hint = "the full path and its arguments, `ALL`, `sudoedit /etc/x`, or an alias in capitals";
                problems.invalid("commands", format!("`{}` is no command of a rule", command.escape_debug()), hint);
            }
        }
        for tag in
            self.tags.iter().filter(|tag| tag.is_empty() || !tag.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        {
            problems.invalid("tags", format!("`{tag}` is no tag"), "write it as sudoers(5) does, without its colon: `NOEXEC`");
        }
        for text in self.defaults.iter().chain(&self.comment).filter(|text| text.contains(['\n', '\r', '\0'])) {
            let attribute = if self.comment.as_ref() == Some(text) { "comment" } else { "defaults" };
            problems.invalid(attribute, format!("`{attribute}` stands in one line"), "take the line break away");
        }
    }

    /// The file's text.
    fn text(&self) -> String {
        if let Some(content) = &self.content {
            let content = content.reveal();
            return if content.is_empty() || content.ends_with('\n') { content.to_string() } else { format!("{content}\n") };
        }
        let mut text = self.comment.as_ref().map(|comment| format!("# {comment}\n")).unwrap_or_default();
        let who: Vec<String> =
            self.users.iter().map(ToString::to_string).chain(self.groups.iter().map(|group| format!("%{group}"))).collect();
        let who = who.join(", ");
        for setting in &self.defaults {
            let scope = if who.is_empty() { String::new() } else { format!(":{}", who.replace(", ", ",")) };
            text.push_str(&format!("Defaults{scope} {setting}\n"));
        }
        if self.has_rule() {
            let list = |words: &Many<Arc<str>>| words.iter().map(|word| &**word).collect::<Vec<_>>().join(", ");
            let runas = match (self.runas.is_empty(), self.runas_group.is_empty()) {
                (true, true) => "(root)".to_owned(),
                (_, true) => format!("({})", list(&self.runas)),
                (_, false) => format!("({} : {})", list(&self.runas), list(&self.runas_group)).replace("( :", "(:"),
            };
            let mut tags = Vec::new();
            tags.extend(self.nopasswd.then_some("NOPASSWD"));
            tags.extend(self.setenv.then_some("SETENV"));
            tags.extend(self.tags.iter().map(|tag| &**tag));
            let tags: String = tags.iter().map(|tag| format!(" {tag}:")).collect();
            let commands: Vec<String> = self.commands.iter().map(|command| escaped(command)).collect();
            text.push_str(&format!("{who} {}={runas}{tags} {}\n", list(&self.hosts), commands.join(", ")));
        }
        text
    }

    /// The file as a resource of its own.
    fn file(&self, validate: Option<Command>) -> File {
        let text: Arc<str> = self.text().into();
        let content = match &self.content {
            Some(given) => given.with(text),
            None => Guarded::plain(text),
        };
        let content = (self.state == State::Present).then_some(content);
        File::of_form(self.path(), content, self.mode, Account::Name("root".into()), validate)
    }

    /// The command that checks the file, where the machine has it.
    fn checker(&self, world: &dyn World) -> Result<Option<Command>, ObserveError> {
        for path in VISUDO.into_iter().filter(|_| self.validate && self.state == State::Present) {
            if world.exists(Path::new(path))? == Known::Is(true) {
                return Ok(Some(Command::Argv(vec![path.into(), "-c".into(), "-f".into(), "%s".into()])));
            }
        }
        Ok(None)
    }
}

/// Says whether a name stands for itself in a rule: with what sudoers(5) reads as its own escaped.
fn is_word(name: &str) -> bool {
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        let is_plain = match c {
            '\\' => chars.next().is_some_and(|c| !c.is_control()),
            c => !(c.is_whitespace() || c.is_control() || ",=:()\"".contains(c)),
        };
        if !is_plain {
            return false;
        }
    }
    !name.is_empty()
}

/// A command with what sudoers(5) reads as its own escaped in the arguments. What is escaped already stays so.
fn escaped(command: &str) -> String {
    let Some((program, arguments)) =
        command.split_once(' ').filter(|(program, _)| program.trim_start_matches('!').starts_with('/') || *program == "sudoedit")
    else {
        return command.to_owned();
    };
    let mut text = format!("{program} ");
    let mut chars = arguments.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                text.push('\\');
                text.push(chars.next().unwrap_or('\\'));
            }
            ',' | ':' | '=' => text.extend(['\\', c]),
            c => text.push(c),
        }
    }
    text
}

impl ResourceType for Sudoers {
    type Observed = ObservedFile;

    fn observe(&self, world: &dyn World) -> Result<ObservedFile, ObserveError> {
        self.file(None).observe(world)
    }

    fn diff(&self, observed: &ObservedFile) -> Difference {
        self.file(None).diff(observed)
    }

    fn digest(&self, observed: &ObservedFile, hasher: &mut blake3::Hasher) -> bool {
        self.file(None).digest(observed, hasher)
    }

    fn predict(&self, observed: &ObservedFile, difference: &Difference, effects: &mut Predicted<'_>) {
        self.file(None).predict(observed, difference, effects);
    }

    fn apply(&self, observed: &ObservedFile, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let checker = self.checker(machine.world())?;
        self.file(checker).apply(observed, difference, machine)
    }

    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&["path"]))
    }
}
