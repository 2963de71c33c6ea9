//! `stead inventory`: the hosts of a project.

use std::process::ExitCode;

use crate::args::{InventoryArguments, InventoryCommand};
use crate::failure::Failure;
use crate::many;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &InventoryArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    match &arguments.command {
        InventoryCommand::Clean(arguments) => many::clean(&arguments.on, &arguments.path, &arguments.many, terminal),
    }
}
