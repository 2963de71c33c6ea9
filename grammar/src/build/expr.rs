//! Expressions: what pest matched flat becomes a tree by operator precedence.

use super::{Builder, Node, Nodes, number};
use crate::ast::{
    Binary, BinaryOp, Expr, ExprKind, ForBinding, ForClause, Ident, IfExpr, Lambda, ListFor, Literal, MapFor, MatchExpr,
    MatchExprArm, Path, Pattern, PatternKind, PatternRange, Range, RecordEntry, RecordKey, Span, Unary, UnaryOp,
};
use crate::error::SyntaxError;
use crate::syntax::Rule;

/// How tightly the operators bind, loosest first.
mod power {
    pub(super) const LOOSEST: u8 = 0;
    pub(super) const COALESCE: u8 = 1;
    pub(super) const OR: u8 = 2;
    pub(super) const AND: u8 = 3;
    pub(super) const NOT: u8 = 4;
    pub(super) const COMPARE: u8 = 5;
    pub(super) const RANGE: u8 = 6;
    pub(super) const ADD: u8 = 7;
    pub(super) const MULTIPLY: u8 = 8;
    pub(super) const SIGN: u8 = 9;
}

#[derive(Clone, Copy)]
enum Operator {
    Binary(BinaryOp),
    Range { inclusive: bool },
}

impl Operator {
    fn read(text: &str) -> (Operator, u8) {
        let (op, power) = match text {
            "??" => (BinaryOp::Coalesce, power::COALESCE),
            "||" => (BinaryOp::Or, power::OR),
            "&&" => (BinaryOp::And, power::AND),
            "==" => (BinaryOp::Eq, power::COMPARE),
            "!=" => (BinaryOp::Ne, power::COMPARE),
            "<" => (BinaryOp::Lt, power::COMPARE),
            "<=" => (BinaryOp::Le, power::COMPARE),
            ">" => (BinaryOp::Gt, power::COMPARE),
            ">=" => (BinaryOp::Ge, power::COMPARE),
            "in" => (BinaryOp::In, power::COMPARE),
            "+" => (BinaryOp::Add, power::ADD),
            "-" => (BinaryOp::Sub, power::ADD),
            "*" => (BinaryOp::Mul, power::MULTIPLY),
            "/" => (BinaryOp::Div, power::MULTIPLY),
            "%" => (BinaryOp::Rem, power::MULTIPLY),
            ".." => return (Operator::Range { inclusive: false }, power::RANGE),
            "..=" => return (Operator::Range { inclusive: true }, power::RANGE),
            // `not in`, with any blanks between the words.
            _ => (BinaryOp::NotIn, power::COMPARE),
        };
        (Operator::Binary(op), power)
    }
}

impl<'s> Builder<'s> {
    /// Builds an expression.
    pub(crate) fn expr(&mut self, node: Node<'s>) -> Expr {
        let span = self.span(&node);
        let mut inner = node.into_inner();
        if inner.len() == 1
            && let Some(only) = inner.next()
        {
            return self.deeper(1, span, |this| this.primary(only)).unwrap_or(hole(span));
        }
        // Every operator and access may make the tree one level deeper.
        let links = inner.clone().filter(|node| is_link(node.as_rule())).count();
        self.deeper(links + 1, span, |this| this.operators(&mut inner, power::LOOSEST)).unwrap_or(hole(span))
    }

    /// Climbs the precedence of a flat run of operands and operators.
    fn operators(&mut self, inner: &mut Nodes<'s>, least: u8) -> Expr {
        let mut left = self.operand(inner, least);
        let mut chained: Option<(u8, Span)> = None;
        let mut is_broken = false;
        while let Some(next) = inner.peek() {
            if !matches!(next.as_rule(), Rule::operator | Rule::line_operator) {
                break;
            }
            let (op, power) = Operator::read(next.as_str());
            if power < least || (least > 0 && power == least) {
                break;
            }
            let op_span = self.span(&next);
            if let Some((before, _)) = chained
                && before == power
                && (power == power::COMPARE || power == power::RANGE)
            {
                self.chained_operators(power, op_span);
                is_broken = true;
            }
            chained = Some((power, op_span));
            inner.next();
            let right = self.operators(inner, power);
            let span = left.span.to(right.span);
            if is_broken {
                left = hole(span);
                continue;
            }
            let kind = match op {
                Operator::Binary(op) => ExprKind::Binary(Box::new(Binary { op, op_span, left, right })),
                Operator::Range { inclusive } => ExprKind::Range(Box::new(Range { start: left, end: right, inclusive })),
            };
            left = Expr { kind, span };
        }
        left
    }

