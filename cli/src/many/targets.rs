//! Which hosts a command works on.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use stead_catalog::{Inventory, Map, Target, closest};
use stead_compiler::targets::{Selected, Targets};
use stead_engine::ssh::SshOptions;
use stead_report::matches_node;

use super::progress::Bars;
use super::telling::Telling;
use super::{HostFailure, pool, ssh_options};
use crate::args::{ManyArguments, NetworkArguments};
use crate::failure::Failure;
use crate::project::{self, Loaded};
use crate::terminal::Terminal;
use crate::{inventories, stored};

/// The hosts of a command, and how they are reached.
pub(crate) struct Resolved {
    /// Those that are meant.
    pub(crate) targets: Vec<Target>,
    /// Those of which that is not known: they did not tell the facts that decide.
    pub(crate) unknown: Vec<(Target, HostFailure)>,
    /// How they are reached.
    pub(crate) ssh: SshOptions,
}

/// Returns the hosts that `--on` means, each once: names and patterns of the inventory, groups, and whatever else a target may say. A project
/// without an inventory leaves names to ssh.
///
/// Where facts decide, those that lie in the project count, then those that a host has told within the last day; a host without either is asked.
///
/// # Errors
/// [`Failure::NoTargets`], [`Failure::NoSuchHost`] or [`Failure::Target`] when no host is meant, or the text is no target.
pub(crate) fn resolve(
    on: &str,
    loaded: Option<&Loaded>,
    state: &Path,
    arguments: &ManyArguments,
    terminal: &Terminal,
) -> Result<Resolved, Failure> {
    let mut told = BTreeMap::new();
    let Meant { mut targets, unknown } = select(on, loaded, state, &told)?;
    let ssh = ssh_options(&arguments.ssh, terminal)?;
    let with_options = |target| with_options(target, arguments);
    let mut failed = Vec::new();
    if !unknown.is_empty() {
        let bars = Bars::new(true);
        let mut failures = BTreeMap::new();
        let telling = Telling::new(loaded, state);
        let unknown = unknown.into_iter().map(with_options).collect();
        for (target, answer) in ask(unknown, &telling, &ssh, arguments.ssh.forks(), &bars) {
            match answer {
                Ok(facts) => {
                    let read = loaded.and_then(|loaded| inventories::completed(loaded, &target.name, &facts));
                    told.extend(read.map(|facts| (target.name.clone(), facts)));
                }
                Err(failure) => {
                    failures.insert(target.name.clone(), failure);
                }
            }
        }
        telling.show_problems(terminal);
        let again = select(on, loaded, state, &told)?;
        targets = again.targets;
        failed = again.unknown.into_iter().map(|target| why(with_options(target), &mut failures)).collect();
    }
    Ok(Resolved { targets: targets.into_iter().map(with_options).collect(), unknown: failed, ssh })
}

/// Hosts by their names, as they were written down before, and the names that the inventory does not have.
pub(super) fn named(
    names: &[String],
    loaded: Option<&Loaded>,
    arguments: &ManyArguments,
    terminal: &Terminal,
) -> Result<(Resolved, Vec<String>), Failure> {
    let nothing = Inventory::default();
    let (targets, gone) = by_name(names, loaded.map_or(&nothing, |loaded| loaded.project.inventory()));
    let targets = targets.into_iter().map(|target| with_options(target, arguments)).collect();
    Ok((Resolved { targets, unknown: Vec::new(), ssh: ssh_options(&arguments.ssh, terminal)? }, gone))
}

fn by_name(names: &[String], inventory: &Inventory) -> (Vec<Target>, Vec<String>) {
    let (mut targets, mut gone) = (Vec::new(), Vec::new());
    for name in names {
        match inventory.target(name) {
            Some(target) => targets.push(target.clone()),
            None if inventory.targets().is_empty() => targets.push(Target::named(name.as_str())),
            None => gone.push(name.clone()),
        }
    }
    (targets, gone)
}

fn with_options(mut target: Target, arguments: &ManyArguments) -> Target {
    if let Some(user) = &arguments.r#become {
        target.r#become = Some(user.as_str().into());
    }
    target
}

fn why(target: Target, failures: &mut BTreeMap<Arc<str>, HostFailure>) -> (Target, HostFailure) {
    let failure = failures.remove(&target.name).unwrap_or_else(|| {
        let message = "it does not tell the facts that decide whether it is meant";
        HostFailure::new("missing-fact", message, Some("choose by name, tag or group, or give the fact a default".into()))
    });
    (target, failure)
}

/// Asks hosts what they tell about themselves.
fn ask(
    targets: Vec<Target>,
    telling: &Telling,
    ssh: &SshOptions,
    forks: usize,
    bars: &Bars,
) -> Vec<(Target, Result<Map, HostFailure>)> {
    bars.begin(targets.len(), "asked for facts");
    let told = pool::each(targets, pool::width(forks), |_, target| {
        let bar = bars.host(&target.name);
        bar.doing("connecting");
        let facts = telling.reach(&target, ssh).map(|reached| reached.facts);
        bars.done(bar);
        (target, facts)
    });
    bars.finish();
    told
}

