//! What is on a host's root file system, in a form that can be compared.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// What changes by itself, is a view of the kernel, or is meant to be thrown away.
const PASSING: [&str; 9] = ["/proc", "/sys", "/dev", "/run", "/tmp", "/var/log", "/var/cache", "/var/tmp", "/var/lib/systemd"];

/// What Stead keeps for itself: its journal is not a change of the machine.
const OWN: [&str; 1] = ["/var/lib/stead"];

/// One path of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `file`, `directory`, `link`, `fifo`, `socket`, `character` or `block`.
    pub kind: &'static str,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Size in bytes of a file, else 0.
    pub size: u64,
    /// What is in it: the hash of a file's content, or the target of a link.
    pub content: String,
    /// Extended attributes with their values.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

/// Path → what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(pub BTreeMap<String, Entry>);

impl Snapshot {
    /// Walks the tree at `root`. Files that have not been touched since `booted` are those of the shared lower root;
    /// their hashes are remembered from one snapshot to the next.
    ///
    /// # Panics
    ///
    /// When something cannot be read other than because it has gone meanwhile.
    pub fn take(root: &Path, booted: SystemTime) -> Self {
        let booted = booted.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let mut entries = BTreeMap::new();
        walk(root, "", i64::try_from(booted).unwrap_or(i64::MAX), &mut entries);
        Self(entries)
    }

    /// The differences to a later snapshot: `+ path`, `- path` and `~ path: what`.
    pub fn changes(&self, later: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut paths: Vec<&String> = self.0.keys().chain(later.0.keys()).collect();
        paths.sort();
        paths.dedup();
        for path in paths {
            match (self.0.get(path), later.0.get(path)) {
                (None, Some(_)) => lines.push(format!("+ {path}")),
                (Some(_), None) => lines.push(format!("- {path}")),
                (Some(before), Some(after)) if before != after => {
                    lines.push(format!("~ {path}: {}", difference(before, after)));
                }
                _ => {}
            }
        }
        lines
    }
}

fn difference(before: &Entry, after: &Entry) -> String {
    let mut words = Vec::new();
    if before.kind != after.kind {
        words.push(format!("{} is now {}", before.kind, after.kind));
    }
    if before.mode != after.mode {
        words.push(format!("mode {:04o} is now {:04o}", before.mode, after.mode));
    }
    if before.owner != after.owner {
        words.push(format!("owner {:?} is now {:?}", before.owner, after.owner));
    }
    if before.xattrs != after.xattrs {
        words.push("extended attributes".to_owned());
    }
    if (before.size, &before.content) != (after.size, &after.content) {
        words.push("content".to_owned());
    }
    words.join(", ")
}

fn walk(root: &Path, relative: &str, booted: i64, entries: &mut BTreeMap<String, Entry>) {
    let directory = root.join(relative.trim_start_matches('/'));
    let names = match fs::read_dir(&directory) {
        Ok(names) => names,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return,
        Err(why) => panic!("{}: {why}", directory.display()),
    };
    for name in names.flatten() {
        let path = format!("{relative}/{}", name.file_name().to_string_lossy());
        if PASSING.contains(&path.as_str()) || OWN.contains(&path.as_str()) {
            continue;
        }
        let outside = name.path();
        let Ok(metadata) = fs::symlink_metadata(&outside) else {
            continue;
        };
        let Some(entry) = entry(&outside, &path, &metadata, booted) else {
            continue;
        };
        let is_directory = metadata.is_dir();
        entries.insert(path.clone(), entry);
        if is_directory {
            walk(root, &path, booted, entries);
        }
    }
}

/// What is at a path; `None` if it has gone meanwhile.
fn entry(outside: &Path, path: &str, metadata: &Metadata, booted: i64) -> Option<Entry> {
    let kind = metadata.file_type();
    let (kind, content, size) = if kind.is_file() {
        ("file", digest(outside, path, metadata, booted)?, metadata.size())
    } else if kind.is_dir() {
        ("directory", String::new(), 0)
    } else if kind.is_symlink() {
        ("link", fs::read_link(outside).ok()?.to_string_lossy().into_owned(), 0)
    } else if kind.is_fifo() {
        ("fifo", String::new(), 0)
    } else if kind.is_socket() {
        ("socket", String::new(), 0)
    } else if kind.is_char_device() {
        ("character", metadata.rdev().to_string(), 0)
    } else {
        ("block", metadata.rdev().to_string(), 0)
    };
    let mut xattrs = Vec::new();
    if kind == "file" || kind == "directory" {
        for name in xattr::list(outside).into_iter().flatten() {
            let value = xattr::get(outside, &name).ok().flatten().unwrap_or_default();
            xattrs.push((name.to_string_lossy().into_owned(), value));
        }
        xattrs.sort();
    }
    Some(Entry { kind, mode: metadata.mode() & 0o7777, owner: (metadata.uid(), metadata.gid()), size, content, xattrs })
}

fn digest(outside: &Path, path: &str, metadata: &Metadata, booted: i64) -> Option<String> {
    type Key = (PathBuf, u64, i64);
    static KNOWN: Mutex<Option<HashMap<Key, String>>> = Mutex::new(None);
    let is_shared = metadata.ctime() < booted;
    let key = (PathBuf::from(path), metadata.size(), metadata.mtime());
    if is_shared {
        let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(digest) = known.as_ref().and_then(|known| known.get(&key)) {
            return Some(digest.clone());
        }
    }
    let digest = blake3::hash(&fs::read(outside).ok()?).to_hex().to_string();
    if is_shared {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert_default().insert(key, digest.clone());
    }
    Some(digest)
}
