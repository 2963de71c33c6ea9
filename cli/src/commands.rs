//! One file a command.

mod apply;
pub(crate) mod catalog;
mod check;
mod completions;
mod confirm;
mod deps;
mod docs;
pub(crate) mod drift;
mod explain;
mod facts;
mod fmt;
pub(crate) mod gc;
mod graph;
pub(crate) mod history;
mod init;
mod inventory;
mod ledger;
mod lsp;
mod man;
mod plan;
mod review;
mod secret;
pub(crate) mod show;
mod sign;
pub(crate) mod undo;
mod why;
mod worker;

use std::process::ExitCode;

pub(crate) use facts::facts_text;
pub(crate) use fmt::replace as replace_file;
pub(crate) use undo::roll_back;

use crate::args::{Arguments, Command};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// A document with its version in front.
///
/// # Errors
/// When it is no JSON.
pub(crate) fn document(fields: serde_json::Value) -> Result<String, Failure> {
    stead_report::json::document(fields).map_err(|error| Failure::Output(error.into()))
}

/// Runs the command of these arguments.
pub(crate) fn run(arguments: Arguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Check(arguments) => check::run(&arguments, terminal),
        Command::Plan(arguments) => plan::run(&arguments, terminal),
        Command::Apply(arguments) => apply::run(&arguments, terminal),
        Command::Deps(arguments) => deps::run(&arguments, terminal),
        Command::Review(arguments) => review::run(&arguments, terminal),
        Command::Sign(arguments) => sign::run(&arguments, terminal),
        Command::History(arguments) => history::run(&arguments, terminal),
        Command::Show(arguments) => show::run(&arguments, terminal),
        Command::Undo(arguments) => undo::run(&arguments, terminal),
        Command::Confirm(arguments) => confirm::run(&arguments, terminal),
        Command::Guard(arguments) => confirm::guard(&arguments, terminal),
        Command::Drift(arguments) => drift::run(&arguments, terminal),
        Command::Ledger(arguments) => ledger::run(&arguments, terminal),
        Command::Gc(arguments) => gc::run(&arguments, terminal),
        Command::Fmt(arguments) => fmt::run(&arguments, terminal),
        Command::Lsp(arguments) => lsp::run(&arguments, terminal),
        Command::Init(arguments) => init::run(&arguments, terminal),
        Command::Inventory(arguments) => inventory::run(&arguments, terminal),
        Command::Secret(arguments) => secret::run(&arguments, terminal),
        Command::Graph(arguments) => graph::run(&arguments, terminal),
        Command::Explain(arguments) => explain::run(&arguments, terminal),
        Command::Docs(arguments) => docs::run(&arguments, terminal),
        Command::Facts(arguments) => facts::run(&arguments, terminal),
        Command::SshCheck(arguments) => crate::many::check_hosts(&arguments, terminal),
        Command::Worker(arguments) => worker::run(&arguments),
        Command::Catalog(arguments) => catalog::run(&arguments, terminal),
        Command::Why(arguments) => why::run(&arguments, terminal),
        Command::Completions(arguments) => completions::run(&arguments, terminal),
        Command::Man(arguments) => man::run(&arguments, terminal),
    }
}
