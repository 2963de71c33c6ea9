//! Contents that were sent once, by their BLAKE3: what a machine has it need not be sent again. Secrets are never among them.
//!
//! What is read is compared with its hash, so that a damaged or planted file is nothing but a content that is missing. A disk that
//! is full costs the cache, not the run.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::frames::MAX_BLOB;
use crate::journal::hex;

/// What nobody has asked for in this time goes.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// The cache of contents.
pub(super) struct Contents {
    /// `None` where there is no place for it.
    directory: Option<PathBuf>,
}

impl Contents {
    /// Opens the cache in a directory, which is made when there is something to be kept. One that belongs to somebody else is not used.
    pub(super) fn new(cache: Option<&Path>) -> Self {
        let directory = cache.map(|cache| cache.join("blobs"));
        Self { directory: directory.filter(|directory| !directory.is_symlink() && (!directory.exists() || is_ours(directory))) }
    }

    /// As [`Contents::path`], for something that is to be written.
    fn place(&self, hash: &[u8; 32], suffix: &str) -> Option<PathBuf> {
        let directory = self.directory.as_ref()?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        if made.is_ok() && is_ours(directory) { self.path(hash, suffix) } else { None }
    }

    fn path(&self, hash: &[u8; 32], suffix: &str) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(format!("{}{suffix}", hex(hash))))
    }

    /// A content, if it is there and what its name says.
    pub(super) fn get(&self, hash: &[u8; 32]) -> Option<Arc<[u8]>> {
        let path = self.path(hash, "")?;
        let content = read(&path)?;
        if blake3::hash(&content).as_bytes() != hash {
            let _ = fs::remove_file(&path);
            return None;
        }
        if let Ok(file) = File::open(&path) {
            // Asked for today: it stays.
            let _ = file.set_modified(SystemTime::now());
        }
        Some(content.into())
    }

    /// What has come of a content over a connection that broke.
    pub(super) fn part(&self, hash: &[u8; 32]) -> Vec<u8> {
        self.path(hash, ".part").and_then(|path| read(&path)).unwrap_or_default()
    }

    /// Keeps a piece, for the case that the connection breaks.
    pub(super) fn append(&self, hash: &[u8; 32], offset: u64, bytes: &[u8]) {
        let Some(path) = self.place(hash, ".part") else { return };
        let open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(NO_FOLLOW).open(path);
        let Ok(mut file) = open else { return };
        // What cannot be kept is sent again.
        let _ = file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| file.write_all(bytes))
            .and_then(|()| file.set_len(offset + bytes.len() as u64));
    }

    /// Forgets the pieces.
    pub(super) fn drop_part(&self, hash: &[u8; 32]) {
        if let Some(path) = self.path(hash, ".part") {
            let _ = fs::remove_file(path);
        }
    }

    /// Keeps a content, and lets go of what nobody has asked for in a long time.
    pub(super) fn keep(&self, hash: &[u8; 32], content: &[u8]) {
        let (Some(path), Some(new)) = (self.place(hash, ""), self.place(hash, &format!(".new-{}", std::process::id()))) else {
            return;
        };
        let open = OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(NO_FOLLOW).open(&new);
        let kept = open.and_then(|mut file| file.write_all(content)).and_then(|()| fs::rename(&new, &path));
        if kept.is_err() {
            let _ = fs::remove_file(&new);
        }
        self.sweep();
    }

    fn sweep(&self) {
        let Some(directory) = &self.directory else { return };
        let Some(oldest) = SystemTime::now().checked_sub(KEPT) else { return };
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            if modified.is_ok_and(|modified| modified < oldest) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// `O_NOFOLLOW`, as the standard library takes it.
const NO_FOLLOW: i32 = libc::O_NOFOLLOW;

fn is_ours(directory: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(directory)
        .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == own && metadata.mode() & 0o022 == 0)
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut content = Vec::new();
    file.take(MAX_BLOB).read_to_end(&mut content).ok()?;
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(content: &[u8]) -> [u8; 32] {
        *blake3::hash(content).as_bytes()
    }

    #[test]
    fn a_content_is_kept_and_a_damaged_one_is_missing() {
        let directory = tempfile::tempdir().expect("a directory");
        let contents = Contents::new(Some(directory.path()));
        let hash = hash(b"content");
        assert!(contents.get(&hash).is_none());
        contents.keep(&hash, b"content");
        assert_eq!(contents.get(&hash).as_deref(), Some(b"content".as_slice()));
        fs::write(directory.path().join("blobs").join(hex(&hash)), "planted").expect("write");
        assert!(contents.get(&hash).is_none());
        assert_eq!(fs::read_dir(directory.path().join("blobs")).expect("a directory").count(), 0);
    }

    #[test]
    fn pieces_wait_for_the_rest() {
        let directory = tempfile::tempdir().expect("a directory");
        let contents = Contents::new(Some(directory.path()));
        let hash = hash(b"content");
        contents.append(&hash, 0, b"con");
        contents.append(&hash, 3, b"te");
        assert_eq!(contents.part(&hash), b"conte");
        contents.append(&hash, 3, b"t");
        assert_eq!(contents.part(&hash), b"cont");
        contents.drop_part(&hash);
        assert_eq!(contents.part(&hash), b"");
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let directory = tempfile::tempdir().expect("a directory");
        let elsewhere = tempfile::tempdir().expect("a directory");
        std::os::unix::fs::symlink(elsewhere.path(), directory.path().join("blobs")).expect("a link");
        let contents = Contents::new(Some(directory.path()));
        contents.keep(&hash(b"x"), b"x");
        assert_eq!(fs::read_dir(elsewhere.path()).expect("a directory").count(), 0);
    }
}
