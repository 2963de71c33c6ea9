//! What `file`, `directory` and `symlink` have in common: kinds, owners, modes and the directory that things are in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_catalog::{Action, Change, Place, PlaceKind, ResourceId, Shown, Value};
use stead_engine::{ApplyError, Difference, FileKind, Known, Look, ObserveError, Owner, Stat, World};

use crate::values::{Account, Mode};

/// Symlinks followed for one path before it counts as a loop, as in Linux (path_resolution(7)).
const MAX_SYMLINKS: usize = 40;

/// The kind in the words of a message.
pub(crate) const fn kind_words(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "a regular file",
        FileKind::Directory => "a directory",
        FileKind::Symlink => "a symlink",
        FileKind::Other => "a device, socket or pipe",
    }
}

/// The change from one kind of thing to another.
pub(crate) fn kind_change(from: FileKind, to: FileKind) -> Change {
    let word = |kind| {
        Shown::Value(Value::Member(
            match kind {
                FileKind::File => "file",
                FileKind::Directory => "directory",
                FileKind::Symlink => "symlink",
                FileKind::Other => "special",
            }
            .into(),
        ))
    };
    Change::value("kind", word(from), word(to))
}

/// The failure to manage a thing of another kind than the resource's.
pub(crate) fn wrong_kind(path: &Path, found: FileKind, expected: FileKind, hint: &str) -> ObserveError {
    ObserveError::Impossible {
        code: "wrong-kind",
        message: format!("{} is {}, expected {}", path.display(), kind_words(found), kind_words(expected)),
        hint: hint.into(),
    }
}

/// Looks at what is at `path`, for a resource that wants something there, or nothing: below a file there is nothing.
///
/// # Errors
/// What looking at it fails with.
pub(crate) fn stat(world: &dyn World, path: &Path, is_wanted: bool) -> Look<Option<Stat>> {
    match world.stat(path) {
        Err(ObserveError::WrongKind { .. }) if !is_wanted => Ok(Known::Is(None)),
        seen => seen,
    }
}

/// Looks at the directory that `path` is in, symlinks followed; `None` where it is known only later.
///
/// # Errors
/// `missing-parent` when it is not there, `wrong-kind` when it is no directory, and what looking at it fails with.
pub(crate) fn parent(world: &dyn World, path: &Path) -> Result<Option<Stat>, ObserveError> {
    let Some(parent) = path.parent() else { return Ok(None) };
    let mut at = parent.to_owned();
    for _ in 0..MAX_SYMLINKS {
        let stat = match world.stat(&at)? {
            Known::Is(Some(stat)) => stat,
            Known::Is(None) if at == parent => return Err(missing_parent(path, parent)),
            Known::Is(None) => {
                let hint = format!("it leads to {}, which is not there: make that, or remove the symlink", at.display());
                return Err(wrong_kind(parent, FileKind::Symlink, FileKind::Directory, &hint));
            }
            Known::Unknown(_) => return Ok(None),
        };
        match (stat.kind, &stat.target) {
            (FileKind::Directory, _) => return Ok(Some(stat)),
            (FileKind::Symlink, Some(target)) => at = at.parent().unwrap_or(Path::new("/")).join(target),
            (kind, _) => {
                let hint = format!("remove it, or put {} elsewhere", path.display());
                return Err(wrong_kind(parent, kind, FileKind::Directory, &hint));
            }
        }
    }
    Err(ObserveError::Io { path: parent.to_owned(), message: "too many levels of symbolic links".into() })
}

fn missing_parent(path: &Path, parent: &Path) -> ObserveError {
    ObserveError::Impossible {
        code: "missing-parent",
        message: format!("{} cannot be made: there is no directory {}", path.display(), parent.display()),
        hint: format!(
            "declare directory \"{}\" {{ parents = true }}, or say `creates` on the exec that makes it",
            parent.display()
        ),
    }
}

/// A user or group that something is to belong to, looked up on a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Its id, or its name where the id is given out later; unknown where even the account may come later.
    pub(crate) id: Known<Owner>,
    /// As the plan shows it.
    pub(crate) shown: Account,
}

impl Holder {
    /// Looks a user up.
    ///
    /// # Errors
    /// `unknown-user`, and what looking fails with.
    pub(crate) fn user(world: &dyn World, account: &Account) -> Result<Self, ObserveError> {
        let Account::Name(name) = account else { return Ok(Self::by_id(account)) };
        let id = match world.user(name)? {
            Known::Is(Some(user)) => Known::Is(pending(user.uid, name)),
            Known::Is(None) => return Err(unknown_account("user", name)),
            Known::Unknown(because) => Known::Unknown(because),
        };
        Ok(Self { id, shown: account.clone() })
    }

