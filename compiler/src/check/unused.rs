//! Names that nothing uses: variables, parameters, imports, and definitions that nobody else could use.
//!
//! They are told only where the project has no mistakes, and never for a name that starts with `_`.

use std::collections::HashSet;
use std::sync::Arc;

use stead_grammar::ast::{Ident, Item, Span, Stmt};

use crate::defs::{Def, Program};
use crate::issue::{Issue, Loc};

/// What a name was given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A value, by `let`.
    Let,
    /// A resource, or what a state call made, by `let`: that is there whether or not the name is used.
    LetResource,
    /// Each element in turn, by a loop or a lambda, or what an arm of a `match` matched.
    Each,
    /// An argument, by a state or a function.
    Parameter,
}

/// The variables and parameters of a file.
#[derive(Debug, Default)]
pub(crate) struct Unused {
    declared: Vec<(What, Arc<str>, Span)>,
    /// Where those that are used were declared.
    used: HashSet<Span>,
}

impl Unused {
    /// Notes a name; what is checked twice is declared twice.
    pub(crate) fn declare(&mut self, name: &Ident, what: What) {
        if !name.is_missing() && !is_exempt(&name.name) {
            self.declared.push((what, name.name.clone(), name.span));
        }
    }

    /// Notes a use of the name that is declared at `span`.
    pub(crate) fn note_use(&mut self, span: Span) {
        self.used.insert(span);
    }

    /// Returns a warning for each name that is not used.
    pub(crate) fn report(&mut self, file: u32) -> Vec<Issue> {
        let mut told = HashSet::new();
        let unused = self.declared.drain(..).filter(|(_, _, span)| !self.used.contains(span) && told.insert(*span));
        unused.map(|(what, name, span)| tell(what, &name, Loc::new(file, span))).collect()
    }
}

fn tell(what: What, name: &str, at: Loc) -> Issue {
    let (code, message) = match what {
        What::Parameter => ("unused-parameter", format!("the parameter `{name}` is never used")),
        What::Let | What::LetResource | What::Each => ("unused-variable", format!("`{name}` is never used")),
    };
    let hint = match what {
        What::Let => format!("remove it, or name it `_{name}` to keep it"),
        What::LetResource => format!("leave out `let {name} =`: the resources are declared without it"),
        What::Each => "write `_` for what is not needed".to_owned(),
        What::Parameter => format!("remove it, or name it `_{name}` to keep it"),
    };
    Issue::warning(code, at, message).hint(hint)
}

fn is_exempt(name: &str) -> bool {
    name.starts_with('_')
}

/// Tells of imports that nothing in their file uses, and of definitions that nothing uses and nobody else could use.
///
/// What a module defines is there for others, so only a module that has resources or node blocks of its own, and that no
/// other module imports, is held to use what it defines.
pub(crate) fn definitions(program: &Program, issues: &mut Vec<Issue>) {
    let mut found = Vec::new();
    for (file, imports) in program.imports.iter().enumerate() {
        if program.files[file].is_dependency {
            continue;
        }
        let unused = imports.iter().filter(|(name, import)| !import.is_used.get() && !is_exempt(name));
        found.extend(unused.map(|(name, import)| {
            let message = format!("the import `{name}` is never used");
            (import.at, Issue::warning("unused-import", import.at, message).hint("remove it"))
        }));
    }
    let is_closed = closed_modules(program);
    let used: HashSet<Def> = program.used.iter().flat_map(|used| used.get().iter().copied().collect::<Vec<_>>()).collect();
    let mut definition = |word: &str, file: u32, name: &Ident, def: Def| {
        let module = program.files[file as usize].module as usize;
        if is_closed[module] && !used.contains(&def) && !name.is_missing() && !is_exempt(&name.name) {
            let at = Loc::new(file, name.span);
            let message = format!("the {word} `{}` is never used", name.name);
            let hint = format!("remove it, or name it `_{}` to keep it", name.name);
            found.push((at, Issue::warning("unused-definition", at, message).hint(hint)));
        }
    };
    for (info, id) in program.types.iter().zip(0..) {
        let word = if matches!(program.item(info.at), Item::Enum(_)) { "enum" } else { "type" };
        definition(word, info.at.file, &info.name, Def::Type(id));
    }
    for (callable, id) in program.fns.iter().zip(0..) {
        definition("function", callable.at.file, &callable.name, Def::Fn(id));
    }
    for (callable, id) in program.states.iter().zip(0..) {
        definition("state", callable.at.file, &callable.name, Def::State(id));
    }
    found.sort_by_key(|(at, _)| *at);
    issues.extend(found.into_iter().map(|(_, issue)| issue));
}

/// Says of each module whether only it could use what it defines.
fn closed_modules(program: &Program) -> Vec<bool> {
    let mut is_closed = vec![false; program.modules.len()];
    for file in program.files.iter().filter(|file| !file.is_dependency) {
        is_closed[file.module as usize] |= file.tree.items.iter().any(|item| match item {
            Item::Node(_) | Item::Inventory(_) => true,
            Item::Stmt(stmt) => !matches!(stmt, Stmt::Let(_) | Stmt::Defaults(_) | Stmt::Error(_)) || binds_resource(stmt),
            _ => false,
        });
    }
    for (module, is_closed) in program.modules.iter().zip(&mut is_closed) {
        *is_closed &= !module.is_imported;
    }
    is_closed
}

fn binds_resource(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Let(binding) if matches!(binding.value, stead_grammar::ast::LetValue::Resource(_)))
}
