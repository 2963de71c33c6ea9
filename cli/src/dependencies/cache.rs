//! The cache of repositories, and of the files of the commits that projects are pinned to.
//!
//! `repositories/HASH-OF-URL.git` is a bare copy, `trees/HASH-OF-URL-COMMIT` the files of one commit. A tree is made beside its
//! place and renamed into it, so that one that is there is whole; it is never changed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FlockOperation;
use stead_compiler::config::GitReference;

use super::git::{Ended, Git};
use super::{DependencyError, masked, reference_text};

/// The cache of this user.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
    is_offline: bool,
}

impl Cache {
    /// The cache that the environment names.
    pub(crate) fn of_user(is_offline: bool) -> Self {
        Self { directory: home().join("git"), is_offline }
    }

    /// Returns the commit that a repository has at `reference` now.
    ///
    /// # Errors
    ///
    /// Where it cannot be reached, or has nothing of that name.
    pub(crate) fn resolve(&self, name: &Arc<str>, url: &Arc<str>, reference: &GitReference) -> Result<Arc<str>, DependencyError> {
        check_url(name, url)?;
        let revision = revision(name, reference)?;
        let repository = self.repository(name, url)?;
        repository.fetch(name, url, *reference == GitReference::Default)?;
        match repository.commit(name, &revision)? {
            Some(commit) => Ok(commit),
            None => Err(DependencyError::UnknownRevision {
                name: name.clone(),
                url: url.clone(),
                reference: reference_text(reference),
                closest: repository.closest(reference),
            }),
        }
    }

    /// Returns the directory with the files of a commit; fetches them where they are not there.
    ///
    /// # Errors
    ///
    /// Where they are not there and cannot be had.
    pub(crate) fn tree(&self, name: &Arc<str>, url: &Arc<str>, commit: &Arc<str>) -> Result<PathBuf, DependencyError> {
        let tree = self.tree_path(url, commit);
        if tree.is_dir() {
            return Ok(tree);
        }
        check_url(name, url)?;
        let repository = self.repository(name, url)?;
        if repository.commit(name, commit)?.is_none() {
            repository.fetch(name, url, false)?;
            if repository.commit(name, commit)?.is_none() && !repository.fetch_commit(name, url, commit)? {
                return Err(DependencyError::LostCommit { name: name.clone(), url: url.clone(), commit: commit.clone() });
            }
        }
        repository.check_out(name, commit, &tree)?;
        Ok(tree)
    }

    /// Says whether the files of a commit are there.
    pub(crate) fn has_tree(&self, url: &str, commit: &str) -> bool {
        self.tree_path(url, commit).is_dir()
    }

    fn tree_path(&self, url: &str, commit: &str) -> PathBuf {
        self.directory.join("trees").join(format!("{}-{commit}", key(url)))
    }

    /// Opens the copy of a repository, which nobody else changes meanwhile.
    fn repository(&self, name: &Arc<str>, url: &str) -> Result<Repository, DependencyError> {
        let unusable = |path: &Path, source| DependencyError::Cache { path: path.to_owned(), source };
        let folder = self.directory.join("repositories");
        for directory in [&folder, &self.directory.join("trees")] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.map_err(|source| unusable(directory, source))?;
        }
        let lock = folder.join(format!("{}.lock", key(url)));
        let file = File::options().create(true).append(true).open(&lock).map_err(|source| unusable(&lock, source))?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive).map_err(|source| unusable(&lock, source.into()))?;
        let path = folder.join(format!("{}.git", key(url)));
        let repository = Repository { path, is_offline: self.is_offline, _lock: file };
        if !repository.path.join("HEAD").is_file() {
            let said = repository.run(name, &["init".as_ref(), "--bare".as_ref(), "--quiet".as_ref()])?;
            if let Ended::Badly(text) = said {
                return Err(unusable(&repository.path, io::Error::other(text)));
            }
        }
        Ok(repository)
    }
}

/// A bare copy of a repository.
struct Repository {
    path: PathBuf,
    is_offline: bool,
    /// Held while the copy may be changed.
    _lock: File,
}

