//! Lints of code: what the checker sees and what the language allows.

use std::sync::Arc;

use stead_catalog::Value;
use stead_grammar::ast::{self, Ident, Span};

use crate::check::Checker;
use crate::hir;
use crate::issue::{Issue, Loc};

impl Checker<'_> {
    /// Tells of a name that hides another one; before it is bound.
    pub(crate) fn lint_shadowing(&mut self, name: &Ident) {
        if name.is_missing() || name.name.starts_with('_') {
            return;
        }
        let local = self.locals.iter().rev().find(|local| local.name == name.name && local.depth < self.depth);
        let hidden = match (local, self.global(&name.name)) {
            (Some(local), _) => Some(local.span),
            (None, Some(global)) if global.span != name.span => Some(global.span),
            _ => None,
        };
        if let Some(hidden) = hidden {
            let message = format!("`{}` hides another `{}`", name.name, name.name);
            let issue = Issue::warning("shadowed-name", self.loc(name.span), message);
            let hidden: Loc = self.loc(hidden);
            self.report(issue.label(hidden, "cannot be reached until the block ends").hint("give one of them another name"));
        }
    }

    /// Tells of an attribute that says what is so without it.
    pub(crate) fn lint_default(&mut self, schema: u32, attribute: usize, name: &Ident, value: &hir::Expr) {
        let described = &self.program.schemas.at(schema).attributes[attribute];
        let is_default = described.default.is_some() && value.constant() == described.default.as_ref();
        let position = crate::defs::index(attribute);
        let is_set =
            |defaults: &crate::check::DefaultsInScope| defaults.schema == schema && defaults.attributes.contains(&position);
        if is_default && !self.defaults.iter().any(is_set) {
            let message = format!("`{}` is {} anyway", name.name, described.default.as_ref().unwrap_or(&Value::None));
            self.report(Issue::warning("needless-attribute", self.loc(name.span), message).hint("leave it out"));
        }
    }

    /// Tells of a condition that is always the same.
    pub(crate) fn lint_condition(&mut self, checked: &hir::Expr, span: Span) {
        let Some(Value::Bool(value)) = checked.constant() else { return };
        // What makes it so may have been told.
        let is_told = self.issues.last().is_some_and(|issue| issue.is_at(self.file, span));
        if !is_told {
            let message = format!("the condition is always {value}");
            let hint = if *value { "leave the condition out" } else { "remove what it guards" };
            self.report(Issue::warning("constant-condition", self.loc(span), message).hint(hint));
        }
    }

    /// Tells of a block of an `if` or `for` with nothing in it, not even a comment.
    pub(crate) fn lint_block(&mut self, block: &ast::Block, word: &str) {
        if !block.stmts.is_empty() {
            return;
        }
        let text: Arc<str> = self.program.files[self.file as usize].text.clone();
        let inside = block.span.text(&text);
        if inside.starts_with('{') && inside.ends_with('}') && !inside.contains('#') {
            let message = format!("the block of the `{word}` is empty");
            let hint = "remove it, or say in a comment why nothing is done";
            self.report(Issue::warning("empty-block", self.loc(block.span), message).hint(hint));
        }
    }
}
