//! Items that the strict grammar did not take.

use super::cursor::is_gap;
use super::lex::Kind;
use super::{Parsed, Recovery};
use crate::ast::{
    EnumDef, EnumMember, FactDef, FnDef, Ident, InventoryDef, Item, NodeDef, NodeSelector, Path, Span, StateDef, TypeDef,
    TypeDefBody, Use, UseBinding,
};
use crate::build::{Builder, FieldsOf, hole};
use crate::error::SyntaxError;
use crate::keywords::starts_item;
use crate::syntax::Rule;

impl Recovery<'_, '_> {
    /// Parses the item that starts with the keyword `word`.
    pub(super) fn broken_item(&mut self, word: &str) -> Parsed {
        let start = self.at;
        let item = match word {
            "use" => self.broken_use(),
            "type" => self.broken_type(),
            "enum" => self.broken_enum(),
            "fn" => self.broken_fn(),
            "fact" => self.broken_fact(),
            "state" => self.broken_state(),
            "inventory" => Some(self.broken_inventory()),
            _ => self.broken_node(),
        };
        match item {
            Some(item) => Parsed::Item(item),
            None => {
                self.at = self.at.max(start + 1);
                Parsed::Nothing(self.span_from(start))
            }
        }
    }

    /// Reports that something else than `what` stands here, and moves behind the item that started at `start`.
    fn give_up(&mut self, start: usize, what: &str) {
        let error = self.unexpected(self.at, what);
        self.error(error);
        self.at = self.item_end(start).max(self.at);
    }

    /// Returns the token before which the item that starts at `start` ends, its block included.
    fn item_end(&self, start: usize) -> usize {
        self.piece_end(start, false)
    }

    fn broken_use(&mut self) -> Option<Item> {
        let start = self.at;
        self.at += 1;
        let from = self.offset();
        let Ok((path, end)) = self.strict(Rule::path, from, Builder::path) else {
            self.give_up(start, "the path of a module after `use`");
            return None;
        };
        self.seek(end);
        let mut binding = UseBinding::Module;
        if self.take("as") {
            binding = UseBinding::Alias(self.name("a name", "as")?);
        } else if self.is("{") {
            return self.broken_use_members(start, path);
        } else if self.text_is(self.at, ".") {
            let mut error = self.unexpected(self.at + 1, "a name after `.`");
            error.code = "missing-name";
            error.span = Span::at(self.end_before(self.at + 1));
            self.error(error);
            self.at = self.item_end(start).max(self.at);
        } else {
            self.give_up(start, "`as`, `{` or the end of the line");
        }
        let span = self.span_from(start);
        Some(Item::Use(Box::new(Use { path, binding, span })))
    }

    fn broken_use_members(&mut self, start: usize, path: Path) -> Option<Item> {
        let open = self.at;
        self.at += 1;
        let mut members = Vec::new();
        while self.next_element(open, "}") {
            let before = self.at;
            let at = self.offset();
            match self.strict(Rule::use_member, at, Builder::use_member) {
                Ok((member, end)) => {
                    members.push(member);
                    self.seek(end);
                    self.separator("}");
                }
                Err(_) => {
                    let error = self.unexpected(self.at, "a name");
                    self.error(error);
                    self.skip_piece(true);
                }
            }
            self.skip_gap();
            self.take(",");
            self.at = self.at.max(before + 1);
        }
        let span = self.span_from(start);
        Some(Item::Use(Box::new(Use { path, binding: UseBinding::Members(members), span })))
    }

    /// Moves to the next element of the list that `open` opened; false at its end, which is taken, and where it is left open.
    fn next_element(&mut self, open: usize, closer: &str) -> bool {
        self.skip_gap();
        if self.take(closer) {
            return false;
        }
        let left = self.is_first_on_line(self.at) && self.indent(self.at) <= self.indent(open);
        if self.token().is_none() || left {
            self.unclosed(open);
            return false;
        }
        true
    }

    /// Checks that an element is followed by a separator.
    fn separator(&mut self, closer: &str) {
        let Some(token) = self.token() else { return };
        if is_gap(token.kind) || self.is(",") || self.is(closer) {
            return;
        }
        if token.kind == Kind::Word {
            let place = Span::at(self.end_of_last());
            let mut error = SyntaxError::new(
                "missing-separator",
                place,
                format!("expected `,` or a newline before {}", self.describe(self.at)),
            );
            error.expected.push("`,`".to_owned());
            self.error(error);
            return;
        }
        let error = self.unexpected(self.at, &format!("`,` or `{closer}`"));
        self.error(error);
        self.skip_piece(true);
    }

