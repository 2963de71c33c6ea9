//! The resource type `package`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use stead_catalog::{Action, Change, Footprint, Place, PlaceKind, Problem, Shown, Value};
use stead_engine::system::apt::is_met;
use stead_engine::system::archive::Control;
use stead_engine::system::dpkg::matches_version;
use stead_engine::{
    Applied, ApplyError, Brought, Difference, Forecast, Known, LockClass, Lost, Machine, ObserveError, PackageChange,
    PackageState, PackageWish, Predicted, ResourceType, WishedState, World,
};

use crate::problems::Problems;
use crate::values::AbsolutePath;
use crate::{Choice, Resource};

mod apt;
mod file;
mod provider;
mod removal;

use removal::Removal;

/// A package of the distribution: there in some version, or gone.
///
/// What the package manager would install, upgrade or remove besides is found by its own simulation and shown in the plan; a change that
/// several packages share is shown once, by the first. Packages with no order among them are changed in one transaction.
/// Configuration files that somebody has changed are kept. The package index is refreshed first when a repository
/// has changed since, or when `refresh` asks for it. A package can come from a file on the node (`from`), or from a certain release of
/// the distribution (`release`). Compares to Salt's `pkg.installed`, Puppet's `package` and Ansible's `apt`.
///
/// ```stead
/// package "nginx" { version = "1.22.*" }
/// package ["curl", "git"]
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "package",
    since = "0.1",
    aliases(
        ensure = "state",
        pkg = "name",
        install_recommends = "recommends",
        hold_version = "hold",
        source = "from",
        sources = "from",
        deb = "from",
        fromrepo = "release",
        default_release = "release",
        allow_downgrade = "downgrade",
        cache_valid_time = "refresh"
    )
)]
pub struct Package {
    /// Name of the package, with `:arch` for one of another architecture. A virtual package is installed when one that provides it is.
    #[key]
    pub name: Arc<str>,
    /// Whether it is there.
    #[default(State::Installed)]
    pub state: State,
    /// The version: all of it (`1.22.1-9`), or a pattern with `*` and `?` that the newest version on offer has to match (`1.22.*`).
    /// A version that is there and matches is left alone; a lower one on offer is a downgrade, and is shown.
    pub version: Option<Arc<str>>,
    /// The release that it comes from, by suite or code name (`bookworm-backports`), whatever the machine prefers. What it needs comes from
    /// there where nothing else will do. A package that is there from elsewhere is left alone; `state = latest` brings the release's.
    pub release: Option<Arc<str>>,
    /// The package as a file on the node, an absolute path that ends with `.deb`. It is installed when another version is there.
    pub from: Option<AbsolutePath>,
    /// The file's checksum, `sha256:` with its digits; also sha512, sha384, sha1 and md5. Another file is refused.
    pub checksum: Option<Arc<str>>,
    /// The version from `from` or `release` may be lower than the one that is there. One that `version` names always may.
    #[default(false)]
    pub downgrade: bool,
    /// It is held: the package manager leaves its version alone unless Stead changes it. Left as found when absent.
    pub hold: Option<bool>,
    /// What it recommends is installed as well. As the machine's package manager is configured when absent.
    pub recommends: Option<bool>,
    /// The package index is refreshed first when it is older than this. Only a package that is to be installed or upgraded asks for it.
    pub refresh: Option<Duration>,
}

/// Whether a package is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// It is there, in any version that `version` allows.
    Installed,
    /// It is there, in the newest version on offer.
    Latest,
    /// It is gone. Its configuration files stay.
    Absent,
    /// It is gone, with its configuration files.
    Purged,
}

/// What the package database and the package manager say.
#[derive(Clone, Debug)]
pub struct ObservedPackage {
    state: Known<PackageState>,
    /// Which package the file is, where it comes from one.
    file: Option<Known<Control>>,
    /// What the package manager would do; `None` when there is nothing to do.
    forecast: Option<Known<Forecast>>,
    /// What is lost with the packages that would be removed.
    removals: Vec<Removal>,
    /// What comes with the packages that would be installed, besides their files.
    brought: Brought,
    /// What goes with the packages that would be removed, besides their files.
    lost: Lost,
}

/// What package managers call the place that packages come from.
const REPOSITORY: &str = "apt";

/// Paths that scripts make are told one by one up to this many.
const MAX_MADE: usize = 20;

