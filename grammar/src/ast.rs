//! The syntax tree of one file: what was written, where, and nothing about what it means.
//!
//! Every node carries a [`Span`] of byte offsets into the source it was parsed from. Literals are already
//! decoded. Where the parser recovered from a mistake it leaves a hole (`Item::Error`, `Stmt::Error`,
//! `ExprKind::Error`, ...): each hole has at least one [`SyntaxError`](crate::SyntaxError), so a consumer may pass
//! over it in silence. A path through a tree is never longer than [`MAX_DEPTH`](crate::MAX_DEPTH) nodes, so plain
//! recursion over it is safe.

mod expr;
mod stmt;
mod types;

use std::fmt;
use std::sync::Arc;

pub use expr::*;
pub use stmt::*;
pub use types::*;

/// A range of bytes in a source file: `start` inclusive, `end` exclusive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// Returns the span from `start` to `end`.
    pub const fn new(start: u32, end: u32) -> Span {
        Span { start, end }
    }

    /// Returns the empty span at `offset`.
    pub const fn at(offset: u32) -> Span {
        Span { start: offset, end: offset }
    }

    /// Returns the smallest span that covers both.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Returns the number of bytes.
    pub const fn len(self) -> u32 {
        self.end.saturating_sub(self.start)
    }

    /// Tells whether the span covers no byte.
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// Tells whether `offset` lies inside, the position right after the last byte included: what an editor's cursor touches.
    pub const fn touches(self, offset: u32) -> bool {
        self.start <= offset && offset <= self.end
    }

    /// Tells whether `other` lies wholly inside.
    pub const fn contains(self, other: Span) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Returns the span as a range for slicing the source.
    pub const fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Returns the text the span covers, or `""` when it does not belong to `source`.
    pub fn text(self, source: &str) -> &str {
        source.get(self.range()).unwrap_or("")
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}..{}", self.start, self.end)
    }
}

/// A name as it was written, shared between all its uses in one file.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Ident {
    /// The name; `""` where it is missing (an error was reported).
    pub name: Arc<str>,
    /// Where it stands.
    pub span: Span,
}

impl Ident {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Tells whether the name is missing in the source.
    pub fn is_missing(&self) -> bool {
        self.name.is_empty()
    }
}

impl fmt::Debug for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.name, self.span)
    }
}

/// Documentation: the `##` lines right above what they describe, without the marks, joined by newlines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doc {
    /// The text.
    pub text: Arc<str>,
    /// From the first `##` to the end of the last line.
    pub span: Span,
}

/// An optional [`Doc`], boxed since most nodes have none.
pub type MaybeDoc = Option<Box<Doc>>;

/// A dotted name: `nginx`, `modules.nginx`. Has at least one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The names between the dots.
    pub segments: Vec<Ident>,
    /// The whole path.
    pub span: Span,
}

impl Path {
    /// Returns the last segment: the name proper.
    pub fn last(&self) -> Option<&Ident> {
        self.segments.last()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            f.write_str(segment.as_str())?;
        }
        Ok(())
    }
}

/// A whole file.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// Items and statements in the order of the source.
    pub items: Vec<Item>,
    /// The whole source.
    pub span: Span,
}

/// What may stand at the top level of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// `use modules.nginx ...`
    Use(Box<Use>),
    /// `type Name ...`
    Type(Box<TypeDef>),
    /// `enum Name { ... }`
    Enum(Box<EnumDef>),
    /// `fn name(...) -> T = expr`
    Fn(Box<FnDef>),
    /// `fact name: T = expr`
    Fact(Box<FactDef>),
    /// `state name(...) { ... }`
    State(Box<StateDef>),
    /// `node "glob" { ... }`
    Node(Box<NodeDef>),
    /// `inventory { host "web-1" { ... } }`
    Inventory(Box<InventoryDef>),
    /// A statement: it applies to this machine.
    Stmt(Stmt),
    /// Text that could not be understood.
    Error(Span),
}

impl Item {
    /// Returns where the item stands, its documentation not included.
    pub fn span(&self) -> Span {
        match self {
            Item::Use(item) => item.span,
            Item::Type(item) => item.span,
            Item::Enum(item) => item.span,
            Item::Fn(item) => item.span,
            Item::Fact(item) => item.span,
            Item::State(item) => item.span,
            Item::Node(item) => item.span,
            Item::Inventory(item) => item.span,
            Item::Stmt(stmt) => stmt.span(),
            Item::Error(span) => *span,
        }
    }
}

