//! The resource type `tmpfiles`.

mod rule;

use std::path::Path;
use std::sync::Arc;

use stead_catalog::{Action, Change, Command, Footprint, Place, Problem, Shown, Value};
use stead_engine::{
    Applied, ApplyError, Difference, FileKind, Known, Machine, ObserveError, Owner, Predicted, ResourceType, Stat, World,
};

use self::rule::Rule;
use crate::filesystem::{self, Ownership};
use crate::problems::Problems;
use crate::resources::file::{File, ObservedFile};
use crate::values::{AbsolutePath, Account, FromLiteral as _, Guarded, Many, Mode};
use crate::{Choice, Resource, commands};

/// Where systemd-tmpfiles is.
const PROGRAM: &str = "/usr/bin/systemd-tmpfiles";

/// Files and directories that are made at each boot, below `/run` for the most part: a file of its own in `/etc/tmpfiles.d`.
///
/// On a running machine what its lines say is done at once, by systemd-tmpfiles and for this file alone; the plan tells which directories, files and
/// symlinks that makes, and later resources are planned with them. What is missing later, or has another mode or owner, is put
/// right. Compares to `systemd::tmpfile` of Puppet, and to files with a command behind them in Salt and Ansible.
///
/// ```stead
/// tmpfiles "app" { lines = ["d /run/app 0750 root root -", "L+ /etc/motd - - - - /run/app/motd"] }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "tmpfiles",
    since = "0.1",
    aliases(content = "lines", rules = "lines", filename = "name", owner = "user", ensure = "state")
)]
pub struct Tmpfiles {
    /// The name of the file in `/etc/tmpfiles.d`, without `.conf`. Identifies the resource.
    #[key]
    pub name: Arc<str>,
    /// Whether the file is there.
    #[default(State::Present)]
    pub state: State,
    /// Its lines, as tmpfiles.d(5) has them: type, path, mode, user, group, age, argument.
    pub lines: Many<Arc<str>>,
    /// The type of one more line, which the attributes below make: `d` for a directory, `L+` for a symlink, `f` for a file.
    pub r#type: Option<Arc<str>>,
    /// Its path.
    pub path: Option<AbsolutePath>,
    /// Its mode.
    pub mode: Option<Mode>,
    /// Its user.
    pub user: Option<Account>,
    /// Its group.
    pub group: Option<Account>,
    /// How old what is in it may become: `10d`.
    pub age: Option<Arc<str>>,
    /// Its argument: what is written, or where a symlink points.
    pub argument: Option<Arc<str>>,
    /// Do at once what the lines say. Otherwise the next boot does.
    #[default(true)]
    pub apply: bool,
}

/// Whether the file is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The file is there.
    Present,
    /// The file is not there. What it has made stays.
    Absent,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct ObservedTmpfiles {
    file: ObservedFile,
    /// What the lines make, as it is now; empty where they are not carried out.
    things: Vec<Thing>,
    /// The lines can be carried out here.
    is_live: bool,
}

/// A thing that a line makes.
#[derive(Clone, Debug)]
struct Thing {
    path: AbsolutePath,
    kind: FileKind,
    stat: Known<Option<Stat>>,
    mode: Option<Mode>,
    ownership: Ownership,
    /// What a file holds when it is made.
    content: Arc<[u8]>,
    target: Option<std::path::PathBuf>,
    /// What is there is replaced where it is another one.
    replaces: bool,
}

impl Tmpfiles {
    fn place(&self) -> AbsolutePath {
        let path = AbsolutePath::new(&format!("/etc/tmpfiles.d/{}.conf", self.name));
        path.unwrap_or_else(|| AbsolutePath::from_literal("/etc/tmpfiles.d/stead.conf"))
    }

