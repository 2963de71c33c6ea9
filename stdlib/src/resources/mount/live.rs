//! A mounted file system as a part of a resource.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use stead_catalog::{Action, Change, Shown, Value};
use stead_engine::{
    Applied, ApplyError, Difference, FileKind, Known, Machine, ObserveError, Owner, Predicted, Restore, Restorer, Stat, World,
};

use super::options::missing;
use crate::edit::fstab::Entry;
use crate::mounts::{self, Mount};
use crate::parts::{Part, Seen, own};
use crate::{commands, filesystem};

/// What was mounted is unmounted, and what was there is mounted again, or gets its options back.
pub(crate) static MOUNT: Restorer = Restorer {
    kind: "mount",
    is_tree: false,
    look: |world, name| Ok(record(at(&mounts::all(world)?.known()?, name))),
    restore: |name, before| {
        let is_part = before.get("root").and_then(serde_json::Value::as_str).is_some_and(|root| root != "/");
        match before.get("mounted").and_then(serde_json::Value::as_bool) {
            Some(false) => Restore::resource("mount", "path", name).with("state", Value::Member("unmounted".into())).into(),
            Some(true) if is_part => {
                Restore::Impossible("a directory of another file system was mounted there: mount it by hand".into())
            }
            Some(true) if matches!(before.get("kind").and_then(serde_json::Value::as_str), Some("tmpfs" | "ramfs")) => {
                Restore::SettingWithout(restore, format!("what was in memory at {name}, where it was unmounted"))
            }
            Some(true) => Restore::Setting(restore),
            None => Restore::Impossible("it is not known what was mounted".into()),
        }
    },
};

/// Where new directories of a fresh tmpfs are root's with this mode, unless an option says another.
const TMPFS_MODE: u32 = 0o1777;

/// A file system that is mounted, or not.
#[derive(Debug)]
pub(super) struct Mounted {
    pub(super) entry: Entry,
    pub(super) wanted: bool,
    pub(super) makes_directory: bool,
}

/// What has to be done.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Nothing,
    Mount,
    /// Another thing is mounted there.
    Exchange(Mount),
    /// These options are not in force.
    Remount(Mount, String),
    Unmount(Mount),
    Unknown(Arc<str>),
}

/// What is mounted at a place: the last that was.
fn at<'m>(mounts: &'m [Mount], point: &str) -> Option<&'m Mount> {
    mounts.iter().rev().find(|mount| mount.point == point)
}

fn record(mount: Option<&Mount>) -> serde_json::Value {
    match mount {
        None => json!({ "mounted": false }),
        Some(mount) => json!({
            "mounted": true,
            "source": mount.source,
            "kind": mount.kind,
            "root": mount.root,
            "options": mount.options.join(","),
            "own_options": mount.own_options.join(","),
        }),
    }
}

fn restore(machine: &Machine, name: &str, before: &serde_json::Value) -> Result<(), ApplyError> {
    let word = |key: &str| before.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    let now = mounts::all(machine.world())?.known()?;
    let now = at(&now, name);
    // Those of the file system itself are told by some in words that they do not take: tried with them first.
    let (plain, all) = (word("options").to_owned(), format!("{},{}", word("options"), word("own_options")));
    let all = if word("own_options").is_empty() { plain.clone() } else { all };
    match now {
        Some(now) if now.source == word("source") && now.kind == word("kind") => {
            let remount = |options: &str| {
                let options = format!("remount,{options}");
                commands::run(machine, ["mount", "-o", &options, "--", word("source"), name]).map(drop)
            };
            if now.own_options.join(",") == word("own_options") {
                remount(&plain)
            } else {
                remount(&all).or_else(|_| remount(&plain))
            }
        }
        now => {
            if now.is_some() {
                unmount(machine, name)?;
            }
            let mount = |options: &str| {
                commands::run(machine, ["mount", "-t", word("kind"), "-o", options, "--", word("source"), name]).map(drop)
            };
            mount(&all).or_else(|_| mount(&plain))
        }
    }
}

fn unmount(machine: &Machine, point: &str) -> Result<(), ApplyError> {
    commands::run(machine, ["umount", "--", point]).map(drop)
}

