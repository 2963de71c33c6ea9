//! The resource type `cron`.

mod schedule;
mod table;

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::{Footprint, Place, Problem};
use stead_engine::{Applied, ApplyError, Difference, Known, Machine, ObserveError, Predicted, ResourceType, World};

use self::table::Line;
use crate::edit::lines;
use crate::edit::{Edited, EditedFile, ObservedEdit};
use crate::filesystem;
use crate::problems::Problems;
use crate::values::{AbsolutePath, Account, Guarded, Mode, Scalar};
use crate::{Choice, Resource};

/// Where the crontabs of users are on Debian, and on systems whose cron has no group of its own.
const SPOOLS: [&str; 2] = ["/var/spool/cron/crontabs", "/var/spool/cron"];

/// A job that cron runs: an entry of a user's crontab, or of a file in `/etc/cron.d`.
///
/// The entry is named by a comment above it, and found again by it, whatever else changes. One with the same schedule and command that has no name
/// gets it; one that Ansible, Puppet or Salt named so is taken over. Times are checked before any machine is looked at. Other lines
/// stay as they are. Cron notices the change by itself. Compares to Salt's `cron.present`, Puppet's `cron`, and Ansible's `cron`.
///
/// ```stead
/// cron "backup" { user = "root", at = "17 3 * * *", command = "/usr/local/bin/backup --daily" }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "cron",
    since = "0.1",
    aliases(
        identifier = "name",
        title = "name",
        job = "command",
        ensure = "state",
        special = "at",
        special_time = "at",
        schedule = "at",
        daymonth = "day",
        monthday = "day",
        dayweek = "weekday",
        env = "environment",
        disabled = "enabled",
        commented = "enabled",
        cron_file = "file",
        target = "user",
        exclusive = "purge"
    )
)]
pub struct Cron {
    /// What the entry is called. Identifies the resource; give `name` beside another name where two users have an entry of the same name.
    #[key]
    pub name: Arc<str>,
    /// Whose crontab; for an entry of a `file`, whom the command runs as.
    #[default("root")]
    pub user: Arc<str>,
    /// Whether the entry is there.
    #[default(State::Present)]
    pub state: State,
    /// What runs: one line for `sh`. A `%` that is not written `\%` ends it, and what follows is its input, as crontab(5) says.
    pub command: Option<Guarded<Arc<str>>>,
    /// When it runs: five fields (`"17 3 * * *"`), or `@reboot`, `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    pub at: Option<Arc<str>>,
    /// Minute: 0 to 59, a range, a list, `*/5`. `*` when absent, as are the other four.
    pub minute: Option<Scalar>,
    /// Hour: 0 to 23.
    pub hour: Option<Scalar>,
    /// Day of the month: 1 to 31.
    pub day: Option<Scalar>,
    /// Month: 1 to 12, or `jan` to `dec`.
    pub month: Option<Scalar>,
    /// Day of the week: 0 to 7, 0 and 7 for Sunday, or `sun` to `sat`.
    pub weekday: Option<Scalar>,
    /// Variables that are set above the job: `{ MAILTO = "ops@example.com" }`. They hold for all jobs below them in the file.
    pub environment: IndexMap<Arc<str>, Guarded<Scalar>>,
    /// Otherwise the job stays in the crontab, commented out.
    #[default(true)]
    pub enabled: bool,
    /// The entry is in a file in `/etc/cron.d`, by its name there or its path, and not in the user's own crontab. A file in which nothing is left goes.
    pub file: Option<Arc<str>>,
    /// Remove the jobs of the crontab that are nobody's: it then holds this one, those that other resources declare, and comments and variables.
    #[default(false)]
    pub purge: bool,
}

/// Whether the entry is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The entry is there.
    Present,
    /// No entry of this name is there.
    Absent,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct ObservedCron {
    table: Option<Table>,
    edit: Option<ObservedEdit>,
}

/// The file that the entry is in, and whose it is.
#[derive(Clone, Debug)]
struct Table {
    path: AbsolutePath,
    owner: Account,
    group: Account,
    mode: Mode,
}

