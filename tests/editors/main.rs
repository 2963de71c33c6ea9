//! What `editors/` holds, in the programs it is for: the libraries of VS Code, Neovim, Emacs.
//!
//! `tests/setup` installs them. `STEAD_TEST_EDITORS=off` leaves these tests out. The tree-sitter grammar has tests of its own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "what was left out is told")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use stead_tests::transcript::blocks;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

/// Where `tests/setup` puts the packages of Node.
fn cache() -> PathBuf {
    std::env::var_os("STEAD_TEST_EDITORS_CACHE").map_or_else(|| "/var/cache/stead-tests/editors".into(), PathBuf::from)
}

/// Says whether these tests are left out.
fn is_off() -> bool {
    let off = std::env::var("STEAD_TEST_EDITORS").is_ok_and(|value| ["off", "0", "no"].contains(&value.as_str()));
    if off {
        eprintln!("left out: STEAD_TEST_EDITORS is off");
    }
    off
}

/// Runs a program, with at most two minutes for it; what it wrote.
#[track_caller]
fn run(command: &mut Command) -> (Output, String) {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut timed = Command::new("timeout");
    timed.arg("120").arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        timed.env(key, value.unwrap_or_default());
    }
    if let Some(directory) = command.get_current_dir() {
        timed.current_dir(directory);
    }
    let output = timed.output().unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_ne!(output.status.code(), Some(127), "`{name}` is not there: run tests/setup");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output, text)
}

fn files(directory: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found.sort();
}

/// The files that the compiler accepts, those of the book and the resource types among them.
fn accepted(scratch: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in ["grammar/samples/ok", "grammar/samples/format", "examples"] {
        files(&root().join(directory), "stead", &mut found);
        files(&root().join(directory), "j2", &mut found);
    }
    let mut pages = Vec::new();
    for directory in ["book/src", "stdlib/src/resources"] {
        files(&root().join(directory), "md", &mut pages);
    }
    // The pages of codes are examples of mistakes.
    pages.retain(|page| !page.components().any(|part| part.as_os_str() == "errors"));
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let name = page.strip_prefix(root()).unwrap().to_string_lossy().replace('/', "-");
        for block in blocks(&text).iter().filter(|block| block.is("stead") && block.option("fails").is_none()) {
            let path = scratch.join(format!("{name}-{}.stead", block.line));
            fs::write(&path, &block.text).unwrap();
            found.push(path);
        }
    }
    found
}

fn textmate(arguments: &[&Path]) -> (Output, String) {
    let modules = cache().join("textmate");
    assert!(modules.join("node_modules").is_dir(), "{} has no packages: run tests/setup", modules.display());
    run(Command::new("node").arg(root().join("tests/editors/textmate.mjs")).arg(modules).args(arguments))
}

#[test]
fn textmate_accepts_what_the_compiler_accepts() {
    if is_off() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let found = accepted(scratch.path());
    assert!(found.len() > 100, "there are samples");
    let (output, text) = textmate(&found.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    assert!(output.status.success(), "{text}");
    assert!(text.contains(&format!("{} files", found.len())), "{text}");
}

/// What has which colour: `colours.stead` and `colours.html.j2` beside this file, with `UPDATE=1` written anew.
#[test]
fn textmate_gives_the_right_colours() {
    if is_off() {
        return;
    }
    for name in ["colours.stead", "colours.j2"] {
        let sample = root().join("tests/editors").join(name);
        let (output, text) = textmate(&[Path::new("--tokens"), &sample]);
        assert!(output.status.success(), "{text}");
        let kept = sample.with_extension(format!("{}.txt", sample.extension().unwrap().to_string_lossy()));
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&kept, &text).unwrap();
        }
        let expected = fs::read_to_string(&kept).unwrap();
        similar_lines(&text, &expected, name);
    }
}

#[track_caller]
fn similar_lines(found: &str, expected: &str, name: &str) {
    let different = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
    assert!(found == expected, "{name} has other colours: {different:?}; UPDATE=1 takes them over");
}

/// The extension is checked by TypeScript, bundled and packaged by its script; the package has what VS Code needs.
#[test]
fn the_extension_is_packaged() {
    if is_off() {
        return;
    }
    let modules = cache().join("vscode/node_modules");
    assert!(modules.is_dir(), "{} is missing: run tests/setup", modules.display());
    let scratch = tempfile::tempdir().unwrap();
    let extension = scratch.path().join("editors/vscode");
    fs::create_dir_all(&extension).unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .args(["package.json", "package-lock.json", "package.sh", "tsconfig.json", "src", "syntaxes", "snippets", "README.md"])
        .args(["language-configuration.json", "jinja2-configuration.json", ".vscodeignore"])
        .arg(&extension)
        .current_dir(root().join("editors/vscode"))
        .status();
    assert!(copied.unwrap().success());
    for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
        fs::copy(root().join(license), scratch.path().join(license)).unwrap();
    }
    std::os::unix::fs::symlink(&modules, extension.join("node_modules")).unwrap();
    let package = scratch.path().join("stead.vsix");
    let (output, text) = run(Command::new(extension.join("package.sh")).arg(&package));
    assert!(output.status.success(), "{text}");
    for file in ["dist/extension.js", "syntaxes/stead.tmLanguage.json", "snippets/stead.json", "language-configuration.json"] {
        assert!(text.contains(file.rsplit('/').next().unwrap()), "{file} is not in the package: {text}");
    }
    assert!(fs::metadata(&package).unwrap().len() > 50_000);
}

