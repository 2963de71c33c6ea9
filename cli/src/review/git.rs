//! The repository that a project lies in, asked by the user's own `git`.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::dependencies::git::{Ended, Git, plain};

/// Why two revisions cannot be compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReviewError {
    /// There is no `git`.
    #[error("revisions are read by `git`, and there is none")]
    NoGit,
    /// `git` could not be started.
    #[error("`git` cannot be started: {0}")]
    NotStarted(io::Error),
    /// The project is in no repository.
    #[error("{} is in no git repository: {said}", path.display())]
    NoRepository {
        /// The project.
        path: PathBuf,
        /// What git said.
        said: String,
    },
    /// No such commit, tag or branch.
    #[error("the repository has no revision `{0}`")]
    NoRevision(String),
    /// Not of the form `BASE..HEAD`.
    #[error("`{0}` does not name two revisions")]
    NotARange(String),
    /// The files of a revision could not be had.
    #[error("cannot read the files of {revision}: {said}")]
    Checkout {
        /// The revision.
        revision: String,
        /// What went wrong.
        said: String,
    },
}

impl ReviewError {
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoGit | Self::NotStarted(_) => "git-missing",
            Self::NoRepository { .. } => "no-repository",
            Self::NoRevision(_) | Self::NotARange(_) => "no-such-revision",
            Self::Checkout { .. } => "revision-unreadable",
        }
    }

    /// The way out.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoGit => "install git, such as with `apt install git`".into(),
            Self::NotStarted(_) => return None,
            Self::NoRepository { .. } => "a review compares revisions of a repository: run it in a clone of one".into(),
            Self::NoRevision(_) => {
                "`git log` shows what there is; a shallow clone may lack it: `git fetch --depth 50 origin BASE`, or fetch all"
                    .into()
            }
            Self::NotARange(_) => {
                "write `main..topic`; `main...topic` is from where they parted, `main` alone is against your files".into()
            }
            Self::Checkout { .. } => "look whether `git checkout` of it works by hand".into(),
        })
    }
}

fn started(error: io::Error) -> ReviewError {
    if error.kind() == io::ErrorKind::NotFound { ReviewError::NoGit } else { ReviewError::NotStarted(error) }
}

/// The repository of a project.
#[derive(Debug)]
pub(crate) struct Repository {
    directory: PathBuf,
    /// Where the project lies in it: empty at its root, else with a `/` at the end.
    pub(crate) prefix: String,
}

impl Repository {
    /// Finds the repository that `project` lies in.
    ///
    /// # Errors
    /// [`ReviewError::NoRepository`] where there is none.
    pub(crate) fn of(project: &Path) -> Result<Self, ReviewError> {
        let arguments: Vec<&OsStr> = [
            OsStr::new("-C"),
            project.as_os_str(),
            OsStr::new("rev-parse"),
            OsStr::new("--absolute-git-dir"),
            OsStr::new("--show-prefix"),
        ]
        .into();
        match plain(&arguments).map_err(started)? {
            Ended::Well(text) => {
                let mut lines = text.lines();
                let directory = PathBuf::from(lines.next().unwrap_or_default());
                Ok(Self { directory, prefix: lines.next().unwrap_or_default().to_owned() })
            }
            Ended::Badly(said) => Err(ReviewError::NoRepository { path: project.to_owned(), said }),
        }
    }

    fn run(&self, arguments: &[&OsStr], variables: &[(&str, &OsStr)]) -> Result<Ended, ReviewError> {
        Git { repository: &self.directory }.run_with(arguments, variables).map_err(started)
    }

    /// The commit that a revision names.
    ///
    /// # Errors
    /// [`ReviewError::NoRevision`].
    pub(crate) fn commit(&self, revision: &str) -> Result<String, ReviewError> {
        let full = format!("{revision}^{{commit}}");
        match self.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &full].map(OsStr::new), &[])? {
            Ended::Well(hash) => Ok(hash.trim().to_owned()),
            Ended::Badly(_) => Err(ReviewError::NoRevision(revision.to_owned())),
        }
    }

    /// The commit where two revisions parted.
    ///
    /// # Errors
    /// [`ReviewError::NoRevision`] where they have nothing in common.
    pub(crate) fn merge_base(&self, one: &str, other: &str) -> Result<String, ReviewError> {
        let (first, second) = (self.commit(one)?, self.commit(other)?);
        match self.run(&["merge-base", &first, &second].map(OsStr::new), &[])? {
            Ended::Well(hash) => Ok(hash.trim().to_owned()),
            Ended::Badly(_) => Err(ReviewError::NoRevision(format!("{one}...{other}"))),
        }
    }

    /// Writes the project's files as they were in a commit below `into`, and returns the project's directory there. The user's
    /// own files and index stay as they are.
    ///
    /// # Errors
    /// [`ReviewError::Checkout`].
    pub(crate) fn check_out(&self, revision: &str, commit: &str, into: &Path) -> Result<PathBuf, ReviewError> {
        let failed = |said: String| ReviewError::Checkout { revision: revision.to_owned(), said };
        let project = into.join("files").join(&self.prefix);
        std::fs::create_dir_all(&project).map_err(|error| failed(error.to_string()))?;
        let place = format!("{commit}:{}", self.prefix.trim_end_matches('/'));
        if matches!(self.run(&["cat-file", "-e", &place].map(OsStr::new), &[])?, Ended::Badly(_)) {
            // The project was not there yet.
            return Ok(project);
        }
        let files = into.join("files");
        let index = into.join("index");
        let pathspec = if self.prefix.is_empty() { ".".to_owned() } else { format!(":(top,literal){}", self.prefix) };
        let mut arguments: Vec<&OsStr> =
            ["-c", "core.autocrlf=false", "-c", "advice.detachedHead=false", "--work-tree"].map(OsStr::new).to_vec();
        arguments.push(files.as_os_str());
        arguments.extend(["checkout", "--quiet", "--force", commit, "--", &pathspec].map(OsStr::new));
        match self.run(&arguments, &[("GIT_INDEX_FILE", index.as_os_str())])? {
            Ended::Well(_) => Ok(project),
            // A tree without any file has nothing to check out.
            Ended::Badly(said) if said.contains("did not match any") => Ok(project),
            Ended::Badly(said) => Err(failed(said)),
        }
    }
}
