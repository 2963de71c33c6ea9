//! Commands that make, change and remove files.

use std::path::{Path, PathBuf};

use super::accounts::columns;
use super::commands::Arguments;
use super::run::{Interpreter, Status, made};
use super::words::Field;
use crate::{FileKind, Known, Stat, World};

/// Where systemd-tmpfiles looks, first found first.
const TMPFILES: [&str; 3] = ["/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/lib/tmpfiles.d"];

/// Of a tree that is given to somebody, this many entries are told one by one.
const MAX_ENTRIES: usize = 500;

impl Interpreter<'_, '_> {
    pub(super) fn path_command(&mut self, tool: &str, fields: &[Field]) -> Status {
        let valued: &[&str] = match tool {
            "mkdir" => &["-m", "--mode"],
            "install" => &["-m", "--mode", "-o", "--owner", "-g", "--group", "-t", "--target-directory", "-S"],
            "touch" => &["-d", "-r", "-t", "--date", "--reference"],
            "ucf" => &["--sum-file", "--src-dir", "--state-dir", "--debconf-template", "-s", "-S"],
            "dpkg-divert" => &["--divert", "--package", "--admindir", "--instdir", "--root"],
            "ln" => &["-t", "--target-directory", "-S", "--suffix"],
            "update-alternatives" => &["--admindir", "--altdir", "--log"],
            _ => &[],
        };
        // Of `update-alternatives` and `dpkg-statoverride` the words that look like options have a fixed number of values.
        let Some(arguments) = Arguments::of(fields, valued) else { return self.not_understood(fields) };
        let operands = &arguments.operands;
        if operands.iter().any(|path| tool != "update-alternatives" && tool != "chmod" && path.starts_with("./")) {
            return self.not_understood(fields);
        }
        match (tool, operands.as_slice()) {
            ("mkdir", paths) => {
                let mode = arguments.value(&["-m", "--mode"]).map_or(Some(0o755), octal);
                let Some(mode) = mode else { return self.not_understood(fields) };
                let with_parents = arguments.has_letter('p') || arguments.has(&["--parents"]);
                for path in paths.iter().filter(|path| path.starts_with('/')) {
                    self.make_directory(Path::new(path), mode, with_parents);
                }
            }
            ("install", paths) => return self.install(fields, &arguments, paths),
            ("chown" | "chgrp", [owner, paths @ ..]) => {
                let (user, group) = match (tool, owner.split_once([':', '.'])) {
                    ("chgrp", _) => ("", *owner),
                    (_, Some((user, group))) => (user, group),
                    (_, None) => (*owner, ""),
                };
                let deep = arguments.has_letter('R') || arguments.has(&["--recursive"]);
                let (user, group) = (user.to_owned(), group.to_owned());
                self.change_all(paths, deep, |this, stat| {
                    if !user.is_empty() {
                        stat.uid = this.owner(&user);
                    }
                    if !group.is_empty() {
                        stat.gid = this.owning_group(&group);
                    }
                });
            }
            ("chmod", [mode, paths @ ..]) => {
                let Some(mode) = octal(mode) else { return self.not_understood(fields) };
                let deep = arguments.has_letter('R') || arguments.has(&["--recursive"]);
                self.change_all(paths, deep, |_, stat| stat.mode = mode);
            }
            ("ln", [target, link]) if arguments.has_letter('s') || arguments.has(&["--symbolic"]) => {
                self.link(
                    target,
                    link,
                    arguments.has_letter('f') || arguments.has(&["--force"]),
                    arguments.has_letter('n') || arguments.has_letter('T'),
                );
            }
            ("rm" | "unlink", paths) => {
                for path in paths.iter().filter(|path| path.starts_with('/') && Path::new(path).components().count() > 2) {
                    self.remove(Path::new(path.trim_end_matches('/')));
                }
            }
            ("rmdir", paths) => {
                for path in paths.iter().map(|path| Path::new(path.trim_end_matches('/'))) {
                    match self.world.list(path) {
                        Ok(Known::Is(Some(entries))) if entries.is_empty() => self.remove(path),
                        Ok(Known::Is(_)) => {}
                        _ => self.world.obscure(path, &self.because),
                    }
                }
            }
            ("touch", paths) => {
                for path in paths.iter().filter(|path| path.starts_with('/')) {
                    if self.is_absent(Path::new(path)) {
                        self.put(Path::new(path), made(FileKind::File, 0o644), Some(Vec::new()));
                    }
                }
            }
            ("cp", [from, to]) | ("mv", [from, to]) => self.copy(from, to, tool == "mv", fields),
            ("dpkg-statoverride", _) => return self.stat_override(fields, &arguments),
            ("update-alternatives", _) => return self.alternatives(fields),
            ("systemd-tmpfiles", files) => {
                if arguments.has(&["--create"]) {
                    self.tmpfiles(files);
                }
            }
            ("ucf", [from, to]) if !arguments.has(&["--purge", "-p"]) => self.configuration(from, to),
            ("ucf", _) => {}
            ("dpkg-divert", [path]) => {
                if arguments.has(&["--list", "--listpackage", "--truename"]) {
                    return None;
                }
                let to = arguments.value(&["--divert"]).map_or_else(|| format!("{path}.distrib"), str::to_owned);
                if arguments.has(&["--rename"]) && !arguments.has(&["--remove"]) {
                    match self.world.stat(Path::new(path)) {
                        Ok(Known::Is(None)) => {}
                        _ => self.copy(path, &to, true, fields),
                    }
                } else if arguments.has(&["--remove"]) {
                    self.world.obscure(Path::new(path), &self.because);
                    self.world.obscure(Path::new(&to), &self.because);
                }
            }
            _ => return self.not_understood(fields),
        }
        Some(true)
    }

