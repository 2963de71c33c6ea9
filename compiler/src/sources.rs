//! How the text of a project comes in: named files behind one trait, so that the compiler itself reads nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a file of the project could not be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is no such file.
    #[error("there is no such file")]
    NotFound,
    /// The path leads out of the project, or may not be read.
    #[error("{0}")]
    Refused(String),
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
    /// `extensions` (without the dot). Sorted; hidden directories are left out. An absent directory has no files.
    fn files(&self, under: &str, extensions: &[&str]) -> Vec<Arc<str>>;

    /// Returns the bytes of a file.
    ///
    /// # Errors
    /// [`SourceError::NotFound`] when there is none, the other variants when it cannot be read.
    fn read(&self, path: &str) -> Result<Arc<[u8]>, SourceError>;
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
        let fits = |path: &str| path.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension));
        self.files.keys().filter(|path| below(path) && fits(path)).cloned().collect()
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, SourceError> {
        self.files.get(path).cloned().ok_or(SourceError::NotFound)
    }
}
