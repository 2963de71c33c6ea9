//! Encrypted values of data files, and secrets that programs tell.
//!
//! A text of the form `age:…` (what age wrote, in base64 on one line) is an encrypted value; `secret:NAME`, or `secret:NAME:ARGUMENT`,
//! asks the program that `[secrets.commands]` of `stead.toml` gives that name. Both are `Secret<String>` from the moment a node's data is
//! laid together. The compiler cannot open either: who compiles hands in what can, as an [`Unseal`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use stead_catalog::{Value, closest};

use crate::config::Program;
use crate::data::{Kind, Node};
use crate::diagnostic::Diagnostic;
use crate::eval::locked::made_of;
use crate::project::Project;

/// What encrypted values start with.
pub const PREFIX: &str = "age:";

/// A secret as it stands in a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed<'a> {
    /// Base64 of what age wrote.
    Age(&'a str),
    /// The name of a program, and an argument for it.
    Command(&'a str, Option<&'a str>),
}

impl<'a> Sealed<'a> {
    /// Tells a secret from plain text.
    pub fn of(text: &'a str) -> Option<Self> {
        if let Some(base64) = text.strip_prefix(PREFIX) {
            let is_base64 = base64.len() >= 64 && base64.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
            return is_base64.then_some(Self::Age(base64));
        }
        let rest = text.strip_prefix("secret:")?;
        let (name, argument) = rest.split_once(':').map_or((rest, None), |(name, argument)| (name, Some(argument)));
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        is_name.then_some(Self::Command(name, argument))
    }
}

/// Why a secret could not be had. Never holds any of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SecretError {
    /// `no-identity`, `damaged-secret` or `secret-command-failed`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

/// Opens secrets. A head implements it over the user's keys; it is asked from several threads.
pub trait Unseal: Send + Sync {
    /// Opens base64 of what age wrote. `None` where who compiles goes on without: the value counts as secret, and nobody knows it.
    ///
    /// # Errors
    /// When there is no key for it, or it is damaged.
    fn open(&self, base64: &str) -> Result<Option<Arc<str>>, SecretError>;

    /// Asks a program. `None` as above.
    ///
    /// # Errors
    /// When the program fails, takes too long or prints what is no text.
    fn ask(&self, program: &Program, argument: Option<&str>) -> Result<Option<Arc<str>>, SecretError>;

    /// Says whether resources may be left out that depend on what nobody knows: for who looks at types only. A catalog that stands for a
    /// node has to be complete.
    fn may_leave_out(&self) -> bool {
        false
    }
}

/// Opens nothing: a project with secrets cannot be compiled.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKeys;

impl Unseal for NoKeys {
    fn open(&self, _: &str) -> Result<Option<Arc<str>>, SecretError> {
        let hint = Some("hand in what opens secrets".to_owned());
        Err(SecretError { code: "no-identity", message: "no key is there to open this secret".into(), hint })
    }

    fn ask(&self, _: &Program, _: Option<&str>) -> Result<Option<Arc<str>>, SecretError> {
        self.open("")
    }
}

/// Opens nothing and lets compiling go on: for editors, which look at types only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Locked;

impl Unseal for Locked {
    fn open(&self, _: &str) -> Result<Option<Arc<str>>, SecretError> {
        Ok(None)
    }

    fn ask(&self, _: &Program, _: Option<&str>) -> Result<Option<Arc<str>>, SecretError> {
        Ok(None)
    }

    fn may_leave_out(&self) -> bool {
        true
    }
}

type Answer = Result<Option<Arc<str>>, SecretError>;

/// The secrets that were asked for: each is opened once, whatever number of nodes needs it.
#[derive(Default)]
pub(crate) struct Opened {
    by_text: Mutex<HashMap<Arc<str>, Answer>>,
}

impl Opened {
    fn get(&self, text: &Arc<str>, open: impl FnOnce() -> Answer) -> Answer {
        if let Some(known) = self.by_text.lock().unwrap_or_else(PoisonError::into_inner).get(text) {
            return known.clone();
        }
        let answer = open();
        self.by_text.lock().unwrap_or_else(PoisonError::into_inner).insert(text.clone(), answer.clone());
        answer
    }
}

