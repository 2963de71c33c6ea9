//! What the tests of the whole program share: disposable hosts, snapshots of what is on them, and the plans that
//! `stead --json` prints, read as a stranger's program would read them.

#[cfg(target_arch = "x86_64")]
pub mod faulty;
pub mod fleet;
pub mod host;
pub mod link;
pub mod output;
pub mod process;
pub mod snapshot;
pub mod transcript;
pub mod web;
