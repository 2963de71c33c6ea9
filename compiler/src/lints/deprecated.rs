//! Names whose documentation says that they are not to be used any more: a line that begins with `Deprecated:`.
//!
//! A dependency is left to its own project.

use std::sync::Arc;

use stead_catalog::{EnumType, deprecation};
use stead_grammar::ast::Span;

use crate::builtins::Builtin;
use crate::check::Checker;
use crate::defs::{Callable, Param, Program};
use crate::diagnostic::Diagnostic;
use crate::issue::{Issue, Loc};

fn message(what: &str, name: &str, reason: &str) -> String {
    match reason {
        "" => format!("the {what} `{name}` is deprecated"),
        reason => format!("the {what} `{name}` is deprecated: {reason}"),
    }
}

fn issue(at: Loc, what: &str, name: &str, reason: &str) -> Issue {
    Issue::warning("deprecated-name", at, message(what, name, reason))
}

/// Tells of a parameter that the data gives a value.
pub(crate) fn of_data(param: &Param, file: &Arc<str>, span: Span) -> Option<Diagnostic> {
    let reason = param.deprecated.as_ref()?;
    Some(Diagnostic::warning("deprecated-name", message("parameter", &param.name, reason)).at(file, span, ""))
}

/// Tells of a named type that is written at a place.
pub(crate) fn of_type(program: &Program, id: u32, at: Loc, declared: Loc) -> Option<Issue> {
    let info = &program.types[id as usize];
    let reason = info.deprecated.as_ref().filter(|_| !program.files[at.file as usize].is_dependency)?;
    Some(issue(at, "type", info.name.as_str(), reason).label(declared, "declared here"))
}

impl Checker<'_> {
    fn lint_deprecated(&mut self, span: Span, what: &str, name: &str, reason: &str, declared: Option<Loc>) {
        if self.program.files[self.file as usize].is_dependency {
            return;
        }
        let issue = issue(self.loc(span), what, name, reason);
        self.report(match declared {
            Some(declared) => issue.label(declared, "declared here"),
            None => issue,
        });
    }

    /// Tells of a function or state that is called.
    pub(crate) fn lint_deprecated_call(&mut self, span: Span, what: &str, callable: &Callable) {
        if let Some(reason) = &callable.deprecated {
            let declared = Loc::new(callable.at.file, callable.name.span);
            self.lint_deprecated(span, what, callable.name.as_str(), reason, Some(declared));
        }
    }

    /// Tells of a parameter that is given.
    pub(crate) fn lint_deprecated_parameter(&mut self, span: Span, callable: &Callable, param: &Param) {
        if let Some(reason) = &param.deprecated {
            let declared = Loc::new(callable.at.file, param.span);
            self.lint_deprecated(span, "parameter", &param.name, reason, Some(declared));
        }
    }

    /// Tells of a function or method of the language that is called.
    pub(crate) fn lint_deprecated_builtin(&mut self, span: Span, builtin: &Builtin) {
        if let Some(reason) = &builtin.deprecated {
            self.lint_deprecated(span, "function", builtin.signature.name, reason, None);
        }
    }

    /// Tells of a member of an enum.
    pub(crate) fn lint_deprecated_member(&mut self, span: Span, choice: &Arc<EnumType>, name: &str) {
        if let Some(reason) = choice.deprecation(name) {
            self.lint_deprecated(span, "member", name, reason, None);
        }
    }

    /// Tells of a field of a record, or of a fact.
    pub(crate) fn lint_deprecated_field(&mut self, span: Span, what: &str, field: &stead_catalog::Field) {
        if let Some(reason) = deprecation(&field.docs) {
            self.lint_deprecated(span, what, &field.name, &reason, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use crate::{Input, MemorySources, Project, Schemas};

    fn input(files: &[(&str, &str)]) -> Input {
        let sources = files.iter().fold(MemorySources::new(), |sources, (name, text)| sources.with(*name, text));
        Input::directory(Arc::new(sources), Arc::new(Schemas::new([])))
    }

    fn told(project: &Project) -> Vec<String> {
        let found = project.diagnostics().iter().filter(|one| one.code == "deprecated-name");
        found.map(|one| format!("{}: {}", one.primary().map_or("", |label| &label.file), one.message)).collect()
    }

    #[test]
    fn a_function_of_the_language_says_what_to_use() {
        let project = Project::load(input(&[("site.stead", "let n = \"a\".old_len()\nfn _f() -> Int = n\n")]));
        assert_eq!(told(&project), ["site.stead: the function `old_len` is deprecated: use `len`"]);
    }

    /// What a dependency uses is for its own project to mend.
    #[test]
    fn a_dependency_is_left_alone() {
        let files = [
            ("site.stead", "use x.old { a, b }\nfn _f() -> Int = a() + b()\n"),
            ("deps/x/old/old.stead", "## Deprecated: use `b`.\nfn a() -> Int = 1\nfn b() -> Int = a()\n"),
        ];
        let mut input = input(&files);
        input.dependencies.insert("x".into(), "deps/x".into());
        assert_eq!(told(&Project::load(input)), ["site.stead: the function `a` is deprecated: use `b`"]);
    }

    /// A file that stays is checked again where what it names is deprecated now, or no longer.
    #[test]
    fn users_are_told_when_a_definition_changes() {
        let site = ("site.stead", "use web { a }\nfn _f() -> Int = a(n = 1)\n");
        let plain = [site, ("web/web.stead", "fn a(n: Int) -> Int = n\n")];
        let old = [site, ("web/web.stead", "## Adds.\n##\n## Deprecated: go on\nfn a(n: Int) -> Int = n\n")];
        let parameter = [site, ("web/web.stead", "fn a(\n  ## Deprecated: leave it out\n  n: Int) -> Int = n\n")];
        let changed: BTreeSet<Arc<str>> = ["web/web.stead".into()].into();
        let first = Project::load(input(&plain));
        assert_eq!(told(&first), Vec::<String>::new());
        let second = first.reload(input(&old), &changed);
        assert_eq!(told(&second), ["site.stead: the function `a` is deprecated: go on"]);
        let third = second.reload(input(&parameter), &changed);
        assert_eq!(told(&third), ["site.stead: the parameter `n` is deprecated: leave it out"]);
        assert_eq!(told(&third.reload(input(&plain), &changed)), Vec::<String>::new());
    }
}