/// The hosts that a text means, as far as that is known.
struct Meant {
    targets: Vec<Target>,
    unknown: Vec<Target>,
}

fn select(on: &str, loaded: Option<&Loaded>, state: &Path, told: &BTreeMap<Arc<str>, Map>) -> Result<Meant, Failure> {
    let Some(loaded) = loaded.filter(|loaded| is_compound(on) && !loaded.project.inventory().targets().is_empty()) else {
        let nothing = Inventory::default();
        let inventory = loaded.map_or(&nothing, |loaded| loaded.project.inventory());
        return Ok(Meant { targets: words(on, inventory)?, unknown: Vec::new() });
    };
    let failed = |source| Failure::Target { text: on.to_owned(), source };
    let facts = |name: &str| told.get(name).cloned().or_else(|| inventories::known_facts(loaded, name, state));
    let targets = Targets::parse(on).map_err(failed)?;
    let Selected { targets, unknown } =
        targets.select(loaded.project.inventory(), loaded.project.facts_type(), &facts).map_err(failed)?;
    let own = |targets: Vec<&Target>| targets.into_iter().cloned().collect();
    Ok(Meant { targets: own(targets), unknown: own(unknown) })
}

/// The nodes with stored facts that a text means: nobody is asked. Those whose facts cannot be used stay, so that this is told.
pub(crate) fn retain_stored(on: &str, loaded: &Loaded, nodes: &mut Vec<crate::stored::StoredNode>) -> Result<(), Failure> {
    let failed = |source| Failure::Target { text: on.to_owned(), source };
    let inventory = loaded.project.inventory();
    let wanted: HashSet<Arc<str>> = match is_compound(on) && !inventory.targets().is_empty() {
        false => words(on, inventory)?.into_iter().map(|target| target.name).collect(),
        true => {
            let facts = |name: &str| inventories::stored_facts(loaded, name);
            let selected = Targets::parse(on).and_then(|targets| targets.select(inventory, loaded.project.facts_type(), &facts));
            let selected = selected.map_err(failed)?;
            selected.targets.iter().chain(&selected.unknown).map(|target| target.name.clone()).collect()
        }
    };
    nodes.retain(|node| wanted.contains(&node.name));
    if nodes.is_empty() { Err(Failure::NoneStored(on.to_owned())) } else { Ok(()) }
}

/// Names, patterns and groups, in their order.
fn words(on: &str, inventory: &Inventory) -> Result<Vec<Target>, Failure> {
    let mut targets: Vec<Target> = Vec::new();
    let mut known = HashSet::new();
    let mut add = |target: Target| {
        if known.insert(target.name.clone()) {
            targets.push(target);
        }
    };
    let mut words = on.split([',', ' ']).filter(|word| !word.is_empty()).peekable();
    if words.peek().is_none() {
        return Err(Failure::NoTargets(on.to_owned()));
    }
    for word in words {
        if inventory.targets().is_empty() {
            if asks_inventory(word) {
                return Err(Failure::NoInventory { on: on.to_owned(), word: word.to_owned() });
            }
            add(Target::named(word));
            continue;
        }
        let members = inventory.group(word).map(|group| group.members.as_slice()).unwrap_or_default();
        let is_meant = |target: &&Target| word == "all" || members.contains(&target.name) || matches_node(word, &target.name);
        let mut found = inventory.targets().iter().filter(is_meant).peekable();
        if found.peek().is_none() {
            let groups = inventory.groups().iter().map(|group| &*group.name);
            let known = inventory.targets().iter().map(|target| &*target.name).chain(groups);
            return Err(Failure::NoSuchHost { name: word.to_owned(), closest: closest(word, known).map(str::to_owned) });
        }
        found.cloned().for_each(&mut add);
    }
    Ok(targets)
}

/// Says whether a text is more than a list of names, patterns and groups.
fn is_compound(on: &str) -> bool {
    let words = || on.split([' ', '(', ')']);
    on.contains([':', '@', '/', '(']) || words().any(|word| ["and", "or", "not"].iter().any(|one| word.eq_ignore_ascii_case(one)))
}

/// Says whether a word can only be meant for an inventory: ssh knows names and addresses.
fn asks_inventory(word: &str) -> bool {
    let is_join = ["and", "or", "not", "all"].iter().any(|one| word.eq_ignore_ascii_case(one));
    let of_salt = word.split_once('@').is_some_and(|(kind, _)| kind.len() == 1 && "GPELSNIJR".contains(kind));
    is_join || of_salt || (word.contains([':', '/', '(', ')', '*', '?', '[', ']', '{', '}']) && word.parse::<IpAddr>().is_err())
}

