//! The resource type `port_check`.

use std::sync::Arc;
use std::time::Duration;

use stead_catalog::{Problem, Shown, Value};
use stead_engine::{Applied, ApplyError, Difference, Known, Machine, ObserveError, Predicted, ReactionKind, ResourceType, World};

use crate::problems::Problems;
use crate::values::Port;
use crate::waiting::{Health, Patience};
use crate::{Choice, Resource};

/// A TCP port that has to take connections, or to take none, before what comes after goes on.
///
/// Where nothing that comes before it changes, the plan asks at once: there is nothing to do when the port is as wanted. After a change it
/// waits until it is, and fails when that takes longer than `within`; what requires it is held then. Compares to
/// Salt's `loop.until` with `network.connect`, Puppet's `tcp_conn_validator`, and Ansible's `wait_for`.
///
/// ```stead
/// port_check "database" { host = "db.internal", port = 5432 }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "port_check",
    since = "0.1",
    reacts,
    aliases(
        server = "host",
        address = "host",
        sleep = "interval",
        try_sleep = "interval",
        max_wait = "within",
        connect_timeout = "wait"
    )
)]
pub struct PortCheck {
    /// What answers there. Identifies the resource.
    #[key]
    pub name: Arc<str>,
    /// The host, by name or address.
    #[default("127.0.0.1")]
    pub host: Arc<str>,
    /// The TCP port.
    pub port: Port,
    /// What the port has to be like.
    #[default(State::Open)]
    pub state: State,
    /// How long it may take until the port is like that.
    #[default(Duration::from_secs(60))]
    pub within: Duration,
    /// The pause between two tries.
    #[default(Duration::from_secs(1))]
    pub interval: Duration,
    /// The pause before the first try after a change.
    #[default(Duration::ZERO)]
    pub delay: Duration,
    /// The longest wait for one connection.
    #[default(Duration::from_secs(5))]
    pub wait: Duration,
    /// How many tries in a row have to find it so.
    #[default(1)]
    pub successes: u32,
}

/// What the port has to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// It takes connections.
    Open,
    /// It takes none.
    Closed,
}

impl PortCheck {
    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        if self.host.trim().is_empty() || self.host.contains(['/', ' ']) {
            problems.invalid("host", format!("`{}` is no host", self.host), "write a name or an address, such as `127.0.0.1`");
        }
        self.patience().check(&mut problems);
        problems.finish()
    }

    fn patience(&self) -> Patience {
        Patience { within: self.within, interval: self.interval, delay: self.delay, successes: self.successes }
    }

    /// Asks once.
    fn ask(&self, world: &dyn World) -> Result<Health, ObserveError> {
        Ok(match (world.connects(&self.host, self.port.0, self.wait)?, self.state) {
            (Known::Unknown(because), _) => Health::Later(because),
            (Known::Is(Ok(())), State::Open) | (Known::Is(Err(_)), State::Closed) => Health::Good,
            (Known::Is(Err(why)), State::Open) => Health::Bad(why.0),
            (Known::Is(Ok(())), State::Closed) => Health::Bad("open".into()),
        })
    }

    fn wanted(&self) -> Shown {
        Shown::Value(Value::Member(if self.state == State::Open { "open" } else { "closed" }.into()))
    }

    fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port.0)
        } else {
            format!("{}:{}", self.host, self.port.0)
        }
    }
}

impl ResourceType for PortCheck {
    type Observed = Health;

    fn observe(&self, world: &dyn World) -> Result<Health, ObserveError> {
        self.ask(world)
    }

    fn diff(&self, observed: &Health) -> Difference {
        observed.difference(&self.place(), self.wanted())
    }

    fn digest(&self, observed: &Health, hasher: &mut blake3::Hasher) -> bool {
        observed.digest(hasher)
    }

    fn predict(&self, _: &Health, _: &Difference, _: &mut Predicted<'_>) {}

    fn apply(&self, _: &Health, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        self.react(machine)?;
        Ok(Applied::Done)
    }

    fn reaction(&self) -> Option<ReactionKind> {
        Some(ReactionKind::Run)
    }

    fn react(&self, machine: &Machine) -> Result<(), ApplyError> {
        self.patience().wait(machine, &self.place(), || self.ask(machine.world()))
    }
}
