//! Document links, and the places that are edited together.

use lsp_types::{DocumentLink, DocumentLinkParams, LinkedEditingRanges};
use stead_compiler::index::Target;

use crate::snapshot::Snapshot;

/// The files that a source names.
pub(crate) fn links(snapshot: &Snapshot, _: DocumentLinkParams) -> Option<Vec<DocumentLink>> {
    let index = snapshot.index()?;
    let files = index.uses.iter().filter_map(|one| match &one.target {
        Target::File(file) => {
            Some(DocumentLink { range: snapshot.range(one.span), target: Some(snapshot.uri(file)?), tooltip: None, data: None })
        }
        _ => None,
    });
    Some(files.collect())
}

/// The variable at an offset with all its uses, where none of them is a key as well: what can be edited at once without more ado.
pub(crate) fn linked_editing(snapshot: &Snapshot, offset: u32) -> Option<LinkedEditingRanges> {
    let index = snapshot.index()?;
    let used = index.at(offset);
    let one = used.iter().find(|one| matches!(one.target, Target::Variable(_)))?;
    let name = one.span.text(snapshot.text.as_str());
    let uses: Vec<_> = index.uses.iter().filter(|other| other.target == one.target).collect();
    let is_simple = uses.iter().all(|other| !other.is_shorthand && other.span.text(snapshot.text.as_str()) == name);
    // A parameter is named by others: by arguments, and by the data.
    let Target::Variable(place) = &one.target else { return None };
    let is_local = index.variables.iter().any(|(span, _, _)| *span == place.span) && place.file == snapshot.name;
    let is_parameter = index.variables.iter().any(|(span, _, is_written)| *span == place.span && *is_written);
    if !is_simple || !is_local || is_parameter {
        return None;
    }
    let ranges = uses.iter().map(|other| snapshot.range(other.span)).collect();
    Some(LinkedEditingRanges { ranges, word_pattern: Some("[A-Za-z_][A-Za-z0-9_]*".to_owned()) })
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn variables_are_edited_together() {
        let fixture = Fixture::new("let a$0b = 1\nfile \"/${ab}\"\n");
        let (snapshot, offset) = fixture.at_cursor();
        assert_eq!(super::linked_editing(&snapshot, offset).map(|linked| linked.ranges.len()), Some(2));
        let fixture = Fixture::new("fn f(a$0b: Int) -> Int = ab\n");
        let (snapshot, offset) = fixture.at_cursor();
        assert_eq!(super::linked_editing(&snapshot, offset), None);
    }
}