    /// Something will be here, or may be.
    fn put(&mut self, path: &Path, mut stat: Stat, content: Option<Vec<u8>>) {
        if self.is_doubtful() {
            return self.world.obscure(path, &self.because);
        }
        stat.size = content.as_ref().map_or(0, |content| content.len() as u64);
        self.world.put(path, stat, content.map(Into::into));
    }

    pub(super) fn remove(&mut self, path: &Path) {
        match self.world.stat(path) {
            Ok(Known::Is(None)) => {}
            _ if self.is_doubtful() => self.world.obscure(path, &self.because),
            _ => self.world.remove(path),
        }
    }

    fn make_directory(&mut self, path: &Path, mode: u32, with_parents: bool) {
        let missing: Vec<PathBuf> = path.ancestors().take_while(|above| self.is_absent(above)).map(Path::to_owned).collect();
        if missing.is_empty() {
            if !matches!(self.world.stat(path), Ok(Known::Is(_))) {
                self.world.appear(path, &self.because);
            }
            return;
        }
        for above in missing.iter().skip(1).rev().filter(|_| with_parents) {
            self.put(above, made(FileKind::Directory, 0o755), None);
        }
        self.put(path, made(FileKind::Directory, mode), None);
    }

    fn install(&mut self, fields: &[Field], arguments: &Arguments<'_>, paths: &[&str]) -> Status {
        let makes_directories = arguments.has_letter('d') || arguments.has(&["--directory"]);
        let Some(mode) = arguments.value(&["-m", "--mode"]).map_or(Some(0o755), octal) else {
            return self.not_understood(fields);
        };
        let mut stat = made(if makes_directories { FileKind::Directory } else { FileKind::File }, mode);
        if let Some(user) = arguments.value(&["-o", "--owner"]) {
            stat.uid = self.owner(user);
        }
        if let Some(group) = arguments.value(&["-g", "--group"]) {
            stat.gid = self.owning_group(group);
        }
        match paths {
            _ if makes_directories => {
                for path in paths.iter().map(Path::new) {
                    self.make_directory(path, mode, true);
                    if self.is_doubtful() {
                        continue;
                    }
                    if let Ok(Known::Is(Some(found))) = self.world.stat(path) {
                        let changed = Stat { mode, uid: stat.uid.clone(), gid: stat.gid.clone(), ..found };
                        self.world.change(path, changed);
                    }
                }
            }
            [from, to] if !arguments.has(&["-t", "--target-directory"]) => {
                let place = self.place_of_copy(from, to);
                match self.content(from) {
                    Some(content) => self.put(&place, stat, Some(content)),
                    None => self.world.obscure(&place, &self.because),
                }
            }
            _ => return self.not_understood(fields),
        }
        Some(true)
    }

    /// Where something is put that is copied to a path: into it, when that is a directory.
    fn place_of_copy(&self, from: &str, to: &str) -> PathBuf {
        let is_directory = to.ends_with('/')
            || matches!(self.world.stat(Path::new(to)), Ok(Known::Is(Some(stat))) if stat.kind == FileKind::Directory);
        let name = from.trim_end_matches('/').rsplit('/').next().unwrap_or(from);
        if is_directory { Path::new(to).join(name) } else { PathBuf::from(to) }
    }

    fn content(&self, path: &str) -> Option<Vec<u8>> {
        self.world.read(Path::new(path)).ok()?.value().cloned()?.map(|bytes| bytes.to_vec())
    }

    fn copy(&mut self, from: &str, to: &str, moves: bool, fields: &[Field]) {
        if !from.starts_with('/') || !to.starts_with('/') {
            self.not_understood(fields);
            return;
        }
        let place = self.place_of_copy(from, to);
        let found = self.world.stat(Path::new(from)).ok().and_then(|look| look.value().cloned());
        match (found, self.content(from)) {
            (Some(Some(stat)), Some(content)) if stat.kind == FileKind::File => self.put(&place, stat, Some(content)),
            (Some(None), _) => return,
            _ => self.world.obscure(&place, &self.because),
        }
        if moves {
            self.remove(Path::new(from));
        }
    }

