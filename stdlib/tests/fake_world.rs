//! A machine written down as text, one thing a line.
//!
//! ```text
//! as 1000:1000                                       # whom the engine works as; root when it is not said
//! /etc/motd       file 0644 root:root "hello\n"      # also: bytes 00ff, filler 2MiB
//! /srv/app        directory 0755 app:33
//! /srv/app.tar    archive "app/run" "#!/bin/sh\n" "app/doc/" "" "app/link" "-> run"   # names with what they hold
//! /srv/app.deb    deb app 2.1 amd64                  # a package, and no file of another kind
//! /current        symlink root:root -> releases/1
//! /dev/x          other
//! /root/x         denied                             # may not be looked at
//! /tmp/x          untrusted 1001                     # reached through a symlink that user 1001 planted
//! /var/x          unknown "package[\"x\"]"
//! user app 1000 app /srv/app /bin/sh groups=www,adm comment="…" password="…"
//! user gone 1002 gone / /bin/sh expires=20000        # days since 1970-01-01; also min_days, max_days, warn_days, inactive_days
//! user late pending                                  # its id is given out later
//! user maybe unknown "package[\"x\"]"
//! group www 33 members=app
//! package nginx 1.22 held broken                     # `-` for a version: removed, with config_files
//! forecast nginx 1.20 1.22 purge wish=nginx          # what the package manager would do; `-` for no version
//! unmet nginx "no such version"
//! refresh "the index is older than a day"
//! unit nginx.service active enabled reload stale
//! probe "test -e /x" 0                               # a command and its exit status
//! port 127.0.0.1:80                                  # something takes connections there
//! http http://127.0.0.1/ 200 "ok"                    # what a web server answers
//! query "ls-remote" 0 "…"                            # what a command with these words in it says
//! managed /etc/x                                     # by some other resource
//! tree                                               # what is looked at is the tree of `--root DIR`
//! ```
//!
//! Directories above a path are there, root's and 0755; so are a few that every machine has, some shells, and root itself.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_catalog::{Type, Value};
use stead_engine::net::{NoAnswer, Reply, Request};
use stead_engine::system::archive::Control;
use stead_engine::{
    ActiveState, Ages, EnableState, FileKind, Forecast, Group, Known, Look, ManagedPaths, ObserveError, Output, Owner,
    PackageChange, PackageState, PackageWish, Probe, ProbeOutcome, Stat, UnitState, User, World,
};

use crate::literal::{Reader, filler};

/// Shells that every machine has.
const SHELLS: [&str; 4] = ["/bin/sh", "/bin/bash", "/bin/false", "/usr/sbin/nologin"];

/// What is at a path.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// Something, with its content where it is a regular file.
    Present(Stat, Arc<[u8]>),
    /// A failure to look.
    Failing(ObserveError),
    /// Known later.
    Unknown(Arc<str>),
}

/// A machine in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeWorld {
    pub(crate) nodes: BTreeMap<PathBuf, Node>,
    users: BTreeMap<String, Known<User>>,
    groups: BTreeMap<String, Known<Group>>,
    passwords: BTreeMap<String, Arc<str>>,
    ages: BTreeMap<String, Ages>,
    packages: BTreeMap<String, PackageState>,
    debs: BTreeMap<PathBuf, Control>,
    forecast: Forecast,
    units: BTreeMap<String, UnitState>,
    probes: BTreeMap<String, i32>,
    managed: Vec<PathBuf>,
    ports: Vec<String>,
    http: BTreeMap<String, Reply>,
    queries: Vec<(String, Output)>,
    /// A question that the case did not foresee fails as on a machine, rather than the test.
    pub(crate) is_patient: bool,
    identity: (u32, u32),
    is_tree: bool,
}

impl FakeWorld {
    /// Reads a machine; panics where a line cannot be read, for a case is wrong then.
    pub(crate) fn parse(text: &str) -> Self {
        let mut world = Self::default();
        for path in ["/etc", "/etc/systemd/system", "/usr/local/bin", "/var/lib", "/srv", "/tmp", "/home", "/root"] {
            world.directory(Path::new(path));
        }
        world.line("user root 0 root /root /bin/bash");
        world.line("group root 0");
        for line in text.lines() {
            let line = without_comment(line).trim();
            if !line.is_empty() && !line.starts_with('#') {
                world.line(line);
            }
        }
        world
    }

