//! What resource types that manage a part of a file have in common: the file is read, edited in memory by a pure function,
//! shown as a difference, and written beside and renamed.
//!
//! A type hands its function from the old content to the new; everything else happens here. The function is asked again after the change,
//! and has to find nothing left to do then.

pub(crate) mod fstab;
#[cfg(test)]
mod laws;
pub(crate) mod lines;
pub(crate) mod owned;
mod resource;
pub(crate) mod tree;
pub(crate) mod variables;

use std::path::Path;
use std::sync::Arc;

use stead_catalog::{Action, Change, Command, Footprint, Place, Problem, Shown};
use stead_engine::{
    Applied, ApplyError, Difference, FileKind, FileWrite, Known, Machine, ObserveError, Predicted, Private, Stat, World,
    content_change,
};

use crate::filesystem::{self, Ownership};
use crate::values::{AbsolutePath, Account, Mode};

pub(crate) use resource::{Edits, edits_a_file};
pub use tree::{KeyStep, set_text};

/// Largest content that is shown as a text diff, in bytes; larger content is told by size and hash.
const DIFF_LIMIT: usize = 1 << 20;

/// Largest file that is edited, in bytes.
const SIZE_LIMIT: u64 = 64 << 20;

/// Why a content cannot be edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// Stable code with a page, such as `malformed-file`.
    pub(crate) code: &'static str,
    /// The line it is about, from 1.
    pub(crate) line: Option<usize>,
    /// What is wrong.
    pub(crate) message: String,
    /// The way out.
    pub(crate) hint: String,
}

/// The content as wanted; `None` when it is so already.
pub(crate) type Edited = Result<Option<Vec<u8>>, Flaw>;

/// The file that a managed part lies in, as a resource describes it.
#[derive(Clone, Debug)]
pub(crate) struct EditedFile<'a> {
    /// The file.
    pub(crate) path: AbsolutePath,
    /// The part is wanted; otherwise it is taken away, and a missing file is as good.
    pub(crate) wanted: bool,
    /// Make the file when it is missing.
    pub(crate) create: bool,
    /// Permission bits; left as found when absent.
    pub(crate) mode: Option<Mode>,
    /// Permission bits of a file that is made and has no `mode`.
    pub(crate) new_mode: Mode,
    /// Owning user; left as found when absent.
    pub(crate) owner: Option<&'a Account>,
    /// Owning group; left as found when absent.
    pub(crate) group: Option<&'a Account>,
    /// A command that has to accept the new content; `%s` stands for the temporary file.
    pub(crate) validate: Option<&'a Command>,
    /// The part holds a secret: no content is shown or kept.
    pub(crate) sensitive: bool,
    /// A file in which nothing is left once the part is taken away goes as well.
    pub(crate) remove_empty: bool,
    /// The resource makes the directory that the file is in.
    pub(crate) makes_parent: bool,
}

/// What was found, and what the edit makes of it.
#[derive(Clone, Debug)]
pub struct ObservedEdit {
    stat: Known<Option<Stat>>,
    before: Known<Option<Arc<[u8]>>>,
    /// The content as wanted; `None` when nothing is to be written.
    after: Option<Arc<[u8]>>,
    /// What the file holds is a secret that an earlier run wrote.
    is_secret: bool,
    ownership: Ownership,
}

impl<'a> EditedFile<'a> {
    /// A part of the file at `path` that is wanted, or not, with everything else as found. A new file would get 0644.
    pub(crate) fn new(path: &AbsolutePath, wanted: bool) -> Self {
        Self {
            path: path.clone(),
            wanted,
            create: false,
            mode: None,
            new_mode: Mode(0o644),
            owner: None,
            group: None,
            validate: None,
            sensitive: false,
            remove_empty: false,
            makes_parent: false,
        }
    }

    /// Says whether the file goes, since nothing is left in it.
    fn removes(&self, observed: &ObservedEdit) -> bool {
        let is_there = matches!(observed.before, Known::Is(Some(_)));
        self.remove_empty && !self.wanted && is_there && observed.after.as_ref().is_some_and(|after| after.is_empty())
    }

    /// What the part owns, brings and needs. `parts` names what has one owner within the file: `ini:/etc/x.ini[server]port`.
    pub(crate) fn footprint(&self, parts: impl IntoIterator<Item = String>) -> Footprint {
        let path = self.path.shared();
        let made = self.wanted.then(|| Place::path(path.clone()));
        Footprint {
            owns: parts.into_iter().map(Place::other).collect(),
            edits: vec![path.clone()],
            brings: made.into_iter().chain(filesystem::brought_with(self.path.as_path())).collect(),
            needs: filesystem::needed_places(self.path.as_path(), self.owner, self.group),
            ..Footprint::default()
        }
    }