impl Cron {
    fn footprint(&self) -> Footprint {
        let path = self.path(SPOOLS[0]);
        let place = path.as_ref().map_or_else(String::new, |path| path.as_str().to_owned());
        let own = Place::other(own_name(&place, &self.name));
        let mut footprint = Footprint { owns: vec![own], needs: vec![Place::user(self.user.clone())], ..Footprint::default() };
        if let Some(path) = path {
            footprint.edits = vec![path.shared().clone()];
            footprint.needs.push(Place::path(path.shared().clone()));
            if self.state == State::Present {
                footprint.brings.push(Place::path(path.shared().clone()));
            }
        }
        footprint
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        let breaks = |text: &str| text.contains(['\n', '\r', '\0']);
        if self.name.trim() != &*self.name || self.name.is_empty() || breaks(&self.name) {
            problems.invalid(
                "name",
                format!("`{}` cannot stand in a comment", self.name.escape_debug()),
                "name the entry in one line, without blanks around it",
            );
        }
        if let Some(file) = &self.file {
            let name = file.strip_prefix("/etc/cron.d/").unwrap_or(file);
            let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            let is_elsewhere = name.starts_with('/') && AbsolutePath::new(name).is_some();
            if !is_plain && !is_elsewhere {
                let hint = "letters, digits, `-` and `_` only: cron does not read files with other names";
                problems.invalid("file", format!("`{file}` is no name of a file in /etc/cron.d"), hint);
            }
        }
        let fields = self.fields();
        match (&self.at, fields.iter().find(|(_, value)| value.is_some())) {
            (Some(_), Some((name, ..))) => {
                problems.conflict(name, Some("at"), "the schedule is said twice", "keep one of the two");
            }
            (Some(at), None) => {
                if let Some(reason) = schedule::mistake(at) {
                    problems.invalid("at", reason, "write five fields, `\"17 3 * * *\"`, or a word, `\"@daily\"`");
                }
            }
            (None, _) => {
                for (at, (name, value)) in fields.iter().enumerate() {
                    if let Some(reason) = value.as_ref().and_then(|value| schedule::field_mistake(at, &value.to_string())) {
                        problems.invalid(name, reason, "a number, a range `1-5`, a list `1,3`, a step `*/5`, or `*`");
                    }
                }
            }
        }
        for (name, value) in &self.environment {
            let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if name.is_empty() || !is_name || name.as_bytes()[0].is_ascii_digit() {
                problems.invalid(
                    "environment",
                    format!("`{name}` is no name of a variable"),
                    "letters, digits and `_`, no digit first",
                );
            }
            if breaks(&value.reveal().to_string()) {
                problems.invalid(
                    "environment",
                    format!("the value of `{name}` is more than one line"),
                    "take the line break away",
                );
            }
        }
        match self.state {
            State::Present => {
                match &self.command {
                    None => problems.missing("command", "there is nothing to run", "give `command`, or set `state = absent`"),
                    Some(command) if breaks(command.reveal()) || command.reveal().trim().is_empty() => {
                        problems.invalid("command", "a command is one line", "put it into a script, and name that");
                    }
                    Some(_) => {}
                }
                if self.at.is_none() && fields.iter().all(|(_, value)| value.is_none()) {
                    problems.missing(
                        "at",
                        "nothing says when it runs",
                        "give `at`, or `minute`, `hour`, …; every minute is `\"* * * * *\"`",
                    );
                }
            }
            State::Absent => problems.of_absent(
                "an entry",
                &[(!self.environment.is_empty(), "environment"), (!self.enabled, "enabled"), (self.purge, "purge")],
            ),
        }
        problems.finish()
    }