    /// Looks a group up.
    ///
    /// # Errors
    /// `unknown-group`, and what looking fails with.
    pub(crate) fn group(world: &dyn World, account: &Account) -> Result<Self, ObserveError> {
        let Account::Name(name) = account else { return Ok(Self::by_id(account)) };
        let id = match world.group(name)? {
            Known::Is(Some(group)) => Known::Is(pending(group.gid, name)),
            Known::Is(None) => return Err(unknown_account("group", name)),
            Known::Unknown(because) => Known::Unknown(because),
        };
        Ok(Self { id, shown: account.clone() })
    }

    fn by_id(account: &Account) -> Self {
        let id = if let Account::Id(id) = account { *id } else { 0 };
        Self { id: Known::Is(Owner::Id(id)), shown: account.clone() }
    }

    fn found(owner: &Owner, name: impl FnOnce(u32) -> Option<Arc<str>>) -> Self {
        Self { id: Known::Is(owner.clone()), shown: found_account(owner, name) }
    }

    /// The id, at the time of the change, when every account is there.
    ///
    /// # Errors
    /// When the account is still not there.
    pub(crate) fn settled(&self) -> Result<u32, ApplyError> {
        match &self.id {
            Known::Is(Owner::Id(id)) => Ok(*id),
            _ => Err(ObserveError::Impossible {
                code: "unknown-user",
                message: format!("there is no account `{}`", self.shown),
                hint: "require the resource that creates it".into(),
            }
            .into()),
        }
    }

    /// The owner as the predicted world takes it: after the change it is this account, whatever its id.
    pub(crate) fn predicted(&self) -> Option<Owner> {
        match (&self.id, &self.shown) {
            (Known::Is(owner), _) => Some(owner.clone()),
            (Known::Unknown(_), Account::Name(name)) => Some(Owner::Pending(name.clone())),
            (Known::Unknown(_), Account::Id(id)) => Some(Owner::Id(*id)),
        }
    }

    /// As the plan shows it.
    pub(crate) fn to_shown(&self) -> Shown {
        shown_account(&self.shown)
    }
}

fn pending(id: Known<u32>, name: &Arc<str>) -> Owner {
    match id {
        Known::Is(id) => Owner::Id(id),
        Known::Unknown(_) => Owner::Pending(name.clone()),
    }
}

/// The failure to find an account that something is to belong to.
pub(crate) fn unknown_account(kind: &str, name: &str) -> ObserveError {
    ObserveError::Impossible {
        code: if kind == "user" { "unknown-user" } else { "unknown-group" },
        message: format!("there is no {kind} `{name}` on this machine, and nothing planned before brings it"),
        hint: format!("declare {kind} \"{name}\", or require the package that brings it"),
    }
}

fn found_account(owner: &Owner, name: impl FnOnce(u32) -> Option<Arc<str>>) -> Account {
    match owner {
        Owner::Id(id) => name(*id).map_or(Account::Id(*id), Account::Name),
        Owner::Pending(name) => Account::Name(name.clone()),
    }
}

/// An owner as the plan shows it: by name, where it has one.
pub(crate) fn shown_owner(owner: &Owner, name: impl FnOnce(u32) -> Option<Arc<str>>) -> Shown {
    shown_account(&found_account(owner, name))
}

fn shown_account(account: &Account) -> Shown {
    Shown::Value(match account {
        Account::Name(name) => Value::String(name.clone()),
        Account::Id(id) => Value::Int(i64::from(*id)),
    })
}

/// Who a thing belongs to, as wanted and as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ownership {
    /// The wanted user; `None`: left as found. Of a thing that is not there: whom it will belong to.
    pub(crate) user: Option<Holder>,
    /// The wanted group, likewise.
    pub(crate) group: Option<Holder>,
    /// The user's name as found, where it differs from the wanted one.
    user_found: Option<Account>,
    /// The group's name as found, likewise.
    group_found: Option<Account>,
}

impl Ownership {
    /// Nobody is asked for.
    pub(crate) const NONE: Self = Self { user: None, group: None, user_found: None, group_found: None };

