//! What an archive holds against what is there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_catalog::{Action, Change, Shown, Value};
use stead_engine::net;
use stead_engine::{Difference, FileKind, Known, ObserveError, Owner, Predicted, Stat, World};

use super::{Archive, ObservedArchive, State};
use crate::checksum::{Checksum, Wanted};
use crate::filesystem::{self, Holder, MAX_NAMED};
use crate::unpack::{Index, Member};
use crate::values::Mode;
use crate::web::Origin;

/// Mode of a destination that is made and of directories that the archive does not list.
const NEW_DIRECTORY: Mode = Mode(0o755);

/// Larger archives are not read into memory.
pub(super) const MAX_ARCHIVE: u64 = 1 << 30;

/// What is known of the archive.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// It was not looked at.
    Unasked,
    /// It is at a URL: it is fetched when it is unpacked.
    Remote,
    /// It is there only later.
    Later(Arc<str>),
    /// It was read: BLAKE3 of it, and what it holds.
    Read { hash: [u8; 32], index: Arc<Index> },
}

impl Source {
    pub(super) fn digest(&self, hasher: &mut blake3::Hasher) -> bool {
        match self {
            Self::Unasked | Self::Remote => true,
            Self::Later(_) => false,
            Self::Read { hash, .. } => {
                hasher.update(hash);
                true
            }
        }
    }
}

/// One thing that is not as in the archive.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Below the destination.
    pub(super) path: PathBuf,
    /// What is there; `None`: nothing.
    pub(super) found: Option<Stat>,
    /// The content of a file, or what a symlink holds, differs.
    pub(super) rewrite: bool,
    /// How it is told, where something is there.
    changes: Vec<Change>,
}

/// All that is not as in the archive.
#[derive(Clone, Debug, Default)]
pub(super) struct Compared {
    /// The destination is not there.
    pub(super) is_missing: bool,
    pub(super) steps: Vec<Step>,
    /// Paths whose state is known only later, with why.
    unknown: Vec<(PathBuf, Arc<str>)>,
    /// Whom new things belong to; `None`: as the archive says, or known later.
    pub(super) user: Option<Holder>,
    pub(super) group: Option<Holder>,
}

impl Compared {
    pub(super) fn difference(&self) -> Difference {
        let mut changes = Vec::new();
        if self.is_missing {
            changes.push(Change::value("destination", Shown::Absent, Shown::Value(Value::Member("directory".into()))));
        }
        let new: Vec<&Path> = self.steps.iter().filter(|step| step.found.is_none()).map(|step| &*step.path).collect();
        let is_new = new.len() == self.steps.len();
        for name in new.iter().take(MAX_NAMED) {
            let name = Value::string(name.to_string_lossy().into_owned());
            changes.push(Change::value("unpacks", Shown::Absent, Shown::Value(name)));
        }
        if let Some(more) = new.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
            changes.push(Change::value("unpacks", Shown::Absent, Shown::Value(Value::string(format!("{more} more")))));
        }
        if !new.is_empty() || self.is_missing {
            for (attribute, holder) in [("owner", &self.user), ("group", &self.group)] {
                changes.extend(holder.as_ref().map(|holder| Change::value(attribute, Shown::Absent, holder.to_shown())));
            }
        }
        let mut told = 0;
        for step in self.steps.iter().filter(|step| step.found.is_some()) {
            told += 1;
            if told <= MAX_NAMED {
                changes.extend(step.changes.iter().cloned());
            }
        }
        if told > MAX_NAMED {
            let more = Value::string(format!("{} more", told - MAX_NAMED));
            changes.push(Change::value("puts_right", Shown::Absent, Shown::Value(more)));
        }
        let mut unknown = None;
        for (path, because) in self.unknown.iter().take(MAX_NAMED) {
            let after = Shown::Value(Value::string(path.to_string_lossy().into_owned()));
            changes.push(Change::value("unpacks", Shown::Unknown(because.clone()), after));
            unknown.get_or_insert_with(|| because.clone());
        }
        if changes.is_empty() {
            return Difference::NONE;
        }
        let action =
            if is_new && (self.is_missing || self.steps.len() > self.unknown.len()) { Action::Create } else { Action::Update };
        let is_certain = self.is_missing || !self.steps.is_empty();
        Difference { action, changes, unknown: unknown.filter(|_| !is_certain) }
    }

    pub(super) fn digest(&self, hasher: &mut blake3::Hasher) -> bool {
        hasher.update(&[u8::from(self.is_missing)]);
        self.unknown.is_empty()
            && self.steps.iter().all(|step| {
                hasher.update(step.path.as_os_str().as_encoded_bytes());
                hasher.update(format!("{:?}", step.changes).as_bytes());
                filesystem::digest_stat(&Known::Is(step.found.clone()), hasher)
            })
    }
}