impl Package {
    fn footprint(&self) -> Footprint {
        let own = Place::package(self.name.clone());
        if self.is_removal() {
            return Footprint { gone_before: vec![own.clone()], owns: vec![own], removes: true, ..Footprint::default() };
        }
        let mut needs = vec![Place { kind: PlaceKind::Repository, name: REPOSITORY.into() }];
        needs.extend(self.file_needed());
        Footprint { owns: vec![own], needs, ..Footprint::default() }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !is_name(&self.name) {
            problems.push(Problem {
                code: "invalid-value",
                attribute: Some("name".into()),
                other: None,
                message: format!("`{}` is no name of a package", self.name),
                hint: Some(
                    "it has lower-case letters, digits, `+`, `-` and `.`, with `:arch` behind it where one is meant".into(),
                ),
                mend: None,
            });
        }
        if self
            .version
            .as_deref()
            .is_some_and(|version| version.is_empty() || version.starts_with('-') || version.contains(char::is_whitespace))
        {
            problems.push(Problem {
                code: "invalid-value",
                attribute: Some("version".into()),
                other: None,
                message: "this is no version".into(),
                hint: Some("write one such as `1.22.1-9`, or a pattern such as `1.22.*`".into()),
                mend: None,
            });
        }
        let mut conflict = |other: &str, message: &str, hint: &str| {
            problems.push(Problem {
                code: "conflicting-attributes",
                attribute: Some(other.into()),
                other: Some("state".into()),
                message: message.into(),
                hint: Some(hint.into()),
                mend: None,
            });
        };
        if self.version.is_some() && self.state == State::Latest {
            conflict("version", "the newest version and a certain one are asked for", "leave `state = latest` out");
        }
        for (attribute, is_given) in [
            ("version", self.version.is_some()),
            ("hold", self.hold.is_some()),
            ("recommends", self.recommends.is_some()),
            ("release", self.release.is_some()),
            ("from", self.from.is_some()),
        ] {
            if is_given && self.is_removal() {
                conflict(attribute, &format!("`{attribute}` says nothing of a package that is gone"), "leave it out");
            }
        }
        let mut of_origin = Problems::default();
        self.check_origin(&mut of_origin);
        problems.extend(of_origin.finish());
        problems
    }

    fn is_removal(&self) -> bool {
        matches!(self.state, State::Absent | State::Purged)
    }

    fn wish(&self) -> PackageWish {
        let state = match (self.state, &self.version) {
            (State::Installed, _) if self.from.is_some() => {
                WishedState::File(self.from.as_ref().map(|path| path.shared().clone()).unwrap_or_default())
            }
            (State::Installed, Some(pattern)) => WishedState::Version(pattern.clone()),
            (State::Installed, None) => WishedState::Installed,
            (State::Latest, _) => WishedState::Latest,
            (State::Absent, _) => WishedState::Removed,
            (State::Purged, _) => WishedState::Purged,
        };
        let release = self.release.clone();
        PackageWish { name: self.name.clone(), state, release, recommends: self.recommends, max_index_age: self.refresh }
    }

    fn because(&self) -> Arc<str> {
        format!("package[\"{}\"]", self.name).into()
    }

