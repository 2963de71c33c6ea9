//! Files of the project that code names: contents read as bytes or text, templates.

use stead_catalog::{Blob, Type, Value};
use stead_grammar::ast::{Call, Span};

use crate::check::Checker;
use crate::hir;
use crate::issue::{Issue, Loc};
use crate::sources::{SourceError, Sources};

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileProblem {
    code: &'static str,
    message: String,
    hint: Option<String>,
}

impl FileProblem {
    pub(crate) fn issue(self, at: Loc) -> Issue {
        let issue = Issue::error(self.code, at, self.message);
        match self.hint {
            Some(hint) => issue.hint(hint),
            None => issue,
        }
    }
}

/// Reads a file of the project as a blob or as text.
pub(crate) fn read(sources: &dyn Sources, path: &str, as_bytes: bool) -> Result<Value, FileProblem> {
    let bytes = read_bytes(sources, path)?;
    if as_bytes {
        return Ok(Value::Blob(Blob::new(path, bytes)));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Value::string(text)),
        Err(_) => Err(FileProblem {
            code: "invalid-utf8",
            message: format!("`{path}` is not UTF-8 text"),
            hint: Some("bytes are given with `source = \"path\"`".into()),
        }),
    }
}

/// Reads the bytes of a file whose path stands in the source.
pub(crate) fn read_bytes(sources: &dyn Sources, path: &str) -> Result<std::sync::Arc<[u8]>, FileProblem> {
    let problem = |code, message: String, hint: Option<&str>| {
        Err(FileProblem { code, message, hint: hint.map(ToOwned::to_owned) })
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
pub(crate) fn check_template(_checker: &mut Checker<'_>, _path: &hir::Expr, _variables: &Type, _call: &Call, _at: Span) -> bool {
    true
}

/// Renders a template of the project.
pub(crate) fn render(_project: &crate::project::Project, path: &str, _values: &Value) -> Result<String, FileProblem> {
    Err(FileProblem { code: "missing-file", message: format!("no templates yet: {path}"), hint: None })
}
