//! Why a dependency cannot be had.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a dependency cannot be had. Texts of git are shown as it gave them, without passwords.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DependencyError {
    /// There is no `git`.
    #[error("the dependency `{name}` is fetched by `git`, and there is none")]
    NoGit {
        /// The dependency.
        name: Arc<str>,
    },
    /// `git` could not be started.
    #[error("`git` cannot be started: {0}")]
    GitFailed(io::Error),
    /// The repository was not reached, or there is none.
    #[error("cannot fetch the dependency `{name}` from {}{}", masked(url), said(text))]
    Unreachable {
        /// The dependency.
        name: Arc<str>,
        /// The repository.
        url: Arc<str>,
        /// What git says.
        text: String,
    },
    /// The repository has no such tag, branch or commit.
    #[error("the dependency `{name}` has no {reference} at {}", masked(url))]
    UnknownRevision {
        /// The dependency.
        name: Arc<str>,
        /// The repository.
        url: Arc<str>,
        /// What is not there, in words.
        reference: String,
        /// One that is written alike.
        closest: Option<String>,
    },
    /// A commit that the lock pins is not in the repository any more.
    #[error("{commit}, which stead.lock pins `{name}` to, is not at {} any more", masked(url))]
    LostCommit {
        /// The dependency.
        name: Arc<str>,
        /// The repository.
        url: Arc<str>,
        /// The commit.
        commit: Arc<str>,
    },
    /// What names a tag, a branch or a commit cannot be one.
    #[error("`{text}` cannot be {what} of the dependency `{name}`")]
    BadReference {
        /// The dependency.
        name: Arc<str>,
        /// As it is written.
        text: Arc<str>,
        /// `a tag`, `a branch`, `a commit`.
        what: &'static str,
    },
    /// A URL that means something else in every directory.
    #[error("the URL `{url}` of the dependency `{name}` is a relative path")]
    RelativeUrl {
        /// The dependency.
        name: Arc<str>,
        /// As it is written.
        url: Arc<str>,
    },
    /// The lock does not pin what `stead.toml` asks for.
    #[error("stead.lock {} `{name}`", if *is_changed { "pins another source of" } else { "does not pin" })]
    OutOfDate {
        /// The dependency.
        name: Arc<str>,
        /// The lock has one of that name.
        is_changed: bool,
    },
    /// The lock cannot be read.
    #[error("cannot use {}: {text}", path.display())]
    LockUnreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        text: String,
    },
    /// The network is not to be used and the dependency is not in the cache.
    #[error("the dependency `{name}` was not fetched yet, and nothing is fetched offline")]
    Offline {
        /// The dependency.
        name: Arc<str>,
    },
    /// Two projects mean different things by one name.
    #[error("{} and {} mean different repositories by `{name}`", asker(first), asker(second))]
    Conflict {
        /// The name.
        name: Arc<str>,
        /// Who named it first.
        first: Arc<str>,
        /// Who named it otherwise.
        second: Arc<str>,
    },
    /// A dependency names a directory outside of itself.
    #[error("the dependency `{name}` of `{by}` lies outside of `{by}`: {path}")]
    Escapes {
        /// The dependency.
        name: Arc<str>,
        /// Who names it.
        by: Arc<str>,
        /// The directory.
        path: Arc<str>,
    },
    /// No dependency of that name.
    #[error("there is no dependency `{name}`")]
    Unknown {
        /// As it was given.
        name: String,
        /// One that is written alike.
        closest: Option<String>,
    },
    /// The cache cannot be used.
    #[error("cannot use the cache {}: {source}", path.display())]
    Cache {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The files of a commit could not be written to the cache.
    #[error("cannot check out the dependency `{name}`{}", said(text))]
    Checkout {
        /// The dependency.
        name: Arc<str>,
        /// What git says.
        text: String,
    },
}

