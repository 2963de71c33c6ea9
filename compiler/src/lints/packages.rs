//! Packages that nothing offers to the node.
//!
//! What a machine's package manager knows is for who compiles to say, and most say nothing. Even then this is silent where the catalog itself
//! may bring more: a repository, a file among the package manager's own, a command before the package.

use stead_catalog::PlaceKind;

use crate::assemble::requisites::Explicit;
use crate::assemble::{Finished, Found};
use crate::issue::Issue;

/// What the package manager of a machine knows.
pub trait PackageLists: std::fmt::Debug + Send + Sync {
    /// Says whether a package of this name is there or is offered; `None` where that cannot be told.
    fn has(&self, name: &str) -> Option<bool>;
}

/// Where the settings of package managers are.
const SETTINGS: &str = "/etc/apt/";

/// Tells of them.
pub(crate) fn check(lists: Option<&dyn PackageLists>, found: &Found, explicit: &[Explicit], issues: &mut Vec<Issue>) {
    let Some(lists) = lists else { return };
    if found.resources.iter().any(may_offer_more) {
        return;
    }
    for (one, at) in found.resources.iter().zip(0..).filter(|(one, _)| !one.footprint.removes) {
        let Some(package) = package_of(one) else { continue };
        let name = package.split_once(':').map_or(package, |(name, _)| name);
        // A guarded one may never be asked for, and what comes before it may bring it.
        let is_before = |edge: &&Explicit| edge.to == at && !found.resources.get(edge.from as usize).is_some_and(is_package);
        let is_prepared = explicit.iter().any(|edge| is_before(&edge));
        if is_prepared || !one.meta.only_if.is_empty() || !one.meta.unless.is_empty() || lists.has(name) != Some(false) {
            continue;
        }
        let message = format!("no repository of this machine offers the package `{name}`");
        let hint = "correct the name, declare the `repository` that has it, or refresh the package index: `apt update`";
        issues.push(one.told(Issue::warning("unoffered-package", one.at, message)).hint(hint));
    }
}

/// The package that a resource is, where it is one that the package manager has to find: one that a file brings needs that file.
fn package_of(one: &Finished) -> Option<&str> {
    let needs = |kind| one.footprint.needs.iter().any(|place| place.kind == kind);
    let from_repository = needs(PlaceKind::Repository) && !needs(PlaceKind::Path);
    let own = one.footprint.owns.iter().find(|place| place.kind == PlaceKind::Package)?;
    from_repository.then_some(&*own.name)
}

fn is_package(one: &Finished) -> bool {
    package_of(one).is_some()
}

fn may_offer_more(one: &Finished) -> bool {
    let footprint = &one.footprint;
    // A file among those settings brings one as well.
    footprint.owns.iter().chain(&footprint.brings).any(|place| place.kind == PlaceKind::Repository)
        || footprint.brings_below.iter().any(|path| SETTINGS.starts_with(&**path) || path.starts_with(SETTINGS))
}
