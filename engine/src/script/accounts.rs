//! Commands that make accounts.

use std::path::Path;
use std::sync::Arc;

use super::commands::Arguments;
use super::run::{Interpreter, Status, made};
use super::words::Field;
use crate::{FileKind, Group, Known, Owner, User, World};

/// Where systemd-sysusers looks, first found first.
const SYSUSERS: [&str; 3] = ["/etc/sysusers.d", "/run/sysusers.d", "/usr/lib/sysusers.d"];

/// An account to be made.
#[derive(Default)]
struct Wanted<'w> {
    name: &'w str,
    uid: Option<u32>,
    /// Name or number of the primary group; one of its own when `None`.
    group: Option<&'w str>,
    gid: Option<u32>,
    comment: &'w str,
    home: &'w str,
    shell: &'w str,
    groups: Vec<&'w str>,
    makes_home: bool,
}

impl Interpreter<'_, '_> {
    pub(super) fn account(&mut self, tool: &str, fields: &[Field]) -> Status {
        const ADDUSER: [&str; 12] = [
            "--home",
            "--shell",
            "--uid",
            "--gid",
            "--ingroup",
            "--gecos",
            "--comment",
            "--conf",
            "--firstuid",
            "--lastuid",
            "--firstgid",
            "--lastgid",
        ];
        const USERADD: [&str; 24] = [
            "-d",
            "--home-dir",
            "--home",
            "-s",
            "--shell",
            "-u",
            "--uid",
            "-g",
            "--gid",
            "-G",
            "--groups",
            "-c",
            "--comment",
            "-b",
            "--base-dir",
            "-e",
            "--expiredate",
            "-f",
            "--inactive",
            "-k",
            "--skel",
            "-K",
            "-p",
            "--password",
        ];
        let valued: &[&str] = match tool {
            "adduser" | "addgroup" | "deluser" | "delgroup" => &ADDUSER,
            "gpasswd" => &["-a", "--add", "-d", "--delete"],
            "systemd-sysusers" => &[],
            _ => &USERADD,
        };
        let Some(arguments) = Arguments::of(fields, valued) else { return self.not_understood(fields) };
        match (tool, arguments.operands.as_slice()) {
            ("adduser", [user, group]) | ("addgroup", [user, group]) => self.join(user, group),
            ("gpasswd", [group]) if arguments.value(&["-a", "--add"]).is_some() => {
                self.join(arguments.value(&["-a", "--add"]).unwrap_or_default(), group);
            }
            ("adduser", [name]) if arguments.has(&["--system"]) => self.adduser(name, &arguments),
            ("addgroup", [name]) | ("groupadd", [name]) => {
                let gid = arguments.value(&["--gid", "-g"]).map(str::parse::<u32>);
                match gid {
                    Some(Err(_)) => return self.not_understood(fields),
                    gid => self.make_group(name, gid.and_then(Result::ok)),
                }
            }
            ("useradd", [name]) => {
                if !self.useradd(name, &arguments) {
                    return self.not_understood(fields);
                }
            }
            ("usermod", [name]) => {
                let groups = arguments.value(&["-G", "--groups", "-aG"]);
                let only_joins =
                    arguments.options.iter().all(|(option, _)| ["-a", "--append", "-G", "--groups", "-aG"].contains(option));
                match groups {
                    Some(groups) if only_joins => {
                        for group in groups.split(',') {
                            self.join(name, group);
                        }
                    }
                    // `-aG` is two options in one word, and its value stands behind as an operand.
                    _ => return self.not_understood(fields),
                }
            }
            ("usermod", [groups, name]) if arguments.has(&["-aG"]) => {
                for group in groups.split(',') {
                    self.join(name, group);
                }
            }
            ("deluser" | "userdel", [name]) => self.lose_user(name),
            ("delgroup" | "groupdel", [name]) => self.lose_group(name),
            ("systemd-sysusers", files) => self.sysusers(files),
            _ => return self.not_understood(fields),
        }
        Some(true)
    }

