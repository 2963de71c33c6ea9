//! Walking a syntax tree: every node with its place, the outer before the inner.

use stead_grammar::ast::{
    Arg, Attribute, Block, Body, Expr, ExprKind, Field, ForClause, Item, LetValue, NodeSelector, Pattern, RecordEntry, RecordKey,
    Refinement, Resource, Span, Stmt, TemplatePart, TypeDefBody, TypeExpr, TypeExprKind,
};

/// A node of the tree.
#[derive(Clone, Copy)]
pub(crate) enum Node<'a> {
    Item(&'a Item),
    Stmt(&'a Stmt),
    Resource(&'a Resource),
    Block(&'a Block),
    Body(&'a Body),
    Attribute(&'a Attribute),
    Expr(&'a Expr),
    Arg(&'a Arg),
    Entry(&'a RecordEntry),
    Field(&'a Field),
    Type(&'a TypeExpr),
    Pattern(&'a Pattern),
}

impl Node<'_> {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Item(node) => node.span(),
            Self::Stmt(node) => node.span(),
            Self::Resource(node) => node.span,
            Self::Block(node) => node.span,
            Self::Body(node) => node.span,
            Self::Attribute(node) => node.span,
            Self::Expr(node) => node.span,
            Self::Arg(node) => node.span,
            Self::Entry(node) => node.span,
            Self::Field(node) => node.span,
            Self::Type(node) => node.span,
            Self::Pattern(node) => node.span,
        }
    }
}

/// Calls `see` for every node below these items. A tree is never deeper than the parser's limit.
pub(crate) fn walk<'a>(items: &'a [Item], see: &mut dyn FnMut(Node<'a>)) {
    items.iter().for_each(|item| item_node(item, see));
}

fn item_node<'a>(item: &'a Item, see: &mut dyn FnMut(Node<'a>)) {
    see(Node::Item(item));
    match item {
        Item::Use(_) | Item::Enum(_) | Item::Error(_) => {}
        Item::Type(def) => match &def.body {
            TypeDefBody::Record(list) => fields(list, see),
            TypeDefBody::Alias(alias) => ty(alias, see),
        },
        Item::Fn(def) => {
            fields(&def.params, see);
            def.result.iter().for_each(|result| ty(result, see));
            expr(&def.body, see);
        }
        Item::Fact(def) => {
            ty(&def.ty, see);
            def.default.iter().for_each(|default| expr(default, see));
        }
        Item::State(def) => {
            fields(&def.params, see);
            block(&def.body, see);
        }
        Item::Node(def) => {
            if let NodeSelector::Where(condition) = &def.selector {
                expr(condition, see);
            }
            block(&def.body, see);
        }
        Item::Inventory(def) => block(&def.body, see),
        Item::Stmt(inner) => stmt(inner, see),
    }
}

fn fields<'a>(list: &'a [Field], see: &mut dyn FnMut(Node<'a>)) {
    for field in list {
        see(Node::Field(field));
        ty(&field.ty, see);
        field.default.iter().for_each(|default| expr(default, see));
    }
}

fn ty<'a>(node: &'a TypeExpr, see: &mut dyn FnMut(Node<'a>)) {
    see(Node::Type(node));
    match &node.kind {
        TypeExprKind::Named(named) => {
            named.args.iter().for_each(|arg| ty(arg, see));
            if let Some(Refinement::Range(range)) = &named.refinement {
                range.start.iter().chain(&range.end).for_each(|bound| expr(bound, see));
            }
        }
        TypeExprKind::Optional(inner) => ty(inner, see),
        TypeExprKind::Record(list) => fields(list, see),
        TypeExprKind::Union(options) => options.iter().for_each(|option| ty(option, see)),
        TypeExprKind::Literal(_) | TypeExprKind::Error => {}
    }
}

fn block<'a>(node: &'a Block, see: &mut dyn FnMut(Node<'a>)) {
    see(Node::Block(node));
    node.stmts.iter().for_each(|inner| stmt(inner, see));
}

fn body<'a>(node: &'a Body, see: &mut dyn FnMut(Node<'a>)) {
    see(Node::Body(node));
    for attribute in &node.attributes {
        see(Node::Attribute(attribute));
        expr(&attribute.value, see);
    }
}

fn resource<'a>(node: &'a Resource, see: &mut dyn FnMut(Node<'a>)) {
    see(Node::Resource(node));
    expr(&node.name, see);
    node.body.iter().for_each(|inner| body(inner, see));
}

fn stmt<'a>(node: &'a Stmt, see: &mut dyn FnMut(Node<'a>)) {
    see(Node::Stmt(node));
    match node {
        Stmt::Resource(inner) => resource(inner, see),
        Stmt::Let(binding) => {
            binding.ty.iter().for_each(|written| ty(written, see));
            match &binding.value {
                LetValue::Resource(inner) => resource(inner, see),
                LetValue::Expr(value) => expr(value, see),
            }
        }
        Stmt::Call(call) => {
            expr(&call.callee, see);
            args(&call.args, see);
        }
        Stmt::For(each) => {
            expr(&each.iterable, see);
            each.filter.iter().for_each(|filter| expr(filter, see));
            block(&each.body, see);
        }
        Stmt::If(branches) => {
            for branch in &branches.branches {
                expr(&branch.condition, see);
                block(&branch.body, see);
            }
            branches.otherwise.iter().for_each(|otherwise| block(otherwise, see));
        }
        Stmt::Match(matched) => {
            expr(&matched.subject, see);
            for arm in &matched.arms {
                arm.patterns.iter().for_each(|pattern| see(Node::Pattern(pattern)));
                block(&arm.body, see);
            }
        }
        Stmt::Extend(extend) => {
            expr(&extend.target, see);
            body(&extend.body, see);
        }
        Stmt::Defaults(defaults) => body(&defaults.body, see),
        Stmt::Arrow(arrow) => {
            expr(&arrow.first, see);
            arrow.rest.iter().for_each(|step| expr(&step.operand, see));
        }
        Stmt::Error(_) => {}
    }
}

fn args<'a>(list: &'a [Arg], see: &mut dyn FnMut(Node<'a>)) {
    for arg in list {
        see(Node::Arg(arg));
        expr(&arg.value, see);
    }
}

fn clause<'a>(node: &'a ForClause, see: &mut dyn FnMut(Node<'a>)) {
    expr(&node.iterable, see);
    node.filter.iter().for_each(|filter| expr(filter, see));
}

fn expr<'a>(node: &'a Expr, see: &mut dyn FnMut(Node<'a>)) {
    see(Node::Expr(node));
    match &node.kind {
        ExprKind::Literal(_) | ExprKind::Name(_) | ExprKind::Error => {}
        ExprKind::Template(template) => {
            for part in &template.parts {
                if let TemplatePart::Expr(inner) = part {
                    expr(inner, see);
                }
            }
        }
        ExprKind::List(items) => items.iter().for_each(|item| expr(item, see)),
        ExprKind::Record(entries) => {
            for entry in entries {
                see(Node::Entry(entry));
                if let RecordKey::String(key) = &entry.key {
                    expr(key, see);
                }
                entry.value.iter().for_each(|value| expr(value, see));
            }
        }
        ExprKind::ListFor(list) => {
            clause(&list.clause, see);
            expr(&list.element, see);
        }
        ExprKind::MapFor(map) => {
            clause(&map.clause, see);
            expr(&map.key, see);
            expr(&map.value, see);
        }
        ExprKind::Paren(inner) => expr(inner, see),
        ExprKind::Unary(unary) => expr(&unary.operand, see),
        ExprKind::Binary(binary) => {
            expr(&binary.left, see);
            expr(&binary.right, see);
        }
        ExprKind::Range(range) => {
            expr(&range.start, see);
            expr(&range.end, see);
        }
        ExprKind::Field(access) => expr(&access.object, see),
        ExprKind::Call(call) => {
            expr(&call.callee, see);
            args(&call.args, see);
        }
        ExprKind::Index(index) => {
            expr(&index.object, see);
            expr(&index.index, see);
        }
        ExprKind::Lambda(lambda) => expr(&lambda.body, see),
        ExprKind::If(branches) => {
            for (condition, value) in &branches.branches {
                expr(condition, see);
                expr(value, see);
            }
            branches.otherwise.iter().for_each(|otherwise| expr(otherwise, see));
        }
        ExprKind::Match(matched) => {
            expr(&matched.subject, see);
            for arm in &matched.arms {
                arm.patterns.iter().for_each(|pattern| see(Node::Pattern(pattern)));
                expr(&arm.value, see);
            }
        }
    }
}
