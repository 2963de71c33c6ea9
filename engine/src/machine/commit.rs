//! Putting many staged files in place at once: journal, sync, rename, sync.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::{Machine, Scope, Shared, Staged, refused};
use crate::ApplyError;
use crate::journal::Op;
use crate::root::Directory;

/// Up to so many files (or directories) of one file system are synced one by one; more by one `syncfs`.
const FEW: usize = 3;

/// What one change has staged, and what became of it.
pub(crate) struct Group {
    pub(crate) scope: Arc<Scope>,
    pub(crate) staged: Vec<Staged>,
    pub(crate) result: Result<(), ApplyError>,
}

/// Commits the staged files of many changes, and makes everything these changes did durable. A failure stays with the change it concerns.
pub(crate) fn commit(shared: &Arc<Shared>, groups: &mut [Group]) {
    journal(shared, groups);
    sync_contents(groups);
    groups.par_iter_mut().filter(|group| group.result.is_ok()).for_each(|group| {
        let machine = Machine::new(shared.clone(), group.scope.clone());
        group.result = group.staged.iter_mut().try_for_each(|staged| place(&machine, staged));
    });
    sync_directories(shared, groups);
    shared.observed.system().systemd.read_changed();
}

/// Writes down what is at the destinations.
fn journal(shared: &Shared, groups: &mut [Group]) {
    let ops: Vec<Op> = groups
        .iter_mut()
        .flat_map(|group| {
            let sequence = group.scope.sequence;
            group.staged.iter_mut().filter_map(move |staged| Some(Op::Before { sequence, before: staged.before.take()? }))
        })
        .collect();
    if ops.is_empty() {
        return;
    }
    let written = shared.journal.write(ops);
    for group in groups.iter_mut() {
        match &written {
            Ok(()) => {
                let mut recorded = group.scope.recorded();
                recorded.extend(group.staged.iter().map(|staged| (staged.destination.clone(), true)));
            }
            Err(_) if group.staged.is_empty() => {}
            Err(error) => group.result = Err(error.clone()),
        }
    }
}

/// Brings the new contents to the disk before any name leads to them.
fn sync_contents(groups: &mut [Group]) {
    let mut systems: BTreeMap<u64, usize> = BTreeMap::new();
    for staged in groups.iter().flat_map(|group| &group.staged) {
        *systems.entry(staged.directory.0).or_default() += 1;
    }
    for (device, count) in systems {
        let on_device = |staged: &&Staged| staged.directory.0 == device;
        if count > FEW {
            let synced = groups.iter().flat_map(|group| &group.staged).filter(on_device).find_map(|staged| {
                let directory = directory_of(staged).ok()?;
                Some(rustix::fs::syncfs(directory.readable().ok()?))
            });
            if synced == Some(Ok(())) {
                continue;
            }
        }
        // A few, or a failure whose file is wanted.
        for group in groups.iter_mut().filter(|group| group.result.is_ok()) {
            group.result = group.staged.iter().filter(on_device).try_for_each(sync_file);
        }
    }
}

fn sync_file(staged: &Staged) -> Result<(), ApplyError> {
    let directory = directory_of(staged)?;
    let failed = |error| refused("sync", &staged.destination, error);
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(&*directory, &staged.temporary, flags, Mode::empty()) {
        // A mode that keeps even its owner out, for whoever is not root: the whole file system then.
        Err(Errno::ACCESS) => return rustix::fs::syncfs(directory.readable().map_err(failed)?).map_err(failed),
        opened => opened.map_err(failed)?,
    };
    rustix::fs::fsync(file).map_err(failed)
}

/// Opens the directory of a staged file, which must be the one it was written in.
fn directory_of(staged: &Staged) -> Result<Arc<Directory>, ApplyError> {
    let entry = staged.shared.observed.root().parent(&staged.destination)?;
    match entry {
        Some(entry) if entry.directory.identity == staged.directory => Ok(entry.directory),
        _ => {
            let parent = staged.destination.parent().unwrap_or(&staged.destination);
            Err(ApplyError::Moved { what: format!("{} is another directory now", parent.display()) })
        }
    }
}

fn place(machine: &Machine, staged: &mut Staged) -> Result<(), ApplyError> {
    machine.may_change()?;
    let directory = directory_of(staged)?;
    let name = staged.destination.file_name().ok_or_else(|| refused("rename", &staged.destination, Errno::INVAL))?;
    rustix::fs::renameat(&*directory, &staged.temporary, &*directory, name)
        .map_err(|error| refused("rename", &staged.destination, error))?;
    staged.committed = true;
    if let Some(after) = staged.after.take() {
        let mut placed = machine.scope.placed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        placed.insert(staged.destination.clone(), after);
    }
    machine.touched(&staged.destination);
    Ok(())
}

/// Brings names, owners and modes to the disk.
fn sync_directories(shared: &Shared, groups: &mut [Group]) {
    // Directory by device, with the changes that depend on it.
    let mut systems: BTreeMap<u64, BTreeMap<PathBuf, Arc<Directory>>> = BTreeMap::new();
    let mut users: Vec<Vec<u64>> = Vec::with_capacity(groups.len());
    for group in groups.iter() {
        let mut devices = Vec::new();
        for path in group.scope.take_unsynced() {
            // Gone again, with everything in it.
            let Ok(Some(directory)) = shared.observed.root().directory(&path) else { continue };
            let device = directory.identity.0;
            if !devices.contains(&device) {
                devices.push(device);
            }
            let known = systems.entry(device).or_default();
            if known.len() <= FEW {
                known.insert(path, directory);
            }
        }
        users.push(devices);
    }
    for (device, directories) in systems {
        let result = sync_system(&directories);
        for (group, _) in groups.iter_mut().zip(&users).filter(|(_, devices)| devices.contains(&device)) {
            if let (true, Err(error)) = (group.result.is_ok(), &result) {
                group.result = Err(error.clone());
            }
        }
    }
}

fn sync_system(directories: &BTreeMap<PathBuf, Arc<Directory>>) -> Result<(), ApplyError> {
    let mut readable = directories.iter().filter_map(|(path, directory)| Some((path, directory.readable().ok()?)));
    let Some((path, fd)) = readable.next() else {
        // None of them may be read by this user: everything, then.
        rustix::fs::sync();
        return Ok(());
    };
    // `syncfs` also brings owners and modes of things that were there before to the disk, which `fsync` of a directory does not.
    rustix::fs::syncfs(fd.as_fd()).map_err(|error| refused("sync", path, error))
}