    fn fields(&self) -> [(&'static str, Option<&Scalar>); 5] {
        [
            ("minute", self.minute.as_ref()),
            ("hour", self.hour.as_ref()),
            ("day", self.day.as_ref()),
            ("month", self.month.as_ref()),
            ("weekday", self.weekday.as_ref()),
        ]
    }

    fn schedule(&self) -> String {
        match &self.at {
            Some(at) if at.starts_with('@') => at.to_lowercase(),
            Some(at) => at.split_ascii_whitespace().collect::<Vec<_>>().join(" "),
            None => {
                let fields = self.fields().map(|(_, value)| value.map_or_else(|| "*".to_owned(), ToString::to_string));
                fields.join(" ")
            }
        }
    }

    /// What stands behind the schedule.
    fn rest(&self) -> String {
        let command = self.command.as_ref().map(|command| command.reveal().trim().to_owned()).unwrap_or_default();
        if self.file.is_some() { format!("{} {command}", self.user) } else { command }
    }

    /// The crontab, where the spool is this directory.
    fn path(&self, spool: &str) -> Option<AbsolutePath> {
        match &self.file {
            Some(file) if file.starts_with('/') => AbsolutePath::new(file),
            Some(file) => AbsolutePath::new(&format!("/etc/cron.d/{file}")),
            None => AbsolutePath::new(&format!("{spool}/{}", self.user)),
        }
    }

    fn table(&self, world: &dyn World) -> Result<Option<Table>, ObserveError> {
        let name = |name: &str| Account::Name(name.into());
        if self.file.is_some() {
            return Ok(self.path("").map(|path| Table { path, owner: name("root"), group: name("root"), mode: Mode(0o644) }));
        }
        match world.user(&self.user)? {
            Known::Is(Some(_)) => {}
            Known::Is(None) if self.state == State::Absent => return Ok(None),
            Known::Is(None) => return Err(filesystem::unknown_account("user", &self.user)),
            Known::Unknown(because) => return Err(ObserveError::Unknown { because }),
        }
        for (spool, group) in SPOOLS.into_iter().zip(["crontab", "root"]) {
            match world.exists(Path::new(spool))? {
                Known::Is(true) => {
                    let path = self.path(spool);
                    return Ok(path.map(|path| Table {
                        path,
                        owner: Account::Name(self.user.clone()),
                        group: name(group),
                        mode: Mode(0o600),
                    }));
                }
                Known::Is(false) => {}
                Known::Unknown(because) => return Err(ObserveError::Unknown { because }),
            }
        }
        if self.state == State::Absent {
            return Ok(None);
        }
        Err(ObserveError::Impossible {
            code: "no-cron",
            message: format!(
                "there is no cron on this machine: no directory {}, and nothing planned before brings it",
                SPOOLS[0]
            ),
            hint: "declare the package that brings it: package \"cron\"".into(),
        })
    }

    fn edited<'t>(&'t self, table: &'t Table) -> EditedFile<'t> {
        let is_present = self.state == State::Present;
        EditedFile {
            create: true,
            mode: is_present.then_some(table.mode),
            new_mode: table.mode,
            owner: is_present.then_some(&table.owner),
            group: is_present.then_some(&table.group),
            sensitive: self.command.as_ref().is_some_and(Guarded::is_sensitive)
                || self.environment.values().any(Guarded::is_sensitive),
            remove_empty: true,
            ..EditedFile::new(&table.path, is_present)
        }
    }

    /// The lines of the entry.
    fn entry(&self, ending: &[u8]) -> Vec<u8> {
        let job = format!("{} {}", self.schedule(), self.rest());
        let mut entry = vec![table::mark(&self.name)];
        entry.extend(self.environment.iter().map(|(name, value)| format!("{name}={}", quoted(&value.reveal().to_string()))));
        entry.push(if self.enabled { job } else { format!("# {job}") });
        entry.iter().flat_map(|line| lines::line(line.as_bytes(), ending)).collect()
    }

    /// The lines that are the entry's own now: its name, the variables below it and its job. A name may stand there twice.
    fn find(&self, all: &[(Line, Vec<u8>)]) -> Vec<(usize, usize)> {
        let is_named = |at: &usize| matches!(&all[*at].0, Line::Name(name) if **name == *self.name);
        let named: Vec<usize> = (0..all.len()).filter(is_named).collect();
        if named.is_empty() && self.state == State::Present {
            let is_same = |line: &Line| matches!(line, Line::Job { schedule, rest } if *schedule == self.schedule() && *rest == self.rest());
            let unnamed = |at: usize| at == 0 || !matches!(all[at - 1].0, Line::Name(_));
            return (0..all.len()).find(|at| is_same(&all[*at].0) && unnamed(*at)).map(|at| (at, at + 1)).into_iter().collect();
        }
        named.into_iter().map(|start| self.entry_at(all, start)).collect()
    }

    /// The lines of the entry whose name stands at `start`.
    fn entry_at(&self, all: &[(Line, Vec<u8>)], start: usize) -> (usize, usize) {
        let mut end = start + 1;
        while all.get(end).is_some_and(|(line, _)| *line == Line::Variable) {
            end += 1;
        }
        let is_job = all
            .get(end)
            .is_some_and(|(line, text)| matches!(line, Line::Job { .. }) || table::is_switched_off(text, self.file.is_some()));
        // Below a name without a job, the variables are somebody else's.
        (start, if is_job { end + 1 } else { start + 1 })
    }

    /// The crontab with the entry, or without it. `is_declared` says of a name whether another resource declares that entry.
    pub(crate) fn edit(&self, text: &[u8], is_declared: &dyn Fn(&str) -> bool) -> Edited {
        let all = table::read(text, self.file.is_some())?;
        let ending = lines::ending(text);
        let found = self.find(&all);
        let declared: Vec<(usize, usize)> = (0..all.len())
            .filter(|at| matches!(&all[*at].0, Line::Name(name) if self.purge && is_declared(name)))
            .map(|at| self.entry_at(&all, at))
            .collect();
        let is_kept = |at: usize| declared.iter().any(|(start, end)| (*start..*end).contains(&at));
        let mut new = (self.state == State::Present).then(|| self.entry(ending));
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for (at, (line, text)) in all.iter().enumerate() {
            if let Some((start, _)) = found.iter().find(|(start, end)| (*start..*end).contains(&at)) {
                parts.extend(new.take_if(|_| at == *start));
            } else if !self.purge || is_kept(at) || !matches!(line, Line::Job { .. } | Line::Name(_)) {
                parts.push(text.clone());
            }
        }
        // `crontab` takes comments at the head of a user's table for its own, and drops them when the user edits it.
        let is_own_table = self.file.is_none();
        if is_own_table && parts.is_empty() && new.is_some() {
            parts.push(ending.to_vec());
        }
        parts.extend(new);
        let mut edited = lines::join(parts.iter().map(Vec::as_slice), ending);
        if is_own_table && self.state == State::Absent && !found.is_empty() && edited.iter().all(u8::is_ascii_whitespace) {
            edited.clear();
        }
        Ok((edited != text).then_some(edited))
    }
}

/// What an entry of a crontab is called among everything that resources own.
fn own_name(table: &str, entry: &str) -> String {
    format!("cron:{table} {entry}")
}

/// A value as cron reads it: in quotes where it begins or ends with a blank or a quote.
fn quoted(value: &str) -> String {
    let is_plain = value.trim() == value && !value.is_empty() && !value.starts_with(['"', '\'']);
    match (is_plain, value.contains('"')) {
        (true, _) => value.to_owned(),
        (false, false) => format!("\"{value}\""),
        (false, true) => format!("'{value}'"),
    }
}

impl ResourceType for Cron {
    type Observed = ObservedCron;

