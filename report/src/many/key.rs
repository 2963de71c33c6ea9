//! When two changes are the same: to the byte, and to the eye.

use stead_catalog::{PlannedResource, Shown};

use crate::lines::Diff;
use crate::value::{is_hidden, text_sides};
use std::sync::Arc;

struct Hash(blake3::Hasher);

impl Hash {
    fn part(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Everything of a resource but its attributes.
    fn head(&mut self, resource: &PlannedResource, states: &[Arc<str>]) {
        self.part(resource.id.type_name.as_bytes());
        self.part(resource.id.name.as_bytes());
        self.part(resource.action.name().as_bytes());
        self.part(&[u8::from(resource.orphan)]);
        for cause in &resource.because {
            self.part(cause.kind.name().as_bytes());
            self.part(cause.resource.type_name.as_bytes());
            self.part(cause.resource.name.as_bytes());
        }
        for note in [&resource.unknown, &resource.held] {
            self.part(&[u8::from(note.is_some())]);
            self.part(note.as_deref().unwrap_or_default().as_bytes());
        }
        if let Some(error) = &resource.error {
            self.part(error.code.as_bytes());
            self.part(error.to_string().as_bytes());
        }
        self.part(&(states.len() as u64).to_le_bytes());
        for state in states {
            self.part(state.as_bytes());
        }
        self.part(&(resource.changes.len() as u64).to_le_bytes());
    }

    fn side(&mut self, side: &Shown, is_hidden: bool) {
        match side {
            Shown::Absent => self.part(b"absent"),
            Shown::Unknown(because) => {
                self.part(b"unknown");
                self.part(because.as_bytes());
            }
            // Which secret it is must not be told, nor whether two nodes have the same.
            Shown::Sensitive => self.part(b"sensitive"),
            _ if is_hidden => self.part(b"sensitive"),
            Shown::Value(value) => {
                self.part(b"value");
                value.hash_into(&mut self.0);
            }
            Shown::Text(text) => {
                self.part(b"text");
                self.part(text.as_bytes());
            }
            Shown::Digest { hash, size } => {
                self.part(b"digest");
                self.part(hash.as_bytes());
                self.part(&size.to_le_bytes());
            }
        }
    }
}

/// The same for changes that are the same to the byte and come from the same place. Secrets count as one.
pub(super) fn exact(resource: &PlannedResource, states: &[Arc<str>]) -> [u8; 32] {
    let mut hash = Hash(blake3::Hasher::new());
    hash.head(resource, states);
    hash.part(resource.source.file.as_bytes());
    hash.part(&resource.source.start.to_le_bytes());
    for change in &resource.changes {
        let hidden = is_hidden(change);
        hash.part(change.attribute.as_bytes());
        hash.side(&change.before, hidden);
        hash.side(&change.after, hidden);
        for stretch in &change.stretches {
            for number in [stretch.old_start, stretch.old_len, stretch.new_start, stretch.new_len] {
                hash.part(&number.to_le_bytes());
            }
        }
    }
    *hash.0.finalize().as_bytes()
}

/// The same for changes that read alike: of texts only the hunks count, not where they stand.
pub(super) fn look(resource: &PlannedResource, states: &[Arc<str>]) -> [u8; 32] {
    let mut hash = Hash(blake3::Hasher::new());
    hash.head(resource, states);
    for change in &resource.changes {
        hash.part(change.attribute.as_bytes());
        match text_sides(change) {
            Some((old, new)) => {
                hash.part(b"hunks");
                // An empty file and none at all read differently.
                hash.part(&[u8::from(change.before == Shown::Absent), u8::from(change.after == Shown::Absent)]);
                let diff = Diff::of(change, &old, &new);
                hash.part(&(diff.hunks.len() as u64).to_le_bytes());
                for line in diff.hunks.iter().flat_map(|hunk| &hunk.lines) {
                    hash.part(&[u8::try_from(line.kind.sign()).unwrap_or(b'?'), u8::from(line.newline)]);
                    hash.part(line.text.as_bytes());
                }
            }
            None => {
                let hidden = is_hidden(change);
                hash.side(&change.before, hidden);
                hash.side(&change.after, hidden);
            }
        }
    }
    *hash.0.finalize().as_bytes()
}
