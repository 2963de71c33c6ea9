//! The projects that a project depends on: which commit of each, where its files lie, and what `stead.lock` says of that.
//!
//! `stead.toml` names repositories, `stead.lock` pins each to a commit, and the files of a commit are kept in a cache. Every
//! command but `stead deps` takes what the lock says and never changes it, so that what a project means does not change by
//! itself.

mod cache;
mod error;
pub(crate) mod git;
mod lock;
mod overlay;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_compiler::config::{Config, Dependency, DependencySource, FILE_NAME, GitReference};

pub(crate) use cache::{Cache, home as cache_home};
pub(crate) use error::{DependencyError, masked};
pub(crate) use lock::{FILE as LOCK_FILE, Lock, Pinned};
pub(crate) use overlay::ProjectSources;

/// How far the lock may be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pinning {
    /// Not at all: what it does not pin is an error.
    Kept,
    /// What it does not pin is added.
    Completed,
    /// These are looked up anew; all of them where none is named.
    Renewed(BTreeSet<String>),
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    /// The files of each, by the name that `use` knows it by.
    pub(crate) trees: BTreeMap<Arc<str>, PathBuf>,
    /// The directories that `use` knows, as the compiler's sources name them.
    pub(crate) directories: BTreeMap<Arc<str>, Arc<str>>,
    /// What the lock should say.
    pub(crate) lock: Lock,
}

/// A dependency to look at: who asks for it, under which name.
struct Wanted {
    by: Arc<str>,
    name: Arc<str>,
    source: DependencySource,
}

/// Finds every repository that a project depends on, and those that they depend on in turn.
///
/// # Errors
///
/// The first [`DependencyError`]: one that cannot be had makes the whole project incomplete.
pub(crate) fn find(config: &Config, lock: &Lock, pinning: &Pinning, cache: &Cache) -> Result<Dependencies, DependencyError> {
    let mut found = Dependencies::default();
    let mut known: BTreeMap<Arc<str>, (Arc<str>, DependencySource)> = BTreeMap::new();
    let mut queue: VecDeque<Wanted> = wanted(&"stead.toml".into(), &config.dependencies).collect();
    while let Some(Wanted { by, name, source }) = queue.pop_front() {
        if let Some((first, same)) = known.get(&name) {
            if *same != source {
                return Err(DependencyError::Conflict { name, first: first.clone(), second: by });
            }
            continue;
        }
        known.insert(name.clone(), (by.clone(), source.clone()));
        let (url, reference) = match source {
            // The project's own directories are the compiler's business.
            DependencySource::Path(path) => {
                if *by != *"stead.toml" {
                    let path =
                        inside(&path).ok_or_else(|| DependencyError::Escapes { name: name.clone(), by: by.clone(), path })?;
                    found.directories.insert(name, format!("{}/{path}", prefix(&by)).into());
                }
                continue;
            }
            DependencySource::Git { url, reference } => (url, reference),
        };
        let pinned = pin(&name, &url, &reference, lock, pinning, cache)?;
        let tree = cache.tree(&name, &url, &pinned.commit)?;
        let nested = read_config(&tree);
        queue.extend(wanted(&name, &nested.dependencies));
        found.directories.insert(name.clone(), prefix(&name).into());
        found.trees.insert(name.clone(), tree);
        found.lock.insert(name, pinned);
    }
    Ok(found)
}

fn wanted<'c>(by: &'c Arc<str>, list: &'c BTreeMap<Arc<str>, Dependency>) -> impl Iterator<Item = Wanted> + use<> {
    let wanted: Vec<Wanted> = list
        .iter()
        .map(|(name, dependency)| Wanted { by: by.clone(), name: name.clone(), source: dependency.source.clone() })
        .collect();
    wanted.into_iter()
}

/// The commit of a dependency: as the lock says, or as the repository says now.
fn pin(
    name: &Arc<str>,
    url: &Arc<str>,
    reference: &GitReference,
    lock: &Lock,
    pinning: &Pinning,
    cache: &Cache,
) -> Result<Pinned, DependencyError> {
    let locked = lock.get(name).filter(|pinned| pinned.url == *url && pinned.reference == *reference);
    let is_renewed = matches!(pinning, Pinning::Renewed(names) if names.is_empty() || names.contains(&**name));
    match locked.filter(|_| !is_renewed) {
        Some(pinned) => Ok(pinned.clone()),
        None if *pinning == Pinning::Kept => {
            let is_changed = lock.get(name).is_some();
            Err(DependencyError::OutOfDate { name: name.clone(), is_changed })
        }
        None => {
            let commit = cache.resolve(name, url, reference)?;
            Ok(Pinned { url: url.clone(), reference: reference.clone(), commit })
        }
    }
}

/// How the compiler's sources name the files of a dependency. No directory of a module is called so.
pub(crate) fn prefix(name: &str) -> String {
    format!("@{name}")
}

/// A path that stays where it starts from, without what means nothing.
fn inside(path: &str) -> Option<String> {
    let is_inside = !path.starts_with('/') && !path.contains('\0') && path.split('/').all(|part| part != "..");
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    is_inside.then(|| parts.collect::<Vec<_>>().join("/"))
}

/// What the `stead.toml` in a directory says. Its mistakes are told when it is the project itself.
pub(crate) fn read_config(root: &Path) -> Config {
    match crate::sources::DirectorySources::open(root) {
        Ok(sources) => match stead_compiler::Sources::read(&sources, FILE_NAME) {
            Ok(bytes) => Config::parse(&FILE_NAME.into(), &bytes).0,
            Err(_) => Config::default(),
        },
        Err(_) => Config::default(),
    }
}

/// Says whether a project depends on any repository.
pub(crate) fn has_repositories(config: &Config) -> bool {
    config.dependencies.values().any(|dependency| matches!(dependency.source, DependencySource::Git { .. }))
}

/// `tag v1.2`, as messages and tables show it.
pub(crate) fn reference_text(reference: &GitReference) -> String {
    match reference {
        GitReference::Default => "default branch".to_owned(),
        GitReference::Rev(rev) => format!("rev {rev}"),
        GitReference::Tag(tag) => format!("tag {tag}"),
        GitReference::Branch(branch) => format!("branch {branch}"),
    }
}
