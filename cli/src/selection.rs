//! `--only`, `--except` and `--tags`: a part of a catalog that is closed under its requisites.

use stead_catalog::{Catalog, Edge, Resource, ResourceId};
use stead_engine::Graph;

use crate::args::SelectArguments;
use crate::failure::Failure;

/// Returns the selected part: what is asked for with everything it requires, less what is left out with everything
/// that requires that.
///
/// # Errors
/// [`Failure::UnknownSelector`] when a selector selects nothing.
pub(crate) fn select(catalog: Catalog, arguments: &SelectArguments) -> Result<Catalog, Failure> {
    if arguments.only.is_empty() && arguments.except.is_empty() && arguments.tags.is_empty() {
        return Ok(catalog);
    }
    let graph = Graph::of(&catalog);
    let mut wanted = Vec::new();
    for selector in &arguments.only {
        wanted.extend(matching(&catalog, selector, |resource| is_selected(resource, selector))?);
    }
    for tag in &arguments.tags {
        wanted.extend(matching(&catalog, tag, |resource| has_tag(resource, tag))?);
    }
    let everything = arguments.only.is_empty() && arguments.tags.is_empty();
    let mut keep = if everything { vec![true; catalog.resources.len()] } else { graph.closure(wanted, true) };
    let mut unwanted = Vec::new();
    for selector in &arguments.except {
        unwanted.extend(matching(&catalog, selector, |resource| is_selected(resource, selector))?);
    }
    for (keep, dropped) in keep.iter_mut().zip(graph.closure(unwanted, false)) {
        *keep &= !dropped;
    }
    Ok(restrict(catalog, &keep))
}

/// Writes a selection down, for a saved plan.
pub(crate) fn to_words(arguments: &SelectArguments) -> Vec<String> {
    let parts = [("only", &arguments.only), ("except", &arguments.except), ("tags", &arguments.tags)];
    let words = parts.into_iter().flat_map(|(name, words)| words.iter().map(move |word| format!("{name}={word}")));
    words.chain(arguments.keep_orphans.then(|| "keep=orphans".to_owned())).collect()
}

/// Reads a selection back.
pub(crate) fn from_words(words: &[String]) -> SelectArguments {
    let mut arguments = SelectArguments::default();
    for (name, word) in words.iter().filter_map(|word| word.split_once('=')) {
        match name {
            "only" => arguments.only.push(word.to_owned()),
            "except" => arguments.except.push(word.to_owned()),
            "keep" => arguments.keep_orphans = true,
            _ => arguments.tags.push(word.to_owned()),
        }
    }
    arguments
}

fn matching(catalog: &Catalog, selector: &str, fits: impl Fn(&Resource) -> bool) -> Result<Vec<usize>, Failure> {
    let found: Vec<usize> =
        catalog.resources.iter().enumerate().filter(|(_, resource)| fits(resource)).map(|(at, _)| at).collect();
    if found.is_empty() { Err(Failure::UnknownSelector(selector.to_owned())) } else { Ok(found) }
}

fn is_selected(resource: &Resource, selector: &str) -> bool {
    match ResourceId::parse(selector) {
        Some(id) => resource.id == id,
        None => &*resource.id.type_name == selector || has_tag(resource, selector),
    }
}

fn has_tag(resource: &Resource, tag: &str) -> bool {
    resource.meta.tags.iter().any(|own| &**own == tag)
}

/// Keeps the resources that a question says yes to.
pub(crate) fn keeping(catalog: Catalog, wanted: impl Fn(&Resource) -> bool) -> Catalog {
    let keep: Vec<bool> = catalog.resources.iter().map(wanted).collect();
    restrict(catalog, &keep)
}

/// Keeps some resources and the edges among them.
fn restrict(catalog: Catalog, keep: &[bool]) -> Catalog {
    let mut positions: Vec<Option<u32>> = Vec::with_capacity(keep.len());
    let mut next = 0;
    for keep in keep {
        positions.push(keep.then_some(next));
        next += u32::from(*keep);
    }
    let position = |at: u32| positions.get(usize::try_from(at).ok()?).copied().flatten();
    let edge = |edge: Edge| Some(Edge { from: position(edge.from)?, to: position(edge.to)?, ..edge });
    Catalog {
        node: catalog.node,
        edges: catalog.edges.into_iter().filter_map(edge).collect(),
        resources: catalog.resources.into_iter().zip(keep).filter(|(_, keep)| **keep).map(|(resource, _)| resource).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_catalog::{Attributes, EdgeKind, Meta, SourceLocation};

    /// `a <- b <- c` and `d` alone; `d` has the tag `late`.
    fn catalog() -> Catalog {
        let resource = |name: &str, tags: &[&str]| Resource {
            id: ResourceId::new("file", name),
            attributes: Attributes::new(),
            meta: Meta { tags: tags.iter().map(|tag| (*tag).into()).collect(), ..Meta::default() },
            source: SourceLocation { file: "f".into(), start: 0, end: 0, line: 1, column: 1 },
            path: Vec::new(),
            origins: Vec::new(),
        };
        let edge = |from, to| Edge { from, to, kind: EdgeKind::Require, reason: "".into(), source: None };
        Catalog {
            node: "n".into(),
            resources: vec![resource("a", &[]), resource("b", &[]), resource("c", &[]), resource("d", &["late"])],
            edges: vec![edge(0, 1), edge(1, 2)],
        }
    }

    #[track_caller]
    fn check(only: &[&str], except: &[&str], tags: &[&str], expected: &str) {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        let arguments = SelectArguments { only: list(only), except: list(except), tags: list(tags), keep_orphans: true };
        let arguments = from_words(&to_words(&arguments));
        assert!(arguments.keep_orphans);
        let shown = match select(catalog(), &arguments) {
            Ok(catalog) => {
                let names: Vec<&str> = catalog.resources.iter().map(|resource| &*resource.id.name).collect();
                let edges: Vec<String> = catalog.edges.iter().map(|edge| format!("{}{}", edge.from, edge.to)).collect();
                format!("{} {}", names.join(""), edges.join(","))
            }
            Err(failure) => failure.code().to_owned(),
        };
        assert_eq!(shown, expected);
    }

    /// Its order is the other way round: what has the `prereq` comes first.
    #[test]
    fn what_has_a_prereq_is_never_without_the_resource_that_it_names() {
        let mut catalog = catalog();
        catalog.edges[1].kind = EdgeKind::Prereq;
        let kept = |only: &[&str], except: &[&str]| {
            let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
            let arguments = SelectArguments { only: list(only), except: list(except), ..SelectArguments::default() };
            let catalog = select(catalog.clone(), &arguments).expect("the resources are there");
            catalog.resources.iter().map(|resource| resource.id.name.to_string()).collect::<String>()
        };
        assert_eq!(kept(&["file[\"b\"]"], &[]), "abc");
        assert_eq!(kept(&["file[\"a\"]"], &[]), "a");
        assert_eq!(kept(&[], &["file[\"c\"]"]), "ad");
    }

    #[test]
    fn a_selection_is_closed_under_its_requisites() {
        check(&[], &[], &[], "abcd 01,12");
        check(&["file[\"b\"]"], &[], &[], "ab 01");
        check(&["file"], &["file[\"b\"]"], &[], "ad ");
        check(&[], &["late"], &[], "abc 01,12");
        check(&[], &[], &["late"], "d ");
        check(&["file[\"c\"]"], &["file[\"a\"]"], &[], " ");
        check(&["file[\"x\"]"], &[], &[], "unknown-selector");
    }
}
