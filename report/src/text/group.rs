//! Neighbours that change alike are told together: what they share once, what is their own below each.

use stead_catalog::{Change, PlannedResource};

use super::resource::{planned_look, write_changes};
use super::{TextOptions, header_line, resource};
use crate::paint::{Break, Screen, Style, piece};

/// Fewer than this are told one by one.
const LEAST: usize = 3;

/// Resources that follow each other and are of one type, action and cause, with the changes all of them share.
pub(super) struct Group<'a> {
    members: Vec<&'a PlannedResource>,
    shared: Vec<&'a Change>,
}

/// Cuts the resources into groups without changing their order.
pub(super) fn groups<'a>(resources: &[&'a PlannedResource]) -> Vec<Group<'a>> {
    let mut groups = Vec::new();
    for run in resources.chunk_by(|a, b| alike(a, b)) {
        let shared = if run.len() >= LEAST { shared(run) } else { Vec::new() };
        if shared.is_empty() {
            groups.extend(run.iter().map(|member| Group { members: vec![*member], shared: Vec::new() }));
        } else {
            groups.push(Group { members: run.to_vec(), shared });
        }
    }
    groups
}

fn alike(a: &PlannedResource, b: &PlannedResource) -> bool {
    let plain = |r: &PlannedResource| r.error.is_none() && r.held.is_none() && r.unknown.is_none();
    a.id.type_name == b.id.type_name
        && a.action == b.action
        && a.because == b.because
        && a.orphan == b.orphan
        && plain(a)
        && plain(b)
}

/// Changes that every member has, in the order of the first.
fn shared<'a>(run: &[&'a PlannedResource]) -> Vec<&'a Change> {
    let Some((first, rest)) = run.split_first() else { return Vec::new() };
    first.changes.iter().filter(|change| rest.iter().all(|member| member.changes.contains(change))).collect()
}

pub(super) fn write(screen: &mut Screen, options: &TextOptions, group: &Group<'_>) {
    let first = match group.members.as_slice() {
        [] => return,
        members if members.len() == 1 || options.brief => {
            for member in members {
                resource::write(screen, options, member, None);
            }
            return;
        }
        [first, ..] => first,
    };
    let (sign, word, style) = planned_look(first, options.ascii);
    let heading = [
        piece(style, format!("{sign} {word:9} ")),
        piece(Style::Bold, format!("{} {} resources", group.members.len(), first.id.type_name)),
        piece(Style::Plain, if first.orphan { ", no longer declared, each with" } else { ", each with" }),
    ];
    screen.line(0, 4, Break::Words, &heading);
    for cause in &first.because {
        let words = format!("because {} changes ({})", cause.resource, cause.kind.name());
        screen.line(4, 8, Break::Words, &[piece(Style::Plain, words)]);
    }
    write_changes(screen, options, 4, first.action, group.shared.iter().copied());
    for member in &group.members {
        let pieces = vec![piece(style, format!("{sign} ")), piece(Style::Bold, member.id.to_string())];
        header_line(screen, 2, pieces, &member.source.to_string());
        let own = member.changes.iter().filter(|change| !group.shared.contains(change));
        write_changes(screen, options, 6, member.action, own);
    }
}
