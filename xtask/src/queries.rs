//! The queries of editors that have names of their own for captures, made of those of the tree-sitter grammar.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the queries are that the others are made of.
const SOURCE: &str = "editors/tree-sitter-stead/queries";

/// What an editor calls a capture. It knows nothing like one with an empty name: that is left out, and a pattern of one line that
/// captures nothing else.
type Names = &'static [(&'static str, &'static str)];

/// A query that is made of another.
struct Query {
    name: &'static str,
    directory: &'static str,
    names: Names,
}

const HELIX: &str = "editors/helix/queries/stead";
const ZED: &str = "editors/zed/languages/stead";

const QUERIES: [Query; 5] = [
    Query {
        name: "highlights",
        directory: HELIX,
        names: &[
            ("boolean", "constant.builtin.boolean"),
            ("comment", "comment.line"),
            ("comment.documentation", "comment.line.documentation"),
            ("function.call", "function"),
            ("function.method.call", "function.method"),
            ("keyword.conditional", "keyword.control.conditional"),
            ("keyword.import", "keyword.control.import"),
            ("keyword.repeat", "keyword.control.repeat"),
            ("keyword.type", "keyword.storage.type"),
            ("module", "namespace"),
            ("none", ""),
            ("number", "constant.numeric"),
            ("number.special", "constant.numeric.integer"),
            ("property", "variable.other.member"),
            ("string.escape", "constant.character.escape"),
            ("type.definition", "type"),
            ("variable.member", "variable.other.member"),
        ],
    },
    Query { name: "injections", directory: HELIX, names: &[] },
    Query {
        name: "locals",
        directory: HELIX,
        names: &[
            ("local.definition.function", "local.definition"),
            ("local.definition.import", ""),
            ("local.definition.parameter", "local.definition"),
            ("local.definition.type", "local.definition"),
            ("local.definition.var", "local.definition"),
        ],
    },
    Query {
        name: "indents",
        directory: HELIX,
        names: &[("indent.begin", "indent"), ("indent.branch", ""), ("indent.end", "outdent"), ("indent.ignore", "")],
    },
    Query {
        name: "highlights",
        directory: ZED,
        names: &[
            ("comment.documentation", "comment.doc"),
            ("constant.builtin", "constant"),
            ("function.call", "function"),
            ("function.method.call", "function"),
            ("keyword.conditional", "keyword"),
            ("keyword.function", "keyword"),
            ("keyword.import", "keyword"),
            ("keyword.operator", "keyword"),
            ("keyword.repeat", "keyword"),
            ("keyword.type", "keyword"),
            ("module", "namespace"),
            ("none", ""),
            ("number.special", "number"),
            ("string.regexp", "string.regex"),
            ("type.definition", "type"),
            ("variable.builtin", "variable.special"),
            ("variable.member", "property"),
        ],
    },
];

/// The queries of the other editors, by their paths in the workspace.
///
/// # Errors
/// When a query that they are made of cannot be read.
pub fn files(workspace: &Path) -> io::Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    for query in &QUERIES {
        let source = format!("{SOURCE}/{}.scm", query.name);
        let text = fs::read_to_string(workspace.join(&source))?;
        let made = format!("; Made by `cargo xtask codegen` of {source}.\n\n{}", renamed(&text, query.names));
        files.insert(Path::new(query.directory).join(format!("{}.scm", query.name)), made);
    }
    Ok(files)
}

/// The patterns with other names for what they capture. A pattern that captures nothing any more is left out.
fn renamed(text: &str, names: Names) -> String {
    let mut made = String::with_capacity(text.len());
    for line in text.lines() {
        let mut written = String::with_capacity(line.len());
        let mut parts = line.split('@');
        written.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_').unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            match names.iter().find(|(known, _)| *known == name) {
                Some((_, "")) => written.truncate(written.trim_end().len()),
                Some((_, new)) => written.extend(["@", new]),
                None => written.extend(["@", name]),
            }
            written.push_str(rest);
        }
        let is_pattern = line.contains('@') && line.starts_with(['(', '[']);
        if !is_pattern || written.contains('@') {
            made.push_str(&written);
            made.push('\n');
        }
    }
    // What was left out leaves no gaps.
    while made.contains("\n\n\n") {
        made = made.replace("\n\n\n", "\n\n");
    }
    made.truncate(made.trim_end().len());
    made.push('\n');
    made
}

#[cfg(test)]
mod tests {
    use super::renamed;

    #[test]
    fn captures_get_other_names() {
        const NAMES: &[(&str, &str)] = &[("number", "constant.numeric"), ("none", ""), ("local.import", "")];
        let check = |text: &str, expected: &str| assert_eq!(renamed(text, NAMES), expected);
        check("(a) @number\n(b) @number.special\n", "(a) @constant.numeric\n(b) @number.special\n");
        check("(a\n  \"}\" @x) @none\n", "(a\n  \"}\" @x)\n");
        check("(a) @x\n\n(b) @local.import\n\n(c) @y\n", "(a) @x\n\n(c) @y\n");
    }
}
