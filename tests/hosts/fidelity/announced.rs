//! What a plan announces, as paths, and what changed on a host.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use stead_tests::host::Host;
use stead_tests::output::Planned;
use stead_tests::snapshot::Snapshot;

/// Files that hold accounts: whoever announces a user or a group announces them, with the copies that the tools keep.
const ACCOUNTS: [&str; 12] = [
    "/etc/passwd",
    "/etc/passwd-",
    "/etc/group",
    "/etc/group-",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/subuid",
    "/etc/subuid-",
    "/etc/subgid",
    "/etc/subgid-",
];

/// Databases of packages and of what is on offer.
const PACKAGES: [&str; 2] = ["/var/lib/dpkg", "/var/lib/apt"];

/// Paths that a plan announces.
#[derive(Default)]
pub(crate) struct Announced {
    paths: BTreeSet<String>,
    /// Everything below as well.
    trees: BTreeSet<String>,
}

/// By package: the paths that dpkg says it has.
pub(crate) fn owned_by_packages(host: &Host) -> BTreeMap<String, Vec<String>> {
    let names = host.must("dpkg-query -W -f '${Package}\\n'");
    let mut owned = BTreeMap::new();
    for name in names.lines().filter(|name| name.starts_with("demo-")) {
        owned.insert(name.to_owned(), lines(&host.must(&format!("dpkg -L {name}"))));
    }
    owned
}

/// Paths as they are on a host whose `/lib` is a symlink.
fn lines(text: &str) -> Vec<String> {
    let real = |line: &str| if line.starts_with("/lib/") { format!("/usr{line}") } else { line.to_owned() };
    text.lines().map(real).collect()
}

impl Announced {
    /// `touches`: resources that are not named by a path, with the files they are about; one that ends in `/` stands for all below it as well.
    pub(crate) fn of(
        plan: &[Planned],
        touches: &[(String, Vec<String>)],
        host: &Host,
        before: &BTreeMap<String, Vec<String>>,
    ) -> Self {
        let mut announced = Self::default();
        let after = owned_by_packages(host);
        for resource in plan.iter().filter(|resource| resource.action != "none") {
            announced.resource(resource, before, &after);
        }
        for (id, paths) in touches {
            if plan.iter().any(|resource| resource.id == *id && resource.action != "none") {
                for path in paths {
                    match path.strip_suffix('/') {
                        Some(tree) => announced.trees.insert(tree.to_owned()),
                        None => announced.paths.insert(path.clone()),
                    };
                }
            }
        }
        announced
    }

    fn resource(&mut self, resource: &Planned, before: &BTreeMap<String, Vec<String>>, after: &BTreeMap<String, Vec<String>>) {
        let Some((kind, name)) = resource.id.split_once("[\"").map(|(kind, rest)| (kind, rest.trim_end_matches("\"]"))) else {
            return;
        };
        match kind {
            "file" | "symlink" | "directory" => {
                self.paths.insert(name.to_owned());
                if kind == "directory" && resource.action == "delete" {
                    self.trees.insert(name.to_owned());
                }
                // A purge names what it removes.
                for path in resource.changes.iter().flat_map(|change| strings(&change["before"])) {
                    self.trees.insert(if path.starts_with('/') { path } else { format!("{name}/{path}") });
                }
            }
            "package" => {
                self.trees.extend(PACKAGES.map(str::to_owned));
                let mut packages = vec![name.to_owned()];
                for change in &resource.changes {
                    let values = strings(&change["after"]).into_iter().chain(strings(&change["before"]));
                    match change["attribute"].as_str().unwrap_or_default() {
                        "installs" | "upgrades" | "removes" => {
                            packages.extend(values.filter_map(|value| value.split(' ').next().map(str::to_owned)));
                        }
                        "users" | "groups" => self.paths.extend(ACCOUNTS.map(str::to_owned)),
                        "enables" | "disables" => self.units(values),
                        "makes" => self.paths.extend(values),
                        "takes" => self.trees.extend(values),
                        _ => {}
                    }
                }
                for package in packages {
                    for owned in [before, after] {
                        self.paths.extend(owned.get(&package).into_iter().flatten().cloned());
                    }
                }
            }
            "user" | "group" => {
                self.paths.extend(ACCOUNTS.map(str::to_owned));
                for change in resource.changes.iter().filter(|change| change["attribute"] == "home") {
                    // The home comes with its skeleton.
                    self.paths.extend(
                        strings(&change["after"])
                            .into_iter()
                            .flat_map(|home| ["", "/.bashrc", "/.profile", "/.bash_logout"].map(|name| format!("{home}{name}"))),
                    );
                }
            }
            "service" => self.units(std::iter::once(format!("{name}.service"))),
            _ => {}
        }
    }

    /// The links that say what is started with what.
    fn units(&mut self, units: impl Iterator<Item = String>) {
        for unit in units {
            self.paths.insert(format!("/etc/systemd/system/multi-user.target.wants/{unit}"));
        }
    }

    pub(crate) fn covers(&self, path: &str) -> bool {
        self.paths.contains(path)
            || self
                .trees
                .iter()
                .any(|tree| path == tree || path.strip_prefix(tree.as_str()).is_some_and(|rest| rest.starts_with('/')))
    }
}

/// The text or texts of a value.
fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// Every path that changed, with what became of it.
pub(crate) fn changed(before: &Snapshot, after: &Snapshot) -> Vec<(String, String)> {
    let path = |line: &String| {
        let rest = &line[2..];
        if line.starts_with('~') { rest.split(": ").next().unwrap_or(rest).to_owned() } else { rest.to_owned() }
    };
    before.changes(after).into_iter().map(|line| (path(&line), line)).collect()
}
