//! inotify: which resources a change on the machine concerns.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{CStr, OsStr};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::event::Timespec;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::alarm::Alarm;
use super::kernel::KernelFiles;
use super::places::{Interest, Places};

/// Names that come, go or are exchanged, and the directory itself moved or removed.
const NAMES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

/// What becomes of the things themselves: content, mode, owner.
const THINGS: WatchFlags = WatchFlags::MODIFY.union(WatchFlags::CLOSE_WRITE).union(WatchFlags::ATTRIB);

/// How a watch is made: never of what a symlink points to by now, and of nothing but a directory.
const HOW: WatchFlags = WatchFlags::ONLYDIR.union(WatchFlags::DONT_FOLLOW).union(WatchFlags::MASK_ADD);

/// What happened since the last look.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The resources that it concerns.
    pub(super) resources: BTreeSet<u32>,
    /// Directories came, went or moved: what is to be watched may be elsewhere now.
    pub(super) is_moved: bool,
    /// More happened than could be told: anything may have changed.
    pub(super) is_overflow: bool,
}

/// The directories under watch, and the files of the kernel.
#[derive(Debug)]
pub(super) struct Notify {
    fd: OwnedFd,
    places: Places,
    kernel: KernelFiles,
    /// By watch: the paths of the directory. One directory may be at several, by mounts.
    paths: HashMap<i32, Vec<PathBuf>>,
    /// By path: the watch, and whether the things in it are looked at.
    watches: HashMap<PathBuf, (i32, bool)>,
}

/// Why a directory cannot be watched.
#[derive(Debug)]
pub(super) struct NotWatched {
    pub(super) path: PathBuf,
    pub(super) error: Errno,
}

impl Notify {
    pub(super) fn new() -> Result<Self, Errno> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let kernel = KernelFiles::default();
        Ok(Self { fd, places: Places::default(), kernel, paths: HashMap::new(), watches: HashMap::new() })
    }

    /// How many directories are under watch.
    pub(super) fn directories(&self) -> usize {
        self.paths.len()
    }

    /// The resources that depend on a unit.
    pub(super) fn units(&self) -> &HashMap<String, Vec<u32>> {
        &self.places.units
    }

    /// Watches these places and no others. Returns the directories that cannot be watched though they are there: the
    /// system's limit is reached, or they may not be read.
    pub(super) fn watch(&mut self, places: Places) -> Vec<NotWatched> {
        let gone: Vec<PathBuf> = self.watches.keys().filter(|path| !places.directories.contains_key(*path)).cloned().collect();
        for path in gone {
            self.leave(&path);
        }
        let mut failed = Vec::new();
        for (path, interest) in &places.directories {
            let flags = if interest.is_looked_at { NAMES | THINGS } else { NAMES } | HOW;
            match inotify::add_watch(&self.fd, path, flags) {
                Ok(watch) => self.enter(path, watch, interest.is_looked_at),
                // Gone meanwhile, or something else by now: the directory above tells when it comes.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => self.leave(path),
                Err(error) => failed.push(NotWatched { path: path.clone(), error }),
            }
        }
        for (path, error) in self.kernel.listen(places.kernel.keys()) {
            failed.push(NotWatched { path, error: Errno::from_io_error(&error).unwrap_or(Errno::IO) });
        }
        self.places = places;
        failed
    }

    fn enter(&mut self, path: &Path, watch: i32, is_looked_at: bool) {
        match self.watches.insert(path.to_owned(), (watch, is_looked_at)) {
            Some((old, _)) if old != watch => self.forget(path, old),
            Some(_) => return,
            None => {}
        }
        self.paths.entry(watch).or_default().push(path.to_owned());
    }

    fn leave(&mut self, path: &Path) {
        if let Some((watch, _)) = self.watches.remove(path) {
            self.forget(path, watch);
        }
    }

    /// A path no longer leads to the directory of a watch.
    fn forget(&mut self, path: &Path, watch: i32) {
        let Some(paths) = self.paths.get_mut(&watch) else { return };
        paths.retain(|other| other != path);
        if paths.is_empty() {
            self.paths.remove(&watch);
            // A watch whose directory is gone has been removed by the kernel.
            let _ = inotify::remove_watch(&self.fd, watch);
        }
    }

    /// Sleeps until something happens or the alarm rings; with a timeout so long at most.
    pub(super) fn wait(&mut self, alarm: &Alarm, timeout: Option<&Timespec>) {
        self.kernel.wait(&[alarm.as_fd(), self.fd.as_fd()], timeout);
    }

    /// Takes what has happened. Does not wait.
    pub(super) fn news(&mut self) -> News {
        let mut news = News::default();
        for path in self.kernel.take() {
            news.resources.extend(self.places.kernel.get(&path).into_iter().flatten());
        }
        let mut ended = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut reader = inotify::Reader::new(&self.fd, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(_) => break,
            };
            let what = event.events();
            if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                news.is_overflow = true;
                continue;
            }
            let Some(paths) = self.paths.get(&event.wd()) else { continue };
            for path in paths {
                if let Some(interest) = self.places.directories.get(path) {
                    tell(&mut news, interest, event.file_name(), what);
                }
            }
            if what.contains(ReadFlags::IGNORED) {
                ended.push(event.wd());
            }
        }
        for watch in ended {
            for path in self.paths.remove(&watch).unwrap_or_default() {
                self.watches.remove(&path);
            }
        }
        news
    }
}

/// Finds out whom an event concerns.
fn tell(news: &mut News, interest: &Interest, name: Option<&CStr>, what: ReadFlags) {
    let Some(name) = name else {
        // The directory itself: everything below it.
        news.is_moved = true;
        news.resources.extend(interest.names.values().flatten().chain(&interest.list));
        return;
    };
    let comes_or_goes = what.intersects(ReadFlags::CREATE | ReadFlags::DELETE | ReadFlags::MOVED_FROM | ReadFlags::MOVED_TO);
    if comes_or_goes {
        news.resources.extend(&interest.list);
    }
    if let Some(resources) = interest.names.get(OsStr::from_bytes(name.to_bytes())) {
        news.resources.extend(resources);
        // Anything that comes or goes may be on the way to something: a directory, a symlink.
        news.is_moved |= comes_or_goes;
    }
}
