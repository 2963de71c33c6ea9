//! `match`: patterns, what they cover, what no pattern covers.

use std::sync::Arc;

use stead_catalog::{Pattern as RegexPattern, Type, Value};
use stead_grammar::ast::{Expr, Literal, MatchExpr, Pattern, PatternKind, PatternRange, Span};

use super::expr::describe;
use super::scope::Checker;
use super::unused::What;
use crate::constant;
use crate::defs::Def;
use crate::hir::{self, Kind, Test};
use crate::index::ContextKind;
use crate::issue::Issue;
use crate::typing;

/// What the arms so far have covered.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    everything: Option<Span>,
    values: Vec<(Value, Span)>,
}

impl Coverage {
    fn has(&self, value: &Value) -> bool {
        self.values.iter().any(|(covered, _)| covered == value)
    }

    /// What is left of a type, in words; empty when it is covered.
    fn missing(&self, ty: &Type) -> Vec<String> {
        if self.everything.is_some() {
            return Vec::new();
        }
        match ty {
            Type::Enum(choice) => {
                let left = choice.members.iter().filter(|member| !self.has(&Value::Member((*member).clone())));
                left.map(|member| format!("`{member}`")).collect()
            }
            Type::Bool => [true, false].iter().filter(|b| !self.has(&Value::Bool(**b))).map(|b| format!("`{b}`")).collect(),
            Type::None if self.has(&Value::None) => Vec::new(),
            Type::None => vec!["`none`".into()],
            Type::Literal(value) if self.has(value) => Vec::new(),
            Type::Literal(value) => vec![format!("`{value}`")],
            Type::Optional(inner) => {
                let mut left = self.missing(inner);
                left.extend(self.missing(&Type::None));
                left
            }
            Type::Secret(inner) => self.missing(inner),
            Type::Union(options) => options.iter().flat_map(|option| self.missing(option)).collect(),
            other => vec![other.describe()],
        }
    }
}