impl Mounted {
    fn is_bind(&self) -> bool {
        self.entry.options.iter().any(|option| option == "bind" || option == "rbind")
    }

    /// Says whether a mount is of the wanted device.
    fn is_of_device(&self, world: &dyn World, all: &[Mount], mount: &Mount) -> Result<bool, ObserveError> {
        let spec = &self.entry.spec;
        if mount.source == *spec && mount.root == "/" && !self.is_bind() {
            return Ok(true);
        }
        if self.is_bind() {
            // A bind is told by the file system that the directory is on, and its place in that.
            let source = mounts::followed(world, Path::new(spec))?;
            let Some(on) = mounts::of_path(all, &source) else { return Ok(mount.source == *spec) };
            let below = source.strip_prefix(&on.point).unwrap_or(&source);
            let root = if below.as_os_str().is_empty() { PathBuf::from(&on.root) } else { Path::new(&on.root).join(below) };
            return Ok(mount.source == *spec || (mount.source == on.source && Path::new(&mount.root) == root));
        }
        match mounts::device(spec) {
            Some(device) => {
                let (wanted, found) = (mounts::followed(world, &device)?, mounts::followed(world, Path::new(&mount.source))?);
                Ok(wanted == found)
            }
            // A file that is mounted by a loop device, or a file system without a device that goes by any name.
            None if spec.starts_with('/') => Ok(mount.source.starts_with("/dev/loop")),
            None => Ok(mount.source.trim_end_matches('/') == spec.trim_end_matches('/')),
        }
    }

    fn refuse(&self, world: &dyn World) -> Result<(), ObserveError> {
        let path = Path::new(&self.entry.file);
        match world.stat(path)? {
            Known::Is(None) if !self.makes_directory => Err(ObserveError::Impossible {
                code: "missing-mount-point",
                message: format!("there is no directory {} to mount at", path.display()),
                hint: format!("declare directory \"{}\", or set `create_directory = true`", path.display()),
            }),
            Known::Is(Some(stat)) if stat.kind != FileKind::Directory && !(self.is_bind() && stat.kind == FileKind::File) => {
                let hint = "a file system is mounted at a directory: name one";
                Err(filesystem::wrong_kind(path, stat.kind, FileKind::Directory, hint))
            }
            _ => Ok(()),
        }
    }

    fn step(&self, world: &dyn World) -> Result<Step, ObserveError> {
        let all = match mounts::all(world)? {
            Known::Is(all) => all,
            Known::Unknown(because) => return Ok(Step::Unknown(because)),
        };
        let mount = at(&all, &self.entry.file);
        let Some(mount) = mount else {
            if self.wanted {
                self.refuse(world)?;
            }
            return Ok(if self.wanted { Step::Mount } else { Step::Nothing });
        };
        if !self.wanted {
            return Ok(Step::Unmount(mount.clone()));
        }
        let kinds = [&*self.entry.kind, "auto", "none"];
        let is_kind = kinds.contains(&&*mount.kind) || self.entry.kind != mount.kind && kinds[0] == "auto" || self.is_bind();
        let is_alike = is_kind || (self.entry.kind.starts_with("nfs") && mount.kind.starts_with("nfs"));
        if !is_alike || !self.is_of_device(world, &all, mount)? {
            return Ok(Step::Exchange(mount.clone()));
        }
        let missing = missing(mount, &self.entry.options);
        Ok(if missing.is_empty() { Step::Nothing } else { Step::Remount(mount.clone(), missing.join(",")) })
    }

    /// The mount as it will be told.
    fn predicted(&self) -> Mount {
        let mut options = self.entry.options.clone();
        if !options.iter().any(|option| option == "ro" || option == "rw") {
            options.push("rw".into());
        }
        let atime = ["noatime", "relatime", "strictatime", "norelatime"];
        if !options.iter().any(|option| atime.contains(&&**option)) {
            options.push("relatime".into());
        }
        Mount {
            root: "/".into(),
            point: self.entry.file.clone(),
            own_options: options.clone(),
            options,
            kind: self.entry.kind.clone(),
            source: self.entry.spec.clone(),
        }
    }

