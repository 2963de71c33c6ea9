//! What can be installed, by apt's own simulation, and the transaction that does it.
//!
//! A simulation (`apt-get -s`) takes no lock and changes nothing. Wishes that the package database already meets
//! are never handed to apt, so that a run with nothing to do starts no process.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stead_catalog::Command;

use super::Dpkg;
use super::asking::Asking;
use super::dpkg::matches_version;
use crate::{
    ApplyError, Forecast, Machine, ObserveError, Output, PackageChange, PackageState, PackageWish, Restore, Restorer, Run,
    WishedState,
};

mod cache;
mod failures;
mod fetch;
mod files;
mod index;
mod interrupted;
mod names;
mod orders;
mod simulation;
mod trial;
mod view;

use failures::{ALIKE, EMPTY, UNREADABLE, failed, is_unknown};
use interrupted::FINISH;
use orders::{Order, Unmet};
use simulation::Simulated;
use view::View;

pub use failures::unmet;
pub use names::known_names;
pub use view::SourcesAhead;

/// How long apt waits for another process that holds dpkg's lock.
const LOCK_PATIENCE: &str = "DPkg::Lock::Timeout=120";
/// apt-get as it changes packages: the administrator's configuration files are kept.
const APT_GET: [&str; 8] =
    ["apt-get", "-q", "-o", LOCK_PATIENCE, "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"];
const PATIENCE: Duration = Duration::from_secs(120);

/// Longest time for what apt finds in its own files: a slow machine with many packages takes seconds.
const THINKING: Duration = Duration::from_secs(300);
/// Longest time for fetching an index, whose servers may each be waited for.
const INDEXING: Duration = Duration::from_secs(900);
/// Longest time for fetching archives.
const FETCHING: Duration = Duration::from_secs(3600);

/// apt on one system.
#[derive(Debug)]
pub struct Apt {
    root: PathBuf,
    dpkg: Arc<Dpkg>,
    /// Where archives for plans are kept.
    cache: Option<PathBuf>,
    /// What a plan wants to know is fetched.
    reads_ahead: bool,
    forecasts: Mutex<Vec<Kept>>,
    read: Mutex<fetch::Read>,
    pub(super) asking: Asking,
}

/// A forecast that was made, with what it was made of.
#[derive(Debug)]
struct Kept {
    wishes: Vec<PackageWish>,
    /// The sources that the machine will have.
    ahead: Option<[u8; 32]>,
    forecast: Forecast,
    view: Option<View>,
}

impl Apt {
    /// apt of the system at `root`. Runs nothing yet, and fetches nothing for a plan.
    pub fn new(root: &Path, dpkg: Arc<Dpkg>) -> Self {
        let (forecasts, read) = Default::default();
        let asking = Asking::new(root);
        Self { root: root.to_owned(), dpkg, cache: None, reads_ahead: false, forecasts, read, asking }
    }

    /// Uses archives that were fetched into this cache, and with `reads_ahead` fetches what a plan wants to know.
    pub(crate) fn set_cache(&mut self, cache: &Path, reads_ahead: bool) {
        self.cache = (self.root == Path::new("/")).then(|| cache.to_owned());
        self.reads_ahead = reads_ahead;
    }

