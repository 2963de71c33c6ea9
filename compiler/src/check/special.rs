//! Calls of the functions that are no row of a table: they need the project, or the type of what they are given.

use stead_catalog::Type;
use stead_grammar::ast::{Call, ExprKind, Span};

use super::expr::describe;
use super::scope::Checker;
use crate::hir::{self, Kind};
use crate::index::TextRole;
use crate::typing;

/// Their names.
pub(super) const SPECIAL: [&str; 7] = ["template", "render", "source", "read", "files", "directories", "secret"];

impl Checker<'_> {
    /// `template("path", { … })` and `render("text", { … })`.
    pub(super) fn render(&mut self, call: &Call, span: Span, is_file: bool) -> (hir::Expr, Type) {
        let [path, variables] = match call.args.as_slice() {
            [path] => [Some(&path.value), None],
            [path, variables] => [Some(&path.value), Some(&variables.value)],
            _ => [None, None],
        };
        let Some(path) = path else {
            let (name, what) = if is_file { ("template", "path") } else { ("render", "text") };
            let message = format!("`{name}` takes a {what} and the variables of the template");
            self.error_hint("missing-argument", span, message, format!("its form is `{name}({what}, {{ name = value }})`"));
            return self.failed_call(call, span);
        };
        self.note_role(|| if is_file { TextRole::Template } else { TextRole::Plain });
        let path = self.check(path, &Type::STRING);
        let (variables, ty) = match variables {
            Some(expr) => match &expr.unparen().kind {
                ExprKind::Record(entries) => {
                    if is_file {
                        self.note_variables(&path, entries);
                    }
                    self.infer_record(entries, expr.span)
                }
                _ => self.infer(expr),
            },
            None => self.infer_record(&[], span),
        };
        if matches!(path.kind, Kind::Error) || matches!(variables.kind, Kind::Error) {
            return (hir::Expr::error(span), Type::STRING);
        }
        let (plain, mut secret) = typing::without_secret(&ty);
        match &plain {
            Type::Record(record) => secret |= record.fields.iter().any(|field| field.ty.is_secret()),
            Type::Map(item) => secret |= item.is_secret(),
            Type::Any => {}
            other => {
                let message = format!("found {}, expected a record of variables", describe(other));
                self.error("type-mismatch", variables.span, message);
                return (hir::Expr::error(span), Type::STRING);
            }
        }
        let is_good = match is_file {
            true => crate::files::check_template(self, &path, &plain, call, variables.span),
            false => crate::files::check_template_text(self, &path, &plain),
        };
        if !is_good {
            return (hir::Expr::error(span), Type::STRING);
        }
        let ty = if secret { typing::secret(Type::STRING) } else { Type::STRING };
        let pair = Box::new((path, variables));
        (hir::Expr::new(if is_file { Kind::Render(pair) } else { Kind::RenderText(pair) }, span), ty)
    }

    /// `source("path")` and `read("path")`: a file of the project as bytes or text.
    pub(super) fn file_function(&mut self, call: &Call, span: Span, as_bytes: bool) -> (hir::Expr, Type) {
        let ty = if as_bytes { Type::Source } else { Type::STRING };
        let [path] = call.args.as_slice() else {
            let name = if as_bytes { "source" } else { "read" };
            self.error_hint("missing-argument", span, format!("`{name}` takes one path"), format!("its form is `{name}(path)`"));
            return self.failed_call(call, span);
        };
        self.note_role(|| TextRole::File);
        let path = self.check(&path.value, &Type::STRING);
        if matches!(path.kind, Kind::Error) {
            return (hir::Expr::error(span), ty);
        }
        (self.read_file(path, as_bytes), ty)
    }

    /// `files("path")` and `directories("path")`: what is below a directory of the project.
    pub(super) fn list_function(&mut self, call: &Call, span: Span, directories: bool) -> (hir::Expr, Type) {
        let ty = Type::list(Type::STRING);
        let [path] = call.args.as_slice() else {
            let name = if directories { "directories" } else { "files" };
            self.error_hint("missing-argument", span, format!("`{name}` takes one path"), format!("its form is `{name}(path)`"));
            return self.failed_call(call, span);
        };
        let path = self.check(&path.value, &Type::STRING);
        if matches!(path.kind, Kind::Error) {
            return (hir::Expr::error(span), ty);
        }
        (hir::Expr::new(Kind::ListFiles(Box::new(path), directories), span), ty)
    }

    /// `secret(value)`: the value, not to be shown.
    pub(super) fn conceal(&mut self, call: &Call, span: Span) -> (hir::Expr, Type) {
        let [value] = call.args.as_slice() else {
            self.error_hint("missing-argument", span, "`secret` takes one value", "its form is `secret(value)`");
            return self.failed_call(call, span);
        };
        let (value, ty) = self.infer(&value.value);
        if matches!(value.kind, Kind::Error) {
            return (hir::Expr::error(span), typing::secret(ty));
        }
        (hir::Expr::new(Kind::Conceal(Box::new(value)), span), typing::secret(ty))
    }
}
