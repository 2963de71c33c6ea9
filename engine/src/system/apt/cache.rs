//! Stead's own cache of what apt can fetch: archives for plans to read, and a package index for sources that the machine
//! will have. Filled by apt itself, with the machine's sources, proxies and keys; nothing of apt's own is touched.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// All archives together; the ones that were used last are kept.
const MAX_BYTES: u64 = 512 << 20;

/// An index for sources that the machine does not have is thrown away when it was not asked for this long.
const MAX_INDEX_AGE: Duration = Duration::from_secs(7 * 86_400);

/// A directory that only this run writes to while it holds the lock.
#[derive(Debug)]
pub(super) struct Cache {
    directory: PathBuf,
    _lock: File,
}

impl Cache {
    /// Opens the cache, makes it where it is missing, and waits for others that fill it.
    ///
    /// # Errors
    /// When its directory cannot be made or written.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        // apt fetches as a user of its own, which has to get to where it writes.
        for directory in [directory.to_owned(), directory.join("archives")] {
            DirBuilder::new().recursive(true).mode(0o755).create(&directory)?;
        }
        let lock = File::options().create(true).truncate(false).write(true).open(directory.join("lock"))?;
        lock.lock()?;
        Ok(Self { directory: directory.to_owned(), _lock: lock })
    }

    /// The place of an archive with this hash.
    pub(super) fn archive(&self, hash: &str) -> PathBuf {
        place(&self.directory, hash)
    }

    /// An empty directory that apt's own user may write to, below the cache.
    ///
    /// # Errors
    /// When it cannot be emptied or made.
    pub(super) fn incoming(&self, user: Option<u32>) -> io::Result<PathBuf> {
        let path = self.directory.join("incoming");
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(&path)?;
        if user.is_some() {
            std::os::unix::fs::chown(&path, user, None)?;
        }
        Ok(path)
    }

    /// Takes an archive over that apt has fetched and found to have this hash.
    ///
    /// # Errors
    /// When it is no regular file, or cannot be moved.
    pub(super) fn take(&self, fetched: &Path, hash: &str) -> io::Result<PathBuf> {
        if !fs::symlink_metadata(fetched)?.is_file() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let place = self.archive(hash);
        std::os::unix::fs::lchown(fetched, Some(rustix::process::geteuid().as_raw()), None)?;
        fs::set_permissions(fetched, fs::Permissions::from_mode(0o644))?;
        fs::rename(fetched, &place)?;
        Ok(place)
    }

    /// Where the index for other sources is.
    pub(super) fn index(&self) -> PathBuf {
        self.directory.join("index")
    }

    /// Removes what was not used for longest until the rest is small enough.
    pub(super) fn collect(&self) {
        let _ = fs::remove_dir_all(self.directory.join("incoming"));
        let mut archives: Vec<(SystemTime, u64, PathBuf)> = fs::read_dir(self.directory.join("archives"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let metadata = entry.metadata().ok()?;
                Some((metadata.modified().ok()?, metadata.len(), entry.path()))
            })
            .collect();
        archives.sort_by(|a, b| b.cmp(a));
        let mut total = 0_u64;
        for (_, bytes, path) in archives {
            total = total.saturating_add(bytes);
            if total > MAX_BYTES {
                let _ = fs::remove_file(path);
            }
        }
        let index = self.index();
        let age = fs::metadata(index.join("stamp")).and_then(|metadata| metadata.modified()).ok();
        let is_old = age.is_none_or(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > MAX_INDEX_AGE));
        if is_old && index.exists() {
            let _ = fs::remove_dir_all(index);
        }
    }
}

/// The place of an archive with this hash in a cache.
pub(super) fn place(directory: &Path, hash: &str) -> PathBuf {
    let name: String = hash.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    directory.join("archives").join(format!("{name}.deb"))
}

/// Marks an archive as used now.
pub(super) fn touch(path: &Path) {
    if let Ok(file) = File::open(path) {
        let _ = file.set_modified(SystemTime::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        for (hash, age) in [("SHA256:aa", 30), ("SHA256:bb", 20), ("SHA256:cc", 10)] {
            let file = File::create(cache.archive(hash)).unwrap();
            file.set_len(MAX_BYTES / 2).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        touch(&cache.archive("SHA256:aa"));
        cache.collect();
        let is_there = |hash| cache.archive(hash).exists();
        assert_eq!((is_there("SHA256:aa"), is_there("SHA256:bb"), is_there("SHA256:cc")), (true, false, true));
    }

    #[test]
    fn only_a_file_is_taken_over() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let incoming = cache.incoming(None).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", incoming.join("x.deb")).unwrap();
        assert!(cache.take(&incoming.join("x.deb"), "SHA256:aa").is_err());
        fs::write(incoming.join("y.deb"), "y").unwrap();
        let taken = cache.take(&incoming.join("y.deb"), "SHA256:../aa").unwrap();
        assert_eq!(taken, directory.path().join("archives/SHA256----aa.deb"));
    }
}