    /// Puts a thing at a path, and directories above it.
    pub(crate) fn put(&mut self, path: &Path, node: Node) {
        if let Some(parent) = path.parent() {
            self.directory(parent);
        }
        self.nodes.insert(path.to_owned(), node);
    }

    fn directory(&mut self, path: &Path) {
        for above in path.ancestors() {
            let stat =
                Stat { kind: FileKind::Directory, mode: 0o755, uid: Owner::Id(0), gid: Owner::Id(0), size: 0, target: None };
            self.nodes.entry(above.to_owned()).or_insert_with(|| Node::Present(stat, Arc::default()));
        }
    }

    fn line(&mut self, line: &str) {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        let option = |name: &str| {
            let start = rest.find(&format!("{name}="))? + name.len() + 1;
            let value = &rest[start..];
            Some(if value.starts_with('"') {
                Reader::new(value).string()
            } else {
                value.split_whitespace().next().unwrap_or_default().to_owned()
            })
        };
        let list = |name: &str| -> Vec<Arc<str>> {
            option(name).map(|names| names.split(',').map(Arc::from).collect()).unwrap_or_default()
        };
        let flag = |name: &str| words.contains(&name);
        let version = |at: usize| words.get(at).filter(|word| **word != "-").map(|word| Arc::from(*word));
        match first {
            path if path.starts_with('/') => self.path(Path::new(path), rest.trim_start()),
            "as" => {
                let (uid, gid) = rest.split_once(':').expect("uid:gid");
                self.identity = (uid.parse().expect("a uid"), gid.parse().expect("a gid"));
            }
            "user" => {
                let name = words[0];
                let because = || Arc::from(Reader::new(&rest[rest.find('"').expect("a reason")..]).string());
                let user = match words[1] {
                    "unknown" => Known::Unknown(because()),
                    id => Known::Is(User {
                        name: name.into(),
                        uid: self.id(id, &format!("user[\"{name}\"]")),
                        gid: words.get(2).map_or(Known::Unknown(format!("user[\"{name}\"]").into()), |group| {
                            group.parse().map_or_else(|_| self.gid(group, id), Known::Is)
                        }),
                        group: words.get(2).map(|group| Arc::from(*group)),
                        comment: option("comment").unwrap_or_default().into(),
                        home: words.get(3).copied().unwrap_or("/").into(),
                        shell: words.get(4).copied().unwrap_or("/bin/sh").into(),
                        groups: list("groups"),
                    }),
                };
                if let Some(password) = option("password") {
                    self.passwords.insert(name.to_owned(), password.into());
                }
                let days = |name: &str| option(name).map(|days| days.parse().expect("days"));
                let ages = Ages {
                    min: days("min_days"),
                    max: days("max_days"),
                    warn: days("warn_days"),
                    inactive: days("inactive_days"),
                    expires: days("expires"),
                };
                self.ages.insert(name.to_owned(), ages);
                self.users.insert(name.to_owned(), user);
            }
            "group" => {
                let name = words[0];
                let gid = self.id(words[1], &format!("group[\"{name}\"]"));
                let group = match words[1] {
                    "unknown" => Known::Unknown(Reader::new(&rest[rest.find('"').expect("a reason")..]).string().into()),
                    _ => Known::Is(Group { name: name.into(), gid, members: list("members") }),
                };
                self.groups.insert(name.to_owned(), group);
            }
            "package" => {
                let state = PackageState {
                    version: version(1),
                    config_files: flag("config_files"),
                    held: flag("held"),
                    broken: flag("broken"),
                    provided_by: option("provided_by").map(Into::into),
                };
                self.packages.insert(words[0].to_owned(), state);
            }
            "forecast" => self.forecast.changes.push(PackageChange {
                name: words[0].into(),
                from: version(1),
                to: version(2),
                purge: flag("purge"),
                wish: option("wish").map(Into::into),
            }),
            "unmet" => self.forecast.unmet.push((words[0].into(), Reader::new(&rest[words[0].len()..]).string().into())),
            "refresh" => {
                self.forecast.refresh = Some(Reader::new(rest).string().into());
                self.forecast.unseen = Some("the package index is refreshed".into());
            }
            "unit" => self.unit_line(&words),
            "probe" => {
                let mut reader = Reader::new(rest);
                let command = reader.string();
                self.probes.insert(command, reader.word().parse().expect("an exit status"));
            }
            "tree" => self.is_tree = true,
            "port" => self.ports.push(rest.trim().to_owned()),
            "http" => {
                let mut reader = Reader::new(rest[words[0].len()..].trim_start());
                let status = reader.word().parse().expect("a status");
                let body = if reader.skip() { reader.string().into_bytes() } else { Vec::new() };
                let headers = vec![("content-length".into(), body.len().to_string().into())];
                self.http.insert(words[0].to_owned(), Reply { status, headers, body: body.into() });
            }
            "query" => {
                let mut reader = Reader::new(rest);
                let part = reader.string();
                let status = reader.word().parse().expect("an exit status");
                let text = reader.string().into_bytes();
                let output = Output { status, stdout: text.clone(), stderr: text };
                self.queries.push((part, output));
            }
            "managed" => self.managed.push(rest.trim().into()),
            _ => panic!("no line of a world: {line}"),
        }
    }

