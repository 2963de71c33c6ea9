//! What can go wrong on the command line itself: typed, with a stable code and a way out.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The reader of our output is gone: `stead plan | head`.
    #[error("the reader of the output is gone")]
    BrokenPipe,
    /// Output could not be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// Mistakes in the source were shown already.
    #[error("")]
    Diagnosed,
    /// Nothing at the path.
    #[error("there is nothing at {}", .0.display())]
    NoSuchPath(PathBuf),
    /// A directory without stead.toml.
    #[error("{} is not a project: it has no stead.toml", path.display())]
    NotAProject {
        /// The directory.
        path: PathBuf,
        /// What is meant most likely.
        suggestion: Option<String>,
    },
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The facts cannot be used.
    #[error("{0}")]
    Facts(#[from] stead_engine::facts::FactsError),
    /// A dependency cannot be had.
    #[error("{0}")]
    Dependency(#[from] crate::dependencies::DependencyError),
    /// The machine, or the tree, cannot be looked at.
    #[error("{0}")]
    Machine(stead_engine::ObserveError),
    /// A run did not begin.
    #[error("{0}")]
    Run(stead_engine::RunError),
    /// The machine cannot be watched.
    #[error("{0}")]
    Watch(stead_engine::WatchError),
    /// A saved plan cannot be used.
    #[error("{}: {source}", path.display())]
    SavedPlan {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: stead_engine::SavedPlanError,
    },
    /// Options that would make another plan of a saved one.
    #[error("a saved plan is applied as it was saved: without --root, --node, --only, --except, --tags and --watch")]
    PlanIsFixed,
    /// The journal cannot be read.
    #[error("{0}")]
    Journal(stead_engine::JournalError),
    /// The journal has no such run.
    #[error("the journal has no run {0}")]
    NoSuchRun(String),
    /// A run cannot be undone.
    #[error("{0}")]
    Undo(stead_engine::undo::UndoError),
    /// Somebody's later change would be lost.
    #[error("{count} of the things that run {run} changed {} changed since; nothing was undone", if *.count == 1 { "was" } else { "were" })]
    ChangedSince {
        /// The run.
        run: i64,
        /// How many things.
        count: usize,
    },
    /// The journal cannot be cleared up.
    #[error("{0}")]
    Collect(stead_engine::CollectError),
    /// The guardian of `--confirm-within` cannot do its work.
    #[error("{}: {source}", path.display())]
    Guard {
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The last apply waits for its confirmation.
    #[error("the last apply waits for its confirmation")]
    ConfirmationPending,
    /// Nothing waits for a confirmation.
    #[error("no apply waits for a confirmation")]
    NothingToConfirm,
    /// The run is being undone, or was.
    #[error("too late: the run was not confirmed in time and has been undone")]
    ConfirmedTooLate,
    /// No page for a code.
    #[error("there is no code `{code}`")]
    UnknownCode {
        /// As it was given.
        code: String,
        /// A code that is written alike.
        closest: Option<String>,
    },
    /// No such resource type.
    #[error("there is no resource type `{name}`")]
    UnknownType {
        /// As it was given.
        name: String,
        /// A type that is written alike.
        closest: Option<String>,
    },
    /// No such resource in the catalog.
    #[error("the catalog of {node} has no {id}")]
    UnknownResource {
        /// The node.
        node: String,
        /// As it was given.
        id: String,
        /// One that is written alike.
        closest: Option<String>,
    },
    /// The resource has no value for the attribute.
    #[error("{id} has no value for `{attribute}`")]
    UnsetAttribute {
        /// The resource.
        id: String,
        /// The attribute.
        attribute: String,
    },
    /// Not of the form `type["name"].attribute`.
    #[error("`{0}` does not name a resource or an attribute of one")]
    NotAnAttribute(String),
    /// A selector that selects nothing.
    #[error("nothing in the catalog is selected by `{0}`")]
    UnknownSelector(String),
    /// `--on` names no host.
    #[error("`{0}` names no host")]
    NoTargets(String),
    /// An option that is about this machine alone.
    #[error("{option} is for this machine alone, and `--on {on}` names others")]
    OnlyHere {
        /// The option.
        option: &'static str,
        /// The targets.
        on: String,
    },
    /// No such rollout.
    #[error("there is no rollout {0}")]
    NoSuchRollout(String),
    /// A worker's file cannot be used.
    #[error("{}: {source}", path.display())]
    WorkerBinary {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Nobody gave the password.
    #[error("no password was given")]
    NoPassword,
    /// What an operator sent makes no sense.
    #[error("{0}")]
    Worker(std::sync::Arc<stead_engine::FrameError>),
    /// Nobody there to ask.
    #[error("nobody is there to approve the plan")]
    ApprovalNeeded,
    /// The user said no.
    #[error("not approved, nothing was changed")]
    NotApproved,
}

impl Failure {
    /// Sorts a failed write: a reader that is gone is no error of ours.
    pub(crate) fn output(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::BrokenPipe } else { Self::Output(error) }
    }

    /// The stable code; its page is what `stead explain` prints.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::BrokenPipe | Self::Diagnosed => "",
            Self::Output(_) => "output-failed",
            Self::NoSuchPath(_) => "no-such-path",
            Self::NotAProject { .. } => "not-a-project",
            Self::Unreadable { .. } => "unreadable-file",
            Self::Unwritable { .. } => "unwritable-file",
            Self::Facts(_) => "invalid-facts",
            Self::Dependency(error) => error.code(),
            Self::Machine(error) => error.code(),
            Self::Run(error) => error.code(),
            Self::Watch(error) => error.code(),
            Self::SavedPlan { source, .. } => source.code(),
            Self::PlanIsFixed => "plan-is-fixed",
            Self::Journal(_) => "journal-unreadable",
            Self::NoSuchRun(_) => "no-such-run",
            Self::Collect(stead_engine::CollectError::Running) => "apply-running",
            Self::Collect(_) => "journal-unreadable",
            Self::Guard { .. } => "guardian-failed",
            Self::ConfirmationPending => "confirmation-pending",
            Self::NothingToConfirm => "nothing-to-confirm",
            Self::ConfirmedTooLate => "confirmed-too-late",
            Self::Undo(error) => error.code(),
            Self::ChangedSince { .. } => "changed-since",
            Self::UnknownCode { .. } => "unknown-code",
            Self::UnknownType { .. } => "unknown-resource-type",
            Self::UnknownResource { .. } => "unknown-resource",
            Self::UnsetAttribute { .. } => "unset-attribute",
            Self::NotAnAttribute(_) => "not-an-attribute",
            Self::UnknownSelector(_) => "unknown-selector",
            Self::NoTargets(_) => "no-targets",
            Self::OnlyHere { .. } => "only-here",
            Self::NoSuchRollout(_) => "no-such-rollout",
            Self::WorkerBinary { .. } => "worker-binary-unusable",
            Self::NoPassword => "no-password",
            Self::Worker(_) => "worker-garbled",
            Self::ApprovalNeeded => "approval-needed",
            Self::NotApproved => "not-approved",
        }
    }

    /// The way out, where one is known.
    pub(crate) fn hint(&self) -> Option<String> {
        let meant = |name: &Option<String>| name.as_ref().map(|name| format!("did you mean `{name}`?"));
        match self {
            Self::NotAProject { suggestion, .. } => suggestion.clone(),
            Self::Unreadable { source, .. } | Self::Unwritable { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some("run as a user who may, or as root".into())
            }
            Self::Facts(_) => Some("each file below /etc/stead/facts.d holds a JSON object".into()),
            Self::Dependency(error) => error.hint(),
            Self::Machine(error) => error.hint(),
            Self::Run(error) => error.hint(),
            Self::Watch(error) => error.hint(),
            Self::SavedPlan { .. } => Some("plan again: stead plan -o FILE".into()),
            Self::NoSuchRun(_) => Some("`stead history` lists the runs that are kept".into()),
            Self::Undo(error) => error.hint(),
            Self::ConfirmationPending => Some("`stead confirm` keeps it; or wait until it is undone".into()),
            Self::ConfirmedTooLate => Some("`stead history` shows the undo, and `stead undo last` takes it back".into()),
            Self::ChangedSince { .. } => Some("leave them out with --except, or lose what was changed with --force".into()),
            Self::PlanIsFixed => Some("plan again with these options, and save that".into()),
            Self::UnknownCode { closest, .. } => meant(closest).or_else(|| Some("`stead explain` lists all codes".into())),
            Self::UnknownType { closest, .. } => meant(closest).or_else(|| Some("`stead docs` lists all types".into())),
            Self::UnknownResource { closest, .. } => {
                meant(closest).or_else(|| Some("`stead catalog` lists all resources".into()))
            }
            Self::UnsetAttribute { .. } => Some("what is not given is left as it is found".into()),
            Self::NotAnAttribute(_) => Some(r#"write it in quotes for the shell: stead why 'file["/etc/motd"].mode'"#.into()),
            Self::UnknownSelector(_) => Some(r#"a selector is a resource 'file["/etc/motd"]', a type or a tag"#.into()),
            Self::NoTargets(_) => Some("name hosts: --on web-1,web-2".into()),
            Self::OnlyHere { .. } => Some("leave it out".into()),
            Self::NoSuchRollout(_) => Some("rollouts are numbered in the last line of `stead apply --on`".into()),
            Self::WorkerBinary { .. } => Some("name a stead that was built for Linux".into()),
            Self::NoPassword => Some("type it, or give it as a line of standard input".into()),
            Self::Worker(_) => Some("`stead worker` is started by `stead plan --on` over ssh".into()),
            Self::ApprovalNeeded => Some("give --yes, or apply a plan saved with `stead plan -o FILE`".into()),
            _ => None,
        }
    }

    /// The exit code it leads to.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::BrokenPipe => ExitCode::SUCCESS,
            Self::ApprovalNeeded | Self::PlanIsFixed | Self::OnlyHere { .. } => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}