    /// The package's own step in a forecast.
    fn own<'f>(&self, forecast: &'f Forecast) -> Option<&'f PackageChange> {
        forecast.changes.iter().find(|change| self.is(&change.name))
    }

    fn is(&self, name: &str) -> bool {
        let bare = |name: &str| name.split(':').next().map(str::to_owned);
        *name == *self.name || (bare(name) == bare(&self.name) && !(name.contains(':') && self.name.contains(':')))
    }

    /// What the version will be.
    fn version_after(&self, observed: &ObservedPackage) -> Shown {
        match &observed.file {
            Some(Known::Is(control)) => return Shown::Value(Value::string(control.version.clone())),
            Some(Known::Unknown(because)) => return Shown::Unknown(because.clone()),
            None => {}
        }
        match &observed.forecast {
            Some(Known::Unknown(because)) => Shown::Unknown(because.clone()),
            Some(Known::Is(forecast)) => match (self.own(forecast).and_then(|change| change.to.clone()), &forecast.unseen) {
                (Some(version), None) => Shown::Value(Value::string(version)),
                (None, None) => match forecast.changes.iter().find(|change| change.to.is_some()) {
                    // Another package stands in for a virtual one.
                    Some(other) => Shown::Value(Value::string(format!("provided by {}", other.name))),
                    None => Shown::Unknown(self.because()),
                },
                (_, Some(because)) => Shown::Unknown(because.clone()),
            },
            None => Shown::Unknown(self.because()),
        }
    }

    /// The package itself.
    fn own_changes(&self, observed: &ObservedPackage, state: &PackageState, changes: &mut Vec<Change>) {
        let version = |version: &Option<Arc<str>>| match version {
            Some(version) => Shown::Value(Value::string(version.clone())),
            None => Shown::Absent,
        };
        if state.broken {
            let text = |text: &str| Shown::Value(Value::string(text));
            changes.push(Change::value("configuration", text("interrupted"), text("finished")));
        }
        let is_new = match &observed.forecast {
            Some(Known::Is(forecast)) => match self.own(forecast) {
                Some(own) => own.to != state.version || (own.to.is_none() && state.config_files),
                None => forecast.unseen.is_some() || !forecast.changes.is_empty() || state.version.is_none(),
            },
            Some(Known::Unknown(_)) => true,
            None => false,
        };
        if self.is_removal() {
            if state.version.is_some() {
                changes.push(Change::value("version", version(&state.version), Shown::Absent));
            }
            if self.state == State::Purged && (state.config_files || state.version.is_some()) {
                changes.push(Change::value("configuration_files", Shown::Value(Value::string("kept")), Shown::Absent));
            }
        } else if is_new && !is_met(&self.wish().state, state) {
            let after = self.version_after(observed);
            if version(&state.version) != after {
                changes.push(Change::value("version", version(&state.version), after));
                for (attribute, origin) in
                    [("from", self.from.as_ref().map(AbsolutePath::shared)), ("release", self.release.as_ref())]
                {
                    let shown = origin.map(|origin| Shown::Value(Value::string(origin.clone())));
                    changes.extend(shown.map(|origin| Change::value(attribute, Shown::Absent, origin)));
                }
            }
        }
        if let Some(hold) = self.hold.filter(|hold| state.held != *hold) {
            changes.push(Change::value("hold", Shown::Value(Value::Bool(!hold)), Shown::Value(Value::Bool(hold))));
        }
    }

    /// What happens besides.
    fn side_changes(&self, observed: &ObservedPackage, changes: &mut Vec<Change>) {
        let Some(Known::Is(forecast)) = &observed.forecast else { return };
        if let Some(reason) = &forecast.refresh {
            let text = |text: &str| Shown::Value(Value::string(text));
            changes.push(Change::value("index", text(reason), text("refreshed")));
        }
        let names = |steps: &[&PackageChange], version: fn(&PackageChange) -> Option<&Arc<str>>| {
            let name = |step: &&PackageChange| match version(step) {
                Some(version) => Value::string(format!("{} {version}", step.name)),
                None => Value::string(step.name.clone()),
            };
            Shown::Value(Value::list(steps.iter().map(name)))
        };
        let others: Vec<&PackageChange> = forecast.changes.iter().filter(|change| !self.is(&change.name)).collect();
        let (removed, kept): (Vec<&PackageChange>, Vec<&PackageChange>) = others.into_iter().partition(|step| step.to.is_none());
        let (installed, upgraded): (Vec<&PackageChange>, Vec<&PackageChange>) =
            kept.into_iter().partition(|step| step.from.is_none());
        if !removed.is_empty() {
            changes.push(Change::value("removes", names(&removed, |step| step.from.as_ref()), Shown::Absent));
        }
        if !installed.is_empty() {
            changes.push(Change::value("installs", Shown::Absent, names(&installed, |step| step.to.as_ref())));
        }
        if !upgraded.is_empty() {
            let (before, after) = (names(&upgraded, |step| step.from.as_ref()), names(&upgraded, |step| step.to.as_ref()));
            changes.push(Change::value("upgrades", before, after));
        }
        let Brought { users, groups, enables, starts, makes } = &observed.brought;
        for (attribute, names) in [("users", users), ("groups", groups), ("enables", enables), ("starts", starts)] {
            if !names.is_empty() {
                let names = Value::list(names.iter().map(|name| Value::string(name.clone())));
                changes.push(Change::value(attribute, Shown::Absent, Shown::Value(names)));
            }
        }
        if !makes.is_empty() {
            changes.push(Change::value("makes", Shown::Absent, some_of(makes)));
        }
        let Lost { takes, stops, disables } = &observed.lost;
        for (attribute, names) in [("stops", stops), ("disables", disables)] {
            if !names.is_empty() {
                let names = Value::list(names.iter().map(|name| Value::string(name.clone())));
                changes.push(Change::value(attribute, Shown::Value(names), Shown::Absent));
            }
        }
        if !takes.is_empty() {
            changes.push(Change::value("takes", some_of(takes), Shown::Absent));
        }
    }

    /// Refuses what the package manager cannot do.
    fn refuse(&self, state: &PackageState, forecast: &Forecast) -> Result<(), ObserveError> {
        if let Some((_, reason)) = forecast.unmet.iter().find(|(name, _)| self.is(name)) {
            return Err(stead_engine::system::apt::unmet(&self.name, reason));
        }
        let own = self.own(forecast);
        if let Some((release, to)) = self.release.as_ref().zip(own.and_then(|own| own.to.as_ref())) {
            if let Some(pattern) = self.version.as_ref().filter(|pattern| !matches_version(pattern, to)) {
                let reason = format!("no version of the release `{release}` matches `{pattern}`; on offer: {to}");
                return Err(stead_engine::system::apt::unmet(&self.name, &reason));
            }
            if let Some(there) = &state.version {
                self.refuse_lower(there, to)?;
            }
        }
        let moves = own.is_some_and(|own| own.to != state.version);
        if state.held && self.hold.is_none() && moves {
            return Err(ObserveError::Impossible {
                code: "package-held",
                message: format!("package `{}` is held at {}", self.name, state.version.as_deref().unwrap_or("no version")),
                hint: "say `hold = true` to change and hold it again, or `hold = false` to let it go".into(),
            });
        }
        Ok(())
    }
}

