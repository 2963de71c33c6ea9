//! Checked code: names resolved to slots, bare words to members, literals admitted. What the evaluator walks.

use std::sync::Arc;

use stead_catalog::{EdgeKind, Pattern, Type, Value};
use stead_grammar::ast::{BinaryOp, Span};

/// A checked expression.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

impl Expr {
    pub(crate) fn new(kind: Kind, span: Span) -> Self {
        Self { kind, span }
    }

    pub(crate) fn error(span: Span) -> Self {
        Self { kind: Kind::Error, span }
    }

    /// The value, where it is known without evaluating.
    pub(crate) fn constant(&self) -> Option<&Value> {
        match &self.kind {
            Kind::Const(value) => Some(value),
            _ => None,
        }
    }
}

/// The forms of checked expressions.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Const(Value),
    /// A slot of the frame of the definition.
    Local(u32),
    /// A constant of a file (`let` at its top level).
    Global(u32),
    Facts,
    Data,
    Node,
    Template(Box<[Part]>),
    List(Box<[Expr]>),
    Map(Box<[(Key, Expr)]>),
    ListFor(Box<Loop>),
    MapFor(Box<Loop>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary(Box<Binary>),
    Range(Box<(Expr, Expr, bool)>),
    Field(Box<Field>),
    Index(Box<(Expr, Expr)>),
    Function(u32, Box<[Expr]>),
    Builtin(Box<Builtin>),
    /// `template("path", { … })`.
    Render(Box<(Expr, Expr)>),
    /// `render("text", { … })`.
    RenderText(Box<(Expr, Expr)>),
    /// A file of the project by its path: its bytes, or its text.
    ReadFile(Box<Expr>, bool),
    /// The files below a directory of the project, or the directories that they are in.
    ListFiles(Box<Expr>, bool),
    /// `service["nginx"]`.
    Reference(Arc<str>, Box<Expr>),
    If(Box<[(Expr, Expr)]>, Box<Expr>),
    Match(Box<Match>),
    /// The value must fit the type and takes its form. The flag says that it may come from data, where text stands for
    /// members, modes and units.
    Admit(Box<(Expr, Type, bool)>),
    /// Wraps as secret.
    Conceal(Box<Expr>),
    Error,
}

#[derive(Clone, Debug)]
pub(crate) enum Part {
    Text(Arc<str>),
    Expr(Expr),
}

#[derive(Clone, Debug)]
pub(crate) enum Key {
    Name(Arc<str>),
    Computed(Expr),
}

/// A comprehension; `key` is there for maps.
#[derive(Clone, Debug)]
pub(crate) struct Loop {
    pub(crate) first: u32,
    pub(crate) second: Option<u32>,
    pub(crate) iterable: Expr,
    pub(crate) filter: Option<Expr>,
    pub(crate) key: Option<Expr>,
    pub(crate) element: Expr,
}

#[derive(Clone, Debug)]
pub(crate) struct Binary {
    pub(crate) op: BinaryOp,
    pub(crate) op_span: Span,
    pub(crate) left: Expr,
    pub(crate) right: Expr,
    /// Compares as versions: `1.10` is after `1.9`.
    pub(crate) versions: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) object: Expr,
    pub(crate) name: Arc<str>,
    pub(crate) name_span: Span,
    pub(crate) optional: bool,
}

/// A call of a builtin function or method; the receiver of a method is the first argument.
#[derive(Clone, Debug)]
pub(crate) struct Builtin {
    /// `None` where the type of the receiver is not known before it is evaluated.
    pub(crate) function: Option<&'static crate::builtins::Builtin>,
    pub(crate) name: Arc<str>,
    pub(crate) name_span: Span,
    /// `?.`: none where the receiver is none.
    pub(crate) optional: bool,
    pub(crate) args: Box<[Argument]>,
}

#[derive(Clone, Debug)]
pub(crate) enum Argument {
    Value(Expr),
    Lambda(Lambda),
    /// An optional argument that was not given.
    Absent,
}

/// A lambda runs in the frame of the definition it is written in.
#[derive(Clone, Debug)]
pub(crate) struct Lambda {
    pub(crate) params: Box<[u32]>,
    pub(crate) body: Expr,
}

#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) subject: Expr,
    pub(crate) arms: Box<[(Box<[Test]>, Expr)]>,
}

/// One pattern.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Always,
    Bind(u32),
    Equals(Value),
    Int(Option<i64>, Option<i64>),
    Float(Option<f64>, Option<f64>, bool),
    Regex(Pattern),
    Never,
}

/// The code of a state, a node block or the top level of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    pub(crate) stmts: Box<[Stmt]>,
    pub(crate) slots: u32,
}

#[derive(Clone, Debug)]
pub(crate) enum Stmt {
    Resource(Box<Resource>),
    Let(u32, Expr),
    Call(Box<Call>),
    For(Box<For>),
    If(Box<[(Expr, Block)]>, Option<Block>),
    Match(Box<MatchStmt>),
    Extend(Box<Extend>),
    Defaults(Box<Defaults>),
    Arrow(Box<Arrow>),
}

pub(crate) type Block = Box<[Stmt]>;

/// `TYPE NAME { … }`, for one name or several.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    /// Index of the schema.
    pub(crate) schema: u32,
    pub(crate) name: Expr,
    pub(crate) settings: Settings,
    /// The slot that a `let` binds to the reference.
    pub(crate) slot: Option<u32>,
    /// From the type to the name: what a diagnostic about the resource points at.
    pub(crate) head: Span,
}

/// What a body, an `extend` or a `defaults` sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) attributes: Box<[Setting]>,
    pub(crate) metas: Box<[(Meta, Expr)]>,
}

/// An attribute by its position in the schema.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) attribute: u32,
    pub(crate) value: Expr,
}

/// What every resource takes besides its own attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meta {
    /// The kind of edge, and whether it is the `_in` form.
    Requisite(EdgeKind, bool),
    OnlyIf,
    Unless,
    When,
    Retry,
    Timeout,
    Tags,
    Noop,
    OnDrift,
    Alias,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) state: u32,
    /// In the order of the parameters; `None` where not given.
    pub(crate) args: Box<[Option<Expr>]>,
    pub(crate) slot: Option<u32>,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) struct For {
    pub(crate) first: u32,
    pub(crate) second: Option<u32>,
    pub(crate) iterable: Expr,
    pub(crate) filter: Option<Expr>,
    pub(crate) body: Block,
}

#[derive(Clone, Debug)]
pub(crate) struct MatchStmt {
    pub(crate) subject: Expr,
    pub(crate) arms: Box<[(Box<[Test]>, Block)]>,
}

#[derive(Clone, Debug)]
pub(crate) struct Extend {
    pub(crate) target: Expr,
    pub(crate) settings: Settings,
}

#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    pub(crate) schema: u32,
    pub(crate) settings: Settings,
}

#[derive(Clone, Debug)]
pub(crate) struct Arrow {
    pub(crate) operands: Box<[Expr]>,
    /// One fewer than operands.
    pub(crate) arrows: Box<[(EdgeKind, Span)]>,
}