    fn link(&mut self, target: &str, link: &str, force: bool, no_follow: bool) {
        if !link.starts_with('/') {
            return self.speak(&[Field::known(target), Field::known(link)]);
        }
        let place = if no_follow { PathBuf::from(link) } else { self.place_of_copy(target, link) };
        let found = self.world.stat(&place);
        if !force && !matches!(found, Ok(Known::Is(None))) {
            // It fails where something is already.
            if !matches!(found, Ok(Known::Is(Some(_)))) {
                self.world.obscure(&place, &self.because);
            }
            return;
        }
        let stat = Stat { target: Some(PathBuf::from(target)), ..made(FileKind::Symlink, 0o777) };
        self.put(&place, stat, None);
    }

    fn change_all(&mut self, paths: &[&str], deep: bool, change: impl Fn(&Self, &mut Stat)) {
        let mut all: Vec<PathBuf> =
            paths.iter().filter(|path| path.starts_with('/')).map(|path| PathBuf::from(path.trim_end_matches('/'))).collect();
        let mut at = 0;
        while deep && at < all.len() && all.len() < MAX_ENTRIES {
            if matches!(self.world.stat(&all[at]), Ok(Known::Is(Some(stat))) if stat.kind == FileKind::Directory) {
                match self.world.list(&all[at]) {
                    Ok(Known::Is(Some(entries))) => {
                        let below: Vec<PathBuf> = entries.iter().map(|(name, _)| all[at].join(name)).collect();
                        all.extend(below);
                    }
                    _ => self.speak(&[Field::known(all[at].to_string_lossy())]),
                }
            }
            at += 1;
        }
        for path in all {
            let Ok(Known::Is(Some(stat))) = self.world.stat(&path) else { continue };
            let mut changed = stat.clone();
            change(self, &mut changed);
            if changed == stat {
                continue;
            }
            if self.is_doubtful() {
                self.world.obscure(&path, &self.because);
            } else {
                self.world.change(&path, changed);
            }
        }
    }

    fn stat_override(&mut self, fields: &[Field], arguments: &Arguments<'_>) -> Status {
        match arguments.operands.as_slice() {
            [path] if arguments.has(&["--list"]) => self.has_override(path),
            [user, group, mode, path] if arguments.has(&["--add"]) => {
                let Some(mode) = octal(mode) else { return self.not_understood(fields) };
                if arguments.has(&["--update"]) {
                    self.change_all(&[path], false, |this, stat| {
                        stat.mode = mode;
                        (stat.uid, stat.gid) = (this.owner(user), this.owning_group(group));
                    });
                }
                Some(true)
            }
            _ => Some(true),
        }
    }

    fn alternatives(&mut self, fields: &[Field]) -> Status {
        let words: Option<Vec<String>> = fields.iter().skip(1).map(|field| field.text.clone()).collect();
        let Some(words) = words else { return self.not_understood(fields) };
        let mut words = words.into_iter();
        let mut links: Vec<(String, String, String)> = Vec::new();
        let mut priority = None;
        while let Some(word) = words.next() {
            let mut next = || words.next().unwrap_or_default();
            match word.as_str() {
                "--install" => {
                    links.push((next(), next(), next()));
                    priority = next().parse::<i64>().ok();
                }
                "--slave" => links.push((next(), next(), next())),
                "--remove" | "--remove-all" | "--set" | "--auto" | "--config" => {
                    let name = next();
                    self.world.obscure(&Path::new("/etc/alternatives").join(&name), &self.because);
                    return Some(true);
                }
                _ => {}
            }
        }
        let Some((_, name, _)) = links.first() else { return Some(true) };
        let database = Path::new("/var/lib/dpkg/alternatives").join(name);
        let is_new = self.is_absent(&database);
        for (link, name, path) in &links {
            let alternative = Path::new("/etc/alternatives").join(name);
            let is_free = matches!(self.world.stat(Path::new(link)), Ok(Known::Is(found)) if found.as_ref().is_none_or(|stat| stat.kind == FileKind::Symlink));
            if !(is_new && is_free) {
                // Which one is chosen depends on what else is there, and on whether somebody has chosen.
                self.world.obscure(&alternative, &self.because);
                continue;
            }
            if self.exists(path) == Some(false) {
                continue;
            }
            let to = |target: &str| Stat { target: Some(PathBuf::from(target)), ..made(FileKind::Symlink, 0o777) };
            self.put(&alternative, to(path), None);
            self.put(Path::new(link), to(&alternative.to_string_lossy()), None);
        }
        match priority.filter(|_| is_new) {
            Some(priority) => {
                let record = alternatives_record(&links, priority);
                self.put(&database, made(FileKind::File, 0o644), Some(record.into_bytes()));
            }
            None => self.world.obscure(&database, &self.because),
        }
        Some(true)
    }

