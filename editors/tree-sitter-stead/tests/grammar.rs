//! Holds the grammar to the compiler's: every file that the compiler accepts is parsed without a mistake. And holds it to its
//! own corpus, the queries to the grammar, and the generated parser to the grammar it was made of.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use tree_sitter::{Language, Node, Parser, Query};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn workspace() -> PathBuf {
    here().join("../..")
}

fn language() -> Language {
    tree_sitter_stead::LANGUAGE.into()
}

fn parser() -> Parser {
    let mut parser = Parser::new();
    parser.set_language(&language()).unwrap();
    parser
}

/// Every file below a directory with one of these endings.
fn files(directory: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, endings, found);
        } else if path.extension().is_some_and(|extension| endings.iter().any(|ending| extension == *ending)) {
            found.push(path);
        }
    }
    found.sort();
}

/// The first place of a tree that the grammar did not understand.
fn mistake(node: Node<'_>) -> Option<Node<'_>> {
    if node.is_error() || node.is_missing() {
        return Some(node);
    }
    if !node.has_error() {
        return None;
    }
    let mut cursor = node.walk();
    let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
    children.into_iter().find_map(mistake)
}

/// Parses a text that has to be right; says what is wrong.
fn check(parser: &mut Parser, name: &str, text: &str, problems: &mut String) {
    let tree = parser.parse(text, None).unwrap();
    if let Some(node) = mistake(tree.root_node()) {
        let at = node.start_position();
        let line = text.lines().nth(at.row).unwrap_or_default();
        writeln!(problems, "{name}:{}:{}: {} in `{line}`", at.row + 1, at.column + 1, node.kind()).unwrap();
    }
}

/// The blocks of a page whose info string starts with `stead`, without those that show a mistake in the syntax.
fn blocks(page: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let mut text = String::new();
        for (_, line) in lines.by_ref().take_while(|(_, line)| *line != "```") {
            text.push_str(line);
            text.push('\n');
        }
        let mut words = info.split([',', ' ']);
        let is_other = info.split([',', ' ']).any(|word| {
            word.starts_with("fails=")
                || word == "fail"
                || word.strip_prefix("file=").is_some_and(|name| !name.ends_with(".stead"))
        });
        if words.next() == Some("stead") && !is_other {
            blocks.push((number + 1, text));
        }
    }
    blocks
}

#[test]
fn what_the_compiler_accepts_is_accepted() {
    let mut found = Vec::new();
    for directory in ["grammar/samples/ok", "grammar/samples/format", "examples"] {
        files(&workspace().join(directory), &["stead"], &mut found);
    }
    let mut parser = parser();
    let mut problems = String::new();
    for path in &found {
        let text = fs::read_to_string(path).unwrap();
        check(&mut parser, &path.display().to_string(), &text, &mut problems);
    }
    assert!(found.len() > 10, "there are samples");
    let mut pages = Vec::new();
    for directory in ["book/src", "stdlib/src/resources"] {
        files(&workspace().join(directory), &["md"], &mut pages);
    }
    let mut count = 0;
    for path in pages {
        for (line, text) in blocks(&fs::read_to_string(&path).unwrap()) {
            count += 1;
            check(&mut parser, &format!("{} (block at line {line})", path.display()), &text, &mut problems);
        }
    }
    assert!(count > 100, "the book has examples");
    assert!(problems.is_empty(), "\n{problems}");
}

