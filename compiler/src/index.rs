//! What the checker knows about the places of a file, written down for editors: what each name stands for, the types of expressions, the
//! calls, and what could stand where the cursor is.
//!
//! Nothing here decides anything about the language. The checker runs as it does for `stead check`, with a recorder
//! (`notes::Notes`) handed in; an ordinary check has none and pays nothing. A file is indexed when it is first asked for.

mod data_fields;
mod items;
pub(crate) mod notes;
mod probe;
mod queries;
mod template;

use std::sync::Arc;

use stead_catalog::{ResourceId, Type, Value};
use stead_grammar::ast::Span;

pub use probe::{Context, ContextKind, MARKER, Probe, TextRole, Variable};
pub use queries::{DataPlace, Definition, DefinitionKind, Parameter};
pub use template::{TemplateContext, TemplateIndex, TemplateName};

use crate::builtins::Builtin;

/// A place in a file of the project.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file, by its name in the project.
    pub file: Arc<str>,
    /// Where in it.
    pub span: Span,
}

/// What a name or a text of a file stands for. What is declared in the project is told by the place of its name there, so two uses
/// of one thing have equal targets.
#[derive(Clone, Debug)]
pub enum Target {
    /// A parameter, a `let`, or what a loop, a lambda or a pattern binds.
    Variable(Place),
    /// A function of the project.
    Function(Place),
    /// A state.
    State(Place),
    /// A record, an alias or an enum.
    Type(Place),
    /// A member of an enum of the project.
    Member(Place),
    /// A field of a record type of the project.
    Field(Place),
    /// A module, by its directory.
    Module(Arc<str>),
    /// A resource type.
    ResourceType(Arc<str>),
    /// An attribute of a resource type.
    Attribute(Arc<str>, Arc<str>),
    /// An attribute that every resource takes, such as `require`.
    Meta(Arc<str>),
    /// A resource, by its constant name.
    Resource(ResourceId),
    /// A function or method of the language.
    Builtin(&'static Builtin),
    /// A function of the language that needs the project: `template`.
    Special(Arc<str>),
    /// A type of the language: `Int`.
    BuiltinType(Arc<str>),
    /// `facts`, or a path below it without `facts` itself.
    Fact(Vec<Arc<str>>),
    /// `data`, or a path below it without `data` itself.
    Data(Vec<Arc<str>>),
    /// `node`, or a field of it.
    Node(Vec<Arc<str>>),
    /// A file of the project: a template, or one that is read.
    File(Arc<str>),
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Variable(a), Self::Variable(b))
            | (Self::Function(a), Self::Function(b))
            | (Self::State(a), Self::State(b))
            | (Self::Type(a), Self::Type(b))
            | (Self::Member(a), Self::Member(b))
            | (Self::Field(a), Self::Field(b)) => a == b,
            (Self::Module(a), Self::Module(b))
            | (Self::ResourceType(a), Self::ResourceType(b))
            | (Self::Meta(a), Self::Meta(b))
            | (Self::Special(a), Self::Special(b))
            | (Self::BuiltinType(a), Self::BuiltinType(b))
            | (Self::File(a), Self::File(b)) => a == b,
            (Self::Attribute(a, b), Self::Attribute(c, d)) => a == c && b == d,
            (Self::Resource(a), Self::Resource(b)) => a == b,
            (Self::Builtin(a), Self::Builtin(b)) => std::ptr::eq(*a, *b),
            (Self::Fact(a), Self::Fact(b)) | (Self::Data(a), Self::Data(b)) | (Self::Node(a), Self::Node(b)) => a == b,
            _ => false,
        }
    }
}

impl Target {
    /// Where it is declared, for what the project declares.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Variable(place)
            | Self::Function(place)
            | Self::State(place)
            | Self::Type(place)
            | Self::Member(place)
            | Self::Field(place) => Some(place),
            _ => None,
        }
    }
}

/// A name or text with what it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    /// Where it is written.
    pub span: Span,
    /// What it stands for.
    pub target: Target,
    /// This is where the target is declared.
    pub is_declaration: bool,
    /// The entry of a record that is key and value at once: `{ workers }`.
    pub is_shorthand: bool,
}

