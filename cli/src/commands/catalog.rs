//! `stead catalog`: every resource wanted on the node, typed and complete.

use std::fmt::Write as _;
use std::process::ExitCode;

use stead_report::clean;
use stead_report::json::{self, CatalogDocument};

use crate::args::CatalogArguments;
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::{project, selection};

pub(crate) fn run(arguments: &CatalogArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let (_, catalog) = project::compile(&arguments.source, terminal)?;
    let catalog = selection::select(catalog, &arguments.select)?;
    if arguments.json {
        let text = json::pretty(&CatalogDocument::from(&catalog)).map_err(|error| Failure::Output(error.into()))?;
        terminal.print(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for resource in &catalog.resources {
        let _ = writeln!(text, "{}  {}", clean(&resource.id.to_string()), clean(&resource.source.to_string()));
        for (name, value) in resource.attributes.iter() {
            let _ = writeln!(text, "    {name} = {}", clean(&value.to_string()));
        }
    }
    terminal.print(&text)?;
    Ok(ExitCode::SUCCESS)
}
