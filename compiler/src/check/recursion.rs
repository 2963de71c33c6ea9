//! Definitions that use themselves: everything in the language ends, so there are none.

use std::collections::{BTreeMap, BTreeSet};

use super::scope::{Use, User};
use crate::defs::Program;
use crate::issue::Issue;

/// Reports each group of functions, states and constants that use one another in a circle, one circle a group.
pub(crate) fn report(program: &Program, uses: &[Use], issues: &mut Vec<Issue>) {
    let mut graph: BTreeMap<User, Vec<&Use>> = BTreeMap::new();
    for one in uses.iter().filter(|one| one.by != User::Root) {
        graph.entry(one.by).or_default().push(one);
    }
    let mut done: BTreeSet<User> = BTreeSet::new();
    for start in graph.keys().copied().collect::<Vec<_>>() {
        if !done.contains(&start)
            && let Some(circle) = find_circle(&graph, start, &mut done)
        {
            issues.push(tell(program, &circle));
        }
    }
}

/// Walks depth first without recursion of its own; returns the uses that make up a circle.
fn find_circle<'u>(graph: &BTreeMap<User, Vec<&'u Use>>, start: User, done: &mut BTreeSet<User>) -> Option<Vec<&'u Use>> {
    let mut path: Vec<(User, usize)> = vec![(start, 0)];
    let mut taken: Vec<&Use> = Vec::new();
    while let Some((user, next)) = path.last_mut() {
        let edges = graph.get(user).map_or(&[][..], Vec::as_slice);
        let Some(edge) = edges.get(*next) else {
            done.insert(*user);
            path.pop();
            taken.pop();
            continue;
        };
        *next += 1;
        if let Some(at) = path.iter().position(|(on_path, _)| *on_path == edge.of) {
            let mut circle = taken[at..].to_vec();
            circle.push(edge);
            done.extend(path.iter().map(|(user, _)| *user));
            return Some(circle);
        }
        if !done.contains(&edge.of) {
            path.push((edge.of, 0));
            taken.push(edge);
        }
    }
    None
}

fn tell(program: &Program, circle: &[&Use]) -> Issue {
    let name = |user: User| match user {
        User::Fn(id) => format!("function `{}`", program.fns[id as usize].name.name),
        User::State(id) => format!("state `{}`", program.states[id as usize].name.name),
        User::Global(_) => "a constant".to_owned(),
        User::Root => "the file".to_owned(),
    };
    let first = circle[0];
    let mut issue = Issue::error("recursive-definition", first.at, format!("{} uses itself", name(first.by)));
    issue.labels.clear();
    for one in circle {
        issue = issue.label(one.at, format!("{} uses {}", name(one.by), name(one.of)));
    }
    issue.hint("everything in the language ends: use `for` over a list or a range instead")
}