    fn broken_type(&mut self) -> Option<Item> {
        let start = self.at;
        self.at += 1;
        let name = self.name("a name", "type")?;
        let body = if self.is("{") {
            TypeDefBody::Record(self.fields(self.at, FieldsOf::Record))
        } else if self.take("=") {
            match self.type_piece() {
                Some(ty) => TypeDefBody::Alias(ty),
                None => {
                    self.at = self.item_end(start).max(self.at);
                    return None;
                }
            }
        } else {
            self.give_up(start, "`{` or `=` after the name of the type");
            return None;
        };
        let span = self.span_from(start);
        Some(Item::Type(Box::new(TypeDef { doc: None, name, body, span })))
    }

    fn broken_enum(&mut self) -> Option<Item> {
        let start = self.at;
        self.at += 1;
        let name = self.name("a name", "enum")?;
        if !self.is("{") {
            self.give_up(start, "`{` after the name of the enum");
            return None;
        }
        let open = self.at;
        self.at += 1;
        let mut members = Vec::new();
        while self.next_element(open, "}") {
            let before = self.at;
            if self.kind(self.at) == Some(Kind::Word) {
                if let Some(name) = self.name("a name", "enum") {
                    members.push(EnumMember { doc: None, name });
                    self.separator("}");
                }
            } else {
                let mut error = self.unexpected(self.at, "a name");
                if self.kind(self.at) == Some(Kind::String) {
                    error.hint = Some("members are plain words; for texts use a type: `type T = \"a\" | \"b\"`".into());
                }
                self.error(error);
                self.skip_piece(true);
            }
            self.skip_gap();
            self.take(",");
            self.at = self.at.max(before + 1);
        }
        let span = self.span_from(start);
        Some(Item::Enum(Box::new(EnumDef { doc: None, name, members, span })))
    }

    fn broken_fn(&mut self) -> Option<Item> {
        let start = self.at;
        self.at += 1;
        let name = self.name("a name", "fn")?;
        if !self.is("(") {
            self.give_up(start, "`(` and parameters after the name of the function");
            return None;
        }
        let errors = self.builder.errors.len();
        let params = self.fields(self.at, FieldsOf::Params);
        let is_broken = self.builder.errors.len() > errors;
        let mut result = None;
        let mut body = hole(Span::at(self.end_of_last()));
        if self.text_is(self.next_significant(self.at), "->") {
            self.skip_gap();
            self.at += 1;
            result = self.type_piece();
            if result.is_some() && self.text_is(self.next_significant(self.at), "=") {
                self.skip_gap();
                self.at += 1;
                let next = self.next_significant(self.at);
                let starts_next = starts_item(self.text(next)) || self.looks_like_start(next);
                if !starts_next {
                    self.skip_gap();
                }
                body = self.value_piece("an expression", false);
            } else if result.is_some() {
                if self.is("{") {
                    self.fn_block();
                } else {
                    self.expected_equals();
                }
            }
        } else if !is_broken {
            if self.is("{") {
                self.fn_block();
            } else {
                let mut error = self.unexpected(self.at, "`->` and the type of the result");
                error.code = "missing-type";
                error.span = Span::at(self.end_of_last());
                self.error(error.with_hint("a function is written `fn f(x: Int) -> Int = x + 1`"));
            }
        }
        if self.token().is_some_and(|token| !is_gap(token.kind)) {
            self.at = self.item_end(self.at).max(self.at);
        }
        let span = self.span_from(start);
        Some(Item::Fn(Box::new(FnDef { doc: None, name, params, result, body, span })))
    }

    /// Reports that a function has a block where an expression should stand.
    fn fn_block(&mut self) {
        let Some(token) = self.token() else { return };
        let error = SyntaxError::new("expected-equals", token.span, "expected `=` and an expression, found a block");
        self.error(error.with_hint("a function is one expression: `fn f(x: Int) -> Int = x + 1`"));
    }

    fn broken_fact(&mut self) -> Option<Item> {
        let start = self.at;
        self.at += 1;
        let name = self.name("a name", "fact")?;
        if !self.take(":") {
            let error = SyntaxError::new(
                "missing-type",
                Span::at(name.span.end),
                format!("expected `:` and a type after `{}`", name.name),
            );
            self.error(error.with_hint("a fact is declared with its type: `fact rack: String = \"none\"`"));
            self.at = self.item_end(start).max(self.at);
            return None;
        }
        let Some(ty) = self.type_piece() else {
            self.at = self.item_end(start).max(self.at);
            return None;
        };
        let mut default = None;
        if self.take("=") {
            default = Some(self.value_piece("a value", false));
        } else {
            self.give_up(start, "`=` or the end of the line");
        }
        let span = self.span_from(start);
        Some(Item::Fact(Box::new(FactDef { doc: None, name, ty, default, span })))
    }

