//! How a rollout goes through its hosts: the command line, else stead.toml.

use stead_catalog::{Inventory, Target, closest};
use stead_compiler::config::{RolloutConfig, Share};

use crate::args::RolloutArguments;

/// In which order and how many at a time.
pub(super) struct RolloutPlan {
    pub(super) config: RolloutConfig,
    /// Somebody is asked between two batches.
    pub(super) confirm: bool,
}

impl RolloutPlan {
    pub(super) fn of(given: &RolloutArguments, config: &RolloutConfig) -> Self {
        let mut config = config.clone();
        config.batch = given.batch.or(config.batch);
        config.canary = given.canary.or(config.canary);
        config.max_failures = given.max_failures.or(config.max_failures);
        config.pause_ns = given.pause.or(config.pause_ns);
        if !given.order.is_empty() {
            config.order = given.order.iter().map(|group| group.as_str().into()).collect();
        }
        Self { config, confirm: given.confirm_batches }
    }

    /// Hosts of the groups that are named come in their order, the rest after them; within a group they stay as they are.
    pub(super) fn sort(&self, targets: &mut [Target]) {
        let rank = |target: &Target| {
            let first = self.config.order.iter().position(|group| target.groups.contains(group));
            first.unwrap_or(self.config.order.len())
        };
        targets.sort_by_key(rank);
    }

    /// What is to be said of groups in the order that the inventory does not have.
    pub(super) fn mistaken(&self, inventory: &Inventory) -> Vec<String> {
        let known = || inventory.groups().iter().map(|group| &*group.name);
        let unknown = self.config.order.iter().filter(|group| inventory.group(group).is_none());
        unknown
            .map(|group| {
                let meant = closest(group, known()).map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"));
                format!("the order names the group `{group}`, which the inventory does not have{meant}")
            })
            .collect()
    }

    /// How many of so many hosts go first.
    pub(super) fn canaries(&self, hosts: usize) -> usize {
        self.config.canary.map_or(0, |share| share.of(hosts))
    }

    /// How many of so many hosts may fail; any number when `None`.
    pub(super) fn most_failures(&self, hosts: usize) -> Option<usize> {
        self.config.max_failures.map(|share| share.of(hosts))
    }

    /// Cuts hosts into the canary and batches.
    pub(super) fn batches<T>(&self, hosts: Vec<T>) -> Vec<Vec<T>> {
        let all = hosts.len();
        let canary = self.canaries(all);
        let size = self.config.batch.map_or(all, |share| share.of(all)).max(1);
        let mut batches = Vec::new();
        let mut hosts = hosts.into_iter();
        let first: Vec<T> = hosts.by_ref().take(canary).collect();
        if !first.is_empty() {
            batches.push(first);
        }
        loop {
            let batch: Vec<T> = hosts.by_ref().take(size).collect();
            if batch.is_empty() {
                return batches;
            }
            batches.push(batch);
        }
    }

    pub(super) fn has_canary(&self) -> bool {
        self.config.canary.is_some_and(|canary| canary != Share::Count(0))
    }
}

#[cfg(test)]
mod tests {
    use stead_catalog::Group;

    use super::*;

    fn plan(batch: Option<&str>, canary: Option<&str>, order: &[&str]) -> RolloutPlan {
        let share = |text: Option<&str>| text.and_then(Share::parse);
        let order = order.iter().map(|group| (*group).into()).collect();
        let config = RolloutConfig { batch: share(batch), canary: share(canary), order, ..RolloutConfig::default() };
        RolloutPlan { config, confirm: false }
    }

    #[test]
    fn hosts_are_cut_into_batches() {
        let sizes = |batch, canary, hosts: usize| -> Vec<usize> {
            plan(batch, canary, &[]).batches((0..hosts).collect()).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(None, None, 10), [10]);
        assert_eq!(sizes(Some("10%"), None, 15), [2, 2, 2, 2, 2, 2, 2, 1]);
        assert_eq!(sizes(Some("4"), Some("1"), 10), [1, 4, 4, 1]);
        assert_eq!(sizes(None, Some("2"), 10), [2, 8]);
        assert_eq!(sizes(Some("0%"), None, 3), [1, 1, 1]);
        assert_eq!(sizes(Some("3"), Some("5"), 0), [0; 0]);
    }

    #[test]
    fn groups_come_in_their_order() {
        let target = |name: &str, group: &str| Target { groups: vec![group.into()], ..Target::named(name) };
        let mut targets = vec![target("w1", "web"), target("x", "other"), target("d1", "db"), target("w2", "web")];
        plan(None, None, &["db", "web"]).sort(&mut targets);
        let names: Vec<&str> = targets.iter().map(|target| &*target.name).collect();
        assert_eq!(names, ["d1", "w1", "w2", "x"]);
    }

    #[test]
    fn a_group_that_is_not_there_is_told() {
        let group = |name: &str| Group { name: name.into(), ..Group::default() };
        let inventory = Inventory::new(Vec::new(), vec![group("db"), group("web")]);
        let said = plan(None, None, &["db", "wbe"]).mistaken(&inventory);
        assert_eq!(said, ["the order names the group `wbe`, which the inventory does not have (did you mean `web`?)"]);
    }
}
