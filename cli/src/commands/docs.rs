//! `stead docs`: the documentation of a resource type, from its schema.

use std::process::ExitCode;

use serde_json::{Value as Json, json};
use stead_catalog::Schema;
use stead_report::{attribute_default, docs_markdown, docs_text};

use super::document;
use crate::args::DocsArguments;
use crate::failure::Failure;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &DocsArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let schemas = stead_stdlib::registry().schemas();
    let Some(name) = &arguments.type_name else {
        if arguments.json {
            let types: Vec<Json> =
                schemas.iter().map(|schema| json!({ "name": &*schema.name, "summary": schema.summary() })).collect();
            terminal.print(&document(json!({ "types": types }))?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let width = schemas.iter().map(|schema| schema.name.len()).max().unwrap_or(0);
        let list: String = schemas.iter().map(|schema| format!("{:width$}  {}\n", schema.name, schema.summary())).collect();
        terminal.print(&list)?;
        return Ok(ExitCode::SUCCESS);
    };
    let Some(schema) = schemas.iter().find(|schema| *schema.name == **name) else {
        let closest = stead_catalog::closest(name, schemas.iter().map(|schema| &*schema.name)).map(|name| name.to_string());
        return Err(Failure::UnknownType { name: name.clone(), closest });
    };
    if arguments.json {
        terminal.print(&document(json!({ "type": of_type(schema) }))?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let options = terminal.text_options();
    let text = if arguments.markdown { docs_markdown(schema) } else { docs_text(schema, options.color, options.width) };
    terminal.print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A resource type, as far as one who writes it wants to know.
fn of_type(schema: &Schema) -> Json {
    let attributes = schema.attributes.iter().map(|attribute| {
        json!({
            "name": &*attribute.name,
            "type": attribute.ty.to_string(),
            "required": attribute.required,
            "default": attribute_default(attribute),
            "sensitive": attribute.sensitive,
            "deprecated": attribute.deprecated.as_deref(),
            "docs": &*attribute.docs,
        })
    });
    json!({
        "name": &*schema.name,
        "summary": schema.summary(),
        "since": &*schema.since,
        "key": &*schema.key,
        "deprecated": schema.deprecated.as_deref(),
        "docs": &*schema.docs,
        "attributes": attributes.collect::<Vec<_>>(),
    })
}
