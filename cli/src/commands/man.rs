//! `stead man`: the manual pages, from the command line's own definition.

use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::args::{Arguments, ManArguments};
use crate::failure::Failure;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &ManArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let command = Arguments::command();
    match &arguments.directory {
        None => terminal.print(&String::from_utf8_lossy(&page(command)?))?,
        Some(directory) => {
            let unwritable = |source| Failure::Unwritable { path: directory.clone(), source };
            std::fs::create_dir_all(directory).map_err(unwritable)?;
            clap_mangen::generate_to(command, directory).map_err(unwritable)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn page(command: clap::Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(Failure::Output)?;
    Ok(page)
}
