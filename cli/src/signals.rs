//! Signals that end a program: whose they are.
//!
//! Whoever takes one is asked instead of the program being ended. What was taken can be given back: the library that hands signals out leaves
//! its own handler in place for good, so ending the program has to be put there as well.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag::register_conditional_default;

/// The signals that somebody may send to end a program.
pub(crate) const ENDINGS: [i32; 4] = [SIGTERM, SIGHUP, SIGINT, SIGQUIT];

/// For each of them: whether it ends the program, and whether that is done by a handler by now.
static STATES: LazyLock<[(i32, Arc<AtomicBool>, AtomicBool); 4]> =
    LazyLock::new(|| ENDINGS.map(|signal| (signal, Arc::new(AtomicBool::new(true)), AtomicBool::new(false))));

/// Signals that were taken for a while.
pub(crate) struct Taken(Vec<i32>);

/// Takes signals for as long as the program runs. To be said before a handler is there.
pub(crate) fn take(signals: &[i32]) {
    for (_, ends, _) in STATES.iter().filter(|(signal, ..)| signals.contains(signal)) {
        ends.store(false, Ordering::SeqCst);
    }
}

/// Takes those signals that are nobody's, until what is returned is dropped.
pub(crate) fn borrow() -> Taken {
    let free = STATES.iter().filter(|(_, ends, _)| ends.swap(false, Ordering::SeqCst));
    Taken(free.map(|(signal, ..)| *signal).collect())
}

impl Taken {
    /// Says whether it was nobody's.
    pub(crate) fn has(&self, signal: i32) -> bool {
        self.0.contains(&signal)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        for (signal, ends, has_handler) in STATES.iter().filter(|(signal, ..)| self.0.contains(signal)) {
            ends.store(true, Ordering::SeqCst);
            let is_handled =
                has_handler.swap(true, Ordering::SeqCst) || register_conditional_default(*signal, ends.clone()).is_ok();
            debug_assert!(is_handled, "the signals of this list can be handled");
        }
    }
}
