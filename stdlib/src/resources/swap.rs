//! The resource type `swap`.

mod space;

use std::path::Path;
use std::sync::Arc;

use stead_catalog::{Footprint, Place, Problem};
use stead_engine::{ObserveError, World};

pub(crate) use self::space::SWAP;
use self::space::Space;
use crate::edit::fstab::{self, By, Entry};
use crate::mounts;
use crate::parts::{EditPart, Parts, resource_of_parts};
use crate::values::{AbsolutePath, FromLiteral as _, Many, Size};
use crate::{Choice, Resource};

/// Swap space: a file or a device, used now and from the next boot on.
///
/// A file is made with its full size, readable by root alone, and never where the kernel cannot swap to it: on a file system that copies on
/// write, in memory or over the network. A device keeps what is on it unless `format` says otherwise. Compares to Salt's `mount.swap`, Puppet's
/// `swap_file::files` and the usual chains of commands in Ansible.
///
/// ```stead
/// swap "/swapfile" { size = 2GiB }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "swap",
    since = "0.2",
    aliases(
        name = "path",
        swapfile = "path",
        device = "path",
        ensure = "state",
        swapfilesize = "size",
        pri = "priority",
        persist = "persistent",
        opts = "options"
    )
)]
pub struct Swap {
    /// The file, or the device: `/dev/sdb2`, `UUID=…`, `LABEL=…`.
    #[key]
    pub path: Arc<str>,
    /// Whether it is there.
    #[default(State::Present)]
    pub state: State,
    /// The size of the file. One that has another is made anew. Left as found when absent.
    pub size: Option<Size>,
    /// It is filled before space of a lower number: 0 to 32767. Left to the kernel when absent.
    pub priority: Option<i64>,
    /// Options as swapon(8) takes them, such as `discard`.
    pub options: Many<Arc<str>>,
    /// Use it now.
    #[default(true)]
    pub active: bool,
    /// Use it from the next boot on: have it in `/etc/fstab`.
    #[default(true)]
    pub persistent: bool,
    /// Make swap space of a device that is none. What is on it is lost.
    #[default(false)]
    pub format: bool,
}

/// Whether swap space is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// It is there, and used.
    Present,
    /// It is not used, and a file is gone. What is on a device stays.
    Absent,
}

/// Options that are only for the table, or told by an attribute.
const OWN_OPTIONS: [&str; 5] = ["sw", "defaults", "noauto", "auto", "nofail"];

impl Swap {
    fn is_device(&self) -> bool {
        mounts::device(&self.path).is_some()
    }

    fn options(&self) -> Vec<String> {
        let all = self.options.iter().flat_map(|options| options.split(','));
        all.map(str::trim).filter(|option| !option.is_empty()).map(str::to_owned).collect()
    }

    fn footprint(&self) -> Footprint {
        let mut owns = vec![Place::other(format!("swap:{}", self.path))];
        let mut needs = Vec::new();
        if self.path.starts_with('/') {
            needs.push(Place::path(self.path.clone()));
            if !self.is_device() {
                owns.push(Place::path(self.path.clone()));
            }
        }
        let table = || Place::path(fstab::PATH);
        needs.extend(self.persistent.then(table));
        Footprint {
            owns,
            brings: self.persistent.then(table).into_iter().collect(),
            needs,
            edits: if self.persistent { vec![fstab::PATH.into()] } else { Vec::new() },
            removes: self.state == State::Absent,
            ..Footprint::default()
        }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |code, attribute: &str, other: Option<&str>, message: String, hint: &str| {
            problems.push(Problem {
                code,
                attribute: Some(attribute.into()),
                other: other.map(Into::into),
                message,
                hint: Some(hint.into()),
                mend: None,
            });
        };
        let is_path = self.path.starts_with('/')
            && Path::new(&*self.path).components().skip(1).all(|part| matches!(part, std::path::Component::Normal(_)))
            && !self.path.ends_with('/');
        if !(is_path || (self.is_device() && !self.path.starts_with("/dev/"))) || self.path.contains(|c: char| c.is_control()) {
            let hint = "name a file or a device by its whole path, or a device as `UUID=…` or `LABEL=…`";
            problem("invalid-value", "path", None, format!("`{}` is neither a file nor a device", self.path), hint);
        }
        if self.priority.is_some_and(|priority| !(0..=32767).contains(&priority)) {
            problem(
                "invalid-value",
                "priority",
                None,
                "a priority is a number from 0 to 32767".into(),
                "leave it out for the kernel's own",
            );
        }
        if self.size.is_some_and(|size| size.0 < 64 << 10 || size.0 % 4096 != 0) {
            let hint = "give a whole number of pages of 4 KiB, such as `2GiB`";
            problem("invalid-value", "size", None, "swap space of this size cannot be made".into(), hint);
        }
        if self.is_device() && self.size.is_some() {
            problem("conflicting-attributes", "size", None, "a device has the size that it has".into(), "take `size` away");
        }
        if !self.is_device() && self.format {
            problem("conflicting-attributes", "format", None, "a file is made as swap space anyway".into(), "take `format` away");
        }
        if self.options().iter().any(|option| option.contains(char::is_whitespace) || option.starts_with("pri=")) {
            problem(
                "invalid-value",
                "options",
                None,
                "an option has no blanks, and a priority is no option".into(),
                "give `priority`",
            );
        }
        if self.state == State::Absent {
            for (given, name) in [(self.size.is_some(), "size"), (self.priority.is_some(), "priority"), (self.format, "format")] {
                if given {
                    let hint = format!("take `{name}` away, or `state = absent`");
                    let message = "space that is absent has no attributes".into();
                    problem("conflicting-attributes", name, Some("state"), message, &hint);
                }
            }
        }
        problems
    }

    fn entry(&self) -> Entry {
        let mut options = self.options();
        options.extend(self.priority.map(|priority| format!("pri={priority}")));
        if options.is_empty() {
            options.push("sw".into());
        }
        let (file, kind) = ("none".to_owned(), "swap".to_owned());
        Entry { spec: self.path.to_string(), file, kind, options, dump: 0, pass: 0 }
    }

    fn parts(&self, world: &dyn World) -> Result<Parts, ObserveError> {
        let mut parts = Parts::default();
        let wanted = self.state == State::Present;
        let table = |parts: &mut Parts| {
            let entry = self.entry();
            let edit = move |content: &[u8]| {
                let by = By::Swap(&entry.spec);
                if wanted { fstab::set(content, by, &entry) } else { fstab::unset(content, by) }
            };
            parts.push_file("table", EditPart::new(AbsolutePath::from_literal(fstab::PATH), wanted, edit));
        };
        if world.is_live() {
            let options = self.options().into_iter().filter(|option| !OWN_OPTIONS.contains(&&**option)).collect::<Vec<_>>();
            parts.push(Space {
                spec: self.path.to_string(),
                is_device: self.is_device(),
                wanted,
                active: wanted && self.active,
                size: self.size.map(|size| size.0),
                priority: self.priority,
                options: options.join(","),
                format: self.format,
            });
        }
        if self.persistent {
            table(&mut parts);
        }
        Ok(parts)
    }
}

resource_of_parts!(Swap {
    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&[]))
    }
});
