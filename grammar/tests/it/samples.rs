//! Files that must parse, must not parse, and how they are formatted, each with what is expected beside it in a `.txt`.
//! `UPDATE_EXPECT=1` writes the expectations anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use stead_grammar::{CODES, LineIndex, SyntaxError, dump, format, parse};

/// Returns the samples of a folder: path and text.
pub(crate) fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "stead"));
    paths.sort();
    assert!(!paths.is_empty(), "no samples in {}", folder.display());
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(&path).unwrap())).collect()
}

/// Compares with the expectation beside the sample, or writes it.
fn expect(path: &Path, actual: &str) -> Result<(), String> {
    let expected_path = path.with_extension("txt");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&expected_path, actual).unwrap();
        return Ok(());
    }
    let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
    if expected == actual {
        return Ok(());
    }
    Err(format!("{}\n--- expected\n{expected}\n--- actual\n{actual}\n", path.display()))
}

fn all(results: impl Iterator<Item = Result<(), String>>) {
    let failures: Vec<String> = results.filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{}(UPDATE_EXPECT=1 writes the expectations anew)", failures.concat());
}

/// Returns errors as text: place, code, message; labels and hint below.
pub(crate) fn describe(source: &str, errors: &[SyntaxError]) -> String {
    let lines = LineIndex::new(source);
    let place = |offset| {
        let position = lines.position(source, offset);
        format!("{}:{}", position.line, position.column)
    };
    let mut out = String::new();
    for error in errors {
        let text = error.span.text(source);
        writeln!(out, "{} [{}] {}: {text:?}", place(error.span.start), error.code, error.message).unwrap();
        for (span, label) in &error.labels {
            writeln!(out, "    {} {label}", place(span.start)).unwrap();
        }
        if let Some(hint) = &error.hint {
            writeln!(out, "    hint: {hint}").unwrap();
        }
        if let Some((span, instead)) = error.replacement.as_deref() {
            writeln!(out, "    write: {:?} -> {instead:?}", span.text(source)).unwrap();
        }
    }
    out
}

#[test]
fn what_must_parse() {
    all(sources("ok").iter().map(|(path, source)| {
        let parsed = parse(source);
        let errors = describe(source, &parsed.errors);
        if !errors.is_empty() {
            return Err(format!("{}\n{errors}\n", path.display()));
        }
        expect(path, &dump(&parsed.file))
    }));
}

/// What is offered instead of a mistake is no mistake.
#[test]
fn what_is_written_instead_is_better() {
    let mut count = 0;
    for (path, source) in sources("err") {
        let errors = parse(&source).errors;
        for error in &errors {
            let Some((span, instead)) = error.replacement.as_deref() else { continue };
            let mut mended = source.clone();
            mended.replace_range(span.range(), instead);
            let left = parse(&mended).errors;
            let texts = describe(&mended, &left);
            let is_gone = !left.iter().any(|one| one.code == error.code && one.span.start == error.span.start);
            assert!(
                is_gone && left.len() <= errors.len(),
                "{}: {:?} -> {instead:?}\n{texts}",
                path.display(),
                span.text(&source)
            );
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn what_must_not_parse() {
    all(sources("err").iter().map(|(path, source)| {
        let parsed = parse(source);
        assert!(!parsed.errors.is_empty(), "{} has no mistake", path.display());
        expect(path, &describe(source, &parsed.errors))
    }));
}

#[test]
fn what_is_formatted() {
    all(sources("format").iter().map(|(path, source)| expect(path, &format(source).unwrap())));
}

#[test]
fn every_code_has_a_sample() {
    let mut seen: BTreeSet<&str> =
        sources("err").iter().flat_map(|(_, source)| parse(source).errors).map(|error| error.code).collect();
    // These two take more than a sample file should hold; see `deep.rs`.
    seen.extend(["file-too-large", "nesting-too-deep"]);
    let known: BTreeSet<&str> = CODES.iter().copied().collect();
    assert_eq!(known, seen);
    assert!(CODES.is_sorted());
}
