//! How the text of a project comes in: named files behind one trait, so that the compiler itself reads nothing.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Why a file of the project could not be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is no such file.
    #[error("there is no such file")]
    NotFound,
    /// The path leads out of the project, or may not be read.
    #[error("{0}")]
    Refused(String),
    /// It has more bytes than are read of one file.
    #[error("it has {bytes} bytes, at most {limit} are read")]
    TooLarge {
        /// How many it has.
        bytes: u64,
        /// How many it may have.
        limit: u64,
    },
    /// Anything else that went wrong while reading, in the words of the system.
    #[error("{0}")]
    Failed(String),
}

/// The files of a project. Paths are relative to its root, with `/` between their parts and without `..`.
///
/// A head implements this over a directory; tests use [`MemorySources`]. The same path gives the same bytes for as long
/// as a project is compiled.
pub trait Sources: Send + Sync {
    /// Lists the files below the directory `under` (`""` is the root), at any depth, whose names end in one of
    /// `extensions` (without the dot). Sorted; hidden directories are left out. An absent directory has no files. Without `extensions`, all
    /// files below it, hidden ones as well.
    fn files(&self, under: &str, extensions: &[&str]) -> Vec<Arc<str>>;

    /// Returns the bytes of a file.
    ///
    /// # Errors
    /// [`SourceError::NotFound`] when there is none, the other variants when it cannot be read.
    fn read(&self, path: &str) -> Result<Arc<[u8]>, SourceError>;
}

/// The files of a project as code sees them: what it looked at is remembered, so that a later version of the project knows what it has to
/// look at again.
pub(crate) struct Watched {
    inner: RwLock<Arc<dyn Sources>>,
    looked_at: Mutex<HashSet<Box<str>>>,
    has_listed: AtomicBool,
}

impl Watched {
    pub(crate) fn new(inner: Arc<dyn Sources>) -> Self {
        Self { inner: RwLock::new(inner), looked_at: Mutex::default(), has_listed: AtomicBool::new(false) }
    }

    /// Puts a later version of the files in the place of the earlier one.
    pub(crate) fn replace(&self, inner: Arc<dyn Sources>) {
        *self.inner.write().unwrap_or_else(PoisonError::into_inner) = inner;
    }

    /// Says whether anything that was looked at depends on the file: its content, or whether it is there.
    pub(crate) fn depends_on(&self, path: &str) -> bool {
        self.has_listed.load(Ordering::Relaxed) || self.looked_at.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    fn inner(&self) -> Arc<dyn Sources> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sources for Watched {
    fn files(&self, under: &str, extensions: &[&str]) -> Vec<Arc<str>> {
        self.has_listed.store(true, Ordering::Relaxed);
        self.inner().files(under, extensions)
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, SourceError> {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if !looked_at.contains(path) {
            looked_at.insert(path.into());
        }
        drop(looked_at);
        self.inner().read(path)
    }
}

/// Files with other texts in the place of some.
pub(crate) struct Edited {
    pub(crate) inner: Arc<dyn Sources>,
    pub(crate) files: BTreeMap<Arc<str>, Arc<str>>,
}

impl Sources for Edited {
    fn files(&self, under: &str, extensions: &[&str]) -> Vec<Arc<str>> {
        self.inner.files(under, extensions)
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, SourceError> {
        match self.files.get(path) {
            Some(text) => Ok(text.as_bytes().into()),
            None => self.inner.read(path),
        }
    }
}

/// A project written down in memory.
#[derive(Clone, Debug, Default)]
pub struct MemorySources {
    files: BTreeMap<Arc<str>, Arc<[u8]>>,
}

impl MemorySources {
    /// Makes a project without files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, or replaces it.
    #[must_use]
    pub fn with(mut self, path: impl Into<Arc<str>>, content: impl AsRef<[u8]>) -> Self {
        self.insert(path, content);
        self
    }

    /// Adds a file, or replaces it.
    pub fn insert(&mut self, path: impl Into<Arc<str>>, content: impl AsRef<[u8]>) {
        self.files.insert(path.into(), content.as_ref().into());
    }
}

impl Sources for MemorySources {
    fn files(&self, under: &str, extensions: &[&str]) -> Vec<Arc<str>> {
        let below = |path: &str| {
            under.is_empty() || path.strip_prefix(under).is_some_and(|rest| under.ends_with('/') || rest.starts_with('/'))
        };
        let fits = |path: &str| {
            extensions.is_empty() || path.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
        };
        self.files.keys().filter(|path| below(path) && fits(path)).cloned().collect()
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, SourceError> {
        self.files.get(path).cloned().ok_or(SourceError::NotFound)
    }
}
