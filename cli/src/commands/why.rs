//! `stead why`: where the value of an attribute came from.

use std::fmt::Write as _;
use std::process::ExitCode;

use stead_catalog::{Resource, ResourceId, Schema};
use stead_report::clean;

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
    let mut text = String::new();
    match &attribute {
        Some(name) => {
            if !explain(&mut text, resource, schema.as_ref(), name) {
                return Err(Failure::UnsetAttribute { id: id.to_string(), attribute: name.clone() });
            }
        }
        None => {
            let _ = writeln!(text, "{}  {}", clean(&id.to_string()), clean(&resource.source.to_string()));
            if !resource.path.is_empty() {
                let states: Vec<&str> = resource.path.iter().map(|state| &**state).collect();
                let _ = writeln!(text, "  by {}", clean(&states.join(", then ")));
            }
            for (name, _) in resource.attributes.iter() {
                explain(&mut text, resource, schema.as_ref(), name);
            }
        }
    }
    terminal.print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the value and each step that led to it. Returns whether there is one.
fn explain(text: &mut String, resource: &Resource, schema: Option<&Schema>, name: &str) -> bool {
    let Some(value) = resource.attributes.get(name) else { return false };
    let _ = writeln!(text, "{}.{name} = {}", clean(&resource.id.to_string()), clean(&value.to_string()));
    let mut steps = resource.origins.iter().filter(|origin| &*origin.attribute == name).peekable();
    if steps.peek().is_none() {
        let default = schema.and_then(|schema| schema.attribute(name)).and_then(|attribute| attribute.default.as_ref());
        let step = match schema {
            Some(schema) if default == Some(value) => format!("default of `{}`", schema.name),
            Some(schema) if *schema.key == *name && value.as_str() == Some(&resource.id.name) => "the resource's name".to_owned(),
            _ => "set in the resource".to_owned(),
        };
        let _ = writeln!(text, "    {step}  {}", clean(&resource.source.to_string()));
    }
    for origin in steps {
        let place = origin.location.as_ref().map(|location| format!("  {location}")).unwrap_or_default();
        let _ = writeln!(text, "    {}{}", clean(&origin.step), clean(&place));
    }
    true
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
