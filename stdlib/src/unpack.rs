//! Reading archives: what is in one, and whether it may be unpacked at all.
//!
//! An archive is read twice: first to know everything in it, so that one with anything unsafe is refused before anything is
//! made, then to unpack. Formats are told by their first bytes, not by a name.

mod formats;
mod names;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_engine::{FileKind, ObserveError};

pub(crate) use names::Selection;

/// Contents up to this size are kept for diffs and predictions.
const KEPT_BYTES: u64 = 256 << 10;

/// All contents that are kept of one archive.
const KEPT_IN_ALL: u64 = 32 << 20;

/// What an archive may hold at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes, unpacked.
    pub(crate) bytes: u64,
    /// Files, directories and links.
    pub(crate) entries: u64,
}

/// Why an archive is not unpacked.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It cannot be read.
    Damaged(String),
    /// An entry would reach out of the directory, or is something that must not come from an archive.
    Unsafe {
        /// The entry's name as the archive has it.
        entry: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is larger than it may be.
    TooLarge(String),
    /// What the caller did with it failed.
    Caller(Box<dyn std::error::Error + Send + Sync>),
}

impl Refusal {
    /// As the failure of a resource. `name` says which archive.
    pub(crate) fn into_error(self, name: &str) -> ObserveError {
        let (code, message, hint) = match self {
            Self::Damaged(why) => (
                "damaged-archive",
                format!("{name} cannot be read as an archive: {why}"),
                "fetch or make it again; tar (also gz, xz, zst, bz2) and zip are understood",
            ),
            Self::Unsafe { entry, why } => (
                "unsafe-archive",
                format!("{name} is refused as a whole: its entry `{entry}` {why}"),
                "look at where it comes from; what is only a link can be left out with `exclude`",
            ),
            Self::TooLarge(why) => (
                "archive-too-large",
                format!("{name} is refused as a whole: {why}"),
                "raise `max_size` or `max_entries` if it is meant to be that large",
            ),
            Self::Caller(error) => ("damaged-archive", format!("{name}: {error}"), "plan again"),
        };
        ObserveError::Impossible { code, message, hint: hint.into() }
    }
}

/// What an entry of an archive is, before anything is concluded from it.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    /// The name as the archive has it.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: RawKind,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    pub(crate) modified: Option<i64>,
}

/// The kind of an entry.
#[derive(Clone, Debug)]
pub(crate) enum RawKind {
    File,
    Directory,
    /// With what it holds.
    Symlink(Vec<u8>),
    /// Another name of an earlier file: that file's name.
    HardLink(Vec<u8>),
    /// A device, a pipe, or something unheard of, in words.
    Special(&'static str),
}

/// One thing that an archive brings, below the directory it is unpacked into.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) kind: FileKind,
    /// Permission bits: read, write and execute; set-user-ID and the like are not taken from an archive.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    pub(crate) modified: Option<i64>,
    /// Of a regular file.
    pub(crate) hash: [u8; 32],
    /// Of a small regular file.
    pub(crate) content: Option<Arc<[u8]>>,
    /// Of a symlink.
    pub(crate) target: Option<PathBuf>,
    /// The number of the entry that holds the content: a hard link's is an earlier one.
    position: usize,
}

/// Everything that an archive brings, by path relative to the directory it is unpacked into: directories before what is in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    pub(crate) members: BTreeMap<PathBuf, Member>,
    /// The archive has nothing in it.
    pub(crate) is_blank: bool,
    /// How many names the deepest path has that the patterns take; 0 where they take none.
    pub(crate) depth: usize,
}

