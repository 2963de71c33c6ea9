//! Statements.

use super::expr::hole;
use super::{Builder, Node, Nodes};
use crate::ast::{
    Arrow, ArrowOp, ArrowStep, Attribute, Block, Body, Defaults, Expr, ExprKind, Extend, For, Ident, If, IfBranch, Let, LetValue,
    Match, MatchArm, Resource, Span, Stmt,
};
use crate::error::SyntaxError;
use crate::keywords::{is_keyword, starts_item};
use crate::syntax::Rule;

impl<'s> Builder<'s> {
    /// Builds the statements between two braces.
    pub(crate) fn block(&mut self, node: Node<'s>) -> Block {
        let span = self.span(&node);
        let stmts = self.deeper(1, span, |this| {
            let inner = node.into_inner();
            let mut stmts = Vec::with_capacity(inner.len());
            stmts.extend(inner.map(|node| this.stmt(node)));
            stmts
        });
        Block { stmts: stmts.unwrap_or_default(), span }
    }

    /// Builds one statement.
    pub(crate) fn stmt(&mut self, node: Node<'s>) -> Stmt {
        let span = self.span(&node);
        match node.as_rule() {
            Rule::resource => Stmt::Resource(Box::new(self.resource(node, span))),
            Rule::let_stmt => Stmt::Let(Box::new(self.let_stmt(node, span))),
            Rule::for_stmt => Stmt::For(Box::new(self.for_stmt(node, span))),
            Rule::if_stmt => Stmt::If(Box::new(self.if_stmt(node, span))),
            Rule::match_stmt => Stmt::Match(Box::new(self.match_stmt(node, span))),
            Rule::extend_stmt => Stmt::Extend(Box::new(self.extend_stmt(node, span))),
            Rule::defaults_stmt => Stmt::Defaults(Box::new(self.defaults_stmt(node, span))),
            Rule::list_stmt => self.list_stmt(node, span),
            _ => self.word_stmt(node, span),
        }
    }

    /// Builds `type "name" { ... }`.
    fn resource(&mut self, node: Node<'s>, span: Span) -> Resource {
        let doc = self.doc(span.start);
        let mut inner = node.into_inner();
        let type_name = self.type_name(inner.next(), span);
        let name = inner.next().map_or(hole(span), |name| self.string(name));
        let body = inner.next().map(|body| self.body(body));
        Resource { doc, type_name, name, body, span }
    }

    pub(crate) fn body(&mut self, node: Node<'s>) -> Body {
        let span = self.span(&node);
        let inner = node.into_inner();
        let mut attributes = Vec::with_capacity(inner.len());
        attributes.extend(inner.map(|node| self.attribute(node)));
        Body { attributes, span }
    }

    pub(crate) fn attribute(&mut self, node: Node<'s>) -> Attribute {
        let span = self.span(&node);
        let doc = self.doc(span.start);
        let mut inner = node.into_inner();
        let name = inner.next().map_or(Ident { name: "".into(), span }, |name| self.label(&name));
        let value = inner.next().map_or(hole(span), |value| self.expr(value));
        Attribute { doc, name, value, span }
    }

    /// Builds the name of a resource type.
    fn type_name(&mut self, node: Option<Node<'s>>, span: Span) -> Ident {
        let Some(node) = node else { return Ident { name: "".into(), span } };
        let ident = self.label(&node);
        if starts_item(&ident.name) {
            let message = format!("`{}` cannot stand here", ident.name);
            let hint = format!(
                "write it as `{} …` at the top level of the file; inside a block stand resources and other statements",
                ident.name
            );
            self.errors.push(SyntaxError::new("misplaced-item", ident.span, message).with_hint(hint));
        } else if is_keyword(&ident.name) {
            self.keyword_as_name(&ident);
        }
        ident
    }

    fn let_stmt(&mut self, node: Node<'s>, span: Span) -> Let {
        let doc = self.doc(span.start);
        let mut name = None;
        let mut ty = None;
        let mut value = LetValue::Expr(hole(span));
        for part in node.into_inner() {
            let part_span = self.span(&part);
            match part.as_rule() {
                Rule::word => name = Some(self.ident(&part)),
                Rule::type_expr => ty = Some(self.type_expr(part)),
                Rule::resource => value = LetValue::Resource(self.resource(part, part_span)),
                Rule::other_resource => {
                    let mut inner = part.into_inner();
                    let word = inner.next();
                    value = match self.resource_or_other(word, inner, part_span) {
                        Stmt::Resource(resource) => LetValue::Resource(*resource),
                        _ => LetValue::Expr(hole(part_span)),
                    };
                }
                _ => value = LetValue::Expr(self.expr(part)),
            }
        }
        Let { doc, name: name.unwrap_or_else(|| Ident { name: "".into(), span }), ty, value, span }
    }

