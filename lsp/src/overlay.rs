//! The files of a project as the editor has them: open buffers over the disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use stead_compiler::{SourceError, Sources};

type Listings = HashMap<(String, Vec<String>), Vec<Arc<str>>>;

/// A version of the files of a project. It does not change; an edit makes another.
pub(crate) struct Overlay {
    disk: Arc<dyn Sources>,
    /// What the disk lists; shared by all versions over the same state of the disk.
    listings: Arc<Mutex<Listings>>,
    buffers: BTreeMap<Arc<str>, Arc<[u8]>>,
}

impl Overlay {
    pub(crate) fn new(disk: Arc<dyn Sources>) -> Self {
        Self { disk, listings: Arc::default(), buffers: BTreeMap::new() }
    }

    /// The next version, with other buffers.
    pub(crate) fn with_buffers(&self, buffers: BTreeMap<Arc<str>, Arc<[u8]>>) -> Self {
        Self { disk: self.disk.clone(), listings: self.listings.clone(), buffers }
    }

    /// The next version, with the disk as it is now.
    pub(crate) fn with_disk(&self, disk: Arc<dyn Sources>) -> Self {
        Self { disk, listings: Arc::default(), buffers: self.buffers.clone() }
    }
}

impl Overlay {
    /// The text of a file that is open in the editor.
    pub(crate) fn buffer(&self, name: &str) -> Option<Arc<[u8]>> {
        self.buffers.get(name).cloned()
    }
}

impl Sources for Overlay {
    fn files(&self, under: &str, extensions: &[&str]) -> Vec<Arc<str>> {
        let key = (under.to_owned(), extensions.iter().map(|one| (*one).to_owned()).collect());
        let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = listings.entry(key).or_insert_with(|| self.disk.files(under, extensions));
        let mut files = listed.clone();
        drop(listings);
        let fits = |name: &str| {
            let is_below = under.is_empty() || name.strip_prefix(under.trim_end_matches('/')).is_some_and(|r| r.starts_with('/'));
            let is_hidden = name.split('/').rev().skip(1).any(|part| part.starts_with('.'));
            let extension = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty() && !stem.ends_with('/'));
            is_below && extensions.is_empty()
                || is_below && !is_hidden && extension.is_some_and(|(_, extension)| extensions.contains(&extension))
        };
        let new: Vec<Arc<str>> = self.buffers.keys().filter(|name| fits(name)).cloned().collect();
        if !new.is_empty() {
            files.extend(new);
            files.sort();
            files.dedup();
        }
        files
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, SourceError> {
        match self.buffers.get(path) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.disk.read(path),
        }
    }
}
