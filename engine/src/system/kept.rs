//! What is read of a system once and kept until something changes it.

use std::sync::{Arc, PoisonError, RwLock};

/// Something that is read at the first question.
#[derive(Debug)]
pub(super) struct Kept<T>(RwLock<Option<Arc<T>>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T> Kept<T> {
    /// Returns what is kept, and reads it first where nothing is. Who asks meanwhile waits, rather than reading it as well.
    ///
    /// # Errors
    /// What `read` fails with; nothing is kept then.
    pub(super) fn get<E>(&self, read: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some(known) = &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(known.clone());
        }
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(known) => Ok(known.clone()),
            None => Ok(kept.insert(Arc::new(read()?)).clone()),
        }
    }

    /// Forgets it.
    pub(super) fn forget(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn what_many_ask_for_at_once_is_read_once() {
        let (kept, reads, start) = (Kept::default(), AtomicUsize::new(0), Barrier::new(4));
        let ask = || {
            start.wait();
            kept.get(|| {
                thread::yield_now();
                Ok::<_, ()>(reads.fetch_add(1, Ordering::Relaxed))
            })
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            assert!(threads.into_iter().all(|thread| thread.join().unwrap() == Ok(Arc::new(0))));
        });
        kept.forget();
        assert_eq!(kept.get(|| Err("refused")), Err("refused"));
        assert_eq!(kept.get(|| Ok::<_, ()>(7)), Ok(Arc::new(7)));
    }
}