    fn unit_line(&mut self, words: &[&str]) {
        let active = match words[1] {
            "active" => ActiveState::Active,
            "activating" => ActiveState::Activating,
            "inactive" => ActiveState::Inactive,
            "failed" => ActiveState::Failed,
            "offline" => ActiveState::Offline,
            other => panic!("no state of a unit: {other}"),
        };
        let enabled = match words[2] {
            "enabled" => EnableState::Enabled,
            "disabled" => EnableState::Disabled,
            "static" => EnableState::Static,
            "runtime" => EnableState::Runtime,
            "masked" => EnableState::Masked,
            "indirect" => EnableState::Indirect,
            other => panic!("no state of a unit file: {other}"),
        };
        let state = UnitState {
            exists: true,
            active: Known::Is(active),
            enabled: Known::Is(enabled),
            can_reload: words.contains(&"reload"),
            needs_daemon_reload: words.contains(&"stale"),
        };
        self.units.insert(words[0].to_owned(), state);
    }

    fn path(&mut self, path: &Path, rest: &str) {
        let (kind, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let rest = rest.trim_start();
        let stat =
            |kind, mode, owner: (Owner, Owner), size, target| Stat { kind, mode, uid: owner.0, gid: owner.1, size, target };
        let node = match kind {
            "file" => {
                let (mode, rest) = mode(rest);
                let (owner, rest) = self.owner(rest);
                let content = match rest.split_once(' ') {
                    Some(("bytes", digits)) => (0..digits.len() / 2)
                        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("hexadecimal digits"))
                        .collect(),
                    Some(("filler", size)) => match Type::Size.admit(&Value::string(size), true) {
                        Ok(Value::Size(size)) => filler(size),
                        other => panic!("no size: {other:?}"),
                    },
                    _ if rest.is_empty() => Vec::new(),
                    _ => Reader::new(rest).string().into_bytes(),
                };
                Node::Present(stat(FileKind::File, mode, owner, content.len() as u64, None), content.into())
            }
            "archive" => {
                let content = archive(rest);
                let root = (Owner::Id(0), Owner::Id(0));
                Node::Present(stat(FileKind::File, 0o644, root, content.len() as u64, None), content.into())
            }
            "deb" => {
                let words: Vec<Arc<str>> = rest.split_whitespace().map(Arc::from).collect();
                let [name, version, architecture] = &words[..] else { panic!("a name, a version, an architecture") };
                let (name, version, architecture) = (name.clone(), version.clone(), architecture.clone());
                self.debs.insert(path.to_owned(), Control { name, version, architecture, later: None });
                let root = (Owner::Id(0), Owner::Id(0));
                Node::Present(stat(FileKind::File, 0o644, root, rest.len() as u64, None), rest.as_bytes().into())
            }
            "directory" => {
                let (mode, rest) = mode(rest);
                Node::Present(stat(FileKind::Directory, mode, self.owner(rest).0, 0, None), Arc::default())
            }
            "symlink" => {
                let (owner, target) = self.owner(rest);
                let target = target.strip_prefix("->").expect("an arrow").trim();
                Node::Present(stat(FileKind::Symlink, 0o777, owner, 0, Some(target.into())), Arc::default())
            }
            "other" => Node::Present(stat(FileKind::Other, 0o600, (Owner::Id(0), Owner::Id(0)), 0, None), Arc::default()),
            "denied" => Node::Failing(ObserveError::Permission { what: path.display().to_string() }),
            "untrusted" => {
                let owner = rest.parse().expect("a uid");
                Node::Failing(ObserveError::UntrustedSymlink { path: path.to_owned(), owner })
            }
            "unknown" => Node::Unknown(Reader::new(rest).string().into()),
            other => panic!("no kind of file: {other}"),
        };
        self.put(path, node);
    }

