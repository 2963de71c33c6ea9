//! Semantic tokens: what each name is, whole, for a range, and as the difference from the last answer.

use std::collections::HashMap;
use std::sync::Arc;

use lsp_types::{
    SemanticToken, SemanticTokenModifier, SemanticTokenType, SemanticTokens, SemanticTokensDelta, SemanticTokensEdit,
    SemanticTokensFullDeltaResult, SemanticTokensLegend, SemanticTokensRangeParams, SemanticTokensResult,
};
use stead_compiler::index::Target;
use stead_grammar::ast::{ExprKind, Item, Literal, Span, Stmt};

use super::tree::{Node, walk};
use crate::snapshot::Snapshot;

const TYPES: [SemanticTokenType; 16] = [
    SemanticTokenType::NAMESPACE,
    SemanticTokenType::TYPE,
    SemanticTokenType::CLASS,
    SemanticTokenType::ENUM_MEMBER,
    SemanticTokenType::PROPERTY,
    SemanticTokenType::VARIABLE,
    SemanticTokenType::PARAMETER,
    SemanticTokenType::FUNCTION,
    SemanticTokenType::METHOD,
    SemanticTokenType::KEYWORD,
    SemanticTokenType::COMMENT,
    SemanticTokenType::STRING,
    SemanticTokenType::NUMBER,
    SemanticTokenType::OPERATOR,
    SemanticTokenType::MACRO,
    SemanticTokenType::DECORATOR,
];

const MODIFIERS: [SemanticTokenModifier; 5] = [
    SemanticTokenModifier::DECLARATION,
    SemanticTokenModifier::READONLY,
    SemanticTokenModifier::DEFAULT_LIBRARY,
    SemanticTokenModifier::DOCUMENTATION,
    SemanticTokenModifier::DEPRECATED,
];

const DECLARATION: u32 = 1;
const LIBRARY: u32 = 4;
const DOCUMENTATION: u32 = 8;
const DEPRECATED: u32 = 16;

/// The names of the types and modifiers.
pub(crate) fn legend() -> SemanticTokensLegend {
    SemanticTokensLegend { token_types: TYPES.to_vec(), token_modifiers: MODIFIERS.to_vec() }
}

/// The last answer for each file, for the difference.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    last: HashMap<Arc<str>, (String, Vec<SemanticToken>)>,
    next: u64,
}

impl Kept {
    fn keep(&mut self, snapshot: &Snapshot, tokens: Vec<SemanticToken>) -> String {
        self.next += 1;
        let id = self.next.to_string();
        let file = snapshot.uri(&snapshot.name).map_or_else(|| snapshot.name.to_string(), |uri| uri.as_str().to_owned());
        self.last.insert(file.into(), (id.clone(), tokens));
        id
    }

    fn last(&self, snapshot: &Snapshot) -> Option<&(String, Vec<SemanticToken>)> {
        self.last.get(snapshot.uri(&snapshot.name)?.as_str())
    }
}

/// All tokens.
pub(crate) fn full(snapshot: &Snapshot, kept: &mut Kept) -> Option<SemanticTokensResult> {
    let data = encode(snapshot, &found(snapshot)?);
    let result_id = Some(kept.keep(snapshot, data.clone()));
    Some(SemanticTokensResult::Tokens(SemanticTokens { result_id, data }))
}

/// What differs from an earlier answer; everything where that is not the last one.
pub(crate) fn delta(snapshot: &Snapshot, previous: &str, kept: &mut Kept) -> Option<SemanticTokensFullDeltaResult> {
    let data = encode(snapshot, &found(snapshot)?);
    let edits = kept.last(snapshot).filter(|(id, _)| id == previous).map(|(_, old)| difference(old, &data));
    let result_id = Some(kept.keep(snapshot, data.clone()));
    Some(match edits {
        Some(edits) => SemanticTokensFullDeltaResult::TokensDelta(SemanticTokensDelta { result_id, edits }),
        None => SemanticTokensFullDeltaResult::Tokens(SemanticTokens { result_id, data }),
    })
}

/// The tokens of a range.
pub(crate) fn range(snapshot: &Snapshot, params: SemanticTokensRangeParams) -> Option<SemanticTokens> {
    let within = snapshot.text.span(params.range);
    let mut tokens = found(snapshot)?;
    tokens.retain(|token| token.0.end > within.start && token.0.start < within.end);
    Some(SemanticTokens { result_id: None, data: encode(snapshot, &tokens) })
}

