//! Ansible's inventories in YAML, and what a program prints for `--list`.

use std::sync::Arc;

use stead_catalog::Value;
use stead_grammar::ast::Span;

use super::variables::Given;
use super::{Reach, Reader, Word};
use crate::data::{Kind, Node};

impl Reader<'_> {
    /// Groups with `hosts`, `children` and `vars`, one in the other.
    pub(super) fn yaml(&mut self, root: &Node) {
        for (name, at, node) in self.entries(root, "groups, such as `all:`") {
            if &**name != "plugin" {
                self.tree_group(name, at, node);
                continue;
            }
            let hint = "let a program print the hosts, and name that: an executable file that takes `--list`";
            self.error("invalid-value", at, "an inventory plugin is not run").hints.push(hint.into());
            return;
        }
    }

    fn tree_group(&mut self, name: &Arc<str>, at: Span, node: &Node) {
        if !self.fits(name, Word::Label, at) {
            return;
        }
        let is_listed = !matches!(&**name, "all" | "ungrouped");
        let mut group = self.group(name, at);
        for (key, key_at, value) in self.entries(node, "a group: `hosts:`, `children:`, `vars:`") {
            match &**key {
                "hosts" => {
                    // A list of names is a common slip, and clear.
                    if let Kind::List(items) = &value.kind {
                        for item in items.iter() {
                            if let Some(host) = Given::Node(item).text() {
                                let groups = is_listed.then(|| name.clone());
                                self.host(&host, item.span, &Reach::default(), &[], groups.as_slice());
                            }
                        }
                        continue;
                    }
                    for (host, host_at, variables) in self.entries(value, "hosts") {
                        let (reach, tags) = self.variables_of(variables);
                        let groups = is_listed.then(|| name.clone());
                        self.host(host, host_at, &reach, &tags, groups.as_slice());
                    }
                }
                "children" => {
                    for (child, child_at, node) in self.entries(value, "groups") {
                        if is_listed {
                            group.children.push((child.clone(), self.at(child_at)));
                        }
                        self.tree_group(child, child_at, node);
                    }
                }
                "vars" => (group.reach, group.tags) = self.variables_of(value),
                _ => {
                    let message = format!("found `{}`, expected `hosts`, `children` or `vars`", key.escape_debug());
                    self.error("unknown-field", key_at, message);
                }
            }
        }
        if &**name != "ungrouped" {
            self.declared.groups.push(group);
        }
    }

    pub(super) fn variables_of(&mut self, node: &Node) -> (Reach, Vec<Arc<str>>) {
        let (mut reach, mut tags) = (Reach::default(), Vec::new());
        for (name, key, value) in self.entries(node, "variables") {
            self.variable(name, &Given::Node(value), (key, value.span), &mut reach, &mut tags);
        }
        (reach, tags)
    }

    /// Groups side by side, each with lists of `hosts` and `children`; the variables of hosts below `_meta`.
    pub(super) fn list(&mut self, root: &Node) {
        let variables = root.lookup(["_meta", "hostvars"]);
        for (name, at, node) in self.entries(root, "groups, as `--list` prints them") {
            if &**name == "_meta" || !self.fits(name, Word::Label, at) {
                continue;
            }
            let is_listed = !matches!(&**name, "all" | "ungrouped");
            let mut group = self.group(name, at);
            let hosts = match &node.kind {
                Kind::List(_) => Some(node),
                _ => node.get("hosts").map(|entry| &entry.node),
            };
            for (host, host_at) in hosts.map(|hosts| self.texts(hosts, "a list of hosts")).unwrap_or_default() {
                let groups = is_listed.then(|| name.clone());
                self.host(&host, host_at, &Reach::default(), &[], groups.as_slice());
            }
            if let Some(children) = node.get("children") {
                let children = self.texts(&children.node, "a list of groups");
                for (child, child_at) in children.into_iter().filter(|_| is_listed) {
                    if self.fits(&child, Word::Label, child_at) {
                        group.children.push((child, self.at(child_at)));
                    }
                }
            }
            if let Some(vars) = node.get("vars") {
                (group.reach, group.tags) = self.variables_of(&vars.node);
            }
            if &**name != "ungrouped" {
                self.declared.groups.push(group);
            }
        }
        // Hosts may be in no group but have variables.
        if let Some(variables) = variables {
            for (host, at, variables) in self.entries(variables, "the variables of hosts") {
                let (reach, tags) = self.variables_of(variables);
                self.host(host, at, &reach, &tags, &[]);
            }
        }
    }

    fn texts(&mut self, node: &Node, expected: &str) -> Vec<(Arc<str>, Span)> {
        match &node.kind {
            Kind::List(items) => items.iter().filter_map(|item| Some((Given::Node(item).text()?.into(), item.span))).collect(),
            Kind::Scalar(Value::None) => Vec::new(),
            _ => {
                self.error("type-mismatch", node.span, format!("found {}, expected {expected}", node.to_value().kind()));
                Vec::new()
            }
        }
    }
}
