//! A template as it is rendered: what makes values goes through filters that pay for them.
//!
//! `a ~ b` becomes `(a)|stead_concatenate(b)`, and so do `+` and `*`; the value of a `set` is kept by a filter; and the text of a
//! template is paid for once for each time that it may be written. What was put in is known by its place, so that an error has the
//! place that the user's own text has.

use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Macro, Stmt};
use minijinja::machinery::{Token, WhitespaceConfig, parse, tokenize};
use stead_grammar::ast::Span;

use crate::position::offset_u32;

pub(super) const CONCATENATE: &str = "stead_concatenate";
pub(super) const ADD: &str = "stead_add";
pub(super) const MULTIPLY: &str = "stead_multiply";
pub(super) const KEEP: &str = "stead_keep";
pub(super) const KEEP_IN_NAMESPACE: &str = "stead_keep_in_namespace";
pub(super) const TEXT: &str = "stead_text";

/// What stands instead of some bytes of the user's text.
#[derive(Clone, Debug)]
struct Edit {
    at: Span,
    with: String,
    /// What an error in it is about.
    about: Option<Span>,
}

/// A template that was rewritten.
#[derive(Clone, Debug, Default)]
pub(in crate::template) struct Rewritten {
    /// What is rendered.
    pub(in crate::template) text: String,
    edits: Vec<Edit>,
}

impl Rewritten {
    /// Returns where in the user's text a piece of the rewritten one stands.
    pub(in crate::template) fn place(&self, start: usize, end: usize) -> (usize, usize) {
        let ((start, about), (end, _)) = (self.origin(start), self.origin(end));
        match about {
            Some(about) => (about.start as usize, about.end as usize),
            None => (start, end.max(start)),
        }
    }

    /// The byte of the user's text, and what an error there is about where it was put in.
    fn origin(&self, offset: usize) -> (usize, Option<Span>) {
        let (mut original, mut rewritten) = (0, 0);
        for edit in &self.edits {
            let (start, end) = (edit.at.start as usize, edit.at.end as usize);
            if offset < rewritten + (start - original) {
                break;
            }
            rewritten += start - original;
            if offset < rewritten + edit.with.len() {
                return (start, edit.about);
            }
            rewritten += edit.with.len();
            original = end;
        }
        (original + (offset - rewritten), None)
    }
}

/// Rewrites a template. `Ok(None)` where it has a mistake, of which minijinja tells.
///
/// # Errors
/// The place of an operator whose operands are not found.
pub(in crate::template) fn rewrite(text: &str, whitespace: WhitespaceConfig) -> Result<Option<Rewritten>, Span> {
    let tokens: Result<Vec<_>, _> = tokenize(text, false, Default::default(), whitespace).collect();
    let (Ok(tokens), Ok(root)) = (tokens, parse(text, "", Default::default(), whitespace)) else { return Ok(None) };
    let tokens: Vec<(Token<'_>, Span)> =
        tokens.into_iter().map(|(token, span)| (token, Span::new(span.start_offset, span.end_offset))).collect();
    let mut rewriter = Rewriter { tokens: &tokens, edits: Vec::new(), failed: None };
    rewriter.stmt(&root);
    rewriter.sets();
    rewriter.texts(text, whitespace.keep_trailing_newline);
    if let Some(span) = rewriter.failed {
        return Err(span);
    }
    let mut edits = rewriter.edits;
    // Stable: what closes an operator stands before what closes the `set` around it.
    edits.sort_by_key(|edit| edit.at.start);
    let mut out = String::with_capacity(text.len() + edits.iter().map(|edit| edit.with.len()).sum::<usize>());
    let mut at = 0;
    for edit in &edits {
        out.push_str(text.get(at..edit.at.start as usize).unwrap_or_default());
        out.push_str(&edit.with);
        at = edit.at.end as usize;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    Ok(Some(Rewritten { text: out, edits }))
}

struct Rewriter<'t> {
    tokens: &'t [(Token<'t>, Span)],
    edits: Vec<Edit>,
    failed: Option<Span>,
}