/// One edit: what lies between the common start and the common end.
fn difference(old: &[SemanticToken], new: &[SemanticToken]) -> Vec<SemanticTokensEdit> {
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let end = old[start..].iter().rev().zip(new[start..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (removed, added) = (old.len() - start - end, &new[start..new.len() - end]);
    if removed == 0 && added.is_empty() {
        return Vec::new();
    }
    // A token is five numbers.
    let number = |n: usize| u32::try_from(n * 5).unwrap_or(u32::MAX);
    vec![SemanticTokensEdit { start: number(start), delete_count: number(removed), data: Some(added.to_vec()) }]
}

/// A token: where, which type, which modifiers.
type Token = (Span, SemanticTokenType, u32);

fn found(snapshot: &Snapshot) -> Option<Vec<Token>> {
    let source = snapshot.source()?;
    let index = snapshot.index()?;
    let mut tokens: Vec<Token> = Vec::new();
    let parameters = parameters(&source.tree.items);
    let deprecated = snapshot.project.deprecated_places();
    for one in &index.uses {
        let (kind, modifiers) = match &one.target {
            Target::Variable(place) if place.file != snapshot.name || parameters.contains(&place.span) => {
                (SemanticTokenType::PARAMETER, 0)
            }
            Target::Variable(_) => (SemanticTokenType::VARIABLE, 0),
            Target::Function(_) => (SemanticTokenType::FUNCTION, 0),
            Target::State(_) => (SemanticTokenType::MACRO, 0),
            Target::Type(_) => (SemanticTokenType::TYPE, 0),
            Target::BuiltinType(_) => (SemanticTokenType::TYPE, LIBRARY),
            Target::Member(_) => (SemanticTokenType::ENUM_MEMBER, 0),
            Target::Field(_) => (SemanticTokenType::PROPERTY, 0),
            Target::Module(_) => (SemanticTokenType::NAMESPACE, 0),
            Target::ResourceType(name) => {
                let is_old = snapshot.project.schemas().get(name).is_some_and(|schema| schema.deprecated.is_some());
                (SemanticTokenType::CLASS, LIBRARY | if is_old { DEPRECATED } else { 0 })
            }
            Target::Attribute(type_name, name) => {
                let attribute = snapshot.project.schemas().get(type_name).and_then(|schema| schema.attribute(name));
                let is_old = attribute.is_some_and(|attribute| attribute.deprecated.is_some());
                (SemanticTokenType::PROPERTY, if is_old { DEPRECATED } else { 0 })
            }
            Target::Meta(_) => (SemanticTokenType::DECORATOR, LIBRARY),
            Target::Builtin(builtin) if builtin.signature.receiver.is_some() => (SemanticTokenType::METHOD, LIBRARY),
            Target::Builtin(_) | Target::Special(_) => (SemanticTokenType::FUNCTION, LIBRARY),
            Target::Fact(path) | Target::Data(path) | Target::Node(path) if path.is_empty() => {
                (SemanticTokenType::VARIABLE, LIBRARY)
            }
            Target::Fact(_) | Target::Data(_) | Target::Node(_) => (SemanticTokenType::PROPERTY, 0),
            Target::Resource(_) | Target::File(_) => continue,
        };
        let is_old = match &one.target {
            Target::Builtin(builtin) => builtin.deprecated.is_some(),
            target => target.place().is_some_and(|place| deprecated.contains(place)),
        };
        let modifiers = modifiers | if is_old { DEPRECATED } else { 0 };
        tokens.push((one.span, kind, modifiers | if one.is_declaration { DECLARATION } else { 0 }));
    }
    for comment in source.comments.iter() {
        tokens.push((comment.span, SemanticTokenType::COMMENT, if comment.is_doc { DOCUMENTATION } else { 0 }));
    }
    walk(&source.tree.items, &mut |node| match node {
        Node::Expr(expr) => match &expr.kind {
            ExprKind::Literal(Literal::String(_)) => tokens.push((expr.span, SemanticTokenType::STRING, 0)),
            ExprKind::Literal(Literal::None | Literal::Bool(_)) => tokens.push((expr.span, SemanticTokenType::KEYWORD, 0)),
            ExprKind::Literal(_) => tokens.push((expr.span, SemanticTokenType::NUMBER, 0)),
            ExprKind::Binary(binary) => tokens.push((binary.op_span, SemanticTokenType::OPERATOR, 0)),
            _ => {}
        },
        Node::Item(item) => {
            let word = match item {
                Item::Use(_) => "use",
                Item::Type(_) => "type",
                Item::Enum(_) => "enum",
                Item::Fn(_) => "fn",
                Item::Fact(_) => "fact",
                Item::State(_) => "state",
                Item::Node(_) => "node",
                Item::Inventory(_) => "inventory",
                Item::Stmt(_) | Item::Error(_) => "",
            };
            keyword(snapshot, item.span(), word, &mut tokens);
        }
        Node::Stmt(stmt) => {
            let word = match stmt {
                Stmt::Let(_) => "let",
                Stmt::For(_) => "for",
                Stmt::If(_) => "if",
                Stmt::Match(_) => "match",
                Stmt::Extend(_) => "extend",
                Stmt::Defaults(_) => "defaults",
                _ => "",
            };
            keyword(snapshot, stmt.span(), word, &mut tokens);
        }
        _ => {}
    });
    // Of two at one place the first counts: names come from the index.
    tokens.sort_by_key(|(span, ..)| (span.start, span.end));
    let mut end = 0;
    tokens.retain(|(span, ..)| {
        let is_free = span.start >= end && !span.is_empty();
        if is_free {
            end = span.end;
        }
        is_free
    });
    Some(tokens)
}

/// Where the parameters of the file are named.
fn parameters(items: &[Item]) -> Vec<Span> {
    let fields = items.iter().flat_map(|item| match item {
        Item::Fn(def) => def.params.iter(),
        Item::State(def) => def.params.iter(),
        _ => [].iter(),
    });
    fields.map(|field| field.name.span).collect()
}

fn keyword(snapshot: &Snapshot, span: Span, word: &str, tokens: &mut Vec<Token>) {
    if !word.is_empty() && span.text(snapshot.text.as_str()).starts_with(word) {
        let length = u32::try_from(word.len()).unwrap_or(0);
        tokens.push((Span::new(span.start, span.start + length), SemanticTokenType::KEYWORD, 0));
    }
}

/// The tokens as differences of lines and columns. One that spans lines becomes one for each line.
fn encode(snapshot: &Snapshot, tokens: &[Token]) -> Vec<SemanticToken> {
    let mut data = Vec::with_capacity(tokens.len());
    let (mut last_line, mut last_start) = (0, 0);
    for (span, kind, modifiers) in tokens {
        let token_type = TYPES.iter().position(|known| known == kind).and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
        let (first, last) = (snapshot.text.position(span.start).line, snapshot.text.position(span.end).line);
        for line in first..=last {
            let whole = snapshot.text.line(line);
            let part = Span::new(span.start.max(whole.start), span.end.min(whole.end));
            if part.is_empty() {
                continue;
            }
            let start = snapshot.text.position(part.start).character;
            let delta_line = line - last_line;
            let delta_start = if delta_line == 0 { start - last_start } else { start };
            let length = snapshot.encoding.length(part.text(snapshot.text.as_str()));
            data.push(SemanticToken { delta_line, delta_start, length, token_type, token_modifiers_bitset: *modifiers });
            (last_line, last_start) = (line, start);
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn names_have_their_kinds() {
        let fixture = Fixture::new("# c\nstate s(x: Int) { file \"/${x}\" { mode = 0644 } }\nnode \"n\" { s(x = 1) }\n$0");
        let (snapshot, _) = fixture.at_cursor();
        let tokens = found(&snapshot).expect("tokens");
        let shown: Vec<String> =
            tokens.iter().map(|(span, kind, _)| format!("{}={}", span.text(snapshot.text.as_str()), kind.as_str())).collect();
        for expected in ["# c=comment", "s=macro", "x=parameter", "Int=type", "file=class", "mode=property", "0644=number"] {
            assert!(shown.iter().any(|one| one == expected), "{expected} in {shown:?}");
        }
    }

    #[test]
    fn what_is_deprecated_is_struck_through() {
        let fixture = Fixture::new("## Deprecated: use `b`\nfn a() -> Int = 1\nfn b() -> Int = a()\nfile \"/${b()}\"\n$0");
        let (snapshot, _) = fixture.at_cursor();
        let tokens = found(&snapshot).expect("tokens");
        let old = tokens.iter().filter(|(_, _, modifiers)| modifiers & DEPRECATED != 0);
        let old: Vec<(&str, u32)> =
            old.map(|(span, ..)| (span.text(snapshot.text.as_str()), snapshot.text.position(span.start).line)).collect();
        assert_eq!(old, [("a", 1), ("a", 2)]);
    }

    #[test]
    fn a_difference_applied_is_the_new_list() {
        let token = |n| SemanticToken { delta_line: n, delta_start: 0, length: 1, token_type: 0, token_modifiers_bitset: 0 };
        let list = |numbers: &[u32]| numbers.iter().map(|n| token(*n)).collect::<Vec<_>>();
        for (old, new) in [
            (list(&[1, 2, 3]), list(&[1, 9, 8, 3])),
            (list(&[1, 1, 1]), list(&[1, 1])),
            (list(&[]), list(&[4])),
            (list(&[4]), list(&[4])),
        ] {
            let mut applied = old.clone();
            for edit in difference(&old, &new) {
                let (start, count) = (edit.start as usize / 5, edit.delete_count as usize / 5);
                applied.splice(start..start + count, edit.data.unwrap_or_default());
            }
            assert_eq!(applied, new);
        }
    }
}
