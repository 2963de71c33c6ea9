//! Type expressions, fields and parameters.

use super::expr::hole;
use super::{Builder, Node};
use crate::ast::{Field, Ident, Literal, NamedType, Refinement, Span, TypeExpr, TypeExprKind, TypeRange};
use crate::error::SyntaxError;
use crate::syntax::Rule;

/// Whose names a list of fields holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldsOf {
    /// A record: any word will do.
    Record,
    /// A state or a function: names that are bound.
    Params,
}

impl<'s> Builder<'s> {
    /// Builds a type.
    pub(crate) fn type_expr(&mut self, node: Node<'s>) -> TypeExpr {
        let span = self.span(&node);
        let built = self.deeper(2, span, |this| {
            let mut members: Vec<TypeExpr> = node.into_inner().map(|member| this.type_member(member)).collect();
            match (members.pop(), members.is_empty()) {
                (Some(only), true) => only,
                (Some(last), false) => {
                    members.push(last);
                    TypeExpr { kind: TypeExprKind::Union(members), span }
                }
                (None, _) => TypeExpr { kind: TypeExprKind::Error, span },
            }
        });
        built.unwrap_or(TypeExpr { kind: TypeExprKind::Error, span })
    }

    fn type_member(&mut self, node: Node<'s>) -> TypeExpr {
        let whole = self.span(&node);
        let mut inner = node.into_inner();
        let Some(first) = inner.next() else { return TypeExpr { kind: TypeExprKind::Error, span: whole } };
        let span = self.span(&first);
        let kind = match first.as_rule() {
            Rule::record_type => TypeExprKind::Record(self.fields(first, FieldsOf::Record)),
            Rule::type_literal => self.type_literal(first, span),
            _ => self.named_type(first),
        };
        let mut ty = TypeExpr { kind, span };
        // `T??` says no more than `T?`.
        let mut marks = inner;
        if let Some(mark) = marks.next() {
            let span = span.to(self.span(&mark));
            ty = TypeExpr { kind: TypeExprKind::Optional(Box::new(ty)), span };
        }
        if let Some(second) = marks.next() {
            let span = self.span(&second);
            self.errors.push(SyntaxError::new("unexpected-token", span, "this type is optional already"));
        }
        ty
    }

    fn type_literal(&mut self, node: Node<'s>, span: Span) -> TypeExprKind {
        let mut negative = false;
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::minus => negative = true,
                Rule::number => {
                    let expr = if negative { self.negative(&part, span) } else { self.number(&part) };
                    return match expr.kind {
                        crate::ast::ExprKind::Literal(literal) => TypeExprKind::Literal(literal),
                        _ => TypeExprKind::Error,
                    };
                }
                _ => return TypeExprKind::Literal(Literal::String(self.plain(part).0)),
            }
        }
        TypeExprKind::Error
    }

    fn named_type(&mut self, node: Node<'s>) -> TypeExprKind {
        let mut path = None;
        let mut args = Vec::new();
        let mut refinement = None;
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::path => path = Some(self.path(part)),
                Rule::type_args => args = part.into_inner().map(|arg| self.type_expr(arg)).collect(),
                _ => refinement = self.refinement(part),
            }
        }
        let Some(path) = path else { return TypeExprKind::Error };
        if path.segments.len() == 1 && args.is_empty() && refinement.is_none() {
            match path.segments[0].as_str() {
                "none" => return TypeExprKind::Literal(Literal::None),
                "true" => return TypeExprKind::Literal(Literal::Bool(true)),
                "false" => return TypeExprKind::Literal(Literal::Bool(false)),
                _ => {}
            }
        }
        if let [only] = path.segments.as_slice()
            && crate::keywords::is_keyword(&only.name)
        {
            let only = only.clone();
            self.keyword_as_name(&only);
        }
        TypeExprKind::Named(Box::new(NamedType { path, args, refinement }))
    }

    fn refinement(&mut self, node: Node<'s>) -> Option<Refinement> {
        let inner = node.into_inner().next()?;
        if inner.as_rule() == Rule::regex {
            return Some(Refinement::Regex(self.regex(&inner)));
        }
        let span = self.span(&inner);
        let mut range = TypeRange { start: None, end: None, inclusive: false, span };
        let mut op = false;
        for part in inner.into_inner() {
            if part.as_rule() == Rule::range_op {
                op = true;
                range.inclusive = part.as_str() == "..=";
                continue;
            }
            let bound = self.bound(part);
            if op { range.end = Some(bound) } else { range.start = Some(bound) }
        }
        if !op {
            let text = span.text(self.source);
            self.errors.push(
                SyntaxError::new("bad-refinement", span, "expected a range or a regular expression")
                    .with_hint(format!("for exactly this value write `({text}..={text})`")),
            );
            return None;
        }
        Some(Refinement::Range(range))
    }

    /// Builds the fields of a record type, the parameters of a state or a function.
    pub(crate) fn fields(&mut self, node: Node<'s>, of: FieldsOf) -> Vec<Field> {
        node.into_inner().map(|field| self.field(field, of)).collect()
    }

    pub(crate) fn field(&mut self, node: Node<'s>, of: FieldsOf) -> Field {
        let span = self.span(&node);
        let doc = self.doc(span.start);
        let mut inner = node.into_inner();
        let name = match (inner.next(), of) {
            (Some(name), FieldsOf::Record) => self.label(&name),
            (Some(name), FieldsOf::Params) => self.ident(&name),
            (None, _) => Ident { name: "".into(), span },
        };
        let ty = inner.next().map_or(TypeExpr { kind: TypeExprKind::Error, span }, |ty| self.type_expr(ty));
        let default = inner.next().map(|default| if default.as_rule() == Rule::expr { self.expr(default) } else { hole(span) });
        Field { doc, name, ty, default, span }
    }
}
