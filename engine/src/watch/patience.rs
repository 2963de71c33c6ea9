//! A limit for two writers who fight over one thing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Corrections of one resource within [`WINDOW`] that are no fight yet.
pub(super) const LIMIT: usize = 5;

/// The time in which corrections are counted.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// How long a resource that is fought over is left alone at first; twice as long each time after.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// The longest it is left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What may be done about a resource that has drifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Put it right.
    Go,
    /// It has been put right too often: it is left alone for so long from now on.
    Pause(Duration),
    /// It is being left alone.
    Wait,
}

/// How often a resource has been put right of late.
#[derive(Debug, Default)]
pub(super) struct Patience {
    corrections: VecDeque<Instant>,
    /// The last pause: until when, and how long it was.
    pause: Option<(Instant, Duration)>,
}

impl Patience {
    /// Decides whether the resource may be put right now.
    pub(super) fn ask(&mut self, now: Instant) -> Verdict {
        let mut limit = LIMIT;
        match self.pause {
            Some((until, _)) if now < until => return Verdict::Wait,
            // Calm for as long as it was left alone, and a window at the least: the fight is over.
            Some((until, length)) if now.duration_since(until) > length.max(WINDOW) => self.pause = None,
            // One correction after the pause is the try; another one soon after is the fight going on.
            Some(_) => limit = 1,
            None => {}
        }
        self.corrections.retain(|at| now.saturating_duration_since(*at) < WINDOW);
        if self.corrections.len() < limit {
            return Verdict::Go;
        }
        let length = self.pause.map_or(FIRST_PAUSE, |(_, last)| (last * 2).min(LONGEST_PAUSE));
        self.pause = Some((now + length, length));
        self.corrections.clear();
        Verdict::Pause(length)
    }

    /// It has been put right.
    pub(super) fn corrected(&mut self, now: Instant) {
        self.corrections.push_back(now);
    }

    /// The end of the pause it is in.
    pub(super) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.pause.map(|(until, _)| until).filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks every so often and tells the verdicts: `.` for Go, `|` for Wait, seconds for Pause.
    fn asked(every: Duration, times: u32) -> String {
        let (start, mut patience) = (Instant::now(), Patience::default());
        (0..times)
            .map(|time| match patience.ask(start + every * time) {
                Verdict::Go => {
                    patience.corrected(start + every * time);
                    ".".to_owned()
                }
                Verdict::Wait => "|".to_owned(),
                Verdict::Pause(pause) => format!("[{}]", pause.as_secs()),
            })
            .collect()
    }

    #[test]
    fn now_and_then_is_no_fight() {
        assert_eq!(asked(Duration::from_secs(13), 30), ".".repeat(30));
    }

    #[test]
    fn a_fight_is_given_up_for_longer_each_time() {
        let told = asked(Duration::from_secs(10), 60);
        assert_eq!(told, ".....[30]||.[60]|||||.[120]|||||||||||.[240]|||||||||||||||||||||||.[480]|||||");
    }

    #[test]
    fn a_fight_that_is_over_is_forgotten() {
        let (start, mut patience) = (Instant::now(), Patience::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        for second in 0..5 {
            assert_eq!(patience.ask(at(second)), Verdict::Go);
            patience.corrected(at(second));
        }
        assert_eq!(patience.ask(at(5)), Verdict::Pause(FIRST_PAUSE));
        assert_eq!(patience.paused_until(at(6)), Some(at(35)));
        for second in 200..205 {
            assert_eq!(patience.ask(at(second)), Verdict::Go, "{second}");
            patience.corrected(at(second));
        }
        assert_eq!(patience.ask(at(205)), Verdict::Pause(FIRST_PAUSE));
    }
}
