//! A file of one user that a part is managed of: below the home, or wherever a path with `%h` and `%u` says.

use std::path::Path;
use std::sync::Arc;

use stead_catalog::{Action, Change, Footprint, Place};
use stead_engine::{Applied, ApplyError, Difference, Known, Machine, ObserveError, Predicted, ResourceType, User, World};

use super::{Edited, EditedFile, ObservedEdit};
use crate::filesystem;
use crate::resources::directory::{self, Directory, ObservedDirectory};
use crate::values::{AbsolutePath, Account, Mode};

/// A user's file, as a resource describes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnedFile<'a> {
    /// Whose file.
    pub(crate) user: &'a Arc<str>,
    /// Where: absolute, or below the home; `%h` stands for the home, `%u` for the name.
    pub(crate) path: &'a str,
    /// Permission bits of the file.
    pub(crate) mode: Mode,
    /// The directory that the file is in is made and kept as the user's own, with these permission bits.
    pub(crate) directory: Option<Mode>,
    /// The part is wanted.
    pub(crate) wanted: bool,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct ObservedOwned {
    place: Option<Settled>,
    directory: Option<ObservedDirectory>,
    edit: Option<ObservedEdit>,
}

/// Where the file is and whom it belongs to.
#[derive(Clone, Debug)]
struct Settled {
    path: AbsolutePath,
    owner: Account,
    group: Option<Account>,
}

impl<'a> OwnedFile<'a> {
    /// What the part owns, brings and needs. The home is known only on the machine; without one said, it is where homes are.
    pub(crate) fn footprint(&self, parts: impl IntoIterator<Item = String>) -> Footprint {
        let path = self.expand(&if **self.user == *"root" { "/root".to_owned() } else { format!("/home/{}", self.user) });
        let mut needs = vec![Place::user(self.user.clone())];
        let mut brings = Vec::new();
        if let Some(path) = path {
            needs.push(Place::path(path.shared().clone()));
            if self.wanted {
                let parent =
                    path.parent().filter(|_| self.directory.is_some()).map(|parent| parent.to_string_lossy().into_owned());
                brings.extend(parent.map(Place::path));
                brings.push(Place::path(path.shared().clone()));
            }
        }
        Footprint {
            owns: parts.into_iter().map(Place::other).collect(),
            edits: vec![self.name()],
            needs,
            brings,
            ..Footprint::default()
        }
    }

    /// What a resource is said to decide all of, or a part of: the file, whichever the home is.
    pub(crate) fn name(&self) -> Arc<str> {
        if self.path.starts_with('/') && !self.path.contains('%') {
            return self.path.into();
        }
        format!("{} of {}", self.path, self.user).into()
    }

    fn expand(&self, home: &str) -> Option<AbsolutePath> {
        let path = self.path.replace("%h", home).replace("%u", self.user).replace("%%", "%");
        AbsolutePath::new(&if path.starts_with('/') { path } else { format!("{home}/{path}") })
    }

    /// Looks at the file and edits its content in memory.
    ///
    /// # Errors
    /// `unknown-user` for a part that is wanted, and what looking and the edit fail with.
    pub(crate) fn observe(&self, world: &dyn World, edit: impl FnOnce(&[u8]) -> Edited) -> Result<ObservedOwned, ObserveError> {
        let user = match world.user(self.user)? {
            Known::Is(Some(user)) => user,
            Known::Is(None) if !self.wanted => return Ok(ObservedOwned { place: None, directory: None, edit: None }),
            Known::Is(None) => return Err(filesystem::unknown_account("user", self.user)),
            Known::Unknown(because) => return Err(ObserveError::Unknown { because }),
        };
        let place = self.settle(world, &user)?;
        let directory = match self.directory_of(&place) {
            Some(directory) => Some(directory.observe(world).map_err(in_the_way)?),
            None => None,
        };
        let edit = self.file(&place).observe(world, edit)?;
        Ok(ObservedOwned { place: Some(place), directory, edit: Some(edit) })
    }

    fn settle(&self, world: &dyn World, user: &User) -> Result<Settled, ObserveError> {
        let path = self.expand(&user.home).ok_or_else(|| ObserveError::Impossible {
            code: "no-home",
            message: format!("the home of `{}` is `{}`, which is no absolute path", self.user, user.home),
            hint: format!("give it one, user \"{}\" {{ home = … }}, or say `path`", self.user),
        })?;
        let group = match (&user.gid, &user.group) {
            (Known::Is(gid), _) => Some(world.group_name(*gid).map_or(Account::Id(*gid), Account::Name)),
            (Known::Unknown(_), group) => group.clone().map(Account::Name),
        };
        Ok(Settled { path, owner: Account::Name(self.user.clone()), group })
    }