impl Rewriter<'_> {
    fn insert(&mut self, at: u32, with: impl Into<String>) {
        self.edits.push(Edit { at: Span::at(at), with: with.into(), about: None });
    }

    fn body(&mut self, body: &[Stmt<'_>]) {
        body.iter().for_each(|stmt| self.stmt(stmt));
    }

    fn stmt(&mut self, stmt: &Stmt<'_>) {
        match stmt {
            Stmt::Template(template) => self.body(&template.children),
            Stmt::EmitExpr(emit) => self.expr(&emit.expr),
            Stmt::EmitRaw(_) | Stmt::Continue(_) | Stmt::Break(_) => {}
            Stmt::ForLoop(each) => {
                self.expr(&each.iter);
                each.filter_expr.iter().for_each(|filter| self.expr(filter));
                self.body(&each.body);
                self.body(&each.else_body);
            }
            Stmt::IfCond(cond) => {
                self.expr(&cond.expr);
                self.body(&cond.true_body);
                self.body(&cond.false_body);
            }
            Stmt::WithBlock(with) => {
                with.assignments.iter().for_each(|(_, value)| self.expr(value));
                self.body(&with.body);
            }
            Stmt::Set(set) => self.expr(&set.expr),
            Stmt::SetBlock(set) => {
                set.filter.iter().for_each(|filter| self.expr(filter));
                self.body(&set.body);
            }
            Stmt::AutoEscape(escape) => {
                self.expr(&escape.enabled);
                self.body(&escape.body);
            }
            Stmt::FilterBlock(block) => {
                self.expr(&block.filter);
                self.body(&block.body);
            }
            Stmt::Block(block) => self.body(&block.body),
            Stmt::Import(import) => self.expr(&import.expr),
            Stmt::FromImport(import) => self.expr(&import.expr),
            Stmt::Extends(extends) => self.expr(&extends.name),
            Stmt::Include(include) => self.expr(&include.name),
            Stmt::Macro(declared) => self.declared(declared),
            Stmt::CallBlock(block) => {
                self.expr(&block.call.expr);
                self.args(&block.call.args);
                self.declared(&block.macro_decl);
            }
            Stmt::Do(run) => {
                self.expr(&run.call.expr);
                self.args(&run.call.args);
            }
        }
    }

    fn declared(&mut self, declared: &Macro<'_>) {
        declared.defaults.iter().for_each(|default| self.expr(default));
        self.body(&declared.body);
    }

    fn args(&mut self, args: &[CallArg<'_>]) {
        for arg in args {
            match arg {
                CallArg::Pos(expr) | CallArg::Kwarg(_, expr) | CallArg::PosSplat(expr) | CallArg::KwargSplat(expr) => {
                    self.expr(expr);
                }
            }
        }
    }

    fn expr(&mut self, expr: &Expr<'_>) {
        match expr {
            Expr::Const(_) | Expr::Var(_) => {}
            Expr::GetAttr(attr) => self.expr(&attr.expr),
            Expr::GetItem(item) => {
                self.expr(&item.expr);
                self.expr(&item.subscript_expr);
            }
            Expr::Slice(slice) => {
                self.expr(&slice.expr);
                [&slice.start, &slice.stop, &slice.step].into_iter().flatten().for_each(|part| self.expr(part));
            }
            Expr::UnaryOp(op) => self.expr(&op.expr),
            Expr::BinOp(op) => {
                self.expr(&op.left);
                self.expr(&op.right);
                let (filter, sign) = match op.op {
                    BinOpKind::Concat => (CONCATENATE, Token::Tilde),
                    BinOpKind::Add => (ADD, Token::Plus),
                    BinOpKind::Mul => (MULTIPLY, Token::Mul),
                    _ => return,
                };
                let (whole, left) = (op.span(), op.left.span());
                self.operator(Span::new(whole.start_offset, whole.end_offset), left.end_offset, &sign, filter);
            }
            Expr::Compare(compare) => {
                self.expr(&compare.expr);
                compare.ops.iter().for_each(|op| self.expr(&op.expr));
            }
            Expr::IfExpr(cond) => {
                self.expr(&cond.test_expr);
                self.expr(&cond.true_expr);
                cond.false_expr.iter().for_each(|no| self.expr(no));
            }
            Expr::Filter(filter) => {
                filter.expr.iter().for_each(|expr| self.expr(expr));
                self.args(&filter.args);
            }
            Expr::Test(test) => {
                self.expr(&test.expr);
                self.args(&test.args);
            }
            Expr::Call(call) => {
                self.expr(&call.expr);
                self.args(&call.args);
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.expr(item)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(|part| self.expr(part)),
        }
    }

    /// Makes an operator a filter: `(a)|filter(b)`.
    fn operator(&mut self, whole: Span, left_end: u32, sign: &Token<'_>, filter: &str) {
        // Between the left operand and the operator there is nothing but what closes the operand.
        let after = self.tokens.partition_point(|(_, span)| span.start < left_end);
        let found = self.tokens[after..].iter().find(|(token, _)| !matches!(token, Token::ParenClose));
        match found {
            Some((token, span)) if std::mem::discriminant(token) == std::mem::discriminant(sign) => {
                let with = format!(")|{filter}(");
                self.insert(whole.start, "(");
                self.edits.push(Edit { at: *span, with, about: Some(whole) });
                self.insert(whole.end, ")");
            }
            _ => self.failed = self.failed.or(Some(whole)),
        }
    }

    /// Has the value of every `set` kept by a filter.
    fn sets(&mut self) {
        let mut at = 0;
        while let Some(found) =
            self.tokens[at..].windows(2).position(|pair| matches!(pair, [(Token::BlockStart, _), (Token::Ident("set"), _)]))
        {
            let start = at + found;
            let Some(length) = self.tokens[start..].iter().position(|(token, _)| matches!(token, Token::BlockEnd)) else {
                return;
            };
            let tag = &self.tokens[start..start + length];
            let end = self.tokens[start + length].1.start;
            at = start + length;
            // A filter of a block that is set may have arguments with names.
            let mut head = tag.iter().take_while(|(token, _)| !matches!(token, Token::Pipe | Token::Assign));
            let filter = if head.any(|(token, _)| matches!(token, Token::Dot)) { KEEP_IN_NAMESPACE } else { KEEP };
            let sign = tag.iter().find(|(token, _)| matches!(token, Token::Pipe | Token::Assign));
            if let Some((Token::Assign, sign)) = sign {
                let after = sign.end;
                // Without brackets, `1, 2` is a list all the same; in them too.
                self.insert(after, "(");
                let value = self.tokens[start..start + length].last().map_or(after, |(_, span)| span.end);
                let first = tag.iter().map(|(_, span)| span.start).find(|start| *start >= after).unwrap_or(after);
                let about = Some(Span::new(first, value));
                self.edits.push(Edit { at: Span::at(end), with: format!(")|{filter} "), about });
            }
        }
    }

    /// Has the text in whatever may run more than once paid for each time.
    fn texts(&mut self, text: &str, keeps_newline: bool) {
        // Where the text in a body is paid for, and how much it is.
        let mut open: Vec<(Option<(u32, String)>, usize)> = vec![(None, 0)];
        let mut done = Vec::new();
        let mut kind: Option<&str> = None;
        for (i, (token, span)) in self.tokens.iter().enumerate() {
            match token {
                Token::BlockStart => {
                    kind = match self.tokens.get(i + 1) {
                        Some((Token::Ident(name), _)) => Some(*name),
                        _ => None,
                    };
                    if matches!(kind, Some("endfor" | "endmacro" | "endblock" | "endcall")) && open.len() > 1 {
                        done.extend(open.pop());
                    }
                }
                Token::BlockEnd if matches!(kind, Some("for" | "macro" | "block" | "call")) => {
                    // A block that is required has nothing but white space in it, and may hold nothing else.
                    let is_required = matches!(self.tokens.get(i.wrapping_sub(1)), Some((Token::Ident("required"), _)));
                    open.push(((!is_required).then(|| (span.end, span.text(text).to_owned())), 0));
                }
                Token::TemplateData(data) => {
                    if let Some((_, bytes)) = open.last_mut() {
                        *bytes += data.len();
                    }
                }
                _ => {}
            }
        }
        done.extend(open);
        for (place, bytes) in done.into_iter().filter(|(_, bytes)| *bytes > 0) {
            match place {
                // A tag with the same mark for white space leaves the text after it as it was.
                Some((at, mark)) => self.insert(at, format!("{{% if {bytes}|{TEXT} %}}{{% endif {mark}")),
                None => {
                    // A template may be included in a loop. A newline that is taken off is the last thing still.
                    let line = if keeps_newline { text } else { text.strip_suffix('\n').unwrap_or(text) };
                    let line = if keeps_newline { line } else { line.strip_suffix('\r').unwrap_or(line) };
                    self.insert(offset_u32(line.len()), format!("{{{{ {bytes}|{TEXT} }}}}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Whitespace;
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let rewritten = rewrite(text, Whitespace::default().config()).unwrap().unwrap();
        assert_eq!(rewritten.text, expected);
        for (at, _) in text.char_indices().filter(|(_, c)| c.is_alphabetic()) {
            // Every letter of the user's is found again.
            let there = (0..rewritten.text.len()).find(|offset| rewritten.origin(*offset) == (at, None));
            assert!(there.is_some(), "{at} of {text}");
        }
    }

    #[test]
    fn operators_become_filters() {
        check("{{ a ~ b }}", "{{ (a )|stead_concatenate( b) }}");
        check("{{ (a) + (b) }}", "{{ ((a) )|stead_add( (b)) }}");
        check("{{ a ~ b ~ c * -2 | f }}", "{{ ((a )|stead_concatenate( b) )|stead_concatenate( (c )|stead_multiply( -2 | f)) }}");
        check("{{ f(a + 1)[b ~ c].d - e }}", "{{ f((a )|stead_add( 1))[(b )|stead_concatenate( c)].d - e }}");
        check("{{ (x if y else z) ~ [a + b] }}", "{{ ((x if y else z) )|stead_concatenate( [(a )|stead_add( b)]) }}");
        check("{{ a - b / c }}", "{{ a - b / c }}");
    }

    #[test]
    fn what_is_set_is_kept() {
        check("{% set x = 1 %}", "{% set x =( 1 )|stead_keep %}");
        check("{%set x=a~b-%}", "{%set x=((a)|stead_concatenate(b))|stead_keep -%}");
        check("{% set a, b = 1, 2 %}", "{% set a, b =( 1, 2 )|stead_keep %}");
        check("{% set n.s = 1 %}", "{% set n.s =( 1 )|stead_keep_in_namespace %}");
        check("{% set x | f(a=1) %}{% endset %}", "{% set x | f(a=1) %}{% endset %}");
    }

    #[test]
    fn text_is_paid_for() {
        check(
            "a{% for x in y -%}\n bc{% endfor %}\n",
            "a{% for x in y -%}{% if 2|stead_text %}{% endif -%}\n bc{% endfor %}\n{{ 1|stead_text }}",
        );
        check("{% block x required %}  {% endblock %}", "{% block x required %}  {% endblock %}{{ 2|stead_text }}");
    }
}
