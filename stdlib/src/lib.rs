//! The resource types that come with Stead: one file and one page each.
//!
//! [`registry`] lists them. What all of them share: [`values`] says how attributes are written in Rust.

// The derives name this crate by its name, also within it.
extern crate self as stead_stdlib;

mod accounts;
mod checksum;
pub mod codes;
mod commands;
pub mod edit;
mod filesystem;
mod init;
pub mod lints;
mod mounts;
mod openpgp;
mod parts;
mod problems;
pub mod resources;
mod ssh_keys;
mod unpack;
pub mod values;
mod waiting;
mod web;

pub use resources::registry;
pub use stead_stdlib_macros::{Choice, Resource};
