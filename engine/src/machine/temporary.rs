//! Names of temporary files.

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};

/// What every temporary name begins with.
const PREFIX: &str = ".stead-";

/// Returns a number that nobody can foretell.
pub(crate) fn random() -> u64 {
    // Each RandomState has keys of its own, seeded by the operating system.
    RandomState::new().hash_one(std::thread::current().id())
}

/// A name for a temporary file of the run with this token. It tells the next run whose it was.
pub(super) fn name(token: u32) -> OsString {
    format!("{PREFIX}{token:08x}-{:016x}", random()).into()
}

/// What the temporary names of a run begin with.
pub(super) fn of_run(token: u32) -> String {
    format!("{PREFIX}{token:08x}-")
}
