//! The outline of a document, and the symbols of the workspace.

use lsp_types::{
    DocumentSymbol, DocumentSymbolParams, DocumentSymbolResponse, OneOf, Range, SymbolKind, SymbolTag, WorkspaceSymbol,
    WorkspaceSymbolParams,
};
use stead_compiler::index::DefinitionKind;
use stead_grammar::ast::{Block, Field, Ident, Item, LetValue, NodeSelector, Resource, Span, Stmt, TypeDefBody};

use crate::dispatch::json;
use crate::server::{Answer, Refusal, Server};
use crate::snapshot::Snapshot;

/// The outline of a source file.
pub(crate) fn document_symbols(snapshot: &Snapshot, _: DocumentSymbolParams) -> Option<DocumentSymbolResponse> {
    let source = snapshot.source()?;
    let items = source.tree.items.iter().filter_map(|item| item_symbol(snapshot, item));
    let mut symbols: Vec<DocumentSymbol> = items.collect();
    let deprecated = snapshot.project.deprecated_places();
    let names = deprecated.iter().filter(|place| place.file == snapshot.name).map(|place| snapshot.range(place.span));
    let names: Vec<Range> = names.collect();
    if !names.is_empty() {
        tag(&mut symbols, &names);
    }
    Some(DocumentSymbolResponse::Nested(symbols))
}

/// Marks the symbols whose names stand at these places as deprecated.
fn tag(symbols: &mut [DocumentSymbol], names: &[Range]) {
    for symbol in symbols {
        if names.contains(&symbol.selection_range) {
            symbol.tags = Some(vec![SymbolTag::DEPRECATED]);
        }
        tag(symbol.children.as_mut().map_or(&mut [], Vec::as_mut_slice), names);
    }
}

#[expect(deprecated, reason = "the type has a field that is")]
fn symbol(
    snapshot: &Snapshot,
    name: &str,
    kind: SymbolKind,
    span: Span,
    selection: Span,
    children: Vec<DocumentSymbol>,
) -> DocumentSymbol {
    DocumentSymbol {
        // The protocol wants a name.
        name: if name.trim().is_empty() { "…".to_owned() } else { name.to_owned() },
        detail: None,
        kind,
        tags: None,
        deprecated: None,
        range: snapshot.range(span.to(selection)),
        selection_range: snapshot.range(selection),
        children: Some(children).filter(|children| !children.is_empty()),
    }
}

fn item_symbol(snapshot: &Snapshot, item: &Item) -> Option<DocumentSymbol> {
    let named = |name: &Ident, kind, span, children| Some(symbol(snapshot, name.as_str(), kind, span, name.span, children));
    match item {
        Item::Type(def) => {
            let fields = match &def.body {
                TypeDefBody::Record(list) => fields(snapshot, list, SymbolKind::FIELD),
                TypeDefBody::Alias(_) => Vec::new(),
            };
            named(&def.name, SymbolKind::STRUCT, def.span, fields)
        }
        Item::Enum(def) => {
            let members = def.members.iter().map(|member| {
                symbol(snapshot, member.name.as_str(), SymbolKind::ENUM_MEMBER, member.name.span, member.name.span, Vec::new())
            });
            named(&def.name, SymbolKind::ENUM, def.span, members.collect())
        }
        Item::Fn(def) => named(&def.name, SymbolKind::FUNCTION, def.span, Vec::new()),
        Item::Fact(def) => named(&def.name, SymbolKind::VARIABLE, def.span, Vec::new()),
        Item::State(def) => {
            let mut children = fields(snapshot, &def.params, SymbolKind::VARIABLE);
            children.extend(block(snapshot, &def.body));
            named(&def.name, SymbolKind::CLASS, def.span, children)
        }
        Item::Node(def) => {
            let selection = match &def.selector {
                NodeSelector::Names(names) => names.iter().map(pattern_span).reduce(Span::to).unwrap_or(def.span),
                NodeSelector::Where(condition) => condition.span,
                NodeSelector::Error(span) => *span,
            };
            let name = format!("node {}", selection.text(snapshot.text.as_str()));
            Some(symbol(snapshot, &name, SymbolKind::NAMESPACE, def.span, selection, block(snapshot, &def.body)))
        }
        Item::Inventory(def) => {
            let word = Span::new(def.span.start, def.span.start + 9);
            Some(symbol(snapshot, "inventory", SymbolKind::NAMESPACE, def.span, word, block(snapshot, &def.body)))
        }
        Item::Stmt(inner) => stmt(snapshot, inner).into_iter().next(),
        Item::Use(_) | Item::Error(_) => None,
    }
}

