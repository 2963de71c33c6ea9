//! User accounts and groups: read from the local files, changed by the system's own tools.
//!
//! What is managed is what stands in passwd, group and shadow. A name or id that is not there is asked of `getent`
//! only where nsswitch.conf names a source besides the files, so that a file can belong to an account of a directory service.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stead_catalog::Command;

use super::asking::Asking;
use super::kept::Kept;
use super::tree;
use crate::failure::PERMISSION_HINT;
use crate::{ApplyError, Group, Known, Machine, ObserveError, Run, User};

/// How long a lock that another process holds on the account files is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// The account databases of a system, read once and kept until something changes them.
#[derive(Debug)]
pub struct Accounts {
    root: PathBuf,
    database: Kept<Database>,
    /// The shadow database by user name.
    shadow: Kept<HashMap<Box<str>, Shadow>>,
    pub(super) asking: Asking,
    /// The name service has not answered: it is not waited for once more.
    is_silent: AtomicBool,
}

/// Longest time the name service may take for one name.
const NAME_SERVICE: Duration = Duration::from_secs(30);

/// One line of the shadow database.
#[derive(Clone, PartialEq, Eq)]
pub struct Shadow {
    /// The password field: a hash, `*`, `!`, or a hash behind a `!` when the account is locked.
    pub hash: Arc<str>,
    /// How old the password and the account may become.
    pub ages: Ages,
}

/// How old a password and an account may become (shadow(5)), in days; `None` where there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ages {
    /// So old a password is before it may be changed.
    pub min: Option<i64>,
    /// So old a password becomes at most.
    pub max: Option<i64>,
    /// So long before that its user is warned.
    pub warn: Option<i64>,
    /// So long after that it can still be changed by logging in.
    pub inactive: Option<i64>,
    /// The day the account expires, in days since 1970-01-01.
    pub expires: Option<i64>,
}

/// Leaves the hash out, so that an entry can be logged without care.
impl std::fmt::Debug for Shadow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shadow").field("ages", &self.ages).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Database {
    users: HashMap<Box<str>, User>,
    groups: HashMap<Box<str>, Group>,
    user_names: HashMap<u32, Arc<str>>,
    group_names: HashMap<u32, Arc<str>>,
    /// nsswitch.conf names a source that only `getent` can ask.
    directory: bool,
}

/// A tool that changes the account databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Creates a user.
    UserAdd,
    /// Changes a user.
    UserMod,
    /// Removes a user.
    UserDel,
    /// Creates a group.
    GroupAdd,
    /// Changes a group.
    GroupMod,
    /// Removes a group.
    GroupDel,
    /// Sets the members of a group.
    GroupMembers,
    /// Sets how old a password may become.
    Age,
}

impl Tool {
    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserAdd => "useradd",
            Self::UserMod => "usermod",
            Self::UserDel => "userdel",
            Self::GroupAdd => "groupadd",
            Self::GroupMod => "groupmod",
            Self::GroupDel => "groupdel",
            Self::GroupMembers => "gpasswd",
            Self::Age => "chage",
        }
    }
}

impl Accounts {
    /// The accounts of the system at `root`. Reads nothing yet.
    pub fn new(root: &Path) -> Self {
        let (database, shadow, is_silent) = Default::default();
        Self { root: root.to_owned(), database, shadow, asking: Asking::new(root), is_silent }
    }

    /// Returns a user account by name.
    ///
    /// # Errors
    /// When the account files cannot be read.
    pub fn user(&self, name: &str) -> Result<Option<User>, ObserveError> {
        let database = self.database()?;
        if let Some(user) = database.users.get(name) {
            return Ok(Some(user.clone()));
        }
        Ok(self.ask(&database, "passwd", name)?.and_then(|line| parse_user(&line)))
    }

    /// Returns a group by name.
    ///
    /// # Errors
    /// When the account files cannot be read.
    pub fn group(&self, name: &str) -> Result<Option<Group>, ObserveError> {
        let database = self.database()?;
        if let Some(group) = database.groups.get(name) {
            return Ok(Some(group.clone()));
        }
        Ok(self.ask(&database, "group", name)?.and_then(|line| parse_group(&line)))
    }

