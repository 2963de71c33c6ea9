//! Type expressions.

use super::{Expr, Field, Literal, Path, Regex, Span};

/// A type as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeExpr {
    /// What was written.
    pub kind: TypeExprKind,
    /// Where it stands.
    pub span: Span,
}

/// The forms of types.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeExprKind {
    /// `Int`, `List<T>`, `String(1..=63)`, `module.Vhost`, `Ref<service>`.
    Named(Box<NamedType>),
    /// `T?`
    Optional(Box<TypeExpr>),
    /// `{ a: Int, b: String? }`
    Record(Vec<Field>),
    /// `"a" | "b" | 80`, `Int | String`: at least two.
    Union(Vec<TypeExpr>),
    /// `"a"`, `80`, `none`: the type of that one value.
    Literal(Literal),
    /// Missing or not understood.
    Error,
}

/// A type by its name, with its arguments and its refinement.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedType {
    /// Its name; with the module where it comes from one.
    pub path: Path,
    /// `<T>`: none, or at least one.
    pub args: Vec<TypeExpr>,
    /// `(1..=64)`, `(/re/)`
    pub refinement: Option<Refinement>,
}

/// What narrows a type down: a range of values or lengths, or a regular expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Refinement {
    /// `(1..=64)`, `(1..)`, `(..0.5)`
    Range(TypeRange),
    /// `(/re/)`
    Regex(Regex),
}

/// A range in a refinement. The bounds are literals, signed literals or names.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeRange {
    /// The lower bound, always part of the range; open where absent.
    pub start: Option<Expr>,
    /// The upper bound; open where absent.
    pub end: Option<Expr>,
    /// Whether the upper bound is part of the range: `..=`.
    pub inclusive: bool,
    /// Without the parentheses.
    pub span: Span,
}