    fn observe(&self, world: &dyn World) -> Result<ObservedCron, ObserveError> {
        let Some(table) = self.table(world)? else { return Ok(ObservedCron { table: None, edit: None }) };
        let place = self.path(SPOOLS[0]).map_or_else(String::new, |path| path.to_string());
        let is_declared = |name: &str| world.is_owned(&own_name(&place, name));
        let edit = self.edited(&table).observe(world, |text| self.edit(text, &is_declared))?;
        Ok(ObservedCron { table: Some(table), edit: Some(edit) })
    }

    fn diff(&self, observed: &ObservedCron) -> Difference {
        match (&observed.table, &observed.edit) {
            (Some(table), Some(edit)) => self.edited(table).diff(edit),
            _ => Difference::NONE,
        }
    }

    fn digest(&self, observed: &ObservedCron, hasher: &mut blake3::Hasher) -> bool {
        match (&observed.table, &observed.edit) {
            (Some(table), Some(edit)) => self.edited(table).digest(edit, hasher),
            _ => true,
        }
    }

    fn predict(&self, observed: &ObservedCron, difference: &Difference, effects: &mut Predicted<'_>) {
        if let (Some(table), Some(edit)) = (&observed.table, &observed.edit) {
            self.edited(table).predict(edit, difference, effects);
        }
    }

    fn apply(&self, observed: &ObservedCron, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        match (&observed.table, &observed.edit) {
            (Some(table), Some(edit)) => self.edited(table).apply(edit, machine),
            _ => Ok(Applied::Done),
        }
    }

    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&["user", "file"]))
    }
}