/// Opens the secrets in the data of one node.
pub(crate) fn unseal(project: &Project, node: Node, found: &mut Vec<Diagnostic>) -> Node {
    let mut opener = Opener { project, found };
    opener.node(node)
}

struct Opener<'a> {
    project: &'a Project,
    found: &'a mut Vec<Diagnostic>,
}

impl Opener<'_> {
    /// Data is nested no deeper than `data::MAX_DEPTH`.
    fn node(&mut self, mut node: Node) -> Node {
        match &mut node.kind {
            Kind::Scalar(Value::String(text)) => {
                let text = text.clone();
                if let Some(sealed) = Sealed::of(&text)
                    && let Some(opened) = self.value(&text, sealed, &node)
                {
                    node.kind = Kind::Scalar(opened);
                }
            }
            Kind::List(items) if items.iter().any(has_sealed) => {
                let opened = items.iter().map(|item| self.node(item.clone())).collect();
                *items = Arc::new(opened);
            }
            Kind::Map(entries) if entries.values().any(|entry| has_sealed(&entry.node)) => {
                for entry in Arc::make_mut(entries).values_mut() {
                    entry.node = self.node(entry.node.clone());
                }
            }
            _ => {}
        }
        node
    }

    fn value(&mut self, text: &Arc<str>, sealed: Sealed<'_>, node: &Node) -> Option<Value> {
        let unseal = &*self.project.input.secrets;
        // What tells this secret from another one that is not opened.
        let mut parts = vec![Value::String(text.clone())];
        let answer = match sealed {
            Sealed::Age(base64) => self.project.opened.get(text, || unseal.open(base64)),
            Sealed::Command(name, argument) => {
                let commands = &self.project.config().secrets.commands;
                let Some(program) = commands.get(name) else {
                    let message = format!("no program tells the secret `{name}`");
                    let hint = match closest(name, commands.keys().map(|name| &**name)) {
                        Some(best) => format!("did you mean `{best}`?"),
                        None => format!("name it in stead.toml: [secrets.commands] {name} = [\"pass\", \"show\"]"),
                    };
                    self.found.push(Diagnostic::error("unknown-secret", message).at(&node.file, node.span, "").hint(hint));
                    return None;
                };
                parts.extend(program.argv.iter().map(|word| Value::String(word.clone())));
                self.project.opened.get(text, || unseal.ask(program, argument))
            }
        };
        match answer {
            Ok(Some(secret)) => Some(Value::String(secret).secret()),
            Ok(None) => {
                let message = "this secret cannot be opened here: what is made of it is not known";
                self.found.push(Diagnostic::hint_level("locked-secret", message).at(&node.file, node.span, ""));
                Some(made_of("secret", &parts))
            }
            Err(error) => {
                let diagnostic = Diagnostic::error(error.code, error.message).at(&node.file, node.span, "");
                self.found.push(diagnostic.hint_opt(error.hint));
                None
            }
        }
    }
}

/// Says whether a secret stands anywhere in the data.
pub(crate) fn has_sealed(node: &Node) -> bool {
    match &node.kind {
        Kind::Scalar(Value::String(text)) => Sealed::of(text).is_some(),
        Kind::Scalar(_) => false,
        Kind::List(items) => items.iter().any(has_sealed),
        Kind::Map(entries) => entries.values().any(|entry| has_sealed(&entry.node)),
    }
}

#[cfg(test)]
mod tests {
    use super::Sealed;

    #[test]
    fn secrets_are_told_from_text() {
        let sealed = "age:".to_owned() + &"QUJD".repeat(20);
        assert!(matches!(Sealed::of(&sealed), Some(Sealed::Age(base64)) if base64.len() == 80));
        assert_eq!(Sealed::of("age: 42 years"), None);
        assert_eq!(Sealed::of("age:42"), None);
        assert_eq!(Sealed::of("secret:db"), Some(Sealed::Command("db", None)));
        assert_eq!(Sealed::of("secret:pass:db/root"), Some(Sealed::Command("pass", Some("db/root"))));
        assert_eq!(Sealed::of("secret: no"), None);
    }
}
