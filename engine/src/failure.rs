//! What can go wrong on a machine: typed, with a stable code and a way out.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use stead_catalog::PlanError;

/// What helps where the user that does the work may not.
pub(crate) const PERMISSION_HINT: &str = "run as root (--become with --on), or leave this resource out with --except";

/// Why something could not be looked at.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ObserveError {
    /// Known only after something else is applied. Not a failure: the planner shows it as such.
    #[error("known after {because}")]
    Unknown {
        /// What has to be applied first, in words.
        because: Arc<str>,
    },
    /// This user may not look.
    #[error("no permission to read {what}")]
    Permission {
        /// What: a path, `the shadow database`.
        what: String,
    },
    /// The operating system refused.
    #[error("cannot read {path}: {message}")]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's words.
        message: String,
    },
    /// A symlink on the way that neither root nor this user planted.
    #[error("{path} is a symlink that belongs to user {owner}, who is neither root nor you")]
    UntrustedSymlink {
        /// The symlink.
        path: PathBuf,
        /// Its owner's id.
        owner: u32,
    },
    /// The path is something else than the resource can handle.
    #[error("{path} is {found}, expected {expected}")]
    WrongKind {
        /// The path.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// A part of the system that has to be asked is not there or does not answer.
    #[error("{service}: {message}")]
    Unavailable {
        /// Which part: `systemd`, `apt`, `the package database`.
        service: &'static str,
        /// What it said.
        message: String,
    },
    /// What is wished cannot be met on this machine.
    #[error("{message}")]
    Impossible {
        /// Stable code, such as `unknown-package`.
        code: &'static str,
        /// What is wrong.
        message: String,
        /// The way out.
        hint: String,
    },
}

impl From<&ObserveError> for PlanError {
    fn from(error: &ObserveError) -> Self {
        Self { code: error.code().into(), message: error.to_string().into(), hint: error.hint().map(Arc::from) }
    }
}

impl ObserveError {
    /// Makes an I/O error about a path; a missing permission gets its own kind.
    pub fn io(path: impl Into<PathBuf>, error: &io::Error) -> Self {
        let path = path.into();
        if error.kind() == io::ErrorKind::PermissionDenied {
            Self::Permission { what: path.display().to_string() }
        } else {
            Self::Io { path, message: error.to_string() }
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Permission { .. } => "permission-denied",
            Self::Unknown { .. } | Self::Io { .. } => "read-failed",
            Self::UntrustedSymlink { .. } => "untrusted-symlink",
            Self::WrongKind { .. } => "wrong-kind",
            Self::Unavailable { .. } => "service-unavailable",
            Self::Impossible { code, .. } => code,
        }
    }

    /// The way out, where there is a general one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Permission { .. } => Some(PERMISSION_HINT.into()),
            Self::UntrustedSymlink { path, .. } => {
                Some(format!("look at who planted {} and remove it, or name the path it points to", path.display()))
            }
            Self::WrongKind { path, .. } => Some(format!("move {} away, or name another path", path.display())),
            Self::Io { .. } => Some("try it by hand: the reason is the system's own".into()),
            Self::Impossible { hint, .. } => Some(hint.clone()),
            Self::Unavailable { service: "systemd", .. } => {
                Some("services need a system that systemd has booted; leave them out with --except service, or name a tree with --root".into())
            }
            Self::Unavailable { service: "apt" | "the package database", .. } => {
                Some("packages are managed by apt and dpkg; leave them out with --except package".into())
            }
            _ => None,
        }
    }
}

