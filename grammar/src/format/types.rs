//! Type expressions, fields and parameters.

use super::Printer;
use super::layout::{BRACES, Brackets, Place};
use crate::ast::{Expr, Field, Literal, NamedType, Refinement, TypeExpr, TypeExprKind};

impl Printer<'_> {
    /// Writes a type.
    pub(super) fn type_expr(&mut self, ty: &TypeExpr) {
        match &ty.kind {
            TypeExprKind::Named(named) => self.named_type(named),
            TypeExprKind::Optional(inner) => {
                self.type_expr(inner);
                self.push("?");
            }
            TypeExprKind::Record(fields) => self.fields(BRACES, Place::around(ty.span), fields),
            TypeExprKind::Union(members) => self.union(members),
            TypeExprKind::Literal(Literal::String(_)) => self.string(ty.span),
            TypeExprKind::Literal(_) | TypeExprKind::Error => {
                let text: String = ty.span.text(self.source).split_whitespace().collect();
                self.push(&text);
            }
        }
        self.last_end = ty.span.end;
    }

    fn named_type(&mut self, named: &NamedType) {
        let path = named.path.to_string();
        self.push(&path);
        if !named.args.is_empty() {
            self.push("<");
            for (index, arg) in named.args.iter().enumerate() {
                if index > 0 {
                    self.push(", ");
                }
                self.type_expr(arg);
            }
            self.push(">");
        }
        match &named.refinement {
            Some(Refinement::Regex(regex)) => {
                self.push("(");
                self.copy(regex.span);
                self.push(")");
            }
            Some(Refinement::Range(range)) => {
                self.push("(");
                self.bound(range.start.as_ref());
                self.push(if range.inclusive { "..=" } else { ".." });
                self.bound(range.end.as_ref());
                self.push(")");
            }
            None => {}
        }
    }

    fn bound(&mut self, bound: Option<&Expr>) {
        if let Some(bound) = bound {
            self.expr(bound);
        }
    }

    fn union(&mut self, members: &[TypeExpr]) {
        let is_broken = members.windows(2).any(|pair| self.has_newline(pair[0].span.end, pair[1].span.start));
        self.indent += usize::from(is_broken);
        for (index, member) in members.iter().enumerate() {
            if index > 0 {
                if self.has_newline(members[index - 1].span.end, member.span.start) {
                    self.newline();
                    self.push("| ");
                } else {
                    self.push(" | ");
                }
            }
            self.type_expr(member);
        }
        self.indent -= usize::from(is_broken);
    }

    /// Writes fields or parameters between brackets; on lines of their own their types are aligned.
    pub(super) fn fields(&mut self, brackets: Brackets, place: Place, fields: &[Field]) {
        self.bracketed(
            brackets,
            place,
            fields,
            |field| field.span,
            |this, fields| {
                this.runs(
                    fields,
                    |field| field.span,
                    |this, field| {
                        let mark = this.mark();
                        this.field(field, 0);
                        let text = &this.out[mark.out..];
                        let width = (!text.contains('\n')).then(|| text.chars().count());
                        this.reset(mark);
                        let before = field.name.name.chars().count();
                        width.map(|width| (before, width.saturating_sub(before + 2)))
                    },
                )
            },
            Self::field,
        );
    }

    /// Writes `name: Type = default`, with the type `width` columns and a colon and a blank further on.
    pub(super) fn field(&mut self, field: &Field, width: usize) {
        let start = self.out.len();
        self.push(&field.name.name);
        self.push(":");
        self.pad(start, width + 1);
        self.push(" ");
        self.type_expr(&field.ty);
        if let Some(default) = &field.default {
            self.push(" = ");
            self.expr(default);
        }
        self.last_end = field.span.end;
    }
}
