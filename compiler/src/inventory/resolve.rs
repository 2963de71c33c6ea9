//! Hosts and groups as they are written become machines: members are found, and what groups say is handed down.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::{Group as Listed, Inventory, SourceLocation, Target, closest};

use super::{At, Declared, Group, Host, Owner, Reach, Settings};
use crate::diagnostic::Diagnostic;

/// The group that every host is in, as in Ansible's inventories: it hands settings down but is not listed.
const EVERYTHING: &str = "all";
/// The group of the hosts that are in no other.
const UNGROUPED: &str = "ungrouped";

/// Makes the inventory of everything that is declared. `locate` gives the line and column of a place. Unless the sources are
/// all there are (`is_complete`), a host that none of them declares is no mistake.
pub(crate) fn resolve(
    sources: Vec<Declared>,
    is_complete: bool,
    locate: &mut dyn FnMut(&At) -> Option<SourceLocation>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Inventory {
    let mut hosts: IndexMap<Arc<str>, Host> = IndexMap::new();
    let mut groups: BTreeMap<Arc<str>, Group> = BTreeMap::new();
    let mut beside = Beside::default();
    for source in sources {
        for host in source.hosts {
            add_host(&mut hosts, host, source.adds_up, diagnostics);
        }
        for group in source.groups {
            add_group(&mut groups, group, source.adds_up, diagnostics);
        }
        beside.add(source.settings);
    }
    add_named(&hosts, &mut groups);
    let mut unmatched = Vec::new();
    let direct = direct_members(&hosts, &groups, &mut unmatched);
    unmatched.retain(|found| is_complete || !["unknown-host", "unmatched-pattern"].contains(&found.code));
    diagnostics.append(&mut unmatched);
    break_cycles(&mut groups, diagnostics);
    let parents = parents(&groups);
    let depths = depths(&groups, &parents);
    let known = Known { groups, depths, beside };
    let mut members: BTreeMap<Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
    let mut targets = Vec::with_capacity(hosts.len());
    for (position, host) in hosts.into_values().enumerate() {
        let own = direct.get(position).map(Vec::as_slice).unwrap_or_default();
        let all = with_parents(own, &parents);
        for group in &all {
            members.entry(group.clone()).or_default().push(host.name.clone());
        }
        targets.push(known.target(host, all, locate));
    }
    let Known { groups, beside, .. } = known;
    let groups = groups.into_values().filter(|group| &*group.name != EVERYTHING).map(|mut group| {
        beside.group(&group.name).iter().for_each(|settings| union(&mut group.tags, settings.tags.clone()));
        Listed {
            members: members.remove(&group.name).unwrap_or_default(),
            children: group.children.into_iter().map(|(name, _)| name).collect(),
            tags: group.tags,
            name: group.name,
        }
    });
    Inventory::new(targets, groups.collect())
}

/// A group that only hosts or other groups name is there as well.
fn add_named(hosts: &IndexMap<Arc<str>, Host>, groups: &mut BTreeMap<Arc<str>, Group>) {
    let named = hosts.values().flat_map(|host| host.groups.iter().map(|group| (group.clone(), host.at.clone())));
    let children = groups.values().flat_map(|group| group.children.iter().cloned());
    for (name, at) in named.chain(children).collect::<Vec<_>>() {
        groups.entry(name.clone()).or_insert_with(|| Group {
            name,
            at,
            hosts: Vec::new(),
            children: Vec::new(),
            reach: Reach::default(),
            elsewhere: Reach::default(),
            tags: Vec::new(),
        });
    }
}

/// What files beside inventories say, by whom it is about.
#[derive(Default)]
struct Beside(BTreeMap<Owner, Settings>);

impl Beside {
    fn add(&mut self, settings: Vec<Settings>) {
        for settings in settings {
            match self.0.entry(settings.of.clone()) {
                Entry::Vacant(entry) => _ = entry.insert(settings),
                Entry::Occupied(mut entry) => {
                    let known = entry.get_mut();
                    add_reach(&mut known.reach, settings.reach, known.directory == settings.directory);
                    union(&mut known.tags, settings.tags);
                }
            }
        }
    }

    fn group(&self, name: &Arc<str>) -> Option<&Settings> {
        self.0.get(&Owner::Group(name.clone()))
    }

    fn host(&self, name: &Arc<str>) -> Option<&Settings> {
        self.0.get(&Owner::Host(name.clone()))
    }
}

/// What is said last counts in one place, what is said first among several.
fn add_reach(known: &mut Reach, more: Reach, is_same_place: bool) {
    if is_same_place {
        let earlier = std::mem::replace(known, more);
        known.fill_from(&earlier);
    } else {
        known.fill_from(&more);
    }
}

fn add_host(hosts: &mut IndexMap<Arc<str>, Host>, mut host: Host, adds_up: bool, diagnostics: &mut Vec<Diagnostic>) {
    if adds_up {
        host.elsewhere = std::mem::take(&mut host.reach);
    }
    let Some(known) = hosts.get_mut(&host.name) else {
        hosts.insert(host.name.clone(), host);
        return;
    };
    if !adds_up {
        let message = format!("the host `{}` is declared twice", host.name);
        let diagnostic = Diagnostic::error("duplicate-definition", message).at(&host.at.file, host.at.span, "");
        diagnostics.push(diagnostic.also(&known.at.file, known.at.span, "first declared here"));
        return;
    }
    add_reach(&mut known.elsewhere, host.elsewhere, known.at.file == host.at.file);
    union(&mut known.tags, host.tags);
    union(&mut known.groups, host.groups);
}

fn add_group(groups: &mut BTreeMap<Arc<str>, Group>, mut group: Group, adds_up: bool, diagnostics: &mut Vec<Diagnostic>) {
    if adds_up {
        group.elsewhere = std::mem::take(&mut group.reach);
    }
    let Some(known) = groups.get_mut(&group.name) else {
        groups.insert(group.name.clone(), group);
        return;
    };
    if !adds_up {
        let message = format!("the group `{}` is declared twice", group.name);
        let diagnostic = Diagnostic::error("duplicate-definition", message).at(&group.at.file, group.at.span, "");
        diagnostics.push(diagnostic.also(&known.at.file, known.at.span, "first declared here"));
        return;
    }
    known.hosts.extend(group.hosts);
    known.children.extend(group.children);
    add_reach(&mut known.elsewhere, group.elsewhere, known.at.file == group.at.file);
    union(&mut known.tags, group.tags);
}

fn union(into: &mut Vec<Arc<str>>, from: Vec<Arc<str>>) {
    for one in from {
        if !into.contains(&one) {
            into.push(one);
        }
    }
}

/// The groups that each host, by its position, is in directly: those it names, then those that list it.
fn direct_members(
    hosts: &IndexMap<Arc<str>, Host>,
    groups: &BTreeMap<Arc<str>, Group>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Vec<Arc<str>>> {
    let mut direct: Vec<Vec<Arc<str>>> = hosts.values().map(|host| host.groups.clone()).collect();
    let mut put = |position: usize, group: &Arc<str>| {
        if let Some(own) = direct.get_mut(position)
            && !own.contains(group)
        {
            own.push(group.clone());
        }
    };
    for group in groups.values() {
        for (pattern, at) in &group.hosts {
            if let Some(position) = hosts.get_index_of(pattern) {
                put(position, &group.name);
                continue;
            }
            if !pattern.contains(['*', '?', '[', '{']) {
                let message = format!("there is no host `{pattern}`, which the group `{}` lists", group.name);
                let hint = match closest(pattern, hosts.keys().map(|name| &**name)) {
                    Some(best) => format!("did you mean `{best}`?"),
                    None => format!("declare it: `host \"{pattern}\"`"),
                };
                diagnostics.push(Diagnostic::error("unknown-host", message).at(&at.file, at.span, "").hint(hint));
                continue;
            }
            let glob = match globset::GlobBuilder::new(pattern).build() {
                Ok(glob) => glob.compile_matcher(),
                Err(error) => {
                    let message = format!("the pattern is not well formed: {}", error.kind());
                    diagnostics.push(Diagnostic::error("invalid-glob", message).at(&at.file, at.span, ""));
                    continue;
                }
            };
            let mut found = false;
            for (position, name) in hosts.keys().enumerate().filter(|(_, name)| glob.is_match(&***name)) {
                debug_assert!(!name.is_empty(), "names are checked where they are read");
                put(position, &group.name);
                found = true;
            }
            if !found {
                let message = format!("no host matches `{pattern}`, which the group `{}` lists", group.name);
                diagnostics.push(Diagnostic::warning("unmatched-pattern", message).at(&at.file, at.span, ""));
            }
        }
    }
    direct
}

/// Reports groups that contain themselves, and takes the step out that closes the circle.
fn break_cycles(groups: &mut BTreeMap<Arc<str>, Group>, diagnostics: &mut Vec<Diagnostic>) {
    let names: Vec<Arc<str>> = groups.keys().cloned().collect();
    let mut done: Vec<Arc<str>> = Vec::new();
    let mut closing: Vec<(Arc<str>, usize)> = Vec::new();
    for start in &names {
        // The path of groups from `start`, each with the child that is looked at next.
        let mut path: Vec<(Arc<str>, usize)> = vec![(start.clone(), 0)];
        while let Some((name, next)) = path.last_mut() {
            let (name, at) = (name.clone(), *next);
            *next += 1;
            match groups.get(&name).and_then(|group| group.children.get(at)) {
                None => {
                    done.push(name);
                    path.pop();
                }
                Some((child, _)) if closing.contains(&(name.clone(), at)) || done.contains(child) => {}
                Some((child, place)) => {
                    if path.iter().any(|(above, _)| above == child) {
                        let circle = path.iter().map(|(name, _)| &**name).skip_while(|above| **above != **child);
                        let circle: Vec<String> = circle.chain([&**child]).map(|name| format!("`{name}`")).collect();
                        let message = format!("the group `{child}` is in itself: {}", circle.join(" holds "));
                        diagnostics.push(Diagnostic::error("group-cycle", message).at(&place.file, place.span, ""));
                        closing.push((name, at));
                    } else {
                        path.push((child.clone(), 0));
                    }
                }
            }
        }
    }
    for (name, at) in closing.into_iter().rev() {
        if let Some(group) = groups.get_mut(&name)
            && at < group.children.len()
        {
            group.children.remove(at);
        }
    }
}

/// For each group, those that it is directly in.
fn parents(groups: &BTreeMap<Arc<str>, Group>) -> BTreeMap<Arc<str>, Vec<Arc<str>>> {
    let mut parents: BTreeMap<Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
    for group in groups.values() {
        for (child, _) in &group.children {
            let known = parents.entry(child.clone()).or_default();
            if !known.contains(&group.name) {
                known.push(group.name.clone());
            }
        }
    }
    parents
}

/// The groups of a host and those around them, each before those it is in.
fn with_parents(direct: &[Arc<str>], parents: &BTreeMap<Arc<str>, Vec<Arc<str>>>) -> Vec<Arc<str>> {
    let mut order: Vec<Arc<str>> = Vec::new();
    let mut ring: Vec<Arc<str>> = direct.to_vec();
    // A group that is met again further out belongs there: it goes behind what it holds. There are no circles.
    while !ring.is_empty() {
        order.retain(|group| !ring.contains(group));
        let mut next: Vec<Arc<str>> = Vec::new();
        for group in &ring {
            for parent in parents.get(group).into_iter().flatten() {
                if !next.contains(parent) {
                    next.push(parent.clone());
                }
            }
        }
        order.append(&mut ring);
        ring = next;
    }
    order.retain(|group| &**group != EVERYTHING);
    order
}

/// How far each group is from one that is in no other, along the longest way.
fn depths(groups: &BTreeMap<Arc<str>, Group>, parents: &BTreeMap<Arc<str>, Vec<Arc<str>>>) -> BTreeMap<Arc<str>, usize> {
    let mut depths: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    let mut missing: BTreeMap<&Arc<str>, usize> =
        groups.keys().map(|name| (name, parents.get(name).map_or(0, Vec::len))).collect();
    let mut ready: Vec<&Arc<str>> = missing.iter().filter(|(_, parents)| **parents == 0).map(|(name, _)| *name).collect();
    while let Some(name) = ready.pop() {
        let above = parents.get(name).into_iter().flatten().filter_map(|parent| depths.get(parent)).max();
        depths.insert(name.clone(), above.map_or(0, |depth| depth + 1));
        let mut children: Vec<&Arc<str>> =
            groups.get(name).iter().flat_map(|group| &group.children).map(|(child, _)| child).collect();
        children.sort();
        children.dedup();
        for child in children {
            if let Some((child, left)) = missing.get_key_value(child).map(|(child, left)| (*child, left.saturating_sub(1))) {
                missing.insert(child, left);
                if left == 0 {
                    ready.push(child);
                }
            }
        }
    }
    depths
}

/// Everything that is known of groups when machines are made.
struct Known {
    groups: BTreeMap<Arc<str>, Group>,
    depths: BTreeMap<Arc<str>, usize>,
    beside: Beside,
}

impl Known {
    /// The machine that a host in the groups `of` is.
    ///
    /// What the project declares counts first. Of Ansible's it is as Ansible has it: variables in files beside the inventory lie over those
    /// of groups in the inventory itself, and among groups the deepest counts, of several the last by name.
    fn target(&self, host: Host, of: Vec<Arc<str>>, locate: &mut dyn FnMut(&At) -> Option<SourceLocation>) -> Target {
        let Host { name, at, mut reach, elsewhere, mut tags, .. } = host;
        let everything: Arc<str> = EVERYTHING.into();
        let lone: Option<Arc<str>> = of.is_empty().then(|| UNGROUPED.into());
        let own = self.beside.host(&name);
        own.iter().for_each(|settings| reach.fill_from(&settings.reach));
        reach.fill_from(&elsewhere);
        of.iter().filter_map(|group| self.groups.get(group)).for_each(|group| reach.fill_from(&group.reach));

        let mut order: Vec<&Arc<str>> = of.iter().chain(&lone).collect();
        order.sort_by_key(|group| std::cmp::Reverse((self.depths.get(*group), *group)));
        order.push(&everything);
        order.iter().filter_map(|group| self.beside.group(group)).for_each(|settings| reach.fill_from(&settings.reach));
        order.iter().filter_map(|group| self.groups.get(*group)).for_each(|group| reach.fill_from(&group.elsewhere));
        self.groups.get(&everything).iter().for_each(|group| reach.fill_from(&group.reach));

        own.iter().for_each(|settings| union(&mut tags, settings.tags.clone()));
        for group in of.iter().chain(&lone).chain([&everything]) {
            self.groups.get(group).iter().for_each(|group| union(&mut tags, group.tags.clone()));
            self.beside.group(group).iter().for_each(|settings| union(&mut tags, settings.tags.clone()));
        }
        Target {
            name,
            r#become: reach.worker(),
            address: reach.address,
            user: reach.user,
            port: reach.port,
            identity: reach.identity,
            tags,
            groups: of,
            is_local: reach.is_local.unwrap_or(false),
            source: locate(&at),
        }
    }
}
