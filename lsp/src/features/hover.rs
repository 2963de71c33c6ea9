//! Hover: what stands at a place, its type, its value where that is known, and its documentation.

use lsp_types::{Hover, HoverContents, MarkupContent, MarkupKind};
use stead_grammar::ast::Span;

use super::describe;
use crate::snapshot::Snapshot;

/// Tells what stands at an offset.
pub(crate) fn hover(snapshot: &Snapshot, offset: u32) -> Option<Hover> {
    let (text, span) = found(snapshot, offset)?;
    let contents = HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value: text });
    Some(Hover { contents, range: Some(snapshot.range(span)) })
}

fn found(snapshot: &Snapshot, offset: u32) -> Option<(String, Span)> {
    if snapshot.is_template() {
        let index = snapshot.project.template_index(&snapshot.name)?;
        let name = index.at(offset)?;
        let given = index.rendered.iter().filter(|_| name.is_given).map(|(file, _)| format!("given in {file}"));
        let given: Vec<String> = given.collect();
        let text =
            format!("{}\n\n{}", describe::code(&format!("{}: {}", name.name, snapshot.shown_type(&name.ty))), given.join("\n"));
        return Some((text.trim_end().to_owned(), name.span));
    }
    if snapshot.is_data() {
        let (path, key) = snapshot.project.data_path_at(&snapshot.name, offset)?;
        return Some((describe::data(snapshot, &path), key));
    }
    let index = snapshot.index()?;
    for one in index.at(offset) {
        if let Some(mut text) = describe::target(snapshot, &one.target) {
            // What a condition around it tells may be more than its declaration.
            if let (Some(ty), false) = (index.type_of(one.span), one.is_declaration)
                && !text.contains(&ty.to_string())
            {
                text.push_str(&format!("\n\nHere: `{}`", snapshot.shown_type(ty)));
            }
            return Some((text, one.span));
        }
    }
    let (span, ty) = index.type_at(offset).or_else(|| index.expected_at(offset))?;
    let value = index.value_of(span).map(|value| format!(" = {}", describe::short(value))).unwrap_or_default();
    Some((describe::code(&format!("{}{value}", snapshot.shown_type(ty))), span))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let fixture = Fixture::new(text);
        let (snapshot, offset) = fixture.at_cursor();
        let found = super::found(&snapshot, offset).map(|(text, _)| text).unwrap_or_default();
        for part in expected {
            assert!(found.contains(part), "{found:?} does not contain {part:?}");
        }
    }

    #[test]
    fn names_are_told() {
        check("let limit = 3\nfile \"/x\" { content = \"${lim$0it}\" }\n", &["let limit: Int", "= 3"]);
        check(
            "## Serves.\nstate web(port: Port = 80) { file \"/x\" { content = \"${port}\" } }\nw$0eb()\n",
            &["state web(port: Port = 80)", "Serves."],
        );
        check("fi$0le \"/x\" { mode = 0644 }\n", &["file", "Attributes"]);
        check("file \"/x\" { mo$0de = 0644 }\n", &["file.mode"]);
        check("file \"/x\" { require = [] , con$0tent = \"a\" }\n", &["file.content"]);
        check("let x = [1].ma$0p(i => i)\nfile \"/${x.length()}\"\n", &["map("]);
        check("file \"/x\" { content = facts.hostn$0ame }\n", &["facts.hostname"]);
        check(
            "enum Env {\n  ## Live.\n  prod, dev }\nlet e: Env = pr$0od\nfile \"/x\" { when = e == dev }\n",
            &["Env.prod", "Live."],
        );
    }

    #[test]
    fn data_and_templates_are_told() {
        check(
            "//- site.stead\nstate web(port: Port) { file \"/x\" { content = template(\"a.j2\", { port }) } }\nnode \"n\" { web() }\n\
             //- data/common.yaml\nweb:\n  port: 80\n//- templates/a.j2\n{{ po$0rt }}\n",
            &["port: Port", "given in site.stead"],
        );
        check(
            "//- site.stead\nstate web(port: Port) { file \"/x\" { content = \"${port}\" } }\nnode \"n\" { web() }\n\
             //- data/common.yaml\nweb:\n  po$0rt: 80\n",
            &["data.web.port: Port", "common.yaml"],
        );
    }
}