/// Writes a tree as the corpus has it: named nodes with their fields, indented.
fn shown(node: Node<'_>) -> String {
    fn write(node: Node<'_>, field: Option<&str>, depth: usize, out: &mut String) {
        if !node.is_named() && !node.is_error() && !node.is_missing() {
            return;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = write!(out, "{}", "  ".repeat(depth));
        if let Some(field) = field {
            let _ = write!(out, "{field}: ");
        }
        let _ = write!(out, "({}", if node.is_missing() { "MISSING" } else { node.kind() });
        let mut cursor = node.walk();
        if cursor.goto_first_child() {
            loop {
                write(cursor.node(), cursor.field_name(), depth + 1, out);
                if !cursor.goto_next_sibling() {
                    break;
                }
            }
        }
        out.push(')');
    }
    let mut out = String::new();
    write(node, None, 0, &mut out);
    out
}

/// Each case of a corpus: its title, the source, the tree.
fn cases(corpus: &str) -> Vec<(String, String, String)> {
    let mut cases = Vec::new();
    let mut rest = corpus;
    while let Some(start) = rest.find("===") {
        let (_, after) = rest[start..].split_once('\n').unwrap();
        let (title, after) = after.split_once("\n===").unwrap();
        let (_, after) = after.split_once('\n').unwrap();
        let (source, after) = after.split_once("\n---").unwrap();
        let (_, after) = after.split_once('\n').unwrap();
        let end = after.find("\n===").map_or(after.len(), |at| at + 1);
        cases.push((title.to_owned(), format!("{source}\n"), after[..end].trim().to_owned()));
        rest = &after[end..];
    }
    cases
}

#[test]
fn the_corpus_holds() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut found = Vec::new();
    files(&here().join("test/corpus"), &["txt"], &mut found);
    assert!(!found.is_empty(), "there is a corpus");
    let mut parser = parser();
    let mut problems = String::new();
    for path in found {
        let mut updated = String::new();
        for (title, source, expected) in cases(&fs::read_to_string(&path).unwrap()) {
            let tree = shown(parser.parse(source.trim_start_matches('\n'), None).unwrap().root_node());
            let line = "=".repeat(80);
            write!(updated, "{line}\n{title}\n{line}\n\n{}\n\n---\n\n{tree}\n\n", source.trim()).unwrap();
            if tree != expected {
                writeln!(problems, "{}: {title}: the tree is\n{tree}", path.display()).unwrap();
            }
        }
        if update {
            fs::write(&path, updated.trim_end().to_owned() + "\n").unwrap();
        }
    }
    assert!(update || problems.is_empty(), "\n{problems}");
}

#[test]
fn every_query_fits_the_grammar() {
    let mut found = Vec::new();
    for directory in ["editors/tree-sitter-stead/queries", "editors/helix/queries", "editors/zed/languages"] {
        files(&workspace().join(directory), &["scm"], &mut found);
    }
    assert!(found.len() >= 12, "each editor has its queries");
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        if let Err(error) = Query::new(&language(), &text) {
            panic!("{}: {error}", path.display());
        }
    }
}

/// A file in the middle of a keystroke is still a tree in which the rest is understood.
#[test]
fn a_mistake_stays_where_it_is() {
    let text = "package \"a\"\nfile \"/b\" { mode = \n}\nstate web() { service \"c\" { state = running } }\n";
    let tree = parser().parse(text, None).unwrap();
    let shown = tree.root_node().to_sexp();
    assert!(tree.root_node().has_error());
    assert!(shown.contains("state_declaration"), "{shown}");
}

#[test]
fn no_text_hangs_or_crashes() {
    let samples = ["r#\"", "r\"\n", "\"\"\"${", "\"${\"${", "[for", "/", "file \"a\" {", "\u{FEFF}\u{FEFF}", "\\u{", "é🦀\"🦀"];
    let mut parser = parser();
    for first in samples {
        for second in samples {
            let text = format!("{first}\n{second} {first}");
            assert!(parser.parse(&text, None).is_some(), "{text:?}");
        }
    }
}

/// `src` holds what tree-sitter makes of `grammar.js`. With `UPDATE=1` it is made anew. Node evaluates the grammar.
#[test]
fn the_parser_is_of_this_grammar() {
    let made = tempfile::tempdir().unwrap();
    for file in ["grammar.js", "tree-sitter.json"] {
        fs::copy(here().join(file), made.path().join(file)).unwrap();
    }
    // ABI 14 is what editors of the last years understand.
    tree_sitter_generate::generate_parser_in_directory(made.path(), None, None, 14, None, None)
        .unwrap_or_else(|error| panic!("{error}"));
    let mut files = Vec::new();
    self::files(&made.path().join("src"), &["c", "h", "json"], &mut files);
    assert!(files.len() >= 4, "a parser was made");
    let mut stale = Vec::new();
    for file in files {
        let name = file.strip_prefix(made.path()).unwrap();
        let text = fs::read(&file).unwrap();
        if fs::read(here().join(name)).ok().as_ref() != Some(&text) {
            if std::env::var_os("UPDATE").is_some() {
                fs::create_dir_all(here().join(name).parent().unwrap()).unwrap();
                fs::write(here().join(name), text).unwrap();
            } else {
                stale.push(name.to_owned());
            }
        }
    }
    assert!(stale.is_empty(), "grammar.js has changed; make these anew with UPDATE=1: {stale:?}");
}
