//! Which package an archive is, read from its control file alone: however large the archive is.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::MemfdFlags;

use super::{ArchiveError, tar, unpack};
use crate::ObserveError;

/// What an archive says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The package's name, without an architecture.
    pub name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// What it is made for; `all` where that is nothing in particular.
    pub architecture: Arc<str>,
    /// The archive is not at its place yet, and why: no package manager can be asked about it before.
    pub later: Option<Arc<str>>,
}

impl Control {
    /// Reads it from an archive that was opened just now; `path` is where that is, in words.
    ///
    /// # Errors
    /// `not-a-package`, and when it cannot be read.
    pub(crate) fn read(path: &Path, archive: File) -> Result<Self, ObserveError> {
        let entries = unpack(path, "--ctrl-tarfile", Path::new("-"), archive.into()).map_err(refused)?;
        let is_control = |entry: &&tar::Entry| entry.path.trim_start_matches("./") == "control";
        let text = entries.iter().find(is_control).and_then(|entry| entry.content.as_deref()).unwrap_or_default();
        let text = String::from_utf8_lossy(text);
        let field = |name: &str| -> Result<Arc<str>, ObserveError> {
            let value = text.lines().find_map(|line| {
                let (known, value) = line.split_once(':')?;
                known.eq_ignore_ascii_case(name).then(|| value.trim())
            });
            let message = || format!("its control file has no `{name}`");
            value
                .filter(|value| !value.is_empty())
                .map(Arc::from)
                .ok_or_else(|| refused(ArchiveError::Malformed { path: path.to_owned(), message: message() }))
        };
        Ok(Self { name: field("Package")?, version: field("Version")?, architecture: field("Architecture")?, later: None })
    }

    /// Reads it from an archive that is in memory.
    ///
    /// # Errors
    /// As [`Control::read`].
    pub(crate) fn of(path: &Path, bytes: &[u8]) -> Result<Self, ObserveError> {
        let io = |error: std::io::Error| ObserveError::io(path, &error);
        let memory = rustix::fs::memfd_create("package", MemfdFlags::CLOEXEC).map_err(|error| io(error.into()))?;
        let mut file = File::from(memory);
        file.write_all(bytes).and_then(|()| file.rewind()).map_err(io)?;
        Self::read(path, file)
    }
}

fn refused(error: ArchiveError) -> ObserveError {
    match error {
        ArchiveError::Io { path, source } => ObserveError::io(&path, &source),
        ArchiveError::TooLarge { .. } | ArchiveError::Malformed { .. } => ObserveError::Impossible {
            code: "not-a-package",
            message: error.to_string(),
            hint: "look at it with `dpkg-deb --info`, and bring it again with a checksum".into(),
        },
    }
}