impl Archive {
    /// Looks at the archive.
    pub(super) fn observe_source(&self, world: &dyn World) -> Result<Source, ObserveError> {
        let bytes = match self.origin() {
            Some(Origin::Url(_)) | None => return Ok(Source::Remote),
            Some(Origin::Project(blob)) => blob.bytes.clone(),
            Some(Origin::Path(path)) => match self.read_archive(world, path)? {
                Known::Is(bytes) => bytes,
                Known::Unknown(because) => return Ok(Source::Later(because)),
            },
        };
        let index = self.index_of(world, &bytes)?;
        Ok(Source::Read { hash: *blake3::hash(&bytes).as_bytes(), index: Arc::new(index) })
    }

    /// Reads the archive's file on the node.
    fn read_archive(&self, world: &dyn World, path: &Path) -> Result<Known<Arc<[u8]>>, ObserveError> {
        let missing = || ObserveError::Impossible {
            code: "missing-source",
            message: format!("there is no archive {}", path.display()),
            hint: "declare the resource that brings it, such as a `download`, or name the path it has".into(),
        };
        match world.stat(path)? {
            Known::Is(None) => return Err(missing()),
            Known::Is(Some(stat)) if stat.size > MAX_ARCHIVE => {
                return Err(ObserveError::Impossible {
                    code: "archive-too-large",
                    message: format!(
                        "{} has {}, at most {} are read",
                        path.display(),
                        Value::Size(stat.size),
                        Value::Size(MAX_ARCHIVE)
                    ),
                    hint: "unpack it with an `exec` that says what it `creates`".into(),
                });
            }
            Known::Is(Some(_)) => {}
            Known::Unknown(because) => return Ok(Known::Unknown(because)),
        }
        Ok(match world.read(path)? {
            Known::Is(Some(bytes)) => Known::Is(bytes),
            Known::Is(None) => return Err(missing()),
            Known::Unknown(because) => Known::Unknown(because),
        })
    }

    /// The checksum that it has to have; looked up where a file of checksums has it.
    fn settled_checksum(&self, world: &dyn World) -> Result<Option<Checksum>, ObserveError> {
        let listed = match self.wanted_checksum() {
            Wanted::Is(checksum) => return Ok(Some(checksum)),
            Wanted::Unsaid | Wanted::Unchecked => return Ok(None),
            Wanted::Listed(listed) => listed,
        };
        let origin = self.origin();
        let own = || match origin {
            Some(Origin::Url(url)) => net::file_name(url),
            Some(Origin::Path(path)) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            Some(Origin::Project(blob)) => blob.origin.rsplit('/').next().map(str::to_owned),
            None => None,
        };
        let name = self.checksum_name.as_ref().map(|name| name.to_string()).or_else(own).unwrap_or_default();
        listed.look_up(world, &name, origin, &self.fetching())?.known().map(Some)
    }

