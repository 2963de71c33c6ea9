//! The part of the command line that is about secrets.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct SecretArguments {
    #[command(subcommand)]
    pub(crate) command: SecretCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Sets one value, read from standard input or asked for on a terminal.
    Set(SecretSetArguments),
    /// Opens the secrets of a file in $VISUAL or $EDITOR, and encrypts what was changed.
    ///
    /// The plain text stands in a file that only you can read, in memory where the system has a place for that, and is removed when the editor
    /// ends or Stead is stopped.
    Edit(SecretEditArguments),
    /// Encrypts every secret of a project anew, for the recipients that stead.toml names now.
    Rekey(SecretRekeyArguments),
    /// Tells which secrets of a project your keys open, and which are encrypted for other recipients than stead.toml names.
    Check(SecretCheckArguments),
    /// Makes a key, and prints its public half.
    Keygen(SecretKeygenArguments),
}

#[derive(Debug, Args)]
pub(crate) struct SecretSetArguments {
    /// The data file; made where it is missing.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Where in it: `db.users[0].password`.
    #[arg(value_name = "KEY")]
    pub(crate) key: String,
}

#[derive(Debug, Args)]
pub(crate) struct SecretEditArguments {
    /// The data file.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct SecretRekeyArguments {
    /// A directory with a stead.toml.
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) path: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct SecretCheckArguments {
    /// A directory with a stead.toml.
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Write JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SecretKeygenArguments {
    /// Where to write it [default: ~/.config/stead/identity].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