    fn directory_of(&self, place: &Settled) -> Option<Directory> {
        let mode = self.directory.filter(|_| self.wanted)?;
        let path = AbsolutePath::new(&place.path.parent()?.to_string_lossy())?;
        Some(Directory {
            path,
            state: directory::State::Present,
            mode: Some(mode),
            owner: Some(place.owner.clone()),
            group: place.group.clone(),
            parents: false,
            recursive: false,
            file_mode: None,
            dir_mode: None,
            purge: false,
            purge_keep: Vec::new(),
            only_empty: false,
            force: false,
        })
    }

    fn file<'p>(&self, place: &'p Settled) -> EditedFile<'p> {
        EditedFile {
            create: true,
            mode: Some(self.mode),
            new_mode: self.mode,
            owner: Some(&place.owner),
            group: place.group.as_ref(),
            makes_parent: self.directory.is_some(),
            ..EditedFile::new(&place.path, self.wanted)
        }
    }

    /// Decides what to do about the content, and about mode and owner of the file and its directory.
    pub(crate) fn diff(&self, observed: &ObservedOwned) -> Difference {
        let (Some(place), Some(edit)) = (&observed.place, &observed.edit) else { return Difference::NONE };
        let mut difference = self.file(place).diff(edit);
        let Some((directory, seen)) = self.directory_of(place).zip(observed.directory.as_ref()) else { return difference };
        let made = directory.diff(seen);
        if made.is_none() {
            return difference;
        }
        let name = directory.path.as_path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let of_directory = made
            .changes
            .into_iter()
            .map(|change| Change { attribute: format!("{} of {name}", change.attribute).into(), ..change });
        difference.changes.extend(of_directory);
        if difference.action == Action::None {
            difference.action = Action::Update;
        }
        difference.unknown = difference.unknown.or(made.unknown);
        difference
    }

    /// Feeds what was found into a digest; `false` when a part of it is unknown.
    pub(crate) fn digest(&self, observed: &ObservedOwned, hasher: &mut blake3::Hasher) -> bool {
        let (Some(place), Some(edit)) = (&observed.place, &observed.edit) else { return true };
        hasher.update(place.path.as_str().as_bytes());
        let is_known = match self.directory_of(place).zip(observed.directory.as_ref()) {
            Some((directory, seen)) => directory.digest(seen, hasher),
            None => true,
        };
        self.file(place).digest(edit, hasher) && is_known
    }

    /// Tells the predicted world the new content.
    pub(crate) fn predict(&self, observed: &ObservedOwned, difference: &Difference, effects: &mut Predicted<'_>) {
        let (Some(place), Some(edit), false) = (&observed.place, &observed.edit, difference.is_none()) else { return };
        if let Some((directory, seen)) = self.directory_of(place).zip(observed.directory.as_ref()) {
            let made = directory.diff(seen);
            if !made.is_none() {
                directory.predict(seen, &made, effects);
            }
        }
        let file = self.file(place);
        file.predict(edit, &file.diff(edit), effects);
    }

    /// Makes the directory where it is missing and writes the file beside itself, for the engine to rename.
    ///
    /// # Errors
    /// What the operating system refused.
    pub(crate) fn apply(&self, observed: &ObservedOwned, machine: &Machine) -> Result<Applied, ApplyError> {
        let (Some(place), Some(edit)) = (&observed.place, &observed.edit) else { return Ok(Applied::Done) };
        if let Some((directory, seen)) = self.directory_of(place).zip(observed.directory.as_ref()) {
            let made = directory.diff(seen);
            if !made.is_none() {
                let _ = directory.apply(seen, &made, machine)?;
            }
        }
        let file = self.file(place);
        if file.diff(edit).is_none() { Ok(Applied::Done) } else { file.apply(edit, machine) }
    }
}

/// What stands in the place of the directory is not replaced: it is the user's.
fn in_the_way(error: ObserveError) -> ObserveError {
    match error {
        ObserveError::Impossible { code: "wrong-kind", message, .. } => {
            let hint = "remove it, or say where the file is: `path = …, manage_directory = false`".into();
            ObserveError::Impossible { code: "wrong-kind", message, hint }
        }
        other => other,
    }
}

/// Says whether a path of a user's file can be meant: absolute or below the home, without a step up.
pub(crate) fn is_path(path: &str) -> bool {
    !path.is_empty()
        && !path.contains(['\0', '\n'])
        && !path.ends_with('/')
        && Path::new(path).components().all(|part| part != std::path::Component::ParentDir)
}
