//! The reference pages of the book: resource types from their schemas, functions from their table, facts from their
//! type, codes from their pages, and the table of contents that lists them all.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use stead_catalog::{Type, facts_type};
use stead_compiler::{builtins, codes, lints};

/// Folders that hold nothing but generated pages.
pub const FOLDERS: [&str; 2] = ["book/src/reference/types", "book/src/reference/errors"];

/// Where the generated part of the table of contents begins and ends.
const BEGIN: &str = "<!-- generated: begin -->";
const END: &str = "<!-- generated: end -->";

/// Returns every generated page by its path in the workspace.
///
/// # Errors
/// When a page that goes into them cannot be read.
pub fn pages(workspace: &Path) -> io::Result<BTreeMap<PathBuf, String>> {
    let mut pages = BTreeMap::new();
    let mut contents = String::new();
    let reference = Path::new("book/src/reference");
    let schemas = stead_stdlib::registry().schemas();
    contents.push_str("- [Resource types](reference/types.md)\n");
    let mut index = String::from("# Resource types\n\n| type | |\n| --- | --- |\n");
    for schema in &schemas {
        let _ = writeln!(index, "| [{0}](types/{0}.md) | {1} |", schema.name, schema.summary());
        let _ = writeln!(contents, "  - [{0}](reference/types/{0}.md)", schema.name);
        let mut text = stead_report::docs_markdown(schema);
        if let Ok(page) = fs::read_to_string(workspace.join(format!("stdlib/src/resources/{}.md", schema.name))) {
            text.push_str(&sections(&page));
        }
        pages.insert(reference.join(format!("types/{}.md", schema.name)), text);
    }
    pages.insert(reference.join("types.md"), index);
    contents.push_str("- [Functions](reference/functions.md)\n- [Facts](reference/facts.md)\n");
    pages.insert(reference.join("functions.md"), functions());
    pages.insert(reference.join("facts.md"), facts());

    contents.push_str("- [Lints](reference/lints.md)\n");
    pages.insert(reference.join("lints.md"), lints_page());

    contents.push_str("- [Codes](reference/errors.md)\n");
    let mut index = String::from(
        "# Codes\n\nWhat Stead has to say carries a code that stays the same. `stead explain CODE` shows these pages. Each shows what gives its \
         code. An example in three parts has the resources, what the machine is like, and what is planned.\n\n",
    );
    for (code, page) in error_pages(workspace)? {
        let _ = writeln!(index, "- [`{code}`](errors/{code}.md)");
        let _ = writeln!(contents, "  - [`{code}`](reference/errors/{code}.md)");
        pages.insert(reference.join(format!("errors/{code}.md")), shown_cases(&codes::for_readers(&page)));
    }
    pages.insert(reference.join("errors.md"), index);
    let summary = PathBuf::from("book/src/SUMMARY.md");
    let text = fs::read_to_string(workspace.join(&summary))?;
    pages.insert(summary, with_contents(&text, &contents)?);
    Ok(pages)
}

/// The codes of the language, of the command line and of what happens on a machine.
fn error_pages(workspace: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut pages: BTreeMap<String, String> = BTreeMap::new();
    for code in codes::all_codes() {
        pages.insert(code.to_owned(), codes::explain(code).unwrap_or_default().to_owned());
    }
    for code in stead_stdlib::codes::all_codes() {
        pages.insert(code.to_owned(), stead_stdlib::codes::explain(code).unwrap_or_default().to_owned());
    }
    for entry in fs::read_dir(workspace.join("cli/errors"))? {
        let path = entry?.path();
        if let Some(code) = path.file_stem().and_then(|stem| stem.to_str()) {
            pages.insert(code.to_owned(), fs::read_to_string(&path)?);
        }
    }
    Ok(pages)
}

/// Every lint with its default severity and what its page says first.
fn lints_page() -> String {
    let mut text = String::from(include_str!("lints.md"));
    text.push_str("| lint | unless set | |\n| --- | --- | --- |\n");
    for lint in lints::LINTS {
        let page = codes::explain(lint.code).unwrap_or_default();
        let first = page.lines().skip(1).find(|line| !line.trim().is_empty()).unwrap_or_default();
        let sentence = first.split_once(". ").map_or(first, |(sentence, _)| sentence).trim_end_matches('.');
        let _ = writeln!(text, "| [`{0}`](errors/{0}.md) | {1} | {sentence}. |", lint.code, lint.level.name());
    }
    text
}

/// The sections of a type's own page, below its title and introduction, which the schema gives already.
fn sections(page: &str) -> String {
    let start = page.find("\n## ").unwrap_or(page.len());
    shown_cases(&page[start..])
}

/// Plan cases are for the tests: shown as plain text.
fn shown_cases(page: &str) -> String {
    page.replace("```plan", "```text")
}

fn functions() -> String {
    let mut text = String::from(
        "# Functions\n\nA method is called on a value: `xs.join(\", \")`. All functions are total: no clock, no chance, no network.\n",
    );
    let mut subject = "";
    for builtin in builtins::all() {
        if builtin.subject != subject {
            subject = builtin.subject;
            let mut title = subject.to_owned();
            title[..1].make_ascii_uppercase();
            let _ = write!(text, "\n## {title}\n");
        }
        let _ = write!(text, "\n### `{}`\n\n{}\n", builtin.signature, builtin.docs.trim());
        if !builtin.examples.is_empty() {
            text.push_str("\n| expression | value |\n| --- | --- |\n");
            for (expression, value) in builtin.examples {
                let _ = writeln!(text, "| {} | {} |", cell(expression), cell(value));
            }
        }
    }
    text
}

fn facts() -> String {
    let mut text = String::from(
        "# Facts\n\nWhat a node tells about itself, as `facts.NAME` in the language. `stead facts` shows those of this machine.\n\n\
         | fact | type | |\n| --- | --- | --- |\n",
    );
    write_facts(&mut text, "facts", &facts_type());
    text.push_str(
        "\nA project declares facts of its own with `fact NAME: TYPE = DEFAULT`; a node tells them in JSON files below `/etc/stead/facts.d`.\n",
    );
    text
}

fn write_facts(text: &mut String, name: &str, ty: &Type) {
    let Type::Record(record) = ty else { return };
    for field in &record.fields {
        let path = format!("{name}.{}", field.name);
        let inner = match &field.ty {
            Type::Map(item) => Some((format!("{path}[NAME]"), item.as_ref())),
            ty @ Type::Record(_) => Some((path.clone(), ty)),
            _ => None,
        };
        if !matches!(field.ty, Type::Record(_)) {
            let _ = writeln!(text, "| `{path}` | {} | {} |", cell(&field.ty.to_string()), field.docs);
        }
        if let Some((path, ty)) = inner {
            write_facts(text, &path, ty);
        }
    }
}

/// Code in a cell of a table.
fn cell(code: &str) -> String {
    let code = code.replace('|', "\\|").replace('\n', " ");
    if code.contains('`') { format!("`` {code} ``") } else { format!("`{code}`") }
}

fn with_contents(summary: &str, contents: &str) -> io::Result<String> {
    let wrong = || io::Error::other("book/src/SUMMARY.md has no generated part");
    let (before, rest) = summary.split_once(BEGIN).ok_or_else(wrong)?;
    let (_, after) = rest.split_once(END).ok_or_else(wrong)?;
    Ok(format!("{before}{BEGIN}\n\n{contents}\n{END}{after}"))
}
