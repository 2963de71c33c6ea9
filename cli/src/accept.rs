//! `--accept FILE`: which changes of a plan may be applied, one by one.
//!
//! ```text
//! # a comment
//! plan 5c1f…            (optional: the hash of the plan it was made for)
//! web-[01-12],db-1 file["/etc/chrony.conf"]
//! * service["chrony"]
//! ```
//!
//! Each line names nodes, as overviews do, and a resource. What is not named is left as it is. An accepted change whose requisite would
//! change as well and is not accepted is refused: it would be applied on something else than what the plan showed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use stead_catalog::{Action, Catalog, EdgeKind, Plan, ResourceId};
use stead_engine::Graph;
use stead_report::matches_node;

/// Why an acceptance cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcceptError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A line that is none of an acceptance.
    #[error("{}:{line}: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// It was made for another plan.
    #[error("{} was made for another plan", path.display())]
    OtherPlan {
        /// The file.
        path: PathBuf,
    },
    /// A resource that the catalog does not have.
    #[error("{}:{line}: the catalog of {node} has no {id}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The node.
        node: String,
        /// The resource.
        id: String,
    },
    /// A requisite that changes is not accepted.
    #[error("on {node}, {accepted} is accepted and needs {needed}, which would change and is not")]
    NotClosed {
        /// The node.
        node: String,
        /// What is accepted.
        accepted: String,
        /// What it needs.
        needed: String,
    },
}

impl AcceptError {
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "unreadable-file",
            Self::Malformed { .. } => "acceptance-malformed",
            Self::OtherPlan { .. } => "acceptance-stale",
            Self::Unknown { .. } => "unknown-resource",
            Self::NotClosed { .. } => "acceptance-not-closed",
        }
    }

    /// The way out.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { .. } => return None,
            Self::Malformed { .. } => r#"a line is `NODES RESOURCE`, such as: web-[01-12] file["/etc/motd"]"#.into(),
            Self::OtherPlan { .. } => {
                "look at the plan as it is now, and accept again; without its `plan` line the file is for any plan".into()
            }
            Self::Unknown { .. } => "`stead catalog` lists all resources".into(),
            Self::NotClosed { needed, .. } => format!("accept {needed} as well, or neither"),
        })
    }
}

/// What may be applied.
#[derive(Clone, Debug)]
pub(crate) struct Acceptance {
    path: PathBuf,
    plan: Option<String>,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    number: usize,
    nodes: Vec<String>,
    id: ResourceId,
}

impl Acceptance {
    /// Reads a file.
    ///
    /// # Errors
    /// [`AcceptError::Unreadable`] and [`AcceptError::Malformed`].
    pub(crate) fn read(path: &Path) -> Result<Self, AcceptError> {
        let text = std::fs::read_to_string(path).map_err(|source| AcceptError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, AcceptError> {
        let mut acceptance = Self { path: path.to_owned(), plan: None, lines: Vec::new() };
        for (number, line) in (1..).zip(text.lines()) {
            let malformed = |what: &str| AcceptError::Malformed { path: path.to_owned(), line: number, what: what.to_owned() };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (first, rest) =
                line.split_once(char::is_whitespace).ok_or_else(|| malformed("nodes and a resource are expected"))?;
            let rest = rest.trim();
            if first == "plan" && !rest.contains('[') {
                let is_hash = rest.len() == 64 && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
                if !is_hash {
                    return Err(malformed("the hash of a plan has 64 hexadecimal digits"));
                }
                acceptance.plan = Some(rest.to_lowercase());
                continue;
            }
            let id =
                ResourceId::parse(rest).ok_or_else(|| malformed("no resource of the form type[\"name\"] follows the nodes"))?;
            acceptance.lines.push(Line { number, nodes: patterns(first), id });
        }
        Ok(acceptance)
    }

    /// Says whether it may be used for the plan with this hash.
    ///
    /// # Errors
    /// [`AcceptError::OtherPlan`].
    pub(crate) fn check_plan(&self, hash: &[u8; 32]) -> Result<(), AcceptError> {
        let found = blake3::Hash::from_bytes(*hash).to_hex();
        match &self.plan {
            Some(wanted) if *wanted != *found => Err(AcceptError::OtherPlan { path: self.path.clone() }),
            _ => Ok(()),
        }
    }

    /// The positions in the catalog of what would change on a node and is not accepted.
    ///
    /// # Errors
    /// [`AcceptError::Unknown`] and [`AcceptError::NotClosed`].
    pub(crate) fn withheld(&self, catalog: &Catalog, plan: &Plan) -> Result<BTreeSet<usize>, AcceptError> {
        let node = &*catalog.node;
        let positions: std::collections::HashMap<&ResourceId, usize> =
            catalog.resources.iter().enumerate().map(|(at, resource)| (&resource.id, at)).collect();
        let mut accepted = BTreeSet::new();
        for line in self.lines.iter().filter(|line| line.nodes.iter().any(|pattern| matches_node(pattern, node))) {
            match positions.get(&line.id) {
                Some(at) => accepted.insert(*at),
                // For many nodes at once, not every one has everything.
                None if line.nodes.iter().any(|pattern| pattern.contains(['*', '['])) => continue,
                None => {
                    let (path, id) = (self.path.clone(), line.id.to_string());
                    return Err(AcceptError::Unknown { path, line: line.number, node: node.to_owned(), id });
                }
            };
        }
        let acts: BTreeSet<usize> = plan
            .resources
            .iter()
            .filter(|entry| entry.action != Action::None || entry.unknown.is_some())
            .filter_map(|entry| positions.get(&entry.id).copied())
            .collect();
        let graph = Graph::of(catalog);
        for at in accepted.intersection(&acts) {
            if let Some(needed) = unaccepted_need(&graph, *at, &accepted, &acts) {
                return Err(AcceptError::NotClosed {
                    node: node.to_owned(),
                    accepted: catalog.resources[*at].id.to_string(),
                    needed: catalog.resources[needed].id.to_string(),
                });
            }
        }
        Ok(acts.difference(&accepted).copied().collect())
    }
}

/// The nearest thing that `start` needs, that would change and is not accepted.
fn unaccepted_need(graph: &Graph, start: usize, accepted: &BTreeSet<usize>, acts: &BTreeSet<usize>) -> Option<usize> {
    let mut seen = BTreeSet::from([start]);
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        let mut before: Vec<usize> = graph
            .before(at)
            .filter(|(_, kind)| !matches!(kind, EdgeKind::OnFail | EdgeKind::Listen | EdgeKind::After))
            .map(|(from, _)| from)
            .collect();
        before.sort_unstable();
        for from in before {
            if acts.contains(&from) && !accepted.contains(&from) {
                return Some(from);
            }
            if seen.insert(from) {
                queue.push_back(from);
            }
        }
    }
    None
}

/// Cuts a list of patterns at commas outside of brackets.
fn patterns(text: &str) -> Vec<String> {
    let mut list = vec![String::new()];
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == ',' && depth == 0 {
            list.push(String::new());
        } else if let Some(last) = list.last_mut() {
            last.push(c);
        }
    }
    list.retain(|pattern| !pattern.is_empty());
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_catalog::{Attributes, Edge, Meta, PlannedResource, Resource, SourceLocation};

