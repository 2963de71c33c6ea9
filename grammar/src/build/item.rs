//! Items: what stands at the top level of a file.

use super::expr::hole;
use super::types::FieldsOf;
use super::{Builder, Node};
use crate::ast::{
    Block, EnumDef, EnumMember, Expr, FactDef, Field, FnDef, Ident, InventoryDef, Item, NodeDef, NodePattern, NodeSelector, Path,
    Span, StateDef, TypeDef, TypeDefBody, TypeExpr, TypeExprKind, Use, UseBinding, UseMember,
};
use crate::syntax::Rule;

impl<'s> Builder<'s> {
    /// Builds the items of a whole file.
    pub(crate) fn file(&mut self, node: Node<'s>) -> Vec<Item> {
        let inner = node.into_inner();
        let mut items = Vec::with_capacity(inner.len());
        items.extend(inner.filter(|node| node.as_rule() != Rule::EOI).map(|node| self.item(node)));
        items
    }

    /// Builds one item.
    pub(crate) fn item(&mut self, node: Node<'s>) -> Item {
        let span = self.span(&node);
        match node.as_rule() {
            Rule::use_def => Item::Use(Box::new(self.use_def(node, span))),
            Rule::type_def => Item::Type(Box::new(self.type_def(node, span))),
            Rule::enum_def => Item::Enum(Box::new(self.enum_def(node, span))),
            Rule::fn_def => Item::Fn(Box::new(self.fn_def(node, span))),
            Rule::fact_def => Item::Fact(Box::new(self.fact_def(node, span))),
            Rule::state_def => Item::State(Box::new(self.state_def(node, span))),
            Rule::node_def => Item::Node(Box::new(self.node_def(node, span))),
            Rule::inventory_def => Item::Inventory(Box::new(self.inventory_def(node, span))),
            _ => Item::Stmt(self.stmt(node)),
        }
    }

    fn use_def(&mut self, node: Node<'s>, span: Span) -> Use {
        let mut path = Path { segments: Vec::new(), span };
        let mut binding = UseBinding::Module;
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::path => path = self.path(part),
                Rule::use_alias => {
                    if let Some(alias) = self.alias(part) {
                        binding = UseBinding::Alias(alias);
                    }
                }
                _ => binding = UseBinding::Members(part.into_inner().map(|member| self.use_member(member)).collect()),
            }
        }
        if let (UseBinding::Module, Some(last)) = (&binding, path.last().cloned())
            && crate::keywords::is_keyword(&last.name)
        {
            self.keyword_as_name(&last);
        }
        Use { path, binding, span }
    }

    fn alias(&mut self, node: Node<'s>) -> Option<Ident> {
        node.into_inner().next().map(|name| self.ident(&name))
    }

    pub(crate) fn use_member(&mut self, node: Node<'s>) -> UseMember {
        let span = self.span(&node);
        let mut parts = node.into_inner();
        let name = parts.next().map_or(Ident { name: "".into(), span }, |name| self.ident(&name));
        let alias = parts.next().and_then(|alias| self.alias(alias));
        UseMember { name, alias, span }
    }

    fn type_def(&mut self, node: Node<'s>, span: Span) -> TypeDef {
        let doc = self.doc(span.start);
        let mut parts = node.into_inner();
        let name = self.name_of(parts.next(), span);
        let body = match parts.next() {
            Some(body) if body.as_rule() == Rule::record_type => TypeDefBody::Record(self.fields(body, FieldsOf::Record)),
            Some(body) => TypeDefBody::Alias(self.type_expr(body)),
            None => TypeDefBody::Alias(TypeExpr { kind: TypeExprKind::Error, span }),
        };
        TypeDef { doc, name, body, span }
    }

    fn enum_def(&mut self, node: Node<'s>, span: Span) -> EnumDef {
        let doc = self.doc(span.start);
        let mut parts = node.into_inner();
        let name = self.name_of(parts.next(), span);
        let members =
            parts.map(|member| EnumMember { name: self.ident(&member), doc: self.doc(self.span(&member).start) }).collect();
        EnumDef { doc, name, members, span }
    }

    fn fn_def(&mut self, node: Node<'s>, span: Span) -> FnDef {
        let doc = self.doc(span.start);
        let mut parts = node.into_inner();
        let name = self.name_of(parts.next(), span);
        let params = parts.next().map(|params| self.fields(params, FieldsOf::Params)).unwrap_or_default();
        let result = parts.next().map(|result| self.type_expr(result));
        let body = parts.next().map_or(hole(span), |body| self.expr(body));
        FnDef { doc, name, params, result, body, span }
    }

    fn fact_def(&mut self, node: Node<'s>, span: Span) -> FactDef {
        let doc = self.doc(span.start);
        let field = node.into_inner().next().map(|field| self.field(field, FieldsOf::Params));
        let (name, ty, default) = match field {
            Some(Field { name, ty, default, .. }) => (name, ty, default),
            None => (Ident { name: "".into(), span }, TypeExpr { kind: TypeExprKind::Error, span }, None),
        };
        FactDef { doc, name, ty, default, span }
    }

    fn state_def(&mut self, node: Node<'s>, span: Span) -> StateDef {
        let doc = self.doc(span.start);
        let mut parts = node.into_inner();
        let name = self.name_of(parts.next(), span);
        let params = parts.next().map(|params| self.fields(params, FieldsOf::Params)).unwrap_or_default();
        let body = parts.next().map_or(Block { stmts: Vec::new(), span }, |body| self.block(body));
        StateDef { doc, name, params, body, span }
    }

    fn node_def(&mut self, node: Node<'s>, span: Span) -> NodeDef {
        let doc = self.doc(span.start);
        let mut parts = node.into_inner();
        let selector = parts.next().map_or(NodeSelector::Error(span), |selector| self.node_selector(selector));
        let body = parts.next().map_or(Block { stmts: Vec::new(), span }, |body| self.block(body));
        NodeDef { doc, selector, body, span }
    }

    fn inventory_def(&mut self, node: Node<'s>, span: Span) -> InventoryDef {
        let doc = self.doc(span.start);
        let body = node.into_inner().next().map_or(Block { stmts: Vec::new(), span }, |body| self.block(body));
        InventoryDef { doc, body, span }
    }

    /// Builds what stands between `node` and its block.
    pub(crate) fn node_selector(&mut self, node: Node<'s>) -> NodeSelector {
        if node.as_rule() == Rule::node_where {
            let span = self.span(&node);
            let expr: Expr = node.into_inner().next().map_or(hole(span), |expr| self.expr(expr));
            return NodeSelector::Where(expr);
        }
        let names = node.into_inner().map(|name| match name.as_rule() {
            Rule::regex => NodePattern::Regex(self.regex(&name)),
            _ => {
                let (text, span) = self.plain(name);
                NodePattern::Glob(text, span)
            }
        });
        NodeSelector::Names(names.collect())
    }

    fn name_of(&mut self, node: Option<Node<'s>>, span: Span) -> Ident {
        node.map_or(Ident { name: "".into(), span }, |node| self.ident(&node))
    }
}
