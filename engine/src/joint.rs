//! One simulation for all package wishes of a catalog.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::system::apt::Overlay;
use crate::{Forecast, Known, Look, PackageChange, PackageState, PackageWish, WishedState, World};

/// Answers every package resource from one simulation of all wishes together, which is what will happen when they are
/// applied as one transaction. What the package manager adds or removes besides is told once: by the resource whose wish it follows from, where
/// the package manager says so, else by the first that changes.
pub(crate) struct JointForecast<'a> {
    base: &'a dyn World,
    wishes: Vec<PackageWish>,
    forecast: OnceLock<Look<Forecast>>,
    /// The same with other sources than now: the last that were asked for.
    with_sources: Mutex<Option<(Overlay, Look<Forecast>)>>,
}

impl<'a> JointForecast<'a> {
    /// Prepares the simulation of `wishes`, in the order of the catalog. It runs when it is first asked for.
    pub(crate) fn new(base: &'a dyn World, wishes: Vec<PackageWish>) -> Self {
        Self { base, wishes, forecast: OnceLock::new(), with_sources: Mutex::default() }
    }

    /// Answers for one resource's wishes.
    ///
    /// # Errors
    /// As [`World::forecast`].
    pub(crate) fn forecast(&self, wishes: &[PackageWish]) -> Look<Forecast> {
        if !wishes.iter().all(|wish| self.wishes.contains(wish)) {
            return self.base.forecast(wishes);
        }
        self.part(self.forecast.get_or_init(|| self.simulate(None)).clone()?, wishes)
    }

    /// Answers for one resource's wishes with other sources than now.
    ///
    /// # Errors
    /// As [`World::forecast_with`].
    pub(crate) fn forecast_with(&self, sources: &Overlay, wishes: &[PackageWish]) -> Look<Forecast> {
        if !wishes.iter().all(|wish| self.wishes.contains(wish)) {
            return self.base.forecast_with(sources, wishes);
        }
        let mut kept = self.with_sources.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = match &*kept {
            Some((known, forecast)) if known == sources => forecast.clone(),
            _ => {
                let forecast = self.simulate(Some(sources));
                *kept = Some((sources.clone(), forecast.clone()));
                forecast
            }
        };
        drop(kept);
        self.part(whole?, wishes)
    }

    fn part(&self, whole: Known<Forecast>, wishes: &[PackageWish]) -> Look<Forecast> {
        let joint = match whole {
            Known::Is(joint) => joint,
            unknown @ Known::Unknown(_) => return Ok(unknown),
        };
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
        }))
    }

    /// Everything the simulation announced, by whichever wish; `None` when it was not asked for or could not know.
    pub(crate) fn announced(&self) -> Option<Forecast> {
        let kept = self.with_sources.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((_, forecast)) => forecast.as_ref().ok()?.value().cloned(),
            None => self.forecast.get()?.as_ref().ok()?.value().cloned(),
        }
    }

    fn simulate(&self, sources: Option<&Overlay>) -> Look<Forecast> {
        let open: Vec<PackageWish> = self
            .wishes
            .iter()
            .filter(|wish| match self.base.package(&wish.name) {
                Ok(Known::Is(state)) => !is_met(&wish.state, &state),
                _ => true,
            })
            .cloned()
            .collect();
        match sources {
            _ if open.is_empty() => Ok(Known::Is(Forecast::default())),
            Some(sources) => self.base.forecast_with(sources, &open),
            None => self.base.forecast(&open),
        }
    }
}

/// Says whether a wish is met whatever is on offer.
fn is_met(wished: &WishedState, state: &PackageState) -> bool {
    match wished {
        WishedState::Installed => state.version.is_some() && !state.broken,
        WishedState::Removed => state.version.is_none(),
        WishedState::Purged => state.version.is_none() && !state.config_files,
        WishedState::Version(_) | WishedState::Latest => false,
    }
}

/// The name without its architecture.
fn bare(name: &str) -> &str {
    name.split_once(':').map_or(name, |(name, _)| name)
}