/// An import.
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    /// The module: `modules.nginx`.
    pub path: Path,
    /// What the import binds.
    pub binding: UseBinding,
    /// The whole item.
    pub span: Span,
}

/// What an import binds.
#[derive(Clone, Debug, PartialEq)]
pub enum UseBinding {
    /// The module under the last segment of its path.
    Module,
    /// `as n`: the module under another name.
    Alias(Ident),
    /// `{ web, conf as c }`: members, each under its own name or another.
    Members(Vec<UseMember>),
}

/// One member of an import list.
#[derive(Clone, Debug, PartialEq)]
pub struct UseMember {
    /// Its name in the module.
    pub name: Ident,
    /// `as c`: its name here.
    pub alias: Option<Ident>,
    /// Both.
    pub span: Span,
}

/// A named type: a record or an alias.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeDef {
    /// Its documentation.
    pub doc: MaybeDoc,
    /// Its name.
    pub name: Ident,
    /// What it stands for.
    pub body: TypeDefBody,
    /// The whole item.
    pub span: Span,
}

/// What a named type stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeDefBody {
    /// `{ name: Hostname, ... }`
    Record(Vec<Field>),
    /// `= Int(1..=64)`
    Alias(TypeExpr),
}

/// A field of a record type, a parameter of a state or a function: a name, its type, maybe a default.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its documentation.
    pub doc: MaybeDoc,
    /// Its name.
    pub name: Ident,
    /// Its type; `TypeExprKind::Error` where it is missing.
    pub ty: TypeExpr,
    /// `= expr`
    pub default: Option<Expr>,
    /// From the name to the end of the default.
    pub span: Span,
}

/// An enumeration.
#[derive(Clone, Debug, PartialEq)]
pub struct EnumDef {
    /// Its documentation.
    pub doc: MaybeDoc,
    /// Its name.
    pub name: Ident,
    /// Its members in order.
    pub members: Vec<EnumMember>,
    /// The whole item.
    pub span: Span,
}

/// A member of an enumeration.
#[derive(Clone, Debug, PartialEq)]
pub struct EnumMember {
    /// Its documentation.
    pub doc: MaybeDoc,
    /// Its name.
    pub name: Ident,
}

/// A function: one expression over its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct FnDef {
    /// Its documentation.
    pub doc: MaybeDoc,
    /// Its name.
    pub name: Ident,
    /// Its parameters.
    pub params: Vec<Field>,
    /// `-> T`; `None` where the source leaves it out (an error was reported).
    pub result: Option<TypeExpr>,
    /// The expression after `=`.
    pub body: Expr,
    /// The whole item.
    pub span: Span,
}

/// The declaration of a custom fact.
#[derive(Clone, Debug, PartialEq)]
pub struct FactDef {
    /// Its documentation.
    pub doc: MaybeDoc,
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: TypeExpr,
    /// Its value where a node does not tell one.
    pub default: Option<Expr>,
    /// The whole item.
    pub span: Span,
}

/// A state: a parametrised group of resources.
#[derive(Clone, Debug, PartialEq)]
pub struct StateDef {
    /// Its documentation.
    pub doc: MaybeDoc,
    /// Its name.
    pub name: Ident,
    /// Its parameters.
    pub params: Vec<Field>,
    /// Its statements.
    pub body: Block,
    /// The whole item.
    pub span: Span,
}

/// Which statements the matching nodes get.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeDef {
    /// Its documentation.
    pub doc: MaybeDoc,
    /// Which nodes it is for.
    pub selector: NodeSelector,
    /// Its statements.
    pub body: Block,
    /// The whole item.
    pub span: Span,
}

/// The hosts and groups of the project: what its `host` and `group` statements declare.
#[derive(Clone, Debug, PartialEq)]
pub struct InventoryDef {
    /// Its documentation.
    pub doc: MaybeDoc,
    /// Its statements.
    pub body: Block,
    /// The whole item.
    pub span: Span,
}

/// Which nodes a `node` block is for.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeSelector {
    /// `"web-*", /db-\d+/`: by name; one that matches is enough.
    Names(Vec<NodePattern>),
    /// `where expr`: by facts.
    Where(Expr),
    /// Missing or not understood.
    Error(Span),
}

/// A pattern over node names.
#[derive(Clone, Debug, PartialEq)]
pub enum NodePattern {
    /// `"web-*"`: a shell glob.
    Glob(Arc<str>, Span),
    /// `/web-\d+/`: a regular expression over the whole name.
    Regex(Regex),
}