    /// Returns the name of a user id, where it has one.
    pub fn user_name(&self, uid: u32) -> Option<Arc<str>> {
        let database = self.database().ok()?;
        let local = database.user_names.get(&uid).cloned();
        local.or_else(|| {
            let line = self.ask(&database, "passwd", &uid.to_string()).ok()??;
            parse_user(&line).map(|user| user.name)
        })
    }

    /// Returns the name of a group id, where it has one.
    pub fn group_name(&self, gid: u32) -> Option<Arc<str>> {
        let database = self.database().ok()?;
        let local = database.group_names.get(&gid).cloned();
        local.or_else(|| {
            let line = self.ask(&database, "group", &gid.to_string()).ok()??;
            parse_group(&line).map(|group| group.name)
        })
    }

    /// Returns a user's password field; `None` when the shadow database has no such user.
    ///
    /// # Errors
    /// [`ObserveError::Permission`] when this user may not read it.
    pub fn password_hash(&self, user: &str) -> Result<Option<Arc<str>>, ObserveError> {
        Ok(self.shadow(user)?.map(|shadow| shadow.hash))
    }

    /// Returns a user's line of the shadow database.
    ///
    /// # Errors
    /// [`ObserveError::Permission`] when this user may not read it.
    pub fn shadow(&self, user: &str) -> Result<Option<Shadow>, ObserveError> {
        let read = || {
            let content = self.file("/etc/shadow").map_err(|error| match error {
                ObserveError::Permission { .. } => ObserveError::Permission { what: "the shadow database".into() },
                other => other,
            })?;
            Ok(parse_shadow(&content).map(|(name, shadow)| (name.into(), shadow)).collect())
        };
        Ok(self.shadow.get(read)?.get(user).cloned())
    }

    /// Forgets what was read.
    pub fn forget(&self) {
        self.database.forget();
        self.shadow.forget();
    }

    /// Runs one of the account tools (those of the tree, when it is one), waiting for a lock that another process holds.
    ///
    /// # Errors
    /// The tool's own failure, with the code of what the user can mend: `uid-in-use`, `unknown-group`, `group-in-use`.
    pub fn change(&self, machine: &Machine, tool: Tool, arguments: &[&str]) -> Result<(), ApplyError> {
        let mut argv = vec![tool.name()];
        argv.extend(arguments);
        let command = Command::Argv(argv.into_iter().map(Arc::from).collect());
        self.run(machine, tool.name(), command, None).map_err(|failed| match failed {
            Failed::Run(error) => error,
            Failed::Status(status, said) => explain(tool, status, &said, arguments.last().copied().unwrap_or_default()),
        })
    }

    /// Sets a user's password field as it will stand in the shadow database. It is handed over on standard input.
    ///
    /// # Errors
    /// The tool's own failure.
    pub fn set_password(&self, machine: &Machine, user: &str, hash: &str) -> Result<(), ApplyError> {
        let command = Command::Argv(vec!["chpasswd".into(), "-e".into()]);
        self.run(machine, "chpasswd", command, Some((format!("{user}:{hash}\n"), hash))).map_err(|failed| match failed {
            Failed::Run(error) => error,
            Failed::Status(_, said) => ApplyError::Service { service: "chpasswd", message: said },
        })
    }

