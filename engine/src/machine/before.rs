//! Writing down what is there before it is changed.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::stage::holds_secret;
use super::{Machine, Scope, Secrecy};
use crate::journal::{Before, Blobs, Content, FileAttributes, FileState, NewAfter, NewBefore, Op, hex};
use crate::observed::{Observed, open_regular};
use crate::root::{Entry, failed};
use crate::{ApplyError, FileKind, Known, ObserveError, World as _};

/// How much of what is there has to be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// What it is, its owner and mode.
    State,
    /// Also the content of a regular file.
    Content,
}

impl Machine {
    /// Makes sure that the journal holds what is at a path.
    pub(super) fn keep(&self, path: &Path, need: Need) -> Result<(), ApplyError> {
        match self.before(path, need)? {
            Some(before) => {
                self.shared.journal.write(vec![Op::Before { sequence: self.scope.sequence, before }])?;
                self.recorded(path, need);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Looks at what is at a path, for the journal; `None` when the journal has it already.
    pub(super) fn before(&self, path: &Path, need: Need) -> Result<Option<NewBefore>, ApplyError> {
        self.look_before(path, need, Withhold::As(&self.scope.secrecy))
    }

    /// The same, where it is known whether the content holds secrets.
    pub(super) fn look_before(&self, path: &Path, need: Need, withhold: Withhold<'_>) -> Result<Option<NewBefore>, ApplyError> {
        let known = self.scope.recorded().get(path).copied();
        if known.is_some_and(|with_content| with_content || need == Need::State) {
            return Ok(None);
        }
        let entry = self.shared.observed.root().parent(path)?;
        let withhold = if self.shared.observed.holds_secret(path) { Withhold::Whether(true) } else { withhold };
        let keep = if need == Need::Content { Keep::Content(withhold) } else { Keep::State };
        let found = match &entry {
            Some(entry) => look(entry, path, keep, &self.shared.blobs)?,
            None => absent(path),
        };
        Ok(Some(found))
    }

    /// Notes that the journal holds what is at a path.
    pub(super) fn recorded(&self, path: &Path, need: Need) {
        let mut recorded = self.scope.recorded();
        let with_content = recorded.entry(path.to_owned()).or_default();
        *with_content |= need == Need::Content;
    }
}

/// Makes sure that the journal holds what is at these paths, contents and all, in one go.
pub(super) fn keep_all<'p>(machine: &Machine, paths: impl IntoIterator<Item = &'p Path>) -> Result<(), ApplyError> {
    let sequence = machine.scope.sequence;
    let mut kept = Vec::new();
    let mut ops = Vec::new();
    for path in paths {
        if let Some(before) = machine.before(path, Need::Content)? {
            ops.push(Op::Before { sequence, before });
        }
        kept.push(path);
    }
    if !ops.is_empty() {
        machine.shared.journal.write(ops)?;
    }
    for path in kept {
        machine.recorded(path, Need::Content);
        machine.touched(path);
    }
    Ok(())
}

/// A larger file is not kept before a command writes to it: it may be a database, written in every run.
pub(crate) const MAX_WRITTEN: u64 = 64 << 20;

/// Makes sure that the journal holds what is at paths that a command says it writes to, where that can be brought back from it: a file, or
/// nothing. Of a large file it holds the state only.
pub(super) fn keep_written(machine: &Machine, paths: &[&Path]) -> Result<(), ApplyError> {
    let sequence = machine.scope.sequence;
    let (mut kept, mut ops) = (Vec::new(), Vec::new());
    for path in paths {
        let need = match machine.shared.observed.stat(path)? {
            Known::Is(None) => Need::Content,
            Known::Is(Some(stat)) if stat.kind == FileKind::File && stat.size <= MAX_WRITTEN => Need::Content,
            Known::Is(Some(stat)) if stat.kind == FileKind::File => Need::State,
            Known::Is(Some(_)) | Known::Unknown(_) => continue,
        };
        let secret = match machine.shared.observed.root().parent(path)? {
            Some(entry) => need == Need::Content && holds_secret(machine, &entry, path)?,
            None => false,
        };
        let withhold = if secret { Withhold::Whether(true) } else { Withhold::As(&machine.scope.secrecy) };
        if let Some(before) = machine.look_before(path, need, withhold)? {
            ops.push(Op::Before { sequence, before });
        }
        kept.push((path, need));
    }
    if !ops.is_empty() {
        machine.shared.journal.write(ops)?;
    }
    kept.into_iter().for_each(|(path, need)| machine.recorded(path, need));
    Ok(())
}

/// Writes down that nothing is at these paths, which are in a tree that is about to be put in its place.
pub(super) fn keep_absent(machine: &Machine, paths: &[std::path::PathBuf]) -> Result<(), ApplyError> {
    let sequence = machine.scope.sequence;
    let fresh = paths.iter().filter(|path| !machine.scope.recorded().contains_key(*path));
    let ops: Vec<Op> = fresh.map(|path| Op::Before { sequence, before: absent(path) }).collect();
    if !ops.is_empty() {
        machine.shared.journal.write(ops)?;
    }
    machine.scope.recorded().extend(paths.iter().map(|path| (path.clone(), true)));
    Ok(())
}

/// Looks at the paths a resource owns, for the row of its change: what is not a regular file is complete with that,
/// and so is one that goes, whose content is kept right away: many that go then wait for one commit.
pub(crate) fn survey(
    observed: &Observed,
    blobs: &Blobs,
    paths: &[&Path],
    scope: &Scope,
    goes: bool,
) -> Result<Vec<NewBefore>, ApplyError> {
    let keep = if goes { Keep::Content(Withhold::As(&scope.secrecy)) } else { Keep::State };
    let mut befores = Vec::new();
    for path in paths {
        let found = match observed.root().parent(path)? {
            Some(entry) => look(&entry, path, keep, blobs)?,
            None => absent(path),
        };
        let complete = goes || !matches!(found.before, Before::Path { state: FileState::File { .. }, .. });
        scope.recorded().insert((*path).to_owned(), complete);
        befores.push(found);
    }
    Ok(befores)
}

/// What to do about a regular file's content.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keep<'a> {
    State,
    Content(Withhold<'a>),
}

/// Whether a content is told to the journal by its digest only.
#[derive(Clone, Copy, Debug)]
pub(super) enum Withhold<'a> {
    Whether(bool),
    As(&'a Secrecy),
}

fn absent(path: &Path) -> NewBefore {
    NewBefore { before: Before::Path { path: path.to_owned(), state: FileState::Absent, blob: None }, content: None }
}

/// Looks at an entry of a directory.
pub(super) fn look(entry: &Entry<'_>, path: &Path, keep: Keep<'_>, blobs: &Blobs) -> Result<NewBefore, ApplyError> {
    let stat = match rustix::fs::statat(&*entry.directory, entry.name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(absent(path)),
        Err(error) => return Err(failed(path, error).into()),
    };
    let mut attributes = attributes_of(&stat);
    let mut blob = None;
    let mut content = None;
    let state = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            let (mut size, mut is_withheld) = (u64::try_from(stat.st_size).unwrap_or(0), false);
            if let Keep::Content(withhold) = keep
                && let Some((mut file, found)) = open_regular(entry, path)?
            {
                attributes.xattrs = xattrs(&file);
                is_withheld = match withhold {
                    Withhold::Whether(withheld) => withheld,
                    Withhold::As(secrecy) => secrecy.withholds(stat.st_mode),
                };
                (blob, content, size) = take(&mut file, found, is_withheld, path, blobs)?;
            }
            FileState::File { attributes, size, withheld: is_withheld }
        }
        FileType::Directory => {
            if matches!(keep, Keep::Content(_))
                && let Ok(directory) = rustix::fs::openat(
                    &*entry.directory,
                    entry.name,
                    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                    Mode::empty(),
                )
            {
                attributes.xattrs = xattrs(&directory);
            }
            FileState::Directory { attributes }
        }
        FileType::Symlink => {
            let target =
                rustix::fs::readlinkat(&*entry.directory, entry.name, Vec::new()).map_err(|error| failed(path, error))?;
            FileState::symlink(attributes, &std::ffi::OsString::from_vec(target.into_bytes()))
        }
        _ => FileState::Other { attributes, file_type: stat.st_mode & 0o170_000, device: stat.st_rdev },
    };
    Ok(NewBefore { before: Before::Path { path: path.to_owned(), state, blob }, content })
}

