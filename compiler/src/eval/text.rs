//! Values as text, the way interpolation writes them.

use std::fmt::Write;

use stead_catalog::Value;

use super::{Evaluator, Outcome};
use crate::hir::{Expr, Part};

impl Evaluator<'_> {
    pub(super) fn template(&mut self, parts: &[Part]) -> Outcome {
        let mut text = String::new();
        let (mut secret, mut unknown) = (false, false);
        let mut span = None;
        for part in parts {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Expr(expr) => {
                    span = Some(expr.span);
                    let value = self.interpolate(expr, &mut text)?;
                    secret |= matches!(value, Value::Secret(_));
                    unknown |= value.is_locked();
                }
            }
        }
        if let (Err(limit), Some(span)) = (self.budget.allocate(text.len()), span) {
            return Err(self.too_large(limit, span));
        }
        let value = Value::string(text);
        if unknown {
            return Ok(super::locked::made_of("text", [&value]));
        }
        Ok(if secret { value.secret() } else { value })
    }

    /// Appends a value to the text, and returns it.
    fn interpolate(&mut self, expr: &Expr, text: &mut String) -> Outcome {
        let value = self.eval(expr)?;
        if write_plain(value.reveal(), text) {
            return Ok(value);
        }
        let message = format!("found {}, which has no text of its own", value.reveal().kind());
        Err(self.error("not-text", expr.span, message))
    }
}

/// Writes a value without quotes; false when it has no text of its own.
pub(super) fn write_plain(value: &Value, text: &mut String) -> bool {
    match value {
        Value::String(inner) | Value::Member(inner) => text.push_str(inner),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Mode(_) | Value::Duration(_) | Value::Size(_) => {
            // Writing into a string never fails.
            let _ = write!(text, "{value}");
        }
        // The whole text is known to nobody then.
        Value::Locked(hash) => text.push_str(&crate::template::locked_text(hash)),
        _ => return false,
    }
    true
}
