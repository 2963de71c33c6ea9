//! The resource type `sysctl`.

mod conf;

use std::path::PathBuf;
use std::sync::Arc;

use stead_catalog::{Footprint, Place, Problem};
use stead_engine::{ObserveError, World};

use self::conf::Setting;
use crate::edit::EditedFile;
use crate::parts::{EditPart, KernelPart, Parts, normalized, resource_of_parts};
use crate::values::{AbsolutePath, Many, SettingValue};
use crate::{Choice, Resource};

/// A setting of the kernel: its value now, and from the next boot on.
///
/// The value is written to `/proc/sys` and to a file of `/etc/sysctl.d` that any number of settings can share; comments and other
/// settings in it stay as they are. A later file that says something else would win at the next boot and is an error. With `--root DIR` only the file is
/// written. Compares to Salt's `sysctl.present`, Puppet's `sysctl` and Ansible's `ansible.posix.sysctl`.
///
/// ```stead
/// sysctl "net.core.somaxconn" { value = 2048 }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "sysctl",
    since = "0.2",
    aliases(
        name = "key",
        ensure = "state",
        val = "value",
        config = "file",
        sysctl_file = "file",
        target = "file",
        persist = "persistent",
        sysctl_set = "live",
        apply = "live",
        desc = "comment",
        ignoreerrors = "optional",
        silent = "optional"
    )
)]
pub struct Sysctl {
    /// The setting, `net.ipv4.ip_forward` or `net/ipv4/ip_forward`. A name with dots in one of its parts, as that of a network interface can
    /// have, is written with slashes: `net/ipv4/conf/eth0.100/forwarding`.
    #[key]
    pub key: Arc<str>,
    /// Whether the file has the setting. What was set stays set until the next boot where it is taken out.
    #[default(State::Present)]
    pub state: State,
    /// The value; several numbers as a text or a list. `true` is 1 and `false` is 0. Required unless `state = absent`.
    pub value: Option<Many<SettingValue>>,
    /// Why it has the value: written above it in the file, `# KEY: comment`. Left as found when absent.
    pub comment: Option<Arc<str>>,
    /// The file that keeps it for the next boot.
    #[default("/etc/sysctl.d/60-stead.conf")]
    pub file: AbsolutePath,
    /// Keep it in the file. Otherwise it holds until the next boot.
    #[default(true)]
    pub persistent: bool,
    /// Set it in the running kernel. Otherwise it holds from the next boot on.
    #[default(true)]
    pub live: bool,
    /// A kernel that does not have the setting is as good: it is then only kept in the file, marked so that a boot does not complain.
    #[default(false)]
    pub optional: bool,
}

/// Whether the file has the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The file has it, with this value, and so has the kernel.
    Present,
    /// The file does not have it.
    Absent,
}

impl Sysctl {
    fn footprint(&self) -> Footprint {
        let path = Setting::path(&self.key);
        let own = match self.state {
            State::Present => Place::other(format!("sysctl:{path}")),
            State::Absent => Place::other(format!("sysctl:{path} in {}", self.file)),
        };
        let mut footprint = if self.persistent {
            EditedFile::new(&self.file, self.state == State::Present).footprint(None)
        } else {
            Footprint::default()
        };
        footprint.owns.push(own);
        if self.state == State::Present {
            footprint.follows.push(Place::other(crate::parts::KERNEL_SETTINGS));
        }
        footprint
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        EditedFile::new(&self.file, self.state == State::Present).check(&mut problems);
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
        let path = Setting::path(&self.key);
        let legal = |byte: u8| byte.is_ascii_graphic() && !b"=#;*?[]".contains(&byte);
        let is_path = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !path.bytes().all(legal) || !is_path || !path.contains('/') {
            let message = format!("`{}` is no name of a setting", self.key);
            problem("invalid-value", "key", None, &message, "it is one of those that `sysctl -a` lists, such as `vm.swappiness`");
        }
        match (&self.value, self.state) {
            (None, State::Present) => {
                problem("missing-attribute", "value", None, "the value is not said", "give `value`, or `state = absent`");
            }
            (Some(_), State::Absent) => {
                let hint = "take `value` away, or `state = absent`";
                problem("conflicting-attributes", "value", Some("state"), "a setting that is absent has no value", hint);
            }
            (Some(_), State::Present) if self.text().is_empty() || self.text().contains('\n') => {
                problem("invalid-value", "value", None, "a value is one line", "write the numbers beside each other");
            }
            _ => {}
        }
        if let Some(comment) = &self.comment {
            if comment.trim().is_empty() || comment.contains(['\n', '\r', '\0']) {
                problem("invalid-value", "comment", None, "a comment is one line", "say it in one line, or leave it out");
            } else if !self.persistent || self.state == State::Absent {
                let other = if self.persistent { "state" } else { "persistent" };
                let hint = "leave `comment` out";
                problem("conflicting-attributes", "comment", Some(other), "there is no line to write it above", hint);
            }
        }
        if !self.persistent && (!self.live || self.state == State::Absent) {
            let hint = "leave one of the two as it is";
            problem("conflicting-attributes", "persistent", Some("live"), "nothing is left to be done", hint);
        }
        problems
    }

    /// The value as one text.
    fn text(&self) -> String {
        let one = |value: &SettingValue| match value {
            SettingValue::Bool(truth) => i32::from(*truth).to_string(),
            other => other.to_string(),
        };
        normalized(&self.value.iter().flatten().map(one).collect::<Vec<_>>().join(" "))
    }

    fn parts(&self, world: &dyn World) -> Result<Parts, ObserveError> {
        let setting = Setting { path: Setting::path(&self.key), optional: self.optional, comment: self.comment.clone() };
        let wanted = self.state == State::Present;
        let text = self.text();
        let mut parts = Parts::default();
        if wanted && self.live && world.is_live() {
            // First: what the kernel refuses is not kept in a file either.
            parts.push(KernelPart {
                path: PathBuf::from("/proc/sys").join(&setting.path),
                value: text.as_str().into(),
                attribute: "value",
                optional: self.optional,
            });
        }
        if self.persistent {
            if wanted {
                setting.refuse_later(world, self.file.as_path(), &text)?;
                if let Some(directory) = conf::directory(self.file.as_path()) {
                    parts.push_directory(directory);
                }
            }
            parts.push_file(
                "content",
                EditPart::new(self.file.clone(), wanted, move |content| {
                    if wanted { setting.set(content, &text) } else { setting.unset(content) }
                }),
            );
        }
        Ok(parts)
    }
}

resource_of_parts!(Sysctl {
    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&["file"]))
    }
});
