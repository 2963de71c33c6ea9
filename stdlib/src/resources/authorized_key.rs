//! The resource type `authorized_key`.

use std::sync::Arc;

use stead_catalog::{Footprint, Problem};
use stead_engine::{Applied, ApplyError, Difference, Machine, ObserveError, Predicted, ResourceType, World};

use crate::edit::Edited;
use crate::edit::lines::{self, body, split};
use crate::edit::owned::{ObservedOwned, OwnedFile, is_path};
use crate::problems::Problems;
use crate::ssh_keys::{self, PublicKey};
use crate::values::{Many, Mode};
use crate::{Choice, Resource};

/// Keys that may log in as a user: lines of the user's `~/.ssh/authorized_keys`.
///
/// A key is told by its type and data. Its comment and options are set where they are given, and left as found where they are not. The
/// directory and the file are made where they are missing, and belong to the user, with the modes that sshd asks for; the home
/// is looked up, also of a user whom the same plan creates. Other lines stay as they are. Compares to Salt's
/// `ssh_auth.present`, Puppet's `ssh_authorized_key`, and Ansible's `authorized_key`.
///
/// ```stead
/// authorized_key "deploy@example.com" {
///   user = "deploy"
///   key  = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN59GjxEYb9UrMxXongctVV8YiJbDtgOBuGRyex8bgnm"
/// }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "authorized_key",
    since = "0.1",
    aliases(
        title = "name",
        ensure = "state",
        enc = "type",
        keys = "key",
        names = "key",
        key_options = "options",
        target = "path",
        config = "path",
        manage_dir = "manage_directory",
        purge = "exclusive",
        purge_ssh_keys = "exclusive"
    )
)]
pub struct AuthorizedKey {
    /// What the key is for. Identifies the resource, and is the comment of a new key that has none.
    #[key]
    pub name: Arc<str>,
    /// Who may log in with it.
    pub user: Arc<str>,
    /// Whether the key is there.
    #[default(State::Present)]
    pub state: State,
    /// The key as it stands in a `.pub` file, `TYPE DATA COMMENT`, or several; or its data alone, with `type`. Options may stand before it. With
    /// `state = absent` and no key, the keys with the name as their comment go.
    pub key: Many<Arc<str>>,
    /// The type of a key that is given as its data alone: `ssh-ed25519`.
    pub r#type: Option<Arc<str>>,
    /// The comment. Left as found when absent; a new key gets its own, or the name.
    pub comment: Option<Arc<str>>,
    /// What the key may do, as sshd(8) lists it: `restrict`, `from="10.0.0.0/8"`, `command="…"`. Left as found when absent; `[]` for none.
    pub options: Option<Vec<Arc<str>>>,
    /// The user has no other keys: remove every line that is neither one of these nor a comment.
    #[default(false)]
    pub exclusive: bool,
    /// The file: absolute, or below the home; `%h` stands for the home and `%u` for the user, as in sshd_config(5).
    #[default(".ssh/authorized_keys")]
    pub path: Arc<str>,
    /// Permission bits of the file.
    #[default(0o600)]
    pub mode: Mode,
    /// Make the directory that the file is in, for the user alone (0700). When absent: for a file below the home.
    pub manage_directory: Option<bool>,
}

/// Whether the key is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The key may log in.
    Present,
    /// The key may not log in: no line has it.
    Absent,
}

/// A line of the file, or a key as it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    options: Option<String>,
    key: PublicKey,
    comment: String,
}

impl Entry {
    /// Reads a line; `None` where it holds no key that sshd would take.
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let (first, rest) = word(line);
        let (options, kind, rest) = if ssh_keys::is_type(first) {
            (None, first, rest)
        } else {
            let (options, rest) = line.split_at(options_end(line)?);
            let (kind, rest) = word(rest.trim_start());
            (Some(options.to_owned()), kind, rest)
        };
        let (data, comment) = word(rest);
        let key = PublicKey::new(kind, data).ok()?;
        Some(Self { options, key, comment: comment.trim().to_owned() })
    }

    fn line(&self) -> String {
        let options = self.options.as_ref().map(|options| format!("{options} ")).unwrap_or_default();
        let comment = if self.comment.is_empty() { String::new() } else { format!(" {}", self.comment) };
        format!("{options}{} {}{comment}", self.key.kind, self.key.data)
    }
}

