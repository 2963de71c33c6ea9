//! Small catalogs and a small machine for unit tests.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_catalog::{Attributes, Edge, EdgeKind, Meta, Resource, ResourceId, SourceLocation};

use crate::system::archive::Contents;
use crate::{
    ActiveState, EnableState, FileKind, Forecast, Group, Known, Look, ObserveError, Owner, PackageChange, PackageState,
    PackageWish, Probe, ProbeOutcome, Stat, UnitState, User, World,
};

/// Returns `count` resources `test["0"]`, `test["1"]` and so on.
pub(crate) fn resources(count: usize) -> Vec<Resource> {
    (0..count).map(|index| resource("test", &index.to_string(), Attributes::new())).collect()
}

/// Returns one resource.
pub(crate) fn resource(type_name: &str, name: &str, attributes: Attributes) -> Resource {
    Resource {
        id: ResourceId::new(type_name, name),
        attributes,
        meta: Meta::default(),
        source: SourceLocation { file: "test.stead".into(), start: 0, end: 0, line: 1, column: 1 },
        path: Vec::new(),
        origins: Vec::new(),
    }
}

/// Returns an edge.
pub(crate) fn edge(from: u32, to: u32, kind: EdgeKind) -> Edge {
    Edge { from, to, kind, reason: "".into(), source: None }
}

/// A machine that is nothing but small files; one with the content `FORBIDDEN` cannot be read.
pub(crate) struct Files {
    files: BTreeMap<PathBuf, Arc<[u8]>>,
    archive: Option<Arc<Contents>>,
}

impl Files {
    /// A machine with these paths and contents; their directories are there as well.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| (PathBuf::from(path), text.as_bytes().into())).collect();
        Self { files, archive: None }
    }

    /// The same machine, on which every package has this archive.
    pub(crate) fn with_archive(self, archive: Option<Arc<Contents>>) -> Self {
        Self { archive, ..self }
    }

    fn kind(&self, path: &Path) -> Option<FileKind> {
        if self.files.contains_key(path) {
            return Some(FileKind::File);
        }
        self.files.keys().any(|file| file.starts_with(path)).then_some(FileKind::Directory)
    }
}

impl World for Files {
    fn contents(&self, _change: &PackageChange) -> Look<Arc<Contents>> {
        Ok(self.archive.clone().map_or_else(|| Known::Unknown("there is no archive".into()), Known::Is))
    }

    fn stat(&self, path: &Path) -> Look<Option<Stat>> {
        let size = self.files.get(path).map_or(0, |bytes| bytes.len() as u64);
        let stat = |kind| Stat { kind, mode: 0o755, uid: Owner::Id(0), gid: Owner::Id(0), size, target: None };
        Ok(Known::Is(self.kind(path).map(stat)))
    }

    fn read(&self, path: &Path) -> Look<Option<Arc<[u8]>>> {
        match self.files.get(path) {
            Some(bytes) if **bytes == *b"FORBIDDEN" => Err(ObserveError::Permission { what: path.display().to_string() }),
            found => Ok(Known::Is(found.cloned())),
        }
    }

    fn holds(&self, path: &Path, content: &[u8]) -> Look<bool> {
        Ok(self.read(path)?.map(|seen| seen.is_some_and(|seen| *seen == *content)))
    }

    fn digest(&self, path: &Path) -> Look<Option<([u8; 32], u64)>> {
        Ok(self.read(path)?.map(|seen| seen.map(|bytes| (*blake3::hash(&bytes).as_bytes(), bytes.len() as u64))))
    }

    fn list(&self, path: &Path) -> Look<Option<Vec<(OsString, FileKind)>>> {
        let below = self.files.keys().filter_map(|file| file.strip_prefix(path).ok()?.components().next());
        let names: BTreeSet<OsString> = below.map(|name| name.as_os_str().to_owned()).collect();
        let entries: Vec<_> = names.into_iter().filter_map(|name| Some((name.clone(), self.kind(&path.join(name))?))).collect();
        Ok(Known::Is(if entries.is_empty() { None } else { Some(entries) }))
    }

    fn user(&self, _: &str) -> Look<Option<User>> {
        Ok(Known::Is(None))
    }

    fn group(&self, _: &str) -> Look<Option<Group>> {
        Ok(Known::Is(None))
    }

    fn user_name(&self, _: u32) -> Option<Arc<str>> {
        None
    }

    fn group_name(&self, _: u32) -> Option<Arc<str>> {
        None
    }

    fn password_hash(&self, _: &str) -> Look<Option<Arc<str>>> {
        Ok(Known::Is(None))
    }

    fn package(&self, _: &str) -> Look<PackageState> {
        Ok(Known::Is(PackageState::default()))
    }

    fn forecast(&self, _: &[PackageWish]) -> Look<Forecast> {
        Ok(Known::Is(Forecast::default()))
    }

    fn unit(&self, _: &str) -> Look<UnitState> {
        let absent = UnitState {
            exists: false,
            active: Known::Is(ActiveState::Inactive),
            enabled: Known::Is(EnableState::Disabled),
            can_reload: false,
            needs_daemon_reload: false,
        };
        Ok(Known::Is(absent))
    }

    fn probe(&self, probe: &Probe) -> Look<ProbeOutcome> {
        let success = probe.command.to_string() == "is-settled";
        Ok(Known::Is(ProbeOutcome { success, status: i32::from(!success) }))
    }

    fn is_managed(&self, _: &Path) -> bool {
        false
    }
}
