//! Which node blocks apply to a node.

use std::sync::Arc;

use stead_grammar::ast::{Item, NodePattern, NodeSelector};

use crate::project::Project;

/// The node a catalog is made for.
#[derive(Clone, Debug, Default)]
pub struct NodeContext {
    /// Its name: what globs and regular expressions of node blocks look at.
    pub name: Arc<str>,
    /// What it tells about itself, by the names of the facts; a map.
    pub facts: stead_catalog::Map,
    /// Labels from the inventory.
    pub tags: Vec<Arc<str>>,
    /// Groups from the inventory; the data hierarchy may use them.
    pub groups: Vec<Arc<str>>,
}

/// The node patterns that are plain names, sorted.
pub(crate) fn plain_names(project: &Project) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    for item in project.program.files.iter().flat_map(|file| &file.tree.items) {
        let Item::Node(node) = item else { continue };
        let NodeSelector::Names(patterns) = &node.selector else { continue };
        for pattern in patterns {
            if let NodePattern::Glob(glob, _) = pattern
                && !glob.contains(['*', '?', '[', '{'])
            {
                names.push(glob.clone());
            }
        }
    }
    names.sort();
    names.dedup();
    names
}
