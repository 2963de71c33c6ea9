//! What can go wrong on the way to a machine, and with the worker there.

use crate::frames::FrameError;

/// A failure that the worker tells, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// The way out, where one is known.
    pub hint: Option<String>,
}

/// What ssh, or what runs at its other end, has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SshProblem {
    /// There is no ssh here.
    Missing,
    /// The name leads nowhere.
    UnknownHost,
    /// Nobody answers.
    Unreachable,
    /// The host has another key than the one that is known.
    HostKeyChanged,
    /// The host's key is not known yet.
    HostKeyUnknown,
    /// No key was accepted.
    Refused,
    /// Something else.
    Other,
    /// There is no sudo on the host.
    SudoMissing,
    /// The user may not become who is asked for.
    SudoRefused,
    /// sudo wants a password, and none was given.
    SudoPasswordNeeded,
    /// sudo does not take the password.
    SudoPasswordWrong,
    /// The host has an architecture that there is no worker for.
    OtherArchitecture,
    /// The worker cannot be stored on the host.
    NotStored,
    /// The worker does not start.
    NotStarted,
    /// The host's C library is not one that the worker can use.
    Libc,
    /// Something came, but no worker.
    Silent,
    /// The worker is of another version.
    Version,
    /// The file of the worker cannot be used.
    Binary,
    /// It is there, and takes too long.
    TooSlow,
    /// The command was ended before it had answered.
    GivenUp,
    /// Nobody can be called like the user that the work is to be done as.
    UserName,
}

/// Why a machine cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It cannot be reached, or the worker cannot be started there.
    #[error("{message}")]
    Connect {
        /// What kind of failure.
        problem: SshProblem,
        /// What happened, in one line.
        message: String,
        /// The way out.
        hint: String,
    },
    /// The connection broke.
    #[error("the connection broke{}", .run.map(|run| format!(" in the middle of run {run}")).unwrap_or_default())]
    Lost {
        /// The run that was going on, by its number on the machine.
        run: Option<i64>,
    },
    /// The worker said something that makes no sense.
    #[error("what the worker says makes no sense: {0}")]
    Garbled(FrameError),
    /// The worker cannot do what it was asked.
    #[error("{}", .0.message)]
    Refused(Refusal),
}

impl From<FrameError> for RemoteError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Closed | FrameError::Io(_) => Self::Lost { run: None },
            other => Self::Garbled(other),
        }
    }
}

impl RemoteError {
    pub(crate) fn connect(problem: SshProblem, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Connect { problem, message: message.into(), hint: hint.into() }
    }

    pub(crate) fn given_up() -> Self {
        Self::connect(SshProblem::GivenUp, "it had not answered when the command was ended", "")
    }

    pub(crate) fn too_slow(limit: std::time::Duration) -> Self {
        let message = format!(
            "it is there, and has not answered within {}",
            stead_catalog::Value::Duration(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX))
        );
        Self::connect(SshProblem::TooSlow, message, "look what it is busy with; --host-timeout gives it longer")
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        match self {
            Self::Connect { problem, .. } => problem.code(),
            Self::Lost { .. } => "connection-lost",
            Self::Garbled(_) => "worker-garbled",
            Self::Refused(refusal) => &refusal.code,
        }
    }

    /// The way out, where one is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Connect { hint, .. } => Some(hint.clone()).filter(|hint| !hint.is_empty()),
            Self::Lost { run: Some(_) } => {
                Some("the change in hand was finished and the rest left; apply again, and it goes on from there".into())
            }
            Self::Lost { run: None } => Some("try again; nothing was changed by this".into()),
            Self::Garbled(_) => Some("does something write to the host's standard output besides the worker?".into()),
            Self::Refused(refusal) => refusal.hint.clone(),
        }
    }

    /// Says whether nothing was begun, so that trying again may help.
    pub fn is_worth_a_try(&self) -> bool {
        matches!(self, Self::Connect { problem: SshProblem::Unreachable, .. })
    }
}

impl SshProblem {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "ssh-missing",
            Self::UnknownHost => "host-unknown",
            Self::Unreachable => "host-unreachable",
            Self::HostKeyChanged => "host-key-changed",
            Self::HostKeyUnknown => "host-key-unknown",
            Self::Refused => "ssh-refused",
            Self::Other => "ssh-failed",
            Self::SudoMissing => "sudo-missing",
            Self::SudoRefused => "sudo-refused",
            Self::SudoPasswordNeeded => "sudo-password-needed",
            Self::SudoPasswordWrong => "sudo-password-wrong",
            Self::OtherArchitecture => "other-architecture",
            Self::NotStored => "worker-not-stored",
            Self::NotStarted => "worker-not-started",
            Self::Libc => "worker-libc",
            Self::Silent => "worker-silent",
            Self::Version => "worker-version",
            Self::Binary => "worker-binary-unusable",
            Self::TooSlow => "host-too-slow",
            Self::GivenUp => "host-given-up",
            Self::UserName => "become-invalid",
        }
    }
}