impl Repository {
    fn run(&self, name: &Arc<str>, arguments: &[&OsStr]) -> Result<Ended, DependencyError> {
        Git { repository: &self.path }.run(arguments).map_err(|error| not_started(name, error))
    }

    /// Fetches every branch and tag, and what the default branch is.
    fn fetch(&self, name: &Arc<str>, url: &Arc<str>, with_default: bool) -> Result<(), DependencyError> {
        if self.is_offline {
            return Err(DependencyError::Offline { name: name.clone() });
        }
        let mut arguments: Vec<&OsStr> =
            ["fetch", "--quiet", "--prune", "--force", "--no-tags", "--no-recurse-submodules", "--", url]
                .map(OsStr::new)
                .to_vec();
        arguments.extend(["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"].map(OsStr::new));
        if with_default {
            arguments.push(OsStr::new("+HEAD:refs/stead/default"));
        }
        match self.run(name, &arguments)? {
            Ended::Well(_) => Ok(()),
            Ended::Badly(text) => {
                let text = text.replace(&**url, &masked(url));
                Err(DependencyError::Unreachable { name: name.clone(), url: url.clone(), text })
            }
        }
    }

    /// Fetches one commit by its hash, which no branch may lead to any more. Says whether it was there.
    fn fetch_commit(&self, name: &Arc<str>, url: &Arc<str>, commit: &str) -> Result<bool, DependencyError> {
        let refspec = format!("+{commit}:refs/stead/{commit}");
        let arguments = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--", url, &refspec].map(OsStr::new);
        Ok(matches!(self.run(name, &arguments)?, Ended::Well(_)))
    }

    /// Returns the full hash of the commit that `revision` names.
    fn commit(&self, name: &Arc<str>, revision: &str) -> Result<Option<Arc<str>>, DependencyError> {
        let revision = format!("{revision}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &revision].map(OsStr::new);
        Ok(match self.run(name, &arguments)? {
            Ended::Well(hash) => Some(hash.trim().into()),
            Ended::Badly(_) => None,
        })
    }

    /// A tag or a branch that is written like the one that is not there.
    fn closest(&self, reference: &GitReference) -> Option<String> {
        let (wanted, folder, depth) = match reference {
            GitReference::Tag(tag) => (tag, "refs/tags/", 2),
            GitReference::Branch(branch) => (branch, "refs/remotes/origin/", 3),
            GitReference::Default | GitReference::Rev(_) => return None,
        };
        let format = format!("--format=%(refname:lstrip={depth})");
        let listed = Git { repository: &self.path }.run(&["for-each-ref", &format, folder].map(OsStr::new));
        match listed {
            Ok(Ended::Well(names)) => stead_catalog::closest(wanted, names.lines()).map(str::to_owned),
            _ => None,
        }
    }

    /// Writes the files of a commit to `tree`, whole or not at all.
    fn check_out(&self, name: &Arc<str>, commit: &str, tree: &Path) -> Result<(), DependencyError> {
        let unusable = |path: &Path, source| DependencyError::Cache { path: path.to_owned(), source };
        let temporary = tree.with_extension("part");
        // What a run that was killed has left; nobody else makes it while the lock is held.
        match fs::remove_dir_all(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(&temporary, error)),
            _ => {}
        }
        fs::DirBuilder::new().mode(0o700).create(&temporary).map_err(|source| unusable(&temporary, source))?;
        let index = self.path.join("stead.index");
        for stale in [&index, &index.with_extension("index.lock")] {
            let _ = fs::remove_file(stale);
        }
        let mut arguments: Vec<&OsStr> = ["-c", "core.autocrlf=false", "--work-tree"].map(OsStr::new).to_vec();
        arguments.push(temporary.as_os_str());
        arguments.extend(["checkout", "--quiet", "--force", commit, "--", "."].map(OsStr::new));
        let variables = [("GIT_INDEX_FILE", index.as_os_str())];
        let said = Git { repository: &self.path }.run_with(&arguments, &variables).map_err(|error| not_started(name, error))?;
        let _ = fs::remove_file(&index);
        match said {
            Ended::Well(_) => fs::rename(&temporary, tree).map_err(|source| unusable(tree, source)),
            Ended::Badly(text) => {
                let _ = fs::remove_dir_all(&temporary);
                Err(DependencyError::Checkout { name: name.clone(), text })
            }
        }
    }
}

