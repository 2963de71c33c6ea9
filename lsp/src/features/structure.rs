//! Folding and selection ranges, from the tree and the comments.

use std::collections::BTreeSet;

use lsp_types::{FoldingRange, FoldingRangeKind, FoldingRangeParams, SelectionRange, SelectionRangeParams};
use stead_grammar::ast::{ExprKind, Item, Span};

use super::tree::{Node, walk};
use crate::snapshot::Snapshot;

/// What can be folded: blocks, bodies, lists, texts of several lines, comments, and imports.
pub(crate) fn folding(snapshot: &Snapshot, _: FoldingRangeParams) -> Option<Vec<FoldingRange>> {
    let source = snapshot.source()?;
    let line = |offset: u32| snapshot.text.position(offset).line;
    let mut found: BTreeSet<(u32, u32, u8)> = BTreeSet::new();
    let mut add = |span: Span, kind: u8| {
        let (first, last) = (line(span.start), line(span.end));
        if last > first {
            found.insert((first, last, kind));
        }
    };
    walk(&source.tree.items, &mut |node| match node {
        Node::Block(_) | Node::Body(_) => add(node.span(), 0),
        Node::Expr(expr) => match expr.kind {
            ExprKind::Call(_) | ExprKind::Paren(_) | ExprKind::Binary(_) | ExprKind::Field(_) => {}
            _ => add(expr.span, 0),
        },
        Node::Item(Item::Type(_) | Item::Enum(_)) => add(node.span(), 0),
        _ => {}
    });
    let imports: Vec<Span> = source.tree.items.iter().filter(|item| matches!(item, Item::Use(_))).map(Item::span).collect();
    if let (Some(first), Some(last)) = (imports.first(), imports.last()) {
        add(first.to(*last), 2);
    }
    // Comments on lines of their own, one below the other.
    let comments = source.comments.iter().filter(|one| {
        let start = snapshot.text.line(line(one.span.start)).start;
        Span::new(start, one.span.start).text(snapshot.text.as_str()).trim().is_empty()
    });
    let comments: Vec<Span> = comments.map(|one| one.span).collect();
    for group in comments.chunk_by(|a, b| line(a.start) + 1 == line(b.start)) {
        add(group[0].to(group[group.len() - 1]), 1);
    }
    let convert = |(start_line, end_line, kind): (u32, u32, u8)| FoldingRange {
        start_line,
        // The line of the closing brace stays.
        end_line: if kind == 0 { (end_line - 1).max(start_line) } else { end_line },
        kind: match kind {
            1 => Some(FoldingRangeKind::Comment),
            2 => Some(FoldingRangeKind::Imports),
            _ => None,
        },
        ..FoldingRange::default()
    };
    let folds = found.into_iter().map(convert).filter(|fold| fold.end_line > fold.start_line);
    Some(folds.collect())
}

/// From each place outwards: word, expression, statement, block, item, file.
pub(crate) fn selection(snapshot: &Snapshot, params: SelectionRangeParams) -> Option<Vec<SelectionRange>> {
    let source = snapshot.source()?;
    let ranges = params.positions.iter().map(|position| {
        let offset = snapshot.offset(*position);
        let mut spans: Vec<Span> = vec![source.tree.span];
        walk(&source.tree.items, &mut |node| {
            if node.span().touches(offset) {
                spans.push(node.span());
            }
        });
        spans.push(snapshot.text.word(offset));
        spans.sort_by_key(|span| std::cmp::Reverse(span.len()));
        spans.dedup();
        let mut nested: Option<SelectionRange> = None;
        let mut outer = source.tree.span;
        for span in spans {
            // Each lies in the one before.
            if outer.contains(span) {
                nested = Some(SelectionRange { range: snapshot.range(span), parent: nested.map(Box::new) });
                outer = span;
            }
        }
        nested.unwrap_or_else(|| SelectionRange { range: snapshot.range(Span::at(offset)), parent: None })
    });
    Some(ranges.collect())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;
    use serde_json::json;

    #[test]
    fn blocks_comments_and_imports_fold() {
        let fixture = Fixture::new("# a\n# b\nstate s() {\n  file \"/x\" {\n    mode = 0644\n  }\n}\n$0");
        let (snapshot, _) = fixture.at_cursor();
        let params = serde_json::from_value(json!({"textDocument": {"uri": "file:///x"}})).expect("params");
        let folds = super::folding(&snapshot, params).expect("folds");
        let lines: Vec<(u32, u32)> = folds.iter().map(|fold| (fold.start_line, fold.end_line)).collect();
        assert_eq!(lines, [(0, 1), (2, 5), (3, 4)]);
    }

    #[test]
    fn selections_grow() {
        let fixture = Fixture::new("file \"/x\" { mode = 0644 }\n");
        let snapshot = fixture.snapshot();
        let params =
            serde_json::from_value(json!({"textDocument": {"uri": "file:///x"}, "positions": [{"line": 0, "character": 20}]}));
        let ranges = super::selection(&snapshot, params.expect("params")).expect("ranges");
        let mut lengths = Vec::new();
        let mut next = ranges.first();
        while let Some(range) = next {
            lengths.push(range.range.end.character.saturating_sub(range.range.start.character));
            next = range.parent.as_deref();
        }
        assert_eq!(lengths[..3], [4, 11, 15]);
    }
}
