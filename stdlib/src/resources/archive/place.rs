//! Unpacking.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_engine::{Applied, ApplyError, FileKind, FileWrite, Known, Machine, NewTree, Staged, TreeEntry};

use super::compare::{Compared, MAX_ARCHIVE, Source};
use super::{Archive, ObservedArchive};
use crate::filesystem::Holder;
use crate::unpack::{self, Index, Member, Refusal};
use crate::web::Origin;

impl Archive {
    pub(super) fn unpack(&self, observed: &ObservedArchive, machine: &Machine) -> Result<Applied, ApplyError> {
        let bytes = self.bytes(machine)?;
        let (index, compared) = match &observed.source {
            Source::Read { hash, index } => {
                if blake3::hash(&bytes).as_bytes() != hash {
                    return Err(ApplyError::Moved { what: format!("{} is another archive now", self.shown_origin()) });
                }
                (index.clone(), observed.compared.clone())
            }
            _ => {
                let index = self.index_of(machine.world(), &bytes)?;
                let compared = self.compare(machine.world(), &index)?;
                (Arc::new(index), compared)
            }
        };
        Unpacking::new(self, &index, &compared, machine)?.run(&bytes)
    }

    fn bytes(&self, machine: &Machine) -> Result<Arc<[u8]>, ApplyError> {
        match self.origin() {
            Some(Origin::Project(blob)) => Ok(blob.bytes.clone()),
            Some(Origin::Path(path)) => match machine.world().read(path)?.known()? {
                Some(bytes) => Ok(bytes),
                None => Err(ApplyError::Moved { what: format!("{} is gone", path.display()) }),
            },
            Some(Origin::Url(url)) => self.fetching().all(machine, url, &self.shown_origin(), MAX_ARCHIVE),
            None => Err(ApplyError::Moved { what: "there is no archive".into() }),
        }
    }
}

/// Mode, user and group of a thing: those that are wanted.
type Attributes = (Option<u32>, Option<u32>, Option<u32>);

/// One archive on its way to the disk.
struct Unpacking<'a> {
    archive: &'a Archive,
    index: &'a Index,
    compared: &'a Compared,
    machine: &'a Machine,
    /// New directories that are not in another new one, by their path below the destination (empty: the destination itself).
    trees: BTreeMap<PathBuf, NewTree<'a>>,
    staged: Vec<Staged>,
}

impl<'a> Unpacking<'a> {
    fn new(archive: &'a Archive, index: &'a Index, compared: &'a Compared, machine: &'a Machine) -> Result<Self, ApplyError> {
        let mut unpacking = Self { archive, index, compared, machine, trees: BTreeMap::new(), staged: Vec::new() };
        if compared.is_missing {
            unpacking.begin(Path::new(""), archive.destination_mode(), 0, 0, None)?;
        }
        for (path, member) in unpacking.new_members() {
            if member.kind != FileKind::Directory {
                continue;
            }
            let mode = archive.new_mode(member);
            match unpacking.root_of(path) {
                Some(root) => {
                    let entry = unpacking.entry(mode, member.uid, member.gid, member.modified)?;
                    let relative = path.strip_prefix(&root).unwrap_or(path).to_owned();
                    if let Some(tree) = unpacking.trees.get_mut(&root) {
                        tree.directory(&relative, entry)?;
                    }
                }
                None => unpacking.begin(path, mode, member.uid, member.gid, member.modified)?,
            }
        }
        Ok(unpacking)
    }

    /// What is not there yet, in order.
    fn new_members(&self) -> Vec<(&'a Path, &'a Member)> {
        let new = self.compared.steps.iter().filter(|step| step.found.is_none());
        new.filter_map(|step| self.index.members.get_key_value(&step.path)).map(|(path, member)| (&**path, member)).collect()
    }

    fn begin(&mut self, path: &Path, mode: u32, uid: u32, gid: u32, modified: Option<i64>) -> Result<(), ApplyError> {
        let entry = self.entry(mode, uid, gid, modified)?;
        let destination = self.archive.destination();
        let place = if path.as_os_str().is_empty() { destination.to_owned() } else { destination.join(path) };
        let mut tree = self.machine.new_tree(&place)?;
        tree.directory(Path::new(""), entry)?;
        self.trees.insert(path.to_owned(), tree);
        Ok(())
    }

    /// The new tree that a path is in.
    fn root_of(&self, path: &Path) -> Option<PathBuf> {
        path.ancestors().find(|above| self.trees.contains_key(*above)).map(Path::to_owned)
    }

    fn entry(&self, mode: u32, uid: u32, gid: u32, modified: Option<i64>) -> Result<TreeEntry, ApplyError> {
        let id = |holder: &Option<Holder>, id: u32| match holder {
            Some(holder) => holder.settled(),
            None => Ok(id),
        };
        Ok(TreeEntry { mode, uid: Some(id(&self.compared.user, uid)?), gid: Some(id(&self.compared.group, gid)?), modified })
    }