    /// Reads `user:group`, by name or id.
    fn owner<'l>(&self, rest: &'l str) -> ((Owner, Owner), &'l str) {
        let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let (user, group) = word.split_once(':').expect("user:group");
        let owner = |known: Known<u32>, name: &str| match known {
            Known::Is(id) => Owner::Id(id),
            Known::Unknown(_) => Owner::Pending(name.into()),
        };
        let uid = user.parse().map(Known::Is).unwrap_or_else(|_| match &self.users.get(user) {
            Some(Known::Is(found)) => found.uid.clone(),
            _ => panic!("name the user `{user}` before it is used"),
        });
        ((owner(uid, user), owner(self.gid(group, "0"), group)), rest.trim_start())
    }

    fn gid(&self, group: &str, otherwise: &str) -> Known<u32> {
        if let Ok(gid) = group.parse() {
            return Known::Is(gid);
        }
        match self.groups.get(group) {
            Some(Known::Is(found)) => found.gid.clone(),
            Some(Known::Unknown(because)) => Known::Unknown(because.clone()),
            None => otherwise.parse().map_or_else(|_| Known::Unknown(format!("group[\"{group}\"]").into()), Known::Is),
        }
    }

    fn id(&self, word: &str, because: &str) -> Known<u32> {
        word.parse().map_or_else(|_| Known::Unknown(because.into()), Known::Is)
    }

    /// Finds a path with the symlinks of its directories followed, as a machine does.
    fn find(&self, path: &Path) -> Look<Option<(PathBuf, &Node)>> {
        let mut at = PathBuf::from("/");
        let mut rest: Vec<OsString> = path.iter().rev().map(OsString::from).collect();
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == ".." {
                at.pop();
                continue;
            }
            if name == "." || name == "/" {
                continue;
            }
            at.push(name);
            match self.nodes.get(&at) {
                _ if rest.is_empty() => break,
                None => return Ok(Known::Is(None)),
                Some(Node::Failing(error)) => return Err(error.clone()),
                Some(Node::Unknown(because)) => return Ok(Known::Unknown(because.clone())),
                Some(Node::Present(stat, _)) if stat.kind == FileKind::Symlink => {
                    links += 1;
                    let message = "too many levels of symbolic links".to_owned();
                    if links > 40 {
                        return Err(ObserveError::Io { path: path.to_owned(), message });
                    }
                    let target = stat.target.clone().unwrap_or_default();
                    at.pop();
                    if target.is_absolute() {
                        at = PathBuf::from("/");
                    }
                    rest.extend(target.iter().filter(|name| *name != "/").map(OsString::from).rev());
                }
                Some(Node::Present(stat, _)) if stat.kind != FileKind::Directory => {
                    return Err(ObserveError::WrongKind { path: at, found: "a file", expected: "a directory" });
                }
                Some(Node::Present(..)) => {}
            }
        }
        match self.nodes.get(&at) {
            None => Ok(Known::Is(None)),
            Some(Node::Failing(error)) => Err(error.clone()),
            Some(Node::Unknown(because)) => Ok(Known::Unknown(because.clone())),
            Some(node) => Ok(Known::Is(Some((at, node)))),
        }
    }
}

/// A line without the comment behind it; a `#` in quotes begins none.
fn without_comment(line: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            '#' if !quoted && line[..at].ends_with(' ') && line[at + 1..].starts_with(' ') => return &line[..at],
            _ => {}
        }
    }
    line
}

