//! Packages that come from a file on the machine, and not from a repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fetch::Key;
use super::orders::Unmet;
use super::{Apt, UNREADABLE, same};
use crate::system::archive::Control;
use crate::system::tree;
use crate::{ObserveError, PackageChange, PackageState, PackageWish, WishedState};

impl Apt {
    /// What a file on this machine says of the package it is.
    fn control(&self, path: &str) -> Result<Control, ObserveError> {
        let file = tree::open_regular(&self.root, path).map_err(|error| ObserveError::io(Path::new(path), &error))?;
        Control::read(Path::new(path), file)
    }

    /// Says whether a package is there in the version that a file has.
    pub(super) fn is_installed_from(&self, path: &str, state: &PackageState) -> bool {
        let is_whole = state.version.is_some() && !state.broken;
        is_whole && self.control(path).is_ok_and(|control| state.version.as_ref() == Some(&control.version))
    }

    /// Leaves out what is wished from files that cannot be read: apt would do nothing at all for such a command line.
    pub(super) fn readable(&self, wishes: &[PackageWish]) -> (Vec<PackageWish>, Vec<Unmet>) {
        let mut unmet = Vec::new();
        let mut readable = Vec::with_capacity(wishes.len());
        for wish in wishes {
            let failure = match &wish.state {
                WishedState::File(path) => self.control(path).err(),
                _ => None,
            };
            match failure {
                Some(error) => unmet.push((wish.name.clone(), format!("{UNREADABLE}{error}").into())),
                None => readable.push(wish.clone()),
            }
        }
        (readable, unmet)
    }
}

/// The changes that come from repositories.
pub(super) fn offered(changes: &[PackageChange], wishes: &[PackageWish]) -> Vec<PackageChange> {
    changes.iter().filter(|change| file_of(change, wishes).is_none()).cloned().collect()
}

/// Where the archives are that come from files.
pub(super) fn places(root: &Path, changes: &[PackageChange], wishes: &[PackageWish]) -> BTreeMap<Key, PathBuf> {
    let place = |change: &PackageChange| {
        let path = root.join(file_of(change, wishes)?.trim_start_matches('/'));
        Some(((change.name.clone(), change.to.clone()?), path))
    };
    changes.iter().filter_map(place).collect()
}

/// The file that a change is made from.
fn file_of(change: &PackageChange, wishes: &[PackageWish]) -> Option<Arc<str>> {
    wishes.iter().find(|wish| same(&wish.name, &change.name)).and_then(|wish| match &wish.state {
        WishedState::File(path) => Some(path.clone()),
        _ => None,
    })
}