    /// Mistakes in what is said about the file.
    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        let mut problem = |attribute: &str, message: &str, hint: &str| {
            problems.push(Problem {
                code: "invalid-value",
                attribute: Some(attribute.into()),
                other: None,
                message: message.into(),
                hint: Some(hint.into()),
                mend: None,
            });
        };
        if filesystem::is_root(self.path.as_path()) {
            problem("path", "`/` is a directory", "name a file");
        }
        if self.validate.is_some_and(|validate| !validate.to_string().contains("%s")) {
            let hint = "write `%s` where the path of the temporary file goes";
            problem("validate", "the command does not look at the new content", hint);
        }
    }

    /// Reads the file and edits its content in memory.
    ///
    /// # Errors
    /// What looking fails with; `no-such-file` when the file is not there and not to be made; `wrong-kind` when it is no regular file;
    /// what the edit finds wrong with the content, with its line.
    pub(crate) fn observe(&self, world: &dyn World, edit: impl FnOnce(&[u8]) -> Edited) -> Result<ObservedEdit, ObserveError> {
        let path = self.path.as_path();
        let stat = filesystem::stat(world, path, self.wanted)?;
        let mut parent = None;
        let before = match &stat {
            Known::Unknown(because) => Known::Unknown(because.clone()),
            Known::Is(None) => {
                if self.wanted && !self.create {
                    return Err(missing_file(path));
                }
                if self.wanted && !self.makes_parent {
                    parent = filesystem::parent(world, path)?;
                }
                Known::Is(None)
            }
            Known::Is(Some(found)) if found.kind == FileKind::File => {
                if found.size > SIZE_LIMIT {
                    return Err(too_large(path, found.size));
                }
                world.read(path)?
            }
            Known::Is(Some(found)) => {
                let hint = match &found.target {
                    Some(target) => format!("name the file it points to: {}", path.with_file_name(target).display()),
                    None => "name a regular file".into(),
                };
                return Err(filesystem::wrong_kind(path, found.kind, FileKind::File, &hint));
            }
        };
        let after = match &before {
            Known::Unknown(_) => None,
            Known::Is(None) if !self.wanted => None,
            Known::Is(None) => Some(edit(&[]).map_err(|flaw| flaw.at(path))?.unwrap_or_default().into()),
            Known::Is(Some(bytes)) => edit(bytes).map_err(|flaw| flaw.at(path))?.map(Arc::from),
        };
        let ownership = if self.wanted {
            Ownership::observe(world, self.owner, self.group, &stat, parent.as_ref())?
        } else {
            Ownership::NONE
        };
        let is_secret = after.is_some() && world.holds_secret(path);
        Ok(ObservedEdit { stat, before, after, is_secret, ownership })
    }

    /// Decides what to do about the content, and about mode and owner where they are given.
    pub(crate) fn diff(&self, observed: &ObservedEdit) -> Difference {
        let mut changes = Vec::new();
        let before = match &observed.before {
            Known::Unknown(because) => {
                let unknown = || Shown::Unknown(because.clone());
                return filesystem::perhaps(Action::Update, vec![Change::value("content", unknown(), unknown())], because);
            }
            Known::Is(before) => before,
        };
        let is_removed = self.removes(observed);
        if let Some(after) = &observed.after {
            let stat = observed.stat.value().and_then(Option::as_ref);
            let change = shown_content(before.as_deref(), Some(&**after).filter(|_| !is_removed), stat);
            changes.push(if self.sensitive || observed.is_secret { change.hidden() } else { change });
        }
        if self.wanted {
            filesystem::mode_change(&observed.stat, self.mode, self.new_mode, &mut changes);
            observed.ownership.changes(&observed.stat, &mut changes);
        }
        let action = match before {
            Some(_) if is_removed => Action::Delete,
            Some(_) => Action::Update,
            None => Action::Create,
        };
        if changes.is_empty() { Difference::NONE } else { Difference { action, changes, unknown: None } }
    }

    /// Feeds what was found into a digest; `false` when a part of it is unknown.
    pub(crate) fn digest(&self, observed: &ObservedEdit, hasher: &mut blake3::Hasher) -> bool {
        match &observed.before {
            Known::Unknown(_) => return false,
            Known::Is(None) => {}
            Known::Is(Some(bytes)) => {
                hasher.update(blake3::hash(bytes).as_bytes());
            }
        }
        filesystem::digest_stat(&observed.stat, hasher)
    }

    /// Tells the predicted world the new content.
    pub(crate) fn predict(&self, observed: &ObservedEdit, difference: &Difference, effects: &mut Predicted<'_>) {
        if difference.is_none() {
            return;
        }
        let path = self.path.as_path();
        let found = match (&observed.stat, &difference.unknown) {
            (Known::Is(found), None) => found.as_ref(),
            // The file is there, and what is in it depends on what the edit will find.
            (Known::Is(Some(found)), Some(_)) => return effects.put(path, found.clone(), None),
            (Known::Unknown(because), _) => return effects.obscure(path, because),
            (Known::Is(None), Some(because)) => return effects.obscure(path, because),
        };
        if self.removes(observed) {
            return effects.remove(path);
        }
        let Some((uid, gid)) = observed.ownership.predicted(found) else {
            return effects.appear(path, &format!("the owner of {} is known", path.display()));
        };
        let mode = self.mode.or_else(|| found.map(|found| Mode(found.mode))).unwrap_or(self.new_mode);
        let stat = |size| Stat { kind: FileKind::File, mode: mode.0, uid, gid, size, target: None };
        match (&observed.after, found) {
            (Some(after), _) => effects.put(path, stat(after.len() as u64), Some(after.clone())),
            (None, Some(found)) => effects.change(path, stat(found.size)),
            (None, None) => {}
        }
    }

    /// Writes the new content beside the file, for the engine to rename; or sets the attributes, where only they differ.
    ///
    /// # Errors
    /// What the operating system refused, or the validation command.
    pub(crate) fn apply(&self, observed: &ObservedEdit, machine: &Machine) -> Result<Applied, ApplyError> {
        let path = self.path.as_path();
        if self.removes(observed) {
            machine.remove_file(path)?;
            return Ok(Applied::Done);
        }
        let stat = observed.stat.clone().known()?;
        let (uid, gid) = observed.ownership.settled(stat.as_ref())?;
        let mode = self.mode.or_else(|| stat.as_ref().map(|found| Mode(found.mode)));
        let Some(after) = &observed.after else {
            machine.set_attributes(path, mode.map(|mode| mode.0), uid, gid)?;
            return Ok(Applied::Done);
        };
        let staged = machine.stage_file(&FileWrite {
            path: path.to_owned(),
            content: after.clone(),
            mode: mode.unwrap_or(self.new_mode).0,
            uid,
            gid,
            validate: self.validate.cloned(),
            sensitive: self.sensitive,
            keeps: true,
        })?;
        Ok(Applied::Staged(vec![staged]))
    }
}