    /// Checks an archive's checksum and reads what it holds.
    pub(super) fn index_of(&self, world: &dyn World, bytes: &[u8]) -> Result<Index, ObserveError> {
        if let Some(wanted) = self.settled_checksum(world)? {
            let found = Checksum::of(wanted.algorithm, bytes);
            if found != wanted {
                return Err(ObserveError::Impossible {
                    code: "wrong-checksum",
                    message: format!("{} has the checksum {found}, expected {wanted}", self.shown_origin()),
                    hint: "it is another archive than was meant: look at where it comes from, or correct `checksum`".into(),
                });
            }
        }
        let selection = self.selection().map_err(|(pattern, reason)| ObserveError::Impossible {
            code: "damaged-archive",
            message: format!("`{pattern}` is no pattern: {reason}"),
            hint: "write one such as `app-*/bin`".into(),
        })?;
        let index = Index::read(bytes, &selection, self.limits()).map_err(|refusal| refusal.into_error(&self.shown_origin()))?;
        if index.members.is_empty() && !index.is_blank && self.state == State::Present {
            return Err(self.nothing_selected(&index));
        }
        Ok(index)
    }

    /// The failure of an archive that has something in it, of which nothing is wanted.
    fn nothing_selected(&self, index: &Index) -> ObserveError {
        let list = "list what is in it with `tar tf` or `unzip -l`";
        let (option, hint) = if index.depth > 0 {
            let most = index.depth - 1;
            (format!("strip = {}", self.strip), format!("at most {most} can be taken off the names in it: correct `strip`"))
        } else if self.include.iter().next().is_some() {
            ("include".into(), format!("a pattern matches the whole name in the archive, before `strip`: {list}"))
        } else {
            ("exclude".into(), format!("a pattern that matches a directory leaves out all that is in it: {list}"))
        };
        ObserveError::Impossible {
            code: "missing-source",
            message: format!("`{option}` leaves nothing of {} to unpack", self.shown_origin()),
            hint,
        }
    }

    /// Looks at the directory that everything goes into.
    pub(super) fn look_at_destination(&self, world: &dyn World) -> Result<Compared, ObserveError> {
        let destination = self.destination();
        let (uid, gid) = world.identity();
        let own = |id, name: Option<Arc<str>>| {
            crate::values::Account::clone(&name.map_or(crate::values::Account::Id(id), crate::values::Account::Name))
        };
        let mut compared = Compared::default();
        if !self.keep_owner {
            let user = self.owner.clone().unwrap_or_else(|| own(uid, world.user_name(uid)));
            let group = self.group.clone().unwrap_or_else(|| own(gid, world.group_name(gid)));
            compared.user = Some(Holder::user(world, &user)?);
            compared.group = Some(Holder::group(world, &group)?);
        }
        match world.stat(destination)? {
            Known::Is(None) => {
                filesystem::parent(world, destination)?;
                compared.is_missing = true;
            }
            Known::Is(Some(stat)) if matches!(stat.kind, FileKind::Directory | FileKind::Symlink) => {}
            Known::Is(Some(stat)) => {
                let hint = "name a directory, or remove what is there";
                return Err(filesystem::wrong_kind(destination, stat.kind, FileKind::Directory, hint));
            }
            Known::Unknown(because) => compared.unknown.push((PathBuf::from("."), because)),
        }
        Ok(compared)
    }