    /// Returns what apt would do for these wishes together, on the machine as it is or with other sources; the answer is kept until
    /// something is forgotten. Takes no lock and changes nothing. Wishes that are met already cost no process.
    ///
    /// # Errors
    /// When there is no apt, or it fails for another reason than the wishes.
    pub fn forecast(&self, wishes: &[PackageWish], ahead: Option<&SourcesAhead>) -> Result<Forecast, ObserveError> {
        let digest = ahead.map(SourcesAhead::digest);
        let kept = |all: &Vec<Kept>| {
            all.iter().find(|kept| kept.wishes == wishes && kept.ahead == digest).map(|kept| kept.forecast.clone())
        };
        if let Some(forecast) = kept(&self.forecasts.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(forecast);
        }
        let (forecast, view) = self.simulate(wishes, ahead)?;
        let mut all = self.forecasts.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Kept { wishes: wishes.to_vec(), ahead: digest, forecast: forecast.clone(), view });
        Ok(forecast)
    }

    /// Fetches the index of the sources in one file; of all, where another one has changed as well.
    ///
    /// # Errors
    /// `repository-unusable`, and apt's failure.
    pub fn refresh_source(&self, machine: &Machine, list: &Path) -> Result<(), ApplyError> {
        self.dpkg.await_lock(PATIENCE);
        machine.record(&INDEX, "apt", serde_json::json!({ "reason": list.display().to_string() }))?;
        let mut argv: Vec<String> = vec!["apt-get".into(), "-o".into(), LOCK_PATIENCE.into()];
        if index::is_only_changed(&self.root, list) {
            argv.extend(trial::arguments(list));
        } else {
            argv.extend(["-q", "-o", "APT::Update::Error-Mode=any", "update"].map(str::to_owned));
        }
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let outcome = self.run(machine, &argv);
        machine.system().forget();
        match outcome {
            Err(ApplyError::Command { output, .. }) => Err(trial::unusable(list, &output).into()),
            outcome => outcome,
        }
    }

    /// Carries out these wishes as one transaction: the index is refreshed first where it has to be, and what an interrupted
    /// dpkg left is finished. Wishes that are met already are left out; with none left nothing runs.
    /// With `planned` (every change that the plan announced, by whichever wish) a simulation right before must announce nothing else.
    ///
    /// # Errors
    /// [`ApplyError::Moved`] when apt would do something else than was planned; what cannot be met; apt's failure with its last lines.
    pub fn transact(&self, machine: &Machine, wishes: &[PackageWish], planned: Option<&Forecast>) -> Result<(), ApplyError> {
        self.dpkg.await_lock(PATIENCE);
        self.forget();
        self.dpkg.forget();
        let mut open = self.open(wishes)?;
        if open.is_empty() {
            return Ok(());
        }
        let database = self.dpkg.database()?;
        if database.interrupted || !database.broken().is_empty() {
            self.repair(machine)?;
            open = self.open(wishes)?;
            if open.is_empty() {
                return Ok(());
            }
        }
        let installs = open.iter().any(|wish| is_install(&wish.state));
        if let Some(reason) = index::stale(&self.root, &open, false).filter(|_| installs) {
            self.refresh(machine, &reason)?;
        }
        let forecast = self.simulate_open(&open, false, None)?;
        if let Some((name, reason)) = forecast.unmet.first() {
            return Err(unmet(name, reason).into());
        }
        if forecast.changes.is_empty() {
            return Ok(());
        }
        if let Some(planned) = planned {
            as_planned(&forecast, planned)?;
        }
        for change in &forecast.changes {
            let state = database.state(&change.name);
            let mut before = serde_json::json!({
                "version": change.from, "after": change.to, "config_files": state.config_files, "purge": change.purge,
            });
            if state.held {
                // What goes takes its hold along.
                before["held"] = true.into();
            }
            machine.record(&PACKAGE, &change.name, before)?;
        }
        self.hand_over(&files::offered(&forecast.changes, &open));
        let outcome = self.groups(&open).into_iter().try_for_each(|group| self.install(machine, &group));
        machine.system().forget();
        outcome
    }

    /// Holds a package at its version, or lets it go.
    ///
    /// # Errors
    /// apt-mark's failure.
    pub fn set_hold(&self, machine: &Machine, name: &str, held: bool) -> Result<(), ApplyError> {
        machine.record(&PACKAGE, name, serde_json::json!({ "held": !held }))?;
        let outcome = self.run(machine, &["apt-mark", if held { "hold" } else { "unhold" }, name]);
        self.dpkg.forget();
        self.forget();
        outcome
    }

    /// Forgets simulations.
    pub fn forget(&self) {
        self.forecasts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn simulate(&self, wishes: &[PackageWish], ahead: Option<&SourcesAhead>) -> Result<(Forecast, Option<View>), ObserveError> {
        let open = self.open(wishes)?;
        if open.is_empty() {
            return Ok((Forecast::default(), None));
        }
        let installs = open.iter().any(|wish| is_install(&wish.state));
        let changes = ahead.is_some_and(SourcesAhead::changes_repositories);
        // A repository that fetches its own index leaves none that is older than its sources.
        let fetched = ahead.is_some_and(|ahead| !changes && !ahead.refreshed.is_empty());
        let refresh = index::stale(&self.root, &open, changes).filter(|_| installs && !fetched).map(Arc::from);
        let mut view = None;
        if installs && (refresh.is_some() || ahead.is_some()) {
            match self.view(ahead) {
                Ok(found) => view = Some(found),
                Err(because) => {
                    // What can be installed is known after the refresh; what is removed is known now.
                    let removals: Vec<PackageWish> = open.into_iter().filter(|wish| !is_install(&wish.state)).collect();
                    let forecast = self.simulate_open(&removals, true, None)?;
                    let unseen = Some(format!("the package index is refreshed ({because})").into());
                    return Ok((Forecast { refresh, unseen, ..forecast }, None));
                }
            }
        }
        let mut forecast = self.simulate_open(&open, true, view.as_ref())?;
        forecast.refresh = refresh;
        self.keep_wanted(wishes, &mut forecast)?;
        self.find_alike(&mut forecast, view.as_ref());
        Ok((forecast, view))
    }

    /// Adds the name that was probably meant to every package that is not on offer.
    fn find_alike(&self, forecast: &mut Forecast, view: Option<&View>) {
        if !forecast.unmet.iter().any(|(_, reason)| is_unknown(reason)) {
            return;
        }
        let all = |start: &str| {
            let words: &[&str] =
                if start.is_empty() { &["apt-cache", "pkgnames"] } else { &["apt-cache", "pkgnames", "--", start] };
            let output = self.ask_with(words, view, None, THINKING).map(|output| output.stdout).unwrap_or_default();
            String::from_utf8_lossy(&output).into_owned()
        };
        let names = all("");
        // Of more than a command's output may be only the beginning and the end are kept.
        let is_cut = names.contains(" bytes left out]");
        for (name, reason) in forecast.unmet.iter_mut().filter(|(_, reason)| is_unknown(reason)) {
            let bare = name.split(':').next().unwrap_or(name);
            let near = bare.chars().next().filter(|_| is_cut).map(|first| all(first.encode_utf8(&mut [0; 4])));
            if let Some(like) = stead_catalog::closest(bare, near.as_ref().unwrap_or(&names).lines()) {
                *reason = format!("{reason}{ALIKE}{like}").into();
            } else if names.trim().is_empty() {
                *reason = format!("{reason}{EMPTY}").into();
            }
        }
    }

    /// The wishes that the package database does not meet.
    fn open(&self, wishes: &[PackageWish]) -> Result<Vec<PackageWish>, ObserveError> {
        let database = self.dpkg.database()?;
        let is_open = |wish: &&PackageWish| !is_met(&wish.state, &database.state(&wish.name));
        Ok(wishes
            .iter()
            .filter(is_open)
            .filter(|wish| match &wish.state {
                WishedState::Version(pattern) => !database.provides_version(&wish.name, pattern),
                WishedState::File(path) => !self.is_installed_from(path, &database.state(&wish.name)),
                _ => true,
            })
            .cloned()
            .collect())
    }

    /// A package that one wish would remove and another wants installed is a contradiction that apt does not see.
    fn keep_wanted(&self, wishes: &[PackageWish], forecast: &mut Forecast) -> Result<(), ObserveError> {
        let database = self.dpkg.database()?;
        for wish in wishes.iter().filter(|wish| is_install(&wish.state) && database.state(&wish.name).version.is_some()) {
            let removed = forecast.changes.iter().find(|change| change.to.is_none() && same(&change.name, &wish.name));
            if let Some(change) = removed {
                let cause = change.wish.clone().filter(|cause| **cause != *wish.name);
                let reason = format!("removing it would remove `{}`, which is wanted as well", wish.name);
                let blamed =
                    cause.or_else(|| wishes.iter().find(|other| !is_install(&other.state)).map(|other| other.name.clone()));
                forecast.unmet.push((blamed.unwrap_or_else(|| wish.name.clone()), reason.into()));
            }
        }
        Ok(())
    }

    /// Simulates wishes that are not met. Those that cannot be met are told apart, so that the others still have a forecast.
    fn simulate_open(&self, wishes: &[PackageWish], apart: bool, view: Option<&View>) -> Result<Forecast, ObserveError> {
        let (readable, unmet) = self.readable(wishes);
        let mut forecast = Forecast { unmet, ..Forecast::default() };
        for group in self.groups(&readable) {
            let (mut group, unmet) = self.with_versions(group, view)?;
            forecast.unmet.extend(unmet);
            while !group.is_empty() {
                match self.simulate_group(&group, view)? {
                    Simulated::Changes(changes) => {
                        for change in changes {
                            if !forecast.changes.iter().any(|known| known.name == change.name) {
                                forecast.changes.push(change);
                            }
                        }
                        break;
                    }
                    Simulated::Unmet(unmet) => {
                        group.retain(|order| !unmet.iter().any(|(name, _)| same(name, &order.wish.name)));
                        forecast.unmet.extend(unmet);
                    }
                    Simulated::Failed(reason) => {
                        let culprits = if apart && group.len() > 1 { self.culprits(&group, view)? } else { Vec::new() };
                        let all_fit_alone = culprits.is_empty();
                        let blamed: Vec<Arc<str>> = group.iter().map(|order| order.wish.name.clone()).collect();
                        group.retain(|order| !all_fit_alone && !culprits.iter().any(|(name, _)| *name == order.wish.name));
                        if all_fit_alone {
                            forecast.unmet.extend(blamed.into_iter().map(|name| (name, Arc::from(&*reason))));
                        }
                        forecast.unmet.extend(culprits);
                    }
                }
            }
        }
        forecast.changes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(forecast)
    }

    /// The wishes that fail even alone, with apt's reason.
    fn culprits(&self, group: &[Order], view: Option<&View>) -> Result<Vec<Unmet>, ObserveError> {
        let mut culprits = Vec::new();
        for alone in group {
            if let Simulated::Failed(reason) = self.simulate_group(std::slice::from_ref(alone), view)? {
                culprits.push((alone.wish.name.clone(), reason.into()));
            }
        }
        Ok(culprits)
    }

    fn simulate_group(&self, group: &[Order], view: Option<&View>) -> Result<Simulated, ObserveError> {
        // Only when it is not quiet does apt say which package stands in for a virtual one.
        let asking = ["apt-get", "-s", "-q=0", "-o", "Debug::NoLocking=1", "-o", "Debug::pkgDepCache::AutoInstall=1"];
        let words = self.words(group)?;
        let mut argv = asking.to_vec();
        argv.extend(words.iter().map(String::as_str));
        let mut output = self.ask_with(&argv, view, None, THINKING)?;
        let wishes: Vec<&PackageWish> = group.iter().map(|order| &order.wish).collect();
        let database = self.dpkg.database()?;
        // While something that is unpacked lacks what it needs, apt thinks of nothing else unless that is named as well.
        if output.status != 0 && !database.broken().is_empty() {
            let finished = self.ask_with(&[&asking[..], &FINISH].concat(), view, None, THINKING)?;
            let lacking = simulation::brought(&finished);
            argv.extend(lacking.iter().map(|name| &**name));
            if !lacking.is_empty() {
                output = self.ask_with(&argv, view, None, THINKING)?;
            }
        }
        simulation::read(&output, &wishes, |name| database.state(name))
    }

    /// Runs apt-get for wishes that go into one call.
    fn install(&self, machine: &Machine, group: &[PackageWish]) -> Result<(), ApplyError> {
        let (group, without) = self.with_versions(group.to_vec(), None)?;
        if let Some((name, reason)) = without.first() {
            return Err(unmet(name, reason).into());
        }
        let mut argv = APT_GET.to_vec();
        let words = self.words(&group)?;
        argv.extend(words.iter().map(String::as_str));
        self.run(machine, &argv)
    }

    /// Fetches the index of every repository.
    fn refresh(&self, machine: &Machine, reason: &str) -> Result<(), ApplyError> {
        machine.record(&INDEX, "apt", serde_json::json!({ "reason": reason }))?;
        self.run(machine, &["apt-get", "-q", "-o", LOCK_PATIENCE, "update"])
    }

    fn run(&self, machine: &Machine, argv: &[&str]) -> Result<(), ApplyError> {
        let command = Command::Argv(argv.iter().map(|word| Arc::from(*word)).collect());
        let shown = command.to_string();
        let env = [
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("LC_ALL", "C.UTF-8"),
            ("UCF_FORCE_CONFFOLD", "1"),
            ("APT_LISTCHANGES_FRONTEND", "none"),
        ];
        let output = machine.run(&Run {
            command,
            user: None,
            cwd: None,
            env: env.iter().map(|(name, value)| (Arc::from(*name), Arc::from(*value))).collect(),
            timeout: None,
            stdin: None,
            secrets: Vec::new(),
            umask: Some(0o022),
        })?;
        if output.status == 0 {
            return Ok(());
        }
        Err(failed(shown, &output))
    }

    /// Runs a program that only asks, or that fetches into a directory of Stead's own; with an index of Stead's own where one is given.
    fn ask_with(
        &self,
        argv: &[&str],
        view: Option<&View>,
        directory: Option<&Path>,
        limit: Duration,
    ) -> Result<Output, ObserveError> {
        let configuration = view.map(|view| view.configuration.to_string_lossy());
        let (program, words) = argv.split_first().unwrap_or((&"apt-get", &[]));
        let mut all = vec![*program];
        if let Some(configuration) = &configuration {
            all.extend(["-c", configuration]);
        }
        all.extend(words);
        self.asking.ask("apt", &all, directory, limit)
    }
}

