//! Files of the project that code names: contents read as bytes or text, templates.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use stead_catalog::{Blob, Map, Type, Value, closest};
use stead_grammar::ast::{Call, ExprKind, RecordKey, Span};

use crate::check::Checker;
use crate::diagnostic::Diagnostic;
use crate::eval::locked::made_of;
use crate::hir;
use crate::issue::{Issue, Loc};
use crate::project::Project;
use crate::sources::{SourceError, Sources};
use crate::template::{Problem, Templates};

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileProblem {
    code: &'static str,
    message: String,
    hint: Option<String>,
    /// The path to write instead.
    path: Option<String>,
}

impl FileProblem {
    pub(crate) fn issue(self, at: Loc) -> Issue {
        let mut issue = Issue::error(self.code, at, self.message);
        if let Some(path) = self.path {
            issue = issue.replacement(None, format!("\"{path}\""));
        }
        match self.hint {
            Some(hint) => issue.hint(hint),
            None => issue,
        }
    }
}

/// Reads a file of the project as a blob or as text, for the source file `from`.
pub(crate) fn read(sources: &dyn Sources, from: &str, path: &str, as_bytes: bool) -> Result<Value, FileProblem> {
    let found = find(sources, from, path, "files");
    let bytes = read_bytes(sources, &found)?;
    if as_bytes {
        return Ok(Value::Blob(Blob::new(found, bytes).into()));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Value::string(text)),
        Err(_) => Err(FileProblem {
            code: "invalid-utf8",
            message: format!("`{path}` is not UTF-8 text"),
            hint: Some("bytes are given with `source = \"path\"`".into()),
            path: None,
        }),
    }
}

/// The file that the source file `from` means by `path`, where it is there.
pub(crate) fn found(sources: &dyn Sources, from: &str, path: &str) -> Option<Arc<str>> {
    let found = find(sources, from, path, "files");
    read_bytes(sources, &found).ok()?;
    Some(found.into())
}

/// Finds the file that the source file `from` means by `path`, by [`candidates`]. Returns one that is there and cannot be read, or else `path`
/// itself, when there is none of these.
fn find(sources: &dyn Sources, from: &str, path: &str, folder: &str) -> String {
    if path.starts_with('/') || path.split('/').any(|part| part == "..") || path.contains('\0') {
        return path.to_owned();
    }
    let path = path.trim_start_matches("./");
    let mut refused = None;
    for candidate in candidates(from, path, folder) {
        match sources.read(&candidate) {
            Ok(_) => return candidate,
            Err(SourceError::NotFound) => {}
            Err(_) => refused = refused.or(Some(candidate)),
        }
    }
    refused.unwrap_or_else(|| path.to_owned())
}

/// Lists the files below the directory that the source file `from` means by `path`, as seen from there, or the directories that they are in,
/// outer ones first.
pub(crate) fn list(sources: &dyn Sources, from: &str, path: &str, directories: bool) -> Result<Vec<Arc<str>>, FileProblem> {
    let problem =
        |message: String, hint: &str| Err(FileProblem { code: "missing-file", message, hint: Some(hint.to_owned()), path: None });
    let plain = path.trim_start_matches("./").trim_end_matches('/');
    if plain.is_empty() || plain.starts_with('/') || plain.split('/').any(|part| part == "..") || plain.contains('\0') {
        let message = format!("`{path}` is not a path inside the project");
        return problem(message, "give the path from the root of the project, without `..`");
    }
    for directory in candidates(from, plain, "files") {
        let files = sources.files(&directory, &[]);
        if files.is_empty() {
            continue;
        }
        let below = files.iter().filter_map(|file| file.strip_prefix(&*directory)?.strip_prefix('/'));
        if !directories {
            return Ok(below.map(Arc::from).collect());
        }
        let above = |file| Path::new(file).ancestors().skip(1).filter_map(Path::to_str).filter(|one| !one.is_empty());
        let all: BTreeSet<&str> = below.flat_map(above).collect();
        return Ok(all.into_iter().map(Arc::from).collect());
    }
    problem(format!("there are no files in `{path}` in the project"), "name a directory with files in it")
}

