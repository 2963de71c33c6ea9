//! A live setting of the kernel as a part of a resource.

use std::path::PathBuf;
use std::sync::Arc;

use stead_catalog::{Action, Change, Shown, Value};
use stead_engine::{Applied, ApplyError, Difference, FileKind, Known, Machine, ObserveError, Owner, Predicted, Stat, World};

use super::{Part, Seen, own};
use crate::filesystem;

/// The place that modules bring and settings need: any module may bring any setting.
pub(crate) const KERNEL_SETTINGS: &str = "kernel settings";

/// A variable of the kernel: a file below `/proc/sys` or `/sys` with one value. Blanks in it count as one.
#[derive(Debug)]
pub(crate) struct KernelPart {
    /// The variable.
    pub(crate) path: PathBuf,
    /// The value it is to have.
    pub(crate) value: Arc<str>,
    /// The name by which the change is told.
    pub(crate) attribute: &'static str,
    /// A variable that this kernel does not have is left out.
    pub(crate) optional: bool,
}

/// What the kernel has.
#[derive(Debug)]
struct Variable {
    stat: Known<Option<Stat>>,
    value: Known<Option<Arc<str>>>,
}

/// A value with each run of blanks as one, as two of them are compared.
pub(crate) fn normalized(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

impl Part for KernelPart {
    fn observe(&self, world: &dyn World) -> Result<Seen, ObserveError> {
        let stat = world.stat(&self.path)?;
        let value: Known<Option<Arc<str>>> = match &stat {
            Known::Unknown(because) => Known::Unknown(because.clone()),
            Known::Is(None) => Known::Is(None),
            Known::Is(Some(found)) if found.kind != FileKind::File => {
                let hint = "name one of the settings in it";
                return Err(filesystem::wrong_kind(&self.path, found.kind, FileKind::File, hint));
            }
            Known::Is(Some(_)) => {
                world.read(&self.path)?.map(|bytes| bytes.map(|bytes| normalized(&String::from_utf8_lossy(&bytes)).into()))
            }
        };
        if let (Known::Is(None), false) = (&value, self.optional) {
            return Err(ObserveError::Impossible {
                code: "unknown-kernel-setting",
                message: format!("the kernel has no setting {}", self.path.display()),
                hint: "check the spelling; a module may bring it: declare that as kernel_module; set `optional = true` where some machines do not have it".into(),
            });
        }
        if let (Known::Is(Some(found)), Known::Is(Some(is))) = (&stat, &value)
            && found.mode & 0o222 == 0
            && **is != *normalized(&self.value)
        {
            return Err(ObserveError::Impossible {
                code: "read-only-setting",
                message: format!("{} is `{is}`, and nobody may change it", self.path.display()),
                hint: "the kernel decides it: leave it out, or set it where the kernel is started or built".into(),
            });
        }
        Ok(Arc::new(Variable { stat, value }))
    }

    fn diff(&self, seen: &Seen) -> Difference {
        let after = Shown::Value(Value::string(normalized(&self.value)));
        let change = |before| vec![Change::value(self.attribute, before, after)];
        match &own::<Variable>(seen).value {
            Known::Is(None) => Difference::NONE,
            Known::Is(Some(is)) if **is == *normalized(&self.value) => Difference::NONE,
            Known::Is(Some(is)) => Difference::update(change(Shown::Value(Value::string(is.clone())))),
            Known::Unknown(because) => filesystem::perhaps(Action::Update, change(Shown::Unknown(because.clone())), because),
        }
    }

    fn digest(&self, seen: &Seen, hasher: &mut blake3::Hasher) -> bool {
        match &own::<Variable>(seen).value {
            Known::Unknown(_) => false,
            Known::Is(value) => {
                hasher.update(value.as_deref().unwrap_or_default().as_bytes());
                true
            }
        }
    }

    fn predict(&self, seen: &Seen, difference: &Difference, effects: &mut Predicted<'_>) {
        match &own::<Variable>(seen).stat {
            Known::Is(Some(stat)) if difference.unknown.is_none() => {
                effects.put(&self.path, stat.clone(), Some(format!("{}\n", self.value).into_bytes().into()));
            }
            Known::Is(_) => {}
            Known::Unknown(_) if self.optional => {}
            Known::Unknown(_) => {
                let root = Owner::Id(0);
                let stat = Stat { kind: FileKind::File, mode: 0o644, uid: root.clone(), gid: root, size: 0, target: None };
                effects.put(&self.path, stat, Some(format!("{}\n", self.value).into_bytes().into()));
            }
        }
    }

    fn apply(&self, _: &Seen, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        machine.write_kernel(&self.path, format!("{}\n", self.value).as_bytes())?;
        Ok(Applied::Done)
    }
}
