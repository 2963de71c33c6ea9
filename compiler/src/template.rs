//! Jinja2 templates, by minijinja: checked against what they are given, then rendered.
//!
//! [`Templates::check`] walks a template's syntax with the types of its variables, so that a name that does not exist is told with its
//! place in the template before anything is rendered. Rendering is strict about undefined names, bounded in steps, output and all
//! that it makes on the way (`template/meter.rs`), and reads nothing but templates of the project. Values keep the form the language
//! writes (a mode is `0644`, a duration `30s`); a template that was given a secret renders to a secret.

mod check;
mod filters;
mod meter;
mod methods;
mod value;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use minijinja::machinery::{WhitespaceConfig, tokenize};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use stead_catalog::{Map, Type, Value};
use stead_grammar::ast::Span;

use self::meter::rewrite::{Rewritten, rewrite};
pub use self::methods::of_type as methods_of_type;
pub(crate) use self::value::locked_text;
use self::value::to_template;
use crate::diagnostic::Diagnostic;
use crate::index::notes::TemplateNotes;
use crate::position::offset_u32;
use crate::sources::Sources;

/// Largest template file, in bytes.
pub const MAX_TEMPLATE: usize = 4 << 20;
/// Longest text that a template renders to, in bytes.
pub const MAX_OUTPUT: usize = 16 << 20;
/// Steps that one rendering may take.
const FUEL: u64 = 10_000_000;
/// Deepest nesting of includes and macro calls.
const RECURSION: usize = 100;
/// Most operators in one expression, and most `elif` in a template.
const MAX_CHAIN: usize = 400;

/// How templates treat white space. The default is what users of Ansible and Salt expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whitespace {
    /// Take off the newline after a block tag.
    pub trim_blocks: bool,
    /// Take off the white space before a block tag that starts a line.
    pub lstrip_blocks: bool,
    /// Keep the newline at the end of a template.
    pub keep_trailing_newline: bool,
}

impl Default for Whitespace {
    fn default() -> Self {
        Self { trim_blocks: true, lstrip_blocks: true, keep_trailing_newline: true }
    }
}

impl Whitespace {
    fn config(self) -> WhitespaceConfig {
        WhitespaceConfig {
            trim_blocks: self.trim_blocks,
            lstrip_blocks: self.lstrip_blocks,
            keep_trailing_newline: self.keep_trailing_newline,
        }
    }
}

/// Something wrong with a template, before it has a file: what [`Templates::check_text`] and [`Templates::render_text`] tell of a
/// template that stands in a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable code, such as `undefined-template-variable`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// The template it is in, when that is another file than the one that was asked for: an included one.
    pub file: Option<Arc<str>>,
    /// Bytes of the template.
    pub span: Span,
    /// The way out.
    pub hint: Option<String>,
    /// What to write at `span` instead.
    pub replacement: Option<String>,
}

impl Problem {
    fn new(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), file: None, span, hint: None, replacement: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Hints at a name that is close to the one at the place.
    fn suggest(self, best: &str) -> Self {
        Self { replacement: Some(best.to_owned()), ..self.hint(format!("did you mean `{best}`?")) }
    }

    fn in_file(mut self, file: &Arc<str>) -> Self {
        if !file.is_empty() {
            self.file.get_or_insert_with(|| file.clone());
        }
        self
    }

    /// Turns the problem into a diagnostic of the template `file`.
    pub fn into_diagnostic(self, file: &Arc<str>) -> Diagnostic {
        let file = self.file.unwrap_or_else(|| file.clone());
        let diagnostic = Diagnostic::error(self.code, self.message).at(&file, self.span, "").hint_opt(self.hint);
        match self.replacement {
            Some(text) => diagnostic.suggest(&file, self.span, text),
            None => diagnostic,
        }
    }
}

/// What checking a template found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked<P> {
    /// What is wrong.
    pub problems: Vec<P>,
    /// The variables it was given that it never names; empty where it cannot be known.
    pub unused: Vec<Arc<str>>,
}

/// The templates of a project. Each is read and compiled once.
pub struct Templates {
    sources: Arc<dyn Sources>,
    whitespace: Whitespace,
    environment: Environment<'static>,
    /// Where templates were found: by the directory of the source file and the path it names.
    located: RwLock<Located>,
    /// What was read, as it is rendered, by its path.
    rewritten: Arc<RwLock<HashMap<Box<str>, Arc<Rewritten>>>>,
}