fn pattern_span(pattern: &stead_grammar::ast::NodePattern) -> Span {
    match pattern {
        stead_grammar::ast::NodePattern::Glob(_, span) => *span,
        stead_grammar::ast::NodePattern::Regex(regex) => regex.span,
    }
}

fn fields(snapshot: &Snapshot, list: &[Field], kind: SymbolKind) -> Vec<DocumentSymbol> {
    let named = list.iter().filter(|field| !field.name.is_missing());
    named.map(|field| symbol(snapshot, field.name.as_str(), kind, field.span, field.name.span, Vec::new())).collect()
}

fn block(snapshot: &Snapshot, block: &Block) -> Vec<DocumentSymbol> {
    block.stmts.iter().flat_map(|inner| stmt(snapshot, inner)).collect()
}

fn resource(snapshot: &Snapshot, resource: &Resource) -> DocumentSymbol {
    let name = format!("{} {}", resource.type_name.name, resource.name.span.text(snapshot.text.as_str()));
    symbol(snapshot, &name, SymbolKind::OBJECT, resource.span, resource.type_name.span.to(resource.name.span), Vec::new())
}

fn stmt(snapshot: &Snapshot, stmt: &Stmt) -> Vec<DocumentSymbol> {
    match stmt {
        Stmt::Resource(inner) => vec![resource(snapshot, inner)],
        Stmt::Let(binding) => {
            let children = match &binding.value {
                LetValue::Resource(inner) => vec![resource(snapshot, inner)],
                LetValue::Expr(_) => Vec::new(),
            };
            vec![symbol(snapshot, binding.name.as_str(), SymbolKind::VARIABLE, binding.span, binding.name.span, children)]
        }
        Stmt::For(each) => block(snapshot, &each.body),
        Stmt::If(branches) => {
            let bodies = branches.branches.iter().map(|branch| &branch.body).chain(&branches.otherwise);
            bodies.flat_map(|body| block(snapshot, body)).collect()
        }
        Stmt::Match(matched) => matched.arms.iter().flat_map(|arm| block(snapshot, &arm.body)).collect(),
        Stmt::Call(_) | Stmt::Extend(_) | Stmt::Defaults(_) | Stmt::Arrow(_) | Stmt::Error(_) => Vec::new(),
    }
}

/// The definitions and resources of all projects whose names have the letters of the query in their order.
pub(crate) fn workspace_symbols(server: &mut Server, params: WorkspaceSymbolParams) -> Result<Answer, Refusal> {
    const MOST: usize = 500;
    let mut found = Vec::new();
    for key in server.workspace.keys() {
        let snapshot = server.workspace.whole(&key)?;
        for definition in snapshot.project.definitions() {
            if matches(&definition.name, &params.query) {
                let kind = match definition.kind {
                    DefinitionKind::Record | DefinitionKind::Alias => SymbolKind::STRUCT,
                    DefinitionKind::Enum => SymbolKind::ENUM,
                    DefinitionKind::Function => SymbolKind::FUNCTION,
                    DefinitionKind::State => SymbolKind::CLASS,
                    DefinitionKind::Fact => SymbolKind::VARIABLE,
                };
                let symbol = workspace_symbol(&snapshot, &definition.name, kind, &definition.place, &definition.module);
                let tags = definition.deprecated.is_some().then(|| vec![SymbolTag::DEPRECATED]);
                found.extend(symbol.map(|symbol| WorkspaceSymbol { tags, ..symbol }));
            }
        }
        for (file, index) in snapshot.project.indexes() {
            for one in index.uses.iter().filter(|one| one.is_declaration) {
                if let stead_compiler::index::Target::Resource(id) = &one.target
                    && matches(&id.to_string(), &params.query)
                    && found.len() < MOST
                {
                    let place = stead_compiler::index::Place { file: file.clone(), span: one.span };
                    found.extend(workspace_symbol(&snapshot, &id.to_string(), SymbolKind::OBJECT, &place, ""));
                }
            }
        }
    }
    found.truncate(MOST);
    json(found)
}

