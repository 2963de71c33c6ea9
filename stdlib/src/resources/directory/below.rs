//! What is below a directory: owners and modes to set, and what a purge removes.

use std::path::{Path, PathBuf};

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use stead_catalog::{Change, Shown, Value};
use stead_engine::{ApplyError, FileKind, Known, Machine, ObserveError, Owner, Predicted, Stat, World};

use crate::filesystem::{self, Holder, MAX_NAMED, Ownership, Tree};
use crate::values::Mode;

/// What is asked of the entries below.
pub(super) struct Rules {
    recursive: bool,
    purge: bool,
    keep_names: GlobSet,
    keep_paths: GlobSet,
}

/// Compiles one glob; a `*` does not cross a `/`.
pub(super) fn glob(text: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(text).literal_separator(true).build()
}

impl Rules {
    /// Globs that are not well formed have been reported and match nothing.
    pub(super) fn new(recursive: bool, purge: bool, keep: &[String]) -> Self {
        let set = |paths: bool| {
            let mut set = GlobSetBuilder::new();
            for text in keep.iter().filter(|text| text.contains('/') == paths) {
                if let Ok(glob) = glob(text.trim_start_matches('/')) {
                    set.add(glob);
                }
            }
            set.build().unwrap_or_else(|_| GlobSet::empty())
        };
        Self { recursive, purge, keep_names: set(false), keep_paths: set(true) }
    }

    fn keeps(&self, relative: &Path) -> bool {
        let name = relative.file_name().unwrap_or_default();
        self.keep_names.is_match(Path::new(name)) || self.keep_paths.is_match(relative)
    }
}

/// The entries below a directory that a resource has to do with.
#[derive(Clone, Debug, Default)]
pub(super) struct Below {
    /// Everything that goes, when the directory itself does.
    pub(super) tree: Tree,
    /// What a purge removes, outermost first: a directory goes with all that is in it.
    unmanaged: Vec<(PathBuf, FileKind)>,
    /// The same, with what is in those directories.
    unmanaged_tree: Tree,
    /// What stays and gets its owner and mode set, with what it has now.
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    path: PathBuf,
    stat: Stat,
    /// Owner and group as the plan shows them, where they differ from the wanted ones.
    owner: Option<Shown>,
    group: Option<Shown>,
}

impl Below {
    /// Everything below a directory that goes itself.
    pub(super) fn of_tree(tree: Tree) -> Self {
        Self { tree, ..Self::default() }
    }

    /// Looks at everything below `directory` that is not left to a resource of its own.
    pub(super) fn observe(
        world: &dyn World,
        directory: &Path,
        rules: &Rules,
        ownership: &Ownership,
    ) -> Result<Self, ObserveError> {
        let mut below = Self::default();
        // Directories to look into, and whether a purge keeps all that is in them.
        let mut open = vec![(PathBuf::new(), !rules.purge)];
        while let Some((parent, kept)) = open.pop() {
            for (name, kind) in world.list(&directory.join(&parent))?.known()?.unwrap_or_default() {
                let relative = parent.join(name);
                let path = directory.join(&relative);
                if world.is_declared(&path) {
                    continue;
                }
                let kept = kept || rules.keeps(&relative);
                if !kept && !world.is_managed(&path) {
                    if kind == FileKind::Directory {
                        below.add_unmanaged_tree(world, directory, &relative)?;
                    }
                    below.unmanaged_tree.entries.push((relative.clone(), kind));
                    below.unmanaged.push((relative, kind));
                    continue;
                }
                if rules.recursive
                    && let Some(stat) = world.stat(&path)?.known()?
                {
                    below.entries.push(Entry::new(world, relative.clone(), stat, ownership));
                }
                if kind == FileKind::Directory && (rules.recursive || !kept) {
                    open.push((relative, kept));
                }
            }
        }
        below.unmanaged.sort_by(|a, b| a.0.cmp(&b.0));
        below.unmanaged_tree.entries.sort_by(|a, b| a.0.cmp(&b.0));
        below.entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(below)
    }

    fn add_unmanaged_tree(&mut self, world: &dyn World, directory: &Path, relative: &Path) -> Result<(), ObserveError> {
        let tree = Tree::observe(world, &directory.join(relative))?;
        self.unmanaged_tree.entries.extend(tree.entries.into_iter().map(|(path, kind)| (relative.join(path), kind)));
        Ok(())
    }

    /// The changes below, named up to a bound and then counted.
    pub(super) fn changes(
        &self,
        dir_mode: Option<Mode>,
        file_mode: Option<Mode>,
        ownership: &Ownership,
        changes: &mut Vec<Change>,
    ) {
        filesystem::removals(self.unmanaged_tree.entries.iter().map(|(path, _)| path.as_path()), changes);
        let mut found = Vec::new();
        for entry in &self.entries {
            entry.changes(wanted_mode(entry.stat.kind, dir_mode, file_mode), ownership, &mut found);
        }
        let more = found.len().saturating_sub(MAX_NAMED);
        found.truncate(MAX_NAMED);
        changes.append(&mut found);
        if more > 0 {
            let count = Value::string(format!("{more} more changes"));
            changes.push(Change::value("others below", Shown::Absent, Shown::Value(count)));
        }
    }

