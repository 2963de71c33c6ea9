//! What a resource type accepts, with its documentation.

use std::sync::Arc;

use crate::{Attributes, Footprint, Type, Value};

/// One attribute of a resource type.
#[derive(Clone, Debug)]
pub struct AttributeSchema {
    /// Its name in the language.
    pub name: Arc<str>,
    /// What it takes.
    pub ty: Type,
    /// Must be given.
    pub required: bool,
    /// The value when it is not given; `None` means "left as found".
    pub default: Option<Value>,
    /// Documentation in Markdown; the first line is a sentence that stands alone.
    pub docs: Arc<str>,
    /// The value is secret even if the user gives it as a plain string.
    pub sensitive: bool,
    /// Why not to use it any more, and what to use.
    pub deprecated: Option<Arc<str>>,
}

/// A mistake in how attributes go together, found by the resource type itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable kebab-case code with a page of its own, such as `conflicting-attributes`.
    pub code: &'static str,
    /// The attribute to point at; the resource itself when it is `None`.
    pub attribute: Option<String>,
    /// A second attribute to label.
    pub other: Option<String>,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
    /// The attribute that mends it, where there is one way out.
    pub mend: Option<Mend>,
}

/// An attribute as it is to be written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mend {
    /// Its name.
    pub attribute: String,
    /// Its value, in the language.
    pub value: String,
}

/// What a lint of a resource type can know besides the attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Something decides whether the resource acts: a guard, or a requisite such as `on_changes`.
    pub is_guarded: bool,
    /// A change of another resource makes it act: it watches one, or listens to one.
    pub is_watching: bool,
}

/// A resource type: its attributes, documentation, and the pure functions that the compiler needs of it.
#[derive(Clone, Debug)]
pub struct Schema {
    /// The type's name in the language: `file`.
    pub name: Arc<str>,
    /// Version of Stead that brought it.
    pub since: Arc<str>,
    /// Documentation in Markdown.
    pub docs: Arc<str>,
    /// The attribute that the resource's name fills when it is not given: `path` of a `file`.
    pub key: Arc<str>,
    /// All attributes, the key first, in the order of documentation.
    pub attributes: Vec<AttributeSchema>,
    /// Other attribute names people may try (Salt's, Puppet's, Ansible's), with the name here.
    pub aliases: Vec<(Arc<str>, Arc<str>)>,
    /// What the resource owns, brings and needs. Pure.
    pub footprint: fn(&Attributes) -> Footprint,
    /// Mistakes in how the attributes go together. Pure.
    pub check: fn(&Attributes) -> Vec<Problem>,
    /// What could be better though it works; the code of each problem is a lint. Pure.
    pub lint: fn(&Attributes, Surroundings) -> Vec<Problem>,
    /// Why not to use the type any more, and what to use.
    pub deprecated: Option<Arc<str>>,
    /// Says that a `watch` or `listen` makes it react (restart, run).
    pub reacts: bool,
}

impl Schema {
    /// Returns the attribute `name`.
    pub fn attribute(&self, name: &str) -> Option<&AttributeSchema> {
        self.attributes.iter().find(|attribute| &*attribute.name == name)
    }

    /// Returns the first sentence of the documentation.
    pub fn summary(&self) -> &str {
        self.docs.lines().next().unwrap_or_default()
    }
}