/// Why a change failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApplyError {
    /// Looking again failed.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The operating system refused to write.
    #[error("cannot {operation} {path}: {message}")]
    Io {
        /// What was tried: `write`, `rename`, `create the directory`.
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's words.
        message: String,
        /// Stable code: `write-failed`, `disk-full`, `read-only-file-system`, `permission-denied`.
        code: &'static str,
    },
    /// A command ended with a failure.
    #[error("`{command}` ended with {status}")]
    Command {
        /// The command, without secrets.
        command: String,
        /// `exit status 1`, `signal 9`.
        status: String,
        /// The last lines it wrote, without secrets.
        output: String,
    },
    /// A command could not be started.
    #[error("`{command}` could not be started: {reason}")]
    NotStarted {
        /// The command, without secrets.
        command: String,
        /// What the system said.
        reason: String,
    },
    /// A command took longer than it may.
    #[error("`{command}` took longer than {} s", .limit.as_secs_f64())]
    Timeout {
        /// The command.
        command: String,
        /// The limit.
        limit: Duration,
    },
    /// A file's new content was refused by its validation command; the old one stays.
    #[error("the new content of {path} was refused by `{command}`")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The validation command.
        command: String,
        /// What it said.
        output: String,
    },
    /// The machine is not as it was when the plan was made.
    #[error("the machine has changed since the plan was made: {what}")]
    Moved {
        /// What differs.
        what: String,
    },
    /// The change was made, and looking again shows a difference.
    #[error("not converged: {what}")]
    NotConverged {
        /// What still differs.
        what: String,
        /// The way out, where the resource's type knows one.
        way_out: Option<String>,
    },
    /// A part of the system failed to do what it was asked.
    #[error("{service}: {message}")]
    Service {
        /// Which part: `systemd`, `apt`, `useradd`.
        service: &'static str,
        /// What it said.
        message: String,
    },
    /// The run was cancelled before this change began.
    #[error("cancelled")]
    Cancelled,
    /// The journal could not be written: nothing is changed without it.
    #[error("the journal cannot be written: {message}")]
    Journal {
        /// What went wrong.
        message: String,
    },
}

impl ApplyError {
    /// Makes an I/O error with the code that fits it.
    pub fn io(operation: &'static str, path: impl Into<PathBuf>, error: &io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "disk-full",
            io::ErrorKind::ReadOnlyFilesystem => "read-only-file-system",
            io::ErrorKind::PermissionDenied => "permission-denied",
            _ => "write-failed",
        };
        Self::Io { operation, path: path.into(), message: error.to_string(), code }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Observe(error) => error.code(),
            Self::Io { code, .. } => code,
            Self::Command { .. } | Self::NotStarted { .. } => "command-failed",
            Self::Timeout { .. } => "timed-out",
            Self::Invalid { .. } => "validation-failed",
            Self::Moved { .. } => "machine-changed",
            Self::NotConverged { .. } => "not-converged",
            Self::Service { .. } => "service-failed",
            Self::Cancelled => "cancelled",
            Self::Journal { .. } => "journal-failed",
        }
    }

    /// The way out, where there is a general one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Observe(error) => error.hint(),
            Self::Io { code: "disk-full", .. } => Some("free some space; the old content is untouched".into()),
            Self::Io { code: "hard-linked", .. } => {
                Some("find its other names with `find / -xdev -samefile PATH`, and remove the one that should not be".into())
            }
            Self::Io { code: "permission-denied", .. } => Some(PERMISSION_HINT.into()),
            Self::Command { output, .. } | Self::Invalid { output, .. } if !output.is_empty() => {
                Some(format!("it wrote:\n{output}"))
            }
            Self::NotStarted { .. } => {
                Some("check the path, and that the file may be run; require the package that brings it".into())
            }
            Self::NotConverged { way_out: Some(way_out), .. } => Some(way_out.clone()),
            Self::NotConverged { .. } => {
                Some("something else writes it, or the machine cannot keep it so: compare with the plan".into())
            }
            Self::Io { code: "mount-point", .. } => Some("unmount it first, or leave the directory".into()),
            Self::Io { code: "read-only-file-system", .. } => {
                Some("mount it writable; the kernel's messages tell whether it was found damaged: dmesg".into())
            }
            Self::Io { code: "directory-not-empty", .. } => {
                Some("move away what somebody has put there, or undo with --force, which keeps it in the journal".into())
            }
            Self::Io { code: "write-failed", .. } => Some("try it by hand: the reason is the system's own".into()),
            Self::Moved { .. } => Some("plan again, and look at what changed".into()),
            Self::Service { .. } => Some("the system's journal may tell more: journalctl -n 50 --no-pager".into()),
            Self::Journal { .. } => {
                Some("free some space where the state directory lies, or name another with --state-dir".into())
            }
            Self::Timeout { .. } => Some("raise `timeout` on the resource if it needs longer".into()),
            _ => None,
        }
    }
}