    fn chained_operators(&mut self, power: u8, span: Span) {
        let error = if power == power::COMPARE {
            SyntaxError::new("chained-operators", span, "comparisons cannot be chained")
                .with_hint("compare twice, as in `a < b && b < c`, or use parentheses")
        } else {
            SyntaxError::new("chained-operators", span, "a range has one start and one end")
        };
        self.errors.push(error);
    }

    /// Builds prefix operators, the operand, and what hangs on it.
    fn operand(&mut self, inner: &mut Nodes<'s>, least: u8) -> Expr {
        let Some(first) = inner.next() else { return hole(Span::at(self.base as u32)) };
        if first.as_rule() == Rule::prefix {
            return self.prefixed(&first, inner, least);
        }
        if inner.peek().is_some_and(|next| next.as_rule() == Rule::lambda_body) {
            return self.lambda(first, inner);
        }
        let mut expr = self.primary(first);
        while let Some(next) = inner.peek() {
            match next.as_rule() {
                Rule::field_access | Rule::call | Rule::index => {
                    inner.next();
                    expr = self.access(expr, next);
                }
                Rule::lambda_body => {
                    inner.next();
                    let message = "the parameters of a function are names";
                    self.errors
                        .push(SyntaxError::new("bad-lambda", expr.span, message).with_hint("write `x => …` or `(a, b) => …`"));
                }
                _ => break,
            }
        }
        expr
    }

    fn prefixed(&mut self, prefix: &Node<'s>, inner: &mut Nodes<'s>, least: u8) -> Expr {
        let op_span = self.span(prefix);
        let (op, power) = match prefix.as_str() {
            "!" => (UnaryOp::Not, power::NOT),
            _ => (UnaryOp::Neg, power::SIGN),
        };
        if op == UnaryOp::Neg
            && let Some(next) = inner.peek()
            && next.as_rule() == Rule::number
            && next.as_str() == number::MIN_DIGITS
            && inner.clone().nth(1).is_none_or(|after| !is_link(after.as_rule()) || after.as_rule() == Rule::operator)
        {
            let span = op_span.to(self.span(&next));
            inner.next();
            return Expr { kind: ExprKind::Literal(Literal::Int(i64::MIN)), span };
        }
        let operand = self.operators(inner, power.max(least));
        let span = op_span.to(operand.span);
        Expr { kind: ExprKind::Unary(Box::new(Unary { op, op_span, operand })), span }
    }

    fn lambda(&mut self, params: Node<'s>, inner: &mut Nodes<'s>) -> Expr {
        let start = self.span(&params);
        let mut names = Vec::new();
        let errors = self.errors.len();
        match params.as_rule() {
            Rule::word => names.push(self.ident(&params)),
            Rule::paren => {
                for param in params.into_inner() {
                    let span = self.span(&param);
                    let mut parts = param.into_inner();
                    match (parts.next(), parts.next()) {
                        (Some(name), None) if name.as_rule() == Rule::word => names.push(self.ident(&name)),
                        _ => self.bad_lambda(span),
                    }
                }
            }
            _ => self.bad_lambda(start),
        }
        let is_broken = self.errors.len() > errors;
        let body = inner.next().and_then(|node| node.into_inner().next()).map(|body| self.expr(body));
        let body = body.unwrap_or(hole(start));
        let span = start.to(body.span);
        if is_broken {
            return hole(span);
        }
        Expr { kind: ExprKind::Lambda(Box::new(Lambda { params: names, body })), span }
    }

    fn bad_lambda(&mut self, span: Span) {
        let error = SyntaxError::new("bad-lambda", span, "the parameters of a function are names");
        self.errors.push(error.with_hint("write `x => …` or `(a, b) => …`"));
    }

    /// Builds what stands on its own.
    pub(super) fn primary(&mut self, node: Node<'s>) -> Expr {
        let span = self.span(&node);
        let kind = match node.as_rule() {
            Rule::number => return self.number(&node),
            Rule::word => self.word(&node),
            Rule::list => self.list(node),
            Rule::record => self.record(node),
            Rule::paren => self.paren(node, span),
            Rule::if_expr => self.if_expr(node, span),
            Rule::match_expr => self.match_expr(node),
            _ => return self.string(node),
        };
        Expr { kind, span }
    }

    pub(super) fn number(&mut self, node: &Node<'s>) -> Expr {
        let span = self.span(node);
        let kind = match number::decode(node.as_str(), span) {
            Ok(literal) => ExprKind::Literal(literal),
            Err(error) => {
                self.errors.push(error);
                ExprKind::Error
            }
        };
        Expr { kind, span }
    }

    fn word(&mut self, node: &Node<'s>) -> ExprKind {
        match node.as_str() {
            "none" => ExprKind::Literal(Literal::None),
            "true" => ExprKind::Literal(Literal::Bool(true)),
            "false" => ExprKind::Literal(Literal::Bool(false)),
            // What is known about the node, as in `node.tags`.
            "node" => ExprKind::Name(self.label(node).name),
            _ => ExprKind::Name(self.ident(node).name),
        }
    }