    /// Finds everything that is not as in the archive.
    pub(super) fn compare(&self, world: &dyn World, index: &Index) -> Result<Compared, ObserveError> {
        let mut compared = self.look_at_destination(world)?;
        if let Some((_, because)) = compared.unknown.pop() {
            compared.unknown.push((PathBuf::from("."), because));
            return Ok(compared);
        }
        let mut new: std::collections::BTreeSet<&Path> = std::collections::BTreeSet::new();
        for (relative, member) in &index.members {
            let parent = relative.parent().unwrap_or(Path::new(""));
            let in_new = compared.is_missing || new.contains(parent);
            let path = self.destination().join(relative);
            let stat = if in_new { Known::Is(None) } else { world.stat(&path)? };
            let is_own = self.creates.iter().any(|created| created.as_path() == path);
            let is_declared = || !is_own && world.is_declared(&path);
            match stat {
                Known::Unknown(because) => compared.unknown.push((relative.clone(), because)),
                // What another resource manages comes with a new directory, and is left to that one from then on.
                Known::Is(None) if !in_new && is_declared() => {}
                Known::Is(None) => {
                    new.insert(relative);
                    compared.steps.push(Step { path: relative.clone(), found: None, rewrite: true, changes: Vec::new() });
                }
                Known::Is(Some(_)) if is_declared() => {}
                Known::Is(Some(found)) => self.compare_one(world, relative, member, found, &mut compared)?,
            }
        }
        Ok(compared)
    }

    fn compare_one(
        &self,
        world: &dyn World,
        relative: &Path,
        member: &Member,
        found: Stat,
        compared: &mut Compared,
    ) -> Result<(), ObserveError> {
        let path = self.destination().join(relative);
        let name = relative.display();
        let mut changes = Vec::new();
        let mut rewrite = false;
        match (member.kind, found.kind) {
            (FileKind::Directory, FileKind::Directory) => {}
            // A link in the place of a directory was put there by somebody; what is in the archive goes where it leads.
            (FileKind::Directory, FileKind::Symlink) => return Ok(()),
            (FileKind::Symlink, FileKind::Symlink) => {
                if self.overwrite && found.target != member.target {
                    rewrite = true;
                    let after = member.target.as_deref().unwrap_or(Path::new("")).to_string_lossy().into_owned();
                    let after = Shown::Value(Value::string(after));
                    changes.push(Change::value(&format!("target of {name}"), filesystem::shown_target(&found), after));
                }
            }
            (FileKind::File, FileKind::File) if self.overwrite => match world.digest(&path)? {
                Known::Is(Some((hash, size))) if hash != member.hash => {
                    rewrite = true;
                    changes.push(content_change(world, &path, &format!("content of {name}"), member, &found, (hash, size))?);
                }
                Known::Is(_) => {}
                Known::Unknown(because) => {
                    compared.unknown.push((relative.to_owned(), because));
                    return Ok(());
                }
            },
            (FileKind::File, FileKind::File) => {}
            (wanted, there) => {
                let hint = "remove what is there, or leave the entry out with `exclude`";
                return Err(filesystem::wrong_kind(&path, there, wanted, hint));
            }
        }
        if let Some(wanted) = self.wanted_mode(member).filter(|wanted| member.kind != FileKind::Symlink && wanted.0 != found.mode)
        {
            let shown = |mode| Shown::Value(Value::Mode(mode));
            changes.push(Change::value(&format!("mode of {name}"), shown(found.mode), shown(wanted.0)));
        }
        let owners = [
            ("owner", &self.owner, &compared.user, &found.uid, member.uid),
            ("group", &self.group, &compared.group, &found.gid, member.gid),
        ];
        for (what, given, holder, is, of_member) in owners {
            let wanted = match holder {
                Some(holder) if given.is_some() => holder.id.value().cloned(),
                None if self.keep_owner => Some(Owner::Id(of_member)),
                _ => None,
            };
            let Some(wanted) = wanted.filter(|wanted| wanted != is) else { continue };
            let named = |owner: &Owner| {
                filesystem::shown_owner(owner, |id| if what == "owner" { world.user_name(id) } else { world.group_name(id) })
            };
            changes.push(Change::value(&format!("{what} of {name}"), named(is), named(&wanted)));
        }
        if !changes.is_empty() {
            compared.steps.push(Step { path: relative.to_owned(), found: Some(found), rewrite, changes });
        }
        Ok(())
    }

    /// The mode that a thing which is there has to have.
    fn wanted_mode(&self, member: &Member) -> Option<Mode> {
        match member.kind {
            FileKind::Directory => self.directory_mode,
            _ => self.mode.or_else(|| self.overwrite.then_some(Mode(member.mode))),
        }
    }

