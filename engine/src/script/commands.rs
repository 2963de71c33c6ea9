//! Which command is whose.

use std::path::Path;

use super::run::{Interpreter, Status};
use super::words::Field;
use crate::{FileKind, Known, World};

/// Commands that change nothing a resource looks at: caches, indices, messages.
const HARMLESS: [&str; 40] = [
    "echo",
    "printf",
    "cat",
    "cd",
    "umask",
    "trap",
    "sleep",
    "sync",
    "ldconfig",
    "dpkg-trigger",
    "py3compile",
    "py3clean",
    "pycompile",
    "pyclean",
    "update-desktop-database",
    "update-mime-database",
    "update-icon-caches",
    "gtk-update-icon-cache",
    "glib-compile-schemas",
    "fc-cache",
    "update-mime",
    "update-menus",
    "install-info",
    "mandb",
    "depmod",
    "udevadm",
    "update-initramfs",
    "systemd-hwdb",
    "journalctl",
    "gdk-pixbuf-query-loaders",
    "update-xmlcatalog",
    "ucfr",
    "logger",
    "wait",
    "debconf-communicate",
    "locale-gen",
    "mktexlsr",
    "update-shells",
    "tput",
    "hash",
];

/// Commands that only tell something; what they tell is not known.
const ASKING: [&str; 40] = [
    "dpkg-query",
    "pidof",
    "pgrep",
    "uname",
    "ls",
    "awk",
    "cut",
    "tr",
    "sort",
    "head",
    "tail",
    "wc",
    "find",
    "stat",
    "readlink",
    "realpath",
    "md5sum",
    "sha256sum",
    "hostname",
    "date",
    "expr",
    "whoami",
    "ps",
    "lsb_release",
    "dirname",
    "basename",
    "xargs",
    "diff",
    "openssl",
    "df",
    "mountpoint",
    "findmnt",
    "ischroot",
    "systemd-detect-virt",
    "runlevel",
    "uniq",
    "file",
    "tty",
    "seq",
    "dpkg-architecture",
];

/// The options and operands of a command.
pub(super) struct Arguments<'f> {
    pub(super) options: Vec<(&'f str, Option<&'f str>)>,
    pub(super) operands: Vec<&'f str>,
}

impl<'f> Arguments<'f> {
    /// Tells options from operands; these options take a value. `None` when a word is not known.
    pub(super) fn of(fields: &'f [Field], valued: &[&str]) -> Option<Self> {
        let words: Vec<&str> = fields.iter().skip(1).map(|field| field.text.as_deref()).collect::<Option<_>>()?;
        let (mut options, mut operands) = (Vec::new(), Vec::new());
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if word == "--" {
                operands.extend(words.by_ref());
            } else if let Some((name, value)) = word.split_once('=').filter(|_| word.starts_with("--")) {
                options.push((name, Some(value)));
            } else if valued.contains(&word) {
                options.push((word, Some(words.next()?)));
            } else if word.len() > 2 && word.starts_with('-') && !word.starts_with("--") && valued.contains(&&word[..2]) {
                options.push((word.get(..2)?, Some(word.get(2..)?)));
            } else if word.starts_with('-') && word.len() > 1 {
                options.push((word, None));
            } else {
                operands.push(word);
            }
        }
        Some(Self { options, operands })
    }

    pub(super) fn has(&self, names: &[&str]) -> bool {
        self.options.iter().any(|(option, _)| names.contains(option))
    }

    /// Says whether a flag of one letter is given, also among others.
    pub(super) fn has_letter(&self, letter: char) -> bool {
        self.options.iter().any(|(option, value)| value.is_none() && !option.starts_with("--") && option.contains(letter))
    }

    pub(super) fn value(&self, names: &[&str]) -> Option<&'f str> {
        self.options.iter().rev().find(|(option, _)| names.contains(option)).and_then(|(_, value)| *value)
    }
}

