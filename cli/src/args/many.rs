//! The part of the command line that is about other machines.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use stead_compiler::config::Share;

/// What stands together in the plan of many nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// Each change with its nodes.
    #[default]
    Change,
    /// Nodes that change alike.
    Node,
    /// Changes of one state.
    State,
}

/// Which other machines, and how they are reached.
#[derive(Clone, Debug, Args)]
pub(crate) struct ManyArguments {
    /// Do the work as this user, by sudo [root when no USER is given].
    #[arg(long = "become", value_name = "USER", num_args = 0..=1, default_missing_value = "root", require_equals = true)]
    pub(crate) r#become: Option<String>,
    #[command(flatten)]
    pub(crate) ssh: SshArguments,
}

/// How machines are reached.
#[derive(Clone, Debug, Args)]
pub(crate) struct SshArguments {
    /// At most this many hosts at a time [default: 50].
    #[arg(long, value_name = "N")]
    pub(crate) forks: Option<usize>,
    /// Ask for the password of sudo, once for all hosts; a line of standard input where that is no terminal.
    #[arg(long)]
    pub(crate) ask_become_pass: bool,
    /// How long it may take until a connection stands [default: 10s].
    #[arg(long, value_name = "DURATION", value_parser = crate::commands::gc::duration)]
    pub(crate) connect_timeout: Option<u64>,
    /// How often a host that does not answer is tried again [default: 1].
    #[arg(long, value_name = "N")]
    pub(crate) connect_retries: Option<u32>,
    /// How long a host that is there may take to tell what it is asked, or to plan. A run takes as long as it takes [default: 30m].
    #[arg(long, value_name = "DURATION", value_parser = crate::commands::gc::duration)]
    pub(crate) host_timeout: Option<u64>,
    /// Use this configuration of ssh instead of the user's own.
    #[arg(long, value_name = "FILE")]
    pub(crate) ssh_config: Option<PathBuf>,
    /// A stead that was built for other hosts: another architecture, or linked statically. May be given more than once.
    #[arg(long, value_name = "FILE", num_args = 1)]
    pub(crate) worker_binary: Vec<PathBuf>,
}

impl SshArguments {
    /// At most so many hosts at a time.
    pub(crate) fn forks(&self) -> usize {
        self.forks.unwrap_or(50)
    }

    /// How long it may take until a connection stands.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout.map_or(Duration::from_secs(10), Duration::from_nanos)
    }

    /// How often a host that does not answer is tried again.
    pub(crate) fn connect_retries(&self) -> u32 {
        self.connect_retries.unwrap_or(1)
    }

    /// How long a host that is there may take to answer.
    pub(crate) fn host_timeout(&self) -> Duration {
        self.host_timeout.map_or(Duration::from_secs(30 * 60), Duration::from_nanos)
    }
}

/// How an apply goes through many hosts. What is not given is as `[rollout]` of stead.toml says.
#[derive(Clone, Debug, Args)]
pub(crate) struct RolloutArguments {
    /// Change at most this many hosts at a time, or this part of them: `5`, `10%`.
    #[arg(long, value_name = "N|N%", value_parser = share)]
    pub(crate) batch: Option<Share>,
    /// Change this many hosts first; whatever fails there ends the rollout.
    #[arg(long, value_name = "N|N%", value_parser = share)]
    pub(crate) canary: Option<Share>,
    /// Begin no more hosts when more than this many have failed.
    #[arg(long, value_name = "N|N%", value_parser = share)]
    pub(crate) max_failures: Option<Share>,
    /// Take hosts in the order of these groups.
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    pub(crate) order: Vec<String>,
    /// Rest this long between batches.
    #[arg(long, value_name = "DURATION", value_parser = crate::commands::gc::duration)]
    pub(crate) pause: Option<u64>,
    /// Ask before each batch but the first.
    #[arg(long)]
    pub(crate) confirm_batches: bool,
}

fn share(text: &str) -> Result<Share, String> {
    Share::parse(text).ok_or_else(|| "expected a number of hosts, or a part of them such as 10%".to_owned())
}

/// A rollout: its number, or the newest one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RolloutName {
    Number(u64),
    Last,
}

impl std::str::FromStr for RolloutName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(number) => Ok(Self::Number(number)),
            Err(_) if text == "last" => Ok(Self::Last),
            Err(_) => Err("expected the number of a rollout, or `last`".to_owned()),
        }
    }
}

impl std::fmt::Display for RolloutName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Last => f.write_str("yet"),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct SshCheckArguments {
    /// The hosts.
    #[arg(value_name = "TARGETS")]
    pub(crate) on: String,
    /// The project that knows them: a directory with a stead.toml, or a .stead file. Without one, ssh knows them.
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) many: ManyArguments,
    /// Write JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InventoryCleanArguments {
    /// The hosts.
    #[arg(value_name = "TARGETS")]
    pub(crate) on: String,
    /// The project that knows them: a directory with a stead.toml, or a .stead file. Without one, ssh knows them.
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) many: ManyArguments,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerArguments {
    /// The word that the first line says, so that it is told from banners.
    #[arg(long, value_name = "WORD")]
    pub(crate) nonce: String,
}
