//! What was there before a change, as the journal keeps it.
//!
//! These types are what is stored: a field is only ever added, with a default, so that an older row stays readable.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What was at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FileState {
    /// Nothing.
    Absent,
    /// A regular file; its content is a blob of the journal.
    File {
        /// Owner, mode, times.
        #[serde(flatten)]
        attributes: FileAttributes,
        /// Bytes.
        size: u64,
        /// The content was not kept, because it may hold secrets: an undo cannot bring it back.
        #[serde(default)]
        withheld: bool,
    },
    /// A directory.
    Directory {
        /// Owner, mode, times.
        #[serde(flatten)]
        attributes: FileAttributes,
    },
    /// A symlink.
    Symlink {
        /// Owner, times.
        #[serde(flatten)]
        attributes: FileAttributes,
        /// What it held, in hex.
        target: String,
    },
    /// A device, socket or pipe.
    Other {
        /// Owner, mode, times.
        #[serde(flatten)]
        attributes: FileAttributes,
        /// Type bits of the mode (inode(7)).
        file_type: u32,
        /// The device number of a device.
        device: u64,
    },
}

/// What a file has besides its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAttributes {
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last change of content, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// Extended attributes, ACLs among them, values in hex.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, String>,
}

impl FileState {
    /// Makes the state of a symlink.
    pub(crate) fn symlink(attributes: FileAttributes, target: &OsStr) -> Self {
        Self::Symlink { attributes, target: hex(target.as_bytes()) }
    }

    /// What a symlink held; `None` when it is none.
    pub fn target(&self) -> Option<PathBuf> {
        match self {
            Self::Symlink { target, .. } => unhex(target).map(std::ffi::OsString::from_vec).map(PathBuf::from),
            _ => None,
        }
    }
}

/// One thing that was there before a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Before {
    /// A path.
    Path {
        /// The path as the catalog names it.
        path: PathBuf,
        /// What was there.
        state: FileState,
        /// BLAKE3 of a regular file's content, where the journal keeps it (or kept the digest only, when it is withheld).
        blob: Option<[u8; 32]>,
    },
    /// Anything else: an account, a package, a unit.
    Record {
        /// Which kind: `user`, `package`, `unit`.
        kind: String,
        /// Its name.
        name: String,
        /// What it was like, in the terms of its kind.
        state: serde_json::Value,
    },
}

impl Before {
    /// The path, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path { path, .. } => Some(path),
            Self::Record { .. } => None,
        }
    }
}

/// Writes bytes in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads hex back; `None` when it is none.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_back() {
        let attributes = FileAttributes {
            mode: 0o4755,
            uid: 1,
            gid: 2,
            modified_ns: -3,
            xattrs: [("user.a".to_owned(), "00ff".to_owned())].into(),
        };
        let states = [
            FileState::Absent,
            FileState::File { attributes: attributes.clone(), size: 9, withheld: true },
            FileState::Directory { attributes: FileAttributes::default() },
            FileState::symlink(attributes, OsStr::from_bytes(b"/a\xff")),
        ];
        for state in states {
            let text = serde_json::to_string(&state).unwrap();
            assert_eq!(serde_json::from_str::<FileState>(&text).unwrap(), state, "{text}");
        }
        let link = FileState::symlink(FileAttributes::default(), OsStr::from_bytes(b"/a\xff"));
        assert_eq!(link.target().unwrap().as_os_str().as_bytes(), b"/a\xff");
        assert_eq!(unhex("0g"), None);
    }
}