/// The project at `path` that knows the hosts; none where there is no project. One with mistakes knows nobody: hosts would be looked for by
/// other names and users than it says. Secrets stay closed where they cannot be opened: nobody needs them to reach a host.
///
/// # Errors
/// When it cannot be loaded, or has mistakes.
pub(crate) fn project(path: &Path, terminal: &Terminal) -> Result<Option<Loaded>, Failure> {
    let is_none = path.as_os_str().is_empty() || (path == Path::new(".") && !path.join("stead.toml").is_file());
    if is_none {
        return Ok(None);
    }
    let loaded = project::load_with(path, NetworkArguments::default(), project::Secrets::WhereOpen)?;
    stored::stop_at_mistakes(&loaded, terminal)?;
    Ok(Some(loaded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_catalog::Group;

    fn names(on: &str, inventory: &Inventory) -> String {
        match words(on, inventory) {
            Ok(targets) => targets.iter().map(|target| &*target.name).collect::<Vec<_>>().join(" "),
            Err(failure) => failure.code().to_owned(),
        }
    }

    #[test]
    fn words_name_hosts_patterns_and_groups() {
        let inventory = Inventory::default();
        assert_eq!(names("b, a b", &inventory), "b a");
        assert_eq!(names(" ,", &inventory), "no-targets");
        assert_eq!(
            names("root@a,10.0.0.1 fe80::1", &inventory),
            "root@a 10.0.0.1 fe80::1",
            "what ssh knows without an inventory"
        );
        for word in ["web-1 and not db", "web-*", "all", "tag:canary", "net:10.0.0.0/8", "(a)", "/web/", "G@os:Debian", "[ab]"] {
            assert_eq!(names(word, &inventory), "no-inventory", "{word}");
        }
        let db = Group { name: "db".into(), members: vec!["db-1".into()], ..Group::default() };
        let inventory = Inventory::new(["web-1", "web-2", "db-1"].map(Target::named).to_vec(), vec![db]);
        assert_eq!(names("db,web-*", &inventory), "db-1 web-1 web-2");
        assert_eq!(names("all", &inventory), "web-1 web-2 db-1");
        assert_eq!(names("web-[2-9]", &inventory), "web-2");
        assert_eq!(names("web-1,nowhere", &inventory), "unknown-host");
    }

    #[test]
    fn hosts_that_are_gone_are_named() {
        let inventory = Inventory::default();
        let names = ["db-1".to_owned(), "web-1".to_owned()];
        let (targets, gone) = by_name(&names, &inventory);
        assert_eq!((targets.len(), gone.len()), (2, 0), "without an inventory ssh knows them");
        let inventory = Inventory::new(["web-1", "web-2"].map(Target::named).to_vec(), Vec::new());
        let (targets, gone) = by_name(&names, &inventory);
        assert_eq!((targets.len(), &*targets[0].name, gone), (1, "web-1", vec!["db-1".to_owned()]));
    }

    #[test]
    fn what_facts_decide_is_known_from_the_project_or_from_the_last_day() {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |path: &str, text: &str| {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        write("stead.toml", "");
        write(
            "site.stead",
            "inventory { host [\"web-1\", \"web-2\", \"db-1\", \"db-2\"] { tags = [\"all\"] } }\nfact rack: String = \"r0\"\n",
        );
        write("facts/web-1.json", r#"{"hostname": "web-1", "arch": "x86_64", "rack": "r7"}"#);
        let state = directory.path().join("state");
        let arm: Map = [("arch".into(), stead_catalog::Value::string("aarch64"))].into_iter().collect();
        for name in ["web-1", "web-2", "db-1"] {
            super::super::facts::keep(&state, name, &arm);
        }
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 24 * 3600);
        let kept = std::fs::File::options().write(true).open(super::super::facts::place(&state, "db-1")).expect("kept");
        kept.set_modified(old).expect("aged");
        let loaded = project::load(directory.path(), NetworkArguments::default()).expect("loaded");
        let show = |on: &str| match select(on, Some(&loaded), &state, &BTreeMap::new()) {
            Ok(Meant { targets, unknown }) => {
                let known = targets.iter().map(|target| target.name.to_string());
                known.chain(unknown.iter().map(|target| format!("{}?", target.name))).collect::<Vec<_>>().join(" ")
            }
            Err(failure) => failure.code().to_owned(),
        };
        assert_eq!(show("arch:aarch64"), "web-2 db-1? db-2?");
        assert_eq!(show("web-* and arch:x86_64 and not tag:all"), "no-target");
        assert_eq!(show("web-* and not arch:x86_64"), "web-2");
        assert_eq!(show("rack:r0"), "web-2 db-1? db-2?", "a default is what a host does not tell");
        assert_eq!(show("arch:aarch64 or tag:all"), "web-1 web-2 db-1 db-2", "nobody has to be asked");
        assert_eq!(show("rakc:r0"), "unknown-target");
    }
}
