//! Which hosts a command works on.

use std::path::Path;

use stead_catalog::{Inventory, Target, Type};
use stead_compiler::targets::Targets;
use stead_report::matches_node;

use crate::args::{ManyArguments, NetworkArguments};
use crate::failure::Failure;
use crate::project;

/// Returns the hosts that `--on` names, each once: names and patterns of the inventory, and groups. A project without an
/// inventory leaves names to ssh.
///
/// # Errors
/// [`Failure::NoTargets`] when a word of it names none.
pub(crate) fn resolve(on: &str, inventory: &Inventory, arguments: &ManyArguments) -> Result<Vec<Target>, Failure> {
    if !inventory.targets.is_empty() && is_compound(on) {
        return compound(on, inventory).map(|targets| with_options(targets, arguments));
    }
    let mut targets: Vec<Target> = Vec::new();
    let mut add = |target: Target| {
        if !targets.iter().any(|known| known.name == target.name) {
            targets.push(target);
        }
    };
    let mut words = on.split([',', ' ']).filter(|word| !word.is_empty()).peekable();
    if words.peek().is_none() {
        return Err(Failure::NoTargets(on.to_owned()));
    }
    for word in words {
        if inventory.targets.is_empty() {
            add(Target::named(word));
            continue;
        }
        let members = inventory.group(word).map(|group| group.members.as_slice()).unwrap_or_default();
        let is_meant = |target: &&Target| word == "all" || members.contains(&target.name) || matches_node(word, &target.name);
        let mut found = inventory.targets.iter().filter(is_meant).peekable();
        if found.peek().is_none() {
            return Err(Failure::NoTargets(word.to_owned()));
        }
        found.cloned().for_each(&mut add);
    }
    Ok(with_options(targets, arguments))
}

/// Hosts by their names, as they were written down before, and the names that the inventory does not have.
pub(super) fn named(names: &[String], inventory: &Inventory, arguments: &ManyArguments) -> (Vec<Target>, Vec<String>) {
    let (mut targets, mut gone) = (Vec::new(), Vec::new());
    for name in names {
        match inventory.targets.iter().find(|target| *target.name == **name) {
            Some(target) => targets.push(target.clone()),
            None if inventory.targets.is_empty() => targets.push(Target::named(name.as_str())),
            None => gone.push(name.clone()),
        }
    }
    (with_options(targets, arguments), gone)
}

fn with_options(mut targets: Vec<Target>, arguments: &ManyArguments) -> Vec<Target> {
    for target in &mut targets {
        if let Some(user) = &arguments.r#become {
            target.r#become = Some(user.as_str().into());
        }
    }
    targets
}

/// Says whether a text is more than a list of names, patterns and groups.
fn is_compound(on: &str) -> bool {
    let words = || on.split([' ', '(', ')']);
    on.contains([':', '@', '/', '(']) || words().any(|word| ["and", "or", "not"].iter().any(|one| word.eq_ignore_ascii_case(one)))
}

/// The hosts that a target means. Facts are not known here: where they decide, that is an error, and not taken for a no.
fn compound(on: &str, inventory: &Inventory) -> Result<Vec<Target>, Failure> {
    let failed = |source| Failure::Target { text: on.to_owned(), source };
    let targets = Targets::parse(on).map_err(failed)?;
    let selected = targets.select(inventory, &Type::Any, &|_| None).map_err(failed)?;
    if let Some(first) = selected.unknown.first() {
        return Err(Failure::FactsDecide { on: on.to_owned(), host: first.name.to_string() });
    }
    Ok(selected.targets.into_iter().cloned().collect())
}

/// The inventory of the project at `path`; an empty one where there is no project.
pub(crate) fn inventory(path: &Path) -> Result<Inventory, Failure> {
    if path == Path::new(".") && !path.join("stead.toml").is_file() {
        return Ok(Inventory::default());
    }
    Ok(project::load(path, NetworkArguments::default())?.project.inventory().clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::SshArguments;
    use stead_catalog::Group;

    fn ssh() -> SshArguments {
        SshArguments {
            forks: 1,
            ask_become_pass: false,
            connect_timeout: 1,
            connect_retries: 0,
            host_timeout: 1,
            ssh_config: None,
            worker_binary: Vec::new(),
        }
    }

    fn names(on: &str, inventory: &Inventory) -> String {
        let arguments = ManyArguments { r#become: None, ssh: ssh() };
        match resolve(on, inventory, &arguments) {
            Ok(targets) => targets.iter().map(|target| &*target.name).collect::<Vec<_>>().join(" "),
            Err(failure) => failure.code().to_owned(),
        }
    }

    #[test]
    fn words_name_hosts_patterns_and_groups() {
        let mut inventory = Inventory::default();
        assert_eq!(names("b, a b", &inventory), "b a");
        assert_eq!(names(" ,", &inventory), "no-targets");
        inventory.targets = ["web-1", "web-2", "db-1"].map(Target::named).to_vec();
        inventory.groups = vec![Group { name: "db".into(), members: vec!["db-1".into()], ..Group::default() }];
        assert_eq!(names("db,web-*", &inventory), "db-1 web-1 web-2");
        assert_eq!(names("all", &inventory), "web-1 web-2 db-1");
        assert_eq!(names("web-[2-9]", &inventory), "web-2");
        assert_eq!(names("web-1,nowhere", &inventory), "no-targets");
    }

    #[test]
    fn hosts_that_are_gone_are_named() {
        let mut inventory = Inventory::default();
        let arguments = ManyArguments { r#become: Some("ann".into()), ssh: ssh() };
        let names = ["db-1".to_owned(), "web-1".to_owned()];
        let (targets, gone) = named(&names, &inventory, &arguments);
        assert_eq!((targets.len(), gone.len()), (2, 0), "without an inventory ssh knows them");
        inventory.targets = ["web-1", "web-2"].map(Target::named).to_vec();
        let (targets, gone) = named(&names, &inventory, &arguments);
        assert_eq!((targets.len(), &*targets[0].name, gone), (1, "web-1", vec!["db-1".to_owned()]));
        assert_eq!(targets[0].r#become.as_deref(), Some("ann"));
    }
}
