//! The resource type `logrotate`.

use std::path::Path;
use std::sync::Arc;

use stead_catalog::{Command, Footprint, Place, Problem};
use stead_engine::{Applied, ApplyError, Difference, Known, Machine, ObserveError, Predicted, ResourceType, World};

use crate::problems::Problems;
use crate::resources::file::{File, ObservedFile};
use crate::values::{AbsolutePath, Account, FromLiteral as _, Guarded, Many, Mode, Size};
use crate::{Choice, Resource};

/// Where logrotate is.
const LOGROTATE: &str = "/usr/sbin/logrotate";

/// How log files are rotated: a file of its own in `/etc/logrotate.d`.
///
/// It is made of typed attributes, belongs to root, and is checked by `logrotate --debug` before it is put in place, on every
/// machine that has it. What is not said is what `/etc/logrotate.conf` says. Compares to Puppet's `logrotate::rule`,
/// Salt's `logrotate.set`, and templates in Ansible.
///
/// ```stead
/// logrotate "app" { paths = "/var/log/app/*.log", every = daily, keep = 14, compress = true, postrotate = "systemctl reload app" }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "logrotate",
    since = "0.1",
    aliases(
        path = "paths",
        log_file = "paths",
        rotate_every = "every",
        frequency = "every",
        rotate = "keep",
        rotate_count = "keep",
        missingok = "missing_ok",
        ifempty = "empty",
        notifempty = "empty",
        delaycompress = "delay_compress",
        copytruncate = "copy_truncate",
        sharedscripts = "shared_scripts",
        minsize = "min_size",
        maxsize = "max_size",
        maxage = "max_age",
        olddir = "old_directory",
        dateext = "date_suffix",
        dateformat = "date_format",
        create_mode = "new_mode",
        create_owner = "new_owner",
        create_group = "new_group",
        su_user = "su_owner",
        ensure = "state"
    )
)]
pub struct Logrotate {
    /// The name of the file in `/etc/logrotate.d`. Identifies the resource.
    #[key]
    pub name: Arc<str>,
    /// Whether the file is there.
    #[default(State::Present)]
    pub state: State,
    /// The log files: absolute paths, with `*` and `?`.
    pub paths: Many<Arc<str>>,
    /// How often.
    pub every: Option<Every>,
    /// How many old files are kept; 0 for none.
    pub keep: Option<u32>,
    /// A log is rotated as soon as it is larger, however old it is.
    pub size: Option<Size>,
    /// A log is rotated when its time has come and it is larger.
    pub min_size: Option<Size>,
    /// A log is rotated when it is larger, also before its time.
    pub max_size: Option<Size>,
    /// Old files go after so many days.
    pub max_age: Option<u32>,
    /// Old files are compressed.
    pub compress: Option<bool>,
    /// The last old file is compressed at the next rotation only.
    pub delay_compress: Option<bool>,
    /// A missing log is no error.
    pub missing_ok: Option<bool>,
    /// An empty log is rotated as well.
    pub empty: Option<bool>,
    /// The log is copied and cut, for programs that keep it open. What is written in between is lost.
    pub copy_truncate: Option<bool>,
    /// A new log is made after the rotation.
    pub create: Option<bool>,
    /// Permission bits of the new log.
    pub new_mode: Option<Mode>,
    /// Whom the new log belongs to.
    pub new_owner: Option<Arc<str>>,
    /// The new log's group.
    pub new_group: Option<Arc<str>>,
    /// As whom the files are rotated; needed where others than root may write the directory.
    pub su_owner: Option<Arc<str>>,
    /// As which group.
    pub su_group: Option<Arc<str>>,
    /// Old files have the date in their name.
    pub date_suffix: Option<bool>,
    /// How the date is written: `-%Y%m%d`.
    pub date_format: Option<Arc<str>>,
    /// Where old files are put.
    pub old_directory: Option<AbsolutePath>,
    /// Scripts run once for all logs of the list.
    pub shared_scripts: Option<bool>,
    /// Commands that run before each rotation.
    pub prerotate: Many<Arc<str>>,
    /// Commands that run after each rotation.
    pub postrotate: Many<Arc<str>>,
    /// Commands that run once before the first rotation.
    pub firstaction: Many<Arc<str>>,
    /// Commands that run once after the last rotation.
    pub lastaction: Many<Arc<str>>,
    /// Other lines of logrotate(8), as they are: `"compresscmd /usr/bin/zstd"`.
    pub directives: Vec<Arc<str>>,
    /// Permission bits of the file.
    #[default(0o644)]
    pub mode: Mode,
    /// Check the file by logrotate, where the machine has it.
    #[default(true)]
    pub validate: bool,
}

