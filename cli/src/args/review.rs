//! The part of the command line that is about review.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ManyArguments, NetworkArguments, OverviewArguments};

#[derive(Debug, Args)]
pub(crate) struct ReviewArguments {
    /// Two revisions of the repository: BASE..HEAD.
    #[arg(value_name = "BASE..HEAD")]
    pub(crate) range: String,
    /// A directory with a stead.toml.
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) network: NetworkArguments,
    #[command(flatten)]
    pub(crate) overview: OverviewArguments,
    /// Open encrypted values with your keys, and tell them apart by what they are instead of by how they are encrypted.
    ///
    /// No program of either revision is run for that, nor for anything else.
    #[arg(long)]
    pub(crate) open_secrets: bool,
    /// Write which catalogs HEAD gives to FILE, for `stead apply --reviewed FILE`.
    #[arg(long, value_name = "FILE", conflicts_with = "open_secrets")]
    pub(crate) record: Option<PathBuf>,
    /// Plan both revisions on the hosts, and show what HEAD changes there that BASE would not change as well.
    ///
    /// Nothing is changed on them. But guards of HEAD (`only_if`, `unless`) run there, its programs run here, and its secrets are opened: for
    /// sources that you trust.
    #[arg(long, conflicts_with_all = ["publish", "require_reviewed", "record", "open_secrets"])]
    pub(crate) live: bool,
    /// The hosts of `--live` [default: all of the project].
    #[arg(long, value_name = "TARGETS", requires = "live")]
    pub(crate) on: Option<String>,
    #[command(flatten)]
    pub(crate) many: ManyArguments,
    /// Exit with 2 when something differs.
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// Tell a forge: a comment on the change, kept up to date, the state of its commit, and remarks at their lines.
    #[arg(long, value_enum, value_name = "FORGE", conflicts_with = "open_secrets")]
    pub(crate) publish: Option<Forge>,
    /// Exit with 1 unless exactly these catalogs were reviewed in the change that HEAD merged, as `--publish` recorded it.
    #[arg(long, value_enum, value_name = "FORGE", conflicts_with_all = ["publish", "open_secrets"])]
    pub(crate) require_reviewed: Option<Forge>,
}

/// A forge whose API is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Forge {
    /// GitHub, and what speaks as it does: GITHUB_TOKEN, GITHUB_REPOSITORY, GITHUB_REF or STEAD_PULL, GITHUB_API_URL.
    Github,
    /// GitLab: GITLAB_TOKEN, CI_API_V4_URL, CI_PROJECT_ID, CI_MERGE_REQUEST_IID, CI_COMMIT_SHA.
    Gitlab,
}

#[derive(Debug, Args)]
pub(crate) struct SignArguments {
    /// A plan that `stead plan -o FILE` has saved.
    #[arg(value_name = "FILE")]
    pub(crate) plan: PathBuf,
    /// The key; of one that an agent holds, its public half [default: ~/.ssh/id_ed25519].
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}
