//! What is installed, by the directories that installers leave (PEP 376, PEP 503).

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use stead_engine::{FileKind, Known, Look, ObserveError, World};

use super::requirement::normal;

/// Where packages of the distribution's Python are: a directory, and the directory in it of each version.
const SYSTEM: [(&str, &str); 3] =
    [("/usr/local/lib", "dist-packages"), ("/usr/lib", "dist-packages"), ("/usr/local/lib", "site-packages")];

/// Where an interpreter has its packages (Python's own rules: `site`, `sysconfig`, and Debian's).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// In a virtual environment.
    Venv(PathBuf),
    /// In the distribution's directories, of one version such as `python3.11` where that is known.
    Distribution(Option<String>),
    /// What pip installs there itself.
    DistributionLocal(Option<String>),
    /// In `PREFIX/lib/VERSION/site-packages`.
    Prefix(PathBuf, String),
    /// There is no such interpreter.
    Nowhere,
}

impl Home {
    /// Tells it from where an interpreter lies and what is behind its links, without starting it.
    ///
    /// # Errors
    /// `unsupported-attribute` where it cannot be told so, and what looking fails with.
    pub(super) fn of(world: &dyn World, python: &Path) -> Look<Self> {
        // An environment's interpreter is a link as well; the file beside it makes it one (PEP 405).
        if let Some(prefix) = prefix(python)
            && world.exists(&prefix.join("pyvenv.cfg"))? == Known::Is(true)
        {
            return Ok(Known::Is(Self::Venv(prefix.to_owned())));
        }
        let is_distribution = |path: &Path| path.starts_with("/usr/bin") || path.starts_with("/bin");
        let real = match real(world, python)? {
            Known::Is(Some(real)) => real,
            // It comes with a package of the plan.
            _ if is_distribution(python) => return Ok(Known::Is(Self::Distribution(None))),
            Known::Is(None) => return Ok(Known::Is(Self::Nowhere)),
            Known::Unknown(because) => return Ok(Known::Unknown(because)),
        };
        let version = real.file_name().and_then(|name| name.to_str()).filter(|name| is_version(name)).map(str::to_owned);
        if is_distribution(&real) {
            return Ok(Known::Is(Self::Distribution(version)));
        }
        match (prefix(&real), version) {
            (Some(prefix), Some(version)) => Ok(Known::Is(Self::Prefix(prefix.to_owned(), version))),
            _ => Err(ObserveError::Impossible {
                code: "unsupported-attribute",
                message: format!("where {} keeps its packages cannot be told without starting it", python.display()),
                hint: "name an interpreter `PREFIX/bin/python3.N` or a link to one, or give `venv`".into(),
            }),
        }
    }

    /// The same, without what others than pip install there.
    pub(super) fn of_pip(self) -> Self {
        match self {
            Self::Distribution(version) => Self::DistributionLocal(version),
            other => other,
        }
    }

    /// Directories that something installed comes to lie below.
    pub(super) fn roots(&self) -> Vec<PathBuf> {
        match self {
            Self::Venv(venv) => vec![venv.clone()],
            Self::Distribution(_) | Self::DistributionLocal(_) => SYSTEM.iter().map(|(base, _)| PathBuf::from(base)).collect(),
            Self::Prefix(prefix, _) => vec![prefix.clone()],
            Self::Nowhere => Vec::new(),
        }
    }