impl DependencyError {
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoGit { .. } | Self::GitFailed(_) => "git-missing",
            Self::Unreachable { .. } => "dependency-unreachable",
            Self::UnknownRevision { .. } | Self::LostCommit { .. } | Self::BadReference { .. } => "unknown-revision",
            Self::RelativeUrl { .. } | Self::Escapes { .. } => "invalid-dependency",
            Self::OutOfDate { .. } => "lock-out-of-date",
            Self::LockUnreadable { .. } => "lock-unreadable",
            Self::Offline { .. } => "dependency-offline",
            Self::Conflict { .. } => "conflicting-dependencies",
            Self::Unknown { .. } => "unknown-dependency",
            Self::Cache { .. } | Self::Checkout { .. } => "cache-unusable",
        }
    }

    /// The way out.
    pub(crate) fn hint(&self) -> Option<String> {
        let meant = |closest: &Option<String>| closest.as_ref().map(|name| format!("did you mean `{name}`?"));
        Some(match self {
            Self::NoGit { .. } => "install git, such as with `apt install git`".into(),
            Self::GitFailed(_) => return None,
            Self::Unreachable { .. } => "look at the URL in stead.toml, and whether `git fetch` of it works by hand".into(),
            Self::UnknownRevision { closest, .. } => {
                return meant(closest).or_else(|| Some("look at what `git ls-remote` shows of the repository".into()));
            }
            Self::LostCommit { .. } => "pin a commit that is there with `stead deps update`".into(),
            Self::BadReference { what: "a commit", .. } => "a `rev` is the hash of a commit, or its first 7 digits or more; there are `tag` and `branch` as well".into(),
            Self::BadReference { .. } => "write it as git shows it, without `refs/`".into(),
            Self::RelativeUrl { .. } => "write where it is for everybody: `https://…`, `ssh://…`, `user@host:path` or `file:///…`; a directory of the project is a `path`".into(),
            Self::OutOfDate { .. } => "`stead deps fetch` pins it and leaves the others as they are".into(),
            Self::LockUnreadable { .. } => "take it back from version control, or remove it and run `stead deps fetch`".into(),
            Self::Offline { .. } => "run `stead deps fetch` once with the network".into(),
            Self::Conflict { .. } => "let both name the same URL and the same tag, branch or rev, or give one of them another name".into(),
            Self::Escapes { .. } => "a dependency's own directories lie inside its repository".into(),
            Self::Unknown { closest, .. } => return meant(closest).or_else(|| Some("`stead deps list` lists them".into())),
            Self::Cache { .. } | Self::Checkout { .. } => "STEAD_CACHE_DIR names another directory for it".into(),
        })
    }
}

fn said(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn asker(name: &str) -> String {
    if name == "stead.toml" { "the project".to_owned() } else { format!("the dependency `{name}`") }
}

/// A URL without the password or token in it.
pub(crate) fn masked(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else { return Cow::Borrowed(url) };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((user, host)) if scheme != "ssh" || user.contains(':') => {
            let path = &rest[authority.len()..];
            let user = user.split_once(':').map_or("", |(user, _)| user);
            Cow::Owned(format!("{scheme}://{user}{}***@{host}{path}", if user.is_empty() { "" } else { ":" }))
        }
        _ => Cow::Borrowed(url),
    }
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn passwords_of_urls_are_not_shown() {
        let check = |url: &str, expected: &str| assert_eq!(masked(url), expected);
        check("https://a.example/x.git", "https://a.example/x.git");
        check("https://me:secret@a.example/x.git", "https://me:***@a.example/x.git");
        check("https://token@a.example/x@y.git", "https://***@a.example/x@y.git");
        check("ssh://git@a.example/x.git", "ssh://git@a.example/x.git");
        check("ssh://git:secret@a.example/x.git", "ssh://git:***@a.example/x.git");
        check("git@a.example:x.git", "git@a.example:x.git");
        check("file:///srv/a@b/x", "file:///srv/a@b/x");
    }
}