    /// The mode of a new thing.
    pub(super) fn new_mode(&self, member: &Member) -> u32 {
        let given = if member.kind == FileKind::Directory { self.directory_mode } else { self.mode };
        given.map_or(member.mode, |mode| mode.0)
    }

    /// The mode of a destination that is made.
    pub(super) fn destination_mode(&self) -> u32 {
        self.directory_mode.unwrap_or(NEW_DIRECTORY).0
    }

    pub(super) fn predict_members(&self, observed: &ObservedArchive, index: &Index, effects: &mut Predicted<'_>) {
        let compared = &observed.compared;
        let owner = |holder: &Option<Holder>, id: u32| match holder {
            Some(holder) => holder.predicted(),
            None => Some(Owner::Id(id)),
        };
        let destination = self.destination();
        if compared.is_missing {
            match (owner(&compared.user, 0), owner(&compared.group, 0)) {
                (Some(uid), Some(gid)) => {
                    let mode = self.destination_mode();
                    effects.put(destination, Stat { kind: FileKind::Directory, mode, uid, gid, size: 0, target: None }, None);
                }
                _ => effects.appear(destination, &self.id()),
            }
        }
        for step in &compared.steps {
            let path = destination.join(&step.path);
            let Some(member) = index.members.get(&step.path) else { continue };
            let (Some(uid), Some(gid)) = (owner(&compared.user, member.uid), owner(&compared.group, member.gid)) else {
                effects.appear(&path, &self.id());
                continue;
            };
            let stat = match &step.found {
                None => Stat {
                    kind: member.kind,
                    mode: if member.kind == FileKind::Symlink { 0o777 } else { self.new_mode(member) },
                    uid,
                    gid,
                    size: member.size,
                    target: member.target.clone(),
                },
                Some(found) => Stat {
                    mode: if member.kind == FileKind::Symlink {
                        found.mode
                    } else {
                        self.wanted_mode(member).map_or(found.mode, |mode| mode.0)
                    },
                    uid: if self.owner.is_some() || self.keep_owner { uid } else { found.uid.clone() },
                    gid: if self.group.is_some() || self.keep_owner { gid } else { found.gid.clone() },
                    size: member.size,
                    target: member.target.clone(),
                    kind: found.kind,
                },
            };
            if step.found.is_some() && !step.rewrite {
                effects.change(&path, Stat { size: step.found.as_ref().map_or(0, |found| found.size), ..stat });
            } else {
                effects.put(&path, stat, member.content.clone());
            }
        }
        for (path, _) in &compared.unknown {
            effects.obscure(&destination.join(path), &self.id());
        }
    }
}

/// How the change of a file's content is told: as text where both sides are short, public and text.
fn content_change(
    world: &dyn World,
    path: &Path,
    attribute: &str,
    member: &Member,
    found: &Stat,
    digest: ([u8; 32], u64),
) -> Result<Change, ObserveError> {
    let text = |bytes: &[u8]| (!bytes.contains(&0)).then(|| std::str::from_utf8(bytes).ok().map(Arc::<str>::from)).flatten();
    let is_public = found.mode & 0o004 != 0;
    let is_secret = world.holds_secret(path);
    if let Some(after) = member.content.as_deref().filter(|_| is_public && !is_secret && found.size <= 256 << 10).and_then(text)
        && let Known::Is(Some(before)) = world.read(path)?
        && let Some(before) = text(&before)
    {
        return Ok(Change::value(attribute, Shown::Text(before), Shown::Text(after)));
    }
    let shown = |hash: [u8; 32], size| Shown::Digest { hash: blake3::Hash::from_bytes(hash).to_hex().as_str().into(), size };
    let change = Change::value(attribute, shown(digest.0, digest.1), shown(member.hash, member.size));
    Ok(if is_secret { change.hidden() } else { change })
}
