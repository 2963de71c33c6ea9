//! `stead why`: where the value of an attribute came from.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value as Json, json};
use stead_catalog::{Resource, ResourceId, Schema, SourceLocation, Value};
use stead_report::{clean, json};

use crate::args::WhyArguments;
use crate::failure::Failure;
use crate::project;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &WhyArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let (id, attribute) = parse(&arguments.attribute)?;
    let (loaded, catalog) = project::compile(&arguments.source, terminal)?;
    let schema = loaded.registry.get(&id.type_name).map(|entry| entry.schema());
    let Some(resource) = catalog.resources.iter().find(|resource| resource.id == id) else {
        let ids: Vec<String> = catalog.resources.iter().map(|resource| resource.id.to_string()).collect();
        let closest = stead_catalog::closest(&id.to_string(), ids.iter().map(String::as_str)).map(|id| id.to_string());
        return Err(Failure::UnknownResource { node: catalog.node.to_string(), id: id.to_string(), closest });
    };
    let names: Vec<&str> = match &attribute {
        Some(name) if resource.attributes.get(name).is_none() => {
            return Err(Failure::UnsetAttribute { id: id.to_string(), attribute: name.clone() });
        }
        Some(name) => vec![name],
        None => resource.attributes.iter().map(|(name, _)| &**name).collect(),
    };
    if arguments.json {
        terminal.print(&document(&catalog.node, resource, schema.as_ref(), &names)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    if attribute.is_none() {
        let _ = writeln!(text, "{}  {}", clean(&id.to_string()), clean(&resource.source.to_string()));
        if !resource.path.is_empty() {
            let states: Vec<&str> = resource.path.iter().map(|state| &**state).collect();
            let _ = writeln!(text, "  by {}", clean(&states.join(", then ")));
        }
    }
    for name in names {
        let Some(value) = resource.attributes.get(name) else { continue };
        let _ = writeln!(text, "{}.{name} = {}", clean(&resource.id.to_string()), clean(&value.to_string()));
        for (step, location) in steps(resource, schema.as_ref(), name, value) {
            let place = location.map(|location| format!("  {location}")).unwrap_or_default();
            let _ = writeln!(text, "    {}{}", clean(&step), clean(&place));
        }
    }
    terminal.print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The steps that led to a value, each with its place.
fn steps<'r>(
    resource: &'r Resource,
    schema: Option<&Schema>,
    name: &str,
    value: &Value,
) -> Vec<(String, Option<&'r SourceLocation>)> {
    let origins = resource.origins.iter().filter(|origin| &*origin.attribute == name);
    let steps: Vec<_> = origins.map(|origin| (origin.step.to_string(), origin.location.as_ref())).collect();
    if !steps.is_empty() {
        return steps;
    }
    let default = schema.and_then(|schema| schema.attribute(name)).and_then(|attribute| attribute.default.as_ref());
    let step = match schema {
        Some(schema) if default == Some(value) => format!("default of `{}`", schema.name),
        Some(schema) if *schema.key == *name && value.as_str() == Some(&resource.id.name) => "the resource's name".to_owned(),
        _ => "set in the resource".to_owned(),
    };
    vec![(step, Some(&resource.source))]
}

/// The same as a document.
fn document(node: &str, resource: &Resource, schema: Option<&Schema>, names: &[&str]) -> Result<String, Failure> {
    let place = |location: &SourceLocation| json!({ "file": &*location.file, "line": location.line, "column": location.column });
    let attribute = |name: &&str| {
        let value = resource.attributes.get(name)?;
        let steps = steps(resource, schema, name, value).into_iter();
        let steps: Vec<Json> = steps.map(|(step, location)| json!({ "step": step, "source": location.map(place) })).collect();
        let sensitive = value.is_sensitive();
        Some(json!({ "name": name, "value": json::value_json(value), "sensitive": sensitive, "steps": steps }))
    };
    super::document(json!({
        "node": node,
        "id": resource.id.to_string(),
        "source": place(&resource.source),
        "path": resource.path.iter().map(|state| &**state).collect::<Vec<_>>(),
        "attributes": names.iter().filter_map(attribute).collect::<Vec<_>>(),
    }))
}

/// Reads `type["name"]` and an attribute after a dot.
fn parse(text: &str) -> Result<(ResourceId, Option<String>), Failure> {
    let wrong = || Failure::NotAnAttribute(text.to_owned());
    let end = text.rfind(']').ok_or_else(wrong)?;
    let (id, rest) = text.split_at(end + 1);
    let attribute = match rest.trim() {
        "" => None,
        rest => Some(rest.strip_prefix('.').filter(|name| !name.is_empty()).ok_or_else(wrong)?.to_owned()),
    };
    Ok((ResourceId::parse(id).ok_or_else(wrong)?, attribute))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_named_as_in_messages() {
        let id = ResourceId::new("file", "/a].b");
        assert_eq!(parse(r#"file["/a].b"].mode"#).ok(), Some((id.clone(), Some("mode".into()))));
        assert_eq!(parse(r#"file["/a].b"]"#).ok(), Some((id, None)));
        for wrong in ["", "file", "file[x].mode", r#"file["/a"]mode"#, r#"file["/a"]."#] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
