//! Lenses: how often something is used, how many nodes a block is for, and a plan of each.

use std::collections::HashMap;

use lsp_types::{CodeLens, CodeLensParams, Command};
use serde_json::json;
use stead_compiler::index::{Place, Target};
use stead_grammar::ast::{Item, Span};

use super::inlay_hints::nodes_of;
use crate::snapshot::Snapshot;

/// The lenses of a source file.
pub(crate) fn code_lens(snapshot: &Snapshot, _: CodeLensParams) -> Option<Vec<CodeLens>> {
    let found = found(snapshot)?;
    let lens = |(span, command): (Span, Command)| CodeLens { range: snapshot.range(span), command: Some(command), data: None };
    Some(found.into_iter().map(lens).collect())
}

fn found(snapshot: &Snapshot) -> Option<Vec<(Span, Command)>> {
    let source = snapshot.source()?;
    let settings = &snapshot.config.code_lens;
    let uri = snapshot.uri(&snapshot.name)?;
    let mut lenses = Vec::new();
    let mut uses: HashMap<Place, Vec<Place>> = HashMap::new();
    if settings.references {
        for (file, index) in snapshot.project.indexes() {
            for one in index.uses.iter().filter(|one| !one.is_declaration) {
                if let Target::Function(place) | Target::State(place) | Target::Type(place) = &one.target
                    && place.file == snapshot.name
                {
                    uses.entry(place.clone()).or_default().push(Place { file: file.clone(), span: one.span });
                }
            }
        }
    }
    for item in &source.tree.items {
        let name = match item {
            Item::Type(def) => Some(&def.name),
            Item::Enum(def) => Some(&def.name),
            Item::Fn(def) => Some(&def.name),
            Item::State(def) => Some(&def.name),
            _ => None,
        };
        if let Some(name) = name.filter(|name| settings.references && !name.is_missing()) {
            let place = Place { file: snapshot.name.clone(), span: name.span };
            let places = uses.remove(&place).unwrap_or_default();
            let locations: Vec<_> = places.iter().filter_map(|place| snapshot.location(place)).collect();
            let plural = if places.len() == 1 { "" } else { "s" };
            let command = Command {
                title: format!("{} reference{plural}", places.len()),
                command: "stead.showReferences".to_owned(),
                arguments: Some(vec![json!(uri), json!(snapshot.range(name.span).start), json!(locations)]),
            };
            lenses.push((name.span, command));
        }
        if let (Item::State(def), Some(compiled), true) = (item, snapshot.current(), settings.nodes) {
            let count = nodes_of(snapshot, compiled, def.name.span);
            lenses.push((def.name.span, nodes_command(count)));
        }
        if let Item::Node(def) = item {
            node_lenses(snapshot, def.span, &uri, &mut lenses);
        }
    }
    Some(lenses)
}

fn nodes_command(count: usize) -> Command {
    let plural = if count == 1 { "" } else { "s" };
    Command { title: format!("{count} node{plural}"), command: String::new(), arguments: None }
}

/// At a node block: how many of the known nodes it is for, and a plan of each.
fn node_lenses(snapshot: &Snapshot, block: Span, uri: &lsp_types::Uri, lenses: &mut Vec<(Span, Command)>) {
    const MOST: usize = 3;
    let Some(compiled) = snapshot.current() else { return };
    let at = Span::at(block.start);
    let names: Vec<&str> = compiled
        .nodes
        .iter()
        .filter(|(node, _)| snapshot.project.applies_to(&snapshot.name, block, node))
        .map(|(node, _)| &*node.name)
        .collect();
    if snapshot.config.code_lens.nodes {
        lenses.push((at, nodes_command(names.len())));
    }
    if snapshot.config.code_lens.plan {
        for name in names.iter().take(MOST) {
            let arguments = Some(vec![json!(uri), json!(name)]);
            // Another machine is not asked: what is wanted there is known from its facts.
            let title =
                if compiled.this.as_deref() == Some(*name) { format!("plan {name}") } else { format!("wanted on {name}") };
            lenses.push((at, Command { title, command: "stead.plan".to_owned(), arguments }));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn uses_and_nodes_are_counted() {
        let fixture = Fixture::new("state a() { file \"/x\" }\nnode \"*\" { a() }\nnode \"other\" { }\n$0");
        let (snapshot, _) = fixture.at_cursor();
        let titles: Vec<String> =
            super::found(&snapshot).expect("lenses").into_iter().map(|(_, command)| command.title).collect();
        assert_eq!(titles, ["1 reference", "1 node", "1 node", "plan here", "0 nodes"]);
    }

    /// What is counted is what runs: not the name, nor whether there is a resource in it.
    #[test]
    fn a_state_counts_where_it_is_called() {
        let count = |text: &str| {
            let fixture = Fixture::new(text);
            let (snapshot, _) = fixture.at_cursor();
            let found = super::found(&snapshot).expect("lenses").into_iter().map(|(_, command)| command.title);
            found.filter(|title| title.ends_with(" node") || title.ends_with(" nodes")).collect::<Vec<_>>()
        };
        let other = "//- web/a.stead\nstate serve() { file \"/x\" }\n";
        assert_eq!(count(&format!("//- site.stead\nstate serve() {{ }}\nuse web\nweb.serve()\n$0{other}")), ["0 nodes"]);
        assert_eq!(count("state empty() { let _a = 1 }\nempty()\n$0"), ["1 node"]);
        let wanted = |name: &str| {
            format!(
                "state s() {{ file \"/x\" }}\nnode where facts.hostname == \"{name}\" {{ if facts.hostname == \"here\" {{ s() }} }}\n$0"
            )
        };
        assert_eq!(count(&wanted("here")), ["1 node", "1 node"]);
        assert_eq!(count(&wanted("there")), ["0 nodes", "0 nodes"]);
    }
}