/// A package is brought back to the version it had, where a repository still has it, or purged if it was not there.
pub static PACKAGE: Restorer = Restorer {
    kind: "package",
    is_tree: false,
    look: |world, name| {
        let state = world.package(name)?.known()?;
        Ok(serde_json::json!({ "version": state.version, "held": state.held }))
    },
    restore: |name, before| {
        let held = before.get("held").and_then(serde_json::Value::as_bool);
        let package = Restore::resource("package", "name", name).with_some("hold", held);
        match before.get("version") {
            // Finishing what an interrupted dpkg had begun leaves nothing to go back to.
            None if held.is_none() => Restore::Nothing,
            None => package.into(),
            Some(serde_json::Value::String(version)) => package.with("version", version.as_str()).into(),
            Some(_) => {
                let rest = before.get("config_files").and_then(serde_json::Value::as_bool) == Some(true);
                Restore::resource("package", "name", name)
                    .with("state", if rest { "absent" } else { "purged" })
                    // What the run has put on hold goes all the same.
                    .with("hold", false)
                    .without(
                        true,
                        &format!("what the scripts of the package {name} made and its removal leaves, such as an account"),
                    )
                    .into()
            }
        }
    },
};

/// An index that was refreshed stays so: it is a cache.
pub static INDEX: Restorer = Restorer {
    kind: "package-index",
    is_tree: false,
    look: |_, _| Ok(serde_json::Value::Null),
    restore: |_, _| Restore::Nothing,
};