/// Paths of templates by directory and name.
type Located = HashMap<(Box<str>, Box<str>), Arc<str>>;

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates").field("whitespace", &self.whitespace).finish_non_exhaustive()
    }
}

impl Templates {
    /// Makes the set of templates that `sources` has. Nothing is read yet.
    pub fn new(sources: Arc<dyn Sources>, whitespace: Whitespace) -> Self {
        let mut environment = Environment::new();
        environment.set_trim_blocks(whitespace.trim_blocks);
        environment.set_lstrip_blocks(whitespace.lstrip_blocks);
        environment.set_keep_trailing_newline(whitespace.keep_trailing_newline);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // Configuration files are not HTML.
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_formatter(|out, state, value| {
            if value.is_none() {
                return Err(minijinja::Error::new(
                    ErrorKind::InvalidOperation,
                    "the value is none; write what is meant: `x or \"\"`",
                ));
            }
            meter::emit(state, value)?;
            minijinja::escape_formatter(out, state, value)
        });
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(RECURSION);
        environment.set_debug(true);
        filters::register(&mut environment);
        meter::register(&mut environment);
        environment.set_unknown_method_callback(methods::call);
        let loader = sources.clone();
        let rewritten = Arc::<RwLock<HashMap<Box<str>, Arc<Rewritten>>>>::default();
        let known = rewritten.clone();
        environment.set_loader(move |name| match read(&*loader, name) {
            Ok(text) => match metered(&text, whitespace) {
                Ok(None) => Ok(Some(text)),
                Ok(Some(metered)) => {
                    let text = metered.text.clone();
                    known.write().unwrap_or_else(PoisonError::into_inner).insert(name.into(), Arc::new(metered));
                    Ok(Some(text))
                }
                Err(problem) => Err(minijinja::Error::new(ErrorKind::SyntaxError, problem.message)),
            },
            Err(ReadError::NotFound) => Ok(None),
            Err(error) => Err(minijinja::Error::new(ErrorKind::InvalidOperation, error.to_string())),
        });
        let finder = sources.clone();
        environment.set_path_join_callback(move |name, parent| join(&*finder, name, parent).into());
        Self { sources, whitespace, environment, located: RwLock::default(), rewritten }
    }

