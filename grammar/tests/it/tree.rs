//! Spans, comments and documentation of a tree.

use stead_grammar::ast::{ExprKind, Item, LetValue, Literal, Stmt, TemplatePart};
use stead_grammar::{keywords, parse, parse_all};

#[test]
fn spans_cover_what_was_written() {
    let source = "\u{FEFF}# é\n## Doc\n## more\nfile \"/x\" { mode = 0644, y = -a.b(1) }\nlet s = \"é${x}z\"\n";
    let parsed = parse(source);
    assert_eq!(parsed.errors, []);
    let Item::Stmt(Stmt::Resource(resource)) = &parsed.file.items[0] else { panic!() };
    assert_eq!(resource.span.text(source), "file \"/x\" { mode = 0644, y = -a.b(1) }");
    assert_eq!(resource.type_name.span.text(source), "file");
    assert_eq!(resource.name.span.text(source), "\"/x\"");
    assert_eq!(resource.body.as_ref().unwrap().span.text(source), "{ mode = 0644, y = -a.b(1) }");
    assert_eq!(resource.attributes()[0].span.text(source), "mode = 0644");
    assert_eq!(resource.attributes()[1].value.span.text(source), "-a.b(1)");
    let doc = resource.doc.as_ref().unwrap();
    assert_eq!((&*doc.text, doc.span.text(source)), ("Doc\nmore", "## Doc\n## more"));
    let Item::Stmt(Stmt::Let(stmt)) = &parsed.file.items[1] else { panic!() };
    let LetValue::Expr(value) = &stmt.value else { panic!() };
    let ExprKind::Template(template) = &value.kind else { panic!() };
    let [TemplatePart::Text(first, span), TemplatePart::Expr(x), TemplatePart::Text(..)] = &template.parts[..] else { panic!() };
    assert_eq!((&**first, span.text(source), x.span.text(source)), ("é", "é", "x"));
    let comments: Vec<(&str, bool)> = parsed.comments.iter().map(|comment| (comment.span.text(source), comment.is_doc)).collect();
    assert_eq!(comments, [("# é", false), ("## Doc", true), ("## more", true)]);
}

#[test]
fn a_hash_inside_a_literal_is_no_comment() {
    let source =
        "let a = [\"# no\", r#\"# no\"#, \"\"\"\n# no\n\"\"\", \"${x}# no ${ f(\"#\") # yes\n }\"] # yes\nnode /#/ {} # yes\n";
    let parsed = parse(source);
    assert_eq!(parsed.errors, []);
    assert!(parsed.comments.iter().all(|comment| comment.span.text(source) == "# yes"));
    assert_eq!(parsed.comments.len(), 3);
}

#[test]
fn what_stands_in_a_block_string_is_no_documentation() {
    let source = "let a = \"\"\"\n## no\"\"\"\nfile \"/x\" {}\n";
    let Item::Stmt(Stmt::Resource(resource)) = &parse(source).file.items[1] else { panic!() };
    assert_eq!(resource.doc, None);
}

#[test]
fn broken_literals_leave_the_rest_of_a_file_alone() {
    let parsed = parse("let a = 10mb\nlet b = 5s\n");
    assert_eq!(parsed.errors.len(), 1);
    let Item::Stmt(Stmt::Let(stmt)) = &parsed.file.items[1] else { panic!() };
    let LetValue::Expr(value) = &stmt.value else { panic!() };
    assert_eq!(value.kind, ExprKind::Literal(Literal::Duration(5_000_000_000)));
}

#[test]
fn files_are_parsed_in_order() {
    let sources: Vec<String> = (0..200).map(|index| format!("package \"p{index}\"\n")).collect();
    let parsed = parse_all(&sources);
    for (source, parsed) in sources.iter().zip(parsed) {
        assert_eq!(parsed, parse(source));
    }
}

#[test]
fn keywords_are_refused_as_names() {
    for word in keywords() {
        let parsed = parse(&format!("let {word} = 1\n"));
        assert_eq!(parsed.errors.len(), 1, "{word}");
        let parsed = parse(&format!("file \"/x\" {{ {word} = a.{word} }}\n"));
        assert_eq!(parsed.errors, [], "{word}");
    }
}
