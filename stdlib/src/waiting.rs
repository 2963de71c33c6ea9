//! Waiting until something is as it should be: what `port_check` and `http_check` have in common.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stead_catalog::{Action, Change, Shown, Value};
use stead_engine::{ApplyError, Difference, Machine, ObserveError};

use crate::problems::Problems;

/// How often a wait looks whether the run is being ended.
const TICK: Duration = Duration::from_millis(50);

/// How something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// As wanted.
    Good,
    /// Not as wanted: why, in words.
    Bad(Arc<str>),
    /// Asked only after something else.
    Later(Arc<str>),
}

impl Health {
    /// Nothing to do while it is as wanted.
    pub(crate) fn difference(&self, place: &str, wanted: Shown) -> Difference {
        let (before, unknown) = match self {
            Self::Good => return Difference::NONE,
            Self::Bad(why) => (Shown::Value(Value::string(why.clone())), None),
            Self::Later(because) => (Shown::Unknown(because.clone()), Some(because.clone())),
        };
        Difference { action: Action::Run, changes: vec![Change::value(place, before, wanted)], unknown }
    }

    /// Feeds it into a digest; `false` when it is unknown.
    pub(crate) fn digest(&self, hasher: &mut blake3::Hasher) -> bool {
        // Why it does not answer may differ from one moment to the next.
        hasher.update(&[u8::from(*self == Self::Good)]);
        !matches!(self, Self::Later(_))
    }
}

/// How long and how often is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) within: Duration,
    pub(crate) interval: Duration,
    pub(crate) delay: Duration,
    pub(crate) successes: u32,
}

impl Patience {
    /// Finds mistakes in it.
    pub(crate) fn check(&self, problems: &mut Problems) {
        if self.successes == 0 {
            problems.invalid("successes", "no try has to succeed", "write 1 or more");
        }
        if self.interval < Duration::from_millis(10) {
            problems.invalid("interval", "the pause between two tries is too short", "write `10ms` or more");
        }
    }

    /// The pause before the next try, when this much time has passed; `None` when time is up. The last one is shorter, so that
    /// what answers at the end of `within` is seen.
    fn rest(&self, passed: Duration) -> Option<Duration> {
        self.within.checked_sub(passed).filter(|left| !left.is_zero()).map(|left| left.min(self.interval))
    }

    /// Asks until it is as wanted.
    ///
    /// # Errors
    /// `not-healthy` when time is up, `cancelled`, and what asking fails with.
    pub(crate) fn wait(
        &self,
        machine: &Machine,
        place: &str,
        ask: impl Fn() -> Result<Health, ObserveError>,
    ) -> Result<(), ApplyError> {
        let begun = Instant::now();
        pause(machine, self.delay)?;
        let mut good = 0;
        loop {
            let found = ask()?;
            let why = match found {
                Health::Good => {
                    good += 1;
                    if good >= self.successes {
                        return Ok(());
                    }
                    "it did not stay so".into()
                }
                Health::Bad(why) | Health::Later(why) => {
                    good = 0;
                    why
                }
            };
            let rest = self.rest(begun.elapsed()).filter(|rest| machine.time_left().is_none_or(|left| left > *rest));
            let Some(rest) = rest else {
                return Err(ObserveError::Impossible {
                    code: "not-healthy",
                    message: format!("{place} is not as wanted after {} s: {why}", begun.elapsed().as_secs()),
                    hint: "look at what should answer there, and at its log; raise `within` if it needs longer".into(),
                }
                .into());
            };
            pause(machine, rest)?;
        }
    }
}

/// Waits, and gives up when the run is ended.
fn pause(machine: &Machine, length: Duration) -> Result<(), ApplyError> {
    let end = Instant::now() + length;
    loop {
        if machine.is_aborted() {
            return Err(ApplyError::Cancelled);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(TICK));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_try_is_at_the_end() {
        let seconds = Duration::from_secs;
        let patience = Patience { within: seconds(3), interval: seconds(2), delay: Duration::ZERO, successes: 1 };
        assert_eq!(patience.rest(Duration::ZERO), Some(seconds(2)));
        assert_eq!(patience.rest(seconds(2)), Some(seconds(1)));
        assert_eq!(patience.rest(seconds(3)), None);
        assert_eq!(patience.rest(seconds(4)), None);
        let once = Patience { within: Duration::ZERO, ..patience };
        assert_eq!(once.rest(Duration::ZERO), None);
    }
}
