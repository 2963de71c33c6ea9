//! The resource type `service`.

use std::sync::Arc;

use stead_catalog::{Action, Attributes, Change, Command, Footprint, Place, Problem, Shown, Surroundings, Value};
use stead_engine::system::systemd::{FileChange, Job};
use stead_engine::{
    ActiveState, Applied, ApplyError, Described, Difference, EnableState, Known, Machine, ObserveError, Predicted, ReactionKind,
    ResourceType, UnitState, World,
};

use crate::{Choice, Resource, commands, lints};

/// A systemd unit: whether it runs now, and whether it starts at boot.
///
/// A service that watches another resource is restarted once when that changes, after all causes; with `reload = true` it is
/// reloaded where it can be. It is not restarted when the same run has just started it. Unit files that changed are
/// read again first, without a resource of its own for it. Starting waits until the service is up and fails with its reason
/// when it is not. Compares to Salt's `service.running`, Puppet's `service` and Ansible's `systemd`.
///
/// ```stead
/// file "/etc/nginx/nginx.conf" { content = "events {}\n" }
/// service "nginx" { state = running, enabled = true, watch = [file["/etc/nginx/nginx.conf"]] }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "service",
    since = "0.1",
    reacts,
    lint = Self::lint,
    aliases(ensure = "state", enable = "enabled", status = "state", mask = "masked", restart = "restart_command")
)]
pub struct Service {
    /// Name of the unit. Without a suffix such as `.timer`, `.service` is meant.
    #[key]
    pub name: Arc<str>,
    /// Whether it runs now. Left as found when absent.
    pub state: Option<State>,
    /// Whether it starts at boot. Left as found when absent.
    pub enabled: Option<bool>,
    /// Whether it is masked: cannot be started at all, by hand or by another unit. Left as found when absent.
    pub masked: Option<bool>,
    /// Reload instead of restart when something that is watched changes. A unit that cannot reload is restarted.
    #[default(false)]
    pub reload: bool,
    /// Run instead of a restart when something that is watched changes.
    pub restart_command: Option<Command>,
}

/// Whether a unit runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// It is active. A unit that failed is started again.
    Running,
    /// It is not active. A unit that does not exist is stopped.
    Stopped,
}

/// What systemd says of the unit.
#[derive(Clone, Debug)]
pub struct ObservedService {
    unit: Known<UnitState>,
}

/// Suffixes that a unit's name can have.
const SUFFIXES: [&str; 9] = [".service", ".socket", ".timer", ".path", ".mount", ".automount", ".target", ".slice", ".swap"];

impl Service {
    fn footprint(&self) -> Footprint {
        let unit = self.unit();
        // A service is mostly named as the package that brings it, which it comes after; one that is stopped for good goes first.
        let package = unit.rsplit_once('.').map_or(unit.as_str(), |(name, _)| name);
        Footprint {
            owns: vec![Place::unit(unit.as_str())],
            needs: vec![Place::unit(unit.as_str()), Place::package(package)],
            removes: self.state == Some(State::Stopped) && self.enabled != Some(true),
            ..Footprint::default()
        }
    }

    fn lint(attributes: &Attributes, _around: Surroundings) -> Vec<Problem> {
        let Ok(service) = Self::read(attributes) else { return Vec::new() };
        if service.state != Some(State::Running) || service.enabled.is_some() || !service.unit().ends_with(".service") {
            return Vec::new();
        }
        let message = "the service is started now, and nothing says whether it starts at boot";
        vec![lints::problem("service-not-enabled", Some("state"), message, "add `enabled = true`, or `enabled = false`")]
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
        if self.name.is_empty() || !self.name.bytes().all(legal) || SUFFIXES.contains(&&*self.name) {
            problems.push(Problem {
                code: "invalid-value",
                attribute: Some("name".into()),
                other: None,
                message: format!("`{}` is no name of a unit", self.name),
                hint: Some("a unit is named by letters, digits and `:-_.\\@`".into()),
                mend: None,
            });
        }
        let mut conflict = |a: &str, b: &str, message: &str, hint: &str| {
            problems.push(Problem {
                code: "conflicting-attributes",
                attribute: Some(a.into()),
                other: Some(b.into()),
                message: message.into(),
                hint: Some(hint.into()),
                mend: None,
            });
        };
        if self.masked == Some(true) {
            if self.state == Some(State::Running) {
                conflict("masked", "state", "a masked unit cannot be running", "leave one of them out");
            }
            if self.enabled == Some(true) {
                conflict("masked", "enabled", "a masked unit cannot start at boot", "leave one of them out");
            }
        }
        if self.reload && self.restart_command.is_some() {
            conflict("reload", "restart_command", "both say what a watched change does", "leave one of them out");
        }
        problems
    }

