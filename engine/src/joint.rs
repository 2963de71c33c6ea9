//! One simulation for all package wishes of a catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::system::apt::SourcesAhead;
use crate::{Forecast, Known, Look, PackageChange, PackageState, PackageWish, WishedState, World};

/// Answers every package resource from one simulation of all wishes together, which is what will happen when they are
/// applied as one transaction. What the package manager adds or removes besides is told once: by the resource whose wish it follows from, where
/// the package manager says so, else by the first that changes.
pub(crate) struct JointForecast<'a> {
    base: &'a dyn World,
    wishes: Vec<PackageWish>,
    /// The catalog may change the sources: only in its place in the order a package knows what is on offer.
    deferred: bool,
    /// By the sources that the machine will have.
    forecasts: Mutex<BTreeMap<Option<[u8; 32]>, Look<Forecast>>>,
}

impl<'a> JointForecast<'a> {
    /// Prepares the simulation of `wishes`, in the order of the catalog. It runs when it is first asked for.
    pub(crate) fn new(base: &'a dyn World, wishes: Vec<PackageWish>) -> Self {
        Self { base, wishes, deferred: false, forecasts: Mutex::default() }
    }

    /// The same, for a catalog that has a hand in the sources of packages.
    pub(crate) fn deferred(mut self, deferred: bool) -> Self {
        self.deferred = deferred;
        self
    }

    /// Says whether nothing can be said before what comes first is planned.
    pub(crate) fn is_deferred(&self) -> bool {
        self.deferred
    }

    /// Answers for one resource's wishes, on a machine with these sources.
    ///
    /// # Errors
    /// As [`World::forecast`].
    pub(crate) fn forecast(&self, wishes: &[PackageWish], ahead: Option<&SourcesAhead>) -> Look<Forecast> {
        if !wishes.iter().all(|wish| self.wishes.contains(wish)) {
            return self.ask(wishes, ahead);
        }
        let key = ahead.map(SourcesAhead::digest);
        // Held while it is made: everybody who asks wants this one answer.
        let mut forecasts = self.forecasts.lock().unwrap_or_else(PoisonError::into_inner);
        let joint = match forecasts.entry(key).or_insert_with(|| self.simulate(ahead)).clone()? {
            Known::Is(joint) => joint,
            unknown @ Known::Unknown(_) => return Ok(unknown),
        };
        drop(forecasts);
        let named = |name: &str| wishes.iter().any(|wish| bare(&wish.name) == bare(name));
        let wished: BTreeSet<&str> = self.wishes.iter().map(|wish| bare(&wish.name)).collect();
        let first = self.wishes.iter().find(|wish| joint.changes.iter().any(|change| bare(&change.name) == bare(&wish.name)));
        let tells_the_rest = first.is_some_and(|first| named(&first.name));
        let changes = joint.changes.into_iter().filter(|change| match &change.wish {
            Some(wish) => named(wish),
            None => named(&change.name) || (tells_the_rest && !wished.contains(bare(&change.name))),
        });
        let told_by_first = |mut change: PackageChange| {
            if change.wish.is_none() && !named(&change.name) {
                change.wish = first.map(|first| first.name.clone());
            }
            change
        };
        Ok(Known::Is(Forecast {
            changes: changes.map(told_by_first).collect(),
            unmet: joint.unmet.into_iter().filter(|(name, _)| named(name)).collect(),
            refresh: joint.refresh,
            unseen: joint.unseen,
        }))
    }

    /// Everything the simulations announced, by whichever wish; `None` when none was asked for or could know.
    pub(crate) fn announced(&self) -> Option<Forecast> {
        let forecasts = self.forecasts.lock().unwrap_or_else(PoisonError::into_inner);
        // With other sources comes the one that counts: packages are installed after those are written.
        let known = |forecast: &Look<Forecast>| forecast.as_ref().ok().and_then(|seen| seen.value().cloned());
        forecasts.values().rev().find_map(known)
    }

    fn ask(&self, wishes: &[PackageWish], ahead: Option<&SourcesAhead>) -> Look<Forecast> {
        match ahead {
            Some(ahead) => self.base.forecast_with(wishes, ahead),
            None => self.base.forecast(wishes),
        }
    }

    fn simulate(&self, ahead: Option<&SourcesAhead>) -> Look<Forecast> {
        let open: Vec<PackageWish> = self
            .wishes
            .iter()
            .filter(|wish| match self.base.package(&wish.name) {
                Ok(Known::Is(state)) => !is_met(&wish.state, &state),
                _ => true,
            })
            .cloned()
            .collect();
        if open.is_empty() { Ok(Known::Is(Forecast::default())) } else { self.ask(&open, ahead) }
    }
}

/// Says whether a wish is met whatever is on offer.
fn is_met(wished: &WishedState, state: &PackageState) -> bool {
    match wished {
        WishedState::Installed => state.version.is_some() && !state.broken,
        WishedState::Removed => state.version.is_none(),
        WishedState::Purged => state.version.is_none() && !state.config_files,
        WishedState::Version(_) | WishedState::Latest | WishedState::File(_) => false,
    }
}

/// The name without its architecture.
fn bare(name: &str) -> &str {
    name.split_once(':').map_or(name, |(name, _)| name)
}
