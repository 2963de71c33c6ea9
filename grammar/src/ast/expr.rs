//! Expressions, patterns and literals.

use std::sync::Arc;

use super::{ForBinding, Ident, Path, Span};

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What was written.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

impl Expr {
    /// Returns the expression inside any parentheses.
    pub fn unparen(&self) -> &Expr {
        let mut expr = self;
        while let ExprKind::Paren(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }

    /// Tells whether this is a hole left by a mistake that was reported.
    pub fn is_error(&self) -> bool {
        matches!(self.kind, ExprKind::Error)
    }
}

/// The forms of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `42`, `0644`, `30s`, `"text"` (without interpolation), `none`.
    Literal(Literal),
    /// `"a ${b} c"`, and `"""` blocks with interpolation.
    Template(Box<Template>),
    /// A bare word: a parameter, a `let`, a state, an enum member, a resource type.
    Name(Arc<str>),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `{ key = v, "any key" = v, shorthand }`
    Record(Vec<RecordEntry>),
    /// `[for x in xs if p: e]`
    ListFor(Box<ListFor>),
    /// `{ for x in xs if p: key = e }`
    MapFor(Box<MapFor>),
    /// `(e)`
    Paren(Box<Expr>),
    /// `!e`, `-e`
    Unary(Box<Unary>),
    /// `a + b`
    Binary(Box<Binary>),
    /// `a..b`, `a..=b`
    Range(Box<Range>),
    /// `a.field`, `a?.field`
    Field(Box<FieldAccess>),
    /// `f(args)`, `a.method(args)` (the callee is a `Field`)
    Call(Box<Call>),
    /// `a[index]`; also a reference to a resource, `file["/etc/x"]`
    Index(Box<Index>),
    /// `x => e`, `(a, b) => e`
    Lambda(Box<Lambda>),
    /// `if c { e } else { e }`
    If(Box<IfExpr>),
    /// `match e { p => e, ... }`
    Match(Box<MatchExpr>),
    /// Missing or not understood.
    Error,
}

/// A literal, decoded.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `none`
    None,
    /// `true`, `false`
    Bool(bool),
    /// `42`, `1_000`, `0x1f`
    Int(i64),
    /// `1.5`; always finite.
    Float(f64),
    /// `0644`: permission bits, at most `0o7777`.
    Mode(u32),
    /// `30s`, in nanoseconds.
    Duration(u64),
    /// `10MiB`, in bytes.
    Size(u64),
    /// `"text"`, escapes replaced, indentation of blocks taken off.
    String(Arc<str>),
}

/// A string with interpolated expressions.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Text and expressions in turn; no two texts in a row, no empty text.
    pub parts: Vec<TemplatePart>,
}

/// A piece of a string.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplatePart {
    /// Text, escapes replaced; the span covers its source.
    Text(Arc<str>, Span),
    /// `${expr}`; its span is the expression's.
    Expr(Expr),
}

/// A regular expression between slashes, not checked; `\/` stands for `/`.
#[derive(Clone, Debug, PartialEq)]
pub struct Regex {
    /// The text between the slashes.
    pub pattern: Arc<str>,
    /// With the slashes.
    pub span: Span,
}

/// An entry of a record or map.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordEntry {
    /// Its key.
    pub key: RecordKey,
    /// Its value; `None` for the shorthand `{ workers }`, which means `{ workers = workers }`.
    pub value: Option<Expr>,
    /// Both.
    pub span: Span,
}

/// The key of an entry.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordKey {
    /// `key`; may be a keyword where a value follows.
    Name(Ident),
    /// `"any key"`; an interpolated one makes this a map. Its kind is `Literal(String)` or `Template`.
    String(Expr),
}

/// The head of a comprehension: `for x in xs if p`.
#[derive(Clone, Debug, PartialEq)]
pub struct ForClause {
    /// The names it binds.
    pub binding: ForBinding,
    /// What it goes over.
    pub iterable: Expr,
    /// `if p`: which elements it takes.
    pub filter: Option<Expr>,
    /// From `for` to before the `:`.
    pub span: Span,
}

/// `[for x in xs if p: e]`
#[derive(Clone, Debug, PartialEq)]
pub struct ListFor {
    /// What it goes over.
    pub clause: ForClause,
    /// The element it makes.
    pub element: Expr,
}

/// `{ for x in xs if p: key = e }`
#[derive(Clone, Debug, PartialEq)]
pub struct MapFor {
    /// What it goes over.
    pub clause: ForClause,
    /// The key it makes: an expression, so a bare word is a variable here.
    pub key: Expr,
    /// The value it makes.
    pub value: Expr,
}

