//! Statements, except what stands in the body of a resource.

use stead_catalog::{EdgeKind, Type};
use stead_grammar::ast::{self, ArrowOp, Block, Call, Expr, ExprKind, LetValue, Stmt};

use super::collections::Head;
use super::patterns::Coverage;
use super::scope::{Checker, User};
use super::unused::What;
use crate::defs::Def;
use crate::hir::{self, Kind};
use crate::index::ContextKind;
use crate::issue::Issue;
use crate::typing;

impl Checker<'_> {
    pub(crate) fn block(&mut self, block: &Block) -> hir::Block {
        let defaults = self.defaults.len();
        let checked = self.scoped(|this| this.stmts(&block.stmts));
        self.defaults.truncate(defaults);
        checked
    }

    pub(crate) fn stmts(&mut self, stmts: &[Stmt]) -> hir::Block {
        let mut checked = Vec::with_capacity(stmts.len());
        for stmt in stmts {
            checked.extend(self.stmt(stmt));
        }
        checked.into()
    }

    pub(crate) fn stmt(&mut self, stmt: &Stmt) -> Option<hir::Stmt> {
        if self.in_inventory && matches!(stmt, Stmt::Call(_) | Stmt::Extend(_) | Stmt::Arrow(_)) {
            let hint = "states, requisites and resources stand in states and node blocks";
            self.error_hint("misplaced-statement", stmt.span(), "an inventory declares hosts and groups only", hint);
            return None;
        }
        Some(match stmt {
            Stmt::Resource(resource) => hir::Stmt::Resource(Box::new(self.resource(resource)?.0)),
            Stmt::Let(binding) => return self.binding(binding),
            Stmt::Call(call) => hir::Stmt::Call(Box::new(self.state_call(call)?)),
            Stmt::For(each) => self.scoped(|this| {
                let Head { first, second, iterable, filter } = this.head(&each.binding, &each.iterable, each.filter.as_ref());
                this.lint_block(&each.body, "for");
                let body = this.block(&each.body);
                hir::Stmt::For(Box::new(hir::For { first, second, iterable, filter, body }))
            }),
            Stmt::If(branches) => self.if_stmt(branches),
            Stmt::Match(matched) => {
                let (subject, subject_type) = self.infer(&matched.subject);
                let mut coverage = Coverage::default();
                let mut arms = Vec::with_capacity(matched.arms.len());
                for arm in &matched.arms {
                    arms.push(self.arm(&matched.subject, &subject_type, &arm.patterns, arm.span, &mut coverage, |this| {
                        this.block(&arm.body)
                    }));
                }
                self.exhaustive(&coverage, &subject_type, matched.subject.span);
                hir::Stmt::Match(Box::new(hir::MatchStmt { subject, arms: arms.into() }))
            }
            Stmt::Extend(extend) => hir::Stmt::Extend(Box::new(self.extend(extend)?)),
            Stmt::Defaults(defaults) => hir::Stmt::Defaults(Box::new(self.defaults_stmt(defaults)?)),
            Stmt::Arrow(arrow) => {
                let first = self.resources(&arrow.first);
                let mut operands = vec![first];
                let mut arrows = Vec::with_capacity(arrow.rest.len());
                for step in &arrow.rest {
                    operands.push(self.resources(&step.operand));
                    let kind = match step.op {
                        ArrowOp::Require => EdgeKind::Require,
                        ArrowOp::Watch => EdgeKind::Watch,
                    };
                    arrows.push((kind, step.op_span));
                }
                hir::Stmt::Arrow(Box::new(hir::Arrow { operands: operands.into(), arrows: arrows.into() }))
            }
            Stmt::Error(_) => return None,
        })
    }

    fn if_stmt(&mut self, branches: &ast::If) -> hir::Stmt {
        let kept = self.narrowings.len();
        let mut checked = Vec::with_capacity(branches.branches.len());
        for branch in &branches.branches {
            let test = self.condition(&branch.condition);
            self.lint_condition(&test, branch.condition.span);
            self.lint_block(&branch.body, "if");
            let body = self.scoped(|this| {
                this.assume(&branch.condition, true);
                this.block(&branch.body)
            });
            self.assume(&branch.condition, false);
            checked.push((test, body));
        }
        let otherwise = branches.otherwise.as_ref().map(|block| {
            self.lint_block(block, "else");
            self.block(block)
        });
        self.narrowings.truncate(kept);
        hir::Stmt::If(checked.into(), otherwise)
    }

    fn binding(&mut self, binding: &ast::Let) -> Option<hir::Stmt> {
        if let (Some(ty), LetValue::Resource(_)) = (&binding.ty, &binding.value) {
            let hint = "leave the type out: the name stands for the resource";
            self.error_hint("type-mismatch", ty.span, "a resource declaration takes no type", hint);
        }
        match &binding.value {
            LetValue::Resource(resource) => {
                let checked = self.resource(resource);
                let ty = match &checked {
                    Some((_, ty)) => ty.clone(),
                    None => Type::Any,
                };
                self.bindings.push((self.loc(binding.name.span), ty.clone()));
                let slot = self.bind(&binding.name, ty, What::LetResource);
                let (mut resource, _) = checked?;
                resource.slot = Some(slot);
                Some(hir::Stmt::Resource(Box::new(resource)))
            }
            LetValue::Expr(expr) => {
                if let ExprKind::Call(call) = &expr.unparen().kind
                    && let Some(Def::State(_)) = self.definition(&call.callee)
                {
                    let checked = self.state_call(call);
                    let ty = Type::list(Type::Ref(None));
                    self.bindings.push((self.loc(binding.name.span), ty.clone()));
                    let slot = self.bind(&binding.name, ty, What::LetResource);
                    let mut call = checked?;
                    call.slot = Some(slot);
                    return Some(hir::Stmt::Call(Box::new(call)));
                }
                let (value, ty) = self.let_value(binding, expr);
                self.bindings.push((self.loc(binding.name.span), ty.clone()));
                let slot = self.bind(&binding.name, ty, What::Let);
                Some(hir::Stmt::Let(slot, value))
            }
        }
    }

    /// The value of a `let`, held to its type where one is written.
    pub(crate) fn let_value(&mut self, binding: &ast::Let, expr: &Expr) -> (hir::Expr, Type) {
        match &binding.ty {
            Some(written) => {
                let mut issues = Vec::new();
                let notes = self.notes.as_deref_mut();
                let ty = crate::resolve::resolve_type_expr(self.program, self.file, written, &mut issues, notes);
                self.issues.extend(issues);
                (self.check(expr, &ty), ty)
            }
            None => {
                let (value, ty) = self.infer(expr);
                if matches!(value.kind, Kind::Error) {
                    return (value, Type::Any);
                }
                if typing::is_deeper(&ty, crate::resolve::MAX_TYPE_DEPTH) {
                    let message = format!("the value is nested more than {} deep", crate::resolve::MAX_TYPE_DEPTH);
                    self.error_hint("nesting-too-deep", expr.span, message, "make the value flatter");
                    return (hir::Expr::error(expr.span), Type::Any);
                }
                (value, ty)
            }
        }
    }

    pub(crate) fn state_call(&mut self, call: &Call) -> Option<hir::Call> {
        let Some(Def::State(id)) = self.definition(&call.callee) else {
            self.note_statement(call);
            self.not_a_state(call);
            return None;
        };
        self.note_use(User::State(id), call.callee.span);
        self.note_definition(&call.callee, Def::State(id));
        let state = &self.program.states[id as usize];
        self.note_callable(state, call, true);
        self.lint_deprecated_call(crate::resolve::last_name(&call.callee), "state", state);
        let in_state = matches!(self.user, User::State(_));
        let (args, _) = self.arguments(state, &call.args, call.span, in_state);
        Some(hir::Call { state: id, args: args.into(), slot: None, span: call.span })
    }

    /// Notes the start of a statement, where the marker stands in its place.
    fn note_statement(&mut self, call: &Call) {
        if self.notes.is_none() {
            return;
        }
        match &call.callee.unparen().kind {
            ExprKind::Name(name) => self.note_marker(name, call.callee.span, || ContextKind::Statement),
            ExprKind::Field(access) => match self.module_of(&access.object) {
                Some(module) => {
                    self.note_module(&access.object, module);
                    let module = self.program.modules[module as usize].directory.clone();
                    self.note_marker(&access.name.name, access.name.span, || ContextKind::ModuleMember {
                        module,
                        is_statement: true,
                        is_type: false,
                    });
                }
                None => {
                    self.infer(&call.callee);
                }
            },
            _ => {}
        }
    }

    fn not_a_state(&mut self, call: &Call) {
        let mut root = call.callee.unparen();
        while let ExprKind::Field(access) = &root.kind {
            root = access.object.unparen();
        }
        let is_told = matches!(&root.kind, ExprKind::Name(name) if self.program.is_broken_import(self.file, name));
        if call.callee.is_error() || is_told {
            return;
        }
        let at = self.loc(call.callee.span);
        let name = match &call.callee.unparen().kind {
            ExprKind::Name(name) => name.clone(),
            ExprKind::Field(access) => access.name.name.clone(),
            _ => "".into(),
        };
        if name.is_empty() {
            self.report(Issue::error("unknown-state", at, "only a state can be called as a statement"));
            return;
        }
        let is_fn = matches!(self.definition(&call.callee), Some(Def::Fn(_))) || crate::builtins::function(&name).is_some();
        let is_method =
            matches!(&call.callee.unparen().kind, ExprKind::Field(access) if self.module_of(&access.object).is_none());
        let issue = if is_fn || is_method {
            Issue::error("unused-value", at, "the value of this call is not used")
                .hint("bind it with `let`, or give it to an attribute")
        } else if self.program.schemas.index(&name).is_some() {
            Issue::error("unknown-state", at, format!("`{name}` is a resource type, not a state"))
                .hint(format!("declare the resource: `{name} \"name\" {{ … }}`"))
        } else {
            let issue = Issue::error("unknown-state", at, format!("there is no state `{name}`"));
            let names: Vec<&str> = match &call.callee.unparen().kind {
                ExprKind::Field(access) => match self.module_of(&access.object) {
                    Some(module) => crate::defs::sorted_names(&self.program.modules[module as usize]),
                    None => Vec::new(),
                },
                _ => self.program.visible(self.file),
            };
            let last = match &call.callee.unparen().kind {
                ExprKind::Field(access) => access.name.span,
                _ => call.callee.span,
            };
            issue.suggest_at(last, self.suggestions.closest(&name, names))
        };
        self.report(issue);
        for arg in &call.args {
            if let ExprKind::Name(name) = &arg.value.unparen().kind {
                self.note_marker(name, arg.value.span, || ContextKind::Value { expected: None });
            }
            if !matches!(arg.value.unparen().kind, ExprKind::Name(_) | ExprKind::Lambda(_)) {
                self.infer(&arg.value);
            }
        }
    }

    /// A resource, a list of them, or what a state call gave.
    pub(crate) fn resources(&mut self, expr: &Expr) -> hir::Expr {
        self.note_reference(expr);
        if let ExprKind::List(items) = &expr.unparen().kind {
            let items: Vec<hir::Expr> = items.iter().map(|item| self.resources(item)).collect();
            if items.iter().any(|item| matches!(item.kind, Kind::Error)) {
                return hir::Expr::error(expr.span);
            }
            return hir::Expr::new(Kind::List(items.into()), expr.span);
        }
        let (checked, ty) = self.infer(expr);
        if matches!(checked.kind, Kind::Error) || is_reference(&ty) {
            return checked;
        }
        let message = format!("found {}, expected a resource or a list of resources", super::expr::describe(&ty));
        let hint = match (&ty, checked.constant()) {
            (text, Some(value)) if typing::is_text(text) => format!("name its type: `service[{value}]`"),
            (text, None) if typing::is_text(text) => "name its type: `service[name]`".into(),
            _ => "a reference is written `service[\"nginx\"]`, or is a name bound by `let`".into(),
        };
        self.error_hint("type-mismatch", expr.span, message, hint);
        hir::Expr::error(expr.span)
    }
}

fn is_reference(ty: &Type) -> bool {
    match ty {
        Type::Ref(_) | Type::Any | Type::None => true,
        Type::List(item, _) | Type::Optional(item) => is_reference(item),
        Type::Union(options) => options.iter().all(is_reference),
        _ => false,
    }
}