/// Whether the file is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The logs are rotated.
    Present,
    /// The file is not there.
    Absent,
}

/// How often a log is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum Every {
    /// Each hour, where logrotate itself runs as often.
    Hourly,
    /// Each day.
    Daily,
    /// Each week.
    Weekly,
    /// Each month.
    Monthly,
    /// Each year.
    Yearly,
}

impl Logrotate {
    fn path(&self) -> AbsolutePath {
        let path = AbsolutePath::new(&format!("/etc/logrotate.d/{}", self.name));
        path.unwrap_or_else(|| AbsolutePath::from_literal("/etc/logrotate.d/stead"))
    }

    fn footprint(&self) -> Footprint {
        let mut footprint = self.file(None).places();
        if self.state == State::Present {
            footprint.needs.extend([&self.new_owner, &self.su_owner].into_iter().flatten().map(|name| Place::user(name.clone())));
            footprint
                .needs
                .extend([&self.new_group, &self.su_group].into_iter().flatten().map(|name| Place::group(name.clone())));
        }
        footprint
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        // Those that logrotate skips (its `tabooext`), as far as people write them.
        let is_skipped = [".bak", ".dpkg-new", ".dpkg-old", ".orig", ".rpmsave", ".swp", "~", ".disabled", ".v"]
            .iter()
            .any(|end| self.name.ends_with(end));
        if self.name.is_empty() || self.name.contains(['/', '\0', '\n']) || self.name.starts_with('.') || is_skipped {
            problems.invalid(
                "name",
                format!("`{}` is no name of a file that logrotate reads", self.name.escape_debug()),
                "a plain name, such as that of the program",
            );
        }
        if self.mode.0 & 0o022 != 0 {
            problems.invalid("mode", "others could write the file, and logrotate would not read it", "0644");
        }
        if self.state == State::Absent {
            problems.of_absent("a file", &[(!self.paths.is_empty(), "paths"), (!self.directives.is_empty(), "directives")]);
            return problems.finish();
        }
        if self.paths.is_empty() {
            problems.missing("paths", "no log is named", "give `paths`, or set `state = absent`");
        }
        for path in self.paths.iter().filter(|path| !path.starts_with('/') || path.contains(['\n', '"', '\0', '{', '}'])) {
            problems.invalid(
                "paths",
                format!("`{}` is no path of a log", path.escape_debug()),
                "an absolute path, with `*` and `?`",
            );
        }
        if self.copy_truncate == Some(true) && self.create == Some(true) {
            problems.conflict(
                "create",
                Some("copy_truncate"),
                "a log that is copied and cut is not made anew",
                "keep one of the two",
            );
        }
        if self.new_mode.is_none() && (self.new_owner.is_some() || self.new_group.is_some()) {
            problems.missing("new_owner", "logrotate reads an owner only behind a mode", "give `new_mode`");
        }
        if self.new_group.is_some() && self.new_owner.is_none() {
            problems.missing("new_group", "logrotate reads a group only behind an owner", "give `new_owner`");
        }
        if self.su_owner.is_some() != self.su_group.is_some() {
            problems.missing(
                if self.su_owner.is_some() { "su_owner" } else { "su_group" },
                "`su` takes a user and a group",
                "give both",
            );
        }
        if self.create == Some(false) && self.new_mode.is_some() {
            problems.conflict("new_mode", Some("create"), "no new log is made", "take it away, or `create = false`");
        }
        for (attribute, words) in [
            ("new_owner", &self.new_owner),
            ("new_group", &self.new_group),
            ("su_owner", &self.su_owner),
            ("su_group", &self.su_group),
            ("date_format", &self.date_format),
        ] {
            if words.as_deref().is_some_and(|word| word.is_empty() || word.contains(char::is_whitespace)) {
                problems.invalid(attribute, format!("`{attribute}` is one word"), "take the blanks away");
            }
        }
        let scripts = [
            ("prerotate", &self.prerotate),
            ("postrotate", &self.postrotate),
            ("firstaction", &self.firstaction),
            ("lastaction", &self.lastaction),
        ];
        for (attribute, script) in scripts {
            if script.iter().any(|line| line.lines().any(|line| line.trim() == "endscript")) {
                problems.invalid(attribute, "`endscript` ends the script", "take the line away");
            }
        }
        for line in self.directives.iter().filter(|line| line.contains(['\n', '{', '}'])) {
            problems.invalid("directives", format!("`{}` is no line of its own", line.escape_debug()), "one directive a string");
        }
        problems.finish()
    }

