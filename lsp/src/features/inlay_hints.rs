//! Inlay hints: types that are inferred, parameters of arguments, automatic edges, and how many nodes a state reaches.

use std::collections::BTreeSet;

use lsp_types::{InlayHint, InlayHintKind, InlayHintLabel, InlayHintParams, InlayHintTooltip};
use stead_catalog::{EdgeKind, Type};
use stead_compiler::index::{Callee, Place};
use stead_grammar::ast::{Item, Span};

use crate::snapshot::Snapshot;

/// The hints of a range.
pub(crate) fn inlay_hints(snapshot: &Snapshot, params: InlayHintParams) -> Option<Vec<InlayHint>> {
    let within = snapshot.text.span(params.range);
    let mut hints = found(snapshot)?;
    hints.retain(|(at, ..)| within.touches(*at));
    let convert = |(at, label, kind, tooltip): Hint| InlayHint {
        position: snapshot.text.position(at),
        label: InlayHintLabel::String(label),
        kind,
        text_edits: None,
        tooltip: tooltip.map(InlayHintTooltip::String),
        padding_left: Some(kind.is_none()),
        padding_right: Some(kind == Some(InlayHintKind::PARAMETER)),
        data: None,
    };
    Some(hints.into_iter().map(convert).collect())
}

type Hint = (u32, String, Option<InlayHintKind>, Option<String>);

fn found(snapshot: &Snapshot) -> Option<Vec<Hint>> {
    let index = snapshot.index()?;
    let settings = &snapshot.config.inlay_hints;
    let mut hints: Vec<Hint> = Vec::new();
    if settings.types {
        for (span, ty, is_written) in &index.variables {
            if !is_written && !matches!(ty, Type::Any | Type::Ref(_)) {
                let name = span.text(snapshot.text.as_str());
                if name != "_" {
                    hints.push((span.end, format!(": {}", snapshot.shown_type(ty)), Some(InlayHintKind::TYPE), None));
                }
            }
        }
    }
    if settings.parameters {
        for call in &index.calls {
            let Callee::Defined(place) = &call.callee else { continue };
            let Some(definition) = snapshot.project.definition_at(place) else { continue };
            for arg in call.args.iter().filter(|arg| !arg.is_named) {
                let Some(param) = arg.parameter.and_then(|at| definition.params.get(at)) else { continue };
                if arg.name.as_ref() != Some(&param.name) {
                    hints.push((arg.span.start, format!("{}:", param.name), Some(InlayHintKind::PARAMETER), None));
                }
            }
        }
    }
    if let Some(compiled) = snapshot.current() {
        if settings.edges {
            edges(snapshot, compiled, &mut hints);
        }
        if settings.nodes {
            for item in &snapshot.source()?.tree.items {
                if let Item::State(def) = item {
                    let count = nodes_of(snapshot, compiled, def.name.span);
                    let plural = if count == 1 { "" } else { "s" };
                    let tooltip = "of the nodes whose facts are known".to_owned();
                    hints.push((def.body.span.start, format!("{count} node{plural}"), None, Some(tooltip)));
                }
            }
        }
    }
    hints.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    hints.dedup();
    Some(hints)
}

/// How many of the known nodes the state whose name stands at a place of the file is for.
pub(crate) fn nodes_of(snapshot: &Snapshot, compiled: &crate::workspace::Compiled, name: Span) -> usize {
    let place = Place { file: snapshot.name.clone(), span: name };
    compiled.reached.get(&place).copied().unwrap_or(0)
}

/// After each resource of the file: what it comes after without anybody having written it.
fn edges(snapshot: &Snapshot, compiled: &crate::workspace::Compiled, hints: &mut Vec<Hint>) {
    const SHOWN: usize = 2;
    let mut found: BTreeSet<(Span, String, String)> = BTreeSet::new();
    for (_, catalog) in &compiled.nodes {
        let Some(catalog) = catalog else { continue };
        for edge in catalog.edges.iter().filter(|edge| edge.kind == EdgeKind::Automatic) {
            let resource = |at: u32| catalog.resources.get(at as usize);
            let (Some(from), Some(to)) = (resource(edge.from), resource(edge.to)) else { continue };
            if *to.source.file == *snapshot.name {
                let place = Span::new(to.source.start, to.source.end);
                found.insert((place, from.id.to_string(), edge.reason.to_string()));
            }
        }
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.dedup();
    for group in found.chunk_by(|a, b| a.0 == b.0) {
        let names: Vec<&str> = group.iter().map(|(_, name, _)| &**name).take(SHOWN).collect();
        let more = if group.len() > SHOWN { format!(" and {} more", group.len() - SHOWN) } else { String::new() };
        let tooltip: Vec<String> = group.iter().map(|(_, name, reason)| format!("after {name}: {reason}")).collect();
        hints.push((group[0].0.end, format!("after {}{more}", names.join(", ")), None, Some(tooltip.join("\n"))));
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let fixture = Fixture::new(&format!("{text}$0"));
        let (snapshot, _) = fixture.at_cursor();
        let hints = super::found(&snapshot).expect("hints");
        let shown: Vec<String> = hints.into_iter().map(|(_, label, ..)| label).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_not_written_is_shown() {
        check("let a = 1\nfile \"/${a}\"\n", &[": Int"]);
        check("let a: Int = 1\nfile \"/${a}\"\n", &[]);
        check("fn f(x: Int) -> Int = x\nfile \"/${f(1)}\"\n", &["x:"]);
        check("directory \"/d\"\nfile \"/d/x\"\n", &["after directory[\"/d\"]"]);
        check("state s() { directory \"/d\" }\ns()\n", &["1 node"]);
    }
}
