//! The resource type `kernel_module`.

mod loaded;
mod modprobe;

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::{Footprint, Place, Problem, Value};
use stead_engine::{Known, ObserveError, World};

use self::loaded::Loaded;
pub(crate) use self::loaded::MODULE;
use self::modprobe::Entries;
use crate::edit::lines::{body, split};
use crate::filesystem;
use crate::parts::{EditPart, KERNEL_SETTINGS, Parts, made, resource_of_parts};
use crate::resources::file;
use crate::values::{AbsolutePath, FromLiteral as _, SettingValue};
use crate::{Choice, Resource};

/// A module of the kernel: loaded now, loaded at boot, its options, or kept from being loaded.
///
/// A module is loaded with those it needs. A file of its own in `/etc/modules-load.d` has it loaded at boot, one in `/etc/modprobe.d` holds its
/// options. A module that is built into the kernel counts as loaded. Compares to Salt's `kmod.present`, Puppet's `kmod::load`, `kmod::option`
/// and `kmod::blacklist`, and Ansible's `community.general.modprobe`.
///
/// ```stead
/// kernel_module "br_netfilter" {}
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "kernel_module",
    since = "0.2",
    aliases(
        module = "name",
        ensure = "state",
        persist = "persistent",
        params = "options",
        parameters = "options",
        option = "options",
        blacklist = "blacklisted"
    )
)]
pub struct KernelModule {
    /// The module's name. `-` and `_` are the same in it.
    #[key]
    pub name: Arc<str>,
    /// Whether the module is there.
    #[default(State::Present)]
    pub state: State,
    /// Load it now. Otherwise it is loaded at the next boot.
    #[default(true)]
    pub loaded: bool,
    /// Load it at every boot.
    #[default(true)]
    pub persistent: bool,
    /// Options it is loaded with. Left as found when absent; an empty map takes them away. One that is loaded has them when it is loaded next.
    pub options: Option<IndexMap<Arc<str>, SettingValue>>,
    /// Keep the system from loading it by itself, for a device that it finds. Left as found when absent.
    pub blacklisted: Option<bool>,
    /// Keep anybody from loading it. Left as found when absent.
    pub forbidden: Option<bool>,
}

/// Whether a module is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// It is loaded, and loaded at boot.
    Present,
    /// It is not loaded, and not loaded at boot. A module that is in use cannot be taken away.
    Absent,
}

/// Where the names of modules are that are loaded at boot (modules-load.d(5)); Debian has a file of its own.
const LISTS: [&str; 3] = ["/etc/modules-load.d", "/run/modules-load.d", "/usr/lib/modules-load.d"];

/// The list of Debian.
const OWN_LIST: &str = "/etc/modules";

impl KernelModule {
    /// The name as the kernel has it.
    fn module(&self) -> String {
        self.name.replace('-', "_")
    }

    fn list(&self) -> String {
        format!("/etc/modules-load.d/{}.conf", self.name)
    }

    fn settings(&self) -> Option<String> {
        let given = self.options.is_some() || self.blacklisted.is_some() || self.forbidden.is_some();
        given.then(|| format!("/etc/modprobe.d/{}.conf", self.name))
    }