impl Index {
    /// Reads an archive from its bytes.
    ///
    /// # Errors
    /// When it is damaged, unsafe or too large.
    pub(crate) fn read(bytes: &[u8], selection: &Selection, limits: Limits) -> Result<Self, Refusal> {
        let mut index = Self { is_blank: true, ..Self::default() };
        let (mut position, mut total, mut kept) = (0_usize, 0_u64, 0_u64);
        // Also of what is not wanted: a hard link that is may name it.
        let mut files: BTreeMap<PathBuf, Member> = BTreeMap::new();
        formats::walk(bytes, limits, &mut |raw, content| {
            let at = position;
            position += 1;
            if position as u64 > limits.entries {
                return Err(Refusal::TooLarge(format!("it has more than {} entries", limits.entries)));
            }
            let Some(own) = names::own_path(&raw.name)? else { return Ok(()) };
            index.is_blank = false;
            let is_wanted = selection.takes(&own);
            if is_wanted {
                index.depth = index.depth.max(own.components().count());
            }
            if !is_wanted && !matches!(raw.kind, RawKind::File) {
                return Ok(());
            }
            let mut member = Member {
                kind: FileKind::File,
                mode: raw.mode & 0o777,
                uid: raw.uid,
                gid: raw.gid,
                size: 0,
                modified: raw.modified,
                hash: [0; 32],
                content: None,
                target: None,
                position: at,
            };
            let refuse = |why: String| Refusal::Unsafe { entry: names::shown(&raw.name), why };
            match &raw.kind {
                RawKind::Special(what) => return Err(refuse(format!("is {what}"))),
                RawKind::Directory => member.kind = FileKind::Directory,
                RawKind::Symlink(target) => {
                    member.kind = FileKind::Symlink;
                    member.target = Some(names::path_of(target));
                }
                RawKind::HardLink(target) => {
                    let target = names::own_path(target)?.unwrap_or_default();
                    let Some(original) = files.get(&target) else {
                        let why = format!("is a hard link to `{}`, which is no file of the archive", target.display());
                        return Err(refuse(why));
                    };
                    member = original.clone();
                }
                RawKind::File => {
                    let keep = raw.size <= KEPT_BYTES && kept + raw.size <= KEPT_IN_ALL;
                    let mut hasher = blake3::Hasher::new();
                    let mut whole = Vec::new();
                    let mut buffer = vec![0_u8; 64 << 10];
                    loop {
                        let count = content.read(&mut buffer).map_err(damaged)?;
                        if count == 0 {
                            break;
                        }
                        hasher.update(&buffer[..count]);
                        member.size += count as u64;
                        if total + member.size > limits.bytes {
                            return Err(too_many_bytes(limits));
                        }
                        if keep && member.size <= KEPT_BYTES {
                            whole.extend_from_slice(&buffer[..count]);
                        }
                    }
                    total += member.size;
                    member.hash = *hasher.finalize().as_bytes();
                    if keep && member.size <= KEPT_BYTES {
                        kept += member.size;
                        member.content = Some(whole.into());
                    }
                    files.insert(own.clone(), member.clone());
                }
            }
            if let Some(path) = selection.stripped(&own).filter(|_| is_wanted) {
                index.members.insert(path, member);
            }
            Ok(())
        })?;
        index.add_parents();
        index.check_links(selection)?;
        Ok(index)
    }

    /// Directories that are needed and not listed.
    fn add_parents(&mut self) {
        let mut missing = Vec::new();
        for (path, member) in &self.members {
            let above = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
            for directory in above.take_while(|above| !self.members.contains_key(*above)) {
                missing.push((directory.to_owned(), member.uid, member.gid));
            }
        }
        for (path, uid, gid) in missing {
            self.members.entry(path).or_insert(Member {
                kind: FileKind::Directory,
                mode: 0o755,
                uid,
                gid,
                size: 0,
                modified: None,
                hash: [0; 32],
                content: None,
                target: None,
                position: usize::MAX,
            });
        }
    }

    /// Refuses symlinks that lead out, and entries that lie behind one or below a file.
    fn check_links(&self, selection: &Selection) -> Result<(), Refusal> {
        for (path, member) in &self.members {
            let refuse = |why: String| Refusal::Unsafe { entry: names::shown(path.as_os_str().as_encoded_bytes()), why };
            for above in path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
                match self.members.get(above).map(|above| above.kind) {
                    Some(FileKind::Symlink) => {
                        return Err(refuse(format!("lies behind the symlink `{}` of the archive", above.display())));
                    }
                    Some(FileKind::File) => {
                        return Err(refuse(format!("lies below the file `{}` of the archive", above.display())));
                    }
                    _ => {}
                }
            }
            if let Some(target) = member.target.as_deref().filter(|_| !selection.outside_links)
                && names::leads_out(path, target, |at| self.members.get(at).is_some_and(|at| at.kind == FileKind::Symlink))
            {
                return Err(refuse(format!("is a symlink that leads out, to `{}`", target.display())));
            }
        }
        Ok(())
    }
}

/// Hands out the contents of an archive that was read before. `wanted` says for which paths of the index; `take` gets
/// all those that have the content, and a reader of it.
///
/// # Errors
/// When the archive cannot be read any more, and what `take` fails with.
pub(crate) fn contents<E: std::error::Error + Send + Sync + 'static>(
    bytes: &[u8],
    index: &Index,
    limits: Limits,
    wanted: impl Fn(&Path) -> bool,
    mut take: impl FnMut(&[&Path], &mut dyn Read) -> Result<(), E>,
) -> Result<(), Refusal> {
    let mut by_position: BTreeMap<usize, Vec<&Path>> = BTreeMap::new();
    for (path, member) in &index.members {
        if member.kind == FileKind::File && wanted(path) {
            by_position.entry(member.position).or_default().push(path);
        }
    }
    let mut position = 0_usize;
    formats::walk(bytes, limits, &mut |_, content| {
        let paths = by_position.get(&position);
        position += 1;
        match paths {
            Some(paths) => take(paths, content).map_err(|error| Refusal::Caller(Box::new(error))),
            None => Ok(()),
        }
    })
}

fn damaged(error: std::io::Error) -> Refusal {
    if formats::is_limit(&error) { Refusal::TooLarge(error.to_string()) } else { Refusal::Damaged(error.to_string()) }
}

fn too_many_bytes(limits: Limits) -> Refusal {
    let size = stead_catalog::Value::Size(limits.bytes);
    Refusal::TooLarge(format!("unpacked it is larger than {size}"))
}

#[cfg(test)]
mod tests;