    fn list(&mut self, node: Node<'s>) -> ExprKind {
        let inner = node.into_inner();
        if let Some(first) = inner.peek()
            && first.as_rule() == Rule::list_for
        {
            let mut parts = first.into_inner();
            let Some(clause) = parts.next() else { return ExprKind::Error };
            let clause = self.for_clause(clause);
            let Some(element) = parts.next() else { return ExprKind::Error };
            let element = self.expr(element);
            return ExprKind::ListFor(Box::new(ListFor { clause, element }));
        }
        ExprKind::List(inner.map(|element| self.expr(element)).collect())
    }

    fn record(&mut self, node: Node<'s>) -> ExprKind {
        let inner = node.into_inner();
        if let Some(first) = inner.peek()
            && first.as_rule() == Rule::map_for
        {
            let mut parts = first.into_inner();
            let Some(clause) = parts.next() else { return ExprKind::Error };
            let clause = self.for_clause(clause);
            let (Some(key), Some(value)) = (parts.next(), parts.next()) else { return ExprKind::Error };
            let (key, value) = (self.expr(key), self.expr(value));
            return ExprKind::MapFor(Box::new(MapFor { clause, key, value }));
        }
        ExprKind::Record(inner.map(|entry| self.entry(entry)).collect())
    }

    fn entry(&mut self, node: Node<'s>) -> RecordEntry {
        let span = self.span(&node);
        let mut parts = node.into_inner();
        let key = parts.next();
        let value = parts.next();
        let key = match key {
            Some(key) if key.as_rule() == Rule::word => {
                RecordKey::Name(if value.is_some() { self.label(&key) } else { self.ident(&key) })
            }
            Some(key) => RecordKey::String(self.string(key)),
            None => RecordKey::String(hole(span)),
        };
        let value = value.map(|value| self.expr(value));
        if value.is_none() && matches!(key, RecordKey::String(_)) {
            let error = SyntaxError::new("missing-value", Span::at(span.end), "expected `=` and a value after this key");
            self.errors.push(error.with_hint("only a plain name stands for itself, as in `{ workers }`; for a list use `[ … ]`"));
        }
        RecordEntry { key, value, span }
    }

    fn paren(&mut self, node: Node<'s>, span: Span) -> ExprKind {
        let mut inner = node.into_inner();
        match (inner.next(), inner.next()) {
            (Some(only), None) => ExprKind::Paren(Box::new(self.expr(only))),
            (None, _) => {
                let error = SyntaxError::new("missing-value", span, "expected an expression between the parentheses");
                self.errors.push(error.with_hint("write a value in them, or take them out"));
                ExprKind::Error
            }
            (Some(_), Some(second)) => {
                let span = self.span(&second);
                self.errors.push(
                    SyntaxError::new("unexpected-token", span, "expected `)`: parentheses hold one expression")
                        .with_hint("use a list `[a, b]` or a record `{ a, b }`"),
                );
                ExprKind::Error
            }
        }
    }

    pub(crate) fn for_clause(&mut self, node: Node<'s>) -> ForClause {
        let span = self.span(&node);
        let mut parts = node.into_inner();
        let mut names =
            parts.next().map(|names| names.into_inner().map(|name| self.ident(&name)).collect::<Vec<_>>()).unwrap_or_default();
        let second = if names.len() > 1 { names.pop() } else { None };
        let first = names.pop().unwrap_or_else(|| Ident { name: "".into(), span });
        let iterable = parts.next().map_or(hole(span), |iterable| self.expr(iterable));
        let filter = parts.next().map(|filter| self.expr(filter));
        ForClause { binding: ForBinding { first, second }, iterable, filter, span }
    }

    fn if_expr(&mut self, node: Node<'s>, span: Span) -> ExprKind {
        let mut branches = Vec::new();
        let mut otherwise = None;
        let mut condition = None;
        for part in node.into_inner() {
            if part.as_rule() == Rule::expr {
                condition = Some(self.expr(part));
                continue;
            }
            let value_span = self.span(&part);
            let value = part.into_inner().next().map_or(hole(value_span), |value| self.expr(value));
            match condition.take() {
                Some(condition) => branches.push((condition, value)),
                None if otherwise.is_none() => otherwise = Some(value),
                None => self.else_after_else(value_span),
            }
        }
        if otherwise.is_none() {
            self.errors.push(
                SyntaxError::new(
                    "missing-else",
                    Span::at(span.end),
                    "expected `else`: an `if` used as a value needs both branches",
                )
                .with_hint("`else { none }` leaves an attribute out"),
            );
        }
        ExprKind::If(Box::new(IfExpr { branches, otherwise }))
    }

