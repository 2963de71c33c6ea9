//! The content of a file: what is wanted, what is found, and how the change from one to the other is shown.

use std::sync::Arc;

use stead_catalog::{Change, Shown};
use stead_engine::{Known, ObserveError, Private, Stat, World, content_change, is_private};

use super::{File, State};
use crate::values::{Guarded, Size};

/// What was found out about the content.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// It was not asked for.
    Unasked,
    /// It is the wanted one.
    Wanted,
    /// These are the bytes.
    Bytes(Arc<[u8]>),
    /// It is too large to be kept, or is not to be shown: BLAKE3 and size.
    Digest([u8; 32], u64),
    /// It is a secret that an earlier run wrote: the same.
    Secret([u8; 32], u64),
    /// Known later.
    Unknown(Arc<str>),
}

impl File {
    pub(super) fn wanted(&self) -> Option<&[u8]> {
        match (&self.content, &self.source) {
            (Some(text), _) => Some(text.reveal().as_bytes()),
            (None, Some(blob)) => Some(&blob.bytes),
            (None, None) => None,
        }
    }

    pub(super) fn wanted_bytes(&self) -> Arc<[u8]> {
        match (&self.content, &self.source) {
            (Some(text), _) => text.reveal().clone().into(),
            (None, Some(blob)) => blob.bytes.clone(),
            (None, None) => Arc::default(),
        }
    }

    pub(super) fn wanted_hash(&self) -> [u8; 32] {
        match (&self.content, &self.source) {
            (None, Some(blob)) => blob.hash,
            _ => *blake3::hash(self.wanted().unwrap_or_default()).as_bytes(),
        }
    }

    pub(super) fn is_sensitive(&self) -> bool {
        self.content.as_ref().is_some_and(Guarded::is_sensitive)
    }

    /// Looks at the content of an existing regular file, as far as the difference needs it.
    pub(super) fn observe_content(&self, world: &dyn World, stat: &Stat) -> Result<Content, ObserveError> {
        let path = self.path.as_path();
        let wanted = match self.wanted() {
            Some(wanted) if self.state == State::Present && !self.create_only => wanted,
            None if self.state == State::Absent && !is_private(stat.mode) => &[],
            _ if self.state == State::Absent => return self.observe_digest(world),
            _ => return Ok(Content::Unasked),
        };
        let limit = self.diff_limit.0;
        if self.state == State::Present && stat.size == wanted.len() as u64 {
            match world.holds(path, wanted)? {
                Known::Is(true) => return Ok(Content::Wanted),
                Known::Is(false) => {}
                Known::Unknown(because) => return Ok(Content::Unknown(because)),
            }
        }
        if stat.size > limit || wanted.len() as u64 > limit || self.is_sensitive() || world.holds_secret(path) {
            return self.observe_digest(world);
        }
        Ok(match world.read(path)? {
            Known::Is(Some(bytes)) if self.state == State::Present && *bytes == *wanted => Content::Wanted,
            Known::Is(Some(bytes)) => Content::Bytes(bytes),
            Known::Is(None) => Content::Unasked,
            Known::Unknown(because) => Content::Unknown(because),
        })
    }

    pub(super) fn observe_digest(&self, world: &dyn World) -> Result<Content, ObserveError> {
        let path = self.path.as_path();
        Ok(match world.digest(path)? {
            Known::Is(Some((hash, size))) if world.holds_secret(path) => Content::Secret(hash, size),
            Known::Is(Some((hash, size))) => Content::Digest(hash, size),
            Known::Is(None) => Content::Unasked,
            Known::Unknown(because) => Content::Unknown(because),
        })
    }

    /// The content's change from what was found to what is wanted.
    pub(super) fn content_change(&self, before: &Content, found: Option<&Stat>) -> Change {
        let wanted = self.wanted().unwrap_or_default();
        let after_text = self.wanted_text();
        let digest =
            |hash: &[u8; 32], size: u64| Shown::Digest { hash: blake3::Hash::from_bytes(*hash).to_hex().as_str().into(), size };
        let after_digest = || digest(&self.wanted_hash(), wanted.len() as u64);
        let is_secret = matches!(before, Content::Secret(..));
        let (before, after) = match (before, after_text) {
            (Content::Bytes(bytes), Some(after)) => match text(bytes, self.diff_limit) {
                Some(before) => (Shown::Text(before), Shown::Text(after)),
                None => (digest(blake3::hash(bytes).as_bytes(), bytes.len() as u64), after_digest()),
            },
            (Content::Bytes(bytes), None) => (digest(blake3::hash(bytes).as_bytes(), bytes.len() as u64), after_digest()),
            (Content::Digest(hash, size) | Content::Secret(hash, size), _) => (digest(hash, *size), after_digest()),
            (Content::Unknown(because), after) => (Shown::Unknown(because.clone()), after.map_or_else(after_digest, Shown::Text)),
            (Content::Unasked | Content::Wanted, after) => (Shown::Absent, after.map_or_else(after_digest, Shown::Text)),
        };
        let after = if self.state == State::Absent { Shown::Absent } else { after };
        let change = content_change(before, after, Private::found(found));
        if self.is_sensitive() || is_secret { change.hidden() } else { change }
    }

    /// The wanted content as text that can be shown, unless there is a reason to tell it by hash.
    fn wanted_text(&self) -> Option<Arc<str>> {
        match &self.content {
            Some(content) => {
                let content = content.reveal();
                is_shown(content.as_bytes(), self.diff_limit).then(|| content.clone())
            }
            None => text(self.wanted().unwrap_or_default(), self.diff_limit),
        }
    }

    /// Feeds what was found into a digest; `false` when it is unknown.
    pub(super) fn digest_content(&self, content: &Content, hasher: &mut blake3::Hasher) -> bool {
        let hash = match content {
            Content::Unasked => return true,
            Content::Wanted => self.wanted_hash(),
            Content::Bytes(bytes) => *blake3::hash(bytes).as_bytes(),
            Content::Digest(hash, _) | Content::Secret(hash, _) => *hash,
            Content::Unknown(_) => return false,
        };
        hasher.update(&hash);
        true
    }
}

/// Returns the bytes as text that can be shown, unless there is a reason to tell them by hash.
fn text(bytes: &[u8], limit: Size) -> Option<Arc<str>> {
    if is_shown(bytes, limit) { std::str::from_utf8(bytes).ok().map(Arc::from) } else { None }
}

fn is_shown(bytes: &[u8], limit: Size) -> bool {
    bytes.len() as u64 <= limit.0 && !bytes.contains(&0)
}