    /// Remembers what `find` found for the template `path` of a source file in `directory`, so that a loop looks once.
    pub(crate) fn locate<E>(&self, directory: &str, path: &str, find: impl FnOnce() -> Result<String, E>) -> Result<Arc<str>, E> {
        let key = (Box::from(directory), Box::from(path));
        // A panic elsewhere leaves the map whole: it only ever grows by complete entries.
        if let Some(found) = self.located.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(found.clone());
        }
        let found: Arc<str> = find()?.into();
        self.located.write().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
        Ok(found)
    }

    /// Checks the template `path` and those it includes, against the variables it is given.
    pub fn check(&self, path: &str, variables: &[(Arc<str>, Type)]) -> Checked<Diagnostic> {
        let file: Arc<str> = path.into();
        match read(&*self.sources, path) {
            Ok(text) => {
                let checked = check::check(self, &file, &text, variables);
                let problems = checked.problems.into_iter().map(|problem| problem.into_diagnostic(&file)).collect();
                Checked { problems, unused: checked.unused }
            }
            Err(error) => {
                let diagnostic = match error {
                    ReadError::NotText(at) => Diagnostic::error("invalid-utf8", format!("the template `{path}` is not UTF-8"))
                        .at(&file, Span::at(offset_u32(at)), "the first wrong byte")
                        .hint("save the file as UTF-8"),
                    ReadError::NotFound => Diagnostic::error("template-not-found", format!("there is no template `{path}`")),
                    ReadError::Other(reason) => {
                        Diagnostic::error("unreadable-file", format!("the template `{path}` cannot be read: {reason}"))
                    }
                };
                Checked { problems: vec![diagnostic], unused: Vec::new() }
            }
        }
    }

    /// Checks the text of the template `file`, and notes what its names stand for.
    pub(crate) fn note(&self, file: &Arc<str>, text: &str, variables: &[(Arc<str>, Type)], notes: &mut TemplateNotes) {
        check::check_noting(self, file, text, variables, Some(notes));
    }

    /// Checks a template that stands in a string. Names of templates in it are seen from the root of the project.
    pub fn check_text(&self, text: &str, variables: &[(Arc<str>, Type)]) -> Checked<Problem> {
        check::check(self, &Arc::from(""), text, variables)
    }

    /// Renders the template `path`.
    ///
    /// # Errors
    /// `template-not-found`, `template-syntax-error`, `undefined-template-variable`, `template-too-large` and `template-failed`,
    /// with the place in the template; without it when the values are secret and the place could tell.
    pub fn render(&self, path: &str, variables: &Map) -> Result<Value, Box<Diagnostic>> {
        let file: Arc<str> = path.into();
        let secret = variables.values().any(Value::is_sensitive);
        let rendered = self.environment.get_template(path).and_then(|template| run(&template, variables));
        rendered
            .map(|text| finish(text, secret))
            .map_err(|error| Box::new(problem_of(&error, secret, None, &self.known(None)).into_diagnostic(&file)))
    }

    /// Renders a template that stands in a string.
    ///
    /// # Errors
    /// As [`Templates::render`], with spans in `text`.
    pub fn render_text(&self, text: &str, variables: &Map) -> Result<Value, Problem> {
        let secret = variables.values().any(Value::is_sensitive);
        let metered = metered(text, self.whitespace)?;
        let source = metered.as_ref().map_or(text, |metered| &*metered.text);
        let rendered = self.environment.template_from_str(source).and_then(|template| run(&template, variables));
        let known = self.known(metered.as_ref());
        rendered.map(|out| finish(out, secret)).map_err(|error| problem_of(&error, secret, Some(source), &known))
    }

    /// Tells where in the user's text a place in a template stands that was rendered: in the file of a name, or in `string`.
    fn known(&self, string: Option<&Rewritten>) -> impl Fn(Option<&str>, usize, usize) -> (usize, usize) {
        move |name, start, end| match name.filter(|name| !name.starts_with('<')) {
            Some(name) => {
                let known = self.rewritten.read().unwrap_or_else(PoisonError::into_inner);
                known.get(name).map_or((start, end), |rewritten| rewritten.place(start, end))
            }
            None => string.map_or((start, end), |rewritten| rewritten.place(start, end)),
        }
    }
}

/// Returns the text as it is rendered, or nothing where minijinja has to tell what is wrong with it.
fn metered(text: &str, whitespace: Whitespace) -> Result<Option<Rewritten>, Problem> {
    if let Some(problem) = too_complex(text, whitespace) {
        return Err(problem);
    }
    rewrite(text, whitespace.config()).map_err(|span| {
        let message = "what this operator is between is not clear";
        Problem::new("template-syntax-error", span, message).hint("put brackets around what stands on its sides")
    })
}

fn run(template: &minijinja::Template<'_, '_>, variables: &Map) -> Result<String, minijinja::Error> {
    let mut out = Output(Vec::new());
    template.render_captured_to(to_template(&Value::Map(Arc::new(variables.clone()))), &mut out)?;
    String::from_utf8(out.0).map_err(|_| minijinja::Error::new(ErrorKind::BadSerialization, "the output is not UTF-8"))
}

fn finish(text: String, secret: bool) -> Value {
    let value = Value::string(text);
    if secret { value.secret() } else { value }
}

/// Takes what is rendered, up to a limit.
struct Output(Vec<u8>);

impl std::io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(std::io::Error::other("too much output"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Why a template cannot be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("there is no such file")]
    NotFound,
    #[error("byte {0} is not UTF-8")]
    NotText(usize),
    #[error("{0}")]
    Other(String),
}

fn read(sources: &dyn Sources, path: &str) -> Result<String, ReadError> {
    let bytes = sources.read(path).map_err(|error| match error {
        crate::sources::SourceError::NotFound => ReadError::NotFound,
        other => ReadError::Other(other.to_string()),
    })?;
    if bytes.len() > MAX_TEMPLATE {
        return Err(ReadError::Other(format!("it has more than {} MiB", MAX_TEMPLATE >> 20)));
    }
    String::from_utf8(bytes.to_vec()).map_err(|error| ReadError::NotText(error.utf8_error().valid_up_to()))
}

/// Finds the template that `name` means in the template `parent`: beside it, or from the root of the project.
fn join(sources: &dyn Sources, name: &str, parent: &str) -> String {
    let directory = parent.rsplit_once('/').map_or("", |(directory, _)| directory);
    let relative = normal(&format!("{directory}/{name}"));
    match relative {
        Some(path) if name.starts_with("./") || name.starts_with("../") || sources.read(&path).is_ok() => path,
        _ => normal(name).unwrap_or_else(|| name.to_owned()),
    }
}

