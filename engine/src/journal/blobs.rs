//! Contents of files, named by their BLAKE3.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::hex;

/// Up to this size a content stands in the database itself: thousands of small files then cost one transaction.
pub(crate) const INLINE: u64 = 64 << 10;

/// Content that the journal keeps or is about to keep.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Small: goes into the database.
    Inline(Arc<[u8]>),
    /// Large: a file of its own, on the disk already.
    File,
}

/// The directory of large contents.
#[derive(Clone, Debug)]
pub(crate) struct Blobs {
    directory: PathBuf,
}

impl Blobs {
    /// The contents in a state directory.
    pub(crate) fn new(state: &Path) -> Self {
        Self { directory: state.join("blobs") }
    }

    /// Keeps what can be read from `file`. Small content is handed back for the database, large content is on the disk when this returns.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub(crate) fn keep(&self, file: &mut File, size: u64) -> io::Result<([u8; 32], u64, Content)> {
        let mut small = Vec::new();
        if size <= INLINE {
            file.take(INLINE + 1).read_to_end(&mut small)?;
            if small.len() as u64 <= INLINE {
                let hash = *blake3::hash(&small).as_bytes();
                return Ok((hash, small.len() as u64, Content::Inline(small.into())));
            }
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let unfinished = self.directory.join(format!("unfinished-{:016x}", crate::machine::random()));
        let kept = self.copy(&small, file, &unfinished);
        if kept.is_err() {
            let _ = std::fs::remove_file(&unfinished);
        }
        kept.map(|(hash, size)| (hash, size, Content::File))
    }

    /// Keeps bytes of which the caller knows the hash. They are on the disk when this returns.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn keep_bytes(&self, hash: &[u8; 32], bytes: &[u8]) -> io::Result<()> {
        if self.path(hash).try_exists()? {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let unfinished = self.directory.join(format!("unfinished-{:016x}", crate::machine::random()));
        let kept = self.copy(bytes, &mut io::empty(), &unfinished);
        if kept.is_err() {
            let _ = std::fs::remove_file(&unfinished);
        }
        kept.map(drop)
    }

    fn copy(&self, read_already: &[u8], file: &mut impl Read, unfinished: &Path) -> io::Result<([u8; 32], u64)> {
        let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(read_already);
        copy.write_all(read_already)?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    copy.write_all(&buffer[..count])?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        copy.sync_all()?;
        let hash = *hasher.finalize().as_bytes();
        let path = self.path(&hash);
        let parent = path.parent().unwrap_or(&self.directory);
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        std::fs::rename(unfinished, &path)?;
        File::open(parent)?.sync_all()?;
        File::open(&self.directory)?.sync_all()?;
        Ok((hash, hasher.count()))
    }

    /// Reads a large content; `None` when it is not there.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub(crate) fn read(&self, hash: &[u8; 32]) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.path(hash)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a large content, where it is one.
    pub(crate) fn remove(&self, hash: &[u8; 32]) {
        let _ = std::fs::remove_file(self.path(hash));
    }

    /// Removes copies that a killed run left unfinished. The caller holds the lock.
    pub(crate) fn sweep(&self) {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with("unfinished-") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    fn path(&self, hash: &[u8; 32]) -> PathBuf {
        let name = hex(hash);
        self.directory.join(&name[..2]).join(&name[2..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_contents_are_files_and_small_ones_are_not() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(state.path());
        let source = state.path().join("source");
        let large = vec![7; (INLINE + 1) as usize];
        std::fs::write(&source, &large).unwrap();
        // A size that turns out to be wrong does no harm.
        for told in [0, INLINE + 1] {
            let (hash, size, content) = blobs.keep(&mut File::open(&source).unwrap(), told).unwrap();
            assert!(matches!(content, Content::File));
            assert_eq!((hash, size), (*blake3::hash(&large).as_bytes(), INLINE + 1));
            assert_eq!(blobs.read(&hash).unwrap().unwrap(), large);
        }
        std::fs::write(&source, b"small").unwrap();
        let (_, _, content) = blobs.keep(&mut File::open(&source).unwrap(), 5).unwrap();
        assert!(matches!(content, Content::Inline(bytes) if &*bytes == b"small"));
    }
}