/// Where something may be that the source file `from` means by `path`: in `folder` beside it, beside it, in `folder` at the root of the
/// project, or from the root.
fn candidates(from: &str, path: &str, folder: &str) -> Vec<String> {
    let beside = from.rsplit_once('/').map(|(directory, _)| directory);
    let near = beside.into_iter().flat_map(|directory| [format!("{directory}/{folder}/{path}"), format!("{directory}/{path}")]);
    near.chain([format!("{folder}/{path}"), path.to_owned()]).collect()
}

/// Reads the bytes of a file whose path stands in the source.
pub(crate) fn read_bytes(sources: &dyn Sources, path: &str) -> Result<std::sync::Arc<[u8]>, FileProblem> {
    let problem = |code, message: String, hint: Option<&str>| {
        Err(FileProblem { code, message, hint: hint.map(ToOwned::to_owned), path: None })
    };
    let outside = path.starts_with('/') || path.split('/').any(|part| part == "..") || path.contains('\0') || path.is_empty();
    if outside {
        let message = format!("`{path}` is not a path inside the project");
        return problem("missing-file", message, Some("give the path from the root of the project, without `..`"));
    }
    let path = path.trim_start_matches("./");
    match sources.read(path) {
        Ok(bytes) => Ok(bytes),
        Err(SourceError::NotFound) => {
            let message = format!("there is no file `{path}` in the project");
            problem("missing-file", message, Some("the path starts at the root of the project"))
        }
        Err(error) => problem("unreadable-file", format!("cannot read `{path}`: {error}"), None),
    }
}

/// Checks a template whose path is known against the variables it is given. Returns false when it cannot be used.
pub(crate) fn check_template(checker: &mut Checker<'_>, path: &hir::Expr, variables: &Type, call: &Call, at: Span) -> bool {
    let Some(Value::String(name)) = path.constant().map(Value::reveal) else { return true };
    checker.has_looked = true;
    let from = checker.program.files[checker.file as usize].name.clone();
    let found = match locate_template(checker.templates, checker.sources, &from, name) {
        Ok(found) => found,
        Err(problem) => {
            let issue = problem.issue(checker.loc(path.span));
            checker.report(issue);
            return false;
        }
    };
    let entries = call.args.get(1).map(|arg| &arg.value.unparen().kind);
    // Without a record the names are known only when it is rendered.
    let Type::Record(record) = variables else {
        checker.note_template(&found, path.span, Vec::new());
        return true;
    };
    if checker.notes.is_some() {
        let place = |name: &str| match entries {
            Some(ExprKind::Record(entries)) => entries.iter().find_map(|entry| match &entry.key {
                RecordKey::Name(key) if key.as_str() == name => Some(key.span),
                _ => None,
            }),
            _ => None,
        };
        let given = record.fields.iter().map(|field| (field.name.clone(), field.ty.clone(), place(&field.name).unwrap_or(at)));
        checker.note_template(&found, path.span, given.collect());
    }
    let variables: Vec<(Arc<str>, Type)> = record.fields.iter().map(|field| (field.name.clone(), field.ty.clone())).collect();
    let checked = checker.templates.check(&found, &variables);
    let good = checked.problems.is_empty();
    for problem in checked.problems {
        checker.diagnostics.push(problem.also(&from, path.span, "rendered here"));
    }
    for name in checked.unused {
        let entry = match entries {
            Some(ExprKind::Record(entries)) => {
                entries.iter().find(|entry| matches!(&entry.key, RecordKey::Name(key) if key.name == name))
            }
            _ => None,
        };
        let span = entry.map_or(at, |entry| entry.span);
        let message = format!("the template `{found}` does not use `{name}`");
        let issue = Issue::warning("unused-template-variable", checker.loc(span), message);
        checker.report(issue.hint("remove it from the argument"));
    }
    good
}

/// The template that the source file `from` names, where there is one.
pub(crate) fn template_of(checker: &Checker<'_>, from: &str, name: &str) -> Option<Arc<str>> {
    locate_template(checker.templates, checker.sources, from, name).ok()
}

/// Finds the template that the source file `from` names.
fn locate_template(templates: &Templates, sources: &dyn Sources, from: &str, name: &str) -> Result<Arc<str>, FileProblem> {
    let directory = from.rsplit_once('/').map_or("", |(directory, _)| directory);
    templates.locate(directory, name, || {
        let found = find(sources, from, name, "templates");
        template_exists(sources, &found, name)?;
        Ok(found)
    })
}