    /// Says whether the distribution keeps it to itself (PEP 668).
    ///
    /// # Errors
    /// What looking fails with.
    pub(super) fn is_managed(&self, world: &dyn World) -> Result<bool, ObserveError> {
        let (base, version) = match self {
            Self::Distribution(version) | Self::DistributionLocal(version) => (PathBuf::from("/usr/lib"), version.as_ref()),
            Self::Prefix(prefix, version) => (prefix.join("lib"), Some(version)),
            Self::Venv(_) | Self::Nowhere => return Ok(false),
        };
        let Known::Is(Some(entries)) = world.list(&base)? else { return Ok(false) };
        for (name, _) in entries.iter().filter(|(name, _)| is_of(&name.to_string_lossy(), version)) {
            if world.exists(&base.join(name).join("EXTERNALLY-MANAGED"))? == Known::Is(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// `python3.12`
pub(super) fn is_version(name: &str) -> bool {
    let minor = name.strip_prefix("python3.").unwrap_or_default();
    !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit())
}

/// Says whether a directory is that of a version, or of any.
fn is_of(name: &str, version: Option<&String>) -> bool {
    version.map_or_else(|| is_version(name), |version| name == version)
}

/// `PREFIX` of `PREFIX/bin/python3`.
fn prefix(python: &Path) -> Option<&Path> {
    let directory = python.parent()?;
    (directory.file_name()? == "bin").then(|| directory.parent()).flatten()
}

/// Follows an interpreter's links to the file; `None` where there is none.
pub(super) fn real(world: &dyn World, python: &Path) -> Look<Option<PathBuf>> {
    let mut at = python.to_owned();
    for _ in 0..10 {
        match world.stat(&at)? {
            Known::Is(Some(stat)) => match stat.target {
                Some(target) => at = plain(&at.parent().unwrap_or(Path::new("/")).join(target)),
                None => return Ok(Known::Is((stat.kind == FileKind::File).then_some(at))),
            },
            Known::Is(None) => return Ok(Known::Is(None)),
            Known::Unknown(because) => return Ok(Known::Unknown(because)),
        }
    }
    Ok(Known::Is(None))
}

/// The same path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

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

    /// All versions by normalised name.
    pub(super) fn into_versions(self) -> BTreeMap<String, Arc<str>> {
        self.versions
    }

    /// Looks at what is installed. An environment that is planned has nothing installed.
    pub(super) fn look(world: &dyn World, home: &Home) -> Look<Self> {
        let mut installed = Self::default();
        let because = match home {
            Home::Nowhere => None,
            Home::Venv(venv) => match installed.below(world, &venv.join("lib"), "site-packages", None)? {
                Some(because) if because.starts_with("virtualenv[") => return Ok(Known::Is(Self::default())),
                because => because,
            },
            Home::Prefix(prefix, version) => installed.add(world, &prefix.join("lib").join(version).join("site-packages"))?,
            Home::Distribution(version) | Home::DistributionLocal(version) => {
                let is_local = matches!(home, Home::DistributionLocal(_));
                installed.distribution(world, version.as_ref(), is_local)?
            }
        };
        Ok(because.map_or(Known::Is(installed), Known::Unknown))
    }

    fn distribution(
        &mut self,
        world: &dyn World,
        version: Option<&String>,
        is_local: bool,
    ) -> Result<Option<Arc<str>>, ObserveError> {
        for (base, packages) in SYSTEM.iter().filter(|(base, _)| !is_local || *base == "/usr/local/lib") {
            if let Some(because) = self.below(world, Path::new(base), packages, version)? {
                return Ok(Some(because));
            }
        }
        // The distribution's own packages are not in a directory of one version.
        if is_local { Ok(None) } else { self.add(world, Path::new("/usr/lib/python3/dist-packages")) }
    }

    /// Reads `base/python3.N/packages`, of any version or of one; what makes it unknown, where it is.
    fn below(
        &mut self,
        world: &dyn World,
        base: &Path,
        packages: &str,
        version: Option<&String>,
    ) -> Result<Option<Arc<str>>, ObserveError> {
        let entries = match world.list(base)? {
            Known::Is(entries) => entries.unwrap_or_default(),
            Known::Unknown(because) => return Ok(Some(because)),
        };
        for (name, kind) in entries {
            if kind != FileKind::Directory || !is_of(&name.to_string_lossy(), version) {
                continue;
            }
            if let Some(because) = self.add(world, &base.join(name).join(packages))? {
                return Ok(Some(because));
            }
        }
        Ok(None)
    }

    /// Reads one directory of packages. What an earlier one has wins, as in Python's own search.
    fn add(&mut self, world: &dyn World, directory: &Path) -> Result<Option<Arc<str>>, ObserveError> {
        let entries = match world.list(directory)? {
            Known::Is(entries) => entries.unwrap_or_default(),
            Known::Unknown(because) => return Ok(Some(because)),
        };
        for (name, _) in entries {
            let name = name.to_string_lossy().into_owned();
            let stem = name.strip_suffix(".dist-info").or_else(|| name.strip_suffix(".egg-info"));
            let Some((package, version)) = stem.and_then(|stem| stem.split_once('-')) else { continue };
            // `name-1.0-py3.11.egg-info`
            let version = version.split("-py").next().unwrap_or(version);
            self.versions.entry(normal(package)).or_insert_with(|| version.into());
        }
        Ok(None)
    }
}