type Taken = (Option<[u8; 32]>, Option<(u64, Content)>, u64);

fn take(file: &mut File, size: u64, withheld: bool, path: &Path, blobs: &Blobs) -> Result<Taken, ApplyError> {
    if withheld {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file).map_err(|error| ObserveError::io(path, &error))?;
        return Ok((Some(*hasher.finalize().as_bytes()), None, hasher.count()));
    }
    let journal = |error: std::io::Error| ApplyError::Journal { message: format!("keeping {}: {error}", path.display()) };
    let (hash, size, content) = blobs.keep(file, size).map_err(journal)?;
    Ok((Some(hash), Some((size, content)), size))
}

/// Owner, mode and time.
pub(super) fn attributes_of(stat: &Stat) -> FileAttributes {
    FileAttributes {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        modified_ns: stat.st_mtime.saturating_mul(1_000_000_000).saturating_add(stat.st_mtime_nsec.cast_signed()),
        xattrs: BTreeMap::new(),
    }
}

/// Looks at what is at a path now: its state, and the digest of a regular file's content where that is asked for.
pub(crate) fn look_now(observed: &Observed, path: &Path, digest: bool) -> Result<(FileState, Option<[u8; 32]>), ObserveError> {
    let Some(entry) = observed.root().parent(path)? else { return Ok((FileState::Absent, None)) };
    let stat = match rustix::fs::statat(&*entry.directory, entry.name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok((FileState::Absent, None)),
        Err(error) => return Err(failed(path, error)),
    };
    let mut attributes = attributes_of(&stat);
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            let mut size = u64::try_from(stat.st_size).unwrap_or(0);
            let mut found = None;
            if digest && let Some((mut file, _)) = open_regular(&entry, path)? {
                attributes.xattrs = xattrs(&file);
                let mut hasher = blake3::Hasher::new();
                hasher.update_reader(&mut file).map_err(|error| ObserveError::io(path, &error))?;
                size = hasher.count();
                found = Some(*hasher.finalize().as_bytes());
            }
            (FileState::File { attributes, size, withheld: false }, found)
        }
        FileType::Directory => (FileState::Directory { attributes }, None),
        FileType::Symlink => {
            let target =
                rustix::fs::readlinkat(&*entry.directory, entry.name, Vec::new()).map_err(|error| failed(path, error))?;
            (FileState::symlink(attributes, &std::ffi::OsString::from_vec(target.into_bytes())), None)
        }
        _ => (FileState::Other { attributes, file_type: stat.st_mode & 0o170_000, device: stat.st_rdev }, None),
    })
}

