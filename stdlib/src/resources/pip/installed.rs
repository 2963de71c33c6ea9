//! What is installed, by the directories that installers leave (PEP 376, PEP 503).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use stead_engine::{FileKind, Known, Look, ObserveError, World};

use super::requirement::normal;

/// Where packages of the system's Python are: a directory, and the directory in it of each version.
pub(super) const SYSTEM: [(&str, &str); 3] =
    [("/usr/local/lib", "dist-packages"), ("/usr/lib", "dist-packages"), ("/usr/local/lib", "site-packages")];

/// Versions by normalised name.
#[derive(Clone, Debug, Default)]
pub(super) struct Installed {
    versions: BTreeMap<String, Arc<str>>,
}

impl Installed {
    /// The version of a package.
    pub(super) fn version(&self, name: &str) -> Option<Arc<str>> {
        self.versions.get(name).cloned()
    }

    /// Looks at an environment, or at the system's own Python. An environment that is planned has nothing installed.
    pub(super) fn look(world: &dyn World, venv: Option<&Path>) -> Look<Self> {
        let mut installed = Self::default();
        let Some(venv) = venv else {
            for (base, packages) in SYSTEM {
                if let Some(because) = installed.below(world, Path::new(base), packages)? {
                    return Ok(Known::Unknown(because));
                }
            }
            // The distribution's own packages are not in a directory of one version.
            if let Known::Unknown(because) = installed.add(world, Path::new("/usr/lib/python3/dist-packages"))? {
                return Ok(Known::Unknown(because));
            }
            return Ok(Known::Is(installed));
        };
        match installed.below(world, &venv.join("lib"), "site-packages")? {
            Some(because) if because.starts_with("virtualenv[") => Ok(Known::Is(Self::default())),
            Some(because) => Ok(Known::Unknown(because)),
            None => Ok(Known::Is(installed)),
        }
    }

    /// Reads `base/python3.*/packages`; what makes it unknown, where it is.
    fn below(&mut self, world: &dyn World, base: &Path, packages: &str) -> Result<Option<Arc<str>>, ObserveError> {
        let entries = match world.list(base)? {
            Known::Is(entries) => entries.unwrap_or_default(),
            Known::Unknown(because) => return Ok(Some(because)),
        };
        for (name, kind) in entries {
            if kind != FileKind::Directory || !name.to_string_lossy().starts_with("python3.") {
                continue;
            }
            if let Known::Unknown(because) = self.add(world, &base.join(name).join(packages))? {
                return Ok(Some(because));
            }
        }
        Ok(None)
    }

    /// Reads one directory of packages. What an earlier one has wins, as in Python's own search.
    fn add(&mut self, world: &dyn World, directory: &Path) -> Look<()> {
        Ok(world.list(directory)?.map(|entries| {
            for (name, _) in entries.unwrap_or_default() {
                let name = name.to_string_lossy().into_owned();
                let stem = name.strip_suffix(".dist-info").or_else(|| name.strip_suffix(".egg-info"));
                let Some((package, version)) = stem.and_then(|stem| stem.split_once('-')) else { continue };
                // `name-1.0-py3.11.egg-info`
                let version = version.split("-py").next().unwrap_or(version);
                self.versions.entry(normal(package)).or_insert_with(|| version.into());
            }
        }))
    }
}

/// Says whether the distribution keeps its Python to itself.
pub(super) fn is_managed(world: &dyn World) -> Result<bool, ObserveError> {
    let Known::Is(Some(entries)) = world.list(Path::new("/usr/lib"))? else { return Ok(false) };
    for (name, _) in entries.iter().filter(|(name, _)| name.to_string_lossy().starts_with("python3.")) {
        if world.exists(&Path::new("/usr/lib").join(name).join("EXTERNALLY-MANAGED"))? == Known::Is(true) {
            return Ok(true);
        }
    }
    Ok(false)
}