    /// `adduser --system` (adduser(8)).
    fn adduser(&mut self, name: &str, arguments: &Arguments<'_>) {
        let home = arguments.value(&["--home"]).unwrap_or("/nonexistent");
        let makes_home = !arguments.has(&["--no-create-home"]) && home != "/nonexistent";
        let group = match arguments.value(&["--ingroup", "--gid"]) {
            Some(group) => Some(group),
            None if arguments.has(&["--group"]) => None,
            None => Some("nogroup"),
        };
        self.make_user(&Wanted {
            name,
            uid: arguments.value(&["--uid"]).and_then(|uid| uid.parse().ok()),
            group,
            comment: arguments.value(&["--gecos", "--comment"]).unwrap_or_default().trim_end_matches(','),
            home,
            shell: arguments.value(&["--shell"]).unwrap_or("/usr/sbin/nologin"),
            makes_home,
            ..Wanted::default()
        });
    }

    /// Returns `false` when it is beyond what is read here.
    fn useradd(&mut self, name: &str, arguments: &Arguments<'_>) -> bool {
        let default_home = format!("/home/{name}");
        let default_group = "users";
        let group = match arguments.value(&["-g", "--gid"]) {
            Some(group) => Some(group),
            None if arguments.has_letter('N') || arguments.has(&["--no-user-group"]) => Some(default_group),
            None => None,
        };
        let uid = match arguments.value(&["-u", "--uid"]).map(str::parse) {
            Some(Ok(uid)) => Some(uid),
            Some(Err(_)) => return false,
            None => None,
        };
        let groups = arguments.value(&["-G", "--groups"]).map(|groups| groups.split(',').collect()).unwrap_or_default();
        self.make_user(&Wanted {
            name,
            uid,
            group,
            comment: arguments.value(&["-c", "--comment"]).unwrap_or_default(),
            home: arguments.value(&["-d", "--home-dir", "--home"]).unwrap_or(&default_home),
            shell: arguments.value(&["-s", "--shell"]).unwrap_or("/bin/sh"),
            groups,
            makes_home: arguments.has_letter('m') || arguments.has(&["--create-home"]),
            ..Wanted::default()
        });
        true
    }

    fn make_user(&mut self, wanted: &Wanted<'_>) {
        let name = wanted.name;
        match self.world.user(name) {
            Ok(Known::Is(None)) if !self.is_doubtful() => {}
            Ok(Known::Is(Some(_))) => return,
            _ => return self.speak(&[Field::known(name)]),
        }
        let primary = match wanted.group {
            None => {
                self.make_group(name, wanted.gid);
                name
            }
            Some(group) => group,
        };
        let gid = match primary.parse() {
            Ok(gid) => Known::Is(gid),
            Err(_) => match self.world.group(primary) {
                Ok(Known::Is(Some(group))) => group.gid,
                _ => Known::Unknown(self.because.clone()),
            },
        };
        let uid = wanted.uid.map_or_else(|| Known::Unknown(self.because.clone()), Known::Is);
        self.world.put_user(User {
            name: name.into(),
            uid,
            gid,
            group: Some(primary.into()),
            comment: wanted.comment.into(),
            home: wanted.home.into(),
            shell: wanted.shell.into(),
            groups: Vec::new(),
        });
        for group in &wanted.groups {
            self.join(name, group);
        }
        if wanted.makes_home && self.is_absent(Path::new(wanted.home)) {
            let mut stat = made(FileKind::Directory, 0o755);
            (stat.uid, stat.gid) = (self.owner(name), self.owning_group(primary));
            self.world.put(Path::new(wanted.home), stat, None);
        }
    }

    fn make_group(&mut self, name: &str, gid: Option<u32>) {
        match self.world.group(name) {
            Ok(Known::Is(None)) if !self.is_doubtful() => {
                let gid = gid.map_or_else(|| Known::Unknown(self.because.clone()), Known::Is);
                self.world.put_group(Group { name: name.into(), gid, members: Vec::new() });
            }
            Ok(Known::Is(Some(_))) => {}
            _ => self.speak(&[Field::known(name)]),
        }
    }

    fn join(&mut self, user: &str, group: &str) {
        let (Ok(Known::Is(Some(mut member))), Ok(Known::Is(Some(mut joined))), false) =
            (self.world.user(user), self.world.group(group), self.is_doubtful())
        else {
            return self.speak(&[Field::known(user), Field::known(group)]);
        };
        let insert = |names: &mut Vec<Arc<str>>, name: &str| {
            if !names.iter().any(|known| **known == *name) {
                names.push(name.into());
                names.sort_unstable();
            }
        };
        insert(&mut member.groups, group);
        insert(&mut joined.members, user);
        self.world.put_user(member);
        self.world.put_group(joined);
    }

