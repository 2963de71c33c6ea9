//! Syntax trees, data and templates to a catalog, and what there is to say about the user's source.
//!
//! The compiler is pure: sources come in as text with a name, resource types as schemas, and nothing here reads a
//! file, a clock or the environment, or starts a process.
//!
//! [`Project::load`] parses and checks a project, whatever the node; [`compile`] evaluates it for one node.
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod assemble;
mod beforehand;
pub mod builtins;
mod check;
pub mod codes;
pub mod config;
mod constant;
pub mod data;
mod defs;
pub mod diagnostic;
pub mod encode;
mod eval;
pub mod facts;
mod files;
mod hir;
mod imports;
mod incremental;
pub mod index;
pub mod inventory;
mod issue;
pub mod lints;
mod lower;
mod nodes;
pub mod position;
mod project;
mod provenance;
mod resolve;
pub mod secrets;
mod sources;
mod stack;
pub mod targets;
pub mod template;
mod typing;

pub use diagnostic::{Diagnostic, Label, Severity};
pub use nodes::NodeContext;
pub use project::{Input, Project, Schemas, SourceFile};
pub use sources::{MemorySources, SourceError, Sources};
pub use stack::first_in_background;

use std::collections::BTreeSet;

use stead_catalog::Catalog;

/// Returns everything that is wrong with the project whatever the node, in the order of files and places.
pub fn check(project: &Project) -> Vec<Diagnostic> {
    project.diagnostics().to_vec()
}

/// Makes the catalog of one node.
///
/// There is no catalog when a diagnostic is an error. Where the project itself has errors, they are what is returned;
/// otherwise the diagnostics are those of this node only.
pub fn compile(project: &Project, node: &NodeContext) -> (Option<Catalog>, Vec<Diagnostic>) {
    if project.has_errors() {
        return (None, project.diagnostics().to_vec());
    }
    let outcome = stack::with_room(|| nodes::compile(project, node, &|| true));
    outcome.map_or_else(Default::default, |outcome| (outcome.catalog, outcome.diagnostics))
}

/// What compiling for a node gave.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What is wanted there; `None` where a diagnostic is an error.
    pub catalog: Option<Catalog>,
    /// What there is to say.
    pub diagnostics: Vec<Diagnostic>,
    /// The states that were called, by the places of their names.
    pub states: BTreeSet<index::Place>,
}

/// Compiles as [`compile`] does, in the background, for as long as it `is_wanted`; `None` where it was not until the end.
pub fn compile_while(project: &Project, node: &NodeContext, is_wanted: &(dyn Fn() -> bool + Sync)) -> Option<Outcome> {
    if project.has_errors() {
        return Some(Outcome { diagnostics: project.diagnostics().to_vec(), ..Outcome::default() });
    }
    stack::in_background(|| nodes::compile(project, node, is_wanted))
}
