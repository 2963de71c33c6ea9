//! How wishes are put to apt: which go into one call, in which version, and by which words.

use std::sync::Arc;

use super::{Apt, THINKING, View, is_install, simulation};
use crate::system::dpkg::{compare_versions, matches_version};
use crate::{ObserveError, PackageWish, WishedState};

/// A wish with the version that its pattern stands for.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) wish: PackageWish,
    pub(super) version: Option<Arc<str>>,
}

/// A wish that cannot be met, by package name, and why.
pub(super) type Unmet = (Arc<str>, Arc<str>);

impl Apt {
    /// Splits wishes into those that can go into one call: recommends and purge are options of a whole call.
    pub(super) fn groups(&self, wishes: &[PackageWish]) -> Vec<Vec<PackageWish>> {
        let mut groups: Vec<Vec<PackageWish>> = Vec::new();
        for wish in wishes {
            let goes_with = |other: &PackageWish| {
                let install_alike = !is_install(&wish.state) || !is_install(&other.state) || wish.recommends == other.recommends;
                install_alike && !mixes(wish, other)
            };
            match groups.iter_mut().find(|group| group.iter().all(goes_with)) {
                Some(group) => group.push(wish.clone()),
                None => groups.push(vec![wish.clone()]),
            }
        }
        groups
    }

    /// The part of the command line that a simulation and the real call share.
    pub(super) fn words(&self, group: &[Order]) -> Result<Vec<String>, ObserveError> {
        let database = self.dpkg.database()?;
        let mut words = vec!["-y".to_owned()];
        if group.iter().any(|order| order.wish.state == WishedState::Purged) {
            words.push("--purge".into());
        }
        if let Some(recommends) = group.iter().find_map(|order| order.wish.recommends.filter(|_| is_install(&order.wish.state))) {
            words.extend(["-o".into(), format!("APT::Install-Recommends={recommends}")]);
        }
        // Whoever wishes something of a file or a release has compared its version with the one that is there.
        let may_go_down =
            |wish: &PackageWish| matches!(wish.state, WishedState::Version(_) | WishedState::File(_)) || wish.release.is_some();
        if group.iter().any(|order| may_go_down(&order.wish)) {
            words.push("--allow-downgrades".into());
        }
        if group.iter().any(|order| database.state(&order.wish.name).held) {
            words.push("--allow-change-held-packages".into());
        }
        words.extend(["install".into(), "--".into()]);
        words.extend(group.iter().map(|Order { wish, version }| match (&wish.state, version) {
            (WishedState::Removed | WishedState::Purged, _) => format!("{}-", wish.name),
            (WishedState::File(path), _) => path.to_string(),
            (_, Some(version)) => format!("{}={version}", wish.name),
            (_, None) => match &wish.release {
                Some(release) => format!("{}/{release}", wish.name),
                None => wish.name.to_string(),
            },
        }));
        Ok(words)
    }

    /// Finds the newest version on offer for every pattern. Where a release is given apt chooses itself.
    pub(super) fn with_versions(
        &self,
        wishes: Vec<PackageWish>,
        view: Option<&View>,
    ) -> Result<(Vec<Order>, Vec<Unmet>), ObserveError> {
        let pattern_of = |wish: &'_ PackageWish| match &wish.state {
            WishedState::Version(pattern) if wish.release.is_none() => Some(pattern.clone()),
            _ => None,
        };
        let asked: Vec<&str> = wishes.iter().filter(|wish| pattern_of(wish).is_some()).map(|wish| &*wish.name).collect();
        if asked.is_empty() {
            return Ok((wishes.into_iter().map(|wish| Order { wish, version: None }).collect(), Vec::new()));
        }
        let mut argv = vec!["apt-cache", "madison", "--"];
        argv.extend(asked);
        let output = self.ask_with(&argv, view, None, THINKING)?;
        let offers = simulation::offers(&String::from_utf8_lossy(&output.stdout));
        let (mut found, mut unmet) = (Vec::new(), Vec::new());
        for wish in wishes {
            let Some(pattern) = pattern_of(&wish) else {
                found.push(Order { wish, version: None });
                continue;
            };
            let bare = wish.name.split(':').next().unwrap_or(&wish.name);
            let mut versions: Vec<&Arc<str>> = offers.iter().filter(|(name, _)| &**name == bare).map(|(_, v)| v).collect();
            versions.sort_by(|a, b| compare_versions(b, a));
            versions.dedup();
            match versions.iter().find(|version| matches_version(&pattern, version)) {
                Some(version) => {
                    let version = Some((*version).clone());
                    found.push(Order { wish, version });
                }
                None if versions.is_empty() => unmet.push((wish.name.clone(), "there is no package of this name".into())),
                None => {
                    let known: Vec<&str> = versions.iter().take(5).map(|version| &***version).collect();
                    let reason = format!("no version matches `{pattern}`; on offer: {}", known.join(", "));
                    unmet.push((wish.name.clone(), reason.into()));
                }
            }
        }
        Ok((found, unmet))
    }
}

/// A removal that keeps configuration files and one that does not cannot share a call.
fn mixes(a: &PackageWish, b: &PackageWish) -> bool {
    matches!((&a.state, &b.state), (WishedState::Removed, WishedState::Purged) | (WishedState::Purged, WishedState::Removed))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::system::Dpkg;

    #[test]
    fn one_call_has_one_way_to_remove_and_to_recommend() {
        let wish = |name: &str, state, recommends| PackageWish {
            name: name.into(),
            state,
            release: None,
            recommends,
            max_index_age: None,
        };
        let apt = Apt::new(Path::new("/nonexistent"), Arc::new(Dpkg::new(Path::new("/nonexistent"))));
        let groups = apt.groups(&[
            wish("a", WishedState::Installed, None),
            wish("b", WishedState::Latest, Some(false)),
            wish("c", WishedState::Removed, None),
            wish("d", WishedState::Purged, None),
            wish("e", WishedState::Installed, None),
        ]);
        let names: Vec<String> =
            groups.iter().map(|group| group.iter().map(|wish| &*wish.name).collect::<Vec<_>>().concat()).collect();
        assert_eq!(names, ["ace", "bd"]);
    }
}