    /// The unit's name with its suffix.
    fn unit(&self) -> String {
        let suffixed = SUFFIXES.iter().any(|suffix| self.name.ends_with(suffix));
        if suffixed { self.name.to_string() } else { format!("{}.service", self.name) }
    }

    /// What cannot be had of the unit as it is.
    fn refuse(&self, unit: &UnitState) -> Result<(), ObserveError> {
        let name = self.unit();
        let fail = |code, message, hint: &str| Err(ObserveError::Impossible { code, message, hint: hint.into() });
        let wants_it = self.state == Some(State::Running) || self.enabled == Some(true);
        if !unit.exists && wants_it {
            let hint = "check the name, or declare the package or the unit file that brings it and require that";
            return fail("missing-unit", format!("there is no unit `{name}`"), hint);
        }
        if unit.enabled == Known::Is(EnableState::Masked) && self.masked.is_none() && wants_it {
            return fail("unit-masked", format!("`{name}` is masked"), "unmask it: `masked = false`");
        }
        if unit.enabled == Known::Is(EnableState::Static) && self.enabled == Some(true) {
            let hint = "leave `enabled` out, or add `WantedBy=multi-user.target` under [Install]";
            return fail("unit-static", format!("`{name}` has no [Install] section and cannot be enabled"), hint);
        }
        Ok(())
    }

    fn changes(&self, unit: &UnitState) -> Vec<Change> {
        let mut changes = Vec::new();
        let bool = |value: bool| Shown::Value(Value::Bool(value));
        let is_masked = unit.enabled.clone().map(|enabled| enabled == EnableState::Masked);
        if let Some(wanted) = self.masked {
            match &is_masked {
                Known::Is(masked) if *masked == wanted => {}
                Known::Is(masked) => changes.push(Change::value("masked", bool(*masked), bool(wanted))),
                Known::Unknown(because) => changes.push(Change::value("masked", Shown::Unknown(because.clone()), bool(wanted))),
            }
        }
        if unit.needs_daemon_reload && unit.active == Known::Is(ActiveState::Active) {
            let text = |text: &str| Shown::Value(Value::string(text));
            changes.push(Change::value("unit_files", text("changed on disk"), text("read again")));
        }
        if let Some(wanted) = self.enabled {
            match &unit.enabled {
                Known::Unknown(because) => changes.push(Change::value("enabled", Shown::Unknown(because.clone()), bool(wanted))),
                Known::Is(EnableState::Masked) => {
                    changes.push(Change::value("enabled", Shown::Value(Value::Member("masked".into())), bool(wanted)));
                }
                Known::Is(EnableState::Runtime) => {
                    changes.push(Change::value("enabled", Shown::Value(Value::Member("until_reboot".into())), bool(wanted)));
                }
                Known::Is(EnableState::Enabled) if !wanted => changes.push(Change::value("enabled", bool(true), bool(false))),
                Known::Is(EnableState::Disabled) if wanted => changes.push(Change::value("enabled", bool(false), bool(true))),
                Known::Is(_) => {}
            }
        }
        if let Some(wanted) = self.state {
            let member = |word: &str| Shown::Value(Value::Member(word.into()));
            let before = match &unit.active {
                Known::Unknown(because) => Some(Shown::Unknown(because.clone())),
                Known::Is(active) => match (active, wanted) {
                    (ActiveState::Active | ActiveState::Activating, State::Stopped) => Some(member("running")),
                    (ActiveState::Inactive, State::Running) => Some(member("stopped")),
                    (ActiveState::Failed, State::Running) => Some(member("failed")),
                    _ => None,
                },
            };
            changes.extend(before.map(|before| Change::value("state", before, member(wanted.name()))));
        }
        changes
    }
}

impl ResourceType for Service {
    type Observed = ObservedService;

    fn observe(&self, world: &dyn World) -> Result<ObservedService, ObserveError> {
        let unit = world.unit(&self.unit())?;
        if let Known::Is(state) = &unit {
            self.refuse(state)?;
        }
        Ok(ObservedService { unit })
    }

    fn diff(&self, observed: &ObservedService) -> Difference {
        match &observed.unit {
            Known::Is(unit) => {
                let changes = self.changes(unit);
                let is_open = |change: &Change| matches!(change.before, Shown::Unknown(_));
                let unknown =
                    changes.iter().all(is_open).then(|| changes.first()).flatten().and_then(|change| match &change.before {
                        Shown::Unknown(because) => Some(because.clone()),
                        _ => None,
                    });
                Difference { unknown, ..Difference::update(changes) }
            }
            Known::Unknown(because) => {
                // Nothing is known of it, so that everything that is asked for may have to be done.
                let unit = unknown_unit(because);
                let difference = Difference::update(self.changes(&unit));
                let unknown = (!difference.is_none()).then(|| because.clone());
                Difference { unknown, ..difference }
            }
        }
    }