    fn run(&self, machine: &Machine, tool: &str, command: Command, stdin: Option<(String, &str)>) -> Result<(), Failed> {
        let run = Run {
            command,
            user: None,
            cwd: None,
            env: vec![("LC_ALL".into(), "C".into())],
            timeout: Some(Duration::from_secs(120)),
            secrets: stdin.iter().map(|(_, secret)| Arc::from(*secret)).collect(),
            stdin: stdin.map(|(text, _)| Arc::from(text.into_bytes())),
            umask: None,
        };
        let begun = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            let output = machine.run(&run);
            self.forget();
            let output = output.map_err(Failed::Run)?;
            if output.status == 0 {
                return Ok(());
            }
            let said = spoken(tool, &output.stderr, &run.secrets);
            let locked = said.contains("try again later") || said.contains("cannot lock") || said.contains("existing lock file");
            if !locked || said.contains("Permission denied") || begun.elapsed() > LOCK_PATIENCE {
                return Err(Failed::Status(output.status, said));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    fn database(&self) -> Result<Arc<Database>, ObserveError> {
        self.database.get(|| {
            let nsswitch = tree::read(&self.root, "/etc/nsswitch.conf").ok().flatten().unwrap_or_default();
            let directory = self.root == Path::new("/") && names_directory(&nsswitch);
            Database::parse(&self.file("/etc/passwd")?, &self.file("/etc/group")?, directory)
        })
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, ObserveError> {
        match tree::read(&self.root, path) {
            Ok(content) => Ok(content.unwrap_or_default()),
            Err(error) => Err(ObserveError::io(path, &error)),
        }
    }

    /// Asks the name service for one line; nothing where there is only the files.
    fn ask(&self, database: &Database, map: &str, key: &str) -> Result<Option<String>, ObserveError> {
        if !database.directory || key.is_empty() || key.starts_with('-') {
            return Ok(None);
        }
        let limit = if self.is_silent.load(Ordering::Relaxed) { Duration::from_secs(1) } else { NAME_SERVICE };
        match self.asking.ask("the name service", &["getent", map, key], None, limit) {
            Ok(output) if output.status == 0 => {
                self.is_silent.store(false, Ordering::Relaxed);
                Ok(String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned))
            }
            Err(error @ ObserveError::Impossible { .. }) => {
                self.is_silent.store(true, Ordering::Relaxed);
                Err(error)
            }
            // It knows no such name, or there is no such program.
            Ok(_) | Err(_) => Ok(None),
        }
    }
}

enum Failed {
    Run(ApplyError),
    Status(i32, String),
}

impl Database {
    /// Reads both files. A line that is damaged is an error: the tools that change the files would lose or misread it.
    fn parse(passwd: &[u8], group: &[u8], directory: bool) -> Result<Self, ObserveError> {
        let mut database = Self { directory, ..Self::default() };
        for group in lines_of("/etc/group", group, parse_group, "name:password:number:members", "vigr")? {
            if let Known::Is(gid) = group.gid {
                database.group_names.entry(gid).or_insert_with(|| group.name.clone());
            }
            database.groups.entry((&*group.name).into()).or_insert(group);
        }
        let form = "name:password:number:number:comment:home:shell";
        for mut user in lines_of("/etc/passwd", passwd, parse_user, form, "vipw")? {
            if let Known::Is(gid) = user.gid {
                user.group = database.group_names.get(&gid).cloned();
            }
            if let Known::Is(uid) = user.uid {
                database.user_names.entry(uid).or_insert_with(|| user.name.clone());
            }
            database.users.entry((&*user.name).into()).or_insert(user);
        }
        let mut names: Vec<_> = database.groups.keys().cloned().collect();
        names.sort_unstable();
        for name in names {
            let group = &database.groups[&name];
            for member in &group.members {
                if let Some(user) = database.users.get_mut(&**member) {
                    user.groups.push(group.name.clone());
                }
            }
        }
        Ok(database)
    }
}

/// Reads every line of an account file, but those that are no account's: empty ones, comments, NIS's `+` and `-`.
fn lines_of<T>(
    path: &str,
    content: &[u8],
    parse: impl Fn(&str) -> Option<T>,
    form: &str,
    editor: &str,
) -> Result<Vec<T>, ObserveError> {
    let text = String::from_utf8_lossy(content);
    let accounts = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty() && !line.starts_with(['+', '-', '#']));
    let read = |(number, line): (usize, &str)| {
        parse(line).filter(|_| !line.contains('\0')).ok_or_else(|| ObserveError::Impossible {
            code: "malformed-file",
            message: format!("{path}:{number}: the line is damaged, expected `{form}`"),
            hint: format!(
                "mend it with `{editor}`; `{}` finds all that is wrong",
                if editor == "vipw" { "pwck -r" } else { "grpck -r" }
            ),
        })
    };
    accounts.map(read).collect()
}

/// Reads a line of passwd; `None` for a line of another form (NIS's `+`, a comment).
fn parse_user(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let (name, _password) = (fields.next()?, fields.next()?);
    let (uid, gid) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let (comment, home, shell) = (fields.next()?, fields.next()?, fields.next()?);
    if name.is_empty() || name.starts_with(['+', '-', '#']) {
        return None;
    }
    Some(User {
        name: name.into(),
        uid: Known::Is(uid),
        gid: Known::Is(gid),
        group: None,
        comment: comment.into(),
        home: home.into(),
        shell: shell.into(),
        groups: Vec::new(),
    })
}

/// Reads a line of group.
fn parse_group(line: &str) -> Option<Group> {
    let mut fields = line.split(':');
    let (name, _password) = (fields.next()?, fields.next()?);
    let gid = fields.next()?.parse().ok()?;
    if name.is_empty() || name.starts_with(['+', '-', '#']) {
        return None;
    }
    let mut members: Vec<Arc<str>> = fields.next()?.split(',').filter(|member| !member.is_empty()).map(Arc::from).collect();
    members.sort_unstable();
    members.dedup();
    Some(Group { name: name.into(), gid: Known::Is(gid), members })
}

/// Reads the shadow database, line by line.
pub fn parse_shadow(content: &[u8]) -> impl Iterator<Item = (&str, Shadow)> {
    content.split(|byte| *byte == b'\n').filter_map(|line| {
        let line = std::str::from_utf8(line).ok()?;
        let mut fields = line.split(':');
        let (name, hash) = (fields.next()?, fields.next()?);
        // After the day of the last change.
        let mut days = fields.skip(1).map(|days| days.parse().ok());
        let mut next = || days.next().flatten();
        let ages = Ages { min: next(), max: next(), warn: next(), inactive: next(), expires: next() };
        (!name.is_empty()).then(|| (name, Shadow { hash: hash.into(), ages }))
    })
}

/// Says whether nsswitch.conf names a source of accounts besides the local files.
fn names_directory(nsswitch: &[u8]) -> bool {
    String::from_utf8_lossy(nsswitch).lines().any(|line| {
        let line = line.split('#').next().unwrap_or_default();
        line.split_once(':').is_some_and(|(map, sources)| {
            let other = |source: &str| !matches!(source, "files" | "compat" | "systemd" | "db") && !source.starts_with('[');
            matches!(map.trim(), "passwd" | "group") && sources.split_whitespace().any(other)
        })
    })
}

/// What a tool wrote, without its own name and without secrets.
fn spoken(tool: &str, stderr: &[u8], secrets: &[Arc<str>]) -> String {
    let mut text = String::from_utf8_lossy(stderr).trim().replace(&format!("{tool}: "), "");
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(&**secret, "(sensitive)");
    }
    text
}

