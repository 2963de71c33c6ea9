//! Keeps secret attribute values out of what a resource type says.
//!
//! A resource type hides the attributes that are made for secrets. Any other attribute can be given a secret as well, and
//! is then hidden here: in its own change, in every change whose text holds it, and in failures that name it.

use std::path::PathBuf;
use std::sync::Arc;

use stead_catalog::{Attributes, Change, Command, Secrets, Shown};

use crate::{
    Applied, ApplyError, Difference, LockClass, Machine, Managed, Observation, ObserveError, PackageWish, Predicted, Probe,
    ReactionKind, SecretsGo, Unmet, World,
};

/// A resource, some of whose attributes are secret.
#[derive(Debug)]
pub(crate) struct Discreet {
    inner: Box<dyn Managed>,
    /// Names of the secret attributes.
    hidden: Vec<Arc<str>>,
    secrets: Arc<Secrets>,
}

/// Wraps a resource that was made of `attributes`, if any of them is secret.
pub(crate) fn discreet(inner: Box<dyn Managed>, attributes: &Attributes) -> Box<dyn Managed> {
    if !attributes.iter().any(|(_, value)| value.is_sensitive()) {
        return inner;
    }
    let hidden = attributes.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.clone()).collect();
    Box::new(Discreet { inner, hidden, secrets: Arc::new(Secrets::of(attributes)) })
}

/// Wraps a resource, so that it tells nothing of the secrets of others either: it may edit the file that one of them writes.
pub(crate) fn discreet_among(inner: Box<dyn Managed>, secrets: &Arc<Secrets>) -> Box<dyn Managed> {
    if secrets.is_empty() {
        return inner;
    }
    Box::new(Discreet { inner, hidden: Vec::new(), secrets: secrets.clone() })
}

impl Discreet {
    fn scrub(&self, text: String) -> String {
        self.secrets.scrub(text)
    }

    fn scrub_path(&self, path: PathBuf) -> PathBuf {
        match path.to_str() {
            Some(text) if self.secrets.are_in(text) => self.scrub(text.to_owned()).into(),
            _ => path,
        }
    }

    fn scrub_error(&self, error: ObserveError) -> ObserveError {
        match error {
            ObserveError::Unknown { because } => ObserveError::Unknown { because: self.scrub(because.to_string()).into() },
            ObserveError::Permission { what } => ObserveError::Permission { what: self.scrub(what) },
            ObserveError::Io { path, message } => ObserveError::Io { path: self.scrub_path(path), message: self.scrub(message) },
            ObserveError::UntrustedSymlink { path, owner } => {
                ObserveError::UntrustedSymlink { path: self.scrub_path(path), owner }
            }
            ObserveError::WrongKind { path, found, expected } => {
                ObserveError::WrongKind { path: self.scrub_path(path), found, expected }
            }
            ObserveError::Unavailable { service, message } => ObserveError::Unavailable { service, message: self.scrub(message) },
            ObserveError::Impossible { code, message, hint } => {
                ObserveError::Impossible { code, message: self.scrub(message), hint: self.scrub(hint) }
            }
        }
    }

    fn scrub_failure(&self, error: ApplyError) -> ApplyError {
        match error {
            ApplyError::Observe(error) => ApplyError::Observe(self.scrub_error(error)),
            ApplyError::Io { operation, path, message, code } => {
                ApplyError::Io { operation, path: self.scrub_path(path), message: self.scrub(message), code }
            }
            ApplyError::Command { command, status, output } => {
                ApplyError::Command { command: self.scrub(command), status, output: self.scrub(output) }
            }
            ApplyError::NotStarted { command, reason } => {
                ApplyError::NotStarted { command: self.scrub(command), reason: self.scrub(reason) }
            }
            ApplyError::Timeout { command, limit } => ApplyError::Timeout { command: self.scrub(command), limit },
            ApplyError::Invalid { path, command, output } => {
                // A check quotes parts of what it refuses, which no comparison with the whole would find.
                let is_own = !self.hidden.is_empty();
                let output = if output.is_empty() || !is_own { self.scrub(output) } else { "(sensitive)".to_owned() };
                ApplyError::Invalid { path: self.scrub_path(path), command: self.scrub(command), output }
            }
            ApplyError::Moved { what } => ApplyError::Moved { what: self.scrub(what) },
            ApplyError::NotConverged { what, way_out } => {
                ApplyError::NotConverged { what: self.scrub(what), way_out: way_out.map(|way_out| self.scrub(way_out)) }
            }
            ApplyError::Service { service, message } => ApplyError::Service { service, message: self.scrub(message) },
            other @ (ApplyError::Cancelled | ApplyError::Journal { .. }) => other,
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
            let is_own = self.hidden.iter().any(|name| **name == *attribute);
            let told = std::mem::replace(change, Change::value("", Shown::Absent, Shown::Absent));
            *change = if is_own && !told.sensitive { told.hidden() } else { self.secrets.hide(told) };
        }
        difference.unknown = difference.unknown.map(|because| self.scrub(because.to_string()).into());
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

    fn unmet(&self, left: &Difference) -> Option<Unmet> {
        self.inner.unmet(left)
    }

    fn guard(&self, command: &Command) -> Probe {
        self.inner.guard(command)
    }

    fn writes(&self) -> Vec<PathBuf> {
        self.inner.writes()
    }

    fn secrets_go(&self) -> SecretsGo {
        self.inner.secrets_go()
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
