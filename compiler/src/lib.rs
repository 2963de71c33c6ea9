//! Syntax trees, data and templates to a catalog, and what there is to say about the user's source.
//!
//! The compiler is pure: sources come in as text with a name, resource types as schemas, and nothing here reads a
//! file, a clock or the environment, or starts a process.

pub mod codes;
pub mod diagnostic;
pub mod position;

pub use diagnostic::{Diagnostic, Label, Severity};