/// A prefix operator and its operand.
#[derive(Clone, Debug, PartialEq)]
pub struct Unary {
    /// Which operator.
    pub op: UnaryOp,
    /// Where the operator stands.
    pub op_span: Span,
    /// The operand.
    pub operand: Expr,
}

/// The prefix operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `!`
    Not,
    /// `-`
    Neg,
}

impl UnaryOp {
    /// Returns the operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            UnaryOp::Not => "!",
            UnaryOp::Neg => "-",
        }
    }
}

/// An operator between two operands.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// Which operator.
    pub op: BinaryOp,
    /// Where the operator stands.
    pub op_span: Span,
    /// The left operand.
    pub left: Expr,
    /// The right operand.
    pub right: Expr,
}

/// The operators between two operands, loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `??`: the left one, or the right one where the left one is `none`.
    Coalesce,
    /// `||`
    Or,
    /// `&&`
    And,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `in`
    In,
    /// `not in`
    NotIn,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
}

impl BinaryOp {
    /// Returns the operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            BinaryOp::Coalesce => "??",
            BinaryOp::Or => "||",
            BinaryOp::And => "&&",
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::In => "in",
            BinaryOp::NotIn => "not in",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Rem => "%",
        }
    }
}

/// `start..end`, `start..=end`
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// The first value.
    pub start: Expr,
    /// The bound at the other end.
    pub end: Expr,
    /// Whether that bound is part of the range: `..=`.
    pub inclusive: bool,
}

/// `object.name`, `object?.name`
#[derive(Clone, Debug, PartialEq)]
pub struct FieldAccess {
    /// What the field belongs to.
    pub object: Expr,
    /// The field; may be a keyword.
    pub name: Ident,
    /// `?.`: `none` where the object is `none`.
    pub optional: bool,
}

/// `callee(args)`
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What is called: a `Name`, or a `Field` for a method or a member of a module.
    pub callee: Expr,
    /// The arguments in order.
    pub args: Vec<Arg>,
    /// The whole call.
    pub span: Span,
}

/// `value`, or `name = value`
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// The parameter it is for; by position where absent.
    pub name: Option<Ident>,
    /// Its value.
    pub value: Expr,
    /// Both.
    pub span: Span,
}

/// `object[index]`
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// What is indexed: a list, a map, or the name of a resource type.
    pub object: Expr,
    /// The index.
    pub index: Expr,
}

/// `x => body`, `(a, b) => body`
#[derive(Clone, Debug, PartialEq)]
pub struct Lambda {
    /// The parameters.
    pub params: Vec<Ident>,
    /// The value.
    pub body: Expr,
}

/// `if c { e } else if c { e } else { e }`
#[derive(Clone, Debug, PartialEq)]
pub struct IfExpr {
    /// The `if` and every `else if`: condition and value; at least one.
    pub branches: Vec<(Expr, Expr)>,
    /// The last `else`; `None` where the source leaves it out (an error was reported).
    pub otherwise: Option<Expr>,
}

/// `match subject { pattern => value ... }`
#[derive(Clone, Debug, PartialEq)]
pub struct MatchExpr {
    /// The value that is looked at.
    pub subject: Expr,
    /// The cases in order.
    pub arms: Vec<MatchExprArm>,
}

/// One case of a `match` expression.
#[derive(Clone, Debug, PartialEq)]
pub struct MatchExprArm {
    /// `p | q`: one that matches is enough; at least one.
    pub patterns: Vec<Pattern>,
    /// The value.
    pub value: Expr,
    /// The whole case.
    pub span: Span,
}

/// A pattern of a `match`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// What was written.
    pub kind: PatternKind,
    /// Where it stands.
    pub span: Span,
}

/// The forms of patterns.
#[derive(Clone, Debug, PartialEq)]
pub enum PatternKind {
    /// `_`
    Wildcard,
    /// `debian`: an enum member where one is expected, else a name bound to the value.
    Name(Ident),
    /// `Env.prod`: an enum member with its enum.
    Member(Path),
    /// `"x"`, `80`, `none`
    Literal(Literal),
    /// `1..=9`
    Range(PatternRange),
    /// `/re/`
    Regex(Regex),
    /// Missing or not understood.
    Error,
}

/// `1..=9`, `1024..`, `..0`
#[derive(Clone, Debug, PartialEq)]
pub struct PatternRange {
    /// The lower bound with its span; open where absent.
    pub start: Option<(Literal, Span)>,
    /// The upper bound with its span; open where absent.
    pub end: Option<(Literal, Span)>,
    /// Whether the upper bound is part of the range: `..=`.
    pub inclusive: bool,
}
