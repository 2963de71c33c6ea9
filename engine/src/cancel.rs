//! Ending a run early.

use std::sync::atomic::{AtomicU8, Ordering};

/// Ends a run early: asked once, it finishes what runs and starts nothing more; asked again, it ends what runs.
#[derive(Debug, Default)]
pub struct Cancel {
    asked: AtomicU8,
}

impl Cancel {
    /// Nobody has asked.
    pub const fn new() -> Self {
        Self { asked: AtomicU8::new(0) }
    }

    /// Asks (once more). Async-signal-safe.
    pub fn ask(&self) {
        let _ = self.asked.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |asked| Some(asked.saturating_add(1)));
    }

    /// Says whether nothing more is to be started.
    pub fn is_cancelled(&self) -> bool {
        self.asked.load(Ordering::SeqCst) >= 1
    }

    /// Says whether what runs is to end now.
    pub fn is_aborted(&self) -> bool {
        self.asked.load(Ordering::SeqCst) >= 2
    }
}
