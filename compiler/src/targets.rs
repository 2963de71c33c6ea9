//! Targets: which machines of the inventory a command is for, as `--on` takes them.
//!
//! ```text
//! web-*                            a glob of names
//! web-1,db-1                       a list of names
//! /web-\d+/                        a regular expression over the whole name
//! tag:canary  group:web            what the inventory says
//! os:debian  cpu.count:8           what the machine tells: a fact, by its path
//! net:10.0.0.0/8                   an address in a network
//! web-* and os:debian and not tag:canary,  (a or b) and c
//! ```
//!
//! Salt's compound targets mean the same here as there: `G@os:Debian`, `E@web\d+`, `L@a,b`, `S@10.0.0.0/8`, `N@web`, `P@…`.
//!
//! Pure: machines and their facts are handed in. Where a target asks for facts that are not known, the answer is that it is not known.

mod parse;
mod term;

use std::fmt;
use std::sync::Arc;

use stead_catalog::{Inventory, Map, Target, Type, closest};
use stead_grammar::ast::Span;

pub use term::Term;

/// Deepest nesting of parentheses and `not`.
const MAX_DEPTH: usize = 100;

/// What is wrong with a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TargetError {
    /// `invalid-target`, `unknown-target`, `no-target`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where in the text.
    pub span: Span,
    /// The way out, where one is known.
    pub hint: Option<String>,
}

impl TargetError {
    fn new(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), span, hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A parsed target.
#[derive(Clone, Debug)]
pub struct Targets {
    text: Arc<str>,
    root: Expr,
}

/// The expression of a target.
#[derive(Clone, Debug)]
enum Expr {
    Term(Term, Span),
    Not(Box<Expr>),
    /// All of these; never empty.
    And(Vec<Expr>),
    /// Any of these; never empty.
    Or(Vec<Expr>),
}

impl Expr {
    /// Whether the machine is meant; `None` where that hangs on facts that are not known.
    fn matches(&self, target: &Target, facts: Option<&Map>) -> Option<bool> {
        match self {
            Self::Term(term, _) => term.matches(target, facts),
            Self::Not(inner) => inner.matches(target, facts).map(|yes| !yes),
            Self::And(all) => all
                .iter()
                .try_fold(true, |yes, one| match (yes, one.matches(target, facts)) {
                    // A `no` decides, whatever is not known.
                    (_, Some(false)) => Err(Some(false)),
                    (yes, Some(true)) => Ok(yes),
                    (_, None) => Ok(false),
                })
                .map_or_else(|decided| decided, |known| known.then_some(true)),
            Self::Or(any) => any
                .iter()
                .try_fold(true, |known, one| match one.matches(target, facts) {
                    Some(true) => Err(Some(true)),
                    Some(false) => Ok(known),
                    None => Ok(false),
                })
                .map_or_else(|decided| decided, |known| known.then_some(false)),
        }
    }

    fn terms<'e>(&'e self, found: &mut Vec<(&'e Term, Span)>) {
        match self {
            Self::Term(term, span) => found.push((term, *span)),
            Self::Not(inner) => inner.terms(found),
            Self::And(all) | Self::Or(all) => all.iter().for_each(|one| one.terms(found)),
        }
    }
}

/// Writes an expression that means the same, with parentheses only where they are needed.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, parts: &[Expr], word: &str| {
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    write!(f, " {word} ")?;
                }
                let needs = matches!(part, Self::Or(_) | Self::And(_));
                if needs { write!(f, "({part})")? } else { write!(f, "{part}")? }
            }
            Ok(())
        };
        match self {
            Self::Term(term, _) => write!(f, "{term}"),
            Self::Not(inner) if matches!(**inner, Self::Term(..) | Self::Not(_)) => write!(f, "not {inner}"),
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::And(all) => joined(f, all, "and"),
            Self::Or(any) => joined(f, any, "or"),
        }
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root)
    }
}

impl Targets {
    /// Reads a target.
    ///
    /// # Errors
    /// `invalid-target`, with the place in the text.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        Ok(Self { text: text.into(), root: parse::parse(text)? })
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Says whether it asks for what a machine tells about itself.
    pub fn needs_facts(&self) -> bool {
        self.terms().iter().any(|(term, _)| term.needs_facts())
    }

