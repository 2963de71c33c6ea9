//! The part of the command line that is about the machines a project knows.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{InventoryCleanArguments, NetworkArguments};

#[derive(Debug, Args)]
pub(crate) struct InventoryArguments {
    #[command(subcommand)]
    pub(crate) command: InventoryCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum InventoryCommand {
    /// Lists the machines, all or those that a target means.
    List(InventoryListArguments),
    /// Shows what is known of one machine.
    Show(InventoryShowArguments),
    /// Shows the groups with what is in them.
    Graph(InventorySource),
    /// Removes what Stead keeps on hosts to work on them: the worker, and contents it was sent. Journals stay.
    Clean(InventoryCleanArguments),
}

impl InventoryCommand {
    /// Says whether JSON is wanted.
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::List(list) => list.source.json,
            Self::Show(show) => show.source.json,
            Self::Graph(source) => source.json,
            Self::Clean(_) => false,
        }
    }
}

/// Whose machines, and how to write them.
#[derive(Debug, Args)]
pub(crate) struct InventorySource {
    /// A directory with a stead.toml, or a .stead file.
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) network: NetworkArguments,
    /// Write JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InventoryListArguments {
    #[command(flatten)]
    pub(crate) source: InventorySource,
    /// Only the machines that are meant: 'web-* and os:debian and not tag:canary'.
    #[arg(long, value_name = "TARGETS")]
    pub(crate) on: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InventoryShowArguments {
    /// The machine.
    #[arg(value_name = "HOST")]
    pub(crate) host: String,
    #[command(flatten)]
    pub(crate) source: InventorySource,
}