impl Checker<'_> {
    pub(crate) fn match_expr(&mut self, matched: &MatchExpr, want: Option<&Type>, span: Span) -> (hir::Expr, Type) {
        let (subject, subject_type) = self.infer(&matched.subject);
        let mut coverage = Coverage::default();
        let mut arms = Vec::with_capacity(matched.arms.len());
        let mut types = Vec::new();
        for arm in &matched.arms {
            let (tests, (value, ty)) =
                self.arm(&matched.subject, &subject_type, &arm.patterns, arm.span, &mut coverage, |this| {
                    this.branch(&arm.value, want)
                });
            types.push(ty);
            arms.push((tests, value));
        }
        self.exhaustive(&coverage, &subject_type, matched.subject.span);
        let ty = want.cloned().unwrap_or_else(|| typing::join_all(types));
        (hir::Expr::new(Kind::Match(Box::new(hir::Match { subject, arms: arms.into() })), span), ty)
    }

    /// Checks one arm: its patterns, then what follows them, in a scope with what they bind and tell.
    pub(crate) fn arm<T>(
        &mut self,
        subject: &Expr,
        subject_type: &Type,
        patterns: &[Pattern],
        span: Span,
        coverage: &mut Coverage,
        inside: impl FnOnce(&mut Self) -> T,
    ) -> (Box<[Test]>, T) {
        if let Some(earlier) = coverage.everything {
            let issue = Issue::warning("unreachable-arm", self.loc(span), "this case is never reached");
            let issue = issue.label(self.loc(earlier), "this covers everything");
            self.report(issue);
        }
        self.scoped(|this| {
            let tells_none = patterns.iter().any(|pattern| matches!(pattern.kind, PatternKind::Literal(Literal::None)));
            let catches_all = |pattern: &Pattern| matches!(pattern.kind, PatternKind::Wildcard | PatternKind::Name(_));
            let is_some = !tells_none && (coverage.has(&Value::None) || !patterns.iter().any(catches_all));
            let bound_type = if is_some { typing::without_none(subject_type) } else { subject_type.clone() };
            let tests: Vec<Test> = patterns
                .iter()
                .map(|pattern| this.pattern(pattern, &bound_type, subject_type, coverage, patterns.len()))
                .collect();
            if is_some {
                this.assume_some(subject);
            }
            (tests.into(), inside(this))
        })
    }

    pub(crate) fn exhaustive(&mut self, coverage: &Coverage, subject_type: &Type, span: Span) {
        let (plain, _) = typing::without_secret(subject_type);
        let missing = coverage.missing(&plain);
        if missing.is_empty() {
            return;
        }
        let open = !matches!(plain, Type::Enum(_) | Type::Bool | Type::Optional(_) | Type::Union(_) | Type::Literal(_));
        let message = match open {
            true => "the cases do not cover every value".to_owned(),
            false => format!("{} {} not covered", missing.join(", "), if missing.len() == 1 { "is" } else { "are" }),
        };
        let issue = Issue::error("non-exhaustive-match", self.loc(span), message);
        self.report(issue.hint(if open {
            "add a case for the rest: `_ => …`"
        } else {
            "add the missing cases, or `_ => …`"
        }));
    }

    fn pattern(&mut self, pattern: &Pattern, bound: &Type, subject: &Type, coverage: &mut Coverage, of: usize) -> Test {
        let (plain, _) = typing::without_secret(subject);
        let span = pattern.span;
        match &pattern.kind {
            PatternKind::Wildcard => {
                coverage.everything.get_or_insert(span);
                Test::Always
            }
            PatternKind::Name(name) => {
                self.note_marker(name.as_str(), span, || ContextKind::Pattern(plain.clone()));
                let mut enums = Vec::new();
                typing::enums_of(&plain, &mut enums);
                if enums.iter().any(|choice| choice.members.contains(&name.name)) {
                    for choice in enums {
                        self.note_member(span, choice, name.as_str());
                    }
                    return self.covers(Value::Member(name.name.clone()), span, coverage);
                }
                let members = enums.iter().flat_map(|choice| choice.members.iter().map(|m| &**m));
                let typo = stead_catalog::closest(&name.name, members).is_some();
                if !enums.is_empty() && (typo || of > 1) {
                    self.unknown_member(&name.name, &enums, span);
                    return Test::Never;
                }
                if of > 1 {
                    let hint = "text is written in quotes; a name binds the whole value and stands alone";
                    self.error_hint("invalid-pattern", span, format!("`{}` binds a name among alternatives", name.name), hint);
                    return Test::Never;
                }
                coverage.everything.get_or_insert(span);
                Test::Bind(self.bind(name, bound.clone(), What::Each))
            }
            PatternKind::Member(path) => self.member_pattern(path, &plain, span, coverage),
            PatternKind::Literal(Literal::None) => {
                if !matches!(plain, Type::Optional(_) | Type::Any | Type::None) {
                    self.error("type-mismatch", span, "the value is never none");
                }
                self.covers(Value::None, span, coverage)
            }
            PatternKind::Literal(literal) => {
                let value = constant::literal(literal);
                let target = typing::widen(&typing::without_none(&plain));
                match target.admit(&value, false) {
                    Ok(_) => self.covers(value, span, coverage),
                    Err(mismatch) => {
                        let issue = Issue::mismatch(self.loc(span), &mismatch);
                        self.report(issue);
                        Test::Never
                    }
                }
            }
            PatternKind::Range(range) => self.range_pattern(range, &plain, span),
            PatternKind::Regex(regex) => {
                let inner = typing::without_none(&plain);
                if !typing::is_text(&inner) && !matches!(inner, Type::Any | Type::Union(_) | Type::Enum(_)) {
                    self.error("type-mismatch", span, format!("a pattern matches text, found {}", describe(&inner)));
                }
                match RegexPattern::new(&regex.pattern) {
                    Ok(compiled) => Test::Regex(compiled),
                    Err(error) => {
                        let issue = crate::resolve::invalid_regex(self.loc(regex.span), &error.to_string());
                        self.report(issue);
                        Test::Never
                    }
                }
            }
            PatternKind::Error => {
                // A hole may have been anything: nothing more is said about what is covered.
                coverage.everything.get_or_insert(span);
                Test::Never
            }
        }
    }

    fn covers(&mut self, value: Value, span: Span, coverage: &mut Coverage) -> Test {
        if let Some((_, earlier)) = coverage.values.iter().find(|(covered, _)| *covered == value) {
            let issue = Issue::warning("unreachable-arm", self.loc(span), format!("`{value}` is covered already"));
            let issue = issue.label(self.loc(*earlier), "covered here");
            self.report(issue);
        }
        coverage.values.push((value.clone(), span));
        Test::Equals(value)
    }

    fn member_pattern(&mut self, path: &stead_grammar::ast::Path, subject: &Type, span: Span, coverage: &mut Coverage) -> Test {
        let [owner @ .., member] = path.segments.as_slice() else { return Test::Never };
        let mut def = owner.first().and_then(|first| self.program.lookup(self.file, first.as_str()));
        for segment in owner.iter().skip(1) {
            def = match def {
                Some(Def::Module(module)) => self.program.member(self.file, module, segment.as_str()),
                _ => None,
            };
        }
        let Some(Def::Type(id)) = def else {
            self.error(
                "unknown-type",
                span,
                format!("there is no enum `{}`", owner.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(".")),
            );
            return Test::Never;
        };
        let ty = self.program.types[id as usize].ty.clone();
        if let Some(last) = owner.last() {
            self.note(last.span, |program| Some(program.target(Def::Type(id))));
        }
        self.note_marker(member.as_str(), member.span, || ContextKind::EnumMember(ty.clone()));
        let Type::Enum(choice) = &ty else {
            self.error("unknown-type", span, format!("`{}` is not an enum", self.program.types[id as usize].name.name));
            return Test::Never;
        };
        if !choice.members.contains(&member.name) {
            let choice = Arc::clone(choice);
            self.unknown_member(&member.name, &[&choice], member.span);
            return Test::Never;
        }
        self.note_member(member.span, choice, member.as_str());
        if typing::fit(&ty, subject) == typing::Fit::No && *subject != Type::Any {
            self.error("type-mismatch", span, format!("found {}, expected {}", describe(&ty), describe(subject)));
        }
        self.covers(Value::Member(member.name.clone()), span, coverage)
    }

    fn range_pattern(&mut self, range: &PatternRange, subject: &Type, span: Span) -> Test {
        let inner = typing::widen(&typing::without_none(subject));
        let bound = |end: &Option<(Literal, Span)>| end.as_ref().map(|(literal, _)| constant::literal(literal));
        let (start, end) = (bound(&range.start), bound(&range.end));
        let test = match (&start, &end) {
            (None | Some(Value::Int(_)), None | Some(Value::Int(_))) => {
                let int = |value: &Option<Value>| match value {
                    Some(Value::Int(n)) => Some(*n),
                    _ => None,
                };
                let max = int(&end).map(|n| if range.inclusive { n } else { n.saturating_sub(1) });
                Some((Type::INT, Test::Int(int(&start), max)))
            }
            (None | Some(Value::Float(_)), None | Some(Value::Float(_))) => {
                let float = |value: &Option<Value>| match value {
                    Some(Value::Float(x)) => Some(*x),
                    _ => None,
                };
                Some((Type::Float(None), Test::Float(float(&start), float(&end), range.inclusive)))
            }
            _ => None,
        };
        let Some((ty, test)) = test else {
            self.error("invalid-pattern", span, "a range goes from one number to another of the same kind");
            return Test::Never;
        };
        if typing::fit(&inner, &ty) == typing::Fit::No {
            self.error("type-mismatch", span, format!("a range of numbers, found {}", describe(subject)));
            return Test::Never;
        }
        test
    }
}