/// Paths as they are shown: not all of a great many.
fn some_of(paths: &[PathBuf]) -> Shown {
    let mut names: Vec<Value> = paths.iter().take(MAX_MADE).map(|path| Value::string(path.to_string_lossy())).collect();
    if paths.len() > MAX_MADE {
        names.push(Value::string(format!("and {} more", paths.len() - MAX_MADE)));
    }
    Shown::Value(Value::list(names))
}

/// Says whether a name can be a package's (Debian Policy 5.6.7), with an architecture where one is given.
fn is_name(name: &str) -> bool {
    let (bare, architecture) = name.split_once(':').unwrap_or((name, "any"));
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bare.len() > 1
        && bare.bytes().next().is_some_and(lower)
        && bare.bytes().all(|byte| lower(byte) || b"+-.".contains(&byte))
        && !bare.ends_with('-')
        && !architecture.is_empty()
        && architecture.bytes().all(|byte| lower(byte) || byte == b'-')
}

impl ResourceType for Package {
    type Observed = ObservedPackage;

    fn observe(&self, world: &dyn World) -> Result<ObservedPackage, ObserveError> {
        let provider = provider::of(world);
        provider::refuse(provider, self)?;
        let wish = self.wish();
        let state = world.package(&self.name)?;
        let file = self.observe_file(world, provider)?;
        let is_there = match (&state, &file) {
            (Known::Is(state), Some(Known::Is(control))) => Self::is_as_in_file(state, control),
            (Known::Is(state), _) => is_met(&wish.state, state),
            (Known::Unknown(_), _) => false,
        };
        let (removals, brought, lost) = Default::default();
        if is_there {
            return Ok(ObservedPackage { state, file, forecast: None, removals, brought, lost });
        }
        if let (Known::Is(state), Some(Known::Is(control))) = (&state, &file) {
            self.refuse_file(world, state, control)?;
        }
        if let Some(Known::Unknown(because) | Known::Is(Control { later: Some(because), .. })) = &file {
            let forecast = Some(Known::Unknown(because.clone()));
            return Ok(ObservedPackage { state, file, forecast, removals, brought, lost });
        }
        let forecast = world.forecast(std::slice::from_ref(&wish))?.map(|forecast| forecast.of_wish(&self.name));
        let mut removals = Vec::new();
        let mut brought = Brought::default();
        if let (Known::Is(forecast), Known::Is(state)) = (&forecast, &state) {
            self.refuse(state, forecast)?;
            for step in forecast.changes.iter().filter(|step| step.to.is_none()) {
                removals.push(provider.removal(world, step)?);
            }
            if forecast.unseen.is_none() && forecast.changes.iter().any(|step| step.to.is_some()) {
                brought = Brought::by(world, &self.because(), &forecast.changes);
            }
        }
        let lost = if removals.is_empty() { Lost::default() } else { removal::lost(world, &self.because(), &removals) };
        Ok(ObservedPackage { state, file, forecast: Some(forecast), removals, brought, lost })
    }

