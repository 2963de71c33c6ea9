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
    /// Something else than a directory at the path of a root.
    #[error("{} is no directory", .0.display())]
    NoDirectory(PathBuf),
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
    /// No facts of any node are stored.
    #[error("there are no facts of any node in {}", .0.display())]
    NoStoredFacts(PathBuf),
    /// What was reviewed cannot be read.
    #[error("{} does not tell what was reviewed: {reason}", path.display())]
    BadRecord {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// What is to be applied was not reviewed.
    #[error("{node}: {}", found.message)]
    NotReviewed {
        /// The node.
        node: String,
        /// What differs.
        found: crate::reviewed::NotReviewed,
    },
    /// Facts of other nodes are stored.
    #[error("no node that `{0}` means has facts that are stored")]
    NoneStored(String),
    /// Some changes were to be accepted, and that cannot be done.
    #[error("{0}")]
    Accept(#[from] crate::accept::AcceptError),
    /// Signatures are missing, or one cannot be made.
    #[error("{0}")]
    Signature(#[from] crate::signatures::SignatureError),
    /// A forge was not told, or did not tell.
    #[error("{0}")]
    Forge(#[from] crate::forge::ForgeError),
    /// Two revisions cannot be compared.
    #[error("{0}")]
    Review(#[from] crate::review::ReviewError),
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
    /// Words of the selection of an undo that name nothing that was changed.
    #[error("{}", not_changed(*run, words))]
    NotInRun {
        /// The run; none where each host has its own.
        run: Option<i64>,
        /// The words.
        words: Vec<String>,
    },
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
    /// A file that a rollout began with is another one by now.
    #[error("{} is not the file that the rollout began with", .0.display())]
    FileReplaced(PathBuf),
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
    /// A program that was to print an inventory did not.
    #[error("the inventory {}: {source}", path.display())]
    InventoryProgram {
        /// The program.
        path: PathBuf,
        /// What happened.
        source: stead_engine::ProgramError,
    },
    /// A target that only an inventory can answer.
    #[error("`{}` of `{}` asks for an inventory, and there is none", word.escape_debug(), on.escape_debug())]
    NoInventory {
        /// As it was given.
        on: String,
        /// The word that is no host name.
        word: String,
    },
    /// A target that is none, or means nothing.
    #[error("{}{source}", place_in(text, source.span))]
    Target {
        /// As it was given.
        text: String,
        /// What is wrong with it.
        source: stead_compiler::targets::TargetError,
    },
    /// The inventory has no such machine.
    #[error("the inventory has no machine `{name}`")]
    NoSuchHost {
        /// As it was given.
        name: String,
        /// One that is written alike.
        closest: Option<String>,
    },
    /// Nobody to encrypt a secret for.
    #[error("stead.toml names no recipients that secrets are encrypted for")]
    NoRecipients,
    /// A recipient that is no public key.
    #[error("the recipient `{recipient}` cannot be used: {reason}")]
    BadRecipient {
        /// As it stands in stead.toml; nothing of a private key.
        recipient: String,
        /// Why.
        reason: String,
    },
    /// Encrypting failed.
    #[error("the secret was not encrypted: {0}")]
    NotEncrypted(String),
    /// A secret of a file cannot be opened.
    #[error("{}: `{key}`: {}", path.display(), source.message)]
    Secret {
        /// The data file.
        path: PathBuf,
        /// Where in it.
        key: String,
        /// Why.
        source: stead_compiler::secrets::SecretError,
    },
    /// Not the name of a data file.
    #[error("{} is no data file: its name ends in none of .yaml, .yml, .toml, .json", .0.display())]
    NoDataFile(PathBuf),
    /// Not a place in a data file.
    #[error("`{0}` is no place in a data file")]
    BadKey(String),
    /// A value could not be put into a data file.
    #[error("{}: {message}", path.display())]
    NotSet {
        /// The data file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A secret without a character.
    #[error("the value is empty, and nothing was set")]
    EmptySecret,
    /// A secret was taken out while it was edited.
    #[error("`{key}` is gone from the edited text, and nothing was changed")]
    SecretGone {
        /// The data file.
        path: PathBuf,
        /// Where in it.
        key: String,
    },
    /// The edited text cannot be read.
    #[error("the edited secrets cannot be read: {0}; nothing was changed")]
    EditedSecrets(String),
    /// The editor failed.
    #[error("the editor `{editor}`: {source}")]
    Editor {
        /// As the environment names it.
        editor: String,
        /// The system's words.
        source: io::Error,
    },
    /// A project is there already.
    #[error("{} is there already, and nothing was written", .0.display())]
    ProjectExists(PathBuf),
    /// Nobody there to ask.
    #[error("nobody is there to approve the plan")]
    ApprovalNeeded {
        /// The command that saves such a plan, where one does.
        saving: Option<&'static str>,
    },
    /// The user said no.
    #[error("not approved, nothing was changed")]
    NotApproved,
}

/// Says whether a word is a network without what says so.
fn is_network(word: &str) -> bool {
    let Some((address, prefix)) = word.split_once('/') else { return false };
    address.parse::<std::net::IpAddr>().is_ok() && prefix.parse::<u8>().is_ok()
}

/// Says which words of a selection name nothing that was changed.
fn not_changed(run: Option<i64>, words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    let whose = run.map_or_else(|| "no host's run changed anything".to_owned(), |run| format!("run {run} changed nothing"));
    format!("{whose} that is named by {}", words.join(" or by "))
}

/// Where in the text of `--on` something is wrong; nothing where it is the whole of it.
fn place_in(text: &str, span: stead_grammar::ast::Span) -> String {
    let part = span.text(text);
    if part.is_empty() || part.len() == text.len() {
        return String::new();
    }
    let column = text.get(..span.start as usize).map_or(0, |before| before.chars().count()) + 1;
    format!("in `--on`, column {column}: ")
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
            Self::NoSuchPath(_) | Self::NoDirectory(_) => "no-such-path",
            Self::NotAProject { .. } => "not-a-project",
            Self::Unreadable { .. } => "unreadable-file",
            Self::Unwritable { .. } => "unwritable-file",
            Self::Facts(_) => "invalid-facts",
            Self::Dependency(error) => error.code(),
            Self::NoStoredFacts(_) | Self::NoneStored(_) => "no-stored-facts",
            Self::BadRecord { .. } => "record-malformed",
            Self::NotReviewed { .. } => crate::reviewed::NOT_REVIEWED,
            Self::Review(error) => error.code(),
            Self::Accept(error) => error.code(),
            Self::Signature(error) => error.code(),
            Self::Forge(error) => error.code(),
            Self::Machine(error) => error.code(),
            Self::Run(error) => error.code(),
            Self::Watch(error) => error.code(),
            Self::SavedPlan { source, .. } => source.code(),
            Self::PlanIsFixed => "plan-is-fixed",
            Self::Journal(error) => error.code(),
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
            Self::UnknownSelector(_) | Self::NotInRun { .. } => "unknown-selector",
            Self::NoTargets(_) => "no-targets",
            Self::NoInventory { .. } => "no-inventory",
            Self::OnlyHere { .. } => "only-here",
            Self::FileReplaced(_) => "file-replaced",
            Self::NoSuchRollout(_) => "no-such-rollout",
            Self::WorkerBinary { .. } => "worker-binary-unusable",
            Self::NoPassword => "no-sudo-password",
            Self::Worker(_) => "worker-garbled",
            Self::InventoryProgram { .. } => "inventory-failed",
            Self::Target { source, .. } => source.code,
            Self::NoSuchHost { .. } => "unknown-host",
            Self::NoRecipients => "no-recipients",
            Self::BadRecipient { .. } | Self::NotEncrypted(_) => "invalid-recipient",
            Self::Secret { source, .. } => source.code,
            Self::NoDataFile(_) => "not-a-data-file",
            Self::BadKey(_) => "invalid-key-path",
            Self::NotSet { .. } => "secret-not-set",
            Self::EmptySecret => "empty-secret",
            Self::SecretGone { .. } | Self::EditedSecrets(_) => "edited-secrets",
            Self::Editor { .. } => "editor-failed",
            Self::ProjectExists(_) => "project-exists",
            Self::ApprovalNeeded { .. } => "approval-needed",
            Self::NotApproved => "not-approved",
        }
    }

    /// The way out, where one is known.
    pub(crate) fn hint(&self) -> Option<String> {
        let meant = |name: &Option<String>| name.as_ref().map(|name| format!("did you mean `{name}`?"));
        match self {
            Self::NotAProject { suggestion, .. } => suggestion.clone(),
            Self::NoDirectory(_) => Some("give the directory that holds the tree of a system".into()),
            Self::NoSuchPath(_) => Some("a path counts from the current directory".into()),
            Self::Guard { .. } => {
                Some("the state directory has to be writable: free some space, or name another with --state-dir".into())
            }
            Self::NotSet { .. } => Some("put the key there by hand, with any text, and set it again".into()),
            Self::EmptySecret => Some("type it, or pipe it in: `pass show db | stead secret set FILE KEY`".into()),
            Self::NoDataFile(_) => Some("name one below data/, such as data/common.yaml".into()),
            Self::BadRecipient { .. } => Some("`stead secret keygen` makes a key; one of ssh is in ~/.ssh/id_ed25519.pub".into()),
            Self::Unreadable { source, .. } | Self::Unwritable { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some("run as a user who may, or as root".into())
            }
            Self::Unwritable { .. } => Some("name another file, or look at the directory above it".into()),
            Self::Facts(_) => Some("each file below /etc/stead/facts.d holds a JSON object".into()),
            Self::Dependency(error) => error.hint(),
            Self::NoStoredFacts(_) | Self::NoneStored(_) => {
                Some("`stead facts --on TARGETS --store` asks nodes and stores what they tell".into())
            }
            Self::BadRecord { .. } => Some("write it anew: `stead review BASE..HEAD --record FILE`".into()),
            Self::NotReviewed { found, .. } => Some(found.hint.clone()),
            Self::Review(error) => error.hint(),
            Self::Accept(error) => error.hint(),
            Self::Signature(error) => error.hint(),
            Self::Forge(error) => error.hint(),
            Self::Machine(error) => error.hint(),
            Self::Run(error) => error.hint(),
            Self::Watch(error) => error.hint(),
            Self::Journal(error) => error.hint(),
            Self::SavedPlan { source: stead_engine::SavedPlanError::Io(_), .. } => {
                Some("look at the path and its permissions".into())
            }
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
            Self::NotInRun { run: Some(run), .. } => Some(format!("`stead show {run}` lists what it changed")),
            Self::NotInRun { run: None, .. } => Some("`stead show RUN --on HOST` lists what a run changed".into()),
            Self::NoTargets(_) => Some("name hosts: --on web-1,web-2".into()),
            Self::NoInventory { word, .. } if is_network(word) => {
                Some(format!("a network is written `net:{word}`, and chooses among the hosts that a project's inventory has"))
            }
            Self::NoInventory { .. } => {
                Some("name hosts: --on web-1,web-2; or name the project whose inventory has them, or declare one".into())
            }
            Self::OnlyHere { .. } => Some("leave it out".into()),
            Self::FileReplaced(_) => Some("put the file of then back, or begin anew with `stead apply`".into()),
            Self::NoSuchRollout(_) => Some("`stead history --rollouts` lists those that are kept".into()),
            Self::WorkerBinary { .. } => Some("name a stead that was built for Linux".into()),
            Self::NoPassword => Some("type it, or give it as a line of standard input".into()),
            Self::Worker(_) => Some("`stead worker` is started by `stead plan --on` over ssh".into()),
            Self::InventoryProgram { source: stead_engine::ProgramError::TimedOut { .. }, .. } => {
                Some("give it longer in stead.toml: [inventory] timeout = \"60s\"".into())
            }
            Self::InventoryProgram { .. } => {
                Some("run it yourself with `--list`: it prints JSON as Ansible's inventories do".into())
            }
            Self::Target { source, .. } => source.hint.clone(),
            Self::NoSuchHost { closest, .. } => {
                meant(closest).or_else(|| Some("`stead inventory list` lists all machines".into()))
            }
            Self::NoRecipients => Some(
                "name public keys: [secrets] recipients = [\"age1…\", \"ssh-ed25519 …\"]; `stead secret keygen` makes one".into(),
            ),
            Self::Secret { source, .. } => source.hint.clone(),
            Self::BadKey(_) => Some("write keys with dots, and positions in brackets: db.users[0].password".into()),
            Self::SecretGone { path, .. } => Some(format!("take its line out of {} to remove a secret", path.display())),
            Self::EditedSecrets(_) => {
                Some("keep a line `KEY: VALUE` for each secret; several lines stand in a block behind `|`".into())
            }
            Self::Editor { .. } => Some("name an editor that waits until it is closed in $VISUAL or $EDITOR".into()),
            Self::ProjectExists(_) => Some("choose an empty directory, or go on with what is there".into()),
            Self::ApprovalNeeded { saving: Some(saving) } => Some(format!("give --yes, or apply a plan saved with `{saving}`")),
            Self::ApprovalNeeded { saving: None } => Some("look at the plan, and give --yes".into()),
            _ => None,
        }
    }

    /// The exit code it leads to.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::BrokenPipe => ExitCode::SUCCESS,
            Self::ApprovalNeeded { .. } | Self::PlanIsFixed | Self::OnlyHere { .. } | Self::NoInventory { .. } => {
                ExitCode::from(2)
            }
            Self::Target { source, .. } if source.code == "invalid-target" => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}