    fn footprint(&self) -> Footprint {
        let is_absent = self.state == State::Absent;
        let mut owns = vec![Place::other(format!("module:{}", self.module()))];
        if self.persistent {
            owns.push(Place::path(self.list()));
        }
        let settings: Vec<Arc<str>> = self.settings().into_iter().map(Arc::from).collect();
        let brings = settings.iter().map(|path| Place::path(path.clone()));
        let needs = owns
            .iter()
            .cloned()
            .chain(settings.iter().flat_map(|path| filesystem::needed_places(Path::new(&**path), None, None)));
        Footprint {
            brings: brings.chain((!is_absent).then(|| Place::other(KERNEL_SETTINGS))).collect(),
            needs: needs.collect(),
            fills: if self.persistent { vec![self.list().into()] } else { Vec::new() },
            owns,
            edits: settings,
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
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if self.name.is_empty() || self.name.starts_with('-') || !self.name.bytes().all(legal) {
            let hint = "it is made of letters, digits, `_` and `-`: `lsmod` lists those that are loaded";
            problem("invalid-value", "name", None, format!("`{}` is no name of a module", self.name), hint);
        }
        for (name, value) in self.options.iter().flatten() {
            let value = value.to_string();
            let is_name = !name.is_empty() && name.bytes().all(|byte| legal(byte) || byte == b'.');
            if !is_name || value.contains(|c: char| c.is_whitespace() || c == '"' || c == '\\' || c.is_control()) {
                let hint = "an option is a name and a value without blanks: `modinfo` lists them";
                problem("invalid-value", "options", None, format!("`{name}` cannot be set so"), hint);
            }
        }
        if self.state == State::Present {
            let loads = self.loaded || self.persistent;
            if self.forbidden == Some(true) && loads {
                let hint = "set `state = absent`, or take it away";
                let message = "a module that is forbidden cannot be loaded".into();
                problem("conflicting-attributes", "forbidden", Some("state"), message, hint);
            }
            if !loads && self.settings().is_none() {
                let hint = "leave `loaded` or `persistent` as it is, or give `options`";
                let message = "nothing is left to be done".into();
                problem("conflicting-attributes", "loaded", Some("persistent"), message, hint);
            }
        }
        problems
    }

    fn parts(&self, world: &dyn World) -> Result<Parts, ObserveError> {
        let mut parts = Parts::default();
        if let Some(path) = self.settings() {
            let entries = Entries {
                module: self.module(),
                options: self.options.as_ref().map(|options| {
                    options.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect::<Vec<_>>().join(" ")
                }),
                blacklisted: self.blacklisted,
                forbidden: self.forbidden,
            };
            let wanted = entries.is_wanted();
            let edit = move |content: &[u8]| Ok(entries.set(content));
            if wanted {
                parts.push_directory("/etc/modprobe.d");
            }
            parts.push_file("settings", EditPart::new(AbsolutePath::from_literal(&*path), wanted, edit));
        }
        let wanted = self.state == State::Present;
        if self.loaded && world.is_live() {
            parts.push(Loaded { module: self.module(), name: self.name.clone(), wanted });
        }
        if self.persistent {
            let listed = self.listed(world)?;
            let path = ("path", Value::string(self.list()));
            match (wanted, listed) {
                (true, Some(_)) => {}
                (true, None) => {
                    parts.push_directory("/etc/modules-load.d");
                    let content = ("content", Value::string(format!("{}\n", self.name)));
                    parts.push_file("boot", made::<file::File>([path, content]));
                }
                (false, Some((file, line))) => {
                    return Err(ObserveError::Impossible {
                        code: "overridden-setting",
                        message: format!("{file}:{line}: has `{}` loaded at boot", self.name),
                        hint: "take the line out, for example with a `line` that this one requires".into(),
                    });
                }
                (false, None) => {
                    parts.push_file("boot", made::<file::File>([path, ("state", Value::Member("absent".into()))]));
                }
            }
        }
        Ok(parts)
    }

    /// Who else has the module loaded at boot: file and line.
    fn listed(&self, world: &dyn World) -> Result<Option<(String, usize)>, ObserveError> {
        let own = self.list();
        let mut files = vec![OWN_LIST.to_owned()];
        for directory in LISTS {
            let Known::Is(Some(entries)) = world.list(Path::new(directory))? else { continue };
            let names = entries.iter().filter_map(|(name, _)| name.to_str()).filter(|name| name.ends_with(".conf"));
            files.extend(names.map(|name| format!("{directory}/{name}")));
        }
        for file in files.into_iter().filter(|file| *file != own) {
            // A link, as Debian's own list is one of a folder, is read under its other name.
            let Ok(Known::Is(Some(content))) = world.read(Path::new(&file)) else { continue };
            for (at, line) in split(&content).iter().enumerate() {
                let text = String::from_utf8_lossy(body(line));
                let first = text.split_ascii_whitespace().next().unwrap_or_default();
                if !first.starts_with(['#', ';']) && first.replace('-', "_") == self.module() {
                    return Ok(Some((file, at + 1)));
                }
            }
        }
        Ok(None)
    }
}

/// A value as the kernel reads it.
fn shown(value: &SettingValue) -> String {
    match value {
        SettingValue::Bool(truth) => if *truth { "Y" } else { "N" }.to_owned(),
        other => other.to_string(),
    }
}

resource_of_parts!(KernelModule {
    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&[]))
    }
});
