//! The contract between Stead's parts, as plain data: what a value is, what a resource type
//! accepts, what is wanted on a node (the catalog) and what would change there (the plan).
//!
//! The compiler produces a [`Catalog`], the engine turns it into a [`Plan`], a report shows it.
//! Nothing here reads a file, a clock or the environment.
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod attributes;
mod catalog;
mod closest;
mod docs;
mod facts;
mod footprint;
mod outcome;
mod plan;
mod resource;
mod schema;
mod secrets;
mod target;
mod types;
mod value;

pub use attributes::{AttributeError, Attributes};
pub use catalog::{Catalog, Edge, EdgeKind};
pub use closest::{Suggestions, closest};
pub use docs::deprecation;
pub use facts::{OS_FAMILIES, facts_type};
pub use footprint::{Footprint, Place, PlaceKind};
pub use outcome::OutcomeKind;
pub use plan::{Action, Cause, Change, Plan, PlanError, PlannedResource, Shown, Stretch, Summary};
pub use resource::{Command, DriftPolicy, Meta, Origin, Orphan, Resource, ResourceId, Retry, SourceLocation};
pub use schema::{AttributeSchema, Mend, Problem, Schema, Surroundings};
pub use secrets::Secrets;
pub use target::{Group, Inventory, Target};
pub use types::{EnumType, Field, Mismatch, Pattern, RecordType, Replacement, Span64, Type};
pub use value::{Blob, Map, Value};