    fn for_stmt(&mut self, node: Node<'s>, span: Span) -> For {
        let mut inner = node.into_inner();
        let clause = inner.next().map(|clause| self.for_clause(clause));
        let body = inner.next().map_or(Block { stmts: Vec::new(), span }, |body| self.block(body));
        match clause {
            Some(clause) => For { binding: clause.binding, iterable: clause.iterable, filter: clause.filter, body, span },
            None => {
                let first = Ident { name: "".into(), span };
                For { binding: crate::ast::ForBinding { first, second: None }, iterable: hole(span), filter: None, body, span }
            }
        }
    }

    fn if_stmt(&mut self, node: Node<'s>, span: Span) -> If {
        let mut branches = Vec::new();
        let mut otherwise = None;
        let mut condition = None;
        for part in node.into_inner() {
            if part.as_rule() == Rule::expr {
                condition = Some(self.expr(part));
                continue;
            }
            let block_span = self.span(&part);
            let body = self.block(part);
            match condition.take() {
                Some(condition) => branches.push(IfBranch { condition, body }),
                None if otherwise.is_none() => otherwise = Some(body),
                None => self.else_after_else(block_span),
            }
        }
        If { branches, otherwise, span }
    }

    fn match_stmt(&mut self, node: Node<'s>, span: Span) -> Match {
        let mut inner = node.into_inner();
        let subject = inner.next().map_or(hole(span), |subject| self.expr(subject));
        let arms = inner.map(|arm| {
            let span = self.span(&arm);
            let mut inner = arm.into_inner();
            let patterns = inner.next().map(|patterns| self.patterns(patterns)).unwrap_or_default();
            let body = inner.next().map_or(Block { stmts: Vec::new(), span }, |body| self.block(body));
            MatchArm { patterns, body, span }
        });
        Match { subject, arms: arms.collect(), span }
    }

    fn extend_stmt(&mut self, node: Node<'s>, span: Span) -> Extend {
        let mut inner = node.into_inner();
        let target = inner.next().map_or(hole(span), |target| self.reference(target));
        let body = inner.next().map_or(Body { attributes: Vec::new(), span }, |body| self.body(body));
        Extend { target, body, span }
    }

    fn defaults_stmt(&mut self, node: Node<'s>, span: Span) -> Defaults {
        let mut inner = node.into_inner();
        let type_name = self.type_name(inner.next(), span);
        let body = inner.next().map_or(Body { attributes: Vec::new(), span }, |body| self.body(body));
        Defaults { type_name, body, span }
    }

    fn list_stmt(&mut self, node: Node<'s>, span: Span) -> Stmt {
        let mut inner = node.into_inner().peekable();
        let Some(list) = inner.next() else { return Stmt::Error(span) };
        let mut accesses = Vec::new();
        while let Some(access) = inner.next_if(|node| node.as_rule() != Rule::arrow) {
            accesses.push(access);
        }
        let first = self.deeper(accesses.len() + 1, span, |this| {
            let head = this.primary(list);
            accesses.into_iter().fold(head, |object, access| this.access(object, access))
        });
        self.arrow(first.unwrap_or(hole(span)), inner.collect(), span)
    }

    fn arrow(&mut self, first: Expr, arrows: Vec<Node<'s>>, span: Span) -> Stmt {
        let mut rest = Vec::with_capacity(arrows.len());
        for arrow in arrows {
            let mut inner = arrow.into_inner();
            let (Some(op), Some(operand)) = (inner.next(), inner.next()) else { continue };
            let op_span = self.span(&op);
            let op = if op.as_str() == "->" { ArrowOp::Require } else { ArrowOp::Watch };
            rest.push(ArrowStep { op, op_span, operand: self.reference(operand) });
        }
        Stmt::Arrow(Box::new(Arrow { first, rest, span }))
    }

    /// Builds what starts with a word that is no keyword: a resource, a state call, or arrows.
    fn word_stmt(&mut self, node: Node<'s>, span: Span) -> Stmt {
        let mut inner = node.into_inner();
        let word = inner.next();
        self.resource_or_other(word, inner, span)
    }

