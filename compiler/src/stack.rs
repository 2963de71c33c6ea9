//! Threads with room for deep recursion. How deep code may go is limited elsewhere; here is the stack that the limits count on.

use std::sync::{LazyLock, OnceLock};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Enough for the deepest evaluation ([`crate::eval::MAX_DEPTH`]) and the deepest syntax tree, in a build without optimisation.
const STACK_BYTES: usize = 128 << 20;

static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| ThreadPoolBuilder::new().stack_size(STACK_BYTES).build().ok());

/// Work that nobody waits for is done by threads of its own: what somebody waits for is never behind it.
static BACKGROUND: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    let first = |_| {
        if let Some(run) = FIRST.get() {
            run();
        }
    };
    ThreadPoolBuilder::new().stack_size(STACK_BYTES).start_handler(first).build().ok()
});

static FIRST: OnceLock<fn()> = OnceLock::new();

/// Says what each thread of the background does first: such as to let all others go before it, which is for the head to know. It counts
/// where nothing was compiled in the background before, and once.
pub fn first_in_background(run: fn()) {
    // A second one is of no use: the threads are there.
    let _ = FIRST.set(run);
}

/// Runs `work`, and what it does in parallel, on threads with a large stack.
pub(crate) fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    on(&POOL, work)
}

/// Runs `work` as [`with_room`] does, beside it.
pub(crate) fn in_background<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    on(&BACKGROUND, work)
}

fn on<T: Send>(pool: &LazyLock<Option<ThreadPool>>, work: impl FnOnce() -> T + Send) -> T {
    match &**pool {
        Some(pool) => pool.install(work),
        // Without threads of our own the ordinary ones have to do.
        None => work(),
    }
}