    /// Feeds what was found into a digest; `false` when a part of it is unknown.
    pub(super) fn digest(&self, hasher: &mut blake3::Hasher) -> bool {
        self.tree.digest(hasher);
        self.unmanaged_tree.digest(hasher);
        self.entries.iter().all(|entry| {
            hasher.update(entry.path.as_os_str().as_encoded_bytes());
            filesystem::digest_stat(&Known::Is(Some(entry.stat.clone())), hasher)
        })
    }

    /// Predicts what goes and what changes.
    pub(super) fn predict(
        &self,
        directory: &Path,
        dir_mode: Option<Mode>,
        file_mode: Option<Mode>,
        ownership: &Ownership,
        effects: &mut Predicted<'_>,
    ) {
        for (path, _) in &self.unmanaged {
            effects.remove(&directory.join(path));
        }
        for entry in self.entries.iter().filter(|entry| entry.differs(dir_mode, file_mode)) {
            let path = directory.join(&entry.path);
            match ownership.predicted(Some(&entry.stat)) {
                Some((uid, gid)) => {
                    let mode = wanted_mode(entry.stat.kind, dir_mode, file_mode).map_or(entry.stat.mode, |mode| mode.0);
                    effects.change(&path, Stat { mode, uid, gid, ..entry.stat.clone() });
                }
                None => effects.appear(&path, &filesystem::id("directory", directory)),
            }
        }
    }

    /// Removes what nobody manages, and sets owners and modes, innermost first.
    pub(super) fn apply(
        &self,
        directory: &Path,
        dir_mode: Option<Mode>,
        file_mode: Option<Mode>,
        ownership: &Ownership,
        machine: &Machine,
    ) -> Result<(), ApplyError> {
        for (path, kind) in &self.unmanaged {
            let path = directory.join(path);
            if *kind == FileKind::Directory { machine.remove_tree(&path)? } else { machine.remove_file(&path)? }
        }
        for entry in self.entries.iter().rev().filter(|entry| entry.differs(dir_mode, file_mode)) {
            let (uid, gid) = ownership.settled(Some(&entry.stat))?;
            let mode = match entry.stat.kind {
                FileKind::Symlink => None,
                kind => Some(wanted_mode(kind, dir_mode, file_mode).map_or(entry.stat.mode, |mode| mode.0)),
            };
            machine.set_attributes(&directory.join(&entry.path), mode, uid, gid)?;
        }
        Ok(())
    }
}

const fn wanted_mode(kind: FileKind, dir_mode: Option<Mode>, file_mode: Option<Mode>) -> Option<Mode> {
    match kind {
        FileKind::Directory => dir_mode,
        FileKind::File => file_mode,
        FileKind::Symlink | FileKind::Other => None,
    }
}

impl Entry {
    fn new(world: &dyn World, path: PathBuf, stat: Stat, ownership: &Ownership) -> Self {
        let differs =
            |holder: &Option<Holder>, found: &Owner| holder.as_ref().is_some_and(|holder| holder.id.value() != Some(found));
        let owner = differs(&ownership.user, &stat.uid).then(|| filesystem::shown_owner(&stat.uid, |id| world.user_name(id)));
        let group = differs(&ownership.group, &stat.gid).then(|| filesystem::shown_owner(&stat.gid, |id| world.group_name(id)));
        Self { path, stat, owner, group }
    }

    fn differs(&self, dir_mode: Option<Mode>, file_mode: Option<Mode>) -> bool {
        let mode = wanted_mode(self.stat.kind, dir_mode, file_mode);
        self.owner.is_some() || self.group.is_some() || mode.is_some_and(|mode| mode.0 != self.stat.mode)
    }

    fn changes(&self, mode: Option<Mode>, ownership: &Ownership, changes: &mut Vec<Change>) {
        let path = self.path.display();
        let mut push = |attribute: &str, before: Shown, after: Shown| {
            changes.push(Change::value(&format!("{attribute} of {path}"), before, after));
        };
        if let Some(mode) = mode.filter(|mode| mode.0 != self.stat.mode) {
            push("mode", Shown::Value(Value::Mode(self.stat.mode)), Shown::Value(Value::Mode(mode.0)));
        }
        for (attribute, before, holder) in [("owner", &self.owner, &ownership.user), ("group", &self.group, &ownership.group)] {
            if let (Some(before), Some(holder)) = (before, holder) {
                push(attribute, before.clone(), holder.to_shown());
            }
        }
    }
}