/// What is called.
#[derive(Clone, Debug, PartialEq)]
pub enum Callee {
    /// A function or state of the project, by the place of its name.
    Defined(Place),
    /// A function or method of the language.
    Builtin(&'static str, BuiltinRef),
    /// A function of the language that needs the project: `template`.
    Special(Arc<str>),
}

/// A builtin, compared by identity.
#[derive(Clone, Copy, Debug)]
pub struct BuiltinRef(pub &'static Builtin);

impl PartialEq for BuiltinRef {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallSite {
    /// From the callee to the closing parenthesis.
    pub span: Span,
    /// Where the callee ends: the parenthesis follows.
    pub callee_end: u32,
    /// What is called.
    pub callee: Callee,
    /// A state is called, as a statement.
    pub is_state: bool,
    /// The arguments: where each stands, which parameter it is for, and whether it is named.
    pub args: Vec<Argument>,
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// Name and value.
    pub span: Span,
    /// The position of its parameter; `None` where there is none for it.
    pub parameter: Option<usize>,
    /// It is written with the parameter's name.
    pub is_named: bool,
    /// Its value is a bare name.
    pub name: Option<Arc<str>>,
}

/// The body of a resource, an `extend` or a `defaults`.
#[derive(Clone, Debug, PartialEq)]
pub struct BodySite {
    /// With the braces; where the declaration ends when there are none.
    pub span: Span,
    /// The resource type.
    pub type_name: Arc<str>,
    /// The names of the attributes that are given, in order.
    pub given: Vec<Arc<str>>,
    /// Type and name, for the declaration of a resource; `None` for `extend` and `defaults`.
    pub head: Option<Span>,
    /// The resource's constant names.
    pub names: Vec<Arc<str>>,
}

/// A template that is rendered with variables.
#[derive(Clone, Debug)]
pub struct TemplateUse {
    /// The template, by its name in the project.
    pub template: Arc<str>,
    /// Where its path is written.
    pub span: Span,
    /// The variables it is given: name, type, and where the name stands.
    pub variables: Vec<(Arc<str>, Type, Span)>,
}

/// What is known about the places of one file.
#[derive(Clone, Debug, Default)]
pub struct FileIndex {
    /// Names and texts with what they stand for, in the order of places.
    pub uses: Vec<Use>,
    /// The types of expressions, in the order of places, the longer first.
    pub types: Vec<(Span, Type)>,
    /// The types that expressions are held to, in the order of places, the longer first.
    pub expected: Vec<(Span, Type)>,
    /// The values of expressions that are known without evaluating.
    pub values: Vec<(Span, Value)>,
    /// The calls, in the order of places, the longer first.
    pub calls: Vec<CallSite>,
    /// The bodies of resources.
    pub bodies: Vec<BodySite>,
    /// The templates that are rendered.
    pub templates: Vec<TemplateUse>,
    /// The variables that are declared: where, their types, and whether the type is written there.
    pub variables: Vec<(Span, Type, bool)>,
}

impl FileIndex {
    /// The uses that touch an offset, the shortest first; at an end the one that starts there comes first.
    pub fn at(&self, offset: u32) -> Vec<&Use> {
        let mut found: Vec<&Use> = self.uses.iter().filter(|one| one.span.touches(offset) && !one.span.is_empty()).collect();
        found.sort_by_key(|one| (one.span.end == offset, one.span.len(), one.is_declaration));
        found
    }

    /// The type of the smallest expression that touches an offset.
    pub fn type_at(&self, offset: u32) -> Option<(Span, &Type)> {
        smallest(&self.types, offset)
    }

    /// The type that the smallest expression at an offset is held to.
    pub fn expected_at(&self, offset: u32) -> Option<(Span, &Type)> {
        smallest(&self.expected, offset)
    }

    /// The type of the expression at exactly this place.
    pub fn type_of(&self, span: Span) -> Option<&Type> {
        self.types.iter().find(|(at, _)| *at == span).map(|(_, ty)| ty)
    }

    /// The constant value of the expression at exactly this place.
    pub fn value_of(&self, span: Span) -> Option<&Value> {
        self.values.iter().find(|(at, _)| *at == span).map(|(_, value)| value)
    }

    /// The innermost call around an offset that lies behind its callee.
    pub fn call_at(&self, offset: u32) -> Option<&CallSite> {
        let around = self.calls.iter().filter(|call| call.callee_end < offset && offset <= call.span.end);
        around.min_by_key(|call| call.span.len())
    }
}

fn smallest<T>(list: &[(Span, T)], offset: u32) -> Option<(Span, &T)> {
    let around = list.iter().filter(|(span, _)| span.touches(offset));
    around.min_by_key(|(span, _)| (span.end == offset, span.len())).map(|(span, found)| (*span, found))
}
