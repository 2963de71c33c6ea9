//! Files of the kernel that inotify is silent about, and that tell by themselves when they change: poll(2) on them, as proc(5) has it.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What is mounted, what is swapped to, and the names that the machine goes by.
const FILES: [&str; 4] = ["/proc/self/mountinfo", "/proc/swaps", "/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname"];

/// The one of them that a path is. `/proc/self` is a symlink, and may have been followed.
pub(super) fn file(path: &Path) -> Option<&'static Path> {
    let own = PathBuf::from(format!("/proc/{}", std::process::id()));
    let path = path.strip_prefix(own).map_or_else(|_| path.to_owned(), |below| Path::new("/proc/self").join(below));
    FILES.iter().map(Path::new).find(|file| *file == path)
}

/// The files that are listened to.
#[derive(Debug, Default)]
pub(super) struct KernelFiles {
    files: HashMap<PathBuf, Listening>,
}

#[derive(Debug)]
struct Listening {
    file: File,
    /// It has told that it changed: a poll hears each change once.
    is_changed: bool,
}

impl KernelFiles {
    /// Listens to these and no others. Returns those that cannot be opened.
    pub(super) fn listen<'p>(&mut self, paths: impl Iterator<Item = &'p PathBuf> + Clone) -> Vec<(PathBuf, std::io::Error)> {
        self.files.retain(|path, _| paths.clone().any(|wanted| wanted == path));
        let mut failed = Vec::new();
        for path in paths {
            if self.files.contains_key(path) {
                continue;
            }
            match File::open(path) {
                Ok(file) => drop(self.files.insert(path.clone(), Listening { file, is_changed: false })),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => failed.push((path.clone(), error)),
            }
        }
        failed
    }

    /// Sleeps until one of them, or one of `others` that can be read, has something to tell; with a timeout so long at most.
    pub(super) fn wait(&mut self, others: &[BorrowedFd<'_>], timeout: Option<&Timespec>) {
        let mut own: Vec<&mut Listening> = self.files.values_mut().collect();
        let changed: Vec<bool> = {
            let listened = own.iter().map(|listening| PollFd::new(&listening.file, PollFlags::PRI));
            let mut fds: Vec<PollFd<'_>> = listened.chain(others.iter().map(|fd| PollFd::new(fd, PollFlags::IN))).collect();
            // An interrupted poll is a wake-up like any other.
            let _ = poll(&mut fds, timeout);
            fds.iter().take(own.len()).map(|fd| fd.revents().intersects(PollFlags::PRI | PollFlags::ERR)).collect()
        };
        for (listening, changed) in own.iter_mut().zip(changed) {
            listening.is_changed |= changed;
        }
    }

    /// Takes those that have changed. Does not wait.
    pub(super) fn take(&mut self) -> Vec<PathBuf> {
        if self.files.is_empty() {
            return Vec::new();
        }
        self.wait(&[], Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        let changed =
            self.files.iter_mut().filter_map(|(path, listening)| std::mem::take(&mut listening.is_changed).then(|| path.clone()));
        changed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_mounts_is_known_by_both_its_names() {
        let table = Some(Path::new("/proc/self/mountinfo"));
        assert_eq!(file(Path::new("/proc/self/mountinfo")), table);
        assert_eq!(file(Path::new(&format!("/proc/{}/mountinfo", std::process::id()))), table);
        assert_eq!(file(Path::new("/proc/1/mountinfo")), None);
        assert_eq!(file(Path::new("/proc/sys/vm/swappiness")), None);
    }
}
