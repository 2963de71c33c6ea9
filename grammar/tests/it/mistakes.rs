//! Files in the middle of being written: as many errors as mistakes, and the neighbours of a mistake still in the tree.

use stead_grammar::{dump, parse};

use crate::samples::{describe, sources};

/// Checks the codes of the errors, and that the tree still holds each of `kept`.
fn check(source: &str, codes: &[&str], kept: &[&str]) {
    let parsed = parse(source);
    let found: Vec<&str> = parsed.errors.iter().map(|error| error.code).collect();
    assert_eq!(found, codes, "\n{source}\n{}", describe(source, &parsed.errors));
    let tree = dump(&parsed.file);
    for text in kept {
        assert!(tree.contains(text), "`{text}` is lost\n{source}\n{tree}");
    }
}

#[test]
fn seven_mistakes_are_seven_errors() {
    let source = r#"
use modules.nginx

type Vhost {
  name: Hostname
  port Port = 80
  root: Path
}

state web(vhosts: List<Vhost>) {
  let nginx = package "nginx" { version = 1.22.3 }

  file "/etc/nginx/nginx.conf" {
    content  = template("nginx.conf.j2", { workers })
    mode     : 0644
    owner    = 'root'
    watch_in = [service["nginx"]
    group    = "root"
  }
  for v in vhosts {
    file conf(v) { content = , mode = 0644 }
  }
  service "nginx { state = running }
  package "curl"
}

node "web-*" { web(vhosts = data.web.vhosts) }
fn port(v: Vhost) = v.port
fact rack: String = "none"
"#;
    check(
        source,
        &[
            "missing-type",
            "bad-number",
            "expected-equals",
            "single-quoted-string",
            "unclosed-delimiter",
            "missing-value",
            "unterminated-string",
            "missing-type",
        ],
        &["root: Path", "mode = mode:644", "group = \"root\"", "(package \"curl\")", "(node \"web-*\"", "(fact rack: String"],
    );
}

#[test]
fn a_half_typed_line_hides_no_neighbour() {
    check("file \"/etc/x\" { mode = \nowner = \"root\" }\n", &["missing-value"], &["owner = \"root\""]);
    check("package \"a\"\nlet x =\npackage \"b\"\n", &["missing-value"], &["(package \"a\")", "(package \"b\")"]);
    check("package \"a\"\npackage \"ng\npackage \"b\"\n", &["unterminated-string"], &["(package \"a\")", "(package \"b\")"]);
    check(
        "state a() {\n  file \"/x\" {\n    mode = 0644\n\n  package \"b\"\n}\nstate c() {}\n",
        &["unclosed-delimiter"],
        &["mode = mode:644", "(package \"b\")", "(state c"],
    );
    check("state a() {\n  service[\"ngi\n  package \"b\"\n}\n", &["unterminated-string"], &["(package \"b\")"]);
    check(
        "state a() {\n  package \"x\"\n  fi\n  package \"b\"\n}\n",
        &["incomplete-statement"],
        &["(package \"x\")", "(package \"b\")"],
    );
    check("file \"/x\" {\n  mo\n  owner = \"root\"\n}\n", &["expected-equals"], &["owner = \"root\""]);
    check("let a = facts.\nlet b = 1\n", &["missing-name"], &["let b = 1"]);
    check("state a(x: ) {\n  package \"b\"\n}\n", &["missing-type"], &["(package \"b\")"]);
    check("state a(x: Int\npackage \"b\"\n", &["unclosed-delimiter"], &["(package \"b\")"]);
    check("if facts. {\n  package \"a\"\n}\npackage \"b\"\n", &["missing-name"], &["(package \"a\")", "(package \"b\")"]);
    check("for x in  {\n  package \"a\"\n}\npackage \"b\"\n", &["missing-value"], &["(package \"a\")", "(package \"b\")"]);
    check("a -> \npackage \"b\"\n", &["missing-value"], &["(package \"b\")"]);
    check("use \nstate a() {}\n", &["unexpected-token"], &["(state a"]);
    check("web(a = )\npackage \"b\"\n", &["missing-value"], &["(package \"b\")"]);
    check("web(a = 1, \npackage \"b\"\n", &["unclosed-delimiter"], &["(package \"b\")"]);
}

#[test]
fn names_of_a_broken_loop_are_known() {
    check(
        "for x [1,2] { file \"/f${x}\" { content = x.to_string() } }\n",
        &["unexpected-token"],
        &["(for x in", "(. x to_string)"],
    );
    check("for k, v of m { package k { } }\n", &["unexpected-token"], &["(for k, v in", "(package k"]);
}

/// Returns text that a person could be typing: every prefix of it is a moment.
const TYPED: &str = r#"use modules.nginx { web as w }
## Docs.
type Vhost { name: Hostname, port: Port(1..=9) = 80 }
fn conf(v: Vhost) -> Path? = "/etc/${v.name}.conf"
state web(vhosts: List<Vhost>) {
  let nginx = package ["a", "b"] { version = "1.22.*" }
  file conf(v) {
    content = """
      a ${b}
      """
    mode = if a == 1 { 0644 } else { none }
    x = [for x in xs if x not in ys: x.map((a, b) => a + -b)]
  }
  if a { b() } else if c { d(e = 1) }
  match f { g | 1..=2 => { a -> b ~> c["d"] } }
  extend file["/x"] { y = match z { /re/ => r"raw" } }
}
node "w-*", /x/ { web(vhosts = data.web) }
package "end"
"#;

#[test]
fn every_moment_of_typing_gives_few_errors_and_keeps_what_was_written() {
    assert!(parse(TYPED).errors.is_empty(), "{}", describe(TYPED, &parse(TYPED).errors));
    for end in 0..=TYPED.len() {
        let prefix = &TYPED[..end];
        let parsed = parse(prefix);
        assert!(parsed.errors.len() <= 2, "{prefix}\n^^^\n{}", describe(prefix, &parsed.errors));
        for error in &parsed.errors {
            assert!(error.span.end as usize <= prefix.len());
        }
        if end > 90 {
            assert!(dump(&parsed.file).contains("(type Vhost"), "{prefix}");
        }
    }
}

#[test]
fn typing_in_the_middle_of_a_file_leaves_the_rest_alone() {
    let before = "package \"before\"\n";
    let after = "package \"after\"\nstate last() {\n  package \"inside\"\n}\n";
    // Each line of code, cut anywhere, between two statements.
    for line in [
        "file \"/etc/x\" { content = template(\"x.j2\", { a = [1, 2] }), mode = 0644 }",
        "let x: List<Int(1..=9)> = xs.filter(x => x > 1 && !y) ?? [1, -2]",
        "web(vhosts = data.web.vhosts, workers = facts.cpu.count * 2)",
        "for k, v in m if k != \"x\" { package k { version = \"${v}\" } }",
        "a -> b ~> service[\"x\"]",
        "extend file[\"/x\"] { mode = 0600 }",
        "use modules.nginx as n",
        "node where facts.os.family == debian && \"db\" in node.tags { postgres() }",
        "type T { a: Int(1..=9) = 2, b: String(/re/)? }",
        "enum Env { dev, staging }",
        "fn f(a: Int, b: List<Int> = []) -> Map<String> = { for x in xs: x = 1 }",
        "fact rack: String = \"none\"",
        "state s(a: Int = 1) { package \"x\" }",
    ] {
        for end in 0..=line.len() {
            let source = format!("{before}{}\n{after}", &line[..end]);
            let parsed = parse(&source);
            let tree = dump(&parsed.file);
            assert!(parsed.errors.len() <= 2, "{source}\n{}", describe(&source, &parsed.errors));
            for kept in ["(package \"before\")", "(package \"after\")", "(state last", "  (package \"inside\")"] {
                assert!(tree.contains(kept), "`{kept}` is lost\n{source}\n{tree}");
            }
        }
    }
}

#[test]
fn errors_are_in_order_and_inside_the_source() {
    for (path, source) in sources("err") {
        let parsed = parse(&source);
        assert!(parsed.errors.is_sorted_by_key(|error| error.span.start), "{}", path.display());
        for error in &parsed.errors {
            assert!(source.get(error.span.range()).is_some(), "{}: {error:?}", path.display());
            assert!(error.labels.iter().all(|(span, _)| source.get(span.range()).is_some()), "{}: {error:?}", path.display());
            assert!(!error.message.ends_with('.') && !error.message.starts_with(char::is_uppercase), "{}", error.message);
        }
    }
}