fn workspace_symbol(
    snapshot: &Snapshot,
    name: &str,
    kind: SymbolKind,
    place: &stead_compiler::index::Place,
    module: &str,
) -> Option<WorkspaceSymbol> {
    Some(WorkspaceSymbol {
        name: name.to_owned(),
        kind,
        tags: None,
        container_name: Some(module.replace('/', ".")).filter(|module| !module.is_empty()),
        location: OneOf::Left(snapshot.location(place)?),
        data: None,
    })
}

/// Says whether a name has the letters of a query in their order.
fn matches(name: &str, query: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    query.chars().flat_map(char::to_lowercase).all(|wanted| letters.any(|letter| letter == wanted))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn the_outline_nests() {
        let fixture = Fixture::new(
            "enum E { a }\nstate s(x: Int) {\n  file \"/${x}\"\n  for i in [1] { let d = directory \"/d\" }\n}\nnode \"n\" { s(x = 1) }\n$0",
        );
        let (snapshot, _) = fixture.at_cursor();
        let Some(lsp_types::DocumentSymbolResponse::Nested(symbols)) = super::document_symbols(
            &snapshot,
            serde_json::from_value(serde_json::json!({"textDocument": {"uri": "file:///x"}})).expect("params"),
        ) else {
            panic!("no outline");
        };
        fn shown(symbols: &[lsp_types::DocumentSymbol]) -> String {
            let shown: Vec<String> = symbols
                .iter()
                .map(|one| match &one.children {
                    Some(children) => format!("{}({})", one.name, shown(children)),
                    None => one.name.clone(),
                })
                .collect();
            shown.join(" ")
        }
        assert_eq!(shown(&symbols), "E(a) s(x file \"/${x}\" d(directory \"/d\")) node \"n\"");
    }

    #[test]
    fn what_is_deprecated_is_tagged() {
        let fixture = Fixture::new(
            "enum E {\n  ## Deprecated:\n  a\n  b\n}\n## Deprecated:\nstate s(\n  x: Int\n  ## Deprecated:\n  y: Int\n) { file \"/${x}${y}\" }\n$0",
        );
        let (snapshot, _) = fixture.at_cursor();
        let params = serde_json::from_value(serde_json::json!({"textDocument": {"uri": "file:///x"}})).expect("params");
        let Some(lsp_types::DocumentSymbolResponse::Nested(symbols)) = super::document_symbols(&snapshot, params) else {
            panic!("no outline");
        };
        fn tagged(symbols: &[lsp_types::DocumentSymbol], found: &mut Vec<String>) {
            for one in symbols {
                found.extend(one.tags.as_ref().map(|_| one.name.clone()));
                tagged(one.children.as_deref().unwrap_or_default(), found);
            }
        }
        let mut found = Vec::new();
        tagged(&symbols, &mut found);
        assert_eq!(found, ["a", "s", "y"]);
    }

    #[test]
    fn letters_in_order_match() {
        assert!(super::matches("web_server", "wsr") && !super::matches("web", "bw") && super::matches("x", ""));
    }
}
