//! The plans of many nodes in one file. Each is bound as it is alone: to its node, its catalog and the state it saw.
//!
//! Format: `stead-fleet-plan`, a version byte, the length of the body (u32, little-endian), the body in JSON, BLAKE3 of all before it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::envelope::{self, Envelope, MALFORMED};
use super::{SavedPlan, SavedPlanError};
use crate::journal::{hex, now_ns, unhex};

/// Ten thousand nodes with a hundred changes each fit in.
const FILE: Envelope = Envelope {
    magic: b"stead-fleet-plan",
    version: 1,
    max_size: 1 << 30,
    reserve: 128,
    too_large: "the plans are too large to be saved",
};

/// The plans of many nodes in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedPlans {
    /// The project they were compiled from.
    pub project: String,
    /// The hosts that were asked for, as given.
    pub on: String,
    /// What `--only`, `--except` and `--tags` left in, as given.
    pub selection: Vec<String>,
    /// When it was made, in nanoseconds since 1970, for people.
    pub created_ns: i64,
    /// A plan for each node that had one.
    pub plans: Vec<SavedPlan>,
}

/// The body as it is stored: fields are only ever added, with a default.
#[derive(Serialize, Deserialize)]
struct Body {
    project: String,
    on: String,
    #[serde(default)]
    selection: Vec<String>,
    created_ns: i64,
    /// Each as a file of its own would hold it, in hex.
    plans: Vec<String>,
}

impl SavedPlans {
    /// Puts plans together.
    pub fn new(project: &str, on: &str, selection: Vec<String>, plans: Vec<SavedPlan>) -> Self {
        Self { project: project.to_owned(), on: on.to_owned(), selection, created_ns: now_ns(), plans }
    }

    /// The plan of a node.
    pub fn of(&self, node: &str) -> Option<&SavedPlan> {
        self.plans.iter().find(|plan| plan.node == node)
    }

    /// Says whether a file looks like one.
    pub fn is_one(path: &Path) -> bool {
        FILE.is_one(path)
    }

    /// Writes the plans to a file that only this user can read.
    ///
    /// # Errors
    /// [`SavedPlanError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), SavedPlanError> {
        envelope::write(path, &self.encode()?)
    }

    /// Reads plans from a file.
    ///
    /// # Errors
    /// Each of [`SavedPlanError`].
    pub fn read(path: &Path) -> Result<Self, SavedPlanError> {
        Self::decode(&FILE.read(path)?)
    }

    /// Writes the plans as bytes.
    ///
    /// # Errors
    /// When they are larger than a file can be.
    pub fn encode(&self) -> Result<Vec<u8>, SavedPlanError> {
        let plans: Result<Vec<String>, SavedPlanError> = self.plans.iter().map(|plan| Ok(hex(&plan.encode()?))).collect();
        let body = Body {
            project: self.project.clone(),
            on: self.on.clone(),
            selection: self.selection.clone(),
            created_ns: self.created_ns,
            plans: plans?,
        };
        FILE.seal(&body)
    }

    /// Reads plans from bytes, trusting nothing.
    ///
    /// # Errors
    /// Each of [`SavedPlanError`] but `Io`.
    pub fn decode(bytes: &[u8]) -> Result<Self, SavedPlanError> {
        let body: Body = FILE.open(bytes)?;
        let plan = |text: &String| SavedPlan::decode(&unhex(text).ok_or(MALFORMED)?);
        let plans: Vec<SavedPlan> = body.plans.iter().map(plan).collect::<Result<_, _>>()?;
        let mut names: Vec<&str> = plans.iter().map(|plan| &*plan.node).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(SavedPlanError::Damaged("a node is in it twice"));
        }
        Ok(Self { project: body.project, on: body.on, selection: body.selection, created_ns: body.created_ns, plans })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(node: &str) -> SavedPlan {
        SavedPlan {
            id: [1; 32],
            node: node.into(),
            project: String::new(),
            root: "/".into(),
            created_ns: 5,
            catalog_hash: [2; 32],
            selection: Vec::new(),
            undoes: None,
            changes: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn plans_read_back_and_damage_is_found() {
        let saved = SavedPlans {
            created_ns: 7,
            ..SavedPlans::new("/srv/site", "web-*", vec!["only=file".into()], vec![plan("a"), plan("b")])
        };
        let bytes = saved.encode().unwrap();
        assert_eq!(SavedPlans::decode(&bytes).unwrap(), saved);
        assert_eq!(saved.of("b").map(|plan| &*plan.node), Some("b"));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            assert!(SavedPlans::decode(&damaged).is_err(), "{at}");
            assert!(SavedPlans::decode(&bytes[..at]).is_err(), "{at}");
        }
        let twice = SavedPlans::new("", "", Vec::new(), vec![plan("a"), plan("a")]);
        assert!(matches!(SavedPlans::decode(&twice.encode().unwrap()), Err(SavedPlanError::Damaged("a node is in it twice"))));
        // Neither is taken for the other.
        assert!(matches!(SavedPlan::decode(&bytes), Err(SavedPlanError::NotAPlan)));
        assert!(matches!(SavedPlans::decode(&plan("a").encode().unwrap()), Err(SavedPlanError::NotAPlan)));
    }
}