/// Takes `.` and `..` out of a path; `None` when it leads out of the project.
fn normal(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Refuses expressions that would nest so deep that walking them could exhaust the stack: minijinja limits brackets, not chains of
/// operators.
fn too_complex(text: &str, whitespace: Whitespace) -> Option<Problem> {
    use minijinja::machinery::Token;
    let (mut chain, mut elifs, mut after_start) = (0, 0, false);
    for token in tokenize(text, false, Default::default(), whitespace.config()) {
        // What cannot be read is told by the parser.
        let Ok((token, span)) = token else { return None };
        match token {
            Token::VariableStart | Token::BlockStart | Token::Comma => chain = 0,
            Token::TemplateData(_) | Token::Str(_) | Token::String(_) | Token::Int(_) | Token::Float(_) => {}
            Token::Ident(name) => {
                elifs += usize::from(after_start && name == "elif");
                chain += usize::from(matches!(name, "and" | "or" | "not" | "is" | "in" | "if" | "else"));
            }
            _ => chain += 1,
        }
        after_start = matches!(token, Token::BlockStart);
        if chain > MAX_CHAIN || elifs > MAX_CHAIN {
            let span = Span::new(span.start_offset, span.end_offset);
            let what = if chain > MAX_CHAIN { "an expression with more operators" } else { "more `elif`" };
            let message = format!("{what} than the {MAX_CHAIN} a template may have");
            return Some(Problem::new("nesting-too-deep", span, message));
        }
    }
    None
}

/// Where something stands in a template as its author wrote it: of the template's name, its start and its end.
type Place<'p> = &'p dyn Fn(Option<&str>, usize, usize) -> (usize, usize);

/// Turns minijinja's error into ours: the innermost one that has a place.
fn problem_of(error: &minijinja::Error, secret: bool, text: Option<&str>, place: Place<'_>) -> Problem {
    let mut innermost = error;
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        if let Some(inner) = source.downcast_ref::<minijinja::Error>() {
            innermost = inner;
        }
        next = source.source();
    }
    let placed = if innermost.range().is_some() || innermost.name().is_some() { innermost } else { error };
    let span = match (placed.range(), placed.template_source().or(text)) {
        (Some(range), Some(text)) => {
            // The lexer goes by bytes, and may stop inside a character.
            let start = (0..=range.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let end = (range.end.max(start)..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
            let (start, end) = place(placed.name(), start, end);
            Span::new(offset_u32(start), offset_u32(end))
        }
        _ => Span::at(0),
    };
    let detail = innermost.detail().unwrap_or_default();
    let (code, message) = match innermost.kind() {
        ErrorKind::OutOfFuel if !detail.is_empty() => ("template-too-large", detail.to_owned()),
        ErrorKind::OutOfFuel => ("template-too-large", format!("the template takes more than {FUEL} steps")),
        ErrorKind::WriteFailure => ("template-too-large", format!("the template renders to more than {} MiB", MAX_OUTPUT >> 20)),
        // A template may be named by a value.
        ErrorKind::TemplateNotFound if secret => ("template-not-found", "a template that is included is not there".to_owned()),
        ErrorKind::TemplateNotFound => ("template-not-found", detail.to_owned()),
        ErrorKind::SyntaxError => ("template-syntax-error", detail.to_owned()),
        ErrorKind::UndefinedError if detail.is_empty() => ("undefined-template-variable", "a name here has no value".to_owned()),
        ErrorKind::UndefinedError => ("undefined-template-variable", detail.to_owned()),
        ErrorKind::UnknownFilter => ("unknown-template-filter", detail.to_owned()),
        ErrorKind::UnknownTest => ("unknown-template-test", detail.to_owned()),
        // What failed may quote a value.
        _ if secret => ("template-failed", "the template failed; the reason is not shown, as it may hold a secret".to_owned()),
        kind if detail.is_empty() => ("template-failed", kind.to_string()),
        _ => ("template-failed", detail.to_owned()),
    };
    let file = placed.name().filter(|name| !name.starts_with('<')).map(Arc::from);
    Problem { code, message, file, span, hint: None, replacement: None }
}

#[cfg(test)]
mod tests;