    /// Files of systemd-tmpfiles (tmpfiles.d(5)).
    fn tmpfiles(&mut self, files: &[&str]) {
        for file in files {
            let text = if file.starts_with('/') {
                self.world_text(file)
            } else {
                TMPFILES.iter().find_map(|directory| self.world_text(&format!("{directory}/{file}")))
            };
            let Some(text) = text else {
                self.speak(&[Field::known(*file)]);
                continue;
            };
            for line in text.lines() {
                self.tmpfile(&columns(line));
            }
        }
    }

    fn tmpfile(&mut self, columns: &[String]) {
        let column = |at: usize| columns.get(at).map(String::as_str).filter(|text| !text.is_empty() && *text != "-");
        let (Some(kind), Some(path)) = (column(0), column(1)) else { return };
        if !path.starts_with('/') {
            return;
        }
        if path.contains(['%', '*', '?', '[']) {
            return self.speak(&[Field::known(path)]);
        }
        // A boot is not what happens here.
        if kind.contains('!') {
            return;
        }
        let path = Path::new(path);
        let mode = column(2).map(|mode| mode.trim_start_matches(['~', ':'])).map(octal);
        let found = self.world.stat(path);
        match (kind.chars().next(), found) {
            (Some('d' | 'D' | 'v' | 'q' | 'Q'), Ok(Known::Is(found))) => {
                let is_new = found.is_none();
                let mut stat = found.unwrap_or_else(|| made(FileKind::Directory, 0o755));
                if let Some(mode) = mode {
                    stat.mode = mode.unwrap_or(stat.mode);
                }
                if let Some(user) = column(3) {
                    stat.uid = self.owner(user);
                }
                if let Some(group) = column(4) {
                    stat.gid = self.owning_group(group);
                }
                if self.is_doubtful() {
                    self.world.obscure(path, &self.because);
                } else if is_new {
                    self.make_directory(path, 0o755, true);
                    self.world.change(path, stat);
                } else {
                    self.world.change(path, stat);
                }
            }
            (Some('f'), Ok(Known::Is(None))) => {
                let mut stat = made(FileKind::File, mode.flatten().unwrap_or(0o644));
                if let Some(user) = column(3) {
                    stat.uid = self.owner(user);
                }
                if let Some(group) = column(4) {
                    stat.gid = self.owning_group(group);
                }
                let content = columns.get(6..).map(|rest| rest.join(" ")).unwrap_or_default();
                let is_plain = !content.contains(['%', '\\']);
                if is_plain { self.put(path, stat, Some(content.into_bytes())) } else { self.world.obscure(path, &self.because) }
            }
            (Some('L'), Ok(Known::Is(None))) => match column(6) {
                Some(target) => {
                    let stat = Stat { target: Some(PathBuf::from(target)), ..made(FileKind::Symlink, 0o777) };
                    self.put(path, stat, None);
                }
                None => self.world.obscure(path, &self.because),
            },
            (Some('f' | 'L'), Ok(Known::Is(Some(_)))) => {}
            _ => self.world.obscure(path, &self.because),
        }
    }

    /// `ucf FROM TO`: a configuration file that a script brings; one that is there already is kept.
    fn configuration(&mut self, from: &str, to: &str) {
        let place = Path::new(to);
        match (self.world.stat(place), self.content(from)) {
            (Ok(Known::Is(None)), Some(content)) => self.put(place, made(FileKind::File, 0o644), Some(content)),
            (Ok(Known::Is(Some(_))), Some(content)) if self.content(to).is_some_and(|known| known == content) => {}
            _ => self.world.obscure(place, &self.because),
        }
    }
}

fn octal(text: &str) -> Option<u32> {
    let is_octal = !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    if is_octal { u32::from_str_radix(text, 8).ok() } else { None }
}

/// The record that dpkg keeps of a new group of alternatives with one program: link, name and path of it, and of each slave.
fn alternatives_record(links: &[(String, String, String)], priority: i64) -> String {
    let Some(((link, _, path), slaves)) = links.split_first() else { return String::new() };
    let mut slaves: Vec<_> = slaves.iter().collect();
    slaves.sort_by(|a, b| a.1.cmp(&b.1));
    let mut record = format!("auto\n{link}\n");
    record.extend(slaves.iter().map(|(link, name, _)| format!("{name}\n{link}\n")));
    record += &format!("\n{path}\n{priority}\n");
    record.extend(slaves.iter().map(|(_, _, path)| format!("{path}\n")));
    record + "\n"
}