/// Every file that the extension's manifest names is there.
#[test]
fn the_manifest_names_files_that_exist() {
    let extension = root().join("editors/vscode");
    let manifest: serde_json::Value = serde_json::from_str(&fs::read_to_string(extension.join("package.json")).unwrap()).unwrap();
    let contributed = &manifest["contributes"];
    let mut named: Vec<&str> = Vec::new();
    for (list, key) in [("languages", "configuration"), ("grammars", "path"), ("snippets", "path")] {
        named.extend(contributed[list].as_array().unwrap().iter().filter_map(|one| one[key].as_str()));
    }
    assert!(named.len() > 10);
    for path in named {
        let text = fs::read_to_string(extension.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        serde_json::from_str::<serde_json::Value>(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    let lock = fs::read_to_string(extension.join("package-lock.json")).unwrap();
    assert!(!lock.contains("\"resolved\""), "the lock file names no registry");
}

#[test]
fn snippets_are_right() {
    let path = root().join("editors/vscode/snippets/stead.json");
    let snippets: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let placeholder = regex::Regex::new(r"\$\{\d+:([^}]*)\}").unwrap();
    let stop = regex::Regex::new(r"\$\{?\d+\}?").unwrap();
    for (name, snippet) in snippets.as_object().unwrap() {
        let lines = snippet["body"].as_array().unwrap().iter().filter_map(|line| line.as_str());
        let text = lines.collect::<Vec<_>>().join("\n") + "\n";
        let text = placeholder.replace_all(&text, "$1");
        // A variable that stands again has the text of its first place.
        let text = text.replace("\"$1\"", "\"nginx-light\"");
        let text = stop.replace_all(&text, "");
        let parsed = stead_grammar::parse(&text);
        assert!(parsed.errors.is_empty(), "{name}: {:?}\n{text}", parsed.errors);
    }
}

/// A line after which VS Code indents, and one after which it does not.
#[test]
fn blocks_are_indented_whatever_their_line_holds() {
    let path = root().join("editors/vscode/language-configuration.json");
    let configuration: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let pattern = configuration["indentationRules"]["increaseIndentPattern"].as_str().unwrap();
    let pattern = regex::Regex::new(pattern).unwrap();
    let opens = [
        "state web(port: Port) {",
        "file \"/etc/motd\" {",
        "  file \"/etc/{x}\" { # why",
        "let a = [\"x\", \"y\",",
        "let a = f(\"x{\", {",
        "node \"web-*\" { web(",
    ];
    for line in opens {
        assert!(pattern.is_match(line), "{line}");
    }
    let closed = [
        "file \"/etc/motd\" { }",
        "let a = \"{\"",
        "# a {",
        "let a = [\"x\"] # {",
        "content = \"\"\"",
        "}",
        "let a = f(\"\\\"{\")",
    ];
    for line in closed {
        assert!(!pattern.is_match(line), "{line}");
    }
}

/// The words between `from` and the next `to`, which are of letters.
#[track_caller]
fn words<'t>(text: &'t str, from: &str, to: &str) -> BTreeSet<&'t str> {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no `{from}`"));
    let (list, _) = rest.split_once(to).unwrap_or_else(|| panic!("no `{to}` after `{from}`"));
    list.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect()
}

/// The lists of words that editors have are those of the compiler.
#[test]
fn words_are_those_of_the_compiler() {
    let schemas = Arc::new(stead_compiler::Schemas::new(Vec::new()));
    let sources = Arc::new(stead_compiler::MemorySources::new());
    let project = stead_compiler::Project::load(stead_compiler::Input::directory(sources, schemas));
    let types: BTreeSet<&str> = project.builtin_types().iter().copied().collect();
    let metas: BTreeSet<&str> = project.meta_attributes().map(|(name, _)| name).collect();
    let is_requisite = |name: &&str| name.ends_with("_in") || metas.contains(&*format!("{name}_in"));
    let requisites: BTreeSet<&str> = metas.iter().copied().filter(is_requisite).collect();
    // What is a word in one place only.
    let keywords: BTreeSet<&str> = stead_grammar::keywords().iter().copied().chain(["as", "not"]).collect();
    let read = |path: &str| fs::read_to_string(root().join("editors").join(path)).unwrap();

    let textmate = read("vscode/syntaxes/stead.tmLanguage.json");
    assert_eq!(words(&textmate, "\\\\b(Bool", ")"), &types - &BTreeSet::from(["Bool"]), "TextMate");
    for list in textmate.split("(?!(?:").skip(1).filter(|list| list.starts_with("let|")) {
        assert_eq!(words(list, "", ")"), keywords, "TextMate");
    }
    for path in ["tree-sitter-stead/queries", "helix/queries/stead", "zed/languages/stead"] {
        let text = read(&format!("{path}/highlights.scm"));
        assert_eq!(words(&text, "#any-of? @type.builtin", ")"), types, "{path}");
        assert_eq!(words(&text, "#any-of? @attribute", ")"), metas, "{path}");
    }
    let vim = read("neovim/syntax/stead.vim");
    assert_eq!(words(&vim, "keyword steadType ", "\n"), types, "Vim");
    let found = ["Keyword", "Conditional", "Repeat", "OperatorWord", "Boolean", "None"];
    let found = found.iter().flat_map(|list| words(&vim, &format!("keyword stead{list} "), "\n"));
    assert_eq!(found.collect::<BTreeSet<_>>(), keywords, "Vim");
    let found = vim
        .lines()
        .filter(|line| line.starts_with("syntax keyword steadRequisite"))
        .flat_map(|line| words(line, "steadRequisite", "contained"));
    assert_eq!(found.collect::<BTreeSet<_>>(), requisites, "Vim");
    let emacs = read("emacs/stead-mode.el");
    assert_eq!(words(&emacs, "defconst stead--types", ")"), types, "Emacs");
    let constants = BTreeSet::from(["true", "false", "none"]);
    assert_eq!(words(&emacs, "defconst stead--keywords", ")"), &keywords - &constants, "Emacs");
}

#[test]
fn emacs_compiles_colours_and_indents() {
    if is_off() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mode = scratch.path().join("stead-mode.el");
    fs::copy(root().join("editors/emacs/stead-mode.el"), &mode).unwrap();
    let (output, text) = run(Command::new("emacs")
        .args(["-Q", "--batch", "--eval", "(setq byte-compile-error-on-warn t)", "-f", "batch-byte-compile"])
        .arg(&mode));
    assert!(output.status.success(), "{text}");
    let (output, _) = run(Command::new("emacs")
        .args(["-Q", "--batch", "-L"])
        .arg(scratch.path())
        .arg("-l")
        .arg(root().join("tests/editors/emacs.el"))
        .env("STEAD_SAMPLE", root().join("tests/editors/sample.stead")));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = "mode stead-mode\n\
        ## Doc: font-lock-doc-face\n\
        state web: font-lock-keyword-face\n\
        web(: font-lock-function-name-face\n\
        Port: font-lock-type-face\n\
        0644: font-lock-constant-face\n\
        \"/etc/x: font-lock-string-face\n\
        block {: font-lock-string-face\n\
        after: font-lock-variable-name-face\n\
        name\\: font-lock-string-face\n\
        indented as before: t\n\
        plan here: plan ROOT\n\
        plan there: plan ROOT --from-facts --on web-1\n";
    assert_eq!(told, expected);
}

/// The program under test.
fn stead() -> PathBuf {
    std::env::var_os("STEAD_BIN")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/stead"), PathBuf::from)
}

#[test]
fn neovim_speaks_to_the_server() {
    if is_off() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let project = scratch.path().join("project");
    fs::create_dir_all(project.join("web")).unwrap();
    fs::write(project.join("stead.toml"), "name = \"project\"\n").unwrap();
    fs::write(
        project.join("site.stead"),
        "use web { web }\n\nfile \"/etc/motd\" {\n  content = \"welcome\\n\"\n  mode = 0644\n}\nnode \"web-*\" { web(port = 80) }\n",
    )
    .unwrap();
    fs::write(
        project.join("web/web.stead"),
        "## Serves pages.\nstate web(port: Port) {\n  file \"/etc/web\" { content = \"${port}\" }\n}\n",
    )
    .unwrap();
    let (output, text) = run(Command::new("nvim")
        .args(["--headless", "-u", "NONE", "-i", "NONE", "-c"])
        .arg(format!("luafile {}", root().join("tests/editors/neovim.lua").display()))
        .env("HOME", scratch.path())
        .env("XDG_STATE_HOME", scratch.path())
        .env("XDG_CONFIG_HOME", scratch.path())
        .env("STEAD_BIN", stead())
        .env("STEAD_EDITORS", root().join("editors"))
        .env("STEAD_PROJECT", &project));
    assert!(output.status.success(), "{text}");
    for line in [
        "filetype stead",
        "indent 2",
        "root project",
        "diagnostic unknown-attribute 5:3",
        "completion owner",
        "rename both files",
        "format two blanks",
        "definition web.stead",
        "graph shown",
        "stopped yes",
    ] {
        assert!(text.lines().any(|found| found.trim() == line), "`{line}` is not in\n{text}");
    }
    let other = fs::read_to_string(project.join("web/web.stead")).unwrap();
    assert!(other.contains("state site(port: Port)"), "{other}");
}
