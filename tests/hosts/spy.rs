//! Another user who wants to read what is not theirs.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use rustix::fs::{Dir, Mode, OFlags, open, openat};
use rustix::process::{Gid, Uid};
use stead_tests::host::Host;

/// The word that every secret of these tests holds.
const MARK: &str = "secret";

/// Somebody who is not root and tries, as fast as can be, to read a secret out of every file of some directories,
/// whatever its name. It looks from outside the host, through its root, as a user that the host calls `nobody`.
pub(crate) struct Spy {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
    thread: JoinHandle<Vec<String>>,
}

impl Spy {
    /// Starts to look.
    pub(crate) fn on(host: &Host, directories: &[&str]) -> Self {
        let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&looks));
        // Opened by root: /proc/PID/root is closed to others, and what lies below it then is not.
        let root = open(host.path("/"), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).expect("the host has a root");
        let directories: Vec<PathBuf> = directories.iter().map(|path| PathBuf::from(path.trim_start_matches('/'))).collect();
        let thread = std::thread::spawn(move || {
            // To the kernel every thread has a user of its own: only this one stops being root.
            let (user, group) = (Uid::from_raw(65534), Gid::from_raw(65534));
            rustix::thread::set_thread_groups(&[]).expect("root may drop its groups");
            rustix::thread::set_thread_res_gid(group, group, group).expect("root may change its group");
            rustix::thread::set_thread_res_uid(user, user, user).expect("root may change its user");
            assert!(open("/etc/shadow", OFlags::RDONLY, Mode::empty()).is_err(), "the spy is not root");
            let mut found = Vec::new();
            while !stopped.load(Ordering::Relaxed) && found.len() < 10 {
                for directory in &directories {
                    look(&root, directory, &counted, &mut found);
                }
            }
            found
        });
        Self { stop, looks, thread }
    }

    /// How often it tried, and the secrets it has read.
    pub(crate) fn finish(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let found = self.thread.join().expect("the spy does not panic");
        (self.looks.load(Ordering::Relaxed), found)
    }
}

fn look(root: impl AsFd, directory: &PathBuf, looks: &AtomicU64, found: &mut Vec<String>) {
    let Ok(opened) = openat(root, directory, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()) else { return };
    let Ok(entries) = Dir::read_from(&opened) else { return };
    for entry in entries.flatten() {
        looks.fetch_add(1, Ordering::Relaxed);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let Ok(file) = openat(&opened, entry.file_name(), flags, Mode::empty()) else { continue };
        let mut head = [0; 64];
        // A directory cannot be read; this is about files.
        let Ok(length) = rustix::io::read(&file, &mut head) else { continue };
        if String::from_utf8_lossy(&head[..length]).contains(MARK) {
            found.push(directory.join(entry.file_name().to_string_lossy().as_ref()).display().to_string());
        }
    }
}

#[test]
fn a_spy_sees_a_secret_that_is_open_for_a_moment() {
    let Some(host) = Host::boot() else { return };
    host.must("mkdir /srv/open; install -m 600 /dev/null /srv/open/kept; echo secret > /srv/open/kept");
    let spy = Spy::on(&host, &["/srv/open"]);
    host.must(
        "for i in $(seq 20); do echo secret > /srv/open/moment; chmod 600 /srv/open/moment; rm /srv/open/moment; sleep 0.01; done",
    );
    let (looks, found) = spy.finish();
    assert!(found.iter().all(|path| path == "srv/open/moment"), "{found:?}");
    assert!(!found.is_empty(), "the spy looked {looks} times");
}