/// The change from one content to the other, as far as it is told.
fn shown_content(before: Option<&[u8]>, after: Option<&[u8]>, stat: Option<&Stat>) -> Change {
    let text = |bytes: &[u8]| {
        let is_shown = bytes.len() <= DIFF_LIMIT && !bytes.contains(&0);
        is_shown.then(|| std::str::from_utf8(bytes).ok().map(|text| Shown::Text(text.into()))).flatten()
    };
    let digest = |bytes: &[u8]| {
        let hash = blake3::hash(bytes).to_hex().as_str().into();
        Shown::Digest { hash, size: bytes.len() as u64 }
    };
    let is_text = before.into_iter().chain(after).all(|bytes| text(bytes).is_some());
    let side = |bytes: Option<&[u8]>| match bytes {
        None => Shown::Absent,
        Some(bytes) => text(bytes).filter(|_| is_text).unwrap_or_else(|| digest(bytes)),
    };
    content_change(side(before), side(after), Private::found(stat))
}

impl Flaw {
    /// A file that does not have the form it should have.
    pub(crate) fn malformed(line: usize, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: "malformed-file", line: Some(line), message: message.into(), hint: hint.into() }
    }

    /// The failure, with its place on the machine.
    pub(crate) fn at(self, path: &Path) -> ObserveError {
        let place = match self.line {
            Some(line) => format!("{}:{line}", path.display()),
            None => path.display().to_string(),
        };
        ObserveError::Impossible { code: self.code, message: format!("{place}: {}", self.message), hint: self.hint }
    }
}

fn missing_file(path: &Path) -> ObserveError {
    ObserveError::Impossible {
        code: "no-such-file",
        message: format!("there is no file {}, and nothing planned before makes it", path.display()),
        hint: "set `create = true` to make it, or declare the file or the package that brings it".into(),
    }
}

fn too_large(path: &Path, size: u64) -> ObserveError {
    ObserveError::Impossible {
        code: "edit-too-large",
        message: format!("{} has {size} bytes, more than the {SIZE_LIMIT} that are edited in memory", path.display()),
        hint: "check the path; a file of this size is hardly configuration".into(),
    }
}