    /// Looks up the wanted accounts for a thing that was found as `stat`.
    ///
    /// Without a wanted owner, a new thing belongs to the engine's own user. Without a wanted group, it
    /// belongs to the engine's own group, or to that of a directory with the set-group-ID bit (open(2)).
    ///
    /// # Errors
    /// `unknown-user`, `unknown-group`, and what looking fails with.
    pub(crate) fn observe(
        world: &dyn World,
        owner: Option<&Account>,
        group: Option<&Account>,
        stat: &Known<Option<Stat>>,
        parent: Option<&Stat>,
    ) -> Result<Self, ObserveError> {
        let mut user = owner.map(|account| Holder::user(world, account)).transpose()?;
        let mut group = group.map(|account| Holder::group(world, account)).transpose()?;
        let (mut user_found, mut group_found) = (None, None);
        match stat {
            Known::Is(None) => {
                let (uid, gid) = world.identity();
                let inherited = parent.filter(|parent| parent.mode & 0o2000 != 0).map(|parent| parent.gid.clone());
                user = user.or_else(|| Some(Holder::found(&Owner::Id(uid), |id| world.user_name(id))));
                let gid = inherited.unwrap_or(Owner::Id(gid));
                group = group.or_else(|| Some(Holder::found(&gid, |id| world.group_name(id))));
            }
            Known::Is(Some(stat)) => {
                let differs = |holder: &Option<Holder>, found: &Owner| {
                    holder.as_ref().is_some_and(|holder| holder.id.value() != Some(found))
                };
                if differs(&user, &stat.uid) {
                    user_found = Some(found_account(&stat.uid, |id| world.user_name(id)));
                }
                if differs(&group, &stat.gid) {
                    group_found = Some(found_account(&stat.gid, |id| world.group_name(id)));
                }
            }
            Known::Unknown(_) => {}
        }
        Ok(Self { user, group, user_found, group_found })
    }

    /// The changes of owner and group: all of a new thing's, those that differ of one that is there, and all wanted
    /// ones where it is not known what is there.
    pub(crate) fn changes(&self, stat: &Known<Option<Stat>>, changes: &mut Vec<Change>) {
        for (attribute, holder, found) in [("owner", &self.user, &self.user_found), ("group", &self.group, &self.group_found)] {
            let Some(holder) = holder else { continue };
            let before = match (stat, found) {
                (Known::Is(None), _) => Shown::Absent,
                (Known::Unknown(because), _) => Shown::Unknown(because.clone()),
                (Known::Is(Some(_)), Some(found)) => shown_account(found),
                (Known::Is(Some(_)), None) => continue,
            };
            changes.push(Change::value(attribute, before, holder.to_shown()));
        }
    }

    /// The ids to give the thing: the wanted ones, else those it has.
    ///
    /// # Errors
    /// When a wanted account is still not there.
    pub(crate) fn settled(&self, stat: Option<&Stat>) -> Result<(Option<u32>, Option<u32>), ApplyError> {
        let found = |owner: &Owner| if let Owner::Id(id) = owner { Some(*id) } else { None };
        let user = match &self.user {
            Some(holder) => Some(holder.settled()?),
            None => stat.and_then(|stat| found(&stat.uid)),
        };
        let group = match &self.group {
            Some(holder) => Some(holder.settled()?),
            None => stat.and_then(|stat| found(&stat.gid)),
        };
        Ok((user, group))
    }

    /// The owners once the change is made; `None` when one is unknown.
    pub(crate) fn predicted(&self, stat: Option<&Stat>) -> Option<(Owner, Owner)> {
        let user = self.user.as_ref().map_or_else(|| stat.map(|stat| stat.uid.clone()), Holder::predicted)?;
        let group = self.group.as_ref().map_or_else(|| stat.map(|stat| stat.gid.clone()), Holder::predicted)?;
        Some((user, group))
    }
}

/// The change of the mode: of a new thing, of one whose mode differs, and of one that is not known.
pub(crate) fn mode_change(stat: &Known<Option<Stat>>, wanted: Option<Mode>, of_new: Mode, changes: &mut Vec<Change>) {
    let shown = |mode: u32| Shown::Value(Value::Mode(mode));
    let (before, after) = match (stat, wanted) {
        (Known::Is(None), wanted) => (Shown::Absent, wanted.unwrap_or(of_new)),
        (_, None) => return,
        (Known::Is(Some(stat)), Some(wanted)) if stat.mode == wanted.0 => return,
        (Known::Is(Some(stat)), Some(wanted)) => (shown(stat.mode), wanted),
        (Known::Unknown(because), Some(wanted)) => (Shown::Unknown(because.clone()), wanted),
    };
    changes.push(Change::value("mode", before, shown(after.0)));
}

/// The identity of the resource that manages a path, as a plan names it.
pub(crate) fn id(type_name: &str, path: &Path) -> String {
    ResourceId::new(type_name, path.to_string_lossy().into_owned()).to_string()
}

/// A difference that may turn out to be none once `because` is applied.
pub(crate) fn perhaps(action: Action, changes: Vec<Change>, because: &Arc<str>) -> Difference {
    Difference { action, changes, unknown: Some(because.clone()) }
}

