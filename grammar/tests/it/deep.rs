//! Sources that are deep or long in every way: refused with an error, never with a stack overflow.

use std::thread;

use stead_grammar::{dump, format, parse};

/// Parses on a thread with the stack that Rust gives threads, and returns the codes.
fn codes(source: String) -> Vec<&'static str> {
    let run = move || {
        let parsed = parse(&source);
        // What follows goes over the whole tree as well.
        let _ = dump(&parsed.file);
        let _ = parsed.file.clone() == parsed.file;
        let _ = format!("{:?}", parsed.file);
        let _ = format(&source);
        parsed.errors.iter().map(|error| error.code).collect()
    };
    thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap()
}

fn refused(name: &str, source: String) {
    let codes = codes(source);
    assert!(codes.contains(&"nesting-too-deep"), "{name}: {codes:?}");
    assert!(codes.len() <= 2, "{name}: {codes:?}");
}

/// Returns `open` and `close` repeated around `middle`.
fn around(open: &str, middle: &str, close: &str, times: usize) -> String {
    format!("{}{middle}{}", open.repeat(times), close.repeat(times))
}

#[test]
fn deep_sources_are_refused() {
    for times in [250, 20_000] {
        refused("parentheses", format!("let x = {}", around("(", "1", ")", times)));
        refused("lists", format!("let x = {}", around("[", "1", "]", times)));
        refused("records", format!("let x = {}", around("{a=", "1", "}", times)));
        refused("calls", format!("let x = {}", around("f(", "1", ")", times)));
        refused("indices", format!("let x = {}", around("a[", "1", "]", times)));
        refused("signs", format!("let x = {}1", "-".repeat(times)));
        refused("negations", format!("let x = {}1", "!".repeat(times)));
        refused("sums", format!("let x = 1{}", " + 1".repeat(times)));
        refused("fields", format!("let x = a{}", ".b".repeat(times)));
        refused("call chains", format!("let x = a{}", "()".repeat(times)));
        refused("lambdas", format!("let x = {}1", "a => ".repeat(times)));
        refused("interpolations", format!("let x = {}", around("\"${", "1", "}\"", times)));
        refused("comprehensions", format!("let x = {}", around("[for a in b: ", "1", "]", times)));
        refused("conditions", format!("let x = {}", around("if a { ", "1", " } else { 2 }", times)));
        refused("matches", format!("let x = {}", around("match a { b => ", "1", " }", times)));
        refused("blocks", around("if a { ", "package \"x\"", " }", times));
        refused("loops", around("for a in b { ", "package \"x\"", " }", times));
        refused("types", format!("type T = {}", around("List<", "Int", ">", times)));
        refused("record types", format!("type T = {}", around("{ a: ", "Int", " }", times)));
        refused("references", format!("a -> b{}", ".c".repeat(times)));
        refused("bounds", format!("type T = Int(1..=a{})", ".c".repeat(times)));
    }
}

#[test]
fn very_deep_sources_are_refused() {
    let times = 100_000;
    refused("sums", format!("let x = 1{}", " + 1".repeat(times)));
    refused("parentheses", format!("let x = {}", around("(", "1", ")", times)));
    refused("blocks", around("if a { ", "package \"x\"", " }", times));
}

#[test]
fn deep_sources_that_are_not_closed_give_few_errors() {
    for times in [250, 5_000] {
        for open in [
            "(",
            "[",
            "{",
            "f(",
            "{a=",
            "if a {",
            "match a { b => {",
            "\"${",
            "[for x in ",
            "List<",
            "state a() {",
            "file \"x\" { a = ",
        ] {
            for head in ["", "let x = ", "type T = ", "file \"x\" { a = ", "package "] {
                let source = format!("{head}{}", open.repeat(times));
                assert!(codes(source).len() <= 3, "{head}{open}");
            }
        }
    }
}

#[test]
fn what_is_allowed_may_be_deep() {
    assert_eq!(codes(format!("let x = {}", around("[", "1", "]", 150))), [""; 0]);
    assert_eq!(codes(around("if a { ", "package \"x\"", " }", 150)), [""; 0]);
    assert_eq!(codes(format!("let x = 1{}", " + 1".repeat(150))), [""; 0]);
    assert_eq!(codes(format!("if a {{}}{}", " else if a {}".repeat(20_000))), [""; 0]);
    assert_eq!(codes(format!("type T = 1{}", " | 1".repeat(20_000))), [""; 0]);
    assert_eq!(codes(format!("a{}", " -> a".repeat(20_000))), [""; 0]);
    assert_eq!(codes(format!("let x = [{}]", "1, ".repeat(100_000))), [""; 0]);
}

#[test]
fn long_sources_with_mistakes_take_linear_time() {
    // Each takes seconds to minutes when anything is looked at again for every mistake.
    for line in [
        "let x =\n",
        "x = 1\n",
        "}\n",
        "file \"/x {\n",
        "file \"/x\" {\n",
        "a + \n",
        "]\n",
        "\"\"\"\n",
        "/a\n",
        "'\n",
        "(\n",
        "- ",
    ] {
        let source = line.repeat(4_000);
        assert!(!parse(&source).errors.is_empty(), "{line}");
    }
}