fn mode(rest: &str) -> (u32, &str) {
    let (word, rest) = rest.split_once(' ').expect("a mode and an owner");
    (u32::from_str_radix(word, 8).expect("an octal mode"), rest.trim_start())
}

impl World for FakeWorld {
    fn stat(&self, path: &Path) -> Look<Option<Stat>> {
        Ok(self.find(path)?.map(|found| match found {
            Some((_, Node::Present(stat, _))) => Some(stat.clone()),
            _ if SHELLS.iter().any(|shell| Path::new(shell) == path) => {
                Some(Stat { kind: FileKind::File, mode: 0o755, uid: Owner::Id(0), gid: Owner::Id(0), size: 1, target: None })
            }
            _ => None,
        }))
    }

    fn read(&self, path: &Path) -> Look<Option<Arc<[u8]>>> {
        match self.find(path)? {
            Known::Is(Some((_, Node::Present(stat, content)))) if stat.kind == FileKind::File => {
                Ok(Known::Is(Some(content.clone())))
            }
            Known::Is(Some((path, _))) => {
                Err(ObserveError::WrongKind { path, found: "something else", expected: "a regular file" })
            }
            Known::Is(None) => Ok(Known::Is(None)),
            Known::Unknown(because) => Ok(Known::Unknown(because)),
        }
    }

    fn holds(&self, path: &Path, content: &[u8]) -> Look<bool> {
        Ok(self.read(path)?.map(|seen| seen.is_some_and(|seen| *seen == *content)))
    }

    fn digest(&self, path: &Path) -> Look<Option<([u8; 32], u64)>> {
        Ok(self.read(path)?.map(|seen| seen.map(|seen| (*blake3::hash(&seen).as_bytes(), seen.len() as u64))))
    }

    fn list(&self, path: &Path) -> Look<Option<Vec<(OsString, FileKind)>>> {
        let directory = match self.find(path)? {
            Known::Is(Some((at, Node::Present(stat, _)))) if stat.kind == FileKind::Directory => at,
            Known::Is(Some((path, _))) => {
                return Err(ObserveError::WrongKind { path, found: "no directory", expected: "a directory" });
            }
            Known::Is(None) => return Ok(Known::Is(None)),
            Known::Unknown(because) => return Ok(Known::Unknown(because)),
        };
        let mut entries = Vec::new();
        for (child, node) in &self.nodes {
            if child.parent() == Some(&directory) {
                let kind = match node {
                    Node::Present(stat, _) => stat.kind,
                    _ => FileKind::File,
                };
                entries.push((child.file_name().expect("a child has a name").to_owned(), kind));
            }
        }
        Ok(Known::Is(Some(entries)))
    }

    fn user(&self, name: &str) -> Look<Option<User>> {
        Ok(self.users.get(name).cloned().map_or(Known::Is(None), |user| user.map(Some)))
    }

    fn group(&self, name: &str) -> Look<Option<Group>> {
        Ok(self.groups.get(name).cloned().map_or(Known::Is(None), |group| group.map(Some)))
    }

    fn user_name(&self, uid: u32) -> Option<Arc<str>> {
        let mut users = self.users.values().filter_map(Known::value);
        users.find(|user| user.uid == Known::Is(uid)).map(|user| user.name.clone())
    }

    fn group_name(&self, gid: u32) -> Option<Arc<str>> {
        let mut groups = self.groups.values().filter_map(Known::value);
        groups.find(|group| group.gid == Known::Is(gid)).map(|group| group.name.clone())
    }

    fn password_hash(&self, user: &str) -> Look<Option<Arc<str>>> {
        if self.identity.0 != 0 {
            return Err(ObserveError::Permission { what: "the shadow database".into() });
        }
        Ok(Known::Is(self.passwords.get(user).cloned()))
    }

    fn account_ages(&self, user: &str) -> Look<Ages> {
        Ok(Known::Is(self.ages.get(user).copied().unwrap_or_default()))
    }

    fn package(&self, name: &str) -> Look<PackageState> {
        Ok(Known::Is(self.packages.get(name).cloned().unwrap_or_default()))
    }

    fn forecast(&self, _: &[PackageWish]) -> Look<Forecast> {
        Ok(Known::Is(self.forecast.clone()))
    }

