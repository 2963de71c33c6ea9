//! `stead docs`: the documentation of a resource type, from its schema.

use std::process::ExitCode;

use stead_report::{docs_markdown, docs_text};

use crate::args::DocsArguments;
use crate::failure::Failure;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &DocsArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let schemas = stead_stdlib::registry().schemas();
    let Some(name) = &arguments.type_name else {
        let width = schemas.iter().map(|schema| schema.name.len()).max().unwrap_or(0);
        let list: String = schemas.iter().map(|schema| format!("{:width$}  {}\n", schema.name, schema.summary())).collect();
        terminal.print(&list)?;
        return Ok(ExitCode::SUCCESS);
    };
    let Some(schema) = schemas.iter().find(|schema| *schema.name == **name) else {
        let closest = stead_catalog::closest(name, schemas.iter().map(|schema| &*schema.name)).map(|name| name.to_string());
        return Err(Failure::UnknownType { name: name.clone(), closest });
    };
    let options = terminal.text_options();
    let text = if arguments.markdown { docs_markdown(schema) } else { docs_text(schema, options.color, options.width) };
    terminal.print(&text)?;
    Ok(ExitCode::SUCCESS)
}
