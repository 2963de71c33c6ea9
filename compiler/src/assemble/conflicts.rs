//! One owner: equal claims merge, unequal ones and two owners of one place are mistakes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use stead_catalog::{Place, Value};

use super::{Finished, Found};
use crate::defs::index;
use crate::issue::Issue;
use crate::project::Project;

/// Merges equal claims on one resource and reports unequal ones.
pub(super) fn merge(project: &Project, finished: Vec<(Finished, Vec<Issue>)>, issues: &mut Vec<Issue>) -> Found {
    let mut found = Found { resources: Vec::with_capacity(finished.len()), by_id: HashMap::with_capacity(finished.len()) };
    for (mut one, mut own) in finished {
        let is_broken = !own.is_empty();
        issues.append(&mut own);
        match found.by_id.entry(one.id.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(index(found.resources.len()));
                found.resources.push(one);
            }
            Entry::Occupied(entry) => {
                let first = &mut found.resources[*entry.get() as usize];
                if first.attributes == one.attributes && first.meta == one.meta {
                    first.aliases.append(&mut one.aliases);
                } else if !is_broken {
                    issues.push(differs(project, first, &one));
                }
            }
        }
    }
    found
}

fn differs(project: &Project, first: &Finished, second: &Finished) -> Issue {
    let schema = project.program.schemas.at(first.schema);
    let unequal = schema
        .attributes
        .iter()
        .find(|attribute| first.attributes.get(&attribute.name) != second.attributes.get(&attribute.name));
    let shown = |one: &Finished, name: &str| match one.attributes.get(name) {
        None => format!("without `{name}`"),
        Some(Value::Secret(_)) => format!("`{name}` is another secret"),
        Some(value) => {
            let text = value.to_string();
            let cut = text.chars().count() > 40;
            let text: String = if cut { text.chars().take(37).chain("...".chars()).collect() } else { text };
            format!("`{name} = {text}`")
        }
    };
    let (message, here, there, a, b) = match unequal {
        Some(attribute) => {
            let name = &*attribute.name;
            (
                format!("`{}` is declared twice, with another `{name}`", first.id),
                shown(second, name),
                shown(first, name),
                second.place_of(project, Some(name)),
                first.place_of(project, Some(name)),
            )
        }
        None => (
            format!("`{}` is declared twice, with other guards, tags or retries", first.id),
            "declared here".into(),
            "first declared here".into(),
            second.at,
            first.at,
        ),
    };
    let issue = Issue::error("conflicting-resources", a, message).primary(here).label(b, there);
    let hint = format!("make both equal, so that they merge, or change one attribute with `extend {} {{ … }}`", first.id);
    first.told(second.told(issue)).hint(hint)
}

/// Reports paths of which one resource decides all and another one a part: each run would undo what the one before did.
pub(super) fn contents(found: &Found, issues: &mut Vec<Issue>) {
    let mut fillers: HashMap<&str, &Finished> = HashMap::new();
    for one in &found.resources {
        fillers.extend(one.footprint.fills.iter().map(|path| (&**path, one)));
    }
    if fillers.is_empty() {
        return;
    }
    for one in &found.resources {
        for path in &one.footprint.edits {
            let Some(filler) = fillers.get(&**path).filter(|filler| filler.id != one.id) else { continue };
            let (there, hint) = if filler.footprint.removes {
                ("removed here", "a thing has one owner: remove one of the two".to_owned())
            } else {
                let hint = format!(
                    "put the part into what `{}` holds, or let that make the file only where it is missing: `create_only = true`",
                    filler.id
                );
                ("all of its content is decided here", hint)
            };
            let message = format!("`{}` decides all of `{path}`, and `{}` a part of it", filler.id, one.id);
            let issue = Issue::error("conflicting-resources", one.at, message)
                .primary("a part of it is decided here")
                .label(filler.at, there);
            issues.push(filler.told(one.told(issue)).hint(hint));
        }
    }
}

/// Reports places that two resources own.
pub(super) fn places(found: &Found, issues: &mut Vec<Issue>) {
    let mut owners: HashMap<&Place, &Finished> = HashMap::with_capacity(found.resources.len());
    for one in &found.resources {
        for place in &one.footprint.owns {
            match owners.entry(place) {
                Entry::Vacant(entry) => {
                    entry.insert(one);
                }
                Entry::Occupied(entry) if entry.get().id == one.id => {}
                Entry::Occupied(entry) => {
                    let first = entry.get();
                    let message = format!("`{}` and `{}` both own {place}", first.id, one.id);
                    let issue = Issue::error("conflicting-resources", one.at, message)
                        .primary(if one.footprint.removes { "removed here" } else { "managed here" })
                        .label(first.at, if first.footprint.removes { "removed here" } else { "managed here" });
                    issues.push(first.told(one.told(issue)).hint("a thing has one owner: remove one of the two"));
                }
            }
        }
    }
}
