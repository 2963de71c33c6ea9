//! The resource type `mount`.

mod live;
mod options;

use std::path::Path;
use std::sync::Arc;

use stead_catalog::{Footprint, Place, Problem};
use stead_engine::{FileKind, Known, ObserveError, World};

pub(crate) use self::live::MOUNT;
use self::live::Mounted;
use crate::edit::fstab::{self, By, Entry};
use crate::filesystem;
use crate::mounts;
use crate::parts::{EditPart, Parts, resource_of_parts};
use crate::values::{AbsolutePath, FromLiteral as _, Many};
use crate::{Choice, Resource};

/// A file system at a directory: mounted now, and at boot.
///
/// What is mounted is read from the kernel, and what is mounted at boot stands in `/etc/fstab`. Options that change are put into force by mounting again in
/// place; another device is put in place of the one that is there. Whatever the catalog has below the directory comes after it. Compares to Salt's `mount.mounted`,
/// Puppet's `mount` and Ansible's `ansible.posix.mount`.
///
/// ```stead
/// mount "/srv/data" { device = "LABEL=data", fstype = "ext4", options = ["noatime", "nofail"], pass = 2 }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "mount",
    since = "0.2",
    aliases(
        name = "path",
        ensure = "state",
        src = "device",
        source = "device",
        fs = "fstype",
        type = "fstype",
        opts = "options",
        passno = "pass",
        pass_num = "pass",
        persist = "persistent",
        mkmnt = "create_directory"
    )
)]
pub struct Mount {
    /// The directory that it is mounted at.
    #[key]
    pub path: AbsolutePath,
    /// What is done.
    #[default(State::Mounted)]
    pub state: State,
    /// What is mounted: a device, `UUID=…`, `LABEL=…`, `host:/path`, `tmpfs`, or with the option `bind` a directory.
    pub device: Option<Arc<str>>,
    /// The kind of file system: `ext4`, `tmpfs`, `nfs4`, `none` for a bind.
    pub fstype: Option<Arc<str>>,
    /// Options as mount(8) takes them: a list, or one text with commas.
    pub options: Many<Arc<str>>,
    /// Whether dump(8) keeps it.
    #[default(0)]
    pub dump: u32,
    /// When fsck(8) looks at it at boot: 1 for the root, 2 for others, 0 for never.
    #[default(0)]
    pub pass: u32,
    /// Have it in `/etc/fstab`. Otherwise it is mounted until the next boot.
    #[default(true)]
    pub persistent: bool,
    /// Make the directory where it is missing, with mode 0755. Declare a `directory` instead where it is to belong to somebody.
    #[default(false)]
    pub create_directory: bool,
}

/// What is done about a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// It is in the table, and mounted.
    Mounted,
    /// It is in the table. Whether it is mounted is left as found.
    Defined,
    /// It is not mounted. The table is left as found.
    Unmounted,
    /// It is not mounted, and not in the table.
    Absent,
}

impl Mount {
    const fn is_wanted(&self) -> bool {
        matches!(self.state, State::Mounted | State::Defined)
    }

    /// The options one by one.
    fn options(&self) -> Vec<String> {
        let all = self.options.iter().flat_map(|options| options.split(','));
        let all: Vec<String> = all.map(str::trim).filter(|option| !option.is_empty()).map(str::to_owned).collect();
        if all == ["defaults"] { Vec::new() } else { all }
    }

    fn is_bind(&self) -> bool {
        self.options().iter().any(|option| option == "bind" || option == "rbind")
    }

    fn kind(&self) -> &str {
        let bound = if self.is_bind() { "none" } else { "auto" };
        self.fstype.as_deref().unwrap_or(bound)
    }

    /// Says whether the table of file systems is changed.
    fn is_kept(&self) -> bool {
        self.persistent && self.state != State::Unmounted
    }