impl Interpreter<'_, '_> {
    /// Runs one command.
    pub(super) fn command(&mut self, name: &str, fields: &[Field]) -> Status {
        let base = name.rsplit('/').next().unwrap_or(name).to_owned();
        let base = base.as_str();
        match base {
            "true" | ":" => Some(true),
            "false" => Some(false),
            "test" | "[" => self.test(fields),
            "getent" | "id" | "grep" | "egrep" | "fgrep" | "cmp" => self.ask_fields(fields),
            "command" | "which" | "type" => self.find_program(fields),
            "dpkg" => self.dpkg(fields),
            "sed" | "perl"
                if fields.iter().any(|field| {
                    field.literal.starts_with("-i") || field.literal == "--in-place" || field.literal.starts_with("-pi")
                }) =>
            {
                self.not_understood(fields)
            }
            "sed" => None,
            "." | "source" => match fields.get(1).and_then(|field| field.text.as_deref()) {
                Some("/usr/share/debconf/confmodule") => Some(true),
                _ => {
                    self.speak(fields);
                    None
                }
            },
            db if db.starts_with("db_") => {
                self.variables.insert("RET".into(), None);
                matches!(db, "db_stop" | "db_version" | "db_set" | "db_fset" | "db_unregister" | "db_purge").then_some(true)
            }
            "dpkg-maintscript-helper" => self.maintscript_helper(fields),
            "adduser" | "addgroup" | "useradd" | "groupadd" | "usermod" | "gpasswd" | "systemd-sysusers" | "deluser"
            | "delgroup" | "userdel" | "groupdel" => self.account(base, fields),
            "deb-systemd-helper" | "deb-systemd-invoke" | "systemctl" | "invoke-rc.d" | "service" | "update-rc.d" => {
                self.service(base, fields)
            }
            "mkdir"
            | "install"
            | "chown"
            | "chgrp"
            | "chmod"
            | "ln"
            | "rm"
            | "rmdir"
            | "unlink"
            | "touch"
            | "cp"
            | "mv"
            | "dpkg-statoverride"
            | "update-alternatives"
            | "systemd-tmpfiles"
            | "ucf"
            | "dpkg-divert" => self.path_command(base, fields),
            harmless if HARMLESS.contains(&harmless) => Some(true),
            asking
                if ASKING.contains(&asking)
                    && !fields.iter().any(|field| field.literal == "-delete" || field.literal == "-exec") =>
            {
                None
            }
            _ => self.not_understood(fields),
        }
    }

    /// Whatever such a command names may be different afterwards.
    pub(super) fn not_understood(&mut self, fields: &[Field]) -> Status {
        self.speak(fields);
        for path in fields.iter().skip(1).filter_map(|field| field.text.clone()) {
            let is_state = ["/etc/", "/var/", "/run/", "/opt/", "/srv/"].iter().any(|above| path.starts_with(above));
            if !is_state {
                continue;
            }
            // Of a directory, only what is named may have changed.
            let is_directory =
                matches!(self.world.stat(Path::new(&path)), Ok(Known::Is(Some(stat))) if stat.kind == FileKind::Directory);
            if !is_directory {
                self.world.obscure(Path::new(&path), &self.because);
            }
        }
        None
    }

    fn find_program(&self, fields: &[Field]) -> Status {
        let name = fields.iter().skip(1).filter_map(|field| field.text.as_deref()).find(|word| !word.starts_with('-'))?;
        const BUILT_IN: [&str; 6] = ["echo", "test", "cd", "printf", "command", "type"];
        if BUILT_IN.contains(&name) { Some(true) } else { self.program(name) }
    }

    /// `dpkg-maintscript-helper` acts in upgrades only.
    fn maintscript_helper(&mut self, fields: &[Field]) -> Status {
        if fields.get(1).is_some_and(|field| field.text.as_deref() == Some("supports")) {
            return Some(true);
        }
        let is_fresh = self.arguments.get(1).is_none_or(|old| old.as_deref() == Some(""));
        if is_fresh { Some(true) } else { self.not_understood(fields) }
    }
}
