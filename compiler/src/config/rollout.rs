//! The table `[rollout]`: how an apply goes through many hosts, and what is looked at between batches.

use std::sync::Arc;
use std::time::Duration;

use stead_catalog::{Type, Value};

use super::Reader;
use crate::data::{Kind, Node};

/// So many hosts: a number, or a part of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// A number of hosts.
    Count(usize),
    /// Percent of all hosts, rounded up; 100 at the most.
    Percent(u8),
}

impl Share {
    /// Reads `5` or `10%`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|percent| *percent <= 100).map(Self::Percent),
            None => text.parse().ok().map(Self::Count),
        }
    }

    /// How many of so many hosts that is.
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count.min(all),
            Self::Percent(percent) => (all * usize::from(percent)).div_ceil(100),
        }
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// The table `[rollout]`. The command line has the last word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolloutConfig {
    /// Hosts that are changed at a time; all of them when absent.
    pub batch: Option<Share>,
    /// Hosts that go first; whatever fails there ends the rollout.
    pub canary: Option<Share>,
    /// Hosts that may fail before no more are begun; any number when absent.
    pub max_failures: Option<Share>,
    /// Groups in the order of the rollout; hosts of no group that is named come last.
    pub order: Vec<Arc<str>>,
    /// How long it rests between batches, in nanoseconds.
    pub pause_ns: Option<u64>,
    /// What is looked at on each host of a batch before the next one.
    pub checks: Vec<HealthCheck>,
}

/// One `[[rollout.check]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is looked at.
    pub kind: HealthKind,
    /// The longest time one look may take, in nanoseconds.
    pub timeout_ns: u64,
    /// How often it is looked before the host counts as broken.
    pub tries: u32,
    /// The time between two tries, in nanoseconds.
    pub delay_ns: u64,
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthKind {
    /// A command on the host that has to succeed.
    Exec(Vec<Arc<str>>),
    /// A service on the host that has to be active.
    Service(Arc<str>),
    /// `HOST:PORT` that has to answer, asked from the operator's side.
    Tcp(Arc<str>),
    /// A page that has to answer with 200 to 399, asked from the operator's side.
    Http(Arc<str>),
}

impl HealthCheck {
    /// The longest time one look may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_nanos(self.timeout_ns)
    }

    /// The time between two tries.
    pub fn delay(&self) -> Duration {
        Duration::from_nanos(self.delay_ns)
    }
}

const SECOND: u64 = 1_000_000_000;

impl RolloutConfig {
    pub(super) fn read(table: &Node, reader: &mut Reader) -> Self {
        reader.known_keys(table, &["batch", "canary", "max_failures", "order", "pause", "check"], "rollout");
        Self {
            batch: share(table, "batch", reader).filter(|share| *share != Share::Count(0)),
            canary: share(table, "canary", reader),
            max_failures: share(table, "max_failures", reader),
            order: reader.words(table, "order"),
            pause_ns: reader.quantity(table, "pause", &Type::Duration, "a duration such as \"30s\""),
            checks: checks(table, reader),
        }
    }
}

fn share(table: &Node, key: &str, reader: &mut Reader) -> Option<Share> {
    let node = &table.get(key)?.node;
    let share = match &node.kind {
        Kind::Scalar(Value::Int(count)) => usize::try_from(*count).ok().map(Share::Count),
        Kind::Scalar(Value::String(text)) => Share::parse(text),
        _ => None,
    };
    if share.is_none() {
        reader.wrong_kind(node, key, "a number of hosts, or a part of them such as \"10%\"");
    }
    share
}

fn checks(table: &Node, reader: &mut Reader) -> Vec<HealthCheck> {
    let Some(entry) = table.get("check") else { return Vec::new() };
    let Kind::List(items) = &entry.node.kind else {
        reader.wrong_kind(&entry.node, "check", "a list: write [[rollout.check]]");
        return Vec::new();
    };
    items.iter().filter_map(|item| check(item, reader)).collect()
}

