//! Threads with room for deep recursion. How deep code may go is limited elsewhere; here is the stack that the limits count on.

use std::sync::LazyLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Enough for the deepest evaluation ([`crate::eval::MAX_DEPTH`]) and the deepest syntax tree, in a build without optimisation.
const STACK_BYTES: usize = 128 << 20;

static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| ThreadPoolBuilder::new().stack_size(STACK_BYTES).build().ok());

/// Work that nobody waits for is done by threads of its own: what somebody waits for is never behind it.
static BACKGROUND: LazyLock<Option<ThreadPool>> = LazyLock::new(|| ThreadPoolBuilder::new().stack_size(STACK_BYTES).build().ok());

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
