//! Wakes a run that sleeps.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

/// Wakes a watching run from another thread: a signal came, a message arrived.
#[derive(Clone, Debug)]
pub struct Alarm {
    fd: Arc<OwnedFd>,
}

impl Alarm {
    /// Makes one.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new() -> std::io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { fd: Arc::new(fd) })
    }

    /// Wakes whoever waits, now or at the next wait.
    pub fn ring(&self) {
        // A counter that is full has been rung before.
        let _ = rustix::io::write(&self.fd, &1_u64.to_ne_bytes());
    }

    /// Is quiet again.
    pub(super) fn hush(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.fd, &mut count);
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
