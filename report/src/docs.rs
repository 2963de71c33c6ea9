//! A resource type's documentation, from its schema.

use std::fmt::Write as _;

use stead_catalog::{AttributeSchema, Schema, Value};

use crate::paint::{Break, Color, Screen, Style, piece};

/// Renders the documentation of a type for a terminal.
pub fn docs_text(schema: &Schema, color: Color, width: Option<usize>) -> String {
    let width = width.map(|w| w.min(100));
    let mut screen = Screen::new(color, width);
    screen.line(
        0,
        2,
        Break::Words,
        &[piece(Style::Bold, &*schema.name), piece(Style::Plain, format!("  since {}", schema.since))],
    );
    screen.blank();
    prose(&mut screen, 2, &schema.docs);
    screen.blank();
    if let Some(instead) = &schema.deprecated {
        screen.prose(2, Style::Update, &format!("deprecated: {instead}"));
        screen.blank();
    }
    screen.line(0, 0, Break::Words, &[piece(Style::Bold, "Attributes")]);
    for attribute in &schema.attributes {
        screen.blank();
        let mut pieces = vec![piece(Style::Bold, &*attribute.name), piece(Style::Create, format!(": {}", attribute.ty))];
        if let Some(default) = attribute_default(attribute) {
            pieces.push(piece(Style::Plain, format!(" = {default}")));
        }
        let notes = notes(schema, attribute);
        if !notes.is_empty() {
            pieces.push(piece(Style::Dim, format!("  ({})", notes.join(", "))));
        }
        screen.line(2, 6, Break::Words, &pieces);
        prose(&mut screen, 6, &attribute.docs);
        if let Some(instead) = &attribute.deprecated {
            screen.prose(6, Style::Update, &format!("deprecated: {instead}"));
        }
    }
    if !schema.aliases.is_empty() {
        screen.blank();
        screen.line(0, 0, Break::Words, &[piece(Style::Bold, "Known elsewhere as")]);
        for (theirs, ours) in &schema.aliases {
            screen.line(2, 6, Break::Words, &[piece(Style::Plain, format!("{theirs} is {ours} here"))]);
        }
    }
    screen.out
}

/// Renders the documentation of a type as a page of Markdown.
pub fn docs_markdown(schema: &Schema) -> String {
    let mut out = format!("# {}\n\n{}\n\n", schema.name, schema.docs.trim());
    if let Some(instead) = &schema.deprecated {
        let _ = write!(out, "> Deprecated: {instead}\n\n");
    }
    out.push_str("## Attributes\n\n| attribute | type | default | |\n| --- | --- | --- | --- |\n");
    for attribute in &schema.attributes {
        let first = attribute.docs.lines().next().unwrap_or_default();
        let default = attribute_default(attribute).map(|d| format!("`{}`", cell(&d))).unwrap_or_default();
        let _ = writeln!(
            out,
            "| [`{0}`](#{0}) | `{1}` | {default} | {2} |",
            attribute.name,
            cell(&attribute.ty.to_string()),
            cell(first)
        );
    }
    for attribute in &schema.attributes {
        let _ = write!(out, "\n### {}\n\n`{}: {}`", attribute.name, attribute.name, attribute.ty);
        if let Some(default) = attribute_default(attribute) {
            let _ = write!(out, " `= {default}`");
        }
        let notes = notes(schema, attribute);
        if !notes.is_empty() {
            let _ = write!(out, " · {}", notes.join(" · "));
        }
        let _ = write!(out, "\n\n{}\n", attribute.docs.trim());
        if let Some(instead) = &attribute.deprecated {
            let _ = write!(out, "\n> Deprecated: {instead}\n");
        }
    }
    if !schema.aliases.is_empty() {
        out.push_str("\n## Known elsewhere as\n\n| there | here |\n| --- | --- |\n");
        for (theirs, ours) in &schema.aliases {
            let _ = writeln!(out, "| `{}` | `{}` |", cell(theirs), cell(ours));
        }
    }
    let _ = write!(out, "\nSince {}.\n", schema.since);
    out
}

/// Returns the default as the language writes it, where there is one to tell.
pub fn attribute_default(attribute: &AttributeSchema) -> Option<String> {
    attribute.default.as_ref().filter(|default| **default != Value::None).map(ToString::to_string)
}

fn notes(schema: &Schema, attribute: &AttributeSchema) -> Vec<&'static str> {
    let mut notes = Vec::new();
    if attribute.name == schema.key {
        notes.push("the resource's name when not given");
    } else if attribute.required {
        notes.push("required");
    }
    if attribute.sensitive {
        notes.push("never shown");
    }
    notes
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Paragraphs are wrapped, code blocks kept.
fn prose(screen: &mut Screen, indent: usize, docs: &str) {
    let mut paragraph = String::new();
    let mut in_code = false;
    let flush = |screen: &mut Screen, paragraph: &mut String| {
        if !paragraph.is_empty() {
            screen.prose(indent, Style::Plain, paragraph);
            paragraph.clear();
        }
    };
    for line in docs.trim().lines() {
        if line.trim_start().starts_with("```") {
            flush(screen, &mut paragraph);
            in_code = !in_code;
        } else if in_code {
            screen.line(indent + 2, indent + 4, Break::Anywhere, &[piece(Style::Run, line)]);
        } else if line.trim().is_empty() {
            flush(screen, &mut paragraph);
            screen.blank();
        } else {
            if line.trim_start().starts_with(['-', '*', '|', '#']) {
                flush(screen, &mut paragraph);
            }
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
        }
    }
    flush(screen, &mut paragraph);
}
