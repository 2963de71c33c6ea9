//! Expressions, in both directions: `infer` finds a type, `check` holds an expression to one.

use std::sync::Arc;

use stead_catalog::{Mismatch, Span64, Type, Value};
use stead_grammar::ast::{BinaryOp, Expr, ExprKind, IfExpr, Span, Template, TemplatePart};

use super::scope::Checker;
use super::unused::What;
use crate::constant;
use crate::hir::{self, Kind, Part};
use crate::issue::Issue;
use crate::typing::{self, Fit};

impl Checker<'_> {
    /// Finds the type of an expression.
    pub(crate) fn infer(&mut self, expr: &Expr) -> (hir::Expr, Type) {
        if self.notes.is_none() {
            return self.infer_form(expr);
        }
        self.note_text(expr, None);
        let (checked, ty) = self.infer_form(expr);
        self.note_found(expr, &checked, &ty);
        (checked, ty)
    }

    fn infer_form(&mut self, expr: &Expr) -> (hir::Expr, Type) {
        let span = expr.span;
        let of = |kind: Kind, ty: Type| (hir::Expr::new(kind, span), ty);
        match &expr.kind {
            ExprKind::Literal(literal) => {
                let value = constant::literal(literal);
                let ty = typing::of_value(&value);
                of(Kind::Const(value), ty)
            }
            ExprKind::Paren(inner) => self.infer(inner),
            ExprKind::Template(template) => self.template(template, span),
            ExprKind::Name(name) => self.name(name, span),
            ExprKind::List(items) => self.infer_list(items, span),
            ExprKind::Record(entries) => self.infer_record(entries, span),
            ExprKind::ListFor(list) => self.list_for(list, None, span),
            ExprKind::MapFor(map) => self.map_for(map, None, span),
            ExprKind::Unary(unary) => self.unary(unary, span),
            ExprKind::Binary(binary) => self.binary(binary, None, span),
            ExprKind::Range(range) => {
                let start = self.check(&range.start, &Type::INT);
                let end = self.check(&range.end, &Type::INT);
                of(Kind::Range(Box::new((start, end, range.inclusive))), Type::list(Type::INT))
            }
            ExprKind::Field(access) => self.field(access, expr),
            ExprKind::Call(call) => self.call(call, span),
            ExprKind::Index(index) => self.index(index, span),
            ExprKind::Lambda(lambda) => {
                self.error_hint(
                    "misplaced-lambda",
                    span,
                    "a lambda is not a value",
                    "give it to a method that takes one, as in `xs.map(x => x + 1)`, or define a `fn`",
                );
                let params = lambda.params.len();
                self.scoped(|this| {
                    for param in &lambda.params[..params] {
                        this.bind(param, Type::Any, What::Each);
                    }
                    this.infer(&lambda.body);
                });
                (hir::Expr::error(span), Type::Any)
            }
            ExprKind::If(branches) => self.if_expr(branches, None, span),
            ExprKind::Match(matched) => self.match_expr(matched, None, span),
            ExprKind::Error => (hir::Expr::error(span), Type::Any),
        }
    }

    /// Holds an expression to a type.
    pub(crate) fn check(&mut self, expr: &Expr, want: &Type) -> hir::Expr {
        if self.notes.is_none() {
            return self.check_form(expr, want);
        }
        self.note_expected(expr, want);
        if wants_file(want) {
            self.note_role(|| crate::index::TextRole::File);
        }
        self.note_text(expr, Some(want));
        let checked = self.check_form(expr, want);
        self.note_checked(expr, &checked);
        checked
    }

    fn check_form(&mut self, expr: &Expr, want: &Type) -> hir::Expr {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Error => hir::Expr::error(span),
            ExprKind::Paren(inner) => self.check(inner, want),
            ExprKind::Literal(literal) => self.admit_constant(constant::literal(literal), want, span),
            ExprKind::Name(name) => self.check_name(name, want, span),
            ExprKind::List(items) => match typing::item_of(want) {
                Some(item) => {
                    let list = self.check_list(items, &item, span);
                    let n = i64::try_from(items.len()).unwrap_or(i64::MAX);
                    let ty = Type::List(Arc::new(item), Span64 { min: Some(n), max: Some(n) });
                    self.coerce(list, &ty, want)
                }
                None => self.infer_and_coerce(expr, want),
            },
            ExprKind::Record(entries) => {
                if let Some(record) = typing::record_of(want) {
                    let record = record.clone();
                    let checked = self.check_record(entries, &record, span);
                    self.coerce(checked, &Type::Record(record), want)
                } else if let Some(item) = typing::map_item_of(want) {
                    let checked = self.check_map(entries, &item, span);
                    self.coerce(checked, &Type::Map(Arc::new(item)), want)
                } else {
                    self.infer_and_coerce(expr, want)
                }
            }
            ExprKind::ListFor(list) => {
                let (checked, ty) = self.list_for(list, typing::item_of(want).as_ref(), span);
                self.coerce(checked, &ty, want)
            }
            ExprKind::MapFor(map) => {
                let (checked, ty) = self.map_for(map, typing::map_item_of(want).as_ref(), span);
                self.coerce(checked, &ty, want)
            }
            ExprKind::If(branches) => self.if_expr(branches, Some(want), span).0,
            ExprKind::Match(matched) => self.match_expr(matched, Some(want), span).0,
            ExprKind::Binary(binary) if binary.op == BinaryOp::Coalesce => {
                let (checked, ty) = self.binary(binary, Some(want), span);
                self.coerce(checked, &ty, want)
            }
            ExprKind::Unary(_) => {
                // A negative number is a literal to the reader.
                let (checked, ty) = self.infer(expr);
                match checked.constant() {
                    Some(value) => self.admit_constant(value.clone(), want, span),
                    None => self.coerce(checked, &ty, want),
                }
            }
            _ => self.infer_and_coerce(expr, want),
        }
    }

    fn infer_and_coerce(&mut self, expr: &Expr, want: &Type) -> hir::Expr {
        let (checked, ty) = self.infer(expr);
        self.coerce(checked, &ty, want)
    }

    /// Makes an expression of type `ty` fit where `want` is expected.
    pub(crate) fn coerce(&mut self, expr: hir::Expr, ty: &Type, want: &Type) -> hir::Expr {
        if matches!(expr.kind, Kind::Error) {
            return expr;
        }
        let span = expr.span;
        match typing::fit(ty, want) {
            Fit::Same => expr,
            Fit::Admit => {
                if wants_file(want) && ty != &Type::Source && !matches!(ty, Type::Any) {
                    return self.read_file(expr, true);
                }
                match expr.kind {
                    Kind::Const(value) => self.admit_constant(value, want, span),
                    _ => hir::Expr::new(Kind::Admit(Box::new((expr, want.clone(), typing::has_any(ty)))), span),
                }
            }
            Fit::No => {
                self.mismatch(ty, want, span);
                hir::Expr::error(span)
            }
        }
    }

    /// A value that stands in the source, held to a type now.
    pub(crate) fn admit_constant(&mut self, value: Value, want: &Type, span: Span) -> hir::Expr {
        if let (Value::String(_), true) = (&value, wants_file(want)) {
            return self.read_file(hir::Expr::new(Kind::Const(value), span), true);
        }
        match want.admit(&value, false) {
            Ok(admitted) => hir::Expr::new(Kind::Const(admitted), span),
            Err(mismatch) => {
                let issue = Issue::mismatch(self.loc(span), &mismatch);
                let instead = self.instead(&mismatch, want, span);
                self.report(match instead {
                    Some(text) => issue.replacement(None, text),
                    None => issue,
                });
                hir::Expr::error(span)
            }
        }
    }

    /// What to write in the place of a value that does not fit: where the value itself is written there, or a list is to be around it.
    fn instead(&self, mismatch: &Mismatch, want: &Type, span: Span) -> Option<String> {
        let text = span.text(&self.program.files[self.file as usize].text);
        let is_literal = text.starts_with(['"', '-', '+']) || text.starts_with(|c: char| c.is_ascii_digit());
        let is_list =
            matches!(want, Type::List(..)) || matches!(want, Type::Optional(inner) if matches!(**inner, Type::List(..)));
        match &mismatch.replacement {
            _ if !mismatch.path.is_empty() => None,
            // A bare word that is misspelt is written there as well.
            Some(instead) => (is_literal || mismatch.code == "unknown-member").then(|| instead.text.clone()),
            None => {
                let is_asked = is_list && mismatch.hint.as_ref().is_some_and(|hint| hint.ends_with("`[…]`"));
                is_asked.then(|| format!("[{text}]"))
            }
        }
    }

    /// Says that one type is not another.
    pub(crate) fn mismatch(&mut self, ty: &Type, want: &Type, span: Span) {
        let at = self.loc(span);
        // That `none` would do as well is of no help to who wrote something else.
        let want = match want {
            Type::Optional(inner) => inner,
            other => other,
        };
        if let Type::Optional(inner) = ty
            && typing::fit(inner, want) != Fit::No
        {
            let issue = Issue::error("optional-value", at, format!("the value may be none, expected {}", want.describe()));
            self.report(issue.hint("give a value for that case with `??`, or look first with `if … != none`"));
            return;
        }
        let issue = Issue::error("type-mismatch", at, format!("found {}, expected {}", describe(ty), want.describe()));
        let hint = match (ty, want) {
            (Type::Int(_) | Type::Float(_) | Type::Enum(_) | Type::Bool | Type::Port, to) if typing::is_text(to) => {
                Some("write it as text: `\"${…}\"`")
            }
            (Type::Int(_) | Type::Port, Type::Float(_)) => Some("convert it: `x.to_float()`"),
            (from, Type::List(item, _)) if typing::fit(from, item) != Fit::No => Some("a list is expected: put it in `[…]`"),
            (Type::Ref(_), to) if typing::is_text(to) => Some("a resource is not text"),
            _ => None,
        };
        let text = span.text(&self.program.files[self.file as usize].text);
        let is_path = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
        self.report(match hint {
            Some(hint) if hint.contains("${") && is_path => issue.hint(hint).replacement(None, format!("\"${{{text}}}\"")),
            Some(hint) if hint.ends_with("`[…]`") => issue.hint(hint).replacement(None, format!("[{text}]")),
            Some(hint) if hint.contains("to_float") && is_path => {
                issue.hint(hint).replacement(None, format!("{text}.to_float()"))
            }
            Some(hint) => issue.hint(hint),
            None => issue,
        });
    }

    /// A file of the project, read now where its path is known.
    pub(crate) fn read_file(&mut self, path: hir::Expr, as_bytes: bool) -> hir::Expr {
        let span = path.span;
        if let Some(Value::String(name)) = path.constant().map(Value::reveal) {
            self.has_looked = true;
            let from = &self.program.files[self.file as usize].name;
            if self.notes.is_some()
                && let Some(found) = crate::files::found(self.sources, from, name)
            {
                self.note(span, |_| Some(crate::index::Target::File(found)));
            }
            let from = &self.program.files[self.file as usize].name;
            return match crate::files::read(self.sources, from, name, as_bytes) {
                Ok(value) => hir::Expr::new(Kind::Const(value), span),
                Err(problem) => {
                    let issue = problem.issue(self.loc(span));
                    self.report(issue);
                    hir::Expr::error(span)
                }
            };
        }
        hir::Expr::new(Kind::ReadFile(Box::new(path), as_bytes), span)
    }

    /// The text of an expression that can stand beside an operator as it is.
    pub(crate) fn short(&self, expr: &Expr) -> Option<&str> {
        let is_short = matches!(
            expr.kind,
            ExprKind::Name(_) | ExprKind::Field(_) | ExprKind::Index(_) | ExprKind::Call(_) | ExprKind::Paren(_)
        );
        Some(expr.span.text(&self.program.files[self.file as usize].text)).filter(|_| is_short)
    }

    pub(crate) fn condition(&mut self, expr: &Expr) -> hir::Expr {
        let (checked, ty) = self.infer(expr);
        let (plain, _) = typing::without_secret(&ty);
        if matches!(plain, Type::Optional(_)) {
            let message = format!("found {}, expected a bool", describe(&plain));
            let issue = Issue::error("type-mismatch", self.loc(expr.span), message).hint("compare it: `… != none`");
            let compared = self.short(expr).map(|text| format!("{text} != none"));
            self.report(match compared {
                Some(text) => issue.replacement(None, text),
                None => issue,
            });
            return hir::Expr::error(expr.span);
        }
        self.coerce(checked, &plain, &Type::Bool)
    }

    fn if_expr(&mut self, branches: &IfExpr, want: Option<&Type>, span: Span) -> (hir::Expr, Type) {
        let kept = self.narrowings.len();
        let mut checked = Vec::with_capacity(branches.branches.len());
        let mut types = Vec::new();
        for (condition, value) in &branches.branches {
            let test = self.condition(condition);
            self.lint_condition(&test, condition.span);
            let (value, ty) = self.scoped(|this| {
                this.assume(condition, true);
                this.branch(value, want)
            });
            self.assume(condition, false);
            checked.push((test, value));
            types.push(ty);
        }
        let otherwise = match &branches.otherwise {
            Some(otherwise) => {
                let (value, ty) = self.branch(otherwise, want);
                types.push(ty);
                value
            }
            None => hir::Expr::error(span),
        };
        self.narrowings.truncate(kept);
        let ty = want.cloned().unwrap_or_else(|| typing::join_all(types));
        (hir::Expr::new(Kind::If(checked.into(), Box::new(otherwise)), span), ty)
    }

    /// A value that is one of several: held to the expected type where there is one.
    pub(crate) fn branch(&mut self, value: &Expr, want: Option<&Type>) -> (hir::Expr, Type) {
        match want {
            Some(want) => (self.check(value, want), want.clone()),
            None => self.infer(value),
        }
    }

    fn template(&mut self, template: &Template, span: Span) -> (hir::Expr, Type) {
        let mut parts: Vec<Part> = Vec::with_capacity(template.parts.len());
        let mut is_secret = false;
        for part in &template.parts {
            match part {
                TemplatePart::Text(text, _) => parts.push(Part::Text(text.clone())),
                TemplatePart::Expr(expr) => {
                    let (checked, ty) = self.infer(expr);
                    let (plain, secret) = typing::without_secret(&ty);
                    is_secret |= secret;
                    self.printable(&plain, expr.span);
                    parts.push(Part::Expr(checked));
                }
            }
        }
        let ty = if is_secret { typing::secret(Type::STRING) } else { Type::STRING };
        (hir::Expr::new(Kind::Template(parts.into()), span), ty)
    }

    /// Reports a value that has no form as text.
    pub(crate) fn printable(&mut self, ty: &Type, span: Span) {
        let hint = match ty {
            Type::Optional(_) => {
                let hint = "give a value for that case with `??`";
                self.error_hint("optional-value", span, "the value may be none, which has no text", hint);
                return;
            }
            Type::List(..) => "join it: `xs.join(\", \")`",
            Type::Record(_) | Type::Map(_) => "write its fields, or convert it with `to_json()`",
            Type::Union(options) => {
                if let Some(bad) = options.iter().find(|option| matches!(option, Type::List(..) | Type::Record(_) | Type::Map(_)))
                {
                    let bad = bad.clone();
                    self.printable(&bad, span);
                }
                return;
            }
            Type::None => "give a value",
            Type::Ref(_) => "write the name of the resource",
            Type::Source => "read it as text: `read(\"path\")`",
            Type::Command => "write the command",
            _ => return,
        };
        self.error_hint("not-text", span, format!("found {}, which has no text of its own", describe(ty)), hint);
    }
}

/// Says whether text given here is the path of a file to read.
fn wants_file(want: &Type) -> bool {
    match want {
        Type::Source => true,
        Type::Optional(inner) | Type::Secret(inner) => wants_file(inner),
        Type::Union(options) => options.iter().any(wants_file) && !options.iter().any(typing::is_text),
        _ => false,
    }
}

/// A type in the words of a message.
pub(crate) fn describe(ty: &Type) -> String {
    match ty {
        Type::List(item, _) => format!("a list (`List<{item}>`)"),
        Type::Map(item) => format!("a map (`Map<{item}>`)"),
        Type::Record(record) if !record.name.is_empty() => format!("a record `{}`", record.name),
        Type::Record(_) => "a record".into(),
        Type::Enum(choice) if !choice.name.is_empty() => format!("a member of `{}`", choice.name),
        Type::Ref(Some(name)) => format!("a reference to a {name}"),
        Type::Ref(None) => "a reference to a resource".into(),
        Type::Literal(value) => format!("`{value}`"),
        other => other.describe(),
    }
}
