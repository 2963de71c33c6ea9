//! Which catalogs were reviewed: `stead review --record FILE` writes it down, `stead apply --reviewed FILE` holds every node to it.
//!
//! A review opens no secret, so catalogs are compared as they are before secrets are opened: an encrypted value counts by how it is
//! encrypted, one that a program tells by the program and its arguments. Hashes of resources name what differs.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};
use stead_catalog::{Catalog, Resource};
use stead_compiler::{NodeContext, Project};

use crate::args::NetworkArguments;
use crate::failure::Failure;
use crate::project::{self, Loaded};
use crate::{beside, commands};

/// Largest record that is read.
const MAX_FILE: u64 = 1 << 30;
/// Resources that a message names.
const MOST_NAMED: usize = 3;

/// The catalogs of nodes, by name.
#[derive(Debug, Default)]
pub(crate) struct Reviewed {
    nodes: BTreeMap<Arc<str>, Digests>,
}

/// What tells one catalog from another, and what differs between two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digests {
    catalog: String,
    resources: BTreeMap<String, String>,
}

impl Digests {
    /// Takes them of a catalog whose secrets are sealed.
    pub(crate) fn of(catalog: &Catalog) -> Self {
        let digest = |resource: &Resource| {
            let mut hasher = blake3::Hasher::new();
            resource.hash_into(&mut hasher);
            // Enough to tell which one is another: what decides is the hash of the whole.
            hasher.finalize().to_hex()[..16].to_owned()
        };
        Self {
            catalog: catalog.hash().to_hex().to_string(),
            resources: catalog.resources.iter().map(|resource| (resource.id.to_string(), digest(resource))).collect(),
        }
    }

    /// How a catalog differs from the one that was reviewed.
    fn difference(&self, reviewed: &Self) -> String {
        let mut parts = Vec::new();
        for (id, digest) in &self.resources {
            match reviewed.resources.get(id) {
                Some(other) if other == digest => {}
                Some(_) => parts.push(format!("{id} is another one than was reviewed")),
                None => parts.push(format!("{id} was not reviewed")),
            }
        }
        let gone = reviewed.resources.keys().filter(|id| !self.resources.contains_key(*id));
        parts.extend(gone.map(|id| format!("{id} was reviewed and is not there")));
        if parts.is_empty() {
            return "the order of its resources is another one than was reviewed".to_owned();
        }
        let more = parts.len().saturating_sub(MOST_NAMED);
        parts.truncate(MOST_NAMED);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        parts.join(", ") + &more
    }
}

/// A node whose catalog was not reviewed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotReviewed {
    /// What is wrong.
    pub(crate) message: String,
    /// The way out.
    pub(crate) hint: String,
}

/// The code of [`NotReviewed`].
pub(crate) const NOT_REVIEWED: &str = "not-reviewed";

impl Reviewed {
    /// Adds a node.
    pub(crate) fn add(&mut self, node: Arc<str>, digests: Digests) {
        self.nodes.insert(node, digests);
    }

    /// Writes it beside the file, and puts it in its place.
    pub(crate) fn write(&self, file: &Path) -> Result<(), Failure> {
        let nodes: Map<String, Json> = self
            .nodes
            .iter()
            .map(|(name, node)| (name.to_string(), json!({ "catalog": node.catalog, "resources": node.resources })))
            .collect();
        let document = commands::document(json!({ "nodes": nodes }))?;
        beside::write(file, document.as_bytes(), beside::PRIVATE)
            .map_err(|source| Failure::Unwritable { path: file.to_owned(), source })
    }

