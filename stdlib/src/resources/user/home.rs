//! What a new home is filled with: the files below `/etc/skel`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_catalog::{Shown, Value};
use stead_engine::{FileKind, ObserveError, Owner, Predicted, Stat, World};

/// More than this in a skeleton is not told one by one.
const MAX_ENTRIES: usize = 500;

/// The files of a skeleton, parents first.
#[derive(Clone, Debug, Default)]
pub(super) struct Skeleton {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// Relative to the skeleton.
    path: PathBuf,
    stat: Stat,
    content: Option<Arc<[u8]>>,
}

impl Skeleton {
    /// Looks at everything below `root`.
    ///
    /// # Errors
    /// When something there cannot be looked at, or is known only later.
    pub(super) fn observe(world: &dyn World, root: &str) -> Result<Self, ObserveError> {
        let mut skeleton = Self::default();
        let mut open = vec![PathBuf::new()];
        while let Some(directory) = open.pop() {
            let names = world.list(&Path::new(root).join(&directory))?.known()?.unwrap_or_default();
            for (name, _) in names {
                let path = directory.join(&name);
                let at = Path::new(root).join(&path);
                let Some(stat) = world.stat(&at)?.known()? else { continue };
                let content = match stat.kind {
                    FileKind::File => world.read(&at)?.known()?,
                    _ => None,
                };
                if stat.kind == FileKind::Directory {
                    open.push(path.clone());
                }
                if skeleton.entries.len() < MAX_ENTRIES {
                    skeleton.entries.push(Entry { path, stat, content });
                }
            }
        }
        skeleton.entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(skeleton)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The files as they are shown.
    pub(super) fn shown(&self) -> Shown {
        let names = self.entries.iter().filter(|entry| entry.stat.kind != FileKind::Directory);
        Shown::Value(Value::list(names.map(|entry| Value::string(entry.path.to_string_lossy().as_ref()))))
    }

    /// Where they go in a home.
    pub(super) fn paths<'s>(&'s self, home: &'s Path) -> impl Iterator<Item = PathBuf> + 's {
        self.entries.iter().map(|entry| home.join(&entry.path))
    }

    /// Puts them into a home. useradd keeps their modes and gives them to the user.
    pub(super) fn predict(&self, home: &Path, uid: &Owner, gid: &Owner, effects: &mut Predicted<'_>) {
        for entry in &self.entries {
            let stat = Stat { uid: uid.clone(), gid: gid.clone(), ..entry.stat.clone() };
            effects.put(&home.join(&entry.path), stat, entry.content.clone());
        }
    }
}
