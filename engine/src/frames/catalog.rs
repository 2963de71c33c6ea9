//! Catalogs on the wire: everything that their hash depends on, and where each resource is declared.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stead_catalog::{Attributes, Catalog, Command, DriftPolicy, Edge, Meta, Orphan, Resource, ResourceId, Retry};

use super::FrameError;
use super::plan::{WirePlace, edge_kind, place, read_place};
use super::value::{Contents, WireMap, WireValue, content_hash, read_map};
use crate::LedgerEntry;
use crate::journal::hex;

/// A catalog.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WireCatalog {
    node: Arc<str>,
    hash: String,
    resources: Vec<WireResource>,
    edges: Vec<WireEdge>,
}

/// From, to, kind, why, where.
type WireEdge = (u32, u32, String, Arc<str>, Option<WirePlace>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct WireResource {
    id: WireId,
    attributes: WireMap,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meta: Option<WireMeta>,
    source: WirePlace,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    path: Vec<Arc<str>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct WireMeta {
    only_if: Vec<WireCommand>,
    unless: Vec<WireCommand>,
    retry: Option<(u32, u64)>,
    timeout_ns: Option<u64>,
    tags: Vec<Arc<str>>,
    noop: bool,
    report_drift: bool,
    /// What is no longer declared: as what it was, and what counts on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    orphan: Option<(WireId, Option<WireId>)>,
}

/// Type and name.
type WireId = (Arc<str>, Arc<str>);

/// One thing that a project made on the worker's machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WireLedgerEntry {
    resource: WireId,
    thing: WireMap,
    node: String,
    source: String,
    needs: Vec<WireId>,
    made: (i64, i64),
}

impl WireLedgerEntry {
    pub(crate) fn of(entry: &LedgerEntry) -> Self {
        Self {
            resource: wire_id(&entry.resource),
            thing: entry.thing.iter().map(|(key, value)| (key.clone(), WireValue::of(value, true))).collect(),
            node: entry.node.clone(),
            source: entry.source.clone(),
            needs: entry.needs.iter().map(wire_id).collect(),
            made: entry.made,
        }
    }

    pub(crate) fn read(self) -> Result<LedgerEntry, FrameError> {
        Ok(LedgerEntry {
            resource: read_id(self.resource),
            thing: read_map(self.thing, &|_| None)?.into_iter().collect(),
            node: self.node,
            source: self.source,
            needs: self.needs.into_iter().map(read_id).collect(),
            made: self.made,
        })
    }
}

fn wire_id(id: &ResourceId) -> WireId {
    (id.type_name.clone(), id.name.clone())
}

fn read_id((type_name, name): WireId) -> ResourceId {
    ResourceId { type_name, name }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireCommand {
    Argv(Vec<Arc<str>>),
    Shell(Arc<str>),
}

impl WireCatalog {
    pub(crate) fn of(catalog: &Catalog) -> Self {
        let edge =
            |edge: &Edge| (edge.from, edge.to, edge.kind.name().to_owned(), edge.reason.clone(), edge.source.as_ref().map(place));
        Self {
            node: catalog.node.clone(),
            hash: hex(catalog.hash().as_bytes()),
            resources: catalog.resources.iter().map(WireResource::of).collect(),
            edges: catalog.edges.iter().map(edge).collect(),
        }
    }

    /// The contents that are named in it, each once, with their sizes.
    pub(crate) fn contents(&self) -> Result<Vec<([u8; 32], u64)>, FrameError> {
        let mut found = Vec::new();
        for (_, value) in self.resources.iter().flat_map(|resource| &resource.attributes) {
            value.contents(&mut found)?;
        }
        found.sort_unstable();
        found.dedup_by_key(|(hash, _)| *hash);
        Ok(found)
    }

    /// Reads it back: a catalog that a compiler could have made, and the one that was sent.
    ///
    /// # Errors
    /// [`FrameError::Malformed`].
    pub(crate) fn read(self, contents: &Contents<'_>) -> Result<Catalog, FrameError> {
        let hash = content_hash(&self.hash)?;
        let resources: Vec<Resource> =
            self.resources.into_iter().map(|resource| resource.read(contents)).collect::<Result<_, _>>()?;
        let ids: BTreeSet<&ResourceId> = resources.iter().map(|resource| &resource.id).collect();
        if ids.len() != resources.len() {
            return Err(FrameError::malformed("a catalog with two resources of one name"));
        }
        let edge = |(from, to, kind, reason, source): WireEdge| {
            let inside = |at: u32| (at as usize) < resources.len();
            if !inside(from) || !inside(to) {
                return Err(FrameError::malformed("an edge that leads out of the catalog"));
            }
            Ok(Edge { from, to, kind: edge_kind(&kind)?, reason, source: source.map(read_place) })
        };
        let edges = self.edges.into_iter().map(edge).collect::<Result<Vec<_>, _>>()?;
        if has_cycle(resources.len(), &edges) {
            return Err(FrameError::malformed("a catalog with a cycle"));
        }
        let catalog = Catalog { node: self.node, resources, edges };
        if *catalog.hash().as_bytes() != hash {
            return Err(FrameError::malformed("a catalog that is not the one its hash names"));
        }
        Ok(catalog)
    }
}

/// Says whether some resource comes before itself.
fn has_cycle(count: usize, edges: &[Edge]) -> bool {
    let mut waiting = vec![0_u32; count];
    let mut after: Vec<Vec<u32>> = vec![Vec::new(); count];
    for edge in edges {
        waiting[edge.to as usize] += 1;
        after[edge.from as usize].push(edge.to);
    }
    let mut ready: Vec<usize> = (0..count).filter(|at| waiting[*at] == 0).collect();
    let mut done = 0;
    while let Some(at) = ready.pop() {
        done += 1;
        for to in &after[at] {
            let left = &mut waiting[*to as usize];
            *left -= 1;
            if *left == 0 {
                ready.push(*to as usize);
            }
        }
    }
    done != count
}

impl WireResource {
    fn of(resource: &Resource) -> Self {
        let meta = &resource.meta;
        let commands = |commands: &[Command]| commands.iter().map(WireCommand::of).collect();
        let wire = || WireMeta {
            only_if: commands(&meta.only_if),
            unless: commands(&meta.unless),
            retry: meta.retry.map(|retry| (retry.attempts, retry.delay_ns)),
            timeout_ns: meta.timeout_ns,
            tags: meta.tags.clone(),
            noop: meta.noop,
            report_drift: meta.on_drift == DriftPolicy::Report,
            orphan: meta.orphan.as_ref().map(|orphan| (wire_id(&orphan.declared_as), orphan.needed_by.as_ref().map(wire_id))),
        };
        Self {
            id: wire_id(&resource.id),
            attributes: resource.attributes.iter().map(|(key, value)| (key.clone(), WireValue::of(value, false))).collect(),
            meta: (*meta != Meta::default()).then(wire),
            source: place(&resource.source),
            path: resource.path.clone(),
        }
    }

    fn read(self, contents: &Contents<'_>) -> Result<Resource, FrameError> {
        let commands = |commands: Vec<WireCommand>| commands.into_iter().map(WireCommand::read).collect();
        let meta = self.meta.map_or_else(Meta::default, |meta| Meta {
            only_if: commands(meta.only_if),
            unless: commands(meta.unless),
            retry: meta.retry.map(|(attempts, delay_ns)| Retry { attempts, delay_ns }),
            timeout_ns: meta.timeout_ns,
            tags: meta.tags,
            noop: meta.noop,
            on_drift: if meta.report_drift { DriftPolicy::Report } else { DriftPolicy::Fix },
            orphan: meta
                .orphan
                .map(|(declared_as, needed_by)| Orphan { declared_as: read_id(declared_as), needed_by: needed_by.map(read_id) }),
        });
        Ok(Resource {
            id: read_id(self.id),
            attributes: read_map(self.attributes, contents)?.into_iter().collect::<Attributes>(),
            meta,
            source: read_place(self.source),
            path: self.path,
            origins: Vec::new(),
        })
    }
}

impl WireCommand {
    fn of(command: &Command) -> Self {
        match command {
            Command::Argv(words) => Self::Argv(words.clone()),
            Command::Shell(line) => Self::Shell(line.clone()),
        }
    }

    fn read(self) -> Command {
        match self {
            Self::Argv(words) => Command::Argv(words),
            Self::Shell(line) => Command::Shell(line),
        }
    }
}
