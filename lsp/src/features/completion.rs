//! Completion: what the checker says could stand at the place, with documentation and in the order a person would choose.
//!
//! The text is checked with a word put where the cursor is that means nothing. Where that does not parse as anything, it is tried as the start
//! of a statement and inside a text that has no end yet.

mod entry;
mod items;
mod template;
mod texts;

use lsp_types::{CompletionItem, CompletionParams, CompletionResponse};
use stead_compiler::index::{Context, FileIndex, MARKER, Probe};
use stead_grammar::ast::Span;

use crate::snapshot::Snapshot;

/// A place that was probed.
pub(crate) struct Place {
    pub(crate) context: Context,
    pub(crate) index: FileIndex,
    /// What a completion replaces.
    pub(crate) replaced: Span,
    /// Where the marker stands in the probed text.
    pub(crate) at: u32,
    /// A block was put behind the marker, as there was none.
    pub(crate) needs_block: bool,
}

/// Finds what stands at an offset.
pub(crate) fn probe(snapshot: &Snapshot, offset: u32) -> Option<Place> {
    let word = snapshot.text.word(offset);
    let closed = closers(snapshot, word.start);
    let quoted = format!("\"{closed}");
    // What follows a place may say what it is, as `=>` does a pattern; whole heads are tried last.
    let whole = ["", "()", "\"", " = none", ": Int", " => { }", " { }", "[\"x\"] { }", " { _ => { } }"];
    for end in whole.into_iter().chain([&*closed, &*quoted]) {
        let text = snapshot.text.replaced(word, &format!("{MARKER}{end}"));
        let Some(Probe { context: Some(context), index }) = snapshot.project.probe(&snapshot.name, &text) else { continue };
        let at = word.start + u32::try_from(MARKER.len()).unwrap_or(0);
        return Some(Place { context, index, replaced: word, at, needs_block: end.starts_with(" { ") });
    }
    None
}

/// What closes the brackets that are open on the line of an offset: an editor may not have written them yet.
fn closers(snapshot: &Snapshot, offset: u32) -> String {
    let line = snapshot.text.line(snapshot.text.position(offset).line);
    let mut open = Vec::new();
    for c in Span::new(line.start, offset).text(snapshot.text.as_str()).chars() {
        match c {
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' => {
                open.pop();
            }
            _ => {}
        }
    }
    open.into_iter().rev().collect()
}

/// Says whether a comment stands there.
fn is_in_comment(snapshot: &Snapshot, offset: u32) -> bool {
    snapshot.source().is_some_and(|file| file.comments.iter().any(|one| one.span.start < offset && offset <= one.span.end))
}

/// Lists what could stand at a place.
pub(crate) fn completion(snapshot: &Snapshot, params: CompletionParams) -> Option<CompletionResponse> {
    let offset = snapshot.offset(params.text_document_position.position);
    let items = found(snapshot, offset)?;
    Some(CompletionResponse::Array(items))
}