    fn footprint(&self) -> Footprint {
        let table = || Place::path(fstab::PATH);
        let mut needs = vec![Place::path(self.path.shared().clone())];
        needs.extend(self.device.clone().filter(|device| device.starts_with('/')).map(Place::path));
        let tools: &[&str] = match self.kind() {
            "nfs" | "nfs4" => &["nfs-common", "nfs-utils"],
            "cifs" => &["cifs-utils"],
            "btrfs" => &["btrfs-progs"],
            "xfs" => &["xfsprogs"],
            _ => &[],
        };
        needs.extend(tools.iter().map(|package| Place::package(*package)));
        Footprint {
            owns: vec![Place::other(format!("mount:{}", self.path))],
            brings: self.is_kept().then(table).into_iter().collect(),
            needs: needs.into_iter().chain(self.is_kept().then(table)).collect(),
            edits: if self.is_kept() { vec![fstab::PATH.into()] } else { Vec::new() },
            covers: if self.state == State::Defined { Vec::new() } else { vec![self.path.shared().clone()] },
            removes: !self.is_wanted(),
            ..Footprint::default()
        }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |code, attribute: &str, other: Option<&str>, message: &str, hint: &str| {
            problems.push(Problem {
                code,
                attribute: Some(attribute.into()),
                other: other.map(Into::into),
                message: message.into(),
                hint: Some(hint.into()),
                mend: None,
            });
        };
        if self.is_wanted() && self.device.is_none() {
            let hint = "give `device`, or `state = absent`";
            problem("missing-attribute", "device", None, "it is not said what is mounted", hint);
        }
        if self.is_wanted() && self.fstype.is_none() && !self.is_bind() {
            let hint = "give `fstype`, such as `ext4`; `auto` lets mount(8) find out";
            problem("missing-attribute", "fstype", None, "the kind of file system is not said", hint);
        }
        let texts = [("device", &self.device), ("fstype", &self.fstype)];
        for (name, text) in texts {
            if text.as_ref().is_some_and(|text| text.is_empty() || text.contains(|c: char| c.is_control())) {
                problem("invalid-value", name, None, "it is one line of text", "write it on one line");
            }
        }
        if self.fstype.as_ref().is_some_and(|kind| kind.contains(char::is_whitespace) || **kind == *"swap") {
            problem("invalid-value", "fstype", None, "this is no file system that is mounted", "declare swap with `swap`");
        }
        if self.options().iter().any(|option| option.contains(|c: char| c.is_whitespace() || c.is_control())) {
            problem("invalid-value", "options", None, "an option has no blanks", "give a list of options");
        }
        if self.is_wanted() && filesystem::is_root(self.path.as_path()) && self.state == State::Mounted && !self.persistent {
            problem("invalid-value", "path", None, "`/` is mounted by the boot", "keep it in the table: `persistent = true`");
        }
        if !self.is_wanted() && filesystem::is_root(self.path.as_path()) {
            problem("invalid-value", "path", None, "`/` cannot be unmounted", "name another directory");
        }
        if self.state == State::Defined && !self.persistent {
            let hint = "take one of the two away";
            problem("conflicting-attributes", "persistent", Some("state"), "nothing is left to be done", hint);
        }
        problems
    }

    fn entry(&self) -> Entry {
        Entry {
            spec: self.device.as_deref().unwrap_or_default().to_owned(),
            file: self.path.to_string(),
            kind: self.kind().to_owned(),
            options: self.options(),
            dump: self.dump,
            pass: self.pass,
        }
    }

    fn parts(&self, world: &dyn World) -> Result<Parts, ObserveError> {
        let mut parts = Parts::default();
        if self.create_directory && self.is_wanted() {
            parts.push_directory(self.path.shared().clone());
        }
        let live = matches!(self.state, State::Mounted | State::Unmounted | State::Absent) && world.is_live();
        if live && self.can_be_mounted(world)? {
            // First: what cannot be mounted does not get into the table either.
            parts.push(Mounted { entry: self.entry(), wanted: self.is_wanted(), makes_directory: self.create_directory });
        }
        if self.is_kept() {
            let (entry, wanted) = (self.entry(), self.is_wanted());
            let edit = move |content: &[u8]| {
                let by = By::File(&entry.file);
                if wanted { fstab::set(content, by, &entry) } else { fstab::unset(content, by) }
            };
            parts.push_file("table", EditPart::new(AbsolutePath::from_literal(fstab::PATH), wanted, edit));
        }
        Ok(parts)
    }

    /// Looks for the device. One that may be missing (`nofail`) is then not mounted.
    fn can_be_mounted(&self, world: &dyn World) -> Result<bool, ObserveError> {
        let spec = self.device.as_deref().unwrap_or_default();
        let is_bound = self.is_bind() && spec.starts_with('/');
        let device = if is_bound { Some(spec.into()) } else { mounts::device(spec) };
        let Some(device) = device.filter(|_| self.is_wanted()) else { return Ok(true) };
        // Without udev nobody makes the links by which devices are named.
        let is_told = |device: &Path| !device.starts_with("/dev/disk") || is_there(world, Path::new("/dev/disk"));
        match world.stat(&device)? {
            Known::Is(None) if is_told(&device) => {
                if self.options().iter().any(|option| option == "nofail") {
                    return Ok(false);
                }
                Err(ObserveError::Impossible {
                    code: "unknown-device",
                    message: format!("there is nothing to mount: no {}", device.display()),
                    hint: "check the name with `blkid`, or set the option `nofail` where the device may be missing".into(),
                })
            }
            Known::Is(Some(stat)) if !is_bound && stat.kind == FileKind::Directory => {
                let hint = "set the option `bind` to mount a directory";
                Err(filesystem::wrong_kind(&device, stat.kind, FileKind::Other, hint))
            }
            _ => Ok(true),
        }
    }
}

fn is_there(world: &dyn World, path: &Path) -> bool {
    matches!(world.stat(path), Ok(Known::Is(Some(_))))
}

resource_of_parts!(Mount {
    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&[]))
    }
});
