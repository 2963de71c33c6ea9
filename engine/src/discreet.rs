//! Keeps secret attribute values out of what a resource type says.
//!
//! A resource type hides the attributes that are made for secrets. Any other attribute can be given a secret as well, and
//! is then hidden here: in its changes, and in failures that name it.

use std::sync::Arc;

use stead_catalog::{Attributes, Command, Value};

use crate::{
    Applied, ApplyError, Difference, LockClass, Machine, Managed, Observation, ObserveError, PackageWish, Predicted, Probe,
    ReactionKind, World,
};

/// A resource, some of whose attributes are secret.
#[derive(Debug)]
pub(crate) struct Discreet {
    inner: Box<dyn Managed>,
    /// Names of the secret attributes.
    hidden: Vec<Arc<str>>,
    secrets: Secrets,
}

/// The secret texts, the longest first.
struct Secrets(Vec<Arc<str>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(sensitive)")
    }
}

/// Wraps a resource that was made of `attributes`, if any of them is secret.
pub(crate) fn discreet(inner: Box<dyn Managed>, attributes: &Attributes) -> Box<dyn Managed> {
    if !attributes.iter().any(|(_, value)| value.is_sensitive()) {
        return inner;
    }
    let mut hidden = Vec::new();
    let mut secrets = Vec::new();
    for (name, value) in attributes.iter().filter(|(_, value)| value.is_sensitive()) {
        hidden.push(name.clone());
        texts(value, false, &mut secrets);
    }
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    Box::new(Discreet { inner, hidden, secrets: Secrets(secrets) })
}

/// Shorter lines of a secret text are not looked for by themselves: `}` is no secret.
const MIN_LINE: usize = 6;

/// Collects the texts under secret wrappers.
fn texts(value: &Value, is_secret: bool, found: &mut Vec<Arc<str>>) {
    match value {
        Value::Secret(inner) => texts(inner, true, found),
        Value::String(text) if is_secret && !text.trim().is_empty() => {
            found.push(text.clone());
            // What is told of it may have lost its line ends, or be one of its lines.
            found
                .extend(text.lines().map(str::trim).filter(|line| line.len() >= MIN_LINE || *line == text.trim()).map(Arc::from));
        }
        Value::List(items) => items.iter().for_each(|item| texts(item, is_secret, found)),
        Value::Map(map) => map.values().for_each(|item| texts(item, is_secret, found)),
        _ => {}
    }
}

impl Discreet {
    fn scrub(&self, text: String) -> String {
        self.secrets.0.iter().fold(text, |text, secret| text.replace(&**secret, "(sensitive)"))
    }

    fn scrub_error(&self, error: ObserveError) -> ObserveError {
        match error {
            ObserveError::Impossible { code, message, hint } => {
                ObserveError::Impossible { code, message: self.scrub(message), hint: self.scrub(hint) }
            }
            other => other,
        }
    }

    fn scrub_failure(&self, error: ApplyError) -> ApplyError {
        match error {
            ApplyError::Observe(error) => ApplyError::Observe(self.scrub_error(error)),
            ApplyError::Command { command, status, output } => {
                ApplyError::Command { command: self.scrub(command), status, output: self.scrub(output) }
            }
            ApplyError::Invalid { path, command, output } => {
                // A check quotes parts of what it refuses, which no comparison with the whole would find.
                let output = if output.is_empty() { output } else { "(sensitive)".to_owned() };
                ApplyError::Invalid { path, command: self.scrub(command), output }
            }
            ApplyError::Service { service, message } => ApplyError::Service { service, message: self.scrub(message) },
            other => other,
        }
    }
}

impl Managed for Discreet {
    fn observe(&self, world: &dyn World) -> Result<Observation, ObserveError> {
        self.inner.observe(world).map_err(|error| self.scrub_error(error))
    }

    fn diff(&self, observed: &Observation) -> Difference {
        let mut difference = self.inner.diff(observed);
        for change in &mut difference.changes {
            let attribute = change.attribute.split(" of ").next().unwrap_or_default();
            if !change.sensitive && self.hidden.iter().any(|name| **name == *attribute) {
                *change = change.clone().hidden();
            }
        }
        difference
    }

    fn digest(&self, observed: &Observation) -> Option<[u8; 32]> {
        self.inner.digest(observed)
    }

    fn predict(&self, observed: &Observation, difference: &Difference, effects: &mut Predicted<'_>) {
        self.inner.predict(observed, difference, effects);
    }

    fn apply(&self, observed: &Observation, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        self.inner.apply(observed, difference, machine).map_err(|error| self.scrub_failure(error))
    }

    fn reaction(&self) -> Option<ReactionKind> {
        self.inner.reaction()
    }

    fn react(&self, machine: &Machine) -> Result<(), ApplyError> {
        self.inner.react(machine).map_err(|error| self.scrub_failure(error))
    }

    fn absorbs_reaction(&self, difference: &Difference) -> bool {
        self.inner.absorbs_reaction(difference)
    }

    fn settles(&self, left: &Difference) -> bool {
        self.inner.settles(left)
    }

    fn guard(&self, command: &Command) -> Probe {
        self.inner.guard(command)
    }

    fn writes(&self) -> Vec<std::path::PathBuf> {
        self.inner.writes()
    }

    fn removal(&self) -> Option<crate::Removal> {
        self.inner.removal()
    }

    fn lock_class(&self) -> LockClass {
        self.inner.lock_class()
    }

    fn is_brief(&self) -> bool {
        self.inner.is_brief()
    }

    fn package_wish(&self) -> Option<PackageWish> {
        self.inner.package_wish()
    }
}
