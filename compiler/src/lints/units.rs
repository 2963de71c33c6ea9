//! Services whose unit most likely is not there.
//!
//! Units come with packages, and what a package brings is not known here. So this speaks only where the catalog itself tells:
//! it removes the package of that name, or it brings a unit whose name is one slip away and that no service is for.

use std::collections::{HashMap, HashSet};

use stead_catalog::{Place, PlaceKind, closest};

use crate::assemble::{Finished, Found};
use crate::issue::Issue;

/// Where units are that are written as files.
const FOLDERS: [&str; 3] = ["/etc/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/"];

/// Names that are shorter are too much alike to tell a slip from another name.
const SHORTEST: usize = 4;

/// Tells of them.
pub(crate) fn check(found: &Found, issues: &mut Vec<Issue>) {
    let mut packages: HashMap<&str, &Finished> = HashMap::new();
    // Units that something else than a service brings, and those that services are for.
    let mut brought: HashSet<&str> = HashSet::new();
    let mut asked: HashSet<&str> = HashSet::new();
    for one in &found.resources {
        let footprint = &one.footprint;
        let is_user = needs_unit(one).is_some();
        asked.extend(needs_unit(one));
        for place in footprint.owns.iter().chain(&footprint.brings) {
            match place.kind {
                PlaceKind::Package => {
                    packages.insert(&place.name, one);
                }
                PlaceKind::Unit if !is_user && !footprint.removes => {
                    brought.insert(&place.name);
                }
                PlaceKind::Path if !footprint.removes => {
                    let name = FOLDERS.iter().find_map(|folder| place.name.strip_prefix(folder));
                    brought.extend(name.filter(|name| !name.contains('/')));
                }
                _ => {}
            }
        }
    }
    let mut spare: Vec<(&str, &str)> =
        brought.iter().filter(|unit| !asked.contains(*unit)).filter_map(|unit| unit.rsplit_once('.')).collect();
    spare.sort_unstable();
    for one in found.resources.iter().filter(|one| !one.footprint.removes) {
        let Some(unit) = needs_unit(one).filter(|unit| !brought.contains(unit)) else { continue };
        // `app@1.service` comes with `app@.service`.
        let template = unit.split_once('@').zip(unit.rsplit_once('.'));
        let template = template.map(|((name, _), (_, suffix))| format!("{name}@.{suffix}"));
        if template.is_some_and(|template| brought.contains(&*template)) {
            continue;
        }
        let of_package = |place: &&Place| place.kind == PlaceKind::Package;
        let package = one.footprint.needs.iter().find(of_package).and_then(|place| packages.get(&*place.name));
        if let Some(package) = package {
            if package.footprint.removes {
                let message = format!("nothing brings the unit `{unit}`: the package of that name is removed");
                let issue = Issue::warning("unbrought-unit", one.at, message).label(package.at, "removed here");
                issues.push(issue.hint("remove one of the two, or let the service be stopped"));
            }
            continue;
        }
        let Some((stem, suffix)) = unit.rsplit_once('.').filter(|(stem, _)| stem.len() >= SHORTEST) else { continue };
        let alike = spare.iter().filter(|(_, other)| *other == suffix).map(|(stem, _)| *stem);
        if let Some(best) = closest(stem, alike) {
            let message = format!("nothing here brings the unit `{unit}`");
            issues.push(Issue::warning("unbrought-unit", one.at, message).hint(format!("did you mean `{best}.{suffix}`?")));
        }
    }
}

/// The unit that a resource is for: what it owns and needs at once.
fn needs_unit(one: &Finished) -> Option<&str> {
    let needed = one.footprint.needs.iter().filter(|place| place.kind == PlaceKind::Unit);
    needed.filter(|place| one.footprint.owns.contains(place)).map(|place| &*place.name).next()
}
