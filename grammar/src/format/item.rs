//! Items.

use super::Printer;
use super::layout::{BRACES, Brackets, PARENS, Place};
use crate::ast::{
    EnumDef, FactDef, Field, File, FnDef, Ident, Item, NodeDef, NodePattern, NodeSelector, StateDef, TypeDef, TypeDefBody, Use,
    UseBinding,
};

impl Printer<'_> {
    /// Writes the whole file.
    pub(super) fn file(&mut self, file: &File) {
        for (index, item) in file.items.iter().enumerate() {
            let span = item.span();
            self.line_for(span.start, index == 0 && self.next_comment == 0);
            self.with_comments(span, |this| this.item(item));
            self.trailing_comment(true);
        }
        self.comments_before(file.span.end, file.items.is_empty());
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Use(item) => self.use_def(item),
            Item::Type(item) => self.type_def(item),
            Item::Enum(item) => self.enum_def(item),
            Item::Fn(item) => self.fn_def(item),
            Item::Fact(item) => self.fact_def(item),
            Item::State(item) => self.state_def(item),
            Item::Node(item) => self.node_def(item),
            Item::Inventory(item) => {
                self.push("inventory ");
                self.block(&item.body);
            }
            Item::Stmt(stmt) => self.stmt(stmt),
            Item::Error(span) => self.copy(*span),
        }
    }

    fn use_def(&mut self, item: &Use) {
        self.push("use ");
        self.push(&item.path.to_string());
        match &item.binding {
            UseBinding::Module => {}
            UseBinding::Alias(alias) => {
                self.push(" as ");
                self.push(&alias.name);
            }
            UseBinding::Members(members) => {
                self.push(" ");
                let place = Place { open: self.skip_trivia(item.path.span.end), close: item.span.end.saturating_sub(1) };
                self.bracketed(
                    BRACES,
                    place,
                    members,
                    |member| member.span,
                    |_, _| Vec::new(),
                    |this, member, _| {
                        this.push(&member.name.name);
                        if let Some(alias) = &member.alias {
                            this.push(" as ");
                            this.push(&alias.name);
                        }
                    },
                );
            }
        }
    }

    fn type_def(&mut self, item: &TypeDef) {
        self.push("type ");
        self.push(&item.name.name);
        match &item.body {
            TypeDefBody::Record(fields) => {
                self.push(" ");
                let place = Place { open: self.skip_trivia(item.name.span.end), close: item.span.end.saturating_sub(1) };
                self.fields(BRACES, place, fields);
            }
            TypeDefBody::Alias(ty) => {
                self.push(" = ");
                self.type_expr(ty);
            }
        }
    }

    fn enum_def(&mut self, item: &EnumDef) {
        self.push("enum ");
        self.push(&item.name.name);
        self.push(" ");
        let place = Place { open: self.skip_trivia(item.name.span.end), close: item.span.end.saturating_sub(1) };
        self.bracketed(
            BRACES,
            place,
            &item.members,
            |member| member.name.span,
            |_, _| Vec::new(),
            |this, member, _| {
                this.push(&member.name.name);
            },
        );
    }

    /// Writes parameters in the parentheses behind `name`.
    fn params(&mut self, name: &Ident, params: &[Field]) {
        let open = self.skip_trivia(name.span.end);
        let close = self.skip_trivia(params.last().map_or(open + 1, |param| param.span.end));
        self.fields(Brackets { ..PARENS }, Place { open, close }, params);
    }

    fn fn_def(&mut self, item: &FnDef) {
        self.push("fn ");
        self.push(&item.name.name);
        self.params(&item.name, &item.params);
        let mut end = item.name.span.end;
        if let Some(result) = &item.result {
            self.push(" -> ");
            self.type_expr(result);
            end = result.span.end;
        }
        self.push(" =");
        if self.has_newline(end, item.body.span.start) {
            self.indent += 1;
            // Behind the `=`.
            self.last_end = self.skip_trivia(end) + 1;
            self.comments_at_break(item.body.span.start);
            self.expr(&item.body);
            self.indent -= 1;
        } else {
            self.push(" ");
            self.expr(&item.body);
        }
    }

    fn fact_def(&mut self, item: &FactDef) {
        self.push("fact ");
        self.push(&item.name.name);
        self.push(": ");
        self.type_expr(&item.ty);
        if let Some(default) = &item.default {
            self.push(" = ");
            self.expr(default);
        }
    }

    fn state_def(&mut self, item: &StateDef) {
        self.push("state ");
        self.push(&item.name.name);
        self.params(&item.name, &item.params);
        self.push(" ");
        self.block(&item.body);
    }

    fn node_def(&mut self, item: &NodeDef) {
        self.push("node ");
        match &item.selector {
            NodeSelector::Where(condition) => {
                self.push("where ");
                self.expr(condition);
            }
            NodeSelector::Names(names) => {
                for (index, name) in names.iter().enumerate() {
                    if index > 0 {
                        self.push(", ");
                    }
                    match name {
                        NodePattern::Glob(_, span) => self.string(*span),
                        NodePattern::Regex(regex) => self.copy(regex.span),
                    }
                }
            }
            NodeSelector::Error(span) => self.copy(*span),
        }
        self.push(" ");
        self.block(&item.body);
    }
}
