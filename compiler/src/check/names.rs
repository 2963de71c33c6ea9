//! Names, fields and indexes: what a bare word stands for.

use std::sync::Arc;

use stead_catalog::{EnumType, Type, Value};
use stead_grammar::ast::{self, Expr, ExprKind, FieldAccess, Ident, Item, Span, Stmt};

use super::expr::describe;
use super::scope::{Checker, User};
use crate::defs::Def;
use crate::hir::{self, Kind};
use crate::index::{ContextKind, Target, TextRole};
use crate::issue::Issue;
use crate::typing::{self, Fit};

impl Checker<'_> {
    /// A name that is a variable, or one of the three that every file knows.
    fn variable(&mut self, name: &str, span: Span) -> Option<(hir::Expr, Type)> {
        if let Some(local) = self.local(name) {
            let (slot, ty, declared) = (local.slot, local.ty.clone(), local.span);
            self.unused.note_use(declared);
            self.note_variable(span, declared);
            return Some((hir::Expr::new(Kind::Local(slot), span), ty));
        }
        if let Some(global) = self.global(name) {
            let global = global.clone();
            self.unused.note_use(global.span);
            self.note_variable(span, global.span);
            self.note_use(User::Global(global.id), span);
            return Some((hir::Expr::new(Kind::Global(global.id), span), global.ty));
        }
        if self.in_inventory && matches!(name, "facts" | "data" | "node") {
            let message = format!("`{name}` is not known in an inventory");
            let hint = "an inventory says which nodes there are before any of them is looked at";
            self.error_hint("inventory-needs-node", span, message, hint);
            return Some((hir::Expr::error(span), Type::Any));
        }
        let (kind, ty) = match name {
            "facts" => (Kind::Facts, self.program.facts.clone()),
            "data" => (Kind::Data, Type::Any),
            "node" => (Kind::Node, super::node_type()),
            _ => return None,
        };
        self.note(span, |_| {
            Some(match name {
                "facts" => Target::Fact(Vec::new()),
                "data" => Target::Data(Vec::new()),
                _ => Target::Node(Vec::new()),
            })
        });
        Some((hir::Expr::new(kind, span), ty))
    }

    /// A name where no type is expected.
    pub(crate) fn name(&mut self, name: &Arc<str>, span: Span) -> (hir::Expr, Type) {
        self.note_marker(name, span, || ContextKind::Value { expected: None });
        if let Some((expr, ty)) = self.variable(name, span) {
            let bare = Expr { kind: ExprKind::Name(name.clone()), span };
            let ty = self.narrowed(&bare).unwrap_or(ty);
            return (expr, ty);
        }
        self.not_a_value(name, span);
        (hir::Expr::error(span), Type::Any)
    }

    /// A name where a type is expected: a variable, or a bare word of an enum.
    pub(crate) fn check_name(&mut self, name: &Arc<str>, want: &Type, span: Span) -> hir::Expr {
        self.note_marker(name, span, || ContextKind::Value { expected: Some(want.clone()) });
        let mut enums = Vec::new();
        typing::enums_of(want, &mut enums);
        let is_member = enums.iter().any(|choice| choice.members.contains(name));
        if is_member {
            let fits = self.local(name).map(|local| &local.ty).or_else(|| self.global(name).map(|global| &global.ty));
            if !fits.is_some_and(|ty| typing::fit(ty, want) != Fit::No && *ty != Type::Any) {
                for choice in enums {
                    self.note_member(span, choice, name);
                    self.lint_deprecated_member(span, choice, name);
                }
                return self.admit_constant(Value::Member(name.clone()), want, span);
            }
        }
        if typing::without_none(&typing::without_secret(want).0) == Type::Bool && !self.is_bound(name) {
            let word = match name.to_ascii_lowercase().as_str() {
                "yes" | "on" | "true" | "enabled" | "y" => Some("true"),
                "no" | "off" | "false" | "disabled" | "n" => Some("false"),
                _ => None,
            };
            if let Some(word) = word {
                let issue = Issue::error("unknown-name", self.loc(span), format!("there is no `{name}` here, expected a bool"));
                self.report(issue.hint(format!("write `{word}`")).replacement(None, word));
                return hir::Expr::error(span);
            }
        }
        if !enums.is_empty() && !self.is_bound(name) && !name.is_empty() {
            self.unknown_member(name, &enums, span);
            return hir::Expr::error(span);
        }
        let (expr, ty) = self.name(name, span);
        self.coerce(expr, &ty, want)
    }

    pub(crate) fn unknown_member(&mut self, name: &str, enums: &[&Arc<EnumType>], span: Span) {
        let members: Vec<&str> = enums.iter().flat_map(|choice| choice.members.iter().map(|m| &**m)).collect();
        let message = match enums {
            [one] if !one.name.is_empty() => format!("`{}` has no member `{name}`", one.name),
            _ => format!("found `{name}`, expected one of {}", members.join(", ")),
        };
        let issue = Issue::error("unknown-member", self.loc(span), message);
        let variables: Vec<&str> = self.locals.iter().map(|local| &*local.name).collect();
        let suggestions = &mut self.suggestions;
        let issue = match suggestions.closest(name, members.iter().copied()).or_else(|| suggestions.closest(name, variables)) {
            Some(best) => issue.suggest(Some(best)),
            None => issue.hint(format!("its members are {}", members.join(", "))),
        };
        self.report(issue);
    }

    /// Reports a name that is no value here.
    fn not_a_value(&mut self, name: &str, span: Span) {
        if name.is_empty() || self.program.is_broken_import(self.file, name) {
            return;
        }
        let at = self.loc(span);
        let found = self.program.lookup(self.file, name);
        if let Some(def) = found {
            self.note(span, |program| Some(program.target(def)));
        }
        let issue = match found {
            Some(Def::Fn(id)) => {
                let params = &self.program.fns[id as usize].params;
                let needs_none = params.iter().all(|param| param.has_default || matches!(param.ty, Type::Optional(_)));
                let issue = Issue::error("not-a-value", at, format!("`{name}` is a function"));
                match needs_none {
                    true => issue.hint(format!("call it: `{name}()`")).replacement(None, format!("{name}()")),
                    false => issue.hint(format!("call it: `{name}(…)`")),
                }
            }
            Some(Def::State(_)) => Issue::error("not-a-value", at, format!("`{name}` is a state"))
                .hint(format!("call it as a statement: `{name}(…)`, or `let x = {name}(…)` to refer to its resources")),
            Some(Def::Type(_)) => Issue::error("not-a-value", at, format!("`{name}` is a type")).hint("a value is expected here"),
            Some(Def::Module(_)) => {
                Issue::error("not-a-value", at, format!("`{name}` is a module")).hint(format!("name a member of it: `{name}.…`"))
            }
            None if self.program.schemas.index(name).is_some() => {
                Issue::error("not-a-value", at, format!("`{name}` is a resource type"))
                    .hint(format!("refer to a resource of that type: `{name}[\"…\"]`"))
            }
            None if crate::builtins::function(name).is_some() => {
                Issue::error("not-a-value", at, format!("`{name}` is a function")).hint(format!("call it: `{name}(…)`"))
            }
            None => {
                let mut names: Vec<&str> = self.locals.iter().rev().map(|local| &*local.name).collect();
                names.extend(self.globals.iter().map(|global| &*global.name));
                names.extend(["facts", "data", "node"]);
                names.extend(self.program.visible(self.file));
                let best = self.suggestions.closest(name, names).map(str::to_owned);
                let issue = Issue::error("unknown-name", at, format!("there is no `{name}` here"));
                let bound = self.bound_at_top(name);
                match best {
                    _ if bound.is_some_and(|bound| self.is_above(span, bound)) => {
                        let hint = format!("a `let` is known from there on: move `let {name} = …` above this");
                        issue.label(self.loc(bound.unwrap_or(span)), "bound here").hint(hint)
                    }
                    _ if bound.is_some() => {
                        issue.hint("that is bound at the top level: refer to the resource by type and name, `type[\"name\"]`")
                    }
                    Some(best) => issue.suggest(Some(&best)),
                    None => issue.hint("a bare word is a member only where an enum is expected; text is written in quotes"),
                }
            }
        };
        self.report(issue);
    }

    /// The place of the `let` at the top level of the file that binds the name. Where it binds a resource, states and node blocks do not
    /// see it.
    fn bound_at_top(&self, name: &str) -> Option<Span> {
        let items = &self.program.files[self.file as usize].tree.items;
        items.iter().find_map(|item| match item {
            Item::Stmt(Stmt::Let(binding)) if *binding.name.name == *name => Some(binding.name.span),
            _ => None,
        })
    }

    /// Says whether a place at the top level of the file comes before what is bound there.
    fn is_above(&self, span: Span, bound: Span) -> bool {
        let items = &self.program.files[self.file as usize].tree.items;
        let holds = |item: &&Item| item.span().start <= span.start && span.end <= item.span().end;
        span.start < bound.start && matches!(items.iter().find(holds), Some(Item::Stmt(_)))
    }

    /// The module that an expression names, if it names one.
    pub(crate) fn module_of(&self, expr: &Expr) -> Option<u32> {
        match &expr.unparen().kind {
            ExprKind::Name(name) if self.local(name).is_none() && self.global(name).is_none() => {
                match self.program.lookup(self.file, name) {
                    Some(Def::Module(module)) => Some(module),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The definition that `name` or `module.name` stands for.
    pub(crate) fn definition(&self, expr: &Expr) -> Option<Def> {
        match &expr.unparen().kind {
            ExprKind::Name(name) if self.local(name).is_none() && self.global(name).is_none() => {
                self.program.lookup(self.file, name)
            }
            ExprKind::Field(access) => {
                let module = self.module_of(&access.object)?;
                self.program.member(self.file, module, &access.name.name)
            }
            _ => None,
        }
    }

    /// Notes the names of a callee, or of the type before a member.
    pub(crate) fn note_definition(&mut self, expr: &Expr, def: Def) {
        match &expr.unparen().kind {
            ExprKind::Name(_) => self.note(expr.unparen().span, |program| Some(program.target(def))),
            ExprKind::Field(access) => {
                self.note(access.name.span, |program| Some(program.target(def)));
                if let Some(module) = self.module_of(&access.object) {
                    self.note_module(&access.object, module);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn note_module(&mut self, expr: &Expr, module: u32) {
        self.note(expr.unparen().span, |program| Some(program.target(Def::Module(module))));
    }

    /// Notes what stands before a dot, where the marker stands behind it, and what the field is.
    fn note_receiver(&mut self, access: &FieldAccess, receiver: &Type, is_optional: bool) {
        if self.notes.is_none() {
            return;
        }
        self.note_marker(&access.name.name, access.name.span, || ContextKind::Member {
            receiver: receiver.clone(),
            is_optional,
            path: crate::index::notes::dotted(&access.object),
        });
        self.note_field(access.name.span, &access.object, receiver, &access.name.name);
    }

    pub(crate) fn field(&mut self, access: &FieldAccess, whole: &Expr) -> (hir::Expr, Type) {
        let span = whole.span;
        if let Some(module) = self.module_of(&access.object) {
            self.note_module(&access.object, module);
            let directory = || self.program.modules[module as usize].directory.clone();
            let directory = directory();
            self.note_marker(&access.name.name, access.name.span, || ContextKind::ModuleMember {
                module: directory,
                is_statement: false,
                is_type: false,
            });
            return self.module_member(module, &access.name, span);
        }
        if let Some(Def::Type(id)) = self.definition(&access.object) {
            self.note_definition(&access.object, Def::Type(id));
            return self.qualified_member(id, &access.name, span);
        }
        let (object, object_type) = self.infer(&access.object);
        let (plain, secret) = typing::without_secret(&object_type);
        let (inner, is_optional) = match &plain {
            Type::Optional(inner) => ((**inner).clone(), true),
            other => (other.clone(), false),
        };
        self.note_receiver(access, &inner, is_optional);
        if is_optional && !access.optional {
            let hint = format!("write `?.{}`, or look first with `if … != none`", access.name.name);
            let message = "the value may be none and has no fields then";
            let dot = Span::new(access.object.span.end, access.name.span.start);
            let issue = Issue::error("optional-value", self.loc(access.object.span), message);
            self.report(issue.hint(hint).replacement(Some(dot), "?."));
            return (hir::Expr::error(span), Type::Any);
        }
        let Some(ty) = self.field_type(&inner, &access.name, &access.object) else {
            return (hir::Expr::error(span), Type::Any);
        };
        let mut ty = if is_optional && ty != Type::Any { Type::optional(ty) } else { ty };
        if let Some(narrowed) = self.narrowed(whole) {
            ty = narrowed;
        }
        if secret {
            ty = typing::secret(ty);
        }
        let optional = access.optional;
        if matches!(object.kind, Kind::Error) {
            return (hir::Expr::error(span), ty);
        }
        let field = hir::Field { object, name: access.name.name.clone(), name_span: access.name.span, optional };
        (hir::Expr::new(Kind::Field(Box::new(field)), span), ty)
    }

    fn field_type(&mut self, object: &Type, name: &Ident, object_expr: &Expr) -> Option<Type> {
        if name.is_missing() {
            return None;
        }
        match object {
            Type::Any => Some(Type::Any),
            Type::Map(item) => Some((**item).clone()),
            Type::Record(record) => {
                let is_facts = crate::resolve::bare_name(object_expr).is_some_and(|root| &**root == "facts");
                if let Some(field) = record.fields.iter().find(|field| field.name == name.name) {
                    self.lint_deprecated_field(name.span, if is_facts { "fact" } else { "field" }, field);
                    return Some(field.ty.clone());
                }
                let names = || record.fields.iter().map(|field| &*field.name);
                let (code, what) = match (is_facts, record.name.is_empty()) {
                    (true, _) => ("unknown-fact", "there is no fact".to_owned()),
                    (false, true) => ("unknown-field", "the record has no field".to_owned()),
                    (false, false) => ("unknown-field", format!("`{}` has no field", record.name)),
                };
                let issue = Issue::error(code, self.loc(name.span), format!("{what} `{}`", name.name));
                if let Some(best) = self.suggestions.closest(&name.name, names()) {
                    self.report(issue.suggest(Some(best)));
                    return None;
                }
                if let Some(method) = crate::builtins::method(object, &name.name) {
                    self.report(is_a_method(issue, method));
                    return None;
                }
                let hint = match name.as_str() {
                    _ if is_facts => format!("a fact of your own is declared with `fact {}: String`", name.name),
                    _ => format!("its fields are {}", names().collect::<Vec<_>>().join(", ")),
                };
                self.report(issue.hint(hint));
                None
            }
            other => {
                let issue = Issue::error(
                    "unknown-field",
                    self.loc(name.span),
                    format!("{} has no field `{}`", describe(other), name.name),
                );
                let method = crate::builtins::method(other, &name.name);
                self.report(match method {
                    Some(method) => is_a_method(issue, method),
                    None => issue,
                });
                None
            }
        }
    }

    fn module_member(&mut self, module: u32, name: &Ident, span: Span) -> (hir::Expr, Type) {
        let module = &self.program.modules[module as usize];
        if let Some((def, _)) = module.names.get(&name.name) {
            let def = *def;
            self.note(name.span, |program| Some(program.target(def)));
        }
        let issue = match module.names.get(&name.name) {
            _ if name.is_missing() => return (hir::Expr::error(span), Type::Any),
            Some((def, _)) => {
                let what = match def {
                    Def::Fn(_) => "a function: call it",
                    Def::State(_) => "a state: call it as a statement",
                    Def::Type(_) => "a type",
                    Def::Module(_) => "a module",
                };
                Issue::error("not-a-value", self.loc(span), format!("`{}` is {what}", name.name))
            }
            None => crate::imports::missing_member(module, &module.name, name, self.loc(name.span), &mut self.suggestions),
        };
        self.report(issue);
        (hir::Expr::error(span), Type::Any)
    }

    /// `Env.prod`.
    fn qualified_member(&mut self, id: u32, name: &Ident, span: Span) -> (hir::Expr, Type) {
        let info = &self.program.types[id as usize];
        let ty = info.ty.clone();
        self.note_marker(&name.name, name.span, || ContextKind::EnumMember(ty.clone()));
        match &ty {
            _ if name.is_missing() => {}
            Type::Enum(choice) if choice.members.contains(&name.name) => {
                self.note_member(name.span, choice, &name.name);
                self.lint_deprecated_member(name.span, choice, &name.name);
                return (hir::Expr::new(Kind::Const(Value::Member(name.name.clone())), span), ty.clone());
            }
            Type::Enum(choice) => self.unknown_member(&name.name, &[choice], name.span),
            Type::Any => {}
            _ => {
                let message = format!("`{}` is a type, and only enums have members", info.name.name);
                self.error("not-a-value", span, message);
            }
        }
        (hir::Expr::error(span), Type::Any)
    }

    pub(crate) fn index(&mut self, index: &ast::Index, span: Span) -> (hir::Expr, Type) {
        if let Some(name) = crate::resolve::bare_name(&index.object)
            && !self.is_bound(name)
        {
            return self.reference(name, index, span);
        }
        let (object, object_type) = self.infer(&index.object);
        let (plain, secret) = typing::without_secret(&object_type);
        let ty = match &plain {
            Type::Any => {
                let (position, _) = self.infer(&index.index);
                return (hir::Expr::new(Kind::Index(Box::new((object, position))), span), Type::Any);
            }
            Type::List(item, _) => Some((Type::INT, (**item).clone())),
            Type::Map(item) => Some((Type::STRING, (**item).clone())),
            Type::Record(_) => Some((Type::STRING, Type::Any)),
            Type::Optional(_) => {
                let hint = "give a value for that case with `??`, or look first with `if … != none`";
                self.error_hint("optional-value", index.object.span, "the value may be none and has no elements then", hint);
                None
            }
            other => {
                let message = format!("{} has no elements", describe(other));
                self.error("not-indexable", index.object.span, message);
                None
            }
        };
        let Some((key, item)) = ty else {
            self.infer(&index.index);
            return (hir::Expr::error(span), Type::Any);
        };
        let position = self.check(&index.index, &key);
        let ty = if secret { typing::secret(item) } else { item };
        (hir::Expr::new(Kind::Index(Box::new((object, position))), span), ty)
    }

    /// `service["nginx"]`.
    fn reference(&mut self, type_name: &Arc<str>, index: &ast::Index, span: Span) -> (hir::Expr, Type) {
        let Some(schema) = self.program.schemas.get(type_name) else {
            if !type_name.is_empty() {
                let issue = crate::resolve::unknown_resource_type(self.program, self.loc(index.object.span), type_name);
                let names: Vec<&str> = self.locals.iter().map(|local| &*local.name).collect();
                let best = self.suggestions.closest(type_name, names).map(str::to_owned);
                let issue = match (issue.hint.is_some(), best) {
                    (false, Some(best)) => issue.suggest(Some(&best)),
                    _ => issue,
                };
                self.report(issue);
            }
            self.infer(&index.index);
            return (hir::Expr::error(span), Type::Any);
        };
        let name = schema.name.clone();
        self.note(index.object.span, |_| Some(Target::ResourceType(name.clone())));
        self.note_role(|| TextRole::Reference(name.clone()));
        let key = self.check(&index.index, &Type::STRING);
        self.note_resource(&name, &index.index, &key, false);
        let ty = Type::Ref(Some(name.clone()));
        if matches!(key.kind, Kind::Error) {
            return (hir::Expr::error(span), ty);
        }
        (hir::Expr::new(Kind::Reference(name, Box::new(key)), span), ty)
    }
}

/// Says that a name that is read like a field is a method; what to write is certain where that takes nothing.
fn is_a_method(issue: Issue, method: &crate::builtins::Builtin) -> Issue {
    let name = method.signature.name;
    let issue = issue.hint(format!("it is a method: `{name}()`"));
    match method.signature.params.iter().all(|param| param.optional) {
        true => issue.replacement(None, format!("{name}()")),
        false => issue,
    }
}
