//! Operators.

use stead_catalog::{Type, Value};
use stead_grammar::ast::{Binary, BinaryOp, Expr, ExprKind, Literal, Span, Unary, UnaryOp};

use super::expr::describe;
use super::scope::Checker;
use crate::hir::{self, Kind};
use crate::issue::Issue;
use crate::typing::{self, Fit};

impl Checker<'_> {
    pub(crate) fn unary(&mut self, unary: &Unary, span: Span) -> (hir::Expr, Type) {
        match unary.op {
            UnaryOp::Not => {
                let operand = self.condition(&unary.operand);
                (hir::Expr::new(Kind::Not(Box::new(operand)), span), Type::Bool)
            }
            UnaryOp::Neg => {
                let (operand, ty) = self.infer(&unary.operand);
                let (plain, secret) = typing::without_secret(&ty);
                let result = match plain {
                    Type::Any => Type::Any,
                    Type::Int(_) | Type::Port => Type::INT,
                    Type::Float(_) => Type::Float(None),
                    other => {
                        let message = format!("`-` takes a number, found {}", describe(&other));
                        self.error("invalid-operands", span, message);
                        return (hir::Expr::error(span), Type::Any);
                    }
                };
                let result = if secret { typing::secret(result) } else { result };
                let folded = match operand.constant() {
                    Some(Value::Int(n)) => n.checked_neg().map(Value::Int),
                    Some(Value::Float(x)) => Some(Value::Float(-x)),
                    _ => None,
                };
                match folded {
                    Some(value) => (hir::Expr::new(Kind::Const(value), span), result),
                    None => (hir::Expr::new(Kind::Negate(Box::new(operand)), span), result),
                }
            }
        }
    }

    pub(crate) fn binary(&mut self, binary: &Binary, want: Option<&Type>, span: Span) -> (hir::Expr, Type) {
        match binary.op {
            BinaryOp::Coalesce => self.coalesce(binary, want, span),
            BinaryOp::And | BinaryOp::Or => {
                let left = self.condition(&binary.left);
                let right = self.scoped(|this| {
                    this.assume(&binary.left, binary.op == BinaryOp::And);
                    this.condition(&binary.right)
                });
                self.made(binary, left, right, false, Type::Bool, span)
            }
            BinaryOp::Eq | BinaryOp::Ne => self.equality(binary, span),
            BinaryOp::In | BinaryOp::NotIn => self.membership(binary, span),
            BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => self.ordering(binary, span),
            _ => self.arithmetic(binary, span),
        }
    }

    fn made(
        &mut self,
        binary: &Binary,
        left: hir::Expr,
        right: hir::Expr,
        versions: bool,
        ty: Type,
        span: Span,
    ) -> (hir::Expr, Type) {
        if matches!(left.kind, Kind::Error) || matches!(right.kind, Kind::Error) {
            return (hir::Expr::error(span), ty);
        }
        let binary = hir::Binary { op: binary.op, op_span: binary.op_span, left, right, versions };
        (hir::Expr::new(Kind::Binary(Box::new(binary)), span), ty)
    }

    fn coalesce(&mut self, binary: &Binary, want: Option<&Type>, span: Span) -> (hir::Expr, Type) {
        let (left, left_type) = self.infer(&binary.left);
        let (plain, secret) = typing::without_secret(&left_type);
        let can_be_none = matches!(plain, Type::Optional(_) | Type::Any | Type::None);
        if !can_be_none && !matches!(left.kind, Kind::Error) {
            let issue = Issue::warning("needless-default", self.loc(binary.right.span), "the left side of `??` is never none");
            let rest = Span::new(binary.left.span.end, binary.right.span.end);
            self.report(issue.hint("leave the default out").replacement(Some(rest), ""));
        }
        let inner = match &plain {
            Type::None => Type::Any,
            other => typing::without_none(other),
        };
        let inner = if secret { typing::secret(inner) } else { inner };
        let (right, right_type) = match want {
            // The right side is a value of the expected type, or what takes the place of the left one.
            Some(want) if typing::fit(&inner, want) != Fit::No => (self.check(&binary.right, want), inner.clone()),
            _ if matches!(inner, Type::Any) => self.infer(&binary.right),
            _ => match &binary.right.unparen().kind {
                ExprKind::Name(_) | ExprKind::List(_) | ExprKind::Record(_) => {
                    let optional = Type::optional(inner.clone());
                    let expected = if self.may_be_none(&binary.right) { &optional } else { &inner };
                    (self.check(&binary.right, expected), expected.clone())
                }
                _ => self.infer(&binary.right),
            },
        };
        let ty = if plain == Type::None { right_type } else { typing::join(&inner, &right_type) };
        self.made(binary, left, right, false, ty, span)
    }

    fn may_be_none(&self, expr: &Expr) -> bool {
        match &expr.unparen().kind {
            ExprKind::Literal(Literal::None) => true,
            ExprKind::Name(name) => {
                let ty = self.local(name).map(|local| &local.ty).or_else(|| self.global(name).map(|global| &global.ty));
                ty.is_some_and(|ty| matches!(ty, Type::Optional(_))) && self.narrowed(expr).is_none()
            }
            _ => false,
        }
    }

    /// Both sides of a comparison; a bare word takes the type of the other side.
    fn sides(&mut self, left: &Expr, right: &Expr) -> (hir::Expr, Type, hir::Expr, Type) {
        let is_word = |this: &Self, expr: &Expr| crate::resolve::bare_name(expr).is_some_and(|name| !this.is_bound(name));
        if is_word(self, left) && !is_word(self, right) {
            let (right, right_type) = self.infer(right);
            if matches!(right.kind, Kind::Error) {
                return (self.word_beside_mistake(left), Type::Any, right, Type::Any);
            }
            let left = self.check(left, &typing::widen(&right_type));
            return (left, right_type.clone(), right, right_type);
        }
        let (left, left_type) = self.infer(left);
        if matches!(left.kind, Kind::Error) && is_word(self, right) {
            return (left, Type::Any, self.word_beside_mistake(right), Type::Any);
        }
        let (base, _) = typing::without_secret(&left_type);
        let literal = matches!(right.unparen().kind, ExprKind::Literal(_) | ExprKind::List(_) | ExprKind::Record(_));
        let none = matches!(right.unparen().kind, ExprKind::Literal(Literal::None));
        if !none && base != Type::Any && (literal || is_word(self, right)) {
            let target = typing::widen(&base);
            let right = self.check(right, &target);
            return (left, left_type, right, target);
        }
        let (right, right_type) = self.infer(right);
        (left, left_type, right, right_type)
    }

    /// A bare word compared with something that is wrong: what it is a member of is not known, so nothing is said of it.
    fn word_beside_mistake(&mut self, word: &Expr) -> hir::Expr {
        self.infer_unless_name(word);
        hir::Expr::error(word.span)
    }

    fn equality(&mut self, binary: &Binary, span: Span) -> (hir::Expr, Type) {
        let (left, left_type, right, right_type) = self.sides(&binary.left, &binary.right);
        let (a, secret_a) = typing::without_secret(&left_type);
        let (b, secret_b) = typing::without_secret(&right_type);
        let errors = matches!(left.kind, Kind::Error) || matches!(right.kind, Kind::Error);
        let never_none = |ty: &Type| !matches!(ty, Type::Optional(_) | Type::Any | Type::None);
        if !errors && ((a == Type::None && never_none(&b)) || (b == Type::None && never_none(&a))) {
            let result = if binary.op == BinaryOp::Eq { "false" } else { "true" };
            let issue = Issue::warning(
                "needless-comparison",
                self.loc(span),
                format!("the value is never none: this is always {result}"),
            );
            self.report(issue);
        } else if !errors && a != Type::None && b != Type::None {
            let (x, y) = (typing::widen(&typing::without_none(&a)), typing::widen(&typing::without_none(&b)));
            if typing::fit(&x, &y) == Fit::No && typing::fit(&y, &x) == Fit::No {
                let message = format!("found {} and {}, which are never equal", describe(&a), describe(&b));
                self.error("type-mismatch", span, message);
                return (hir::Expr::error(span), Type::Bool);
            }
        }
        let ty = if secret_a || secret_b { typing::secret(Type::Bool) } else { Type::Bool };
        let versions = is_version(&a) || is_version(&b);
        self.made(binary, left, right, versions, ty, span)
    }

    fn membership(&mut self, binary: &Binary, span: Span) -> (hir::Expr, Type) {
        let is_word = |this: &Self, expr: &Expr| crate::resolve::bare_name(expr).is_some_and(|name| !this.is_bound(name));
        if let ExprKind::List(items) = &binary.right.unparen().kind
            && !is_word(self, &binary.left)
        {
            let (left, left_type) = self.infer(&binary.left);
            let (plain, secret) = typing::without_secret(&left_type);
            let item = typing::widen(&plain);
            if matches!(left.kind, Kind::Error) {
                for item in items {
                    if is_word(self, item) {
                        self.word_beside_mistake(item);
                    } else {
                        self.infer(item);
                    }
                }
                return (hir::Expr::error(span), Type::Bool);
            }
            let right = match &item {
                Type::Any => self.infer_list(items, binary.right.span).0,
                _ => self.check_list(items, &item, binary.right.span),
            };
            let ty = if secret { typing::secret(Type::Bool) } else { Type::Bool };
            return self.made(binary, left, right, false, ty, span);
        }
        let (right, right_type) = self.infer(&binary.right);
        let (plain, secret) = typing::without_secret(&right_type);
        let item = match &plain {
            Type::Any => None,
            Type::List(item, _) => Some(typing::widen(item)),
            Type::Map(_) | Type::Record(_) => Some(Type::STRING),
            text if typing::is_text(text) => Some(Type::STRING),
            Type::Optional(_) => {
                let hint = "give a value for that case: `… ?? []`";
                self.error_hint("optional-value", binary.right.span, "the list may be none", hint);
                None
            }
            other => {
                let message = format!("`in` takes a list, a map or text on its right, found {}", describe(other));
                self.error("invalid-operands", binary.right.span, message);
                None
            }
        };
        let left = match item {
            Some(item) => {
                // A value that may be none is in no list; looking is fine.
                self.check(&binary.left, &Type::optional(item))
            }
            None => self.infer(&binary.left).0,
        };
        let ty = if secret { typing::secret(Type::Bool) } else { Type::Bool };
        self.made(binary, left, right, false, ty, span)
    }

    fn ordering(&mut self, binary: &Binary, span: Span) -> (hir::Expr, Type) {
        let (left, left_type, right, right_type) = self.sides(&binary.left, &binary.right);
        let (a, secret_a) = typing::without_secret(&left_type);
        let (b, secret_b) = typing::without_secret(&right_type);
        let ty = if secret_a || secret_b { typing::secret(Type::Bool) } else { Type::Bool };
        let versions = is_version(&a) || is_version(&b);
        if matches!(left.kind, Kind::Error) || matches!(right.kind, Kind::Error) {
            return (hir::Expr::error(span), ty);
        }
        if !self.operands_present(binary, &a, &b) {
            return (hir::Expr::error(span), ty);
        }
        let comparable = |x: &Type, y: &Type| {
            matches!(
                (typing::widen(x), typing::widen(y)),
                (Type::Any, _)
                    | (_, Type::Any)
                    | (Type::Int(_), Type::Int(_))
                    | (Type::Float(_), Type::Float(_))
                    | (Type::String(..), Type::String(..))
                    | (Type::Duration, Type::Duration)
                    | (Type::Size, Type::Size)
                    | (Type::Mode, Type::Mode)
            )
        };
        if !comparable(&a, &b) {
            self.invalid_operands(binary, &a, &b);
            return (hir::Expr::error(span), ty);
        }
        self.made(binary, left, right, versions, ty, span)
    }

    fn operands_present(&mut self, binary: &Binary, a: &Type, b: &Type) -> bool {
        for (ty, operand) in [(a, &binary.left), (b, &binary.right)] {
            if matches!(ty, Type::Optional(_) | Type::None) {
                let message = format!("the operand of `{}` may be none", binary.op.as_str());
                let hint = "give a value for that case with `??`, or look first with `if … != none`";
                self.error_hint("optional-value", operand.span, message, hint);
                return false;
            }
        }
        true
    }

    fn invalid_operands(&mut self, binary: &Binary, a: &Type, b: &Type) {
        let message = format!("`{}` does not go with {} and {}", binary.op.as_str(), describe(a), describe(b));
        let issue = Issue::error("invalid-operands", self.loc(binary.op_span), message)
            .label(self.loc(binary.left.span), describe(a))
            .label(self.loc(binary.right.span), describe(b));
        let text = |ty: &Type| typing::is_text(ty);
        let number = |ty: &Type| matches!(ty, Type::Int(_) | Type::Port | Type::Float(_));
        let hint = match binary.op {
            BinaryOp::Add if text(a) || text(b) => Some("write text with `\"${…}\"`"),
            _ if number(a) && number(b) => Some("integers and floats do not mix: convert one with `to_float()` or `to_int()`"),
            BinaryOp::Add if matches!(a, Type::Map(_) | Type::Record(_)) => Some("join maps with `a.merge(b)`"),
            _ => None,
        };
        self.report(match hint {
            Some(hint) => issue.hint(hint),
            None => issue,
        });
    }

    fn arithmetic(&mut self, binary: &Binary, span: Span) -> (hir::Expr, Type) {
        let (left, left_type) = self.infer(&binary.left);
        let (right, right_type) = self.infer(&binary.right);
        let (a, secret_a) = typing::without_secret(&left_type);
        let (b, secret_b) = typing::without_secret(&right_type);
        if matches!(left.kind, Kind::Error) || matches!(right.kind, Kind::Error) {
            return (hir::Expr::error(span), Type::Any);
        }
        if !self.operands_present(binary, &a, &b) {
            return (hir::Expr::error(span), Type::Any);
        }
        let Some(ty) = arithmetic_type(binary.op, &a, &b) else {
            self.invalid_operands(binary, &a, &b);
            return (hir::Expr::error(span), Type::Any);
        };
        let ty = if secret_a || secret_b { typing::secret(ty) } else { ty };
        self.made(binary, left, right, false, ty, span)
    }
}