    fn all_lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.lines.iter().flat_map(|line| line.lines()).map(|line| line.trim().to_owned()).collect();
        if let (Some(kind), Some(path)) = (&self.r#type, &self.path) {
            let quoted = if path.as_str().contains(' ') { format!("\"{path}\"") } else { path.to_string() };
            let mode = self.mode.map_or_else(|| "-".to_owned(), |mode| format!("{mode:?}"));
            let account = |account: &Option<Account>| account.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            let age = self.age.as_deref().unwrap_or("-");
            let line = format!(
                "{kind} {quoted} {mode} {} {} {age} {}",
                account(&self.user),
                account(&self.group),
                self.argument.as_deref().unwrap_or("-")
            );
            lines.push(line);
        }
        lines
    }

    fn rules(&self) -> Vec<Rule> {
        self.all_lines().iter().filter_map(|line| Rule::parse(line).ok().flatten()).collect()
    }

    fn text(&self) -> String {
        self.all_lines().iter().map(|line| format!("{line}\n")).collect()
    }

    fn file(&self) -> File {
        let content = (self.state == State::Present).then(|| Guarded::plain(self.text().into()));
        File::of_form(self.place(), content, Mode(0o644), Account::Name("root".into()), None)
    }

    fn footprint(&self) -> Footprint {
        let mut footprint = self.file().places();
        if self.state == State::Present {
            let is_name = |name: &&String| !name.starts_with(|c: char| c.is_ascii_digit() || ":%".contains(c));
            for rule in self.rules() {
                footprint.needs.extend(rule.user.iter().filter(is_name).map(|user| Place::user(user.as_str())));
                footprint.needs.extend(rule.group.iter().filter(is_name).map(|group| Place::group(group.as_str())));
                if self.apply && rule.is_known() && made(&rule).is_some() {
                    footprint.brings.extend(AbsolutePath::new(&rule.path).map(|path| Place::path(path.shared().clone())));
                }
            }
        }
        footprint
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        if self.name.is_empty()
            || self.name.contains(['/', '\0', '\n'])
            || self.name.starts_with('.')
            || self.name.ends_with(".conf")
        {
            problems.invalid(
                "name",
                format!("`{}` is no name of a file in /etc/tmpfiles.d", self.name.escape_debug()),
                "the name alone, without `.conf`",
            );
        }
        let typed = [
            (self.path.is_some(), "path"),
            (self.mode.is_some(), "mode"),
            (self.user.is_some(), "user"),
            (self.group.is_some(), "group"),
            (self.age.is_some(), "age"),
            (self.argument.is_some(), "argument"),
        ];
        if self.state == State::Absent {
            let given = [(!self.lines.is_empty(), "lines"), (self.r#type.is_some(), "type")];
            problems.of_absent("a file", &given.into_iter().chain(typed).collect::<Vec<_>>());
            return problems.finish();
        }
        if self.r#type.is_none()
            && let Some((_, name)) = typed.iter().find(|(given, _)| *given)
        {
            problems.missing(
                name,
                format!("`{name}` speaks of a line, and nothing says of what type it is"),
                "give `type`, or write the line into `lines`",
            );
        }
        if self.r#type.is_some() && self.path.is_none() {
            problems.missing("type", "the line has no path", "give `path`");
        }
        if self.lines.is_empty() && self.r#type.is_none() {
            problems.missing("name", "there is no line", "give `lines`, or `type` and `path`");
        }
        for line in self.all_lines() {
            if let Err(reason) = Rule::parse(&line) {
                let attribute = if self.lines.iter().any(|own| own.contains(&*line)) { "lines" } else { "type" };
                problems.invalid(attribute, reason, "write it as tmpfiles.d(5) does: `d /run/app 0755 app app -`");
            }
        }
        problems.finish()
    }

    fn thing(&self, world: &dyn World, rule: &Rule) -> Result<Option<Thing>, ObserveError> {
        let (Some(kind), true, Some(path)) = (made(rule), rule.is_known(), AbsolutePath::new(&rule.path)) else {
            return Ok(None);
        };
        let account = |name: &Option<String>| {
            name.as_ref().map(|name| name.parse().map_or_else(|_| Account::Name(name.as_str().into()), Account::Id))
        };
        let (user, group) = (account(&rule.user), account(&rule.group));
        let stat = world.stat(path.as_path())?;
        let content = rule.argument.as_deref().unwrap_or_default().to_owned();
        // Of a symlink nothing but its target is looked at.
        let ownership = if kind == FileKind::Symlink && !matches!(stat, Known::Is(None)) {
            Ownership::NONE
        } else {
            Ownership::observe(world, user.as_ref(), group.as_ref(), &stat, None)?
        };
        Ok(Some(Thing {
            kind,
            stat,
            mode: rule.mode.map(Mode),
            ownership,
            content: content.into_bytes().into(),
            target: (kind == FileKind::Symlink).then(|| rule.argument.as_deref().unwrap_or_default().into()),
            replaces: rule.modifiers.contains('+'),
            path,
        }))
    }
}

