//! A plan in a file, to be applied later, once, and only if nothing has moved.
//!
//! The file holds no content and no secret: it names the project, the catalog's hash, and for each resource that will
//! change a fingerprint of what was planned from what state. Whoever applies it compiles and plans again; a resource
//! whose fingerprint is another one by then is stopped.
//!
//! Format: `stead-plan`, a version byte, the length of the body (u32, little-endian), the body in JSON, BLAKE3 of all before it.

mod envelope;
mod many;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use stead_catalog::{Action, PlannedResource};

use crate::Planned;
use crate::journal::{hex, now_ns, unhex};
use crate::machine::random;

use envelope::{Envelope, MALFORMED};
pub use many::SavedPlans;

/// A million resources fit in.
const FILE: Envelope = Envelope {
    magic: b"stead-plan",
    version: 1,
    max_size: 256 << 20,
    reserve: 64,
    too_large: "the plan is too large to be saved",
};

/// Why a saved plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// It cannot be read or written.
    #[error("the plan file cannot be used: {0}")]
    Io(#[from] io::Error),
    /// It is no plan file.
    #[error("this is not a saved plan")]
    NotAPlan,
    /// A newer version of Stead wrote it.
    #[error("the plan file is of version {0}, which this version of stead does not know")]
    Newer(u8),
    /// It is incomplete or was altered.
    #[error("the plan file is damaged: {0}")]
    Damaged(&'static str),
}

impl SavedPlanError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "plan-file-unusable",
            Self::NotAPlan => "not-a-plan",
            Self::Newer(_) => "plan-too-new",
            Self::Damaged(_) => "plan-damaged",
        }
    }
}

/// What a saved plan says about one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedChange {
    /// What is to be done.
    pub action: Action,
    /// Digest of what was planned, and from what observed state.
    pub fingerprint: [u8; 32],
}

/// A plan in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedPlan {
    /// Random: tells this plan from every other, so that it is used once.
    pub id: [u8; 32],
    /// The node it is for.
    pub node: String,
    /// The project (or file) it was compiled from.
    pub project: String,
    /// The tree it is for; `/` for the machine itself.
    pub root: String,
    /// When it was made, in nanoseconds since 1970, for people.
    pub created_ns: i64,
    /// The catalog's hash.
    pub catalog_hash: [u8; 32],
    /// Resources left in by `--only`, `--except` and `--tags`, as given; applied again with the plan.
    pub selection: Vec<String>,
    /// The run that it undoes, and whether what others changed since goes with it.
    pub undoes: Option<(i64, bool)>,
    /// What will change, by resource id.
    pub changes: BTreeMap<String, SavedChange>,
}

/// The body as it is stored: fields are only ever added, with a default.
#[derive(Serialize, Deserialize)]
struct Body {
    id: String,
    node: String,
    project: String,
    root: String,
    created_ns: i64,
    catalog_hash: String,
    #[serde(default)]
    selection: Vec<String>,
    #[serde(default)]
    undoes: Option<(i64, bool)>,
    changes: Vec<(String, String, String)>,
}

impl SavedPlan {
    /// Saves what a plan says.
    pub fn of(planned: &Planned, project: &str, root: &Path, selection: Vec<String>) -> Self {
        let changes = planned
            .plan
            .resources
            .iter()
            .filter(|entry| acts(entry))
            .map(|entry| (entry.id.to_string(), SavedChange { action: entry.action, fingerprint: fingerprint(entry) }));
        Self {
            id: new_id(),
            node: planned.plan.node.to_string(),
            project: project.to_owned(),
            root: root.to_string_lossy().into_owned(),
            created_ns: now_ns(),
            catalog_hash: planned.plan.catalog_hash,
            selection,
            undoes: None,
            changes: changes.collect(),
        }
    }

    /// The same plan with another id, for who goes on with what was begun of it: under its own it is used once.
    pub fn renewed(&self) -> Self {
        Self { id: new_id(), ..self.clone() }
    }

    /// Says how a new plan of the same catalog differs for one resource; `None` when it is what was saved.
    pub(crate) fn moved(&self, entry: &PlannedResource) -> Option<String> {
        match (self.changes.get(&entry.id.to_string()), acts(entry)) {
            (None, false) => None,
            (None, true) => Some(format!("{} was not in the plan that was saved", entry.action.name())),
            // It is already as it was to become.
            (Some(_), false) => None,
            (Some(saved), true) if saved.action != entry.action => {
                Some(format!("the saved plan has {}, it would be {} now", saved.action.name(), entry.action.name()))
            }
            (Some(saved), true) if saved.fingerprint != fingerprint(entry) => {
                Some("it is not in the state that the saved plan saw".into())
            }
            (Some(_), true) => None,
        }
    }

