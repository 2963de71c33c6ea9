//! A loaded module as a part of a resource.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use stead_catalog::{Action, Change, Shown, Value};
use stead_engine::{
    Applied, ApplyError, Difference, FileKind, Known, Look, Machine, ObserveError, Owner, Predicted, Restore, Restorer, Stat,
    World,
};

use crate::parts::{Part, Seen, own};
use crate::{commands, filesystem};

/// The modules that are loaded (proc_modules(5)).
const MODULES: &str = "/proc/modules";

/// Settings of the kernel that come with a module, and were not there before.
const SETTINGS: [(&str, &str); 4] = [
    ("br_netfilter", "/proc/sys/net/bridge"),
    ("nf_conntrack", "/proc/sys/net/netfilter"),
    ("ip_vs", "/proc/sys/net/ipv4/vs"),
    ("sunrpc", "/proc/sys/sunrpc"),
];

/// A module that was loaded is taken away, and one that was taken away is loaded.
pub(crate) static MODULE: Restorer = Restorer {
    kind: "module",
    is_tree: false,
    look: |world, name| Ok(json!({ "loaded": is_loaded(world, name)?.known()? })),
    restore: |_, before| match before.get("loaded").and_then(serde_json::Value::as_bool) {
        Some(_) => Restore::Setting(|machine, name, before| {
            let loaded = before.get("loaded").and_then(serde_json::Value::as_bool).unwrap_or_default();
            switch(machine, name, loaded)
        }),
        None => Restore::Impossible("it is not known whether it was loaded".into()),
    },
};

/// A module that is loaded, or not.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Its name as the kernel has it.
    pub(super) module: String,
    /// Its name as it was given.
    pub(super) name: Arc<str>,
    pub(super) wanted: bool,
}

fn is_loaded(world: &dyn World, module: &str) -> Look<bool> {
    Ok(world.read(Path::new(MODULES))?.map(|list| {
        let list = list.unwrap_or_default();
        String::from_utf8_lossy(&list).lines().any(|line| line.split(' ').next() == Some(module))
    }))
}

fn switch(machine: &Machine, module: &str, load: bool) -> Result<(), ApplyError> {
    let words: &[&str] = if load { &["modprobe", module] } else { &["modprobe", "-r", module] };
    commands::run(machine, words.iter().copied()).map(drop)
}

impl Loaded {
    /// The folder with the modules of the kernel that runs.
    fn folder(world: &dyn World) -> Result<Option<PathBuf>, ObserveError> {
        let release = world.read(Path::new("/proc/sys/kernel/osrelease"))?;
        Ok(release
            .value()
            .cloned()
            .flatten()
            .map(|release| Path::new("/lib/modules").join(String::from_utf8_lossy(&release).trim())))
    }

    /// Says whether a list of modules by their files names this one.
    fn is_in(&self, world: &dyn World, list: &Path) -> Look<Option<bool>> {
        Ok(world.read(list)?.map(|content| {
            content.map(|content| {
                let text = String::from_utf8_lossy(&content).into_owned();
                text.lines().any(|line| {
                    let file = line.split(':').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
                    file.split(".ko").next().unwrap_or_default().replace('-', "_") == self.module
                })
            })
        }))
    }

    /// Looks whether a module that is not loaded is built in, or can be loaded.
    fn find(&self, world: &dyn World) -> Look<bool> {
        let Some(folder) = Self::folder(world)? else { return Ok(Known::Is(false)) };
        match self.is_in(world, &folder.join("modules.builtin"))? {
            Known::Is(Some(true)) => return Ok(Known::Is(true)),
            Known::Unknown(because) => return Ok(Known::Unknown(because)),
            Known::Is(_) => {}
        }
        if !self.wanted {
            return Ok(Known::Is(false));
        }
        let fail =
            |message: String, hint: &str| Err(ObserveError::Impossible { code: "unknown-module", message, hint: hint.into() });
        match self.is_in(world, &folder.join("modules.dep"))? {
            Known::Is(Some(true)) | Known::Unknown(_) => Ok(Known::Is(false)),
            Known::Is(Some(false)) => {
                let hint = "check the spelling, or declare the package that brings it and require that";
                fail(format!("this kernel has no module `{}` in {}", self.name, folder.display()), hint)
            }
            Known::Is(None) => {
                let message =
                    format!("there are no modules of the kernel that runs: no {}", folder.join("modules.dep").display());
                let hint =
                    "boot the kernel whose modules are installed; a container has those of its host, which has to load them";
                fail(message, hint)
            }
        }
    }
}

impl Part for Loaded {
    fn observe(&self, world: &dyn World) -> Result<Seen, ObserveError> {
        let mut loaded = is_loaded(world, &self.module)?;
        if loaded == Known::Is(false) {
            let built_in = self.find(world)?;
            if built_in == Known::Is(true) && !self.wanted {
                return Err(ObserveError::Impossible {
                    code: "built-in-module",
                    message: format!("`{}` is built into the kernel and cannot be taken away", self.name),
                    hint: "take the resource away; a kernel built without it is another package".into(),
                });
            }
            loaded = built_in;
        }
        Ok(Arc::new(loaded))
    }

    fn diff(&self, seen: &Seen) -> Difference {
        let bool = |value: bool| Shown::Value(Value::Bool(value));
        match own::<Known<bool>>(seen) {
            Known::Is(loaded) if *loaded == self.wanted => Difference::NONE,
            Known::Is(loaded) => {
                let action = if self.wanted { Action::Update } else { Action::Delete };
                let changes = vec![Change::value("loaded", bool(*loaded), bool(self.wanted))];
                Difference { action, changes, unknown: None }
            }
            Known::Unknown(because) => {
                let changes = vec![Change::value("loaded", Shown::Unknown(because.clone()), bool(self.wanted))];
                filesystem::perhaps(Action::Update, changes, because)
            }
        }
    }

    fn digest(&self, seen: &Seen, hasher: &mut blake3::Hasher) -> bool {
        let Known::Is(loaded) = own::<Known<bool>>(seen) else { return false };
        hasher.update(&[u8::from(*loaded)]);
        true
    }

    fn predict(&self, _: &Seen, _: &Difference, effects: &mut Predicted<'_>) {
        let list = effects.read(Path::new(MODULES)).ok().and_then(|list| list.value().cloned().flatten()).unwrap_or_default();
        let mut text: String = String::from_utf8_lossy(&list)
            .split_inclusive('\n')
            .filter(|line| line.split(' ').next() != Some(&self.module))
            .collect();
        if self.wanted {
            text.push_str(&format!("{} 0 0 - Live 0x0\n", self.module));
        }
        let root = Owner::Id(0);
        let size = text.len() as u64;
        let stat = Stat { kind: FileKind::File, mode: 0o444, uid: root.clone(), gid: root, size, target: None };
        effects.put(Path::new(MODULES), stat, Some(text.into_bytes().into()));
        for (_, settings) in SETTINGS.iter().filter(|(module, _)| *module == self.module) {
            let path = Path::new(settings);
            if self.wanted && matches!(effects.stat(path), Ok(Known::Is(None))) {
                effects.obscure(path, &format!("kernel_module[\"{}\"]", self.name));
            } else if !self.wanted {
                effects.remove(path);
            }
        }
    }

    fn apply(&self, seen: &Seen, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let was = own::<Known<bool>>(seen).clone().known()?;
        machine.record(&MODULE, &self.module, json!({ "loaded": was }))?;
        switch(machine, &self.module, self.wanted)?;
        Ok(Applied::Done)
    }
}
