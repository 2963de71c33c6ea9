//! What depends on secrets that were not opened: nobody knows it. It is told from others by a hash of what it is made of, so that two
//! revisions can be compared without a key.

use stead_catalog::Value;
use stead_grammar::ast::Span;

use super::{Evaluator, Halt, Outcome};
use crate::hir::{Argument, Builtin, Expr, Test};
use crate::issue::Issue;

/// Makes the value that nobody knows, of what an operation is called and what goes into it.
pub(crate) fn made_of<'v>(operation: &str, parts: impl IntoIterator<Item = &'v Value>) -> Value {
    let mut hasher = blake3::Hasher::new();
    Value::string(operation).hash_into(&mut hasher);
    parts.into_iter().for_each(|part| part.hash_into(&mut hasher));
    Value::Locked(*hasher.finalize().as_bytes()).secret()
}

impl Evaluator<'_> {
    /// Evaluates what may not be reached at all: its mistakes are nobody's.
    fn perhaps(&mut self, expr: &Expr) -> Outcome {
        let kept = (self.issues.len(), self.diagnostics.len());
        let failed: Vec<bool> = self.globals.iter().map(|global| matches!(global, Some(Err(_)))).collect();
        match self.eval(expr) {
            Err(Halt) if !self.budget.is_spent => {
                self.issues.truncate(kept.0);
                self.diagnostics.truncate(kept.1);
                // A constant that failed here is looked at again where it is certainly used, so that its mistake is told there.
                for (global, failed) in self.globals.iter_mut().zip(failed) {
                    if !failed && matches!(global, Some(Err(_))) {
                        *global = None;
                    }
                }
                Ok(made_of("failed", []))
            }
            outcome => outcome,
        }
    }

    /// Evaluates a condition: whether it holds, or the value that nobody knows.
    pub(crate) fn decide(&mut self, expr: &Expr) -> Result<Result<bool, Value>, Halt> {
        let value = self.eval(expr)?;
        if value.is_locked() { Ok(Err(value)) } else { self.truth(&value, expr.span).map(Ok) }
    }

    /// Evaluates a condition of a statement. Nobody knows whether it holds where it is `None`.
    ///
    /// # Errors
    /// Where catalogs have to be complete, and nobody knows.
    pub(crate) fn decide_statement(&mut self, expr: &Expr) -> Result<Option<bool>, Halt> {
        match self.decide(expr)? {
            Ok(holds) => Ok(Some(holds)),
            Err(_) => self.left_out(expr.span).map(|()| None),
        }
    }

    /// Says that it depends on a secret nobody opened which resources there are.
    ///
    /// # Errors
    /// Where catalogs have to be complete.
    pub(crate) fn left_out(&mut self, span: Span) -> Result<(), Halt> {
        if self.world.project.input.secrets.may_leave_out() {
            return Ok(());
        }
        let message = "which resources there are depends on a secret that is not opened here";
        let issue = Issue::error("locked-condition", self.loc(span), message);
        Err(self.fail(issue.hint("let it depend on a value that is no secret, or open secrets")))
    }

    /// What an `if` gives where nobody knows which branch is taken.
    pub(super) fn any_branch(&mut self, condition: Value, rest: &[&Expr]) -> Outcome {
        let mut parts = vec![condition];
        for expr in rest {
            parts.push(self.perhaps(expr)?);
        }
        Ok(made_of("if", &parts))
    }

    /// What a `match` gives where nobody knows its subject.
    pub(super) fn any_arm<'e>(&mut self, subject: Value, arms: impl Iterator<Item = (&'e [Test], &'e Expr)>) -> Outcome {
        let mut parts = vec![subject.clone()];
        for (tests, value) in arms {
            for test in tests {
                match test {
                    Test::Bind(slot) => self.set(*slot, subject.clone()),
                    // Patterns are told from each other by what they are.
                    other => parts.push(Value::string(format!("{other:?}"))),
                }
            }
            parts.push(self.perhaps(value)?);
        }
        Ok(made_of("match", &parts))
    }

    /// What a comprehension gives over something nobody knows: what it makes of one element stands for all.
    pub(super) fn any_element(&mut self, over: &Value, exprs: &[&Expr]) -> Outcome {
        let mut parts = vec![over.clone()];
        for expr in exprs {
            parts.push(self.perhaps(expr)?);
        }
        Ok(made_of("for", &parts))
    }

    /// What a function gives of arguments that nobody knows.
    pub(super) fn any_call(&mut self, call: &Builtin, values: &[Value]) -> Outcome {
        let mut parts = values.to_vec();
        for argument in &call.args {
            if let Argument::Lambda(lambda) = argument {
                let element = made_of("element", values);
                lambda.params.iter().for_each(|slot| self.set(*slot, element.clone()));
                parts.push(self.perhaps(&lambda.body)?);
            }
        }
        Ok(made_of(&call.name, &parts))
    }

    /// Forgets what was found wrong since `kept`, in a function that met a value nobody knows.
    pub(super) fn forget(&mut self, kept: (usize, usize)) {
        self.issues.truncate(kept.0);
        self.diagnostics.truncate(kept.1);
    }
}
