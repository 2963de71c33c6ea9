//! The checker's view of one definition: its names, its slots, what is known about them at this point.

use std::sync::Arc;

use stead_catalog::{Suggestions, Type};
use stead_grammar::ast::{Ident, Span};

use super::narrow::Narrowings;
use super::resources::DefaultsInScope;
use super::unused::{Unused, What};
use crate::defs::Program;
use crate::diagnostic::Diagnostic;
use crate::index::notes::Notes;
use crate::issue::{Issue, Loc};
use crate::sources::Sources;
use crate::template::Templates;

/// A name bound to a slot of the frame.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) name: Arc<str>,
    pub(crate) slot: u32,
    pub(crate) ty: Type,
    pub(crate) span: Span,
    /// The block it was bound in, outermost 0.
    pub(crate) depth: u32,
}

/// A constant of the file: `let` at its top level.
#[derive(Clone, Debug)]
pub(crate) struct Global {
    pub(crate) name: Arc<str>,
    pub(crate) id: u32,
    pub(crate) ty: Type,
    pub(crate) span: Span,
}

/// A definition that others can use: a node of the graph that must not have cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum User {
    Fn(u32),
    State(u32),
    Global(u32),
    /// What nothing can use: node blocks, the top level, defaults of facts.
    Root,
}

/// A use of one definition by another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    pub(crate) by: User,
    pub(crate) of: User,
    pub(crate) at: Loc,
}

/// Checks one definition at a time of one file.
pub(crate) struct Checker<'a> {
    pub(crate) program: &'a Program,
    pub(crate) sources: &'a dyn Sources,
    pub(crate) templates: &'a Templates,
    pub(crate) file: u32,
    pub(crate) globals: Vec<Global>,
    pub(crate) locals: Vec<Local>,
    pub(crate) slots: u32,
    pub(crate) depth: u32,
    pub(crate) narrowings: Narrowings,
    pub(crate) issues: Vec<Issue>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) user: User,
    pub(crate) uses: Vec<Use>,
    /// The variables and parameters of the file, and which are used.
    pub(crate) unused: Unused,
    /// The types of `let` bindings, for editors and tests.
    pub(crate) bindings: Vec<(Loc, Type)>,
    /// What `defaults` give to resources at this point.
    pub(crate) defaults: Vec<DefaultsInScope>,
    /// Hosts and groups are declared here, not resources.
    pub(crate) in_inventory: bool,
    pub(crate) suggestions: Suggestions,
    /// What is noted for an index, where one is asked for.
    pub(crate) notes: Option<Box<Notes>>,
    /// Whether anything depended on a file besides the source itself.
    pub(crate) has_looked: bool,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(program: &'a Program, sources: &'a dyn Sources, templates: &'a Templates, file: u32) -> Self {
        Self {
            program,
            sources,
            templates,
            file,
            globals: Vec::new(),
            locals: Vec::new(),
            slots: 0,
            depth: 0,
            narrowings: Narrowings::default(),
            issues: Vec::new(),
            diagnostics: Vec::new(),
            user: User::Root,
            uses: Vec::new(),
            unused: Unused::default(),
            bindings: Vec::new(),
            defaults: Vec::new(),
            in_inventory: false,
            suggestions: Suggestions::default(),
            notes: None,
            has_looked: false,
        }
    }

    /// Starts a definition with an empty frame.
    pub(crate) fn start(&mut self, user: User) {
        self.user = user;
        self.locals.clear();
        self.narrowings = Narrowings::default();
        self.slots = 0;
        self.depth = 0;
    }

    pub(crate) fn loc(&self, span: Span) -> Loc {
        Loc::new(self.file, span)
    }

    pub(crate) fn report(&mut self, issue: Issue) {
        self.issues.push(issue);
    }

    pub(crate) fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        let issue = Issue::error(code, self.loc(span), message);
        self.issues.push(issue);
    }

    pub(crate) fn error_hint(&mut self, code: &'static str, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        let issue = Issue::error(code, self.loc(span), message).hint(hint);
        self.issues.push(issue);
    }

    pub(crate) fn note_use(&mut self, of: User, span: Span) {
        self.uses.push(Use { by: self.user, of, at: self.loc(span) });
    }

    /// Binds a name to a new slot.
    pub(crate) fn bind(&mut self, name: &Ident, ty: Type, what: What) -> u32 {
        self.unused.declare(name, what);
        self.lint_shadowing(name);
        self.note_declared(name, &ty, false);
        let earlier = self.locals.iter().rev().take_while(|local| local.depth == self.depth);
        if let Some(first) = earlier.filter(|local| local.name == name.name && !name.is_missing() && *name.name != *"_").last() {
            let first = self.loc(first.span);
            let issue = Issue::error("duplicate-definition", self.loc(name.span), format!("`{}` is defined twice", name.name));
            self.issues.push(issue.label(first, "first defined here"));
        }
        let slot = self.slots;
        self.slots += 1;
        self.locals.push(Local { name: name.name.clone(), slot, ty, span: name.span, depth: self.depth });
        slot
    }

    pub(crate) fn local(&self, name: &str) -> Option<&Local> {
        self.locals.iter().rev().find(|local| &*local.name == name)
    }

    pub(crate) fn global(&self, name: &str) -> Option<&Global> {
        self.globals.iter().rev().find(|global| &*global.name == name)
    }

    /// Runs `inside` in a scope of its own: names and narrowings end with it.
    pub(crate) fn scoped<T>(&mut self, inside: impl FnOnce(&mut Self) -> T) -> T {
        let (locals, narrowings) = (self.locals.len(), self.narrowings.len());
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        self.locals.truncate(locals);
        self.narrowings.truncate(narrowings);
        result
    }

    /// Says whether a name has a meaning here besides enum members.
    pub(crate) fn is_bound(&self, name: &str) -> bool {
        self.local(name).is_some()
            || self.global(name).is_some()
            || matches!(name, "facts" | "data" | "node")
            || self.program.lookup(self.file, name).is_some()
    }
}