    fn lose_user(&mut self, name: &str) {
        if !matches!(self.world.user(name), Ok(Known::Is(Some(_)))) {
            return;
        }
        if self.is_doubtful() {
            return self.speak(&[Field::known(name)]);
        }
        self.world.remove_user(name);
    }

    fn lose_group(&mut self, name: &str) {
        if !matches!(self.world.group(name), Ok(Known::Is(Some(_)))) {
            return;
        }
        if self.is_doubtful() {
            return self.speak(&[Field::known(name)]);
        }
        self.world.remove_group(name);
    }

    /// Files of systemd-sysusers (sysusers.d(5)); all of them when none is named.
    fn sysusers(&mut self, files: &[&str]) {
        let mut texts = Vec::new();
        if files.is_empty() {
            for directory in SYSUSERS {
                let Ok(Known::Is(Some(entries))) = self.world.list(Path::new(directory)) else { continue };
                let names = entries.iter().filter_map(|(name, _)| name.to_str()).filter(|name| name.ends_with(".conf"));
                texts.extend(names.filter_map(|name| self.world_text(&format!("{directory}/{name}"))));
            }
        }
        for file in files {
            let text = if file.starts_with('/') {
                self.world_text(file)
            } else {
                SYSUSERS.iter().find_map(|directory| self.world_text(&format!("{directory}/{file}")))
            };
            match text {
                Some(text) => texts.push(text),
                None => self.speak(&[Field::known(*file)]),
            }
        }
        for text in texts {
            for line in text.lines() {
                self.sysuser(&columns(line));
            }
        }
    }

    fn sysuser(&mut self, columns: &[String]) {
        let column = |at: usize| columns.get(at).map(String::as_str).filter(|text| !text.is_empty() && *text != "-");
        let Some(name) = column(1) else { return };
        match columns[0].trim_end_matches(['!', '+']) {
            "u" => {
                let (uid, group) = match column(2).map(|id| id.split_once(':').map_or((id, None), |(uid, gid)| (uid, Some(gid))))
                {
                    Some((uid, group)) => (uid.parse().ok(), group),
                    None => (None, None),
                };
                self.make_user(&Wanted {
                    name,
                    uid,
                    gid: uid,
                    group,
                    comment: column(3).unwrap_or_default(),
                    home: column(4).unwrap_or("/"),
                    shell: column(5).unwrap_or("/usr/sbin/nologin"),
                    ..Wanted::default()
                });
            }
            "g" => self.make_group(name, column(2).and_then(|id| id.parse().ok())),
            "m" => {
                if let Some(group) = column(2) {
                    self.make_group(group, None);
                    self.join(name, group);
                }
            }
            _ => {}
        }
    }

    /// Who owns what is given to a user of this name or number.
    pub(super) fn owner(&self, name: &str) -> Owner {
        match (name.parse(), self.world.user(name)) {
            (Ok(uid), _) => Owner::Id(uid),
            (_, Ok(Known::Is(Some(User { uid: Known::Is(uid), .. })))) => Owner::Id(uid),
            _ => Owner::Pending(name.into()),
        }
    }

    pub(super) fn owning_group(&self, name: &str) -> Owner {
        match (name.parse(), self.world.group(name)) {
            (Ok(gid), _) => Owner::Id(gid),
            (_, Ok(Known::Is(Some(Group { gid: Known::Is(gid), .. })))) => Owner::Id(gid),
            _ => Owner::Pending(name.into()),
        }
    }
}

/// The columns of a line of sysusers.d and tmpfiles.d; blanks in quotes do not part them.
pub(super) fn columns(line: &str) -> Vec<String> {
    let line = line.trim();
    if line.starts_with('#') {
        return vec![String::new()];
    }
    let mut columns = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, c) if c.is_whitespace() => {
                if columns.last().is_some_and(|last| !last.is_empty()) {
                    columns.push(String::new());
                }
            }
            (_, c) => columns.last_mut().expect("there is always one").push(c),
        }
    }
    columns
}
