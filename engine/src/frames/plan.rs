//! Plans on the wire: what may be shown of a change, and nothing else.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stead_catalog::{
    Action, Cause, Change, EdgeKind, Plan, PlanError, PlannedResource, ResourceId, Shown, SourceLocation, Stretch,
};

use super::value::{WireValue, content_hash};
use super::{FrameError, WireCode};
use crate::journal::hex;

/// A plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WirePlan {
    pub(crate) node: Arc<str>,
    pub(crate) catalog_hash: String,
    pub(crate) resources: Vec<WirePlanned>,
}

/// The plan of one resource.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WirePlanned {
    pub(crate) id: (Arc<str>, Arc<str>),
    pub(crate) action: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) because: Vec<WireCause>,
    pub(crate) source: WirePlace,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) changes: Vec<WireChange>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unknown: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<(WireCode, Arc<str>, Option<Arc<str>>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) orphan: bool,
}

/// File, first and last byte, line and column.
pub(crate) type WirePlace = (Arc<str>, u32, u32, u32, u32);

/// Kind of the requisite, and the resource.
pub(crate) type WireCause = (String, Arc<str>, Arc<str>);

/// A change of one attribute.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WireChange {
    attribute: Arc<str>,
    before: WireShown,
    after: WireShown,
    #[serde(default)]
    sensitive: bool,
    /// Of each stretch where it is and how long, before and after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stretches: Vec<[u32; 4]>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireShown {
    Absent,
    Value(WireValue),
    Text(Arc<str>),
    Digest(Arc<str>, u64),
    Unknown(Arc<str>),
    Sensitive,
}

impl WirePlan {
    pub(crate) fn of(plan: &Plan) -> Self {
        Self {
            node: plan.node.clone(),
            catalog_hash: hex(&plan.catalog_hash),
            resources: plan.resources.iter().map(WirePlanned::of).collect(),
        }
    }

    pub(crate) fn read(self) -> Result<Plan, FrameError> {
        let resources = self.resources.into_iter().map(WirePlanned::read).collect::<Result<_, _>>()?;
        Ok(Plan { node: self.node, catalog_hash: content_hash(&self.catalog_hash)?, resources })
    }
}

impl WirePlanned {
    pub(crate) fn of(entry: &PlannedResource) -> Self {
        Self {
            id: (entry.id.type_name.clone(), entry.id.name.clone()),
            action: entry.action.name().to_owned(),
            because: entry.because.iter().map(cause).collect(),
            source: place(&entry.source),
            changes: entry.changes.iter().map(WireChange::of).collect(),
            unknown: entry.unknown.clone(),
            held: entry.held.clone(),
            error: entry.error.as_ref().map(|error| (WireCode::from(&*error.code), error.message.clone(), error.hint.clone())),
            digest: entry.digest.as_ref().map(|digest| hex(digest)),
            orphan: entry.orphan,
        }
    }

    pub(crate) fn read(self) -> Result<PlannedResource, FrameError> {
        let action =
            Action::from_name(&self.action).ok_or_else(|| FrameError::malformed(format!("an action `{}`", self.action)))?;
        Ok(PlannedResource {
            id: ResourceId { type_name: self.id.0, name: self.id.1 },
            action,
            because: self.because.into_iter().map(read_cause).collect::<Result<_, _>>()?,
            source: read_place(self.source),
            changes: self.changes.into_iter().map(WireChange::read).collect::<Result<_, _>>()?,
            unknown: self.unknown,
            held: self.held,
            error: self.error.map(|(code, message, hint)| PlanError { code: code.into(), message, hint }),
            digest: self.digest.as_deref().map(content_hash).transpose()?,
            orphan: self.orphan,
        })
    }
}

impl WireChange {
    pub(crate) fn of(change: &Change) -> Self {
        let hidden = change.sensitive;
        Self {
            attribute: change.attribute.clone(),
            before: WireShown::of(&change.before, hidden),
            after: WireShown::of(&change.after, hidden),
            sensitive: hidden,
            stretches: if hidden { Vec::new() } else { change.stretches.iter().map(numbers).collect() },
        }
    }

    pub(crate) fn read(self) -> Result<Change, FrameError> {
        let (before, after) = (self.before.read()?, self.after.read()?);
        let stretches = self.stretches.into_iter().map(stretch).collect();
        let change = Change { attribute: self.attribute, before, after, sensitive: false, stretches };
        Ok(if self.sensitive { change.hidden() } else { change })
    }
}

/// A stretch as it is sent.
fn numbers(stretch: &Stretch) -> [u32; 4] {
    [stretch.old_start, stretch.old_len, stretch.new_start, stretch.new_len]
}

/// Reads it back.
fn stretch([old_start, old_len, new_start, new_len]: [u32; 4]) -> Stretch {
    Stretch { old_start, old_len, new_start, new_len }
}

impl WireShown {
    /// What a sensitive change holds stays on the machine, also where a resource type has failed to hide it.
    fn of(side: &Shown, hidden: bool) -> Self {
        match side {
            Shown::Absent => Self::Absent,
            Shown::Unknown(because) => Self::Unknown(because.clone()),
            Shown::Sensitive => Self::Sensitive,
            _ if hidden => Self::Sensitive,
            Shown::Value(value) => WireValue::shown(value).map_or(Self::Sensitive, Self::Value),
            Shown::Text(text) => Self::Text(text.clone()),
            Shown::Digest { hash, size } => Self::Digest(hash.clone(), *size),
        }
    }

    fn read(self) -> Result<Shown, FrameError> {
        Ok(match self {
            Self::Absent => Shown::Absent,
            // Held to what may be shown on this side as well.
            Self::Value(value) => match WireValue::shown(&value.read(&|_| None)?) {
                Some(value) => Shown::Value(value.read(&|_| None)?),
                None => Shown::Sensitive,
            },
            Self::Text(text) => Shown::Text(text),
            Self::Digest(hash, size) => Shown::Digest { hash, size },
            Self::Unknown(because) => Shown::Unknown(because),
            Self::Sensitive => Shown::Sensitive,
        })
    }
}

pub(crate) fn cause(cause: &Cause) -> WireCause {
    (cause.kind.name().to_owned(), cause.resource.type_name.clone(), cause.resource.name.clone())
}

pub(crate) fn read_cause((kind, type_name, name): WireCause) -> Result<Cause, FrameError> {
    Ok(Cause { kind: edge_kind(&kind)?, resource: ResourceId { type_name, name } })
}

pub(crate) fn edge_kind(name: &str) -> Result<EdgeKind, FrameError> {
    EdgeKind::from_name(name).ok_or_else(|| FrameError::malformed(format!("a requisite `{name}`")))
}

pub(crate) fn place(source: &SourceLocation) -> WirePlace {
    (source.file.clone(), source.start, source.end, source.line, source.column)
}

pub(crate) fn read_place((file, start, end, line, column): WirePlace) -> SourceLocation {
    SourceLocation { file, start, end, line, column }
}