    /// The file's text.
    fn text(&self) -> String {
        let path = |path: &Arc<str>| if path.contains(' ') { format!("\"{path}\"") } else { path.to_string() };
        let paths: Vec<String> = self.paths.iter().map(path).collect();
        let mut lines: Vec<String> = Vec::new();
        lines.extend(self.every.map(|every| every.name().to_owned()));
        lines.extend(self.keep.map(|keep| format!("rotate {keep}")));
        for (word, size) in [("size", self.size), ("minsize", self.min_size), ("maxsize", self.max_size)] {
            lines.extend(size.map(|size| format!("{word} {}", written(size))));
        }
        lines.extend(self.max_age.map(|days| format!("maxage {days}")));
        let switches = [
            (self.compress, "compress", "nocompress"),
            (self.delay_compress, "delaycompress", "nodelaycompress"),
            (self.missing_ok, "missingok", "nomissingok"),
            (self.empty, "ifempty", "notifempty"),
            (self.copy_truncate, "copytruncate", "nocopytruncate"),
            (self.date_suffix, "dateext", "nodateext"),
            (self.shared_scripts, "sharedscripts", "nosharedscripts"),
        ];
        lines.extend(switches.into_iter().filter_map(|(switch, on, off)| Some(if switch? { on } else { off }.to_owned())));
        lines.extend(self.date_format.as_ref().map(|format| format!("dateformat {format}")));
        match (self.create, self.new_mode) {
            (Some(false), _) => lines.push("nocreate".into()),
            (_, Some(mode)) => {
                let owner = self.new_owner.as_ref().map(|owner| format!(" {owner}")).unwrap_or_default();
                let group = self.new_group.as_ref().map(|group| format!(" {group}")).unwrap_or_default();
                lines.push(format!("create {mode:?}{owner}{group}"));
            }
            (Some(true), None) => lines.push("create".into()),
            (None, None) => {}
        }
        if let (Some(owner), Some(group)) = (&self.su_owner, &self.su_group) {
            lines.push(format!("su {owner} {group}"));
        }
        lines.extend(self.old_directory.as_ref().map(|directory| format!("olddir {directory}")));
        lines.extend(self.directives.iter().map(|line| line.trim().to_owned()));
        let scripts = [
            ("firstaction", &self.firstaction),
            ("prerotate", &self.prerotate),
            ("postrotate", &self.postrotate),
            ("lastaction", &self.lastaction),
        ];
        for (word, script) in scripts.into_iter().filter(|(_, script)| !script.is_empty()) {
            lines.push(word.to_owned());
            lines.extend(script.iter().flat_map(|part| part.lines()).map(|line| format!("    {}", line.trim_end())));
            lines.push("endscript".to_owned());
        }
        let body: String = lines.iter().map(|line| format!("    {line}\n")).collect();
        format!("{} {{\n{body}}}\n", paths.join("\n"))
    }

    fn file(&self, validate: Option<Command>) -> File {
        let content = Guarded::plain(self.text().into());
        File::of_form(
            self.path(),
            (self.state == State::Present).then_some(content),
            self.mode,
            Account::Name("root".into()),
            validate,
        )
    }

    /// The command that checks the file, where the machine has it.
    fn checker(&self, world: &dyn World) -> Result<Option<Command>, ObserveError> {
        let is_there = self.validate && self.state == State::Present && world.exists(Path::new(LOGROTATE))? == Known::Is(true);
        // A log that is not there yet is an error to it as well: only what it says of a line of the file is a mistake in the file.
        let line = format!("! {LOGROTATE} --debug --state /dev/null %s 2>&1 | grep -E '^(error|warning): [^ ]+:[0-9]+ '");
        Ok(is_there.then(|| Command::Shell(line.into())))
    }
}

/// A size as logrotate reads it.
fn written(size: Size) -> String {
    for (unit, bytes) in [("G", 1 << 30), ("M", 1 << 20), ("k", 1 << 10)] {
        if size.0 > 0 && size.0.is_multiple_of(bytes) {
            return format!("{}{unit}", size.0 / bytes);
        }
    }
    size.0.to_string()
}

impl ResourceType for Logrotate {
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
        Some(stead_engine::Removal::absent(&[]))
    }
}