/// Says what is wrong when a template cannot be read.
fn template_exists(sources: &dyn Sources, found: &str, name: &str) -> Result<(), FileProblem> {
    read_bytes(sources, found).map(|_| ()).map_err(|mut problem| {
        if problem.code == "missing-file" {
            let known = sources.files("", &["j2", "jinja", "jinja2", "tmpl"]);
            problem.code = "template-not-found";
            problem.message = format!("there is no template `{name}` in the project");
            let best = closest(name, known.iter().flat_map(|file| [&**file, file.strip_prefix("templates/").unwrap_or(file)]));
            problem.path = best.map(str::to_owned);
            problem.hint = Some(match best {
                Some(best) => format!("did you mean `{best}`?"),
                None => "templates lie in `templates/`, or beside the file that names them".into(),
            });
        }
        problem
    })
}

/// Why a template was not rendered.
pub(crate) enum RenderProblem {
    /// The template cannot be used at all.
    File(FileProblem),
    /// Something in the template.
    Template(Box<Diagnostic>),
}

/// Renders a template of the project for the source file `from`. The result is secret when a variable is.
pub(crate) fn render(project: &Project, from: &str, path: &str, values: &Value) -> Result<Value, RenderProblem> {
    let sources = &*project.input.sources;
    let found = locate_template(&project.templates, sources, from, path).map_err(RenderProblem::File)?;
    let empty = Map::new();
    let variables = match values.reveal() {
        Value::Map(map) => map,
        _ => &empty,
    };
    let rendered = match project.templates.render(&found, variables) {
        Ok(rendered) => rendered,
        // A template may take what stands for an unknown value amiss; it is not wrong for that.
        Err(_) if values.has_locked() => Value::Blob(Blob::new(&*found, sources.read(&found).unwrap_or_default()).into()),
        Err(problem) => return Err(RenderProblem::Template(problem)),
    };
    if values.has_locked() {
        return Ok(made_of("template", [&rendered, values]));
    }
    Ok(if values.is_sensitive() { rendered.secret() } else { rendered })
}

/// Checks a template that stands in the source. Returns false when it cannot be used.
pub(crate) fn check_template_text(checker: &mut Checker<'_>, text: &hir::Expr, variables: &Type) -> bool {
    let Some(Value::String(template)) = text.constant() else { return true };
    checker.has_looked = true;
    let Type::Record(record) = variables else { return true };
    let variables: Vec<(Arc<str>, Type)> = record.fields.iter().map(|field| (field.name.clone(), field.ty.clone())).collect();
    let checked = checker.templates.check_text(template, &variables);
    for problem in &checked.problems {
        let source = &checker.program.files[checker.file as usize].text;
        let at = place_in_text(source, text.span, template, problem.span);
        let issue = problem.clone().issue(checker.loc(at));
        checker.report(issue);
    }
    checked.problems.is_empty()
}

/// Renders a template that stands in the source.
pub(crate) fn render_text(project: &Project, text: &str, values: &Value, is_secret: bool) -> Result<Value, Problem> {
    let empty = Map::new();
    let variables = match values.reveal() {
        Value::Map(map) => map,
        _ => &empty,
    };
    if values.has_locked() {
        return Ok(made_of("template", [&Value::string(text), values]));
    }
    let rendered = project.templates.render_text(text, variables)?;
    Ok(if is_secret || values.is_sensitive() { rendered.secret() } else { rendered })
}

/// Finds in the source what `inner` is in a template: exactly where the string stands there as it is, else the whole expression.
pub(crate) fn place_in_text(source: &str, expr: Span, template: &str, inner: Span) -> Span {
    let written = expr.text(source);
    match written.find(template) {
        Some(at) if !template.is_empty() => {
            let start = expr.start + crate::position::offset_u32(at);
            Span::new(start + inner.start, start + inner.end)
        }
        _ => expr,
    }
}

impl Problem {
    /// Makes the issue, in the source that holds the template.
    pub(crate) fn issue(self, at: Loc) -> Issue {
        let place = self.file.map(|file| format!(" (in `{file}`)")).unwrap_or_default();
        let mut issue = Issue::error(self.code, at, format!("{}{place}", self.message));
        issue.replacement = self.replacement.map(|text| Box::new((None, text)));
        match self.hint {
            Some(hint) => issue.hint(hint),
            None => issue,
        }
    }
}
