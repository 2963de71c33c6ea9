//! Swap space in use as a part of a resource.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use stead_catalog::{Action, Change, Shown, Value};
use stead_engine::{
    Applied, ApplyError, Difference, FileKind, Known, Look, Machine, ObserveError, Owner, Predicted, Restore, Restorer, Stat,
    World,
};

use crate::edit::fstab::unescaped;
use crate::parts::{Part, Seen, own};
use crate::{commands, filesystem, mounts};

/// Where the kernel tells what it swaps to (proc_swaps(5)).
const TABLE: &str = "/proc/swaps";

/// Its first line.
const HEADER: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

/// File systems that the kernel cannot swap to, or that would make a sparse file of it.
const UNFIT: [&str; 14] = [
    "btrfs", "zfs", "bcachefs", "overlay", "tmpfs", "ramfs", "nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "squashfs",
    "iso9660",
];

/// Swap space is brought back as it was; what had been swapped to it is elsewhere by then.
pub(crate) static SWAP: Restorer = Restorer {
    kind: "swap",
    is_tree: false,
    look: |world, name| {
        let device = mounts::device(name).unwrap_or_else(|| PathBuf::from(name));
        let found = find(world, &mounts::followed(world, &device)?)?.known()?;
        let size = if mounts::device(name).is_some() { None } else { file_size(world, Path::new(name))?.known()? };
        Ok(json!({ "active": found.is_some(), "priority": found.map(|used| used.priority), "size": size }))
    },
    restore: |name, before| {
        let space = Restore::resource("swap", "path", name).with("persistent", false);
        let number = |key: &str| before.get(key).and_then(serde_json::Value::as_i64);
        let is_device = mounts::device(name).is_some();
        let size = number("size").filter(|_| !is_device).and_then(|size| u64::try_from(size).ok());
        match before.get("active").and_then(serde_json::Value::as_bool) {
            None => Restore::Impossible("it is not known whether it was used".into()),
            Some(true) => {
                let priority = number("priority").filter(|priority| *priority >= 0);
                space.with_some("size", size.map(Value::Size)).with_some("priority", priority).into()
            }
            Some(false) if is_device || size.is_some() => {
                space.with_some("size", size.map(Value::Size)).with("active", false).into()
            }
            Some(false) => space.with("state", "absent").into(),
        }
    },
};

/// Swap space that is used, or not.
#[derive(Debug)]
pub(super) struct Space {
    /// As it is named in the table.
    pub(super) spec: String,
    pub(super) is_device: bool,
    pub(super) wanted: bool,
    pub(super) active: bool,
    pub(super) size: Option<u64>,
    pub(super) priority: Option<i64>,
    pub(super) options: String,
    pub(super) format: bool,
}

/// What the kernel tells of one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Used {
    line: String,
    priority: i64,
}

/// What was found.
#[derive(Debug)]
struct Found {
    /// The device, or the file.
    path: PathBuf,
    used: Known<Option<Used>>,
    /// The size of a file.
    size: Known<Option<u64>>,
}

/// Finds what the kernel tells of a device or file.
fn find(world: &dyn World, path: &Path) -> Look<Option<Used>> {
    let table = match world.read(Path::new(TABLE))? {
        Known::Is(table) => table.unwrap_or_default(),
        Known::Unknown(because) => return Ok(Known::Unknown(because)),
    };
    for line in String::from_utf8_lossy(&table).lines().skip(1) {
        let mut fields = line.split_ascii_whitespace();
        let (Some(name), Some(priority)) = (fields.next(), fields.nth(3)) else { continue };
        if mounts::followed(world, Path::new(&unescaped(name)))? == path {
            return Ok(Known::Is(Some(Used { line: line.to_owned(), priority: priority.parse().unwrap_or(-1) })));
        }
    }
    Ok(Known::Is(None))
}

fn file_size(world: &dyn World, path: &Path) -> Look<Option<u64>> {
    let stat = match world.stat(path)? {
        Known::Is(stat) => stat,
        Known::Unknown(because) => return Ok(Known::Unknown(because)),
    };
    match stat {
        Some(stat) if stat.kind != FileKind::File => {
            Err(filesystem::wrong_kind(path, stat.kind, FileKind::File, "name another file, or a device below /dev"))
        }
        stat => Ok(Known::Is(stat.map(|stat| stat.size))),
    }
}