/// What a line makes where it is missing, as far as that can be told.
fn made(rule: &Rule) -> Option<FileKind> {
    match rule.kind {
        'd' | 'D' | 'v' | 'q' | 'Q' => Some(FileKind::Directory),
        'f' if !rule.modifiers.contains('+') => Some(FileKind::File),
        'L' if rule.argument.is_some() => Some(FileKind::Symlink),
        _ => None,
    }
}

impl Thing {
    const fn new_mode(&self) -> Mode {
        match self.kind {
            FileKind::Directory => Mode(0o755),
            FileKind::Symlink => Mode(0o777),
            FileKind::File | FileKind::Other => Mode(0o644),
        }
    }

    /// What is done about it, in changes that name it.
    fn changes(&self, changes: &mut Vec<Change>) {
        let name = Shown::Value(Value::String(self.path.shared().clone()));
        let mut own = Vec::new();
        match &self.stat {
            Known::Unknown(_) => return,
            Known::Is(None) => changes.push(Change::value("creates", Shown::Absent, name)),
            Known::Is(Some(stat)) if stat.kind != self.kind => {
                // systemd-tmpfiles leaves a thing of another kind alone, unless a symlink is to replace it.
                if !(self.kind == FileKind::Symlink && self.replaces) {
                    return;
                }
                own.push(filesystem::kind_change(stat.kind, self.kind));
            }
            Known::Is(Some(_)) => {}
        }
        if self.kind == FileKind::Symlink {
            if let (Known::Is(Some(stat)), Some(target)) = (&self.stat, &self.target)
                && self.replaces
                && stat.target.as_deref() != Some(target)
            {
                let wanted = Shown::Value(Value::string(target.to_string_lossy().into_owned()));
                own.push(Change::value("target", filesystem::shown_target(stat), wanted));
            }
        } else {
            filesystem::mode_change(&self.stat, self.mode, self.new_mode(), &mut own);
            self.ownership.changes(&self.stat, &mut own);
        }
        changes.extend(
            own.into_iter().map(|change| Change { attribute: format!("{} of {}", change.attribute, self.path).into(), ..change }),
        );
    }

