//! Statements, blocks and bodies.

use super::Printer;
use super::layout::{BRACES, Place};
use crate::ast::{Arrow, Attribute, Block, Body, For, If, Let, LetValue, Match, Resource, Stmt};

impl Printer<'_> {
    /// Writes a statement.
    pub(super) fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Resource(resource) => self.resource(resource),
            Stmt::Let(stmt) => self.let_stmt(stmt),
            Stmt::Call(call) => self.call(call),
            Stmt::For(stmt) => self.for_stmt(stmt),
            Stmt::If(stmt) => self.if_stmt(stmt),
            Stmt::Match(stmt) => self.match_stmt(stmt),
            Stmt::Extend(stmt) => {
                self.push("extend ");
                self.expr(&stmt.target);
                self.push(" ");
                self.body(&stmt.body);
            }
            Stmt::Defaults(stmt) => {
                self.push("defaults ");
                self.push(&stmt.type_name.name);
                self.push(" ");
                self.body(&stmt.body);
            }
            Stmt::Arrow(stmt) => self.arrow(stmt),
            Stmt::Error(span) => self.copy(*span),
        }
        self.last_end = stmt.span().end;
    }

    /// Writes a block of statements.
    pub(super) fn block(&mut self, block: &Block) {
        let place = Place::around(block.span);
        self.bracketed(BRACES, place, &block.stmts, Stmt::span, |_, _| Vec::new(), |this, stmt, _| this.stmt(stmt));
    }

    /// Writes the attributes of a resource.
    pub(super) fn body(&mut self, body: &Body) {
        self.bracketed(
            BRACES,
            Place::around(body.span),
            &body.attributes,
            |attribute| attribute.span,
            |this, attributes| {
                this.runs(
                    attributes,
                    |attribute| attribute.span,
                    |this, attribute| {
                        let before = attribute.name.name.chars().count();
                        let indent = this.indent * 2;
                        let after = this.width_on_one_line(&attribute.value, indent + before + 3)?;
                        Some((before, after))
                    },
                )
            },
            Self::attribute,
        );
    }

    fn attribute(&mut self, attribute: &Attribute, width: usize) {
        let start = self.out.len();
        self.push(&attribute.name.name);
        self.pad(start, width);
        self.push(" = ");
        self.expr(&attribute.value);
    }

    fn resource(&mut self, resource: &Resource) {
        self.push(&resource.type_name.name);
        self.push(" ");
        self.expr(&resource.name);
        if let Some(body) = &resource.body {
            self.push(" ");
            self.body(body);
        }
    }

    fn let_stmt(&mut self, stmt: &Let) {
        self.push("let ");
        self.push(&stmt.name.name);
        if let Some(ty) = &stmt.ty {
            self.push(": ");
            self.type_expr(ty);
        }
        self.push(" = ");
        match &stmt.value {
            LetValue::Resource(resource) => self.resource(resource),
            LetValue::Expr(value) => self.expr(value),
        }
    }

    fn for_stmt(&mut self, stmt: &For) {
        self.push("for ");
        self.push(&stmt.binding.first.name);
        if let Some(second) = &stmt.binding.second {
            self.push(", ");
            self.push(&second.name);
        }
        self.push(" in ");
        self.expr(&stmt.iterable);
        if let Some(filter) = &stmt.filter {
            self.push(" if ");
            self.expr(filter);
        }
        self.push(" ");
        self.block(&stmt.body);
    }

    fn if_stmt(&mut self, stmt: &If) {
        for (index, branch) in stmt.branches.iter().enumerate() {
            if index == 0 {
                self.push("if ");
            } else {
                self.before_else(branch.condition.span.start);
                self.push("else if ");
            }
            self.expr(&branch.condition);
            self.push(" ");
            self.block(&branch.body);
        }
        if let Some(otherwise) = &stmt.otherwise {
            self.before_else(otherwise.span.start);
            self.push("else ");
            self.block(otherwise);
        }
    }

    /// Writes what stands between the end of a block and its `else`: comments, each on its line, or a blank.
    fn before_else(&mut self, offset: u32) {
        if self.comments.get(self.next_comment).is_some_and(|comment| comment.span.start < offset) {
            self.trailing_comment(false);
            self.comments_before(offset, true);
            self.newline();
        } else {
            self.push(" ");
        }
    }

    fn match_stmt(&mut self, stmt: &Match) {
        self.push("match ");
        self.expr(&stmt.subject);
        self.push(" ");
        let place = Place { open: self.skip_trivia(stmt.subject.span.end), close: stmt.span.end.saturating_sub(1) };
        self.bracketed(
            BRACES,
            place,
            &stmt.arms,
            |arm| arm.span,
            |_, _| Vec::new(),
            |this, arm, _| {
                this.patterns(&arm.patterns);
                this.push(" => ");
                this.block(&arm.body);
            },
        );
    }

    fn arrow(&mut self, stmt: &Arrow) {
        self.expr(&stmt.first);
        let mut end = stmt.first.span.end;
        let is_broken = self.has_arrow_break(stmt);
        self.indent += usize::from(is_broken);
        for step in &stmt.rest {
            if self.has_newline(end, step.operand.span.start) {
                self.newline();
            } else {
                self.push(" ");
            }
            self.push(step.op.as_str());
            self.push(" ");
            self.expr(&step.operand);
            end = step.operand.span.end;
        }
        self.indent -= usize::from(is_broken);
    }

    fn has_arrow_break(&self, stmt: &Arrow) -> bool {
        let mut end = stmt.first.span.end;
        stmt.rest.iter().any(|step| {
            let from = std::mem::replace(&mut end, step.operand.span.end);
            self.has_newline(from, step.operand.span.start)
        })
    }
}