impl Space {
    fn is_made(&self, size: Option<u64>) -> bool {
        !self.is_device && self.wanted && (size.is_none() || self.size.is_some_and(|wanted| size != Some(wanted)))
    }

    /// Refuses a file where the kernel could not swap to it.
    fn refuse(&self, world: &dyn World, path: &Path, size: Option<u64>) -> Result<(), ObserveError> {
        if size.is_none() && self.size.is_none() {
            return Err(ObserveError::Impossible {
                code: "no-swap-file",
                message: format!("there is no file {}, and its size is not said", path.display()),
                hint: "give `size` to have it made".into(),
            });
        }
        if size.is_none() {
            filesystem::parent(world, path)?;
        }
        let Known::Is(mounts) = mounts::all(world)? else { return Ok(()) };
        let Some(on) = mounts::of_path(&mounts, path) else { return Ok(()) };
        let unfit = UNFIT.contains(&&*on.kind) || on.kind.starts_with("fuse");
        if unfit && (self.is_made(size) || self.active) {
            return Err(ObserveError::Impossible {
                code: "unfit-for-swap",
                message: format!(
                    "{} is on a file system of the kind {}, to which the kernel cannot swap",
                    path.display(),
                    on.kind
                ),
                hint: "put the file on a file system such as ext4 or xfs, or use a device".into(),
            });
        }
        Ok(())
    }

    fn switch_on(&self, machine: &Machine, path: &str) -> Result<(), ApplyError> {
        let priority = self.priority.map(|priority| priority.to_string());
        let mut words = vec!["swapon"];
        if let Some(priority) = &priority {
            words.extend(["-p", priority]);
        }
        if !self.options.is_empty() {
            words.extend(["-o", &self.options]);
        }
        words.extend(["--", path]);
        commands::run(machine, words).map(drop)
    }

    /// Makes the file with its whole size. What fails leaves nothing behind.
    fn make(&self, machine: &Machine, path: &str, size: u64) -> Result<(), ApplyError> {
        let made = || {
            let (bytes, private) = (size.to_string(), Some(0o077));
            if commands::run_as(machine, ["fallocate", "-l", &bytes, "--", path], private, |status| status == 0).is_err() {
                // A file system that cannot set space aside is written to.
                let (target, bytes) = (format!("of={path}"), format!("count={bytes}"));
                let words = ["dd", "if=/dev/zero", &target, "bs=1M", "iflag=count_bytes", &bytes];
                commands::run_as(machine, words, private, |status| status == 0)?;
            }
            commands::run(machine, ["mkswap", "--", path])
        };
        made().map(drop).inspect_err(|_| drop(commands::run(machine, ["rm", "-f", "--", path])))
    }
}

impl Part for Space {
    fn observe(&self, world: &dyn World) -> Result<Seen, ObserveError> {
        let named = mounts::device(&self.spec).unwrap_or_else(|| PathBuf::from(&self.spec));
        let path = mounts::followed(world, &named)?;
        let used = find(world, &path)?;
        let size = if self.is_device { Known::Is(None) } else { file_size(world, &named)? };
        if let (Known::Is(None), Known::Is(size), true) = (&used, &size, self.wanted) {
            if self.is_device {
                if self.active && matches!(world.stat(&path)?, Known::Is(None)) && named.starts_with("/dev") {
                    return Err(ObserveError::Impossible {
                        code: "unknown-device",
                        message: format!("there is nothing to swap to: no {}", named.display()),
                        hint: "check the name with `blkid`".into(),
                    });
                }
            } else {
                self.refuse(world, &named, *size)?;
            }
        }
        Ok(Arc::new(Found { path: if self.is_device { path } else { named }, used, size }))
    }

