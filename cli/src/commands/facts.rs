//! `stead facts`: what this machine tells about itself.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use stead_catalog::{Map, Value};
use stead_report::{clean, json};

use crate::args::FactsArguments;
use crate::failure::Failure;
use crate::project;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &FactsArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if let Some(on) = &arguments.on {
        return crate::many::facts(on, arguments, terminal);
    }
    let root = arguments.root.as_deref().unwrap_or(Path::new("/"));
    if !root.is_dir() {
        let missing = if root.exists() { Failure::NoDirectory } else { Failure::NoSuchPath };
        return Err(missing(root.to_owned()));
    }
    let config = crate::dependencies::read_config(&arguments.project);
    let (facts, problems) = project::gather(&config, &stead_catalog::facts_type(), &arguments.project, root);
    for problem in problems {
        terminal.note(&terminal.warning_line("invalid-facts", &problem.to_string()));
    }
    let text = if arguments.json {
        json::pretty(&json::facts_json(&Value::Map(Arc::new(facts)))).map_err(|error| Failure::Output(error.into()))?
    } else {
        facts_text(facts)
    };
    terminal.print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Facts for people.
pub(crate) fn facts_text(facts: Map) -> String {
    let mut text = String::new();
    write_lines(&mut text, "facts", &Value::Map(Arc::new(facts)));
    text
}

/// One line a value, named as the language names it.
fn write_lines(text: &mut String, name: &str, value: &Value) {
    match value {
        Value::Map(map) if !map.is_empty() => {
            for (key, value) in map.iter() {
                let is_word =
                    key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !key.starts_with(|c: char| c.is_ascii_digit());
                let step = if is_word { format!(".{key}") } else { format!("[{}]", Value::String(key.clone())) };
                write_lines(text, &format!("{name}{step}"), value);
            }
        }
        value => {
            let _ = writeln!(text, "{} = {}", clean(name), clean(&value.to_string()));
        }
    }
}
