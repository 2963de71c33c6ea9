//! A few threads that take tasks from one queue.
//!
//! They wait for disks and commands more than they compute, so there are more of them than processors.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A queue of tasks.
pub(super) struct Pool<T> {
    queue: Mutex<Queue<T>>,
    filled: Condvar,
}

struct Queue<T> {
    tasks: VecDeque<T>,
    closed: bool,
}

impl<T> Pool<T> {
    pub(super) fn new() -> Self {
        Self { queue: Mutex::new(Queue { tasks: VecDeque::new(), closed: false }), filled: Condvar::new() }
    }

    /// Adds a task.
    pub(super) fn push(&self, task: T) {
        self.queue().tasks.push_back(task);
        self.filled.notify_one();
    }

    /// Lets the threads end once the queue is empty.
    pub(super) fn close(&self) {
        self.queue().closed = true;
        self.filled.notify_all();
    }

    /// Takes tasks until the queue is closed.
    pub(super) fn work(&self, run: impl Fn(T)) {
        loop {
            let mut queue = self.queue();
            let task = loop {
                match queue.tasks.pop_front() {
                    Some(task) => break task,
                    None if queue.closed => return,
                    None => queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(queue);
            run(task);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