    /// Whether the machine is meant; `None` where that hangs on facts that are not known.
    pub fn matches(&self, target: &Target, facts: Option<&Map>) -> Option<bool> {
        self.root.matches(target, facts)
    }

    fn terms(&self) -> Vec<(&Term, Span)> {
        let mut terms = Vec::new();
        self.root.terms(&mut terms);
        terms
    }

    /// Finds names, tags, groups and facts that nothing has: slips that would select too little, or with `not` too much.
    ///
    /// # Errors
    /// `unknown-target`, of the first.
    pub fn check(&self, inventory: &Inventory, facts: &Type) -> Result<(), TargetError> {
        self.terms().into_iter().try_for_each(|(term, span)| term.check(span, inventory, facts))
    }

    /// The machines that are meant, in the order of the inventory. `facts` gives what a machine has told.
    ///
    /// # Errors
    /// `unknown-target` as from [`Targets::check`]; `no-target` where no machine is meant, with what was looked at.
    pub fn select<'i>(
        &self,
        inventory: &'i Inventory,
        facts_type: &Type,
        facts: &dyn Fn(&str) -> Option<Map>,
    ) -> Result<Selected<'i>, TargetError> {
        self.check(inventory, facts_type)?;
        let mut selected = Selected::default();
        for target in inventory.targets() {
            // Facts are looked up only where the rest does not decide.
            let decided = self.matches(target, None);
            match decided.or_else(|| self.matches(target, Some(&facts(&target.name)?))) {
                Some(true) => selected.targets.push(target),
                Some(false) => {}
                None => selected.unknown.push(target),
            }
        }
        if selected.targets.is_empty() && selected.unknown.is_empty() {
            return Err(self.nothing(inventory, facts));
        }
        Ok(selected)
    }

    fn nothing(&self, inventory: &Inventory, facts: &dyn Fn(&str) -> Option<Map>) -> TargetError {
        let whole = Span::new(0, crate::position::offset_u32(self.text.len()));
        let looked = match inventory.targets().len() {
            0 => "the inventory is empty".to_owned(),
            1 => "the inventory has one machine".to_owned(),
            n => format!("the inventory has {n} machines"),
        };
        let error =
            TargetError::new("no-target", whole, format!("no machine is meant by `{}`: {looked}", self.text.escape_debug()));
        if inventory.targets().is_empty() {
            return error.hint("declare machines: `inventory { host \"web-1\" { address = \"…\" } }`");
        }
        let terms = self.terms();
        if terms.len() == 1 {
            let names: Vec<&str> = inventory.targets().iter().take(5).map(|target| &*target.name).collect();
            let more = if inventory.targets().len() > names.len() { ", …" } else { "" };
            return error.hint(format!("its machines are {}{more}", names.join(", ")));
        }
        let asks = self.needs_facts();
        let mut counts = vec![0_usize; terms.len()];
        for target in inventory.targets() {
            let known = if asks { facts(&target.name) } else { None };
            for ((term, _), count) in terms.iter().zip(&mut counts) {
                *count += usize::from(term.matches(target, known.as_ref()) == Some(true));
            }
        }
        let parts: Vec<String> = terms.iter().zip(counts).map(|((term, _), count)| format!("`{term}` fits {count}")).collect();
        error.hint(parts.join(", "))
    }
}

/// The machines that a target means.
#[derive(Clone, Debug, Default)]
pub struct Selected<'i> {
    /// Those that are meant.
    pub targets: Vec<&'i Target>,
    /// Those that may be: it hangs on facts that are not known.
    pub unknown: Vec<&'i Target>,
}

/// The way out for a name that nothing has.
fn did_you_mean<'a>(error: TargetError, name: &str, known: impl IntoIterator<Item = &'a str>, what: &str) -> TargetError {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.sort_unstable();
    known.dedup();
    match closest(name, known.iter().copied()) {
        Some(best) => error.hint(format!("did you mean `{best}`?")),
        None if known.is_empty() => error.hint(format!("there are no {what}")),
        None if known.len() <= 12 => error.hint(format!("the {what} are {}", known.join(", "))),
        None => error.hint(format!("the {what} are {}, …", known[..12].join(", "))),
    }
}

#[cfg(test)]
mod tests;