fn check(item: &Node, reader: &mut Reader) -> Option<HealthCheck> {
    if !matches!(item.kind, Kind::Map(_)) {
        reader.wrong_kind(item, "check", "a table");
        return None;
    }
    reader.known_keys(item, &["exec", "service", "tcp", "http", "timeout", "tries", "delay"], "rollout.check");
    let before = reader.found.len();
    let argv = reader.words(item, "exec");
    let mut kinds = Vec::new();
    if !argv.is_empty() {
        kinds.push(HealthKind::Exec(argv));
    }
    kinds.extend(reader.text(item, "service").map(HealthKind::Service));
    kinds.extend(reader.text(item, "tcp").map(HealthKind::Tcp));
    kinds.extend(reader.text(item, "http").map(HealthKind::Http));
    let tries = match item.get("tries").map(|entry| &entry.node) {
        None => 1,
        Some(node) => match &node.kind {
            Kind::Scalar(Value::Int(tries)) if (1..=1000).contains(tries) => u32::try_from(*tries).unwrap_or(1),
            _ => {
                reader.wrong_kind(node, "tries", "a number from 1 to 1000");
                1
            }
        },
    };
    let timeout_ns = reader.quantity(item, "timeout", &Type::Duration, "a duration such as \"10s\"").unwrap_or(10 * SECOND);
    let delay_ns = reader.quantity(item, "delay", &Type::Duration, "a duration such as \"1s\"").unwrap_or(SECOND);
    if kinds.len() != 1 {
        if reader.found.len() == before {
            let message = "a check is one of `exec`, `service`, `tcp` and `http`".to_owned();
            reader.error("invalid-setting", item.span, message);
        }
        return None;
    }
    let kind = kinds.pop()?;
    Some(HealthCheck { kind, timeout_ns, tries, delay_ns })
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn read(text: &str) -> (RolloutConfig, Vec<String>) {
        let (config, found) = Config::parse(&"stead.toml".into(), text.as_bytes());
        (config.rollout, found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_rollout_is_read() {
        let (rollout, found) = read(
            "[rollout]\nbatch = \"25%\"\ncanary = 1\nmax_failures = 0\norder = [\"db\", \"web\"]\npause = \"30s\"\n\
             [[rollout.check]]\nhttp = \"http://{address}/\"\ntries = 3\n[[rollout.check]]\nexec = [\"true\"]\ntimeout = \"2s\"\n",
        );
        assert_eq!(found, [""; 0]);
        assert_eq!((rollout.batch, rollout.canary), (Some(Share::Percent(25)), Some(Share::Count(1))));
        assert_eq!((rollout.max_failures, rollout.pause_ns), (Some(Share::Count(0)), Some(30 * SECOND)));
        assert_eq!(rollout.checks.len(), 2);
        assert_eq!(rollout.checks[0].tries, 3);
        assert_eq!(rollout.checks[1].kind, HealthKind::Exec(vec!["true".into()]));
    }

    #[test]
    fn mistakes_are_told() {
        for text in [
            "[rollout]\nbatch = \"many\"\n",
            "[rollout]\nbatch = \"101%\"\n",
            "[rollout]\ncheck = 1\n",
            "[[rollout.check]]\n",
            "[[rollout.check]]\ntcp = \"a:1\"\nservice = \"x\"\n",
            "[[rollout.check]]\ntcp = \"a:1\"\ntries = 0\n",
            "[rollout]\norder = [1]\n",
        ] {
            let (_, found) = read(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].contains("invalid-setting"), "{found:?}");
        }
    }

    #[test]
    fn shares_are_rounded_up() {
        assert_eq!(Share::Percent(10).of(5), 1);
        assert_eq!(Share::Percent(0).of(5), 0);
        assert_eq!(Share::Count(9).of(5), 5);
        assert_eq!(Share::parse("-1"), None);
    }
}