/// Says whether a wish is met whatever is on offer.
pub fn is_met(wished: &WishedState, state: &PackageState) -> bool {
    match wished {
        WishedState::Installed => (state.version.is_some() || state.provided_by.is_some()) && !state.broken,
        WishedState::Version(pattern) => {
            state.version.as_ref().is_some_and(|version| matches_version(pattern, version)) && !state.broken
        }
        WishedState::Removed => state.version.is_none() && !state.broken,
        WishedState::Purged => state.version.is_none() && !state.config_files && !state.broken,
        // What is newest, or in a file, is not looked at here.
        WishedState::Latest | WishedState::File(_) => false,
    }
}

fn is_install(state: &WishedState) -> bool {
    !matches!(state, WishedState::Removed | WishedState::Purged)
}

/// Says whether two names mean one package, with or without an architecture.
fn same(a: &str, b: &str) -> bool {
    let bare = |name: &str| name.split(':').next().map(str::to_owned);
    a == b || (bare(a) == bare(b) && !(a.contains(':') && b.contains(':')))
}

/// Fails when a simulation announces something that the plan did not.
fn as_planned(forecast: &Forecast, planned: &Forecast) -> Result<(), ApplyError> {
    let alike = |a: &PackageChange, b: &PackageChange| same(&a.name, &b.name) && a.from == b.from && a.to == b.to;
    for change in &forecast.changes {
        if planned.changes.iter().any(|known| alike(known, change)) {
            continue;
        }
        let what = match (&change.from, &change.to) {
            (None, Some(to)) => format!("apt would install {} {to}, which was not planned", change.name),
            (Some(from), Some(to)) => format!("apt would change {} from {from} to {to}, which was not planned", change.name),
            _ => format!("apt would remove {}, which was not planned", change.name),
        };
        return Err(ApplyError::Moved { what });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, from: Option<&str>, to: Option<&str>) -> PackageChange {
        PackageChange { name: name.into(), from: from.map(Arc::from), to: to.map(Arc::from), ..PackageChange::default() }
    }

    #[test]
    fn a_simulation_may_announce_less_than_planned_but_nothing_else() {
        let planned =
            Forecast { changes: vec![change("a", None, Some("1")), change("b", Some("1"), None)], ..Forecast::default() };
        let now = |changes| Forecast { changes, ..Forecast::default() };
        assert!(as_planned(&now(vec![change("a", None, Some("1"))]), &planned).is_ok());
        for moved in [change("a", None, Some("2")), change("c", None, Some("1")), change("b", Some("1"), Some("2"))] {
            assert_eq!(as_planned(&now(vec![moved]), &planned).unwrap_err().code(), "machine-changed");
        }
    }
}