    fn options(&self) -> String {
        if self.entry.options.is_empty() { "defaults".to_owned() } else { self.entry.options.join(",") }
    }

    fn mount(&self, machine: &Machine) -> Result<(), ApplyError> {
        let Entry { spec, file, kind, .. } = &self.entry;
        commands::run(machine, ["mount", "-t", kind, "-o", &self.options(), "--", spec, file]).map(drop)
    }
}

impl Part for Mounted {
    fn observe(&self, world: &dyn World) -> Result<Seen, ObserveError> {
        Ok(Arc::new(self.step(world)?))
    }

    fn diff(&self, seen: &Seen) -> Difference {
        let bool = |value: bool| Shown::Value(Value::Bool(value));
        let text = |text: &str| Shown::Value(Value::string(text));
        let (action, change) = match own::<Step>(seen) {
            Step::Nothing => return Difference::NONE,
            Step::Mount => (Action::Update, Change::value("mounted", bool(false), bool(true))),
            Step::Exchange(was) => (Action::Replace, Change::value("mounted", text(&was.source), text(&self.entry.spec))),
            Step::Remount(was, missing) => {
                (Action::Update, Change::value("in_force", text(&was.options.join(",")), text(missing)))
            }
            Step::Unmount(_) => (Action::Delete, Change::value("mounted", bool(true), bool(false))),
            Step::Unknown(because) => {
                let change = Change::value("mounted", Shown::Unknown(because.clone()), bool(self.wanted));
                return filesystem::perhaps(Action::Update, vec![change], because);
            }
        };
        Difference { action, changes: vec![change], unknown: None }
    }

    fn digest(&self, seen: &Seen, hasher: &mut blake3::Hasher) -> bool {
        let step = own::<Step>(seen);
        hasher.update(format!("{step:?}").as_bytes());
        !matches!(step, Step::Unknown(_))
    }

    fn predict(&self, seen: &Seen, _: &Difference, effects: &mut Predicted<'_>) {
        let step = own::<Step>(seen);
        let Ok(Known::Is(mut all)) = mounts::all(effects) else { return };
        if !matches!(step, Step::Mount)
            && let Some(last) = all.iter().rposition(|mount| mount.point == self.entry.file)
        {
            all.remove(last);
        }
        if self.wanted {
            all.push(self.predicted());
        }
        let table: String = all.iter().map(Mount::line).collect();
        let root = Owner::Id(0);
        let stat = |kind, mode, size| Stat { kind, mode, uid: root.clone(), gid: root.clone(), size, target: None };
        effects.put(Path::new(mounts::TABLE), stat(FileKind::File, 0o444, 0), Some(table.into_bytes().into()));
        let path = Path::new(&self.entry.file);
        match step {
            // What is below is what it was.
            Step::Remount(..) | Step::Nothing => {}
            Step::Mount | Step::Exchange(_) if self.entry.kind == "tmpfs" => {
                let mode =
                    self.entry.options.iter().find_map(|option| u32::from_str_radix(option.strip_prefix("mode=")?, 8).ok());
                effects.remove(path);
                effects.put(path, stat(FileKind::Directory, mode.unwrap_or(TMPFS_MODE) & 0o7777, 0), None);
            }
            _ => effects.appear(path, &filesystem::id("mount", path)),
        }
    }

    fn apply(&self, seen: &Seen, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let Entry { spec, file, .. } = &self.entry;
        let was = mounts::all(machine.world())?.known()?;
        machine.record(&MOUNT, file, record(at(&was, file)))?;
        match own::<Step>(seen) {
            Step::Mount => self.mount(machine)?,
            Step::Exchange(_) => {
                unmount(machine, file)?;
                self.mount(machine)?;
            }
            Step::Remount(..) => {
                let options = format!("remount,{}", self.options());
                commands::run(machine, ["mount", "-o", &options, "--", spec, file])?;
            }
            Step::Unmount(_) => unmount(machine, file)?,
            Step::Nothing | Step::Unknown(_) => {}
        }
        Ok(Applied::Done)
    }
}
