//! What could stand at a place: the file is checked with a word put there that means nothing, and the checker tells where it met it.

use std::sync::Arc;

use stead_catalog::{RecordType, Type};
use stead_grammar::ast::Span;

use super::{FileIndex, Place};
use crate::project::Project;

/// The word that a probe puts where the cursor is. It stands for no name anybody would write.
pub const MARKER: &str = "stead_probe_marker_";

/// A variable that can be used at a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Type,
    /// Where it is declared.
    pub place: Place,
    /// A constant of the file.
    pub is_global: bool,
}

/// What a text is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextRole {
    /// A value like any other.
    Plain,
    /// The name in `service["…"]`.
    Reference(Arc<str>),
    /// The name of a resource that is declared.
    ResourceName(Arc<str>),
    /// The path of a template.
    Template,
    /// The path of a file of the project.
    File,
}

/// What stands where the marker is.
#[derive(Clone, Debug, PartialEq)]
pub enum ContextKind {
    /// A value; of a type where one is expected.
    Value {
        /// The type it is held to.
        expected: Option<Type>,
    },
    /// A field or method: what stands before the dot.
    Member {
        /// Its type, without `?` and `Secret`.
        receiver: Type,
        /// The value may be none.
        is_optional: bool,
        /// The names before the dot, for `facts`, `data` and `node`.
        path: Option<Vec<Arc<str>>>,
    },
    /// A member of a module, by its directory.
    ModuleMember {
        /// The directory of the module.
        module: Arc<str>,
        /// A state call: a statement.
        is_statement: bool,
        /// A type.
        is_type: bool,
    },
    /// A member of an enum: `Env.`.
    EnumMember(Type),
    /// The start of a statement.
    Statement,
    /// An attribute of a resource.
    Attribute {
        /// The resource type.
        type_name: Arc<str>,
        /// The attributes that are there.
        given: Vec<Arc<str>>,
        /// A resource is declared, so its key may be given.
        is_declaration: bool,
    },
    /// A field of a record.
    RecordField {
        /// The record.
        record: Arc<RecordType>,
        /// The fields that are there.
        given: Vec<Arc<str>>,
    },
    /// The name of a variable that a template is given.
    TemplateVariable {
        /// The template, where its path is known.
        template: Option<Arc<str>>,
        /// The names that are there.
        given: Vec<Arc<str>>,
    },
    /// A type.
    TypeName,
    /// A resource type.
    ResourceType,
    /// The path of a module after `use`: the names before.
    ModulePath(Vec<Arc<str>>),
    /// A member in the list of an import, by the directory of the module.
    ImportMember(Arc<str>),
    /// A pattern of a `match` over a type.
    Pattern(Type),
    /// Inside a text.
    Text {
        /// What the text is for.
        role: TextRole,
        /// The type it is held to.
        expected: Option<Type>,
        /// The text, with the marker in it.
        text: Arc<str>,
    },
}

/// What stands where the marker is, and what can be used there.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    /// What stands there.
    pub kind: ContextKind,
    /// Where, in the text that was probed.
    pub span: Span,
    /// The variables, the innermost first.
    pub variables: Vec<Variable>,
    /// Inside a state.
    pub in_state: bool,
}

/// What a probe found.
#[derive(Debug)]
pub struct Probe {
    /// What stands where the marker is; `None` where nothing looked at it.
    pub context: Option<Context>,
    /// The index of the probed text.
    pub index: FileIndex,
}

impl Project {
    /// Checks a file as if it had the text `text`, with [`MARKER`] at the place in question. Nothing else of the project is checked.
    pub fn probe(&self, file: &str, text: &str) -> Option<Probe> {
        crate::stack::with_room(|| {
            let (index, context) = self.probe_notes(file, text)?.finish();
            Some(Probe { context, index })
        })
    }
}
