//! Work on many hosts, so many at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// File descriptors that a host takes: three pipes, and what it needs to start ssh.
const PER_HOST: u64 = 8;
/// File descriptors for everything else.
const OTHERS: u64 = 64;

/// How many hosts can be worked on at a time, where so many are asked for.
pub(crate) fn width(asked: usize) -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(1024);
    let possible = usize::try_from(limit.saturating_sub(OTHERS) / PER_HOST).unwrap_or(usize::MAX);
    asked.min(possible).max(1)
}

/// Does the work on each item, `width` at a time, and returns what came of it in the order of the items.
pub(crate) fn each<T: Send, R: Send>(items: Vec<T>, width: usize, work: impl Fn(usize, T) -> R + Sync) -> Vec<R> {
    let items: Vec<Mutex<Option<T>>> = items.into_iter().map(|item| Mutex::new(Some(item))).collect();
    let done: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..width.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(item), Some(slot)) = (items.get(at), done.get(at)) else { return };
                    let Some(item) = item.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
                    let result = work(at, item);
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                }
            });
        }
    });
    done.into_iter().filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..100).collect();
        let doubled = each(items, 7, |at, item| {
            thread::sleep(std::time::Duration::from_micros(item * 37 % 11));
            (at, item * 2)
        });
        assert!(doubled.iter().enumerate().all(|(at, result)| *result == (at, at as u64 * 2)));
        assert_eq!(doubled.len(), 100);
    }

    #[test]
    fn one_at_a_time_is_the_least() {
        assert_eq!(width(0), 1);
        assert!(width(usize::MAX) >= 1);
    }
}
