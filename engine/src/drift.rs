//! What has changed on a machine since the last apply, without a plan having made it.
//!
//! The journal remembers of each resource what it was wanted to be when it was last found, or made, to be so. What differs now and is still
//! wanted the same has drifted; what is wanted otherwise by now is a change of the source, which `plan` is for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stead_catalog::{Action, Catalog, PlaceKind, PlannedResource, Resource};

use crate::{Journal, JournalError, Planned, Registry, RootSpec};

/// How much of the audit log is looked through, from its end.
const AUDIT: u64 = 16 << 20;

/// One resource that has drifted.
#[derive(Clone, Debug, PartialEq)]
pub struct Drifted {
    /// What differs: from what is there (`before`) to what the last apply left (`after`).
    pub resource: PlannedResource,
    /// The run that left it as it is wanted; `None` where it was found to be so without a change.
    pub run: Option<i64>,
    /// When that was.
    pub since: SystemTime,
    /// When it was changed, where the file system tells.
    pub changed: Option<SystemTime>,
    /// Who changed it, where the audit log tells.
    pub by: Option<String>,
}

/// What a look at a machine found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drift {
    /// Changed since the last apply.
    pub drifted: Vec<Drifted>,
    /// Not as wanted, and wanted otherwise than at the last apply, or never applied.
    pub pending: Vec<PlannedResource>,
    /// As the last apply left them.
    pub as_left: usize,
}

impl Drift {
    /// Sorts what a plan found by what the journal remembers.
    ///
    /// # Errors
    /// What the journal says.
    pub fn of(
        catalog: &Catalog,
        registry: &Registry,
        planned: &Planned,
        journal: Option<&Journal>,
        root: &RootSpec,
    ) -> Result<Self, JournalError> {
        let applied = journal.map_or(Ok(BTreeMap::new()), Journal::applied)?;
        let mut drift = Self::default();
        for (entry, position) in planned.plan.resources.iter().zip(&planned.order) {
            let differs = entry.action != Action::None || entry.error.is_some();
            if !differs {
                drift.as_left += 1;
                continue;
            }
            let resource = &catalog.resources[*position];
            match applied.get(&entry.id.to_string()) {
                // What only reacts, runs anew each time, or tells only an apply how it is, has not been changed by anybody.
                Some(left) if left.wanted == wanted(resource) && !entry.changes.is_empty() && entry.unknown.is_none() => {
                    let (changed, by) = traces(resource, registry, root);
                    // It was as wanted after that: something else has changed it.
                    let changed = changed.filter(|changed| *changed >= left.at);
                    drift.drifted.push(Drifted { resource: entry.clone(), run: left.run, since: left.at, changed, by });
                }
                _ => drift.pending.push(entry.clone()),
            }
        }
        Ok(drift)
    }
}

/// What the journal remembers of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) wanted: [u8; 32],
    pub(crate) run: Option<i64>,
    pub(crate) at: SystemTime,
}

/// Digest of what a resource is wanted to be.
pub(crate) fn wanted(resource: &Resource) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    resource.hash_into(&mut hasher);
    *hasher.finalize().as_bytes()
}

/// When the paths of a resource were last touched, and by whom.
fn traces(resource: &Resource, registry: &Registry, root: &RootSpec) -> (Option<SystemTime>, Option<String>) {
    let Some(schema) = registry.schema(&resource.id.type_name) else { return (None, None) };
    let footprint = (schema.footprint)(&resource.attributes);
    let names = footprint.owns.iter().filter(|place| place.kind == PlaceKind::Path).map(|place| &*place.name);
    let paths: Vec<&str> = names.chain(footprint.edits.iter().map(|path| &**path)).collect();
    let inside = |path: &str| root.path().join(path.trim_start_matches('/'));
    let touched = |path: &str| {
        let at = inside(path);
        // Of something that is gone the directory tells when.
        let stat = at.symlink_metadata().or_else(|_| at.parent().unwrap_or(Path::new("/")).symlink_metadata()).ok()?;
        let seconds = u64::try_from(stat.ctime()).ok()?;
        Some(UNIX_EPOCH + Duration::new(seconds, u32::try_from(stat.ctime_nsec()).unwrap_or(0)))
    };
    let changed = paths.iter().filter_map(|path| touched(path)).max();
    let by =
        (*root == RootSpec::Machine).then(|| paths.iter().find_map(|path| audited(Path::new("/var/log/audit/audit.log"), path)));
    (changed, by.flatten())
}

/// Who touched a path last, as the audit log has it (auditd's own format; a watch on the path has to be set: `auditctl -w`).
fn audited(log: &Path, path: &str) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(AUDIT))).ok()?;
    let mut bytes = Vec::new();
    file.take(AUDIT).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let name = format!("name=\"{path}\"");
    let event = text.lines().rev().find(|line| line.starts_with("type=PATH") && line.contains(&name))?;
    let serial = event.split_once("msg=audit(")?.1.split_once(')')?.0;
    let call = text.lines().find(|line| line.starts_with("type=SYSCALL") && line.contains(serial))?;
    let field = |key: &str| {
        let start = call.find(&format!(" {key}="))? + key.len() + 2;
        Some(call[start..].split(' ').next().unwrap_or_default().trim_matches('"'))
    };
    let login = field("auid").filter(|auid| *auid != "4294967295" && *auid != "unset");
    let who = match (login, field("uid")) {
        (Some(login), _) => format!("login uid {login}"),
        (None, Some(uid)) => format!("uid {uid}"),
        (None, None) => return None,
    };
    Some(format!("{who} with {}", field("exe").or_else(|| field("comm")).unwrap_or("an unknown program")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_log_tells_who_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("audit.log");
        std::fs::write(
            &log,
            "type=SYSCALL msg=audit(1700000000.1:7): arch=c000003e syscall=257 success=yes ppid=1 pid=2 auid=1000 uid=0 comm=\"vim\" exe=\"/usr/bin/vim\"\n\
             type=PATH msg=audit(1700000000.1:7): item=0 name=\"/etc/motd\" inode=5\n\
             type=SYSCALL msg=audit(1700000001.1:8): auid=4294967295 uid=33 comm=\"php\" exe=\"/usr/bin/php\"\n\
             type=PATH msg=audit(1700000001.1:8): item=0 name=\"/etc/other\" inode=5\n",
        )
        .unwrap();
        assert_eq!(audited(&log, "/etc/motd").as_deref(), Some("login uid 1000 with /usr/bin/vim"));
        assert_eq!(audited(&log, "/etc/other").as_deref(), Some("uid 33 with /usr/bin/php"));
        assert_eq!(audited(&log, "/etc/none"), None);
        assert_eq!(audited(&directory.path().join("none"), "/etc/motd"), None);
    }
}