    /// Writes the plan to a file that only this user can read.
    ///
    /// # Errors
    /// [`SavedPlanError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), SavedPlanError> {
        envelope::write(path, &self.encode()?)
    }

    /// Says whether a file looks like a saved plan.
    pub fn is_one(path: &Path) -> bool {
        FILE.is_one(path)
    }

    /// Reads a plan from a file.
    ///
    /// # Errors
    /// Each of [`SavedPlanError`].
    pub fn read(path: &Path) -> Result<Self, SavedPlanError> {
        Self::decode(&FILE.read(path)?)
    }

    /// Writes the plan as bytes.
    ///
    /// # Errors
    /// When it is larger than a plan file can be.
    pub fn encode(&self) -> Result<Vec<u8>, SavedPlanError> {
        let changes = self.changes.iter();
        let body = Body {
            id: hex(&self.id),
            node: self.node.clone(),
            project: self.project.clone(),
            root: self.root.clone(),
            created_ns: self.created_ns,
            catalog_hash: hex(&self.catalog_hash),
            selection: self.selection.clone(),
            undoes: self.undoes,
            changes: changes
                .map(|(id, change)| (id.clone(), change.action.name().to_owned(), hex(&change.fingerprint)))
                .collect(),
        };
        FILE.seal(&body)
    }

    /// Reads a plan from bytes, trusting nothing.
    ///
    /// # Errors
    /// Each of [`SavedPlanError`] but `Io`.
    pub fn decode(bytes: &[u8]) -> Result<Self, SavedPlanError> {
        let body: Body = FILE.open(bytes)?;
        let hash = |text: &str| unhex(text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let mut changes = BTreeMap::new();
        for (id, action, fingerprint) in &body.changes {
            let (Some(action), Some(fingerprint)) = (Action::from_name(action), hash(fingerprint)) else { return Err(MALFORMED) };
            changes.insert(id.clone(), SavedChange { action, fingerprint });
        }
        let (Some(id), Some(catalog_hash)) = (hash(&body.id), hash(&body.catalog_hash)) else { return Err(MALFORMED) };
        Ok(Self {
            id,
            node: body.node,
            project: body.project,
            root: body.root,
            created_ns: body.created_ns,
            catalog_hash,
            selection: body.selection,
            undoes: body.undoes,
            changes,
        })
    }
}

fn new_id() -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for number in [random(), random(), random(), random()] {
        hasher.update(&number.to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// Says whether an entry will, or may, do something.
fn acts(entry: &PlannedResource) -> bool {
    entry.action != Action::None && entry.error.is_none()
}

/// Digest of what is planned for a resource. Sensitive values stand in it as `(sensitive)`; the observed state's own digest tells them apart.
fn fingerprint(entry: &PlannedResource) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(entry.action.name().as_bytes());
    part(entry.digest.as_ref().map_or(&[], <[u8; 32]>::as_slice));
    part(entry.unknown.as_deref().unwrap_or_default().as_bytes());
    for cause in &entry.because {
        part(cause.kind.name().as_bytes());
        part(cause.resource.to_string().as_bytes());
    }
    for change in &entry.changes {
        part(change.attribute.as_bytes());
        part(format!("{:?}", change.before).as_bytes());
        part(format!("{:?}", change.after).as_bytes());
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> SavedPlan {
        SavedPlan {
            id: [1; 32],
            node: "web-1".into(),
            project: "/srv/site".into(),
            root: "/".into(),
            created_ns: 5,
            catalog_hash: [2; 32],
            selection: vec!["--only=file".into()],
            undoes: Some((3, false)),
            changes: [("file[\"/etc/x\"]".to_owned(), SavedChange { action: Action::Update, fingerprint: [3; 32] })].into(),
        }
    }

    #[test]
    fn a_plan_reads_back_and_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan");
        sample().write(&path).unwrap();
        assert!(SavedPlan::is_one(&path));
        assert_eq!(SavedPlan::read(&path).unwrap(), sample());
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap()) & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        let code = |bytes: &[u8]| SavedPlan::decode(bytes).unwrap_err().code();
        let good = sample().encode().unwrap();
        assert_eq!(code(b"node \"x\" {}"), "not-a-plan");
        assert_eq!(code(b""), "not-a-plan");
        assert_eq!(code(&good[..good.len() - 1]), "plan-damaged");
        assert_eq!(code(&[&*good, b"x"].concat()), "plan-damaged");
        let mut newer = good.clone();
        newer[FILE.magic.len()] = 9;
        assert_eq!(code(&newer), "plan-too-new");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..400_usize, flip in 0..400_usize) {
            let _ = SavedPlan::decode(&bytes);
            let _ = SavedPlan::decode(&[FILE.magic, &bytes].concat());
            let mut plan = sample().encode().unwrap();
            let at = flip % plan.len();
            plan[at] ^= 0x40;
            prop_assert!(SavedPlan::decode(&plan).is_err());
            let _ = SavedPlan::decode(&plan[..cut.min(plan.len())]);
        }
    }
}