pub(crate) fn found(snapshot: &Snapshot, offset: u32) -> Option<Vec<CompletionItem>> {
    if snapshot.is_template() {
        return template::found(snapshot, offset);
    }
    if snapshot.source().is_none() || is_in_comment(snapshot, offset) {
        return None;
    }
    let place = probe(snapshot, offset)?;
    Some(items::of(snapshot, &place))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    /// Some of the labels that are offered, in their order, and some that are not (`!label`).
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let fixture = Fixture::new(text);
        let (snapshot, offset) = fixture.at_cursor();
        let mut items = super::found(&snapshot, offset).unwrap_or_default();
        items.sort_by(|a, b| a.sort_text.cmp(&b.sort_text));
        let labels: Vec<&str> = items.iter().map(|item| &*item.label).collect();
        let mut from = 0;
        for label in expected {
            if let Some(absent) = label.strip_prefix('!') {
                assert!(!labels.contains(&absent), "{absent} is in {labels:?}");
                continue;
            }
            let at = labels[from..].iter().position(|found| found == label);
            let Some(at) = at else { panic!("no {label} (in this order) in {labels:?}") };
            from += at + 1;
        }
    }

    #[test]
    fn attributes_come_with_the_required_first() {
        check("needy \"/x\" {\n  $0\n}\n", &["target", "force", "require"]);
        check("file \"/x\" {\n  mode = 0644\n  con$0\n}\n", &["content", "!mode"]);
        check("file \"/x\" { mode = 0644, $0 }\n", &["content", "!mode"]);
    }

    #[test]
    fn what_is_deprecated_is_marked_and_comes_last() {
        let marked = |text: &str| {
            let fixture = Fixture::new(text);
            let (snapshot, offset) = fixture.at_cursor();
            let items = super::found(&snapshot, offset).unwrap_or_default();
            let old = items.into_iter().filter(|item| item.tags.as_ref().is_some_and(|tags| !tags.is_empty()));
            old.map(|item| item.label).collect::<Vec<_>>()
        };
        check("## Deprecated: use `z`\nfn a() -> Int = 1\nfn z() -> Int = 2\nlet b = $0\n", &["z", "a"]);
        assert_eq!(marked("## Deprecated: use `z`\nfn a() -> Int = 1\nfn z() -> Int = 2\nlet b = $0\n"), ["a"]);
        assert_eq!(marked("## Deprecated:\nstate s() { }\nnode \"n\" {\n  $0\n}\n"), ["s"]);
        assert_eq!(marked("## Deprecated:\ntype T = Int\nfn f(x: $0) -> Int = 1\n"), ["T"]);
        assert_eq!(marked("enum E {\n  ## Deprecated:\n  a\n  b\n}\nfn f(e: E) -> Bool = e == $0\n"), ["a"]);
        assert_eq!(marked("type V {\n  ## Deprecated:\n  a: Int\n}\nfn f(v: V) -> Int = v.$0\n"), ["a"]);
        assert_eq!(marked("type V {\n  ## Deprecated:\n  a: Int?\n}\nlet v: V = { $0 }\n"), ["a"]);
        assert_eq!(marked("fn f(\n  ## Deprecated:\n  x: Int = 1\n) -> Int = x\nlet b = f($0)\n"), ["x ="]);
        assert_eq!(marked("//- site.stead\nnode \"n\" { ol$0 }\n//- web/a.stead\n## Deprecated:\nstate old() { }\n"), ["old"]);
    }

    #[test]
    fn editors_without_snippets_get_what_comes_before_the_first_stop() {
        let texts = |takes_snippets: bool| {
            let fixture = Fixture::new("fn f(a: Int) -> Int = a\nfile \"/x\" {\n  $0\n  content = \"${f(a = 1)}\"\n}\n");
            let (mut snapshot, offset) = fixture.at_cursor();
            snapshot.takes_snippets = takes_snippets;
            let items = super::found(&snapshot, offset).unwrap_or_default();
            let mode = items.into_iter().find(|item| item.label == "mode").expect("an attribute");
            let Some(lsp_types::CompletionTextEdit::Edit(edit)) = mode.text_edit else { panic!("no edit") };
            (edit.new_text, mode.insert_text_format)
        };
        assert_eq!(texts(true), ("mode = $0".to_owned(), Some(lsp_types::InsertTextFormat::SNIPPET)));
        assert_eq!(texts(false), ("mode = ".to_owned(), None));
    }

    #[test]
    fn values_follow_the_expected_type() {
        check("service \"x\" { state = $0 }\n", &["running", "stopped"]);
        check("enum Env { prod, dev }\nfn f(e: Env) -> Bool = e == $0\n", &["dev", "prod"]);
        check("service \"x\" { enabled = $0 }\n", &["false", "true"]);
        check("state w(port: Port) { }\nlet limit = 3\nnode \"n\" { w(port = $0) }\n", &["limit"]);
        check("enum Env { prod, dev }\nfn f(e: Env) -> Int = match e { $0 => 1 }\n", &["dev", "prod"]);
    }

    #[test]
    fn heads_and_cases_know_what_they_name() {
        let with = |cases: &str| format!("enum Env {{ prod, dev, test }}\nfn f(e: Env) -> Int = match e {{ {cases} }}\n");
        check(&with("$0"), &["dev", "prod"]);
        check(&with("prod => 1, $0"), &["dev", "test"]);
        check(&with("prod => 1\n  d$0\n"), &["dev", "test"]);
        let state = |cases: &str| format!("enum Env {{ prod, dev }}\nstate s(e: Env) {{\n  match e {{\n    {cases}\n  }}\n}}\n");
        check(&state("$0"), &["dev", "prod"]);
        check(&state("prod => { }\n    $0"), &["dev", "_"]);
        check("file \"/x\"\nlet d = directory \"/d\"\nextend fi$0\n", &["file[\"/x\"]", "d", "file"]);
        check("file \"/x\"\nextend $0\n", &["file[\"/x\"]", "file"]);
        check("defaults $0\n", &["directory", "file"]);
        check("defaults fi$0 { }\n", &["file"]);
        check("state s(n: Int) {\n  match $0\n}\n", &["n"]);
    }

    #[test]
    fn resources_come_first_where_one_is_named() {
        let items = |text: &str| {
            let fixture = Fixture::new(text);
            let (snapshot, offset) = fixture.at_cursor();
            let mut items = super::found(&snapshot, offset).unwrap_or_default();
            items.sort_by(|a, b| a.sort_text.cmp(&b.sort_text));
            items.into_iter().map(|item| item.label).collect::<Vec<_>>()
        };
        let found = items("directory \"/d\"\nlet n = 1\nlet x = service \"x\"\nfile \"/d/x\" { require = [$0] }\n");
        assert_eq!(found[..4], ["directory[\"/d\"]", "file[\"/d/x\"]", "service[\"x\"]", "x"]);
        assert!(found.iter().position(|one| one == "file") < found.iter().position(|one| one == "n"), "{found:?}");
        for text in ["file \"/x\" { content = $0 }\n", "file \"/x\" { mode = $0 }\n", "service \"x\" { enabled = $0 }\n"] {
            assert_ne!(items(text)[0], "none", "{text}");
        }
        check("file \"$0\"\n", &["!"]);
    }

    #[test]
    fn a_template_tells_what_it_needs() {
        let with = |given: &str| {
            format!(
                "//- site.stead\nlet port = 1\nfile \"/x\" {{ content = template(\"a.j2\", {{ {given} }}) }}\n//- templates/a.j2\n{{% set own = 1 %}}{{{{ host }}}} {{{{ port }}}} {{{{ own }}}}\n"
            )
        };
        check(&with("$0"), &["host", "port", "!own"]);
        check(&with("host = \"a\", $0"), &["port", "!host"]);
        check(&with("port, h$0"), &["host"]);
    }

    /// What is written in the place of the cursor's word.
    #[test]
    fn only_the_name_is_written_where_the_rest_is_there() {
        let edit = |text: &str| {
            let fixture = Fixture::new(text);
            let (snapshot, offset) = fixture.at_cursor();
            let items = super::found(&snapshot, offset).unwrap_or_default();
            let file = items.into_iter().find(|item| item.label == "file").expect("a type");
            let Some(lsp_types::CompletionTextEdit::Edit(edit)) = file.text_edit else { panic!("no edit") };
            edit.new_text
        };
        assert_eq!(edit("defaults fi$0 { }\n"), "file");
        assert_eq!(edit("fi$0 \"/x\" { }\n"), "file");
        assert_eq!(edit("defaults fi$0\n"), "file {\n  $0\n}");
    }

    #[test]
    fn members_follow_the_receiver() {
        check("fn f(s: String) -> Any = s.$0\n", &["lines", "!keys"]);
        check("type V { port: Port, name: String }\nfn f(v: V) -> Any = v.$0\n", &["name", "port"]);
        check("type V { port: Port, name: String }\nfn f(v: V) -> Any = v.po$0\n", &["port"]);
        check("file \"/x\" { content = facts.$0 }\n", &["hostname", "os"]);
        check("file \"/x\" { content = facts.os.$0 }\n", &["family"]);
        check("//- site.stead\nfile \"/x\" { content = data.$0 }\n//- data/common.yaml\nweb:\n  port: 1\n", &["web"]);
        check("type V { port: Port, name: String }\nlet v: V = { name = \"a\", $0 }\n", &["port", "!name"]);
    }

    #[test]
    fn statements_states_and_types_are_offered() {
        check("state web(port: Port) { }\nnode \"n\" {\n  $0\n}\n", &["web", "file", "for"]);
        check("$0\n", &["file", "state"]);
        check("fil$0\n", &["file"]);
        check("fn f(x: $0) -> Int = 1\n", &["Int", "String"]);
        check("//- site.stead\nuse $0\n//- web/a.stead\nstate serve() { }\n", &["web"]);
        check("//- site.stead\nuse web\nnode \"n\" { web.$0 }\n//- web/a.stead\nstate serve() { }\n", &["serve"]);
        check("//- site.stead\nuse web { $0 }\n//- web/a.stead\nstate serve() { }\n", &["serve"]);
        check("//- site.stead\nnode \"n\" { ser$0 }\n//- web/a.stead\nstate serve() { }\n", &["serve"]);
    }

    #[test]
    fn texts_know_what_they_name() {
        check("service \"nginx\" { }\nfile \"/x\" { require = [service[\"$0\"]] }\n", &["nginx"]);
        check("service \"nginx\" { }\nfile \"/x\" { require = [service[\"$0\n", &["nginx"]);
        check("//- site.stead\nfile \"/x\" { content = template(\"$0\") }\n//- templates/a.j2\nx\n", &["a.j2"]);
        check("//- site.stead\nfile \"/x\" { source = \"$0\" }\n//- files/a.txt\nx\n", &["a.txt"]);
        check("let limit = 3\nfile \"/x\" { content = \"${$0}\" }\n", &["limit"]);
    }

    #[test]
    fn templates_know_what_they_are_given() {
        let with = |template: &str| {
            format!(
                "//- site.stead\ntype V {{ port: Port }}\nlet v: V = {{ port = 1 }}\nfile \"/x\" {{ content = template(\"a.j2\", {{ v }}) }}\n//- templates/a.j2\n{template}\n"
            )
        };
        check(&with("{{ $0 }}"), &["v"]);
        check(&with("{{ v.$0 }}"), &["port"]);
        check(&with("{{ v.$0 }}"), &["port", "get", "items"]);
        check(&with("{{ v.port.$0 }}"), &["!upper"]);
        check(&with("{{ \"x\".$0 }}"), &["split", "startswith", "upper", "!map"]);
        check(&with("{{ v | $0 }}"), &["default"]);
        check(&with("{% if $0 %}{% endif %}"), &["v"]);
    }
}
