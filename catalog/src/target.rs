//! A machine and the way to reach it, as an inventory names it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::SourceLocation;

/// A node and the way to reach it. Whatever is not given is left to the user's own ssh configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The node's name: what node blocks and data are matched with.
    pub name: Arc<str>,
    /// Host name, address or alias that ssh is given; the node's name when absent.
    pub address: Option<Arc<str>>,
    /// The user that ssh logs in as.
    pub user: Option<Arc<str>>,
    /// The port of the ssh server.
    pub port: Option<u16>,
    /// A file with the key that ssh logs in with.
    pub identity: Option<Arc<str>>,
    /// The user that the work is done as, by sudo; the one that logs in when absent.
    pub r#become: Option<Arc<str>>,
    /// Labels, which targets and node blocks select by.
    pub tags: Vec<Arc<str>>,
    /// Groups it is in, the most specific first; data may be looked up by them.
    pub groups: Vec<Arc<str>>,
    /// It is the machine of the operator: nothing is sent anywhere.
    pub is_local: bool,
    /// Where it is declared.
    pub source: Option<SourceLocation>,
}

/// A group of an inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Arc<str>,
    /// The nodes in it, those of its children included, in the order of the inventory.
    pub members: Vec<Arc<str>>,
    /// The groups directly in it.
    pub children: Vec<Arc<str>>,
    /// Labels that it gives to its members.
    pub tags: Vec<Arc<str>>,
}

/// The machines a project knows, whatever file names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The machines, in the order of their declaration; no name is there twice.
    targets: Vec<Target>,
    /// Where each machine stands.
    places: HashMap<Arc<str>, usize>,
    /// The groups, by name.
    groups: Vec<Group>,
}

impl Inventory {
    /// Makes an inventory of machines and groups: the machines keep their order, the groups are put in that of their names. The first of a
    /// name counts.
    pub fn new(mut targets: Vec<Target>, mut groups: Vec<Group>) -> Self {
        let mut names = HashSet::with_capacity(targets.len());
        targets.retain(|target| names.insert(target.name.clone()));
        let places = targets.iter().enumerate().map(|(at, target)| (target.name.clone(), at)).collect();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        groups.dedup_by(|later, first| later.name == first.name);
        Self { targets, places, groups }
    }

    /// The machines, in the order of their declaration; no name is there twice.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The groups, by name.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Returns the machine of this name.
    pub fn target(&self, name: &str) -> Option<&Target> {
        self.places.get(name).and_then(|at| self.targets.get(*at))
    }

    /// Returns the group of this name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.binary_search_by(|group| (*group.name).cmp(name)).ok().map(|at| &self.groups[at])
    }
}

impl Target {
    /// A node that ssh reaches by its name alone.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// What ssh is given.
    pub fn address(&self) -> &str {
        self.address.as_deref().unwrap_or(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_keep_their_order_and_are_found_by_name() {
        let known = Target { port: Some(22), ..Target::named("b") };
        let group = |name: &str| Group { name: name.into(), ..Group::default() };
        let targets = vec![known, Target::named("a"), Target::named("b"), Target::named("c")];
        let inventory = Inventory::new(targets, vec![group("z"), group("a")]);
        let names = inventory.targets().iter().map(|target| &*target.name).collect::<Vec<_>>();
        assert_eq!(names, ["b", "a", "c"]);
        for target in inventory.targets() {
            assert_eq!(inventory.target(&target.name), Some(target));
        }
        assert_eq!(inventory.target("b").and_then(|target| target.port), Some(22), "the first of a name counts");
        assert_eq!((inventory.target("d"), inventory.group("b")), (None, None));
        assert!(inventory.group("a").is_some() && inventory.group("z").is_some());
    }
}