/// The first word of a text, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (first, rest.trim_start())
}

/// Where the options that a line begins with end: at the first blank outside of quotes.
fn options_end(line: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

impl AuthorizedKey {
    fn footprint(&self) -> Footprint {
        let file = self.file();
        let parts: Vec<String> = match (self.state, self.exclusive) {
            (State::Present, true) => vec![format!("authorized_keys:{}", file.name())],
            _ if self.key.is_empty() => vec![format!("authorized_keys:{} {}", file.name(), self.name)],
            _ => self
                .key
                .iter()
                .filter_map(|key| self.read(key).ok())
                .map(|entry| format!("authorized_keys:{} {}", file.name(), entry.key.data))
                .collect(),
        };
        let mut footprint = file.footprint(parts);
        if self.exclusive && self.state == State::Present {
            footprint.fills = vec![file.name()];
        }
        footprint
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        for key in &self.key {
            if let Err(reason) = self.read(key) {
                let hint = "give the line of the `.pub` file: its type, its data, and a comment";
                problems.invalid("key", format!("this is no public key: {reason}"), hint);
            }
        }
        let texts = [("comment", self.comment.as_deref()), ("user", Some(&*self.user)), ("name", Some(&*self.name))];
        for (attribute, text) in texts {
            if text.is_some_and(|text| text.contains(['\n', '\r', '\0'])) {
                problems.invalid(attribute, format!("`{attribute}` stands in one line"), "take the line break away");
            }
        }
        for option in self.options.iter().flatten() {
            let is_whole = options_end(&format!("{option} ")) == Some(option.len());
            let name = option.split(['=', '"']).next().unwrap_or_default();
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            let is_one = !unquoted(option).contains(',');
            if !is_whole || !is_name || !is_one || option.contains(['\n', '\r']) {
                let hint = "write it as sshd(8) does: `restrict`, `from=\"10.0.0.0/8\"`, with `\\\"` for a quote in quotes";
                problems.invalid("options", format!("`{option}` is no option of a key"), hint);
            }
        }
        if !is_path(&self.path) {
            problems.invalid(
                "path",
                format!("`{}` is no path of a file", self.path),
                "name a file below the home, or an absolute path",
            );
        }
        if self.key.is_empty() && self.state == State::Present && !self.exclusive {
            problems.missing("key", "there is no key", "give `key`, or set `state = absent`");
        }
        if self.key.0.len() > 1 {
            for (given, name) in [(self.comment.is_some(), "comment"), (self.r#type.is_some(), "type")] {
                if given {
                    let hint = "say it in the lines of the keys";
                    problems.conflict(name, Some("key"), format!("`{name}` speaks of one key, and there are several"), hint);
                }
            }
        }
        if self.state == State::Absent {
            let given = [
                (self.comment.is_some(), "comment"),
                (self.options.is_some(), "options"),
                (self.exclusive, "exclusive"),
                (self.manage_directory.is_some(), "manage_directory"),
            ];
            problems.of_absent("a key", &given);
        }
        problems.finish()
    }

    fn file(&self) -> OwnedFile<'_> {
        let in_home = !self.path.starts_with('/') || self.path.starts_with("%h");
        let directory = self.manage_directory.unwrap_or(in_home).then_some(Mode(0o700));
        OwnedFile { user: &self.user, path: &self.path, mode: self.mode, directory, wanted: self.state == State::Present }
    }

    /// Reads a key as it is given.
    fn read(&self, text: &str) -> Result<Entry, String> {
        if let Some(mistake) = ssh_keys::mistaken(text) {
            return Err(mistake.into());
        }
        let text = text.trim();
        if text.contains(['\n', '\r', '\0']) {
            return Err("it is more than one line: give several as a list".into());
        }
        if let Some(kind) = &self.r#type
            && !text.contains(' ')
        {
            return Ok(Entry { options: None, key: PublicKey::new(kind, text)?, comment: String::new() });
        }
        if let Some(entry) = Entry::parse(text) {
            if self.r#type.as_deref().is_some_and(|kind| kind != entry.key.kind) {
                return Err(format!("it is of the type `{}`, and `type` says another", entry.key.kind));
            }
            return Ok(entry);
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let at = words.iter().position(|word| ssh_keys::is_type(word)).unwrap_or(0);
        match (words.get(at), words.get(at + 1)) {
            (Some(kind), Some(data)) => {
                Err(PublicKey::new(kind, data).err().unwrap_or_else(|| "what stands before its type is not closed".into()))
            }
            _ => Err("a type and data are expected".into()),
        }
    }

    pub(crate) fn edit(&self, text: &[u8]) -> Edited {
        let wanted: Vec<Entry> = self.key.iter().filter_map(|key| self.read(key).ok()).collect();
        let ending = lines::ending(text);
        let mut edited: Vec<Vec<u8>> = Vec::new();
        let mut met = vec![false; wanted.len()];
        for line in split(text) {
            let found = std::str::from_utf8(body(line)).ok();
            let is_remark = found.is_some_and(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
            let entry = found.filter(|_| !is_remark).and_then(Entry::parse);
            let this = entry.as_ref().and_then(|entry| wanted.iter().position(|wish| wish.key == entry.key));
            match (self.state, entry, this) {
                (State::Absent, Some(entry), this) => {
                    let goes = this.is_some() || (wanted.is_empty() && *entry.comment == *self.name);
                    if !goes {
                        edited.push(line.to_vec());
                    }
                }
                (State::Present, Some(entry), Some(this)) => {
                    // The first line of a key is the one that counts, and a second one could allow what it forbids.
                    if !std::mem::replace(&mut met[this], true) {
                        edited.push(self.updated(line, &entry, &wanted[this]));
                    }
                }
                _ if self.exclusive && !is_remark => {}
                _ => edited.push(line.to_vec()),
            }
        }
        if self.state == State::Present {
            for (wish, _) in wanted.iter().zip(&met).filter(|(_, met)| !**met) {
                let new = Entry {
                    options: self.wanted_options(wish),
                    comment: self.wanted_comment(wish).unwrap_or_else(|| self.name.to_string()),
                    key: wish.key.clone(),
                };
                edited.push(lines::line(new.line().as_bytes(), ending));
            }
        }
        let edited = lines::join(edited.iter().map(|line| &**line), ending);
        Ok((edited != text).then_some(edited))
    }

    /// The line of a key that is there, with what is asked for.
    fn updated(&self, line: &[u8], found: &Entry, wish: &Entry) -> Vec<u8> {
        let asks_for_options = self.options.is_some() || wish.options.is_some();
        let options = if asks_for_options { self.wanted_options(wish) } else { found.options.clone() };
        let comment = self.wanted_comment(wish).unwrap_or_else(|| found.comment.clone());
        let new = Entry { options, comment, key: found.key.clone() };
        if new == *found {
            return line.to_vec();
        }
        lines::line(new.line().as_bytes(), &line[body(line).len()..])
    }

    fn wanted_options(&self, wish: &Entry) -> Option<String> {
        match &self.options {
            Some(options) => (!options.is_empty()).then(|| options.join(",")),
            None => wish.options.clone(),
        }
    }

    fn wanted_comment(&self, wish: &Entry) -> Option<String> {
        self.comment.as_ref().map(ToString::to_string).or_else(|| (!wish.comment.is_empty()).then(|| wish.comment.clone()))
    }
}

/// The parts of an option outside of quotes.
fn unquoted(option: &str) -> String {
    option.split('"').step_by(2).collect()
}

impl ResourceType for AuthorizedKey {
    type Observed = ObservedOwned;

    fn observe(&self, world: &dyn World) -> Result<ObservedOwned, ObserveError> {
        self.file().observe(world, |text| self.edit(text))
    }

    fn diff(&self, observed: &ObservedOwned) -> Difference {
        self.file().diff(observed)
    }

    fn digest(&self, observed: &ObservedOwned, hasher: &mut blake3::Hasher) -> bool {
        self.file().digest(observed, hasher)
    }

    fn predict(&self, observed: &ObservedOwned, difference: &Difference, effects: &mut Predicted<'_>) {
        self.file().predict(observed, difference, effects);
    }

    fn apply(&self, observed: &ObservedOwned, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        self.file().apply(observed, machine)
    }

    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&["user", "key", "type", "path"]))
    }
}
