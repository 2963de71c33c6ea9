//! What stands around the body of a plan file: a magic, a version byte, the length of the body (u32, little-endian), the body, and BLAKE3 of all
//! before it.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::SavedPlanError;

/// A kind of plan file.
pub(super) struct Envelope {
    /// What such a file begins with.
    pub(super) magic: &'static [u8],
    /// The version that is written, and the only one that is read.
    pub(super) version: u8,
    /// A file larger than this is none, in bytes.
    pub(super) max_size: u64,
    /// How much of `max_size` is kept free of the body, in bytes.
    pub(super) reserve: u64,
    /// What is said of a body that does not fit.
    pub(super) too_large: &'static str,
}

impl Envelope {
    /// Says whether a file looks like one.
    pub(super) fn is_one(&self, path: &Path) -> bool {
        let mut start = vec![0; self.magic.len()];
        File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == self.magic
    }

    /// Reads a file, of which no more is taken than could be one.
    pub(super) fn read(&self, path: &Path) -> Result<Vec<u8>, SavedPlanError> {
        let mut bytes = Vec::new();
        File::open(path)?.take(self.max_size + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Closes a body in.
    ///
    /// # Errors
    /// When it is larger than a file can be.
    pub(super) fn seal(&self, body: &impl Serialize) -> Result<Vec<u8>, SavedPlanError> {
        let body = serde_json::to_vec(body).map_err(|error| SavedPlanError::Io(error.into()))?;
        let too_large = || SavedPlanError::Io(io::Error::new(io::ErrorKind::FileTooLarge, self.too_large));
        let fits = |length: &u32| u64::from(*length) < self.max_size - self.reserve;
        let length = u32::try_from(body.len()).ok().filter(fits).ok_or_else(too_large)?;
        let mut bytes = self.magic.to_vec();
        bytes.push(self.version);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&body);
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        Ok(bytes)
    }

    /// Takes a body out, trusting nothing.
    ///
    /// # Errors
    /// Each of [`SavedPlanError`] but `Io`.
    pub(super) fn open<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, SavedPlanError> {
        if bytes.len() as u64 > self.max_size {
            return Err(SavedPlanError::NotAPlan);
        }
        let rest = bytes.strip_prefix(self.magic).ok_or(SavedPlanError::NotAPlan)?;
        let (version, rest) = rest.split_first().ok_or(SavedPlanError::Damaged("it is cut short"))?;
        if *version != self.version {
            return Err(SavedPlanError::Newer(*version));
        }
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(SavedPlanError::Damaged("it is cut short"))?;
        let length = u32::from_le_bytes(*length) as usize;
        if rest.len() != length.saturating_add(32) {
            return Err(SavedPlanError::Damaged("it is cut short, or something was added"));
        }
        let (body, hash) = rest.split_at(length);
        if blake3::hash(&bytes[..bytes.len() - 32]).as_bytes() != hash {
            return Err(SavedPlanError::Damaged("its content does not match its hash"));
        }
        serde_json::from_slice(body).map_err(|_| MALFORMED)
    }
}

/// Writes a file that only this user can read.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), SavedPlanError> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // A file that was there before may have had another mode.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

/// A body that is whole and cannot be understood.
pub(super) const MALFORMED: SavedPlanError = SavedPlanError::Damaged("a part of it cannot be read");