    fn predict(&self, effects: &mut Predicted<'_>) {
        let mut changes = Vec::new();
        self.changes(&mut changes);
        let (Known::Is(found), false) = (&self.stat, changes.is_empty()) else { return };
        let root = || (Owner::Id(0), Owner::Id(0));
        let directory = |mode, (uid, gid)| Stat { kind: FileKind::Directory, mode, uid, gid, size: 0, target: None };
        let above: Vec<&Path> = self.path.as_path().ancestors().skip(1).collect();
        for parent in above.into_iter().rev() {
            if matches!(effects.stat(parent), Ok(Known::Is(None))) {
                effects.put(parent, directory(0o755, root()), None);
            }
        }
        let owners = self.ownership.predicted(found.as_ref()).unwrap_or_else(root);
        let mode = self.mode.or_else(|| found.as_ref().map(|found| Mode(found.mode))).unwrap_or(self.new_mode()).0;
        match (self.kind, found) {
            (FileKind::Directory, _) => {
                effects.change_or_put(self.path.as_path(), directory(mode, owners), None, found.is_some())
            }
            (FileKind::Symlink, _) => {
                let stat = Stat {
                    kind: FileKind::Symlink,
                    mode: 0o777,
                    uid: owners.0,
                    gid: owners.1,
                    size: 0,
                    target: self.target.clone(),
                };
                if found.is_some() {
                    effects.remove(self.path.as_path());
                }
                effects.put(self.path.as_path(), stat, None);
            }
            (_, found) => {
                let size = found.as_ref().map_or(self.content.len() as u64, |found| found.size);
                let stat = Stat { kind: FileKind::File, mode, uid: owners.0, gid: owners.1, size, target: None };
                effects.change_or_put(self.path.as_path(), stat, Some(self.content.clone()), found.is_some());
            }
        }
    }
}

/// What `Predicted` is told of a thing that may be there.
trait ChangeOrPut {
    fn change_or_put(&mut self, path: &Path, stat: Stat, content: Option<Arc<[u8]>>, is_there: bool);
}

impl ChangeOrPut for Predicted<'_> {
    fn change_or_put(&mut self, path: &Path, stat: Stat, content: Option<Arc<[u8]>>, is_there: bool) {
        if is_there { self.change(path, stat) } else { self.put(path, stat, content) }
    }
}

impl ResourceType for Tmpfiles {
    type Observed = ObservedTmpfiles;

    fn observe(&self, world: &dyn World) -> Result<ObservedTmpfiles, ObserveError> {
        let file = self.file().observe(world)?;
        let wants = self.apply && self.state == State::Present && world.is_live();
        let is_live = wants && world.exists(Path::new(PROGRAM))? == Known::Is(true);
        let mut things = Vec::new();
        if is_live {
            for rule in self.rules() {
                things.extend(self.thing(world, &rule)?);
            }
        }
        Ok(ObservedTmpfiles { file, things, is_live })
    }

    fn diff(&self, observed: &ObservedTmpfiles) -> Difference {
        let mut difference = self.file().diff(&observed.file);
        for thing in &observed.things {
            thing.changes(&mut difference.changes);
        }
        if difference.action == Action::None && !difference.changes.is_empty() {
            difference.action = Action::Update;
        }
        difference
    }

    fn digest(&self, observed: &ObservedTmpfiles, hasher: &mut blake3::Hasher) -> bool {
        let mut is_known = self.file().digest(&observed.file, hasher);
        for thing in &observed.things {
            is_known &= filesystem::digest_stat(&thing.stat, hasher);
        }
        is_known
    }

    fn predict(&self, observed: &ObservedTmpfiles, difference: &Difference, effects: &mut Predicted<'_>) {
        let file = self.file();
        let of_file = file.diff(&observed.file);
        if !of_file.is_none() {
            file.predict(&observed.file, &of_file, effects);
        }
        if difference.is_none() {
            return;
        }
        for thing in &observed.things {
            thing.predict(effects);
        }
    }

    fn apply(&self, observed: &ObservedTmpfiles, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        // The lines are carried out before the file is in its place: one that systemd-tmpfiles refuses is not left behind.
        if observed.is_live {
            machine.keep_before(observed.things.iter().map(|thing| thing.path.as_path()))?;
            let command = Command::Argv(vec![PROGRAM.into(), "--create".into(), "-".into()]);
            commands::run_command(machine, command, Some(self.text().into_bytes().into()), None, |status| status == 0)?;
        }
        let file = self.file();
        let of_file = file.diff(&observed.file);
        if of_file.is_none() { Ok(Applied::Done) } else { file.apply(&observed.file, &of_file, machine) }
    }

    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&[]))
    }
}