    fn broken_state(&mut self) -> Option<Item> {
        let start = self.at;
        self.at += 1;
        let name = match self.kind(self.at) {
            Some(Kind::Word) => self.name("a name", "state")?,
            _ => self.missing_name("state"),
        };
        let errors = self.builder.errors.len();
        let params = if self.is("(") {
            self.fields(self.at, FieldsOf::Params)
        } else {
            if !name.is_missing() {
                let place = Span::at(self.end_of_last());
                let mut error =
                    SyntaxError::new("missing-delimiter", place, "expected `(` and parameters after the name of the state");
                error.expected.push("`(`".to_owned());
                self.error(error.with_hint(format!("a state without parameters is `state {}() {{ … }}`", name.name)));
            }
            Vec::new()
        };
        let is_broken = name.is_missing() || self.builder.errors.len() > errors;
        if !self.is("{") {
            if let Some(open) = self.find_brace(self.at) {
                if !is_broken {
                    let error = self.unexpected(self.at, "`{`");
                    self.error(error);
                }
                self.at = open;
            } else {
                if !is_broken {
                    self.missing_block();
                }
                self.at = self.item_end(self.at).max(self.at);
            }
        }
        let open = self.is("{").then_some(self.at);
        let body = self.block_after(open, start);
        let span = self.span_from(start);
        Some(Item::State(Box::new(StateDef { doc: None, name, params, body, span })))
    }

    fn missing_name(&mut self, after: &str) -> Ident {
        let place = Span::at(self.end_of_last());
        let mut error = self.unexpected(self.at, &format!("a name after `{after}`"));
        error.code = "missing-name";
        if self.token().is_none_or(|token| is_gap(token.kind)) {
            error.span = place;
        }
        self.error(error);
        Ident { name: "".into(), span: place }
    }

    fn broken_inventory(&mut self) -> Item {
        let start = self.at;
        let body = self.block_after(Some(start + 1), start);
        let span = self.span_from(start);
        Item::Inventory(Box::new(InventoryDef { doc: None, body, span }))
    }

    fn broken_node(&mut self) -> Option<Item> {
        let start = self.at;
        self.at += 1;
        let from = self.offset();
        let rule = if self.is("where") { Rule::node_where } else { Rule::node_names };
        let mark = self.mark();
        let mut selector = NodeSelector::Error(Span::at(self.tokens[start].span.end));
        let mut open = None;
        if let Ok((parsed, end)) = self.strict(rule, from, Builder::node_selector) {
            let next = self.index_at(end);
            if self.text_is(next, "{") {
                open = Some(next);
                selector = parsed;
            } else if self.kind(next) == Some(Kind::Word) || self.kind(next).is_none_or(is_gap) {
                self.at = next;
                self.missing_block();
                self.at = self.piece_end(next, false);
                let body = self.block_after(None, start);
                let span = self.span_from(start);
                return Some(Item::Node(Box::new(NodeDef { doc: None, selector: parsed, body, span })));
            }
        }
        if open.is_none() {
            self.reset(mark);
            open = self.find_brace(start + 1);
            let end = open.unwrap_or_else(|| self.piece_end(start, false));
            let piece = Span::new(from, self.start_of(end).max(from));
            if start + 1 >= end {
                let mut error = self.missing(start + 1, "a name pattern or `where`");
                error.code = "missing-name";
                self.error(error.with_hint(
                    "nodes are chosen by name, `node \"web-*\"`, or by facts, `node where facts.os.family == debian`",
                ));
            } else {
                match self.strict_in(Rule::only_node, piece, Builder::node_selector) {
                    Ok((parsed, _)) => {
                        selector = parsed;
                        if open.is_none() {
                            self.at = end;
                            self.missing_block();
                        }
                    }
                    Err(failure) => {
                        self.reset(mark);
                        let error = self.diagnose_node(piece, failure);
                        self.builder.errors.extend(error);
                    }
                }
            }
            self.at = end;
        }
        let body = self.block_after(open, start);
        let span = self.span_from(start);
        Some(Item::Node(Box::new(NodeDef { doc: None, selector, body, span })))
    }

    fn diagnose_node(&self, piece: Span, failure: crate::build::Failure) -> Option<SyntaxError> {
        let first = self.index_at(piece.start);
        if self.kind(first) == Some(Kind::Word) && !self.text_is(first, "where") {
            let text = piece.text(self.source).trim();
            let mut error = self.unexpected(first, "a name pattern in quotes, `/re/` or `where`");
            error.hint = Some(format!("write `node \"{text}\" {{ … }}`, or `node where {text} {{ … }}`").into());
            return Some(error);
        }
        self.diagnose(piece, failure, "a name pattern")
    }
}
