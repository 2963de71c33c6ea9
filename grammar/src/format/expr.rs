//! Expressions and patterns.

use super::Printer;
use super::layout::{BRACES, PARENS, Place, SQUARES};
use crate::ast::{
    Arg, Binary, BinaryOp, Call, Expr, ExprKind, ForClause, IfExpr, Lambda, ListFor, Literal, MapFor, MatchExpr, Pattern,
    RecordEntry, RecordKey, Span,
};

impl Printer<'_> {
    /// Writes an expression.
    pub(super) fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Literal(Literal::String(_)) | ExprKind::Template(_) => self.string(expr.span),
            ExprKind::Literal(_) | ExprKind::Name(_) | ExprKind::Error => self.copy(expr.span),
            ExprKind::List(elements) => {
                let place = Place::around(expr.span);
                self.bracketed(
                    SQUARES,
                    place,
                    elements,
                    |element| element.span,
                    |_, _| Vec::new(),
                    |this, element, _| this.expr(element),
                );
            }
            ExprKind::Record(entries) => self.record(entries, expr.span),
            ExprKind::ListFor(list) => self.list_for(list, expr.span),
            ExprKind::MapFor(map) => self.map_for(map, expr.span),
            ExprKind::Paren(inner) => {
                let only = [inner.as_ref()];
                let brackets = super::layout::Brackets { has_commas: false, ..PARENS };
                let place = Place::around(expr.span);
                self.bracketed(brackets, place, &only, |inner| inner.span, |_, _| Vec::new(), |this, inner, _| this.expr(inner));
            }
            ExprKind::Unary(unary) => {
                self.push(unary.op.as_str());
                self.expr(&unary.operand);
            }
            ExprKind::Binary(_) => self.chain(expr, Self::is_binary_broken, Self::binary),
            ExprKind::Range(range) => {
                self.expr(&range.start);
                self.push(if range.inclusive { "..=" } else { ".." });
                self.expr(&range.end);
            }
            ExprKind::Field(_) | ExprKind::Call(_) | ExprKind::Index(_) => {
                self.chain(expr, Self::is_access_broken, Self::accesses)
            }
            ExprKind::Lambda(lambda) => self.lambda(lambda, expr.span),
            ExprKind::If(value) => self.if_expr(value),
            ExprKind::Match(value) => self.match_expr(value, expr.span),
        }
        self.last_end = expr.span.end;
    }

    /// Copies a string; the lines of a block keep their ends as `\n`.
    pub(super) fn string(&mut self, span: Span) {
        let text = span.text(self.source);
        if text.starts_with("\"\"\"") && text.contains('\r') {
            let text = text.replace("\r\n", "\n");
            self.push(&text);
            self.last_end = span.end;
        } else {
            self.copy(span);
        }
    }

    /// Writes a chain of operators or accesses, one level further in where it has several lines.
    fn chain(&mut self, expr: &Expr, is_broken: fn(&Self, &Expr) -> bool, write: fn(&mut Self, &Expr)) {
        let levels = usize::from(is_broken(self, expr));
        self.indent += levels;
        write(self, expr);
        self.indent -= levels;
    }

    /// Starts the next line of a chain, after the comments that stand before `offset`.
    pub(super) fn comments_at_break(&mut self, offset: u32) {
        // One that stands before the chain is not the chain's to move.
        self.is_misplaced |= self.comments.get(self.next_comment).is_some_and(|comment| comment.span.start < self.last_end);
        self.trailing_comment(false);
        self.comments_before(offset, true);
        self.newline();
    }

    fn is_binary_broken(&self, expr: &Expr) -> bool {
        let mut expr = expr;
        while let ExprKind::Binary(binary) = &expr.kind {
            if self.breaks_at(binary) {
                return true;
            }
            expr = &binary.left;
        }
        false
    }

    fn breaks_at(&self, binary: &Binary) -> bool {
        self.has_newline(binary.left.span.end, binary.op_span.start)
            || self.has_newline(binary.op_span.end, binary.right.span.start)
    }

    fn binary(&mut self, expr: &Expr) {
        let ExprKind::Binary(binary) = &expr.kind else { return self.expr(expr) };
        self.binary(&binary.left);
        self.last_end = binary.left.span.end;
        let op = binary.op.as_str();
        let may_start_line = !matches!(binary.op, BinaryOp::Sub | BinaryOp::Div | BinaryOp::In | BinaryOp::NotIn);
        match (self.breaks_at(binary), may_start_line) {
            (false, _) => {
                self.push(" ");
                self.push(op);
                self.push(" ");
            }
            (true, true) => {
                self.comments_at_break(binary.right.span.start);
                self.push(op);
                self.push(" ");
            }
            (true, false) => {
                self.push(" ");
                self.push(op);
                self.last_end = binary.op_span.end;
                self.comments_at_break(binary.right.span.start);
            }
        }
        self.expr(&binary.right);
    }

    fn is_access_broken(&self, expr: &Expr) -> bool {
        let mut expr = expr;
        loop {
            expr = match &expr.kind {
                ExprKind::Field(field) if self.has_newline(field.object.span.end, field.name.span.start) => return true,
                ExprKind::Field(field) => &field.object,
                ExprKind::Call(call) => &call.callee,
                ExprKind::Index(index) => &index.object,
                _ => return false,
            };
        }
    }

    fn accesses(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Field(field) => {
                self.accesses(&field.object);
                if self.has_newline(field.object.span.end, field.name.span.start) {
                    self.last_end = field.object.span.end;
                    self.comments_at_break(field.name.span.start);
                }
                self.push(if field.optional { "?." } else { "." });
                self.push(&field.name.name);
                self.last_end = field.name.span.end;
            }
            ExprKind::Call(call) => {
                self.accesses(&call.callee);
                self.args(call);
            }
            ExprKind::Index(index) => {
                self.accesses(&index.object);
                let open = self.skip_trivia(index.object.span.end);
                let place = Place { open, close: expr.span.end.saturating_sub(1) };
                let only = [&index.index];
                self.bracketed(SQUARES, place, &only, |index| index.span, |_, _| Vec::new(), |this, index, _| this.expr(index));
            }
            _ => self.expr(expr),
        }
    }

    fn args(&mut self, call: &Call) {
        let place = Place { open: self.skip_trivia(call.callee.span.end), close: call.span.end.saturating_sub(1) };
        self.bracketed(PARENS, place, &call.args, |arg| arg.span, |_, _| Vec::new(), |this, arg, _| this.arg(arg));
    }

    fn arg(&mut self, arg: &Arg) {
        if let Some(name) = &arg.name {
            self.push(&name.name);
            self.push(" = ");
        }
        self.expr(&arg.value);
    }

    /// Writes a call that is a statement.
    pub(super) fn call(&mut self, call: &Call) {
        let levels = usize::from(self.is_access_broken(&call.callee));
        self.indent += levels;
        self.accesses(&call.callee);
        self.args(call);
        self.indent -= levels;
    }

    fn record(&mut self, entries: &[RecordEntry], span: Span) {
        self.bracketed(
            BRACES,
            Place::around(span),
            entries,
            |entry| entry.span,
            |this, entries| {
                this.runs(
                    entries,
                    |entry| entry.span,
                    |this, entry| {
                        let key = match &entry.key {
                            RecordKey::Name(name) => name.span,
                            RecordKey::String(key) => key.span,
                        };
                        let before = key.text(this.source).chars().count();
                        let indent = this.indent * 2;
                        let after = this.width_on_one_line(entry.value.as_ref()?, indent + before + 3)?;
                        Some((before, after))
                    },
                )
            },
            |this, entry, width| {
                let start = this.out.len();
                match &entry.key {
                    RecordKey::Name(name) => this.push(&name.name),
                    RecordKey::String(key) => this.string(key.span),
                }
                if let Some(value) = &entry.value {
                    this.pad(start, width);
                    this.push(" = ");
                    this.expr(value);
                }
            },
        );
    }

    /// Writes `for x in xs if p`.
    pub(super) fn for_clause(&mut self, clause: &ForClause) {
        self.push("for ");
        self.push(&clause.binding.first.name);
        if let Some(second) = &clause.binding.second {
            self.push(", ");
            self.push(&second.name);
        }
        self.push(" in ");
        self.expr(&clause.iterable);
        if let Some(filter) = &clause.filter {
            self.push(" if ");
            self.expr(filter);
        }
    }

    fn list_for(&mut self, list: &ListFor, span: Span) {
        // From the word `for`, which the clause leaves out.
        let only = [Span::new(self.skip_trivia(span.start + 1), list.element.span.end)];
        let brackets = super::layout::Brackets { has_commas: false, ..SQUARES };
        self.bracketed(
            brackets,
            Place::around(span),
            &only,
            |span| *span,
            |_, _| Vec::new(),
            |this, _, _| {
                this.for_clause(&list.clause);
                this.after_colon(list.clause.span.end, list.element.span.start);
                this.expr(&list.element);
                this.outdent_after_colon(list.clause.span.end, list.element.span.start);
            },
        );
    }

    fn map_for(&mut self, map: &MapFor, span: Span) {
        let only = [Span::new(self.skip_trivia(span.start + 1), map.value.span.end)];
        self.bracketed(
            BRACES,
            Place::around(span),
            &only,
            |span| *span,
            |_, _| Vec::new(),
            |this, _, _| {
                this.for_clause(&map.clause);
                this.after_colon(map.clause.span.end, map.key.span.start);
                this.expr(&map.key);
                this.push(" = ");
                this.expr(&map.value);
                this.outdent_after_colon(map.clause.span.end, map.key.span.start);
            },
        );
    }

    /// Writes the colon of a comprehension, and a line end where there was one.
    fn after_colon(&mut self, from: u32, to: u32) {
        self.push(":");
        if self.has_newline(from, to) {
            self.indent += 1;
            self.newline();
        } else {
            self.push(" ");
        }
    }

    fn outdent_after_colon(&mut self, from: u32, to: u32) {
        self.indent -= usize::from(self.has_newline(from, to));
    }

    fn lambda(&mut self, lambda: &Lambda, span: Span) {
        let has_parens = span.text(self.source).starts_with('(');
        let names: Vec<&str> = lambda.params.iter().map(|param| &*param.name).collect();
        let names = names.join(", ");
        if has_parens && lambda.params.len() != 1 {
            self.push("(");
            self.push(&names);
            self.push(")");
        } else {
            self.push(&names);
        }
        self.push(" => ");
        self.expr(&lambda.body);
    }

    fn if_expr(&mut self, value: &IfExpr) {
        let mut end = 0;
        for (index, (condition, value)) in value.branches.iter().enumerate() {
            self.push(if index == 0 { "if " } else { " else if " });
            self.expr(condition);
            self.push(" ");
            end = self.branch(self.skip_trivia(condition.span.end), value);
        }
        if let Some(otherwise) = &value.otherwise {
            self.push(" else ");
            // Behind the brace and the word.
            let word = self.skip_trivia(end);
            self.branch(self.skip_trivia(word + 4), otherwise);
        }
    }

    /// Writes `{ value }`, whose brace stands at `open`, and returns where it ends.
    fn branch(&mut self, open: u32, value: &Expr) -> u32 {
        let place = Place { open, close: self.skip_trivia(value.span.end) };
        let only = [value];
        self.bracketed(BRACES, place, &only, |value| value.span, |_, _| Vec::new(), |this, value, _| this.expr(value));
        place.close + 1
    }

    fn match_expr(&mut self, value: &MatchExpr, span: Span) {
        self.push("match ");
        self.expr(&value.subject);
        self.push(" ");
        let place = Place { open: self.skip_trivia(value.subject.span.end), close: span.end.saturating_sub(1) };
        self.bracketed(
            BRACES,
            place,
            &value.arms,
            |arm| arm.span,
            |_, _| Vec::new(),
            |this, arm, _| {
                this.patterns(&arm.patterns);
                this.push(" => ");
                this.expr(&arm.value);
            },
        );
    }

    /// Writes `p | q`.
    pub(super) fn patterns(&mut self, patterns: &[Pattern]) {
        let is_broken = patterns.windows(2).any(|pair| self.has_newline(pair[0].span.end, pair[1].span.start));
        self.indent += usize::from(is_broken);
        for (index, pattern) in patterns.iter().enumerate() {
            if index > 0 {
                if self.has_newline(patterns[index - 1].span.end, pattern.span.start) {
                    self.newline();
                    self.push("| ");
                } else {
                    self.push(" | ");
                }
            }
            self.copy(pattern.span);
        }
        self.indent -= usize::from(is_broken);
    }
}