    fn resource_or_other(&mut self, word: Option<Node<'s>>, inner: Nodes<'s>, span: Span) -> Stmt {
        let Some(word) = word else { return Stmt::Error(span) };
        let mut accesses = Vec::new();
        let mut arrows = Vec::new();
        let mut named = None;
        let mut body = None;
        for part in inner {
            match part.as_rule() {
                Rule::resource_name => named = Some(part),
                Rule::body => body = Some(part),
                Rule::arrow => arrows.push(part),
                _ => accesses.push(part),
            }
        }
        if let (Some(body), false) = (&body, arrows.is_empty()) {
            let span = Span::new(self.span(&word).start, self.span(body).end);
            self.errors.push(
                SyntaxError::new("arrow-after-body", span, "arrows stand between references, not between declarations")
                    .with_hint("give the resource a name first, `let a = …`, then write `a -> b`"),
            );
        }
        let is_declaration = arrows.is_empty()
            && (named.is_some()
                || match accesses.as_slice() {
                    [only] if only.as_rule() == Rule::index => true,
                    [only] => only.as_rule() == Rule::call && body.is_some(),
                    [] => body.is_some(),
                    _ => false,
                });
        if is_declaration {
            return self.declaration(word, named, accesses, body, span);
        }
        let head = if accesses.is_empty() && arrows.is_empty() { hole(self.span(&word)) } else { self.primary(word.clone()) };
        let levels = accesses.len() + 1;
        let accesses = accesses.into_iter();
        let expr = self.deeper(levels, span, |this| accesses.fold(head, |object, access| this.access(object, access)));
        let expr = expr.unwrap_or(hole(span));
        if !arrows.is_empty() {
            return self.arrow(expr, arrows, span);
        }
        match (expr.kind, body) {
            (ExprKind::Call(call), None) => Stmt::Call(call),
            (_, Some(body)) => {
                let span = self.span(&body);
                self.errors.push(SyntaxError::new("unexpected-token", span, "expected the end of the statement, found `{`"));
                Stmt::Error(span)
            }
            (_, None) => {
                self.alone(word.as_str(), span);
                Stmt::Error(span)
            }
        }
    }

    /// Tells that a word alone, or a field, declares nothing.
    fn alone(&mut self, word: &str, span: Span) {
        let error = if is_keyword(word) {
            SyntaxError::new("incomplete-statement", span, format!("expected more after `{word}`"))
        } else {
            let text = span.text(self.source);
            SyntaxError::new("incomplete-statement", span, format!("`{text}` alone declares nothing"))
                .with_hint(format!("a resource needs a name, `{word} \"name\" {{ … }}`; a state is called, `{word}()`"))
        };
        self.errors.push(error);
    }

    /// Builds a resource whose name is no string: `type name { ... }`, `type [names]`, `type (expr) { ... }`.
    fn declaration(
        &mut self,
        word: Node<'s>,
        named: Option<Node<'s>>,
        accesses: Vec<Node<'s>>,
        body: Option<Node<'s>>,
        span: Span,
    ) -> Stmt {
        let doc = self.doc(span.start);
        let word_span = self.span(&word);
        let type_name = self.type_name(Some(word), span);
        let name = match (named, accesses.into_iter().next()) {
            (Some(named), _) => self.reference(named),
            (None, Some(access)) => {
                let span = self.span(&access);
                self.deeper(1, span, |this| this.bracketed_name(access, span)).unwrap_or(hole(span))
            }
            (None, None) => {
                let at = Span::at(word_span.end);
                self.errors.push(SyntaxError::nameless(at, &type_name.name));
                hole(at)
            }
        };
        let body = body.map(|body| self.body(body));
        Stmt::Resource(Box::new(Resource { doc, type_name, name, body, span }))
    }

    fn bracketed_name(&mut self, access: Node<'s>, span: Span) -> Expr {
        if access.as_rule() == Rule::index {
            let elements = access.into_inner().map(|element| self.expr(element)).collect();
            return Expr { kind: ExprKind::List(elements), span };
        }
        let mut args = access.into_inner();
        let positional = |arg: Node<'s>| {
            let mut parts = arg.into_inner();
            parts.next().filter(|part| part.as_rule() == Rule::expr)
        };
        match (args.next().and_then(positional), args.next()) {
            (Some(only), None) => Expr { kind: ExprKind::Paren(Box::new(self.expr(only))), span },
            _ => {
                self.errors.push(
                    SyntaxError::new(
                        "missing-name",
                        span,
                        "expected one expression between the parentheses: the name of the resource",
                    )
                    .with_hint("a call of a state has no body"),
                );
                hole(span)
            }
        }
    }
}
