//! Files of Stead's own are written beside their place and renamed into it, so that nobody reads half of one.

use std::fs::{DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

/// Mode of what is nobody else's.
pub(crate) const PRIVATE: u32 = 0o600;

/// Puts this content in the place of the file, or of a link there, which is not followed. The mode is subject to the umask.
///
/// # Errors
/// The system's; the file is as it was then, and nothing is left beside it.
pub(crate) fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new().permissions(Permissions::from_mode(mode)).tempfile_in(directory)?;
    new.write_all(content)?;
    new.persist(path).map(drop).map_err(|error| error.error)
}

/// Keeps something that can be found out again, for its owner alone: directories that are missing are made.
///
/// # Errors
/// As [`write()`].
pub(crate) fn keep(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    write(path, content, PRIVATE)
}