    /// `a <- b <- c`, `d` alone; all but `b` would change.
    fn sample() -> (Catalog, Plan) {
        let source = SourceLocation { file: "f".into(), start: 0, end: 0, line: 1, column: 1 };
        let resource = |name: &str| Resource {
            id: ResourceId::new("file", name),
            attributes: Attributes::new(),
            meta: Meta::default(),
            source: source.clone(),
            path: Vec::new(),
            origins: Vec::new(),
        };
        let edge = |from, to| Edge { from, to, kind: EdgeKind::Require, reason: "".into(), source: None };
        let resources: Vec<Resource> = ["a", "b", "c", "d"].map(resource).to_vec();
        let planned = |resource: &Resource| PlannedResource {
            id: resource.id.clone(),
            action: if &*resource.id.name == "b" { Action::None } else { Action::Create },
            because: Vec::new(),
            source: resource.source.clone(),
            changes: Vec::new(),
            unknown: None,
            held: None,
            error: None,
            digest: None,
            orphan: false,
        };
        let plan = Plan { node: "web-1".into(), catalog_hash: [0; 32], resources: resources.iter().map(planned).collect() };
        (Catalog { node: "web-1".into(), resources, edges: vec![edge(0, 1), edge(1, 2)] }, plan)
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let (catalog, plan) = sample();
        let found = Acceptance::parse(Path::new("accept"), text)
            .and_then(|acceptance| acceptance.check_plan(&[0; 32]).map(|()| acceptance))
            .and_then(|acceptance| acceptance.withheld(&catalog, &plan));
        let found = match found {
            Ok(withheld) => withheld.into_iter().map(|at| catalog.resources[at].id.name.to_string()).collect::<Vec<_>>().join(""),
            Err(error) => format!("{}: {error}", error.code()),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn what_is_not_accepted_is_withheld() {
        check("# nothing\n", "acd");
        check("web-1 file[\"d\"]\n", "ac");
        check("db-1,web-[1-3] file[\"d\"]\n* file[\"a\"]\n", "c");
        check("web-2 file[\"d\"]\n", "acd");
        check("* file[\"a\"]\n* file[\"c\"]\n* file[\"d\"]\n", "");
    }

    #[test]
    fn an_acceptance_is_closed_under_requisites() {
        let message =
            "acceptance-not-closed: on web-1, file[\"c\"] is accepted and needs file[\"a\"], which would change and is not";
        check("* file[\"c\"]\n", message);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        check("\nweb-1\n", "acceptance-malformed: accept:2: nodes and a resource are expected");
        check("web-1 nginx\n", "acceptance-malformed: accept:1: no resource of the form type[\"name\"] follows the nodes");
        check("plan 12\n", "acceptance-malformed: accept:1: the hash of a plan has 64 hexadecimal digits");
        check(&format!("plan {}\n", "1".repeat(64)), "acceptance-stale: accept was made for another plan");
        check(&format!("plan {}\n", "0".repeat(64)), "acd");
        check("web-1 file[\"x\"]\n", "unknown-resource: accept:1: the catalog of web-1 has no file[\"x\"]");
    }
}