    fn package_file(&self, path: &Path) -> Look<Option<Control>> {
        match self.read(path)? {
            Known::Is(None) => Ok(Known::Is(None)),
            Known::Unknown(because) => Ok(Known::Unknown(because)),
            Known::Is(Some(_)) => match self.debs.get(path) {
                Some(control) => Ok(Known::Is(Some(control.clone()))),
                None => Err(ObserveError::Impossible {
                    code: "not-a-package",
                    message: format!("{} is not a package archive: its first bytes are others", path.display()),
                    hint: "look at it with `dpkg-deb --info`, and bring it again with a checksum".into(),
                }),
            },
        }
    }

    fn unit(&self, name: &str) -> Look<UnitState> {
        let absent = UnitState {
            exists: false,
            active: Known::Is(ActiveState::Inactive),
            enabled: Known::Is(EnableState::Disabled),
            can_reload: false,
            needs_daemon_reload: false,
        };
        Ok(Known::Is(self.units.get(name).cloned().unwrap_or(absent)))
    }

    fn probe(&self, probe: &Probe) -> Look<ProbeOutcome> {
        match self.probes.get(&probe.command.to_string()) {
            Some(status) => Ok(Known::Is(ProbeOutcome { success: *status == 0, status: *status })),
            None => Err(ObserveError::Unavailable { service: "probe", message: format!("no answer for `{}`", probe.command) }),
        }
    }

    fn connects(&self, host: &str, port: u16, _: std::time::Duration) -> Look<Result<(), NoAnswer>> {
        let is_open = self.ports.contains(&format!("{host}:{port}"));
        Ok(Known::Is(if is_open { Ok(()) } else { Err(NoAnswer("connection refused".into())) }))
    }

    fn fetch(&self, request: &Request, most: u64) -> Look<Result<Reply, NoAnswer>> {
        Ok(Known::Is(match self.http.get(&*request.url) {
            Some(reply) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX).min(reply.body.len());
                Ok(Reply { body: reply.body[..most].into(), ..reply.clone() })
            }
            None => Err(NoAnswer("connection refused".into())),
        }))
    }

    fn query(&self, probe: &Probe) -> Look<Output> {
        let command = probe.command.to_string();
        let found = self.queries.iter().find(|(part, _)| command.contains(part));
        match found {
            Some((_, output)) => Ok(Known::Is(output.clone())),
            None if self.is_patient => {
                Err(ObserveError::Unavailable { service: "a tool", message: format!("nobody answers {command}") })
            }
            None => panic!("nobody answers {command}"),
        }
    }

    fn is_managed(&self, path: &Path) -> bool {
        self.managed.iter().cloned().collect::<ManagedPaths>().covers(path)
    }

    fn is_declared(&self, path: &Path) -> bool {
        self.managed.iter().any(|managed| managed == path)
    }

    fn is_live(&self) -> bool {
        !self.is_tree
    }

    fn identity(&self) -> (u32, u32) {
        self.identity
    }
}

/// A tar of names with what they hold: `dir/`, `-> target`, content; what has `bin/` in its name may be run.
fn archive(pairs: &str) -> Vec<u8> {
    let mut reader = Reader::new(pairs);
    let mut builder = tar::Builder::new(Vec::new());
    while reader.skip() {
        let (name, content) = (reader.string(), reader.string());
        let mut header = tar::Header::new_gnu();
        header.set_uid(1000);
        header.set_gid(1000);
        let (kind, mode, link, bytes) = match content.strip_prefix("-> ") {
            Some(target) => (tar::EntryType::Symlink, 0o777, target, &b""[..]),
            None if name.ends_with('/') => (tar::EntryType::Directory, 0o755, "", &b""[..]),
            None => (tar::EntryType::Regular, if name.contains("bin/") { 0o755 } else { 0o644 }, "", content.as_bytes()),
        };
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        // Names that the library would refuse to write are put in by hand.
        let raw = header.as_mut_bytes();
        raw[..name.len()].copy_from_slice(name.as_bytes());
        raw[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        builder.append(&header, bytes).expect("memory can be written to");
    }
    builder.into_inner().expect("memory can be written to")
}