    fn diff(&self, seen: &Seen) -> Difference {
        let found = own::<Found>(seen);
        let bool = |value: bool| Shown::Value(Value::Bool(value));
        let bytes = |size: Option<u64>| size.map_or(Shown::Absent, |size| Shown::Value(Value::Size(size)));
        let (used, size) = match (&found.used, &found.size) {
            (Known::Is(used), Known::Is(size)) => (used, *size),
            (Known::Unknown(because), _) | (_, Known::Unknown(because)) => {
                let change = Change::value("active", Shown::Unknown(because.clone()), bool(self.active));
                return filesystem::perhaps(Action::Update, vec![change], because);
            }
        };
        let mut changes = Vec::new();
        let is_made = self.is_made(size);
        if is_made {
            changes.push(Change::value("size", bytes(size), bytes(self.size)));
        }
        if used.is_some() != self.active {
            changes.push(Change::value("active", bool(used.is_some()), bool(self.active)));
        }
        if let (Some(used), Some(priority), true) = (used, self.priority, self.active)
            && used.priority != priority
        {
            let number = |number| Shown::Value(Value::Int(number));
            changes.push(Change::value("priority", number(used.priority), number(priority)));
        }
        if !self.wanted && size.is_some() {
            changes.push(Change::value("size", bytes(size), Shown::Absent));
        }
        if changes.is_empty() {
            return Difference::NONE;
        }
        let action = match (self.wanted, is_made, size) {
            (false, ..) => Action::Delete,
            (true, true, None) => Action::Create,
            (true, true, Some(_)) => Action::Replace,
            (true, false, _) => Action::Update,
        };
        Difference { action, changes, unknown: None }
    }

    fn digest(&self, seen: &Seen, hasher: &mut blake3::Hasher) -> bool {
        let found = own::<Found>(seen);
        let (Known::Is(used), Known::Is(size)) = (&found.used, &found.size) else { return false };
        hasher.update(format!("{:?} {size:?}", used.as_ref().map(|used| used.priority)).as_bytes());
        true
    }

    fn predict(&self, seen: &Seen, difference: &Difference, effects: &mut Predicted<'_>) {
        let found = own::<Found>(seen);
        if let Some(because) = &difference.unknown {
            return effects.obscure(Path::new(TABLE), because);
        }
        let size = found.size.value().copied().flatten();
        let root = Owner::Id(0);
        let stat = |mode, size| Stat { kind: FileKind::File, mode, uid: root.clone(), gid: root.clone(), size, target: None };
        if self.is_made(size) {
            effects.put(&found.path, stat(0o600, self.size.unwrap_or_default()), None);
        }
        if !self.wanted && !self.is_device {
            effects.remove(&found.path);
        }
        let used = found.used.value().and_then(Option::as_ref);
        let table = effects.read(Path::new(TABLE)).ok().and_then(|table| table.value().cloned().flatten()).unwrap_or_default();
        let table = String::from_utf8_lossy(&table).into_owned();
        let lines = table.lines().skip(1).filter(|line| used.is_none_or(|used| used.line != *line));
        let mut text: String = std::iter::once(HEADER.to_owned()).chain(lines.map(|line| format!("{line}\n"))).collect();
        if self.active {
            let name = found.path.to_string_lossy().replace('\\', "\\134").replace(' ', "\\040");
            let priority = self.priority.unwrap_or_else(|| used.map_or(-2, |used| used.priority));
            text.push_str(&format!("{name} file 0 0 {priority}\n"));
        }
        let length = text.len() as u64;
        effects.put(Path::new(TABLE), stat(0o444, length), Some(text.into_bytes().into()));
    }

    fn apply(&self, seen: &Seen, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let found = own::<Found>(seen);
        let path = found.path.to_string_lossy();
        let used = found.used.clone().known()?;
        let size = found.size.clone().known()?;
        let priority = used.as_ref().map(|used| used.priority);
        machine.record(&SWAP, &self.spec, json!({ "active": used.is_some(), "priority": priority, "size": size }))?;
        let is_made = self.is_made(size);
        let is_other = matches!((&used, self.priority), (Some(used), Some(wanted)) if used.priority != wanted);
        let mut in_use = used.is_some();
        if in_use && (!self.active || is_made || is_other) {
            commands::run(machine, ["swapoff", "--", &path])?;
            in_use = false;
        }
        if (is_made && size.is_some()) || (!self.wanted && size.is_some()) {
            // Not through the journal: what had been swapped out is nothing to keep, and nobody's to read.
            commands::run(machine, ["rm", "-f", "--", &path])?;
        }
        if let (true, Some(size)) = (is_made, self.size) {
            self.make(machine, &path, size)?;
        }
        if self.active && !in_use {
            match self.switch_on(machine, &path) {
                Err(_) if self.is_device && self.format => {
                    commands::run(machine, ["mkswap", "--", &path])?;
                    self.switch_on(machine, &path)?;
                }
                Err(error) if is_made => {
                    commands::run(machine, ["rm", "-f", "--", &path])?;
                    return Err(error);
                }
                result => result?,
            }
        }
        Ok(Applied::Done)
    }
}
