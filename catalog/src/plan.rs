//! What would change on a node, resource by resource, attribute by attribute.

use std::fmt;
use std::sync::Arc;

use crate::{EdgeKind, ResourceId, SourceLocation, Value};

/// The kind of one planned step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Nothing to do.
    None,
    /// The thing is not there and will be.
    Create,
    /// The thing is there and some attributes will change.
    Update,
    /// The thing is there and will not be.
    Delete,
    /// The thing is of another kind and will be taken away and made anew.
    Replace,
    /// A command will be run.
    Run,
    /// A service will be restarted or reloaded because of something it watches.
    Restart,
}

impl Action {
    /// The word used in JSON and in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Replace => "replace",
            Self::Run => "run",
            Self::Restart => "restart",
        }
    }

    /// Reads the word back.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::None, Self::Create, Self::Update, Self::Delete, Self::Replace, Self::Run, Self::Restart]
            .into_iter()
            .find(|action| action.name() == name)
    }
}

/// One side of a change, as it may be shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// Not there.
    Absent,
    /// A value of the language: a mode, an owner, a version.
    Value(Value),
    /// Text of a file: shown as a diff with the other side.
    Text(Arc<str>),
    /// Content that is not shown: binary or large. BLAKE3 hash in hex and size in bytes.
    Digest {
        /// BLAKE3 in hex.
        hash: Arc<str>,
        /// Bytes.
        size: u64,
    },
    /// Known only after another resource is applied: `package["nginx"]`, in words.
    Unknown(Arc<str>),
    /// There, and never shown. Which of two sensitive values it is cannot be told from it.
    Sensitive,
}

/// One attribute that will change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The attribute's name; for effects that are no attribute, what is affected (`installs`, `removes`).
    pub attribute: Arc<str>,
    /// What is there.
    pub before: Shown,
    /// What will be there.
    pub after: Shown,
    /// Both sides are to be shown as `(sensitive)`.
    pub sensitive: bool,
    /// Where the lines of both texts are, where they are only the lines that change; empty where both are whole.
    pub stretches: Vec<Stretch>,
}

/// Where lines that change are in the texts that they are from. Both sides of a change have the lines of all stretches in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// How many lines come before it in the text before.
    pub old_start: u32,
    /// Lines that go.
    pub old_len: u32,
    /// How many lines come before it in the text after.
    pub new_start: u32,
    /// Lines that come.
    pub new_len: u32,
}

impl Change {
    /// A change from one language value to another.
    pub fn value(attribute: &str, before: Shown, after: Shown) -> Self {
        Self { attribute: attribute.into(), before, after, sensitive: false, stretches: Vec::new() }
    }

    /// Hides both sides, keeping whether they are absent.
    #[must_use]
    pub fn hidden(mut self) -> Self {
        let hide = |side: Shown| match side {
            Shown::Absent => Shown::Absent,
            Shown::Unknown(because) => Shown::Unknown(because),
            _ => Shown::Sensitive,
        };
        self.before = hide(self.before);
        self.after = hide(self.after);
        self.sensitive = true;
        self.stretches.clear();
        self
    }
}

/// What made a resource act, besides a difference of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The requisite.
    pub kind: EdgeKind,
    /// The resource whose change it reacts to.
    pub resource: ResourceId,
}

/// The plan for one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedResource {
    /// Its identity.
    pub id: ResourceId,
    /// What will be done.
    pub action: Action,
    /// The requisites that caused it, in the order of the catalog.
    pub because: Vec<Cause>,
    /// Where it is declared.
    pub source: SourceLocation,
    /// Attribute by attribute.
    pub changes: Vec<Change>,
    /// Whether it acts at all is known only later: why, in words (`the guard is decided after package["x"]`).
    pub unknown: Option<Arc<str>>,
    /// Why it does not act although it differs: a guard, `noop`, `on_changes` without a change.
    pub held: Option<Arc<str>>,
    /// The resource could not be planned.
    pub error: Option<PlanError>,
    /// Digest of the observed state the plan was computed from, where all of it was known.
    pub digest: Option<[u8; 32]>,
    /// Nothing declares it any more: Stead made it, and takes it away.
    pub orphan: bool,
}

/// Why a resource could not be planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// Stable code.
    pub code: Arc<str>,
    /// What happened.
    pub message: Arc<str>,
    /// The way out, where one is known.
    pub hint: Option<Arc<str>>,
}

impl fmt::Display for PlanError {
    /// The message, and the way out on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

/// How many resources take which action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Nothing to do.
    pub unchanged: u32,
    /// To be created.
    pub create: u32,
    /// To be changed in place.
    pub update: u32,
    /// To be taken away.
    pub delete: u32,
    /// To be made anew.
    pub replace: u32,
    /// Commands to be run.
    pub run: u32,
    /// Services to be restarted or reloaded.
    pub restart: u32,
    /// Not planned, for a failure.
    pub failed: u32,
    /// Held back by a requisite or a guard.
    pub held: u32,
}

/// What would change on one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The node's name.
    pub node: Arc<str>,
    /// [`crate::Catalog::hash`] of the catalog it was made from.
    pub catalog_hash: [u8; 32],
    /// In the order of application; unchanged resources are in it.
    pub resources: Vec<PlannedResource>,
}

impl Plan {
    /// Counts the actions.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for resource in &self.resources {
            let count = match resource.action {
                _ if resource.error.is_some() => &mut summary.failed,
                _ if resource.held.is_some() => &mut summary.held,
                Action::None => &mut summary.unchanged,
                Action::Create => &mut summary.create,
                Action::Update => &mut summary.update,
                Action::Delete => &mut summary.delete,
                Action::Replace => &mut summary.replace,
                Action::Run => &mut summary.run,
                Action::Restart => &mut summary.restart,
            };
            *count += 1;
        }
        summary
    }

    /// Says whether nothing would change and nothing failed to be planned.
    pub fn is_empty(&self) -> bool {
        self.resources.iter().all(|r| r.action == Action::None && r.error.is_none())
    }
}
