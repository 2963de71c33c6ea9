//! Statements: resources and what surrounds them.

use super::{Call, Expr, Ident, MaybeDoc, Pattern, Span, TypeExpr};

/// `{ statements }`
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The statements in order.
    pub stmts: Vec<Stmt>,
    /// With the braces.
    pub span: Span,
}

/// What may stand in a file, a state, a node, and the blocks inside them.
#[derive(Clone, Debug, PartialEq)]
pub enum Stmt {
    /// `file "/etc/x" { ... }`
    Resource(Box<Resource>),
    /// `let name = ...`
    Let(Box<Let>),
    /// `web(vhosts = ...)`: a state call; also `module.web(...)`.
    Call(Box<Call>),
    /// `for x in xs { ... }`
    For(Box<For>),
    /// `if cond { ... } else { ... }`
    If(Box<If>),
    /// `match subject { ... }`
    Match(Box<Match>),
    /// `extend file["/etc/x"] { ... }`
    Extend(Box<Extend>),
    /// `defaults file { ... }`
    Defaults(Box<Defaults>),
    /// `a -> b ~> c`
    Arrow(Box<Arrow>),
    /// Text that could not be understood.
    Error(Span),
}

impl Stmt {
    /// Returns where the statement stands, its documentation not included.
    pub fn span(&self) -> Span {
        match self {
            Stmt::Resource(stmt) => stmt.span,
            Stmt::Let(stmt) => stmt.span,
            Stmt::Call(stmt) => stmt.span,
            Stmt::For(stmt) => stmt.span,
            Stmt::If(stmt) => stmt.span,
            Stmt::Match(stmt) => stmt.span,
            Stmt::Extend(stmt) => stmt.span,
            Stmt::Defaults(stmt) => stmt.span,
            Stmt::Arrow(stmt) => stmt.span,
            Stmt::Error(span) => *span,
        }
    }
}

/// A resource declaration: `TYPE NAME BODY`.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its documentation.
    pub doc: MaybeDoc,
    /// The resource type: `file`.
    pub type_name: Ident,
    /// Its name, or a list of names; any expression.
    pub name: Expr,
    /// Its attributes; `None` for `package "curl"`.
    pub body: Option<Body>,
    /// The whole declaration.
    pub span: Span,
}

impl Resource {
    /// Returns the attributes, none where there is no body.
    pub fn attributes(&self) -> &[Attribute] {
        self.body.as_ref().map_or(&[], |body| &body.attributes)
    }
}

/// `{ attribute = value ... }`
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// The attributes in order.
    pub attributes: Vec<Attribute>,
    /// With the braces.
    pub span: Span,
}

/// `name = value`
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Its documentation.
    pub doc: MaybeDoc,
    /// Its name; may be a keyword.
    pub name: Ident,
    /// Its value; `ExprKind::Error` where it is missing.
    pub value: Expr,
    /// Both.
    pub span: Span,
}

/// `let name: T = value`
#[derive(Clone, Debug, PartialEq)]
pub struct Let {
    /// Its documentation.
    pub doc: MaybeDoc,
    /// The name it binds.
    pub name: Ident,
    /// `: T`
    pub ty: Option<TypeExpr>,
    /// What it binds the name to.
    pub value: LetValue,
    /// The whole statement.
    pub span: Span,
}

/// What a `let` binds its name to.
#[derive(Clone, Debug, PartialEq)]
pub enum LetValue {
    /// The resource that is declared here.
    Resource(Resource),
    /// A value, or what a state call gives; `ExprKind::Error` where it is missing.
    Expr(Expr),
}

/// The names a `for` binds: `x`, or `key, value`.
#[derive(Clone, Debug, PartialEq)]
pub struct ForBinding {
    /// The element; the key (or index) where there are two.
    pub first: Ident,
    /// The value.
    pub second: Option<Ident>,
}

/// `for x in xs if cond { ... }`
#[derive(Clone, Debug, PartialEq)]
pub struct For {
    /// The names it binds.
    pub binding: ForBinding,
    /// What it goes over.
    pub iterable: Expr,
    /// `if cond`: which elements it takes.
    pub filter: Option<Expr>,
    /// What it repeats.
    pub body: Block,
    /// The whole statement.
    pub span: Span,
}

/// `if cond { ... } else if cond { ... } else { ... }`
#[derive(Clone, Debug, PartialEq)]
pub struct If {
    /// The `if` and every `else if`, in order; at least one.
    pub branches: Vec<IfBranch>,
    /// The last `else`.
    pub otherwise: Option<Block>,
    /// The whole statement.
    pub span: Span,
}

/// A condition and the statements it guards.
#[derive(Clone, Debug, PartialEq)]
pub struct IfBranch {
    /// The condition.
    pub condition: Expr,
    /// The statements.
    pub body: Block,
}

/// `match subject { pattern => { ... } ... }`
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// The value that is looked at.
    pub subject: Expr,
    /// The cases in order.
    pub arms: Vec<MatchArm>,
    /// The whole statement.
    pub span: Span,
}

/// One case of a `match` statement.
#[derive(Clone, Debug, PartialEq)]
pub struct MatchArm {
    /// `p | q`: one that matches is enough; at least one.
    pub patterns: Vec<Pattern>,
    /// The statements.
    pub body: Block,
    /// The whole case.
    pub span: Span,
}

/// `extend file["/etc/x"] { ... }`
#[derive(Clone, Debug, PartialEq)]
pub struct Extend {
    /// The resource: `type[name]`, or a name bound to one.
    pub target: Expr,
    /// The attributes it gets.
    pub body: Body,
    /// The whole statement.
    pub span: Span,
}

/// `defaults file { ... }`
#[derive(Clone, Debug, PartialEq)]
pub struct Defaults {
    /// The resource type.
    pub type_name: Ident,
    /// The attributes that its resources get from here on in this block.
    pub body: Body,
    /// The whole statement.
    pub span: Span,
}

/// `a -> b ~> c`
#[derive(Clone, Debug, PartialEq)]
pub struct Arrow {
    /// The leftmost operand.
    pub first: Expr,
    /// Each arrow with the operand on its right; at least one.
    pub rest: Vec<ArrowStep>,
    /// The whole statement.
    pub span: Span,
}

/// An arrow and the operand on its right.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrowStep {
    /// Which arrow.
    pub op: ArrowOp,
    /// Where the arrow stands.
    pub op_span: Span,
    /// The operand.
    pub operand: Expr,
}

/// The kinds of arrows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArrowOp {
    /// `->`: the right one requires the left one.
    Require,
    /// `~>`: the right one watches the left one.
    Watch,
}

impl ArrowOp {
    /// Returns the arrow as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            ArrowOp::Require => "->",
            ArrowOp::Watch => "~>",
        }
    }
}