fn is_version(ty: &Type) -> bool {
    typing::without_none(ty) == Type::Version
}

/// The result of an arithmetic operator, `None` where it does not go with the operands.
fn arithmetic_type(op: BinaryOp, a: &Type, b: &Type) -> Option<Type> {
    use BinaryOp::{Add, Div, Mul, Rem, Sub};
    let (a, b) = match (a, b) {
        (Type::List(x, _), Type::List(y, _)) if op == Add => return Some(Type::list(typing::join(x, y))),
        _ => (typing::widen(a), typing::widen(b)),
    };
    Some(match (op, &a, &b) {
        (_, Type::Any, _) | (_, _, Type::Any) => Type::Any,
        (_, Type::Int(_), Type::Int(_)) => Type::INT,
        (_, Type::Float(_), Type::Float(_)) => Type::Float(None),
        (Add, Type::String(..), Type::String(..)) => Type::STRING,
        (Add | Sub | Rem, Type::Duration, Type::Duration) => Type::Duration,
        (Add | Sub | Rem, Type::Size, Type::Size) => Type::Size,
        (Mul | Div, Type::Duration, Type::Int(_)) | (Mul, Type::Int(_), Type::Duration) => Type::Duration,
        (Mul | Div, Type::Size, Type::Int(_)) | (Mul, Type::Int(_), Type::Size) => Type::Size,
        (Div, Type::Duration, Type::Duration) | (Div, Type::Size, Type::Size) => Type::INT,
        (_, Type::Literal(x), _) => return arithmetic_type(op, &typing::of_value(x), &b),
        (_, _, Type::Literal(y)) => return arithmetic_type(op, &a, &typing::of_value(y)),
        (_, Type::Union(options), _) => {
            let types: Option<Vec<Type>> = options.iter().map(|option| arithmetic_type(op, option, &b)).collect();
            typing::join_all(types?)
        }
        _ => return None,
    })
}