    fn digest(&self, observed: &ObservedService, hasher: &mut blake3::Hasher) -> bool {
        let Known::Is(unit) = &observed.unit else { return false };
        let (Known::Is(active), Known::Is(enabled)) = (&unit.active, &unit.enabled) else { return false };
        hasher.update(format!("{} {active:?} {enabled:?}", unit.exists).as_bytes());
        true
    }

    fn predict(&self, observed: &ObservedService, difference: &Difference, effects: &mut Predicted<'_>) {
        let mut unit = match &observed.unit {
            Known::Is(unit) => unit.clone(),
            Known::Unknown(because) => unknown_unit(because),
        };
        if difference.is_none() {
            return;
        }
        unit.needs_daemon_reload = false;
        match self.state {
            Some(_) if unit.active == Known::Is(ActiveState::Offline) => {}
            Some(State::Running) => unit.active = Known::Is(ActiveState::Active),
            Some(State::Stopped) if unit.active != Known::Is(ActiveState::Failed) => {
                unit.active = Known::Is(ActiveState::Inactive);
            }
            _ => {}
        }
        let settled = matches!(unit.enabled, Known::Is(EnableState::Static | EnableState::Indirect));
        match (self.masked, self.enabled) {
            (Some(true), _) => unit.enabled = Known::Is(EnableState::Masked),
            (_, Some(true)) if !settled => unit.enabled = Known::Is(EnableState::Enabled),
            (_, Some(false)) if !settled => unit.enabled = Known::Is(EnableState::Disabled),
            (Some(false), None) if unit.enabled == Known::Is(EnableState::Masked) => {
                unit.enabled = Known::Unknown(format!("{} is unmasked", self.unit()).into());
            }
            _ => {}
        }
        effects.put_unit(&self.unit(), unit);
    }

    fn apply(&self, _observed: &ObservedService, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let systemd = &machine.system().systemd;
        let unit = self.unit();
        let changes = |name: &str| difference.changes.iter().any(|change| &*change.attribute == name);
        if changes("masked") && self.masked == Some(false) {
            systemd.change_files(machine, &unit, FileChange::Unmask)?;
        }
        if changes("unit_files") {
            systemd.reload_units(machine)?;
        }
        if let Some(wanted) = self.enabled.filter(|_| changes("enabled")) {
            systemd.change_files(machine, &unit, if wanted { FileChange::Enable } else { FileChange::Disable })?;
        }
        if let Some(wanted) = self.state.filter(|_| changes("state")) {
            let job = if wanted == State::Running { Job::Start } else { Job::Stop };
            systemd.run(machine, &unit, job, None)?;
        }
        if changes("masked") && self.masked == Some(true) {
            systemd.change_files(machine, &unit, FileChange::Mask)?;
        }
        Ok(Applied::Done)
    }

    fn reaction(&self) -> Option<ReactionKind> {
        (self.state != Some(State::Stopped) && self.masked != Some(true)).then_some(ReactionKind::Restart)
    }

    fn react(&self, machine: &Machine) -> Result<(), ApplyError> {
        let unit = self.unit();
        let state = machine.world().unit(&unit)?.known()?;
        let runs = matches!(state.active, Known::Is(ActiveState::Active | ActiveState::Activating));
        if !runs && self.state.is_none() {
            // Nobody asked for it to run: there is nothing that could have old configuration.
            return Ok(());
        }
        if let Some(command) = &self.restart_command {
            return commands::run_command(machine, command.clone(), None, None, |status| status == 0).map(drop);
        }
        let job = if self.reload && runs { Job::ReloadOrRestart } else { Job::Restart };
        machine.system().systemd.run(machine, &unit, job, None)
    }

    fn absorbs_reaction(&self, difference: &Difference) -> bool {
        let starts = |change: &Change| &*change.attribute == "state" && !matches!(change.before, Shown::Unknown(_));
        difference.action != Action::None && self.state == Some(State::Running) && difference.changes.iter().any(starts)
    }

    /// Stopped and not started any more, where its unit goes as well.
    fn removal(&self) -> Option<stead_engine::Removal> {
        let set = vec![("state", Value::Member("stopped".into())), ("enabled", Value::Bool(false))];
        Some(stead_engine::Removal { keep: &[], set, along_with: Some(Place::unit(self.unit().as_str())) })
    }
}

fn unknown_unit(because: &Arc<str>) -> UnitState {
    UnitState {
        exists: true,
        active: Known::Unknown(because.clone()),
        enabled: Known::Unknown(because.clone()),
        can_reload: false,
        needs_daemon_reload: false,
    }
}