fn not_started(name: &Arc<str>, error: io::Error) -> DependencyError {
    match error.kind() {
        io::ErrorKind::NotFound => DependencyError::NoGit { name: name.clone() },
        _ => DependencyError::GitFailed(error),
    }
}

/// A URL that means the same in every directory: a scheme, `host:path`, or an absolute path.
fn check_url(name: &Arc<str>, url: &Arc<str>) -> Result<(), DependencyError> {
    let is_remote = url.split('/').next().is_some_and(|first| first.contains(':'));
    if is_remote || url.starts_with('/') {
        Ok(())
    } else {
        Err(DependencyError::RelativeUrl { name: name.clone(), url: url.clone() })
    }
}

/// How git names what a reference stands for.
fn revision(name: &Arc<str>, reference: &GitReference) -> Result<String, DependencyError> {
    let bad = |text: &Arc<str>, what| DependencyError::BadReference { name: name.clone(), text: text.clone(), what };
    match reference {
        GitReference::Default => Ok("refs/stead/default".to_owned()),
        GitReference::Tag(tag) if is_ref_name(tag) => Ok(format!("refs/tags/{tag}")),
        GitReference::Tag(tag) => Err(bad(tag, "a tag")),
        GitReference::Branch(branch) if is_ref_name(branch) => Ok(format!("refs/remotes/origin/{branch}")),
        GitReference::Branch(branch) => Err(bad(branch, "a branch")),
        GitReference::Rev(rev) if (7..=64).contains(&rev.len()) && rev.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(rev.to_lowercase())
        }
        GitReference::Rev(rev) => Err(bad(rev, "a commit")),
    }
}

/// What `git check-ref-format` takes for the name of a tag or a branch; nothing in it has another meaning in a revision.
fn is_ref_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte > b' ' && byte != 0x7f && !b"~^:?*[\\".contains(&byte);
    !name.is_empty()
        && name.bytes().all(is_plain)
        && !name.contains("..")
        && !name.contains("@{")
        && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
        && !name.ends_with('.')
}

/// A URL as the name of a file.
fn key(url: &str) -> String {
    blake3::hash(url.as_bytes()).to_hex()[..16].to_owned()
}

/// Where what can be had again is kept: as the environment says, else in the cache of the user or of the system.
pub(crate) fn home() -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(directory) = std::env::var_os("STEAD_CACHE_DIR").filter(|directory| !directory.is_empty()) {
        let directory = PathBuf::from(directory);
        return std::path::absolute(&directory).unwrap_or(directory);
    }
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    match cache {
        Some(cache) => cache.join("stead"),
        None if rustix::process::geteuid().is_root() => PathBuf::from("/var/cache/stead"),
        None => PathBuf::from("/var/tmp").join(format!("stead-cache-{}", rustix::process::geteuid().as_raw())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_else_to_git_are_refused() {
        for good in ["v1.2", "main", "feature/x", "-x", "v1@2"] {
            assert!(is_ref_name(good), "{good}");
        }
        for bad in
            ["", "v1^", "v1~3", "a..b", "main:file", "a b", "@{1}", "a//b", "/a", ".a", "a/.b", "x.lock", "a.", "a\nb", "a\\b"]
        {
            assert!(!is_ref_name(bad), "{bad}");
        }
        let rev = |rev: &str| revision(&"x".into(), &GitReference::Rev(rev.into())).ok();
        assert_eq!(rev("0123ABC").as_deref(), Some("0123abc"));
        for bad in ["HEAD", "012345", "main", "0123abg", "--all", ""] {
            assert_eq!(rev(bad), None, "{bad}");
        }
    }

    #[test]
    fn urls_that_depend_on_the_directory_are_refused() {
        let is_ok = |url: &str| check_url(&"x".into(), &url.into()).is_ok();
        assert!(["https://a/b", "file:///a", "git@host:a/b", "/srv/a.git", "host:a"].into_iter().all(is_ok));
        assert!(!["../a", "./a", "a/b:c", "a", ""].into_iter().any(is_ok));
    }
}