    /// Reads what [`Self::write`] has written.
    ///
    /// # Errors
    /// Where the file cannot be read, or is something else.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let unreadable = |source| Failure::Unreadable { path: file.to_owned(), source };
        let mut text = String::new();
        std::fs::File::open(file).map_err(unreadable)?.take(MAX_FILE).read_to_string(&mut text).map_err(unreadable)?;
        let odd = |reason: &str| Failure::BadRecord { path: file.to_owned(), reason: reason.to_owned() };
        let document: Json = serde_json::from_str(&text).map_err(|error| odd(&error.to_string()))?;
        if !document["format_version"].as_str().is_some_and(|version| version.starts_with("1.")) {
            return Err(odd("its format is not that of this version"));
        }
        let text = |json: &Json| json.as_str().map(str::to_owned);
        let digests = |json: &Json| {
            let resources = json["resources"].as_object()?.iter().map(|(id, digest)| Some((id.clone(), text(digest)?)));
            Some(Digests { catalog: text(&json["catalog"])?, resources: resources.collect::<Option<_>>()? })
        };
        let nodes = document["nodes"].as_object().ok_or_else(|| odd("it names no nodes"))?;
        let nodes = nodes.iter().map(|(name, node)| {
            let digests = digests(node).ok_or_else(|| odd(&format!("what it says of {name} is not understood")))?;
            Ok((Arc::from(name.as_str()), digests))
        });
        Ok(Self { nodes: nodes.collect::<Result<_, Failure>>()? })
    }

    /// Holds a node to what was reviewed for it.
    fn check(&self, node: &str, catalog: &Catalog) -> Result<(), NotReviewed> {
        let Some(reviewed) = self.nodes.get(node) else {
            return Err(NotReviewed {
                message: "nothing was reviewed for it".into(),
                hint: format!("store its facts in the project, and review that: `stead facts --on {node} --store`"),
            });
        };
        let now = Digests::of(catalog);
        if now.catalog == reviewed.catalog {
            return Ok(());
        }
        Err(NotReviewed {
            message: now.difference(reviewed),
            hint: "its facts, its groups or the sources are others than those reviewed: store what it tells now, with \
                   `stead facts --on … --store`, and review that"
                .into(),
        })
    }
}

/// What an apply demands: the catalogs that were reviewed, and the sources as the review saw them.
pub(crate) struct Demand {
    pub(crate) reviewed: Reviewed,
    pub(crate) sealed: Project,
}

impl Demand {
    /// Holds a node to what was reviewed for it. A node that has no catalog at all is somebody else's to tell.
    pub(crate) fn check(&self, node: &NodeContext) -> Result<(), NotReviewed> {
        match stead_compiler::compile(&self.sealed, node) {
            (Some(catalog), _) => self.reviewed.check(&node.name, &catalog),
            // It compiles once secrets are opened, and then nobody can say what was reviewed.
            (None, found) => Err(NotReviewed {
                message: match found.iter().find(|diagnostic| diagnostic.is_error()) {
                    Some(error) => format!("a review cannot tell what it gets: {}", error.message),
                    None => "a review cannot tell what it gets".into(),
                },
                hint: "`stead review` shows the same mistake".into(),
            }),
        }
    }
}

/// Loads a project, with what is demanded of its catalogs where a record of a review is given.
pub(crate) fn load(path: &Path, network: NetworkArguments, record: Option<&Path>) -> Result<(Loaded, Option<Demand>), Failure> {
    let Some(record) = record else { return Ok((project::load(path, network)?, None)) };
    let reviewed = Reviewed::read(record)?;
    let (loaded, sealed) = project::load_with_sealed(path, network)?;
    Ok((loaded, Some(Demand { reviewed, sealed })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(catalog: &str, resources: &[(&str, &str)]) -> Digests {
        let resources = resources.iter().map(|(id, digest)| ((*id).to_owned(), (*digest).to_owned())).collect();
        Digests { catalog: catalog.to_owned(), resources }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("reviewed.json");
        let mut reviewed = Reviewed::default();
        reviewed.add("web-1".into(), digests("aa", &[("file[\"/a\"]", "11")]));
        reviewed.write(&file).expect("written");
        assert_eq!(Reviewed::read(&file).expect("read").nodes, reviewed.nodes);
        for odd in ["", "[]", "{}", "{\"format_version\": \"2.0\", \"nodes\": {}}", "{\"format_version\": \"1.0\"}"] {
            std::fs::write(&file, odd).expect("written");
            assert!(matches!(Reviewed::read(&file), Err(Failure::BadRecord { .. })), "{odd}");
        }
        std::fs::write(&file, "{\"format_version\": \"1.0\", \"nodes\": {\"a\": {\"catalog\": 1}}}").expect("written");
        assert!(matches!(Reviewed::read(&file), Err(Failure::BadRecord { .. })));
    }

    #[test]
    fn what_differs_is_named() {
        let reviewed = digests("x", &[("a", "1"), ("b", "2"), ("c", "3")]);
        let now = digests("y", &[("a", "1"), ("b", "9"), ("d", "4")]);
        assert_eq!(
            now.difference(&reviewed),
            "b is another one than was reviewed, d was not reviewed, c was reviewed and is not there"
        );
        let same = digests("z", &[("a", "1"), ("b", "2"), ("c", "3")]);
        assert_eq!(same.difference(&reviewed), "the order of its resources is another one than was reviewed");
        let many = digests("z", &[("e", "1"), ("f", "2"), ("g", "3"), ("h", "3")]);
        assert!(many.difference(&reviewed).ends_with(", and 4 more"));
    }
}