    fn diff(&self, observed: &ObservedPackage) -> Difference {
        let mut changes = Vec::new();
        let state = match &observed.state {
            Known::Is(state) => state,
            Known::Unknown(because) => {
                let after = if self.is_removal() { Shown::Absent } else { self.version_after(observed) };
                changes.push(Change::value("version", Shown::Unknown(because.clone()), after));
                return Difference { action: Action::Update, changes, unknown: Some(because.clone()) };
            }
        };
        self.own_changes(observed, state, &mut changes);
        self.side_changes(observed, &mut changes);
        if changes.is_empty() {
            return Difference::NONE;
        }
        let action = match (self.is_removal(), &state.version) {
            (true, _) => Action::Delete,
            (false, None) => Action::Create,
            (false, Some(_)) => Action::Update,
        };
        // Whether something newer is on offer shows when the index is there, and what is in a file when that is.
        let is_later = self.state == State::Latest || matches!(observed.file, Some(Known::Unknown(_)));
        let is_open = is_later && state.version.is_some() && !state.broken;
        let unknown = match &observed.forecast {
            Some(Known::Unknown(because)) if is_open => Some(because.clone()),
            Some(Known::Is(Forecast { unseen: Some(because), .. })) if is_open => Some(because.clone()),
            _ => None,
        };
        Difference { action, changes, unknown }
    }

    fn digest(&self, observed: &ObservedPackage, hasher: &mut blake3::Hasher) -> bool {
        let Known::Is(state) = &observed.state else { return false };
        hasher.update(format!("{:?} {} {} {}", state.version, state.config_files, state.held, state.broken).as_bytes());
        match &observed.file {
            Some(Known::Is(control)) if control.later.is_none() => {
                hasher.update(format!("{} {}", control.version, control.architecture).as_bytes());
            }
            Some(_) => return false,
            None => {}
        }
        match &observed.forecast {
            None => true,
            Some(Known::Unknown(_)) => false,
            Some(Known::Is(forecast)) => {
                // What happens besides is checked by the transaction itself, against the whole plan.
                hasher.update(format!("{:?}", self.own(forecast).map(|own| &own.to)).as_bytes());
                forecast.refresh.is_none()
            }
        }
    }

    fn predict(&self, observed: &ObservedPackage, difference: &Difference, effects: &mut Predicted<'_>) {
        if difference.is_none() {
            return;
        }
        let because = self.because();
        let mut state = observed.state.value().cloned().unwrap_or_default();
        let forecast = match &observed.forecast {
            Some(Known::Is(forecast)) => Some(forecast),
            _ => None,
        };
        for removal in &observed.removals {
            removal.predict(&because, effects);
        }
        for step in forecast.iter().flat_map(|forecast| &forecast.changes).filter(|step| !self.is(&step.name)) {
            let left = step.to.is_none() && !step.purge;
            effects.put_package(
                &step.name,
                PackageState { version: step.to.clone(), config_files: left, ..PackageState::default() },
            );
        }
        // An interrupted installation has unpacked the package; finishing it places its configuration files and runs its scripts.
        let mended = std::mem::take(&mut state.broken).then(|| PackageChange {
            name: self.name.clone(),
            to: state.version.clone(),
            ..PackageChange::default()
        });
        if let Some(hold) = self.hold {
            state.held = hold;
        }
        if self.is_removal() {
            let left = self.state == State::Absent && (state.config_files || state.version.is_some());
            effects.put_package(&self.name, PackageState { config_files: left, ..PackageState::default() });
            return;
        }
        let installs = observed.forecast.is_some() && !is_met(&self.wish().state, &state);
        if installs {
            state.config_files = false;
            let own = forecast.and_then(|forecast| self.own(forecast)).and_then(|own| own.to.clone());
            let in_file = observed.file.as_ref().and_then(Known::value).map(|control| control.version.clone());
            // A version that is known later stands as what was asked for, which it will match.
            state.version =
                own.or(in_file).or(state.version).or_else(|| Some(self.version.clone().unwrap_or_else(|| "*".into())));
        }
        effects.put_package(&self.name, state);
        match forecast.filter(|forecast| forecast.unseen.is_none()) {
            Some(forecast) if installs => drop(effects.install(&because, &forecast.changes)),
            None if installs => effects.may_bring(&because),
            _ => {
                if let Some(mended) = mended.filter(|mended| mended.to.is_some()) {
                    effects.install(&because, &[mended]);
                }
            }
        }
    }

    fn apply(&self, _observed: &ObservedPackage, _difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        provider::of(machine.world()).apply(machine, &self.wish(), self.hold)?;
        Ok(Applied::Done)
    }

    fn lock_class(&self) -> LockClass {
        LockClass::Packages
    }

    fn package_wish(&self) -> Option<PackageWish> {
        Some(self.wish())
    }

    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_debian_policy() {
        for good in ["nginx", "g++", "libstdc++6", "python3.11", "libc6:i386", "0ad", "wine32:any"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "a", "Nginx", "-x", "nginx-", "a b", "a=1", "a/b", "task^", "*", "libc6:", "a:B"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
