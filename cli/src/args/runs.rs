//! The part of the command line that is about what runs did: the journal, the ledger, and what changed since.

use std::path::PathBuf;

use clap::Args;
use stead_engine::Journal;

use super::{MachineArguments, ManyArguments, NetworkArguments, RolloutName, SelectArguments, SourceArguments};
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct ConfirmArguments {
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
}

#[derive(Debug, Args)]
pub(crate) struct GuardArguments {
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
    /// How long it waits after the end of the apply.
    #[arg(long, value_name = "DURATION", value_parser = crate::commands::gc::duration)]
    pub(crate) within: u64,
}

/// Which other machines are asked about their past.
#[derive(Debug, Args)]
pub(crate) struct PastArguments {
    /// Ask these hosts over SSH, instead of this machine.
    #[arg(long, value_name = "TARGETS")]
    pub(crate) on: Option<String>,
    /// The project that knows the hosts. Without one, ssh knows them.
    #[arg(long, value_name = "PATH", default_value = ".")]
    pub(crate) project: PathBuf,
    #[command(flatten)]
    pub(crate) many: ManyArguments,
}

#[derive(Debug, Args)]
pub(crate) struct DriftArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// Look at these hosts over SSH, instead of at this machine.
    #[arg(long, value_name = "TARGETS")]
    pub(crate) on: Option<String>,
    #[command(flatten)]
    pub(crate) many: ManyArguments,
    #[command(flatten)]
    pub(crate) select: SelectArguments,
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
    /// Write JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// One line a resource, without its attributes.
    #[arg(long, conflicts_with = "json")]
    pub(crate) brief: bool,
    /// Exit with 2 when something has drifted.
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LedgerArguments {
    /// A directory with a stead.toml.
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) network: NetworkArguments,
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
    /// Forget that this resource was made: 'file["/etc/motd"]'.
    #[arg(long, value_name = "RESOURCE", num_args = 1)]
    pub(crate) forget: Vec<String>,
    /// Write JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GcArguments {
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
    /// Drop the oldest runs until the journal takes no more than this [default: 1GiB].
    #[arg(long, value_name = "SIZE", value_parser = crate::commands::gc::size)]
    pub(crate) max_size: Option<u64>,
    /// Drop runs that began longer ago than this.
    #[arg(long, value_name = "DURATION", value_parser = crate::commands::gc::duration)]
    pub(crate) max_age: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryArguments {
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
    #[command(flatten)]
    pub(crate) past: PastArguments,
    /// At most this many runs.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: u32,
    /// List the applies to many hosts that were made from here, instead of the runs of this machine.
    #[arg(long, conflicts_with_all = ["on", "root"])]
    pub(crate) rollouts: bool,
    /// Write JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A run: its number, or the newest one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RunName {
    Number(i64),
    Last,
}

impl std::str::FromStr for RunName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(number) if number > 0 => Ok(Self::Number(number)),
            _ if text == "last" => Ok(Self::Last),
            _ => Err("expected the number of a run, or `last`".to_owned()),
        }
    }
}

impl std::fmt::Display for RunName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Last => f.write_str("yet"),
        }
    }
}

impl RunName {
    /// The word for it on the command line.
    pub(crate) fn word(&self) -> String {
        self.given().map_or_else(|| "last".to_owned(), |number| number.to_string())
    }

    /// The number that was given; `None` for the newest one.
    pub(crate) fn given(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Last => None,
        }
    }

    /// The run's number in a journal; `None` when there is no run at all.
    pub(crate) fn number(&self, journal: &Journal) -> Result<Option<i64>, Failure> {
        match self {
            Self::Number(number) => Ok(Some(*number)),
            Self::Last => Ok(journal.last_run().map_err(Failure::Journal)?.map(|run| run.id)),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// The run, as `stead history` numbers it, or `last`.
    #[arg(value_name = "RUN")]
    pub(crate) run: RunName,
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
    #[command(flatten)]
    pub(crate) past: PastArguments,
    /// Write JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// One line a resource, without its attributes.
    #[arg(long, conflicts_with = "json")]
    pub(crate) brief: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UndoArguments {
    /// The run, as `stead history` numbers it, or `last`.
    #[arg(value_name = "RUN", required_unless_present = "rollout")]
    pub(crate) run: Option<RunName>,
    /// Undo on every host what this rollout did there: its number, as the last line of `stead apply --on` tells it, or `last`.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["run", "on"])]
    pub(crate) rollout: Option<RolloutName>,
    #[command(flatten)]
    pub(crate) past: PastArguments,
    /// Only what the run did to these resources or types, with what cannot stay without it.
    #[arg(long, value_name = "SELECTOR", num_args = 1)]
    pub(crate) only: Vec<String>,
    /// Leave these resources or types as they are.
    #[arg(long, value_name = "SELECTOR", num_args = 1)]
    pub(crate) except: Vec<String>,
    /// Undo as well what has been changed by others since, and remove directories with what others put into them.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
    /// Save the plan, for `stead apply FILE`, and change nothing.
    #[arg(short, long = "output", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write the plan as JSON and change nothing; with `--yes`, one JSON object a line for each event while running.
    #[arg(long)]
    pub(crate) json: bool,
    /// One line a resource, without its attributes.
    #[arg(long, conflicts_with = "json")]
    pub(crate) brief: bool,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
}