    pub(super) fn else_after_else(&mut self, span: Span) {
        self.errors.push(SyntaxError::new("misplaced-else", span, "nothing can follow the last `else`"));
    }

    fn match_expr(&mut self, node: Node<'s>) -> ExprKind {
        let mut parts = node.into_inner();
        let Some(subject) = parts.next() else { return ExprKind::Error };
        let subject = self.expr(subject);
        let arms = parts.map(|arm| {
            let span = self.span(&arm);
            let mut parts = arm.into_inner();
            let patterns = parts.next().map(|patterns| self.patterns(patterns)).unwrap_or_default();
            let value = parts.next().map_or(hole(span), |value| self.expr(value));
            MatchExprArm { patterns, value, span }
        });
        ExprKind::Match(Box::new(MatchExpr { subject, arms: arms.collect() }))
    }

    pub(crate) fn patterns(&mut self, node: Node<'s>) -> Vec<Pattern> {
        node.into_inner().map(|pattern| self.pattern(pattern)).collect()
    }

    fn pattern(&mut self, node: Node<'s>) -> Pattern {
        let span = self.span(&node);
        let Some(inner) = node.into_inner().next() else { return Pattern { kind: PatternKind::Error, span } };
        let kind = match inner.as_rule() {
            Rule::regex => PatternKind::Regex(self.regex(&inner)),
            Rule::path => self.path_pattern(inner),
            Rule::pattern_range => self.pattern_range(inner),
            _ => PatternKind::Literal(Literal::String(self.plain(inner).0)),
        };
        Pattern { kind, span }
    }

    fn path_pattern(&mut self, node: Node<'s>) -> PatternKind {
        let mut path: Path = self.path(node);
        if path.segments.len() > 1 {
            return PatternKind::Member(path);
        }
        match (path.segments.pop(), path.span) {
            (Some(ident), _) => match ident.as_str() {
                "_" => PatternKind::Wildcard,
                "none" => PatternKind::Literal(Literal::None),
                "true" => PatternKind::Literal(Literal::Bool(true)),
                "false" => PatternKind::Literal(Literal::Bool(false)),
                word => {
                    if crate::keywords::is_keyword(word) {
                        self.keyword_as_name(&ident);
                    }
                    PatternKind::Name(ident)
                }
            },
            (None, _) => PatternKind::Error,
        }
    }

    fn pattern_range(&mut self, node: Node<'s>) -> PatternKind {
        let mut start = None;
        let mut end = None;
        let mut op = None;
        for part in node.into_inner() {
            if part.as_rule() == Rule::range_op {
                op = Some(part.as_str() == "..=");
                continue;
            }
            let span = self.span(&part);
            let bound = match self.bound(part).kind {
                ExprKind::Literal(literal) => (literal, span),
                _ => return PatternKind::Error,
            };
            if op.is_some() { end = Some(bound) } else { start = Some(bound) }
        }
        match (op, start, end) {
            (Some(inclusive), start, end) => PatternKind::Range(PatternRange { start, end, inclusive }),
            (None, Some((literal, _)), _) => PatternKind::Literal(literal),
            (None, None, _) => PatternKind::Error,
        }
    }

    /// Builds a number with a sign, folded into the literal, or a path as field accesses.
    pub(super) fn bound(&mut self, node: Node<'s>) -> Expr {
        let span = self.span(&node);
        let mut negative = false;
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::minus => negative = true,
                Rule::number if negative => return self.negative(&part, span),
                Rule::number => return self.number(&part),
                Rule::path => return self.path_expr(part, negative, span),
                _ => {}
            }
        }
        hole(span)
    }

    /// Builds a number after a minus sign.
    pub(super) fn negative(&mut self, node: &Node<'s>, span: Span) -> Expr {
        if node.as_str() == number::MIN_DIGITS {
            return Expr { kind: ExprKind::Literal(Literal::Int(i64::MIN)), span };
        }
        let kind = match self.number(node).kind {
            ExprKind::Literal(Literal::Int(value)) => ExprKind::Literal(Literal::Int(-value)),
            ExprKind::Literal(Literal::Float(value)) => ExprKind::Literal(Literal::Float(-value)),
            ExprKind::Error => ExprKind::Error,
            _ => {
                self.errors.push(SyntaxError::new("bad-number", span, "only integers and floats can be negative"));
                ExprKind::Error
            }
        };
        Expr { kind, span }
    }
}

fn is_link(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::prefix | Rule::operator | Rule::line_operator | Rule::field_access | Rule::call | Rule::index | Rule::lambda_body
    )
}

/// Returns what stands for an expression that is missing or not understood.
pub(crate) fn hole(span: Span) -> Expr {
    Expr { kind: ExprKind::Error, span }
}