    fn run(mut self, bytes: &[u8]) -> Result<Applied, ApplyError> {
        self.symlinks()?;
        self.attributes()?;
        let rewritten: BTreeMap<&Path, bool> =
            self.compared.steps.iter().filter(|step| step.rewrite).map(|step| (&*step.path, step.found.is_none())).collect();
        let (index, limits) = (self.index, self.archive.limits());
        let mut failure = None;
        let outcome = unpack::contents(
            bytes,
            index,
            limits,
            |path| rewritten.contains_key(path),
            |paths, content| {
                self.files(paths, content).map_err(|error| {
                    let told = std::io::Error::other(error.to_string());
                    failure = Some(error);
                    told
                })
            },
        );
        if let Some(error) = failure {
            return Err(error);
        }
        outcome.map_err(|refusal: Refusal| refusal.into_error(&self.archive.shown_origin()))?;
        // What `creates` names comes last: while it is not there, the next run unpacks what is missing.
        let destination = self.archive.destination();
        let mut trees: Vec<(PathBuf, NewTree<'a>)> = std::mem::take(&mut self.trees).into_iter().collect();
        let is_last =
            |path: &Path| self.archive.creates.iter().any(|created| created.as_path().starts_with(destination.join(path)));
        trees.sort_by_key(|(path, _)| is_last(path));
        if trees.is_empty() {
            return Ok(Applied::Staged(self.staged));
        }
        self.machine.commit(std::mem::take(&mut self.staged))?;
        for (_, tree) in trees {
            tree.place()?;
        }
        Ok(Applied::Done)
    }

    fn symlinks(&mut self) -> Result<(), ApplyError> {
        for step in self.compared.steps.iter().filter(|step| step.rewrite) {
            let Some(member) = self.index.members.get(&step.path).filter(|member| member.kind == FileKind::Symlink) else {
                continue;
            };
            let target = member.target.as_deref().unwrap_or(Path::new(""));
            let entry = self.entry(0o777, member.uid, member.gid, None)?;
            match self.root_of(&step.path) {
                Some(root) => {
                    let relative = step.path.strip_prefix(&root).unwrap_or(&step.path);
                    if let Some(tree) = self.trees.get_mut(&root) {
                        tree.symlink(relative, target, entry)?;
                    }
                }
                None => {
                    let path = self.archive.destination().join(&step.path);
                    self.machine.make_symlink(&path, target, entry.uid, entry.gid)?;
                }
            }
        }
        Ok(())
    }

    /// Owners and modes of what is there and keeps its content.
    fn attributes(&self) -> Result<(), ApplyError> {
        for step in self.compared.steps.iter().filter(|step| step.found.is_some() && !step.rewrite) {
            let Some(member) = self.index.members.get(&step.path) else { continue };
            let (mode, uid, gid) = self.of_existing(member)?;
            self.machine.set_attributes(&self.archive.destination().join(&step.path), mode, uid, gid)?;
        }
        Ok(())
    }

    /// Mode and owners for a thing that is there: those that are wanted.
    fn of_existing(&self, member: &Member) -> Result<Attributes, ApplyError> {
        let entry = self.entry(self.archive.new_mode(member), member.uid, member.gid, None)?;
        let archive = self.archive;
        let mode = match member.kind {
            FileKind::Directory => archive.directory_mode.map(|mode| mode.0),
            FileKind::Symlink => None,
            _ => (archive.mode.is_some() || archive.overwrite).then_some(entry.mode),
        };
        let uid = entry.uid.filter(|_| archive.owner.is_some() || archive.keep_owner);
        let gid = entry.gid.filter(|_| archive.group.is_some() || archive.keep_owner);
        Ok((mode, uid, gid))
    }

    /// Writes one content to every path that has it.
    fn files(&mut self, paths: &[&Path], content: &mut dyn Read) -> Result<(), ApplyError> {
        if let [path] = paths
            && let Some(root) = self.root_of(path)
        {
            return self.write_in_tree(&root, path, content);
        }
        let mut bytes = Vec::new();
        let read = content.read_to_end(&mut bytes);
        read.map_err(|error| ApplyError::io("read", self.archive.destination().join(paths[0]), &error))?;
        let bytes: Arc<[u8]> = bytes.into();
        for path in paths {
            match self.root_of(path) {
                Some(root) => self.write_in_tree(&root, path, &mut &*bytes)?,
                None => self.beside(path, bytes.clone())?,
            }
        }
        Ok(())
    }

    fn write_in_tree(&mut self, root: &Path, path: &Path, content: &mut dyn Read) -> Result<(), ApplyError> {
        let Some(member) = self.index.members.get(path) else { return Ok(()) };
        let entry = self.entry(self.archive.new_mode(member), member.uid, member.gid, member.modified)?;
        let relative = path.strip_prefix(root).unwrap_or(path);
        match self.trees.get_mut(root) {
            Some(tree) => tree.file(relative, entry, content),
            None => Ok(()),
        }
    }

    /// A file in a directory that is there.
    fn beside(&mut self, path: &Path, content: Arc<[u8]>) -> Result<(), ApplyError> {
        let Some(member) = self.index.members.get(path) else { return Ok(()) };
        let destination = self.archive.destination().join(path);
        let entry = self.entry(self.archive.new_mode(member), member.uid, member.gid, None)?;
        let found = match self.machine.world().stat(&destination)? {
            Known::Is(found) => found.filter(|found| found.kind == FileKind::File),
            Known::Unknown(_) => None,
        };
        let (mode, uid, gid) = match found {
            None => (entry.mode, entry.uid, entry.gid),
            Some(found) => {
                let (mode, uid, gid) = self.of_existing(member)?;
                let id = |owner: &stead_engine::Owner| if let stead_engine::Owner::Id(id) = owner { Some(*id) } else { None };
                (mode.unwrap_or(found.mode), uid.or_else(|| id(&found.uid)), gid.or_else(|| id(&found.gid)))
            }
        };
        let write = FileWrite { path: destination, content, mode, uid, gid, validate: None, sensitive: false, keeps: false };
        self.staged.push(self.machine.stage_file(&write)?);
        Ok(())
    }
}