/// Feeds what was found at a path into a digest; `false` when a part of it is unknown.
pub(crate) fn digest_stat(stat: &Known<Option<Stat>>, hasher: &mut blake3::Hasher) -> bool {
    let stat = match stat {
        Known::Unknown(_) => return false,
        Known::Is(None) => {
            hasher.update(b"absent");
            return true;
        }
        Known::Is(Some(stat)) => stat,
    };
    let (Owner::Id(uid), Owner::Id(gid)) = (&stat.uid, &stat.gid) else { return false };
    hasher.update(kind_words(stat.kind).as_bytes());
    for number in [stat.mode, *uid, *gid] {
        hasher.update(&number.to_le_bytes());
    }
    if let Some(target) = &stat.target {
        hasher.update(target.as_os_str().as_encoded_bytes());
    }
    true
}

/// The places that a thing at `path` needs first: the directories it is in, what makes it before it is managed, its
/// owner and its group.
pub(crate) fn needed_places(path: &Path, owner: Option<&Account>, group: Option<&Account>) -> Vec<Place> {
    let mut places: Vec<Place> = path.to_str().map(Place::path).into_iter().collect();
    if let Some(Account::Name(name)) = owner {
        places.push(Place::user(name.clone()));
    }
    if let Some(Account::Name(name)) = group {
        places.push(Place::group(name.clone()));
    }
    places
}

/// What a file's being there brings besides itself: a unit file its unit, and whatever lies below /etc/apt says what can be installed.
pub(crate) fn brought_with(path: &Path) -> Vec<Place> {
    let unit = stead_engine::unit_of(path).map(Place::unit);
    let repository = path.starts_with("/etc/apt").then(|| Place { kind: PlaceKind::Repository, name: "apt".into() });
    unit.into_iter().chain(repository).collect()
}

/// Says whether the path is `/`, which nothing can replace.
pub(crate) fn is_root(path: &Path) -> bool {
    path == Path::new("/")
}

/// What is below a directory: everything, deepest last, symlinks not followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// Paths relative to the directory, in order, with their kinds.
    pub(crate) entries: Vec<(PathBuf, FileKind)>,
}

impl Tree {
    /// Lists what is below `directory`.
    ///
    /// # Errors
    /// What looking fails with; `Unknown` when a part is known only later.
    pub(crate) fn observe(world: &dyn World, directory: &Path) -> Result<Self, ObserveError> {
        let mut tree = Self::default();
        let mut open = vec![PathBuf::new()];
        while let Some(relative) = open.pop() {
            for (name, kind) in world.list(&directory.join(&relative))?.known()?.unwrap_or_default() {
                let path = relative.join(name);
                if kind == FileKind::Directory {
                    open.push(path.clone());
                }
                tree.entries.push((path, kind));
            }
        }
        tree.entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(tree)
    }

    /// Feeds the entries into a digest.
    pub(crate) fn digest(&self, hasher: &mut blake3::Hasher) {
        for (path, kind) in &self.entries {
            hasher.update(path.as_os_str().as_encoded_bytes());
            hasher.update(kind_words(*kind).as_bytes());
        }
    }
}

/// Where a symlink points, as the plan shows it.
pub(crate) fn shown_target(stat: &Stat) -> Shown {
    let target = stat.target.as_deref().unwrap_or(Path::new(""));
    Shown::Value(Value::string(target.to_string_lossy().into_owned()))
}

/// Most entries that are named one by one; the rest is counted.
pub(crate) const MAX_NAMED: usize = 100;

/// What a second look still finds of `creates`, in words; `None` where it is not that.
pub(crate) fn missing_of_creates(left: &Difference) -> Option<String> {
    let missing: Vec<&str> = left
        .changes
        .iter()
        .filter(|change| &*change.attribute == "creates" && change.before == Shown::Absent)
        .filter_map(|change| match &change.after {
            Shown::Value(value) => value.as_str(),
            _ => None,
        })
        .collect();
    (!missing.is_empty()).then(|| missing.join(" and "))
}

/// The changes that remove these entries: one a name up to a bound, then a count.
pub(crate) fn removals<'a>(names: impl ExactSizeIterator<Item = &'a Path>, changes: &mut Vec<Change>) {
    let count = names.len();
    for name in names.take(MAX_NAMED) {
        let name = Value::string(name.to_string_lossy().into_owned());
        changes.push(Change::value("removes", Shown::Value(name), Shown::Absent));
    }
    if let Some(more) = count.checked_sub(MAX_NAMED).filter(|more| *more > 0) {
        changes.push(Change::value("removes", Shown::Value(Value::string(format!("{more} more"))), Shown::Absent));
    }
}
