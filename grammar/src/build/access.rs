//! What hangs on an operand: `.field`, `(args)`, `[index]`; and paths.

use super::expr::hole;
use super::{Builder, Node, Nodes};
use crate::ast::{Arg, Call, Expr, ExprKind, FieldAccess, Index, Path, Span, Unary, UnaryOp};
use crate::error::SyntaxError;
use crate::syntax::Rule;

impl<'s> Builder<'s> {
    /// Hangs one access on `object`.
    pub(super) fn access(&mut self, object: Expr, node: Node<'s>) -> Expr {
        let own = self.span(&node);
        let span = object.span.to(own);
        let kind = match node.as_rule() {
            Rule::field_access => {
                let mut optional = false;
                let mut name = None;
                for part in node.into_inner() {
                    if part.as_rule() == Rule::optional_dot {
                        optional = true;
                    } else {
                        name = Some(self.label(&part));
                    }
                }
                match name {
                    Some(name) => ExprKind::Field(Box::new(FieldAccess { object, name, optional })),
                    None => ExprKind::Error,
                }
            }
            Rule::call => {
                let args = node.into_inner().map(|arg| self.arg(arg)).collect();
                ExprKind::Call(Box::new(Call { callee: object, args, span }))
            }
            _ => {
                let mut elements = node.into_inner();
                match (elements.next(), elements.next()) {
                    (Some(index), None) => {
                        let index = self.expr(index);
                        ExprKind::Index(Box::new(Index { object, index }))
                    }
                    _ => {
                        self.errors.push(SyntaxError::new("bad-index", own, "an index is exactly one expression"));
                        ExprKind::Error
                    }
                }
            }
        };
        Expr { kind, span }
    }

    fn arg(&mut self, node: Node<'s>) -> Arg {
        let span = self.span(&node);
        let mut name = None;
        let mut value = hole(span);
        for part in node.into_inner() {
            if part.as_rule() == Rule::arg_name {
                name = part.into_inner().next().map(|word| self.label(&word));
            } else {
                value = self.expr(part);
            }
        }
        Arg { name, value, span }
    }

    /// Builds a word or a list with its accesses.
    pub(crate) fn reference(&mut self, node: Node<'s>) -> Expr {
        let span = self.span(&node);
        let mut inner = node.into_inner();
        let Some(first) = inner.next() else { return hole(span) };
        self.deeper(inner.len() + 1, span, |this| {
            let head = this.primary(first);
            this.accesses(head, inner)
        })
        .unwrap_or(hole(span))
    }

    pub(super) fn accesses(&mut self, head: Expr, nodes: Nodes<'s>) -> Expr {
        nodes.fold(head, |object, node| self.access(object, node))
    }

    /// Builds a dotted path; segments after a dot may be keywords, and so may the first one, for the caller to judge.
    pub(crate) fn path(&mut self, node: Node<'s>) -> Path {
        let span = self.span(&node);
        Path { segments: node.into_inner().map(|segment| self.label(&segment)).collect(), span }
    }

    /// Builds a path as an expression.
    pub(super) fn path_expr(&mut self, node: Node<'s>, negative: bool, span: Span) -> Expr {
        let path = self.path(node);
        let levels = path.segments.len() + 1;
        let expr = self.deeper(levels, span, |this| {
            let mut segments = path.segments.into_iter();
            let Some(first) = segments.next() else { return hole(span) };
            if crate::keywords::is_keyword(&first.name) {
                this.keyword_as_name(&first);
            }
            let head = Expr { span: first.span, kind: ExprKind::Name(first.name) };
            let expr = segments.fold(head, |object, name| {
                let span = object.span.to(name.span);
                Expr { kind: ExprKind::Field(Box::new(FieldAccess { object, name, optional: false })), span }
            });
            if !negative {
                return expr;
            }
            let op_span = Span::new(span.start, span.start + 1);
            Expr { kind: ExprKind::Unary(Box::new(Unary { op: UnaryOp::Neg, op_span, operand: expr })), span }
        });
        expr.unwrap_or(hole(span))
    }
}