/// Turns a tool's exit status into what the user can do about it.
fn explain(tool: Tool, status: i32, said: &str, name: &str) -> ApplyError {
    let impossible = |code, hint: &str| {
        ApplyError::Observe(ObserveError::Impossible { code, message: format!("{}: {said}", tool.name()), hint: hint.to_owned() })
    };
    let user = matches!(tool, Tool::UserAdd | Tool::UserMod | Tool::UserDel);
    match (tool, status) {
        // Who may not write beside the databases cannot lock them either.
        (_, 1 | 10) if said.contains("Permission denied") => impossible("permission-denied", PERMISSION_HINT),
        (_, 1 | 10) if said.contains("try again later") || said.contains("cannot lock") => impossible(
            "accounts-locked",
            "another program holds the account files; remove /etc/passwd.lock or /etc/group.lock if none is running",
        ),
        (Tool::UserAdd | Tool::UserMod, 4) => impossible("uid-in-use", "choose another `uid`, or leave it out"),
        (Tool::GroupAdd | Tool::GroupMod, 4) => impossible("gid-in-use", "choose another `gid`, or leave it out"),
        (Tool::UserAdd | Tool::UserMod, 6) => impossible("unknown-group", "declare the group: `group \"NAME\"`"),
        (Tool::UserDel | Tool::UserMod, 8) => {
            impossible("user-logged-in", &format!("end the processes of `{name}` first: loginctl terminate-user {name}"))
        }
        (Tool::GroupDel, 8) => impossible("group-in-use", "give its users another primary group first, or remove them"),
        (_, 3) => impossible(
            if user { "invalid-user" } else { "invalid-group" },
            "a name starts with a lower-case letter or `_` and goes on with letters, digits, `_` and `-`",
        ),
        (_, 12) => impossible("home-failed", "look at the path and the permissions of the home directory and its parent"),
        _ => {
            let message = if said.is_empty() { format!("ended with exit status {status}") } else { said.to_owned() };
            ApplyError::Service { service: tool.name(), message }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Database {
        let passwd = b"root:x:0:0:root:/root:/bin/bash\nweb:x:998:33:Web,,,:/srv/web:/usr/sbin/nologin\n+::::::\n# x\n\n";
        let group = b"root:x:0:\nwww-data:x:33:web,root,web\nadm:x:4:web\n+\n";
        Database::parse(passwd, group, false).unwrap()
    }

    #[test]
    fn a_user_has_its_groups() {
        let database = database();
        let web = &database.users["web"];
        assert_eq!(web.groups, ["adm".into(), Arc::<str>::from("www-data")]);
        assert_eq!(web.group.as_deref(), Some("www-data"));
        assert_eq!((&*web.comment, &*web.home, &*web.shell), ("Web,,,", "/srv/web", "/usr/sbin/nologin"));
        assert_eq!(database.groups["www-data"].members, ["root".into(), Arc::<str>::from("web")]);
    }

    #[test]
    fn lines_of_another_form_are_passed_over() {
        let database = database();
        assert_eq!((database.users.len(), database.groups.len()), (2, 3));
    }

    #[test]
    fn a_damaged_line_is_told_with_its_place() {
        let good: (&[u8], &[u8]) = (b"root:x:0:0:root:/root:/bin/sh\n", b"root:x:0:\n");
        let said = |passwd: &[u8], group: &[u8]| {
            let error = Database::parse(passwd, group, false).unwrap_err();
            assert_eq!(error.code(), "malformed-file");
            error.to_string().split(": ").next().unwrap_or_default().to_owned()
        };
        assert_eq!(said(b"root:x:0:0:root:/root:/bin/sh\nshort:x:1\n", good.1), "/etc/passwd:2");
        assert_eq!(said(b"a:x:one:0::/:/bin/sh\n", good.1), "/etc/passwd:1");
        assert_eq!(said(b"\0\0\0\0\n", good.1), "/etc/passwd:1");
        assert_eq!(said(b"a\0:x:1:0::/:/bin/sh\n", good.1), "/etc/passwd:1");
        assert_eq!(said(good.0, b"root:x:0:\n\nghost:x:notanumber:\n"), "/etc/group:3");
    }

    #[test]
    fn shadow_lines_never_show_the_hash() {
        let lines: Vec<_> = parse_shadow(b"a:$6$x:19000:0:99999:7::20000:\nb:!:19000::::::\n").collect();
        let ages = Ages { min: Some(0), max: Some(99999), warn: Some(7), inactive: None, expires: Some(20000) };
        assert_eq!((&*lines[0].1.hash, lines[0].1.ages, lines[1].1.ages), ("$6$x", ages, Ages::default()));
        assert!(!format!("{lines:?}").contains("$6$"));
    }

    #[test]
    fn only_other_sources_are_asked() {
        assert!(!names_directory(b"passwd: files systemd\ngroup: files [SUCCESS=merge] systemd\nhosts: dns\n"));
        assert!(names_directory(b"passwd:\tfiles sss # directory\n"));
    }

    #[test]
    fn exit_statuses_have_codes() {
        for (tool, status, said, code) in [
            (Tool::UserAdd, 4, "UID 0 is not unique", "uid-in-use"),
            (Tool::UserAdd, 6, "group 'x' does not exist", "unknown-group"),
            (Tool::GroupDel, 8, "cannot remove the primary group of user 'x'", "group-in-use"),
            (Tool::UserMod, 8, "user x is currently used by process 1", "user-logged-in"),
            (Tool::GroupAdd, 10, "cannot lock /etc/group; try again later.", "accounts-locked"),
            (Tool::UserAdd, 1, "Permission denied.", "permission-denied"),
            (Tool::UserAdd, 1, "Permission denied.\ncannot lock /etc/passwd; try again later.", "permission-denied"),
            (Tool::UserAdd, 99, "", "service-failed"),
        ] {
            assert_eq!(explain(tool, status, said, "x").code(), code, "{tool:?} {status}");
        }
        // Debian's groupadd takes every name that a catalog may have; others do not.
        let error = explain(Tool::GroupAdd, 3, "'a.long.name.of.a.group' is not a valid group name", "x");
        let shown = format!("\nerror[invalid-group]: {error}\nhint: {}\n", error.hint().unwrap());
        assert!(include_str!("../../../stdlib/errors/invalid-group.md").contains(&shown), "{shown}");
    }
}
