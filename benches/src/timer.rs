//! Wall and CPU time of a piece of work.

use std::time::{Duration, Instant};

/// What one round took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Took {
    /// CPU time of all threads, user and system.
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

/// Does the work so many times; returns the median of its times (by CPU) and what the last round returned.
pub(crate) fn median<T>(rounds: usize, mut work: impl FnMut() -> T) -> (Took, T) {
    let mut took = Vec::with_capacity(rounds);
    loop {
        let (cpu, wall) = (cpu_time(), Instant::now());
        let result = work();
        took.push(Took { cpu: cpu_time().saturating_sub(cpu), wall: wall.elapsed() });
        if took.len() >= rounds {
            took.sort_unstable();
            return (took[took.len() / 2], result);
        }
    }
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The times as JSON, in seconds.
pub(crate) fn json(took: Took) -> serde_json::Value {
    serde_json::json!({ "cpu_s": took.cpu.as_secs_f64(), "wall_s": took.wall.as_secs_f64() })
}