/// Looks at what a change has left at the paths it was recorded for, for the journal. What cannot be looked at is left out.
pub(crate) fn afters(observed: &Observed, scope: &Scope) -> Vec<NewAfter> {
    let placed = std::mem::take(&mut *scope.placed.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    let recorded = scope.recorded();
    let looked = recorded.iter().filter(|(path, _)| !placed.contains_key(*path)).filter_map(|(path, with_content)| {
        let (state, blob) = look_now(observed, path, *with_content).ok()?;
        Some(Before::Path { path: path.clone(), state, blob })
    });
    let looked = looked.map(|after| NewAfter { is_secret: now_secret(observed, &after, false), after });
    let mut found: Vec<NewAfter> = looked.collect();
    found.extend(placed.values().map(|after| NewAfter { is_secret: now_secret(observed, after, true), after: after.clone() }));
    found
}

/// Takes note whether what is at a path is a secret from now on. `None` where nothing new is known: what was not `placed` was written by a
/// command, and may hold what was there.
fn now_secret(observed: &Observed, after: &Before, placed: bool) -> Option<bool> {
    let Before::Path { path, state, .. } = after else { return None };
    let (is_secret, was) = (matches!(state, FileState::File { withheld: true, .. }), observed.holds_secret(path));
    let is_known = is_secret || placed || !matches!(state, FileState::File { .. });
    if !is_known || is_secret == was {
        return None;
    }
    observed.note_secret(path, is_secret);
    Some(is_secret)
}

/// Extended attributes for the journal; none where the file system has none.
pub(crate) fn xattrs(file: impl AsFd) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in read_xattrs(&file) {
        found.insert(String::from_utf8_lossy(&name).into_owned(), hex(&value));
    }
    found
}

/// Reads all extended attributes that this user may read.
pub(super) fn read_xattrs(file: impl AsFd) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = [0_u8; 4096];
    let Ok(length @ 1..) = rustix::fs::flistxattr(&file, &mut names) else { return Vec::new() };
    let mut value = vec![0_u8; 64 << 10];
    let mut found = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if let Ok(length) = rustix::fs::fgetxattr(&file, name, &mut value[..]) {
            found.push((name.to_vec(), value[..length].to_vec()));
        }
    }
    found
}
