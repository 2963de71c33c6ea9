//! Which states call which, and from which node blocks.

use lsp_types::{
    CallHierarchyIncomingCall, CallHierarchyIncomingCallsParams, CallHierarchyItem, CallHierarchyOutgoingCall,
    CallHierarchyOutgoingCallsParams, Range, SymbolKind, SymbolTag,
};
use stead_compiler::index::{Callee, Definition, DefinitionKind, Place, Target};
use stead_grammar::ast::{Item, Span};

use crate::snapshot::Snapshot;

/// The state or function at an offset.
pub(crate) fn prepare(snapshot: &Snapshot, offset: u32) -> Option<Vec<CallHierarchyItem>> {
    let index = snapshot.index()?;
    let used = index.at(offset);
    let place = used.iter().find_map(|one| match &one.target {
        Target::State(place) | Target::Function(place) => Some(place),
        _ => None,
    })?;
    let definition = snapshot.project.definition_at(place)?;
    Some(vec![item_of(snapshot, &definition)?])
}

fn item_of(snapshot: &Snapshot, definition: &Definition) -> Option<CallHierarchyItem> {
    let text = snapshot.text_of(&definition.place.file)?;
    Some(CallHierarchyItem {
        name: definition.name.to_string(),
        kind: if definition.kind == DefinitionKind::State { SymbolKind::CLASS } else { SymbolKind::FUNCTION },
        tags: definition.deprecated.is_some().then(|| vec![SymbolTag::DEPRECATED]),
        detail: Some(definition.place.file.to_string()),
        uri: snapshot.uri(&definition.place.file)?,
        range: text.range(definition.span),
        selection_range: text.range(definition.place.span),
        data: None,
    })
}

/// The place of the name that an item was made of.
fn place_of(snapshot: &Snapshot, item: &CallHierarchyItem) -> Place {
    Place { file: snapshot.name.clone(), span: snapshot.text.span(item.selection_range) }
}

/// Who calls it.
pub(crate) fn incoming(snapshot: &Snapshot, params: CallHierarchyIncomingCallsParams) -> Option<Vec<CallHierarchyIncomingCall>> {
    let place = place_of(snapshot, &params.item);
    let callee = Callee::Defined(place);
    let mut calls: Vec<CallHierarchyIncomingCall> = Vec::new();
    for (file, index) in snapshot.project.indexes() {
        let Some(text) = snapshot.text_of(&file) else { continue };
        for call in index.calls.iter().filter(|call| call.callee == callee) {
            let Some(from) = caller(snapshot, &file, call.span) else { continue };
            let range = text.range(call.span);
            match calls.iter_mut().find(|known| known.from == from) {
                Some(known) => known.from_ranges.push(range),
                None => calls.push(CallHierarchyIncomingCall { from, from_ranges: vec![range] }),
            }
        }
    }
    Some(calls)
}

/// The item around a call.
fn caller(snapshot: &Snapshot, file: &str, call: Span) -> Option<CallHierarchyItem> {
    let source = snapshot.project.files().iter().find(|source| &*source.name == file)?;
    let item = source.tree.items.iter().find(|item| item.span().contains(call))?;
    let name = match item {
        Item::State(def) => Some(def.name.span),
        Item::Fn(def) => Some(def.name.span),
        _ => None,
    };
    if let Some(span) = name {
        let place = Place { file: source.name.clone(), span };
        return item_of(snapshot, &snapshot.project.definition_at(&place)?);
    }
    let text = snapshot.text_of(file)?;
    let head: Range = text.range(Span::new(item.span().start, item.span().start));
    let words = item.span().text(text.as_str());
    let (name, kind) = match item {
        Item::Node(_) => (words.split('{').next().unwrap_or("node").trim().to_owned(), SymbolKind::NAMESPACE),
        _ => (source.name.to_string(), SymbolKind::FILE),
    };
    Some(CallHierarchyItem {
        name,
        kind,
        tags: None,
        detail: Some(source.name.to_string()),
        uri: snapshot.uri(file)?,
        range: text.range(item.span()),
        selection_range: head,
        data: None,
    })
}

/// What it calls.
pub(crate) fn outgoing(snapshot: &Snapshot, params: CallHierarchyOutgoingCallsParams) -> Option<Vec<CallHierarchyOutgoingCall>> {
    let around = snapshot.text.span(params.item.range);
    let index = snapshot.index()?;
    let mut calls: Vec<CallHierarchyOutgoingCall> = Vec::new();
    for call in index.calls.iter().filter(|call| around.contains(call.span)) {
        let Callee::Defined(place) = &call.callee else { continue };
        let Some(to) = snapshot.project.definition_at(place).and_then(|definition| item_of(snapshot, &definition)) else {
            continue;
        };
        let range = snapshot.range(call.span);
        match calls.iter_mut().find(|known| known.to == to) {
            Some(known) => known.from_ranges.push(range),
            None => calls.push(CallHierarchyOutgoingCall { to, from_ranges: vec![range] }),
        }
    }
    Some(calls)
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;
    use serde_json::json;

    #[test]
    fn callers_and_callees_are_found() {
        let fixture =
            Fixture::new("state a() { b() }\nstate b$0() { file \"/x\" }\nnode \"n\" { a() }\nnode \"m\" { b(), b() }\n");
        let (snapshot, offset) = fixture.at_cursor();
        let item = super::prepare(&snapshot, offset).expect("an item").remove(0);
        let params = serde_json::from_value(json!({ "item": item })).expect("params");
        let calls = super::incoming(&snapshot, params).expect("calls");
        let shown: Vec<(&str, usize)> = calls.iter().map(|call| (&*call.from.name, call.from_ranges.len())).collect();
        assert_eq!(shown, [("a", 1), ("node \"m\"", 2)]);
        let params = serde_json::from_value(json!({ "item": calls[0].from })).expect("params");
        let calls = super::outgoing(&snapshot, params).expect("calls");
        assert_eq!(calls.iter().map(|call| &*call.to.name).collect::<Vec<_>>(), ["b"]);
    }
}
